/* test_facts.c - what rules learn about a message beyond its texts. */
#include <stdio.h>

#include "base/facts.h"
#include "smtp/image.h"
#include "tests/unit/smtp/normaliser_fixture.h"

static const struct facts *facts_of(const char *message)
{
	struct message_facts session = {.in_session = false};
	static struct normalised result;

	normalise(normaliser, bytes_text(message), &session, NULL, 0, &result);
	return result.texts.facts;
}

static const struct fact_html *html_of(const char *html)
{
	static char message[4096];

	snprintf(message, sizeof(message), "Content-Type: text/html\r\n\r\n%s", html);
	const struct facts *facts = facts_of(message);
	assert_int_equal(facts->html_count, 1);
	return facts->html;
}

static bool is(struct bytes text, const char *wanted)
{
	return bytes_equal(text, bytes_text(wanted));
}

static void tags_are_counted(void **state)
{
	const struct fact_html *html = html_of(
	    "<!DOCTYPE x><p><foo><p></p></p></p></foo><O:P></O:P>");

	(void)state;
	assert_int_equal(html->tag_count, 10);
	assert_int_equal(html->element_count, 8);
	assert_int_equal(html->tags_seen, 3);
	assert_int_equal(html->elements_seen, 2);
	assert_int_equal(html->closed_extra, 1);
	assert_non_null(facts_tag(html, BYTES("!doctype")));
	assert_int_equal(facts_tag(html, BYTES("foo"))->open_count, 0);
	assert_null(facts_tag(html, BYTES("b")));
}

static void anchors_titles_and_comments_keep_their_text(void **state)
{
	const struct fact_html *html = html_of(
	    "<title>one &amp; all</title><!-- note --><a href=' http://a.example/ '>go <b>on</b>"
	    "<zz><img src=x></a><a>none</a><a href=http://a.example/>again</a><iframe src=y>");

	(void)state;
	assert_int_equal(html->title_count, 1);
	assert_true(is(html->title[0], "one & all"));
	assert_true(is(html->comment[0], "<!-- note -->"));
	assert_int_equal(html->anchor_count, 3);
	assert_true(is(html->anchor[0].href, "http://a.example/"));
	assert_true(is(html->anchor[0].text, "go on<img>\n"));
	assert_false(html->anchor[0].is_repeated || html->anchor[1].is_repeated);
	assert_true(html->anchor[2].is_repeated);
	assert_true(html->iframe_uri);
}

static void tags_inside_words_are_noticed(void **state)
{
	const struct fact_html *html = html_of("ab<i>cde</i> fgh<b>ij k</b>_l<b>m_</b>");

	(void)state;
	assert_int_equal(html->obfuscation, 3);
	assert_int_equal(html->backhair_count, 2);
	assert_int_equal(html_of("ab <i>cd</i>, x")->obfuscation, 0);
}

static void pictures_and_fonts_are_looked_at(void **state)
{
	const struct fact_html *html = html_of("<img width=10 height=20><img width=50% height=x>"
	                                       "<img width=3><font face='Arial, sans-serif;'>");

	(void)state;
	assert_int_equal(html->image_area, 10 * 20 + 400 * 200);
	assert_false(html->font_face_bad);
	assert_true(html_of("<font face='Ar1al Black'>")->font_face_bad);
	assert_true(html_of("<font face='x'>")->font_face_bad);
	assert_false(html_of("<font face=' x'>")->font_face_bad);
	assert_true(html_of("<form action='MAILTO:a@b.example'>")->form_action_mailto);
	assert_true(html_of("<object>")->embeds);
}

static void lengths_count_characters(void **state)
{
	const struct fact_html *html = html_of("<p>\xc3\xa9t\xc3\xa9 \xc3\xa0&nbsp;x</p>");

	(void)state;
	assert_int_equal(html->length, 19);
	assert_int_equal(html->html_length, 11);
	assert_int_equal(html->non_space_len, 5);
}

#define TWO_PARTS \
	"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" \
	"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" \
	"=41=20=3D\r\n--b\r\nContent-Type: text/html; name=\"a b\"\r\n" \
	"Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n" \
	"PGI+eDwvYj4=\r\n--b--\r\n"

