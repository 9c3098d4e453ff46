/* eval_freemail.c - eval functions about addresses of free mail providers. */
#include "classifier/eval.h"

#define LINKED_EMAILS_MAX 20u
#define BODY_EMAILS_MAX   40u
#define WEB_OCTETS_MAX    255u /* on either side of the address in it */

static bool in_list(const struct eval_call *call, uint32_t list, struct bytes text)
{
	return eval_list_find(call->ruleset, list, text, false) != NULL;
}

static bool in_wild_domains(const struct eval_call *call, struct bytes domain)
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	const struct blob_list *l = &e->list[EVAL_LIST_FREEMAIL_DOMAINS];

	for (uint32_t i = l->exact_count; i < l->entry_count; i++) {
		const struct blob_list_entry *entry = &e->entry[l->entry + i];

		if (eval_glob(bytes_of(e->texts + entry->text, entry->bytes), domain, '.'))
			return true;
	}
	return false;
}

static bool is_freemail(const struct eval_call *call, struct bytes email)
{
	struct bytes domain = bytes_behind_last(email, '@');

	if (domain.len == 0)
		domain = email;
	if (email.len == 0 || in_list(call, EVAL_LIST_FREEMAIL_WELCOMELIST, email) ||
	    in_list(call, EVAL_LIST_FREEMAIL_WELCOMELIST, domain))
		return false;
	if (!in_list(call, EVAL_LIST_FREEMAIL_DOMAINS, domain) && !in_wild_domains(call, domain))
		return false;
	return !eval_matches(call, EVAL_PATTERN_FREEMAIL_EXEMPT, email);
}

/* Addresses are compared in lower case. The rule's own pattern sees them so, in a small copy. */
static bool pattern_fits(const struct eval_call *call, uint32_t argument, struct bytes email)
{
	uint8_t copy[512];

	if (argument >= call->eval->argument_count)
		return true;
	email.len = email.len < sizeof(copy) ? email.len : sizeof(copy);
	for (size_t i = 0; i < email.len; i++)
		copy[i] = eval_lower(email.data[i]);
	return eval_rule_matches(call, bytes_of(copy, email.len));
}

static bool any_fits(const struct eval_call *call, const struct eval_addresses *addresses,
                     uint32_t argument)
{
	for (uint32_t i = 0; i < addresses->count; i++)
		if (is_freemail(call, addresses->item[i]) &&
		    pattern_fits(call, argument, addresses->item[i]))
			return true;
	return false;
}

int32_t eval_check_freemail_from(const struct eval_call *call)
{
	return any_fits(call, eval_from_addresses(call), 0);
}

