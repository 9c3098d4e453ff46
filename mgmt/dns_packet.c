/* dns_packet.c - octets of a DNS packet. */
#include "mgmt/dns_packet.h"

#include <string.h>

#define STEPS_MAX  128 /* labels and jumps of one name */
#define RCODE_MASK 15
#define SUBSTITUTE 0x1a

uint32_t dns_take(struct dns_reading *r, uint32_t bytes)
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

static void add_label(struct dns_name *name, struct bytes label, bool *in_out_too_long)
{
	*in_out_too_long |= sizeof(name->wire) - name->len <= label.len;
	if (*in_out_too_long)
		return;
	name->wire[name->len] = (uint8_t)label.len;
	memcpy(name->wire + name->len + 1, label.data, label.len);
	name->len += label.len + 1;
}

void dns_take_name(struct dns_reading *r, struct dns_name *out_name)
{
	size_t at = r->at;
	bool jumped = false, too_long = false;
	struct dns_name name = {.len = 0};

	for (int i = 0; i < STEPS_MAX && !r->bad && at < r->packet.len; i++) {
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
		if (octet == 0) {
			if (!jumped)
				r->at = at + 1;
			if (too_long)
				name.len = 0;
			if (out_name != NULL)
				*out_name = name;
			return;
		}
		add_label(&name, bytes_slice(r->packet, at + 1, octet), &too_long);
		at += 1u + octet;
	}
	if (out_name != NULL)
		out_name->len = 0;
	r->bad = true;
}

bool dns_name_next(const struct dns_name *name, size_t *in_out_at, struct bytes *out_label)
{
	if (*in_out_at >= name->len)
		return false;
	*out_label = bytes_of(name->wire + *in_out_at + 1, name->wire[*in_out_at]);
	*in_out_at += 1 + out_label->len;
	return true;
}

bool dns_take_text(struct dns_reading *r, size_t end, uint32_t *in_out_left, uint8_t *out_octet)
{
	uint8_t octet;

	while (*in_out_left == 0 && !r->bad && r->at < end)
		*in_out_left = dns_take(r, 1);
	if (r->bad || r->at >= end)
		return false;
	octet = (uint8_t)dns_take(r, 1);
	--*in_out_left;
	*out_octet = octet != '\0' ? octet : SUBSTITUTE;
	return true;
}

bool dns_take_head(struct dns_reading *r, struct dns_head *out_head)
{
	uint32_t questions;

	(void)dns_take(r, 2);
	out_head->code = dns_take(r, 2) & RCODE_MASK;
	questions = dns_take(r, 2);
	out_head->answers = dns_take(r, 2);
	out_head->authorities = dns_take(r, 2);
	(void)dns_take(r, 2);
	if (questions == 1) {
		dns_take_name(r, NULL);
		(void)dns_take(r, 4);
	}
	return !r->bad && questions <= 1;
}

bool dns_take_record(struct dns_reading *r, struct dns_record *out_record)
{
	dns_take_name(r, NULL);
	out_record->type = (uint16_t)dns_take(r, 2);
	out_record->class = (uint16_t)dns_take(r, 2);
	out_record->ttl_s = dns_take(r, 4);
	out_record->data_bytes = (uint16_t)dns_take(r, 2);
	out_record->data = r->at;
	if (r->bad || r->packet.len - r->at < out_record->data_bytes)
		return false;
	r->at += out_record->data_bytes;
	return true;
}
