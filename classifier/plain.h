/* plain.h - finds matches of a pattern that is a choice of strings of octet classes, or asks for a
 * long line (struct blob_plain), without PCRE2. */
#ifndef CLASSIFIER_PLAIN_H
#define CLASSIFIER_PLAIN_H

#include <stdbool.h>

#include "base/bytes.h"
#include "classifier/ruleset_blob.h"

/* Finds the first match that begins in [from, to] of the text, as PCRE2 would: the alternative that
 * stands first in the pattern decides where it ends. */
bool plain_find(const struct blob_plain *plain, const struct blob_octets *octets, struct bytes text,
                size_t from, size_t to, size_t *out_end);
/* Counts matches that begin in [*in_out_from, to] and do not overlap, up to `max`; `*in_out_from`
 * becomes where it would go on. */
uint32_t plain_count(const struct blob_plain *plain, const struct blob_octets *octets,
                     struct bytes text, size_t to, uint32_t max, size_t *in_out_from);

#endif
