/* log.c - log lines to standard error. */
#include "mgmt/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static const char *program_name = "postern";
static bool prefixes;

void log_open(const char *program)
{
	program_name = program;
	prefixes = isatty(STDERR_FILENO) == 0;
}

void log_line(enum log_priority priority, const char *format, ...)
{
	char text[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	if (prefixes)
		fprintf(stderr, "<%d>%s: %s\n", (int)priority, program_name, text);
	else
		fprintf(stderr, "%s: %s\n", program_name, text);
}
