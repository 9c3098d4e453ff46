/* redirects.h - where a URI leads on, as far as patterns of the rules tell.
 *
 * Who prepares texts knows URIs, who judges knows patterns: this hook is between the two.
 */
#ifndef BASE_REDIRECTS_H
#define BASE_REDIRECTS_H

#include <stdbool.h>

#include "base/bytes.h"

struct redirects {
	void *context;
	/* The target named in `uri`, a slice of it; false when no pattern fits. NULL: there are no
	 * patterns. */
	bool (*find)(void *context, struct bytes uri, struct bytes *out_target);
};

#endif
