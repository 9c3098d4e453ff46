/* trace_header.h - the header fields we put above a message (RFC 5321 4.4, RFC 3848, RFC
 * 5322 2.2.3).
 *
 * What a client said is cleaned: nothing of it can end a line, a comment or a token. Lines fold at
 * 78 columns where there is a place to fold, and never exceed 998.
 */
#ifndef SMTP_TRACE_HEADER_H
#define SMTP_TRACE_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

struct trace_received {
	struct bytes helo;           /* as the client gave it; may be empty */
	struct bytes client_address; /* "192.0.2.1" or "2001:db8::1" */
	struct bytes hostname;       /* ours */
	struct bytes id;             /* of the message, ours */
	struct bytes date;           /* RFC 5322 3.3 */
	bool esmtp;                  /* EHLO was given: "with ESMTP", else "with SMTP" */
	bool authenticated;          /* the next hop took the client's AUTH: "with ESMTPSA" */
	struct bytes tls_version;    /* "TLSv1.3"; empty: in the clear. Else "with ESMTPS" */
	struct bytes tls_suite;      /* "TLS_AES_128_GCM_SHA256" */
	bool client_certificate;     /* the client showed one inside TLS ... */
	bool client_verified;        /* ... of an authority we trust */
};

struct trace_rule {
	struct bytes name;
	int32_t score_milli;
};

struct trace_verdict {
	bool spam;
	int32_t score_milli, required_milli;
	const struct trace_rule *rules;
	uint32_t rule_count;
	struct bytes id;
};

/* Each writes whole fields with their CRLF; false, and nothing written, when they do not fit. */

/* "Received: from ... by ... with ... id ...; date". There is no FOR clause: it would tell one
 * recipient of the others (RFC 5321 7.6). */
bool trace_write_received(const struct trace_received *received, struct buf *out);
/* X-Spam-Flag, X-Spam-Score, X-Spam-Status and X-Postern-Id. */
bool trace_write_verdict(const struct trace_verdict *verdict, struct buf *out);

#endif
