/* eval.h - the functions rules call by eval:, and what they share.
 *
 * A function looks at the prepared texts only, allocates nothing and returns the rule's value: 0
 * no, n > 0 how often. What several of them need of one message is found once and kept in the
 * state.
 */
#ifndef CLASSIFIER_EVAL_H
#define CLASSIFIER_EVAL_H

#include "base/check.h"
#include "base/facts.h"
#include "base/spf_question.h"
#include "classifier/scan.h"

#define EVAL_ADDRESSES_MAX 256u
#define EVAL_RELAYS_MAX    128u
#define EVAL_PART_BYTES    32768u

enum eval_pattern { /* what the functions look for in headers */
#define EVAL_PATTERN(name, pattern) EVAL_PATTERN_##name,
#include "classifier/eval_patterns.def"
	            EVAL_PATTERN_COUNT
};

struct eval_addresses {
	struct bytes item[EVAL_ADDRESSES_MAX];
	uint32_t count;
};

struct eval_recipients { /* To, Cc and Bcc */
	bool known, sorted;
	double similar;
};

#define EVAL_HOSTS_MAX 64u

struct eval_hosts { /* of links, that DNS lists are asked about; the same for all rules */
	bool known;
	uint32_t count;
	struct {
		struct bytes host, domain; /* what of it somebody registered */
	} item[EVAL_HOSTS_MAX];
};

#define EVAL_LABELS_MAX   32u
#define EVAL_LABELS_BYTES 4096u

struct eval_labels { /* what a rule asks of a list: scratch of the function that runs */
	uint32_t count, bytes;
	struct {
		struct bytes text;
		bool ignored;
	} item[EVAL_LABELS_MAX];
	char memory[EVAL_LABELS_BYTES];
};

enum eval_spf_identity { EVAL_SPF_SENDER, EVAL_SPF_HELO, EVAL_SPF_IDENTITIES };

struct eval_spf { /* eval_spf.c */
	bool known, has_sender;
	struct bytes sender;
	bool is_given[EVAL_SPF_IDENTITIES]; /* a field tells it: */
	enum spf_result given[EVAL_SPF_IDENTITIES];
	bool is_asked[EVAL_SPF_IDENTITIES];
};

struct eval_words; /* eval_words.c */
struct eval_uris;  /* eval_uri.c */
struct eval_parts; /* eval_pattern_rule.c */

/* Segments of the body without addresses of quoted mail, in their order. */
#define EVAL_BARE_MAX   512u
#define EVAL_BARE_BYTES 65536u

struct eval_bare {
	uint32_t count, bytes;
	uint32_t segment[EVAL_BARE_MAX];
	struct segment place[EVAL_BARE_MAX]; /* in `data` */
	uint8_t data[EVAL_BARE_BYTES];
};

enum dkim_finding { DKIM_NOT_VALID, DKIM_OPEN, DKIM_VALID };

struct eval_dkim { /* signatures, once their answers are looked at */
	bool known;
	struct {
		enum dkim_finding finding;
		bool is_weak;             /* its key is shorter than dkim_minimum_key_bits */
		bool is_test;             /* t=y */
	} signature[FACT_SIGNATURES_MAX]; /* as in struct facts */
};

struct eval_state {                      /* of the message in hand */
	struct eval_addresses addresses; /* scratch of the function that runs */
	struct eval_recipients recipients;
	struct eval_addresses from; /* who the message says it is from */
	bool from_known;
	struct eval_addresses emails; /* distinct freemail addresses of the body */
	bool emails_known, emails_too_many;
	struct eval_hosts hosts;
	struct eval_labels labels;
	struct eval_dkim dkim;
	struct eval_spf spf;
	bool dmarc_is_asked;
	bool vertical_known;
	int32_t vertical_percent;
	bool upper_known;
	double upper_percent;
	struct eval_words *words;
	struct eval_uris *uris;
	struct eval_parts *parts;
	struct eval_bare bare;
	uint8_t part_memory[EVAL_PART_BYTES], joined_memory[EVAL_PART_BYTES]; /* headers of parts */
};

