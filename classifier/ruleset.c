/* ruleset.c - opens a rule generation: verifies every offset, then makes what cannot travel.
 *
 * Afterwards the readers need no bounds check: an index found in the blob is in range, a text ends,
 * meta code neither under- nor overflows its stack. Strings' numbers reported by Hyperscan are
 * checked when they come.
 */
#include "classifier/ruleset.h"

#include <stdio.h>
#include <stdlib.h>

#include <hs.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "classifier/eval.h"
#include "classifier/pattern_set.h"
#include "classifier/ruleset_pattern.h"

#define REASON_BYTES 200

static enum err bad(char *reason, const char *what)
{
	snprintf(reason, REASON_BYTES, "the rule generation is damaged: %s", what);
	return ERR_SYNTAX;
}

/* A section as an array; false when its size is no multiple of the item's. */
static bool array(const struct generation *generation, uint32_t id, size_t item_bytes,
                  const void **out_items, uint32_t *out_count)
{
	struct bytes section = generation_section(generation, id);

	if (section.len % item_bytes != 0 || section.len / item_bytes > UINT32_MAX)
		return false;
	*out_items = section.data;
	*out_count = (uint32_t)(section.len / item_bytes);
	return true;
}

static enum err open_head(struct ruleset *r, char *reason)
{
	struct bytes head = generation_section(r->generation, BLOB_HEAD);
	hs_platform_info_t platform;

	if (head.len != sizeof(struct blob_head))
		return bad(reason, "head");
	r->head = (const struct blob_head *)head.data;
	if (r->head->version != RULESET_BLOB_VERSION) {
		snprintf(reason, REASON_BYTES,
		         "made by another version of Postern; compile the rules again");
		return ERR_VERSION;
	}
	if (memchr(r->head->hyperscan, '\0', sizeof(r->head->hyperscan)) == NULL)
		return bad(reason, "Hyperscan's version");
	if (strncmp(r->head->hyperscan, hs_version(), sizeof(r->head->hyperscan) - 1) != 0) {
		snprintf(reason, REASON_BYTES,
		         "made with Hyperscan %s, here is %s; compile the rules again",
		         r->head->hyperscan, hs_version());
		return ERR_PLATFORM;
	}
	if (hs_populate_platform(&platform) != HS_SUCCESS ||
	    platform.cpu_features != r->head->cpu_features) {
		snprintf(reason, REASON_BYTES,
		         "made for a processor with other features; compile the rules here");
		return ERR_PLATFORM;
	}
	return OK;
}

static enum err open_arrays(struct ruleset *r, char *reason)
{
	const struct generation *g = r->generation;
	struct bytes texts = generation_section(g, BLOB_TEXTS);
	const void *rule, *code, *number, *order;

	if (texts.len == 0 || texts.data[texts.len - 1] != '\0')
		return bad(reason, "texts");
	r->texts = (const char *)texts.data;
	r->texts_bytes = texts.len;
	if (!array(g, BLOB_RULES, sizeof(struct blob_rule), &rule, &r->rule_count) ||
	    r->rule_count != r->head->rule_count || r->rule_count > RULESET_RULES_MAX)
		return bad(reason, "rules");
	if (!array(g, BLOB_META_CODE, sizeof(uint32_t), &code, &r->code_count) ||
	    !array(g, BLOB_META_NUMBERS, sizeof(double), &number, &r->number_count) ||
	    !array(g, BLOB_META_ORDER, sizeof(uint32_t), &order, &r->order_count) ||
	    r->order_count > r->rule_count)
		return bad(reason, "metas");
	r->rule = rule;
	r->code = code;
	r->number = number;
	r->order = order;
	r->selectors = generation_section(g, BLOB_SELECTORS);
	if (r->head->selector_count > UINT16_MAX ||
	    (r->head->selector_count == 0 ? r->selectors.len != 0
	                                  : r->selectors.len % r->head->selector_count != 0))
		return bad(reason, "selectors");
	return OK;
}

static bool text_fits(const struct ruleset *r, uint32_t start, uint32_t bytes)
{
	return start < r->texts_bytes && bytes < r->texts_bytes - start &&
	       r->texts[start + bytes] == '\0';
}

