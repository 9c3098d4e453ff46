/* rule_compile.c - SpamAssassin rule files to a sealed rule generation.
 *
 * Each pattern is placed by what can be proved about it: strings that every match contains go into
 * one Hyperscan database per text kind; else a window of octet classes goes into the gate; else the
 * rule is residual and runs on every segment. PCRE2 decides in every case.
 */
#include "classifier/rule_compile.h"

#include <math.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "base/generation.h"
#include "classifier/rule_compile_key.h"
#include "classifier/rule_eval.h"
#include "classifier/rule_meta.h"
#include "classifier/rule_place.h"
#include "classifier/rule_policy.h"
#include "classifier/rule_read.h"
#include "classifier/rule_shrink.h"
#include "classifier/ruleset_blob.h"
#include "classifier/ruleset_pattern.h"
#include "smtp/selector.h"

#define COSTS_SHOWN    10
#define COST_MUCH      1.0
#define SECTIONS_TOTAL (BLOB_KIND_FIRST + GROUP_COUNT * BLOB_KIND_SECTIONS)

struct texts_pool { /* the blob's texts */
	char *data;
	uint32_t len, room;
};

struct rule_compiler {
	struct rule_reader reader;
	char *cache_folder;
	uint32_t column;
	const uint8_t *tables;
	struct texts_pool texts;
	struct blob_rule *rule; /* by reader index; NONE rules fall out at the end */
	uint32_t *index;        /* reader index to blob index */
	struct bytes *written;  /* patterns whose text in the blob is another; by blob index */
	uint32_t rule_count;
	struct selector *selector;
	char **selector_text;
	uint32_t selector_count, selector_room;
	struct meta_code code;
	struct rule_evals evals;
	uint32_t *order;
	uint32_t order_count;
	struct policies policies;
	struct blob_domain *domain;
	struct placing placing[GROUP_COUNT];
	struct bytes section[SECTIONS_TOTAL];
	uint32_t placed[GROUP_COUNT][PLACED_COUNT];
	double *cost;      /* by rule: an estimate, nanoseconds per octet of its text */
	uint32_t of_texts; /* rules known before the first file */
	uint32_t unknown_count, off_count, doubtful_count;
	enum generation_kind kind;
	bool no_triggers, finished;
};

struct rule_compiler *rule_compiler_new(const struct rule_compile_options *options)
{
	struct rule_compiler *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	ASSERT(options->score_column < RULE_SCORES);
	c->column = options->score_column;
	c->no_triggers = options->no_triggers;
	c->kind = options->kind;
	c->tables = pattern_tables_new();
	if (c->tables == NULL) {
		free(c);
		return NULL;
	}
	rule_reader_init(&c->reader, c->column);
	if (options->cache_folder != NULL)
		c->cache_folder = rule_pool_text(&c->reader.pool, options->cache_folder);
	for (uint32_t group = 0; group < GROUP_COUNT; group++)
		c->placing[group] = (struct placing){.pool = &c->reader.pool,
		                                     .kind = group_text(group)};
	return c;
}

void rule_compiler_free(struct rule_compiler *compiler)
{
	if (compiler == NULL)
		return;
	pattern_tables_free(compiler->tables);
	rule_reader_free(&compiler->reader);
	free(compiler);
}

enum err rule_compiler_load(struct rule_compiler *compiler, const char *path)
{
	ASSERT(!compiler->finished);
	return rule_reader_load(&compiler->reader, path);
}

void rule_compiler_add_text(struct rule_compiler *compiler, const char *name, const char *text)
{
	char *copy = rule_pool_text(&compiler->reader.pool, text);

	ASSERT(!compiler->finished);
	rule_reader_text(&compiler->reader, name, bytes_text(copy));
	compiler->of_texts = compiler->reader.rule_count;
}

const struct rule_report *rule_compiler_reports(const struct rule_compiler *compiler,
                                                uint32_t *out_count)
{
	*out_count = compiler->reader.report_count;
	return compiler->reader.report;
}

