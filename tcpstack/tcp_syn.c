/* tcp_syn.c - passive opens: a bounded SYN cache, and SYN cookies when it is full.
 *
 * An SMTP server speaks first, so a lost third ACK must be repaired by us: the cache sends the
 * SYN-ACK again (1, 2, 4, 8, 16 s). Under a flood there is no state at all: the ISN is the cookie,
 *
 *     28 bits keyed hash | 1 bit epoch | 3 bits MSS index
 *
 * and a peer with timestamps brings the rest back in the low six bits of the timestamp it echoes:
 *
 *     4 bits window scale (15: none) | 1 bit SACK | 1 bit ECN
 *
 * An epoch lasts 2^25 us, a cookie is good for one to two of them (34 to 67 s).
 *
 * Who answers a cookie by an ACK that is lost waits for a greeting that nobody knows of. So the
 * last quarter of the cache is kept for SYNs that come a second time, which a flood's do not, and
 * the first half of that also for sources that have been here; and when frames come faster than
 * they are handled, when that ACK is lost in our own ring, a first SYN of a stranger gets no answer
 * at all: answers are what costs most. The ISN of an entry made while cookies are out is the
 * cookie, so that the ACK of either answer is right.
 *
 * Equal delays make
 * each of the lists by number of tries a queue in order of deadline, so one timer serves all
 * entries.
 */
#include "tcpstack/tcp_internal.h"

#define EPOCH_SHIFT     25
#define COOKIE_MAC_MASK 0xfffffff0u
#define COOKIE_EPOCH    0x8u
#define COOKIE_MSS_MASK 0x7u
#define TS_BITS_MASK    0x3fu
#define TS_SCALE_NONE   15u
#define TS_SACK         0x10u
#define TS_ECN          0x20u
#define WORK_PER_TIMER  64 /* entries of one list */

static const uint16_t cookie_mss[8] = {TCP_MSS_FLOOR, 536, 1220, 1300, 1360, 1400, 1440, 1460};

static uint32_t chain_count(uint32_t count)
{
	uint32_t chains = 1;

	while (chains < count)
		chains *= 2;
	return chains;
}

size_t syn_cache_bytes(uint32_t count)
{
	return ((size_t)count + 1) * sizeof(struct tcp_syn_entry) +
	       chain_count(count) * sizeof(uint32_t) + 128;
}

bool syn_cache_init(struct tcp *tcp, struct arena *arena, uint32_t count)
{
	struct tcp_syn_cache *cache = &tcp->syn_cache;

	cache->count = count;
	cache->mask = chain_count(count) - 1;
	cache->entries = ARENA_TAKE(arena, count + 1, struct tcp_syn_entry);
	cache->heads = ARENA_TAKE(arena, cache->mask + 1, uint32_t);
	if (cache->entries == NULL || cache->heads == NULL)
		return false;
	for (uint32_t i = count; i > 0; i--) {
		cache->entries[i].next = cache->free_head;
		cache->free_head = i;
	}
	return true;
}

static struct tcp_syn_entry *entry_find(const struct tcp_syn_cache *cache, uint64_t hash,
                                        const struct tcp_tuple *tuple)
{
	uint32_t at = cache->heads[hash & cache->mask];

	while (at != TCP_NONE && memcmp(&cache->entries[at].tuple, tuple, sizeof(*tuple)) != 0)
		at = cache->entries[at].hash_next;
	return at != TCP_NONE ? &cache->entries[at] : NULL;
}

static uint32_t entry_index(const struct tcp_syn_cache *cache, const struct tcp_syn_entry *entry)
{
	return (uint32_t)(entry - cache->entries);
}

static struct tcp_list *entry_list(struct tcp_syn_cache *cache, const struct tcp_syn_entry *entry)
{
	ASSERT(entry->sent_count >= 1 && entry->sent_count <= TCP_SYN_RETRIES + 1);
	return &cache->by_tries[entry->sent_count - 1];
}

static void entry_unlink(struct tcp_syn_cache *cache, struct tcp_syn_entry *entry)
{
	struct tcp_list *list = entry_list(cache, entry);

	if (entry->prev != TCP_NONE)
		cache->entries[entry->prev].next = entry->next;
	else
		list->head = entry->next;
	if (entry->next != TCP_NONE)
		cache->entries[entry->next].prev = entry->prev;
	else
		list->tail = entry->prev;
}

