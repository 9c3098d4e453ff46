/* socket.c - non-blocking TCP sockets of the kernel. */
#include "bench/common/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/addr.h"

/* Splits "host:port", "[host]:port" or "host"; a bare IPv6 address has no port. */
static bool split(const char *text, bool port_needed, struct bytes *out_host,
                  struct bytes *out_port)
{
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[';
	const char *close = bracketed ? strchr(text, ']') : NULL;

	if (bracketed && close == NULL)
		return false;
	if (bracketed) {
		*out_host = bytes_of(text + 1, (size_t)(close - text) - 1);
		*out_port = close[1] == ':' ? bytes_text(close + 2) : bytes_of(NULL, 0);
		return close[1] == ':' || close[1] == '\0';
	}
	if (colon == NULL || (!port_needed && strchr(text, ':') != colon)) {
		*out_host = bytes_text(text);
		*out_port = bytes_of(NULL, 0);
		return true;
	}
	*out_host = bytes_of(text, (size_t)(colon - text));
	*out_port = bytes_text(colon + 1);
	return true;
}

bool socket_parse_address(const char *text, bool port_needed, struct socket_address *out_address)
{
	struct bytes host, port_text;
	struct addr addr = addr_from_ip4(0);
	uint64_t port = 0;

	if (!split(text, port_needed, &host, &port_text))
		return false;
	if (host.len > 0 && addr_parse(host, &addr) != OK)
		return false;
	if (port_text.len > 0 ? !bytes_to_u64(port_text, UINT16_MAX, &port) : port_needed)
		return false;
	memset(out_address, 0, sizeof(*out_address));
	if (addr_is_ip4(&addr)) {
		struct sockaddr_in *in = (struct sockaddr_in *)&out_address->storage;
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		in->sin_addr.s_addr = htonl(addr_ip4(&addr));
		out_address->len = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out_address->storage;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		memcpy(&in6->sin6_addr, addr.octet, 16);
		out_address->len = sizeof(*in6);
	}
	return true;
}

char *socket_format_address(const struct socket_address *address, char out[64])
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->storage.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&address->storage;
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, 64, "%s:%u", host, ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->storage;
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(out, 64, "[%s]:%u", host, ntohs(in6->sin6_port));
	}
	return out;
}

static int close_keeping_errno(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
	return -1;
}

int socket_listen(const struct socket_address *address)
{
	int yes = 1;
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (const struct sockaddr *)&address->storage, address->len) < 0 ||
	    listen(fd, 4096) < 0)
		return close_keeping_errno(fd);
	return fd;
}

int socket_connect(const struct socket_address *address, const struct socket_address *source)
{
	int yes = 1;
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* Every turn of the dialogue is a write of its own: waiting for more would only delay it.
	 */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (source != NULL) {
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
		if (bind(fd, (const struct sockaddr *)&source->storage, source->len) < 0)
			return close_keeping_errno(fd);
	}
	if (connect(fd, (const struct sockaddr *)&address->storage, address->len) < 0 &&
	    errno != EINPROGRESS)
		return close_keeping_errno(fd);
	return fd;
}

void socket_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}
