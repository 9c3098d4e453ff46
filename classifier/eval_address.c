/* eval_address.c - eval functions that look addresses up in lists of the rule files. */
#include "base/addr.h"
#include "classifier/eval.h"

static bool holds(const struct eval_addresses *addresses, struct bytes address)
{
	for (uint32_t i = 0; i < addresses->count; i++)
		if (bytes_equal(addresses->item[i], address))
			return true;
	return false;
}

/* What goes beyond the bound is left out: nobody lists 256 senders of one message. */
static void add(struct eval_addresses *to, struct bytes address)
{
	if (address.len > 0 && to->count < EVAL_ADDRESSES_MAX && !holds(to, address))
		to->item[to->count++] = address;
}

void eval_add_addresses(const struct eval_call *call, uint32_t header, struct eval_addresses *to)
{
	struct bytes rest = eval_header(call, header), line;

	while (to->count < EVAL_ADDRESSES_MAX && eval_next_line(&rest, &line))
		add(to, line);
}

enum { FROM_RESENT, FROM_FROM, FROM_LAST = 5, FROM_TRUSTED, FROM_UNTRUSTED };

const struct eval_addresses *eval_from_addresses(const struct eval_call *call)
{
	struct eval_addresses *to = &call->state->from;

	if (call->state->from_known)
		return to;
	call->state->from_known = true;
	to->count = 0;
	if (eval_has_header(call, FROM_RESENT))
		eval_add_addresses(call, FROM_RESENT, to);
	else
		for (uint32_t header = FROM_FROM; header <= FROM_LAST; header++)
			eval_add_addresses(call, header, to);
	return to;
}

enum { TO_RESENT_TO, TO_RESENT_CC, TO_FIRST, TO_LAST = 13, TO_RECEIVED };

/* The recipient some servers write into the Received fields, of the newest three. */
static void add_received_recipients(const struct eval_call *call, struct eval_addresses *to)
{
	struct bytes rest = eval_header(call, TO_RECEIVED), line;
	struct eval_match match;

	for (int i = 0; i < 3 && eval_next_line(&rest, &line); i++)
		if (eval_find(call, EVAL_PATTERN_RECEIVED_FOR, line, 0, &match)) {
			struct bytes address = bytes_slice(line, match.group, match.group_len);

			if (bytes_find(bytes_behind_last(address, '@'), '.') <
			    bytes_behind_last(address, '@').len)
				add(to, address);
		}
}

static const struct eval_addresses *to_addresses(const struct eval_call *call)
{
	struct eval_addresses *to = &call->state->addresses;

	eval_add_addresses(call, TO_RESENT_TO, to);
	eval_add_addresses(call, TO_RESENT_CC, to);
	if (to->count > 0)
		return to;
	add_received_recipients(call, to);
	for (uint32_t header = TO_FIRST; header <= TO_LAST; header++)
		eval_add_addresses(call, header, to);
	return to;
}

static bool any_in_list(const struct eval_call *call, const struct eval_addresses *addresses,
                        uint32_t list)
{
	for (uint32_t i = 0; i < addresses->count; i++)
		if (eval_list_find(call->ruleset, list, addresses->item[i], true) != NULL)
			return true;
	return false;
}

/* Most of these lists are empty: nobody's recipients are collected for them. */
static bool any_recipient_in_list(const struct eval_call *call, uint32_t list)
{
	return call->ruleset->evals.list[list].entry_count > 0 &&
	       any_in_list(call, to_addresses(call), list);
}

int32_t eval_check_from_in_list(const struct eval_call *call)
{
	uint32_t list;

	return eval_list_argument(call, 0, &list) &&
	       any_in_list(call, eval_from_addresses(call), list);
}

int32_t eval_check_to_in_list(const struct eval_call *call)
{
	uint32_t list;

	return eval_list_argument(call, 0, &list) && any_recipient_in_list(call, list);
}

int32_t eval_check_replyto_in_list(const struct eval_call *call)
{
	struct bytes address = eval_first(call, 0);
	uint32_t list;

	return address.len > 0 && eval_list_argument(call, 0, &list) &&
	       eval_list_find(call->ruleset, list, address, true) != NULL;
}

int32_t eval_check_from_in_blocklist(const struct eval_call *call)
{
	return any_in_list(call, eval_from_addresses(call), EVAL_LIST_BLOCKLIST_FROM);
}

int32_t eval_check_to_in_blocklist(const struct eval_call *call)
{
	return any_recipient_in_list(call, EVAL_LIST_BLOCKLIST_TO);
}

int32_t eval_check_to_in_welcomelist(const struct eval_call *call)
{
	return any_recipient_in_list(call, EVAL_LIST_WELCOMELIST_TO);
}

int32_t eval_check_to_in_more_spam(const struct eval_call *call)
{
	return any_recipient_in_list(call, EVAL_LIST_MORE_SPAM_TO);
}

int32_t eval_check_to_in_all_spam(const struct eval_call *call)
{
	return any_recipient_in_list(call, EVAL_LIST_ALL_SPAM_TO);
}

