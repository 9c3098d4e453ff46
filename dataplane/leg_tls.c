/* leg_tls.c - legs inside TLS: plaintext pulled out of records, replies and messages sealed,
 * handshakes in turns.
 *
 * A handshake's step may cost as much as a thousand packets, so it is never taken where its octets
 * are found: the leg joins a queue, once, and leg_tls_run() takes one step of each in turn until
 * the turn's share of time is used up. Records of a connection that is up are opened where they
 * are asked for: they cost about what copying does.
 */
#include "dataplane/leg.h"

#include "base/check.h"
#include "dataplane/gateway_internal.h"
#include "tcpstack/tls_helper.h"

#define TURN_STEPS_MAX  32     /* of handshakes in a turn */
#define TURN_SHARE_NS   250000 /* then packets have their turn again */
#define PULL_STEPS_MAX  64     /* of one connection that is up, before others are served */
#define RECORD_BYTES    1024   /* the smallest that is sealed while more is to be sent */
#define RECORD_OVERHEAD 64     /* header, nonce, type and tag of a record, and something over */

struct leg_tls *leg_tls_of(const struct gateway *g, const struct leg *leg)
{
	return leg->tls == 0 ? NULL : pool_at(&g->leg_tls, leg->tls - 1);
}

bool leg_is_shaking(const struct gateway *g, const struct leg *leg)
{
	const struct leg_tls *tl = leg_tls_of(g, leg);

	return tl != NULL && tl->state == LEG_TLS_HANDSHAKE;
}

bool leg_has_failed(const struct gateway *g, const struct leg *leg)
{
	const struct leg_tls *tl = leg_tls_of(g, leg);

	return tl != NULL && tl->state == LEG_TLS_FAILED;
}

bool leg_is_truncated(const struct gateway *g, const struct leg *leg)
{
	const struct leg_tls *tl = leg_tls_of(g, leg);

	return tl != NULL && tl->truncated;
}

void leg_describe(const struct gateway *g, const struct leg *leg, struct tls_info *out_info)
{
	const struct leg_tls *tl = leg_tls_of(g, leg);

	if (tl == NULL || tl->tls == NULL || tl->state == LEG_TLS_HANDSHAKE ||
	    tl->state == LEG_TLS_FAILED)
		*out_info = (struct tls_info){.version = "", .suite = "", .group = ""};
	else
		tls_describe(tl->tls, out_info);
}

/* A second's worth may come at once; a thousandth of a handshake is the unit. */
bool leg_tls_admitted(struct gateway *g)
{
	uint64_t rate = g->config->tls_handshakes_per_s_max;
	uint64_t elapsed_us = g->now_us - g->tls_credit_us;

	if (rate == 0)
		return true;
	if (elapsed_us > 1000000)
		elapsed_us = 1000000;
	g->tls_credit_us = g->now_us;
	g->tls_credit += elapsed_us * rate;
	if (g->tls_credit > rate * 1000000)
		g->tls_credit = rate * 1000000;
	if (COUNT_IF(g->tls_credit < 1000000, g->counters->tls_refused_rate))
		return false;
	g->tls_credit -= 1000000;
	return true;
}

static void enqueue(struct gateway *g, struct leg_tls *tl)
{
	if (tl->queued)
		return;
	tl->queued = true;
	tl->run_next = NULL;
	tl->run_before = g->tls_run_tail;
	if (g->tls_run_tail != NULL)
		g->tls_run_tail->run_next = tl;
	else
		g->tls_run_head = tl;
	g->tls_run_tail = tl;
}

static void leave_queue(struct gateway *g, struct leg_tls *tl)
{
	if (!tl->queued)
		return;
	tl->queued = false;
	if (tl->run_before != NULL)
		tl->run_before->run_next = tl->run_next;
	else
		g->tls_run_head = tl->run_next;
	if (tl->run_next != NULL)
		tl->run_next->run_before = tl->run_before;
	else
		g->tls_run_tail = tl->run_before;
}

