/* api_rules.c - API handlers about rules. */
#include <string.h>

#include "mgmt/api.h"
#include "mgmt/json_text.h"
#include "mgmt/state.h"

static json_t *rule_json(const struct rule_name *rule)
{
	return json_pack("{s:s, s:o, s:s}", "name", rule->name, "score",
	                 json_points(rule->score_milli), "description", rule->description);
}

void api_rules(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	uint64_t number = mgmt->publisher.wanted[GENERATION_RULES].number;
	const struct rule_names_set *set = rule_names_get(&mgmt->names, number);
	struct state_generation known;
	json_t *report = NULL;
	json_t *object;
	json_t *rules = json_array();

	(void)rest;
	for (uint32_t i = 0; i < set->count; i++)
		if (set->rule[i].name != NULL && set->rule[i].description != NULL)
			json_array_append_new(rules, rule_json(&set->rule[i]));
	state_get_generation(&mgmt->store, number, &known, &report);
	object = report != NULL ? report : json_object();
	json_object_set_new(object, "generation", json_integer((json_int_t)number));
	json_object_set_new(object, "rules", rules);
	http_reply_json(request, 200, object);
}

void api_rule(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	uint64_t number = mgmt->publisher.wanted[GENERATION_RULES].number;
	const struct rule_names_set *set = rule_names_get(&mgmt->names, number);

	for (uint32_t i = 0; i < set->count; i++) {
		json_t *object;

		if (set->rule[i].name == NULL || strcasecmp(set->rule[i].name, rest) != 0)
			continue;
		object = rule_json(&set->rule[i]);
		json_object_set_new(object, "generation", json_integer((json_int_t)number));
		json_object_set_new(object, "index", json_integer(i));
		http_reply_json(request, 200, object);
		return;
	}
	http_reply_error(request, 404, "%s: no such rule in generation %llu; see rules list", rest,
	                 (unsigned long long)number);
}

static void pushed(void *context, bool ok, json_t *body)
{
	http_reply_json(context, ok ? 200 : 422, body);
}

/* Compiles the request's paths for `load`. */
static void push_paths(struct rules_load *load, struct http_request *request)
{
	const json_t *body = http_body(request);
	const json_t *paths = json_object_get(body, "paths");
	size_t index;
	const json_t *path;

	if (body == NULL || (paths != NULL && !json_is_array(paths))) {
		http_reply_error(request, 400, "{\"paths\": [...]} is expected");
		return;
	}
	if (json_array_size(paths) > PATHS_MAX) {
		http_reply_error(request, 400, "at most %d paths", PATHS_MAX);
		return;
	}
	json_array_foreach((json_t *)paths, index, path)
	{
		const char *text = json_string_value(path);

		if (text == NULL || text[0] != '/') {
			http_reply_error(request, 400, "paths must be absolute");
			return;
		}
	}
	rules_load_start(load, paths != NULL ? json_deep_copy(paths) : NULL, pushed, request);
}

void api_rules_push(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	(void)rest;
	push_paths(&mgmt->rules, request);
}

void api_shadow_push(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	(void)rest;
	push_paths(&mgmt->shadow, request);
}

void api_shadow_off(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	(void)rest;
	if (rules_load_is_on(&mgmt->shadow))
		rules_load_off(&mgmt->shadow, pushed, request);
	else
		http_reply_error(request, 409, "there are no shadow rules");
}

void api_rules_promote(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	(void)rest;
	rules_load_promote(&mgmt->rules, &mgmt->shadow, pushed, request);
}

void api_rules_rollback(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	(void)rest;
	rules_load_rollback(&mgmt->rules, pushed, request);
}
