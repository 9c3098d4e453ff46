/* rule_read.c - files and lines of SpamAssassin's rule language: comments, `lang`, conditionals,
 * includes.
 *
 * What a line that is in force means is rule_define.c's business.
 */
#include "classifier/rule_read.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/check.h"
#include "classifier/rule_define.h"

#define SPAMASSASSIN_VERSION "4.000001"
#define IF_DEPTH_MAX         64
#define INCLUDE_DEPTH_MAX    8
#define FOLDER_FILES_MAX     4096
#define FILE_BYTES_MAX       ((size_t)256 << 20)

struct file_state {
	bool skip_before[IF_DEPTH_MAX]; /* what `skip` was when the `if` was met */
	uint32_t if_line[IF_DEPTH_MAX];
	uint32_t depth;
	bool skip;
};

struct pending_file {
	char *name;
	struct bytes rest;
	uint32_t line;
	struct file_state state;
};

void rule_reader_init(struct rule_reader *reader, uint32_t score_column)
{
	memset(reader, 0, sizeof(*reader));
	reader->score_column = score_column;
	reader->replace_start = rule_pool_text(&reader->pool, "<");
	reader->replace_end = rule_pool_text(&reader->pool, ">");
	rule_condition_plugins(reader);
	rule_directive_init(reader);
}

void rule_reader_free(struct rule_reader *reader)
{
	rule_pool_free(&reader->pool);
}

enum text_kind rule_text_kind(enum rule_type type)
{
	switch (type) {
	case RULE_BODY:
		return TEXT_BODY;
	case RULE_RAWBODY:
		return TEXT_RAWBODY;
	case RULE_URI:
		return TEXT_URI;
	case RULE_FULL:
		return TEXT_FULL;
	default:
		return TEXT_HEADER;
	}
}

static uint32_t name_bucket(struct bytes name)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ name.data[i]) * 16777619u;
	return hash % RULE_BUCKETS;
}

struct rule_text *rule_reader_find(const struct rule_reader *reader, struct bytes name)
{
	uint32_t index = reader->bucket[name_bucket(name)];

	while (index != 0) {
		struct rule_text *rule = &reader->rule[index - 1];

		if (bytes_equal(bytes_text(rule->name), name))
			return rule;
		index = rule->next_in_bucket;
	}
	return NULL;
}

struct rule_text *rule_reader_need(struct rule_reader *reader, struct bytes name)
{
	struct rule_text *rule = rule_reader_find(reader, name);

	if (rule != NULL)
		return rule;
	reader->rule = rule_pool_grow(&reader->pool, reader->rule, reader->rule_count,
	                              &reader->rule_room, sizeof(*rule));
	rule = &reader->rule[reader->rule_count++];
	memset(rule, 0, sizeof(*rule));
	rule->name = rule_pool_copy(&reader->pool, name);
	rule->next_in_bucket = reader->bucket[name_bucket(name)];
	reader->bucket[name_bucket(name)] = reader->rule_count;
	rule->file = reader->file;
	rule->line = reader->line;
	return rule;
}

void rule_reader_report(struct rule_reader *reader, bool fault, const char *construct,
                        const char *rule, const char *text)
{
	for (uint32_t i = 0; !fault && i < reader->report_count; i++)
		if (!reader->report[i].fault &&
		    strcmp(reader->report[i].construct, construct) == 0) {
			reader->report[i].count++;
			return;
		}
	reader->report = rule_pool_grow(&reader->pool, reader->report, reader->report_count,
	                                &reader->report_room, sizeof(*reader->report));
	reader->report[reader->report_count++] = (struct rule_report){
	    .file = reader->file != NULL ? reader->file : "",
	    .line = reader->line,
	    .count = 1,
	    .fault = fault,
	    .construct = rule_pool_text(&reader->pool, construct),
	    .rule = rule_pool_text(&reader->pool, rule),
	    .text = rule_pool_text(&reader->pool, text),
	};
}

void rule_reader_refuse(struct rule_reader *reader, const char *construct, const char *text)
{
	rule_reader_report(reader, true, construct, "", text);
	reader->report[reader->report_count - 1].refuses = true;
}

struct bytes rule_word(struct bytes *text)
{
	size_t from = 0, to;

	while (from < text->len && (text->data[from] == ' ' || text->data[from] == '\t'))
		from++;
	for (to = from; to < text->len && text->data[to] != ' ' && text->data[to] != '\t'; to++)
		;

	struct bytes word = bytes_slice(*text, from, to - from);
	while (to < text->len && (text->data[to] == ' ' || text->data[to] == '\t'))
		to++;
	*text = bytes_slice(*text, to, text->len - to);
	return word;
}

const char *named_texts_find(const struct named_texts *texts, struct bytes name)
{
	for (uint32_t i = 0; i < texts->count; i++)
		if (bytes_equal(bytes_text(texts->item[i].name), name))
			return texts->item[i].text;
	return NULL;
}

