/* test_hash.c - SipHash vectors and the checksum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

/* Key 00 01 .. 0f, message 00 01 .. of each length: appendix A of the paper and the authors'
 * reference. */
static const struct hash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};
static uint8_t message[64];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
}

static void hash64_gives_the_vectors_of_the_paper(void **state)
{
	(void)state;
	fill();
	assert_true(hash64(&key, message, 0) == 0x726fdb47dd0e0e31u);
	assert_true(hash64(&key, message, 1) == 0x74f839c593dc67fdu);
	assert_true(hash64(&key, message, 8) == 0x93f5f5799a932462u);
	assert_true(hash64(&key, message, 15) == 0xa129ca6149be45e5u);
	assert_true(hash64(&key, message, 63) == 0x958a324ceb064572u);
}

static void hash128_gives_the_vectors_of_the_reference(void **state)
{
	struct hash128 hash;

	(void)state;
	fill();
	hash = hash128(&key, message, 0);
	assert_true(hash.lo == 0xe6a825ba047f81a3u && hash.hi == 0x930255c71472f66du);
	hash = hash128(&key, message, 1);
	assert_true(hash.lo == 0x44af996bd8c187dau && hash.hi == 0x45fc229b11597634u);
	hash = hash128(&key, message, 15);
	assert_true(hash.lo == 0x11a8b03399e99354u && hash.hi == 0xd9c3cf970fec087eu);
}

static void hashing_does_not_depend_on_alignment(void **state)
{
	uint8_t shifted[80];

	(void)state;
	fill();
	for (size_t shift = 0; shift < 8; shift++) {
		memcpy(shifted + shift, message, 64);
		assert_true(hash64(&key, shifted + shift, 64) == hash64(&key, message, 64));
		assert_true(hash_checksum(shifted + shift, 64) == hash_checksum(message, 64));
	}
}

static void the_checksum_sees_every_single_bit_and_every_length(void **state)
{
	static uint8_t octets[200];

	(void)state;
	for (size_t bytes = 0; bytes <= sizeof(octets); bytes++) {
		uint64_t sum = hash_checksum(octets, bytes);
		if (bytes > 0)
			assert_true(sum != hash_checksum(octets, bytes - 1));
		for (size_t bit = 0; bit < bytes * 8; bit++) {
			octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_true(hash_checksum(octets, bytes) != sum);
			octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

/* The top bit of two words of one lane: what a plain multiply would not carry anywhere. */
static void the_checksum_sees_top_bits_that_would_cancel(void **state)
{
	static uint8_t octets[128];
	uint64_t sum = hash_checksum(octets, sizeof(octets));

	(void)state;
	octets[7] ^= 0x80;
	octets[39] ^= 0x80;
	assert_true(hash_checksum(octets, sizeof(octets)) != sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hash64_gives_the_vectors_of_the_paper),
	    cmocka_unit_test(hash128_gives_the_vectors_of_the_reference),
	    cmocka_unit_test(hashing_does_not_depend_on_alignment),
	    cmocka_unit_test(the_checksum_sees_every_single_bit_and_every_length),
	    cmocka_unit_test(the_checksum_sees_top_bits_that_would_cancel),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
