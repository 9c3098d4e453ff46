/* job.c - forks a child for slow work and collects what it returns. */
#include "mgmt/job.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attach.h"
#include "base/check.h"

#define REPORT_BYTES_MAX    (256u << 20)
#define JOB_CPU_SECONDS_MAX 900

_Noreturn static void child(int socket, int report_fd, pid_t parent,
                            void (*work)(void *argument, struct job_output *output), void *argument)
{
	struct job_output output = {.fd = -1};
	struct attach_msg msg = {.magic = ATTACH_MAGIC, .kind = ATTACH_PUBLISHED};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have ended before the line above took effect. */
	if (getppid() != parent)
		_exit(1);
	setrlimit(RLIMIT_CPU, &(struct rlimit){JOB_CPU_SECONDS_MAX, JOB_CPU_SECONDS_MAX});
	work(argument, &output);
	if (output.report == NULL)
		output.report = json_object();
	json_object_set_new(output.report, "reason", json_string(output.reason));
	if (json_dumpfd(output.report, report_fd, JSON_COMPACT) != 0)
		_exit(1);
	msg.error = (uint32_t)output.error;
	_exit(attach_send(socket, &msg, output.fd) == OK ? 0 : 1);
}

enum err job_start(struct job *job, void (*work)(void *argument, struct job_output *output),
                   void *argument, void (*done)(void *context, const struct job_output *output),
                   void *context)
{
	pid_t parent = getpid();
	int pair[2];

	if (job->pid != 0)
		return ERR_BUSY;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return ERR_SYSTEM;
	job->report_fd = memfd_create("report", MFD_CLOEXEC);
	if (job->report_fd < 0)
		goto fail_pair;
	job->pid = fork();
	if (job->pid < 0)
		goto fail_report;
	if (job->pid == 0)
		child(pair[1], job->report_fd, parent, work, argument);
	close(pair[1]);
	job->socket = pair[0];
	fcntl(job->socket, F_SETFL, O_NONBLOCK);
	job->done = done;
	job->context = context;
	return OK;

fail_report:
	close(job->report_fd);
fail_pair:
	close(pair[0]);
	close(pair[1]);
	job->pid = 0;
	return ERR_SYSTEM;
}

bool job_is_running(const struct job *job)
{
	return job->pid != 0;
}

int job_poll_fd(const struct job *job)
{
	return job->pid != 0 ? job->socket : -1;
}

static json_t *read_report(int fd)
{
	struct stat status;
	json_t *report;
	char *text;

	if (fstat(fd, &status) != 0 || status.st_size == 0 || status.st_size > REPORT_BYTES_MAX)
		return NULL;
	text = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (text == MAP_FAILED)
		return NULL;
	report = json_loadb(text, (size_t)status.st_size, 0, NULL);
	munmap(text, (size_t)status.st_size);
	return report;
}

/* The child is waited for: it is ending or has ended, so this does not take long. */
static int reap(struct job *job)
{
	int status = 0;

	waitpid(job->pid, &status, 0);
	close(job->socket);
	close(job->report_fd);
	job->pid = 0;
	return status;
}

void job_run(struct job *job)
{
	struct job_output output = {.fd = -1};
	struct attach_msg msg;
	enum err err;
	int status;

	if (job->pid == 0)
		return;
	err = attach_receive(job->socket, &msg, &output.fd);
	if (err == ERR_BUSY)
		return;
	if (err == OK)
		output.report = read_report(job->report_fd);
	status = reap(job);
	if (err == OK && output.report != NULL) {
		const char *reason = json_string_value(json_object_get(output.report, "reason"));

		output.error = msg.error < ERR_COUNT ? (enum err)msg.error : ERR_STATE;
		snprintf(output.reason, sizeof(output.reason), "%s", reason != NULL ? reason : "");
	} else {
		output.error = ERR_STATE;
		snprintf(output.reason, sizeof(output.reason),
		         "the child that did the work ended unexpectedly (%s %d); is there enough "
		         "memory and time?",
		         WIFSIGNALED(status) ? "signal" : "status",
		         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	job->done(job->context, &output);
	json_decref(output.report);
}

void job_kill(struct job *job)
{
	if (job->pid == 0)
		return;
	kill(job->pid, SIGKILL);
	reap(job);
}
