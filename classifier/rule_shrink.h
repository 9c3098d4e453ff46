/* rule_shrink.h - patterns that Perl takes and PCRE2 does not, said so that it does; write side
 * only. */
#ifndef CLASSIFIER_RULE_SHRINK_H
#define CLASSIFIER_RULE_SHRINK_H

#include "base/bytes.h"
#include "classifier/rule_pool.h"

/* The same pattern with groups that occur or repeat more than once defined once and called by name,
 * in pool memory. NULL when it has none, or has something in it that a call would change: capturing
 * groups, references to them, options that do not stand in front. */
char *rule_shrink(struct rule_pool *pool, const char *pattern);

/* The same pattern with `$`, `^` and `\b` put into a group where a quantifier follows them, in pool
 * memory: Perl repeats an assertion, PCRE2 refuses to. */
char *rule_group_assertions(struct rule_pool *pool, const char *pattern);

#endif
