/* tls_sessions_none.c - a build without TLS, or without OpenSSL's for the clients. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/connections/connections.h"

void tls_sessions_prepare(void)
{
}

void tls_sessions_run(uint32_t sessions)
{
	(void)sessions;
	fputs("postern-bench-connections: this build has no TLS\n", stderr);
	exit(1);
}
