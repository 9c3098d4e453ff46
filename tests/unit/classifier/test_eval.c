/* test_eval.c - eval functions that look at headers, relays and lists, one small message each. */
#include "classifier/eval.h"
#include "tests/unit/classifier/rules_fixture.h"

struct header {
	const char *selector, *value;
};

/* What `rules` make of rule A over these headers; a list ends with a NULL. */
static double value_over(const char *rules, const struct header *headers)
{
	struct fixture *f = fixture_new(rules);

	for (; headers->selector != NULL; headers++)
		fixture_header(f, headers->selector, headers->value);
	fixture_judge(f);
	double value = fixture_value(f, "A");
	fixture_free(f);
	return value;
}

#define HITS(rules, ...)   assert_true(value_over(rules, (struct header[]){__VA_ARGS__, {0}}) == 1)
#define MISSES(rules, ...) assert_true(value_over(rules, (struct header[]){__VA_ARGS__, {0}}) == 0)

static void compares_senders(void **state)
{
	(void)state;
	const char *same = "header A eval:check_for_matching_env_and_hdr_from()\n";
	const char *differ = "header A eval:check_equal_from_domains()\n";

	HITS(same, {"EnvelopeFrom:addr", "A@b.example"}, {"From:addr", "a@B.example\nc@d.example"});
	MISSES(same, {"EnvelopeFrom:addr", "a@b.example"}, {"From:addr", "c@d.example"});
	HITS(same, {"From:addr", ""});
	HITS(differ, {"EnvelopeFrom:addr", "a@x.one.example"}, {"From:addr", "a@two.example"});
	MISSES(differ, {"EnvelopeFrom:addr", "a@x.one.example"}, {"From:addr", "a@ONE.example"});
	MISSES(differ, {"From:addr", "a@two.example"});
}

static void compares_the_sender_with_its_relay(void **state)
{
	(void)state;
	const char *rules = "util_rb_2tld co.uk\nheader A eval:check_mailfrom_matches_rcvd()\n";
	const char *relay = "[ ip=192.0.2.1 rdns=mx.shop.co.uk helo=x by=y ident= ]"
	                    " [ ip=192.0.2.2 rdns=mx.other.example helo=x by=y ident= ]";

	HITS(rules, {"EnvelopeFrom:addr", "a@news.shop.co.uk"}, {"X-Spam-Relays-Untrusted", relay});
	MISSES(rules, {"EnvelopeFrom:addr", "a@other.example"}, {"X-Spam-Relays-Untrusted", relay});
	MISSES(rules, {"EnvelopeFrom:addr", "a@other.co.uk"}, {"X-Spam-Relays-Untrusted", relay});
	/* Any trusted relay will do when there is no other. */
	HITS(rules, {"EnvelopeFrom:addr", "a@other.example"}, {"X-Spam-Relays-Trusted", relay});
	MISSES(rules, {"X-Spam-Relays-Trusted", relay});
}

static void reads_relays(void **state)
{
	(void)state;
	const char *mismatch = "header A eval:helo_ip_mismatch()\n";
	const char *numeric = "header A eval:check_for_numeric_helo()\n";
	const char *trail = "header A eval:check_for_forged_received_trail()\n";

	HITS(mismatch,
	     {"X-Spam-Relays-Untrusted", "[ ip=192.0.2.1 rdns= helo=198.51.100.7 by=b ]"});
	MISSES(mismatch, {"X-Spam-Relays-Untrusted", "[ ip=192.0.2.1 rdns= helo=192.0.2.9 by=b ]"});
	MISSES(mismatch, {"X-Spam-Relays-Untrusted", "[ ip=192.0.2.1 rdns= helo=10.1.2.3 by=b ]"});
	HITS(numeric, {"X-Spam-Relays-Untrusted", "[ ip=192.0.2.1 rdns= helo=192.0.2.9 by=b ]"});
	MISSES(numeric, {"X-Spam-Relays-Untrusted", "[ ip=192.0.2.1 rdns= helo=10.0.0.1 by=b ]"});
	HITS(trail, {"X-Spam-Relays-Untrusted",
	             "[ ip=192.0.2.1 rdns=a.one.example helo=h by=b.two.example ] "
	             "[ ip=192.0.2.2 rdns=c.three.example helo=h by=d.four.example ] "
	             "[ ip=192.0.2.3 rdns=e.five.example helo=h by=f.six.example ]"});
	HITS(trail, {"X-Spam-Relays-Untrusted",
	             "[ ip=192.0.2.1 rdns=a.one.example helo=h by=b.two.example ] "
	             "[ ip=192.0.2.2 rdns=c.three.example helo=h by=four.example. ] "
	             "[ ip=192.0.2.3 rdns=e.five.example helo=h by=f.six.example ]"});
	MISSES(trail, {"X-Spam-Relays-Untrusted",
	               "[ ip=192.0.2.1 rdns=a.one.example helo=h by=b.two.example ] "
	               "[ ip=192.0.2.2 rdns=c.three.example helo=h by=d.one.example ] "
	               "[ ip=192.0.2.3 rdns=e.five.example helo=h by=f.six.example ]"});
}

