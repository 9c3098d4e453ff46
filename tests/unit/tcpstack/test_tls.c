/* test_tls.c - both roles against each other: what is agreed, what comes through, how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tls_certificates.h"
#include "tests/tls_pair.h"

static struct pair pair;
static struct tls_config_options client_options, server_options;

static int set_up(void **state)
{
	(void)state;
	pair_open(&pair, 8, 0);
	pair_client_options(&client_options);
	pair_server_options(&server_options);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pair_close(&pair);
	return 0;
}

static void end(struct tls_config *client, struct tls_config *server)
{
	pair_disconnect(&pair);
	assert_int_equal(tls_config_users(client), 0);
	assert_int_equal(tls_config_users(server), 0);
	tls_config_free(client);
	tls_config_free(server);
}

static void test_all_versions_and_keys(void **state)
{
	static const struct {
		enum tls_version version;
		const char *suites, *groups, *suite, *group, *text;
		uint32_t first, count;
	} rows[] = {
	    {TLS_1_3, NULL, NULL, "TLS_AES_128_GCM_SHA256", "x25519", "TLSv1.3", 0, 2},
	    {TLS_1_3, NULL, "secp256r1", "TLS_AES_128_GCM_SHA256", "secp256r1", "TLSv1.3", 0, 2},
	    {TLS_1_3, "TLS_AES_256_GCM_SHA384", "secp384r1", "TLS_AES_256_GCM_SHA384", "secp384r1",
	     "TLSv1.3", 1, 1},
	    {TLS_1_3, "TLS_CHACHA20_POLY1305_SHA256", NULL, "TLS_CHACHA20_POLY1305_SHA256",
	     "x25519", "TLSv1.3", 1, 1},
	    {TLS_1_2, NULL, NULL, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "x25519", "TLSv1.2", 0,
	     2},
	    {TLS_1_2, NULL, "secp256r1", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "secp256r1",
	     "TLSv1.2", 0, 2},
	    {TLS_1_2, NULL, "secp521r1", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "secp521r1",
	     "TLSv1.2", 1, 1},
	    {TLS_1_2, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", NULL,
	     "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "x25519", "TLSv1.2", 0, 2},
	    {TLS_1_2, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", NULL,
	     "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "x25519", "TLSv1.2", 0, 2},
	};
	const struct tls_identity *both = server_options.identities;
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		client_options.version_max = client_options.version_min = rows[i].version;
		client_options.suites = rows[i].suites;
		client_options.groups = rows[i].groups;
		server_options.groups = rows[i].groups;
		server_options.identities = both + rows[i].first;
		server_options.identity_count = rows[i].count;
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *server = pair_config(&server_options);
		pair_connect(&pair, client, server, "mx.postern.test");
		pair_run(&pair);
		assert_true(pair.client.handshake);
		assert_true(pair.server.handshake);

		struct tls_info info;
		tls_describe(pair.server.tls, &info);
		assert_string_equal(info.version, rows[i].text);
		assert_string_equal(info.suite, rows[i].suite);
		assert_string_equal(info.group, rows[i].group);
		assert_string_equal(info.server_name, "mx.postern.test");
		assert_false(info.peer_certificate);
		assert_false(info.resumed);
		tls_describe(pair.client.tls, &info);
		assert_string_equal(info.suite, rows[i].suite);
		assert_string_equal(info.group, rows[i].group);
		assert_true(info.peer_certificate);
		assert_true(info.peer_verified);

		assert_true(pair_write(&pair, &pair.client, BYTES("EHLO client\r\n")));
		assert_true(pair_write(&pair, &pair.server, BYTES("250 server\r\n")));
		assert_memory_equal(pair.server.plain, "EHLO client\r\n", 13);
		assert_memory_equal(pair.client.plain, "250 server\r\n", 12);
		assert_int_equal(pair.counters.octets_in, pair.counters.octets_out);
		end(client, server);
	}
}

/* The octets of `len`, each other than its neighbours. */
static struct bytes pattern(size_t len)
{
	static uint8_t octets[PAIR_PLAIN_BYTES];

