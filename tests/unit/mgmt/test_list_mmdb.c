/* test_list_mmdb.c - networks of a MaxMind database become entries: against a tree made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/list_mmdb.h"

/* A database by the format's description: records of 24 bits, a data section of maps, metadata. */
struct database {
	uint8_t file[65536];
	size_t bytes;
	uint32_t node[512][2];
	uint32_t node_count;
	uint8_t data[1024];
	size_t data_bytes;
};

/* Nodes not yet known to be leaves hold these until the number of nodes is known. */
#define EMPTY   UINT32_MAX
#define LEAF(i) (0x80000000u | (i))

static void put_text(uint8_t *out, size_t *at, const char *text)
{
	size_t len = strlen(text);

	assert_true(len < 29);
	out[(*at)++] = (uint8_t)(2u << 5 | len);
	memcpy(out + *at, text, len);
	*at += len;
}

static void put_map(uint8_t *out, size_t *at, uint32_t pairs)
{
	out[(*at)++] = (uint8_t)(7u << 5 | pairs);
}

static void put_number(uint8_t *out, size_t *at, uint32_t type, uint32_t value)
{
	uint32_t bytes = type == 5 ? 2 : 4;

	out[(*at)++] = (uint8_t)(type << 5 | bytes);
	for (uint32_t i = bytes; i-- > 0;)
		out[(*at)++] = (uint8_t)(value >> 8 * i);
}

static uint32_t add_country(struct database *d, const char *code)
{
	uint32_t at = (uint32_t)d->data_bytes;

	put_map(d->data, &d->data_bytes, 1);
	put_text(d->data, &d->data_bytes, "country");
	put_map(d->data, &d->data_bytes, 1);
	put_text(d->data, &d->data_bytes, "iso_code");
	put_text(d->data, &d->data_bytes, code);
	return LEAF(at);
}

static uint32_t add_asn(struct database *d, uint32_t number)
{
	uint32_t at = (uint32_t)d->data_bytes;

	put_map(d->data, &d->data_bytes, 1);
	put_text(d->data, &d->data_bytes, "autonomous_system_number");
	put_number(d->data, &d->data_bytes, 6, number);
	return LEAF(at);
}

static void insert(struct database *d, const uint8_t address[16], uint32_t bits, uint32_t record)
{
	uint32_t at = 0;

	for (uint32_t i = 0;; i++) {
		uint32_t *side = &d->node[at][address[i / 8] >> (7 - i % 8) & 1];

		if (i + 1 == bits) {
			*side = record;
			return;
		}
		if (*side == EMPTY) {
			assert_true(d->node_count < 512);
			*side = d->node_count;
			d->node[d->node_count][0] = d->node[d->node_count][1] = EMPTY;
			d->node_count++;
		}
		at = *side;
	}
}

static void insert_text(struct database *d, const char *text, uint32_t record)
{
	struct prefix prefix;
	uint8_t octet[16];

	assert_int_equal(prefix_parse(bytes_text(text), false, &prefix), OK);
	memcpy(octet, prefix.addr.octet, sizeof(octet));
	if (addr_is_ip4(&prefix.addr))
		octet[10] = octet[11] = 0; /* below ::/96, not ::ffff:0:0/96 */
	insert(d, octet, prefix.bits, record);
}

static void put_record(struct database *d, uint32_t record)
{
	uint32_t value = record == EMPTY               ? d->node_count
	                 : (record & 0x80000000u) != 0 ? d->node_count + 16 + (record & 0x7fffffffu)
	                                               : record;

	for (int i = 2; i >= 0; i--)
		d->file[d->bytes++] = (uint8_t)(value >> 8 * i);
}

static void finish(struct database *d, uint32_t ip_version)
{
	d->bytes = 0;
	for (uint32_t i = 0; i < d->node_count; i++) {
		put_record(d, d->node[i][0]);
		put_record(d, d->node[i][1]);
	}
	memset(d->file + d->bytes, 0, 16);
	d->bytes += 16;
	memcpy(d->file + d->bytes, d->data, d->data_bytes);
	d->bytes += d->data_bytes;
	memcpy(d->file + d->bytes, "\xab\xcd\xefMaxMind.com", 14);
	d->bytes += 14;
	put_map(d->file, &d->bytes, 9);
	put_text(d->file, &d->bytes, "node_count");
	put_number(d->file, &d->bytes, 6, d->node_count);
	put_text(d->file, &d->bytes, "record_size");
	put_number(d->file, &d->bytes, 5, 24);
	put_text(d->file, &d->bytes, "ip_version");
	put_number(d->file, &d->bytes, 5, ip_version);
	put_text(d->file, &d->bytes, "database_type");
	put_text(d->file, &d->bytes, "Test");
	put_text(d->file, &d->bytes, "binary_format_major_version");
	put_number(d->file, &d->bytes, 5, 2);
	put_text(d->file, &d->bytes, "languages");
	d->file[d->bytes++] = 0; /* an array (0 behind the ordinary types, then 4) of none */
	d->file[d->bytes++] = 4;
	put_text(d->file, &d->bytes, "description");
	put_map(d->file, &d->bytes, 0);
	put_text(d->file, &d->bytes, "build_epoch");
	d->file[d->bytes++] = 1; /* a number of 64 bits, likewise */
	d->file[d->bytes++] = 2;
	d->file[d->bytes++] = 7;
	put_text(d->file, &d->bytes, "binary_format_minor_version");
	put_number(d->file, &d->bytes, 5, 0);
}

