/* eval_relay.c - eval functions that look at the relays a message came through. */
#include "base/addr.h"
#include "classifier/eval.h"

/* " name=value" of one relay: values hold no blanks. */
static struct bytes field(struct bytes relay, struct bytes name)
{
	for (size_t at = 0; at + name.len < relay.len; at++) {
		struct bytes value = bytes_slice(relay, at + name.len, SIZE_MAX);

		if (relay.data[at] == ' ' && bytes_equal(bytes_slice(relay, at, name.len), name))
			return bytes_slice(value, 0, bytes_find(value, ' '));
	}
	return bytes_of("", 0);
}

bool eval_next_relay(struct bytes *rest, struct eval_relay *out_relay)
{
	size_t open = bytes_find(*rest, '['), close = bytes_find(*rest, ']');

	if (open >= close || close == rest->len)
		return false;
	struct bytes relay = bytes_slice(*rest, open + 1, close - open - 1);
	*rest = bytes_slice(*rest, close + 1, SIZE_MAX);
	*out_relay = (struct eval_relay){.ip = field(relay, BYTES(" ip=")),
	                                 .rdns = field(relay, BYTES(" rdns=")),
	                                 .helo = field(relay, BYTES(" helo=")),
	                                 .by = field(relay, BYTES(" by="))};
	return true;
}

bool eval_is_ip4(struct bytes text)
{
	struct addr addr;

	return text.len >= 7 && text.len <= 15 && bytes_find(text, ':') == text.len &&
	       addr_parse(text, &addr) == OK && addr_is_ip4(&addr);
}

bool eval_is_private_ip(struct bytes text)
{
	struct addr addr;
	const uint8_t *o = addr.octet;

	if (addr_parse(text, &addr) != OK)
		return false;
	if (addr_is_ip4(&addr)) {
		o += 12;
		return o[0] == 10 || o[0] == 127 || (o[0] == 169 && o[1] == 254) ||
		       (o[0] == 172 && (o[1] & 0xF0) == 16) || (o[0] == 192 && o[1] == 168) ||
		       (o[0] == 100 && (o[1] & 0xC0) == 64);
	}
	static const uint8_t loopback[16] = {[15] = 1};
	return memcmp(o, loopback, 16) == 0 || (o[0] == 0xFE && (o[1] & 0xC0) == 0x80) ||
	       (o[0] & 0xFE) == 0xFC;
}

int32_t eval_check_all_trusted(const struct eval_call *call)
{
	return call->facts->relays_trusted > 0 && call->facts->relays_untrusted == 0 &&
	       call->facts->relays_unparseable == 0;
}

int32_t eval_check_no_relays(const struct eval_call *call)
{
	return call->facts->relays_trusted == 0 && call->facts->relays_untrusted == 0 &&
	       call->facts->relays_unparseable == 0;
}

int32_t eval_check_relays_unparseable(const struct eval_call *call)
{
	return call->facts->relays_unparseable > 0;
}

enum { MAILFROM_SENDER, MAILFROM_TRUSTED, MAILFROM_UNTRUSTED };

/* The first untrusted relay is the one that tells; trusted ones only when there is no other, else
 * a forger could choose. */
int32_t eval_check_mailfrom_matches_rcvd(const struct eval_call *call)
{
	struct bytes domain = bytes_behind_last(eval_first(call, MAILFROM_SENDER), '@');
	struct bytes rest = eval_header(call, MAILFROM_UNTRUSTED);
	struct eval_relay relay;
	size_t dot = bytes_find(domain, '.');
	bool untrusted = eval_next_relay(&rest, &relay);

	if (dot == 0 || dot + 1 >= domain.len)
		return 0;
	domain = eval_registered_domain(call->ruleset, domain);
	if (untrusted)
		return relay.rdns.len > 0 &&
		       bytes_equal_nocase(eval_registered_domain(call->ruleset, relay.rdns),
		                          domain);
	rest = eval_header(call, MAILFROM_TRUSTED);
	for (uint32_t i = 0; i < EVAL_RELAYS_MAX && eval_next_relay(&rest, &relay); i++)
		if (relay.rdns.len > 0 &&
		    bytes_equal_nocase(eval_registered_domain(call->ruleset, relay.rdns), domain))
			return 1;
	return 0;
}

