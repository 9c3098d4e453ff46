/* sealed.c - shared memory whose size is settled. */
#include "base/sealed.h"

#include <fcntl.h>
#include <sys/stat.h>

enum err sealed_size(int fd, int seals, size_t *out_bytes)
{
	struct stat status;
	int found = fcntl(fd, F_GET_SEALS);

	if (found < 0 || (found & seals) != seals)
		return ERR_SEALS;
	if (fstat(fd, &status) != 0)
		return ERR_SYSTEM;
	*out_bytes = (size_t)status.st_size;
	return OK;
}
