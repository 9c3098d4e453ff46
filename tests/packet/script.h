/* script.h - one script under way: its flows, its clock, and what its steps share. */
#ifndef TESTS_PACKET_SCRIPT_H
#define TESTS_PACKET_SCRIPT_H

#include "options.h"
#include "tests/conformance/conformance_api.h"

#define FLOWS_MAX    8
#define WORDS_MAX    32
#define TOLERANCE_US 2000 /* the wheel turns in ms, and deadlines are rounded up */

struct flow {
	uint16_t peer_port;
	uint32_t peer_isn, our_isn;
	bool know_isn; /* ours has been seen */
	bool know_stamp;
	uint32_t stamp, last_stamp; /* our first timestamp less its time in ms; our last */
	int conn;
	uint32_t read_at, write_at; /* relative number of the next octet */
};

struct script {
	const char *path;
	int line;
	char wrong[512];
	char *words[WORDS_MAX];
	int count;
	int64_t wait_us; /* of this step */
	bool ip6;
	uint16_t local_port;
	int listener;
	struct flow flows[FLOWS_MAX];
	int flow_count;
	struct flow *flow;
	int64_t step_us; /* 0: time jumps; else it goes in steps of at least so much */
	uint64_t digest; /* of every packet that left, and when */
};

/* Notes what is wrong; false. */
bool script_fail(struct script *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The word behind `name` as a number; `missing` when it is not there. */
bool script_number(struct script *script, const char *name, int64_t missing, int64_t *out_value);
bool script_has(const struct script *script, const char *name);
struct flow *script_peer(struct script *script, uint16_t port);
/* pc_advance() and pc_output(), the script's way. */
void script_advance(struct script *script, int64_t to_us);
int64_t script_output(struct script *script, void *packet, int64_t *out_left);
/* Lets the step's time pass; false when something leaves. */
bool script_wait(struct script *script);
uint8_t script_octet(uint32_t number);
/* 192.0.2.1 or 198.51.100.2, or their like of IPv6. */
void script_address(const struct script *script, bool peer, uint16_t port,
                    struct sockaddr_storage *out_address);

/* The steps; each reads script->words. */
bool step_in(struct script *script);
bool step_out(struct script *script);
bool step_icmp(struct script *script);
bool step_skip(struct script *script);
bool step_listen(struct script *script);
bool step_accept(struct script *script);
bool step_connect(struct script *script);
bool step_read(struct script *script);
bool step_write(struct script *script);
bool step_shutdown(struct script *script);
bool step_close(struct script *script);
bool step_abort(struct script *script);
bool step_set(struct script *script);
bool step_poll(struct script *script);
bool step_info(struct script *script);

#endif
