/* worker.c - one thread's share of everything: its queues, its stack, its sessions, its turn.
 *
 * Nothing below this file reads a clock. Idle: a while of empty turns, then sleep on all ports'
 * descriptors and the order descriptor until the next deadline. On cores that are shared a spinning
 * thread is punished by the scheduler and answers later than one that sleeps.
 */
#include "dataplane/worker.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "classifier/classifier_counters.h"
#include "dataplane/gateway.h"
#include "dataplane/handover.h"
#include "dataplane/owner.h"
#include "dataplane/worker_counters.h"
#include "smtp/mime_counters.h"
#include "smtp/smtp_counters.h"
#include "tcpstack/net.h"
#include "tcpstack/net_counters.h"
#include "tcpstack/tcp_counters.h"
#include "tcpstack/tls_counters.h"

#define EMPTY_TURNS_MAX   200 /* then sleep */
#define SLEEP_US_MAX      10000
#define SLEEP_BLIND_US    200 /* when a port has no descriptor to sleep on */
#define TIMERS_PER_TURN   256
#define OUTPUT_ROUNDS_MAX 32 /* bursts sent in one turn */
#define HOUSEKEEP_US      10000
#define BEHIND_BURSTS     8       /* full ones in a row: frames come faster than they are handled */
#define BEHIND_HOLD_US    1000000 /* then whoever was put off comes again */
#define PORT_STATS_US     500000  /* asking a device may cost a system call */

struct worker {
	struct worker_config config;
	struct net *net;
	struct gateway *gateway;
	struct worker_counters *counters;
	uint64_t turn_us; /* of the last turn that had work; 0 after an idle one */
	uint64_t housekeep_us, port_stats_us; /* when they are due */
	uint32_t full_bursts; /* turns in a row that found as many frames as they took */
	uint64_t behind_until_us;
	bool draining;
};

enum group {
	GROUP_WORKER,
	GROUP_NET,
	GROUP_TCP,
	GROUP_SMTP,
	GROUP_MIME,
	GROUP_CLASSIFIER,
	GROUP_GATEWAY,
	GROUP_TLS,
	GROUP_COUNT
};

static const struct counter_group *const groups[GROUP_COUNT] = {
    [GROUP_WORKER] = &worker_counter_group,   [GROUP_NET] = &net_counter_group,
    [GROUP_TCP] = &tcp_counter_group,         [GROUP_SMTP] = &smtp_counter_group,
    [GROUP_MIME] = &mime_counter_group,       [GROUP_CLASSIFIER] = &classifier_counter_group,
    [GROUP_GATEWAY] = &gateway_counter_group, [GROUP_TLS] = &tls_counter_group,
};

const struct counter_group *const *worker_counter_groups(uint32_t *out_count)
{
	*out_count = GROUP_COUNT;
	return groups;
}

/* Structs of counters are arrays of uint64_t in the order of their tables, as the telemetry page
 * is. */
static void *group_counters(const struct telemetry *telemetry, uint32_t worker, enum group group)
{
	uint64_t *counters = telemetry_counters(telemetry, worker);

	for (uint32_t i = 0; i < group; i++)
		counters += groups[i]->count;
	return counters;
}

struct classifier_counters *worker_classifier_counters(const struct telemetry *telemetry,
                                                       uint32_t index)
{
	return group_counters(telemetry, index, GROUP_CLASSIFIER);
}

void worker_add_reply_counts(const struct telemetry *telemetry, uint32_t index,
                             uint64_t *in_out_here, uint64_t *in_out_elsewhere)
{
	const struct worker_counters *counters = group_counters(telemetry, index, GROUP_WORKER);

	*in_out_here += __atomic_load_n(&counters->backend_frames_here, __ATOMIC_RELAXED);
	*in_out_elsewhere += __atomic_load_n(&counters->backend_frames_elsewhere, __ATOMIC_RELAXED);
}

/* Asked for every SYN, before there is any state. Between net_new and gateway_new there are no
 * SYNs. */
static enum net_welcome welcome(void *context, const struct addr *source)
{
	const struct worker *worker = context;

	return gateway_welcome(worker->gateway, source);
}

/* Replies to that port are ours. */
static bool port_suits(void *context, const struct endpoint *local, const struct endpoint *remote)
{
	const struct worker *worker = context;

	return owner_of(worker->config.owners, remote, local) == worker->config.index;
}

