/* tcp_input.c - segments in: RFC 9293 3.10.7, its steps numbered, with RFC 5961 and RFC 7323 where
 * they change it. */
#include "tcpstack/tcp_internal.h"

static uint16_t get_u16(const uint8_t *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

static uint32_t get_u32(const uint8_t *from)
{
	return (uint32_t)get_u16(from) << 16 | get_u16(from + 2);
}

/* Takes the header apart; afterwards the packet's data is the payload. False: malformed. */
static bool parse(struct net *net, const struct ip_info *ip, struct pkt *pkt,
                  struct tcp_segment *segment)
{
	const uint8_t *header = pkt->data;
	size_t header_bytes;
	uint32_t sum;

	if (pkt->len < TCP_HEADER_BYTES)
		return false;
	header_bytes = (size_t)(header[12] >> 4) * 4;
	if (header_bytes < TCP_HEADER_BYTES || header_bytes > pkt->len)
		return false;
	sum = checksum_pseudo(&ip->source, &ip->destination, 6, pkt->len);
	if (checksum_fold(checksum_add(sum, pkt->data, pkt->len)) != 0)
		return false;

	segment->tuple.local = (struct endpoint){ip->destination, get_u16(header + 2)};
	segment->tuple.remote = (struct endpoint){ip->source, get_u16(header)};
	segment->hash = tcp_tuple_hash(net, &segment->tuple);
	segment->seq = get_u32(header + 4);
	segment->ack = get_u32(header + 8);
	segment->flags = header[13];
	segment->ecn = ip->tos & 3;
	segment->window = get_u16(header + 14);
	tcp_options_parse(header + TCP_HEADER_BYTES, header_bytes - TCP_HEADER_BYTES,
	                  &segment->options);
	pkt->data += header_bytes;
	pkt->len = (uint16_t)(pkt->len - header_bytes);
	pkt->seq = segment->seq;
	segment->after_time_wait = false;
	segment->len = pkt->len;
	segment->pkt = pkt;
	return true;
}

static bool find_listener(const struct tcp *tcp, const struct endpoint *local, uint32_t *out_tag)
{
	for (uint32_t i = 0; i < tcp->listener_count; i++) {
		const struct tcp_listener *listener = &tcp->listeners[i];

		if (listener->local.port != local->port)
			continue;
		if (addr_equal(&listener->local.addr, &local->addr) ||
		    addr_is_unspecified(&listener->local.addr)) {
			*out_tag = listener->tag;
			return true;
		}
	}
	return false;
}

static bool is_first_syn(const struct tcp_segment *segment)
{
	return (segment->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_FIN)) ==
	       TCP_FLAG_SYN;
}

/* Put together from fragments, it may be another net's. */
static bool is_handed_on(struct tcp *tcp, const struct tcp_segment *segment)
{
	const struct net_config *config = &tcp->net->config;
	struct pkt ip = *segment->pkt;
	struct net_stranger stranger = {.ip = &ip,
	                                .local = segment->tuple.local,
	                                .remote = segment->tuple.remote,
	                                .opens = is_first_syn(segment)};

	if (!(ip.flags & PKT_WHOLE) || (ip.flags & PKT_HANDED) || config->hand_on == NULL)
		return false;
	ip.data = ip.buffer + ip.ip_at;
	ip.len = (uint16_t)(segment->pkt->data + ip.len - ip.data);
	return COUNT_IF(config->hand_on(config->hand_on_context, &stranger),
	                tcp->net->tcp_counters->segments_handed_on);
}

/* 3.10.7.1, 3.10.7.2: no connection has it. */
static void input_strange(struct tcp *tcp, struct tcp_segment *segment)
{
	struct net *net = tcp->net;
	struct tcp_conn *conn = NULL;
	uint32_t tag = 0;
	bool listening;

	if (time_wait_input(tcp, segment))
		return;
	/* Offered to all, so neither a cookie nor worth a reset. */
	if (COUNT_IF((segment->pkt->flags & PKT_HANDED) && !is_first_syn(segment),
	             net->tcp_counters->segments_handed_unknown))
		return;
	listening = find_listener(tcp, &segment->tuple.local, &tag);
	if (syn_input(tcp, segment, listening, tag, &conn)) {
		if (conn != NULL)
			conn_input(conn, segment);
		return;
	}
	if (is_handed_on(tcp, segment) || (segment->flags & TCP_FLAG_RST))
		return;
	if ((segment->flags & TCP_FLAG_ACK) || !listening) {
		segment_reset_stranger(net, segment);
		return;
	}
	if ((segment->flags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) == TCP_FLAG_SYN)
		syn_input_listen(tcp, segment, tag);
}

