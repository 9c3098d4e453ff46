/* rules_fixture.h - small rule texts compiled, opened and judged over texts given as strings. */
#ifndef TESTS_UNIT_CLASSIFIER_RULES_FIXTURE_H
#define TESTS_UNIT_CLASSIFIER_RULES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "classifier/rule_compile.h"
#include "classifier/scan.h"
#include "smtp/normalise.h"

#define FIXTURE_SEGMENTS 64
#define FIXTURE_BYTES    (1 << 16)
#define RULE_COLUMNS     4

struct fixture {
	struct rule_compiler *compiler;
	struct generation generation;
	struct ruleset *ruleset;
	struct scan_context *context;
	struct classifier_counters counters;
	uint8_t data[TEXT_KIND_COUNT][FIXTURE_BYTES];
	struct segment segment[TEXT_KIND_COUNT][FIXTURE_SEGMENTS];
	struct texts texts;
	struct judgement judgement;
};

/* A temporary file with `text`; the path is the caller's to unlink. */
static inline void fixture_file(const char *text, char path[32])
{
	memcpy(path, "/tmp/postern-XXXXXX", sizeof("/tmp/postern-XXXXXX"));
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Compiles `rules`; the error, with the compiler kept for its reports. */
static inline enum err fixture_compile(struct fixture *f, const char *rules,
                                       const struct rule_compile_options *options, int *out_fd)
{
	char path[32];

	memset(f, 0, sizeof(*f));
	fixture_file(rules, path);
	f->compiler = rule_compiler_new(options);
	assert_non_null(f->compiler);
	assert_int_equal(rule_compiler_load(f->compiler, path), OK);
	enum err err = rule_compiler_finish(f->compiler, 7, 1000, "test", out_fd);
	unlink(path);
	return err;
}

static inline void fixture_empty_texts(struct fixture *f)
{
	for (int kind = 0; kind < TEXT_KIND_COUNT; kind++)
		f->texts.kind[kind] = (struct text){f->data[kind], 0, 0, f->segment[kind]};

	uint32_t selectors;
	(void)ruleset_selectors(f->ruleset, &selectors);
	assert_true(selectors <= FIXTURE_SEGMENTS);
	f->texts.kind[TEXT_HEADER].segment_count = selectors;
	for (uint32_t i = 0; i < selectors; i++)
		f->segment[TEXT_HEADER][i] = (struct segment){SEGMENT_ABSENT, 0};
}

static inline void fixture_open(struct fixture *f, const char *rules,
                                const struct rule_compile_options *options)
{
	char reason[200];
	int fd = -1;

	assert_int_equal(fixture_compile(f, rules, options, &fd), OK);
	assert_int_equal(generation_open(&f->generation, fd), OK);
	assert_int_equal(ruleset_open(&f->generation, &f->ruleset, reason), OK);
	f->context = scan_context_new(f->ruleset, &f->counters);
	assert_non_null(f->context);
	fixture_empty_texts(f);
}

/* Opens the same rules anew, as the gateway does: what no verdict needs stays unknown. */
static inline void fixture_only_verdicts(struct fixture *f)
{
	const struct ruleset_opening how = {.verdicts_only = true};
	char reason[200];

	scan_context_free(f->context);
	ruleset_close(f->ruleset);
	assert_int_equal(ruleset_open_with(&f->generation, &how, &f->ruleset, reason), OK);
	f->context = scan_context_new(f->ruleset, &f->counters);
	assert_non_null(f->context);
}

static inline struct fixture *fixture_new(const char *rules)
{
	struct fixture *f = malloc(sizeof(*f));

	assert_non_null(f);
	fixture_open(f, rules, &(struct rule_compile_options){.score_column = 0});
	return f;
}

static inline void fixture_close(struct fixture *f)
{
	scan_context_free(f->context);
	ruleset_close(f->ruleset);
	if (f->generation.memory != NULL)
		generation_close(&f->generation);
	rule_compiler_free(f->compiler);
}

static inline void fixture_free(struct fixture *f)
{
	fixture_close(f);
	free(f);
}

static inline void fixture_append(struct fixture *f, enum text_kind kind, struct segment *segment,
                                  const void *data, size_t bytes)
{
	struct text *text = &f->texts.kind[kind];

	assert_true(text->bytes + bytes + 1 <= FIXTURE_BYTES);
	*segment = (struct segment){text->bytes, (uint32_t)bytes};
	memcpy(f->data[kind] + text->bytes, data, bytes);
	text->bytes += (uint32_t)bytes;
	/* A line end between segments, as in the prototype of a text. */
	f->data[kind][text->bytes++] = '\n';
}

static inline void fixture_add(struct fixture *f, enum text_kind kind, const char *data)
{
	struct text *text = &f->texts.kind[kind];

	assert_true(text->segment_count < FIXTURE_SEGMENTS);
	fixture_append(f, kind, &f->segment[kind][text->segment_count++], data, strlen(data));
}

static inline void fixture_header(struct fixture *f, const char *selector, const char *value)
{
	struct selector wanted;
	uint32_t count;
	const struct selector *all = (const struct selector *)ruleset_selectors(f->ruleset, &count)
	                                 .data;

	memset(&wanted, 0, sizeof(wanted));
	assert_true(selector_parse(bytes_text(selector), &wanted));
	for (uint32_t i = 0; i < count; i++)
		if (memcmp(&all[i], &wanted, sizeof(wanted)) == 0) {
			fixture_append(f, TEXT_HEADER, &f->segment[TEXT_HEADER][i], value,
			               strlen(value));
			return;
		}
	fail_msg("no rule has the selector %s", selector);
}

static inline uint64_t fixture_no_time(void)
{
	return 0;
}

static inline void fixture_judge(struct fixture *f)
{
	classifier_judge(f->context, &f->texts, 1000000, fixture_no_time, &f->judgement);
}

static inline uint32_t fixture_rule(const struct fixture *f, const char *name)
{
	for (uint32_t i = 0; i < ruleset_rule_count(f->ruleset); i++)
		if (strcmp(ruleset_rule_name(f->ruleset, i), name) == 0)
			return i;
	fail_msg("no rule %s", name);
	return 0;
}

/* What the rule was worth in the last judgement; -1 when nobody knows. */
static inline double fixture_value(const struct fixture *f, const char *name)
{
	struct value v = f->context->value[fixture_rule(f, name)];

	return v.lo == v.hi ? v.lo : -1;
}

static inline void fixture_same_judgement(const struct judgement *a, const struct judgement *b)
{
	assert_int_equal(a->score_milli, b->score_milli);
	assert_int_equal(a->hit_count, b->hit_count);
	assert_memory_equal(a->hit, b->hit, a->hit_count * sizeof(a->hit[0]));
	assert_int_equal(a->incomplete, b->incomplete);
}

static inline const struct rule_report *fixture_report(const struct fixture *f,
                                                       const char *construct)
{
	uint32_t count;
	const struct rule_report *report = rule_compiler_reports(f->compiler, &count);

	for (uint32_t i = 0; i < count; i++)
		if (strcmp(report[i].construct, construct) == 0)
			return &report[i];
	return NULL;
}

#endif
