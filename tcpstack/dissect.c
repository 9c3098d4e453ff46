/* dissect.c - a frame of others taken apart down to the transport header. */
#include "tcpstack/dissect.h"

#include "base/limits.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/wire.h"

#define ETHERTYPE_QINQ     0x88a8 /* IEEE 802.1ad */
#define ETHERTYPE_QINQ_OLD 0x9100
#define VLAN_ID_BITS       12

static bool is_tag(uint16_t type)
{
	return type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_QINQ_OLD;
}

static enum dissect_result dissect_ip4(struct bytes packet, struct dissect *out)
{
	const struct ip4_header *ip = (const struct ip4_header *)packet.data;

	if (packet.len < sizeof(*ip))
		return DISSECT_SHORT;
	size_t header_bytes = (size_t)(ip->version_ihl & 15) * 4;
	size_t total_bytes = be16_get(ip->total_bytes);
	/* Segmentation offload leaves 0 where the card would write the length of each part. */
	if (total_bytes == 0)
		total_bytes = packet.len;
	if (header_bytes < sizeof(*ip) || total_bytes < header_bytes || total_bytes > packet.len)
		return DISSECT_IP_MALFORMED;
	out->ip = bytes_slice(packet, 0, total_bytes);
	out->transport = bytes_slice(out->ip, header_bytes, total_bytes);
	out->source = addr_of_ip4(ip->source);
	out->destination = addr_of_ip4(ip->destination);
	out->protocol = ip->protocol;
	out->fragmented = (be16_get(ip->fragment) & (IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) != 0;
	out->fragment_at = header_bytes;
	if (checksum_fold(checksum_add(0, ip, header_bytes)) != 0)
		return DISSECT_IP_CHECKSUM_BAD;
	return DISSECT_OK;
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IP_PROTOCOL_HOP_BY_HOP || protocol == IP_PROTOCOL_DESTINATION ||
	       protocol == IP_PROTOCOL_ROUTING || protocol == IP_PROTOCOL_FRAGMENT;
}

/* A routing header with segments left is refused: the destination is then not the one that the
 * transport checksum is made with (RFC 8200 8.1), and no host takes it (RFC 5095). */
static enum dissect_result walk_extensions(struct dissect *out)
{
	size_t at = sizeof(struct ip6_header);
	size_t next_field = offsetof(struct ip6_header, next_header);

	while (is_extension(out->protocol)) {
		struct bytes rest = bytes_slice(out->ip, at, out->ip.len);
		const struct ip6_extension *header = (const struct ip6_extension *)rest.data;
		if (rest.len < sizeof(*header) || out->extension_count == IP6_EXTENSIONS_MAX)
			return DISSECT_EXTENSIONS_BAD;
		size_t bytes = sizeof(*header);
		if (out->protocol == IP_PROTOCOL_FRAGMENT) {
			const struct ip6_fragment *fragment = (const struct ip6_fragment *)header;
			out->fragmented = (be16_get(fragment->offset_more) & 0xfff9) != 0;
			out->fragment_at = at;
			out->fragment_next_field = next_field;
		} else {
			bytes += (size_t)header->length * 8;
		}
		if (out->protocol == IP_PROTOCOL_ROUTING && header->rest[1] != 0)
			return DISSECT_EXTENSIONS_BAD;
		if (rest.len < bytes ||
		    (out->protocol == IP_PROTOCOL_HOP_BY_HOP && out->extension_count > 0))
			return DISSECT_EXTENSIONS_BAD;
		out->protocol = header->next_header;
		out->extension_count++;
		next_field = at;
		at += bytes;
		if (out->fragmented)
			break; /* what follows is a part of something */
	}
	out->transport = bytes_slice(out->ip, at, out->ip.len);
	return DISSECT_OK;
}

static enum dissect_result dissect_ip6(struct bytes packet, struct dissect *out)
{
	const struct ip6_header *ip = (const struct ip6_header *)packet.data;

	if (packet.len < sizeof(*ip))
		return DISSECT_SHORT;
	size_t total_bytes = sizeof(*ip) + be16_get(ip->payload_bytes);
	if (total_bytes > packet.len)
		return DISSECT_IP_MALFORMED;
	out->source = addr_of_ip6(ip->source);
	out->destination = addr_of_ip6(ip->destination);
	/* ::ffff:0:0/96 on a wire would pass for IPv4 (RFC 4038 4.2). */
	if (addr_is_ip4(&out->source) || addr_is_ip4(&out->destination))
		return DISSECT_IP_MALFORMED;
	out->ip = bytes_slice(packet, 0, total_bytes);
	out->protocol = ip->next_header;
	return walk_extensions(out);
}

enum dissect_result dissect_ip(struct bytes packet, struct dissect *out_dissect)
{
	*out_dissect = (struct dissect){.scope = 0};
	if (packet.len == 0)
		return DISSECT_SHORT;
	if (packet.data[0] >> 4 == 4)
		return dissect_ip4(packet, out_dissect);
	if (packet.data[0] >> 4 == 6)
		return dissect_ip6(packet, out_dissect);
	return DISSECT_IP_MALFORMED;
}

enum dissect_result dissect_frame(struct bytes frame, struct dissect *out_dissect)
{
	size_t at = offsetof(struct eth_header, type);
	uint32_t scope = 0;
	uint8_t tag_count = 0;

	*out_dissect = (struct dissect){.scope = 0};
	if (frame.len < sizeof(struct eth_header))
		return DISSECT_SHORT;
	uint16_t type = (uint16_t)(frame.data[at] << 8 | frame.data[at + 1]);
	for (; is_tag(type); tag_count++) {
		if (tag_count == DISSECT_TAGS_MAX)
			return DISSECT_TAGS_TOO_MANY;
		const struct vlan_header *tag = (const struct vlan_header *)(frame.data + at + 2);
		if (frame.len < at + 2 + sizeof(*tag))
			return DISSECT_SHORT;
		scope = scope << VLAN_ID_BITS | (be16_get(tag->tag) & VLAN_ID_MASK);
		type = be16_get(tag->type);
		at += sizeof(*tag);
	}
	if (type != ETHERTYPE_IP4 && type != ETHERTYPE_IP6)
		return DISSECT_NOT_IP;
	enum dissect_result result = dissect_ip(bytes_slice(frame, at + 2, frame.len), out_dissect);
	out_dissect->scope = scope;
	out_dissect->tag_count = tag_count;
	if ((result == DISSECT_OK || result == DISSECT_IP_CHECKSUM_BAD) &&
	    (type == ETHERTYPE_IP4) != (out_dissect->ip.data[0] >> 4 == 4))
		return DISSECT_IP_MALFORMED;
	return result;
}
