/* test_tls_setup.c - set-ups come from files, change between turns, and end when nobody uses them.
 *
 * The library is a fake one: what is under test is who gets which set-up when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/tls_setup.h"

#define NOW_MS UINT64_C(1800000000000)

struct tls_config {
	uint32_t users;
	uint32_t key_count;
	struct tls_ticket_key key;
	char first_chain[16];
	uint32_t identity_count;
	enum tls_verify verify;
};

static uint32_t configs_alive;
static bool config_fails;

enum err __wrap_tls_config_new(const struct tls_config_options *options, uint64_t unix_ms,
                               char *reason, size_t reason_bytes, struct tls_config **out_config);
uint32_t __wrap_tls_config_users(const struct tls_config *config);
void __wrap_tls_config_free(struct tls_config *config);

enum err __wrap_tls_config_new(const struct tls_config_options *options, uint64_t unix_ms,
                               char *reason, size_t reason_bytes, struct tls_config **out_config)
{
	struct tls_config *config;

	(void)unix_ms;
	if (config_fails) {
		snprintf(reason, reason_bytes, "no good");
		return ERR_SYNTAX;
	}
	config = calloc(1, sizeof(*config));
	assert_non_null(config);
	config->key_count = options->ticket_key_count;
	if (options->ticket_key_count > 0)
		config->key = options->ticket_keys[0];
	config->identity_count = options->identity_count;
	if (options->identity_count > 0)
		snprintf(config->first_chain, sizeof(config->first_chain), "%.*s",
		         (int)options->identities[0].chain_pem.len,
		         (const char *)options->identities[0].chain_pem.data);
	config->verify = options->verify;
	configs_alive++;
	*out_config = config;
	return OK;
}

uint32_t __wrap_tls_config_users(const struct tls_config *config)
{
	return config->users;
}

void __wrap_tls_config_free(struct tls_config *config)
{
	if (config == NULL)
		return;
	assert_int_equal(config->users, 0);
	configs_alive--;
	free(config);
}

static char folder[] = "/tmp/postern-tls-XXXXXX";
static struct config config;
static char reason[256];

static void write_file(const char *name, const char *text)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void add_certificate(const char *name)
{
	struct config_certificate *its = &config.certificate[config.certificate_count++];

	snprintf(its->name, sizeof(its->name), "%s", name);
	snprintf(its->chain, sizeof(its->chain), "%s/%s.pem", folder, name);
	snprintf(its->key, sizeof(its->key), "%s/%s.key", folder, name);
}

static int set_up(void **state)
{
	(void)state;
	config_defaults(&config);
	config.listener_count = 2;
	snprintf(config.listener[0].name, sizeof(config.listener[0].name), "smtp");
	snprintf(config.listener[1].name, sizeof(config.listener[1].name), "second");
	snprintf(config.listener[1].certificates, sizeof(config.listener[1].certificates), "two");
	config.backend_count = 1;
	add_certificate("one");
	add_certificate("two");
	write_file("one.pem", "ONE");
	write_file("one.key", "KEY");
	write_file("two.pem", "TWO");
	write_file("two.key", "KEY");
	config_fails = false;
	configs_alive = 0;
	return 0;
}

static struct tls_slot *loaded(uint32_t workers)
{
	struct tls_slot *slot = tls_slot_new(workers);

	assert_non_null(slot);
	assert_null(tls_slot_current(slot, 0));
	assert_int_equal(tls_slot_load(slot, &config, true, NOW_MS, reason, sizeof(reason)), OK);
	return slot;
}

static void every_worker_has_its_own(void **state)
{
	struct tls_slot *slot = loaded(2);
	const struct tls_setup *first = tls_slot_current(slot, 0),
	                       *second = tls_slot_current(slot, 1);

	(void)state;
	assert_ptr_not_equal(first, second);
	assert_ptr_not_equal(first->listener[0].config, second->listener[0].config);
	assert_int_equal(first->listener[0].mode, TLS_LISTENER_STARTTLS);
	assert_int_equal(first->listener[0].config->identity_count, 2);
	assert_string_equal(first->listener[0].config->first_chain, "ONE");
	assert_int_equal(first->listener[1].config->identity_count, 1);
	assert_string_equal(first->listener[1].config->first_chain, "TWO");
	assert_int_equal(first->backend[0].mode, TLS_BACKEND_OFF);
	assert_null(first->backend[0].config);
	/* Tickets of one worker are opened by the other. */
	assert_memory_equal(&first->listener[0].config->key, &second->listener[0].config->key,
	                    sizeof(struct tls_ticket_key));
	tls_slot_free(slot);
	assert_int_equal(configs_alive, 0);
}

