/* event_json.h - an event record as the JSON object that operators and their tools read. */
#ifndef MGMT_EVENT_JSON_H
#define MGMT_EVENT_JSON_H

#include <jansson.h>

#include "base/event.h"

#include "mgmt/rule_names.h"

/* A new object; `names` gives the rules their names. The record comes from shared memory and is not
 * trusted: texts are cut at their size and made UTF-8, counts and enums are clipped. */
json_t *event_json(const struct event *event, struct rule_names *names);
/* Adds to each rule of such an object its description. */
void event_json_describe(json_t *object, struct rule_names *names);

#endif
