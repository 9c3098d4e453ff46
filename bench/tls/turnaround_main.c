/* turnaround_main.c - how long a session in the clear waits for its answers while others shake
 * hands.
 *
 * One connection says NOOP every half millisecond and notes when the answer came; threads beside it
 * make handshakes behind STARTTLS at one rate after another, in turns, so that whatever else the
 * machine does meets all rates alike. Everything runs on the cores the program was given: give it
 * one the worker does not have. */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/common/histogram.h"
#include "bench/common/socket.h"

#define THREADS    16
#define RATES_MAX  8
#define ROUNDS_MAX 64
#define PAUSE_NS   500000 /* between an answer and the next NOOP */
#define SETTLE_NS  300000000
#define WAIT_MS    5000

static struct socket_address server;
static SSL_CTX *context;
static _Atomic uint32_t rate; /* handshakes a second, of all threads */
static _Atomic uint64_t done, failed;
static _Atomic bool stop;
static bool as_json;

static uint64_t now_ns(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	const struct timespec time = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static _Noreturn void stop_bench(const char *what)
{
	(void)fprintf(stderr, "postern-bench-turnaround: %s\n", what);
	exit(1);
}

/* ---- SMTP over a socket that does not block ---- */

static bool wait_for(int fd, short events)
{
	struct pollfd its = {.fd = fd, .events = events};

	return poll(&its, 1, WAIT_MS) == 1;
}

/* Reads until the last line of a reply with that first digit. */
static bool expect(int fd, char first)
{
	char text[4096];
	size_t len = 0, line = 0;

	while (len < sizeof(text) && wait_for(fd, POLLIN)) {
		ssize_t got = read(fd, text + len, sizeof(text) - len);
		if (got <= 0)
			return false;
		len += (size_t)got;
		for (size_t i = line; i + 1 < len; i++)
			if (text[i] == '\r' && text[i + 1] == '\n') {
				if (i >= line + 3 && text[line + 3] != '-')
					return text[line] == first;
				line = i + 2;
			}
	}
	return false;
}

static bool say(int fd, const char *text, char first)
{
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) && expect(fd, first);
}

static int greet(void)
{
	int fd = socket_connect(&server, NULL), one = 1;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (wait_for(fd, POLLOUT) && expect(fd, '2') && say(fd, "EHLO bench\r\n", '2'))
		return fd;
	(void)close(fd);
	return -1;
}