static void entry_link(struct tcp *tcp, struct tcp_syn_entry *entry)
{
	struct tcp_syn_cache *cache = &tcp->syn_cache;
	struct tcp_list *list = entry_list(cache, entry);
	uint32_t index = entry_index(cache, entry);
	uint64_t delay_us = (uint64_t)tcp->net->config.rto_initial_us << (entry->sent_count - 1);

	entry->deadline_ms = tcp_deadline_ms(tcp, delay_us);
	entry->next = TCP_NONE;
	entry->prev = list->tail;
	if (list->tail != TCP_NONE)
		cache->entries[list->tail].next = index;
	else
		list->head = index;
	list->tail = index;
	if (!timer_is_set(tcp->timers, 0) ||
	    timer_deadline_us(tcp->timers, 0) > tcp_ms_to_us(tcp, entry->deadline_ms))
		tcp_arm_handle(tcp, 0, entry->deadline_ms);
}

static void entry_free(struct tcp *tcp, struct tcp_syn_entry *entry, uint64_t hash)
{
	struct tcp_syn_cache *cache = &tcp->syn_cache;
	uint32_t index = entry_index(cache, entry);
	uint32_t *link = &cache->heads[hash & cache->mask];

	entry_unlink(cache, entry);
	while (*link != index)
		link = &cache->entries[*link].hash_next;
	*link = entry->hash_next;
	entry->next = cache->free_head;
	cache->free_head = index;
	ASSERT(cache->used > 0);
	cache->used--;
}

/* What both the cache and a cookie come down to. */
struct opening {
	uint32_t iss, irs, ts_recent, ts_offset, listener_tag;
	uint16_t peer_mss;
	uint8_t options, snd_scale;
	uint32_t rtt_us; /* 0: unknown */
	uint32_t resent_count;
};

static uint16_t first_window(const struct tcp *tcp)
{
	const struct net_config *config = &tcp->net->config;

	return (uint16_t)min_u32(
	    min_u32(config->receive_window_initial_bytes, config->receive_window_bytes),
	    UINT16_MAX);
}

static uint16_t listener_mss(const struct tcp *tcp, uint32_t tag)
{
	for (uint32_t i = 0; i < tcp->listener_count; i++)
		if (tcp->listeners[i].tag == tag)
			return tcp->listeners[i].mss;
	return UINT16_MAX; /* closed meanwhile */
}

static void send_syn_ack(struct tcp *tcp, const struct tcp_tuple *tuple,
                         const struct opening *opening, uint32_t ts_val)
{
	struct net *net = tcp->net;
	struct tcp_header_fields fields = {.seq = opening->iss,
	                                   .ack = opening->irs + 1,
	                                   .window = first_window(tcp),
	                                   .flags = TCP_FLAG_SYN | TCP_FLAG_ACK};
	uint16_t mss_ours = tcp_mss_for(net, &tuple->remote.addr);
	struct tcp_syn_options syn = {
	    .mss = (uint16_t)min_u32(mss_ours, listener_mss(tcp, opening->listener_tag)),
	    .options = opening->options,
	    .window_scale = tcp->rcv_scale,
	    .ts_val = ts_val,
	    .ts_ecr = opening->ts_recent};
	uint8_t options[TCP_OPTIONS_BYTES_MAX];
	struct pkt *pkt = segment_new(net);

	if (opening->options & OPTION_ECN)
		fields.flags |= TCP_FLAG_ECE; /* RFC 3168 6.1.1 */
	if (pkt != NULL)
		segment_send(net, pkt, tuple, &fields, options, tcp_options_put_syn(options, &syn),
		             0);
}

static struct opening entry_opening(const struct tcp_syn_entry *entry)
{
	return (struct opening){.iss = entry->iss,
	                        .irs = entry->irs,
	                        .ts_recent = entry->ts_recent,
	                        .ts_offset = entry->ts_offset,
	                        .listener_tag = entry->listener_tag,
	                        .peer_mss = entry->peer_mss,
	                        .options = entry->options,
	                        .snd_scale = entry->snd_scale};
}

