/* sessions.c - what idle sessions weigh, and what a short one costs beside so many of them. */
#include "bench/connections/connections.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/connections/world.h"

#define OPENED_AT_ONCE 64 /* SYNs a round: 256 short sessions are then under way */
#define NOOPS_AT_ONCE  256
#define STRIDE         7919 /* prime to the sizes: visits every session, neighbours never in a row */
#define SETTLE_US      1000000
#define LOOK_US        1000000

static void check(bool held, uint32_t sessions, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "postern-bench-connections: %u sessions: %s\n", sessions, what);
	exit(1);
}

static double per(uint64_t amount, uint64_t count)
{
	return (double)amount / (double)count;
}

/* Every round clients answer what came and some more begin. */
static struct cost run_short(struct world *w, uint64_t count)
{
	uint64_t until = w->clients.short_opened + count;
	struct cost before = w->cost;

	do {
		for (uint32_t i = 0; i < OPENED_AT_ONCE && w->clients.short_opened < until; i++)
			clients_open_short(&w->clients, w->now_us);
		world_turns(w);
		clients_answer(&w->clients, w->now_us);
	} while (w->clients.short_closed < until);
	world_settle(w);
	return (struct cost){w->cost.cpu_ns - before.cpu_ns, w->cost.turns - before.turns};
}

static struct cost open_idle(struct world *w, uint32_t count)
{
	struct cost before = w->cost;

	while (w->clients.idle_greeted < count) {
		for (uint32_t i = 0; i < OPENED_AT_ONCE && w->clients.idle_opened < count; i++)
			clients_open_idle(&w->clients, w->now_us);
		world_turns(w);
		clients_answer(&w->clients, w->now_us);
	}
	world_settle(w);
	world_advance(w, SETTLE_US);
	world_settle(w);
	return (struct cost){w->cost.cpu_ns - before.cpu_ns, w->cost.turns - before.turns};
}

/* Every idle session is asked once: it must be alive, and asking must cost what it costs without
 * the others. */
static struct cost ask_idle(struct world *w, uint32_t count)
{
	struct cost before = w->cost;
	uint32_t index = 0;

	for (uint32_t asked = 0; asked < count; asked++) {
		clients_noop(&w->clients, w->now_us, index);
		index = (uint32_t)(((uint64_t)index + STRIDE) % count);
		if ((asked + 1) % NOOPS_AT_ONCE == 0)
			world_settle(w);
	}
	world_settle(w);
	return (struct cost){w->cost.cpu_ns - before.cpu_ns, w->cost.turns - before.turns};
}

static uint64_t due_us(const struct world *w, uint64_t asked_from_us)
{
	return asked_from_us + (uint64_t)w->config.banner_timeout_ms * 1000;
}

/* Shortly before the first is due the wheel has looked after each, too early by what it has said
 * since it was opened. */
static struct cost look_idle(struct world *w, uint32_t count, uint64_t asked_from_us)
{
	struct cost before = w->cost;

	world_advance(w, due_us(w, asked_from_us) - LOOK_US - w->now_us);
	world_timers(w);
	check(w->now_us < due_us(w, asked_from_us), count, "looking after them took too long");
	return (struct cost){w->cost.cpu_ns - before.cpu_ns, w->cost.turns - before.turns};
}

/* All are silent for too long: each is told so, as fast as they were asked, and everything is given
 * back. */
static struct cost expire_idle(struct world *w, uint32_t count, uint64_t asked_from_us)
{
	struct cost before = w->cost;

	world_advance(w, due_us(w, asked_from_us) - w->now_us);
	for (uint64_t turns = 0; w->clients.timeouts < count && turns < 4ull * count + 1000000;
	     turns++) {
		(void)world_turn(w);
		clients_answer(&w->clients, w->now_us);
	}
	world_settle(w);
	world_advance(w, SETTLE_US);
	world_settle(w);
	return (struct cost){w->cost.cpu_ns - before.cpu_ns, w->cost.turns - before.turns};
}

static void report_memory(struct world *w, const char *name, uint32_t sessions)
{
	uint64_t rss = world_rss_bytes() - w->rss_bytes;

	report(name, "huge_pages", "flag", w->arena.huge, true);
	report(name, "arena", "MB", per(w->arena.used, 1000000), false);
	report(name, "rss", "MB", per(rss, 1000000), false);
	report(name, "arena_per_session", "octets", per(w->arena.used, sessions), false);
	report(name, "rss_per_session", "octets", per(rss, sessions), false);
}

void sessions_run(uint32_t sessions, uint32_t short_count)
{
	static struct world w;
	struct cost cost;
	char name[32];

	snprintf(name, sizeof(name), "idle-%u", sessions);
	world_open(&w, sessions);
	cost = open_idle(&w, sessions);
	check(atomic_load(&w.link.session_count) == sessions, sessions, "not all of them are held");
	report_memory(&w, name, sessions);
	report(name, "open_ns", "ns", per(cost.cpu_ns, sessions), false);

	(void)run_short(&w, short_count / 10 + 1000); /* warms up */
	cost = run_short(&w, short_count);
	report(name, "short_ns", "ns", per(cost.cpu_ns, short_count), false);
	report(name, "short_per_second", "1/s", per(short_count * 1000000000ull, cost.cpu_ns),
	       true);

	uint64_t asked_from_us = w.now_us;
	cost = ask_idle(&w, sessions);
	check(w.clients.noops_answered == sessions, sessions, "not all of them answer");
	report(name, "noop_ns", "ns", per(cost.cpu_ns, sessions), false);

	cost = look_idle(&w, sessions, asked_from_us);
	report(name, "look_ns", "ns", per(cost.cpu_ns, sessions), false);
	cost = expire_idle(&w, sessions, asked_from_us);
	check(w.clients.timeouts == sessions && atomic_load(&w.link.session_count) == 0, sessions,
	      "not all of them ended when silent for too long");
	report(name, "expire_ns", "ns", per(cost.cpu_ns, sessions), false);
	check(w.clients.resets == 0 && w.clients.strange == 0 && w.clients.no_packet == 0, sessions,
	      "clients met what they should not");
	check(w.pool->free_count == w.pool->pkt_count, sessions, "packets are missing");
	world_close(&w);
}

void drain_run(uint32_t sessions)
{
	static struct world w;
	struct cost before;
	char name[32];

	snprintf(name, sizeof(name), "drain-%u", sessions);
	world_open(&w, sessions);
	(void)open_idle(&w, sessions);
	check(atomic_load(&w.link.session_count) == sessions, sessions, "not all of them are held");
	before = w.cost;
	atomic_store(&w.link.drain, true);
	world_advance(&w, SETTLE_US); /* past the next housekeeping */
	while (w.clients.timeouts < sessions) {
		(void)world_turn(&w);
		clients_answer(&w.clients, w.now_us);
	}
	world_settle(&w);
	world_advance(&w, SETTLE_US);
	world_settle(&w);
	check(w.clients.timeouts == sessions && atomic_load(&w.link.drained), sessions,
	      "not all of them were told, once, and ended");
	report(name, "drain_ns", "ns", per(w.cost.cpu_ns - before.cpu_ns, sessions), false);
	world_close(&w);
}