struct eval_call {
	struct scan_context *context;
	const struct ruleset *ruleset;
	const struct texts *texts;
	const struct facts *facts; /* those of `texts`; empty ones when it has none */
	const struct blob_eval *eval;
	struct eval_state *state;
};

typedef int32_t eval_function(const struct eval_call *call);
#define EVAL(name, help, arguments, selectors, facts, asks) eval_function eval_##name;
#include "classifier/eval.def"

/* eval_freemail.c: see eval_bares_body; `call` needs no rule. */
bool eval_bare_body(struct eval_call *call);

/* eval_freemail.c: the end of what makes an address in a line one of quoted mail; 0: it is none. */
size_t eval_quoted_email_end(struct bytes line, struct bytes email);
/* The end of the web address that begins at `at` and holds a mail address; `at`: none does. */
size_t eval_web_address_end(struct bytes line, size_t at);

/* NULL when memory is out. */
struct eval_state *eval_state_new(void);
void eval_state_free(struct eval_state *state);
/* Forgets the message before. */
void eval_begin(struct scan_context *context);
/* Whether rules see the body without addresses of quoted mail: so it is, from the moment they were
 * looked for, in mail from a free provider. */
bool eval_bares_body(struct scan_context *context, const struct texts *texts);
/* A segment of the body as rules see it then. */
struct bytes eval_bare_segment(const struct eval_state *state, const struct text *body,
                               uint32_t segment);
/* Runs every eval rule; fills context->state of each. */
void eval_run(struct scan_context *context, const struct texts *texts);

/* The sections of a generation, verified: afterwards no index in them needs a check (eval_open.c).
 */
bool eval_sections_are_sound(struct ruleset *ruleset);
MUST_CHECK enum err eval_open(struct ruleset *ruleset, char *reason);
void eval_close(struct ruleset *ruleset);

/* eval_uri_detail.c: patterns of conditions. */
MUST_CHECK enum err uri_details_open(struct ruleset *ruleset, char *reason);
void uri_details_close(struct ruleset *ruleset);

/* redirect.c: patterns that tell where URIs lead. */
MUST_CHECK enum err redirects_open(struct ruleset *ruleset, char *reason);
void redirects_close(struct ruleset *ruleset);

/* The text of the kind the rule is of: a body or a rawbody rule may call the same function. */
const struct text *eval_own_text(const struct eval_call *call);
/* Arguments and headers by their numbers in eval.def. A header that is missing is empty. */
static inline struct bytes eval_text(const struct eval_call *call, uint32_t argument)
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	const struct blob_eval_argument *a = &e->argument[call->eval->argument + argument];

	return argument < call->eval->argument_count ? bytes_of(e->texts + a->text, a->bytes)
	                                             : bytes_of(NULL, 0);
}

static inline double eval_number(const struct eval_call *call, uint32_t argument)
{
	DEBUG_ASSERT(argument < call->eval->argument_count);
	return call->ruleset->evals.argument[call->eval->argument + argument].number;
}

/* [a, b) of two arguments of which either may be unlimited. */
bool eval_in_range(const struct eval_call *call, uint32_t argument, double value);
bool eval_has_header(const struct eval_call *call, uint32_t header);
struct bytes eval_header(const struct eval_call *call, uint32_t header);
/* The first of the values, which is what a single address, name or host is. */
struct bytes eval_first(const struct eval_call *call, uint32_t header);
/* The next line of `rest`, without its end; false when there is none. */
bool eval_next_line(struct bytes *rest, struct bytes *out_line);

/* Whether one of the fixed patterns, or the rule's own, matches. A match limit counts as no. */
bool eval_matches(const struct eval_call *call, enum eval_pattern pattern, struct bytes subject);
bool eval_rule_matches(const struct eval_call *call, struct bytes subject);
struct pattern;
bool eval_pattern_matches(const struct eval_call *call, const struct pattern *pattern,
                          struct bytes subject);
