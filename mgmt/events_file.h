/* events_file.h - events appended to a file as JSON lines. */
#ifndef MGMT_EVENTS_FILE_H
#define MGMT_EVENTS_FILE_H

#include <stdint.h>
#include <stdio.h>

struct events_file {
	const char *path; /* kept; "": none */
	FILE *file;
	uint64_t failed_count;
};

/* Opens for appending (mode 0640); a failure is logged and tried again at the next reopen. */
void events_file_open(struct events_file *file, const char *path);
/* After the file was moved away by whoever rotates logs. */
void events_file_reopen(struct events_file *file);
void events_file_write(struct events_file *file, const char *json);
void events_file_flush(struct events_file *file);
void events_file_close(struct events_file *file);

#endif
