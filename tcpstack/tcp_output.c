/* tcp_output.c - what a connection sends, and when: RFC 9293 3.8.4 to 3.8.6.
 *
 * The send queue keeps the packets as they were written until they are acknowledged; a segment is a
 * fresh packet with the payload copied in, since not every port can send chains. Nothing here
 * waits: what cannot be sent now (window, congestion, no packet) leaves a deadline behind.
 */
#include "tcpstack/tcp_internal.h"

uint32_t conn_flight(const struct tcp_conn *conn)
{
	const struct tcp_cold *cold = conn_cold(conn);
	const struct tcp_sent *sent = sent_of(conn);

	if (sent != NULL)
		return sent_pipe(conn, sent);
	if (conn->flags & CONN_LOSS)
		return (cold->rexmit_nxt - conn->snd_una) + (conn->snd_nxt - cold->recover);
	return conn->snd_nxt - conn->snd_una;
}

/* Where the right edge may be: what the user allows beyond what it has read, less under memory
 * pressure. */
static uint32_t edge_allowed(const struct tcp_conn *conn)
{
	uint32_t fin = (conn->flags & CONN_PEER_FIN) != 0;
	uint32_t read_to = conn->rcv_nxt - fin - conn->rcv_bytes;
	uint32_t limit = pressure_window(conn, conn->window_limit);

	return read_to + limit + fin;
}

static uint32_t worthwhile(const struct tcp_conn *conn, uint32_t segments)
{
	return max_u32(min_u32(segments * conn->rcv_mss, conn->window_limit / 2), 1);
}

uint16_t conn_take_window(struct tcp_conn *conn)
{
	uint32_t edge = edge_allowed(conn);
	uint32_t window;

	/* Receiver's silly window avoidance: the edge moves by a segment or half the buffer, or not
	 * at all. */
	if (seq_after(edge, conn->rcv_adv) && edge - conn->rcv_adv >= worthwhile(conn, 1))
		conn->rcv_adv = edge;
	window = conn->rcv_adv - conn->rcv_nxt;
	if (conn->state == TCP_STATE_SYN_SENT || conn->state == TCP_STATE_SYN_RECEIVED)
		window = min_u32(window, UINT16_MAX); /* not scaled in a SYN */
	else
		window = min_u32(window >> conn->rcv_scale, UINT16_MAX);
	return (uint16_t)window;
}

bool conn_window_update_due(const struct tcp_conn *conn)
{
	uint32_t edge = edge_allowed(conn);

	if ((conn->state != TCP_STATE_ESTABLISHED && conn->state != TCP_STATE_FIN_WAIT_1 &&
	     conn->state != TCP_STATE_FIN_WAIT_2) ||
	    (conn->flags & CONN_PEER_FIN))
		return false;
	if (!seq_after(edge, conn->rcv_adv))
		return false;
	/* A closed window is opened by less: the peer does nothing but wait for it. */
	if (conn->rcv_adv == conn->rcv_nxt)
		return edge - conn->rcv_adv >= worthwhile(conn, 1);
	return edge - conn->rcv_adv >= worthwhile(conn, 2) &&
	       conn->rcv_adv - conn->rcv_nxt < conn->window_limit / 2;
}

/* What every segment that carries an ACK settles. */
static void note_ack_sent(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);

	if (tcp->dsack_conn == conn->index)
		tcp->dsack_conn = TCP_NONE; /* it went without options */
	conn->last_ack_sent = conn->rcv_nxt;
	conn->flags &= (uint16_t) ~(CONN_ACK_NOW | CONN_ACK_LATER);
	conn->ack_at_ms = 0;
}

/* No packet to send with: the queue stays as it is and is tried again soon. */
static void starved(struct tcp_conn *conn)
{
	conn->ack_at_ms = tcp_deadline_ms(conn_tcp(conn), TCP_STARVED_US);
	conn_arm(conn);
}

static uint32_t copy_payload(struct pkt *to, const struct pkt *from, uint32_t seq, uint32_t len)
{
	uint32_t done = 0;

	ASSERT(len <= pkt_tailroom(to));
	while (from != NULL && !seq_after(from->seq + from->len, seq))
		from = from->next;
	if (from != NULL && from->len - (seq - from->seq) >= len) {
		to->len = (uint16_t)len;
		return checksum_copy(0, to->data, from->data + (seq - from->seq), len);
	}
	for (; done < len; from = from->next) {
		ASSERT(from != NULL); /* the queue holds everything from snd_una to snd_end */
		uint32_t skip = seq + done - from->seq;
		uint32_t part = min_u32(from->len - skip, len - done);

		memcpy(to->data + done, from->data + skip, part);
		done += part;
	}
	to->len = (uint16_t)len;
	return checksum_add(0, to->data, len);
}

