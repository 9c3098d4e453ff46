/* test_dkim.c - what is read of signatures, and what of the message they are compared with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/dkim_question.h"
#include "smtp/dkim.h"
#include "smtp/dkim_hash.h"
#include "smtp/dkim_tags.h"

#define BODY_BYTES_MAX 120
#define ROUND_COUNT    20000
#define NOW_S          1700000000

static struct arena arena;
static struct dkim *dkim;
static uint32_t seed = 1;

static uint32_t next_random(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

static void digest_of(struct bytes octets, uint8_t out[DKIM_DIGEST_BYTES])
{
	struct sha256_ctx sha256;

	sha256_init(&sha256);
	sha256_update(&sha256, octets.len, octets.data);
	sha256_digest(&sha256, DKIM_DIGEST_BYTES, out);
}

/* Bodies: against the words of RFC 6376 3.4.3 and 3.4.4, line by line. */

struct lines {
	uint8_t data[4 * BODY_BYTES_MAX];
	size_t len;
};

static void put_line(struct lines *out, struct bytes line, enum dkim_canon canon)
{
	for (size_t i = 0; i < line.len; i++) {
		bool blank = canon == DKIM_RELAXED && (line.data[i] == ' ' || line.data[i] == '\t');

		if (!blank) {
			out->data[out->len++] = line.data[i];
			continue;
		}
		while (i + 1 < line.len && (line.data[i + 1] == ' ' || line.data[i + 1] == '\t'))
			i++;
		if (i + 1 < line.len)
			out->data[out->len++] = ' ';
	}
	out->data[out->len++] = '\r';
	out->data[out->len++] = '\n';
}

static size_t line_len(struct bytes body, bool crlf, size_t *out_end_len)
{
	for (size_t i = 0; i < body.len; i++) {
		bool after_cr = i > 0 && body.data[i - 1] == '\r';

		if (body.data[i] != '\n' || (crlf && !after_cr))
			continue;
		*out_end_len = after_cr ? 2 : 1;
		return i + 1 - *out_end_len;
	}
	*out_end_len = 0;
	return body.len;
}

static void canonical(struct bytes body, bool crlf, enum dkim_canon canon, struct lines *out)
{
	size_t end_len;

	out->len = 0;
	while (body.len > 0) {
		size_t len = line_len(body, crlf, &end_len);

		put_line(out, bytes_slice(body, 0, len), canon);
		body = bytes_slice(body, len + end_len, SIZE_MAX);
	}
	while (out->len >= 4 && memcmp(out->data + out->len - 4, "\r\n\r\n", 4) == 0)
		out->len -= 2;
	if (out->len == 2 && out->data[0] == '\r')
		out->len = 0;
	if (out->len == 0 && canon == DKIM_SIMPLE)
		put_line(out, bytes_of(NULL, 0), canon);
}

static struct bytes body_new(bool crlf)
{
	static const char *const of[] = {" ",      "\t", "a",  "\r\n", "  ",
	                                 "bc def", "\r", "\n", "\x80", ""};
	uint8_t *data = malloc(BODY_BYTES_MAX + 8);
	uint32_t words = next_random() % 16, kinds = next_random() % 2 == 0 ? 9 : 6;
	size_t len = 0;

	for (uint32_t i = 0; i < words; i++) {
		const char *word = of[next_random() % kinds];

		if (!crlf && strcmp(word, "\r\n") == 0 && next_random() % 4 != 0)
			word = "\n";
		memcpy(data + len, word, strlen(word));
		len += strlen(word);
	}
	/* The end of the block is that of the text, for the sanitizers. */
	uint8_t *exact = malloc(len > 0 ? len : 1);
	memcpy(exact, data, len);
	free(data);
	return bytes_of(exact, len);
}

