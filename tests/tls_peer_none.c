/* tls_peer_none.c - a build without TLS of ours or OpenSSL's: nobody to speak it with. */
#include "base/check.h"
#include "tests/tls_peer.h"

bool tls_peer_open(uint64_t seed)
{
	(void)seed;
	return false;
}

void tls_peer_close(void)
{
}

void tls_peer_files(char out_folder[TLS_PEER_FOLDER_BYTES])
{
	(void)out_folder;
	UNREACHABLE();
}

void tls_peer_files_remove(const char *folder)
{
	(void)folder;
	UNREACHABLE();
}

void tls_peer_set_time(uint64_t now_us)
{
	(void)now_us;
}

struct tls_peer *tls_peer_new(const struct tls_peer_options *options)
{
	(void)options;
	UNREACHABLE();
}

void tls_peer_free(struct tls_peer *peer)
{
	ASSERT(peer == NULL);
}

void tls_peer_feed(struct tls_peer *peer, struct bytes octets)
{
	(void)peer;
	(void)octets;
	UNREACHABLE();
}

struct bytes tls_peer_output(struct tls_peer *peer, size_t sent)
{
	(void)peer;
	(void)sent;
	UNREACHABLE();
}

enum tls_peer_state tls_peer_state(const struct tls_peer *peer)
{
	(void)peer;
	UNREACHABLE();
}

bool tls_peer_resumed(const struct tls_peer *peer)
{
	(void)peer;
	UNREACHABLE();
}

struct bytes tls_peer_peek(const struct tls_peer *peer)
{
	(void)peer;
	UNREACHABLE();
}

void tls_peer_consume(struct tls_peer *peer, size_t bytes)
{
	(void)peer;
	(void)bytes;
	UNREACHABLE();
}

void tls_peer_write(struct tls_peer *peer, struct bytes octets)
{
	(void)peer;
	(void)octets;
	UNREACHABLE();
}

void tls_peer_shutdown(struct tls_peer *peer)
{
	(void)peer;
	UNREACHABLE();
}
