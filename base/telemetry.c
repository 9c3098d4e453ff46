/* telemetry.c - the layout of the shared memory, and the checks of who maps it.
 *
 * header | descriptions | worker 0: counters, ring | worker 1: … ; every part starts on a page. All
 * offsets follow from the counts in the header, so there is no offset to trust. The file's size is
 * sealed: it cannot shrink under the reader.
 */
#include "base/telemetry.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/sealed.h"

#define MAGIC            0x31544c4554545350u /* "PSTTELT1" */
#define VERSION          1
#define PAGE_BYTES       ((size_t)4096)
#define SEALS            (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)
#define EVENTS_COUNT_MAX (1u << 20)

struct header {
	uint64_t magic;
	uint32_t version, event_bytes;
	uint32_t worker_count, counter_count, event_count, zero;
};

static size_t pages(size_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static size_t descriptions_bytes(uint32_t counter_count)
{
	return pages(counter_count * sizeof(struct telemetry_counter));
}

static size_t counters_bytes(uint32_t counter_count)
{
	return pages(counter_count * sizeof(uint64_t));
}

static size_t worker_bytes(const struct telemetry *t)
{
	return counters_bytes(t->counter_count) +
	       pages(ring_bytes(sizeof(struct event), t->event_count));
}

static size_t worker_offset(const struct telemetry *t, uint32_t worker)
{
	ASSERT(worker < t->worker_count);
	return pages(sizeof(struct header)) + descriptions_bytes(t->counter_count) +
	       worker * worker_bytes(t);
}

static size_t total_bytes(const struct telemetry *t)
{
	return worker_offset(t, t->worker_count - 1) + worker_bytes(t);
}

static struct telemetry_counter *descriptions(const struct telemetry *t)
{
	return (struct telemetry_counter *)(void *)(t->memory + pages(sizeof(struct header)));
}

static uint32_t power_of_two(uint32_t count)
{
	uint32_t power = 1;

	while (power < count)
		power *= 2;
	return power;
}

static void put_text(char *place, size_t bytes, const char *text)
{
	size_t len = strlen(text);

	memcpy(place, text, len < bytes ? len : bytes - 1); /* zero behind: the memory was */
}

static void describe(struct telemetry_counter *next, const struct counter_group *group)
{
	for (uint32_t i = 0; i < group->count; i++, next++) {
		ASSERT(strlen(group->name) < sizeof(next->group));
		ASSERT(strlen(group->info[i].name) < sizeof(next->name));
		put_text(next->group, sizeof(next->group), group->name);
		put_text(next->name, sizeof(next->name), group->info[i].name);
		put_text(next->help, sizeof(next->help), group->info[i].help);
	}
}

static enum err map_new(struct telemetry *telemetry)
{
	size_t bytes = total_bytes(telemetry);
	int fd = memfd_create("postern-telemetry", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return ERR_SYSTEM;
	if (ftruncate(fd, (off_t)bytes) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0)
		goto fail;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		goto fail;
	telemetry->memory = memory;
	telemetry->bytes = bytes;
	telemetry->fd = fd;
	return OK;
fail:
	close(fd);
	return ERR_NO_MEMORY;
}

enum err telemetry_create(struct telemetry *telemetry, const struct counter_group *const *groups,
                          uint32_t group_count, uint32_t worker_count, uint32_t event_count)
{
	struct telemetry t = {.worker_count = worker_count};

	for (uint32_t i = 0; i < group_count; i++)
		t.counter_count += groups[i]->count;
	if (t.counter_count == 0 || t.counter_count > TELEMETRY_COUNTERS_MAX)
		return ERR_RANGE;
	if (worker_count == 0 || worker_count > TELEMETRY_WORKERS_MAX)
		return ERR_RANGE;
	if (event_count == 0 || event_count > EVENTS_COUNT_MAX)
		return ERR_RANGE;
	t.event_count = power_of_two(event_count);

	enum err err = map_new(&t);
	if (err != OK)
		return err;
	*(struct header *)(void *)t.memory = (struct header){
	    .magic = MAGIC,
	    .version = VERSION,
	    .event_bytes = sizeof(struct event),
	    .worker_count = t.worker_count,
	    .counter_count = t.counter_count,
	    .event_count = t.event_count,
	};
	uint32_t next = 0;
	for (uint32_t i = 0; i < group_count; next += groups[i++]->count)
		describe(descriptions(&t) + next, groups[i]);
	for (uint32_t i = 0; i < worker_count; i++)
		ring_init(telemetry_events(&t, i), sizeof(struct event), t.event_count);
	*telemetry = t;
	return OK;
}

static enum err verify_header(const struct header *header)
{
	if (header->magic != MAGIC)
		return ERR_MAGIC;
	if (header->version != VERSION || header->event_bytes != sizeof(struct event))
		return ERR_VERSION;
	if (header->worker_count == 0 || header->worker_count > TELEMETRY_WORKERS_MAX)
		return ERR_RANGE;
	if (header->counter_count == 0 || header->counter_count > TELEMETRY_COUNTERS_MAX)
		return ERR_RANGE;
	if (header->event_count == 0 || header->event_count > EVENTS_COUNT_MAX ||
	    power_of_two(header->event_count) != header->event_count)
		return ERR_RANGE;
	return OK;
}

/* Names become metric names: lower-case letters, digits and underscores. */
static bool is_name(const char *text, size_t bytes)
{
	size_t len = strnlen(text, bytes);

	return len > 0 && len < bytes &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static enum err verify_content(const struct telemetry *t)
{
	for (uint32_t i = 0; i < t->counter_count; i++) {
		const struct telemetry_counter *d = telemetry_description(t, i);
		if (!is_name(d->group, sizeof(d->group)) || !is_name(d->name, sizeof(d->name)) ||
		    strnlen(d->help, sizeof(d->help)) == sizeof(d->help))
			return ERR_SYNTAX;
	}
	for (uint32_t i = 0; i < t->worker_count; i++) {
		const struct ring *ring = telemetry_events(t, i);
		if (ring->record_bytes != sizeof(struct event) ||
		    ring->record_count != t->event_count)
			return ERR_RANGE;
	}
	return OK;
}

enum err telemetry_open(struct telemetry *telemetry, int fd)
{
	struct telemetry t = {.fd = fd};
	struct header header;
	size_t bytes;
	enum err err = sealed_size(fd, SEALS, &bytes);

	if (err != OK)
		return err;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return ERR_TRUNCATED;
	err = verify_header(&header);
	if (err != OK)
		return err;

	/* From here on only this copy of the counts is used: the memory stays writable for the
	 * other side. */
	t.worker_count = header.worker_count;
	t.counter_count = header.counter_count;
	t.event_count = header.event_count;
	t.bytes = total_bytes(&t);
	if (bytes != t.bytes)
		return ERR_TRUNCATED;

	t.memory = mmap(NULL, t.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t.memory == MAP_FAILED)
		return ERR_NO_MEMORY;
	err = verify_content(&t);
	if (err != OK) {
		munmap(t.memory, t.bytes);
		return err;
	}
	*telemetry = t;
	return OK;
}

const struct telemetry_counter *telemetry_description(const struct telemetry *telemetry,
                                                      uint32_t counter)
{
	ASSERT(counter < telemetry->counter_count);
	return descriptions(telemetry) + counter;
}

uint64_t *telemetry_counters(const struct telemetry *telemetry, uint32_t worker)
{
	return (uint64_t *)(void *)(telemetry->memory + worker_offset(telemetry, worker));
}

struct ring *telemetry_events(const struct telemetry *telemetry, uint32_t worker)
{
	size_t offset = worker_offset(telemetry, worker) + counters_bytes(telemetry->counter_count);

	return (struct ring *)(void *)(telemetry->memory + offset);
}

void telemetry_close(struct telemetry *telemetry)
{
	munmap(telemetry->memory, telemetry->bytes);
	close(telemetry->fd);
	*telemetry = (struct telemetry){.fd = -1};
}
