/* test_lists.c - lists as built and as read: against a plain model, and when damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "classifier/list_build.h"
#include "classifier/lists_blob.h"

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(bytes_text(text), false, &p), OK);
	return p;
}

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(bytes_text(text), &a), OK);
	return a;
}

static void add(struct list_builder *b, const char *list, enum list_action action, const char *text)
{
	struct prefix p = prefix(text);

	assert_int_equal(list_builder_add(b, list, action, &p), OK);
}

static struct lists *open_built(struct list_builder *b, enum generation_kind kind,
                                struct generation *generation)
{
	struct lists *lists = NULL;
	char reason[200];
	int fd;

	assert_int_equal(list_builder_finish(b, kind, 1, 2, "test", &fd), OK);
	list_builder_free(b);
	assert_int_equal(generation_open(generation, fd), OK);
	assert_int_equal(lists_open(generation, &lists, reason), OK);
	return lists;
}

static void expect(const struct lists *delta, const struct lists *lists, const char *text,
                   enum list_action action, const char *list, int bits)
{
	struct addr a = addr(text);
	struct list_match match = lists_find(delta, lists, &a);

	assert_int_equal(match.action, action);
	assert_string_equal(match.list, list);
	assert_int_equal(match.prefix_bits, bits);
}

static void the_most_specific_entry_wins(void **state)
{
	(void)state;
	struct list_builder *b = list_builder_new(0);
	struct generation g;

	add(b, "drop", LIST_DENY, "192.0.2.0/24");
	add(b, "mine", LIST_ALLOW, "192.0.2.7");
	add(b, "wide", LIST_DENY, "10.0.0.0/8");
	add(b, "hole", LIST_ALLOW, "10.20.0.0/16");
	add(b, "six", LIST_DENY, "2001:db8::/33");
	add(b, "six", LIST_ALLOW, "2001:db8::1");
	add(b, "both", LIST_DENY, "198.51.100.1");
	add(b, "good", LIST_ALLOW, "198.51.100.1");
	add(b, "later", LIST_DENY, "198.51.100.1");
	struct lists *lists = open_built(b, GENERATION_LISTS, &g);

	assert_int_equal(lists_entry_count(lists), 7);
	expect(NULL, lists, "192.0.2.6", LIST_DENY, "drop", 120);
	expect(NULL, lists, "192.0.2.7", LIST_ALLOW, "mine", 128);
	expect(NULL, lists, "10.1.1.1", LIST_DENY, "wide", 104);
	expect(NULL, lists, "10.20.1.1", LIST_ALLOW, "hole", 112);
	expect(NULL, lists, "11.0.0.1", LIST_NONE, "", 0);
	expect(NULL, lists, "2001:db8:7fff::9", LIST_DENY, "six", 33);
	expect(NULL, lists, "2001:db8:8000::9", LIST_NONE, "", 0);
	expect(NULL, lists, "2001:db8::1", LIST_ALLOW, "six", 128);
	expect(NULL, lists, "198.51.100.1", LIST_ALLOW, "good", 128);
	lists_close(lists);
	generation_close(&g);
}

static void the_delta_is_asked_first(void **state)
{
	(void)state;
	struct list_builder *big = list_builder_new(0), *small = list_builder_new(0);
	struct generation g, d;

	add(big, "drop", LIST_DENY, "192.0.2.1");
	add(big, "everything", LIST_DENY, "0.0.0.0/0");
	add(small, "urgent", LIST_ALLOW, "192.0.2.0/24");
	struct lists *lists = open_built(big, GENERATION_LISTS, &g);
	struct lists *delta = open_built(small, GENERATION_DELTA, &d);

	expect(delta, lists, "192.0.2.1", LIST_ALLOW, "urgent", 120);
	expect(delta, lists, "192.0.3.1", LIST_DENY, "everything", 96);
	expect(delta, NULL, "192.0.3.1", LIST_NONE, "", 0);
	expect(NULL, NULL, "192.0.3.1", LIST_NONE, "", 0);
	/* A default route of one family says nothing about the other. */
	expect(NULL, lists, "2001:db8::1", LIST_NONE, "", 0);
	lists_close(lists);
	lists_close(delta);
	generation_close(&g);
	generation_close(&d);
}

