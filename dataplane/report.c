/* report.c - what happened, as fixed-size records for management. */
#include "dataplane/gateway_internal.h"

/* Not to be guessed and not to repeat: a keyed hash of worker, start and count. */
uint64_t report_id(struct gateway *g)
{
	struct {
		uint64_t worker, count, wall_us;
	} seed = {g->its.worker, ++g->id_count, g->wall_us};
	uint64_t id = hash64(&g->its.secret, &seed, sizeof(seed));

	return id != 0 ? id : 1;
}

void report_push(struct gateway *g, const struct event *event)
{
	if (g->its.events != NULL &&
	    !ring_push_shared(g->its.events, sizeof(*event), g->its.event_count, event))
		g->counters->events_lost++;
}

static void copy_text(char *out, size_t bytes, struct bytes text)
{
	size_t len = text.len < bytes - 1 ? text.len : bytes - 1;

	if (len > 0)
		memcpy(out, text.data, len);
	memset(out + len, 0, bytes - len);
}

static void copy_recipients(struct event *event, const struct transaction *t)
{
	struct buf out = buf_over(event->rcpt, sizeof(event->rcpt) - 1);

	for (uint32_t i = 0; i < t->recipient_count; i++) {
		if (!t->recipient[i].accepted)
			continue;
		event->rcpt_count++;
		if (out.len > 0)
			buf_put_octet(&out, ' ');
		buf_put(&out, transaction_path_text(t, &t->recipient[i]));
	}
	event->rcpt[out.len] = '\0';
}

static void describe_certificate(const struct tls_info *info, struct event *event)
{
	static const char digits[] = "0123456789abcdef";
	struct buf out = buf_over(event->tls_client, sizeof(event->tls_client) - 1);

	if (info->peer_certificate) {
		buf_put_text(&out, info->peer_verified ? "verified " : "unverified ");
		for (size_t i = 0; i < sizeof(info->peer_sha256); i++) {
			buf_put_octet(&out, (uint8_t)digits[info->peer_sha256[i] >> 4]);
			buf_put_octet(&out, (uint8_t)digits[info->peer_sha256[i] & 15]);
		}
	}
	event->tls_client[out.len] = '\0';
}

static void describe_tls(struct gateway *g, const struct session *s, struct event *event)
{
	struct tls_info info;

	leg_describe(g, &s->leg, &info);
	event->tls = info.version[0] == '\0' ? 0 : strcmp(info.version, "TLSv1.2") == 0 ? 2 : 3;
	copy_text(event->tls_suite, sizeof(event->tls_suite), bytes_text(info.suite));
	describe_certificate(&info, event);
}

/* While the mail has it. */
void report_note_backend(struct gateway *g, struct mail *m)
{
	struct buf out = buf_over(m->event.backend_tls, sizeof(m->event.backend_tls) - 1);
	struct tls_info info;

	leg_describe(g, &m->backend->leg, &info);
	buf_put_text(&out, info.version);
	if (info.suite[0] != '\0') {
		buf_put_octet(&out, ' ');
		buf_put_text(&out, info.suite);
	}
	m->event.backend_tls[out.len] = '\0';
}

static void describe_session(struct gateway *g, const struct session *s, struct event *event)
{
	event->worker = (uint8_t)g->its.worker;
	event->wall_us = g->wall_us;
	if (s == NULL)
		return;
	tcp_endpoints(s->leg.conn, &event->server, &event->client);
	describe_tls(g, s, event);
	if (s->server.authenticated && s->login != NULL) {
		copy_text(event->auth_mechanism, sizeof(event->auth_mechanism),
		          bytes_text(auth_mechanism_text(login_mechanism(s->login))));
		copy_text(event->auth_user, sizeof(event->auth_user),
		          bytes_text(g->config->auth_user_in_events ? login_user(s->login) : ""));
	}
	copy_text(event->helo, sizeof(event->helo), bytes_text(s->helo));
}

void report_mail(struct gateway *g, struct mail *m, enum event_kind kind, enum event_stage stage)
{
	struct event *event = &m->event;
	const struct transaction *t = &m->transaction;

	event->kind = (uint8_t)kind;
	event->stage = (uint8_t)stage;
	event->verdict = (uint8_t)m->verdict;
	event->id = m->id;
	describe_session(g, m->session, event);
	copy_text(event->from, sizeof(event->from), transaction_path_text(t, &t->sender));
	copy_recipients(event, t);
	event->bytes = m->body_complete ? m->body_bytes : m->held.bytes;
	event->rules_generation = m->rules != NULL ? m->rules->rules_number : 0;
	event->lists_generation = m->rules != NULL ? m->rules->lists_number : 0;
	event->timing.data = m->data_us != 0 ? (uint32_t)(m->data_us - m->start_us) : 0;
	event->timing.dot = m->dot_us != 0 ? (uint32_t)(m->dot_us - m->start_us) : 0;
	event->timing.reply = gateway_since_us(g, m->start_us);
	if (!shadow_keeps_event(g, m))
		report_push(g, event);
}

void report_refused(struct gateway *g, const struct session *s, enum smtp_reply reply, uint64_t id,
                    const char *detail)
{
	struct event event = {
	    .kind = EVENT_REFUSED, .stage = STAGE_CONNECT, .verdict = VERDICT_REJECT, .id = id};
	struct buf out = buf_over(event.reply, sizeof(event.reply) - 1);

	describe_session(g, s, &event);
	event.reply_code = reply_table[reply].code;
	buf_put_u64(&out, reply_table[reply].code);
	buf_put_octet(&out, ' ');
	buf_put_text(&out, reply_table[reply].enhanced);
	buf_put_octet(&out, ' ');
	buf_put_text(&out, reply_table[reply].text);
	if (detail[0] != '\0') {
		buf_put_text(&out, ": ");
		buf_put_text(&out, detail);
	}
	report_push(g, &event);
}
