/* world.c - the stack in virtual time: options, packets in and out, the clock. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "conformance_internal.h"

#define START_US     1000000000u /* any time that is not near zero */
#define PKTS         16384
#define OPTION_BYTES 64
/* What a buffer holds besides its headroom, less an Ethernet header that is never there. */
#define MTU_MAX   1800
#define TURNS_MAX 100000 /* of one call: beyond it the stack is going round in circles */

struct world world;

struct option {
	const char *name, *short_name;
	size_t offset, bytes;
	uint64_t factor, min, max;
	bool is_flag, value_if_set;
};

static const struct option options[] = {
#define NUMBER(name, short, field, factor, min, max) \
	{#name, \
	 #short, \
	 offsetof(struct net_config, field), \
	 sizeof(((struct net_config *)0)->field), \
	 (factor), \
	 (min), \
	 (max), \
	 false, \
	 false},
#define FLAG(name, short, field, value_if_set) \
	{#name, #short, offsetof(struct net_config, field), 1, 1, 0, 1, true, value_if_set},
#include "options.def"
};

static void store(struct net_config *config, const struct option *option, uint64_t value)
{
	void *field = (char *)config + option->offset;
	uint16_t value16 = (uint16_t)value;
	uint32_t value32 = (uint32_t)value;

	if (option->is_flag)
		*(bool *)field = (value != 0) == option->value_if_set;
	else if (option->bytes == sizeof(value16))
		memcpy(field, &value16, sizeof(value16));
	else if (option->bytes == sizeof(value32))
		memcpy(field, &value32, sizeof(value32));
	else
		memcpy(field, &value, sizeof(value));
}

/* "on", "off" or a decimal number. */
static int parse_value(const char *text, uint64_t *out_value)
{
	char *end;

	if (strcmp(text, "on") == 0 || strcmp(text, "off") == 0) {
		*out_value = text[1] == 'n';
		return 0;
	}
	if (*text < '0' || *text > '9')
		return -EINVAL;
	*out_value = strtoull(text, &end, 10);
	return *end == '\0' ? 0 : -EINVAL;
}

static int apply_option(struct net_config *config, char *text)
{
	char *value_text = strchr(text, '=');
	uint64_t value = 1;

	if (value_text != NULL) {
		*value_text++ = '\0';
		if (parse_value(value_text, &value) != 0)
			return -EINVAL;
	}
	/* 0: not offered; otherwise the least scale that is. */
	if (strcmp(text, "window_scale") == 0 || strcmp(text, "wscale") == 0) {
		if (value > 14)
			return -EINVAL;
		config->no_window_scale = value == 0;
		config->window_scale_min = (uint8_t)value;
		return 0;
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *option = &options[i];

		if (strcmp(text, option->name) != 0 && strcmp(text, option->short_name) != 0)
			continue;
		if (value < option->min || value > option->max)
			return -EINVAL;
		store(config, option, value * option->factor);
		return 0;
	}
	return -EINVAL;
}

static int apply_options(struct net_config *config, const char *text)
{
	while (text != NULL && *text != '\0') {
		char option[OPTION_BYTES];
		size_t len = strcspn(text, ", ");
		int result;

		if (len >= sizeof(option))
			return -EINVAL;
		memcpy(option, text, len);
		option[len] = '\0';
		result = len > 0 ? apply_option(config, option) : 0;
		if (result != 0)
			return result;
		text += len;
		text += *text != '\0';
	}
	return 0;
}

int pc_reset(const char *text)
{
	struct net_config config;
	int result;

	net_config_defaults(&config);
	/* As a host that sends bulk: idle connections keep their window unless the caller says
	 * otherwise. */
	config.no_idle_restart = true;
	config.seed = 1;
	config.connections_max = 1024;
	config.receive_window_bytes = UINT16_MAX;
	config.receive_window_initial_bytes = UINT16_MAX;
	result = apply_options(&config, text);
	if (result != 0)
		return result;
	config.cookies_only = config.cookies_only || config.syn_cache_count == 0;
	config.secret = (struct hash_key){{config.seed, ~config.seed}};

	sockets_reset();
	if (world.net != NULL)
		arena_free(&world.arena);
	memset(&world, 0, sizeof(world));
	world.config = config;
	world.now_us = START_US;
	if (arena_init(&world.arena,
	               net_bytes(&config) +
	                   (size_t)PKTS * (PKT_DATA_BYTES + sizeof(struct pkt) + 64) + 65536,
	               false) != OK)
		return -ENOMEM;
	world.pool = pkt_pool_memory(&world.arena, PKTS);
	world.net = world.pool == NULL
	                ? NULL
	                : net_new(&world.arena, &config, world.pool, &world.net_counters,
	                          &world.tcp_counters, world.now_us);
	if (world.net == NULL) {
		arena_free(&world.arena);
		return -ENOMEM;
	}
	net_set_raw_ip(world.net);
	return 0;
}

void world_need(void)
{
	if (world.net != NULL)
		return;
	int result = pc_reset("");
	ASSERT(result == 0);
}

int pc_add_address(const struct sockaddr *address, int prefix_length)
{
	struct endpoint endpoint;
	struct prefix prefix;
	int result = endpoint_from(address, &endpoint);

	world_need();
	if (result != 0)
		return result;
	prefix.addr = endpoint.addr;
	if (prefix_length < 0 || prefix_length > (addr_is_ip4(&prefix.addr) ? 32 : 128))
		return -EINVAL;
	prefix.bits = (uint8_t)(prefix_length + (addr_is_ip4(&prefix.addr) ? 96 : 0));
	switch (net_add_address(world.net, 0, &prefix)) {
	case OK:
		return 0;
	case ERR_DUPLICATE:
		return -EEXIST;
	case ERR_FULL:
		return -ENOSPC;
	default:
		return -EADDRNOTAVAIL;
	}
}

void world_turn(void)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	bool busy = true;

	for (uint32_t turn = 0; busy; turn++) {
		struct tcp_conn *conn;
		uint32_t news;
		size_t count;

		ASSERT(turn < TURNS_MAX);
		busy = false;
		while ((conn = tcp_next_ready(world.net, &news)) != NULL) {
			sockets_news(conn, news);
			busy = true;
		}
		count = net_output(world.net, world.now_us, pkts, BURST_PKTS_MAX);
		for (size_t i = 0; i < count; i++)
			pkt_chain_push(&world.out, pkts[i]);
		busy = busy || count > 0;
	}
}

