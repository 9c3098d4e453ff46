/* scan_compare.c - our hits beside those of a spamd, for the same messages.
 *
 * spamd's protocol (SPAMC/1.5): a request line, fields, an empty line and the message; SYMBOLS is
 * answered by the total in the field "Spam" and the names of all rules with points that hit. The
 * total has one decimal there, so ours counts as equal when it rounds to it.
 */
#include "mgmt/scan_compare.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"

#define REASON_BYTES      200
#define ANSWER_BYTES_MAX  ((size_t)256 * 1024)
#define ANSWER_TIMEOUT_S  300
#define NAME_BYTES_MAX    128
#define FOREIGN_NAMES_MAX 4096u /* rules only spamd knows */

struct rule_difference {
	uint32_t extra, missing; /* messages on which only we, only spamd had it */
};

struct foreign_rule {
	char name[NAME_BYTES_MAX];
	uint32_t missing;
};

struct scan_compare {
	char where[128];
	const struct ruleset *ruleset;
	struct rule_difference *rule; /* by rule */
	bool *theirs;                 /* by rule: spamd has it for the message in hand */
	struct foreign_rule *foreign;
	uint32_t foreign_count;
	uint32_t message_count, same_hits_count, same_score_count;
	uint64_t agreed_count, extra_count, missing_count;
	double difference_sum, difference_max;
	char *answer;
};

struct scan_compare *scan_compare_new(const char *where, const struct ruleset *ruleset)
{
	struct scan_compare *c = calloc(1, sizeof(*c));
	uint32_t count = ruleset_rule_count(ruleset);

	if (c == NULL)
		return NULL;
	snprintf(c->where, sizeof(c->where), "%s", where);
	c->ruleset = ruleset;
	c->rule = calloc(count + 1, sizeof(*c->rule));
	c->theirs = calloc(count + 1, sizeof(*c->theirs));
	c->foreign = calloc(FOREIGN_NAMES_MAX, sizeof(*c->foreign));
	c->answer = malloc(ANSWER_BYTES_MAX + 1);
	if (c->rule != NULL && c->theirs != NULL && c->foreign != NULL && c->answer != NULL)
		return c;
	scan_compare_free(c);
	return NULL;
}

void scan_compare_free(struct scan_compare *compare)
{
	if (compare == NULL)
		return;
	free(compare->rule);
	free(compare->theirs);
	free(compare->foreign);
	free(compare->answer);
	free(compare);
}

