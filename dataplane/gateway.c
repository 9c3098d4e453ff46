/* gateway.c - a worker's mail: one turn over connections with news, timers and the judging queue.
 */
#include "dataplane/gateway.h"

#include "base/check.h"
#include "base/limits.h"
#include "dataplane/gateway_internal.h"
#include "tcpstack/tls_helper.h"

#define TURN_CONNECTIONS_MAX 256
/* Whoever is told to go answers, and a turn takes one burst: more would fill the device's queue. */
#define TURN_TIMERS_MAX  BURST_PKTS_MAX
#define TURN_DRAINED_MAX BURST_PKTS_MAX
#define TURN_JUDGED_MAX  2
#define TURN_SLOTS_MAX   16384 /* looked at for sessions to drain */

static uint32_t backends_max(const struct config *config)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < config->backend_count; i++)
		count += config->backend[i].connections_max;
	return count > 0 ? count : 1;
}

/* Sessions that sit in the middle of a command line are few. */
static uint32_t lines_max(const struct config *config)
{
	return config->sessions_max < 1024 ? config->sessions_max : 1024;
}

static bool counts_sources(const struct config *config)
{
	return config->sessions_per_source_max > 0 || config->sessions_per_network_max > 0;
}

static size_t tls_bytes(const struct config *config)
{
	const struct tls_engine_options options = {.connections_max = config->tls_connections_max};

	return config_tls_wanted(config) ? tls_engine_bytes(&options) : 0;
}

static uint32_t tls_legs_max(const struct config *config)
{
	return config_tls_wanted(config) ? config->tls_connections_max : 1;
}

size_t gateway_bytes(const struct config *config)
{
	size_t pools = (size_t)config->sessions_max * (sizeof(struct session) + 64) +
	               (size_t)config->transactions_max * (sizeof(struct mail) + 64) +
	               (size_t)backends_max(config) * (sizeof(struct backend) + 64) +
	               (size_t)lines_max(config) * (config->command_line_bytes_max + 64) +
	               (size_t)tls_legs_max(config) * (sizeof(struct leg_tls) + 64) +
	               tls_bytes(config) + 128;
	size_t sources = counts_sources(config) ? source_table_bytes(config->sessions_max) : 0;
	size_t timers = ((size_t)config->sessions_max + backends_max(config)) * 32 + (256 << 10);

	size_t inquiries = config->dns_checks ? inquiries_bytes() : 0;

	return sizeof(struct gateway) + pools + sources + timers + inquiries +
	       config->scan_bytes_max + normaliser_bytes(config->scan_bytes_max) + (64 << 10);
}

size_t gateway_message_bytes(size_t *out_reserved)
{
	*out_reserved = sizeof(struct mail);
	return offsetof(struct mail, transaction.recipient[1]);
}

static void limits_from(struct smtp_server_limits *limits, const struct config *config)
{
	*limits = (struct smtp_server_limits){
	    .command_line_bytes_max = config->command_line_bytes_max,
	    .recipients_max = config->recipients_max,
	    .errors_max = config->errors_max,
	    .message_bytes_max = config->message_bytes_max,
	    .pipelining = true,
	    .size = true,
	    .eightbitmime = true,
	    .enhanced_status_codes = true,
	};
}

/* The engine is made by the thread that uses it, when the arena is sealed: from a part set aside.
 */
static enum err carve_tls(struct gateway *g, struct arena *arena)
{
	size_t bytes = tls_bytes(g->config);
	enum err err = pool_init(&g->leg_tls, arena, tls_legs_max(g->config),
	                         sizeof(struct leg_tls), 64);

	if (err != OK || bytes == 0)
		return err;
	g->tls_arena = (struct arena){.memory = arena_take(arena, 1, bytes, 64),
	                              .bytes_max = bytes};
	return g->tls_arena.memory != NULL ? OK : ERR_NO_MEMORY;
}

static enum err carve(struct gateway *g, struct arena *arena, uint64_t now_us)
{
	const struct config *config = g->config;
	uint32_t handle_count = config->sessions_max + backends_max(config);

	enum err err = pool_init(&g->sessions, arena, config->sessions_max, sizeof(struct session),
	                         64);
	if (err == OK)
		err = pool_init(&g->mails, arena, config->transactions_max, sizeof(struct mail),
		                64);
	if (err == OK)
		err = pool_init(&g->backends, arena, backends_max(config), sizeof(struct backend),
		                64);
	if (err == OK)
		err = pool_init(&g->lines, arena, lines_max(config), config->command_line_bytes_max,
		                64);
	if (err != OK)
		return err;

