/* tcp_options.c - reading and writing TCP options (RFC 9293 3.2, RFC 7323, RFC 2018).
 *
 * Written in Linux's order, octet for octet: what the world's middleboxes have been tested with.
 */
#include "tcpstack/tcp_internal.h"

enum {
	KIND_END,
	KIND_NOP,
	KIND_MSS,
	KIND_WINDOW_SCALE,
	KIND_SACK_PERMITTED,
	KIND_SACK,
	KIND_TIMESTAMPS = 8
};

static uint16_t get_u16(const uint8_t *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

static uint32_t get_u32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static uint8_t *put_u16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	return to + 2;
}

static uint8_t *put_u32(uint8_t *to, uint32_t value)
{
	return put_u16(put_u16(to, (uint16_t)(value >> 16)), (uint16_t)value);
}

static uint8_t *put_two(uint8_t *to, uint8_t first, uint8_t second)
{
	to[0] = first;
	to[1] = second;
	return to + 2;
}

static void parse_sack(const uint8_t *body, size_t bytes, struct tcp_options *options)
{
	options->sack_count = 0;
	for (size_t at = 0; at + 8 <= bytes && options->sack_count < TCP_SACK_BLOCKS_MAX; at += 8) {
		struct tcp_sack *block = &options->sack[options->sack_count++];
		block->start = get_u32(body + at);
		block->end = get_u32(body + at + 4);
	}
}

/* One option whose length is known to fit; a wrong length makes it unknown, and unknown ones are
 * skipped. */
static void parse_one(uint8_t kind, const uint8_t *body, size_t bytes, struct tcp_options *options)
{
	if (kind == KIND_MSS && bytes == 2) {
		options->mss = get_u16(body);
	} else if (kind == KIND_WINDOW_SCALE && bytes == 1) {
		options->window_scale = body[0] < TCP_WINDOW_SCALE_MAX ? body[0]
		                                                       : TCP_WINDOW_SCALE_MAX;
	} else if (kind == KIND_SACK_PERMITTED && bytes == 0) {
		options->sack_permitted = true;
	} else if (kind == KIND_TIMESTAMPS && bytes == 8) {
		options->has_timestamps = true;
		options->ts_val = get_u32(body);
		options->ts_ecr = get_u32(body + 4);
	} else if (kind == KIND_SACK && bytes % 8 == 0) {
		parse_sack(body, bytes, options);
	}
}

void tcp_options_parse(const uint8_t *from, size_t bytes, struct tcp_options *out_options)
{
	out_options->mss = 0;
	out_options->window_scale = TCP_WINDOW_SCALE_NONE;
	out_options->has_timestamps = false;
	out_options->sack_permitted = false;
	out_options->sack_count = 0;
	for (size_t at = 0; at < bytes;) {
		if (from[at] == KIND_END)
			return;
		if (from[at] == KIND_NOP) {
			at++;
			continue;
		}
		if (at + 1 >= bytes || from[at + 1] < 2 || at + from[at + 1] > bytes)
			return; /* what follows cannot be told from noise */
		parse_one(from[at], from + at + 2, from[at + 1] - 2u, out_options);
		at += from[at + 1];
	}
}

static uint8_t *put_timestamps(uint8_t *to, uint32_t ts_val, uint32_t ts_ecr)
{
	return put_u32(put_u32(put_two(to, KIND_TIMESTAMPS, 10), ts_val), ts_ecr);
}

size_t tcp_options_put_syn(uint8_t *to, const struct tcp_syn_options *syn)
{
	uint8_t *at = put_u16(put_two(to, KIND_MSS, 4), syn->mss);
	bool sack = (syn->options & OPTION_SACK) != 0;

	if (syn->options & OPTION_TIMESTAMPS) {
		at = sack ? put_two(at, KIND_SACK_PERMITTED, 2) : put_two(at, KIND_NOP, KIND_NOP);
		at = put_timestamps(at, syn->ts_val, syn->ts_ecr);
	} else if (sack) {
		at = put_two(put_two(at, KIND_NOP, KIND_NOP), KIND_SACK_PERMITTED, 2);
	}
	if (syn->options & OPTION_WINDOW_SCALE) {
		at = put_two(at, KIND_NOP, KIND_WINDOW_SCALE);
		at = put_two(at, 3, syn->window_scale);
	}
	return (size_t)(at - to);
}

size_t tcp_options_put(uint8_t *to, bool timestamps, uint32_t ts_val, uint32_t ts_ecr,
                       const struct tcp_sack *sack, uint32_t sack_count)
{
	uint8_t *at = to;

	ASSERT(sack_count <= (timestamps ? TCP_SACK_BLOCKS_MAX - 1 : TCP_SACK_BLOCKS_MAX));
	if (timestamps)
		at = put_timestamps(put_two(at, KIND_NOP, KIND_NOP), ts_val, ts_ecr);
	if (sack_count > 0) {
		at = put_two(at, KIND_NOP, KIND_NOP);
		at = put_two(at, KIND_SACK, (uint8_t)(2 + 8 * sack_count));
		for (uint32_t i = 0; i < sack_count; i++)
			at = put_u32(put_u32(at, sack[i].start), sack[i].end);
	}
	return (size_t)(at - to);
}
