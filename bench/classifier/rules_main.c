/* rules_main.c - postern-bench-rules: how long rules take from files to every worker.
 *
 * Usage: postern-bench-rules [OPTION ...] PATH ...
 *
 * What management's child process and the dataplane's control thread do, called here one after the
 * other: compiled with nothing kept, with the databases kept, with everything kept; published for
 * the first time, again, and with a rule changed. Elapsed time, and of several rounds the median.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/common/command_line.h"
#include "dataplane/rules.h"
#include "mgmt/rules_work.h"

#define ROUNDS_MAX 101
#define WORKERS    4

static const char usage[] = "Usage: postern-bench-rules [OPTION]... PATH...\n"
                            "Compiles SpamAssassin's rules at PATH and publishes them to workers; "
                            "prints a line of JSON a\n"
                            "result.\n\n"
                            "  -n, --rounds N  median of N rounds (default 3)\n"
                            "  -h, --help      this text\n"
                            "  -V, --version   version\n\n"
                            "Exit status: 0 done, 1 the rules cannot be used, 2 usage.\n";

enum step {
	STEP_COLD,
	STEP_DATABASES,
	STEP_KEPT,
	STEP_FIRST,
	STEP_AGAIN,
	STEP_CHANGED,
	STEP_COUNT
};

static const char *const step_name[STEP_COUNT] = {"compile/cold",  "compile/databases kept",
                                                  "compile/kept",  "publish/first",
                                                  "publish/again", "publish/changed"};

struct bench {
	json_t *paths;
	char folder[32], changed[64];
	double ms[STEP_COUNT][ROUNDS_MAX];
	uint32_t rounds;
	uint64_t number;
};

static void empty_folder(const struct bench *b, const char *ending)
{
	DIR *dir = opendir(b->folder);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name), end = strlen(ending);

		if (entry->d_name[0] != '.' && len >= end &&
		    strcmp(entry->d_name + len - end, ending) == 0)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir != NULL)
		closedir(dir);
}

/* The generation's descriptor, or -1. */
static int compile(struct bench *b, double *out_ms)
{
	static struct config config;
	struct rules_work work = {.paths = b->paths,
	                          .config = &config,
	                          .number = ++b->number,
	                          .label = "bench",
	                          .cache_folder = b->folder};
	struct job_output output = {.fd = -1};
	uint64_t start_us = clock_now_us();

	rules_work_compile(&work, &output);
	*out_ms = (double)(clock_now_us() - start_us) / 1000;
	json_decref(output.report);
	if (output.error == OK)
		return output.fd;
	fprintf(stderr, "postern-bench-rules: %s\n",
	        output.reason[0] != '\0' ? output.reason : err_text(output.error));
	return -1;
}

/* From the descriptor to the last worker. */
static bool publish(struct rules_slot *slot, int fd, double *out_ms)
{
	char reason[RULES_REASON_BYTES] = "";
	enum generation_kind kind;
	uint64_t number, start_us = clock_now_us();

	if (fd < 0)
		return false;
	enum err err = rules_publish(slot, fd, &kind, &number, reason);
	for (uint32_t w = 0; w < WORKERS && err == OK; w++)
		(void)rules_refresh(slot, w);
	*out_ms = (double)(clock_now_us() - start_us) / 1000;
	if (err == OK && rules_settled(slot))
		return true;
	fprintf(stderr, "postern-bench-rules: not published: %s\n", reason);
	return false;
}

static bool write_change(const struct bench *b, uint32_t round)
{
	FILE *file = fopen(b->changed, "w");

	if (file == NULL)
		return false;
	fprintf(file,
	        "body BENCH_CHANGED /changed in round %" PRIu32 "\\b/\nscore BENCH_CHANGED 1\n",
	        round);
	return fclose(file) == 0;
}

static bool run_round(struct bench *b, uint32_t round)
{
	struct classifier_counters counters[WORKERS];
	struct classifier_counters *all[WORKERS];
	bool good = true;
	double unused;

	for (uint32_t w = 0; w < WORKERS; w++)
		all[w] = &counters[w];
	memset(counters, 0, sizeof(counters));
	struct rules_slot *slot = rules_slot_new(WORKERS, all);
	if (slot == NULL)
		return false;
	empty_folder(b, "");
	int cold = compile(b, &b->ms[STEP_COLD][round]);
	empty_folder(b, ".rules");
	int databases = compile(b, &b->ms[STEP_DATABASES][round]);
	int kept = compile(b, &b->ms[STEP_KEPT][round]);
	good = write_change(b, round);
	json_array_append_new(b->paths, json_string(b->changed));
	int changed = good ? compile(b, &unused) : -1;
	json_array_remove(b->paths, json_array_size(b->paths) - 1);
	good = databases >= 0 && publish(slot, cold, &b->ms[STEP_FIRST][round]) &&
	       publish(slot, kept, &b->ms[STEP_AGAIN][round]) &&
	       publish(slot, changed, &b->ms[STEP_CHANGED][round]);
	if (databases >= 0)
		close(databases);
	rules_slot_free(slot);
	return good;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

static bool take_option(int option, char *value, void *context)
{
	struct bench *b = context;
	uint64_t rounds;

	if (option != 'n' || !bytes_to_u64(bytes_text(value), ROUNDS_MAX, &rounds) || rounds == 0)
		return false;
	b->rounds = (uint32_t)rounds;
	return true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rounds", required_argument, NULL, 'n'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {"version", no_argument, NULL, 'V'},
	                                        {NULL, 0, NULL, 0}};
	static struct bench b = {.rounds = 3, .folder = "/tmp/postern-bench-XXXXXX"};
	struct command_line line = {"postern-bench-rules", usage, "n:hV", options, take_option, &b};
	bool good = true;
	int status;

	if (!command_line_parse(&line, argc, argv, &status))
		return 2;
	if (status >= 0)
		return status;
	if (optind == argc || mkdtemp(b.folder) == NULL) {
		fputs(usage, stderr);
		return 2;
	}
	snprintf(b.changed, sizeof(b.changed), "%s/changed.cf", b.folder);
	b.paths = json_array();
	for (int i = optind; i < argc; i++)
		json_array_append_new(b.paths, json_string(argv[i]));
	for (uint32_t round = 0; round < b.rounds && good; round++)
		good = run_round(&b, round);
	for (int step = 0; step < STEP_COUNT && good; step++) {
		double *ms = b.ms[step];

		qsort(ms, b.rounds, sizeof(*ms), compare);
		printf("{\"case\": \"%s\", \"metric\": \"elapsed\", \"unit\": \"ms\", \"value\": "
		       "%.2f, "
		       "\"spread\": [%.2f, %.2f]}\n",
		       step_name[step], ms[b.rounds / 2], ms[0], ms[b.rounds - 1]);
	}
	empty_folder(&b, "");
	rmdir(b.folder);
	json_decref(b.paths);
	return good ? 0 : 1;
}
