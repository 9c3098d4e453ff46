/* scan_tool.c - postern-scan: judges message files offline with the gateway's own code.
 *
 * A message never makes it fail: it is judged. Exit status: 0 all files were judged, 1 some file
 * could not be read (or spamd not asked), 2 wrong use or rules that cannot be used, 3 spamd has
 * other hits.
 */
#include <errno.h>
#include <fts.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/generation.h"
#include "classifier/classifier.h"
#include "classifier/rule_compile.h"
#include "mgmt/heap.h"
#include "mgmt/json_text.h"
#include "mgmt/scan_checks.h"
#include "mgmt/scan_compare.h"
#include "smtp/normalise.h"

#define RULE_FOLDERS_MAX  16
#define BUDGET_MS_DEFAULT 10000u
#define BUDGET_MS_MAX     600000u
#define STATUS_UNREADABLE 1
#define STATUS_UNUSABLE   2
#define STATUS_DIFFERENT  3
#define SPAMD_DEFAULT     "127.0.0.1:783"

struct scan_options {
	const char *rules[RULE_FOLDERS_MAX];
	uint32_t rules_count;
	const char *cache_folder;
	bool json, summary, list_unsupported, subtests, compare;
	const char *spamd;
	const char *resolver; /* NULL: nothing is asked of the network */
	struct verdict_policy policy;
	uint64_t budget_ms;
	size_t bytes_max;
};

struct scanner {
	const struct scan_options *options;
	struct rule_compiler *compiler;
	struct generation generation;
	struct ruleset *ruleset;
	struct scan_context *context;
	struct scan_compare *compare; /* NULL: not asked for */
	struct scan_checks *checks;   /* likewise */
	struct classifier_counters counters;
	struct mime_counters mime_counters;
	struct arena arena;
	struct normaliser *normaliser;
	const struct selector *selectors;
	uint32_t selector_count;
	uint8_t *message; /* the file in hand; bytes_max octets */
};

struct scanned {
	struct normalised normalised;
	struct judgement judgement;
	enum verdict verdict;
	uint64_t bytes, usec;
};

static const char usage
    [] = "Usage: postern-scan --rules PATH [--rules PATH ...] [OPTION ...] FILE ...\n"
         "Judges mail messages with SpamAssassin rules. FILE \"-\" is the standard\n"
         "input; of a folder all files in it are judged.\n\n"
         "  --rules PATH         a .cf file, or a folder of .pre and .cf files; may be repeated\n"
         "  --json               one JSON object a line\n"
         "  --subtests           lists also rules that hit without points, with their values\n"
         "  --score-tag X        points from which a message is tagged (5)\n"
         "  --score-reject X     points from which a message is rejected (10)\n"
         "  --cache FOLDER       keeps compiled databases there\n"
         "  --budget MS          CPU time for one message (10000)\n"
         "  --bytes-max N        a longer message is judged on its first N octets (16777216)\n"
         "  --summary            what was compiled and how, on standard error\n"
         "  --list-unsupported   what the rules ask for that is not supported, and ends\n"
         "                       unless files are named\n"
         "  --compare spamd      asks a spamd about the same messages and lists what differs\n"
         "  --socket WHERE       of that spamd: HOST:PORT or a path (127.0.0.1:783)\n"
         "  --resolver SERVER    asks DNS lists, by this server; \"-\": as /etc/resolv.conf says\n"
         "  --help, --version\n";

static bool parse_points(const char *text, int32_t *out_milli)
{
	char *end;
	double points = strtod(text, &end);

	if (*text == '\0' || *end != '\0' || !(points > -1e6 && points < 1e6))
		return false;
	*out_milli = (int32_t)(points * 1000 + (points < 0 ? -0.5 : 0.5));
	return true;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *out_number)
{
	return bytes_to_u64(bytes_text(text), max, out_number) && *out_number > 0;
}

enum option_key {
	OPTION_RULES = 256,
	OPTION_JSON,
	OPTION_SUBTESTS,
	OPTION_COMPARE,
	OPTION_SOCKET,
	OPTION_TAG,
	OPTION_REJECT,
	OPTION_CACHE,
	OPTION_BUDGET,
	OPTION_BYTES,
	OPTION_SUMMARY,
	OPTION_UNSUPPORTED,
	OPTION_RESOLVER,
	OPTION_HELP,
	OPTION_VERSION
};

