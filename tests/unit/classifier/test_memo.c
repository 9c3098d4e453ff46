/* test_memo.c - what was found in texts that come again: the same with and without. */
#include "base/random.h"
#include "classifier/memo.h"
#include "tests/unit/classifier/rules_fixture.h"

static const struct hash_key key = {{7, 9}};

static void keeps_what_was_noted(void **state)
{
	struct memo *memo = memo_new(65536, &key);
	const struct memo_result *result;
	uint32_t count, reader;

	(void)state;
	assert_non_null(memo);
	reader = memo_reader(memo);
	assert_null(memo_find(memo, reader, 1, BYTES("a text"), &count));
	memo_note(memo, 5, 2);
	memo_note(memo, 6, 1);
	memo_note(memo, 5, 3);
	memo_note_unasked(memo, 6);
	memo_note_unasked(memo, 7);
	assert_int_equal(memo_keep(memo), MEMO_KEPT);
	memo_note(memo, 8, 1); /* of no text: nothing */
	result = memo_find(memo, reader, 1, BYTES("a text"), &count);
	assert_non_null(result);
	assert_int_equal(count, 3);
	assert_true(result[0].rule == 5 && result[0].count == 5);
	assert_true(result[1].rule == 6 && result[1].count == 1);
	assert_true(result[2].rule == 7 && result[2].count == MEMO_ASK);
	/* Another looker, text, reader: not this one's. */
	assert_null(memo_find(memo, reader, 2, BYTES("a text"), &count));
	assert_null(memo_find(memo, reader, 1, BYTES("a texT"), &count));
	memo_drop(memo);
	assert_null(memo_find(memo, memo_reader(memo), 1, BYTES("a text"), &count));
	memo_free(memo);
}

static void what_has_to_be_asked_stays_so(void **state)
{
	struct memo *memo = memo_new(65536, &key);
	const struct memo_result *result;
	uint32_t count, reader = memo_reader(memo);

	(void)state;
	assert_null(memo_find(memo, reader, 1, BYTES("x"), &count));
	memo_note(memo, 5, 2);
	memo_note(memo, 5, MEMO_ASK);
	memo_note(memo, 5, 1);
	memo_note(memo, 6, 65535);
	memo_note(memo, 6, 1);
	assert_int_equal(memo_keep(memo), MEMO_KEPT);
	result = memo_find(memo, reader, 1, BYTES("x"), &count);
	assert_true(result[0].count == MEMO_ASK && result[1].count == MEMO_ASK);
	memo_free(memo);
}

/* What was asked in the end is known the next time, as long as the text has its place. */
static void what_was_asked_is_learnt(void **state)
{
	struct memo *memo = memo_new(65536, &key);
	const struct memo_result *result;
	uint32_t count, reader = memo_reader(memo);

	(void)state;
	assert_null(memo_find(memo, reader, 1, BYTES("x"), &count));
	assert_int_equal(memo_text(memo).entry, 0);
	memo_note(memo, 4, 2);
	for (uint32_t rule = 5; rule < 9; rule++)
		memo_note_unasked(memo, rule);
	assert_int_equal(memo_keep(memo), MEMO_KEPT);
	struct memo_text text = memo_text(memo), stale = {text.entry, text.serial + 1};
	memo_learn(memo, text, 5, 0);
	memo_learn(memo, text, 6, 3);
	memo_learn(memo, text, 7, 65536); /* too often to be said */
	memo_learn(memo, text, 4, 9);     /* known before */
	memo_learn(memo, text, 99, 1);    /* nobody asked */
	memo_learn(memo, stale, 8, 1);
	memo_learn(memo, (struct memo_text){0, 0}, 8, 1);
	result = memo_find(memo, reader, 1, BYTES("x"), &count);
	assert_non_null(result);
	assert_int_equal(memo_text(memo).entry, text.entry);
	assert_int_equal(count, 4);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(result[i].count, result[i].rule == 4   ? 2
		                                  : result[i].rule == 6 ? 3
		                                                        : MEMO_ASK);
	memo_free(memo);
}

