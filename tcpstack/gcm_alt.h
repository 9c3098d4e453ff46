/* gcm_alt.h - the library's type of an AES-GCM key, when libipsec-mb does the work; found by this
 * name by the library's own headers. */
#ifndef TCPSTACK_GCM_ALT_H
#define TCPSTACK_GCM_ALT_H

typedef struct mbedtls_gcm_context {
	void *memory; /* as it was allocated */
	void *key;    /* of it, aligned as libipsec-mb wants it */
	unsigned bits;
} mbedtls_gcm_context;

#endif
