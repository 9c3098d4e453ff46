/* mgmtd.c - postern-mgmtd: start, the loop, the end.
 *
 * One thread, one loop: the dataplane's socket, the children that compile, the HTTP API and the
 * event rings take turns, and none of them waits.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"

#include "mgmt/api.h"
#include "mgmt/folder.h"
#include "mgmt/log.h"
#include "mgmt/mgmt.h"

#define CONFIG_PATH_DEFAULT "/etc/postern/postern.conf"
#define TURN_MS_MIN         2  /* while events come in */
#define TURN_MS_MAX         20 /* attached and quiet */
#define TURN_MS_DETACHED    50
#define OWN_FDS             9      /* beside those of questions */
#define SYNC_WAIT_US        500000 /* for a dataplane to say what runs, before anything is compiled */

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2 };

static struct mgmt mgmt;

static void on_telemetry(void *context, int fd, bool new_dataplane)
{
	struct mgmt *m = context;

	intake_attach(&m->intake, fd, new_dataplane);
}

static void on_questions(void *context, int fd, bool wake)
{
	struct mgmt *m = context;

	asker_attach(&m->asker, fd, wake);
}

static void on_current(void *context, const struct generation *generation)
{
	struct mgmt *m = context;

	rules_load_current(generation->kind == GENERATION_SHADOW ? &m->shadow : &m->rules,
	                   generation);
}

static void load_all(struct mgmt *m)
{
	json_t *paths = rules_load_paths(&m->rules);
	json_t *shadow_paths = rules_load_paths(&m->shadow);

	m->loaded = true;
	if (json_array_size(paths) > 0)
		rules_load_start(&m->rules, NULL, NULL, NULL);
	else
		log_warning("no rules: set rules.rules_paths or use posternctl rules push");
	json_decref(paths);
	if (json_array_size(shadow_paths) > 0)
		rules_load_start(&m->shadow, NULL, NULL, NULL);
	json_decref(shadow_paths);
	lists_load_start(&m->lists, NULL, NULL);
	lists_load_publish_additions(&m->lists);
}

/* What runs is known now: files that differ from it are loaded. */
static void on_synced(void *context, bool new_dataplane)
{
	struct mgmt *m = context;

	(void)new_dataplane;
	if (!m->loaded)
		load_all(m);
}

static void on_lost(void *context)
{
	struct mgmt *m = context;

	intake_run(&m->intake);
	asker_detach(&m->asker);
}

bool mgmt_reload(struct mgmt *m, struct config_error *out_error)
{
	static struct config fresh;

	if (!config_load(m->config_path, &fresh, out_error)) {
		log_error("%s (nothing was changed)", out_error->text);
		return false;
	}
	m->config.rules_paths = fresh.rules_paths;
	m->config.deny_files = fresh.deny_files;
	m->config.allow_files = fresh.allow_files;
	memcpy(m->config.scored_list, fresh.scored_list, sizeof(fresh.scored_list));
	m->config.scored_list_count = fresh.scored_list_count;
	memcpy(m->config.domain, fresh.domain, sizeof(fresh.domain));
	m->config.domain_count = fresh.domain_count;
	m->config.history_rows_max = fresh.history_rows_max;
	m->history.rows_max = fresh.history_rows_max;
	events_file_reopen(&m->events_file);
	load_all(m);
	return true;
}

static bool open_api(struct mgmt *m)
{
	char reason[512];
	int fd;

	if (http_listen_unix(m->config.control_socket, &fd, reason) != OK) {
		log_error("%s", reason);
		return false;
	}
	m->control = http_open(fd, api_dispatch, m);
	if (m->control == NULL) {
		log_error("the API on %s cannot be served: out of memory or descriptors",
		          m->config.control_socket);
		return false;
	}
	if (m->config.metrics_port == 0)
		return true;
	if (http_listen_local((uint16_t)m->config.metrics_port, &fd) != OK) {
		log_error("127.0.0.1:%u: %s; free the port or change mgmt.metrics_port",
		          m->config.metrics_port, strerror(errno));
		return false;
	}
	m->metrics = http_open(fd, api_dispatch_metrics, m);
	return m->metrics != NULL;
}

