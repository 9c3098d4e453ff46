/* charset_shift.h - character sets of seven bits, in which sequences switch what octets mean. */
#ifndef SMTP_CHARSET_SHIFT_H
#define SMTP_CHARSET_SHIFT_H

#include <iconv.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "smtp/sink.h"

/* Appends `in`, as UTF-8. The converters read EUC-JP and EUC-KR and write UTF-8. What the set does
 * not have is written as "\xA1", octet by octet; none of these fails. */
void charset_put_iso_2022_jp(iconv_t euc_jp, struct bytes in, struct sink *out);
void charset_put_iso_2022_kr(iconv_t euc_kr, struct bytes in, struct sink *out);
/* UTF-7 (RFC 2152). True when some of it was encoded; false when it was none: then it was copied,
 * whatever octets it has. */
bool charset_put_utf7(struct bytes in, struct sink *out);

#endif
