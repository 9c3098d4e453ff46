/* rule_compile_key.h - what a compiled generation depends on beside the rule files; write side
 * only. */
#ifndef CLASSIFIER_RULE_COMPILE_KEY_H
#define CLASSIFIER_RULE_COMPILE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

/* A key over `sum` (what was read), the compiler's options, and what makes the same input compile
 * to something else: this program, Hyperscan, PCRE2, the processor. False when the program cannot
 * be read. */
bool rule_key(struct hash128 sum, uint32_t options, struct hash128 *out_key);

#endif
