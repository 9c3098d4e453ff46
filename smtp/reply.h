/* reply.h - every SMTP reply postern can send; the texts are rows of replies.def. */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum smtp_reply {
#define REPLY(name, code, enhanced, text, when) REPLY_##name,
#include "smtp/replies.def"
	REPLY_COUNT
};

struct reply_info {
	uint16_t code;
	const char *name, *enhanced, *text, *when;
};
extern const struct reply_info reply_table[REPLY_COUNT];

/* "250 2.0.0 Ok\r\n". False when it does not fit. */
bool reply_write(enum smtp_reply reply, struct buf *out);
/* The same with ` detail` behind the text; octets outside printable ASCII become '?', and the line
 * is cut to 512 octets (RFC 5321 4.5.3.1.5). */
bool reply_write_detail(enum smtp_reply reply, struct bytes detail, struct buf *out);
/* The greeting with our name in it: "220 host ESMTP Postern\r\n" (RFC 5321 4.2). */
bool reply_write_banner(struct bytes hostname, struct buf *out);
/* A backend's reply for our client: one line, cleaned and cut as above; `text` as smtp_client_event
 * has it. An enhanced code is put before a text that has none of the code's class ("250 2.0.0 ...";
 * RFC 2034). */
bool reply_write_relayed(uint16_t code, struct bytes text, struct buf *out);
/* `text` begins with an enhanced status code of the class of `code` (RFC 3463 2). */
bool reply_text_is_enhanced(uint16_t code, struct bytes text);

#endif
