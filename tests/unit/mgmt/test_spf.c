/* test_spf.c - who may send for a domain, by a DNS of a few records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mgmt/spf.h"
#include "mgmt/spf_macro.h"

#define ROWS_MAX    64
#define LOOKUPS_MAX 200

static struct {
	const char *name;
	uint16_t type;
	const char *data; /* NULL: the server fails */
	uint32_t ttl_s;
} rows[ROWS_MAX];
static uint32_t row_count;
static char asked[LOOKUPS_MAX][QUESTION_NAME_BYTES];
static uint32_t asked_count;
static struct spf spf;

static int setup(void **state)
{
	(void)state;
	row_count = 0;
	return 0;
}

static void record_of(const char *name, uint16_t type, const char *data, uint32_t ttl_s)
{
	assert_true(row_count < ROWS_MAX);
	rows[row_count].name = name;
	rows[row_count].type = type;
	rows[row_count].data = data;
	rows[row_count++].ttl_s = ttl_s;
}

static void text(const char *name, const char *data)
{
	record_of(name, DNS_TYPE_TXT, data, 300);
}

static void add_data(struct dns_reply *reply, uint16_t type, const char *data)
{
	if (type == DNS_TYPE_A || type == DNS_TYPE_AAAA) {
		assert_int_equal(
		    addr_parse(bytes_text(data), &reply->address[reply->address_count++]), OK);
	} else if (type == DNS_TYPE_TXT) {
		strcpy(reply->text + reply->text_len, data);
		reply->text_len += (uint32_t)strlen(data) + 1;
	} else if (reply->name_count < DNS_NAMES_MAX) {
		strcpy(reply->name[reply->name_count++], data);
	}
}

static void look_up(const char *name, uint16_t type, struct dns_reply *reply)
{
	dns_reply_clear(reply, ANSWER_NONE, 600);
	for (uint32_t i = 0; i < row_count; i++) {
		if (strcmp(rows[i].name, name) != 0 || rows[i].type != type)
			continue;
		reply->result = rows[i].data != NULL ? ANSWER_FOUND : ANSWER_FAILED;
		reply->ttl_s = rows[i].ttl_s;
		if (rows[i].data != NULL)
			add_data(reply, type, rows[i].data);
	}
}

static enum spf_result check(const char *client, const char *helo, const char *sender)
{
	static struct dns_reply reply;
	struct spf_request request = {.helo = bytes_text(helo), .sender = bytes_text(sender)};

	assert_int_equal(addr_parse(bytes_text(client), &request.client), OK);
	asked_count = 0;
	for (spf_begin(&spf, &request); spf_waits(&spf); spf_reply(&spf, &reply)) {
		assert_true(asked_count < LOOKUPS_MAX);
		strcpy(asked[asked_count++], spf.name);
		look_up(spf.name, spf.type, &reply);
	}
	return spf.result;
}

static enum spf_result of_record(const char *record)
{
	row_count = 0;
	text("d.example", record);
	return check("192.0.2.7", "mail.d.example", "joe@d.example");
}

static void qualifiers_say_what_a_match_means(void **state)
{
	(void)state;
	assert_int_equal(of_record("v=spf1 all"), SPF_PASS);
	assert_int_equal(of_record("v=spf1 +all"), SPF_PASS);
	assert_int_equal(of_record("V=SPF1 -ALL"), SPF_FAIL);
	assert_int_equal(of_record("v=spf1  ~all "), SPF_SOFTFAIL);
	assert_int_equal(of_record("v=spf1 ?all"), SPF_NEUTRAL);
	assert_int_equal(of_record("v=spf1"), SPF_NEUTRAL);
	assert_int_equal(of_record("v=spf1 ip4:192.0.2.8 ip4:192.0.2.7 -all"), SPF_PASS);
	assert_int_equal(of_record("v=spf1 ip4:192.0.2.0/28 -all"), SPF_PASS);
	assert_int_equal(of_record("v=spf1 ip6:2001:db8::/32 -all"), SPF_FAIL);
}

static void other_texts_are_no_records(void **state)
{
	(void)state;
	assert_int_equal(of_record("v=spf10 -all"), SPF_NONE);
	assert_int_equal(of_record("spf1 -all"), SPF_NONE);
	text("d.example", "v=spf1 -all");
	assert_int_equal(check("192.0.2.7", "h.example", "joe@d.example"), SPF_FAIL);
	text("d.example", "v=spf1 +all");
	assert_int_equal(check("192.0.2.7", "h.example", "joe@d.example"), SPF_PERMERROR);
	assert_int_equal(check("192.0.2.7", "h.example", "joe@e.example"), SPF_NONE);
}

