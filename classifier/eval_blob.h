/* eval_blob.h - how calls of eval functions and the lists they look into lie in a rule generation.
 *
 * Texts are offsets into BLOB_EVAL_TEXTS. A list's first `exact_count` entries have no wild
 * characters and ascend; the others are tried one by one.
 */
#ifndef CLASSIFIER_EVAL_BLOB_H
#define CLASSIFIER_EVAL_BLOB_H

#include <assert.h>
#include <stdint.h>

#define REDIRECTORS_MAX    64u
#define EVAL_ARGUMENTS_MAX 16u
#define EVAL_SELECTORS_MAX 24u /* of one call */

enum eval_function {
#define EVAL(name, help, arguments, selectors, facts, asks) EVAL_##name,
#include "classifier/eval.def"
	EVAL_FUNCTION_COUNT
};

enum { /* numbers of arguments of uri_detail */
       CONDITION_NONE,
       CONDITION_MATCHES,
       CONDITION_DIFFERS
};

enum { /* arguments of uri_detail, one a condition */
#define URI_DETAIL(key, forms) URI_DETAIL_##key,
#include "classifier/uri_detail.def"
       URI_DETAIL_KEYS
};

enum eval_list { /* lists every ruleset has; those with names follow */
#define LIST(directive, list, form) EVAL_LIST_##list,
#define NAMED(directive, form)
#define DELIST(directive, list)
#define DELIST_SIGNERS(directive, list)
#define NAMED_AS(directive, name, form)
#define NAMED_DELIST(directive)
#define CLEAR(directive, list)
#define CLEAR_BOUNDARIES(directive)
#include "classifier/eval_lists.def"
	         EVAL_LIST_FIXED
};

enum eval_setting {
#define EVAL_SETTING(directive, name, standard) EVAL_SETTING_##name,
#include "classifier/eval_settings.def"
	EVAL_SETTING_COUNT
};

struct blob_eval {
	uint32_t rule;
	uint16_t function;       /* enum eval_function */
	uint16_t selector_count; /* from `selector` on in BLOB_EVAL_SELECTORS */
	uint32_t selector;
	uint32_t argument; /* in BLOB_EVAL_ARGUMENTS */
	uint32_t argument_count;
};

enum net_flag { /* of rules that ask the network: `number` of their first argument */
	        NET_NICE = 1,
	        NET_DOMAINS_ONLY = 2,
	        NET_IPS_ONLY = 4,
	        NET_FULL_HOST = 8,       /* the whole host of a URI, not its registered domain */
	        NET_HOST_ADDRESS = 16,   /* by the addresses of the host */
	        NET_SERVER_ADDRESS = 32, /* by the addresses of its domain's name servers */
	        NET_TEXT = 64,           /* texts are asked for, not addresses */
	        NET_SERVER_NAME = 128,   /* by the names of the name servers */
	        NET_SERVER_DOMAIN = 256, /* by the domains of the name servers */
	        NET_CODE = 512,          /* codes of replies are asked for, of failures too */
	        NET_FLAGS_END = 1024
};

#define ASKDNS_TAGS_MAX 4u /* different ones in a template */

enum { /* arguments of askdns; tags are behind them */
       ASKDNS_TEMPLATE,
       ASKDNS_SUBTEST,
       ASKDNS_TYPES,
       ASKDNS_TAG
};

enum askdns_subtest { ASKDNS_ANY, ASKDNS_VALUE, ASKDNS_PATTERN, ASKDNS_CODES };

enum hashbl_flag { /* of check_hashbl functions: `number` of their second argument */
	           HASHBL_MD5 = 1,
	           HASHBL_SHA1 = 2,
	           HASHBL_SHA256 = 4, /* none of the three: the value itself */
	           HASHBL_CASE = 8,
	           HASHBL_NODOT = 0x10,
	           HASHBL_NOTAG = 0x20,
	           HASHBL_NOURI = 0x40,
	           HASHBL_NOQUOTE = 0x80,
	           HASHBL_USER = 0x100,
	           HASHBL_HOST = 0x200,
	           HASHBL_DOMAIN = 0x400,
	           HASHBL_NUM = 0x800,
	           HASHBL_IP = 0x1000,
	           HASHBL_IPV4 = 0x2000,
	           HASHBL_IPV6 = 0x4000,
	           HASHBL_REVIP = 0x8000,
	           HASHBL_FQDN = 0x10000,
	           HASHBL_TLD = 0x20000,
	           HASHBL_TRIM = 0x40000,
	           HASHBL_TXT = 0x80000,       /* texts are asked for, not addresses */
	           HASHBL_ALL_FROM = 0x100000, /* addresses the message says it is from */
	           HASHBL_BODY = 0x200000
};

enum { /* whose addresses check_hashbl_emails asks about: `number` of its fifth argument */
       HASHBL_ACCESS_NONE, /* those of domains that are not skipped */
       HASHBL_ACCESS_ALL,
       HASHBL_ACCESS_LISTS /* and the number of a list of domains */
};

enum eval_tag { /* `number` of arguments of kind t */
#define TAG(name, selector, help) EVAL_TAG_##name,
#include "classifier/eval_tags.def"
	        EVAL_TAG_HEADER,  /* the first line of its selector */
	        EVAL_TAG_CAPTURED /* and the number of a rule: what its group of this name holds */
};

struct blob_eval_argument {
	double number;        /* kinds n and u; of l the list's index; see net_flag */
	uint32_t text, bytes; /* every argument as written, quotes off */
	uint8_t kind;         /* a letter of eval.def */
	uint8_t unlimited;    /* of u: "undef" or "inf" */
	uint8_t unused[6];
};

struct blob_list {
	uint32_t name, name_bytes; /* of a named list */
	uint32_t entry, entry_count, exact_count;
};

struct blob_list_entry {
	uint32_t text, bytes;
	uint32_t second, second_bytes; /* a relay; "!" of an exception */
};

static_assert(sizeof(struct blob_eval) == 20, "fixed layout");
static_assert(sizeof(struct blob_eval_argument) == 24, "fixed layout");
static_assert(sizeof(struct blob_list) == 20, "fixed layout");

#endif