/* Without it rules are compiled from scratch each time: slower, not wrong. */
static void make_cache_folder(struct mgmt *m)
{
	char path[CONFIG_TEXT_BYTES + 1];

	snprintf(path, sizeof(path), "%s/", m->config.cache_folder);
	if (m->config.cache_folder[0] != '\0' && folder_make_parent(path, 0750) != OK) {
		log_warning("%s: %s; rules are compiled without a cache, see mgmt.cache_folder",
		            m->config.cache_folder, strerror(errno));
		m->config.cache_folder[0] = '\0';
	}
}

static bool open_all(struct mgmt *m)
{
	const struct publisher_hooks hooks = {.context = m,
	                                      .telemetry = on_telemetry,
	                                      .questions = on_questions,
	                                      .current = on_current,
	                                      .synced = on_synced,
	                                      .lost = on_lost};
	char reason[STORE_REASON_BYTES];

	m->start_wall_us = clock_wall_us();
	make_cache_folder(m);
	if (store_open(&m->store, m->config.history_file, reason) != OK) {
		log_error("%s", reason);
		return false;
	}
	if (!m->store.persistent)
		log_warning("mgmt.history_file is empty: history and additions to lists end with "
		            "this daemon");
	history_open(&m->history, &m->store, m->config.history_rows_max);
	rule_names_open(&m->names, &m->store);
	events_file_open(&m->events_file, m->config.events_file);
	intake_open(&m->intake, &m->history, &m->names, &m->events_file);
	if (m->config.dns_checks &&
	    !asker_open(&m->asker, m->config.resolver, m->config.checks_timeout_ms, reason)) {
		log_error("%s", reason);
		return false;
	}
	publisher_open(&m->publisher, m->config.dataplane_socket, &hooks);
	rules_load_open(&m->rules, GENERATION_RULES, &m->config, &m->store, &m->names,
	                &m->publisher);
	rules_load_open(&m->shadow, GENERATION_SHADOW, &m->config, &m->store, &m->names,
	                &m->publisher);
	lists_load_open(&m->lists, &m->config, &m->store, &m->publisher);
	return open_api(m);
}

static void close_all(struct mgmt *m)
{
	publisher_close(&m->publisher);
	http_close(m->metrics);
	http_close(m->control);
	if (m->control != NULL)
		unlink(m->config.control_socket);
	rules_load_close(&m->rules);
	rules_load_close(&m->shadow);
	lists_load_close(&m->lists);
	intake_close(&m->intake);
	if (m->config.dns_checks)
		asker_close(&m->asker);
	events_file_close(&m->events_file);
	rule_names_close(&m->names);
	store_close(&m->store);
}

/* Everything that may have something to do, once. Returns how long the loop may wait then. */
static int turn(struct mgmt *m, uint64_t begun_us)
{
	static int wait_ms = TURN_MS_MAX;
	uint32_t events;

	publisher_run(&m->publisher, clock_now_us());
	rules_load_run(&m->rules);
	rules_load_run(&m->shadow);
	lists_load_run(&m->lists, clock_wall_us());
	asker_run(&m->asker, clock_now_us());
	events = intake_run(&m->intake);
	if (events > 0)
		http_wake(m->control);
	http_run(m->control);
	http_run(m->metrics);
	/* What the API asked for goes out in the same turn. */
	publisher_run(&m->publisher, clock_now_us());
	http_run(m->control);
	if (!m->loaded && (m->publisher.failed_once || clock_now_us() - begun_us > SYNC_WAIT_US))
		load_all(m);
	wait_ms = events > 0 ? TURN_MS_MIN : wait_ms < TURN_MS_MAX ? wait_ms + 1 : TURN_MS_MAX;
	return publisher_is_synced(&m->publisher) ? wait_ms : TURN_MS_DETACHED;
}