static void input(struct tcp *tcp, struct tcp_segment *segment)
{
	struct tcp_conn *conn = tcp_table_find(tcp, segment->hash, &segment->tuple);

	if (conn != NULL)
		conn_input(conn, segment);
	else
		input_strange(tcp, segment);
	if (segment->pkt != NULL)
		pkt_put(segment->pkt);
}

void tcp_input(struct net *net, const struct ip_info *ip, struct pkt *pkt)
{
	struct tcp *tcp = net->tcp;
	struct tcp_segment *segment = &tcp->waiting[tcp->waiting_count];

	tcp->clock_us = net->now_us;
	net->tcp_counters->segments_in++;
	if (COUNT_IF(!parse(net, ip, pkt, segment), net->tcp_counters->segments_malformed)) {
		pkt_put(pkt);
		return;
	}
	tcp_table_prefetch(&tcp->table, segment->hash);
	if (segment->flags & TCP_FLAG_FIN) /* may be the end of a connection */
		time_wait_prefetch(tcp, segment->hash);
	if (++tcp->waiting_count == TCP_WAITING_MAX)
		tcp_input_end(net);
}

void tcp_input_end(struct net *net)
{
	struct tcp *tcp = net->tcp;
	uint32_t count = tcp->waiting_count;

	/* With a million connections every one of these lines is far away. */
	for (uint32_t i = 0; i < count; i++) {
		tcp_table_prefetch_conn(tcp, tcp->waiting[i].hash);
		if (tcp->waiting[i].flags & TCP_FLAG_FIN)
			time_wait_prefetch_chain(tcp, tcp->waiting[i].hash);
	}
	tcp->waiting_count = 0;
	for (uint32_t i = 0; i < count; i++)
		input(tcp, &tcp->waiting[i]);
}

static void open_receive(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	conn->rcv_nxt = segment->seq + 1;
	conn->rcv_adv = conn->rcv_nxt + min_u32(conn->window_limit, UINT16_MAX);
	conn->last_ack_sent = conn->rcv_nxt;
	conn->ts_recent = segment->options.has_timestamps ? segment->options.ts_val : 0;
	conn->snd_wnd = segment->window;
	conn->snd_wl1 = segment->seq;
	conn_cold(conn)->snd_wnd_max = segment->window;
	conn_cold(conn)->received_at_ms = tcp_now_ms(conn_tcp(conn));
}

static void become_established(struct tcp_conn *conn)
{
	conn->state = conn->flags & CONN_FIN_QUEUED ? TCP_STATE_FIN_WAIT_1 : TCP_STATE_ESTABLISHED;
	conn_counters(conn)->connections_opened++;
	conn_add_news(conn, TCP_CONNECTED);
	conn_mark_dirty(conn);
}

/* By more than `ticks` of the peer's clock. */
static bool is_stamp_older(const struct tcp_conn *conn, const struct tcp_segment *segment,
                           int32_t ticks)
{
	return (conn->options & OPTION_TIMESTAMPS) && segment->options.has_timestamps &&
	       (int32_t)(segment->options.ts_val - conn->ts_recent) < -ticks &&
	       tcp_now_ms(conn_tcp(conn)) - conn_cold(conn)->received_at_ms < TCP_PAWS_IDLE_MS;
}

/* A duplicate ACK that another overtook may be the one that tells of a loss. As in Linux it is
 * taken when it acknowledges nothing, changes no window, is where the next octet would be, and was
 * sent so lately that its numbers cannot have come round: there is nothing in it to harm us. */
static bool is_overtaken(const struct tcp_conn *conn, const struct tcp_segment *segment)
{
	uint32_t window = (uint32_t)segment->window << conn->snd_scale;
	uint32_t age_ms = conn->ts_recent - segment->options.ts_val;

	return (segment->flags & ~TCP_FLAG_PSH) == TCP_FLAG_ACK && segment->len == 0 &&
	       segment->seq == conn->rcv_nxt && segment->ack == conn->snd_una &&
	       !seq_after(segment->seq, conn->snd_wl1) && window != 0 && window <= conn->snd_wnd &&
	       age_ms <= rtt_timeout_us(conn) / 1000 * 6 / 5;
}

