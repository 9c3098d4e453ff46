/* command.c - one command line against the verb table. */
#include "smtp/command.h"

#include "base/check.h"
#include "base/limits.h"
#include "smtp/line.h"
#include "smtp/smtp_counters.h"

#define COUNTER_OF(field) offsetof(struct smtp_counters, field)

const struct command_info command_table[VERB_COUNT] = {
#define COMMAND(name, argument, when, does, reply, counter) \
	[VERB_##name] = {{(const uint8_t *)#name, sizeof(#name) - 1}, \
	                 ARGUMENT_##argument, \
	                 WHEN_##when, \
	                 DOES_##does, \
	                 REPLY_##reply, \
	                 COUNTER_OF(counter)},
#include "smtp/commands.def"
};

/* Each check returns true when the line passes; else it has made the plan a failure. */
static bool fail(struct command_plan *plan, enum smtp_reply reply, size_t counter)
{
	plan->does = DOES_FAIL;
	plan->reply = reply;
	plan->counter = counter;
	return false;
}

static bool fail_argument(struct command_plan *plan)
{
	return fail(plan, REPLY_BAD_ARGUMENT, COUNTER_OF(syntax_argument));
}

static bool check_octets(struct bytes line, struct command_plan *plan)
{
	struct line_defects defects = line_inspect(line);

	if (defects.nul)
		return fail(plan, REPLY_BAD_ARGUMENT, COUNTER_OF(line_nul));
	if (defects.bare_newline)
		return fail(plan, REPLY_BAD_ARGUMENT, COUNTER_OF(line_bare_newline));
	return true;
}

static bool check_verb(struct bytes line, struct command_plan *plan)
{
	struct bytes verb = bytes_slice(line, 0, bytes_find(line, ' '));
	uint32_t index = 0;

	if (verb.len == line.len)
		verb = bytes_trim(
		    verb); /* a tab behind a verb is trailing white space too (4.1.1) */
	while (index < VERB_COUNT && !bytes_equal_nocase(verb, command_table[index].verb))
		index++;
	plan->verb = (enum command_verb)index;
	if (index == VERB_COUNT)
		return fail(plan, REPLY_UNKNOWN_COMMAND, COUNTER_OF(verb_unknown));
	plan->argument = bytes_trim(bytes_slice(line, verb.len, line.len));
	plan->does = command_table[index].does;
	plan->reply = command_table[index].reply;
	return true;
}

static bool check_when(const struct command_session *session, struct command_plan *plan)
{
	bool allowed = true;

	switch (command_table[plan->verb].when) {
	case WHEN_ALWAYS:
		break;
	case WHEN_GREETED:
		allowed = session->greeted;
		break;
	case WHEN_OUTSIDE:
		allowed = !session->in_transaction;
		break;
	case WHEN_IDLE:
		allowed = session->greeted && !session->in_transaction;
		break;
	case WHEN_OPEN:
		allowed = session->in_transaction;
		break;
	}
	return allowed || fail(plan, REPLY_BAD_SEQUENCE, COUNTER_OF(sequence));
}

static bool is_one_word(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~')
			return false;
	}
	return text.len > 0 && text.len <= SMTP_DOMAIN_BYTES_MAX;
}

static bool check_size(const struct address_parameter *parameter,
                       const struct command_session *session, struct command_plan *plan)
{
	/* RFC 1870 4: one to twenty digits; what 64 bits cannot hold is too big all the same. */
	if (!parameter->has_value || parameter->value.len > 20)
		return fail(plan, REPLY_BAD_ARGUMENT, COUNTER_OF(syntax_parameter));
	for (size_t i = 0; i < parameter->value.len; i++) {
		if (parameter->value.data[i] < '0' || parameter->value.data[i] > '9')
			return fail(plan, REPLY_BAD_ARGUMENT, COUNTER_OF(syntax_parameter));
	}
	if (!bytes_to_u64(parameter->value, session->message_bytes_max, &plan->declared_bytes))
		return fail(plan, REPLY_TOO_BIG, COUNTER_OF(declared_too_big));
	return true;
}

/* RFC 6152. BINARYMIME needs CHUNKING, which is not offered (RFC 3030). */
static bool check_body(const struct address_parameter *parameter, struct command_plan *plan)
{
	plan->eightbit = bytes_equal_nocase(parameter->value, BYTES("8BITMIME"));
	if (!plan->eightbit && !bytes_equal_nocase(parameter->value, BYTES("7BIT")))
		return fail(plan, REPLY_BAD_ARGUMENT, COUNTER_OF(syntax_parameter));
	return true;
}