static uint32_t put_text(struct rule_compiler *c, struct bytes text)
{
	uint32_t at = c->texts.len;

	while (c->texts.len + text.len + 1 > c->texts.room) {
		uint32_t room = c->texts.room;

		c->texts.data = rule_pool_grow(&c->reader.pool, c->texts.data, room, &c->texts.room,
		                               1);
	}
	if (text.len > 0)
		memcpy(c->texts.data + at, text.data, text.len);
	c->texts.data[at + text.len] = '\0';
	c->texts.len += (uint32_t)text.len + 1;
	return at;
}

static void report(struct rule_compiler *c, const struct rule_text *rule, bool fault,
                   const char *construct, const char *text)
{
	c->reader.file = rule->file;
	c->reader.line = rule->line;
	rule_reader_report(&c->reader, fault, construct, rule->name, text);
}

static void set_unknown(struct rule_compiler *c, const struct rule_text *rule,
                        struct blob_rule *out, const char *construct)
{
	out->kind = BLOB_RULE_UNKNOWN;
	report(c, rule, false, construct, "not supported; what depends on it alone never hits");
}

static bool find_selector(struct rule_compiler *c, const char *text, uint16_t *out_index)
{
	struct selector parsed;

	for (uint32_t i = 0; i < c->selector_count; i++)
		if (strcmp(c->selector_text[i], text) == 0) {
			*out_index = (uint16_t)i;
			return true;
		}
	memset(&parsed, 0, sizeof(parsed));
	if (c->selector_count == SELECTORS_MAX || !selector_parse(bytes_text(text), &parsed))
		return false;

	uint32_t room = c->selector_room;
	c->selector = rule_pool_grow(&c->reader.pool, c->selector, c->selector_count,
	                             &c->selector_room, sizeof(*c->selector));
	c->selector_text = rule_pool_grow(&c->reader.pool, c->selector_text, c->selector_count,
	                                  &room, sizeof(*c->selector_text));
	c->selector[c->selector_count] = parsed;
	c->selector_text[c->selector_count] = rule_pool_text(&c->reader.pool, text);
	*out_index = (uint16_t)c->selector_count++;
	return true;
}

/* An eval that SpamAssassin skips in this score column, so that its value is known to be 0. */
static bool eval_is_skipped(const struct rule_compiler *c, const struct rule_text *rule)
{
	bool net = (c->column & 1) != 0, learn = (c->column & 2) != 0;

	return (!net && (rule->rbl || (rule->tflags & TFLAG_NET) != 0)) ||
	       (!learn && (rule->tflags & TFLAG_LEARN) != 0);
}

static bool set_selector(struct rule_compiler *c, const struct rule_text *rule,
                         struct blob_rule *out)
{
	if (find_selector(c, rule->selector, &out->selector))
		return true;
	set_unknown(c, rule, out,
	            rule_pool_printf(&c->reader.pool, "header selector %s", rule->selector));
	return false;
}

/* Whether PCRE2 takes a pattern an eval function works with. */
static bool is_good_pattern(struct rule_compiler *c, const struct rule_text *rule,
                            const char *pattern)
{
	char reason[PATTERN_REASON_BYTES];
	bool too_large;

	if (pattern == NULL)
		return true;
	pcre2_code *code = pattern_compile(c->tables, bytes_text(pattern), reason, &too_large);
	if (code == NULL) {
		report(c, rule, true, "bad regex",
		       rule_pool_printf(&c->reader.pool, "%s; correct the pattern", reason));
		return false;
	}
	pcre2_code_free(code);
	return true;
}

static bool set_call_pattern(struct rule_compiler *c, const struct rule_text *rule,
                             const char *pattern, struct blob_rule *out)
{
	if (!is_good_pattern(c, rule, pattern))
		return false;
	if (pattern != NULL) {
		out->pattern = put_text(c, bytes_text(pattern));
		out->pattern_bytes = (uint32_t)strlen(pattern);
	}
	return true;
}

