/* fuzz_gateway.c - a whole gateway between clients that say anything and a backend that answers
 * anything, in virtual time, over two stacks that hand each other their packets.
 *
 * The input is a list of steps: octets of a client, whole commands, what the backend will answer
 * next, pauses, drains, ends of connections. Checked: every reply a client gets is well-formed;
 * what the backend gets is SMTP of ours, and a message it gets is, behind our trace, octet for
 * octet a run of what one client sent; its word on a message is told at most once, and once when
 * nobody left; in the end no session, connection or packet is left.
 */
#include <stdlib.h>

#include "base/check.h"
#include "dataplane/gateway.h"
#include "smtp/data.h"
#include "tests/fuzz/gateway_setup.h"
#include "tests/sim/sim_end.h"

#define CLIENTS_MAX       3
#define BACKENDS_SEEN_MAX 4 /* connections_max of the configuration, and one */
#define GATEWAY_PKTS      512
#define PEER_PKTS         1024
#define SENT_BYTES_MAX    (200u << 10)
#define STEPS_MAX         256
#define TURNS_MAX         64
#define FAULTS_MAX        16
#define MESSAGES_MAX      4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct client {
	struct sim_end end;
	bool deaf; /* does not read */
	uint8_t line[SMTP_REPLY_LINE_BYTES_MAX];
	size_t line_bytes;
	/* All octets it sent, on all its connections. */
	uint8_t sent[SENT_BYTES_MAX];
	size_t sent_bytes;
};

struct backend_seen {
	struct sim_end end;
	bool in_data;
	bool garbled; /* it has said what nobody can say the meaning of */
	uint8_t line[4096];
	size_t line_bytes;
	uint8_t *body; /* raw, as it came behind 354 */
	size_t body_bytes;
};

struct input {
	const uint8_t *data;
	size_t size, at;
};

struct world {
	struct arena arena;
	struct pkt_pool *pool, *peer_pool;
	struct net *net, *peers;
	struct gateway *gateway;
	struct net_counters net_counters, peer_net_counters;
	struct tcp_counters tcp_counters, peer_tcp_counters;
	struct gateway_counters counters;
	struct tls_counters tls_counters;
	struct smtp_counters smtp_counters;
	struct mime_counters mime_counters;
	uint64_t now_us;
	struct client client[CLIENTS_MAX];
	struct backend_seen backend[BACKENDS_SEEN_MAX];
	/* What the backend answers to its next commands instead of yes; from the input. */
	struct bytes fault[FAULTS_MAX];
	uint32_t fault_head, fault_count;
	uint32_t kept_count, told_count;
	bool told[MESSAGES_MAX];
	bool somebody_left; /* or could not be told for another reason */
	bool backend_deaf, garbled;
	bool hasty; /* clients speak before the greeting */
	bool backend_tls, backend_1_2;
	bool tls_open;
};

static struct gateway_setup setup;
static struct world world;

static struct addr address(const char *text)
{
	struct addr addr;

	ASSERT(addr_parse(bytes_text(text), &addr) == OK);
	return addr;
}

static uint64_t no_clock(void)
{
	return 0;
}

static struct net *make_net(struct pkt_pool *pool, const char *ip, struct net_counters *counters,
                            struct tcp_counters *tcp_counters)
{
	struct net_config its;
	struct prefix prefix = {address(ip), 96 + 24};

	net_config_defaults(&its);
	its.connections_max = 32;
	its.syn_cache_count = 16;
	its.time_wait_count = 16;
	its.time_wait_us = 1000000;
	its.send_buffer_bytes = 4096; /* the least there may be */
	struct net *net = net_new(&world.arena, &its, pool, counters, tcp_counters, world.now_us);
	ASSERT(net != NULL);
	net_set_raw_ip(net);
	ASSERT(net_add_address(net, 0, &prefix) == OK);
	return net;
}