static void bodies_are_as_rfc_6376_has_them(void **state)
{
	(void)state;
	for (int round = 0; round < ROUND_COUNT; round++) {
		bool crlf = round % 2 == 0;
		enum dkim_canon canon = round % 4 < 2 ? DKIM_SIMPLE : DKIM_RELAXED;
		struct bytes body = body_new(crlf);
		struct dkim_body_digest got[3];
		uint8_t wanted[DKIM_DIGEST_BYTES];
		struct lines lines;

		canonical(body, crlf, canon, &lines);
		got[0].length = next_random() % (lines.len + 1);
		got[1].length = lines.len + next_random() % 2;
		got[2].length = DKIM_WHOLE;
		dkim_hash_body(body, crlf, false, canon, got, 3);
		digest_of(bytes_of(lines.data, got[0].length), wanted);
		assert_true(got[0].known);
		assert_memory_equal(got[0].digest, wanted, sizeof(wanted));
		digest_of(bytes_of(lines.data, lines.len), wanted);
		assert_int_equal(got[1].known, got[1].length == lines.len);
		assert_true(got[2].known);
		assert_memory_equal(got[2].digest, wanted, sizeof(wanted));
		free((void *)(uintptr_t)body.data);
	}
}

static void cut_body_tells_what_lies_before_the_cut(void **state)
{
	struct dkim_body_digest got[2] = {{.length = 5}, {.length = DKIM_WHOLE}};
	uint8_t wanted[DKIM_DIGEST_BYTES];

	(void)state;
	dkim_hash_body(BYTES("a  b\r\ncd\r\n \r"), true, true, DKIM_RELAXED, got, 2);
	digest_of(BYTES("a b\r\n"), wanted);
	assert_true(got[0].known);
	assert_memory_equal(got[0].digest, wanted, sizeof(wanted));
	assert_false(got[1].known);
}

/* Tags */

static enum dkim_tags_result tags_of(const char *text)
{
	struct dkim_tags tags;

	return dkim_tags_parse(bytes_text(text), &tags);
}

static void tag_lists_are_strict(void **state)
{
	struct dkim_tags tags;

	(void)state;
	assert_int_equal(dkim_tags_parse(BYTES(" a = b c ;\r\n\tx_1=;Q=d=e; "), &tags),
	                 DKIM_TAGS_OK);
	assert_int_equal(tags.count, 3);
	assert_true(bytes_equal(dkim_tags_find(&tags, "a")->value, BYTES("b c")));
	assert_true(bytes_equal(dkim_tags_find(&tags, "a")->raw, BYTES(" b c ")));
	assert_true(bytes_equal(dkim_tags_find(&tags, "Q")->value, BYTES("d=e")));
	assert_int_equal(dkim_tags_find(&tags, "x_1")->value.len, 0);
	assert_null(dkim_tags_find(&tags, "q"));
	assert_int_equal(tags_of("a=1;a=2"), DKIM_TAGS_WRONG);
	assert_int_equal(tags_of("a=1;;b=2"), DKIM_TAGS_WRONG);
	assert_int_equal(tags_of("1a=1"), DKIM_TAGS_WRONG);
	assert_int_equal(tags_of("a=\x01"), DKIM_TAGS_WRONG);
	assert_int_equal(tags_of("a=1; b"), DKIM_TAGS_NONE);
}

static size_t base64(const char *text, uint8_t out[8])
{
	return dkim_base64(bytes_text(text), out, 4);
}

static void base64_is_strict(void **state)
{
	uint8_t out[8];

	(void)state;
	assert_int_equal(base64(" Zm\r\n 9v ", out), 3);
	assert_memory_equal(out, "foo", 3);
	assert_int_equal(base64("Zg==", out), 1);
	assert_int_equal(base64("Zg", out), 1);
	assert_int_equal(base64("Zm9vYg==", out), 4);
	assert_int_equal(base64("", out), 0);
	assert_true(base64("Zm9vYmE=", out) == DKIM_BASE64_WRONG); /* five octets */
	assert_true(base64("Z", out) == DKIM_BASE64_WRONG);
	assert_true(base64("Zg=", out) == DKIM_BASE64_WRONG);
	assert_true(base64("Zg==Zg==", out) == DKIM_BASE64_WRONG);
	assert_true(base64("Z.==", out) == DKIM_BASE64_WRONG);
}

