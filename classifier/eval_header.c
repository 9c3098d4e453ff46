/* eval_header.c - eval functions about the form of headers. */
#include "classifier/eval.h"

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct bytes trim(struct bytes text)
{
	while (text.len > 0 && is_space(text.data[0]))
		text = bytes_slice(text, 1, SIZE_MAX);
	while (text.len > 0 && is_space(text.data[text.len - 1]))
		text.len--;
	return text;
}

static bool has_space(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (is_space(text.data[i]))
			return true;
	return false;
}

int32_t eval_check_for_matching_env_and_hdr_from(const struct eval_call *call)
{
	return bytes_equal_nocase(eval_first(call, 0), eval_first(call, 1));
}

/* The last two labels of the address's domain. */
static struct bytes second_level(struct bytes address)
{
	struct bytes domain = bytes_behind_last(address, '@');
	size_t dots = 0;

	for (size_t at = domain.len; at > 0; at--)
		if (domain.data[at - 1] == '.' && ++dots == 2 && at > 1)
			return bytes_slice(domain, at, SIZE_MAX);
	return domain;
}

int32_t eval_check_equal_from_domains(const struct eval_call *call)
{
	struct bytes from = second_level(eval_first(call, 0));
	struct bytes envelope = second_level(eval_first(call, 1));

	return from.len > 0 && envelope.len > 0 && !bytes_equal_nocase(from, envelope);
}

int32_t eval_check_for_missing_to_header(const struct eval_call *call)
{
	return eval_header(call, 0).len == 0 && eval_header(call, 1).len == 0;
}

/* Counts values that differ; those beyond the bound count once each. */
int32_t eval_check_header_count_range(const struct eval_call *call)
{
	struct eval_addresses *seen = &call->state->addresses;
	struct bytes rest = eval_header(call, 0), line;
	double count = 0;

	while (eval_next_line(&rest, &line)) {
		bool again = false;

		for (uint32_t i = 0; i < seen->count && !again; i++)
			again = bytes_equal(seen->item[i], line);
		if (again)
			continue;
		if (seen->count < EVAL_ADDRESSES_MAX)
			seen->item[seen->count++] = line;
		count++;
	}
	return count >= eval_number(call, 1) && count <= eval_number(call, 2);
}

