/* dns_reply.c - what a DNS server replied. Anybody can have written the packet. */
#include "mgmt/dns_reply.h"

#include <string.h>

#include "mgmt/dns_packet.h"

#define TTL_NONE_S      60 /* of a reply that says nothing of its own */
#define TTL_NONE_S_MAX  3600
#define LABEL_BYTES_MAX 63

static void add_address(const struct dns_reading *r, const struct dns_record *record, uint16_t type,
                        struct dns_reply *out)
{
	const uint8_t *octets = r->packet.data + record->data;
	struct addr *address = &out->address[out->address_count];
	struct dns_reading data = {.packet = r->packet, .at = record->data};

	if (record->data_bytes != (type == DNS_TYPE_A ? 4 : sizeof(address->octet)) ||
	    out->address_count == DNS_ADDRESSES_MAX)
		return;
	out->address_count++;
	if (type == DNS_TYPE_A)
		*address = addr_from_ip4(dns_take(&data, 4));
	else
		memcpy(address->octet, octets, sizeof(address->octet));
}

static void put(struct dns_reply *out, uint8_t octet)
{
	if (out->text_len < DNS_TEXT_BYTES)
		out->text[out->text_len++] = (char)octet;
}

static void add_text(const struct dns_reading *r, const struct dns_record *record,
                     struct dns_reply *out)
{
	struct dns_reading data = {.packet = r->packet, .at = record->data};
	uint32_t left = 0;
	uint8_t octet;

	while (dns_take_text(&data, record->data + record->data_bytes, &left, &octet))
		put(out, octet);
	put(out, '\0');
}

/* In lower case, without the dot at its end. False: it is none that can be looked up. */
static bool take_sound_name(struct dns_reading *r, char out[QUESTION_NAME_BYTES])
{
	struct dns_name name;
	struct bytes label;
	size_t at = 0, len = 0;

	memset(out, 0, QUESTION_NAME_BYTES);
	dns_take_name(r, &name);
	while (dns_name_next(&name, &at, &label)) {
		if (len > 0)
			out[len++] = '.';
		for (size_t i = 0; i < label.len; i++)
			out[len++] = (char)bytes_lower(label.data[i]);
	}
	return !r->bad && dns_name_is_sound(bytes_of(out, len));
}

static void add_name(const struct dns_reading *r, const struct dns_record *record, uint16_t type,
                     struct dns_reply *out)
{
	struct dns_reading data = {.packet = r->packet, .at = record->data};
	char name[QUESTION_NAME_BYTES];

	if (out->name_count == DNS_NAMES_MAX)
		return;
	if (type == DNS_TYPE_MX)
		(void)dns_take(&data, 2); /* its preference */
	if (take_sound_name(&data, name))
		memcpy(out->name[out->name_count++], name, sizeof(name));
}

static void add_record(const struct dns_reading *r, const struct dns_record *record, uint16_t type,
                       struct dns_reply *out)
{
	if (record->class != DNS_CLASS_IN || record->type != type)
		return;
	if (out->result != ANSWER_FOUND || record->ttl_s < out->ttl_s)
		out->ttl_s = record->ttl_s < DNS_TTL_S_MAX ? record->ttl_s : DNS_TTL_S_MAX;
	out->result = ANSWER_FOUND;
	if (type == DNS_TYPE_A || type == DNS_TYPE_AAAA)
		add_address(r, record, type, out);
	else if (type == DNS_TYPE_TXT)
		add_text(r, record, out);
	else if (type == DNS_TYPE_NS || type == DNS_TYPE_MX || type == DNS_TYPE_PTR)
		add_name(r, record, type, out);
}

/* RFC 2308: how long it may be remembered that there is nothing, and who says so. */
static void note_negative(const struct dns_reading *r, const struct dns_record *record,
                          struct dns_reply *out)
{
	struct dns_reading data = {.packet = r->packet};
	uint32_t minimum;

	if (record->type != DNS_TYPE_SOA || record->data_bytes < 4)
		return;
	data.at = record->data;
	if (!take_sound_name(&data, out->authority))
		out->authority[0] = '\0';
	data.bad = false;
	data.at = record->data + record->data_bytes - 4;
	minimum = dns_take(&data, 4);
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
	out_reply->code = DNS_CODE_NONE;
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
	struct dns_reading r = {.packet = packet};
	struct dns_record record;
	struct dns_head head;

	dns_reply_clear(out_reply, ANSWER_FAILED, 0);
	if (!dns_take_head(&r, &head))
		return;
	out_reply->code = head.code;
	if (head.code != 0 && head.code != DNS_CODE_NO_NAME)
		return;
	out_reply->result = ANSWER_NONE;
	out_reply->ttl_s = TTL_NONE_S;
	for (uint32_t i = 0; i < head.answers && i < DNS_RECORDS_READ && !r.bad; i++)
		if (dns_take_record(&r, &record))
			add_record(&r, &record, type, out_reply);
		else
			r.bad = true;
	for (uint32_t i = 0; i < head.authorities && i < DNS_RECORDS_READ && !r.bad &&
	                     out_reply->result == ANSWER_NONE;
	     i++)
		if (dns_take_record(&r, &record))
			note_negative(&r, &record, out_reply);
		else
			r.bad = true;
	if (r.bad && out_reply->result == ANSWER_NONE)
		out_reply->result = ANSWER_FAILED;
}