/* False when it is time to end. */
static bool take_signals(struct mgmt *m, int fd)
{
	struct signalfd_siginfo info;
	struct config_error error;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGHUP)
			return false;
		log_info("SIGHUP: reading configuration, rules and lists again");
		mgmt_reload(m, &error);
	}
	return true;
}

/* Waits for whatever may happen next, at most `wait_ms`. */
static void wait_for_more(struct mgmt *m, int signals, int wait_ms)
{
	struct pollfd fds[OWN_FDS + ASKER_FDS_MAX] = {
	    {.fd = signals, .events = POLLIN},
	    {.fd = publisher_poll_fd(&m->publisher), .events = POLLIN},
	    {.fd = job_poll_fd(&m->rules.job), .events = POLLIN},
	    {.fd = job_poll_fd(&m->rules.names_job), .events = POLLIN},
	    {.fd = job_poll_fd(&m->shadow.job), .events = POLLIN},
	    {.fd = job_poll_fd(&m->shadow.names_job), .events = POLLIN},
	    {.fd = job_poll_fd(&m->lists.job), .events = POLLIN},
	    {.fd = http_poll_fd(m->control), .events = POLLIN},
	    {.fd = http_poll_fd(m->metrics), .events = POLLIN},
	};
	uint32_t count = OWN_FDS + asker_sleep(&m->asker, fds + OWN_FDS, wait_ms, &wait_ms);

	if (poll(fds, count, wait_ms) < 0 && errno != EINTR)
		log_error("poll: %s", strerror(errno));
	asker_awake(&m->asker);
}

static void loop(struct mgmt *m, int signals)
{
	uint64_t begun_us = clock_now_us();
	bool running = true;

	while (running) {
		wait_for_more(m, signals, turn(m, begun_us));
		running = take_signals(m, signals);
	}
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void print_help(void)
{
	puts("Usage: postern-mgmtd [--config FILE] [--check]\n"
	     "Compiles rules, publishes rules and lists to the dataplane, keeps the history of\n"
	     "verdicts, serves posternctl and Prometheus.\n"
	     "\n"
	     "  --config FILE  configuration (default " CONFIG_PATH_DEFAULT ")\n"
	     "  --check        validate the configuration and exit\n"
	     "  --help         this text\n"
	     "  --version      the version\n"
	     "\n"
	     "SIGHUP reads configuration, rules and lists again; SIGTERM ends.\n"
	     "Exit status: 0 ended as asked, 1 failed with a reason, 2 wrong usage.");
}

/* -1: go on. */
static int parse_arguments(int argc, char **argv, bool *out_check)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
	                                        {"check", no_argument, NULL, 'k'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {"version", no_argument, NULL, 'V'},
	                                        {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			mgmt.config_path = optarg;
			break;
		case 'k':
			*out_check = true;
			break;
		case 'h':
			print_help();
			return 0;
		case 'V':
			puts("postern-mgmtd " POSTERN_VERSION);
			return 0;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "postern-mgmtd: %s: not expected; see --help\n", argv[optind]);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct config_error error;
	bool check = false;
	int signals;
	int status;

	log_open("postern-mgmtd");
	mgmt.config_path = CONFIG_PATH_DEFAULT;
	status = parse_arguments(argc, argv, &check);
	if (status >= 0)
		return status;
	if (!config_load(mgmt.config_path, &mgmt.config, &error)) {
		log_error("%s", error.text);
		return EXIT_REFUSED;
	}
	if (check) {
		printf("%s: valid\n", mgmt.config_path);
		return 0;
	}
	signals = open_signals();
	if (signals < 0 || !open_all(&mgmt)) {
		if (mgmt.control != NULL)
			unlink(mgmt.config.control_socket);
		return EXIT_REFUSED;
	}
	log_info("version " POSTERN_VERSION " serves %s", mgmt.config.control_socket);
	loop(&mgmt, signals);
	log_info("ends; the dataplane goes on");
	close_all(&mgmt);
	return 0;
}
