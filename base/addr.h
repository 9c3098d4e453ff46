/* addr.h - IP addresses and endpoints. IPv4 is kept as ::ffff:a.b.c.d, so one comparison serves
 * both. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"

struct addr {
	uint8_t octet[16]; /* network order */
};

struct endpoint {
	struct addr addr;
	uint16_t port; /* host order */
};

struct prefix {
	struct addr addr;
	uint8_t bits; /* 0..128; IPv4 /n is 96 + n */
};

#define ADDR_TEXT_MAX     46 /* as INET6_ADDRSTRLEN */
#define ENDPOINT_TEXT_MAX 56

static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a->octet, b->octet, 16) == 0;
}

struct addr addr_from_ip4(uint32_t host_order);
static inline bool addr_is_ip4(const struct addr *addr)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(addr->octet, prefix, sizeof(prefix)) == 0;
}

/* fe80::/10 */
static inline bool addr_is_link_local(const struct addr *addr)
{
	return addr->octet[0] == 0xfe && (addr->octet[1] & 0xc0) == 0x80;
}

/* 127.0.0.0/8 or ::1 */
static inline bool addr_is_loopback(const struct addr *addr)
{
	static const uint8_t ip6[16] = {[15] = 1};

	return addr_is_ip4(addr) ? addr->octet[12] == 127
	                         : memcmp(addr->octet, ip6, sizeof(ip6)) == 0;
}

uint32_t addr_ip4(const struct addr *addr);        /* host order; only for IPv4 */
bool addr_is_unspecified(const struct addr *addr); /* :: or 0.0.0.0 */
MUST_CHECK enum err addr_parse(struct bytes text, struct addr *out_addr);
/* "192.0.2.0/24", "2001:db8::/32" or a bare address; host bits must be zero unless
 * `host_bits_allowed`. */
MUST_CHECK enum err prefix_parse(struct bytes text, bool host_bits_allowed,
                                 struct prefix *out_prefix);
bool prefix_contains(const struct prefix *prefix, const struct addr *addr);
/* NUL-terminated text; returns `out`. */
char *addr_format(const struct addr *addr, char out[ADDR_TEXT_MAX]);
/* "192.0.2.1:25", "[2001:db8::1]:25". */
char *endpoint_format(const struct endpoint *endpoint, char out[ENDPOINT_TEXT_MAX]);

#endif
