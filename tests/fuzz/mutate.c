/* mutate.c - real messages and rules, damaged by seed, through everything that reads them.
 *
 * Each message is prepared and judged with the rules of the SpamAssassin installed and those of the
 * corpus. What they ask of the network is answered by the hash of the question: known, not known,
 * or not at all. Each sixteenth turn damages a piece of a rule file instead. Number N is always
 * damaged in the same way, so a finding is told by its number. Now and then the first message is
 * judged again: nothing may linger.
 *
 * usage: mutate [FIRST COUNT]; POSTERN_CORPUS names the corpus
 */
#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "classifier/classifier.h"
#include "classifier/rule_compile.h"
#include "mutation.h"
#include "smtp/normalise.h"

#define RULES_FOLDER      "/usr/share/spamassassin"
#define MESSAGE_BYTES_MAX (256u << 10)
#define RULE_BYTES_MAX    16384u
#define FILES_MAX         20000
#define STEPS_MAX         6
#define RULES_EVERY       16
#define AGAIN_EVERY       64
#define QUESTIONS_MAX     4096u

/* fuzz_rule_read.c: a rule file, read and looked into. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct files {
	char *path[FILES_MAX];
	uint32_t count;
};

struct judge {
	struct generation generation;
	struct ruleset *ruleset, *verdict_rules; /* the latter as the gateway opens them */
	struct scan_context *context, *verdict_context;
	struct classifier_counters counters;
	struct mime_counters mime_counters;
	struct arena arena;
	struct normaliser *normaliser;
	const struct selector *selectors;
	uint32_t selector_count;
	struct judgement judgement;
};

static uint64_t questions;
static struct files mails, rules;
static struct files *walking;

static void free_files(struct files *files)
{
	while (files->count > 0)
		free(files->path[--files->count]);
}

static int note_file(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info;
	(void)ftw;
	if (type == FTW_F && walking->count < FILES_MAX)
		walking->path[walking->count++] = strdup(path);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_files(struct files *files, const char *corpus, const char *folder)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", corpus, folder);
	walking = files;
	(void)nftw(path, note_file, 16, FTW_PHYS);
	qsort(files->path, files->count, sizeof(files->path[0]), by_name);
}

static size_t read_file(const char *path, uint8_t *memory, size_t bytes_max)
{
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		return 0;
	size_t bytes = fread(memory, 1, bytes_max, file);
	fclose(file);
	return bytes;
}

/* A list's answer to two questions of five, and its silence to one. */
static const struct answer *find_answer(void *context, enum question_kind kind, struct bytes text)
{
	static struct answer answer;
	uint64_t hash = hash_checksum(text.data, text.len);

	(void)context;
	memset(&answer, 0, sizeof(answer));
	if (hash % 5 == 0)
		return NULL;
	if (hash % 5 > 2)
		answer.result = ANSWER_NONE;
	answer.value = (uint32_t)(hash >> 8) % 12;
	if (answer.result == ANSWER_FOUND && kind != QUESTION_TEXT) {
		answer.address_count = 1;
		answer.address[0] = 0x7f000001u + ((uint32_t)(hash >> 16) & 255);
	} else if (answer.result == ANSWER_FOUND) {
		int shown = (int)(text.len < 40 ? text.len : 40);

		answer.text_len = (uint16_t)(snprintf(answer.text, sizeof(answer.text),
		                                      "v=spf1 %.*s +all", shown,
		                                      (const char *)text.data) +
		                             1);
	}
	return &answer;
}

static void see_question(void *context, enum question_kind kind, struct bytes text)
{
	struct question question;

	(void)context;
	question_write(&question, 1, kind, text);
	ASSERT(question_is_sound(&question));
	ASSERT(++questions <= QUESTIONS_MAX);
}