	for (size_t i = 0; i < len; i++)
		octets[i] = (uint8_t)(i * 7 + i / 251);
	return bytes_of(octets, len);
}

static void test_any_split(void **state)
{
	static const size_t feeds[] = {1, 2, 3, 5, 6, 17, 100, 1460, 16384, SIZE_MAX};
	(void)state;

	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		client_options.version_max = client_options.version_min = (enum tls_version)version;
		for (size_t i = 0; i < sizeof(feeds) / sizeof(feeds[0]); i++) {
			size_t len = feeds[i] < 6 ? 3000 : 100000;
			struct tls_config *client = pair_config(&client_options);
			struct tls_config *server = pair_config(&server_options);
			pair.feed_bytes_max = feeds[i];
			pair.take_bytes_max = feeds[i] % 7 + 1;
			if (feeds[i] == SIZE_MAX)
				pair.take_bytes_max = SIZE_MAX;
			pair_connect(&pair, client, server, "mx.postern.test");
			pair_run(&pair);
			assert_true(pair.client.handshake && pair.server.handshake);
			assert_true(pair_write(&pair, &pair.client, pattern(len)));
			assert_int_equal(pair.server.plain_len, len);
			assert_memory_equal(pair.server.plain, pattern(len).data, len);
			end(client, server);
		}
	}
}

static void test_server_name_chooses(void **state)
{
	static const struct {
		const char *name, *text;
		bool verified, unknown;
	} rows[] = {
	    {"mx.postern.test", "mx.postern.test", true, false},
	    {"OTHER.postern.TEST", "OTHER.postern.TEST", true, false},
	    {"a.wild.postern.test", "a.wild.postern.test", true, false},
	    {"a.b.wild.postern.test", "a.b.wild.postern.test", false, true},
	    {"wild.postern.test", "wild.postern.test", false, true},
	    {"nobody.example", "nobody.example", false, true},
	    {"192.0.2.1", "", false, false},
	    {"", "", false, false},
	};
	struct tls_identity three[3] = {
	    server_options.identities[0],
	    server_options.identities[1],
	    {BYTES(OTHER_ECDSA_PEM), BYTES(OTHER_ECDSA_KEY_PEM)},
	};
	(void)state;

	server_options.identities = three;
	server_options.identity_count = 3;
	client_options.verify = TLS_VERIFY_OPTIONAL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *server = pair_config(&server_options);
		struct tls_info info;
		uint64_t before = pair.counters.names_unknown;
		pair_connect(&pair, client, server, rows[i].name);
		pair_run(&pair);
		assert_true(pair.client.handshake && pair.server.handshake);
		tls_describe(pair.server.tls, &info);
		assert_string_equal(info.server_name, rows[i].text);
		tls_describe(pair.client.tls, &info);
		assert_int_equal(info.peer_verified, rows[i].verified);
		assert_int_equal(info.verify_text[0] == '\0', rows[i].verified);
		assert_int_equal(pair.counters.names_unknown - before, rows[i].unknown);
		end(client, server);
	}
}

static void test_required_name(void **state)
{
	(void)state;

	/* A wrong name, and none at all. */
	struct tls_config *client = pair_config(&client_options);
	struct tls_config *server = pair_config(&server_options);
	static const char *const names[] = {"other.example", ""};
	for (int i = 0; i < 2; i++) {
		pair_connect(&pair, client, server, names[i]);
		pair_run(&pair);
		assert_false(pair.client.handshake);
		assert_int_equal(pair.client.last.kind, TLS_FAILED);
		assert_int_equal(pair.client.last.reason, TLS_REASON_CERTIFICATE);
		assert_int_equal(pair.server.last.kind, TLS_FAILED);
		assert_false(pair.server.handshake);
	}
	assert_int_equal(pair.counters.failed_certificate, 2);
	/* Too early for the certificate. */
	tls_engine_set_time(pair.engine, UINT64_C(1000000000000));
	pair_connect(&pair, client, server, "mx.postern.test");
	pair_run(&pair);
	assert_int_equal(pair.client.last.reason, TLS_REASON_CERTIFICATE);
	end(client, server);
}

