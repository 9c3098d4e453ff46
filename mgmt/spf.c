/* spf.c - whether a client may send for a domain, as a machine that is fed with replies.
 *
 * Frames are records that include each other; a redirect takes the place of its record. At most
 * SPF_TERMS_MAX terms open one, so there are never more than SPF_FRAMES_MAX. Each step either goes
 * a term on in a record, or leaves one, or waits: records are finite and their number is.
 */
#include "mgmt/spf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

#include "mgmt/spf_macro.h"
#include "mgmt/spf_term.h"

#define LABEL_BITS4 96 /* of an IPv4 address as struct addr has it */

enum outcome { NO_MATCH, MATCH, WAITS, ENDED };

static struct spf_frame *top(struct spf *spf)
{
	ASSERT(spf->frame_count > 0);
	return &spf->frame[spf->frame_count - 1];
}

static enum outcome end(struct spf *spf, enum spf_result result)
{
	spf->result = result;
	spf->wait = SPF_WAIT_NOTHING;
	spf->frame_count = 0;
	return ENDED;
}

static void copy_name(char out[QUESTION_NAME_BYTES], const char *name)
{
	size_t len = strlen(name);

	ASSERT(len < QUESTION_NAME_BYTES);
	memmove(out, name, len + 1);
}

static enum outcome ask(struct spf *spf, const char *name, uint16_t type, enum spf_wait wait)
{
	copy_name(spf->name, name);
	spf->type = type;
	spf->wait = wait;
	return WAITS;
}

/* A new frame, of the record of `domain`. */
static enum outcome enter(struct spf *spf, const char *domain)
{
	struct spf_frame *frame = &spf->frame[spf->frame_count++];

	ASSERT(spf->frame_count <= SPF_FRAMES_MAX);
	memset(frame, 0, sizeof(*frame));
	copy_name(frame->domain, domain);
	return ask(spf, domain, DNS_TYPE_TXT, SPF_WAIT_RECORD);
}

void spf_begin(struct spf *spf, const struct spf_request *request)
{
	struct bytes sender = request->sender, domain = spf_sender_domain(request->helo);
	size_t at = sender.len;
	char name[QUESTION_NAME_BYTES];

	memset(spf, 0, offsetof(struct spf, texts));
	spf->texts_len = 0;
	spf->ttl_s = UINT32_MAX;
	spf->client = request->client;
	spf->helo = request->helo;
	spf->local = BYTES("postmaster");
	if (sender.len > 0)
		domain = spf_sender_domain(sender);
	while (at > 0 && sender.data[at - 1] != '@')
		at--;
	if (at > 1)
		spf->local = bytes_slice(sender, 0, at - 1);
	spf->sender_domain = domain;
	if (!dns_name_is_sound(domain) || spf->local.len > SPF_LOCAL_BYTES) {
		(void)end(spf, SPF_NONE);
		return;
	}
	for (size_t i = 0; i < domain.len; i++)
		name[i] = (char)bytes_lower(domain.data[i]);
	name[domain.len] = '\0';
	(void)enter(spf, name);
}

/* The record of the frame on top says `result`: the end, or a term of the record that included it
 * (5.2). True: go on with that record. */
static bool leave(struct spf *spf, enum spf_result result)
{
	while (spf->frame_count > 1) {
		spf->texts_len = top(spf)->text;
		spf->frame_count--;
		if (result == SPF_FAIL || result == SPF_SOFTFAIL || result == SPF_NEUTRAL)
			return true;
		if (result != SPF_PASS) {
			(void)end(spf, result == SPF_TEMPERROR ? result : SPF_PERMERROR);
			return false;
		}
		result = top(spf)->qualifier;
	}
	(void)end(spf, result);
	return false;
}

static struct spf_macros macros_of(struct spf *spf)
{
	struct spf_macros macros = {.client = spf->client,
	                            .local = spf->local,
	                            .sender_domain = spf->sender_domain,
	                            .helo = spf->helo,
	                            .domain = bytes_text(top(spf)->domain)};

	return macros;
}

static bool is_below(struct bytes name, struct bytes domain)
{
	return name.len > domain.len && name.data[name.len - domain.len - 1] == '.' &&
	       bytes_equal(bytes_slice(name, name.len - domain.len, domain.len), domain);
}

/* Of the client's names the domain itself, else one below it, else any (7.3). */
static struct bytes validated_name(const struct spf *spf, struct bytes domain)
{
	struct bytes best = {0};
	int rank = 0;