/* RFC 7323 5.3, R1: older than what was seen last, unless that is 24 days ago. As in Linux one tick
 * is let pass: on a short path that reorders, what fills one hole overtakes what fills the next,
 * which would be lost to us; and the numbers do not come round within a tick. */
static bool is_paws_old(const struct tcp_conn *conn, const struct tcp_segment *segment)
{
	return is_stamp_older(conn, segment, TCP_PAWS_TICKS) && !(segment->flags & TCP_FLAG_RST) &&
	       !is_overtaken(conn, segment);
}

/* 3.10.7.4 first; a pure ACK at the right edge is taken too, its sender has filled our window. */
static bool is_acceptable(const struct tcp_conn *conn, const struct tcp_segment *segment)
{
	uint32_t span = segment_span(segment);
	uint32_t last = segment->seq + span - 1;

	if (span == 0 || segment->seq == conn->rcv_nxt)
		return !seq_before(segment->seq, conn->rcv_nxt) &&
		       !seq_after(segment->seq, conn->rcv_adv);
	if (!seq_before(segment->seq, conn->rcv_nxt))
		return seq_before(segment->seq, conn->rcv_adv);
	return !seq_before(last, conn->rcv_nxt);
}

/* What lies outside the window goes; rcv_nxt <= seq and seq + len <= rcv_adv afterwards. */
static void trim(struct tcp_conn *conn, struct tcp_segment *segment)
{
	struct pkt *pkt = segment->pkt;

	if (seq_before(segment->seq, conn->rcv_nxt)) {
		uint32_t cut = conn->rcv_nxt - segment->seq;

		if (segment->flags & TCP_FLAG_SYN)
			segment->flags &= (uint8_t)~TCP_FLAG_SYN;
		ASSERT(cut <= segment->len || (segment->flags & TCP_FLAG_FIN));
		cut = min_u32(cut, segment->len);
		dsack_note(conn, segment->seq, segment->seq + cut);
		pkt->data += cut;
		pkt->len = (uint16_t)(pkt->len - cut);
		segment->seq = conn->rcv_nxt;
		conn->flags |= CONN_ACK_NOW; /* the peer has not heard of our ACK */
		conn_mark_dirty(conn);
	}
	segment->len = pkt->len;
	if (seq_after(segment->seq + segment->len, conn->rcv_adv)) {
		pkt->len = (uint16_t)(conn->rcv_adv - segment->seq);
		segment->len = pkt->len;
		segment->flags &= (uint8_t) ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
		conn->flags |= CONN_ACK_NOW;
		conn_mark_dirty(conn);
	}
	pkt->seq = segment->seq;
}

/* RFC 5961 3.2. */
static void input_reset(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp_counters *counters = conn_counters(conn);

	if (segment->seq != conn->rcv_nxt) {
		counters->resets_ignored++;
		conn_challenge(conn);
		return;
	}
	counters->resets_in++;
	if (conn->state == TCP_STATE_CLOSING || conn->state == TCP_STATE_LAST_ACK)
		conn_end(conn, conn->flags & CONN_ORPHAN ? OK : ERR_RESET);
	else
		conn_end(conn, conn->state == TCP_STATE_SYN_RECEIVED ? ERR_REFUSED : ERR_RESET);
}

/* The peer's data makes it owe an ACK: at once, or with what we are about to say. */
static void owe_ack(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp_cold *cold = conn_cold(conn);

	conn_mark_dirty(conn);
	/* A whole segment with PSH is the end of what a bulk sender has written or may send:
	 * nothing is to follow that would bring the ACK, and it may wait for it. As in Linux. */
	if (conn->rcv_nxt - conn->last_ack_sent > conn->rcv_mss || cold->quick_acks > 0 ||
	    (segment->len >= conn->rcv_mss && (segment->flags & TCP_FLAG_PSH))) {
		if (cold->quick_acks > 0)
			cold->quick_acks--;
		conn->flags |= CONN_ACK_NOW;
		return;
	}
	conn->flags |= CONN_ACK_LATER;
	if (conn->ack_at_ms != 0)
		return;
	conn->ack_at_ms = tcp_deadline_ms(conn_tcp(conn),
	                                  conn_tcp(conn)->net->config.delayed_ack_us);
	conn_arm(conn);
}

