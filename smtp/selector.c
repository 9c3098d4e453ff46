/* selector.c - what a header rule looks at. */
#include "smtp/selector.h"

#include "smtp/addresses.h"

struct special_name {
	const char *name;
	enum selector_special special;
	bool exact; /* upper case only */
};

static const struct special_name specials[] = {
    {"ALL", SELECTOR_ALL, true},
    {"ALL-TRUSTED", SELECTOR_ALL_TRUSTED, true},
    {"ALL-UNTRUSTED", SELECTOR_ALL_UNTRUSTED, true},
    {"ALL-INTERNAL", SELECTOR_ALL_INTERNAL, true},
    {"ALL-EXTERNAL", SELECTOR_ALL_EXTERNAL, true},
    {"MESSAGEID", SELECTOR_MESSAGE_ID, true},
    {"EnvelopeFrom", SELECTOR_ENVELOPE_FROM, false},
    {"ToCc", SELECTOR_TO_CC, false},
    {"X-Spam-Relays-Trusted", SELECTOR_RELAYS_TRUSTED, false},
    {"X-Spam-Relays-Untrusted", SELECTOR_RELAYS_UNTRUSTED, false},
    {"X-Spam-Relays-Internal", SELECTOR_RELAYS_INTERNAL, false},
    {"X-Spam-Relays-External", SELECTOR_RELAYS_EXTERNAL, false},
};

struct modifier_name {
	const char *name;
	unsigned bits;
};

static const struct modifier_name modifiers[] = {
    {"raw", SELECTOR_RAW},
    {"addr", SELECTOR_ADDR},
    {"name", SELECTOR_NAME},
    {"host", SELECTOR_HOST},
    {"domain", SELECTOR_HOST | SELECTOR_DOMAIN},
    {"ip", SELECTOR_IP},
    {"revip", SELECTOR_IP | SELECTOR_REVIP},
    {"first", SELECTOR_FIRST},
    {"last", SELECTOR_LAST},
};

/* The bits of one modifier, 0 when it is unknown. */
static unsigned modifier_bits(struct bytes text)
{
	for (size_t i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++)
		if (bytes_equal(text, bytes_text(modifiers[i].name)))
			return modifiers[i].bits;
	return 0;
}

