/* api_lists.c - API handlers about lists. */
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"

#include "mgmt/api.h"

#define LISTED_SECONDS_MAX (10ull * 366 * 86400)

static void changed(void *context, bool ok, json_t *body)
{
	http_reply_json(context, ok ? 200 : 422, body);
}

static enum list_action action_of(const json_t *body)
{
	const char *text = json_string_value(json_object_get(body, "action"));

	if (text != NULL && strcmp(text, "deny") == 0)
		return LIST_DENY;
	if (text != NULL && strcmp(text, "allow") == 0)
		return LIST_ALLOW;
	return LIST_NONE;
}

void api_lists(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	(void)rest;
	http_reply_json(request, 200, lists_load_describe(&mgmt->lists));
}

void api_lists_add(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	const json_t *body = http_body(request);
	const char *address = json_string_value(json_object_get(body, "address"));
	json_int_t for_s = json_integer_value(json_object_get(body, "for_s"));
	const char *list = json_string_value(json_object_get(body, "list"));
	const char *key = json_string_value(json_object_get(body, "key"));
	enum list_action action = action_of(body);
	uint64_t expires_us;
	struct prefix prefix;

	(void)rest;
	if (for_s < 0 || (unsigned long long)for_s > LISTED_SECONDS_MAX) {
		http_reply_error(request, 400, "for_s must be between 0 and %llu",
		                 LISTED_SECONDS_MAX);
		return;
	}
	expires_us = for_s > 0 ? clock_wall_us() + (uint64_t)for_s * 1000000 : 0;
	if (list != NULL && key != NULL) {
		lists_load_score(&mgmt->lists, list, key, expires_us, changed, request);
		return;
	}
	if (action == LIST_NONE || address == NULL) {
		http_reply_error(request, 400,
		                 "{\"action\": \"deny\" or \"allow\", \"address\": ...} or "
		                 "{\"list\": ..., \"key\": ...} is expected");
		return;
	}
	if (prefix_parse(bytes_text(address), false, &prefix) != OK) {
		http_reply_error(request, 400,
		                 "%s: not an address, or not a network whose host bits are zero",
		                 address);
		return;
	}
	lists_load_add(&mgmt->lists, action, &prefix, expires_us, changed, request);
}

void api_lists_delete(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	const char *what = http_query(request, "what");

	(void)rest;
	if (what == NULL)
		http_reply_error(request, 400,
		                 "what=ADDRESS, what=FILE or what=LIST KEY is expected");
	else
		lists_load_delete(&mgmt->lists, what, changed, request);
}

void api_lists_load(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	const json_t *body = http_body(request);
	const char *path = json_string_value(json_object_get(body, "path"));
	enum list_action action = action_of(body);

	(void)rest;
	if (action == LIST_NONE || path == NULL || path[0] != '/')
		http_reply_error(
		    request, 400,
		    "{\"action\": \"deny\" or \"allow\", \"path\": an absolute path} is "
		    "expected");
	else
		lists_load_add_file(&mgmt->lists, action, path, changed, request);
}