static bool hand_on(void *context, const struct net_stranger *stranger)
{
	const struct worker *worker = context;
	struct handover_counts counts = {0};
	bool is_anothers = handover_stranger(worker->config.handover, worker->config.index,
	                                     stranger, &counts);

	worker->counters->handed_over_lost += counts.lost;
	return is_anothers;
}

static uint32_t ms_to_us(uint32_t ms)
{
	return ms > UINT32_MAX / 1000 ? UINT32_MAX : ms * 1000;
}

static void net_config_fill(struct net_config *out_config, const struct config *config)
{
	uint32_t mtu = 1500;

	net_config_defaults(out_config);
	for (uint32_t i = 0; i < config->port_count; i++)
		if (i == 0 || config->port[i].mtu < mtu)
			mtu = config->port[i].mtu;
	out_config->mtu = (uint16_t)mtu;
	out_config->connections_max = config->connections_max;
	out_config->connections_per_prefix_max = config->tcp_connections_per_prefix_max;
	out_config->syn_cache_count = config->tcp_syn_cache_count;
	out_config->orphans_max = config->tcp_orphans_max;
	out_config->syn_seen_count = config->tcp_syn_seen_count;
	out_config->cookies_only = config->tcp_syn_cache_count == 0;
	out_config->rto_min_us = ms_to_us(config->tcp_rto_min_ms);
	out_config->rto_initial_us = ms_to_us(config->tcp_rto_initial_ms);
	out_config->rto_max_us = ms_to_us(config->tcp_rto_max_ms);
	out_config->delayed_ack_us = ms_to_us(config->tcp_delayed_ack_ms);
	out_config->time_wait_us = ms_to_us(config->tcp_time_wait_ms);
	out_config->retries_max = config->tcp_retries_max;
	out_config->initial_window_segments = config->tcp_initial_window_segments;
	out_config->receive_window_bytes = (uint32_t)config->tcp_receive_window_bytes;
	out_config->send_buffer_bytes = (uint32_t)config->tcp_send_buffer_bytes;
}

size_t worker_bytes(const struct config *config)
{
	struct net_config net_config;

	net_config_fill(&net_config, config);
	return sizeof(struct worker) + net_bytes(&net_config) + gateway_bytes(config) + 4096;
}

static enum err interface_add(struct net *net, const struct config_port *config,
                              const struct port *port)
{
	struct net_interface interface = {.vlan = (uint16_t)config->vlan, .port = port->index};
	enum err err;

	memcpy(interface.mac, port->mac, sizeof(interface.mac));
	err = net_add_interface(net, &interface);
	for (uint32_t i = 0; i < config->address_count && err == OK; i++)
		err = net_add_address(net, port->index, &config->address[i]);
	if (err == OK && !addr_is_unspecified(&config->gateway4))
		err = net_add_gateway(net, port->index, &config->gateway4);
	if (err == OK && !addr_is_unspecified(&config->gateway6))
		err = net_add_gateway(net, port->index, &config->gateway6);
	return err;
}

static enum err net_start(struct worker *worker, struct arena *arena, uint64_t now_us, char *reason)
{
	const struct worker_config *c = &worker->config;
	struct net_config net_config;

	net_config_fill(&net_config, c->config);
	for (uint32_t i = 0; i < c->config->port_count; i++)
		if (c->ports[i]->mtu < net_config.mtu)
			net_config.mtu = c->ports[i]->mtu;
	net_config.seed = c->seed;
	net_config.secret = c->secret;
	if (c->owners != NULL) {
		net_config.port_suits = port_suits;
		net_config.port_context = worker;
	}
	if (c->handover != NULL) {
		net_config.hand_on = hand_on;
		net_config.hand_on_context = worker;
	}
	net_config.refuse = welcome;
	net_config.refuse_context = worker;
	worker->net = net_new(arena, &net_config, c->pool,
	                      group_counters(c->telemetry, c->index, GROUP_NET),
	                      group_counters(c->telemetry, c->index, GROUP_TCP), now_us);
	if (worker->net == NULL) {
		snprintf(reason, PORT_REASON_BYTES, "no memory for the TCP stack");
		return ERR_NO_MEMORY;
	}
	for (uint32_t i = 0; i < c->config->port_count; i++) {
		enum err err = interface_add(worker->net, &c->config->port[i], c->ports[i]);

		if (err != OK) {
			snprintf(reason, PORT_REASON_BYTES, "port %s: its addresses or gateway: %s",
			         c->config->port[i].name, err_text(err));
			return err;
		}
	}
	return OK;
}

