/* asker_internal.h - what the files of the asker share. */
#ifndef MGMT_ASKER_INTERNAL_H
#define MGMT_ASKER_INTERNAL_H

#include "base/question.h"
#include "base/spf_question.h"

#include "mgmt/asker.h"
#include "mgmt/dkim_key.h"
#include "mgmt/spf.h"

#define NONE 0

enum entry_state { ENTRY_FREE, ENTRY_ASKING, ENTRY_KNOWN };

struct asker_entry {
	struct hash128 key;
	enum entry_state state;
	enum question_kind kind;
	uint32_t open;   /* lookups */
	uint32_t waiter; /* 1 + index */
	uint64_t expires_us;
	uint32_t check;            /* 1 + index, while it is one of SPF */
	char text[QUESTION_BYTES]; /* of the question, while it is asked about */
	bool failed;               /* one of its lookups */
	struct answer answer;
	struct dkim_key *dkim; /* of QUESTION_DKIM, whose entry is that of the key */
};

struct asker_waiter {
	uint64_t id;
	uint32_t worker, next;
	struct question *dkim; /* what it asks about the key; NULL: another kind */
};

enum lookup_step {
	STEP_LIST,        /* what is found is the answer */
	STEP_RECORDS,     /* what is found, of any type, as texts */
	STEP_CODE,        /* what a server says, even that it has failed */
	STEP_HOST,        /* addresses to be looked up in the list */
	STEP_SERVERS,     /* hosts likewise, or to be looked up themselves */
	STEP_PRIMARY,     /* the server that says there are none, likewise */
	STEP_SPF,         /* what the check wants to know next */
	STEP_PRACTICE,    /* the record of the domain's practices; without one: */
	STEP_EXISTS,      /* whether there is such a domain */
	STEP_POLICY,      /* of the author's domain */
	STEP_POLICY_ABOVE /* of its organizational domain */
};

struct asker_check {
	struct spf spf;
	struct spf_request request;
	uint64_t began_us;
	uint32_t next;
	bool asking; /* a reply meanwhile is looked at when that is over */
};

struct asker_lookup {
	uint32_t entry, next;
	enum lookup_step step;
};

/* asker.c */

struct hash128 asker_key_of(const struct asker *asker, const struct question *question);
/* The entry of a question; NULL: there is none. */
struct asker_entry *asker_find(const struct asker *asker, struct hash128 key);
/* A place for a question that has none; NULL: in all of them is one that is asked. */
struct asker_entry *asker_make_room(struct asker *asker, struct hash128 key);

/* asker_steps.c */

/* What is asked of all senders of the domain; false: it is longer than any domain. */
bool asker_key_of_domain(const struct asker *asker, const struct spf_request *request,
                         struct hash128 *out_key);
/* The first lookups of an entry that is new. */
void asker_begin(struct asker *asker, struct asker_entry *entry, const struct question *question);
/* What a reply means to its entry; asks further. */
void asker_take_reply(struct asker *asker, struct asker_entry *entry, enum lookup_step step,
                      const struct dns_reply *reply);

#endif
