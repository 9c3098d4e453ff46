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
#include "base/dmarc_question.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/spf_question.h"

#include "mgmt/dkim_key.h"
#include "mgmt/dmarc.h"
#include "mgmt/log.h"
#include "mgmt/spf.h"

#define QUESTIONS_TURN  256 /* of one worker in one turn */
#define ADDRESSES_ASKED 4   /* of one host */
#define SERVERS_ASKED   4   /* of one domain */
#define TTL_FAILED_S    5
#define TTL_VERIFIED_S  300 /* asked about one message only */
#define TTL_S_MAX       86400
#define SPF_MOST_US     UINT64_C(20000000) /* RFC 7208, 4.6.4: no less */
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
	uint32_t check;            /* 1 + index, while it is one of SPF */
	char text[QUESTION_BYTES]; /* of the question, while it is asked about */
	bool failed;               /* one of its lookups */
	struct answer answer;
	struct dkim_key *dkim; /* of QUESTION_DKIM, whose entry is that of the key */
};

struct asker_waiter {
	uint64_t id;
	uint32_t worker, next;
	struct question *dkim; /* what it asks about the key; NULL: another kind */
};

enum lookup_step {
	STEP_LIST,        /* what is found is the answer */
	STEP_HOST,        /* addresses to be looked up in the list */
	STEP_SERVERS,     /* hosts likewise */
	STEP_SPF,         /* what the check wants to know next */
	STEP_PRACTICE,    /* the record of the domain's practices; without one: */
	STEP_EXISTS,      /* whether there is such a domain */
	STEP_POLICY,      /* of the author's domain */
	STEP_POLICY_ABOVE /* of its organizational domain */
};

struct asker_check {
	struct spf spf;
	struct spf_request request;
	uint64_t began_us;
	uint32_t next;
	bool asking; /* a reply meanwhile is looked at when that is over */
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
static struct answer verified(const struct asker_entry *entry, const struct question *question)
{
	struct answer answer = entry->answer;
	struct dkim_question dkim;

	if (answer.result == ANSWER_FAILED || entry->dkim == NULL ||
	    !dkim_question_read(bytes_of(question->text, question->text_len), &dkim))
		return answer;
	answer.result = ANSWER_FOUND;
	answer.ttl_s = TTL_VERIFIED_S;
	answer.value = dkim_key_verify(entry->dkim, &dkim);
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
		            waiter->dkim != NULL ? verified(entry, waiter->dkim) : *answer);
		drop_waiter(asker, entry);
	}
}

/* False: there are too many. */
static bool look_up(struct asker *asker, struct asker_entry *entry, const char *name, uint16_t type,
                    enum lookup_step step)
{
	struct asker_lookup *lookup;

	if (asker->lookup_free == NONE) {
		asker->counts.full++;
		entry->failed = true;
		return false;
	}
	lookup = &asker->lookup[asker->lookup_free - 1];
	asker->lookup_free = lookup->next;
	lookup->entry = (uint32_t)(entry - asker->entry);
	lookup->step = step;
	entry->open++;
	asker->lookups_open++;
	asker->counts.lookups++;
	resolver_ask(asker->resolver, name, type, lookup);
	return true;
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
	if (entry->kind == QUESTION_DKIM) {
		dkim_key_read(bytes_of(reply->text, reply->text_len), entry->dkim);
		return;
	}
	for (uint32_t i = 0;
	     i < reply->address_count && answer->address_count < ANSWER_ADDRESSES_MAX; i++)
		if (addr_is_ip4(&reply->address[i]))
			answer->address[answer->address_count++] = addr_ip4(&reply->address[i]);
	add_texts(answer, bytes_of(reply->text, reply->text_len));
}

/* The addresses of a host in the list whose zone stands behind the blank. */
static void look_up_addresses(struct asker *asker, struct asker_entry *entry,
                              const struct dns_reply *reply)
{
	const char *zone = strchr(entry->text, ' ');
	char name[QUESTION_NAME_BYTES + 32];

	for (uint32_t i = 0; i < reply->address_count && i < ADDRESSES_ASKED; i++) {
		uint32_t a = addr_ip4(&reply->address[i]); /* of an A record */

		snprintf(name, sizeof(name), "%u.%u.%u.%u.%s", a & 255, a >> 8 & 255, a >> 16 & 255,
		         a >> 24, zone + 1);
		(void)look_up(asker, entry, name, DNS_TYPE_A, STEP_LIST);
	}
}

static bool is_of_use(const struct asker_entry *entry, uint64_t now_us)
{
	return entry->state == ENTRY_ASKING ||
	       (entry->state == ENTRY_KNOWN && now_us < entry->expires_us);
}

static struct hash128 key_of(const struct asker *asker, const struct question *question)
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

/* The entry of a question; NULL: there is none. */
static struct asker_entry *find(const struct asker *asker, struct hash128 key)
{
	struct asker_entry *first = first_way(asker, key);

