/* message_file.c - message files as SMTP content. */
#include "bench/common/message_file.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/common/sha256.h"

#define FILE_BYTES_MAX ((size_t)1 << 30)

static struct bytes without_mbox_line(struct bytes content)
{
	if (content.len < 5 || memcmp(content.data, "From ", 5) != 0)
		return content;
	return bytes_slice(content, bytes_find(content, '\n') + 1, content.len);
}

/* Writes the wire form to `wire`, which holds three times the content and five octets: a stuffed
 * dot or a CR an octet at most, and the end. Hashes the canonical form on its way. */
static size_t make_wire(struct bytes content, uint8_t *wire, struct sha256 *sha)
{
	size_t len = 0, at = 0;

	while (at < content.len) {
		struct bytes line = bytes_slice(content, at, content.len);
		size_t newline = bytes_find(line, '\n');
		at += newline + 1;
		line = bytes_slice(line, 0, newline);
		if (newline > 0 && at <= content.len && line.data[newline - 1] == '\r')
			line.len--;
		if (line.len > 0 && line.data[0] == '.')
			wire[len++] = '.';
		if (line.len > 0)
			memcpy(wire + len, line.data, line.len);
		len += line.len;
		memcpy(wire + len, "\r\n", 2);
		len += 2;
		sha256_add(sha, line);
		sha256_add(sha, BYTES("\r\n"));
	}
	memcpy(wire + len, ".\r\n", 3);
	return len + 3;
}

bool message_files_add(struct message_files *files, const char *name, struct bytes content)
{
	struct message_file file = {0};
	struct sha256 sha;

	if (files->count == files->count_max) {
		size_t count_max = files->count_max * 2 + 64;
		struct message_file *grown = realloc(files->file, count_max * sizeof(*grown));
		if (grown == NULL)
			return false;
		files->file = grown;
		files->count_max = count_max;
	}
	content = without_mbox_line(content);
	file.name = strdup(name);
	file.wire = malloc(content.len * 3 + 5);
	if (file.name == NULL || file.wire == NULL)
		goto fail;
	sha256_init(&sha);
	file.wire_bytes = make_wire(content, file.wire, &sha);
	file.canonical_bytes = (size_t)sha.bytes;
	sha256_end(&sha, file.sha256);
	uint8_t *fitted = realloc(file.wire, file.wire_bytes);
	if (fitted != NULL)
		file.wire = fitted;
	files->file[files->count++] = file;
	return true;
fail:
	free(file.name);
	free(file.wire);
	return false;
}

static bool load_file(struct message_files *files, const char *path, size_t bytes)
{
	FILE *file = fopen(path, "rb");
	uint8_t *content = malloc(bytes + 1);
	bool loaded = false;

	if (file == NULL || content == NULL || bytes > FILE_BYTES_MAX) {
		fprintf(stderr, "%s: %s\n", path,
		        bytes > FILE_BYTES_MAX ? "too big" : strerror(errno));
	} else {
		size_t len = fread(content, 1, bytes, file);
		loaded = ferror(file) == 0 &&
		         message_files_add(files, path, bytes_of(content, len));
		if (!loaded)
			fprintf(stderr, "%s: cannot be read\n", path);
	}
	if (file != NULL)
		fclose(file);
	free(content);
	return loaded;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool load_entry(struct message_files *files, FTS *tree, FTSENT *entry)
{
	bool hidden = entry->fts_level > 0 && entry->fts_name[0] == '.';

	switch (entry->fts_info) {
	case FTS_D:
		if (hidden)
			fts_set(tree, entry, FTS_SKIP);
		return true;
	case FTS_F:
		return hidden ||
		       load_file(files, entry->fts_path, (size_t)entry->fts_statp->st_size);
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
	case FTS_SLNONE:
	case FTS_DC:
		fprintf(stderr, "%s: %s\n", entry->fts_path,
		        entry->fts_info == FTS_DC ? "folder loop" : strerror(entry->fts_errno));
		return false;
	default:
		return true;
	}
}

bool message_files_load(struct message_files *files, const char *path)
{
	char *const paths[] = {(char *)(uintptr_t)path, NULL};
	FTS *tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	bool loaded = tree != NULL;

	if (tree == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	for (FTSENT *entry; loaded && (entry = fts_read(tree)) != NULL;)
		loaded = load_entry(files, tree, entry);
	fts_close(tree);
	return loaded;
}

void message_files_free(struct message_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->file[i].name);
		free(files->file[i].wire);
	}
	free(files->file);
	*files = (struct message_files){0};
}
