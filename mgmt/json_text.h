/* json_text.h - JSON strings from octets that a peer chose. */
#ifndef MGMT_JSON_TEXT_H
#define MGMT_JSON_TEXT_H

#include <stddef.h>

#include <jansson.h>

/* A JSON string of at most `size` octets of `text`, up to its NUL; octets that are not UTF-8 become
 * U+FFFD. */
json_t *json_text(const char *text, size_t size);
#define JSON_TEXT(array) json_text((array), sizeof(array))
/* Points from thousandths, exact in three decimals. */
json_t *json_points(long long milli);
/* One line of text; the caller's to free, NULL when memory is out. */
char *json_line(const json_t *object);

#endif