	err = carve_tls(g, arena);
	if (err != OK)
		return err;
	g->sources_counted = counts_sources(config);
	if (g->sources_counted)
		err = source_table_init(&g->sources, arena, config->sessions_max, &g->its.secret);
	if (err != OK)
		return err;
	g->timers = timer_wheel_new(arena, handle_count, now_us);
	g->scan_bytes_max = config->scan_bytes_max;
	g->scan_memory = arena_take(arena, 1, g->scan_bytes_max, 64);
	g->normaliser = normaliser_new(arena, g->scan_bytes_max, g->its.mime_counters);
	if (g->timers == NULL || g->scan_memory == NULL || g->normaliser == NULL ||
	    !await_open(g, arena))
		return ERR_NO_MEMORY;
	return OK;
}

void gateway_reload(struct gateway *g)
{
	limits_from(&g->limits, g->config);
	if (g->limits.command_line_bytes_max > g->lines.object_bytes)
		g->limits.command_line_bytes_max = g->lines.object_bytes;
	backends_offer(g);
}

struct gateway *gateway_new(struct arena *arena, const struct gateway_config *its, uint64_t now_us)
{
	struct gateway *g = ARENA_TAKE(arena, 1, struct gateway);

	if (g == NULL)
		return NULL;
	g->its = *its;
	g->config = its->config;
	g->counters = its->counters;
	g->now_us = now_us;
	limits_from(&g->limits, g->config);
	if (carve(g, arena, now_us) != OK)
		return NULL;

	/* A quarter of the packets stays with the ports and with what is being sent. */
	g->held_pkts_max = its->pool->pkt_count / 4 * 3;
	for (uint32_t i = 0; i < g->config->listener_count; i++)
		if (tcp_listen(its->net, &g->config->listener[i].local, i) != OK)
			return NULL;
	backends_start(g);
	return g;
}

void gateway_leave(struct gateway *g)
{
	for (uint32_t i = 0; i < g->leg_tls.count; i++)
		if (pool_is_out(&g->leg_tls, i)) {
			struct leg_tls *tl = pool_at(&g->leg_tls, i);

			leg_tls_end(g, tl->leg);
		}
	if (g->tls_engine != NULL)
		tls_engine_free(g->tls_engine);
	g->tls_engine = NULL;
	g->tls_tried = true;
}

void gateway_close(struct gateway *g)
{
	gateway_leave(g);
	shadow_close(g);
	normaliser_close(g->normaliser);
}

static void connection_news(struct gateway *g, struct tcp_conn *conn, uint32_t news)
{
	if ((news & TCP_ACCEPTED) && !session_accept(g, conn))
		return;

	struct leg *leg = tcp_user(conn);
	if (leg == NULL)
		return;
	if (leg->tls != 0 && (news & TCP_FAILED) == 0)
		leg_tls_news(g, leg);
	if (leg->kind == LEG_CLIENT)
		session_news(g, (struct session *)leg, news);
	else
		backend_news(g, (struct backend *)leg, news);
}

/* What the end of a session touches beside it, while the one before it is served. */
static void fetch_next(const struct gateway *g)
{
	const struct pool *sessions = &g->sessions;
	uintptr_t at = (uintptr_t)tcp_peek_user(g->its.net) - (uintptr_t)sessions->objects;
	uint32_t index = (uint32_t)(at / sessions->object_bytes);

	if (at >= (uintptr_t)sessions->count * sessions->object_bytes)
		return; /* a backend's, or none */
	timer_prefetch(g->timers, index);
	pool_prefetch(sessions, index);
}

static void timer_due(struct gateway *g, uint32_t handle)
{
	if (handle < g->config->sessions_max)
		session_timeout(g, pool_at(&g->sessions, handle));
	else
		backend_timeout(g, pool_at(&g->backends, handle - g->config->sessions_max));
}

/* No session is new while draining, so one walk over the slots meets them all. */
static void drain_some(struct gateway *g)
{
	uint32_t told = 0, looked = 0;

	for (; g->drain_next < g->sessions.count && told < TURN_DRAINED_MAX &&
	       looked < TURN_SLOTS_MAX;
	     g->drain_next++, looked++) {
		if (!pool_is_out(&g->sessions, g->drain_next))
			continue;
		session_drain(g, pool_at(&g->sessions, g->drain_next));
		told++;
	}
	if (g->drain_next < g->sessions.count)
		g->more = true;
}

/* Whom the wheel meets was silent for long: what it will meet is fetched while others are served,
 * the session first, and when that has come its connection. */
