/* rule_meta.h - meta expressions to postfix code; write side only. */
#ifndef CLASSIFIER_RULE_META_H
#define CLASSIFIER_RULE_META_H

#include "classifier/rule_read.h"
#include "classifier/ruleset_blob.h"

struct meta_code {
	uint32_t *word; /* see ruleset_blob.h: opcode in the low octet, operand above */
	uint32_t count, room;
	double *number;
	uint32_t number_count, number_room;
};

/* Appends the code of `rule` (its index in reader->rule is the operand of a name). False with a
 * sentence in `out_why` when the expression is wrong; nothing is appended then. */
bool rule_meta_parse(struct rule_reader *reader, const struct rule_text *rule,
                     struct meta_code *code, const char **out_why);

#endif