/* The octets of one UTF-8 character at the beginning of `text`; 0 when it is none (RFC 3629). */
static size_t utf8_len(struct bytes text)
{
	uint8_t c = text.data[0];
	size_t len = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;

	if (len > text.len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((text.data[i] & 0xC0) != 0x80)
			return 0;
	if ((c == 0xE0 && text.data[1] < 0xA0) || (c == 0xED && text.data[1] > 0x9F) ||
	    (c == 0xF0 && text.data[1] < 0x90) || (c == 0xF4 && text.data[1] > 0x8F))
		return 0;
	return len;
}

static bool is_utf8(struct bytes text)
{
	while (text.len > 0) {
		size_t len = utf8_len(text);

		if (len == 0)
			return false;
		text = bytes_slice(text, len, SIZE_MAX);
	}
	return true;
}

/* RFC 2045: octets a header must not have as they are. Valid UTF-8 without controls is let through,
 * and so is a single cent, pound or registered sign of a Subject. */
int32_t eval_check_illegal_chars(const struct eval_call *call)
{
	struct bytes header = eval_header(call, 0), name = eval_text(call, 0);
	uint32_t illegal = 0, wide = 0, controls = 0, signs = 0;

	/* Without branches, so that compilers make vector code of it: all headers go through. */
	for (size_t i = 0; i < header.len; i++) {
		uint8_t c = header.data[i];
		uint8_t control = (c < 0x20) & (c != '\t') & (c != '\n') & (c != '\r');

		controls += control;
		wide += c >> 7;
		illegal += control | (c >= 0x7F);
		signs += (c == 0xA2) | (c == 0xA3) | (c == 0xAE);
	}
	if (trim(header).len == 0 || (wide > 0 && controls == 0 && is_utf8(header)))
		return 0;
	if (illegal > 0 && signs == 1 && bytes_starts_nocase(name, BYTES("subject")) &&
	    (name.len == 7 || name.data[7] == ':'))
		illegal--;
	return (double)illegal / (double)header.len >= eval_number(call, 1) &&
	       illegal >= eval_number(call, 2);
}

/* The numbers of Mailing-List, Delivered-To and Received in a function that asks this. */
static bool gated(const struct eval_call *call, uint32_t mailing_list, uint32_t delivered_to,
                  uint32_t received)
{
	struct bytes trace = eval_header(call, received);

	if (eval_matches(call, EVAL_PATTERN_EZMLM_LIST, eval_header(call, mailing_list)) &&
	    eval_matches(call, EVAL_PATTERN_EZMLM_DELIVERED, eval_header(call, delivered_to)) &&
	    eval_matches(call, EVAL_PATTERN_QMAIL_INVOKED, trace))
		return true;
	return !eval_has_header(call, received) ||
	       eval_matches(call, EVAL_PATTERN_MSN_GROUPS_HOP, trace);
}

int32_t eval_gated_through_received_hdr_remover(const struct eval_call *call)
{
	return gated(call, 0, 1, 2);
}

int32_t eval_check_messageid_not_usable(const struct eval_call *call)
{
	return eval_matches(call, EVAL_PATTERN_LIST_UNSUBSCRIBE, eval_header(call, 0)) ||
	       gated(call, 2, 3, 1) ||
	       eval_matches(call, EVAL_PATTERN_REWRITES_IDS, eval_header(call, 1));
}

int32_t eval_check_for_fake_aol_relay_in_rcvd(const struct eval_call *call)
{
	struct bytes received = eval_header(call, 0);

	return eval_matches(call, EVAL_PATTERN_AOL_RELAY, received) &&
	       !eval_matches(call, EVAL_PATTERN_AOL_MARK, received);
}

#define GOOGLE_FIELD_BYTES_MIN 60u

enum { GMAIL_FROM, GMAIL_STATE, GMAIL_SOURCE, GMAIL_X_RECEIVED, GMAIL_RECEIVED };

int32_t eval_check_for_forged_gmail_received_headers(const struct eval_call *call)
{
	if (!eval_matches(call, EVAL_PATTERN_FROM_GMAIL, eval_first(call, GMAIL_FROM)) ||
	    eval_matches(call, EVAL_PATTERN_GMAIL_X_RECEIVED,
	                 eval_header(call, GMAIL_X_RECEIVED)) ||
	    eval_matches(call, EVAL_PATTERN_GMAIL_RECEIVED, eval_header(call, GMAIL_RECEIVED)))
		return 0;
	return eval_header(call, GMAIL_STATE).len < GOOGLE_FIELD_BYTES_MIN ||
	       eval_header(call, GMAIL_SOURCE).len < GOOGLE_FIELD_BYTES_MIN;
}

enum {
	YAHOO_FROM,
	YAHOO_RECEIVED,
	YAHOO_X_RECEIVED,
	YAHOO_RESENT_FROM,
	YAHOO_RESENT_TO,
	YAHOO_MAILING_LIST,
	YAHOO_DELIVERED_TO,
	YAHOO_TRUSTED,
	YAHOO_UNTRUSTED
};

int32_t eval_check_for_forged_yahoo_received_headers(const struct eval_call *call)
{
	struct bytes from = eval_first(call, YAHOO_FROM);
	uint32_t header = YAHOO_RECEIVED;

	if (!eval_matches(call, EVAL_PATTERN_FROM_YAHOO, from))
		return 0;
	if (eval_header(call, YAHOO_RESENT_FROM).len > 0 &&
	    eval_header(call, YAHOO_RESENT_TO).len > 0 &&
	    eval_header(call, YAHOO_X_RECEIVED).len > 0)
		header = YAHOO_X_RECEIVED;
	struct bytes received = eval_header(call, header);
	if (gated(call, YAHOO_MAILING_LIST, YAHOO_DELIVERED_TO, YAHOO_RECEIVED) ||
	    eval_matches(call, EVAL_PATTERN_YAHOO_RELAY, eval_header(call, YAHOO_TRUSTED)) ||
	    eval_matches(call, EVAL_PATTERN_YAHOO_FIRST_RELAY, eval_header(call, YAHOO_UNTRUSTED)))
		return 0;
	return !eval_matches(call, EVAL_PATTERN_YAHOO_HOP, received) &&
	       !eval_matches(call, EVAL_PATTERN_YAHOO_NNFMP, received) &&
	       !(eval_matches(call, EVAL_PATTERN_YAHOO_BULK, received) &&
	         eval_matches(call, EVAL_PATTERN_FROM_YAHOO_REPLY, from));
}

enum { JUNO_FROM, JUNO_RECEIVED, JUNO_ORIGIN, JUNO_MAILER, JUNO_MAILING_LIST, JUNO_DELIVERED_TO };

int32_t eval_check_for_forged_juno_received_headers(const struct eval_call *call)
{
	struct bytes received = eval_header(call, JUNO_RECEIVED);
	struct bytes mailer = eval_header(call, JUNO_MAILER);
	size_t at;

	if (!eval_matches(call, EVAL_PATTERN_FROM_JUNO, eval_first(call, JUNO_FROM)) ||
	    gated(call, JUNO_MAILING_LIST, JUNO_DELIVERED_TO, JUNO_RECEIVED))
		return 0;
	if (eval_header(call, JUNO_ORIGIN).len > 0)
		return !eval_matches(call, EVAL_PATTERN_JUNO_HOP, received) ||
		       !eval_contains_nocase(mailer, BYTES("Juno "), &at);
	/* The older kind always names its origin; without one the mail is not theirs. */
	return 1;
}

enum { EUDORA_FROM, EUDORA_RECEIVED, EUDORA_SENDER_IP, EUDORA_MAILING_LIST, EUDORA_DELIVERED_TO };

int32_t eval_check_for_forged_eudoramail_received_headers(const struct eval_call *call)
{
	if (!eval_matches(call, EVAL_PATTERN_FROM_EUDORAMAIL, eval_first(call, EUDORA_FROM)) ||
	    gated(call, EUDORA_MAILING_LIST, EUDORA_DELIVERED_TO, EUDORA_RECEIVED))
		return 0;
	return !eval_matches(call, EVAL_PATTERN_EUDORAMAIL_HOP,
	                     eval_header(call, EUDORA_RECEIVED)) ||
	       !eval_matches(call, EVAL_PATTERN_IP, eval_header(call, EUDORA_SENDER_IP));
}

enum {
	HOTMAIL_FROM,
	HOTMAIL_RECEIVED,
	HOTMAIL_ORIGIN_IP,
	HOTMAIL_ORIGIN_ORG,
	HOTMAIL_MAILING_LIST,
	HOTMAIL_DELIVERED_TO,
	HOTMAIL_TO,
	HOTMAIL_MESSAGE_ID,
	HOTMAIL_ENVELOPE
};

/* Whether `text` holds `list`, then `ending`. */
static bool names_list(struct bytes text, struct bytes list, struct bytes ending)
{
	size_t at;

	return eval_contains_nocase(text, list, &at) &&
	       bytes_starts_nocase(bytes_slice(text, at + list.len, SIZE_MAX), ending);
}

/* A list of MSN groups took it from Hotmail without a trace. */
static bool came_by_msn_groups(const struct eval_call *call)
{
	struct bytes to = eval_header(call, HOTMAIL_TO), id = eval_header(call, HOTMAIL_MESSAGE_ID);
	struct bytes received = eval_header(call, HOTMAIL_RECEIVED);
	struct eval_match list, server;
	size_t at;

	if (!eval_find(call, EVAL_PATTERN_MSN_GROUPS_TO, to, 0, &list) ||
	    !eval_find(call, EVAL_PATTERN_MSN_PICKUP, received, 0, &server) || id.len == 0 ||
	    id.data[0] != '<')
		return false;
	struct bytes name = bytes_slice(to, list.group, list.group_len);
	if (bytes_equal(name, BYTES("notifications")))
		return eval_contains_nocase(
		    id, bytes_slice(received, server.group, server.group_len), &at);
	return names_list(bytes_slice(id, 1, SIZE_MAX), name, BYTES("-")) &&
	       eval_contains_nocase(id, BYTES("@groups.msn.com>"), &at) &&
	       names_list(eval_first(call, HOTMAIL_ENVELOPE), name,
	                  BYTES("-bounce@groups.msn.com"));
}

enum hotmail { HOTMAIL_FINE, HOTMAIL_HELO_FORGED, HOTMAIL_NOT_BY_THEM };

static enum hotmail hotmail(const struct eval_call *call)
{
	struct bytes received = eval_header(call, HOTMAIL_RECEIVED);
	bool helo = eval_contains(received, BYTES("hotmail.com")) &&
	            eval_matches(call, EVAL_PATTERN_HOTMAIL_HELO, received);

	if (!helo && !eval_matches(call, EVAL_PATTERN_FROM_HOTMAIL, eval_first(call, HOTMAIL_FROM)))
		return HOTMAIL_FINE;
	bool ip = eval_matches(call, EVAL_PATTERN_IP, eval_header(call, HOTMAIL_ORIGIN_IP));
	bool org = eval_matches(call, EVAL_PATTERN_HOTMAIL_ORIGINATOR,
	                        eval_header(call, HOTMAIL_ORIGIN_ORG));

	if (eval_matches(call, EVAL_PATTERN_HOTMAIL_PICKUP, received) || came_by_msn_groups(call) ||
	    gated(call, HOTMAIL_MAILING_LIST, HOTMAIL_DELIVERED_TO, HOTMAIL_RECEIVED))
		return HOTMAIL_FINE;
	if ((ip && eval_matches(call, EVAL_PATTERN_HOTMAIL_IP_HOP, received)) ||
	    (org && eval_matches(call, EVAL_PATTERN_HOTMAIL_ORG_HOP, received)))
		return HOTMAIL_FINE;
	return helo ? HOTMAIL_HELO_FORGED : HOTMAIL_NOT_BY_THEM;
}

int32_t eval_check_for_forged_hotmail_received_headers(const struct eval_call *call)
{
	return hotmail(call) == HOTMAIL_HELO_FORGED;
}

int32_t eval_check_for_no_hotmail_received_headers(const struct eval_call *call)
{
	return hotmail(call) == HOTMAIL_NOT_BY_THEM;
}

int32_t eval_check_ratware_name_id(const struct eval_call *call)
{
	struct bytes id = eval_header(call, 0), from = eval_header(call, 1);
	struct eval_match in_id, in_from = {0};

	if (!eval_find(call, EVAL_PATTERN_RATWARE_ID, id, 0, &in_id))
		return 0;
	struct bytes wanted = bytes_slice(id, in_id.group, in_id.group_len);
	while (eval_find(call, EVAL_PATTERN_QUOTED_NAME_ADDRESS, from, in_from.end, &in_from))
		if (bytes_equal(bytes_slice(from, in_from.group, in_from.group_len), wanted))
			return 1;
	return 0;
}

static bool is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (eval_lower(c) >= 'a' && eval_lower(c) <= 'z') || c == '_';
}