/* One pass over the code: it has no jumps. */
static bool code_is_sound(const struct ruleset *r, const struct blob_rule *rule)
{
	static const uint8_t takes[META_OP_COUNT] = {
	    [META_NOT] = 1, [META_NEGATE] = 1, [META_ADD] = 2, [META_SUB] = 2,
	    [META_MUL] = 2, [META_DIV] = 2,    [META_LT] = 2,  [META_LE] = 2,
	    [META_GT] = 2,  [META_GE] = 2,     [META_EQ] = 2,  [META_NE] = 2,
	    [META_XOR] = 2, [META_AND] = 2,    [META_OR] = 2,  [META_SELECT] = 3};
	uint32_t depth = 0;

	if (rule->code > r->code_count || rule->code_count > r->code_count - rule->code)
		return false;
	for (uint32_t i = 0; i < rule->code_count; i++) {
		uint32_t op = r->code[rule->code + i] & 0xff,
		         operand = r->code[rule->code + i] >> 8;

		if (op >= META_OP_COUNT || depth < takes[op])
			return false;
		if ((op == META_NUMBER && operand >= r->number_count) ||
		    (op == META_RULE && operand >= r->rule_count))
			return false;
		depth = depth - takes[op] + 1;
		if (depth > META_DEPTH_MAX)
			return false;
	}
	return depth == 1;
}

static enum err verify_rules(const struct ruleset *r, char *reason)
{
	for (uint32_t i = 0; i < r->rule_count; i++) {
		const struct blob_rule *rule = &r->rule[i];

		if (rule->kind >= BLOB_RULE_KIND_COUNT || rule->name >= r->texts_bytes ||
		    rule->description >= r->texts_bytes)
			return bad(reason, "a rule");
		if (rule->kind == BLOB_RULE_META && !code_is_sound(r, rule))
			return bad(reason, "a meta's code");
		if ((rule->kind == BLOB_RULE_PATTERN || rule->kind == BLOB_RULE_EVAL) &&
		    (rule->text_kind >= TEXT_KIND_COUNT ||
		     !text_fits(r, rule->pattern, rule->pattern_bytes) ||
		     !text_fits(r, rule->if_unset, rule->if_unset_bytes)))
			return bad(reason, "a pattern");
		if ((rule->kind == BLOB_RULE_EXISTS ||
		     (rule->kind == BLOB_RULE_PATTERN && rule->text_kind == TEXT_HEADER)) &&
		    rule->selector >= r->head->selector_count)
			return bad(reason, "a header selector");
	}
	for (uint32_t i = 0; i < r->order_count; i++)
		if (r->order[i] >= r->rule_count || r->rule[r->order[i]].kind != BLOB_RULE_META)
			return bad(reason, "the order of metas");
	return OK;
}

static enum err list_exists(struct ruleset *r)
{
	r->exists = calloc(r->rule_count + 1, sizeof(*r->exists));
	r->plain = calloc(r->rule_count + 1, sizeof(*r->plain));
	if (r->exists == NULL || r->plain == NULL)
		return ERR_NO_MEMORY;
	for (uint32_t i = 0; i < r->rule_count; i++)
		if (r->rule[i].kind == BLOB_RULE_EXISTS)
			r->exists[r->exists_count++] = (struct ruleset_exists){i,
			                                                       r->rule[i].selector};
	return OK;
}

static bool is_pattern_of(const struct ruleset *r, uint32_t rule, int group)
{
	return rule < r->rule_count && r->rule[rule].kind == BLOB_RULE_PATTERN &&
	       r->rule[rule].text_kind == group_text((uint32_t)group);
}

/* The final bits are those of the rules, in their order; notes where each word's begin. */
static bool gate_bits_are_sound(struct ruleset_group *k)
{
	const uint64_t *final = k->gate->table + k->gate->words;
	uint32_t rule = 0;

	for (uint32_t word = 0; word < k->gate->words; word++) {
		k->gate_start[word] = rule;
		for (uint64_t left = final[word]; left != 0; left &= left - 1) {
			uint32_t bit = word * 64 + (uint32_t)__builtin_ctzll(left);

			if (rule == k->gate_rule_count || k->gate_rules[rule++].bit != bit)
				return false;
		}
	}
	return rule == k->gate_rule_count;
}

static bool open_gate(struct ruleset *r, int group)
{
	struct ruleset_group *k = &r->group[group];
	struct bytes section = generation_section(r->generation, BLOB_SECTION(group, BLOB_GATE));
	const void *rules;

	if (!array(r->generation, BLOB_SECTION(group, BLOB_GATE_RULES),
	           sizeof(struct blob_gate_rule), &rules, &k->gate_rule_count))
		return false;
	if (section.len == 0)
		return k->gate_rule_count == 0;
	if (section.len < sizeof(struct blob_gate))
		return false;
	k->gate = (const struct blob_gate *)section.data;
	k->gate_rules = rules;
	if (k->gate->words == 0 || k->gate->words % 4 != 0 || k->gate->words > GATE_WORDS_MAX ||
	    section.len !=
	        sizeof(struct blob_gate) + (size_t)k->gate->words * (2 + 512) * sizeof(uint64_t))
		return false;
	for (uint32_t i = 0; i < k->gate_rule_count; i++)
		if (!is_pattern_of(r, k->gate_rules[i].rule, group))
			return false;
	return gate_bits_are_sound(k);
}

