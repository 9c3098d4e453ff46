/* test_scan.c - what hits, where and how often: each corner of the pattern rules' meaning. */
#include "tests/unit/classifier/rules_fixture.h"

static void counts_multiple_up_to_maxhits(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("body ONCE /spamword/\n"
	                                "body MANY /spamword/\ntflags MANY multiple\n"
	                                "body SOME /spamword/\ntflags SOME multiple maxhits=2\n"
	                                "body EMPTY /x*/\ntflags EMPTY multiple maxhits=9\n");

	fixture_add(f, TEXT_BODY, "subject\n");
	fixture_add(f, TEXT_BODY, "spamword spamword\n");
	fixture_add(f, TEXT_BODY, "nothing\n");
	fixture_add(f, TEXT_BODY, "xx spamword\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "ONCE") == 1);
	assert_true(fixture_value(f, "MANY") == 3);
	assert_true(fixture_value(f, "SOME") == 2);
	assert_true(fixture_value(f, "EMPTY") == 9);
	/* A scored `multiple` rule adds its points once a match. */
	assert_int_equal(f->judgement.score_milli, 1000 + 3000 + 2000 + 9000);
	fixture_free(f);
}

static void goes_on_after_empty_matches_as_perl_does(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("body A /a*/\ntflags A multiple maxhits=50\n");

	/* Perl: "baa" matched by a* matches '' at 0, 'aa' at 1, '' at 3. */
	fixture_add(f, TEXT_BODY, "baa");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 3);
	fixture_free(f);
}

