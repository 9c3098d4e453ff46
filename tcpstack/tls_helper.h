/* tls_helper.h - signatures that would hold a worker's turn up, made by threads beside it.
 *
 * A signature by RSA takes a quarter of a millisecond at best. What an engine is asked to sign with
 * such a key it lays into a ring to one of the helpers, which all engines share, and goes on with
 * its other connections: tls_next returns TLS_WAITING until the helper's answer has come back by
 * another ring, and tls_engine_answered has found it there. Rings have one writer and one reader
 * each; nobody waits for anybody, and no memory is shared but records that are copied.
 *
 * A job owns what it needs: the digest is a copy, and the configuration, with the key, has the job
 * as one more user until its answer has come back. So a connection may be freed at any time, its
 * place may be taken by another, and the answer that comes too late is thrown away.
 *
 * The helpers' threads are the caller's, who runs in each of them
 *
 *     tls_helper_enter(); for (;;) if (tls_helper_serve() == 0) ... sleep until called ...;
 *     tls_helper_leave();
 *
 * and whose calls here wake who sleeps. */
#ifndef TCPSTACK_TLS_HELPER_H
#define TCPSTACK_TLS_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "tcpstack/tls.h"

#define TLS_HELPERS_MAX 8
/* Of one engine with one helper, not answered yet. Whose signature finds no room waits for it in
 * its engine, in order of arrival. */
#define TLS_HELPER_JOBS 32

struct tls_helpers;

struct tls_helpers_options {
	uint32_t engine_count;
	uint32_t helper_count; /* 1 to TLS_HELPERS_MAX */
	/* By an engine's thread: there is a job for `helper`. By a helper's: an answer for
	 * `engine`. NULL: nobody sleeps. */
	void (*call_helper)(void *context, uint32_t helper);
	void (*call_engine)(void *context, uint32_t engine);
	void *context;
};

/* Octets tls_helpers_new takes from the arena, at most. */
size_t tls_helpers_bytes(const struct tls_helpers_options *options);
/* Carves the rings; engines are told of it by struct tls_engine_options. NULL: arena too small. */
struct tls_helpers *tls_helpers_new(struct arena *arena, const struct tls_helpers_options *options);

/* By a helper's thread, before it serves. False: no memory. */
MUST_CHECK bool tls_helper_enter(struct tls_helpers *helpers, uint32_t helper);
/* Makes at most one signature for each engine; count of those made. */
uint32_t tls_helper_serve(struct tls_helpers *helpers, uint32_t helper);
/* Is there a job? To be asked between saying that one sleeps and sleeping. */
bool tls_helper_waits(const struct tls_helpers *helpers, uint32_t helper);
/* By the thread that entered, when every engine has been freed. */
void tls_helper_leave(struct tls_helpers *helpers, uint32_t helper);

/* By an engine's thread, once a turn until it returns NULL: takes an answer and returns the
 * connection that can go on, whose next tls_next does. */
struct tls *tls_engine_answered(struct tls_engine *engine);
/* Is there an answer? As tls_helper_waits. */
bool tls_engine_waits(const struct tls_engine *engine);

#endif