void named_texts_set(struct rule_pool *pool, struct named_texts *texts, struct bytes name,
                     struct bytes text)
{
	for (uint32_t i = 0; i < texts->count; i++)
		if (bytes_equal(bytes_text(texts->item[i].name), name)) {
			texts->item[i].text = rule_pool_copy(pool, text);
			return;
		}
	texts->item = rule_pool_grow(pool, texts->item, texts->count, &texts->room,
	                             sizeof(*texts->item));
	texts->item[texts->count].name = rule_pool_copy(pool, name);
	texts->item[texts->count++].text = rule_pool_copy(pool, text);
}

/* Takes the comment off, makes `\#` a `#`, trims; the result is pool memory. */
static struct bytes clean_line(struct rule_reader *reader, struct bytes line)
{
	char *out = rule_pool_take(&reader->pool, line.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] == '#') {
			if (len == 0 || out[len - 1] != '\\')
				break;
			len--;
		}
		out[len++] = (char)line.data[i];
	}

	size_t from = 0;
	while (len > 0 && strchr(" \t\r\f\v", out[len - 1]) != NULL)
		len--;
	while (from < len && strchr(" \t\r\f\v", out[from]) != NULL)
		from++;
	out[len] = '\0';
	return bytes_of(out + from, len - from);
}

/* `lang xx` keeps the line for that language only; ours is English. */
static bool other_language(struct bytes *line)
{
	struct bytes rest = *line;
	struct bytes word = rule_word(&rest);

	if (!bytes_equal(word, BYTES("lang")))
		return false;
	word = rule_word(&rest);
	if (rest.len == 0 || word.len == 0)
		return false;
	*line = rest;
	return !bytes_starts_nocase(BYTES("en_US"), word);
}

static void begin_if(struct rule_reader *reader, struct file_state *state, struct bytes condition)
{
	bool holds = false;

	if (state->depth == IF_DEPTH_MAX) {
		rule_reader_refuse(reader, "if", "conditions are nested too deeply; flatten them");
		return;
	}
	if (rule_condition(reader, condition, &holds) != OK)
		rule_reader_refuse(
		    reader, "if",
		    "the condition cannot be read; its block is left out. Use plugin(), can(), "
		    "has(), version, numbers, ! && || and parentheses");
	state->skip_before[state->depth] = state->skip;
	state->if_line[state->depth++] = reader->line;
	if (!holds)
		state->skip = true;
}

/* True when `key` is a conditional; then it has been obeyed. */
static bool conditional_line(struct rule_reader *reader, struct file_state *state, struct bytes key,
                             struct bytes value)
{
	if (bytes_equal(key, BYTES("ifplugin"))) {
		struct bytes name = rule_word(&value);

		begin_if(reader, state,
		         bytes_text(rule_pool_printf(&reader->pool, "plugin(%.*s)", (int)name.len,
		                                     name.data)));
	} else if (bytes_equal(key, BYTES("if"))) {
		begin_if(reader, state, value);
	} else if (bytes_equal(key, BYTES("else"))) {
		if (state->depth == 0) {
			rule_reader_refuse(
			    reader, "else",
			    "there is no `if` before it; take it away or add the `if`");
			return true;
		}
		/* Blocked further out: an outer block that is skipped stays so. */
		state->skip = state->skip_before[state->depth - 1] || !state->skip;
	} else if (bytes_equal(key, BYTES("endif"))) {
		if (state->depth == 0)
			rule_reader_refuse(
			    reader, "endif",
			    "there is no `if` before it; take it away or add the `if`");
		else
			state->skip = state->skip_before[--state->depth];
	} else {
		return false;
	}
	return true;
}

static void read_line(struct rule_reader *reader, struct file_state *state, struct bytes line,
                      struct bytes *out_include)
{
	line = clean_line(reader, line);
	if (line.len == 0 || other_language(&line))
		return;

	struct bytes value = line;
	struct bytes word = rule_word(&value);
	char *key = rule_pool_copy(&reader->pool, word);
	for (char *c = key; *c != '\0'; c++)
		*c = *c == '-' ? '_' : (*c >= 'A' && *c <= 'Z') ? (char)(*c + 32) : *c;

	if (conditional_line(reader, state, bytes_text(key), value) || state->skip)
		return;
	if (strcmp(key, "include") == 0) {
		*out_include = value;
	} else if (strcmp(key, "require_version") == 0) {
		if (!bytes_equal(value, BYTES("@@VERSION@@")) &&
		    !bytes_equal(value, BYTES(SPAMASSASSIN_VERSION))) {
			rule_reader_report(reader, false, "require_version", "",
			                   "asks for another version than " SPAMASSASSIN_VERSION
			                   "; the rest of the file is left out");
			state->skip = true;
		}
	} else {
		rule_define(reader, key, value);
	}
}

static void end_of_file(struct rule_reader *reader, const struct file_state *state)
{
	for (uint32_t i = 0; i < state->depth; i++) {
		reader->line = state->if_line[i];
		rule_reader_refuse(reader, "if", "it has no `endif`; add one");
	}
}

static enum err read_whole(struct rule_reader *reader, const char *path, struct bytes *out_text)
{
	FILE *file = fopen(path, "rb");
	struct stat info;

