/* list_build.c - addresses and networks, from text files or one by one, to a list generation.
 *
 * Entries are kept by family and prefix length as they come; the tables are filled at the end, and
 * it is there that the same prefix given twice is settled: allow beats deny, else the first stays.
 */
#include "classifier/list_build.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/random.h"
#include "classifier/lists_blob.h"

#define REASON_BYTES   512
#define IP4_LENGTHS    33
#define IP6_LENGTHS    129
#define LINE_BYTES_MAX 1024
#define BUILD_TRIES    8
#define PREFETCH_AHEAD 16

/* Entries a bucket is planned for: spilling stays rare. */
#define IP4_PLANNED 6.5
#define IP6_PLANNED 1.7

struct ip4_entry {
	uint32_t key;
	uint16_t value;
};

struct ip6_entry {
	struct ip6_key key;
	uint16_t value;
};

struct entries {
	void *item;
	uint64_t count, room;
};

struct list_builder {
	struct entries ip4[IP4_LENGTHS];
	struct entries ip6[IP6_LENGTHS];
	char *name[LIST_NAMES_MAX];
	uint32_t name_count;
};

struct list_builder *list_builder_new(void)
{
	return calloc(1, sizeof(struct list_builder));
}

void list_builder_free(struct list_builder *builder)
{
	if (builder == NULL)
		return;
	for (int i = 0; i < IP4_LENGTHS; i++)
		free(builder->ip4[i].item);
	for (int i = 0; i < IP6_LENGTHS; i++)
		free(builder->ip6[i].item);
	for (uint32_t i = 0; i < builder->name_count; i++)
		free(builder->name[i]);
	free(builder);
}

static enum err find_list(struct list_builder *b, const char *name, uint32_t *out_list)
{
	for (uint32_t i = 0; i < b->name_count; i++)
		if (strcmp(b->name[i], name) == 0) {
			*out_list = i;
			return OK;
		}
	if (b->name_count == LIST_NAMES_MAX)
		return ERR_FULL;
	b->name[b->name_count] = strdup(name);
	if (b->name[b->name_count] == NULL)
		return ERR_NO_MEMORY;
	*out_list = b->name_count++;
	return OK;
}

static bool make_room(struct entries *entries, size_t item_bytes)
{
	if (entries->count < entries->room)
		return true;

	uint64_t room = entries->room == 0 ? 64 : entries->room * 2;
	void *moved = realloc(entries->item, room * item_bytes);
	if (moved == NULL)
		return false;
	entries->item = moved;
	entries->room = room;
	return true;
}

static enum err add_value(struct list_builder *b, uint16_t value, const struct prefix *prefix)
{
	if (prefix->bits >= 96 && addr_is_ip4(&prefix->addr)) {
		uint8_t bits = (uint8_t)(prefix->bits - 96);
		struct entries *entries = &b->ip4[bits];

		if (!make_room(entries, sizeof(struct ip4_entry)))
			return ERR_NO_MEMORY;
		((struct ip4_entry *)entries->item)[entries->count++] = (struct ip4_entry){
		    addr_ip4(&prefix->addr) & ip4_mask(bits), value};
		return OK;
	}

	struct entries *entries = &b->ip6[prefix->bits];
	if (!make_room(entries, sizeof(struct ip6_entry)))
		return ERR_NO_MEMORY;
	((struct ip6_entry *)entries->item)[entries->count++] = (struct ip6_entry){
	    ip6_masked(prefix->addr.octet, prefix->bits), value};
	return OK;
}

enum err list_builder_add(struct list_builder *builder, const char *list, enum list_action action,
                          const struct prefix *prefix)
{
	uint32_t number;

	ASSERT(action == LIST_ALLOW || action == LIST_DENY);
	if (prefix->bits > 128)
		return ERR_RANGE;

	enum err err = find_list(builder, list, &number);
	return err == OK ? add_value(builder, LIST_VALUE(number, action), prefix) : err;
}

uint64_t list_builder_entry_count(const struct list_builder *builder)
{
	uint64_t count = 0;

	for (int i = 0; i < IP4_LENGTHS; i++)
		count += builder->ip4[i].count;
	for (int i = 0; i < IP6_LENGTHS; i++)
		count += builder->ip6[i].count;
	return count;
}

/* Addresses as one 128-bit number, so that ranges can be counted through. */
__extension__ typedef unsigned __int128 wide;

static wide wide_of(const struct addr *addr)
{
	wide value = 0;

	for (int i = 0; i < 16; i++)
		value = value << 8 | addr->octet[i];
	return value;
}

static struct addr addr_of(wide value)
{
	struct addr addr;