static void entry_send(struct tcp *tcp, const struct tcp_syn_entry *entry)
{
	struct opening opening = entry_opening(entry);

	send_syn_ack(tcp, &entry->tuple, &opening, tcp_now_ms(tcp) + entry->ts_offset);
}

static uint64_t cookie_epoch(const struct tcp *tcp)
{
	return tcp->net->now_us >> EPOCH_SHIFT;
}

static uint32_t cookie_make(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs,
                            uint64_t epoch, uint32_t mss_index)
{
	struct {
		struct tcp_tuple tuple;
		uint32_t irs, epoch, mss_index, purpose;
	} input = {*tuple, irs, (uint32_t)epoch, mss_index, 'c'};
	static_assert(sizeof(input) == sizeof(*tuple) + 16, "no padding in what is hashed");
	uint32_t mac = (uint32_t)hash64(&tcp->net->config.secret, &input, sizeof(input));

	return (mac & COOKIE_MAC_MASK) | (epoch & 1 ? COOKIE_EPOCH : 0) | mss_index;
}

static uint32_t cookie_mss_index(uint16_t peer_mss)
{
	uint32_t index = 0;

	while (index < COOKIE_MSS_MASK && cookie_mss[index + 1] <= peer_mss)
		index++;
	return index;
}

static void cookie_send(struct tcp *tcp, const struct tcp_segment *segment, struct opening *opening)
{
	uint32_t now = tcp_now_ms(tcp) + opening->ts_offset;
	uint32_t bits = TS_SCALE_NONE;
	uint32_t ts_val;

	opening->iss = cookie_make(tcp, &segment->tuple, opening->irs, cookie_epoch(tcp),
	                           cookie_mss_index(opening->peer_mss));
	if (opening->options & OPTION_WINDOW_SCALE)
		bits = opening->snd_scale;
	if (opening->options & OPTION_SACK)
		bits |= TS_SACK;
	if (opening->options & OPTION_ECN)
		bits |= TS_ECN;
	if (!(opening->options & OPTION_TIMESTAMPS))
		opening->options = 0; /* nothing would bring them back */
	ts_val = (now & ~TS_BITS_MASK) | bits;
	if ((int32_t)(ts_val - now) > 0)
		ts_val -= TS_BITS_MASK + 1; /* our timestamps must not run backwards later */
	tcp->syn_cache.cookies_until_us = tcp->net->now_us + (2ull << EPOCH_SHIFT);
	tcp->net->tcp_counters->cookies_sent++;
	send_syn_ack(tcp, &segment->tuple, opening, ts_val);
}

static bool cookie_check(const struct tcp *tcp, const struct tcp_segment *segment,
                         struct opening *out_opening)
{
	uint32_t cookie = segment->ack - 1;
	uint32_t mss_index = cookie & COOKIE_MSS_MASK;
	uint64_t epoch = cookie_epoch(tcp);
	struct opening opening = {
	    .iss = cookie, .irs = segment->seq - 1, .peer_mss = cookie_mss[mss_index]};

	if ((epoch & 1) != ((cookie & COOKIE_EPOCH) != 0))
		epoch--;
	if (cookie_make(tcp, &segment->tuple, opening.irs, epoch, mss_index) != cookie)
		return false;
	opening.ts_offset = tcp_timestamp_offset(tcp->net, &segment->tuple);
	if (segment->options.has_timestamps && !tcp->net->config.no_timestamps) {
		uint32_t bits = segment->options.ts_ecr & TS_BITS_MASK;

		opening.options = OPTION_TIMESTAMPS;
		opening.ts_recent = segment->options.ts_val;
		if ((bits & TS_SCALE_NONE) != TS_SCALE_NONE && !tcp->net->config.no_window_scale) {
			opening.options |= OPTION_WINDOW_SCALE;
			opening.snd_scale = bits & TS_SCALE_NONE;
		}
		if ((bits & TS_SACK) && !tcp->net->config.no_sack)
			opening.options |= OPTION_SACK;
		if ((bits & TS_ECN) && !tcp->net->config.no_ecn)
			opening.options |= OPTION_ECN;
	}
	*out_opening = opening;
	return true;
}

