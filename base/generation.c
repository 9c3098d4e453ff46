/* generation.c - building, sealing and verifying blobs.
 *
 * Layout: header, table of GENERATION_SECTIONS_MAX rows, sections at offsets that are multiples of
 * 64 and ascend. `bytes` is the size of the whole file; the checksum covers all of it behind
 * itself. The seals are looked at first: with them on, nothing that was verified can change
 * afterwards.
 */
#include "base/generation.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/sealed.h"

#define MAGIC           0x314e4547545350b5u /* "\xb5PSTGEN1" */
#define VERSION         1
#define SECTION_ALIGN   64
#define PAGE_BYTES      ((size_t)4096)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define SEALS           (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define MEMFD_HUGE_2MB  (21u << 26) /* log2 of the page size, where the kernel looks for it */

struct section_row {
	uint32_t id, zero;
	uint64_t offset, bytes;
};

struct blob {
	uint64_t magic, checksum;
	uint64_t bytes;
	uint64_t number, made_wall_us;
	uint32_t version, kind, section_count, zero;
	char label[GENERATION_LABEL_BYTES];
	_Alignas(SECTION_ALIGN) struct section_row section[GENERATION_SECTIONS_MAX];
};
static_assert(sizeof(struct blob) % SECTION_ALIGN == 0, "sections may follow at once");
static_assert(offsetof(struct blob, bytes) == 16, "the checksum covers all behind itself");

static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) & ~(unit - 1);
}

static uint64_t blob_checksum(const uint8_t *memory, size_t bytes)
{
	size_t start = offsetof(struct blob, bytes);

	return hash_checksum(memory + start, bytes - start);
}

/* A memfd mapped writable. Whether huge pages can be had shows at mmap, which reserves them. */
static bool map_new(struct generation_builder *builder, size_t bytes, bool huge)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING |
	                 (huge ? MFD_HUGETLB | MEMFD_HUGE_2MB : 0);
	size_t bytes_max = round_up(bytes, huge ? HUGE_PAGE_BYTES : PAGE_BYTES);
	int fd = memfd_create("postern-generation", flags);

	if (fd < 0)
		return false;
	if (ftruncate(fd, (off_t)bytes_max) != 0)
		goto fail;
	void *memory = mmap(NULL, bytes_max, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		goto fail;
	*builder = (struct generation_builder){
	    .fd = fd,
	    .memory = memory,
	    .bytes_max = bytes_max,
	    .used = sizeof(struct blob),
	    .huge = huge,
	};
	return true;
fail:
	close(fd);
	return false;
}

enum err generation_begin(struct generation_builder *builder, size_t bytes_max)
{
	size_t overhead = sizeof(struct blob) + (size_t)GENERATION_SECTIONS_MAX * SECTION_ALIGN;

	if (bytes_max > SIZE_MAX / 2)
		return ERR_NO_MEMORY;
	/* Below half a huge page most of it would be wasted. */
	if (bytes_max >= HUGE_PAGE_BYTES / 2 && map_new(builder, bytes_max + overhead, true))
		return OK;
	return map_new(builder, bytes_max + overhead, false) ? OK : ERR_NO_MEMORY;
}

static struct blob *builder_blob(const struct generation_builder *builder)
{
	return (struct blob *)(void *)builder->memory;
}

enum err generation_reserve(struct generation_builder *builder, uint32_t id, size_t bytes,
                            void **out_section)
{
	struct blob *blob = builder_blob(builder);
	size_t offset = round_up(builder->used, SECTION_ALIGN);

	for (uint32_t i = 0; i < builder->section_count; i++)
		if (blob->section[i].id == id)
			return ERR_DUPLICATE;
	if (builder->section_count == GENERATION_SECTIONS_MAX || offset > builder->bytes_max ||
	    bytes > builder->bytes_max - offset)
		return ERR_FULL;

	blob->section[builder->section_count++] = (struct section_row){
	    .id = id, .offset = offset, .bytes = bytes};
	builder->used = offset + bytes;
	*out_section = builder->memory + offset;
	return OK;
}

enum err generation_add(struct generation_builder *builder, uint32_t id, struct bytes section)
{
	void *place;
	enum err err = generation_reserve(builder, id, section.len, &place);

	if (err == OK && section.len > 0)
		memcpy(place, section.data, section.len);
	return err;
}

enum err generation_seal(struct generation_builder *builder, enum generation_kind kind,
                         uint64_t number, uint64_t made_wall_us, const char *label, int *out_fd)
{
	struct blob *blob = builder_blob(builder);
	size_t bytes = round_up(builder->used, builder->huge ? HUGE_PAGE_BYTES : PAGE_BYTES);
	int fd = builder->fd;

	ASSERT((unsigned)kind < GENERATION_KIND_COUNT);
	blob->magic = MAGIC;
	blob->bytes = bytes;
	blob->number = number;
	blob->made_wall_us = made_wall_us;
	blob->version = VERSION;
	blob->kind = kind;
	blob->section_count = builder->section_count;
	strncpy(blob->label, label, sizeof(blob->label) - 1); /* zero behind: the memory was */
	blob->checksum = blob_checksum(builder->memory, bytes);

	/* F_SEAL_WRITE is refused while a writable mapping exists. */
	munmap(builder->memory, builder->bytes_max);
	builder->memory = NULL;
	if (ftruncate(fd, (off_t)bytes) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		generation_abandon(builder);
		return ERR_SYSTEM;
	}
	*builder = (struct generation_builder){.fd = -1};
	*out_fd = fd;
	return OK;
}

