/* eval_signature.h - what the functions of eval.def take, for the compiler and the reader. */
#ifndef CLASSIFIER_EVAL_SIGNATURE_H
#define CLASSIFIER_EVAL_SIGNATURE_H

#include <stdbool.h>

#include "classifier/eval_blob.h"

enum eval_asks { /* what a function asks the network */
	         ASKS_NOTHING,
	         ASKS_RELAYS,      /* DNS lists: of addresses the message came through, */
	         ASKS_RELAY_TEXTS, /* the same for texts, */
	         ASKS_SENDERS,     /* of hosts of senders, */
	         ASKS_HEADERS,     /* of hosts headers name, */
	         ASKS_FURTHEST_RELAY,
	         ASKS_SENDER_SERVER, /* of who answers for the sender's domain, */
	         ASKS_LINKS,         /* of hosts of URIs, */
	         ASKS_DIGESTS,       /* of what a message has */
	         ASKS_NAMES,         /* names made by a template */
	         ASKS_SET,           /* what rules of the same set ask */
	         ASKS_SPF_SENDER,
	         ASKS_SPF_HELO,
	         ASKS_ABOUT_SPF, /* whether there is somebody to be asked about */
	         ASKS_SIGNATURES,
	         ASKS_DMARC /* and SPF, and signatures */
};

struct eval_signature {
	const char *name, *help, *arguments, *selectors; /* as in eval.def */
	bool needs_facts;
	enum eval_asks asks;
};

extern const struct eval_signature eval_signatures[EVAL_FUNCTION_COUNT];

static inline enum eval_asks eval_asks(const struct blob_eval *eval)
{
	return eval_signatures[eval->function].asks;
}

/* Whether it asks a zone for a set, where check_rbl_sub finds the answers: what asks of relays and
 * senders does. */
static inline bool eval_asks_for_set(enum eval_asks asks)
{
	switch (asks) {
	case ASKS_RELAYS:
	case ASKS_RELAY_TEXTS:
	case ASKS_SENDERS:
	case ASKS_HEADERS:
	case ASKS_FURTHEST_RELAY:
	case ASKS_SENDER_SERVER:
		return true;
	default:
		return false;
	}
}

#endif