static void looks_addresses_up(void **state)
{
	(void)state;
	const char *rules = "enlist_addrlist (BANKS) *@*.bank.example exact@one.example\n"
	                    "header A eval:check_from_in_list('BANKS')\n";

	HITS(rules, {"From:addr", "x@y.example\nMe@my.Bank.example"});
	HITS(rules, {"EnvelopeFrom:addr", "Exact@One.Example"});
	MISSES(rules, {"From:addr", "me@bank.example"});
	/* Who sent it again stands for all others. */
	MISSES(rules, {"Resent-From:first:addr", "me@else.example"},
	       {"From:addr", "me@my.bank.example"});
	MISSES("header A eval:check_from_in_list('NEVER_SET')\n", {"From:addr", "a@b.example"});
	HITS("enlist_addrlist (X) *.tld\nheader A eval:check_replyto_in_list('X')\n",
	     {"Reply-To:addr", "a@b.tld"});
	HITS("blacklist_from bad@*\nheader A eval:check_from_in_blacklist()\n",
	     {"From:addr", "bad@b.example"});
	HITS("more_spam_to post@*\nheader A eval:check_to_in_more_spam()\n",
	     {"Cc:addr", "a@b.example\npost@b.example"});
	HITS("all_spam_to in@b.example\nheader A eval:check_to_in_all_spam()\n",
	     {"Received", "from x by y for <in@b.example>; Mon\n"});
	HITS("whitelist_subject [list\nheader A eval:check_subject_in_whitelist()\n",
	     {"Subject", "Re: [LIST] news\n"});
}

static void welcomes_senders_by_their_relays(void **state)
{
	(void)state;
	const char *rules = "welcomelist_from_rcvd *@shop.example mx.example\n"
	                    "welcomelist_from_rcvd *@nets.example [192.0.2]\n"
	                    "welcomelist_from_rcvd *@cidr.example [198.51.100.0/25]\n"
	                    "welcomelist_from always@free.example\n"
	                    "header A eval:check_from_in_welcomelist()\n";
	const char *forged = "welcomelist_from_rcvd *@shop.example mx.example\n"
	                     "header A eval:check_forged_in_welcomelist()\n";
	struct header by_name = {"X-Spam-Relays-Untrusted", "[ ip=203.0.113.1 rdns=a.mx.example ]"};
	struct header by_net = {"X-Spam-Relays-Untrusted", "[ ip=192.0.2.77 rdns= ]"};
	struct header by_cidr = {"X-Spam-Relays-Untrusted", "[ ip=198.51.100.127 rdns= ]"};

	HITS(rules, {"From:addr", "a@shop.example"}, by_name);
	MISSES(rules, {"From:addr", "a@shop.example"}, by_net);
	HITS(rules, {"From:addr", "a@nets.example"}, by_net);
	MISSES(rules, {"From:addr", "a@nets.example"}, by_cidr);
	HITS(rules, {"From:addr", "a@cidr.example"}, by_cidr);
	HITS(rules, {"From:addr", "always@free.example"});
	HITS(forged, {"From:addr", "a@shop.example"}, by_net);
	MISSES(forged, {"From:addr", "a@shop.example"}, by_name);
	MISSES(forged, {"From:addr", "a@shop.example"});
}

