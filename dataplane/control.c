/* control.c - the control thread: takes orders and generations from management, answers, retires.
 *
 * A publication is answered when all workers run it, in the order they came. A client that does not
 * read is let go: management connects again and is told everything anew.
 */
#include "dataplane/control.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attach.h"
#include "base/check.h"

#define CLIENTS_MAX  4
#define PENDING_MAX  16
#define MESSAGES_MAX 16 /* of one client in one turn */

struct pending {
	uint32_t client;
	struct attach_msg answer;
};

struct control {
	struct control_config config;
	int listener;
	int client[CLIENTS_MAX]; /* -1: none */
	bool draining;
	uint32_t pending_count;
	struct pending pending[PENDING_MAX];
};

static struct attach_msg message(enum attach_kind kind)
{
	struct attach_msg msg = {.magic = ATTACH_MAGIC, .kind = kind, .pid = (uint32_t)getpid()};

	snprintf(msg.version, sizeof(msg.version), "%s", POSTERN_VERSION);
	return msg;
}

enum err control_new(struct arena *arena, const struct control_config *config,
                     struct control **out_control)
{
	struct control *control = ARENA_TAKE(arena, 1, struct control);
	enum err err;

	if (control == NULL)
		return ERR_NO_MEMORY;
	control->config = *config;
	for (uint32_t i = 0; i < CLIENTS_MAX; i++)
		control->client[i] = -1;
	err = attach_listen(config->socket_path, &control->listener);
	if (err == OK)
		*out_control = control;
	return err;
}

static void client_drop(struct control *control, uint32_t client)
{
	uint32_t kept = 0;

	close(control->client[client]);
	control->client[client] = -1;
	/* Whoever served says so again; it may be dead. */
	if (control->config.questions != NULL)
		atomic_store(&question_rings_state(control->config.questions)->serving, 0);
	for (uint32_t i = 0; i < control->pending_count; i++)
		if (control->pending[i].client != client)
			control->pending[kept++] = control->pending[i];
	control->pending_count = kept;
}

static void client_send(struct control *control, uint32_t client, const struct attach_msg *msg,
                        int fd)
{
	if (control->client[client] >= 0 && attach_send(control->client[client], msg, fd) != OK)
		client_drop(control, client);
}

/* A new client learns what there is and what runs. */
static void client_greet(struct control *control, uint32_t client)
{
	struct attach_msg msg = message(ATTACH_HELLO);

	msg.number = control->config.start_wall_us;
	msg.start_wall_us = control->config.start_wall_us;
	msg.worker_count = control->config.worker_count;
	client_send(control, client, &msg, control->config.telemetry->fd);
	if (control->config.questions != NULL) {
		msg = message(ATTACH_QUESTIONS);
		client_send(control, client, &msg, control->config.questions->fd);
		msg = message(ATTACH_QUESTIONS_WAKE);
		client_send(control, client, &msg, control->config.questions_wake_fd);
	}
	for (uint32_t kind = 0; kind < GENERATION_KIND_COUNT; kind++) {
		const struct generation *generation = rules_generation(control->config.rules, kind);

		if (generation == NULL)
			continue;
		msg = message(ATTACH_CURRENT);
		msg.generation_kind = kind;
		msg.number = generation->number;
		client_send(control, client, &msg, generation->fd);
	}
}

static void client_accept(struct control *control)
{
	int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (uint32_t i = 0; i < CLIENTS_MAX; i++)
		if (control->client[i] < 0) {
			control->client[i] = fd;
			client_greet(control, i);
			return;
		}
	close(fd);
}

static void wake_workers(struct control *control)
{
	for (uint32_t w = 0; w < control->config.worker_count; w++) {
		struct worker_link *link = control->config.links[w];

		worker_link_order(link, &link->drain, control->draining);
	}
}

static void tell_lists(struct control *control, enum generation_kind kind)
{
	const struct control_config *c = &control->config;

	if (c->lists_changed != NULL && (kind == GENERATION_LISTS || kind == GENERATION_DELTA))
		c->lists_changed(c->context, kind, rules_lists(c->rules, kind));
}

static void handle_publish(struct control *control, uint32_t client, const struct attach_msg *msg,
                           int fd)
{
	struct attach_msg answer = message(ATTACH_PUBLISHED);
	enum generation_kind kind = msg->generation_kind;
	uint64_t number = msg->number;
	enum err err = ERR_SYNTAX;

	static_assert(RULES_REASON_BYTES <= ATTACH_REASON_BYTES, "a reason fits a message");
	if (fd < 0) {
		snprintf(answer.reason, sizeof(answer.reason),
		         "no descriptor came with the generation");
	} else if (control->pending_count == PENDING_MAX) {
		err = ERR_BUSY;
		snprintf(answer.reason, sizeof(answer.reason),
		         "too many publications wait for the workers");
	} else {
		err = rules_publish(control->config.rules, fd, &kind, &number, answer.reason);
	}
	answer.generation_kind = kind;
	answer.number = number;
	answer.error = err;
	if (err != OK) {
		if (fd >= 0)
			close(fd);
		client_send(control, client, &answer, -1);
		return;
	}
	control->pending[control->pending_count++] = (struct pending){client, answer};
	tell_lists(control, kind);
	wake_workers(control);
}