/* False when the option's value is wrong. */
static bool take_option(struct scan_options *options, int key, const char *value)
{
	uint64_t number = 0;

	switch (key) {
	case OPTION_RULES:
		if (options->rules_count == RULE_FOLDERS_MAX)
			return false;
		options->rules[options->rules_count++] = value;
		return true;
	case OPTION_JSON:
		return options->json = true;
	case OPTION_SUBTESTS:
		return options->subtests = true;
	case OPTION_COMPARE:
		return options->compare = strcmp(value, "spamd") == 0;
	case OPTION_SOCKET:
		options->spamd = value;
		return true;
	case OPTION_TAG:
		return parse_points(value, &options->policy.tag_milli);
	case OPTION_REJECT:
		return parse_points(value, &options->policy.reject_milli);
	case OPTION_CACHE:
		options->cache_folder = value;
		return true;
	case OPTION_BUDGET:
		return parse_number(value, BUDGET_MS_MAX, &options->budget_ms);
	case OPTION_BYTES:
		if (!parse_number(value, (uint64_t)1 << 30, &number))
			return false;
		options->bytes_max = (size_t)number;
		return true;
	case OPTION_SUMMARY:
		return options->summary = true;
	case OPTION_UNSUPPORTED:
		return options->list_unsupported = true;
	case OPTION_RESOLVER:
		options->resolver = strcmp(value, "-") == 0 ? "" : value;
		return true;
	default:
		return false;
	}
}

static void take_options(struct scan_options *options, int argc, char **argv)
{
	static const struct option known[] = {
	    {"rules", required_argument, NULL, OPTION_RULES},
	    {"json", no_argument, NULL, OPTION_JSON},
	    {"subtests", no_argument, NULL, OPTION_SUBTESTS},
	    {"compare", required_argument, NULL, OPTION_COMPARE},
	    {"socket", required_argument, NULL, OPTION_SOCKET},
	    {"score-tag", required_argument, NULL, OPTION_TAG},
	    {"score-reject", required_argument, NULL, OPTION_REJECT},
	    {"cache", required_argument, NULL, OPTION_CACHE},
	    {"budget", required_argument, NULL, OPTION_BUDGET},
	    {"bytes-max", required_argument, NULL, OPTION_BYTES},
	    {"summary", no_argument, NULL, OPTION_SUMMARY},
	    {"list-unsupported", no_argument, NULL, OPTION_UNSUPPORTED},
	    {"resolver", required_argument, NULL, OPTION_RESOLVER},
	    {"help", no_argument, NULL, OPTION_HELP},
	    {"version", no_argument, NULL, OPTION_VERSION},
	    {NULL, 0, NULL, 0}};
	int key, index = 0;

	while ((key = getopt_long(argc, argv, "", known, &index)) != -1) {
		if (key == OPTION_HELP) {
			fputs(usage, stdout);
			exit(0);
		}
		if (key == OPTION_VERSION) {
			puts("postern-scan " POSTERN_VERSION);
			exit(0);
		}
		if (key != '?' && take_option(options, key, optarg))
			continue;
		if (key != '?')
			fprintf(stderr, "postern-scan: --%s: wrong value or given too often: %s\n",
			        known[index].name, optarg);
		fputs("Try postern-scan --help.\n", stderr);
		exit(STATUS_UNUSABLE);
	}
}

static void list_unsupported(const struct rule_compiler *compiler)
{
	uint32_t count;
	const struct rule_report *report = rule_compiler_reports(compiler, &count);

	for (uint32_t i = 0; i < count; i++)
		if (!report[i].fault)
			printf("%6" PRIu32 "  %-44s %s%s%s\n", report[i].count, report[i].construct,
			       report[i].text, report[i].rule[0] != '\0' ? "; first: " : "",
			       report[i].rule);
}