/* The network part of a dotted quad: all but what follows its last dot. */
static struct bytes network_of(struct bytes ip)
{
	size_t at = ip.len;

	while (at > 0 && ip.data[at - 1] != '.')
		at--;
	return bytes_slice(ip, 0, at);
}

int32_t eval_helo_ip_mismatch(const struct eval_call *call)
{
	struct bytes rest = eval_header(call, 0);
	struct eval_relay relay;

	for (uint32_t i = 0; i < EVAL_RELAYS_MAX && eval_next_relay(&rest, &relay); i++) {
		struct bytes network = network_of(relay.helo);

		if (eval_is_ip4(relay.helo) && !eval_is_private_ip(relay.helo) &&
		    eval_is_ip4(relay.ip) && !eval_is_private_ip(relay.ip) &&
		    !bytes_equal(bytes_slice(relay.ip, 0, network.len), network))
			return 1;
	}
	return 0;
}

int32_t eval_check_for_numeric_helo(const struct eval_call *call)
{
	struct bytes rest = eval_header(call, 0);
	struct eval_relay relay;

	for (uint32_t i = 0; i < EVAL_RELAYS_MAX && eval_next_relay(&rest, &relay); i++)
		if (eval_is_ip4(relay.helo))
			return !eval_is_private_ip(relay.helo);
	return 0;
}

/* The last public relay decides. Only where the receiver looks names up does a missing one tell. */
int32_t eval_check_for_no_rdns_dotcom_helo(const struct eval_call *call)
{
	const struct facts *facts = call->facts;
	bool found = false;

	for (uint32_t i = 0; i < facts->relay_count; i++) {
		const struct fact_relay *relay = &facts->relay[i];

		if (!relay->is_trusted && !relay->is_private)
			found = relay->no_reverse_dns &&
			        eval_matches(call, EVAL_PATTERN_DOTCOM_HELO, relay->helo);
	}
	return found;
}

static bool has_letter(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (eval_lower(text.data[i]) >= 'a' && eval_lower(text.data[i]) <= 'z')
			return true;
	return false;
}

/* The last two labels of a host, or three where the top level is short and sold below. Dots at the
 * end do not count, but stay with a host of fewer labels. */
static struct bytes short_domain(const struct eval_call *call, struct bytes host)
{
	struct bytes name = host;
	size_t dot[3] = {0}, dots = 0;

	while (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	for (size_t at = name.len; at > 0 && dots < 3; at--)
		if (name.data[at - 1] == '.')
			dot[dots++] = at;
	if (!has_letter(host) || dots == 0)
		return host;
	bool is_long = eval_matches(call, EVAL_PATTERN_LONG_TLD,
	                            bytes_slice(name, dot[0], SIZE_MAX));
	size_t labels = is_long ? 2 : 3;
	if (dots + 1 < labels)
		return host;
	return dots < labels ? name : bytes_slice(name, dot[labels - 1], SIZE_MAX);
}

/* The names a relay gave and took may differ once by chance. */
int32_t eval_check_for_forged_received_trail(const struct eval_call *call)
{
	struct bytes rest = eval_header(call, 0), before = bytes_of("", 0);
	struct eval_relay relay;
	bool has_before = false;
	uint32_t mismatches = 0;

	for (uint32_t i = 0; i < EVAL_RELAYS_MAX && eval_next_relay(&rest, &relay); i++) {
		struct bytes by = short_domain(call, relay.by);
		struct bytes from = short_domain(call, relay.rdns);
		bool by_is_name = eval_matches(call, EVAL_PATTERN_HOST_NAME, by);
		bool own = by_is_name && eval_matches(call, EVAL_PATTERN_LOCALHOST, from) &&
		           bytes_equal(relay.ip, BYTES("127.0.0.1"));
		bool exempt = bytes_equal_nocase(by, BYTES("msn.com")) &&
		              bytes_equal_nocase(before, BYTES("hotmail.com"));

		mismatches += by_is_name && has_before &&
		              eval_matches(call, EVAL_PATTERN_HOST_NAME, before) &&
		              !bytes_equal_nocase(by, before) && !exempt;
		before = from;
		has_before = !own;
	}
	return mismatches > 1;
}
