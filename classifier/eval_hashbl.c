/* eval_hashbl.c - eval functions that ask DNS lists for digests of what a message has: addresses of
 * mail, URIs, matches of a pattern in the text, tags.
 *
 * What is asked for, in which form, and what is left out follows SpamAssassin 4.0.1; of more than
 * there are to be asked it takes some by chance, we the first.
 */
#include <nettle/md5.h>
#include <nettle/nettle-meta.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "base/addr.h"
#include "classifier/eval_net.h"
#include "classifier/eval_signature.h"
#include "classifier/pattern_set.h"
#include "classifier/ruleset_pattern.h"

#define CHUNK_BYTES       256u
#define EMAIL_BYTES       512u
#define RAW_BYTES_MAX     253u
#define DIGEST_TEXT_BYTES (2 * SHA1_DIGEST_SIZE + 24) /* 40 digits, or 52 of base 32 */

/* Arguments; what is behind them are headers, or a tag. */
enum { LIST, OPTIONS, WHAT, SUBTEST, ACCESS_LIST, REST };
enum { PART_LEAST = ACCESS_LIST, PART_MOST, PART_ARGUMENTS };

enum { EMAIL_RECIPIENTS = 6, EMAIL_RECIPIENTS_END = 10 }; /* headers, behind FROM_HEADERS */

static uint32_t options(const struct eval_call *call)
{
	return (uint32_t)eval_number(call, OPTIONS);
}

/* The next octets of what the digest is made of. */
static size_t fold(uint32_t flags, struct bytes *rest, uint8_t chunk[CHUNK_BYTES])
{
	size_t len = 0;

	while (rest->len > 0 && len < CHUNK_BYTES) {
		uint8_t c = rest->data[0];

		*rest = bytes_slice(*rest, 1, SIZE_MAX);
		if ((flags & HASHBL_NUM) != 0 && (c < '0' || c > '9'))
			continue;
		chunk[len++] = (flags & HASHBL_CASE) != 0 ? c : eval_lower(c);
	}
	return len;
}

/* RFC 4648 6, small letters, nothing at the end. */
static size_t write_base32(const uint8_t *digest, size_t bytes, char *out)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	size_t len = 0;

	for (size_t bit = 0; bit < bytes * 8; bit += 5) {
		size_t at = bit / 8;
		unsigned pair = (unsigned)digest[at] << 8 | (at + 1 < bytes ? digest[at + 1] : 0);

		out[len++] = digits[pair >> (11 - bit % 8) & 31];
	}
	return len;
}

static size_t write_hex(const uint8_t *digest, size_t bytes, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	return 2 * bytes;
}

/* The digest of a value, or itself, as it is asked for; 0: there is nothing, or too much. */
static size_t write_label(uint32_t flags, struct bytes value, char *out, size_t room)
{
	const struct nettle_hash *hash = (flags & HASHBL_SHA256) != 0 ? &nettle_sha256
	                                 : (flags & HASHBL_SHA1) != 0 ? &nettle_sha1
	                                                              : &nettle_md5;
	union {
		struct md5_ctx md5;
		struct sha1_ctx sha1;
		struct sha256_ctx sha256;
	} state;
	uint8_t chunk[CHUNK_BYTES], digest[SHA256_DIGEST_SIZE];
	size_t len, total = 0;

	if ((flags & (HASHBL_SHA256 | HASHBL_SHA1 | HASHBL_MD5)) == 0) {
		len = fold(flags, &value, chunk);
		if (len > RAW_BYTES_MAX || len > room || value.len > 0)
			return 0;
		memcpy(out, chunk, len);
		return len;
	}
	hash->init(&state);
	while ((len = fold(flags, &value, chunk)) > 0) {
		hash->update(&state, len, chunk);
		total += len;
	}
	if (total == 0 || room < DIGEST_TEXT_BYTES)
		return 0;
	hash->digest(&state, hash->digest_size, digest);
	return (flags & HASHBL_SHA256) != 0 ? write_base32(digest, hash->digest_size, out)
	                                    : write_hex(digest, hash->digest_size, out);
}

static bool is_full(const struct eval_call *call)
{
	uint32_t most = (uint32_t)eval_number(call, WHAT);

	return call->state->labels.count >= (most < EVAL_LABELS_MAX ? most : EVAL_LABELS_MAX);
}

