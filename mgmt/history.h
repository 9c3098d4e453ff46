/* history.h - the events table: bounded, found by id, read in order. */
#ifndef MGMT_HISTORY_H
#define MGMT_HISTORY_H

#include <stdint.h>

#include "base/event.h"

#include "mgmt/store.h"

struct history {
	struct store *store; /* kept */
	uint64_t rows_max;
	uint64_t first_seq, next_seq; /* rows are numbered without gaps from first to next - 1 */
	uint64_t failed_count;        /* events that could not be stored */
};

void history_open(struct history *history, struct store *store, uint64_t rows_max);
/* One transaction around any number of history_add. */
void history_begin(struct history *history);
/* Stores one event with its JSON text. */
void history_add(struct history *history, const struct event *event, const char *json);
/* Ends the transaction and removes the oldest rows beyond rows_max, a bounded number a call. */
void history_commit(struct history *history);
uint64_t history_row_count(const struct history *history);
/* The JSON text of the newest event with that id; the caller's to free, NULL when there is none. */
char *history_find(struct history *history, uint64_t id);
/* The JSON text of the first event numbered above *seq, which becomes its number; NULL when there
 * is none. */
char *history_next(struct history *history, uint64_t *seq);

#endif
