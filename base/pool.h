/* pool.h - a fixed number of equal objects, given and taken back by index or address. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#define POOL_NONE UINT32_MAX

struct pool {
	uint8_t *objects;
	uint32_t *free_next; /* per object: next free index */
	uint32_t object_bytes;
	uint32_t count;
	uint32_t used;
	uint32_t used_high; /* the most ever in use */
	uint32_t free_head;
	uint32_t fail_every; /* tests: every n-th get fails; 0 = never */
	uint32_t get_count;
};

/* `object_bytes` is rounded up to `align`. */
MUST_CHECK enum err pool_init(struct pool *pool, struct arena *arena, uint32_t count,
                              size_t object_bytes, size_t align);
/* An object with undefined content, or NULL when all are in use. */
void *pool_get(struct pool *pool);
void pool_put(struct pool *pool, void *object);
uint32_t pool_index(const struct pool *pool, const void *object);
void *pool_at(const struct pool *pool, uint32_t index);
/* Fetches what pool_put() of that object touches. */
static inline void pool_prefetch(const struct pool *pool, uint32_t index)
{
	__builtin_prefetch(&pool->free_next[index]);
}
/* Is the object of that index given out? For walks over what lives; `index` < pool->count. */
bool pool_is_out(const struct pool *pool, uint32_t index);

#endif
