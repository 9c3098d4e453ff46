/* await.c - what the network says of a message: asked through management, waited for, a while.
 *
 * What is known of the client is asked when its first recipient is taken, the rest when the texts
 * are there. A mail that has questions open steps aside, with its octets but without its texts:
 * those are made anew when it is judged. It waits for all of them, or until checks_timeout_ms are
 * over, once; others go on. What is missing then leaves rules open.
 */
#include "base/check.h"
#include "dataplane/gateway_internal.h"

#define POLL_US          1000 /* management has no way to wake a worker */
#define TURN_LOOKED_MAX  64   /* mails looked at in one turn, after answers came */
#define TURN_OVERDUE_MAX 64

static const struct answer *find(void *context, enum question_kind kind, struct bytes name)
{
	const struct gateway *g = context;

	return inquiry_answer(g->inquiries, kind, name, g->now_us);
}

bool await_open(struct gateway *g, struct arena *arena)
{
	const struct question_rings *rings = g->its.questions;
	struct inquiry_config config;

	if (rings == NULL)
		return true;
	config = (struct inquiry_config){
	    .questions = question_rings_questions(rings, g->its.worker),
	    .answers = question_rings_answers(rings, g->its.worker),
	    .state = question_rings_state(rings),
	    .wake_fd = g->its.questions_wake_fd,
	    .counters = g->counters,
	    .secret = g->its.secret};
	g->inquiries = inquiries_new(arena, &config);
	g->answers = (struct answers){.context = g, .find = find, .lot_key = &g->its.secret};
	return g->inquiries != NULL;
}

static uint64_t patience_us(const struct gateway *g)
{
	return (uint64_t)g->config->checks_timeout_ms * 1000;
}

static void ask_ahead(void *context, enum question_kind kind, struct bytes name)
{
	struct gateway *g = context;
	struct inquiry_ref ref;

	(void)inquiry_ask(g->inquiries, kind, name, g->now_us, patience_us(g), &ref);
}

void await_client(struct gateway *g, struct mail *m)
{
	const struct rules_view *view = rules_current(g->its.rules, g->its.worker);
	struct endpoint local, remote;

	if (g->inquiries == NULL || m->client_asked || view->ruleset == NULL)
		return;
	m->client_asked = true;
	tcp_endpoints(m->session->leg.conn, &local, &remote);
	ruleset_client_questions(view->ruleset, &remote.addr, ask_ahead, g);
	ruleset_sender_questions(view->ruleset, &remote.addr, bytes_text(m->session->helo),
	                         transaction_path_text(&m->transaction, &m->transaction.sender),
	                         ask_ahead, g);
}

struct asking { /* for one mail */
	struct gateway *g;
	struct mail *mail;
};

static bool is_awaited(const struct mail *m, struct inquiry_ref ref)
{
	for (uint32_t i = 0; i < m->await_count; i++)
		if (m->awaited[i].id == ref.id)
			return true;
	return false;
}

static void ask(void *context, enum question_kind kind, struct bytes name)
{
	const struct asking *asking = context;
	struct gateway *g = asking->g;
	struct mail *m = asking->mail;
	struct inquiry_ref ref;

	if (m->await_count == AWAITED_MAX) {
		g->counters->checks_full++;
		return;
	}
	if (inquiry_ask(g->inquiries, kind, name, g->now_us, patience_us(g), &ref) ==
	        INQUIRY_OPEN &&
	    !is_awaited(m, ref))
		m->awaited[m->await_count++] = ref;
}

/* Those that are answered fall off its end. */
static bool has_open(struct gateway *g, struct mail *m)
{
	while (m->await_count > 0 && !inquiry_is_open(g->inquiries, m->awaited[m->await_count - 1]))
		m->await_count--;
	return m->await_count > 0;
}

bool await_begin(struct gateway *g, struct mail *m, const struct texts *texts)
{
	struct asking asking = {g, m};

	ASSERT(!m->awaits);
	if (g->inquiries == NULL)
		return false;
	scan_context_set_answers(m->rules->context, &g->answers);
	if (m->await_us != 0)
		return false;
	m->await_count = 0;
	classifier_questions(m->rules->context, texts, ask, &asking);
	if (m->await_count == 0)
		return false;
	g->counters->checks_waits++;
	m->await_us = g->now_us;
	m->awaits = true;
	m->await_next = NULL;
	m->await_before = g->await_tail;
	if (g->await_tail != NULL)
		g->await_tail->await_next = m;
	else
		g->await_head = m;
	g->await_tail = m;
	return true;
}

void await_forget(struct gateway *g, struct mail *m)
{
	if (!m->awaits)
		return;
	m->awaits = false;
	if (g->await_look == m)
		g->await_look = m->await_next;
	if (m->await_before != NULL)
		m->await_before->await_next = m->await_next;
	else
		g->await_head = m->await_next;
	if (m->await_next != NULL)
		m->await_next->await_before = m->await_before;
	else
		g->await_tail = m->await_before;
}

static void judge_now(struct gateway *g, struct mail *m)
{
	g->counters->checks_wait_ms += (g->now_us - m->await_us) / 1000;
	await_forget(g, m);
	judge_queue(g, m);
}

void await_run(struct gateway *g)
{
	uint32_t looked, overdue = 0;

	if (g->inquiries == NULL)
		return;
	if (inquiries_run(g->inquiries, g->now_us))
		g->await_again = true;
	/* One walk over all that wait is ended before the next begins. */
	if (g->await_again && g->await_look == NULL) {
		g->await_again = false;
		g->await_look = g->await_head;
	}
	for (looked = 0; g->await_look != NULL && looked < TURN_LOOKED_MAX; looked++) {
		struct mail *m = g->await_look;

		g->await_look = m->await_next;
		if (!has_open(g, m))
			judge_now(g, m);
	}
	while (g->await_head != NULL && overdue++ < TURN_OVERDUE_MAX &&
	       g->now_us - g->await_head->await_us >= patience_us(g))
		judge_now(g, g->await_head);
	if (g->await_look != NULL || g->await_again)
		g->more = true;
}

void await_tell(struct gateway *g)
{
	if (g->inquiries != NULL)
		inquiries_wake(g->inquiries);
}

uint64_t await_next_us(const struct gateway *g)
{
	return g->await_head != NULL ? g->now_us + POLL_US : UINT64_MAX;
}
