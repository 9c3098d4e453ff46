/* api_events.c - API handlers about events. */
#include <stdlib.h>

#include "base/bytes.h"

#include "mgmt/api.h"
#include "mgmt/event_json.h"

#define EVENTS_LAST_DEFAULT 20

void api_events(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	const char *last = http_query(request, "last");
	uint64_t count = EVENTS_LAST_DEFAULT;
	uint64_t end = mgmt->history.next_seq - 1;

	(void)rest;
	if (last != NULL && !bytes_to_u64(bytes_text(last), UINT32_MAX, &count)) {
		http_reply_error(request, 400, "last=%s: not a number", last);
		return;
	}
	http_reply_events(request, &mgmt->history, end > count ? end - count : 0,
	                  http_query(request, "follow") != NULL);
}

void api_event(struct mgmt *mgmt, struct http_request *request, const char *rest)
{
	uint64_t id;
	char *text;
	json_t *object;

	if (!event_id_parse(bytes_text(rest), &id)) {
		http_reply_error(request, 400, "%s: not an id; ids have 13 letters and digits",
		                 rest);
		return;
	}
	text = history_find(&mgmt->history, id);
	if (text == NULL) {
		http_reply_error(
		    request, 404,
		    "%s: not in the history; it may be older than the %llu events kept "
		    "(mgmt.history_rows_max)",
		    rest, (unsigned long long)history_row_count(&mgmt->history));
		return;
	}
	object = json_loads(text, 0, NULL);
	free(text);
	if (object == NULL) {
		http_reply_error(request, 500, "%s: damaged in the history", rest);
		return;
	}
	event_json_describe(object, &mgmt->names);
	http_reply_json(request, 200, object);
}
