/* events_file.c - appends events to a file. */
#include "mgmt/events_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mgmt/folder.h"
#include "mgmt/log.h"

void events_file_open(struct events_file *file, const char *path)
{
	*file = (struct events_file){.path = path};
	events_file_reopen(file);
}

void events_file_reopen(struct events_file *file)
{
	int fd = -1;

	events_file_close(file);
	if (file->path[0] == '\0')
		return;
	if (folder_make_parent(file->path, 0750) == OK)
		fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd >= 0)
		file->file = fdopen(fd, "a");
	if (file->file != NULL)
		return;
	log_error("%s: %s; make it writable or change mgmt.events_file, then send SIGHUP",
	          file->path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void failed(struct events_file *file)
{
	if (file->failed_count++ == 0)
		log_error("%s: %s; free space, then send SIGHUP", file->path, strerror(errno));
}

void events_file_write(struct events_file *file, const char *json)
{
	if (file->file == NULL)
		return;
	if (fputs(json, file->file) == EOF || fputc('\n', file->file) == EOF)
		failed(file);
}

void events_file_flush(struct events_file *file)
{
	if (file->file != NULL && fflush(file->file) != 0)
		failed(file);
}

void events_file_close(struct events_file *file)
{
	if (file->file != NULL)
		fclose(file->file);
	file->file = NULL;
}
