/* scan_internal.h - what the files of the scan share. */
#ifndef CLASSIFIER_SCAN_INTERNAL_H
#define CLASSIFIER_SCAN_INTERNAL_H

#include "classifier/memo.h"
#include "classifier/scan.h"

/* How often a rule may hit at most. */
static inline uint32_t scan_hits_max(const struct blob_rule *rule)
{
	if ((rule->flags & BLOB_FLAG_MULTIPLE) == 0)
		return 1;
	return rule->maxhits != 0 ? rule->maxhits : UINT16_MAX;
}

/* Some rules do not look at the first segment of the body, the subject. */
static inline bool scan_is_skipped(const struct blob_rule *rule, uint32_t segment)
{
	return segment == 0 && (rule->flags & BLOB_FLAG_NOSUBJECT) != 0;
}

/* scan.c: takes a group's text in hand. */
void scan_enter_group(struct scan_context *context, uint32_t group);
/* A segment of the text in hand, as rules see it. */
struct bytes scan_segment_of(const struct scan_context *context, uint32_t index);

/* scan_confirm.c */
/* Charges what follows to `stage`; nothing where nobody profiles. */
void scan_enter_stage(struct scan_context *context, enum scan_stage stage);
/* The CPU time a message may take, and this slice of it. */
void scan_budget_begin(struct scan_context *context, uint64_t budget_ns,
                       uint64_t (*cpu_now_ns)(void));
void scan_slice_begin(struct scan_context *context, uint64_t slice_ns);
void scan_slice_end(struct scan_context *context);
/* Counts work, about an octet's each. False when the message has used up its time; it stays so. */
bool scan_within_budget(struct scan_context *context, size_t work);
/* Counts matches of a rule that begin in [from, to] of `subject`, up to the rule's limit. Returns
 * where it would go on. */
size_t scan_confirm(struct scan_context *context, uint32_t rule, struct bytes subject, size_t from,
                    size_t to);
/* Counts in the rule's spans of the segment in hand, front to back, as if all of the segment were
 * searched. */
void scan_run_spans(struct scan_context *context, uint32_t rule);
/* Counts in all segments of the text in hand. */
void scan_run_residual(struct scan_context *context, uint32_t rule);

/* scan_deferred.c */
/* Whether the rule waits until somebody asks for it. */
static inline bool scan_is_deferred(const struct scan_context *context, uint32_t rule)
{
	return (context->ruleset->scoring.deferred[rule / 64] >> rule % 64 & 1) != 0;
}

/* Of zeroed memory for those of one message at a time. */
size_t deferred_bytes(const struct ruleset *ruleset);
/* Those of the message before are forgotten. */
void deferred_begin(struct deferred *deferred);
/* Keeps where a rule would be looked for: in `spans` of the segment in hand, whose place in the
 * memo is `text`. False when there is no room; then it has to be looked for at once. */
bool deferred_put_spans(struct scan_context *context, uint32_t rule, const struct spans *spans,
                        struct memo_text text);
/* How many spans there are; those from `first` on are of a text that has got a place in the memo.
 */
uint32_t deferred_spans(const struct deferred *deferred);
void deferred_name_text(struct deferred *deferred, uint32_t first, struct memo_text text);
/* A rule that would be looked for in every segment. */
void deferred_put(struct scan_context *context, uint32_t rule);

#endif
