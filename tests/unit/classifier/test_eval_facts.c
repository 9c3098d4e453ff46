/* test_eval_facts.c - eval functions and mimeheader rules over small facts given by hand. */
#include "base/facts.h"
#include "tests/unit/classifier/rules_fixture.h"

struct scene { /* facts to be filled by a test */
	struct facts facts;
	struct fact_field field[8];
	struct fact_part part[8];
	struct fact_html html[1];
	int64_t received_s[2];
};

static struct scene scene;

static void scene_clear(void)
{
	memset(&scene, 0, sizeof(scene));
	scene.facts.field = scene.field;
	scene.facts.part = scene.part;
	scene.facts.html = scene.html;
	scene.facts.received_date_s = scene.received_s;
}

static struct fact_part *add_part(const char *type, uint32_t parent)
{
	struct fact_part *part = &scene.part[scene.facts.part_count++];

	*part = (struct fact_part){.type = bytes_text(type),
	                           .declared_type = bytes_text(type),
	                           .parent = parent,
	                           .behind = scene.facts.part_count,
	                           .field_first = scene.facts.field_count,
	                           .html = FACT_NONE,
	                           .is_leaf = strncmp(type, "multipart", 9) != 0};
	return part;
}

static void add_field(const char *name, const char *value)
{
	scene.field[scene.facts.field_count++] = (struct fact_field){
	    .name = bytes_text(name),
	    .raw = bytes_text(value),
	    .value = bytes_text(value),
	    .name_hash = fact_name_hash(bytes_text(name))};
	scene.part[scene.facts.part_count - 1].field_count++;
}

static struct fact_html *add_html(void)
{
	scene.facts.html_count = 1;
	return &scene.html[0];
}

static void add_tag(const char *name, uint32_t open_count)
{
	struct fact_html *html = &scene.html[0];

	html->tag[html->tags++] = (struct fact_tag){bytes_text(name), open_count};
}

/* The value of rule A. */
static double value(const char *rules)
{
	struct fixture *f = fixture_new(rules);

	f->texts.facts = &scene.facts;
	fixture_judge(f);
	assert_false(f->judgement.incomplete);
	double value = fixture_value(f, "A");
	fixture_free(f);
	return value;
}

static void hits(const char *rule)
{
	if (value(rule) != 1)
		fail_msg("should hit: %s", rule);
}

static void misses(const char *rule)
{
	if (value(rule) != 0)
		fail_msg("should not hit: %s", rule);
}

static void relays_are_counted(void **state)
{
	(void)state;
	scene_clear();
	hits("header A eval:check_no_relays()\n");
	misses("header A eval:check_all_trusted()\n");
	scene.facts.relays_trusted = 1;
	hits("header A eval:check_all_trusted()\n");
	scene.facts.relays_unparseable = 1;
	misses("header A eval:check_all_trusted()\n");
	hits("header A eval:check_relays_unparseable()\n");
	misses("header A eval:check_no_relays()\n");
}

static void big_names_without_a_name_are_found(void **state)
{
	(void)state;
	static struct fact_relay relay[2];
	const char *rule = "header A eval:check_for_no_rdns_dotcom_helo()\n";

	scene_clear();
	scene.facts.relay = relay;
	scene.facts.relay_count = scene.facts.relays_untrusted = 1;
	relay[0] = (struct fact_relay){.helo = BYTES("mx.yahoo.com"), .no_reverse_dns = true};
	hits(rule);
	relay[0].no_reverse_dns = false;
	misses(rule);
	relay[1] = (struct fact_relay){.helo = BYTES("Excite.com"), .no_reverse_dns = true};
	scene.facts.relay_count = 2;
	hits(rule);
	relay[1].is_private = true;
	misses(rule);
}

static void dates_are_compared(void **state)
{
	(void)state;
	scene_clear();
	scene.facts.date_diff_s = 3 * 3600;
	hits("header A eval:check_for_shifted_date('3','6')\n");
	misses("header A eval:check_for_shifted_date('6','12')\n");
	hits("header A eval:check_for_shifted_date('undef','6')\n");
	scene.facts.date_diff_s = -97 * 3600;
	hits("header A eval:check_for_shifted_date('undef', '-96')\n");
	misses("header A eval:check_for_shifted_date('3','undef')\n");
}

