/* checksum.c - the Internet checksum, RFC 1071.
 *
 * Sums are kept in the byte order of memory: ones' complement addition does not care (RFC
 * 1071 2.B), so nothing is swapped. Pieces of one sum must have even length, all but the last.
 * Octets are taken as words of 32 bits into sums of 64, two words a vector: no carry can be lost,
 * so none is looked for (measured: summing 1.5 times, copying twice as fast as with carries added
 * back at once).
 */
#include <string.h>

#include "base/check.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/wire.h"

typedef uint64_t word_pair __attribute__((vector_size(16)));

static inline word_pair load_pair(const uint8_t *from)
{
	word_pair pair;

	memcpy(&pair, from, sizeof(pair));
	return pair;
}

/* The words of 32 bits in `pair`, added up by halves. */
static inline word_pair halves(word_pair pair)
{
	const word_pair low = {UINT32_MAX, UINT32_MAX};

	return (pair & low) + (pair >> 32);
}

static inline uint64_t load64(const uint8_t *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	return (word & UINT32_MAX) + (word >> 32);
}

static inline uint64_t load32(const uint8_t *from)
{
	uint32_t word;

	memcpy(&word, from, sizeof(word));
	return word;
}

/* The last `bytes` < 8 octets as words, zeros behind them. Headers end here: their lengths are
 * multiples of four. */
static inline uint64_t load_tail(const uint8_t *from, size_t bytes)
{
	uint64_t sum = 0;

	if (bytes & 4) {
		sum += load32(from);
		from += 4;
	}
	if (bytes & 2)
		sum += (uint64_t)from[0] | (uint64_t)from[1] << 8;
	if (bytes & 1)
		sum += (uint64_t)from[bytes & 2];
	return sum;
}

/* 64 bits to 32, carries included. */
static inline uint32_t fold64(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return (uint32_t)((sum & UINT32_MAX) + (sum >> 32));
}

uint32_t checksum_add(uint32_t sum, const void *data, size_t bytes)
{
	const uint8_t *from = data;
	word_pair a = {sum, 0}, b = {0, 0};

	for (; bytes >= 32; bytes -= 32, from += 32) {
		a += halves(load_pair(from));
		b += halves(load_pair(from + 16));
	}
	a += b;
	uint64_t total = a[0] + a[1];
	for (; bytes >= 8; bytes -= 8, from += 8)
		total += load64(from);
	if (bytes > 0)
		total += load_tail(from, bytes);
	return fold64(total);
}

uint32_t checksum_copy(uint32_t sum, void *to, const void *from, size_t bytes)
{
	const uint8_t *in = from;
	uint8_t *out = to;
	word_pair a = {sum, 0}, b = {0, 0};

	for (; bytes >= 32; bytes -= 32, in += 32, out += 32) {
		word_pair first = load_pair(in), second = load_pair(in + 16);
		memcpy(out, &first, sizeof(first));
		memcpy(out + 16, &second, sizeof(second));
		a += halves(first);
		b += halves(second);
	}
	a += b;
	uint64_t total = a[0] + a[1];
	memcpy(out, in, bytes);
	for (; bytes >= 8; bytes -= 8, in += 8)
		total += load64(in);
	if (bytes > 0)
		total += load_tail(in, bytes);
	return fold64(total);
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
	uint64_t sum = load64((const uint8_t *)&tail);

	static_assert(sizeof(tail) == 8, "one load");
	DEBUG_ASSERT(ip4 == addr_is_ip4(destination));
	sum += load32(source->octet + 12) + load32(destination->octet + 12);
	if (!ip4)
		sum += load64(source->octet) + load32(source->octet + 8) +
		       load64(destination->octet) + load32(destination->octet + 8);
	return fold64(sum);
}
