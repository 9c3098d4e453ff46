/* sockets.h - handles: listeners, and connections with what a socket adds to them. */
#ifndef TESTS_CONFORMANCE_SOCKETS_H
#define TESTS_CONFORMANCE_SOCKETS_H

#include "conformance_internal.h"

enum socket_kind {
	SOCKET_FREE,
	SOCKET_LISTENER,
	SOCKET_WAITING, /* a connection that pc_accept has not handed out */
	SOCKET_CONN
};

struct socket {
	enum socket_kind kind;
	int listener;           /* of one that waits */
	uint64_t order;         /* of arrival */
	struct endpoint local;  /* of a listener */
	struct tcp_conn *conn;  /* NULL: ended here, by a reset of ours */
	bool connected;         /* the handshake is over */
	bool peer_ended;        /* its FIN came in order */
	int backlog;            /* of a listener */
	bool no_read, no_write; /* shut down */
	bool cork, nagle;
	int error; /* errno to be told once */
	uint16_t mss;
	uint64_t send_bytes_max, receive_bytes_max; /* 0: as configured */
	uint64_t keepalive_us, keepalive_interval_us;
	uint32_t keepalive_probes_max, keepalive_probes; /* unanswered */
	uint64_t keepalive_at_us;                        /* next look */
};

/* NULL: no such handle of that kind. */
struct socket *socket_conn(int handle);
struct socket *socket_listener(int handle);
/* Gives a connection what has been set, on it or on its listener. */
void socket_apply(struct socket *socket);
/* The look is due. */
void socket_keepalive(struct socket *socket);
void socket_keepalive_start(struct socket *socket);
/* May octets be written, and how many? */
size_t socket_room(const struct socket *socket);
int socket_state(const struct socket *socket);
/* Connections of a listener that pc_accept would hand out. */
uint32_t socket_waiting_count(const struct socket *listener);
/* Resets the connection and keeps the handle, which tells `error` once. */
void socket_kill(struct socket *socket, int error);

#endif