/* A bulk sender that was silent for longer than a timeout begins anew with a window of a segment or
 * two: it grows by ACKs. */
static void note_silence(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	struct tcp_cold *cold = conn_cold(conn);
	uint32_t silent_ms = tcp_now_ms(conn_tcp(conn)) - cold->received_at_ms;

	if (segment->len > 0 && segment->len >= conn->rcv_mss &&
	    silent_ms > rtt_timeout_us(conn) / 1000)
		cold->quick_acks = TCP_QUICK_ACKS;
}

/* 3.10.7.4 eighth; rcv_nxt stands before the FIN. */
static void input_fin(struct tcp_conn *conn)
{
	conn->rcv_nxt++;
	if (!seq_after(conn->rcv_adv, conn->rcv_nxt))
		conn->rcv_adv = conn->rcv_nxt;
	conn->flags |= CONN_PEER_FIN | CONN_ACK_NOW;
	conn_mark_dirty(conn);
	conn_add_news(conn, TCP_READABLE | TCP_FIN);
	reassembly_free(conn); /* nothing can follow */
	switch (conn->state) {
	case TCP_STATE_ESTABLISHED:
		conn->state = TCP_STATE_CLOSE_WAIT;
		break;
	case TCP_STATE_FIN_WAIT_1:
		conn->state = TCP_STATE_CLOSING; /* had our FIN been acknowledged, the state would
		                                    be FIN-WAIT-2 */
		break;
	case TCP_STATE_FIN_WAIT_2:
		conn_enter_time_wait(conn);
		break;
	default:
		UNREACHABLE();
	}
}

static bool nobody_reads(const struct tcp_conn *conn)
{
	return (conn->flags & CONN_ORPHAN) ||
	       ((conn->flags & CONN_FIN_QUEUED) && conn_cold(conn)->reads_no_more);
}

/* 3.10.7.4 seventh and eighth. */
static void input_text(struct tcp_conn *conn, struct tcp_segment *segment)
{
	bool fin = (segment->flags & TCP_FLAG_FIN) != 0;

	if (segment->len == 0 && !fin)
		return;
	if ((segment->len > 0 && nobody_reads(conn)) ||
	    (segment->seq != conn->rcv_nxt && (conn->flags & CONN_ORPHAN))) {
		/* RFC 9293 3.6.1: nobody will ever read it (or what a FIN out of order lies
		 * behind), and the peer has to know; for its user the connection is closed,
		 * so 3.10.7.1 says how. */
		segment_reset(conn_tcp(conn)->net, segment);
		conn_end(conn, conn->flags & CONN_ORPHAN ? OK : ERR_RESET);
		return;
	}
	if (segment->len > conn->rcv_mss)
		conn->rcv_mss = (uint16_t)segment->len;
	segment->pkt->acked = segment->ack - conn_cold(conn)->iss - 1;
	if (segment->seq != conn->rcv_nxt) {
		conn->flags |= CONN_ACK_NOW;
		conn_mark_dirty(conn);
		reassembly_add(conn, segment);
		return;
	}
	if (segment->len > 0) {
		struct pkt *pkt = segment->pkt;

		segment->pkt = NULL;
		receive_append(conn, pkt);
		if (conn_cold(conn)->recovery != 0) {
			conn->flags |= CONN_ACK_NOW; /* RFC 5681 4.2: a hole is being filled */
			fin = reassembly_drain(conn) || fin;
		}
		conn_add_news(conn, TCP_READABLE);
		owe_ack(conn, segment);
	}
	if (fin)
		input_fin(conn);
}

/* What lies in the window, and nothing else. */
static void input_text_in_window(struct tcp_conn *conn, struct tcp_segment *segment)
{
	trim(conn, segment);
	input_text(conn, segment);
}

static void strip_syn(struct tcp_segment *segment)
{
	segment->flags &= (uint8_t)~TCP_FLAG_SYN;
	segment->seq++;
	segment->pkt->seq = segment->seq;
}