static void outlooks_ids_tell_the_time(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("header A eval:check_outlook_message_id()\n");

	/* 1000000000 s is 2001-09-09: token 0x1c138e1 (29440225). */
	scene_clear();
	f->texts.facts = &scene.facts;
	scene.facts.has_date = true;
	scene.facts.date_s = 1000000000;
	fixture_header(f, "MESSAGEID", "<000f01c138e1$00000000$00000000@x>\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0);
	scene.facts.date_s = 1100000000;
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1);
	scene.facts.received_date_count = 1;
	scene.received_s[0] = 1000000000;
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0);
	fixture_free(f);
}

static void html_is_measured(void **state)
{
	(void)state;
	struct fact_html *html;

	scene_clear();
	misses("body A eval:html_test('html')\n");
	html = add_html();
	*html = (struct fact_html){.length = 400,
	                           .html_length = 100,
	                           .non_space_len = 80,
	                           .image_area = 20000,
	                           .tag_count = 10,
	                           .element_count = 6,
	                           .tags_seen = 5,
	                           .elements_seen = 2,
	                           .closed_extra = 3,
	                           .obfuscation = 1,
	                           .max_size = 6,
	                           .embeds = true};
	add_tag("img", 0);
	add_tag("body", 2);
	hits("body A eval:html_test('html')\n");
	hits("body A eval:html_test('embeds')\n");
	misses("body A eval:html_test('font_face_bad')\n");
	hits("body A eval:html_tag_exists('img')\n");
	misses("body A eval:html_tag_exists('script')\n");
	hits("body A eval:html_tag_balance('body', '!= 0')\n");
	misses("body A eval:html_tag_balance('body', '< 2')\n");
	misses("body A eval:html_tag_balance('img', '!= 0')\n");
	hits("body A eval:html_image_only('0000','0400')\n");
	misses("body A eval:html_image_only('0400','0800')\n");
	hits("body A eval:html_image_ratio('0.002','0.004')\n");
	misses("body A eval:html_image_ratio('0.004','0.006')\n");
	hits("body A eval:html_range('bad_tag_ratio','0.30','0.40')\n");
	hits("body A eval:html_range('non_element_ratio','0.50','0.60')\n");
	hits("body A eval:html_range('closed_extra_ratio','0.09','inf')\n");
	hits("body A eval:html_range('obfuscation_ratio','.05','.1')\n");
	hits("body A eval:html_range('max_size','5','6')\n");
	misses("body A eval:html_range('length','400','500')\n");
	misses("body A eval:html_range('nonsense','0','inf')\n");
	hits("body A eval:html_eval('length','< 512')\n");
	misses("body A eval:html_eval('length','< 384')\n");
	misses("body A eval:check_iframe_src()\n");
	html->iframe_uri = true;
	hits("body A eval:check_iframe_src()\n");
}

static void texts_of_the_markup_match(void **state)
{
	(void)state;
	struct fact_html *html;

	scene_clear();
	html = add_html();
	html->comment_count = html->title_count = html->anchor_count = 1;
	html->comment[0] = BYTES("<!-- saved from url=(0022)x -->");
	html->title[0] = BYTES("a long, long title");
	html->anchor[0].text = BYTES("<img>\n");
	hits("body A eval:html_text_match('comment', '<!-- saved from url=\\(\\d{4}\\)')\n");
	hits("body A eval:html_text_match('title', '.{18}')\n");
	misses("body A eval:html_text_match('title', '.{19}')\n");
	hits("body A eval:html_text_match('anchor', '<img>')\n");
	misses("body A eval:html_text_match('script', '.')\n");
	hits("body A eval:html_text_not_match('title', 'short')\n");
}

static void links_that_lie_are_found(void **state)
{
	(void)state;
	const char *mismatch = "util_rb_tld example\n"
	                       "body A eval:check_https_http_mismatch('1','10')\n";
	const char *address = "body A eval:check_https_ip_mismatch()\n";
	struct fact_html *html;

	scene_clear();
	html = add_html();
	html->anchor_count = 1;
	html->anchor[0] = (struct fact_anchor){.href = BYTES("http://evil.example/x"),
	                                       .text = BYTES("https://www.bank.example/")};
	hits(mismatch);
	misses(address);
	html->anchor[0].href = BYTES("http://pay.bank.example/x");
	misses(mismatch);
	html->anchor[0].href = BYTES("http://192.0.2.1/");
	misses(mismatch);
	hits(address);
	html->anchor[0].text = BYTES("https://192.0.2.1/");
	misses(address);
}

