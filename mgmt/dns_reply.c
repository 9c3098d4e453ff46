/* dns_reply.c - what a DNS server replied. Anybody can have written the packet. */
#include "mgmt/dns_reply.h"

#include <string.h>

#define HEADER_BYTES    12
#define RECORDS_MAX     256
#define LABELS_MAX      128 /* of one name, jumps included */
#define RCODE_MASK      15
#define CLASS_IN        1
#define TTL_NONE_S      60 /* of a reply that says nothing of its own */
#define TTL_NONE_S_MAX  3600
#define TTL_S_MAX       86400
#define SUBSTITUTE      0x1a
#define LABEL_BYTES_MAX 63

struct reading {
	struct bytes packet;
	size_t at;
	bool bad; /* read beyond its end */
};

struct record {
	uint16_t type, class;
	uint32_t ttl_s;
	size_t data; /* offset */
	uint16_t data_bytes;
};

static uint32_t take(struct reading *r, uint32_t bytes)
{
	uint32_t value = 0;

	if (r->bad || r->packet.len - r->at < bytes) {
		r->bad = true;
		return 0;
	}
	while (bytes-- > 0)
		value = value << 8 | r->packet.data[r->at++];
	return value;
}

/* Goes behind the name; writes it, in lower case, to `out` unless that is NULL. Names that are no
 * names of hosts come out empty. */
static void take_name(struct reading *r, char *out)
{
	size_t at = r->at, len = 0;
	bool jumped = false;

	for (int i = 0; i < LABELS_MAX && at < r->packet.len; i++) {
		uint8_t octet = r->packet.data[at];

		if ((octet & 0xc0) == 0xc0 && at + 1 < r->packet.len) {
			if (!jumped)
				r->at = at + 2;
			jumped = true;
			at = (size_t)(octet & 0x3f) << 8 | r->packet.data[at + 1];
			continue;
		}
		if ((octet & 0xc0) != 0 || r->packet.len - at <= octet)
			break;
		at++;
		if (octet == 0) {
			if (!jumped)
				r->at = at;
			if (out != NULL)
				out[len < QUESTION_NAME_BYTES ? len : 0] = '\0';
			return;
		}
		for (int k = 0; k <= octet; k++) {
			uint8_t c = k == octet ? '.' : r->packet.data[at + (size_t)k];

			c |= (uint8_t)((c >= 'A' && c <= 'Z') << 5);
			if (out != NULL && len < QUESTION_NAME_BYTES)
				out[len++] = (char)c;
		}
		at += octet;
	}
	r->bad = true;
}

static bool take_record(struct reading *r, struct record *out)
{
	take_name(r, NULL);
	out->type = (uint16_t)take(r, 2);
	out->class = (uint16_t)take(r, 2);
	out->ttl_s = take(r, 4);
	out->data_bytes = (uint16_t)take(r, 2);
	out->data = r->at;
	if (r->bad || r->packet.len - r->at < out->data_bytes)
		return false;
	r->at += out->data_bytes;
	return true;
}

static void add_address(const struct reading *r, const struct record *record, uint16_t type,
                        struct dns_reply *out)
{
	const uint8_t *octets = r->packet.data + record->data;
	struct addr *address = &out->address[out->address_count];
	struct reading data = {.packet = r->packet, .at = record->data};

	if (record->data_bytes != (type == DNS_TYPE_A ? 4 : sizeof(address->octet)) ||
	    out->address_count == DNS_ADDRESSES_MAX)
		return;
	out->address_count++;
	if (type == DNS_TYPE_A)
		*address = addr_from_ip4(take(&data, 4));
	else
		memcpy(address->octet, octets, sizeof(address->octet));
}

static void put(struct dns_reply *out, uint8_t octet)
{
	if (out->text_len < DNS_TEXT_BYTES)
		out->text[out->text_len++] = (char)octet;
}

/* The strings of one record are one text. A NUL in it would end it: another octet stands for it
 * that no text has either. */
static void add_text(const struct reading *r, const struct record *record, struct dns_reply *out)
{
	size_t at = record->data, end = record->data + record->data_bytes;

	while (at < end) {
		size_t bytes = r->packet.data[at++];

		for (; bytes > 0 && at < end; bytes--, at++)
			put(out, r->packet.data[at] != '\0' ? r->packet.data[at] : SUBSTITUTE);
	}
	put(out, '\0');
}

/* Of a name that can be looked up, without the dot at its end. */
static bool take_sound_name(struct reading *r, char out[QUESTION_NAME_BYTES])
{
	size_t len;

	memset(out, 0, QUESTION_NAME_BYTES);
	take_name(r, out);
	len = r->bad ? 0 : strlen(out);
	if (len > 0 && out[len - 1] == '.')
		out[--len] = '\0';
	return dns_name_is_sound(bytes_of(out, len));
}

