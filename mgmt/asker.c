/* asker.c - answers the questions of the dataplane's workers.
 *
 * An entry is a question, with its answer once there is one. One that asks about addresses of a
 * host, or of a domain's name servers, takes several lookups, which all end in the same entry: it
 * is answered when none of its lookups is open.
 */
#include "mgmt/asker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/dkim_question.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/spf_question.h"

#include "mgmt/asker_internal.h"
#include "mgmt/log.h"

#define QUESTIONS_TURN 256 /* of one worker in one turn */
#define TTL_FAILED_S   5
#define TTL_VERIFIED_S 300 /* asked about one message only */

static_assert((ASKER_ENTRIES & (ASKER_ENTRIES - 1)) == 0, "a mask chooses");

static void done(void *context, void *lookup, const struct dns_reply *reply);

bool asker_open(struct asker *asker, const char *server, uint32_t timeout_ms, char *reason)
{
	memset(asker, 0, sizeof(*asker));
	asker->wake_fd = -1;
	asker->rings.fd = -1;
	random_os(&asker->secret, sizeof(asker->secret));
	asker->entry = calloc(ASKER_ENTRIES, sizeof(*asker->entry));
	asker->waiter = calloc(ASKER_WAITERS, sizeof(*asker->waiter));
	asker->lookup = calloc(ASKER_LOOKUPS_MAX, sizeof(*asker->lookup));
	asker->check = calloc(ASKER_CHECKS_MAX, sizeof(*asker->check));
	if (asker->entry == NULL || asker->waiter == NULL || asker->lookup == NULL ||
	    asker->check == NULL) {
		snprintf(reason, 256, "out of memory");
		return false;
	}
	for (uint32_t i = 0; i < ASKER_WAITERS; i++)
		asker->waiter[i].next = i + 1 < ASKER_WAITERS ? i + 2 : NONE;
	for (uint32_t i = 0; i < ASKER_LOOKUPS_MAX; i++)
		asker->lookup[i].next = i + 1 < ASKER_LOOKUPS_MAX ? i + 2 : NONE;
	for (uint32_t i = 0; i < ASKER_CHECKS_MAX; i++)
		asker->check[i].next = i + 1 < ASKER_CHECKS_MAX ? i + 2 : NONE;
	asker->waiter_free = asker->lookup_free = asker->check_free = 1;
	asker->resolver = resolver_new(server, timeout_ms, done, asker, reason);
	return asker->resolver != NULL;
}

void asker_close(struct asker *asker)
{
	asker_detach(asker);
	resolver_free(asker->resolver);
	for (uint32_t i = 0; asker->entry != NULL && i < ASKER_ENTRIES; i++)
		free(asker->entry[i].dkim);
	free(asker->entry);
	free(asker->waiter);
	free(asker->lookup);
	free(asker->check);
	memset(asker, 0, sizeof(*asker));
	asker->wake_fd = -1;
}

static void drop_waiter(struct asker *asker, struct asker_entry *entry)
{
	uint32_t index = entry->waiter;
	struct asker_waiter *waiter = &asker->waiter[index - 1];

	free(waiter->dkim);
	waiter->dkim = NULL;
	entry->waiter = waiter->next;
	waiter->next = asker->waiter_free;
	asker->waiter_free = index;
}

void asker_detach(struct asker *asker)
{
	if (asker->resolver == NULL)
		return;
	if (asker->attached) {
		atomic_store(&question_rings_state(&asker->rings)->serving, 0);
		question_rings_close(&asker->rings);
	}
	if (asker->wake_fd >= 0)
		close(asker->wake_fd);
	asker->wake_fd = -1;
	asker->attached = false;
	/* Ids of that dataplane mean nothing to the next. */
	for (uint32_t i = 0; i < ASKER_ENTRIES; i++)
		while (asker->entry[i].waiter != NONE)
			drop_waiter(asker, &asker->entry[i]);
}

void asker_attach(struct asker *asker, int fd, bool wake)
{
	enum err err;

	if (asker->resolver == NULL) {
		log_warning("the dataplane has questions and checks.dns_checks is off here: "
		            "restart both with the same configuration");
		close(fd);
		return;
	}
	if (wake) {
		if (asker->wake_fd >= 0)
			close(asker->wake_fd);
		asker->wake_fd = fd;
		return;
	}
	asker_detach(asker);
	err = question_rings_open(&asker->rings, fd);
	if (err != OK) {
		log_error("the dataplane's questions cannot be read: %s; are both of one version?",
		          err_text(err));
		close(fd);
		return;
	}
	asker->attached = true;
	atomic_store(&question_rings_state(&asker->rings)->asleep, 0);
	atomic_store(&question_rings_state(&asker->rings)->serving, 1);
}

static void send_answer(struct asker *asker, uint32_t worker, uint64_t id, struct answer answer)
{
	answer.id = id;
	asker->counts.answers++;
	if (asker->attached && worker < asker->rings.worker_count &&
	    !answer_push(question_rings_answers(&asker->rings, worker), &answer))
		asker->counts.lost++;
}