static bool flank_is_sound(const struct blob_flank *flank, size_t cells)
{
	bool sound = true;

	for (uint32_t c = 0; c < 256; c++)
		sound &= flank->class_of[c] < flank->class_count;
	for (size_t i = 0; i < cells; i++)
		sound &= (flank->next[i] & FLANK_STATE) < flank->state_count;
	return sound;
}

/* Notes in `begins` (by four octets of the section) where each table lies; false when one is
 * damaged. */
static bool flanks_are_sound(const struct ruleset_group *k, bool *begins)
{
	uint32_t at = 0;

	while (at < k->flank_bytes) {
		const struct blob_flank *flank = (const struct blob_flank *)(k->flanks + at);

		if (k->flank_bytes - at < sizeof(*flank))
			return false;
		size_t cells = (size_t)flank->class_count * flank->state_count;
		size_t bytes = FLANK_BYTES(cells);
		if (bytes > k->flank_bytes - at || !flank_is_sound(flank, cells))
			return false;
		begins[at / FLANK_ALIGN] = true;
		at += (uint32_t)bytes;
	}
	return true;
}

static bool walk_is_sound(const struct ruleset_group *k, const bool *begins, uint32_t offset,
                          uint32_t state)
{
	if (offset == FLANK_NONE)
		return true;
	return offset < k->flank_bytes && offset % FLANK_ALIGN == 0 &&
	       begins[offset / FLANK_ALIGN] &&
	       (state & FLANK_STATE) <
	           ((const struct blob_flank *)(k->flanks + offset))->state_count;
}

static bool open_flanks(struct ruleset *r, int group, uint32_t rules_count)
{
	struct ruleset_group *k = &r->group[group];
	struct bytes section = generation_section(r->generation, BLOB_SECTION(group, BLOB_FLANKS));

	if (section.len % FLANK_ALIGN != 0 || section.len > UINT32_MAX - FLANK_ALIGN)
		return false;
	k->flanks = section.data;
	k->flank_bytes = (uint32_t)section.len;

	bool *begins = calloc(section.len / FLANK_ALIGN + 1, sizeof(*begins));
	bool sound = begins != NULL && flanks_are_sound(k, begins);
	for (uint32_t i = 0; i < rules_count && sound; i++) {
		const struct blob_literal_rule *rule = &k->literal_rules[i];

		sound = walk_is_sound(k, begins, rule->before, rule->before_state) &&
		        walk_is_sound(k, begins, rule->after, rule->after_state);
	}
	free(begins);
	return sound;
}

static void widen(struct gate_span *span, uint32_t word)
{
	uint32_t from = word - word % GATE_LANES;

	if (span->to == 0 || from < span->from)
		span->from = from;
	if (from + GATE_LANES > span->to)
		span->to = from + GATE_LANES;
}

/* A header field is looked at by few of its group's rules: which words theirs are in. */
static bool note_spans(struct ruleset *r, int group)
{
	struct ruleset_group *k = &r->group[group];
	bool fields = group_text((uint32_t)group) == TEXT_HEADER;
	uint32_t count = fields ? k->segment_count : 1;

	k->gate_span = calloc(count + 1, sizeof(*k->gate_span));
	if (k->gate_span == NULL)
		return false;
	for (uint32_t i = 0; i < k->gate_rule_count; i++)
		for (uint32_t s = 0; s < count; s++)
			if (!fields || k->segments[s] == k->gate_rules[i].selector)
				widen(&k->gate_span[s], k->gate_rules[i].bit / 64);
	return true;
}

