/* eval_net.c - eval functions that ask DNS lists about the relays, senders and links of a message.
 *
 * One walk over what a rule asks serves both to ask, before the message is judged, and to look at
 * the answers, when it is. Which relays are asked about, in which order, and which answers count
 * follows SpamAssassin 4.0.1. What has not been answered leaves the rule open, unless another
 * answer makes it hit.
 */
#include <stdio.h>

#include "base/check.h"
#include "classifier/eval_dkim.h"
#include "classifier/eval_net.h"
#include "classifier/eval_signature.h"

#define RELAYS_ASKED_MAX 32u
#define LOOPBACK_NET     127u

static struct bytes lower_name(struct bytes text, char memory[QUESTION_NAME_BYTES])
{
	size_t len = text.len < QUESTION_NAME_BYTES ? text.len : QUESTION_NAME_BYTES - 1;

	for (size_t i = 0; i < len; i++)
		memory[i] = (char)eval_lower(text.data[i]);
	return bytes_of(memory, len);
}

/* "host.zone"; what cannot be a name in the DNS is not asked. */
static bool ask_below(struct walk *walk, enum question_kind kind, struct bytes host,
                      struct bytes zone)
{
	char memory[QUESTION_NAME_BYTES], text[QUESTION_NAME_BYTES + 1];
	struct bytes name = lower_name(host, memory);
	int len = snprintf(text, sizeof(text), "%.*s%c%.*s", (int)name.len, memory,
	                   question_kind_is_of_list(kind) ? ' ' : '.', (int)zone.len,
	                   (const char *)zone.data);

	if (len < 0 || len >= QUESTION_NAME_BYTES)
		return true;
	return !question_text_is_sound(kind, bytes_of(text, (size_t)len)) ||
	       walk->see(walk, kind, bytes_of(text, (size_t)len));
}

bool net_ask_below(struct walk *walk, enum question_kind kind, struct bytes host, struct bytes zone)
{
	return ask_below(walk, kind, host, zone);
}

bool net_ask(struct walk *walk, enum question_kind kind, struct bytes name)
{
	char memory[QUESTION_NAME_BYTES];

	name = lower_name(name, memory);
	return !question_name_is_sound(name) || walk->see(walk, kind, name);
}

bool net_ask_records(struct walk *walk, enum question_kind kind, struct bytes type,
                     struct bytes name)
{
	char memory[QUESTION_NAME_BYTES], text[QUESTION_NAME_BYTES + 8];
	int len;

	name = lower_name(name, memory);
	len = snprintf(text, sizeof(text), "%.*s %.*s", (int)type.len, (const char *)type.data,
	               (int)name.len, memory);
	if (len < 0 || (size_t)len >= sizeof(text))
		return true;
	return !question_text_is_sound(kind, bytes_of(text, (size_t)len)) ||
	       walk->see(walk, kind, bytes_of(text, (size_t)len));
}

bool net_is_full_name(struct bytes name)
{
	size_t label = 0, underscores = 0, ends = 0;

	/* From its end on: labels of letters, digits and, inside, hyphens. */
	for (size_t i = name.len; i > 0; i--) {
		uint8_t c = name.data[i - 1];
		bool at_end = i == name.len || name.data[i] == '.' || i == 1 ||
		              name.data[i - 2] == '.';

		if (c == '.') {
			ends++;
			label = 0;
			continue;
		}
		label++;
		underscores += c == '_' && ends < 2;
		if (c == '-' && at_end)
			return false;
	}
	return underscores == 0 && ends > 0 && label > 0;
}

