/* ctl_lists.c - posternctl commands about lists. */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/bytes.h"

#include "mgmt/ctl.h"

enum ctl_exit ctl_lists_show(const struct ctl *ctl)
{
	json_t *answer, *item;
	enum ctl_exit status = ctl_request(ctl, "GET", "/v1/lists", NULL, &answer);
	size_t index;

	if (status != CTL_OK)
		return status;
	if (ctl->json)
		return ctl_print_json(answer);
	json_array_foreach(json_object_get(answer, "files"), index, item)
	{
		const char *kind = ctl_text(item, "kind");

		printf("%-5s  %10lld  %s", ctl_text(item, "action"), ctl_number(item, "entries"),
		       ctl_text(item, "path"));
		if (*kind != '\0')
			printf("  (%s: %s)", ctl_text(item, "list"), kind);
		putchar('\n');
	}
	json_array_foreach(json_object_get(answer, "additions"), index, item)
	{
		char what[512];

		snprintf(what, sizeof(what), "%s%s%s%s", ctl_text(item, "address"),
		         ctl_text(item, "list"), *ctl_text(item, "list") != '\0' ? " " : "",
		         ctl_text(item, "key"));
		printf("%-5s  %-43s  added %.19sZ", ctl_text(item, "action"), what,
		       ctl_text(item, "added"));
		if (json_object_get(item, "expires") != NULL)
			printf(", until %.19sZ", ctl_text(item, "expires"));
		putchar('\n');
	}
	json_decref(answer);
	return CTL_OK;
}

/* Seconds of "90s", "15min", "2h", "7d"; 0 when it is none of these. */
static uint64_t parse_duration(const char *text)
{
	static const struct {
		const char *unit;
		uint64_t seconds;
	} units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
	size_t digits = strspn(text, "0123456789");
	uint64_t value;

	if (!bytes_to_u64(bytes_of(text, digits), 100000000, &value))
		return 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(text + digits, units[i].unit) == 0)
			return value * units[i].seconds;
	return 0;
}

static bool is_action(const char *text)
{
	if (strcmp(text, "deny") == 0 || strcmp(text, "allow") == 0)
		return true;
	ctl_complain("%s: deny or allow is expected", text);
	return false;
}

/* Prints what a change came to. */
static enum ctl_exit print_change(const struct ctl *ctl, json_t *answer, const char *what)
{
	if (ctl->json)
		return ctl_print_json(answer);
	if (json_is_true(json_object_get(answer, "unchanged")))
		printf("%s: unchanged, generation %lld stays\n", what,
		       ctl_number(answer, "generation"));
	else if (json_is_true(json_object_get(answer, "in_force")))
		printf("%s: in force after %.3f s, generation %lld\n", what,
		       (double)ctl_number(answer, "usec") / 1e6, ctl_number(answer, "generation"));
	else
		printf("%s: %s\n", what, ctl_text(answer, "message"));
	json_decref(answer);
	return CTL_OK;
}

enum ctl_exit ctl_lists_add(const struct ctl *ctl)
{
	const char *action = ctl->argument[0];
	const char *address = ctl->argument[1];
	uint64_t seconds = ctl->duration != NULL ? parse_duration(ctl->duration) : 0;
	bool scored = strcmp(action, "deny") != 0 && strcmp(action, "allow") != 0;
	struct prefix prefix;
	json_t *answer;
	enum ctl_exit status;

	if (!scored && prefix_parse(bytes_text(address), false, &prefix) != OK) {
		ctl_complain("%s: not an address, or not a network whose host bits are zero",
		             address);
		return CTL_USAGE;
	}
	if (ctl->duration != NULL && seconds == 0) {
		ctl_complain("--for %s: write 90s, 15min, 2h or 7d", ctl->duration);
		return CTL_USAGE;
	}
	status = ctl_request(ctl, "POST", "/v1/lists",
	                     json_pack("{s:s, s:s, s:I}", scored ? "list" : "action", action,
	                               scored ? "key" : "address", address, "for_s",
	                               (json_int_t)seconds),
	                     &answer);
	return status == CTL_OK ? print_change(ctl, answer, address) : status;
}

enum ctl_exit ctl_lists_del(const struct ctl *ctl)
{
	const char *what = ctl->argument[0];
	char absolute[PATH_MAX], pair[512];
	char path[2200];
	struct prefix prefix;
	json_t *answer;
	enum ctl_exit status;

	if (ctl->argument_count == 2) {
		snprintf(pair, sizeof(pair), "%s %s", ctl->argument[0], ctl->argument[1]);
		what = pair;
	}
	/* A file that is gone already can still be named by its full path. */
	if (prefix_parse(bytes_text(what), true, &prefix) != OK && realpath(what, absolute) != NULL)
		what = absolute;
	snprintf(path, sizeof(path), "/v1/lists?what=%s", ctl_encode(what));
	status = ctl_request(ctl, "DELETE", path, NULL, &answer);
	return status == CTL_OK ? print_change(ctl, answer, what) : status;
}

enum ctl_exit ctl_lists_load(const struct ctl *ctl)
{
	char path[PATH_MAX];
	json_t *answer;
	enum ctl_exit status;

	if (!is_action(ctl->argument[0]))
		return CTL_USAGE;
	if (realpath(ctl->argument[1], path) == NULL) {
		ctl_complain("%s: %s", ctl->argument[1], strerror(errno));
		return CTL_REFUSED;
	}
	status = ctl_request(ctl, "POST", "/v1/lists/files",
	                     json_pack("{s:s, s:s}", "action", ctl->argument[0], "path", path),
	                     &answer);
	return status == CTL_OK ? print_change(ctl, answer, path) : status;
}