static void set_if_unset(struct rule_compiler *c, const struct rule_text *rule,
                         struct blob_rule *out)
{
	if (rule->if_unset == NULL)
		return;
	out->flags |= BLOB_FLAG_IF_UNSET;
	out->if_unset = put_text(c, bytes_text(rule->if_unset));
	out->if_unset_bytes = (uint32_t)strlen(rule->if_unset);
}

static void set_mimeheader(struct rule_compiler *c, const struct rule_text *rule,
                           struct blob_rule *out)
{
	struct rule_call call;

	if (!set_call_pattern(c, rule, rule->pattern, out))
		return;
	rule_eval_mimeheader(&c->reader.pool, rule, &call);
	out->kind = BLOB_RULE_EVAL;
	out->maxhits = (uint16_t)rule->maxhits;
	out->flags |= (rule->tflags & TFLAG_MULTIPLE) != 0 ? BLOB_FLAG_MULTIPLE : 0;
	set_if_unset(c, rule, out);
	rule_eval_add(&c->reader, &c->evals, &call, c->rule_count, NULL);
}

static void set_uri_detail(struct rule_compiler *c, const struct rule_text *rule,
                           struct blob_rule *out)
{
	struct rule_call call;

	for (unsigned key = 0; key < URI_DETAIL_KEYS; key++)
		if (!is_good_pattern(c, rule, rule->detail[key].pattern))
			return;
	rule_eval_uri_detail(rule, &call);
	out->kind = BLOB_RULE_EVAL;
	rule_eval_add(&c->reader, &c->evals, &call, c->rule_count, NULL);
}

static void set_captured(struct rule_compiler *c, const struct rule_text *rule,
                         struct blob_rule *out)
{
	struct rule_call call;
	const char *why;
	char *front;

	if (!rule_eval_captured(&c->reader, rule, &call, &front, &why)) {
		set_unknown(c, rule, out, "captured text %{...} in a pattern");
		return;
	}
	if (!set_call_pattern(c, rule, front, out))
		return;
	out->kind = BLOB_RULE_EVAL;
	rule_eval_add(&c->reader, &c->evals, &call, c->rule_count, NULL);
}

static void set_pattern(struct rule_compiler *c, const struct rule_text *rule,
                        struct blob_rule *out)
{
	char reason[PATTERN_REASON_BYTES];
	struct bytes pattern = bytes_text(rule->pattern);
	bool too_large;

	if (strstr(rule->pattern, "%{") != NULL) {
		set_captured(c, rule, out);
		return;
	}
	if (rule->type == RULE_HEADER && !set_selector(c, rule, out))
		return;

	pcre2_code *code = pattern_compile(c->tables, pattern, reason, &too_large);
	if (code == NULL && !too_large) {
		const char *grouped = rule_group_assertions(&c->reader.pool, rule->pattern);

		code = pattern_compile(c->tables, bytes_text(grouped), reason, &too_large);
		pattern = code != NULL ? bytes_text(grouped) : pattern;
	}
	if (code == NULL && too_large) {
		/* What triggers the rule is found in the pattern as it was written. */
		const char *shorter = rule_shrink(&c->reader.pool, rule->pattern);

		c->written[c->rule_count] = pattern;
		if (shorter != NULL) {
			pattern = bytes_text(shorter);
			code = pattern_compile(c->tables, pattern, reason, &too_large);
		}
	}
	if (code == NULL && too_large) {
		set_unknown(c, rule, out, "pattern too large for PCRE2");
		return;
	}
	if (code == NULL) {
		report(c, rule, true, "bad regex",
		       rule_pool_printf(&c->reader.pool,
		                        "%s; correct the pattern or remove the rule", reason));
		return;
	}
	pcre2_code_free(code);
	out->kind = BLOB_RULE_PATTERN;
	out->text_kind = (uint8_t)rule_text_kind(rule->type);
	out->pattern = put_text(c, pattern);
	out->pattern_bytes = (uint32_t)pattern.len;
	out->maxhits = (uint16_t)rule->maxhits;
	out->flags |= (rule->tflags & TFLAG_MULTIPLE) != 0 ? BLOB_FLAG_MULTIPLE : 0;
	if (out->text_kind == TEXT_BODY && (rule->tflags & TFLAG_NOSUBJECT) != 0)
		out->flags |= BLOB_FLAG_NOSUBJECT;
	out->flags |= rule->negated ? BLOB_FLAG_NEGATED : 0;
	set_if_unset(c, rule, out);
}