static void world_make(void)
{
	struct endpoint sink = {address("10.25.0.1"), 2525};
	struct world *w = &world;

	w->now_us = 1000000;
	ASSERT(arena_init(&w->arena, (size_t)64 << 20, false) == OK);
	w->pool = pkt_pool_memory(&w->arena, GATEWAY_PKTS);
	w->peer_pool = pkt_pool_memory(&w->arena, PEER_PKTS);
	ASSERT(w->pool != NULL && w->peer_pool != NULL);
	w->net = make_net(w->pool, "10.25.0.2", &w->net_counters, &w->tcp_counters);
	w->peers = make_net(w->peer_pool, "10.25.0.1", &w->peer_net_counters,
	                    &w->peer_tcp_counters);
	ASSERT(tcp_listen(w->peers, &sink, 0) == OK);
	struct gateway_config its = {.config = &setup.config,
	                             .net = w->net,
	                             .pool = w->pool,
	                             .rules = setup.rules,
	                             .counters = &w->counters,
	                             .tls_counters = &w->tls_counters,
	                             .tls = setup.tls,
	                             .smtp_counters = &w->smtp_counters,
	                             .mime_counters = &w->mime_counters,
	                             .hostname = "gateway.example",
	                             .cpu_now_ns = no_clock};
	w->gateway = gateway_new(&w->arena, &its, w->now_us);
	ASSERT(w->gateway != NULL);
}

static void close_all(void)
{
	gateway_close(world.gateway);
	gateway_setup_free(&setup);
	arena_free(&world.arena);
}

/* Moves what one stack sends to the other; true when there was anything. */
static bool carry(struct net *from, struct net *to, struct pkt_pool *to_pool)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t count = net_output(from, world.now_us, pkts, BURST_PKTS_MAX);

	for (size_t i = 0; i < count; i++) {
		struct pkt *pkt = pkt_get(to_pool);
		if (pkt != NULL) {
			memcpy(pkt->data, pkts[i]->data, pkts[i]->len);
			pkt->len = pkts[i]->len;
			net_input_ip(to, world.now_us, pkt);
		}
		pkt_put(pkts[i]);
	}
	return count > 0;
}

/* A reply line as it must be; the backend's word in it is told once. */
static void check_reply(struct bytes line)
{
	ASSERT(line.len >= 4 && line.len <= SMTP_REPLY_LINE_BYTES_MAX - 2);
	for (size_t i = 0; i < line.len; i++)
		ASSERT(line.data[i] >= ' ' && line.data[i] <= '~');
	for (size_t i = 0; i < 3; i++)
		ASSERT(line.data[i] >= '0' && line.data[i] <= '9');
	ASSERT(line.data[0] >= '2' && line.data[0] <= '5');
	ASSERT(line.data[3] == ' ' || line.data[3] == '-');
	const uint8_t *kept = memmem(line.data, line.len, "kept-", 5);
	if (kept == NULL || memcmp(line.data, "250 ", 4) != 0)
		return;
	unsigned long number = strtoul((const char *)kept + 5, NULL, 10);
	ASSERT(number < world.kept_count && !world.told[number]);
	world.told[number] = true;
	world.told_count++;
}

static void client_read(struct client *c)
{
	for (struct bytes text; !c->deaf && (text = sim_end_peek(&c->end)).len > 0;) {
		for (size_t i = 0; i < text.len; i++) {
			ASSERT(c->line_bytes < sizeof(c->line));
			c->line[c->line_bytes++] = text.data[i];
			if (text.data[i] != '\n')
				continue;
			ASSERT(c->line_bytes >= 2 && c->line[c->line_bytes - 2] == '\r');
			c->line[c->line_bytes - 2] = '\0';
			check_reply(bytes_of(c->line, c->line_bytes - 2));
			c->line_bytes = 0;
		}
		sim_end_consume(&c->end, text.len);
	}
}

static void client_end(struct client *c, bool abort)
{
	if (c->end.conn == NULL)
		return;
	if (abort)
		sim_end_abort(&c->end);
	else
		sim_end_close(&c->end);
	c->line_bytes = 0;
	c->deaf = false;
	world.somebody_left = true;
}

