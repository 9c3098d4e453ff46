/* rule_read.h - reads SpamAssassin's rule language (.cf, .pre) as SpamAssassin 4.0.1 does; write
 * side only.
 *
 * The result is a table of rules as defined by their last definition, patterns in SpamAssassin's
 * own final form (delimiters off, modifiers in front, tags replaced), and a list of what was not
 * understood.
 */
#ifndef CLASSIFIER_RULE_READ_H
#define CLASSIFIER_RULE_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/texts.h"
#include "classifier/eval_blob.h"
#include "classifier/rule_compile.h"
#include "classifier/rule_pool.h"

enum rule_type {
	RULE_NONE, /* scored or described, never defined */
	RULE_BODY,
	RULE_RAWBODY,
	RULE_URI,
	RULE_FULL,
	RULE_HEADER,
	RULE_EXISTS,
	RULE_META,
	RULE_EMPTY, /* declared without a test: never hits by itself */
	RULE_EVAL,
	RULE_MIMEHEADER,
	RULE_URI_DETAIL,
	RULE_TYPE_COUNT
};

enum rule_tflag {
	TFLAG_MULTIPLE = 1,
	TFLAG_NICE = 2,
	TFLAG_NET = 4,
	TFLAG_NOSUBJECT = 8,
	TFLAG_LEARN = 16,
	TFLAG_CONCAT = 32,
	TFLAG_DOMAINS_ONLY = 64,
	TFLAG_IPS_ONLY = 128,
	TFLAG_NOTRIM = 256,
	TFLAG_A = 512,
	TFLAG_NS = 1024
};

#define RULE_SCORES 4

struct rule_condition { /* of a uri_detail rule */
	char *pattern;  /* NULL: there is none */
	bool negated;
};

struct rule_text {
	char *name;
	enum rule_type type;
	char *pattern;                                 /* regex rules */
	char *selector;                                /* header rules, as written */
	char *if_unset;                                /* NULL: none */
	char *expr;                                    /* meta expression, or the eval call */
	struct rule_condition detail[URI_DETAIL_KEYS]; /* of all uri_detail lines of the name */
	enum rule_type called_as; /* the type of the line that has the eval call */
	char *describe;
	bool negated, replace;
	bool rbl; /* an eval that asks DNS lists */
	bool scored;
	double score[RULE_SCORES];
	uint32_t tflags; /* enum rule_tflag */
	uint32_t maxhits;
	uint32_t range_min, range_max; /* of parts; 0: from the first, to the last */
	int32_t priority;
	const char *file; /* of the last definition */
	uint32_t line;
	uint32_t next_in_bucket; /* 1 + index; 0 ends */
};

#define RULE_BUCKETS 8192

struct named_text {
	char *name, *text;
};

struct named_texts {
	struct named_text *item;
	uint32_t count, room;
};

struct list_entry {
	char *text;   /* lower case */
	char *second; /* a relay, "!" of an exception, else "" */
};

struct named_list {
	char *name; /* "" of the fixed ones; '@' stands in front of a name of URI hosts */
	struct list_entry *entry;
	uint32_t count, room;
	bool is_ordered; /* entries stay in the order of the files */
};

struct rule_reader {
	struct rule_pool pool;
	struct rule_text *rule;
	uint32_t rule_count, rule_room;
	uint32_t bucket[RULE_BUCKETS]; /* 1 + index */
	struct named_texts replace_tag, replace_pre, replace_inter, replace_post;
	char *replace_start, *replace_end;
	struct named_texts plugin;   /* text: "1" loaded, "" not */
	struct named_texts uri_zone; /* by rule: the line of urirhssub and its kin (rule_net.c) */
	struct named_list *list;     /* the first EVAL_LIST_FIXED are enum eval_list */
	uint32_t list_count, list_room;
	double setting[EVAL_SETTING_COUNT];
	struct rule_report *report;
	uint32_t report_count, report_room;
	uint32_t file_count;
	struct hash128 sum; /* of the names and texts of all that was read, in order */
	uint32_t score_column;
	const char *file; /* being read */
	uint32_t line;
};

void rule_reader_init(struct rule_reader *reader, uint32_t score_column);
void rule_reader_free(struct rule_reader *reader);
/* A file, or a folder's *.pre then *.cf in byte order of their names. */
MUST_CHECK enum err rule_reader_load(struct rule_reader *reader, const char *path);
/* The same for a text in memory; `name` is used in reports. */
void rule_reader_text(struct rule_reader *reader, const char *name, struct bytes text);
/* Counts a text among what was read: the result depends on it. */
void rule_reader_sum(struct rule_reader *reader, struct bytes text);
/* After the last file: replaces tags, sets default scores. */
void rule_reader_finish(struct rule_reader *reader);

/* The text that rules of this type look at. */
enum text_kind rule_text_kind(enum rule_type type);
struct rule_text *rule_reader_find(const struct rule_reader *reader, struct bytes name);
/* Counts an occurrence of `construct`; reports of the same construct are merged unless they are
 * faults. */
void rule_reader_report(struct rule_reader *reader, bool fault, const char *construct,
                        const char *rule, const char *text);
/* A fault for which the whole set is refused. */
void rule_reader_refuse(struct rule_reader *reader, const char *construct, const char *text);

/* rule_condition.c: the truth of an `if` condition; ERR_SYNTAX when it cannot be read. */
MUST_CHECK enum err rule_condition(struct rule_reader *reader, struct bytes text, bool *out_true);
void rule_condition_plugins(struct rule_reader *reader);
void rule_condition_load_plugin(struct rule_reader *reader, struct bytes name);

/* rule_replace.c: ReplaceTags over one pattern; returns pool memory, or `pattern` itself. */
char *rule_replace(struct rule_reader *reader, char *pattern);

/* rule_detail.c: takes the conditions in `text` into the rule; earlier ones about the same stay
 * when none of these replaces them. False, with the fault in `out_why`: it is no list of them. */
bool rule_detail_read(struct rule_reader *reader, struct rule_text *rule, struct bytes text,
                      const char **out_why);

/* rule_directive.c: lists and settings of the eval functions. */
void rule_directive_init(struct rule_reader *reader);
/* Obeys a line that is no rule and no attribute of one. False: nobody knows the directive. */
bool rule_directive(struct rule_reader *reader, const char *key, struct bytes value);
/* rule_net.c: lists of URI hosts in the DNS. False: the key is none of theirs. */
bool rule_net_directive(struct rule_reader *reader, const char *key, struct bytes value);

/* The index of a named list; UINT32_MAX when there is none. */
uint32_t rule_directive_list(const struct rule_reader *reader, const char *name);

const char *named_texts_find(const struct named_texts *texts, struct bytes name);
void named_texts_set(struct rule_pool *pool, struct named_texts *texts, struct bytes name,
                     struct bytes text);

/* Next word of `text` (blanks are space and tab); advances it. Empty at the end. */
struct bytes rule_word(struct bytes *text);

#endif