static void the_old_one_ends_when_nobody_uses_it(void **state)
{
	struct tls_slot *slot = loaded(1);
	const struct tls_setup *old = tls_slot_current(slot, 0);

	(void)state;
	old->listener[0].config->users = 1;
	write_file("one.pem", "NEW");
	assert_int_equal(tls_slot_load(slot, &config, true, NOW_MS, reason, sizeof(reason)), OK);
	assert_true(tls_slot_turn(slot, NOW_MS, reason, sizeof(reason)));
	assert_int_equal(configs_alive, 4); /* the worker has not looked yet */
	assert_string_equal(tls_slot_current(slot, 0)->listener[0].config->first_chain, "NEW");
	assert_true(tls_slot_turn(slot, NOW_MS, reason, sizeof(reason)));
	assert_int_equal(configs_alive, 4); /* a session is still under it */
	old->listener[0].config->users = 0;
	assert_true(tls_slot_turn(slot, NOW_MS, reason, sizeof(reason)));
	assert_int_equal(configs_alive, 2);
	tls_slot_free(slot);
	assert_int_equal(configs_alive, 0);
}

static void a_bad_one_changes_nothing(void **state)
{
	struct tls_slot *slot = loaded(1);
	const struct tls_setup *good = tls_slot_current(slot, 0);
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/two.key", folder);
	assert_int_equal(unlink(path), 0);
	assert_int_not_equal(tls_slot_load(slot, &config, true, NOW_MS, reason, sizeof(reason)),
	                     OK);
	assert_non_null(strstr(reason, "two.key"));
	assert_ptr_equal(tls_slot_current(slot, 0), good);
	write_file("two.key", "KEY");
	config_fails = true;
	assert_int_not_equal(tls_slot_load(slot, &config, true, NOW_MS, reason, sizeof(reason)),
	                     OK);
	assert_non_null(strstr(reason, "no good"));
	assert_ptr_equal(tls_slot_current(slot, 0), good);
	assert_int_equal(configs_alive, 2);
	tls_slot_free(slot);
}

/* At the start what can be had is taken, and what cannot is refused: never done in the clear. */
static void what_cannot_be_had_at_the_start_is_refused(void **state)
{
	struct tls_slot *slot = tls_slot_new(1);
	const struct tls_setup *setup;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/one.pem", folder);
	assert_int_equal(unlink(path), 0);
	snprintf(config.backend[0].tls, sizeof(config.backend[0].tls), "verify");
	snprintf(config.backend[0].tls_ca_file, sizeof(config.backend[0].tls_ca_file), "%s/none",
	         folder);
	assert_int_not_equal(tls_slot_load(slot, &config, false, NOW_MS, reason, sizeof(reason)),
	                     OK);
	assert_non_null(strstr(reason, "one.pem"));
	setup = tls_slot_current(slot, 0);
	assert_int_equal(setup->listener[0].mode, TLS_LISTENER_STARTTLS);
	assert_null(setup->listener[0].config);
	assert_non_null(setup->listener[1].config);
	assert_int_equal(setup->backend[0].mode, TLS_BACKEND_VERIFY);
	assert_null(setup->backend[0].config);
	tls_slot_free(slot);
	assert_int_equal(configs_alive, 0);
}