static void turn(void);

static void client_connect(struct client *c, uint16_t port)
{
	struct endpoint remote = {address("10.25.0.2"), port};

	if (tcp_connect(world.peers, world.now_us, NULL, &remote, &c->end.conn) == OK)
		tcp_set_user(c->end.conn, c);
	else
		c->end.conn = NULL;
}

static void client_send(struct client *c, struct bytes text)
{
	if (c->end.conn == NULL) {
		client_connect(c, 25);
		if (c->end.conn != NULL && !world.hasty)
			turn(); /* hears the greeting first */
	}
	if (c->end.conn == NULL ||
	    (c->end.tls != NULL && tls_peer_state(c->end.tls) != TLS_PEER_UP))
		return;
	size_t room = sizeof(c->sent) - c->sent_bytes;
	text = bytes_slice(text, 0, room);
	size_t taken = sim_end_write(&c->end, text);
	memcpy(c->sent + c->sent_bytes, text.data, taken);
	c->sent_bytes += taken;
}

static void backend_forget(struct backend_seen *b)
{
	free(b->body);
	tls_peer_free(b->end.tls);
	memset(b, 0, sizeof(*b));
}

static bool line_is_ours(struct bytes line)
{
	static const char *const names[] = {"Received: from ", "X-Spam-Flag: ",  "X-Spam-Score: ",
	                                    "X-Spam-Status: ", "X-Postern-Id: ", "\t"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (bytes_starts_nocase(line, bytes_text(names[i])))
			return true;
	return false;
}

static struct bytes behind_line(struct bytes text)
{
	return bytes_slice(text, bytes_find(text, '\n') + 1, text.len);
}

static struct bytes first_line(struct bytes text)
{
	return bytes_slice(text, 0, bytes_find(text, '\n') + 1);
}

/* `body` is a run of `sent`, but for lines that are left out of its header section; where it
 * begins, any line of `sent` may. */
static bool is_run_but_for_lines(struct bytes body, struct bytes sent)
{
	while (body.len > 0 && sent.len > 0) {
		if (body.len <= sent.len && bytes_equal(bytes_of(sent.data, body.len), body))
			return true;
		if (bytes_equal(first_line(body), first_line(sent)))
			body = behind_line(body);
		sent = behind_line(sent);
	}
	return body.len == 0;
}

/* Behind our trace, what came is a run of what one client sent, its final dot included; without
 * fields that speak in our name, where there are any. */
static void check_message(struct bytes body)
{
	static const struct bytes own = {
	    (const uint8_t *)"Authentication-Results: gateway.example;", 40};

	ASSERT(bytes_starts_nocase(body, own));
	for (body = behind_line(body); body.len > 0 && line_is_ours(body);) {
		size_t line = bytes_find(body, '\n');
		ASSERT(line < body.len && line >= 1 && body.data[line - 1] == '\r' && line < 998);
		body = bytes_slice(body, line + 1, body.len);
	}
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct bytes sent = bytes_of(world.client[i].sent, world.client[i].sent_bytes);

		if (memmem(sent.data, sent.len, body.data, body.len) != NULL)
			return;
		if (memmem(sent.data, sent.len, "esults", 6) == NULL)
			continue; /* nothing may have been taken out */
		if (is_run_but_for_lines(body, sent))
			return;
	}
	ASSERT(false); /* nobody sent this */
}

