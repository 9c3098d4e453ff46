/* resolver.c - asks DNS servers, by c-ares. */
#include "mgmt/resolver.h"

#include <ares.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/check.h"

#define CLASS_IN   1
#define TRIES      2
#define TIMEOUTS   3 /* c-ares doubles the time of the second try */
#define TTL_FAILED 5 /* seconds: others do not wait for it again meanwhile */

enum { PATIENT, ONCE, CHANNELS }; /* when a server fails: the next one, or what it said */

struct resolver {
	ares_channel channel[CHANNELS];
	resolver_done *done;
	void *context;
	bool closing;
};

struct pending { /* one query; c-ares keeps it */
	struct resolver *resolver;
	void *lookup;
	uint16_t type;
};

static int open_channel(struct resolver *resolver, int which, const char *server,
                        uint32_t timeout_ms)
{
	struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
	                                        (which == ONCE ? ARES_FLAG_NOCHECKRESP : 0),
	                               .timeout = (int)(timeout_ms / TIMEOUTS + 1),
	                               .tries = TRIES};
	const int wanted = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
	int status = ares_init_options(&resolver->channel[which], &options, wanted);

	if (status != ARES_SUCCESS)
		resolver->channel[which] = NULL;
	else if (server[0] != '\0')
		status = ares_set_servers_ports_csv(resolver->channel[which], server);
	return status;
}

struct resolver *resolver_new(const char *server, uint32_t timeout_ms, resolver_done *done,
                              void *context, char *reason)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	int status = ARES_ENOMEM;

	if (resolver != NULL)
		status = ares_library_init(ARES_LIB_INIT_ALL);
	for (int i = 0; status == ARES_SUCCESS && i < CHANNELS; i++)
		status = open_channel(resolver, i, server, timeout_ms);
	if (status == ARES_SUCCESS) {
		resolver->done = done;
		resolver->context = context;
		return resolver;
	}
	snprintf(reason, 256, "DNS resolver %s: %s; see checks.resolver",
	         server[0] != '\0' ? server : "/etc/resolv.conf", ares_strerror(status));
	resolver_free(resolver);
	return NULL;
}

void resolver_free(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	resolver->closing = true;
	for (int i = 0; i < CHANNELS; i++)
		if (resolver->channel[i] != NULL)
			ares_destroy(resolver->channel[i]);
	free(resolver);
}

static void replied(void *argument, int status, int timeouts, unsigned char *packet, int bytes)
{
	struct pending *pending = argument;
	struct resolver *resolver = pending->resolver;
	struct dns_reply reply;

	(void)timeouts;
	dns_reply_clear(&reply, ANSWER_FAILED, TTL_FAILED);
	/* With a packet somebody has replied, whatever it was. */
	if (status != ARES_EBADRESP && packet != NULL && bytes > 0)
		dns_reply_parse(bytes_of(packet, (size_t)bytes), pending->type, &reply);
	if (packet != NULL && bytes > 0)
		reply.packet = bytes_of(packet, (size_t)bytes);
	if (reply.result == ANSWER_FAILED)
		reply.ttl_s = TTL_FAILED;
	reply.timed_out = status == ARES_ETIMEOUT;
	if (!resolver->closing)
		resolver->done(resolver->context, pending->lookup, &reply);
	free(pending);
}

void resolver_ask(struct resolver *resolver, const char *name, uint16_t type, bool once,
                  void *lookup)
{
	struct pending *pending = malloc(sizeof(*pending));

	if (pending == NULL) {
		struct dns_reply reply;

		dns_reply_clear(&reply, ANSWER_FAILED, TTL_FAILED);
		resolver->done(resolver->context, lookup, &reply);
		return;
	}
	*pending = (struct pending){resolver, lookup, type};
	ares_query(resolver->channel[once ? ONCE : PATIENT], name, CLASS_IN, type, replied,
	           pending);
}

static uint32_t channel_fds(ares_channel channel, struct pollfd *out_fds)
{
	ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
	uint32_t bits = (uint32_t)ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
	uint32_t count = 0;

	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		/* Readable below, writable above; the library's macros shift a signed 1. */
		short events = (short)((bits >> i & 1 ? POLLIN : 0) |
		                       (bits >> (i + ARES_GETSOCK_MAXNUM) & 1 ? POLLOUT : 0));

		if (events != 0)
			out_fds[count++] = (struct pollfd){.fd = sockets[i], .events = events};
	}
	return count;
}

uint32_t resolver_poll_fds(struct resolver *resolver, struct pollfd *out_fds)
{
	uint32_t count = 0;

	static_assert(RESOLVER_FDS_MAX >= CHANNELS * ARES_GETSOCK_MAXNUM, "all fit");
	for (int i = 0; i < CHANNELS; i++)
		count += channel_fds(resolver->channel[i], out_fds + count);
	return count;
}

int resolver_wait_ms(struct resolver *resolver, int most_ms)
{
	for (int i = 0; i < CHANNELS; i++) {
		struct timeval most = {.tv_sec = most_ms / 1000, .tv_usec = most_ms % 1000 * 1000};
		struct timeval place;
		const struct timeval *wait = ares_timeout(resolver->channel[i], &most, &place);

		if (wait != NULL)
			most_ms = (int)(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000);
	}
	return most_ms;
}

static void run_channel(ares_channel channel)
{
	struct pollfd fds[ARES_GETSOCK_MAXNUM];
	uint32_t count = channel_fds(channel, fds);

	if (count > 0 && poll(fds, count, 0) > 0)
		for (uint32_t i = 0; i < count; i++)
			ares_process_fd(
			    channel,
			    (fds[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0 ? fds[i].fd
			                                                         : ARES_SOCKET_BAD,
			    (fds[i].revents & POLLOUT) != 0 ? fds[i].fd : ARES_SOCKET_BAD);
	ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void resolver_run(struct resolver *resolver)
{
	for (int i = 0; i < CHANNELS; i++)
		run_channel(resolver->channel[i]);
}
