/* fuzz_tcp_input.c - TCP under any sequence of segments, calls and pauses, in virtual time.
 *
 * The input is a list of commands of three octets and more: what, and two parameters that become
 * sequence offsets, flags, windows, lengths. Segments have right checksums and numbers near the
 * interesting ones, so that they go deep. Checked after each command: snd_una <= snd_nxt, the
 * window's right edge never moves left, a timer runs while something is in flight; at the end, that
 * every packet is back in the pool.
 */
#include "base/limits.h"
#include "tcpstack/tcp_internal.h"

#define PKT_COUNT    96
#define COMMANDS_MAX 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct model {
	struct arena arena;
	struct pkt_pool *pool;
	struct net *net;
	struct net_counters net_counters;
	struct tcp_counters counters;
	struct endpoint local, peer;
	struct tcp_conn *conn;
	uint64_t now_us;
	uint32_t peer_seq, our_ack; /* what a well-behaved peer would send */
	uint32_t edge;              /* the right edge last seen */
	bool edge_known;
};

struct input {
	const uint8_t *data;
	size_t size, at;
};

static uint8_t octet(struct input *input)
{
	return input->at < input->size ? input->data[input->at++] : 0;
}

static void put_u16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void put_u32(uint8_t *to, uint32_t value)
{
	put_u16(to, (uint16_t)(value >> 16));
	put_u16(to + 2, (uint16_t)value);
}

static uint32_t get_u32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void see(struct model *model, const struct pkt *pkt)
{
	const uint8_t *header = pkt->data + 20;
	uint32_t span = (uint32_t)pkt->len - 20 - (uint32_t)(header[12] >> 4) * 4 +
	                ((header[13] & (TCP_FLAG_SYN | TCP_FLAG_FIN)) != 0);

	ASSERT(pkt->len >= 40);
	if (header[13] & TCP_FLAG_SYN)
		model->edge_known = false;
	if (header[13] & TCP_FLAG_RST)
		return;
	model->our_ack = get_u32(header + 4) + span;
}

static void collect(struct model *model)
{
	struct pkt *pkts[32];
	size_t count;

	do {
		count = net_output(model->net, model->now_us, pkts, 32);
		for (size_t i = 0; i < count; i++) {
			if (pkts[i]->data[9] == 6)
				see(model, pkts[i]);
			pkt_put(pkts[i]);
		}
	} while (count == 32);
}

/* Small steps are drawn near, a few far: windows have edges there. */
static uint32_t offset(uint8_t value)
{
	if (value < 0x80)
		return 0;
	if (value < 0xc0)
		return (uint32_t)(value - 0xa0) * 7;
	return (uint32_t)(value - 0xe0) * 1500;
}

static size_t put_options(struct input *input, uint8_t *to)
{
	size_t bytes = octet(input) % 11 * 4;

	for (size_t i = 0; i < bytes; i++)
		to[i] = octet(input);
	return bytes;
}

static void inject(struct model *model, struct input *input)
{
	static const uint8_t flags_of[8] = {0x10, 0x18, 0x02, 0x12, 0x11, 0x04, 0x14, 0x19};
	struct pkt *pkt = pkt_get(model->pool);
	uint8_t what = octet(input);
	uint32_t seq = model->peer_seq + offset(octet(input));
	uint32_t ack = model->our_ack + offset(octet(input));
	uint8_t size = octet(input);
	uint16_t len = (uint16_t)(size < 0x80 ? size % 8 : (size & 0x7f) * 11);
	uint8_t flags = what & 0x80 ? octet(input) : flags_of[what & 7];
	size_t options = 0;
	uint16_t checksum;

	if (pkt == NULL)
		return;
	uint8_t *header = pkt->data + 20;
	memset(pkt->data, 0, 40);
	if (what & 0x40)
		options = put_options(input, header + 20);
	put_u16(header, model->peer.port);
	put_u16(header + 2, model->local.port);
	put_u32(header + 4, seq);
	put_u32(header + 8, ack);
	header[12] = (uint8_t)((20 + options) / 4 << 4);
	header[13] = flags;
	put_u16(header + 14, (uint16_t)(octet(input) * 257));
	memset(header + 20 + options, 'x', len);
	pkt->len = (uint16_t)(40 + options + len);
	uint32_t sum = checksum_pseudo(&model->peer.addr, &model->local.addr, 6, pkt->len - 20u);
	checksum = checksum_fold(checksum_add(sum, header, pkt->len - 20u));
	memcpy(header + 16, &checksum, 2);

	pkt->data[0] = 0x45;
	pkt->data[1] = what & 0x20 ? 3 : 0; /* met congestion */
	put_u16(pkt->data + 2, pkt->len);
	pkt->data[8] = 64;
	pkt->data[9] = 6;
	memcpy(pkt->data + 12, model->peer.addr.octet + 12, 4);
	memcpy(pkt->data + 16, model->local.addr.octet + 12, 4);
	checksum = checksum_fold(checksum_add(0, pkt->data, 20));
	memcpy(pkt->data + 10, &checksum, 2);
	if (seq == model->peer_seq)
		model->peer_seq += len + ((flags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) != 0);
	net_input_ip(model->net, model->now_us, pkt);
}

