/* rules_load.c - compiles, names, publishes and remembers rules. */
#include "mgmt/rules_load.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#include "mgmt/files.h"
#include "mgmt/log.h"
#include "mgmt/rules_work.h"
#include "mgmt/state.h"

#define FAULTS_LOGGED_MAX 10

/* By kind: where its paths are remembered, and what people call it. */
static const char *setting_of(const struct rules_load *load)
{
	return load->kind == GENERATION_SHADOW ? "shadow_paths" : "rules_paths";
}

static const char *name_of(const struct rules_load *load)
{
	return load->kind == GENERATION_SHADOW ? "shadow rules" : "rules";
}

static json_t *configured_paths(const struct rules_load *load)
{
	return load->kind == GENERATION_SHADOW ? json_array()
	                                       : files_from_config(&load->config->rules_paths);
}

void rules_load_open(struct rules_load *load, enum generation_kind kind,
                     const struct config *config, struct store *store, struct rule_names *names,
                     struct publisher *publisher)
{
	memset(load, 0, sizeof(*load));
	load->kind = kind;
	load->config = config;
	load->store = store;
	load->names = names;
	load->publisher = publisher;
	load->nameless_fd = load->previous_fd = load->replaced_fd = -1;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void rules_load_close(struct rules_load *load)
{
	job_kill(&load->job);
	job_kill(&load->names_job);
	json_decref(load->paths);
	json_decref(load->body);
	close_fd(&load->nameless_fd);
	close_fd(&load->previous_fd);
	close_fd(&load->replaced_fd);
}

json_t *rules_load_paths(const struct rules_load *load)
{
	json_t *paths = state_get_setting(load->store, setting_of(load));

	if (paths == NULL)
		paths = configured_paths(load);
	return paths;
}

bool rules_load_is_busy(const struct rules_load *load)
{
	return load->paths != NULL;
}

/* Ends the operation: `body` becomes the callee's. */
static void conclude(struct rules_load *load, bool ok, json_t *body)
{
	outcome_done *done = load->done;
	bool again = load->again;

	json_decref(load->paths);
	json_decref(load->body);
	load->paths = NULL;
	load->body = NULL;
	load->done = NULL;
	load->ended = NULL;
	load->again = false;
	outcome_give(done, load->context, ok, body);
	if (again)
		rules_load_start(load, NULL, NULL, NULL);
}

/* Remembers paths that were pushed; those of the configuration need no memory. */
static void remember(struct rules_load *load)
{
	json_t *configured = configured_paths(load);

	if (state_put_setting(load->store, setting_of(load),
	                      json_equal(configured, load->paths) ? NULL : load->paths) != OK)
		log_warning("the rules pushed will not be remembered after a restart");
	json_decref(configured);
}

static void published(void *context, enum err error, const char *reason)
{
	struct rules_load *load = context;
	json_t *body = json_incref(load->body);

	if (error != OK && error != ERR_CLOSED) {
		log_error("the dataplane refused %s generation %llu: %s", name_of(load),
		          (unsigned long long)load->number, reason);
		close_fd(&load->replaced_fd);
		json_decref(body);
		body = json_pack("{s:s++}", "error", "the dataplane refused the rules: ", reason,
		                 "; the rules before stay in force");
		conclude(load, false, body);
		return;
	}
	remember(load);
	load->empty = json_is_true(json_object_get(body, "off"));
	close_fd(&load->previous_fd);
	load->previous_fd = load->replaced_fd;
	load->previous_number = load->replaced_number;
	load->replaced_fd = -1;
	json_object_set_new(body, "in_force", json_boolean(error == OK));
	json_object_set_new(body, "usec",
	                    json_integer((json_int_t)(clock_now_us() - load->started_us)));
	if (error == ERR_CLOSED)
		json_object_set_new(body, "message",
		                    json_string("kept; in force as soon as the dataplane runs"));
	log_info("%s generation %llu (%lld rules) %s", name_of(load),
	         (unsigned long long)load->number,
	         (long long)json_integer_value(json_object_get(body, "rules")),
	         error == OK ? "is in force" : "waits for the dataplane");
	if (load->ended != NULL)
		rules_load_off(load->ended, NULL, NULL);
	conclude(load, true, body);
}

static json_t *faults_of(const json_t *report)
{
	json_t *faults = json_array();
	size_t index;
	json_t *item;

	json_array_foreach(json_object_get(report, "reports"), index, item)
	{
		if (json_is_true(json_object_get(item, "fault")))
			json_array_append(faults, item);
	}
	return faults;
}

static void log_faults(const json_t *faults)
{
	size_t index;
	json_t *fault;

	json_array_foreach((json_t *)faults, index, fault)
	{
		if (index == FAULTS_LOGGED_MAX)
			break;
		log_warning("%s:%lld: %s: %s", json_string_value(json_object_get(fault, "file")),
		            (long long)json_integer_value(json_object_get(fault, "line")),
		            json_string_value(json_object_get(fault, "construct")),
		            json_string_value(json_object_get(fault, "text")));
	}
}

static void refused(struct rules_load *load, const struct job_output *output)
{
	json_t *body = json_object();
	json_t *faults = faults_of(output->report);

	log_error("%s not loaded: %s", name_of(load), output->reason);
	log_faults(faults);
	json_object_set_new(body, "error", json_string(output->reason));
	json_object_set_new(body, "reports", faults);
	conclude(load, false, body);
}

static void unchanged(struct rules_load *load)
{
	uint64_t number = load->publisher->wanted[load->kind].number;
	json_t *body = json_object();

	remember(load);
	json_object_set_new(body, "generation", json_integer((json_int_t)number));
	json_object_set_new(body, "unchanged", json_true());
	json_object_set_new(body, "in_force",
	                    json_boolean(load->publisher->running[load->kind] == number));
	log_info("%s unchanged, generation %llu stays", name_of(load), (unsigned long long)number);
	conclude(load, true, body);
}

/* Rules left out. Reports without a rule are about directives that have no meaning here. */
static long long left_out_count(const json_t *report)
{
	long long count = 0;
	size_t index;
	json_t *item;

	json_array_foreach(json_object_get(report, "reports"), index, item)
	{
		const char *rule = json_string_value(json_object_get(item, "rule"));

		if (rule != NULL && rule[0] != '\0')
			count += json_integer_value(json_object_get(item, "count"));
	}
	return count;
}

static void make_label(const json_t *paths, char out[GENERATION_LABEL_BYTES])
{
	const char *first = json_string_value(json_array_get(paths, 0));
	size_t len = first != NULL ? strlen(first) : 0;
	size_t room = GENERATION_LABEL_BYTES - 16;
	size_t more = json_array_size(paths);

	snprintf(out, GENERATION_LABEL_BYTES, "%s%s", len > room ? "..." : "",
	         len > room ? first + len - room
	         : len > 0  ? first
	                    : "no rules");
	if (more > 1)
		snprintf(out + strlen(out), GENERATION_LABEL_BYTES - strlen(out), " +%zu",
		         more - 1);
}

/* What is stored of a generation and told about it. */
static json_t *make_body(const struct rules_load *load, const struct job_output *output,
                         const char *label)
{
	json_t *body = json_object();
	json_t *reports = json_object_get(output->report, "reports");
	size_t rules = json_array_size(json_object_get(output->report, "rules"));

	json_object_set_new(body, "generation", json_integer((json_int_t)load->number));
	json_object_set_new(body, "label", json_string(label));
	json_object_set_new(body, "paths", json_deep_copy(load->paths));
	json_object_set_new(body, "rules", json_integer((json_int_t)rules));
	json_object_set_new(body, "unsupported", json_integer(left_out_count(output->report)));
	json_object_set(body, "reports", reports);
	json_object_set(body, "summary", json_object_get(output->report, "summary"));
	return body;
}

/* Publishes generation load->number, takes `fd`, and notes what it replaces. */
static void publish(struct rules_load *load, int fd)
{
	const struct publisher_wanted *wanted = &load->publisher->wanted[load->kind];

	load->replaced_number = wanted->number;
	/* Only rules in force are rolled back to. */
	load->replaced_fd = load->kind == GENERATION_RULES && wanted->fd >= 0 ? dup(wanted->fd)
	                                                                      : -1;
	if (publisher_publish(load->publisher, load->kind, fd, load->number, published, load) == OK)
		return;
	close(fd);
	close_fd(&load->replaced_fd);
	conclude(load, false, json_pack("{s:s}", "error", "too many requests; try again"));
}

static void compiled(void *context, const struct job_output *output)
{
	struct rules_load *load = context;
	struct state_generation generation = {.number = load->number, .kind = load->kind};

	if (output->error != OK || output->report == NULL) {
		if (output->fd >= 0)
			close(output->fd);
		refused(load, output);
		return;
	}
	if (json_is_true(json_object_get(output->report, "unchanged"))) {
		unchanged(load);
		return;
	}
	json_t *faults = faults_of(output->report);

	log_faults(faults);
	json_decref(faults);
	generation.fingerprint = (uint64_t)json_integer_value(
	    json_object_get(output->report, "fingerprint"));
	generation.made_wall_us = load->made_wall_us;
	make_label(load->paths, generation.label);
	load->body = make_body(load, output, generation.label);
	if (rule_names_put(load->names, load->number, json_object_get(output->report, "rules")) !=
	        OK ||
	    state_put_generation(load->store, &generation, load->body) != OK)
		log_warning("the names of the rules could not be stored");
	publish(load, output->fd);
}

void rules_load_start(struct rules_load *load, json_t *paths, outcome_done *done, void *context)
{
	char label[GENERATION_LABEL_BYTES];
	struct state_generation known = {.fingerprint = 0};
	struct rules_work work = {.fd = -1};

	/* What an operator pushes takes the place of a compilation that nobody waits for. */
	if (done != NULL && load->done == NULL && job_is_running(&load->job)) {
		job_kill(&load->job);
		load->again = false;
		conclude(load, false, json_pack("{s:s}", "error", "superseded"));
	}
	if (rules_load_is_busy(load)) {
		load->again = load->again || done == NULL;
		json_decref(paths);
		outcome_fail(done, context,
		             "rules are being compiled; try again when that is done");
		return;
	}
	if (paths != NULL && json_array_size(paths) == 0) {
		json_decref(paths);
		paths = configured_paths(load);
	}
	load->paths = paths != NULL ? paths : rules_load_paths(load);
	load->done = done;
	load->context = context;
	load->started_us = clock_now_us();
	load->made_wall_us = clock_wall_us();
	load->number = state_next_number(load->store, publisher_number_max(load->publisher));
	if (json_array_size(load->paths) == 0) {
		const char *way = load->kind == GENERATION_SHADOW
		                      ? "name some"
		                      : "name some, or set rules.rules_paths";

		log_warning("no %s: %s", name_of(load), way);
		conclude(load, false, json_pack("{s:s+}", "error", "no paths: ", way));
		return;
	}
	state_get_generation(load->store, load->publisher->wanted[load->kind].number, &known, NULL);
	make_label(load->paths, label);
	work.paths = load->paths;
	work.config = load->config;
	work.kind = load->kind;
	work.known_fingerprint = known.fingerprint;
	work.number = load->number;
	work.made_wall_us = load->made_wall_us;
	work.label = label;
	work.cache_folder = load->config->cache_folder[0] != '\0' ? load->config->cache_folder
	                                                          : NULL;
	/* The child works on its own copy of all this. */
	if (job_start(&load->job, rules_work_compile, &work, compiled, load) != OK)
		conclude(load, false, json_pack("{s:s}", "error", "cannot start a child process"));
}

void rules_load_rollback(struct rules_load *load, outcome_done *done, void *context)
{
	struct state_generation known;
	json_t *report = NULL;
	int fd;

	if (rules_load_is_busy(load)) {
		outcome_fail(done, context,
		             "rules are being compiled; try again when that is done");
		return;
	}
	if (load->previous_fd < 0 ||
	    !state_get_generation(load->store, load->previous_number, &known, &report)) {
		outcome_fail(done, context,
		             "no rules were replaced since postern-mgmtd started; push the ones "
		             "you want");
		return;
	}
	load->number = load->previous_number;
	load->paths = json_object_get(report, "paths");
	load->paths = load->paths != NULL ? json_incref(load->paths) : rules_load_paths(load);
	load->body = report != NULL ? report : json_object();
	json_object_set_new(load->body, "generation", json_integer((json_int_t)load->number));
	load->done = done;
	load->context = context;
	load->started_us = clock_now_us();
	/* The publisher takes a descriptor of its own: a refusal leaves this one for another try.
	 */
	fd = dup(load->previous_fd);
	if (fd < 0)
		conclude(load, false, json_pack("{s:s}", "error", "no descriptors left"));
	else
		publish(load, fd);
}

bool rules_load_is_on(const struct rules_load *load)
{
	return load->publisher->wanted[load->kind].number != 0 && !load->empty;
}

static enum err seal_empty(const struct rules_load *load, const char *label, int *out_fd)
{
	struct generation_builder builder;
	enum err err = generation_begin(&builder, 0);

