/* http_listen.c - listening sockets of the API and of the metrics. */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mgmt/folder.h"
#include "mgmt/http.h"

#define REASON_BYTES  512
#define BACKLOG       64
#define CONTROL_GROUP "postern" /* its members may use posternctl */

static enum err remove_stale(int fd, const struct sockaddr_un *address, char *out_reason)
{
	struct stat status;

	if (lstat(address->sun_path, &status) != 0)
		return OK;
	if (!S_ISSOCK(status.st_mode)) {
		snprintf(out_reason, REASON_BYTES,
		         "%s: is not a socket; move it away or change mgmt.control_socket",
		         address->sun_path);
		return ERR_STATE;
	}
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0) {
		snprintf(out_reason, REASON_BYTES,
		         "%s: another postern-mgmtd answers there; stop it first",
		         address->sun_path);
		return ERR_BUSY;
	}
	unlink(address->sun_path);
	return OK;
}

static mode_t take_group(const char *path)
{
	const struct group *group = getgrnam(CONTROL_GROUP);

	return group != NULL && chown(path, (uid_t)-1, group->gr_gid) == 0 ? 0660 : 0600;
}

enum err http_listen_unix(const char *path, int *out_socket, char *out_reason)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = -1;
	enum err err = ERR_SYSTEM;
	mode_t mask;

	snprintf(out_reason, REASON_BYTES, "%s: the path is too long for a socket", path);
	if (strlen(path) >= sizeof(address.sun_path))
		return ERR_RANGE;
	memcpy(address.sun_path, path, strlen(path) + 1);
	out_reason[0] = '\0';
	if (folder_make_parent(path, 0755) != OK)
		goto fail;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		goto fail;
	err = remove_stale(fd, &address, out_reason);
	if (err != OK)
		goto fail;
	err = ERR_SYSTEM;
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		goto fail;
	mask = umask(0177);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		umask(mask);
		goto fail;
	}
	umask(mask);
	if (chmod(path, take_group(path)) != 0 || listen(fd, BACKLOG) != 0)
		goto fail;
	*out_socket = fd;
	return OK;

fail:
	if (out_reason[0] == '\0')
		snprintf(out_reason, REASON_BYTES,
		         "%s: %s; make its folder writable or change mgmt.control_socket", path,
		         strerror(errno));
	if (fd >= 0)
		close(fd);
	return err;
}

enum err http_listen_local(uint16_t port, int *out_socket)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return ERR_SYSTEM;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		close(fd);
		return ERR_SYSTEM;
	}
	*out_socket = fd;
	return OK;
}
