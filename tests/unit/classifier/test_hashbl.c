/* test_hashbl.c - which digests are asked for, and what answers make of them. */
#include "network_fixture.h"

/* Digests of bob@shop.example. */
#define BOB_MD5    "375d7eebae51e7e9af4f1cad0cdc6f96"
#define BOB_SHA1   "8cc0f95e3a2c537ac1ba65892e10f6fd39864878"
#define BOB_SHA256 "ag3gddw56i7ih7qprivzxbsvwd753hldanotwwiesckhqngm5i7a"

static void addresses_are_asked_by_digest(void **state)
{
	(void)state;
	open_rules(
	    "header A eval:check_hashbl_emails('A.example/A', 'md5', 'ALLFROM')\n"
	    "header B eval:check_hashbl_emails('b.example', 'sha1/max=1', 'Reply-To/X-Sender')\n"
	    "header C eval:check_hashbl_emails('c.example.', 'sha256', 'Reply-To')\n"
	    "header D eval:check_hashbl_emails('d.example/TXT', 'raw/domain', 'Reply-To')\n"
	    "header E eval:check_hashbl_emails('e.example', 'raw/user', 'Reply-To')\n"
	    "util_rb_tld example\n");
	fixture_header(f, "From:addr", "Bob@Shop.example");
	fixture_header(f, "Reply-To", "Bob <bob@shop.example>");
	fixture_header(f, "X-Sender", "ann@other.example");
	EXPECT("address " BOB_MD5 ".a.example", "address " BOB_SHA1 ".b.example",
	       "address " BOB_SHA256 ".c.example", "text shop.example.d.example",
	       "address bob.e.example");
	know(QUESTION_ADDRESS, BOB_MD5 ".a.example", ANSWER_FOUND, "127.0.0.2");
	know(QUESTION_ADDRESS, BOB_SHA1 ".b.example", ANSWER_FOUND, "198.51.100.1");
	know(QUESTION_ADDRESS, BOB_SHA256 ".c.example", ANSWER_NONE, NULL);
	know(QUESTION_TEXT, "shop.example.d.example", ANSWER_FOUND, "127.0.0.2 listed");
	value_is("A", 1);
	value_is("B", 0);
	value_is("C", 0);
	value_is("D", 1);
	value_is("E", OPEN);
}

static void addresses_are_written_alike(void **state)
{
	(void)state;
	open_rules("util_rb_tld example\n"
	           "header A eval:check_hashbl_emails('a.example', 'md5/nodot/notag', 'Reply-To')\n"
	           "header B eval:check_hashbl_emails('b.example', 'md5/case', 'Reply-To')\n");
	fixture_header(f, "Reply-To", "b.o.b+x@shop.example, BOB@shop.example");
	EXPECT("address " BOB_MD5 ".a.example",
	       "address e856beb1526d06bf28c96f06928ea342.b.example",
	       "address f81cf7485da59e4942e35a99359e0377.b.example");
}

static void addresses_of_some_domains_only(void **state)
{
	(void)state;
	open_rules(
	    "util_rb_tld example\n"
	    "hashbl_acl_free shop.example !not.example not.example\n"
	    "hashbl_acl_free *.example\n"
	    "hashbl_ignore ann@shop.example\n"
	    "uridnsbl_skip_domain skip.example shop.example\n"
	    "header A eval:check_hashbl_emails('a.example', 'raw/user', 'Reply-To', '^127\\.', "
	    "'free')\n"
	    "header B eval:check_hashbl_emails('b.example', 'raw/user', 'Reply-To', '', 'all')\n"
	    "header C eval:check_hashbl_emails('c.example', 'raw/user', 'Reply-To')\n"
	    "header D eval:check_hashbl_emails('d.example', 'raw/user', 'Reply-To', '', 'none')\n"
	    "header E eval:check_hashbl_emails('e.example', 'md5', 'Cc')\n");
	fixture_header(f, "Reply-To",
	               "bob@shop.example x@not.example y@other.example "
	               "z@mail.skip.example abuse@shop.example to@other.example");
	fixture_header(f, "Delivered-To:addr", "to@other.example");
	fixture_header(f, "Cc", "ann@shop.example");
	EXPECT("address bob.a.example", "address bob.b.example", "address x.b.example",
	       "address y.b.example", "address z.b.example", "address x.c.example",
	       "address y.c.example");
	value_is("D", 0);
}

static void addresses_at_aliases_are_those_of_the_domain(void **state)
{
	(void)state;
	open_rules(
	    "util_rb_tld example\n"
	    "hashbl_email_domain_alias Shop.example Store.example old.example\n"
	    "hashbl_email_domain_alias other.example old.example\n"
	    "hashbl_email_domain_alias lonely.example\n"
	    "hashbl_email_domain_alias a@b.example c.example\n"
	    "hashbl_acl_own shop.example other.example\n"
	    "header A eval:check_hashbl_emails('a.example', 'raw/host', 'Reply-To', '', 'own')\n"
	    "header B eval:check_hashbl_emails('b.example', 'sha1', 'Reply-To', '', 'own')\n");
	fixture_header(f, "Reply-To", "bob@STORE.example, ann@old.example, eve@none.example");
	EXPECT("address shop.example.a.example", "address other.example.a.example",
	       "address " BOB_SHA1 ".b.example",
	       "address a0d518b972efa050c8faa5023a3a4e7437ab0d2f.b.example");
	assert_non_null(fixture_report(f, "hashbl_email_domain_alias"));
}

