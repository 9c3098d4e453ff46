/* rule_shrink.h - a pattern that is too large for PCRE2, said with less; write side only. */
#ifndef CLASSIFIER_RULE_SHRINK_H
#define CLASSIFIER_RULE_SHRINK_H

#include "base/bytes.h"
#include "classifier/rule_pool.h"

/* The same pattern with groups that occur or repeat more than once defined once and called by name,
 * in pool memory. NULL when it has none, or has something in it that a call would change: capturing
 * groups, references to them, options that do not stand in front. */
char *rule_shrink(struct rule_pool *pool, const char *pattern);

#endif
