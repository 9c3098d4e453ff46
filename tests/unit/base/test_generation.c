/* test_generation.c - sealed blobs: what is built opens, what is damaged does not. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/generation.h"
#include "base/hash.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int build(size_t bytes)
{
	struct generation_builder builder;
	uint8_t *place;
	int fd;

	assert_int_equal(generation_begin(&builder, bytes + 100), OK);
	assert_int_equal(generation_add(&builder, 10, BYTES("first")), OK);
	assert_int_equal(generation_reserve(&builder, 20, bytes, (void **)&place), OK);
	if (bytes > 0)
		memset(place, 0x5a, bytes);
	assert_int_equal(generation_add(&builder, 30, BYTES("")), OK);
	assert_int_equal(
	    generation_seal(&builder, GENERATION_LISTS, 42, 1234567, "lists of test", &fd), OK);
	return fd;
}

/* The octets of `blob` in a memfd of their own, sealed with `seals`. */
static int memfd_with(const uint8_t *blob, size_t bytes, int seals)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, blob, bytes), bytes);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static uint8_t *content(int fd, size_t *out_bytes)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	uint8_t *octets = malloc((size_t)status.st_size);
	assert_int_equal(pread(fd, octets, (size_t)status.st_size, 0), status.st_size);
	*out_bytes = (size_t)status.st_size;
	return octets;
}

static void a_sealed_generation_opens_and_has_its_sections(void **state)
{
	struct generation generation;

	(void)state;
	assert_int_equal(generation_open(&generation, build(1000)), OK);
	assert_int_equal(generation.kind, GENERATION_LISTS);
	assert_int_equal(generation.number, 42);
	assert_int_equal(generation.made_wall_us, 1234567);
	assert_string_equal(generation.label, "lists of test");
	assert_true(bytes_equal(generation_section(&generation, 10), BYTES("first")));
	struct bytes section = generation_section(&generation, 20);
	assert_int_equal(section.len, 1000);
	assert_int_equal((uintptr_t)section.data % 64, 0);
	for (size_t i = 0; i < section.len; i++)
		assert_int_equal(section.data[i], 0x5a);
	assert_int_equal(generation_section(&generation, 30).len, 0);
	assert_int_equal(generation_section(&generation, 99).len, 0);
	generation_close(&generation);
}

static void a_large_generation_opens_too(void **state)
{
	struct generation generation;
	int fd = build((size_t)5 << 20);

	(void)state;
	assert_int_equal(generation_open(&generation, fd), OK);
	assert_int_equal(generation_section(&generation, 20).len, 5 << 20);
	generation_close(&generation);
}

static void nobody_can_change_a_sealed_generation(void **state)
{
	int fd = build(10);

	(void)state;
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	close(fd);
}

static void sections_that_do_not_fit_or_repeat_are_refused(void **state)
{
	struct generation_builder builder;
	void *place;

	(void)state;
	assert_int_equal(generation_begin(&builder, 100), OK);
	assert_int_equal(generation_add(&builder, 1, BYTES("a")), OK);
	assert_int_equal(generation_add(&builder, 1, BYTES("b")), ERR_DUPLICATE);
	assert_int_equal(generation_reserve(&builder, 2, builder.bytes_max, &place), ERR_FULL);
	assert_int_equal(generation_reserve(&builder, 2, SIZE_MAX, &place), ERR_FULL);
	for (uint32_t id = 2; id <= GENERATION_SECTIONS_MAX; id++)
		assert_int_equal(generation_add(&builder, id, BYTES("c")), OK);
	assert_int_equal(generation_add(&builder, 1000, BYTES("d")), ERR_FULL);
	generation_abandon(&builder);
}

static void sections_go_over_to_another_kind(void **state)
{
	struct generation first, second;
	int fd, fd2;

	(void)state;
	fd = build(3 << 20);
	assert_int_equal(generation_open(&first, fd), OK);
	assert_false(generation_is_empty(&first));
	assert_int_equal(generation_reseal(&first, GENERATION_SHADOW, 43, &fd2), OK);
	assert_int_equal(generation_open(&second, fd2), OK);
	assert_int_equal(second.kind, GENERATION_SHADOW);
	assert_int_equal(second.number, 43);
	assert_int_equal(second.made_wall_us, first.made_wall_us);
	assert_string_equal(second.label, first.label);
	for (uint32_t id = 0; id <= 40; id++) {
		struct bytes a = generation_section(&first, id),
		             b = generation_section(&second, id);

		assert_int_equal(a.len, b.len);
		if (a.len > 0)
			assert_memory_equal(a.data, b.data, a.len);
	}
	generation_close(&first);
	generation_close(&second);
}

