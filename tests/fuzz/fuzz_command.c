/* fuzz_command.c - any line in any state gives a plan that holds together. */
#include <stdint.h>

#include "base/check.h"
#include "base/limits.h"
#include "smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct bytes slice, struct bytes line)
{
	if (slice.len > 0)
		ASSERT(slice.data >= line.data && slice.data + slice.len <= line.data + line.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct command_plan plan;

	if (size < 1)
		return 0;
	struct bytes line = bytes_of(data + 1, size - 1);
	const struct command_session session = {
	    .greeted = data[0] & 1,
	    .esmtp = data[0] & 2,
	    .in_transaction = data[0] & 4,
	    .has_recipients = data[0] & 8,
	    .size = data[0] & 16,
	    .eightbitmime = data[0] & 32,
	    .message_bytes_max = 1000,
	};
	command_check(line, &session, &plan);
	ASSERT(plan.reply < REPLY_COUNT);
	check_inside(plan.argument, line);
	check_inside(plan.address.path, line);
	check_inside(plan.parameters, line);
	if (plan.does == DOES_FAIL)
		ASSERT(reply_table[plan.reply].code >= 500);
	if (plan.does == DOES_MAIL || plan.does == DOES_RCPT) {
		ASSERT(plan.address.path.len + 2 <= SMTP_PATH_BYTES_MAX);
		ASSERT(plan.declared_bytes <= session.message_bytes_max);
		for (size_t i = 0; i < plan.address.path.len; i++)
			ASSERT(plan.address.path.data[i] >= ' ' &&
			       plan.address.path.data[i] <= '~');
		for (size_t i = 0; i < plan.parameters.len; i++)
			ASSERT(plan.parameters.data[i] >= ' ' && plan.parameters.data[i] <= '~');
	}
	return 0;
}
