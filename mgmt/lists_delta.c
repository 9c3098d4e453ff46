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
#define ACTION_SCORE    3 /* in the store, beside enum list_action */

/* One change on its way to the dataplane, and what to put back when it is refused. */
struct change {
	struct lists_load *load;
	char text[LISTS_ENTRY_TEXT_MAX];
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

static const struct config_scored_list *find_scored_list(const struct config *config,
                                                         struct bytes name)
{
	for (uint32_t i = 0; i < config->scored_list_count; i++)
		if (bytes_equal(bytes_text(config->scored_list[i].name), name))
			return &config->scored_list[i];
	return NULL;
}

/* "LIST KEY". What was added to a list that is configured no more waits for its return. */
static enum err fill_scored(const struct config *config, struct list_builder *builder,
                            struct bytes text)
{
	size_t blank = bytes_find(text, ' ');
	const struct config_scored_list *list = find_scored_list(config,
	                                                         bytes_slice(text, 0, blank));
	enum list_key kind;

	if (list == NULL || !list_key_parse(bytes_text(list->kind), &kind))
		return OK;
	return list_builder_score(builder, list->name, kind,
	                          bytes_slice(text, blank + 1, text.len));
}

/* Fills `builder` with all additions; the hash covers what the generation says, and when not. */
static enum err fill(const struct lists_load *load, struct list_builder *builder,
                     uint64_t *out_fingerprint)
{
	struct store *store = load->store;
	sqlite3_stmt *statement = store_use(store, STORE_ENTRIES);
	uint64_t hash = 2;
	enum err err = OK;

	while (err == OK && store_row(store, statement)) {
		const char *text = store_text(statement, 0);
		int action = sqlite3_column_int(statement, 1);
		uint64_t pair[3] = {hash, hash_checksum(text, strlen(text)), (uint64_t)action};
		struct prefix prefix;

		hash = hash_checksum(pair, sizeof(pair));
		if (action == ACTION_SCORE) {
			err = fill_scored(load->config, builder, bytes_text(text));
			continue;
		}
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
	err = fill(load, builder, &generation.fingerprint);
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

static struct change *change_new(struct lists_load *load, const char *text, outcome_done *done,
                                 void *context)
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
	snprintf(change->text, sizeof(change->text), "%s", text);
	change->existed = entry_get(load->store, change->text, change);
	return change;
}

static void add(struct lists_load *load, int action, const char *text, uint64_t expires_wall_us,
                outcome_done *done, void *context)
{
	struct change *change = change_new(load, text, done, context);
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
	if (entry_put(load->store, text, action, clock_wall_us(), expires_wall_us) != OK) {
		outcome_fail(done, context, "the addition could not be stored: see the log");
		free(change);
		return;
	}
	log_info("%s %s",
	         action == ACTION_SCORE ? "score"
	         : action == LIST_DENY  ? "deny"
	                                : "allow",
	         text);
	publish_change(change);
}

void lists_load_add(struct lists_load *load, enum list_action action, const struct prefix *prefix,
                    uint64_t expires_wall_us, outcome_done *done, void *context)
{
	char text[LISTS_PREFIX_TEXT_MAX];

	add(load, (int)action, lists_prefix_format(prefix, text), expires_wall_us, done, context);
}

/* Whether the key is one of that kind: asked of a builder that is thrown away. */
static enum err try_key(enum list_key kind, struct bytes key)
{
	struct list_builder *builder = list_builder_new(0);
	enum err err = builder != NULL ? list_builder_score(builder, "try", kind, key)
	                               : ERR_NO_MEMORY;

	list_builder_free(builder);
	return err;
}

void lists_load_score(struct lists_load *load, const char *list, const char *key,
                      uint64_t expires_wall_us, outcome_done *done, void *context)
{
	const struct config_scored_list *known = find_scored_list(load->config, bytes_text(list));
	char text[LISTS_ENTRY_TEXT_MAX];
	enum list_key kind;

	if (known == NULL || !list_key_parse(bytes_text(known->kind), &kind)) {
		outcome_fail(done, context,
		             "%.64s: no such list; deny, allow, or the name of one of "
		             "scored_lists is expected",
		             list);
		return;
	}
	if (try_key(kind, bytes_text(key)) != OK) {
		outcome_fail(done, context, "%.128s: not a key of a list of kind %s%s", key,
		             known->kind,
		             known->database[0] == '\0'
		                 ? ""
		                 : ", to which addresses and networks may be added; what is "
		                   "looked for in its database stands in the configuration");
		return;
	}
	snprintf(text, sizeof(text), "%.32s %.*s", known->name, LIST_TEXT_BYTES_MAX, key);
	add(load, ACTION_SCORE, text, expires_wall_us, done, context);
}

void lists_delta_delete(struct lists_load *load, const char *text, outcome_done *done,
                        void *context)
{
	struct change *change = change_new(load, text, done, context);

	if (change == NULL)
		return;
	if (!change->existed) {
		if (strchr(text, ' ') != NULL)
			outcome_fail(done, context, "%s was not added with posternctl", text);
		else
			outcome_fail(done, context,
			             "%s was not added with posternctl; to except it from a file "
			             "use posternctl lists add allow %s",
			             text, text);
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

static void describe_entry(json_t *entry, const char *text, int action)
{
	const char *blank = strchr(text, ' ');

	if (action == ACTION_SCORE && blank != NULL) {
		json_object_set_new(entry, "list", json_stringn(text, (size_t)(blank - text)));
		json_object_set_new(entry, "key", json_string(blank + 1));
		json_object_set_new(entry, "action", json_string("score"));
		return;
	}
	json_object_set_new(entry, "address", json_string(text));
	json_object_set_new(entry, "action", json_string(action == LIST_DENY ? "deny" : "allow"));
}

json_t *lists_delta_describe(const struct lists_load *load)
{
	sqlite3_stmt *statement = store_use(load->store, STORE_ENTRIES);
	json_t *array = json_array();

	while (store_row(load->store, statement)) {
		uint64_t expires_us = (uint64_t)sqlite3_column_int64(statement, 3);
		json_t *entry = json_object();
		char when[28];

		describe_entry(entry, store_text(statement, 0), sqlite3_column_int(statement, 1));
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