static void test_client_certificates(void **state)
{
	struct tls_identity identity = {BYTES(CLIENT_ECDSA_PEM), BYTES(CLIENT_ECDSA_KEY_PEM)};
	(void)state;

	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		for (int shown = 0; shown < 2; shown++) {
			for (int verify = TLS_VERIFY_NONE; verify <= TLS_VERIFY_REQUIRED;
			     verify++) {
				struct tls_info info;
				client_options.version_min = client_options
				                                 .version_max = (enum tls_version)
				    version;
				client_options.identities = shown ? &identity : NULL;
				client_options.identity_count = (uint32_t)shown;
				server_options.verify = (enum tls_verify)verify;
				server_options.ca_pem = BYTES(TEST_ROOT_PEM);
				struct tls_config *client = pair_config(&client_options);
				struct tls_config *server = pair_config(&server_options);
				pair_connect(&pair, client, server, "mx.postern.test");
				pair_run(&pair);
				if (verify == TLS_VERIFY_REQUIRED && !shown) {
					assert_int_equal(pair.server.last.reason,
					                 TLS_REASON_NO_CERTIFICATE);
					end(client, server);
					continue;
				}
				assert_true(pair.server.handshake);
				tls_describe(pair.server.tls, &info);
				bool known = shown && verify != TLS_VERIFY_NONE;
				assert_int_equal(info.peer_certificate, known);
				assert_int_equal(info.peer_verified, known);
				end(client, server);
			}
		}
	}
}

static void test_close_and_truncation(void **state)
{
	(void)state;

	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		client_options.version_min = client_options.version_max = (enum tls_version)version;
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *server = pair_config(&server_options);

		pair_connect(&pair, client, server, "mx.postern.test");
		pair_run(&pair);
		assert_true(pair_write(&pair, &pair.client, BYTES("QUIT\r\n")));
		assert_true(tls_close(pair.client.tls));
		assert_int_equal(tls_write(pair.client.tls, BYTES("more")), 0);
		pair_run(&pair);
		assert_int_equal(pair.server.last.kind, TLS_CLOSED);
		assert_memory_equal(pair.server.plain, "QUIT\r\n", 6);
		/* Half closed: the server may still speak (RFC 8446 6.1). */
		assert_true(tls_write(pair.server.tls, BYTES("221 bye\r\n")) > 0);
		assert_false(tls_close(pair.server.tls));
		struct bytes out = tls_output(pair.server.tls, 0);
		memcpy(pair.client.wire, out.data, out.len);
		pair.client.wire_len = out.len;
		assert_int_equal(tls_output(pair.server.tls, out.len).len, 0);
		assert_true(tls_close(pair.server.tls));
		pair_run_side(&pair, &pair.client, &pair.server);
		assert_memory_equal(pair.client.plain, "221 bye\r\n", 9);

		pair_connect(&pair, client, server, "mx.postern.test");
		pair_run(&pair);
		assert_true(pair_write(&pair, &pair.client, BYTES("DATA\r\n")));
		pair.server.ended = true;
		pair_run_side(&pair, &pair.server, &pair.client);
		assert_int_equal(pair.server.last.kind, TLS_TRUNCATED);
		end(client, server);
	}
	assert_int_equal(pair.counters.closed, 2);
	assert_int_equal(pair.counters.truncated, 2);
}

/* ---- resumption ---- */

static const struct tls_ticket_key key_a = {"key-a..", {1, 2, 3}}, key_b = {"key-b..", {4, 5, 6}};

