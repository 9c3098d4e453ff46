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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_all_versions_and_keys, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_any_split, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_server_name_chooses, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_required_name, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_client_certificates, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_close_and_truncation, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_tickets, set_up, tear_down),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