	return err != OK ? err
	                 : generation_seal(&builder, load->kind, load->number, load->made_wall_us,
	                                   label, out_fd);
}

void rules_load_off(struct rules_load *shadow, outcome_done *done, void *context)
{
	struct state_generation generation = {.kind = shadow->kind, .label = "off"};
	int fd;

	if (rules_load_is_busy(shadow)) {
		outcome_fail(done, context,
		             "rules are being compiled; try again when that is done");
		return;
	}
	shadow->done = done;
	shadow->context = context;
	shadow->started_us = clock_now_us();
	shadow->made_wall_us = generation.made_wall_us = clock_wall_us();
	shadow->number = generation.number = state_next_number(
	    shadow->store, publisher_number_max(shadow->publisher));
	shadow->paths = json_array();
	shadow->body = json_pack("{s:I, s:b}", "generation", (json_int_t)shadow->number, "off", 1);
	if (state_put_generation(shadow->store, &generation, shadow->body) != OK)
		log_warning("that the shadow rules are off could not be stored");
	if (seal_empty(shadow, generation.label, &fd) != OK)
		conclude(shadow, false,
		         json_pack("{s:s}", "error", "no memory or descriptors left"));
	else
		publish(shadow, fd);
}

/* The wanted generation under another kind and number. */
static enum err reseal(const struct publisher_wanted *wanted, enum generation_kind kind,
                       uint64_t number, struct state_generation *out_known, int *out_fd)
{
	struct generation generation;
	int fd = dup(wanted->fd);
	enum err err = fd < 0 ? ERR_SYSTEM : generation_open(&generation, fd);

	if (err != OK) {
		close_fd(&fd);
		return err;
	}
	err = generation_reseal(&generation, kind, number, out_fd);
	out_known->made_wall_us = generation.made_wall_us;
	snprintf(out_known->label, sizeof(out_known->label), "%s", generation.label);
	generation_close(&generation);
	return err;
}

/* Everything of the shadow but its number; false when it is not known well enough. */
static bool take_over(struct rules_load *load, const struct rules_load *shadow,
                      struct state_generation *out_known)
{
	uint64_t number = shadow->publisher->wanted[shadow->kind].number;
	json_t *report = NULL, *rules, *paths;

