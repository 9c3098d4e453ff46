/* rule_literal.h - strings of which every match of a pattern contains at least one; write side
 * only. */
#ifndef CLASSIFIER_RULE_LITERAL_H
#define CLASSIFIER_RULE_LITERAL_H

#include "base/texts.h"
#include "classifier/rule_regex.h"

#define LITERAL_BYTES_MAX 24
#define LITERALS_MAX      512
#define BEFORE_ENDLESS    UINT16_MAX

/* Sum and product of lengths; what would be BEFORE_ENDLESS or more is. */
static inline uint16_t length_plus(uint32_t a, uint32_t b)
{
	return a + b < BEFORE_ENDLESS ? (uint16_t)(a + b) : BEFORE_ENDLESS;
}

static inline uint16_t length_times(uint32_t count, uint16_t len)
{
	uint64_t product = (uint64_t)count * len;

	return product < BEFORE_ENDLESS ? (uint16_t)product : BEFORE_ENDLESS;
}

struct literal {
	uint8_t len;
	uint8_t octet[LITERAL_BYTES_MAX];
};

struct literals {
	uint32_t count; /* 0: none were found */
	struct literal *item;
	double rate; /* expected hits per octet of mail text */
	/* How many octets a match holds in front of its string: at least, at most (BEFORE_ENDLESS:
	 * nobody knows). In every match some string of the set stands so. */
	uint16_t before_min, before_max;
	/* At most, in matches that begin with nothing that may be left out. Where there is a match,
	 * there is one of these, too, when the pattern is plain. */
	uint16_t lead_max;
	/* The three lengths hold where no letter stands more than LETTER_RUN_MAX times in a row. */
	bool short_runs;
	uint8_t need; /* strings of the set that every match holds, none in another's place */
};

/* Pool memory. `kind`: in body texts white space is a space or a line end. Letters are in lower
 * case when the pattern (or a part of it) is caseless: match them so. */
void rule_literals(struct rule_pool *pool, const struct regex *regex, enum text_kind kind,
                   struct literals *out_literals);

/* The octets that a place of the pattern which takes `set` contributes to strings; false when they
 * are too many, and no string runs through it. */
bool literal_octets(const struct regex *regex, enum text_kind kind, const struct octets *set,
                    struct octets *out_octets);

/* A string that mail of a text kind is full of (common_strings.def), in lower case. */
struct common_string {
	enum text_kind kind;
	const char *text;
	double rate; /* per octet */
};

const struct common_string *common_strings(uint32_t *out_count);

/* How rare an octet is in mail text: minus the binary logarithm of its share. */
double octet_bits(uint8_t octet);

#endif