/* 3.10.7.3 */
static void input_syn_sent(struct tcp_conn *conn, struct tcp_segment *segment)
{
	const struct net *net = conn_tcp(conn)->net;
	bool ack = (segment->flags & TCP_FLAG_ACK) != 0;

	/* First, ACK. */
	if (ack && segment->ack != conn->snd_nxt) {
		segment_reset(conn_tcp(conn)->net, segment);
		return;
	}
	/* Second, RST. */
	if (segment->flags & TCP_FLAG_RST) {
		if (ack) {
			net->tcp_counters->resets_in++;
			conn_end(conn, ERR_REFUSED);
		}
		return;
	}
	/* Fourth, SYN. */
	if (!(segment->flags & TCP_FLAG_SYN))
		return;
	open_receive(conn, segment);
	conn_settle(conn, tcp_agreed_options(net, &segment->options),
	            segment->options.window_scale & 15,
	            (uint16_t)min_u32(tcp_peer_mss(&segment->tuple.remote.addr, &segment->options),
	                              conn_cold(conn)->peer_mss));
	if (!ack) { /* both SYNs crossed */
		conn->state = TCP_STATE_SYN_RECEIVED;
		conn->flags |= CONN_REXMIT_HEAD;
		conn_mark_dirty(conn);
		return;
	}
	conn->snd_una = segment->ack;
	if (conn->flags & CONN_RTT_TIMING) {
		rtt_sample(conn, (uint32_t)net->now_us - conn->rtt_at_us);
	} else if (conn->options & OPTION_TIMESTAMPS) { /* RFC 7323 4.1: tells which SYN it was */
		uint32_t ms = conn_timestamp(conn) - segment->options.ts_ecr;
		if (ms < TCP_RTT_ECHO_MS_MAX)
			rtt_sample(conn, ms * 1000);
	}
	conn_syn_resent(conn, conn_cold(conn)->retransmitted);
	conn->flags &= (uint16_t)~CONN_RTT_TIMING;
	conn->rexmit_at_ms = 0;
	conn->backoff = 0;
	conn_cold(conn)->retries = 0;
	conn->flags |= CONN_ACK_NOW;
	become_established(conn);
	/* Sixth and on: other controls and text. */
	strip_syn(segment);
	input_text_in_window(conn, segment);
}

static bool takes_text(const struct tcp_conn *conn)
{
	return conn->state == TCP_STATE_ESTABLISHED || conn->state == TCP_STATE_FIN_WAIT_1 ||
	       conn->state == TCP_STATE_FIN_WAIT_2;
}

/* RFC 5681 4.2 holds in a burst as well: what is owed at once (out of order, filling a hole, every
 * second whole segment, each while the sender's window is small) leaves before the next segment is
 * taken. Where one ACK stands for all in flight, its loss is a timeout; and a sender that counts
 * ACKs (RFC 3465) opens its window by so much less. Pieces of one frame share one. */
static void answer_each(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if ((conn->flags & CONN_ACK_NOW) && segment->len > 0 && !(segment->pkt->flags & PKT_PIECE))
		conn_send_ack(conn);
}

/* 3.10.7.4 fifth, what our FIN's acknowledgment changes. False: the connection is gone. */
static bool advance_state(struct tcp_conn *conn)
{
	bool fin_acked = (conn->flags & CONN_FIN_SENT) && conn->snd_una == conn->snd_nxt;

	if (!fin_acked)
		return true;
	switch (conn->state) {
	case TCP_STATE_FIN_WAIT_1:
		conn->state = TCP_STATE_FIN_WAIT_2;
		if (conn->flags & CONN_ORPHAN) {
			conn->rexmit_at_ms = tcp_deadline_ms(conn_tcp(conn), TCP_FIN_WAIT_US);
			conn_arm(conn);
		}
		return true;
	case TCP_STATE_CLOSING:
		conn_enter_time_wait(conn);
		return false;
	case TCP_STATE_LAST_ACK:
		conn_end(conn, OK);
		return false;
	default:
		return true;
	}
}

/* Data is acknowledged each time (our ACK may have been lost); for the rest two sides could go on
 * for ever. */
static void answer_unacceptable(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (segment->flags & TCP_FLAG_RST)
		return;
	if (segment->len == 0 && !(segment->flags & TCP_FLAG_FIN)) {
		conn_challenge(conn);
		return;
	}
	if (segment->len > 0 && !seq_after(segment->seq + segment->len, conn->rcv_nxt) &&
	    conn_ack_is_acceptable(conn, segment)) {
		dsack_note(conn, segment->seq, segment->seq + segment->len);
		/* It has less in flight than it believes or had none of our ACKs: with two segments
		 * in flight, one of them lost, a delayed ACK costs it a timeout. As in Linux. */
		conn_cold(conn)->quick_acks = TCP_QUICK_ACKS;
	}
	conn->flags |= CONN_ACK_NOW;
	conn_mark_dirty(conn);
}