/* The session of a full handshake under `keys`. */
static size_t make_session(const struct tls_ticket_key *keys, uint32_t count, uint8_t *out,
                           size_t max)
{
	server_options.ticket_keys = keys;
	server_options.ticket_key_count = count;
	struct tls_config *client = pair_config(&client_options);
	struct tls_config *server = pair_config(&server_options);
	pair_connect(&pair, client, server, "mx.postern.test");
	pair_run(&pair);
	assert_true(pair.client.handshake);
	size_t len = tls_session_save(pair.client.tls, out, max);
	end(client, server);
	return len;
}

/* Is that session resumed by another server with these keys, `later_s` seconds later? */
static bool resumes(const struct tls_ticket_key *keys, uint32_t count, struct bytes session,
                    uint64_t later_s)
{
	struct tls_info info;

	tls_engine_set_time(pair.engine, PAIR_NOW_MS + later_s * 1000);
	server_options.ticket_keys = keys;
	server_options.ticket_key_count = count;
	struct tls_config *client = pair_config(&client_options);
	struct tls_config *server = pair_config(&server_options);
	pair_connect(&pair, client, server, "mx.postern.test");
	assert_int_equal(tls_session_resume(pair.client.tls, session), OK);
	pair_run(&pair);
	assert_true(pair.client.handshake && pair.server.handshake);
	assert_true(pair_write(&pair, &pair.client, BYTES("NOOP\r\n")));
	assert_memory_equal(pair.server.plain, "NOOP\r\n", 6);
	tls_describe(pair.server.tls, &info);
	bool resumed = info.resumed;
	tls_describe(pair.client.tls, &info);
	assert_int_equal(info.resumed, resumed);
	/* A resumed TLS 1.3 session does not show the certificate again. */
	bool shown = !resumed || client_options.version_max == TLS_1_2;
	assert_int_equal(info.peer_verified, shown);
	end(client, server);
	tls_engine_set_time(pair.engine, PAIR_NOW_MS);
	return resumed;
}

static void test_tickets(void **state)
{
	uint8_t octets[4096];
	struct tls_ticket_key rotated[2] = {key_b, key_a};
	(void)state;

	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		client_options.version_min = client_options.version_max = (enum tls_version)version;
		size_t len = make_session(&key_a, 1, octets, sizeof(octets));
		assert_true(len > 0);
		struct bytes session = bytes_of(octets, len);
		assert_true(resumes(&key_a, 1, session, 60));
		assert_true(resumes(rotated, 2, session, 60));
		assert_false(resumes(&key_b, 1, session, 60));
		assert_false(resumes(NULL, 0, session, 60));
		assert_false(resumes(&key_a, 1, session, server_options.ticket_lifetime_s + 60));
		assert_int_equal(make_session(NULL, 0, octets, sizeof(octets)), 0);
	}
	assert_true(pair.counters.tickets_refused >= 2);
	assert_int_equal(pair.counters.resumed, 2 * 4);
}

/* A resumed session shows no certificate: a ticket that was given without one, or by other
 * authorities, must not stand for it where one is required. */
static void test_tickets_and_client_certificates(void **state)
{
	static const struct tls_identity identity = {
	    {(const uint8_t *)CLIENT_ECDSA_PEM, sizeof(CLIENT_ECDSA_PEM) - 1},
	    {(const uint8_t *)CLIENT_ECDSA_KEY_PEM, sizeof(CLIENT_ECDSA_KEY_PEM) - 1}};
	uint8_t octets[4096];
	(void)state;

	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		for (int first = TLS_VERIFY_NONE; first <= TLS_VERIFY_REQUIRED; first++) {
			client_options.version_min = client_options.version_max = (enum tls_version)
			    version;
			client_options.identities = &identity;
			client_options.identity_count = first == TLS_VERIFY_REQUIRED;
			server_options.ca_pem = BYTES(TEST_ROOT_PEM);
			server_options.verify = (enum tls_verify)first;
			size_t len = make_session(&key_a, 1, octets, sizeof(octets));
			assert_true(len > 0);
			server_options.verify = TLS_VERIFY_REQUIRED;
			client_options.identity_count = 0;
			if (first == TLS_VERIFY_REQUIRED) {
				assert_true(resumes(&key_a, 1, bytes_of(octets, len), 60));
				continue;
			}
			struct tls_config *client = pair_config(&client_options);
			struct tls_config *server = pair_config(&server_options);
			pair_connect(&pair, client, server, "mx.postern.test");
			assert_int_equal(tls_session_resume(pair.client.tls, bytes_of(octets, len)),
			                 OK);
			pair_run(&pair);
			assert_false(pair.server.handshake);
			assert_int_equal(pair.server.last.reason, TLS_REASON_NO_CERTIFICATE);
			end(client, server);
		}
	}
}

