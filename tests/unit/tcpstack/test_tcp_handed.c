/* test_tcp_handed.c - what a client sends in fragments is put together by one net and belongs to a
 * connection of another with the same addresses. */
#include "tcp_script.h"

#include "tcpstack/wire.h"

static struct script script;     /* its host is the net that has the connection */
static struct host receiver;     /* the net a device gives fragments to */
static uint32_t offered;         /* by the receiver */
static struct net_stranger last; /* of them */

/* As handover.c does it: the packet as it was, into a packet of the other's pool. */
static bool hand_to_script(void *context, const struct net_stranger *stranger)
{
	struct pkt *pkt = pkt_get(script.host.pool);

	assert_ptr_equal(context, &script);
	assert_non_null(pkt);
	offered++;
	last = *stranger;
	memcpy(pkt->data, stranger->ip->data, stranger->ip->len);
	pkt->len = stranger->ip->len;
	pkt->flags = PKT_HANDED;
	net_input(script.host.net, script.now_us, &pkt, 1);
	return true;
}

static void feed(const uint8_t *packet, size_t from, size_t to, bool more)
{
	struct pkt *pkt = pkt_get(receiver.pool);
	struct ip4_header *ip = (struct ip4_header *)pkt->data;

	memcpy(pkt->data, packet, 20);
	memcpy(pkt->data + 20, packet + 20 + from, to - from);
	pkt->len = (uint16_t)(20 + to - from);
	ip->total_bytes = be16_of(pkt->len);
	ip->fragment = be16_of((uint16_t)(from / 8 | (more ? IP4_MORE_FRAGMENTS : 0)));
	ip->checksum = be16_of(0);
	uint16_t checksum = checksum_fold(checksum_add(0, ip, sizeof(*ip)));
	memcpy(ip->checksum.octet, &checksum, 2);
	net_input_ip(receiver.net, script.now_us, pkt);
}

/* The second half first. */
static void in_two_halves(struct script *of, const uint8_t *packet, size_t bytes)
{
	size_t middle = (bytes - 20) / 2 / 8 * 8;

	(void)of;
	feed(packet, middle, bytes - 20, false);
	feed(packet, 0, middle, true);
}

static uint32_t receiver_sent(void)
{
	struct pkt *pkts[32];
	size_t count = net_output(receiver.net, script.now_us, pkts, 32);

	for (size_t i = 0; i < count; i++)
		pkt_put(pkts[i]);
	return (uint32_t)count;
}

static struct tcp_conn *start(bool hands_on)
{
	struct net_config config = test_config(31), other = test_config(32);
	struct tcp_conn *conn;
	uint32_t news;

	offered = 0;
	script_start(&script, &config);
	assert_int_equal(tcp_listen(script.host.net, &script.local, 3), OK);
	if (hands_on) {
		other.hand_on = hand_to_script;
		other.hand_on_context = &script;
	}
	host_init(&receiver, 1, false, &other, 512, script.now_us);
	assert_int_equal(tcp_listen(receiver.net, &script.local, 3), OK);
	script_inject(&script, "S", 0, 0, 65535, NULL, 0);
	expect(&script, "S.", 0, 1, 0);
	script_inject(&script, ".", 1, 1, 65535, NULL, 0);
	conn = script_news(&script, &news);
	assert_non_null(conn);
	script.input = in_two_halves;
	return conn;
}

static void finish(struct tcp_conn *conn)
{
	tcp_abort(conn);
	script_collect(&script);
	script.out_head = script.out_count = 0;
	script_end(&script);
	host_check_clean(&receiver);
	host_free(&receiver);
}

static void test_segments_reach_their_connection(void **state)
{
	struct tcp_conn *conn = start(true);
	uint8_t octets[600];

	(void)state;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(i * 7);
	script_inject(&script, "P.", 1, 1, 65535, octets, sizeof(octets));
	assert_int_equal(offered, 1);
	assert_memory_equal(&last.local, &script.local, sizeof(last.local));
	assert_memory_equal(&last.remote, &script.peer, sizeof(last.remote));
	assert_false(last.opens);
	expect(&script, ".", 1, 601, 0);
	assert_int_equal(tcp_readable(conn), 600);
	assert_memory_equal(tcp_peek(conn, 0).data, octets, sizeof(octets));
	assert_int_equal(receiver_sent(), 0);
	assert_int_equal(receiver.counters.segments_handed_on, 1);
	assert_int_equal(script.host.counters.segments_handed_unknown, 0);
	finish(conn);
}

/* What this is for: else the receiver would end a connection it knows nothing of. */
static void test_alone_the_receiver_resets(void **state)
{
	struct tcp_conn *conn = start(false);

	(void)state;
	script_inject_len(&script, "P.", 1, 1, 65535, 600);
	expect_nothing(&script);
	assert_int_equal(receiver_sent(), 1);
	assert_int_equal(receiver.counters.resets_out, 1);
	finish(conn);
}

/* It is offered to all, so nobody answers; nor is it taken for the answer to a cookie. */
static void test_what_nobody_knows_is_dropped(void **state)
{
	struct tcp_conn *conn = start(true);

	(void)state;
	script.peer.port++;
	script_inject_len(&script, "P.", 1, 1, 65535, 600);
	assert_int_equal(offered, 1);
	expect_nothing(&script);
	assert_int_equal(receiver_sent(), 0);
	assert_int_equal(script.host.counters.segments_handed_unknown, 1);
	assert_int_equal(net_connection_count(script.host.net), 1);
	/* Handed on once: a net that gets it so hands it to nobody, in fragments or whole. */
	assert_int_equal(script.host.counters.segments_handed_on, 0);
	script.peer.port--;
	finish(conn);
}

static void test_a_syn_opens_where_it_is_handed(void **state)
{
	struct tcp_conn *conn = start(true);

	(void)state;
	script.peer.port++;
	script_inject_len(&script, "S", 0, 0, 65535, 600); /* in fragments only with octets */
	assert_true(last.opens);
	assert_int_equal(script.host.counters.syns_in, 2);
	assert_int_equal(receiver_sent(), 0);
	script.peer.port--;
	finish(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_segments_reach_their_connection),
	    cmocka_unit_test(test_alone_the_receiver_resets),
	    cmocka_unit_test(test_what_nobody_knows_is_dropped),
	    cmocka_unit_test(test_a_syn_opens_where_it_is_handed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
