/* network_fixture.h - rules judged with a network of which the test says what it knows. */
#ifndef TESTS_UNIT_CLASSIFIER_NETWORK_FIXTURE_H
#define TESTS_UNIT_CLASSIFIER_NETWORK_FIXTURE_H

#include "checks_fixture.h"

#define KNOWN_MAX 16
#define ASKED_MAX 128

struct known {
	enum question_kind kind;
	const char *name;
	struct answer answer;
};

struct network {
	struct known known[KNOWN_MAX];
	uint32_t known_count;
	char asked[ASKED_MAX][QUESTION_NAME_BYTES + 16];
	uint32_t asked_count;
};

static struct network net;

static inline const struct answer *find(void *context, enum question_kind kind, struct bytes name)
{
	struct network *network = context;

	for (uint32_t i = 0; i < network->known_count; i++)
		if (network->known[i].kind == kind &&
		    bytes_equal(name, bytes_text(network->known[i].name)))
			return &network->known[i].answer;
	return NULL;
}

static inline void know(enum question_kind kind, const char *name, enum answer_result result,
                        const char *value)
{
	struct known *known = &net.known[net.known_count++];
	struct addr addr;

	assert_true(net.known_count <= KNOWN_MAX);
	*known = (struct known){.kind = kind, .name = name};
	known->answer.result = (uint16_t)result;
	if (value == NULL)
		return;
	if (kind == QUESTION_TEXT) {
		known->answer.text_len = (uint16_t)(strlen(value) + 1);
		memcpy(known->answer.text, value, known->answer.text_len);
		return;
	}
	assert_int_equal(addr_parse(bytes_text(value), &addr), OK);
	known->answer.address[known->answer.address_count++] = addr_ip4(&addr);
}

static inline void see(void *context, enum question_kind kind, struct bytes name)
{
	struct network *network = context;
	char text[QUESTION_NAME_BYTES + 16];

	snprintf(text, sizeof(text), "%s %.*s", question_kind_text(kind), (int)name.len, name.data);
	for (uint32_t i = 0; i < network->asked_count; i++)
		if (strcmp(network->asked[i], text) == 0)
			return;
	assert_true(network->asked_count < ASKED_MAX);
	snprintf(network->asked[network->asked_count++], sizeof(network->asked[0]), "%s", text);
}

static inline void add_relay(const char *ip, bool trusted, bool internal)
{
	(void)add_hop(ip, trusted, internal);
}

static inline void open_rules(const char *rules)
{
	memset(&net, 0, sizeof(net));
	open_checks(rules, &net, find);
}

static inline void ask(void)
{
	net.asked_count = 0;
	classifier_questions(f->context, &f->texts, see, &net);
}

static inline void expect(const char *const *wanted, uint32_t count)
{
	ask();
	for (uint32_t i = 0; i < count && i < net.asked_count; i++)
		assert_string_equal(net.asked[i], wanted[i]);
	assert_int_equal(net.asked_count, count);
}

#define EXPECT(...) \
	expect((const char *const[]){__VA_ARGS__}, \
	       sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static inline void value_is(const char *rule, double value)
{
	fixture_judge(f);
	assert_true(fixture_value(f, rule) == value);
}

static inline void three_relays(void)
{
	add_relay("192.168.1.1", true, true);
	add_relay("203.0.113.1", true, false);
	add_relay("203.0.113.2", false, false);
	add_relay("10.0.0.1", false, false);
	add_relay("203.0.113.3", false, false);
	add_relay("203.0.113.2", false, false);
}

#endif