static void set_eval(struct rule_compiler *c, const struct rule_text *rule, struct blob_rule *out)
{
	struct rule_call call;
	uint16_t selector[EVAL_SELECTORS_MAX];
	const char *why = NULL;
	const char *name = rule_pool_printf(&c->reader.pool, "eval:%.*s",
	                                    (int)strcspn(rule->expr, "( "), rule->expr);

	switch (rule_eval_parse(&c->reader, rule, &call, &why)) {
	case RULE_EVAL_NEVER:
		return;
	case RULE_EVAL_UNKNOWN:
		set_unknown(c, rule, out, name);
		return;
	case RULE_EVAL_NET:
		if ((c->column & 1) != 0)
			set_unknown(c, rule, out, name);
		return;
	case RULE_EVAL_WRONG:
		report(c, rule, true, name, why);
		return;
	case RULE_EVAL_OK:
		break;
	}
	for (uint32_t i = 0; i < call.selector_count; i++)
		if (!find_selector(c, call.selector[i], &selector[i])) {
			set_unknown(c, rule, out,
			            rule_pool_printf(&c->reader.pool, "header selector %s",
			                             call.selector[i]));
			return;
		}
	if (!is_good_pattern(c, rule, call.second_pattern) ||
	    !set_call_pattern(c, rule, call.pattern, out))
		return;
	out->kind = BLOB_RULE_EVAL;
	out->text_kind = (uint8_t)rule_text_kind(rule->called_as);
	rule_eval_add(&c->reader, &c->evals, &call, c->rule_count, selector);
}

static void set_meta(struct rule_compiler *c, const struct rule_text *rule, struct blob_rule *out)
{
	uint32_t start = c->code.count;
	const char *why = NULL;

	if (!rule_meta_parse(&c->reader, rule, &c->code, &why)) {
		report(c, rule, true, "bad meta", why);
		return;
	}
	out->kind = BLOB_RULE_META;
	out->code = start;
	out->code_count = c->code.count - start;
}

static void set_rule(struct rule_compiler *c, const struct rule_text *rule, struct blob_rule *out)
{
	memset(out, 0, sizeof(*out));
	out->name = put_text(c, bytes_text(rule->name));
	out->description = rule->describe != NULL ? put_text(c, bytes_text(rule->describe)) : 0;
	out->score_e4 = (int32_t)lround(rule->score[c->column] * 10000.0);
	if (strncmp(rule->name, "__", 2) == 0)
		out->flags |= BLOB_FLAG_SILENT;
	out->kind = BLOB_RULE_OFF;
	if (rule->score[c->column] == 0 || rule->type == RULE_EMPTY)
		return;
	if (rule->type == RULE_META) {
		set_meta(c, rule, out);
	} else if (rule->type == RULE_EXISTS) {
		if (set_selector(c, rule, out))
			out->kind = BLOB_RULE_EXISTS;
	} else if (rule->type == RULE_MIMEHEADER) {
		set_mimeheader(c, rule, out);
	} else if (rule->type == RULE_URI_DETAIL) {
		if (!eval_is_skipped(c, rule))
			set_uri_detail(c, rule, out);
	} else if (rule->type == RULE_EVAL) {
		if (!eval_is_skipped(c, rule))
			set_eval(c, rule, out);
	} else {
		set_pattern(c, rule, out);
	}
}