	for (int i = 15; i >= 0; i--, value >>= 8)
		addr.octet[i] = (uint8_t)value;
	return addr;
}

/* Cuts a range into the fewest prefixes: at each step the largest that begins here and does not
 * pass the end. At most 254 steps. */
static enum err add_range(struct list_builder *b, uint16_t value, const struct addr *first,
                          const struct addr *last)
{
	wide from = wide_of(first), to = wide_of(last);

	while (true) {
		uint32_t host_bits = 0;

		while (host_bits < 128) {
			wide more = ((wide)2 << host_bits) - 1;

			if (host_bits == 127)
				more = ~(wide)0;
			if ((from & more) != 0 || to - from < more)
				break;
			host_bits++;
		}

		struct prefix prefix = {addr_of(from), (uint8_t)(128 - host_bits)};
		enum err err = add_value(b, value, &prefix);
		if (err != OK || host_bits == 128)
			return err;
		wide end = from + (((wide)1 << host_bits) - 1);
		if (end >= to)
			return OK;
		from = end + 1;
	}
}

/* "a - b" with or without blanks; an address has no dash. */
static enum err add_line(struct list_builder *b, uint16_t value, struct bytes line)
{
	size_t dash = bytes_find(line, '-');
	struct prefix prefix;
	struct addr first, last;

	if (dash == line.len) {
		if (prefix_parse(line, false, &prefix) != OK)
			return ERR_ADDRESS;
		return add_value(b, value, &prefix);
	}
	if (addr_parse(bytes_trim(bytes_slice(line, 0, dash)), &first) != OK ||
	    addr_parse(bytes_trim(bytes_slice(line, dash + 1, line.len)), &last) != OK ||
	    addr_is_ip4(&first) != addr_is_ip4(&last) || wide_of(&first) > wide_of(&last))
		return ERR_RANGE;
	return add_range(b, value, &first, &last);
}

static struct bytes clean_line(const char *line, size_t len)
{
	struct bytes text = bytes_of(line, len);

	text = bytes_slice(text, 0, bytes_find(text, '#'));
	text = bytes_slice(text, 0, bytes_find(text, ';'));
	while (text.len > 0 && isspace(text.data[text.len - 1]))
		text.len--;
	return bytes_trim(text);
}

/* One line without its end; false at the end of the file. Of a longer line LINE_BYTES_MAX octets.
 * A NUL is an octet like others: it must hide neither what follows it nor how long the line is. */
static bool read_line(FILE *file, char line[LINE_BYTES_MAX], size_t *out_len)
{
	size_t len = 0;
	int octet;

	while ((octet = getc_unlocked(file)) != EOF && octet != '\n')
		if (len < LINE_BYTES_MAX)
			line[len++] = (char)octet;
	*out_len = len;
	return octet != EOF || len > 0;
}

static enum err load_lines(struct list_builder *b, uint16_t value, FILE *file, const char *path,
                           char *reason)
{
	char line[LINE_BYTES_MAX];
	uint64_t number = 0;
	size_t len;

	while (read_line(file, line, &len)) {
		enum err err = OK;

		number++;
		if (len > LINE_BYTES_MAX - 2) {
			snprintf(reason, REASON_BYTES,
			         "%.300s:%llu: the line is longer than %d octets", path,
			         (unsigned long long)number, LINE_BYTES_MAX - 2);
			return ERR_SYNTAX;
		}
		struct bytes text = clean_line(line, len);
		if (text.len > 0)
			err = add_line(b, value, text);
		if (err == ERR_ADDRESS || err == ERR_RANGE) {
			snprintf(reason, REASON_BYTES,
			         "%.300s:%llu: \"%.*s\" is no address, no network without host "
			         "bits and no range",
			         path, (unsigned long long)number,
			         (int)(text.len < 80 ? text.len : 80), (const char *)text.data);
			return ERR_SYNTAX;
		}
		if (err != OK)
			return err;
	}
	if (ferror(file) != 0) {
		snprintf(reason, REASON_BYTES, "%.300s: %s", path, strerror(errno));
		return ERR_IO;
	}
	return OK;
}

struct counts {
	uint64_t ip4[IP4_LENGTHS], ip6[IP6_LENGTHS];
};

static void note_counts(const struct list_builder *b, struct counts *out)
{
	for (int i = 0; i < IP4_LENGTHS; i++)
		out->ip4[i] = b->ip4[i].count;
	for (int i = 0; i < IP6_LENGTHS; i++)
		out->ip6[i] = b->ip6[i].count;
}

