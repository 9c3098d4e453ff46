/* event.h - fixed-size event records that workers write into their ring and management reads.
 *
 * The enums are rows of events.def. All texts are NUL-terminated and cut to fit. Records cross a
 * process boundary: fixed layout, no pointers, every octet defined.
 */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdint.h>

#include "base/addr.h"

enum event_kind {
#define EVENT_KIND(name, text, help) EVENT_##name,
#define EVENT_STAGE(name, text)
#define EVENT_VERDICT(name, text)
#include "base/events.def"
	EVENT_KIND_COUNT
};

enum event_stage {
#define EVENT_KIND(name, text, help)
#define EVENT_STAGE(name, text) STAGE_##name,
#define EVENT_VERDICT(name, text)
#include "base/events.def"
	EVENT_STAGE_COUNT
};

enum verdict {
#define EVENT_KIND(name, text, help)
#define EVENT_STAGE(name, text)
#define EVENT_VERDICT(name, text) VERDICT_##name,
#include "base/events.def"
	VERDICT_COUNT
};

#define EVENT_RULES_MAX     96
#define EVENT_ID_TEXT_BYTES 14 /* 13 characters and NUL */

struct event_rule {
	uint16_t rule;       /* index in the rule generation */
	int16_t count;       /* hits (`multiple` rules) or 1 */
	int32_t score_milli; /* points contributed, 1/1000 */
};

#define EVENT_SHADOW_RULES_MAX 32

enum event_shadow_change {
	SHADOW_RULE_ADDED,    /* hit under the shadow rules only */
	SHADOW_RULE_GONE,     /* hit under the rules in force only */
	SHADOW_RULE_RESCORED, /* hit under both, with other points */
	SHADOW_RULE_CHANGE_COUNT
};

struct event_shadow_rule {
	uint16_t rule;   /* index in the shadow generation; of GONE in the one in force */
	uint16_t change; /* enum event_shadow_change */
	int32_t live_milli, score_milli; /* points in force and under the shadow; 0: no hit */
};

/* What the message would have been under the rules that are tried. */
struct event_shadow {
	uint64_t generation; /* 0: not judged by any */
	int32_t score_milli;
	uint32_t scan_us;              /* CPU, preparation included */
	uint8_t verdict, live_verdict; /* of the content alone, whatever became of it later */
	uint8_t incomplete;            /* some shadow rules have not run */
	uint8_t zero;
	uint16_t rule_count, rules_left_out; /* rules that differ; those of least weight left out */
	struct event_shadow_rule rules[EVENT_SHADOW_RULES_MAX];
};

struct event_timing { /* microseconds since the session began unless said; 0 = did not happen */
	uint32_t mail, rcpt, data, dot, verdict, reply;
	uint32_t scan_us;    /* CPU of the classification */
	uint32_t backend_us; /* from the final dot towards the backend to its reply */
};

struct event {
	uint8_t kind, stage, verdict, worker;
	uint16_t rcpt_count, rule_count, reply_code;
	uint8_t tls,
	    mode; /* tls: 0 none, 2 TLS 1.2, 3 TLS 1.3; mode: 0 gateway, 1 bridge, 2 monitor */
	uint64_t id;
	uint64_t wall_us;
	uint64_t bytes;
	uint64_t rules_generation, lists_generation;
	struct endpoint client, server;
	int32_t score_milli, required_milli;
	struct event_timing timing;
	char helo[64];
	char from[128];
	char rcpt[256]; /* as many as fit, separated by one space */
	char reply[160];
	char backend_reply[160];
	char tls_suite[48],
	    backend_tls[56]; /* its cipher suite; version and suite of the other leg */
	char tls_client[80]; /* the client's certificate: "verified" or "unverified", its SHA-256;
	                        "": none */
	char auth_mechanism[16]; /* by which the client logged in; "": it did not */
	char auth_user[64];      /* who it said it is; "" unless auth_user_in_events */
	struct event_rule rules[EVENT_RULES_MAX];
	struct event_shadow shadow;
};

const char *event_kind_text(enum event_kind kind);
const char *event_stage_text(enum event_stage stage);
const char *verdict_text(enum verdict verdict);
/* Crockford base-32 form of an id, NUL-terminated, and back (false on a bad text). */
void event_id_format(uint64_t id, char out[EVENT_ID_TEXT_BYTES]);
bool event_id_parse(struct bytes text, uint64_t *out_id);

#endif