/* Signatures */

#define BH_OF_EMPTY "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define TAGS        "v=1; a=rsa-sha256; c=relaxed/relaxed; d=Example.com; s=Sel; h=from; bh=" BH_OF_EMPTY
#define FROM        "From: a@example.com\r\n"

static struct fact_signature read_one(const char *message)
{
	struct dkim_signatures all = dkim_read(dkim, bytes_text(message), false, NOW_S);

	assert_int_equal(all.count, 1);
	return all.signature[0];
}

static enum fact_signature_state state_of(const char *tags)
{
	char message[4096];

	snprintf(message, sizeof(message), "DKIM-Signature: %s\r\n" FROM "\r\n", tags);
	return read_one(message).state;
}

/* The question is about the digest of this text. */
static void assert_signed(const struct fact_signature *s, const char *text)
{
	uint8_t wanted[DKIM_DIGEST_BYTES];
	struct dkim_question question;

	assert_int_equal(s->state, SIGNATURE_ASK);
	assert_true(dkim_question_read(bytes_of(s->question, s->question_bytes), &question));
	digest_of(bytes_text(text), wanted);
	assert_memory_equal(question.digest.data, wanted, sizeof(wanted));
}

static void question_names_the_key_and_the_digest(void **state)
{
	struct dkim_question question;
	struct fact_signature s = read_one("DKIM-Signature: " TAGS ";\r\n\tb=Zm 9v\r\n" FROM
	                                   "\r\n");

	(void)state;
	assert_signed(&s,
	              "from:a@example.com\r\ndkim-signature:v=1; a=rsa-sha256; "
	              "c=relaxed/relaxed; d=Example.com; s=Sel; h=from; bh=" BH_OF_EMPTY "; b=");
	assert_true(dkim_question_read(bytes_of(s.question, s.question_bytes), &question));
	assert_int_equal(question.algorithm, DKIM_RSA_SHA256);
	assert_true(bytes_equal(question.key_name, BYTES("sel._domainkey.example.com")));
	assert_true(bytes_equal(question.signature, BYTES("foo")));
	assert_true(bytes_equal(fact_signature_domain(&s), BYTES("example.com")));
	assert_true(bytes_equal(fact_signature_identity(&s), BYTES("example.com")));
	assert_false(s.identity_below);
}

/* RFC 6376 3.4.5, and 5.4.2: fields of one name are taken from below. */
static void fields_are_canonical_and_taken_from_below(void **state)
{
	struct fact_signature s = read_one(
	    "A: X\r\nDKIM-Signature: v=1; a=rsa-sha256; d=a.b; s=c; c=relaxed/relaxed;b=Zg==; \r\n"
	    " h=b:A:from:b:B: none ; bh=" BH_OF_EMPTY " \r\n"
	    "B : Y\t\r\n\tZ  \r\nfrom: x\r\nb:second\r\n\r\n");

	(void)state;
	assert_signed(&s,
	              "b:second\r\na:X\r\nfrom:x\r\nb:Y Z\r\ndkim-signature:v=1; a=rsa-sha256; "
	              "d=a.b; s=c; c=relaxed/relaxed;b=; h=b:A:from:b:B: none ; bh=" BH_OF_EMPTY);
	s = read_one("A: X\r\nDKIM-Signature: v=1; a=rsa-sha256; d=a.b; s=c; c=simple/relaxed; \r\n"
	             " h=b:A:from; bh=" BH_OF_EMPTY ";\r\n b= Zg==\r\n"
	             "B : Y\t\r\n\tZ  \r\nfrom: x\r\n\r\n");
	assert_signed(&s,
	              "B : Y\t\r\n\tZ  \r\nA: X\r\nfrom: x\r\nDKIM-Signature: v=1; a=rsa-sha256; "
	              "d=a.b; s=c; c=simple/relaxed; \r\n h=b:A:from; bh=" BH_OF_EMPTY ";\r\n b=");
}