/* "domain", any octet, "user@" in the envelope sender. */
int32_t eval_check_ratware_envelope_from(const struct eval_call *call)
{
	struct bytes to = eval_first(call, 0), from = eval_first(call, 1);
	size_t sign = bytes_find(to, '@');
	struct bytes user = bytes_slice(to, 0, sign);
	size_t user_in_from;

	if (from.len == 0 || user.len == 0 || sign == to.len ||
	    !eval_contains_nocase(from, user, &user_in_from))
		return 0;
	struct bytes domain = eval_registered_domain(call->ruleset,
	                                             bytes_slice(to, sign + 1, SIZE_MAX));

	if (domain.len == 0 || eval_matches(call, EVAL_PATTERN_SRS_SENDER, from) ||
	    !eval_has_valid_tld(call->ruleset, domain))
		return 0;
	for (size_t at = 0; at + domain.len + user.len + 2 <= from.len; at++) {
		bool edge = (at > 0 && is_word(from.data[at - 1])) != is_word(from.data[at]);
		size_t user_at = at + domain.len + 1;

		if (edge && bytes_equal_nocase(bytes_slice(from, at, domain.len), domain) &&
		    bytes_equal_nocase(bytes_slice(from, user_at, user.len), user) &&
		    from.data[user_at + user.len] == '@')
			return 1;
	}
	return 0;
}