struct bytes net_reversed(const struct addr *addr, char memory[REVERSED_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *o = addr->octet;
	size_t at = 0;

	if (addr_is_ip4(addr))
		return bytes_of(memory, (size_t)snprintf(memory, ADDR_TEXT_MAX, "%u.%u.%u.%u",
		                                         o[15], o[14], o[13], o[12]));
	for (int i = 15; i >= 0; i--) {
		memory[at++] = hex[o[i] & 15];
		memory[at++] = '.';
		memory[at++] = hex[o[i] >> 4];
		memory[at++] = '.';
	}
	return bytes_of(memory, at - 1);
}

static bool ask_address(struct walk *walk, enum question_kind kind, const struct addr *addr,
                        struct bytes zone)
{
	char memory[REVERSED_BYTES];

	return ask_below(walk, kind, net_reversed(addr, memory), zone);
}

/* Relays */

struct relay_set {
	struct addr item[RELAYS_ASKED_MAX];
	uint32_t count;
};

/* Public ones, each once; those beyond the bound are further away than is ever asked. */
static void add_relay(struct relay_set *set, struct bytes ip)
{
	struct addr addr;

	if (set->count == RELAYS_ASKED_MAX || addr_parse(ip, &addr) != OK || eval_is_private_ip(ip))
		return;
	for (uint32_t i = 0; i < set->count; i++)
		if (addr_equal(&set->item[i], &addr))
			return;
	set->item[set->count++] = addr;
}

static void add_relays(const struct facts *facts, bool external, struct relay_set *set)
{
	for (uint32_t i = 0; i < facts->relay_count; i++)
		if (!facts->relay[i].is_trusted || (external && !facts->relay[i].is_internal))
			add_relay(set, facts->relay[i].ip);
}

static void drop_first(struct relay_set *set)
{
	set->count--;
	memmove(set->item, set->item + 1, set->count * sizeof(*set->item));
}

static void reverse(struct relay_set *set)
{
	for (uint32_t i = 0; i < set->count / 2; i++) {
		struct addr other = set->item[set->count - 1 - i];

		set->item[set->count - 1 - i] = set->item[i];
		set->item[i] = other;
	}
}

static bool ends_with(struct bytes text, struct bytes end)
{
	return text.len >= end.len &&
	       bytes_equal(bytes_slice(text, text.len - end.len, end.len), end);
}

static uint32_t setting(const struct eval_call *call, enum eval_setting which, uint32_t max)
{
	double number = call->ruleset->evals.setting[which];

	return number >= 0 && number < max ? (uint32_t)number : max;
}

static uint32_t flags(const struct eval_call *call)
{
	return (uint32_t)eval_number(call, 0);
}

/* The name of a set says which relays it asks about. */
static void choose_relays(const struct eval_call *call, struct relay_set *set)
{
	const struct relay_networks *trusted = &call->ruleset->evals.trust.trusted;
	struct bytes name = eval_text(call, 0);
	bool last_external = ends_with(name, BYTES("-lastexternal"));
	bool not_first = ends_with(name, BYTES("-notfirsthop"));
	bool first = last_external || ends_with(name, BYTES("-firsttrusted"));
	uint32_t most = setting(call, EVAL_SETTING_NUM_CHECK_RECEIVED, RELAYS_ASKED_MAX);

	set->count = 0;
	add_relays(call->facts, last_external || not_first, set);
	if (not_first && set->count > 1)
		set->count--;
	else if (first && set->count > 1)
		set->count = 1;
	else if (ends_with(name, BYTES("-untrusted")) && set->count > 0)
		drop_first(set);
	else if (!not_first && !first)
		reverse(set);
	if (set->count > most)
		set->count = most;
	if ((flags(call) & NET_NICE) != 0)
		return;
	while (set->count > 0 && relay_networks_contain(trusted, &set->item[0]))
		drop_first(set);
}

static void walk_relays(struct walk *walk, enum question_kind kind)
{
	const struct eval_call *call = walk->call;
	struct relay_set set;

	/* Where all relays are trusted, so is the message. */
	if (call->facts->relays_untrusted == 0)
		return;
	choose_relays(call, &set);
	for (uint32_t i = 0; i < set.count; i++)
		if (!ask_address(walk, kind, &set.item[i], eval_text(call, 1)))
			return;
}

/* Senders */

static bool ask_host(struct walk *walk, enum question_kind kind, struct bytes host)
{
	const struct eval_call *call = walk->call;
	struct addr addr;

	if (eval_is_ip4(host) && addr_parse(host, &addr) == OK)
		return (flags(call) & NET_DOMAINS_ONLY) != 0 ||
		       ask_address(walk, kind, &addr, eval_text(call, 1));
	if ((flags(call) & NET_IPS_ONLY) != 0 || !eval_has_valid_tld(call->ruleset, host))
		return true;
	return ask_below(walk, kind, host, eval_text(call, 1));
}

static void walk_senders(struct walk *walk)
{
	const struct eval_call *call = walk->call;
	const struct eval_addresses *from = &call->state->addresses;
	bool registered = call->eval->function == EVAL_check_rbl_from_domain;

	if (call->eval->function == EVAL_check_rbl_envfrom) {
		call->state->addresses.count = 0;
		eval_add_addresses(call, 0, &call->state->addresses);
	} else {
		from = eval_from_addresses(call);
	}
	for (uint32_t i = 0; i < from->count; i++) {
		struct bytes host = bytes_behind_last(from->item[i], '@');

		if (registered)
			host = eval_registered_domain(call->ruleset, host);
		if (host.len > 0 && !ask_host(walk, QUESTION_ADDRESS, host))
			return;
	}
}

/* The first address of the envelope whose domain has a dot. */
static void walk_sender_server(struct walk *walk)
{
	const struct eval_call *call = walk->call;
	struct bytes rest = eval_header(call, 0), line;

	for (uint32_t i = 0; i < EVAL_ADDRESSES_MAX && eval_next_line(&rest, &line); i++) {
		struct bytes host = bytes_behind_last(line, '@');

		if (host.len == line.len || bytes_find(host, '.') == host.len)
			continue;
		(void)ask_below(walk, QUESTION_PRIMARY, host, eval_text(call, 1));
		return;
	}
}

/* A host or an address of either family. */
static bool ask_host_or_address(struct walk *walk, struct bytes host)
{
	const struct eval_call *call = walk->call;
	struct addr addr;

	if (addr_parse(host, &addr) == OK)
		return (flags(call) & NET_DOMAINS_ONLY) != 0 ||
		       ask_address(walk, QUESTION_ADDRESS, &addr, eval_text(call, 1));
	return !net_is_full_name(host) || ask_host(walk, QUESTION_ADDRESS, host);
}

/* Of each header the host of its first address, else the hosts it consists of. */
static void walk_headers(struct walk *walk)
{
	const struct eval_call *call = walk->call;

	for (uint32_t h = 0; h + 1 < call->eval->selector_count; h += 2) {
		struct bytes host = bytes_behind_last(eval_first(call, h), '@'), line;
		struct bytes rest = eval_header(call, h + 1);

		if (host.len > 0) {
			if (!ask_host(walk, QUESTION_ADDRESS, host))
				return;
			continue;
		}
		for (uint32_t i = 0; i < EVAL_ADDRESSES_MAX && eval_next_line(&rest, &line); i++)
			if (!ask_host_or_address(walk, line))
				return;
	}
}

/* All that is known of the untrusted relay where the message began. */
static void walk_furthest_relay(struct walk *walk)
{
	const struct facts *facts = walk->call->facts;
	const struct fact_relay *relay;

	if (facts->relays_untrusted == 0 || facts->relay_count == 0)
		return;
	relay = &facts->relay[facts->relay_count - 1];
	if (!relay->is_trusted && ask_host_or_address(walk, relay->ip) &&
	    ask_host_or_address(walk, relay->by) && ask_host_or_address(walk, relay->helo))
		(void)ask_host_or_address(walk, relay->rdns);
}

/* Links */

static bool is_skipped(const struct eval_call *call, struct bytes host)
{
	return eval_list_find(call->ruleset, EVAL_LIST_URIDNSBL_SKIP, host, false) != NULL;
}

static void add_host(const struct eval_call *call, struct eval_hosts *hosts, struct bytes host)
{
	struct bytes domain = eval_registered_domain(call->ruleset, host);
	uint32_t most = setting(call, EVAL_SETTING_URIDNSBL_MAX_DOMAINS, EVAL_HOSTS_MAX);

	if (hosts->count >= most || is_skipped(call, host) || is_skipped(call, domain))
		return;
	if (eval_is_ip4(host) && eval_is_private_ip(host))
		return;
	for (uint32_t i = 0; i < hosts->count; i++)
		if (bytes_equal_nocase(hosts->item[i].host, host))
			return;
	hosts->item[hosts->count].host = host;
	hosts->item[hosts->count++].domain = domain;
}

static void add_signers(const struct eval_call *call, struct eval_hosts *hosts)
{
	for (uint32_t header = 0; header < 2; header++) {
		struct bytes rest = eval_header(call, header), line;
		struct eval_match match;

		while (eval_next_line(&rest, &line))
			if (eval_find(call, EVAL_PATTERN_SIGNING_DOMAIN, line, 0, &match)) {
				struct bytes host = bytes_slice(line, match.group, match.group_len);

				if (eval_has_valid_tld(call->ruleset, host))
					add_host(call, hosts, host);
			}
	}
}

/* Found once a message. */
static const struct eval_hosts *link_hosts(const struct eval_call *call)
{
	const struct text *uris = &call->texts->kind[TEXT_URI];
	struct eval_hosts *hosts = &call->state->hosts;

	if (hosts->known)
		return hosts;
	hosts->known = true;
	hosts->count = 0;
	for (uint32_t i = 0; i < uris->segment_count; i++) {
		struct bytes host;

		if (eval_uri_host(call, text_segment(uris, i), &host))
			add_host(call, hosts, host);
	}
	add_signers(call, hosts);
	return hosts;
}

#define NET_LINK_FLAGS (NET_HOST_ADDRESS | NET_SERVER_ADDRESS | NET_SERVER_NAME | NET_SERVER_DOMAIN)

/* What the host or its servers are asked about by: management finds that out. */
static bool ask_about_link(struct walk *walk, struct bytes host, struct bytes domain, bool texts)
{
	static const struct {
		uint32_t flag;
		enum question_kind kind;
	} ways[] = {{NET_HOST_ADDRESS, QUESTION_HOST},
	            {NET_SERVER_ADDRESS, QUESTION_SERVERS},
	            {NET_SERVER_NAME, QUESTION_SERVER_NAMES},
	            {NET_SERVER_DOMAIN, QUESTION_SERVER_DOMAINS}};
	struct bytes zone = eval_text(walk->call, 0);
	char memory[QUESTION_NAME_BYTES];
	int len = snprintf(memory, sizeof(memory), "%.*s%s", (int)zone.len, (const char *)zone.data,
	                   texts ? " txt" : "");

	if (len < 0 || len >= QUESTION_NAME_BYTES)
		return true;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if ((flags(walk->call) & ways[i].flag) != 0 &&
		    !ask_below(walk, ways[i].kind, ways[i].flag == NET_HOST_ADDRESS ? host : domain,
		               bytes_of(memory, (size_t)len)))
			return false;
	return true;
}

/* One host of a link, by what the rule looks at. */
static bool ask_link(struct walk *walk, struct bytes host, struct bytes domain)
{
	const struct eval_call *call = walk->call;
	struct bytes zone = eval_text(call, 0);
	uint32_t f = flags(call);
	struct addr addr;
	bool texts = bytes_equal_nocase(eval_text(call, 1), BYTES("TXT"));
	enum question_kind kind = texts ? QUESTION_TEXT : QUESTION_ADDRESS;

	if (eval_is_ip4(host) && addr_parse(host, &addr) == OK)
		return (f & (NET_DOMAINS_ONLY | NET_LINK_FLAGS)) != 0 ||
		       ask_address(walk, kind, &addr, zone);
	if ((f & NET_LINK_FLAGS) != 0)
		return ask_about_link(walk, host, domain, texts);
	return (f & NET_IPS_ONLY) != 0 ||
	       ask_below(walk, kind, (f & NET_FULL_HOST) != 0 ? host : domain, zone);
}

static void walk_links(struct walk *walk)
{
	const struct eval_hosts *hosts = link_hosts(walk->call);

	for (uint32_t i = 0; i < hosts->count; i++)
		if (!ask_link(walk, hosts->item[i].host, hosts->item[i].domain))
			return;
}

static bool is_turned_off(const struct eval_call *call)
{
	enum eval_asks asks = eval_asks(call->eval);
	bool links = asks == ASKS_LINKS;
	enum eval_setting off = links ? EVAL_SETTING_SKIP_URIBL_CHECKS
	                              : EVAL_SETTING_SKIP_RBL_CHECKS;

	return (links || eval_asks_for_set(asks)) && call->ruleset->evals.setting[off] != 0;
}

static void walk_rule(struct walk *walk)
{
	if (is_turned_off(walk->call))
		return;
	switch (eval_asks(walk->call->eval)) {
	case ASKS_RELAYS:
		walk_relays(walk, QUESTION_ADDRESS);
		break;
	case ASKS_RELAY_TEXTS:
		walk_relays(walk, QUESTION_TEXT);
		break;
	case ASKS_SENDERS:
		walk_senders(walk);
		break;
	case ASKS_HEADERS:
		walk_headers(walk);
		break;
	case ASKS_FURTHEST_RELAY:
		walk_furthest_relay(walk);
		break;
	case ASKS_SENDER_SERVER:
		walk_sender_server(walk);
		break;
	case ASKS_LINKS:
		walk_links(walk);
		break;
	case ASKS_NAMES:
		askdns_walk(walk);
		break;
	case ASKS_DIGESTS:
		hashbl_walk(walk);
		break;
	default: /* asks nothing by itself, or elsewhere */
		break;
	}
}

/* Answers */

static bool is_loopback(uint32_t address)
{
	return address >> 24 == LOOPBACK_NET;
}

/* Two numbers and what stands between them. */
bool net_address_fits(uint32_t address, struct bytes subtest)
{
	size_t mark = 0;
	uint64_t first = 0, second = 0;

	while (mark < subtest.len && subtest.data[mark] != '-' && subtest.data[mark] != '/')
		mark++;
	if (!bytes_to_u64(bytes_slice(subtest, 0, mark), UINT32_MAX, &first))
		return false;
	if (mark == subtest.len)
		return (address & first) != 0 && is_loopback(address);
	if (!bytes_to_u64(bytes_slice(subtest, mark + 1, SIZE_MAX), UINT32_MAX, &second))
		return false;
	return subtest.data[mark] == '-' ? address >= first && address <= second
	                                 : (address & second) == (first & second);
}

/* One record of an answer as text: an address, or what a TXT says. */
static bool record_fits(const struct eval_call *asker, struct bytes subtest, struct bytes record)
{
	struct addr addr;
	uint64_t mask;

	if (bytes_to_u64(subtest, UINT32_MAX, &mask))
		return eval_is_ip4(record) && addr_parse(record, &addr) == OK &&
		       is_loopback(addr_ip4(&addr)) && (addr_ip4(&addr) & mask) != 0;
	if (asker->ruleset->rule[asker->eval->rule].pattern_bytes == 0)
		return bytes_equal(subtest, record);
	return eval_rule_matches(asker, record);
}

static bool addresses_fit(const struct eval_call *asker, struct bytes subtest,
                          const struct answer *answer)
{
	bool link = eval_asks(asker->eval) == ASKS_LINKS;
	char text[ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < answer->address_count; i++) {
		struct addr addr = addr_from_ip4(answer->address[i]);

		if (link && subtest.len > 0) {
			if (net_address_fits(answer->address[i], subtest))
				return true;
			continue;
		}
		/* A list answers in 127/8; anything else is somebody's error page. */
		if (is_loopback(answer->address[i]) &&
		    (subtest.len == 0 ||
		     record_fits(asker, subtest, bytes_text(addr_format(&addr, text)))))
			return true;
	}
	return false;
}

static bool texts_fit(const struct eval_call *asker, struct bytes subtest,
                      const struct answer *answer)
{
	struct bytes rest = bytes_of(answer->text, answer->text_len);
	bool link = eval_asks(asker->eval) == ASKS_LINKS;

	while (rest.len > 0) {
		size_t end = bytes_find(rest, '\0');
		struct bytes record = bytes_slice(rest, 0, end);

		if (subtest.len == 0 ||
		    (link ? bytes_equal(subtest, record) : record_fits(asker, subtest, record)))
			return true;
		rest = bytes_slice(rest, end + 1, SIZE_MAX);
	}
	return false;
}

/* The subtest of a rule, whatever its function; empty: any answer does. */
static struct bytes subtest_of(const struct eval_call *asker)
{
	return eval_text(asker, eval_asks(asker->eval) == ASKS_SET ? 1 : 2);
}

static bool look(struct walk *walk, enum question_kind kind, struct bytes name)
{
	const struct answers *answers = walk->call->context->answers;
	const struct answer *answer = answers != NULL ? answers->find(answers->context, kind, name)
	                                              : NULL;
	struct bytes subtest = subtest_of(walk->asker);

	if (answer == NULL)
		walk->open = true;
	else if (eval_asks(walk->asker->eval) == ASKS_NAMES)
		walk->hit = askdns_fits(walk->asker, kind, answer);
	else if (answer->result == ANSWER_FOUND && eval_asks(walk->asker->eval) == ASKS_DIGESTS)
		walk->hit = hashbl_fits(walk->asker, answer);
	else if (answer->result == ANSWER_FOUND)
		walk->hit = addresses_fit(walk->asker, subtest, answer) ||
		            texts_fit(walk->asker, subtest, answer);
	return !walk->hit;
}

static int32_t settle(const struct eval_call *call, const struct walk *walk)
{
	if (!walk->hit && walk->open) {
		scan_touch(call->context, call->eval->rule);
		call->context->state[call->eval->rule].unanswered = true;
	}
	return walk->hit;
}

static int32_t rule_value(const struct eval_call *call)
{
	struct walk walk = {.call = call, .see = look, .asker = call};

	walk_rule(&walk);
	return settle(call, &walk);
}

#define NET_EVAL(name) \
	int32_t eval_##name(const struct eval_call *call) \
	{ \
		return rule_value(call); \
	}

NET_EVAL(check_rbl)
NET_EVAL(check_rbl_txt)
NET_EVAL(check_rbl_envfrom)
NET_EVAL(check_rbl_from_host)
NET_EVAL(check_rbl_from_domain)
NET_EVAL(check_rbl_headers)
NET_EVAL(check_rbl_ns_from)
NET_EVAL(check_rbl_rcvd)
NET_EVAL(uri_in_zone)
NET_EVAL(askdns)
NET_EVAL(check_hashbl_attachments)
NET_EVAL(check_hashbl_bodyre)
NET_EVAL(check_hashbl_emails)
NET_EVAL(check_hashbl_tag)
NET_EVAL(check_hashbl_uris)

/* Looks at the answers to the questions of all rules of its set. */
int32_t eval_check_rbl_sub(const struct eval_call *call)
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	struct eval_call other = *call;
	struct walk walk = {.call = &other, .see = look, .asker = call};
	struct bytes set = eval_text(call, 0);

	for (uint32_t i = 0; i < e->count && !walk.hit; i++) {
		other.eval = &e->eval[i];
		if (eval_asks_for_set(eval_asks(other.eval)) &&
		    bytes_equal(eval_text(&other, 0), set))
			walk_rule(&walk);
	}
	return settle(call, &walk);
}

