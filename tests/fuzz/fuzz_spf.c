/* fuzz_spf.c - checks by SPF of records that anybody wrote: they end, within their bounds, and ask
 * for nothing that is no name.
 *
 * The input: lines. HELO, the sender, then a line for each reply: an octet that says how it went,
 * names, addresses or a text.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "mgmt/spf.h"

#define LOOKUPS_MAX (1 + SPF_TERMS_MAX * (2 + SPF_NAMES_MAX) + 1 + SPF_NAMES_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes take_line(struct bytes *rest)
{
	size_t end = bytes_find(*rest, '\n');
	struct bytes line = bytes_slice(*rest, 0, end);

	*rest = bytes_slice(*rest, end + 1, SIZE_MAX);
	return line;
}

static void add_word(struct dns_reply *reply, uint16_t type, struct bytes word)
{
	struct addr addr;

	if ((type == DNS_TYPE_A || type == DNS_TYPE_AAAA) &&
	    reply->address_count < DNS_ADDRESSES_MAX && addr_parse(word, &addr) == OK)
		reply->address[reply->address_count++] = addr;
	if ((type == DNS_TYPE_MX || type == DNS_TYPE_PTR) && reply->name_count < DNS_NAMES_MAX &&
	    dns_name_is_sound(word))
		snprintf(reply->name[reply->name_count++], QUESTION_NAME_BYTES, "%.*s",
		         (int)word.len, (const char *)word.data);
}

static void make_reply(struct dns_reply *reply, uint16_t type, struct bytes line)
{
	dns_reply_clear(reply, ANSWER_FOUND, 60);
	if (line.len == 0 || line.data[0] == '!') {
		reply->result = line.len == 0 ? ANSWER_NONE : ANSWER_FAILED;
		return;
	}
	if (type == DNS_TYPE_TXT) {
		struct bytes text = bytes_slice(line, 0, DNS_TEXT_BYTES - 1);

		memcpy(reply->text, text.data, text.len);
		reply->text[text.len] = '\0';
		reply->text_len = (uint32_t)text.len + 1;
		return;
	}
	while (line.len > 0) {
		size_t end = bytes_find(line, ' ');

		add_word(reply, type, bytes_slice(line, 0, end));
		line = bytes_slice(line, end + 1, SIZE_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_reply reply;
	static struct spf spf;
	struct bytes rest = bytes_of(data, size);
	struct spf_request request = {.client = addr_from_ip4(0xc0000207)};
	uint32_t lookups = 0;

	request.helo = take_line(&rest);
	request.sender = take_line(&rest);
	if (size % 2 == 1)
		request.client.octet[0] = 0x20; /* of IPv6 */
	spf_begin(&spf, &request);
	for (; spf_waits(&spf); lookups++) {
		ASSERT(lookups < LOOKUPS_MAX);
		ASSERT(dns_name_is_sound(bytes_text(spf.name)));
		make_reply(&reply, spf.type, take_line(&rest));
		spf_reply(&spf, &reply);
	}
	ASSERT(spf.result < SPF_RESULT_COUNT && spf.frame_count == 0);
	return 0;
}
