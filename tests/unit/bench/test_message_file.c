/* test_message_file.c - files become wire form, and the wire form unstuffs to the canonical one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/common/message_file.h"
#include "bench/common/sha256.h"
#include "smtp/data.h"

static void assert_wire(struct bytes content, struct bytes wire)
{
	struct message_files files = {0};
	struct data_unstuffing unstuffing = {0};
	uint8_t plain[256];
	char hex[SHA256_HEX_BYTES];

	assert_true(message_files_add(&files, "x", content));
	const struct message_file *file = &files.file[0];
	assert_int_equal(file->wire_bytes, wire.len);
	assert_memory_equal(file->wire, wire.data, wire.len);
	size_t len = data_unstuff(&unstuffing,
	                          bytes_slice(wire, 0, wire.len - DATA_TERMINATOR_BYTES), plain);
	assert_int_equal(file->canonical_bytes, len);
	sha256_hex(bytes_of(plain, len), hex);
	assert_string_equal(file->sha256, hex);
	message_files_free(&files);
}

static void test_line_ends(void **state)
{
	(void)state;
	assert_wire(BYTES("a\nb\r\nc"), BYTES("a\r\nb\r\nc\r\n.\r\n"));
	assert_wire(BYTES("\n\r\n"), BYTES("\r\n\r\n.\r\n"));
	assert_wire(BYTES("a\rb\r\r\nc\r"), BYTES("a\rb\r\r\nc\r\r\n.\r\n"));
	assert_wire(BYTES(""), BYTES(".\r\n"));
	assert_wire(BYTES("a\0b\n"), BYTES("a\0b\r\n.\r\n"));
}

static void test_dots(void **state)
{
	(void)state;
	assert_wire(BYTES(".\n..\n.a\na.\n\r.\n"), BYTES("..\r\n...\r\n..a\r\na.\r\n\r.\r\n.\r\n"));
	assert_wire(BYTES("."), BYTES("..\r\n.\r\n"));
}

static void test_mbox_line(void **state)
{
	(void)state;
	assert_wire(BYTES("From a@b Sat\nSubject: x\n"), BYTES("Subject: x\r\n.\r\n"));
	assert_wire(BYTES("From: a@b\nFrom x\n"), BYTES("From: a@b\r\nFrom x\r\n.\r\n"));
	assert_wire(BYTES("From only"), BYTES(".\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_line_ends),
	    cmocka_unit_test(test_dots),
	    cmocka_unit_test(test_mbox_line),
	};

	return cmocka_run_group_tests_name("message_file", tests, NULL, NULL);
}