static enum err gateway_start(struct worker *worker, struct arena *arena, uint64_t now_us,
                              char *reason)
{
	const struct worker_config *c = &worker->config;
	struct gateway_config gateway_config = {
	    .config = c->config,
	    .net = worker->net,
	    .pool = c->pool,
	    .rules = c->rules,
	    .events = telemetry_events(c->telemetry, c->index),
	    .event_count = c->telemetry->event_count,
	    .questions = c->questions,
	    .questions_wake_fd = c->questions_wake_fd,
	    .counters = group_counters(c->telemetry, c->index, GROUP_GATEWAY),
	    .smtp_counters = group_counters(c->telemetry, c->index, GROUP_SMTP),
	    .mime_counters = group_counters(c->telemetry, c->index, GROUP_MIME),
	    .tls_counters = group_counters(c->telemetry, c->index, GROUP_TLS),
	    .tls = c->tls,
	    .tls_helpers = c->tls_helpers,
	    .worker = c->index,
	    .hostname = c->hostname,
	    .secret = c->secret,
	    .cpu_now_ns = c->cpu_now_ns,
	};

	worker->gateway = gateway_new(arena, &gateway_config, now_us);
	if (worker->gateway == NULL) {
		snprintf(reason, PORT_REASON_BYTES,
		         "no memory for the sessions, or a listener cannot be had twice");
		return ERR_NO_MEMORY;
	}
	return OK;
}

enum err worker_new(struct arena *arena, const struct worker_config *config, uint64_t now_us,
                    struct worker **out_worker, char *reason)
{
	struct worker *worker = arena_take(arena, 1, sizeof(struct worker), 64);
	enum err err;

	ASSERT(config->index < WORKERS_MAX);
	reason[0] = '\0';
	if (worker == NULL)
		return ERR_NO_MEMORY;
	worker->config = *config;
	worker->counters = group_counters(config->telemetry, config->index, GROUP_WORKER);
	worker->housekeep_us = now_us;
	worker->port_stats_us = now_us;
	err = net_start(worker, arena, now_us, reason);
	if (err == OK)
		err = gateway_start(worker, arena, now_us, reason);
	if (err == OK)
		*out_worker = worker;
	return err;
}

void worker_close(struct worker *worker)
{
	gateway_close(worker->gateway);
}

/* Keeps what is this worker's. */
static size_t worker_sort(struct worker *worker, struct pkt **pkts, size_t count)
{
	struct worker_counters *counters = worker->counters;
	struct handover_counts counts = {0};
	size_t kept = handover_sort(worker->config.handover, worker->config.index, pkts, count,
	                            &counts);

	counters->handed_over_lost += counts.lost;
	counters->backend_frames_here += counts.backend_here;
	counters->backend_frames_elsewhere += counts.backend_elsewhere;
	return kept;
}

/* Takes what has arrived on all ports, one burst each. */
static size_t worker_input(struct worker *worker, uint64_t now_us)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t total = 0;
	bool full = false;

	for (uint32_t i = 0; i < worker->config.config->port_count; i++) {
		struct port *port = worker->config.ports[i];
		size_t count = port->ops->rx_burst(port, now_us, pkts, BURST_PKTS_MAX);

		total += count;
		full = full || count == BURST_PKTS_MAX;
		if (worker->config.handover != NULL && count > 0)
			count = worker_sort(worker, pkts, count);
		if (count > 0)
			net_input(worker->net, now_us, pkts, count);
	}
	worker->full_bursts = full ? worker->full_bursts + 1 : 0;
	if (worker->full_bursts >= BEHIND_BURSTS)
		worker->behind_until_us = now_us + BEHIND_HOLD_US;
	net_set_behind(worker->net, now_us < worker->behind_until_us);
	return total;
}

/* Takes what reached other workers and is ours. */
static size_t worker_input_handed(struct worker *worker, uint64_t now_us)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t count;

	if (worker->config.handover == NULL)
		return 0;
	count = handover_take(worker->config.handover, worker->config.index, worker->config.pool,
	                      pkts, BURST_PKTS_MAX);
	if (count > 0)
		net_input(worker->net, now_us, pkts, count);
	worker->counters->handed_over_in += count;
	return count;
}

