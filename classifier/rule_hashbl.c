/* rule_hashbl.c - calls of check_hashbl functions, read as SpamAssassin 4.0.1 does.
 *
 * However many arguments a line gives, the call that travels has all: list, options (flags), what
 * is looked at (how many are asked for at most), the pattern of answers; then what the function
 * needs beside.
 */
#include <stdlib.h>

#include "classifier/rule_define.h"
#include "classifier/rule_eval.h"

#define HEADERS_MAX     8u
#define FIXED_SELECTORS 10u /* of check_hashbl_emails */
#define MOST_STANDARD   10u

struct given { /* arguments as the line has them */
	struct bytes text[EVAL_ARGUMENTS_MAX];
	uint32_t count;
};

static struct bytes given_or(const struct given *given, uint32_t index, const char *standard)
{
	return index < given->count && given->text[index].len > 0 ? given->text[index]
	                                                          : bytes_text(standard);
}

static void put(struct rule_call *call, char kind, uint32_t number, struct bytes text)
{
	call->argument[call->argument_count] = (struct blob_eval_argument){.kind = (uint8_t)kind,
	                                                                   .number = number};
	call->text[call->argument_count++] = text;
}

/* The next of words with slashes between. */
static struct bytes next_word(struct bytes *rest)
{
	size_t end = bytes_find(*rest, '/');
	struct bytes word = bytes_trim(bytes_slice(*rest, 0, end));

	*rest = bytes_slice(*rest, end + 1, SIZE_MAX);
	return word;
}

struct options {
	uint32_t most;        /* that are asked for */
	uint32_t least_bytes; /* of parts; */
	uint32_t most_bytes;  /* 0: any */
};

/* "max=3"; false: it is another option. */
static bool read_number(struct bytes word, const char *key, uint32_t *out_number)
{
	struct bytes name = bytes_text(key);
	uint64_t number;

	if (!bytes_starts_nocase(word, name) ||
	    !bytes_to_u64(bytes_slice(word, name.len, SIZE_MAX), INT32_MAX, &number))
		return false;
	*out_number = (uint32_t)number;
	return true;
}

/* Options that are not known have no effect; one of ours has none: which of too many are asked
 * for is not left to chance. */
static uint32_t read_options(struct bytes text, struct options *out_options)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} known[] = {{"md5", HASHBL_MD5},
	             {"sha1", HASHBL_SHA1},
	             {"sha256", HASHBL_SHA256},
	             {"case", HASHBL_CASE},
	             {"nodot", HASHBL_NODOT},
	             {"notag", HASHBL_NOTAG},
	             {"nouri", HASHBL_NOURI},
	             {"noquote", HASHBL_NOQUOTE},
	             {"user", HASHBL_USER},
	             {"host", HASHBL_HOST},
	             {"domain", HASHBL_DOMAIN},
	             {"num", HASHBL_NUM},
	             {"ip", HASHBL_IP},
	             {"ipv4", HASHBL_IPV4},
	             {"ipv6", HASHBL_IPV6},
	             {"revip", HASHBL_REVIP},
	             {"fqdn", HASHBL_FQDN},
	             {"tld", HASHBL_TLD},
	             {"trim", HASHBL_TRIM | HASHBL_FQDN | HASHBL_TLD}};
	uint32_t flags = 0;

	*out_options = (struct options){.most = MOST_STANDARD};
	while (text.len > 0) {
		struct bytes word = next_word(&text);

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (bytes_equal_nocase(word, bytes_text(known[i].word)))
				flags |= known[i].flag;
		if (!read_number(word, "max=", &out_options->most) &&
		    !read_number(word, "minsize=", &out_options->least_bytes))
			(void)read_number(word, "maxsize=", &out_options->most_bytes);
	}
	if (out_options->most == 0)
		out_options->most = MOST_STANDARD;
	return flags;
}

/* "zone", "zone/A" or "zone/TXT". */
static const char *read_list(struct rule_reader *reader, struct bytes text, uint32_t *in_out_flags)
{
	size_t slash = bytes_find(text, '/');
	struct bytes type = bytes_slice(text, slash + 1, SIZE_MAX);

	if (bytes_equal_nocase(type, BYTES("TXT")))
		*in_out_flags |= HASHBL_TXT;
	else if (slash < text.len && !bytes_equal_nocase(type, BYTES("A")))
		return NULL;
	return rule_net_zone(reader, bytes_slice(text, 0, slash));
}