static void knows_free_mail(void **state)
{
	(void)state;
	const char *from = "freemail_domains free.example *.many.example\n"
	                   "freemail_welcomelist boss@free.example\n"
	                   "header A eval:check_freemail_from()\n";
	const char *header = "freemail_domains free.example\n"
	                     "header A eval:check_freemail_header('Reply-To', '\\d@')\n";
	const char *reply = "freemail_domains free.example other.example\n"
	                    "header A eval:check_freemail_replyto('replyto')\n";

	HITS(from, {"From:addr", "A@Free.Example"});
	HITS(from, {"From:addr", "a@b.many.example"});
	MISSES(from, {"From:addr", "a@c.b.many.example"});
	MISSES(from, {"From:addr", "boss@free.example"});
	MISSES(from, {"From:addr", "info@free.example"});
	MISSES(from, {"From:addr", "a@paid.example"});
	HITS(header, {"Reply-To:addr", "A1@free.example"});
	MISSES(header, {"Reply-To:addr", "a@free.example"});
	HITS(reply, {"From:addr", "a@free.example"}, {"Reply-To:addr", "b@other.example"});
	MISSES(reply, {"From:addr", "a@free.example"}, {"Reply-To:addr", "A@free.example"});
	MISSES(reply, {"From:addr", "a@free.example"}, {"Reply-To:addr", "b@other.example"},
	       {"EnvelopeFrom", "list-bounces@x.example"});
}

/* The domain of this number in a long list: names of all lengths, many alike. */
static size_t listed_domain(char *out, size_t room, unsigned number)
{
	return (size_t)snprintf(out, room, "%.*sx%u.example", (int)(number % 19),
	                        "abcdefghijklmnopqrs", number / 2 * 2);
}

static void finds_each_of_a_long_list(void **state)
{
	static char rules[32768] = "freemail_domains";
	size_t len = strlen(rules);
	char domain[64], address[80];

	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		rules[len++] = ' ';
		len += listed_domain(rules + len, sizeof(rules) - len, i);
	}
	assert_true(snprintf(rules + len, sizeof(rules) - len,
	                     "\nheader A eval:check_freemail_from()\n") > 0);
	struct fixture *f = fixture_new(rules);
	for (unsigned i = 0; i < 1200; i++) {
		listed_domain(domain, sizeof(domain), i % 600);
		domain[0] = (char)(domain[0] & ~0x20);
		if (i >= 600) /* one letter from being listed */
			domain[strlen(domain) - 1] = 'f';
		snprintf(address, sizeof(address), "Somebody@%s", domain);
		fixture_empty_texts(f);
		fixture_header(f, "From:addr", address);
		fixture_judge(f);
		assert_true(fixture_value(f, "A") == (i < 600));
	}
	fixture_free(f);
}