static void refuse(struct asker *asker, uint32_t worker, uint64_t id, enum answer_result result)
{
	struct answer answer;

	memset(&answer, 0, sizeof(answer));
	answer.result = (uint16_t)result;
	answer.ttl_s = TTL_FAILED_S;
	send_answer(asker, worker, id, answer);
}

/* What the key of the entry says of a signature. */
static struct answer verified(struct asker *asker, const struct asker_entry *entry,
                              const struct question *question)
{
	struct answer answer = entry->answer;
	struct dkim_question dkim;

	if (answer.result == ANSWER_FAILED || entry->dkim == NULL ||
	    !dkim_question_read(bytes_of(question->text, question->text_len), &dkim))
		return answer;
	answer.result = ANSWER_FOUND;
	answer.ttl_s = TTL_VERIFIED_S;
	answer.value = dkim_key_verify(entry->dkim, &dkim);
	asker->counts.signatures++;
	return answer;
}

static void conclude(struct asker *asker, struct asker_entry *entry)
{
	struct answer *answer = &entry->answer;

	if (answer->result != ANSWER_FOUND && entry->failed) {
		answer->result = ANSWER_FAILED;
		answer->ttl_s = TTL_FAILED_S;
		asker->counts.failed++;
	}
	entry->state = ENTRY_KNOWN;
	entry->expires_us = asker->now_us + (uint64_t)answer->ttl_s * 1000000;
	while (entry->waiter != NONE) {
		struct asker_waiter *waiter = &asker->waiter[entry->waiter - 1];

		send_answer(asker, waiter->worker, waiter->id,
		            waiter->dkim != NULL ? verified(asker, entry, waiter->dkim) : *answer);
		drop_waiter(asker, entry);
	}
}

static bool is_of_use(const struct asker_entry *entry, uint64_t now_us)
{
	return entry->state == ENTRY_ASKING ||
	       (entry->state == ENTRY_KNOWN && now_us < entry->expires_us);
}

struct hash128 asker_key_of(const struct asker *asker, const struct question *question)
{
	uint8_t text[QUESTION_BYTES + 1];

	text[0] = (uint8_t)question->kind;
	memcpy(text + 1, question->text, question->text_len);
	return hash128(&asker->secret, text, question->text_len + 1u);
}

/* The first of the places a question may have. */
static struct asker_entry *first_way(const struct asker *asker, struct hash128 key)
{
	return &asker->entry[(uint32_t)key.lo & (ASKER_ENTRIES - 1) & ~(ASKER_WAYS - 1)];
}

struct asker_entry *asker_find(const struct asker *asker, struct hash128 key)
{
	struct asker_entry *first = first_way(asker, key);

	for (uint32_t i = 0; i < ASKER_WAYS; i++)
		if (is_of_use(&first[i], asker->now_us) &&
		    memcmp(&first[i].key, &key, sizeof(key)) == 0)
			return &first[i];
	return NULL;
}

struct asker_entry *asker_make_room(struct asker *asker, struct hash128 key)
{
	struct asker_entry *first = first_way(asker, key), *best = NULL;

	for (uint32_t i = 0; i < ASKER_WAYS; i++) {
		if (first[i].state == ENTRY_ASKING)
			continue;
		if (!is_of_use(&first[i], asker->now_us))
			first[i].expires_us = 0;
		if (best == NULL || first[i].expires_us < best->expires_us)
			best = &first[i];
	}
	if (best == NULL)
		return NULL;
	best->state = ENTRY_FREE;
	best->key = key;
	return best;
}

static void done(void *context, void *argument, const struct dns_reply *reply)
{
	struct asker *asker = context;
	struct asker_lookup *lookup = argument;
	struct asker_entry *entry = &asker->entry[lookup->entry];
	enum lookup_step step = lookup->step;

	ASSERT(entry->state == ENTRY_ASKING && entry->open > 0);
	lookup->next = asker->lookup_free;
	asker->lookup_free = (uint32_t)(lookup - asker->lookup) + 1;
	asker->lookups_open--;
	asker->counts.lookups_timed_out += reply->timed_out;
	asker->counts.lookups_failed += reply->result == ANSWER_FAILED && !reply->timed_out;
	asker_take_reply(asker, entry, step, reply);
	if (--entry->open == 0)
		conclude(asker, entry);
}

static bool add_waiter(struct asker *asker, struct asker_entry *entry, uint32_t worker,
                       const struct question *question)
{
	uint32_t index = asker->waiter_free;
	struct question *dkim = NULL;

	if (index == NONE)
		return false;
	if (question->kind == QUESTION_DKIM) {
		dkim = malloc(sizeof(*dkim));
		if (dkim == NULL)
			return false;
		*dkim = *question;
	}
	asker->waiter_free = asker->waiter[index - 1].next;
	asker->waiter[index - 1] = (struct asker_waiter){question->id, worker, entry->waiter, dkim};
	entry->waiter = index;
	return true;
}

