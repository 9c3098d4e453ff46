/* process.c - the postern process put together: EAL, ports, steering, workers, control thread; and
 * its end.
 *
 * The only file that knows all parts. Workers are threads of ours, pinned, registered with the EAL;
 * the control thread runs wherever the kernel likes.
 */
#include "dataplane/process.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/attach.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/telemetry.h"
#include "dataplane/control.h"
#include "dataplane/eal.h"
#include "dataplane/handover.h"
#include "dataplane/owner.h"
#include "dataplane/port.h"
#include "dataplane/port_dpdk.h"
#include "dataplane/port_pcap.h"
#include "dataplane/rules.h"
#include "dataplane/signers.h"
#include "dataplane/tls_setup.h"
#include "dataplane/worker.h"
#include "dataplane/xdp/steer.h"

#define OWN_BYTES       ((size_t)32 << 20) /* ports, control: address space, touched as needed */
#define CONTROL_WAIT_MS 100
#define STOP_POLL_US    10000
#define GROUPS_MAX      16
#define REPLIES_JUDGED  64 /* frames of backends, before it is said that they come wrong */
#define DENY_BATCHES    16 /* between two looks at the control socket: some 20 ms */

struct process_worker {
	struct arena arena;
	struct worker_link link;
	struct port *ports[PORTS_MAX];
	struct pkt_pool *pool;
	struct worker *worker;
	pthread_t thread;
	bool started;
};

struct process {
	struct config *config;
	struct arena arena;
	struct telemetry telemetry;
	const char *config_path;
	struct config *fresh; /* of a reload; under the mutex */
	pthread_mutex_t reload_mutex;
	struct question_rings questions; /* memory NULL: nothing is asked of the network */
	int questions_wake_fd;
	struct rules_slot *rules;
	struct tls_slot *tls;
	struct signers *signers; /* NULL: none */
	bool tls_told;           /* that its files cannot be read */
	struct control *control;
	pthread_t control_thread;
	bool control_started;
	_Atomic bool control_stop;
	config_text hostname;
	struct hash_key secret;
	uint32_t steer_count;
	char replies[ATTACH_REASON_BYTES]; /* the control thread's, once it runs */
	bool replies_doubted;
	bool denies; /* the deny maps are fed; the control thread's */
	struct steer *steer[PORTS_MAX];
	uint64_t
	    *steer_counters; /* in worker 0's page: the interfaces have no worker of their own */
	struct worker_link *links[WORKERS_MAX];
	struct owners owners;
	struct handover *handover; /* NULL with one worker */
	struct process_worker worker[WORKERS_MAX];
};

static bool is_steered(const struct config_port *port)
{
	return port->vdev[0] == '\0' && strcmp(port->driver, "af_xdp") == 0;
}

static bool is_pcap(const struct config_port *port)
{
	return port->vdev[0] == '\0' && strcmp(port->driver, "pcap") == 0;
}

static enum err start_telemetry(struct process *process, char *reason)
{
	const struct counter_group *groups[GROUPS_MAX];
	uint32_t count, before = 0;
	const struct counter_group *const *worker_groups = worker_counter_groups(&count);
	enum err err;

	ASSERT(count < GROUPS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		groups[i] = worker_groups[i];
		before += groups[i]->count;
	}
	groups[count++] = &steer_counter_group;
	err = telemetry_create(&process->telemetry, groups, count, process->config->workers,
	                       process->config->events_ring_count);
	if (err != OK)
		snprintf(reason, PORT_REASON_BYTES, "no memory for telemetry: %s", err_text(err));
	else
		process->steer_counters = telemetry_counters(&process->telemetry, 0) + before;
	return err;
}

static enum err start_questions(struct process *process, char *reason)
{
	enum err err;

	process->questions_wake_fd = -1;
	if (!process->config->dns_checks)
		return OK;
	err = question_rings_create(&process->questions, process->config->workers);
	if (err == OK) {
		process->questions_wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		err = process->questions_wake_fd >= 0 ? OK : ERR_SYSTEM;
	}
	if (err != OK)
		snprintf(reason, PORT_REASON_BYTES, "no memory for questions to management: %s",
		         err_text(err));
	return err;
}

