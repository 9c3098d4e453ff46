/* options.c - TCP options of a script's line: "mss=1460 nop sackok ts=100/0 wscale=7
 * sack=1-101,201-301 raw=1e0301". */
#include "options.h"

#include <stdlib.h>
#include <string.h>

struct writer {
	struct option_list *list;
	const struct option_context *context;
};

static bool put(struct writer *writer, uint8_t octet, bool any)
{
	struct option_list *list = writer->list;

	if (list->bytes == sizeof(list->octet))
		return false;
	list->octet[list->bytes] = octet;
	list->any[list->bytes++] = any;
	return true;
}

static bool put_number(struct writer *writer, uint32_t value, int bytes, bool any)
{
	while (bytes-- > 0)
		if (!put(writer, (uint8_t)(value >> (8 * bytes)), any))
			return false;
	return true;
}

/* "*" anything, "T" our clock, else a number. */
static bool put_stamp(struct writer *writer, const char *text, size_t len)
{
	if (len == 1 && *text == '*')
		return put_number(writer, 0, 4, true);
	if (len >= 1 && *text == 'T')
		return put_number(writer,
		                  writer->context->our_stamp + (uint32_t)strtol(text + 1, NULL, 10),
		                  4, !writer->context->stamp_known);
	return len > 0 && put_number(writer, (uint32_t)strtoul(text, NULL, 10), 4, false);
}

static bool put_timestamps(struct writer *writer, const char *text)
{
	const char *slash = strchr(text, '/');

	return slash != NULL && put(writer, 8, false) && put(writer, 10, false) &&
	       put_stamp(writer, text, (size_t)(slash - text)) &&
	       put_stamp(writer, slash + 1, strlen(slash + 1));
}

static bool put_sack(struct writer *writer, const char *text)
{
	size_t at = writer->list->bytes + 1;
	char *end;

	if (!put(writer, 5, false) || !put(writer, 2, false))
		return false;
	for (;; text = end + 1) {
		uint32_t from = (uint32_t)strtoul(text, &end, 10);
		if (*end != '-')
			return false;
		uint32_t to = (uint32_t)strtoul(end + 1, &end, 10);
		if (!put_number(writer, writer->context->sack_base + from, 4, false) ||
		    !put_number(writer, writer->context->sack_base + to, 4, false))
			return false;
		writer->list->octet[at] = (uint8_t)(writer->list->octet[at] + 8);
		if (*end != ',')
			return *end == '\0';
	}
}

static bool put_raw(struct writer *writer, const char *text)
{
	while (text[0] != '\0' && text[1] != '\0') {
		char pair[3] = {text[0], text[1], '\0'};
		if (!put(writer, (uint8_t)strtoul(pair, NULL, 16), false))
			return false;
		text += 2;
	}
	return *text == '\0';
}

bool option_parse(const char *word, const struct option_context *context, struct option_list *list)
{
	struct writer writer = {list, context};

	if (strcmp(word, "none") == 0)
		return true;
	if (strcmp(word, "nop") == 0)
		return put(&writer, 1, false);
	if (strcmp(word, "end") == 0)
		return put(&writer, 0, false);
	if (strcmp(word, "sackok") == 0)
		return put_number(&writer, 0x0402, 2, false);
	if (strncmp(word, "mss=", 4) == 0)
		return put_number(&writer, 0x0204, 2, false) &&
		       put_number(&writer, (uint32_t)strtoul(word + 4, NULL, 10), 2, false);
	if (strncmp(word, "wscale=", 7) == 0)
		return put_number(&writer, 0x0303, 2, false) &&
		       put(&writer, (uint8_t)strtoul(word + 7, NULL, 10), false);
	if (strncmp(word, "ts=", 3) == 0)
		return put_timestamps(&writer, word + 3);
	if (strncmp(word, "sack=", 5) == 0)
		return put_sack(&writer, word + 5);
	if (strncmp(word, "raw=", 4) == 0)
		return put_raw(&writer, word + 4);
	return false;
}

bool option_equal(const struct option_list *expected, const uint8_t *octets, size_t bytes)
{
	if (expected->bytes != bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if (!expected->any[i] && expected->octet[i] != octets[i])
			return false;
	return true;
}
