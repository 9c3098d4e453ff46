/* sim_sink.h - a simulated backend on a stack of its own: takes mail, checks it, and fails as it is
 * told. */
#ifndef SIM_SINK_H
#define SIM_SINK_H

#include "sim_end.h"
#include "sim_message.h"
#include "smtp/server.h"

#define SIM_SINKS_MAX 64

struct sim_sink_session {
	struct sim_end end;
	struct smtp_server smtp;
	struct transaction transaction;
	uint8_t line[SMTP_COMMAND_LINE_BYTES_MAX];
	bool dies_shaking; /* in the middle of a handshake */
	bool leaving;      /* by a reset, right behind the reply that took a message */
	uint8_t *content;  /* raw octets of the body */
	size_t content_bytes, content_room;
};

struct sim_sink {
	struct net *net;
	struct random *random;
	struct smtp_server_limits limits;
	struct smtp_counters counters;
	struct sim_sink_session *session; /* SIM_SINKS_MAX */
	struct sim_message *messages;
	uint32_t message_count;
	uint32_t fault_percent; /* of each kind: refused RCPT, refused dot, lost connection */
	bool lossless;          /* what is sent arrives */
	bool tls;               /* STARTTLS is offered */
	uint32_t tls_begun;
	uint32_t errors; /* what no gateway may send: framing defects, unknown messages */
};

void sim_sink_init(struct sim_sink *sink, struct net *net, struct random *random);
void sim_sink_run(struct sim_sink *sink);
/* After its output has been sent: resets of those that go. */
void sim_sink_leave(struct sim_sink *sink);
void sim_sink_free(struct sim_sink *sink);

#endif
