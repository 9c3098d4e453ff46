/* sink_options.c - the command line of postern-sink. */
#include <stdlib.h>
#include <string.h>

#include "bench/common/command_line.h"
#include "bench/sink/sink.h"
#include "smtp/address.h"

static const char
    usage[] = "Usage: postern-sink [OPTION]...\n"
              "An SMTP server that accepts every message, or fails as told.\n\n"
              "  -l, --listen ADDR:PORT      listen here (repeatable; default 127.0.0.1:2525)\n"
              "  -s, --store DIR             keep each message in a file of its own\n"
              "  -o, --log FILE              write a line of JSON for each message\n"
              "  -f, --fault STAGE=CODE[:P]  answer CODE at STAGE, with probability P\n"
              "  -d, --delay STAGE=MS        answer at STAGE after MS milliseconds\n"
              "  -x, --disconnect STAGE[:P]  drop the connection at STAGE instead of answering\n"
              "  -e, --extensions LIST       announce these "
              "(PIPELINING,SIZE,8BITMIME,ENHANCEDSTATUSCODES or none)\n"
              "  -n, --exit-after N          end after N messages\n"
              "      --size BYTES            largest message (default 1 GiB)\n"
              "      --hostname NAME         name in the greeting (default sink.example)\n"
              "      --seed N                seed of the probabilities (default 1)\n"
              "  -q, --quiet                 print no counts at the end\n"
              "  -h, --help                  this text\n"
              "  -V, --version               version\n\n"
              "STAGE is connect, helo, mail, rcpt, data or dot.\n";

static const char *const stage_name[STAGE_COUNT] = {"connect", "helo", "mail",
                                                    "rcpt",    "data", "dot"};

static bool parse_stage(const char *text, size_t len, enum sink_stage *out_stage)
{
	for (int i = 0; i < STAGE_COUNT; i++) {
		if (strlen(stage_name[i]) == len && strncmp(stage_name[i], text, len) == 0) {
			*out_stage = (enum sink_stage)i;
			return true;
		}
	}
	return false;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *out_value)
{
	return bytes_to_u64(bytes_text(text), max, out_value);
}

/* ":0.5", or nothing for always. */
static bool parse_probability(const char *text, double *out_probability)
{
	char *end = NULL;

	*out_probability = 1.0;
	if (text[0] == '\0')
		return true;
	if (text[0] != ':')
		return false;
	*out_probability = strtod(text + 1, &end);
	return end != text + 1 && *end == '\0' && *out_probability >= 0.0 &&
	       *out_probability <= 1.0;
}

static bool parse_fault(const char *text, struct sink_fault *fault)
{
	size_t equals = strcspn(text, "=");
	enum sink_stage stage;
	char code[4] = "";
	uint64_t value;

	if (text[equals] == '\0' || !parse_stage(text, equals, &stage) ||
	    strlen(text + equals + 1) < 3)
		return false;
	memcpy(code, text + equals + 1, 3);
	if (!parse_number(code, 599, &value) || value < 400)
		return false;
	fault[stage].code = (uint16_t)value;
	return parse_probability(text + equals + 4, &fault[stage].code_probability);
}

static bool parse_delay(const char *text, struct sink_fault *fault)
{
	size_t equals = strcspn(text, "=");
	enum sink_stage stage;
	uint64_t value;

	if (text[equals] == '\0' || !parse_stage(text, equals, &stage) ||
	    !parse_number(text + equals + 1, 3600000, &value))
		return false;
	fault[stage].delay_ms = (uint32_t)value;
	return true;
}

static bool parse_disconnect(const char *text, struct sink_fault *fault)
{
	size_t colon = strcspn(text, ":");
	enum sink_stage stage;

	return parse_stage(text, colon, &stage) &&
	       parse_probability(text + colon, &fault[stage].disconnect_probability);
}

