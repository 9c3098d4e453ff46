/* scan_compare.h - our hits beside those of a spamd, for the same messages. */
#ifndef MGMT_SCAN_COMPARE_H
#define MGMT_SCAN_COMPARE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"
#include "classifier/classifier.h"

struct scan_compare;

/* `where`: "HOST:PORT" or the path of a socket. NULL when memory is out. */
struct scan_compare *scan_compare_new(const char *where, const struct ruleset *ruleset);
void scan_compare_free(struct scan_compare *compare);
/* Asks spamd about `message` and notes how its answer differs from the judgement just made in
 * `context`. Prints one line. With an error `reason` (200 octets) says why; the message is not
 * counted then. */
MUST_CHECK enum err scan_compare_message(struct scan_compare *compare, const char *path,
                                         struct bytes message, const struct scan_context *context,
                                         const struct judgement *judgement, char *reason);
/* Totals, and every rule the two do not agree on. True when they agreed on all. */
bool scan_compare_print(const struct scan_compare *compare, FILE *out);

#endif
