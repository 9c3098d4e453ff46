/* api_status.c - API handlers about the daemon and the dataplane as a whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#include "mgmt/api.h"
#include "mgmt/json_text.h"
#include "mgmt/metrics.h"
#include "mgmt/state.h"

static const char *const kind_text[GENERATION_KIND_COUNT] = {"rules", "lists", "additions",
                                                             "shadow"};

static long long age_s(uint64_t since_us)
{
	uint64_t now_us = clock_wall_us();

	return now_us > since_us ? (long long)((now_us - since_us) / 1000000) : 0;
}

static json_t *dataplane_json(const struct publisher *publisher)
{
	const struct attach_msg *status = &publisher->status;

	if (!publisher_is_synced(publisher))
		return json_pack("{s:b, s:s}", "attached", 0, "socket", publisher->path);
	return json_pack(
	    "{s:b, s:s, s:I, s:s, s:I, s:I, s:I, s:b, s:s}", "attached", 1, "socket",
	    publisher->path, "pid", (json_int_t)status->pid, "version", status->version, "uptime_s",
	    (json_int_t)age_s(publisher->dataplane_start_us), "workers",
	    (json_int_t)status->worker_count, "sessions", (json_int_t)status->session_count,
	    "draining", (int)(status->draining != 0), "replies", status->reason);
}

static json_t *generations_json(struct mgmt *mgmt)
{
	json_t *array = json_array();

	for (int kind = 0; kind < GENERATION_KIND_COUNT; kind++) {
		uint64_t number = mgmt->publisher.wanted[kind].number;
		uint64_t lowest = mgmt->publisher.status.generation_number[kind];
		struct state_generation known = {.number = number};
		bool in_force = publisher_is_synced(&mgmt->publisher) &&
		                (lowest == number || mgmt->publisher.running[kind] == number);
		json_t *object;

		if (number == 0 || (kind == GENERATION_SHADOW && !rules_load_is_on(&mgmt->shadow)))
			continue;
		state_get_generation(&mgmt->store, number, &known, NULL);
		object = json_pack(
		    "{s:s, s:I, s:I, s:b}", "kind", kind_text[kind], "number", (json_int_t)number,
		    "age_s", (json_int_t)age_s(known.made_wall_us), "in_force", (int)in_force);
		json_object_set_new(object, "label", JSON_TEXT(known.label));
		json_array_append_new(array, object);
	}
	return array;
}

/* A number of the report stored with the generation of a kind that is wanted. */
static long long report_number(struct mgmt *mgmt, enum generation_kind kind, const char *key)
{
	struct state_generation known;
	json_t *report = NULL;
	long long value;

	state_get_generation(&mgmt->store, mgmt->publisher.wanted[kind].number, &known, &report);
	value = json_integer_value(json_object_get(report, key));
	json_decref(report);
	return value;
}

static json_t *rules_json(struct mgmt *mgmt)
{
	const struct rule_names_set *set = rule_names_get(
	    &mgmt->names, mgmt->publisher.wanted[GENERATION_RULES].number);

	return json_pack("{s:I, s:I, s:b, s:o}", "supported", (json_int_t)set->count, "unsupported",
	                 (json_int_t)report_number(mgmt, GENERATION_RULES, "unsupported"),
	                 "compiling", (int)job_is_running(&mgmt->rules.job), "paths",
	                 rules_load_paths(&mgmt->rules));
}

static json_t *shadow_json(struct mgmt *mgmt)
{
	uint64_t number = mgmt->publisher.wanted[GENERATION_SHADOW].number;
	bool on = rules_load_is_on(&mgmt->shadow);

	return json_pack(
	    "{s:b, s:I, s:I, s:b, s:o}", "on", (int)on, "supported",
	    (json_int_t)(on ? rule_names_get(&mgmt->names, number)->count : 0), "unsupported",
	    (json_int_t)(on ? report_number(mgmt, GENERATION_SHADOW, "unsupported") : 0),
	    "compiling", (int)job_is_running(&mgmt->shadow.job), "paths",
	    rules_load_paths(&mgmt->shadow));
}

