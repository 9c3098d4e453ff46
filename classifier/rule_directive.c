/* rule_directive.c - lines of a rule file that define no rule: lists and settings the eval
 * functions work with, and what is passed over knowingly.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/relay_trust.h"
#include "classifier/rule_define.h"
#include "classifier/ruleset_pattern.h"

#define DIRECTIVE_BYTES_MAX 64

enum list_form {
	FORM_WORDS,
	FORM_HOSTS,
	FORM_ADDRESSES,
	FORM_RELAYS,
	FORM_NETWORKS,
	FORM_FIELDS,
	FORM_WHOLE,
	FORM_PATTERN,
	FORM_SIGNERS,
	FORM_PRACTICES,
	FORM_ALIASES,
	FORM_PHRASE
};

enum list_action {
	ACTION_ADD,
	ACTION_NAMED,
	ACTION_DELIST,
	ACTION_NAMED_DELIST,
	ACTION_CLEAR,
	ACTION_CLEAR_BOUNDARIES
};

struct list_directive {
	const char *key;
	enum list_action action;
	uint32_t list;    /* enum eval_list */
	const char *name; /* of a named list whose name the directive implies */
	enum list_form form;
};

static const struct list_directive directives[] = {
#define LIST(directive, list, form)     {directive, ACTION_ADD, EVAL_LIST_##list, NULL, FORM_##form},
#define NAMED(directive, form)          {directive, ACTION_NAMED, 0, NULL, FORM_##form},
#define NAMED_AS(directive, name, form) {directive, ACTION_NAMED, 0, name, FORM_##form},
#define DELIST(directive, list)         {directive, ACTION_DELIST, EVAL_LIST_##list, NULL, FORM_WORDS},
#define DELIST_SIGNERS(directive, list) \
	{directive, ACTION_DELIST, EVAL_LIST_##list, NULL, FORM_SIGNERS},
#define NAMED_DELIST(directive)     {directive, ACTION_NAMED_DELIST, 0, NULL, FORM_HOSTS},
#define CLEAR(directive, list)      {directive, ACTION_CLEAR, EVAL_LIST_##list, NULL, FORM_WORDS},
#define CLEAR_BOUNDARIES(directive) {directive, ACTION_CLEAR_BOUNDARIES, 0, NULL, FORM_WORDS},
#include "classifier/eval_lists.def"
};

static const struct {
	const char *key;
	enum eval_setting setting;
	double standard;
} settings[] = {
#define EVAL_SETTING(directive, name, standard) {directive, EVAL_SETTING_##name, standard},
#include "classifier/eval_settings.def"
};

static const char *const ignored[] = {
#define IGNORED(directive, why) directive,
#include "classifier/rule_ignored.def"
};

static void fault(struct rule_reader *reader, const char *key, const char *text)
{
	rule_reader_report(reader, true, key, "", text);
}

static struct named_list *new_list(struct rule_reader *reader, struct bytes name)
{
	reader->list = rule_pool_grow(&reader->pool, reader->list, reader->list_count,
	                              &reader->list_room, sizeof(*reader->list));
	struct named_list *list = &reader->list[reader->list_count++];
	*list = (struct named_list){.name = rule_pool_copy(&reader->pool, name)};
	return list;
}

void rule_directive_init(struct rule_reader *reader)
{
	for (uint32_t i = 0; i < EVAL_LIST_FIXED; i++)
		new_list(reader, BYTES(""));
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		reader->setting[settings[i].setting] = settings[i].standard;
}

uint32_t rule_directive_list(const struct rule_reader *reader, const char *name)
{
	for (uint32_t i = EVAL_LIST_FIXED; i < reader->list_count; i++)
		if (strcmp(reader->list[i].name, name) == 0)
			return i;
	return UINT32_MAX;
}

static struct named_list *need_list(struct rule_reader *reader, bool hosts, struct bytes name)
{
	char *full = rule_pool_printf(&reader->pool, "%s%.*s", hosts ? "@" : "", (int)name.len,
	                              name.data);
	uint32_t index = rule_directive_list(reader, full);

	return index != UINT32_MAX ? &reader->list[index] : new_list(reader, bytes_text(full));
}

static char *lower(struct rule_reader *reader, struct bytes word)
{
	char *copy = rule_pool_copy(&reader->pool, word);

	for (char *c = copy; *c != '\0'; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	return copy;
}

static void add(struct rule_reader *reader, struct named_list *list, char *text, const char *second)
{
	list->entry = rule_pool_grow(&reader->pool, list->entry, list->count, &list->room,
	                             sizeof(*list->entry));
	list->entry[list->count++] = (struct list_entry){text,
	                                                 rule_pool_text(&reader->pool, second)};
}

static void drop(struct named_list *list, const char *text)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < list->count; i++)
		if (strcmp(list->entry[i].text, text) != 0)
			list->entry[kept++] = list->entry[i];
	list->count = kept;
}

