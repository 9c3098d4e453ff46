/* test_events_file.c - events are appended and the file is reopened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/events_file.h"

static long size_of(const char *path)
{
	FILE *file = fopen(path, "r");
	long size;

	if (file == NULL)
		return -1;
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	fclose(file);
	return size;
}

static void appends_and_reopens(void **state)
{
	char folder[] = "/tmp/postern-events-XXXXXX";
	char path[128], moved[128];
	struct events_file file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/events", folder);
	snprintf(moved, sizeof(moved), "%s/moved", folder);
	events_file_open(&file, path);
	events_file_write(&file, "{}");
	events_file_flush(&file);
	assert_int_equal(size_of(path), 3);
	assert_int_equal(rename(path, moved), 0);
	events_file_reopen(&file);
	events_file_write(&file, "{1}");
	events_file_close(&file);
	assert_int_equal(size_of(moved), 3);
	assert_int_equal(size_of(path), 4);
	events_file_open(&file, path);
	events_file_write(&file, "{}");
	events_file_close(&file);
	assert_int_equal(size_of(path), 7);
	unlink(path);
	unlink(moved);
	rmdir(folder);
}

static void none(void **state)
{
	struct events_file file;

	(void)state;
	events_file_open(&file, "");
	events_file_write(&file, "{}");
	events_file_flush(&file);
	events_file_close(&file);
	assert_int_equal(file.failed_count, 0);
}

static void counts_failures(void **state)
{
	struct events_file file;

	(void)state;
	events_file_open(&file, "/dev/full");
	events_file_write(&file, "{}");
	events_file_flush(&file);
	assert_int_equal(file.failed_count, 1);
	events_file_close(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(appends_and_reopens),
	    cmocka_unit_test(none),
	    cmocka_unit_test(counts_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