static bool is_ignored(const struct eval_call *call, struct bytes text)
{
	return eval_list_find(call->ruleset, EVAL_LIST_HASHBL_IGNORE, text, false) != NULL;
}

/* The label that was written behind the last one, unless it is among them. */
static void add_label(const struct eval_call *call, size_t len, bool ignored)
{
	struct eval_labels *labels = &call->state->labels;
	struct bytes label = bytes_of(labels->memory + labels->bytes, len);

	for (uint32_t i = 0; i < labels->count; i++)
		if (bytes_equal(labels->item[i].text, label))
			return;
	labels->item[labels->count].text = label;
	labels->item[labels->count++].ignored = ignored || is_ignored(call, label);
	labels->bytes += (uint32_t)len;
}

static void add_value(const struct eval_call *call, struct bytes value)
{
	struct eval_labels *labels = &call->state->labels;
	size_t len;

	if (is_full(call))
		return;
	len = write_label(options(call), value, labels->memory + labels->bytes,
	                  sizeof(labels->memory) - labels->bytes);
	if (len > 0)
		add_label(call, len, is_ignored(call, value));
}

static bool is_skipped(const struct eval_call *call, struct bytes host)
{
	const struct ruleset *r = call->ruleset;

	return eval_list_find(r, EVAL_LIST_URIDNSBL_SKIP, host, false) != NULL ||
	       eval_list_find(r, EVAL_LIST_URIDNSBL_SKIP, eval_registered_domain(r, host), false) !=
	           NULL;
}

/* Addresses of mail */

static bool has_capital(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] >= 'A' && text.data[i] <= 'Z')
			return true;
	return false;
}

/* Whether its domain is one the rule asks about, and nobody has welcomed it. */
static bool is_asked(const struct eval_call *call, struct bytes email, struct bytes domain)
{
	uint32_t access = (uint32_t)eval_number(call, ACCESS_LIST);
	char except[QUESTION_NAME_BYTES];

	if (access >= HASHBL_ACCESS_LISTS) {
		uint32_t list = access - HASHBL_ACCESS_LISTS;

		/* Written as domains are; capitals are none of them. */
		if (domain.len + 1 >= sizeof(except) || has_capital(domain) ||
		    eval_list_find(call->ruleset, list, domain, false) == NULL)
			return false;
		except[0] = '!';
		memcpy(except + 1, domain.data, domain.len);
		if (eval_list_find(call->ruleset, list, bytes_of(except, domain.len + 1), false) !=
		    NULL)
			return false;
	}
	for (uint32_t h = EMAIL_RECIPIENTS; !has_capital(email) && h < EMAIL_RECIPIENTS_END; h++) {
		struct bytes rest = eval_header(call, h), line;

		for (uint32_t i = 0; i < EVAL_ADDRESSES_MAX && eval_next_line(&rest, &line); i++)
			if (bytes_equal_nocase(line, email))
				return false;
	}
	if (eval_matches(call, EVAL_PATTERN_FREEMAIL_EXEMPT, email))
		return false;
	return access != HASHBL_ACCESS_NONE || !is_skipped(call, domain);
}

/* The address at the domain that its own stands for, when it does; false: it does not fit. */
static bool resolve_alias(const struct eval_call *call, struct bytes *in_out_email,
                          uint8_t memory[EMAIL_BYTES])
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	struct bytes domain = bytes_behind_last(*in_out_email, '@');
	size_t user = in_out_email->len - domain.len; /* the @ with it */
	const struct blob_list_entry *alias = eval_list_find(
	    call->ruleset, EVAL_LIST_HASHBL_ALIASES, domain, false);

	if (alias == NULL || domain.len == 0)
		return true;
	if (user + alias->second_bytes > EMAIL_BYTES)
		return false;
	memcpy(memory, in_out_email->data, user);
	memcpy(memory + user, e->texts + alias->second, alias->second_bytes);
	*in_out_email = bytes_of(memory, user + alias->second_bytes);
	return true;
}

