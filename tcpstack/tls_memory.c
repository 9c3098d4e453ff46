/* tls_memory.c - slabs of equal objects. */
#include "tcpstack/tls_memory.h"

#include <assert.h>
#include <string.h>

#include "base/check.h"
#include "base/poison.h"

struct tls_slab {
	struct tls_memory *owner;
	struct tls_slab *next, *prev; /* of the partial or free ones */
	void *free;                   /* objects given back; each holds the next */
	uint32_t size_class;
	uint32_t used;
	uint32_t fresh; /* objects never given out begin at this one */
	uint32_t count;
};

/* Steps of a quarter to a half keep the waste small; the last ones fit the library's buffers. */
static const uint16_t class_bytes[TLS_CLASSES] = {
    16,  32,   48,   64,   96,   128,  192,  256,  384,  512,   768,
    896, 1024, 1280, 1536, 2048, 3072, 4096, 5120, 6656, 10240, TLS_OBJECT_MAX,
};

#define CLASS_SPAN TLS_CLASSES /* one object over several slabs; `count` of them */

#define HEADER_BYTES ((sizeof(struct tls_slab) + 63) & ~(size_t)63)

static_assert((TLS_SLAB_BYTES - HEADER_BYTES) / TLS_OBJECT_MAX == 15,
              "the largest class fills its slabs");
static_assert(TLS_OBJECT_MAX % 16 == 0, "objects stay aligned");

enum err tls_memory_init(struct tls_memory *memory, struct arena *arena, size_t bytes)
{
	size_t count = (bytes + TLS_SLAB_BYTES - 1) / TLS_SLAB_BYTES;

	*memory = (struct tls_memory){.fail_after = UINT64_MAX};
	if (count == 0 || count > UINT32_MAX)
		return ERR_RANGE;
	memory->slabs = arena_take(arena, count, TLS_SLAB_BYTES, TLS_SLAB_BYTES);
	if (memory->slabs == NULL)
		return ERR_NO_MEMORY;
	memory->slab_count = (uint32_t)count;
	return OK;
}

static uint32_t class_of(size_t bytes)
{
	uint32_t size_class = bytes > 768 ? 11 : bytes > 128 ? 6 : 0;

	while (class_bytes[size_class] < bytes)
		size_class++;
	return size_class;
}

static void link_partial(struct tls_memory *memory, struct tls_slab *slab)
{
	slab->prev = NULL;
	slab->next = memory->partial[slab->size_class];
	if (slab->next != NULL)
		slab->next->prev = slab;
	memory->partial[slab->size_class] = slab;
}

static void unlink_partial(struct tls_memory *memory, struct tls_slab *slab)
{
	if (slab->prev != NULL)
		slab->prev->next = slab->next;
	else
		memory->partial[slab->size_class] = slab->next;
	if (slab->next != NULL)
		slab->next->prev = slab->prev;
}

static struct tls_slab *new_slab(struct tls_memory *memory, uint32_t size_class)
{
	struct tls_slab *slab = memory->slab_free;

	if (slab != NULL) {
		memory->slab_free = slab->next;
	} else if (memory->slab_fresh < memory->slab_count) {
		slab = (void *)(memory->slabs + memory->slab_fresh * TLS_SLAB_BYTES);
		memory->slab_fresh++;
	} else {
		return NULL;
	}
	*slab = (struct tls_slab){
	    .owner = memory,
	    .size_class = size_class,
	    .count = (uint32_t)((TLS_SLAB_BYTES - HEADER_BYTES) / class_bytes[size_class]),
	};
	POISON_SET((uint8_t *)slab + HEADER_BYTES, TLS_SLAB_BYTES - HEADER_BYTES);
	link_partial(memory, slab);
	return slab;
}

static size_t span_slabs(size_t bytes)
{
	return (HEADER_BYTES + bytes + TLS_SLAB_BYTES - 1) / TLS_SLAB_BYTES;
}

size_t tls_memory_takes(size_t bytes)
{
	return (bytes <= TLS_OBJECT_MAX ? 1 : span_slabs(bytes)) * TLS_SLAB_BYTES;
}