static void open_judge(struct judge *j)
{
	static const struct answers answers = {.find = find_answer};
	struct rule_compile_options options = {.score_column = 1};
	struct rule_compiler *compiler = rule_compiler_new(&options);
	char reason[200] = "";
	int fd;

	ASSERT(compiler != NULL);
	ASSERT(rule_compiler_load(compiler, RULES_FOLDER) == OK);
	for (uint32_t i = 0; i < rules.count; i++)
		if (strstr(rules.path[i], ".cf") != NULL &&
		    strncmp(rules.path[i], RULES_FOLDER, strlen(RULES_FOLDER)) != 0)
			ASSERT(rule_compiler_load(compiler, rules.path[i]) == OK);
	ASSERT(rule_compiler_finish(compiler, 1, 1, "mutate", &fd) == OK);
	rule_compiler_free(compiler);
	ASSERT(generation_open(&j->generation, fd) == OK);
	ASSERT(ruleset_open(&j->generation, &j->ruleset, reason) == OK);
	const struct ruleset_opening how = {.like = j->ruleset, .verdicts_only = true};
	ASSERT(ruleset_open_with(&j->generation, &how, &j->verdict_rules, reason) == OK);
	j->context = scan_context_new(j->ruleset, &j->counters);
	j->verdict_context = scan_context_new(j->verdict_rules, &j->counters);
	j->selectors = (const struct selector *)ruleset_selectors(j->ruleset, &j->selector_count)
	                   .data;
	ASSERT(arena_init(&j->arena, normaliser_bytes(MESSAGE_BYTES_MAX), false) == OK);
	j->normaliser = normaliser_new(&j->arena, MESSAGE_BYTES_MAX, &j->mime_counters);
	ASSERT(j->context != NULL && j->verdict_context != NULL && j->normaliser != NULL);
	scan_context_set_answers(j->context, &answers);
	scan_context_set_answers(j->verdict_context, &answers);
}

static void close_judge(struct judge *j)
{
	normaliser_close(j->normaliser);
	scan_context_free(j->verdict_context);
	ruleset_close(j->verdict_rules);
	scan_context_free(j->context);
	ruleset_close(j->ruleset);
	generation_close(&j->generation);
	arena_free(&j->arena);
}

static void check_texts(const struct texts *texts)
{
	for (int kind = 0; kind < TEXT_KIND_COUNT; kind++) {
		const struct text *text = &texts->kind[kind];
		for (uint32_t i = 0; i < text->segment_count; i++) {
			const struct segment *s = &text->segments[i];
			ASSERT(s->start == SEGMENT_ABSENT ||
			       (s->start <= text->bytes && s->len <= text->bytes - s->start));
		}
	}
}

static uint64_t no_time(void)
{
	return 0;
}

/* From memory of exactly its size, so that a read past the end shows under a sanitizer. */
static void judge(struct judge *j, const uint8_t *data, size_t bytes)
{
	uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
	struct message_facts facts = {.in_session = false};
	struct normalised normalised;
	struct judgement verdict;

	ASSERT(exact != NULL);
	memcpy(exact, data, bytes);
	normalise(j->normaliser, bytes_of(exact, bytes), &facts, j->selectors, j->selector_count,
	          &normalised);
	check_texts(&normalised.texts);
	questions = 0;
	classifier_questions(j->context, &normalised.texts, see_question, NULL);
	classifier_judge(j->context, &normalised.texts, 1, no_time, &j->judgement);
	ASSERT(j->judgement.hit_count <= ruleset_rule_count(j->ruleset));
	classifier_judge(j->verdict_context, &normalised.texts, 1, no_time, &verdict);
	ASSERT(verdict.score_milli == j->judgement.score_milli &&
	       verdict.hit_count == j->judgement.hit_count &&
	       memcmp(verdict.hit, j->judgement.hit, verdict.hit_count * sizeof(verdict.hit[0])) ==
	           0);
	free(exact);
}

static const char *pick(struct random *random, const struct files *files)
{
	return files->path[random_below(random, files->count)];
}

