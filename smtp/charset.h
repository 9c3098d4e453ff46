/* charset.h - octets of any character set to UTF-8, guessing as SpamAssassin 4.0 does.
 *
 * The converters are opened once at start: single-octet sets become tables of code points,
 * multi-octet sets keep an iconv descriptor, whose iconv() allocates nothing. One instance per
 * worker.
 */
#ifndef SMTP_CHARSET_H
#define SMTP_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "smtp/sink.h"

struct charset_set;

size_t charset_set_bytes(void);
struct charset_set *charset_set_new(struct arena *arena);
/* Closes the descriptors; the memory is the arena's. */
void charset_set_close(struct charset_set *set);

/* Appends `in` as UTF-8. The order: ASCII as it is, valid UTF-8 whatever was declared, the declared
 * set, Windows-1252. With `insist` (an encoded word, RFC 2047) the declared set is taken at its
 * word and what it cannot decode becomes U+FFFD. What is appended need not be UTF-8 where the
 * declared set is UTF-7 but `in` is none, or UTF-16 in an encoded word. Returns true when octets
 * were decoded into characters, false when `in` was ASCII and was copied. */
bool charset_to_utf8(struct charset_set *set, struct bytes in, struct bytes declared, bool insist,
                     struct sink *out);

/* True when nothing has the high bit set. */
bool charset_is_ascii(struct bytes in);
/* True for well-formed UTF-8 (RFC 3629: no surrogates, no over-long forms). */
bool charset_is_utf8(struct bytes in);
/* Appends one code point; U+FFFD for what is none. */
void charset_put_utf8(struct sink *out, uint32_t code_point);
/* Reads one code point of well-formed UTF-8 at `data`; returns its length. */
unsigned charset_get_utf8(const uint8_t *data, size_t len, uint32_t *out_code_point);
/* Unicode's white space above ASCII. */
bool charset_is_space(uint32_t code_point);

#endif
