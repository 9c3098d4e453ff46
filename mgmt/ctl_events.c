/* ctl_events.c - posternctl commands about events. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#include "mgmt/ctl.h"

#define RULES_IN_LINE 3

static void print_line(const struct ctl *ctl, const char *line)
{
	json_t *event, *client, *rules, *rcpt;

	if (ctl->json) {
		puts(line);
		fflush(stdout);
		return;
	}
	event = json_loads(line, 0, NULL);
	if (event == NULL)
		return;
	client = json_object_get(event, "client");
	rules = json_object_get(event, "rules");
	rcpt = json_object_get(event, "rcpt");
	printf("%.19sZ %s %-7s", ctl_text(event, "time"), ctl_text(event, "id"),
	       strcmp(ctl_text(event, "kind"), "verdict") == 0 ||
	               strcmp(ctl_text(event, "kind"), "refused") == 0
	           ? ctl_text(event, "verdict")
	           : ctl_text(event, "kind"));
	printf(" %7.1f  %s <%s>", ctl_points(event, "score"), ctl_text(client, "ip"),
	       ctl_text(event, "from"));
	printf(" -> <%s>", ctl_text(json_array_get(rcpt, 0), ""));
	if (ctl_number(event, "rcpt_count") > 1)
		printf(" +%lld", ctl_number(event, "rcpt_count") - 1);
	for (size_t i = 0; i < json_array_size(rules) && i < RULES_IN_LINE; i++)
		printf("%s%s", i == 0 ? "  " : ",", ctl_text(json_array_get(rules, i), "name"));
	if (json_array_size(rules) == 0)
		printf("  %s", ctl_text(event, "reply"));
	putchar('\n');
	fflush(stdout);
	json_decref(event);
}

enum ctl_exit ctl_events(const struct ctl *ctl)
{
	uint64_t last = 20;
	char path[128];

	if (ctl->last != NULL && !bytes_to_u64(bytes_text(ctl->last), UINT32_MAX, &last)) {
		ctl_complain("--last %s: not a number", ctl->last);
		return CTL_USAGE;
	}
	snprintf(path, sizeof(path), "/v1/events?last=%llu%s", (unsigned long long)last,
	         ctl->follow ? "&follow=1" : "");
	return ctl_request_lines(ctl, path, print_line);
}

static void print_envelope(const json_t *event)
{
	const json_t *client = json_object_get(event, "client");
	const json_t *server = json_object_get(event, "server");
	const json_t *rcpt = json_object_get(event, "rcpt");
	long long more = ctl_number(event, "rcpt_count") - (long long)json_array_size(rcpt);

	printf("client      %s port %lld", ctl_text(client, "ip"), ctl_number(client, "port"));
	printf(", to %s port %lld, %s", ctl_text(server, "ip"), ctl_number(server, "port"),
	       ctl_text(event, "tls")[0] != '\0' ? ctl_text(event, "tls") : "no TLS");
	printf("%s%s\n", ctl_text(event, "tls_suite")[0] != '\0' ? " " : "",
	       ctl_text(event, "tls_suite"));
	printf("helo        %s\n", ctl_text(event, "helo"));
	if (ctl_text(event, "tls_client")[0] != '\0')
		printf("certificate %s\n", ctl_text(event, "tls_client"));
	if (ctl_text(event, "auth_mechanism")[0] != '\0')
		printf("login       %s %s\n", ctl_text(event, "auth_mechanism"),
		       ctl_text(event, "auth_user"));
	printf("from        <%s>\n", ctl_text(event, "from"));
	for (size_t i = 0; i < json_array_size(rcpt); i++)
		printf("to          <%s>\n", ctl_text(json_array_get(rcpt, i), ""));
	if (more > 0)
		printf("            and %lld more\n", more);
	printf("size        %lld octets\n", ctl_number(event, "bytes"));
}

static void print_rules(const json_t *rules)
{
	size_t index;
	json_t *rule;

	json_array_foreach((json_t *)rules, index, rule)
	{
		printf("%-11s %8.3f  %-32s %s\n", index == 0 ? "rules" : "",
		       ctl_points(rule, "score"), ctl_text(rule, "name"),
		       ctl_text(rule, "description"));
	}
	if (index == 0)
		printf("rules       none hit\n");
}

static void print_timing(const json_t *event)
{
	const json_t *timing = json_object_get(event, "timing_usec");
	const json_t *backend = json_object_get(event, "backend");
	const char *name;
	json_t *value;
	const char *comma = "";

	if (ctl_text(backend, "reply")[0] != '\0')
		printf("backend     %s (%lld us)\n", ctl_text(backend, "reply"),
		       ctl_number(backend, "usec"));
	printf("timing");
	json_object_foreach((json_t *)timing, name, value)
	{
		printf("%s%s %lld us", comma[0] == '\0' ? "      " : comma, name,
		       (long long)json_integer_value(value));
		comma = ", ";
	}
	putchar('\n');
}

enum ctl_exit ctl_why(const struct ctl *ctl)
{
	char path[1100];
	json_t *event;
	const json_t *shadow;
	enum ctl_exit status;

	snprintf(path, sizeof(path), "/v1/events/%s", ctl_encode(ctl->argument[0]));
	status = ctl_request(ctl, "GET", path, NULL, &event);
	if (status != CTL_OK)
		return status;
	if (ctl->json)
		return ctl_print_json(event);
	printf("id          %s, %s\n", ctl_text(event, "id"), ctl_text(event, "kind"));
	printf("time        %s, mode %s, worker %lld\n", ctl_text(event, "time"),
	       ctl_text(event, "mode"), ctl_number(event, "worker"));
	print_envelope(event);
	shadow = json_object_get(event, "shadow");
	printf("verdict     %s at %s: score %.3f", ctl_text(event, "verdict"),
	       ctl_text(event, "stage"), ctl_points(event, "score"));
	printf(", required %.3f\n", ctl_points(event, "required"));
	print_rules(json_object_get(event, "rules"));
	if (shadow != NULL)
		printf("shadow      %s: score %.3f under generation %lld (posternctl rules diff)\n",
		       ctl_text(shadow, "verdict"), ctl_points(shadow, "score"),
		       ctl_number(shadow, "generation"));
	printf("reply       %s\n", ctl_text(event, "reply"));
	print_timing(event);
	printf("generation  rules %lld, lists %lld\n", ctl_number(event, "generation"),
	       ctl_number(event, "lists_generation"));
	json_decref(event);
	return CTL_OK;
}
