/* sink_store.c - what has been received: files and the log. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "bench/common/json_out.h"
#include "bench/common/sha256.h"
#include "bench/sink/sink.h"

bool sink_store_begin(struct sink_conn *conn)
{
	conn->unstuffing = (struct data_unstuffing){0};
	conn->body_bytes = 0;
	return true;
}

bool sink_store_add(struct sink_conn *conn, struct bytes content)
{
	size_t needed = conn->body_bytes + content.len;

	if (needed > conn->body_bytes_max) {
		size_t bytes_max = conn->body_bytes_max > 0 ? conn->body_bytes_max
		                                            : SINK_BODY_FIRST_BYTES;
		while (bytes_max < needed)
			bytes_max *= 2;
		uint8_t *grown = realloc(conn->body, bytes_max);
		if (grown == NULL)
			return false;
		conn->body = grown;
		conn->body_bytes_max = bytes_max;
	}
	conn->body_bytes += data_unstuff(&conn->unstuffing, content, conn->body + conn->body_bytes);
	return true;
}

static bool write_file(const struct sink *sink, const struct sink_conn *conn, uint64_t n)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%06llu.eml", sink->options.store, (unsigned long long)n);
	FILE *file = fopen(path, "wb");
	if (file == NULL) {
		perror(path);
		return false;
	}
	bool written = conn->body_bytes == 0 ||
	               fwrite(conn->body, 1, conn->body_bytes, file) == conn->body_bytes;
	return fclose(file) == 0 && written;
}

static bool write_log(const struct sink *sink, const struct sink_conn *conn, uint64_t n)
{
	const struct transaction *t = conn->transaction;
	const struct data_defects *d = &conn->server.body.defects;
	char hex[SHA256_HEX_BYTES], peer[64];
	const char *comma = "";

	sha256_hex(bytes_of(conn->body, conn->body_bytes), hex);
	fprintf(sink->log, "{\"n\":%llu,\"from\":", (unsigned long long)n);
	json_out_string(sink->log, transaction_path_text(t, &t->sender));
	fputs(",\"rcpt\":[", sink->log);
	for (uint32_t i = 0; i < t->recipient_count; i++) {
		if (!t->recipient[i].accepted)
			continue;
		fputs(comma, sink->log);
		json_out_string(sink->log, transaction_path_text(t, &t->recipient[i]));
		comma = ",";
	}
	fprintf(sink->log, "],\"bytes\":%zu,\"sha256\":\"%s\",\"peer\":\"%s\",\"defects\":[",
	        conn->body_bytes, hex, socket_format_address(&conn->peer, peer));
	const struct {
		bool has;
		const char *name;
	} defect[] = {{d->bare_cr, "bare_cr"},
	              {d->bare_lf, "bare_lf"},
	              {d->nul, "nul"},
	              {d->line_too_long, "line_too_long"}};
	comma = "";
	for (size_t i = 0; i < 4; i++) {
		if (defect[i].has) {
			fprintf(sink->log, "%s\"%s\"", comma, defect[i].name);
			comma = ",";
		}
	}
	fputs("]}\n", sink->log);
	return fflush(sink->log) == 0;
}

bool sink_store_end(struct sink *sink, struct sink_conn *conn, uint64_t n)
{
	bool written = true;

	if (sink->options.store != NULL)
		written = write_file(sink, conn, n);
	if (sink->log != NULL)
		written = write_log(sink, conn, n) && written;
	return written;
}
