/* rule_compile_hs.c - strings to a serialised Hyperscan database, with a cache on disk. */
#include "classifier/rule_compile_hs.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hs.h>

#include "base/hash.h"

#define CACHE_FILE_BYTES_MAX ((off_t)256 << 20)

const char *rule_compile_hyperscan(void)
{
	return hs_version();
}

uint64_t rule_compile_cpu_features(void)
{
	hs_platform_info_t platform;

	if (hs_populate_platform(&platform) != HS_SUCCESS)
		return 0;
	return platform.cpu_features;
}

/* Everything the database depends on. */
static struct hash128 cache_key(const struct scan_string *string, uint32_t count)
{
	static const struct hash_key key = {{0x706f737465726e21ull, 0x6c69746572616c73ull}};
	struct {
		struct hash128 sum;
		uint64_t features;
		uint32_t count;
		uint8_t item[40];
		char version[64];
	} state;

	memset(&state, 0, sizeof(state));
	state.features = rule_compile_cpu_features();
	state.count = count;
	snprintf(state.version, sizeof(state.version), "%s", hs_version());
	for (uint32_t i = 0; i < count; i++) {
		memset(state.item, 0, sizeof(state.item));
		state.item[0] = string[i].text.len;
		state.item[1] = string[i].caseless;
		memcpy(state.item + 2, string[i].text.octet, string[i].text.len);
		state.sum = hash128(&key, &state, sizeof(state));
	}
	return state.sum;
}

/* A cached database is taken only when Hyperscan itself accepts it (version, processor, checksum).
 */
static bool cache_load(struct rule_pool *pool, const char *path, struct bytes *out_database)
{
	FILE *file = fopen(path, "rb");
	struct stat info;
	bool good = false;

	if (file == NULL)
		return false;
	if (fstat(fileno(file), &info) == 0 && info.st_size > 0 &&
	    info.st_size <= CACHE_FILE_BYTES_MAX) {
		size_t bytes = (size_t)info.st_size;
		void *memory = rule_pool_take(pool, bytes);
		hs_database_t *database = NULL;

		if (fread(memory, 1, bytes, file) == bytes &&
		    hs_deserialize_database(memory, bytes, &database) == HS_SUCCESS) {
			hs_free_database(database);
			*out_database = bytes_of(memory, bytes);
			good = true;
		}
	}
	fclose(file);
	return good;
}

/* A cache that cannot be written costs time, nothing else. */
static void cache_store(struct rule_pool *pool, const char *path, struct bytes database)
{
	char *fresh = rule_pool_printf(pool, "%s.%ld", path, (long)getpid());
	FILE *file = fopen(fresh, "wb");

	if (file == NULL)
		return;
	bool written = fwrite(database.data, 1, database.len, file) == database.len;
	if (fclose(file) != 0 || !written || rename(fresh, path) != 0)
		unlink(fresh);
}

static enum err compile(struct rule_pool *pool, const struct scan_string *string, uint32_t count,
                        struct bytes *out_database, char *reason)
{
	const char **text = rule_pool_take(pool, count * sizeof(*text));
	unsigned *flags = rule_pool_take(pool, count * sizeof(*flags));
	unsigned *id = rule_pool_take(pool, count * sizeof(*id));
	size_t *len = rule_pool_take(pool, count * sizeof(*len));
	hs_database_t *database = NULL;
	hs_compile_error_t *error = NULL;

	for (uint32_t i = 0; i < count; i++) {
		text[i] = (const char *)string[i].text.octet;
		flags[i] = string[i].caseless ? HS_FLAG_CASELESS : 0;
		id[i] = i;
		len[i] = string[i].text.len;
	}
	if (hs_compile_lit_multi(text, flags, id, len, count, HS_MODE_BLOCK, NULL, &database,
	                         &error) != HS_SUCCESS) {
		snprintf(reason, 200, "Hyperscan: %s", error != NULL ? error->message : "failed");
		hs_free_compile_error(error);
		return ERR_UNSUPPORTED;
	}

	char *serialised = NULL;
	size_t bytes = 0;
	hs_error_t result = hs_serialize_database(database, &serialised, &bytes);
	hs_free_database(database);
	if (result != HS_SUCCESS) {
		snprintf(reason, 200, "Hyperscan: its database cannot be serialised (%d)", result);
		return ERR_UNSUPPORTED;
	}
	*out_database = bytes_of(rule_pool_copy(pool, bytes_of(serialised, bytes)), bytes);
	free(serialised);
	return OK;
}

enum err rule_compile_strings(struct rule_pool *pool, const struct scan_string *string,
                              uint32_t count, const char *cache_folder, struct bytes *out_database,
                              char *reason)
{
	if (cache_folder == NULL)
		return compile(pool, string, count, out_database, reason);

	struct hash128 key = cache_key(string, count);
	char *path = rule_pool_printf(pool, "%s/%016llx%016llx.hsdb", cache_folder,
	                              (unsigned long long)key.hi, (unsigned long long)key.lo);
	if (cache_load(pool, path, out_database))
		return OK;

	enum err err = compile(pool, string, count, out_database, reason);
	if (err == OK)
		cache_store(pool, path, *out_database);
	return err;
}