static enum err start_rules(struct process *process, char *reason)
{
	struct classifier_counters *counters[WORKERS_MAX];

	for (uint32_t w = 0; w < process->config->workers; w++)
		counters[w] = worker_classifier_counters(&process->telemetry, w);
	process->rules = rules_slot_new(process->config->workers, counters);
	if (process->rules != NULL &&
	    (process->config->memo_bytes == 0 ||
	     rules_slot_keep_results(process->rules, process->config->memo_bytes) == OK))
		return OK;
	snprintf(reason, PORT_REASON_BYTES, "out of memory");
	return ERR_NO_MEMORY;
}

/* A certificate that cannot be read must not keep mail from those who need none of it: what needs
 * it is refused instead. */
static enum err start_tls(struct process *process, char *reason)
{
	char why[CONFIG_ERROR_BYTES];

	process->fresh = calloc(1, sizeof(*process->fresh));
	process->tls = tls_slot_new(process->config->workers);
	if (process->tls == NULL || process->fresh == NULL ||
	    pthread_mutex_init(&process->reload_mutex, NULL) != 0) {
		snprintf(reason, PORT_REASON_BYTES, "out of memory");
		return ERR_NO_MEMORY;
	}
	if (tls_slot_load(process->tls, process->config, false, clock_wall_us() / 1000, why,
	                  sizeof(why)) != OK)
		fprintf(stderr,
		        "postern: warning: TLS: %s; STARTTLS is answered 454 where it is missing\n",
		        why);
	return OK;
}

static enum err prepare_interfaces(const struct config *config, char *reason)
{
	enum err err = OK;

	static_assert(STEER_REASON_BYTES <= PORT_REASON_BYTES, "one buffer serves both");
	for (uint32_t i = 0; i < config->port_count && err == OK; i++)
		if (is_steered(&config->port[i]))
			err = steer_prepare(config->port[i].interface, reason);
	return err;
}

/* From the card itself, or under AF_XDP from the kernel's driver of it. */
static void learn_owners(struct process *process, uint32_t index)
{
	static struct rss rss;
	const struct config_port *port = &process->config->port[index];
	enum err err = ERR_NOT_FOUND;

	if (process->config->workers == 1)
		return;
	if (is_steered(port))
		err = rss_of_interface(port->interface, &rss);
	else if (!is_pcap(port))
		err = port_dpdk_rss(process->worker[0].ports[index], &rss);
	if (err == OK && !owners_learn(&process->owners, index, &rss))
		fprintf(stderr,
		        "postern: warning: port %s: its table of queues leaves a worker without "
		        "one\n",
		        port->name);
}

/* Opens port `index` for all workers and, on an interface shared with the kernel, steers. */
static enum err open_port(struct process *process, uint32_t index, char *reason)
{
	const struct config *config = process->config;
	struct pkt_pool *pools[WORKERS_MAX];
	struct port *ports[WORKERS_MAX];
	enum err err;

	for (uint32_t w = 0; w < config->workers; w++)
		pools[w] = process->worker[w].pool;
	if (is_pcap(&config->port[index]))
		err = port_pcap_open(&process->arena, config, index, pools, ports, reason);
	else
		err = port_dpdk_open(&process->arena, config, index, pools, ports, reason);
	if (err != OK)
		return err;
	for (uint32_t w = 0; w < config->workers; w++)
		process->worker[w].ports[index] = ports[w];
	learn_owners(process, index);
	if (!is_steered(&config->port[index]))
		return OK;
	err = steer_attach(&process->arena, config, index, &process->steer[process->steer_count],
	                   reason);
	process->steer_count += err == OK;
	return err;
}

static enum err start_ports(struct process *process, char *reason)
{
	enum err err = OK;