static void empty_lists_are_lists(void **state)
{
	(void)state;
	struct generation g;
	struct lists *lists = open_built(list_builder_new(0), GENERATION_DELTA, &g);

	assert_int_equal(lists_entry_count(lists), 0);
	expect(lists, NULL, "192.0.2.1", LIST_NONE, "", 0);
	lists_close(lists);
	generation_close(&g);
}

#define MODEL_ENTRIES 20000

/* Prefixes of a small space, so that they nest and meet; the model is a linear search. */
static void agrees_with_a_linear_search(void **state)
{
	(void)state;
	static struct prefix entry[MODEL_ENTRIES];
	static enum list_action action[MODEL_ENTRIES];
	struct random random;
	struct list_builder *b = list_builder_new(0);
	struct generation g;

	random_seed(&random, 42);
	for (int i = 0; i < MODEL_ENTRIES; i++) {
		uint32_t bits = random_below(&random, 4) == 0 ? 16 + random_below(&random, 17) : 32;
		uint32_t address = 0x0a000000u | random_below(&random, 1 << 20);

		entry[i].addr = addr_from_ip4(address & ip4_mask((uint8_t)bits));
		entry[i].bits = (uint8_t)(96 + bits);
		if (i % 3 == 0) {
			/* The same bits as an IPv6 network. */
			memset(entry[i].addr.octet, 0, 16);
			entry[i].addr.octet[0] = 0x20;
			for (int k = 0; k < 4; k++)
				entry[i].addr.octet[1 + k] = (uint8_t)((address &
				                                        ip4_mask((uint8_t)bits)) >>
				                                       (24 - 8 * k));
			entry[i].bits = (uint8_t)(8 + bits);
		}
		action[i] = random_below(&random, 2) == 0 ? LIST_ALLOW : LIST_DENY;
		assert_int_equal(list_builder_add(b, "x", action[i], &entry[i]), OK);
	}
	struct lists *lists = open_built(b, GENERATION_LISTS, &g);
	for (int turn = 0; turn < 3000; turn++) {
		struct addr a = addr_from_ip4(0x0a000000u | random_below(&random, 1 << 20));
		enum list_action best = LIST_NONE;
		int best_bits = -1;

		if (turn % 3 == 0)
			a = entry[random_below(&random, MODEL_ENTRIES)].addr;
		for (int i = 0; i < MODEL_ENTRIES; i++) {
			if (entry[i].bits < best_bits || !prefix_contains(&entry[i], &a))
				continue;
			if (entry[i].bits > best_bits || action[i] == LIST_ALLOW)
				best = action[i];
			best_bits = entry[i].bits;
		}
		assert_int_equal(lists_find(NULL, lists, &a).action, best);
		assert_int_equal(lists_find(NULL, lists, &a).prefix_bits,
		                 best == LIST_NONE ? 0 : best_bits);
	}
	lists_close(lists);
	generation_close(&g);
}

static void walks_over_every_entry_once(void **state)
{
	(void)state;
	struct list_builder *b = list_builder_new(0);
	struct generation g;
	struct lists_cursor cursor = {0};
	struct prefix prefix, last = {.bits = 0};
	enum list_action action;
	uint32_t seen = 0, allowed = 0;
	bool ip6_over = false;

	for (uint32_t i = 0; i < 5000; i++) {
		struct prefix p = {addr_from_ip4(0x0a000000u + i), 128};

		assert_int_equal(list_builder_add(b, "x", LIST_DENY, &p), OK);
	}
	add(b, "x", LIST_DENY, "192.0.2.0/24");
	add(b, "y", LIST_ALLOW, "192.0.2.128/25");
	add(b, "y", LIST_DENY, "2001:db8::/32");
	add(b, "y", LIST_ALLOW, "2001:db8::1/128");
	struct lists *lists = open_built(b, GENERATION_LISTS, &g);
	while (lists_next(lists, &cursor, &prefix, &action)) {
		struct list_match match = lists_find(NULL, lists, &prefix.addr);
		bool ip4 = prefix.bits >= 96 && addr_is_ip4(&prefix.addr);

		/* The first address of each of these networks has no longer entry. */
		assert_true(match.prefix_bits == prefix.bits ||
		            (prefix.bits == 32 && match.prefix_bits == 32));
		assert_int_equal(match.action, action);
		assert_false(ip6_over && !ip4);
		assert_true(prefix.bits >= last.bits || (ip4 && !ip6_over));
		ip6_over = ip4;
		last = prefix;
		seen++;
		allowed += action == LIST_ALLOW;
	}
	assert_int_equal(seen, lists_entry_count(lists));
	assert_int_equal(seen, 5004);
	assert_int_equal(allowed, 2);
	assert_false(lists_next(lists, &cursor, &prefix, &action));
	lists_close(lists);
	generation_close(&g);
}

