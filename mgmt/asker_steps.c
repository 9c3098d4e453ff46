/* asker_steps.c - what is looked up for a question, and what replies add to its answer. */
#include <stdio.h>
#include <string.h>

#include "base/dmarc_question.h"
#include "base/spf_question.h"

#include "mgmt/asker_internal.h"
#include "mgmt/dmarc.h"
#include "mgmt/dns_packet.h"

#define ADDRESSES_ASKED 4                  /* of one host */
#define SERVERS_ASKED   4                  /* of one domain */
#define SPF_MOST_US     UINT64_C(20000000) /* RFC 7208, 4.6.4: no less */

/* What one question asks after its first lookup may be many times that. The rest is for the first
 * ones: so mail with many links keeps nobody from asking. */
#define FURTHER_LOOKUPS_MAX (ASKER_LOOKUPS_MAX / 4 * 3)

static void note_refused(struct asker *asker, struct asker_entry *entry)
{
	asker->counts.lookups_refused++;
	entry->failed = true;
}

/* False: there are too many. */
static bool look_up(struct asker *asker, struct asker_entry *entry, const char *name, uint16_t type,
                    enum lookup_step step)
{
	struct asker_lookup *lookup;

	if (asker->lookup_free == NONE) {
		note_refused(asker, entry);
		return false;
	}
	lookup = &asker->lookup[asker->lookup_free - 1];
	asker->lookup_free = lookup->next;
	lookup->entry = (uint32_t)(entry - asker->entry);
	lookup->step = step;
	entry->open++;
	asker->lookups_open++;
	asker->counts.lookups++;
	resolver_ask(asker->resolver, name, type, step == STEP_CODE, lookup);
	return true;
}

