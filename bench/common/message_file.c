/* message_file.c - message files as SMTP content. */
#include "bench/common/message_file.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX ((size_t)1 << 30)

static struct bytes without_mbox_line(struct bytes content)
{
	if (content.len < 5 || memcmp(content.data, "From ", 5) != 0)
		return content;
	return bytes_slice(content, bytes_find(content, '\n') + 1, content.len);
}

/* Each line with CR LF behind it, into room for twice the content and two octets. */
static size_t make_canonical(struct bytes content, uint8_t *out)
{
	size_t len = 0, at = 0;

	while (at < content.len) {
		struct bytes line = bytes_slice(content, at, content.len);
		size_t newline = bytes_find(line, '\n');
		at += newline + 1;
		line = bytes_slice(line, 0, newline);
		if (newline > 0 && at <= content.len && line.data[newline - 1] == '\r')
			line.len--;
		if (line.len > 0)
			memcpy(out + len, line.data, line.len);
		memcpy(out + len + line.len, "\r\n", 2);
		len += line.len + 2;
	}
	return len;
}

/* RFC 5321 section 4.5.2: dots at the start of a line are doubled, and one alone ends the message;
 * into room for one and a half times the canonical form and three octets. */
static size_t make_wire(struct bytes canonical, uint8_t *out)
{
	size_t len = 0;

	for (size_t at = 0; at < canonical.len;) {
		struct bytes rest = bytes_slice(canonical, at, canonical.len);
		struct bytes line = bytes_slice(rest, 0, bytes_find(rest, '\n') + 1);
		if (line.data[0] == '.')
			out[len++] = '.';
		memcpy(out + len, line.data, line.len);
		len += line.len;
		at += line.len;
	}
	memcpy(out + len, ".\r\n", 3);
	return len + 3;
}

static bool grow(struct message_files *files)
{
	size_t count_max = files->count_max * 2 + 64;
	struct message_file *grown = realloc(files->file, count_max * sizeof(*grown));

	if (grown == NULL)
		return false;
	files->file = grown;
	files->count_max = count_max;
	return true;
}

bool message_files_add(struct message_files *files, const char *name, struct bytes content)
{
	struct message_file file = {0};
	uint8_t *canonical;

	if (files->count == files->count_max && !grow(files))
		return false;
	content = without_mbox_line(content);
	canonical = malloc(content.len * 2 + 2);
	file.name = strdup(name);
	if (canonical == NULL || file.name == NULL)
		goto fail;
	file.canonical_bytes = make_canonical(content, canonical);
	sha256_hex(bytes_of(canonical, file.canonical_bytes), file.sha256);
	file.wire = malloc(file.canonical_bytes + file.canonical_bytes / 2 + 3);
	if (file.wire == NULL)
		goto fail;
	file.wire_bytes = make_wire(bytes_of(canonical, file.canonical_bytes), file.wire);
	free(canonical);
	uint8_t *fitted = realloc(file.wire, file.wire_bytes);
	if (fitted != NULL)
		file.wire = fitted;
	files->file[files->count++] = file;
	return true;
fail:
	free(canonical);
	free(file.name);
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