static enum err load_octets(struct list_builder *b, struct bytes text, char *reason)
{
	char path[] = "/tmp/postern-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.data, text.len), (ssize_t)text.len);
	close(fd);
	enum err err = list_builder_load(b, "file", LIST_DENY, path, reason);
	unlink(path);
	return err;
}

static enum err load(struct list_builder *b, const char *text, char *reason)
{
	return load_octets(b, bytes_text(text), reason);
}

static void loads_text_files(void **state)
{
	(void)state;
	struct list_builder *b = list_builder_new(0);
	struct generation g;
	char reason[512];

	assert_int_equal(
	    load(b,
	         "# comment\n\n192.0.2.1\n  198.51.100.0/24 ; SBL1\n10.0.0.5 - 10.0.0.9\r\n"
	         "2001:db8::/32\n2001:db9::3-2001:db9::8\n0.0.0.0-0.0.0.255",
	         reason),
	    OK);
	/* 5; 6-7, 8-9 and 3; 4-7; 8 and the last as one network. */
	assert_int_equal(list_builder_entry_count(b), 3 + 3 + 3 + 1);
	struct lists *lists = open_built(b, GENERATION_LISTS, &g);
	expect(NULL, lists, "198.51.100.77", LIST_DENY, "file", 120);
	expect(NULL, lists, "10.0.0.4", LIST_NONE, "", 0);
	expect(NULL, lists, "10.0.0.5", LIST_DENY, "file", 128);
	expect(NULL, lists, "10.0.0.9", LIST_DENY, "file", 127);
	expect(NULL, lists, "10.0.0.10", LIST_NONE, "", 0);
	expect(NULL, lists, "2001:db9::2", LIST_NONE, "", 0);
	expect(NULL, lists, "2001:db9::8", LIST_DENY, "file", 128);
	expect(NULL, lists, "2001:db9::9", LIST_NONE, "", 0);
	expect(NULL, lists, "0.0.0.255", LIST_DENY, "file", 120);
	lists_close(lists);
	generation_close(&g);
}

static void takes_nothing_of_a_bad_file(void **state)
{
	(void)state;
	static const char *const bad[] = {"1.2.3.4\n1.2.3.400\n",   "1.2.3.4\n1.2.3.4/24\n",
	                                  "1.2.3.4\n1.2.3.4/33\n",  "1.2.3.4\n9.9.9.9-8.8.8.8\n",
	                                  "1.2.3.4\n1.1.1.1-::2\n", "1.2.3.4\nword\n"};
	struct list_builder *b = list_builder_new(0);
	char reason[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(load(b, bad[i], reason), ERR_SYNTAX);
		assert_non_null(strstr(reason, ":2: "));
		assert_int_equal(list_builder_entry_count(b), 0);
	}
	assert_int_equal(list_builder_load(b, "x", LIST_DENY, "/no/such/file", reason), ERR_IO);
	list_builder_free(b);
}

/* Neither what stands behind it nor how long its line is. */
static void a_nul_hides_nothing(void **state)
{
	(void)state;
	struct list_builder *b = list_builder_new(0);
	char reason[512], long_line[1100];

	assert_int_equal(load_octets(b, BYTES("1.2.3.4\0.5\n"), reason), ERR_SYNTAX);
	assert_int_equal(load_octets(b, BYTES("\0word\n"), reason), ERR_SYNTAX);
	memset(long_line, ' ', sizeof(long_line));
	long_line[0] = '#';
	long_line[1] = '\0';
	memcpy(long_line + sizeof(long_line) - 8, "1.2.3.4\n", 8);
	assert_int_equal(load_octets(b, bytes_of(long_line, sizeof(long_line)), reason),
	                 ERR_SYNTAX);
	assert_non_null(strstr(reason, ":1: the line is longer than"));
	assert_int_equal(list_builder_entry_count(b), 0);
	assert_int_equal(load_octets(b, BYTES("# a\0b\n1.2.3.4"), reason), OK);
	assert_int_equal(list_builder_entry_count(b), 1);
	list_builder_free(b);
}

