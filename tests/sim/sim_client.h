/* sim_client.h - simulated senders of mail on a stack of their own. */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "sim_message.h"
#include "smtp/client.h"
#include "tcpstack/tcp.h"

#define SIM_CLIENTS_MAX 32

struct sim_client {
	struct tcp_conn *conn; /* NULL: not connected */
	struct smtp_client smtp;
	struct smtp_counters smtp_counters;
	struct sim_message *message; /* being sent */
	size_t wire_sent;
	bool in_body, pipelines, dribbles, quits;
	uint32_t recipients_answered, recipients_accepted;
	uint32_t give_up_at; /* octets of the body after which it vanishes; UINT32_MAX: never */
};

struct sim_clients {
	struct net *net;
	struct random *random;
	struct endpoint gateway;
	struct sim_client client[SIM_CLIENTS_MAX];
	uint32_t client_count;
	struct sim_message *messages;
	uint32_t message_count, message_next;
	bool vanishing; /* some give up in the middle */
};

/* One turn: news, replies, more octets. */
void sim_clients_run(struct sim_clients *clients, uint64_t now_us);
/* Every message has been tried and every connection is closed. */
bool sim_clients_done(const struct sim_clients *clients);

#endif
