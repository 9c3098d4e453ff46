/* decode.h - base64 and quoted-printable, with the repairs SpamAssassin 4.0 makes on broken input.
 */
#ifndef SMTP_DECODE_H
#define SMTP_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Octets decode_base64 may write for `len` octets of input. */
#define DECODE_BASE64_BYTES(len) ((len) / 4 * 3 + 3)

/* RFC 2045 6.8. White space and foreign octets are dropped, a single left-over character is cut; an
 * inner
 * '=' counts as 'A' when the text is clean and a multiple of four, else as '/'. Returns octets
 * written. */
size_t decode_base64(struct bytes in, uint8_t *out);

/* RFC 2045 6.7. Blanks at the end of lines go, soft breaks join, lower-case hex is taken, a '='
 * that begins nothing stays; CRLF becomes LF at the end. `out` holds in.len octets and may be
 * in.data. */
size_t decode_quoted_printable(struct bytes in, uint8_t *out);

/* RFC 2047 4.2: "_" is a space. `out` holds in.len octets. */
size_t decode_q_word(struct bytes in, uint8_t *out);

/* CRLF to LF in place; returns the new length. */
size_t decode_crlf_to_lf(uint8_t *data, size_t len);

/* The value of a digit of base64, or -1. */
int decode_base64_digit(uint8_t octet);

/* The value of a hexadecimal digit, or -1. */
static inline int decode_hex_digit(uint8_t octet)
{
	uint8_t letter = octet | 0x20;

	if (octet >= '0' && octet <= '9')
		return octet - '0';
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

#endif
