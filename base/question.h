/* question.h - what workers ask management about the network, and the shared memory it goes
 * through.
 *
 * Per worker one ring of questions (written by the worker) and one of answers (written by
 * management). Both sides can write all of the memory, so neither believes anything in it: shapes
 * of rings are constants, records are copied out and looked at before they are used, and an answer
 * counts only when its id is that of a question that is open.
 */
#ifndef BASE_QUESTION_H
#define BASE_QUESTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/ring.h"

enum question_kind {
#define QUESTION(name, text, answered, named, held) QUESTION_##name,
#include "base/questions.def"
	QUESTION_KIND_COUNT
};

#define QUESTION_BYTES        1024 /* of a question's text, what is behind its end included */
#define QUESTION_NAME_BYTES   256  /* of a name in the DNS, likewise */
#define QUESTION_RING_RECORDS 1024u
#define QUESTION_WORKERS_MAX  64u

struct question {
	uint64_t id; /* the worker's; comes back with the answer */
	uint16_t kind, text_len;
	uint32_t zero;
	uint8_t text[QUESTION_BYTES]; /* names in lower case, no dot at their end */
};

enum answer_result {
	ANSWER_FOUND,
	ANSWER_NONE,        /* there is no such name, or nothing of that type */
	ANSWER_FAILED,      /* the resolver does not know */
	ANSWER_UNSUPPORTED, /* nobody answers this kind */
	ANSWER_RESULT_COUNT
};

#define ANSWER_ADDRESSES_MAX 16
#define ANSWER_TEXT_BYTES    480

struct answer {
	uint64_t id;
	uint32_t ttl_s;  /* how long it may be remembered */
	uint16_t result; /* enum answer_result */
	uint16_t text_len;
	uint32_t address_count;
	uint32_t value;                         /* what it means is the kind's affair; 0: nothing */
	uint32_t address[ANSWER_ADDRESSES_MAX]; /* host order */
	char text[ANSWER_TEXT_BYTES];           /* records, NUL behind each */
};

const char *question_kind_text(enum question_kind kind);
bool question_is_answered(enum question_kind kind);
/* A domain name: labels of 1 to 63 letters, digits, '-' and '_', 253 octets at most, two labels or
 * more. */
bool question_name_is_sound(struct bytes name);
/* Where a domain says what it makes of mail it did not sign (RFC 5617 4.1): in front of its name.
 */
#define QUESTION_PRACTICES_PREFIX "_adsp._domainkey."
/* The code of a word of record_types.def; 0: it is none. */
uint16_t question_record_type(struct bytes word);
/* What a list says of something a host or domain has: "host zone", or "host zone txt". */
struct question_of_list {
	struct bytes host, zone;
	bool texts;
};
bool question_kind_is_of_list(uint32_t kind);
/* Names are sound, and fewer than QUESTION_NAME_BYTES octets together. */
bool question_of_list_read(struct bytes text, struct question_of_list *out_question);
/* `text`: fewer octets than QUESTION_BYTES; copied, nothing is behind it but zeros. */
void question_write(struct question *out_question, uint64_t id, enum question_kind kind,
                    struct bytes text);
/* Whether such a question may be asked; `kind`: any number. */
bool question_text_is_sound(uint32_t kind, struct bytes text);
/* Of records from the other side. */
bool question_is_sound(const struct question *question);
bool answer_is_sound(const struct answer *answer);

struct question_rings {
	uint8_t *memory;
	size_t bytes;
	int fd;
	uint32_t worker_count;
};

/* Dataplane: makes the memfd. */
MUST_CHECK enum err question_rings_create(struct question_rings *rings, uint32_t worker_count);
/* Management: maps what came over the socket. Keeps fd on success only. */
MUST_CHECK enum err question_rings_open(struct question_rings *rings, int fd);
void question_rings_close(struct question_rings *rings);
struct ring *question_rings_questions(const struct question_rings *rings, uint32_t worker);
struct ring *question_rings_answers(const struct question_rings *rings, uint32_t worker);
bool question_push(struct ring *questions, const struct question *question);
bool question_pop(struct ring *questions, struct question *out_question);
bool answer_push(struct ring *answers, const struct answer *answer);
bool answer_pop(struct ring *answers, struct answer *out_answer);

/* What management says of itself: somebody answers; it sleeps and must be woken. A lie costs the
 * worker a system call a turn, or messages the time they wait. */
struct question_state {
	_Atomic uint32_t serving, asleep;
};
struct question_state *question_rings_state(const struct question_rings *rings);

#endif