/* One segment of an established connection with [seq, seq + len) of the queue; false when there is
 * no packet. */
static bool send_segment(struct tcp_conn *conn, uint32_t seq, uint32_t len, uint8_t flags)
{
	struct net *net = conn_tcp(conn)->net;
	struct pkt *pkt = segment_new(net);
	struct tcp_header_fields fields = {
	    .seq = seq, .ack = conn->rcv_nxt, .flags = flags | TCP_FLAG_ACK};
	uint8_t options[TCP_OPTIONS_BYTES_MAX];
	struct tcp_sack sack[TCP_SACK_BLOCKS_MAX];
	uint32_t sack_count = 0;
	uint32_t sum = 0;
	size_t bytes;

	if (pkt == NULL) {
		starved(conn);
		return false;
	}
	if (len > 0)
		sum = copy_payload(pkt,
		                   seq_before(seq, conn->snd_nxt) || conn->snd_next == NULL
		                       ? conn->snd_head
		                       : conn->snd_next,
		                   seq, len);
	else
		sack_count = reassembly_sack(conn, sack);
	bytes = tcp_options_put(options, (conn->options & OPTION_TIMESTAMPS) != 0,
	                        conn_timestamp(conn), conn->ts_recent, sack, sack_count);
	fields.window = conn_take_window(conn);
	fields.ecn = ecn_output(conn, len > 0 && seq == conn->snd_nxt, &fields.flags);
	note_ack_sent(conn);
	segment_send(net, pkt, &conn_cold(conn)->tuple, &fields, options, bytes, sum);
	return true;
}

static void time_segment(struct tcp_conn *conn, uint32_t end)
{
	if (conn->flags & CONN_RTT_TIMING)
		return;
	conn->flags |= CONN_RTT_TIMING;
	conn->rtt_seq = end;
	conn->rtt_at_us = (uint32_t)conn_tcp(conn)->net->now_us;
}

static void note_retransmitted(struct tcp_conn *conn)
{
	struct tcp_cold *cold = conn_cold(conn);

	if (cold->retransmitted < UINT16_MAX)
		cold->retransmitted++;
	conn_counters(conn)->retransmitted_segments++;
}

static bool send_syn(struct tcp_conn *conn)
{
	struct tcp *tcp = conn_tcp(conn);
	const struct net_config *config = &tcp->net->config;
	struct tcp_cold *cold = conn_cold(conn);
	struct tcp_syn_options syn = {.mss = tcp_mss_for(tcp->net, &cold->tuple.remote.addr),
	                              .window_scale = tcp->rcv_scale,
	                              .ts_val = conn_timestamp(conn),
	                              .ts_ecr = conn->ts_recent};
	struct tcp_header_fields fields = {.seq = cold->iss, .flags = TCP_FLAG_SYN};
	uint8_t options[TCP_OPTIONS_BYTES_MAX];
	struct pkt *pkt = segment_new(tcp->net);

	if (pkt == NULL) {
		starved(conn);
		return false;
	}
	if (conn->state == TCP_STATE_SYN_RECEIVED) {
		fields.flags |= TCP_FLAG_ACK;
		fields.ack = conn->rcv_nxt;
		syn.options = conn->options;
		fields.window = conn_take_window(conn);
		note_ack_sent(conn);
	} else {
		/* The peer has named none yet: peer_mss is what the user allows. */
		syn.mss = (uint16_t)min_u32(syn.mss, cold->peer_mss);
		syn.options = (uint8_t)((config->no_timestamps ? 0 : OPTION_TIMESTAMPS) |
		                        (config->no_sack ? 0 : OPTION_SACK) |
		                        (config->no_window_scale ? 0 : OPTION_WINDOW_SCALE));
		fields.window = (uint16_t)min_u32(conn->window_limit, UINT16_MAX);
	}
	segment_send(tcp->net, pkt, &cold->tuple, &fields, options,
	             tcp_options_put_syn(options, &syn), 0);
	conn->flags &= (uint16_t)~CONN_REXMIT_HEAD;
	if (conn->rexmit_at_ms == 0) {
		time_segment(conn, conn->snd_nxt);
		conn_start_rexmit(conn);
	} else {
		note_retransmitted(conn);
	}
	return true;
}

