/* texts_dump.c - writes the prepared texts of message files, for comparison with SpamAssassin's.
 *
 * After the texts of a message come its facts, one a line.
 *
 * Usage: texts_dump SELECTORS FILE... ; SELECTORS is a file of header selectors, one a line. Each
 * record on standard output is message number, type, key length and data length (pack 'VCCV'), then
 * key and data. With
 * "-t COUNT" in front it writes nothing and reports the time a message takes, COUNT rounds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/facts.h"
#include "smtp/normalise.h"

#define MESSAGE_BYTES_MAX ((size_t)1 << 20)
#define SELECTORS_MAX     4096

static struct selector selectors[SELECTORS_MAX];
static char *selector_text[SELECTORS_MAX];
static uint32_t selector_count;

static void selectors_read(const char *path)
{
	char line[256];
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	while (selector_count < SELECTORS_MAX && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (!selector_parse(bytes_text(line), &selectors[selector_count])) {
			fprintf(stderr, "unsupported selector: %s\n", line);
			continue;
		}
		selector_text[selector_count++] = strdup(line);
	}
	fclose(file);
}

static void record(uint32_t number, int type, const char *key, struct bytes data)
{
	uint8_t head[10];
	uint32_t len = (uint32_t)data.len;
	uint8_t key_len = (uint8_t)strlen(key);

	memcpy(head, &number, 4);
	head[4] = (uint8_t)type;
	head[5] = key_len;
	memcpy(head + 6, &len, 4);
	fwrite(head, 1, sizeof(head), stdout);
	fwrite(key, 1, key_len, stdout);
	if (data.len > 0)
		fwrite(data.data, 1, data.len, stdout);
}

/* Facts as dump_texts.pl writes them, one a line. */
static void put_ratio(FILE *out, const char *name, uint64_t part, uint64_t whole, bool exists)
{
	if (!exists || whole == 0)
		fprintf(out, "%s -\n", name);
	else
		fprintf(out, "%s %.6g\n", name, (double)part / (double)whole);
}

static int by_name(const void *one, const void *other)
{
	const struct fact_tag *a = one, *b = other;
	size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
	int order = memcmp(a->name.data, b->name.data, len);

	return order != 0 ? order : (int)a->name.len - (int)b->name.len;
}

static void put_texts(FILE *out, unsigned n, const char *name, const struct bytes *text,
                      uint32_t count)
{
	fprintf(out, "html%u.%s ", n, name);
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			fputc(0x1f, out);
		if (text[i].len > 0)
			fwrite(text[i].data, 1, text[i].len, out);
	}
	fputc('\n', out);
}

static void put_html(FILE *out, unsigned n, const struct fact_html *html)
{
	static struct fact_tag tag[FACT_TAGS_MAX];
	static struct bytes anchor[FACT_HTML_TEXTS_MAX];
	char name[64];
	uint32_t bad = html->tag_count - html->element_count;

	fprintf(out, "html%u.length %u\nhtml%u.html_length %u\n", n, html->length, n,
	        html->html_length);
	fprintf(out, "html%u.non_space_len %u\nhtml%u.image_area %.6g\n", n, html->non_space_len, n,
	        (double)html->image_area);
	fprintf(out, "html%u.min_size %u\nhtml%u.max_size %u\n", n, html->min_size, n,
	        html->max_size);
	snprintf(name, sizeof(name), "html%u.bad_tag_ratio", n);
	put_ratio(out, name, bad, html->tag_count, html->element_count > 0);
	snprintf(name, sizeof(name), "html%u.non_element_ratio", n);
	put_ratio(out, name, html->tags_seen - html->elements_seen, html->tags_seen,
	          html->elements_seen > 0);
	snprintf(name, sizeof(name), "html%u.closed_extra_ratio", n);
	put_ratio(out, name, html->closed_extra, html->tag_count, true);
	snprintf(name, sizeof(name), "html%u.obfuscation_ratio", n);
	put_ratio(out, name, html->obfuscation, html->tag_count, html->obfuscation > 0);
	snprintf(name, sizeof(name), "html%u.backhair_count", n);
	put_ratio(out, name, html->backhair_count, 1, html->backhair_count > 0);
	fprintf(out, "html%u.embeds %d\nhtml%u.form_action_mailto %d\nhtml%u.font_face_bad %d\n", n,
	        html->embeds, n, html->form_action_mailto, n, html->font_face_bad);
	fprintf(out, "html%u.font_low_contrast %d\nhtml%u.font_invalid_color %d\n", n,
	        html->font_low_contrast, n, html->font_invalid_color);
	memcpy(tag, html->tag, sizeof(tag));
	qsort(tag, html->tags, sizeof(tag[0]), by_name);
	fprintf(out, "html%u.inside ", n);
	for (uint32_t i = 0; i < html->tags; i++)
		fprintf(out, "%s%.*s=%u", i == 0 ? "" : " ", (int)tag[i].name.len,
		        (const char *)tag[i].name.data, tag[i].open_count);
	fputc('\n', out);
	put_texts(out, n, "comment", html->comment, html->comment_count);
	put_texts(out, n, "title", html->title, html->title_count);
	for (uint32_t i = 0; i < html->anchor_count; i++)
		anchor[i] = html->anchor[i].text;
	put_texts(out, n, "anchor", anchor, html->anchor_count);
	fprintf(out, "html%u.iframe %d\n", n, html->iframe_uri);
}

