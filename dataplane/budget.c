/* budget.c - how long a client may take, and how much it may ask for without a message.
 *
 * Three clocks, of which the nearest counts: a command must be whole within banner_timeout_ms of
 * the last one (single octets do not start that anew); a message must begin within
 * command_phase_timeout_ms; and in a body every client starts with a credit of data_timeout_ms that
 * runs down with the clock and is filled by octets, data_rate_min_bytes for ten seconds, never over
 * its start. So a client that was silent for a while gets all the patience RFC 5321 4.5.3.2 asks
 * for, and one that dribbles gets no more than one that is silent.
 *
 * Time in which we, or the backend, are the brake is nobody's fault and is given back.
 */
#include "base/check.h"
#include "dataplane/gateway_internal.h"

#define CLOSING_TIMEOUT_MS 5000
#define REFUSED_TIMEOUT_MS 10000
#define RATE_PERIOD_US     10000000u
#define OVERDUE_LOOK_MS    1000 /* a session over its time that waits for us: next look */
#define QUANTUM_BYTES      512  /* of body: that much is progress */

static uint64_t us_from_ms(uint32_t ms)
{
	return (uint64_t)ms * 1000;
}

static bool in_body(const struct session *s)
{
	return s->state == SESSION_OPEN && smtp_server_in_body(&s->server);
}

/* How long from now, in ms; 0 when it is over. */
static uint32_t left_ms(const struct gateway *g, uint32_t since_ms, uint32_t allowed_ms)
{
	uint32_t elapsed_ms = gateway_now_ms(g) - since_ms;

	return elapsed_ms < allowed_ms ? allowed_ms - elapsed_ms : 0;
}

static uint32_t patience_ms(const struct gateway *g, const struct session *s)
{
	uint32_t command_ms = g->config->banner_timeout_ms;
	uint32_t phase_ms = left_ms(g, s->phase_ms, g->config->command_phase_timeout_ms);

	if (s->state == SESSION_CLOSING)
		return CLOSING_TIMEOUT_MS;
	if (leg_is_shaking(g, &s->leg))
		return left_ms(g, leg_tls_of(g, &s->leg)->since_ms,
		               g->config->tls_handshake_timeout_ms);
	if (s->state == SESSION_REFUSED)
		return left_ms(g, s->phase_ms, REFUSED_TIMEOUT_MS);
	if ((s->mail != NULL && s->mail->wait_backend) || login_waits(s))
		return g->config->backend_connect_timeout_ms * 2;
	if (in_body(s))
		return s->mail->budget_due_us > g->now_us
		           ? (uint32_t)((s->mail->budget_due_us - g->now_us + 999) / 1000)
		           : 0;
	if (login_is_asked(s) && g->config->auth_timeout_ms < command_ms)
		command_ms = g->config->auth_timeout_ms;
	return command_ms < phase_ms ? command_ms : phase_ms;
}

static void arm_wheel(struct gateway *g, struct session *s)
{
	uint32_t delay_ms = s->deadline_ms - gateway_now_ms(g);

	s->armed = true;
	s->armed_ms = s->deadline_ms;
	timer_set(g->timers, pool_index(&g->sessions, s), g->now_us + us_from_ms(delay_ms));
}

/* With every command the deadline moves away, and the wheel is left as it is: it looks early once,
 * and is then armed again. */
void budget_arm(struct gateway *g, struct session *s)
{
	uint32_t patience = patience_ms(g, s);

	if (patience == 0) {
		if (s->armed && s->deadline_ms - gateway_now_ms(g) <= OVERDUE_LOOK_MS)
			return; /* more commands do not put it off */
		patience = OVERDUE_LOOK_MS;
	}
	s->deadline_ms = gateway_now_ms(g) + patience;
	if (!s->armed || (int32_t)(s->deadline_ms - s->armed_ms) < 0)
		arm_wheel(g, s);
}

bool budget_is_due(struct gateway *g, struct session *s)
{
	s->armed = false;
	if ((int32_t)(s->deadline_ms - gateway_now_ms(g)) <= 0)
		return true;
	arm_wheel(g, s);
	return false;
}

void budget_body_begin(struct gateway *g, struct session *s)
{
	struct mail *m = s->mail;

	m->budget_heard_us = g->now_us;
	m->budget_due_us = g->now_us + us_from_ms(g->config->data_timeout_ms);
}

void budget_body(struct gateway *g, struct session *s, size_t bytes)
{
	uint64_t full_us = g->now_us + us_from_ms(g->config->data_timeout_ms);
	uint32_t rate = g->config->data_rate_min_bytes;
	struct mail *m = s->mail;

	m->budget_heard_us = g->now_us;
	if (rate == 0)
		m->budget_due_us = full_us;
	else
		m->budget_due_us += (uint64_t)bytes * RATE_PERIOD_US / rate;
	if (m->budget_due_us > full_us)
		m->budget_due_us = full_us;
	m->quantum_bytes += (uint32_t)bytes;
	if (m->quantum_bytes < QUANTUM_BYTES)
		return;
	m->quantum_bytes = 0;
	s->progress = true;
}

void budget_body_shut(struct gateway *g, struct session *s, bool shut)
{
	struct mail *m = s->mail;

	if (m->shut && !shut)
		m->budget_due_us = g->now_us + us_from_ms(g->config->data_timeout_ms);
	m->shut = shut;
}

void budget_renew(struct gateway *g, struct session *s)
{
	s->phase_ms = s->touched_ms = gateway_now_ms(g);
	s->junk_count = 0;
}

bool budget_junk(struct gateway *g, struct session *s)
{
	return ++s->junk_count <= g->config->junk_commands_max;
}

bool budget_is_over(struct gateway *g, struct session *s)
{
	/* While the next hop is asked, or our window is shut, the client has nothing to say; its
	 * connection has timers of its own. */
	if (s->server.waiting > 0 || (s->mail != NULL && s->mail->body_complete))
		return false;
	if (in_body(s)) {
		if (s->mail->shut) {
			s->mail->budget_due_us = g->now_us + us_from_ms(g->config->data_timeout_ms);
			return false;
		}
		if (s->mail->budget_heard_us + us_from_ms(g->config->data_timeout_ms) > g->now_us)
			g->counters->sessions_too_slow++;
		else
			g->counters->sessions_timed_out++;
	} else if (left_ms(g, s->phase_ms, g->config->command_phase_timeout_ms) == 0) {
		g->counters->sessions_phase_over++;
	} else {
		g->counters->sessions_timed_out++;
	}
	return true;
}
