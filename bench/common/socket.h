/* socket.h - non-blocking TCP sockets of the kernel. */
#ifndef BENCH_COMMON_SOCKET_H
#define BENCH_COMMON_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>

struct socket_address {
	struct sockaddr_storage storage;
	socklen_t len;
};

/* "192.0.2.1:25", "[2001:db8::1]:25", ":25" (all of IPv4), or an address without port when
 * `port_needed` is false. */
bool socket_parse_address(const char *text, bool port_needed, struct socket_address *out_address);
/* "192.0.2.1:25"; returns `out`. */
char *socket_format_address(const struct socket_address *address, char out[64]);
/* A listening socket, or -1 with errno. */
int socket_listen(const struct socket_address *address);
/* A socket that is connecting, bound to `source` unless that is NULL; or -1 with errno. */
int socket_connect(const struct socket_address *address, const struct socket_address *source);
/* As many descriptors as the system lets us have. */
void socket_raise_limit(void);

#endif
