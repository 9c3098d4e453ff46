/* load_options.c - the command line of postern-load. */
#include <stdlib.h>
#include <string.h>

#include "bench/common/command_line.h"
#include "bench/load/load.h"

static const char usage[] =
    "Usage: postern-load [OPTION]... [FILE|FOLDER]...\n"
    "Sends messages to an SMTP server and measures it.\n\n"
    "  -c, --connect ADDR:PORT       server (repeatable, used in turn; default 127.0.0.1:25)\n"
    "      --source ADDR[,ADDR]...   local addresses, used in turn\n"
    "  -s, --sessions N              concurrent sessions (default 1)\n"
    "  -n, --messages N              messages in total (default: each file once)\n"
    "      --once-each               each file once, in the order of names\n"
    "  -m, --messages-per-session N  messages on one connection (default 100)\n"
    "  -r, --rate N                  messages a second, at most (default: as fast as it goes)\n"
    "  -D, --duration SECONDS        begin no message after that time\n"
    "  -p, --pipelining              send envelopes in one go where the server offers it\n"
    "  -R, --rcpts N                 recipients of each message (default 1)\n"
    "  -f, --from ADDRESS            sender; %n stands for the message number (default "
    "m%n@load.example)\n"
    "  -t, --to ADDRESS              recipient; %i stands for its number (default "
    "u%i@load.example)\n"
    "      --helo NAME               name in EHLO (default load.example)\n"
    "      --size BYTES              without files: size of the message that is sent (default "
    "4096)\n"
    "      --shuffle                 files in an order drawn from the seed\n"
    "      --seed N                  default 1\n"
    "      --timeout SECONDS         wait for a reply (default 60)\n"
    "  -o, --log FILE                write a line of JSON for each message\n"
    "  -j, --json                    print the summary as JSON\n"
    "  -h, --help                    this text\n"
    "  -V, --version                 version\n\n"
    "Exit status: 0 all went by the protocol (rejected messages included), 1 not, 2 usage.\n";

enum {
	OPTION_SOURCE = 256,
	OPTION_ONCE_EACH,
	OPTION_HELO,
	OPTION_SIZE,
	OPTION_SHUFFLE,
	OPTION_SEED,
	OPTION_TIMEOUT
};

static bool parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out_value)
{
	return bytes_to_u64(bytes_text(text), max, out_value) && *out_value >= min;
}

static bool parse_u32(const char *text, uint64_t min, uint64_t max, uint32_t *out_value)
{
	uint64_t value;

	if (!parse_u64(text, min, max, &value))
		return false;
	*out_value = (uint32_t)value;
	return true;
}

static bool parse_seconds(const char *text, uint64_t *out_ms)
{
	char *end = NULL;
	double seconds = strtod(text, &end);

	*out_ms = (uint64_t)(seconds * 1000.0);
	return end != text && *end == '\0' && seconds > 0.0 && seconds < 1e7;
}

static bool parse_rate(const char *text, double *out_rate)
{
	char *end = NULL;

	*out_rate = strtod(text, &end);
	return end != text && *end == '\0' && *out_rate > 0.0 && *out_rate < 1e9;
}

static bool parse_sources(char *text, struct load_options *o)
{
	char *rest = NULL;

	for (char *word = strtok_r(text, ",", &rest); word != NULL;
	     word = strtok_r(NULL, ",", &rest)) {
		if (o->source_count == LOAD_SOURCES_MAX ||
		    !socket_parse_address(word, false, &o->source[o->source_count++]))
			return false;
	}
	return true;
}

/* An address or a name goes into commands: nothing in it may end one. */
static bool parse_text(const char *text, const char **out_text)
{
	*out_text = text;
	for (const char *c = text; *c != '\0'; c++) {
		if (*c <= ' ' || *c > '~')
			return false;
	}
	return strlen(text) <= 200;
}

static bool add_target(struct load_options *o, const char *text)
{
	if (o->connect_count == LOAD_TARGETS_MAX)
		return false;
	return socket_parse_address(text, true, &o->connect[o->connect_count++]);
}

static bool take_long_option(int option, char *value, struct load_options *o)
{
	switch (option) {
	case OPTION_SOURCE:
		return parse_sources(value, o);
	case OPTION_ONCE_EACH:
		o->once_each = true;
		return true;
	case OPTION_HELO:
		return parse_text(value, &o->helo);
	case OPTION_SIZE:
		return parse_u64(value, 1, (uint64_t)1 << 30, &o->size);
	case OPTION_SHUFFLE:
		o->shuffle = true;
		return true;
	case OPTION_SEED:
		return parse_u64(value, 0, UINT64_MAX, &o->seed);
	default:
		return parse_seconds(value, &o->timeout_ms);
	}
}