static void other_signatures_may_be_signed_but_not_itself(void **state)
{
	struct dkim_signatures all = dkim_read(dkim,
	                                       BYTES("DKIM-Signature: " TAGS
	                                             ":dkim-signature:dkim-signature; b=Zg==\r\n"
	                                             "DKIM-Signature: v=2\r\n" FROM "\r\n"),
	                                       false, NOW_S);

	(void)state;
	assert_int_equal(all.count, 2);
	assert_int_equal(all.fields, 2);
	/* ":dkim-signature" stands behind bh= there, which makes it wrong: */
	assert_int_equal(all.signature[0].state, SIGNATURE_INVALID);
	assert_int_equal(all.signature[1].state, SIGNATURE_INVALID);
	all = dkim_read(dkim,
	                BYTES("DKIM-Signature: v=1;a=rsa-sha256;c=relaxed/relaxed;d=a.b;s=c;"
	                      "h=from:dkim-signature:dkim-signature;b=Zg==;bh=" BH_OF_EMPTY "\r\n"
	                      "DKIM-Signature: v=2\r\nFrom:x\r\n\r\n"),
	                false, NOW_S);
	assert_signed(
	    &all.signature[0],
	    "from:x\r\ndkim-signature:v=2\r\ndkim-signature:v=1;a=rsa-sha256;"
	    "c=relaxed/relaxed;d=a.b;s=c;h=from:dkim-signature:dkim-signature;b=;bh=" BH_OF_EMPTY);
}

static void what_nobody_can_use_is_not_asked_about(void **state)
{
	static const char *const wrong[] = {
	    TAGS, /* without b= */
	    TAGS "; b=",
	    TAGS "; b=Zg==; b=Zg==",
	    TAGS "; b=Zg==; v=1",
	    TAGS "; b=Zg==; x=1699999999",
	    TAGS "; b=Zg==; t=1800000000; x=1800000000",
	    TAGS "; b=Zg==; x=soon",
	    TAGS "; b=Zg==; l=",
	    TAGS "; b=Zg==; q=dns/other",
	    TAGS "; b=Zg==; i=a@example.org",
	    TAGS "; b=Zg==; i=a@notexample.com",
	    TAGS "; b=Zg==; i=example.com",
	    "v=2; a=rsa-sha256; c=relaxed/relaxed; d=a.b; s=c; h=from; b=Zg==; bh=" BH_OF_EMPTY,
	    "a=rsa-sha256; c=relaxed/relaxed; d=a.b; s=c; h=from; b=Zg==; bh=" BH_OF_EMPTY,
	    "v=1; a=rsa-sha1; c=relaxed/relaxed; d=a.b; s=c; h=from; b=Zg==; bh=" BH_OF_EMPTY,
	    "v=1; a=rsa-sha256; c=nowsp; d=a.b; s=c; h=from; b=Zg==; bh=" BH_OF_EMPTY,
	    "v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.b; s=c; h=to; b=Zg==; bh=" BH_OF_EMPTY,
	    "v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.b; s=c; h=from::to; b=Zg==; bh=" BH_OF_EMPTY,
	    "v=1; a=rsa-sha256; c=relaxed/relaxed; d=a b; s=c; h=from; b=Zg==; bh=" BH_OF_EMPTY,
	    "v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.b; h=from; b=Zg==; bh=" BH_OF_EMPTY,
	    "v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.b; s=c; h=from; b=Zg==; bh=Zg=="};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(state_of(wrong[i]), SIGNATURE_INVALID);
	assert_int_equal(state_of(TAGS "; b=Zg==; x=1700000000; t=1; q=dns/txt; z=From:a|b"),
	                 SIGNATURE_ASK);
	assert_int_equal(state_of(TAGS "; b=Zg==; i=a=20b@Sub.EXAMPLE.com; l=0"), SIGNATURE_ASK);
	assert_int_equal(state_of(TAGS "; b=Zg==; l=99999999999999999999999"), SIGNATURE_BODY);
}

