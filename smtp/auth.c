/* auth.c - what AUTH says (RFC 4954). */
#include "smtp/auth.h"

#include <assert.h>

#include "base/check.h"
#include "smtp/decode.h"

#define USER_RESPONSE_BYTES_MAX 1024 /* of a response that a name is looked for in; fours */

static const char *const mechanism_text[AUTH_MECHANISM_COUNT] = {
#define AUTH_MECHANISM(name, text, reference) [AUTH_##name] = text,
#include "smtp/auth_mechanisms.def"
};

static_assert(AUTH_MECHANISM_COUNT <= 16, "a set fits 16 bits");

const char *auth_mechanism_text(enum auth_mechanism mechanism)
{
	ASSERT(mechanism < AUTH_MECHANISM_COUNT);
	return mechanism_text[mechanism];
}

bool auth_mechanism_find(struct bytes name, enum auth_mechanism *out_mechanism)
{
	for (uint32_t i = 0; i < AUTH_MECHANISM_COUNT; i++) {
		if (!bytes_equal_nocase(name, bytes_text(mechanism_text[i])))
			continue;
		*out_mechanism = (enum auth_mechanism)i;
		return true;
	}
	return false;
}

uint32_t auth_mechanisms_of(struct bytes words)
{
	uint32_t set = 0;

	while (words.len > 0) {
		struct bytes word = bytes_slice(words, 0, bytes_find(words, ' '));
		enum auth_mechanism mechanism;

		if (auth_mechanism_find(word, &mechanism))
			set |= AUTH_BIT(mechanism);
		words = bytes_slice(words, word.len + 1, words.len);
	}
	return set;
}

void auth_mechanisms_write(uint32_t mechanisms, struct buf *out)
{
	for (uint32_t i = 0; i < AUTH_MECHANISM_COUNT; i++) {
		if ((mechanisms & AUTH_BIT(i)) == 0)
			continue;
		buf_put_octet(out, ' ');
		buf_put_text(out, mechanism_text[i]);
	}
}

static bool is_base64_digit(uint8_t octet)
{
	return (octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z') ||
	       (octet >= '0' && octet <= '9') || octet == '+' || octet == '/';
}

bool auth_is_base64(struct bytes text)
{
	size_t digits = text.len;

	if (text.len % 4 != 0)
		return false;
	while (digits > 0 && text.len - digits < 2 && text.data[digits - 1] == '=')
		digits--;
	for (size_t i = 0; i < digits; i++)
		if (!is_base64_digit(text.data[i]))
			return false;
	return true;
}

static bool is_xtext_digit(struct bytes text, size_t at)
{
	return at < text.len && ((text.data[at] >= '0' && text.data[at] <= '9') ||
	                         (text.data[at] >= 'A' && text.data[at] <= 'F'));
}

bool auth_is_xtext(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t octet = text.data[i];

		if (octet < '!' || octet > '~' || octet == '=')
			return false;
		if (octet != '+')
			continue;
		if (!is_xtext_digit(text, i + 1) || !is_xtext_digit(text, i + 2))
			return false;
		i += 2;
	}
	return text.len > 0;
}

static bool put_clean(struct bytes name, struct buf *out)
{
	size_t start = out->len;

	for (size_t i = 0; i < name.len; i++)
		buf_put_octet(out, name.data[i] > ' ' && name.data[i] <= '~' ? name.data[i] : '?');
	if (name.len > 0 && !out->overflow)
		return true;
	out->len = start;
	return false;
}

/* "authorization NUL authentication NUL password": the middle one. */
static struct bytes plain_user(struct bytes message)
{
	struct bytes behind = bytes_slice(message, bytes_find(message, '\0') + 1, message.len);
	size_t end = bytes_find(behind, '\0');

	return end < behind.len ? bytes_slice(behind, 0, end) : bytes_of(NULL, 0);
}

static struct bytes cram_user(struct bytes message)
{
	size_t len = message.len;

	while (len > 0 && message.data[len - 1] != ' ')
		len--;
	return bytes_slice(message, 0, len > 0 ? len - 1 : 0);
}

/* Takes what stands before `end` off the message; false: it does not come. */
static bool take_until(struct bytes *in_out_message, uint8_t end, struct bytes *out_text)
{
	size_t at = bytes_find(*in_out_message, end);

	if (at == in_out_message->len)
		return false;
	*out_text = bytes_slice(*in_out_message, 0, at);
	*in_out_message = bytes_slice(*in_out_message, at + 1, in_out_message->len);
	return true;
}