static void parts_stand_in_document_order(void **state)
{
	const struct facts *facts = facts_of(TWO_PARTS);

	(void)state;
	assert_int_equal(facts->part_count, 3);
	assert_int_equal(facts->part[0].behind, 3);
	assert_int_equal(facts->part[1].behind, 2);
	assert_int_equal(facts->part[2].parent, 0);
	assert_true(is(facts->part[0].type, "multipart/alternative"));
	assert_true(is(facts->part[1].rendered, "A ="));
	assert_true(is(facts->part[2].name, "a b"));
	assert_true(facts->part[2].is_base64 && facts->part[2].is_html);
	assert_int_equal(facts->part[2].html, 0);
	assert_int_equal(facts->part[2].line_bytes_max, 12);
	uint32_t index = facts_last_field(facts, &facts->part[2], BYTES("content-type"));
	assert_true(is(facts->field[index].value, "text/html; name=\"a b\""));
	assert_true(is(facts->field[index].raw, "text/html; name=\"a b\"\n"));
	assert_int_equal(facts_field(facts, &facts->part[0], BYTES("Content-Type"), 0), 0);
	assert_true(is(facts->field[0].raw, " multipart/alternative; boundary=b\n"));
}

static void encodings_are_walked_over(void **state)
{
	const struct fact_mime *mime = &facts_of(TWO_PARTS)->mime;

	(void)state;
	assert_int_equal(mime->html_count, 1);
	assert_int_equal(mime->text_count, 1);
	assert_int_equal(mime->base64_count, 1);
	assert_int_equal(mime->attachment_count, 1);
	assert_int_equal(mime->quoted_printable_count, 1);
	assert_int_equal(mime->qp_bytes, 9);
	assert_int_equal(mime->qp_escaped_count, 2);
	assert_true(mime->multipart_alternative && mime->has_last_text && !mime->has_last_html);
	assert_int_equal(mime->last_text_bytes, 9);
	assert_false(mime->base64_encoded_text || mime->qp_long_line || mime->missing_boundary);
	mime = &facts_of("X: y\r\n\r\nab\xff\r\n&#x20AC;\r\nc\r\n")->mime;
	assert_int_equal(mime->ascii_illegal_count, 1);
	/* A character set without a name is another set. */
	assert_int_equal(facts_of("Content-Type: text/plain; charset=\"\"\r\n\r\nab\xff\r\n")
	                     ->mime.ascii_illegal_count,
	                 0);
	mime = &facts_of("X: y\r\n\r\nab\xff\r\n&#x20AC;\r\nc\r\n")->mime;
	assert_int_equal(mime->unicode_escapes, 1);
	assert_true(
	    facts_of("Content-Type: text/plain; charset=iso-9999-x\r\n\r\n")->mime.bad_iso_charset);
	assert_true(facts_of("Content-Transfer-Encoding: base64\r\n\r\nYWJj\r\n")
	                ->mime.base64_encoded_text);
}

