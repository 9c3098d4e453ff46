/* header_words.h - encoded words (RFC 2047) in a value. */
#ifndef SMTP_HEADER_WORDS_H
#define SMTP_HEADER_WORDS_H

#include <stdbool.h>

#include "base/bytes.h"

/* True when `value` may hold an encoded word. */
bool header_has_words(struct bytes value);

#endif