static void add_name(const struct reading *r, const struct record *record, uint16_t type,
                     struct dns_reply *out)
{
	struct reading data = {.packet = r->packet, .at = record->data};
	char name[QUESTION_NAME_BYTES];

	if (out->name_count == DNS_NAMES_MAX)
		return;
	if (type == DNS_TYPE_MX)
		(void)take(&data, 2); /* its preference */
	if (take_sound_name(&data, name))
		memcpy(out->name[out->name_count++], name, sizeof(name));
}

static void add_record(const struct reading *r, const struct record *record, uint16_t type,
                       struct dns_reply *out)
{
	if (record->class != CLASS_IN || record->type != type)
		return;
	if (out->result != ANSWER_FOUND || record->ttl_s < out->ttl_s)
		out->ttl_s = record->ttl_s < TTL_S_MAX ? record->ttl_s : TTL_S_MAX;
	out->result = ANSWER_FOUND;
	if (type == DNS_TYPE_A || type == DNS_TYPE_AAAA)
		add_address(r, record, type, out);
	else if (type == DNS_TYPE_TXT)
		add_text(r, record, out);
	else
		add_name(r, record, type, out);
}

/* RFC 2308: how long it may be remembered that there is nothing, and who says so. */
static void note_negative(const struct reading *r, const struct record *record,
                          struct dns_reply *out)
{
	struct reading data = {.packet = r->packet};
	uint32_t minimum;

	if (record->type != DNS_TYPE_SOA || record->data_bytes < 4)
		return;
	data.at = record->data;
	if (!take_sound_name(&data, out->authority))
		out->authority[0] = '\0';
	data.bad = false;
	data.at = record->data + record->data_bytes - 4;
	minimum = take(&data, 4);
	out->ttl_s = minimum < record->ttl_s ? minimum : record->ttl_s;
	if (out->ttl_s > TTL_NONE_S_MAX)
		out->ttl_s = TTL_NONE_S_MAX;
}

bool dns_name_is_sound(struct bytes name)
{
	size_t label = 0, labels = 1;

	if (name.len > DNS_NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		if (c == '.' && label == 0)
			return false;
		if (c != '.' && (c < ' ' || c >= 0x7f || c == '\\' || ++label > LABEL_BYTES_MAX))
			return false;
		if (c == '.') {
			label = 0;
			labels++;
		}
	}
	return label > 0 && labels > 1;
}

void dns_reply_clear(struct dns_reply *out_reply, enum answer_result result, uint32_t ttl_s)
{
	memset(out_reply, 0, offsetof(struct dns_reply, text));
	out_reply->result = result;
	out_reply->ttl_s = ttl_s;
}

bool dns_reply_next_text(struct bytes *in_out_texts, struct bytes *out_text)
{
	size_t end = bytes_find(*in_out_texts, '\0');

	if (in_out_texts->len == 0)
		return false;
	*out_text = bytes_slice(*in_out_texts, 0, end);
	*in_out_texts = bytes_slice(*in_out_texts, end + 1, SIZE_MAX);
	return true;
}

void dns_reply_parse(struct bytes packet, uint16_t type, struct dns_reply *out_reply)
{
	struct reading r = {.packet = packet};
	struct record record;
	uint32_t flags, questions, answers, authorities;

	dns_reply_clear(out_reply, ANSWER_FAILED, 0);
	(void)take(&r, 2);
	flags = take(&r, 2);
	questions = take(&r, 2);
	answers = take(&r, 2);
	authorities = take(&r, 2);
	(void)take(&r, 2);
	if (r.bad || questions > 1 ||
	    ((flags & RCODE_MASK) != 0 && (flags & RCODE_MASK) != DNS_CODE_NO_NAME))
		return;
	if (questions == 1) {
		take_name(&r, NULL);
		(void)take(&r, 4);
	}
	out_reply->code = flags & RCODE_MASK;
	out_reply->result = ANSWER_NONE;
	out_reply->ttl_s = TTL_NONE_S;
	for (uint32_t i = 0; i < answers && i < RECORDS_MAX && !r.bad; i++)
		if (take_record(&r, &record))
			add_record(&r, &record, type, out_reply);
		else
			r.bad = true;
	for (uint32_t i = 0;
	     i < authorities && i < RECORDS_MAX && !r.bad && out_reply->result == ANSWER_NONE; i++)
		if (take_record(&r, &record))
			note_negative(&r, &record, out_reply);
		else
			r.bad = true;
	if (r.bad && out_reply->result == ANSWER_NONE)
		out_reply->result = ANSWER_FAILED;
}
