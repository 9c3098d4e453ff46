/* files.c - fingerprints of files. */
#include "mgmt/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

#define REASON_BYTES 512

json_t *files_from_config(const struct config_texts *texts)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < texts->count; i++)
		json_array_append_new(array, json_string(texts->text[i]));
	return array;
}

static uint64_t combine(uint64_t hash, uint64_t more)
{
	uint64_t pair[2] = {hash, more};

	return hash_checksum(pair, sizeof(pair));
}

static enum err unreadable(const char *path, char *out_reason)
{
	snprintf(out_reason, REASON_BYTES,
	         "%s: %s; check the path and that postern-mgmtd may read it", path,
	         strerror(errno));
	return ERR_IO;
}

static enum err hash_file(const char *path, uint64_t *hash, char *out_reason)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *memory;

	if (fd < 0)
		return unreadable(path, out_reason);
	if (fstat(fd, &status) != 0) {
		close(fd);
		return unreadable(path, out_reason);
	}
	*hash = combine(*hash, hash_checksum(path, strlen(path)));
	if (status.st_size > 0) {
		memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (memory == MAP_FAILED) {
			close(fd);
			return unreadable(path, out_reason);
		}
		*hash = combine(*hash, hash_checksum(memory, (size_t)status.st_size));
		munmap(memory, (size_t)status.st_size);
	}
	close(fd);
	return OK;
}

enum err files_fingerprint(const json_t *paths, uint64_t seed, uint64_t *out_fingerprint,
                           char *out_reason)
{
	uint64_t hash = combine(seed, hash_checksum(POSTERN_VERSION, strlen(POSTERN_VERSION)));
	size_t index;
	const json_t *item;

	json_array_foreach((json_t *)paths, index, item)
	{
		enum err err = hash_file(json_string_value(item), &hash, out_reason);

		if (err != OK)
			return err;
	}
	/* SQLite keeps 63 bits comfortably, and 0 stands for "not known". */
	*out_fingerprint = (hash & INT64_MAX) | 1;
	return OK;
}