static void fetch_ahead(struct gateway *g)
{
	uint32_t handle, earlier;

	if (!timer_scout(g->timers, TIMERS_AHEAD, &handle))
		return;
	earlier = g->ahead[g->ahead_next % (TIMERS_AHEAD / 2)];
	g->ahead[g->ahead_next++ % (TIMERS_AHEAD / 2)] = handle;
	if (handle < g->config->sessions_max) {
		const uint8_t *s = pool_at(&g->sessions, handle);

		for (size_t at = 0; at < sizeof(struct session); at += 64)
			__builtin_prefetch(s + at);
		pool_prefetch(&g->sessions, handle);
	}
	/* Whoever is no longer set has been served. */
	if (earlier < g->config->sessions_max && timer_is_set(g->timers, earlier)) {
		const struct session *s = pool_at(&g->sessions, earlier);

		if (s->leg.conn != NULL)
			tcp_prefetch(g->its.net, s->leg.conn);
	}
}

static void timers_run(struct gateway *g)
{
	uint32_t handle;

	for (uint32_t work = 0; work < TURN_TIMERS_MAX; work++) {
		fetch_ahead(g); /* twice for each that is served: the lead grows */
		fetch_ahead(g);
		if (!timer_pop(g->timers, g->now_us, &handle))
			break;
		timer_due(g, handle);
	}
}

/* A set-up that was loaded since the last turn is taken over. */
static void tls_refresh(struct gateway *g)
{
	if (g->its.tls == NULL)
		return;
	g->tls = tls_slot_current(g->its.tls, g->its.worker);
	if (g->tls_engine == NULL && !g->tls_tried && g->tls != NULL &&
	    g->tls_arena.memory != NULL) {
		const struct tls_engine_options options = {
		    .connections_max = g->leg_tls.count,
		    .helpers = g->its.tls_helpers,
		    .helpers_engine = g->its.worker,
		};

		g->tls_tried = true;
		g->tls_engine = tls_engine_new(&g->tls_arena, &options, g->its.tls_counters);
	}
	if (g->tls_engine != NULL)
		tls_engine_set_time(g->tls_engine, g->wall_us / 1000);
}

void gateway_run(struct gateway *g, uint64_t now_us, uint64_t wall_us)
{
	struct tcp_conn *conn;
	uint32_t news, work;

	g->now_us = now_us;
	g->wall_us = wall_us;
	tls_refresh(g);
	for (work = 0; work < TURN_CONNECTIONS_MAX; work++) {
		conn = tcp_next_ready(g->its.net, &news);
		if (conn == NULL)
			break;
		fetch_next(g);
		connection_news(g, conn, news);
	}
	g->more = work == TURN_CONNECTIONS_MAX;
	if (leg_tls_run(g))
		g->more = true;
	shed_run(g);
	timers_run(g);
	await_run(g);
	if (judge_run(g, TURN_JUDGED_MAX))
		g->more = true;
	if (g->draining)
		drain_some(g);
	await_tell(g);
	if (shadow_is_due(g)) /* by a mail that has just been ended, too */
		g->more = true;
}

uint64_t gateway_next_deadline_us(const struct gateway *g)
{
	uint64_t timer_us = timer_next_us(g->timers), await_us = await_next_us(g);

	if (g->more)
		return 0;
	return timer_us < await_us ? timer_us : await_us;
}

void gateway_drain(struct gateway *g)
{
	g->draining = true;
	g->drain_next = 0;
}

void gateway_resume(struct gateway *g)
{
	g->draining = false;
}

bool gateway_idle(const struct gateway *g)
{
	return g->sessions.used == 0 && g->mails.used == 0 && !shadow_is_busy(g);
}

uint32_t gateway_session_count(const struct gateway *g)
{
	return g->sessions.used;
}

bool gateway_is_called(const struct gateway *g)
{
	return g->tls_engine != NULL && tls_engine_waits(g->tls_engine);
}

uint32_t gateway_tls_use(const struct gateway *g, size_t *out_bytes)
{
	size_t high;

	*out_bytes = g->tls_engine != NULL ? tls_engine_used(g->tls_engine, &high) : 0;
	return g->leg_tls.used;
}

enum net_welcome gateway_welcome(const struct gateway *g, const struct addr *addr)
{
	const struct rules_view *view = rules_current(g->its.rules, g->its.worker);

	if ((!g->config->listed_reset && !g->config->listed_drop) ||
	    lists_find(view->delta, view->lists, addr).action != LIST_DENY)
		return NET_WELCOME;
	return g->config->listed_drop ? NET_IGNORE : NET_RESET;
}