static void what_is_wrong_with_parts_counts_at_any_depth(void **state)
{
	const struct facts *facts = facts_of(
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	    "Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
	    "--c\r\nno header\r\n--c--\r\nepilogue\r\n--b--\r\n");

	(void)state;
	assert_int_equal(facts->part_count, 4);
	assert_int_equal(facts->part[1].behind, 4);
	assert_true(facts->flags.missing_mime_headers && facts->flags.mime_epilogue_exists);
	assert_false(facts->flags.missing_head_body_separator);
	/* The header of an inner message is not ours, and a blank line in front of what it says
	 * before its first part is supplied. */
	facts = facts_of("Content-Type: message/rfc822\r\n\r\n"
	                 "Content-Type: multipart/mixed; boundary=c\r\n\r\ntext\r\nmore\r\n");
	assert_false(facts->flags.missing_head_body_separator ||
	             facts->flags.missing_mime_head_body_separator);
	facts = facts_of("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	                 "no header\r\n--b--\r\nepilogue\r\n");
	assert_true(facts->flags.missing_mime_headers && facts->flags.mime_epilogue_exists);
	assert_true(facts->flags.missing_mime_head_body_separator);
}

static void relays_and_dates_are_told(void **state)
{
	const struct facts *facts = facts_of(
	    "Received: from m.example (m.example [192.0.2.1]) by us.example with ESMTP id abc;\r\n"
	    " Sun, 22 Nov 2026 10:00:00 +0000\r\n"
	    "Received: from h.example (h.example [10.0.0.1]) by m.example with ESMTP id abd;\r\n"
	    " Sun, 22 Nov 2026 12:30:00 +0100\r\n"
	    "Date: Sun, 22 Nov 2026 11:00:00 +0000\r\n\r\nx\r\n");

	(void)state;
	assert_int_equal(facts->relays_untrusted, 2);
	assert_int_equal(facts->relay_count, 2);
	assert_true(is(facts->relay[0].rdns, "m.example"));
	assert_true(facts->relay[1].is_private && !facts->relay[1].is_trusted);
	assert_true(facts->has_date);
	assert_int_equal(facts->received_date_count, 2);
	assert_int_equal(facts->date_diff_s, -1800);
	assert_int_equal(facts->body_bytes, 3);
}

static void what_finds_no_room_is_counted(void **state)
{
	static char html[FACT_HTML_TEXTS_MAX * 4 + 64] = "Content-Type: text/html\r\n\r\n";
	size_t len = strlen(html);
	uint64_t before = counters.facts_cut;

	(void)state;
	for (unsigned i = 0; i <= FACT_HTML_TEXTS_MAX; i++, len += 3)
		memcpy(html + len, "<a>", 3);
	const struct facts *facts = facts_of(html);
	assert_int_equal(facts->html[0].anchor_count, FACT_HTML_TEXTS_MAX);
	assert_true(facts->html[0].left_out);
	assert_int_equal(counters.facts_cut, before + 1);
}

static void pictures_tell_their_size(void **state)
{
	static const uint8_t jpeg[] = {0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff,
	                               0xc2, 0,    17,   8,    1, 2, 3, 4, 3};
	uint32_t width, height;

	(void)state;
	assert_int_equal(
	    image_size(FACT_IMAGE_GIF, BYTES("GIF89a\x05\x01\x07\x00xx"), &width, &height),
	    IMAGE_FOUND);
	assert_int_equal(width, 261);
	assert_int_equal(height, 7);
	assert_int_equal(image_size(FACT_IMAGE_PNG,
	                            BYTES("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\1\0\0\0\0\x09"),
	                            &width, &height),
	                 IMAGE_FOUND);
	assert_int_equal(width, 256);
	assert_int_equal(image_size(FACT_IMAGE_JPEG, bytes_of(jpeg, sizeof(jpeg)), &width, &height),
	                 IMAGE_FOUND);
	assert_int_equal(width, 0x0304);
	assert_int_equal(height, 0x0102);
	assert_int_equal(image_size(FACT_IMAGE_JPEG, bytes_of(jpeg, 10), &width, &height),
	                 IMAGE_NEEDS_MORE);
	assert_int_equal(image_size(FACT_IMAGE_GIF, BYTES("no picture"), &width, &height),
	                 IMAGE_NO_SIZE);
	const struct facts *facts = facts_of("Content-Type: image/gif\r\n"
	                                     "Content-Transfer-Encoding: base64\r\n\r\n"
	                                     "R0lGODlhBQEHAHh4\r\n");
	assert_int_equal(facts->part[0].image, FACT_IMAGE_GIF);
	assert_int_equal(facts->part[0].image_width, 261);
}

/* FIPS 180-4 and RFC 1321 give digests of "abc". */
static void digests_of_parts_are_made_when_asked_for(void **state)
{
	const struct facts *facts = facts_of(
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\nYWJj\r\n--b--\r\n");
	static const uint8_t md5[] = {0x90, 0x01, 0x50, 0x98}, sha1[] = {0xa9, 0x99, 0x3e, 0x36},
	                     sha256[] = {0xba, 0x78, 0x16, 0xbf};
	const struct part_digests *digests = &facts->digests;
	uint8_t digest[PART_DIGEST_BYTES];
	uint32_t bytes;

	(void)state;
	assert_false(facts->is_cut);
	assert_false(digests->find(digests->context, 0, PART_MD5, digest, &bytes));
	assert_false(digests->find(digests->context, 9, PART_MD5, digest, &bytes));
	for (int again = 0; again < 2; again++) {
		assert_true(digests->find(digests->context, 1, PART_MD5, digest, &bytes));
		assert_memory_equal(digest, md5, 4);
		assert_int_equal(bytes, 3);
		assert_true(digests->find(digests->context, 1, PART_SHA1, digest, &bytes));
		assert_memory_equal(digest, sha1, 4);
		assert_true(digests->find(digests->context, 1, PART_SHA256, digest, &bytes));
		assert_memory_equal(digest, sha256, 4);
	}
	/* Of the next message they are others. */
	facts = facts_of("Subject: x\r\n\r\nabc\r\n");
	assert_true(digests->find(digests->context, 0, PART_MD5, digest, &bytes));
	assert_memory_not_equal(digest, md5, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tags_are_counted),
	    cmocka_unit_test(anchors_titles_and_comments_keep_their_text),
	    cmocka_unit_test(tags_inside_words_are_noticed),
	    cmocka_unit_test(pictures_and_fonts_are_looked_at),
	    cmocka_unit_test(lengths_count_characters),
	    cmocka_unit_test(parts_stand_in_document_order),
	    cmocka_unit_test(encodings_are_walked_over),
	    cmocka_unit_test(what_is_wrong_with_parts_counts_at_any_depth),
	    cmocka_unit_test(relays_and_dates_are_told),
	    cmocka_unit_test(what_finds_no_room_is_counted),
	    cmocka_unit_test(pictures_tell_their_size),
	    cmocka_unit_test(digests_of_parts_are_made_when_asked_for),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
