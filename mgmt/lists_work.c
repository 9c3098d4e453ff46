/* lists_work.c - builds a list generation from files. */
#include "mgmt/lists_work.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "classifier/list_build.h"

#include "mgmt/files.h"
#include "mgmt/list_mmdb.h"

#define LIST_NAME_BYTES 64

/* A list is named after its file, without folder and extension. */
static void make_name(const char *path, char out[LIST_NAME_BYTES])
{
	const char *slash = strrchr(path, '/');
	char *dot;

	snprintf(out, LIST_NAME_BYTES, "%s", slash != NULL ? slash + 1 : path);
	dot = strrchr(out, '.');
	if (dot != NULL && dot != out)
		*dot = '\0';
}

static enum err load_files(struct list_builder *builder, const json_t *paths,
                           enum list_action action, json_t *files, char *out_reason)
{
	size_t index;
	const json_t *item;

	json_array_foreach((json_t *)paths, index, item)
	{
		const char *path = json_string_value(item);
		uint64_t before = list_builder_entry_count(builder);
		char name[LIST_NAME_BYTES];
		enum err err;

		make_name(path, name);
		err = list_builder_load(builder, name, action, path, out_reason);
		if (err != OK)
			return err;
		json_array_append_new(
		    files, json_pack("{s:s, s:s, s:s, s:I}", "path", path, "list", name, "action",
		                     action == LIST_DENY ? "deny" : "allow", "entries",
		                     (json_int_t)(list_builder_entry_count(builder) - before)));
	}
	return OK;
}

static const char *source_of(const struct config_scored_list *list)
{
	return list->database[0] != '\0' ? list->database : list->file;
}

static enum err load_scored_list(struct list_builder *builder,
                                 const struct config_scored_list *list, char *out_reason)
{
	enum list_key kind;

	if (!list_key_parse(bytes_text(list->kind), &kind))
		UNREACHABLE(); /* the configuration was read */
	if (list->database[0] != '\0')
		return list_mmdb_load(builder, list->name, kind, list->database, list->values,
		                      out_reason);
	return list_builder_score_load(builder, list->name, kind, list->file, out_reason);
}

/* A list without a source has what posternctl adds to it. */
static enum err load_scored_lists(struct list_builder *builder, const struct config *config,
                                  json_t *files, char *out_reason)
{
	for (uint32_t i = 0; i < config->scored_list_count; i++) {
		const struct config_scored_list *list = &config->scored_list[i];
		uint64_t before = list_builder_entry_count(builder);
		enum err err;

		if (source_of(list)[0] == '\0')
			continue;
		err = load_scored_list(builder, list, out_reason);
		if (err != OK)
			return err;
		json_array_append_new(
		    files, json_pack("{s:s, s:s, s:s, s:s, s:I}", "path", source_of(list), "list",
		                     list->name, "action", "score", "kind", list->kind, "entries",
		                     (json_int_t)(list_builder_entry_count(builder) - before)));
	}
	return OK;
}

static enum err build(const struct lists_work *work, struct list_builder *builder,
                      struct job_output *output)
{
	json_t *files = json_array();
	enum err err;

	json_object_set_new(output->report, "files", files);
	err = load_files(builder, work->deny_paths, LIST_DENY, files, output->reason);
	if (err == OK)
		err = load_files(builder, work->allow_paths, LIST_ALLOW, files, output->reason);
	if (err == OK)
		err = load_scored_lists(builder, work->config, files, output->reason);
	if (err != OK)
		return err;
	if (list_builder_next_expiry(builder) != 0)
		json_object_set_new(output->report, "expires_us",
		                    json_integer((json_int_t)list_builder_next_expiry(builder)));
	json_object_set_new(output->report, "entries",
	                    json_integer((json_int_t)list_builder_entry_count(builder)));
	err = list_builder_finish(builder, GENERATION_LISTS, work->number, work->made_wall_us,
	                          work->label, &output->fd);
	if (err != OK)
		snprintf(output->reason, sizeof(output->reason), "building the lists failed: %s",
		         err_text(err));
	return err;
}

/* Adds the files and databases to `paths`; returns a hash over `seed` and all else that is
 * configured. */
static uint64_t describe_scored_lists(const struct config *config, json_t *paths, uint64_t seed)
{
	for (uint32_t i = 0; i < config->scored_list_count; i++) {
		const struct config_scored_list *list = &config->scored_list[i];
		uint64_t part[4] = {seed, hash_checksum(list->name, strlen(list->name)),
		                    hash_checksum(list->kind, strlen(list->kind)),
		                    hash_checksum(list->values, strlen(list->values))};

		seed = hash_checksum(part, sizeof(part));
		if (source_of(list)[0] != '\0')
			json_array_append_new(paths, json_string(source_of(list)));
	}
	return seed;
}

void lists_work_build(void *lists_work, struct job_output *output)
{
	const struct lists_work *work = lists_work;
	json_t *sources = json_array();
	struct list_builder *builder;
	uint64_t deny, allow = 0, fingerprint;

	output->report = json_object();
	output->error = files_fingerprint(work->deny_paths, 1, &deny, output->reason);
	if (output->error == OK)
		output->error = files_fingerprint(work->allow_paths, deny, &allow, output->reason);
	allow = describe_scored_lists(work->config, sources, allow);
	if (output->error == OK)
		output->error = files_fingerprint(sources, allow, &fingerprint, output->reason);
	json_decref(sources);
	if (output->error != OK)
		return;
	json_object_set_new(output->report, "fingerprint", json_integer((json_int_t)fingerprint));
	if (fingerprint == work->known_fingerprint) {
		json_object_set_new(output->report, "unchanged", json_true());
		return;
	}
	builder = list_builder_new(clock_wall_us());
	if (builder == NULL) {
		output->error = ERR_NO_MEMORY;
		return;
	}
	output->error = build(work, builder, output);
	list_builder_free(builder);
}
