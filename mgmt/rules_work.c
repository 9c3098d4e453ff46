/* rules_work.c - compiles rule files and describes the result. */
#include "mgmt/rules_work.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/generation.h"
#include "base/hash.h"

#include "classifier/classifier.h"
#include "classifier/rule_compile.h"

#include "mgmt/files.h"
#include "mgmt/heap.h"
#include "mgmt/json_text.h"
#include "mgmt/rules_cache.h"

#define HEAP_STEP_BYTES (32 << 20)

static json_t *safe_text(const char *text)
{
	return json_text(text != NULL ? text : "", SIZE_MAX);
}

static json_t *describe_rules(const struct ruleset *ruleset)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < ruleset_rule_count(ruleset); i++) {
		json_t *rule = json_array();

		json_array_append_new(rule, safe_text(ruleset_rule_name(ruleset, i)));
		json_array_append_new(rule, json_integer(ruleset_rule_score_milli(ruleset, i)));
		json_array_append_new(rule, safe_text(ruleset_rule_description(ruleset, i)));
		json_array_append_new(array, rule);
	}
	return array;
}

/* Opens the generation as the dataplane will: what it would refuse is refused here. */
static enum err read_rules(int fd, struct job_output *output)
{
	char reason[512] = "";
	struct generation generation;
	struct ruleset *ruleset;
	enum err err;

	fd = dup(fd);
	if (fd < 0)
		return ERR_SYSTEM;
	err = generation_open(&generation, fd);
	if (err != OK) {
		close(fd);
		return err;
	}
	err = ruleset_open_with(&generation, &(struct ruleset_opening){.no_machine_code = true},
	                        &ruleset, reason);
	if (err == OK) {
		json_object_set_new(output->report, "rules", describe_rules(ruleset));
		ruleset_close(ruleset);
	} else {
		snprintf(output->reason, sizeof(output->reason),
		         "the compiled rules do not open: %s", reason);
	}
	generation_close(&generation);
	return err;
}

void rules_work_names(void *rules_work, struct job_output *output)
{
	const struct rules_work *work = rules_work;

	output->report = json_object();
	output->error = read_rules(work->fd, output);
}

static json_t *describe_reports(const struct rule_compiler *compiler, const char **out_fault)
{
	uint32_t count;
	const struct rule_report *report = rule_compiler_reports(compiler, &count);
	json_t *array = json_array();

	for (uint32_t i = 0; i < count; i++) {
		json_t *object = json_object();

		json_object_set_new(object, "file", safe_text(report[i].file));
		json_object_set_new(object, "line", json_integer(report[i].line));
		json_object_set_new(object, "count", json_integer(report[i].count));
		json_object_set_new(object, "fault", json_boolean(report[i].fault));
		json_object_set_new(object, "construct", safe_text(report[i].construct));
		json_object_set_new(object, "rule", safe_text(report[i].rule));
		json_object_set_new(object, "text", safe_text(report[i].text));
		json_array_append_new(array, object);
		if (report[i].fault && *out_fault == NULL)
			*out_fault = report[i].text;
	}
	return array;
}

static void describe(const struct rule_compiler *compiler, struct job_output *output)
{
	const char *fault = NULL;
	char *summary = NULL;
	size_t bytes = 0;
	FILE *stream;

	json_object_set_new(output->report, "reports", describe_reports(compiler, &fault));
	if (output->error != OK) {
		if (fault != NULL)
			snprintf(output->reason, sizeof(output->reason),
			         "the rules have faults; nothing that runs was changed");
		return;
	}
	stream = open_memstream(&summary, &bytes);
	if (stream == NULL)
		return;
	rule_compiler_print_summary(compiler, stream);
	fclose(stream);
	json_object_set_new(output->report, "summary", safe_text(summary));
	free(summary);
}

/* First, so that rule files may say otherwise. */
static void add_scored_lists(struct rule_compiler *compiler, const struct config *config)
{
	for (uint32_t i = 0; i < config->scored_list_count; i++) {
		const struct config_scored_list *list = &config->scored_list[i];
		char text[3 * CONFIG_TEXT_BYTES], described[CONFIG_TEXT_BYTES];

		snprintf(described, sizeof(described), "On a list of kind %s", list->kind);
		snprintf(text, sizeof(text),
		         "header %.32s eval:check_scored_list('%.32s')\nscore %.32s %.3f\n"
		         "describe %.32s %.200s\n",
		         list->name, list->name, list->name, list->score / 1000.0, list->name,
		         list->description[0] != '\0' ? list->description : described);
		rule_compiler_add_text(compiler, "scored_lists", text);
	}
}

