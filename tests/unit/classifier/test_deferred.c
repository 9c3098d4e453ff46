/* test_deferred.c - subtests are looked for only while a listed rule hangs on them, and judgements
 * are those of all rules. */
#include "base/random.h"
#include "classifier/memo.h"
#include "tests/unit/classifier/rules_fixture.h"

static struct fixture *verdicts_of(const char *rules)
{
	struct fixture *f = fixture_new(rules);

	fixture_only_verdicts(f);
	return f;
}

/* Judges one body; how often PCRE2 was asked. */
static uint32_t ask(struct fixture *f, const char *text)
{
	uint64_t before = f->counters.confirms;

	fixture_empty_texts(f);
	fixture_add(f, TEXT_BODY, "subject");
	fixture_add(f, TEXT_BODY, text);
	fixture_judge(f);
	return (uint32_t)(f->counters.confirms - before);
}

#define BOTH \
	"body __FIRST /\\bfirst\\d(?=!)/\nbody __SECOND /\\bsecond\\d\\b/\n" \
	"meta BOTH __FIRST && __SECOND\nscore BOTH 3\n"

static void what_another_settles_is_not_looked_for(void **state)
{
	struct fixture *f = verdicts_of(BOTH);

	(void)state;
	assert_int_equal(ask(f, "here is second1 alone"), 0);
	assert_int_equal(f->judgement.score_milli, 0);
	assert_int_equal(f->counters.confirms_spared, 1);
	assert_true(fixture_value(f, "__SECOND") == -1);
	/* Both are possible: the one that is not there spares the other. */
	assert_int_equal(ask(f, "first1 of all, and second1"), 1);
	assert_int_equal(f->judgement.score_milli, 0);
	assert_int_equal(f->counters.confirms_spared, 2);
	assert_int_equal(ask(f, "first1! of all, and second1"), 2);
	assert_int_equal(f->judgement.score_milli, 3000);
	fixture_free(f);
}

static void what_is_listed_is_always_looked_for(void **state)
{
	struct fixture *f = verdicts_of(BOTH "body LISTED /\\bsecond\\d\\b/\nscore LISTED 1\n"
	                                     "meta LONE __LONE\nbody __LONE /\\blone\\d\\b/\n");

	(void)state;
	assert_int_equal(ask(f, "second1 and lone1"), 2);
	assert_int_equal(f->judgement.score_milli, 2000);
	fixture_free(f);
}

/* A chain of metas, counts and a forbidden one. */
static void what_hangs_far_away_is_found(void **state)
{
	struct fixture *f = verdicts_of("body __MANY /\\bmany\\d\\b/\ntflags __MANY multiple\n"
	                                "body __KEY /\\bkey\\d\\b/\nbody __BAR /\\bbar\\d\\b/\n"
	                                "meta __STEP __MANY > 2\nmeta __STAIR __STEP && !__BAR\n"
	                                "meta LISTED __STAIR && __KEY\nscore LISTED 5\n");

	(void)state;
	(void)ask(f, "many1 many2 key1");
	assert_int_equal(f->judgement.score_milli, 0);
	(void)ask(f, "many1 many2 many3 key1");
	assert_int_equal(f->judgement.score_milli, 5000);
	(void)ask(f, "many1 many2 many3 key1 bar1");
	assert_int_equal(f->judgement.score_milli, 0);
	assert_int_equal(ask(f, "many1 many2 many3 bar1"), 0);
	fixture_free(f);
}

/* A meta that is open by a rule nobody knows does not change when a subtest of its waits: those it
 * is named by with others are worked out all the same. */
static void what_is_open_anyway_still_asks(void **state)
{
	struct fixture *f = verdicts_of("body __X eval:nothing_known()\n"
	                                "body __R /\\br\\d\\b(?=!)/\nbody T /key\\d/\nscore T 0.1\n"
	                                "meta __M __R || __X\nmeta __N T\nmeta U __M && __N\n"
	                                "score U 3\n");

	(void)state;
	(void)ask(f, "r1! key1");
	assert_int_equal(f->judgement.score_milli, 3100);
	(void)ask(f, "r1 key1");
	assert_int_equal(f->judgement.score_milli, 100);
	fixture_free(f);
}

/* More places than are kept are looked at when they come. */
static void too_many_places_are_looked_at_at_once(void **state)
{
	struct fixture *f = verdicts_of("body __MANY /needle\\d(?=.*;)/\ntflags __MANY multiple\n"
	                                "body __KEY /\\bkey\\d\\b/\n"
	                                "meta LISTED __MANY >= 5000 && __KEY\nscore LISTED 1\n");
	static char text[FIXTURE_BYTES - 4096];
	static struct segment segment[6000];
	struct text *body = &f->texts.kind[TEXT_BODY];
	size_t at = 0;

	(void)state;
	fixture_empty_texts(f);
	for (int i = 0; i < 5500; i++) {
		segment[i] = (struct segment){(uint32_t)at, 9};
		memcpy(text + at, i == 5400 ? "key1;    \n" : "needle1; \n", 10);
		at += 10;
	}
	*body = (struct text){(uint8_t *)text, (uint32_t)at, 5500, segment};
	fixture_judge(f);
	assert_int_equal(f->judgement.score_milli, 1000);
	assert_false(f->judgement.incomplete);
	fixture_free(f);
}

/* Slices cut as they like; a budget that ends leaves the rule open and says so. */
static uint64_t now_ns;

static uint64_t ticking(void)
{
	return now_ns += 1000;
}