	for (uint32_t i = 0; i < spf->validated_count; i++) {
		struct bytes name = bytes_text(spf->validated[i]);
		int its = bytes_equal(name, domain) ? 3 : is_below(name, domain) ? 2 : 1;

		if (its > rank) {
			rank = its;
			best = name;
		}
	}
	return best;
}

static enum outcome ask_client_names(struct spf *spf)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *o = spf->client.octet;
	char name[QUESTION_NAME_BYTES];
	size_t at = 0;

	if (addr_is_ip4(&spf->client)) {
		snprintf(name, sizeof(name), "%u.%u.%u.%u.in-addr.arpa", o[15], o[14], o[13],
		         o[12]);
		return ask(spf, name, DNS_TYPE_PTR, SPF_WAIT_PTR);
	}
	for (int i = 15; i >= 0; i--) {
		name[at++] = hex[o[i] & 15];
		name[at++] = '.';
		name[at++] = hex[o[i] >> 4];
		name[at++] = '.';
	}
	snprintf(name + at, sizeof(name) - at, "ip6.arpa");
	return ask(spf, name, DNS_TYPE_PTR, SPF_WAIT_PTR);
}

/* The name a term is about. WAITS: the client's names are needed first, then the term comes again;
 * NO_MATCH: no such name can be. */
static enum outcome target_of(struct spf *spf, struct bytes spec,
                              char out_name[QUESTION_NAME_BYTES])
{
	struct spf_macros macros = macros_of(spf);

	if (spec.len == 0) {
		copy_name(out_name, top(spf)->domain);
		return MATCH;
	}
	spf->is_personal |= spf_domain_uses(spec, "lsh");
	if (spf_domain_uses(spec, "p")) {
		if (!spf->validated_known)
			return ask_client_names(spf);
		macros.validated = validated_name(spf, macros.domain);
	}
	return spf_domain_expand(&macros, spec, out_name) ? MATCH : NO_MATCH;
}

static bool in_network(const struct spf *spf, const struct addr *network, uint8_t bits4,
                       uint8_t bits6)
{
	bool four = addr_is_ip4(&spf->client);
	struct prefix prefix = {*network, four ? (uint8_t)(LABEL_BITS4 + bits4) : bits6};

	return addr_is_ip4(network) == four && prefix_contains(&prefix, &spf->client);
}

static bool any_in_network(const struct spf *spf, const struct dns_reply *reply)
{
	for (uint32_t i = 0; i < reply->address_count; i++)
		if (in_network(spf, &reply->address[i], spf->bits4, spf->bits6))
			return true;
	return false;
}

static uint16_t address_type(const struct spf *spf)
{
	return addr_is_ip4(&spf->client) ? DNS_TYPE_A : DNS_TYPE_AAAA;
}

static enum outcome match_client_name(struct spf *spf, const char *target)
{
	struct bytes domain = bytes_text(target);

	if (!spf->validated_known)
		return ask_client_names(spf);
	for (uint32_t i = 0; i < spf->validated_count; i++) {
		struct bytes name = bytes_text(spf->validated[i]);

		if (bytes_equal(name, domain) || is_below(name, domain))
			return MATCH;
	}
	return NO_MATCH;
}

static bool asks(enum spf_term_kind kind)
{
	return kind != SPF_TERM_ALL && kind != SPF_TERM_IP4 && kind != SPF_TERM_IP6 &&
	       kind != SPF_TERM_EXP && kind != SPF_TERM_OTHER;
}

/* A term that asks is counted, once, before it does (4.6.4). */
static bool count_term(struct spf *spf, enum spf_term_kind kind)
{
	if (spf->counted || !asks(kind))
		return true;
	spf->counted = true;
	return ++spf->term_count <= SPF_TERMS_MAX;
}

static enum outcome begin_lookup(struct spf *spf, const struct spf_term *term)
{
	char target[QUESTION_NAME_BYTES];
	enum outcome outcome = target_of(spf, term->domain, target);

	if (outcome == NO_MATCH && term->kind == SPF_TERM_INCLUDE)
		return end(spf, SPF_PERMERROR);
	if (outcome != MATCH)
		return outcome;
	spf->bits4 = term->bits4;
	spf->bits6 = term->bits6;
	switch (term->kind) {
	case SPF_TERM_INCLUDE:
		return enter(spf, target);
	case SPF_TERM_A:
		return ask(spf, target, address_type(spf), SPF_WAIT_ADDRESS);
	case SPF_TERM_MX:
		return ask(spf, target, DNS_TYPE_MX, SPF_WAIT_MX);
	case SPF_TERM_PTR:
		return match_client_name(spf, target);
	default:
		ASSERT(term->kind == SPF_TERM_EXISTS);
		return ask(spf, target, DNS_TYPE_A, SPF_WAIT_EXISTS);
	}
}

