/* date.c - dates of header fields. */
#include "smtp/date.h"

#include "smtp/header.h"
#include "smtp/octets.h"

#define WORDS_MAX 24

struct words {
	struct bytes word[WORDS_MAX];
	bool taken[WORDS_MAX];
	unsigned count;
};

struct zone {
	const char *name;
	int minutes;
};

static const struct zone zones[] = {
#define ZONE(name, minutes) {#name, minutes},
#include "smtp/date_zones.def"
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_upper(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_word_octet(uint8_t c)
{
	return is_digit(c) || is_upper(c) || (c >= 'a' && c <= 'z') || c == '_';
}

/* Words between white space and commas behind a word. */
static void split(struct bytes text, struct words *words)
{
	words->count = 0;
	for (size_t at = 0; at < text.len && words->count < WORDS_MAX;) {
		size_t start = at;

		while (at < text.len && !header_is_space(text.data[at]) && text.data[at] != ',')
			at++;
		if (at == start) {
			at++;
			continue;
		}
		words->taken[words->count] = false;
		words->word[words->count++] = bytes_slice(text, start, at - start);
	}
}

/* A word of `min` to `max` digits, at most 9, and nothing else. */
static bool is_number(struct bytes word, size_t min, size_t max, uint32_t *out_value)
{
	uint32_t value = 0;

	if (word.len < min || word.len > max)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (!is_digit(word.data[i]))
			return false;
		value = value * 10 + word.data[i] - '0';
	}
	*out_value = value;
	return true;
}

/* 1 to 12, or 0. */
static uint32_t month_of(struct bytes word)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (uint32_t i = 0; word.len == 3 && i < 12; i++)
		if (bytes_equal_nocase(word, bytes_of(names + (size_t)3 * i, 3)))
			return i + 1;
	return 0;
}

struct date {
	uint32_t day, month, year, hour, minute, second;
	int zone_minutes;
};

static bool is_clock_like(struct bytes word)
{
	size_t colon_count = 0;

	for (size_t i = 0; i < word.len; i++) {
		bool colon = word.data[i] == ':';

		if (!colon && !is_digit(word.data[i]))
			return false;
		if (colon && (i == 0 || i + 1 == word.len || word.data[i - 1] == ':'))
			return false;
		colon_count += colon;
	}
	return colon_count == 2;
}

/* "4 Mar 2026", "Mar 4 10:00:00 2026", "4 Mar 26"; the words read are taken. */
static bool day_read(struct words *words, struct date *date)
{
	for (unsigned form = 0; form < 3; form++) {
		unsigned length = form == 1 ? 4 : 3;

		for (unsigned i = 0; i + length <= words->count; i++) {
			const struct bytes *word = &words->word[i];
			size_t digits_min = form == 2 ? 2 : 4, digits_max = form == 2 ? 3 : 4;

			date->month = month_of(word[form == 1 ? 0 : 1]);
			if (date->month == 0 ||
			    !is_number(word[form == 1 ? 1 : 0], 1, 9, &date->day) ||
			    !is_number(word[length - 1], digits_min, digits_max, &date->year) ||
			    (form == 1 && !is_clock_like(word[2])))
				continue;
			if (form == 2)
				date->year += word[2].len == 2 && date->year < 50 ? 2000 : 1900;
			for (unsigned k = 0; k < length; k++)
				words->taken[i + k] = true;
			return true;
		}
	}
	return false;
}

/* "9:05" or "09:05:07". */
static bool clock_read(struct bytes word, struct date *date)
{
	size_t colon = bytes_find(word, ':');
	struct bytes rest = bytes_slice(word, colon + 1, SIZE_MAX);

	if (!is_number(bytes_slice(word, 0, colon), 1, 2, &date->hour) ||
	    !is_number(bytes_slice(rest, 0, 2), 2, 2, &date->minute))
		return false;
	date->second = 0;
	return rest.len == 2 || (rest.data[2] == ':' &&
	                         is_number(bytes_slice(rest, 3, SIZE_MAX), 2, 2, &date->second));
}

/* "+0100". */
static bool offset_read(struct bytes word, int *out_minutes)
{
	uint32_t value;

	if (word.len != 5 || (word.data[0] != '+' && word.data[0] != '-') ||
	    !is_number(bytes_slice(word, 1, 4), 4, 4, &value))
		return false;
	int minutes = (int)(value / 100 * 60 + value % 100);
	*out_minutes = word.data[0] == '-' ? -minutes : minutes;
	return true;
}

/* The first run of two to four capital letters in `word`; false when there is none. *out_minutes is
 * 0 when it is no zone. */