static void add_email(const struct eval_call *call, struct bytes email)
{
	uint8_t resolved[EMAIL_BYTES];

	if (!resolve_alias(call, &email, resolved))
		return;

	struct bytes domain = bytes_behind_last(email, '@');
	struct bytes user = bytes_slice(email, 0, email.len - domain.len - (domain.len > 0));
	uint32_t flags = options(call);
	uint8_t memory[EMAIL_BYTES];
	size_t len = 0;

	if (domain.len == 0 || email.len >= sizeof(memory) || !is_asked(call, email, domain))
		return;
	if ((flags & HASHBL_NOTAG) != 0)
		user = bytes_slice(user, 0, bytes_find(user, '+'));
	for (size_t i = 0; i < user.len; i++)
		if (user.data[i] != '.' || (flags & HASHBL_NODOT) == 0)
			memory[len++] = user.data[i];
	if ((flags & HASHBL_DOMAIN) != 0)
		domain = eval_registered_domain(call->ruleset, domain);
	if ((flags & (HASHBL_DOMAIN | HASHBL_HOST)) != 0)
		len = 0;
	else if ((flags & HASHBL_USER) == 0)
		memory[len++] = '@';
	if ((flags & HASHBL_USER) == 0 || (flags & (HASHBL_DOMAIN | HASHBL_HOST)) != 0) {
		memcpy(memory + len, domain.data, domain.len);
		len += domain.len;
	}
	add_value(call, bytes_of(memory, len));
}

/* Where the web address ends that the octet at `to` lies in; 0: it lies in none. */
static size_t web_end(struct bytes line, size_t from, size_t to)
{
	for (size_t at = from; at < to; at++) {
		size_t end = eval_lower(line.data[at]) == 'h' ? eval_web_address_end(line, at) : at;

		if (end > to)
			return end;
		if (end > at)
			at = end - 1;
	}
	return 0;
}

static void add_emails_of(const struct eval_call *call, struct bytes text, uint32_t left_out)
{
	struct bytes email;
	size_t at = 0, from = 0;

	while (!is_full(call) && eval_next_email(call->ruleset, text, &at, &email)) {
		size_t start = (size_t)(email.data - text.data), end = 0;

		if ((left_out & HASHBL_NOURI) != 0)
			end = web_end(text, from, start);
		if (end == 0 && (left_out & HASHBL_NOQUOTE) != 0)
			end = eval_quoted_email_end(text, email);
		from = at = end > at ? end : at;
		if (end == 0)
			add_email(call, email);
	}
}

static void add_emails_of_body(const struct eval_call *call)
{
	const struct text *body = &call->texts->kind[TEXT_BODY];
	const struct facts *facts = call->facts;

	for (uint32_t i = 0; i < facts->uri_count && !is_full(call); i++) {
		const struct fact_uri *uri = &facts->uri[i];

		/* Those that show in the text are found there. */
		if ((uri->types >> FACT_URI_a & 1) != 0 &&
		    (uri->types >> FACT_URI_parsed & 1) == 0 &&
		    bytes_starts_nocase(uri->raw, BYTES("mailto:")))
			add_emails_of(call, bytes_slice(uri->raw, 7, SIZE_MAX), 0);
	}
	for (uint32_t i = 0; i < body->segment_count && !is_full(call); i++)
		add_emails_of(call, text_segment(body, i),
		              options(call) & (HASHBL_NOURI | HASHBL_NOQUOTE));
}

static void add_emails(const struct eval_call *call)
{
	if ((options(call) & HASHBL_ALL_FROM) != 0) {
		const struct eval_addresses *from = eval_from_addresses(call);

		for (uint32_t i = 0; i < from->count; i++)
			add_email(call, from->item[i]);
	}
	for (uint32_t i = REST; i < call->eval->argument_count; i++)
		add_emails_of(call, eval_header(call, EMAIL_RECIPIENTS_END + i - REST), 0);
	if ((options(call) & HASHBL_BODY) != 0)
		add_emails_of_body(call);
}

/* URIs */

static bool has_asked_host(const struct eval_call *call, const struct fact_uri *uri)
{
	bool found = false;

	for (uint32_t i = 0; i < uri->form_count; i++) {
		struct bytes host, form = text_segment(&call->texts->kind[TEXT_URI],
		                                       call->facts->uri_form[uri->form_first + i]);

		if (!eval_uri_host(call, form, &host))
			continue;
		if (is_skipped(call, host))
			return false;
		found = true;
	}
	return found;
}

