/* fuzz_lists.c - address lists: any text is read or refused, what is read is found again, and a
 * damaged generation is refused or answers.
 *
 * The first octet of the input chooses. Text: a list file. Entries: seven octets each, from which
 * few prefixes near each other are made, added one by one and held against a plain search. Changes:
 * four octets each, an offset and what to exclusive-or, on a generation of a thousand entries.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random.h"
#include "classifier/list_build.h"
#include "classifier/lists_blob.h"

#define ENTRIES_MAX    100
#define TEXT_BYTES_MAX 8192
#define CHANGES_MAX    64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct entry {
	struct prefix prefix;
	enum list_action action;
};

static struct generation finish(struct list_builder *builder)
{
	struct generation generation;
	int fd;

	ASSERT(list_builder_finish(builder, GENERATION_LISTS, 1, 1, "fuzz", &fd) == OK);
	ASSERT(generation_open(&generation, fd) == OK);
	return generation;
}

static void look(const struct lists *lists, const struct addr *addr)
{
	struct list_match match = lists_find(NULL, lists, addr);

	ASSERT(match.action <= LIST_DENY && match.prefix_bits <= 128);
	ASSERT(strlen(match.list) < TEXT_BYTES_MAX);
}

static void read_text(const uint8_t *data, size_t size)
{
	struct list_builder *builder = list_builder_new(0);
	char path[64], reason[512];
	struct lists *lists;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	ASSERT(builder != NULL && fd >= 0);
	ASSERT(write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	enum err err = list_builder_load(builder, "a", LIST_DENY, path, reason);
	close(fd);
	ASSERT((err == OK) == (reason[0] == '\0'));
	if (err != OK)
		ASSERT(list_builder_entry_count(builder) == 0);
	struct generation generation = finish(builder);
	list_builder_free(builder);
	ASSERT(lists_open(&generation, &lists, reason) == OK);
	/* Each address that stands in the text by itself is found, whatever else there is. */
	for (struct bytes rest = bytes_of(data, size); err == OK && rest.len > 0;) {
		struct bytes line = bytes_slice(rest, 0, bytes_find(rest, '\n'));
		struct addr addr;

		rest = bytes_slice(rest, line.len + 1, rest.len);
		if (addr_parse(bytes_trim(line), &addr) == OK)
			ASSERT(lists_find(NULL, lists, &addr).action == LIST_DENY);
	}
	lists_close(lists);
	generation_close(&generation);
}

static struct addr addr_near(const uint8_t *op)
{
	struct addr addr = addr_from_ip4(0x0a000000u | (uint32_t)(op[0] & 0x83) << 16 | op[1]);

	if ((op[2] & 1) != 0) {
		addr = (struct addr){{0x20, 0x01, 0x0d, 0xb8}};
		addr.octet[7] = op[0] & 0x83;
		addr.octet[15] = op[1];
	}
	return addr;
}

static bool covers(const struct prefix *prefix, const struct addr *addr)
{
	uint32_t octets = prefix->bits / 8, rest = prefix->bits % 8;

	if (memcmp(prefix->addr.octet, addr->octet, octets) != 0)
		return false;
	return rest == 0 ||
	       ((prefix->addr.octet[octets] ^ addr->octet[octets]) & (0xff00 >> rest & 0xff)) == 0;
}

/* The longest prefix, and of equals the one that allows. IPv4 asks its own tables only. */
static enum list_action plain_find(const struct entry *entries, size_t count,
                                   const struct addr *addr)
{
	enum list_action action = LIST_NONE;
	int bits = -1;

	for (size_t i = 0; i < count; i++) {
		const struct entry *e = &entries[i];
		bool ip4 = e->prefix.bits >= 96 && addr_is_ip4(&e->prefix.addr);
		if (ip4 != addr_is_ip4(addr) || !covers(&e->prefix, addr))
			continue;
		if (e->prefix.bits > bits || (e->prefix.bits == bits && e->action == LIST_ALLOW))
			action = e->action;
		bits = e->prefix.bits > bits ? e->prefix.bits : bits;
	}
	return action;
}

