/* test_asker.c - what becomes of workers' questions; the resolver is this test (linked with
 * --wrap). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/dkim_question.h"
#include "base/dmarc_question.h"
#include "base/spf_question.h"

#include "mgmt/asker.h"

#define LOOKUPS_MAX 4096
#define S           UINT64_C(1000000)

static struct {
	char name[QUESTION_NAME_BYTES];
	uint16_t type;
	bool once;
	void *lookup;
} asked[LOOKUPS_MAX];
static uint32_t asked_count;
static bool at_once; /* the resolver fails before it returns */

static resolver_done *done;
static void *context;
static struct question_rings rings;
static struct asker asker;
static uint64_t now_us;

struct resolver *__wrap_resolver_new(const char *server, uint32_t timeout_ms,
                                     resolver_done *its_done, void *resolver_context, char *reason);
void __wrap_resolver_free(struct resolver *resolver);
void __wrap_resolver_ask(struct resolver *resolver, const char *name, uint16_t type, bool once,
                         void *lookup);
uint32_t __wrap_resolver_poll_fds(struct resolver *resolver, struct pollfd *out_fds);
int __wrap_resolver_wait_ms(struct resolver *resolver, int most_ms);
void __wrap_resolver_run(struct resolver *resolver);

struct resolver *__wrap_resolver_new(const char *server, uint32_t timeout_ms,
                                     resolver_done *its_done, void *resolver_context, char *reason)
{
	(void)server;
	(void)timeout_ms;
	(void)reason;
	done = its_done;
	context = resolver_context;
	return (struct resolver *)&asked;
}

void __wrap_resolver_free(struct resolver *resolver)
{
	(void)resolver;
}

void __wrap_resolver_ask(struct resolver *resolver, const char *name, uint16_t type, bool once,
                         void *lookup)
{
	const struct dns_reply failed = {.result = ANSWER_FAILED, .ttl_s = 5};

	(void)resolver;
	if (at_once) {
		done(context, lookup, &failed);
		return;
	}
	assert_true(asked_count < LOOKUPS_MAX);
	snprintf(asked[asked_count].name, sizeof(asked[0].name), "%s", name);
	asked[asked_count].type = type;
	asked[asked_count].once = once;
	asked[asked_count++].lookup = lookup;
}

uint32_t __wrap_resolver_poll_fds(struct resolver *resolver, struct pollfd *out_fds)
{
	(void)resolver;
	(void)out_fds;
	return 0;
}

int __wrap_resolver_wait_ms(struct resolver *resolver, int most_ms)
{
	(void)resolver;
	return most_ms;
}

void __wrap_resolver_run(struct resolver *resolver)
{
	(void)resolver;
}