/* SpamAssassin reads these three octets of an address as one that never is in one. */
static void tame_address(char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '\\' || *text == '(')
			*text = '_';
}

static bool has(const struct named_list *list, const char *text)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (strcmp(list->entry[i].text, text) == 0)
			return true;
	return false;
}

/* Networks, or names of fields: few, and their order counts. */
static void add_ordered(struct rule_reader *reader, const struct list_directive *directive,
                        struct named_list *list, struct bytes value)
{
	bool networks = directive->form == FORM_NETWORKS;
	uint32_t room = networks ? SITE_NETWORKS_MAX : ORIGIN_FIELDS_MAX;
	struct relay_network network;

	while (value.len > 0) {
		char *word = lower(reader, rule_word(&value));

		if (networks && !relay_network_parse(bytes_text(word), &network))
			fault(reader, directive->key,
			      "takes addresses and networks like 10.0.0.0/8");
		else if (!has(list, word) && list->count == room)
			fault(reader, directive->key, "has more entries than there is room for");
		else if (!has(list, word))
			add(reader, list, word, "");
	}
}

static bool compiles(struct rule_reader *reader, const char *key, const char *pattern)
{
	const uint8_t *tables = pattern_tables_new();
	char why[PATTERN_REASON_BYTES] = "";
	bool too_large;
	struct pcre2_real_code_8 *code = NULL;

	if (tables != NULL)
		code = pattern_compile(tables, bytes_text(pattern), why, &too_large);
	if (code == NULL)
		fault(reader, key, rule_pool_printf(&reader->pool, "%s", why));
	pattern_free(code);
	pattern_tables_free(tables);
	return code != NULL;
}

static void add_pattern(struct rule_reader *reader, const struct list_directive *directive,
                        struct named_list *list, struct bytes value)
{
	const char *why;
	char *pattern = rule_define_pattern(reader, value, &why);

	list->is_ordered = true;
	if (pattern == NULL)
		fault(reader, directive->key, why);
	else if (list->count == REDIRECTORS_MAX)
		fault(reader, directive->key, "stands in more lines than there is room for");
	else if (compiles(reader, directive->key, pattern))
		add(reader, list, pattern, "");
}

/* "ADDRESS [DOMAIN]"; without a domain, that of the address. */
static void change_signer(struct rule_reader *reader, const struct list_directive *directive,
                          struct named_list *list, struct bytes value)
{
	char *address = lower(reader, rule_word(&value));
	char *domain = lower(reader, rule_word(&value));
	uint32_t kept = 0;

	tame_address(address);
	if (address[0] == '\0' || value.len > 0) {
		fault(reader, directive->key, "takes an address, then at most one domain");
		return;
	}
	for (uint32_t i = 0; i < list->count; i++)
		if (strcmp(list->entry[i].text, address) != 0 ||
		    strcmp(list->entry[i].second, domain) != 0)
			list->entry[kept++] = list->entry[i];
	list->count = kept;
	if (directive->action == ACTION_ADD)
		add(reader, list, address, domain);
}

/* "DOMAIN [PRACTICE]", kept as the letter the rules ask by; "*.b.c" as ".b.c". */
static void add_practice(struct rule_reader *reader, const struct list_directive *directive,
                         struct named_list *list, struct bytes value)
{
	static const struct {
		const char *word, *letter;
	} practices[] = {{"", "D"},           {"nxdomain", "N"},    {"unknown", "U"},
	                 {"all", "A"},        {"discardable", "D"}, {"custom_low", "1"},
	                 {"custom_med", "2"}, {"custom_high", "3"}};
	char *domain = lower(reader, rule_word(&value));
	char *practice = lower(reader, rule_word(&value));
	size_t i = 0;

	domain += domain[0] == '@';
	if (strcmp(domain, "*") == 0)
		domain = rule_pool_text(&reader->pool, ".");
	else if (strncmp(domain, "*.", 2) == 0)
		domain++;
	while (i < sizeof(practices) / sizeof(practices[0]) &&
	       strcmp(practices[i].word, practice) != 0)
		i++;
	if (domain[0] == '\0' || strchr(domain, '*') != NULL || value.len > 0 ||
	    i == sizeof(practices) / sizeof(practices[0])) {
		fault(
		    reader, directive->key,
		    "takes a domain, or \"*.\" and one, then nxdomain, unknown, all, discardable, "
		    "custom_low, custom_med or custom_high");
		return;
	}
	drop(list, domain);
	add(reader, list, domain, practices[i].letter);
}

