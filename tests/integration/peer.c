/* peer.c - what kernel_peer and stack_peer have in common. */
#include "tests/integration/peer.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/random.h"
#include "bench/common/sha256.h"

void peer_die(const char *what)
{
	perror(what);
	exit(1);
}

static void usage(const char *why)
{
	fprintf(stderr,
	        "%s\nusage: ... --address PREFIX --port N [--connect ADDRESS] [--send] --bytes N "
	        "[--seed N] [--mss N] [--mtu N] [--window N] [--congestion NAME] [--device NAME] "
	        "[--timeout SECONDS]\n",
	        why);
	exit(2);
}

static uint32_t number(const char *text, uint32_t max)
{
	uint64_t value;

	if (!bytes_to_u64(bytes_text(text), max, &value))
		usage(text);
	return (uint32_t)value;
}

static void take_option(int c, struct peer_job *job)
{
	switch (c) {
	case 'a':
		if (prefix_parse(bytes_text(optarg), true, &job->address) != OK)
			usage(optarg);
		job->has_address = true;
		break;
	case 'c':
		if (addr_parse(bytes_text(optarg), &job->remote.addr) != OK)
			usage(optarg);
		job->connects = true;
		break;
	case 'p':
		job->port = (uint16_t)number(optarg, UINT16_MAX);
		break;
	case 's':
		job->sends = true;
		break;
	case 'b':
		job->bytes = number(optarg, 1u << 30);
		break;
	case 'e':
		job->seed = number(optarg, UINT32_MAX);
		break;
	case 'm':
		job->mss = (uint16_t)number(optarg, UINT16_MAX);
		break;
	case 'u':
		job->mtu = (uint16_t)number(optarg, UINT16_MAX);
		break;
	case 'w':
		job->window_bytes = number(optarg, 1u << 30);
		break;
	case 'g':
		snprintf(job->congestion, sizeof(job->congestion), "%s", optarg);
		break;
	case 'd':
		job->device = optarg;
		break;
	case 't':
		alarm(number(optarg, 3600));
		break;
	default:
		usage("unknown option");
	}
}

void peer_parse(int argc, char **argv, struct peer_job *job)
{
	static const struct option names[] = {
	    {"address", 1, NULL, 'a'}, {"connect", 1, NULL, 'c'},    {"port", 1, NULL, 'p'},
	    {"send", 0, NULL, 's'},    {"bytes", 1, NULL, 'b'},      {"seed", 1, NULL, 'e'},
	    {"mss", 1, NULL, 'm'},     {"mtu", 1, NULL, 'u'},        {"window", 1, NULL, 'w'},
	    {"device", 1, NULL, 'd'},  {"congestion", 1, NULL, 'g'}, {"timeout", 1, NULL, 't'},
	    {NULL, 0, NULL, 0},
	};
	struct random random;

	*job = (struct peer_job){.seed = 1};
	alarm(60);
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
		take_option(c, job);
	if (!job->has_address || job->port == 0 || job->bytes == 0)
		usage("needs --address, --port and --bytes");
	job->remote.port = job->port;
	job->data = calloc(1, (size_t)job->bytes + sizeof(uint64_t));
	if (job->data == NULL)
		peer_die("calloc");
	random_seed(&random, job->seed);
	for (uint32_t i = 0; i < job->bytes && job->sends; i += (uint32_t)sizeof(uint64_t)) {
		uint64_t word = random_u64(&random);
		memcpy(job->data + i, &word, sizeof(word));
	}
}

bool peer_report(const struct peer_job *job)
{
	char hex[SHA256_HEX_BYTES];

	sha256_hex(bytes_of(job->data, job->bytes_done), hex);
	printf("{\"bytes\":%u,\"sha256\":\"%s\",\"seconds\":%.6f,\"retransmits\":%u}\n",
	       job->bytes_done, hex, (double)(job->last_us - job->started_us) / 1e6,
	       job->retransmits);
	fflush(stdout);
	return job->bytes_done == job->bytes;
}
