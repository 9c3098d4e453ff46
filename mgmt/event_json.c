/* event_json.c - builds the JSON object of an event. */
#include "mgmt/event_json.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"

#include "mgmt/json_text.h"

static const char *const mode_text[] = {"gateway", "bridge", "monitor"};

static const char *tls_text(uint8_t tls)
{
	return tls == 0 ? "" : tls == 2 ? "TLSv1.2" : tls == 3 ? "TLSv1.3" : "TLS";
}

static json_t *endpoint_json(const struct endpoint *endpoint)
{
	char text[ADDR_TEXT_MAX];

	return json_pack("{s:s, s:i}", "ip", addr_format(&endpoint->addr, text), "port",
	                 (int)endpoint->port);
}

static json_t *rcpt_json(const struct event *event)
{
	size_t len = strnlen(event->rcpt, sizeof(event->rcpt));
	json_t *array = json_array();

	for (size_t start = 0; start < len;) {
		size_t end = start + bytes_find(bytes_of(event->rcpt + start, len - start), ' ');

		if (end > start)
			json_array_append_new(array, json_text(event->rcpt + start, end - start));
		start = end + 1;
	}
	return array;
}

static json_t *rule_json(struct rule_names *names, uint64_t generation, uint32_t index)
{
	const struct rule_name *known = rule_names_find(names, generation, index);
	char unnamed[32];
	json_t *rule = json_object();

	snprintf(unnamed, sizeof(unnamed), "RULE_%u", (unsigned int)index);
	json_object_set_new(rule, "name", json_string(known != NULL ? known->name : unnamed));
	return rule;
}

static json_t *rules_json(const struct event *event, struct rule_names *names)
{
	json_t *array = json_array();
	uint32_t count = event->rule_count < EVENT_RULES_MAX ? event->rule_count : EVENT_RULES_MAX;

	for (uint32_t i = 0; i < count; i++) {
		const struct event_rule *hit = &event->rules[i];
		json_t *rule = rule_json(names, event->rules_generation, hit->rule);

		json_object_set_new(rule, "score", json_points(hit->score_milli));
		if (hit->count > 1)
			json_object_set_new(rule, "count", json_integer(hit->count));
		json_array_append_new(array, rule);
	}
	return array;
}

static json_t *timing_json(const struct event_timing *timing)
{
	json_t *object = json_object();
	const struct {
		const char *name;
		uint32_t value;
	} rows[] = {{"mail", timing->mail},          {"rcpt", timing->rcpt},
	            {"data", timing->data},          {"dot", timing->dot},
	            {"scan", timing->scan_us},       {"verdict", timing->verdict},
	            {"backend", timing->backend_us}, {"reply", timing->reply}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].value != 0)
			json_object_set_new(object, rows[i].name, json_integer(rows[i].value));
	return object;
}

static void set_envelope(json_t *object, const struct event *event)
{
	json_object_set_new(object, "client", endpoint_json(&event->client));
	json_object_set_new(object, "server", endpoint_json(&event->server));
	json_object_set_new(object, "helo", JSON_TEXT(event->helo));
	json_object_set_new(object, "tls", json_string(tls_text(event->tls)));
	json_object_set_new(object, "tls_suite", JSON_TEXT(event->tls_suite));
	json_object_set_new(object, "tls_client", JSON_TEXT(event->tls_client));
	json_object_set_new(object, "auth_mechanism", JSON_TEXT(event->auth_mechanism));
	json_object_set_new(object, "auth_user", JSON_TEXT(event->auth_user));
	json_object_set_new(object, "from", JSON_TEXT(event->from));
	json_object_set_new(object, "rcpt", rcpt_json(event));
	json_object_set_new(object, "rcpt_count", json_integer(event->rcpt_count));
	json_object_set_new(object, "bytes", json_integer((json_int_t)event->bytes));
}

static void set_verdict(json_t *object, const struct event *event, struct rule_names *names)
{
	uint8_t stage = event->stage < EVENT_STAGE_COUNT ? event->stage : STAGE_END;
	uint8_t verdict = event->verdict < VERDICT_COUNT ? event->verdict : VERDICT_DEFER;

	json_object_set_new(object, "stage", json_string(event_stage_text(stage)));
	json_object_set_new(object, "verdict", json_string(verdict_text(verdict)));
	json_object_set_new(object, "reply", JSON_TEXT(event->reply));
	json_object_set_new(object, "reply_code", json_integer(event->reply_code));
	json_object_set_new(object, "score", json_points(event->score_milli));
	json_object_set_new(object, "required", json_points(event->required_milli));
	json_object_set_new(object, "rules", rules_json(event, names));
}

