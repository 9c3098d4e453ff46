/* sink.h - an SMTP backend that takes all, or fails as told. */
#ifndef BENCH_SINK_SINK_H
#define BENCH_SINK_SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/random.h"
#include "bench/common/socket.h"
#include "smtp/server.h"

#define SINK_LISTENERS_MAX    16
#define SINK_OUT_BYTES        8192
#define SINK_IN_BYTES         65536
#define SINK_BODY_FIRST_BYTES 16384

enum sink_stage {
	STAGE_CONNECT,
	STAGE_HELO,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_DOT,
	STAGE_COUNT
};

struct sink_fault {
	uint16_t code; /* 0: none */
	double code_probability, disconnect_probability;
	uint32_t delay_ms;
};

struct sink_options {
	struct socket_address listen[SINK_LISTENERS_MAX];
	uint32_t listen_count;
	const char *store, *log, *hostname;
	uint64_t exit_after, seed;
	bool quiet;
	struct sink_fault fault[STAGE_COUNT];
	struct smtp_server_limits limits;
};

struct sink_totals {
	uint64_t connections, messages, message_bytes, recipients, faults, disconnects, defective,
	    lost, write_errors;
};

struct sink_conn {
	int fd;
	bool listening;
	bool paused;  /* an answer waits for its time */
	bool closing; /* close once everything is written */
	enum sink_stage paused_stage;
	enum smtp_event_kind paused_kind;
	uint64_t resume_us;
	struct sink_conn *next, *previous; /* all that are open */
	struct socket_address peer;
	struct smtp_server server;
	struct transaction *transaction;
	struct data_unstuffing unstuffing;
	uint8_t *body;
	size_t body_bytes, body_bytes_max;
	uint8_t *left; /* input not taken while paused */
	size_t left_bytes;
	uint8_t line_store[SMTP_COMMAND_LINE_BYTES_MAX];
	uint8_t out_memory[SINK_OUT_BYTES];
	struct buf out;
	size_t out_sent;
};

struct sink {
	struct sink_options options;
	struct sink_totals totals;
	struct smtp_counters counters;
	struct random random;
	int epoll;
	FILE *log;
	struct sink_conn *conns;
	uint32_t paused_count;
	uint64_t resume_us; /* not later than the first of theirs */
	uint8_t in[SINK_IN_BYTES];
};

/* Prints to stderr and returns false on a bad command line; *out_exit >= 0 says the program is
 * done. */
bool sink_options_parse(int argc, char **argv, struct sink_options *out_options, int *out_exit);

/* A connection's dialogue, sink_session.c. Both return false when the connection must be closed
 * now. */
bool sink_session_start(struct sink *sink, struct sink_conn *conn, uint64_t now_us);
bool sink_session_input(struct sink *sink, struct sink_conn *conn, struct bytes input,
                        uint64_t now_us);
/* The delay of an answer is over. */
bool sink_session_resume(struct sink *sink, struct sink_conn *conn, uint64_t now_us);

/* What has been received, sink_store.c. */
bool sink_store_begin(struct sink_conn *conn);
bool sink_store_add(struct sink_conn *conn, struct bytes content);
/* Writes message number `n` to --store and --log. */
bool sink_store_end(struct sink *sink, struct sink_conn *conn, uint64_t n);

#endif
