/* intake.c - drains event rings. */
#include "mgmt/intake.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mgmt/event_json.h"
#include "mgmt/json_text.h"
#include "mgmt/log.h"

#define EVENTS_WORKER_MAX 256 /* of one worker in one turn */
#define CLOSE_TURNS_MAX   10000

void intake_open(struct intake *intake, struct history *history, struct rule_names *names,
                 struct events_file *file)
{
	memset(intake, 0, sizeof(*intake));
	intake->history = history;
	intake->names = names;
	intake->file = file;
}

static uint64_t lost_now(const struct intake *intake)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; intake->attached && i < intake->telemetry.worker_count; i++)
		lost += telemetry_events(&intake->telemetry, i)->lost;
	return lost;
}

static void drain(struct intake *intake)
{
	for (int turn = 0; turn < CLOSE_TURNS_MAX && intake_run(intake) > 0; turn++)
		;
}

void intake_close(struct intake *intake)
{
	if (!intake->attached)
		return;
	drain(intake);
	telemetry_close(&intake->telemetry);
	intake->attached = false;
}

void intake_attach(struct intake *intake, int fd, bool new_dataplane)
{
	struct telemetry telemetry;
	enum err err = telemetry_open(&telemetry, fd);

	if (err != OK) {
		log_error("the dataplane's telemetry cannot be read: %s; are both of one version?",
		          err_text(err));
		close(fd);
		return;
	}
	if (intake->attached && new_dataplane)
		intake->lost_before += lost_now(intake);
	intake_close(intake);
	intake->telemetry = telemetry;
	intake->attached = true;
}

static void take(struct intake *intake, const struct event *event)
{
	json_t *object = event_json(event, intake->names);
	char *line = object != NULL ? json_line(object) : NULL;

	json_decref(object);
	intake->taken_count++;
	if (event->kind == EVENT_VERDICT && event->verdict < VERDICT_COUNT)
		intake->by_verdict[event->verdict]++;
	if (line == NULL) {
		intake->history->failed_count++;
		return;
	}
	history_add(intake->history, event, line);
	events_file_write(intake->file, line);
	free(line);
}

uint32_t intake_run(struct intake *intake)
{
	uint32_t count = 0;

	for (uint32_t i = 0; intake->attached && i < intake->telemetry.worker_count; i++) {
		struct ring *ring = telemetry_events(&intake->telemetry, i);
		struct event event;

		for (int n = 0;
		     n < EVENTS_WORKER_MAX &&
		     ring_pop_shared(ring, sizeof(event), intake->telemetry.event_count, &event);
		     n++) {
			if (count++ == 0)
				history_begin(intake->history);
			take(intake, &event);
		}
	}
	if (count > 0) {
		history_commit(intake->history);
		events_file_flush(intake->file);
	}
	return count;
}

uint64_t intake_lost_count(const struct intake *intake)
{
	return intake->lost_before + lost_now(intake);
}
