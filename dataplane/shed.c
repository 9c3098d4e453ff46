/* shed.c - who goes first when room runs out.
 *
 * A session keeps the time of its last progress: a whole command, or some hundred octets of body.
 * When sessions, transactions, partial lines, backend connections or packets run out, the next few
 * slots are looked at, and of those who are the client's to move on the one without progress for
 * longest goes: those that have been told to go before those without a transaction, those before
 * the ones that hold one up. So a crowd of clients that hold on to things displaces itself and not
 * those that get on with their mail, and keeping the order costs a store. Nobody goes who has made
 * progress a moment ago: a client on a slow line that sends whole segments is not one that
 * dribbles.
 */
#include "base/check.h"
#include "dataplane/gateway_internal.h"

#define CALM_MS_MIN 100 /* without progress: only then may a session be given up */
/* Waiting for a backend connection is no emergency: nobody loses his for a lost segment, which
 * costs a second until it is sent again. */
#define BACKEND_CALM_MS_MIN 2000
#define TURN_SHED_MAX       16
#define LOOK_SLOTS          64
#define LOOK_LINE_SLOTS     512 /* few sessions hold a line */
#define LOOK_MORE_SLOTS     1024
#define NEARLY_FULL(of)     ((of) - (of) / 8)

enum shed_class {
	SHED_CLOSING, /* has had its last reply */
	SHED_IDLE,    /* no transaction */
	SHED_SLOW,    /* a transaction, and it is the client's turn */
	SHED_NEVER,   /* it waits for us or for the backend, or has just made progress */
};

static uint32_t calm_ms(const struct gateway *g, const struct session *s)
{
	return gateway_now_ms(g) - s->touched_ms;
}

static enum shed_class class_of(const struct gateway *g, const struct session *s)
{
	const struct mail *m = s->mail;

	if (s->stepping || calm_ms(g, s) < CALM_MS_MIN)
		return SHED_NEVER;
	if (s->state == SESSION_CLOSING)
		return SHED_CLOSING;
	if (s->server.waiting > 0)
		return SHED_NEVER;
	if (m == NULL || m->id == 0)
		return SHED_IDLE;
	return m->body_complete || m->shut || m->awaits ? SHED_NEVER : SHED_SLOW;
}

bool shed_is_hard(const struct gateway *g)
{
	const struct pkt_pool *pool = g->its.pool;

	return pool->free_count < pool->pkt_count / 8 ||
	       net_connection_count(g->its.net) > NEARLY_FULL(g->config->connections_max);
}

/* False when there is none. */
static bool shed(struct gateway *g, struct session *s)
{
	bool hard = shed_is_hard(g);

	if (s == NULL)
		return false;
	switch (class_of(g, s)) {
	case SHED_CLOSING:
		g->counters->sessions_shed_closing++;
		break;
	case SHED_IDLE:
		g->counters->sessions_shed_idle++;
		break;
	case SHED_SLOW:
		g->counters->sessions_shed_slow++;
		break;
	case SHED_NEVER:
		UNREACHABLE();
	}
	g->counters->sessions_shed_hard += hard;
	session_evict(g, s, hard);
	return true;
}

static bool has_line(const struct session *s)
{
	return s->server.line_store != NULL;
}

static bool has_packets(const struct session *s)
{
	return tcp_readable(s->leg.conn) > 0 || tcp_unacked(s->leg.conn) > 0;
}

static bool any(const struct session *s)
{
	(void)s;
	return true;
}

/* Those that came one after the other may lie side by side, all too young to go, with older ones
 * behind them: who finds nobody looks on, so far as all of a turn may together. */
static bool looks_on(struct gateway *g, uint32_t looked, uint32_t slots, bool found)
{
	if (looked < slots)
		return true;
	if (found || g->shed_more_slots == 0)
		return false;
	g->shed_more_slots--;
	return true;
}

