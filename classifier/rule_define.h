/* rule_define.h - what one line of a rule file that is in force means; write side only. */
#ifndef CLASSIFIER_RULE_DEFINE_H
#define CLASSIFIER_RULE_DEFINE_H

#include "classifier/rule_read.h"

/* `key` is lower case with underscores. What is not understood is reported. */
void rule_define(struct rule_reader *reader, const char *key, struct bytes value);
/* "/re/is" to "(?is)re", as SpamAssassin keeps it; modifiers without meaning on octets (a, p) fall
 * away. NULL, with the fault in `out_why`, when it is not a delimited pattern. */
char *rule_define_pattern(struct rule_reader *reader, struct bytes text, const char **out_why);
/* The rule of that name, made when there is none. */
struct rule_text *rule_reader_need(struct rule_reader *reader, struct bytes name);

#endif
