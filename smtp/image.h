/* image.h - how large a picture says it is, from its first octets. */
#ifndef SMTP_IMAGE_H
#define SMTP_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/facts.h"

enum image_result { IMAGE_FOUND, IMAGE_NO_SIZE, IMAGE_NEEDS_MORE };

/* Reads width and height in pixels of `data`, the beginning of a picture. IMAGE_NEEDS_MORE: the
 * size stands behind what is here. */
enum image_result image_size(enum fact_image kind, struct bytes data, uint32_t *out_width,
                             uint32_t *out_height);

#endif
