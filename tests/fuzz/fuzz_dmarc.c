/* fuzz_dmarc.c - records of DMARC and questions about them in any octets: what is asked can be read
 * again, what a record says is a policy, and only names that are there are aligned.
 *
 * The input: a line with the question, then texts with NUL behind each.
 */
#include <string.h>

#include "base/check.h"
#include "mgmt/dmarc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct dmarc_request *request)
{
	struct dmarc_request again;
	char text[QUESTION_BYTES];
	size_t len = dmarc_request_write(request, text, sizeof(text));

	ASSERT(len > 0 && dmarc_request_read(bytes_of(text, len), &again));
	ASSERT(bytes_equal(again.author, request->author));
	for (uint32_t i = 0; i < DMARC_DOMAINS_MAX; i++)
		ASSERT(again.domain[i].len == 0 ||
		       bytes_equal(again.domain[i], request->domain[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_of(data, size);
	size_t end = bytes_find(input, '\n');
	struct bytes line = bytes_slice(input, 0, end);
	struct dmarc_request request;
	struct dmarc_record record;
	bool any;

	if (line.len >= QUESTION_BYTES || !dmarc_request_read(line, &request))
		return 0;
	check_same(&request);
	ASSERT(dmarc_organization(request.author).len <= request.author.len);
	if (!dmarc_record_choose(bytes_slice(input, end + 1, SIZE_MAX), &record, &any))
		return 0;
	ASSERT(any);
	for (int above = 0; above < 2; above++) {
		uint32_t value = dmarc_value(&request, &record, above == 1);
		uint32_t policy = value & DMARC_VALUE_POLICY;

		ASSERT(policy > DMARC_MISSING && policy < DMARC_POLICY_COUNT);
		for (uint32_t i = 0; i < DMARC_DOMAINS_MAX; i++)
			ASSERT(!dmarc_value_aligned(value, i) || request.domain[i].len > 0);
	}
	return 0;
}
