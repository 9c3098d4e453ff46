/* rule_compile_key.c - what a compiled generation depends on beside the rule files. */
#include "classifier/rule_compile_key.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "classifier/rule_compile_hs.h"
#include "classifier/ruleset_blob.h"

static const struct hash_key key = {{0x67656e6572617469ull, 0x6f6e206f6620756cull}};

/* The compiler is part of this program: a version would have to be raised by hand with every change
 * of how rules are placed, and would be forgotten. */
static bool hash_program(struct hash128 *out_hash)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat status;
	bool good = false;

	if (fd < 0)
		return false;
	if (fstat(fd, &status) == 0 && status.st_size > 0) {
		void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		if (memory != MAP_FAILED) {
			*out_hash = hash128(&key, memory, (size_t)status.st_size);
			munmap(memory, (size_t)status.st_size);
			good = true;
		}
	}
	close(fd);
	return good;
}

bool rule_key(struct hash128 sum, uint32_t options, struct hash128 *out_key)
{
	struct {
		struct hash128 sum, program;
		uint64_t cpu_features;
		uint32_t options, blob_version;
		char hyperscan[64], pcre2[64];
	} all;

	memset(&all, 0, sizeof(all));
	if (!hash_program(&all.program))
		return false;
	all.sum = sum;
	all.cpu_features = rule_compile_cpu_features();
	all.options = options;
	all.blob_version = RULESET_BLOB_VERSION;
	snprintf(all.hyperscan, sizeof(all.hyperscan), "%s", rule_compile_hyperscan());
	if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof(all.pcre2))
		pcre2_config(PCRE2_CONFIG_VERSION, all.pcre2);
	*out_key = hash128(&key, &all, sizeof(all));
	return true;
}
