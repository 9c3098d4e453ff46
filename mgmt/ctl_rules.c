/* ctl_rules.c - posternctl commands about rules. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/ctl.h"

/* The daemon has another working folder: paths are made absolute here. NULL after a complaint. */
static json_t *absolute_paths(const struct ctl *ctl)
{
	json_t *paths = json_array();

	for (int i = 0; i < ctl->argument_count; i++) {
		char path[PATH_MAX];

		if (realpath(ctl->argument[i], path) == NULL) {
			ctl_complain("%s: %s", ctl->argument[i], strerror(errno));
			json_decref(paths);
			return NULL;
		}
		json_array_append_new(paths, json_string(path));
	}
	return paths;
}

static void print_pushed(const json_t *answer, const char *state)
{
	if (json_is_true(json_object_get(answer, "unchanged"))) {
		printf("unchanged: generation %lld stays %s\n", ctl_number(answer, "generation"),
		       state);
		return;
	}
	fputs(json_string_value(json_object_get(answer, "summary")) != NULL
	          ? json_string_value(json_object_get(answer, "summary"))
	          : "",
	      stdout);
	printf(
	    "generation %lld: %lld rules, %lld not supported%s\n", ctl_number(answer, "generation"),
	    ctl_number(answer, "rules"), ctl_number(answer, "unsupported"),
	    ctl_number(answer, "unsupported") > 0 ? " (posternctl rules list --unsupported)" : "");
	if (json_is_true(json_object_get(answer, "in_force")))
		printf("%s after %.3f s\n", state, (double)ctl_number(answer, "usec") / 1e6);
	else
		printf("%s\n", ctl_text(answer, "message"));
}

static enum ctl_exit show_pushed(const struct ctl *ctl, json_t *answer, const char *state)
{
	if (ctl->json)
		return ctl_print_json(answer);
	print_pushed(answer, state);
	json_decref(answer);
	return CTL_OK;
}

enum ctl_exit ctl_rules_push(const struct ctl *ctl)
{
	json_t *body = json_object();
	json_t *answer, *paths;
	enum ctl_exit status;

	if (ctl->configured && ctl->argument_count > 0) {
		ctl_complain("--configured takes no paths");
		json_decref(body);
		return CTL_USAGE;
	}
	if (ctl->argument_count > 0 || ctl->configured) {
		paths = absolute_paths(ctl);
		if (paths == NULL) {
			json_decref(body);
			return CTL_REFUSED;
		}
		json_object_set_new(body, "paths", paths);
	}
	status = ctl_request(ctl, "POST", "/v1/rules", body, &answer);
	return status == CTL_OK ? show_pushed(ctl, answer, "in force") : status;
}

enum ctl_exit ctl_rules_shadow(const struct ctl *ctl)
{
	json_t *answer, *paths;
	enum ctl_exit status;

	if (ctl->off == (ctl->argument_count > 0)) {
		ctl_complain("rules shadow takes either paths or --off");
		return CTL_USAGE;
	}
	if (ctl->off) {
		status = ctl_request(ctl, "DELETE", "/v1/shadow", NULL, &answer);
		if (status != CTL_OK || ctl->json)
			return status == CTL_OK ? ctl_print_json(answer) : status;
		puts("no shadow rules any more");
		json_decref(answer);
		return CTL_OK;
	}
	paths = absolute_paths(ctl);
	if (paths == NULL)
		return CTL_REFUSED;
	status = ctl_request(ctl, "POST", "/v1/shadow", json_pack("{s:o}", "paths", paths),
	                     &answer);
	return status == CTL_OK ? show_pushed(ctl, answer, "tried beside those in force") : status;
}

enum ctl_exit ctl_rules_promote(const struct ctl *ctl)
{
	json_t *answer;
	enum ctl_exit status = ctl_request(ctl, "POST", "/v1/promote", NULL, &answer);

	return status == CTL_OK ? show_pushed(ctl, answer, "in force") : status;
}

enum ctl_exit ctl_rules_rollback(const struct ctl *ctl)
{
	json_t *answer;
	enum ctl_exit status = ctl_request(ctl, "POST", "/v1/rollback", NULL, &answer);

	return status == CTL_OK ? show_pushed(ctl, answer, "in force") : status;
}

static void print_reports(const json_t *reports)
{
	size_t index;
	json_t *report;

	json_array_foreach((json_t *)reports, index, report)
	{
		printf("%s:%lld: ", ctl_text(report, "file"), ctl_number(report, "line"));
		printf("%s: %s", ctl_text(report, "construct"), ctl_text(report, "text"));
		if (ctl_text(report, "rule")[0] != '\0')
			printf(" (%s)", ctl_text(report, "rule"));
		printf(ctl_number(report, "count") > 1 ? ", %lld times\n" : "\n",
		       ctl_number(report, "count"));
	}
}

static void print_rule(const json_t *rule)
{
	printf("%8.3f  %-36s %s\n", ctl_points(rule, "score"), ctl_text(rule, "name"),
	       ctl_text(rule, "description"));
}

enum ctl_exit ctl_rules_list(const struct ctl *ctl)
{
	json_t *answer, *rule;
	enum ctl_exit status = ctl_request(ctl, "GET", "/v1/rules", NULL, &answer);
	size_t index;

	if (status != CTL_OK)
		return status;
	if (ctl->json)
		return ctl_print_json(answer);
	if (ctl->unsupported)
		print_reports(json_object_get(answer, "reports"));
	else
		json_array_foreach(json_object_get(answer, "rules"), index, rule) print_rule(rule);
	json_decref(answer);
	return CTL_OK;
}

enum ctl_exit ctl_rules_show(const struct ctl *ctl)
{
	char path[1100];
	json_t *answer;
	enum ctl_exit status;

	snprintf(path, sizeof(path), "/v1/rules/%s", ctl_encode(ctl->argument[0]));
	status = ctl_request(ctl, "GET", path, NULL, &answer);
	if (status != CTL_OK)
		return status;
	if (ctl->json)
		return ctl_print_json(answer);
	printf("name         %s\nscore        %.3f\n", ctl_text(answer, "name"),
	       ctl_points(answer, "score"));
	printf("description  %s\ngeneration   %lld, rule %lld\n", ctl_text(answer, "description"),
	       ctl_number(answer, "generation"), ctl_number(answer, "index"));
	json_decref(answer);
	return CTL_OK;
}
