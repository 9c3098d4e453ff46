/* tls_accel_none.c - no acceleration: the library does all arithmetic itself. */
#include "tcpstack/tls_accel.h"

const char tls_accel_name[] = "plain";

void tls_accel_open_process(void)
{
}

bool tls_accel_open_thread(void)
{
	return true;
}

void tls_accel_close_thread(void)
{
}

void *tls_accel_key_new(bool rsa, struct bytes der)
{
	(void)rsa, (void)der;
	return NULL;
}

void tls_accel_key_free(void *key)
{
	(void)key;
}

bool tls_accel_sign(void *key, enum tls_accel_scheme scheme, struct bytes digest,
                    uint8_t *signature, size_t signature_bytes, size_t *out_len)
{
	(void)key, (void)scheme, (void)digest, (void)signature, (void)signature_bytes,
	    (void)out_len;
	return false;
}

enum tls_accel_result tls_accel_x25519(const uint8_t secret[32], const uint8_t peer[32],
                                       uint8_t out_shared[32])
{
	(void)secret, (void)peer, (void)out_shared;
	return TLS_ACCEL_UNABLE;
}