static void parts_are_looked_at(void **state)
{
	(void)state;
	struct fact_part *part;

	scene_clear();
	add_part("multipart/alternative", 0)->behind = 3;
	add_part("text/plain", 0);
	part = add_part("text/html", 0);
	misses("body A eval:check_ma_non_text()\n");
	part->type = BYTES("image/gif");
	part->image = FACT_IMAGE_GIF;
	part->image_width = 300;
	part->image_height = 200;
	part->is_base64 = true;
	part->line_bytes_max = 77;
	part->name = BYTES("image001.gif");
	hits("body A eval:check_ma_non_text()\n");
	hits("body A eval:image_count('gif','1','1')\n");
	misses("body A eval:image_count('png','1')\n");
	hits("body A eval:image_count('all','1')\n");
	hits("body A eval:pixel_coverage('gif','60000','60000')\n");
	misses("body A eval:pixel_coverage('gif','1','100')\n");
	hits("body A eval:image_size_exact('gif','200','300')\n");
	misses("body A eval:image_size_exact('gif','300','200')\n");
	hits("body A eval:image_size_range('gif',100,100)\n");
	misses("body A eval:image_size_range('gif',100,100,150,400)\n");
	hits("body A eval:image_named('image001.gif')\n");
	hits("rawbody A eval:check_base64_length('77','79')\n");
	misses("rawbody A eval:check_base64_length('78')\n");
}

static void what_the_walk_found_is_told(void **state)
{
	(void)state;
	scene_clear();
	misses("body A eval:check_for_mime('mime_base64_count')\n");
	misses("body A eval:check_for_mime_html()\n");
	scene.facts.mime = (struct fact_mime){.html_count = 1,
	                                      .base64_count = 2,
	                                      .qp_bytes = 100,
	                                      .qp_escaped_count = 20,
	                                      .unicode_escapes = 5,
	                                      .plain_bytes = 100,
	                                      .ascii_illegal_count = 1,
	                                      .has_last_text = true,
	                                      .has_last_html = true,
	                                      .last_html_bytes = 1000,
	                                      .last_text_bytes = 5};
	scene.facts.flags.truncated_header = true;
	scene.facts.body_bytes = 512;
	hits("body A eval:check_for_mime('mime_base64_count')\n");
	misses("body A eval:check_for_mime('mime_attachment')\n");
	hits("body A eval:check_for_mime_html()\n");
	hits("body A eval:check_for_mime_html_only()\n");
	scene.facts.mime.text_count = 1;
	misses("body A eval:check_for_mime_html_only()\n");
	hits("body A eval:check_qp_ratio('0.2')\n");
	misses("body A eval:check_qp_ratio('0.21')\n");
	hits("body A eval:check_abundant_unicode_ratio('0.05')\n");
	hits("body A eval:check_for_ascii_text_illegal()\n");
	hits("body A eval:check_mime_multipart_ratio('0.00','0.01')\n");
	hits("body A eval:check_msg_parse_flags('truncated_header')\n");
	misses("body A eval:check_msg_parse_flags('mime_epilogue_exists')\n");
	hits("body A eval:check_body_length('512')\n");
	misses("body A eval:check_body_length('511')\n");
	misses("body A eval:check_uri_truncated()\n");
}

static void forms_of_a_text_are_compared(void **state)
{
	(void)state;
	struct fact_part *html, *plain;

	scene_clear();
	add_part("multipart/alternative", 0)->behind = 3;
	plain = add_part("text/plain", 0);
	html = add_part("text/html", 0);
	html->is_html = true;
	html->rendered = BYTES("one two\nthree two - four");
	plain->rendered = BYTES("one  two three *");
	/* Of one, two, three, four the text lacks four, and one of the two "two". */
	hits("body A eval:multipart_alternative_difference('49', '50')\n");
	misses("body A eval:multipart_alternative_difference('50', '100')\n");
	hits("body A eval:multipart_alternative_difference_count('0.7', '1')\n");
	misses("body A eval:multipart_alternative_difference_count('0.75', '1')\n");
	misses("body A eval:multipart_alternative_difference_count('0.7', '4')\n");
	plain->rendered = BYTES("");
	html->rendered = BYTES(" ");
	html->html = 0;
	add_html();
	add_tag("img", 0);
	hits("body A eval:multipart_alternative_difference('99', '100')\n");
	/* A meeting request is no form of a letter. */
	scene.part[1].type = BYTES("text/html");
	scene.part[2].type = BYTES("text/calendar");
	misses("body A eval:multipart_alternative_difference('99', '100')\n");
}

