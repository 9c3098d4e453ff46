/* scan_checks.c - what DNS lists say of messages that are judged offline. Answers are kept for as
 * long as the program runs. */
#include "mgmt/scan_checks.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"

#include "mgmt/asker.h"

#define ENTRIES    65536u /* a power of two */
#define TIMEOUT_MS 10000

struct entry {
	uint8_t text[QUESTION_BYTES];
	size_t text_len;
	enum question_kind kind;
	bool used, answered;
	uint32_t turn; /* of asking */
	struct answer answer;
};

struct scan_checks {
	struct asker asker;
	struct question_rings rings;
	struct answers answers;
	uint32_t turn, open, used; /* open: of this turn */
	struct entry *entry;
};

/* Its place, or that of nobody yet. */
static struct entry *find(const struct scan_checks *checks, enum question_kind kind,
                          struct bytes text)
{
	uint64_t at = hash_checksum(text.data, text.len) + kind;

	for (;; at++) {
		struct entry *entry = &checks->entry[at & (ENTRIES - 1)];

		if (!entry->used || (entry->kind == kind &&
		                     bytes_equal(bytes_of(entry->text, entry->text_len), text)))
			return entry;
	}
}

static const struct answer *answer_of(void *context, enum question_kind kind, struct bytes text)
{
	const struct entry *entry = find(context, kind, text);

	return entry->answered && entry->answer.result <= ANSWER_NONE ? &entry->answer : NULL;
}

struct scan_checks *scan_checks_new(const char *server, char *reason)
{
	struct scan_checks *checks = calloc(1, sizeof(*checks));

	snprintf(reason, 256, "out of memory");
	if (checks == NULL)
		return NULL;
	checks->entry = calloc(ENTRIES, sizeof(*checks->entry));
	if (checks->entry == NULL || question_rings_create(&checks->rings, 1) != OK) {
		free(checks->entry);
		free(checks);
		return NULL;
	}
	if (!asker_open(&checks->asker, server, TIMEOUT_MS, reason)) {
		scan_checks_free(checks);
		return NULL;
	}
	asker_attach(&checks->asker, dup(checks->rings.fd), false);
	checks->answers = (struct answers){.context = checks, .find = answer_of};
	return checks;
}

void scan_checks_free(struct scan_checks *checks)
{
	if (checks == NULL)
		return;
	asker_close(&checks->asker);
	question_rings_close(&checks->rings);
	free(checks->entry);
	free(checks);
}

static void take_answers(struct scan_checks *checks)
{
	struct answer answer;

	asker_run(&checks->asker, clock_now_us());
	while (answer_pop(question_rings_answers(&checks->rings, 0), &answer)) {
		struct entry *entry = &checks->entry[answer.id & (ENTRIES - 1)];

		checks->open -= !entry->answered && entry->turn == checks->turn;
		entry->answered = true;
		entry->answer = answer;
	}
}

static void ask(void *context, enum question_kind kind, struct bytes text)
{
	struct scan_checks *checks = context;
	struct entry *entry = find(checks, kind, text);
	struct question question;

	if (entry->used || checks->used == ENTRIES / 2)
		return;
	question_write(&question, (uint64_t)(entry - checks->entry), kind, text);
	while (!question_push(question_rings_questions(&checks->rings, 0), &question))
		take_answers(checks);
	memcpy(entry->text, text.data, text.len);
	entry->text_len = text.len;
	entry->kind = kind;
	entry->used = true;
	entry->turn = checks->turn;
	checks->used++;
	checks->open++;
}

void scan_checks_ask(struct scan_checks *checks, struct scan_context *context,
                     const struct texts *texts)
{
	uint64_t end_us = clock_now_us() + (uint64_t)TIMEOUT_MS * 1000;

	checks->turn++; /* what is answered later than its turn serves a later message */
	checks->open = 0;
	classifier_questions(context, texts, ask, checks);
	for (take_answers(checks); checks->open > 0 && clock_now_us() < end_us;
	     take_answers(checks)) {
		struct pollfd fds[ASKER_FDS_MAX];
		int wait_ms;
		uint32_t count = asker_sleep(&checks->asker, fds, 100, &wait_ms);

		(void)poll(fds, count, wait_ms);
		asker_awake(&checks->asker);
	}
	scan_context_set_answers(context, &checks->answers);
}
