/* ctl_diff.c - posternctl rules diff: what the shadow rules would change.
 *
 * Reads events as they lie in the history. Only those judged by the newest shadow generation among
 * them count: what an earlier one would have done is no longer the question.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#include "mgmt/ctl.h"

#define EVENTS_LAST   10000
#define RULES_IN_LINE 4

static const char *const lists[] = {"rules_added", "rules_gone", "rules_rescored"};
static const char signs[] = {'+', '-', '~'};
#define LIST_COUNT (sizeof(lists) / sizeof(lists[0]))

static struct {
	long long generation; /* 0: none met yet */
	long long judged, incomplete;
	json_t *messages, *kinds; /* whose verdict would change; "accept to reject": count */
	json_t *rules;            /* "+NAME": count, of these messages */
} diff;

static void begin(long long generation)
{
	json_decref(diff.messages);
	json_decref(diff.kinds);
	json_decref(diff.rules);
	memset(&diff, 0, sizeof(diff));
	diff.generation = generation;
	diff.messages = json_array();
	diff.kinds = json_object();
	diff.rules = json_object();
}

static void count(json_t *counts, const char *key)
{
	json_object_set_new(counts, key,
	                    json_integer(json_integer_value(json_object_get(counts, key)) + 1));
}

static json_t *message_of(const json_t *event, const json_t *shadow)
{
	static const char *const kept[] = {"id", "time", "from", "rcpt", "generation"};
	json_t *message = json_object();

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		json_object_set(message, kept[i], json_object_get(event, kept[i]));
	json_object_set(message, "verdict", json_object_get(shadow, "verdict_live"));
	json_object_set(message, "score", json_object_get(event, "score"));
	json_object_set(message, "shadow", (json_t *)shadow);
	return message;
}

static void count_rules(const json_t *shadow)
{
	for (size_t i = 0; i < LIST_COUNT; i++) {
		size_t index;
		json_t *rule;

		json_array_foreach(json_object_get(shadow, lists[i]), index, rule)
		{
			char key[300];

			snprintf(key, sizeof(key), "%c%s", signs[i], ctl_text(rule, "name"));
			count(diff.rules, key);
		}
	}
}

static void take(const struct ctl *ctl, const char *line)
{
	json_t *event = json_loads(line, 0, NULL);
	const json_t *shadow = json_object_get(event, "shadow");
	const char *verdict = ctl_text(shadow, "verdict"), *live = ctl_text(shadow, "verdict_live");
	long long generation = ctl_number(shadow, "generation");
	char kind[64];

	(void)ctl;
	if (generation > diff.generation)
		begin(generation);
	if (shadow != NULL && generation == diff.generation) {
		diff.judged++;
		diff.incomplete += json_is_true(json_object_get(shadow, "incomplete"));
		if (strcmp(verdict, live) != 0) {
			snprintf(kind, sizeof(kind), "%s to %s", live, verdict);
			count(diff.kinds, kind);
			count_rules(shadow);
			json_array_append_new(diff.messages, message_of(event, shadow));
		}
	}
	json_decref(event);
}

struct row {
	const char *key;
	long long count;
};

static int by_count(const void *a, const void *b)
{
	const struct row *left = a, *right = b;

	if (left->count != right->count)
		return left->count < right->count ? 1 : -1;
	return strcmp(left->key, right->key);
}

/* The counts as rows, the largest first; the caller's to free, NULL when there are none. */
static struct row *sorted(const json_t *counts, size_t *out_count)
{
	struct row *rows = calloc(json_object_size(counts) + 1, sizeof(*rows));
	const char *key;
	json_t *value;
	size_t used = 0;

	if (rows == NULL)
		return NULL;
	json_object_foreach((json_t *)counts, key, value)
	{
		rows[used++] = (struct row){key, (long long)json_integer_value(value)};
	}
	qsort(rows, used, sizeof(*rows), by_count);
	*out_count = used;
	return rows;
}

static void print_message(const json_t *message)
{
	const json_t *shadow = json_object_get(message, "shadow");
	size_t printed = 0, left_out = 0;

	printf("%s <%s>", ctl_text(message, "id"), ctl_text(message, "from"));
	printf("  %s %.1f to %s %.1f ", ctl_text(message, "verdict"), ctl_points(message, "score"),
	       ctl_text(shadow, "verdict"), ctl_points(shadow, "score"));
	for (size_t i = 0; i < LIST_COUNT; i++) {
		size_t index;
		json_t *rule;

		json_array_foreach(json_object_get(shadow, lists[i]), index, rule)
		{
			if (printed++ < RULES_IN_LINE)
				printf(" %c%s(%.1f)", signs[i], ctl_text(rule, "name"),
				       ctl_points(rule, "score"));
			else
				left_out++;
		}
	}
	if (left_out > 0)
		printf(" and %zu more", left_out);
	puts(json_is_true(json_object_get(shadow, "incomplete")) ? " (not all rules have run)"
	                                                         : "");
}

static void print_counts(const char *title, const json_t *counts)
{
	size_t row_count = 0;
	struct row *rows = sorted(counts, &row_count);

	for (size_t i = 0; i < row_count; i++)
		printf("%-12s %8lld  %s\n", i == 0 ? title : "", rows[i].count, rows[i].key);
	free(rows);
}

static void print_text(void)
{
	size_t index;
	json_t *message;

	if (diff.generation == 0) {
		puts("no message was judged by shadow rules; see posternctl rules shadow");
		return;
	}
	json_array_foreach(diff.messages, index, message) print_message(message);
	printf("generation   %8lld  shadow rules\n", diff.generation);
	printf("judged       %8lld  messages by both\n", diff.judged);
	if (diff.incomplete > 0)
		printf("             %8lld  of them not by all shadow rules\n", diff.incomplete);
	printf("changed      %8zu  verdicts\n", json_array_size(diff.messages));
	print_counts("", diff.kinds);
	print_counts("rules", diff.rules);
}

/* An array: an object's members have no order that could be relied on. */
static json_t *counts_json(const json_t *counts, const char *name)
{
	size_t row_count = 0;
	struct row *rows = sorted(counts, &row_count);
	json_t *array = json_array();

	for (size_t i = 0; i < row_count; i++)
		json_array_append_new(array, json_pack("{s:s, s:I}", name, rows[i].key, "count",
		                                       (json_int_t)rows[i].count));
	free(rows);
	return array;
}

enum ctl_exit ctl_rules_diff(const struct ctl *ctl)
{
	uint64_t last = EVENTS_LAST;
	char path[64];
	enum ctl_exit status;

	if (ctl->last != NULL && !bytes_to_u64(bytes_text(ctl->last), UINT32_MAX, &last)) {
		ctl_complain("--last %s: not a number", ctl->last);
		return CTL_USAGE;
	}
	begin(0);
	snprintf(path, sizeof(path), "/v1/events?last=%llu", (unsigned long long)last);
	status = ctl_request_lines(ctl, path, take);
	if (status == CTL_OK && ctl->json)
		status = ctl_print_json(json_pack(
		    "{s:I, s:I, s:I, s:o, s:o, s:O}", "generation", (json_int_t)diff.generation,
		    "judged", (json_int_t)diff.judged, "incomplete", (json_int_t)diff.incomplete,
		    "changed", counts_json(diff.kinds, "kind"), "rules",
		    counts_json(diff.rules, "rule"), "messages", diff.messages));
	else if (status == CTL_OK)
		print_text();
	begin(0);
	json_decref(diff.messages);
	json_decref(diff.kinds);
	json_decref(diff.rules);
	return status;
}
