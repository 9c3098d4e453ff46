/* connections_main.c - postern-bench-connections: what connections and sessions cost, in memory and
 * in CPU time. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "bench/connections/connections.h"

#define SESSIONS_MAX (2u << 20)

static const char usage[] =
    "Usage: postern-bench-connections [OPTION]... sessions|tls|paths|drain\n"
    "Measures one worker over a memory port in virtual time; prints a line of JSON a result.\n\n"
    "  -n, --count N   idle sessions, or connections of paths (default 1000)\n"
    "  -s, --short N   short sessions beside them (default 100000)\n"
    "  -h, --help      this text\n"
    "  -V, --version   version\n\n"
    "Exit status: 0 all sessions lived and ended as they should, 1 not, 2 usage.\n";

void report(const char *name, const char *metric, const char *unit, double value,
            bool higher_is_better)
{
	printf("{\"case\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"value\":%.2f,\"better\":\"%"
	       "s\"}\n",
	       name, metric, unit, value, higher_is_better ? "higher" : "lower");
	fflush(stdout);
}

static bool parse_count(const char *text, uint64_t max, uint32_t *out_count)
{
	uint64_t value;

	if (!bytes_to_u64(bytes_text(text), max, &value) || value == 0)
		return false;
	*out_count = (uint32_t)value;
	return true;
}

static int bad_usage(void)
{
	fputs(usage, stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"count", required_argument, NULL, 'n'},
	                                        {"short", required_argument, NULL, 's'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {"version", no_argument, NULL, 'V'},
	                                        {NULL, 0, NULL, 0}};
	uint32_t count = 1000, short_count = 100000;
	int option;

	tls_sessions_prepare();
	while ((option = getopt_long(argc, argv, "n:s:hV", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			if (!parse_count(optarg, SESSIONS_MAX - 8192, &count))
				return bad_usage();
			break;
		case 's':
			if (!parse_count(optarg, 100000000, &short_count))
				return bad_usage();
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			puts("postern-bench-connections " POSTERN_VERSION);
			return 0;
		default:
			return bad_usage();
		}
	}
	if (optind != argc - 1)
		return bad_usage();
	if (strcmp(argv[optind], "sessions") == 0)
		sessions_run(count, short_count);
	else if (strcmp(argv[optind], "tls") == 0)
		tls_sessions_run(count);
	else if (strcmp(argv[optind], "paths") == 0)
		paths_run(count);
	else if (strcmp(argv[optind], "drain") == 0)
		drain_run(count);
	else
		return bad_usage();
	return 0;
}