/* Names of the code are reader indices; makes them blob indices. */
static void renumber_code(struct rule_compiler *c)
{
	for (uint32_t i = 0; i < c->code.count; i++) {
		uint32_t operand = c->code.word[i] >> 8;

		if ((c->code.word[i] & 0xff) == META_RULE)
			c->code.word[i] = c->index[operand] == UINT32_MAX
			                      ? META_NUMBER
			                      : META_RULE | c->index[operand] << 8;
	}
}

static enum err set_rules(struct rule_compiler *c)
{
	uint32_t total = c->reader.rule_count;

	c->rule = rule_pool_take(&c->reader.pool, total * sizeof(*c->rule));
	c->written = rule_pool_take(&c->reader.pool, total * sizeof(*c->written));
	c->index = rule_pool_take(&c->reader.pool, total * sizeof(*c->index));
	put_text(c, BYTES(""));
	/* Number 0 of the metas is 0: what a scored but never defined name is worth. */
	c->code.number = rule_pool_grow(&c->reader.pool, NULL, 0, &c->code.number_room,
	                                sizeof(double));
	c->code.number_count = 1;
	for (uint32_t i = 0; i < total; i++) {
		const struct rule_text *rule = &c->reader.rule[i];

		c->index[i] = UINT32_MAX;
		if (rule->type == RULE_NONE)
			continue;
		if (c->rule_count == RULESET_RULES_MAX) {
			c->reader.file = rule->file;
			c->reader.line = rule->line;
			rule_reader_refuse(&c->reader, "rules",
			                   "more than 65535 rules; remove some");
			return ERR_FULL;
		}
		set_rule(c, rule, &c->rule[c->rule_count]);
		c->index[i] = c->rule_count++;
	}
	renumber_code(c);
	rule_eval_renumber(&c->evals, c->index);
	return OK;
}

/* Whether everything `rule` names is settled; metas only wait for metas. */
static bool meta_is_ready(const struct rule_compiler *c, const struct blob_rule *rule,
                          const bool *done, bool *out_doubtful, const bool *doubtful)
{
	*out_doubtful = false;
	for (uint32_t i = 0; i < rule->code_count; i++) {
		uint32_t word = c->code.word[rule->code + i], named = word >> 8;

		if ((word & 0xff) != META_RULE)
			continue;
		if (c->rule[named].kind == BLOB_RULE_META && !done[named])
			return false;
		*out_doubtful |= c->rule[named].kind == BLOB_RULE_UNKNOWN || doubtful[named];
	}
	return true;
}

static void order_metas(struct rule_compiler *c)
{
	bool *done = rule_pool_take(&c->reader.pool, c->rule_count);
	bool *doubtful = rule_pool_take(&c->reader.pool, c->rule_count);
	bool progress = true;

	c->order = rule_pool_take(&c->reader.pool, c->rule_count * sizeof(*c->order));
	while (progress) {
		progress = false;
		for (uint32_t i = 0; i < c->rule_count; i++) {
			struct blob_rule *rule = &c->rule[i];

			if (rule->kind != BLOB_RULE_META || done[i] ||
			    !meta_is_ready(c, rule, done, &doubtful[i], doubtful))
				continue;
			done[i] = progress = true;
			c->doubtful_count += doubtful[i];
			c->order[c->order_count++] = i;
		}
	}
	for (uint32_t i = 0; i < c->reader.rule_count; i++) {
		uint32_t at = c->index[i];

		if (at == UINT32_MAX || c->rule[at].kind != BLOB_RULE_META || done[at])
			continue;
		c->rule[at].kind = BLOB_RULE_OFF;
		report(c, &c->reader.rule[i], false, "meta in a circle",
		       "the rule depends on itself and never hits; break the circle");
	}
}