	for (uint32_t w = 0; w < process->config->workers; w++) {
		process->worker[w].pool = eal_pool_new(process->config, w);
		if (process->worker[w].pool == NULL) {
			snprintf(reason, PORT_REASON_BYTES,
			         "no memory for the packets of worker %u; lower limits.packets or "
			         "give more "
			         "huge pages",
			         w);
			return ERR_NO_MEMORY;
		}
	}
	for (uint32_t i = 0; i < process->config->port_count && err == OK; i++)
		err = open_port(process, i, reason);
	return err;
}

static enum err start_handover(struct process *process, char *reason)
{
	for (uint32_t w = 0; w < process->config->workers; w++)
		process->links[w] = &process->worker[w].link;
	if (process->config->workers == 1)
		return OK;
	process->handover = handover_new(&process->arena, process->config, &process->owners,
	                                 process->links);
	if (process->handover != NULL)
		return OK;
	snprintf(reason, PORT_REASON_BYTES, "out of memory");
	return ERR_NO_MEMORY;
}

static enum err worker_prepare(struct process *process, uint32_t index, char *reason)
{
	struct process_worker *w = &process->worker[index];
	struct worker_config config = {
	    .config = process->config,
	    .index = index,
	    .ports = w->ports,
	    .pool = w->pool,
	    .rules = process->rules,
	    .tls = process->tls,
	    .tls_helpers = signers_helpers(process->signers),
	    .handover = process->handover,
	    .owners = process->handover != NULL ? &process->owners : NULL,
	    .telemetry = &process->telemetry,
	    .questions = process->questions.memory != NULL ? &process->questions : NULL,
	    .questions_wake_fd = process->questions_wake_fd,
	    .link = &w->link,
	    .hostname = process->hostname,
	    .cpu_now_ns = clock_thread_cpu_ns,
	    .secret = process->secret,
	};
	enum err err;

	random_os(&config.seed, sizeof(config.seed));
	w->link.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->link.wake_fd < 0) {
		snprintf(reason, PORT_REASON_BYTES, "eventfd: %s", strerror(errno));
		return ERR_SYSTEM;
	}
	err = arena_init(&w->arena, worker_bytes(process->config), process->config->hugepages);
	if (err != OK) {
		snprintf(reason, PORT_REASON_BYTES, "no memory for worker %u; lower the limits",
		         index);
		return err;
	}
	err = worker_new(&w->arena, &config, clock_now_us(), &w->worker, reason);
	if (err == OK)
		arena_seal(&w->arena);
	return err;
}

static void *worker_main(void *argument)
{
	struct process_worker *w = argument;

	if (eal_thread_begin() != OK)
		check_failed(__FILE__, __LINE__, "DPDK takes no more threads");
	worker_run(w->worker);
	eal_thread_end();
	return NULL;
}

/* The wanted core when we may use it, else one of those we may, in turn. */
static void worker_core(const struct config *config, uint32_t index, cpu_set_t *out_set)
{
	cpu_set_t allowed;
	uint32_t wanted = config->worker_core_first + index, nth;

	CPU_ZERO(out_set);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		CPU_ZERO(&allowed);
	if (wanted < CPU_SETSIZE && CPU_ISSET(wanted, &allowed)) {
		CPU_SET(wanted, out_set);
		return;
	}
	nth = CPU_COUNT(&allowed) > 0 ? wanted % (uint32_t)CPU_COUNT(&allowed) : 0;
	for (size_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &allowed) && nth-- == 0) {
			CPU_SET(i, out_set);
			return;
		}
}

static bool start_worker(struct process *process, uint32_t index)
{
	struct process_worker *w = &process->worker[index];
	pthread_attr_t attributes;
	char name[16];
	cpu_set_t core;

	worker_core(process->config, index, &core);
	if (pthread_attr_init(&attributes) != 0)
		return false;
	if (CPU_COUNT(&core) > 0)
		(void)pthread_attr_setaffinity_np(&attributes, sizeof(core), &core);
	w->started = pthread_create(&w->thread, &attributes, worker_main, w) == 0;
	(void)pthread_attr_destroy(&attributes);
	snprintf(name, sizeof(name), "worker%u", index);
	if (w->started)
		(void)pthread_setname_np(w->thread, name);
	return w->started;
}

