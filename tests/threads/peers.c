/* peers.c - two stacks in one thread: clients that speak SMTP inside TLS by heart, and a backend.
 *
 * Every fourth client hangs up when the server's first octets of TLS have come, so that a helper
 * signs for somebody who has gone. */
#include "peers.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tcpstack/tcp.h"

#define CLIENTS     6
#define BACKENDS    64
#define LEAVES_EACH 4
#define RUN_US_MAX  (120ull * 1000000)
#define TEXT \
	"Message-ID: <1@client.example>\r\nFrom: <a@client.example>\r\nSubject: A note\r\n\r\n" \
	"A line.\r\n.\r\n"

/* What is said when the reply before it has come; TLS begins behind the second. */
static const char *const script[] = {
    "EHLO client.example\r\n",
    "STARTTLS\r\n",
    "EHLO client.example\r\n",
    "MAIL FROM:<a@client.example>\r\n",
    "RCPT TO:<b@backend.example>\r\n",
    "DATA\r\n",
    TEXT,
    "QUIT\r\n",
};
#define STEP_TLS  2
#define STEP_TEXT 6
#define STEPS     (sizeof(script) / sizeof(script[0]))

struct client {
	struct tcp_conn *conn;
	struct tls *tls;
	uint32_t step;
	bool up, greeted, leaves; /* greeted: the ClientHello is out */
	char line[512];           /* the reply that is being read */
	size_t line_len;
	struct bytes left; /* of what is to be said */
};

struct backend {
	struct tcp_conn *conn;
	char line[512];
	size_t line_len;
	bool body;
};

struct world {
	struct peers *peers;
	struct net *client_net, *backend_net;
	struct net_counters net_counters[2];
	struct tcp_counters tcp_counters[2];
	struct tls_engine *engine;
	struct tls_counters tls_counters;
	struct tls_config *config[2]; /* TLS 1.2, 1.3 */
	struct client client[CLIENTS];
	struct backend backend[BACKENDS];
	uint32_t opened;
};

static struct addr address(const char *text)
{
	struct addr addr;

	ASSERT(addr_parse(bytes_text(text), &addr) == OK);
	return addr;
}

static struct net *net_make(struct world *w, int index, struct ring_port *port,
                            struct pkt_pool *pool, const char *ip)
{
	struct net_interface interface = {.port = 0};
	struct prefix prefix = {address(ip), 96 + 24};
	struct net_config config;

	net_config_defaults(&config);
	config.connections_max = 256;
	config.time_wait_us = 1000;
	config.seed = w->peers->seed + (uint64_t)index;
	config.secret.k[0] = config.seed;
	memcpy(interface.mac, port->port.mac, 6);
	struct net *net = net_new(w->peers->arena, &config, pool, &w->net_counters[index],
	                          &w->tcp_counters[index], clock_now_us());
	ASSERT(net != NULL);
	ASSERT(net_add_interface(net, &interface) == OK);
	ASSERT(net_add_address(net, 0, &prefix) == OK);
	return net;
}

static void world_make(struct world *w, struct peers *peers)
{
	const struct endpoint listen = {address("10.26.0.1"), 25};
	struct tls_engine_options engine = {.connections_max = CLIENTS};
	struct tls_config_options options;
	char reason[256];

	*w = (struct world){.peers = peers};
	w->client_net = net_make(w, 0, &peers->client, peers->client_pool, "10.25.0.1");
	w->backend_net = net_make(w, 1, &peers->backend, peers->backend_pool, "10.26.0.1");
	ASSERT(tcp_listen(w->backend_net, &listen, 0) == OK);
	w->engine = tls_engine_new(peers->arena, &engine, &w->tls_counters);
	ASSERT(w->engine != NULL);
	for (int i = 0; i < 2; i++) {
		tls_config_defaults(&options, TLS_CLIENT);
		options.version_min = options.version_max = i == 0 ? TLS_1_2 : TLS_1_3;
		options.groups = "secp256r1";
		ASSERT(tls_config_new(&options, clock_wall_us() / 1000, reason, sizeof(reason),
		                      &w->config[i]) == OK);
	}
}

/* ---- clients ---- */