/* A session of TLS 1.2 whose suite would not be chosen any more, although the client still offers
 * it: a full handshake with the new one, as the old one's keys are for the old suite. */
static void test_ticket_of_another_suite(void **state)
{
	uint8_t octets[4096];
	(void)state;

	client_options.version_min = client_options.version_max = TLS_1_2;
	client_options.suites = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
	size_t len = make_session(&key_a, 1, octets, sizeof(octets));
	assert_true(len > 0);
	assert_true(resumes(&key_a, 1, bytes_of(octets, len), 60));
	client_options.suites = NULL;
	assert_false(resumes(&key_a, 1, bytes_of(octets, len), 60));
	assert_int_equal(pair.counters.tickets_other_suite, 1);
	/* The ticket of that handshake is as good as any. */
	len = make_session(&key_a, 1, octets, sizeof(octets));
	assert_true(resumes(&key_a, 1, bytes_of(octets, len), 60));
}

/* ---- what peers get wrong ---- */

static struct {
	size_t at, seen; /* spoil the octet at this place of what goes to the server */
	bool to_client;
} damage;

static void spoil_one(struct pair *spoiled, struct pair_side *to, struct bytes octets)
{
	if ((to == &spoiled->client) != damage.to_client)
		return;
	if (damage.at >= damage.seen && damage.at < damage.seen + octets.len)
		to->wire[to->wire_len - octets.len + damage.at - damage.seen] ^= 0x21;
	damage.seen += octets.len;
}

/* Any octet of a handshake or of what follows may be changed on its way: the outcome is a failure
 * or the same plaintext (a changed ClientHello may still be a good one until Finished), never
 * another plaintext, and all memory comes back. */
static void test_damage(void **state)
{
	(void)state;
	client_options.verify = TLS_VERIFY_NONE;
	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		client_options.version_min = client_options.version_max = (enum tls_version)version;
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *server = pair_config(&server_options);
		size_t baseline, high;
		uint32_t failed = 0, tried = 0;
		for (size_t at = 0; at < 1400; at += at < 20 ? 1 : 13) {
			for (int side = 0; side < 2; side++) {
				baseline = tls_engine_used(pair.engine, &high);
				damage.at = at;
				damage.seen = 0;
				damage.to_client = side == 1;
				pair.spoil = spoil_one;
				pair_connect(&pair, client, server, "mx.postern.test");
				pair_run(&pair);
				if (pair.client.handshake && pair.server.handshake) {
					(void)pair_write(&pair, &pair.client,
					                 BYTES("MAIL FROM:<a@b>\r\n"));
					(void)pair_write(&pair, &pair.server,
					                 BYTES("250 2.1.0 ok\r\n"));
				}
				tried++;
				failed += pair.client.final || pair.server.final;
				assert_true(pair.server.plain_len == 0 ||
				            memcmp(pair.server.plain, "MAIL FROM:<a@b>\r\n",
				                   pair.server.plain_len) == 0);
				assert_true(pair.client.plain_len == 0 ||
				            memcmp(pair.client.plain, "250 2.1.0 ok\r\n",
				                   pair.client.plain_len) == 0);
				pair_disconnect(&pair);
				assert_int_equal(tls_engine_used(pair.engine, &high), baseline);
			}
		}
		pair.spoil = NULL;
		assert_true(failed > tried / 3);
		end(client, server);
	}
}

