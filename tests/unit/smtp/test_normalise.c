/* test_normalise.c - messages of ten lines, and what rules get to see of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/smtp/normaliser_fixture.h"

static struct normalised result;

static void run(const char *message, const char *selector_text, struct selector *selector)
{
	struct message_facts facts = {.in_session = false};
	uint32_t count = 0;

	if (selector_text != NULL) {
		assert_true(selector_parse(bytes_text(selector_text), selector));
		count = 1;
	}
	normalise(normaliser, bytes_text(message), &facts, selector, count, &result);
}

/* All segments of a kind, '|' between them. */
static void text_is(enum text_kind kind, const char *message, const char *wanted)
{
	char seen[8192] = "";
	size_t at = 0;

	run(message, NULL, NULL);
	for (uint32_t i = 0; i < result.texts.kind[kind].segment_count; i++) {
		struct bytes segment = text_segment(&result.texts.kind[kind], i);

		if (i > 0)
			seen[at++] = '|';
		assert_true(at + segment.len + 2 < sizeof(seen));
		memcpy(seen + at, segment.data, segment.len);
		at += segment.len;
	}
	seen[at] = '\0';
	assert_string_equal(seen, wanted);
}

/* NULL: the selector is absent. */
static void header_is(const char *message, const char *selector_text, const char *wanted)
{
	struct selector selector;

	run(message, selector_text, &selector);
	assert_int_equal(result.texts.kind[TEXT_HEADER].segment_count, 1);
	bool absent = result.texts.kind[TEXT_HEADER].segments[0].start == SEGMENT_ABSENT;
	assert_int_equal(absent, wanted == NULL);
	if (wanted == NULL)
		return;
	struct bytes text = text_segment(&result.texts.kind[TEXT_HEADER], 0);
	assert_int_equal(text.len, strlen(wanted));
	assert_memory_equal(text.data, wanted, text.len);
}

static bool has_uri(const char *wanted)
{
	const struct text *uris = &result.texts.kind[TEXT_URI];

	for (uint32_t i = 0; i < uris->segment_count; i++)
		if (bytes_equal(text_segment(uris, i), bytes_text(wanted)))
			return true;
	return false;
}

static void test_body_begins_with_subject(void **state)
{
	(void)state;
	text_is(TEXT_BODY, "Subject: Hi\r\n\r\none\r\ntwo\r\n\r\nthree\r\n",
	        "Hi\n|one two\n|three ");
	text_is(TEXT_BODY, "X: y\r\n\r\nbody\r\n", "\n|body ");
	text_is(TEXT_BODY, "Subject: a\r\nSubject: b\r\n\r\nbody\r\n", "b\n|body ");
	text_is(TEXT_BODY, "", "\n");
}

/* Of more than 20 blank lines the first and the last 19 stay. */
static void test_blank_lines_are_squeezed(void **state)
{
	char message[256] = "X: y\n\na\n\t\n", wanted[256] = "a\n\t\n";
	size_t at = strlen(message), end = strlen(wanted);

	(void)state;
	memset(message + at, '\n', 23);
	memcpy(message + at + 23, " \nb\n", 5);
	memset(wanted + end, '\n', 18);
	memcpy(wanted + end + 18, " \nb\n", 5);
	text_is(TEXT_RAWBODY, message, wanted);
	memcpy(message + at + 18, "\nb\n", 4);
	memcpy(wanted + end + 18, "\nb\n", 4);
	text_is(TEXT_RAWBODY, message, wanted);
}

static void test_white_space_of_other_scripts_folds(void **state)
{
	(void)state;
	text_is(
	    TEXT_BODY,
	    "Content-Type: text/plain; charset=utf-8\r\n\r\na\xc2\xa0\xe3\x80\x80 b\xc3\xa9\r\n",
	    "\n|a b\xc3\xa9 ");
}

static void test_character_sets(void **state)
{
	(void)state;
	text_is(TEXT_BODY, "Content-Type: text/plain; charset=koi8-r\r\n\r\n\xd0\xd2\r\n",
	        "\n|\xd0\xbf\xd1\x80 ");
	text_is(TEXT_BODY, "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\x93x\x94\r\n",
	        "\n|\xe2\x80\x9cx\xe2\x80\x9d ");
	/* Valid UTF-8 wins over what was declared. */
	text_is(TEXT_BODY, "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n\xc3\xa9\r\n",
	        "\n|\xc3\xa9 ");
	text_is(TEXT_BODY, "Content-Type: text/plain; charset=no-such\r\n\r\n\xe9\r\n",
	        "\n|\xc3\xa9 ");
}