/* Sends a burst whose frames may leave by different ports, in runs of the same one. */
static void send_burst(struct worker *worker, uint64_t now_us, struct pkt **pkts, size_t count)
{
	size_t first = 0;

	while (first < count) {
		struct port *port = worker->config.ports[pkts[first]->port];
		size_t run = 1, taken;

		DEBUG_ASSERT(pkts[first]->port < worker->config.config->port_count);
		while (first + run < count && pkts[first + run]->port == pkts[first]->port)
			run++;
		taken = port->ops->tx_burst(port, now_us, pkts + first, run);
		worker->counters->tx_dropped += run - taken;
		for (; taken < run; taken++)
			pkt_put(pkts[first + taken]);
		first += run;
	}
}

/* What the stack has to say, bounded; what a device could not take before goes first. */
static size_t worker_output(struct worker *worker, uint64_t now_us)
{
	struct pkt *pkts[BURST_PKTS_MAX];
	size_t total = 0;

	for (uint32_t i = 0; i < worker->config.config->port_count; i++) {
		struct port *port = worker->config.ports[i];

		if (port->tx_queued > 0)
			(void)port->ops->tx_burst(port, now_us, NULL, 0);
	}
	for (uint32_t round = 0; round < OUTPUT_ROUNDS_MAX; round++) {
		size_t count = net_output(worker->net, now_us, pkts, BURST_PKTS_MAX);

		send_burst(worker, now_us, pkts, count);
		total += count;
		if (count < BURST_PKTS_MAX)
			break;
	}
	return total;
}

static void count_ports(struct worker *worker)
{
	struct worker_counters *counters = worker->counters;
	struct port_stats sum = {0};

	for (uint32_t i = 0; i < worker->config.config->port_count; i++) {
		struct port *port = worker->config.ports[i];
		struct port_stats stats;

		port->ops->stats(port, &stats);
		sum.rx_pkts += stats.rx_pkts;
		sum.rx_bytes += stats.rx_bytes;
		sum.rx_missed += stats.rx_missed;
		sum.rx_no_buffer += stats.rx_no_buffer;
		sum.rx_oversized += stats.rx_oversized;
		sum.tx_pkts += stats.tx_pkts;
		sum.tx_bytes += stats.tx_bytes;
		sum.tx_failed += stats.tx_failed;
	}
	counters->rx_frames = sum.rx_pkts;
	counters->rx_octets = sum.rx_bytes;
	counters->rx_missed = sum.rx_missed;
	counters->rx_no_buffer = sum.rx_no_buffer;
	counters->rx_oversized = sum.rx_oversized;
	counters->tx_frames = sum.tx_pkts;
	counters->tx_octets = sum.tx_bytes;
	counters->tx_failed = sum.tx_failed;
}

static void obey_orders(struct worker *worker)
{
	struct worker_link *link = worker->config.link;
	bool drain = atomic_load_explicit(&link->drain, memory_order_acquire);

	if (atomic_exchange_explicit(&link->reload, false, memory_order_acquire))
		gateway_reload(worker->gateway);
	if (drain != worker->draining) {
		worker->draining = drain;
		if (drain)
			gateway_drain(worker->gateway);
		else
			gateway_resume(worker->gateway);
	}
	atomic_store_explicit(&link->drained, drain && gateway_idle(worker->gateway),
	                      memory_order_release);
	atomic_store_explicit(&link->session_count, gateway_session_count(worker->gateway),
	                      memory_order_relaxed);
}

/* Between bursts: other rules, and now and then orders, gauges and the devices' own counts. */
static void worker_housekeep(struct worker *worker, uint64_t now_us)
{
	struct worker_counters *counters = worker->counters;

	if (rules_refresh(worker->config.rules, worker->config.index)) {
		const struct rules_view *view = rules_current(worker->config.rules,
		                                              worker->config.index);

		counters->rules_changes++;
		counters->rules_generation = view->rules_number;
		counters->lists_generation = view->lists_number;
	}
	if (now_us < worker->housekeep_us)
		return;
	worker->housekeep_us = now_us + HOUSEKEEP_US;
	obey_orders(worker);
	counters->pkts_free = worker->config.pool->free_count;
	counters->connections_now = net_connection_count(worker->net);
	counters->sessions_now = gateway_session_count(worker->gateway);
	size_t tls_bytes;
	counters->tls_connections_now = gateway_tls_use(worker->gateway, &tls_bytes);
	counters->tls_memory_now = tls_bytes;
	if (now_us < worker->port_stats_us)
		return;
	worker->port_stats_us = now_us + PORT_STATS_US;
	count_ports(worker);
}