/* Yes, or what the input wants instead: octets as they stand, "!" for a reset, "." for a FIN. */
static void backend_answer(struct backend_seen *b, struct bytes yes)
{
	struct bytes answer = yes;

	if (world.fault_count > 0) {
		answer = world.fault[world.fault_head];
		world.fault_head = (world.fault_head + 1) % FAULTS_MAX;
		world.fault_count--;
		world.somebody_left = true;
		/* Whole lines without a 3 leave no doubt what comes next. */
		b->garbled |= answer.len == 1
		                  ? answer.data[0] == '2'
		                  : answer.len > 0 && !bytes_equal(answer, BYTES("354 go\r\n")) &&
		                        (memchr(answer.data, '3', answer.len) != NULL ||
		                         answer.data[answer.len - 1] != '\n');
		world.garbled |= b->garbled;
	}
	if (bytes_equal(answer, BYTES("!")) || bytes_equal(answer, BYTES("."))) {
		if (answer.data[0] == '!')
			sim_end_abort(&b->end);
		else
			sim_end_close(&b->end);
		backend_forget(b);
		return;
	}
	(void)sim_end_write(&b->end, answer);
}

static void backend_keeps(struct backend_seen *b)
{
	char text[64];

	if (!b->garbled)
		check_message(bytes_of(b->body, b->body_bytes));
	b->in_data = false;
	b->body_bytes = 0;
	if (world.kept_count == MESSAGES_MAX)
		return;
	snprintf(text, sizeof(text), "250 2.0.0 kept-%u\r\n", (unsigned int)world.kept_count++);
	backend_answer(b, bytes_text(text));
}

/* Another answer leaves it open whether TLS follows. */
static void backend_starttls(struct backend_seen *b)
{
	struct tls_peer_options options = {.server = true, .only_1_2 = world.backend_1_2};
	bool yes = world.fault_count == 0;

	backend_answer(b, BYTES("220 go\r\n"));
	b->garbled |= !yes;
	world.garbled |= !yes;
	if (yes)
		sim_end_begin_tls(&b->end, &options);
}

