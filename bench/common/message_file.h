/* message_file.h - message files as SMTP content.
 *
 * A file may have LF or CRLF line ends and a leading mbox "From " line. Its canonical form has CRLF
 * line ends, none missing at the end, and no "From " line; a CR that no LF follows stays as it is.
 * The wire form is the canonical form with dots stuffed and ".CRLF" behind it.
 */
#ifndef BENCH_COMMON_MESSAGE_FILE_H
#define BENCH_COMMON_MESSAGE_FILE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "bench/common/sha256.h"

struct message_file {
	char *name;
	uint8_t *wire;
	size_t wire_bytes;
	size_t canonical_bytes;
	char sha256[SHA256_HEX_BYTES]; /* of the canonical form */
};

struct message_files {
	struct message_file *file;
	size_t count, count_max;
};

/* Adds a message of `content`. False when there is no memory. */
bool message_files_add(struct message_files *files, const char *name, struct bytes content);
/* Adds a file, or all regular files in a folder and below, sorted by name, hidden ones left out.
 * Says on stderr what cannot be read, and returns false. */
bool message_files_load(struct message_files *files, const char *path);
void message_files_free(struct message_files *files);

#endif
