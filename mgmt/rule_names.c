/* rule_names.c - keeps the names of rules by generation. */
#include "mgmt/rule_names.h"

#include <stdlib.h>
#include <string.h>

#define RULES_MAX 65536 /* an event's rule index has 16 bits */

void rule_names_open(struct rule_names *names, struct store *store)
{
	memset(names, 0, sizeof(*names));
	names->store = store;
}

static void set_clear(struct rule_names_set *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		free(set->rule[i].name);
		free(set->rule[i].description);
	}
	free(set->rule);
	memset(set, 0, sizeof(*set));
}

void rule_names_close(struct rule_names *names)
{
	for (int i = 0; i < RULE_NAMES_CACHED; i++)
		set_clear(&names->cached[i]);
}

static void forget(struct rule_names *names, uint64_t generation)
{
	for (int i = 0; i < RULE_NAMES_CACHED; i++)
		if (names->cached[i].generation == generation)
			set_clear(&names->cached[i]);
}

static enum err put_rules(struct store *store, uint64_t generation, const json_t *rules)
{
	size_t index;
	const json_t *rule;

	json_array_foreach((json_t *)rules, index, rule)
	{
		sqlite3_stmt *statement = store_use(store, STORE_NAME_INSERT);
		const char *name = json_string_value(json_array_get(rule, 0));
		const char *description = json_string_value(json_array_get(rule, 2));

		if (name == NULL || description == NULL || index >= RULES_MAX)
			return ERR_SYNTAX;
		store_bind_number(statement, 1, generation);
		store_bind_number(statement, 2, index);
		store_bind_text(statement, 3, name);
		store_bind_text(statement, 4, description);
		sqlite3_bind_int64(statement, 5, json_integer_value(json_array_get(rule, 1)));
		if (store_run(store, statement) != OK)
			return ERR_IO;
	}
	return OK;
}

enum err rule_names_put(struct rule_names *names, uint64_t generation, const json_t *rules)
{
	struct store *store = names->store;
	sqlite3_stmt *prune;
	enum err err;

	forget(names, generation);
	err = store_run(store, store_use(store, STORE_BEGIN));
	if (err != OK)
		return err;
	err = put_rules(store, generation, rules);
	prune = store_use(store, STORE_NAMES_PRUNE);
	store_bind_number(prune, 1, RULE_NAMES_GENERATIONS_KEPT);
	if (store_run(store, prune) != OK || store_run(store, store_use(store, STORE_COMMIT)) != OK)
		return ERR_IO;
	return err;
}

static bool grow(struct rule_names_set *set, uint32_t *room)
{
	uint32_t wanted = *room == 0 ? 1024 : *room * 2;
	struct rule_name *rule = realloc(set->rule, wanted * sizeof(*rule));

	if (rule == NULL)
		return false;
	set->rule = rule;
	*room = wanted;
	return true;
}

static void load(struct rule_names *names, struct rule_names_set *set, uint64_t generation)
{
	sqlite3_stmt *statement = store_use(names->store, STORE_NAMES_OF);
	uint32_t room = 0;

	set_clear(set);
	set->generation = generation;
	store_bind_number(statement, 1, generation);
	while (store_row(names->store, statement)) {
		struct rule_name *rule;

		if (set->count >= RULES_MAX || (set->count == room && !grow(set, &room)))
			break;
		rule = &set->rule[set->count];
		rule->name = strdup(store_text(statement, 1));
		rule->description = strdup(store_text(statement, 2));
		rule->score_milli = sqlite3_column_int(statement, 3);
		set->count++;
	}
	sqlite3_reset(statement);
}

const struct rule_names_set *rule_names_get(struct rule_names *names, uint64_t generation)
{
	struct rule_names_set *oldest = &names->cached[0];

	names->clock++;
	for (int i = 0; i < RULE_NAMES_CACHED; i++) {
		struct rule_names_set *set = &names->cached[i];

		if (generation != 0 && set->generation == generation) {
			set->used_at = names->clock;
			return set;
		}
		if (set->used_at < oldest->used_at)
			oldest = set;
	}
	load(names, oldest, generation);
	oldest->used_at = names->clock;
	return oldest;
}

json_t *rule_names_json(struct rule_names *names, uint64_t generation)
{
	const struct rule_names_set *set = rule_names_get(names, generation);
	json_t *array = json_array();

	for (uint32_t i = 0; i < set->count; i++) {
		const struct rule_name *rule = &set->rule[i];

		if (rule->name != NULL && rule->description != NULL)
			json_array_append_new(array,
			                      json_pack("[s, i, s]", rule->name,
			                                (int)rule->score_milli, rule->description));
	}
	return array;
}

const struct rule_name *rule_names_find(struct rule_names *names, uint64_t generation,
                                        uint32_t rule)
{
	const struct rule_names_set *set = rule_names_get(names, generation);

	if (rule >= set->count || set->rule[rule].name == NULL ||
	    set->rule[rule].description == NULL)
		return NULL;
	return &set->rule[rule];
}