static void backend_command(struct backend_seen *b, struct bytes line)
{
	if (b->garbled) {
		backend_answer(b, BYTES("250 2.0.0 ok\r\n"));
		return;
	}

	static const char *const verbs[] = {"EHLO ", "HELO ", "MAIL FROM:<", "RCPT TO:<", "DATA",
	                                    "RSET",  "NOOP",  "QUIT",        "STARTTLS"};
	size_t verb = 0;

	while (verb < 9 && !bytes_starts_nocase(line, bytes_text(verbs[verb])))
		verb++;
	ASSERT(verb < 9 && line.len <= SMTP_COMMAND_LINE_BYTES_MAX);
	for (size_t i = 0; i < line.len; i++)
		ASSERT(line.data[i] >= ' ' && line.data[i] != 0x7f);
	if (verb == 0) {
		backend_answer(b, world.backend_tls && b->end.tls == NULL
		                      ? BYTES("250-sink\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
		                      : BYTES("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
		                              "250 SIZE 90000\r\n"));
	} else if (verb == 8) {
		backend_starttls(b);
	} else if (verb == 4) {
		/* Only a 354 makes what follows a message. */
		b->in_data = world.fault_count == 0 ||
		             bytes_equal(world.fault[world.fault_head], BYTES("354 go\r\n"));
		backend_answer(b, BYTES("354 go\r\n"));
	} else {
		backend_answer(b,
		               verb == 7 ? BYTES("221 2.0.0 bye\r\n") : BYTES("250 2.0.0 ok\r\n"));
	}
}

static void backend_octet(struct backend_seen *b, uint8_t octet)
{
	if (b->in_data) {
		if ((b->body_bytes & (b->body_bytes - 1)) == 0)
			b->body = realloc(b->body, b->body_bytes > 0 ? 2 * b->body_bytes : 1);
		ASSERT(b->body != NULL);
		b->body[b->body_bytes++] = octet;
		if (b->body_bytes >= 5 && memcmp(b->body + b->body_bytes - 5, "\r\n.\r\n", 5) == 0)
			backend_keeps(b);
		return;
	}
	if (b->garbled && b->line_bytes == sizeof(b->line))
		b->line_bytes = 0;
	ASSERT(b->line_bytes < sizeof(b->line));
	b->line[b->line_bytes++] = octet;
	if (octet != '\n')
		return;
	if (b->garbled && b->line_bytes < 2)
		return;
	ASSERT(b->garbled || b->line[b->line_bytes - 2] == '\r');
	ASSERT(b->line_bytes >= 2);
	size_t len = b->line_bytes - 2;
	b->line_bytes = 0;
	backend_command(b, bytes_of(b->line, len));
}

static void backend_read(struct backend_seen *b)
{
	for (struct bytes text; b->end.conn != NULL && !world.backend_deaf &&
	                        (text = sim_end_peek(&b->end)).len > 0;) {
		uint8_t octet = text.data[0];
		sim_end_consume(&b->end, 1);
		backend_octet(b, octet);
	}
	if (b->end.conn != NULL && sim_end_at_end(&b->end)) {
		sim_end_close(&b->end);
		backend_forget(b);
	}
}

static void backend_accept(struct tcp_conn *conn)
{
	for (int i = 0; i < BACKENDS_SEEN_MAX; i++) {
		struct backend_seen *b = &world.backend[i];
		if (b->end.conn != NULL)
			continue;
		b->end.conn = conn;
		tcp_set_user(conn, b);
		backend_answer(b, BYTES("220 sink\r\n"));
		return;
	}
	tcp_set_user(conn, NULL);
	tcp_abort(conn);
}

static bool is_client(const void *user)
{
	return user >= (const void *)world.client &&
	       user < (const void *)(world.client + CLIENTS_MAX);
}

static void peers_run(void)
{
	struct tcp_conn *conn;
	uint32_t news;

	while ((conn = tcp_next_ready(world.peers, &news)) != NULL) {
		if (news & TCP_ACCEPTED)
			backend_accept(conn);
		void *user = tcp_user(conn);
		if (user == NULL || (news & TCP_ACCEPTED && user == NULL))
			continue;
		if (is_client(user)) {
			client_read(user);
			if (news & TCP_FAILED || sim_end_at_end(&((struct client *)user)->end))
				client_end(user, false);
		} else if (news & TCP_FAILED) {
			sim_end_abort(&((struct backend_seen *)user)->end);
			backend_forget(user);
			world.somebody_left = true;
		} else {
			backend_read(user);
		}
	}
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (world.client[i].end.conn != NULL) {
			client_read(&world.client[i]);
			sim_end_run(&world.client[i].end);
			if (sim_end_is_broken(&world.client[i].end))
				client_end(&world.client[i], false);
		}
	for (int i = 0; i < BACKENDS_SEEN_MAX; i++)
		if (world.backend[i].end.conn != NULL) {
			backend_read(&world.backend[i]);
			sim_end_run(&world.backend[i].end);
		}
}

/* Until nothing moves at this moment. */
static void turn(void)
{
	struct world *w = &world;

	for (int i = 0; i < TURNS_MAX; i++) {
		bool moved = false;
		net_timers(w->net, w->now_us, 256);
		gateway_run(w->gateway, w->now_us, w->now_us);
		moved |= carry(w->net, w->peers, w->peer_pool);
		net_timers(w->peers, w->now_us, 256);
		peers_run();
		moved |= carry(w->peers, w->net, w->pool);
		if (!moved && gateway_next_deadline_us(w->gateway) > w->now_us)
			return;
	}
}

static void pass(uint64_t us)
{
	uint64_t until = world.now_us + us;

	for (int i = 0; i < TURNS_MAX && world.now_us < until; i++) {
		uint64_t next = net_next_deadline_us(world.net);
		uint64_t others[] = {net_next_deadline_us(world.peers),
		                     gateway_next_deadline_us(world.gateway), until};
		for (int k = 0; k < 3; k++)
			next = others[k] < next ? others[k] : next;
		world.now_us = next > world.now_us ? next : world.now_us + 1000;
		turn();
	}
	world.now_us = until > world.now_us ? until : world.now_us;
	turn();
}

static uint8_t octet(struct input *input)
{
	return input->at < input->size ? input->data[input->at++] : 0;
}

static struct bytes octets(struct input *input, size_t bytes)
{
	struct bytes text = bytes_slice(bytes_of(input->data, input->size), input->at, bytes);

	input->at += text.len;
	return text;
}

static void say(struct client *c, uint8_t what, struct input *input)
{
	static const char *const lines[] = {
	    "EHLO a.example\r\n",
	    "MAIL FROM:<a@a.example> SIZE=10\r\n",
	    "RCPT TO:<b@b.example>\r\n",
	    "DATA\r\n",
	    "Subject: tagged\r\n\r\nx x x\r\n..dot\r\n.\r\n",
	    "MAIL FROM:<>\r\nRCPT TO:<c@b.example>\r\nRCPT TO:<d@b.example>\r\nDATA\r\n",
	    "\r\nbuy-the-marked-thing\r\n.\r\n",
	    "QUIT\r\n",
	};
	static char filler[80 * 13 + 1];

	if (what < 8) {
		client_send(c, bytes_text(lines[what]));
		return;
	}
	if (filler[0] == '\0')
		for (size_t i = 0; i + 1 < sizeof(filler); i++)
			filler[i] = i % 80 < 78 ? (char)('a' + i / 80) : i % 80 == 78 ? '\r' : '\n';
	for (uint8_t i = octet(input); i > 0; i--) {
		client_send(c, bytes_text(filler));
		if (i % 8 == 0)
			turn();
	}
}

static void client_step(uint8_t op, struct input *input)
{
	struct client *c = &world.client[(op & 3) % CLIENTS_MAX];

	switch (op >> 2 & 3) {
	case 0:
		client_end(c, false);
		break;
	case 1:
		client_end(c, true);
		break;
	case 2:
		c->deaf = !c->deaf;
		world.somebody_left |= c->deaf;
		break;
	default:
		if (c->end.conn != NULL)
			tcp_shutdown(c->end.conn);
		(void)input;
		world.somebody_left = true;
		break;
	}
}

static void backend_step(uint8_t op, struct input *input)
{
	static const char *const answers[] = {"!",
	                                      ".",
	                                      "",
	                                      "421 4.3.2 going\r\n",
	                                      "451 4.7.1 later\r\n",
	                                      "550 5.1.1 no\r\n",
	                                      "552 5.3.4 big\r\n",
	                                      "354 go\r\n",
	                                      "250-a\r\n250 2.0.0 b\r\n",
	                                      "250\r\n",
	                                      "2",
	                                      "554 5.7.1 \x01\xff\r\n"};
	struct bytes answer = bytes_of(NULL, 0);

	if (op == 15) {
		world.backend_deaf = !world.backend_deaf;
		return;
	}
	if (op < 12)
		answer = bytes_text(answers[op]);
	else
		answer = octets(input, octet(input));
	if (memmem(answer.data, answer.len, "kept-", 5) != NULL)
		return; /* only we say that */
	if (world.fault_count < FAULTS_MAX)
		world.fault[(world.fault_head + world.fault_count++) % FAULTS_MAX] = answer;
}

/* TLS behind STARTTLS, whatever the answer to it, or before it; TLS at once; octets that are none.
 */
static void tls_step(uint8_t op, struct input *input)
{
	uint8_t choice = octet(input);
	struct client *c = &world.client[(choice & 3) % CLIENTS_MAX];
	struct tls_peer_options options = {.only_1_2 = (choice & 4) != 0,
	                                   .resume = (choice & 8) != 0};

	world.backend_1_2 = (choice & 16) != 0;
	if (setup.tls == NULL)
		return;
	if (!world.tls_open)
		world.tls_open = tls_peer_open(1);
	if (op == 0xe4) {
		client_send(c, BYTES("STARTTLS\r\n"));
		if ((choice & 32) == 0)
			turn();
	} else if (op == 0xe5 && c->end.conn == NULL) {
		client_connect(c, 465);
	} else if (op == 0xe6 && c->end.conn != NULL) {
		(void)tcp_write(c->end.conn, octets(input, octet(input)), false);
	} else if (op == 0xe7) {
		world.backend_tls = !world.backend_tls;
	}
	if (op <= 0xe5 && c->end.conn != NULL && c->end.tls == NULL)
		sim_end_begin_tls(&c->end, &options);
}

static void step(struct input *input)
{
	uint8_t op = octet(input);

	if (op < 0x40) {
		client_send(&world.client[(op & 3) % CLIENTS_MAX],
		            octets(input, (size_t)(op >> 2) + 1));
	} else if (op < 0xa0) {
		say(&world.client[(op & 3) % CLIENTS_MAX], (uint8_t)((op - 0x40) / 4 % 9), input);
	} else if (op < 0xb0) {
		client_step(op, input);
	} else if (op < 0xc0) {
		backend_step(op & 15, input);
	} else if (op < 0xe0) {
		pass((uint64_t)octet(input) << (op & 31) >> 4);
	} else if (op == 0xe0) {
		gateway_drain(world.gateway);
		world.somebody_left = true;
	} else if (op == 0xe1) {
		gateway_resume(world.gateway);
	} else if (op == 0xe2) {
		gateway_reload(world.gateway);
	} else if (op == 0xe3) {
		world.hasty = !world.hasty;
	} else if (op < 0xe8) {
		tls_step(op, input);
	} else {
		return; /* what follows comes in the same turn */
	}
	turn();
}

static void settle(void)
{
	world.backend_deaf = false;
	world.fault_count = 0;
	for (int i = 0; i < CLIENTS_MAX; i++)
		world.client[i].deaf = false;
	pass(20000000);
	ASSERT(world.garbled || world.counters.messages_accepted + world.counters.messages_tagged <=
	                            world.kept_count);
	if (!world.somebody_left)
		ASSERT(world.told_count == world.kept_count);
	for (int i = 0; i < CLIENTS_MAX; i++)
		client_end(&world.client[i], true);
	for (int i = 0; i < 200 && (net_connection_count(world.net) > 0 ||
	                            gateway_session_count(world.gateway) > 0);
	     i++)
		pass(60000000);
	pass(10000000);
	ASSERT(gateway_session_count(world.gateway) == 0 && gateway_idle(world.gateway));
	ASSERT(rules_current(setup.rules, 0)->pin_count == 0);
	ASSERT(world.counters.shadow_messages <=
	       world.counters.messages + world.counters.messages_streamed);
	ASSERT(net_connection_count(world.net) == 0);
	ASSERT(world.pool->free_count == GATEWAY_PKTS);
	size_t tls_bytes;
	ASSERT(gateway_tls_use(world.gateway, &tls_bytes) == 0);
}

/* The gateway is the same for all inputs, as opening one takes longer than using it: nothing is
 * left of an input, so none matters to the next. */
static void forget(void)
{
	struct world *w = &world;

	for (int i = 0; i < CLIENTS_MAX; i++) {
		w->client[i].end = (struct sim_end){NULL, NULL};
		w->client[i].line_bytes = w->client[i].sent_bytes = 0;
	}
	for (int i = 0; i < BACKENDS_SEEN_MAX; i++)
		backend_forget(&w->backend[i]);
	memset(&w->counters, 0, sizeof(w->counters));
	memset(w->told, 0, w->kept_count);
	w->kept_count = w->told_count = 0;
	w->somebody_left = w->garbled = w->hasty = w->backend_tls = w->backend_1_2 = false;
	if (w->tls_open)
		tls_peer_close();
	w->tls_open = false;
	gateway_resume(w->gateway);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size, 0};

	if (setup.rules == NULL) {
		gateway_setup_make(&setup);
		world_make();
		atexit(close_all);
	}
	for (int i = 0; i < STEPS_MAX && input.at < input.size; i++)
		step(&input);
	settle();
	forget();
	return 0;
}