static json_t *lists_json(struct mgmt *mgmt)
{
	return json_pack(
	    "{s:I, s:I, s:b}", "entries",
	    (json_int_t)report_number(mgmt, GENERATION_LISTS, "entries"), "additions",
	    (json_int_t)store_number(&mgmt->store, store_use(&mgmt->store, STORE_ENTRY_COUNT)),
	    "loading", (int)mgmt->lists.busy);
}

static json_t *events_json(const struct mgmt *mgmt)
{
	const struct intake *intake = &mgmt->intake;
	json_t *verdicts = json_object();

	for (int i = 0; i < VERDICT_COUNT; i++)
		json_object_set_new(verdicts, verdict_text((enum verdict)i),
		                    json_integer((json_int_t)intake->by_verdict[i]));
	return json_pack("{s:I, s:I, s:I, s:o}", "taken", (json_int_t)intake->taken_count, "lost",
	                 (json_int_t)intake_lost_count(intake), "failed",
	                 (json_int_t)mgmt->history.failed_count, "verdicts", verdicts);
}

/* The sum over the workers; 0 when the dataplane has no such counter. */
static json_int_t counter_sum(const struct telemetry *telemetry, const char *group,
                              const char *name)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < telemetry->counter_count; i++) {
		const struct telemetry_counter *info = telemetry_description(telemetry, i);

		if (strcmp(info->group, group) != 0 || strcmp(info->name, name) != 0)
			continue;
		for (uint32_t w = 0; w < telemetry->worker_count; w++)
			sum += telemetry_counters(telemetry, w)[i];
	}
	return (json_int_t)sum;
}

static json_t *tls_json(const struct mgmt *mgmt)
{
	static const struct {
		const char *key, *group, *name;
	} rows[] = {{"connections", "worker", "tls_connections_now"},
	            {"memory_bytes", "worker", "tls_memory_now"},
	            {"sessions", "gateway", "sessions_tls"},
	            {"backends", "gateway", "backend_tls"},
	            {"resumed", "tls", "resumed"},
	            {"handshakes_failed", "gateway", "tls_broken"}};
	const struct telemetry *telemetry = &mgmt->intake.telemetry;
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_object_set_new(
		    object, rows[i].key,
		    json_integer(mgmt->intake.attached
		                     ? counter_sum(telemetry, rows[i].group, rows[i].name)
		                     : 0));
	return object;
}

void api_status(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	json_t *object = json_object();

	(void)rest;
	json_object_set_new(object, "version", json_string(POSTERN_VERSION));
	json_object_set_new(object, "mgmtd",
	                    json_pack("{s:I, s:I, s:s}", "pid", (json_int_t)getpid(), "uptime_s",
	                              (json_int_t)age_s(mgmt->start_wall_us), "config",
	                              mgmt->config_path));
	json_object_set_new(object, "dataplane", dataplane_json(&mgmt->publisher));
	json_object_set_new(object, "generations", generations_json(mgmt));
	json_object_set_new(object, "rules", rules_json(mgmt));
	json_object_set_new(object, "shadow", shadow_json(mgmt));
	json_object_set_new(object, "lists", lists_json(mgmt));
	json_object_set_new(object, "history",
	                    json_pack("{s:I, s:I, s:s}", "events",
	                              (json_int_t)history_row_count(&mgmt->history), "events_max",
	                              (json_int_t)mgmt->history.rows_max, "file",
	                              mgmt->config.history_file));
	json_object_set_new(object, "events", events_json(mgmt));
	json_object_set_new(object, "tls", tls_json(mgmt));
	http_reply_json(request, 200, object);
}

