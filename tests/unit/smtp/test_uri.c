/* test_uri.c - hosts in other scripts, and the names the DNS has for them. */
#include <stdio.h>
#include <string.h>

#include "smtp/octets.h"
#include "smtp/uri.h"
#include "tests/unit/smtp/normaliser_fixture.h"

static struct normalised result;

static void read_message(const char *type, const char *body)
{
	char message[4096];
	struct message_facts facts = {.in_session = false};

	snprintf(message, sizeof(message), "Subject: x\r\nContent-Type: %s\r\n\r\n%s\r\n", type,
	         body);
	normalise(normaliser, bytes_text(message), &facts, NULL, 0, &result);
}

static bool has_uri(const char *wanted)
{
	const struct text *uris = &result.texts.kind[TEXT_URI];

	for (uint32_t i = 0; i < uris->segment_count; i++)
		if (bytes_equal(text_segment(uris, i), bytes_text(wanted)))
			return true;
	return false;
}

static void ascii_form_stands_beside_the_other(void **state)
{
	(void)state;
	read_message("text/plain; charset=utf-8", "http://b\xc3\xbc"
	                                          "cher.example.com/x?y");
	assert_true(has_uri("http://b\xc3\xbc"
	                    "cher.example.com/x?y"));
	assert_true(has_uri("http://xn--bcher-kva.example.com/x?y"));
	assert_int_equal(result.texts.kind[TEXT_URI].segment_count, 2);
	read_message("text/html; charset=iso-8859-1", "<a href='http://B\xdc"
	                                              "CHER.de/'>x</a>");
	assert_true(has_uri("http://xn--bcher-kva.de/"));
}

static void ports_that_say_nothing_go(void **state)
{
	(void)state;
	read_message("text/plain; charset=utf-8", "https://m\xc3\xbcller.de:443/a");
	assert_true(has_uri("https://xn--mller-kva.de:443/a"));
	assert_true(has_uri("https://xn--mller-kva.de/a"));
	assert_true(has_uri("https://m\xc3\xbcller.de/a"));
	read_message("text/plain; charset=utf-8", "https://m\xc3\xbcller.de:80/a");
	assert_false(has_uri("https://xn--mller-kva.de/a"));
}

static void dots_of_other_scripts_are_dots(void **state)
{
	(void)state;
	read_message("text/html; charset=utf-8", "<a href='http://a\xe3\x80\x82"
	                                         "com/'>x</a>");
	assert_true(has_uri("http://a.com/"));
	read_message("text/html; charset=utf-8",
	             "<a href='http://\xef\xbd\x85\xef\xbd\x98\xef\xbc\x8e\xef\xbd\x83\xef\xbd\x8f"
	             "\xef\xbd\x8d/'>x</a>");
	assert_true(has_uri("http://ex.com/"));
}

/* In a text a host counts under a top-level domain that exists, by either form. */
static void texts_need_a_domain_that_exists(void **state)
{
	(void)state;
	read_message("text/plain; charset=utf-8",
	             "http://\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.\xd1\x80\xd1\x84/");
	assert_true(has_uri("http://xn--e1afmkfd.xn--p1ai/"));
	read_message("text/plain; charset=utf-8", "http://b\xc3\xbc"
	                                          "cher.nosuchtld/");
	assert_int_equal(result.texts.kind[TEXT_URI].segment_count, 0);
}

static void what_cannot_be_converted_stays(void **state)
{
	(void)state;
	read_message("text/html; charset=utf-8", "<a href='http://-\xc3\xbc.com/'>x</a>"
	                                         "<a href='http://xn--a.com/'>y</a>");
	assert_true(has_uri("http://-\xc3\xbc.com/"));
	assert_true(has_uri("http://xn--a.com/"));
}

/* Beyond so many hosts of a message none is converted, and that is counted. */
static void conversions_are_bounded(void **state)
{
	static char body[60000];
	size_t len = 0;
	struct message_facts facts = {.in_session = false};

	(void)state;
	len = (size_t)snprintf(body, sizeof(body), "Subject: x\r\n\r\n");
	for (unsigned i = 0; i < 400; i++)
		len += (size_t)snprintf(body + len, sizeof(body) - len,
		                        "http://\xc3\xbc%u.com/\r\n", i);
	normalise(normaliser, bytes_of(body, len), &facts, NULL, 0, &result);
	assert_true((result.defects >> DEFECT_BIT_URIS_LEFT_OUT & 1) != 0);
	assert_int_equal(result.texts.kind[TEXT_URI].segment_count, 2 * 256);
}

/* URIs made to meet in one slot: few are kept, the others are counted as left out. */
static void uris_that_meet_are_left_out(void **state)
{
	static struct uri_list list;
	struct arena memory;
	char uri[32];
	unsigned met = 0;

	(void)state;
	assert_int_equal(arena_init(&memory, uri_list_bytes(), false), OK);
	assert_true(uri_list_init(&list, &memory));
	for (unsigned i = 0; met < 200; i++) {
		struct bytes text = bytes_of(
		    uri, (size_t)snprintf(uri, sizeof(uri), "http://%u.com/", i));

		if (octets_hash(text) % (2 * URIS_MAX) != 5)
			continue;
		bool is_kept = uri_keep(&list, text) != FACT_NONE;
		assert_int_equal(is_kept, met < 128);
		assert_int_equal(uri_detail_make(&list, text) != FACT_NONE, is_kept);
		assert_int_equal(uri_detail_find(&list, text) != FACT_NONE, is_kept);
		assert_int_equal(list.left_out, !is_kept);
		met++;
	}
	arena_free(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(ascii_form_stands_beside_the_other, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(ports_that_say_nothing_go, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(dots_of_other_scripts_are_dots, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(texts_need_a_domain_that_exists, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_cannot_be_converted_stays, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(conversions_are_bounded, set_up, tear_down),
	    cmocka_unit_test(uris_that_meet_are_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
