/* dkim_follow.c - judges signatures for tests/dkim/suite.py.
 *
 * A line of input is a command, octets in hexadecimal ("-": none):
 *   key NAME RECORDS            from now on the key of NAME; answers "key KIND BITS"
 *   message NOW CUT OCTETS      answers a line "signature DOMAIN SELECTOR VERDICT" each, "arc
 * STATE", "end"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mgmt/dkim_key.h"
#include "smtp/dkim.h"

#define KEYS_MAX   4096
#define LINE_BYTES ((size_t)4 << 20)

static struct {
	char name[QUESTION_NAME_BYTES];
	struct dkim_key key;
} keys[KEYS_MAX];
static uint32_t key_count;

static size_t from_hex(char *text)
{
	size_t len = 0;
	unsigned octet;

	for (; sscanf(text + 2 * len, "%2x", &octet) == 1; len++)
		text[len] = (char)octet;
	return len;
}

static const struct dkim_key *find_key(struct bytes name)
{
	for (uint32_t i = key_count; i > 0; i--)
		if (bytes_equal(bytes_text(keys[i - 1].name), name))
			return &keys[i - 1].key;
	return NULL;
}

static void add_key(const char *name, char *hex)
{
	static const char *const kinds[] = {"none", "rsa", "ed25519"};

	ASSERT(key_count < KEYS_MAX && strlen(name) < QUESTION_NAME_BYTES);
	memcpy(keys[key_count].name, name, strlen(name) + 1);
	dkim_key_read(bytes_of(hex, from_hex(hex)), &keys[key_count].key);
	printf("key %s %u\n", kinds[keys[key_count].key.kind], keys[key_count].key.bits);
	key_count++;
}

static const char *verdict_of(const struct fact_signature *s)
{
	static const char *const states[] = {"ask", "invalid", "body", "unknown"};
	static const char *const verdicts[] = {"", "pass", "fail", "permerror"};
	struct dkim_question question;
	const struct dkim_key *key;
	uint32_t value;

	if (s->state != SIGNATURE_ASK)
		return states[s->state];
	ASSERT(dkim_question_read(bytes_of(s->question, s->question_bytes), &question));
	key = find_key(question.key_name);
	if (key == NULL)
		return "nokey";
	value = dkim_key_verify(key, &question);
	if ((value & DKIM_VALUE_STRICT) != 0 && s->identity_below)
		return "strict";
	return verdicts[value & DKIM_VALUE_VERDICT];
}

static const char *chain_of(const struct fact_arc *arc)
{
	static const char *const states[] = {"none", "pass", "fail", "unknown"};

	for (uint32_t i = 0; arc->state == ARC_ASK && i < arc->count; i++)
		if (strcmp(verdict_of(arc->signature[i]), "pass") != 0)
			return "fail";
	return states[arc->state];
}

static void judge(struct dkim *dkim, int64_t now_s, bool cut, char *hex)
{
	struct dkim_signatures all = dkim_read(dkim, bytes_of(hex, from_hex(hex)), cut, now_s);

	for (uint32_t i = 0; i < all.count; i++) {
		const struct fact_signature *s = &all.signature[i];

		printf("signature %.*s %.*s %s\n", (int)s->domain_bytes, s->domain,
		       (int)s->selector_bytes, s->selector, verdict_of(s));
	}
	printf("arc %s\nend\n", chain_of(&all.arc));
}

int main(void)
{
	char *line = malloc(LINE_BYTES);
	struct arena arena;
	struct dkim *dkim;

	if (line == NULL || arena_init(&arena, dkim_bytes() + 4096, false) != OK)
		return 1;
	dkim = dkim_new(&arena);
	while (fgets(line, (int)LINE_BYTES, stdin) != NULL) {
		char *word[4] = {NULL}, *rest = NULL;

		line[strcspn(line, "\n")] = '\0';
		for (int i = 0; i < 4; i++)
			word[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
		if (word[2] != NULL && strcmp(word[0], "key") == 0)
			add_key(word[1], word[2]);
		else if (word[3] != NULL && strcmp(word[0], "message") == 0)
			judge(dkim, strtoll(word[1], NULL, 10), word[2][0] == '1', word[3]);
		fflush(stdout);
	}
	arena_free(&arena);
	free(line);
	return 0;
}