static int connect_path(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int connect_host(const char *where, char *reason)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	const char *colon = strrchr(where, ':');
	char host[256];
	int fd = -1;

	snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	int error = getaddrinfo(host, colon + 1, &hints, &list);
	if (error != 0) {
		snprintf(reason, REASON_BYTES, "%.100s: %s", where, gai_strerror(error));
		return -1;
	}
	for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

static int connect_spamd(const struct scan_compare *c, char *reason)
{
	struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
	bool is_path = strchr(c->where, '/') != NULL || strchr(c->where, ':') == NULL;
	int fd = is_path ? connect_path(c->where) : connect_host(c->where, reason);

	if (fd < 0) {
		if (reason[0] == '\0')
			snprintf(reason, REASON_BYTES, "%s: %s", c->where, strerror(errno));
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	return fd;
}

static bool send_all(int fd, struct bytes data)
{
	while (data.len > 0) {
		ssize_t sent = send(fd, data.data, data.len, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		data = bytes_slice(data, (size_t)sent, SIZE_MAX);
	}
	return true;
}

/* The whole answer; spamd closes behind it. */
static enum err ask(struct scan_compare *c, struct bytes message, struct bytes *out_answer,
                    char *reason)
{
	char head[96];
	int fd = connect_spamd(c, reason);
	ssize_t got = 0;
	size_t len = 0;

	if (fd < 0)
		return ERR_IO;
	int head_len = snprintf(head, sizeof(head),
	                        "SYMBOLS SPAMC/1.5\r\nContent-length: %zu\r\n\r\n", message.len);
	bool sent = send_all(fd, bytes_of(head, (size_t)head_len)) && send_all(fd, message) &&
	            shutdown(fd, SHUT_WR) == 0;
	while (sent && len < ANSWER_BYTES_MAX &&
	       (got = recv(fd, c->answer + len, ANSWER_BYTES_MAX - len, 0)) > 0)
		len += (size_t)got;
	if (!sent || got < 0)
		snprintf(reason, REASON_BYTES, "%s: %s", c->where, strerror(errno));
	close(fd);
	*out_answer = bytes_of(c->answer, len);
	return !sent || got < 0 ? ERR_IO : OK;
}

/* A line without its end; advances `rest`. */
static struct bytes take_line(struct bytes *rest)
{
	size_t end = bytes_find(*rest, '\n');
	struct bytes line = bytes_slice(*rest, 0, end);

	*rest = bytes_slice(*rest, end + 1, SIZE_MAX);
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* "Spam: True ; 7.1 / 5.0" */
static bool read_score(struct bytes line, double *out_score)
{
	char text[64];
	size_t at = bytes_find(line, ';');
	struct bytes number = bytes_trim(bytes_slice(line, at + 1, SIZE_MAX));
	char *end;

	number = bytes_slice(number, 0, bytes_find(number, '/'));
	if (number.len == 0 || number.len >= sizeof(text))
		return false;
	memcpy(text, number.data, number.len);
	text[number.len] = '\0';
	*out_score = strtod(text, &end);
	return end != text;
}

/* The names, and the total in `out_score`. */
static enum err read_answer(struct bytes answer, struct bytes *out_names, double *out_score,
                            char *reason)
{
	struct bytes rest = answer, line = take_line(&rest);
	bool has_score = false;

	if (!bytes_starts_nocase(line, BYTES("SPAMD/"))) {
		snprintf(reason, REASON_BYTES, "no answer of a spamd: %.*s",
		         (int)(line.len < 80 ? line.len : 80), line.data);
		return ERR_SYNTAX;
	}
	struct bytes code = bytes_slice(line, bytes_find(line, ' ') + 1, SIZE_MAX);
	if (code.len == 0 || code.data[0] != '0') {
		snprintf(reason, REASON_BYTES, "spamd says: %.*s",
		         (int)(code.len < 80 ? code.len : 80), code.data);
		return ERR_SYNTAX;
	}
	while ((line = take_line(&rest)).len > 0)
		if (bytes_starts_nocase(line, BYTES("Spam:")))
			has_score = read_score(line, out_score);
	*out_names = rest;
	if (has_score)
		return OK;
	snprintf(reason, REASON_BYTES, "spamd's answer has no field Spam");
	return ERR_SYNTAX;
}

static uint32_t find_rule(const struct scan_compare *c, struct bytes name)
{
	uint32_t count = ruleset_rule_count(c->ruleset);

	for (uint32_t i = 0; i < count; i++)
		if (bytes_equal(bytes_text(ruleset_rule_name(c->ruleset, i)), name))
			return i;
	return count;
}

static void note_foreign(struct scan_compare *c, struct bytes name)
{
	struct foreign_rule *f = c->foreign;
	uint32_t i = 0;

	if (name.len >= NAME_BYTES_MAX)
		name.len = NAME_BYTES_MAX - 1;
	while (i < c->foreign_count && !bytes_equal(bytes_text(f[i].name), name))
		i++;
	if (i == FOREIGN_NAMES_MAX)
		return;
	if (i == c->foreign_count)
		memcpy(f[c->foreign_count++].name, name.data, name.len);
	f[i].missing++;
}

/* Marks the rules spamd names; returns how many of them we do not know. */
static uint32_t mark_theirs(struct scan_compare *c, struct bytes names)
{
	uint32_t count = ruleset_rule_count(c->ruleset), unknown = 0;

	memset(c->theirs, 0, count * sizeof(*c->theirs));
	while (names.len > 0) {
		size_t end = 0;

		while (end < names.len && names.data[end] > ' ' && names.data[end] != ',')
			end++;
		struct bytes name = bytes_slice(names, 0, end);
		names = bytes_slice(names, end + 1, SIZE_MAX);
		if (name.len == 0)
			continue;
		uint32_t rule = find_rule(c, name);
		if (rule < count) {
			c->theirs[rule] = true;
			continue;
		}
		note_foreign(c, name);
		unknown++;
	}
	return unknown;
}

/* Counts where we and spamd differ on one message, and says so on the line begun. */
static uint32_t count_differences(struct scan_compare *c, const struct scan_context *context)
{
	uint32_t count = ruleset_rule_count(c->ruleset), differences = 0;

	for (uint32_t i = 0; i < count; i++) {
		const char *name = ruleset_rule_name(c->ruleset, i);
		double value = 0;
		bool known = classifier_rule_value(context, i, &value);
		bool ours = known && value != 0 && strncmp(name, "__", 2) != 0;

		c->agreed_count += ours && c->theirs[i];
		if (ours == c->theirs[i])
			continue;
		differences++;
		c->rule[i].extra += ours;
		c->rule[i].missing += c->theirs[i];
		c->extra_count += ours;
		c->missing_count += c->theirs[i];
		printf(" %c%s", ours ? '+' : '-', name);
	}
	return differences;
}

enum err scan_compare_message(struct scan_compare *compare, const char *path, struct bytes message,
                              const struct scan_context *context, const struct judgement *judgement,
                              char *reason)
{
	double theirs = 0, ours = judgement->score_milli / 1000.0;
	struct bytes answer, names;

	reason[0] = '\0';
	enum err err = ask(compare, message, &answer, reason);
	if (err == OK)
		err = read_answer(answer, &names, &theirs, reason);
	if (err != OK)
		return err;

	printf("%s: %.1f, spamd %.1f:", path, ours, theirs);
	uint32_t unknown = mark_theirs(compare, names);
	uint32_t differences = count_differences(compare, context) + unknown;
	if (unknown > 0)
		printf(" and %" PRIu32 " rules that are not in these files", unknown);
	puts(differences == 0 ? " same rules" : "");

	double difference = fabs(ours - theirs);
	compare->message_count++;
	compare->missing_count += unknown;
	compare->same_hits_count += differences == 0;
	/* Half a last digit, and what the binary forms of the numbers add. */
	compare->same_score_count += difference < 0.0501;
	compare->difference_sum += difference;
	if (difference > compare->difference_max)
		compare->difference_max = difference;
	return OK;
}

bool scan_compare_print(const struct scan_compare *compare, FILE *out)
{
	const struct scan_compare *c = compare;
	uint32_t count = ruleset_rule_count(c->ruleset);

	fprintf(
	    out,
	    "%" PRIu32 " messages: %" PRIu32 " with the same rules, %" PRIu32
	    " with the same points; hits: %" PRIu64 " of both, %" PRIu64 " of ours alone, %" PRIu64
	    " of spamd alone; points differ by %.3f in the mean, %.3f at most\n",
	    c->message_count, c->same_hits_count, c->same_score_count, c->agreed_count,
	    c->extra_count, c->missing_count,
	    c->message_count > 0 ? c->difference_sum / c->message_count : 0.0, c->difference_max);
	if (c->extra_count + c->missing_count > 0)
		fprintf(out, "%-40s %10s %10s\n", "rule", "ours alone", "spamd alone");
	for (uint32_t i = 0; i < count; i++)
		if (c->rule[i].extra + c->rule[i].missing > 0)
			fprintf(out, "%-40s %10" PRIu32 " %10" PRIu32 "\n",
			        ruleset_rule_name(c->ruleset, i), c->rule[i].extra,
			        c->rule[i].missing);
	for (uint32_t i = 0; i < c->foreign_count; i++)
		fprintf(out, "%-40s %10s %10" PRIu32 "\n", c->foreign[i].name, "unknown",
		        c->foreign[i].missing);
	return c->same_hits_count == c->message_count;
}
