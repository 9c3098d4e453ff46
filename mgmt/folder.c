/* folder.c - makes the folders above a path. */
#include "mgmt/folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum err folder_make_parent(const char *path, mode_t mode)
{
	char folder[PATH_MAX];
	int len = snprintf(folder, sizeof(folder), "%s", path);

	if (len < 0 || (size_t)len >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return ERR_RANGE;
	}
	for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(folder, mode) != 0 && errno != EEXIST)
			return ERR_SYSTEM;
		*slash = '/';
	}
	return OK;
}