/* "[10.0.0.0/8]", "[10.0]" or "[10.0.0.1]/8" against an address. */
static bool network_holds(struct bytes network, struct bytes ip_text)
{
	struct bytes inner = bytes_slice(network, 1, bytes_find(network, ']') - 1);
	struct bytes behind = bytes_slice(network, inner.len + 2, SIZE_MAX);
	size_t slash = bytes_find(inner, '/');
	struct bytes prefix_text = bytes_slice(inner, slash + 1, SIZE_MAX);
	struct addr address, wanted;
	uint64_t prefix = 128;

	if (behind.len > 1 && behind.data[0] == '/')
		prefix_text = bytes_slice(behind, 1, SIZE_MAX);
	inner = bytes_slice(inner, 0, slash);
	if (prefix_text.len == 0 && addr_parse(inner, &wanted) != OK) {
		/* Leading parts of a dotted quad. */
		while (inner.len > 0 && inner.data[inner.len - 1] == '.')
			inner.len--;
		return inner.len > 0 && ip_text.len > inner.len &&
		       bytes_equal(bytes_slice(ip_text, 0, inner.len), inner) &&
		       ip_text.data[inner.len] == '.';
	}
	if (addr_parse(inner, &wanted) != OK || addr_parse(ip_text, &address) != OK)
		return false;
	if (prefix_text.len > 0 && !bytes_to_u64(prefix_text, 128, &prefix))
		return false;
	if (prefix_text.len > 0 && addr_is_ip4(&wanted))
		prefix = prefix > 32 ? 128 : prefix + 96;
	for (uint64_t bit = 0; bit < prefix; bit++)
		if (((wanted.octet[bit / 8] ^ address.octet[bit / 8]) >> (7 - bit % 8) & 1) != 0)
			return false;
	return true;
}

static bool relay_fits(struct bytes wanted, const struct eval_relay *relay)
{
	size_t cut = relay->rdns.len - wanted.len;

	if (wanted.len > 0 && wanted.data[0] == '[')
		return relay->ip.len > 0 && network_holds(wanted, relay->ip);
	return wanted.len <= relay->rdns.len &&
	       bytes_equal_nocase(bytes_slice(relay->rdns, cut, wanted.len), wanted) &&
	       (cut == 0 || relay->rdns.data[cut - 1] == '.');
}

static bool any_relay_fits(const struct eval_call *call, struct bytes wanted)
{
	struct bytes rest = eval_header(call, FROM_UNTRUSTED);
	struct eval_relay relay;

	if (eval_next_relay(&rest, &relay))
		return relay_fits(wanted, &relay);
	rest = eval_header(call, FROM_TRUSTED);
	for (uint32_t i = 0; i < EVAL_RELAYS_MAX && eval_next_relay(&rest, &relay); i++)
		if (relay_fits(wanted, &relay))
			return true;
	return false;
}

/* 1: address and relay are in the list. -1: the address is, but came by another relay. */
static int in_relay_list(const struct eval_call *call, uint32_t list, struct bytes address)
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	const struct blob_list *l = &e->list[list];
	bool other_relay = false;

	for (uint32_t i = 0; i < l->entry_count; i++) {
		const struct blob_list_entry *entry = &e->entry[l->entry + i];

		if (!eval_glob(bytes_of(e->texts + entry->text, entry->bytes), address, 0))
			continue;
		if (any_relay_fits(call, bytes_of(e->texts + entry->second, entry->second_bytes)))
			return 1;
		other_relay = true;
	}
	if (other_relay && eval_list_find(call->ruleset, EVAL_LIST_WELCOMELIST_ALLOWS_RELAYS,
	                                  address, true) == NULL)
		return -1;
	return 0;
}

static int in_welcomelist(const struct eval_call *call, uint32_t relay_list, bool plain)
{
	const struct eval_addresses *from = eval_from_addresses(call);
	bool relays = eval_header(call, FROM_TRUSTED).len > 0 ||
	              eval_header(call, FROM_UNTRUSTED).len > 0;
	int found = 0;

	for (uint32_t i = 0; i < from->count; i++) {
		struct bytes address = from->item[i];

		if (plain && eval_list_find(call->ruleset, EVAL_LIST_WELCOMELIST_FROM, address,
		                            true) != NULL)
			return 1;
		int fits = relays ? in_relay_list(call, relay_list, address) : 0;
		if (fits > 0)
			return 1;
		found = fits < 0 ? -1 : found;
	}
	return found;
}

int32_t eval_check_from_in_welcomelist(const struct eval_call *call)
{
	return in_welcomelist(call, EVAL_LIST_WELCOMELIST_FROM_RCVD, true) > 0;
}

int32_t eval_check_from_in_default_welcomelist(const struct eval_call *call)
{
	return in_welcomelist(call, EVAL_LIST_DEF_WELCOMELIST_FROM_RCVD, false) > 0;
}

int32_t eval_check_forged_in_welcomelist(const struct eval_call *call)
{
	return in_welcomelist(call, EVAL_LIST_WELCOMELIST_FROM_RCVD, true) < 0 &&
	       in_welcomelist(call, EVAL_LIST_DEF_WELCOMELIST_FROM_RCVD, false) == 0;
}

int32_t eval_check_forged_in_default_welcomelist(const struct eval_call *call)
{
	return in_welcomelist(call, EVAL_LIST_DEF_WELCOMELIST_FROM_RCVD, false) < 0 &&
	       in_welcomelist(call, EVAL_LIST_WELCOMELIST_FROM_RCVD, true) == 0;
}

int32_t eval_check_subject_in_blocklist(const struct eval_call *call)
{
	return eval_list_find(call->ruleset, EVAL_LIST_BLOCKLIST_SUBJECT, eval_header(call, 0),
	                      true) != NULL;
}

int32_t eval_check_subject_in_welcomelist(const struct eval_call *call)
{
	return eval_list_find(call->ruleset, EVAL_LIST_WELCOMELIST_SUBJECT, eval_header(call, 0),
	                      true) != NULL;
}