static void print_faults(const struct rule_compiler *compiler)
{
	uint32_t count;
	const struct rule_report *report = rule_compiler_reports(compiler, &count);

	for (uint32_t i = 0; i < count; i++)
		if (report[i].fault)
			fprintf(stderr, "%s:%" PRIu32 ": %s %s: %s\n", report[i].file,
			        report[i].line, report[i].construct, report[i].rule,
			        report[i].text);
}

static bool compile_rules(struct scanner *s, int *out_fd)
{
	struct rule_compile_options options = {.cache_folder = s->options->cache_folder,
	                                       .score_column = s->options->resolver != NULL};
	enum err err = OK;

	s->compiler = rule_compiler_new(&options);
	if (s->compiler == NULL) {
		fputs("postern-scan: out of memory\n", stderr);
		return false;
	}
	for (uint32_t i = 0; i < s->options->rules_count && err == OK; i++)
		err = rule_compiler_load(s->compiler, s->options->rules[i]);
	if (err == OK)
		err = rule_compiler_finish(s->compiler, 1, clock_wall_us(), "postern-scan", out_fd);
	print_faults(s->compiler);
	if (err == OK)
		return true;
	fprintf(stderr, "postern-scan: the rules cannot be used: %s\n", err_text(err));
	return false;
}

static bool open_rules(struct scanner *s, int fd)
{
	char reason[200] = "";
	enum err err = generation_open(&s->generation, fd);

	if (err == OK)
		err = ruleset_open(&s->generation, &s->ruleset, reason);
	if (err != OK) {
		fprintf(stderr, "postern-scan: %s: %s\n", err_text(err), reason);
		return false;
	}
	s->context = scan_context_new(s->ruleset, &s->counters);
	s->selectors = (const struct selector *)ruleset_selectors(s->ruleset, &s->selector_count)
	                   .data;

	size_t bytes_max = s->options->bytes_max;
	if (s->options->compare)
		s->compare = scan_compare_new(s->options->spamd, s->ruleset);
	if (s->context == NULL || (s->options->compare && s->compare == NULL) ||
	    arena_init(&s->arena, normaliser_bytes(bytes_max) + bytes_max + 4096, false) != OK) {
		fputs("postern-scan: out of memory\n", stderr);
		return false;
	}
	s->normaliser = normaliser_new(&s->arena, bytes_max, &s->mime_counters);
	s->message = arena_take(&s->arena, bytes_max, 1, 64);
	if (s->options->resolver != NULL) {
		char why[256];

		s->checks = scan_checks_new(s->options->resolver, why);
		if (s->checks == NULL)
			fprintf(stderr, "postern-scan: %s\n", why);
	}
	return s->normaliser != NULL && s->message != NULL &&
	       (s->options->resolver == NULL || s->checks != NULL);
}

/* The octets kept, and in `out_bytes` all there were. */
static bool read_message(struct scanner *s, const char *path, struct bytes *out_message,
                         uint64_t *out_bytes)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	uint8_t rest[4096];
	size_t more;

	if (file == NULL)
		return false;
	size_t kept = fread(s->message, 1, s->options->bytes_max, file);
	*out_bytes = kept;
	while ((more = fread(rest, 1, sizeof(rest), file)) > 0)
		*out_bytes += more;
	bool failed = ferror(file) != 0;
	if (file != stdin)
		fclose(file);
	*out_message = bytes_of(s->message, kept);
	return !failed;
}

static void judge(struct scanner *s, struct bytes message, struct scanned *out)
{
	struct message_facts facts;

	memset(&facts, 0, sizeof(facts));
	facts.trust = ruleset_relay_trust(s->ruleset);
	facts.redirects = scan_context_redirects(s->context);
	facts.is_cut = out->bytes > message.len;
	if (s->checks != NULL && ruleset_reads_signatures(s->ruleset))
		facts.signatures_at_s = (int64_t)(clock_wall_us() / 1000000);
	uint64_t begin = clock_now_us();
	normalise(s->normaliser, message, &facts, s->selectors, s->selector_count,
	          &out->normalised);
	if (s->checks != NULL)
		scan_checks_ask(s->checks, s->context, &out->normalised.texts);
	classifier_judge(s->context, &out->normalised.texts, s->options->budget_ms * 1000000,
	                 clock_thread_cpu_ns, &out->judgement);
	out->usec = clock_now_us() - begin;
	out->verdict = verdict_decide(&out->judgement, &s->options->policy);
}

