/* sink_main.c - postern-sink: one thread, epoll, any number of connections. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/sink/sink.h"

#define EPOLL_EVENTS 256

static volatile sig_atomic_t stopping;

static void on_signal(int signal_number)
{
	(void)signal_number;
	stopping = 1;
}

static void conn_close(struct sink *sink, struct sink_conn *conn)
{
	sink->paused_count -= conn->paused;
	sink->totals.lost += smtp_server_in_body(&conn->server);
	if (conn->previous != NULL)
		conn->previous->next = conn->next;
	else
		sink->conns = conn->next;
	if (conn->next != NULL)
		conn->next->previous = conn->previous;
	close(conn->fd);
	free(conn->transaction);
	free(conn->body);
	free(conn->left);
	free(conn);
}

static void conn_watch(struct sink *sink, struct sink_conn *conn, uint32_t events, int operation)
{
	struct epoll_event event = {.events = events, .data.ptr = conn};

	if (epoll_ctl(sink->epoll, operation, conn->fd, &event) < 0)
		perror("epoll_ctl");
}

/* Sends what is there. False when the connection is gone or done. */
static bool conn_flush(struct sink *sink, struct sink_conn *conn)
{
	while (conn->out_sent < conn->out.len) {
		ssize_t sent = send(conn->fd, conn->out.data + conn->out_sent,
		                    conn->out.len - conn->out_sent, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			conn_watch(sink, conn, EPOLLOUT, EPOLL_CTL_MOD);
			return true;
		}
		if (sent < 0)
			return false;
		conn->out_sent += (size_t)sent;
	}
	buf_clear(&conn->out);
	conn->out_sent = 0;
	return !conn->closing;
}

/* Sends and goes on with input that had to wait for room. */
static bool conn_go_on(struct sink *sink, struct sink_conn *conn, uint64_t now_us)
{
	for (;;) {
		if (!conn_flush(sink, conn))
			return false;
		bool stuck = conn->out.len > 0 || conn->paused || conn->left_bytes == 0;
		if (stuck)
			return true;
		if (!sink_session_resume(sink, conn, now_us))
			return false;
	}
}

static bool conn_read(struct sink *sink, struct sink_conn *conn, uint64_t now_us)
{
	ssize_t got = recv(conn->fd, sink->in, sizeof(sink->in), 0);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	return sink_session_input(sink, conn, bytes_of(sink->in, (size_t)got), now_us) &&
	       conn_go_on(sink, conn, now_us);
}

/* While paused or full nothing is read: the client feels it as a closed window. */
static void conn_watch_again(struct sink *sink, struct sink_conn *conn)
{
	if (conn->out.len > 0)
		return; /* EPOLLOUT is being watched */
	conn_watch(sink, conn, conn->paused ? 0 : (uint32_t)EPOLLIN, EPOLL_CTL_MOD);
}

static void conn_ready(struct sink *sink, struct sink_conn *conn, uint32_t events, uint64_t now_us)
{
	bool was_paused = conn->paused, was_full = conn->out.len > 0;
	bool open = true;

	if (was_full)
		open = conn_go_on(sink, conn, now_us);
	else if (!was_paused)
		open = conn_read(sink, conn, now_us);
	else if (events & (EPOLLERR | EPOLLHUP))
		open = false;
	if (!open)
		conn_close(sink, conn);
	else if (conn->paused != was_paused || (was_full && conn->out.len == 0))
		conn_watch_again(sink, conn);
}

static void accept_one(struct sink *sink, int fd, const struct socket_address *peer,
                       uint64_t now_us)
{
	struct sink_conn *conn = calloc(1, sizeof(*conn));

	if (conn != NULL)
		conn->transaction = malloc(sizeof(*conn->transaction));
	if (conn == NULL || conn->transaction == NULL) {
		free(conn);
		close(fd);
		return;
	}
	conn->fd = fd;
	conn->peer = *peer;
	conn->next = sink->conns;
	if (sink->conns != NULL)
		sink->conns->previous = conn;
	sink->conns = conn;
	sink->totals.connections++;
	conn_watch(sink, conn, EPOLLIN, EPOLL_CTL_ADD);
	if (!sink_session_start(sink, conn, now_us) || !conn_flush(sink, conn))
		conn_close(sink, conn);
	else if (conn->paused)
		conn_watch_again(sink, conn);
}

