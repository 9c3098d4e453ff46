/* smtp_script.c - runs transcripts (NAME.in) through a server session and compares with NAME.ref.
 *
 * Usage: smtp_script [--write] NAME.in...
 *
 * A line of NAME.in is a line of the client; CRLF is put behind it. \r \n \0 \t \\ \xHH stand for
 * octets, \ at the end of a line for no CRLF, \{N:c} for N times the character c. A line "#
 * key=value ..." sets limits: errors_max, recipients_max, message_bytes_max, line
 * (command_line_bytes_max), bare (no extensions), tls (STARTTLS is offered), tls_required, auth
 * (AUTH is offered inside TLS), auth_clear (outside, too), auth_required, auth_failures_max.
 *
 * Every transcript is run at many cuttings of its input, with answers at once and with late ones.
 * All must give the same replies and the same content, those of NAME.ref. --write writes NAME.ref
 * instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp_drive.h"

#define INPUT_BYTES_MAX (1u << 18)

struct script {
	struct smtp_server_limits limits;
	uint8_t input[INPUT_BYTES_MAX];
	size_t len;
	bool tls, tls_required, auth, auth_clear, auth_required;
};

static void put(struct script *script, uint8_t octet)
{
	if (script->len == sizeof(script->input)) {
		fprintf(stderr, "transcript too long\n");
		exit(2);
	}
	script->input[script->len++] = octet;
}

static void set_limit(struct script *script, const char *word)
{
	unsigned value = 0;

	if (sscanf(word, "errors_max=%u", &value) == 1)
		script->limits.errors_max = value;
	else if (sscanf(word, "recipients_max=%u", &value) == 1)
		script->limits.recipients_max = value;
	else if (sscanf(word, "message_bytes_max=%u", &value) == 1)
		script->limits.message_bytes_max = value;
	else if (sscanf(word, "line=%u", &value) == 1)
		script->limits.command_line_bytes_max = value;
	else if (strcmp(word, "bare") == 0)
		script->limits.pipelining = script->limits.size = script->limits.eightbitmime =
		    script->limits.enhanced_status_codes = false;
	else if (strcmp(word, "tls") == 0)
		script->tls = true;
	else if (strcmp(word, "tls_required") == 0)
		script->tls = script->tls_required = true;
	else if (sscanf(word, "auth_failures_max=%u", &value) == 1)
		script->limits.auth_failures_max = (uint16_t)value;
	else if (strcmp(word, "auth") == 0)
		script->auth = true;
	else if (strcmp(word, "auth_clear") == 0)
		script->auth = script->auth_clear = true;
	else if (strcmp(word, "auth_required") == 0)
		script->auth = script->auth_required = true;
}

/* One escape at `text` (behind the backslash); returns the characters it takes. */
static size_t put_escape(struct script *script, const char *text)
{
	unsigned value;
	int taken = 0;
	char c;

	switch (text[0]) {
	case 'r':
		put(script, '\r');
		return 1;
	case 'n':
		put(script, '\n');
		return 1;
	case 't':
		put(script, '\t');
		return 1;
	case '0':
		put(script, 0);
		return 1;
	case 'x':
		if (sscanf(text, "x%2x%n", &value, &taken) == 1)
			put(script, (uint8_t)value);
		return (size_t)taken;
	case '{':
		if (sscanf(text, "{%u:%c}%n", &value, &c, &taken) >= 2) {
			for (unsigned i = 0; i < value; i++)
				put(script, (uint8_t)c);
		}
		return (size_t)taken;
	default:
		put(script, (uint8_t)text[0]);
		return 1;
	}
}

static void read_line(struct script *script, char *line)
{
	size_t len = strcspn(line, "\n");

	line[len] = '\0';
	if (strncmp(line, "# ", 2) == 0) {
		char *rest = NULL;
		for (char *word = strtok_r(line + 2, " ", &rest); word != NULL;
		     word = strtok_r(NULL, " ", &rest))
			set_limit(script, word);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (line[i] != '\\') {
			put(script, (uint8_t)line[i]);
			continue;
		}
		if (i + 1 == len)
			return;
		i += put_escape(script, line + i + 1);
	}
	put(script, '\r');
	put(script, '\n');
}

static bool read_script(const char *path, struct script *script)
{
	static char line[65536];
	FILE *file = fopen(path, "r");
	if (file == NULL) {
		perror(path);
		return false;
	}
	while (fgets(line, sizeof(line), file) != NULL)
		read_line(script, line);
	fclose(file);
	return true;
}

