/* rules_cache.c - compiled rules kept on disk.
 *
 * A file: the generation as it lies in memory, the report as JSON, a trailer. It is written beside
 * its place and renamed, so that a half-written one is never found.
 */
#include "mgmt/rules_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC          0x3168636163757250ull
#define ENDING         ".rules"
#define FILE_BYTES_MAX ((off_t)1 << 30)

struct trailer {
	uint64_t magic, image_bytes, report_bytes, report_checksum;
	struct hash128 key;
};

static void make_path(char out[PATH_MAX], const char *folder, const struct hash128 *key)
{
	snprintf(out, PATH_MAX, "%s/%016llx%016llx" ENDING, folder, (unsigned long long)key->hi,
	         (unsigned long long)key->lo);
}

/* The parts of a file that is whole; what the image holds is looked at by who copies it. */
static bool split(struct bytes file, const struct hash128 *key, struct bytes *out_image,
                  struct bytes *out_report)
{
	struct trailer t;

	if (file.len < sizeof(t))
		return false;
	size_t content = file.len - sizeof(t);
	memcpy(&t, file.data + content, sizeof(t));
	if (t.magic != MAGIC || t.key.lo != key->lo || t.key.hi != key->hi ||
	    t.image_bytes > content || t.report_bytes != content - t.image_bytes)
		return false;
	*out_image = bytes_slice(file, 0, t.image_bytes);
	*out_report = bytes_slice(file, t.image_bytes, t.report_bytes);
	return hash_checksum(out_report->data, out_report->len) == t.report_checksum;
}

static bool take(struct bytes file, const struct hash128 *key, const struct rules_cache_name *name,
                 int *out_fd, json_t **out_report)
{
	struct bytes image, report;

	if (!split(file, key, &image, &report))
		return false;
	*out_report = json_loadb((const char *)report.data, report.len, 0, NULL);
	if (json_is_object(*out_report) &&
	    generation_copy(image, name->kind, name->number, name->made_wall_us, name->label,
	                    out_fd) == OK)
		return true;
	json_decref(*out_report);
	return false;
}

bool rules_cache_get(const char *folder, const struct hash128 *key,
                     const struct rules_cache_name *name, int *out_fd, json_t **out_report)
{
	char path[PATH_MAX];
	struct stat status;
	bool good = false;

	make_path(path, folder, key);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (fstat(fd, &status) == 0 && status.st_size > 0 && status.st_size <= FILE_BYTES_MAX) {
		size_t bytes = (size_t)status.st_size;
		void *memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);

		if (memory != MAP_FAILED) {
			good = take(bytes_of(memory, bytes), key, name, out_fd, out_report);
			munmap(memory, bytes);
		}
	}
	/* What is used is not the oldest. */
	if (good)
		(void)futimens(fd, NULL);
	close(fd);
	return good;
}

static bool write_parts(int fd, struct bytes image, struct bytes report,
                        const struct trailer *trailer)
{
	const struct bytes parts[] = {image, report, bytes_of(trailer, sizeof(*trailer))};

	for (unsigned i = 0; i < 3; i++)
		for (size_t done = 0; done < parts[i].len;) {
			ssize_t wrote = write(fd, parts[i].data + done, parts[i].len - done);

			if (wrote <= 0)
				return false;
			done += (size_t)wrote;
		}
	return true;
}

struct kept {
	char name[64];
	struct timespec used;
};

static int newer(const void *left, const void *right)
{
	const struct kept *a = left, *b = right;

	if (a->used.tv_sec != b->used.tv_sec)
		return a->used.tv_sec < b->used.tv_sec ? 1 : -1;
	return a->used.tv_nsec < b->used.tv_nsec ? 1 : a->used.tv_nsec > b->used.tv_nsec ? -1 : 0;
}

/* Takes away the files used longest ago, beyond the bound. */
static void prune(const char *folder)
{
	struct kept kept[RULES_CACHE_FILES_MAX + 64];
	const size_t room = sizeof(kept) / sizeof(kept[0]);
	size_t count = 0, ending = strlen(ENDING);
	DIR *dir = opendir(folder);
	struct dirent *entry;
	struct stat status;

	if (dir == NULL)
		return;
	while (count < room && (entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (len <= ending || len >= sizeof(kept[0].name) ||
		    strcmp(entry->d_name + len - ending, ENDING) != 0 ||
		    fstatat(dirfd(dir), entry->d_name, &status, 0) != 0)
			continue;
		memcpy(kept[count].name, entry->d_name, len + 1);
		kept[count++].used = status.st_mtim;
	}
	qsort(kept, count, sizeof(kept[0]), newer);
	for (size_t i = RULES_CACHE_FILES_MAX; i < count; i++)
		(void)unlinkat(dirfd(dir), kept[i].name, 0);
	closedir(dir);
}

void rules_cache_put(const char *folder, const struct hash128 *key, int fd, const json_t *report)
{
	char path[PATH_MAX], fresh[PATH_MAX + 16];
	char *text = json_dumps(report, JSON_COMPACT);
	struct generation generation;

	fd = dup(fd);
	if (text == NULL || fd < 0 || generation_open(&generation, fd) != OK) {
		free(text);
		if (fd >= 0)
			close(fd);
		return;
	}
	struct bytes json = bytes_text(text);
	struct trailer trailer = {.magic = MAGIC,
	                          .image_bytes = generation.bytes,
	                          .report_bytes = json.len,
	                          .report_checksum = hash_checksum(json.data, json.len),
	                          .key = *key};
	make_path(path, folder, key);
	snprintf(fresh, sizeof(fresh), "%s.%ld", path, (long)getpid());
	int file = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	bool written = file >= 0 && write_parts(file, bytes_of(generation.memory, generation.bytes),
	                                        json, &trailer);
	if (file >= 0 && close(file) != 0)
		written = false;
	if (!written || rename(fresh, path) != 0)
		unlink(fresh);
	generation_close(&generation);
	free(text);
	prune(folder);
}