/* A server's answer to octets that come first. */
static struct tls_event answer_to(struct bytes octets, struct tls_config *server, bool ended,
                                  size_t *out_alert_len)
{
	struct tls_event event;
	struct tls *tls = tls_open(pair.engine, server, (struct bytes){0});

	assert_non_null(tls);
	do {
		tls_feed(tls, octets, ended);
		tls_next(tls, &event);
		octets = bytes_slice(octets, event.taken_bytes, octets.len);
	} while (event.kind == TLS_STEP);
	*out_alert_len = tls_output(tls, 0).len;
	tls_free(tls);
	return event;
}

static void test_garbage(void **state)
{
	static const uint8_t ssl_2[64] = {0x80, 0x3e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10};
	static const uint8_t huge[] = {22, 3, 1, 0xff, 0xff, 1};
	static const uint8_t tls_1_1[] = {22, 3,        1, 0, 47,   1,    0, 0, 43, 3,
	                                  2,  [43] = 0, 0, 2, 0xc0, 0x13, 1, 0, 0,  0};
	struct tls_config *server = pair_config(&server_options);
	struct tls_event event;
	size_t len;
	(void)state;

	event = answer_to(BYTES("EHLO client.example\r\n"), server, false, &len);
	assert_int_equal(event.reason, TLS_REASON_NOT_TLS);
	event = answer_to(bytes_of(ssl_2, sizeof(ssl_2)), server, false, &len);
	assert_int_equal(event.reason, TLS_REASON_NOT_TLS);
	event = answer_to(bytes_of(huge, sizeof(huge)), server, false, &len);
	assert_int_equal(event.reason, TLS_REASON_NOT_TLS);
	event = answer_to(bytes_of(tls_1_1, sizeof(tls_1_1)), server, false, &len);
	assert_int_equal(event.kind, TLS_FAILED);
	assert_int_equal(event.reason, TLS_REASON_VERSION);
	assert_int_equal(len, 7); /* an alert */
	event = answer_to((struct bytes){0}, server, true, &len);
	assert_int_equal(event.kind, TLS_TRUNCATED);
	event = answer_to(bytes_of(huge, 3), server, false, &len);
	assert_int_equal(event.kind, TLS_MORE);
	assert_int_equal(event.taken_bytes, 3);
	assert_int_equal(pair.counters.failed_not_tls, 3);
	assert_int_equal(pair.counters.failed_version, 1);
	tls_config_free(server);
}

static void test_nothing_in_common(void **state)
{
	static const struct {
		enum tls_version client_max, server_min;
		const char *client_suites, *server_suites, *client_groups, *server_groups;
		enum tls_reason reason;
	} rows[] = {
	    {TLS_1_2, TLS_1_3, NULL, NULL, NULL, NULL, TLS_REASON_VERSION},
	    {TLS_1_3, TLS_1_3, "TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", NULL, NULL,
	     TLS_REASON_SUITE},
	    {TLS_1_3, TLS_1_3, NULL, NULL, "x25519", "secp384r1", TLS_REASON_SUITE},
	    {TLS_1_2, TLS_1_2, NULL, NULL, "x25519:secp256r1", "secp384r1", TLS_REASON_SUITE},
	    /* Long steps are for those who ask for them. */
	    {TLS_1_3, TLS_1_3, NULL, NULL, "secp384r1:secp521r1", NULL, TLS_REASON_SUITE},
	    {TLS_1_2, TLS_1_2, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	     "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", NULL, NULL, TLS_REASON_SUITE},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		client_options.version_max = rows[i].client_max;
		server_options.version_min = rows[i].server_min;
		client_options.suites = rows[i].client_suites;
		server_options.suites = rows[i].server_suites;
		client_options.groups = rows[i].client_groups;
		server_options.groups = rows[i].server_groups;
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *server = pair_config(&server_options);
		pair_connect(&pair, client, server, "mx.postern.test");
		pair_run(&pair);
		assert_int_equal(pair.server.last.kind, TLS_FAILED);
		assert_int_equal(pair.server.last.reason, rows[i].reason);
		assert_int_equal(pair.client.last.reason, TLS_REASON_ALERT);
		assert_int_equal(pair.client.last.alert, i == 0 ? 70 : 40); /* RFC 8446 6.2 */
		end(client, server);
	}
}

