/* field_lines.h - what all header fields of ours have in common. */
#ifndef TESTS_FUZZ_FIELD_LINES_H
#define TESTS_FUZZ_FIELD_LINES_H

#include "base/bytes.h"
#include "base/check.h"

/* Lines end with CRLF, hold printing characters, none too many (RFC 5322 2.1.1), and those that go
 * on with a field begin with a tab. */
static inline void check_field_lines(struct bytes text)
{
	size_t column = 0;

	for (size_t i = 0; i < text.len; i++, column++) {
		uint8_t octet = text.data[i];

		if (octet == '\r') {
			ASSERT(i + 1 < text.len && text.data[i + 1] == '\n');
			ASSERT(column > 0 && column <= 998);
			i++;
			column = (size_t)-1;
			continue;
		}
		ASSERT(octet == '\t' ? column == 0 && i > 0 : octet >= ' ' && octet <= '~');
	}
	ASSERT(column == 0);
}

#endif
