/* test_files.c - a change in any file changes the fingerprint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/files.h"

static char folder[] = "/tmp/postern-files-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static uint64_t fingerprint(void)
{
	char first[128], second[128], reason[512];
	json_t *paths;
	uint64_t hash;

	snprintf(first, sizeof(first), "%s/a.list", folder);
	snprintf(second, sizeof(second), "%s/empty.list", folder);
	paths = json_pack("[s,s]", first, second);
	assert_int_equal(files_fingerprint(paths, 0, &hash, reason), OK);
	assert_int_not_equal(hash, 0);
	json_decref(paths);
	return hash;
}

static void tells_changes(void **state)
{
	char command[128];
	uint64_t first;

	(void)state;
	assert_non_null(mkdtemp(folder));
	put("a.list", "192.0.2.1\n");
	put("empty.list", "");
	first = fingerprint();
	assert_int_equal(fingerprint(), first);
	put("other.list", "not asked about");
	assert_int_equal(fingerprint(), first);
	put("a.list", "192.0.2.2\n");
	assert_int_not_equal(fingerprint(), first);
	put("a.list", "192.0.2.1\n");
	assert_int_equal(fingerprint(), first);
	put("empty.list", "192.0.2.1\n");
	assert_int_not_equal(fingerprint(), first);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

static void names_what_is_missing(void **state)
{
	json_t *paths = json_pack("[s]", "/nonexistent/list");
	char reason[512];
	uint64_t hash;

	(void)state;
	assert_int_equal(files_fingerprint(paths, 0, &hash, reason), ERR_IO);
	assert_non_null(strstr(reason, "/nonexistent/list"));
	json_decref(paths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_changes),
	    cmocka_unit_test(names_what_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
