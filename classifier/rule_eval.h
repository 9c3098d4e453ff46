/* rule_eval.h - calls of eval functions and the lists they look into, made ready for the blob;
 * write side only. */
#ifndef CLASSIFIER_RULE_EVAL_H
#define CLASSIFIER_RULE_EVAL_H

#include "classifier/eval_blob.h"
#include "classifier/rule_read.h"

enum rule_eval_result {
	RULE_EVAL_OK,
	RULE_EVAL_NET,     /* a network check, whose value is 0 while there is no network */
	RULE_EVAL_NEVER,   /* with these settings the function never hits */
	RULE_EVAL_UNKNOWN, /* no such function here */
	RULE_EVAL_WRONG    /* the call is wrong */
};

struct rule_call { /* one call, read */
	enum eval_function function;
	struct blob_eval_argument argument[EVAL_ARGUMENTS_MAX];
	struct bytes text[EVAL_ARGUMENTS_MAX];
	uint32_t argument_count;
	char *selector[EVAL_SELECTORS_MAX];
	uint32_t selector_count;
	char *pattern;        /* of an argument of kind p; NULL: none */
	char *second_pattern; /* another one, that an argument has; likewise */
};

struct rule_evals { /* what the sections are made of */
	char *texts;
	uint32_t text_bytes, text_room;
	struct blob_eval *eval;
	uint32_t eval_count, eval_room;
	struct blob_eval_argument *argument;
	uint32_t argument_count, argument_room;
	uint32_t *selector;
	uint32_t selector_count, selector_room;
};

/* Reads rule->expr. With WRONG `out_why` says what and at which octet of the call. */
enum rule_eval_result rule_eval_parse(struct rule_reader *reader, const struct rule_text *rule,
                                      struct rule_call *out_call, const char **out_why);
/* The call a mimeheader rule becomes. */
void rule_eval_mimeheader(struct rule_pool *pool, const struct rule_text *rule,
                          struct rule_call *out_call);
/* The call a uri_detail rule becomes. */
void rule_eval_uri_detail(const struct rule_text *rule, struct rule_call *out_call);
/* rule_net.c: what is left to do with the call of a function that asks the network, once it is
 * read; and the call a check_uridnsbl rule becomes. */
enum rule_eval_result rule_net_finish(struct rule_reader *reader, const struct rule_text *rule,
                                      struct rule_call *in_out_call, const char **out_why);
enum rule_eval_result rule_net_uri(struct rule_reader *reader, const struct rule_text *rule,
                                   struct rule_call *out_call, const char **out_why);
/* rule_askdns.c: the call an askdns rule becomes; `text` is what follows its name. */
enum rule_eval_result rule_askdns(struct rule_reader *reader, struct bytes text,
                                  struct rule_call *out_call, const char **out_why);
/* Adds an argument for a tag; false: it is not known. */
bool rule_tag_add(struct rule_reader *reader, struct bytes name, struct rule_call *in_out_call);
/* The rule of this type whose pattern captures text as `name`; UINT32_MAX: none. */
uint32_t rule_eval_capturing(const struct rule_reader *reader, enum rule_type type,
                             const char *name);
/* rule_hashbl.c: what is left to do with the call of a check_hashbl function. */
enum rule_eval_result rule_hashbl_finish(struct rule_reader *reader, struct rule_call *in_out_call,
                                         const char **out_why);
/* A zone in lower case, no dot at its end; NULL: it cannot be one. */
char *rule_net_zone(struct rule_reader *reader, struct bytes text);
/* What answers are compared with: "n", "n-m" or "n/m" of numbers and IPv4 addresses, in decimal; an
 * address alone is "n-n". NULL: it is no such thing. */
char *rule_net_numbers(struct rule_reader *reader, struct bytes text);
/* The call a URI pattern with one %{NAME} at its end becomes, and in `out_pattern` what has to
 * match in front of it. False: the pattern is of another form, or no header rule captures NAME
 * (then `out_why` says so). */
bool rule_eval_captured(struct rule_reader *reader, const struct rule_text *rule,
                        struct rule_call *out_call, char **out_pattern, const char **out_why);
/* Adds the call of `rule` (its index in the blob), its selectors by `selector` (theirs). */
void rule_eval_add(struct rule_reader *reader, struct rule_evals *evals,
                   const struct rule_call *call, uint32_t rule, const uint16_t *selector);
/* Rules named by captured calls are indices of the reader; makes them indices of the blob. */
void rule_eval_renumber(struct rule_evals *evals, const uint32_t *index);
/* The sections BLOB_EVALS to BLOB_SETTINGS, indexed by their ids. */
void rule_eval_sections(struct rule_reader *reader, struct rule_evals *evals,
                        struct bytes *section);

#endif
