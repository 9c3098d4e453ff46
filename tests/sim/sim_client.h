/* sim_client.h - simulated senders of mail on a stack of their own. */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "sim_end.h"
#include "sim_message.h"
#include "smtp/client.h"

#define SIM_CLIENTS_MAX 32

enum sim_way { SIM_CLEAR, SIM_STARTTLS, SIM_IMPLICIT };

struct sim_client {
	struct sim_end end;
	enum sim_way way;
	struct tls_peer_options tls;
	struct smtp_client smtp;
	struct smtp_counters smtp_counters;
	struct sim_message *message; /* being sent */
	size_t wire_sent;
	bool in_body, pipelines, dribbles, quits;
	uint32_t recipients_answered, recipients_accepted;
	uint32_t give_up_at;   /* octets of the body after which it vanishes; UINT32_MAX: never */
	bool gives_up_shaking; /* vanishes in the middle of a handshake */
};

struct sim_clients {
	struct net *net;
	struct random *random;
	struct endpoint gateway, gateway_tls; /* STARTTLS or none; implicit */
	struct sim_client client[SIM_CLIENTS_MAX];
	uint32_t client_count;
	struct sim_message *messages;
	uint32_t message_count, message_next;
	bool vanishing; /* some give up in the middle */
	bool tls;       /* most speak it */
	uint32_t tls_begun, tls_resumed;
};

/* One turn: news, replies, more octets. */
void sim_clients_run(struct sim_clients *clients, uint64_t now_us);
/* Every message has been tried and every connection is closed. */
bool sim_clients_done(const struct sim_clients *clients);

#endif
