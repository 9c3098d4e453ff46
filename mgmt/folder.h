/* folder.h - the folders that sockets and files of management need. */
#ifndef MGMT_FOLDER_H
#define MGMT_FOLDER_H

#include <sys/types.h>

#include "base/err.h"

/* Makes the folder that `path` lies in, and those above it, with `mode`; what exists stays as it
 * is. On failure errno says why. */
MUST_CHECK enum err folder_make_parent(const char *path, mode_t mode);

#endif