static bool parse_extensions(const char *text, struct smtp_server_limits *limits)
{
	const struct {
		const char *name;
		bool *flag;
	} known[] = {
	    {"PIPELINING", &limits->pipelining},
	    {"SIZE", &limits->size},
	    {"8BITMIME", &limits->eightbitmime},
	    {"ENHANCEDSTATUSCODES", &limits->enhanced_status_codes},
	};

	for (size_t i = 0; i < 4; i++)
		*known[i].flag = false;
	if (strcmp(text, "none") == 0)
		return true;
	while (*text != '\0') {
		size_t len = strcspn(text, ","), found = 4;
		for (size_t i = 0; i < 4; i++) {
			if (bytes_equal_nocase(bytes_of(text, len), bytes_text(known[i].name)))
				found = i;
		}
		if (found == 4)
			return false;
		*known[found].flag = true;
		text += len + (text[len] == ',');
	}
	return true;
}

static bool add_listener(struct sink_options *o, const char *text)
{
	if (o->listen_count == SINK_LISTENERS_MAX)
		return false;
	return socket_parse_address(text, true, &o->listen[o->listen_count++]);
}

enum { OPTION_SIZE = 256, OPTION_HOSTNAME, OPTION_SEED };

static bool take_option(int option, char *value, void *context)
{
	struct sink_options *o = context;

	switch (option) {
	case 'l':
		return add_listener(o, value);
	case 's':
		o->store = value;
		return true;
	case 'o':
		o->log = value;
		return true;
	case 'f':
		return parse_fault(value, o->fault);
	case 'd':
		return parse_delay(value, o->fault);
	case 'x':
		return parse_disconnect(value, o->fault);
	case 'e':
		return parse_extensions(value, &o->limits);
	case 'n':
		return parse_number(value, UINT64_MAX, &o->exit_after);
	case OPTION_SIZE:
		return parse_number(value, UINT64_MAX, &o->limits.message_bytes_max);
	case OPTION_HOSTNAME:
		o->hostname = value;
		return address_domain_is_valid(bytes_text(value));
	case OPTION_SEED:
		return parse_number(value, UINT64_MAX, &o->seed);
	default:
		o->quiet = true;
		return true;
	}
}

bool sink_options_parse(int argc, char **argv, struct sink_options *out_options, int *out_exit)
{
	static const struct option long_options[] = {
	    {"listen", required_argument, NULL, 'l'},
	    {"store", required_argument, NULL, 's'},
	    {"log", required_argument, NULL, 'o'},
	    {"fault", required_argument, NULL, 'f'},
	    {"delay", required_argument, NULL, 'd'},
	    {"disconnect", required_argument, NULL, 'x'},
	    {"extensions", required_argument, NULL, 'e'},
	    {"exit-after", required_argument, NULL, 'n'},
	    {"size", required_argument, NULL, OPTION_SIZE},
	    {"hostname", required_argument, NULL, OPTION_HOSTNAME},
	    {"seed", required_argument, NULL, OPTION_SEED},
	    {"quiet", no_argument, NULL, 'q'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {0},
	};
	const struct command_line line = {.program = "postern-sink",
	                                  .usage = usage,
	                                  .letters = "l:s:o:f:d:x:e:n:qhV",
	                                  .options = long_options,
	                                  .take = take_option,
	                                  .context = out_options};

	*out_options = (struct sink_options){
	    .hostname = "sink.example",
	    .seed = 1,
	    .limits = {.command_line_bytes_max = SMTP_COMMAND_LINE_BYTES_MAX,
	               .recipients_max = SMTP_RECIPIENTS_MAX,
	               .errors_max = 10000,
	               .message_bytes_max = (uint64_t)1 << 30,
	               .pipelining = true,
	               .size = true,
	               .eightbitmime = true,
	               .enhanced_status_codes = true},
	};
	if (!command_line_parse(&line, argc, argv, out_exit))
		return false;
	if (*out_exit >= 0)
		return true;
	if (optind < argc) {
		fprintf(stderr, "postern-sink: what is '%s'?\n", argv[optind]);
		return false;
	}
	return out_options->listen_count > 0 || add_listener(out_options, "127.0.0.1:2525");
}
