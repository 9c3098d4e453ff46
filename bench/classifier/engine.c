/* engine.c - rules compiled and opened, a normaliser, and messages in memory. */
#include "bench/classifier/bench_classifier.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "classifier/memo.h"
#include "smtp/data.h"

/* The message within the wire form: dots unstuffed, without the end. */
static bool keep(struct bench_messages *messages, const struct message_file *file)
{
	struct data_unstuffing unstuffing = {0};

	if (messages->count == messages->room) {
		uint32_t room = messages->room * 2 + 256;
		struct bench_message *grown = realloc(messages->message, room * sizeof(*grown));

		if (grown == NULL)
			return false;
		messages->message = grown;
		messages->room = room;
	}

	uint8_t *content = malloc(file->wire_bytes);
	char *name = strdup(file->name);
	if (content == NULL || name == NULL) {
		free(content);
		free(name);
		return false;
	}
	size_t bytes = data_unstuff(&unstuffing, bytes_of(file->wire, file->wire_bytes - 3),
	                            content);
	messages->message[messages->count++] = (struct bench_message){name,
	                                                              bytes_of(content, bytes)};
	messages->bytes += bytes;
	return true;
}

bool bench_messages_load(struct bench_messages *messages, const struct bench_options *options,
                         const char *path)
{
	struct message_files files = {0};
	bool good = message_files_load(&files, path);

	for (size_t i = 0; i < files.count && good; i++) {
		if (files.file[i].wire_bytes > options->message_bytes_max ||
		    messages->seen++ % options->every != 0)
			continue;
		good = keep(messages, &files.file[i]);
	}
	message_files_free(&files);
	return good;
}

void bench_messages_free(struct bench_messages *messages)
{
	for (uint32_t i = 0; i < messages->count; i++) {
		free((void *)(uintptr_t)messages->message[i].content.data);
		free(messages->message[i].name);
	}
	free(messages->message);
}

static enum err compile(struct bench_engine *e, const struct bench_options *options,
                        bool no_triggers, int *out_fd)
{
	struct rule_compile_options compile_options = {.no_triggers = no_triggers};
	enum err err = OK;

	e->compiler = rule_compiler_new(&compile_options);
	if (e->compiler == NULL)
		return ERR_NO_MEMORY;
	for (uint32_t i = 0; i < options->rules_count && err == OK; i++)
		err = rule_compiler_load(e->compiler, options->rules[i]);
	return err == OK ? rule_compiler_finish(e->compiler, 1, 0, "bench", out_fd) : err;
}

static enum err open_engine(struct bench_engine *e, const struct bench_options *options, int fd,
                            char *reason)
{
	size_t bytes_max = options->message_bytes_max;
	enum err err = generation_open(&e->generation, fd);

	/* What is timed is what the gateway does; what is compared is everything. */
	struct ruleset_opening how = {.verdicts_only = !options->brute && !options->hits};
	if (err == OK)
		err = ruleset_open_with(&e->generation, &how, &e->ruleset, reason);
	if (err != OK)
		return err;
	e->context = scan_context_new(e->ruleset, &e->counters);
	e->selectors = (const struct selector *)ruleset_selectors(e->ruleset, &e->selector_count)
	                   .data;
	if (e->context == NULL ||
	    arena_init(&e->arena, normaliser_bytes(bytes_max) + 4096, false) != OK)
		return ERR_NO_MEMORY;
	if (options->memo_bytes > 0) {
		e->memo = memo_new(options->memo_bytes, &(struct hash_key){{1, 2}});
		if (e->memo == NULL)
			return ERR_NO_MEMORY;
		scan_context_set_memo(e->context, e->memo);
	}
	e->normaliser = normaliser_new(&e->arena, bytes_max, &e->mime_counters);
	return e->normaliser != NULL ? OK : ERR_NO_MEMORY;
}

/* What the next generation costs that has all patterns of this one. */
static enum err time_reopening(struct bench_engine *e, char *reason)
{
	struct ruleset_opening how = {.like = e->ruleset};
	uint64_t start_ns = clock_thread_cpu_ns();
	struct ruleset *ruleset;
	enum err err = ruleset_open_with(&e->generation, &how, &ruleset, reason);

	e->reopen_us = (clock_thread_cpu_ns() - start_ns) / 1000;
	if (err == OK)
		ruleset_close(ruleset);
	return err;
}

struct bench_engine *bench_engine_new(const struct bench_options *options, bool no_triggers)
{
	struct bench_engine *e = calloc(1, sizeof(*e));
	char reason[200] = "";
	int fd = -1;

	if (e == NULL)
		return NULL;
	uint64_t start_ns = clock_thread_cpu_ns();
	enum err err = compile(e, options, no_triggers, &fd);
	uint64_t compiled_ns = clock_thread_cpu_ns();
	if (err == OK)
		err = open_engine(e, options, fd, reason);
	e->compile_us = (compiled_ns - start_ns) / 1000;
	e->open_us = (clock_thread_cpu_ns() - compiled_ns) / 1000;
	if (err == OK)
		err = time_reopening(e, reason);
	if (err == OK)
		return e;
	fprintf(stderr, "postern-bench-classifier: the rules cannot be used: %s %s\n",
	        err_text(err), reason);
	bench_engine_free(e);
	return NULL;
}

void bench_engine_free(struct bench_engine *engine)
{
	if (engine == NULL)
		return;
	if (engine->normaliser != NULL)
		normaliser_close(engine->normaliser);
	scan_context_free(engine->context);
	memo_free(engine->memo);
	ruleset_close(engine->ruleset);
	if (engine->generation.memory != NULL)
		generation_close(&engine->generation);
	if (engine->arena.memory != NULL)
		arena_free(&engine->arena);
	rule_compiler_free(engine->compiler);
	free(engine);
}

void bench_normalise(struct bench_engine *engine, struct bytes message, struct normalised *out)
{
	struct message_facts facts;

	memset(&facts, 0, sizeof(facts));
	facts.trust = ruleset_relay_trust(engine->ruleset);
	facts.redirects = scan_context_redirects(engine->context);
	normalise(engine->normaliser, message, &facts, engine->selectors, engine->selector_count,
	          out);
}