static void bounds_are_kept(void **state)
{
	struct memo *memo;
	uint32_t count, kept = 0, replaced = 0;
	char text[16];

	(void)state;
	assert_null(memo_new(100, &key));
	memo = memo_new(8192, &key);
	assert_non_null(memo);
	uint32_t reader = memo_reader(memo);
	assert_null(memo_find(memo, reader, 1, BYTES("many"), &count));
	for (uint32_t rule = 0; rule <= MEMO_RESULTS_MAX; rule++)
		memo_note(memo, rule, 1);
	assert_int_equal(memo_keep(memo), MEMO_TOO_LARGE);
	assert_null(memo_find(memo, reader, 1, BYTES("many"), &count));
	memo_drop(memo);
	for (unsigned i = 0; i < 1000; i++) {
		int len = snprintf(text, sizeof(text), "text %u", i);

		assert_null(memo_find(memo, reader, 1, bytes_of(text, (size_t)len), &count));
		replaced += memo_keep(memo) == MEMO_KEPT_FOR_ANOTHER;
	}
	for (unsigned i = 0; i < 1000; i++) {
		int len = snprintf(text, sizeof(text), "text %u", i);

		kept += memo_find(memo, reader, 1, bytes_of(text, (size_t)len), &count) != NULL;
		memo_drop(memo);
	}
	/* A line of 8 and as many sets as go into the octets. */
	assert_int_equal(kept, 1000 - replaced);
	assert_true(kept > 16 && kept <= 64);
	memo_free(memo);
}

/* What readers before left goes first, and is not counted. */
static void readers_of_before_make_room(void **state)
{
	struct memo *memo = memo_new(8192, &key);
	uint32_t count;
	char text[16];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		uint32_t reader = memo_reader(memo);

		for (unsigned i = 0; i < 8; i++) {
			int len = snprintf(text, sizeof(text), "text %u", i);

			assert_null(
			    memo_find(memo, reader, 1, bytes_of(text, (size_t)len), &count));
			assert_int_equal(memo_keep(memo), MEMO_KEPT);
		}
	}
	memo_free(memo);
}

static const char
    rules[] = "body ONCE /winner announced/i\nbody SOME /prize/\ntflags SOME multiple maxhits=3\n"
              "body MANY /prize/\ntflags MANY multiple\nbody CLASS /[pq]r[iy]z[ea]/\n"
              "body NOSUB /winner/\ntflags NOSUB nosubject\nbody NONE /never there/\n"
              "rawbody RAW /winner/\nuri LINK /winner/\nheader SUBJ Subject =~ /winner/\n"
              "header FROM From =~ /winner/\nbody ALLOF /zz\\d+|winner.{0,20}prize/\n";
static const char *const names[] = {"ONCE", "SOME", "MANY", "CLASS", "NOSUB", "NONE",
                                    "RAW",  "LINK", "SUBJ", "FROM",  "ALLOF"};
static const char *const texts[] = {
    "the winner announced a prize today, and a winner it was\n", "prize prize prize prize prize\n",
    "prize prize, and once more than that\n", "nothing at all of interest is said in here\n",
    "a winner, and the prize, zz99, was announced\n"};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))

static void draw_message(struct fixture *f, struct random *draw)
{
	fixture_empty_texts(f);
	for (uint32_t i = 1 + random_below(draw, 5); i > 0; i--)
		fixture_add(f, TEXT_BODY, texts[random_below(draw, TEXTS)]);
	fixture_add(f, TEXT_RAWBODY, texts[random_below(draw, TEXTS)]);
	fixture_add(f, TEXT_URI, texts[random_below(draw, TEXTS)]);
	fixture_header(f, "Subject", texts[random_below(draw, TEXTS)]);
	fixture_header(f, "From", texts[random_below(draw, TEXTS)]);
}

