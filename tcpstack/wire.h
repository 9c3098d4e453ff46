/* wire.h - what the protocols below (and including) TCP look like on the wire.
 *
 * Every field is octets, so a header may lie at any address and is read through its own type
 * without a copy. Rule of use: check the length once, then accessors cannot fail.
 */
#ifndef TCPSTACK_WIRE_H
#define TCPSTACK_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/addr.h"

struct be16 {
	uint8_t octet[2];
};

struct be32 {
	uint8_t octet[4];
};

static inline uint16_t be16_get(struct be16 value)
{
	return (uint16_t)(value.octet[0] << 8 | value.octet[1]);
}

static inline struct be16 be16_of(uint16_t host)
{
	return (struct be16){{(uint8_t)(host >> 8), (uint8_t)host}};
}

static inline uint32_t be32_get(struct be32 value)
{
	uint32_t network;

	memcpy(&network, value.octet, sizeof(network));
	return __builtin_bswap32(network);
}

static inline struct be32 be32_of(uint32_t host)
{
	struct be32 value;
	uint32_t network = __builtin_bswap32(host);

	memcpy(value.octet, &network, sizeof(network));
	return value;
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "be32 swaps; a big-endian host would not");

/* Ethernet II and IEEE 802.1Q. */
#define MAC_BYTES      6
#define ETHERTYPE_IP4  0x0800
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_IP6  0x86dd
#define ETHERTYPE_MIN  0x0600 /* below: an IEEE 802.3 length */
#define VLAN_ID_MASK   0x0fff

struct eth_header {
	uint8_t destination[MAC_BYTES];
	uint8_t source[MAC_BYTES];
	struct be16 type;
};
static_assert(sizeof(struct eth_header) == 14, "IEEE 802.3");

struct vlan_header { /* follows the type that announces it */
	struct be16 tag;
	struct be16 type;
};
static_assert(sizeof(struct vlan_header) == 4, "IEEE 802.1Q");

/* RFC 826 for IPv4 over Ethernet. */
#define ARP_HARDWARE_ETHERNET 1
#define ARP_REQUEST           1
#define ARP_REPLY             2

struct arp_header {
	struct be16 hardware, protocol;
	uint8_t hardware_bytes, protocol_bytes;
	struct be16 operation;
	uint8_t sender_mac[MAC_BYTES];
	struct be32 sender_ip;
	uint8_t target_mac[MAC_BYTES];
	struct be32 target_ip;
};
static_assert(sizeof(struct arp_header) == 28, "RFC 826");

/* RFC 791. */
#define IP4_DONT_FRAGMENT  0x4000
#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET_MASK    0x1fff

#define IP_PROTOCOL_HOP_BY_HOP  0
#define IP_PROTOCOL_ICMP4       1
#define IP_PROTOCOL_TCP         6
#define IP_PROTOCOL_UDP         17
#define IP_PROTOCOL_ROUTING     43
#define IP_PROTOCOL_FRAGMENT    44
#define IP_PROTOCOL_ICMP6       58
#define IP_PROTOCOL_NONE        59
#define IP_PROTOCOL_DESTINATION 60

struct ip4_header {
	uint8_t version_ihl;
	uint8_t tos;
	struct be16 total_bytes;
	struct be16 id;
	struct be16 fragment; /* flags and offset */
	uint8_t ttl;
	uint8_t protocol;
	struct be16 checksum;
	struct be32 source;
	struct be32 destination;
};
static_assert(sizeof(struct ip4_header) == 20, "RFC 791");

/* RFC 8200. */
#define IP6_MTU_MIN 1280
struct ip6_header {
	struct be32 version_class_flow;
	struct be16 payload_bytes;
	uint8_t next_header;
	uint8_t hop_limit;
	uint8_t source[16];
	uint8_t destination[16];
};
static_assert(sizeof(struct ip6_header) == 40, "RFC 8200");

struct ip6_extension {
	uint8_t next_header;
	uint8_t length; /* in 8 octets, not counting the first 8 */
	uint8_t rest[6];
};
static_assert(sizeof(struct ip6_extension) == 8, "RFC 8200");