/* The interfaces' counters are sums of the program's own; the control thread copies them. */
static void copy_steer_counters(struct process *process)
{
	uint64_t sums[sizeof(struct steer_stats) / sizeof(uint64_t)] = {0};

	for (uint32_t i = 0; i < process->steer_count; i++) {
		struct steer_stats stats;
		uint64_t values[sizeof(struct steer_stats) / sizeof(uint64_t)];

		steer_read(process->steer[i], &stats);
		memcpy(values, &stats, sizeof(values));
		for (size_t k = 0; k < sizeof(sums) / sizeof(sums[0]); k++)
			sums[k] += values[k];
	}
	memcpy(process->steer_counters, sums, sizeof(sums));
}

/* The deny maps follow the lists in force while listed addresses are to be dropped. */
static void lists_changed(void *context, enum generation_kind kind, const struct lists *lists)
{
	struct process *process = context;
	enum steer_level level = kind == GENERATION_DELTA ? STEER_DELTA : STEER_LISTS;

	for (uint32_t i = 0; i < process->steer_count && process->denies; i++)
		steer_deny_set(process->steer[i], level, lists);
}

/* Follows the option, which may be reloaded, and goes on with what has begun; true when more is to
 * do. */
static bool deny_turn(struct process *process)
{
	bool denies = __atomic_load_n(&process->config->listed_drop, __ATOMIC_RELAXED);
	bool more = false;

	if (denies != process->denies) {
		process->denies = true; /* emptying is a change, too */
		lists_changed(process, GENERATION_LISTS,
		              denies ? rules_lists(process->rules, GENERATION_LISTS) : NULL);
		lists_changed(process, GENERATION_DELTA,
		              denies ? rules_lists(process->rules, GENERATION_DELTA) : NULL);
		process->denies = denies;
	}
	for (uint32_t i = 0; i < process->steer_count; i++)
		more = steer_deny_turn(process->steer[i], DENY_BATCHES) || more;
	return more;
}

/* How backends' replies find their worker, and whether that has proved true: what was computed from
 * a card's hash is only as good as what the card says of itself. */
static void verify_replies(struct process *process)
{
	const uint32_t workers = process->config->workers;
	uint64_t here = 0, elsewhere = 0;
	size_t len;

	if (workers == 1)
		return;
	for (uint32_t w = 0; w < workers; w++)
		worker_add_reply_counts(&process->telemetry, w, &here, &elsewhere);
	owners_describe(&process->owners, process->replies, sizeof(process->replies));
	len = strlen(process->replies);
	snprintf(process->replies + len, sizeof(process->replies) - len,
	         "; so far %llu frames arrived right, %llu were handed over",
	         (unsigned long long)here, (unsigned long long)elsewhere);
	if (process->replies_doubted || here + elsewhere < REPLIES_JUDGED ||
	    elsewhere * 2 < here + elsewhere || !owners_compute(&process->owners))
		return;
	process->replies_doubted = true;
	fprintf(stderr,
	        "postern: warning: replies of backends do not arrive where the card's hash says; "
	        "they are handed over in software: %s\n",
	        process->replies);
}

/* New keys for tickets from time to time, and certificates that were replaced meanwhile. */
static void tls_turn(struct process *process)
{
	char why[CONFIG_ERROR_BYTES];
	bool fine = tls_slot_turn(process->tls, clock_wall_us() / 1000, why, sizeof(why));

	if (!fine && !process->tls_told)
		fprintf(stderr, "postern: warning: TLS stays as it is: %s\n", why);
	process->tls_told = !fine;
}

