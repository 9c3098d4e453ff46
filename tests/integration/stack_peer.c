/* stack_peer.c - one bulk transfer over our stack on an AF_PACKET socket: the same work as
 * kernel_peer, so that the two can be measured against each other.
 *
 * Nothing is simulated here; the link outside does that. What the stack counted goes to standard
 * error, one line a counter.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "tcpstack/net.h"
#include "tcpstack/tcp.h"
#include "tests/integration/peer.h"
#include "tests/integration/stack_host.h"

#define PKTS            65536
#define CONNS_MAX       64
#define TURN_FRAMES_MAX 512
#define LINGER_US       3000000 /* for the last acknowledgment of our FIN */

struct host {
	struct arena arena;
	struct pkt_pool *pool;
	struct net *net;
	struct net_counters net_counters;
	struct tcp_counters tcp_counters;
	struct net_interface interface;
	int socket;
	struct tcp_conn *conn;
	bool shut, closed;
	uint64_t closed_at_us;
};

static void open_stack(struct host *host, const struct peer_job *job, uint64_t now_us)
{
	struct net_config config;

	net_config_defaults(&config);
	random_os(&config.seed, sizeof(config.seed));
	random_os(&config.secret, sizeof(config.secret));
	config.connections_max = CONNS_MAX;
	if (job->mtu != 0)
		config.mtu = job->mtu;
	if (job->window_bytes != 0)
		config.receive_window_bytes = config.send_buffer_bytes = job->window_bytes;
	size_t bytes = net_bytes(&config) +
	               (size_t)(PKTS + 1) * (PKT_DATA_BYTES + sizeof(struct pkt));
	stack_host_need(arena_init(&host->arena, bytes, false), "arena");
	host->pool = pkt_pool_memory(&host->arena, PKTS);
	stack_host_need(host->pool != NULL ? OK : ERR_NO_MEMORY, "pool");
	host->net = net_new(&host->arena, &config, host->pool, &host->net_counters,
	                    &host->tcp_counters, now_us);
	stack_host_need(host->net != NULL ? OK : ERR_NO_MEMORY, "net_new");
	stack_host_need(net_add_interface(host->net, &host->interface), "interface");
	stack_host_need(net_add_address(host->net, 0, &job->address), "address");
	stack_host_need(tcp_listen(host->net, &(struct endpoint){.port = job->port}, 0), "listen");
	arena_seal(&host->arena);
}

static void frames_in(struct host *host, uint64_t now_us)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t count = BURST_PKTS_MAX;

	for (int taken = 0; taken < TURN_FRAMES_MAX && count == BURST_PKTS_MAX;
	     taken += BURST_PKTS_MAX) {
		for (count = 0; count < BURST_PKTS_MAX; count++) {
			pkts[count] = stack_host_receive(host->socket, host->pool);
			if (pkts[count] == NULL)
				break;
		}
		net_input(host->net, now_us, pkts, count);
	}
}

static void frames_out(struct host *host, uint64_t now_us)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t count;

	do {
		count = net_output(host->net, now_us, pkts, BURST_PKTS_MAX);
		for (size_t i = 0; i < count; i++)
			stack_host_send(host->socket, pkts[i]);
	} while (count == BURST_PKTS_MAX);
}

static void established(struct host *host, struct peer_job *job, struct tcp_conn *conn,
                        uint64_t now_us)
{
	host->conn = conn;
	job->started_us = now_us;
	if (job->window_bytes != 0)
		tcp_window_limit(conn, job->window_bytes);
}

static void serve_sender(struct host *host, struct peer_job *job, uint64_t now_us)
{
	job->bytes_done += (uint32_t)tcp_write(
	    host->conn, bytes_of(job->data + job->bytes_done, job->bytes - job->bytes_done),
	    job->bytes_done < job->bytes);
	if (job->bytes_done == job->bytes && !host->shut) {
		tcp_shutdown(host->conn);
		host->shut = true;
	}
	job->last_us = now_us;
}

static void serve_receiver(struct host *host, struct peer_job *job, uint64_t now_us)
{
	for (struct bytes run; (run = tcp_peek(host->conn, 0)).len > 0;) {
		stack_host_need(run.len <= job->bytes - job->bytes_done ? OK : ERR_RANGE,
		                "more than asked");
		memcpy(job->data + job->bytes_done, run.data, run.len);
		job->bytes_done += (uint32_t)run.len;
		job->last_us = now_us;
		tcp_consume(host->conn, run.len);
	}
}

static void serve(struct host *host, struct peer_job *job, uint64_t now_us)
{
	struct tcp_conn *conn;
	struct tcp_info info;
	uint32_t news;

	while ((conn = tcp_next_ready(host->net, &news)) != NULL) {
		if (news & TCP_FAILED)
			stack_host_need(tcp_error(conn) == OK ? ERR_RESET : tcp_error(conn),
			                "connection");
		if (news & (TCP_ACCEPTED | TCP_CONNECTED))
			established(host, job, conn, now_us);
		if (host->conn != conn)
			continue;
		if (job->sends)
			serve_sender(host, job, now_us);
		else
			serve_receiver(host, job, now_us);
		tcp_info(conn, &info);
		job->retransmits = (uint32_t)info.retransmitted_segments;
		if (!tcp_at_end(conn))
			continue;
		tcp_close(conn);
		host->conn = NULL;
		host->closed = true;
		host->closed_at_us = now_us;
	}
}

static void sleep_until(const struct host *host, uint64_t next_us)
{
	struct pollfd fd = {.fd = host->socket, .events = POLLIN};
	uint64_t now_us = clock_now_us();
	uint64_t wait_us = next_us > now_us ? next_us - now_us : 0;
	struct timespec wait = {.tv_nsec = wait_us > 100000 ? 100000000 : (long)wait_us * 1000};

	if (ppoll(&fd, 1, &wait, NULL) < 0 && errno != EINTR)
		peer_die("poll");
}

/* True while there is something to wait for. */
static bool turn(struct host *host, struct peer_job *job)
{
	uint64_t now_us = clock_now_us();

	frames_in(host, now_us);
	net_timers(host->net, now_us, 1000);
	serve(host, job, now_us);
	frames_out(host, now_us);
	if (!host->closed)
		return true;
	return net_connection_count(host->net) > 0 && now_us < host->closed_at_us + LINGER_US;
}

int main(int argc, char **argv)
{
	static struct host host;
	static struct peer_job job;
	struct tcp_conn *conn;

	peer_parse(argc, argv, &job);
	if (job.device == NULL) {
		fprintf(stderr, "needs --device\n");
		return 2;
	}
	host.socket = stack_host_socket(job.device, host.interface.mac);
	open_stack(&host, &job, clock_now_us());
	if (job.connects) {
		stack_host_need(tcp_connect(host.net, clock_now_us(), NULL, &job.remote, &conn),
		                "connect");
	} else {
		puts("ready");
		fflush(stdout);
	}
	while (turn(&host, &job))
		sleep_until(&host, net_next_deadline_us(host.net));
	stack_host_print(stderr, &net_counter_group, &host.net_counters);
	stack_host_print(stderr, &tcp_counter_group, &host.tcp_counters);
	return peer_report(&job) ? 0 : 1;
}
