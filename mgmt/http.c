/* http.c - requests, answers and event streams over libmicrohttpd.
 *
 * libmicrohttpd runs in external polling mode: everything happens in http_run, in the daemon's one
 * thread. A request whose answer is not there yet is suspended; so is a stream with nothing to
 * send.
 */
#include "mgmt/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#include "mgmt/json_text.h"

#define STREAM_BLOCK_BYTES 32768

struct http_stream {
	struct history *history;
	uint64_t seq;
	char *line; /* being sent */
	size_t line_bytes, line_sent;
	bool follow;
};

struct http_request {
	struct http *http;
	struct http_request *next; /* in http->first */
	struct MHD_Connection *connection;
	char method[8];
	char path[1024];
	char *body;
	size_t body_bytes;
	bool too_large, dispatched, in_dispatch, suspended;
	json_t *json;
	struct MHD_Response *response; /* answered, not queued yet */
	unsigned int status;
	struct http_stream stream;
};

struct http {
	struct MHD_Daemon *daemon;
	int poll_fd;
	bool ending;
	http_dispatch *dispatch;
	void *context;
	struct http_request *first;
};

static void suspend(struct http_request *request)
{
	request->suspended = true;
	MHD_suspend_connection(request->connection);
}

static void resume(struct http_request *request)
{
	if (!request->suspended)
		return;
	request->suspended = false;
	MHD_resume_connection(request->connection);
}

static struct http_request *request_new(struct http *http, struct MHD_Connection *connection,
                                        const char *path, const char *method)
{
	struct http_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->http = http;
	request->connection = connection;
	snprintf(request->method, sizeof(request->method), "%s", method);
	snprintf(request->path, sizeof(request->path), "%s", path);
	request->next = http->first;
	http->first = request;
	return request;
}

static void take_body(struct http_request *request, const char *data, size_t bytes)
{
	char *body;

	if (request->too_large || request->body_bytes + bytes > HTTP_BODY_BYTES_MAX) {
		request->too_large = true;
		return;
	}
	body = realloc(request->body, request->body_bytes + bytes);
	if (body == NULL) {
		request->too_large = true;
		return;
	}
	memcpy(body + request->body_bytes, data, bytes);
	request->body = body;
	request->body_bytes += bytes;
}

static enum MHD_Result queue(struct http_request *request)
{
	enum MHD_Result result = MHD_queue_response(request->connection, request->status,
	                                            request->response);

	MHD_destroy_response(request->response);
	request->response = NULL;
	return result;
}

static void dispatch(struct http_request *request)
{
	request->dispatched = true;
	request->in_dispatch = true;
	if (request->too_large)
		http_reply_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "the request is too large");
	else
		request->http->dispatch(request->http->context, request);
	request->in_dispatch = false;
}

/* libmicrohttpd calls this when the headers are there, for each piece of a body, at its end, and
 * again after a suspended request was resumed. */
static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_bytes, void **state)
{
	struct http_request *request = *state;

	(void)version;
	if (request == NULL) {
		*state = request_new(context, connection, url, method);
		return *state != NULL ? MHD_YES : MHD_NO;
	}
	if (*data_bytes > 0) {
		take_body(request, data, *data_bytes);
		*data_bytes = 0;
		return MHD_YES;
	}
	if (!request->dispatched)
		dispatch(request);
	if (request->response != NULL)
		return queue(request);
	suspend(request);
	return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
	struct http *http = context;
	struct http_request *request = *state;

	(void)connection;
	(void)code;
	if (request == NULL)
		return;
	for (struct http_request **link = &http->first; *link != NULL; link = &(*link)->next)
		if (*link == request) {
			*link = request->next;
			break;
		}
	free(request->stream.line);
	free(request->body);
	json_decref(request->json);
	if (request->response != NULL)
		MHD_destroy_response(request->response);
	free(request);
	*state = NULL;
}

struct http *http_open(int listen_socket, http_dispatch *dispatch_request, void *context)
{
	struct http *http = calloc(1, sizeof(*http));
	const union MHD_DaemonInfo *info;

	if (http == NULL)
		goto fail;
	http->dispatch = dispatch_request;
	http->context = context;
	http->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, http,
	    MHD_OPTION_LISTEN_SOCKET, listen_socket, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
	    http, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTP_CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HTTP_IDLE_SECONDS, MHD_OPTION_END);
	if (http->daemon == NULL)
		goto fail;
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	ASSERT(info != NULL);
	http->poll_fd = info->epoll_fd;
	return http;