static void one_without_sections_is_empty(void **state)
{
	struct generation_builder builder;
	struct generation generation;
	int fd;

	(void)state;
	assert_int_equal(generation_begin(&builder, 0), OK);
	assert_int_equal(generation_seal(&builder, GENERATION_SHADOW, 1, 1, "off", &fd), OK);
	assert_int_equal(generation_open(&generation, fd), OK);
	assert_true(generation_is_empty(&generation));
	generation_close(&generation);
}

static void a_long_label_is_cut(void **state)
{
	char label[GENERATION_LABEL_BYTES + 10];
	struct generation_builder builder;
	struct generation generation;
	int fd;

	(void)state;
	memset(label, 'l', sizeof(label));
	label[sizeof(label) - 1] = '\0';
	assert_int_equal(generation_begin(&builder, 10), OK);
	assert_int_equal(generation_seal(&builder, GENERATION_RULES, 1, 1, label, &fd), OK);
	assert_int_equal(generation_open(&generation, fd), OK);
	assert_int_equal(strlen(generation.label), GENERATION_LABEL_BYTES - 1);
	generation_close(&generation);
}

static void every_flipped_octet_is_refused(void **state)
{
	struct generation generation;
	size_t bytes;
	int fd = build(300);
	uint8_t *blob = content(fd, &bytes);

	(void)state;
	for (size_t i = 0; i < bytes; i++) {
		blob[i] ^= (uint8_t)(1 << i % 8);
		int damaged = memfd_with(blob, bytes, SEALS);
		assert_int_not_equal(generation_open(&generation, damaged), OK);
		assert_true(fcntl(damaged, F_GETFD) >= 0); /* still ours */
		close(damaged);
		blob[i] ^= (uint8_t)(1 << i % 8);
	}
	int whole = memfd_with(blob, bytes, SEALS);
	assert_int_equal(generation_open(&generation, whole), OK);
	generation_close(&generation);
	free(blob);
	close(fd);
}

/* Where things lie in a blob: the header's members, then rows of id, zero, offset, bytes. */
enum {
	AT_CHECKSUM = 8,
	AT_BYTES = 16,
	AT_VERSION = 40,
	AT_KIND = 44,
	AT_SECTION_COUNT = 48,
	AT_ZERO = 52,
	AT_LABEL = 56,
	AT_ROWS = 128,
	ROW_BYTES = 24,
	ROW_OFFSET = 8,
	ROW_LENGTH = 16,
};

static void put32(uint8_t *blob, size_t at, uint32_t value)
{
	memcpy(blob + at, &value, sizeof(value));
}

static void put64(uint8_t *blob, size_t at, uint64_t value)
{
	memcpy(blob + at, &value, sizeof(value));
}

/* Opens a copy whose checksum has been made to fit: only the other checks stand in the way. */
static enum err open_forged(uint8_t *blob, size_t bytes)
{
	struct generation generation;

	put64(blob, AT_CHECKSUM, hash_checksum(blob + AT_BYTES, bytes - AT_BYTES));
	int fd = memfd_with(blob, bytes, SEALS);
	enum err err = generation_open(&generation, fd);
	if (err == OK)
		generation_close(&generation);
	else
		close(fd);
	return err;
}

struct forgery {
	size_t at, width;
	uint64_t value;
	enum err expected;
};