int32_t eval_check_unresolved_template(const struct eval_call *call)
{
	struct bytes rest = eval_header(call, 0), line;

	if (bytes_find(rest, '%') == rest.len)
		return 0;
	while (eval_next_line(&rest, &line))
		if (bytes_find(line, '%') < line.len &&
		    eval_matches(call, EVAL_PATTERN_TEMPLATE_VARIABLE, line) &&
		    !eval_matches(call, EVAL_PATTERN_TEMPLATE_EXEMPT, line))
			return 1;
	return 0;
}

int32_t eval_subject_is_all_caps(const struct eval_call *call)
{
	struct bytes subject = trim(eval_header(call, 0));
	struct eval_match prefix;
	bool letters = false;

	if (eval_find(call, EVAL_PATTERN_REPLY_PREFIX, subject, 0, &prefix))
		subject = bytes_slice(subject, prefix.end, SIZE_MAX);
	if (!has_space(subject) || subject.len < 10 ||
	    eval_matches(call, EVAL_PATTERN_CAPS_CHARSET, eval_header(call, 1)))
		return 0;
	for (size_t i = 0; i < subject.len; i++) {
		if (subject.data[i] >= 'a' && subject.data[i] <= 'z')
			return 0;
		letters |= subject.data[i] >= 'A' && subject.data[i] <= 'Z';
	}
	return letters;
}

