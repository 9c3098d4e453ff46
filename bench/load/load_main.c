/* load_main.c - postern-load: gives messages to sessions, waits for their sockets. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/load/load.h"

#define EPOLL_EVENTS 256

static volatile sig_atomic_t stopping;

static void on_signal(int signal_number)
{
	(void)signal_number;
	stopping = 1;
}

bool load_is_over(const struct load *load, uint64_t now_us)
{
	const struct load_options *o = &load->options;

	return stopping || load->totals.started >= o->messages ||
	       (o->duration_ms > 0 && now_us >= load->start_us + o->duration_ms * 1000);
}

/* --rate: never ahead of an even flow that began at the start. */
static bool rate_allows(const struct load *load, uint64_t now_us)
{
	return load->options.rate <= 0.0 ||
	       (double)load->totals.started <
	           (double)(now_us - load->start_us) * load->options.rate / 1e6;
}

bool load_take_message(struct load *load, struct load_session *session, uint64_t now_us)
{
	if (load_is_over(load, now_us) || !rate_allows(load, now_us))
		return false;
	session->n = ++load->totals.started;
	session->file = &load->files.file[load->order[(session->n - 1) % load->files.count]];
	session->busy = true;
	session->begun_us = now_us;
	session->code = 0;
	session->reply[0] = '\0';
	return true;
}

static bool is_idle(const struct load_session *s)
{
	return !s->busy && (s->state == SESSION_OFF || s->state == SESSION_READY);
}

/* Gives messages to sessions that have none, as long as there are both. */
static void begin_idle(struct load *load, uint64_t now_us)
{
	bool over = load_is_over(load, now_us);

	if (load->idle_count == 0 || load->idle_sent_home || (!over && !rate_allows(load, now_us)))
		return;
	/* From then on sessions that have delivered their message quit by themselves. */
	load->idle_sent_home = over;
	for (uint32_t i = 0; i < load->options.sessions; i++) {
		struct load_session *s = &load->session[i];
		if (!is_idle(s))
			continue;
		if (load_take_message(load, s, now_us))
			load_session_begin(load, s, now_us);
		else if (over && s->state == SESSION_READY)
			load_session_quit(load, s, now_us);
		else if (!over)
			return;
	}
}

static void check_timeouts(struct load *load, uint64_t now_us)
{
	for (uint32_t i = 0; i < load->options.sessions; i++)
		load_session_check_timeout(load, &load->session[i], now_us);
}

static void run(struct load *load)
{
	struct epoll_event events[EPOLL_EVENTS];
	uint64_t now_us = clock_now_us(), next_check_us = now_us + 1000000;

	load->start_us = load->end_us = now_us;
	for (;;) {
		begin_idle(load, now_us);
		if (load->active_count == 0 && load_is_over(load, now_us))
			return;
		bool unpaced = load->options.rate <= 0.0 && load->idle_count > 0 &&
		               !load_is_over(load, now_us);
		int wait_ms = unpaced ? 0 : load->options.rate > 0.0 ? 1 : 100;
		int count = epoll_wait(load->epoll, events, EPOLL_EVENTS, wait_ms);
		now_us = clock_now_us();
		for (int i = 0; i < count; i++)
			load_session_ready(load, events[i].data.ptr, events[i].events, now_us);
		if (now_us >= next_check_us) {
			check_timeouts(load, now_us);
			next_check_us = now_us + 1000000;
		}
	}
}

static bool prepare(struct load *load)
{
	uint32_t sessions = load->options.sessions, count = (uint32_t)load->files.count;

	if (load->options.messages < sessions)
		load->options.sessions = sessions = (uint32_t)load->options.messages;
	load->session = calloc(sessions, sizeof(*load->session));
	load->order = calloc(count, sizeof(*load->order));
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load->session == NULL || load->order == NULL || load->epoll < 0)
		return false;
	for (uint32_t i = 0; i < sessions; i++)
		load->session[i].fd = -1;
	load->idle_count = sessions;
	random_seed(&load->random, load->options.seed);
	for (uint32_t i = 0; i < count; i++)
		load->order[i] = i;
	for (uint32_t i = count; load->options.shuffle && i > 1; i--) {
		uint32_t j = random_below(&load->random, i), kept = load->order[i - 1];
		load->order[i - 1] = load->order[j];
		load->order[j] = kept;
	}
	if (load->options.log != NULL)
		load->log = fopen(load->options.log, "w");
	if (load->options.log != NULL && load->log == NULL)
		perror(load->options.log);
	return load->options.log == NULL || load->log != NULL;
}

int main(int argc, char **argv)
{
	static struct load load;
	struct sigaction action = {.sa_handler = on_signal};
	int exit_status;

	if (!load_options_parse(argc, argv, &load, &exit_status))
		return 2;
	if (exit_status >= 0)
		return exit_status;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	socket_raise_limit();
	if (!prepare(&load)) {
		fprintf(stderr, "postern-load: cannot start\n");
		return 2;
	}
	run(&load);
	bool written = load.log == NULL || fclose(load.log) == 0;
	load_print(&load);
	message_files_free(&load.files);
	free(load.session);
	free(load.order);
	return load.totals.protocol_errors > 0 || !written;
}
