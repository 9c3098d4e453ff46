/* fuzz_client.c - what a backend says gives the same events at any cut, and a reply relayed stays
 * one line. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "smtp/client.h"
#include "smtp/reply.h"

#define INPUT_BYTES_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t log_memory[2][INPUT_BYTES_MAX * 24];

static void check_relayed(const struct smtp_client_event *event)
{
	uint8_t memory[SMTP_REPLY_LINE_BYTES_MAX];
	struct buf out = buf_over(memory, sizeof(memory));
	bool written = reply_write_relayed(event->code, event->text, &out);

	ASSERT(written || out.overflow);
	for (size_t i = 0; i + 2 < out.len; i++)
		ASSERT(out.data[i] >= ' ' && out.data[i] <= '~');
}

static struct bytes run(struct bytes input, size_t piece, uint8_t *memory)
{
	static struct smtp_counters counters;
	struct buf log = buf_over(memory, sizeof(log_memory[0]));
	static uint8_t wide[SMTP_AUTH_LINE_BYTES_MAX];
	uint8_t commands[1024];
	struct buf out = buf_over(commands, sizeof(commands));
	struct smtp_client client;
	struct smtp_client_event event;

	smtp_client_init(&client, &counters);
	smtp_client_send_ehlo(&client, BYTES("gw"), false, &out);
	for (int i = 0; i < 4; i++)
		smtp_client_send_auth(&client, AUTH_PLAIN, BYTES("AGEAYg=="), &out);
	smtp_client_widen(&client, wide);
	for (int i = 0; i < 16; i++)
		smtp_client_send_verb(&client, SMTP_CLIENT_NOOP, &out);
	for (size_t at = 0; at < input.len; at += piece) {
		struct bytes left = bytes_slice(input, at, piece);
		while (smtp_client_next(&client, &left, &event)) {
			buf_put_octet(&log, (uint8_t)('0' + event.kind));
			buf_put_octet(&log, (uint8_t)('0' + event.command));
			buf_put_u64(&log, event.code);
			buf_put(&log, event.text);
			if (event.code == 334 && event.kind == SMTP_CLIENT_REPLY)
				ASSERT(auth_is_base64(event.text));
			else if (event.kind == SMTP_CLIENT_REPLY)
				check_relayed(&event);
		}
		ASSERT(left.len == 0);
	}
	buf_put_u64(&log, client.size_max);
	buf_put_octet(&log, (uint8_t)('0' + client.pipelining));
	ASSERT(!log.overflow);
	return buf_bytes(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_of(data, size < INPUT_BYTES_MAX ? size : INPUT_BYTES_MAX);
	struct bytes whole = run(input, input.len + 1, log_memory[0]);

	for (size_t piece = 1; piece <= 64; piece = piece * 3 + 1)
		ASSERT(bytes_equal(whole, run(input, piece, log_memory[1])));
	return 0;
}
