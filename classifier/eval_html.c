/* eval_html.c - eval functions about the markup of HTML parts. */
#include <stdlib.h>

#include "base/addr.h"
#include "classifier/eval.h"

static const struct fact_html *html_at(const struct eval_call *call, uint32_t index)
{
	return &call->facts->html[index];
}

int32_t eval_html_tag_exists(const struct eval_call *call)
{
	for (uint32_t i = 0; i < call->facts->html_count; i++)
		if (facts_tag(html_at(call, i), eval_text(call, 0)) != NULL)
			return 1;
	return 0;
}

/* "!= 0", "< 384": an operator and a whole number. False too when it is none. */
static bool compares(double value, struct bytes expression)
{
	static const char operators[] = "<>=!";
	char number_text[24];
	size_t len = 0, at = 0;
	struct bytes op;

	while (at < expression.len && expression.data[at] == ' ')
		at++;
	while (at + len < expression.len && strchr(operators, expression.data[at + len]) != NULL)
		len++;
	op = bytes_slice(expression, at, len);
	struct bytes number = bytes_trim(bytes_slice(expression, at + len, SIZE_MAX));
	if (number.len == 0 || number.len >= sizeof(number_text))
		return false;
	memcpy(number_text, number.data, number.len);
	number_text[number.len] = '\0';
	double wanted = strtod(number_text, NULL);

	if (bytes_equal(op, BYTES("<")))
		return value < wanted;
	if (bytes_equal(op, BYTES("<=")))
		return value <= wanted;
	if (bytes_equal(op, BYTES(">")))
		return value > wanted;
	if (bytes_equal(op, BYTES(">=")))
		return value >= wanted;
	if (bytes_equal(op, BYTES("==")))
		return value == wanted;
	return bytes_equal(op, BYTES("!=")) && value != wanted;
}

int32_t eval_html_tag_balance(const struct eval_call *call)
{
	for (uint32_t i = 0; i < call->facts->html_count; i++) {
		const struct fact_tag *tag = facts_tag(html_at(call, i), eval_text(call, 0));

		if (tag != NULL && compares(tag->open_count, eval_text(call, 1)))
			return 1;
	}
	return 0;
}

int32_t eval_html_image_only(const struct eval_call *call)
{
	for (uint32_t i = 0; i < call->facts->html_count; i++) {
		const struct fact_html *html = html_at(call, i);

		if (facts_tag(html, BYTES("img")) != NULL && html->length > eval_number(call, 0) &&
		    html->length <= eval_number(call, 1))
			return 1;
	}
	return 0;
}

int32_t eval_html_image_ratio(const struct eval_call *call)
{
	for (uint32_t i = 0; i < call->facts->html_count; i++) {
		const struct fact_html *html = html_at(call, i);
		double ratio = html->image_area == 0
		                   ? -1
		                   : (double)html->non_space_len / (double)html->image_area;

		if (html->image_area > 0 && ratio > eval_number(call, 0) &&
		    ratio <= eval_number(call, 1))
			return 1;
	}
	return 0;
}

static bool ratio(double part, double whole, double *out_value)
{
	*out_value = whole > 0 ? part / whole : 0;
	return whole > 0;
}

/* The number a rule calls by this name; false when the part has none. */
static bool html_value(const struct fact_html *h, struct bytes name, double *out_value)
{
	const struct {
		const char *name;
		double value;
	} counts[] = {{"length", h->length},
	              {"html_length", h->html_length},
	              {"non_space_len", h->non_space_len},
	              {"max_size", h->max_size},
	              {"min_size", h->min_size},
	              {"tags", h->tag_count},
	              {"elements", h->element_count},
	              {"closed_extra", h->closed_extra},
	              {"image_area", (double)h->image_area},
	              {"backhair_count", h->backhair_count}};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (bytes_equal(name, bytes_text(counts[i].name))) {
			*out_value = counts[i].value;
			return true;
		}
	if (bytes_equal(name, BYTES("bad_tag_ratio")))
		return h->element_count > 0 &&
		       ratio((double)h->tag_count - h->element_count, h->tag_count, out_value);
	if (bytes_equal(name, BYTES("non_element_ratio")))
		return h->elements_seen > 0 &&
		       ratio((double)h->tags_seen - h->elements_seen, h->tags_seen, out_value);
	if (bytes_equal(name, BYTES("closed_extra_ratio")))
		return ratio(h->closed_extra, h->tag_count, out_value);
	if (bytes_equal(name, BYTES("obfuscation_ratio")))
		return h->obfuscation > 0 && ratio(h->obfuscation, h->tag_count, out_value);
	if (bytes_equal(name, BYTES("ratio")))
		return ratio((double)h->length - h->html_length, h->length, out_value);
	return false;
}