static void put_mime(FILE *out, const struct facts *facts)
{
	const struct fact_mime *mime = &facts->mime;
	uint32_t qp = mime->qp_bytes > 0 ? mime->qp_escaped_count : mime->quoted_printable_count;
	uint32_t longest = 0;
	bool both = mime->multipart_alternative && mime->has_last_text && mime->has_last_html &&
	            mime->last_html_bytes > 0;

	fprintf(out, "mime_base64_count %u\n", mime->base64_count);
	if (mime->attachment_count > 0)
		fprintf(out, "mime_attachment %u\n", mime->attachment_count);
	else
		fprintf(out, "mime_attachment -\n");
	fprintf(out, "mime_base64_encoded_text %d\nmime_body_html_count %u\n",
	        mime->base64_encoded_text, mime->html_count);
	fprintf(out, "mime_body_text_count %u\nmime_multipart_alternative %d\n", mime->text_count,
	        mime->multipart_alternative);
	put_ratio(out, "mime_multipart_ratio", both ? mime->last_text_bytes : 1,
	          both ? mime->last_html_bytes : 1, true);
	fprintf(out, "mime_qp_count %u\n", qp);
	put_ratio(out, "mime_qp_ratio", mime->qp_escaped_count,
	          mime->qp_bytes > 0 ? mime->qp_bytes : 1, true);
	fprintf(out, "mime_qp_long_line %d\nmime_ascii_text_illegal %u\n", mime->qp_long_line,
	        mime->ascii_illegal_count);
	put_ratio(out, "mime_text_unicode_ratio", mime->unicode_escapes,
	          mime->plain_bytes > 0 ? mime->plain_bytes : 1, true);
	fprintf(out, "mime_bad_iso_charset %s\n", mime->bad_iso_charset ? "1" : "-");
	for (uint32_t i = 0; i < facts->part_count; i++) {
		const struct fact_part *part = &facts->part[i];

		if (part->is_base64 && part->type.len > 0 && part->line_bytes_max > longest &&
		    !bytes_equal(part->declared_type, BYTES("application/ics")))
			longest = part->line_bytes_max;
	}
	fprintf(out, "base64_length %u\n", longest);
}

static void put_flags(FILE *out, const struct facts *facts)
{
	const struct fact_flags *flags = &facts->flags;
	uint32_t count[4] = {0};
	double pixels[4] = {0};

	fprintf(out, "flag.truncated_header %d\nflag.missing_head_body_separator %d\n",
	        flags->truncated_header, flags->missing_head_body_separator);
	fprintf(out, "flag.missing_mime_head_body_separator %d\nflag.missing_mime_headers %d\n",
	        flags->missing_mime_head_body_separator, flags->missing_mime_headers);
	fprintf(out, "flag.mime_epilogue_exists %d\n", flags->mime_epilogue_exists);
	for (uint32_t i = 0; i < facts->part_count; i++) {
		const struct fact_part *part = &facts->part[i];

		count[part->image]++;
		pixels[part->image] += (double)part->image_width * part->image_height;
	}
	fprintf(out, "image.count_gif %u\nimage.count_png %u\nimage.count_jpeg %u\n",
	        count[FACT_IMAGE_GIF], count[FACT_IMAGE_PNG], count[FACT_IMAGE_JPEG]);
	fprintf(out, "image.pc_gif %.6g\nimage.pc_png %.6g\nimage.pc_jpeg %.6g\n",
	        pixels[FACT_IMAGE_GIF], pixels[FACT_IMAGE_PNG], pixels[FACT_IMAGE_JPEG]);
}

/* The last field of a part by this name, decoded and raw. */
static void put_field(FILE *out, const struct facts *facts, const struct fact_part *part,
                      const char *name)
{
	uint32_t index = facts_last_field(facts, part, bytes_text(name));

	if (index == FACT_NONE) {
		fprintf(out, "field %s: (none)\n\nraw %s: \n", name, name);
		return;
	}
	struct bytes value = facts->field[index].value, raw = facts->field[index].raw;
	fprintf(out, "field %s: %.*s\n\n", name, (int)value.len, (const char *)value.data);
	fprintf(out, "raw %s: %.*s\n", name, (int)raw.len, (const char *)raw.data);
}

static uint32_t characters(struct bytes text)
{
	uint32_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += (text.data[i] & 0xC0) != 0x80;
	return count;
}

