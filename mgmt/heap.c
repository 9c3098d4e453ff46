/* heap.c - how the C library's heap behaves in processes that compile rules.
 *
 * Compilers take and give back large pieces all the time. Left alone, the heap shrinks and grows
 * with each, and most of the time goes into faulting its pages in again: 415 000 faults and three
 * times the time were measured with SpamAssassin's rules.
 */
#include "mgmt/heap.h"

#include <malloc.h>
#include <stdint.h>

#define HEAP_STEP_BYTES (32 << 20)

void heap_keep(void)
{
	mallopt(M_TRIM_THRESHOLD, INT32_MAX);
	mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
	mallopt(M_MMAP_THRESHOLD, HEAP_STEP_BYTES);
}