static void *control_main(void *argument)
{
	struct process *process = argument;
	bool more = false;

	while (!atomic_load(&process->control_stop)) {
		control_turn(process->control, more ? 0 : CONTROL_WAIT_MS);
		more = deny_turn(process);
		verify_replies(process);
		copy_steer_counters(process);
		tls_turn(process);
	}
	return NULL;
}

static enum err reload(void *context, char *reason)
{
	return process_reload(context, reason);
}

static void make_folder_of(const char *path)
{
	config_text folder;
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return;
	*slash = '\0';
	(void)mkdir(folder, 0755); /* if it fails, listening says so */
}

static enum err start_control(struct process *process, char *reason)
{
	struct control_config config = {
	    .socket_path = process->config->dataplane_socket,
	    .telemetry = &process->telemetry,
	    .questions = process->questions.memory != NULL ? &process->questions : NULL,
	    .questions_wake_fd = process->questions_wake_fd,
	    .rules = process->rules,
	    .links = process->links,
	    .worker_count = process->config->workers,
	    .start_wall_us = clock_wall_us(),
	    .replies = process->replies,
	    .lists_changed = lists_changed,
	    .reload = reload,
	    .context = process,
	};
	enum err err;

	owners_describe(&process->owners, process->replies, sizeof(process->replies));
	if (process->config->workers > 1)
		fprintf(stderr, "postern: replies of backends: %s\n", process->replies);
	make_folder_of(config.socket_path);
	err = control_new(&process->arena, &config, &process->control);
	if (err != OK)
		snprintf(reason, PORT_REASON_BYTES, "cannot listen on %.180s: %s",
		         config.socket_path, strerror(errno));
	return err;
}

static enum err start_threads(struct process *process, char *reason)
{
	for (uint32_t w = 0; w < process->config->workers; w++)
		if (!start_worker(process, w)) {
			snprintf(reason, PORT_REASON_BYTES, "cannot start the thread of worker %u",
			         w);
			return ERR_SYSTEM;
		}
	process->control_started = pthread_create(&process->control_thread, NULL, control_main,
	                                          process) == 0;
	if (process->control_started)
		return OK;
	snprintf(reason, PORT_REASON_BYTES, "cannot start the control thread");
	return ERR_SYSTEM;
}

enum err process_start(struct config *config, const char *path, struct process **out_process,
                       char *reason)
{
	static struct process process;
	enum err err;

	ASSERT(process.config == NULL);
	process.config = config;
	process.config_path = path;
	if (config->hostname[0] != '\0')
		memcpy(process.hostname, config->hostname, sizeof(process.hostname));
	else if (gethostname(process.hostname, sizeof(process.hostname) - 1) != 0)
		snprintf(process.hostname, sizeof(process.hostname), "localhost");
	random_os(&process.secret, sizeof(process.secret));
	owners_init(&process.owners, config);
	err = arena_init(&process.arena,
	                 OWN_BYTES + handover_bytes(config->workers) + signers_bytes(config),
	                 false);
	if (err == OK)
		err = start_telemetry(&process, reason);
	if (err == OK)
		err = start_questions(&process, reason);
	if (err == OK)
		err = start_rules(&process, reason);
	if (err == OK)
		err = start_tls(&process, reason);
	if (err == OK)
		err = prepare_interfaces(config, reason);
	if (err == OK)
		err = eal_start(config, reason);
	if (err == OK)
		err = start_ports(&process, reason);
	if (err == OK)
		err = start_handover(&process, reason);
	if (err == OK)
		err = signers_start(&process.arena, config, process.links, &process.signers,
		                    reason);
	for (uint32_t w = 0; w < config->workers && err == OK; w++)
		err = worker_prepare(&process, w, reason);
	if (err == OK)
		err = start_control(&process, reason);
	if (err == OK)
		err = start_threads(&process, reason);
	*out_process = &process;
	return err;
}