static json_t *rules_json(const struct scanner *s, const struct judgement *j)
{
	json_t *rules = json_array();

	for (uint32_t i = 0; i < j->hit_count; i++) {
		json_t *rule = json_object();

		json_object_set_new(rule, "name",
		                    json_string(ruleset_rule_name(s->ruleset, j->hit[i].rule)));
		json_object_set_new(rule, "score", json_points(j->hit[i].score_milli));
		json_array_append_new(rules, rule);
	}
	return rules;
}

/* The value of every rule that hit. */
static json_t *subtests_json(const struct scanner *s)
{
	json_t *object = json_object();

	for (uint32_t i = 0; i < ruleset_rule_count(s->ruleset); i++) {
		double value;

		if (classifier_rule_value(s->context, i, &value) && value != 0)
			json_object_set_new(object, ruleset_rule_name(s->ruleset, i),
			                    json_real(value));
	}
	return object;
}

static json_t *parse_json(const struct normalised *n)
{
	json_t *parse = json_object(), *defects = json_array();

	for (int i = 0; i < DEFECT_COUNT; i++)
		if ((n->defects >> i & 1) != 0)
			json_array_append_new(
			    defects, json_string(message_defect_text((enum message_defect)i)));
	json_object_set_new(parse, "parts", json_integer(n->part_count));
	json_object_set_new(parse, "defects", defects);
	return parse;
}

static void print_json(const struct scanner *s, const char *path, const struct scanned *scanned)
{
	json_t *object = json_object();

	json_object_set_new(object, "file", json_text(path, strlen(path)));
	json_object_set_new(object, "bytes", json_integer((json_int_t)scanned->bytes));
	json_object_set_new(object, "verdict", json_string(verdict_text(scanned->verdict)));
	json_object_set_new(object, "score", json_points(scanned->judgement.score_milli));
	json_object_set_new(object, "required", json_points(s->options->policy.tag_milli));
	json_object_set_new(object, "rules", rules_json(s, &scanned->judgement));
	if (s->options->subtests)
		json_object_set_new(object, "values", subtests_json(s));
	json_object_set_new(object, "parse", parse_json(&scanned->normalised));
	json_object_set_new(object, "usec", json_integer((json_int_t)scanned->usec));

	char *line = json_line(object);
	json_decref(object);
	if (line != NULL)
		puts(line);
	free(line);
}

static void print_text(const struct scanner *s, const char *path, const struct scanned *scanned)
{
	const struct judgement *j = &scanned->judgement;

	printf("%s: %s, %.3f of %.3f points, %" PRIu64 " octets, %" PRIu64 " us\n", path,
	       verdict_text(scanned->verdict), j->score_milli / 1000.0,
	       s->options->policy.tag_milli / 1000.0, scanned->bytes, scanned->usec);
	for (uint32_t i = 0; i < j->hit_count; i++)
		printf("  %8.3f  %-32s %s\n", j->hit[i].score_milli / 1000.0,
		       ruleset_rule_name(s->ruleset, j->hit[i].rule),
		       ruleset_rule_description(s->ruleset, j->hit[i].rule));
	for (uint32_t i = 0; s->options->subtests && i < ruleset_rule_count(s->ruleset); i++) {
		double value;

		if (classifier_rule_value(s->context, i, &value) && value != 0)
			printf("  %8g  %s\n", value, ruleset_rule_name(s->ruleset, i));
	}
	for (int i = 0; i < DEFECT_COUNT; i++)
		if ((scanned->normalised.defects >> i & 1) != 0)
			printf("  defect: %s\n", message_defect_text((enum message_defect)i));
	if (j->incomplete)
		printf("  %" PRIu32 " rules could not run\n", j->rules_not_run);
}