bool worker_turn(struct worker *worker, uint64_t now_us, uint64_t wall_us)
{
	struct worker_counters *counters = worker->counters;
	size_t work = worker_input(worker, now_us);

	work += worker_input_handed(worker, now_us);
	net_timers(worker->net, now_us, TIMERS_PER_TURN);
	gateway_run(worker->gateway, now_us, wall_us);
	work += worker_output(worker, now_us);
	worker_housekeep(worker, now_us);

	counters->turns++;
	counters->turns_idle += work == 0;
	if (worker->turn_us != 0 && now_us - worker->turn_us > counters->turn_us_max)
		counters->turn_us_max = now_us - worker->turn_us;
	worker->turn_us = work > 0 ? now_us : 0;
	return work > 0;
}

uint64_t worker_next_deadline_us(const struct worker *worker)
{
	uint64_t net = net_next_deadline_us(worker->net);
	uint64_t gateway = gateway_next_deadline_us(worker->gateway);
	uint64_t next = net < gateway ? net : gateway;

	return next < worker->housekeep_us ? next : worker->housekeep_us;
}

/* Descriptors to sleep on; false when some port has none. */
static bool sleep_fds(const struct worker *worker, struct pollfd *out_fds, nfds_t *out_count)
{
	bool all = true;

	*out_count = 0;
	out_fds[(*out_count)++] = (struct pollfd){.fd = worker->config.link->wake_fd,
	                                          .events = POLLIN};
	for (uint32_t i = 0; i < worker->config.config->port_count; i++) {
		struct port *port = worker->config.ports[i];
		int fd = port->ops->sleep_fd(port);

		if (fd < 0)
			all = false;
		else
			out_fds[(*out_count)++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	return all;
}

static bool tx_waits(const struct worker *worker)
{
	for (uint32_t i = 0; i < worker->config.config->port_count; i++)
		if (worker->config.ports[i]->tx_queued > 0)
			return true;
	return false;
}

/* How long to sleep at most; 0: there is something to do. */
static uint64_t sleep_us_max(const struct worker *worker, uint64_t now_us)
{
	uint64_t deadline = worker_next_deadline_us(worker);

	if (deadline <= now_us || tx_waits(worker))
		return 0;
	return deadline - now_us < SLEEP_US_MAX ? deadline - now_us : SLEEP_US_MAX;
}

/* Until a frame, an order or the next deadline; `now_us` is when the last turn began. Who hands a
 * frame or a signature over looks whether we are asleep after it has pushed; we look for them after
 * we have said so. */
static void worker_sleep(struct worker *worker, uint64_t now_us)
{
	struct worker_link *link = worker->config.link;
	const struct handover *handover = worker->config.handover;
	struct pollfd fds[PORTS_MAX + 1];
	uint64_t sleep_us = sleep_us_max(worker, now_us), orders;
	struct timespec timeout;
	nfds_t count;

	if (sleep_us == 0)
		return;
	if (!sleep_fds(worker, fds, &count) && sleep_us > SLEEP_BLIND_US)
		sleep_us = SLEEP_BLIND_US;
	timeout = (struct timespec){.tv_nsec = (long)sleep_us * 1000};
	static_assert(SLEEP_US_MAX < 1000000, "tv_nsec holds less than a second");
	atomic_store(&link->asleep, true);
	if ((handover == NULL || !handover_waits(handover, worker->config.index)) &&
	    !gateway_is_called(worker->gateway)) {
		worker->counters->sleeps++;
		if (ppoll(fds, count, &timeout, NULL) > 0 && (fds[0].revents & POLLIN) != 0 &&
		    read(fds[0].fd, &orders, sizeof(orders)) > 0)
			worker->housekeep_us = now_us;
	}
	atomic_store_explicit(&link->asleep, false, memory_order_relaxed);
}

void worker_run(struct worker *worker)
{
	const bool poll_only = worker->config.config->poll_only;
	uint32_t empty = 0;

	while (!atomic_load_explicit(&worker->config.link->stop, memory_order_acquire)) {
		uint64_t now_us = clock_now_us();

		if (worker_turn(worker, now_us, clock_wall_us())) {
			empty = 0;
			continue;
		}
		__builtin_ia32_pause();
		if (++empty < EMPTY_TURNS_MAX || poll_only)
			continue;
		worker_sleep(worker, now_us);
		empty = 0;
	}
	gateway_leave(worker->gateway);
	rules_leave(worker->config.rules, worker->config.index);
}
