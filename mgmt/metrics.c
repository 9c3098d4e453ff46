/* metrics.c - writes metrics in Prometheus' text format, version 0.0.4. */
#include "mgmt/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

/* Names come from shared memory: what Prometheus does not take becomes '_'. */
static void print_name(const char *text, size_t size, FILE *out)
{
	for (size_t i = 0; i < size && text[i] != '\0'; i++) {
		char c = text[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		             (c >= '0' && c <= '9') || c == '_';

		fputc(plain ? c : '_', out);
	}
}

static void print_help(const char *text, size_t size, FILE *out)
{
	for (size_t i = 0; i < size && text[i] != '\0'; i++) {
		if (text[i] == '\\')
			fputs("\\\\", out);
		else
			fputc(text[i] == '\n' ? ' ' : text[i], out);
	}
}

static void print_counter_name(const struct telemetry_counter *counter, FILE *out)
{
	fputs("postern_", out);
	print_name(counter->group, sizeof(counter->group), out);
	fputc('_', out);
	print_name(counter->name, sizeof(counter->name), out);
	fputs("_total", out);
}

void metrics_print_counters(const struct telemetry *telemetry, FILE *out)
{
	for (uint32_t i = 0; i < telemetry->counter_count; i++) {
		const struct telemetry_counter *counter = telemetry_description(telemetry, i);

		fputs("# HELP ", out);
		print_counter_name(counter, out);
		fputc(' ', out);
		print_help(counter->help, sizeof(counter->help), out);
		fputs("\n# TYPE ", out);
		print_counter_name(counter, out);
		fputs(" counter\n", out);
		for (uint32_t worker = 0; worker < telemetry->worker_count; worker++) {
			print_counter_name(counter, out);
			fprintf(out, "{worker=\"%" PRIu32 "\"} %" PRIu64 "\n", worker,
			        telemetry_counters(telemetry, worker)[i]);
		}
	}
}

static void print_one(FILE *out, const char *name, const char *type, const char *help,
                      uint64_t value)
{
	fprintf(out, "# HELP postern_%s %s\n# TYPE postern_%s %s\npostern_%s %" PRIu64 "\n", name,
	        help, name, type, name, value);
}

static void print_generations(const struct mgmt *mgmt, FILE *out)
{
	static const char *const kind_text[GENERATION_KIND_COUNT] = {"rules", "lists", "additions",
	                                                             "shadow"};

	fputs("# HELP postern_generation Number of the generation that is to be in force\n"
	      "# TYPE postern_generation gauge\n",
	      out);
	for (int i = 0; i < GENERATION_KIND_COUNT; i++)
		fprintf(out, "postern_generation{kind=\"%s\"} %" PRIu64 "\n", kind_text[i],
		        mgmt->publisher.wanted[i].number);
}

void metrics_print_asker(const struct asker *asker, FILE *out)
{
#define COUNTER(name, help) \
	print_one(out, "asker_" #name "_total", "counter", help, asker->counts.name);
#include "mgmt/asker_counters.def"
	print_one(out, "asker_lookups_open", "gauge", "Queries that the DNS resolver has in hand",
	          asker->lookups_open);
}

void metrics_print(struct mgmt *mgmt, FILE *out)
{
	const struct publisher *publisher = &mgmt->publisher;
	const struct attach_msg *status = &publisher->status;
	bool attached = publisher_is_synced(publisher);
	uint64_t now_us = clock_wall_us();
	uint64_t start_us = publisher->dataplane_start_us;

	if (mgmt->intake.attached)
		metrics_print_counters(&mgmt->intake.telemetry, out);
	print_one(out, "dataplane_up", "gauge", "1 while management is attached to the dataplane",
	          attached);
	print_one(out, "dataplane_uptime_seconds", "gauge", "Seconds since the dataplane started",
	          attached && now_us > start_us ? (now_us - start_us) / 1000000 : 0);
	print_one(out, "sessions", "gauge", "SMTP sessions that are open",
	          attached ? status->session_count : 0);
	print_one(out, "draining", "gauge", "1 while no new sessions are taken",
	          attached && status->draining != 0);
	print_one(out, "events_taken_total", "counter", "Events taken in by management",
	          mgmt->intake.taken_count);
	print_one(out, "events_lost_total", "counter",
	          "Events that a worker's ring had no room for", intake_lost_count(&mgmt->intake));
	print_one(out, "history_failed_total", "counter", "Events that could not be stored",
	          mgmt->history.failed_count);
	print_one(out, "history_events", "gauge", "Events in the history",
	          history_row_count(&mgmt->history));
	print_generations(mgmt, out);
	if (mgmt->config.dns_checks)
		metrics_print_asker(&mgmt->asker, out);
}
