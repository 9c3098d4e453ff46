/* load_report.c - the log and the summary of postern-load. */
#include <string.h>

#include "bench/common/json_out.h"
#include "bench/load/load.h"

const char *const load_stage_name[LOAD_STAGE_COUNT] = {"connect", "banner", "helo", "mail",
                                                       "rcpt",    "data",   "dot",  "total"};

void load_log_message(struct load *load, const struct load_session *session, uint64_t now_us)
{
	if (load->log == NULL)
		return;
	fprintf(load->log, "{\"n\":%llu,\"file\":", (unsigned long long)session->n);
	json_out_string(load->log, bytes_text(session->file->name));
	fprintf(load->log,
	        ",\"bytes\":%zu,\"sha256\":\"%s\",\"reply\":", session->file->canonical_bytes,
	        session->file->sha256);
	json_out_string(load->log, bytes_text(session->reply));
	fprintf(load->log, ",\"code\":%u,\"stage\":\"%s\",\"usec\":%llu}\n", session->code,
	        load_stage_name[session->stage], (unsigned long long)(now_us - session->begun_us));
}

static double seconds_of(const struct load *load)
{
	return load->end_us > load->start_us ? (double)(load->end_us - load->start_us) / 1e6 : 1e-6;
}

static void print_json(const struct load *load)
{
	const struct load_totals *t = &load->totals;
	const char *comma = "";

	printf("{\"seconds\":%.6f,\"messages\":%llu,\"messages_per_second\":%.3f,\"mbit_per_"
	       "second\":%.3f,"
	       "\"accepted\":%llu,\"rejected\":%llu,\"deferred\":%llu,\"failed\":%llu,\"protocol_"
	       "errors\":%llu,"
	       "\"connections\":%llu,\"bytes\":%llu,\"latency_usec\":{",
	       seconds_of(load), (unsigned long long)load->done,
	       (double)load->done / seconds_of(load), (double)t->bytes * 8 / 1e6 / seconds_of(load),
	       (unsigned long long)t->accepted, (unsigned long long)t->rejected,
	       (unsigned long long)t->deferred, (unsigned long long)t->failed,
	       (unsigned long long)t->protocol_errors, (unsigned long long)t->connections,
	       (unsigned long long)t->bytes);
	for (int i = 0; i < LOAD_STAGE_COUNT; i++) {
		const struct histogram *h = &load->latency[i];
		printf("%s\"%s\":{\"count\":%llu,\"mean\":%.1f,\"p50\":%llu,\"p90\":%llu,\"p99\":%"
		       "llu,\"p999\":%llu,"
		       "\"max\":%llu}",
		       comma, load_stage_name[i], (unsigned long long)h->count,
		       h->count > 0 ? (double)h->sum / (double)h->count : 0.0,
		       (unsigned long long)histogram_quantile(h, 500),
		       (unsigned long long)histogram_quantile(h, 900),
		       (unsigned long long)histogram_quantile(h, 990),
		       (unsigned long long)histogram_quantile(h, 999), (unsigned long long)h->max);
		comma = ",";
	}
	puts("}}");
}

void load_print(const struct load *load)
{
	const struct load_totals *t = &load->totals;

	if (load->options.json) {
		print_json(load);
		return;
	}
	printf("%llu messages in %.3f s: %.1f/s, %.1f Mbit/s, %llu connections\n",
	       (unsigned long long)load->done, seconds_of(load),
	       (double)load->done / seconds_of(load), (double)t->bytes * 8 / 1e6 / seconds_of(load),
	       (unsigned long long)t->connections);
	printf("accepted %llu, rejected %llu, deferred %llu, failed %llu, protocol errors %llu\n",
	       (unsigned long long)t->accepted, (unsigned long long)t->rejected,
	       (unsigned long long)t->deferred, (unsigned long long)t->failed,
	       (unsigned long long)t->protocol_errors);
	printf("%-8s %10s %10s %10s %10s %10s %10s us\n", "stage", "count", "p50", "p90", "p99",
	       "p99.9", "max");
	for (int i = 0; i < LOAD_STAGE_COUNT; i++) {
		const struct histogram *h = &load->latency[i];
		printf("%-8s %10llu %10llu %10llu %10llu %10llu %10llu\n", load_stage_name[i],
		       (unsigned long long)h->count, (unsigned long long)histogram_quantile(h, 500),
		       (unsigned long long)histogram_quantile(h, 900),
		       (unsigned long long)histogram_quantile(h, 990),
		       (unsigned long long)histogram_quantile(h, 999), (unsigned long long)h->max);
	}
}
