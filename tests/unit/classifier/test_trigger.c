/* test_trigger.c - what triggers a rule never hides a match: hits with triggers are the hits of
 * every rule on every segment, on texts made from the patterns themselves. */
#include "classifier/rule_regex.h"
#include "tests/unit/classifier/rules_fixture.h"

#define TEXTS_A_RULE 150
#define SEGMENTS     6

/* Each kind of trigger, and what bounds where a match may begin: parts that may be left out,
 * letters that run on, several strings in a match, look-arounds, choices, anchors, obfuscation. */
static const char *const patterns[] = {
    "/cheap pills/i",
    "/\\bget (?:your |our ){0,2}(?:free|cheap) pills?\\b/i",
    "/(?:a?\\s?copy of )?(?:your[\\s,:]{1,5})?(?:full )?(?:name|address+|cit(?:y|ies))\\b/i",
    "/(?:(?:your )?(?:full |first )?(?:name|ad+res+|city|phone)[-:;.\\s]{1,9}){3}/i",
    "/(?:(?:bank|account|swift)(?: and | or )?){2,4} (?:number|code)/i",
    "/bus+ines+ of+er/i",
    "/(?>cheap )?pills now/i",
    "/(?:cheap )?+pills here/i",
    "/(a|to) and \\1 again/i",
    "/(?<!not )winner of \\d+ (?:prizes|dollars)/i",
    "/(?!viagra)v[i1!|]+\\W{0,2}[a@4]+\\W{0,2}g+\\W{0,2}r+\\W{0,2}[a@4]/i",
    "/(?:[sS5]|\\xc5[\\x9a-\\xa1]|&\\#(?:352|353);){1,2}\\W{0,2}(?:[eE3]|\\xc3[\\x88-\\x8b])\\W{0,"
    "2}"
    "[cC]\\W{0,2}[uU]\\W{0,2}[rR]\\W{0,2}[eE3]/i",
    "/(?:b[o0]mb|expl[o0]s[i1]ve\\W{1,3}d[e3]v[i1]ce) /i",
    "/\\b(?:[a-z]{5,}[\\s.]+){6}/",
    "/^(?:dear|hello) (?:friend|sir)[,.]/i",
    "/(?:hidden|secret).{0,20}(?:password|passphrase)$/i",
    "/[1-9]\\d{0,2}(?:,\\d{3}){1,3} (?:dollars|euros?|usd)/i",
    "/(?:\\$|usd) ?\\d{3}.{0,4}million/i",
    "/x{4,}[-_=]{2}(?:end|fin)/i",
    "/cof+e+ (?:shop+|hous+e)/i",
    "/\\s[A-Z]?[a-z]{1,15}\\s[-0-9a-f]{10,64}\\s/",
    "/(?:lot+(?:o|ery)|sweepstakes)\\s(?:prize|draw(?:s|ing)?)/i",
    "/(?s)begin.*middle.*finish/i",
    "/e/",
    "/(?:re)+member|for+get/i",
    "/.{0,70}[v][i1!|][a4@][gq9].{2,90}[r][a4@][xk][o0]/i",
    "/^(?:dear )?(?:sirs?|madam|winner)[,:]/im",
    "/(?:^|; )(?:(?:full |last )?(?:name|city)[:;] ?){2,3}/im",
    "/>[^>]{0,30}[jJ][uU0]{1,3}[nN][kK].{0,9}(?:[mM][a4][i1][l1]|[zZ][xX][qQ])/",
};

#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

static uint32_t random_state = 20261122;

static uint32_t chance(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % below;
}

struct made {
	char data[600];
	size_t len;
};

/* Bodies have no other white space than blanks and line ends. */
static void put(struct made *made, uint8_t octet)
{
	if (octet >= '\t' && octet <= '\r' && octet != '\n')
		octet = ' ';
	if (octet != 0 && made->len + 1 < sizeof(made->data))
		made->data[made->len++] = (char)octet;
}

static void make_node(const struct regex *regex, uint32_t index, struct made *made, int depth)
{
	const struct regex_node *node = &regex->node[index];
	uint32_t count = 0, pick;

	if (depth > 60)
		return;
	switch (node->kind) {
	case REGEX_OCTET:
		for (pick = chance(256), count = 0; count < 256; count++, pick = (pick + 1) % 256)
			if (octets_has(&node->set, (uint8_t)pick) &&
			    (count > 128 || (pick >= ' ' && pick < 127)))
				break;
		put(made, (uint8_t)pick);
		return;
	case REGEX_SEQUENCE:
		for (uint32_t child = node->child; child != 0; child = regex->node[child - 1].next)
			make_node(regex, child - 1, made, depth + 1);
		return;
	case REGEX_CHOICE:
		for (uint32_t child = node->child; child != 0; child = regex->node[child - 1].next)
			count++;
		pick = chance(count);
		for (uint32_t child = node->child; child != 0; child = regex->node[child - 1].next)
			if (pick-- == 0)
				make_node(regex, child - 1, made, depth + 1);
		return;
	case REGEX_REPEAT:
		count = node->max - node->min < 4 ? node->max - node->min : 4;
		count = node->min + chance(count + 1);
		for (uint32_t i = 0; i < count; i++)
			make_node(regex, node->child - 1, made, depth + 1);
		return;
	case REGEX_ANYTHING: /* a reference back to one of these */
		put(made, chance(2) == 0 ? 'a' : 't');
		if (made->len > 0 && made->data[made->len - 1] == 't')
			put(made, 'o');
		return;
	default:
		return;
	}
}

