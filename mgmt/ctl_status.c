/* ctl_status.c - posternctl commands about the whole: status, counters, drain, config. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"

#include "mgmt/ctl.h"

#define TOP_SECONDS 1

static void print_dataplane(const json_t *dataplane)
{
	if (!json_is_true(json_object_get(dataplane, "attached"))) {
		printf("dataplane    not attached; waiting at %s: is postern running?\n",
		       ctl_text(dataplane, "socket"));
		return;
	}
	printf("dataplane    pid %lld, version %s, up %s\n", ctl_number(dataplane, "pid"),
	       ctl_text(dataplane, "version"), ctl_duration(ctl_number(dataplane, "uptime_s")));
	printf("             %lld workers, %lld sessions%s\n", ctl_number(dataplane, "workers"),
	       ctl_number(dataplane, "sessions"),
	       json_is_true(json_object_get(dataplane, "draining"))
	           ? ", draining: no new sessions are taken (posternctl resume)"
	           : "");
	if (ctl_text(dataplane, "replies")[0] != '\0')
		printf("             replies of backends: %s\n", ctl_text(dataplane, "replies"));
}

static void print_generations(const json_t *generations)
{
	size_t index;
	json_t *generation;

	json_array_foreach((json_t *)generations, index, generation)
	{
		printf("%-12s %-10s %lld, made %s ago, %s: %s\n", index == 0 ? "generations" : "",
		       ctl_text(generation, "kind"), ctl_number(generation, "number"),
		       ctl_duration(ctl_number(generation, "age_s")),
		       json_is_true(json_object_get(generation, "in_force")) ? "in force"
		                                                             : "not in force yet",
		       ctl_text(generation, "label"));
	}
}

enum ctl_exit ctl_status(const struct ctl *ctl)
{
	json_t *answer, *part;
	enum ctl_exit status = ctl_request(ctl, "GET", "/v1/status", NULL, &answer);

	if (status != CTL_OK)
		return status;
	if (ctl->json)
		return ctl_print_json(answer);
	part = json_object_get(answer, "mgmtd");
	print_dataplane(json_object_get(answer, "dataplane"));
	printf("mgmtd        pid %lld, version %s, up %s\n", ctl_number(part, "pid"),
	       ctl_text(answer, "version"), ctl_duration(ctl_number(part, "uptime_s")));
	print_generations(json_object_get(answer, "generations"));
	part = json_object_get(answer, "rules");
	printf("rules        %lld supported, %lld not%s\n", ctl_number(part, "supported"),
	       ctl_number(part, "unsupported"),
	       json_is_true(json_object_get(part, "compiling")) ? "; compiling now" : "");
	part = json_object_get(answer, "shadow");
	if (json_is_true(json_object_get(part, "on")) ||
	    json_is_true(json_object_get(part, "compiling")))
		printf("shadow rules %lld supported, %lld not%s (posternctl rules diff)\n",
		       ctl_number(part, "supported"), ctl_number(part, "unsupported"),
		       json_is_true(json_object_get(part, "compiling")) ? "; compiling now" : "");
	part = json_object_get(answer, "lists");
	printf("lists        %lld entries in files, %lld additions%s\n",
	       ctl_number(part, "entries"), ctl_number(part, "additions"),
	       json_is_true(json_object_get(part, "loading")) ? "; loading now" : "");
	part = json_object_get(answer, "tls");
	if (ctl_number(part, "sessions") + ctl_number(part, "backends") > 0)
		printf(
		    "tls          %lld connections now; %lld sessions and %lld backend connections "
		    "so far, %lld resumed; %lld handshakes failed\n",
		    ctl_number(part, "connections"), ctl_number(part, "sessions"),
		    ctl_number(part, "backends"), ctl_number(part, "resumed"),
		    ctl_number(part, "handshakes_failed"));
	part = json_object_get(answer, "history");
	printf("history      %lld events of at most %lld\n", ctl_number(part, "events"),
	       ctl_number(part, "events_max"));
	part = json_object_get(answer, "events");
	printf("events       %lld taken in, %lld lost\n", ctl_number(part, "taken"),
	       ctl_number(part, "lost"));
	json_decref(answer);
	return CTL_OK;
}

enum ctl_exit ctl_counters(const struct ctl *ctl)
{
	json_t *answer, *counter;
	enum ctl_exit status = ctl_request(ctl, "GET", "/v1/counters", NULL, &answer);
	size_t index;

	if (status != CTL_OK)
		return status;
	if (ctl->json)
		return ctl_print_json(answer);
	if (!json_is_true(json_object_get(answer, "attached")))
		ctl_complain("the dataplane does not run; these are its last counts");
	json_array_foreach(json_object_get(answer, "counters"), index, counter)
	{
		char name[128];

		if (ctl_number(counter, "value") == 0 && !ctl->all)
			continue;
		snprintf(name, sizeof(name), "%s.%s", ctl_text(counter, "group"),
		         ctl_text(counter, "name"));
		printf("%-40s %14llu  %s\n", name, (unsigned long long)ctl_number(counter, "value"),
		       ctl_text(counter, "help"));
	}
	json_decref(answer);
	return CTL_OK;
}

static void print_moves(const json_t *before, const json_t *after)
{
	const json_t *old = json_object_get(before, "counters");
	size_t index;
	json_t *counter;

	fputs(isatty(STDOUT_FILENO) ? "\033[H\033[2J" : "", stdout);
	json_array_foreach(json_object_get(after, "counters"), index, counter)
	{
		unsigned long long now = (unsigned long long)ctl_number(counter, "value");
		unsigned long long then = (unsigned long long)ctl_number(json_array_get(old, index),
		                                                         "value");
		char name[128];

		if (now == then)
			continue;
		snprintf(name, sizeof(name), "%s.%s", ctl_text(counter, "group"),
		         ctl_text(counter, "name"));
		printf("%-40s %14llu  +%llu/s\n", name, now, (now - then) / TOP_SECONDS);
	}
	putchar('\n');
	fflush(stdout);
}

enum ctl_exit ctl_top(const struct ctl *ctl)
{
	json_t *before = NULL, *after;
	enum ctl_exit status;

	while ((status = ctl_request(ctl, "GET", "/v1/counters", NULL, &after)) == CTL_OK) {
		if (ctl->json)
			ctl_print_json(json_incref(after));
		else if (before != NULL)
			print_moves(before, after);
		json_decref(before);
		before = after;
		sleep(TOP_SECONDS);
	}
	json_decref(before);
	return status;
}

static enum ctl_exit control(const struct ctl *ctl, const char *path, const char *text)
{
	json_t *answer;
	enum ctl_exit status = ctl_request(ctl, "POST", path, NULL, &answer);

	if (status != CTL_OK)
		return status;
	if (ctl->json)
		return ctl_print_json(answer);
	puts(text);
	json_decref(answer);
	return CTL_OK;
}

enum ctl_exit ctl_drain(const struct ctl *ctl)
{
	return control(ctl, "/v1/drain", "draining: no new sessions are taken");
}

enum ctl_exit ctl_resume(const struct ctl *ctl)
{
	return control(ctl, "/v1/resume", "new sessions are taken");
}

enum ctl_exit ctl_config_reload(const struct ctl *ctl)
{
	return control(ctl, "/v1/reload",
	               "configuration read; rules and lists are loaded where files changed (see "
	               "status)");
}

enum ctl_exit ctl_config_show(const struct ctl *ctl)
{
	json_t *answer;
	enum ctl_exit status;

	if (!ctl->json)
		return ctl_request_text(ctl, "/v1/config?format=text");
	status = ctl_request(ctl, "GET", "/v1/config", NULL, &answer);
	return status == CTL_OK ? ctl_print_json(answer) : status;
}

enum ctl_exit ctl_config_check(const struct ctl *ctl)
{
	static struct config config;
	struct config_error error;
	bool valid = config_load(ctl->argument[0], &config, &error);
	json_t *answer;

	if (ctl->json) {
		answer = json_pack("{s:s, s:b}", "file", ctl->argument[0], "valid", (int)valid);
		if (!valid)
			json_object_set_new(answer, "error", json_string(error.text));
		ctl_print_json(answer);
	} else if (valid) {
		printf("%s: valid\n", ctl->argument[0]);
	}
	if (!valid)
		fprintf(stderr, "%s\n", error.text);
	return valid ? CTL_OK : CTL_REFUSED;
}
