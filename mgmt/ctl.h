/* ctl.h - posternctl: what its commands share. */
#ifndef MGMT_CTL_H
#define MGMT_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum ctl_exit {
	CTL_OK = 0,
	CTL_REFUSED = 1, /* failed, with a reason */
	CTL_USAGE = 2,
	CTL_UNREACHABLE = 3, /* no daemon there */
};

struct ctl {
	/* Options. */
#define CTL_COMMAND(function, words, arguments, min, max, help)
#define CTL_FLAG(field, words, option, help)         bool field;
#define CTL_VALUE(field, words, option, value, help) const char *field;
#include "mgmt/ctl_commands.def"
	/* What is left: the command's arguments. */
	int argument_count;
	char **argument;
};

#define CTL_COMMAND(function, words, arguments, min, max, help) \
	enum ctl_exit ctl_##function(const struct ctl *ctl);
#define CTL_FLAG(field, words, option, help)
#define CTL_VALUE(field, words, option, value, help)
#include "mgmt/ctl_commands.def"

/* Sends a request (`body` may be NULL and is taken) and waits for the answer. Prints what went
 * wrong to standard error and returns other than CTL_OK; else *out_answer is a new reference. */
enum ctl_exit ctl_request(const struct ctl *ctl, const char *method, const char *path, json_t *body,
                          json_t **out_answer);
/* The same for an answer that is text, copied to standard output. */
enum ctl_exit ctl_request_text(const struct ctl *ctl, const char *path);
/* Reads JSON lines as they come; `take` gets each. */
enum ctl_exit ctl_request_lines(const struct ctl *ctl, const char *path,
                                void (*take)(const struct ctl *ctl, const char *line));

/* One line to standard error, begun with "posternctl: ". */
void ctl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints `answer` as JSON and drops the reference. */
enum ctl_exit ctl_print_json(json_t *answer);
/* A member's text with whatever could disturb a terminal replaced; one of four static buffers in
 * turn. */
const char *ctl_text(const json_t *object, const char *key);
/* Percent-encoded for a URL; a static buffer. */
const char *ctl_encode(const char *text);
long long ctl_number(const json_t *object, const char *key);
double ctl_points(const json_t *object, const char *key);
/* "3d 4h", "12min", "40s"; a static buffer. */
const char *ctl_duration(long long seconds);

#endif