static uint8_t flags_for(const struct tcp_conn *conn, uint32_t end, bool fin)
{
	uint8_t flags = fin ? TCP_FLAG_FIN : 0;

	/* Pushed at the end of what was written, RFC 9293 3.9.1.2. */
	if (end == conn->snd_end && !(conn->flags & CONN_CORK))
		flags |= TCP_FLAG_PSH;
	return flags;
}

/* Sends again from `seq`, at most one segment and not beyond what was sent; returns octets of
 * sequence space. */
static uint32_t send_again(struct tcp_conn *conn, uint32_t seq, uint32_t max)
{
	bool fin_sent = (conn->flags & CONN_FIN_SENT) != 0;
	uint32_t data_end = conn->snd_nxt - fin_sent;
	uint32_t len = seq_before(seq, data_end) ? min_u32(data_end - seq, max) : 0;
	bool fin = fin_sent && seq + len == data_end;
	uint8_t flags = flags_for(conn, seq + len, fin);

	if (len == 0)
		flags &= (uint8_t)~TCP_FLAG_PSH;
	/* Karn: what is sent again is not timed. */
	conn->flags &= (uint16_t)~CONN_RTT_TIMING;
	if (len + fin == 0 || !send_segment(conn, seq, len, flags))
		return 0;
	note_retransmitted(conn);
	return len + fin;
}

/* RFC 6675 5, rules 1 and (C): the first hole, when the pipe has room. */
static bool send_hole(struct tcp_conn *conn, struct tcp_sent *sent)
{
	uint32_t pipe = sent_pipe(conn, sent);
	struct tcp_sack hole;
	uint32_t len;

	if (sent->frto == 2 || !sent_next_hole(conn, sent, &hole))
		return false;
	len = min_u32(hole.end - hole.start, conn->mss);
	if (pipe > 0 && pipe + len > conn->cwnd)
		return false;
	len = send_again(conn, hole.start, len);
	if (len == 0)
		return false;
	sent_note_again(conn, sent, hole.start, hole.start + len);
	sent->prr_out += len;
	return true;
}

static bool send_lost(struct tcp_conn *conn)
{
	struct tcp_cold *cold = conn_cold(conn);
	struct tcp_sent *scoreboard = sent_of(conn);
	uint32_t sent;

	if (scoreboard != NULL && !(conn->flags & CONN_REXMIT_HEAD))
		return send_hole(conn, scoreboard);

	if (conn->flags & CONN_REXMIT_HEAD) {
		if (conn->snd_una == conn->snd_nxt ||
		    send_again(conn, conn->snd_una, conn->mss) > 0) {
			conn->flags &= (uint16_t)~CONN_REXMIT_HEAD;
			return true;
		}
		return false;
	}
	if (!(conn->flags & CONN_LOSS) || !seq_before(cold->rexmit_nxt, cold->recover))
		return false;
	if (conn_flight(conn) >= conn->cwnd)
		return false;
	sent = send_again(conn, cold->rexmit_nxt, conn->mss);
	cold->rexmit_nxt += sent;
	return sent > 0;
}

/* RFC 9293 3.7.4: the end of what was written waits while anything is unacknowledged; as everybody
 * has it since draft-minshall-nagle, anything small: one such segment a round trip. */
static bool nagle_holds(const struct tcp_conn *conn)
{
	uint32_t small = conn_cold(conn)->snd_small;

	return (conn->options & OPTION_NAGLE) && !(conn->flags & CONN_FIN_QUEUED) &&
	       seq_after(small, conn->snd_una) && !seq_after(small, conn->snd_nxt);
}

/* How much new data may go now, RFC 9293 3.8.6.2.1. */
static uint32_t new_data_len(const struct tcp_conn *conn, uint32_t window, bool force)
{
	uint32_t queued = conn->snd_end - conn->snd_nxt;
	uint32_t len = min_u32(min_u32(queued, window), conn->mss);

	if (len == conn->mss ||
	    (len == queued && !(conn->flags & CONN_CORK) && !nagle_holds(conn)) || force)
		return len;
	if (len < queued && len > 0 && len >= conn_cold(conn)->snd_wnd_max / 2)
		return len; /* the peer's whole buffer is small */
	return 0;
}