static void put_parts(FILE *out, const struct facts *facts)
{
	static const char *const names[] = {"Content-Type", "Content-Disposition",
	                                    "Content-Transfer-Encoding", "Content-ID"};

	for (uint32_t i = 0; i < facts->part_count; i++) {
		const struct fact_part *part = &facts->part[i];
		bool text = part->is_leaf &&
		            (part->is_html || bytes_equal(part->type, BYTES("text/plain")));

		if (part->type.len == 0)
			continue;
		fprintf(out, "part %.*s %d ", (int)part->type.len, (const char *)part->type.data,
		        part->is_leaf);
		if (text)
			fprintf(out, "%s %u", part->html != FACT_NONE ? "text/html" : "text/plain",
			        characters(part->rendered));
		else
			fprintf(out, "- -");
		fprintf(out, " %.*s\n", (int)part->name.len, (const char *)part->name.data);
		for (unsigned k = 0; k < 4; k++)
			put_field(out, facts, part, names[k]);
	}
}

static void dump_facts(uint32_t number, const struct facts *facts)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		exit(1);
	for (uint32_t i = 0; i < facts->html_count; i++)
		put_html(out, i, &facts->html[i]);
	put_mime(out, facts);
	put_flags(out, facts);
	fprintf(out, "date_diff %.6g\n", (double)facts->date_diff_s);
	if (facts->has_date)
		fprintf(out, "date %lld\n", (long long)facts->date_s);
	else
		fprintf(out, "date -\n");
	fprintf(out, "num_relays_trusted %u\nnum_relays_untrusted %u\nnum_relays_unparseable %u\n",
	        facts->relays_trusted, facts->relays_untrusted, facts->relays_unparseable);
	fprintf(out, "body_length %.6g\n", (double)facts->body_bytes);
	put_parts(out, facts);
	fclose(out);
	record(number, TEXT_KIND_COUNT, "facts", bytes_of(text, len));
	free(text);
}

static void dump(uint32_t number, const struct normalised *normalised)
{
	static const char *const keys[] = {"body", "rawbody", "uri", "full"};

	for (int kind = 0; kind < TEXT_KIND_COUNT; kind++) {
		const struct text *text = &normalised->texts.kind[kind];

		for (uint32_t i = 0; i < text->segment_count; i++) {
			if (text->segments[i].start == SEGMENT_ABSENT)
				continue;
			record(number, kind, kind == TEXT_HEADER ? selector_text[i] : keys[kind],
			       text_segment(text, i));
		}
	}
	dump_facts(number, normalised->texts.facts);
}

/* The content in a block of its exact size, so that reads past the end show under a sanitizer. */
static struct bytes file_read(const char *path)
{
	static uint8_t content[MESSAGE_BYTES_MAX + 4096];
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		return bytes_of(NULL, 0);
	size_t len = fread(content, 1, sizeof(content), file);
	fclose(file);
	uint8_t *exact = malloc(len > 0 ? len : 1);
	if (exact == NULL)
		exit(1);
	memcpy(exact, content, len);
	return bytes_of(exact, len);
}

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
	struct arena arena;
	struct mime_counters counters = {0};
	struct message_facts facts = {.in_session = false};
	struct normalised normalised;
	int first = 1, rounds = 0;
	double total_us = 0;

	if (argc > 3 && strcmp(argv[1], "-t") == 0) {
		rounds = atoi(argv[2]);
		first = 3;
	}
	if (first + 1 >= argc) {
		fprintf(stderr, "usage: texts_dump [-t ROUNDS] SELECTORS FILE...\n");
		return 2;
	}
	selectors_read(argv[first]);
	if (arena_init(&arena, normaliser_bytes(MESSAGE_BYTES_MAX) + 4096, false) != OK)
		return 1;
	struct normaliser *normaliser = normaliser_new(&arena, MESSAGE_BYTES_MAX, &counters);
	if (normaliser == NULL) {
		fprintf(stderr, "the arena is too small\n");
		return 1;
	}
	arena_seal(&arena);
	for (int i = first + 1; i < argc; i++) {
		struct bytes message = file_read(argv[i]);
		double start = now_us();

		for (int round = 0; round < (rounds > 0 ? rounds : 1); round++)
			normalise(normaliser, message, &facts, selectors, selector_count,
			          &normalised);
		total_us += now_us() - start;
		if (rounds == 0)
			dump((uint32_t)(i - first - 1), &normalised);
		free((void *)(uintptr_t)message.data);
	}
	if (rounds > 0)
		printf("%.1f us a message, %.0f octets on average, %llu messages, %.1f MB/s\n",
		       total_us / (double)counters.messages,
		       (double)counters.octets / (double)counters.messages,
		       (unsigned long long)counters.messages, (double)counters.octets / total_us);
	normaliser_close(normaliser);
	arena_free(&arena);
	for (uint32_t i = 0; i < selector_count; i++)
		free(selector_text[i]);
	return 0;
}
