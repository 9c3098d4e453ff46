/* classifier.h - front door: prepared texts in; hits, score and verdict out.
 *
 * A ruleset is opened from a generation by the control thread (which may allocate: PCRE2 compiles,
 * JITs) and is then read-only and shared by all workers. A scan context is one worker's scratch for
 * one ruleset, made by the control thread too. Judging allocates nothing and never fails: what had
 * to be left out is said in the judgement.
 */
#ifndef CLASSIFIER_CLASSIFIER_H
#define CLASSIFIER_CLASSIFIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/dmarc_question.h"
#include "base/err.h"
#include "base/event.h"
#include "base/generation.h"
#include "base/hash.h"
#include "base/question.h"
#include "base/redirects.h"
#include "base/texts.h"
#include "classifier/classifier_counters.h"
#include "classifier/lists.h"

struct relay_trust;
struct ruleset;
struct scan_context;
struct memo;
struct answers;

/* Verifies every offset and compiles what cannot travel. Keeps `generation` (which must outlive
 * it). On error `reason` (200 octets) says why. */
MUST_CHECK enum err ruleset_open(const struct generation *generation, struct ruleset **out_ruleset,
                                 char *reason);

/* Patterns that `like`, open and of the same thread, has compiled already are shared with it;
 * nothing else is, and either may be closed first. NULL: all are compiled. `no_machine_code`: for
 * who only looks at the ruleset, or judges little. `verdicts_only`: subtests are left out that no
 * listed rule leans on, or none whose hit still hangs on them; classifier_rule_value then does not
 * know them. */
struct ruleset_opening {
	const struct ruleset *like;
	bool no_machine_code, verdicts_only;
};

MUST_CHECK enum err ruleset_open_with(const struct generation *generation,
                                      const struct ruleset_opening *how,
                                      struct ruleset **out_ruleset, char *reason);
void ruleset_close(struct ruleset *ruleset);
uint32_t ruleset_rule_count(const struct ruleset *ruleset);
/* Static texts of the generation; "" when there is none. */
const char *ruleset_rule_name(const struct ruleset *ruleset, uint32_t rule);
const char *ruleset_rule_description(const struct ruleset *ruleset, uint32_t rule);
int32_t ruleset_rule_score_milli(const struct ruleset *ruleset, uint32_t rule);
/* The header selectors, an array of fixed-size records whose meaning is smtp's (struct selector).
 */
struct bytes ruleset_selectors(const struct ruleset *ruleset, uint32_t *out_count);

/* Which relays the rule files say to trust; as long as the ruleset. */
const struct relay_trust *ruleset_relay_trust(const struct ruleset *ruleset);

/* What recipients of a domain want otherwise than all others: a number of the ruleset. */
#define POLICY_COMMON       0u
#define POLICY_POINTS_UNSET INT32_MIN
uint32_t ruleset_policy_of(const struct ruleset *ruleset, struct bytes domain);
/* Puts the policy's own limits, 1/1000 points, in place of those given. */
void ruleset_policy_limits(const struct ruleset *ruleset, uint32_t policy, int32_t *in_out_tag,
                           int32_t *in_out_reject);

/* NULL when memory is out. */
struct scan_context *scan_context_new(const struct ruleset *ruleset,
                                      struct classifier_counters *counters);
void scan_context_free(struct scan_context *context);
/* What its rules find in texts is looked up and kept there (memo.h), which lives longer than the
 * context; results are the same. Contexts of one thread may share it. */
void scan_context_set_memo(struct scan_context *context, struct memo *memo);
/* What the next messages are found on, for rules that ask; kept; NULL: nothing, as at first. */
void scan_context_set_listed(struct scan_context *context, const struct listed *listed);
/* Who tells what the network says; kept; NULL: nobody, as at first. Rules that ask for what is not
 * known stay open: they do not hit, and metas that they decide do not. */
void scan_context_set_answers(struct scan_context *context, const struct answers *answers);
/* Judgements from now on give the points of this policy; at first POLICY_COMMON. */
void scan_context_set_policy(struct scan_context *context, uint32_t policy);