static void roll_back(struct list_builder *b, const struct counts *counts)
{
	for (int i = 0; i < IP4_LENGTHS; i++)
		b->ip4[i].count = counts->ip4[i];
	for (int i = 0; i < IP6_LENGTHS; i++)
		b->ip6[i].count = counts->ip6[i];
}

enum err list_builder_load(struct list_builder *builder, const char *list, enum list_action action,
                           const char *path, char *reason)
{
	struct counts before;
	uint32_t number;

	ASSERT(action == LIST_ALLOW || action == LIST_DENY);
	reason[0] = '\0';
	FILE *file = fopen(path, "r");
	if (file == NULL) {
		snprintf(reason, REASON_BYTES, "%.300s: %s", path, strerror(errno));
		return ERR_IO;
	}
	note_counts(builder, &before);

	enum err err = find_list(builder, list, &number);
	if (err == OK)
		err = load_lines(builder, LIST_VALUE(number, action), file, path, reason);
	fclose(file);
	if (err != OK) {
		roll_back(builder, &before);
		if (reason[0] == '\0')
			snprintf(reason, REASON_BYTES, "%.300s: %s", path, err_text(err));
	}
	return err;
}

static bool stronger(uint16_t now, uint16_t new_value)
{
	return (new_value & 3) == LIST_ALLOW && (now & 3) != LIST_ALLOW;
}

/* False when the key would spill too far. `*in_out_count` counts distinct keys. */
static bool put_ip4(struct ip4_bucket *buckets, uint32_t bucket_count, uint64_t salt,
                    const struct ip4_entry *entry, uint64_t *in_out_count)
{
	uint32_t at = lists_bucket(lists_hash_ip4(entry->key, salt), bucket_count);

	for (uint32_t probe = 0; probe < LIST_PROBES_MAX; probe++) {
		struct ip4_bucket *bucket = &buckets[at];

		for (uint32_t i = 0; i < bucket->count; i++)
			if (bucket->key[i] == entry->key) {
				if (stronger(bucket->value[i], entry->value))
					bucket->value[i] = entry->value;
				return true;
			}
		if (bucket->count < IP4_KEYS) {
			bucket->key[bucket->count] = entry->key;
			bucket->value[bucket->count++] = entry->value;
			++*in_out_count;
			return true;
		}
		bucket->spilled = 1;
		at = at + 1 == bucket_count ? 0 : at + 1;
	}
	return false;
}

static bool put_ip6(struct ip6_bucket *buckets, uint32_t bucket_count, uint64_t salt,
                    const struct ip6_entry *entry, uint64_t *in_out_count)
{
	uint32_t at = lists_bucket(lists_hash_ip6(entry->key, salt), bucket_count);

	for (uint32_t probe = 0; probe < LIST_PROBES_MAX; probe++) {
		struct ip6_bucket *bucket = &buckets[at];

		for (uint32_t i = 0; i < bucket->count; i++)
			if (memcmp(&bucket->key[i], &entry->key, sizeof(entry->key)) == 0) {
				if (stronger(bucket->value[i], entry->value))
					bucket->value[i] = entry->value;
				return true;
			}
		if (bucket->count < IP6_KEYS) {
			bucket->key[bucket->count] = entry->key;
			bucket->value[bucket->count++] = entry->value;
			++*in_out_count;
			return true;
		}
		bucket->spilled = 1;
		at = at + 1 == bucket_count ? 0 : at + 1;
	}
	return false;
}

static uint32_t planned_buckets(uint64_t count, double a_bucket, double growth)
{
	return (uint32_t)((double)count / a_bucket * growth) + 1;
}

/* Describes a table for every length present: longest first, IPv4 before IPv6. */
static uint64_t plan_tables(const struct list_builder *b, double growth, struct lists_table *table,
                            uint32_t *out_count)
{
	uint64_t buckets = 0;
	uint32_t count = 0;

	for (int ip6 = 0; ip6 <= 1; ip6++)
		for (int bits = ip6 ? 128 : 32; bits >= 0; bits--) {
			uint64_t entries = ip6 ? b->ip6[bits].count : b->ip4[bits].count;

			if (entries == 0)
				continue;
			table[count] = (struct lists_table){
			    .ip6 = (uint8_t)ip6,
			    .bits = (uint8_t)bits,
			    .bucket_count = planned_buckets(
			        entries, ip6 ? IP6_PLANNED : IP4_PLANNED, growth),
			    .bucket_start = buckets};
			buckets += table[count++].bucket_count;
		}
	*out_count = count;
	return buckets;
}

