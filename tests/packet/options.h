/* options.h - TCP options as a script writes them. */
#ifndef TESTS_PACKET_OPTIONS_H
#define TESTS_PACKET_OPTIONS_H

#include "packet.h"

struct option_list {
	uint8_t octet[PACKET_OPTIONS_MAX];
	bool any[PACKET_OPTIONS_MAX]; /* not compared */
	size_t bytes;
};

struct option_context {
	uint32_t sack_base; /* blocks are relative to it */
	bool stamp_known;   /* else T is anything */
	uint32_t our_stamp; /* what T stands for: in: our last; out: what our clock must say */
};

/* Appends what one word says; false: no such option, or no room. */
bool option_parse(const char *word, const struct option_context *context, struct option_list *list);
bool option_equal(const struct option_list *expected, const uint8_t *octets, size_t bytes);

#endif