	for (uint32_t i = 0; i < ASKER_WAYS; i++)
		if (is_of_use(&first[i], asker->now_us) &&
		    memcmp(&first[i].key, &key, sizeof(key)) == 0)
			return &first[i];
	return NULL;
}

/* A place for a question that has none; NULL: in all of them is one that is asked. */
static struct asker_entry *make_room(struct asker *asker, struct hash128 key)
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

/* What is asked of all senders of the domain; false: it is longer than any domain. */
static bool key_of_domain(const struct asker *asker, const struct spf_request *request,
                          struct hash128 *out_key)
{
	struct bytes domain = spf_sender_domain(request->sender.len > 0 ? request->sender
	                                                                : request->helo);
	char sender[QUESTION_NAME_BYTES + 1], text[QUESTION_BYTES];
	struct spf_request common = {.client = request->client};
	struct question question;

	if (domain.len == 0 || domain.len >= QUESTION_NAME_BYTES)
		return false;
	sender[0] = '@';
	memcpy(sender + 1, domain.data, domain.len);
	common.sender = bytes_of(sender, domain.len + 1);
	question_write(&question, 0, QUESTION_SPF,
	               bytes_of(text, spf_request_write(&common, text, sizeof(text))));
	*out_key = key_of(asker, &question);
	return true;
}

/* An answer that does not depend on who of the domain it was serves all of them. */
static void share(struct asker *asker, const struct asker_entry *entry,
                  const struct asker_check *check)
{
	struct asker_entry *common;
	struct hash128 key;

	if (!key_of_domain(asker, &check->request, &key))
		return;
	common = find(asker, key);
	if (common == NULL)
		common = make_room(asker, key);
	if (common == NULL || common->state == ENTRY_ASKING)
		return;
	common->state = ENTRY_KNOWN;
	common->kind = QUESTION_SPF;
	common->answer = entry->answer;
	common->expires_us = asker->now_us + (uint64_t)entry->answer.ttl_s * 1000000;
}

static void end_check(struct asker *asker, struct asker_entry *entry)
{
	struct asker_check *check = &asker->check[entry->check - 1];

	entry->answer.result = ANSWER_FOUND;
	entry->answer.value = check->spf.result;
	entry->answer.ttl_s = check->spf.ttl_s < TTL_S_MAX ? check->spf.ttl_s : TTL_S_MAX;
	if (!check->spf.is_personal)
		share(asker, entry, check);
	check->next = asker->check_free;
	asker->check_free = entry->check;
	entry->check = NONE;
}

/* Asks what the check wants to know next, until a reply has to be waited for, or it is done. */
static void run_check(struct asker *asker, struct asker_entry *entry)
{
	struct asker_check *check = &asker->check[entry->check - 1];

	if (check->asking)
		return;
	check->asking = true;
	while (spf_waits(&check->spf)) {
		uint32_t open = entry->open;

		if (asker->now_us - check->began_us > SPF_MOST_US) {
			asker->counts.spf_overdue++;
			spf_give_up(&check->spf);
		} else if (!look_up(asker, entry, check->spf.name, check->spf.type, STEP_SPF)) {
			spf_give_up(&check->spf);
		} else if (entry->open > open) {
			break;
		}
	}
	check->asking = false;
	if (!spf_waits(&check->spf))
		end_check(asker, entry);
}

static void begin_check(struct asker *asker, struct asker_entry *entry,
                        const struct question *question)
{
	struct asker_check *check;
	struct spf_request request;

	if (asker->check_free == NONE ||
	    !spf_request_read(bytes_of(entry->text, question->text_len), &request)) {
		asker->counts.full++;
		entry->failed = true;
		return;
	}
	entry->check = asker->check_free;
	check = &asker->check[entry->check - 1];
	asker->check_free = check->next;
	check->began_us = asker->now_us;
	check->asking = false;
	check->request = request;
	spf_begin(&check->spf, &request);
	run_check(asker, entry);
}

/* By MX records, as SpamAssassin; a name without them is one all the same. */
static void take_practice(struct asker *asker, struct asker_entry *entry, enum lookup_step step,
                          const struct dns_reply *reply)
{
	char practice = reply->code == DNS_CODE_NO_NAME ? 'N' : 'U';

	if (reply->result == ANSWER_FAILED)
		return;
	if (step == STEP_PRACTICE && reply->result == ANSWER_NONE) {
		(void)look_up(asker, entry, entry->text, DNS_TYPE_MX, STEP_EXISTS);
		return;
	}
	if (step == STEP_PRACTICE)
		practice = dkim_practice_read(bytes_of(reply->text, reply->text_len));
	entry->answer.result = ANSWER_FOUND;
	entry->answer.value = (uint32_t)practice;
}

static void ask_policy(struct asker *asker, struct asker_entry *entry, struct bytes domain,
                       enum lookup_step step)
{
	char name[QUESTION_NAME_BYTES + 8];