static void add_difference(json_t *const list[SHADOW_RULE_CHANGE_COUNT], const struct event *event,
                           const struct event_shadow_rule *differs, struct rule_names *names)
{
	json_t *rule;

	if (differs->change >= SHADOW_RULE_CHANGE_COUNT)
		return;
	rule = rule_json(names,
	                 differs->change == SHADOW_RULE_GONE ? event->rules_generation
	                                                     : event->shadow.generation,
	                 differs->rule);
	if (differs->change == SHADOW_RULE_RESCORED)
		json_object_set_new(rule, "score_live", json_points(differs->live_milli));
	json_object_set_new(rule, "score",
	                    json_points(differs->change == SHADOW_RULE_GONE
	                                    ? differs->live_milli
	                                    : differs->score_milli));
	json_array_append_new(list[differs->change], rule);
}

static uint8_t known_verdict(uint8_t verdict)
{
	return verdict < VERDICT_COUNT ? verdict : VERDICT_DEFER;
}

static json_t *shadow_json(const struct event *event, struct rule_names *names)
{
	const struct event_shadow *shadow = &event->shadow;
	uint32_t count = shadow->rule_count < EVENT_SHADOW_RULES_MAX ? shadow->rule_count
	                                                             : EVENT_SHADOW_RULES_MAX;
	json_t *const list[SHADOW_RULE_CHANGE_COUNT] = {json_array(), json_array(), json_array()};
	json_t *object = json_object();

	for (uint32_t i = 0; i < count; i++)
		add_difference(list, event, &shadow->rules[i], names);
	json_object_set_new(object, "generation", json_integer((json_int_t)shadow->generation));
	json_object_set_new(object, "verdict",
	                    json_string(verdict_text(known_verdict(shadow->verdict))));
	json_object_set_new(object, "verdict_live",
	                    json_string(verdict_text(known_verdict(shadow->live_verdict))));
	json_object_set_new(object, "score", json_points(shadow->score_milli));
	json_object_set_new(object, "rules_added", list[SHADOW_RULE_ADDED]);
	json_object_set_new(object, "rules_gone", list[SHADOW_RULE_GONE]);
	json_object_set_new(object, "rules_rescored", list[SHADOW_RULE_RESCORED]);
	if (shadow->rules_left_out > 0)
		json_object_set_new(object, "rules_left_out", json_integer(shadow->rules_left_out));
	if (shadow->incomplete)
		json_object_set_new(object, "incomplete", json_true());
	json_object_set_new(object, "scan_usec", json_integer(shadow->scan_us));
	return object;
}

json_t *event_json(const struct event *event, struct rule_names *names)
{
	uint8_t kind = event->kind < EVENT_KIND_COUNT ? event->kind : EVENT_ALARM;
	char id[EVENT_ID_TEXT_BYTES];
	char when[28];
	json_t *object = json_object();
	json_t *backend = json_object();

	event_id_format(event->id, id);
	clock_format_rfc3339(event->wall_us, when);
	json_object_set_new(object, "id", json_string(id));
	json_object_set_new(object, "time", json_string(when));
	json_object_set_new(object, "kind", json_string(event_kind_text(kind)));
	json_object_set_new(object, "mode",
	                    json_string(mode_text[event->mode < 3 ? event->mode : 0]));
	set_envelope(object, event);
	set_verdict(object, event, names);
	json_object_set_new(backend, "reply", JSON_TEXT(event->backend_reply));
	json_object_set_new(backend, "tls", JSON_TEXT(event->backend_tls));
	json_object_set_new(backend, "usec", json_integer(event->timing.backend_us));
	json_object_set_new(object, "backend", backend);
	json_object_set_new(object, "timing_usec", timing_json(&event->timing));
	json_object_set_new(object, "worker", json_integer(event->worker));
	json_object_set_new(object, "generation",
	                    json_integer((json_int_t)event->rules_generation));
	json_object_set_new(object, "lists_generation",
	                    json_integer((json_int_t)event->lists_generation));
	if (event->shadow.generation != 0)
		json_object_set_new(object, "shadow", shadow_json(event, names));
	return object;
}

void event_json_describe(json_t *object, struct rule_names *names)
{
	uint64_t generation = (uint64_t)json_integer_value(json_object_get(object, "generation"));
	const struct rule_names_set *set = rule_names_get(names, generation);
	size_t index;
	json_t *rule;

	json_array_foreach(json_object_get(object, "rules"), index, rule)
	{
		const char *name = json_string_value(json_object_get(rule, "name"));

		for (uint32_t i = 0; name != NULL && i < set->count; i++)
			if (set->rule[i].name != NULL && strcmp(set->rule[i].name, name) == 0) {
				json_object_set_new(rule, "description",
				                    json_string(set->rule[i].description));
				break;
			}
	}
}