/* A resumed session would not show the certificate again. */
static void certificates_that_must_be_shown_take_no_tickets(void **state)
{
	struct tls_slot *slot;
	const struct tls_setup *setup;

	(void)state;
	write_file("ca.pem", "CA");
	snprintf(config.tls_client_ca_file, sizeof(config.tls_client_ca_file), "%s/ca.pem", folder);
	snprintf(config.listener[1].client_certificates,
	         sizeof(config.listener[1].client_certificates), "for_mail");
	slot = loaded(1);
	setup = tls_slot_current(slot, 0);
	assert_false(setup->listener[0].certificate_for_mail);
	assert_int_equal(setup->listener[0].config->verify, TLS_VERIFY_OPTIONAL);
	assert_int_equal(setup->listener[0].config->key_count, 1);
	assert_true(setup->listener[1].certificate_for_mail);
	assert_int_equal(setup->listener[1].config->verify, TLS_VERIFY_OPTIONAL);
	assert_int_equal(setup->listener[1].config->key_count, 0);
	tls_slot_free(slot);
	snprintf(config.listener[1].client_certificates,
	         sizeof(config.listener[1].client_certificates), "required");
	slot = loaded(1);
	setup = tls_slot_current(slot, 0);
	assert_int_equal(setup->listener[1].config->verify, TLS_VERIFY_REQUIRED);
	assert_int_equal(setup->listener[1].config->key_count, 0);
	tls_slot_free(slot);
	snprintf(config.listener[1].client_certificates,
	         sizeof(config.listener[1].client_certificates), "for_mail");
	/* Without its authorities there is no TLS, and no mail in the clear either. */
	unlink(config.tls_client_ca_file);
	slot = tls_slot_new(1);
	assert_non_null(slot);
	assert_int_equal(tls_slot_load(slot, &config, false, NOW_MS, reason, sizeof(reason)),
	                 ERR_SYNTAX);
	setup = tls_slot_current(slot, 0);
	assert_null(setup->listener[1].config);
	assert_true(setup->listener[1].certificate_for_mail);
	tls_slot_free(slot);
}

static void ticket_keys_are_rotated(void **state)
{
	struct tls_slot *slot = loaded(1);
	struct tls_ticket_key first = tls_slot_current(slot, 0)->listener[0].config->key;
	uint64_t due_ms = NOW_MS + config.tls_ticket_rotation_ms;
	const struct tls_setup *setup;

	(void)state;
	assert_true(tls_slot_turn(slot, due_ms - 1, reason, sizeof(reason)));
	assert_memory_equal(&tls_slot_current(slot, 0)->listener[0].config->key, &first,
	                    sizeof(first));
	config_fails = true;
	assert_false(tls_slot_turn(slot, due_ms, reason, sizeof(reason)));
	config_fails = false;
	assert_true(tls_slot_turn(slot, due_ms + 1, reason, sizeof(reason)));
	assert_int_equal(tls_slot_current(slot, 0)->listener[0].config->key_count, 1);
	assert_true(tls_slot_turn(slot, due_ms + 60000, reason, sizeof(reason)));
	setup = tls_slot_current(slot, 0);
	assert_int_equal(setup->listener[0].config->key_count, 2);
	assert_memory_not_equal(&setup->listener[0].config->key, &first, sizeof(first));
	tls_slot_free(slot);
	assert_int_equal(configs_alive, 0);
}

static void domains_that_want_tls(void **state)
{
	struct config_texts domains = {.count = 2, .text = {"bank.example", ".corp.example"}};

	(void)state;
	assert_true(tls_setup_requires(&domains, BYTES("bank.example")));
	assert_true(tls_setup_requires(&domains, BYTES("BANK.Example")));
	assert_false(tls_setup_requires(&domains, BYTES("a.bank.example")));
	assert_true(tls_setup_requires(&domains, BYTES("a.corp.example")));
	assert_false(tls_setup_requires(&domains, BYTES("corp.example")));
	assert_false(tls_setup_requires(&domains, BYTES("notcorp.example")));
	assert_false(tls_setup_requires(&domains, BYTES("")));
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"one.pem", "one.key", "two.pem", "two.key"};
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(every_worker_has_its_own, set_up),
	    cmocka_unit_test_setup(the_old_one_ends_when_nobody_uses_it, set_up),
	    cmocka_unit_test_setup(a_bad_one_changes_nothing, set_up),
	    cmocka_unit_test_setup(what_cannot_be_had_at_the_start_is_refused, set_up),
	    cmocka_unit_test_setup(certificates_that_must_be_shown_take_no_tickets, set_up),
	    cmocka_unit_test_setup(ticket_keys_are_rotated, set_up),
	    cmocka_unit_test_setup(domains_that_want_tls, set_up),
	};

	if (mkdtemp(folder) == NULL)
		return 1;
	return cmocka_run_group_tests_name("tls_setup", tests, NULL, remove_folder);
}
