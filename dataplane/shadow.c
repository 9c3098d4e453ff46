/* shadow.c - judges messages a second time by rules that are tried, once the verdict is on its way.
 *
 * The mail is acted on first, and goes to its end when no other waits for a verdict; then its
 * octets, which are still in the worker's scan memory, are prepared and judged again under the
 * shadow rules, in slices as judge.c does. Everything else that takes is copied, because the mail
 * has mostly ended by then. The mail's event waits for the result, nothing else does. What comes of
 * it is a record: no verdict, reply or header depends on it.
 */
#include "base/check.h"
#include "dataplane/gateway_internal.h"
#include "dataplane/listed.h"

#define SLICE_NS    UINT64_C(1000000)
#define WAITING_MAX 32 /* mails that wait for a verdict: with more of them nothing is tried */

static bool too_many_wait(const struct gateway *g)
{
	uint32_t count = 0;

	for (const struct mail *m = g->judge_head; m != NULL && count <= WAITING_MAX;
	     m = m->queue_next)
		count++;
	return count > WAITING_MAX;
}

/* Ids are keyed hashes: their remainders choose evenly and without regard to the message. */
static bool is_chosen(const struct gateway *g, const struct mail *m)
{
	return m->id % 100 < g->config->shadow_percent;
}

static uint16_t copy(char *out, size_t bytes, struct bytes text)
{
	size_t len = text.len < bytes ? text.len : bytes;

	if (len > 0)
		memcpy(out, text.data, len);
	return (uint16_t)len;
}

void shadow_begin(struct gateway *g, struct mail *m)
{
	struct shadow *shadow = &g->shadow;
	const struct session *s = m->session;
	const struct transaction *t = &m->transaction;
	struct endpoint local;

	ASSERT(shadow->view == NULL);
	if (m->rules->shadow == NULL || !m->judged || !is_chosen(g, m))
		return;
	if (too_many_wait(g)) {
		g->counters->shadow_skipped++;
		return;
	}
	shadow->view = m->rules;
	rules_pin(shadow->view);
	shadow->mail = m;
	shadow->begun = shadow->rests = false;
	shadow->event_kept = false;
	shadow->took_ns = 0;
	shadow->policy = mail_policy(m, m->rules->shadow);
	shadow->limits = (struct verdict_policy){g->config->score_tag, g->config->score_reject,
	                                         g->config->failure_accepts};
	ruleset_policy_limits(m->rules->shadow, shadow->policy, &shadow->limits.tag_milli,
	                      &shadow->limits.reject_milli);
	shadow->live = g->judgement;
	shadow->live_verdict = m->verdict;
	tcp_endpoints(s->leg.conn, &local, &shadow->client);
	shadow->helo_len = copy(shadow->helo, sizeof(shadow->helo), bytes_text(s->helo));
	shadow->sender_len = copy(shadow->sender, sizeof(shadow->sender),
	                          transaction_path_text(t, &t->sender));
}

bool shadow_is_busy(const struct gateway *g)
{
	return g->shadow.view != NULL;
}

bool shadow_is_due(const struct gateway *g)
{
	return g->shadow.view != NULL && (g->shadow.mail == NULL || g->judge_head != NULL);
}

bool shadow_rests(struct gateway *g)
{
	bool rests = g->shadow.rests;

	g->shadow.rests = false;
	return rests;
}

bool shadow_keeps_event(struct gateway *g, const struct mail *m)
{
	struct shadow *shadow = &g->shadow;

	if (shadow->view == NULL || shadow->mail != m)
		return false;
	shadow->event = m->event;
	shadow->event_kept = true;
	shadow->mail = NULL;
	shadow->rests = true;
	return true;
}

void shadow_mail_ended(struct gateway *g, const struct mail *m)
{
	if (g->shadow.mail != m)
		return;
	g->shadow.mail = NULL;
	g->shadow.rests = true;
}

static void prepare(struct gateway *g)
{
	struct shadow *shadow = &g->shadow;
	const struct rules_view *view = shadow->view;
	struct message_facts facts = {shadow->client,
	                              bytes_of(shadow->helo, shadow->helo_len),
	                              bytes_of(shadow->sender, shadow->sender_len),
	                              true,
	                              ruleset_relay_trust(view->shadow),
	                              scan_context_redirects(view->shadow_context),
	                              judge_signatures_at_s(g, view->shadow),
	                              g->scan_cut};
	uint32_t selector_count;
	const struct selector *selectors = (const struct selector *)(const void *)ruleset_selectors(
	                                       view->shadow, &selector_count)
	                                       .data;
	const struct texts *texts = &g->normalised.texts;

	normaliser_count(g->normaliser, &shadow->mime_counters);
	normalise(g->normaliser, bytes_of(g->scan_memory, g->scan_bytes), &facts, selectors,
	          selector_count, &g->normalised);
	normaliser_count(g->normaliser, g->its.mime_counters);
	listed_collect(view->lists, view->delta,
	               &(struct listed_message){&facts, texts, g->normaliser}, &g->listed);
	scan_context_set_policy(view->shadow_context, shadow->policy);
	scan_context_set_listed(view->shadow_context, &g->listed);
	scan_context_set_answers(view->shadow_context, g->inquiries != NULL ? &g->answers : NULL);
	classifier_begin(view->shadow_context, texts, (uint64_t)g->config->confirm_budget_us * 1000,
	                 g->its.cpu_now_ns);
	memset(&shadow->judgement, 0, sizeof(shadow->judgement));
	shadow->begun = true;
}

