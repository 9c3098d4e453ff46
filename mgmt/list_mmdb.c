/* list_mmdb.c - walks the tree of a MaxMind database (MaxMind DB file format, version 2.0).
 *
 * The tree decides an address bit by bit; a record is another node, a leaf or nothing. Leaves of
 * one node that are both wanted become one network, and so on upwards. In a tree of IPv6 the whole
 * of IPv4 lies below ::/96, and other places may lead to the same node: it is walked once. A
 * damaged tree may lead in circles or be endless, so depth and steps are bounded.
 */
#include "mgmt/list_mmdb.h"

#include <stdio.h>
#include <string.h>

#include <maxminddb.h>

#include "base/bytes.h"

#define STEPS_MAX   200000000u /* nodes walked: an order of magnitude above the largest there is */
#define VALUE_BYTES 32

enum inside { INSIDE_NO, INSIDE_ALL, INSIDE_SOME };

struct walk {
	MMDB_s mmdb;
	struct list_builder *builder;
	const char *list, *values, *path;
	char *reason;
	enum list_key kind;
	uint32_t bits; /* of an address of this tree: 32 or 128 */
	uint32_t ip4_node;
	uint64_t steps;
	uint8_t address[16]; /* the bits decided on the way to where the walk is */
	enum err err;
};

static void stop(struct walk *w, enum err err, const char *what)
{
	if (w->err != OK)
		return;
	w->err = err;
	snprintf(w->reason, LIST_REASON_BYTES, "%.300s: %s", w->path, what);
}

/* Whether `value` is one of the words. */
static bool wanted(const struct walk *w, const char *value)
{
	struct bytes left = bytes_text(w->values), word = bytes_text(value);

	while (left.len > 0) {
		size_t len = bytes_find(left, ' ');

		if (bytes_equal_nocase(bytes_slice(left, 0, len), word))
			return true;
		left = bytes_slice(left, len + 1, left.len);
	}
	return false;
}

/* What the record says of country or autonomous system, as a word; "" when it does not. */
static void value_of(struct walk *w, MMDB_entry_s *entry, char out[VALUE_BYTES])
{
	static const char *const country[] = {"country", "iso_code", NULL};
	static const char *const registered[] = {"registered_country", "iso_code", NULL};
	static const char *const asn[] = {"autonomous_system_number", NULL};
	MMDB_entry_data_s data = {.has_data = false};
	int status = MMDB_aget_value(entry, &data, w->kind == LIST_KEY_ASN ? asn : country);

	if (w->kind == LIST_KEY_COUNTRY && (status != MMDB_SUCCESS || !data.has_data))
		status = MMDB_aget_value(entry, &data, registered);
	out[0] = '\0';
	if (status == MMDB_INVALID_DATA_ERROR) {
		stop(w, ERR_SYNTAX, MMDB_strerror(status));
		return;
	}
	if (status != MMDB_SUCCESS || !data.has_data)
		return;
	if (data.type == MMDB_DATA_TYPE_UTF8_STRING && data.data_size < VALUE_BYTES) {
		memcpy(out, data.utf8_string, data.data_size);
		out[data.data_size] = '\0';
	} else if (data.type == MMDB_DATA_TYPE_UINT32) {
		snprintf(out, VALUE_BYTES, "%u", data.uint32);
	}
}

