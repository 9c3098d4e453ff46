/* limits.h - every compile-time maximum, with its unit in its name; run-time limits are in
 * options.def. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <assert.h>

/* Packets. */
#define BURST_PKTS_MAX     32
#define PKT_DATA_BYTES     2048 /* one frame: header room and data */
#define PKT_HEADROOM_BYTES 128  /* in front of what is received or built */

/* Below TCP. */
#define NEIGHBOURS_MAX              1024
#define NEIGHBOURS_UNRESOLVED_MAX   256 /* asked for and silent: what forged senders could fill */
#define NEIGHBOUR_WAITING_PKTS_MAX  4   /* of one neighbour */
#define NEIGHBOURS_WAITING_PKTS_MAX 256
#define NEIGHBOUR_TRIES_MAX         3 /* RFC 4861 10: MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
#define IP6_EXTENSIONS_MAX          8
#define IP6_OPTIONS_MAX             16
#define ND_OPTIONS_MAX              16
#define ICMP_ECHO_PER_S_MAX         1000
#define ICMP_ECHO_BURST_MAX         100
#define ICMP_ERRORS_PER_S_MAX       100
#define ICMP_ERRORS_BURST_MAX       20

/* Fragments (tcpstack/fragment.h). The timeout is far below the 60 s of RFC 8200 4.5: what is not
 * together in that time will be sent again sooner. */
#define FRAGMENT_DATAGRAMS_MAX            64 /* under way at once */
#define FRAGMENT_DATAGRAMS_PER_SOURCE_MAX 8
#define FRAGMENT_DATAGRAM_BYTES_MAX       1792 /* behind the IP header */
#define FRAGMENTS_PER_DATAGRAM_MAX        64
#define FRAGMENT_TIMEOUT_MS               2000

/* SMTP, RFC 5321 4.5.3.1. */
#define SMTP_PATH_BYTES_MAX         256
#define SMTP_LOCAL_PART_BYTES_MAX   64
#define SMTP_DOMAIN_BYTES_MAX       255
#define SMTP_REPLY_LINE_BYTES_MAX   512
#define SMTP_REPLY_LINES_MAX        64
#define SMTP_COMMAND_LINE_BYTES_MAX 2048  /* 512 plus what MAIL and RCPT parameters add */
#define SMTP_AUTH_LINE_BYTES_MAX    12288 /* RFC 4954 4: of a challenge or a response */
#define SMTP_RECIPIENTS_MAX         1000
#define SMTP_ENVELOPE_BYTES_MAX     32768 /* sender and recipients of one transaction */
#define SMTP_RECEIVED_FIELDS_MAX    100   /* RFC 5321 6.3 */

/* Workers and configuration. */
#define WORKERS_MAX        64
#define PORTS_MAX          16
#define PORT_ADDRESSES_MAX 8
#define LISTENERS_MAX      16
#define BACKENDS_MAX       16
#define PATHS_MAX          16
#define CERTIFICATES_MAX   32
#define DOMAINS_MAX        256 /* with a policy of their own */

#define CONFIG_SCORED_LISTS_MAX 64

static_assert(SMTP_ENVELOPE_BYTES_MAX >= 100 * (SMTP_PATH_BYTES_MAX + 16) + SMTP_PATH_BYTES_MAX,
              "RFC 5321 4.5.3.1.8: at least 100 recipients of any legal length fit");

static_assert(FRAGMENT_DATAGRAM_BYTES_MAX >= 1500,
              "RFC 8200 5: a packet of 1500 octets must come together");
static_assert(FRAGMENT_DATAGRAM_BYTES_MAX + 128 <= PKT_DATA_BYTES - PKT_HEADROOM_BYTES,
              "what comes together fits in a packet, headers of up to 128 octets included");

#endif