static void handle_drain(struct control *control, uint32_t client, bool drain)
{
	struct attach_msg answer = message(ATTACH_PUBLISHED);

	control->draining = drain;
	wake_workers(control);
	answer.error = OK;
	answer.draining = drain;
	client_send(control, client, &answer, -1);
}

static void handle_reload(struct control *control, uint32_t client)
{
	struct attach_msg answer = message(ATTACH_PUBLISHED);
	char reason[CONFIG_ERROR_BYTES] = "this process cannot reload";

	answer.error = ERR_UNSUPPORTED;
	if (control->config.reload != NULL)
		answer.error = control->config.reload(control->config.context, reason);
	if (answer.error != OK)
		snprintf(answer.reason, sizeof(answer.reason), "%.*s", ATTACH_REASON_BYTES - 1,
		         reason);
	client_send(control, client, &answer, -1);
}

static void handle_status(struct control *control, uint32_t client)
{
	struct attach_msg answer = message(ATTACH_STATUS);

	answer.worker_count = control->config.worker_count;
	answer.start_wall_us = control->config.start_wall_us;
	answer.draining = control->draining;
	if (control->config.replies != NULL)
		snprintf(answer.reason, sizeof(answer.reason), "%s", control->config.replies);
	for (uint32_t w = 0; w < control->config.worker_count; w++)
		answer.session_count += atomic_load_explicit(
		    &control->config.links[w]->session_count, memory_order_relaxed);
	for (uint32_t kind = 0; kind < GENERATION_KIND_COUNT; kind++)
		answer.generation_number[kind] = rules_number_running(control->config.rules, kind);
	client_send(control, client, &answer, -1);
}

static void handle(struct control *control, uint32_t client, const struct attach_msg *msg, int fd)
{
	switch (msg->kind) {
	case ATTACH_PUBLISH:
		handle_publish(control, client, msg, fd);
		return; /* has kept or closed fd */
	case ATTACH_DRAIN:
		handle_drain(control, client, true);
		break;
	case ATTACH_RESUME:
		handle_drain(control, client, false);
		break;
	case ATTACH_RELOAD:
		handle_reload(control, client);
		break;
	case ATTACH_STATUS:
		handle_status(control, client);
		break;
	default: /* only the dataplane says these */
		client_drop(control, client);
		break;
	}
	if (fd >= 0)
		close(fd);
}

static void client_read(struct control *control, uint32_t client)
{
	for (uint32_t i = 0; i < MESSAGES_MAX && control->client[client] >= 0; i++) {
		struct attach_msg msg;
		int fd;
		enum err err = attach_receive(control->client[client], &msg, &fd);

		if (err == ERR_BUSY)
			return;
		if (err != OK) {
			client_drop(control, client);
			return;
		}
		handle(control, client, &msg, fd);
	}
}

/* Once all workers run what was published last, all that was published before is answered. */
static void answer_pending(struct control *control)
{
	if (control->pending_count == 0 || !rules_settled(control->config.rules))
		return;
	for (uint32_t left = control->pending_count; left > 0 && control->pending_count > 0;
	     left--) {
		struct pending first = control->pending[0];

		control->pending_count--;
		memmove(control->pending, control->pending + 1,
		        control->pending_count * sizeof(first));
		client_send(control, first.client, &first.answer, -1);
	}
}

void control_turn(struct control *control, int timeout_ms)
{
	struct pollfd fds[CLIENTS_MAX + 1] = {{.fd = control->listener, .events = POLLIN}};

	for (uint32_t i = 0; i < CLIENTS_MAX; i++)
		fds[i + 1] = (struct pollfd){.fd = control->client[i], .events = POLLIN};
	if (control->pending_count > 0 && timeout_ms > 1)
		timeout_ms = 1;
	if (poll(fds, CLIENTS_MAX + 1, timeout_ms) > 0) {
		for (uint32_t i = 0; i < CLIENTS_MAX; i++)
			if (fds[i + 1].revents != 0)
				client_read(control, i);
		if (fds[0].revents != 0)
			client_accept(control);
	}
	answer_pending(control);
	(void)rules_retire(control->config.rules);
}

bool control_is_draining(const struct control *control)
{
	return control->draining;
}

void control_close(struct control *control)
{
	for (uint32_t i = 0; i < CLIENTS_MAX; i++)
		if (control->client[i] >= 0)
			close(control->client[i]);
	close(control->listener);
	(void)unlink(control->config.socket_path);
}