static void nosubject_skips_the_first_element(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(
	    "body WITH /lottery/\nbody WITHOUT /lottery/\ntflags WITHOUT nosubject\n"
	    "body COUNT /lottery/\ntflags COUNT nosubject multiple\n");

	fixture_add(f, TEXT_BODY, "lottery\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "WITH") == 1);
	assert_true(fixture_value(f, "WITHOUT") == 0);
	assert_true(fixture_value(f, "COUNT") == 0);
	fixture_add(f, TEXT_BODY, "the lottery\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "WITHOUT") == 1);
	assert_true(fixture_value(f, "COUNT") == 1);
	fixture_free(f);
}

static void looks_at_segments_one_by_one(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(
	    "body ANCHOR /^second part$/\nbody ACROSS /first\\s+second/\n"
	    "uri LINK /evil\\.example/i\nrawbody RAW /<b>raw/\nfull FULL /whole\\r\\n/\n");

	fixture_add(f, TEXT_BODY, "first\n");
	fixture_add(f, TEXT_BODY, "second part\n");
	fixture_add(f, TEXT_URI, "http://good.example/");
	fixture_add(f, TEXT_URI, "http://EVIL.example/");
	fixture_add(f, TEXT_RAWBODY, "<b>raw</b>");
	fixture_add(f, TEXT_FULL, "the whole\r\nmessage");
	fixture_judge(f);
	assert_true(fixture_value(f, "ANCHOR") == 1);
	assert_true(fixture_value(f, "ACROSS") == 0);
	assert_true(fixture_value(f, "LINK") == 1);
	assert_true(fixture_value(f, "RAW") == 1);
	assert_true(fixture_value(f, "FULL") == 1);
	fixture_free(f);
}

static const char
    header_rules[] = "header POS Subject =~ /cheap pills/i\nheader NEG Subject !~ /cheap pills/i\n"
                     "header NOTHING X-Missing =~ /^$/\n"
                     "header UNSET X-Missing =~ /^none$/ [if-unset: none]\n"
                     "header NEGUNSET X-Missing !~ /^none$/ [if-unset: none]\n"
                     "header THERE exists:Subject\nheader GONE exists:X-Missing\n"
                     "header OTHER From:addr =~ /cheap pills/i\n";

static void judges_headers_by_selector(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(header_rules);

	fixture_header(f, "Subject", "Buy CHEAP pills\n");
	fixture_header(f, "From:addr", "a@b.example\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "POS") == 1);
	assert_true(fixture_value(f, "NEG") == 0);
	assert_true(fixture_value(f, "NOTHING") == 1);
	assert_true(fixture_value(f, "UNSET") == 1);
	assert_true(fixture_value(f, "NEGUNSET") == 0);
	assert_true(fixture_value(f, "THERE") == 1);
	assert_true(fixture_value(f, "GONE") == 0);
	assert_true(fixture_value(f, "OTHER") == 0);
	fixture_free(f);
}

static void missing_headers_are_the_empty_text(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(header_rules);

	fixture_judge(f);
	assert_true(fixture_value(f, "POS") == 0);
	assert_true(fixture_value(f, "NEG") == 1);
	assert_true(fixture_value(f, "THERE") == 0);
	fixture_free(f);
}

static void takes_header_segments_in_any_order(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(
	    "header A X-First =~ /alphaword/\nheader B X-Second =~ /betaword/\n"
	    "header C X-Third =~ /gammaword/\n");

	fixture_header(f, "X-Third", "gammaword");
	fixture_header(f, "X-First", "alphaword");
	fixture_header(f, "X-Second", "betaword");
	fixture_judge(f);
	assert_int_equal(f->judgement.score_milli, 3000);
	/* Two selectors may share their octets. */
	f->segment[TEXT_HEADER][1] = f->segment[TEXT_HEADER][0];
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1);
	assert_true(fixture_value(f, "B") == 0);
	assert_true(fixture_value(f, "C") == 1);
	fixture_free(f);
}

static void folds_latin_octets_as_spamassassin_does(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("body LOW /gr\xc3\xb6\xc3\x9f"
	                                "e/i\nbody ONE /\\xe9tude/i\nbody CASE /\\xe9tude/\n"
	                                "body TIMES /a\\xf7b/i\nbody CLASS /[\\xe0-\\xe5]lter/i\n");

	fixture_add(f, TEXT_BODY, "-");
	fixture_add(f, TEXT_BODY,
	            "GR\xc3\x96\xc3\x9f"
	            "E \xc9TUDE a\xd7"
	            "b \xc4lter");
	fixture_judge(f);
	/* C3 B6 folds octet by octet: its second octet is no letter of the fold, so 96 is not B6.
	 */
	assert_true(fixture_value(f, "LOW") == 0);
	assert_true(fixture_value(f, "ONE") == 1);
	assert_true(fixture_value(f, "CASE") == 0);
	assert_true(fixture_value(f, "TIMES") == 0);
	assert_true(fixture_value(f, "CLASS") == 1);

	fixture_empty_texts(f);
	fixture_add(f, TEXT_BODY,
	            "gr\xe3\xb6\xe3\x9f"
	            "e");
	fixture_judge(f);
	assert_true(fixture_value(f, "LOW") == 1);
	fixture_free(f);
}

static uint64_t passing_time(void)
{
	static uint64_t now;

	return now += 1000000;
}

static void stops_at_the_budget_and_says_so(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(
	    "body A /\\S\\S/\nmeta M !A\nmeta N A\nbody B /seldomword/\n");

	fixture_add(f, TEXT_BODY, "text of some length\n");
	classifier_judge(f->context, &f->texts, 0, passing_time, &f->judgement);
	assert_true(f->judgement.incomplete);
	assert_int_equal(f->judgement.rules_not_run, 1);
	assert_true(fixture_value(f, "M") < 0 && fixture_value(f, "N") < 0);
	assert_true(fixture_value(f, "B") == 0);
	assert_int_equal(f->judgement.score_milli, 0);
	assert_int_equal(f->counters.budget_exceeded, 1);
	fixture_free(f);
}

static void gives_up_at_the_match_limit(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("body SLOW /^(?:a|aa|aaa)+$/\nbody FINE /aaaa/\n");
	char many[200];

	memset(many, 'a', sizeof(many));
	memcpy(many + 180, "b", 2);
	fixture_add(f, TEXT_BODY, many);
	fixture_judge(f);
	assert_true(fixture_value(f, "SLOW") < 0);
	assert_true(fixture_value(f, "FINE") == 1);
	assert_int_equal(f->judgement.rules_not_run, 1);
	assert_true(f->judgement.incomplete);
	fixture_free(f);
}

/* A generator of texts that tend to match: walks the pattern's tree. */
struct writer {
	uint8_t *out;
	size_t len, max;
	uint64_t seed;
};

static uint32_t chance(struct writer *w, uint32_t bound)
{
	w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->seed >> 33) % bound;
}

static void write_octet(struct writer *w, uint8_t octet)
{
	if (w->len < w->max)
		w->out[w->len++] = octet;
}

static const char *const differential[] = {
    "/(?:free|cheap) (?:pills?|meds)\\b/i",
    "/v[i1!|][a\\@4]gr[a\\@4]/i",
    "/\\bc\\W{0,3}[i1]\\W{0,3}a\\W{0,3}l\\W{0,3}[i1]\\W{0,3}s\\b/i",
    "/(?:a|bc|d[ef])+\\d{2,}x/",
    "/^\\s?win(?:ner)?s?$/i",
    "/(?<!no )money(?! back)/",
    "/(\\w)\\1\\1/",
    "/[^a-z ]{3}/",
    "/\\bfo{2,4}(?:bar|baz)?qux?/",
    "/(?:one|two|three|four)\\s+(?:big|small)/",
    "/(?i:Mixed)Case/",
    "/x.y/s",
    "/[[:upper:]]{2}[[:digit:]]/",
    "/(?:(?:ab?){2}c|dd)e/",
    "/\\$\\d+(?:\\.\\d\\d)?/",
    "/(?:[vV]|\\\\\\/)(?:[iI1]|\\xc3[\\xac-\\xaf])+[aA@]{1,2}/",
    "/a{0}b{3}/",
    "/\\x41\\tb|q{2,}z/",
    "/(?=look)look\\w{2}/i",
    "/e/"};

#define DIFFERENTIAL_COUNT (sizeof(differential) / sizeof(differential[0]))

static char *differential_rules(void)
{
	static char rules[8192];
	size_t at = 0;

	for (size_t i = 0; i < DIFFERENTIAL_COUNT; i++) {
		at += (size_t)snprintf(rules + at, sizeof(rules) - at, "body R%zu %s\n", i,
		                       differential[i]);
		if (i % 2 == 1)
			at += (size_t)snprintf(rules + at, sizeof(rules) - at,
			                       "tflags R%zu multiple maxhits=4\n", i);
	}
	return rules;
}

/* Letters of the patterns themselves, so that near misses and hits are common. */
static void random_text(struct writer *w)
{
	static const char words[] =
	    "free cheap pill meds v1agra viagra c-i-a-l-i-s money back no aab dd e99x WIN win "
	    "winner fooobarqux foobazqu four  big three small MixedCase mixedcase xAy AB1 $12.50 "
	    "\\/iia vI\xc3\xac"
	    "aa bbb A\tb qqqz LOOKab ababcee dde c.i-al  is ###";
	uint32_t pieces = 1 + chance(w, 12);

	w->len = 0;
	for (uint32_t i = 0; i < pieces; i++) {
		uint32_t from = chance(w, sizeof(words) - 8), len = 1 + chance(w, 14);

		for (uint32_t k = from; k < from + len && k < sizeof(words) - 1; k++)
			write_octet(w, (uint8_t)words[k]);
		if (chance(w, 3) == 0)
			write_octet(w, ' ');
	}
}

static void triggers_lose_nothing(void **state)
{
	(void)state;
	struct fixture *fast = malloc(sizeof(*fast)), *plain = malloc(sizeof(*plain));
	uint8_t memory[256];
	struct writer w = {memory, 0, sizeof(memory) - 1, 12345};
	uint64_t hits = 0;

	fixture_open(fast, differential_rules(), &(struct rule_compile_options){.score_column = 0});
	fixture_open(plain, differential_rules(),
	             &(struct rule_compile_options){.no_triggers = true});
	for (int turn = 0; turn < 4000; turn++) {
		fixture_empty_texts(fast);
		fixture_empty_texts(plain);
		for (int i = 0; i < 4; i++) {
			random_text(&w);
			memory[w.len] = '\0';
			fixture_add(fast, TEXT_BODY, (char *)memory);
			fixture_add(plain, TEXT_BODY, (char *)memory);
		}
		fixture_judge(fast);
		fixture_judge(plain);
		for (uint32_t i = 0; i < DIFFERENTIAL_COUNT; i++) {
			assert_int_equal(fast->context->state[i].count,
			                 plain->context->state[i].count);
			hits += plain->context->state[i].count;
		}
	}
	/* Both sides of the comparison did something. */
	assert_true(hits > 4000);
	assert_true(fast->counters.literal_hits > 1000 && fast->counters.gate_hits > 100);
	assert_true(fast->counters.confirms < plain->counters.confirms);
	fixture_free(fast);
	fixture_free(plain);
}

static uint64_t ticking_ns;

/* Every look at the clock sees that much time gone. */
static uint64_t ticking(void)
{
	return ticking_ns += 1000;
}

static void a_judgement_may_be_cut_in_slices(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("body TWICE /needle/\ntflags TWICE multiple\n"
	                                "body ONCE /^x+ last/\nbody NEVER /absent word/\n"
	                                "body SHORT /x\\S/\nmeta BOTH TWICE > 1 && ONCE\n");
	struct judgement whole;
	char text[1024];
	uint32_t slices = 1;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 55; i++) {
		memcpy(text + 1000, i % 20 == 0 ? " needle" : i == 54 ? " last  " : "xxxxxxx", 7);
		fixture_add(f, TEXT_BODY, text);
	}
	fixture_judge(f);
	whole = f->judgement;
	assert_true(fixture_value(f, "BOTH") == 1);
	classifier_begin(f->context, &f->texts, 1000000000, ticking);
	while (!classifier_continue(f->context, 1, &f->judgement))
		slices++;
	assert_true(slices > 1);
	assert_true(fixture_value(f, "TWICE") == 3);
	assert_memory_equal(&f->judgement, &whole, sizeof(whole));
	fixture_free(f);
}

