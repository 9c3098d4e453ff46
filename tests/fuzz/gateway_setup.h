/* gateway_setup.h - what the gateway of fuzz_gateway.c is set up with: options, rules, rules that
 * are tried, certificates. */
#ifndef FUZZ_GATEWAY_SETUP_H
#define FUZZ_GATEWAY_SETUP_H

#include "base/config.h"
#include "dataplane/rules.h"
#include "dataplane/tls_setup.h"

struct gateway_setup {
	struct config config;
	struct rules_slot *rules;
	struct tls_slot *tls; /* NULL: a build without it */
};

void gateway_setup_make(struct gateway_setup *setup);
void gateway_setup_free(struct gateway_setup *setup);

#endif