static void test_second_hello(void **state)
{
	struct tls_info info;
	(void)state;

	client_options.groups = "x25519:secp384r1";
	server_options.groups = "secp384r1";
	struct tls_config *client = pair_config(&client_options);
	struct tls_config *server = pair_config(&server_options);
	pair_connect(&pair, client, server, "mx.postern.test");
	pair_run(&pair);
	assert_true(pair.server.handshake);
	tls_describe(pair.server.tls, &info);
	assert_string_equal(info.group, "secp384r1");
	assert_int_equal(pair.counters.retried, 1);
	end(client, server);
}

/* ---- configurations ---- */

static void refused(enum err expected, const char *reason_part)
{
	struct tls_config *config = NULL;
	char reason[256];

	assert_int_equal(
	    tls_config_new(&server_options, PAIR_NOW_MS, reason, sizeof(reason), &config),
	    expected);
	assert_null(config);
	assert_non_null(strstr(reason, reason_part));
}

static void test_bad_configurations(void **state)
{
	struct tls_identity bad = server_options.identities[0];
	struct tls_config_options good = server_options;
	char reason[256];
	(void)state;

	server_options.identities = &bad;
	server_options.identity_count = 1;
	bad.key_pem = server_options.identities[0].chain_pem;
	refused(ERR_SYNTAX, "key 1");
	bad.key_pem = BYTES(OTHER_ECDSA_KEY_PEM);
	refused(ERR_SYNTAX, "not the certificate's");
	bad = good.identities[0];
	bad.chain_pem.len /= 2;
	refused(ERR_SYNTAX, "certificate 1");
	static char chain[11 * sizeof(MX_RSA_PEM)];
	for (int i = 0; i < 11; i++)
		strcat(chain, MX_RSA_PEM);
	bad.chain_pem = bytes_text(chain);
	bad.key_pem = BYTES(MX_RSA_KEY_PEM);
	refused(ERR_RANGE, "octets");
	server_options = good;
	server_options.suites = "TLS_AES_128_GCM_SHA256:TLS_RSA_WITH_RC4_128_MD5";
	refused(ERR_UNKNOWN, "RC4");
	server_options = good;
	server_options.groups = "x25519:none";
	refused(ERR_UNKNOWN, "none");
	server_options = good;
	server_options.identity_count = 0;
	refused(ERR_RANGE, "needs a certificate");
	server_options = good;
	server_options.verify = TLS_VERIFY_REQUIRED;
	refused(ERR_RANGE, "root");
	server_options = good;

	struct tls_config *config = NULL;
	assert_int_equal(
	    tls_config_new(&good, UINT64_C(900000000000), reason, sizeof(reason), &config), OK);
	assert_non_null(strstr(reason, "not valid yet"));
	tls_config_free(config);
}

/* ---- memory ---- */

static void test_memory_of_idle_connections(void **state)
{
	(void)state;

	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		size_t high, before, after;
		client_options.version_min = client_options.version_max = (enum tls_version)version;
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *server = pair_config(&server_options);
		pair_connect(&pair, client, server, "mx.postern.test");
		pair_run(&pair);
		assert_true(pair_write(&pair, &pair.client, BYTES("NOOP\r\n")));
		before = tls_engine_used(pair.engine, &high);
		tls_free(pair.server.tls);
		pair.server.tls = NULL;
		after = tls_engine_used(pair.engine, &high);
		print_message("# TLS 1.%d: an idle server's connection takes %zu octets\n",
		              version == TLS_1_2 ? 2 : 3, before - after);
		assert_true(before - after <= TLS_CONNECTION_BYTES);
		end(client, server);
	}
}