static uint32_t group_of(const struct rule_compiler *c, const struct blob_rule *rule)
{
	if (rule->text_kind != TEXT_HEADER)
		return rule->text_kind;

	const struct selector *selector = &c->selector[rule->selector];
	if (selector->special >= SELECTOR_ALL && selector->special <= SELECTOR_ALL_EXTERNAL)
		return selector->special == SELECTOR_ALL && selector->modifiers == 0
		           ? GROUP_WHOLE_HEADER
		           : GROUP_OTHER_HEADER;
	if (selector->special >= SELECTOR_RELAYS_TRUSTED &&
	    selector->special <= SELECTOR_RELAYS_EXTERNAL)
		return GROUP_TRACE;
	return bytes_equal(bytes_of(selector->name, selector->name_len), BYTES("received"))
	           ? GROUP_TRACE
	           : GROUP_FIELDS;
}

static void place_rules(struct rule_compiler *c)
{
	c->cost = rule_pool_take(&c->reader.pool, c->rule_count * sizeof(*c->cost));
	for (uint32_t i = 0; i < c->rule_count; i++) {
		const struct blob_rule *rule = &c->rule[i];

		if (rule->kind == BLOB_RULE_UNKNOWN)
			c->unknown_count++;
		if (rule->kind == BLOB_RULE_OFF)
			c->off_count++;
		if (rule->kind != BLOB_RULE_PATTERN)
			continue;
		bool always = c->no_triggers ||
		              (rule->flags & (BLOB_FLAG_NEGATED | BLOB_FLAG_IF_UNSET)) != 0;
		struct bytes pattern = c->written[i].data != NULL
		                           ? c->written[i]
		                           : bytes_of(c->texts.data + rule->pattern,
		                                      rule->pattern_bytes);
		uint32_t group = group_of(c, rule);
		c->placed[group][rule_place(&c->placing[group], i, rule->flags, rule->selector,
		                            pattern, always, &c->cost[i])]++;
	}
}

static enum err build_sections(struct rule_compiler *c)
{
	struct blob_head head;
	char reason[200];

	head = (struct blob_head){.version = RULESET_BLOB_VERSION,
	                          .rule_count = c->rule_count,
	                          .selector_count = c->selector_count,
	                          .score_column = c->column,
	                          .cpu_features = rule_compile_cpu_features()};
	snprintf(head.hyperscan, sizeof(head.hyperscan), "%s", rule_compile_hyperscan());
	c->section[BLOB_HEAD] = bytes_of(
	    rule_pool_copy(&c->reader.pool, bytes_of(&head, sizeof(head))), sizeof(head));
	c->section[BLOB_TEXTS] = bytes_of(c->texts.data, c->texts.len);
	c->section[BLOB_RULES] = bytes_of(c->rule, c->rule_count * sizeof(*c->rule));
	c->section[BLOB_SELECTORS] = bytes_of(c->selector,
	                                      c->selector_count * sizeof(*c->selector));
	c->section[BLOB_META_CODE] = bytes_of(c->code.word, c->code.count * sizeof(uint32_t));
	c->section[BLOB_META_NUMBERS] = bytes_of(c->code.number,
	                                         c->code.number_count * sizeof(double));
	c->section[BLOB_META_ORDER] = bytes_of(c->order, c->order_count * sizeof(uint32_t));
	rule_eval_sections(&c->reader, &c->evals, c->section);
	for (int group = 0; group < GROUP_COUNT; group++) {
		enum err err = rule_place_finish(&c->placing[group], c->cache_folder,
		                                 &c->section[BLOB_SECTION(group, 0)], reason);
		if (err != OK) {
			c->reader.file = "";
			c->reader.line = 0;
			rule_reader_refuse(&c->reader, "hyperscan", reason);
			return err;
		}
	}
	return OK;
}

static enum err add_policies(const struct rule_compiler *c, struct generation_builder *builder)
{
	const struct policies *p = &c->policies;
	enum err err;

	if (p->wish_count == 0)
		return OK;
	err = generation_add(builder, BLOB_DOMAINS,
	                     bytes_of(c->domain, p->wish_count * sizeof(*c->domain)));
	if (err == OK)
		err = generation_add(builder, BLOB_POLICIES,
		                     bytes_of(p->policy, p->policy_count * sizeof(*p->policy)));
	if (err == OK && p->override_count > 0)
		err = generation_add(
		    builder, BLOB_OVERRIDES,
		    bytes_of(p->override, p->override_count * sizeof(*p->override)));
	return err;
}

