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
#include "base/hash.h"
#include "base/random.h"

#include "mgmt/log.h"

#define QUESTIONS_TURN  256 /* of one worker in one turn */
#define ADDRESSES_ASKED 4   /* of one host */
#define TTL_FAILED_S    5
#define NONE            0

static_assert((ASKER_ENTRIES & (ASKER_ENTRIES - 1)) == 0, "a mask chooses");

enum entry_state { ENTRY_FREE, ENTRY_ASKING, ENTRY_KNOWN };

struct asker_entry {
	struct hash128 key;
	enum entry_state state;
	enum question_kind kind;
	uint32_t open;   /* lookups */
	uint32_t waiter; /* 1 + index */
	uint64_t expires_us;
	char text[QUESTION_BYTES]; /* of the question, while it is asked about */
	bool failed;               /* one of its lookups */
	struct answer answer;
};

struct asker_waiter {
	uint64_t id;
	uint32_t worker, next;
};

enum lookup_step {
	STEP_LIST,   /* what is found is the answer */
	STEP_HOST,   /* addresses to be looked up in the list */
	STEP_SERVERS /* hosts likewise */
};

struct asker_lookup {
	uint32_t entry, next;
	enum lookup_step step;
};

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
	if (asker->entry == NULL || asker->waiter == NULL || asker->lookup == NULL) {
		snprintf(reason, 256, "out of memory");
		return false;
	}
	for (uint32_t i = 0; i < ASKER_WAITERS; i++)
		asker->waiter[i].next = i + 1 < ASKER_WAITERS ? i + 2 : NONE;
	for (uint32_t i = 0; i < ASKER_LOOKUPS_MAX; i++)
		asker->lookup[i].next = i + 1 < ASKER_LOOKUPS_MAX ? i + 2 : NONE;
	asker->waiter_free = asker->lookup_free = 1;
	asker->resolver = resolver_new(server, timeout_ms, done, asker, reason);
	return asker->resolver != NULL;
}

void asker_close(struct asker *asker)
{
	asker_detach(asker);
	resolver_free(asker->resolver);
	free(asker->entry);
	free(asker->waiter);
	free(asker->lookup);
	memset(asker, 0, sizeof(*asker));
	asker->wake_fd = -1;
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
		while (asker->entry[i].waiter != NONE) {
			uint32_t waiter = asker->entry[i].waiter;

			asker->entry[i].waiter = asker->waiter[waiter - 1].next;
			asker->waiter[waiter - 1].next = asker->waiter_free;
			asker->waiter_free = waiter;
		}
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
		uint32_t index = entry->waiter;

		send_answer(asker, waiter->worker, waiter->id, *answer);
		entry->waiter = waiter->next;
		waiter->next = asker->waiter_free;
		asker->waiter_free = index;
	}
}

static void look_up(struct asker *asker, struct asker_entry *entry, const char *name,
                    enum lookup_step step)
{
	struct asker_lookup *lookup;
	uint16_t type = step == STEP_SERVERS           ? DNS_TYPE_NS
	                : entry->kind == QUESTION_TEXT ? DNS_TYPE_TXT
	                                               : DNS_TYPE_A;

	if (asker->lookup_free == NONE) {
		asker->counts.full++;
		entry->failed = true;
		return;
	}
	lookup = &asker->lookup[asker->lookup_free - 1];
	asker->lookup_free = lookup->next;
	lookup->entry = (uint32_t)(entry - asker->entry);
	lookup->step = step;
	entry->open++;
	asker->lookups_open++;
	asker->counts.lookups++;
	resolver_ask(asker->resolver, name, type, lookup);
}

/* Records, NUL behind each, as far as there is room; the end of the last may be missing. */
static void add_texts(struct answer *answer, struct bytes texts)
{
	size_t room = ANSWER_TEXT_BYTES - answer->text_len;
	struct bytes taken = bytes_slice(texts, 0, room);

	if (taken.len == 0)
		return;
	memcpy(answer->text + answer->text_len, taken.data, taken.len);
	answer->text_len = (uint16_t)(answer->text_len + taken.len);
	answer->text[answer->text_len - 1] = '\0';
}

static void merge(struct asker_entry *entry, const struct dns_reply *reply)
{
	struct answer *answer = &entry->answer;

	if (reply->ttl_s < answer->ttl_s)
		answer->ttl_s = reply->ttl_s;
	if (entry->kind == QUESTION_ADDRESS || entry->kind == QUESTION_TEXT)
		answer->value = reply->code;
	if (reply->result != ANSWER_FOUND)
		return;
	answer->result = ANSWER_FOUND;
	for (uint32_t i = 0;
	     i < reply->address_count && answer->address_count < ANSWER_ADDRESSES_MAX; i++)
		answer->address[answer->address_count++] = reply->address[i];
	add_texts(answer, bytes_of(reply->text, reply->text_len));
}