static void finds_free_mail_in_the_body(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(
	    "util_rb_tld example\nfreemail_domains free.example\n"
	    "header A eval:check_freemail_replyto('reply')\nheader B eval:check_freemail_body()\n");

	fixture_header(f, "From:addr", "me@free.example");
	fixture_add(f, TEXT_BODY, "subject\n");
	fixture_add(f, TEXT_BODY, "On Monday <old@free.example> wrote: new@free.example!\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1 && fixture_value(f, "B") == 1);
	fixture_empty_texts(f);
	fixture_header(f, "From:addr", "me@free.example");
	fixture_add(f, TEXT_BODY, "see https://x.example/?me=you@free.example\n");
	fixture_add(f, TEXT_BODY, "you@free.example wrote: x\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0 && fixture_value(f, "B") == 0);
	/* Five addresses are a list, not a letter. */
	fixture_empty_texts(f);
	fixture_add(f, TEXT_BODY, "a@x.example b@x.example c@x.example d@free.example e@x.example");
	fixture_judge(f);
	assert_true(fixture_value(f, "B") == 0);
	fixture_free(f);
}

static void takes_quoted_addresses_from_the_body(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("util_rb_tld example\nfreemail_domains free.example\n"
	                                "header A eval:check_freemail_replyto('reply')\n"
	                                "body B /\\w@\\w/\ntflags B multiple maxhits=9\nbody C /by "
	                                "  Joe/\nbody D /see   \\./\n");
	const char *lines[] = {"subject\n", "by <a@b.example> Joe, b@c.example wrote: it\n",
	                       "see https://x.example/?me=you@free.example .\n",
	                       "mailto:d@e.example> f@g.example fax: 1\n"};

	fixture_header(f, "From:addr", "me@free.example");
	for (size_t i = 0; i < 4; i++)
		fixture_add(f, TEXT_BODY, lines[i]);
	fixture_judge(f);
	assert_true(fixture_value(f, "B") == 2 && fixture_value(f, "C") == 1);
	assert_true(fixture_value(f, "D") == 1);
	/* Nobody looked for them in mail from elsewhere. */
	fixture_empty_texts(f);
	fixture_header(f, "From:addr", "me@paid.example");
	for (size_t i = 0; i < 4; i++)
		fixture_add(f, TEXT_BODY, lines[i]);
	fixture_judge(f);
	assert_true(fixture_value(f, "B") == 5 && fixture_value(f, "C") == 0);
	fixture_free(f);
}

static void tells_where_redirectors_lead(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("redirector_pattern m'^http://r\\.example/(\\w+)$'i\n"
	                                "redirector_pattern /[?&]to=(.*?)(?:$|&)/\n"
	                                "body A /x/\n");
	struct redirects redirects = scan_context_redirects(f->context);
	struct bytes target;

	assert_true(
	    redirects.find(redirects.context, BYTES("http://R.example/?to=b.com&c"), &target));
	assert_true(bytes_equal(target, BYTES("b.com")));
	/* What leads to no name with a dot leads nowhere. */
	assert_false(redirects.find(redirects.context, BYTES("http://r.example/word"), &target));
	assert_false(
	    redirects.find(redirects.context, BYTES("http://x.example/?to=word"), &target));
	fixture_free(f);
	f = fixture_new("body A /x/\n");
	assert_null((void *)(uintptr_t)scan_context_redirects(f->context).find);
	fixture_free(f);
}

static void judges_octets_of_headers(void **state)
{
	(void)state;
	const char *rules = "header A eval:check_illegal_chars('From','0.20','2')\n";
	const char *subject = "header A eval:check_illegal_chars('Subject','0.00','1')\n";

	HITS(rules, {"From:raw", " \x80\x81\x82\x83\n"});
	MISSES(rules, {"From:raw", " \xc3\xa4\xc3\xb6\xc3\xbc\n"});
	MISSES(rules, {"From:raw", " plain\n"});
	MISSES(subject, {"Subject:raw", " 5\xa3 only\n"});
	HITS(subject, {"Subject:raw", " 5\xa3 or \xa3 6\n"});
}

static void counts_different_values(void **state)
{
	(void)state;
	const char *rules = "header A eval:check_header_count_range('Subject','2','999')\n";

	HITS(rules, {"Subject", "one\ntwo\n"});
	MISSES(rules, {"Subject", "one\none\n"});
	HITS("header A eval:check_for_missing_to_header()\n", {"To", ""});
	MISSES("header A eval:check_for_missing_to_header()\n", {"Apparently-To", "x\n"});
}

static void knows_gateways_that_take_fields_away(void **state)
{
	(void)state;
	const char *rules = "header A eval:gated_through_received_hdr_remover()\n";
	struct fixture *f = fixture_new(rules);

	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1); /* no Received at all */
	fixture_free(f);
	MISSES(rules, {"Received", "from a by b\n"});
	HITS(rules, {"Received", "(qmail 123 invoked from network); 1 Jan 2002\n"},
	     {"Mailing-List", "contact l-help@x.example; run by ezmlm\n"},
	     {"Delivered-To", "mailing list l@x.example\n"});
	HITS(rules, {"Received", "from groups.msn.com (a.msn.com [192.0.2.1])\n"});
}

static void knows_forged_providers(void **state)
{
	(void)state;
	const char *gmail = "header A eval:check_for_forged_gmail_received_headers()\n";
	const char *yahoo = "header A eval:check_for_forged_yahoo_received_headers()\n";
	const char *hotmail = "header A eval:check_for_forged_hotmail_received_headers()\n";
	const char *not_hotmail = "header A eval:check_for_no_hotmail_received_headers()\n";
	const char *juno = "header A eval:check_for_forged_juno_received_headers()\n";
	const char *eudora = "header A eval:check_for_forged_eudoramail_received_headers()\n";
	struct header received = {"Received", "from a (b [192.0.2.1]) by c; Mon\n"};

	HITS(gmail, {"From:addr", "a@gmail.com"}, received);
	MISSES(gmail, {"From:addr", "a@gmail.com"},
	       {"X-Received", "by 10.1.2.3 with SMTP id x1;\n"});
	MISSES(gmail, {"From:addr", "a@mail.example"}, received);
	HITS(yahoo, {"From:addr", "a@yahoo.com"}, received);
	MISSES(yahoo, {"From:addr", "a@yahoo.com"},
	       {"Received", "by smtp1.mail.yahoo.com with SMTP\n"});
	MISSES(yahoo, {"From:addr", "a@yahoo.com"}, received,
	       {"X-Spam-Relays-Untrusted", "[ ip=192.0.2.1 rdns=m.yahoo.com helo=h ]"});
	HITS(hotmail, {"Received", "from hotmail.com (x.example [192.0.2.1]) by b\n"});
	MISSES(hotmail, {"Received", "from hotmail.com (f1.law8.hotmail.com [192.0.2.1])\n"},
	       {"X-Originating-Ip", "[192.0.2.7]\n"});
	MISSES(hotmail, {"Received", "from hotmail.com (f1.law8.hotmail.com [192.0.2.1])\n"},
	       {"X-Originating-Ip", "[::1]\n"});
	HITS(hotmail, {"Received", "from hotmail.com (f1.law8.hotmail.com [192.0.2.1])\n"},
	     {"X-Originating-Ip", "[1.2.3.999]\n"});
	HITS(not_hotmail, {"From:addr", "a@hotmail.com"}, received);
	MISSES(not_hotmail, {"From:addr", "a@mail.example"}, received);
	HITS(juno, {"From:addr", "a@juno.com"}, received);
	HITS(eudora, {"From:addr", "a@eudoramail.com"}, received);
	MISSES(eudora, {"From:addr", "a@eudoramail.com"},
	       {"Received", "from x by m.whowhere.com; Thu\n"}, {"X-Sender-Ip", "192.0.2.1\n"});
	HITS("header A eval:check_for_fake_aol_relay_in_rcvd()\n",
	     {"Received", "from x by rly-xw01.mx.aol.example with SMTP\n"});
}

static void knows_mailers_of_spam(void **state)
{
	(void)state;
	const char *name_id = "header A eval:check_ratware_name_id()\n";
	const char *envelope = "util_rb_tld example\nheader A eval:check_ratware_envelope_from()\n";
	const char *template = "header A eval:check_unresolved_template()\n";

	HITS(name_id, {"MESSAGEID", "<ABCDEFGHIJKLMNOPQRSTUVWXYZAB.a@b.example>\n"},
	     {"From", "\"Me\" <a@b.example>\n"});
	MISSES(name_id, {"MESSAGEID", "<ABCDEFGHIJKLMNOPQRSTUVWXYZAB.a@b.example>\n"},
	       {"From", "\"Me\" <c@b.example>\n"});
	HITS(envelope, {"To:addr", "user@mx.shop.example"},
	     {"EnvelopeFrom:addr", "shop.example.user@spam.example"});
	MISSES(envelope, {"To:addr", "user@shop.example"},
	       {"EnvelopeFrom:addr", "SRS0=x=shop.example.user@y.example"});
	HITS(template, {"ALL", "Subject: %RND_X\nX-Mailer: %RND_TEXT\n"});
	MISSES(template, {"ALL", "Subject: %RND_X\nTo: %NAME\n"});
}

static void reads_subjects(void **state)
{
	(void)state;
	const char *caps = "header A eval:subject_is_all_caps()\n";
	const char *user = "header A eval:check_for_to_in_subject('user')\n";

	HITS(caps, {"Subject", "Re: BUY THIS NOW!\n"});
	MISSES(caps, {"Subject", "BUY This NOW!\n"});
	MISSES(caps, {"Subject", "BUYTHISNOW\n"});
	MISSES(caps, {"Subject", "BUY THIS NOW!\n"}, {"Subject:raw", " =?koi8-r?B?xx?=\n"});
	HITS(user, {"To:addr", "bob@x.example"}, {"Subject", "bob, look at this\n"});
	HITS(user, {"To:addr", "bob@x.example"}, {"Subject", "Re: your bob\n"});
	HITS(user, {"To:addr", "bob@x.example"}, {"Subject", "Bob\n"});
	HITS(user, {"To:addr", "bob@x.example"}, {"Subject", ", bob!\n"});
	MISSES(user, {"To:addr", "bob@x.example"}, {"Subject", "Bob, look at this\n"});
	MISSES(user, {"To:addr", "bob@x.example"}, {"Subject", "bobby\n"});
	HITS("header A eval:check_for_to_in_subject('address')\n", {"To:addr", "bob@x.example"},
	     {"Subject", "for Bob@X.example now\n"});
}

static void compares_recipients(void **state)
{
	(void)state;
	const char *sorted = "header A eval:sorted_recipients()\n";
	const char *similar = "header A eval:similar_recipients('0.65','undef')\n";

	HITS(sorted, {"ToCc:addr", "a@x\nb@x\nc@x\nd@x\ne@x\nf@x\ng@x"});
	MISSES(sorted, {"ToCc:addr", "b@x\na@x\nc@x\nd@x\ne@x\nf@x\ng@x"});
	MISSES(sorted, {"ToCc:addr", "a@x\nb@x\nc@x"});
	HITS(similar, {"ToCc:addr", "al1@x\nal2@y\nal3@z\nal4@v\nal5@w"});
	MISSES(similar, {"ToCc:addr", "aa@x\nbb@y\ncc@z\ndd@v\nee@w"});
}

static void looks_up_hosts_of_uris(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(
	    "util_rb_tld example\nenlist_uri_host (S) short.example !ok.short.example\n"
	    "blocklist_uri_host 192.0.2.1\n"
	    "header A eval:check_uri_host_listed('S')\n"
	    "header B eval:check_uri_host_in_blocklist()\n");

	fixture_add(f, TEXT_URI, "http://a.ok.short.example/x");
	fixture_add(f, TEXT_URI, "mailto:me@short.example");
	fixture_add(f, TEXT_URI, "http:=/short.example/x");
	fixture_add(f, TEXT_URI, "3D\"www.short.example/\"");
	fixture_add(f, TEXT_URI, "http://www-.short.example/");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0 && fixture_value(f, "B") == 0);
	fixture_add(f, TEXT_URI, "http://u:p@www.Short.example:80/x");
	fixture_add(f, TEXT_URI, "http://192.0.2.1/");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1 && fixture_value(f, "B") == 1);
	fixture_empty_texts(f);
	fixture_add(f, TEXT_URI, "me@short.example");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1);
	fixture_empty_texts(f);
	fixture_header(f, "DKIM-Signature", "v=1; bh=x; d=mail.short.example; s=y\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1 && fixture_value(f, "B") == 0);
	fixture_free(f);
}

