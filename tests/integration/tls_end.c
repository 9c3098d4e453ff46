/* tls_end.c - one end of a TLS connection over a loopback socket, for other people's clients and
 * servers.
 *
 *     tls_end server OPTIONS          prints its port; echoes lines, connection after connection
 *     tls_end client PORT OPTIONS     says one line, prints the answer
 *
 * Options: 1.2 or 1.3 (that version alone), ecdsa or rsa (that key alone), ask or require (client
 * certificates), client-key (show one), resume (a client: twice, the second time with the first
 * one's session), suites=LIST, groups=LIST. For each connection a line of what was agreed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "tcpstack/tls.h"
#include "tests/tls_certificates.h"

#define SERVER_CONNECTIONS_MAX 64
#define ROUNDS_MAX             100000

static struct tls_engine *engine;
static uint8_t session[TLS_SESSION_BYTES];
static size_t session_len;

static _Noreturn void stop(const char *what)
{
	(void)fprintf(stderr, "tls_end: %s\n", what);
	exit(1);
}

static bool send_output(struct tls *tls, int fd)
{
	struct bytes out = tls_output(tls, 0);

	while (out.len > 0) {
		ssize_t sent = send(fd, out.data, out.len, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		out = tls_output(tls, (size_t)sent);
	}
	return true;
}

static void describe(const struct tls *tls)
{
	struct tls_info info;

	tls_describe(tls, &info);
	(void)printf("agreed %s %s %s resumed=%d name=%s certificate=%d verified=%d\n",
	             info.version, info.suite, info.group, info.resumed, info.server_name,
	             info.peer_certificate, info.peer_verified);
}

static void write_all(struct tls *tls, int fd, struct bytes octets)
{
	while (octets.len > 0) {
		size_t taken = tls_write(tls, octets);
		octets = bytes_slice(octets, taken, octets.len);
		if (!send_output(tls, fd) || taken == 0)
			return;
	}
}

/* What one side does with what it is told; true to go on. */
static bool act(struct tls *tls, int fd, enum tls_role role, const struct tls_event *event)
{
	switch (event->kind) {
	case TLS_HANDSHAKE:
		describe(tls);
		if (role == TLS_CLIENT)
			write_all(tls, fd, BYTES("NOOP\n"));
		return true;
	case TLS_DATA:
		(void)printf("got %.*s", (int)event->data.len, (const char *)event->data.data);
		if (role == TLS_SERVER) {
			uint8_t copy[16384];
			size_t len = event->data.len;
			memcpy(copy, event->data.data, len);
			tls_consume(tls, len);
			write_all(tls, fd, bytes_of(copy, len));
			return true;
		}
		tls_consume(tls, event->data.len);
		session_len = tls_session_save(tls, session, sizeof(session));
		(void)tls_close(tls);
		(void)send_output(tls, fd);
		return false;
	case TLS_CLOSED:
		(void)printf("closed\n");
		(void)tls_close(tls);
		(void)send_output(tls, fd);
		return false;
	case TLS_TRUNCATED:
		(void)printf("truncated\n");
		return false;
	case TLS_FAILED:
		(void)printf("failed: %s (alert %u)\n", tls_reason_text(event->reason),
		             event->alert);
		return false;
	default:
		return true;
	}
}

static void talk(struct tls *tls, int fd, enum tls_role role)
{
	static uint8_t octets[65536];
	struct tls_event event = {.kind = TLS_STEP};
	size_t len = 0;
	bool ended = false;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		tls_feed(tls, bytes_of(octets, len), ended);
		tls_next(tls, &event);
		memmove(octets, octets + event.taken_bytes, len - event.taken_bytes);
		len -= event.taken_bytes;
		bool goes_on = act(tls, fd, role, &event);
		if (!send_output(tls, fd) || !goes_on)
			return;
		if (event.kind == TLS_MORE) {
			ssize_t got = recv(fd, octets + len, sizeof(octets) - len, 0);
			ended = got <= 0;
			len += got > 0 ? (size_t)got : 0;
		}
	}
}

static void serve(struct tls_config *config)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 16) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &len) != 0)
		stop("no socket");
	(void)printf("port %d\n", ntohs(address.sin_port));
	for (int i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
		int fd = accept(listener, NULL, NULL);
		struct tls *tls = tls_open(engine, config, (struct bytes){0});
		if (fd < 0 || tls == NULL)
			stop("no connection");
		talk(tls, fd, TLS_SERVER);
		tls_free(tls);
		(void)close(fd);
	}
}