int32_t eval_html_range(const struct eval_call *call)
{
	const struct blob_eval_argument *a = &call->ruleset->evals.argument[call->eval->argument];
	double value;

	for (uint32_t i = 0; i < call->facts->html_count; i++)
		if (html_value(html_at(call, i), eval_text(call, 0), &value) &&
		    value > a[1].number && (a[2].unlimited || value <= a[2].number))
			return 1;
	return 0;
}

static bool html_flag(const struct fact_html *h, struct bytes name)
{
	double value;

	if (bytes_equal(name, BYTES("html")))
		return true;
	if (bytes_equal(name, BYTES("embeds")))
		return h->embeds;
	if (bytes_equal(name, BYTES("form_action_mailto")))
		return h->form_action_mailto;
	if (bytes_equal(name, BYTES("font_face_bad")))
		return h->font_face_bad;
	if (bytes_equal(name, BYTES("font_low_contrast")))
		return h->font_low_contrast;
	if (bytes_equal(name, BYTES("font_invalid_color")))
		return h->font_invalid_color;
	return html_value(h, name, &value) && value != 0;
}

int32_t eval_html_test(const struct eval_call *call)
{
	for (uint32_t i = 0; i < call->facts->html_count; i++)
		if (html_flag(html_at(call, i), eval_text(call, 0)))
			return 1;
	return 0;
}

int32_t eval_html_eval(const struct eval_call *call)
{
	double value;

	for (uint32_t i = 0; i < call->facts->html_count; i++)
		if (html_value(html_at(call, i), eval_text(call, 0), &value) &&
		    compares(value, eval_text(call, 1)))
			return 1;
	return 0;
}

/* The `index`-th text of a kind; false when there are no more. */
static bool html_text(const struct fact_html *h, struct bytes kind, uint32_t index,
                      struct bytes *out_text)
{
	const struct bytes *texts = NULL;
	uint32_t count = 0;

	if (bytes_equal(kind, BYTES("anchor"))) {
		if (index >= h->anchor_count || index >= FACT_HTML_TEXTS_MAX)
			return false;
		*out_text = h->anchor[index].text;
		return true;
	}
	if (bytes_equal(kind, BYTES("comment"))) {
		texts = h->comment;
		count = h->comment_count;
	} else if (bytes_equal(kind, BYTES("title"))) {
		texts = h->title;
		count = h->title_count;
	} else if (bytes_equal(kind, BYTES("script"))) {
		texts = h->script;
		count = h->script_count;
	}
	if (index >= count || index >= FACT_HTML_TEXTS_MAX)
		return false;
	*out_text = texts[index];
	return true;
}

static bool any_html_text(const struct eval_call *call, bool wanted)
{
	struct bytes text;

	for (uint32_t i = 0; i < call->facts->html_count; i++)
		for (uint32_t k = 0; html_text(html_at(call, i), eval_text(call, 0), k, &text); k++)
			if (eval_rule_matches(call, text) == wanted)
				return true;
	return false;
}

int32_t eval_html_text_match(const struct eval_call *call)
{
	return any_html_text(call, true);
}

int32_t eval_html_text_not_match(const struct eval_call *call)
{
	return any_html_text(call, false);
}

static size_t characters(struct bytes text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += (text.data[i] & 0xC0) != 0x80;
	return count;
}

