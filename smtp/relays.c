/* relays.c - the way a message came.
 *
 * Trust goes on, from the newest relay down, while the sending address is of the networks the site
 * trusts or the client was authenticated. Where no networks are configured, private addresses are
 * trusted, and what is trusted is internal.
 */
#include "smtp/relays.h"

#include "base/addr.h"
#include "smtp/addresses.h"
#include "smtp/octets.h"
#include "smtp/received.h"
#include "smtp/received_match.h"

/* Fields that name the address a message was written at, where nobody says which; each counts as
 * one more relay. */
static const char *const origins[] = {
    "X-Yahoo-Post-IP",   "X-Originating-IP",
    "X-Apparently-From", "X-SenderIP",
    "X-AOL-IP",          "X-MS-Exchange-CrossTenant-OriginalAttributedTenantConnectingIp",
};

struct chain {
	struct relays *relays;
	const struct relay_trust *trust; /* NULL: nothing is configured */
	bool trusted, internal;          /* still */
	bool submitted;                  /* by an MSA: whom it served is as far as it */
	bool envelope_known;
	uint32_t received_seen; /* Received fields, and those up to where trust ends */
	uint32_t trusted_received, internal_received;
	struct boundary {
		size_t end, next; /* in relays->data: of what is inside, and what follows it */
	} trusted_boundary, internal_boundary;
	struct received last_trusted;
	struct bytes scanned_from; /* envelope sender a scanner told of the next hand-over */
};

static bool is_private(const struct addr *addr)
{
	const uint8_t *o = addr->octet;

	if (addr_is_ip4(addr)) {
		o += 12;
		return o[0] == 10 || o[0] == 127 || (o[0] == 169 && o[1] == 254) ||
		       (o[0] == 172 && (o[1] & 0xF0) == 16) || (o[0] == 192 && o[1] == 168) ||
		       (o[0] == 100 && (o[1] & 0xC0) == 64);
	}
	struct addr loopback = {{0}};
	loopback.octet[15] = 1;
	return addr_equal(addr, &loopback) || (o[0] == 0xFE && (o[1] & 0xC0) == 0x80);
}

/* What rules take for structure in what put_relay() writes. */
static const bool is_structure[256] = {
    ['#'] = true,  ['['] = true,  [']'] = true,  ['('] = true,  [')'] = true,
    ['<'] = true,  ['>'] = true,  ['|'] = true,  ['\0'] = true, ['\t'] = true,
    ['\n'] = true, ['\v'] = true, ['\f'] = true, ['\r'] = true, [' '] = true,
};

/* Structure in a value does not go through. */
static void put_value(struct sink *out, const char *name, struct bytes value)
{
	sink_put(out, bytes_text(name));
	while (value.len > 0) {
		size_t fit = 0;

		while (fit < value.len && !is_structure[value.data[fit]])
			fit++;
		sink_put(out, bytes_slice(value, 0, fit));
		if (fit < value.len)
			sink_octet(out, '!');
		value = bytes_slice(value, fit + 1, SIZE_MAX);
	}
}

static void put_relay(struct sink *out, const struct received *received, bool internal, bool msa)
{
	put_value(out, "[ ip=", received->ip);
	put_value(out, " rdns=", received->rdns);
	put_value(out, " helo=", received->helo);
	put_value(out, " by=", received->by);
	put_value(out, " ident=", received->ident);
	put_value(out, " envfrom=", received->envelope_from);
	sink_put(out, internal ? BYTES(" intl=1") : BYTES(" intl=0"));
	sink_put(out, BYTES(" id="));
	sink_put(out, received->id);
	sink_put(out, BYTES(" auth="));
	sink_put(out, received->auth);
	sink_put(out, msa ? BYTES(" msa=1 ]") : BYTES(" msa=0 ]"));
}

static void take_envelope(struct chain *chain, const struct received *received)
{
	struct relays *relays = chain->relays;

	chain->envelope_known = true;
	if (!received->has_envelope_from || relays->has_envelope_from)
		return;
	size_t at = bytes_find(received->envelope_from, '@');
	if (received->envelope_from.len > 0 && (at == 0 || at == received->envelope_from.len))
		return;
	relays->envelope_from = received->envelope_from;
	relays->has_envelope_from = true;
}