static int scan_file(struct scanner *s, const char *path)
{
	struct scanned scanned;
	struct bytes message;
	char reason[200];

	if (!read_message(s, path, &message, &scanned.bytes)) {
		fprintf(stderr, "postern-scan: %s: %s\n", path, strerror(errno));
		return STATUS_UNREADABLE;
	}
	judge(s, message, &scanned);
	if (s->compare != NULL) {
		if (scan_compare_message(s->compare, path, message, s->context, &scanned.judgement,
		                         reason) != OK) {
			fprintf(stderr, "postern-scan: %s: %s\n", path, reason);
			return STATUS_UNREADABLE;
		}
	} else if (s->options->json) {
		print_json(s, path, &scanned);
	} else {
		print_text(s, path, &scanned);
	}
	return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* A file, or all files in a folder and in those inside it, in the order of their names. */
static int scan_path(struct scanner *s, char *path)
{
	char *roots[] = {path, NULL};
	FTSENT *entry;
	int status = 0;

	if (strcmp(path, "-") == 0)
		return scan_file(s, path);
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	if (tree == NULL) {
		fprintf(stderr, "postern-scan: %s: %s\n", path, strerror(errno));
		return STATUS_UNREADABLE;
	}
	while ((entry = fts_read(tree)) != NULL) {
		bool is_root = entry->fts_level == FTS_ROOTLEVEL;

		if (entry->fts_info == FTS_F || (entry->fts_info == FTS_DEFAULT && is_root)) {
			status |= scan_file(s, entry->fts_path);
		} else if (entry->fts_errno != 0 && entry->fts_info != FTS_DP) {
			fprintf(stderr, "postern-scan: %s: %s\n", entry->fts_path,
			        strerror(entry->fts_errno));
			status = STATUS_UNREADABLE;
		}
	}
	fts_close(tree);
	return status;
}

static int scan_files(struct scanner *s, char **paths, int count)
{
	int status = 0;

	for (int i = 0; i < count; i++)
		status |= scan_path(s, paths[i]);
	if (s->compare != NULL && !scan_compare_print(s->compare, stdout) && status == 0)
		status = STATUS_DIFFERENT;
	return status;
}

static void close_all(struct scanner *s)
{
	if (s->normaliser != NULL)
		normaliser_close(s->normaliser);
	scan_compare_free(s->compare);
	scan_checks_free(s->checks);
	scan_context_free(s->context);
	ruleset_close(s->ruleset);
	if (s->generation.memory != NULL)
		generation_close(&s->generation);
	if (s->arena.memory != NULL)
		arena_free(&s->arena);
	rule_compiler_free(s->compiler);
}

static int run(struct scanner *s, char **paths, int count)
{
	uint64_t begin = clock_now_us();
	int fd = -1;

	if (!compile_rules(s, &fd))
		return STATUS_UNUSABLE;
	uint64_t compiled = clock_now_us();
	if (s->options->list_unsupported)
		list_unsupported(s->compiler);
	if (!open_rules(s, fd))
		return STATUS_UNUSABLE;
	if (s->options->summary) {
		rule_compiler_print_summary(s->compiler, stderr);
		fprintf(stderr,
		        "compiled in %" PRIu64 " ms, opened in %" PRIu64 " ms, %zu octets\n",
		        (compiled - begin) / 1000, (clock_now_us() - compiled) / 1000,
		        s->generation.bytes);
	}
	return scan_files(s, paths, count);
}

int main(int argc, char **argv)
{
	static struct config config;
	struct scan_options options = {
	    .budget_ms = BUDGET_MS_DEFAULT, .bytes_max = (size_t)16 << 20, .spamd = SPAMD_DEFAULT};
	struct scanner scanner = {.options = &options};

	config_defaults(&config);
	options.policy = (struct verdict_policy){config.score_tag, config.score_reject, true};
	heap_keep();
	take_options(&options, argc, argv);
	if (options.rules_count == 0) {
		fputs("postern-scan: --rules is missing. Try postern-scan --help.\n", stderr);
		return STATUS_UNUSABLE;
	}
	if (optind == argc && !options.list_unsupported && !options.summary) {
		fputs("postern-scan: no message file is named. Try postern-scan --help.\n", stderr);
		return STATUS_UNUSABLE;
	}

	int status = run(&scanner, argv + optind, argc - optind);
	close_all(&scanner);
	return status;
}
