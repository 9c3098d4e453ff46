/* policy.c - read side of the policies of recipients' domains in a rule generation. */
#include "base/check.h"
#include "classifier/ruleset.h"

#define DOMAIN_BYTES_MAX 255

bool policies_are_sound(const struct ruleset *r)
{
	const struct ruleset_policies *p = &r->policies;

	for (uint32_t i = 0; i < p->domain_count; i++)
		if (p->domain[i].name >= r->texts_bytes ||
		    p->domain[i].name_bytes > r->texts_bytes - p->domain[i].name ||
		    p->domain[i].policy == 0 || p->domain[i].policy > p->policy_count)
			return false;
	for (uint32_t i = 0; i < p->policy_count; i++)
		if (p->policy[i].override_start > p->override_count ||
		    p->policy[i].override_count > p->override_count - p->policy[i].override_start)
			return false;
	for (uint32_t i = 0; i < p->override_count; i++)
		if (p->override[i].rule >= r->rule_count)
			return false;
	return true;
}

uint32_t ruleset_policy_of(const struct ruleset *ruleset, struct bytes domain)
{
	const struct ruleset_policies *p = &ruleset->policies;
	uint32_t from = 0, to = p->domain_count;
	uint8_t lower[DOMAIN_BYTES_MAX];

	if (to == 0 || domain.len > sizeof(lower))
		return POLICY_COMMON;
	for (size_t i = 0; i < domain.len; i++)
		lower[i] = bytes_lower(domain.data[i]);
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		const struct blob_domain *at = &p->domain[middle];
		int order = blob_name_compare(bytes_of(lower, domain.len),
		                              bytes_of(ruleset->texts + at->name, at->name_bytes));

		if (order == 0)
			return at->policy;
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return POLICY_COMMON;
}

void ruleset_policy_limits(const struct ruleset *ruleset, uint32_t policy, int32_t *in_out_tag,
                           int32_t *in_out_reject)
{
	const struct blob_policy *p;

	ASSERT(policy <= ruleset->policies.policy_count);
	if (policy == POLICY_COMMON)
		return;
	p = &ruleset->policies.policy[policy - 1];
	if (p->tag_milli != POLICY_POINTS_UNSET)
		*in_out_tag = p->tag_milli;
	if (p->reject_milli != POLICY_POINTS_UNSET)
		*in_out_reject = p->reject_milli;
}

int32_t policy_score_e4(const struct ruleset *r, uint32_t policy, uint32_t rule)
{
	const struct blob_policy *p;
	uint32_t from, to;

	if (policy == POLICY_COMMON)
		return r->rule[rule].score_e4;
	p = &r->policies.policy[policy - 1];
	from = p->override_start;
	to = from + p->override_count;
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (r->policies.override[middle].rule == rule)
			return r->policies.override[middle].score_e4;
		if (rule < r->policies.override[middle].rule)
			to = middle;
		else
			from = middle + 1;
	}
	return r->rule[rule].score_e4;
}