static bool ends_here(struct bytes text)
{
	return text.len == 0 || (text.len == 1 && text.data[0] == '\n');
}

/* One of four forms a Subject may have that names the user: behind Re: or Fw:, with a sign and more
 * behind it, alone, or behind a comma. */
static bool names_user(struct bytes subject, struct bytes user)
{
	struct bytes behind = bytes_slice(subject, user.len, SIZE_MAX);
	static const char signs[] = ",:;!?-";

	if (bytes_starts_nocase(subject, user) && ends_here(behind))
		return true;
	if (subject.len >= user.len && bytes_equal(bytes_slice(subject, 0, user.len), user)) {
		while (behind.len > 0 && is_space(behind.data[0]))
			behind = bytes_slice(behind, 1, SIZE_MAX);
		if (behind.len > 0 && behind.data[0] != 0 && strchr(signs, behind.data[0]) &&
		    (behind.len == 1 || is_space(behind.data[1])))
			return true;
	}
	if (subject.len > 0 && subject.data[0] == ',') {
		struct bytes rest = bytes_slice(subject, 1, SIZE_MAX);

		while (rest.len > 0 && is_space(rest.data[0]))
			rest = bytes_slice(rest, 1, SIZE_MAX);
		behind = bytes_slice(rest, user.len, SIZE_MAX);
		if (bytes_starts_nocase(rest, user) && behind.len > 0 && behind.data[0] != 0 &&
		    strchr(signs, behind.data[0]) && ends_here(bytes_slice(behind, 1, SIZE_MAX)))
			return true;
	}
	if (!bytes_starts_nocase(subject, BYTES("re:")) &&
	    !bytes_starts_nocase(subject, BYTES("fw:")))
		return false;
	struct bytes rest = bytes_slice(subject, 3, SIZE_MAX);
	while (rest.len > 0 && is_space(rest.data[0]))
		rest = bytes_slice(rest, 1, SIZE_MAX);
	if (bytes_starts_nocase(rest, user) && ends_here(bytes_slice(rest, user.len, SIZE_MAX)))
		return true;
	size_t word = 0;
	while (word < rest.len && is_word(rest.data[word]))
		word++;
	rest = bytes_slice(rest, word, SIZE_MAX);
	if (word == 0 || rest.len == 0 || !is_space(rest.data[0]))
		return false;
	while (rest.len > 0 && is_space(rest.data[0]))
		rest = bytes_slice(rest, 1, SIZE_MAX);
	return bytes_starts_nocase(rest, user) && ends_here(bytes_slice(rest, user.len, SIZE_MAX));
}

