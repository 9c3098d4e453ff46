/* test_attach.c - messages and descriptors over the socket. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/attach.h"

static int ends[2];

static void open_ends(void)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
}

static void close_ends(void)
{
	close(ends[0]);
	close(ends[1]);
}

static struct attach_msg message(void)
{
	return (struct attach_msg){
	    .magic = ATTACH_MAGIC, .kind = ATTACH_PUBLISH, .number = 9, .reason = "why"};
}

static void a_message_arrives_with_its_descriptor(void **state)
{
	struct attach_msg in = message(), out;
	int pipes[2], fd = -1;
	char octet = 0;

	(void)state;
	open_ends();
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(attach_send(ends[0], &in, pipes[0]), OK);
	assert_int_equal(attach_receive(ends[1], &out, &fd), OK);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_true(fd >= 0 && fd != pipes[0]);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(read(fd, &octet, 1), 1);
	assert_int_equal(octet, 'x');
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
	close_ends();
}

static void a_message_without_descriptor_says_so(void **state)
{
	struct attach_msg in = message(), out;
	int fd = 5;

	(void)state;
	open_ends();
	assert_int_equal(attach_send(ends[0], &in, -1), OK);
	assert_int_equal(attach_receive(ends[1], &out, &fd), OK);
	assert_int_equal(fd, -1);
	close_ends();
}

static void nothing_there_is_busy_and_a_peer_that_left_is_closed(void **state)
{
	struct attach_msg in = message(), out;
	int fd;

	(void)state;
	open_ends();
	assert_int_equal(attach_receive(ends[1], &out, &fd), ERR_BUSY);
	close(ends[0]);
	assert_int_equal(attach_receive(ends[1], &out, &fd), ERR_CLOSED);
	assert_int_equal(attach_send(ends[1], &in, -1), ERR_CLOSED);
	close(ends[1]);
}

static void a_peer_that_does_not_read_makes_sending_busy(void **state)
{
	struct attach_msg in = message();
	enum err err = OK;

	(void)state;
	open_ends();
	for (int i = 0; i < 100000 && err == OK; i++)
		err = attach_send(ends[0], &in, -1);
	assert_int_equal(err, ERR_BUSY);
	close_ends();
}

static int descriptor_count(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Sends `bytes` of `msg` with `fd_count` descriptors; the receiver must refuse and keep none. */
static void refuses(const struct attach_msg *msg, size_t bytes, size_t fd_count)
{
	struct iovec part = {(void *)(uintptr_t)msg, bytes};
	union {
		struct cmsghdr header;
		char memory[CMSG_SPACE(4 * sizeof(int))];
	} control = {.memory = {0}};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	struct attach_msg out;
	int fd = -7;

	open_ends();
	int before = descriptor_count();
	if (fd_count > 0) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(rights), (int[4]){ends[0], ends[0], ends[0], ends[0]},
		       fd_count * sizeof(int));
	}
	assert_int_equal(sendmsg(ends[0], &header, 0), bytes);
	assert_int_equal(attach_receive(ends[1], &out, &fd), ERR_SYNTAX);
	assert_int_equal(fd, -7);
	assert_int_equal(descriptor_count(), before);
	close_ends();
}

static void what_is_no_message_of_ours_is_refused_and_leaks_nothing(void **state)
{
	struct attach_msg two[2] = {message(), message()}, msg = message();

	(void)state;
	refuses(&msg, sizeof(msg) - 1, 1);
	refuses(two, sizeof(msg) + 1, 1);
	refuses(&msg, 1, 0);
	refuses(&msg, sizeof(msg), 2);
	refuses(&msg, sizeof(msg), 4);
	msg.magic++;
	refuses(&msg, sizeof(msg), 1);
	msg = message();
	msg.kind = 0;
	refuses(&msg, sizeof(msg), 1);
	msg.kind = ATTACH_KIND_COUNT;
	refuses(&msg, sizeof(msg), 0);
	msg = message();
	memset(msg.reason, 'r', sizeof(msg.reason));
	refuses(&msg, sizeof(msg), 0);
	msg = message();
	memset(msg.version, 'v', sizeof(msg.version));
	refuses(&msg, sizeof(msg), 0);
}

static void a_listener_is_private_replaces_a_stale_one_and_spares_a_live_one(void **state)
{
	char folder[] = "postern-test-XXXXXX", path[64];
	struct stat status;
	int first, second, peer;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	assert_int_equal(attach_connect(path, &peer), ERR_NOT_FOUND);
	assert_int_equal(attach_listen(path, &first), OK);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(attach_connect(path, &peer), OK);
	close(peer);
	assert_int_equal(attach_listen(path, &second), ERR_BUSY);
	close(first);
	assert_int_equal(attach_connect(path, &peer), ERR_REFUSED);
	assert_int_equal(attach_listen(path, &second), OK);
	assert_int_equal(attach_connect(path, &peer), OK);
	close(peer);
	close(second);
	unlink(path);
	rmdir(folder);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
	char path[] = "postern-test-XXXXXX";
	int file = mkstemp(path), listener;

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(attach_listen(path, &listener), ERR_STATE);
	assert_int_equal(access(path, F_OK), 0);
	close(file);
	unlink(path);
}

static void a_path_too_long_for_a_socket_is_refused(void **state)
{
	char path[200];
	int fd;

	(void)state;
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(attach_connect(path, &fd), ERR_RANGE);
	assert_int_equal(attach_connect("", &fd), ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_message_arrives_with_its_descriptor),
	    cmocka_unit_test(a_message_without_descriptor_says_so),
	    cmocka_unit_test(nothing_there_is_busy_and_a_peer_that_left_is_closed),
	    cmocka_unit_test(a_peer_that_does_not_read_makes_sending_busy),
	    cmocka_unit_test(what_is_no_message_of_ours_is_refused_and_leaks_nothing),
	    cmocka_unit_test(a_listener_is_private_replaces_a_stale_one_and_spares_a_live_one),
	    cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
	    cmocka_unit_test(a_path_too_long_for_a_socket_is_refused),
	};

	return cmocka_run_group_tests_name("attach", tests, NULL, NULL);
}