static void body_that_differs_needs_no_question(void **state)
{
	(void)state;
	assert_int_equal(read_one("DKIM-Signature: " TAGS ";b=Zg==\r\n" FROM "\r\nx\r\n").state,
	                 SIGNATURE_BODY);
	assert_int_equal(read_one("DKIM-Signature: " TAGS ";b=Zg==;l=0\r\n" FROM "\r\nx\r\n").state,
	                 SIGNATURE_ASK);
	assert_int_equal(read_one("DKIM-Signature: " TAGS ";b=Zg==\n" FROM "\n \n\n").state,
	                 SIGNATURE_ASK);
}

/* Returns where the text ends. */
static size_t put(char *memory, size_t at, const char *text)
{
	memcpy(memory + at, text, strlen(text) + 1);
	return at + strlen(text);
}

static void what_was_cut_or_is_too_much_is_unknown(void **state)
{
	struct dkim_signatures all;
	char *many = malloc(200000);
	size_t len;

	(void)state;
	all = dkim_read(dkim, BYTES("DKIM-Signature: " TAGS ";b=Zg==\r\n" FROM "\r\nx\r\n"), true,
	                NOW_S);
	assert_int_equal(all.signature[0].state, SIGNATURE_UNKNOWN);
	all = dkim_read(dkim, BYTES("DKIM-Signature: " TAGS ";b=Zg==\r\n" FROM), true, NOW_S);
	assert_int_equal(all.signature[0].state, SIGNATURE_UNKNOWN);
	len = put(many, 0, "DKIM-Signature: " TAGS ";b=Zg==\r\n" FROM);
	for (int i = 0; i < DKIM_FIELDS_MAX; i++)
		len = put(many, len, "x: y\r\n");
	(void)put(many, len, "\r\n");
	assert_int_equal(read_one(many).state, SIGNATURE_UNKNOWN);
	/* A field that is signed and longer than what is hashed of one signature. */
	len = put(many, 0, "DKIM-Signature: " TAGS ";b=Zg==\r\nFrom: ");
	memset(many + len, 'a', DKIM_HEADER_BYTES_MAX);
	(void)put(many, len + DKIM_HEADER_BYTES_MAX, "\r\n\r\n");
	assert_int_equal(read_one(many).state, SIGNATURE_UNKNOWN);
	free(many);
}

static void signatures_beyond_the_bound_are_counted(void **state)
{
	char message[8192];
	struct dkim_signatures all;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < FACT_SIGNATURES_MAX + 3; i++)
		len = put(message, len, "DKIM-Signature: " TAGS ";b=Zg==\r\n");
	(void)put(message, len,
	          "DomainKey-Signature: a=b\r\nDKIM-Signature: rubbish\r\n" FROM "\r\n");
	all = dkim_read(dkim, bytes_text(message), false, NOW_S);
	assert_int_equal(all.count, FACT_SIGNATURES_MAX);
	assert_int_equal(all.left_out, 3);
	assert_int_equal(all.fields, FACT_SIGNATURES_MAX + 4);
}

/* Who reads the message sees two fields; so does the signature. */
static void field_cannot_hide_behind_a_lone_line_feed(void **state)
{
	struct fact_signature s = read_one(
	    "DKIM-Signature: v=1;a=rsa-sha256;c=relaxed/relaxed;d=a.b;s=c;h=from:from;b=Zg==;"
	    "bh=" BH_OF_EMPTY "\r\nX: y\nFrom: z\r\nFrom: x\r\n\r\n");

	(void)state;
	assert_signed(&s, "from:x\r\nfrom:z\r\ndkim-signature:v=1;a=rsa-sha256;c=relaxed/relaxed;"
	                  "d=a.b;s=c;h=from:from;b=;bh=" BH_OF_EMPTY);
}

#define SET(i, cv) \
	"ARC-Seal: i=" i "; a=rsa-sha256; cv=" cv "; d=a.b; s=c; b=Zg==\r\n" \
	"ARC-Message-Signature: i=" i "; a=rsa-sha256; c=relaxed/relaxed; d=a.b; s=c; h=from; " \
	"bh=" BH_OF_EMPTY "; b=Zg==\r\n" \
	"ARC-Authentication-Results: i=" i "; x\r\n"

