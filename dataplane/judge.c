/* judge.c - a held body becomes texts, hits, points and a verdict.
 *
 * Judging takes most of a millisecond of CPU, and a hostile message can make it take long: mails
 * wait for it in a queue, a worker's turn takes few of them and gives each a slice of time, so that
 * no message stalls the packets of others. One mail at a time is being judged; the texts are the
 * normaliser's.
 */
#include "base/check.h"
#include "dataplane/gateway_internal.h"
#include "dataplane/listed.h"
#include "smtp/data.h"

#define DETAIL_BYTES     256
#define DETAIL_RULES_MAX 3
#define SLICE_NS         UINT64_C(1000000)

void judge_queue(struct gateway *g, struct mail *m)
{
	m->queue_next = NULL;
	if (g->judge_tail != NULL)
		g->judge_tail->queue_next = m;
	else
		g->judge_head = m;
	g->judge_tail = m;
}

void judge_forget(struct gateway *g, struct mail *m)
{
	struct mail *before = NULL;

	if (g->judging == m)
		g->judging = NULL;
	await_forget(g, m);
	for (struct mail *at = g->judge_head; at != NULL; before = at, at = at->queue_next) {
		if (at != m)
			continue;
		if (before != NULL)
			before->queue_next = m->queue_next;
		else
			g->judge_head = m->queue_next;
		if (g->judge_tail == m)
			g->judge_tail = before;
		return;
	}
}

/* The message as the classifier wants it: contiguous, dots unstuffed, without the final dot.
 * `out_cut`: more of it follows. */
static struct bytes gather(struct gateway *g, const struct mail *m, bool *out_cut)
{
	struct data_unstuffing unstuffing = {0};
	size_t left = m->held.bytes - (m->body_complete ? DATA_TERMINATOR_BYTES : 0);
	size_t len = 0;

	for (const struct pkt *pkt = m->held.head;
	     pkt != NULL && left > 0 && len < g->scan_bytes_max; pkt = pkt->next) {
		size_t take = pkt->len < left ? pkt->len : left;

		if (take > g->scan_bytes_max - len)
			take = g->scan_bytes_max - len;
		len += data_unstuff(&unstuffing, bytes_of(pkt->data, take), g->scan_memory + len);
		left -= take;
	}
	*out_cut = left > 0 || !m->body_complete;
	return bytes_of(g->scan_memory, len);
}

/* What the verdict is made by: the policy of the recipients' domain, or everybody's. */
static void set_limits(struct gateway *g, struct mail *m)
{
	const struct config *config = g->config;
	uint32_t policy = mail_policy(m, m->rules->ruleset);

	m->limits = (struct verdict_policy){config->score_tag, config->score_reject,
	                                    config->failure_accepts};
	if (m->rules->ruleset == NULL)
		return;
	ruleset_policy_limits(m->rules->ruleset, policy, &m->limits.tag_milli,
	                      &m->limits.reject_milli);
	scan_context_set_policy(m->rules->context, policy);
}

/* False: answers from the network are waited for, and all of this is done again then. */
static bool begin_texts(struct gateway *g, struct mail *m, const struct message_facts *facts)
{
	const struct texts *texts = &g->normalised.texts;
	struct scan_context *context = m->rules->context;

	if (context == NULL)
		return true;
	if (await_begin(g, m, texts))
		return false;
	listed_collect(m->rules->lists, m->rules->delta,
	               &(struct listed_message){facts, texts, g->normaliser}, &g->listed);
	scan_context_set_listed(context, &g->listed);
	classifier_begin(context, texts, (uint64_t)g->config->confirm_budget_us * 1000,
	                 g->its.cpu_now_ns);
	return true;
}

/* "score 12.3 of 10.0 (GTUBE, RULE_B), id 0ABC...": what the sender's administrator can quote. */
static struct bytes explanation(const struct mail *m, char memory[DETAIL_BYTES])
{
	struct buf out = buf_over(memory, DETAIL_BYTES);
	char id_text[EVENT_ID_TEXT_BYTES];
	uint32_t shown = m->event.rule_count < DETAIL_RULES_MAX ? m->event.rule_count
	                                                        : DETAIL_RULES_MAX;

	event_id_format(m->id, id_text);
	buf_printf(&out, "score %.1f of %.1f", m->event.score_milli / 1000.0,
	           m->event.required_milli / 1000.0);
	for (uint32_t i = 0; i < shown; i++) {
		buf_put_text(&out, i == 0 ? " (" : ", ");
		buf_put_text(&out, ruleset_rule_name(m->rules->ruleset, m->event.rules[i].rule));
	}
	if (shown > 0)
		buf_put_octet(&out, ')');
	buf_put_text(&out, ", id ");
	buf_put_text(&out, id_text);
	return buf_bytes(&out);
}

