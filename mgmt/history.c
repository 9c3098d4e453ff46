/* history.c - adds, finds, reads and prunes events. */
#include "mgmt/history.h"

#include <stdlib.h>
#include <string.h>

#define PRUNE_ROWS_MAX 20000 /* of one transaction, so that intake is never held up for long */

void history_open(struct history *history, struct store *store, uint64_t rows_max)
{
	sqlite3_stmt *statement = store_use(store, STORE_EVENT_BOUNDS);

	*history = (struct history){
	    .store = store, .rows_max = rows_max, .first_seq = 1, .next_seq = 1};
	if (store_row(store, statement)) {
		history->first_seq = (uint64_t)sqlite3_column_int64(statement, 0);
		history->next_seq = (uint64_t)sqlite3_column_int64(statement, 1) + 1;
		sqlite3_reset(statement);
	}
}

void history_begin(struct history *history)
{
	struct store *store = history->store;

	if (store_run(store, store_use(store, STORE_BEGIN)) != OK)
		history->failed_count++;
}

void history_add(struct history *history, const struct event *event, const char *json)
{
	sqlite3_stmt *statement = store_use(history->store, STORE_EVENT_INSERT);

	store_bind_number(statement, 1, history->next_seq);
	store_bind_number(statement, 2, event->id);
	store_bind_number(statement, 3, event->wall_us);
	store_bind_number(statement, 4, event->kind);
	store_bind_number(statement, 5, event->verdict);
	sqlite3_bind_text(statement, 6, json, -1, SQLITE_STATIC);
	if (store_run(history->store, statement) == OK)
		history->next_seq++;
	else
		history->failed_count++;
	sqlite3_clear_bindings(statement);
}

static void prune(struct history *history)
{
	uint64_t rows = history_row_count(history);
	uint64_t excess = rows > history->rows_max ? rows - history->rows_max : 0;
	sqlite3_stmt *statement;

	if (excess == 0)
		return;
	if (excess > PRUNE_ROWS_MAX)
		excess = PRUNE_ROWS_MAX;
	statement = store_use(history->store, STORE_EVENT_PRUNE);
	store_bind_number(statement, 1, history->first_seq + excess);
	if (store_run(history->store, statement) == OK)
		history->first_seq += excess;
}

void history_commit(struct history *history)
{
	struct store *store = history->store;

	prune(history);
	if (store_run(store, store_use(store, STORE_COMMIT)) != OK)
		history->failed_count++;
}

uint64_t history_row_count(const struct history *history)
{
	return history->next_seq - history->first_seq;
}

char *history_find(struct history *history, uint64_t id)
{
	sqlite3_stmt *statement = store_use(history->store, STORE_EVENT_BY_ID);
	char *json = NULL;

	store_bind_number(statement, 1, id);
	if (store_row(history->store, statement))
		json = strdup(store_text(statement, 0));
	sqlite3_reset(statement);
	return json;
}

char *history_next(struct history *history, uint64_t *seq)
{
	sqlite3_stmt *statement = store_use(history->store, STORE_EVENT_AFTER);
	char *json = NULL;

	store_bind_number(statement, 1, *seq);
	if (store_row(history->store, statement)) {
		*seq = (uint64_t)sqlite3_column_int64(statement, 0);
		json = strdup(store_text(statement, 1));
	}
	sqlite3_reset(statement);
	return json;
}
