/* check.h - assertions by kind.
 *
 * ASSERT guards what we promise ourselves and is always on. DEBUG_ASSERT may walk structures and
 * exists in debug builds only. COUNT_IF counts what should not happen but a peer could cause. None
 * of the first two may ever depend on octets from the wire.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdbool.h>

_Noreturn void check_failed(const char *file, int line, const char *condition);

#define ASSERT(condition) \
	do { \
		if (__builtin_expect(!(condition), 0)) \
			check_failed(__FILE__, __LINE__, #condition); \
	} while (0)

#ifdef POSTERN_DEBUG
#define DEBUG_ASSERT(condition) ASSERT(condition)
#else
#define DEBUG_ASSERT(condition) \
	do { \
		(void)sizeof(condition); \
	} while (0)
#endif

/* True when `condition` holds; then `counter` has been incremented. */
#define COUNT_IF(condition, counter) ((condition) ? ((counter)++, true) : false)

#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

#endif