/* Our ACK was lost and the peer's patience ended: it sends again what we have, and the next ACK
 * must not echo an older time, or the peer believes in a round trip as long as its patience. Only
 * when it was silent for so long and nothing is missing: a segment sent again for no reason may
 * overtake what left before it, which would then be too old to be taken (is_paws_old()). */
static void note_sent_again(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	uint32_t window = conn_tcp(conn)->net->config.receive_window_bytes;
	uint32_t silent_ms = tcp_now_ms(conn_tcp(conn)) - conn_cold(conn)->received_at_ms;

	if (segment->options.has_timestamps && segment->len > 0 && conn_cold(conn)->recovery == 0 &&
	    silent_ms >= 2 * conn->srtt_us8 / 8000 && /* RFC 8985 7.2 */
	    conn->rcv_nxt - segment->seq <= window && (segment->flags & TCP_FLAG_ACK) &&
	    conn_ack_is_acceptable(conn, segment))
		conn->ts_recent = segment->options.ts_val;
}

static bool input_syn_received_ack(struct tcp_conn *conn, const struct tcp_segment *segment)
{
	if (segment->ack != conn->snd_nxt) {
		segment_reset(conn_tcp(conn)->net, segment);
		return false;
	}
	become_established(conn);
	conn->snd_wl1 = segment->seq - 1;
	return true;
}

/* RFC 9293 3.5, figure 7: the SYN-ACK of a peer whose SYN crossed ours acknowledges our SYN; its
 * own we have. */
static void strip_crossed_syn(const struct tcp_conn *conn, struct tcp_segment *segment)
{
	const uint8_t flags = TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST;

	if (conn->state != TCP_STATE_SYN_RECEIVED ||
	    (segment->flags & flags) != (TCP_FLAG_SYN | TCP_FLAG_ACK) ||
	    segment->seq + 1 != conn->rcv_nxt || segment->ack != conn->snd_nxt)
		return;
	strip_syn(segment);
}

void conn_input(struct tcp_conn *conn, struct tcp_segment *segment)
{
	struct tcp_counters *counters = conn_counters(conn);
	bool is_old;

	if (conn->state == TCP_STATE_SYN_SENT) {
		input_syn_sent(conn, segment);
		return;
	}
	strip_crossed_syn(conn, segment);
	/* First, sequence number. */
	if (COUNT_IF(is_paws_old(conn, segment), counters->segments_old_timestamp)) {
		answer_unacceptable(conn, segment);
		return;
	}
	if (COUNT_IF(!is_acceptable(conn, segment), counters->segments_unacceptable)) {
		note_sent_again(conn, segment);
		answer_unacceptable(conn, segment);
		return;
	}
	/* Second, RST; fourth, SYN. */
	if (segment->flags & TCP_FLAG_RST) {
		input_reset(conn, segment);
		return;
	}
	if (segment->flags & TCP_FLAG_SYN) {
		conn_challenge(conn); /* RFC 5961 4.2 */
		return;
	}
	/* Fifth, ACK. */
	if (!(segment->flags & TCP_FLAG_ACK))
		return;
	if (conn->state == TCP_STATE_SYN_RECEIVED && !input_syn_received_ack(conn, segment))
		return;
	is_old = is_stamp_older(conn, segment, 0);
	if (!conn_input_ack(conn, segment))
		return;
	/* Before this one's timestamp or mark is echoed. */
	if (takes_text(conn))
		answer_each(conn, segment);
	note_silence(conn, segment);
	conn_cold(conn)->received_at_ms = tcp_now_ms(conn_tcp(conn));
	/* RFC 7323 4.3: only what spans the last ACK sent may move TS.Recent, and never back. */
	if (segment->options.has_timestamps && !seq_after(segment->seq, conn->last_ack_sent) &&
	    !is_old)
		conn->ts_recent = segment->options.ts_val;
	if (!advance_state(conn))
		return;
	ecn_input(conn, segment);
	/* Sixth, URG: ignored, its octets are data. Seventh, text; eighth, FIN. */
	if (takes_text(conn))
		input_text_in_window(conn, segment);
}
