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

struct resolver {
	ares_channel channel;
	resolver_done *done;
	void *context;
	bool closing;
};

struct pending { /* one query; c-ares keeps it */
	struct resolver *resolver;
	void *lookup;
	uint16_t type;
};

struct resolver *resolver_new(const char *server, uint32_t timeout_ms, resolver_done *done,
                              void *context, char *reason)
{
	struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
	                               .timeout = (int)(timeout_ms / TIMEOUTS + 1),
	                               .tries = TRIES};
	const int wanted = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	int status = ARES_ENOMEM;

	if (resolver == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		goto fail;
	status = ares_init_options(&resolver->channel, &options, wanted);
	if (status != ARES_SUCCESS)
		goto fail;
	resolver->done = done;
	resolver->context = context;
	if (server[0] != '\0')
		status = ares_set_servers_ports_csv(resolver->channel, server);
	if (status == ARES_SUCCESS)
		return resolver;
	ares_destroy(resolver->channel);
fail:
	snprintf(reason, 256, "DNS resolver %s: %s; see checks.resolver",
	         server[0] != '\0' ? server : "/etc/resolv.conf", ares_strerror(status));
	free(resolver);
	return NULL;
}

void resolver_free(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	resolver->closing = true;
	ares_destroy(resolver->channel);
	free(resolver);
}

static void replied(void *argument, int status, int timeouts, unsigned char *packet, int bytes)
{
	struct pending *pending = argument;
	struct resolver *resolver = pending->resolver;
	struct dns_reply reply;

	(void)timeouts;
	dns_reply_clear(&reply, ANSWER_FAILED, TTL_FAILED);
	if ((status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND) &&
	    packet != NULL && bytes > 0)
		dns_reply_parse(bytes_of(packet, (size_t)bytes), pending->type, &reply);
	if (reply.result == ANSWER_FAILED)
		reply.ttl_s = TTL_FAILED;
	if (!resolver->closing)
		resolver->done(resolver->context, pending->lookup, &reply);
	free(pending);
}

void resolver_ask(struct resolver *resolver, const char *name, uint16_t type, void *lookup)
{
	struct pending *pending = malloc(sizeof(*pending));

	if (pending == NULL) {
		struct dns_reply reply;

		dns_reply_clear(&reply, ANSWER_FAILED, TTL_FAILED);
		resolver->done(resolver->context, lookup, &reply);
		return;
	}
	*pending = (struct pending){resolver, lookup, type};
	ares_query(resolver->channel, name, CLASS_IN, type, replied, pending);
}

uint32_t resolver_poll_fds(struct resolver *resolver, struct pollfd *out_fds)
{
	ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
	uint32_t bits = (uint32_t)ares_getsock(resolver->channel, sockets, ARES_GETSOCK_MAXNUM);
	uint32_t count = 0;

	static_assert(RESOLVER_FDS_MAX >= ARES_GETSOCK_MAXNUM, "all fit");
	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		/* Readable below, writable above; the library's macros shift a signed 1. */
		short events = (short)((bits >> i & 1 ? POLLIN : 0) |
		                       (bits >> (i + ARES_GETSOCK_MAXNUM) & 1 ? POLLOUT : 0));

		if (events != 0)
			out_fds[count++] = (struct pollfd){.fd = sockets[i], .events = events};
	}
	return count;
}

int resolver_wait_ms(struct resolver *resolver, int most_ms)
{
	struct timeval most = {.tv_sec = most_ms / 1000, .tv_usec = most_ms % 1000 * 1000}, place;
	const struct timeval *wait = ares_timeout(resolver->channel, &most, &place);

	return wait != NULL ? (int)(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000) : most_ms;
}

void resolver_run(struct resolver *resolver)
{
	struct pollfd fds[RESOLVER_FDS_MAX];
	uint32_t count = resolver_poll_fds(resolver, fds);

	if (count > 0 && poll(fds, count, 0) > 0)
		for (uint32_t i = 0; i < count; i++)
			ares_process_fd(
			    resolver->channel,
			    (fds[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0 ? fds[i].fd
			                                                         : ARES_SOCKET_BAD,
			    (fds[i].revents & POLLOUT) != 0 ? fds[i].fd : ARES_SOCKET_BAD);
	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}