static void add_uris(const struct eval_call *call)
{
	const struct facts *facts = call->facts;
	uint32_t wanted = 1u << FACT_URI_a | 1u << FACT_URI_parsed;

	for (uint32_t i = 0; i < facts->uri_count && !is_full(call); i++) {
		const struct fact_uri *uri = &facts->uri[i];

		if ((uri->types & wanted) == 0 || bytes_starts_nocase(uri->raw, BYTES("mailto:")) ||
		    !has_asked_host(call, uri))
			continue;
		for (uint32_t k = 0; k < uri->form_count; k++)
			add_value(call, text_segment(&call->texts->kind[TEXT_URI],
			                             facts->uri_form[uri->form_first + k]));
	}
}

/* Parts */

static bool is_of_size(const struct eval_call *call, uint32_t bytes)
{
	uint32_t most = (uint32_t)eval_number(call, PART_MOST);

	return bytes > 0 && bytes >= (uint32_t)eval_number(call, PART_LEAST) &&
	       (most == 0 || bytes <= most);
}

/* False: nobody knows its digest. */
static bool add_part(const struct eval_call *call, uint32_t index)
{
	static const struct {
		uint32_t flag;
		enum part_digest kind;
		size_t bytes;
	} kinds[] = {{HASHBL_SHA256, PART_SHA256, SHA256_DIGEST_SIZE},
	             {HASHBL_SHA1, PART_SHA1, SHA1_DIGEST_SIZE},
	             {HASHBL_MD5, PART_MD5, MD5_DIGEST_SIZE}};
	const struct part_digests *digests = &call->facts->digests;
	const struct fact_part *part = &call->facts->part[index];
	struct eval_labels *labels = &call->state->labels;
	uint8_t digest[PART_DIGEST_BYTES];
	char *label = labels->memory + labels->bytes;
	uint32_t part_bytes;
	size_t k = 0;

	if (is_ignored(call, part->type) || is_ignored(call, part->name))
		return true;
	if (sizeof(labels->memory) - labels->bytes < DIGEST_TEXT_BYTES)
		return false;
	while (k + 1 < sizeof(kinds) / sizeof(kinds[0]) && (options(call) & kinds[k].flag) == 0)
		k++;
	if (digests->find == NULL ||
	    !digests->find(digests->context, index, kinds[k].kind, digest, &part_bytes))
		return false;
	if (is_of_size(call, part_bytes))
		add_label(call,
		          kinds[k].kind == PART_SHA256 ? write_base32(digest, kinds[k].bytes, label)
		                                       : write_hex(digest, kinds[k].bytes, label),
		          false);
	return true;
}

static void add_parts(struct walk *walk)
{
	const struct eval_call *call = walk->call;
	const struct facts *facts = call->facts;
	uint32_t end = facts->part_count;

	while (facts->is_cut && end > 0 && !facts->part[end - 1].is_leaf)
		end--;
	if (facts->is_cut && end > 0)
		end--;
	for (uint32_t i = 0; i < end && !is_full(call); i++)
		if (facts->part[i].is_leaf && facts->part[i].type.len > 0)
			walk->open |= !add_part(call, i);
	walk->open |= facts->is_cut && !is_full(call);
}

/* Matches and tags */

static void add_matches(const struct eval_call *call)
{
	const struct text *text = eval_own_text(call);

	for (uint32_t i = 0; i < text->segment_count; i++) {
		struct bytes segment = text_segment(text, i);
		struct eval_match match;
		size_t from = 0;

		while (!is_full(call) && eval_rule_find(call, segment, from, &match)) {
			if (match.grouped)
				add_value(call, bytes_slice(segment, match.group, match.group_len));
			from = match.end > from ? match.end : from + 1;
		}
	}
}

static void add_address(const struct eval_call *call, struct bytes text, const struct addr *addr)
{
	uint32_t flags = options(call);
	char memory[REVERSED_BYTES];

	if (((flags & HASHBL_IPV4) != 0 && !addr_is_ip4(addr)) ||
	    ((flags & HASHBL_IPV6) != 0 && addr_is_ip4(addr)))
		return;
	add_value(call, (flags & HASHBL_REVIP) != 0 ? net_reversed(addr, memory) : text);
}

