/* attach.c - one datagram, at most one descriptor; nothing here waits. */
#include "base/attach.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4

/* Room for one descriptor. The kernel rounds up, so two may still arrive. */
union control {
	struct cmsghdr header;
	char memory[CMSG_SPACE(sizeof(int))];
};

enum err attach_send(int socket, const struct attach_msg *msg, int fd)
{
	struct iovec part = {(void *)(uintptr_t)msg, sizeof(*msg)};
	union control control = {.memory = {0}};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		header.msg_control = &control;
		header.msg_controllen = sizeof(control.memory);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	if (sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(*msg))
		return OK;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS)
		return ERR_BUSY;
	return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : ERR_SYSTEM;
}

/* Keeps the first descriptor, closes all others; returns how many there were. */
static int take_descriptors(struct msghdr *header, int *out_fd)
{
	int count = 0;

	*out_fd = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < fds; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (count++ == 0)
				*out_fd = fd;
			else
				close(fd);
		}
	}
	return count;
}

static bool is_ours(const struct attach_msg *msg)
{
	return msg->magic == ATTACH_MAGIC && msg->kind > 0 && msg->kind < ATTACH_KIND_COUNT &&
	       memchr(msg->version, '\0', sizeof(msg->version)) != NULL &&
	       memchr(msg->reason, '\0', sizeof(msg->reason)) != NULL;
}

enum err attach_receive(int socket, struct attach_msg *out_msg, int *out_fd)
{
	struct attach_msg msg;
	struct iovec part = {&msg, sizeof(msg)};
	union control control;
	struct msghdr header = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control.memory),
	};

	ssize_t bytes = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (bytes < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
			return ERR_BUSY;
		return errno == ECONNRESET ? ERR_CLOSED : ERR_SYSTEM;
	}

	int fd;
	int fd_count = take_descriptors(&header, &fd);
	if (bytes == 0 && fd_count == 0)
		return ERR_CLOSED;
	if (bytes != (ssize_t)sizeof(msg) || fd_count > 1 ||
	    (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || !is_ours(&msg)) {
		if (fd >= 0)
			close(fd);
		return ERR_SYNTAX;
	}
	*out_msg = msg;
	*out_fd = fd;
	return OK;
}

static enum err socket_new(const char *path, struct sockaddr_un *out_address, int *out_socket)
{
	size_t len = strlen(path);

	*out_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (len == 0 || len >= sizeof(out_address->sun_path))
		return ERR_RANGE;
	memcpy(out_address->sun_path, path, len);
	*out_socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return *out_socket < 0 ? ERR_SYSTEM : OK;
}

enum err attach_connect(const char *path, int *out_socket)
{
	struct sockaddr_un address;
	int fd;
	enum err err = socket_new(path, &address, &fd);

	if (err != OK)
		return err;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		*out_socket = fd;
		return OK;
	}
	int reason = errno;
	close(fd);
	switch (reason) {
	case ENOENT:
		return ERR_NOT_FOUND;
	case ECONNREFUSED:
		return ERR_REFUSED;
	case EAGAIN:
		return ERR_BUSY;
	default:
		return ERR_SYSTEM;
	}
}

/* What a process that died left behind is removed; what somebody answers on, or is no socket,
 * stays. */
static enum err remove_stale(const char *path)
{
	struct stat status;
	int probe;

	if (lstat(path, &status) != 0)
		return errno == ENOENT ? OK : ERR_SYSTEM;
	if (!S_ISSOCK(status.st_mode))
		return ERR_STATE;

	enum err err = attach_connect(path, &probe);
	if (err == OK)
		close(probe);
	if (err != ERR_REFUSED)
		return err == ERR_NOT_FOUND ? OK : ERR_BUSY;
	return unlink(path) == 0 || errno == ENOENT ? OK : ERR_SYSTEM;
}

enum err attach_listen(const char *path, int *out_socket)
{
	struct sockaddr_un address;
	int fd;
	enum err err = remove_stale(path);

	if (err != OK)
		return err;
	err = socket_new(path, &address, &fd);
	if (err != OK)
		return err;
	/* The mode set before bind() is the one the name gets: at no time may others connect. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		close(fd);
		return ERR_SYSTEM;
	}
	*out_socket = fd;
	return OK;
}