static int setup(void **state)
{
	char reason[256];

	(void)state;
	asked_count = 0;
	at_once = false;
	now_us = 1000 * S;
	assert_int_equal(question_rings_create(&rings, 2), OK);
	assert_true(asker_open(&asker, "", 1000, reason));
	asker_attach(&asker, dup(rings.fd), false);
	asker_attach(&asker, eventfd(0, EFD_NONBLOCK), true);
	assert_int_equal(atomic_load(&question_rings_state(&rings)->serving), 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	asker_close(&asker);
	assert_int_equal(atomic_load(&question_rings_state(&rings)->serving), 0);
	question_rings_close(&rings);
	return 0;
}

static void ask(uint32_t worker, uint64_t id, enum question_kind kind, const char *name)
{
	struct question question;

	question_write(&question, id, kind, bytes_text(name));
	assert_true(question_push(question_rings_questions(&rings, worker), &question));
	asker_run(&asker, now_us);
}

static struct answer taken(uint32_t worker, uint64_t id)
{
	struct answer answer;

	assert_true(answer_pop(question_rings_answers(&rings, worker), &answer));
	assert_true(answer_is_sound(&answer));
	assert_int_equal(answer.id, id);
	return answer;
}

static void nothing_comes(uint32_t worker)
{
	struct answer answer;

	assert_false(answer_pop(question_rings_answers(&rings, worker), &answer));
}

static void reply_address(uint32_t index, uint32_t address, uint32_t ttl_s)
{
	struct dns_reply reply = {.result = address != 0 ? ANSWER_FOUND : ANSWER_NONE,
	                          .ttl_s = ttl_s,
	                          .address_count = address != 0,
	                          .address = {addr_from_ip4(address)}};

	assert_true(index < asked_count);
	done(context, asked[index].lookup, &reply);
}

static void reply_failure(uint32_t index)
{
	const struct dns_reply reply = {.result = ANSWER_FAILED, .ttl_s = 5};

	done(context, asked[index].lookup, &reply);
}

static void question_of_many_is_looked_up_once(void **state)
{
	(void)state;
	ask(0, 1, QUESTION_ADDRESS, "a.example");
	ask(1, 2, QUESTION_ADDRESS, "a.example");
	assert_int_equal(asked_count, 1);
	assert_string_equal(asked[0].name, "a.example");
	assert_int_equal(asked[0].type, DNS_TYPE_A);
	nothing_comes(0);
	reply_address(0, 0x7f000002, 60);
	assert_int_equal(taken(0, 1).address[0], 0x7f000002);
	assert_int_equal(taken(1, 2).ttl_s, 60);
	assert_int_equal(asker.counts.joined, 1);
	assert_int_equal(asker.counts.answers, 2);
	/* Remembered, for as long as it has left. */
	now_us += 20 * S;
	ask(1, 3, QUESTION_ADDRESS, "a.example");
	assert_int_equal(asked_count, 1);
	assert_int_equal(taken(1, 3).ttl_s, 40);
	assert_int_equal(asker.counts.remembered, 1);
	assert_int_equal(asker.counts.lookups, 1);
	ask(1, 4, QUESTION_TEXT, "a.example");
	assert_int_equal(asked_count, 2);
	assert_int_equal(asked[1].type, DNS_TYPE_TXT);
	now_us += 41 * S;
	ask(0, 5, QUESTION_ADDRESS, "a.example");
	assert_int_equal(asked_count, 3);
}

static void failures_are_said(void **state)
{
	(void)state;
	ask(0, 1, QUESTION_ADDRESS, "a.example");
	reply_failure(0);
	struct answer answer = taken(0, 1);
	assert_int_equal(answer.result, ANSWER_FAILED);
	assert_int_equal(answer.ttl_s, 5);
	assert_int_equal(asker.counts.failed, 1);
	assert_int_equal(asker.counts.lookups_failed, 1);
	const struct dns_reply late = {.result = ANSWER_FAILED, .ttl_s = 5, .timed_out = true};
	ask(0, 4, QUESTION_ADDRESS, "late.example");
	done(context, asked[1].lookup, &late);
	assert_int_equal(taken(0, 4).result, ANSWER_FAILED);
	assert_int_equal(asker.counts.lookups_failed, 1);
	assert_int_equal(asker.counts.lookups_timed_out, 1);
	at_once = true;
	ask(0, 2, QUESTION_ADDRESS, "b.example");
	assert_int_equal(taken(0, 2).result, ANSWER_FAILED);
	ask(0, 3, QUESTION_HOST, "b.example list.example");
	assert_int_equal(taken(0, 3).result, ANSWER_FAILED);
	assert_int_equal(asker.lookups_open, 0);
}

static void hosts_are_asked_by_their_addresses(void **state)
{
	struct dns_reply two = {.result = ANSWER_FOUND,
	                        .ttl_s = 50,
	                        .address_count = 2,
	                        .address = {addr_from_ip4(0xcb007105), addr_from_ip4(0xcb007106)}};

	(void)state;
	ask(0, 1, QUESTION_HOST, "www.example list.example");
	assert_string_equal(asked[0].name, "www.example");
	done(context, asked[0].lookup, &two);
	assert_int_equal(asked_count, 3);
	assert_string_equal(asked[1].name, "5.113.0.203.list.example");
	assert_string_equal(asked[2].name, "6.113.0.203.list.example");
	reply_address(1, 0, 90);
	nothing_comes(0);
	reply_address(2, 0x7f000003, 90);
	struct answer answer = taken(0, 1);
	assert_int_equal(answer.result, ANSWER_FOUND);
	assert_int_equal(answer.address_count, 1);
	assert_int_equal(answer.address[0], 0x7f000003);
	assert_int_equal(answer.ttl_s, 50);
}

static void domains_are_asked_by_their_servers(void **state)
{
	struct dns_reply servers = {.result = ANSWER_FOUND,
	                            .ttl_s = 50,
	                            .name_count = 2,
	                            .name = {"ns1.example", "ns2.example"}};

	(void)state;
	ask(0, 1, QUESTION_SERVERS, "shop.example list.example");
	assert_string_equal(asked[0].name, "shop.example");
	assert_int_equal(asked[0].type, DNS_TYPE_NS);
	done(context, asked[0].lookup, &servers);
	assert_string_equal(asked[1].name, "ns1.example");
	assert_string_equal(asked[2].name, "ns2.example");
	reply_failure(1);
	reply_address(2, 0xcb007105, 50);
	assert_string_equal(asked[3].name, "5.113.0.203.list.example");
	reply_address(3, 0, 50);
	/* One of them is not known. */
	assert_int_equal(taken(0, 1).result, ANSWER_FAILED);
	assert_int_equal(asker.lookups_open, 0);
}

static void servers_are_asked_about_by_name(void **state)
{
	struct dns_reply servers = {.result = ANSWER_FOUND,
	                            .ttl_s = 50,
	                            .name_count = 3,
	                            .name = {"ns1.a.co.uk", "ns2.a.co.uk", "we rd.b.com"}};

	(void)state;
	ask(0, 1, QUESTION_SERVER_NAMES, "shop.example list.example");
	assert_int_equal(asked[0].type, DNS_TYPE_NS);
	done(context, asked[0].lookup, &servers);
	assert_int_equal(asked_count, 3);
	assert_string_equal(asked[1].name, "ns1.a.co.uk.list.example");
	assert_string_equal(asked[2].name, "ns2.a.co.uk.list.example");
	assert_int_equal(asked[2].type, DNS_TYPE_A);
	reply_address(1, 0, 50);
	reply_address(2, 0x7f000002, 50);
	assert_int_equal(taken(0, 1).address[0], 0x7f000002);
	ask(0, 2, QUESTION_SERVER_DOMAINS, "shop.example list.example txt");
	done(context, asked[3].lookup, &servers);
	assert_int_equal(asked_count, 6);
	assert_string_equal(asked[4].name, "a.co.uk.list.example");
	assert_int_equal(asked[4].type, DNS_TYPE_TXT);
	assert_string_equal(asked[5].name, "b.com.list.example");
	reply_failure(4);
	reply_failure(5);
	assert_int_equal(taken(0, 2).result, ANSWER_FAILED);
}

static void who_answers_for_a_host_is_asked_about(void **state)
{
	struct dns_reply none = {.result = ANSWER_NONE, .ttl_s = 50, .authority = "ns.isp.example"};
	struct dns_reply servers = {
	    .result = ANSWER_FOUND, .ttl_s = 50, .name_count = 1, .name = {"ns1.example"}};

	(void)state;
	ask(0, 1, QUESTION_PRIMARY, "mail.shop.example list.example");
	assert_string_equal(asked[0].name, "mail.shop.example");
	assert_int_equal(asked[0].type, DNS_TYPE_NS);
	done(context, asked[0].lookup, &none);
	assert_string_equal(asked[1].name, "ns.isp.example.list.example");
	reply_address(1, 0x7f000003, 50);
	assert_int_equal(taken(0, 1).address[0], 0x7f000003);
	/* A domain that has servers, and one of which nobody says who answers for it. */
	ask(0, 2, QUESTION_PRIMARY, "shop.example list.example");
	done(context, asked[2].lookup, &servers);
	assert_int_equal(taken(0, 2).result, ANSWER_NONE);
	none.authority[0] = '\0';
	ask(0, 3, QUESTION_PRIMARY, "gone.example list.example");
	done(context, asked[3].lookup, &none);
	assert_int_equal(taken(0, 3).result, ANSWER_NONE);
	assert_int_equal(asked_count, 4);
	assert_int_equal(asker.lookups_open, 0);
}

/* RFC 8463 A.2: the key, and a signature that is none of its. */
#define KEY "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static void ask_dkim(uint32_t worker, uint64_t id, const char *key_name, uint8_t first)
{
	uint8_t digest[DKIM_QUESTION_DIGEST_BYTES] = {first}, signature[64] = {first};
	struct dkim_question dkim = {DKIM_ED25519_SHA256, bytes_text(key_name),
	                             bytes_of(digest, sizeof(digest)),
	                             bytes_of(signature, sizeof(signature))};
	uint8_t text[QUESTION_BYTES];
	struct question question;

	question_write(&question, id, QUESTION_DKIM,
	               bytes_of(text, dkim_question_write(&dkim, text)));
	assert_true(question_push(question_rings_questions(&rings, worker), &question));
	asker_run(&asker, now_us);
}

static void keys_are_kept_and_signatures_told_apart(void **state)
{
	struct dns_reply reply = {.result = ANSWER_FOUND, .ttl_s = 60, .text_len = sizeof(KEY)};
	struct answer answer;

	(void)state;
	memcpy(reply.text, KEY, sizeof(KEY));
	ask_dkim(0, 1, "a._domainkey.b", 1);
	ask_dkim(1, 2, "a._domainkey.b", 2);
	ask_dkim(0, 3, "c._domainkey.b", 2);
	ask_dkim(0, 4, "d._domainkey.b", 2);
	assert_int_equal(asked_count, 3);
	assert_string_equal(asked[0].name, "a._domainkey.b");
	assert_int_equal(asked[0].type, DNS_TYPE_TXT);
	nothing_comes(0);
	done(context, asked[0].lookup, &reply);
	answer = taken(0, 1);
	assert_int_equal(answer.result, ANSWER_FOUND);
	assert_int_equal(answer.value, DKIM_VERDICT_FAIL);
	assert_int_equal(taken(1, 2).value, DKIM_VERDICT_FAIL);
	now_us += 59 * S;
	ask_dkim(1, 5, "a._domainkey.b", 3);
	assert_int_equal(taken(1, 5).value, DKIM_VERDICT_FAIL);
	assert_int_equal(asked_count, 3);
	reply_address(1, 0, 60);
	answer = taken(0, 3);
	assert_int_equal(answer.result, ANSWER_FOUND);
	assert_int_equal(answer.value, DKIM_VERDICT_PERMERROR);
	reply_failure(2);
	assert_int_equal(taken(0, 4).result, ANSWER_FAILED);
	now_us += 2 * S;
	ask_dkim(1, 6, "a._domainkey.b", 3);
	assert_int_equal(asked_count, 4);
	/* What is left open is forgotten with the rings. */
}

static void practices_of_domains_are_read(void **state)
{
	struct dns_reply none = {.result = ANSWER_NONE, .ttl_s = 30, .code = DNS_CODE_NO_NAME};
	static struct dns_reply found = {.result = ANSWER_FOUND, .ttl_s = 60, .text_len = 29};

	(void)state;
	memcpy(found.text, "v=spf1 -all\0dkim=discardable;", 30);
	ask(0, 1, QUESTION_PRACTICES, "a.example");
	assert_string_equal(asked[0].name, "_adsp._domainkey.a.example");
	assert_int_equal(asked[0].type, DNS_TYPE_TXT);
	done(context, asked[0].lookup, &found);
	assert_int_equal(taken(0, 1).value, 'D');
	/* Without a record: is there such a domain? */
	for (uint64_t id = 2; id < 4; id++) {
		ask(0, id, QUESTION_PRACTICES, id == 2 ? "b.example" : "c.example");
		done(context, asked[asked_count - 1].lookup, &none);
		assert_string_equal(asked[asked_count - 1].name,
		                    id == 2 ? "b.example" : "c.example");
		assert_int_equal(asked[asked_count - 1].type, DNS_TYPE_MX);
		nothing_comes(0);
		none.code = id == 2 ? DNS_CODE_NO_NAME : 0;
		done(context, asked[asked_count - 1].lookup, &none);
		assert_int_equal(taken(0, id).value, id == 2 ? 'N' : 'U');
		none.code = DNS_CODE_NO_NAME;
	}
	ask(0, 4, QUESTION_PRACTICES, "d.example");
	reply_failure(asked_count - 1);
	assert_int_equal(taken(0, 4).result, ANSWER_FAILED);
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	ask(0, 1, QUESTION_ADDRESS, "not a name");
	assert_int_equal(taken(0, 1).result, ANSWER_UNSUPPORTED);
	ask(0, 2, QUESTION_KIND_COUNT + 7, "a.example");
	assert_int_equal(taken(0, 2).result, ANSWER_UNSUPPORTED);
	ask(0, 3, QUESTION_SPF, "192.0.2.1 helo.example");
	assert_int_equal(taken(0, 3).result, ANSWER_UNSUPPORTED);
	ask(0, 4, QUESTION_DKIM, "a.example brisbane");
	assert_int_equal(taken(0, 4).result, ANSWER_UNSUPPORTED);
	assert_int_equal(asker.counts.malformed, 4);
	assert_int_equal(asked_count, 0);
}

static void reply_text(uint32_t index, const char *text, uint32_t ttl_s)
{
	static struct dns_reply reply;

	dns_reply_clear(&reply, ANSWER_FOUND, ttl_s);
	strcpy(reply.text, text);
	reply.text_len = (uint32_t)strlen(text) + 1;
	done(context, asked[index].lookup, &reply);
}

static void spf_is_checked_step_by_step(void **state)
{
	const char *question = "192.0.2.1 helo.example bob@a.example";
	struct answer answer;

	(void)state;
	ask(0, 1, QUESTION_SPF, question);
	ask(1, 2, QUESTION_SPF, question);
	assert_int_equal(asked_count, 1);
	assert_string_equal(asked[0].name, "a.example");
	assert_int_equal(asked[0].type, DNS_TYPE_TXT);
	reply_text(0, "v=spf1 include:b.example a:c.example -all", 300);
	assert_string_equal(asked[1].name, "b.example");
	reply_text(1, "v=spf1 -all", 200);
	assert_string_equal(asked[2].name, "c.example");
	assert_int_equal(asked[2].type, DNS_TYPE_A);
	nothing_comes(0);
	reply_address(2, 0xc0000201, 400);
	answer = taken(0, 1);
	assert_int_equal(answer.result, ANSWER_FOUND);
	assert_int_equal(answer.value, SPF_PASS);
	assert_int_equal(answer.ttl_s, 200);
	assert_int_equal(taken(1, 2).value, SPF_PASS);
	ask(1, 3, QUESTION_SPF, question);
	assert_int_equal(taken(1, 3).value, SPF_PASS);
	assert_int_equal(asked_count, 3);
	/* What needs no lookup. */
	ask(0, 4, QUESTION_SPF, "192.0.2.1 host ");
	assert_int_equal(taken(0, 4).value, SPF_NONE);
	assert_int_equal(asked_count, 3);
}

static void senders_of_a_domain_share_what_is_common(void **state)
{
	(void)state;
	ask(0, 1, QUESTION_SPF, "192.0.2.1 helo.example bob@a.example");
	reply_text(0, "v=spf1 exists:%{o}.%{i}.b.example ?all", 300);
	assert_string_equal(asked[1].name, "a.example.192.0.2.1.b.example");
	reply_address(1, 0x7f000002, 200);
	assert_int_equal(taken(0, 1).value, SPF_PASS);
	now_us += 50 * S;
	ask(1, 2, QUESTION_SPF, "192.0.2.1 other.example alice@a.example.");
	assert_int_equal(taken(1, 2).ttl_s, 150);
	ask(1, 3, QUESTION_SPF, "192.0.2.1 a.example ");
	assert_int_equal(taken(1, 3).value, SPF_PASS);
	assert_int_equal(asked_count, 2);
	ask(1, 4, QUESTION_SPF, "192.0.2.2 helo.example bob@a.example");
	assert_int_equal(asked_count, 3);
	/* Where the sender or HELO is looked at, each is one of its own. */
	reply_text(2, "v=spf1 exists:%{l}.b.example -all", 300);
	reply_address(3, 0, 200);
	assert_int_equal(taken(1, 4).value, SPF_FAIL);
	ask(1, 5, QUESTION_SPF, "192.0.2.2 helo.example alice@a.example");
	assert_int_equal(asked_count, 5);
	/* Behind a record that does not get so far they are alike. */
	reply_text(4, "v=spf1 -ip4:192.0.2.2 exists:%{l}.b.example -all", 300);
	assert_int_equal(taken(1, 5).value, SPF_FAIL);
	ask(1, 6, QUESTION_SPF, "192.0.2.2 helo.example carol@a.example");
	assert_int_equal(taken(1, 6).value, SPF_FAIL);
	assert_int_equal(asked_count, 5);
}

static void policies_are_looked_for_above_the_author(void **state)
{
	const uint32_t sender = 1u << DMARC_VALUE_ALIGNED;

	(void)state;
	ask(0, 1, QUESTION_DMARC, "shop.a.com bounce.a.com - - - - - - - - -");
	assert_string_equal(asked[0].name, "_dmarc.shop.a.com");
	assert_int_equal(asked[0].type, DNS_TYPE_TXT);
	reply_text(0, "v=spf1 -all", 90);
	assert_string_equal(asked[1].name, "_dmarc.a.com");
	reply_text(1, "v=DMARC1; p=reject; sp=quarantine", 200);
	struct answer answer = taken(0, 1);
	assert_int_equal(answer.value, DMARC_QUARANTINE | sender);
	assert_int_equal(answer.ttl_s, 90);
	ask(0, 2, QUESTION_DMARC, "a.com shop.a.com - - - - - - - - -");
	reply_text(2, "v=DMARC1; p=reject; aspf=s", 200);
	assert_int_equal(taken(0, 2).value, DMARC_REJECT);
	ask(0, 3, QUESTION_DMARC, "b.com - - - - - - - - - -");
	reply_address(3, 0, 200);
	assert_int_equal(taken(0, 3).result, ANSWER_FOUND);
	ask(0, 4, QUESTION_DMARC, "b.com x.com - - - - - - - - -");
	reply_failure(4);
	assert_int_equal(taken(0, 4).result, ANSWER_FAILED);
	/* What cannot be read is none, and nobody above is asked. */
	ask(0, 5, QUESTION_DMARC, "shop.a.com - - - - - - - - - -");
	reply_text(5, "v=DMARC1; p=no", 200);
	answer = taken(0, 5);
	assert_int_equal(answer.value, DMARC_MISSING);
	assert_int_equal(asked_count, 6);
	ask(0, 6, QUESTION_DMARC, "a.com b.com");
	assert_int_equal(taken(0, 6).result, ANSWER_UNSUPPORTED);
}

static void checks_without_replies_are_given_up(void **state)
{
	char question[64];

	(void)state;
	ask(0, 1, QUESTION_SPF, "192.0.2.1  bob@a.example");
	reply_failure(0);
	assert_int_equal(taken(0, 1).value, SPF_TEMPERROR);
	ask(0, 2, QUESTION_SPF, "192.0.2.1  bob@b.example");
	now_us += 21 * S;
	asker_run(&asker, now_us);
	reply_text(1, "v=spf1 a -all", 300);
	assert_int_equal(asked_count, 2);
	assert_int_equal(taken(0, 2).value, SPF_TEMPERROR);
	assert_int_equal(asker.counts.spf_overdue, 1);
	/* The resolver that fails at once fails for the client's names, too, and that ends. */
	ask(0, 3, QUESTION_SPF, "192.0.2.1  bob@c.example");
	at_once = true;
	reply_text(2, "v=spf1 ptr ?all", 300);
	assert_int_equal(taken(0, 3).value, SPF_NEUTRAL);
	at_once = false;
	for (uint32_t i = 0; i <= ASKER_CHECKS_MAX; i++) {
		snprintf(question, sizeof(question), "192.0.2.1  bob@n%u.example", i);
		ask(0, 10 + i, QUESTION_SPF, question);
	}
	assert_int_equal(taken(0, 10 + ASKER_CHECKS_MAX).result, ANSWER_FAILED);
	assert_int_equal(asker.counts.spf_refused, 1);
	for (uint32_t i = 3; i < asked_count; i++)
		reply_failure(i);
	for (uint32_t i = 0; i < ASKER_CHECKS_MAX; i++)
		assert_int_equal(taken(0, 10 + i).value, SPF_TEMPERROR);
	assert_int_equal(asker.lookups_open, 0);
	ask(0, 9, QUESTION_SPF, "192.0.2.1  bob@d.example");
	nothing_comes(0);
}

static void what_is_beyond_a_bound_fails_at_once(void **state)
{
	char name[32];

	(void)state;
	for (uint32_t i = 0; i < ASKER_LOOKUPS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		ask(0, i, QUESTION_ADDRESS, name);
	}
	uint32_t open = asker.lookups_open;
	assert_true(open > ASKER_LOOKUPS_MAX / 2);
	for (uint32_t i = 0; i < ASKER_LOOKUPS_MAX; i++) {
		struct answer answer;

		snprintf(name, sizeof(name), "m%u.example", i);
		ask(1, i, QUESTION_ADDRESS, name);
		while (answer_pop(question_rings_answers(&rings, 1), &answer))
			assert_int_equal(answer.result, ANSWER_FAILED);
	}
	assert_true(asker.counts.lookups_refused > 0);
	assert_int_equal(asker.counts.questions, 2 * ASKER_LOOKUPS_MAX);
	assert_int_equal(asker.lookups_open, ASKER_LOOKUPS_MAX);
	/* What was asked before is answered all the same. */
	for (uint32_t i = 0; i < asked_count; i++)
		reply_address(i, 0, 60);
	assert_int_equal(asker.lookups_open, 0);
}

/* A quarter of the lookups is for the first of each question. */
static void further_lookups_leave_room(void **state)
{
	struct dns_reply two = {.result = ANSWER_FOUND,
	                        .ttl_s = 50,
	                        .name_count = 2,
	                        .name = {"ns1.example", "ns2.example"}};
	uint32_t before;
	char name[32];

	(void)state;
	ask(0, 1, QUESTION_SERVERS, "shop.example list.example");
	for (uint32_t i = 0; asker.lookups_open < ASKER_LOOKUPS_MAX / 4 * 3; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		ask(1, i, QUESTION_ADDRESS, name);
	}
	/* Its own is over: there is room for one of two. */
	before = asked_count;
	done(context, asked[0].lookup, &two);
	assert_int_equal(asked_count, before + 1);
	assert_string_equal(asked[before].name, "ns1.example");
	assert_int_equal(asker.counts.lookups_refused, 1);
	ask(1, 9999, QUESTION_ADDRESS, "first.example");
	assert_int_equal(asked_count, before + 2);
	reply_address(before, 0xcb007105, 50);
	assert_int_equal(asker.counts.lookups_refused, 2); /* its address in the list */
	assert_int_equal(taken(0, 1).result, ANSWER_FAILED);
}

static void who_is_refused_has_not_joined(void **state)
{
	(void)state;
	for (uint32_t i = 0; i <= ASKER_WAITERS; i++)
		ask(0, i, QUESTION_ADDRESS, "a.example");
	assert_int_equal(taken(0, ASKER_WAITERS).result, ANSWER_FAILED);
	assert_int_equal(asker.counts.refused_waiters, 1);
	assert_int_equal(asker.counts.joined, ASKER_WAITERS - 1);
	assert_int_equal(asked_count, 1);
}

/* Ids of one dataplane mean nothing to the next. */
static void next_dataplane_gets_its_own_answers(void **state)
{
	(void)state;
	ask(0, 1, QUESTION_ADDRESS, "a.example");
	asker_detach(&asker);
	assert_int_equal(atomic_load(&question_rings_state(&rings)->serving), 0);
	asker_attach(&asker, dup(rings.fd), false);
	reply_address(0, 0x7f000002, 60);
	nothing_comes(0);
	ask(0, 9, QUESTION_ADDRESS, "a.example");
	assert_int_equal(taken(0, 9).result, ANSWER_FOUND);
	assert_int_equal(asked_count, 1);
}

static void sleep_is_said_and_ended(void **state)
{
	struct pollfd fds[ASKER_FDS_MAX];
	struct question question = {.kind = QUESTION_ADDRESS};
	int wait_ms;

	(void)state;
	assert_int_equal(asker_sleep(&asker, fds, 20, &wait_ms), 1);
	assert_int_equal(wait_ms, 20);
	assert_int_equal(atomic_load(&question_rings_state(&rings)->asleep), 1);
	asker_awake(&asker);
	assert_int_equal(atomic_load(&question_rings_state(&rings)->asleep), 0);
	assert_true(question_push(question_rings_questions(&rings, 1), &question));
	(void)asker_sleep(&asker, fds, 20, &wait_ms);
	assert_int_equal(wait_ms, 0);
	asker_awake(&asker);
}

static void records_of_a_type_are_told(void **state)
{
	static const uint8_t
	    packet[] = "\0\0\x81\x80\0\0\0\1\0\0\0\0"
	               "\0\0\x1c\0\1\0\0\0\x3c\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1";
	struct dns_reply reply = {
	    .result = ANSWER_FOUND, .ttl_s = 99, .packet = bytes_of(packet, sizeof(packet) - 1)};

	(void)state;
	ask(0, 1, QUESTION_RECORDS, "aaaa a.example");
	assert_string_equal(asked[0].name, "a.example");
	assert_int_equal(asked[0].type, DNS_TYPE_AAAA);
	done(context, asked[0].lookup, &reply);
	struct answer answer = taken(0, 1);
	assert_int_equal(answer.result, ANSWER_FOUND);
	assert_int_equal(answer.ttl_s, 60);
	assert_string_equal(answer.text, "aaaa 2001:db8::1");
	assert_false(asked[0].once);
	reply = (struct dns_reply){.result = ANSWER_FAILED, .ttl_s = 5, .code = 5};
	ask(0, 2, QUESTION_RECORDS, "any a.example");
	assert_int_equal(asked[1].type, DNS_TYPE_ANY);
	done(context, asked[1].lookup, &reply);
	assert_int_equal(taken(0, 2).result, ANSWER_FAILED);
}

/* What a server says that fails is an answer; silence is none. */
static void codes_of_failures_are_told(void **state)
{
	struct dns_reply reply = {.result = ANSWER_FAILED, .ttl_s = 5, .code = 5};

	(void)state;
	ask(0, 1, QUESTION_CODE, "mx a.example");
	assert_true(asked[0].once);
	assert_int_equal(asked[0].type, DNS_TYPE_MX);
	done(context, asked[0].lookup, &reply);
	struct answer answer = taken(0, 1);
	assert_int_equal(answer.result, ANSWER_NONE);
	assert_int_equal(answer.value, 5);
	assert_int_equal(answer.ttl_s, 5);
	reply.code = DNS_CODE_NONE;
	ask(0, 2, QUESTION_CODE, "soa a.example");
	done(context, asked[1].lookup, &reply);
	assert_int_equal(taken(0, 2).result, ANSWER_FAILED);
}

static void code_of_a_reply_is_told(void **state)
{
	struct dns_reply none = {.result = ANSWER_NONE, .code = DNS_CODE_NO_NAME, .ttl_s = 30};

	(void)state;
	ask(0, 1, QUESTION_ADDRESS, "no.example");
	done(context, asked[0].lookup, &none);
	struct answer answer = taken(0, 1);
	assert_int_equal(answer.result, ANSWER_NONE);
	assert_int_equal(answer.value, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(question_of_many_is_looked_up_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(failures_are_said, setup, teardown),
	    cmocka_unit_test_setup_teardown(hosts_are_asked_by_their_addresses, setup, teardown),
	    cmocka_unit_test_setup_teardown(domains_are_asked_by_their_servers, setup, teardown),
	    cmocka_unit_test_setup_teardown(servers_are_asked_about_by_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(who_answers_for_a_host_is_asked_about, setup, teardown),
	    cmocka_unit_test_setup_teardown(keys_are_kept_and_signatures_told_apart, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(practices_of_domains_are_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(nonsense_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(spf_is_checked_step_by_step, setup, teardown),
	    cmocka_unit_test_setup_teardown(senders_of_a_domain_share_what_is_common, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(policies_are_looked_for_above_the_author, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(checks_without_replies_are_given_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_beyond_a_bound_fails_at_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(further_lookups_leave_room, setup, teardown),
	    cmocka_unit_test_setup_teardown(who_is_refused_has_not_joined, setup, teardown),
	    cmocka_unit_test_setup_teardown(next_dataplane_gets_its_own_answers, setup, teardown),
	    cmocka_unit_test_setup_teardown(sleep_is_said_and_ended, setup, teardown),
	    cmocka_unit_test_setup_teardown(records_of_a_type_are_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(codes_of_failures_are_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(code_of_a_reply_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
