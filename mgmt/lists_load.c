/* lists_load.c - loads list files: which ones, building them, publishing the result. */
#include "mgmt/lists_load.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#include "mgmt/files.h"
#include "mgmt/lists_delta.h"
#include "mgmt/lists_work.h"
#include "mgmt/log.h"
#include "mgmt/state.h"

/* Files that cannot be loaded just now keep what has expired in force until the next try. */
#define EXPIRY_RETRY_US (60ull * 1000000)

void lists_load_open(struct lists_load *load, const struct config *config, struct store *store,
                     struct publisher *publisher)
{
	memset(load, 0, sizeof(*load));
	load->config = config;
	load->store = store;
	load->publisher = publisher;
	lists_delta_note_expiry(load);
}

static void clear(struct lists_load *load)
{
	json_decref(load->deny_paths);
	json_decref(load->allow_paths);
	json_decref(load->body);
	load->deny_paths = load->allow_paths = load->body = NULL;
	load->busy = load->again = false;
	load->undo_path[0] = '\0';
	load->done = NULL;
}

void lists_load_close(struct lists_load *load)
{
	job_kill(&load->job);
	clear(load);
}

static void forget_file(struct lists_load *load, const char *path)
{
	sqlite3_stmt *statement = store_use(load->store, STORE_FILE_DELETE);

	store_bind_text(statement, 1, path);
	if (store_run(load->store, statement) != OK)
		log_error("%s could not be taken out of the lists", path);
}

static void conclude(struct lists_load *load, bool ok, json_t *body)
{
	outcome_done *done = load->done;
	void *context = load->context;
	bool again = load->again;

	if (!ok && load->undo_path[0] != '\0')
		forget_file(load, load->undo_path);
	clear(load);
	outcome_give(done, context, ok, body);
	if (again)
		lists_load_start(load, NULL, NULL);
}

static void published(void *context, enum err error, const char *reason)
{
	struct lists_load *load = context;
	json_t *body;

	if (error != OK && error != ERR_CLOSED) {
		log_error("the dataplane refused lists generation %llu: %s",
		          (unsigned long long)load->number, reason);
		body = json_pack("{s:s++}", "error", "the dataplane refused the lists: ", reason,
		                 "; the lists before stay in force");
		conclude(load, false, body);
		return;
	}
	body = json_incref(load->body);
	json_object_set_new(body, "in_force", json_boolean(error == OK));
	json_object_set_new(body, "usec",
	                    json_integer((json_int_t)(clock_now_us() - load->started_us)));
	if (error == ERR_CLOSED)
		json_object_set_new(body, "message",
		                    json_string("kept; in force as soon as the dataplane runs"));
	log_info("lists generation %llu (%lld entries) %s", (unsigned long long)load->number,
	         (long long)json_integer_value(json_object_get(body, "entries")),
	         error == OK ? "is in force" : "waits for the dataplane");
	conclude(load, true, body);
}

static void unchanged(struct lists_load *load)
{
	uint64_t number = load->publisher->wanted[GENERATION_LISTS].number;

	log_info("lists unchanged, generation %llu stays", (unsigned long long)number);
	conclude(load, true,
	         json_pack("{s:I, s:b, s:b}", "generation", (json_int_t)number, "unchanged", 1,
	                   "in_force", load->publisher->running[GENERATION_LISTS] == number));
}

static void built(void *context, const struct job_output *output)
{
	struct lists_load *load = context;
	struct state_generation generation = {
	    .number = load->number, .kind = GENERATION_LISTS, .made_wall_us = load->made_wall_us};

	if (output->error != OK || output->report == NULL) {
		if (output->fd >= 0)
			close(output->fd);
		log_error("lists not loaded: %s", output->reason);
		conclude(load, false, json_pack("{s:s}", "error", output->reason));
		return;
	}
	if (json_is_true(json_object_get(output->report, "unchanged"))) {
		unchanged(load);
		return;
	}
	generation.fingerprint = (uint64_t)json_integer_value(
	    json_object_get(output->report, "fingerprint"));
	load->next_file_expiry_us = (uint64_t)json_integer_value(
	    json_object_get(output->report, "expires_us"));
	load->body = json_object();
	json_object_set(load->body, "expires_us", json_object_get(output->report, "expires_us"));
	json_object_set_new(load->body, "generation", json_integer((json_int_t)load->number));
	json_object_set(load->body, "entries", json_object_get(output->report, "entries"));
	json_object_set(load->body, "files", json_object_get(output->report, "files"));
	snprintf(generation.label, sizeof(generation.label), "%zu files, %lld entries",
	         json_array_size(json_object_get(load->body, "files")),
	         (long long)json_integer_value(json_object_get(load->body, "entries")));
	if (state_put_generation(load->store, &generation, load->body) != OK)
		log_warning("generation %llu is not remembered after a restart",
		            (unsigned long long)load->number);
	if (publisher_publish(load->publisher, GENERATION_LISTS, output->fd, load->number,
	                      published, load) != OK) {
		close(output->fd);
		conclude(load, false, json_pack("{s:s}", "error", "too many requests; try again"));
	}
}

/* The configured files of an action and those added. */
static json_t *collect(const struct lists_load *load, enum list_action action)
{
	json_t *paths = files_from_config(action == LIST_DENY ? &load->config->deny_files
	                                                      : &load->config->allow_files);
	sqlite3_stmt *statement = store_use(load->store, STORE_FILES);

	while (store_row(load->store, statement))
		if (sqlite3_column_int(statement, 1) == (int)action)
			json_array_append_new(paths, json_string(store_text(statement, 0)));
	return paths;
}