/* The addresses of a host in the list whose zone stands behind the blank. */
static void look_up_addresses(struct asker *asker, struct asker_entry *entry,
                              const struct dns_reply *reply)
{
	const char *zone = strchr(entry->text, ' ');
	char name[QUESTION_NAME_BYTES + 32];

	for (uint32_t i = 0; i < reply->address_count && i < ADDRESSES_ASKED; i++) {
		uint32_t a = reply->address[i];

		snprintf(name, sizeof(name), "%u.%u.%u.%u.%s", a & 255, a >> 8 & 255, a >> 16 & 255,
		         a >> 24, zone + 1);
		look_up(asker, entry, name, STEP_LIST);
	}
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
	entry->failed |= reply->result == ANSWER_FAILED;
	if (step == STEP_LIST)
		merge(entry, reply);
	else if (reply->ttl_s < entry->answer.ttl_s)
		entry->answer.ttl_s = reply->ttl_s;
	if (step == STEP_HOST)
		look_up_addresses(asker, entry, reply);
	for (uint32_t i = 0; step == STEP_SERVERS && i < reply->name_count; i++)
		look_up(asker, entry, reply->name[i], STEP_HOST);
	if (--entry->open == 0)
		conclude(asker, entry);
}

static bool is_of_use(const struct asker_entry *entry, uint64_t now_us)
{
	return entry->state == ENTRY_ASKING ||
	       (entry->state == ENTRY_KNOWN && now_us < entry->expires_us);
}

/* The entry of a question; else a place for it, which is not of use then; NULL: no place. */
static struct asker_entry *find(struct asker *asker, const struct question *question)
{
	uint8_t text[QUESTION_BYTES + 1];
	struct asker_entry *best = NULL;
	struct hash128 key;
	uint32_t first;

	text[0] = (uint8_t)question->kind;
	memcpy(text + 1, question->text, question->text_len);
	key = hash128(&asker->secret, text, question->text_len + 1u);
	first = (uint32_t)key.lo & (ASKER_ENTRIES - 1) & ~(ASKER_WAYS - 1);
	for (uint32_t i = first; i < first + ASKER_WAYS; i++) {
		struct asker_entry *entry = &asker->entry[i];
		bool useful = is_of_use(entry, asker->now_us);

		if (useful && memcmp(&entry->key, &key, sizeof(key)) == 0)
			return entry;
		if (entry->state == ENTRY_ASKING)
			continue;
		if (!useful)
			entry->expires_us = 0;
		if (best == NULL || entry->expires_us < best->expires_us)
			best = entry;
	}
	if (best == NULL)
		return NULL;
	best->state = ENTRY_FREE;
	best->key = key;
	return best;
}

static bool add_waiter(struct asker *asker, struct asker_entry *entry, uint32_t worker, uint64_t id)
{
	uint32_t index = asker->waiter_free;

	if (index == NONE)
		return false;
	asker->waiter_free = asker->waiter[index - 1].next;
	asker->waiter[index - 1] = (struct asker_waiter){id, worker, entry->waiter};
	entry->waiter = index;
	return true;
}

static void start(struct asker *asker, struct asker_entry *entry, const struct question *question)
{
	entry->state = ENTRY_ASKING;
	entry->kind = (enum question_kind)question->kind;
	entry->failed = false;
	memset(&entry->answer, 0, sizeof(entry->answer));
	entry->answer.result = ANSWER_NONE;
	entry->answer.ttl_s = UINT32_MAX;
	memcpy(entry->text, question->text, question->text_len);
	entry->text[question->text_len] = '\0';
	/* Held open: a lookup may end before look_up() returns. */
	entry->open = 1;
	if (entry->kind == QUESTION_HOST || entry->kind == QUESTION_SERVERS) {
		char host[QUESTION_NAME_BYTES];

		snprintf(host, sizeof(host), "%.*s", (int)strcspn(entry->text, " "), entry->text);
		look_up(asker, entry, host,
		        entry->kind == QUESTION_HOST ? STEP_HOST : STEP_SERVERS);
	} else {
		look_up(asker, entry, entry->text, STEP_LIST);
	}
	if (--entry->open == 0)
		conclude(asker, entry);
}

static void take(struct asker *asker, uint32_t worker, const struct question *question)
{
	struct asker_entry *entry;

	asker->counts.questions++;
	if (!question_is_sound(question) ||
	    !question_is_answered((enum question_kind)question->kind)) {
		asker->counts.malformed += !question_is_sound(question);
		refuse(asker, worker, question->id, ANSWER_UNSUPPORTED);
		return;
	}
	entry = find(asker, question);
	if (entry != NULL && entry->state == ENTRY_KNOWN) {
		struct answer answer = entry->answer;

		asker->counts.remembered++;
		answer.ttl_s = (uint32_t)((entry->expires_us - asker->now_us) / 1000000);
		send_answer(asker, worker, question->id, answer);
		return;
	}
	if (entry == NULL || !add_waiter(asker, entry, worker, question->id)) {
		asker->counts.full++;
		refuse(asker, worker, question->id, ANSWER_FAILED);
		return;
	}
	if (entry->state == ENTRY_FREE)
		start(asker, entry, question);
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
