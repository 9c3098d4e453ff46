/* address_grammar.h - addresses of a header value read by the grammar of RFC 5322 3.4: groups,
 * nested comments, phrases of words. */
#ifndef SMTP_ADDRESS_GRAMMAR_H
#define SMTP_ADDRESS_GRAMMAR_H

#include <stdbool.h>

#include "base/bytes.h"
#include "smtp/sink.h"

struct grammar_item {
	struct bytes address; /* "user@host"; empty when either is missing, or room for it */
	struct bytes phrase;  /* data NULL when there is none */
	struct bytes comment; /* the last one; data NULL when there is none */
	bool has_user;        /* a local part was read, with a host or without */
};

struct grammar_walk {
	struct bytes in;
	size_t at;
	bool in_group, ended, ends_empty;
};

/* Walks over `value` (raw, folds included). */
void grammar_walk_open(struct grammar_walk *walk, struct bytes value);
/* The next address, with what is missing in it or could not be read; false at the end. What an
 * item consists of is put to `storage`: at most 3 * value.len + 3 octets an item. */
bool grammar_walk_next(struct grammar_walk *walk, struct sink *storage,
                       struct grammar_item *out_item);

#endif
