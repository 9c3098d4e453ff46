/* relay_trust.h - which relays a site trusts, as its rule files say (trusted_networks and others).
 *
 * Made by the control thread when a ruleset is opened; read-only afterwards.
 */
#ifndef BASE_RELAY_TRUST_H
#define BASE_RELAY_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bytes.h"

#define RELAY_NETWORKS_MAX 256u                     /* of one set */
#define SITE_NETWORKS_MAX  (RELAY_NETWORKS_MAX - 2) /* with our own addresses they fit */
#define ORIGIN_FIELDS_MAX  16u

struct relay_network {
	struct prefix prefix;
	bool is_excluded;
};

struct relay_networks { /* the first that holds an address decides */
	struct relay_network item[RELAY_NETWORKS_MAX];
	uint32_t count;
};

struct relay_trust {
	bool is_configured; /* false: trusted and internal are guessed */
	struct relay_networks trusted, internal, msa;
	struct bytes origin[ORIGIN_FIELDS_MAX]; /* fields that hold an address a message was
	                                           written at, in the order they count as relays */
	uint32_t origin_count;
	struct bytes envelope_field; /* holds the envelope sender; empty: it is guessed */
};

/* "192.0.2.1", "192.0.2.0/24", "192.0.2.", "10/8", "[2001:db8::]/32", "fe80::1%eth0"; '!' in front
 * excludes. Host bits do not count. False when the text is no network. */
bool relay_network_parse(struct bytes text, struct relay_network *out_network);
/* ERR_FULL beyond RELAY_NETWORKS_MAX; ERR_ADDRESS: `text` is no network. */
MUST_CHECK enum err relay_networks_add(struct relay_networks *set, struct bytes text);
bool relay_networks_contain(const struct relay_networks *set, const struct addr *addr);

#endif
