/* eval_open.c - the eval sections of a generation: verified once, so that the functions need no
 * bounds check. */
#include "base/check.h"
#include "classifier/eval_net.h"
#include "classifier/eval_signature.h"

const struct eval_signature eval_signatures[EVAL_FUNCTION_COUNT] = {
#define EVAL(name, help, arguments, selectors, facts, asks) \
	{#name, help, arguments, selectors, facts, ASKS_##asks},
#include "classifier/eval.def"
};

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

static bool range_fits(uint32_t start, uint32_t count, uint32_t total)
{
	return start <= total && count <= total - start;
}

static bool open_arrays(struct ruleset_evals *e, const struct generation *g)
{
	struct bytes texts = generation_section(g, BLOB_EVAL_TEXTS);
	const void *eval, *argument, *selector, *list, *entry, *setting;
	uint32_t setting_count;

	if (!array(g, BLOB_EVALS, sizeof(struct blob_eval), &eval, &e->count) ||
	    !array(g, BLOB_EVAL_ARGUMENTS, sizeof(struct blob_eval_argument), &argument,
	           &e->argument_count) ||
	    !array(g, BLOB_EVAL_SELECTORS, sizeof(uint32_t), &selector, &e->selector_count) ||
	    !array(g, BLOB_LISTS, sizeof(struct blob_list), &list, &e->list_count) ||
	    !array(g, BLOB_LIST_ENTRIES, sizeof(struct blob_list_entry), &entry, &e->entry_count) ||
	    !array(g, BLOB_SETTINGS, sizeof(double), &setting, &setting_count))
		return false;
	e->eval = eval;
	e->argument = argument;
	e->selector = selector;
	e->list = list;
	e->entry = entry;
	e->setting = setting;
	e->texts = (const char *)texts.data;
	e->text_bytes = (uint32_t)texts.len;
	return setting_count == EVAL_SETTING_COUNT && e->list_count >= EVAL_LIST_FIXED &&
	       texts.len > 0 && texts.len < UINT32_MAX;
}

static bool lists_are_sound(const struct ruleset_evals *e)
{
	for (uint32_t i = 0; i < e->list_count; i++)
		if (!range_fits(e->list[i].entry, e->list[i].entry_count, e->entry_count) ||
		    e->list[i].exact_count > e->list[i].entry_count ||
		    !range_fits(e->list[i].name, e->list[i].name_bytes, e->text_bytes))
			return false;
	for (uint32_t i = 0; i < e->entry_count; i++)
		if (!range_fits(e->entry[i].text, e->entry[i].bytes, e->text_bytes) ||
		    !range_fits(e->entry[i].second, e->entry[i].second_bytes, e->text_bytes))
			return false;
	return true;
}

/* Its arguments are those the function takes, in order. */
static bool arguments_are_sound(const struct ruleset_evals *e, const struct blob_eval *eval)
{
	const char *kinds = eval_signatures[eval->function].arguments;
	bool optional = false;
	uint32_t at = 0;

	if (!range_fits(eval->argument, eval->argument_count, e->argument_count))
		return false;
	for (; *kinds != '\0'; kinds++) {
		if (*kinds == '?') {
			optional = true;
			continue;
		}
		if (at == eval->argument_count)
			return optional;
		const struct blob_eval_argument *argument = &e->argument[eval->argument + at++];
		if (argument->kind != (uint8_t)*kinds ||
		    !range_fits(argument->text, argument->bytes, e->text_bytes))
			return false;
		if ((*kinds == 's' || *kinds == 't') &&
		    !(argument->number >= 0 && argument->number <= INT32_MAX))
			return false;
		if (*kinds == 'l' && argument->number != -1 &&
		    !(argument->number >= 0 && argument->number < e->list_count))
			return false;
	}
	return at == eval->argument_count;
}

/* As many selectors as the function and its header arguments name. */
static bool selectors_are_enough(const struct ruleset *r, const struct blob_eval *eval)
{
	const struct ruleset_evals *e = &r->evals;
	struct bytes names = bytes_text(eval_signatures[eval->function].selectors);
	uint32_t wanted = 0;

	for (size_t i = 0; i < names.len; i++)
		wanted += names.data[i] != ' ' && (i == 0 || names.data[i - 1] == ' ');
	for (uint32_t i = 0; i < eval->argument_count; i++)
		wanted += strchr("hawt", e->argument[eval->argument + i].kind) != NULL;
	if (wanted != eval->selector_count ||
	    !range_fits(eval->selector, eval->selector_count, e->selector_count))
		return false;
	for (uint32_t i = 0; i < eval->selector_count; i++)
		if (e->selector[eval->selector + i] >= r->head->selector_count)
			return false;
	return true;
}

static bool is_rule(const struct ruleset *r, double number)
{
	return number >= 0 && number < r->rule_count;
}

/* Numbers of rules that capture texts; eval_captured_text() looks whether they do. */
static bool captures_are_sound(const struct ruleset *r, const struct blob_eval *eval)
{
	const struct blob_eval_argument *a;

	if (eval->argument_count == 0)
		return eval->function != EVAL_captured;
	a = &r->evals.argument[eval->argument];
	for (uint32_t i = 0; i < eval->argument_count; i++)
		if (a[i].kind == 't' && a[i].number >= EVAL_TAG_CAPTURED &&
		    !is_rule(r, a[i].number - EVAL_TAG_CAPTURED))
			return false;
	return eval->function != EVAL_captured || is_rule(r, a[1].number);
}

/* Flags travel as the number of the first argument. */
static bool flags_are_sound(const struct ruleset_evals *e, const struct blob_eval *eval)
{
	const struct blob_eval_argument *first;

	if (eval->argument_count == 0)
		return true;
	first = &e->argument[eval->argument];
	return first->kind != 's' || (first->number >= 0 && first->number < NET_FLAGS_END);
}

static bool evals_are_sound(const struct ruleset *r)
{
	const struct ruleset_evals *e = &r->evals;

	for (uint32_t i = 0; i < e->count; i++) {
		const struct blob_eval *eval = &e->eval[i];

		if (eval->rule >= r->rule_count || r->rule[eval->rule].kind != BLOB_RULE_EVAL ||
		    (i > 0 && eval->rule <= e->eval[i - 1].rule) ||
		    eval->function >= EVAL_FUNCTION_COUNT || !arguments_are_sound(e, eval) ||
		    !flags_are_sound(e, eval) || !selectors_are_enough(r, eval) ||
		    !captures_are_sound(r, eval) || !hashbl_is_sound(e, eval))
			return false;
	}
	return true;
}

static struct bytes entry_text(const struct ruleset_evals *e, enum eval_list list, uint32_t index)
{
	const struct blob_list_entry *entry = &e->entry[e->list[list].entry + index];

	return bytes_of(e->texts + entry->text, entry->bytes);
}

static bool open_networks(const struct ruleset_evals *e, enum eval_list list,
                          struct relay_networks *set)
{
	for (uint32_t i = 0; i < e->list[list].entry_count; i++)
		if (relay_networks_add(set, entry_text(e, list, i)) != OK)
			return false;
	return true;
}

/* Our own addresses are trusted whatever is said; where only one of the sets is given, it is the
 * other too. */
static bool open_trust(struct ruleset_evals *e)
{
	struct relay_trust *trust = &e->trust;
	bool has_trusted = e->list[EVAL_LIST_TRUSTED_NETWORKS].entry_count > 0;
	bool has_internal = e->list[EVAL_LIST_INTERNAL_NETWORKS].entry_count > 0;
	const struct blob_list *origins = &e->list[EVAL_LIST_ORIGINATING_IP_HEADERS];

	if (relay_networks_add(&trust->trusted, BYTES("127.0.0.0/8")) != OK ||
	    relay_networks_add(&trust->trusted, BYTES("::1")) != OK)
		return false;
	trust->internal = trust->trusted;
	trust->is_configured = has_trusted || has_internal;
	if (!open_networks(e,
	                   has_trusted ? EVAL_LIST_TRUSTED_NETWORKS : EVAL_LIST_INTERNAL_NETWORKS,
	                   &trust->trusted) ||
	    !open_networks(e,
	                   has_internal ? EVAL_LIST_INTERNAL_NETWORKS : EVAL_LIST_TRUSTED_NETWORKS,
	                   &trust->internal) ||
	    !open_networks(e, EVAL_LIST_MSA_NETWORKS, &trust->msa) ||
	    origins->entry_count > ORIGIN_FIELDS_MAX)
		return false;
	while (trust->origin_count < origins->entry_count) {
		trust->origin[trust->origin_count] = entry_text(e, EVAL_LIST_ORIGINATING_IP_HEADERS,
		                                                trust->origin_count);
		trust->origin_count++;
	}
	if (e->list[EVAL_LIST_ENVELOPE_SENDER_HEADER].entry_count > 0)
		trust->envelope_field = entry_text(e, EVAL_LIST_ENVELOPE_SENDER_HEADER, 0);
	return true;
}

bool eval_sections_are_sound(struct ruleset *ruleset)
{
	struct ruleset_evals *e = &ruleset->evals;

	return open_arrays(e, ruleset->generation) && lists_are_sound(e) &&
	       evals_are_sound(ruleset) && open_trust(e);
}

const struct relay_trust *ruleset_relay_trust(const struct ruleset *ruleset)
{
	return &ruleset->evals.trust;
}
