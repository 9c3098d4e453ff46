/* memo.h - what rules found in texts that came before: mail of a campaign repeats itself.
 *
 * A table of one worker, of fixed size, all memory taken when it is made. A text is known by what
 * looks at it (kind, header selector), its length and a keyed hash of 128 bits over its octets;
 * the key is the worker's secret. What is kept is the rules that hit and how often; a rule that had
 * hit enough before the text came to it, whose count was cut at its limit, or that waits until
 * somebody asks for it, is kept as one to be asked again. So a result does not depend on the
 * message it was found in.
 *
 * Entries are of one reader (a ruleset in use); what readers before it left is never found and goes
 * first where room is short.
 */
#ifndef CLASSIFIER_MEMO_H
#define CLASSIFIER_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hash.h"

#define MEMO_RESULTS_MAX 25u /* of one text; one with more is not kept */
#define MEMO_ASK         0u  /* a count: the rule has to be asked */

struct memo;

struct memo_result {
	uint16_t rule, count;
};

/* A text whose results are kept, as long as they are. */
struct memo_text {
	uint32_t entry; /* 1 + its place; 0: no text */
	uint32_t serial;
};

/* A table of at most `bytes`. NULL when memory is out, or when that is too little for any. */
struct memo *memo_new(size_t bytes, const struct hash_key *key);
void memo_free(struct memo *memo);
/* A number no reader had before. */
uint32_t memo_reader(struct memo *memo);

/* What was found in `text`, which `what` looks at: `out_count` results, valid until memo_keep.
 * NULL: it is not known; what memo_note is told from then on is of this text. */
const struct memo_result *memo_find(struct memo *memo, uint32_t reader, uint32_t what,
                                    struct bytes text, uint32_t *out_count);
/* `count` more hits of `rule`, or MEMO_ASK, which stays once it was said. Nothing when no text is
 * in hand. */
void memo_note(struct memo *memo, uint32_t rule, uint32_t count);
/* As memo_note with MEMO_ASK, unless the rule was noted before. */
void memo_note_unasked(struct memo *memo, uint32_t rule);
enum memo_kept { MEMO_KEPT, MEMO_KEPT_FOR_ANOTHER, MEMO_TOO_LARGE };
/* Keeps what was noted. */
enum memo_kept memo_keep(struct memo *memo);
/* Forgets it. */
void memo_drop(struct memo *memo);
/* The text that was found or kept last; none when the last one was neither. */
struct memo_text memo_text(const struct memo *memo);
/* A rule that was to be asked was, and hit so often. Nothing where others took the text's place. */
void memo_learn(struct memo *memo, struct memo_text text, uint32_t rule, uint32_t count);

#endif