/* How far the relay is trusted, and with it those behind it. True when it is an MSA. */
static bool judge_relay(struct chain *chain, const struct received *received)
{
	const struct relay_trust *trust = chain->trust;
	bool authenticated = received->auth.len > 0;

	if (!chain->trusted || chain->submitted)
		return false;
	if (trust == NULL || !trust->is_configured) {
		chain->trusted = authenticated || is_private(&received->addr);
		chain->internal = chain->trusted;
		return false;
	}
	chain->trusted = authenticated || relay_networks_contain(&trust->trusted, &received->addr);
	chain->internal = chain->internal && chain->trusted &&
	                  (authenticated ||
	                   relay_networks_contain(&trust->internal, &received->addr));
	chain->submitted = chain->trusted && relay_networks_contain(&trust->msa, &received->addr);
	return chain->submitted;
}

static void add_relay(struct chain *chain, const struct received *received)
{
	struct relays *relays = chain->relays;
	bool was_trusted = chain->trusted, was_internal = chain->internal;

	if (relays->relay_count == RELAYS_MAX)
		return;
	bool is_msa = judge_relay(chain, received);
	struct boundary boundary = {.end = relays->data.len};
	if (relays->relay_count > 0)
		sink_octet(&relays->data, ' ');
	boundary.next = relays->data.len;
	if (was_trusted && !chain->trusted) {
		chain->trusted_boundary = boundary;
		take_envelope(chain, received);
	}
	if (was_internal && !chain->internal)
		chain->internal_boundary = boundary;
	relays->count[chain->trusted ? RELAYS_TRUSTED : RELAYS_UNTRUSTED]++;
	relays->count[chain->internal ? RELAYS_INTERNAL : RELAYS_EXTERNAL]++;
	put_relay(&relays->data, received, chain->internal, is_msa);
	relays->relay[relays->relay_count++] = (struct fact_relay){
	    .ip = received->ip,
	    .rdns = received->rdns,
	    .helo = received->helo,
	    .by = received->by,
	    .ident = received->ident,
	    .envelope_from = received->envelope_from,
	    .id = received->id,
	    .auth = received->auth,
	    .addr = received->addr,
	    .is_trusted = chain->trusted,
	    .is_internal = chain->internal,
	    .is_private = is_private(&received->addr),
	    .has_envelope_from = received->has_envelope_from,
	    .no_reverse_dns = received->was_looked_up && received->rdns.len == 0,
	};
	if (chain->trusted)
		chain->last_trusted = *received;
}

/* White space to single spaces, in the header table's storage. */
static struct bytes squeeze(struct header_table *headers, struct bytes value)
{
	struct sink *storage = &headers->storage;
	size_t start = storage->len;

	for (size_t i = 0; i < value.len; i++) {
		bool space = header_is_space(value.data[i]);

		if (value.data[i] > ' ') {
			size_t end = octets_words_end(value, i, true);

			sink_put(storage, bytes_slice(value, i, end - i));
			i = end - 1;
		} else if (!space)
			sink_octet(storage, value.data[i]);
		else if (storage->len > start && storage->data[storage->len - 1] != ' ')
			sink_octet(storage, ' ');
	}
	return bytes_of(storage->data + start, storage->len - start);
}

/* What was trusted so far is the way to a mailbox the mail was fetched from. */
static void forget_trusted(struct chain *chain)
{
	struct relays *relays = chain->relays;

	if (!chain->trusted)
		return;
	relays->data.len = 0;
	relays->relay_count = relays->count[RELAYS_TRUSTED] = 0;
	relays->count[RELAYS_INTERNAL] = relays->count[RELAYS_EXTERNAL] = 0;
	chain->internal_boundary = (struct boundary){0, 0};
	chain->last_trusted = (struct received){.has_envelope_from = false};
}

