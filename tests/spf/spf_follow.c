/* spf_follow.c - a check by SPF whose DNS is whoever sits at the other end of its pipes.
 *
 * In: "check ADDRESS HELO SENDER", the last two in hex, "-" when empty. Out: "ask TYPE NAME", which
 * is answered by a packet in hex, as a server would send it; at last "result WORD LOOKUPS".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mgmt/spf.h"

#define LINE_BYTES   262144
#define LOOKUPS_MAX  1000
#define TEXT_BYTES   4096
#define PACKET_BYTES (LINE_BYTES / 2)

static const char *const results[] = {
#define SPF_RESULT(name, text, meaning) text,
#include "base/spf_results.def"
};

static size_t from_hex(const char *hex, uint8_t *out, size_t most)
{
	size_t len = 0;

	for (unsigned octet; len < most && sscanf(hex, "%2x", &octet) == 1; hex += 2)
		out[len++] = (uint8_t)octet;
	return len;
}

static const char *type_text(uint16_t type)
{
	switch (type) {
	case DNS_TYPE_A:
		return "A";
	case DNS_TYPE_AAAA:
		return "AAAA";
	case DNS_TYPE_MX:
		return "MX";
	case DNS_TYPE_PTR:
		return "PTR";
	default:
		return "TXT";
	}
}

int main(void)
{
	static char line[LINE_BYTES], address[64], helo_hex[TEXT_BYTES], sender_hex[TEXT_BYTES];
	static uint8_t helo[TEXT_BYTES], sender[TEXT_BYTES], packet[PACKET_BYTES];
	static struct dns_reply reply;
	static struct spf spf;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct spf_request request;
		int lookups = 0;

		if (sscanf(line, "check %63s %4095s %4095s", address, helo_hex, sender_hex) != 3 ||
		    addr_parse(bytes_text(address), &request.client) != OK)
			return 2;
		request.helo = bytes_of(helo, from_hex(helo_hex, helo, sizeof(helo)));
		request.sender = bytes_of(sender, from_hex(sender_hex, sender, sizeof(sender)));
		spf_begin(&spf, &request);
		for (; spf_waits(&spf); lookups++) {
			printf("ask %s %s\n", type_text(spf.type), spf.name);
			fflush(stdout);
			if (lookups == LOOKUPS_MAX || fgets(line, sizeof(line), stdin) == NULL)
				return 3;
			dns_reply_parse(bytes_of(packet, from_hex(line, packet, sizeof(packet))),
			                spf.type, &reply);
			spf_reply(&spf, &reply);
		}
		printf("result %s %d\n", results[spf.result], lookups);
		fflush(stdout);
	}
	return 0;
}