/* RFC 1122 4.2.2.13: after TIME-WAIT the ISN lies beyond all that was sent before, however fast
 * that was. */
static uint32_t choose_iss(const struct tcp *tcp, const struct tcp_segment *segment)
{
	uint32_t iss = tcp_initial_seq(tcp->net, &segment->tuple);

	if (segment->after_time_wait && !seq_after(iss, segment->sent_before))
		iss = segment->sent_before + 65536;
	return iss;
}

static uint32_t entry_iss(const struct tcp *tcp, const struct tcp_segment *segment,
                          const struct opening *opening)
{
	if (segment->after_time_wait || tcp->net->now_us >= tcp->syn_cache.cookies_until_us)
		return choose_iss(tcp, segment);
	return cookie_make(tcp, &segment->tuple, opening->irs, cookie_epoch(tcp),
	                   cookie_mss_index(opening->peer_mss));
}

static bool entry_add(struct tcp *tcp, const struct tcp_segment *segment,
                      const struct opening *opening)
{
	struct tcp_syn_cache *cache = &tcp->syn_cache;
	uint32_t index = cache->free_head;
	struct tcp_syn_entry *entry = &cache->entries[index];

	if (index == TCP_NONE)
		return false;
	cache->free_head = entry->next;
	cache->used++;
	*entry = (struct tcp_syn_entry){.tuple = segment->tuple,
	                                .iss = entry_iss(tcp, segment, opening),
	                                .irs = opening->irs,
	                                .ts_recent = opening->ts_recent,
	                                .ts_offset = opening->ts_offset,
	                                .sent_at_us = (uint32_t)tcp->net->now_us,
	                                .hash_next = cache->heads[segment->hash & cache->mask],
	                                .listener_tag = opening->listener_tag,
	                                .peer_mss = opening->peer_mss,
	                                .options = opening->options,
	                                .snd_scale = opening->snd_scale & 15u,
	                                .sent_count = 1};
	cache->heads[segment->hash & cache->mask] = index;
	entry_link(tcp, entry);
	entry_send(tcp, entry);
	return true;
}

static bool is_refused(struct net *net, const struct tcp_segment *segment)
{
	enum net_welcome welcome = NET_WELCOME;

	if (net->config.refuse != NULL)
		welcome = net->config.refuse(net->config.refuse_context,
		                             &segment->tuple.remote.addr);
	if (welcome == NET_WELCOME)
		return false;
	net->tcp_counters->syns_refused++;
	if (welcome == NET_RESET)
		segment_reset_stranger(net, segment);
	return true;
}

/* How a SYN is answered. */
enum answer { ANSWER_STATE, ANSWER_COOKIE, ANSWER_NONE };

static enum answer choose_answer(struct tcp *tcp, const struct tcp_segment *segment)
{
	const struct tcp_syn_cache *cache = &tcp->syn_cache;
	struct tcp_counters *counters = tcp->net->tcp_counters;
	bool pressed = COUNT_IF(pressure_wants_cookies(tcp), counters->syns_under_pressure);
	bool stateless = pressed || tcp->net->config.cookies_only;
	bool again;

	if (!stateless && cache->used < cache->count - cache->count / 4)
		return ANSWER_STATE;
	if (!stateless)
		counters->syn_cache_full++;
	/* Whose address a flood borrows gets no more than the first half of the reserve. */
	if (!stateless && cache->used < cache->count - cache->count / 8 &&
	    COUNT_IF(source_is_known(tcp, &segment->tuple.remote.addr), counters->syns_known))
		return ANSWER_STATE;
	again = COUNT_IF(seen_note(tcp, segment), counters->syns_again);
	/* Without that memory nobody would ever be known again. */
	if (tcp->net->behind && !again && tcp->seen.buckets != NULL) {
		counters->syns_put_off++;
		return ANSWER_NONE;
	}
	return again && !stateless && cache->free_head != TCP_NONE ? ANSWER_STATE : ANSWER_COOKIE;
}