static bool put_headers(struct rule_reader *reader, struct bytes text, struct rule_call *call)
{
	uint32_t flags = 0, count = 0;

	while (text.len > 0) {
		struct bytes word = next_word(&text);

		if (bytes_equal(word, BYTES("ALLFROM"))) {
			flags |= HASHBL_ALL_FROM;
			continue;
		}
		if (bytes_equal(word, BYTES("body"))) {
			flags |= HASHBL_BODY;
			continue;
		}
		if (count++ == HEADERS_MAX)
			return false;
		put(call, 'h', 0, word);
		call->selector[call->selector_count++] = rule_pool_copy(&reader->pool, word);
	}
	call->argument[1].number += flags;
	return true;
}

/* "freemail" of lines hashbl_acl_freemail. */
static bool put_access_list(struct rule_reader *reader, struct bytes name, struct rule_call *call)
{
	uint32_t number = HASHBL_ACCESS_NONE, list;

	if (bytes_equal(name, BYTES("all"))) {
		number = HASHBL_ACCESS_ALL;
	} else if (name.len > 0) {
		list = rule_directive_list(reader,
		                           rule_pool_printf(&reader->pool, "#%.*s", (int)name.len,
		                                            (const char *)name.data));
		if (list == UINT32_MAX)
			return false;
		number = HASHBL_ACCESS_LISTS + list;
	}
	put(call, 's', number, name);
	return true;
}

/* "_TAG_" or "tag" */
static bool put_tag(struct rule_reader *reader, struct bytes text, struct rule_call *call)
{
	char *name;

	if (text.len > 2 && text.data[0] == '_' && text.data[text.len - 1] == '_')
		text = bytes_slice(text, 1, text.len - 2);
	name = rule_pool_copy(&reader->pool, text);
	for (char *c = name; *c != '\0'; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
	return rule_tag_add(reader, bytes_text(name), call);
}

enum rule_eval_result rule_hashbl_finish(struct rule_reader *reader, struct rule_call *in_out_call,
                                         const char **out_why)
{
	struct rule_call *call = in_out_call;
	bool emails = call->function == EVAL_check_hashbl_emails;
	bool parts = call->function == EVAL_check_hashbl_attachments;
	bool whole = parts || call->function == EVAL_check_hashbl_uris;
	struct given given = {.count = call->argument_count};
	struct bytes subtest;
	struct options options;
	uint32_t flags;

	memcpy(given.text, call->text, sizeof(given.text));
	call->argument_count = 0;
	call->selector_count = emails ? FIXED_SELECTORS : 0;
	flags = read_options(given_or(&given, 1, emails ? "sha1/notag/noquote" : "sha1"), &options);
	const char *zone = read_list(reader, given.text[0], &flags);
	if (zone == NULL) {
		*out_why = "the first argument is no name of a zone, or not asked for A or TXT";
		return RULE_EVAL_WRONG;
	}
	if (whole && (flags & (HASHBL_MD5 | HASHBL_SHA1 | HASHBL_SHA256)) == 0) {
		*out_why = "URIs and parts are asked for by a digest: md5, sha1 or sha256";
		return RULE_EVAL_WRONG;
	}
	subtest = given_or(&given, whole ? 2 : 3, "^127\\.");
	put(call, 's', 0, bytes_text(zone));
	put(call, 's', flags, given_or(&given, 1, ""));
	put(call, 's', options.most,
	    whole ? BYTES("") : given_or(&given, 2, "ALLFROM/Reply-To/body"));
	put(call, 's', 0, subtest);
	call->second_pattern = rule_pool_copy(&reader->pool, subtest);
	if (parts) {
		put(call, 's', options.least_bytes, BYTES(""));
		put(call, 's', options.most_bytes, BYTES(""));
	}
	if (call->function == EVAL_check_hashbl_bodyre)
		call->pattern = rule_pool_copy(&reader->pool, given.text[2]);
	if (call->function == EVAL_check_hashbl_tag && !put_tag(reader, given.text[2], call))
		return RULE_EVAL_UNKNOWN;
	/* SpamAssassin asks nothing for a list that nothing was put on. */
	if (emails && !put_access_list(reader, given_or(&given, 4, ""), call))
		return RULE_EVAL_NEVER;
	return emails && !put_headers(reader, call->text[2], call) ? RULE_EVAL_UNKNOWN
	                                                           : RULE_EVAL_OK;
}