static void start(struct asker *asker, struct asker_entry *entry, const struct question *question)
{
	entry->state = ENTRY_ASKING;
	entry->kind = (enum question_kind)question->kind;
	entry->failed = false;
	free(entry->dkim);
	entry->dkim = NULL;
	if (entry->kind == QUESTION_DKIM)
		entry->dkim = calloc(1, sizeof(*entry->dkim));
	memset(&entry->answer, 0, sizeof(entry->answer));
	entry->answer.result = ANSWER_NONE;
	entry->answer.ttl_s = UINT32_MAX;
	memcpy(entry->text, question->text, question->text_len);
	entry->text[question->text_len] = '\0';
	/* Held open: a lookup may end before look_up() returns. */
	entry->open = 1;
	asker_begin(asker, entry, question);
	if (--entry->open == 0)
		conclude(asker, entry);
}

/* What an entry is kept by: of questions about signatures, the name of the key. */
static struct question about(const struct question *question)
{
	struct question about = *question;
	struct dkim_question dkim;

	if (question->kind == QUESTION_DKIM &&
	    dkim_question_read(bytes_of(question->text, question->text_len), &dkim))
		question_write(&about, question->id, QUESTION_DKIM, dkim.key_name);
	return about;
}

/* The question's entry, or that of all senders of its domain when that is answered. */
static struct asker_entry *find_answered(const struct asker *asker, const struct question *question,
                                         struct hash128 *out_key)
{
	struct bytes text = bytes_of(question->text, question->text_len);
	struct asker_entry *entry, *common;
	struct spf_request request;
	struct hash128 key;

	*out_key = asker_key_of(asker, question);
	entry = asker_find(asker, *out_key);
	if (entry != NULL || question->kind != QUESTION_SPF || !spf_request_read(text, &request))
		return entry;
	if (!asker_key_of_domain(asker, &request, &key))
		return NULL;
	common = asker_find(asker, key);
	return common != NULL && common->state == ENTRY_KNOWN ? common : NULL;
}

static void take(struct asker *asker, uint32_t worker, const struct question *question)
{
	struct asker_entry *entry;
	struct question kept_by;
	struct hash128 key;

	asker->counts.questions++;
	if (!question_is_sound(question) ||
	    !question_is_answered((enum question_kind)question->kind)) {
		asker->counts.malformed += !question_is_sound(question);
		refuse(asker, worker, question->id, ANSWER_UNSUPPORTED);
		return;
	}
	kept_by = about(question);
	entry = find_answered(asker, &kept_by, &key);
	if (entry != NULL && entry->state == ENTRY_KNOWN) {
		struct answer answer = entry->answer;

		asker->counts.remembered++;
		answer.ttl_s = (uint32_t)((entry->expires_us - asker->now_us) / 1000000);
		if (question->kind == QUESTION_DKIM)
			answer = verified(asker, entry, question);
		send_answer(asker, worker, question->id, answer);
		return;
	}
	if (entry == NULL)
		entry = asker_make_room(asker, key);
	if (entry == NULL || !add_waiter(asker, entry, worker, question)) {
		asker->counts.refused_room += entry == NULL;
		asker->counts.refused_waiters += entry != NULL;
		refuse(asker, worker, question->id, ANSWER_FAILED);
		return;
	}
	if (entry->state == ENTRY_FREE)
		start(asker, entry, &kept_by);
	else
		asker->counts.joined++;
}

void asker_run(struct asker *asker, uint64_t now_us)
{
	struct question question;

	if (asker->resolver == NULL)
		return;
	asker->now_us = now_us;
	for (uint32_t w = 0; asker->attached && w < asker->rings.worker_count; w++)
		for (int i = 0; i < QUESTIONS_TURN &&
		                question_pop(question_rings_questions(&asker->rings, w), &question);
		     i++)
			take(asker, w, &question);
	resolver_run(asker->resolver);
}

static bool questions_wait(const struct asker *asker)
{
	for (uint32_t w = 0; w < asker->rings.worker_count; w++) {
		const struct ring *ring = question_rings_questions(&asker->rings, w);

		if (atomic_load(&ring->head) != atomic_load(&ring->tail))
			return true;
	}
	return false;
}

/* Says that it sleeps, then looks for questions: who asks does it the other way round. */
uint32_t asker_sleep(struct asker *asker, struct pollfd *out_fds, int most_ms, int *out_wait_ms)
{
	uint32_t count = 0;

	*out_wait_ms = most_ms;
	if (asker->resolver == NULL)
		return 0;
	if (asker->wake_fd >= 0)
		out_fds[count++] = (struct pollfd){.fd = asker->wake_fd, .events = POLLIN};
	count += resolver_poll_fds(asker->resolver, out_fds + count);
	*out_wait_ms = resolver_wait_ms(asker->resolver, most_ms);
	if (!asker->attached)
		return count;
	(void)atomic_exchange(&question_rings_state(&asker->rings)->asleep, 1);
	if (questions_wait(asker))
		*out_wait_ms = 0;
	return count;
}

void asker_awake(struct asker *asker)
{
	uint64_t count;

	if (asker->resolver == NULL)
		return;
	if (asker->attached)
		atomic_store(&question_rings_state(&asker->rings)->asleep, 0);
	if (asker->wake_fd >= 0 && read(asker->wake_fd, &count, sizeof(count)) < 0)
		return; /* nobody woke us */
}