void generation_abandon(struct generation_builder *builder)
{
	if (builder->memory != NULL)
		munmap(builder->memory, builder->bytes_max);
	if (builder->fd >= 0)
		close(builder->fd);
	*builder = (struct generation_builder){.fd = -1};
}

/* Rows in use lie one behind the other inside the file; rows not in use are zero. */
static enum err verify_sections(const struct blob *blob)
{
	static const struct section_row unused;
	uint64_t end = sizeof(*blob);

	if (blob->section_count > GENERATION_SECTIONS_MAX)
		return ERR_RANGE;
	for (uint32_t i = 0; i < blob->section_count; i++) {
		const struct section_row *row = &blob->section[i];
		if (row->offset % SECTION_ALIGN != 0 || row->offset < end ||
		    row->offset > blob->bytes || row->bytes > blob->bytes - row->offset ||
		    row->zero != 0)
			return ERR_RANGE;
		end = row->offset + row->bytes;
		for (uint32_t j = 0; j < i; j++)
			if (blob->section[j].id == row->id)
				return ERR_DUPLICATE;
	}
	for (uint32_t i = blob->section_count; i < GENERATION_SECTIONS_MAX; i++)
		if (memcmp(&blob->section[i], &unused, sizeof(unused)) != 0)
			return ERR_RANGE;
	return OK;
}

static enum err verify_blob(const struct blob *blob, size_t bytes)
{
	if (blob->magic != MAGIC)
		return ERR_MAGIC;
	if (blob->version != VERSION)
		return ERR_VERSION;
	if (blob->bytes != bytes)
		return ERR_TRUNCATED;
	if (blob->checksum != blob_checksum((const uint8_t *)blob, bytes))
		return ERR_CHECKSUM;
	if (blob->kind >= GENERATION_KIND_COUNT || blob->zero != 0)
		return ERR_RANGE;
	if (memchr(blob->label, '\0', sizeof(blob->label)) == NULL)
		return ERR_RANGE;
	return verify_sections(blob);
}

enum err generation_open(struct generation *generation, int fd)
{
	size_t bytes;
	enum err err = sealed_size(fd, SEALS, &bytes);

	if (err != OK)
		return err;
	if (bytes < sizeof(struct blob))
		return ERR_TRUNCATED;

	void *memory = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return ERR_NO_MEMORY;
	const struct blob *blob = memory;
	err = verify_blob(blob, bytes);
	if (err != OK) {
		munmap(memory, bytes);
		return err;
	}

	*generation = (struct generation){
	    .memory = memory,
	    .bytes = bytes,
	    .fd = fd,
	    .kind = (enum generation_kind)blob->kind,
	    .number = blob->number,
	    .made_wall_us = blob->made_wall_us,
	};
	memcpy(generation->label, blob->label, sizeof(generation->label));
	return OK;
}

bool generation_is_empty(const struct generation *generation)
{
	return ((const struct blob *)(const void *)generation->memory)->section_count == 0;
}

/* Sections of a blob that was verified, sealed under another name. */
static enum err seal_again(const struct blob *blob, enum generation_kind kind, uint64_t number,
                           uint64_t made_wall_us, const char *label, int *out_fd)
{
	struct generation_builder builder;
	enum err err = generation_begin(&builder, blob->bytes);

	for (uint32_t i = 0; err == OK && i < blob->section_count; i++) {
		const struct section_row *row = &blob->section[i];

		err = generation_add(&builder, row->id,
		                     bytes_of((const uint8_t *)blob + row->offset, row->bytes));
		if (err != OK)
			generation_abandon(&builder);
	}
	if (err != OK)
		return err;
	return generation_seal(&builder, kind, number, made_wall_us, label, out_fd);
}

enum err generation_reseal(const struct generation *generation, enum generation_kind kind,
                           uint64_t number, int *out_fd)
{
	return seal_again((const struct blob *)(const void *)generation->memory, kind, number,
	                  generation->made_wall_us, generation->label, out_fd);
}

enum err generation_copy(struct bytes image, enum generation_kind kind, uint64_t number,
                         uint64_t made_wall_us, const char *label, int *out_fd)
{
	const struct blob *blob = (const struct blob *)(const void *)image.data;

	if (image.len < sizeof(*blob))
		return ERR_TRUNCATED;
	ASSERT((uintptr_t)image.data % SECTION_ALIGN == 0);
	enum err err = verify_blob(blob, image.len);
	return err == OK ? seal_again(blob, kind, number, made_wall_us, label, out_fd) : err;
}

struct bytes generation_section(const struct generation *generation, uint32_t id)
{
	const struct blob *blob = (const struct blob *)(const void *)generation->memory;

	for (uint32_t i = 0; i < blob->section_count; i++)
		if (blob->section[i].id == id)
			return bytes_of(generation->memory + blob->section[i].offset,
			                blob->section[i].bytes);
	return bytes_of(NULL, 0);
}

void generation_close(struct generation *generation)
{
	munmap((void *)(uintptr_t)generation->memory, generation->bytes);
	close(generation->fd);
	*generation = (struct generation){.fd = -1};
}