static void add_tag_value(const struct eval_call *call, struct bytes value)
{
	uint32_t flags = options(call);
	bool full_name = net_is_full_name(value);
	struct addr addr;

	if (addr_parse(value, &addr) == OK) {
		add_address(call, value, &addr);
		return;
	}
	if ((flags & (HASHBL_IP | HASHBL_IPV4 | HASHBL_IPV6)) != 0 ||
	    ((flags & HASHBL_FQDN) != 0 && !full_name) || (full_name && is_skipped(call, value)) ||
	    ((flags & HASHBL_TLD) != 0 && !eval_has_valid_tld(call->ruleset, value)))
		return;
	if ((flags & HASHBL_TRIM) != 0 && full_name)
		value = eval_registered_domain(call->ruleset, value);
	add_value(call, value);
}

static void add_tag(struct walk *walk)
{
	struct eval_tag_values values;

	eval_tag_values(walk, ACCESS_LIST, 0, &values);
	walk->open |= values.open;
	for (uint32_t i = 0; i < values.count; i++)
		add_tag_value(walk->call, values.item[i]);
}

void hashbl_walk(struct walk *walk)
{
	const struct eval_call *call = walk->call;
	struct eval_labels *labels = &call->state->labels;
	enum question_kind kind = (options(call) & HASHBL_TXT) != 0 ? QUESTION_TEXT
	                                                            : QUESTION_ADDRESS;

	labels->count = labels->bytes = 0;
	switch (call->eval->function) {
	case EVAL_check_hashbl_emails:
		add_emails(call);
		break;
	case EVAL_check_hashbl_uris:
		add_uris(call);
		break;
	case EVAL_check_hashbl_bodyre:
		add_matches(call);
		break;
	case EVAL_check_hashbl_attachments:
		add_parts(walk);
		break;
	default:
		add_tag(walk);
		break;
	}
	for (uint32_t i = 0; i < labels->count; i++)
		if (!labels->item[i].ignored &&
		    !net_ask_below(walk, kind, labels->item[i].text, eval_text(call, LIST)))
			return;
}

/* The pattern an answer is to match has the place of a condition. */
static const struct pattern **subtest_of(const struct ruleset_evals *e,
                                         const struct blob_eval *eval)
{
	return e->detail + (size_t)(eval - e->eval) * URI_DETAIL_KEYS;
}

bool hashbl_fits(const struct eval_call *asker, const struct answer *answer)
{
	const struct pattern *subtest = *subtest_of(&asker->ruleset->evals, asker->eval);
	struct bytes rest = bytes_of(answer->text, answer->text_len);
	char text[ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < answer->address_count; i++) {
		struct addr addr = addr_from_ip4(answer->address[i]);

		if (eval_pattern_matches(asker, subtest, bytes_text(addr_format(&addr, text))))
			return true;
	}
	while (rest.len > 0) {
		size_t end = bytes_find(rest, '\0');

		if (eval_pattern_matches(asker, subtest, bytes_slice(rest, 0, end)))
			return true;
		rest = bytes_slice(rest, end + 1, SIZE_MAX);
	}
	return false;
}

bool hashbl_is_sound(const struct ruleset_evals *e, const struct blob_eval *eval)
{
	if (eval_asks(eval) != ASKS_DIGESTS)
		return true;

	switch (eval->function) {
	case EVAL_check_hashbl_emails:
		return eval->argument_count >= REST &&
		       e->argument[eval->argument + ACCESS_LIST].number <
		           HASHBL_ACCESS_LISTS + (double)e->list_count;
	case EVAL_check_hashbl_tag:
		return eval->argument_count == REST;
	case EVAL_check_hashbl_attachments:
		return eval->argument_count == PART_ARGUMENTS;
	default:
		return eval->argument_count == ACCESS_LIST;
	}
}

enum err hashbl_open(struct ruleset *ruleset, char *reason)
{
	struct ruleset_evals *e = &ruleset->evals;
	char why[PATTERN_REASON_BYTES];

	for (uint32_t i = 0; i < e->count; i++) {
		const struct blob_eval_argument *a;

		if (eval_asks(&e->eval[i]) != ASKS_DIGESTS)
			continue;
		a = &e->argument[e->eval[i].argument + SUBTEST];
		*subtest_of(e, &e->eval[i]) = pattern_set_take(
		    ruleset->patterns, bytes_of(e->texts + a->text, a->bytes), why);
		if (*subtest_of(e, &e->eval[i]) == NULL) {
			snprintf(reason, 200, "check_hashbl: %.120s", why);
			return ERR_SYNTAX;
		}
	}
	return OK;
}