static bool has_expired(const struct lists_load *load, uint64_t wall_us)
{
	return load->next_file_expiry_us != 0 && wall_us >= load->next_file_expiry_us;
}

void lists_load_start(struct lists_load *load, outcome_done *done, void *context)
{
	struct state_generation known = {.fingerprint = 0};
	struct lists_work work = {.label = "lists", .config = load->config};
	json_t *report = NULL;

	if (load->busy) {
		load->again = load->again || done == NULL;
		outcome_fail(done, context, "lists are being loaded; try again when that is done");
		return;
	}
	load->busy = true;
	load->done = done;
	load->context = context;
	load->started_us = clock_now_us();
	load->made_wall_us = clock_wall_us();
	load->deny_paths = collect(load, LIST_DENY);
	load->allow_paths = collect(load, LIST_ALLOW);
	if (json_array_size(load->deny_paths) + json_array_size(load->allow_paths) == 0 &&
	    load->config->scored_list_count == 0 &&
	    load->publisher->wanted[GENERATION_LISTS].fd < 0) {
		conclude(load, true, json_pack("{s:[]}", "files"));
		return;
	}
	load->number = state_next_number(load->store, publisher_number_max(load->publisher));
	state_get_generation(load->store, load->publisher->wanted[GENERATION_LISTS].number, &known,
	                     &report);
	load->next_file_expiry_us = (uint64_t)json_integer_value(
	    json_object_get(report, "expires_us"));
	json_decref(report);
	work.deny_paths = load->deny_paths;
	work.allow_paths = load->allow_paths;
	work.known_fingerprint = has_expired(load, load->made_wall_us) ? 0 : known.fingerprint;
	work.number = load->number;
	work.made_wall_us = load->made_wall_us;
	if (job_start(&load->job, lists_work_build, &work, built, load) != OK)
		conclude(load, false, json_pack("{s:s}", "error", "cannot start a child process"));
}

void lists_load_add_file(struct lists_load *load, enum list_action action, const char *path,
                         outcome_done *done, void *context)
{
	sqlite3_stmt *statement = store_use(load->store, STORE_FILE_PUT);
	bool known = false;

	if (load->busy) {
		outcome_fail(done, context, "lists are being loaded; try again when that is done");
		return;
	}
	if (strlen(path) >= sizeof(load->undo_path)) {
		outcome_fail(done, context, "the path is too long");
		return;
	}
	statement = store_use(load->store, STORE_FILES);
	while (store_row(load->store, statement))
		known = known || strcmp(store_text(statement, 0), path) == 0;
	statement = store_use(load->store, STORE_FILE_PUT);
	store_bind_text(statement, 1, path);
	store_bind_number(statement, 2, action);
	if (store_run(load->store, statement) != OK) {
		outcome_fail(done, context, "the file could not be remembered: see the log");
		return;
	}
	if (!known)
		snprintf(load->undo_path, sizeof(load->undo_path), "%s", path);
	lists_load_start(load, done, context);
}

static bool delete_file(struct lists_load *load, const char *path)
{
	sqlite3_stmt *statement = store_use(load->store, STORE_FILE_DELETE);

	store_bind_text(statement, 1, path);
	return store_run(load->store, statement) == OK && sqlite3_changes(load->store->db) > 0;
}

void lists_load_delete(struct lists_load *load, const char *what, outcome_done *done, void *context)
{
	char text[LISTS_PREFIX_TEXT_MAX];
	struct prefix prefix;

	if (strchr(what, ' ') != NULL && what[0] != '/') {
		lists_delta_delete(load, what, done, context);
		return;
	}
	if (what[0] == '/') {
		if (load->busy)
			outcome_fail(done, context,
			             "lists are being loaded; try again when that is done");
		else if (!delete_file(load, what))
			outcome_fail(done, context,
			             "%s was not loaded with posternctl; files of the "
			             "configuration are removed there",
			             what);
		else
			lists_load_start(load, done, context);
		return;
	}
	if (prefix_parse(bytes_text(what), true, &prefix) != OK) {
		outcome_fail(done, context,
		             "%s: not an address, network, LIST KEY or absolute path", what);
		return;
	}
	lists_delta_delete(load, lists_prefix_format(&prefix, text), done, context);
}

void lists_load_run(struct lists_load *load, uint64_t wall_us)
{
	job_run(&load->job);
	lists_delta_expire(load, wall_us);
	if (has_expired(load, wall_us) && !load->busy) {
		load->next_file_expiry_us = wall_us + EXPIRY_RETRY_US;
		log_info("entries of list files have expired");
		lists_load_start(load, NULL, NULL);
	}
}

json_t *lists_load_describe(const struct lists_load *load)
{
	uint64_t number = load->publisher->wanted[GENERATION_LISTS].number;
	struct state_generation generation;
	json_t *report = NULL;
	json_t *object = json_object();
	json_t *files;

	state_get_generation(load->store, number, &generation, &report);
	files = json_object_get(report, "files");
	json_object_set_new(object, "generation", json_integer((json_int_t)number));
	json_object_set_new(object, "files", files != NULL ? json_incref(files) : json_array());
	json_object_set_new(object, "additions", lists_delta_describe(load));
	json_decref(report);
	return object;
}