void api_counters(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	const struct telemetry *telemetry = &mgmt->intake.telemetry;
	json_t *counters = json_array();

	(void)rest;
	if (!mgmt->intake.attached) {
		json_decref(counters);
		http_reply_error(request, 503,
		                 "no dataplane has been met at %s since this daemon started: is "
		                 "postern running?",
		                 mgmt->publisher.path);
		return;
	}
	for (uint32_t i = 0; i < telemetry->counter_count; i++) {
		const struct telemetry_counter *info = telemetry_description(telemetry, i);
		json_t *workers = json_array();
		json_t *object = json_object();
		uint64_t sum = 0;

		for (uint32_t w = 0; w < telemetry->worker_count; w++) {
			uint64_t value = telemetry_counters(telemetry, w)[i];

			sum += value;
			json_array_append_new(workers, json_integer((json_int_t)value));
		}
		json_object_set_new(object, "group", JSON_TEXT(info->group));
		json_object_set_new(object, "name", JSON_TEXT(info->name));
		json_object_set_new(object, "value", json_integer((json_int_t)sum));
		json_object_set_new(object, "workers", workers);
		json_object_set_new(object, "help", JSON_TEXT(info->help));
		json_array_append_new(counters, object);
	}
	http_reply_json(request, 200,
	                json_pack("{s:b, s:o}", "attached",
	                          (int)publisher_is_synced(&mgmt->publisher), "counters",
	                          counters));
}

void api_metrics(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *stream = open_memstream(&text, &bytes);

	(void)rest;
	if (stream != NULL) {
		metrics_print(mgmt, stream);
		fclose(stream);
	}
	http_reply_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text);
}

static void controlled(void *context, enum err error, const char *reason)
{
	struct http_request *request = context;

	if (error == OK)
		http_reply_json(request, 200, json_pack("{s:b}", "done", 1));
	else if (error == ERR_CLOSED)
		http_reply_error(request, 503, "%s", reason);
	else
		http_reply_error(request, 409, "the dataplane refused: %s", reason);
}

static void control(struct mgmt *mgmt, struct http_request *request, enum attach_kind kind)
{
	if (publisher_control(&mgmt->publisher, kind, controlled, request) != OK)
		http_reply_error(request, 503, "too many requests wait for the dataplane");
}

void api_drain(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	(void)rest;
	control(mgmt, request, ATTACH_DRAIN);
}

void api_resume(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	(void)rest;
	control(mgmt, request, ATTACH_RESUME);
}

void api_reload(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	struct config_error error;

	(void)rest;
	if (!mgmt_reload(mgmt, &error))
		http_reply_error(request, 422, "%s", error.text);
	else if (publisher_is_synced(&mgmt->publisher))
		control(mgmt, request, ATTACH_RELOAD); /* its own options, and certificates */
	else
		http_reply_json(request, 202, json_pack("{s:b}", "started", 1));
}

static void set_text(json_t *config, const char *section, const char *key, json_t *value)
{
	json_t *object = json_object_get(config, section);

	if (object == NULL) {
		object = json_object();
		json_object_set_new(config, section, object);
	}
	json_object_set_new(object, key, value);
}

/* How each option type is written in JSON. */
#define JSON_OF_u32(value)    json_integer(value)
#define JSON_OF_size(value)   json_integer((json_int_t)(value))
#define JSON_OF_ms(value)     json_integer(value)
#define JSON_OF_bool(value)   json_boolean(value)
#define JSON_OF_points(value) json_points(value)

static json_t *texts_json(const struct config_texts *texts)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < texts->count; i++)
		json_array_append_new(array, JSON_TEXT(texts->text[i]));
	return array;
}

static json_t *config_json(const struct config *config)
{
	json_t *object = json_object();

#define OPTION(section, key, type, def, min, max, unit, reload, help) \
	set_text(object, #section, #key, JSON_OF_##type(config->key));
#define OPTION_TEXT(section, key, def, reload, help) \
	set_text(object, #section, #key, JSON_TEXT(config->key));
#define OPTION_TEXTS(section, key, reload, help) \
	set_text(object, #section, #key, texts_json(&config->key));
#include "base/options.def"
	return object;
}

void api_config(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	const char *format = http_query(request, "format");
	char *text = NULL;
	size_t bytes = 0;
	FILE *stream;

	(void)rest;
	if (format == NULL || strcmp(format, "text") != 0) {
		http_reply_json(request, 200, config_json(&mgmt->config));
		return;
	}
	stream = open_memstream(&text, &bytes);
	if (stream != NULL) {
		config_print(&mgmt->config, stream);
		fclose(stream);
	}
	http_reply_text(request, 200, "text/plain; charset=utf-8", text);
}