/* Segments are not kept, only where they began: tcp_info() counts them. */
static void note_start(struct pkt *pkt, uint32_t seq)
{
	size_t at = (size_t)(pkt->data - pkt->buffer) + (seq - pkt->seq);

	pkt->starts |= 1ull << (at / PKT_START_BYTES & 63);
}

static void note_new(struct tcp_conn *conn, uint32_t span)
{
	struct tcp_sent *sent = sent_of(conn);

	conn->snd_nxt += span;
	if (sent == NULL)
		return;
	sent->prr_out += span;
	sent_mark(conn, sent);
}

/* What is lost goes before what is new. */
static bool holes_first(const struct tcp_conn *conn)
{
	const struct tcp_cold *cold = conn_cold(conn);
	const struct tcp_sent *sent = sent_of(conn);
	struct tcp_sack hole;

	if (sent != NULL)
		return sent->frto != 2 && sent_next_hole(conn, sent, &hole);
	return (conn->flags & CONN_LOSS) && seq_before(cold->rexmit_nxt, cold->recover);
}

bool conn_has_new(const struct tcp_conn *conn)
{
	return seq_after(conn->snd_end, conn->snd_nxt) && !(conn->flags & CONN_FIN_SENT) &&
	       seq_after(conn->snd_una + conn->snd_wnd, conn->snd_nxt);
}

static bool send_new(struct tcp_conn *conn, bool force)
{
	uint32_t edge = conn->snd_una + conn->snd_wnd;
	uint32_t window = seq_after(edge, conn->snd_nxt) ? edge - conn->snd_nxt : 0;
	uint32_t flight = conn_flight(conn);
	uint32_t len;
	bool fin;

	if (conn->flags & CONN_FIN_SENT)
		return false;
	if (holes_first(conn))
		return false;
	if (conn->snd_una == conn->snd_nxt)
		congestion_idle(conn);
	len = new_data_len(conn, window, force);
	if (!force && flight > 0 && flight + len > congestion_window(conn))
		return false;
	fin = (conn->flags & CONN_FIN_QUEUED) && conn->snd_nxt + len == conn->snd_end &&
	      len < window;
	if (len == 0 && !fin)
		return false;
	uint8_t flags = flags_for(conn, conn->snd_nxt + len, fin);
	if (len == 0)
		flags &= (uint8_t)~TCP_FLAG_PSH;
	if (conn->flags & CONN_ACK_LATER)
		conn_cold(conn)->quick_acks = 0; /* a dialogue: our answers carry the ACKs */
	if (!send_segment(conn, conn->snd_nxt, len, flags))
		return false;

	if (len > 0 && conn->snd_next != NULL)
		note_start(conn->snd_next, conn->snd_nxt);
	note_new(conn, len + fin);
	if (len > 0 && len < conn->mss)
		conn_cold(conn)->snd_small = conn->snd_nxt;
	if (fin)
		conn->flags |= CONN_FIN_SENT;
	while (conn->snd_next != NULL &&
	       !seq_after(conn->snd_next->seq + conn->snd_next->len, conn->snd_nxt))
		conn->snd_next = conn->snd_next->next;
	time_segment(conn, conn->snd_nxt);
	if (conn->flags & CONN_PERSIST) {
		conn->flags &= (uint16_t)~CONN_PERSIST;
		conn->rexmit_at_ms = 0;
		conn->backoff = 0;
	}
	if (conn->rexmit_at_ms == 0)
		conn_start_rexmit(conn);
	return true;
}

/* Something waits, nothing is in flight to bring an ACK: the window must be probed, RFC
 * 9293 3.8.6.1. What the user holds back goes when the timer fires as well, in 200 ms at the
 * earliest: "more" is a hope, not a promise. */
static void consider_persist(struct tcp_conn *conn)
{
	bool fin_waits = (conn->flags & CONN_FIN_QUEUED) && !(conn->flags & CONN_FIN_SENT);
	uint32_t queued = conn->snd_end - conn->snd_nxt;

	if (conn->snd_una != conn->snd_nxt || (queued == 0 && !fin_waits) || conn->ack_at_ms != 0)
		return;
	if (conn->flags & CONN_PERSIST)
		return;
	conn->flags |= CONN_PERSIST;
	conn->backoff = 0;
	conn_cold(conn)->retries = 0;
	/* Counted from the last progress: a window that opens and shuts again does not begin anew.
	 */
	if (conn_cold(conn)->persist_since_s == 0)
		conn_cold(conn)->persist_since_s = max_u32(tcp_now_s(conn_tcp(conn)), 1) &
		                                   UINT16_MAX;
	conn_start_rexmit(conn);
}