/* Counted as tcp_peek_acked() counts. */
static uint32_t octets_written(const struct tcp_conn *conn)
{
	struct tcp_info info;

	tcp_info(conn, &info);
	return (uint32_t)(info.bytes_acked + tcp_unacked(conn));
}

struct leg_tls *leg_tls_open(struct gateway *g, struct tls_config *config, struct bytes name)
{
	struct leg_tls *tl;

	if (g->tls_engine == NULL || config == NULL)
		return NULL;
	tl = pool_get(&g->leg_tls);
	if (tl == NULL)
		return NULL;
	*tl = (struct leg_tls){.tls = tls_open(g->tls_engine, config, name)};
	if (tl->tls != NULL) {
		tls_set_user(tl->tls, tl);
		return tl;
	}
	pool_put(&g->leg_tls, tl);
	return NULL;
}

void leg_tls_begin(struct gateway *g, struct leg *leg, struct leg_tls *tl)
{
	ASSERT(leg->tls == 0 && tl->leg == NULL);
	tl->leg = leg;
	tl->since_ms = gateway_now_ms(g);
	/* Exact, as the test for early talkers is: whoever answers a 220, or a ClientHello, has
	 * seen it. A client speaks when it has the whole reply; a server when it has something. */
	tl->clear_octets = octets_written(leg->conn) + (leg->kind == LEG_BACKEND ? 1 : 0);
	leg->tls = pool_index(&g->leg_tls, tl) + 1;
	enqueue(g, tl);
}

size_t leg_tls_save(struct gateway *g, struct leg *leg, uint8_t *out, size_t bytes_max)
{
	struct leg_tls *tl = leg_tls_of(g, leg);

	return tl->state == LEG_TLS_UP ? tls_session_save(tl->tls, out, bytes_max) : 0;
}

void leg_tls_drop(struct gateway *g, struct leg_tls *tl)
{
	tls_free(tl->tls);
	pool_put(&g->leg_tls, tl);
}

void leg_tls_end(struct gateway *g, struct leg *leg)
{
	struct leg_tls *tl = leg_tls_of(g, leg);

	if (tl == NULL)
		return;
	leave_queue(g, tl);
	leg_tls_drop(g, tl);
	leg->tls = 0;
}

/* True when nothing waits any more. */
static bool flush(struct leg_tls *tl, bool more)
{
	struct bytes out = tls_output(tl->tls, 0);

	while (out.len > 0) {
		size_t sent = tcp_write(tl->leg->conn, out, more);
		out = tls_output(tl->tls, sent);
		if (sent == 0)
			return false;
	}
	return true;
}

static void shut(struct leg_tls *tl)
{
	bool said = tl->state == LEG_TLS_FAILED || tls_close(tl->tls);

	if (!flush(tl, false) || (!said && tl->state != LEG_TLS_HANDSHAKE))
		return; /* when the peer has acknowledged more */
	tl->shutting = false;
	tcp_shutdown(tl->leg->conn);
}

void leg_tls_shutdown(struct gateway *g, struct leg *leg)
{
	struct leg_tls *tl = leg_tls_of(g, leg);

	tl->shutting = true;
	shut(tl);
}

static void ended(struct leg_tls *tl, const struct tls_event *event)
{
	tl->truncated = event->kind == TLS_TRUNCATED;
	tl->reason = (uint8_t)event->reason;
	tl->state = event->kind == TLS_FAILED ? LEG_TLS_FAILED : LEG_TLS_ENDED;
}

/* One step: what is readable first goes in, what came out of it leaves. */
static void step(struct leg_tls *tl, struct tls_event *out_event)
{
	struct tcp_conn *conn = tl->leg->conn;

	tls_feed(tl->tls, tcp_peek(conn, 0), tcp_at_end(conn));
	tls_next(tl->tls, out_event);
	tcp_consume(conn, out_event->taken_bytes);
	(void)flush(tl, false);
}

/* Plaintext that lies ready, or is made ready from what has come. */
static struct bytes pull(struct gateway *g, struct leg_tls *tl)
{
	struct tls_event event;