static enum outcome try_term(struct spf *spf, const struct spf_term *term)
{
	switch (term->kind) {
	case SPF_TERM_ALL:
		return MATCH;
	case SPF_TERM_IP4:
	case SPF_TERM_IP6:
		return in_network(spf, &term->network, term->bits4, term->bits6) &&
		               addr_is_ip4(&spf->client) == (term->kind == SPF_TERM_IP4)
		           ? MATCH
		           : NO_MATCH;
	case SPF_TERM_REDIRECT: /* when no term has matched */
	case SPF_TERM_EXP:
	case SPF_TERM_OTHER:
		return NO_MATCH;
	default:
		return count_term(spf, term->kind) ? begin_lookup(spf, term)
		                                   : end(spf, SPF_PERMERROR);
	}
}

static struct bytes terms_from(struct spf *spf, uint32_t offset)
{
	const struct spf_frame *frame = top(spf);

	return bytes_of(spf->texts + frame->text + offset, frame->text_len - offset);
}

/* No term has matched: another record in its place, or neutral (4.7, 6.1). False: it waits or has
 * ended. */
static bool redirect(struct spf *spf)
{
	struct bytes terms = terms_from(spf, 0);
	struct spf_term term = {.kind = SPF_TERM_OTHER};
	char target[QUESTION_NAME_BYTES];
	enum outcome outcome;

	while (term.kind != SPF_TERM_REDIRECT)
		if (spf_term_next(&terms, &term) != SPF_TERM_TAKEN)
			return leave(spf, SPF_NEUTRAL);
	if (!count_term(spf, SPF_TERM_REDIRECT)) {
		(void)end(spf, SPF_PERMERROR);
		return false;
	}
	outcome = target_of(spf, term.domain, target);
	if (outcome == NO_MATCH)
		(void)end(spf, SPF_PERMERROR);
	if (outcome != MATCH)
		return false;
	spf->texts_len = top(spf)->text;
	spf->frame_count--;
	(void)enter(spf, target);
	/* A domain one was sent to must have a record, the first need not. */
	top(spf)->redirected = true;
	return false;
}

/* True: go on. */
static bool settle(struct spf *spf, enum outcome outcome)
{
	if (outcome == WAITS || outcome == ENDED)
		return false;
	spf->counted = false;
	return outcome == NO_MATCH || leave(spf, top(spf)->qualifier);
}

static void run(struct spf *spf)
{
	bool on = true;

	while (on) {
		struct spf_frame *frame = top(spf);
		struct bytes terms = terms_from(spf, frame->next);
		struct spf_term term;

		frame->term = frame->next;
		if (spf_term_next(&terms, &term) != SPF_TERM_TAKEN) {
			on = redirect(spf);
			continue;
		}
		frame->next = frame->text_len - (uint32_t)terms.len;
		frame->qualifier = term.qualifier;
		on = settle(spf, try_term(spf, &term));
	}
}

/* The term in hand from its beginning, now that the client's names are known. */
static void run_again(struct spf *spf)
{
	top(spf)->next = top(spf)->term;
	run(spf);
}

static void go_on(struct spf *spf, enum outcome outcome)
{
	if (settle(spf, outcome))
		run(spf);
}

/* The only text that is a record of SPF; false: there are several (4.5). */
static bool choose_record(const struct dns_reply *reply, struct bytes *out_terms, bool *out_any)
{
	struct bytes rest = bytes_of(reply->text, reply->text_len), text, terms;

	*out_any = false;
	while (dns_reply_next_text(&rest, &text))
		if (spf_record_begins(text, &terms)) {
			if (*out_any)
				return false;
			*out_any = true;
			*out_terms = terms;
		}
	return true;
}

static void take_record(struct spf *spf, const struct dns_reply *reply)
{
	struct spf_frame *frame = top(spf);
	struct bytes terms;
	bool any, fits;

	spf->counted = false;
	if (reply->result == ANSWER_FAILED) {
		(void)end(spf, SPF_TEMPERROR);
		return;
	}
	if (!choose_record(reply, &terms, &any)) {
		(void)end(spf, SPF_PERMERROR);
		return;
	}
	if (!any) {
		/* Of an include leave() makes a permerror. */
		(void)leave(spf, frame->redirected ? SPF_PERMERROR : SPF_NONE);
		return;
	}
	fits = terms.len <= SPF_TEXT_BYTES - spf->texts_len;
	if (!fits || !spf_terms_are_sound(terms)) {
		(void)end(spf, SPF_PERMERROR);
		return;
	}
	frame->text = spf->texts_len;
	frame->text_len = (uint32_t)terms.len;
	memcpy(spf->texts + frame->text, terms.data, terms.len);
	spf->texts_len += frame->text_len;
	run(spf);
}

