/* packet_script.c - runs scripts of segments and calls against the TCP core in virtual time; TAP,
 * one case a script.
 *
 * Usage: packet_script NAME.pkt...
 *
 * A line is one step; "#" begins a comment. A step may begin with +SECONDS, the time that passes
 * before it; nothing may leave meanwhile, unless it is what the step waits for.
 *
 *   options NAME=VALUE,...        start over with these options of pc_reset; first line only
 *   ip6                           the same over IPv6; directly behind options
 *   in  FLAGS seq N [ack N] [len N] [win N] [urg N] [ecn N] [badsum] [extended] [more]
 *       [opt OPTION...]           more: in one burst with the next
 *   out FLAGS seq N [ack N] [len N] [win N] [ecn N] [opt OPTION...]
 *   icmp KIND seq N [mtu N]       quotes a segment of ours; KIND as in step_icmp()
 *   peer PORT [isn N]             who speaks from now on
 *   port N                        and to which port of ours
 *   listen [= ERROR]              on our port; close listener ends it
 *   accept [= ERROR]
 *   connect [from PORT] [to ADDRESS] [= ERROR]
 *   read N = RESULT               write N [more] = RESULT
 *   shutdown rd|wr|rdwr [= ERROR] close              abort
 *   set NAME=VALUE [= ERROR]      set listener NAME=VALUE
 *   poll [listener] [readable] [writable] [hangup] [error]
 *   info [listener] NAME=VALUE|LOW..HIGH...
 *   quiet                         nothing left, in the +SECONDS before it either
 *   skip                          whatever left, in the +SECONDS before it too, is of no interest
 *
 * FLAGS are letters of S A F R P U E C, or -. Numbers are relative: 0 is the SYN. Octets carry a
 * pattern by their number, which is checked in what is read and in what leaves; so are all
 * checksums and lengths. What out does not name is not compared, but the ack number of a segment
 * without the flag must be 0 and a segment without "len" is empty. A RESULT is a count or the name
 * of an errno.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance_internal.h"
#include "script.h"

#define PEER_PORT 40000
#define OUR_PORT  25
/* Numbers run over the end of 32 bits soon after the start of every script. */
#define PEER_ISN 0xfffffa00u
#define LAST_US  400000000 /* longer than anything of ours lasts */

bool script_fail(struct script *script, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(script->wrong, sizeof(script->wrong), format, arguments);
	va_end(arguments);
	return false;
}

bool script_has(const struct script *script, const char *name)
{
	for (int i = 1; i < script->count; i++)
		if (strcmp(script->words[i], name) == 0)
			return true;
	return false;
}

bool script_number(struct script *script, const char *name, int64_t missing, int64_t *out_value)
{
	char *end;

	*out_value = missing;
	for (int i = 1; i < script->count; i++) {
		if (strcmp(script->words[i], name) != 0)
			continue;
		if (i + 1 == script->count)
			return script_fail(script, "%s is how much?", name);
		*out_value = strtoll(script->words[i + 1], &end, 10);
		return *end == '\0' ||
		       script_fail(script, "not a number: %s", script->words[i + 1]);
	}
	return true;
}

struct flow *script_peer(struct script *script, uint16_t port)
{
	for (int i = 0; i < script->flow_count; i++)
		if (script->flows[i].peer_port == port)
			return &script->flows[i];
	if (script->flow_count == FLOWS_MAX)
		return NULL;
	script->flows[script->flow_count] = (struct flow){.peer_port = port, .peer_isn = PEER_ISN};
	return &script->flows[script->flow_count++];
}

static bool add_address(struct script *script)
{
	struct sockaddr_storage local;
	int result;

	script_address(script, false, 0, &local);
	result = pc_add_address((const struct sockaddr *)&local, script->ip6 ? 64 : 24);
	return result == 0 || script_fail(script, "pc_add_address: %s", strerror(-result));
}

static bool step_options(struct script *script)
{
	int result = pc_reset(script->count > 1 ? script->words[1] : "");

	if (result != 0)
		return script_fail(script, "pc_reset: %s", strerror(-result));
	return add_address(script);
}

static bool step_ip6(struct script *script)
{
	script->ip6 = true;
	return add_address(script);
}

static bool step_peer(struct script *script)
{
	struct flow *flow = script_peer(script,
	                                (uint16_t)(script->count > 1 ? atoi(script->words[1]) : 0));
	int64_t isn;

	if (flow == NULL || !script_number(script, "isn", -1, &isn))
		return script_fail(script, "too many peers");
	if (isn >= 0) {
		flow->peer_isn = (uint32_t)isn;
		flow->know_isn = false;
	}
	script->flow = flow;
	return true;
}

