/* load.h - an SMTP load generator on kernel sockets. */
#ifndef BENCH_LOAD_LOAD_H
#define BENCH_LOAD_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/random.h"
#include "bench/common/histogram.h"
#include "bench/common/message_file.h"
#include "bench/common/socket.h"
#include "smtp/client.h"

#define LOAD_TARGETS_MAX  16
#define LOAD_SOURCES_MAX  256
#define LOAD_SESSIONS_MAX 100000
#define LOAD_OUT_BYTES    4096

enum load_stage {
	LOAD_CONNECT,
	LOAD_BANNER,
	LOAD_HELO,
	LOAD_MAIL,
	LOAD_RCPT,
	LOAD_DATA,
	LOAD_DOT,
	LOAD_TOTAL, /* from the start of MAIL to the reply to the dot */
	LOAD_STAGE_COUNT
};

struct load_options {
	struct socket_address connect[LOAD_TARGETS_MAX], source[LOAD_SOURCES_MAX];
	uint32_t connect_count, source_count;
	uint32_t sessions, messages_per_session, rcpts;
	uint64_t messages, seed, size, timeout_ms, duration_ms;
	double rate; /* messages a second, 0: as fast as it goes */
	bool once_each, pipelining, json, shuffle;
	const char *from, *to, *helo, *log;
};

struct load_totals {
	uint64_t started, accepted, rejected, deferred, failed;
	uint64_t connections, protocol_errors, bytes;
};

enum load_session_state {
	SESSION_OFF,
	SESSION_CONNECTING,
	SESSION_BANNER,
	SESSION_HELO,
	SESSION_READY,    /* greeted, no message */
	SESSION_ENVELOPE, /* MAIL and RCPTs are on their way */
	SESSION_DATA,     /* waits for 354 */
	SESSION_BODY,     /* sends the content, then waits for the reply to the dot */
	SESSION_RESET,
	SESSION_QUIT
};

struct load_session {
	int fd;
	uint8_t state;
	bool watching_out, dot_sent, helo_tried, busy; /* busy: has a message to deliver */
	uint32_t on_connection;                        /* messages begun on this connection */
	uint64_t n;                                    /* of the message */
	const struct message_file *file;
	uint32_t rcpt_sent, rcpt_answered, rcpt_accepted;
	bool mail_sent, mail_answered, mail_accepted, data_sent;
	uint16_t code; /* the worst reply to the envelope so far */
	uint8_t stage;
	char reply[SMTP_CLIENT_REPLY_BYTES + 1];
	uint64_t begun_us, stage_us, progress_us;
	size_t body_sent;
	size_t out_sent;
	struct buf out;
	struct smtp_client client;
	uint8_t out_memory[LOAD_OUT_BYTES];
};

struct load {
	struct load_options options;
	struct load_totals totals;
	struct message_files files;
	struct smtp_counters counters;
	struct random random;
	struct histogram latency[LOAD_STAGE_COUNT];
	struct load_session *session;
	uint32_t idle_count, active_count;
	uint64_t start_us, end_us, next_source, next_target, done;
	bool idle_sent_home;
	uint32_t *order; /* of files */
	int epoll;
	FILE *log;
};

bool load_options_parse(int argc, char **argv, struct load *out_load, int *out_exit);

/* load_session.c: the dialogue of one session. */
void load_session_begin(struct load *load, struct load_session *session, uint64_t now_us);
void load_session_ready(struct load *load, struct load_session *session, uint32_t events,
                        uint64_t now_us);
void load_session_check_timeout(struct load *load, struct load_session *session, uint64_t now_us);

/* An idle session that is not needed any more. */
void load_session_quit(struct load *load, struct load_session *session, uint64_t now_us);

/* load_main.c: no message begins any more. */
bool load_is_over(const struct load *load, uint64_t now_us);
/* Gives the session its next message; false when there is none now. */
bool load_take_message(struct load *load, struct load_session *session, uint64_t now_us);

/* load_report.c */
extern const char *const load_stage_name[LOAD_STAGE_COUNT];
void load_log_message(struct load *load, const struct load_session *session, uint64_t now_us);
void load_print(const struct load *load);

#endif
