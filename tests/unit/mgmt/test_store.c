/* test_store.c - the database is made, found again, and refused when it is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/state.h"
#include "mgmt/store.h"

static void persists(void **state)
{
	char folder[] = "/tmp/postern-store-XXXXXX";
	char path[128], reason[STORE_REASON_BYTES], command[256];
	json_t *value = json_integer(5), *found;
	struct store store;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/new/history.db", folder);
	assert_int_equal(store_open(&store, path, reason), OK);
	assert_int_equal(state_put_setting(&store, "k", value), OK);
	store_close(&store);
	assert_int_equal(store_open(&store, path, reason), OK);
	found = state_get_setting(&store, "k");
	assert_int_equal(json_integer_value(found), 5);
	json_decref(found);
	json_decref(value);
	sqlite3_exec(store.db, "PRAGMA user_version = 99", NULL, NULL, NULL);
	store_close(&store);
	assert_int_equal(store_open(&store, path, reason), ERR_VERSION);
	assert_non_null(strstr(reason, "another version"));
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

static void refuses_what_is_no_database(void **state)
{
	char path[] = "/tmp/postern-store-XXXXXX";
	char reason[STORE_REASON_BYTES];
	struct store store;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(write(fd, "this is not a database at all\n", 30), 30);
	close(fd);
	assert_int_equal(store_open(&store, path, reason), ERR_IO);
	assert_non_null(strstr(reason, path));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(persists),
	    cmocka_unit_test(refuses_what_is_no_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
