/* tls_sessions.c - what idle sessions inside TLS weigh: the worker's arena, and what libcrypto
 * takes beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/connections/connections.h"
#include "bench/connections/openssl.h"
#include "bench/connections/tls_clients.h"
#include "bench/connections/world.h"
#include "bench/tls/tls_bench.h"

#define OPENED_AT_ONCE 64
#define NOOPS_AT_ONCE  64
#define STRIDE         7919 /* prime to the sizes */
#define SETTLE_US      1000000
#define ROUNDS_MAX     1000000

/* ---- libcrypto's memory, by whose turn it is ---- */

struct crypto_block {
	size_t bytes;
	bool of_worker;
	uint8_t octets[] __attribute__((aligned(16)));
};

static uint64_t crypto_held; /* by the worker */

static void *crypto_take(size_t bytes, const char *file, int line)
{
	struct crypto_block *block = malloc(sizeof(*block) + bytes);

	(void)file;
	(void)line;
	if (block == NULL)
		return NULL;
	block->bytes = bytes;
	block->of_worker = world_in_turn;
	crypto_held += block->of_worker ? bytes : 0;
	return block->octets;
}

static struct crypto_block *block_of(void *octets)
{
	return (struct crypto_block *)(void *)((uint8_t *)octets -
	                                       offsetof(struct crypto_block, octets));
}

static void crypto_give(void *octets, const char *file, int line)
{
	(void)file;
	(void)line;
	if (octets == NULL)
		return;
	struct crypto_block *block = block_of(octets);
	crypto_held -= block->of_worker ? block->bytes : 0;
	free(block);
}

static void *crypto_change(void *octets, size_t bytes, const char *file, int line)
{
	void *fresh = bytes > 0 ? crypto_take(bytes, file, line) : NULL;

	if (octets != NULL && fresh != NULL) {
		size_t had = block_of(octets)->bytes;
		memcpy(fresh, octets, had < bytes ? had : bytes);
	}
	if (fresh != NULL || bytes == 0)
		crypto_give(octets, file, line);
	return fresh;
}

/* ---- the run ---- */

static void check(bool held, uint32_t sessions, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "postern-bench-connections: %u sessions inside TLS: %s\n", sessions, what);
	exit(1);
}

static void write_file(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	if (file == NULL || fwrite(text, 1, len, file) != len || fclose(file) != 0)
		stop_bench("a certificate cannot be written");
}

static void open_world(struct world *w, uint32_t sessions)
{
	char folder[] = "/tmp/postern-bench-XXXXXX", chain[64], key[64];
	static struct identity identity;

	if (mkdtemp(folder) == NULL)
		stop_bench("no folder for a certificate");
	snprintf(chain, sizeof(chain), "%s/chain.pem", folder);
	snprintf(key, sizeof(key), "%s/key.pem", folder);
	identity_make(IDENTITY_ECDSA, &identity);
	write_file(chain, identity.chain, identity.chain_len);
	write_file(key, identity.key, identity.key_len);
	world_open_tls(w, sessions, chain, key);
	unlink(chain);
	unlink(key);
	rmdir(folder);
}

/* Octets of the arena that are resident: what the clients use is elsewhere. */
static uint64_t arena_touched(const struct world *w)
{
	static unsigned char resident[1 << 20];
	size_t page = (size_t)sysconf(_SC_PAGESIZE), step = sizeof(resident) * page;
	uint64_t total = 0;

	for (size_t at = 0; at < w->arena.bytes_max; at += step) {
		size_t bytes = w->arena.bytes_max - at < step ? w->arena.bytes_max - at : step;
		if (mincore(w->arena.memory + at, bytes, resident) != 0)
			stop_bench("resident pages cannot be counted");
		for (size_t i = 0; i < (bytes + page - 1) / page; i++)
			total += (resident[i] & 1) != 0 ? page : 0;
	}
	return total;
}

static void open_idle(struct world *w, struct tls_clients *all, uint32_t count)
{
	const struct tls_clients_seen *seen = tls_clients_seen(all);

	for (uint32_t rounds = 0; seen->greeted < count && rounds < ROUNDS_MAX; rounds++) {
		for (uint32_t i = 0; i < OPENED_AT_ONCE && seen->opened < count; i++)
			tls_clients_open(all, w->now_us);
		world_turns(w);
		clients_answer(&w->clients, w->now_us);
	}
	world_settle(w);
	world_advance(w, SETTLE_US);
	world_settle(w);
}