static void addresses_of_the_body(void **state)
{
	static struct fact_uri uri[2] = {{.types = 1u << FACT_URI_a},
	                                 {.types = 1u << FACT_URI_a | 1u << FACT_URI_parsed}};

	(void)state;
	open_rules(
	    "util_rb_tld example\n"
	    "header A eval:check_hashbl_emails('a.example', 'raw/user', 'body')\n"
	    "header B eval:check_hashbl_emails('b.example', 'raw/user/nouri/noquote', 'body')\n");
	uri[0].raw = BYTES("mailto:ann@links.example");
	uri[1].raw = BYTES("mailto:tim@links.example");
	facts.uri = uri;
	facts.uri_count = 2;
	fixture_add(f, TEXT_BODY, "see https://x.example/,web@shop.example or bob@shop.example");
	fixture_add(f, TEXT_BODY,
	            "<joe@shop.example> jim@shop.example wrote: tel@shop.example tel:");
	EXPECT("address ann.a.example", "address web.a.example", "address bob.a.example",
	       "address joe.a.example", "address jim.a.example", "address tel.a.example",
	       "address ann.b.example", "address bob.b.example", "address tel.b.example");
}

static void uris_are_asked_by_digest(void **state)
{
	static const uint16_t form[] = {0, 1, 2};
	static struct fact_uri uri[3] = {
	    {.types = 1u << FACT_URI_a, .form_first = 0, .form_count = 1},
	    {.types = 1u << FACT_URI_parsed, .form_first = 1, .form_count = 1},
	    {.types = 1u << FACT_URI_img, .form_first = 2, .form_count = 1}};

	(void)state;
	open_rules("util_rb_tld example\n"
	           "uridnsbl_skip_domain skip.example\n"
	           "header A eval:check_hashbl_uris('a.example', 'md5', '^127\\.0\\.1\\.4')\n");
	facts.uri = uri;
	facts.uri_form = form;
	facts.uri_count = 3;
	fixture_add(f, TEXT_URI, "http://Shop.example/X");
	fixture_add(f, TEXT_URI, "http://www.skip.example/");
	fixture_add(f, TEXT_URI, "http://img.example/");
	EXPECT("address 91a72a57a9723552383d27e5b00a7031.a.example");
	know(QUESTION_ADDRESS, "91a72a57a9723552383d27e5b00a7031.a.example", ANSWER_FOUND,
	     "127.0.1.4");
	value_is("A", 1);
	net.known[0].answer.address[0]++;
	value_is("A", 0);
}

static void matches_and_tags_are_asked(void **state)
{
	(void)state;
	open_rules(
	    "util_rb_tld example\n"
	    "body P eval:check_hashbl_bodyre('p.example', 'raw/max=2/shuffle/num', "
	    "'((?:\\d[ .-]?){8,13}\\d)|nothing', '127.0.1.16')\n"
	    "rawbody S eval:check_hashbl_bodyre('s.example', '', 'tel:(\\d+)')\n"
	    "header __ID List-Id =~ /<(?<LISTID>.*)>/\n"
	    "header T eval:check_hashbl_tag('t.example', 'raw', '_listid_')\n"
	    "header I eval:check_hashbl_tag('i.example', 'raw/ipv4/revip', 'LASTEXTERNALIP')\n"
	    "header V eval:check_hashbl_tag('v.example', 'raw/ipv6', 'LASTEXTERNALIP')\n"
	    "header D eval:check_hashbl_tag('d.example', 'raw/trim', 'LISTID')\n");
	three_relays();
	fixture_add(f, TEXT_BODY, "call 123-456-78901 or 12345678901, nothing");
	fixture_add(f, TEXT_BODY, "or 22222222222 or 33333333333");
	fixture_add(f, TEXT_RAWBODY, "tel:12345678901");
	fixture_header(f, "List-Id", "<News.Shop.example>");
	EXPECT("address 12345678901.p.example", "address 22222222222.p.example",
	       "address 266dc053a8163e676e83243070241c8917f8a8a3.s.example",
	       "address news.shop.example.t.example", "address 1.113.0.203.i.example",
	       "address shop.example.d.example");
	know(QUESTION_ADDRESS, "22222222222.p.example", ANSWER_FOUND, "127.0.1.16");
	value_is("P", 1);
}

/* Of part 1 "one", of 3 "three", of 5 nobody knows. */
static bool find_digest(void *context, uint32_t part, enum part_digest kind,
                        uint8_t out_digest[PART_DIGEST_BYTES], uint32_t *out_part_bytes)
{
	assert_ptr_equal(context, f);
	memset(out_digest, 0, PART_DIGEST_BYTES);
	out_digest[0] = (uint8_t)(part << 4 | kind);
	*out_part_bytes = part * 1000;
	return part != 5;
}