static void names_that_are_none_have_no_record(void **state)
{
	char sender[400];

	(void)state;
	assert_int_equal(check("192.0.2.7", "host", ""), SPF_NONE);
	assert_int_equal(check("192.0.2.7", "", ""), SPF_NONE);
	assert_int_equal(check("192.0.2.7", "h.example", "joe@[192.0.2.7]"), SPF_NONE);
	assert_int_equal(asked_count, 1); /* odd, and yet a name */
	assert_int_equal(check("192.0.2.7", "h.example", "joe@d..example"), SPF_NONE);
	assert_int_equal(check("192.0.2.7", "h.example", "joe@"), SPF_NONE);
	assert_int_equal(check("192.0.2.7", "h.example", "joe@a\\.d.example"), SPF_NONE);
	memset(sender, 'x', 300);
	strcpy(sender + 300, "@d.example");
	text("d.example", "v=spf1 -all");
	assert_int_equal(check("192.0.2.7", "h.example", sender), SPF_NONE);
	assert_int_equal(asked_count, 0);
}

/* A fault anywhere counts, even behind what would have matched. */
static void records_with_faults_are_errors(void **state)
{
	static const char *const faults[] = {"ip4:192.0.2.256",
	                                     "ip4:192.0.2.0/33",
	                                     "ip4:192.0.2.0/024",
	                                     "ip4",
	                                     "ip6:192.0.2.1",
	                                     "ip6:::1/129",
	                                     "ip4:::1",
	                                     "all:d.example",
	                                     "all/24",
	                                     "include",
	                                     "include:",
	                                     "exists:host",
	                                     "exists:",
	                                     "a:",
	                                     "a:host",
	                                     "a/33",
	                                     "a//129",
	                                     "a:1.2.3.4",
	                                     "mx:d.example/",
	                                     "ptr:d.example/24",
	                                     "-redirect=d.ex",
	                                     "redirect=",
	                                     "redirect=d",
	                                     "foo",
	                                     "exists:%{x}.d.ex",
	                                     "exists:%{d0}.d.ex",
	                                     "exists:%{d",
	                                     "exists:%d.d.ex",
	                                     "exists:%{c}.d.ex",
	                                     "exists:%{dr2}.d.ex",
	                                     "exists:%",
	                                     "foo=%{q}",
	                                     "a:d.example\x80.ex",
	                                     "exists:d.-ex",
	                                     "exists:d.ex-",
	                                     "a:d.example\t-all",
	                                     "exp=a.ex exp=a.ex",
	                                     "redirect=a.ex redirect=b.ex"};
	char record[128];

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		snprintf(record, sizeof(record), "v=spf1 +all %s", faults[i]);
		if (of_record(record) != SPF_PERMERROR)
			fail_msg("%s: %d", faults[i], spf.result);
	}
	assert_int_equal(of_record("v=spf1 foo=bar foo=%{h} op.x= exp=%{d} -all"), SPF_FAIL);
}

static void addresses_of_names_match(void **state)
{
	(void)state;
	record_of("d.example", DNS_TYPE_A, "192.0.2.7", 60);
	record_of("d.example", DNS_TYPE_AAAA, "2001:db8::7", 60);
	text("d.example", "v=spf1 a -all");
	assert_int_equal(check("192.0.2.7", "h.example", "joe@D.example"), SPF_PASS);
	assert_int_equal(spf.ttl_s, 60);
	assert_int_equal(check("192.0.2.8", "h.example", "joe@d.example."), SPF_FAIL);
	assert_int_equal(check("2001:db8::7", "h.example", "joe@d.example"), SPF_PASS);
	assert_int_equal(check("2001:db8::8", "h.example", "joe@d.example"), SPF_FAIL);
	text("e.example", "v=spf1 a:d.example/24//64 -all");
	assert_int_equal(check("192.0.2.99", "h.example", "joe@e.example"), SPF_PASS);
	assert_int_equal(check("192.0.3.7", "h.example", "joe@e.example"), SPF_FAIL);
	assert_int_equal(check("2001:db8::99", "h.example", "joe@e.example"), SPF_PASS);
	assert_int_equal(check("2001:db8:0:1::7", "h.example", "joe@e.example"), SPF_FAIL);
}