/* Counts a lookup that found nothing. True: that, or a failure, has ended the check. */
static bool has_ended(struct spf *spf, const struct dns_reply *reply)
{
	if (reply->result == ANSWER_FAILED) {
		(void)end(spf, SPF_TEMPERROR);
		return true;
	}
	if (reply->result == ANSWER_FOUND || ++spf->void_count <= SPF_VOIDS_MAX)
		return false;
	(void)end(spf, SPF_PERMERROR);
	return true;
}

static void keep_names(struct spf *spf, const struct dns_reply *reply)
{
	spf->waiting_count = spf->waiting_next = 0;
	while (spf->waiting_count < reply->name_count && spf->waiting_count < SPF_NAMES_MAX) {
		memcpy(spf->waiting[spf->waiting_count], reply->name[spf->waiting_count],
		       QUESTION_NAME_BYTES);
		spf->waiting_count++;
	}
}

/* The addresses of the next name; false: there is none. */
static bool ask_next_name(struct spf *spf, enum spf_wait wait)
{
	if (spf->waiting_next == spf->waiting_count)
		return false;
	(void)ask(spf, spf->waiting[spf->waiting_next++], address_type(spf), wait);
	return true;
}

static void take_mx(struct spf *spf, const struct dns_reply *reply)
{
	if (has_ended(spf, reply))
		return;
	if (reply->name_count > SPF_NAMES_MAX) {
		(void)end(spf, SPF_PERMERROR);
		return;
	}
	keep_names(spf, reply);
	if (!ask_next_name(spf, SPF_WAIT_MX_ADDRESS))
		go_on(spf, NO_MATCH);
}

static void take_mx_address(struct spf *spf, const struct dns_reply *reply)
{
	if (has_ended(spf, reply))
		return;
	if (any_in_network(spf, reply))
		go_on(spf, MATCH);
	else if (!ask_next_name(spf, SPF_WAIT_MX_ADDRESS))
		go_on(spf, NO_MATCH);
}

/* Names beyond the bound are left out, and failures pass for nothing (5.5): they are the client's,
 * and the domain cannot help them. For that they are not counted either. */
static void take_ptr(struct spf *spf, const struct dns_reply *reply)
{
	keep_names(spf, reply);
	if (ask_next_name(spf, SPF_WAIT_PTR_ADDRESS))
		return;
	spf->validated_known = true;
	run_again(spf);
}

static void take_ptr_address(struct spf *spf, const struct dns_reply *reply)
{
	bool its = false;

	for (uint32_t i = 0; i < reply->address_count; i++)
		its |= addr_equal(&reply->address[i], &spf->client);
	if (its)
		memcpy(spf->validated[spf->validated_count++], spf->waiting[spf->waiting_next - 1],
		       QUESTION_NAME_BYTES);
	if (ask_next_name(spf, SPF_WAIT_PTR_ADDRESS))
		return;
	spf->validated_known = true;
	run_again(spf);
}

void spf_give_up(struct spf *spf)
{
	(void)end(spf, SPF_TEMPERROR);
}

void spf_reply(struct spf *spf, const struct dns_reply *reply)
{
	enum spf_wait wait = spf->wait;

	ASSERT(spf_waits(spf));
	if (reply->ttl_s < spf->ttl_s)
		spf->ttl_s = reply->ttl_s;
	spf->wait = SPF_WAIT_NOTHING;
	switch (wait) {
	case SPF_WAIT_RECORD:
		take_record(spf, reply);
		return;
	case SPF_WAIT_ADDRESS:
		if (!has_ended(spf, reply))
			go_on(spf, any_in_network(spf, reply) ? MATCH : NO_MATCH);
		return;
	case SPF_WAIT_EXISTS:
		if (!has_ended(spf, reply))
			go_on(spf, reply->result == ANSWER_FOUND ? MATCH : NO_MATCH);
		return;
	case SPF_WAIT_MX:
		take_mx(spf, reply);
		return;
	case SPF_WAIT_MX_ADDRESS:
		take_mx_address(spf, reply);
		return;
	case SPF_WAIT_PTR:
		take_ptr(spf, reply);
		return;
	case SPF_WAIT_PTR_ADDRESS:
		take_ptr_address(spf, reply);
		return;
	case SPF_WAIT_NOTHING:
		return;
	}
}