/* The whole of IPv6 is one entry: the widest range there is. */
static void cuts_the_widest_range(void **state)
{
	(void)state;
	struct list_builder *b = list_builder_new(0);
	char reason[512];

	assert_int_equal(load(b, "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n", reason), OK);
	assert_int_equal(list_builder_entry_count(b), 1);
	assert_int_equal(load(b, "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe\n", reason), OK);
	assert_int_equal(list_builder_entry_count(b), 1 + 254);
	list_builder_free(b);
}

static void score(struct list_builder *b, const char *list, enum list_key kind, const char *text)
{
	assert_int_equal(list_builder_score(b, list, kind, bytes_text(text)), OK);
}

/* The names of the lists in a set, in their order: "a b ". */
static const char *names_in(const struct lists *lists, const struct list_set *set)
{
	static char text[512];
	size_t at = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < lists_scored_count(lists); i++)
		if (list_set_has(set, i))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s ",
			                       lists_scored_name(lists, i));
	return text;
}

static const char *scored_addr(const struct lists *lists, const char *text)
{
	struct list_set set = {{0}};
	struct addr a = addr(text);

	lists_collect_addr(lists, &a, &set);
	return names_in(lists, &set);
}

static const char *scored_domain(const struct lists *lists, enum list_key kind, const char *text)
{
	struct list_set set = {{0}};

	lists_collect_domain(lists, kind, bytes_text(text), &set);
	return names_in(lists, &set);
}

static void every_scored_list_counts(void **state)
{
	(void)state;
	struct list_builder *b = list_builder_new(0);
	struct generation g;

	score(b, "bots", LIST_KEY_ADDRESS, "192.0.2.7");
	score(b, "net", LIST_KEY_ADDRESS, "192.0.2.0/24");
	score(b, "wide", LIST_KEY_ADDRESS, "192.0.0.0 - 192.0.255.255");
	score(b, "six", LIST_KEY_ADDRESS, "2001:db8::/32");
	score(b, "other", LIST_KEY_ADDRESS, "192.0.2.7");
	score(b, "other", LIST_KEY_ADDRESS, "192.0.2.7");
	score(b, "names", LIST_KEY_URI, ".Example.ORG.");
	score(b, "names", LIST_KEY_HELO, "friend");
	score(b, "senders", LIST_KEY_SENDER, "one@example.net");
	score(b, "deep", LIST_KEY_URI, "a.b.example.org");
	assert_int_equal(list_builder_score(b, "deep", LIST_KEY_URI, BYTES("http://example.org/x")),
	                 ERR_RANGE);
	add(b, "deny", LIST_DENY, "198.51.100.1");
	struct lists *lists = open_built(b, GENERATION_LISTS, &g);

	assert_string_equal(scored_addr(lists, "192.0.2.7"), "bots net wide other ");
	assert_string_equal(scored_addr(lists, "192.0.2.8"), "net wide ");
	assert_string_equal(scored_addr(lists, "192.0.3.8"), "wide ");
	assert_string_equal(scored_addr(lists, "192.1.3.8"), "");
	assert_string_equal(scored_addr(lists, "2001:db8:1::"), "six ");
	assert_string_equal(scored_addr(lists, "198.51.100.1"), "");
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "EXAMPLE.org"), "names ");
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "x.a.b.example.org."),
	                    "names deep ");
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "notexample.org"), "");
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "org"), "");
	assert_string_equal(scored_domain(lists, LIST_KEY_HELO, "example.org"), "");
	assert_string_equal(scored_domain(lists, LIST_KEY_HELO, "friend"), "names ");
	assert_string_equal(scored_domain(lists, LIST_KEY_SENDER, "one@EXAMPLE.net"), "senders ");
	/* A list that scores refuses nobody, and one that refuses scores nothing. */
	expect(NULL, lists, "192.0.2.7", LIST_NONE, "", 0);
	expect(NULL, lists, "198.51.100.1", LIST_DENY, "deny", 128);
	assert_int_equal(lists_entry_count(lists), 1);
	assert_int_equal(lists_scored_entry_count(lists), 4 + 4);
	assert_true(lists_scored_has(lists, LIST_KEY_HELO));
	assert_false(lists_scored_has(lists, LIST_KEY_ASN));
	lists_close(lists);
	generation_close(&g);
}

