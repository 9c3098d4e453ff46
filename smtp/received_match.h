/* received_match.h - fits one Received line to a pattern.
 *
 * A pattern is literal octets and these elements; those that capture name their capture:
 *
 *   %h %H helo  %r %R rdns  %b by  %i %I ident  %d rdns and helo  %w %W nothing: a word up to the
 *               next blank; the first of a pair at least one octet. In front of a literal that is
 *               no blank the longest word that lets the rest fit. %B: by, ending in a letter or
 *               digit.
 *   %a ip, %A   an address; %c in brackets or not; %z the same, a zone allowed; %p with a
 *               port or not
 *   %g %G       anything: as little, as much as the rest allows; %s the same as %g, captured
 *   %S %n %N %k anything but ')': captured as words, not, as helo; %k and %N may be empty
 *   %q          helo: no blanks, no parentheses, maybe empty
 *   %m digits   %y id, in <> or not   %E HELO or EHLO   %T SMTP or ESMTP   %L this host
 *   %e          nothing, or " (envelope-sender <...>)"   %$ the end of the line
 *
 * Choices are tried in a bounded number of steps; a line that needs more does not fit.
 */
#ifndef SMTP_RECEIVED_MATCH_H
#define SMTP_RECEIVED_MATCH_H

#include <stdbool.h>

#include "base/addr.h"
#include "base/bytes.h"

struct received_captures {
	struct bytes helo, rdns, ip, by, ident, id, words; /* data NULL: not in the pattern */
	size_t end;                                        /* of what fitted */
};

bool received_match(const char *pattern, struct bytes line, struct received_captures *out_captures);
/* The length of the address at `at`, "IPv6:" included, 0 when there is none. */
size_t received_address_len(struct bytes line, size_t at);

#endif
