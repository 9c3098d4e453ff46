/* tls_bench_main.c - handshakes and bulk octets: what they cost a server, ours and OpenSSL's in
 * turns.
 *
 * One process, one thread: an OpenSSL client, a wire in memory, and the server whose calls alone
 * are timed. The two servers take turns of some handshakes each, so that whatever slows the machine
 * slows both; of the turns the median counts. */
#include <getopt.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/tls/tls_bench.h"

#define ROUNDS_MAX 1001
#define BULK_BYTES ((size_t)64 << 10)
#define RECORD_MAX ((size_t)16 << 10)
#define TURNS_MAX  16
#define EACH_MAX   8

struct row {
	const char *name, *id;
	int version;
	enum identity_kind identity;
	const char *group;
	bool resumed;
};

static const struct row rows[] = {
    {"1.3 ECDSA P-256", "1.3-ecdsa-p256", TLS1_3_VERSION, IDENTITY_ECDSA, "P-256", false},
    {"1.3 ECDSA X25519", "1.3-ecdsa-x25519", TLS1_3_VERSION, IDENTITY_ECDSA, "X25519", false},
    {"1.3 ECDSA P-384", "1.3-ecdsa-p384", TLS1_3_VERSION, IDENTITY_ECDSA, "P-384", false},
    {"1.3 ECDSA P-521", "1.3-ecdsa-p521", TLS1_3_VERSION, IDENTITY_ECDSA, "P-521", false},
    {"1.3 P-384 key X25519", "1.3-p384key-x25519", TLS1_3_VERSION, IDENTITY_ECDSA_384, "X25519",
     false},
    {"1.3 P-521 key X25519", "1.3-p521key-x25519", TLS1_3_VERSION, IDENTITY_ECDSA_521, "X25519",
     false},
    {"1.3 RSA-2048 P-256", "1.3-rsa2048-p256", TLS1_3_VERSION, IDENTITY_RSA, "P-256", false},
    {"1.3 RSA-2048 X25519", "1.3-rsa2048-x25519", TLS1_3_VERSION, IDENTITY_RSA, "X25519", false},
    {"1.3 RSA-4096 X25519", "1.3-rsa4096-x25519", TLS1_3_VERSION, IDENTITY_RSA_4096, "X25519",
     false},
    {"1.2 ECDSA P-256", "1.2-ecdsa-p256", TLS1_2_VERSION, IDENTITY_ECDSA, "P-256", false},
    /* In 1.2 the groups must hold the certificate's curve, too. */
    {"1.2 ECDSA X25519", "1.2-ecdsa-x25519", TLS1_2_VERSION, IDENTITY_ECDSA, "X25519:P-256", false},
    {"1.2 RSA-2048 X25519", "1.2-rsa2048-x25519", TLS1_2_VERSION, IDENTITY_RSA, "X25519", false},
    {"1.2 RSA-4096 X25519", "1.2-rsa4096-x25519", TLS1_2_VERSION, IDENTITY_RSA_4096, "X25519",
     false},
    {"1.3 resumed P-256", "1.3-resumed-p256", TLS1_3_VERSION, IDENTITY_ECDSA, "P-256", true},
    {"1.3 resumed X25519", "1.3-resumed-x25519", TLS1_3_VERSION, IDENTITY_ECDSA, "X25519", true},
    {"1.2 resumed", "1.2-resumed", TLS1_2_VERSION, IDENTITY_ECDSA, "P-256", true},
};

static const struct server_ops *const servers[2] = {&server_ours, &server_openssl};

/* One server with the client that talks to it. */
struct side {
	const struct server_ops *ops;
	void *server;
	struct client client;
	double samples[ROUNDS_MAX], longest[ROUNDS_MAX];
};

static struct wire to_server, to_client;
static bool as_json;

/* A handshake; the server's nanoseconds. The client's session is kept when it has none. */
static uint64_t handshake(struct side *side, bool want_resumed)
{
	uint64_t spent = 0, start = now_ns();

	side->ops->open(side->server);
	spent += now_ns() - start;
	client_open(&side->client);
	for (int i = 0; i < TURNS_MAX; i++) {
		client_turn(&side->client, &to_client, &to_server);
		if (to_server.len == 0)
			break;
		start = now_ns();
		(void)side->ops->turn(side->server, &to_server, &to_client);
		spent += now_ns() - start - side->ops->waited_ns(side->server);
	}
	if (!side->ops->done(side->server) || !SSL_is_init_finished(side->client.ssl))
		stop_bench("a handshake did not end");
	if (want_resumed && !side->ops->resumed(side->server))
		stop_bench("a session was not resumed");
	return spent;
}

