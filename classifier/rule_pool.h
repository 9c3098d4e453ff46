/* rule_pool.h - memory of one compilation: taken piece by piece, given back at once.
 *
 * Write side only. Running out of memory while compiling ends the process (management or a tool);
 * the dataplane goes on with the generation it has.
 */
#ifndef CLASSIFIER_RULE_POOL_H
#define CLASSIFIER_RULE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct rule_pool_chunk;

struct rule_pool {
	struct rule_pool_chunk *chunk;
};

/* Zeroed, aligned to 16; never NULL. */
void *rule_pool_take(struct rule_pool *pool, size_t bytes);
/* NUL-terminated copies. */
char *rule_pool_text(struct rule_pool *pool, const char *text);
char *rule_pool_copy(struct rule_pool *pool, struct bytes bytes);
char *rule_pool_printf(struct rule_pool *pool, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A growing array: room for one more of `item_bytes` after `count`; may move. */
void *rule_pool_grow(struct rule_pool *pool, void *items, uint32_t count, uint32_t *room,
                     size_t item_bytes);
void rule_pool_free(struct rule_pool *pool);

#endif