/* Whether the rule's own pattern may match what stands for a header that is absent. */
bool eval_absent_matches(const struct eval_call *call);
/* As eval_matches; gives the first group and the end of the match as offsets. */
struct eval_match {
	size_t group, group_len, end;
	bool grouped; /* else the group is the whole match */
};
bool eval_find(const struct eval_call *call, enum eval_pattern pattern, struct bytes subject,
               size_t from, struct eval_match *out_match);

bool eval_rule_find(const struct eval_call *call, struct bytes subject, size_t from,
                    struct eval_match *out_match);

/* What group `name` of a header rule's pattern holds in its header, or of a URI rule's in the first
 * URI where it holds something; empty when it does not match. */
struct bytes eval_captured_text(const struct eval_call *call, uint32_t rule, struct bytes name);

/* eval_domain.c */
static inline uint8_t eval_lower(uint8_t octet)
{
	return bytes_lower(octet);
}

bool eval_contains_nocase(struct bytes text, struct bytes part, size_t *out_at);
bool eval_contains(struct bytes text, struct bytes part);
/* A glob with * and ? against all of `text`, without regard to case (the glob is lower case). A '*'
 * does not stand for `stop`; 0: it stands for anything. */
bool eval_glob(struct bytes glob, struct bytes text, uint8_t stop);
/* Looks in a list's exact entries and, with `wild`, in the others; NULL when nothing fits. */
const struct blob_list_entry *eval_list_find(const struct ruleset *ruleset, uint32_t list,
                                             struct bytes text, bool wild);
/* The index of a list by its argument; false when nothing was ever put on it. */
bool eval_list_argument(const struct eval_call *call, uint32_t argument, uint32_t *out_list);
/* The part of a host's name somebody registered, by the rule files' suffixes. */
struct bytes eval_registered_domain(const struct ruleset *ruleset, struct bytes host);
bool eval_has_valid_tld(const struct ruleset *ruleset, struct bytes host);

/* eval_address.c: who the message says it is from: whoever sent it again, else all that claim it.
 * The function's first headers are FROM_HEADERS of eval.def. */
const struct eval_addresses *eval_from_addresses(const struct eval_call *call);
/* Adds the addresses of `header`, without equals. */
void eval_add_addresses(const struct eval_call *call, uint32_t header, struct eval_addresses *to);

/* eval_spf.c: asks what the rule wants. */
void eval_spf_questions(const struct eval_call *call, question_seen *seen, void *seen_context);

/* eval_dmarc.c: asks what the rule wants. */
void eval_dmarc_questions(const struct eval_call *call, question_seen *seen, void *seen_context);

/* eval_email.c: the next address in a line of text, from `*at` on, which moves behind it. Its
 * top-level domain exists. */
bool eval_next_email(const struct ruleset *ruleset, struct bytes line, size_t *at,
                     struct bytes *out_email);

/* eval_charset.c: a part is in a character set of none of ok_locales. */
bool eval_mime_charset_is_faraway(const struct eval_call *call);

/* eval_uri.c, eval_pattern_rule.c: what they keep of a message; zeroed memory is nothing yet. */
size_t eval_uris_bytes(void);
void eval_uris_forget(struct eval_uris *uris);
size_t eval_parts_bytes(void);
void eval_parts_forget(struct eval_parts *parts);

/* eval_words.c: the words of a message's text and HTML forms, and how they differ. */
size_t eval_words_bytes(void); /* zeroed memory is an empty table */
/* To be asked again of the next message. */
void eval_words_forget(struct eval_words *words);

/* eval_uri.c: the host of a URI in canonical form; false for addresses of mail and what has no
 * valid one. */
bool eval_uri_host(const struct eval_call *call, struct bytes uri, struct bytes *out_host);

/* eval_relay.c: one relay of an X-Spam-Relays string. */
struct eval_relay {
	struct bytes ip, rdns, helo, by;
};
bool eval_next_relay(struct bytes *rest, struct eval_relay *out_relay);
bool eval_is_ip4(struct bytes text);
bool eval_is_private_ip(struct bytes text);

#endif
