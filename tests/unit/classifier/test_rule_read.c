/* test_rule_read.c - the rule language: lines, conditions, definitions, tags, and what is said
 * about mistakes. */
#include "classifier/rule_read.h"
#include "tests/unit/classifier/rules_fixture.h"

static struct rule_reader *read_rules(const char *text)
{
	struct rule_reader *reader = malloc(sizeof(*reader));

	assert_non_null(reader);
	rule_reader_init(reader, 0);
	rule_reader_text(reader, "test.cf", bytes_text(text));
	rule_reader_finish(reader);
	return reader;
}

static void done(struct rule_reader *reader)
{
	rule_reader_free(reader);
	free(reader);
}

static const char *pattern(const struct rule_reader *reader, const char *name)
{
	const struct rule_text *rule = rule_reader_find(reader, bytes_text(name));

	return rule != NULL && rule->pattern != NULL ? rule->pattern : "(none)";
}

static void no_faults(const struct rule_reader *reader)
{
	for (uint32_t i = 0; i < reader->report_count; i++)
		assert_false(reader->report[i].fault);
}

static void reads_lines_as_spamassassin_does(void **state)
{
	(void)state;
	struct rule_reader *r = read_rules(
	    "# a comment\n  body A /one\\#two/ # after\n\nBODY B m{a/b}is\r\n"
	    "body C m,x\\,y,\nlang de body D /nein/\nlang en body E /yes/\n"
	    "body F /\\\\\\#/\nbody\tG\t/tab/\nreplace-tag X y\n");

	no_faults(r);
	assert_string_equal(pattern(r, "A"), "one#two");
	assert_string_equal(pattern(r, "B"), "(?is)a/b");
	assert_string_equal(pattern(r, "C"), "x\\,y");
	assert_string_equal(pattern(r, "D"), "(none)");
	assert_string_equal(pattern(r, "E"), "yes");
	assert_string_equal(pattern(r, "F"), "\\\\#");
	assert_string_equal(pattern(r, "G"), "tab");
	done(r);
}

static void obeys_conditions(void **state)
{
	(void)state;
	struct rule_reader *r = read_rules(
	    "ifplugin Mail::SpamAssassin::Plugin::ReplaceTags\nbody A /a/\nelse\nbody NO "
	    "/a/\nendif\n"
	    "ifplugin Mail::SpamAssassin::Plugin::DCC # comment\nbody NO /a/\nif (version > 1)\n"
	    "body NO /b/\nelse\nbody NO /c/\nendif\nelse\nbody B /b/\nendif\n"
	    "if (version >= 3.004002) && !(version > 4.1) || plugin(Nope)\nbody C /c/\nendif\n"
	    "if can(Mail::SpamAssassin::Conf::feature_bug6558_free)\nbody D /d/\nendif\n"
	    "if can(Mail::SpamAssassin::Plugin::ASN::has_check_asn)\nbody NO /d/\nendif\n"
	    "if !local_tests_only\nbody NO /x/\nendif\n"
	    "loadplugin Mail::SpamAssassin::Plugin::ASN\n"
	    "if has(Mail::SpamAssassin::Plugin::ASN::has_check_asn)\nbody E /d/\nendif\n"
	    "require_version 4.000001\nbody F /f/\nrequire_version 3.1\nbody NO /g/\n");

	no_faults(r);
	for (const char *name = "ABCDEF"; *name != '\0'; name++)
		assert_string_not_equal(pattern(r, (char[]){*name, '\0'}), "(none)");
	assert_null(rule_reader_find(r, BYTES("NO")));
	done(r);
}

static void later_definitions_replace_earlier_ones(void **state)
{
	(void)state;
	struct rule_reader *r = read_rules(
	    "score A 2\nheader A Subject !~ /x/ [if-unset: y]\ntflags A nice multiple\n"
	    "body A /z/\ntflags A nosubject\nmeta B A\nbody B /b/\n");
	const struct rule_text *a = rule_reader_find(r, BYTES("A"));

	no_faults(r);
	assert_int_equal(a->type, RULE_BODY);
	assert_string_equal(a->pattern, "z");
	assert_false(a->negated);
	assert_null(a->if_unset);
	assert_int_equal(a->tflags, TFLAG_NOSUBJECT);
	assert_true(a->score[0] == 2);
	assert_int_equal(rule_reader_find(r, BYTES("B"))->type, RULE_BODY);
	done(r);
}