static int64_t weight(const struct event_shadow_rule *rule)
{
	int64_t difference = (int64_t)rule->score_milli - rule->live_milli;

	return difference < 0 ? -difference : difference;
}

/* Keeps the weightiest, in order. */
static void note(struct event_shadow *out, struct event_shadow_rule rule)
{
	uint32_t at;

	if (out->rule_count < EVENT_SHADOW_RULES_MAX) {
		at = out->rule_count++;
	} else {
		out->rules_left_out++;
		at = EVENT_SHADOW_RULES_MAX - 1;
		if (weight(&rule) <= weight(&out->rules[at]))
			return;
	}
	for (; at > 0 && weight(&out->rules[at - 1]) < weight(&rule); at--)
		out->rules[at] = out->rules[at - 1];
	out->rules[at] = rule;
}

/* A rule has another index in each generation: its name tells. NULL: it has not hit. */
static const struct event_rule *hit_of(const struct ruleset *ruleset,
                                       const struct judgement *judgement, const char *name)
{
	for (uint32_t i = 0; i < judgement->hit_count; i++)
		if (strcmp(ruleset_rule_name(ruleset, judgement->hit[i].rule), name) == 0)
			return &judgement->hit[i];
	return NULL;
}

/* At most EVENT_RULES_MAX hits on each side. */
static void compare(const struct shadow *shadow, struct event_shadow *out)
{
	const struct ruleset *live = shadow->view->ruleset, *tried = shadow->view->shadow;

	for (uint32_t i = 0; i < shadow->judgement.hit_count; i++) {
		const struct event_rule *hit = &shadow->judgement.hit[i];
		const struct event_rule *before = hit_of(live, &shadow->live,
		                                         ruleset_rule_name(tried, hit->rule));

		if (before == NULL)
			note(out, (struct event_shadow_rule){hit->rule, SHADOW_RULE_ADDED, 0,
			                                     hit->score_milli});
		else if (before->score_milli != hit->score_milli)
			note(out,
			     (struct event_shadow_rule){hit->rule, SHADOW_RULE_RESCORED,
			                                before->score_milli, hit->score_milli});
	}
	for (uint32_t i = 0; i < shadow->live.hit_count; i++) {
		const struct event_rule *hit = &shadow->live.hit[i];

		if (hit_of(tried, &shadow->judgement, ruleset_rule_name(live, hit->rule)) == NULL)
			note(out, (struct event_shadow_rule){hit->rule, SHADOW_RULE_GONE,
			                                     hit->score_milli, 0});
	}
}

static void release(struct gateway *g)
{
	struct shadow *shadow = &g->shadow;

	if (shadow->event_kept)
		report_push(g, &shadow->event);
	rules_unpin(shadow->view);
	shadow->view = NULL;
	shadow->mail = NULL;
}

static void conclude(struct gateway *g)
{
	struct shadow *shadow = &g->shadow;
	struct event_shadow result = {
	    .generation = shadow->view->shadow_number,
	    .score_milli = shadow->judgement.score_milli,
	    .scan_us = (uint32_t)(shadow->took_ns / 1000),
	    .verdict = (uint8_t)verdict_decide(&shadow->judgement, &shadow->limits),
	    .live_verdict = (uint8_t)shadow->live_verdict,
	    .incomplete = shadow->judgement.incomplete,
	};

	compare(shadow, &result);
	g->counters->shadow_messages++;
	g->counters->shadow_differs += result.verdict != result.live_verdict;
	g->counters->shadow_incomplete += result.incomplete;
	if (shadow->event_kept)
		shadow->event.shadow = result;
	else if (shadow->mail != NULL)
		shadow->mail->event.shadow = result;
	release(g);
}

bool shadow_slice(struct gateway *g)
{
	struct shadow *shadow = &g->shadow;
	uint64_t start_ns = g->its.cpu_now_ns(), took_ns;
	bool done;

	if (!shadow->begun)
		prepare(g);
	done = classifier_continue(shadow->view->shadow_context, SLICE_NS, &shadow->judgement);
	took_ns = g->its.cpu_now_ns() - start_ns;
	shadow->took_ns += took_ns;
	g->counters->shadow_cpu_us += took_ns / 1000;
	if (done)
		conclude(g);
	return done;
}

void shadow_close(struct gateway *g)
{
	if (g->shadow.view != NULL)
		release(g);
}