static void mail_servers_match(void **state)
{
	(void)state;
	text("d.example", "v=spf1 mx -all");
	record_of("d.example", DNS_TYPE_MX, "m1.example", 60);
	record_of("d.example", DNS_TYPE_MX, "m2.example", 60);
	record_of("m1.example", DNS_TYPE_A, "192.0.2.1", 60);
	record_of("m2.example", DNS_TYPE_A, "192.0.2.2", 50);
	assert_int_equal(check("192.0.2.1", "h.example", "joe@d.example"), SPF_PASS);
	assert_int_equal(asked_count, 3);
	assert_int_equal(check("192.0.2.2", "h.example", "joe@d.example"), SPF_PASS);
	assert_int_equal(spf.ttl_s, 50);
	assert_int_equal(check("192.0.2.3", "h.example", "joe@d.example"), SPF_FAIL);
	for (int i = 0; i < 8; i++)
		record_of("d.example", DNS_TYPE_MX, "m1.example", 60);
	assert_int_equal(check("192.0.2.1", "h.example", "joe@d.example"), SPF_PASS);
	record_of("d.example", DNS_TYPE_MX, "m1.example", 60);
	assert_int_equal(check("192.0.2.1", "h.example", "joe@d.example"), SPF_PERMERROR);
}

static void client_names_match_where_they_have_its_address(void **state)
{
	(void)state;
	text("d.example", "v=spf1 ptr -all");
	record_of("7.2.0.192.in-addr.arpa", DNS_TYPE_PTR, "liar.d.example", 60);
	record_of("7.2.0.192.in-addr.arpa", DNS_TYPE_PTR, "www.d.example", 60);
	record_of("7.2.0.192.in-addr.arpa", DNS_TYPE_PTR, "broken.d.example", 60);
	record_of("liar.d.example", DNS_TYPE_A, "192.0.2.8", 60);
	record_of("broken.d.example", DNS_TYPE_A, NULL, 60);
	assert_int_equal(check("192.0.2.7", "h.example", "joe@d.example"), SPF_FAIL);
	record_of("www.d.example", DNS_TYPE_A, "192.0.2.7", 60);
	assert_int_equal(check("192.0.2.7", "h.example", "joe@d.example"), SPF_PASS);
	text("e.example", "v=spf1 ptr ptr:w.d.example ptr:d.example -all");
	assert_int_equal(check("192.0.2.7", "h.example", "joe@e.example"), SPF_PASS);
	assert_int_equal(asked_count, 5); /* its names are found once */
	text("f.example", "v=spf1 exists:%{p}.f.example -all");
	record_of("www.d.example.f.example", DNS_TYPE_A, "127.0.0.2", 60);
	assert_int_equal(check("192.0.2.7", "h.example", "joe@f.example"), SPF_PASS);
	assert_int_equal(check("192.0.2.9", "h.example", "joe@f.example"), SPF_FAIL);
	assert_string_equal(asked[asked_count - 1], "unknown.f.example");
	record_of("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	          DNS_TYPE_PTR, "www.d.example", 60);
	record_of("www.d.example", DNS_TYPE_AAAA, "2001:db8::7", 60);
	assert_int_equal(check("2001:db8::7", "h.example", "joe@d.example"), SPF_PASS);
}

/* RFC 7208, 5.2. */
static void includes_match_when_they_pass(void **state)
{
	(void)state;
	text("d.example", "v=spf1 ?include:a.example ~include:b.example -all");
	text("a.example", "v=spf1 ip4:192.0.2.1 -all");
	text("b.example", "v=spf1 include:c.example");
	text("c.example", "v=spf1 -ip4:192.0.2.3 ip4:192.0.2.2 ?all");
	assert_int_equal(check("192.0.2.1", "h.example", "joe@d.example"), SPF_NEUTRAL);
	assert_int_equal(check("192.0.2.2", "h.example", "joe@d.example"), SPF_SOFTFAIL);
	assert_int_equal(check("192.0.2.3", "h.example", "joe@d.example"), SPF_FAIL);
	text("e.example", "v=spf1 include:nothing.example +all");
	assert_int_equal(check("192.0.2.1", "h.example", "joe@e.example"), SPF_PERMERROR);
	record_of("broken.example", DNS_TYPE_TXT, NULL, 5);
	text("f.example", "v=spf1 include:broken.example +all");
	assert_int_equal(check("192.0.2.1", "h.example", "joe@f.example"), SPF_TEMPERROR);
	assert_int_equal(spf.ttl_s, 5);
	text("g.example", "v=spf1 include:d.example ip4:192.0.2.2 -all");
	assert_int_equal(check("192.0.2.2", "h.example", "joe@g.example"), SPF_PASS);
}

/* RFC 7208, 6.1. */
static void redirects_take_the_place_of_a_record(void **state)
{
	(void)state;
	text("d.example", "v=spf1 redirect=a.example ip4:192.0.2.1");
	text("a.example", "v=spf1 ip4:192.0.2.2 -exists:%{d}.%{o}");
	record_of("a.example.d.example", DNS_TYPE_A, "127.0.0.2", 60);
	assert_int_equal(check("192.0.2.1", "h.example", "joe@d.example"), SPF_PASS);
	assert_int_equal(asked_count, 1);
	assert_int_equal(check("192.0.2.2", "h.example", "joe@d.example"), SPF_PASS);
	assert_int_equal(check("192.0.2.3", "h.example", "joe@d.example"), SPF_FAIL);
	text("b.example", "v=spf1 redirect=nothing.example");
	assert_int_equal(check("192.0.2.3", "h.example", "joe@b.example"), SPF_PERMERROR);
	text("c.example", "v=spf1 include:b2.example -all");
	text("b2.example", "v=spf1 redirect=a2.example");
	text("a2.example", "v=spf1 ip4:192.0.2.3");
	assert_int_equal(check("192.0.2.3", "h.example", "joe@c.example"), SPF_PASS);
	assert_int_equal(check("192.0.2.4", "h.example", "joe@c.example"), SPF_FAIL);
}

static void ten_terms_may_ask(void **state)
{
	char record[400] = "v=spf1";

	(void)state;
	record_of("a.example", DNS_TYPE_A, "192.0.2.1", 60);
	for (int i = 0; i < SPF_TERMS_MAX; i++)
		strcat(record, " a:a.example");
	text("d.example", record);
	assert_int_equal(check("192.0.2.7", "h.example", "joe@d.example"), SPF_NEUTRAL);
	strcat(record, " a:a.example");
	assert_int_equal(check("192.0.2.7", "h.example", "joe@d.example"), SPF_PERMERROR);
	text("loop.example", "v=spf1 include:loop.example -all");
	assert_int_equal(check("192.0.2.7", "h.example", "joe@loop.example"), SPF_PERMERROR);
	assert_int_equal(asked_count, SPF_TERMS_MAX + 1);
	text("round.example", "v=spf1 redirect=round.example");
	assert_int_equal(check("192.0.2.7", "h.example", "joe@round.example"), SPF_PERMERROR);
	assert_int_equal(asked_count, SPF_TERMS_MAX + 1);
}

static void two_lookups_may_find_nothing(void **state)
{
	(void)state;
	assert_int_equal(of_record("v=spf1 a:n1.example exists:n2.example -all"), SPF_FAIL);
	assert_int_equal(of_record("v=spf1 a:n1.example mx:n2.example exists:n3.example -all"),
	                 SPF_PERMERROR);
	/* The client's names do not count. */
	assert_int_equal(of_record("v=spf1 a:n1.example mx:n2.example ptr -all"), SPF_FAIL);
}

static void failures_of_the_dns_end_the_check(void **state)
{
	static const char *const terms[] = {"a:x.example", "exists:x.example", "mx:x.example",
	                                    "mx:y.example"};
	char record[64];

	(void)state;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
		row_count = 0;
		record_of("x.example", DNS_TYPE_A, NULL, 5);
		record_of("x.example", DNS_TYPE_MX, NULL, 5);
		record_of("y.example", DNS_TYPE_MX, "x.example", 60);
		snprintf(record, sizeof(record), "v=spf1 %s -all", terms[i]);
		text("d.example", record);
		assert_int_equal(check("192.0.2.7", "h.example", "joe@d.example"), SPF_TEMPERROR);
	}
	record_of("e.example", DNS_TYPE_TXT, NULL, 5);
	assert_int_equal(check("192.0.2.7", "h.example", "joe@e.example"), SPF_TEMPERROR);
}

