/* lists_delta.c - adds, removes, expires and publishes single addresses and networks. */
#include "mgmt/lists_delta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "classifier/list_build.h"

#include "mgmt/log.h"
#include "mgmt/state.h"

#define DELTA_LIST_NAME "added"

/* One change on its way to the dataplane, and what to put back when it is refused. */
struct change {
	struct lists_load *load;
	char text[LISTS_PREFIX_TEXT_MAX];
	bool existed;
	int action;
	uint64_t added_us, expires_us;
	uint64_t number, started_us;
	outcome_done *done;
	void *context;
};

char *lists_prefix_format(const struct prefix *prefix, char out[LISTS_PREFIX_TEXT_MAX])
{
	bool ip4 = addr_is_ip4(&prefix->addr) && prefix->bits >= 96;
	char text[ADDR_TEXT_MAX];

	addr_format(&prefix->addr, text);
	if (prefix->bits == 128)
		snprintf(out, LISTS_PREFIX_TEXT_MAX, "%s", text);
	else
		snprintf(out, LISTS_PREFIX_TEXT_MAX, "%s/%u", text,
		         ip4 ? prefix->bits - 96u : (unsigned int)prefix->bits);
	return out;
}

void lists_delta_note_expiry(struct lists_load *load)
{
	load->next_expiry_us = store_number(load->store,
	                                    store_use(load->store, STORE_ENTRY_NEXT_EXPIRY));
}

/* Fills `builder` with all additions; the hash covers what the generation says, and when not. */
static enum err fill(struct store *store, struct list_builder *builder, uint64_t *out_fingerprint)
{
	sqlite3_stmt *statement = store_use(store, STORE_ENTRIES);
	uint64_t hash = 2;
	enum err err = OK;

	while (err == OK && store_row(store, statement)) {
		const char *text = store_text(statement, 0);
		int action = sqlite3_column_int(statement, 1);
		uint64_t pair[3] = {hash, hash_checksum(text, strlen(text)), (uint64_t)action};
		struct prefix prefix;

		hash = hash_checksum(pair, sizeof(pair));
		err = prefix_parse(bytes_text(text), false, &prefix);
		if (err == OK)
			err = list_builder_add(builder, DELTA_LIST_NAME, (enum list_action)action,
			                       &prefix);
	}
	sqlite3_reset(statement);
	*out_fingerprint = (hash & INT64_MAX) | 1;
	return err;
}

static enum err build(struct lists_load *load, uint64_t known_fingerprint, uint64_t *out_number,
                      int *out_fd)
{
	struct state_generation generation = {.kind = GENERATION_DELTA};
	struct list_builder *builder = list_builder_new(clock_wall_us());
	enum err err;

	if (builder == NULL)
		return ERR_NO_MEMORY;
	err = fill(load->store, builder, &generation.fingerprint);
	if (err == OK && generation.fingerprint == known_fingerprint)
		err = ERR_DUPLICATE;
	if (err == OK) {
		generation.number = state_next_number(load->store,
		                                      publisher_number_max(load->publisher));
		generation.made_wall_us = clock_wall_us();
		snprintf(generation.label, sizeof(generation.label), "%llu additions",
		         (unsigned long long)list_builder_entry_count(builder));
		err = list_builder_finish(builder, GENERATION_DELTA, generation.number,
		                          generation.made_wall_us, generation.label, out_fd);
	}
	if (err == OK && state_put_generation(load->store, &generation, NULL) != OK)
		log_warning("generation %llu is not remembered after a restart",
		            (unsigned long long)generation.number);
	*out_number = generation.number;
	list_builder_free(builder);
	return err;
}

static bool entry_get(struct store *store, const char *text, struct change *change)
{
	sqlite3_stmt *statement = store_use(store, STORE_ENTRY_GET);

	store_bind_text(statement, 1, text);
	if (!store_row(store, statement))
		return false;
	change->action = sqlite3_column_int(statement, 0);
	change->added_us = (uint64_t)sqlite3_column_int64(statement, 1);
	change->expires_us = (uint64_t)sqlite3_column_int64(statement, 2);
	sqlite3_reset(statement);
	return true;
}

static enum err entry_put(struct store *store, const char *text, int action, uint64_t added_us,
                          uint64_t expires_us)
{
	sqlite3_stmt *statement = store_use(store, STORE_ENTRY_PUT);

	store_bind_text(statement, 1, text);
	store_bind_number(statement, 2, (uint64_t)action);
	store_bind_number(statement, 3, added_us);
	store_bind_number(statement, 4, expires_us);
	return store_run(store, statement);
}

static enum err entry_delete(struct store *store, const char *text)
{
	sqlite3_stmt *statement = store_use(store, STORE_ENTRY_DELETE);

	store_bind_text(statement, 1, text);
	return store_run(store, statement);
}

static void undo(struct change *change)
{
	struct store *store = change->load->store;
	enum err err = change->existed ? entry_put(store, change->text, change->action,
	                                           change->added_us, change->expires_us)
	                               : entry_delete(store, change->text);

	if (err != OK)
		log_error("the refused change of %s could not be undone", change->text);
	lists_delta_note_expiry(change->load);
}

static void published(void *context, enum err error, const char *reason)
{
	struct change *change = context;
	json_t *body;

	if (error != OK && error != ERR_CLOSED) {
		log_error("the dataplane refused additions generation %llu: %s",
		          (unsigned long long)change->number, reason);
		undo(change);
		outcome_fail(change->done, change->context, "the dataplane refused the change: %s",
		             reason);
		free(change);
		return;
	}
	body = json_pack("{s:s, s:I, s:b, s:I}", "address", change->text, "generation",
	                 (json_int_t)change->number, "in_force", error == OK, "usec",
	                 (json_int_t)(clock_now_us() - change->started_us));
	if (error == ERR_CLOSED)
		json_object_set_new(body, "message",
		                    json_string("kept; in force as soon as the dataplane runs"));
	outcome_give(change->done, change->context, true, body);
	free(change);
}

