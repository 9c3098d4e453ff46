/* command_line.c - options of a command line. */
#include "bench/common/command_line.h"

#include <stdio.h>

bool command_line_parse(const struct command_line *line, int argc, char **argv, int *out_exit)
{
	int option;

	*out_exit = -1;
	while ((option = getopt_long(argc, argv, line->letters, line->options, NULL)) != -1) {
		if (option == 'h') {
			fputs(line->usage, stdout);
			*out_exit = 0;
			return true;
		}
		if (option == 'V') {
			printf("%s " POSTERN_VERSION "\n", line->program);
			*out_exit = 0;
			return true;
		}
		if (option != '?' && line->take(option, optarg, line->context))
			continue;
		if (option != '?')
			fprintf(stderr, "%s: bad value '%s'\n", line->program, optarg);
		fprintf(stderr, "Try '%s --help'.\n", line->program);
		return false;
	}
	return true;
}
