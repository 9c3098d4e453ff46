/* tcp_internal.h - what the files of TCP share: the connection, the tables, who may call what.
 *
 * A connection is a slot: a hot half of two cache lines and a cold half of two, in parallel arrays.
 * Everything refers to it by index (32 bits); index 0 is none. An idle connection holds no packet.
 * Sequence numbers are RFC 9293's (snd_una, snd_nxt, rcv_nxt); snd_nxt never moves back, what is
 * sent again is tracked by rexmit_nxt.
 */
#ifndef TCPSTACK_TCP_INTERNAL_H
#define TCPSTACK_TCP_INTERNAL_H

#include <assert.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/pool.h"
#include "base/timer.h"
#include "tcpstack/net_internal.h"
#include "tcpstack/tcp.h"

/* Numbers as in Linux's tcp_states.h, which harnesses compare. */
enum tcp_state {
#define STATE(name, number, flags, help) TCP_STATE_##name = number,
#include "tcpstack/tcp_states.def"
#undef STATE
};

enum tcp_state_flags {
	STATE_SENDS = 1 << 0,    /* data of ours may leave */
	STATE_RECEIVES = 1 << 1, /* the peer's data is wanted */
	STATE_WRITES = 1 << 2,   /* the user may write */
};

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_PSH 0x08
#define TCP_FLAG_ACK 0x10
#define TCP_FLAG_ECE 0x40
#define TCP_FLAG_CWR 0x80

#define TCP_HEADER_BYTES        20
#define TCP_OPTIONS_BYTES_MAX   40
#define TCP_TIMESTAMP_BYTES     12
#define TCP_SACK_BLOCKS_MAX     4
#define TCP_WINDOW_SCALE_MAX    14 /* RFC 7323 2.3 */
#define TCP_WINDOW_SCALE_NONE   0xff
#define TCP_MSS_DEFAULT_IP4     536 /* RFC 9293 3.7.1 */
#define TCP_MSS_DEFAULT_IP6     1220
#define TCP_MSS_FLOOR           88   /* below it a peer would make us send headers only */
#define TCP_FLIGHT_SEGMENTS_MAX 1024 /* tiny ones cost more than their octets */
#define TCP_MTU_FLOOR_IP4       552  /* a Packet Too Big is not believed below it */
#define TCP_MTU_FLOOR_IP6       1280
#define TCP_SYN_RETRIES         5       /* of a SYN-ACK */
#define TCP_SYN_RETRIES_ACTIVE  7       /* R2 of three minutes and more, RFC 9293 3.8.3 */
#define TCP_ORPHAN_RETRIES      8       /* as Linux: four minutes after a timeout of a second */
#define TCP_RTO_FALLBACK_US     3000000 /* RFC 6298 5.7 */
#define TCP_DUPACKS             3
#define TCP_QUICK_ACKS          16 /* segments acknowledged at once before the peer's manner is known */
#define TCP_PERSIST_S           300      /* a window closed for that long ends the connection */
#define TCP_RTT_ECHO_MS_MAX     300000   /* an echoed time older than that is none */
#define TCP_FIN_WAIT_US         60000000 /* FIN-WAIT-2 after the user has gone */
#define TCP_STARVED_US          5000     /* no packet to send with: try again */
#define TCP_CHALLENGE_US \
	500000 /* per connection: at most one ACK for unacceptable segments in that time */
#define TCP_SMALL_SEGMENT_BYTES 256 /* below it octets are copied into the packet before */
#define TCP_REASSEMBLY_PKTS_MIN 64  /* kept out of order whatever the window is */
#define TCP_REASSEMBLY_PKT_BYTES \
	(PKT_DATA_BYTES / 2)       /* of window for each one more: half a buffer may be empty */
#define TCP_PAWS_TICKS           1 /* of the peer's clock that a segment may be older */
#define TCP_PAWS_IDLE_MS         2073600000u /* 24 days, RFC 7323 5.5 */
#define TCP_PORT_FIRST           32768
#define TCP_PORT_LAST            60999
#define TCP_WINDOW_PRESSED_BYTES 16384 /* when slots run short */
#define TCP_BYTES_MASK           ((1ull << 48) - 1)
#define TCP_POOL_MASK            ((1u << 24) - 1)
#define TCP_NONE                 0u /* no connection, no entry */

static_assert(TCP_SMALL_SEGMENT_BYTES < PKT_DATA_BYTES / 2,
              "a small segment must be worth copying");