/* Listeners and backends are those of the start: only what `fresh` says of their TLS counts. */
static void keep_objects(struct config *fresh, const struct config *running)
{
	struct config_listener listener[LISTENERS_MAX];
	struct config_backend backend[BACKENDS_MAX];

	memcpy(listener, running->listener, sizeof(listener));
	memcpy(backend, running->backend, sizeof(backend));
	for (uint32_t i = 0; i < running->listener_count; i++)
		for (uint32_t k = 0; k < fresh->listener_count; k++)
			if (strcmp(listener[i].name, fresh->listener[k].name) == 0)
				listener[i] = fresh->listener[k];
	for (uint32_t i = 0; i < running->backend_count; i++)
		for (uint32_t k = 0; k < fresh->backend_count; k++)
			if (strcmp(backend[i].name, fresh->backend[k].name) == 0)
				backend[i] = fresh->backend[k];
	memcpy(fresh->listener, listener, sizeof(listener));
	memcpy(fresh->backend, backend, sizeof(backend));
	fresh->listener_count = running->listener_count;
	fresh->backend_count = running->backend_count;
}

static void take_over(struct process *process, const struct config *fresh)
{
#define RELOAD_YES(key) __atomic_store_n(&process->config->key, fresh->key, __ATOMIC_RELAXED);
#define RELOAD_NO(key)
#define OPTION(section, key, type, def, min, max, unit, reload, help) RELOAD_##reload(key)
#define OPTION_TEXT(section, key, def, reload, help)
#define OPTION_TEXTS(section, key, reload, help)
#include "base/options.def"
	for (uint32_t w = 0; w < process->config->workers; w++)
		worker_link_order(&process->worker[w].link, &process->worker[w].link.reload, true);
}

enum err process_reload(struct process *process, char *reason)
{
	struct config_error error;
	char why[CONFIG_ERROR_BYTES];
	enum err err = OK;

	pthread_mutex_lock(&process->reload_mutex);
	if (!config_load(process->config_path, process->fresh, &error)) {
		err = ERR_SYNTAX;
		snprintf(reason, CONFIG_ERROR_BYTES, "%s", error.text);
	} else {
		keep_objects(process->fresh, process->config);
		err = tls_slot_load(process->tls, process->fresh, true, clock_wall_us() / 1000, why,
		                    sizeof(why));
		if (err != OK)
			snprintf(reason, CONFIG_ERROR_BYTES, "TLS: %.500s", why);
	}
	if (err == OK)
		take_over(process, process->fresh);
	pthread_mutex_unlock(&process->reload_mutex);
	return err;
}

static bool all_drained(const struct process *process)
{
	for (uint32_t w = 0; w < process->config->workers; w++)
		if (!atomic_load_explicit(&process->worker[w].link.drained, memory_order_acquire))
			return false;
	return true;
}

static void drain(struct process *process)
{
	uint64_t deadline_us = clock_now_us() + (uint64_t)process->config->drain_timeout_ms * 1000;

	for (uint32_t w = 0; w < process->config->workers; w++)
		worker_link_order(&process->worker[w].link, &process->worker[w].link.drain, true);
	while (!all_drained(process) && clock_now_us() < deadline_us)
		(void)usleep(STOP_POLL_US);
}

void process_stop(struct process *process)
{
	if (process->control_started) {
		atomic_store(&process->control_stop, true);
		(void)pthread_join(process->control_thread, NULL);
		control_close(process->control);
		drain(process);
	}
	for (uint32_t w = 0; w < process->config->workers; w++) {
		struct process_worker *worker = &process->worker[w];

		if (!worker->started)
			continue;
		worker_link_order(&worker->link, &worker->link.stop, true);
		(void)pthread_join(worker->thread, NULL);
		worker_close(worker->worker);
	}
	signers_stop(process->signers);
	for (uint32_t i = 0; i < process->steer_count; i++)
		steer_detach(process->steer[i]);
	for (uint32_t i = 0; i < process->config->port_count; i++) {
		struct port *port = process->worker[0].ports[i];

		if (port != NULL)
			port->ops->close(port);
	}
	if (process->rules != NULL)
		rules_slot_free(process->rules);
	tls_slot_free(process->tls);
	free(process->fresh);
}