static void measures_blanks_in_lines(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("body A eval:tvd_vertical_words('0','10')\n");

	fixture_add(f, TEXT_BODY, "wordsandmorewordswithoutany blank\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1);
	fixture_add(f, TEXT_BODY, "v e r t i c a l\n");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0);
	fixture_free(f);
}

static void minds_the_languages_a_site_reads(void **state)
{
	(void)state;
	const char *header = "ok_locales en ja\n"
	                     "header A eval:check_for_faraway_charset_in_headers()\n";

	HITS(header, {"Subject:raw", " =?utf-8?Q?a?= =?koi8-r?B?xx?=\n"});
	MISSES(header, {"Subject:raw", " =?iso-2022-jp?B?xx?= =?windows-1251?B?xx?=\n"});
	MISSES("header A eval:check_for_faraway_charset_in_headers()\n",
	       {"Subject:raw", " =?koi8-r?B?xx?=\n"});

	struct fixture *f = fixture_new("ok_locales en\nbody A eval:check_for_faraway_charset()\n");
	fixture_header(f, "Content-Type", "text/plain; charset=\"big5\"\n");
	fixture_add(f, TEXT_BODY, "a\xa4\xa4\xa4\xe5");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1);
	fixture_free(f);
}

static void finds_captured_text(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("header H To:addr =~ /(?<ADDR>.*)/\n"
	                                "uri A m|^https?://.{4,20}\\#%{ADDR}|i\n");

	fixture_header(f, "To:addr", "me@x.example\nyou@x.example");
	fixture_add(f, TEXT_URI, "http://a.example/#you@x.example");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0);
	fixture_add(f, TEXT_URI, "http://a.example/#Me@x.example&more");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 1 && fixture_value(f, "H") == 1);
	fixture_empty_texts(f);
	fixture_add(f, TEXT_URI, "http://a.example/#");
	fixture_judge(f);
	assert_true(fixture_value(f, "A") == 0);
	fixture_free(f);
}

