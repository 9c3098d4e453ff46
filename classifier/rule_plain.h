/* rule_plain.h - patterns that are a choice of strings of octet classes, or ask for a long line,
 * and need no PCRE2; write side only. */
#ifndef CLASSIFIER_RULE_PLAIN_H
#define CLASSIFIER_RULE_PLAIN_H

#include "classifier/rule_regex.h"
#include "classifier/ruleset_blob.h"

#define PLAIN_OCTETS_MAX 96

struct plain {
	struct blob_plain head; /* `start` is not set */
	struct blob_octets octets[PLAIN_OCTETS_MAX];
	uint32_t octet_count;
};

/* False when the pattern is anything else or too large: only a tree that says exactly what the
 * pattern matches is taken, and of lines "(?m)^[^\r\n]{998}" with the ways to write it. */
bool rule_plain(const struct regex *regex, struct bytes pattern, struct plain *out_plain);

#endif