static void slices_and_budgets_hold_for_them(void **state)
{
	struct fixture *f = verdicts_of(BOTH);
	uint32_t slices = 1;

	(void)state;
	fixture_add(f, TEXT_BODY, "first1! of all, and second1");
	classifier_begin(f->context, &f->texts, 1000000000, ticking);
	while (!classifier_continue(f->context, 1, &f->judgement))
		slices++;
	assert_int_equal(f->judgement.score_milli, 3000);
	classifier_begin(f->context, &f->texts, 500, ticking);
	while (!classifier_continue(f->context, 1, &f->judgement))
		slices++;
	assert_int_equal(f->judgement.score_milli, 0);
	assert_true(f->judgement.incomplete && f->judgement.rules_not_run > 0);
	fixture_free(f);
}

/* Random rules of all texts, metas over them, random words. */
#define SUBTESTS 12u /* and one that nobody knows */
#define METAS    14u
#define WORDS    8u

static void put_rule(struct random *random, FILE *to, uint32_t i)
{
	static const char *const text[] = {"body", "rawbody", "uri", "full", "header"};
	uint32_t kind = random_below(random, 5), word = random_below(random, WORDS);
	const char *field = kind == 4 ? random_below(random, 3) == 0 ? "Subject !~ " : "Subject =~ "
	                              : "";

	fprintf(to, "%s __S%u %s/w%c[a-z]{2}%s/\n", text[kind], i, field, 'a' + (int)word,
	        random_below(random, 2) == 0 ? "d" : "\\b");
	if (random_below(random, 3) == 0)
		fprintf(to, "tflags __S%u multiple\n", i);
}

static void put_operand(struct random *random, FILE *to, uint32_t metas)
{
	uint32_t i = random_below(random, SUBTESTS + 1 + metas), meta = i - SUBTESTS - 1;

	if (random_below(random, 3) == 0)
		fprintf(to, "!");
	if (i <= SUBTESTS)
		fprintf(to, "__S%u", i);
	else
		fprintf(to, "%sM%u", meta % 2 == 0 ? "__" : "", meta);
}

static void put_meta(struct random *random, FILE *to, uint32_t i)
{
	static const char *const op[] = {"&&", "&&", "||", "+", "-"};
	uint32_t operands = 1 + random_below(random, 4);
	bool compares = random_below(random, 3) == 0;

	fprintf(to, "meta %sM%u (", i % 2 == 0 ? "__" : "", i);
	for (uint32_t k = 0; k < operands; k++) {
		if (k > 0)
			fprintf(to, " %s ", op[random_below(random, 5)]);
		put_operand(random, to, i);
	}
	fprintf(to, ")");
	if (compares)
		fprintf(to, " > %u", random_below(random, 3));
	fprintf(to, "\n");
	if (i % 2 == 1)
		fprintf(to, "score M%u %u\n", i, i);
}

static char *random_rules(struct random *random)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(to);
	fprintf(to, "header __SUBJECT exists:Subject\nheader __ANY Subject =~ /./\n");
	for (uint32_t i = 0; i < SUBTESTS; i++)
		put_rule(random, to, i);
	fprintf(to, "body __S%u eval:nothing_known()\n", SUBTESTS);
	for (uint32_t i = 0; i < METAS; i++)
		put_meta(random, to, i);
	fclose(to);
	return text;
}

/* Few texts for each kind, in any company: the memo knows many of them. */
static void put_texts(struct random *random, struct fixture *f)
{
	for (uint32_t kind = 0; kind < TEXT_KIND_COUNT; kind++) {
		char text[64] = "";
		struct random words;

		random_seed(&words, kind * 10 + random_below(random, 8));
		for (uint32_t left = random_below(&words, 12), at = 0; left > 0; left--)
			at += (uint32_t)snprintf(text + at, sizeof(text) - at, "w%c%s ",
			                         'a' + (int)random_below(&words, WORDS),
			                         random_below(&words, 2) == 0 ? "xyd" : "xy");
		if (kind == TEXT_HEADER)
			fixture_header(f, "Subject", text);
		else
			fixture_add(f, (enum text_kind)kind, text);
	}
}

static void judgements_are_those_of_all_rules(void **state)
{
	struct random random;
	uint64_t spared = 0, hits = 0, known = 0;

	(void)state;
	random_seed(&random, 20);
	for (uint32_t round = 0; round < 120; round++) {
		struct memo *memo = memo_new(65536, &(struct hash_key){{1, round}});
		char *rules = random_rules(&random);
		struct fixture *all = fixture_new(rules), *verdicts = verdicts_of(rules);
		if (round % 2 == 0)
			scan_context_set_memo(verdicts->context, memo);
		for (uint32_t message = 0; message < 30; message++) {
			fixture_empty_texts(all);
			put_texts(&random, all);
			fixture_judge(all);
			verdicts->texts = all->texts;
			fixture_judge(verdicts);
			fixture_same_judgement(&all->judgement, &verdicts->judgement);
			hits += all->judgement.hit_count;
		}
		spared += verdicts->counters.confirms_spared;
		known += verdicts->counters.memo_hits;
		fixture_free(verdicts);
		fixture_free(all);
		memo_free(memo);
		free(rules);
	}
	assert_true(spared > 100 && known > 500 && hits > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_another_settles_is_not_looked_for),
	    cmocka_unit_test(what_is_listed_is_always_looked_for),
	    cmocka_unit_test(what_hangs_far_away_is_found),
	    cmocka_unit_test(what_is_open_anyway_still_asks),
	    cmocka_unit_test(too_many_places_are_looked_at_at_once),
	    cmocka_unit_test(slices_and_budgets_hold_for_them),
	    cmocka_unit_test(judgements_are_those_of_all_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
