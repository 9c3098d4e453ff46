/* steps_segment.c - what comes from the peer, and what must leave towards it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance_internal.h"
#include "script.h"

#define STEPS_MAX 1000 /* of one wait */

static const struct {
	char letter;
	uint8_t flag;
} letters[] = {{'S', FLAG_SYN}, {'A', FLAG_ACK}, {'F', FLAG_FIN}, {'R', FLAG_RST},
               {'P', FLAG_PSH}, {'U', FLAG_URG}, {'E', FLAG_ECE}, {'C', FLAG_CWR}};
#define LETTERS (sizeof(letters) / sizeof(letters[0]))

static bool read_flags(struct script *script, uint8_t *out_flags)
{
	const char *text = script->count > 1 ? script->words[1] : "";

	*out_flags = 0;
	for (; *text != '\0' && *text != '-'; text++) {
		size_t i = 0;
		while (i < LETTERS && letters[i].letter != *text)
			i++;
		if (i == LETTERS)
			return script_fail(script, "no such flag: %c", *text);
		*out_flags |= letters[i].flag;
	}
	return true;
}

static bool read_options(struct script *script, const struct option_context *context,
                         struct option_list *list)
{
	int at = 0;

	while (at < script->count && strcmp(script->words[at], "opt") != 0)
		at++;
	for (at++; at < script->count; at++)
		if (!option_parse(script->words[at], context, list))
			return script_fail(script, "bad option: %s", script->words[at]);
	return true;
}

void script_advance(struct script *script, int64_t to_us)
{
	int64_t step = script->step_us;

	if (step != 0 && (to_us - pc_now_us()) / STEPS_MAX > step)
		step = (to_us - pc_now_us()) / STEPS_MAX;
	while (step != 0 && pc_now_us() + step < to_us)
		pc_advance(pc_now_us() + step);
	pc_advance(to_us);
}

/* FNV-1a: enough to tell two runs apart. */
static void digest(struct script *script, const void *data, size_t bytes)
{
	const uint8_t *octet = data;

	for (size_t i = 0; i < bytes; i++)
		script->digest = (script->digest ^ octet[i]) * 0x100000001b3u;
}

int64_t script_output(struct script *script, void *packet, int64_t *out_left)
{
	int64_t bytes = pc_output(packet, PACKET_BYTES_MAX, out_left);

	if (bytes < 0)
		return bytes;
	digest(script, packet, (size_t)bytes);
	digest(script, out_left, sizeof(*out_left));
	return bytes;
}

uint8_t script_octet(uint32_t number)
{
	return (uint8_t)(number * 31 + (number >> 8) * 7 + (number >> 16));
}

static uint32_t now_ms(int64_t at_us)
{
	return (uint32_t)(at_us / 1000);
}

bool step_in(struct script *script)
{
	static uint8_t packet[PACKET_BYTES_MAX], payload[PACKET_BYTES_MAX];
	struct flow *flow = script->flow;
	struct option_context context = {flow->our_isn, true, flow->last_stamp};
	struct option_list options = {.bytes = 0};
	struct segment segment = {.local_port = script->local_port, .peer_port = flow->peer_port};
	int64_t seq, ack, len, window, urgent, ecn;
	int result;

	if ((!world.in_burst && !script_wait(script)) || !read_flags(script, &segment.flags) ||
	    !script_number(script, "seq", 0, &seq) || !script_number(script, "ack", -1, &ack) ||
	    !script_number(script, "len", 0, &len) ||
	    !script_number(script, "win", UINT16_MAX, &window) ||
	    !script_number(script, "urg", 0, &urgent) || !script_number(script, "ecn", 0, &ecn) ||
	    !read_options(script, &context, &options))
		return false;
	while (options.bytes % 4 != 0)
		options.octet[options.bytes++] = 0;
	if (len < 0 || len > 60000)
		return script_fail(script, "len is out of range");
	segment.seq = flow->peer_isn + (uint32_t)seq;
	segment.ack = segment.flags & FLAG_ACK ? flow->our_isn + (uint32_t)ack : 0;
	segment.ecn = ecn & 3;
	segment.bad_sum = script_has(script, "badsum");
	segment.extended = script_has(script, "extended");
	segment.window = (uint16_t)window;
	segment.urgent = (uint16_t)urgent;
	segment.len = (uint32_t)len;
	memcpy(segment.options, options.octet, options.bytes);
	segment.options_bytes = options.bytes;
	for (uint32_t i = 0; i < segment.len; i++)
		payload[i] = script_octet((uint32_t)seq + ((segment.flags & FLAG_SYN) != 0) + i);
	segment.payload = payload;
	world.in_burst = script_has(script, "more");
	result = pc_input(packet, packet_build(packet, script->ip6, &segment));
	return result == 0 || script_fail(script, "pc_input: %s", strerror(-result));
}