/* A file, damaged as number `n` says. */
static void damage(struct mutation *m, uint64_t n, const struct files *files)
{
	static uint8_t other[MESSAGE_BYTES_MAX];

	random_seed(&m->random, n);
	m->bytes = read_file(pick(&m->random, files), m->data, m->bytes_max);
	m->other = bytes_of(other, read_file(pick(&m->random, files), other, sizeof(other)));
	for (uint32_t i = random_below(&m->random, STEPS_MAX);; i--) {
		mutation_step(m);
		if (i == 0)
			break;
	}
}

static void damage_rules(uint64_t n)
{
	static uint8_t text[RULE_BYTES_MAX], whole[4u << 20];
	struct mutation m = {.data = text, .bytes_max = sizeof(text)};

	random_seed(&m.random, n);
	m.other = bytes_of(whole, read_file(pick(&m.random, &rules), whole, sizeof(whole)));
	struct bytes from = bytes_slice(m.other, random_below(&m.random, (uint32_t)m.other.len + 1),
	                                RULE_BYTES_MAX / 2);
	memcpy(text, from.data, from.len);
	m.bytes = from.len;
	for (uint32_t i = random_below(&m.random, 2 * STEPS_MAX) + 1; i > 0; i--)
		mutation_step(&m);

	uint8_t *exact = malloc(m.bytes > 0 ? m.bytes : 1);
	ASSERT(exact != NULL);
	memcpy(exact, text, m.bytes);
	LLVMFuzzerTestOneInput(exact, m.bytes);
	free(exact);
}

static void run(struct judge *j, uint64_t first, uint64_t count)
{
	static uint8_t data[MESSAGE_BYTES_MAX], plain[MESSAGE_BYTES_MAX];
	struct mutation m = {.data = data, .bytes_max = sizeof(data)};
	size_t plain_bytes = read_file(mails.path[0], plain, sizeof(plain));
	uint64_t slowest_us = 0, slowest = 0, octets = 0;

	judge(j, plain, plain_bytes);
	struct judgement before = j->judgement;
	for (uint64_t n = first; n < first + count; n++) {
		uint64_t began_us = clock_thread_cpu_ns() / 1000;
		if (n % RULES_EVERY == 0) {
			damage_rules(n);
			continue;
		}
		damage(&m, n, &mails);
		judge(j, data, m.bytes);
		octets += m.bytes;
		uint64_t took_us = clock_thread_cpu_ns() / 1000 - began_us;
		if (took_us > slowest_us) {
			slowest_us = took_us;
			slowest = n;
		}
		if (n % AGAIN_EVERY != 1)
			continue;
		judge(j, plain, plain_bytes);
		ASSERT(j->judgement.score_milli == before.score_milli &&
		       j->judgement.hit_count == before.hit_count);
	}
	printf("# %llu octets of mail; slowest is number %llu, %llu us\n",
	       (unsigned long long)octets, (unsigned long long)slowest,
	       (unsigned long long)slowest_us);
}

int main(int argc, char **argv)
{
	const char *corpus = getenv("POSTERN_CORPUS");
	uint64_t first = argc > 2 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
	static struct judge its;

	if (corpus != NULL) {
		list_files(&mails, corpus, "/mail");
		list_files(&mails, corpus, "/mime-edge");
		list_files(&rules, RULES_FOLDER, "");
		list_files(&rules, corpus, "/rules");
	}
	if (mails.count == 0 || access(RULES_FOLDER, R_OK) != 0) {
		puts("1..0 # SKIP POSTERN_CORPUS names no folder with mail/, or no SpamAssassin is "
		     "here");
		return 0;
	}
	open_judge(&its);
	run(&its, first, count);
	close_judge(&its);
	free_files(&mails);
	free_files(&rules);
	printf("1..1\nok 1 - %llu damaged messages and rule files from number %llu\n",
	       (unsigned long long)count, (unsigned long long)first);
	return 0;
}
