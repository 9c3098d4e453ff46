/* inquiry.c - the questions one worker has open, and the answers it remembers. */
#include "dataplane/inquiry.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#define PLACES        4096u /* a power of two */
#define WAYS          4u
#define ANSWERS_TURN  64
#define FORGOTTEN_US  UINT64_C(30000000) /* open for so long: management has lost it */
#define TTL_S_MAX     86400u
#define ID_PLACE_BITS 12 /* of an id: its place; the rest counts questions */

static_assert(1u << ID_PLACE_BITS == PLACES, "an id holds its place");

enum place_state { PLACE_FREE, PLACE_OPEN, PLACE_KNOWN };

struct place {
	struct hash128 key;
	uint64_t asked_us, expires_us;
	enum place_state state;
	struct answer answer; /* its id is that of the question */
};

struct inquiries {
	struct inquiry_config its;
	uint64_t count; /* of questions ever asked */
	bool asked;     /* since management was woken last */
	struct place place[PLACES];
};

size_t inquiries_bytes(void)
{
	return sizeof(struct inquiries) + 64;
}

struct inquiries *inquiries_new(struct arena *arena, const struct inquiry_config *config)
{
	struct inquiries *q = arena_take(arena, 1, sizeof(*q), 64);

	if (q != NULL)
		q->its = *config;
	return q;
}

static struct hash128 key_of(const struct inquiries *q, enum question_kind kind, struct bytes text)
{
	uint8_t whole[QUESTION_BYTES + 1];

	ASSERT(text.len < QUESTION_BYTES);
	whole[0] = (uint8_t)kind;
	memcpy(whole + 1, text.data, text.len);
	return hash128(&q->its.secret, whole, text.len + 1);
}

static uint32_t first_way(struct hash128 key)
{
	return (uint32_t)key.lo & (PLACES - 1) & ~(WAYS - 1);
}

static bool is_valid(const struct place *place, uint64_t now_us)
{
	if (place->state == PLACE_OPEN)
		return now_us - place->asked_us < FORGOTTEN_US;
	return place->state == PLACE_KNOWN && now_us < place->expires_us;
}

static const struct place *find(const struct inquiries *q, struct hash128 key, uint64_t now_us)
{
	uint32_t first = first_way(key);

	for (uint32_t i = first; i < first + WAYS; i++)
		if (q->place[i].key.lo == key.lo && q->place[i].key.hi == key.hi &&
		    is_valid(&q->place[i], now_us))
			return &q->place[i];
	return NULL;
}

/* A place for a new question: one that holds nothing of use, else the answer that would be
 * forgotten first; NULL when all are open. */
static struct place *make_room(struct inquiries *q, struct hash128 key, uint64_t now_us)
{
	struct place *best = NULL;
	uint32_t first = first_way(key);

	for (uint32_t i = first; i < first + WAYS; i++) {
		struct place *place = &q->place[i];

		if (!is_valid(place, now_us))
			return place;
		if (place->state == PLACE_KNOWN &&
		    (best == NULL || place->expires_us < best->expires_us))
			best = place;
	}
	return best;
}

static bool push(struct inquiries *q, enum question_kind kind, struct bytes text, uint64_t id)
{
	struct question question;

	question_write(&question, id, kind, text);
	DEBUG_ASSERT(question_is_sound(&question));
	return question_push(q->its.questions, &question);
}

enum inquiry_result inquiry_ask(struct inquiries *inquiries, enum question_kind kind,
                                struct bytes text, uint64_t now_us, uint64_t patience_us,
                                struct inquiry_ref *out_ref)
{
	struct inquiries *q = inquiries;
	struct hash128 key = key_of(q, kind, text);
	const struct place *known = find(q, key, now_us);
	struct place *place;

	if (known != NULL && known->state == PLACE_KNOWN)
		return INQUIRY_KNOWN;
	if (known != NULL) {
		out_ref->id = known->answer.id;
		return now_us - known->asked_us < patience_us ? INQUIRY_OPEN : INQUIRY_LOST;
	}
	if (atomic_load_explicit(&q->its.state->serving, memory_order_relaxed) == 0) {
		q->its.counters->checks_unserved++;
		return INQUIRY_LOST;
	}
	place = make_room(q, key, now_us);
	if (place == NULL) {
		q->its.counters->checks_full++;
		return INQUIRY_LOST;
	}
	uint64_t id = ++q->count << ID_PLACE_BITS | (uint64_t)(place - q->place);
	if (!push(q, kind, text, id)) {
		q->its.counters->checks_full++;
		return INQUIRY_LOST;
	}
	place->key = key;
	place->asked_us = now_us;
	place->state = PLACE_OPEN;
	place->answer.id = id;
	q->asked = true;
	q->its.counters->checks_asked++;
	out_ref->id = id;
	return INQUIRY_OPEN;
}

bool inquiry_is_open(const struct inquiries *inquiries, struct inquiry_ref ref)
{
	const struct place *place = &inquiries->place[ref.id & (PLACES - 1)];

	return place->state == PLACE_OPEN && place->answer.id == ref.id;
}

const struct answer *inquiry_answer(const struct inquiries *inquiries, enum question_kind kind,
                                    struct bytes text, uint64_t now_us)
{
	const struct place *place = find(inquiries, key_of(inquiries, kind, text), now_us);

	if (place == NULL || place->state != PLACE_KNOWN)
		return NULL;
	return place->answer.result == ANSWER_FOUND || place->answer.result == ANSWER_NONE
	           ? &place->answer
	           : NULL;
}

/* False when nobody has asked that. */
static bool take(struct inquiries *q, const struct answer *answer, uint64_t now_us)
{
	struct place *place = &q->place[answer->id & (PLACES - 1)];
	uint64_t ttl_s = answer->ttl_s > 0 ? answer->ttl_s : 1;

	if (place->state != PLACE_OPEN || place->answer.id != answer->id ||
	    !answer_is_sound(answer)) {
		q->its.counters->checks_stray++;
		return false;
	}
	place->answer = *answer;
	place->state = PLACE_KNOWN;
	place->expires_us = now_us + (ttl_s < TTL_S_MAX ? ttl_s : TTL_S_MAX) * 1000000;
	q->its.counters->checks_answered++;
	q->its.counters->checks_failed += answer->result != ANSWER_FOUND &&
	                                  answer->result != ANSWER_NONE;
	return true;
}

bool inquiries_run(struct inquiries *inquiries, uint64_t now_us)
{
	struct answer answer;
	bool any = false;

	for (int i = 0; i < ANSWERS_TURN && answer_pop(inquiries->its.answers, &answer); i++)
		any |= take(inquiries, &answer, now_us);
	return any;
}

/* Exchanged as by who goes to sleep: either it sees the question, or we see it asleep. */
void inquiries_wake(struct inquiries *inquiries)
{
	const uint64_t one = 1;
	uint32_t awake = 0;

	if (!inquiries->asked)
		return;
	inquiries->asked = false;
	if (inquiries->its.wake_fd < 0 ||
	    atomic_compare_exchange_strong(&inquiries->its.state->asleep, &awake, 0))
		return;
	if (write(inquiries->its.wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is readable, which is all that matters */
}