static void advance(struct model *model, uint64_t us)
{
	uint64_t until = model->now_us + us;

	for (int step = 0; step < 64 && tcp_next_timer_us(model->net) <= until; step++) {
		uint64_t next = tcp_next_timer_us(model->net);
		model->now_us = next > model->now_us ? next : model->now_us;
		net_timers(model->net, model->now_us, 64);
		collect(model);
	}
	model->now_us = until;
	net_timers(model->net, until, 64);
}

static void fetch_news(struct model *model)
{
	struct tcp_conn *conn;
	uint32_t news;

	while ((conn = tcp_next_ready(model->net, &news)) != NULL) {
		if (model->conn == NULL)
			model->conn = conn;
		else if (conn != model->conn)
			tcp_abort(conn);
	}
}

static void call(struct model *model, struct input *input)
{
	static uint8_t block[4000];
	struct pkt_chain chain = {0};
	uint8_t what = octet(input);
	size_t amount = (size_t)octet(input) * 17;

	fetch_news(model);
	if (model->conn == NULL) {
		if ((what & 3) == 0 && tcp_connect(model->net, model->now_us, &model->local,
		                                   &model->peer, &model->conn) != OK)
			model->conn = NULL;
		return;
	}
	size_t readable = tcp_readable(model->conn);
	amount = amount < sizeof(block) ? amount : sizeof(block);
	switch (what % 9) {
	case 0:
		tcp_consume(model->conn, amount < readable ? amount : readable);
		break;
	case 1:
		(void)tcp_write(model->conn, bytes_of(block, amount), what & 0x80);
		break;
	case 2:
		(void)tcp_take(model->conn, amount < readable ? amount : readable, &chain);
		if (what & 0x80)
			(void)tcp_write_chain(model->conn, &chain, what & 0x40);
		pkt_chain_put_all(&chain);
		break;
	case 3:
		tcp_window_limit(model->conn, amount * 4);
		break;
	case 4:
		tcp_shutdown(model->conn);
		break;
	case 5:
		tcp_close(model->conn);
		model->conn = NULL;
		break;
	case 6:
		tcp_abort(model->conn);
		model->conn = NULL;
		break;
	case 7:
		tcp_mark_ready(model->conn);
		break;
	default:
		tcp_icmp_error(model->net, (enum icmp_error)(what / 9 % 3), &model->local,
		               &model->peer, model->our_ack - (uint32_t)(amount % 5),
		               (uint32_t)amount);
		break;
	}
}

/* The scoreboard: sorted, disjoint, in flight. */
static void check_sent(const struct tcp_conn *conn)
{
	const struct tcp_sent *sent = sent_of(conn);
	uint32_t seq = conn->snd_una;

	if (sent == NULL)
		return;
	for (uint32_t i = 0; i < sent->sacked_count; i++) {
		ASSERT(!seq_before(sent->sacked[i].start, seq));
		ASSERT(seq_after(sent->sacked[i].end, sent->sacked[i].start));
		seq = sent->sacked[i].end;
	}
	ASSERT(!seq_after(seq, conn->snd_nxt));
	seq = conn->snd_una;
	for (uint32_t i = 0; i < sent->again_count; i++) {
		ASSERT(!seq_before(sent->again[i].start, seq));
		ASSERT(seq_after(sent->again[i].end, sent->again[i].start));
		seq = sent->again[i].end;
	}
	ASSERT(!seq_after(seq, conn->snd_nxt));
	ASSERT(!seq_before(sent->lost_end, conn->snd_una));
	ASSERT(!seq_after(sent->lost_end, conn->snd_nxt));
	ASSERT(sent_pipe(conn, sent) <= 2 * (conn->snd_nxt - conn->snd_una));
}

