/* test_job.c - children return results, and their crashes are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>

#include "mgmt/job.h"

static enum err got_error;
static char got_reason[JOB_REASON_BYTES];
static int got_value, done_count;
static char got_text[16];

static void done(void *context, const struct job_output *output)
{
	assert_ptr_equal(context, &done_count);
	done_count++;
	got_error = output->error;
	snprintf(got_reason, sizeof(got_reason), "%s", output->reason);
	got_value = (int)json_integer_value(json_object_get(output->report, "value"));
	if (output->fd >= 0) {
		assert_int_equal(pread(output->fd, got_text, 5, 0), 5);
		close(output->fd);
	}
}

static void wait_for(struct job *job)
{
	struct pollfd fd = {.fd = job_poll_fd(job), .events = POLLIN};

	assert_int_equal(poll(&fd, 1, 30000), 1);
	job_run(job);
	assert_false(job_is_running(job));
}

static void work_well(void *argument, struct job_output *output)
{
	char path[] = "/tmp/postern-job-XXXXXX";

	output->fd = mkstemp(path);
	unlink(path);
	if (write(output->fd, "hello", 5) != 5)
		output->error = ERR_IO;
	output->report = json_pack("{s:i}", "value", *(int *)argument);
}

static void work_badly(void *argument, struct job_output *output)
{
	(void)argument;
	output->error = ERR_SYNTAX;
	snprintf(output->reason, sizeof(output->reason), "file:3: wrong");
}

static void work_and_crash(void *argument, struct job_output *output)
{
	(void)argument;
	(void)output;
	raise(SIGKILL);
}

static void work_forever(void *argument, struct job_output *output)
{
	(void)argument;
	(void)output;
	for (;;)
		pause();
}

static void returns_its_result(void **state)
{
	struct job job = {0};
	int value = 42;

	(void)state;
	assert_int_equal(job_poll_fd(&job), -1);
	assert_int_equal(job_start(&job, work_well, &value, done, &done_count), OK);
	assert_int_equal(job_start(&job, work_well, &value, done, &done_count), ERR_BUSY);
	wait_for(&job);
	assert_int_equal(done_count, 1);
	assert_int_equal(got_error, OK);
	assert_int_equal(got_value, 42);
	assert_string_equal(got_text, "hello");
}

static void tells_failures(void **state)
{
	struct job job = {0};

	(void)state;
	assert_int_equal(job_start(&job, work_badly, NULL, done, &done_count), OK);
	wait_for(&job);
	assert_int_equal(got_error, ERR_SYNTAX);
	assert_string_equal(got_reason, "file:3: wrong");
	assert_int_equal(job_start(&job, work_and_crash, NULL, done, &done_count), OK);
	wait_for(&job);
	assert_int_equal(got_error, ERR_STATE);
	assert_non_null(strstr(got_reason, "signal 9"));
}

static void can_be_killed(void **state)
{
	struct job job = {0};
	int before = done_count;

	(void)state;
	assert_int_equal(job_start(&job, work_forever, NULL, done, &done_count), OK);
	job_run(&job);
	assert_true(job_is_running(&job));
	job_kill(&job);
	assert_false(job_is_running(&job));
	assert_int_equal(done_count, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(returns_its_result),
	    cmocka_unit_test(tells_failures),
	    cmocka_unit_test(can_be_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
