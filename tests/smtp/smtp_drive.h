/* smtp_drive.h - drives a server session like a gateway would and writes down all that happens.
 *
 * The answers follow the envelope, so that a transcript alone decides what is exercised: a HELO
 * name, sender or recipient that begins with "refuse" is refused; DATA of a sender that begins with
 * "nodata" is refused. STARTTLS is answered 454: what stands behind a 220 is not SMTP. Of AUTH and
 * its responses an empty one and one that begins with "bW9y" ("mor") is challenged, one with "cmVm"
 * ("ref") refused, one with "bGF0" ("lat") answered 454, any other accepted.
 */
#ifndef TESTS_SMTP_SMTP_DRIVE_H
#define TESTS_SMTP_SMTP_DRIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "smtp/server.h"

#define DRIVE_LOG_BYTES (1u << 20)

struct drive {
	struct smtp_server_limits limits;
	struct smtp_counters counters;
	struct smtp_server server;
	struct transaction transaction;
	bool late;            /* answers come only when the server can go no further */
	bool wants_close;     /* QUIT or CLOSE came */
	uint32_t events;      /* of all kinds but BODY */
	uint32_t waiting_max; /* the most events that waited at once */
	size_t content_bytes;
	size_t input_total, input_done; /* octets fed; consumed */
	struct buf replies;             /* what a client would see */
	struct buf content;             /* raw content of all messages, a line "--" behind each */
	uint8_t waiting_text[SMTP_SERVER_WAITING_MAX][SMTP_COMMAND_LINE_BYTES_MAX];
	size_t waiting_len[SMTP_SERVER_WAITING_MAX];
	enum smtp_event_kind waiting_kind[SMTP_SERVER_WAITING_MAX];
	enum smtp_reply waiting_reply[SMTP_SERVER_WAITING_MAX];
	uint32_t waiting_head, waiting_count;
	uint8_t pending[1 << 20]; /* input the server did not take yet */
	size_t pending_len;
	uint8_t line_store[SMTP_AUTH_LINE_BYTES_MAX];
	uint8_t replies_memory[DRIVE_LOG_BYTES], content_memory[DRIVE_LOG_BYTES];
};

/* Default limits; change drive->limits before the first feed. */
void drive_init(struct drive *drive);
void drive_feed(struct drive *drive, struct bytes input);
/* The whole input in pieces of `piece` octets; 0: at once. */
void drive_feed_pieces(struct drive *drive, struct bytes input, size_t piece);

#endif