struct ip6_fragment {
	uint8_t next_header;
	uint8_t reserved;
	struct be16 offset_more;
	struct be32 id;
};
static_assert(sizeof(struct ip6_fragment) == 8, "RFC 8200 4.5");

/* RFC 792, RFC 4443: the same eight octets. */
struct icmp_header {
	uint8_t type;
	uint8_t code;
	struct be16 checksum;
	struct be32 rest; /* id and sequence, MTU, pointer or unused */
};
static_assert(sizeof(struct icmp_header) == 8, "RFC 792");

#define ICMP4_ECHO_REPLY        0
#define ICMP4_UNREACHABLE       3
#define ICMP4_ECHO              8
#define ICMP4_TIME_EXCEEDED     11
#define ICMP4_PARAMETER_PROBLEM 12
#define ICMP4_CODE_PROTOCOL     2
#define ICMP4_CODE_PORT         3
#define ICMP4_CODE_TOO_BIG      4

#define ICMP6_UNREACHABLE            1
#define ICMP6_TOO_BIG                2
#define ICMP6_TIME_EXCEEDED          3
#define ICMP6_PARAMETER_PROBLEM      4
#define ICMP6_ECHO                   128
#define ICMP6_ECHO_REPLY             129
#define ICMP6_LISTENER_QUERY         130
#define ICMP6_ROUTER_SOLICITATION    133
#define ICMP6_ROUTER_ADVERTISEMENT   134
#define ICMP6_NEIGHBOUR_SOLICITATION 135
#define ICMP6_NEIGHBOUR_ADVERT       136
#define ICMP6_REDIRECT               137
#define ICMP6_LISTENER_REPORT        143
#define ICMP6_CODE_PORT              4
#define ICMP6_CODE_FIELD             0 /* of PARAMETER_PROBLEM */
#define ICMP6_CODE_NEXT_HEADER       1
#define ICMP6_CODE_OPTION            2
#define ICMP6_CODE_CHAIN             3 /* RFC 7112 5 */

/* RFC 4861 4.3 and 4.4: solicitation and advertisement; options follow. */
#define ND_FLAG_SOLICITED     0x40000000u
#define ND_FLAG_OVERRIDE      0x20000000u
#define ND_OPTION_SOURCE_LINK 1
#define ND_OPTION_TARGET_LINK 2
#define ND_HOP_LIMIT          255

struct nd_header {
	uint8_t type;
	uint8_t code;
	struct be16 checksum;
	struct be32 flags;
	uint8_t target[16];
};
static_assert(sizeof(struct nd_header) == 24, "RFC 4861 4.3");

struct nd_link_option {
	uint8_t type;
	uint8_t length; /* in 8 octets: 1 */
	uint8_t mac[MAC_BYTES];
};
static_assert(sizeof(struct nd_link_option) == 8, "RFC 4861 4.6.1");

/* RFC 768. */
struct udp_header {
	struct be16 source, destination, bytes, checksum;
};
static_assert(sizeof(struct udp_header) == 8, "RFC 768");

/* RFC 9293 3.1. */
#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_PSH 0x08
#define TCP_FLAG_ACK 0x10
#define TCP_FLAG_URG 0x20
#define TCP_FLAG_ECE 0x40
#define TCP_FLAG_CWR 0x80

struct tcp_header {
	struct be16 source, destination;
	struct be32 seq, ack;
	uint8_t offset; /* header length in 4 octets, in the upper four bits */
	uint8_t flags;
	struct be16 window, checksum, urgent;
};
static_assert(sizeof(struct tcp_header) == 20, "RFC 9293 3.1");

/* struct addr keeps IPv4 as ::ffff:a.b.c.d in network order: no conversion but a copy. */
static inline struct addr addr_of_ip4(struct be32 ip4)
{
	struct addr addr = {{[10] = 0xff, [11] = 0xff}};

	memcpy(addr.octet + 12, ip4.octet, 4);
	return addr;
}

static inline struct be32 addr_to_ip4(const struct addr *addr)
{
	struct be32 ip4;

	memcpy(ip4.octet, addr->octet + 12, 4);
	return ip4;
}

static inline struct addr addr_of_ip6(const uint8_t ip6[16])
{
	struct addr addr;

	memcpy(addr.octet, ip6, 16);
	return addr;
}

#endif