bool step_icmp(struct script *script)
{
	static const struct {
		const char *name;
		uint8_t type4, code4, type6, code6;
	} kinds[] = {
	    {"toobig", 3, 4, 2, 0},   {"net", 3, 0, 1, 0},       {"host", 3, 1, 1, 3},
	    {"protocol", 3, 2, 4, 1}, {"port", 3, 3, 1, 4},      {"source_route", 3, 5, 4, 0},
	    {"admin", 3, 13, 1, 1},   {"net_admin", 3, 9, 1, 6}, {"time", 11, 0, 3, 0},
	    {"quench", 4, 0, 0, 0},
	};
	static uint8_t packet[PACKET_BYTES_MAX];
	struct segment quoted = {.local_port = script->local_port,
	                         .peer_port = script->flow->peer_port,
	                         .flags = FLAG_ACK,
	                         .window = UINT16_MAX};
	size_t kind = 0, bytes;
	int64_t seq, mtu;
	int result;

	if (!script_wait(script) || !script_number(script, "seq", 0, &seq) ||
	    !script_number(script, "mtu", 0, &mtu))
		return false;
	while (kind < sizeof(kinds) / sizeof(kinds[0]) &&
	       (script->count < 2 || strcmp(kinds[kind].name, script->words[1]) != 0))
		kind++;
	if (kind == sizeof(kinds) / sizeof(kinds[0]))
		return script_fail(script, "no such message");
	quoted.seq = script->flow->our_isn + (uint32_t)seq;
	bytes = packet_build_icmp(
	    packet, script->ip6, script->ip6 ? kinds[kind].type6 : kinds[kind].type4,
	    script->ip6 ? kinds[kind].code6 : kinds[kind].code4, (uint32_t)mtu, &quoted);
	result = pc_input(packet, bytes);
	return result == 0 || script_fail(script, "pc_input: %s", strerror(-result));
}

static void describe(const struct script *script, const struct segment *segment, char *to,
                     size_t bytes)
{
	char flags[LETTERS + 1] = "";
	size_t at = 0;
	int done;

	for (size_t i = 0; i < LETTERS; i++)
		if (segment->flags & letters[i].flag)
			flags[at++] = letters[i].letter;
	flags[at] = '\0';
	done = snprintf(to, bytes, "%s seq %u ack %u len %u win %u port %u opt", flags,
	                segment->seq - script->flow->our_isn,
	                segment->flags & FLAG_ACK ? segment->ack - script->flow->peer_isn
	                                          : segment->ack,
	                segment->len, segment->window, segment->peer_port);
	for (size_t i = 0; i < segment->options_bytes && (size_t)done + 3 < bytes; i++)
		done += snprintf(to + done, bytes - (size_t)done, "%s%02x", i % 4 == 0 ? " " : "",
		                 segment->options[i]);
}

/* The timestamp in the options, when there is one. */
static bool find_stamp(const struct segment *segment, uint32_t *out_stamp)
{
	const uint8_t *octet = segment->options;

	for (size_t at = 0; at < segment->options_bytes; at += octet[at] == 1 ? 1 : octet[at + 1]) {
		if (octet[at] == 8) {
			*out_stamp = (uint32_t)octet[at + 2] << 24 | (uint32_t)octet[at + 3] << 16 |
			             (uint32_t)octet[at + 4] << 8 | octet[at + 5];
			return true;
		}
		if (octet[at] == 0 || (octet[at] != 1 && octet[at + 1] < 2))
			return false;
	}
	return false;
}

/* The next packet, which leaves when the step's time is up. */
static bool fetch(struct script *script, uint8_t *packet, size_t *out_bytes, int64_t *out_left)
{
	int64_t due = pc_now_us() + script->wait_us;

	for (;;) {
		int64_t got = script_output(script, packet, out_left);
		int64_t last = due + (script->wait_us > 0 ? TOLERANCE_US : 0);
		int64_t next;

		if (got >= 0) {
			*out_bytes = (size_t)got;
			return true;
		}
		if (got != -EAGAIN)
			return script_fail(script, "pc_output: %s", strerror((int)-got));
		if (pc_now_us() >= last)
			return script_fail(script, "nothing left");
		next = pc_next_deadline_us();
		script_advance(script, next < last ? next : last);
	}
}

