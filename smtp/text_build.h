/* text_build.h - one prepared text under construction: octets, and how they are cut into segments.
 */
#ifndef SMTP_TEXT_BUILD_H
#define SMTP_TEXT_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/texts.h"
#include "smtp/sink.h"

#define TEXT_PIECE_BYTES 2048

struct text_build {
	struct sink data;
	struct segment *segment;
	uint32_t count, count_max;
	bool segments_cut;
};

size_t text_build_bytes(size_t bytes_max, uint32_t segment_count_max);
bool text_build_init(struct text_build *build, struct arena *arena, size_t bytes_max,
                     uint32_t segment_count_max);
void text_build_reset(struct text_build *build);

/* Adds a segment over what was appended to `data` since `start`. */
void text_build_segment(struct text_build *build, size_t start);
void text_build_absent(struct text_build *build);
/* Cuts data from `start` on into lines; one of more than TEXT_PIECE_BYTES is cut behind a space,
 * else hard. */
void text_build_lines(struct text_build *build, size_t start);
/* Appends `part` in pieces of TEXT_PIECE_BYTES to twice as many, ending at a line end, else '>',
 * else a space. */
void text_build_paragraphs(struct text_build *build, struct bytes part);
struct text text_build_text(const struct text_build *build);

/* Where to cut `text` (UTF-8 when `wide`) to `count_max` characters: behind the next line end (or
 * '>' with `html`, or space) within 1 KB, else there. Returns an offset. */
size_t text_cut_offset(struct bytes text, size_t count_max, bool wide, bool raw);

/* White space as in SpamAssassin's body: a run with two line ends or more becomes a line end, any
 * other one space; `wide` minds Unicode's, else characters of U+0080 to U+00FF are written as
 * single octets. */
void text_fold(struct bytes rendered, bool wide, struct sink *out);

#endif
