/* fuzz_event.c - what management reads of the dataplane's shared memory: any octets in it are
 * refused, or events come out that are JSON, whatever is in them.
 *
 * The input: four octets a change (offset, what to exclusive-or) of a telemetry memory that was
 * right, until an offset of all ones; what follows lies in the records of the ring.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/telemetry.h"
#include "mgmt/event_json.h"
#include "mgmt/json_text.h"

#define EVENT_COUNT 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct counter_info infos[] = {{"one_counter", "Says one"}, {"two", "Says two"}};
static const struct counter_group group = {"fuzz", infos, 2};
static struct store store;
static struct rule_names names;

static void close_all(void)
{
	rule_names_close(&names);
	store_close(&store);
}

static void open_all(void)
{
	char reason[STORE_REASON_BYTES];
	json_t *rules = json_loads("[[\"ONE\",1500,\"Says one\"],[\"TWO\",-200,\"Says two\"]]", 0,
	                           NULL);

	ASSERT(store_open(&store, "", reason) == OK);
	rule_names_open(&names, &store);
	ASSERT(rule_names_put(&names, 7, rules) == OK);
	json_decref(rules);
	atexit(close_all);
}

/* A copy of the right one, sealed alike, with its octets changed. */
static int changed_memory(const uint8_t *data, size_t size, size_t *in_out_at)
{
	static const struct counter_group *const groups[] = {&group};
	struct telemetry right;
	size_t at = *in_out_at;

	ASSERT(telemetry_create(&right, groups, 1, 2, EVENT_COUNT) == OK);
	for (; at + 4 <= size; at += 4) {
		uint32_t offset = data[at] | (uint32_t)data[at + 1] << 8 |
		                  (uint32_t)data[at + 2] << 16;
		if (offset == 0xffffff)
			break;
		if (offset < right.bytes)
			right.memory[offset] ^= data[at + 3];
	}
	*in_out_at = at + 4 <= size ? at + 4 : size;
	int fd = dup(right.fd);
	ASSERT(fd >= 0);
	telemetry_close(&right);
	return fd;
}

static void check_event(const struct event *event)
{
	json_t *object = event_json(event, &names);

	ASSERT(object != NULL);
	event_json_describe(object, &names);
	char *line = json_line(object);
	json_decref(object);
	ASSERT(line != NULL && strchr(line, '\n') == NULL);
	json_t *again = json_loads(line, 0, NULL);
	ASSERT(again != NULL);
	json_decref(again);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct telemetry telemetry;
	size_t at = 0;

	if (store.db == NULL)
		open_all();
	int fd = changed_memory(data, size, &at);
	if (telemetry_open(&telemetry, fd) != OK) {
		close(fd);
		return 0;
	}
	for (uint32_t i = 0; i < telemetry.counter_count; i++)
		ASSERT(strlen(telemetry_description(&telemetry, i)->help) < TELEMETRY_HELP_BYTES);
	for (uint32_t i = 0; i < telemetry.worker_count; i++) {
		struct ring *ring = telemetry_events(&telemetry, i);
		struct event event;
		size_t left = size - at, bytes = sizeof(event) * EVENT_COUNT;

		memcpy(ring->records, data + at, left < bytes ? left : bytes);
		if (left > 0)
			ring->head += 1 + data[at] % EVENT_COUNT;
		/* What was checked when it was opened may change behind our back. */
		ring->record_bytes ^= left > 1 ? data[at + 1] : 0u;
		ring->record_count ^= left > 2 ? data[at + 2] : 0u;
		for (int n = 0; n < 2 * EVENT_COUNT &&
		                ring_pop_shared(ring, sizeof(event), telemetry.event_count, &event);
		     n++)
			check_event(&event);
	}
	telemetry_close(&telemetry);
	return 0;
}