	snprintf(name, sizeof(name), "_dmarc.%.*s", (int)domain.len, (const char *)domain.data);
	(void)look_up(asker, entry, name, DNS_TYPE_TXT, step);
}

/* RFC 7489, 6.6.3: the author's own record, else that of its organizational domain. */
static void take_policy(struct asker *asker, struct asker_entry *entry, bool above,
                        const struct dns_reply *reply)
{
	struct dmarc_request request;
	struct dmarc_record record;
	struct bytes organization;
	bool any, usable;

	if (!dmarc_request_read(bytes_text(entry->text), &request))
		return;
	if (reply->ttl_s < entry->answer.ttl_s)
		entry->answer.ttl_s = reply->ttl_s;
	entry->failed |= reply->result == ANSWER_FAILED;
	if (reply->result == ANSWER_FAILED)
		return;
	usable = dmarc_record_choose(bytes_of(reply->text, reply->text_len), &record, &any);
	organization = dmarc_organization(request.author);
	if (!any && !above && organization.len < request.author.len) {
		ask_policy(asker, entry, organization, STEP_POLICY_ABOVE);
		return;
	}
	entry->answer.result = ANSWER_FOUND;
	entry->answer.value = usable ? dmarc_value(&request, &record, above) : DMARC_MISSING;
}

static void take_reply(struct asker *asker, struct asker_entry *entry, enum lookup_step step,
                       const struct dns_reply *reply)
{
	if (step == STEP_SPF) {
		spf_reply(&asker->check[entry->check - 1].spf, reply);
		run_check(asker, entry);
		return;
	}
	if (step == STEP_POLICY || step == STEP_POLICY_ABOVE) {
		take_policy(asker, entry, step == STEP_POLICY_ABOVE, reply);
		return;
	}
	entry->failed |= reply->result == ANSWER_FAILED;
	if (step == STEP_PRACTICE || step == STEP_EXISTS)
		take_practice(asker, entry, step, reply);
	if (step == STEP_LIST)
		merge(entry, reply);
	else if (reply->ttl_s < entry->answer.ttl_s)
		entry->answer.ttl_s = reply->ttl_s;
	if (step == STEP_HOST)
		look_up_addresses(asker, entry, reply);
	for (uint32_t i = 0; step == STEP_SERVERS && i < reply->name_count && i < SERVERS_ASKED;
	     i++)
		(void)look_up(asker, entry, reply->name[i], DNS_TYPE_A, STEP_HOST);
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
	take_reply(asker, entry, step, reply);
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
	if (entry->kind == QUESTION_DKIM && entry->dkim == NULL) {
		entry->failed = true; /* out of memory */
	} else if (entry->kind == QUESTION_HOST || entry->kind == QUESTION_SERVERS) {
		char host[QUESTION_NAME_BYTES];

		snprintf(host, sizeof(host), "%.*s", (int)strcspn(entry->text, " "), entry->text);
		if (entry->kind == QUESTION_HOST)
			(void)look_up(asker, entry, host, DNS_TYPE_A, STEP_HOST);
		else
			(void)look_up(asker, entry, host, DNS_TYPE_NS, STEP_SERVERS);
	} else if (entry->kind == QUESTION_PRACTICES) {
		char name[sizeof(QUESTION_PRACTICES_PREFIX) + QUESTION_NAME_BYTES];

		snprintf(name, sizeof(name), QUESTION_PRACTICES_PREFIX "%.*s",
		         QUESTION_NAME_BYTES - 1, entry->text);
		(void)look_up(asker, entry, name, DNS_TYPE_TXT, STEP_PRACTICE);
	} else if (entry->kind == QUESTION_SPF) {
		begin_check(asker, entry, question);
	} else if (entry->kind == QUESTION_DMARC) {
		ask_policy(asker, entry,
		           bytes_slice(bytes_text(entry->text), 0, strcspn(entry->text, " ")),
		           STEP_POLICY);
	} else {
		(void)look_up(asker, entry, entry->text,
		              entry->kind == QUESTION_ADDRESS ? DNS_TYPE_A : DNS_TYPE_TXT,
		              STEP_LIST);
	}
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

	*out_key = key_of(asker, question);
	entry = find(asker, *out_key);
	if (entry != NULL || question->kind != QUESTION_SPF || !spf_request_read(text, &request))
		return entry;
	if (!key_of_domain(asker, &request, &key))
		return NULL;
	common = find(asker, key);
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
			answer = verified(entry, question);
		send_answer(asker, worker, question->id, answer);
		return;
	}
	if (entry == NULL)
		entry = make_room(asker, key);
	if (entry == NULL || !add_waiter(asker, entry, worker, question)) {
		asker->counts.full++;
		refuse(asker, worker, question->id, ANSWER_FAILED);
		return;
	}
	if (entry->state == ENTRY_FREE)
		start(asker, entry, &kept_by);
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
