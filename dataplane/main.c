/* main.c - postern: the command line of the dataplane, and the signals it waits for. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "dataplane/port.h"
#include "dataplane/process.h"

#define CONFIG_DEFAULT "/etc/postern/postern.conf"

enum exit_status {
	EXIT_FINE = 0,
	EXIT_FAILED = 1, /* could not start */
	EXIT_USAGE = 2,
	EXIT_CONFIG = 3 /* the configuration is wrong */
};

static void usage(FILE *out)
{
	fputs("usage: postern [--config FILE] [--check]\n"
	      "       postern --help | --version\n"
	      "\n"
	      "The packet process of the Postern mail gateway.\n"
	      "\n"
	      "  -c, --config FILE  configuration (" CONFIG_DEFAULT ")\n"
	      "  -n, --check        validate the configuration and exit\n"
	      "  -h, --help         this text\n"
	      "  -V, --version      version\n"
	      "\n"
	      "SIGTERM and SIGINT drain and end; SIGHUP reads the reloadable options again.\n"
	      "Exit status: 0 ended as asked, 1 could not start, 2 usage, 3 configuration is "
	      "wrong.\n",
	      out);
}

static struct config config; /* too large for a stack */

static bool load(const char *path, struct config *out_config)
{
	struct config_error error;

	if (config_load(path, out_config, &error))
		return true;
	fprintf(stderr, "postern: %s\n", error.text);
	return false;
}

static void reload(struct process *process)
{
	char reason[CONFIG_ERROR_BYTES];

	if (process_reload(process, reason) == OK)
		fputs("postern: reloadable options taken over\n", stderr);
	else
		fprintf(stderr, "postern: %s\npostern: the configuration in force stays as it is\n",
		        reason);
}

/* Returns the signal that ends the process. */
static int wait_for_end(const sigset_t *signals, struct process *process)
{
	int signal;

	for (;;) {
		if (sigwait(signals, &signal) != 0)
			continue;
		if (signal != SIGHUP)
			return signal;
		reload(process);
	}
}

static int run(const char *path)
{
	char reason[PORT_REASON_BYTES] = "";
	struct process *process;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	if (process_start(&config, path, &process, reason) != OK) {
		fprintf(stderr, "postern: %s\n", reason[0] != '\0' ? reason : "out of memory");
		process_stop(process);
		return EXIT_FAILED;
	}
	fprintf(stderr, "postern: ready\n");
	if (wait_for_end(&signals, process) == SIGTERM)
		fputs("postern: draining\n", stderr);
	process_stop(process);
	return EXIT_FINE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
	                                        {"check", no_argument, NULL, 'n'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {"version", no_argument, NULL, 'V'},
	                                        {NULL, 0, NULL, 0}};
	const char *path = CONFIG_DEFAULT;
	bool check = false;
	int option;

	while ((option = getopt_long(argc, argv, "c:nhV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_FINE;
		case 'V':
			puts("postern " POSTERN_VERSION);
			return EXIT_FINE;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!load(path, &config))
		return EXIT_CONFIG;
	if (check) {
		printf("%s: configuration is valid\n", path);
		return EXIT_FINE;
	}
	return run(path);
}