static void client_end(struct client *c, bool abort)
{
	tls_free(c->tls);
	if (abort)
		tcp_abort(c->conn);
	else
		tcp_close(c->conn);
	memset(c, 0, sizeof(*c));
}

/* Ports 25 and 26 show an ECDSA and an RSA certificate. */
static void clients_open(struct world *w)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &w->client[i];
		struct endpoint gateway = {address("10.25.0.2"), w->opened % 3 == 0 ? 25 : 26};

		if (c->conn != NULL || w->peers->result.sent >= w->peers->wanted)
			continue;
		if (tcp_connect(w->client_net, clock_now_us(), NULL, &gateway, &c->conn) != OK)
			return;
		tcp_set_user(c->conn, c);
		c->leaves = w->opened++ % LEAVES_EACH == 1;
	}
}

static void client_send(struct client *c)
{
	struct bytes out;
	size_t sent = 0;

	if (c->tls == NULL) {
		sent = tcp_write(c->conn, c->left, false);
		c->left = bytes_slice(c->left, sent, c->left.len);
		return;
	}
	if (c->up && c->left.len > 0)
		c->left = bytes_slice(c->left, tls_write(c->tls, c->left), c->left.len);
	while ((out = tls_output(c->tls, sent)).len > 0)
		if ((sent = tcp_write(c->conn, out, false)) == 0)
			break;
}

/* A reply is whole: the next thing is said. False: nothing is left to say. */
static bool client_reply(struct world *w, struct client *c)
{
	if (c->line[0] != '2' && c->line[0] != '3')
		return false;
	if (c->step == STEP_TEXT + 1)
		w->peers->result.sent++;
	if (c->step == STEP_TLS && c->tls == NULL) {
		c->tls = tls_open(w->engine, w->config[w->opened % 2], BYTES("mx.postern.test"));
		ASSERT(c->tls != NULL);
		return true;
	}
	if (c->step == STEPS)
		return false;
	c->left = bytes_text(script[c->step++]);
	return true;
}

/* Octets of replies, in the clear or out of TLS. */
static bool client_hear(struct world *w, struct client *c, struct bytes octets)
{
	for (size_t i = 0; i < octets.len; i++) {
		if (c->line_len < sizeof(c->line))
			c->line[c->line_len++] = (char)octets.data[i];
		if (octets.data[i] != '\n')
			continue;
		bool last = c->line_len > 3 && c->line[3] != '-';
		c->line_len = 0;
		if (last && !client_reply(w, c))
			return false;
	}
	return true;
}

static bool client_decrypt(struct world *w, struct client *c)
{
	struct tls_event event;
	bool fine = true;

	do {
		tls_feed(c->tls, tcp_peek(c->conn, 0), tcp_at_end(c->conn));
		tls_next(c->tls, &event);
		tcp_consume(c->conn, event.taken_bytes);
		if (event.kind == TLS_HANDSHAKE) {
			c->up = true;
			c->left = bytes_text(script[c->step++]);
		}
		if (event.kind == TLS_DATA) {
			fine = client_hear(w, c, event.data);
			tls_consume(c->tls, event.data.len);
		}
		if (event.kind >= TLS_CLOSED)
			return false;
		client_send(c);
	} while (fine &&
	         (event.kind == TLS_STEP || event.kind == TLS_DATA || event.kind == TLS_HANDSHAKE ||
	          (event.kind == TLS_MORE && tcp_readable(c->conn) > 0)));
	return fine;
}

static void client_turn(struct world *w, struct client *c)
{
	bool fine = true;

	/* The server's first octets leave before its signature is made. */
	if (c->leaves && c->greeted && !c->up && tcp_readable(c->conn) > 0) {
		w->peers->result.left++;
		client_end(c, true);
		return;
	}
	if (c->tls == NULL && tcp_readable(c->conn) > 0) {
		struct bytes octets = tcp_peek(c->conn, 0);
		fine = client_hear(w, c, octets);
		tcp_consume(c->conn, octets.len);
	}
	if (fine && c->tls != NULL)
		fine = client_decrypt(w, c);
	if (!fine || tcp_at_end(c->conn)) {
		w->peers->result.broken += c->step < STEPS;
		client_end(c, false);
		return;
	}
	client_send(c);
	c->greeted = c->tls != NULL;
}