bool selector_parse(struct bytes text, struct selector *out_selector)
{
	size_t colon = bytes_find(text, ':');
	struct bytes name = bytes_slice(text, 0, colon),
	             rest = bytes_slice(text, colon + 1, SIZE_MAX);

	*out_selector = (struct selector){.special = SELECTOR_PLAIN};
	if (name.len == 0 || name.len > SELECTOR_NAME_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		if (!header_is_name_octet(c))
			return false;
		out_selector->name[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	out_selector->name_len = (uint8_t)name.len;
	out_selector->name_hash = header_hash(name);
	while (rest.len > 0) {
		size_t end = bytes_find(rest, ':');
		unsigned bits = modifier_bits(bytes_slice(rest, 0, end));

		if (bits == 0)
			return false;
		out_selector->modifiers |= (uint16_t)bits;
		rest = bytes_slice(rest, end + 1, SIZE_MAX);
	}
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		struct bytes special = bytes_text(specials[i].name);

		if (specials[i].exact ? bytes_equal(name, special)
		                      : bytes_equal_nocase(name, special))
			out_selector->special = (uint8_t)specials[i].special;
	}
	return true;
}

bool selectors_are_sound(struct bytes records, uint32_t count)
{
	const struct selector *selectors = (const struct selector *)(const void *)records.data;

	if (count > SELECTORS_MAX || records.len != count * sizeof(struct selector))
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (selectors[i].name_len > SELECTOR_NAME_BYTES ||
		    selectors[i].special >= SELECTOR_SPECIAL_COUNT)
			return false;
	return true;
}

/* Values being joined into one segment. */
struct joiner {
	struct selector_source *source;
	struct text_build *out;
	unsigned modifiers;
	size_t start;
	uint32_t count;
	bool first_ends_line;
	bool decodes_first; /* addresses are looked for in decoded values */
};

/* Begins one more value: a line end goes between them unless the first brought its own. */
static void join_begin(struct joiner *joiner)
{
	struct sink *data = &joiner->out->data;

	if (joiner->count == 1)
		joiner->first_ends_line = data->len > joiner->start &&
		                          data->data[data->len - 1] == '\n';
	if (joiner->count > 0 && !joiner->first_ends_line)
		sink_octet(data, '\n');
	joiner->count++;
}

static void put_name(struct joiner *joiner, struct bytes name)
{
	struct sink *data = &joiner->out->data;
	struct sink *storage = &joiner->source->headers->storage;

	if ((joiner->modifiers & SELECTOR_RAW) != 0) {
		sink_put(data, name);
		return;
	}
	size_t start = storage->len;
	header_decode_value(joiner->source->headers, name, storage);
	struct bytes decoded = bytes_of(storage->data + start, storage->len - start);
	struct bytes trimmed = header_trim(decoded);
	if (trimmed.len == 0) {
		sink_put(data, decoded);
	} else {
		if (trimmed.len > 1 && trimmed.data[0] == '\'' &&
		    trimmed.data[trimmed.len - 1] == '\'')
			trimmed = bytes_slice(trimmed, 1, trimmed.len - 2);
		for (size_t i = 0; i < trimmed.len; i++) {
			if (!header_is_space(trimmed.data[i]))
				sink_octet(data, trimmed.data[i]);
			else if (i == 0 || !header_is_space(trimmed.data[i - 1]))
				sink_octet(data, ' ');
		}
	}
	storage->len = start;
}

/* A dotted quad inside `value`, whole (no further dots or word octets around it); empty when there
 * is none. */
static struct bytes find_ip4(struct bytes value)
{
	for (size_t i = 0; i < value.len; i++) {
		size_t end = i;

		if (value.data[i] < '0' || value.data[i] > '9')
			continue;
		while (end < value.len && ((value.data[end] >= '0' && value.data[end] <= '9') ||
		                           value.data[end] == '.'))
			end++;
		struct addr addr;
		struct bytes text = bytes_slice(value, i, end - i);
		if (text.len <= 15 && addr_parse(text, &addr) == OK && addr_is_ip4(&addr))
			return text;
		i = end;
	}
	return bytes_of(NULL, 0);
}

static bool is_host_octet(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' ||
	       c == '-' || c == '_';
}

/* The host behind an '@', else the first run that looks like one. */
static struct bytes find_host(struct bytes value)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		for (size_t i = value.len; i > 0; i--) {
			if (pass == 0 ? value.data[i - 1] != '@'
			              : i > 1 && is_host_octet(value.data[i - 2]))
				continue;
			size_t start = pass == 0 ? i : i - 1, end = start;
			while (end < value.len && is_host_octet(value.data[end]))
				end++;
			struct bytes host = bytes_slice(value, start, end - start);
			size_t dot = bytes_find(host, '.');
			if (dot > 0 && dot + 1 < host.len)
				return host;
		}
	}
	return bytes_of(NULL, 0);
}

static void put_reversed_ip(struct sink *out, struct bytes ip)
{
	size_t end = ip.len;

	for (size_t i = ip.len; i > 0; i--) {
		if (ip.data[i - 1] != '.')
			continue;
		sink_put(out, bytes_slice(ip, i, end - i));
		sink_octet(out, '.');
		end = i - 1;
	}
	sink_put(out, bytes_slice(ip, 0, end));
}

static struct bytes without_dots(struct bytes host)
{
	while (host.len > 0 && host.data[host.len - 1] == '.')
		host.len--;
	return host;
}

/* A host or an address, as the modifiers want it. */
static void put_found(struct joiner *joiner, struct bytes found)
{
	struct sink *data = &joiner->out->data;

	if (found.len == 0)
		return;
	join_begin(joiner);
	if ((joiner->modifiers & SELECTOR_REVIP) != 0)
		put_reversed_ip(data, found);
	else if ((joiner->modifiers & SELECTOR_DOMAIN) != 0)
		sink_put(data, uri_registered_domain(joiner->source->uris, without_dots(found)));
	else
		sink_put(data, found);
}

/* Of an address, what follows its last '@'. */
static void put_address(struct joiner *joiner, struct bytes address)
{
	struct bytes host = bytes_behind_last(address, '@');

	if ((joiner->modifiers & (SELECTOR_HOST | SELECTOR_IP)) == SELECTOR_IP)
		host = find_ip4(address);
	else if ((joiner->modifiers & SELECTOR_HOST) == 0)
		host = address;
	put_found(joiner, host);
}