static void look_up_further(struct asker *asker, struct asker_entry *entry, const char *name,
                            uint16_t type, enum lookup_step step)
{
	if (asker->lookups_open >= FURTHER_LOOKUPS_MAX)
		note_refused(asker, entry);
	else
		(void)look_up(asker, entry, name, type, step);
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
	if ((entry->kind == QUESTION_ADDRESS || entry->kind == QUESTION_TEXT) &&
	    reply->result != ANSWER_FAILED)
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

static void take_code(struct asker_entry *entry, const struct dns_reply *reply)
{
	entry->failed = reply->code == DNS_CODE_NONE;
	entry->answer.ttl_s = reply->ttl_s;
	if (!entry->failed)
		entry->answer.value = reply->code;
}

static void take_records(struct asker_entry *entry, const struct dns_reply *reply)
{
	struct answer *answer = &entry->answer;
	struct dns_records records;

	answer->ttl_s = reply->ttl_s;
	entry->failed = reply->result == ANSWER_FAILED;
	if (entry->failed)
		return;
	answer->value = reply->code;
	dns_reply_records(reply->packet, &records);
	if (records.count == 0)
		return;
	answer->result = ANSWER_FOUND;
	answer->ttl_s = records.ttl_s;
	add_texts(answer, bytes_of(records.text, records.text_len));
}

/* What the list of the question says of `host`. */
static void look_up_in_list(struct asker *asker, struct asker_entry *entry, struct bytes host)
{
	char name[2 * QUESTION_NAME_BYTES];
	struct question_of_list list;
	int len;

	if (!question_of_list_read(bytes_text(entry->text), &list))
		return;
	len = snprintf(name, sizeof(name), "%.*s.%.*s", (int)host.len, (const char *)host.data,
	               (int)list.zone.len, (const char *)list.zone.data);
	if (question_name_is_sound(bytes_of(name, (size_t)len)))
		look_up_further(asker, entry, name, list.texts ? DNS_TYPE_TXT : DNS_TYPE_A,
		                STEP_LIST);
}

/* The addresses of a host in the list. */
static void look_up_addresses(struct asker *asker, struct asker_entry *entry,
                              const struct dns_reply *reply)
{
	char text[ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < reply->address_count && i < ADDRESSES_ASKED; i++) {
		uint32_t a = addr_ip4(&reply->address[i]); /* of an A record */

		snprintf(text, sizeof(text), "%u.%u.%u.%u", a & 255, a >> 8 & 255, a >> 16 & 255,
		         a >> 24);
		look_up_in_list(asker, entry, bytes_text(text));
	}
}

/* Of a server what is looked up in the list: its name, or the domain somebody registered. */
static struct bytes listed_name(const struct asker_entry *entry, const char *server)
{
	struct bytes name = bytes_text(server);

	return entry->kind == QUESTION_SERVER_DOMAINS ? dmarc_organization(name) : name;
}

/* Each domain once, however many servers it has. */
static bool is_looked_up(const struct asker_entry *entry, const struct dns_reply *reply,
                         uint32_t index)
{
	struct bytes name = listed_name(entry, reply->name[index]);

	for (uint32_t i = 0; i < index; i++)
		if (bytes_equal(listed_name(entry, reply->name[i]), name))
			return true;
	return false;
}

static void look_up_servers(struct asker *asker, struct asker_entry *entry,
                            const struct dns_reply *reply)
{
	for (uint32_t i = 0; i < reply->name_count && i < SERVERS_ASKED; i++) {
		if (entry->kind == QUESTION_SERVERS)
			look_up_further(asker, entry, reply->name[i], DNS_TYPE_A, STEP_HOST);
		else if (!is_looked_up(entry, reply, i))
			look_up_in_list(asker, entry, listed_name(entry, reply->name[i]));
	}
}

bool asker_key_of_domain(const struct asker *asker, const struct spf_request *request,
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
	*out_key = asker_key_of(asker, &question);
	return true;
}

/* An answer that does not depend on who of the domain it was serves all of them. */
static void share(struct asker *asker, const struct asker_entry *entry,
                  const struct asker_check *check)
{
	struct asker_entry *common;
	struct hash128 key;

	if (!asker_key_of_domain(asker, &check->request, &key))
		return;
	common = asker_find(asker, key);
	if (common == NULL)
		common = asker_make_room(asker, key);
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
	entry->answer.ttl_s = check->spf.ttl_s < DNS_TTL_S_MAX ? check->spf.ttl_s : DNS_TTL_S_MAX;
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
		asker->counts.spf_refused++;
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

void asker_take_reply(struct asker *asker, struct asker_entry *entry, enum lookup_step step,
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
	if (step == STEP_RECORDS || step == STEP_CODE) {
		if (step == STEP_CODE)
			take_code(entry, reply);
		else
			take_records(entry, reply);
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
	if (step == STEP_SERVERS)
		look_up_servers(asker, entry, reply);
	if (step == STEP_PRIMARY && reply->result == ANSWER_NONE)
		look_up_in_list(asker, entry, bytes_text(reply->authority));
}

void asker_begin(struct asker *asker, struct asker_entry *entry, const struct question *question)
{
	if (entry->kind == QUESTION_DKIM && entry->dkim == NULL) {
		entry->failed = true; /* out of memory */
	} else if (entry->kind == QUESTION_RECORDS || entry->kind == QUESTION_CODE) {
		size_t blank = strcspn(entry->text, " ");
		uint16_t type = question_record_type(bytes_of(entry->text, blank));

		(void)look_up(asker, entry, entry->text + blank + 1, type,
		              entry->kind == QUESTION_CODE ? STEP_CODE : STEP_RECORDS);
	} else if (question_kind_is_of_list(entry->kind)) {
		char host[QUESTION_NAME_BYTES];

		snprintf(host, sizeof(host), "%.*s", (int)strcspn(entry->text, " "), entry->text);
		if (entry->kind == QUESTION_HOST)
			(void)look_up(asker, entry, host, DNS_TYPE_A, STEP_HOST);
		else
			(void)look_up(asker, entry, host, DNS_TYPE_NS,
			              entry->kind == QUESTION_PRIMARY ? STEP_PRIMARY
			                                              : STEP_SERVERS);
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
}