void syn_input_listen(struct tcp *tcp, const struct tcp_segment *segment, uint32_t listener_tag)
{
	struct net *net = tcp->net;
	struct opening opening = {
	    .irs = segment->seq,
	    .ts_recent = segment->options.ts_val,
	    .listener_tag = listener_tag,
	    .peer_mss = tcp_peer_mss(&segment->tuple.remote.addr, &segment->options),
	    .options = tcp_agreed_options(net, &segment->options),
	    .snd_scale = segment->options.window_scale & 15};
	enum answer answer;

	if (ecn_is_asked(net, segment))
		opening.options |= OPTION_ECN;
	net->tcp_counters->syns_in++;
	if (is_refused(net, segment))
		return;
	if (COUNT_IF(prefix_is_full(tcp, &segment->tuple.remote.addr),
	             net->tcp_counters->prefix_full)) {
		segment_reset_stranger(net, segment);
		return;
	}
	answer = choose_answer(tcp, segment);
	if (answer == ANSWER_NONE)
		return;
	opening.ts_offset = tcp_timestamp_offset(net, &segment->tuple);
	if (answer == ANSWER_STATE && entry_add(tcp, segment, &opening))
		net->tcp_counters->syns_cached++;
	else
		cookie_send(tcp, segment, &opening);
}

static struct tcp_conn *open_conn(struct tcp *tcp, const struct tcp_segment *segment,
                                  const struct opening *opening)
{
	struct tcp_conn *conn;
	struct tcp_cold *cold;

	/* SYNs may have come faster than connections. */
	if (COUNT_IF(prefix_is_full(tcp, &segment->tuple.remote.addr),
	             tcp->net->tcp_counters->prefix_full)) {
		segment_reset(tcp->net, segment);
		return NULL;
	}
	pressure_make_slot(tcp);
	conn = conn_new(tcp, &segment->tuple, segment->hash);
	if (conn == NULL)
		return NULL;
	prefix_count(conn);
	cold = conn_cold(conn);
	cold->iss = cold->recover = opening->iss;
	cold->ts_offset = opening->ts_offset;
	cold->listener_tag = opening->listener_tag;
	cold->received_at_ms = tcp_now_ms(tcp);
	conn->state = TCP_STATE_ESTABLISHED;
	conn->snd_una = conn->snd_nxt = conn->snd_end = opening->iss + 1;
	conn->rcv_nxt = opening->irs + 1;
	conn->rcv_adv = conn->rcv_nxt + first_window(tcp);
	conn->last_ack_sent = conn->rcv_nxt;
	conn->ts_recent = opening->ts_recent;
	conn->snd_wl1 = opening->irs;
	conn_settle(conn, opening->options, opening->snd_scale,
	            (uint16_t)min_u32(opening->peer_mss, listener_mss(tcp, opening->listener_tag)));
	if (opening->rtt_us != 0)
		rtt_sample(conn, opening->rtt_us);
	conn_syn_resent(conn, opening->resent_count);
	conn_add_news(conn, TCP_ACCEPTED);
	source_note(tcp, &segment->tuple.remote.addr);
	tcp->net->tcp_counters->connections_accepted++;
	return conn;
}

static void entry_ack(struct tcp *tcp, struct tcp_syn_entry *entry)
{
	struct tcp_header_fields fields = {.seq = entry->iss + 1,
	                                   .ack = entry->irs + 1,
	                                   .window = first_window(tcp),
	                                   .flags = TCP_FLAG_ACK};

	segment_ack(tcp->net, &entry->tuple, &fields, (entry->options & OPTION_TIMESTAMPS) != 0,
	            entry->ts_recent);
}