static void test_html_is_rendered(void **state)
{
	(void)state;
	text_is(TEXT_BODY,
	        "Content-Type: text/html\r\n\r\n<p>One "
	        "<b>t</b>wo</p><br>th&eacute;e<script>x</script>\r\n",
	        "\n|\n|One two\n|th\xe9"
	        "e ");
	text_is(TEXT_BODY,
	        "Content-Type: text/html; charset=utf-8\r\n\r\nFree\xc3\x82\xc2\xa0money\r\n",
	        "\n|Free money ");
	text_is(TEXT_RAWBODY, "Content-Type: text/html\r\n\r\n<p>One</p>\r\n", "<p>One</p>\n");
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"

static void test_parts(void **state)
{
	(void)state;
	text_is(TEXT_RAWBODY,
	        MIXED "--b\r\n\r\none\r\n--b\r\nContent-Type: text/csv\r\n\r\n1,2\r\n"
	              "--b\r\nContent-Type: image/png\r\n\r\nPNG\r\n--b--\r\nepilogue\r\n",
	        "one|1,2");
	assert_int_equal(result.part_count, 4);
	assert_true(result.defects >> DEFECT_BIT_EPILOGUE & 1);
	/* A file name makes HTML of anything. */
	text_is(TEXT_BODY,
	        MIXED "--b\r\nContent-Type: application/octet-stream; "
	              "name=\"a.html\"\r\n\r\n<b>x</b>\r\n--b--\r\n",
	        "\n|x");
	text_is(TEXT_RAWBODY,
	        MIXED
	        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--b--\r\n",
	        "inner");
	text_is(TEXT_RAWBODY,
	        MIXED "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nZm9v\r\n--b--\r\n", "foo");
}

static void test_broken_parts(void **state)
{
	(void)state;
	text_is(TEXT_RAWBODY, MIXED "--b\r\n\r\nnever closed\r\n", "never closed\n");
	assert_true(result.defects >> DEFECT_BIT_NO_END_BOUNDARY & 1);
	text_is(TEXT_RAWBODY, "Content-Type: multipart/mixed\r\n\r\nno boundary\r\n",
	        "no boundary\n");
	text_is(TEXT_RAWBODY, MIXED "--b\r\nbody at once\r\n--b--\r\n", "body at once");
	assert_true(result.defects >> DEFECT_BIT_PART_NO_HEADER & 1);
}

static void test_long_lines_in_parts_are_broken(void **state)
{
	static char message[4096];
	size_t len = strlen(MIXED "--b\r\n\r\n");

	(void)state;
	memcpy(message, MIXED "--b\r\n\r\n", len);
	memset(message + len, 'x', 2100);
	memcpy(message + len + 2100, "\r\n--b--\r\n", sizeof("\r\n--b--\r\n"));
	run(message, NULL, NULL);
	struct bytes body = text_segment(&result.texts.kind[TEXT_BODY], 1);
	assert_int_equal(bytes_find(body, ' '), 2048);
}

static void test_nesting_is_bounded(void **state)
{
	static char message[32768];
	size_t len = 0;

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		len += (size_t)snprintf(
		    message + len, sizeof(message) - len,
		    "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
	run(message, NULL, NULL);
	assert_true(result.defects >> DEFECT_BIT_NESTED_TOO_DEEP & 1);
	assert_true(result.part_count <= 23);
}

static void test_header_values(void **state)
{
	(void)state;
	header_is("X-Two: one\r\nX-Two: two\r\n\r\n", "X-Two", "one\ntwo\n");
	header_is("To: a@x.example, B <b@y.example>\r\n\r\n", "To:addr",
	          "a@x.example\nb@y.example");
	header_is("From: \"Ann Other\" <a@x.example>\r\n\r\n", "From:name", "Ann Other");
	header_is("From: a@x.example (Ann Other)\r\n\r\n", "From:name", "Ann Other");
	header_is("Subject: a\r\n\tb\r\n\r\n", "Subject", "a b\n");
	header_is("Subject:  a\r\n\tb\r\n\r\n", "Subject:raw", "  a\n\tb\n");
	header_is("To: x\nSubject: a\r\n\nb\n", "Subject:raw", " a\r\n");
	header_is("To: x\r\n\r\n", "Cc", NULL);
	header_is("Subject:\r\n\r\n", "subject", "\n");
	header_is("X-Spam-Flag: YES\r\n\r\n", "X-Spam-Flag", NULL);
	header_is("X-Spam-Flag: YES\r\nA: b\r\n\r\n", "ALL", "A: b\n");
	header_is("To: a\r\nCc: b\r\n\r\n", "ToCc", "a\nb\n");
	header_is("Message-Id: <a@b>\r\n\r\n", "MESSAGEID", "<a@b>\n");
}

/* An address that takes the most room it can, next to the value without backslashes. */
static void test_an_address_of_quotes_is_whole(void **state)
{
	static char message[3 * 8192], wanted[3 * 8192];
	char *at = message, *put = wanted;

	(void)state;
	at = stpcpy(at, "From: <\"\\\\.");
	put = stpcpy(put, "\".");
	for (unsigned i = 0; i < 8000; i++) {
		*at++ = '\'';
		put = stpcpy(put, "\\'");
	}
	strcpy(at, "\"@b\r\n\r\n");
	strcpy(put, "\"@b");
	header_is(message, "From:addr", wanted);
}

static void test_encoded_words(void **state)
{
	(void)state;
	header_is("Subject: =?utf-8?B?w6k=?= x\r\n\r\n", "Subject", "\xc3\xa9 x\n");
	header_is("Subject: =?iso-8859-1?Q?=E9?= =?iso-8859-1?q?_y?=\r\n\r\n", "Subject",
	          "\xc3\xa9 y\n");
	/* One character over two words. */
	header_is("Subject: =?utf-8?B?w6k?= =?utf-8?Q?=C3?=\r\n =?utf-8?Q?=A9?=\r\n\r\n", "Subject",
	          "\xc3\xa9\xc3\xa9\n");
	header_is("Subject: =?broken?\r\n\r\n", "Subject", "=?broken?\n");
	header_is("Message-ID: =?utf-8?Q?x?=\r\n\r\n", "Message-ID", "=?utf-8?Q?x?=\n");
}

static void test_relays(void **state)
{
	static const char message[] = "Received: from a.example (a.example [10.0.0.1]) by "
	                              "in.example (Postfix) with ESMTP id 1abc; x\r\n"
	                              "Received: from b.example (c.example [192.0.2.7]) by "
	                              "a.example (Postfix) with ESMTP id 2abc; x\r\n\r\n";

	(void)state;
	header_is(message, "X-Spam-Relays-Trusted",
	          "[ ip=10.0.0.1 rdns=a.example helo=a.example by=in.example ident= envfrom= "
	          "intl=1 id=1abc auth= msa=0 ]");
	header_is(message, "X-Spam-Relays-Untrusted",
	          "[ ip=192.0.2.7 rdns=c.example helo=b.example by=a.example ident= envfrom= "
	          "intl=0 id=2abc auth= msa=0 ]");
	assert_int_equal(result.received_count, 2);
}

static void test_session_is_the_first_relay(void **state)
{
	struct message_facts facts = {
	    .in_session = true, .helo = BYTES("h.example"), .sender = BYTES("s@e.example")};
	struct selector selectors[2];

	(void)state;
	facts.client.addr = addr_from_ip4(0xC0000201);
	assert_true(selector_parse(BYTES("EnvelopeFrom"), &selectors[0]));
	assert_true(selector_parse(BYTES("X-Spam-Relays-External"), &selectors[1]));
	normalise(normaliser, BYTES("A: b\r\n\r\n"), &facts, selectors, 2, &result);
	assert_true(
	    bytes_equal(text_segment(&result.texts.kind[TEXT_HEADER], 0), BYTES("s@e.example")));
	struct bytes relays = text_segment(&result.texts.kind[TEXT_HEADER], 1);
	assert_true(bytes_starts_nocase(relays, BYTES("[ ip=192.0.2.1 rdns= helo=h.example ")));
}

static bool leads(void *context, struct bytes uri, struct bytes *out_target)
{
	const char *mark = context;
	size_t at = 0;

	while (at + strlen(mark) < uri.len && memcmp(uri.data + at, mark, strlen(mark)) != 0)
		at++;
	*out_target = bytes_slice(uri, at + strlen(mark), SIZE_MAX);
	return out_target->len > 0;
}

static void test_patterns_tell_where_uris_lead(void **state)
{
	struct message_facts facts = {.redirects = {(void *)(uintptr_t) "to=", leads}};
	struct bytes message = BYTES("Subject: x\r\n\r\nhttp://me@a.com/?to=b.com/x\r\n"
	                             "http://c.com/http://d.com/\r\n");

	(void)state;
	normalise(normaliser, message, &facts, NULL, 0, &result);
	assert_true(has_uri("http://b.com/x"));
	assert_true(has_uri("http://d.com/"));
	facts.redirects.find = NULL;
	normalise(normaliser, message, &facts, NULL, 0, &result);
	assert_false(has_uri("http://b.com/x"));
}

static void test_envelope_sender_above_all_received(void **state)
{
	struct selector selector;
	struct message_facts facts = {.in_session = false};

	(void)state;
	assert_true(selector_parse(BYTES("EnvelopeFrom"), &selector));
	normalise(normaliser, BYTES("Return-Path: <a@b.example>\r\nReceived: by x\r\n\r\n"), &facts,
	          &selector, 1, &result);
	assert_true(
	    bytes_equal(text_segment(&result.texts.kind[TEXT_HEADER], 0), BYTES("a@b.example")));
	normalise(normaliser,
	          BYTES("Return-Path: <a@b.example>\r\nReceived: by x\r\n"
	                "Return-Path: <list@c.example>\r\n\r\n"),
	          &facts, &selector, 1, &result);
	assert_true(text_segment(&result.texts.kind[TEXT_HEADER], 0).len == 0);
}

static void test_body_that_is_none(void **state)
{
	(void)state;
	run("Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n", NULL, NULL);
	assert_int_equal(result.texts.kind[TEXT_BODY].segment_count, 0);
	run("Subject: s\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\nab\xa4\xb3 cd\r\n",
	    NULL, NULL);
	assert_true(bytes_equal(text_segment(&result.texts.kind[TEXT_BODY], 1), BYTES("ab")));
}

static void test_uris(void **state)
{
	(void)state;
	run("Subject: x\r\n\r\nsee http://a.example.com/x?y. or www.b.com (mail me@c.org), d.net "
	    "bad.nosuchtld\r\n",
	    NULL, NULL);
	assert_true(has_uri("http://a.example.com/x?y"));
	assert_true(has_uri("http://www.b.com"));
	assert_true(has_uri("mailto:me@c.org"));
	assert_true(has_uri("http://d.net"));
	assert_false(has_uri("http://bad.nosuchtld"));
	run("Content-Type: text/html\r\n\r\n<base href='http://e.com/d/'><a "
	    "href='p.html'>x</a><img src='http://%77ww.f.com'>\r\n",
	    NULL, NULL);
	assert_true(has_uri("http://e.com/d/p.html"));
	assert_true(has_uri("http://www.f.com"));
	run("X: y\r\n\r\nhttp://0x7f.1.1.1/ http://g.com:80/ http://h.com/?u=http://i.com/\r\n",
	    NULL, NULL);
	assert_true(has_uri("http://127.1.1.1/"));
	assert_true(has_uri("http://g.com/"));
	assert_true(has_uri("http://i.com/"));
	/* More digits than an address has. */
	run("X: y\r\n\r\nhttp://34133354660/a http://0x1c0000207/b http://3232235777/c\r\n", NULL,
	    NULL);
	assert_true(has_uri("http://127.40.26.138/a"));
	assert_true(has_uri("http://192.0.2.7/b"));
	assert_true(has_uri("http://192.168.1.1/c"));
}

static void test_full_is_the_message(void **state)
{
	(void)state;
	text_is(TEXT_FULL, "A: b\r\n\r\nc\r\n", "A: b\r\n\r\nc\r\n");
}

static void test_longer_than_the_bound_is_cut(void **state)
{
	static char message[MESSAGE_BYTES + 100];

	(void)state;
	memset(message, 'x', sizeof(message) - 1);
	memcpy(message, "A: b\r\n\r\n", 8);
	run(message, NULL, NULL);
	assert_true(result.defects >> DEFECT_BIT_CUT & 1);
	assert_int_equal(result.texts.kind[TEXT_FULL].bytes, MESSAGE_BYTES);
}

/* Bounds hold, whatever comes: a message of nothing but fields, of nothing but boundaries, of
 * nothing but URIs. */
static void test_floods_are_bounded(void **state)
{
	static const char *const units[] = {
	    "A:b\r\n",        "--b\r\n",        "a.com ", "\n",
	    "<a href=x.com>", "=?utf-8?Q?a?= ", "\xff",   "http://a.com/?http://b.com/?"};
	static const char *const heads[] = {"", "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
	                                    "Content-Type: text/html\r\n\r\n",
	                                    "Subject: ", "X: y\r\n\r\n"};
	static char message[MESSAGE_BYTES];
	struct selector selector;

	(void)state;
	for (unsigned h = 0; h < 5; h++) {
		for (unsigned u = 0; u < 8; u++) {
			size_t len = strlen(heads[h]);

			memcpy(message, heads[h], len);
			while (len + strlen(units[u]) + 1 < sizeof(message)) {
				memcpy(message + len, units[u], strlen(units[u]) + 1);
				len += strlen(units[u]);
			}
			run(message, "ALL", &selector);
			assert_int_equal(result.texts.kind[TEXT_FULL].bytes, len);
			assert_true(result.texts.kind[TEXT_BODY].segment_count > 0);
		}
	}
}

/* Many no-break spaces that were taken for two characters each fold in one go. */
static void test_many_garbled_spaces_fold(void **state)
{
	static const char head[] = "Content-Type: text/html; charset=utf-8\r\n\r\n";
	static const char unit[] = "\xc3\x82\xc2\xa0";
	static char message[2 * 1024 * 1024];
	size_t len = sizeof(head) - 1;
	struct message_facts facts = {.in_session = false};
	struct arena memory;

	(void)state;
	assert_int_equal(arena_init(&memory, normaliser_bytes(sizeof(message)), false), OK);
	struct normaliser *large = normaliser_new(&memory, sizeof(message), &counters);
	assert_non_null(large);
	memcpy(message, head, len);
	message[len++] = 'x';
	for (; len + 8 < sizeof(message); len += 4)
		memcpy(message + len, unit, 4);
	memcpy(message + len, "y\xc3\x82z", 4);
	clock_t start = clock();
	normalise(large, bytes_of((const uint8_t *)message, len + 4), &facts, NULL, 0, &result);
	assert_true(clock() - start < 3 * CLOCKS_PER_SEC);
	const struct text *body = &result.texts.kind[TEXT_BODY];
	struct bytes last = text_segment(body, body->segment_count - 1);
	assert_true(bytes_equal(last, BYTES("x y\xc3\x82z")));
	normaliser_close(large);
	arena_free(&memory);
}

static void test_unknown_selectors_are_refused(void **state)
{
	struct selector selector;

	(void)state;
	assert_false(selector_parse(BYTES("From:nosuch"), &selector));
	assert_false(selector_parse(BYTES(""), &selector));
	assert_false(selector_parse(BYTES("a b"), &selector));
	assert_true(selector_parse(BYTES("From:addr:raw"), &selector));
}

static void test_defects_have_texts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DEFECT_COUNT; i++)
		assert_true(message_defect_text((enum message_defect)i)[0] != '\0');
	assert_true(DEFECT_COUNT <= 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_body_begins_with_subject),
	    cmocka_unit_test(test_blank_lines_are_squeezed),
	    cmocka_unit_test(test_white_space_of_other_scripts_folds),
	    cmocka_unit_test(test_character_sets),
	    cmocka_unit_test(test_html_is_rendered),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_broken_parts),
	    cmocka_unit_test(test_long_lines_in_parts_are_broken),
	    cmocka_unit_test(test_nesting_is_bounded),
	    cmocka_unit_test(test_header_values),
	    cmocka_unit_test(test_an_address_of_quotes_is_whole),
	    cmocka_unit_test(test_encoded_words),
	    cmocka_unit_test(test_relays),
	    cmocka_unit_test(test_session_is_the_first_relay),
	    cmocka_unit_test(test_uris),
	    cmocka_unit_test(test_patterns_tell_where_uris_lead),
	    cmocka_unit_test(test_envelope_sender_above_all_received),
	    cmocka_unit_test(test_body_that_is_none),
	    cmocka_unit_test(test_full_is_the_message),
	    cmocka_unit_test(test_longer_than_the_bound_is_cut),
	    cmocka_unit_test(test_floods_are_bounded),
	    cmocka_unit_test(test_many_garbled_spaces_fold),
	    cmocka_unit_test(test_unknown_selectors_are_refused),
	    cmocka_unit_test(test_defects_have_texts),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