static void bodies_are_measured(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("rawbody A eval:check_blank_line_ratio('40','60','4')\n"
	                                "rawbody B eval:check_blank_line_ratio('40','60','5')\n"
	                                "body C eval:check_for_uppercase('50','75')\n"
	                                "body D eval:check_stock_info('2')\n");
	char loud[256];

	scene_clear();
	add_part("text/plain", 0)->rendered = BYTES(
	    "Company Name: X\n Current Price: 1\nTicker: 2\n");
	f->texts.facts = &scene.facts;
	fixture_add(f, TEXT_RAWBODY, "one\n\n \ntwo\n");
	for (size_t i = 0; i < sizeof(loud) - 1; i++)
		loud[i] = i % 5 == 4 ? ' ' : i % 5 < 2 || i % 10 == 2 ? 'A' : 'a';
	loud[sizeof(loud) - 1] = '\0';
	fixture_add(f, TEXT_BODY, loud);
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1 && fixture_value(f, "B") == 0);
	assert_true(fixture_value(f, "C") == 1 && fixture_value(f, "D") == 1);
	/* A blank behind the name of a character set is none of it. */
	scene.part[scene.facts.part_count - 1].charset = BYTES("shift_jis ");
	fixture_judge(f);
	assert_true(fixture_value(f, "C") == 0);
	fixture_free(f);
}

/* Of lines of any length and beginning: a rule for each per cent, of which one must hit. */
static void capitals_are_counted_exactly(void **state)
{
	static const char octets[] = "AZaz09@[`{/:\x7f\xc1 bYq4";
	char rules[8192], text[400];
	size_t len = 0;

	(void)state;
	for (int i = 1; i < 100; i++)
		len += (size_t)snprintf(rules + len, sizeof(rules) - len,
		                        "body P%d eval:check_for_uppercase('%d','%d')\n", i, i,
		                        i + 1);
	struct fixture *f = fixture_new(rules);
	scene_clear();
	f->texts.facts = &scene.facts;
	for (unsigned turn = 0; turn < 64; turn++) {
		size_t bytes = 250 + turn, upper = 0, counted = 0;

		memcpy(text, "Two words ", 10);
		for (size_t i = 10; i < bytes; i++)
			text[i] = octets[(i * (turn + 1) + i / 7) % (sizeof(octets) - 1)];
		text[bytes] = '\0';
		for (size_t i = 0; i < bytes; i++) {
			upper += text[i] >= 'A' && text[i] <= 'Z';
			counted += (text[i] >= 'A' && text[i] <= 'Z') ||
			           (text[i] >= 'a' && text[i] <= 'z') ||
			           (text[i] >= '0' && text[i] <= '9');
		}
		double percent = 100.0 * (double)upper / (double)counted;
		fixture_empty_texts(f);
		fixture_add(f, TEXT_BODY, text);
		fixture_judge(f);
		for (int i = 1; i < 100; i++) {
			char name[8];

			snprintf(name, sizeof(name), "P%d", i);
			assert_true((fixture_value(f, name) == 1) ==
			            (percent > i && percent <= i + 1));
		}
	}
	fixture_free(f);
}

static void signatures_are_measured(void **state)
{
	(void)state;
	scene_clear();
	misses("body A eval:plaintext_body_length('0')\n");
	add_part("text/plain", 0)->rendered = BYTES("0123456789\n-- \nsignature\n-- \n");
	hits("body A eval:plaintext_body_length('11','11')\n");
	misses("body A eval:plaintext_body_length('12')\n");
	hits("body A eval:plaintext_sig_length('15','15')\n");
	misses("body A eval:plaintext_body_sig_ratio('0.8')\n");
	hits("body A eval:plaintext_body_sig_ratio('0.7','0.8')\n");
}

static void bounces_of_own_mail_are_known(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("whitelist_bounce_relays *.own.example\n"
	                                "body A eval:check_welcomelist_bounce_relays()\n"
	                                "body B eval:have_any_bounce_relays()\n");
	const char *full = "Received: by mx.own.example x\n\nIt failed.\n"
	                   "Received: from a\n\tby mx.own.example with SMTP\n";

	scene_clear();
	f->texts.facts = &scene.facts;
	scene.facts.body_bytes = 11;
	fixture_add(f, TEXT_FULL, "Received: by mx.own.example x\n\nIt failed.\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0 && fixture_value(f, "B") == 1);
	fixture_empty_texts(f);
	f->texts.facts = &scene.facts;
	scene.facts.body_bytes = (uint32_t)strlen(full) - 31;
	fixture_add(f, TEXT_FULL, full);
	f->texts.kind[TEXT_FULL].bytes--; /* the fixture's line end */
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1);
	fixture_free(f);
}