static void put_addresses(struct joiner *joiner, struct bytes value)
{
	struct address_walk walk;
	struct mailbox mailbox;

	address_walk_open(&walk, value, joiner->source->scratch);
	walk.addresses_only = (joiner->modifiers & SELECTOR_ADDR) != 0;
	while (address_walk_next(&walk, &mailbox)) {
		if ((joiner->modifiers & SELECTOR_ADDR) != 0 && mailbox.address.len > 0) {
			put_address(joiner, mailbox.address);
		} else if ((joiner->modifiers & SELECTOR_ADDR) == 0 && mailbox.name.data != NULL) {
			join_begin(joiner);
			put_name(joiner, mailbox.name);
		}
	}
}

/* One value of a field, reduced as the modifiers say. */
static void put_reduced(struct joiner *joiner, struct bytes value)
{
	bool want_ip = (joiner->modifiers & SELECTOR_IP) != 0;

	put_found(joiner, want_ip ? find_ip4(value) : find_host(value));
}

static void put_field(struct joiner *joiner, uint32_t index)
{
	struct header_table *headers = joiner->source->headers;
	const struct header_field *field = &headers->field[index];

	if ((joiner->modifiers & (SELECTOR_ADDR | SELECTOR_NAME)) != 0 && joiner->decodes_first) {
		put_addresses(joiner, header_decoded(headers, index));
		return;
	}
	if ((joiner->modifiers & (SELECTOR_ADDR | SELECTOR_NAME)) != 0) {
		struct sink *storage = &headers->storage;
		size_t start = storage->len;
		bool folded = bytes_find(field->raw, '\r') < field->raw.len;

		if (folded)
			header_put_raw(field, storage);
		put_addresses(joiner, folded ? bytes_of(storage->data + start, storage->len - start)
		                             : field->raw);
		storage->len = start;
		return;
	}
	if ((joiner->modifiers & (SELECTOR_HOST | SELECTOR_IP)) != 0) {
		put_reduced(joiner, header_decoded(headers, index));
		return;
	}
	join_begin(joiner);
	if ((joiner->modifiers & SELECTOR_RAW) != 0) {
		header_put_raw(field, &joiner->out->data);
		return;
	}
	sink_put(&joiner->out->data, header_decoded(headers, index));
	sink_octet(&joiner->out->data, '\n');
}

static void put_fields(struct joiner *joiner, struct bytes name, uint32_t hash)
{
	struct header_table *headers = joiner->source->headers;
	uint32_t index = header_first(headers, name, hash);

	if ((joiner->modifiers & (SELECTOR_FIRST | SELECTOR_LAST)) == SELECTOR_LAST) {
		uint32_t last = index;

		for (; index != HEADER_NONE; index = header_next(headers, name, index))
			last = index;
		index = last;
	}
	while (index != HEADER_NONE) {
		put_field(joiner, index);
		if ((joiner->modifiers & (SELECTOR_FIRST | SELECTOR_LAST)) != 0)
			return;
		index = header_next(headers, name, index);
	}
}

/* Fields by constant names, in the order given; raw ones have their folds taken out here. */
static void put_named(struct joiner *joiner, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct bytes name = bytes_text(names[i]);

		put_fields(joiner, name, header_hash(name));
	}
}

/* Takes the fields from what ALL was already made to, whole; false when that cannot be. */
static bool all_part(struct joiner *joiner, uint32_t from, uint32_t to)
{
	const struct selector_source *source = joiner->source;
	uint32_t count = source->headers->message_count,
	         trusted = source->relays->trusted_fields_end;

	if (source->all.len == 0 || (from > 0 && from != trusted) || (to < count && to != trusted))
		return false;
	size_t start = from == 0 ? 0 : source->trusted_all_bytes;
	size_t end = to == count ? source->all.len : source->trusted_all_bytes;
	sink_put(&joiner->out->data, bytes_slice(source->all, start, end - start));
	joiner->count += to - from;
	return true;
}

