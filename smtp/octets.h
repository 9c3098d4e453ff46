/* octets.h - looking through octets sixteen at a time where the machine can, one by one elsewhere.
 *
 * Functions that look for something return an offset from the start of `in`; in.len says that
 * nothing was found. `from` is at most in.len.
 */
#ifndef SMTP_OCTETS_H
#define SMTP_OCTETS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* The first octet at or behind `from` that is one of `set`. */
size_t octets_find_any(struct bytes in, size_t from, const uint8_t set[4]);
/* The first place at or behind `from` where `text` stands, of at least two octets; with `nocase`
 * its ASCII letters in either case. */
size_t octets_find_text(struct bytes in, size_t from, struct bytes text, bool nocase);
/* The end of the words parted by single blanks that begin at `from`: behind it stands the end, an
 * octet below blank, or a blank with no word behind it. Octets from 0x80 on are of words when
 * `high`, else they end the run. */
size_t octets_words_end(struct bytes in, size_t from, bool high);
/* The first octet at or behind `from` that is not ASCII. */
size_t octets_ascii_end(struct bytes in, size_t from);
/* The first octet at or behind `from` that is not ASCII or is one of `set`. */
size_t octets_plain_end(struct bytes in, size_t from, const uint8_t set[2]);
/* The first octet at or behind `from` that no name of a header field has (RFC 5322 2.2): what is
 * not visible ASCII, or ':'. */
size_t octets_name_end(struct bytes in, size_t from);
/* As octets_ascii_end; adds how many octets in front of it are white space (HTAB to CR, and blanks)
 * to *io_space_count. */
size_t octets_ascii_spaces(struct bytes in, size_t from, uint32_t *io_space_count);
/* The first place at or behind `from` where one of `set` or the two octets of `pair` stand. */
size_t octets_find_pair(struct bytes in, size_t from, const uint8_t pair[2], const uint8_t set[2]);
/* Which of the 64 octets from `from` on are one of `set`: a bit each, the first one's is 1. */
uint64_t octets_mask(struct bytes in, size_t from, const uint8_t set[4]);
/* The same for white space: HTAB to CR, and blanks. */
uint64_t octets_space_mask(struct bytes in, size_t from);
/* Which of four pairs of octets stand in `in`: a bit each, the first one's is 1. */
unsigned octets_pairs(struct bytes in, const char pairs[4][2]);
/* How many octets are no continuation octets of UTF-8: characters, when it is well-formed. */
uint32_t octets_characters(struct bytes in);
/* Not keyed: for tables that bound how far they look, or are so small that nobody gains by making
 * others meet. */
uint32_t octets_hash(struct bytes in);

/* Copies from `from` on up to the first LF, itself included, or the end, and returns where that is.
 * `out` holds as much as `in` has from `from` on; it may lie in front of it in the same memory. Up
 * to 15 octets of it behind the line may be overwritten, but none of `in` that is still to come. */
size_t octets_copy_line(struct bytes in, size_t from, uint8_t *out);

static inline bool octets_has_nocase(struct bytes in, struct bytes text)
{
	return octets_find_text(in, 0, text, true) < in.len;
}

#endif
