/* rule_policy.h - policies of recipients' domains on their way into a rule generation; write side.
 *
 * Domains that want the same share one policy, so that a message to both need not be sent twice.
 */
#ifndef CLASSIFIER_RULE_POLICY_H
#define CLASSIFIER_RULE_POLICY_H

#include "base/bytes.h"
#include "classifier/rule_pool.h"
#include "classifier/ruleset_blob.h"

struct policy_wish {         /* as configured */
	struct bytes domain; /* lower case */
	int32_t tag_milli, reject_milli;
	struct bytes scores; /* "RULE=1.5 OTHER=0" */
	uint32_t policy;
};

struct policies {
	struct policy_wish *wish;
	uint32_t wish_count, wish_room;
	struct blob_policy *policy;
	uint32_t policy_count, policy_room;
	struct blob_override *override;
	uint32_t override_count, override_room;
};

/* `out_rule` becomes the number of the rule of that name; false, after a report, when there is none
 * whose points could count. */
typedef bool policy_find_rule(void *context, struct bytes domain, struct bytes name,
                              uint32_t *out_rule);

/* Keeps copies in `pool`. */
void policies_add(struct policies *policies, struct rule_pool *pool, struct bytes domain,
                  int32_t tag_milli, int32_t reject_milli, struct bytes scores);
/* Resolves names and joins what is equal; sorts the wishes by domain. */
void policies_finish(struct policies *policies, struct rule_pool *pool, policy_find_rule *find,
                     void *context);

#endif
