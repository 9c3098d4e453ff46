/* sim_message.h - what simulated clients send, and the book of who was told what. */
#ifndef SIM_MESSAGE_H
#define SIM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/random.h"

#define SIM_MESSAGES_MAX   256
#define SIM_RECIPIENTS_MAX 4
#define SIM_SPAM_MARK      "buy-the-marked-thing"

enum sim_fate {
	SIM_UNSENT,
	SIM_UNKNOWN, /* begun, and the client never got an answer to its dot */
	SIM_TOLD_250,
	SIM_TOLD_4XX,
	SIM_TOLD_5XX
};

struct sim_message {
	uint32_t number;
	bool spam;
	uint8_t *wire; /* dot-stuffed, with the final dot */
	size_t wire_bytes;
	uint64_t
	    content_hash; /* unstuffed, without the final dot and fields in the gateway's name */
	size_t content_bytes;
	uint32_t recipient_count;
	enum sim_fate fate;
	uint16_t code;
	uint32_t stored_count; /* how often the backend took it */
	bool stored_intact;
	bool outcome_unknown; /* the backend took it and lost the connection before its reply */
};

/* Fills the book with `count` random messages of up to `bytes_max` octets. */
void sim_messages_make(struct sim_message *messages, uint32_t count, size_t bytes_max,
                       struct random *random);
void sim_messages_free(struct sim_message *messages, uint32_t count);
uint64_t sim_content_hash(const void *data, size_t bytes);

#endif
