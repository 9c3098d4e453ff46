/* rule_compile.h - write side: SpamAssassin rule files to a rule generation (management and tools
 * only). */
#ifndef CLASSIFIER_RULE_COMPILE_H
#define CLASSIFIER_RULE_COMPILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/generation.h"
#include "base/hash.h"

struct rule_compiler;

struct rule_compile_options {
	const char *cache_folder;  /* NULL: none */
	uint32_t score_column;     /* 0: no net, no Bayes */
	enum generation_kind kind; /* GENERATION_RULES, or GENERATION_SHADOW */
	bool no_triggers;          /* every rule runs on every segment: slow, to compare with */
};

struct rule_report { /* one construct that is not supported, or a fault of a file */
	const char *file;
	uint32_t line;
	uint32_t count; /* of the same kind */
	bool fault;     /* what is written is wrong; otherwise it asks for what is not supported */
	bool refuses;   /* a fault for which nothing is compiled; else what it is in is left out */
	const char *construct; /* "eval:check_rbl", "plugin directive uridnssub", "bad regex" */
	const char *rule;      /* name of the first rule affected, or "" */
	const char *text;      /* what is wrong and what to do */
};

struct rule_compiler *rule_compiler_new(const struct rule_compile_options *options);
void rule_compiler_free(struct rule_compiler *compiler);
/* Reads a .cf file, or every *.cf (then *.pre first) of a folder in the order SpamAssassin reads
 * them. */
MUST_CHECK enum err rule_compiler_load(struct rule_compiler *compiler, const char *path);
/* Reads rules from a text, before any file; `name` stands for the file in reports. */
void rule_compiler_add_text(struct rule_compiler *compiler, const char *name, const char *text);
/* What recipients of `domain` want: limits in 1/1000 points, POLICY_POINTS_UNSET where they want
 * what all want, and points of rules, "RULE=1.5 OTHER=0". A rule that is not there, or whose points
 * never count, is reported. */
void rule_compiler_add_domain(struct rule_compiler *compiler, const char *domain, int32_t tag_milli,
                              int32_t reject_milli, const char *scores);
/* Of everything loaded and all else the result depends on, this program and its libraries included:
 * what compiles to other sections has another key. False when it cannot be known. Before
 * rule_compiler_finish. */
bool rule_compiler_key(const struct rule_compiler *compiler, struct hash128 *out_key);
/* Compiles everything loaded and seals a generation. The descriptor is the caller's. ERR_SYNTAX
 * when a report refuses them, or when faults leave no rule. */
MUST_CHECK enum err rule_compiler_finish(struct rule_compiler *compiler, uint64_t number,
                                         uint64_t made_wall_us, const char *label, int *out_fd);
/* What could not be supported or was wrong; valid until free. */
const struct rule_report *rule_compiler_reports(const struct rule_compiler *compiler,
                                                uint32_t *out_count);
/* One screen for people: rules by type, how they were placed, what is left out. */
void rule_compiler_print_summary(const struct rule_compiler *compiler, FILE *out);

#endif
