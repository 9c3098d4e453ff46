/* scan.h - runs the patterns of a ruleset over the prepared texts; counts hits a rule. */
#ifndef CLASSIFIER_SCAN_H
#define CLASSIFIER_SCAN_H

#include "classifier/gate.h"
#include "classifier/ruleset.h"

struct hs_scratch;
struct memo;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;

struct rule_state {
	uint32_t count;              /* hits */
	uint32_t last_segment;       /* 1 + the segment whose `spans` it has */
	uint32_t held_segment, held; /* strings found there: 1 + segment, how many */
	uint32_t seen_segment, seen; /* the same before anybody looked what stands beside them */
	uint32_t deferred;           /* 1 + its place among those that wait; 0: it does not */
	bool not_run;                /* a budget or a limit kept it from being settled */
	bool unanswered;             /* the network has not said, and might have */
};

/* Where time goes, for benches: NULL in a worker. Stages are disjoint; a confirmation is charged to
 * the stage that triggered it, apart from the stage's own scan. */
enum scan_stage {
	STAGE_NONE,
	STAGE_LITERAL,
	STAGE_GATE,
	STAGE_RESIDUAL,
	STAGE_TRIGGERED, /* looking for what strings triggered */
	STAGE_DEFERRED,  /* looking for what metas asked for in the end */
	STAGE_MEMO,      /* looking for what was found before, and keeping it */
	STAGE_COUNT
};

struct scan_profile {
	uint64_t (*now)(void);
	struct {
		uint64_t scan, confirm; /* in units of `now` */
	} stage[TEXT_KIND_COUNT][STAGE_COUNT];
	struct {
		uint64_t time;
		uint32_t confirms, hits;
	} * rule; /* by rule; NULL: not wanted */
	uint64_t
	    evals; /* all calls of eval functions, in units of `now`; each in rule[].time too */
	enum scan_stage current;
	uint64_t since, confirm_since;
};

struct held { /* where matches may begin, while a rule waits for more of its strings */
	uint32_t from[LITERAL_NEED_MAX], to[LITERAL_NEED_MAX];
};

struct seen { /* strings that nobody looked beside while there were too few of them */
	uint32_t literal[LITERAL_NEED_MAX], end[LITERAL_NEED_MAX];
};

#define SPANS_MAX 4

struct spans { /* where matches of a rule may begin in the segment in hand; apart */
	uint32_t count;
	uint32_t from[SPANS_MAX], to[SPANS_MAX];
};

enum scan_phase { /* of judging a message */
	          PHASE_TEXTS,
	          PHASE_EVALS,
	          PHASE_DEFERRED,
	          PHASE_DONE
};

struct eval_state;
struct deferred; /* scan_deferred.c */

struct scan_context {
	const struct ruleset *ruleset;
	struct classifier_counters *counters;
	struct hs_scratch *scratch;
	struct pcre2_real_match_data_8 *match;
	struct pcre2_real_match_context_8 *match_context;
	struct pcre2_real_jit_stack_8 *jit_stack;
	struct rule_state *state; /* by rule */
	uint64_t *touched;        /* bits by rule: those whose state is not as at the beginning */
	struct value *value;      /* by rule; of score.c */
	uint64_t *changed;        /* bits by rule: those worth something else than idle */
	uint32_t rules_not_run, rules_unanswered; /* so far */
	struct deferred *deferred;
	uint64_t *hits;  /* bits by rule */
	uint64_t *known; /* bits: what `value` says, see idle_known */
	uint64_t *dirty; /* bits by place in the order of metas: to be looked at */
	struct eval_state *eval;
	struct memo *memo; /* NULL: none */
	uint32_t memo_reader;
	uint64_t memo_limits; /* match limits reached before the text in hand */
	struct held *held;    /* by rule */
	struct seen *seen;    /* by rule */
	struct spans *spans;  /* by rule */
	struct value stack[META_DEPTH_MAX];
	uint32_t *pending; /* rules to be looked for in `spans` of the segment in hand */
	uint32_t pending_count;
	uint32_t policy;
	const struct listed *listed;   /* may be NULL */
	const struct answers *answers; /* may be NULL */
	/* of the message in hand */
	const struct texts *texts;
	enum scan_phase phase;
	uint32_t turn; /* of the groups */
	uint32_t at;   /* step within it */
	const struct ruleset_group *group;
	const struct text *text;
	enum text_kind kind;
	uint32_t segment;           /* being scanned */
	struct gate_span gate_span; /* words whose rules look at it */
	bool bare_body;             /* the body is seen without addresses of quoted mail */
	struct bytes subject;
	bool runs_known, long_runs;           /* whether it has long runs of a letter, once asked */
	uint64_t start_ns, slice_ns, left_ns; /* CPU time: of this slice; of the message's budget */
	uint64_t (*cpu_now_ns)(void);
	size_t work; /* since the clock was looked at */
	bool over_slice, over_budget, scan_failed;
	struct scan_profile *profile;
};

/* Notes that the state of a rule is written to. */
static inline void scan_touch(struct scan_context *context, uint32_t rule)
{
	context->touched[rule / 64] |= (uint64_t)1 << rule % 64;
}

/* Starts filling `state` for every pattern and `exists:` rule. Keeps `texts` until it is done. */
void scan_begin(struct scan_context *context, const struct texts *texts);
/* One step: a segment, or a rule in all of them. False when it was the last. */
bool scan_step(struct scan_context *context);
/* scan_deferred.c: the same with rules that waited for the others; after score_begin. False when
 * none is left. */
bool scan_deferred_step(struct scan_context *context);

/* score.c: what rules are worth by their `state`, deferred ones with what they may be worth. */
void score_begin(struct scan_context *context);
/* Whether the hit of a listed rule hangs on what a deferred one is worth; true where it would take
 * long to tell. */
bool score_asks(struct scan_context *context, uint32_t rule);
/* A deferred rule is known by its `state` now. */
void score_take(struct scan_context *context, uint32_t rule);
/* Points and the list of hits. */
void score_end(struct scan_context *context, struct judgement *out_judgement);

#endif