static void test_all_in_use(void **state)
{
	struct tls *connections[8];
	struct tls_config *server = pair_config(&server_options);
	(void)state;

	for (int i = 0; i < 8; i++) {
		connections[i] = tls_open(pair.engine, server, (struct bytes){0});
		assert_non_null(connections[i]);
	}
	assert_null(tls_open(pair.engine, server, (struct bytes){0}));
	assert_int_equal(pair.counters.refused_full, 1);
	assert_int_equal(tls_config_users(server), 8);
	for (int i = 0; i < 8; i++)
		tls_free(connections[i]);
	assert_int_equal(tls_engine_connections(pair.engine), 0);
	tls_config_free(server);
}

/* Each request for memory of a handshake fails in turn: a failure with a reason or a handshake, and
 * nothing stays behind; but for one key of 16 octets that the library forgets in a few places,
 * until its engine is freed. */
static void test_memory_runs_out(void **state)
{
	(void)state;

	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		bool done = false;
		uint32_t forgotten = 0;
		client_options.version_min = client_options.version_max = (enum tls_version)version;
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *server = pair_config(&server_options);
		for (uint64_t after = 0; !done && after < 20000; after += after < 300 ? 1 : 37) {
			size_t high, baseline = tls_engine_used(pair.engine, &high);
			pair_disconnect(&pair);
			tls_engine_fail_after(pair.engine, after);
			pair.client.tls = tls_open(pair.engine, client, BYTES("mx.postern.test"));
			pair.server.tls = tls_open(pair.engine, server, (struct bytes){0});
			if (pair.client.tls != NULL && pair.server.tls != NULL) {
				pair_run(&pair);
				done = pair.client.handshake && pair.server.handshake &&
				       !pair.client.final && !pair.server.final;
				assert_true(done || pair.client.final || pair.server.final);
			}
			tls_engine_fail_after(pair.engine, UINT64_MAX);
			pair_disconnect(&pair);
			size_t lost = tls_engine_used(pair.engine, &high) - baseline;
			assert_true(lost == 0 || lost == 16);
			forgotten += lost > 0;
		}
		assert_true(done);
		assert_true(forgotten <= 8);
		assert_true(pair.counters.failed_memory > 10);
		end(client, server);
	}
	assert_true(pair.counters.refused_memory > 0);
}

/* ---- key log ---- */

static char log_text[8][256];
static int log_lines;

static void note_line(void *context, struct bytes line)
{
	assert_ptr_equal(context, log_text);
	assert_true(log_lines < 8 && line.len < sizeof(log_text[0]));
	memcpy(log_text[log_lines], line.data, line.len);
	log_text[log_lines++][line.len] = '\0';
}

static void test_key_log(void **state)
{
	(void)state;

	server_options.key_log = note_line;
	server_options.key_log_context = log_text;
	for (int version = TLS_1_2; version <= TLS_1_3; version++) {
		log_lines = 0;
		client_options.version_min = client_options.version_max = (enum tls_version)version;
		struct tls_config *client = pair_config(&client_options);
		struct tls_config *server = pair_config(&server_options);
		pair_connect(&pair, client, server, "mx.postern.test");
		pair_run(&pair);
		assert_int_equal(log_lines, version == TLS_1_2 ? 1 : 4);
		if (version == TLS_1_2) {
			assert_memory_equal(log_text[0], "CLIENT_RANDOM ", 14);
			assert_int_equal(strlen(log_text[0]), 14 + 64 + 1 + 96);
		}
		end(client, server);
	}
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_all_versions_and_keys, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_any_split, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_server_name_chooses, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_required_name, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_client_certificates, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_close_and_truncation, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_tickets, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_tickets_and_client_certificates, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_ticket_of_another_suite, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_garbage, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_nothing_in_common, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_second_hello, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_bad_configurations, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_memory_of_idle_connections, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_all_in_use, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_memory_runs_out, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_key_log, set_up, tear_down),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
