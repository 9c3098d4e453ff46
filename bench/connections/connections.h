/* connections.h - what the measurements of postern-bench-connections share. */
#ifndef BENCH_CONNECTIONS_CONNECTIONS_H
#define BENCH_CONNECTIONS_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* One line of JSON on standard output. */
void report(const char *name, const char *metric, const char *unit, double value,
            bool higher_is_better);

/* So many idle sessions on one worker: their memory; the cost of a short session, of a command and
 * of an end beside them. Ends the process with status 1 when any of them is lost. */
void sessions_run(uint32_t sessions, uint32_t short_count);
/* So many idle sessions are told that the worker drains; ends the process with status 1 when one is
 * not. */
void drain_run(uint32_t sessions);
/* So many idle sessions inside TLS, in either version: their memory; ends the process with status 1
 * when one of them does not answer. `prepare` before anything else: it counts libcrypto's memory.
 */
void tls_sessions_prepare(void);
void tls_sessions_run(uint32_t sessions);
/* Cycles a segment of each kind costs the stack, over so many connections. */
void paths_run(uint32_t connections);

#endif