static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline uint32_t seq_later(uint32_t a, uint32_t b)
{
	return seq_after(a, b) ? a : b;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

struct tcp_tuple {
	struct endpoint local, remote;
};
static_assert(sizeof(struct tcp_tuple) == 36, "hashed and compared as octets: no padding");

enum tcp_conn_flags {
	CONN_DIRTY = 1 << 0,        /* on the dirty list: has something to send */
	CONN_READY = 1 << 1,        /* on the ready list */
	CONN_ACK_NOW = 1 << 2,      /* owes an ACK this turn */
	CONN_ACK_LATER = 1 << 3,    /* owes an ACK by ack_at_ms */
	CONN_FIN_QUEUED = 1 << 4,   /* our FIN follows what is queued */
	CONN_FIN_SENT = 1 << 5,     /* and has been sent: snd_nxt is snd_end + 1 */
	CONN_PEER_FIN = 1 << 6,     /* the peer's FIN came in order: rcv_nxt is behind it */
	CONN_ORPHAN = 1 << 7,       /* the user has gone */
	CONN_CORK = 1 << 8,         /* the user said more follows */
	CONN_TABLED = 1 << 9,       /* in the connection table */
	CONN_RECOVERY = 1 << 10,    /* RFC 6582 fast recovery until `recover` */
	CONN_LOSS = 1 << 11,        /* after an RTO: [rexmit_nxt, recover) is to be sent again */
	CONN_REXMIT_HEAD = 1 << 12, /* send the first unacknowledged segment again, at once */
	CONN_RTT_TIMING = 1 << 13,  /* rtt_seq and rtt_at_us are valid */
	CONN_PERSIST = 1 << 14,     /* rexmit_at_ms is the zero window probe's */
	CONN_PROBE = 1 << 15        /* rexmit_at_ms is the tail loss probe's, RFC 8985 7 */
};

enum tcp_conn_options {
	OPTION_TIMESTAMPS = 1 << 0,
	OPTION_SACK = 1 << 1,
	OPTION_WINDOW_SCALE = 1 << 2,
	OPTION_IP4 = 1 << 3,
	OPTION_NAGLE = 1 << 4,       /* the user's wish, not the peer's */
	OPTION_ECN = 1 << 5,         /* RFC 3168 was agreed on */
	OPTION_ECN_ECHO = 1 << 6,    /* congestion is echoed until the peer says CWR */
	OPTION_ECN_REDUCED = 1 << 7, /* CWR goes with the next new data */
};

/* The half every segment touches. */
struct tcp_conn {
	/* Receiving and acknowledging. */
	uint32_t index; /* of this slot */
	uint8_t state, options;
	uint16_t flags;
	uint32_t rcv_nxt, rcv_adv; /* rcv_adv: right edge of the window the peer was shown */
	uint32_t snd_una, snd_nxt;
	uint32_t snd_wnd, snd_wl1; /* scaled; the segment of the last window update */
	uint32_t ts_recent, last_ack_sent;
	uint16_t mss, rcv_mss; /* payload we send at most; largest the peer sends */
	uint32_t window_limit;
	struct pkt *rcv_head, *rcv_tail; /* in order, unread */
	/* Sending and timers. */
	struct pkt *snd_head,
	    *snd_next;      /* from snd_una on; the packet that snd_nxt lies in, NULL at the end */
	uint32_t snd_end;   /* behind the last octet written */
	uint32_t rcv_bytes; /* unread */
	uint32_t cwnd;
	uint32_t srtt_us8, rttvar_us4; /* times 8, times 4 */
	uint32_t rtt_seq, rtt_at_us;
	uint32_t rexmit_at_ms, ack_at_ms, armed_at_ms; /* 0: none */
	uint32_t dirty_next;                           /* also the free list */
	uint8_t snd_scale : 4, rcv_scale : 4;
	uint8_t news, dupacks, backoff;
};
static_assert(sizeof(struct tcp_conn) == 128, "two cache lines");
static_assert(offsetof(struct tcp_conn, snd_head) == 64,
              "receiving does not touch the second line's sending half");

/* The other half: opening, closing, trouble, sending's addresses. */
struct tcp_cold {
	struct tcp_tuple tuple;
	uint32_t ready_next;
	union {
		void *user;
		struct {
			uint32_t prev, next;
		} orphan; /* when the user has gone */
	};
	struct pkt *snd_tail;
	uint64_t received_bytes : 48, peer_mss : 16;
	uint64_t acked_bytes : 48, path_mtu : 16;
	uint32_t ssthresh, recover, rexmit_nxt;
	uint32_t iss;
	uint32_t snd_wnd_max;
	uint32_t ts_offset;
	uint32_t listener_tag;
	uint32_t snd_small; /* behind the last segment sent that was not full, RFC 1122 4.2.3.4 */
	uint64_t recovery : 24;        /* index + 1 into tcp->recoveries, 0: none */
	uint64_t sent : 24;            /* index + 1 into tcp->sents, 0: none */
	uint64_t persist_since_s : 16; /* 0: not waiting for a window */
	uint16_t retransmitted;        /* stops at its greatest */
	uint16_t opened_s;
	uint32_t challenge_at_ms, received_at_ms;
	uint8_t error, soft_error;
	uint8_t retries : 6, counted : 1 /* in the sketch of prefixes */, active : 1;
	uint8_t quick_acks : 6, reduced : 1 /* for congestion that was echoed */, reads_no_more : 1;
};
static_assert(sizeof(struct tcp_cold) == 128, "two cache lines");

/* A run of sequence numbers. */
struct tcp_sack {
	uint32_t start, end;
};

/* Only while segments are missing. */
struct tcp_recovery {
	struct pkt *head; /* out of order, sorted by seq, disjoint */
	struct pkt *tail;
	uint32_t count, bytes;
	struct tcp_sack recent[TCP_SACK_BLOCKS_MAX]; /* blocks, newest first; RFC 2018 4 */
	uint32_t recent_count;
	uint32_t fin_seq; /* of a FIN that came out of order */
	bool has_fin;
};

#define TCP_SACKED_MAX  64
#define TCP_AGAIN_MAX   32
#define TCP_MARKS_MAX   16
#define TCP_ROUND_MARKS (TCP_MARKS_MAX / 2) /* of each round, and two rounds overlap */

/* Octets sent a second time, on their way. */
struct tcp_again {
	uint32_t start, end;
	uint32_t sent_us;
	uint32_t nxt; /* snd_nxt when they left: what lies beyond was sent later */
};

/* When new data left: the first segment of each of the first bursts of a round. */
struct tcp_mark {
	uint32_t end, at_us;
};

/* Of the sending side, only while there is loss (RFC 6675, RFC 8985) or much is sent: from the
 * first block of a SACK, timeout or tail probe, or the first growth of the window, until nothing is
 * in flight and nothing waits. */
struct tcp_sent {
	struct tcp_sack sacked[TCP_SACKED_MAX]; /* sorted, disjoint, above snd_una */
	struct tcp_again again[TCP_AGAIN_MAX];  /* sorted, disjoint, not yet delivered */
	uint32_t sacked_count, again_count;
	uint32_t lost_end;      /* what is below, not SACKed and not in `again` is lost */
	uint32_t reorder_at_ms; /* RACK's timer, 0: none; then what is below reorder_seq is lost */
	uint32_t reorder_seq;
	uint32_t dsack_round;
	uint32_t prr_delivered, prr_out, prr_flight; /* RFC 6937 */
	uint32_t undo_cwnd, undo_ssthresh, undo_ts;  /* before the reduction; undo_cwnd 0: none */
	uint32_t undo_again, undo_duplicates;        /* segments sent again; D-SACKs seen */
	uint32_t probe_end, probe_ts;                /* tail probe out until snd_una is there */
	uint32_t rack_us; /* when the last of `again` to have arrived was sent */
	uint32_t cubic_max, cubic_origin, cubic_k_ms, cubic_epoch_ms, cubic_reno; /* RFC 9438 */
	struct tcp_mark marks[TCP_MARKS_MAX]; /* in flight, oldest first */
	uint32_t marks_count;
	uint32_t rtt_min_us;                            /* least of this burst's, 0: none yet */
	uint32_t round_end;                             /* HyStart++, RFC 9406 4.2 */
	uint32_t round_rtt_us, last_rtt_us, css_rtt_us; /* least of each, 0: none */
	uint32_t round_at_us, train_at_us;              /* its first ACK; the last close behind */
	uint8_t round_marks, round_samples, css_rounds; /* css_rounds 0: plain slow start */
	uint8_t frto;     /* RFC 5682: 1 after the timeout, 2 new data is out to tell */
	bool probe_again; /* the probe was a segment sent before */
	bool has_probe, has_rack;
	bool reordering;      /* has been seen: time alone tells what is lost */
	bool has_dsack_round; /* before snd_una is at dsack_round no D-SACK widens the window */
	uint8_t reorder_quarters, reorder_persist; /* more than one quarter of a round trip, for so
	                                              many recoveries: RFC 8985 6.2 step 4 */
	bool cubic_running;                        /* the epoch's values are valid */
};

/* What one acknowledgment tells. */
struct tcp_delivery {
	uint32_t flight;        /* before it */
	uint32_t acked, sacked; /* octets acknowledged; octets newly SACKed above snd_una */
	uint32_t delivered;     /* newly known to have arrived, by either */
	uint32_t original;      /* of them never sent again */
	bool duplicate;         /* a D-SACK came: something arrived twice */
	bool reordered;         /* something never sent again arrived after what was sent later */
};

/* Slot 0 of the hot array. */
struct tcp_slab {
	struct tcp *tcp;
	uint8_t unused[120];
};
static_assert(sizeof(struct tcp_slab) == sizeof(struct tcp_conn),
              "it takes the place of connection 0");

struct tcp_list {
	uint32_t head, tail;
};

struct tcp_listener {
	struct endpoint local;
	uint32_t tag;
	uint16_t mss; /* UINT16_MAX: whatever the path takes */
};

#define TCP_BUCKET_SLOTS 10

struct tcp_bucket {
	uint16_t tag[TCP_BUCKET_SLOTS]; /* 0: empty */
	uint32_t overflow;              /* bucket, 0: none */
	uint32_t index[TCP_BUCKET_SLOTS];
};
static_assert(sizeof(struct tcp_bucket) == 64, "one cache line");

struct tcp_table {
	struct tcp_bucket *buckets; /* mask + 1 of them, then the overflow buckets */
	uint32_t mask;
	uint32_t bucket_count;
	uint32_t overflow_free; /* list through `overflow`; 0: none left */
};

/* A handshake we answered: SYN-RECEIVED without a connection. */
struct tcp_syn_entry {
	struct tcp_tuple tuple;
	uint32_t iss, irs;
	uint32_t ts_recent, ts_offset;
	uint32_t deadline_ms;
	uint32_t sent_at_us; /* of the first SYN-ACK, for the first RTT */
	uint32_t hash_next, next, prev;
	uint32_t listener_tag;
	uint16_t peer_mss;
	uint8_t options;
	uint8_t snd_scale : 4, sent_count : 4; /* SYN-ACKs; also which list it is on */
};
static_assert(sizeof(struct tcp_syn_entry) == 80, "a flood pays for nothing but this");

struct tcp_syn_cache {
	struct tcp_syn_entry *entries; /* 1-based */
	uint32_t *heads;               /* hash chains */
	uint32_t mask, count, free_head, used;
	struct tcp_list
	    by_tries[TCP_SYN_RETRIES + 1]; /* equal delays: each list is in order of deadline */
	uint64_t cookies_until_us; /* cookies sent until then are still good: else none is tested */
};

/* What was seen lately, by a tag each: a bucket is a line, the newest first. */
#define TCP_SEEN_TAGS 16
struct tcp_seen_bucket {
	uint32_t tag[TCP_SEEN_TAGS]; /* 0: none */
};
static_assert(sizeof(struct tcp_seen_bucket) == 64, "one cache line");

struct tcp_seen {
	struct tcp_seen_bucket *buckets; /* NULL: nothing is remembered */
	uint32_t mask;
};

struct tcp_time_wait {
	struct tcp_tuple tuple;
	uint32_t rcv_nxt, snd_nxt;
	uint32_t ts_recent, expires_ms;
	uint32_t hash_next, fifo_next;
	uint32_t before : 26;    /* in its hash chain: an entry, or the chain itself */
	uint32_t is_first : 1;   /* the latter */
	uint32_t timestamps : 1; /* were agreed on */
	uint32_t dead : 1;       /* out of its hash chain */
	uint32_t restarted : 1;  /* its 2 MSL began again after it was queued */
};
static_assert(sizeof(struct tcp_time_wait) == 64, "one cache line");
#define TCP_TIME_WAIT_MAX (1u << 26)

struct tcp_time_wait_table {
	struct tcp_time_wait *entries; /* 1-based */
	uint32_t *heads;
	uint32_t mask, count, free_head, used;
	struct tcp_list fifo;
};

/* A received segment, parsed. `pkt` belongs to tcp_input(); who keeps it sets it to NULL. */
struct tcp_options {
	uint32_t ts_val, ts_ecr;
	uint16_t mss; /* 0: none */
	uint8_t window_scale;
	bool has_timestamps, sack_permitted;
	uint8_t sack_count;
	struct tcp_sack sack[TCP_SACK_BLOCKS_MAX];
};

struct tcp_segment {
	struct tcp_tuple tuple;
	uint64_t hash;
	uint32_t seq, ack;
	uint32_t len;    /* payload */
	uint16_t window; /* as in the header */
	uint8_t flags;
	uint8_t ecn;          /* of its IP header */
	bool after_time_wait; /* a SYN that takes over a tuple on which `sent_before` was the end */
	uint32_t sent_before;
	struct tcp_options options;
	struct pkt *pkt;
};

#define TCP_USER_BYTES  192 /* what a user keeps of a connection, about */
#define TCP_WAITING_MAX 16  /* segments taken apart before the first of them is looked up */

struct tcp {
	struct net *net;
	struct tcp_conn *conns; /* [0] is the slab */
	struct tcp_cold *colds;
	uint32_t conns_max, conn_count;
	uint32_t free_head;
	struct tcp_table table;
	struct tcp_syn_cache syn_cache;
	struct tcp_seen seen;  /* SYNs that got no state */
	struct tcp_seen known; /* sources whose connections were accepted */
	struct tcp_time_wait_table time_wait;
	struct timer_wheel
	    *timers;       /* handle = connection; 0 = SYN cache; conns_max + 1 = TIME-WAIT */
	uint64_t clock_us; /* the last time at which something was done */
	struct tcp_segment waiting[TCP_WAITING_MAX]; /* of this burst */
	uint32_t waiting_count;
	struct tcp_list dirty, ready, ready_now;
	struct tcp_list orphans; /* in the order they were let go; the table still has them */
	uint32_t orphan_count;
	bool ready_open; /* ready_now is being walked */
	struct pool recoveries, sents;
	uint32_t reassembly_pkts;           /* out of order, over all connections */
	uint32_t clock_hand, evicted_at_ms; /* tcp_pressure.c */
	uint32_t *prefixes, prefix_mask;    /* two rows; NULL: no limit */
	struct tcp_sack dsack;              /* what came twice, RFC 2883, */
	uint32_t dsack_conn;                /* to be told in this connection's next ACK; TCP_NONE */
	struct tcp_listener listeners[LISTENERS_MAX];
	uint32_t listener_count;
	uint32_t port_counter;
	uint8_t rcv_scale; /* by config.receive_window_bytes */
};

static inline struct tcp *conn_tcp(const struct tcp_conn *conn)
{
	return ((const struct tcp_slab *)(const void *)(conn - conn->index))->tcp;
}

static inline struct tcp_cold *conn_cold(const struct tcp_conn *conn)
{
	return &conn_tcp(conn)->colds[conn->index];
}

static inline struct tcp_counters *conn_counters(const struct tcp_conn *conn)
{
	return conn_tcp(conn)->net->tcp_counters;
}

static inline uint32_t tcp_now_ms(const struct tcp *tcp)
{
	return (uint32_t)(tcp->net->now_us / 1000);
}

static inline uint16_t tcp_now_s(const struct tcp *tcp)
{
	return (uint16_t)(tcp->net->now_us / 1000000);
}

/* How long ago a time of tcp_now_s() was, as long as that is less than 18 hours. */
static inline uint32_t tcp_since_s(const struct tcp *tcp, uint32_t then_s)
{
	return (uint16_t)(tcp_now_s(tcp) - then_s);
}

/* A deadline `delay_us` from now in ms, never early and never 0. */
static inline uint32_t tcp_deadline_ms(const struct tcp *tcp, uint64_t delay_us)
{
	uint32_t at = (uint32_t)((tcp->net->now_us + delay_us + 999) / 1000);

	return at != 0 ? at : 1;
}

/* Octets of sequence space. */
static inline uint32_t segment_span(const struct tcp_segment *segment)
{
	return segment->len + ((segment->flags & TCP_FLAG_SYN) != 0) +
	       ((segment->flags & TCP_FLAG_FIN) != 0);
}

/* tcp_conn.c: slots, lists, ends. */
/* `hash` is of the tuple. The caller sets iss and ts_offset, which it may know already. */
struct tcp_conn *conn_new(struct tcp *tcp, const struct tcp_tuple *tuple, uint64_t hash);
void conn_mark_dirty(struct tcp_conn *conn);
void conn_add_news(struct tcp_conn *conn, uint8_t news);
/* Ends the connection without a word to the peer; the user (if any) hears FAILED unless `err` is
 * OK. */
void conn_end(struct tcp_conn *conn, enum err err);
/* The slot goes back when nobody refers to it any more. */
/* The user goes, the protocol has something left to do. */
void conn_add_orphan(struct tcp_conn *conn);
void conn_release(struct tcp_conn *conn);
void conn_enter_time_wait(struct tcp_conn *conn);
struct tcp_conn *conn_pop_dirty(struct tcp *tcp);
struct tcp_conn *conn_pop_ready(struct tcp *tcp);
/* A full segment is lost time and again: perhaps no router says why (RFC 2923 2.1). */
void conn_suspect_path_mtu(struct tcp_conn *conn);
/* Sets mss by what the peer and the path take. */
void conn_set_mss(struct tcp_conn *conn);
/* OPTION_* that both the peer's SYN and our configuration want. */
uint8_t tcp_agreed_options(const struct net *net, const struct tcp_options *peer);
/* The peer's MSS, by option or default, within our floor. */
uint16_t tcp_peer_mss(const struct addr *remote, const struct tcp_options *peer);
/* What the SYNs settled; mss, scales and congestion control follow from it. */
void conn_settle(struct tcp_conn *conn, uint8_t options, uint8_t peer_scale, uint16_t peer_mss);
uint16_t tcp_mss_for(const struct net *net, const struct addr *remote);
/* After the handshake: its SYN (or SYN-ACK) had been sent that many times more than once. */
void conn_syn_resent(struct tcp_conn *conn, uint32_t resent_count);
uint64_t tcp_tuple_hash(const struct net *net, const struct tcp_tuple *tuple);
uint32_t tcp_initial_seq(const struct net *net, const struct tcp_tuple *tuple);
/* Of our timestamps towards that address: unguessable, and growing from connection to connection.
 */
uint32_t tcp_timestamp_offset(const struct net *net, const struct tcp_tuple *tuple);
uint32_t conn_timestamp(const struct tcp_conn *conn);

/* tcp_table.c */
/* Starts to bring what tcp_table_find() will read into the cache: first the bucket, and once that
 * is there, the connection it leads to. */
void tcp_table_prefetch(const struct tcp_table *table, uint64_t hash);
void tcp_table_prefetch_conn(const struct tcp *tcp, uint64_t hash);
bool tcp_table_init(struct tcp_table *table, struct arena *arena, uint32_t conns_max);
size_t tcp_table_bytes(uint32_t conns_max);
bool tcp_table_add(struct tcp_table *table, uint64_t hash, uint32_t index);
void tcp_table_remove(struct tcp_table *table, uint64_t hash, uint32_t index);
struct tcp_conn *tcp_table_find(const struct tcp *tcp, uint64_t hash,
                                const struct tcp_tuple *tuple);

/* tcp_options.c */
void tcp_options_parse(const uint8_t *from, size_t bytes, struct tcp_options *out_options);
/* What a SYN or SYN-ACK says. ts_* only with OPTION_TIMESTAMPS in `options`. */
struct tcp_syn_options {
	uint16_t mss;
	uint8_t options, window_scale;
	uint32_t ts_val, ts_ecr;
};
/* Both write at most TCP_OPTIONS_BYTES_MAX and return how many octets, a multiple of 4. */
size_t tcp_options_put_syn(uint8_t *to, const struct tcp_syn_options *syn);
size_t tcp_options_put(uint8_t *to, bool timestamps, uint32_t ts_val, uint32_t ts_ecr,
                       const struct tcp_sack *sack, uint32_t sack_count);

/* tcp_segment.c: building and sending single segments. */
struct tcp_header_fields {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	uint8_t ecn; /* for the IP header */
};
/* An empty packet with room for all headers in front; NULL (counted) when the pool is empty. */
struct pkt *segment_new(struct net *net);
/* Puts the header in front of the payload (whose sum is `payload_sum`), completes the checksum,
 * sends. */
void segment_send(struct net *net, struct pkt *pkt, const struct tcp_tuple *tuple,
                  const struct tcp_header_fields *fields, const uint8_t *options,
                  size_t options_bytes, uint32_t payload_sum);
/* RFC 9293 3.10.7.1: the reset that answers a segment nobody wants. */
void segment_reset(struct net *net, const struct tcp_segment *segment);
/* The same where nobody is known: not while we are behind. */
void segment_reset_stranger(struct net *net, const struct tcp_segment *segment);
/* A pure ACK without a connection (SYN cache, TIME-WAIT). */
void segment_ack(struct net *net, const struct tcp_tuple *tuple,
                 const struct tcp_header_fields *fields, bool timestamps, uint32_t ts_recent);

/* tcp_seen.c */
size_t seen_bytes(uint32_t syn_count);
bool seen_init(struct tcp *tcp, struct arena *arena, uint32_t syn_count);
/* Has this SYN come before, as far as is remembered? It has from now on. */
bool seen_note(struct tcp *tcp, const struct tcp_segment *syn);
/* Has a connection of this source been accepted lately? */
bool source_is_known(const struct tcp *tcp, const struct addr *source);
void source_note(struct tcp *tcp, const struct addr *source);

/* tcp_syn.c */
bool syn_cache_init(struct tcp *tcp, struct arena *arena, uint32_t count);
size_t syn_cache_bytes(uint32_t count);
void syn_input_listen(struct tcp *tcp, const struct tcp_segment *segment, uint32_t listener_tag);
/* Handles a segment of a handshake in progress (or a cookie's ACK). True when it is dealt with;
 * *out_conn is the connection that came of it, for which the segment still has to be processed, or
 * NULL. */
bool syn_input(struct tcp *tcp, const struct tcp_segment *segment, bool listening,
               uint32_t listener_tag, struct tcp_conn **out_conn);
void syn_timer(struct tcp *tcp);

/* tcp_time_wait.c */
bool time_wait_init(struct tcp *tcp, struct arena *arena, uint32_t count);
size_t time_wait_bytes(uint32_t count);
/* `hash` is of the connection's tuple. The first two fetch what the third will touch: the one, and
 * a while later the other. */
void time_wait_prefetch(const struct tcp *tcp, uint64_t hash);
void time_wait_prefetch_chain(const struct tcp *tcp, uint64_t hash);
void time_wait_add(struct tcp *tcp, const struct tcp_conn *conn, uint64_t hash);
/* True when a segment is dealt with; false: it is none of TIME-WAIT's, or a SYN that may start
 * over. */
bool time_wait_input(struct tcp *tcp, struct tcp_segment *segment);
/* True when that tuple may not be used for a new connection yet. */
bool time_wait_blocks(struct tcp *tcp, const struct tcp_tuple *tuple, uint64_t hash);
void time_wait_timer(struct tcp *tcp);

/* tcp_input.c, tcp_ack.c */
void conn_input(struct tcp_conn *conn, struct tcp_segment *segment);
/* RFC 9293 3.10.7.4 fifth. False: the segment is to be dropped (the connection may be gone). */
bool conn_input_ack(struct tcp_conn *conn, const struct tcp_segment *segment);
bool conn_ack_is_acceptable(const struct tcp_conn *conn, const struct tcp_segment *segment);
/* Owes the peer an ACK for something unacceptable, RFC 5961 7: limited per connection. */
void conn_challenge(struct tcp_conn *conn);

/* tcp_reassembly.c */
/* Takes segment->pkt when it keeps it. */
void reassembly_add(struct tcp_conn *conn, struct tcp_segment *segment);
/* Moves what has become in order to the receive chain; true when the FIN behind it has been
 * reached. */
bool reassembly_drain(struct tcp_conn *conn);
void reassembly_free(struct tcp_conn *conn);
uint32_t reassembly_sack(const struct tcp_conn *conn,
                         struct tcp_sack out_sack[TCP_SACK_BLOCKS_MAX]);
/* Appends in-order payload to the receive chain, by copy when it is small. Takes pkt. */
void receive_append(struct tcp_conn *conn, struct pkt *pkt);

/* A duplicate to tell of, RFC 2883. */
void dsack_note(struct tcp_conn *conn, uint32_t start, uint32_t end);

/* tcp_output.c */
void conn_output(struct tcp_conn *conn, size_t segments_max);
/* The window to show, RFC 9293 3.8.6.2.2; moves rcv_adv. */
uint16_t conn_take_window(struct tcp_conn *conn);
/* Would an ACK now open the window enough to be worth sending? */
bool conn_window_update_due(const struct tcp_conn *conn);
/* At once, beside those of the turn. */
void conn_send_ack(struct tcp_conn *conn);
void conn_send_reset(struct tcp_conn *conn);
void conn_send_probe(struct tcp_conn *conn);
void conn_send_keepalive(struct tcp_conn *conn);
uint32_t conn_flight(const struct tcp_conn *conn);
/* A tail loss probe: new data if there is some, else the last segment again. True when it was the
 * latter. */
bool conn_send_tail(struct tcp_conn *conn, struct tcp_sent *sent);
/* Something is queued that the peer's window takes. */
bool conn_has_new(const struct tcp_conn *conn);

/* tcp_sack.c: what is known of octets in flight, RFC 6675. */
struct tcp_sent *sent_of(const struct tcp_conn *conn); /* NULL: no loss known */
struct tcp_sent *sent_get(struct tcp_conn *conn);      /* NULL when the pool is empty */
void sent_free(struct tcp_conn *conn);
/* Takes in what `segment` acknowledges and SACKs; before snd_una moves. */
void sent_take(struct tcp_conn *conn, const struct tcp_segment *segment,
               struct tcp_delivery *out_delivery);
/* A block of `segment` lies in what is in flight. */
bool sent_is_told(const struct tcp_conn *conn, const struct tcp_segment *segment);
uint32_t sent_pipe(const struct tcp_conn *conn, const struct tcp_sent *sent);
/* The lowest run that is lost and not on its way again. */
bool sent_next_hole(const struct tcp_conn *conn, const struct tcp_sent *sent,
                    struct tcp_sack *out_hole);
void sent_note_again(struct tcp_conn *conn, struct tcp_sent *sent, uint32_t start, uint32_t end);
/* Everything in flight is lost. */
void sent_lose_all(struct tcp_conn *conn, struct tcp_sent *sent);
/* What was sent again is lost once more when something sent later has arrived and `wait_us` have
 * passed. `out_left_us`: until the next is; UINT32_MAX: none. */
void sent_lose_late(const struct tcp_conn *conn, struct tcp_sent *sent, uint32_t wait_us,
                    uint32_t *out_left_us);
/* Behind the last octet SACKed; snd_una when none is. */
uint32_t sent_high(const struct tcp_conn *conn, const struct tcp_sent *sent);
/* Octets below it neither SACKed nor lost. */
uint32_t sent_gap(const struct tcp_conn *conn, const struct tcp_sent *sent);
/* [.., snd_nxt) has just been sent for the first time. */
void sent_mark(const struct tcp_conn *conn, struct tcp_sent *sent);
/* The round trip in us that snd_una, which has just moved, tells of; 0: none. */
uint32_t sent_take_marks(const struct tcp_conn *conn, struct tcp_sent *sent);

/* tcp_rack.c: what is lost, RFC 8985; when it was not, RFC 5682 and RFC 4015. */
/* Marks what is lost by now; true when something is lost and not on its way again. */
bool rack_detect(struct tcp_conn *conn, struct tcp_sent *sent);
void rack_reorder_due(struct tcp_conn *conn);
/* Arms RACK's timer, or a tail probe instead of the timeout. */
void rack_arm(struct tcp_conn *conn);
/* False: there is no memory for a probe. */
bool rack_probe_fired(struct tcp_conn *conn);
/* A recovery is over: what D-SACKs taught wears off. */
void rack_recovered(struct tcp_sent *sent);
/* What an ACK says of the tail probe, and whether the last reduction was wrong: then it is taken
 * back. */
void rack_judge(struct tcp_conn *conn, struct tcp_sent *sent, const struct tcp_segment *segment,
                const struct tcp_delivery *delivery);

/* tcp_timer.c */
void conn_arm(struct tcp_conn *conn); /* puts the earliest deadline into the wheel, lazily */
void conn_start_rexmit(struct tcp_conn *conn);
void tcp_arm_handle(struct tcp *tcp, uint32_t handle, uint32_t deadline_ms);
uint64_t tcp_ms_to_us(const struct tcp *tcp, uint32_t at_ms);

/* tcp_rtt.c, RFC 6298 */
void rtt_sample(struct tcp_conn *conn, uint32_t rtt_us);
uint32_t rtt_rto_us(const struct tcp_conn *conn);     /* without back-off */
uint32_t rtt_timeout_us(const struct tcp_conn *conn); /* with it */

/* tcp_pressure.c */
/* What of `limit` the receive window may be. */
uint32_t pressure_window(const struct tcp_conn *conn, uint32_t limit);
bool pressure_wants_cookies(const struct tcp *tcp);
bool pressure_keeps_order(const struct tcp *tcp); /* nothing is kept out of order */
/* Evict what is least useful, when it is time to. */
void pressure_make_slot(struct tcp *tcp);
void pressure_make_packets(struct tcp *tcp);
size_t prefix_sketch_bytes(const struct net_config *config);
bool prefix_sketch_init(struct tcp *tcp, struct arena *arena);
/* As many passive opens of its /24 or /64 are open as may be. */
bool prefix_is_full(const struct tcp *tcp, const struct addr *remote);
void prefix_count(struct tcp_conn *conn);
void prefix_uncount(struct tcp_conn *conn);

/* tcp_ecn.c, RFC 3168 */
bool ecn_is_asked(const struct net *net, const struct tcp_segment *segment); /* by a SYN */
void ecn_input(struct tcp_conn *conn, const struct tcp_segment *segment);
/* Adds ECE and CWR to `flags`; returns the two bits of the IP header. */
uint8_t ecn_output(struct tcp_conn *conn, bool new_data, uint8_t *flags);

/* tcp_cubic.c, RFC 9438 */
/* `window`: what the path was given when it was too much. */
void cubic_reduce(struct tcp_conn *conn, struct tcp_sent *sent, uint32_t window);
uint32_t cubic_increase(struct tcp_conn *conn, struct tcp_sent *sent, uint32_t acked);

/* tcp_hystart.c, RFC 9406 */
/* A sender that has more to say than its window takes a scoreboard along, if there is one to spare.
 */
void hystart_begin(struct tcp_conn *conn);
/* snd_una has moved; may end slow start. */
void hystart_ack(struct tcp_conn *conn, struct tcp_sent *sent);
/* By how much slow start lets the window grow. */
uint32_t hystart_increase(const struct tcp_conn *conn, const struct tcp_sent *sent, uint32_t acked);

/* tcp_congestion.c, RFC 5681, RFC 6582, RFC 6937 */
void congestion_init(struct tcp_conn *conn);
void congestion_ack(struct tcp_conn *conn, uint32_t acked, uint32_t flight_before);
void congestion_dupack(struct tcp_conn *conn);
/* The same with a scoreboard; `flight_before` as above. */
void congestion_sack(struct tcp_conn *conn, struct tcp_sent *sent,
                     const struct tcp_segment *segment, const struct tcp_delivery *delivery,
                     uint32_t flight_before);
void congestion_enter_recovery(struct tcp_conn *conn, struct tcp_sent *sent);
/* A loss that is repaired already: the window shrinks once. */
void congestion_reduce(struct tcp_conn *conn, struct tcp_sent *sent);
void congestion_timeout(struct tcp_conn *conn);
/* Before sending after a pause: a window that was not used wears off, RFC 2861 3. */
void congestion_idle(struct tcp_conn *conn);
/* Octets that may be in flight now, limited transmit (RFC 3042) included. */
uint32_t congestion_window(const struct tcp_conn *conn);

#endif
