/* fake_tcp.c - the functions of TCP that the layers below it call. */
#include "fake_tcp.h"

struct fake_tcp fake_tcp;

void fake_tcp_reset(void)
{
	memset(&fake_tcp, 0, sizeof(fake_tcp));
	fake_tcp.deadline_us = UINT64_MAX;
}

struct tcp *tcp_new(struct net *net, struct arena *arena)
{
	(void)net;
	return (struct tcp *)arena_take(arena, 1, 16, 16);
}

size_t tcp_bytes(const struct net_config *config)
{
	(void)config;
	return 32;
}

void tcp_input(struct net *net, const struct ip_info *ip, struct pkt *pkt)
{
	(void)net;
	fake_tcp.segment_count++;
	fake_tcp.ip = *ip;
	fake_tcp.len = pkt->len;
	memcpy(fake_tcp.data, pkt->data, pkt->len);
	pkt_put(pkt);
}

void tcp_input_end(struct net *net)
{
	(void)net;
}

void tcp_icmp_error(struct net *net, enum icmp_error error, const struct endpoint *local,
                    const struct endpoint *remote, uint32_t quoted_seq, uint32_t mtu)
{
	(void)net;
	fake_tcp.error_count++;
	fake_tcp.error = error;
	fake_tcp.local = *local;
	fake_tcp.remote = *remote;
	fake_tcp.quoted_seq = quoted_seq;
	fake_tcp.mtu = mtu;
}

void tcp_timers(struct net *net, uint32_t work_max)
{
	while (work_max-- > 0 && fake_tcp.deadline_us <= net->now_us) {
		fake_tcp.fired_us[fake_tcp.fired_count++ % 64] = net->now_us;
		fake_tcp.deadline_us = fake_tcp.period_us != 0
		                           ? fake_tcp.deadline_us + fake_tcp.period_us
		                           : UINT64_MAX;
	}
}

void tcp_output_all(struct net *net, size_t max)
{
	(void)net;
	(void)max;
}

uint64_t tcp_next_deadline_us(const struct net *net)
{
	(void)net;
	return fake_tcp.deadline_us;
}

uint64_t tcp_next_timer_us(const struct net *net)
{
	(void)net;
	return fake_tcp.deadline_us;
}

uint32_t tcp_connection_count(const struct net *net)
{
	(void)net;
	return 0;
}
