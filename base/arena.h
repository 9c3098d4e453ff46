/* arena.h - the only allocator: memory is carved at start, then the arena is sealed.
 *
 * An arena reserves address space lazily (pages are touched by who carves them); carving from a
 * sealed arena is our own mistake and ends the process.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct arena {
	uint8_t *memory;
	size_t bytes_max;
	size_t used;
	bool sealed;
	bool huge; /* the memory lies on huge pages */
};

/* Maps `bytes_max` octets of zeroed memory, on huge pages when `want_huge` and they can be had. */
MUST_CHECK enum err arena_init(struct arena *arena, size_t bytes_max, bool want_huge);
/* `count` zeroed objects of `size` octets, aligned to `align` (a power of two). NULL when it does
 * not fit. */
void *arena_take(struct arena *arena, size_t count, size_t size, size_t align);
#define ARENA_TAKE(arena, count, type) \
	((type *)arena_take((arena), (count), sizeof(type), _Alignof(type)))
void arena_seal(struct arena *arena);
void arena_free(struct arena *arena);

#endif