int32_t eval_html_title_subject_ratio(const struct eval_call *call)
{
	double subject = (double)eval_header(call, 0).len;
	struct bytes title;

	for (uint32_t i = 0; subject > 0 && i < call->facts->html_count; i++)
		for (uint32_t k = 0; html_text(html_at(call, i), BYTES("title"), k, &title); k++)
			if ((double)characters(title) / subject > eval_number(call, 0))
				return 1;
	return 0;
}

int32_t eval_check_iframe_src(const struct eval_call *call)
{
	for (uint32_t i = 0; i < call->facts->html_count; i++)
		if (html_at(call, i)->iframe_uri)
			return 1;
	return 0;
}

static bool is_ip(struct bytes host)
{
	struct addr addr;

	return addr_parse(host, &addr) == OK;
}

/* The registered domain a link shows behind "https://"; false when it shows none that is valid. */
static bool shown_domain(const struct eval_call *call, struct bytes text, struct bytes *out_domain)
{
	struct eval_match match = {0};

	while (eval_find(call, EVAL_PATTERN_HTTPS_HOST, text, match.end, &match)) {
		struct bytes host = bytes_slice(text, match.group, match.group_len);

		*out_domain = host;
		if (is_ip(host))
			return true;
		*out_domain = eval_registered_domain(call->ruleset, host);
		return eval_has_valid_tld(call->ruleset, *out_domain);
	}
	return false;
}

/* The registered domain a link leads to; false for addresses and what is no web link. */
static bool link_domain(const struct eval_call *call, struct bytes href, struct bytes *out_domain)
{
	struct eval_match match;

	if (!eval_find(call, EVAL_PATTERN_WEB_HOST, href, 0, &match))
		return false;
	struct bytes host = bytes_slice(href, match.group, match.group_len);
	*out_domain = eval_registered_domain(call->ruleset, host);
	return !is_ip(host) && eval_has_valid_tld(call->ruleset, *out_domain);
}

/* Whether some anchor shows what a web address has: without it none can differ. */
static bool shows_addresses(const struct fact_html *html)
{
	for (uint32_t k = 0; k < html->anchor_count && k < FACT_HTML_TEXTS_MAX; k++)
		if (eval_contains(html->anchor[k].text, BYTES("://")))
			return true;
	return false;
}

int32_t eval_check_https_http_mismatch(const struct eval_call *call)
{
	double min = eval_number(call, 0);

	for (uint32_t i = 0; i < call->facts->html_count; i++) {
		const struct fact_html *html = html_at(call, i);
		uint32_t links = 0;
		bool differs = false;

		if (!shows_addresses(html))
			continue;
		for (uint32_t k = 0; k < html->anchor_count && k < FACT_HTML_TEXTS_MAX; k++) {
			const struct fact_anchor *anchor = &html->anchor[k];
			struct bytes link, shown;

			if (!link_domain(call, anchor->href, &link))
				continue;
			links += !anchor->is_repeated;
			differs |= shown_domain(call, anchor->text, &shown) &&
			           !bytes_equal_nocase(link, shown);
		}
		if (differs && links >= (min < 1 ? 1 : min) &&
		    (call->eval->argument_count < 2 || links < eval_number(call, 1)))
			return 1;
	}
	return 0;
}

int32_t eval_check_https_ip_mismatch(const struct eval_call *call)
{
	for (uint32_t i = 0; i < call->facts->html_count; i++) {
		const struct fact_html *html = html_at(call, i);

		for (uint32_t k = 0; k < html->anchor_count && k < FACT_HTML_TEXTS_MAX; k++) {
			const struct fact_anchor *anchor = &html->anchor[k];
			size_t at;

			if (eval_matches(call, EVAL_PATTERN_WEB_IP, anchor->href) &&
			    !eval_matches(call, EVAL_PATTERN_HTTPS_IP, anchor->text) &&
			    eval_contains_nocase(anchor->text, BYTES("https:"), &at))
				return 1;
		}
	}
	return 0;
}