static void check(struct model *model)
{
	const struct tcp_conn *conn = model->conn;

	if (conn == NULL || conn->state == TCP_STATE_CLOSED) {
		model->edge_known = false;
		return;
	}
	ASSERT(!seq_after(conn->snd_una, conn->snd_nxt));
	ASSERT(!seq_after(conn->rcv_nxt, conn->rcv_adv) || conn->state == TCP_STATE_SYN_SENT);
	if (conn->state == TCP_STATE_SYN_SENT)
		return;
	if (model->edge_known)
		ASSERT(!seq_before(conn->rcv_adv, model->edge));
	model->edge = conn->rcv_adv;
	model->edge_known = true;
	if (conn->snd_una != conn->snd_nxt && !(conn->flags & CONN_DIRTY))
		ASSERT(conn->rexmit_at_ms != 0 &&
		       timer_is_set(model->net->tcp->timers, conn->index));
	check_sent(conn);
	size_t readable = 0;
	for (const struct pkt *pkt = conn->rcv_head; pkt != NULL; pkt = pkt->next)
		readable += pkt->len;
	ASSERT(readable == conn->rcv_bytes);
	uint32_t seq = conn->snd_head != NULL ? conn->snd_head->seq : conn->snd_end;
	for (const struct pkt *pkt = conn->snd_head; pkt != NULL; pkt = pkt->next) {
		ASSERT(pkt->seq == seq);
		seq += pkt->len;
	}
	ASSERT(seq == conn->snd_end);
}

static bool start(struct model *model, uint8_t choices)
{
	struct net_config config;
	struct prefix prefix = {.bits = 120};

	net_config_defaults(&config);
	config.connections_max = 8;
	config.syn_cache_count = 2;
	config.time_wait_count = 2;
	config.retries_max = 5;
	config.receive_window_bytes = 20000;
	config.send_buffer_bytes = 30000;
	config.cookies_only = choices & 1;
	config.no_timestamps = choices & 2;
	config.no_sack = choices & 4;
	config.no_window_scale = choices & 8;
	config.connections_per_prefix_max = choices & 16 ? 1 : 0;
	model->now_us = 10000000;
	model->local = (struct endpoint){addr_from_ip4(0xc0000201), 25};
	model->peer = (struct endpoint){addr_from_ip4(0xc0000202), 40000};
	prefix.addr = model->local.addr;
	if (arena_init(&model->arena,
	               net_bytes(&config) + PKT_COUNT * (PKT_DATA_BYTES + 256) + 65536,
	               false) != OK)
		return false;
	model->pool = pkt_pool_memory(&model->arena, PKT_COUNT);
	model->net = net_new(&model->arena, &config, model->pool, &model->net_counters,
	                     &model->counters, model->now_us);
	ASSERT(model->net != NULL);
	net_set_raw_ip(model->net);
	ASSERT(net_add_address(model->net, 0, &prefix) == OK);
	ASSERT(tcp_listen(model->net, &model->local, 1) == OK);
	return true;
}

/* Whatever happened, after the user's end and enough time nothing may be left. */
static void finish(struct model *model)
{
	fetch_news(model);
	if (model->conn != NULL)
		tcp_abort(model->conn);
	model->conn = NULL;
	for (int i = 0; i < 40; i++) {
		advance(model, 30000000);
		fetch_news(model);
		if (model->conn != NULL)
			tcp_abort(model->conn);
		model->conn = NULL;
		collect(model);
	}
	ASSERT(net_connection_count(model->net) == 0);
	ASSERT(model->pool->free_count == PKT_COUNT);
	ASSERT(model->net->tcp->syn_cache.used == 0 && model->net->tcp->time_wait.used == 0);
	ASSERT(model->net->tcp->recoveries.used == 0 && model->net->tcp->sents.used == 0);
	ASSERT(model->net->tcp->reassembly_pkts == 0);
	for (uint32_t i = 0; model->net->tcp->prefixes != NULL; i++) {
		ASSERT(model->net->tcp->prefixes[i] == 0);
		if (i == 2 * model->net->tcp->prefix_mask + 1)
			break;
	}
	arena_free(&model->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model model;
	struct input input = {data, size, 0};

	memset(&model, 0, sizeof(model));
	if (!start(&model, octet(&input)))
		return 0;
	for (int i = 0; i < COMMANDS_MAX && input.at < input.size; i++) {
		uint8_t command = octet(&input);
		if (command < 0xa0)
			inject(&model, &input);
		else if (command < 0xe0)
			call(&model, &input);
		else
			advance(&model, (uint64_t)octet(&input) << (command & 15));
		if (command & 1)
			fetch_news(&model);
		if (!(command & 2))
			collect(&model);
		check(&model);
	}
	collect(&model);
	finish(&model);
	return 0;
}