/* The bucket of an entry some places ahead: filling is bound by memory otherwise. */
static void prefetch(const struct lists_table *t, const struct entries *entries, uint64_t ahead,
                     const void *buckets, uint64_t salt)
{
	uint32_t hash;

	if (ahead >= entries->count)
		return;
	if (t->ip6)
		hash = lists_hash_ip6(((const struct ip6_entry *)entries->item)[ahead].key, salt);
	else
		hash = lists_hash_ip4(((const struct ip4_entry *)entries->item)[ahead].key, salt);
	__builtin_prefetch((const uint8_t *)buckets +
	                   (t->bucket_start + lists_bucket(hash, t->bucket_count)) * 64);
}

static bool fill_tables(const struct list_builder *b, const struct lists_table *table,
                        uint32_t table_count, void *buckets, struct lists_head *head)
{
	head->entry_count = 0;
	for (uint32_t i = 0; i < table_count; i++) {
		const struct lists_table *t = &table[i];
		const struct entries *entries = t->ip6 ? &b->ip6[t->bits] : &b->ip4[t->bits];

		for (uint64_t k = 0; k < entries->count; k++) {
			prefetch(t, entries, k + PREFETCH_AHEAD, buckets, head->salt);
			bool put = t->ip6 ? put_ip6((struct ip6_bucket *)buckets + t->bucket_start,
			                            t->bucket_count, head->salt,
			                            (const struct ip6_entry *)entries->item + k,
			                            &head->entry_count)
			                  : put_ip4((struct ip4_bucket *)buckets + t->bucket_start,
			                            t->bucket_count, head->salt,
			                            (const struct ip4_entry *)entries->item + k,
			                            &head->entry_count);
			if (!put)
				return false;
		}
	}
	return true;
}

static enum err put_names(const struct list_builder *b, struct generation_builder *builder)
{
	uint32_t *offset;
	char *texts;
	size_t bytes = 1, at = 1;

	for (uint32_t i = 0; i < b->name_count; i++)
		bytes += strlen(b->name[i]) + 1;

	enum err err = generation_reserve(builder, LISTS_TEXTS, bytes, (void **)&texts);
	if (err == OK && b->name_count > 0)
		err = generation_reserve(builder, LISTS_NAMES, b->name_count * sizeof(*offset),
		                         (void **)&offset);
	if (err != OK)
		return err;
	for (uint32_t i = 0; i < b->name_count; i++) {
		size_t len = strlen(b->name[i]) + 1;

		offset[i] = (uint32_t)at;
		memcpy(texts + at, b->name[i], len);
		at += len;
	}
	return OK;
}

/* One try; ERR_RANGE when a key spilled too far and more room is needed. */
static enum err build(const struct list_builder *b, double growth,
                      struct generation_builder *builder)
{
	struct lists_table table[LIST_TABLES_MAX];
	uint32_t table_count;
	uint64_t bucket_count = plan_tables(b, growth, table, &table_count);
	size_t names_bytes = (size_t)b->name_count * (sizeof(uint32_t) + 256) + 4096;
	struct lists_head head = {.version = LISTS_BLOB_VERSION, .table_count = table_count};
	void *buckets = NULL;

	for (uint32_t i = 0; i < b->name_count; i++)
		names_bytes += strlen(b->name[i]);
	enum err err = generation_begin(builder, bucket_count * 64 + names_bytes + 65536);
	if (err != OK)
		return err;
	random_os(&head.salt, sizeof(head.salt));
	err = put_names(b, builder);
	if (err == OK && table_count > 0)
		err = generation_add(builder, LISTS_TABLES,
		                     bytes_of(table, table_count * sizeof(*table)));
	if (err == OK && bucket_count > 0)
		err = generation_reserve(builder, LISTS_BUCKETS, bucket_count * 64, &buckets);
	if (err == OK && !fill_tables(b, table, table_count, buckets, &head))
		err = ERR_RANGE;
	if (err == OK)
		err = generation_add(builder, LISTS_HEAD, bytes_of(&head, sizeof(head)));
	if (err != OK)
		generation_abandon(builder);
	return err;
}

enum err list_builder_finish(struct list_builder *builder, enum generation_kind kind,
                             uint64_t number, uint64_t made_wall_us, const char *label, int *out_fd)
{
	struct generation_builder blob;
	double growth = 1;
	enum err err = ERR_RANGE;

	ASSERT(kind == GENERATION_LISTS || kind == GENERATION_DELTA);
	for (int i = 0; i < BUILD_TRIES && err == ERR_RANGE; i++, growth *= 1.5)
		err = build(builder, growth, &blob);
	if (err != OK)
		return err;
	return generation_seal(&blob, kind, number, made_wall_us, label, out_fd);
}
