/* date.h - dates of header fields (RFC 5322 3.3), read as loosely as they are written. */
#ifndef SMTP_DATE_H
#define SMTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* Seconds since 1970, UTC. Two-digit years, missing zones and days a month does not have are
 * mended; years are kept within 1970 and 2037. False when no day, month and year stand there. */
bool date_parse(struct bytes text, int64_t *out_s);
/* The date inside a Received value; empty when there is none. */
struct bytes date_in_received(struct bytes value);

#endif
