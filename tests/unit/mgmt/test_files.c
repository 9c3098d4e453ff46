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
	json_t *paths = json_pack("[s]", folder);
	char reason[512];
	uint64_t hash;

	assert_int_equal(files_fingerprint(paths, 0, &hash, reason), OK);
	assert_int_not_equal(hash, 0);
	json_decref(paths);
	return hash;
}

static void tells_changes(void **state)
{
	char command[128];
	uint64_t first, second;

	(void)state;
	assert_non_null(mkdtemp(folder));
	put("a.cf", "score A 1\n");
	put("empty.cf", "");
	first = fingerprint();
	assert_int_equal(fingerprint(), first);
	put("README", "not a rule file");
	assert_int_equal(fingerprint(), first);
	put("a.cf", "score A 2\n");
	second = fingerprint();
	assert_int_not_equal(second, first);
	put("b.pre", "x\n");
	assert_int_not_equal(fingerprint(), second);
	put("a.cf", "score A 1\n");
	assert_int_not_equal(fingerprint(), first);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

static void names_what_is_missing(void **state)
{
	json_t *paths = json_pack("[s]", "/nonexistent/rules");
	char reason[512];
	uint64_t hash;

	(void)state;
	assert_int_equal(files_fingerprint(paths, 0, &hash, reason), ERR_IO);
	assert_non_null(strstr(reason, "/nonexistent/rules"));
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