	if (file == NULL)
		return ERR_IO;
	if (fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode) ||
	    (uint64_t)info.st_size > FILE_BYTES_MAX) {
		fclose(file);
		return ERR_IO;
	}

	char *text = rule_pool_take(&reader->pool, (size_t)info.st_size + 1);
	size_t bytes = fread(text, 1, (size_t)info.st_size, file);
	bool failed = ferror(file) != 0;
	fclose(file);
	*out_text = bytes_of(text, bytes);
	return failed ? ERR_IO : OK;
}

/* `value` relative to the folder of the file that includes it. */
static char *include_path(struct rule_reader *reader, struct bytes value)
{
	const char *slash = strrchr(reader->file, '/');

	if (slash == NULL || (value.len > 0 && value.data[0] == '/'))
		return rule_pool_copy(&reader->pool, value);
	return rule_pool_printf(&reader->pool, "%.*s/%.*s", (int)(slash - reader->file),
	                        reader->file, (int)value.len, value.data);
}

static bool push_include(struct rule_reader *reader, struct pending_file *stack, uint32_t depth,
                         struct bytes value)
{
	char *path = include_path(reader, value);
	struct bytes text;

	if (depth == INCLUDE_DEPTH_MAX) {
		rule_reader_refuse(reader, "include",
		                   "files include each other too deeply; is there a circle?");
		return false;
	}
	if (read_whole(reader, path, &text) != OK) {
		rule_reader_refuse(reader, "include",
		                   rule_pool_printf(&reader->pool, "cannot read %s", path));
		return false;
	}
	reader->file_count++;
	rule_reader_sum(reader, bytes_text(path));
	rule_reader_sum(reader, text);
	stack[depth] = (struct pending_file){.name = path, .rest = text};
	return true;
}

void rule_reader_sum(struct rule_reader *reader, struct bytes text)
{
	static const struct hash_key key = {{0x72756c6566696c65ull, 0x7265616465727375ull}};
	struct {
		struct hash128 before, text;
		uint64_t bytes;
	} pair = {reader->sum, hash128(&key, text.data, text.len), text.len};

	reader->sum = hash128(&key, &pair, sizeof(pair));
}

void rule_reader_text(struct rule_reader *reader, const char *name, struct bytes text)
{
	struct pending_file stack[INCLUDE_DEPTH_MAX];
	uint32_t depth = 1;

	reader->file_count++;
	rule_reader_sum(reader, bytes_text(name));
	rule_reader_sum(reader, text);
	stack[0] = (struct pending_file){.name = rule_pool_text(&reader->pool, name), .rest = text};
	while (depth > 0) {
		struct pending_file *top = &stack[depth - 1];
		struct bytes include = {NULL, 0};

		reader->file = top->name;
		reader->line = top->line;
		if (top->rest.len == 0) {
			end_of_file(reader, &top->state);
			depth--;
			continue;
		}
		size_t end = bytes_find(top->rest, '\n');
		struct bytes line = bytes_slice(top->rest, 0, end);
		top->rest = bytes_slice(top->rest, end + 1, top->rest.len);
		reader->line = ++top->line;
		read_line(reader, &top->state, line, &include);
		if (include.len > 0 && push_include(reader, stack, depth, include))
			depth++;
	}
}

static enum err load_file(struct rule_reader *reader, const char *path)
{
	struct bytes text;

	if (read_whole(reader, path, &text) != OK) {
		reader->file = rule_pool_text(&reader->pool, path);
		reader->line = 0;
		rule_reader_refuse(
		    reader, "file",
		    rule_pool_printf(&reader->pool, "cannot be read: %s", strerror(errno)));
		return ERR_IO;
	}
	rule_reader_text(reader, path, text);
	return OK;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_ending(const char *name, const char *ending)
{
	size_t len = strlen(name), ending_len = strlen(ending);

	return name[0] != '.' && len > ending_len && strcmp(name + len - ending_len, ending) == 0;
}

static enum err load_ending(struct rule_reader *reader, const char *path, const char *ending)
{
	DIR *folder = opendir(path);
	char **names = rule_pool_take(&reader->pool, FOLDER_FILES_MAX * sizeof(*names));
	size_t count = 0;
	struct dirent *entry;
	enum err err = OK;

	if (folder == NULL)
		return ERR_IO;
	while ((entry = readdir(folder)) != NULL && count < FOLDER_FILES_MAX)
		if (has_ending(entry->d_name, ending))
			names[count++] = rule_pool_text(&reader->pool, entry->d_name);
	closedir(folder);
	qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 0; i < count && err == OK; i++)
		err = load_file(reader, rule_pool_printf(&reader->pool, "%s/%s", path, names[i]));
	return err;
}

enum err rule_reader_load(struct rule_reader *reader, const char *path)
{
	struct stat info;

	if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
		return load_file(reader, path);

	enum err err = load_ending(reader, path, ".pre");
	return err == OK ? load_ending(reader, path, ".cf") : err;
}
