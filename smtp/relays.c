/* relays.c - the way a message came. */
#include "smtp/relays.h"

void relays_parse(struct relays *relays, struct header_table *headers,
                  const struct message_facts *facts)
{
	relays->data.len = 0;
	for (unsigned i = 0; i < RELAYS_KIND_COUNT; i++) {
		relays->text[i] = bytes_of(relays->data.data, 0);
		relays->count[i] = 0;
	}
	relays->unparsed_count = 0;
	relays->trusted_fields_end = relays->internal_fields_end = headers->message_count;
	relays->has_envelope_from = facts->in_session;
	relays->envelope_from = facts->in_session ? facts->sender : bytes_of(NULL, 0);
}
