/* test_dmarc.c - policies of domains, whose they are, and what is aligned with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mgmt/dmarc.h"

static struct dmarc_record record;
static bool any;

static bool choose(const char *texts, size_t len)
{
	memset(&record, 0, sizeof(record));
	return dmarc_record_choose(bytes_of(texts, len), &record, &any);
}

#define CHOOSE(texts) choose(texts, sizeof(texts))

static void records_are_read(void **state)
{
	(void)state;
	assert_true(CHOOSE("v=DMARC1; p=reject"));
	assert_int_equal(record.policy, DMARC_REJECT);
	assert_int_equal(record.subdomains, DMARC_REJECT);
	assert_false(record.strict_dkim || record.strict_spf);
	assert_true(CHOOSE("v = DMARC1 ;P=Quarantine;\tsp = none ; adkim=s;aspf=S; x=y;;"));
	assert_int_equal(record.policy, DMARC_QUARANTINE);
	assert_int_equal(record.subdomains, DMARC_NONE);
	assert_true(record.strict_dkim && record.strict_spf);
	assert_true(CHOOSE("v=DMARC1; adkim=r; aspf=x; p=none"));
	assert_false(record.strict_dkim || record.strict_spf);
}

/* RFC 7489, 6.6.3. */
static void other_texts_are_passed_over(void **state)
{
	(void)state;
	assert_true(CHOOSE("some text\0v=spf1 -all\0v=DMARC1;p=none"));
	assert_false(CHOOSE("v=DMARC1;p=none\0v=DMARC1;p=none"));
	assert_true(any);
	assert_false(
	    CHOOSE("v=DMARC2;p=none\0p=none; v=DMARC1\0v=dmarc1;p=none\0v=DMARC10;p=none"));
	assert_false(any);
	assert_false(choose("", 0));
	assert_false(any);
}

static void records_without_a_policy_ask_for_reports(void **state)
{
	static const char *const unusable[] = {
	    "v=DMARC1", "v=DMARC1; p=no", "v=DMARC1; p=reject; sp=x",
	    "v=DMARC1; rua=mailto:", "v=DMARC1; p=; rua=http://x"};

	(void)state;
	for (size_t i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++) {
		assert_false(choose(unusable[i], strlen(unusable[i]) + 1));
		assert_true(any);
	}
	assert_true(CHOOSE("v=DMARC1; p=reject; sp=x; rua=mailto:dmarc@a.example"));
	assert_int_equal(record.policy, DMARC_NONE);
	assert_int_equal(record.subdomains, DMARC_NONE);
}

static void percentages_are_read(void **state)
{
	const struct dmarc_request request = {.author = BYTES("a.example")};

	(void)state;
	assert_true(CHOOSE("v=DMARC1; p=reject; sp=quarantine; pct=0"));
	assert_int_equal(record.policy, DMARC_REJECT);
	assert_int_equal(record.spared, 100);
	assert_int_equal(dmarc_value_spared(dmarc_value(&request, &record, true)), 100);
	assert_int_equal(dmarc_value(&request, &record, true) & DMARC_VALUE_POLICY,
	                 DMARC_QUARANTINE);
	assert_true(CHOOSE("v=DMARC1; p=reject; pct=30"));
	assert_int_equal(record.spared, 70);
	assert_true(CHOOSE("v=DMARC1; p=reject; pct=101"));
	assert_int_equal(record.spared, 0);
	assert_true(CHOOSE("v=DMARC1; p=reject; pct=-1"));
	assert_int_equal(record.spared, 0);
	assert_true(CHOOSE("v=DMARC1; p=reject"));
	assert_int_equal(record.spared, 0);
}

static void organization_is(const char *name, const char *wanted)
{
	assert_true(bytes_equal(dmarc_organization(bytes_text(name)), bytes_text(wanted)));
}

static void organizations_are_below_public_suffixes(void **state)
{
	(void)state;
	organization_is("a.b.example.com", "example.com");
	organization_is("example.co.uk", "example.co.uk");
	organization_is("mail.example.co.uk", "example.co.uk");
	organization_is("co.uk", "co.uk");
	organization_is("host.unknown-tld", "host.unknown-tld");
}

static uint32_t value_of(const char *text, const char *author, const char *sender,
                         const char *signer, bool above)
{
	struct dmarc_request request = {.author = bytes_text(author)};

	assert_true(choose(text, strlen(text) + 1));
	request.domain[DMARC_SENDER] = bytes_text(sender);
	request.domain[DMARC_SIGNER + 7] = bytes_text(signer);
	return dmarc_value(&request, &record, above);
}

static void domains_are_aligned(void **state)
{
	const uint32_t sender = 1u << DMARC_VALUE_ALIGNED, signer = sender << (DMARC_SIGNER + 7);

	(void)state;
	assert_int_equal(value_of("v=DMARC1;p=reject;sp=none", "a.com", "a.com", "b.a.com", false),
	                 DMARC_REJECT | sender | signer);
	assert_int_equal(value_of("v=DMARC1;p=reject;sp=none", "x.a.com", "a.com", "b.a.com", true),
	                 DMARC_NONE | sender | signer);
	assert_int_equal(value_of("v=DMARC1;p=none", "a.com", "", "ba.com", false), DMARC_NONE);
	assert_int_equal(value_of("v=DMARC1;p=none", "a.co.uk", "b.co.uk", "co.uk", false),
	                 DMARC_NONE);
	assert_int_equal(value_of("v=DMARC1;p=none;aspf=s", "a.com", "b.a.com", "b.a.com", false),
	                 DMARC_NONE | signer);
	assert_int_equal(value_of("v=DMARC1;p=none;adkim=s", "a.com", "b.a.com", "b.a.com", false),
	                 DMARC_NONE | sender);
	assert_int_equal(
	    value_of("v=DMARC1;p=none;adkim=s;aspf=s", "a.com", "a.com", "a.com", false),
	    DMARC_NONE | sender | signer);
	assert_true(dmarc_value_aligned(sender | DMARC_REJECT, DMARC_SENDER));
	assert_false(dmarc_value_aligned(sender | DMARC_REJECT, DMARC_HELO));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_are_read),
	    cmocka_unit_test(other_texts_are_passed_over),
	    cmocka_unit_test(records_without_a_policy_ask_for_reports),
	    cmocka_unit_test(percentages_are_read),
	    cmocka_unit_test(organizations_are_below_public_suffixes),
	    cmocka_unit_test(domains_are_aligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