static void accept_all(struct sink *sink, int listener, uint64_t now_us)
{
	for (int i = 0; i < EPOLL_EVENTS; i++) {
		struct socket_address peer = {.len = sizeof(peer.storage)};
		int fd = accept4(listener, (struct sockaddr *)&peer.storage, &peer.len,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		accept_one(sink, fd, &peer, now_us);
	}
}

/* Resumes what is due; returns milliseconds to the next one, at most a second. */
static int resume_due(struct sink *sink, uint64_t now_us)
{
	uint64_t next_us = now_us + 1000000;
	struct sink_conn *next;

	if (sink->paused_count == 0)
		return 1000;
	if (now_us < sink->resume_us)
		return (int)((sink->resume_us - now_us + 999) / 1000);
	for (struct sink_conn *conn = sink->conns; conn != NULL; conn = next) {
		next = conn->next;
		if (!conn->paused)
			continue;
		if (conn->resume_us > now_us) {
			next_us = conn->resume_us < next_us ? conn->resume_us : next_us;
			continue;
		}
		if (!sink_session_resume(sink, conn, now_us) || !conn_go_on(sink, conn, now_us))
			conn_close(sink, conn);
		else
			conn_watch_again(sink, conn);
	}
	/* Those that paused meanwhile, while others were resumed, may be due before next_us. */
	sink->resume_us = next_us < sink->resume_us || sink->resume_us <= now_us ? next_us
	                                                                         : sink->resume_us;
	return (int)((sink->resume_us - now_us + 999) / 1000);
}

static bool is_done(const struct sink *sink)
{
	return stopping ||
	       (sink->options.exit_after > 0 && sink->totals.messages >= sink->options.exit_after);
}

static void run(struct sink *sink)
{
	struct epoll_event events[EPOLL_EVENTS];
	int wait_ms = 1000;

	while (!is_done(sink)) {
		int count = epoll_wait(sink->epoll, events, EPOLL_EVENTS, wait_ms);
		uint64_t now_us = clock_now_us();
		for (int i = 0; i < count; i++) {
			struct sink_conn *conn = events[i].data.ptr;
			if (conn->listening)
				accept_all(sink, conn->fd, now_us);
			else
				conn_ready(sink, conn, events[i].events, now_us);
		}
		wait_ms = resume_due(sink, now_us);
	}
}

static bool listen_all(struct sink *sink, struct sink_conn *listeners)
{
	for (uint32_t i = 0; i < sink->options.listen_count; i++) {
		char text[64];
		listeners[i].listening = true;
		listeners[i].fd = socket_listen(&sink->options.listen[i]);
		if (listeners[i].fd < 0) {
			fprintf(stderr, "postern-sink: %s: %s\n",
			        socket_format_address(&sink->options.listen[i], text),
			        strerror(errno));
			return false;
		}
		conn_watch(sink, &listeners[i], EPOLLIN, EPOLL_CTL_ADD);
	}
	return true;
}

static void print_totals(const struct sink *sink)
{
	const struct sink_totals *t = &sink->totals;

	printf("{\"connections\":%llu,\"messages\":%llu,\"bytes\":%llu,\"recipients\":%llu,"
	       "\"faults\":%llu,"
	       "\"disconnects\":%llu,\"defective\":%llu,\"lost\":%llu,\"write_errors\":%llu,"
	       "\"commands\":%llu}\n",
	       (unsigned long long)t->connections, (unsigned long long)t->messages,
	       (unsigned long long)t->message_bytes, (unsigned long long)t->recipients,
	       (unsigned long long)t->faults, (unsigned long long)t->disconnects,
	       (unsigned long long)t->defective, (unsigned long long)t->lost,
	       (unsigned long long)t->write_errors, (unsigned long long)sink->counters.commands);
}

static bool open_log(struct sink *sink)
{
	if (sink->options.log == NULL)
		return true;
	sink->log = fopen(sink->options.log, "w");
	if (sink->log == NULL)
		perror(sink->options.log);
	return sink->log != NULL;
}

int main(int argc, char **argv)
{
	static struct sink sink;
	static struct sink_conn listeners[SINK_LISTENERS_MAX];
	struct sigaction action = {.sa_handler = on_signal};
	int exit_status;

	if (!sink_options_parse(argc, argv, &sink.options, &exit_status))
		return 2;
	if (exit_status >= 0)
		return exit_status;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	socket_raise_limit();
	random_seed(&sink.random, sink.options.seed);
	sink.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sink.epoll < 0 || !open_log(&sink) || !listen_all(&sink, listeners))
		return 1;
	run(&sink);
	while (sink.conns != NULL)
		conn_close(&sink, sink.conns);
	if (sink.log != NULL && fclose(sink.log) != 0)
		sink.totals.write_errors++;
	if (!sink.options.quiet)
		print_totals(&sink);
	return sink.totals.write_errors > 0;
}
