/* ruleset_blob.h - the layout of a rule generation's sections, shared by its writer and its reader.
 *
 * Offsets only, no pointers; host byte order (a generation never leaves its machine). Every text is
 * an offset into BLOB_TEXTS, NUL-terminated there; patterns travel as text because JIT code cannot.
 */
#ifndef CLASSIFIER_RULESET_BLOB_H
#define CLASSIFIER_RULESET_BLOB_H

#include <assert.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/texts.h"

#define RULESET_BLOB_VERSION 14u
#define RULESET_RULES_MAX    65535u /* struct event_rule carries 16 bits */
#define META_DEPTH_MAX       128u
#define GATE_WORDS_MAX       64u

enum blob_section {
	BLOB_HEAD = 1,
	BLOB_TEXTS,
	BLOB_RULES,
	BLOB_SELECTORS,
	BLOB_META_CODE,
	BLOB_META_NUMBERS,
	BLOB_META_ORDER, /* rule indices: every meta after those it names */
	BLOB_EVALS,      /* struct blob_eval (eval_blob.h), by rule */
	BLOB_EVAL_ARGUMENTS,
	BLOB_EVAL_SELECTORS, /* uint32_t: header selectors of the calls */
	BLOB_EVAL_TEXTS,
	BLOB_LISTS, /* struct blob_list: enum eval_list, then named ones */
	BLOB_LIST_ENTRIES,
	BLOB_SETTINGS, /* double by enum eval_setting */
	BLOB_KIND_FIRST = 16,
	BLOB_DOMAINS = 128, /* struct blob_domain, in the order of blob_name_compare() */
	BLOB_POLICIES,      /* struct blob_policy; the first has number 1 */
	BLOB_OVERRIDES      /* struct blob_override, in the order of rules within a policy */
};

/* Rules scanned for together: those of one text kind, headers cut in four, so that long texts
 * which few rules look at are not searched for what the others want. */
enum scan_group {
	GROUP_FIELDS = TEXT_HEADER, /* the first ones are text kinds; single header fields */
	GROUP_WHOLE_HEADER,         /* ALL */
	GROUP_TRACE,                /* Received and the relays read from it */
	GROUP_OTHER_HEADER,         /* ALL as it came, and parts of it: as long, seldom asked for */
	GROUP_COUNT
};

static inline enum text_kind group_text(uint32_t group)
{
	return group < TEXT_HEADER ? (enum text_kind)group : TEXT_HEADER;
}

enum blob_kind_section { /* BLOB_KIND_FIRST + group * BLOB_KIND_SECTIONS + one of these */
	                 BLOB_LITERAL_DB, /* a serialised Hyperscan database; absent when there is
	                                     no literal */
	                 BLOB_LITERAL_START, /* per literal: first index into LITERAL_RULES; one
	                                        more at the end */
	                 BLOB_LITERAL_RULES, /* struct blob_literal_rule */
	                 BLOB_FLANKS,        /* struct blob_flank, one after the other */
	                 BLOB_GATE,          /* struct blob_gate and its tables */
	                 BLOB_GATE_RULES,    /* struct blob_gate_rule */
	                 BLOB_SEGMENTS,      /* header selectors to scan for the above */
	                 BLOB_RESIDUAL,      /* rule indices run on every segment */
	                 BLOB_PLAINS,        /* struct blob_plain */
	                 BLOB_PLAIN_OCTETS,  /* struct blob_octets */
	                 BLOB_KIND_SECTIONS
};

#define BLOB_SECTION(group, part) \
	((uint32_t)BLOB_KIND_FIRST + (uint32_t)(group)*BLOB_KIND_SECTIONS + (uint32_t)(part))

enum blob_rule_kind {
	BLOB_RULE_OFF,     /* known by name; value 0 */
	BLOB_RULE_UNKNOWN, /* its test is not supported: nobody knows */
	BLOB_RULE_PATTERN, /* on `text_kind` */
	BLOB_RULE_EXISTS,
	BLOB_RULE_META,
	BLOB_RULE_EVAL, /* a function of eval.def; its pattern argument is the rule's pattern */
	BLOB_RULE_KIND_COUNT
};

enum blob_rule_flag {
	BLOB_FLAG_MULTIPLE = 1,
	BLOB_FLAG_NOSUBJECT = 2,
	BLOB_FLAG_NEGATED = 4,
	BLOB_FLAG_IF_UNSET = 8,
	BLOB_FLAG_SILENT = 16 /* a subtest: hits but is neither scored nor listed */
};

struct blob_head {
	uint32_t version;
	uint32_t rule_count, selector_count;
	uint32_t score_column;
	uint64_t cpu_features; /* Hyperscan's, of the processor the databases are for */
	char hyperscan[48];    /* its version text, NUL-terminated */
};

struct blob_rule {
	uint32_t name, description; /* offsets into BLOB_TEXTS */
	uint32_t pattern, pattern_bytes;
	uint32_t if_unset, if_unset_bytes;
	uint32_t code, code_count; /* metas: words of BLOB_META_CODE */
	int32_t score_e4;          /* 1/10,000 point */
	uint16_t selector;
	uint16_t maxhits; /* 0: no limit */
	uint8_t kind;     /* enum blob_rule_kind */
	uint8_t text_kind;
	uint8_t flags;
	uint8_t unused[5];
};

static_assert(sizeof(struct blob_rule) == 48, "fixed layout");
static_assert(sizeof(struct blob_head) == 72, "fixed layout");

/* What the two octets on one side of a string can be, the nearer one first: a bit for each by its
 * low six bits. */
