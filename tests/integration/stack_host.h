/* stack_host.h - what programs have in common that run our stack on an AF_PACKET socket: the
 * socket, a frame in, a frame out, and words of what went wrong.
 */
#ifndef TESTS_INTEGRATION_STACK_HOST_H
#define TESTS_INTEGRATION_STACK_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/telemetry.h"
#include "tcpstack/pkt.h"

/* These two end the program: with errno's text, and unless err is OK. */
void stack_host_die(const char *what);
void stack_host_need(enum err err, const char *what);

/* A socket that takes every frame `device` receives and waits for none; out_mac gets six octets. */
int stack_host_socket(const char *device, uint8_t out_mac[6]);

/* The next frame, into a packet of the pool; NULL when none waits. A frame that no packet holds is
 * named on standard error and left out: the interface's offloads are on. */
struct pkt *stack_host_receive(int socket, struct pkt_pool *pool);
/* Sends the frame or loses it, as a link does; puts the packet back. */
void stack_host_send(int socket, struct pkt *pkt);

/* A line for each counter that is not 0. */
void stack_host_print(FILE *file, const struct counter_group *group, const void *counters);

#endif