static enum err load(const struct rules_work *work, struct rule_compiler *compiler,
                     struct job_output *output)
{
	size_t index;
	const json_t *path;

	add_scored_lists(compiler, work->config);
	json_array_foreach((json_t *)work->paths, index, path)
	{
		enum err err = rule_compiler_load(compiler, json_string_value(path));

		if (err != OK) {
			snprintf(output->reason, sizeof(output->reason),
			         "%s: %s; check the path and that postern-mgmtd may read it",
			         json_string_value(path), err_text(err));
			return err;
		}
	}
	for (uint32_t i = 0; i < work->config->domain_count; i++) {
		const struct config_domain *domain = &work->config->domain[i];

		rule_compiler_add_domain(compiler, domain->name, domain->score_tag,
		                         domain->score_reject, domain->scores);
	}
	return OK;
}

/* The cache, when there is one and what is loaded has a key in it. */
struct keeping {
	const char *folder; /* NULL: nothing is kept */
	struct hash128 key;
};

static bool take_kept(const struct rules_work *work, const struct keeping *keeping,
                      struct job_output *output)
{
	struct rules_cache_name name = {work->kind, work->number, work->made_wall_us, work->label};
	json_t *kept;

	if (keeping->folder == NULL ||
	    !rules_cache_get(keeping->folder, &keeping->key, &name, &output->fd, &kept))
		return false;
	json_object_update(output->report, kept);
	json_decref(kept);
	return true;
}

static void keep(const struct keeping *keeping, const struct job_output *output)
{
	json_t *kept = json_object();

	json_object_set(kept, "reports", json_object_get(output->report, "reports"));
	json_object_set(kept, "summary", json_object_get(output->report, "summary"));
	if (keeping->folder != NULL)
		rules_cache_put(keeping->folder, &keeping->key, output->fd, kept);
	json_decref(kept);
}

/* What is in force came of the same. SQLite keeps 63 bits comfortably; 0 stands for "not known". */
static bool is_unchanged(const struct rules_work *work, const struct hash128 *key,
                         struct job_output *output)
{
	uint64_t fingerprint = (key->lo & INT64_MAX) | 1;

	json_object_set_new(output->report, "fingerprint", json_integer((json_int_t)fingerprint));
	if (fingerprint != work->known_fingerprint)
		return false;
	json_object_set_new(output->report, "unchanged", json_true());
	return true;
}

static void make(const struct rules_work *work, struct rule_compiler *compiler,
                 struct job_output *output)
{
	struct keeping keeping = {.folder = NULL};

	output->error = load(work, compiler, output);
	if (output->error == OK && rule_compiler_key(compiler, &keeping.key)) {
		if (is_unchanged(work, &keeping.key, output))
			return;
		keeping.folder = work->cache_folder;
	}
	if (output->error == OK && take_kept(work, &keeping, output))
		return;
	if (output->error == OK)
		output->error = rule_compiler_finish(compiler, work->number, work->made_wall_us,
		                                     work->label, &output->fd);
	if (output->error != OK && output->reason[0] == '\0')
		snprintf(output->reason, sizeof(output->reason), "compiling failed: %s",
		         err_text(output->error));
	describe(compiler, output);
	if (output->error == OK)
		keep(&keeping, output);
}

void rules_work_compile(void *rules_work, struct job_output *output)
{
	const struct rules_work *work = rules_work;
	struct rule_compile_options options = {.cache_folder = work->cache_folder,
	                                       .score_column = work->config->dns_checks ? 1 : 0,
	                                       .kind = work->kind};
	struct rule_compiler *compiler;

	heap_keep();
	output->report = json_object();
	compiler = rule_compiler_new(&options);
	if (compiler == NULL) {
		output->error = ERR_NO_MEMORY;
		return;
	}
	make(work, compiler, output);
	if (output->error == OK && output->fd >= 0)
		output->error = read_rules(output->fd, output);
	rule_compiler_free(compiler);
}