static enum err seal(const struct rule_compiler *c, uint64_t number, uint64_t made_wall_us,
                     const char *label, int *out_fd)
{
	struct generation_builder builder;
	size_t bytes = 64 * 1024;

	for (uint32_t id = BLOB_HEAD; id < SECTIONS_TOTAL; id++)
		bytes += c->section[id].len + 64;
	bytes += c->policies.wish_count * sizeof(*c->domain) +
	         c->policies.policy_count * sizeof(struct blob_policy) +
	         c->policies.override_count * sizeof(struct blob_override);

	enum err err = generation_begin(&builder, bytes);
	if (err != OK)
		return err;
	for (uint32_t id = BLOB_HEAD; id < SECTIONS_TOTAL && err == OK; id++)
		if (c->section[id].len > 0)
			err = generation_add(&builder, id, c->section[id]);
	if (err == OK)
		err = add_policies(c, &builder);
	if (err != OK) {
		generation_abandon(&builder);
		return err;
	}
	return generation_seal(&builder, c->kind, number, made_wall_us, label, out_fd);
}

static bool find_policy_rule(void *context, struct bytes domain, struct bytes name,
                             uint32_t *out_rule)
{
	struct rule_compiler *c = context;
	const char *construct = rule_pool_printf(&c->reader.pool, "domains.%.*s", (int)domain.len,
	                                         (const char *)domain.data);
	const char *wrong = "there is no such rule; look for its name with posternctl rules list";

	for (uint32_t i = 0; i < c->rule_count; i++) {
		const struct blob_rule *rule = &c->rule[i];

		if (!bytes_equal(bytes_text(c->texts.data + rule->name), name))
			continue;
		*out_rule = i;
		if (rule->kind != BLOB_RULE_OFF && (rule->flags & BLOB_FLAG_SILENT) == 0)
			return true;
		wrong = rule->kind == BLOB_RULE_OFF
		            ? "the rule does not run; give it points for all and 0 elsewhere"
		            : "a rule whose name begins with __ never scores; name the one that "
		              "does";
		break;
	}
	c->reader.file = "";
	c->reader.line = 0;
	rule_reader_report(&c->reader, false, construct, rule_pool_copy(&c->reader.pool, name),
	                   wrong);
	return false;
}

static void set_policies(struct rule_compiler *c)
{
	struct policies *p = &c->policies;

	policies_finish(p, &c->reader.pool, find_policy_rule, c);
	c->domain = rule_pool_take(&c->reader.pool, (p->wish_count + 1) * sizeof(*c->domain));
	for (uint32_t i = 0; i < p->wish_count; i++)
		c->domain[i] = (struct blob_domain){.name = put_text(c, p->wish[i].domain),
		                                    .name_bytes = (uint16_t)p->wish[i].domain.len,
		                                    .policy = (uint16_t)p->wish[i].policy};
}

void rule_compiler_add_domain(struct rule_compiler *compiler, const char *domain, int32_t tag_milli,
                              int32_t reject_milli, const char *scores)
{
	int32_t limits[2] = {tag_milli, reject_milli};

	ASSERT(!compiler->finished && compiler->policies.wish_count < UINT16_MAX);
	rule_reader_sum(&compiler->reader, bytes_text(domain));
	rule_reader_sum(&compiler->reader, bytes_of(limits, sizeof(limits)));
	rule_reader_sum(&compiler->reader, bytes_text(scores));
	policies_add(&compiler->policies, &compiler->reader.pool, bytes_text(domain), tag_milli,
	             reject_milli, bytes_text(scores));
}

/* A fault of a rule leaves that rule out, as SpamAssassin does. Files that cannot be read or taken
 * apart are refused, and so are files of which faults leave nothing. */