static void reads_header_rules(void **state)
{
	(void)state;
	struct rule_reader *r = read_rules(
	    "header A From:addr =~ /a b/i [if-unset: no body]\nheader B exists:X-Y\n"
	    "header C ALL !~ m!x!\nheader D Subject: =~ /[\\w]/\n"
	    "header E eval:check_for(\"a\", 'b')\nheader F rbleval:check_rbl('x')\n");
	const struct rule_text *a = rule_reader_find(r, BYTES("A"));

	no_faults(r);
	assert_string_equal(a->selector, "From:addr");
	assert_string_equal(a->pattern, "(?i)a b");
	assert_string_equal(a->if_unset, "no body");
	assert_int_equal(rule_reader_find(r, BYTES("B"))->type, RULE_EXISTS);
	assert_true(rule_reader_find(r, BYTES("C"))->negated);
	assert_string_equal(rule_reader_find(r, BYTES("D"))->selector, "Subject");
	assert_string_equal(pattern(r, "D"), "[\\w]");
	assert_int_equal(rule_reader_find(r, BYTES("E"))->type, RULE_EVAL);
	assert_true(rule_reader_find(r, BYTES("F"))->rbl);
	done(r);
}

static void replaces_tags(void **state)
{
	(void)state;
	struct rule_reader *r = read_rules(
	    "replace_tag A [a4]\nreplace_tag B [b8]\nreplace_tag AB <A><B>\nreplace_inter W \\W?\n"
	    "replace_post P +\nreplace_pre Q (?:)\nbody R1 /x<A><B>y/i\nbody R2 /<inter "
	    "W><A><B>c<A>/\n"
	    "body R3 /<post P><A><B>/\nbody R4 /<pre Q><A>z/\nbody R5 /<AB><UNKNOWN>/\n"
	    "body R6 /(?<!q)<A>/\nbody R7 /<A>/\nreplace_rules R1 R2 R3 R4\nreplace_rules R5 R6\n");

	no_faults(r);
	assert_string_equal(pattern(r, "R1"), "(?i)x[a4][b8]y");
	assert_string_equal(pattern(r, "R2"), "\\W?[a4]\\W?[b8]c[a4]");
	assert_string_equal(pattern(r, "R3"), "[a4]+[b8]+");
	assert_string_equal(pattern(r, "R4"), "(?:)[a4]z");
	assert_string_equal(pattern(r, "R5"), "[a4][b8]<UNKNOWN>");
	assert_string_equal(pattern(r, "R6"), "(?<!q)[a4]");
	assert_string_equal(pattern(r, "R7"), "<A>");
	done(r);
}

static void lists_what_it_does_not_know(void **state)
{
	(void)state;
	struct rule_reader *r = read_rules(
	    "nonsense a\nnonsense b\nrubbish x\nfreemail_domains a.example\nreport text\n");

	no_faults(r);
	assert_int_equal(r->report_count, 2);
	assert_string_equal(r->report[0].construct, "directive nonsense");
	assert_int_equal(r->report[0].count, 2);
	assert_int_equal(r->report[0].line, 1);
	done(r);
}

static void says_where_a_fault_is(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t line;
	} bad[] = {{"\nbody A no delimiters\n", 2},
	           {"body A /x\n", 1},
	           {"body A /x/q\n", 1},
	           {"body A /x/y/\n", 1},
	           {"body 1A /x/\n", 1},
	           {"body A\n", 1},
	           {"score A\n", 1},
	           {"score A x\n", 1},
	           {"score A 1 2\n", 1},
	           {"score A (1)\n", 1},
	           {"header A Subject /x/\n", 1},
	           {"header A exists:a b\n", 1},
	           {"body A eval:call\n", 1},
	           {"else\n", 1},
	           {"endif\n", 1},
	           {"body A /x/\nif (version > 1)\n\n", 2},
	           {"if (version >\nendif\n", 1},
	           {"if foo(bar)\nendif\n", 1},
	           {"include no-such-file.cf\n", 1},
	           {"priority A x\n", 1},
	           {"replace_tag X\n", 1}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rule_reader *r = read_rules(bad[i].text);

		assert_int_equal(r->report_count, 1);
		assert_true(r->report[0].fault);
		assert_string_equal(r->report[0].file, "test.cf");
		assert_int_equal(r->report[0].line, bad[i].line);
		assert_true(strlen(r->report[0].text) > 10);
		done(r);
	}
}