/* RFC 4954 5. Who says AUTH=<> says that he does not know. */
static bool check_auth_value(const struct address_parameter *parameter, struct command_plan *plan)
{
	if (!parameter->has_value || !auth_is_xtext(parameter->value))
		return fail(plan, REPLY_BAD_ARGUMENT, COUNTER_OF(syntax_parameter));
	plan->auth = parameter->value;
	return true;
}

static bool repeats(struct bytes parameters, struct bytes keyword)
{
	struct address_parameter parameter;
	uint32_t count = 0;

	while (address_parameter_next(&parameters, &parameter) == PARAMETER_FOUND)
		count += bytes_equal_nocase(parameter.keyword, keyword);
	return count > 1;
}

/* Syntax of all goes before the meaning of any, so that what is answered does not depend on their
 * order. A line of 2048 octets has few enough parameters for the square. */
static bool check_parameter_syntax(struct command_plan *plan)
{
	struct bytes rest = plan->parameters;
	struct address_parameter parameter;
	enum address_parameter_result result;

	while ((result = address_parameter_next(&rest, &parameter)) == PARAMETER_FOUND) {
		if (repeats(plan->parameters, parameter.keyword)) {
			result = PARAMETER_BAD;
			break;
		}
	}
	if (result == PARAMETER_BAD)
		return fail(plan, REPLY_BAD_ARGUMENT, COUNTER_OF(syntax_parameter));
	return true;
}

static bool check_parameters(const struct command_session *session, struct command_plan *plan)
{
	struct bytes rest = plan->parameters;
	struct address_parameter parameter;
	bool is_mail = plan->verb == VERB_MAIL && session->esmtp;

	if (!check_parameter_syntax(plan))
		return false;
	while (address_parameter_next(&rest, &parameter) == PARAMETER_FOUND) {
		bool passes;
		if (is_mail && session->size &&
		    bytes_equal_nocase(parameter.keyword, BYTES("SIZE")))
			passes = check_size(&parameter, session, plan);
		else if (is_mail && session->eightbitmime &&
		         bytes_equal_nocase(parameter.keyword, BYTES("BODY")))
			passes = check_body(&parameter, plan);
		else if (is_mail && session->auth >= SMTP_AUTH_OFFERED &&
		         bytes_equal_nocase(parameter.keyword, BYTES("AUTH")))
			passes = check_auth_value(&parameter, plan);
		else
			passes = fail(plan, REPLY_UNKNOWN_PARAMETER, COUNTER_OF(parameter_unknown));
		if (!passes)
			return false;
	}
	return true;
}

static bool fail_path(enum address_result result, struct command_plan *plan)
{
	if (result == ADDRESS_NOT_ASCII)
		return fail(plan, REPLY_NON_ASCII_ADDRESS, COUNTER_OF(address_not_ascii));
	if (plan->verb == VERB_MAIL)
		return fail(plan, REPLY_BAD_SENDER, COUNTER_OF(syntax_sender));
	return fail(plan, REPLY_BAD_RECIPIENT, COUNTER_OF(syntax_recipient));
}

/* "FROM:<path> parameters". A space behind the colon is against the grammar and common. */
static bool check_path(const struct command_session *session, struct command_plan *plan)
{
	bool is_mail = plan->verb == VERB_MAIL;
	struct bytes keyword = is_mail ? BYTES("FROM:") : BYTES("TO:");

	if (!bytes_starts_nocase(plan->argument, keyword))
		return fail_argument(plan);
	struct bytes path = bytes_slice(plan->argument, keyword.len, plan->argument.len);
	struct bytes trimmed = bytes_trim(path);
	plan->space_after_colon = trimmed.data != path.data;
	enum address_result result = is_mail ? address_parse_reverse_path(trimmed, &plan->address)
	                                     : address_parse_forward_path(trimmed, &plan->address);
	if (result != ADDRESS_OK)
		return fail_path(result, plan);
	plan->parameters = plan->address.rest;
	if (!check_parameters(session, plan))
		return false;
	plan->parameters = bytes_trim(plan->parameters);
	return true;
}

/* "MECHANISM [initial-response]"; "=" is a response without octets (RFC 4954 4). */
static bool check_auth_argument(const struct command_session *session, struct command_plan *plan)
{
	struct bytes name = bytes_slice(plan->argument, 0, bytes_find(plan->argument, ' '));
	struct bytes response = bytes_slice(plan->argument, name.len + 1, plan->argument.len);

	if (!is_one_word(name))
		return fail_argument(plan);
	if (session->auth_mechanisms == 0)
		return fail(plan, REPLY_AUTH_UNAVAILABLE, COUNTER_OF(auth_unavailable));
	if (!auth_mechanism_find(name, &plan->mechanism) ||
	    (session->auth_mechanisms & AUTH_BIT(plan->mechanism)) == 0)
		return fail(plan, REPLY_AUTH_MECHANISM, COUNTER_OF(auth_mechanism_unknown));
	if (!bytes_equal(response, BYTES("=")) && !auth_is_base64(response))
		return fail(plan, REPLY_AUTH_BAD_RESPONSE, COUNTER_OF(auth_malformed));
	plan->argument = response;
	return true;
}

