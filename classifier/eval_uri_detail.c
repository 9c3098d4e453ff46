/* eval_uri_detail.c - uri_detail rules: a URI that meets all conditions of the rule.
 *
 * A condition asks whether one of the URI's values (its forms, the tags it is in, texts of its
 * anchors) matches, or with "!~" whether one does not; a URI without values of the kind does not
 * meet it.
 */
#include <stdio.h>

#include "base/check.h"
#include "classifier/eval.h"
#include "classifier/pattern_set.h"
#include "classifier/ruleset_pattern.h"

#define REASON_BYTES    200
#define HOST_BYTES_MAX  253u
#define LABEL_BYTES_MAX 63u

/* Patterns of a call lie by its place among the calls. */
static const struct pattern **patterns_of(const struct ruleset_evals *e, uint32_t eval)
{
	return e->detail + (size_t)eval * URI_DETAIL_KEYS;
}

static enum err open_call(struct ruleset *r, uint32_t index, char *reason)
{
	struct ruleset_evals *e = &r->evals;
	const struct blob_eval *eval = &e->eval[index];
	char why[PATTERN_REASON_BYTES];

	for (uint32_t key = 0; key < URI_DETAIL_KEYS; key++) {
		const struct blob_eval_argument *a = &e->argument[eval->argument + key];

		if (a->number == CONDITION_NONE)
			continue;
		patterns_of(e, index)[key] = pattern_set_take(
		    r->patterns, bytes_of(e->texts + a->text, a->bytes), why);
		if (patterns_of(e, index)[key] == NULL) {
			snprintf(reason, REASON_BYTES, "uri_detail: %.120s", why);
			return ERR_SYNTAX;
		}
	}
	return OK;
}

enum err uri_details_open(struct ruleset *ruleset, char *reason)
{
	struct ruleset_evals *e = &ruleset->evals;
	enum err err = OK;

	for (uint32_t i = 0; i < e->count && err == OK; i++)
		if (e->eval[i].function == EVAL_uri_detail)
			err = open_call(ruleset, i, reason);
	return err;
}

void uri_details_close(struct ruleset *ruleset)
{
	struct ruleset_evals *e = &ruleset->evals;

	for (size_t i = 0; e->detail != NULL && i < (size_t)e->count * URI_DETAIL_KEYS; i++)
		pattern_set_give(ruleset->patterns, e->detail[i]);
}

static bool asks(const struct eval_call *call, uint32_t key)
{
	return eval_number(call, key) != CONDITION_NONE;
}

/* Whether a value is one the condition looks for. */
static bool meets(const struct eval_call *call, uint32_t key, struct bytes value)
{
	const struct ruleset_evals *e = &call->ruleset->evals;
	const struct pattern *pattern = patterns_of(e, (uint32_t)(call->eval - e->eval))[key];

	return eval_pattern_matches(call, pattern, value) ==
	       (eval_number(call, key) == CONDITION_MATCHES);
}

static bool meets_type(const struct eval_call *call, const struct fact_uri *uri)
{
	for (unsigned type = 0; type < FACT_URI_TYPE_COUNT; type++)
		if ((uri->types >> type & 1) != 0 &&
		    meets(call, URI_DETAIL_type,
		          bytes_text(fact_uri_type_text((enum fact_uri_type)type))))
			return true;
	return false;
}

static struct bytes form_of(const struct eval_call *call, const struct fact_uri *uri, uint32_t form)
{
	return text_segment(&call->texts->kind[TEXT_URI],
	                    call->facts->uri_form[uri->form_first + form]);
}

static bool meets_cleaned(const struct eval_call *call, const struct fact_uri *uri)
{
	for (uint32_t i = 0; i < uri->form_count; i++)
		if (meets(call, URI_DETAIL_cleaned, form_of(call, uri, i)))
			return true;
	return false;
}

static bool is_name_octet(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_';
}

/* A name of two labels or more; underscores only from the third level on. */
static bool is_host_name(struct bytes host)
{
	unsigned labels = 0;

	while (host.len > 0 && host.data[host.len - 1] == '.')
		host.len--;
	if (host.len == 0 || host.len > HOST_BYTES_MAX)
		return false;
	for (size_t end = host.len, start;; end = start - 1, labels++) {
		for (start = end; start > 0 && host.data[start - 1] != '.'; start--) {
			uint8_t c = host.data[start - 1];

			if ((!is_name_octet(c) && c != '-') || (c == '_' && labels < 2))
				return false;
		}
		if (start == end || end - start > LABEL_BYTES_MAX || host.data[start] == '-' ||
		    host.data[end - 1] == '-')
			return false;
		if (start == 0)
			return labels > 0;
	}
}

static size_t find_last(struct bytes text, uint8_t octet)
{
	size_t at = text.len;

	while (at > 0 && text.data[at - 1] != octet)
		at--;
	return at; /* behind it; 0: there is none */
}

/* "mailto:user@host?subject=x", the scheme off: the host behind the only '@'. */
static struct bytes host_of_mail(struct bytes rest)
{
	rest = bytes_slice(rest, 0, bytes_find(rest, '?'));
	size_t at = bytes_find(rest, '@');