static void put_noise(struct made *made)
{
	static const char *const word[] = {"the ",    "name ", "your address ", "not ",  "pills ",
	                                   "xxxx",    "aaa",   "a 1,000 ",      "bank ", "secret ",
	                                   "dddres ", "- ",    ".. ",           "sss",   "\n"};

	for (uint32_t i = chance(6); i > 0; i--)
		for (const char *at = word[chance(sizeof(word) / sizeof(word[0]))]; *at != '\0';
		     at++)
			put(made, (uint8_t)*at);
}

/* A text with a match, a damaged one, or none; noise around it. */
static void make_text(const struct regex *regex, struct made *made)
{
	made->len = 0;
	put_noise(made);
	if (chance(8) > 0)
		make_node(regex, regex->root, made, 0);
	if (made->len > 0 && chance(4) == 0)
		made->data[chance((uint32_t)made->len)] = (char)('a' + chance(26));
	put_noise(made);
	if (chance(5) == 0)
		make_node(regex, regex->root, made, 0);
	made->data[made->len] = '\0';
}

static void write_rules(char *rules, size_t bytes, const char *kind, const char *flags)
{
	size_t len = 0;

	for (size_t i = 0; i < PATTERNS; i++)
		len += (size_t)snprintf(rules + len, bytes - len, "%s R%zu %s\n%s", kind, i,
		                        patterns[i], "");
	for (size_t i = 0; i < PATTERNS && flags != NULL; i++)
		len += (size_t)snprintf(rules + len, bytes - len, "tflags R%zu %s\n", i, flags);
	assert_true(len < bytes);
}

/* The pattern as the compiler sees it. */
static struct bytes pattern_of(const struct fixture *f, uint32_t rule)
{
	const struct blob_rule *its = &f->ruleset->rule[rule];

	return bytes_of(f->ruleset->texts + its->pattern, its->pattern_bytes);
}

static void judge_both(struct fixture *with, struct fixture *without, const struct made *made,
                       uint32_t count)
{
	fixture_empty_texts(with);
	fixture_empty_texts(without);
	for (uint32_t k = 0; k < count; k++) {
		fixture_add(with, TEXT_BODY, made[k].data);
		fixture_add(without, TEXT_BODY, made[k].data);
	}
	fixture_judge(with);
	fixture_judge(without);
}

static void compare(const char *flags)
{
	static char rules[16384];
	static struct made made[SEGMENTS];
	static struct fixture without;
	const struct rule_compile_options brute = {.no_triggers = true};
	uint32_t hits = 0;

	write_rules(rules, sizeof(rules), "body", flags);
	struct fixture *with = fixture_new(rules);
	fixture_open(&without, rules, &brute);
	for (uint32_t rule = 0; rule < PATTERNS; rule++) {
		struct rule_pool pool = {NULL};
		struct regex regex;
		uint32_t own = 0;

		assert_int_equal(regex_parse(&pool, pattern_of(with, rule), &regex), OK);
		for (uint32_t turn = 0; turn < TEXTS_A_RULE; turn++) {
			for (uint32_t k = 0; k < SEGMENTS; k++)
				make_text(&regex, &made[k]);
			judge_both(with, &without, made, SEGMENTS);
			for (uint32_t i = 0; i < PATTERNS; i++) {
				if (with->context->state[i].count !=
				    without.context->state[i].count)
					fail_msg("%s: %u, by brute force %u", patterns[i],
					         with->context->state[i].count,
					         without.context->state[i].count);
				hits += with->context->state[i].count;
			}
			own += with->context->state[rule].count > 0;
		}
		/* Else the texts prove nothing. */
		if (own < TEXTS_A_RULE / 10)
			fail_msg("%s: only %u texts match", patterns[rule], own);
		rule_pool_free(&pool);
	}
	assert_true(hits > PATTERNS * TEXTS_A_RULE);
	fixture_close(&without);
	fixture_free(with);
}

static void triggers_hide_no_match(void **state)
{
	(void)state;
	compare(NULL);
}

static void triggers_hide_no_count(void **state)
{
	(void)state;
	compare("multiple");
}

static void triggers_hide_no_count_up_to_a_limit(void **state)
{
	(void)state;
	compare("multiple maxhits=3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(triggers_hide_no_match),
	    cmocka_unit_test(triggers_hide_no_count),
	    cmocka_unit_test(triggers_hide_no_count_up_to_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