struct blob_near {
	uint64_t octet[2];
};

/* A rule whose matches contain a string: how many octets stand between the beginning of the match
 * and the end of the string, the string included. */
struct blob_literal_rule {
	uint32_t rule;
	uint32_t before, after; /* offsets into BLOB_FLANKS; FLANK_NONE: anything may stand there */
	uint16_t before_state, after_state; /* where those walks begin */
	uint16_t reach_min;
	uint16_t reach_max; /* REACH_ENDLESS: no bound */
	uint8_t short_runs; /* 1: that bound needs a text without a longer LETTER_RUN_MAX */
	uint8_t need;       /* such strings (of the rule's) that a match holds at least */
	uint8_t bytes;      /* of the string */
	uint8_t flags;      /* the rule's, */
	uint16_t selector;  /* and its selector */
	uint8_t start;      /* enum blob_start */
	uint8_t strings;    /* `need` before anybody looks what stands beside them */
	uint8_t unused[4];
	struct blob_near before_octets, after_octets;
};

enum blob_start { /* where matches may begin */
	          BLOB_START_ANYWHERE,
	          BLOB_START_LINE, /* of a line */
	          BLOB_START_TEXT, /* of the segment */
	          BLOB_START_COUNT
};

/* What can stand beside a string within a match: an automaton whose states say how the match may go
 * on. A superset of what matches. */
struct blob_flank {
	uint16_t class_count, state_count;
	uint8_t class_of[256];
	uint16_t next[]; /* by state and class */
};

#define FLANK_DEAD  0u      /* no match goes on so */
#define FLANK_OPEN  1u      /* nobody knows */
#define FLANK_ENDS  0x8000u /* set in states in which a match may end (before a string: begin) */
#define FLANK_STATE 0x7fffu
#define FLANK_NONE  UINT32_MAX

#define FLANK_ALIGN 4u
/* Octets of one with that many cells in `next`. */
#define FLANK_BYTES(cells) \
	((sizeof(struct blob_flank) + (size_t)(cells) * sizeof(uint16_t) + FLANK_ALIGN - 1) & \
	 ~(size_t)(FLANK_ALIGN - 1))

#define LITERAL_NEED_MAX 4
#define LETTER_RUN_MAX   2 /* the same letter in a row, as in ordinary words */

#define REACH_ENDLESS UINT16_MAX
static_assert(sizeof(struct blob_literal_rule) == 64, "fixed layout");

struct blob_octets {
	uint64_t bit[4];
};

#define PLAIN_ALTERNATIVES_MAX 27

/* A pattern that is a choice of strings of octet classes, or asks for a long line: PCRE2 is not
 * asked. */
struct blob_plain {
	uint32_t rule;
	uint32_t start; /* of BLOB_PLAIN_OCTETS: the classes of its strings, one after the other */
	struct blob_octets first; /* what a match begins with; of a line, what it is made of */
	int16_t lone;             /* the only octet in `first`; -1: it has several */
	uint16_t line_octets; /* so many from the beginning of a line; 0: strings are looked for */
	uint8_t count;
	uint8_t bytes[PLAIN_ALTERNATIVES_MAX]; /* of each string */
};

static_assert(sizeof(struct blob_plain) == 72 && sizeof(struct blob_octets) == 32, "fixed layout");

/* The gate: a bit-parallel automaton over octet classes, one window of bits per rule, no window
 * across words. state' = ((state << 1 | begin) & step[octet]) | (state & stay[octet]); a rule's
 * pattern cannot match a segment in which its `final` bit never rises. Tables follow the head:
 * begin[words], final[words], step[256][words], stay[256][words]. */
struct blob_gate {
	uint32_t words;      /* a multiple of 4, so that vectors need no tail */
	uint32_t unused[15]; /* no row of four words lies across two cache lines */
	uint64_t table[];
};

/* A rule's window, in the order of their bits: how many octets stand in a match up to the one that
 * raises the bit, that one included. */
struct blob_gate_rule {
	uint32_t bit;
	uint32_t rule;
	uint16_t reach_min;
	uint16_t reach_max; /* REACH_ENDLESS: no bound */
	uint16_t selector;  /* the rule's, */
	uint8_t flags;      /* and its flags */
	uint8_t unused;
};

static_assert(sizeof(struct blob_gate_rule) == 16, "fixed layout");

struct blob_domain {
	uint32_t name; /* lower case */
	uint16_t name_bytes;
	uint16_t policy;
};

struct blob_policy {
	int32_t tag_milli, reject_milli; /* POLICY_POINTS_UNSET: as configured for all */
	uint32_t override_start, override_count;
};

struct blob_override {
	uint32_t rule;
	int32_t score_e4;
};

static_assert(sizeof(struct blob_domain) == 8 && sizeof(struct blob_policy) == 16 &&
                  sizeof(struct blob_override) == 8,
              "fixed layout");

/* Shorter names first. */
static inline int blob_name_compare(struct bytes a, struct bytes b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len == 0 ? 0 : memcmp(a.data, b.data, a.len);
}

enum meta_op {              /* low octet of a code word; the operand is above it */
	       META_NUMBER, /* operand: index into BLOB_META_NUMBERS */
	       META_RULE,   /* operand: rule index */
	       META_NOT,
	       META_NEGATE,
	       META_ADD,
	       META_SUB,
	       META_MUL,
	       META_DIV,
	       META_LT,
	       META_LE,
	       META_GT,
	       META_GE,
	       META_EQ,
	       META_NE,
	       META_XOR,
	       META_AND,
	       META_OR,
	       META_SELECT,
	       META_OP_COUNT
};

#endif