static void records_beyond_the_room_are_errors(void **state)
{
	static char record[SPF_TEXT_BYTES + 100];
	size_t len;

	(void)state;
	strcpy(record, "v=spf1 -all");
	len = strlen(record);
	memset(record + len, ' ', SPF_TEXT_BYTES - (len - 6));
	text("d.example", record);
	assert_int_equal(check("192.0.2.7", "h.example", "joe@d.example"), SPF_FAIL);
	text("e.example", "v=spf1 include:d.example");
	assert_int_equal(check("192.0.2.7", "h.example", "joe@e.example"), SPF_PERMERROR);
	text("f.example", "v=spf1 redirect=d.example"); /* in the place of its record */
	assert_int_equal(check("192.0.2.7", "h.example", "joe@f.example"), SPF_FAIL);
	strcat(record, " ");
	assert_int_equal(check("192.0.2.7", "h.example", "joe@d.example"), SPF_PERMERROR);
}

static void helo_is_checked_as_a_postmaster(void **state)
{
	(void)state;
	text("h.example", "v=spf1 exists:%{l}.%{o}.%{h} -all");
	record_of("postmaster.h.example.h.example", DNS_TYPE_A, "127.0.0.2", 60);
	assert_int_equal(check("192.0.2.7", "h.example", ""), SPF_PASS);
}