/* Adds the network that the first `depth` bits of the address lead to. */
static void add_network(struct walk *w, uint32_t depth)
{
	static const uint8_t zeros[12];
	bool is_ip4 = w->bits == 32 ||
	              (depth >= 96 && memcmp(w->address, zeros, sizeof(zeros)) == 0);
	const uint8_t *a = w->address + (w->bits == 32 ? 0 : 12);
	struct prefix prefix = {.bits = (uint8_t)(w->bits == 32 ? 96 + depth : depth)};

	if (is_ip4)
		prefix.addr = addr_from_ip4((uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 |
		                            (uint32_t)a[2] << 8 | a[3]);
	else
		memcpy(prefix.addr.octet, w->address, sizeof(w->address));

	enum err err = list_builder_score_prefix(w->builder, w->list, &prefix);
	if (err != OK)
		stop(w, err, err_text(err));
}

static enum inside walk_node(struct walk *w, uint32_t node, uint32_t depth);

static enum inside walk_record(struct walk *w, uint8_t type, uint64_t record, MMDB_entry_s *entry,
                               uint32_t depth)
{
	char value[VALUE_BYTES];
	bool is_alias = record == w->ip4_node && w->bits == 128;

	switch (type) {
	case MMDB_RECORD_TYPE_SEARCH_NODE:
		for (uint32_t i = 0; is_alias && i < sizeof(w->address); i++)
			if (w->address[i] != 0)
				return INSIDE_NO;
		if (depth >= w->bits) {
			stop(w, ERR_SYNTAX, "the tree is deeper than an address is long");
			return INSIDE_NO;
		}
		return walk_node(w, (uint32_t)record, depth);
	case MMDB_RECORD_TYPE_DATA:
		value_of(w, entry, value);
		return value[0] != '\0' && wanted(w, value) ? INSIDE_ALL : INSIDE_NO;
	case MMDB_RECORD_TYPE_EMPTY:
		return INSIDE_NO;
	default:
		stop(w, ERR_SYNTAX, "the tree is damaged");
		return INSIDE_NO;
	}
}

static void set_bit(struct walk *w, uint32_t at, bool one)
{
	uint8_t mask = (uint8_t)(0x80 >> at % 8);

	w->address[at / 8] = (uint8_t)(one ? w->address[at / 8] | mask
	                                   : w->address[at / 8] & ~mask);
}

/* At most as deep as an address is long. A half that is wanted as a whole is added here, unless
 * both are: then it is for the node above to say. */
static enum inside walk_node(struct walk *w, uint32_t node, uint32_t depth)
{
	MMDB_search_node_s at;
	enum inside left, right;

	if (w->err != OK)
		return INSIDE_NO;
	if (++w->steps > STEPS_MAX) {
		stop(w, ERR_FULL, "the tree does not end");
		return INSIDE_NO;
	}
	if (MMDB_read_node(&w->mmdb, node, &at) != MMDB_SUCCESS) {
		stop(w, ERR_SYNTAX, "the tree is damaged");
		return INSIDE_NO;
	}
	left = walk_record(w, at.left_record_type, at.left_record, &at.left_record_entry,
	                   depth + 1);
	set_bit(w, depth, true);
	right = walk_record(w, at.right_record_type, at.right_record, &at.right_record_entry,
	                    depth + 1);
	if (left == INSIDE_ALL && right == INSIDE_ALL) {
		set_bit(w, depth, false);
		return INSIDE_ALL;
	}
	if (right == INSIDE_ALL)
		add_network(w, depth + 1);
	set_bit(w, depth, false);
	if (left == INSIDE_ALL)
		add_network(w, depth + 1);
	return left == INSIDE_NO && right == INSIDE_NO ? INSIDE_NO : INSIDE_SOME;
}

enum err list_mmdb_load(struct list_builder *builder, const char *list, enum list_key kind,
                        const char *path, const char *values, char *reason)
{
	struct walk walk = {.builder = builder,
	                    .list = list,
	                    .values = values,
	                    .path = path,
	                    .reason = reason,
	                    .kind = kind};
	int status = MMDB_open(path, MMDB_MODE_MMAP, &walk.mmdb);

	if (status != MMDB_SUCCESS) {
		snprintf(reason, LIST_REASON_BYTES, "%.300s: %s", path, MMDB_strerror(status));
		return status == MMDB_FILE_OPEN_ERROR ? ERR_IO : ERR_SYNTAX;
	}
	walk.bits = walk.mmdb.metadata.ip_version == 4 ? 32 : 128;
	walk.ip4_node = walk.mmdb.ipv4_start_node.netmask == 96
	                    ? walk.mmdb.ipv4_start_node.node_value
	                    : UINT32_MAX;
	if (walk_node(&walk, 0, 0) == INSIDE_ALL)
		add_network(&walk, 0);
	MMDB_close(&walk.mmdb);
	return walk.err;
}