static bool open_literals(struct ruleset *r, int group)
{
	struct ruleset_group *k = &r->group[group];
	const void *start, *rules, *residual, *segments;
	uint32_t start_count, rules_count;

	if (!array(r->generation, BLOB_SECTION(group, BLOB_LITERAL_START), sizeof(uint32_t), &start,
	           &start_count) ||
	    !array(r->generation, BLOB_SECTION(group, BLOB_LITERAL_RULES),
	           sizeof(struct blob_literal_rule), &rules, &rules_count) ||
	    !array(r->generation, BLOB_SECTION(group, BLOB_RESIDUAL), sizeof(uint32_t), &residual,
	           &k->residual_count) ||
	    !array(r->generation, BLOB_SECTION(group, BLOB_SEGMENTS), sizeof(uint32_t), &segments,
	           &k->segment_count))
		return false;
	k->segments = segments;
	for (uint32_t i = 0; i < k->segment_count; i++)
		if (k->segments[i] >= r->head->selector_count)
			return false;
	k->literal_start = start;
	k->literal_rules = rules;
	k->literal_count = start_count == 0 ? 0 : start_count - 1;
	k->residual = residual;
	for (uint32_t i = 0; i < start_count; i++)
		if (k->literal_start[i] > rules_count ||
		    (i > 0 && k->literal_start[i] < k->literal_start[i - 1]))
			return false;
	for (uint32_t i = 0; i < rules_count; i++)
		if (!is_pattern_of(r, k->literal_rules[i].rule, group) ||
		    k->literal_rules[i].need > LITERAL_NEED_MAX ||
		    k->literal_rules[i].strings > LITERAL_NEED_MAX ||
		    k->literal_rules[i].start >= BLOB_START_COUNT ||
		    k->literal_rules[i].bytes > k->literal_rules[i].reach_min)
			return false;
	if (!open_flanks(r, group, rules_count))
		return false;
	for (uint32_t i = 0; i < k->residual_count; i++)
		if (!is_pattern_of(r, k->residual[i], group))
			return false;
	return true;
}

static bool open_plains(struct ruleset *r, int group)
{
	const void *plains, *octets;
	uint32_t count, octet_count;

	if (!array(r->generation, BLOB_SECTION(group, BLOB_PLAINS), sizeof(struct blob_plain),
	           &plains, &count) ||
	    !array(r->generation, BLOB_SECTION(group, BLOB_PLAIN_OCTETS),
	           sizeof(struct blob_octets), &octets, &octet_count))
		return false;
	r->group[group].plain_octets = octets;
	for (uint32_t i = 0; i < count; i++) {
		const struct blob_plain *plain = (const struct blob_plain *)plains + i;
		uint64_t end = plain->start;

		if (!is_pattern_of(r, plain->rule, group) || plain->count > PLAIN_ALTERNATIVES_MAX)
			return false;
		for (uint32_t k = 0; k < plain->count; k++) {
			end += plain->bytes[k];
			if (plain->bytes[k] == 0 || end > octet_count)
				return false;
		}
		r->plain[plain->rule] = plain;
	}
	return true;
}

static enum err open_database(struct ruleset *r, int group, char *reason)
{
	struct bytes section = generation_section(r->generation,
	                                          BLOB_SECTION(group, BLOB_LITERAL_DB));

	if (section.len == 0)
		return OK;
	hs_error_t result = hs_deserialize_database((const char *)section.data, section.len,
	                                            &r->group[group].database);
	if (result == HS_SUCCESS)
		return OK;
	r->group[group].database = NULL;
	if (result == HS_NOMEM)
		return ERR_NO_MEMORY;
	if (result == HS_DB_VERSION_ERROR || result == HS_DB_PLATFORM_ERROR) {
		snprintf(reason, REASON_BYTES,
		         "a Hyperscan database is for another version or processor");
		return ERR_PLATFORM;
	}
	return bad(reason, "a Hyperscan database");
}

static enum err compile_patterns(struct ruleset *r, char *reason)
{
	char why[PATTERN_REASON_BYTES];

	r->shared = calloc(r->rule_count + 1, sizeof(const struct pattern *));
	r->pattern = calloc(r->rule_count + 1, sizeof(struct pcre2_real_code_8 *));
	if (r->patterns == NULL || r->shared == NULL || r->pattern == NULL)
		return ERR_NO_MEMORY;
	r->jit = true;
	for (uint32_t i = 0; i < r->rule_count; i++) {
		const struct blob_rule *rule = &r->rule[i];

		if (rule->kind != BLOB_RULE_PATTERN &&
		    (rule->kind != BLOB_RULE_EVAL || rule->pattern_bytes == 0))
			continue;
		r->shared[i] = pattern_set_take(
		    r->patterns, bytes_of(r->texts + rule->pattern, rule->pattern_bytes), why);
		if (r->shared[i] == NULL) {
			snprintf(reason, REASON_BYTES, "rule %.60s: %.120s", r->texts + rule->name,
			         why);
			return ERR_SYNTAX;
		}
		r->pattern[i] = r->shared[i]->code;
		r->jit = r->jit && r->shared[i]->is_jit;
	}
	return OK;
}

