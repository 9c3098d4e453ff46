/* store.h - the SQLite database of management: one connection, prepared statements, one thread.
 *
 * Holds the history of events, what is known of each generation, and what operators changed while
 * the daemon ran. Without a file it lives in memory and ends with the daemon.
 */
#ifndef MGMT_STORE_H
#define MGMT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"

enum store_statement {
#define STATEMENT(name, sql) STORE_##name,
#include "mgmt/statements.def"
	STORE_STATEMENT_COUNT
};

#define STORE_REASON_BYTES 512

struct store {
	sqlite3 *db;
	sqlite3_stmt *statement[STORE_STATEMENT_COUNT];
	bool persistent;
	uint64_t error_count;
	uint64_t last_number; /* of a generation, given out by state_next_number */
};

/* Opens or creates `path` (mode 0640, WAL); "" keeps everything in memory. `out_reason`
 * (STORE_REASON_BYTES) says what is wrong and what to do. */
MUST_CHECK enum err store_open(struct store *store, const char *path, char *out_reason);
void store_close(struct store *store);
/* The statement, reset and with its bindings cleared, ready to bind. */
sqlite3_stmt *store_use(struct store *store, enum store_statement which);
/* Steps a statement that returns no rows and resets it; a failure is logged and counted. */
MUST_CHECK enum err store_run(struct store *store, sqlite3_stmt *statement);
/* True when there is a row; resets and logs at the end or on a failure. */
bool store_row(struct store *store, sqlite3_stmt *statement);
/* The first column of the first row of a statement without parameters, or with those bound. */
uint64_t store_number(struct store *store, sqlite3_stmt *statement);
/* Text of a column, "" when NULL; valid until the next step. */
const char *store_text(sqlite3_stmt *statement, int column);
void store_bind_text(sqlite3_stmt *statement, int parameter, const char *text);
void store_bind_number(sqlite3_stmt *statement, int parameter, uint64_t number);

#endif
