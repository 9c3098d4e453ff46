/* dmarc.c - what a domain wishes for mail in its name. Anybody can have written the record. */
#include "mgmt/dmarc.h"

#include <libpsl.h>
#include <string.h>

#include "base/check.h"

#include "mgmt/dns_reply.h"

struct tag {
	struct bytes name, value;
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct bytes trim(struct bytes text)
{
	while (text.len > 0 && is_blank(text.data[0]))
		text = bytes_slice(text, 1, SIZE_MAX);
	while (text.len > 0 && is_blank(text.data[text.len - 1]))
		text.len--;
	return text;
}

/* The next "name=value" of what is left; one without '=' has no name. False: nothing is left. */
static bool next_tag(struct bytes *in_out_rest, struct tag *out_tag)
{
	size_t end = bytes_find(*in_out_rest, ';');
	struct bytes text = bytes_slice(*in_out_rest, 0, end);
	size_t sign = bytes_find(text, '=');

	if (in_out_rest->len == 0)
		return false;
	*in_out_rest = bytes_slice(*in_out_rest, end + 1, SIZE_MAX);
	out_tag->name = sign < text.len ? trim(bytes_slice(text, 0, sign)) : bytes_of(NULL, 0);
	out_tag->value = trim(bytes_slice(text, sign + 1, SIZE_MAX));
	return true;
}

static bool policy_of(struct bytes word, enum dmarc_policy *out_policy)
{
	static const char *const texts[] = {
#define DMARC_POLICY(name, text, meaning) text,
#include "base/dmarc_policies.def"
	};

	for (int i = DMARC_NONE; i < DMARC_POLICY_COUNT; i++)
		if (bytes_equal_nocase(word, bytes_text(texts[i]))) {
			*out_policy = (enum dmarc_policy)i;
			return true;
		}
	return false;
}

/* What is no percentage is none. */
static uint32_t spared_by(struct bytes pct)
{
	uint64_t percent;

	return bytes_to_u64(pct, 100, &percent) ? 100 - (uint32_t)percent : 0;
}

/* An address to report to is there; whether anybody reads it is not ours to find out. */
static bool is_report_address(struct bytes value)
{
	return bytes_starts_nocase(value, BYTES("mailto:")) &&
	       bytes_find(value, '@') + 1 < value.len;
}

/* Behind "v=DMARC1". A record without a policy that can be read counts as "none" where it says whom
 * to report to, else it is none (6.6.3). */
static bool read_record(struct bytes tags, struct dmarc_record *out_record)
{
	struct dmarc_record record = {.policy = DMARC_MISSING, .subdomains = DMARC_MISSING};
	bool reports = false, sound = true;
	struct tag tag;

	while (next_tag(&tags, &tag)) {
		if (bytes_equal_nocase(tag.name, BYTES("p")))
			sound &= policy_of(tag.value, &record.policy);
		else if (bytes_equal_nocase(tag.name, BYTES("sp")))
			sound &= policy_of(tag.value, &record.subdomains);
		else if (bytes_equal_nocase(tag.name, BYTES("adkim")))
			record.strict_dkim = bytes_equal_nocase(tag.value, BYTES("s"));
		else if (bytes_equal_nocase(tag.name, BYTES("aspf")))
			record.strict_spf = bytes_equal_nocase(tag.value, BYTES("s"));
		else if (bytes_equal_nocase(tag.name, BYTES("rua")))
			reports |= is_report_address(tag.value);
		else if (bytes_equal_nocase(tag.name, BYTES("pct")))
			record.spared = spared_by(tag.value);
	}
	if (!sound || record.policy == DMARC_MISSING) {
		if (!reports)
			return false;
		record.policy = DMARC_NONE;
		record.subdomains = DMARC_MISSING;
	}
	if (record.subdomains == DMARC_MISSING)
		record.subdomains = record.policy;
	*out_record = record;
	return true;
}

bool dmarc_record_choose(struct bytes texts, struct dmarc_record *out_record, bool *out_any)
{
	struct bytes text, record = bytes_of(NULL, 0);
	struct tag tag;

	*out_any = false;
	while (dns_reply_next_text(&texts, &text)) {
		if (!next_tag(&text, &tag) || !bytes_equal_nocase(tag.name, BYTES("v")) ||
		    !bytes_equal(tag.value, BYTES("DMARC1")))
			continue;
		if (*out_any)
			return false;
		*out_any = true;
		record = text;
	}
	return *out_any && read_record(record, out_record);
}

struct bytes dmarc_organization(struct bytes name)
{
	char text[QUESTION_NAME_BYTES];
	const char *domain;

	ASSERT(name.len < sizeof(text));
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	domain = psl_registrable_domain(psl_builtin(), text);
	return domain == NULL ? name : bytes_slice(name, (size_t)(domain - text), SIZE_MAX);
}

/* 3.1.1, 3.1.2. */
static bool is_aligned(struct bytes domain, struct bytes author, bool strict)
{
	if (domain.len == 0 || bytes_equal(domain, author))
		return domain.len > 0;
	return !strict && bytes_equal(dmarc_organization(domain), dmarc_organization(author));
}

uint32_t dmarc_value(const struct dmarc_request *request, const struct dmarc_record *record,
                     bool above)
{
	uint32_t value = (above ? record->subdomains : record->policy) | record->spared
	                                                                     << DMARC_VALUE_SPARED;

	for (uint32_t i = 0; i < DMARC_DOMAINS_MAX; i++) {
		bool strict = i < DMARC_SIGNER ? record->strict_spf : record->strict_dkim;

		if (is_aligned(request->domain[i], request->author, strict))
			value |= UINT32_C(1) << DMARC_VALUE_ALIGNED << i;
	}
	return value;
}
