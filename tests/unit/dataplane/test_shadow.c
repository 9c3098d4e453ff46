/* test_shadow.c - which messages are judged again by rules that are tried, on fakes of all that
 * judging them takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config.h"
#include "dataplane/gateway_internal.h"

#define WAITING_MAX 32

static struct gateway *gateway;
static struct gateway_counters counters;
static struct config config;
static struct session *session;
static struct mail *waiting;
static struct rules_view view;

void __wrap_tcp_endpoints(const struct tcp_conn *conn, struct endpoint *out_local,
                          struct endpoint *out_remote);
void __wrap_tcp_endpoints(const struct tcp_conn *conn, struct endpoint *out_local,
                          struct endpoint *out_remote)
{
	(void)conn;
	memset(out_local, 0, sizeof(*out_local));
	memset(out_remote, 0, sizeof(*out_remote));
}

uint32_t __wrap_mail_policy(const struct mail *mail, const struct ruleset *ruleset);
uint32_t __wrap_mail_policy(const struct mail *mail, const struct ruleset *ruleset)
{
	(void)mail;
	assert_ptr_equal(ruleset, view.shadow);
	return 0;
}

void __wrap_ruleset_policy_limits(const struct ruleset *ruleset, uint32_t policy,
                                  int32_t *in_out_tag, int32_t *in_out_reject);
void __wrap_ruleset_policy_limits(const struct ruleset *ruleset, uint32_t policy,
                                  int32_t *in_out_tag, int32_t *in_out_reject)
{
	(void)ruleset;
	(void)policy;
	(void)in_out_tag;
	(void)in_out_reject;
}

static int set_up(void **state)
{
	(void)state;
	gateway = calloc(1, sizeof(*gateway));
	session = calloc(1, sizeof(*session));
	waiting = calloc(WAITING_MAX + 2, sizeof(*waiting));
	memset(&counters, 0, sizeof(counters));
	memset(&config, 0, sizeof(config));
	memset(&view, 0, sizeof(view));
	view.shadow = (struct ruleset *)(void *)&view;
	gateway->counters = &counters;
	gateway->config = &config;
	return gateway == NULL || session == NULL || waiting == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	free(waiting);
	free(session);
	free(gateway);
	return 0;
}

/* Whether a mail with this id is judged again. */
static bool is_tried(uint64_t id)
{
	struct mail *mail = calloc(1, sizeof(*mail));

	assert_non_null(mail);
	mail->id = id;
	mail->session = session;
	mail->rules = &view;
	mail->judged = true;
	shadow_begin(gateway, mail);
	bool tried = shadow_is_busy(gateway);
	gateway->shadow.view = NULL;
	free(mail);
	return tried;
}

static void a_share_of_the_messages_is_tried(void **state)
{
	static const uint8_t shares[] = {0, 1, 37, 99, 100};

	(void)state;
	for (size_t i = 0; i < sizeof(shares); i++) {
		uint32_t tried = 0;

		config.shadow_percent = shares[i];
		for (uint64_t id = 5000; id < 6000; id++)
			tried += is_tried(id);
		assert_int_equal(tried, 10u * shares[i]);
	}
	assert_int_equal(atomic_load(&view.pin_count), 10 * (1 + 37 + 99 + 100));
	assert_int_equal(counters.shadow_skipped, 0);
}

static void nothing_is_tried_while_many_wait(void **state)
{
	(void)state;
	config.shadow_percent = 100;
	for (uint32_t i = 0; i < WAITING_MAX; i++)
		waiting[i].queue_next = i + 1 < WAITING_MAX ? &waiting[i + 1] : NULL;
	gateway->judge_head = &waiting[0];
	assert_true(is_tried(1));
	assert_int_equal(counters.shadow_skipped, 0);
	waiting[WAITING_MAX - 1].queue_next = &waiting[WAITING_MAX];
	assert_false(is_tried(1));
	assert_int_equal(counters.shadow_skipped, 1);
	/* Who would not have been chosen is not counted. */
	config.shadow_percent = 1;
	assert_false(is_tried(1));
	assert_int_equal(counters.shadow_skipped, 1);
	waiting[WAITING_MAX - 1].queue_next = NULL;
	assert_true(is_tried(100));
}

static void without_rules_to_try_nothing_is(void **state)
{
	(void)state;
	config.shadow_percent = 100;
	view.shadow = NULL;
	assert_false(is_tried(1));
	assert_int_equal(atomic_load(&view.pin_count), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_share_of_the_messages_is_tried, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(nothing_is_tried_while_many_wait, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(without_rules_to_try_nothing_is, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