static bool shake(int fd)
{
	SSL *ssl = SSL_new(context);
	int result = -1;

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		stop_bench("no connection");
	for (int i = 0; i < 100 && (result = SSL_connect(ssl)) != 1; i++)
		if (SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ || !wait_for(fd, POLLIN))
			break;
	ERR_clear_error();
	if (result == 1)
		(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	return result == 1;
}

/* At its share of the rate; who has fallen behind by a second does not make up for it. */
static void *shake_hands(void *unused)
{
	uint64_t next = now_ns();

	(void)unused;
	while (!atomic_load(&stop)) {
		uint64_t now = now_ns();
		uint32_t wanted = atomic_load(&rate);
		if (wanted == 0 || now < next) {
			uint64_t soon = now + 10000000;
			sleep_until(wanted > 0 && next < soon ? next : soon);
			continue;
		}
		next = (now > next + 1000000000u ? now : next) +
		       THREADS * UINT64_C(1000000000) / wanted;
		int fd = greet();
		bool fine = fd >= 0 && say(fd, "STARTTLS\r\n", '2') && shake(fd);
		if (fd >= 0)
			(void)close(fd);
		atomic_fetch_add(fine ? &done : &failed, 1);
	}
	return NULL;
}

/* ---- the session in the clear ---- */

static void probe(int fd, uint64_t until_ns, struct histogram *out)
{
	while (now_ns() < until_ns) {
		uint64_t begun = now_ns();
		if (!say(fd, "NOOP\r\n", '2'))
			stop_bench("the session in the clear has ended");
		uint64_t answered = now_ns();
		if (out != NULL)
			histogram_add(out, (answered - begun) / 1000);
		sleep_until(answered + PAUSE_NS);
	}
}

struct row {
	uint32_t rate;
	struct histogram all;
	uint64_t p50[ROUNDS_MAX], p99[ROUNDS_MAX];
	uint64_t done, failed, ns;
};

/* With a session of its own: a client may not say NOOP for ever (junk_commands_max). */
static void measure(struct row *row, int round, uint64_t seconds)
{
	static struct histogram one;

	memset(&one, 0, sizeof(one));
	atomic_store(&rate, row->rate);
	int fd = greet();
	if (fd < 0)
		stop_bench("no session in the clear");
	probe(fd, now_ns() + SETTLE_NS, NULL);
	uint64_t begun = now_ns(), before = atomic_load(&done), bad = atomic_load(&failed);
	probe(fd, begun + seconds * 1000000000u, &one);
	(void)close(fd);
	row->ns += now_ns() - begun;
	row->done += atomic_load(&done) - before;
	row->failed += atomic_load(&failed) - bad;
	row->p50[round] = histogram_quantile(&one, 500);
	row->p99[round] = histogram_quantile(&one, 990);
	for (size_t i = 0; i < HISTOGRAM_BUCKET_COUNT; i++)
		row->all.bucket[i] += one.bucket[i];
	row->all.count += one.count;
	row->all.sum += one.sum;
	if (one.max > row->all.max)
		row->all.max = one.max;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(struct row *row, int rounds)
{
	qsort(row->p50, (size_t)rounds, sizeof(row->p50[0]), by_value);
	qsort(row->p99, (size_t)rounds, sizeof(row->p99[0]), by_value);
	if (as_json) {
		(void)printf("{\"wanted\":%u,\"per_second\":%.1f,\"failed\":%llu,\"answers\":%llu,"
		             "\"p50\":%llu,\"p99\":%llu,\"p99_least\":%llu,\"p99_most\":%llu,"
		             "\"p99_all\":%llu,\"p999_all\":%llu,\"max\":%llu}\n",
		             row->rate, (double)row->done * 1e9 / (double)row->ns,
		             (unsigned long long)row->failed, (unsigned long long)row->all.count,
		             (unsigned long long)row->p50[rounds / 2],
		             (unsigned long long)row->p99[rounds / 2],
		             (unsigned long long)row->p99[0],
		             (unsigned long long)row->p99[rounds - 1],
		             (unsigned long long)histogram_quantile(&row->all, 990),
		             (unsigned long long)histogram_quantile(&row->all, 999),
		             (unsigned long long)row->all.max);
		return;
	}
	(void)printf(
	    "%6u/s wanted %7.1f/s done %4llu failed  %6llu answers  p50 %5llu us  p99 %5llu us "
	    "(rounds %llu to %llu, all %llu)  p99.9 %5llu us  most %6llu us\n",
	    row->rate, (double)row->done * 1e9 / (double)row->ns, (unsigned long long)row->failed,
	    (unsigned long long)row->all.count, (unsigned long long)row->p50[rounds / 2],
	    (unsigned long long)row->p99[rounds / 2], (unsigned long long)row->p99[0],
	    (unsigned long long)row->p99[rounds - 1],
	    (unsigned long long)histogram_quantile(&row->all, 990),
	    (unsigned long long)histogram_quantile(&row->all, 999),
	    (unsigned long long)row->all.max);
}

/* ---- the command line ---- */

struct wishes {
	const char *rates;
	uint64_t seconds;
	int rounds, version;
	const char *group, *signatures;
};

static void usage(FILE *file)
{
	(void)fputs("usage: postern-bench-turnaround [option...] ADDRESS:PORT\n\n"
	            "  --rates LIST       handshakes a second, in turns (0,250,500)\n"
	            "  --seconds N        of each, each round (3)\n"
	            "  --rounds N         (5)\n"
	            "  --tls 1.2|1.3      (1.3)\n"
	            "  --group NAME       of the key exchange (X25519)\n"
	            "  --signatures LIST  the client takes, which chooses the certificate\n"
	            "  --json             a line for each rate\n",
	            file);
}

static bool parse(int argc, char **argv, struct wishes *out)
{
	static const struct option options[] = {
	    {"rates", required_argument, NULL, 'r'},  {"seconds", required_argument, NULL, 's'},
	    {"rounds", required_argument, NULL, 'n'}, {"tls", required_argument, NULL, 't'},
	    {"group", required_argument, NULL, 'g'},  {"signatures", required_argument, NULL, 'S'},
	    {"json", no_argument, NULL, 'j'},         {NULL, 0, NULL, 0},
	};
	int option;

	*out = (struct wishes){"0,250,500", 3, 5, TLS1_3_VERSION, "X25519", NULL};
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'r')
			out->rates = optarg;
		else if (option == 's')
			out->seconds = strtoul(optarg, NULL, 10);
		else if (option == 'n')
			out->rounds = (int)strtol(optarg, NULL, 10);
		else if (option == 't')
			out->version = strcmp(optarg, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
		else if (option == 'g')
			out->group = optarg;
		else if (option == 'j')
			as_json = true;
		else if (option == 'S')
			out->signatures = optarg;
		else
			return false;
	}
	return optind + 1 == argc && out->rounds > 0 && out->rounds <= ROUNDS_MAX &&
	       socket_parse_address(argv[optind], true, &server);
}

static void make_context(const struct wishes *wishes)
{
	context = SSL_CTX_new(TLS_client_method());
	if (context == NULL || SSL_CTX_set_min_proto_version(context, wishes->version) != 1 ||
	    SSL_CTX_set_max_proto_version(context, wishes->version) != 1 ||
	    SSL_CTX_set1_groups_list(context, wishes->group) != 1 ||
	    (wishes->signatures != NULL &&
	     SSL_CTX_set1_sigalgs_list(context, wishes->signatures) != 1))
		stop_bench("these wishes cannot be met");
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

int main(int argc, char **argv)
{
	const struct sched_param first = {.sched_priority = 1};
	static struct row rows[RATES_MAX];
	pthread_t threads[THREADS];
	struct wishes wishes;
	int count = 0;

	if (!parse(argc, argv, &wishes)) {
		usage(stderr);
		return 2;
	}
	make_context(&wishes);
	for (char *at = (char *)(uintptr_t)wishes.rates; *at != '\0' && count < RATES_MAX;
	     at += *at == ',')
		rows[count++].rate = (uint32_t)strtoul(at, &at, 10);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, shake_hands, NULL) != 0)
			stop_bench("no thread");
	/* Else it would measure how long it waits for the core the handshakes are made on. */
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) != 0)
		(void)fputs("postern-bench-turnaround: not allowed to go first on its core\n",
		            stderr);
	for (int round = 0; round < wishes.rounds; round++)
		for (int i = 0; i < count; i++)
			measure(&rows[i], round, wishes.seconds);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	for (int i = 0; i < count; i++)
		report(&rows[i], wishes.rounds);
	return 0;
}