static bool is_ascii(struct bytes text)
{
	return !line_inspect(text).not_ascii;
}

static bool check_argument(const struct command_session *session, struct command_plan *plan)
{
	bool valid = true;

	switch (command_table[plan->verb].argument) {
	case ARGUMENT_NONE:
		valid = plan->argument.len == 0;
		break;
	case ARGUMENT_TEXT:
		valid = is_ascii(plan->argument);
		break;
	case ARGUMENT_WORD:
		valid = is_one_word(plan->argument);
		break;
	case ARGUMENT_SOME:
		valid = plan->argument.len > 0 && is_ascii(plan->argument);
		break;
	case ARGUMENT_FROM:
	case ARGUMENT_TO:
		return check_path(session, plan);
	case ARGUMENT_AUTH:
		return check_auth_argument(session, plan);
	}
	return valid || fail_argument(plan);
}

static bool check_recipients(const struct command_session *session, struct command_plan *plan)
{
	if (plan->does == DOES_DATA && !session->has_recipients)
		return fail(plan, REPLY_NO_RECIPIENTS, COUNTER_OF(no_recipients));
	return true;
}

static bool check_offered(const struct command_session *session, struct command_plan *plan)
{
	if (plan->reply == REPLY_NOT_IMPLEMENTED)
		return fail(plan, plan->reply, command_table[plan->verb].counter);
	if (plan->verb == VERB_STARTTLS && session->tls == SMTP_TLS_NONE)
		return fail(plan, REPLY_NOT_IMPLEMENTED, COUNTER_OF(verb_not_offered));
	if (plan->verb == VERB_STARTTLS &&
	    (session->tls == SMTP_TLS_UP || session->auth == SMTP_AUTH_DONE))
		return fail(plan, REPLY_BAD_SEQUENCE, COUNTER_OF(sequence));
	if (plan->verb == VERB_AUTH && session->auth == SMTP_AUTH_NONE)
		return fail(plan, REPLY_NOT_IMPLEMENTED, COUNTER_OF(verb_not_offered));
	return true;
}

/* RFC 3207 4: what a server that insists on TLS may still serve before it. */
static bool check_tls(const struct command_session *session, struct command_plan *plan)
{
	if (!session->tls_required || session->tls == SMTP_TLS_UP)
		return true;
	switch (plan->verb) {
	case VERB_EHLO:
	case VERB_HELO:
	case VERB_NOOP:
	case VERB_QUIT:
	case VERB_STARTTLS:
		return true;
	default:
		return fail(plan, REPLY_TLS_REQUIRED, COUNTER_OF(tls_required));
	}
}

/* RFC 4954 4 and 6: once and with EHLO; and what a server that insists on it may serve before. */
static bool check_auth(const struct command_session *session, struct command_plan *plan)
{
	if (plan->verb == VERB_AUTH) {
		if (session->auth == SMTP_AUTH_TLS_FIRST)
			return fail(plan, REPLY_AUTH_TLS_FIRST, COUNTER_OF(auth_in_clear));
		if (session->auth == SMTP_AUTH_DONE || !session->esmtp)
			return fail(plan, REPLY_BAD_SEQUENCE, COUNTER_OF(sequence));
		return true;
	}
	if (!session->auth_required || session->auth == SMTP_AUTH_DONE)
		return true;
	switch (plan->verb) {
	case VERB_EHLO:
	case VERB_HELO:
	case VERB_HELP:
	case VERB_NOOP:
	case VERB_QUIT:
	case VERB_RSET:
	case VERB_STARTTLS:
		return true;
	default:
		if (plan->does == DOES_CLOSE)
			return true;
		return fail(plan, REPLY_AUTH_REQUIRED, COUNTER_OF(auth_required));
	}
}

void command_check(struct bytes line, const struct command_session *session,
                   struct command_plan *out_plan)
{
	*out_plan = (struct command_plan){.verb = VERB_UNKNOWN};
	/* Where a verb is known its order goes before its argument: 503 tells more than 501. */
	(void)(check_octets(line, out_plan) && check_verb(line, out_plan) &&
	       check_offered(session, out_plan) && check_tls(session, out_plan) &&
	       check_auth(session, out_plan) && check_when(session, out_plan) &&
	       check_argument(session, out_plan) && check_recipients(session, out_plan));
}
