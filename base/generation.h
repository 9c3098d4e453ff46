/* generation.h - immutable blobs that carry rules and lists from management to the workers.
 *
 * A generation is one memfd (huge pages when there are any, 4 KiB pages otherwise), sealed against
 * every change, holding a header, a section table and position-independent sections at 64-octet
 * offsets. The builder fills and seals it; the descriptor travels by SCM_RIGHTS; the receiver
 * verifies seals, magic, version, lengths, bounds and checksum before anybody looks inside. What
 * the sections mean belongs to their reader (classifier/ruleset.h, classifier/lists.h).
 */
#ifndef BASE_GENERATION_H
#define BASE_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define GENERATION_SECTIONS_MAX 96
#define GENERATION_LABEL_BYTES  64

enum generation_kind {
	GENERATION_RULES,
	GENERATION_LISTS, /* the big lists */
	GENERATION_DELTA, /* the small list of urgent changes; same format as LISTS */
	/* Rules that are tried beside those in force; same format as RULES. One without sections
	 * ends the trial. */
	GENERATION_SHADOW,
	GENERATION_KIND_COUNT
};

/* Being built. */
struct generation_builder {
	int fd;
	uint8_t *memory;
	size_t bytes_max, used;
	uint32_t section_count;
	bool huge;
};

/* Mapped read-only. */
struct generation {
	const uint8_t *memory;
	size_t bytes;
	int fd;
	enum generation_kind kind;
	uint64_t number;
	uint64_t made_wall_us;
	char label[GENERATION_LABEL_BYTES]; /* where it came from, for people; NUL-terminated */
};

/* A writable blob that can take `bytes_max` octets of sections. */
MUST_CHECK enum err generation_begin(struct generation_builder *builder, size_t bytes_max);
/* Copies one section in; `id` is the reader's (unique within the blob). */
MUST_CHECK enum err generation_add(struct generation_builder *builder, uint32_t id,
                                   struct bytes section);
/* Reserves a zeroed section to be filled in place until generation_seal. */
MUST_CHECK enum err generation_reserve(struct generation_builder *builder, uint32_t id,
                                       size_t bytes, void **out_section);
/* Checksums, unmaps, seals. Gives the descriptor, which is now the caller's. The builder is used
 * up, also when this fails. A `label` that is too long is cut. */
MUST_CHECK enum err generation_seal(struct generation_builder *builder, enum generation_kind kind,
                                    uint64_t number, uint64_t made_wall_us, const char *label,
                                    int *out_fd);
void generation_abandon(struct generation_builder *builder);
/* Seals the sections of `generation` anew under another kind and number, made when it was. */
MUST_CHECK enum err generation_reseal(const struct generation *generation,
                                      enum generation_kind kind, uint64_t number, int *out_fd);

/* The same of a generation's memory that was kept elsewhere, with all that is told about it; it is
 * verified first but for its seals. `image` begins at a multiple of 64 octets. */
MUST_CHECK enum err generation_copy(struct bytes image, enum generation_kind kind, uint64_t number,
                                    uint64_t made_wall_us, const char *label, int *out_fd);

/* Verifies everything and maps read-only (touching every page); keeps `fd`. On error `fd` is
 * untouched. */
MUST_CHECK enum err generation_open(struct generation *generation, int fd);
/* It has no sections. */
bool generation_is_empty(const struct generation *generation);
/* The section, or an empty slice when there is none of that id. */
struct bytes generation_section(const struct generation *generation, uint32_t id);
void generation_close(struct generation *generation);

#endif
