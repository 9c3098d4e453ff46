/* bench_classifier.h - rules and a normaliser ready to judge, messages in memory, and what is done
 * with them. */
#ifndef BENCH_CLASSIFIER_BENCH_CLASSIFIER_H
#define BENCH_CLASSIFIER_BENCH_CLASSIFIER_H

#include <stdbool.h>

#include "base/arena.h"
#include "bench/common/message_file.h"
#include "classifier/rule_compile.h"
#include "classifier/scan.h"
#include "smtp/normalise.h"

#define BENCH_RULES_MAX 16

struct bench_options {
	const char *rules[BENCH_RULES_MAX];
	uint32_t rules_count;
	uint32_t rounds, every, message_bytes_max, top;
	bool brute, hits, memory, turns;
	uint32_t memo_bytes; /* what rules found in texts is kept there; 0: nowhere */
};

struct bench_message {
	char *name;
	struct bytes content; /* as on the wire, dots unstuffed */
};

struct bench_messages {
	struct bench_message *message;
	uint32_t count, room;
	uint32_t seen; /* of all files, those left out included */
	uint64_t bytes;
};

/* Says on stderr what went wrong and returns false. */
bool bench_messages_load(struct bench_messages *messages, const struct bench_options *options,
                         const char *path);
void bench_messages_free(struct bench_messages *messages);

struct bench_engine {
	struct rule_compiler *compiler;
	struct generation generation;
	struct ruleset *ruleset;
	struct scan_context *context;
	struct memo *memo; /* NULL: none */
	struct classifier_counters counters;
	struct mime_counters mime_counters;
	struct arena arena;
	struct normaliser *normaliser;
	const struct selector *selectors;
	uint32_t selector_count;
	uint64_t compile_us, open_us, reopen_us; /* reopen: with the patterns of one that is open */
};

/* `no_triggers`: every rule runs on every segment. NULL, with a word on stderr, when the rules
 * cannot be used. */
struct bench_engine *bench_engine_new(const struct bench_options *options, bool no_triggers);
void bench_engine_free(struct bench_engine *engine);
void bench_normalise(struct bench_engine *engine, struct bytes message, struct normalised *out);

bool bench_measure(struct bench_engine *engine, const struct bench_options *options,
                   const struct bench_messages *messages);
/* What judging messages of several sizes touches of a worker's scratch, and what a message under
 * way holds. */
bool bench_measure_memory(struct bench_engine *engine, const struct bench_options *options,
                          const struct bench_messages *messages);
/* One line a message: its name, its points and what every rule is worth that is worth something:
 * what one build says is compared with what another says. */
void bench_print_hits(struct bench_engine *engine, const struct bench_messages *messages);
/* Whether every rule hits as often with triggers as without. */
bool bench_compare(struct bench_engine *engine, const struct bench_options *options,
                   const struct bench_messages *messages);

#endif
