/* tls_memory.h - bounded memory for objects of very different sizes: what the TLS library gets in
 * place of malloc.
 *
 * A region is cut into slabs, a slab into equal objects of one of some size classes. Taking and
 * giving back are a few instructions and never wait; a slab that is empty serves any class again.
 * An object's slab is found by its address, so that who gives back need not know whose it is. */
#ifndef TCPSTACK_TLS_MEMORY_H
#define TCPSTACK_TLS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define TLS_SLAB_BYTES        ((size_t)256 << 10)
#define TLS_OBJECT_MAX        17456 /* the largest class: the library's buffer for a whole record */
#define TLS_CLASSES           22
#define TLS_SLAB_OVERHEAD_MAX TLS_CLASSES /* slabs that may be nearly empty: one of each class */

struct tls_slab;

struct tls_memory {
	uint8_t *slabs; /* aligned to TLS_SLAB_BYTES */
	uint32_t slab_count;
	uint32_t slab_fresh; /* the first one never used */
	struct tls_slab *slab_free;
	struct tls_slab *partial[TLS_CLASSES]; /* with room; doubly linked */
	bool spans;                            /* larger objects may be taken, see below */
	size_t used, used_high;                /* octets of objects given out */
	uint64_t exhausted;                    /* requests refused */
	uint64_t fail_after; /* tests: that many more requests succeed; UINT64_MAX: no limit */
};

/* Takes `bytes`, rounded up to whole slabs, from the arena. */
MUST_CHECK enum err tls_memory_init(struct tls_memory *memory, struct arena *arena, size_t bytes);
/* Zeroed, aligned to 16; NULL when there is no room, or more than TLS_OBJECT_MAX was asked for.
 * While `spans` is set larger ones are made of slabs in a row that were never used: for what is
 * taken once, before peers can ask for anything. */
void *tls_memory_take(struct tls_memory *memory, size_t bytes);
/* To the memory it was taken from, which it finds itself. NULL is nothing. */
void tls_memory_give(void *object);
/* Octets that an object of so many takes when it is the only one of its class. */
size_t tls_memory_takes(size_t bytes);
/* Octets that can be asked for in the best case. */
size_t tls_memory_left(const struct tls_memory *memory);

#endif
