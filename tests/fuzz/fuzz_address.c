/* fuzz_address.c - what parses as a path is clean, within its bounds, and parses again to the same.
 */
#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/limits.h"
#include "smtp/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct address *address)
{
	uint8_t memory[SMTP_PATH_BYTES_MAX];
	struct buf out = buf_over(memory, sizeof(memory));
	struct address again;

	buf_put_octet(&out, '<');
	buf_put(&out, address->path);
	buf_put_octet(&out, '>');
	ASSERT(!out.overflow);
	bool reverse = address_parse_reverse_path(buf_bytes(&out), &again) == ADDRESS_OK;
	ASSERT(reverse || address_parse_forward_path(buf_bytes(&out), &again) == ADDRESS_OK);
	ASSERT(bytes_equal(again.path, address->path) &&
	       bytes_equal(again.domain, address->domain));
	ASSERT(bytes_equal(again.local_part, address->local_part));
	ASSERT(!again.routed && again.rest.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = bytes_of(data, size);
	struct address address;
	struct address_parameter parameter;

	for (int forward = 0; forward <= 1; forward++) {
		enum address_result result = forward ? address_parse_forward_path(text, &address)
		                                     : address_parse_reverse_path(text, &address);
		if (result != ADDRESS_OK)
			continue;
		ASSERT(address.local_part.len <= SMTP_LOCAL_PART_BYTES_MAX);
		ASSERT(address.domain.len <= SMTP_DOMAIN_BYTES_MAX);
		ASSERT(address.domain.len == 0 || address_domain_is_valid(address.domain));
		check_again(&address);
	}
	struct bytes rest = text;
	for (size_t left = rest.len; address_parameter_next(&rest, &parameter) == PARAMETER_FOUND;
	     left = rest.len) {
		ASSERT(rest.len < left && parameter.keyword.len > 0);
		ASSERT(parameter.has_value == (parameter.value.len > 0));
	}
	return 0;
}