static void add_line(struct chain *chain, struct header_table *headers, struct bytes line,
                     bool is_field)
{
	struct received received;
	enum received_result result = received_parse(line, &headers->storage, &received);

	if (chain->scanned_from.data != NULL && result == RECEIVED_RELAY) {
		received.envelope_from = chain->scanned_from;
		received.has_envelope_from = true;
	}
	chain->scanned_from = bytes_of(NULL, 0);
	switch (result) {
	case RECEIVED_RELAY:
		add_relay(chain, &received);
		break;
	case RECEIVED_UNPARSEABLE:
		chain->relays->unparsed_count++;
		break;
	case RECEIVED_FETCHED:
		forget_trusted(chain);
		break;
	case RECEIVED_SCANNED:
		chain->scanned_from = received.envelope_from;
		break;
	case RECEIVED_SKIPPED:
		break;
	}
	chain->received_seen += is_field;
	if (chain->trusted && is_field)
		chain->trusted_received = chain->received_seen;
	if (chain->internal && is_field)
		chain->internal_received = chain->received_seen;
}

static void add_origins(struct chain *chain, struct header_table *headers)
{
	const struct relay_trust *trust = chain->trust;
	uint32_t count = trust != NULL ? trust->origin_count : sizeof(origins) / sizeof(origins[0]);

	for (uint32_t i = 0; i < count; i++) {
		struct bytes name = trust != NULL ? trust->origin[i] : bytes_text(origins[i]);
		uint32_t index = header_last_of(headers, name, 0, headers->message_count);
		struct received received = {0};

		if (index == HEADER_NONE)
			continue;
		struct bytes value = header_decoded(headers, index);
		size_t at = 0, len = 0;
		while (at < value.len && (len = received_address_len(value, at)) == 0)
			at++;
		if (received_address(bytes_slice(value, at, len), &received.ip, &received.addr))
			add_relay(chain, &received);
	}
}

/* The first address in a field; it may lie in the headers' storage. */
static struct bytes first_address(struct header_table *headers, uint32_t index)
{
	struct address_walk walk;
	struct mailbox mailbox;

	address_walk_open(&walk, headers->field[index].raw, headers->storage);
	walk.addresses_only = true;
	while (address_walk_next(&walk, &mailbox)) {
		if (mailbox.address.len == 0)
			continue;
		headers->storage = walk.storage;
		return mailbox.address;
	}
	return bytes_of(NULL, 0);
}

/* The address of the first field of this name, unless a Received field stands above any of that
 * name: a list may have set it anew. True when there is a field that says something. */
static bool envelope_field(struct relays *relays, struct header_table *headers,
                           const char *name_text)
{
	struct bytes name = bytes_text(name_text), received = BYTES("received");
	uint32_t index = header_first(headers, name, header_hash(name));

	if (index == HEADER_NONE)
		return false;
	struct bytes sender = first_address(headers, index);
	if (sender.len == 0)
		return false;
	uint32_t first_received = header_first(headers, received, header_hash(received));
	for (; index != HEADER_NONE; index = header_next(headers, name, index))
		if (first_received < index)
			return true;
	relays->envelope_from = sender;
	relays->has_envelope_from = true;
	return true;
}

/* A mail fetcher writes the list's sender into what it passes on: nothing there can be believed. */
static bool was_fetched(struct header_table *headers)
{
	struct bytes sender = BYTES("x-sender"), name = BYTES("received");
	uint32_t index = header_first(headers, sender, header_hash(sender));

	if (index == HEADER_NONE ||
	    bytes_find(headers->field[index].raw, '@') == headers->field[index].raw.len)
		return false;
	for (index = header_first(headers, name, header_hash(name)); index != HEADER_NONE;
	     index = header_next(headers, name, index)) {
		struct bytes value = header_decoded(headers, index);

		for (size_t at = 0; at < value.len; at++) {
			at += bytes_find(bytes_slice(value, at, SIZE_MAX), '(');
			if (bytes_starts_nocase(bytes_slice(value, at, SIZE_MAX),
			                        BYTES("(fetchmail")))
				return true;
		}
	}
	return false;
}

/* The field the site's own relays write the envelope sender to, when there is an address in it. */
static void configured_envelope(struct chain *chain, struct header_table *headers)
{
	struct bytes name = chain->trust->envelope_field;
	struct relays *relays = chain->relays;
	uint32_t index = header_first(headers, name, header_hash(name));

	relays->envelope_from = index == HEADER_NONE ? bytes_of(NULL, 0)
	                                             : first_address(headers, index);
	relays->has_envelope_from = relays->envelope_from.len > 0;
}

