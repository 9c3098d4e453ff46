/* ruleset.h - a rule generation opened for reading: what the scan, the score and nobody else look
 * at. */
#ifndef CLASSIFIER_RULESET_H
#define CLASSIFIER_RULESET_H

#include "base/relay_trust.h"
#include "classifier/classifier.h"
#include "classifier/eval_blob.h"
#include "classifier/gate.h"
#include "classifier/ruleset_blob.h"

struct hs_database;
struct pattern;
struct pattern_set;
struct list_index;
struct pcre2_real_code_8;

struct ruleset_group {                /* what triggers the rules of one group */
	struct hs_database *database; /* NULL: no strings */
	const uint32_t *literal_start;
	const struct blob_literal_rule *literal_rules;
	uint32_t literal_count;
	const uint8_t *flanks; /* struct blob_flank at the offsets literal_rules has */
	uint32_t flank_bytes;
	const struct blob_gate *gate; /* NULL: none */
	const struct blob_gate_rule *gate_rules;
	uint32_t gate_rule_count;
	uint32_t gate_start[GATE_WORDS_MAX]; /* by word: the first of gate_rules in it */
	struct gate_span
	    *gate_span; /* the gate's words for each of `segments`; else one, for all */
	const struct blob_octets *plain_octets;
	const uint32_t *segments; /* headers only: which to scan */
	uint32_t segment_count;
	const uint32_t *residual;
	uint32_t residual_count;
};

struct ruleset_policies {
	const struct blob_domain *domain;
	const struct blob_policy *policy;
	const struct blob_override *override;
	uint32_t domain_count, policy_count, override_count;
};

#define EVAL_PATTERNS_MAX 128

struct ruleset_evals { /* calls of eval functions and what they look into (eval_open.c) */
	const struct blob_eval *eval;
	uint32_t count;
	const struct blob_eval_argument *argument;
	uint32_t argument_count;
	const uint32_t *selector;
	uint32_t selector_count;
	const char *texts;
	uint32_t text_bytes;
	const struct blob_list *list;
	uint32_t list_count;
	const struct blob_list_entry *entry;
	uint32_t entry_count;
	struct list_index *index; /* by list: its exact entries (eval_list.c) */
	const double *setting;    /* by enum eval_setting */
	const struct pattern *shared[EVAL_PATTERNS_MAX];      /* by enum eval_pattern */
	struct pcre2_real_code_8 *pattern[EVAL_PATTERNS_MAX]; /* their code */
	const struct pattern **detail; /* by call, URI_DETAIL_KEYS each; NULL: no condition */
	const struct pattern *redirector[REDIRECTORS_MAX];
	uint32_t redirector_count;
	bool no_jit;
	uint8_t *absent_matches; /* by eval: its pattern may match where its header is absent */
	struct relay_trust trust;
};

struct value { /* what is known of a rule's worth: somewhere in [lo, hi] */
	double lo, hi;
};

/* Made at opening (score_open.c): what rules are worth where nothing is found, and which metas to
 * look at when one of them is worth something else. */
struct ruleset_scoring {
	struct value *idle;   /* by rule */
	uint64_t *idle_hits;  /* bits by rule: those that hit then and are listed */
	uint32_t idle_open;   /* metas that are undecided then */
	uint32_t *user_start; /* by rule: first of its users; one more at the end */
	uint32_t *user;       /* metas that name the rule, by their place in the order */
	uint64_t *needed;     /* bits by rule: it is listed, or a rule that is needed names it */
	uint64_t *idle_known; /* bits by rule: it is worth 0; as many behind them: it is not */
	uint64_t *deferred;   /* bits by rule: it waits until a meta asks for it */
};

#define META_GUARDS_MAX 7

/* Each of which a meta is worth nothing in: places in what is known of rules, see `idle_known`. */
struct meta_guards {
	uint32_t count;
	uint32_t state[META_GUARDS_MAX];
};

struct ruleset_exists {
	uint32_t rule, selector;
};