static bool step_port(struct script *script)
{
	script->local_port = (uint16_t)(script->count > 1 ? atoi(script->words[1]) : 0);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(struct script *script);
	bool waits; /* it sees to the step's time itself */
} steps[] = {
    {"options", step_options, false},
    {"ip6", step_ip6, false},
    {"peer", step_peer, false},
    {"port", step_port, false},
    {"in", step_in, true},
    {"out", step_out, true},
    {"icmp", step_icmp, true},
    {"quiet", script_wait, true},
    {"skip", step_skip, true},
    {"listen", step_listen, false},
    {"accept", step_accept, false},
    {"connect", step_connect, false},
    {"read", step_read, false},
    {"write", step_write, false},
    {"shutdown", step_shutdown, false},
    {"close", step_close, false},
    {"abort", step_abort, false},
    {"set", step_set, false},
    {"poll", step_poll, false},
    {"info", step_info, false},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static bool run_line(struct script *script, char *line)
{
	char *rest = NULL;

	line[strcspn(line, "#\n")] = '\0';
	script->count = 0;
	script->wait_us = 0;
	for (char *word = strtok_r(line, " \t", &rest); word != NULL;
	     word = strtok_r(NULL, " \t", &rest)) {
		if (script->count == 0 && *word == '+') {
			script->wait_us = (int64_t)(strtod(word + 1, NULL) * 1e6 + 0.5);
			continue;
		}
		if (script->count == WORDS_MAX)
			return script_fail(script, "too many words");
		script->words[script->count++] = word;
	}
	if (script->count == 0)
		return true;
	for (size_t i = 0; i < STEPS; i++) {
		if (strcmp(steps[i].name, script->words[0]) != 0)
			continue;
		return (steps[i].waits || script->wait_us == 0 || script_wait(script)) &&
		       steps[i].run(script);
	}
	return script_fail(script, "no such step: %s", script->words[0]);
}

/* Afterwards nothing may be left: no packet nobody expects, no connection, no buffer. */
static bool finish(struct script *script)
{
	static uint8_t packet[PACKET_BYTES_MAX];
	int64_t left;

	script->wait_us = 0;
	if (!script_wait(script))
		return false;
	for (int i = 0; i < script->flow_count; i++)
		if (script->flows[i].conn != 0)
			pc_abort(script->flows[i].conn);
	if (script->listener != 0)
		pc_close(script->listener);
	script_advance(script, pc_now_us() + LAST_US);
	while (script_output(script, packet, &left) >= 0)
		;
	if (net_connection_count(world.net) != 0)
		return script_fail(script, "a connection is left over");
	if (world.pool->free_count != world.pool->pkt_count)
		return script_fail(script, "%u packets are left over",
		                   world.pool->pkt_count - world.pool->free_count);
	return true;
}

static bool run_script(struct script *script, FILE *file, char *title, size_t title_bytes)
{
	static char line[4096];

	*script = (struct script){
	    .path = script->path, .local_port = OUR_PORT, .step_us = script->step_us};
	script->flow = script_peer(script, PEER_PORT);
	title[0] = '\0';
	if (pc_reset("") != 0 || !add_address(script))
		return false;
	while (fgets(line, sizeof(line), file) != NULL) {
		script->line++;
		if (script->line == 1 && line[0] == '#')
			snprintf(title, title_bytes, "%.*s", (int)strcspn(line + 1, "\n"),
			         line + 1);
		if (!run_line(script, line))
			return false;
	}
	return finish(script);
}

/* Three times: the same inputs give the same packets at the same times, whether time jumps or
 * creeps. */
static bool run_file(struct script *script, char *title, size_t title_bytes)
{
	static const int64_t step_us[] = {0, 0, 1700};
	uint64_t digest = 0;

	for (size_t i = 0; i < sizeof(step_us) / sizeof(step_us[0]); i++) {
		FILE *file = fopen(script->path, "r");
		bool good;

		if (file == NULL)
			return script_fail(script, "%s", strerror(errno));
		script->step_us = step_us[i];
		good = run_script(script, file, title, title_bytes);
		fclose(file);
		if (!good)
			return false;
		if (i > 0 && script->digest != digest)
			return script_fail(script, "run %zu went another way", i + 1);
		digest = script->digest;
	}
	return true;
}

int main(int count, char **arguments)
{
	int bad = 0;

	printf("1..%d\n", count - 1);
	for (int i = 1; i < count; i++) {
		struct script script = {.path = arguments[i]};
		const char *name = strrchr(arguments[i], '/');
		char title[200] = "";
		bool good = run_file(&script, title, sizeof(title));

		name = name != NULL ? name + 1 : arguments[i];
		printf("%sok %d - %.*s:%s\n", good ? "" : "not ", i, (int)strcspn(name, "."), name,
		       title);
		if (!good) {
			printf("# %s:%d: %s\n", name, script.line, script.wrong);
			bad = 1;
		}
		fflush(stdout);
	}
	return bad;
}