/* The table has been changed: builds and publishes it. Takes `change`. */
static void publish_change(struct change *change)
{
	struct lists_load *load = change->load;
	int fd = -1;
	enum err err = build(load, 0, &change->number, &fd);

	lists_delta_note_expiry(load);
	if (err == OK) {
		err = publisher_publish(load->publisher, GENERATION_DELTA, fd, change->number,
		                        published, change);
		if (err == OK)
			return;
		close(fd);
	}
	undo(change);
	outcome_fail(change->done, change->context, "the change could not be published: %s",
	             err_text(err));
	free(change);
}

static struct change *change_new(struct lists_load *load, const struct prefix *prefix,
                                 outcome_done *done, void *context)
{
	struct change *change = calloc(1, sizeof(*change));

	if (change == NULL) {
		outcome_fail(done, context, "out of memory");
		return NULL;
	}
	change->load = load;
	change->done = done;
	change->context = context;
	change->started_us = clock_now_us();
	lists_prefix_format(prefix, change->text);
	change->existed = entry_get(load->store, change->text, change);
	return change;
}

void lists_load_add(struct lists_load *load, enum list_action action, const struct prefix *prefix,
                    uint64_t expires_wall_us, outcome_done *done, void *context)
{
	struct change *change = change_new(load, prefix, done, context);
	uint64_t count = store_number(load->store, store_use(load->store, STORE_ENTRY_COUNT));

	if (change == NULL)
		return;
	if (!change->existed && count >= LISTS_ADDITIONS_MAX) {
		outcome_fail(done, context,
		             "there are %llu additions already: put them into a file and use "
		             "posternctl lists load",
		             (unsigned long long)count);
		free(change);
		return;
	}
	if (entry_put(load->store, change->text, (int)action, clock_wall_us(), expires_wall_us) !=
	    OK) {
		outcome_fail(done, context, "the addition could not be stored: see the log");
		free(change);
		return;
	}
	log_info("%s %s", action == LIST_DENY ? "deny" : "allow", change->text);
	publish_change(change);
}

void lists_delta_delete(struct lists_load *load, const struct prefix *prefix, outcome_done *done,
                        void *context)
{
	struct change *change = change_new(load, prefix, done, context);

	if (change == NULL)
		return;
	if (!change->existed) {
		outcome_fail(done, context,
		             "%s was not added with posternctl; to except it from a file use "
		             "posternctl lists add allow %s",
		             change->text, change->text);
		free(change);
		return;
	}
	if (entry_delete(load->store, change->text) != OK) {
		outcome_fail(done, context, "the addition could not be removed: see the log");
		free(change);
		return;
	}
	log_info("no longer listed: %s", change->text);
	publish_change(change);
}

static void published_all(void *context, enum err error, const char *reason)
{
	(void)context;
	if (error != OK && error != ERR_CLOSED)
		log_error("the dataplane refused the additions to the lists: %s", reason);
}

void lists_load_publish_additions(struct lists_load *load)
{
	uint64_t count = store_number(load->store, store_use(load->store, STORE_ENTRY_COUNT));
	const struct publisher_wanted *wanted = &load->publisher->wanted[GENERATION_DELTA];
	struct state_generation known = {.fingerprint = 0};
	uint64_t number;
	int fd;
	enum err err;

	if (count == 0 && wanted->fd < 0)
		return;
	state_get_generation(load->store, wanted->number, &known, NULL);
	err = build(load, wanted->fd >= 0 ? known.fingerprint : 0, &number, &fd);
	if (err == ERR_DUPLICATE)
		return;
	if (err == OK && publisher_publish(load->publisher, GENERATION_DELTA, fd, number,
	                                   published_all, load) != OK) {
		close(fd);
		err = ERR_FULL;
	}
	if (err != OK)
		log_error("the additions to the lists could not be published: %s", err_text(err));
}

void lists_delta_expire(struct lists_load *load, uint64_t wall_us)
{
	sqlite3_stmt *statement;

	if (load->next_expiry_us == 0 || wall_us < load->next_expiry_us)
		return;
	statement = store_use(load->store, STORE_ENTRY_EXPIRE);
	store_bind_number(statement, 1, wall_us);
	if (store_run(load->store, statement) == OK)
		log_info("%d additions to the lists expired", sqlite3_changes(load->store->db));
	lists_delta_note_expiry(load);
	lists_load_publish_additions(load);
}

json_t *lists_delta_describe(const struct lists_load *load)
{
	sqlite3_stmt *statement = store_use(load->store, STORE_ENTRIES);
	json_t *array = json_array();

	while (store_row(load->store, statement)) {
		uint64_t expires_us = (uint64_t)sqlite3_column_int64(statement, 3);
		json_t *entry = json_object();
		char when[28];

		json_object_set_new(entry, "address", json_string(store_text(statement, 0)));
		json_object_set_new(
		    entry, "action",
		    json_string(sqlite3_column_int(statement, 1) == LIST_DENY ? "deny" : "allow"));
		clock_format_rfc3339((uint64_t)sqlite3_column_int64(statement, 2), when);
		json_object_set_new(entry, "added", json_string(when));
		if (expires_us > 0) {
			clock_format_rfc3339(expires_us, when);
			json_object_set_new(entry, "expires", json_string(when));
		}
		json_array_append_new(array, entry);
	}
	return array;
}
