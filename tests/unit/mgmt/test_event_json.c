/* test_event_json.c - an event record becomes the object that was promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/event_json.h"
#include "mgmt/json_text.h"

static struct store store;
static struct rule_names names;

static int set_up(void **state)
{
	char reason[STORE_REASON_BYTES];
	json_t *rules = json_loads("[[\"ONE\",1500,\"Says one\"],[\"TWO\",-200,\"Says two\"]]", 0,
	                           NULL);

	(void)state;
	assert_int_equal(store_open(&store, "", reason), OK);
	rule_names_open(&names, &store);
	assert_int_equal(rule_names_put(&names, 7, rules), OK);
	json_decref(rules);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rule_names_close(&names);
	store_close(&store);
	return 0;
}

static struct event make_event(void)
{
	struct event event = {.kind = EVENT_VERDICT,
	                      .stage = STAGE_END,
	                      .verdict = VERDICT_REJECT,
	                      .rcpt_count = 3,
	                      .rule_count = 2,
	                      .reply_code = 554,
	                      .id = 1,
	                      .wall_us = 1700000000000000,
	                      .bytes = 99,
	                      .rules_generation = 7,
	                      .score_milli = 1300,
	                      .required_milli = 1000,
	                      .helo = "h.example",
	                      .from = "f@example",
	                      .rcpt = "a@example b@example",
	                      .reply = "554 no"};

	event.client.addr = addr_from_ip4(0xc0000201);
	event.client.port = 4711;
	event.rules[0] = (struct event_rule){0, 1, 1500};
	event.rules[1] = (struct event_rule){1, 3, -200};
	event.timing.dot = 12;
	return event;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void has_every_field(void **state)
{
	static const char *const keys[] = {
	    "id",      "time",  "mode",  "client",  "server",      "helo",
	    "tls",     "from",  "rcpt",  "bytes",   "stage",       "reply",
	    "verdict", "score", "rules", "backend", "timing_usec", "generation"};
	struct event event = make_event();
	json_t *object = event_json(&event, &names);

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_non_null(json_object_get(object, keys[i]));
	assert_string_equal(text_of(object, "verdict"), "reject");
	assert_string_equal(text_of(object, "stage"), "end");
	assert_string_equal(text_of(object, "mode"), "gateway");
	assert_string_equal(text_of(json_object_get(object, "client"), "ip"), "192.0.2.1");
	assert_int_equal(json_array_size(json_object_get(object, "rcpt")), 2);
	assert_int_equal(json_integer_value(json_object_get(object, "rcpt_count")), 3);
	assert_memory_equal(text_of(object, "time"), "2023-11-14T22:13:20", 19);
	assert_int_equal(strlen(text_of(object, "id")), EVENT_ID_TEXT_BYTES - 1);
	json_decref(object);
}

static void names_its_rules(void **state)
{
	struct event event = make_event();
	json_t *object = event_json(&event, &names);
	json_t *rules = json_object_get(object, "rules");
	json_t *rule = json_array_get(rules, 1);

	(void)state;
	assert_string_equal(text_of(json_array_get(rules, 0), "name"), "ONE");
	assert_string_equal(text_of(rule, "name"), "TWO");
	assert_int_equal(json_integer_value(json_object_get(rule, "count")), 3);
	assert_null(json_object_get(rule, "description"));
	event_json_describe(object, &names);
	assert_string_equal(text_of(rule, "description"), "Says two");
	json_decref(object);
}

static void tells_what_a_shadow_would_do(void **state)
{
	json_t *tried = json_loads("[[\"NEW\",4000,\"\"],[\"TWO\",700,\"Says two\"]]", 0, NULL);
	struct event event = make_event();
	json_t *object = event_json(&event, &names);
	const json_t *shadow, *rule;

	(void)state;
	assert_null(json_object_get(object, "shadow"));
	json_decref(object);
	assert_int_equal(rule_names_put(&names, 8, tried), OK);
	json_decref(tried);
	event.shadow = (struct event_shadow){
	    .generation = 8,
	    .score_milli = 4700,
	    .verdict = VERDICT_TAG,
	    .live_verdict = VERDICT_ACCEPT,
	    .rule_count = 3,
	    .rules_left_out = 5,
	    .rules = {{0, SHADOW_RULE_ADDED, 0, 4000},
	              {0, SHADOW_RULE_GONE, 1500, 0},
	              {1, SHADOW_RULE_RESCORED, -200, 700}},
	};
	object = event_json(&event, &names);
	shadow = json_object_get(object, "shadow");
	assert_int_equal(json_integer_value(json_object_get(shadow, "generation")), 8);
	assert_string_equal(text_of(shadow, "verdict"), "tag");
	assert_string_equal(text_of(shadow, "verdict_live"), "accept");
	assert_string_equal(text_of(object, "verdict"), "reject"); /* as it was answered */
	assert_int_equal(json_integer_value(json_object_get(shadow, "rules_left_out")), 5);
	assert_null(json_object_get(shadow, "incomplete"));
	rule = json_array_get(json_object_get(shadow, "rules_added"), 0);
	assert_string_equal(text_of(rule, "name"), "NEW");
	assert_float_equal(json_number_value(json_object_get(rule, "score")), 4.0, 1e-9);
	rule = json_array_get(json_object_get(shadow, "rules_gone"), 0);
	assert_string_equal(text_of(rule, "name"), "ONE");
	assert_float_equal(json_number_value(json_object_get(rule, "score")), 1.5, 1e-9);
	rule = json_array_get(json_object_get(shadow, "rules_rescored"), 0);
	assert_string_equal(text_of(rule, "name"), "TWO");
	assert_float_equal(json_number_value(json_object_get(rule, "score")), 0.7, 1e-9);
	assert_float_equal(json_number_value(json_object_get(rule, "score_live")), -0.2, 1e-9);
	json_decref(object);
}

static void survives_any_record(void **state)
{
	struct event event;
	json_t *object;
	char *line;

	(void)state;
	memset(&event, 0xff, sizeof(event));
	object = event_json(&event, &names);
	assert_int_equal(json_array_size(json_object_get(object, "rules")), EVENT_RULES_MAX);
	assert_string_equal(text_of(json_array_get(json_object_get(object, "rules"), 0), "name"),
	                    "RULE_65535");
	assert_string_equal(text_of(json_object_get(object, "shadow"), "verdict"), "defer");
	assert_int_equal(
	    json_array_size(json_object_get(json_object_get(object, "shadow"), "rules_added")), 0);
	line = json_line(object);
	assert_non_null(line);
	free(line);
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_every_field),
	    cmocka_unit_test(names_its_rules),
	    cmocka_unit_test(tells_what_a_shadow_would_do),
	    cmocka_unit_test(survives_any_record),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