static void compare(const uint8_t *data, size_t size)
{
	static struct entry entries[ENTRIES_MAX];
	struct list_builder *builder = list_builder_new(0);
	struct lists *lists;
	size_t count = 0;
	char reason[200];

	ASSERT(builder != NULL);
	for (size_t at = 0; at + 4 <= size && count < ENTRIES_MAX; at += 4) {
		struct entry *e = &entries[count++];
		e->prefix.addr = addr_near(data + at);
		e->prefix.bits = (uint8_t)(addr_is_ip4(&e->prefix.addr) ? 96 + data[at + 3] % 33
		                                                        : data[at + 3] % 129);
		e->action = (data[at + 2] & 2) != 0 ? LIST_ALLOW : LIST_DENY;
		ASSERT(list_builder_add(builder, (data[at + 2] & 4) != 0 ? "a" : "b", e->action,
		                        &e->prefix) == OK);
	}
	struct generation generation = finish(builder);
	list_builder_free(builder);
	ASSERT(lists_open(&generation, &lists, reason) == OK);
	for (size_t at = 0; at + 4 <= size && at / 4 < ENTRIES_MAX; at += 3) {
		struct addr addr = addr_near(data + at);
		ASSERT(lists_find(NULL, lists, &addr).action == plain_find(entries, count, &addr));
	}
	lists_close(lists);
	generation_close(&generation);
}

static struct generation thousand(void)
{
	struct list_builder *builder = list_builder_new(0);
	struct random random;

	ASSERT(builder != NULL);
	random_seed(&random, 1);
	for (int i = 0; i < 1000; i++) {
		uint64_t chance = random_u64(&random);
		struct prefix prefix = {addr_near((const uint8_t *)&chance), 128};
		if (i % 10 == 0)
			prefix.bits = (uint8_t)(100 + chance % 28);
		ASSERT(list_builder_add(builder, i % 3 == 0 ? "x" : "y", LIST_DENY, &prefix) == OK);
	}
	struct generation generation = finish(builder);
	list_builder_free(builder);
	return generation;
}

/* Its checksum is left aside on purpose: it would stop every change. */
static void damage(const uint8_t *data, size_t size)
{
	static struct generation whole;
	static uint8_t *copy;
	struct lists *lists;
	char reason[200];

	if (copy == NULL) {
		whole = thousand();
		copy = aligned_alloc(4096, (whole.bytes + 4095) & ~(size_t)4095);
		ASSERT(copy != NULL);
	}
	memcpy(copy, whole.memory, whole.bytes);
	for (size_t i = 0; i + 5 <= size && i < CHANGES_MAX * 5; i += 5) {
		/* By section, or the few octets that matter would hardly ever be met. */
		struct bytes section = generation_section(&whole, 1 + data[i] % LISTS_BUCKETS);
		size_t at = data[i + 1] | (size_t)data[i + 2] << 8 | (size_t)data[i + 3] << 16;
		if (at < section.len)
			copy[(size_t)(section.data - whole.memory) + at] ^= data[i + 4];
	}
	struct generation changed = whole;
	changed.memory = copy;
	if (lists_open(&changed, &lists, reason) != OK)
		return;
	for (size_t i = 0; i < 64; i++) {
		uint8_t op[4] = {(uint8_t)(i << 7), (uint8_t)(i * 37), (uint8_t)(i & 1), 0};
		struct addr addr = addr_near(op);
		look(lists, &addr);
	}
	(void)lists_entry_count(lists);
	lists_close(lists);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > TEXT_BYTES_MAX)
		return 0;
	switch (data[0] % 3) {
	case 0:
		read_text(data + 1, size - 1);
		break;
	case 1:
		compare(data + 1, size - 1);
		break;
	default:
		damage(data + 1, size - 1);
		break;
	}
	return 0;
}