static bool open_policies(struct ruleset *r)
{
	const void *domain, *policy, *override;

	if (!array(r->generation, BLOB_DOMAINS, sizeof(struct blob_domain), &domain,
	           &r->policies.domain_count) ||
	    !array(r->generation, BLOB_POLICIES, sizeof(struct blob_policy), &policy,
	           &r->policies.policy_count) ||
	    !array(r->generation, BLOB_OVERRIDES, sizeof(struct blob_override), &override,
	           &r->policies.override_count))
		return false;
	r->policies.domain = domain;
	r->policies.policy = policy;
	r->policies.override = override;
	return policies_are_sound(r);
}

static enum err open_all(struct ruleset *r, char *reason)
{
	enum err err = open_head(r, reason);

	if (err == OK)
		err = open_arrays(r, reason);
	if (err == OK)
		err = verify_rules(r, reason);
	if (err == OK)
		err = list_exists(r);
	if (err == OK && !open_policies(r))
		err = bad(reason, "policies of domains");
	for (int group = 0; group < GROUP_COUNT && err == OK; group++) {
		if (!open_gate(r, group) || !open_literals(r, group) || !open_plains(r, group))
			return bad(reason, "what triggers the rules");
		err = note_spans(r, group) ? open_database(r, group, reason) : ERR_NO_MEMORY;
	}
	if (err == OK)
		err = scoring_open(r);
	if (err == OK)
		err = guards_open(r);
	if (err == OK)
		err = compile_patterns(r, reason);
	if (err == OK)
		err = eval_open(r, reason);
	return err == OK ? eval_lists_open(r) : err;
}

enum err ruleset_open_with(const struct generation *generation, const struct ruleset_opening *how,
                           struct ruleset **out_ruleset, char *reason)
{
	struct ruleset *r = calloc(1, sizeof(*r));

	reason[0] = '\0';
	if (r == NULL)
		return ERR_NO_MEMORY;
	r->generation = generation;
	r->verdicts_only = how->verdicts_only;
	r->patterns = how->like != NULL ? pattern_set_join(how->like->patterns)
	                                : pattern_set_new(!how->no_machine_code);

	bool rules = generation->kind == GENERATION_RULES || generation->kind == GENERATION_SHADOW;
	enum err err = rules ? open_all(r, reason) : bad(reason, "it holds no rules");
	if (err != OK) {
		if (reason[0] == '\0')
			snprintf(reason, REASON_BYTES, "%s", err_text(err));
		ruleset_close(r);
		return err;
	}
	*out_ruleset = r;
	return OK;
}

enum err ruleset_open(const struct generation *generation, struct ruleset **out_ruleset,
                      char *reason)
{
	return ruleset_open_with(generation, &(struct ruleset_opening){.like = NULL}, out_ruleset,
	                         reason);
}

void ruleset_close(struct ruleset *ruleset)
{
	if (ruleset == NULL)
		return;
	for (uint32_t i = 0; ruleset->shared != NULL && i < ruleset->rule_count; i++)
		pattern_set_give(ruleset->patterns, ruleset->shared[i]);
	for (int group = 0; group < GROUP_COUNT; group++)
		hs_free_database(ruleset->group[group].database);
	eval_close(ruleset);
	scoring_close(ruleset);
	guards_close(ruleset);
	eval_lists_close(ruleset);
	for (int group = 0; group < GROUP_COUNT; group++)
		free(ruleset->group[group].gate_span);
	free(ruleset->exists);
	free(ruleset->plain);
	free(ruleset->pattern);
	free(ruleset->shared);
	pattern_set_leave(ruleset->patterns);
	free(ruleset);
}

uint32_t ruleset_rule_count(const struct ruleset *ruleset)
{
	return ruleset->rule_count;
}

const char *ruleset_rule_name(const struct ruleset *ruleset, uint32_t rule)
{
	return rule < ruleset->rule_count ? ruleset->texts + ruleset->rule[rule].name : "";
}

const char *ruleset_rule_description(const struct ruleset *ruleset, uint32_t rule)
{
	return rule < ruleset->rule_count ? ruleset->texts + ruleset->rule[rule].description : "";
}

int32_t ruleset_rule_score_milli(const struct ruleset *ruleset, uint32_t rule)
{
	int32_t score_e4 = rule < ruleset->rule_count ? ruleset->rule[rule].score_e4 : 0;

	return (score_e4 + (score_e4 < 0 ? -5 : 5)) / 10;
}

struct bytes ruleset_selectors(const struct ruleset *ruleset, uint32_t *out_count)
{
	*out_count = ruleset->head->selector_count;
	return ruleset->selectors;
}
