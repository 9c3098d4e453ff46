/* heap.h - how the C library's heap behaves in processes that compile rules. */
#ifndef MGMT_HEAP_H
#define MGMT_HEAP_H

/* Keeps what is freed instead of giving it back to the kernel. For programs and children that
 * compile rules and then end. */
void heap_keep(void);

#endif
