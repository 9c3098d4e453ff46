/* test_addresses.c - addresses and display names as mail writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "smtp/addresses.h"

/* "address/name" of each item, "-" for what it has not, blanks between them. */
static void reads(const char *value, const char *wanted)
{
	uint8_t memory[1024];
	char text[1024] = "";
	struct address_walk walk;
	struct mailbox mailbox;

	address_walk_open(&walk, bytes_text(value), sink_over(memory, sizeof(memory)));
	while (address_walk_next(&walk, &mailbox)) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%.*s/%.*s", len > 0 ? " " : "",
		         mailbox.address.len > 0 ? (int)mailbox.address.len : 1,
		         mailbox.address.len > 0 ? (const char *)mailbox.address.data : "-",
		         mailbox.name.data != NULL ? (int)mailbox.name.len : 1,
		         mailbox.name.data != NULL ? (const char *)mailbox.name.data : "-");
	}
	assert_string_equal(text, wanted);
}

static void reads_what_the_standard_allows(void **state)
{
	(void)state;
	reads("a@b.example", "a@b.example/-");
	reads("Joe <a@b.example>, \"x, y\" <c@d>", "a@b.example/Joe  c@d/x, y ");
	reads("a@b.example (Joe)", "a@b.example/Joe");
	reads("Joe (the) Man <a@b>", "a@b/Joe  Man ");
	reads("\"a b\"@c.example", "\"a b\"@c.example/-");
	reads("u@[192.0.2.1]", "u@[192.0.2.1]/-");
	reads("group: a@b, c@d;", "a@b/- c@d/-");
	reads("undisclosed-recipients:;", "");
	reads("<>", "-/-");
	reads(" \r\n ", "");
}

static void reads_what_it_does_not_allow(void **state)
{
	(void)state;
	/* The last bracket that lets the item end closes. */
	reads("<a@b>>", "-/-");
	reads("Joe <<a@b>>", "-/Joe ");
	reads("<a@b><a@b>", "-/-");
	reads("<a@b> <c@d>, e@f", "a@b/- e@f/-");
	reads("<a(x)@b>", "a@b/-");
	reads("a@b@c.example", "a@b/-");
	reads("\"a@b.example\"<>", "a@b.example/-");
	reads("\"a@local\"<>", "-/a@local");
	reads("a@b.example <a@b.example>", "a@b.example/a@b.example ");
	reads("a@b.example<a@b.example>", "a@b.example/-");
	reads("Joe \\\\ <a@b>", "a@b/Joe  ");
	reads("a@b, , c@d", "a@b/- -/  c@d/-");
	/* An open quote is no item; addresses in brackets behind it still count. */
	reads("\"Joe <a@b>, <c@d>", "a@b/- c@d/-");
}

/* What the loose reading finds too little in. */
static void reads_by_the_grammar_what_is_left(void **state)
{
	(void)state;
	reads("Joe <a@b", "a@b/Joe");
	reads("a b <c@d", "c@d/a b");
	reads("Joe <a.@b", "\"a.\"@b/Joe");
	reads("Joe <a@b>, c (un", "a@b/Joe  -/c (un");
	reads("<> (x) y", "-/x");
	reads("J \"x y\" <@q:\"p q\"@r", "\"p q\"@r/J x y");
	reads("\"a\".\"b\"@c <x", "ab@c/-");
	reads("a@b, \"c\\\" d\" <e@f", "a@b/- e@f/c\" d");
	reads("h, u@v: i <j@[1.2]", "-/h, u@v: i <j@[1.2] u@v/-");
	reads("a@b,, c@d <e@f>", "a@b/- -/a@b,, c@d <e@f> c@d/-");
	reads(",,", "-/,, -/,,");
	reads("a@b, ,, c@d", "a@b/- -/a@b, ,, c@d -/a@b, ,, c@d c@d/-");
}

static void a_full_storage_gives_no_address(void **state)
{
	struct grammar_walk walk;
	struct grammar_item item;
	struct sink none = sink_over(NULL, 0);

	(void)state;
	grammar_walk_open(&walk, BYTES("a.\"b\"@c"));
	assert_true(grammar_walk_next(&walk, &none, &item));
	assert_int_equal(item.address.len, 0);
	assert_true(none.full);

	/* Room for what is read, and for a part of it in quotes. */
	uint8_t memory[16];
	for (size_t room = 0; room <= 12; room++) {
		struct sink few = sink_over(memory, room);

		grammar_walk_open(&walk, BYTES("\"b c\"@d"));
		assert_true(grammar_walk_next(&walk, &few, &item));
		assert_int_equal(few.full, room < 12);
		assert_int_equal(item.address.len, room < 12 ? 0 : 7);
	}
}

static void a_value_made_to_be_slow_ends(void **state)
{
	char value[8193];
	struct address_walk walk;
	struct mailbox mailbox;
	unsigned items = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = "<a@b>"[i % 5];
	value[sizeof(value) - 1] = '\0';
	address_walk_open(&walk, bytes_text(value), sink_over(NULL, 0));
	while (address_walk_next(&walk, &mailbox))
		items++;
	assert_in_range(items, 1, sizeof(value));

	/* Items of nothing are all called by the whole value, but not more often than is cheap. */
	size_t named = 0;

	memset(value, ',', sizeof(value) - 1);
	address_walk_open(&walk, bytes_text(value), sink_over(NULL, 0));
	for (items = 0; address_walk_next(&walk, &mailbox); items++)
		named += mailbox.name.data != NULL;
	assert_int_equal(items, sizeof(value) - 1);
	assert_in_range(named, 1, 100);
}

/* After each of many brackets, a long word is looked through in vain. */
static void brackets_made_to_be_slow_end(void **state)
{
	static uint8_t value[4 * 1024 * 1024];
	struct address_walk walk;
	struct mailbox mailbox;
	size_t len = 2;

	(void)state;
	memcpy(value, "<@", len);
	for (; len < 4000; len += 2)
		memcpy(value + len, "><", 2);
	memcpy(value + len, "> <", 3);
	memset(value + len + 3, 'b', sizeof(value) - len - 3);
	memcpy(value + sizeof(value) - 3, "> y", 3);
	clock_t start = clock();
	address_walk_open(&walk, bytes_of(value, sizeof(value)), sink_over(NULL, 0));
	while (address_walk_next(&walk, &mailbox))
		continue;
	assert_true(clock() - start < 3 * CLOCKS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_the_standard_allows),
	    cmocka_unit_test(reads_what_it_does_not_allow),
	    cmocka_unit_test(reads_by_the_grammar_what_is_left),
	    cmocka_unit_test(a_full_storage_gives_no_address),
	    cmocka_unit_test(a_value_made_to_be_slow_ends),
	    cmocka_unit_test(brackets_made_to_be_slow_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
