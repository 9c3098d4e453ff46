/* fuzz_generation.c - any octets in a sealed memfd open with sections inside them, or are refused.
 *
 * Random octets never have the right checksum, so it is put right first where the input is long
 * enough: the first octet of the input says whether, the rest is the file.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/generation.h"
#include "base/hash.h"

#define SEALS          (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define FILE_BYTES_MAX 8192
#define MAGIC_BYTES    8
#define COVERED_FROM   16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As a blob of our making begins: its magic, then its checksum, then its size. */
static void make_plausible(uint8_t *file, size_t bytes)
{
	static const uint8_t magic[MAGIC_BYTES] = "\xb5PSTGEN1";
	uint64_t file_bytes = bytes;

	memcpy(file, magic, sizeof(magic));
	memcpy(file + COVERED_FROM, &file_bytes, sizeof(file_bytes));
	uint64_t checksum = hash_checksum(file + COVERED_FROM, bytes - COVERED_FROM);
	memcpy(file + MAGIC_BYTES, &checksum, sizeof(checksum));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[FILE_BYTES_MAX];
	struct generation generation;
	size_t bytes = size > 0 ? size - 1 : 0;

	if (bytes > sizeof(file))
		return 0;
	if (bytes > 0)
		memcpy(file, data + 1, bytes);
	if (bytes >= COVERED_FROM + sizeof(uint64_t) && (data[0] & 1) != 0)
		make_plausible(file, bytes);

	int fd = memfd_create("fuzz", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	ASSERT(fd >= 0);
	ASSERT(write(fd, file, bytes) == (ssize_t)bytes);
	ASSERT(fcntl(fd, F_ADD_SEALS, SEALS) == 0);
	if (generation_open(&generation, fd) != OK) {
		close(fd);
		return 0;
	}
	ASSERT(strlen(generation.label) < GENERATION_LABEL_BYTES);
	for (uint32_t id = 0; id < 256; id++) {
		struct bytes section = generation_section(&generation, id);
		ASSERT(section.len == 0 ||
		       (section.data >= generation.memory &&
		        section.data + section.len <= generation.memory + bytes));
	}
	generation_close(&generation);
	return 0;
}