static void bad_rules_are_left_out_with_their_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *construct;
		uint32_t line;
	} bad[] = {{"body A /fine/\nbody B /(unclosed/\n", "bad regex", 2},
	           {"body C /x/\nmeta A B &&\n", "bad meta", 2},
	           {"body B /x/\nmeta A (B\n", "bad meta", 2},
	           {"body C /x/\n\nmeta A B C\n", "bad meta", 3},
	           {"meta A 1 ? 2\nbody C /x/\n", "bad meta", 1},
	           {"body B /x\nbody C /x/\n", "pattern", 1}};
	struct fixture f;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd;

		assert_int_equal(
		    fixture_compile(&f, bad[i].text, &(struct rule_compile_options){0}, &fd), OK);
		close(fd);
		const struct rule_report *report = fixture_report(&f, bad[i].construct);
		assert_non_null(report);
		assert_true(report->fault);
		assert_false(report->refuses);
		assert_int_equal(report->line, bad[i].line);
		rule_compiler_free(f.compiler);
	}
}

/* A rule left out is worth nothing, and what names it goes on. */
static void the_others_judge_without_bad_rules(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("body A /fine/\nbody B /(fine/\nmeta C A && !B\n"
	                                "score A 1\nscore B 2\nscore C 4\n");

	fixture_add(f, TEXT_BODY, "fine");
	fixture_judge(f);
	assert_int_equal(f->judgement.score_milli, 5000);
	assert_false(f->judgement.incomplete);
	fixture_free(f);
}

static void what_refuses_a_set(void **state)
{
	(void)state;
	static const char *const bad[] = {"body A /(fine/\n", "meta A B &&\nbody C /x\n",
	                                  "body A /fine/\nif (version > 1)\n",
	                                  "body A /fine/\ninclude no-such-file.cf\n"};
	struct fixture f;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd;

		assert_int_equal(
		    fixture_compile(&f, bad[i], &(struct rule_compile_options){0}, &fd),
		    ERR_SYNTAX);
		rule_compiler_free(f.compiler);
	}
}

static void unsupported_constructs_are_listed_not_refused(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("body B eval:no_such_function('x')\nbody C /x%{GB_TO}y/\n"
	                                "header D From:revip:host:raw =~ /y/\nbody E /fine/\n"
	                                "shortcircuit E spam\nshortcircuit B off\n"
	                                "shortcircuit_spam_score 50\n");

	assert_int_equal(fixture_report(f, "shortcircuit")->count, 2);
	assert_string_equal(fixture_report(f, "shortcircuit")->rule, "E");
	assert_string_equal(fixture_report(f, "eval:no_such_function")->rule, "B");
	assert_non_null(fixture_report(f, "captured text %{...} in a pattern"));
	fixture_add(f, TEXT_BODY, "fine");
	fixture_judge(f);
	assert_true(fixture_value(f, "B") == -1 && fixture_value(f, "C") == -1);
	assert_int_equal(f->judgement.score_milli, 1000);
	fixture_free(f);
}

static const struct named_list *list(const struct rule_reader *r, uint32_t index, uint32_t count)
{
	assert_true(index < r->list_count);
	assert_int_equal(r->list[index].count, count);
	return &r->list[index];
}

