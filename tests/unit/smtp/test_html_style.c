/* test_html_style.c - colours, sizes, and which text nobody can see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smtp/html_style.h"

static struct html_styles styles;
static bool hidden; /* whether the last text of read() was */

/* Opens, closes and looks at texts as they come. */
static void read_markup(const char *html)
{
	static uint8_t memory[256];
	struct html_tokenizer tokenizer;
	struct html_token token;

	html_styles_reset(&styles, sink_over(memory, sizeof(memory)));
	html_open(&tokenizer, bytes_text(html));
	hidden = false;
	for (html_next(&tokenizer, &token); token.kind != HTML_END_OF_TEXT;
	     html_next(&tokenizer, &token)) {
		bool is_tag = token.kind == HTML_START || token.kind == HTML_END;
		enum html_element element = is_tag ? html_element_find(&token) : HTML_ELEMENT_COUNT;
		enum html_style_kind kind = element < HTML_ELEMENT_COUNT
		                                ? html_element_traits(element)->style
		                                : HTML_STYLE_DEFAULT;

		if (token.kind == HTML_START)
			html_styles_open(&styles, kind, &token);
		else if (token.kind == HTML_END)
			html_styles_close(&styles, kind);
		else if (token.kind == HTML_TEXT)
			hidden = html_styles_hide(&styles);
	}
}

static void colours_are_read_as_browsers_and_senders_write_them(void **state)
{
	(void)state;
	assert_int_equal(html_colour(BYTES("Navy")), 0x000080);
	assert_int_equal(html_colour(BYTES("  yellowgreen ")), 0x9acd32);
	assert_int_equal(html_colour(BYTES("#1a2B3c")), 0x1a2b3c);
	assert_int_equal(html_colour(BYTES("#abc")), 0xaabbcc);
	assert_int_equal(html_colour(BYTES("#abcde")), 0xaabbcc);
	assert_int_equal(html_colour(BYTES("#abcdef99")), 0xabcdef);
	assert_int_equal(html_colour(BYTES("#a")), 0xaa0000);
	assert_int_equal(html_colour(BYTES("#")), HTML_COLOUR_EMPTY);
	assert_int_equal(html_colour(BYTES("rgb(1, 2,3)")), 0x010203);
	assert_int_equal(html_colour(BYTES("rgb(100%,0%,50%)")), 0xff007f);
	assert_int_equal(html_colour(BYTES("rgb(1,2)")), HTML_COLOUR_INVALID);
	assert_int_equal(html_colour(BYTES("abcdef")), HTML_COLOUR_INVALID);
	assert_int_equal(html_colour(BYTES("windowtext")), HTML_COLOUR_INVALID);
	assert_int_equal(html_colour(BYTES("")), HTML_COLOUR_INVALID);
}

static void text_of_the_colour_of_its_ground_is_low_contrast(void **state)
{
	(void)state;
	read_markup("<font color=white>x</font>");
	assert_true(hidden && styles.low_contrast);
	read_markup("<font color=white></font>x");
	assert_false(hidden || styles.low_contrast);
	read_markup("<font color=#f8f8f8>x</font>");
	assert_true(styles.low_contrast);
	read_markup("<font color=#808080>x</font>");
	assert_false(styles.low_contrast);
	read_markup("<p style='background: url(\"a,b\") no-repeat, #0f0f0f'>x");
	assert_true(styles.low_contrast);
	read_markup("<span style='color: rgba(255, 255, 300, 0.5) !important'>x");
	assert_true(styles.low_contrast);
	read_markup("<div style='background-color:#000'><p style='color:transparent'>x");
	assert_true(styles.low_contrast);
	read_markup("<div style='color:inherit'>x");
	assert_false(styles.low_contrast);
	read_markup("<span style='color: windowtext'>x");
	assert_true(styles.invalid_colour && hidden);
}

static void styles_end_with_their_element(void **state)
{
	(void)state;
	read_markup("<table><tr><td style='color:#fff'><font size=7>a<td>x");
	assert_false(hidden);
	assert_int_equal(styles.size_max, 7);
	read_markup("<div style='display:none'><p>a<p>b</div>x");
	assert_false(hidden);
	read_markup("<div style='display:none'><p>a<p>b</div");
	read_markup("<div style='visibility: Hidden'><p>x");
	assert_true(hidden);
	read_markup("<body text=white></body>x");
	assert_true(hidden);
	read_markup("</div></font>x");
	assert_false(hidden);
}

static void sizes_are_relative_to_the_base(void **state)
{
	(void)state;
	read_markup("<font size=+2>x");
	assert_int_equal(styles.size_max, 5);
	read_markup("<basefont size=4><font size='+2'>x");
	assert_int_equal(styles.size_max, 6);
	read_markup("<font size=-2>x");
	assert_int_equal(styles.size_min, 1);
	assert_true(hidden);
	read_markup("<small><small>x");
	assert_true(hidden);
	assert_int_equal(styles.size_min, 3);
}

static void nesting_without_end_stays_bounded(void **state)
{
	static char html[4 * HTML_STYLE_DEPTH_MAX * 4];

	(void)state;
	for (size_t i = 0; i + 4 < sizeof(html); i += 3)
		memcpy(html + i, "<p>", 3);
	read_markup(html);
	assert_int_equal(styles.depth, HTML_STYLE_DEPTH_MAX);
	assert_int_equal(styles.open[HTML_STYLE_P], HTML_STYLE_DEPTH_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(colours_are_read_as_browsers_and_senders_write_them),
	    cmocka_unit_test(text_of_the_colour_of_its_ground_is_low_contrast),
	    cmocka_unit_test(styles_end_with_their_element),
	    cmocka_unit_test(sizes_are_relative_to_the_base),
	    cmocka_unit_test(nesting_without_end_stays_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
