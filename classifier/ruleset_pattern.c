/* ruleset_pattern.c - patterns compiled with SpamAssassin's meaning of octets. */
#include "classifier/ruleset_pattern.h"

#include <locale.h>
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"

/* PCRE2 documents neither the order nor the size of its tables' parts as an interface, but
 * pcre2_maketables and pcre2_dftables have laid them out so since PCRE 2.0: lower case, flipped
 * case, class bits, types. A probe below refuses a library where that is not so. */
#define LOWER_OFFSET 0
#define FLIP_OFFSET  256

static bool layout_is_known(const uint8_t *tables)
{
	for (int c = 0; c < 128; c++) {
		bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';

		if (tables[LOWER_OFFSET + c] != (upper ? c + 32 : c))
			return false;
		if (tables[FLIP_OFFSET + c] != (upper ? c + 32 : lower ? c - 32 : c))
			return false;
	}
	return true;
}

const uint8_t *pattern_tables_new(void)
{
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (plain == (locale_t)0)
		return NULL;

	locale_t before = uselocale(plain);
	uint8_t *tables = (uint8_t *)(uintptr_t)pcre2_maketables(NULL);
	uselocale(before);
	freelocale(plain);
	if (tables == NULL)
		return NULL;
	ASSERT(layout_is_known(tables));
	for (int c = 0xc0; c <= 0xde; c++) {
		if (c == 0xd7)
			continue;
		tables[LOWER_OFFSET + c] = (uint8_t)(c + 0x20);
		tables[FLIP_OFFSET + c] = (uint8_t)(c + 0x20);
		tables[FLIP_OFFSET + c + 0x20] = (uint8_t)c;
	}
	return tables;
}

void pattern_tables_free(const uint8_t *tables)
{
	if (tables != NULL)
		pcre2_maketables_free(NULL, tables);
}

struct pcre2_real_code_8 *pattern_compile(const uint8_t *tables, struct bytes pattern, char *reason,
                                          bool *out_too_large)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	PCRE2_SIZE offset = 0;
	int error = 0;

	*out_too_large = false;
	reason[0] = '\0';
	if (context == NULL) {
		snprintf(reason, PATTERN_REASON_BYTES, "out of memory");
		return NULL;
	}
	pcre2_set_character_tables(context, tables);
	pcre2_set_newline(context, PCRE2_NEWLINE_LF); /* whatever the library was built for */
	pcre2_code *code = pcre2_compile(pattern.data, pattern.len,
	                                 PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_USE_OFFSET_LIMIT,
	                                 &error, &offset, context);
	pcre2_compile_context_free(context);
	if (code == NULL) {
		PCRE2_UCHAR text[120];

		pcre2_get_error_message(error, text, sizeof(text));
		snprintf(reason, PATTERN_REASON_BYTES, "%s at octet %zu of the pattern",
		         (const char *)text, (size_t)offset);
		*out_too_large = error == PCRE2_ERROR_PATTERN_TOO_LARGE;
	}
	return code;
}

void pattern_free(struct pcre2_real_code_8 *pattern)
{
	pcre2_code_free(pattern);
}