static void slices_share_one_budget(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("body A /x\\S(?!y)/\ntflags A multiple\n");
	char text[1024];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 60; i++)
		fixture_add(f, TEXT_BODY, text);
	classifier_begin(f->context, &f->texts, 20000, ticking);
	while (!classifier_continue(f->context, 1, &f->judgement))
		;
	assert_true(f->judgement.incomplete);
	assert_int_equal(f->counters.budget_exceeded, 1);
	assert_int_equal(f->judgement.rules_not_run, 1);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_multiple_up_to_maxhits),
	    cmocka_unit_test(goes_on_after_empty_matches_as_perl_does),
	    cmocka_unit_test(nosubject_skips_the_first_element),
	    cmocka_unit_test(looks_at_segments_one_by_one),
	    cmocka_unit_test(judges_headers_by_selector),
	    cmocka_unit_test(missing_headers_are_the_empty_text),
	    cmocka_unit_test(takes_header_segments_in_any_order),
	    cmocka_unit_test(folds_latin_octets_as_spamassassin_does),
	    cmocka_unit_test(stops_at_the_budget_and_says_so),
	    cmocka_unit_test(gives_up_at_the_match_limit),
	    cmocka_unit_test(triggers_lose_nothing),
	    cmocka_unit_test(a_judgement_may_be_cut_in_slices),
	    cmocka_unit_test(slices_share_one_budget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