static uint64_t hang_up(struct side *side)
{
	uint64_t start = now_ns();

	side->ops->close(side->server);
	uint64_t spent = now_ns() - start;
	client_close(&side->client);
	to_server.len = to_client.len = 0;
	return spent;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), by_value);
	return values[count / 2];
}

static void open_sides(struct side *sides, const struct identity *identity, int version,
                       const char *group)
{
	for (int s = 0; s < 2; s++) {
		sides[s].ops = servers[s];
		sides[s].server = servers[s]->make(identity);
		client_make(&sides[s].client, version, group);
	}
}

static void close_sides(struct side *sides)
{
	for (int s = 0; s < 2; s++) {
		client_drop(&sides[s].client);
		sides[s].ops->drop(sides[s].server);
	}
}

static void measure_handshakes(const struct row *row, const struct identity *identity, int rounds,
                               int each)
{
	static struct side sides[2];

	memset(sides, 0, sizeof(sides));
	open_sides(sides, identity, row->version, row->group);
	for (int s = 0; s < 2 && row->resumed; s++) {
		(void)handshake(&sides[s], false);
		sides[s].client.session = SSL_get1_session(sides[s].client.ssl);
		(void)hang_up(&sides[s]);
	}
	for (int round = 0; round < rounds; round++) {
		for (int s = 0; s < 2; s++) {
			double longest[EACH_MAX], spent[EACH_MAX];
			for (int i = 0; i < each; i++) {
				(void)sides[s].ops->longest_ns(sides[s].server);
				spent[i] = (double)handshake(&sides[s], row->resumed);
				longest[i] = (double)sides[s].ops->longest_ns(sides[s].server);
				spent[i] += (double)hang_up(&sides[s]);
			}
			sides[s].samples[round] = median(spent, each) / 1000;
			sides[s].longest[round] = median(longest, each) / 1000;
		}
	}
	double ours = median(sides[0].samples, rounds), theirs = median(sides[1].samples, rounds);
	double step = median(sides[0].longest, rounds),
	       their_step = median(sides[1].longest, rounds);
	if (as_json)
		(void)printf("{\"case\":\"%s\",\"handshake_us\":%.1f,\"step_us\":%.1f,"
		             "\"openssl\":{\"handshake_us\":%.1f,\"step_us\":%.1f}}\n",
		             row->id, ours, step, theirs, their_step);
	else
		(void)printf(
		    "%-22s %8.1f us = %6.0f/s (step %6.1f us)  %8.1f us = %6.0f/s (%6.1f us)  "
		    "ratio %.2f\n",
		    row->name, ours, 1e6 / ours, step, theirs, 1e6 / theirs, their_step,
		    theirs / ours);
	(void)fflush(stdout);
	close_sides(sides);
}

/* Octets each way over one connection, MB/s of the server's time. */
static void measure_bulk(const struct identity *identity, int rounds, size_t record)
{
	static struct side sides[2];
	static uint8_t octets[BULK_BYTES];
	double in[2], out[2];

	memset(sides, 0, sizeof(sides));
	memset(octets, 'x', sizeof(octets));
	open_sides(sides, identity, TLS1_3_VERSION, "X25519");
	for (int s = 0; s < 2; s++)
		(void)handshake(&sides[s], false);
	for (int round = 0; round < rounds; round++) {
		for (int s = 0; s < 2; s++) {
			to_server.len = to_client.len = 0;
			for (size_t at = 0; at < BULK_BYTES; at += record)
				client_write(&sides[s].client,
				             bytes_of(octets, BULK_BYTES - at < record
				                                  ? BULK_BYTES - at
				                                  : record),
				             &to_server);
			uint64_t start = now_ns();
			if (sides[s].ops->turn(sides[s].server, &to_server, &to_client) !=
			    BULK_BYTES)
				stop_bench("octets are missing");
			sides[s].samples[round] = (double)(now_ns() - start);
			start = now_ns();
			for (size_t at = 0; at < BULK_BYTES; at += record)
				sides[s].ops->write(sides[s].server,
				                    bytes_of(octets, BULK_BYTES - at < record
				                                         ? BULK_BYTES - at
				                                         : record),
				                    &to_client);
			sides[s].longest[round] = (double)(now_ns() - start);
			client_turn(&sides[s].client, &to_client, &to_server);
		}
	}
	for (int s = 0; s < 2; s++) {
		in[s] = BULK_BYTES * 1000.0 / median(sides[s].samples, rounds);
		out[s] = BULK_BYTES * 1000.0 / median(sides[s].longest, rounds);
		(void)hang_up(&sides[s]);
	}
	if (as_json)
		(void)printf("{\"case\":\"octets-%zu\",\"in_mb\":%.0f,\"out_mb\":%.0f,"
		             "\"openssl\":{\"in_mb\":%.0f,\"out_mb\":%.0f}}\n",
		             record, in[0], out[0], in[1], out[1]);
	else
		(void)printf(
		    "AES-128-GCM, %5zu octets a write: in %5.0f MB/s, %5.0f, ratio %.2f; out %5.0f "
		    "MB/s, %5.0f, ratio %.2f\n",
		    record, in[0], in[1], in[0] / in[1], out[0], out[1], out[0] / out[1]);
	close_sides(sides);
}

