/* inquiry.h - the questions one worker has open with management, and the answers it remembers.
 *
 * A table of fixed size, four places for each hash: a question that is open is asked once, whoever
 * wants to know; an answer serves until its time is over. Nothing here waits: where there is no
 * room, or nobody who answers, the question is not asked and its answer unknown. An answer counts
 * when its id is that of the open question in its place; ids never come twice.
 */
#ifndef DATAPLANE_INQUIRY_H
#define DATAPLANE_INQUIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/question.h"
#include "dataplane/gateway_counters.h"

struct inquiries;

struct inquiry_config {
	struct ring *questions, *answers; /* in shared memory; kept */
	struct question_state *state;     /* likewise */
	int wake_fd;                      /* eventfd that management sleeps on; -1: none */
	struct gateway_counters *counters;
	struct hash_key secret;
};

enum inquiry_result {
	INQUIRY_KNOWN, /* answered, be it by a failure */
	INQUIRY_OPEN,  /* asked */
	INQUIRY_LOST   /* not asked, or open for longer than anybody waits */
};

/* Where an open question lies; 0 of another question than was asked. */
struct inquiry_ref {
	uint64_t id;
};

/* Octets inquiries_new takes from the arena, at most. */
size_t inquiries_bytes(void);
/* NULL when the arena is too small. */
struct inquiries *inquiries_new(struct arena *arena, const struct inquiry_config *config);
/* Asks, unless it is known or open. `text`: fewer octets than QUESTION_BYTES. `patience_us`: how
 * long an answer is waited for. */
enum inquiry_result inquiry_ask(struct inquiries *inquiries, enum question_kind kind,
                                struct bytes text, uint64_t now_us, uint64_t patience_us,
                                struct inquiry_ref *out_ref);
bool inquiry_is_open(const struct inquiries *inquiries, struct inquiry_ref ref);
/* What is known; NULL: nothing, or that the resolver has failed. Good until inquiries_run(). */
const struct answer *inquiry_answer(const struct inquiries *inquiries, enum question_kind kind,
                                    struct bytes text, uint64_t now_us);
/* Takes what answers there are, a bounded number. True when a question is not open any more. */
bool inquiries_run(struct inquiries *inquiries, uint64_t now_us);
/* Wakes management when something was asked since, and it sleeps: at most one system call. */
void inquiries_wake(struct inquiries *inquiries);

#endif
