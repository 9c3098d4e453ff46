/* fuzz_ruleset.c - a rule generation with octets changed: it is refused, or it judges; it never
 * harms.
 *
 * The input is a list of changes, four octets each: an offset (three, little endian) and what to
 * exclusive-or. The checksum of the generation is left aside on purpose: it would stop every
 * change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/facts.h"
#include "classifier/classifier.h"
#include "classifier/rule_compile.h"

#define CHANGES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "body A /free pills/i\nbody B /v[i1]agr[a4]/i\ntflags B multiple maxhits=3\nbody C /^\\S/\n"
    "header D Subject =~ /word/\nheader E X-None !~ /x/ [if-unset: y]\nheader F exists:Subject\n"
    "uri G /evil\\.example/\nrawbody H /c.{0,3}i.{0,3}a.{0,3}l/\nfull I /xyzzy/\nbody J "
    "eval:nobody()\n"
    "meta K A + B * 2 > 1 ? C : !J\nmeta L K && (D || E) && -F < 3\nscore A 1.5\ndescribe A "
    "Pills\n"
    "util_rb_tld example\nurirhssub M list.example A 2\nbody M eval:check_uridnsbl('M')\n"
    "uridnssub N list.example A 127.0.0.2\nbody N eval:check_uridnsbl('N')\n"
    "header O eval:check_rbl('o', 'list.example.', '^127')\n"
    "header P eval:check_rbl_sub('o', '127.0.0.2')\n"
    "header Q eval:check_rbl_from_host('q', 'list.example.')\n"
    "askdns R _AUTHORDOMAIN_._LASTEXTERNALREVIP_.list.example A 127.0.0.2\n"
    "header __S Subject =~ /(?<WORD>[a-z]+)/\n"
    "askdns S _WORD_.list.example TXT /^127/\n"
    "hashbl_acl_free evil.example\n"
    "header T eval:check_hashbl_emails('list.example', 'md5/nodot', 'body/Subject', '^127', "
    "'free')\n"
    "body U eval:check_hashbl_bodyre('list.example', 'raw/max=2', '([a-z]+)')\n"
    "header V eval:check_hashbl_tag('list.example', 'sha256', 'WORD')\n"
    "header W eval:check_rbl_headers('w', 'list.example.', '', 'Subject')\n"
    "header X eval:check_rbl_rcvd('x', 'list.example.')\n";

static const struct fact_relay relay = {.ip = {(const uint8_t *)"203.0.113.2", 11}};
static const struct facts facts = {.relay = &relay, .relay_count = 1, .relays_untrusted = 1};

/* Every question is one that management takes. */
static void see(void *context, enum question_kind kind, struct bytes text)
{
	struct question question;

	(void)context;
	question_write(&question, 0, kind, text);
	ASSERT(question_is_sound(&question));
}

static const struct answer *listed(void *context, enum question_kind kind, struct bytes name)
{
	static const struct answer answer = {.address_count = 1, .address = {0x7f000002}};

	(void)context;
	return kind == QUESTION_ADDRESS && name.len % 2 == 0 ? &answer : NULL;
}

static struct generation make_generation(void)
{
	struct rule_compile_options options = {.score_column = 1};
	struct rule_compiler *compiler = rule_compiler_new(&options);
	struct generation generation;
	char path[] = "/tmp/postern-XXXXXX";
	int fd = mkstemp(path), sealed;

	ASSERT(compiler != NULL && fd >= 0);
	ASSERT(write(fd, rules, sizeof(rules) - 1) == (ssize_t)sizeof(rules) - 1);
	close(fd);
	ASSERT(rule_compiler_load(compiler, path) == OK);
	unlink(path);
	ASSERT(rule_compiler_finish(compiler, 1, 1, "fuzz", &sealed) == OK);
	rule_compiler_free(compiler);
	ASSERT(generation_open(&generation, sealed) == OK);
	return generation;
}

static uint64_t no_time(void)
{
	return 0;
}

static void judge(const struct generation *generation, bool verdicts_only)
{
	const struct ruleset_opening how = {.verdicts_only = verdicts_only};
	static const char words[] = "free pills v1agra c.i.a.l word http://evil.example/ xyzzy";
	static const struct segment segment[3] = {
	    {0, 20}, {20, sizeof(words) - 21}, {SEGMENT_ABSENT, 0}};
	struct classifier_counters counters = {0};
	static const struct answers answers = {.find = listed};
	struct judgement judgement;
	struct ruleset *ruleset;
	struct texts texts;
	char reason[200];

	if (ruleset_open_with(generation, &how, &ruleset, reason) != OK)
		return;
	for (int kind = 0; kind < TEXT_KIND_COUNT; kind++)
		texts.kind[kind] = (struct text){(const uint8_t *)words, sizeof(words) - 1,
		                                 kind == TEXT_HEADER ? 3 : 2, segment};
	struct scan_context *context = scan_context_new(ruleset, &counters);
	texts.facts = &facts;
	if (context != NULL) {
		scan_context_set_answers(context, &answers);
		classifier_questions(context, &texts, see, NULL);
		classifier_judge(context, &texts, 1, no_time, &judgement);
	}
	for (uint32_t i = 0; i < ruleset_rule_count(ruleset); i++)
		ASSERT(strlen(ruleset_rule_name(ruleset, i)) +
		           strlen(ruleset_rule_description(ruleset, i)) <
		       generation->bytes);
	scan_context_free(context);
	ruleset_close(ruleset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct generation whole;
	static uint8_t *copy;
	size_t from = 0;

	if (copy == NULL) {
		whole = make_generation();
		copy = aligned_alloc(4096, (whole.bytes + 4095) & ~(size_t)4095);
		ASSERT(copy != NULL);
	}
	memcpy(copy, whole.memory, whole.bytes);
	/* The head and the section table are base/generation's, which has its own tests. */
	from = (size_t)(generation_section(&whole, 1).data - whole.memory);
	for (size_t i = 0; i + 4 <= size && i < CHANGES_MAX * 4; i += 4) {
		size_t at = data[i] | (size_t)data[i + 1] << 8 | (size_t)data[i + 2] << 16;

		if (from + at < whole.bytes)
			copy[from + at] ^= data[i + 3];
	}

	struct generation changed = whole;
	changed.memory = copy;
	judge(&changed, false);
	judge(&changed, true);
	return 0;
}
