/* classifier_main.c - postern-bench-classifier: what judging a message costs, by stage and by rule.
 *
 * Usage: postern-bench-classifier [OPTION ...] --rules PATH FILE-OR-FOLDER ...
 *
 * Messages are read into memory first and then judged in rounds, one after the other, so that no
 * message finds its own data in a cache. Of each message the fastest round counts: what else
 * happens on a machine only adds. Rounds with the clock between stages alternate with rounds
 * without, which alone make the total. One line of JSON a result.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/classifier/bench_classifier.h"
#include "bench/common/command_line.h"

static const char usage[] =
    "Usage: postern-bench-classifier [OPTION ...] --rules PATH FILE-OR-FOLDER ...\n\n"
    "  --rules PATH    a rule file or a folder of them; may be repeated\n"
    "  --rounds N      how often each message is judged (5)\n"
    "  --every N       only each N-th message (1)\n"
    "  --bytes-max N   only messages of at most N octets (1048576)\n"
    "  --top N         the costliest rules by name (0)\n"
    "  --turns         judges each message once for each line on standard input, instead of in\n"
    "                  rounds of its own, and says what CPU time that took; no stages\n"
    "  --brute         judges each message by every rule on every segment as well, and compares\n"
    "                  what hit; exit status 1 when they differ\n"
    "  --memory        what judging touches of memory, by size of message, instead of times\n"
    "  --memo N        keeps what rules found in texts in N octets, as the gateway does; empty at\n"
    "                  the beginning of each round (0: not at all)\n"
    "  --hits          times nothing and prints what each message hits, subtests and counts too,\n"
    "                  to compare builds by\n"
    "  --help, --version\n";

static bool number(const char *text, uint32_t max, uint32_t *out)
{
	uint64_t value;

	if (!bytes_to_u64(bytes_text(text), max, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

static bool take_option(int key, char *value, void *context)
{
	struct bench_options *o = context;

	switch (key) {
	case 'r':
		if (o->rules_count == BENCH_RULES_MAX)
			return false;
		o->rules[o->rules_count++] = value;
		return true;
	case 'n':
		return number(value, 1000, &o->rounds) && o->rounds > 0;
	case 'e':
		return number(value, 1000000, &o->every) && o->every > 0;
	case 'm':
		return number(value, 1u << 30, &o->message_bytes_max) && o->message_bytes_max > 0;
	case 't':
		return number(value, 10000, &o->top);
	case 'b':
		return o->brute = true;
	case 'l':
		return o->hits = true;
	case 'k':
		return number(value, UINT32_MAX, &o->memo_bytes);
	case 'M':
		return o->memory = true;
	case 'T':
		return o->turns = true;
	default:
		return false;
	}
}

/* False with *out_exit the status to end with. */
static bool take_options(struct bench_options *o, int argc, char **argv, int *out_exit)
{
	static const struct option known[] = {{"rules", required_argument, NULL, 'r'},
	                                      {"rounds", required_argument, NULL, 'n'},
	                                      {"every", required_argument, NULL, 'e'},
	                                      {"bytes-max", required_argument, NULL, 'm'},
	                                      {"top", required_argument, NULL, 't'},
	                                      {"brute", no_argument, NULL, 'b'},
	                                      {"hits", no_argument, NULL, 'l'},
	                                      {"memory", no_argument, NULL, 'M'},
	                                      {"memo", required_argument, NULL, 'k'},
	                                      {"turns", no_argument, NULL, 'T'},
	                                      {"help", no_argument, NULL, 'h'},
	                                      {"version", no_argument, NULL, 'V'},
	                                      {NULL, 0, NULL, 0}};
	const struct command_line line = {.program = "postern-bench-classifier",
	                                  .usage = usage,
	                                  .letters = "hV",
	                                  .options = known,
	                                  .take = take_option,
	                                  .context = o};

	if (!command_line_parse(&line, argc, argv, out_exit)) {
		*out_exit = 2;
		return false;
	}
	if (*out_exit >= 0)
		return false;
	if (o->rules_count > 0 && optind < argc)
		return true;
	fputs(usage, stderr);
	*out_exit = 2;
	return false;
}

static bool run(struct bench_engine *engine, const struct bench_options *options,
                const struct bench_messages *messages)
{
	if (options->brute)
		return bench_compare(engine, options, messages);
	if (options->memory)
		return bench_measure_memory(engine, options, messages);
	if (!options->hits)
		return bench_measure(engine, options, messages);
	bench_print_hits(engine, messages);
	return true;
}

int main(int argc, char **argv)
{
	struct bench_options options = {.rounds = 5, .every = 1, .message_bytes_max = 1u << 20};
	struct bench_messages messages = {0};
	int status;

	if (!take_options(&options, argc, argv, &status))
		return status;
	for (int i = optind; i < argc; i++)
		if (!bench_messages_load(&messages, &options, argv[i]))
			return 1;
	if (messages.count == 0) {
		fputs("postern-bench-classifier: no messages\n", stderr);
		return 1;
	}

	struct bench_engine *engine = bench_engine_new(&options, false);
	status = engine != NULL && run(engine, &options, &messages) ? 0 : 1;
	bench_engine_free(engine);
	bench_messages_free(&messages);
	return status;
}