static void *take_span(struct tls_memory *memory, size_t bytes)
{
	size_t left = memory->slab_count - memory->slab_fresh;

	if (bytes > left * TLS_SLAB_BYTES || span_slabs(bytes) > left) {
		memory->exhausted++;
		return NULL;
	}
	struct tls_slab *slab = (void *)(memory->slabs + memory->slab_fresh * TLS_SLAB_BYTES);
	uint32_t count = (uint32_t)span_slabs(bytes);
	*slab = (struct tls_slab){
	    .owner = memory, .size_class = CLASS_SPAN, .used = 1, .count = count};
	memory->slab_fresh += count;
	memory->used += count * TLS_SLAB_BYTES;
	if (memory->used > memory->used_high)
		memory->used_high = memory->used;
	memset((uint8_t *)slab + HEADER_BYTES, 0, bytes);
	return (uint8_t *)slab + HEADER_BYTES;
}

/* Its slabs serve any class from now on. */
static void give_span(struct tls_memory *memory, struct tls_slab *first)
{
	uint32_t count = first->count;

	memory->used -= count * TLS_SLAB_BYTES;
	for (uint32_t i = 0; i < count; i++) {
		struct tls_slab *slab = (void *)((uint8_t *)first + i * TLS_SLAB_BYTES);
		slab->next = memory->slab_free;
		memory->slab_free = slab;
	}
}

void *tls_memory_take(struct tls_memory *memory, size_t bytes)
{
	struct tls_slab *slab = NULL;

	if (bytes > TLS_OBJECT_MAX && memory->spans)
		return take_span(memory, bytes);
	if (bytes <= TLS_OBJECT_MAX && memory->fail_after > 0) {
		uint32_t size_class = class_of(bytes);
		slab = memory->partial[size_class];
		if (slab == NULL)
			slab = new_slab(memory, size_class);
	}
	if (slab == NULL) {
		memory->exhausted++;
		return NULL;
	}
	if (memory->fail_after != UINT64_MAX)
		memory->fail_after--;

	size_t size = class_bytes[slab->size_class];
	void *object = slab->free;
	if (object != NULL) {
		POISON_CLEAR(object, size);
		memcpy(&slab->free, object, sizeof(void *));
	} else {
		object = (uint8_t *)slab + HEADER_BYTES + slab->fresh++ * size;
	}
	slab->used++;
	if (slab->used == slab->count)
		unlink_partial(memory, slab);
	memory->used += size;
	if (memory->used > memory->used_high)
		memory->used_high = memory->used;
	POISON_SET(object, size);
	POISON_CLEAR(object, bytes);
	memset(object, 0, bytes);
	return object;
}

void tls_memory_give(void *object)
{
	if (object == NULL)
		return;

	struct tls_slab *slab = (void *)((uintptr_t)object & ~(uintptr_t)(TLS_SLAB_BYTES - 1));
	struct tls_memory *memory = slab->owner;
	ASSERT(slab->used > 0);
	if (slab->size_class == CLASS_SPAN) {
		give_span(memory, slab);
		return;
	}
	size_t size = class_bytes[slab->size_class];
	ASSERT((uint8_t *)object - (uint8_t *)slab >= (ptrdiff_t)HEADER_BYTES);
	DEBUG_ASSERT(((uintptr_t)object - (uintptr_t)slab - HEADER_BYTES) % size == 0);

	POISON_CLEAR(object, size);
	memcpy(object, &slab->free, sizeof(void *));
	POISON_SET(object, size);
	slab->free = object;
	memory->used -= size;
	if (slab->used-- == slab->count)
		link_partial(memory, slab);
	if (slab->used == 0) {
		unlink_partial(memory, slab);
		POISON_CLEAR(slab, TLS_SLAB_BYTES);
		slab->next = memory->slab_free;
		memory->slab_free = slab;
	}
}

size_t tls_memory_left(const struct tls_memory *memory)
{
	return memory->slab_count * TLS_SLAB_BYTES - memory->used;
}