static void keeps_lists_for_the_eval_functions(void **state)
{
	(void)state;
	struct rule_reader *r = read_rules(
	    "freemail_domains Free.Example *.mail.example\n"
	    "whitelist_from Good@a.example\n"
	    "welcomelist_from *@b.example\n"
	    "unwhitelist_from good@A.example\n"
	    "whitelist_from_rcvd x@c.example relay.c.example [10.0]\n"
	    "enlist_addrlist (BANKS) *@bank.example\n"
	    "enlist_uri_host (SHORT) s.example !www.s.example\n"
	    "blacklist_uri_host bad.example\n"
	    "delist_uri_host (SHORT) s.example\n"
	    "util_rb_2tld co.example\nclear_util_rb 2tld\n"
	    "trusted_networks 10/8\nclear_trusted_networks\n"
	    "blocklist_subject Buy now\n"
	    "freemail_max_body_emails 9\n");

	no_faults(r);
	assert_int_equal(r->report_count, 0);
	assert_string_equal(list(r, EVAL_LIST_FREEMAIL_DOMAINS, 2)->entry[0].text, "free.example");
	assert_string_equal(list(r, EVAL_LIST_WELCOMELIST_FROM, 1)->entry[0].text, "*@b.example");
	assert_string_equal(list(r, EVAL_LIST_WELCOMELIST_FROM_RCVD, 2)->entry[1].second, "[10.0]");
	list(r, rule_directive_list(r, "BANKS"), 1);
	const struct named_list *hosts = list(r, rule_directive_list(r, "@SHORT"), 1);
	assert_string_equal(hosts->entry[0].text, "www.s.example");
	assert_string_equal(hosts->entry[0].second, "!");
	list(r, rule_directive_list(r, "@BLOCK"), 1);
	list(r, EVAL_LIST_RB_2TLD, 0);
	list(r, EVAL_LIST_TRUSTED_NETWORKS, 0);
	assert_string_equal(list(r, EVAL_LIST_BLOCKLIST_SUBJECT, 1)->entry[0].text, "*buy now*");
	assert_true(r->setting[EVAL_SETTING_FREEMAIL_MAX_BODY_EMAILS] == 9);
	assert_int_equal(rule_directive_list(r, "NONE"), UINT32_MAX);
	done(r);
}

static void networks_keep_their_order(void **state)
{
	(void)state;
	struct rule_reader *r = read_rules("trusted_networks !10.0.0.5 10/8 mail.example\n"
	                                   "trusted_networks 10/8 192.0.2.\n"
	                                   "envelope_sender_header X-A\n"
	                                   "envelope_sender_header X-B\n");
	const struct named_list *networks = list(r, EVAL_LIST_TRUSTED_NETWORKS, 3);

	assert_int_equal(r->report_count, 1);
	assert_string_equal(networks->entry[0].text, "!10.0.0.5");
	assert_string_equal(networks->entry[1].text, "10/8");
	assert_string_equal(networks->entry[2].text, "192.0.2.");
	assert_string_equal(list(r, EVAL_LIST_ENVELOPE_SENDER_HEADER, 1)->entry[0].text, "x-b");
	done(r);
}

static void says_what_is_wrong_with_a_call(void **state)
{
	(void)state;
	static const struct {
		const char *text, *construct, *why;
	} bad[] = {
	    {"header A eval:check_for_shifted_date('1')\n", "eval:check_for_shifted_date",
	     "missing"},
	    {"header A eval:check_for_shifted_date('1', x)\n", "eval:check_for_shifted_date",
	     "number is expected, at octet 29"},
	    {"header A eval:check_for_shifted_date('1' '2')\n", "eval:check_for_shifted_date",
	     "comma"},
	    {"header A eval:check_from_in_list('X)\n", "eval:check_from_in_list", "not closed"},
	    {"header A eval:check_freemail_from('(x')\n", "bad regex", "argument"},
	    {"mimeheader A X =~ /(x/\n", "bad regex", "pattern"}};
	struct fixture f;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd;

		assert_int_equal(
		    fixture_compile(&f, bad[i].text, &(struct rule_compile_options){0}, &fd),
		    ERR_SYNTAX);
		const struct rule_report *report = fixture_report(&f, bad[i].construct);
		assert_non_null(report);
		assert_true(report->fault);
		if (strcmp(bad[i].construct, "bad regex") != 0)
			assert_non_null(strstr(report->text, bad[i].why));
		rule_compiler_free(f.compiler);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_lines_as_spamassassin_does),
	    cmocka_unit_test(obeys_conditions),
	    cmocka_unit_test(later_definitions_replace_earlier_ones),
	    cmocka_unit_test(reads_header_rules),
	    cmocka_unit_test(replaces_tags),
	    cmocka_unit_test(lists_what_it_does_not_know),
	    cmocka_unit_test(says_where_a_fault_is),
	    cmocka_unit_test(bad_rules_are_left_out_with_their_line),
	    cmocka_unit_test(the_others_judge_without_bad_rules),
	    cmocka_unit_test(what_refuses_a_set),
	    cmocka_unit_test(unsupported_constructs_are_listed_not_refused),
	    cmocka_unit_test(keeps_lists_for_the_eval_functions),
	    cmocka_unit_test(networks_keep_their_order),
	    cmocka_unit_test(says_what_is_wrong_with_a_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