static void headers_of_parts_match(void **state)
{
	(void)state;
	scene_clear();
	add_part("multipart/mixed", 0)->behind = 3;
	add_field("Content-Type", "multipart/mixed");
	add_part("text/plain", 0);
	add_field("Content-Type", "text/plain");
	add_field("Content-Type", "text/plain; name=second");
	add_part("image/gif", 0);
	add_field("X-Note", "last");
	hits("mimeheader A Content-Type =~ /^text.*second$/m\n");
	misses("mimeheader A Content-Type =~ /^text.plain$/m\n"); /* the last one counts */
	hits("mimeheader A X-Note =~ /last\\n$/\n");
	hits("mimeheader A X-Note:raw =~ /last$/\n");
	hits("mimeheader A X-Missing =~ /^$/\n");
	misses("mimeheader A X-Missing =~ /^$/ [if-unset: none]\n");
	hits("mimeheader A X-Missing =~ /^none$/ [if-unset: none]\n");
	hits("mimeheader A ALL =~ /^X-Note: last$/m\n");
	misses("mimeheader A X-Note =~ /last/\ntflags A range=-2\n");
	hits("mimeheader A X-Note =~ /last/\ntflags A range=3\n");
	hits("mimeheader A Content-Type =~ /mixed.*second/s\ntflags A concat\n");
	assert_true(value("mimeheader A Content-Type =~ /t/\ntflags A multiple maxhits=2\n") == 2);
	hits("mimeheader A Content-Type !~ /text/\n");
}

/* Patterns are asked only where a string stands that each match has; the answers are the same. */
static void headers_without_a_needed_string_do_not_match(void **state)
{
	(void)state;
	scene_clear();
	add_part("multipart/mixed", 0)->behind = 4;
	add_part("application/pdf", 0);
	add_field("Content-Type", "APPLICATION/Pdf; name=\"Offer.PDF\"");
	add_part("image/gif", 0);
	add_field("Content-Type", "image/gif; name=\"R\xe9sum\xe9.gif\"");
	add_part("text/plain", 0);
	add_field("Content-Type", "text/plain");
	hits("mimeheader A Content-Type =~ /name=.offer\\.pdf/i\n");
	misses("mimeheader A Content-Type =~ /name=.offer\\.pdf/\n");
	hits("mimeheader A Content-Type =~ /name=.Offer\\.PDF/\n");
	misses("mimeheader A Content-Type =~ /name=.offer\\.docx/i\n");
	hits("mimeheader A Content-Type =~ /absent|elsewhere|gif/\n");
	misses("mimeheader A Content-Type =~ /absent|elsewhere|nowhere/\n");
	hits("mimeheader A Content-Type =~ /r\\xc9sum\\xc9/i\n");
	misses("mimeheader A Content-Type =~ /r\\xc9sum\\xc9/\n");
	hits("mimeheader A Content-Type =~ /^text.plain$/\n");
	misses("mimeheader A X-Missing =~ /anything/\n");
	/* What one rule found out of the header's values, the next one uses. */
	struct fixture *f = fixture_new("mimeheader A Content-Type =~ /offer/i\n"
	                                "mimeheader B Content-Type =~ /offers/i\n"
	                                "mimeheader C Content-Type:raw =~ /offer/i\n"
	                                "mimeheader D Content-Disposition =~ /offer/i\n"
	                                "mimeheader E Content-Type =~ /image.gif/i\n");
	for (unsigned round = 0; round < 2; round++) {
		f->texts.facts = &scene.facts;
		fixture_judge(f);
		assert_true(fixture_value(f, "A") == 1 && fixture_value(f, "B") == 0);
		assert_true(fixture_value(f, "C") == 1 && fixture_value(f, "D") == 0);
		assert_true(fixture_value(f, "E") == (round == 0));
		/* Another message: without its picture. */
		scene.facts.part_count = 2;
	}
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers_without_a_needed_string_do_not_match),
	    cmocka_unit_test(relays_are_counted),
	    cmocka_unit_test(big_names_without_a_name_are_found),
	    cmocka_unit_test(dates_are_compared),
	    cmocka_unit_test(outlooks_ids_tell_the_time),
	    cmocka_unit_test(html_is_measured),
	    cmocka_unit_test(texts_of_the_markup_match),
	    cmocka_unit_test(links_that_lie_are_found),
	    cmocka_unit_test(parts_are_looked_at),
	    cmocka_unit_test(what_the_walk_found_is_told),
	    cmocka_unit_test(forms_of_a_text_are_compared),
	    cmocka_unit_test(bodies_are_measured),
	    cmocka_unit_test(capitals_are_counted_exactly),
	    cmocka_unit_test(signatures_are_measured),
	    cmocka_unit_test(bounces_of_own_mail_are_known),
	    cmocka_unit_test(headers_of_parts_match),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
