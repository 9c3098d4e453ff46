/* addr.c - addresses, networks and endpoints as text and back. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/check.h"

#define IP4_PREFIX_BITS 96

static const uint8_t ip4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct addr addr_from_ip4(uint32_t host_order)
{
	uint32_t network_order = htonl(host_order);
	struct addr addr;

	memcpy(addr.octet, ip4_prefix, sizeof(ip4_prefix));
	memcpy(addr.octet + sizeof(ip4_prefix), &network_order, sizeof(network_order));
	return addr;
}

uint32_t addr_ip4(const struct addr *addr)
{
	uint32_t network_order;

	ASSERT(addr_is_ip4(addr));
	memcpy(&network_order, addr->octet + sizeof(ip4_prefix), sizeof(network_order));
	return ntohl(network_order);
}

bool addr_is_unspecified(const struct addr *addr)
{
	static const struct addr any6;

	return addr_equal(addr, &any6) || (addr_is_ip4(addr) && addr_ip4(addr) == 0);
}

enum err addr_parse(struct bytes text, struct addr *out_addr)
{
	char terminated[ADDR_TEXT_MAX];
	struct addr addr;
	uint32_t network_order;

	if (text.len == 0 || text.len >= sizeof(terminated) || bytes_find(text, '\0') < text.len)
		return ERR_ADDRESS;
	memcpy(terminated, text.data, text.len);
	terminated[text.len] = '\0';

	if (inet_pton(AF_INET, terminated, &network_order) == 1)
		addr = addr_from_ip4(ntohl(network_order));
	else if (inet_pton(AF_INET6, terminated, addr.octet) != 1)
		return ERR_ADDRESS;
	*out_addr = addr;
	return OK;
}

static bool host_bits_are_zero(const struct prefix *prefix)
{
	for (unsigned bit = prefix->bits; bit < 128; bit++)
		if (prefix->addr.octet[bit / 8] & 0x80 >> bit % 8)
			return false;
	return true;
}

enum err prefix_parse(struct bytes text, bool host_bits_allowed, struct prefix *out_prefix)
{
	size_t slash = bytes_find(text, '/');
	bool ip6_notation = bytes_find(text, ':') < text.len;
	struct prefix prefix = {.bits = 128};

	enum err err = addr_parse(bytes_slice(text, 0, slash), &prefix.addr);
	if (err != OK)
		return err;
	if (slash < text.len) {
		struct bytes digits = bytes_slice(text, slash + 1, text.len);
		uint64_t bits;
		if (!bytes_to_u64(digits, ip6_notation ? 128 : 32, &bits))
			return ERR_ADDRESS;
		if (digits.len > 1 && digits.data[0] == '0') /* "/08": octal or a slip? */
			return ERR_ADDRESS;
		prefix.bits = (uint8_t)(bits + (ip6_notation ? 0 : IP4_PREFIX_BITS));
	}
	if (!host_bits_allowed && !host_bits_are_zero(&prefix))
		return ERR_ADDRESS;
	*out_prefix = prefix;
	return OK;
}

bool prefix_contains(const struct prefix *prefix, const struct addr *addr)
{
	size_t whole = prefix->bits / 8;
	unsigned rest = prefix->bits % 8;

	ASSERT(prefix->bits <= 128);
	if (memcmp(prefix->addr.octet, addr->octet, whole) != 0)
		return false;
	return rest == 0 || (prefix->addr.octet[whole] ^ addr->octet[whole]) >> (8 - rest) == 0;
}

char *addr_format(const struct addr *addr, char out[ADDR_TEXT_MAX])
{
	const char *text = addr_is_ip4(addr) ? inet_ntop(AF_INET, addr->octet + sizeof(ip4_prefix),
	                                                 out, ADDR_TEXT_MAX)
	                                     : inet_ntop(AF_INET6, addr->octet, out, ADDR_TEXT_MAX);

	ASSERT(text != NULL);
	return out;
}

char *endpoint_format(const struct endpoint *endpoint, char out[ENDPOINT_TEXT_MAX])
{
	char text[ADDR_TEXT_MAX];
	const char *format = addr_is_ip4(&endpoint->addr) ? "%s:%u" : "[%s]:%u";

	snprintf(out, ENDPOINT_TEXT_MAX, format, addr_format(&endpoint->addr, text),
	         endpoint->port);
	return out;
}