/* Questions */

static bool tell(struct walk *walk, enum question_kind kind, struct bytes name)
{
	walk->seen(walk->context, kind, name);
	return true;
}

void classifier_questions(struct scan_context *context, const struct texts *texts,
                          question_seen *seen, void *seen_context)
{
	const struct ruleset *r = context->ruleset;
	static const struct facts no_facts;
	struct eval_call call = {.context = context,
	                         .ruleset = r,
	                         .texts = texts,
	                         .facts = texts->facts != NULL ? texts->facts : &no_facts,
	                         .state = context->eval};
	struct walk walk = {.call = &call, .see = tell, .context = seen_context, .seen = seen};

	eval_begin(context);
	/* Few, whatever the message: so those that a list is asked leave room for them. */
	for (uint32_t i = 0; i < r->evals.count; i++) {
		call.eval = &r->evals.eval[i];
		eval_spf_questions(&call, seen, seen_context);
		eval_dmarc_questions(&call, seen, seen_context);
	}
	eval_dkim_questions(&call, seen, seen_context);
	for (uint32_t i = 0; i < r->evals.count; i++) {
		call.eval = &r->evals.eval[i];
		walk_rule(&walk);
	}
}

void ruleset_client_questions(const struct ruleset *ruleset, const struct addr *client,
                              question_seen *seen, void *seen_context)
{
	const struct ruleset_evals *e = &ruleset->evals;
	struct eval_call call = {.ruleset = ruleset};
	struct walk walk = {.call = &call, .see = tell, .context = seen_context, .seen = seen};
	char text[ADDR_TEXT_MAX];

	if (eval_is_private_ip(bytes_text(addr_format(client, text))) ||
	    relay_networks_contain(&e->trust.trusted, client) ||
	    e->setting[EVAL_SETTING_SKIP_RBL_CHECKS] != 0)
		return;
	for (uint32_t i = 0; i < e->count; i++) {
		call.eval = &e->eval[i];
		if (eval_asks(call.eval) == ASKS_RELAYS)
			ask_address(&walk, QUESTION_ADDRESS, client, eval_text(&call, 1));
		else if (eval_asks(call.eval) == ASKS_RELAY_TEXTS)
			ask_address(&walk, QUESTION_TEXT, client, eval_text(&call, 1));
	}
}

bool ruleset_asks(const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->evals.count; i++)
		switch (eval_asks(&ruleset->evals.eval[i])) {
		case ASKS_NOTHING:
		case ASKS_ABOUT_SPF:
		case ASKS_SET:
			break;
		default:
			return true;
		}
	return false;
}
