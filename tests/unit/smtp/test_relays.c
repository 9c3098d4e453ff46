/* test_relays.c - what a site says of its networks decides which relays are trusted. */
#include <string.h>

#include "base/facts.h"
#include "tests/unit/smtp/normaliser_fixture.h"

static struct relay_trust trust;
static struct message_facts session;
static struct normalised result;

static const char
    message[] = "Received: from c.example (c.example [192.0.2.3])\r\n"
                "\t(envelope-from <first@c.example>) by d.example with ESMTP id abc4\r\n"
                "Received: from b.example (b.example [192.0.2.2])\r\n"
                "\t(envelope-from <second@b.example>) by c.example with ESMTP id abc3\r\n"
                "Received: from a.example (a.example [192.0.2.1])\r\n"
                "\t(envelope-from <third@a.example>) by b.example with ESMTP id abc2\r\n"
                "X-Sent-From: [198.51.100.1]\r\n"
                "X-Told: <told@e.example>\r\n"
                "\r\nHello\r\n";

static int forget(void **state)
{
	(void)state;
	memset(&trust, 0, sizeof(trust));
	trust.is_configured = true;
	session = (struct message_facts){.trust = &trust};
	return 0;
}

static void put(struct relay_networks *set, const char *text)
{
	assert_int_equal(relay_networks_add(set, bytes_text(text)), OK);
}

static const struct facts *look(void)
{
	normalise(normaliser, BYTES(message), &session, NULL, 0, &result);
	return result.texts.facts;
}

/* "ti" is a relay trusted and internal, "t-" trusted only, "--" neither. */
static void relays_are(const char *wanted)
{
	const struct facts *facts = look();

	assert_int_equal(facts->relay_count * 2, strlen(wanted));
	for (uint32_t i = 0; i < facts->relay_count; i++) {
		assert_int_equal(facts->relay[i].is_trusted, wanted[2 * i] == 't');
		assert_int_equal(facts->relay[i].is_internal, wanted[2 * i + 1] == 'i');
	}
}

static void header_is(const char *name, const char *wanted)
{
	struct selector selector;

	assert_true(selector_parse(bytes_text(name), &selector));
	normalise(normaliser, BYTES(message), &session, &selector, 1, &result);
	struct bytes text = text_segment(&result.texts.kind[TEXT_HEADER], 0);
	char addresses[256] = "";
	for (size_t at = 0; at + 5 < text.len; at++)
		if (memcmp(text.data + at, "[ ip=", 5) == 0)
			strncat(addresses, (const char *)text.data + at + 5, 9);
	assert_string_equal(addresses, wanted);
}

static void networks_end_trust(void **state)
{
	(void)state;
	session.trust = NULL;
	relays_are("------");
	session.trust = &trust;
	put(&trust.trusted, "192.0.2.2/31");
	put(&trust.internal, "192.0.2.3");
	relays_are("tit---");
	header_is("X-Spam-Relays-Trusted", "192.0.2.3192.0.2.2");
	header_is("X-Spam-Relays-Untrusted", "192.0.2.1");
	header_is("X-Spam-Relays-Internal", "192.0.2.3");
	header_is("X-Spam-Relays-External", "192.0.2.2192.0.2.1");
	assert_true(bytes_equal(look()->envelope_from, BYTES("third@a.example")));
	put(&trust.trusted, "192.0.2.1");
	relays_are("tit-t-");
	assert_int_equal(result.texts.facts->relays_untrusted, 0);
}

static void behind_a_submission_agent_all_is_trusted(void **state)
{
	(void)state;
	put(&trust.trusted, "192.0.2.3");
	put(&trust.internal, "192.0.2.3");
	relays_are("ti----");
	put(&trust.msa, "192.0.2.3");
	relays_are("tititi");
}

static void fields_of_origin_count_as_relays(void **state)
{
	(void)state;
	put(&trust.trusted, "192.0.2.3");
	trust.origin[trust.origin_count++] = BYTES("x-absent");
	trust.origin[trust.origin_count++] = BYTES("x-sent-from");
	relays_are("t-------");
	assert_true(bytes_equal(result.texts.facts->relay[3].ip, BYTES("198.51.100.1")));
}

static void the_envelope_is_in_the_field_the_site_names(void **state)
{
	(void)state;
	trust.envelope_field = BYTES("x-told");
	assert_true(bytes_equal(look()->envelope_from, BYTES("told@e.example")));
	trust.envelope_field = BYTES("x-absent");
	assert_false(look()->has_envelope_from);
}

/* A stranger could write the field; what it says to us it cannot deny. */
static void a_stranger_does_not_write_the_envelope(void **state)
{
	(void)state;
	trust.envelope_field = BYTES("x-told");
	session.in_session = true;
	session.helo = BYTES("h.example");
	session.sender = BYTES("said@h.example");
	session.client.addr = addr_from_ip4(0xC0000204);
	assert_true(bytes_equal(look()->envelope_from, BYTES("said@h.example")));
	put(&trust.trusted, "192.0.2.4");
	assert_true(bytes_equal(look()->envelope_from, BYTES("told@e.example")));
}

/* Above the first Received stands what our relays wrote, unless the client has sent it. */
static void a_stranger_writes_nothing_of_ours(void **state)
{
	static const char said[] = "Received-SPF: pass\r\nReceived: from b.example (b.example "
	                           "[192.0.2.2])\r\n\tby c.example with ESMTP id abc3\r\n"
	                           "\r\nHello\r\n";
	struct selector selector;

	(void)state;
	assert_true(selector_parse(BYTES("ALL-INTERNAL"), &selector));
	normalise(normaliser, BYTES(said), &session, &selector, 1, &result);
	assert_true(bytes_equal(text_segment(&result.texts.kind[TEXT_HEADER], 0),
	                        BYTES("Received-SPF: pass\n")));
	session.in_session = true;
	session.client.addr = addr_from_ip4(0xC0000204);
	normalise(normaliser, BYTES(said), &session, &selector, 1, &result);
	assert_int_equal(text_segment(&result.texts.kind[TEXT_HEADER], 0).len, 0);
	put(&trust.trusted, "192.0.2.4");
	put(&trust.internal, "192.0.2.4");
	normalise(normaliser, BYTES(said), &session, &selector, 1, &result);
	assert_true(bytes_equal(text_segment(&result.texts.kind[TEXT_HEADER], 0),
	                        BYTES("Received-SPF: pass\n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(networks_end_trust, forget),
	    cmocka_unit_test_setup(behind_a_submission_agent_all_is_trusted, forget),
	    cmocka_unit_test_setup(fields_of_origin_count_as_relays, forget),
	    cmocka_unit_test_setup(the_envelope_is_in_the_field_the_site_names, forget),
	    cmocka_unit_test_setup(a_stranger_does_not_write_the_envelope, forget),
	    cmocka_unit_test_setup(a_stranger_writes_nothing_of_ours, forget),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
