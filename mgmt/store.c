/* store.c - opens the SQLite database and runs its prepared statements. */
#include "mgmt/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"

#include "mgmt/folder.h"
#include "mgmt/log.h"

#define SCHEMA_VERSION 1

static const char *const statement_sql[STORE_STATEMENT_COUNT] = {
#define STATEMENT(name, sql) [STORE_##name] = sql,
#include "mgmt/statements.def"
};

static const char schema
    [] = "CREATE TABLE events(seq INTEGER PRIMARY KEY, id INTEGER, wall_us INTEGER, kind INTEGER,"
         " verdict INTEGER, json TEXT);"
         "CREATE INDEX events_by_id ON events(id);"
         "CREATE INDEX events_by_time ON events(wall_us);"
         "CREATE TABLE generations(number INTEGER PRIMARY KEY, kind INTEGER, label TEXT,"
         " made_us INTEGER, fingerprint INTEGER, report TEXT);"
         "CREATE TABLE rule_names(generation INTEGER, rule INTEGER, name TEXT, description TEXT,"
         " score_milli INTEGER, PRIMARY KEY(generation, rule)) WITHOUT ROWID;"
         "CREATE TABLE list_entries(prefix TEXT PRIMARY KEY, action INTEGER, added_us INTEGER,"
         " expires_us INTEGER);"
         "CREATE TABLE list_files(path TEXT PRIMARY KEY, action INTEGER);"
         "CREATE TABLE settings(key TEXT PRIMARY KEY, value TEXT);"
         "PRAGMA user_version = 1;";

static enum err execute(struct store *store, const char *sql)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? OK : ERR_IO;
}

static int schema_version(struct store *store)
{
	sqlite3_stmt *statement;
	int version = -1;

	if (sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(statement) == SQLITE_ROW)
		version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return version;
}

static enum err prepare(struct store *store)
{
	for (int i = 0; i < STORE_STATEMENT_COUNT; i++)
		if (sqlite3_prepare_v3(store->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
		                       &store->statement[i], NULL) != SQLITE_OK)
			return ERR_IO;
	return OK;
}

static enum err set_up(struct store *store)
{
	int version;

	sqlite3_busy_timeout(store->db, 2000);
	if (execute(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;") != OK)
		return ERR_IO;
	version = schema_version(store);
	if (version == 0 && execute(store, schema) != OK)
		return ERR_IO;
	if (version != 0 && version != SCHEMA_VERSION)
		return ERR_VERSION;
	return prepare(store);
}

enum err store_open(struct store *store, const char *path, char *out_reason)
{
	mode_t mask;
	int result;
	enum err err;

	memset(store, 0, sizeof(*store));
	store->persistent = path[0] != '\0';
	if (store->persistent && folder_make_parent(path, 0750) != OK) {
		snprintf(out_reason, STORE_REASON_BYTES,
		         "%s: cannot make its folder: %s; make it, or set mgmt.history_file", path,
		         strerror(errno));
		return ERR_IO;
	}
	mask = umask(027);
	result = sqlite3_open_v2(store->persistent ? path : ":memory:", &store->db,
	                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	err = result == SQLITE_OK ? set_up(store) : ERR_IO;
	umask(mask);
	if (err == ERR_VERSION)
		snprintf(out_reason, STORE_REASON_BYTES,
		         "%s: made by another version of postern; move it away, a new one is made",
		         path);
	else if (err != OK)
		snprintf(out_reason, STORE_REASON_BYTES,
		         "%s: %s; repair its permissions or disk, or move it away", path,
		         store->db != NULL ? sqlite3_errmsg(store->db) : "out of memory");
	if (err != OK)
		store_close(store);
	return err;
}

void store_close(struct store *store)
{
	for (int i = 0; i < STORE_STATEMENT_COUNT; i++)
		sqlite3_finalize(store->statement[i]);
	sqlite3_close(store->db);
	memset(store, 0, sizeof(*store));
}

sqlite3_stmt *store_use(struct store *store, enum store_statement which)
{
	sqlite3_stmt *statement = store->statement[which];

	ASSERT(statement != NULL);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return statement;
}

static void failed(struct store *store)
{
	if (store->error_count++ % 1000 == 0)
		log_error("history: %s; free disk space or see mgmt.history_file",
		          sqlite3_errmsg(store->db));
}

enum err store_run(struct store *store, sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);

	if (result != SQLITE_DONE && result != SQLITE_ROW)
		failed(store);
	sqlite3_reset(statement);
	return result == SQLITE_DONE || result == SQLITE_ROW ? OK : ERR_IO;
}

bool store_row(struct store *store, sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);

	if (result == SQLITE_ROW)
		return true;
	if (result != SQLITE_DONE)
		failed(store);
	sqlite3_reset(statement);
	return false;
}

uint64_t store_number(struct store *store, sqlite3_stmt *statement)
{
	uint64_t number = 0;

	if (store_row(store, statement))
		number = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return number;
}

const char *store_text(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text != NULL ? text : "";
}

void store_bind_text(sqlite3_stmt *statement, int parameter, const char *text)
{
	sqlite3_bind_text(statement, parameter, text, -1, SQLITE_TRANSIENT);
}

void store_bind_number(sqlite3_stmt *statement, int parameter, uint64_t number)
{
	sqlite3_bind_int64(statement, parameter, (sqlite3_int64)number);
}
