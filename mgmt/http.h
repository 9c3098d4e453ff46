/* http.h - HTTP/1.1 over libmicrohttpd, run from the daemon's own loop.
 *
 * A request is given to the dispatcher once it is there completely; its answer may come at once or
 * later. A client may also be given the history as a stream of JSON lines that goes on as events
 * come in.
 */
#ifndef MGMT_HTTP_H
#define MGMT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

#include "mgmt/history.h"

#define HTTP_BODY_BYTES_MAX  (1u << 20)
#define HTTP_CONNECTIONS_MAX 64
#define HTTP_IDLE_SECONDS    60

struct http;
struct http_request;

/* Answers with exactly one of the http_reply calls, now or later. */
typedef void http_dispatch(void *context, struct http_request *request);

/* Serves `listen_socket`, which is taken over also on failure (NULL then). */
struct http *http_open(int listen_socket, http_dispatch *dispatch, void *context);
void http_close(struct http *http);
int http_poll_fd(const struct http *http);
void http_run(struct http *http);
/* New events are in the history: those who follow it get them. */
void http_wake(struct http *http);

const char *http_method(const struct http_request *request);
/* Decoded, without the query. */
const char *http_path(const struct http_request *request);
/* NULL when it is not there. */
const char *http_query(const struct http_request *request, const char *key);
/* NULL when there is no body or it is no JSON. */
const json_t *http_body(const struct http_request *request);

/* `body` is taken. */
void http_reply_json(struct http_request *request, unsigned int status, json_t *body);
/* `text` is malloc'ed and taken; NULL is answered with 500. */
void http_reply_text(struct http_request *request, unsigned int status, const char *type,
                     char *text);
void http_reply_error(struct http_request *request, unsigned int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* All events above `after_seq`, one a line, and with `follow` those to come. Keeps `history`. */
void http_reply_events(struct http_request *request, struct history *history, uint64_t after_seq,
                       bool follow);

/* A listening Unix socket with `mode`, in a folder that is made when it is missing; a stale one is
 * replaced. `out_reason` (512 octets) says what is wrong. */
MUST_CHECK enum err http_listen_unix(const char *path, int *out_socket, char *out_reason);
/* A listening socket on 127.0.0.1. */
MUST_CHECK enum err http_listen_local(uint16_t port, int *out_socket);

#endif
