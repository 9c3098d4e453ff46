/* tls_clients.c - very many SMTP clients inside TLS, by OpenSSL. */
#include "bench/connections/tls_clients.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "bench/connections/openssl.h"
#include "bench/tls/tls_bench.h"
#include "tcpstack/wire.h"

#define PORT_FIRST    1024
#define SEGMENT_BYTES 1400

struct tls_client {
	struct client tls; /* its session: the context is shared */
	uint32_t seq, ack; /* of the next segment it sends */
	bool told;         /* 421 */
};

struct tls_clients {
	struct clients *clients;
	struct client made; /* the context */
	struct tls_clients_seen seen;
	uint32_t count;
	struct tls_client client[];
};

static struct frame_peer peer_of(uint32_t index)
{
	return (struct frame_peer){CLIENTS_TLS_NET | (index & 0xffff),
	                           (uint16_t)(PORT_FIRST + (index >> 16))};
}

static uint32_t index_of(const struct frame_peer *peer)
{
	return (peer->ip & 0xffff) | (uint32_t)(peer->port - PORT_FIRST) << 16;
}

static void send_segment(struct tls_clients *all, uint64_t now_us, uint32_t index, uint8_t flags,
                         struct bytes payload, uint32_t ts_ecr)
{
	struct tls_client *c = &all->client[index];
	struct frame_segment out = {.client = peer_of(index),
	                            .server_port = FRAME_SMTPS_PORT,
	                            .seq = c->seq,
	                            .ack = c->ack,
	                            .ts_ecr = ts_ecr,
	                            .flags = flags,
	                            .payload = payload.data,
	                            .payload_bytes = (uint16_t)payload.len};

	clients_send(all->clients, now_us, &out);
	c->seq += (uint32_t)payload.len + ((flags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) != 0);
}

/* What OpenSSL has to say, in segments; the number of them. */
static uint32_t send_records(struct tls_clients *all, uint64_t now_us, uint32_t index,
                             uint32_t ts_ecr)
{
	uint8_t octets[SEGMENT_BYTES];
	uint32_t count = 0;
	int len;

	while ((len = BIO_read(SSL_get_wbio(all->client[index].tls.ssl), octets, sizeof(octets))) >
	       0) {
		send_segment(all, now_us, index, TCP_FLAG_ACK | TCP_FLAG_PSH,
		             bytes_of(octets, (size_t)len), ts_ecr);
		count++;
	}
	return count;
}

static void say(struct tls_client *c, const char *text)
{
	if (SSL_write(c->tls.ssl, text, (int)strlen(text)) <= 0)
		stop_bench("a client cannot write");
}

static void hear(struct tls_clients *all, struct tls_client *c, struct bytes text)
{
	if (bytes_starts_nocase(text, BYTES("220 ")))
		say(c, "EHLO mail.client.example\r\n");
	else if (bytes_starts_nocase(text, BYTES("250-")))
		all->seen.greeted++;
	else if (bytes_starts_nocase(text, BYTES("250 ")))
		all->seen.noops_answered++;
	else if (bytes_starts_nocase(text, BYTES("421 ")))
		c->told = true;
	else
		all->seen.broken++;
}

static void take_records(struct tls_clients *all, struct tls_client *c, struct bytes payload)
{
	uint8_t text[2048];
	int len;

	(void)BIO_write(SSL_get_rbio(c->tls.ssl), payload.data, (int)payload.len);
	while ((len = SSL_read(c->tls.ssl, text, sizeof(text))) > 0)
		hear(all, c, bytes_of(text, (size_t)len));
	int why = SSL_get_error(c->tls.ssl, len);
	all->seen.broken += why != SSL_ERROR_WANT_READ && why != SSL_ERROR_ZERO_RETURN;
	ERR_clear_error();
}

static void take_end(struct tls_clients *all, struct tls_client *c)
{
	bool good = c->told && (SSL_get_shutdown(c->tls.ssl) & SSL_RECEIVED_SHUTDOWN) != 0;

	all->seen.closed += good;
	all->seen.broken += !good;
	client_close(&c->tls);
	c->tls.ssl = NULL;
}

static void begin(struct tls_clients *all, struct tls_client *c)
{
	c->tls = all->made;
	client_open(&c->tls);
	(void)SSL_set_mode(c->tls.ssl, SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_do_handshake(c->tls.ssl);
	ERR_clear_error();
}

static void answer(void *context, uint64_t now_us, const struct frame_segment *in)
{
	struct tls_clients *all = context;
	uint32_t index = index_of(&in->client);

	ASSERT(index < all->count);
	struct tls_client *c = &all->client[index];
	if (in->flags & TCP_FLAG_SYN) {
		c->seq = in->ack;
		c->ack = in->seq + 1;
		begin(all, c);
		(void)send_records(all, now_us, index, in->ts_val);
		return;
	}
	if (in->payload_bytes == 0 && (in->flags & TCP_FLAG_FIN) == 0)
		return;
	if (in->seq != c->ack || c->tls.ssl == NULL) {
		all->seen.broken++;
		return;
	}
	c->ack += in->payload_bytes;
	if (in->payload_bytes > 0)
		take_records(all, c, bytes_of(in->payload, in->payload_bytes));
	if (in->flags & TCP_FLAG_FIN) {
		c->ack++;
		take_end(all, c);
		send_segment(all, now_us, index, TCP_FLAG_ACK | TCP_FLAG_FIN, bytes_of(NULL, 0),
		             in->ts_val);
	} else if (send_records(all, now_us, index, in->ts_val) == 0) {
		send_segment(all, now_us, index, TCP_FLAG_ACK, bytes_of(NULL, 0), in->ts_val);
	}
}

struct tls_clients *tls_clients_new(struct clients *clients, uint32_t count, int version)
{
	struct tls_clients *all = calloc(1, sizeof(*all) + count * sizeof(all->client[0]));

	if (all == NULL)
		stop_bench("no memory for clients");
	all->clients = clients;
	all->count = count;
	client_make(&all->made, version, "X25519:P-256");
	clients->tls_answer = answer;
	clients->tls_context = all;
	return all;
}

void tls_clients_free(struct tls_clients *all)
{
	all->clients->tls_answer = NULL;
	for (uint32_t i = 0; i < all->count; i++)
		SSL_free(all->client[i].tls.ssl);
	client_drop(&all->made);
	free(all);
}

void tls_clients_open(struct tls_clients *all, uint64_t now_us)
{
	uint32_t index = all->seen.opened++;
	struct frame_peer peer = peer_of(index);

	ASSERT(index < all->count);
	all->client[index].seq = peer.ip * 2654435761u + peer.port * 40503u;
	send_segment(all, now_us, index, TCP_FLAG_SYN, bytes_of(NULL, 0), 0);
}

void tls_clients_noop(struct tls_clients *all, uint64_t now_us, uint32_t index)
{
	say(&all->client[index], "NOOP\r\n");
	(void)send_records(all, now_us, index, 0);
}

const struct tls_clients_seen *tls_clients_seen(const struct tls_clients *all)
{
	return &all->seen;
}