static bool name_read(struct bytes word, int *out_minutes)
{
	for (size_t at = 0; at < word.len;) {
		size_t start = at;
		bool upper = true;

		for (; at < word.len && is_word_octet(word.data[at]); at++)
			upper = upper && is_upper(word.data[at]);
		if (upper && at - start >= 2 && at - start <= 4) {
			*out_minutes = 0;
			for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
				if (bytes_equal(bytes_slice(word, start, at - start),
				                bytes_text(zones[i].name)))
					*out_minutes = zones[i].minutes;
			return true;
		}
		at += at == start;
	}
	return false;
}

static void zone_read(struct words *words, struct date *date)
{
	for (unsigned i = 0; i < words->count; i++)
		if (!words->taken[i] && offset_read(words->word[i], &date->zone_minutes))
			return;
	for (unsigned i = 0; i < words->count; i++)
		if (!words->taken[i] && name_read(words->word[i], &date->zone_minutes))
			return;
}

static bool is_leap(uint32_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* What no calendar has becomes the nearest thing it has. */
static void mend(struct date *date)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	uint32_t last = days[date->month - 1] + (date->month == 2 && is_leap(date->year));

	date->second = date->second > 59 ? 59 : date->second;
	date->minute = date->minute > 59 ? 59 : date->minute;
	date->hour = date->hour > 23 ? 23 : date->hour;
	if (date->day > last) {
		date->day = 1;
		date->year += date->month == 12;
		date->month = date->month % 12 + 1;
	}
	date->year = date->year > 2037 ? 2037 : date->year < 1970 ? 1970 : date->year;
}

/* Days since 1970-01-01 of the Gregorian calendar. */
static int64_t days_since_1970(const struct date *date)
{
	int64_t year = (int64_t)date->year - (date->month <= 2);
	int64_t era = year / 400, of_era = year - era * 400;
	int64_t month = (date->month + 9) % 12;
	int64_t of_year = (153 * month + 2) / 5 + date->day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool date_parse(struct bytes text, int64_t *out_s)
{
	struct words words;
	struct date date = {0};

	split(text, &words);
	if (!day_read(&words, &date))
		return false;
	for (unsigned i = 0; i < words.count; i++) {
		struct date clock = date;

		if (!words.taken[i] && clock_read(words.word[i], &clock)) {
			date = clock;
			words.taken[i] = true;
			break;
		}
	}
	zone_read(&words, &date);
	mend(&date);
	if (date.day == 0)
		return false;
	int64_t time_s = days_since_1970(&date) * 86400 + date.hour * 3600 + date.minute * 60 +
	                 date.second - (int64_t)date.zone_minutes * 60;
	*out_s = time_s < 0 ? 0 : time_s;
	return true;
}

static size_t digits_end(struct bytes in, size_t at)
{
	while (at < in.len && is_digit(in.data[at]))
		at++;
	return at;
}

static size_t word_end(struct bytes in, size_t at)
{
	while (at < in.len && !header_is_space(in.data[at]))
		at++;
	return at;
}

/* Behind digits and a separator at `at`, or 0. */
static size_t behind_number(struct bytes in, size_t at, uint8_t separator)
{
	size_t end = digits_end(in, at);

	return end > at && end < in.len && in.data[end] == separator ? end + 1 : 0;
}

/* "4 Mar 2026 10:00:00 +0100" at `at`: its end, or 0. */
static size_t date_end(struct bytes in, size_t at)
{
	size_t month = behind_number(in, at, ' ');

	if (month == 0 || word_end(in, month) != month + 3 || month + 3 >= in.len ||
	    in.data[month + 3] != ' ')
		return 0;
	at = behind_number(in, month + 4, ' ');
	at = at == 0 ? 0 : behind_number(in, at, ':');
	at = at == 0 ? 0 : behind_number(in, at, ':');
	at = at == 0 ? 0 : behind_number(in, at, ' ');
	size_t end = at == 0 ? 0 : word_end(in, at);
	return end > at ? end : 0;
}

struct bytes date_in_received(struct bytes value)
{
	for (size_t from = 0; from < value.len; from += 64) {
		uint64_t spaces = octets_space_mask(value, from);

		for (; spaces != 0; spaces &= spaces - 1) {
			size_t at = from + (size_t)__builtin_ctzll(spaces), end = 0;

			if (at + 1 < value.len && is_digit(value.data[at + 1]))
				end = date_end(value, at + 1);
			if (end == 0 && at + 2 < value.len && is_digit(value.data[at + 2]))
				end = date_end(value, at + 2);
			if (end > 0)
				return bytes_slice(value, at, end - at);
		}
	}
	return bytes_of(NULL, 0);
}