	(void)g;
	for (uint32_t i = 0; i < PULL_STEPS_MAX; i++) {
		step(tl, &event);
		switch (event.kind) {
		case TLS_DATA:
			return event.data;
		case TLS_MORE:
			if (tcp_readable(tl->leg->conn) > 0 || event.taken_bytes > 0)
				break;
			return bytes_of(NULL, 0);
		case TLS_STEP:
		case TLS_HANDSHAKE:
			break;
		case TLS_OUTPUT:
			if (!flush(tl, false))
				return bytes_of(NULL, 0);
			break;
		case TLS_WAITING: /* handshakes only */
			UNREACHABLE();
		case TLS_CLOSED:
		case TLS_TRUNCATED:
		case TLS_FAILED:
			ended(tl, &event);
			return bytes_of(NULL, 0);
		}
	}
	tcp_mark_ready(tl->leg->conn);
	return bytes_of(NULL, 0);
}

struct bytes leg_tls_peek(struct gateway *g, struct leg *leg)
{
	struct leg_tls *tl = leg_tls_of(g, leg);

	return tl->state == LEG_TLS_UP ? pull(g, tl) : bytes_of(NULL, 0);
}

void leg_tls_consume(struct gateway *g, struct leg *leg, size_t bytes)
{
	if (bytes > 0)
		tls_consume(leg_tls_of(g, leg)->tls, bytes);
}

/* The one copy there is on this way: out of the record into packets that go to the backend as they
 * are. The last packet of the chain is filled up first. */
size_t leg_tls_take(struct gateway *g, struct leg *leg, size_t bytes, struct pkt_chain *chain)
{
	struct leg_tls *tl = leg_tls_of(g, leg);
	struct bytes data = bytes_slice(leg_tls_peek(g, leg), 0, bytes);
	size_t taken = 0;

	while (taken < data.len) {
		struct pkt *pkt = chain->tail;
		size_t room = pkt != NULL ? pkt_tailroom(pkt) : 0;
		size_t len = data.len - taken;

		if (room == 0) {
			pkt = pkt_get(g->its.pool);
			if (pkt == NULL)
				break;
			pkt->data = pkt->buffer; /* no header is put in front of it */
			pkt->len = 0;
			pkt_chain_push(chain, pkt);
			room = pkt_tailroom(pkt);
		}
		len = len < room ? len : room;
		memcpy(pkt->data + pkt->len, data.data + taken, len);
		pkt->len = (uint16_t)(pkt->len + len);
		chain->bytes += len;
		taken += len;
	}
	if (taken > 0)
		tls_consume(tl->tls, taken);
	return taken;
}

bool leg_tls_at_end(struct gateway *g, struct leg *leg)
{
	return leg_tls_of(g, leg)->state >= LEG_TLS_ENDED;
}

static bool may_write(const struct leg_tls *tl)
{
	return tl->state == LEG_TLS_UP || tl->state == LEG_TLS_ENDED;
}

/* Room for plaintext when it goes in the smallest records. While octets of a sealed record wait
 * nothing can be sealed. */
size_t leg_tls_writable(struct gateway *g, struct leg *leg)
{
	struct leg_tls *tl = leg_tls_of(g, leg);
	size_t room = tcp_writable(leg->conn);
	size_t overhead = (room / RECORD_BYTES + 1) * RECORD_OVERHEAD;

	if (!may_write(tl) || !flush(tl, false))
		return 0;
	return room > overhead ? room - overhead : 0;
}

size_t leg_tls_write(struct gateway *g, struct leg *leg, struct bytes bytes, bool more)
{
	struct leg_tls *tl = leg_tls_of(g, leg);
	size_t written = 0;

	if (!may_write(tl))
		return 0;
	while (written < bytes.len && flush(tl, more)) {
		size_t taken = tls_write(tl->tls, bytes_slice(bytes, written, bytes.len));
		if (taken == 0)
			break;
		written += taken;
	}
	(void)flush(tl, more);
	return written;
}