static void ask_idle(struct world *w, struct tls_clients *all, uint32_t count)
{
	uint32_t index = 0;

	for (uint32_t asked = 0; asked < count; asked++) {
		tls_clients_noop(all, w->now_us, index);
		index = (uint32_t)(((uint64_t)index + STRIDE) % count);
		if ((asked + 1) % NOOPS_AT_ONCE == 0)
			world_settle(w);
	}
	world_settle(w);
}

/* All are silent for too long, one after the other as they were asked: 421, close_notify and FIN,
 * and everything is given back. */
static void expire_idle(struct world *w, struct tls_clients *all, uint32_t count,
                        uint64_t asked_from_us)
{
	uint64_t due_us = asked_from_us + (uint64_t)w->config.banner_timeout_ms * 1000;
	const struct tls_clients_seen *seen = tls_clients_seen(all);

	world_advance(w, due_us - w->now_us);
	for (uint64_t turns = 0; seen->closed < count && turns < 4ull * count + ROUNDS_MAX;
	     turns++) {
		(void)world_turn(w);
		clients_answer(&w->clients, w->now_us);
	}
	world_settle(w);
	world_advance(w, SETTLE_US);
	world_settle(w);
}

static void report_memory(struct world *w, const char *name, uint32_t sessions,
                          uint64_t touched_before, uint64_t crypto_before)
{
	double touched = (double)(arena_touched(w) - touched_before) / sessions;
	double crypto = (double)(crypto_held - crypto_before) / sessions;
	double used = (double)world_counter(w, "tls_memory_now") / sessions;

	report(name, "arena_per_session", "octets", (double)w->arena.used / sessions, false);
	report(name, "touched_per_session", "octets", touched, false);
	report(name, "tls_used_per_session", "octets", used, false);
	report(name, "libcrypto_per_session", "octets", crypto, false);
	report(name, "all_per_session", "octets", touched + crypto, false);
}

static void run_version(uint32_t sessions, int version, const char *text)
{
	static struct world w;
	char name[32];

	snprintf(name, sizeof(name), "tls-%s-%u", text, sessions);
	open_world(&w, sessions);
	struct tls_clients *all = tls_clients_new(&w.clients, sessions, version);
	const struct tls_clients_seen *seen = tls_clients_seen(all);
	uint64_t touched = arena_touched(&w), crypto = crypto_held;
	struct cost before = w.cost;

	open_idle(&w, all, sessions);
	check(seen->greeted == sessions && atomic_load(&w.link.session_count) == sessions &&
	          world_counter(&w, "tls_connections_now") == sessions,
	      sessions, "not all of them are held");
	report(name, "open_us", "us", (double)(w.cost.cpu_ns - before.cpu_ns) / 1000 / sessions,
	       false);
	report_memory(&w, name, sessions, touched, crypto);

	uint64_t asked_from_us = w.now_us;
	before = w.cost;
	ask_idle(&w, all, sessions);
	check(seen->noops_answered == sessions, sessions, "not all of them answer");
	report(name, "noop_ns", "ns", (double)(w.cost.cpu_ns - before.cpu_ns) / sessions, false);

	expire_idle(&w, all, sessions, asked_from_us);
	check(seen->closed == sessions && atomic_load(&w.link.session_count) == 0, sessions,
	      "not all of them ended when silent for too long");
	check(seen->broken == 0 && w.clients.resets == 0 && w.clients.no_packet == 0, sessions,
	      "clients met what they should not");
	check(w.pool->free_count == w.pool->pkt_count &&
	          world_counter(&w, "tls_connections_now") == 0,
	      sessions, "something was not given back");
	tls_clients_free(all);
	world_close(&w);
}

void tls_sessions_run(uint32_t sessions)
{
	run_version(sessions, TLS1_2_VERSION, "1.2");
	run_version(sessions, TLS1_3_VERSION, "1.3");
}

void tls_sessions_prepare(void)
{
	if (CRYPTO_set_mem_functions(crypto_take, crypto_change, crypto_give) != 1)
		stop_bench("libcrypto's memory cannot be counted");
}