static void parts_are_asked_by_digest(void **state)
{
	const struct fact_part part[] = {
	    {.type = BYTES("multipart/mixed")},
	    {.type = BYTES("text/plain"), .is_leaf = true},
	    {.type = BYTES("text/html"), .is_leaf = true},
	    {.type = BYTES("image/png"), .name = BYTES("Logo.png"), .is_leaf = true},
	    {.type = BYTES("image/png"), .name = BYTES("ok.png"), .is_leaf = true},
	};

	(void)state;
	open_rules(
	    "hashbl_ignore text/html OK.png\n"
	    "body SHA1 eval:check_hashbl_attachments('a.example')\n"
	    "body MD5 eval:check_hashbl_attachments('b.example/TXT', 'md5/minsize=1001')\n"
	    "body SHA256 eval:check_hashbl_attachments('c.example', 'sha256/maxsize=2999', '^x')\n"
	    "body ONE eval:check_hashbl_attachments('d.example', 'sha1/max=1')\n");
	facts.part = part;
	facts.part_count = 5;
	facts.digests = (struct part_digests){f, find_digest};
#define ZEROS_38 "00000000000000000000000000000000000000"
	EXPECT("address 11" ZEROS_38 ".a.example", "address 31" ZEROS_38 ".a.example",
	       "text 30000000000000000000000000000000.b.example",
	       "address ciaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.c.example",
	       "address 11" ZEROS_38 ".d.example");
	know(QUESTION_ADDRESS, "31" ZEROS_38 ".a.example", ANSWER_FOUND, "127.0.0.2");
	know(QUESTION_ADDRESS, "ciaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.c.example",
	     ANSWER_FOUND, "127.0.0.2");
	know(QUESTION_TEXT, "30000000000000000000000000000000.b.example", ANSWER_NONE, NULL);
	know(QUESTION_ADDRESS, "11" ZEROS_38 ".d.example", ANSWER_NONE, NULL);
	value_is("SHA1", 1);
	value_is("SHA256", 0);
	value_is("MD5", 0);
	value_is("ONE", 0);
	/* What follows a cut is unknown, and the last part is not whole; the first is. */
	facts.is_cut = true;
	value_is("MD5", OPEN);
	value_is("ONE", 0);
}

static void parts_without_a_digest_leave_rules_open(void **state)
{
	const struct fact_part part[6] = {[5] = {.type = BYTES("text/plain"), .is_leaf = true}};

	(void)state;
	open_rules("body SHA1 eval:check_hashbl_attachments('a.example')\n");
	facts.part = part;
	facts.part_count = 6;
	value_is("SHA1", OPEN);
	facts.digests = (struct part_digests){f, find_digest};
	value_is("SHA1", OPEN);
	facts.part_count = 5;
	value_is("SHA1", 0);
}

static void hashbl_calls_are_checked(void **state)
{
	(void)state;
	open_rules("header A eval:check_hashbl_emails('no zone')\n"
	           "header B eval:check_hashbl_emails('a.example/MX')\n"
	           "header C eval:check_hashbl_uris('a.example', 'raw')\n"
	           "body D eval:check_hashbl_bodyre('a.example', 'md5', '(')\n"
	           "body E eval:check_hashbl_bodyre('a.example', 'md5', '(x)', '(')\n"
	           "body F eval:check_hashbl_bodyfuzzy('a.example/TXT', 'sim_threshold=95')\n"
	           "header G eval:check_hashbl_tag('a.example', 'md5', 'STRANGE')\n"
	           "header H eval:check_hashbl_emails('a.example', 'md5', 'a/b/c/d/e/f/g/h/i')\n"
	           "body I eval:check_hashbl_attachments('a.example', 'max=5')\n"
	           "body SURE /sure/\n");
	uint32_t count, faults = 0;
	const struct rule_report *report = rule_compiler_reports(f->compiler, &count);

	for (uint32_t k = 0; k < count; k++)
		faults += report[k].fault;
	assert_int_equal(faults, 6);
	assert_non_null(fixture_report(f, "eval:check_hashbl_bodyfuzzy"));
	assert_non_null(fixture_report(f, "eval:check_hashbl_tag"));
	assert_false(ruleset_asks(f->ruleset));
	value_is("F", OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(addresses_are_asked_by_digest, teardown),
	    cmocka_unit_test_teardown(addresses_are_written_alike, teardown),
	    cmocka_unit_test_teardown(addresses_of_some_domains_only, teardown),
	    cmocka_unit_test_teardown(addresses_at_aliases_are_those_of_the_domain, teardown),
	    cmocka_unit_test_teardown(addresses_of_the_body, teardown),
	    cmocka_unit_test_teardown(uris_are_asked_by_digest, teardown),
	    cmocka_unit_test_teardown(matches_and_tags_are_asked, teardown),
	    cmocka_unit_test_teardown(parts_are_asked_by_digest, teardown),
	    cmocka_unit_test_teardown(parts_without_a_digest_leave_rules_open, teardown),
	    cmocka_unit_test_teardown(hashbl_calls_are_checked, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
