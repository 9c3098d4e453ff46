/* rule_flank.h - what can stand before and behind a string in a match of a pattern; write side
 * only.
 *
 * A string that stands in a text by chance seldom stands there as in a match: "name" of a form is
 * followed by a colon, a blank or another field. A flank is a deterministic automaton over the
 * octets beside the string that dies where no match goes on. It is made from the pattern's tree, so
 * it accepts a superset: counts of repeats are forgotten beyond a few, and where the
 * automaton would get too large it stops and accepts.
 */
#ifndef CLASSIFIER_RULE_FLANK_H
#define CLASSIFIER_RULE_FLANK_H

#include "classifier/rule_literal.h"
#include "classifier/ruleset_blob.h"

struct flank {
	struct bytes table;     /* a struct blob_flank; empty: anything may stand there */
	uint16_t *state;        /* by literal: where its walk begins */
	struct blob_near *near; /* by literal: the nearest octets; there without a table, too */
	double pass;            /* expected share of the strings in mail text that pass */
};

struct flanks {
	struct flank before, after;
	/* Of strings that every copy of a repeat holds, those of the first copy pass alone, and
	 * only where another copy follows: nobody needs to count them. */
	bool chained;
};

/* Pool memory. `start`: where matches begin, which whoever walks sees to as well. */
void rule_flanks(struct rule_pool *pool, const struct regex *regex, enum text_kind kind,
                 const struct literals *literals, enum regex_start start,
                 struct flanks *out_flanks);

#endif