/* Labels are counted from the right: a name of many is looked up whole and by its last ones. */
static void domains_of_many_labels_are_bounded(void **state)
{
	(void)state;
	struct list_builder *b = list_builder_new(0);
	struct generation g;
	char longest[LIST_TEXT_BYTES_MAX + 2];

	score(b, "eight", LIST_KEY_URI, "8.7.6.5.4.3.2.1");
	score(b, "nine", LIST_KEY_URI, "9.8.7.6.5.4.3.2.1");
	score(b, "one", LIST_KEY_URI, "1");
	struct lists *lists = open_built(b, GENERATION_LISTS, &g);

	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "10.9.8.7.6.5.4.3.2.1"),
	                    "eight one ");
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "9.8.7.6.5.4.3.2.1"),
	                    "eight nine one ");
	memset(longest, '.', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, longest), "");
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, ""), "");
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "."), "");
	lists_close(lists);
	generation_close(&g);
}

#define SCORED_ENTRIES 3000
#define SCORED_NAMES   40

/* Overlapping lists of addresses and names against a linear search. */
static void scored_lists_agree_with_a_linear_search(void **state)
{
	(void)state;
	static struct prefix entry[SCORED_ENTRIES];
	static uint32_t owner[SCORED_ENTRIES];
	struct random random;
	struct list_builder *b = list_builder_new(0);
	struct generation g;

	random_seed(&random, 7);
	for (uint32_t i = 0; i < SCORED_ENTRIES; i++) {
		uint32_t bits = 18 + random_below(&random, 15);
		char name[16];

		entry[i].addr = addr_from_ip4((0x0a000000u | random_below(&random, 1 << 16)) &
		                              ip4_mask((uint8_t)bits));
		entry[i].bits = (uint8_t)(96 + bits);
		owner[i] = i < SCORED_NAMES ? i : random_below(&random, SCORED_NAMES);
		snprintf(name, sizeof(name), "L%u", owner[i]);
		assert_int_equal(list_builder_score_prefix(b, name, &entry[i]), OK);
	}
	struct lists *lists = open_built(b, GENERATION_LISTS, &g);
	assert_int_equal(lists_scored_count(lists), SCORED_NAMES);
	for (int turn = 0; turn < 2000; turn++) {
		struct addr a = addr_from_ip4(0x0a000000u | random_below(&random, 1 << 16));
		struct list_set wanted = {{0}}, got = {{0}};

		for (uint32_t i = 0; i < SCORED_ENTRIES; i++)
			if (prefix_contains(&entry[i], &a))
				wanted.word[owner[i] / 64] |= 1ull << owner[i] % 64;
		lists_collect_addr(lists, &a, &got);
		assert_memory_equal(&got, &wanted, sizeof(got));
	}
	lists_close(lists);
	generation_close(&g);
}

static enum err score_load(struct list_builder *b, enum list_key kind, const char *text,
                           char *reason)
{
	char path[] = "/tmp/postern-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	enum err err = list_builder_score_load(b, "file", kind, path, reason);
	unlink(path);
	return err;
}

static void entries_end_when_they_say(void **state)
{
	(void)state;
	struct list_builder *b = list_builder_new(1800000000ull * 1000000); /* 2027-01-15 */
	struct generation g;
	char reason[LIST_REASON_BYTES];

	assert_int_equal(score_load(b, LIST_KEY_URI,
	                            "old.example until 2026-12-31\n"
	                            "new.example  until 2027-02-01T06:00:00Z # renewed\n"
	                            "later.example until 2028-01-01\nstays.example\n",
	                            reason),
	                 OK);
	assert_int_equal(list_builder_next_expiry(b), 1801461600ull * 1000000);
	assert_int_equal(load(b, "192.0.2.1 until 2027-01-14\n192.0.2.2\n", reason), OK);
	struct lists *lists = open_built(b, GENERATION_LISTS, &g);
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "old.example"), "");
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "new.example"), "file ");
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "later.example"), "file ");
	assert_string_equal(scored_domain(lists, LIST_KEY_URI, "stays.example"), "file ");
	expect(NULL, lists, "192.0.2.1", LIST_NONE, "", 0);
	expect(NULL, lists, "192.0.2.2", LIST_DENY, "file", 128);
	lists_close(lists);
	generation_close(&g);
}