static bool is_refused(const struct rule_compiler *c)
{
	bool faulty = false;

	for (uint32_t i = 0; i < c->reader.report_count; i++) {
		if (c->reader.report[i].refuses)
			return true;
		faulty |= c->reader.report[i].fault;
	}
	for (uint32_t i = c->of_texts; faulty && i < c->reader.rule_count; i++)
		faulty = c->index[i] == UINT32_MAX || c->rule[c->index[i]].kind == BLOB_RULE_OFF;
	return faulty;
}

bool rule_compiler_key(const struct rule_compiler *compiler, struct hash128 *out_key)
{
	uint32_t options = compiler->column << 1 | compiler->no_triggers;

	ASSERT(!compiler->finished);
	return rule_key(compiler->reader.sum, options, out_key);
}

enum err rule_compiler_finish(struct rule_compiler *compiler, uint64_t number,
                              uint64_t made_wall_us, const char *label, int *out_fd)
{
	ASSERT(!compiler->finished);
	compiler->finished = true;
	rule_reader_finish(&compiler->reader);

	enum err err = set_rules(compiler);
	if (err != OK)
		return err;
	order_metas(compiler);
	if (is_refused(compiler))
		return ERR_SYNTAX;
	set_policies(compiler);
	place_rules(compiler);
	err = build_sections(compiler);
	if (err != OK)
		return err;
	return seal(compiler, number, made_wall_us, label, out_fd);
}

/* The rules that may cost most, and those beyond what a rule should. */
static void print_costs(const struct rule_compiler *c, FILE *out)
{
	uint32_t over = 0;
	double below = INFINITY;

	for (uint32_t i = 0; i < c->rule_count; i++)
		over += c->cost[i] > COST_MUCH;
	fprintf(out,
	        "%u rules may cost more than %.1f ns per octet of their text; the costliest:\n",
	        over, COST_MUCH);
	for (uint32_t shown = 0; shown < COSTS_SHOWN;) {
		double most = 0;

		for (uint32_t i = 0; i < c->rule_count; i++)
			if (c->cost[i] < below && c->cost[i] > most)
				most = c->cost[i];
		if (most == 0)
			return;
		for (uint32_t i = 0; i < c->rule_count && shown < COSTS_SHOWN; i++)
			if (c->cost[i] == most) {
				fprintf(out, "  %8.3f  %s\n", most,
				        c->texts.data + c->rule[i].name);
				shown++;
			}
		below = most;
	}
}

void rule_compiler_print_summary(const struct rule_compiler *compiler, FILE *out)
{
	static const char *const group_name[GROUP_COUNT] = {"body",   "rawbody", "uri",   "full",
	                                                    "header", "ALL",     "trace", "ALL-*"};

	fprintf(out,
	        "%u rules of %u files: %u metas (%u lean on something unsupported), %u not "
	        "supported, %u off\n",
	        compiler->rule_count, compiler->reader.file_count, compiler->order_count,
	        compiler->doubtful_count, compiler->unknown_count, compiler->off_count);
	fprintf(out, "%-8s %8s %8s %8s %8s %10s\n", "text", "literal", "gate", "residual",
	        "strings", "database");
	for (int group = 0; group < GROUP_COUNT; group++)
		fprintf(
		    out, "%-8s %8u %8u %8u %8u %10zu\n", group_name[group],
		    compiler->placed[group][PLACED_LITERAL], compiler->placed[group][PLACED_GATE],
		    compiler->placed[group][PLACED_RESIDUAL], compiler->placing[group].string_count,
		    compiler->section[BLOB_SECTION(group, BLOB_LITERAL_DB)].len);
	print_costs(compiler, out);
	for (uint32_t i = 0; i < compiler->reader.report_count; i++) {
		const struct rule_report *r = &compiler->reader.report[i];

		if (r->fault)
			fprintf(out, "%s:%u: %s %s: %s\n", r->file, r->line, r->construct, r->rule,
			        r->text);
	}
}
