/* publisher.c - talks to the dataplane: attaches, publishes, asks for its status. */
#include "mgmt/publisher.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/err.h"

#include "mgmt/log.h"

#define RETRY_US_MIN 50000
#define RETRY_US_MAX 1000000
#define STATUS_US    500000
#define RECEIVED_MAX 64 /* messages of one turn */
#define REQUEST_AT(publisher, index) \
	((publisher)->request[((publisher)->request_head + (index)) % PUBLISHER_REQUESTS_MAX])

static const char no_dataplane[] = "the dataplane does not run";

void publisher_open(struct publisher *publisher, const char *path,
                    const struct publisher_hooks *hooks)
{
	memset(publisher, 0, sizeof(*publisher));
	publisher->path = path;
	publisher->hooks = *hooks;
	publisher->socket = -1;
	publisher->retry_us = RETRY_US_MIN;
	for (int i = 0; i < GENERATION_KIND_COUNT; i++)
		publisher->wanted[i].fd = -1;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int publisher_poll_fd(const struct publisher *publisher)
{
	return publisher->socket;
}

bool publisher_is_synced(const struct publisher *publisher)
{
	return publisher->socket >= 0 && publisher->synced;
}

uint64_t publisher_number_max(const struct publisher *publisher)
{
	uint64_t max = 0;

	for (int i = 0; i < GENERATION_KIND_COUNT; i++) {
		if (publisher->running[i] > max)
			max = publisher->running[i];
		if (publisher->wanted[i].number > max)
			max = publisher->wanted[i].number;
	}
	for (uint32_t i = 0; i < publisher->request_count; i++)
		if (REQUEST_AT(publisher, i).number > max)
			max = REQUEST_AT(publisher, i).number;
	return max;
}

static void want(struct publisher *publisher, enum generation_kind kind, int fd, uint64_t number)
{
	struct publisher_wanted *wanted = &publisher->wanted[kind];

	close_fd(&wanted->fd);
	*wanted = (struct publisher_wanted){.fd = fd, .number = number};
}

static enum err enqueue(struct publisher *publisher, const struct publisher_request *request)
{
	if (publisher->request_count == PUBLISHER_REQUESTS_MAX)
		return ERR_FULL;
	REQUEST_AT(publisher, publisher->request_count) = *request;
	publisher->request_count++;
	return OK;
}

/* Takes the first request out and tells who asked for it. */
static void finish(struct publisher *publisher, enum err error, const char *reason)
{
	struct publisher_request request = REQUEST_AT(publisher, 0);

	ASSERT(publisher->request_count > 0);
	publisher->request_head = (publisher->request_head + 1) % PUBLISHER_REQUESTS_MAX;
	publisher->request_count--;
	publisher->in_flight = false;
	if (request.kind == ATTACH_PUBLISH && !request.again) {
		if (error == OK || error == ERR_CLOSED)
			want(publisher, request.generation_kind, request.fd, request.number);
		else
			close_fd(&request.fd);
	}
	if (request.kind == ATTACH_PUBLISH && error == OK)
		publisher->running[request.generation_kind] = request.number;
	if (request.again && error != OK && error != ERR_CLOSED)
		log_error(
		    "the dataplane refused generation %llu again: %s; push rules or lists anew",
		    (unsigned long long)request.number, reason);
	if (request.done != NULL)
		request.done(request.context, error, reason);
}

void publisher_close(struct publisher *publisher)
{
	close_fd(&publisher->socket);
	while (publisher->request_count > 0)
		finish(publisher, ERR_CLOSED, "postern-mgmtd ends");
	for (int i = 0; i < GENERATION_KIND_COUNT; i++)
		close_fd(&publisher->wanted[i].fd);
}

static void back_off(struct publisher *publisher, uint64_t now_us)
{
	publisher->retry_at_us = now_us + publisher->retry_us;
	publisher->retry_us *= 2;
	if (publisher->retry_us > RETRY_US_MAX)
		publisher->retry_us = RETRY_US_MAX;
}

static void disconnect(struct publisher *publisher, uint64_t now_us)
{
	bool was_synced = publisher->synced;

	close_fd(&publisher->socket);
	publisher->synced = false;
	publisher->status_asked = false;
	back_off(publisher, now_us);
	memset(publisher->running, 0, sizeof(publisher->running));
	while (publisher->request_count > 0)
		finish(publisher, ERR_CLOSED, no_dataplane);
	if (was_synced) {
		log_warning("the dataplane closed its socket %s; waiting for it", publisher->path);
		publisher->hooks.lost(publisher->hooks.context);
	}
}

static void try_connect(struct publisher *publisher, uint64_t now_us)
{
	if (now_us < publisher->retry_at_us)
		return;
	if (attach_connect(publisher->path, &publisher->socket) == OK)
		return;
	publisher->socket = -1;
	if (!publisher->failed_once)
		log_info("no dataplane at %s yet (%s); trying again until there is one",
		         publisher->path, strerror(errno));
	publisher->failed_once = true;
	back_off(publisher, now_us);
}

static void take_hello(struct publisher *publisher, const struct attach_msg *msg, int *fd)
{
	publisher->new_dataplane = msg->number != publisher->dataplane_start_us;
	publisher->dataplane_start_us = msg->number;
	if (*fd < 0) {
		log_error("the dataplane sent no telemetry; is it of another version?");
		return;
	}
	publisher->hooks.telemetry(publisher->hooks.context, *fd, publisher->new_dataplane);
	*fd = -1;
}

/* A generation in force. When nothing else is wanted it becomes what is wanted. */
static void take_current(struct publisher *publisher, int *fd)
{
	struct generation generation;
	enum err err;

	if (*fd < 0)
		return;
	err = generation_open(&generation, *fd);
	if (err != OK) {
		log_warning("a generation of the dataplane cannot be read: %s", err_text(err));
		return;
	}
	publisher->running[generation.kind] = generation.number;
	if (publisher->wanted[generation.kind].fd < 0) {
		int copy = dup(*fd);

		if (copy >= 0)
			want(publisher, generation.kind, copy, generation.number);
	}
	publisher->hooks.current(publisher->hooks.context, &generation);
	/* generation_close also closes the descriptor it keeps. */
	generation_close(&generation);
	*fd = -1;
}

static void send_wanted(struct publisher *publisher)
{
	for (int kind = 0; kind < GENERATION_KIND_COUNT; kind++) {
		const struct publisher_wanted *wanted = &publisher->wanted[kind];
		struct publisher_request request = {.kind = ATTACH_PUBLISH,
		                                    .generation_kind = (enum generation_kind)kind,
		                                    .fd = wanted->fd,
		                                    .number = wanted->number,
		                                    .again = true};

		if (wanted->fd < 0 || publisher->running[kind] == wanted->number)
			continue;
		if (enqueue(publisher, &request) != OK)
			log_error("too many requests wait for the dataplane");
	}
}

static void take_status(struct publisher *publisher, const struct attach_msg *msg)
{
	publisher->status = *msg;
	publisher->status.version[sizeof(publisher->status.version) - 1] = '\0';
	publisher->status.reason[sizeof(publisher->status.reason) - 1] = '\0';
	publisher->status_asked = false;
	if (publisher->synced)
		return;
	/* The first answer comes after HELLO and every CURRENT: all that is in force is known now.
	 */
	publisher->synced = true;
	publisher->retry_us = RETRY_US_MIN;
	log_info("attached to the dataplane, pid %u, version %s, %u workers%s", msg->pid,
	         publisher->status.version, msg->worker_count,
	         publisher->new_dataplane ? "" : ", the same as before");
	send_wanted(publisher);
	publisher->hooks.synced(publisher->hooks.context, publisher->new_dataplane);
}

static void take(struct publisher *publisher, struct attach_msg *msg, int *fd)
{
	msg->reason[sizeof(msg->reason) - 1] = '\0';
	switch (msg->kind) {
	case ATTACH_HELLO:
		take_hello(publisher, msg, fd);
		break;
	case ATTACH_QUESTIONS:
	case ATTACH_QUESTIONS_WAKE:
		if (*fd >= 0)
			publisher->hooks.questions(publisher->hooks.context, *fd,
			                           msg->kind == ATTACH_QUESTIONS_WAKE);
		*fd = -1;
		break;
	case ATTACH_CURRENT:
		take_current(publisher, fd);
		break;
	case ATTACH_STATUS:
		take_status(publisher, msg);
		break;
	case ATTACH_PUBLISHED:
		publisher->status_at_us = 0;
		if (publisher->in_flight)
			finish(publisher, msg->error < ERR_COUNT ? (enum err)msg->error : ERR_STATE,
			       msg->reason);
		break;
	default:
		log_warning("the dataplane sent a message of unknown kind %u", msg->kind);
	}
	close_fd(fd);
}

static enum err receive_all(struct publisher *publisher)
{
	for (int i = 0; i < RECEIVED_MAX; i++) {
		struct attach_msg msg;
		int fd = -1;
		enum err err = attach_receive(publisher->socket, &msg, &fd);

		if (err == ERR_BUSY)
			return OK;
		if (err != OK)
			return err;
		take(publisher, &msg, &fd);
	}
	return OK;
}

static enum err send_due(struct publisher *publisher, uint64_t now_us)
{
	struct attach_msg msg = {.magic = ATTACH_MAGIC, .kind = ATTACH_STATUS};
	enum err err;

	if (!publisher->status_asked && now_us >= publisher->status_at_us) {
		err = attach_send(publisher->socket, &msg, -1);
		if (err != OK)
			return err == ERR_BUSY ? OK : err;
		publisher->status_asked = true;
		publisher->status_at_us = now_us + STATUS_US;
	}
	if (publisher->synced && !publisher->in_flight && publisher->request_count > 0) {
		const struct publisher_request *request = &REQUEST_AT(publisher, 0);

		msg.kind = request->kind;
		msg.generation_kind = request->generation_kind;
		msg.number = request->number;
		err = attach_send(publisher->socket, &msg, request->fd);
		if (err != OK)
			return err == ERR_BUSY ? OK : err;
		publisher->in_flight = true;
	}
	return OK;
}

void publisher_run(struct publisher *publisher, uint64_t now_us)
{
	if (publisher->socket < 0)
		try_connect(publisher, now_us);
	if (publisher->socket < 0)
		return;
	if (receive_all(publisher) != OK || send_due(publisher, now_us) != OK)
		disconnect(publisher, now_us);
}

enum err publisher_publish(struct publisher *publisher, enum generation_kind kind, int fd,
                           uint64_t number, publisher_done *done, void *context)
{
	struct publisher_request request = {.kind = ATTACH_PUBLISH,
	                                    .generation_kind = kind,
	                                    .fd = fd,
	                                    .number = number,
	                                    .done = done,
	                                    .context = context};
	enum err err = enqueue(publisher, &request);

	if (err == OK && publisher->socket < 0)
		finish(publisher, ERR_CLOSED, no_dataplane);
	return err;
}

enum err publisher_control(struct publisher *publisher, enum attach_kind kind, publisher_done *done,
                           void *context)
{
	struct publisher_request request = {
	    .kind = kind, .fd = -1, .done = done, .context = context};
	enum err err = enqueue(publisher, &request);

	if (err == OK && publisher->socket < 0)
		finish(publisher, ERR_CLOSED, no_dataplane);
	return err;
}
