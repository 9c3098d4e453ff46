/* rule_policy.c - collects, resolves and joins the policies of domains. */
#include "classifier/rule_policy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void policies_add(struct policies *policies, struct rule_pool *pool, struct bytes domain,
                  int32_t tag_milli, int32_t reject_milli, struct bytes scores)
{
	char *lower = rule_pool_copy(pool, domain);

	for (size_t i = 0; i < domain.len; i++)
		lower[i] = (char)bytes_lower((uint8_t)lower[i]);
	policies->wish = rule_pool_grow(pool, policies->wish, policies->wish_count,
	                                &policies->wish_room, sizeof(*policies->wish));
	policies->wish[policies->wish_count++] = (struct policy_wish){
	    .domain = bytes_of(lower, domain.len),
	    .tag_milli = tag_milli,
	    .reject_milli = reject_milli,
	    .scores = bytes_of(rule_pool_copy(pool, scores), scores.len)};
}

static int by_domain(const void *a, const void *b)
{
	const struct policy_wish *first = a, *second = b;

	return blob_name_compare(first->domain, second->domain);
}

static int by_rule(const void *a, const void *b)
{
	const struct blob_override *first = a, *second = b;

	return (first->rule > second->rule) - (first->rule < second->rule);
}

static void add_override(struct policies *p, struct rule_pool *pool, uint32_t rule,
                         const char *points)
{
	p->override = rule_pool_grow(pool, p->override, p->override_count, &p->override_room,
	                             sizeof(*p->override));
	p->override[p->override_count++] = (struct blob_override){
	    rule, (int32_t)lround(strtod(points, NULL) * 10000.0)};
}

/* A rule given twice has what was given last. */
static void remove_doubles(struct policies *p, uint32_t start)
{
	uint32_t kept = start;

	for (uint32_t i = start; i < p->override_count; i++) {
		uint32_t at = start;

		while (at < kept && p->override[at].rule != p->override[i].rule)
			at++;
		p->override[at] = p->override[i];
		kept += at == kept;
	}
	p->override_count = kept;
}

static void resolve(struct policies *p, struct rule_pool *pool, const struct policy_wish *wish,
                    policy_find_rule *find, void *context)
{
	uint32_t start = p->override_count, rule;
	struct bytes left = wish->scores;

	while (left.len > 0) {
		struct bytes word = bytes_slice(left, 0, bytes_find(left, ' '));
		size_t equals = bytes_find(word, '=');

		if (equals < word.len &&
		    find(context, wish->domain, bytes_slice(word, 0, equals), &rule))
			add_override(p, pool, rule,
			             rule_pool_copy(pool, bytes_slice(word, equals + 1, word.len)));
		left = bytes_slice(left, word.len + 1, left.len);
	}
	remove_doubles(p, start);
	if (p->override_count > start)
		qsort(p->override + start, p->override_count - start, sizeof(*p->override),
		      by_rule);
	p->policy = rule_pool_grow(pool, p->policy, p->policy_count, &p->policy_room,
	                           sizeof(*p->policy));
	p->policy[p->policy_count++] = (struct blob_policy){wish->tag_milli, wish->reject_milli,
	                                                    start, p->override_count - start};
}

static bool is_same(const struct policies *p, const struct blob_policy *a,
                    const struct blob_policy *b)
{
	return a->tag_milli == b->tag_milli && a->reject_milli == b->reject_milli &&
	       a->override_count == b->override_count &&
	       (a->override_count == 0 ||
	        memcmp(p->override + a->override_start, p->override + b->override_start,
	               a->override_count * sizeof(*p->override)) == 0);
}

/* The policy resolved last: its number, or that of an equal one in its place. */
static uint32_t join(struct policies *p)
{
	const struct blob_policy *last = &p->policy[p->policy_count - 1];

	for (uint32_t i = 0; i + 1 < p->policy_count; i++)
		if (is_same(p, &p->policy[i], last)) {
			p->override_count = last->override_start;
			p->policy_count--;
			return i + 1;
		}
	return p->policy_count;
}

void policies_finish(struct policies *policies, struct rule_pool *pool, policy_find_rule *find,
                     void *context)
{
	for (uint32_t i = 0; i < policies->wish_count; i++) {
		resolve(policies, pool, &policies->wish[i], find, context);
		policies->wish[i].policy = join(policies);
	}
	if (policies->wish_count > 0)
		qsort(policies->wish, policies->wish_count, sizeof(*policies->wish), by_domain);
}