static void bad_scored_lines_are_named(void **state)
{
	(void)state;
	static const struct {
		enum list_key kind;
		const char *text;
	} bad[] = {{LIST_KEY_URI, "a.example\nb.example until tomorrow\n"},
	           {LIST_KEY_URI, "a.example\nb example\n"},
	           {LIST_KEY_URI, "a.example\n.\n"},
	           {LIST_KEY_ADDRESS, "192.0.2.1\nb.example\n"}};
	struct list_builder *b = list_builder_new(0);
	char reason[LIST_REASON_BYTES];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(score_load(b, bad[i].kind, bad[i].text, reason), ERR_SYNTAX);
		assert_non_null(strstr(reason, ":2: "));
		assert_int_equal(list_builder_entry_count(b), 0);
	}
	list_builder_free(b);
}

static void there_are_so_many_scored_lists(void **state)
{
	(void)state;
	struct list_builder *b = list_builder_new(0);
	char name[16];

	for (int i = 0; i < SCORED_LISTS_MAX; i++) {
		snprintf(name, sizeof(name), "L%d", i);
		score(b, name, LIST_KEY_ADDRESS, "192.0.2.1");
	}
	assert_int_equal(list_builder_score(b, "more", LIST_KEY_ADDRESS, BYTES("192.0.2.1")),
	                 ERR_FULL);
	struct generation g;
	struct lists *lists = open_built(b, GENERATION_LISTS, &g);
	struct list_set set = {{0}};
	struct addr a = addr("192.0.2.1");
	lists_collect_addr(lists, &a, &set);
	for (uint32_t i = 0; i < SCORED_LISTS_MAX; i++)
		assert_true(list_set_has(&set, i));
	lists_close(lists);
	generation_close(&g);
}

/* Each octet of the blob flipped in turn: refused, or read without harm. */
static void damage_does_no_harm(void **state)
{
	(void)state;
	struct list_builder *b = list_builder_new(0);
	struct generation g, damaged;
	struct addr a = addr("192.0.2.9"), six = addr("2001:db8::9");

	for (int i = 0; i < 40; i++) {
		struct prefix p = {addr_from_ip4(0xc0000200u + (uint32_t)i), 128};

		assert_int_equal(list_builder_add(b, "x", LIST_DENY, &p), OK);
	}
	add(b, "y", LIST_ALLOW, "2001:db8::/32");
	score(b, "p", LIST_KEY_ADDRESS, "192.0.2.0/24");
	score(b, "q", LIST_KEY_ADDRESS, "192.0.2.0/24");
	score(b, "r", LIST_KEY_URI, "example.org");
	struct lists *lists = open_built(b, GENERATION_LISTS, &g);
	lists_close(lists);
	uint8_t *copy = aligned_alloc(64, (g.bytes + 63) & ~(size_t)63);
	assert_non_null(copy);
	memcpy(copy, g.memory, g.bytes);
	damaged = g;
	damaged.memory = copy;

	struct bytes head = generation_section(&g, LISTS_HEAD);
	size_t from = (size_t)(generation_section(&g, LISTS_TEXTS).data - g.memory);
	size_t to = (size_t)(head.data + head.len - g.memory);
	for (size_t i = from; i < to; i++)
		for (int bit = 0; bit < 8; bit += 3) {
			char reason[200];

			copy[i] ^= (uint8_t)(1 << bit);
			if (lists_open(&damaged, &lists, reason) == OK) {
				(void)lists_find(lists, lists, &a);
				(void)lists_find(NULL, lists, &six);
				(void)scored_addr(lists, "192.0.2.9");
				(void)scored_domain(lists, LIST_KEY_URI, "www.example.org");
				lists_close(lists);
			}
			copy[i] ^= (uint8_t)(1 << bit);
		}
	free(copy);
	generation_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_most_specific_entry_wins),
	    cmocka_unit_test(the_delta_is_asked_first),
	    cmocka_unit_test(empty_lists_are_lists),
	    cmocka_unit_test(agrees_with_a_linear_search),
	    cmocka_unit_test(walks_over_every_entry_once),
	    cmocka_unit_test(loads_text_files),
	    cmocka_unit_test(takes_nothing_of_a_bad_file),
	    cmocka_unit_test(a_nul_hides_nothing),
	    cmocka_unit_test(cuts_the_widest_range),
	    cmocka_unit_test(every_scored_list_counts),
	    cmocka_unit_test(domains_of_many_labels_are_bounded),
	    cmocka_unit_test(scored_lists_agree_with_a_linear_search),
	    cmocka_unit_test(entries_end_when_they_say),
	    cmocka_unit_test(bad_scored_lines_are_named),
	    cmocka_unit_test(there_are_so_many_scored_lists),
	    cmocka_unit_test(damage_does_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
