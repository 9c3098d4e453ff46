/* test_net_checksum.c - the Internet checksum against its definition. */
#include "net_fixture.h"

#include "base/random.h"

/* RFC 1071 1, octet by octet. */
static uint16_t by_definition(const uint8_t *data, size_t bytes)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum += (uint32_t)data[i] << (i % 2 == 0 ? 8 : 0);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return __builtin_bswap16((uint16_t)~sum);
}

static void rfc1071_example(void **state)
{
	static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	(void)state;
	assert_int_equal(checksum_fold(checksum_add(0, data, sizeof(data))),
	                 __builtin_bswap16(0x220d));
}

static void every_length_and_alignment(void **state)
{
	uint8_t data[2048 + 16], copy[2048 + 16];
	struct random random;

	(void)state;
	random_seed(&random, 7);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)random_u64(&random);
	for (size_t bytes = 0; bytes <= 2048; bytes += bytes < 100 ? 1 : 37) {
		size_t at = bytes % 16;
		uint16_t expected = by_definition(data + at, bytes);
		assert_int_equal(checksum_fold(checksum_add(0, data + at, bytes)), expected);
		memset(copy, 0xee, sizeof(copy));
		assert_int_equal(checksum_fold(checksum_copy(0, copy + 3, data + at, bytes)),
		                 expected);
		assert_memory_equal(copy + 3, data + at, bytes);
		assert_int_equal(copy[3 + bytes], 0xee);
		assert_int_equal(copy[2], 0xee);
	}
}

static void all_ones_carry(void **state)
{
	uint8_t data[1500];

	(void)state;
	memset(data, 0xff, sizeof(data));
	assert_int_equal(checksum_fold(checksum_add(UINT32_MAX, data, sizeof(data))),
	                 by_definition(data, sizeof(data)));
}

static void pieces_add_up(void **state)
{
	uint8_t data[300];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 3);
	for (size_t cut = 0; cut < sizeof(data); cut += 2) {
		uint32_t sum = checksum_add(0, data, cut);
		sum = checksum_add(sum, data + cut, sizeof(data) - cut);
		assert_int_equal(checksum_fold(sum), by_definition(data, sizeof(data)));
	}
}

static void pseudo_headers(void **state)
{
	struct addr a4 = text_addr("192.0.2.1"), b4 = text_addr("198.51.100.9");
	struct addr a6 = text_addr("2001:db8::1"), b6 = text_addr("fe80::2");
	uint8_t header4[12] = {192, 0, 2, 1, 198, 51, 100, 9, 0, 6, 0x05, 0xdc};
	uint8_t header6[40] = {0};

	(void)state;
	assert_int_equal(checksum_fold(checksum_pseudo(&a4, &b4, 6, 1500)),
	                 by_definition(header4, 12));
	memcpy(header6, a6.octet, 16);
	memcpy(header6 + 16, b6.octet, 16);
	header6[34] = 0x05;
	header6[35] = 0xdc;
	header6[39] = 58;
	assert_int_equal(checksum_fold(checksum_pseudo(&a6, &b6, 58, 1500)),
	                 by_definition(header6, 40));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc1071_example), cmocka_unit_test(every_length_and_alignment),
	    cmocka_unit_test(all_ones_carry),  cmocka_unit_test(pieces_add_up),
	    cmocka_unit_test(pseudo_headers),
	};

	return cmocka_run_group_tests_name("net_checksum", tests, NULL, NULL);
}
