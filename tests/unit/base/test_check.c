/* test_check.c - an assertion that fails ends the process and says where. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"

/* Runs a failing assertion in a child and gives what it printed. */
static int status_of_failure(char *out_text, size_t bytes)
{
	int pipes[2], status;

	assert_int_equal(pipe(pipes), 0);
	fflush(NULL); /* or the child would print our buffers again */
	pid_t child = fork();
	if (child == 0) {
		dup2(pipes[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL); /* not cmocka's */
		ASSERT(1 + 1 == 3);
		_exit(0);
	}
	close(pipes[1]);
	ssize_t len = read(pipes[0], out_text, bytes - 1);
	close(pipes[0]);
	out_text[len > 0 ? len : 0] = '\0';
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void a_failed_assertion_aborts_and_names_file_and_condition(void **state)
{
	char text[256];
	int status = status_of_failure(text, sizeof(text));

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(text, "test_check.c:"));
	assert_non_null(strstr(text, "1 + 1 == 3"));
}

static void count_if_counts_only_what_holds(void **state)
{
	uint64_t counter = 0;

	(void)state;
	assert_true(COUNT_IF(2 > 1, counter));
	assert_false(COUNT_IF(1 > 2, counter));
	assert_int_equal(counter, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_failed_assertion_aborts_and_names_file_and_condition),
	    cmocka_unit_test(count_if_counts_only_what_holds),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