/* SYN-RECEIVED of RFC 9293 3.10.7.4, without a connection. */
static struct tcp_conn *entry_input(struct tcp *tcp, struct tcp_syn_entry *entry,
                                    const struct tcp_segment *segment)
{
	uint32_t ahead = segment->seq - (entry->irs + 1);
	struct tcp_conn *conn;
	struct opening opening;

	if ((segment->flags & (TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK)) == TCP_FLAG_SYN &&
	    segment->seq == entry->irs) {
		entry_send(tcp, entry); /* the peer sent its SYN again; our timer goes on */
		return NULL;
	}
	if (ahead >= first_window(tcp)) { /* first: sequence number */
		if (!(segment->flags & TCP_FLAG_RST))
			entry_ack(tcp, entry);
		return NULL;
	}
	if (segment->flags & TCP_FLAG_RST) { /* second */
		if (ahead == 0) {
			tcp->net->tcp_counters->resets_in++;
			entry_free(tcp, entry, segment->hash);
		} else {
			entry_ack(tcp, entry);
		}
		return NULL;
	}
	if (segment->flags & TCP_FLAG_SYN) { /* fourth */
		entry_ack(tcp, entry);
		return NULL;
	}
	if (!(segment->flags & TCP_FLAG_ACK)) /* fifth */
		return NULL;
	if (segment->ack != entry->iss + 1) {
		segment_reset(tcp->net, segment);
		return NULL;
	}
	opening = entry_opening(entry);
	opening.resent_count = entry->sent_count - 1u;
	if (entry->sent_count == 1)
		opening.rtt_us = max_u32((uint32_t)tcp->net->now_us - entry->sent_at_us, 1);
	conn = open_conn(tcp, segment, &opening);
	if (conn != NULL)
		entry_free(tcp, entry, segment->hash);
	return conn;
}

bool syn_input(struct tcp *tcp, const struct tcp_segment *segment, bool listening,
               uint32_t listener_tag, struct tcp_conn **out_conn)
{
	struct tcp_syn_entry *entry = entry_find(&tcp->syn_cache, segment->hash, &segment->tuple);
	struct opening opening;

	if (entry != NULL) {
		*out_conn = entry_input(tcp, entry, segment);
		return true;
	}
	if (!listening ||
	    (segment->flags & (TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK)) != TCP_FLAG_ACK)
		return false;
	if (tcp->net->now_us >= tcp->syn_cache.cookies_until_us)
		return false; /* no cookie is out: not even hashed */
	/* It may have overtaken or outlived the third ACK, which alone has the number the cookie
	 * was made of: dropped without a reset, the peer sends again from there. And a flood of
	 * ACKs gets no answers. */
	if (COUNT_IF(!cookie_check(tcp, segment, &opening), tcp->net->tcp_counters->cookies_wrong))
		return true;
	opening.listener_tag = listener_tag;
	*out_conn = open_conn(tcp, segment, &opening);
	if (*out_conn != NULL)
		tcp->net->tcp_counters->cookies_accepted++;
	return true;
}

static void serve_list(struct tcp *tcp, struct tcp_list *list)
{
	struct tcp_syn_cache *cache = &tcp->syn_cache;

	for (uint32_t work = 0; work < WORK_PER_TIMER && list->head != TCP_NONE; work++) {
		struct tcp_syn_entry *entry = &cache->entries[list->head];

		if ((int32_t)(entry->deadline_ms - tcp_now_ms(tcp)) > 0)
			return;
		if (entry->sent_count > min_u32(tcp->net->config.retries_max, TCP_SYN_RETRIES)) {
			tcp->net->tcp_counters->handshakes_timed_out++;
			entry_free(tcp, entry, tcp_tuple_hash(tcp->net, &entry->tuple));
			continue;
		}
		entry_send(tcp, entry);
		tcp->net->tcp_counters->syn_acks_retransmitted++;
		entry_unlink(cache, entry);
		entry->sent_count = (entry->sent_count + 1) & 15u;
		entry_link(tcp, entry);
	}
}

void syn_timer(struct tcp *tcp)
{
	struct tcp_syn_cache *cache = &tcp->syn_cache;

	for (uint32_t i = TCP_SYN_RETRIES + 1; i-- > 0;) /* downwards: none is served twice */
		serve_list(tcp, &cache->by_tries[i]);
	for (uint32_t i = 0; i <= TCP_SYN_RETRIES; i++) {
		uint32_t head = cache->by_tries[i].head;

		if (head == TCP_NONE)
			continue;
		uint32_t deadline_ms = cache->entries[head].deadline_ms;
		if (!timer_is_set(tcp->timers, 0) ||
		    timer_deadline_us(tcp->timers, 0) > tcp_ms_to_us(tcp, deadline_ms))
			tcp_arm_handle(tcp, 0, deadline_ms);
	}
}