static void a_right_checksum_does_not_excuse_wrong_bounds(void **state)
{
	static const struct forgery forgeries[] = {
	    {0, 8, 0, ERR_MAGIC},
	    {AT_VERSION, 4, 99, ERR_VERSION},
	    {AT_BYTES, 8, 4095, ERR_TRUNCATED},
	    {AT_KIND, 4, GENERATION_KIND_COUNT, ERR_RANGE},
	    {AT_ZERO, 4, 1, ERR_RANGE},
	    {AT_SECTION_COUNT, 4, GENERATION_SECTIONS_MAX + 1, ERR_RANGE},
	    {AT_SECTION_COUNT, 4, UINT32_MAX, ERR_RANGE},
	    {AT_SECTION_COUNT, 4, 1, ERR_RANGE}, /* rows beyond the count must be zero */
	    {AT_ROWS + 4, 4, 1, ERR_RANGE},
	    {AT_ROWS + ROW_OFFSET, 8, 64, ERR_RANGE},               /* in the header */
	    {AT_ROWS + ROW_OFFSET, 8, (uint64_t)-64, ERR_RANGE},    /* wraps */
	    {AT_ROWS + ROW_LENGTH, 8, 65, ERR_RANGE},               /* overlaps the next */
	    {AT_ROWS + ROW_LENGTH, 8, UINT64_MAX, ERR_RANGE},       /* ends beyond the file */
	    {AT_ROWS + ROW_BYTES + ROW_OFFSET, 8, 4097, ERR_RANGE}, /* not at 64 octets */
	    {AT_ROWS + ROW_BYTES + ROW_OFFSET, 8, 1 << 20, ERR_RANGE},
	    {AT_ROWS + ROW_BYTES, 4, 10, ERR_DUPLICATE},
	};
	size_t bytes;
	int fd = build(300);
	uint8_t *blob = content(fd, &bytes), *forged = malloc(bytes);

	(void)state;
	assert_int_equal(open_forged(blob, bytes), OK);
	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		memcpy(forged, blob, bytes);
		if (forgeries[i].width == 4)
			put32(forged, forgeries[i].at, (uint32_t)forgeries[i].value);
		else
			put64(forged, forgeries[i].at, forgeries[i].value);
		enum err err = open_forged(forged, bytes);
		if (err != forgeries[i].expected)
			fail_msg("forgery %zu: %s", i, err_text(err));
	}
	memcpy(forged, blob, bytes);
	memset(forged + AT_LABEL, 'l', GENERATION_LABEL_BYTES);
	assert_int_equal(open_forged(forged, bytes), ERR_RANGE);
	free(forged);
	free(blob);
	close(fd);
}

static void every_missing_seal_is_refused(void **state)
{
	static const int seals[] = {F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE};
	struct generation generation;
	size_t bytes;
	int fd = build(1);
	uint8_t *blob = content(fd, &bytes);

	(void)state;
	for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
		int weak = memfd_with(blob, bytes, SEALS & ~seals[i]);
		assert_int_equal(generation_open(&generation, weak), ERR_SEALS);
		close(weak);
	}
	assert_int_equal(generation_open(&generation, STDERR_FILENO), ERR_SEALS);
	free(blob);
	close(fd);
}

static void a_shorter_or_longer_file_is_refused(void **state)
{
	struct generation generation;
	size_t bytes;
	int fd = build(5000);
	uint8_t *blob = content(fd, &bytes);
	static const size_t shorter[] = {0, 1, 100, 4096};

	(void)state;
	for (size_t i = 0; i < sizeof(shorter) / sizeof(shorter[0]); i++) {
		int cut = memfd_with(blob, shorter[i], SEALS);
		assert_int_equal(generation_open(&generation, cut), ERR_TRUNCATED);
		close(cut);
	}
	blob = realloc(blob, bytes + 4096);
	memset(blob + bytes, 0, 4096);
	int longer = memfd_with(blob, bytes + 4096, SEALS);
	assert_int_equal(generation_open(&generation, longer), ERR_TRUNCATED);
	close(longer);
	free(blob);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sealed_generation_opens_and_has_its_sections),
	    cmocka_unit_test(a_large_generation_opens_too),
	    cmocka_unit_test(nobody_can_change_a_sealed_generation),
	    cmocka_unit_test(sections_that_do_not_fit_or_repeat_are_refused),
	    cmocka_unit_test(a_long_label_is_cut),
	    cmocka_unit_test(sections_go_over_to_another_kind),
	    cmocka_unit_test(one_without_sections_is_empty),
	    cmocka_unit_test(every_flipped_octet_is_refused),
	    cmocka_unit_test(a_right_checksum_does_not_excuse_wrong_bounds),
	    cmocka_unit_test(every_missing_seal_is_refused),
	    cmocka_unit_test(a_shorter_or_longer_file_is_refused),
	};

	return cmocka_run_group_tests_name("generation", tests, NULL, NULL);
}
