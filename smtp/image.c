/* image.c - how large a picture says it is (GIF89a 18, PNG 11.2.2, JPEG B.2.2). */
#include "smtp/image.h"

#include "base/check.h"

static uint32_t big_endian(const uint8_t *data, unsigned count)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < count; i++)
		value = value << 8 | data[i];
	return value;
}

static enum image_result gif_size(struct bytes in, uint32_t *out_width, uint32_t *out_height)
{
	if (in.len < 10)
		return IMAGE_NEEDS_MORE;
	if (memcmp(in.data, "GIF87a", 6) != 0 && memcmp(in.data, "GIF89a", 6) != 0)
		return IMAGE_NO_SIZE;
	*out_width = (uint32_t)(in.data[6] | in.data[7] << 8);
	*out_height = (uint32_t)(in.data[8] | in.data[9] << 8);
	return IMAGE_FOUND;
}

static enum image_result png_size(struct bytes in, uint32_t *out_width, uint32_t *out_height)
{
	if (in.len < 24)
		return IMAGE_NEEDS_MORE;
	if (memcmp(in.data, "\x89PNG\r\n\x1a\n", 8) != 0 ||
	    memcmp(in.data + 8, "\0\0\0\x0dIHDR", 8) != 0)
		return IMAGE_NO_SIZE;
	*out_width = big_endian(in.data + 16, 4);
	*out_height = big_endian(in.data + 20, 4);
	return IMAGE_FOUND;
}

/* Segments are stepped over until a frame header; each step is at least four octets. */
static enum image_result jpeg_size(struct bytes in, uint32_t *out_width, uint32_t *out_height)
{
	if (in.len < 2)
		return IMAGE_NEEDS_MORE;
	if (in.data[0] != 0xFF || in.data[1] != 0xD8)
		return IMAGE_NO_SIZE;
	for (size_t at = 2; at + 9 <= in.len;) {
		uint8_t marker = in.data[at + 1];
		uint32_t len = big_endian(in.data + at + 2, 2);

		if (in.data[at] != 0xFF || marker == 0xDA || marker == 0xD9 || len < 2)
			return IMAGE_NO_SIZE;
		if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 &&
		    marker != 0xCC) {
			*out_height = big_endian(in.data + at + 5, 2);
			*out_width = big_endian(in.data + at + 7, 2);
			return IMAGE_FOUND;
		}
		at += 2 + len;
	}
	return IMAGE_NEEDS_MORE;
}

enum image_result image_size(enum fact_image kind, struct bytes data, uint32_t *out_width,
                             uint32_t *out_height)
{
	*out_width = *out_height = 0;
	switch (kind) {
	case FACT_IMAGE_GIF:
		return gif_size(data, out_width, out_height);
	case FACT_IMAGE_PNG:
		return png_size(data, out_width, out_height);
	case FACT_IMAGE_JPEG:
		return jpeg_size(data, out_width, out_height);
	case FACT_IMAGE_NONE:
		return IMAGE_NO_SIZE;
	}
	UNREACHABLE();
}
