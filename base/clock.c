/* clock.c - reading time, and writing it without locale, time zone files or allocation. */
#include "base/clock.h"

#include <time.h>

#include "base/check.h"

#define DAY_S 86400u
#define WALL_US_MAX \
	253402300799999999u /* 9999-12-31T23:59:59.999999Z: four digits are all the formats have \
	                     */

static uint64_t read_ns(clockid_t id)
{
	struct timespec now;

	ASSERT(clock_gettime(id, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_now_us(void)
{
	return read_ns(CLOCK_MONOTONIC) / 1000;
}

uint64_t clock_wall_us(void)
{
	return read_ns(CLOCK_REALTIME) / 1000;
}

uint64_t clock_thread_cpu_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

struct civil {
	uint32_t year, month, day; /* month and day from 1 */
	uint32_t weekday;          /* 0 = Sunday */
	uint32_t hour, minute, second, us;
};

/* Gregorian date of a day number. Years begin in March here, so that the leap day comes last; an
 * era is the 400 years, 146097 days, after which the calendar repeats. */
static struct civil civil_of(uint64_t wall_us)
{
	if (wall_us > WALL_US_MAX)
		wall_us = WALL_US_MAX;

	uint32_t days = (uint32_t)(wall_us / 1000000 / DAY_S);
	uint32_t second = (uint32_t)(wall_us / 1000000 % DAY_S);
	uint32_t from_0000_03 = days + 719468; /* 1970-01-01 counted from 0000-03-01 */
	uint32_t era = from_0000_03 / 146097, day_of_era = from_0000_03 % 146097;
	uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
	                        day_of_era / 146096) /
	                       365;
	uint32_t day_of_year = day_of_era -
	                       (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint32_t march_month = (5 * day_of_year + 2) / 153;
	uint32_t month = march_month < 10 ? march_month + 3 : march_month - 9;

	return (struct civil){
	    .year = era * 400 + year_of_era + (month <= 2),
	    .month = month,
	    .day = day_of_year - (153 * march_month + 2) / 5 + 1,
	    .weekday = (days + 4) % 7, /* 1970-01-01 was a Thursday */
	    .hour = second / 3600,
	    .minute = second / 60 % 60,
	    .second = second % 60,
	    .us = (uint32_t)(wall_us % 1000000),
	};
}

/* `width` digits of `value`, then `after`; returns the place behind. */
static char *put(char *out, uint32_t value, int width, char after)
{
	for (int i = width - 1; i >= 0; i--) {
		out[i] = (char)('0' + value % 10);
		value /= 10;
	}
	out[width] = after;
	return out + width + 1;
}

void clock_format_rfc3339(uint64_t wall_us, char out[28])
{
	struct civil c = civil_of(wall_us);

	out = put(out, c.year, 4, '-');
	out = put(out, c.month, 2, '-');
	out = put(out, c.day, 2, 'T');
	out = put(out, c.hour, 2, ':');
	out = put(out, c.minute, 2, ':');
	out = put(out, c.second, 2, '.');
	out = put(out, c.us, 6, 'Z');
	*out = '\0';
}

/* `pattern` is a date with its digits as zeros; the numbers come out in their order. */
static bool take_numbers(struct bytes text, const char *pattern, uint32_t *out_number)
{
	bool inside = false;

	for (size_t i = 0; i < text.len; i++) {
		bool digit = text.data[i] >= '0' && text.data[i] <= '9';

		if (pattern[i] != '0') {
			if (text.data[i] != (uint8_t)pattern[i])
				return false;
			out_number += inside;
			inside = false;
			continue;
		}
		if (!digit)
			return false;
		*out_number = (inside ? *out_number * 10 : 0) + (text.data[i] - '0');
		inside = true;
	}
	return true;
}

/* The inverse of civil_of(): any day of any month is a number, so a day that does not exist comes
 * back as another. */
static uint32_t days_of(uint32_t year, uint32_t month, uint32_t day)
{
	uint32_t march_year = year - (month <= 2);
	uint32_t march_month = month > 2 ? month - 3 : month + 9;
	uint32_t of_era = march_year % 400;
	uint32_t of_year = (153 * march_month + 2) / 5 + day - 1;

	return march_year / 400 * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
	       719468;
}

bool clock_parse_rfc3339(struct bytes text, uint64_t *out_wall_us)
{
	static const char date[] = "0000-00-00", time[] = "0000-00-00T00:00:00Z";
	uint32_t number[6] = {0}; /* year, month, day, hour, minute, second */

	if (text.len == sizeof(date) - 1
	        ? !take_numbers(text, date, number)
	        : text.len != sizeof(time) - 1 || !take_numbers(text, time, number))
		return false;
	if (number[0] < 1970 || number[1] < 1 || number[1] > 12 || number[2] < 1 ||
	    number[2] > 31 || number[3] > 23 || number[4] > 59 || number[5] > 59)
		return false;

	uint32_t days = days_of(number[0], number[1], number[2]);
	uint64_t wall_us = ((uint64_t)days * DAY_S + number[3] * 3600 + number[4] * 60 +
	                    number[5]) *
	                   1000000;
	if (civil_of(wall_us).day != number[2])
		return false;
	*out_wall_us = wall_us;
	return true;
}

static char *put_name(char *out, const char *names, uint32_t index, char after)
{
	for (uint32_t i = 0; i < 3; i++)
		*out++ = names[3 * index + i];
	*out++ = after;
	return out;
}

void clock_format_rfc5322(uint64_t wall_us, char out[32])
{
	struct civil c = civil_of(wall_us);

	out = put_name(out, "SunMonTueWedThuFriSat", c.weekday, ',');
	*out++ = ' ';
	out = put(out, c.day, 2, ' ');
	out = put_name(out, "JanFebMarAprMayJunJulAugSepOctNovDec", c.month - 1, ' ');
	out = put(out, c.year, 4, ' ');
	out = put(out, c.hour, 2, ':');
	out = put(out, c.minute, 2, ':');
	out = put(out, c.second, 2, ' ');
	*out++ = '+';
	put(out, 0, 4, '\0');
}
