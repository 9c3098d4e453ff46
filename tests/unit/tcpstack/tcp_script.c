/* tcp_script.c - the scripted peer of TCP's tests. */
#include "tcp_script.h"

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

static uint16_t get_u16(const uint8_t *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

static uint32_t get_u32(const uint8_t *from)
{
	return (uint32_t)get_u16(from) << 16 | get_u16(from + 2);
}

static uint8_t flags_of(const char *letters)
{
	uint8_t flags = 0;

	for (; *letters != 0; letters++) {
		switch (*letters) {
		case 'F':
			flags |= 1;
			break;
		case 'S':
			flags |= 2;
			break;
		case 'R':
			flags |= 4;
			break;
		case 'P':
			flags |= 8;
			break;
		case 'E':
			flags |= 0x40;
			break;
		case 'C':
			flags |= 0x80;
			break;
		case '.':
			flags |= 16;
			break;
		default:
			fail_msg("flag %c", *letters);
		}
	}
	return flags;
}

void script_start(struct script *script, const struct net_config *config)
{
	memset(script, 0, sizeof(*script));
	script->now_us = 5000000;
	host_init(&script->host, 1, false, config, 512, script->now_us);
	script->local = (struct endpoint){script->host.addr, 25};
	script->peer = (struct endpoint){addr_from_ip4(0xc0000263), 40000};
	script->peer_isn = 0xfffffff0u; /* wraps soon */
}

void script_end(struct script *script)
{
	uint32_t news;
	struct tcp_conn *conn;

	while ((conn = tcp_next_ready(script->host.net, &news)) != NULL)
		;
	host_check_clean(&script->host);
	host_free(&script->host);
}

static void take_apart(const struct pkt *pkt, struct script_packet *out)
{
	const uint8_t *header = pkt->data + 20;
	size_t header_bytes = (size_t)(header[12] >> 4) * 4;
	struct addr our = addr_from_ip4(get_u32(pkt->data + 12)),
	            peer = addr_from_ip4(get_u32(pkt->data + 16));

	out->at_us = pkt->at_us;
	out->flags = header[13];
	out->tos = pkt->data[1];
	out->seq = get_u32(header + 4);
	out->ack = get_u32(header + 8);
	out->window = get_u16(header + 14);
	out->options_bytes = header_bytes - 20;
	memcpy(out->options, header + 20, out->options_bytes);
	out->len = (uint32_t)(pkt->len - 20 - header_bytes);
	memcpy(out->payload, header + header_bytes, out->len);
	assert_int_equal(checksum_fold(checksum_add(0, pkt->data, 20)), 0);
	uint32_t sum = checksum_pseudo(&our, &peer, 6, pkt->len - 20u);
	assert_int_equal(checksum_fold(checksum_add(sum, header, pkt->len - 20u)), 0);
}

void script_collect(struct script *script)
{
	struct pkt *pkts[32];
	size_t count;

	do {
		count = net_output(script->host.net, script->now_us, pkts, 32);
		for (size_t i = 0; i < count; i++) {
			assert_true(script->out_count < SCRIPT_OUT_MAX);
			if (pkts[i]->data[9] == 6)
				take_apart(pkts[i], &script->out[script->out_count++]);
			pkt_put(pkts[i]);
		}
	} while (count == 32);
}

void script_advance(struct script *script, uint64_t us)
{
	uint64_t until = script->now_us + us;

	script_collect(script);
	for (int steps = 0;; steps++) {
		uint64_t next = tcp_next_timer_us(script->host.net);
		assert_true(steps < 100000);
		if (next > until)
			break;
		if (next > script->now_us)
			script->now_us = next;
		net_timers(script->host.net, script->now_us, 100);
		script_collect(script);
	}
	script->now_us = until;
	net_timers(script->host.net, script->now_us, 100);
	script_collect(script);
}

static void inject_packet(struct script *script, uint8_t protocol, const uint8_t *body,
                          size_t bytes)
{
	struct pkt *pkt = pkt_get(script->host.pool);
	uint16_t checksum;

	assert_non_null(pkt);
	memset(pkt->data, 0, 20);
	pkt->data[0] = 0x45;
	pkt->data[1] = script->tos;
	put_u16(pkt->data + 2, (uint16_t)(20 + bytes));
	pkt->data[8] = 64;
	pkt->data[9] = protocol;
	memcpy(pkt->data + 12, script->peer.addr.octet + 12, 4);
	memcpy(pkt->data + 16, script->local.addr.octet + 12, 4);
	checksum = checksum_fold(checksum_add(0, pkt->data, 20));
	memcpy(pkt->data + 10, &checksum, 2);
	memcpy(pkt->data + 20, body, bytes);
	pkt->len = (uint16_t)(20 + bytes);
	if (script->input != NULL) {
		script->input(script, pkt->data, pkt->len);
		pkt_put(pkt);
	} else {
		net_input_ip(script->host.net, script->now_us, pkt);
	}
	if (!script->hold)
		script_collect(script);
}

void script_inject(struct script *script, const char *flags, uint32_t seq, uint32_t ack,
                   uint16_t window, const void *payload, size_t len)
{
	uint8_t segment[1600] = {0};
	size_t header_bytes = 20 + script->options_bytes;
	size_t bytes = header_bytes + len;
	uint16_t checksum;
	uint32_t sum;

	assert_true(bytes <= sizeof(segment));
	put_u16(segment, script->peer.port);
	put_u16(segment + 2, script->local.port);
	put_u32(segment + 4, script->peer_isn + seq);
	put_u32(segment + 8, flags_of(flags) & 16 ? script->our_isn + ack : 0);
	segment[12] = (uint8_t)(header_bytes / 4 << 4);
	segment[13] = flags_of(flags);
	put_u16(segment + 14, window);
	memcpy(segment + 20, script->options, script->options_bytes);
	if (len > 0)
		memcpy(segment + header_bytes, payload, len);
	sum = checksum_pseudo(&script->peer.addr, &script->local.addr, 6, (uint32_t)bytes);
	checksum = checksum_fold(checksum_add(sum, segment, bytes));
	memcpy(segment + 16, &checksum, 2);
	inject_packet(script, 6, segment, bytes);
}

void script_inject_len(struct script *script, const char *flags, uint32_t seq, uint32_t ack,
                       uint16_t window, size_t len)
{
	uint8_t payload[1600];

	memset(payload, 'x', sizeof(payload));
	script_inject(script, flags, seq, ack, window, payload, len);
}

void script_options(struct script *script, const void *options, size_t bytes)
{
	if (bytes > 0)
		memcpy(script->options, options, bytes);
	script->options_bytes = bytes;
}

void script_timestamps(struct script *script, uint32_t ts_val, uint32_t ts_ecr)
{
	script->options[0] = script->options[1] = 1;
	script->options[2] = 8;
	script->options[3] = 10;
	put_u32(script->options + 4, ts_val);
	put_u32(script->options + 8, ts_ecr);
	script->options_bytes = 12;
}

void script_expect_at(struct script *script, const char *flags, uint32_t seq, uint32_t ack,
                      size_t len, int line)
{
	struct script_packet *packet;

	script_collect(script);
	if (script->out_head == script->out_count)
		fail_msg("line %d: expected %s %u:%u ack %u, nothing was sent", line, flags, seq,
		         (unsigned)(seq + len), ack);
	packet = &script->out[script->out_head++];
	script->last = *packet;
	if (packet->flags & 2 && !script->have_isn) {
		script->our_isn = packet->seq;
		script->have_isn = true;
	}
	uint32_t seen_seq = packet->seq - script->our_isn;
	uint32_t seen_ack = packet->flags & 16 ? packet->ack - script->peer_isn : packet->ack;
	if (packet->flags != flags_of(flags) || seen_seq != seq || seen_ack != ack ||
	    packet->len != len)
		fail_msg("line %d: expected %s (0x%02x) %u:%u ack %u, saw 0x%02x %u:%u ack %u",
		         line, flags, flags_of(flags), seq, (unsigned)(seq + len), ack,
		         packet->flags, seen_seq, seen_seq + packet->len, seen_ack);
}

void script_expect_nothing_at(struct script *script, int line)
{
	script_collect(script);
	if (script->out_head != script->out_count) {
		const struct script_packet *packet = &script->out[script->out_head];
		fail_msg("line %d: nothing expected, saw 0x%02x %u:%u ack %u", line, packet->flags,
		         packet->seq - script->our_isn, packet->seq - script->our_isn + packet->len,
		         packet->ack - script->peer_isn);
	}
}

struct tcp_conn *script_news(struct script *script, uint32_t *out_news)
{
	struct tcp_conn *conn = tcp_next_ready(script->host.net, out_news);
	uint32_t news;

	if (conn == NULL) {
		*out_news = 0;
		return NULL;
	}
	assert_null(tcp_next_ready(script->host.net, &news));
	return conn;
}

static const uint8_t syn_options[] = {2, 4, 5, 0xb4, 1, 1, 4, 2}; /* mss 1460, sackOK */

struct tcp_conn *script_accept(struct script *script, uint16_t window)
{
	uint32_t news;
	struct tcp_conn *conn;

	assert_int_equal(tcp_listen(script->host.net, &script->local, 3), OK);
	script_options(script, syn_options, sizeof(syn_options));
	script_inject(script, "S", 0, 0, window, NULL, 0);
	expect(script, "S.", 0, 1, 0);
	script_options(script, NULL, 0);
	script_inject(script, ".", 1, 1, window, NULL, 0);
	conn = script_news(script, &news);
	assert_non_null(conn);
	assert_int_equal(news, TCP_ACCEPTED);
	assert_int_equal(tcp_listener_tag(conn), 3);
	expect_nothing(script);
	return conn;
}

struct tcp_conn *script_connect(struct script *script, uint16_t window)
{
	struct tcp_conn *conn;
	uint32_t news;

	script->local.port = 50000;
	assert_int_equal(
	    tcp_connect(script->host.net, script->now_us, &script->local, &script->peer, &conn),
	    OK);
	expect(script, "S", 0, 0, 0);
	script_options(script, syn_options, sizeof(syn_options));
	script_inject(script, "S.", 0, 1, window, NULL, 0);
	script_options(script, NULL, 0);
	expect(script, ".", 1, 1, 0);
	assert_ptr_equal(script_news(script, &news), conn);
	assert_int_equal(news, TCP_CONNECTED);
	return conn;
}

void script_icmp(struct script *script, uint8_t type, uint8_t code, uint16_t mtu,
                 uint32_t quoted_seq)
{
	uint8_t body[8 + 20 + 8] = {type, code};
	uint8_t *quoted = body + 8;
	uint16_t checksum;

	put_u16(body + 6, mtu);
	quoted[0] = 0x45;
	put_u16(quoted + 2, 40);
	quoted[8] = 60;
	quoted[9] = 6;
	memcpy(quoted + 12, script->local.addr.octet + 12, 4);
	memcpy(quoted + 16, script->peer.addr.octet + 12, 4);
	put_u16(quoted + 20, script->local.port);
	put_u16(quoted + 22, script->peer.port);
	put_u32(quoted + 24, script->our_isn + quoted_seq);
	checksum = checksum_fold(checksum_add(0, body, sizeof(body)));
	memcpy(body + 2, &checksum, 2);
	inject_packet(script, 1, body, sizeof(body));
}