int32_t eval_check_for_to_in_subject(const struct eval_call *call)
{
	struct bytes to = eval_first(call, 0), subject = eval_header(call, 1);
	size_t at;

	if (to.len == 0)
		return 0;
	if (bytes_equal(eval_text(call, 0), BYTES("user")))
		return names_user(subject, bytes_slice(to, 0, bytes_find(to, '@')));
	if (!bytes_equal(eval_text(call, 0), BYTES("address")) ||
	    !eval_contains_nocase(subject, to, &at))
		return 0;
	struct bytes behind = bytes_slice(subject, at + to.len, SIZE_MAX);
	return (at == 0 || !is_word(subject.data[at - 1])) &&
	       (behind.len == 0 || !is_word(behind.data[0]));
}

#define SORTED_COUNT_MIN  7u
#define SIMILAR_COUNT_MIN 5u
#define SIMILAR_BYTES     2u

static struct bytes host_of(struct bytes address)
{
	return bytes_slice(address, bytes_find(address, '@') + 1, SIZE_MAX);
}

static int compare(struct bytes a, struct bytes b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = memcmp(a.data, b.data, len);

	return order != 0 ? order : (int)(a.len > b.len) - (int)(a.len < b.len);
}

/* Pairs whose users begin alike, or whose different hosts do. */
static double likeness(const struct eval_addresses *all)
{
	double hits = 0, pairs = 0;

	for (uint32_t i = 0; i < all->count; i++) {
		struct bytes host = host_of(all->item[i]);

		for (uint32_t k = i + 1; k < all->count; k++) {
			struct bytes other = host_of(all->item[k]);

			hits += bytes_equal(bytes_slice(all->item[i], 0, SIMILAR_BYTES),
			                    bytes_slice(all->item[k], 0, SIMILAR_BYTES));
			hits += bytes_equal(bytes_slice(host, 0, SIMILAR_BYTES),
			                    bytes_slice(other, 0, SIMILAR_BYTES)) &&
			        !bytes_equal(host, other);
			pairs++;
		}
	}
	return hits / pairs;
}

/* Of To and Cc, and Bcc when those are few; neighbours that are the same count once. */
static void know_recipients(const struct eval_call *call)
{
	struct eval_recipients *r = &call->state->recipients;
	struct eval_addresses *all = &call->state->addresses;
	struct bytes line;
	uint32_t seen = 0;

	all->count = 0;
	for (uint32_t header = 0; header < 2 && seen < SIMILAR_COUNT_MIN; header++) {
		struct bytes rest = eval_header(call, header);

		while (all->count < EVAL_ADDRESSES_MAX && eval_next_line(&rest, &line)) {
			seen++;
			if (line.len > 0 && (all->count == 0 ||
			                     !bytes_equal_nocase(all->item[all->count - 1], line)))
				all->item[all->count++] = line;
		}
	}
	*r = (struct eval_recipients){.known = true, .sorted = all->count >= SORTED_COUNT_MIN};
	for (uint32_t i = 1; i < all->count && r->sorted; i++)
		r->sorted = compare(all->item[i - 1], all->item[i]) <= 0;
	if (all->count >= SIMILAR_COUNT_MIN)
		r->similar = likeness(all);
}

int32_t eval_sorted_recipients(const struct eval_call *call)
{
	if (!call->state->recipients.known)
		know_recipients(call);
	return call->state->recipients.sorted;
}

int32_t eval_similar_recipients(const struct eval_call *call)
{
	if (!call->state->recipients.known)
		know_recipients(call);
	return eval_in_range(call, 0, call->state->recipients.similar);
}