static void act(struct gateway *g, struct mail *m)
{
	char memory[DETAIL_BYTES];

	switch (m->verdict) {
	case VERDICT_ACCEPT:
	case VERDICT_TAG:
		relay_commit(g, m);
		break;
	case VERDICT_REJECT:
		g->counters->messages_rejected++;
		m->event.required_milli = m->limits.reject_milli;
		mail_refuse(g, m, REPLY_CONTENT_REJECTED, explanation(m, memory));
		break;
	case VERDICT_DEFER:
		g->counters->messages_deferred++;
		mail_refuse(g, m, m->judged ? REPLY_CONTENT_DEFERRED : REPLY_NOT_JUDGED,
		            explanation(m, memory));
		break;
	default:
		UNREACHABLE();
	}
}

int64_t judge_signatures_at_s(const struct gateway *g, const struct ruleset *ruleset)
{
	return g->inquiries != NULL && ruleset_reads_signatures(ruleset)
	           ? (int64_t)(g->wall_us / 1000000)
	           : 0;
}

/* Makes the texts of the mail and begins to judge them. Without rules there is nothing to do.
 * False: it waits. */
static bool begin(struct gateway *g, struct mail *m)
{
	const struct session *s = m->session;
	const struct transaction *t = &m->transaction;
	struct endpoint local, remote;
	uint32_t selector_count = 0;
	const struct selector *selectors = NULL;
	struct bytes message;

	const struct relay_trust *trust = NULL;

	if (m->rules->ruleset != NULL) {
		selectors = (const struct selector *)(const void *)ruleset_selectors(
		                m->rules->ruleset, &selector_count)
		                .data;
		trust = ruleset_relay_trust(m->rules->ruleset);
	}
	tcp_endpoints(s->leg.conn, &local, &remote);
	struct message_facts facts = {remote,
	                              bytes_text(s->helo),
	                              transaction_path_text(t, &t->sender),
	                              true,
	                              trust,
	                              scan_context_redirects(m->rules->context),
	                              0,
	                              false};
	set_limits(g, m);
	message = gather(g, m, &facts.is_cut);
	if (m->rules->ruleset != NULL)
		facts.signatures_at_s = judge_signatures_at_s(g, m->rules->ruleset);
	g->scan_bytes = message.len;
	g->scan_cut = facts.is_cut;
	normalise(g->normaliser, message, &facts, selectors, selector_count, &g->normalised);
	if (!begin_texts(g, m, &facts))
		return false;
	memset(&g->judgement, 0, sizeof(g->judgement));
	g->judgement.incomplete = m->rules->context == NULL;
	m->event.timing.scan_us = 0;
	g->judging = m;
	return true;
}

/* What is told of the judgement, and the next one's place is free. */
static void note(const struct gateway *g, struct mail *m)
{
	m->event.score_milli = g->judgement.score_milli;
	m->event.rule_count = (uint16_t)g->judgement.hit_count;
	memcpy(m->event.rules, g->judgement.hit,
	       g->judgement.hit_count * sizeof(m->event.rules[0]));
}

static void conclude(struct gateway *g, struct mail *m)
{
	m->judged = m->rules->context != NULL;
	note(g, m);
	if (g->normalised.received_count > SMTP_RECEIVED_FIELDS_MAX) {
		g->counters->messages_looping++;
		mail_refuse(g, m, REPLY_MAIL_LOOP, bytes_of(NULL, 0));
		return;
	}
	if (g->judgement.incomplete)
		g->counters->messages_not_judged++;
	g->counters->checks_late += g->judgement.rules_unanswered > 0;
	m->event.required_milli = m->limits.tag_milli;
	m->verdict = verdict_decide(&g->judgement, &m->limits);
	shadow_begin(g, m);
	act(g, m);
}

/* One slice of the mail in hand. False when it needs another. */
static bool judge_slice(struct gateway *g)
{
	uint64_t start_ns = g->its.cpu_now_ns();
	struct mail *m = g->judging;
	bool done;

	if (m == NULL) {
		m = g->judge_head;
		g->judge_head = m->queue_next;
		if (g->judge_head == NULL)
			g->judge_tail = NULL;
		if (!begin(g, m)) {
			g->counters->judge_cpu_us += (g->its.cpu_now_ns() - start_ns) / 1000;
			return true;
		}
	}
	done = m->rules->context == NULL ||
	       classifier_continue(m->rules->context, SLICE_NS, &g->judgement);
	uint32_t took_us = (uint32_t)((g->its.cpu_now_ns() - start_ns) / 1000);
	m->event.timing.scan_us += took_us;
	g->counters->judge_cpu_us += took_us;
	if (!done) {
		g->counters->judgements_cut++;
		return false;
	}
	g->judging = NULL;
	conclude(g, m);
	return true;
}

static bool work_waits(const struct gateway *g)
{
	return g->judging != NULL || g->judge_head != NULL || shadow_is_due(g);
}

/* What is being tried comes before the next mail, whose octets would take the place of those it
 * reads; but what has just been answered or acted on leaves first. */
bool judge_run(struct gateway *g, uint32_t count_max)
{
	if (shadow_rests(g))
		return true;
	for (uint32_t i = 0; i < count_max && work_waits(g); i++)
		if (shadow_is_due(g) ? !shadow_slice(g) : !judge_slice(g) || shadow_is_busy(g))
			break;
	return work_waits(g);
}
