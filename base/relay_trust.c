/* relay_trust.c - networks as rule files write them. */
#include "base/relay_trust.h"

#define IP4_BITS_BEFORE 96 /* ::ffff: */

/* One to four numbers with dots between, perhaps one behind: missing octets are 0, and the network
 * is as long as what is there. */
static bool parse_ip4(struct bytes text, struct prefix *out)
{
	uint32_t value = 0;
	unsigned octets = 0;

	while (text.len > 0) {
		size_t dot = bytes_find(text, '.');
		uint64_t octet;

		if (octets == 4 || dot > 3 || !bytes_to_u64(bytes_slice(text, 0, dot), 255, &octet))
			return false;
		value |= (uint32_t)octet << (24 - 8 * octets++);
		if (octets == 4 && dot < text.len)
			return false;
		text = bytes_slice(text, dot + 1, SIZE_MAX);
	}
	*out = (struct prefix){addr_from_ip4(value), (uint8_t)(IP4_BITS_BEFORE + 8 * octets)};
	return octets > 0;
}

static bool parse_ip6(struct bytes text, struct prefix *out)
{
	text.len = bytes_find(text, '%'); /* the interface */
	*out = (struct prefix){.bits = 128};
	return addr_parse(text, &out->addr) == OK;
}

bool relay_network_parse(struct bytes text, struct relay_network *out_network)
{
	struct prefix prefix;

	out_network->is_excluded = text.len > 0 && text.data[0] == '!';
	if (out_network->is_excluded)
		text = bytes_slice(text, 1, SIZE_MAX);
	size_t slash = bytes_find(text, '/');
	struct bytes addr = bytes_slice(text, 0, slash);
	if (addr.len > 2 && addr.data[0] == '[' && addr.data[addr.len - 1] == ']')
		addr = bytes_slice(addr, 1, addr.len - 2);
	bool is_ip6 = bytes_find(addr, ':') < addr.len;
	if (!(is_ip6 ? parse_ip6(addr, &prefix) : parse_ip4(addr, &prefix)))
		return false;
	if (slash < text.len) {
		uint64_t bits;

		if (!bytes_to_u64(bytes_slice(text, slash + 1, SIZE_MAX), is_ip6 ? 128 : 32, &bits))
			return false;
		prefix.bits = (uint8_t)(bits + (is_ip6 ? 0 : IP4_BITS_BEFORE));
	}
	out_network->prefix = prefix;
	return true;
}

enum err relay_networks_add(struct relay_networks *set, struct bytes text)
{
	if (set->count == RELAY_NETWORKS_MAX)
		return ERR_FULL;
	if (!relay_network_parse(text, &set->item[set->count]))
		return ERR_ADDRESS;
	set->count++;
	return OK;
}

bool relay_networks_contain(const struct relay_networks *set, const struct addr *addr)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (prefix_contains(&set->item[i].prefix, addr))
			return !set->item[i].is_excluded;
	return false;
}
