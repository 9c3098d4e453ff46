/* ruleset_pattern.h - patterns compiled with SpamAssassin's meaning of octets, for the ruleset and
 * its compiler.
 *
 * Plain octets: no UTF, no Unicode properties. Case folds as `/aai` does on octets in SpamAssassin:
 * ASCII letters, and C0-DE with E0-FE except D7 and F7, which PCRE2's own tables would not.
 */
#ifndef CLASSIFIER_RULESET_PATTERN_H
#define CLASSIFIER_RULESET_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define PATTERN_REASON_BYTES 200

struct pcre2_real_code_8;

/* Character tables; they must outlive what is compiled with them. NULL when memory is out. */
const uint8_t *pattern_tables_new(void);
void pattern_tables_free(const uint8_t *tables);

/* NULL when the pattern is bad; `reason` (PATTERN_REASON_BYTES) says why and `out_too_large`
 * whether only because it is too large for this PCRE2. */
struct pcre2_real_code_8 *pattern_compile(const uint8_t *tables, struct bytes pattern, char *reason,
                                          bool *out_too_large);
void pattern_free(struct pcre2_real_code_8 *pattern);

#endif
