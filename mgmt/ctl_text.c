/* ctl_text.c - texts for people from JSON that a peer had a hand in. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/ctl.h"

#define TEXT_BYTES 1024

void ctl_complain(const char *format, ...)
{
	va_list arguments;

	fputs("posternctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

enum ctl_exit ctl_print_json(json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(answer);
	return CTL_OK;
}

/* Control characters, C0 and C1, could command a terminal. */
const char *ctl_text(const json_t *object, const char *key)
{
	static char buffers[4][TEXT_BYTES];
	static unsigned int turn;
	const char *text = json_string_value(json_is_string(object) ? object
	                                                            : json_object_get(object, key));
	char *out = buffers[turn++ % 4];

	snprintf(out, TEXT_BYTES, "%s", text != NULL ? text : "");
	for (uint8_t *c = (uint8_t *)out; *c != '\0'; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
	return out;
}

const char *ctl_encode(const char *text)
{
	static char out[TEXT_BYTES];
	size_t used = 0;

	for (const char *c = text; *c != '\0' && used + 4 < sizeof(out); c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		             (*c >= '0' && *c <= '9') || strchr("-_.~", *c) != NULL;

		if (plain)
			out[used++] = *c;
		else
			used += (size_t)snprintf(out + used, 4, "%%%02X",
			                         (unsigned int)(uint8_t)*c);
	}
	out[used] = '\0';
	return out;
}

long long ctl_number(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

double ctl_points(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *ctl_duration(long long seconds)
{
	static char out[32];

	if (seconds >= 86400)
		snprintf(out, sizeof(out), "%lldd %lldh", seconds / 86400, seconds / 3600 % 24);
	else if (seconds >= 3600)
		snprintf(out, sizeof(out), "%lldh %lldmin", seconds / 3600, seconds / 60 % 60);
	else if (seconds >= 60)
		snprintf(out, sizeof(out), "%lldmin %llds", seconds / 60, seconds % 60);
	else
		snprintf(out, sizeof(out), "%llds", seconds);
	return out;
}