static void put_all(struct joiner *joiner, uint32_t from, uint32_t to)
{
	struct selector_source *source = joiner->source;
	struct header_table *headers = source->headers;
	struct sink *data = &joiner->out->data;
	size_t trusted_bytes = 0;

	if (all_part(joiner, from, to))
		return;
	for (uint32_t i = from; i < to; i++) {
		if (i == source->relays->trusted_fields_end)
			trusted_bytes = data->len - joiner->start;
		struct bytes value = header_decoded(headers, i);

		if (data->len - joiner->start + headers->field[i].name.len + value.len + 3 >
		    HEADER_ALL_BYTES_MAX) {
			headers->cut = true;
			return;
		}
		joiner->count++;
		sink_put(data, headers->field[i].name);
		sink_put(data, BYTES(": "));
		sink_put(data, value);
		sink_octet(data, '\n');
	}
	if (data->full || from > 0 || to < headers->message_count)
		return;
	source->all = bytes_of(data->data + joiner->start, data->len - joiner->start);
	source->trusted_all_bytes = source->relays->trusted_fields_end < to ? trusted_bytes
	                                                                    : source->all.len;
}

static void put_pristine(struct joiner *joiner)
{
	struct bytes header = joiner->source->pristine_header;

	if (header.len > 0 && header.data[header.len - 1] == '\n' && header.len > 1 &&
	    header.data[header.len - 2] == '\n')
		header.len--;
	joiner->count++;
	sink_put(&joiner->out->data, header);
}

static void put_text(struct joiner *joiner, struct bytes value)
{
	if ((joiner->modifiers & (SELECTOR_HOST | SELECTOR_IP)) != 0) {
		put_reduced(joiner, value);
		return;
	}
	join_begin(joiner);
	sink_put(&joiner->out->data, value);
}

static void put_special(const struct selector *selector, struct joiner *joiner)
{
	static const char *const to_cc[] = {"To", "Cc"};
	static const char *const ids[] = {"X-Message-Id", "Resent-Message-Id",
	                                  "X-Original-Message-ID", "Message-Id"};
	const struct relays *relays = joiner->source->relays;
	uint32_t all = joiner->source->headers->message_count;

	switch ((enum selector_special)selector->special) {
	case SELECTOR_ALL:
		if ((joiner->modifiers & SELECTOR_RAW) != 0)
			put_pristine(joiner);
		else
			put_all(joiner, 0, all);
		break;
	case SELECTOR_ALL_TRUSTED:
		put_all(joiner, 0, relays->trusted_fields_end);
		break;
	case SELECTOR_ALL_UNTRUSTED:
		put_all(joiner, relays->trusted_fields_end, all);
		break;
	case SELECTOR_ALL_INTERNAL:
		put_all(joiner, 0, relays->internal_fields_end);
		break;
	case SELECTOR_ALL_EXTERNAL:
		put_all(joiner, relays->internal_fields_end, all);
		break;
	case SELECTOR_ENVELOPE_FROM:
		if (relays->has_envelope_from)
			put_text(joiner, relays->envelope_from);
		break;
	case SELECTOR_RELAYS_TRUSTED:
	case SELECTOR_RELAYS_UNTRUSTED:
	case SELECTOR_RELAYS_INTERNAL:
	case SELECTOR_RELAYS_EXTERNAL:
		put_text(joiner, relays->text[selector->special - SELECTOR_RELAYS_TRUSTED]);
		break;
	case SELECTOR_TO_CC:
		joiner->decodes_first = (joiner->modifiers & SELECTOR_RAW) == 0;
		put_named(joiner, to_cc, 2);
		break;
	case SELECTOR_MESSAGE_ID:
		joiner->decodes_first = (joiner->modifiers & SELECTOR_RAW) == 0;
		put_named(joiner, ids, 4);
		break;
	case SELECTOR_PLAIN:
	case SELECTOR_SPECIAL_COUNT:
		break;
	}
}

void selector_put(const struct selector *selector, struct selector_source *source,
                  struct text_build *out)
{
	if (selector->special == SELECTOR_PLAIN &&
	    !header_may_have(source->headers, selector->name_hash)) {
		text_build_absent(out);
		return;
	}
	struct joiner joiner = {
	    .source = source, .out = out, .modifiers = selector->modifiers, .start = out->data.len};

	if (selector->special == SELECTOR_PLAIN)
		put_fields(&joiner, bytes_of(selector->name, selector->name_len),
		           selector->name_hash);
	else
		put_special(selector, &joiner);
	if (joiner.count == 0)
		text_build_absent(out);
	else
		text_build_segment(out, joiner.start);
}
