/* checksum.c - the Internet checksum, RFC 1071.
 *
 * Sums are kept in the byte order of memory: ones' complement addition does not care (RFC
 * 1071 2.B), so nothing is swapped. Pieces of one sum must have even length, all but the last.
 * Octets are taken eight at a time into two independent chains, each carry added back on the spot.
 */
#include <string.h>

#include "base/check.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/wire.h"

static inline uint64_t load64(const uint8_t *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	return word;
}

static inline uint64_t add_carry(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

/* 64 bits to 32, carries included. */
static inline uint32_t fold64(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return (uint32_t)((sum & UINT32_MAX) + (sum >> 32));
}

/* The last `bytes` < 8 octets as one word, zeros behind them. */
static inline uint64_t load_tail(const uint8_t *from, size_t bytes)
{
	uint64_t word = 0;

	memcpy(&word, from, bytes);
	return word;
}

uint32_t checksum_add(uint32_t sum, const void *data, size_t bytes)
{
	const uint8_t *from = data;
	uint64_t a = sum, b = 0;

	for (; bytes >= 32; bytes -= 32, from += 32) {
		a = add_carry(a, load64(from));
		b = add_carry(b, load64(from + 8));
		a = add_carry(a, load64(from + 16));
		b = add_carry(b, load64(from + 24));
	}
	for (; bytes >= 8; bytes -= 8, from += 8)
		a = add_carry(a, load64(from));
	if (bytes > 0)
		b = add_carry(b, load_tail(from, bytes));
	return fold64(add_carry(a, b));
}

uint32_t checksum_copy(uint32_t sum, void *to, const void *from, size_t bytes)
{
	const uint8_t *in = from;
	uint8_t *out = to;
	uint64_t a = sum, b = 0;

	for (; bytes >= 16; bytes -= 16, in += 16, out += 16) {
		uint64_t first = load64(in), second = load64(in + 8);
		memcpy(out, &first, 8);
		memcpy(out + 8, &second, 8);
		a = add_carry(a, first);
		b = add_carry(b, second);
	}
	if (bytes >= 8) {
		uint64_t word = load64(in);
		memcpy(out, &word, 8);
		a = add_carry(a, word);
		bytes -= 8, in += 8, out += 8;
	}
	if (bytes > 0) {
		uint64_t word = load_tail(in, bytes);
		memcpy(out, in, bytes);
		b = add_carry(b, word);
	}
	return fold64(add_carry(a, b));
}

uint16_t checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t checksum_pseudo(const struct addr *source, const struct addr *destination,
                         uint8_t protocol, uint32_t bytes)
{
	struct {
		struct be32 bytes;
		uint8_t zero[3], protocol;
	} tail = {be32_of(bytes), {0}, protocol};
	/* RFC 9293 and RFC 8200 8.1 differ in layout alone; IPv4 fits 16 bits of length. */
	bool ip4 = addr_is_ip4(source);
	size_t from = ip4 ? 12 : 0;
	uint32_t sum;

	DEBUG_ASSERT(ip4 == addr_is_ip4(destination));
	sum = checksum_add(0, source->octet + from, 16 - from);
	sum = checksum_add(sum, destination->octet + from, 16 - from);
	return checksum_add(sum, &tail, sizeof(tail));
}