static void hits_are_the_same_without(void **state)
{
	struct fixture *with = fixture_new(rules), *without = fixture_new(rules);
	struct memo *memo = memo_new(65536, &key);
	struct random draw, again;

	(void)state;
	scan_context_set_memo(with->context, memo);
	random_seed(&draw, 11);
	random_seed(&again, 11);
	for (unsigned i = 0; i < 2000; i++) {
		draw_message(with, &draw);
		draw_message(without, &again);
		fixture_judge(with);
		fixture_judge(without);
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			assert_true(fixture_value(with, names[k]) ==
			            fixture_value(without, names[k]));
		assert_int_equal(with->judgement.score_milli, without->judgement.score_milli);
	}
	assert_true(with->counters.memo_hits > 1000);
	assert_true(with->counters.memo_misses > 0);
	assert_int_equal(without->counters.memo_hits + without->counters.memo_misses, 0);
	memo_free(memo);
	fixture_free(with);
	fixture_free(without);
}

/* A rule that hit in the Subject was not asked about the text behind it: it is, when that text
 * comes alone; and a count that was cut at its limit is not taken for all there is. */
static void what_other_texts_decided_is_not_kept(void **state)
{
	struct fixture *f = fixture_new(rules);
	struct memo *memo = memo_new(65536, &key);

	(void)state;
	scan_context_set_memo(f->context, memo);
	fixture_add(f, TEXT_BODY, "our winner announced something\n");
	fixture_add(f, TEXT_BODY, texts[1]);
	fixture_add(f, TEXT_BODY, texts[0]);
	fixture_judge(f);
	assert_true(fixture_value(f, "ONCE") == 1 && fixture_value(f, "SOME") == 3);
	assert_true(fixture_value(f, "MANY") == 6 && fixture_value(f, "ALLOF") == 1);
	fixture_empty_texts(f);
	fixture_add(f, TEXT_BODY, "subject of nothing in particular\n");
	fixture_add(f, TEXT_BODY, texts[0]);
	fixture_judge(f);
	assert_true(f->counters.memo_hits == 1);
	assert_true(fixture_value(f, "ONCE") == 1 && fixture_value(f, "SOME") == 1);
	assert_true(fixture_value(f, "MANY") == 1 && fixture_value(f, "ALLOF") == 1);
	memo_free(memo);
	fixture_free(f);
}

/* Rules that skip the Subject: the same text is another one there. */
static void first_segments_are_apart(void **state)
{
	struct fixture *f = fixture_new(rules);
	struct memo *memo = memo_new(65536, &key);

	(void)state;
	scan_context_set_memo(f->context, memo);
	fixture_add(f, TEXT_BODY, texts[0]);
	fixture_judge(f);
	assert_true(fixture_value(f, "NOSUB") == 0);
	fixture_add(f, TEXT_BODY, texts[0]);
	fixture_judge(f);
	assert_true(fixture_value(f, "NOSUB") == 1);
	fixture_empty_texts(f);
	fixture_add(f, TEXT_BODY, texts[0]);
	fixture_judge(f);
	assert_true(fixture_value(f, "NOSUB") == 0);
	memo_free(memo);
	fixture_free(f);
}

static uint64_t time_flies(void)
{
	static uint64_t now_ns;

	return now_ns += 1000000;
}

/* A message whose time is up says nothing of its texts. */
static void what_was_cut_short_is_not_kept(void **state)
{
	struct fixture *f = fixture_new(rules);
	struct memo *memo = memo_new(65536, &key);

	(void)state;
	scan_context_set_memo(f->context, memo);
	fixture_add(f, TEXT_BODY, "a subject that says nothing much\n");
	fixture_add(f, TEXT_BODY, texts[0]);
	classifier_judge(f->context, &f->texts, 1, time_flies, &f->judgement);
	assert_true(f->judgement.incomplete);
	fixture_judge(f);
	assert_true(fixture_value(f, "ONCE") == 1 && fixture_value(f, "MANY") == 1);
	memo_free(memo);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_what_was_noted),
	    cmocka_unit_test(what_has_to_be_asked_stays_so),
	    cmocka_unit_test(what_was_asked_is_learnt),
	    cmocka_unit_test(bounds_are_kept),
	    cmocka_unit_test(readers_of_before_make_room),
	    cmocka_unit_test(hits_are_the_same_without),
	    cmocka_unit_test(what_other_texts_decided_is_not_kept),
	    cmocka_unit_test(first_segments_are_apart),
	    cmocka_unit_test(what_was_cut_short_is_not_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
