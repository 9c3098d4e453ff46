/* reply.c - the reply table and its way onto the wire. */
#include "smtp/reply.h"

#include <assert.h>

#include "base/check.h"
#include "base/limits.h"

const struct reply_info reply_table[REPLY_COUNT] = {
#define REPLY(name, code, enhanced, text, when) \
	[REPLY_##name] = {code, #name, enhanced, text, when},
#include "smtp/replies.def"
};

/* Leaves room for a detail in every reply line. The class digit is checked by the unit test. */
#define REPLY(name, code, enhanced, text, when) \
	static_assert(sizeof(text) <= 80, #name ": reply text too long");
#include "smtp/replies.def"

static bool write_printable(struct bytes text, size_t bytes_max, struct buf *out)
{
	for (size_t i = 0; i < text.len && i < bytes_max; i++) {
		uint8_t octet = text.data[i];
		buf_put_octet(out, octet >= ' ' && octet <= '~' ? octet : '?');
	}
	return !out->overflow;
}

/* Ends a line that began at `start`: cut to what RFC 5321 4.5.3.1.5 allows, CRLF behind it. All or
 * nothing: what does not fit is taken back. */
static bool end_line(size_t start, struct buf *out)
{
	if (!out->overflow && out->len - start > SMTP_REPLY_LINE_BYTES_MAX - 2)
		out->len = start + SMTP_REPLY_LINE_BYTES_MAX - 2;
	if (buf_put(out, BYTES("\r\n")))
		return true;
	out->len = start;
	return false;
}

static void begin_line(const struct reply_info *info, struct buf *out)
{
	buf_put_u64(out, info->code);
	buf_put_octet(out, ' ');
	if (info->enhanced[0] != '\0') {
		buf_put_text(out, info->enhanced);
		buf_put_octet(out, ' ');
	}
	buf_put_text(out, info->text);
}

bool reply_write(enum smtp_reply reply, struct buf *out)
{
	return reply_write_detail(reply, bytes_of(NULL, 0), out);
}

bool reply_write_detail(enum smtp_reply reply, struct bytes detail, struct buf *out)
{
	size_t start = out->len;

	ASSERT(reply < REPLY_COUNT);
	begin_line(&reply_table[reply], out);
	if (detail.len > 0) {
		buf_put_octet(out, ' ');
		write_printable(detail, SMTP_REPLY_LINE_BYTES_MAX, out);
	}
	return end_line(start, out);
}

bool reply_write_banner(struct bytes hostname, struct buf *out)
{
	const struct reply_info *info = &reply_table[REPLY_READY];
	size_t start = out->len;

	buf_put_u64(out, info->code);
	buf_put_octet(out, ' ');
	write_printable(hostname, SMTP_DOMAIN_BYTES_MAX, out);
	buf_put_octet(out, ' ');
	buf_put_text(out, info->text);
	return end_line(start, out);
}

/* One to three digits at `at`; returns the offset behind them, or 0. */
static size_t skip_number(struct bytes text, size_t at)
{
	size_t end = at;

	while (end < text.len && end < at + 3 && text.data[end] >= '0' && text.data[end] <= '9')
		end++;
	return end > at ? end : 0;
}

bool reply_text_is_enhanced(uint16_t code, struct bytes text)
{
	if (text.len < 5 || text.data[0] != '0' + code / 100 || text.data[1] != '.')
		return false;
	size_t at = skip_number(text, 2);
	if (at == 0 || at >= text.len || text.data[at] != '.')
		return false;
	at = skip_number(text, at + 1);
	return at != 0 && (at == text.len || text.data[at] == ' ');
}

bool reply_write_relayed(uint16_t code, struct bytes text, struct buf *out)
{
	size_t start = out->len;

	ASSERT(code >= 200 && code <= 599);
	buf_put_u64(out, code);
	buf_put_octet(out, ' ');
	if (code / 100 != 3 && !reply_text_is_enhanced(code, text)) {
		buf_put_octet(out, (uint8_t)('0' + code / 100));
		buf_put_text(out, ".0.0 ");
	}
	write_printable(text, SMTP_REPLY_LINE_BYTES_MAX, out);
	return end_line(start, out);
}