static bool take_option(int option, char *value, void *context)
{
	struct load_options *o = context;

	switch (option) {
	case 'c':
		return add_target(o, value);
	case 's':
		return parse_u32(value, 1, LOAD_SESSIONS_MAX, &o->sessions);
	case 'n':
		return parse_u64(value, 1, UINT64_MAX, &o->messages);
	case 'm':
		return parse_u32(value, 1, UINT32_MAX, &o->messages_per_session);
	case 'r':
		return parse_rate(value, &o->rate);
	case 'D':
		return parse_seconds(value, &o->duration_ms);
	case 'p':
		o->pipelining = true;
		return true;
	case 'R':
		return parse_u32(value, 1, SMTP_RECIPIENTS_MAX, &o->rcpts);
	case 'f':
		return parse_text(value, &o->from);
	case 't':
		return parse_text(value, &o->to);
	case 'o':
		o->log = value;
		return true;
	case 'j':
		o->json = true;
		return true;
	default:
		return take_long_option(option, value, o);
	}
}

/* A message of `size` octets for those who give no file. */
static bool add_made_message(struct load *load)
{
	static const char header[] = "From: <load@load.example>\nTo: <load@load.example>\n"
	                             "Subject: made by postern-load\nMIME-Version: 1.0\n\n";
	static const char
	    line[] = "The quick brown fox jumps over the lazy dog, again and again.\n";
	size_t bytes = load->options.size > sizeof(header) ? load->options.size : sizeof(header);
	char *text = malloc(bytes);

	if (text == NULL)
		return false;
	memcpy(text, header, sizeof(header) - 1);
	for (size_t i = sizeof(header) - 1, j = 0; i < bytes; i++, j++)
		text[i] = line[j % (sizeof(line) - 1)];
	bool added = message_files_add(&load->files, "made", bytes_of(text, bytes));
	free(text);
	return added;
}

static bool load_files(struct load *load, int argc, char **argv, int first)
{
	for (int i = first; i < argc; i++) {
		if (!message_files_load(&load->files, argv[i]))
			return false;
	}
	if (first == argc && !add_made_message(load))
		return false;
	if (load->files.count == 0)
		fputs("postern-load: no messages there\n", stderr);
	return load->files.count > 0;
}

static void set_defaults(struct load_options *o)
{
	*o = (struct load_options){.sessions = 1,
	                           .messages_per_session = 100,
	                           .rcpts = 1,
	                           .seed = 1,
	                           .size = 4096,
	                           .timeout_ms = 60000,
	                           .from = "m%n@load.example",
	                           .to = "u%i@load.example",
	                           .helo = "load.example"};
}

bool load_options_parse(int argc, char **argv, struct load *out_load, int *out_exit)
{
	static const struct option long_options[] = {
	    {"connect", required_argument, NULL, 'c'},
	    {"source", required_argument, NULL, OPTION_SOURCE},
	    {"sessions", required_argument, NULL, 's'},
	    {"messages", required_argument, NULL, 'n'},
	    {"once-each", no_argument, NULL, OPTION_ONCE_EACH},
	    {"messages-per-session", required_argument, NULL, 'm'},
	    {"rate", required_argument, NULL, 'r'},
	    {"duration", required_argument, NULL, 'D'},
	    {"pipelining", no_argument, NULL, 'p'},
	    {"rcpts", required_argument, NULL, 'R'},
	    {"from", required_argument, NULL, 'f'},
	    {"to", required_argument, NULL, 't'},
	    {"helo", required_argument, NULL, OPTION_HELO},
	    {"size", required_argument, NULL, OPTION_SIZE},
	    {"shuffle", no_argument, NULL, OPTION_SHUFFLE},
	    {"seed", required_argument, NULL, OPTION_SEED},
	    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
	    {"log", required_argument, NULL, 'o'},
	    {"json", no_argument, NULL, 'j'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {0},
	};
	struct load_options *o = &out_load->options;
	const struct command_line line = {.program = "postern-load",
	                                  .usage = usage,
	                                  .letters = "c:s:n:m:r:D:pR:f:t:o:jhV",
	                                  .options = long_options,
	                                  .take = take_option,
	                                  .context = o};

	set_defaults(o);
	if (!command_line_parse(&line, argc, argv, out_exit))
		return false;
	if (*out_exit >= 0)
		return true;
	if (!load_files(out_load, argc, argv, optind))
		return false;
	if (o->once_each || (o->messages == 0 && o->duration_ms == 0))
		o->messages = out_load->files.count;
	else if (o->messages == 0)
		o->messages = UINT64_MAX;
	return o->connect_count > 0 || add_target(o, "127.0.0.1:25");
}