static bool compare(struct script *script, const struct segment *segment, int64_t left,
                    const char *text)
{
	struct flow *flow = script->flow;
	bool has_ack = (segment->flags & FLAG_ACK) != 0;
	struct option_context context = {flow->peer_isn, flow->know_stamp,
	                                 flow->stamp + now_ms(left)};
	struct option_list options = {.bytes = 0};
	int64_t seq, ack, len, window, ecn;
	uint8_t flags;

	if (!read_flags(script, &flags) || !script_number(script, "seq", 0, &seq) ||
	    !script_number(script, "ack", 0, &ack) || !script_number(script, "len", 0, &len) ||
	    !script_number(script, "win", segment->window, &window) ||
	    !script_number(script, "ecn", 0, &ecn) || !read_options(script, &context, &options))
		return false;
	if (segment->flags != flags)
		return script_fail(script, "other flags: %s", text);
	if (segment->local_port != script->local_port || segment->peer_port != flow->peer_port)
		return script_fail(script, "other ports: %s", text);
	if (segment->seq != flow->our_isn + (uint32_t)seq)
		return script_fail(script, "other seq: %s", text);
	if (has_ack && !script_has(script, "ack"))
		return script_fail(script, "say which ack: %s", text);
	if (segment->ack != (has_ack ? flow->peer_isn + (uint32_t)ack : 0))
		return script_fail(script, "other ack: %s", text);
	if (segment->len != len)
		return script_fail(script, "other len: %s", text);
	if (segment->ecn != ecn)
		return script_fail(script, "other ECN bits (%u): %s", segment->ecn, text);
	if (segment->window != window)
		return script_fail(script, "other win: %s", text);
	if (segment->urgent != 0)
		return script_fail(script, "urgent pointer set: %s", text);
	if (script_has(script, "opt") &&
	    !option_equal(&options, segment->options, segment->options_bytes))
		return script_fail(script, "other options: %s", text);
	for (uint32_t i = 0; i < segment->len; i++)
		if (segment->payload[i] != script_octet((uint32_t)seq + i))
			return script_fail(script, "octet %u is another: %s", i, text);
	return true;
}

bool step_out(struct script *script)
{
	static uint8_t packet[PACKET_BYTES_MAX];
	struct flow *flow = script->flow;
	int64_t due = pc_now_us() + script->wait_us, left = 0;
	struct segment segment;
	const char *wrong;
	char text[200];
	uint32_t stamp;
	size_t bytes = 0;

	if (!fetch(script, packet, &bytes, &left))
		return false;
	wrong = packet_parse(packet, bytes, script->ip6, &segment);
	if (wrong != NULL)
		return script_fail(script, "%s", wrong);
	if ((segment.flags & FLAG_SYN) &&
	    (!flow->know_isn || !(segment.flags & FLAG_ACK) || script_has(script, "new"))) {
		flow->our_isn = segment.seq;
		flow->know_isn = true;
	}
	describe(script, &segment, text, sizeof(text));
	if (left < due || left > due + TOLERANCE_US)
		return script_fail(script, "%+.6f s off: %s", (double)(left - due) / 1e6, text);
	if (!compare(script, &segment, left, text))
		return false;
	if (find_stamp(&segment, &stamp)) {
		flow->last_stamp = stamp;
		if (!flow->know_stamp)
			flow->stamp = stamp - now_ms(left);
		flow->know_stamp = true;
	}
	return true;
}

bool script_wait(struct script *script)
{
	static uint8_t packet[PACKET_BYTES_MAX];
	struct segment segment;
	char text[200];
	int64_t left;
	int64_t got;

	script_advance(script, pc_now_us() + script->wait_us);
	got = script_output(script, packet, &left);
	if (got == -EAGAIN)
		return true;
	if (got < 0 || packet_parse(packet, (size_t)got, script->ip6, &segment) != NULL)
		return script_fail(script, "something strange left");
	describe(script, &segment, text, sizeof(text));
	return script_fail(script, "unexpected, %.6f s ago: %s", (double)(pc_now_us() - left) / 1e6,
	                   text);
}

bool step_skip(struct script *script)
{
	static uint8_t packet[PACKET_BYTES_MAX];
	int64_t left;

	script_advance(script, pc_now_us() + script->wait_us);
	while (script_output(script, packet, &left) >= 0)
		;
	return true;
}