int32_t eval_check_freemail_header(const struct eval_call *call)
{
	eval_add_addresses(call, 0, &call->state->addresses);
	return any_fits(call, &call->state->addresses, 1);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool has(const struct eval_addresses *addresses, struct bytes email)
{
	for (uint32_t i = 0; i < addresses->count; i++)
		if (bytes_equal_nocase(addresses->item[i], email))
			return true;
	return false;
}

size_t eval_web_address_end(struct bytes line, size_t at)
{
	struct bytes rest = bytes_slice(line, at, SIZE_MAX);
	size_t start = bytes_starts_nocase(rest, BYTES("http://"))    ? 7
	               : bytes_starts_nocase(rest, BYTES("https://")) ? 8
	                                                              : 0;
	size_t last = 0, end = start;

	if (start == 0)
		return at;
	for (; end < rest.len && !is_blank(rest.data[end]) && end <= start + WEB_OCTETS_MAX; end++)
		if (rest.data[end] == '@')
			last = end + 1;
		else if (bytes_equal(bytes_slice(rest, end, 3), BYTES("%40")))
			last = end + 3;
	for (end = last;
	     end > 0 && end < rest.len && end < last + WEB_OCTETS_MAX && !is_blank(rest.data[end]);)
		end++;
	return at + end;
}

static void put(struct eval_bare *bare, struct bytes text)
{
	memcpy(bare->data + bare->bytes, text.data, text.len);
	bare->bytes += (uint32_t)text.len;
}

static struct bytes bare_from(const struct eval_bare *bare, uint32_t start)
{
	return bytes_of(bare->data + start, bare->bytes - start);
}

/* `line` behind what stands in `bare`, a blank for each web address that holds a mail address. */
static struct bytes without_web_addresses(struct eval_bare *bare, struct bytes line)
{
	uint32_t start = bare->bytes;
	size_t from = 0, end;

	for (size_t at = 0; at + 8 < line.len; at++) {
		if (eval_lower(line.data[at]) != 'h' ||
		    (end = eval_web_address_end(line, at)) == at)
			continue;
		if (at > from && line.data[at - 1] == '<')
			at--;
		put(bare, bytes_slice(line, from, at - from));
		put(bare, BYTES(" "));
		from = end;
		at = end - 1;
	}
	put(bare, bytes_slice(line, from, SIZE_MAX));
	return bare_from(bare, start);
}

/* The end of what makes an address one of quoted mail: '>', or "wrote:" or the like, but for
 * "fax:" and "tel:"; 0 when it is none. */
size_t eval_quoted_email_end(struct bytes line, struct bytes email)
{
	static const char *const own[] = {"fax",  "facsi", "tel",   "phone",
	                                  "mail", "email", "e-mail"};
	size_t start = (size_t)(email.data - line.data), at = start + email.len, blanks = 0,
	       word = 0;

	if (start >= 7 && bytes_starts_nocase(bytes_slice(line, start - 7, 7), BYTES("mailto:")))
		return 0;
	if (at < line.len && line.data[at] == '>')
		return at + 1;
	for (; at < line.len && is_blank(line.data[at]); at++)
		blanks++;
	while (at + word < line.len && eval_lower(line.data[at + word]) >= 'a' &&
	       eval_lower(line.data[at + word]) <= 'z')
		word++;
	if (blanks == 0 || blanks > 10 || word < 2 || word > 11 || at + word >= line.len ||
	    line.data[at + word] != ':')
		return 0;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (bytes_starts_nocase(bytes_slice(line, at, SIZE_MAX), bytes_text(own[i])))
			return 0;
	return at + word + 1;
}

/* A blank for each address of quoted mail in `line`, which lies at the end of `bare` and shrinks
 * there. */
static struct bytes without_quoted(const struct ruleset *ruleset, struct eval_bare *bare,
                                   struct bytes line)
{
	uint32_t start = bare->bytes - (uint32_t)line.len;
	size_t at = 0, from = 0, end;
	struct bytes email;

	bare->bytes = start;
	while (eval_next_email(ruleset, line, &at, &email)) {
		if ((end = eval_quoted_email_end(line, email)) == 0)
			continue;
		size_t stop = (size_t)(email.data - line.data);
		stop -= stop > from && line.data[stop - 1] == '<';
		memmove(bare->data + bare->bytes, line.data + from, stop - from);
		bare->bytes += (uint32_t)(stop - from);
		bare->data[bare->bytes++] = ' ';
		from = at = end;
	}
	memmove(bare->data + bare->bytes, line.data + from, line.len - from);
	bare->bytes += (uint32_t)(line.len - from);
	return bare_from(bare, start);
}

/* A segment of the body without web addresses that hold mail addresses and without those of quoted
 * mail. Where there is no room to keep it, it is as it was. */
static struct bytes bare_line(const struct eval_call *call, uint32_t segment, struct bytes line)
{
	struct eval_bare *bare = &call->state->bare;
	uint32_t start = bare->bytes;

	if (bytes_find(line, '@') == line.len && bytes_find(line, '%') == line.len)
		return line;
	if (bare->count == EVAL_BARE_MAX || sizeof(bare->data) - start < line.len + 1)
		return line;
	struct bytes text = without_quoted(call->ruleset, bare, without_web_addresses(bare, line));
	if (text.len == line.len && memcmp(text.data, line.data, line.len) == 0) {
		bare->bytes = start;
		return line;
	}
	bare->segment[bare->count] = segment;
	bare->place[bare->count++] = (struct segment){start, (uint32_t)text.len};
	return text;
}

struct bytes eval_bare_segment(const struct eval_state *state, const struct text *body,
                               uint32_t segment)
{
	const struct eval_bare *bare = &state->bare;
	uint32_t low = 0, high = bare->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (bare->segment[middle] < segment)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == bare->count || bare->segment[low] != segment)
		return text_segment(body, segment);
	return bytes_of(bare->data + bare->place[low].start, bare->place[low].len);
}

/* Takes one more address of the body; false when there are too many to compare. */
static bool take_email(const struct eval_call *call, struct bytes email, struct eval_addresses *all)
{
	const double *setting = call->ruleset->evals.setting;
	struct eval_state *state = call->state;

	if (has(all, email) || all->count == EVAL_ADDRESSES_MAX)
		return true;
	all->item[all->count++] = email;
	if (setting[EVAL_SETTING_FREEMAIL_SKIP_WHEN_OVER_MAX] != 0 &&
	    all->count == (uint32_t)setting[EVAL_SETTING_FREEMAIL_MAX_BODY_EMAILS])
		return false;
	if (!is_freemail(call, email))
		return true;
	if (state->emails.count < EVAL_ADDRESSES_MAX)
		state->emails.item[state->emails.count++] = email;
	return setting[EVAL_SETTING_FREEMAIL_SKIP_WHEN_OVER_MAX] == 0 ||
	       state->emails.count != (uint32_t)setting[EVAL_SETTING_FREEMAIL_MAX_BODY_FREEMAILS];
}

