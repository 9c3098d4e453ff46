/* dns_records.c - the records of a reply as texts.
 *
 * Rules compare them with patterns that were written for what Net::DNS makes of a record: so names
 * have a dot at their end and their odd octets escaped, words go to a new line where 80 columns are
 * over, and an SOA has remarks.
 */
#include <stdio.h>
#include <string.h>

#include "mgmt/dns_packet.h"
#include "mgmt/dns_reply.h"

#define COLUMNS       80
#define GROUPS        8 /* of an IPv6 address */
#define SERIAL_DIGITS 7 /* behind more the remark needs no second tab */

struct writing {
	struct dns_records *to;
	uint32_t column;
};

static void put(struct writing *w, uint8_t octet)
{
	if (w->to->text_len < sizeof(w->to->text))
		w->to->text[w->to->text_len++] = (char)octet;
}

static void put_text(struct writing *w, const char *text)
{
	for (; *text != '\0'; text++)
		put(w, (uint8_t)*text);
}

/* A word of so many octets follows. */
static void begin_word(struct writing *w, size_t bytes)
{
	bool first = w->column == 0;

	w->column += (uint32_t)bytes + 1;
	if (w->column > COLUMNS && !first)
		put_text(w, "\n\t");
	else if (!first)
		put(w, ' ');
	if (w->column > COLUMNS)
		w->column = (uint32_t)bytes;
}

static void put_word(struct writing *w, const char *word)
{
	begin_word(w, strlen(word));
	put_text(w, word);
}

/* The octet as text: itself, "\." or "\032". */
static size_t escape(uint8_t c, char out[5])
{
	if (c == '"' || c == '\\' || c == '(' || c == ')' || c == '.' || c == ';')
		return (size_t)snprintf(out, 5, "\\%c", c);
	return (size_t)snprintf(out, 5, c <= ' ' || c >= 0x7f ? "\\%03u" : "%c", c);
}

static void put_name(struct writing *w, struct dns_reading *r)
{
	char text[4 * DNS_NAME_WIRE_BYTES + 8] = ".";
	struct dns_name name;
	struct bytes label;
	size_t at = 0, len = 0;

	dns_take_name(r, &name);
	while (dns_name_next(&name, &at, &label)) {
		for (size_t i = 0; i < label.len; i++)
			len += escape(label.data[i], text + len);
		text[len++] = '.';
		text[len] = '\0';
	}
	put_word(w, text);
}

/* As RFC 5952, but never with an IPv4 address at the end. */
static void put_address(struct writing *w, struct dns_reading *r)
{
	uint32_t group[GROUPS], best = GROUPS, best_count = 1;
	char text[ADDR_TEXT_MAX] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < GROUPS; i++)
		group[i] = dns_take(r, 2);
	for (uint32_t i = 0; i < GROUPS; i++) {
		uint32_t count = 0;

		while (i + count < GROUPS && group[i + count] == 0)
			count++;
		if (count > best_count) {
			best = i;
			best_count = count;
		}
	}
	for (uint32_t i = 0; i < GROUPS; i++) {
		if (i == best) {
			len += (size_t)snprintf(text + len, sizeof(text) - len, "::");
			i += best_count - 1;
			continue;
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%x",
		                        i == 0 || i == best + best_count ? "" : ":", group[i]);
	}
	put_word(w, text);
}

static void put_strings(struct writing *w, struct dns_reading *r, size_t end)
{
	uint32_t left = 0;
	uint8_t octet;

	while (dns_take_text(r, end, &left, &octet))
		put(w, octet);
}

static void put_zone(struct writing *w, struct dns_reading *r)
{
	static const char *const remarks[] = {"refresh", "retry", "expire", "minimum"};
	char text[256], serial[16];
	size_t len;

	put_name(w, r);
	put_name(w, r);
	len = (size_t)snprintf(serial, sizeof(serial), "%u", dns_take(r, 4));
	len = (size_t)snprintf(text, sizeof(text), "\t\t\t%s%s\t;serial", serial,
	                       len > SERIAL_DIGITS ? "" : "\t");
	for (size_t i = 0; i < sizeof(remarks) / sizeof(remarks[0]); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "\n\t\t\t\t%u\t\t;%s",
		                        dns_take(r, 4), remarks[i]);
	begin_word(w, len + 1);
	put_text(w, text);
}

static const char *word_of(uint16_t type)
{
	switch (type) {
#define RECORD_TYPE(name, word, code) \
	case code: \
		return word;
#include "base/record_types.def"
	default:
		return "?";
	}
}

static void put_number(struct writing *w, uint32_t number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	put_word(w, text);
}

static void put_data(struct writing *w, struct dns_reading *r, const struct dns_record *record)
{
	char text[ADDR_TEXT_MAX];
	struct addr addr;

	switch (record->type) {
	case DNS_TYPE_A:
		addr = addr_from_ip4(dns_take(r, 4));
		put_word(w, addr_format(&addr, text));
		break;
	case DNS_TYPE_AAAA:
		put_address(w, r);
		break;
	case DNS_TYPE_MX:
		put_number(w, dns_take(r, 2));
		put_name(w, r);
		break;
	case DNS_TYPE_NS:
	case DNS_TYPE_CNAME:
	case DNS_TYPE_PTR:
		put_name(w, r);
		break;
	case DNS_TYPE_SOA:
		put_zone(w, r);
		break;
	case DNS_TYPE_TXT:
	case DNS_TYPE_SPF:
		put_strings(w, r, record->data + record->data_bytes);
		break;
	default:
		break;
	}
}

static bool has_size(const struct dns_record *record)
{
	return (record->type != DNS_TYPE_A || record->data_bytes == 4) &&
	       (record->type != DNS_TYPE_AAAA || record->data_bytes == 2 * GROUPS);
}

static void add_record(struct bytes packet, const struct dns_record *record,
                       struct dns_records *out)
{
	struct dns_reading data = {.packet = packet, .at = record->data};
	struct writing w = {.to = out};
	uint32_t before = out->text_len;

	put_text(&w, word_of(record->type));
	put(&w, ' ');
	put_data(&w, &data, record);
	put(&w, '\0');
	if (data.bad) {
		out->text_len = before;
		return;
	}
	if (out->count++ == 0 || record->ttl_s < out->ttl_s)
		out->ttl_s = record->ttl_s < DNS_TTL_S_MAX ? record->ttl_s : DNS_TTL_S_MAX;
	out->text[out->text_len - 1] = '\0';
}

void dns_reply_records(struct bytes packet, struct dns_records *out_records)
{
	struct dns_reading r = {.packet = packet};
	struct dns_record record;
	struct dns_head head;

	memset(out_records, 0, offsetof(struct dns_records, text));
	if (!dns_take_head(&r, &head))
		return;
	for (uint32_t i = 0; i < head.answers && i < DNS_RECORDS_READ; i++) {
		if (!dns_take_record(&r, &record))
			return;
		if (record.class == DNS_CLASS_IN && has_size(&record) &&
		    out_records->text_len < sizeof(out_records->text))
			add_record(packet, &record, out_records);
	}
}
