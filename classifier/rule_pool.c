/* rule_pool.c - memory of one compilation: taken piece by piece, given back at once. */
#include "classifier/rule_pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#define CHUNK_BYTES_MIN ((size_t)32 << 10)
#define CHUNK_BYTES_MAX ((size_t)1 << 20)

struct rule_pool_chunk {
	struct rule_pool_chunk *next;
	size_t used, bytes_max;
	_Alignas(16) uint8_t data[];
};

void *rule_pool_take(struct rule_pool *pool, size_t bytes)
{
	struct rule_pool_chunk *chunk = pool->chunk;

	bytes = (bytes + 15) & ~(size_t)15;
	if (chunk == NULL || chunk->bytes_max - chunk->used < bytes) {
		/* A scratch pool of one pattern stays small, a pool of all rules needs few chunks.
		 */
		size_t room = chunk == NULL ? CHUNK_BYTES_MIN : chunk->bytes_max * 2;

		if (room > CHUNK_BYTES_MAX)
			room = CHUNK_BYTES_MAX;
		if (room < bytes)
			room = bytes;

		chunk = calloc(1, sizeof(*chunk) + room);
		ASSERT(chunk != NULL);
		chunk->bytes_max = room;
		chunk->next = pool->chunk;
		pool->chunk = chunk;
	}

	void *taken = chunk->data + chunk->used;
	chunk->used += bytes;
	return taken;
}

char *rule_pool_copy(struct rule_pool *pool, struct bytes bytes)
{
	char *copy = rule_pool_take(pool, bytes.len + 1);

	if (bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	return copy;
}

char *rule_pool_text(struct rule_pool *pool, const char *text)
{
	return rule_pool_copy(pool, bytes_text(text));
}

char *rule_pool_printf(struct rule_pool *pool, const char *format, ...)
{
	va_list args;

	ASSERT(format != NULL);
	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	ASSERT(len >= 0);

	char *text = rule_pool_take(pool, (size_t)len + 1);
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}

void *rule_pool_grow(struct rule_pool *pool, void *items, uint32_t count, uint32_t *room,
                     size_t item_bytes)
{
	if (count < *room)
		return items;

	uint32_t new_room = *room == 0 ? 16 : *room * 2;
	void *moved = rule_pool_take(pool, new_room * item_bytes);
	if (count > 0)
		memcpy(moved, items, count * item_bytes);
	*room = new_room;
	return moved;
}

void rule_pool_free(struct rule_pool *pool)
{
	while (pool->chunk != NULL) {
		struct rule_pool_chunk *next = pool->chunk->next;

		free(pool->chunk);
		pool->chunk = next;
	}
}