/* What rules ask of the network, and who knows it. */
struct answers {
	void *context;
	/* NULL: not known. What it gives stays until the message is judged. */
	const struct answer *(*find)(void *context, enum question_kind kind, struct bytes name);
	/* Of what is drawn by lot, the same for the same message: whoever knows it can choose mail
	 * that is spared. NULL: nobody minds. */
	const struct hash_key *lot_key;
};
typedef void question_seen(void *context, enum question_kind kind, struct bytes name);
/* Calls `seen` for what the rules will ask about these texts, before they are judged; the same
 * question may come several times. */
void classifier_questions(struct scan_context *context, const struct texts *texts,
                          question_seen *seen, void *seen_context);
/* Calls it for what they will ask, in all likelihood, about a message this client brings. */
void ruleset_client_questions(const struct ruleset *ruleset, const struct addr *client,
                              question_seen *seen, void *seen_context);
/* The same for what becomes known with the sender. */
void ruleset_sender_questions(const struct ruleset *ruleset, const struct addr *client,
                              struct bytes helo, struct bytes sender, question_seen *seen,
                              void *seen_context);
bool ruleset_asks(const struct ruleset *ruleset);
/* Whether rules ask about the DKIM signatures of messages. */
bool ruleset_reads_signatures(const struct ruleset *ruleset);

enum dmarc_finding {                     /* RFC 7489 11.2 */
	             DMARC_FINDING_NONE, /* its author's domain has no policy */
	             DMARC_FINDING_PASS,
	             DMARC_FINDING_FAIL,
	             DMARC_FINDING_OPEN,   /* the network has not said */
	             DMARC_FINDING_AUTHORS /* of several domains: none of them is proved */
};

struct dmarc_result {
	enum dmarc_finding finding;
	enum dmarc_policy policy; /* of PASS and FAIL: as published */
	struct bytes author;      /* the domain, the first one's; points into the texts */
};

/* What DMARC makes of the message that was judged last, whose texts are still there. False: no rule
 * wants to know, or there is nobody to be asked about. */
bool classifier_dmarc(struct scan_context *context, const struct texts *texts,
                      struct dmarc_result *out_result);

struct judgement {
	int32_t score_milli;
	uint32_t hit_count; /* rules that hit and count: scored ones first, by descending |score| */
	uint32_t hits_left_out; /* beyond EVENT_RULES_MAX */
	struct event_rule hit[EVENT_RULES_MAX];
	uint32_t rules_not_run;    /* over budget or over a match limit */
	uint32_t rules_unanswered; /* the network has not said in time */
	bool incomplete;           /* rules_not_run > 0, or a scan failed */
};

/* Begins to judge; texts must stay until it is done. `budget_ns`: CPU time it may take, all slices
 * together; what is left over then has not run. `cpu_now_ns` is the time hook: a clock of the
 * caller. What was begun before and not finished is forgotten. */
void classifier_begin(struct scan_context *context, const struct texts *texts, uint64_t budget_ns,
                      uint64_t (*cpu_now_ns)(void));
/* Goes on for about `slice_ns` of CPU time; a step (one text segment) is not cut. True when done,
 * and only then is the judgement filled. The result does not depend on how it was cut. */
bool classifier_continue(struct scan_context *context, uint64_t slice_ns,
                         struct judgement *out_judgement);
/* Both in one go. */
void classifier_judge(struct scan_context *context, const struct texts *texts, uint64_t budget_ns,
                      uint64_t (*cpu_now_ns)(void), struct judgement *out_judgement);

/* Where the rules' redirector patterns say URIs lead; to be asked between two judgements only, as
 * long as the context. */
struct redirects scan_context_redirects(struct scan_context *context);

/* What a rule, subtests included, was worth in the last judgement; false when nobody knows. */
bool classifier_rule_value(const struct scan_context *context, uint32_t rule, double *out_value);

/* Points and policy to a verdict. */
struct verdict_policy {
	int32_t tag_milli, reject_milli;
	bool failure_accepts;
};

enum verdict verdict_decide(const struct judgement *judgement, const struct verdict_policy *policy);

#endif
