/* state.c - generations and settings in the store. */
#include "mgmt/state.h"

#include <stdio.h>
#include <stdlib.h>

#include "mgmt/json_text.h"
#include "mgmt/log.h"

bool state_take_current(struct store *store, const struct generation *generation)
{
	struct state_generation known;

	if (state_get_generation(store, generation->number, &known, NULL) &&
	    known.kind == generation->kind && known.made_wall_us == generation->made_wall_us)
		return true;
	known = (struct state_generation){.number = generation->number,
	                                  .kind = generation->kind,
	                                  .made_wall_us = generation->made_wall_us};
	snprintf(known.label, sizeof(known.label), "%s", generation->label);
	if (state_put_generation(store, &known, NULL) != OK)
		log_warning("what the dataplane runs could not be stored");
	return false;
}

uint64_t state_next_number(struct store *store, uint64_t floor)
{
	uint64_t last = store_number(store, store_use(store, STORE_GENERATION_MAX));

	if (floor > last)
		last = floor;
	if (store->last_number > last)
		last = store->last_number;
	store->last_number = last + 1;
	return store->last_number;
}

enum err state_put_generation(struct store *store, const struct state_generation *generation,
                              const json_t *report)
{
	sqlite3_stmt *statement = store_use(store, STORE_GENERATION_INSERT);
	sqlite3_stmt *prune = store_use(store, STORE_GENERATION_PRUNE);
	char *text = report != NULL ? json_line(report) : NULL;
	enum err err;

	store_bind_number(statement, 1, generation->number);
	store_bind_number(statement, 2, generation->kind);
	store_bind_text(statement, 3, generation->label);
	store_bind_number(statement, 4, generation->made_wall_us);
	store_bind_number(statement, 5, generation->fingerprint);
	store_bind_text(statement, 6, text != NULL ? text : "{}");
	free(text);
	err = store_run(store, statement);
	store_bind_number(prune, 1, generation->number);
	if (err == OK)
		err = store_run(store, prune);
	return err;
}

bool state_get_generation(struct store *store, uint64_t number,
                          struct state_generation *out_generation, json_t **out_report)
{
	sqlite3_stmt *statement = store_use(store, STORE_GENERATION_GET);

	store_bind_number(statement, 1, number);
	if (!store_row(store, statement))
		return false;
	out_generation->number = number;
	out_generation->kind = (enum generation_kind)sqlite3_column_int(statement, 0);
	snprintf(out_generation->label, sizeof(out_generation->label), "%s",
	         store_text(statement, 1));
	out_generation->made_wall_us = (uint64_t)sqlite3_column_int64(statement, 2);
	out_generation->fingerprint = (uint64_t)sqlite3_column_int64(statement, 3);
	if (out_report != NULL)
		*out_report = json_loads(store_text(statement, 4), 0, NULL);
	sqlite3_reset(statement);
	return true;
}

json_t *state_get_setting(struct store *store, const char *key)
{
	sqlite3_stmt *statement = store_use(store, STORE_SETTING_GET);
	json_t *value = NULL;

	store_bind_text(statement, 1, key);
	if (store_row(store, statement))
		value = json_loads(store_text(statement, 0), JSON_DECODE_ANY, NULL);
	sqlite3_reset(statement);
	return value;
}

enum err state_put_setting(struct store *store, const char *key, const json_t *value)
{
	sqlite3_stmt *statement;
	char *text;
	enum err err;

	if (value == NULL) {
		statement = store_use(store, STORE_SETTING_DELETE);
		store_bind_text(statement, 1, key);
		return store_run(store, statement);
	}
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text == NULL)
		return ERR_NO_MEMORY;
	statement = store_use(store, STORE_SETTING_PUT);
	store_bind_text(statement, 1, key);
	store_bind_text(statement, 2, text);
	err = store_run(store, statement);
	free(text);
	return err;
}