/* Replies as they are, then the content with every octet visible. */
static void render(const struct drive *drive, struct buf *out)
{
	struct bytes replies = buf_bytes(&drive->replies), content = buf_bytes(&drive->content);

	for (size_t i = 0; i < replies.len; i++) {
		if (replies.data[i] != '\r')
			buf_put_octet(out, replies.data[i]);
	}
	for (size_t i = 0; i < content.len; i++) {
		uint8_t octet = content.data[i];
		if (octet == '\r')
			buf_put_text(out, "\\r");
		else if (octet == '\n' && i > 0 && content.data[i - 1] == '\r')
			buf_put_text(out, "\\n\n");
		else if ((octet < ' ' && octet != '\n') || octet > '~' || octet == '\\')
			buf_printf(out, "\\x%02x", octet);
		else
			buf_put_octet(out, octet);
	}
}

static struct bytes run(const struct script *script, size_t piece, size_t first, bool late,
                        uint8_t *memory)
{
	static struct drive drive;
	struct buf out = buf_over(memory, DRIVE_LOG_BYTES * 2);
	struct bytes input = bytes_of(script->input, script->len);

	drive_init(&drive);
	drive.limits = script->limits;
	drive.late = late;
	drive.server.tls = script->tls ? SMTP_TLS_OFFERED : SMTP_TLS_NONE;
	drive.server.tls_required = script->tls_required;
	drive.server.auth_wanted = script->auth;
	drive.server.auth_clear = script->auth_clear;
	drive.server.auth_required = script->auth_required;
	if (first > 0)
		drive_feed(&drive, bytes_slice(input, 0, first));
	drive_feed_pieces(&drive, bytes_slice(input, first, input.len), piece);
	render(&drive, &out);
	if (out.overflow) {
		fprintf(stderr, "log too long\n");
		exit(2);
	}
	return buf_bytes(&out);
}

static bool write_ref(const char *path, struct bytes text)
{
	FILE *file = fopen(path, "w");
	bool written = file != NULL && fwrite(text.data, 1, text.len, file) == text.len;

	return file != NULL && fclose(file) == 0 && written;
}

static struct bytes read_ref(const char *path)
{
	static uint8_t text[DRIVE_LOG_BYTES];
	FILE *file = fopen(path, "rb");
	size_t len = 0;

	if (file != NULL) {
		len = fread(text, 1, sizeof(text), file);
		fclose(file);
	}
	return bytes_of(text, len);
}

static uint8_t log_memory[DRIVE_LOG_BYTES * 2], other_memory[DRIVE_LOG_BYTES * 2];

static bool same_at_all_cuts(const struct script *script, struct bytes expected)
{
	static const size_t pieces[] = {1, 2, 3, 5, 7, 16, 61, 127, 536, 1460};

	for (int late = 0; late <= 1; late++) {
		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
			if (!bytes_equal(expected, run(script, pieces[i], 0, late, other_memory))) {
				printf("# differs in pieces of %zu, late %d\n", pieces[i], late);
				return false;
			}
		}
		/* Long transcripts are cut at every place of their start only: the rest is
		 * repetition. */
		for (size_t cut = 1; cut < script->len && cut < 3000; cut++) {
			if (!bytes_equal(expected, run(script, 0, cut, late, other_memory))) {
				printf("# differs when cut at %zu, late %d\n", cut, late);
				return false;
			}
		}
	}
	return true;
}

static bool check(const char *path, bool write)
{
	static struct script script;
	char ref_path[4096];

	script = (struct script){0};
	script.limits = (struct smtp_server_limits){
	    .command_line_bytes_max = 512,
	    .recipients_max = 100,
	    .errors_max = 20,
	    .message_bytes_max = 100000,
	    .pipelining = true,
	    .size = true,
	    .eightbitmime = true,
	    .enhanced_status_codes = true,
	    .auth_mechanisms = AUTH_BIT(AUTH_PLAIN) | AUTH_BIT(AUTH_LOGIN) |
	                       AUTH_BIT(AUTH_CRAM_MD5),
	};
	if (!read_script(path, &script))
		return false;
	snprintf(ref_path, sizeof(ref_path), "%.*s.ref", (int)(strlen(path) - 3), path);
	struct bytes log = run(&script, 0, 0, false, log_memory);
	if (write)
		return write_ref(ref_path, log);
	if (!bytes_equal(log, read_ref(ref_path))) {
		printf("# differs from %s; what came:\n%.*s", ref_path, (int)log.len,
		       (const char *)log.data);
		return false;
	}
	return same_at_all_cuts(&script, log);
}

int main(int argc, char **argv)
{
	bool write = argc > 1 && strcmp(argv[1], "--write") == 0;
	int failed = 0, first = write ? 2 : 1;

	printf("1..%d\n", argc - first);
	for (int i = first; i < argc; i++) {
		const char *slash = strrchr(argv[i], '/');
		bool passed = check(argv[i], write);
		printf("%s %d - %s\n", passed ? "ok" : "not ok", i - first + 1,
		       slash ? slash + 1 : argv[i]);
		failed += !passed;
	}
	return failed > 0;
}
