/* arena.c - memory from the operating system, carved once. */
#include "base/arena.h"

#include <sys/mman.h>

#include "base/check.h"
#include "base/poison.h"

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static void *map(size_t bytes, int flags)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

enum err arena_init(struct arena *arena, size_t bytes_max, bool want_huge)
{
	ASSERT(bytes_max > 0);
	if (bytes_max > SIZE_MAX - HUGE_PAGE_BYTES)
		return ERR_NO_MEMORY;

	/* Huge pages are reserved here (no MAP_NORESERVE): a shortage is an error now, not a SIGBUS
	 * later. */
	size_t bytes = (bytes_max + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
	void *memory = want_huge ? map(bytes, MAP_HUGETLB) : NULL;
	bool huge = memory != NULL;

	if (memory == NULL) {
		memory = map(bytes, MAP_NORESERVE);
		if (memory == NULL)
			return ERR_NO_MEMORY;
		if (want_huge)
			(void)madvise(memory, bytes,
			              MADV_HUGEPAGE); /* a wish; 4 KiB pages do too */
	}
	*arena = (struct arena){.memory = memory, .bytes_max = bytes, .huge = huge};
	return OK;
}

void *arena_take(struct arena *arena, size_t count, size_t size, size_t align)
{
	size_t bytes;

	ASSERT(!arena->sealed);
	ASSERT(align > 0 && (align & (align - 1)) == 0);
	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;

	size_t skip = -(uintptr_t)(arena->memory + arena->used) & (align - 1);
	size_t left = arena->bytes_max - arena->used;
	if (skip > left || bytes > left - skip)
		return NULL;

	void *taken = arena->memory + arena->used + skip;
	arena->used += skip + bytes;
	return taken;
}

void arena_seal(struct arena *arena)
{
	arena->sealed = true;
}

void arena_free(struct arena *arena)
{
	if (arena->memory != NULL) {
		POISON_CLEAR(arena->memory, arena->bytes_max); /* the addresses may be used again */
		(void)munmap(arena->memory, arena->bytes_max);
	}
	*arena = (struct arena){0};
}
