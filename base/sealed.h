/* sealed.h - shared memory whose size the other side can no longer change.
 *
 * A memory that could shrink behind its check would end whoever reads it with SIGBUS: nothing is
 * mapped before its seals are seen.
 */
#ifndef BASE_SEALED_H
#define BASE_SEALED_H

#include <stddef.h>

#include "base/err.h"

/* The size of the memfd, when all of `seals` (F_SEAL_… of fcntl(2)) are on it. ERR_SEALS: they are
 * not, or it is no memfd; ERR_SYSTEM: no size to be had. The descriptor stays the caller's. */
MUST_CHECK enum err sealed_size(int fd, int seals, size_t *out_bytes);

#endif