/* "n,a=authorization identity," (RFC 5801 4): the identity with its "a=", which may be missing.
 * Bound to a channel no exchange means the same through a relay. */
static bool take_gs2_header(struct bytes *in_out_message, struct bytes *out_identity)
{
	struct bytes flag;

	return take_until(in_out_message, ',', &flag) &&
	       (bytes_equal(flag, BYTES("n")) || bytes_equal(flag, BYTES("y"))) &&
	       take_until(in_out_message, ',', out_identity);
}

/* "=2C" is a comma, "=3D" an equals sign (RFC 5801 4, RFC 5802 5.1); they are put in where they
 * stand. Nothing: the name has no "key=" before it, or other escapes. */
static struct bytes unescaped(uint8_t *memory, struct bytes text, const char *key)
{
	struct bytes name = bytes_slice(text, 2, text.len);
	size_t at = (size_t)(name.data - memory), len = 0;

	if (!bytes_equal(bytes_slice(text, 0, 2), bytes_text(key)))
		return bytes_of(NULL, 0);
	for (size_t i = 0; i < name.len; i++) {
		uint8_t octet = name.data[i];
		struct bytes escape = bytes_slice(name, i, 3);

		if (octet == '=') {
			bool comma = bytes_equal(escape, BYTES("=2C"));

			if (!comma && !bytes_equal(escape, BYTES("=3D")))
				return bytes_of(NULL, 0);
			octet = comma ? ',' : '=';
			i += 2;
		}
		memory[at + len++] = octet;
	}
	return bytes_of(memory + at, len);
}

/* RFC 5802 7: "n,,n=user,r=nonce"; what may come before the name is an extension nobody has. */
static struct bytes scram_user(uint8_t *memory, struct bytes message)
{
	struct bytes identity, name;

	return take_gs2_header(&message, &identity) && take_until(&message, ',', &name)
	           ? unescaped(memory, name, "n=")
	           : bytes_of(NULL, 0);
}

/* RFC 7628 3.1: "n,a=user,", and a token behind it. */
static struct bytes bearer_user(uint8_t *memory, struct bytes message)
{
	struct bytes identity;

	return take_gs2_header(&message, &identity) ? unescaped(memory, identity, "a=")
	                                            : bytes_of(NULL, 0);
}

/* "user=user", an octet 1, and a token behind it. */
static struct bytes xoauth2_user(struct bytes message)
{
	struct bytes name;

	return bytes_equal(bytes_slice(message, 0, 5), BYTES("user=")) &&
	               take_until(&message, 1, &name)
	           ? bytes_slice(name, 5, name.len)
	           : bytes_of(NULL, 0);
}

/* Before a token, or a nonce, of any length. */
static bool stands_first(enum auth_mechanism mechanism)
{
	return mechanism != AUTH_PLAIN && mechanism != AUTH_LOGIN && mechanism != AUTH_CRAM_MD5;
}

bool auth_user(enum auth_mechanism mechanism, uint32_t index, struct bytes response,
               struct buf *out)
{
	uint8_t memory[DECODE_BASE64_BYTES(USER_RESPONSE_BYTES_MAX)];
	struct bytes message, name;

	if (stands_first(mechanism))
		response = bytes_slice(response, 0, USER_RESPONSE_BYTES_MAX);
	if (index > 0 || response.len > USER_RESPONSE_BYTES_MAX)
		return false;
	message = bytes_of(memory, decode_base64(response, memory));
	switch (mechanism) {
	case AUTH_PLAIN:
		name = plain_user(message);
		break;
	case AUTH_LOGIN:
		name = message;
		break;
	case AUTH_CRAM_MD5:
		name = cram_user(message);
		break;
	case AUTH_SCRAM_SHA_1:
	case AUTH_SCRAM_SHA_256:
	case AUTH_SCRAM_SHA_512:
		name = scram_user(memory, message);
		break;
	case AUTH_OAUTHBEARER:
		name = bearer_user(memory, message);
		break;
	case AUTH_XOAUTH2:
		name = xoauth2_user(message);
		break;
	default:
		name = bytes_of(NULL, 0);
		break;
	}
	bool found = put_clean(name, out);
	explicit_bzero(memory, sizeof(memory));
	return found;
}
