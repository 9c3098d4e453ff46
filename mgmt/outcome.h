/* outcome.h - how an operation that takes a while tells its result. */
#ifndef MGMT_OUTCOME_H
#define MGMT_OUTCOME_H

#include <stdbool.h>

#include <jansson.h>

/* `body`: the result, or {"error": ...} when not ok; the reference becomes the callee's. */
typedef void outcome_done(void *context, bool ok, json_t *body);

/* Calls `done` (may be NULL) with {"error": text}. */
void outcome_fail(outcome_done *done, void *context, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Calls `done` (may be NULL) with `body`, whose reference is taken. */
void outcome_give(outcome_done *done, void *context, bool ok, json_t *body);

#endif