static bool state_sends(const struct tcp_conn *conn)
{
	static const uint8_t flags_of[] = {
#define STATE(name, number, flags, help) [number] = (flags),
#include "tcpstack/tcp_states.def"
#undef STATE
	};

	return (flags_of[conn->state] & STATE_SENDS) != 0;
}

void conn_output(struct tcp_conn *conn, size_t segments_max)
{
	size_t sent = 0;

	if (conn->state == TCP_STATE_CLOSED)
		return;
	if (conn->state == TCP_STATE_SYN_SENT || conn->state == TCP_STATE_SYN_RECEIVED) {
		if (conn->flags & CONN_REXMIT_HEAD)
			send_syn(conn);
		else if ((conn->flags & CONN_ACK_NOW) && conn->state == TCP_STATE_SYN_RECEIVED)
			send_segment(conn, conn->snd_nxt, 0, 0);
		return;
	}
	if (state_sends(conn)) {
		while (sent < segments_max && (send_lost(conn) || send_new(conn, false)))
			sent++;
		if (sent > 0)
			rack_arm(conn);
		if (sent == segments_max)
			conn_mark_dirty(conn);
	}
	if (conn->flags & CONN_ACK_NOW)
		conn_send_ack(conn);
	/* Last: the ACK may have taken away the deadline that would have brought us back. */
	if (state_sends(conn))
		consider_persist(conn);
}

void tcp_output_all(struct net *net, size_t max)
{
	struct tcp *tcp = net->tcp;
	uint32_t last = tcp->dirty.tail;
	struct tcp_conn *conn;

	tcp->clock_us = net->now_us;
	pressure_make_packets(tcp);
	/* Once round: who still has to send afterwards has marked itself behind `last`. */
	while (net->output.count < max && (conn = conn_pop_dirty(tcp)) != NULL) {
		uint32_t index = conn->index;

		if (conn->state == TCP_STATE_CLOSED)
			conn_release(conn);
		else
			conn_output(conn, max - net->output.count);
		if (index == last)
			break;
	}
}

void conn_send_ack(struct tcp_conn *conn)
{
	send_segment(conn, conn->snd_nxt, 0, 0);
}

void conn_send_reset(struct tcp_conn *conn)
{
	struct net *net = conn_tcp(conn)->net;
	struct tcp_header_fields fields = {
	    .seq = conn->snd_nxt, .ack = conn->rcv_nxt, .flags = TCP_FLAG_RST | TCP_FLAG_ACK};
	uint8_t options[TCP_OPTIONS_BYTES_MAX];
	struct pkt *pkt = segment_new(net);
	size_t bytes;

	if (pkt == NULL)
		return;
	/* RFC 7323 3.2: a reset should bear a timestamp as well. */
	bytes = tcp_options_put(options, (conn->options & OPTION_TIMESTAMPS) != 0,
	                        conn_timestamp(conn), conn->ts_recent, NULL, 0);
	segment_send(net, pkt, &conn_cold(conn)->tuple, &fields, options, bytes, 0);
}

bool conn_send_tail(struct tcp_conn *conn, struct tcp_sent *sent)
{
	uint32_t bytes = min_u32(conn->snd_nxt - conn->snd_una, conn->mss);
	uint32_t again;

	if (send_new(conn, true))
		return false;
	again = send_again(conn, conn->snd_nxt - bytes, conn->mss);
	if (again > 0)
		sent_note_again(conn, sent, conn->snd_nxt - bytes, conn->snd_nxt - bytes + again);
	return true;
}

/* Linux's form: an old sequence number without data, which every TCP answers with its window. */
void conn_send_keepalive(struct tcp_conn *conn)
{
	send_segment(conn, conn->snd_una - 1, 0, 0);
}

void conn_send_probe(struct tcp_conn *conn)
{
	/* A window that is open, but too small to be worth a segment: by now it is (the override
	 * of 3.8.6.2.1). */
	if (send_new(conn, true))
		return;
	conn_counters(conn)->window_probes++;
	conn_send_keepalive(conn);
}