struct ruleset {
	const struct generation *generation;
	const struct blob_head *head;
	const char *texts;
	size_t texts_bytes;
	const struct blob_rule *rule;
	uint32_t rule_count;
	struct bytes selectors;
	const uint32_t *code;
	uint32_t code_count;
	const double *number;
	uint32_t number_count;
	const uint32_t *order;
	uint32_t order_count;
	struct ruleset_group group[GROUP_COUNT];
	struct ruleset_exists *exists; /* rules that ask whether a header is there */
	uint32_t exists_count;
	struct ruleset_policies policies;
	struct ruleset_evals evals;
	struct ruleset_scoring scoring;
	struct meta_guards *guards;      /* by a meta's place in the order */
	const struct blob_plain **plain; /* by rule; NULL when PCRE2 must decide */
	struct pattern_set *patterns;
	const struct pattern **shared;      /* by rule: what of `patterns` it has; NULL: none */
	struct pcre2_real_code_8 **pattern; /* their code */
	bool jit;                           /* every pattern is machine code */
	bool verdicts_only;                 /* what nothing listed hangs on need not be known */
};

static inline struct bytes ruleset_if_unset(const struct ruleset *ruleset,
                                            const struct blob_rule *rule)
{
	return bytes_of(ruleset->texts + rule->if_unset, rule->if_unset_bytes);
}

/* Of as many rules: words of a bit for each. */
static inline uint32_t ruleset_words(const struct ruleset *ruleset)
{
	return ruleset->rule_count / 64 + 1;
}

/* The place among what is known of rules that says of one that it is not 0; that of 0 is its own
 * number. */
static inline uint32_t known_not_zero_at(const struct ruleset *ruleset, uint32_t rule)
{
	return ruleset_words(ruleset) * 64 + rule;
}

static inline bool known_has(const uint64_t *known, uint32_t at)
{
	return (known[at / 64] >> at % 64 & 1) != 0;
}

/* score_open.c */
MUST_CHECK enum err scoring_open(struct ruleset *ruleset);
void scoring_close(struct ruleset *ruleset);
/* Whether the rule's worth can change what is listed. */
bool scoring_needs(const struct ruleset *ruleset, uint32_t rule);

/* eval_list.c: makes what lists are looked into by. */
MUST_CHECK enum err eval_lists_open(struct ruleset *ruleset);
void eval_lists_close(struct ruleset *ruleset);

/* score_guard.c */
MUST_CHECK enum err guards_open(struct ruleset *ruleset);
void guards_close(struct ruleset *ruleset);

/* score.c: what a meta is worth from what its rules are; `stack` has META_DEPTH_MAX of room. */
struct value meta_value(const struct ruleset *ruleset, const struct blob_rule *meta,
                        const struct value *value, struct value *stack);

/* Whether a worth is 0, is not, or may be either. */
enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_OPEN };

static inline enum truth value_truth(struct value v)
{
	if (v.lo == v.hi)
		return v.lo != 0 ? TRUTH_TRUE : TRUTH_FALSE;
	return v.lo > 0 || v.hi < 0 ? TRUTH_TRUE : TRUTH_OPEN;
}

/* Notes what a worth says about a rule. */
static inline void known_set(uint64_t *known, const struct ruleset *ruleset, uint32_t rule,
                             struct value v)
{
	uint64_t *zero = &known[rule / 64], *not_zero = zero + ruleset_words(ruleset);
	uint64_t bit = (uint64_t)1 << rule % 64;
	enum truth t = value_truth(v);

	*zero = t == TRUTH_FALSE ? *zero | bit : *zero & ~bit;
	*not_zero = t == TRUTH_TRUE ? *not_zero | bit : *not_zero & ~bit;
}

/* policy.c */
bool policies_are_sound(const struct ruleset *ruleset);
/* Points of a rule under a policy. */
int32_t policy_score_e4(const struct ruleset *ruleset, uint32_t policy, uint32_t rule);

#endif