	if (!state_get_generation(load->store, number, out_known, &report))
		return false;
	paths = json_object_get(report, "paths");
	rules = rule_names_json(load->names, number);
	if (json_array_size(paths) == 0 || json_array_size(rules) == 0 ||
	    rule_names_put(load->names, load->number, rules) != OK) {
		json_decref(report);
		json_decref(rules);
		return false;
	}
	json_decref(rules);
	load->paths = json_incref(paths);
	load->body = report;
	json_object_set_new(report, "generation", json_integer((json_int_t)load->number));
	out_known->number = load->number;
	out_known->kind = load->kind;
	return true;
}

void rules_load_promote(struct rules_load *load, struct rules_load *shadow, outcome_done *done,
                        void *context)
{
	struct state_generation known;
	int fd;

	if (rules_load_is_busy(load) || rules_load_is_busy(shadow)) {
		outcome_fail(done, context,
		             "rules are being compiled; try again when that is done");
		return;
	}
	if (!rules_load_is_on(shadow)) {
		outcome_fail(done, context, "there are no shadow rules; see rules shadow");
		return;
	}
	load->number = state_next_number(load->store, publisher_number_max(load->publisher));
	if (!take_over(load, shadow, &known)) {
		outcome_fail(done, context,
		             "it is not known what the shadow rules were made of; push them");
		return;
	}
	load->done = done;
	load->context = context;
	load->started_us = clock_now_us();
	if (reseal(&shadow->publisher->wanted[shadow->kind], load->kind, load->number, &known,
	           &fd) != OK) {
		conclude(load, false, json_pack("{s:s}", "error", "no memory or descriptors left"));
		return;
	}
	load->ended = shadow;
	if (state_put_generation(load->store, &known, load->body) != OK)
		log_warning("what the rules in force were made of could not be stored");
	publish(load, fd);
}

static void named(void *context, const struct job_output *output)
{
	struct rules_load *load = context;

	if (output->error != OK || output->report == NULL ||
	    rule_names_put(load->names, load->nameless_number,
	                   json_object_get(output->report, "rules")) != OK)
		log_warning("the rules of generation %llu stay nameless: %s",
		            (unsigned long long)load->nameless_number, output->reason);
	close_fd(&load->nameless_fd);
}

void rules_load_current(struct rules_load *load, const struct generation *generation)
{
	bool known = state_take_current(load->store, generation);
	struct rules_work work = {0};

	if (generation->kind != load->kind)
		return;
	load->empty = generation_is_empty(generation);
	if (load->empty || job_is_running(&load->names_job) ||
	    (known && rule_names_get(load->names, generation->number)->count > 0))
		return;
	load->nameless_fd = dup(generation->fd);
	if (load->nameless_fd < 0)
		return;
	load->nameless_number = generation->number;
	work.fd = load->nameless_fd;
	if (job_start(&load->names_job, rules_work_names, &work, named, load) != OK)
		log_warning("cannot start a child process to name the rules that run");
}

void rules_load_run(struct rules_load *load)
{
	job_run(&load->job);
	job_run(&load->names_job);
}
