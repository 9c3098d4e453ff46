/* sockets.c - handles over the stack's front door: what a socket is, made of listen, accept,
 * connect, read, write, close. */
#include "sockets.h"

#include <errno.h>
#include <netinet/in.h>

#include "base/check.h"
#include "base/limits.h"
#include "tcpstack/net_internal.h"

#define SOCKETS_MAX 4096
#define PORT_FIRST  49152 /* of listeners that leave the choice to us */

#define KEEPALIVE_INTERVAL_US 75000000
#define KEEPALIVE_PROBES_MAX  9

static struct socket sockets[SOCKETS_MAX + 1]; /* 1-based, as handles are */
static uint64_t next_order;

void sockets_reset(void)
{
	memset(sockets, 0, sizeof(sockets));
}

int endpoint_from(const struct sockaddr *address, struct endpoint *out_endpoint)
{
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;

	if (address->sa_family == AF_INET) {
		memcpy(&ip4, address, sizeof(ip4));
		*out_endpoint = (struct endpoint){addr_from_ip4(ntohl(ip4.sin_addr.s_addr)),
		                                  ntohs(ip4.sin_port)};
		return 0;
	}
	if (address->sa_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(&ip6, address, sizeof(ip6));
	memcpy(out_endpoint->addr.octet, &ip6.sin6_addr, 16);
	out_endpoint->port = ntohs(ip6.sin6_port);
	return 0;
}

void endpoint_to(const struct endpoint *endpoint, struct sockaddr_storage *out_address)
{
	memset(out_address, 0, sizeof(*out_address));
	if (addr_is_ip4(&endpoint->addr)) {
		struct sockaddr_in ip4 = {.sin_family = AF_INET,
		                          .sin_port = htons(endpoint->port),
		                          .sin_addr.s_addr = htonl(addr_ip4(&endpoint->addr))};
		memcpy(out_address, &ip4, sizeof(ip4));
		return;
	}
	struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
	memcpy(&ip6.sin6_addr, endpoint->addr.octet, 16);
	memcpy(out_address, &ip6, sizeof(ip6));
}

static struct socket *socket_at(int handle, enum socket_kind kind)
{
	if (handle < 1 || handle > SOCKETS_MAX || sockets[handle].kind != kind)
		return NULL;
	return &sockets[handle];
}

struct socket *socket_conn(int handle)
{
	return socket_at(handle, SOCKET_CONN);
}

struct socket *socket_listener(int handle)
{
	return socket_at(handle, SOCKET_LISTENER);
}

static int socket_handle(const struct socket *socket)
{
	return (int)(socket - sockets);
}

static struct socket *socket_new(enum socket_kind kind)
{
	for (int i = 1; i <= SOCKETS_MAX; i++) {
		if (sockets[i].kind != SOCKET_FREE)
			continue;
		sockets[i] = (struct socket){.kind = kind,
		                             .order = next_order++,
		                             .mss = UINT16_MAX,
		                             .nagle = true,
		                             .keepalive_interval_us = KEEPALIVE_INTERVAL_US,
		                             .keepalive_probes_max = KEEPALIVE_PROBES_MAX};
		return &sockets[i];
	}
	return NULL;
}

int socket_state(const struct socket *socket)
{
	struct tcp_info info;

	if (socket->conn == NULL)
		return 7;
	tcp_info(socket->conn, &info);
	return info.state;
}

/* Octets that a write would take now. */
size_t socket_room(const struct socket *socket)
{
	size_t room, queued;

	if (socket->conn == NULL || !socket->connected || socket->no_write)
		return 0;
	room = tcp_writable(socket->conn);
	queued = tcp_unacked(socket->conn);
	if (socket->send_bytes_max == 0)
		return room;
	if (queued >= socket->send_bytes_max)
		return 0;
	return room < socket->send_bytes_max - queued ? room : socket->send_bytes_max - queued;
}

/* As Linux's tcp_reset() has it for a reset: which end it was decides. */
static int errno_of(const struct socket *socket)
{
	switch (tcp_error(socket->conn)) {
	case ERR_REFUSED:
		return ECONNREFUSED;
	case ERR_RESET:
		return socket->peer_ended ? EPIPE : ECONNRESET;
	case ERR_TIMED_OUT:
		return ETIMEDOUT;
	case ERR_UNREACHABLE:
		return EHOSTUNREACH;
	case ERR_NO_NETWORK:
		return ENETUNREACH;
	case ERR_NO_PROTOCOL:
		return ENOPROTOOPT;
	case ERR_PROHIBITED:
		return EACCES;
	default:
		return EIO;
	}
}

void socket_kill(struct socket *socket, int error)
{
	tcp_set_user(socket->conn, NULL);
	tcp_abort(socket->conn);
	socket->conn = NULL;
	socket->error = error;
}

/* False: there is nobody to have it. */
static bool accepted(struct tcp_conn *conn)
{
	struct socket *listener = socket_listener((int)tcp_listener_tag(conn));
	struct socket *socket = listener != NULL ? socket_new(SOCKET_WAITING) : NULL;

	if (socket == NULL) { /* closed since, or no handle is left */
		tcp_abort(conn);
		return false;
	}
	socket->listener = socket_handle(listener);
	socket->conn = conn;
	socket->connected = true;
	socket->mss = listener->mss;
	socket->cork = listener->cork;
	socket->nagle = listener->nagle;
	socket->send_bytes_max = listener->send_bytes_max;
	socket->receive_bytes_max = listener->receive_bytes_max;
	socket->keepalive_us = listener->keepalive_us;
	socket->keepalive_interval_us = listener->keepalive_interval_us;
	socket->keepalive_probes_max = listener->keepalive_probes_max;
	tcp_set_user(conn, socket);
	socket_apply(socket);
	return true;
}

void sockets_news(struct tcp_conn *conn, uint32_t news)
{
	struct socket *socket;

	if ((news & TCP_ACCEPTED) && !accepted(conn))
		return;
	socket = tcp_user(conn);
	ASSERT(socket != NULL && socket->conn == conn);
	if (news & TCP_CONNECTED) {
		socket->connected = true;
		socket_apply(socket);
	}
	if (news & TCP_FIN)
		socket->peer_ended = true;
	if (news & TCP_FAILED)
		socket->error = errno_of(socket);
}

static bool port_is_free(uint16_t port)
{
	for (int i = 1; i <= SOCKETS_MAX; i++)
		if (sockets[i].kind == SOCKET_LISTENER && sockets[i].local.port == port)
			return false;
	return true;
}

/* `backlog` is told, but bounds nothing: a connection is held back by what the stack has room for.
 */
int pc_listen(const struct sockaddr *local, int backlog)
{
	struct socket *socket;
	struct endpoint endpoint;
	int result = endpoint_from(local, &endpoint);

	world_need();
	if (result != 0)
		return result;
	if (!addr_is_unspecified(&endpoint.addr) && !ip_is_ours(world.net, &endpoint.addr))
		return -EADDRNOTAVAIL;
	for (uint16_t port = PORT_FIRST; endpoint.port == 0 && port < UINT16_MAX; port++)
		endpoint.port = port_is_free(port) ? port : 0;
	socket = socket_new(SOCKET_LISTENER);
	if (socket == NULL)
		return -EMFILE;
	socket->local = endpoint;
	socket->backlog = backlog > 0 ? backlog : 0;
	switch (tcp_listen(world.net, &endpoint, (uint32_t)socket_handle(socket))) {
	case OK:
		return socket_handle(socket);
	case ERR_DUPLICATE:
		result = -EADDRINUSE;
		break;
	default:
		result = -ENOBUFS;
		break;
	}
	socket->kind = SOCKET_FREE;
	return result;
}

/* The one that has waited longest. */
static struct socket *first_waiting(int listener)
{
	struct socket *first = NULL;

	for (int i = 1; i <= SOCKETS_MAX; i++)
		if (sockets[i].kind == SOCKET_WAITING && sockets[i].listener == listener &&
		    (first == NULL || sockets[i].order < first->order))
			first = &sockets[i];
	return first;
}

uint32_t socket_waiting_count(const struct socket *listener)
{
	uint32_t count = 0;

	for (int i = 1; i <= SOCKETS_MAX; i++)
		count += sockets[i].kind == SOCKET_WAITING &&
		         sockets[i].listener == socket_handle(listener);
	return count;
}

int pc_accept(int handle, struct sockaddr_storage *out_peer)
{
	struct endpoint local, remote;
	struct socket *socket;

	if (socket_listener(handle) == NULL)
		return socket_conn(handle) != NULL ? -EINVAL : -EBADF;
	socket = first_waiting(handle);
	if (socket == NULL)
		return -EAGAIN;
	socket->kind = SOCKET_CONN;
	socket_keepalive_start(socket);
	tcp_endpoints(socket->conn, &local, &remote);
	if (out_peer != NULL)
		endpoint_to(&remote, out_peer);
	return socket_handle(socket);
}

int pc_connect(const struct sockaddr *local, const struct sockaddr *remote)
{
	struct endpoint from = {.port = 0}, to;
	struct socket *socket;
	int result = endpoint_from(remote, &to);

	world_need();
	if (result == 0 && local != NULL)
		result = endpoint_from(local, &from);
	if (result != 0)
		return result;
	if (!addr_is_unspecified(&from.addr) && !ip_is_ours(world.net, &from.addr))
		return -EADDRNOTAVAIL;
	socket = socket_new(SOCKET_CONN);
	if (socket == NULL)
		return -EMFILE;
	switch (tcp_connect(world.net, world.now_us, &from, &to, &socket->conn)) {
	case OK:
		break;
	case ERR_UNREACHABLE:
		result = -ENETUNREACH;
		break;
	case ERR_PORTS_EXHAUSTED:
		result = from.port == 0 ? -EADDRNOTAVAIL : -EADDRINUSE;
		break;
	default:
		result = -ENOBUFS;
		break;
	}
	if (result != 0) {
		socket->kind = SOCKET_FREE;
		return result;
	}
	tcp_set_user(socket->conn, socket);
	world_turn();
	return socket_handle(socket);
}

/* What went wrong is told to the first who asks. */
static int take_error(struct socket *socket)
{
	int error = socket->error;

	socket->error = 0;
	return -error;
}

int64_t pc_read(int handle, void *buf, size_t bytes)
{
	struct socket *socket = socket_conn(handle);
	size_t done = 0;

	if (socket == NULL)
		return socket_listener(handle) != NULL ? -ENOTCONN : -EBADF;
	while (socket->conn != NULL && done < bytes && tcp_readable(socket->conn) > 0) {
		struct bytes run = tcp_peek(socket->conn, 0);
		size_t part = run.len < bytes - done ? run.len : bytes - done;

		memcpy((uint8_t *)buf + done, run.data, part);
		tcp_consume(socket->conn, part);
		done += part;
	}
	if (done > 0) {
		world_turn();
		return (int64_t)done;
	}
	if (socket->conn != NULL && tcp_at_end(socket->conn))
		return 0;
	if (socket->error != 0)
		return take_error(socket);
	if (bytes == 0 || socket->no_read || socket_state(socket) == 7)
		return 0;
	return -EAGAIN;
}

int64_t pc_write(int handle, const void *buf, size_t bytes, bool more)
{
	struct socket *socket = socket_conn(handle);
	size_t room, taken;

	if (socket == NULL)
		return socket_listener(handle) != NULL ? -ENOTCONN : -EBADF;
	if (socket->error != 0)
		return take_error(socket);
	if (socket->no_write || socket_state(socket) == 7)
		return -EPIPE;
	if (bytes == 0)
		return 0;
	room = socket_room(socket);
	if (room == 0)
		return -EAGAIN;
	taken = tcp_write(socket->conn, bytes_of(buf, bytes < room ? bytes : room),
	                  more || socket->cork);
	world_turn();
	return taken > 0 ? (int64_t)taken : -EAGAIN;
}

int pc_shutdown(int handle, int how)
{
	struct socket *socket = socket_conn(handle);

	if (socket == NULL)
		return socket_listener(handle) != NULL ? -ENOTCONN : -EBADF;
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	if (socket_state(socket) == 7)
		return -ENOTCONN;
	if (socket_state(socket) == 2) { /* there is nothing yet that could be half closed */
		socket_kill(socket, ECONNRESET);
		socket->no_read = socket->no_write = true;
		return 0;
	}
	if (how != SHUT_WR) {
		socket->no_read = true;
		tcp_shutdown_read(socket->conn);
	}
	if (how != SHUT_RD) {
		socket->no_write = true;
		tcp_shutdown(socket->conn);
	}
	world_turn();
	return 0;
}

/* Connections that nobody has accepted go with their listener. */
static void listener_close(struct socket *listener)
{
	struct socket *waiting;

	tcp_unlisten(world.net, &listener->local);
	while ((waiting = first_waiting(socket_handle(listener))) != NULL) {
		tcp_abort(waiting->conn);
		waiting->kind = SOCKET_FREE;
	}
	listener->kind = SOCKET_FREE;
}

int pc_close(int handle)
{
	struct socket *socket = socket_conn(handle);

	if (socket_listener(handle) != NULL) {
		listener_close(socket_listener(handle));
	} else if (socket != NULL) {
		if (socket->conn != NULL)
			tcp_close(socket->conn);
		socket->kind = SOCKET_FREE;
	} else {
		return -EBADF;
	}
	world_turn();
	return 0;
}

int pc_abort(int handle)
{
	struct socket *socket = socket_conn(handle);

	if (socket == NULL)
		return -EBADF;
	if (socket->conn != NULL)
		tcp_abort(socket->conn);
	socket->kind = SOCKET_FREE;
	world_turn();
	return 0;
}

int pc_local(int handle, struct sockaddr_storage *out_local)
{
	struct socket *socket = socket_conn(handle);
	struct endpoint local, remote;

	if (socket_listener(handle) != NULL) {
		endpoint_to(&socket_listener(handle)->local, out_local);
		return 0;
	}
	if (socket == NULL)
		return -EBADF;
	if (socket->conn == NULL)
		return -ENOTCONN;
	tcp_endpoints(socket->conn, &local, &remote);
	endpoint_to(&local, out_local);
	return 0;
}

static bool peer_has_ended(const struct socket *socket)
{
	switch (socket_state(socket)) {
	case 6:  /* TIME-WAIT */
	case 8:  /* CLOSE-WAIT */
	case 9:  /* LAST-ACK */
	case 11: /* CLOSING */
		return true;
	default:
		return false;
	}
}

unsigned pc_poll(int handle)
{
	struct socket *socket = socket_conn(handle);
	unsigned bits = 0;
	bool ended;

	if (socket_listener(handle) != NULL)
		return first_waiting(handle) != NULL ? PC_READABLE : 0;
	if (socket == NULL)
		return PC_ERROR | PC_HANGUP;
	ended = socket_state(socket) == 7;
	if (ended || (socket->no_write && (socket->no_read || peer_has_ended(socket))))
		bits |= PC_HANGUP;
	if (socket->error != 0)
		bits |= PC_ERROR;
	if (ended || socket->no_read || socket->error != 0 || tcp_readable(socket->conn) > 0 ||
	    tcp_at_end(socket->conn))
		bits |= PC_READABLE;
	if (ended || socket->no_write || socket->error != 0 || socket_room(socket) > 0)
		bits |= PC_WRITABLE;
	return bits;
}

int64_t sockets_deadline_us(void)
{
	int64_t first = INT64_MAX;

	for (int i = 1; i <= SOCKETS_MAX; i++)
		if (sockets[i].kind == SOCKET_CONN && sockets[i].conn != NULL &&
		    sockets[i].keepalive_at_us != 0 && (int64_t)sockets[i].keepalive_at_us < first)
			first = (int64_t)sockets[i].keepalive_at_us;
	return first;
}

void sockets_timers(void)
{
	for (int i = 1; i <= SOCKETS_MAX; i++)
		if (sockets[i].kind == SOCKET_CONN && sockets[i].conn != NULL &&
		    sockets[i].keepalive_at_us != 0 && sockets[i].keepalive_at_us <= world.now_us)
			socket_keepalive(&sockets[i]);
}