static void cuts_hosts_at_what_was_registered(void **state)
{
	(void)state;
	static const struct {
		const char *host, *domain;
	} cases[] = {{"a.b.example", "b.example"},
	             {"a.b.co.uk", "b.co.uk"},
	             {"co.uk", "co.uk"},
	             {"a.b.c.three.dom.uk", "c.three.dom.uk"},
	             {"w.x.y.ca.us", "x.y.ca.us"},
	             {"x.fire.ci.la.ca.us", "fire.ci.la.ca.us"},
	             {"x.sc.pvt.k12.ca.us", "sc.pvt.k12.ca.us"},
	             {"..a..b.example..", "b.example"},
	             {"single", "single"},
	             {"", ""}};
	struct fixture *f = fixture_new("util_rb_2tld co.uk\nutil_rb_3tld three.dom.uk\n"
	                                "body A /x/\n");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes domain = eval_registered_domain(f->ruleset, bytes_text(cases[i].host));

		if (!bytes_equal(domain, bytes_text(cases[i].domain)))
			fail_msg("%s: %.*s", cases[i].host, (int)domain.len, domain.data);
	}
	fixture_free(f);
}

static void matches_globs(void **state)
{
	(void)state;
	assert_true(eval_glob(BYTES("a*b?d"), BYTES("A--BcD"), 0));
	assert_true(eval_glob(BYTES("*"), BYTES(""), 0));
	assert_false(eval_glob(BYTES("a*b"), BYTES("abc"), 0));
	assert_false(eval_glob(BYTES("?"), BYTES(""), 0));
	assert_true(eval_glob(BYTES("*.x"), BYTES("a.x"), '.'));
	assert_false(eval_glob(BYTES("*.x"), BYTES("b.a.x"), '.'));
}