size_t leg_tls_write_chain(struct gateway *g, struct leg *leg, struct pkt_chain *chain, bool more)
{
	size_t written = 0;

	while (chain->head != NULL && chain->head->len <= leg_tls_writable(g, leg)) {
		struct pkt *pkt = pkt_chain_pop(chain);
		size_t taken = leg_tls_write(g, leg, bytes_of(pkt->data, pkt->len),
		                             more || chain->head != NULL);

		written += taken;
		if (taken < pkt->len) { /* the library's failure: nothing more may follow */
			leg_tls_of(g, leg)->state = LEG_TLS_FAILED;
			tcp_mark_ready(leg->conn);
		}
		pkt_put(pkt);
	}
	return written;
}

void leg_tls_news(struct gateway *g, struct leg *leg)
{
	struct leg_tls *tl = leg_tls_of(g, leg);

	(void)flush(tl, false);
	if (tl->shutting)
		shut(tl);
	if (tl->state == LEG_TLS_HANDSHAKE)
		enqueue(g, tl);
}

static void tell(struct gateway *g, struct leg *leg, enum leg_tls_news news)
{
	if (leg->kind == LEG_CLIENT)
		session_tls_news(g, (struct session *)leg, news);
	else
		backend_tls_news(g, (struct backend *)leg, news);
}

/* Did whoever sent the first octets know that TLS had begun? Asked once. */
static bool is_injected(struct leg_tls *tl)
{
	const struct tcp_conn *conn = tl->leg->conn;

	if (tl->heard || tcp_readable(conn) == 0)
		return false;
	tl->heard = true;
	return (int32_t)(tcp_peek_acked(conn) - tl->clear_octets) < 0;
}

/* One step of one handshake. The leg may be gone afterwards. */
static void shake(struct gateway *g, struct leg_tls *tl)
{
	struct tls_event event;

	if (is_injected(tl)) {
		tell(g, tl->leg, LEG_TLS_INJECTED);
		return;
	}
	step(tl, &event);
	/* A server's tickets are made behind its handshake, and before anything can be said. */
	if (tl->agreed && (event.kind == TLS_MORE || event.kind == TLS_DATA)) {
		tl->state = LEG_TLS_UP;
		tell(g, tl->leg, LEG_TLS_BEGUN);
		return;
	}
	switch (event.kind) {
	case TLS_MORE:
	case TLS_DATA: /* not before it is agreed */
		if (tcp_readable(tl->leg->conn) > 0 || event.taken_bytes > 0)
			enqueue(g, tl);
		break;
	case TLS_HANDSHAKE:
		tl->agreed = true;
		enqueue(g, tl);
		break;
	case TLS_STEP:
		enqueue(g, tl);
		break;
	case TLS_WAITING: /* parked, until a helper has signed */
		break;
	case TLS_OUTPUT: /* goes on when the peer has acknowledged something */
		if (flush(tl, false))
			enqueue(g, tl);
		break;
	case TLS_CLOSED:
	case TLS_TRUNCATED:
	case TLS_FAILED:
		ended(tl, &event);
		tl->state = LEG_TLS_FAILED;
		tell(g, tl->leg, LEG_TLS_BROKEN);
		break;
	}
}

/* Whose signatures have come join the queue. */
static void take_answers(struct gateway *g)
{
	struct tls *tls;

	if (g->tls_engine == NULL)
		return;
	while ((tls = tls_engine_answered(g->tls_engine)) != NULL) /* no more than are out */
		enqueue(g, tls_user(tls));
}

bool leg_tls_run(struct gateway *g)
{
	uint64_t begun_ns;

	take_answers(g);
	if (g->tls_run_head == NULL)
		return false;
	begun_ns = g->its.cpu_now_ns();
	for (uint32_t i = 0; i < TURN_STEPS_MAX && g->tls_run_head != NULL; i++) {
		struct leg_tls *tl = g->tls_run_head;

		leave_queue(g, tl);
		shake(g, tl);
		if (g->its.cpu_now_ns() - begun_ns >= TURN_SHARE_NS)
			break;
	}
	if (COUNT_IF(g->tls_run_head != NULL, g->counters->tls_turns_cut))
		return true;
	return false;
}
