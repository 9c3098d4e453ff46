/* pool.c - a free list of indices beside the objects.
 *
 * The list is last in, first out: what was put last is warmest in the cache. An object that is out
 * has POOL_OUT in its place in the list, so that putting twice is found at once. With POSTERN_DEBUG
 * free objects are filled with a pattern that must still be there when they are given out; under
 * AddressSanitizer touching a free object is reported at the touch.
 */
#include "base/pool.h"

#include <string.h>

#include "base/check.h"
#include "base/poison.h"

#define POOL_OUT (UINT32_MAX - 1)
#define PATTERN  0xdb

static void object_retire(void *object, size_t bytes)
{
#ifdef POSTERN_DEBUG
	memset(object, PATTERN, bytes);
#endif
	POISON_SET(object, bytes);
}

static void object_revive(void *object, size_t bytes)
{
	POISON_CLEAR(object, bytes);
#ifdef POSTERN_DEBUG
	const uint8_t *octets = object;
	for (size_t i = 0; i < bytes; i++)
		ASSERT(octets[i] ==
		       PATTERN); /* somebody wrote to an object after putting it back */
#endif
}

enum err pool_init(struct pool *pool, struct arena *arena, uint32_t count, size_t object_bytes,
                   size_t align)
{
	ASSERT(count > 0 && count < POOL_OUT);
	ASSERT(object_bytes > 0 && align > 0 && (align & (align - 1)) == 0);

	size_t bytes = (object_bytes + align - 1) & ~(align - 1);
	ASSERT(bytes <= UINT32_MAX);

	uint8_t *objects = arena_take(arena, count, bytes, align);
	uint32_t *free_next = ARENA_TAKE(arena, count, uint32_t);
	if (objects == NULL || free_next == NULL)
		return ERR_NO_MEMORY;

	for (uint32_t i = 0; i < count; i++) {
		free_next[i] = i + 1 < count ? i + 1 : POOL_NONE;
		object_retire(objects + i * bytes, bytes);
	}
	*pool = (struct pool){
	    .objects = objects,
	    .free_next = free_next,
	    .object_bytes = (uint32_t)bytes,
	    .count = count,
	};
	return OK;
}

void *pool_get(struct pool *pool)
{
	uint32_t index = pool->free_head;

	pool->get_count++;
	if (pool->fail_every > 0 && pool->get_count % pool->fail_every == 0)
		return NULL;
	if (index == POOL_NONE)
		return NULL;

	DEBUG_ASSERT(index < pool->count);
	pool->free_head = pool->free_next[index];
	pool->free_next[index] = POOL_OUT;
	pool->used++;
	if (pool->used > pool->used_high)
		pool->used_high = pool->used;

	void *object = pool_at(pool, index);
	object_revive(object, pool->object_bytes);
	return object;
}

void pool_put(struct pool *pool, void *object)
{
	uint32_t index = pool_index(pool, object);

	ASSERT(pool->free_next[index] == POOL_OUT); /* not put twice */
	object_retire(object, pool->object_bytes);
	pool->free_next[index] = pool->free_head;
	pool->free_head = index;
	pool->used--;
}

uint32_t pool_index(const struct pool *pool, const void *object)
{
	size_t offset = (size_t)((const uint8_t *)object - pool->objects);
	size_t index = offset / pool->object_bytes;

	ASSERT(index < pool->count); /* an address below the pool wraps around to a large offset */
	DEBUG_ASSERT(offset % pool->object_bytes == 0);
	return (uint32_t)index;
}

void *pool_at(const struct pool *pool, uint32_t index)
{
	ASSERT(index < pool->count);
	return pool->objects + (size_t)index * pool->object_bytes;
}

bool pool_is_out(const struct pool *pool, uint32_t index)
{
	ASSERT(index < pool->count);
	return pool->free_next[index] == POOL_OUT;
}