static void clients_run(struct world *w)
{
	struct tcp_conn *conn;
	uint32_t news;

	while ((conn = tcp_next_ready(w->client_net, &news)) != NULL) {
		struct client *c = tcp_user(conn);

		if (c == NULL) {
			tcp_close(conn);
		} else if (news & TCP_FAILED) {
			w->peers->result.broken++;
			client_end(c, false);
		} else {
			client_turn(w, c);
		}
	}
}

/* ---- the backend ---- */

static void backend_line(struct world *w, struct backend *b)
{
	const char *reply = "250 fine\r\n";

	if (b->body) {
		if (b->line_len != 3 || b->line[0] != '.')
			return;
		b->body = false;
		w->peers->result.received++;
	} else if (memcmp(b->line, "DATA", 4) == 0) {
		b->body = true;
		reply = "354 go on\r\n";
	} else if (memcmp(b->line, "QUIT", 4) == 0) {
		reply = "221 bye\r\n";
	}
	(void)tcp_write(b->conn, bytes_text(reply), false);
}

static void backend_hear(struct world *w, struct backend *b)
{
	for (struct bytes run; (run = tcp_peek(b->conn, 0)).len > 0; tcp_consume(b->conn, run.len))
		for (size_t i = 0; i < run.len; i++) {
			if (b->line_len < sizeof(b->line))
				b->line[b->line_len++] = (char)run.data[i];
			if (run.data[i] != '\n')
				continue;
			backend_line(w, b);
			b->line_len = 0;
		}
}

static struct backend *backend_accept(struct world *w, struct tcp_conn *conn)
{
	for (int i = 0; i < BACKENDS; i++)
		if (w->backend[i].conn == NULL) {
			w->backend[i] = (struct backend){.conn = conn};
			tcp_set_user(conn, &w->backend[i]);
			(void)tcp_write(conn, BYTES("220 backend\r\n"), false);
			return &w->backend[i];
		}
	UNREACHABLE();
}

static void backend_run(struct world *w)
{
	struct tcp_conn *conn;
	uint32_t news;

	while ((conn = tcp_next_ready(w->backend_net, &news)) != NULL) {
		struct backend *b = news & TCP_ACCEPTED ? backend_accept(w, conn) : tcp_user(conn);

		if (b == NULL) {
			tcp_close(conn);
			continue;
		}
		if (!(news & TCP_FAILED))
			backend_hear(w, b);
		if ((news & TCP_FAILED) || tcp_at_end(conn)) {
			tcp_close(conn);
			b->conn = NULL;
		}
	}
}

/* ---- both ---- */

static void take(struct net *net, struct port *port, uint64_t now_us)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t count;

	while ((count = port->ops->rx_burst(port, now_us, pkts, BURST_PKTS_MAX)) > 0)
		net_input(net, now_us, pkts, count);
	net_timers(net, now_us, 256);
}

static void give(struct net *net, struct port *port, uint64_t now_us)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t count;

	while ((count = net_output(net, now_us, pkts, BURST_PKTS_MAX)) > 0)
		(void)port->ops->tx_burst(port, now_us, pkts, count);
}

void *peers_run(void *argument)
{
	struct peers *peers = argument;
	struct world *w = arena_take(peers->arena, 1, sizeof(*w), 64);
	uint64_t begun_us = clock_now_us();

	ASSERT(w != NULL);
	world_make(w, peers);
	while (peers->result.sent < peers->wanted) {
		uint64_t now_us = clock_now_us();

		if (now_us - begun_us > RUN_US_MAX)
			break;
		tls_engine_set_time(w->engine, clock_wall_us() / 1000);
		clients_open(w);
		take(w->client_net, &peers->client.port, now_us);
		clients_run(w);
		give(w->client_net, &peers->client.port, now_us);
		take(w->backend_net, &peers->backend.port, now_us);
		backend_run(w);
		give(w->backend_net, &peers->backend.port, now_us);
	}
	for (int i = 0; i < CLIENTS; i++)
		if (w->client[i].conn != NULL)
			client_end(&w->client[i], true);
	give(w->client_net, &peers->client.port, clock_now_us());
	tls_engine_free(w->engine);
	tls_config_free(w->config[0]);
	tls_config_free(w->config[1]);
	return NULL;
}