int64_t pc_now_us(void)
{
	world_need();
	return (int64_t)world.now_us;
}

int pc_input(const void *packet, size_t bytes)
{
	struct pkt *pkt;
	int result;

	world_need();
	if (bytes > PKT_DATA_BYTES - PKT_HEADROOM_BYTES) {
		result = world_input_large(packet, bytes);
		world_turn();
		return result;
	}
	pkt = pkt_get(world.pool);
	if (pkt == NULL)
		return -ENOBUFS;
	memcpy(pkt->data, packet, bytes);
	pkt->len = (uint16_t)bytes;
	net_input_ip(world.net, world.now_us, pkt);
	if (!world.in_burst)
		world_turn();
	return 0;
}

int64_t pc_output(void *buf, size_t bytes_max, int64_t *out_left_at_us)
{
	struct pkt *pkt;
	int64_t len;

	world_need();
	if (world.out.head == NULL)
		return -EAGAIN;
	if (world.out.head->len > bytes_max)
		return -EMSGSIZE;
	pkt = pkt_chain_pop(&world.out);
	len = pkt->len;
	memcpy(buf, pkt->data, pkt->len);
	if (out_left_at_us != NULL)
		*out_left_at_us = (int64_t)pkt->at_us;
	pkt_put(pkt);
	return len;
}

int64_t pc_next_deadline_us(void)
{
	uint64_t stack_us;
	int64_t own_us;

	world_need();
	stack_us = net_next_deadline_us(world.net);
	own_us = sockets_deadline_us();
	if (stack_us >= (uint64_t)own_us)
		return own_us;
	return stack_us > world.now_us ? (int64_t)stack_us : (int64_t)world.now_us;
}

int pc_advance(int64_t to_us)
{
	uint32_t stuck = 0;

	world_need();
	if (to_us < (int64_t)world.now_us)
		return -EINVAL;
	for (;;) {
		int64_t next_us = pc_next_deadline_us();

		if (next_us > to_us)
			break;
		stuck = next_us > (int64_t)world.now_us ? 0 : stuck + 1;
		ASSERT(stuck < TURNS_MAX);
		world.now_us = (uint64_t)next_us;
		net_timers(world.net, world.now_us, BURST_PKTS_MAX);
		sockets_timers();
		world_turn();
	}
	world.now_us = (uint64_t)to_us;
	net_timers(world.net, world.now_us, BURST_PKTS_MAX);
	world_turn();
	return 0;
}
