/* fuzz_header.c - header fields, encoded words, addresses and Received fields of any octets. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "smtp/addresses.h"
#include "smtp/header.h"
#include "smtp/received.h"

#define FIELDS_MAX    64
#define STORAGE_BYTES (1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct charset_set *charsets;

static void close_charsets(void)
{
	charset_set_close(charsets);
}

static void look_at(struct header_table *table, uint32_t index)
{
	static uint8_t memory[1 << 14];
	struct received received;
	struct address_walk walk;
	struct mailbox mailbox;
	struct bytes value = header_decoded(table, index);
	size_t count = 0;

	ASSERT(value.len <= STORAGE_BYTES);
	struct sink storage = sink_over(memory, sizeof(memory));

	received_parse(value, &storage, &received);
	address_walk_open(&walk, table->field[index].raw, sink_over(memory, sizeof(memory)));
	while (address_walk_next(&walk, &mailbox))
		ASSERT(++count <= table->field[index].raw.len + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct header_field fields[FIELDS_MAX];
	static uint8_t storage[STORAGE_BYTES];
	static struct arena arena;
	bool no_separator;

	if (charsets == NULL) {
		ASSERT(arena_init(&arena, charset_set_bytes() + 4096, false) == OK);
		charsets = charset_set_new(&arena);
		ASSERT(charsets != NULL);
		atexit(close_charsets);
	}
	struct header_table table = {
	    .field = fields, .count_max = FIELDS_MAX, .charsets = charsets};
	table.storage = sink_over(storage, sizeof(storage));
	header_reset(&table);
	struct bytes message = bytes_of(data, size);
	size_t body = header_split(&table, message, header_lines_are_crlf(message), true,
	                           &no_separator);
	ASSERT(body <= size);
	header_end_message(&table);
	for (uint32_t i = 0; i < table.count; i++)
		look_at(&table, i);
	return 0;
}
