/* config_value.c - numbers with units, to and fro. */
#include <stdio.h>

#include "base/check.h"
#include "base/config_internal.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: formatting takes the first that divides. */
static const struct unit time_units[] = {
    {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit size_units[] = {
    {"G", 1 << 30}, {"M", 1 << 20}, {"k", 1 << 10}, {"", 1}, {NULL, 0}};

/* Far above every range, far below overflow with any unit. */
#define DIGITS_MAX ((uint64_t)1 << 40)

static bool parse_number(struct bytes text, const struct unit *units, int64_t *out_value)
{
	size_t digits = 0;
	uint64_t number;

	while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
		digits++;
	if (!bytes_to_u64(bytes_slice(text, 0, digits), DIGITS_MAX, &number))
		return false;
	for (const struct unit *unit = units; unit->name != NULL; unit++) {
		if (!bytes_equal_nocase(bytes_slice(text, digits, text.len),
		                        bytes_text(unit->name)))
			continue;
		return !__builtin_mul_overflow((int64_t)number, unit->factor, out_value);
	}
	return false;
}

/* [-]digits[.up to three digits], in thousandths. */
static bool parse_points(struct bytes text, int64_t *out_value)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	struct bytes number = bytes_slice(text, negative, text.len);
	size_t dot = bytes_find(number, '.');
	struct bytes fraction = bytes_slice(number, dot + 1, number.len);
	uint64_t whole, thousandths = 0;

	if (!bytes_to_u64(bytes_slice(number, 0, dot), DIGITS_MAX, &whole))
		return false;
	if (dot < number.len && (fraction.len > 3 || !bytes_to_u64(fraction, 999, &thousandths)))
		return false;
	for (size_t i = fraction.len; i < 3; i++)
		thousandths *= 10;
	*out_value = (int64_t)(whole * 1000 + thousandths) * (negative ? -1 : 1);
	return true;
}

static bool parse_bool(struct bytes text, int64_t *out_value)
{
	static const char *const names[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (int value = 0; value < 2; value++)
			if (bytes_equal_nocase(text, bytes_text(names[i][value]))) {
				*out_value = value;
				return true;
			}
	return false;
}

bool value_parse(enum option_type type, struct bytes text, int64_t *out_value)
{
	static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

	switch (type) {
	case OPTION_TYPE_u32:
		return parse_number(text, no_units, out_value);
	case OPTION_TYPE_size:
		return parse_number(text, size_units, out_value);
	case OPTION_TYPE_ms:
		if (bytes_equal(text, BYTES("0"))) { /* the one time that needs no unit */
			*out_value = 0;
			return true;
		}
		return parse_number(text, time_units, out_value);
	case OPTION_TYPE_points:
		return parse_points(text, out_value);
	case OPTION_TYPE_bool:
		return parse_bool(text, out_value);
	case OPTION_TYPE_text:
	case OPTION_TYPE_texts:
		break;
	}
	UNREACHABLE();
}

static void format_number(int64_t value, const struct unit *unit, char out[VALUE_TEXT_BYTES])
{
	while (value % unit->factor != 0)
		unit++;
	snprintf(out, VALUE_TEXT_BYTES, "%lld%s", (long long)(value / unit->factor), unit->name);
}

static void format_points(int64_t value, char out[VALUE_TEXT_BYTES])
{
	long long magnitude = value < 0 ? -value : value;
	int len = snprintf(out, VALUE_TEXT_BYTES, "%s%lld.%03lld", value < 0 ? "-" : "",
	                   magnitude / 1000, magnitude % 1000);

	/* At least one decimal stays. */
	while (out[len - 1] == '0' && out[len - 2] != '.')
		out[--len] = '\0';
}

char *value_format(enum option_type type, int64_t value, char out[VALUE_TEXT_BYTES])
{
	if (type == OPTION_TYPE_bool)
		snprintf(out, VALUE_TEXT_BYTES, "%s", value != 0 ? "true" : "false");
	else if (type == OPTION_TYPE_points)
		format_points(value, out);
	else if (value == 0 || type == OPTION_TYPE_u32)
		snprintf(out, VALUE_TEXT_BYTES, "%lld", (long long)value);
	else
		format_number(value, type == OPTION_TYPE_ms ? time_units : size_units, out);
	return out;
}

const char *value_form(enum option_type type)
{
	static const char *const forms[] = {
	    [OPTION_TYPE_u32] = "a whole number",
	    [OPTION_TYPE_size] = "a size such as 65536, 64k, 25M or 1G",
	    [OPTION_TYPE_ms] = "a time with its unit, such as 300s, 5min or 20ms",
	    [OPTION_TYPE_points] = "a decimal number with at most three decimals, such as 5.0",
	    [OPTION_TYPE_bool] = "true or false",
	    [OPTION_TYPE_text] = "a text",
	    [OPTION_TYPE_texts] = "a list of texts such as [\"a\", \"b\"]",
	};

	return forms[type];
}
