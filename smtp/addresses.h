/* addresses.h - addresses and display names of a header value (RFC 5322 3.4), read as loosely as
 * mail is written. */
#ifndef SMTP_ADDRESSES_H
#define SMTP_ADDRESSES_H

#include <stdbool.h>

#include "base/bytes.h"
#include "smtp/address_grammar.h"
#include "smtp/sink.h"

struct mailbox {
	struct bytes address; /* "user@host"; empty when the item has none */
	struct bytes name;    /* display name, else the comment; undecoded, in `storage`; data NULL
	                         when there is none */
};

struct address_walk {
	struct bytes rest;
	struct sink storage; /* names and addresses without quotes, escapes and comments */
	bool items_end;      /* the rest cannot be read item by item */
	bool addresses_only; /* items that have an address are told without their names */
	bool decided;        /* which of the two readings counts */
	bool by_grammar;
	size_t commas;        /* in the value: so many items and one more should be found */
	struct bytes whole;   /* the value, without pairs of backslashes */
	uint32_t whole_names; /* items that were called by it */
	struct grammar_walk grammar;
};

/* Walks over `value` (raw, folds included); who needs no names sets addresses_only then. `storage`
 * holds what is not in it as it is read: at most 4 * value.len + 3 octets. */
void address_walk_open(struct address_walk *walk, struct bytes value, struct sink storage);
/* The next item; false at the end. */
bool address_walk_next(struct address_walk *walk, struct mailbox *out_mailbox);

#endif
