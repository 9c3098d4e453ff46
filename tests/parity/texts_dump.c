/* texts_dump.c - writes the prepared texts of message files, for comparison with SpamAssassin's.
 *
 * Usage: texts_dump SELECTORS FILE... ; SELECTORS is a file of header selectors, one a line. Each
 * record on standard output is message number, type, key length and data length (pack 'VCCV'), then
 * key and data. With
 * "-t COUNT" in front it writes nothing and reports the time a message takes, COUNT rounds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "smtp/normalise.h"

#define MESSAGE_BYTES_MAX ((size_t)1 << 20)
#define SELECTORS_MAX     4096

static struct selector selectors[SELECTORS_MAX];
static char *selector_text[SELECTORS_MAX];
static uint32_t selector_count;

static void selectors_read(const char *path)
{
	char line[256];
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	while (selector_count < SELECTORS_MAX && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (!selector_parse(bytes_text(line), &selectors[selector_count])) {
			fprintf(stderr, "unsupported selector: %s\n", line);
			continue;
		}
		selector_text[selector_count++] = strdup(line);
	}
	fclose(file);
}

static void record(uint32_t number, int type, const char *key, struct bytes data)
{
	uint8_t head[10];
	uint32_t len = (uint32_t)data.len;
	uint8_t key_len = (uint8_t)strlen(key);

	memcpy(head, &number, 4);
	head[4] = (uint8_t)type;
	head[5] = key_len;
	memcpy(head + 6, &len, 4);
	fwrite(head, 1, sizeof(head), stdout);
	fwrite(key, 1, key_len, stdout);
	if (data.len > 0)
		fwrite(data.data, 1, data.len, stdout);
}

static void dump(uint32_t number, const struct normalised *normalised)
{
	static const char *const keys[] = {"body", "rawbody", "uri", "full"};

	for (int kind = 0; kind < TEXT_KIND_COUNT; kind++) {
		const struct text *text = &normalised->texts.kind[kind];

		for (uint32_t i = 0; i < text->segment_count; i++) {
			if (text->segments[i].start == SEGMENT_ABSENT)
				continue;
			record(number, kind, kind == TEXT_HEADER ? selector_text[i] : keys[kind],
			       text_segment(text, i));
		}
	}
}

/* The content in a block of its exact size, so that reads past the end show under a sanitizer. */
static struct bytes file_read(const char *path)
{
	static uint8_t content[MESSAGE_BYTES_MAX + 4096];
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		return bytes_of(NULL, 0);
	size_t len = fread(content, 1, sizeof(content), file);
	fclose(file);
	uint8_t *exact = malloc(len > 0 ? len : 1);
	if (exact == NULL)
		exit(1);
	memcpy(exact, content, len);
	return bytes_of(exact, len);
}

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
	struct arena arena;
	struct mime_counters counters = {0};
	struct message_facts facts = {.in_session = false};
	struct normalised normalised;
	int first = 1, rounds = 0;
	double total_us = 0;

	if (argc > 3 && strcmp(argv[1], "-t") == 0) {
		rounds = atoi(argv[2]);
		first = 3;
	}
	if (first + 1 >= argc) {
		fprintf(stderr, "usage: texts_dump [-t ROUNDS] SELECTORS FILE...\n");
		return 2;
	}
	selectors_read(argv[first]);
	if (arena_init(&arena, normaliser_bytes(MESSAGE_BYTES_MAX) + 4096, false) != OK)
		return 1;
	struct normaliser *normaliser = normaliser_new(&arena, MESSAGE_BYTES_MAX, &counters);
	if (normaliser == NULL) {
		fprintf(stderr, "the arena is too small\n");
		return 1;
	}
	arena_seal(&arena);
	for (int i = first + 1; i < argc; i++) {
		struct bytes message = file_read(argv[i]);
		double start = now_us();

		for (int round = 0; round < (rounds > 0 ? rounds : 1); round++)
			normalise(normaliser, message, &facts, selectors, selector_count,
			          &normalised);
		total_us += now_us() - start;
		if (rounds == 0)
			dump((uint32_t)(i - first - 1), &normalised);
		free((void *)(uintptr_t)message.data);
	}
	if (rounds > 0)
		printf("%.1f us a message, %.0f octets on average, %llu messages, %.1f MB/s\n",
		       total_us / (double)counters.messages,
		       (double)counters.octets / (double)counters.messages,
		       (unsigned long long)counters.messages, (double)counters.octets / total_us);
	normaliser_close(normaliser);
	arena_free(&arena);
	for (uint32_t i = 0; i < selector_count; i++)
		free(selector_text[i]);
	return 0;
}