/* Each alias, and behind it the domain it stands for; the last line counts. */
static void add_aliases(struct rule_reader *reader, const struct list_directive *directive,
                        struct named_list *list, struct bytes value)
{
	const char *domain = lower(reader, rule_word(&value));

	if (value.len == 0 || bytes_find(value, '@') < value.len || strchr(domain, '@') != NULL) {
		fault(reader, directive->key, "takes a domain, then others that stand for it");
		return;
	}
	while (value.len > 0) {
		char *alias = lower(reader, rule_word(&value));

		drop(list, alias);
		add(reader, list, alias, domain);
	}
}

static void add_words(struct rule_reader *reader, const struct list_directive *directive,
                      struct named_list *list, struct bytes value)
{
	list->is_ordered = directive->form == FORM_NETWORKS || directive->form == FORM_FIELDS;
	if (directive->form == FORM_NETWORKS || directive->form == FORM_FIELDS) {
		add_ordered(reader, directive, list, value);
		return;
	}
	if (directive->form == FORM_WHOLE) {
		list->count = 0;
		add(reader, list, lower(reader, value), "");
		return;
	}
	if (directive->form == FORM_PATTERN) {
		add_pattern(reader, directive, list, value);
		return;
	}
	if (directive->form == FORM_SIGNERS) {
		change_signer(reader, directive, list, value);
		return;
	}
	if (directive->form == FORM_PRACTICES) {
		add_practice(reader, directive, list, value);
		return;
	}
	if (directive->form == FORM_ALIASES) {
		add_aliases(reader, directive, list, value);
		return;
	}
	if (directive->form == FORM_PHRASE) {
		add(reader, list, rule_pool_printf(&reader->pool, "*%s*", lower(reader, value)),
		    "");
		return;
	}
	if (directive->form == FORM_RELAYS) {
		struct bytes address = rule_word(&value);

		if (value.len == 0)
			fault(reader, directive->key,
			      "takes an address, then a relay's name or [network]");
		char *text = lower(reader, address);
		tame_address(text);
		while (value.len > 0)
			add(reader, list, text, lower(reader, rule_word(&value)));
		return;
	}
	while (value.len > 0) {
		char *word = lower(reader, rule_word(&value));
		bool exception = directive->form == FORM_HOSTS && word[0] == '!';

		if (directive->form == FORM_ADDRESSES)
			tame_address(word);
		/* The last word on a host counts. */
		if (directive->form == FORM_HOSTS)
			drop(list, word + exception);
		add(reader, list, word + exception, exception ? "!" : "");
	}
}

/* "(NAME) words": the name; false when it is not there. */
static bool take_name(struct bytes *value, struct bytes *out_name)
{
	size_t close = bytes_find(*value, ')');

	if (value->len == 0 || value->data[0] != '(' || close == value->len || close < 2)
		return false;
	*out_name = bytes_slice(*value, 1, close - 1);
	*value = bytes_trim(bytes_slice(*value, close + 1, value->len));
	return true;
}

static void named(struct rule_reader *reader, const struct list_directive *directive,
                  struct bytes value)
{
	struct bytes name;

	if (directive->name != NULL) {
		name = bytes_text(directive->name);
	} else if (!take_name(&value, &name) || value.len == 0) {
		fault(reader, directive->key, "takes a list's name in parentheses, then entries");
		return;
	}
	add_words(reader, directive, need_list(reader, directive->form == FORM_HOSTS, name), value);
}

static void named_delist(struct rule_reader *reader, struct bytes value)
{
	struct bytes name = {NULL, 0};
	char *only = NULL;

	if (take_name(&value, &name))
		only = rule_pool_printf(&reader->pool, "@%.*s", (int)name.len, name.data);
	while (value.len > 0) {
		char *word = lower(reader, rule_word(&value));

		for (uint32_t i = EVAL_LIST_FIXED; i < reader->list_count; i++)
			if (reader->list[i].name[0] == '@' &&
			    (only == NULL || strcmp(reader->list[i].name, only) == 0))
				drop(&reader->list[i], word);
	}
}

static void clear_boundaries(struct rule_reader *reader, struct bytes value)
{
	static const struct {
		const char *word;
		enum eval_list list;
	} parts[] = {
	    {"tld", EVAL_LIST_RB_TLD}, {"2tld", EVAL_LIST_RB_2TLD}, {"3tld", EVAL_LIST_RB_3TLD}};
	bool all = value.len == 0;

	while (all || value.len > 0) {
		struct bytes word = all ? BYTES("all") : rule_word(&value);

		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			if (bytes_equal_nocase(word, BYTES("all")) ||
			    bytes_equal_nocase(word, bytes_text(parts[i].word)))
				reader->list[parts[i].list].count = 0;
		if (all)
			return;
	}
}

