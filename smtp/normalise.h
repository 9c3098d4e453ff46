/* normalise.h - one message in, the texts the classifier takes out (base/texts.h).
 *
 * A normaliser belongs to one worker and owns all memory one message needs, carved at start. Texts
 * follow SpamAssassin 4.0's preparation. A malformed message never fails: it has defects. What goes
 * beyond a bound is left out, and counted.
 */
#ifndef SMTP_NORMALISE_H
#define SMTP_NORMALISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/facts.h"
#include "base/redirects.h"
#include "base/relay_trust.h"
#include "base/texts.h"
#include "smtp/mime_counters.h"

/* A header selector of a rule ("Subject", "From:addr", "ALL", "X-Spam-Relays-External"), parsed
 * once at compile time and carried in the rule generation as it stands: fixed layout, no pointers.
 */
#define SELECTOR_NAME_BYTES 64

struct selector {
	uint16_t modifiers; /* SELECTOR_RAW and others, see selector.h */
	uint8_t special;    /* enum selector_special: 0 = a plain header name */
	uint8_t name_len;
	uint32_t name_hash;             /* header_hash() of the name */
	char name[SELECTOR_NAME_BYTES]; /* lower case */
};

/* "From:addr" -> struct. False when the selector is not supported; the text then is reported by its
 * rule. */
bool selector_parse(struct bytes text, struct selector *out_selector);
#define SELECTORS_MAX 4096 /* of one ruleset */
/* Whether `records` are `count` selectors as selector_parse() makes them: to be asked once of a
 * generation, before anything is normalised by it. */
bool selectors_are_sound(struct bytes records, uint32_t count);

/* What the session knows and the message does not say. */
struct message_facts {
	struct endpoint client;
	struct bytes helo, sender;       /* envelope sender, empty for <> */
	bool in_session;                 /* false: offline; the fields above are unknown */
	const struct relay_trust *trust; /* NULL: the rules say nothing */
	struct redirects redirects;      /* find NULL: the rules know none */
	int64_t
	    signatures_at_s; /* since 1970: DKIM signatures are read, as of then; 0: they are not */
	bool is_cut;         /* more of the message follows, which nobody judges */
};

enum message_defect { /* bits; names in defects.def */
#define DEFECT(name, text, help) DEFECT_BIT_##name,
#include "smtp/defects.def"
	              DEFECT_COUNT
};

const char *message_defect_text(enum message_defect defect);

struct normaliser;

/* Octets normaliser_new takes from the arena for messages of up to `message_bytes_max` octets. */
size_t normaliser_bytes(size_t message_bytes_max);
struct normaliser *normaliser_new(struct arena *arena, size_t message_bytes_max,
                                  struct mime_counters *counters);
/* Closes what the system library opened for it (character set converters); the memory is the
 * arena's. */
void normaliser_close(struct normaliser *normaliser);

/* Counts by `counters` (kept) from now on. */
void normaliser_count(struct normaliser *normaliser, struct mime_counters *counters);

struct normalised {
	struct texts texts; /* with their facts valid until the next call; TEXT_FULL and facts point
	                       into the message */
	uint64_t defects;   /* 1 << enum message_defect */
	uint32_t part_count;
	uint32_t received_count; /* Received fields, RFC 5321 6.3 */
};

/* `message`: the message as on the wire, CRLF line ends, dots unstuffed; at most message_bytes_max
 * (longer: its first octets are used and DEFECT_CUT is set). `selectors`: of the ruleset in force.
 */
void normalise(struct normaliser *normaliser, struct bytes message,
               const struct message_facts *facts, const struct selector *selectors,
               uint32_t selector_count, struct normalised *out);

/* Of the message normalised last: SHA-256 of a leaf's decoded octets, by its index in facts.part.
 * False for parts that are no leaves, and when there is no room to decode. */
bool normaliser_part_digest(struct normaliser *normaliser, uint32_t part,
                            uint8_t out[PART_DIGEST_BYTES]);

#endif