static struct database *database_new(void)
{
	struct database *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->node[0][0] = d->node[0][1] = EMPTY;
	d->node_count = 1;
	return d;
}

static enum err load(const struct database *d, struct list_builder *b, enum list_key kind,
                     const char *values, char *reason)
{
	char path[] = "/tmp/postern-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, d->file, d->bytes), (ssize_t)d->bytes);
	close(fd);
	enum err err = list_mmdb_load(b, "list", kind, path, values, reason);
	unlink(path);
	return err;
}

static bool listed(const struct lists *lists, const char *text)
{
	struct list_set set = {{0}};
	struct addr addr;

	assert_int_equal(addr_parse(bytes_text(text), &addr), OK);
	lists_collect_addr(lists, &addr, &set);
	return list_set_has(&set, 0);
}

static void countries_become_networks(void **state)
{
	struct list_builder *b = list_builder_new(0);
	struct database *d = database_new();
	struct generation g;
	struct lists *lists;
	char reason[LIST_REASON_BYTES];
	uint32_t nz = add_country(d, "NZ"), fj = add_country(d, "FJ"), xx = add_country(d, "XX");
	int fd;

	(void)state;
	insert_text(d, "192.0.2.0/25", nz);
	insert_text(d, "192.0.2.128/25", fj);
	insert_text(d, "192.0.3.0/24", nz);
	insert_text(d, "198.51.100.0/24", xx);
	insert_text(d, "2001:db8::/33", nz);
	insert_text(d, "2001:db8:8000::/33", xx);
	finish(d, 6);
	assert_int_equal(load(d, b, LIST_KEY_COUNTRY, "nz FJ", reason), OK);
	/* Three networks of IPv4 side by side became one. */
	assert_int_equal(list_builder_entry_count(b), 2);
	assert_int_equal(list_builder_finish(b, GENERATION_LISTS, 1, 2, "test", &fd), OK);
	assert_int_equal(generation_open(&g, fd), OK);
	assert_int_equal(lists_open(&g, &lists, reason), OK);
	assert_true(listed(lists, "192.0.2.1"));
	assert_true(listed(lists, "192.0.2.255"));
	assert_true(listed(lists, "192.0.3.7"));
	assert_false(listed(lists, "192.0.4.7"));
	assert_false(listed(lists, "198.51.100.7"));
	assert_true(listed(lists, "2001:db8:7fff::1"));
	assert_false(listed(lists, "2001:db8:8000::1"));
	lists_close(lists);
	generation_close(&g);
	list_builder_free(b);
	free(d);
}

/* 6to4 leads to the tree of IPv4 once more: what is found there is not listed twice, nor there. */
static void aliases_of_ip4_are_not_followed(void **state)
{
	struct list_builder *b = list_builder_new(0);
	struct database *d = database_new();
	char reason[LIST_REASON_BYTES];
	uint32_t nz = add_country(d, "NZ"), ip4 = 0;

	(void)state;
	insert_text(d, "192.0.2.0/24", nz);
	for (int i = 0; i < 96; i++)
		ip4 = d->node[ip4][0];
	insert_text(d, "2002::/16", ip4);
	finish(d, 6);
	assert_int_equal(load(d, b, LIST_KEY_COUNTRY, "NZ", reason), OK);
	assert_int_equal(list_builder_entry_count(b), 1);
	list_builder_free(b);
	free(d);
}

static void autonomous_systems_are_found_in_a_tree_of_ip4(void **state)
{
	struct list_builder *b = list_builder_new(0);
	struct database *d = database_new();
	char reason[LIST_REASON_BYTES];
	const uint8_t low[16] = {10}, high[16] = {10, 128};

	(void)state;
	insert(d, low, 9, add_asn(d, 64500));
	insert(d, high, 9, add_asn(d, 64501));
	finish(d, 4);
	assert_int_equal(load(d, b, LIST_KEY_ASN, "64501", reason), OK);
	assert_int_equal(list_builder_entry_count(b), 1);
	assert_int_equal(load(d, b, LIST_KEY_ASN, "1 2", reason), OK);
	assert_int_equal(list_builder_entry_count(b), 1);
	list_builder_free(b);
	free(d);
}

/* A node that is its own child: deeper than any address, and said so. */
static void damaged_trees_are_refused(void **state)
{
	struct list_builder *b = list_builder_new(0);
	struct database *d = database_new();
	char reason[LIST_REASON_BYTES] = "";

	(void)state;
	(void)add_country(d, "NZ");
	d->node[0][0] = d->node[1][1] = 1;
	d->node[1][0] = EMPTY;
	d->node_count = 2;
	finish(d, 4);
	assert_int_equal(load(d, b, LIST_KEY_COUNTRY, "NZ", reason), ERR_SYNTAX);
	assert_non_null(strstr(reason, "deeper than an address"));
	d->bytes = 40;
	assert_int_equal(load(d, b, LIST_KEY_COUNTRY, "NZ", reason), ERR_SYNTAX);
	assert_int_equal(list_mmdb_load(b, "x", LIST_KEY_ASN, "/no/such", "1", reason), ERR_IO);
	list_builder_free(b);
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(countries_become_networks),
	    cmocka_unit_test(aliases_of_ip4_are_not_followed),
	    cmocka_unit_test(autonomous_systems_are_found_in_a_tree_of_ip4),
	    cmocka_unit_test(damaged_trees_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