	if (at == rest.len || find_last(rest, '@') != at + 1)
		return bytes_of(NULL, 0);
	return bytes_slice(rest, at + 1, SIZE_MAX);
}

/* The host of any other URI: no scheme, no path, no user, no port. */
static struct bytes host_of_web(struct bytes uri)
{
	size_t at = 0, end = 0;

	while (at < uri.len && eval_lower(uri.data[at]) >= 'a' && eval_lower(uri.data[at]) <= 'z')
		at++;
	if (at > 0 && at < uri.len && uri.data[at] == ':') {
		uri = bytes_slice(uri, at + 1, SIZE_MAX);
		for (unsigned i = 0; i < 2 && uri.len > 0 && uri.data[0] == '/'; i++)
			uri = bytes_slice(uri, 1, SIZE_MAX);
	}
	while (end < uri.len && strchr("/?#", uri.data[end]) == NULL)
		end++;
	uri = bytes_slice(uri, 0, end);
	uri = bytes_slice(uri, find_last(uri, '@'), SIZE_MAX);
	size_t colon = find_last(uri, ':');
	for (at = colon; at < uri.len && uri.data[at] >= '0' && uri.data[at] <= '9'; at++)
		;
	return colon > 0 && at == uri.len ? bytes_slice(uri, 0, colon - 1) : uri;
}

/* The host of a form in lower case, in `memory`; false when it has no valid one. */
static bool host_of(const struct eval_call *call, struct bytes uri, uint8_t memory[HOST_BYTES_MAX],
                    struct bytes *out_host)
{
	static const char *const hostless[] = {"javascript:", "cid:", "file:"};
	struct bytes host;

	for (unsigned i = 0; i < sizeof(hostless) / sizeof(hostless[0]); i++)
		if (bytes_starts_nocase(uri, bytes_text(hostless[i])))
			return false;
	host = bytes_starts_nocase(uri, BYTES("mailto:"))
	           ? host_of_mail(bytes_slice(uri, 7, SIZE_MAX))
	           : host_of_web(uri);
	if (host.len > HOST_BYTES_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++)
		memory[i] = eval_lower(host.data[i]);
	*out_host = bytes_of(memory, host.len);
	return eval_is_ip4(*out_host) ||
	       (is_host_name(*out_host) && eval_has_valid_tld(call->ruleset, *out_host));
}

static bool meets_host(const struct eval_call *call, const struct fact_uri *uri, uint32_t key)
{
	uint8_t memory[HOST_BYTES_MAX];
	uint32_t count = uri->form_count > 0 ? uri->form_count : 1; /* a signature's has none */

	for (uint32_t i = 0; i < count; i++) {
		struct bytes host;

		if (!host_of(call, uri->form_count > 0 ? form_of(call, uri, i) : uri->raw, memory,
		             &host))
			continue;
		if (key == URI_DETAIL_domain && !eval_is_ip4(host))
			host = eval_registered_domain(call->ruleset, host);
		if (meets(call, key, host))
			return true;
	}
	return false;
}

static bool is_left_out(const struct eval_call *call, const struct fact_uri *uri)
{
	return (uri->types >> FACT_URI_domainkeys & 1) != 0 &&
	       call->ruleset->evals.setting[EVAL_SETTING_PARSE_DKIM_URIS] == 0;
}

/* All conditions but that on the text of anchors. */
static bool meets_others(const struct eval_call *call, const struct fact_uri *uri)
{
	return (!asks(call, URI_DETAIL_raw) || meets(call, URI_DETAIL_raw, uri->raw)) &&
	       (!asks(call, URI_DETAIL_type) || meets_type(call, uri)) &&
	       (!asks(call, URI_DETAIL_cleaned) || meets_cleaned(call, uri)) &&
	       (!asks(call, URI_DETAIL_domain) || meets_host(call, uri, URI_DETAIL_domain)) &&
	       (!asks(call, URI_DETAIL_host) || meets_host(call, uri, URI_DETAIL_host));
}

static bool any_anchor(const struct eval_call *call)
{
	const struct facts *facts = call->facts;

	for (uint32_t i = 0; i < facts->html_count; i++)
		for (uint32_t k = 0; k < facts->html[i].anchor_count; k++) {
			const struct fact_anchor *anchor = &facts->html[i].anchor[k];

			if (anchor->uri != FACT_NONE &&
			    meets(call, URI_DETAIL_text, anchor->text) &&
			    meets_others(call, &facts->uri[anchor->uri]))
				return true;
		}
	return false;
}

int32_t eval_uri_detail(const struct eval_call *call)
{
	const struct facts *facts = call->facts;

	if (asks(call, URI_DETAIL_text))
		return any_anchor(call);
	for (uint32_t i = 0; i < facts->uri_count; i++)
		if (!is_left_out(call, &facts->uri[i]) && meets_others(call, &facts->uri[i]))
			return 1;
	return 0;
}
