/* socket_options.c - what can be set on a handle and asked of it; keep-alives, which are the user's
 * to keep. */
#include <errno.h>
#include <stdlib.h>

#include "sockets.h"

#define OPTION_BYTES 64

static uint64_t receive_limit(const struct socket *socket)
{
	uint64_t limit = socket->receive_bytes_max;

	return limit != 0 ? limit : world.config.receive_window_bytes;
}

void socket_keepalive_start(struct socket *socket)
{
	socket->keepalive_probes = 0;
	socket->keepalive_at_us = socket->keepalive_us != 0 && socket->connected
	                              ? world.now_us + socket->keepalive_us
	                              : 0;
}

/* RFC 9293 3.8.4: after an idle time a probe, then one an interval, until one is answered. */
void socket_keepalive(struct socket *socket)
{
	struct tcp_info info;
	uint64_t heard_us;

	tcp_info(socket->conn, &info);
	heard_us = (uint64_t)info.idle_ms * 1000;
	if (socket_state(socket) == 7) {
		socket->keepalive_at_us = 0;
		return;
	}
	if (heard_us < socket->keepalive_us || tcp_unacked(socket->conn) > 0) {
		socket->keepalive_probes = 0;
		socket->keepalive_at_us = world.now_us + socket->keepalive_us -
		                          (heard_us < socket->keepalive_us ? heard_us : 0);
		return;
	}
	if (socket->keepalive_probes == socket->keepalive_probes_max) {
		socket_kill(socket, ETIMEDOUT);
		return;
	}
	tcp_probe(socket->conn);
	socket->keepalive_probes++;
	socket->keepalive_at_us = world.now_us + socket->keepalive_interval_us;
}

void socket_apply(struct socket *socket)
{
	if (socket->conn == NULL)
		return;
	if (socket->mss != UINT16_MAX)
		tcp_limit_mss(socket->conn, socket->mss);
	tcp_set_nagle(socket->conn, socket->nagle);
	if (socket->connected) {
		tcp_window_limit(socket->conn, receive_limit(socket));
		socket_keepalive_start(socket);
	}
}

static int set_one(struct socket *socket, const char *name, uint64_t value)
{
	if (strcmp(name, "nodelay") == 0)
		socket->nagle = value == 0;
	else if (strcmp(name, "cork") == 0)
		socket->cork = value != 0;
	else if (strcmp(name, "mss") == 0 && value > 0 && value < UINT16_MAX)
		socket->mss = (uint16_t)value;
	else if (strcmp(name, "send_bytes_max") == 0)
		socket->send_bytes_max = value;
	else if (strcmp(name, "receive_bytes_max") == 0)
		socket->receive_bytes_max = value;
	else if (strcmp(name, "keepalive_ms") == 0)
		socket->keepalive_us = value * 1000;
	else if (strcmp(name, "keepalive_interval_ms") == 0 && value > 0)
		socket->keepalive_interval_us = value * 1000;
	else if (strcmp(name, "keepalive_probes") == 0)
		socket->keepalive_probes_max = (uint32_t)value;
	else
		return -EINVAL;
	return 0;
}

/* On a listener: for what it will accept. On a connection: at once. */
int pc_set(int handle, const char *option)
{
	struct socket *listener = socket_listener(handle);
	struct socket *socket = listener != NULL ? listener : socket_conn(handle);
	size_t len = strcspn(option, "=");
	char name[OPTION_BYTES];
	uint64_t value = 1;
	char *end;
	int result;

	if (socket == NULL)
		return -EBADF;
	if (len >= sizeof(name))
		return -EINVAL;
	memcpy(name, option, len);
	name[len] = '\0';
	if (option[len] == '=') {
		value = strtoull(option + len + 1, &end, 10);
		if (end == option + len + 1 || *end != '\0')
			return -EINVAL;
	}
	result = set_one(socket, name, value);
	if (result != 0)
		return result;
	if (listener != NULL && listener->mss != UINT16_MAX)
		tcp_listen_mss(world.net, &listener->local, listener->mss);
	socket_apply(socket);
	if (strcmp(name, "cork") == 0 && value == 0 && socket->conn != NULL)
		tcp_write(socket->conn, bytes_of(NULL, 0), false);
	world_turn();
	return 0;
}

int pc_info(int handle, struct pc_info *out_info)
{
	const struct socket *listener = socket_listener(handle);
	const struct socket *socket = socket_conn(handle);
	struct tcp_info info;

	*out_info = (struct pc_info){.state = 7};
	if (listener != NULL) { /* Linux's use of two fields: who waits, and how many may */
		*out_info = (struct pc_info){.state = 10,
		                             .unacked = socket_waiting_count(listener),
		                             .sacked = (uint32_t)listener->backlog};
		return 0;
	}
	if (socket == NULL)
		return -EBADF;
	if (socket->conn == NULL)
		return 0;
	tcp_info(socket->conn, &info);
	*out_info = (struct pc_info){.state = info.state,
	                             .snd_cwnd = info.snd_cwnd,
	                             .snd_ssthresh = info.snd_ssthresh,
	                             .snd_mss = info.snd_mss,
	                             .rcv_mss = info.rcv_mss,
	                             .rcv_wnd = info.rcv_wnd,
	                             .snd_wnd = info.snd_wnd,
	                             .rtt_us = info.rtt_us,
	                             .rttvar_us = info.rttvar_us,
	                             .rto_us = info.rto_us,
	                             .unacked = info.unacked,
	                             .sacked = info.sacked,
	                             .lost = info.lost,
	                             .retrans = info.retrans,
	                             .reordering = info.reordering,
	                             .backoff = info.backoff,
	                             .probes = info.probes + socket->keepalive_probes,
	                             .ca_state = info.ca_state};
	return 0;
}