fail:
	free(http);
	close(listen_socket);
	return NULL;
}

void http_close(struct http *http)
{
	if (http == NULL)
		return;
	http->ending = true;
	for (struct http_request *r = http->first; r != NULL; r = r->next) {
		if (r->dispatched && r->response == NULL && r->stream.history == NULL)
			http_reply_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "postern-mgmtd ends");
		resume(r);
	}
	MHD_run(http->daemon);
	MHD_stop_daemon(http->daemon);
	free(http);
}

int http_poll_fd(const struct http *http)
{
	return http != NULL ? http->poll_fd : -1;
}

void http_run(struct http *http)
{
	if (http != NULL)
		MHD_run(http->daemon);
}

void http_wake(struct http *http)
{
	for (struct http_request *r = http->first; r != NULL; r = r->next)
		if (r->stream.follow)
			resume(r);
}

const char *http_method(const struct http_request *request)
{
	return request->method;
}

const char *http_path(const struct http_request *request)
{
	return request->path;
}

const char *http_query(const struct http_request *request, const char *key)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, key);
}

const json_t *http_body(const struct http_request *request)
{
	struct http_request *r = (struct http_request *)request;

	if (r->json == NULL && r->body != NULL)
		r->json = json_loadb(r->body, r->body_bytes, 0, NULL);
	return r->json;
}

static void reply(struct http_request *request, unsigned int status, const char *type,
                  struct MHD_Response *response)
{
	ASSERT(response != NULL);
	ASSERT(request->response == NULL);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	request->status = status;
	request->response = response;
	if (!request->in_dispatch)
		resume(request);
}

void http_reply_text(struct http_request *request, unsigned int status, const char *type,
                     char *text)
{
	static const char out_of_memory[] = "{\"error\":\"out of memory\"}\n";

	if (text != NULL)
		reply(request, status, type,
		      MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
	else
		reply(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "application/json",
		      MHD_create_response_from_buffer(sizeof(out_of_memory) - 1,
		                                      (void *)(uintptr_t)out_of_memory,
		                                      MHD_RESPMEM_PERSISTENT));
}

void http_reply_json(struct http_request *request, unsigned int status, json_t *body)
{
	char *text = json_line(body);

	json_decref(body);
	http_reply_text(request, status, "application/json", text);
}

void http_reply_error(struct http_request *request, unsigned int status, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	json_t *body = json_object();

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_object_set_new(body, "error", JSON_TEXT(text));
	http_reply_json(request, status, body);
}

/* Fills `buf` with lines of the history; suspends a stream that has come to its present end. */
static ssize_t stream_read(void *context, uint64_t position, char *buf, size_t bytes_max)
{
	struct http_request *request = context;
	struct http_stream *stream = &request->stream;
	size_t used = 0;

	(void)position;
	while (used < bytes_max) {
		size_t part;

		if (stream->line == NULL) {
			stream->line = history_next(stream->history, &stream->seq);
			if (stream->line == NULL)
				break;
			/* The line end takes the place of the NUL. */
			stream->line_bytes = strlen(stream->line) + 1;
			stream->line[stream->line_bytes - 1] = '\n';
			stream->line_sent = 0;
		}
		part = stream->line_bytes - stream->line_sent;
		if (part > bytes_max - used)
			part = bytes_max - used;
		memcpy(buf + used, stream->line + stream->line_sent, part);
		used += part;
		stream->line_sent += part;
		if (stream->line_sent == stream->line_bytes) {
			free(stream->line);
			stream->line = NULL;
		}
	}
	if (used > 0)
		return (ssize_t)used;
	if (!stream->follow || request->http->ending)
		return MHD_CONTENT_READER_END_OF_STREAM;
	suspend(request);
	return 0;
}

void http_reply_events(struct http_request *request, struct history *history, uint64_t after_seq,
                       bool follow)
{
	request->stream = (struct http_stream){
	    .history = history, .seq = after_seq, .follow = follow};
	/* A follower waits as long as nothing happens. */
	if (follow)
		MHD_set_connection_option(request->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	reply(request, MHD_HTTP_OK, "application/x-ndjson",
	      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, stream_read,
	                                        request, NULL));
}
