/* trace_header.c - the header fields we put above a message. */
#include "smtp/trace_header.h"

#include "base/limits.h"

#define COLUMNS_MAX         78 /* RFC 5322 2.1.1 */
#define RULE_NAME_BYTES_MAX 200

/* A token of what somebody else said: letters, digits and what names and address literals need.
 * Anything else, white space, brackets of comments and line ends above all, becomes '?'. */
static void put_token(struct bytes text, size_t bytes_max, struct buf *out)
{
	for (size_t i = 0; i < text.len && i < bytes_max; i++) {
		uint8_t octet = text.data[i];
		bool plain = (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
		             (octet >= '0' && octet <= '9') ||
		             (octet != '\0' && strchr("._-+=[]:", octet) != NULL);
		buf_put_octet(out, plain ? octet : '?');
	}
	if (text.len == 0)
		buf_put_text(out, "unknown");
}

static bool commit(size_t start, struct buf *out)
{
	if (!out->overflow)
		return true;
	out->len = start;
	return false;
}

/* RFC 3848 has words for TLS and AUTH behind EHLO only; what was agreed stands in a comment. */
static void put_protocol(const struct trace_received *received, struct buf *out)
{
	bool tls = received->tls_version.len > 0;

	buf_put_text(out, received->esmtp ? "\r\n\twith ESMTP" : "\r\n\twith SMTP");
	if (received->esmtp && tls)
		buf_put_octet(out, 'S');
	if (received->esmtp && received->authenticated)
		buf_put_octet(out, 'A');
	if (tls) {
		buf_put_text(out, " (");
		put_token(received->tls_version, SMTP_LOCAL_PART_BYTES_MAX, out);
		buf_put_octet(out, ' ');
		put_token(received->tls_suite, SMTP_LOCAL_PART_BYTES_MAX, out);
		if (received->client_certificate)
			buf_put_text(out, received->client_verified
			                      ? ",\r\n\tclient certificate verified"
			                      : ",\r\n\tclient certificate not verified");
		buf_put_text(out, ")\r\n\tid ");
	} else {
		buf_put_text(out, " id ");
	}
}

bool trace_write_received(const struct trace_received *received, struct buf *out)
{
	size_t start = out->len;
	bool ip6 = bytes_find(received->client_address, ':') < received->client_address.len;

	buf_put_text(out, "Received: from ");
	put_token(received->helo, SMTP_DOMAIN_BYTES_MAX, out);
	buf_put_text(out, ip6 ? "\r\n\t([IPv6:" : "\r\n\t([");
	put_token(received->client_address, SMTP_DOMAIN_BYTES_MAX, out);
	buf_put_text(out, "])\r\n\tby ");
	put_token(received->hostname, SMTP_DOMAIN_BYTES_MAX, out);
	put_protocol(received, out);
	put_token(received->id, SMTP_LOCAL_PART_BYTES_MAX, out);
	buf_put_text(out, ";\r\n\t");
	/* The date is our own clock's text: spaces, commas and colons belong to it. */
	buf_put(out, received->date);
	buf_put_text(out, "\r\n");
	return commit(start, out);
}

static void put_milli(int32_t milli, struct buf *out)
{
	int64_t value = milli;
	char fraction[4];

	if (value < 0) {
		buf_put_octet(out, '-');
		value = -value;
	}
	buf_put_u64(out, (uint64_t)value / 1000);
	for (int64_t i = 2, rest = value % 1000; i >= 0; i--, rest /= 10)
		fraction[i] = (char)('0' + rest % 10);
	fraction[3] = '\0';
	buf_put_octet(out, '.');
	buf_put_text(out, fraction);
}

/* "tests=A,B,C", folded behind commas; `line` is where the current line began. */
static void put_rules(const struct trace_verdict *verdict, size_t line, struct buf *out)
{
	buf_put_text(out, "tests=");
	if (verdict->rule_count == 0)
		buf_put_text(out, "none");
	for (uint32_t i = 0; i < verdict->rule_count; i++) {
		struct bytes name = bytes_slice(verdict->rules[i].name, 0, RULE_NAME_BYTES_MAX);
		bool last = i + 1 == verdict->rule_count;
		/* A tab counts one column here; who shows it wider does not count. */
		if (out->len - line + name.len + !last > COLUMNS_MAX && out->len - line > 1) {
			buf_put_text(out, "\r\n\t");
			line = out->len - 1;
		}
		put_token(name, RULE_NAME_BYTES_MAX, out);
		if (!last)
			buf_put_octet(out, ',');
	}
	buf_put_text(out, "\r\n");
}

bool trace_write_verdict(const struct trace_verdict *verdict, struct buf *out)
{
	size_t start = out->len;

	buf_put_text(out, verdict->spam ? "X-Spam-Flag: YES\r\nX-Spam-Score: "
	                                : "X-Spam-Flag: NO\r\nX-Spam-Score: ");
	put_milli(verdict->score_milli, out);
	buf_put_text(out, verdict->spam ? "\r\nX-Spam-Status: Yes, score="
	                                : "\r\nX-Spam-Status: No, score=");
	put_milli(verdict->score_milli, out);
	buf_put_text(out, " required=");
	put_milli(verdict->required_milli, out);
	buf_put_text(out, "\r\n\t");
	put_rules(verdict, out->len - 1, out);
	buf_put_text(out, "X-Postern-Id: ");
	put_token(verdict->id, SMTP_LOCAL_PART_BYTES_MAX, out);
	buf_put_text(out, "\r\n");
	return commit(start, out);
}