static void call(struct tls_config *config, const char *port, bool resume)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
	                              .sin_addr = {htonl(INADDR_LOOPBACK)}};

	for (int i = 0; i < 1 + resume; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
			stop("nobody answers");
		struct tls *tls = tls_open(engine, config, BYTES("mx.postern.test"));
		if (tls == NULL)
			stop("no connection");
		if (session_len > 0 &&
		    tls_session_resume(tls, bytes_of(session, session_len)) != OK)
			stop("no session");
		talk(tls, fd, TLS_CLIENT);
		tls_free(tls);
		(void)close(fd);
	}
}

static void read_option(const char *text, struct tls_config_options *options)
{
	static const struct tls_identity client = {
	    {(const uint8_t *)CLIENT_ECDSA_PEM, sizeof(CLIENT_ECDSA_PEM) - 1},
	    {(const uint8_t *)CLIENT_ECDSA_KEY_PEM, sizeof(CLIENT_ECDSA_KEY_PEM) - 1}};

	if (strcmp(text, "1.2") == 0) {
		options->version_min = options->version_max = TLS_1_2;
	} else if (strcmp(text, "1.3") == 0) {
		options->version_min = options->version_max = TLS_1_3;
	} else if (strcmp(text, "ecdsa") == 0) {
		options->identity_count = 1;
	} else if (strcmp(text, "rsa") == 0) {
		options->identities++;
		options->identity_count = 1;
	} else if (strcmp(text, "ask") == 0) {
		options->verify = TLS_VERIFY_OPTIONAL;
	} else if (strcmp(text, "require") == 0) {
		options->verify = TLS_VERIFY_REQUIRED;
	} else if (strcmp(text, "client-key") == 0) {
		options->identities = &client;
		options->identity_count = 1;
	} else if (strncmp(text, "suites=", 7) == 0) {
		options->suites = text + 7;
	} else if (strncmp(text, "groups=", 7) == 0) {
		options->groups = text + 7;
	} else {
		stop("unknown option");
	}
}

int main(int argc, char **argv)
{
	static const struct tls_identity mx[] = {
	    {{(const uint8_t *)MX_ECDSA_PEM, sizeof(MX_ECDSA_PEM) - 1},
	     {(const uint8_t *)MX_ECDSA_KEY_PEM, sizeof(MX_ECDSA_KEY_PEM) - 1}},
	    {{(const uint8_t *)MX_RSA_PEM, sizeof(MX_RSA_PEM) - 1},
	     {(const uint8_t *)MX_RSA_KEY_PEM, sizeof(MX_RSA_KEY_PEM) - 1}}};
	struct tls_engine_options engine_options = {.connections_max = 4};
	struct tls_ticket_key key = {"interop", {1}};
	struct tls_config_options options;
	static struct tls_counters counters;
	struct tls_config *config;
	struct arena arena;
	char reason[256];
	uint64_t now_ms = (uint64_t)time(NULL) * 1000;

	if (argc < 2)
		stop("server or client?");
	bool server = strcmp(argv[1], "server") == 0, resume = false;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	tls_config_defaults(&options, server ? TLS_SERVER : TLS_CLIENT);
	if (server) {
		options.identities = mx;
		options.identity_count = 2;
		options.ticket_keys = &key;
		options.ticket_key_count = 1;
	} else {
		options.verify = TLS_VERIFY_REQUIRED;
	}
	options.ca_pem = BYTES(TEST_ROOT_PEM);
	for (int i = server ? 2 : 3; i < argc; i++) {
		if (strcmp(argv[i], "resume") == 0)
			resume = true;
		else
			read_option(argv[i], &options);
	}
	if (arena_init(&arena, tls_engine_bytes(&engine_options), false) != OK)
		stop("no memory");
	engine = tls_engine_new(&arena, &engine_options, &counters);
	if (engine == NULL)
		stop("no engine");
	tls_engine_set_time(engine, now_ms);
	if (tls_config_new(&options, now_ms, reason, sizeof(reason), &config) != OK)
		stop(reason);
	if (server)
		serve(config);
	else if (argc > 2)
		call(config, argv[2], resume);
	tls_config_free(config);
	tls_engine_free(engine);
	arena_free(&arena);
	return 0;
}
