/* fake_dataplane.c - speaks the dataplane's side of base/attach.h, so that management is tested
 * without one.
 *
 * Usage: fake_dataplane SOCKET. Commands come as lines on standard input, each answered by one
 * line: emit N REFUSED RULE...  N verdict events; the rules by index; REFUSED 1 makes them rejects
 *   refuse 0|1              refuse publications from now on
 *   status                  "rules R lists L additions D shadow S draining X attached A"; S is 0
 *                           without rules
 * While there are shadow rules, each event says it would be a reject with twice the points.
 * It prints "ready" when it listens, and ends at end of input.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attach.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/generation.h"
#include "base/telemetry.h"

#define WORKERS 2
#define EVENTS  1024

static const struct counter_info infos[] = {{"segments_in", "Segments received"},
                                            {"messages", "Messages judged"},
                                            {"never", "Never counted"}};
static const struct counter_group group = {"fake", infos, 3};

struct fake {
	struct telemetry telemetry;
	int listening, peer;
	bool refuse, draining, shadow;
	uint64_t start_us, id;
	int fd[GENERATION_KIND_COUNT];
	uint64_t number[GENERATION_KIND_COUNT];
};

static void send_msg(struct fake *fake, struct attach_msg *msg, int fd)
{
	msg->magic = ATTACH_MAGIC;
	if (fake->peer >= 0 && attach_send(fake->peer, msg, fd) != OK) {
		close(fake->peer);
		fake->peer = -1;
	}
}

static void greet(struct fake *fake)
{
	struct attach_msg hello = {.kind = ATTACH_HELLO, .number = fake->start_us};

	fake->peer = accept(fake->listening, NULL, NULL);
	send_msg(fake, &hello, fake->telemetry.fd);
	for (int i = 0; i < GENERATION_KIND_COUNT; i++) {
		struct attach_msg current = {.kind = ATTACH_CURRENT,
		                             .generation_kind = (uint32_t)i,
		                             .number = fake->number[i]};

		if (fake->number[i] != 0)
			send_msg(fake, &current, fake->fd[i]);
	}
}

static void publish(struct fake *fake, const struct attach_msg *msg, int fd)
{
	struct attach_msg answer = {.kind = ATTACH_PUBLISHED,
	                            .generation_kind = msg->generation_kind,
	                            .number = msg->number};
	struct generation generation;
	enum err err = fake->refuse ? ERR_PLATFORM : generation_open(&generation, fd);

	answer.error = (uint32_t)err;
	if (err != OK) {
		snprintf(answer.reason, sizeof(answer.reason), "%s",
		         fake->refuse ? "told to refuse" : err_text(err));
		close(fd);
	} else {
		int kind = (int)generation.kind;

		if (fake->number[kind] != 0)
			close(fake->fd[kind]);
		fake->fd[kind] = dup(fd);
		fake->number[kind] = generation.number;
		if (generation.kind == GENERATION_SHADOW)
			fake->shadow = !generation_is_empty(&generation);
		generation_close(&generation);
	}
	send_msg(fake, &answer, -1);
}

static void answer_status(struct fake *fake)
{
	struct attach_msg status = {.kind = ATTACH_STATUS,
	                            .worker_count = WORKERS,
	                            .session_count = 7,
	                            .draining = fake->draining,
	                            .pid = (uint32_t)getpid(),
	                            .start_wall_us = fake->start_us,
	                            .version = "fake"};

	for (int i = 0; i < GENERATION_KIND_COUNT; i++)
		status.generation_number[i] = fake->number[i];
	send_msg(fake, &status, -1);
}

static void receive(struct fake *fake)
{
	struct attach_msg answer = {.kind = ATTACH_PUBLISHED};
	struct attach_msg msg;
	int fd;
	enum err err = attach_receive(fake->peer, &msg, &fd);

	if (err == ERR_BUSY)
		return;
	if (err != OK) {
		close(fake->peer);
		fake->peer = -1;
	} else if (msg.kind == ATTACH_PUBLISH) {
		publish(fake, &msg, fd);
	} else if (msg.kind == ATTACH_STATUS) {
		answer_status(fake);
	} else {
		fake->draining = msg.kind == ATTACH_DRAIN;
		send_msg(fake, &answer, -1);
	}
}

static void fill_shadow(const struct fake *fake, struct event *event)
{
	struct event_shadow *shadow = &event->shadow;

	*shadow = (struct event_shadow){.generation = fake->number[GENERATION_SHADOW],
	                                .score_milli = 2 * event->score_milli,
	                                .verdict = VERDICT_REJECT,
	                                .live_verdict = event->verdict};
	for (uint32_t i = 0; i < event->rule_count && i < EVENT_SHADOW_RULES_MAX; i++)
		shadow->rules[shadow->rule_count++] = (struct event_shadow_rule){
		    event->rules[i].rule, SHADOW_RULE_RESCORED, event->rules[i].score_milli,
		    2 * event->rules[i].score_milli};
}

static void fill_event(struct fake *fake, struct event *event, bool refused, const char *rules)
{
	char *end;

	memset(event, 0, sizeof(*event));
	event->kind = EVENT_VERDICT;
	event->stage = STAGE_END;
	event->verdict = refused ? VERDICT_REJECT : VERDICT_ACCEPT;
	event->id = fake->id++;
	event->wall_us = clock_wall_us();
	event->bytes = 1234;
	event->rules_generation = fake->number[GENERATION_RULES];
	event->lists_generation = fake->number[GENERATION_LISTS];
	event->client = (struct endpoint){addr_from_ip4(0xc0000207), 40000};
	event->server = (struct endpoint){addr_from_ip4(0xc0000201), 25};
	event->required_milli = 10000;
	event->timing = (struct event_timing){.mail = 100, .rcpt = 200, .dot = 900, .scan_us = 50};
	snprintf(event->helo, sizeof(event->helo), "client.example");
	snprintf(event->from, sizeof(event->from), "a\xff@client.example");
	snprintf(event->rcpt, sizeof(event->rcpt), "b@here.example c@here.example");
	event->rcpt_count = 2;
	event->reply_code = refused ? 554 : 250;
	snprintf(event->reply, sizeof(event->reply), "%s",
	         refused ? "554 5.7.1 no" : "250 2.0.0 yes");
	for (long rule = strtol(rules, &end, 10);
	     end != rules && event->rule_count < EVENT_RULES_MAX; rule = strtol(rules, &end, 10)) {
		event->rules[event->rule_count++] = (struct event_rule){(uint16_t)rule, 1,
		                                                        1000 + (int32_t)rule};
		event->score_milli += 1000 + (int32_t)rule;
		rules = end;
	}
	if (fake->shadow)
		fill_shadow(fake, event);
}

static void command(struct fake *fake, const char *line)
{
	unsigned long count;
	unsigned int flag;
	int used = 0;

	if (sscanf(line, "emit %lu %u%n", &count, &flag, &used) == 2) {
		for (unsigned long i = 0; i < count; i++) {
			struct event event;

			fill_event(fake, &event, flag != 0, line + used);
			event.worker = (uint8_t)(i % WORKERS);
			telemetry_counters(&fake->telemetry, event.worker)[1]++;
			ring_push(telemetry_events(&fake->telemetry, event.worker), &event);
		}
		puts("emitted");
	} else if (sscanf(line, "refuse %u", &flag) == 1) {
		fake->refuse = flag != 0;
		puts("ok");
	} else {
		printf("rules %llu lists %llu additions %llu shadow %llu draining %d attached %d\n",
		       (unsigned long long)fake->number[GENERATION_RULES],
		       (unsigned long long)fake->number[GENERATION_LISTS],
		       (unsigned long long)fake->number[GENERATION_DELTA],
		       (unsigned long long)(fake->shadow ? fake->number[GENERATION_SHADOW] : 0),
		       fake->draining, fake->peer >= 0);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct counter_group *groups[] = {&group};
	struct fake fake = {.peer = -1, .start_us = clock_wall_us()};
	char line[512];

	if (argc != 2 || telemetry_create(&fake.telemetry, groups, 1, WORKERS, EVENTS) != OK ||
	    attach_listen(argv[1], &fake.listening) != OK)
		return 1;
	fake.id = fake.start_us << 8;
	setvbuf(stdin, NULL, _IONBF, 0);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
		                       {.fd = fake.listening, .events = POLLIN},
		                       {.fd = fake.peer, .events = POLLIN}};

		if (poll(fds, 3, -1) < 0)
			return 1;
		if (fds[1].revents != 0 && fake.peer < 0)
			greet(&fake);
		else if (fds[2].revents != 0 && fake.peer >= 0)
			receive(&fake);
		if (fds[0].revents == 0)
			continue;
		if (fgets(line, sizeof(line), stdin) == NULL)
			return 0;
		command(&fake, line);
	}
}