/* What one connection of ours takes when its handshake is done. OpenSSL's memory is libc's. */
static void measure_idle(const struct identity *identity, int version, const char *id)
{
	static struct side side;

	side.ops = &server_ours;
	side.server = side.ops->make(identity);
	client_make(&side.client, version, "P-256");
	size_t before = server_ours_used(side.server);
	(void)handshake(&side, false);
	size_t used = server_ours_used(side.server) - before;
	(void)hang_up(&side);
	if (as_json)
		(void)printf("{\"case\":\"%s\",\"idle_bytes\":%zu}\n", id, used);
	else
		(void)printf("%-22s %8zu octets\n", id, used);
	client_drop(&side.client);
	side.ops->drop(side.server);
}

static void usage(FILE *file)
{
	(void)fputs("usage: postern-bench-tls [--rounds N] [--helpers N] [--quick] [--json]\n\n"
	            "Server handshakes and bulk octets, Postern's TLS and OpenSSL's in turns.\n"
	            "With --helpers other threads sign with all keys but P-256 for Postern; what "
	            "they need is\n"
	            "not counted, only what its own thread does.\n"
	            "Columns: Postern, OpenSSL, and how many times as fast Postern is.\n",
	            file);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"rounds", required_argument, NULL, 'r'}, {"helpers", required_argument, NULL, 'e'},
	    {"json", no_argument, NULL, 'j'},         {"quick", no_argument, NULL, 'q'},
	    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
	};
	static struct identity identities[IDENTITY_COUNT];
	int rounds = 61, each = EACH_MAX, option;

	while ((option = getopt_long(argc, argv, "r:e:jqh", options, NULL)) >= 0) {
		if (option == 'r') {
			rounds = (int)strtol(optarg, NULL, 10);
		} else if (option == 'e') {
			server_ours_help((uint32_t)strtoul(optarg, NULL, 10));
		} else if (option == 'j') {
			as_json = true;
		} else if (option == 'q') {
			each = 2;
		} else {
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (rounds < 1 || rounds > ROUNDS_MAX)
		stop_bench("--rounds: 1 to 1001");
	for (int kind = 0; kind < IDENTITY_COUNT; kind++)
		identity_make((enum identity_kind)kind, &identities[kind]);
	if (!as_json)
		(void)printf("arithmetic: %s; beside %s\n", server_ours_build(),
		             OpenSSL_version(OPENSSL_VERSION));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		measure_handshakes(&rows[i], &identities[rows[i].identity], rounds, each);
	measure_idle(&identities[IDENTITY_ECDSA], TLS1_2_VERSION, "idle-1.2");
	measure_idle(&identities[IDENTITY_ECDSA], TLS1_3_VERSION, "idle-1.3");
	measure_bulk(&identities[IDENTITY_ECDSA], 4 * rounds > ROUNDS_MAX ? ROUNDS_MAX : 4 * rounds,
	             RECORD_MAX);
	measure_bulk(&identities[IDENTITY_ECDSA], 4 * rounds > ROUNDS_MAX ? ROUNDS_MAX : 4 * rounds,
	             1400);
	return 0;
}
