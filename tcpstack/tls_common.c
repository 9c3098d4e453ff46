/* tls_common.c - what tls.h offers with and without the library: defaults and texts. */
#include "base/check.h"
#include "tcpstack/tls.h"

#define TICKET_LIFETIME_S 7200

void tls_config_defaults(struct tls_config_options *options, enum tls_role role)
{
	*options = (struct tls_config_options){
	    .role = role,
	    .version_min = TLS_1_2,
	    .version_max = TLS_1_3,
	    .verify = TLS_VERIFY_NONE,
	    .ticket_lifetime_s = TICKET_LIFETIME_S,
	};
}

const char *tls_reason_text(enum tls_reason reason)
{
	static const char *const texts[] = {
#define TLS_REASON(name, text) text,
#include "tcpstack/tls_reasons.def"
	};

	ASSERT((size_t)reason < sizeof(texts) / sizeof(texts[0]));
	return texts[reason];
}
