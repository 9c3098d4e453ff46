/* sim_message.c - random messages: odd lengths, leading dots, empty lines, octets of all kinds but
 * bare CR and LF. */
#include "sim_message.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define FORGED_LINES_MAX 50
#define FORGED_BYTES_MAX 4096

uint64_t sim_content_hash(const void *data, size_t bytes)
{
	static const struct hash_key key = {{0x5eed, 0xf00d}};

	return hash64(&key, data, bytes);
}

static uint8_t random_octet(struct random *random)
{
	for (;;) {
		uint8_t octet = (uint8_t)random_below(random, 256);
		if (octet != '\r' && octet != '\n' && octet != '\0')
			return octet;
	}
}

/* One content line with its CRLF; returns its length. */
static size_t random_line(struct random *random, uint8_t *out, size_t bytes_max)
{
	size_t len = 0, dots = random_below(random, 4) == 0 ? 1 + random_below(random, 3) : 0;
	size_t text = random_below(random, 8) == 0 ? 0 : random_below(random, 120);

	for (size_t i = 0; i < dots && len + 2 < bytes_max; i++)
		out[len++] = '.';
	for (size_t i = 0; i < text && len + 2 < bytes_max; i++)
		out[len++] = random_octet(random);
	out[len++] = '\r';
	out[len++] = '\n';
	return len;
}

static size_t stuff(const uint8_t *content, size_t bytes, uint8_t *out)
{
	size_t len = 0;

	for (size_t i = 0; i < bytes; i++) {
		if (content[i] == '.' && (i == 0 || content[i - 1] == '\n'))
			out[len++] = '.';
		out[len++] = content[i];
	}
	memcpy(out + len, ".\r\n", 3);
	return len + 3;
}

/* A field that claims to be the gateway's: it is sent, and must not arrive. */
static size_t forged_field(struct random *random, uint8_t *out)
{
	static const char *const names[] = {
	    "Authentication-Results: gateway.example; spf=pass",
	    "AUTHENTICATION-RESULTS : (a (b) c)\r\n\tGateway.Example 1; none",
	    "Authentication-Results:\r\n \"gateway.\\example\"; dkim=pass",
	    "Authentication-Results: (gateway.example; none",
	};
	const char *name = names[random_below(random, 4)];
	uint32_t folded = random_below(random, 3) == 0 ? random_below(random, FORGED_LINES_MAX) : 0;
	size_t len = strlen(name);

	memcpy(out, name, len);
	for (uint32_t i = 0; i < folded; i++) {
		memcpy(out + len, "\r\n\t", 3);
		memset(out + len + 3, 'x', 60);
		len += 63;
	}
	memcpy(out + len, "\r\n", 2);
	return len + 2;
}

/* Puts fields that claim to be the gateway's in front of some of the first lines. */
static void forge(struct sim_message *m, struct random *random)
{
	uint8_t *wire = malloc(m->wire_bytes + 2 * FORGED_BYTES_MAX), *from = m->wire;
	size_t len = 0;

	ASSERT(wire != NULL);
	for (int line = 0; line < 2; line++) {
		size_t bytes = (size_t)((uint8_t *)memchr(from, '\n', 80) + 1 - from);

		if (random_below(random, 2) == 0)
			len += forged_field(random, wire + len);
		if (line == 1 || bytes == 2)
			break;
		memcpy(wire + len, from, bytes);
		len += bytes;
		from += bytes;
	}
	size_t left = m->wire_bytes - (size_t)(from - m->wire);
	memcpy(wire + len, from, left);
	free(m->wire);
	m->wire = wire;
	m->wire_bytes = len + left;
}

static void make(struct sim_message *m, uint32_t number, size_t bytes_max, struct random *random)
{
	static const char spam_head[] = "Subject: an offer\r\n\r\nPlease " SIM_SPAM_MARK
	                                " today.\r\n";
	static const char ham_head[] = "Subject: a note\r\n\r\n";
	size_t want = random_below(random,
	                           (uint32_t)(random_below(random, 4) == 0 ? bytes_max : 3000)) +
	              80;
	uint8_t *content = malloc(want + 512);

	memset(m, 0, sizeof(*m));
	m->number = number;
	m->spam = random_below(random, 4) == 0;
	m->recipient_count = 1 + random_below(random, SIM_RECIPIENTS_MAX);
	ASSERT(content != NULL);
	size_t len = m->spam ? sizeof(spam_head) - 1 : sizeof(ham_head) - 1;
	memcpy(content, m->spam ? spam_head : ham_head, len);
	while (len < want)
		len += random_line(random, content + len, want + 256 - len);

	m->wire = malloc(len * 2 + 3);
	ASSERT(m->wire != NULL);
	m->wire_bytes = stuff(content, len, m->wire);
	m->content_bytes = len;
	m->content_hash = sim_content_hash(content, len);
	free(content);
	if (random_below(random, 3) == 0)
		forge(m, random);
}

void sim_messages_make(struct sim_message *messages, uint32_t count, size_t bytes_max,
                       struct random *random)
{
	for (uint32_t i = 0; i < count; i++)
		make(&messages[i], i, bytes_max, random);
}

void sim_messages_free(struct sim_message *messages, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		free(messages[i].wire);
}