/* Addresses HTML links to do not show in the text. */
static bool read_links(const struct eval_call *call, struct eval_addresses *all)
{
	for (uint32_t i = 0; i < call->facts->html_count; i++) {
		const struct fact_html *html = &call->facts->html[i];

		for (uint32_t k = 0; k < html->anchor_count && k < FACT_HTML_TEXTS_MAX &&
		                     all->count < LINKED_EMAILS_MAX;
		     k++) {
			struct bytes href = html->anchor[k].href, email;
			size_t at = 7;

			if (bytes_starts_nocase(href, BYTES("mailto:")) &&
			    eval_next_email(call->ruleset, href, &at, &email) &&
			    email.data == href.data + 7 && !take_email(call, email, all))
				return false;
		}
	}
	return true;
}

static bool read_body(const struct eval_call *call, struct eval_addresses *all)
{
	const struct text *body = &call->texts->kind[TEXT_BODY];

	if (!read_links(call, all))
		return false;
	for (uint32_t i = 0; i < body->segment_count && all->count < BODY_EMAILS_MAX; i++) {
		struct bytes line = bare_line(call, i, text_segment(body, i)), email;
		size_t at = 0;

		while (all->count < BODY_EMAILS_MAX &&
		       eval_next_email(call->ruleset, line, &at, &email))
			if (!take_email(call, email, all))
				return false;
	}
	return true;
}

/* False when the body has so many addresses that it is no letter from one to another. */
static bool know_emails(const struct eval_call *call)
{
	struct eval_state *state = call->state;
	struct eval_addresses *all = &state->addresses;

	if (!state->emails_known) {
		all->count = state->emails.count = 0;
		state->emails_too_many = !read_body(call, all);
		state->emails_known = true;
	}
	return !state->emails_too_many;
}

int32_t eval_check_freemail_body(const struct eval_call *call)
{
	return know_emails(call) && any_fits(call, &call->state->emails, 0);
}

enum { REPLY_FROM, REPLY_REPLY_TO, REPLY_ENVELOPE, REPLY_NONE };

static bool any_freemail(const struct eval_call *call, uint32_t header)
{
	struct bytes rest = eval_header(call, header), line;

	for (uint32_t i = 0; i < EVAL_ADDRESSES_MAX && eval_next_line(&rest, &line); i++)
		if (is_freemail(call, line))
			return true;
	return false;
}

static bool headers_share_address(const struct eval_call *call)
{
	struct bytes from = eval_header(call, REPLY_FROM), address, other;

	for (uint32_t i = 0; i < EVAL_ADDRESSES_MAX && eval_next_line(&from, &address); i++) {
		struct bytes reply = eval_header(call, REPLY_REPLY_TO);

		for (uint32_t k = 0; k < EVAL_ADDRESSES_MAX && eval_next_line(&reply, &other); k++)
			if (bytes_equal_nocase(address, other))
				return true;
	}
	return false;
}

/* Whether the body names a freemail address other than one of the header's. */
static bool body_differs(const struct eval_call *call, uint32_t header)
{
	if (!know_emails(call))
		return false;
	for (uint32_t i = 0; i < call->state->emails.count; i++) {
		struct bytes rest = eval_header(call, header), address;

		for (uint32_t k = 0; k < EVAL_ADDRESSES_MAX && eval_next_line(&rest, &address); k++)
			if (!bytes_equal_nocase(address, call->state->emails.item[i]))
				return true;
	}
	return false;
}

/* What decides when headers alone do not: that the body names another free address than this
 * header. REPLY_NONE: nothing. */
static int32_t reply_of_headers(const struct eval_call *call, uint32_t *out_header)
{
	bool reply = call->eval->argument_count > 0 &&
	             bytes_equal(eval_text(call, 0), BYTES("reply"));

	*out_header = REPLY_NONE;
	if (call->ruleset->evals.setting[EVAL_SETTING_FREEMAIL_SKIP_BULK_ENVFROM] != 0 &&
	    eval_has_header(call, REPLY_ENVELOPE) &&
	    eval_matches(call, EVAL_PATTERN_BULK_SENDER, eval_first(call, REPLY_ENVELOPE)))
		return 0;

	bool from_free = any_freemail(call, REPLY_FROM);
	bool reply_free = any_freemail(call, REPLY_REPLY_TO);
	if (from_free && reply_free && !headers_share_address(call))
		return 1;
	if (reply && ((eval_has_header(call, REPLY_REPLY_TO) && !reply_free) || !from_free))
		return 0;
	if (reply_free)
		*out_header = REPLY_REPLY_TO;
	else if (reply)
		*out_header = REPLY_FROM;
	return 0;
}

int32_t eval_check_freemail_replyto(const struct eval_call *call)
{
	uint32_t header;
	int32_t hit = reply_of_headers(call, &header);

	return hit || (header != REPLY_NONE && body_differs(call, header));
}

bool eval_bare_body(struct eval_call *call)
{
	const struct ruleset_evals *evals = &call->ruleset->evals;
	uint32_t header;

	for (uint32_t i = 0; i < evals->count; i++) {
		call->eval = &evals->eval[i];
		if (call->eval->function != EVAL_check_freemail_replyto)
			continue;
		(void)reply_of_headers(call, &header);
		if (header == REPLY_NONE)
			continue;
		(void)know_emails(call);
		return call->state->bare.count > 0;
	}
	return false;
}