static void expands(const char *spec, const char *name)
{
	struct spf_macros macros = {.local = BYTES("Strong-Bad"),
	                            .sender_domain = BYTES("email.example.com"),
	                            .helo = BYTES("mx.example.org"),
	                            .domain = BYTES("email.example.com"),
	                            .validated = BYTES("mx.example.org")};
	char out[QUESTION_NAME_BYTES] = "";

	assert_true(spf_domain_is_sound(bytes_text(spec)));
	for (const char *client = "192.0.2.3"; client != NULL;) {
		assert_int_equal(addr_parse(bytes_text(client), &macros.client), OK);
		if (strstr(spec, "%{i") == NULL || strcmp(client, "192.0.2.3") == 0) {
			assert_true(spf_domain_expand(&macros, bytes_text(spec), out));
			if (strstr(spec, "%{v") == NULL || strcmp(client, "192.0.2.3") == 0)
				assert_string_equal(out, name);
		}
		client = strcmp(client, "192.0.2.3") == 0 ? "2001:db8::cb01" : NULL;
	}
}

static void macros_expand(void **state)
{
	static char spec[4096], name[4096];

	(void)state;
	expands("%{s}.x.org", "strong-bad@email.example.com.x.org");
	expands("%{d2}.%{d1}.%{d200}", "example.com.com.email.example.com");
	expands("%{dr}.%{d2r}.x.org", "com.example.email.example.email.x.org");
	expands("%{l-}.%{lr-}.%{l1r-}.x.org", "strong.bad.bad.strong.strong.x.org");
	expands("%{ir}.%{v}._spf.%{p1}.%{h}", "3.2.0.192.in-addr._spf.org.mx.example.org");
	expands("a%%b%-%_.%{D}.x.org", "a%b%20 .email.example.com.x.org");
	expands("%{S}.x.org.", "strong-bad%40email.example.com.x.org");
	/* Whole labels are taken off the front of what is too long. */
	for (int i = 0; i < 90; i++) {
		strcat(spec, "%{l}.");
		if (i < 20)
			strcat(name, "strong-bad.");
	}
	strcat(spec, "%{d}.12345.example");
	strcat(name, "email.example.com.12345.example");
	assert_int_equal(strlen(name), 251);
	expands(spec, name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(qualifiers_say_what_a_match_means, setup),
	    cmocka_unit_test_setup(other_texts_are_no_records, setup),
	    cmocka_unit_test_setup(names_that_are_none_have_no_record, setup),
	    cmocka_unit_test_setup(records_with_faults_are_errors, setup),
	    cmocka_unit_test_setup(addresses_of_names_match, setup),
	    cmocka_unit_test_setup(mail_servers_match, setup),
	    cmocka_unit_test_setup(client_names_match_where_they_have_its_address, setup),
	    cmocka_unit_test_setup(includes_match_when_they_pass, setup),
	    cmocka_unit_test_setup(redirects_take_the_place_of_a_record, setup),
	    cmocka_unit_test_setup(ten_terms_may_ask, setup),
	    cmocka_unit_test_setup(two_lookups_may_find_nothing, setup),
	    cmocka_unit_test_setup(failures_of_the_dns_end_the_check, setup),
	    cmocka_unit_test_setup(records_beyond_the_room_are_errors, setup),
	    cmocka_unit_test_setup(helo_is_checked_as_a_postmaster, setup),
	    cmocka_unit_test_setup(macros_expand, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
