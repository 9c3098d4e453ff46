/* lists_work.c - builds a list generation from files. */
#include "mgmt/lists_work.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "classifier/list_build.h"

#include "mgmt/files.h"

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

static enum err build(const struct lists_work *work, struct list_builder *builder,
                      struct job_output *output)
{
	json_t *files = json_array();
	enum err err;

	json_object_set_new(output->report, "files", files);
	err = load_files(builder, work->deny_paths, LIST_DENY, files, output->reason);
	if (err == OK)
		err = load_files(builder, work->allow_paths, LIST_ALLOW, files, output->reason);
	if (err != OK)
		return err;
	json_object_set_new(output->report, "entries",
	                    json_integer((json_int_t)list_builder_entry_count(builder)));
	err = list_builder_finish(builder, GENERATION_LISTS, work->number, work->made_wall_us,
	                          work->label, &output->fd);
	if (err != OK)
		snprintf(output->reason, sizeof(output->reason), "building the lists failed: %s",
		         err_text(err));
	return err;
}

void lists_work_build(void *lists_work, struct job_output *output)
{
	const struct lists_work *work = lists_work;
	struct list_builder *builder;
	uint64_t deny, fingerprint;

	output->report = json_object();
	output->error = files_fingerprint(work->deny_paths, 1, &deny, output->reason);
	if (output->error == OK)
		output->error = files_fingerprint(work->allow_paths, deny, &fingerprint,
		                                  output->reason);
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