static void finds_addresses_in_text(void **state)
{
	(void)state;
	static const struct {
		const char *text, *email;
	} cases[] = {{"write to me.too@x.example, please", "me.too@x.example"},
	             {"(a@b.example)", "a@b.example"},
	             {".a@b.example", "a@b.example"},
	             {"a..b@c.example", "b@c.example"},
	             {"a@b.nowhere", NULL},
	             {"a@b.examples", NULL},
	             {"a@b.example-", NULL},
	             {"a@b.example.x", NULL},
	             {"a@b.example.", "a@b.example"},
	             {"a@b.example_", "a@b.example"},
	             {"a@-b.example", NULL},
	             {"@b.example", NULL},
	             {"x@ a@b.c.example", "a@b.c.example"}};
	struct fixture *f = fixture_new("util_rb_tld example\nbody A /x/\n");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes email;
		size_t at = 0;
		bool found = eval_next_email(f->ruleset, bytes_text(cases[i].text), &at, &email);

		assert_int_equal(found, cases[i].email != NULL);
		if (found)
			assert_true(bytes_equal(email, bytes_text(cases[i].email)));
	}
	fixture_free(f);
}

static void without_facts_nobody_knows(void **state)
{
	(void)state;
	struct fixture *f = fixture_new("header A eval:check_all_trusted()\n");

	fixture_judge(f);
	assert_true(fixture_value(f, "A") == -1);
	assert_true(f->judgement.incomplete);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(compares_senders),
	    cmocka_unit_test(compares_the_sender_with_its_relay),
	    cmocka_unit_test(reads_relays),
	    cmocka_unit_test(looks_addresses_up),
	    cmocka_unit_test(welcomes_senders_by_their_relays),
	    cmocka_unit_test(knows_free_mail),
	    cmocka_unit_test(finds_each_of_a_long_list),
	    cmocka_unit_test(finds_free_mail_in_the_body),
	    cmocka_unit_test(takes_quoted_addresses_from_the_body),
	    cmocka_unit_test(tells_where_redirectors_lead),
	    cmocka_unit_test(judges_octets_of_headers),
	    cmocka_unit_test(counts_different_values),
	    cmocka_unit_test(knows_gateways_that_take_fields_away),
	    cmocka_unit_test(knows_forged_providers),
	    cmocka_unit_test(knows_mailers_of_spam),
	    cmocka_unit_test(reads_subjects),
	    cmocka_unit_test(compares_recipients),
	    cmocka_unit_test(looks_up_hosts_of_uris),
	    cmocka_unit_test(measures_blanks_in_lines),
	    cmocka_unit_test(minds_the_languages_a_site_reads),
	    cmocka_unit_test(finds_captured_text),
	    cmocka_unit_test(cuts_hosts_at_what_was_registered),
	    cmocka_unit_test(matches_globs),
	    cmocka_unit_test(finds_addresses_in_text),
	    cmocka_unit_test(without_facts_nobody_knows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
