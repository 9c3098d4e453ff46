/* kernel_peer.c - one bulk transfer over the kernel's sockets: the other side of stack_peer, and
 * the baseline it is measured against. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/integration/peer.h"

#define CHUNK_BYTES (256 << 10)

static socklen_t address_of(const struct endpoint *endpoint, struct sockaddr_storage *out_address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out_address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out_address;

	memset(out_address, 0, sizeof(*out_address));
	if (addr_is_ip4(&endpoint->addr)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(endpoint->port);
		memcpy(&in->sin_addr, endpoint->addr.octet + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(endpoint->port);
	memcpy(&in6->sin6_addr, endpoint->addr.octet, 16);
	return sizeof(*in6);
}

static void set(int fd, int level, int name, int value, const char *what)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
		peer_die(what);
}

static int open_connection(const struct peer_job *job)
{
	struct endpoint local = {.addr = job->address.addr, .port = job->connects ? 0 : job->port};
	struct sockaddr_storage address;
	socklen_t bytes = address_of(&local, &address);
	int conn, fd = socket(address.ss_family, SOCK_STREAM, 0);

	if (fd < 0)
		peer_die("socket");
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
	if (job->mss != 0)
		set(fd, IPPROTO_TCP, TCP_MAXSEG, job->mss, "TCP_MAXSEG");
	if (job->congestion[0] != '\0' &&
	    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, job->congestion,
	               (socklen_t)strlen(job->congestion)) != 0)
		peer_die("TCP_CONGESTION");
	if (bind(fd, (struct sockaddr *)&address, bytes) != 0)
		peer_die("bind");
	if (job->connects) {
		bytes = address_of(&job->remote, &address);
		if (connect(fd, (struct sockaddr *)&address, bytes) != 0)
			peer_die("connect");
		return fd;
	}
	if (listen(fd, 1) != 0)
		peer_die("listen");
	puts("ready");
	fflush(stdout);
	conn = accept(fd, NULL, NULL);
	if (conn < 0)
		peer_die("accept");
	close(fd);
	return conn;
}

static void send_all(int fd, struct peer_job *job)
{
	uint8_t nothing;

	while (job->bytes_done < job->bytes) {
		size_t left = job->bytes - job->bytes_done;
		ssize_t sent = send(fd, job->data + job->bytes_done,
		                    left < CHUNK_BYTES ? left : CHUNK_BYTES, 0);
		if (sent < 0)
			peer_die("send");
		job->bytes_done += (uint32_t)sent;
	}
	if (shutdown(fd, SHUT_WR) != 0)
		peer_die("shutdown");
	if (recv(fd, &nothing, 1, 0) != 0)
		peer_die("recv: no end");
	job->last_us = clock_now_us();
}

static void receive_all(int fd, struct peer_job *job)
{
	uint8_t too_much;

	while (job->bytes_done < job->bytes) {
		ssize_t got = recv(fd, job->data + job->bytes_done, job->bytes - job->bytes_done,
		                   0);
		if (got < 0)
			peer_die("recv");
		if (got == 0)
			return;
		job->bytes_done += (uint32_t)got;
		job->last_us = clock_now_us();
	}
	if (recv(fd, &too_much, 1, 0) != 0)
		peer_die("recv: more than was asked for");
}

int main(int argc, char **argv)
{
	static struct peer_job job;
	struct tcp_info info;
	socklen_t bytes = sizeof(info);
	int fd;

	peer_parse(argc, argv, &job);
	fd = open_connection(&job);
	job.started_us = clock_now_us();
	if (job.sends)
		send_all(fd, &job);
	else
		receive_all(fd, &job);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0)
		job.retransmits = info.tcpi_total_retrans;
	close(fd);
	return peer_report(&job) ? 0 : 1;
}
