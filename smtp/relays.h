/* relays.h - the way a message came, from its Received fields, as the strings rules match on. */
#ifndef SMTP_RELAYS_H
#define SMTP_RELAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/facts.h"
#include "smtp/header.h"
#include "smtp/normalise.h"
#include "smtp/sink.h"

enum relays_kind {
	RELAYS_TRUSTED,
	RELAYS_UNTRUSTED,
	RELAYS_INTERNAL,
	RELAYS_EXTERNAL,
	RELAYS_KIND_COUNT
};

#define RELAYS_MAX        120 /* Received fields and other relays together */
#define RELAYS_TEXT_BYTES 65536

struct relays {
	struct sink data; /* holds the texts */
	struct bytes text[RELAYS_KIND_COUNT];
	uint32_t count[RELAYS_KIND_COUNT];
	uint32_t unparsed_count;
	struct fact_relay relay[RELAYS_MAX];
	uint32_t relay_count;
	uint32_t trusted_fields_end,
	    internal_fields_end; /* message fields up to where that trust ends */
	struct bytes envelope_from;
	bool has_envelope_from;
};

/* Reads the Received fields of `headers`; in a session our own relay line stands first. */
void relays_parse(struct relays *relays, struct header_table *headers,
                  const struct message_facts *facts);

#endif