static struct fact_arc chain_of(const char *sets, bool cut)
{
	static char message[16384];

	snprintf(message, sizeof(message), "%s" FROM "\r\n", sets);
	return dkim_read(dkim, bytes_text(message), cut, NOW_S).arc;
}

/* RFC 8617 5.1.1: a seal is over all sets up to its own. */
static void seals_are_over_the_sets_before_them(void **state)
{
	struct fact_arc arc = chain_of(SET("1", "none"), false);

	(void)state;
	assert_int_equal(arc.state, ARC_ASK);
	assert_int_equal(arc.fields, 2);
	assert_int_equal(arc.count, 2);
	assert_signed(arc.signature[0],
	              "from:a@example.com\r\narc-message-signature:i=1; a=rsa-sha256; "
	              "c=relaxed/relaxed; d=a.b; s=c; h=from; bh=" BH_OF_EMPTY "; b=");
	assert_signed(
	    arc.signature[1],
	    "arc-authentication-results:i=1; x\r\n"
	    "arc-message-signature:i=1; a=rsa-sha256; c=relaxed/relaxed; d=a.b; s=c; h=from; "
	    "bh=" BH_OF_EMPTY "; b=Zg==\r\n"
	    "arc-seal:i=1; a=rsa-sha256; cv=none; d=a.b; s=c; b=");
	arc = chain_of(SET("2", "pass") SET("1", "none"), false);
	assert_int_equal(arc.state, ARC_ASK);
	assert_int_equal(arc.count, 3);
}

static void chains_that_are_not_whole_have_failed(void **state)
{
	(void)state;
	assert_int_equal(chain_of("", false).state, ARC_NONE);
	assert_int_equal(chain_of("ARC-Seal: i=1; cv=none\r\n", false).state, ARC_INVALID);
	assert_int_equal(chain_of(SET("1", "pass"), false).state, ARC_INVALID);
	assert_int_equal(chain_of(SET("2", "pass"), false).state, ARC_INVALID);
	assert_int_equal(chain_of(SET("1", "none") SET("1", "none"), false).state, ARC_INVALID);
	assert_int_equal(chain_of(SET("2", "fail") SET("1", "none"), false).state, ARC_INVALID);
	assert_int_equal(chain_of(SET("51", "pass") SET("1", "none"), false).state, ARC_INVALID);
	assert_int_equal(chain_of(SET("0", "none"), false).state, ARC_INVALID);
	assert_int_equal(chain_of(SET("11", "pass") SET("1", "none"), false).state, ARC_UNKNOWN);
	assert_int_equal(chain_of(SET("1", "none"), true).state, ARC_UNKNOWN);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(arena_init(&arena, dkim_bytes() + 4096, false), OK);
	dkim = dkim_new(&arena);
	assert_non_null(dkim);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bodies_are_as_rfc_6376_has_them),
	    cmocka_unit_test(cut_body_tells_what_lies_before_the_cut),
	    cmocka_unit_test(tag_lists_are_strict),
	    cmocka_unit_test(base64_is_strict),
	    cmocka_unit_test(question_names_the_key_and_the_digest),
	    cmocka_unit_test(fields_are_canonical_and_taken_from_below),
	    cmocka_unit_test(other_signatures_may_be_signed_but_not_itself),
	    cmocka_unit_test(what_nobody_can_use_is_not_asked_about),
	    cmocka_unit_test(body_that_differs_needs_no_question),
	    cmocka_unit_test(what_was_cut_or_is_too_much_is_unknown),
	    cmocka_unit_test(signatures_beyond_the_bound_are_counted),
	    cmocka_unit_test(seals_are_over_the_sets_before_them),
	    cmocka_unit_test(chains_that_are_not_whole_have_failed),
	    cmocka_unit_test(field_cannot_hide_behind_a_lone_line_feed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
