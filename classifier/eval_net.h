/* eval_net.h - what the families of rules that ask the network share.
 *
 * One walk over what a rule asks serves both to ask, before the message is judged, and to look at
 * the answers, when it is.
 */
#ifndef CLASSIFIER_EVAL_NET_H
#define CLASSIFIER_EVAL_NET_H

#include "classifier/eval.h"

#define REVERSED_BYTES (ADDR_TEXT_MAX * 2)

struct walk {
	const struct eval_call *call;
	/* False: enough. */
	bool (*see)(struct walk *walk, enum question_kind kind, struct bytes name);
	void *context;
	/* of who looks at answers */
	const struct eval_call *asker; /* whose subtest decides */
	bool hit, open;
	/* of who collects questions */
	question_seen *seen;
};

/* A name in the DNS, put into lower case; what cannot be one is not asked. False: enough. */
bool net_ask(struct walk *walk, enum question_kind kind, struct bytes name);
/* Its records of the type that word of record_types.def names, or the code of the reply, likewise.
 */
bool net_ask_records(struct walk *walk, enum question_kind kind, struct bytes type,
                     struct bytes name);
/* "host.zone", or for questions about a host in a list "host zone". */
bool net_ask_below(struct walk *walk, enum question_kind kind, struct bytes host,
                   struct bytes zone);
/* As RFC 5782 has it: octets or nibbles, the last one first. */
struct bytes net_reversed(const struct addr *addr, char memory[REVERSED_BYTES]);
/* Whether an address meets a mask, a range or a value with a mask, as the compiler wrote them. */
bool net_address_fits(uint32_t address, struct bytes subtest);
/* A name of two labels or more, underscores only from the third level on. */
bool net_is_full_name(struct bytes name);

#define EVAL_TAG_VALUES_MAX 8u

struct eval_tag_values {
	uint32_t count;
	bool open; /* nobody knows them yet */
	struct bytes item[EVAL_TAG_VALUES_MAX];
	char memory[EVAL_TAG_VALUES_MAX][REVERSED_BYTES];
};

/* eval_tag.c: what the tag in an argument of kind t stands for; what is beyond the bound is left
 * out. `header`: the number of its selector. While questions are collected it is all that it may
 * turn out to be. */
void eval_tag_values(const struct walk *walk, uint32_t argument, uint32_t header,
                     struct eval_tag_values *out_values);

bool eval_tag_is_read(const struct ruleset_evals *e, const struct blob_eval *eval,
                      enum eval_tag tag);

/* eval_askdns.c */
void askdns_walk(struct walk *walk);
bool askdns_fits(const struct eval_call *asker, enum question_kind kind,
                 const struct answer *answer);

/* eval_hashbl.c */
void hashbl_walk(struct walk *walk);
bool hashbl_fits(const struct eval_call *asker, const struct answer *answer);
/* Of a generation that is opened. */
bool hashbl_is_sound(const struct ruleset_evals *e, const struct blob_eval *eval);
MUST_CHECK enum err hashbl_open(struct ruleset *ruleset, char *reason);

#endif
