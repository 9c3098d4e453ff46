/* command_line.h - the options every program of ours takes alike: --help, --version, and what is
 * said of a value that makes no sense.
 */
#ifndef BENCH_COMMON_COMMAND_LINE_H
#define BENCH_COMMON_COMMAND_LINE_H

#include <getopt.h>
#include <stdbool.h>

struct command_line {
	const char *program, *usage;
	const char
	    *letters; /* of the short options, as getopt_long(3) reads them; h and V with them */
	const struct option *options;
	/* Takes one; false when the value makes no sense. */
	bool (*take)(int option, char *value, void *context);
	void *context;
};

/* Takes all options; optind is then the first word that is none. False when there was a fault,
 * which was told on standard error. *out_exit is the status to end with now, -1 when there is work
 * to do. */
bool command_line_parse(const struct command_line *line, int argc, char **argv, int *out_exit);

#endif
