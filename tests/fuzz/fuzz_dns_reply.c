/* fuzz_dns_reply.c - replies of DNS servers: any octets have failed, or give an answer that a
 * worker takes and names that may be asked about.
 *
 * The input: an octet that chooses the type, then the packet.
 */
#include <string.h>

#include "base/check.h"
#include "mgmt/dns_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = {DNS_TYPE_A,    DNS_TYPE_NS, DNS_TYPE_TXT,
	                                 DNS_TYPE_AAAA, DNS_TYPE_MX, DNS_TYPE_PTR};
	static struct dns_reply reply;
	static struct dns_records records;

	if (size == 0)
		return 0;
	dns_reply_parse(bytes_of(data + 1, size - 1), types[data[0] % 6], &reply);
	ASSERT(reply.result <= ANSWER_FAILED && reply.text_len <= DNS_TEXT_BYTES);
	ASSERT(reply.text_len == 0 || reply.text[reply.text_len - 1] == '\0');
	ASSERT(reply.address_count <= DNS_ADDRESSES_MAX);
	ASSERT(reply.name_count <= DNS_NAMES_MAX);
	for (uint32_t i = 0; i < reply.name_count; i++)
		ASSERT(dns_name_is_sound(bytes_text(reply.name[i])));
	dns_reply_records(bytes_of(data + 1, size - 1), &records);
	ASSERT(records.text_len <= ANSWER_TEXT_BYTES &&
	       (records.count > 0) == (records.text_len > 0));
	ASSERT(records.text_len == 0 || records.text[records.text_len - 1] == '\0');
	ASSERT(reply.result == ANSWER_FOUND ||
	       (reply.address_count == 0 && reply.text_len == 0 && reply.name_count == 0));
	return 0;
}