/* The one to go first of those in the next `slots` that fit. */
static struct session *look(struct gateway *g, uint32_t slots, bool (*fits)(const struct session *))
{
	enum shed_class best_class = SHED_NEVER;
	struct session *best = NULL;

	for (uint32_t i = 0; i < g->sessions.count && looks_on(g, i, slots, best != NULL); i++) {
		uint32_t at = g->shed_session_next++ % g->sessions.count;
		if (!pool_is_out(&g->sessions, at))
			continue;
		struct session *s = pool_at(&g->sessions, at);
		enum shed_class its = class_of(g, s);
		if (its == SHED_NEVER || !fits(s) || its > best_class ||
		    (its == best_class && calm_ms(g, s) <= calm_ms(g, best)))
			continue;
		best = s;
		best_class = its;
	}
	return best;
}

enum holds { HOLDS_ANYTHING, HOLDS_BACKEND, HOLDS_OCTETS };

static bool holds_it(const struct mail *m, enum holds holds)
{
	if (holds == HOLDS_BACKEND)
		return m->backend != NULL;
	return holds == HOLDS_ANYTHING || m->held.count > 0;
}

/* The same among transactions, of which there are fewer than sessions. */
static bool shed_transaction(struct gateway *g, enum holds holds)
{
	struct session *best = NULL;

	for (uint32_t i = 0; i < g->mails.count && looks_on(g, i, LOOK_SLOTS, best != NULL); i++) {
		uint32_t at = g->shed_mail_next++ % g->mails.count;
		if (!pool_is_out(&g->mails, at))
			continue;
		const struct mail *m = pool_at(&g->mails, at);
		if (m->session == NULL || class_of(g, m->session) != SHED_SLOW ||
		    !holds_it(m, holds))
			continue;
		if (holds == HOLDS_BACKEND && calm_ms(g, m->session) < BACKEND_CALM_MS_MIN)
			continue;
		if (best == NULL || calm_ms(g, m->session) > calm_ms(g, best))
			best = m->session;
	}
	return shed(g, best);
}

bool shed_for_session(struct gateway *g)
{
	return shed(g, look(g, LOOK_SLOTS, any));
}

bool shed_for_transaction(struct gateway *g)
{
	return shed_transaction(g, HOLDS_ANYTHING);
}

bool shed_for_line(struct gateway *g)
{
	return shed(g, look(g, LOOK_LINE_SLOTS, has_line));
}

/* Those that hold packets for certain, else whoever is first: what a connection holds out of order
 * is seen by TCP alone. */
static bool shed_for_packets(struct gateway *g)
{
	return shed(g, look(g, LOOK_SLOTS, has_packets)) || shed_transaction(g, HOLDS_ANYTHING) ||
	       shed_for_session(g);
}

static bool held_is_nearly_full(const struct gateway *g)
{
	return g->held_pkts >= NEARLY_FULL(g->held_pkts_max) ||
	       g->held_bytes >= NEARLY_FULL(g->config->hold_bytes_worker_max);
}

/* Every mail that waits for a backend connection may cost one that holds one up its own; the
 * connection is free when the backend has answered RSET. */
static void shed_for_waiting(struct gateway *g)
{
	struct mail *m = g->wait_head;

	if (!backends_exhausted(g))
		return;
	for (uint32_t i = 0; i < TURN_SHED_MAX && m != NULL; i++) {
		if (!m->room_made) {
			/* What goes may free a connection at once and change the queue. */
			m->room_made = true;
			if (!shed_transaction(g, HOLDS_BACKEND))
				m->room_made = false;
			return;
		}
		m = m->queue_next;
	}
}

void shed_run(struct gateway *g)
{
	uint32_t work = 0;

	g->shed_more_slots = LOOK_MORE_SLOTS;
	while (work < TURN_SHED_MAX && shed_is_hard(g) && shed_for_packets(g))
		work++;
	while (work < TURN_SHED_MAX && held_is_nearly_full(g) && shed_transaction(g, HOLDS_OCTETS))
		work++;
	shed_for_waiting(g);
}