static void obey(struct rule_reader *reader, const struct list_directive *directive,
                 struct bytes value)
{
	switch (directive->action) {
	case ACTION_ADD:
		if (value.len == 0)
			fault(reader, directive->key, "takes one entry or more");
		add_words(reader, directive, &reader->list[directive->list], value);
		break;
	case ACTION_NAMED:
		named(reader, directive, value);
		break;
	case ACTION_DELIST:
		if (directive->form == FORM_SIGNERS) {
			change_signer(reader, directive, &reader->list[directive->list], value);
			break;
		}
		while (value.len > 0)
			drop(&reader->list[directive->list], lower(reader, rule_word(&value)));
		break;
	case ACTION_NAMED_DELIST:
		named_delist(reader, value);
		break;
	case ACTION_CLEAR:
		if (value.len == 0)
			reader->list[directive->list].count = 0;
		while (value.len > 0)
			drop(&reader->list[directive->list], lower(reader, rule_word(&value)));
		break;
	case ACTION_CLEAR_BOUNDARIES:
		clear_boundaries(reader, value);
		break;
	}
}

/* The names of today: "whitelist" was welcomelist, "blacklist" blocklist. */
static void modern_key(const char *key, char out[DIRECTIVE_BYTES_MAX])
{
	const char *old = strstr(key, "whitelist");
	const char *name = "welcomelist";

	if (old == NULL) {
		old = strstr(key, "blacklist");
		name = "blocklist";
	}
	if (old == NULL || strlen(key) + 3 > DIRECTIVE_BYTES_MAX)
		snprintf(out, DIRECTIVE_BYTES_MAX, "%s", key);
	else
		snprintf(out, DIRECTIVE_BYTES_MAX, "%.*s%s%s", (int)(old - key), key, name,
		         old + strlen("whitelist"));
}

static bool set_number(struct rule_reader *reader, const char *key, struct bytes value)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		uint64_t number;

		if (strcmp(settings[i].key, key) != 0)
			continue;
		if (bytes_to_u64(value, UINT32_MAX, &number))
			reader->setting[settings[i].setting] = (double)number;
		else
			fault(reader, key, "takes a whole number");
		return true;
	}
	return false;
}

/* Rules that end the judging early, with points of their own. Nothing is ended early here: verdicts
 * are of all rules, so that what a message hits does not depend on the order they run in. */
static bool short_circuit(struct rule_reader *reader, const char *key, struct bytes value)
{
	struct bytes rule = rule_word(&value);

	if (strncmp(key, "shortcircuit", strlen("shortcircuit")) != 0)
		return false;
	if (strcmp(key, "shortcircuit") == 0 && bytes_equal(value, BYTES("off")))
		return true;
	rule_reader_report(reader, false, "shortcircuit", rule_pool_copy(&reader->pool, rule),
	                   "no rule ends the judging early: all rules count, this one by its own "
	                   "points; give it as many as decide (score NAME 100)");
	return true;
}

/* "hashbl_acl_NAME domain !domain": the list "#NAME", where only rules that ask look into it. */
static bool access_list(struct rule_reader *reader, const char *key, struct bytes value)
{
	static const char prefix[] = "hashbl_acl_";
	const struct list_directive directive = {key, ACTION_NAMED, 0, NULL, FORM_WORDS};
	char *name;

	if (strncmp(key, prefix, sizeof(prefix) - 1) != 0)
		return false;
	name = rule_pool_printf(&reader->pool, "#%s",
	                        lower(reader, bytes_text(key + sizeof(prefix) - 1)));
	if ((reader->score_column & 1) != 0)
		add_words(reader, &directive, need_list(reader, false, bytes_text(name)), value);
	return true;
}

bool rule_directive(struct rule_reader *reader, const char *key, struct bytes value)
{
	char modern[DIRECTIVE_BYTES_MAX];
	bool known = false;

	modern_key(key, modern);
	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
		if (strcmp(directives[i].key, modern) == 0) {
			obey(reader, &directives[i], value);
			known = true;
		}
	if (known)
		return true;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (strcmp(ignored[i], modern) == 0)
			return true;
	return access_list(reader, key, value) || short_circuit(reader, key, value) ||
	       rule_net_directive(reader, modern, value) || set_number(reader, modern, value);
}