/* In a session with a client nobody trusts we are the relay that would write the field: what is
 * there is the client's, and what it said to us counts. */
static bool envelope_is_configured(const struct chain *chain, const struct message_facts *facts)
{
	const struct relays *relays = chain->relays;

	return chain->trust != NULL && chain->trust->envelope_field.len > 0 &&
	       (!facts->in_session || (relays->relay_count > 0 && relays->relay[0].is_trusted));
}

static void guess_envelope(struct chain *chain, struct header_table *headers)
{
	struct relays *relays = chain->relays;

	if (!chain->envelope_known && relays->count[RELAYS_TRUSTED] > 0)
		take_envelope(chain, &chain->last_trusted);
	if (relays->has_envelope_from || was_fetched(headers))
		return;
	if (envelope_field(relays, headers, "X-Envelope-From"))
		return;
	if (envelope_field(relays, headers, "Envelope-Sender") && relays->has_envelope_from)
		return;
	envelope_field(relays, headers, "Return-Path");
}

/* The message fields up to and with the Received field of this number, from 0. */
static uint32_t fields_up_to(const struct header_table *headers, uint32_t received)
{
	struct bytes name = BYTES("received");
	uint32_t index = header_first(headers, name, header_hash(name));

	while (index != HEADER_NONE && received-- > 0)
		index = header_next(headers, name, index);
	return index == HEADER_NONE ? headers->message_count : index;
}

static void add_session(struct chain *chain, struct header_table *headers,
                        const struct message_facts *facts)
{
	struct sink *storage = &headers->storage;
	size_t start = storage->len;
	char text[ADDR_TEXT_MAX];
	struct received received = {.helo = facts->helo,
	                            .addr = facts->client.addr,
	                            .envelope_from = facts->sender,
	                            .has_envelope_from = true};

	sink_put(storage, bytes_text(addr_format(&facts->client.addr, text)));
	received.ip = bytes_of(storage->data + start, storage->len - start);
	add_relay(chain, &received);
}

void relays_parse(struct relays *relays, struct header_table *headers,
                  const struct message_facts *facts)
{
	struct chain chain = {
	    .relays = relays, .trust = facts->trust, .trusted = true, .internal = true};
	struct bytes name = BYTES("received");
	uint32_t count = 0;

	relays->data.len = 0;
	relays->data.full = false;
	memset(relays->count, 0, sizeof(relays->count));
	relays->unparsed_count = relays->relay_count = 0;
	relays->has_envelope_from = false;
	relays->envelope_from = bytes_of(NULL, 0);
	if (facts->in_session)
		add_session(&chain, headers, facts);
	for (uint32_t i = header_first(headers, name, header_hash(name));
	     i != HEADER_NONE && count < RELAYS_MAX; i = header_next(headers, name, i), count++)
		add_line(&chain, headers, squeeze(headers, header_decoded(headers, i)), true);
	add_origins(&chain, headers);
	struct bytes all = sink_bytes(&relays->data);
	if (chain.trusted)
		chain.trusted_boundary = (struct boundary){all.len, all.len};
	if (chain.internal)
		chain.internal_boundary = (struct boundary){all.len, all.len};
	if (envelope_is_configured(&chain, facts))
		configured_envelope(&chain, headers);
	else
		guess_envelope(&chain, headers);
	relays->text[RELAYS_TRUSTED] = bytes_slice(all, 0, chain.trusted_boundary.end);
	relays->text[RELAYS_UNTRUSTED] = bytes_slice(all, chain.trusted_boundary.next, SIZE_MAX);
	relays->text[RELAYS_INTERNAL] = bytes_slice(all, 0, chain.internal_boundary.end);
	relays->text[RELAYS_EXTERNAL] = bytes_slice(all, chain.internal_boundary.next, SIZE_MAX);
	/* In a session we are the relay that would write the first Received: a client nobody trusts
	 * has written all that is there. */
	relays->trusted_fields_end = relays->internal_fields_end = 0;
	if (!facts->in_session || relays->count[RELAYS_TRUSTED] > 0)
		relays->trusted_fields_end = fields_up_to(headers, chain.trusted_received);
	if (!facts->in_session || relays->count[RELAYS_INTERNAL] > 0)
		relays->internal_fields_end = fields_up_to(headers, chain.internal_received);
}
