/* fuzz_server.c - replies and content of a session do not depend on the cut or on when answers
 * come. */
#include <stdint.h>

#include "base/check.h"
#include "smtp_drive.h"

#define INPUT_BYTES_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct drive whole, cut;

static void run(struct drive *drive, struct bytes input, size_t piece, bool late, uint8_t limits)
{
	drive_init(drive);
	drive->late = late;
	if (limits & 1)
		drive->limits.errors_max = 3;
	if (limits & 2)
		drive->limits.recipients_max = 2;
	if (limits & 4)
		drive->limits.message_bytes_max = 20;
	if (limits & 8)
		drive->limits.pipelining = drive->limits.size = drive->limits.eightbitmime = false;
	if (limits & 16) {
		drive->limits.auth_mechanisms = AUTH_BIT(AUTH_PLAIN) | AUTH_BIT(AUTH_LOGIN);
		drive->limits.auth_failures_max = 3;
		drive->server.auth_wanted = drive->server.auth_clear = true;
		drive->server.auth_required = (limits & 32) != 0;
	}
	drive_feed_pieces(drive, input, piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > INPUT_BYTES_MAX)
		return 0;
	struct bytes input = bytes_of(data + 1, size - 1);

	run(&whole, input, 0, false, data[0]);
	for (size_t piece = 1; piece <= 64; piece = piece * 3 + 1) {
		for (int late = 0; late <= 1; late++) {
			run(&cut, input, piece, late, data[0]);
			ASSERT(bytes_equal(buf_bytes(&whole.replies), buf_bytes(&cut.replies)));
			ASSERT(bytes_equal(buf_bytes(&whole.content), buf_bytes(&cut.content)));
		}
	}
	return 0;
}
