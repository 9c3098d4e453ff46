/* dkim_tags.h - tag lists of signatures and key records (RFC 6376 3.2), and the base64 in them.
 *
 * Strict: a list with a tag twice, an octet where none may stand or more tags than fit is none.
 */
#ifndef SMTP_DKIM_TAGS_H
#define SMTP_DKIM_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define DKIM_TAGS_MAX 32

struct dkim_tag {
	struct bytes name;
	struct bytes raw;   /* all from behind the '=' to the ';' or the end */
	struct bytes value; /* of it, without white space at both ends; folds inside stay */
};

struct dkim_tags {
	struct dkim_tag tag[DKIM_TAGS_MAX];
	uint32_t count;
};

enum dkim_tags_result {
	DKIM_TAGS_OK,
	DKIM_TAGS_WRONG, /* tags with values, but not as they must be */
	DKIM_TAGS_NONE   /* something in it is no tag with a value at all */
};

/* Slices point into `list`. */
enum dkim_tags_result dkim_tags_parse(struct bytes list, struct dkim_tags *out_tags);
/* NULL: there is none. Names are compared with their case. */
const struct dkim_tag *dkim_tags_find(const struct dkim_tags *tags, const char *name);

/* The next item of a list with colons, without white space at its ends; false at the end. */
bool dkim_next_item(struct bytes *rest, struct bytes *out_item);

#define DKIM_BASE64_WRONG SIZE_MAX
/* RFC 6376 3.5: base64 with white space anywhere. Returns octets written, or DKIM_BASE64_WRONG:
 * another octet, a length or an end that cannot be, more than `out_max`. */
size_t dkim_base64(struct bytes text, uint8_t *out, size_t out_max);

static inline bool dkim_is_blank(uint8_t octet)
{
	return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

#endif
