/* dkim_key.c - the key of a domain that signs mail, and whether it made a signature. */
#include "mgmt/dkim_key.h"

#include <string.h>

#include <nettle/asn1.h>
#include <nettle/bignum.h>
#include <nettle/eddsa.h>
#include <nettle/rsa.h>

#include "smtp/dkim_tags.h"

/* What is around the modulus: an algorithm, an exponent, lengths. */
#define RSA_DER_BYTES_MAX (DKIM_KEY_BITS_MAX / 8 + 64)
#define EXPONENT_BITS_MAX 32

/* Whether an item of the list in `tag` is one of two; a tag that is missing allows all. */
static bool allows(const struct dkim_tags *tags, const char *tag, struct bytes one,
                   struct bytes other)
{
	const struct dkim_tag *found = dkim_tags_find(tags, tag);
	struct bytes rest, item;

	if (found == NULL)
		return true;
	rest = found->value;
	while (dkim_next_item(&rest, &item))
		if (bytes_equal_nocase(item, one) || bytes_equal_nocase(item, other))
			return true;
	return false;
}

/* The sequence inside a SubjectPublicKeyInfo of RSA, or the octets themselves: RFC 6376 says
 * RSAPublicKey, signers publish the former. */
static bool open_rsa(struct asn1_der_iterator *der, struct bytes octets)
{
	static const uint8_t rsa_encryption[] = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1};
	struct asn1_der_iterator inner, algorithm;
	struct asn1_der_iterator outer;

	if (asn1_der_iterator_first(&outer, octets.len, octets.data) != ASN1_ITERATOR_CONSTRUCTED ||
	    outer.type != ASN1_SEQUENCE)
		return false;
	*der = outer;
	if (asn1_der_decode_constructed(&outer, &inner) == ASN1_ITERATOR_PRIMITIVE)
		return inner.type == ASN1_INTEGER;
	return inner.type == ASN1_SEQUENCE &&
	       asn1_der_decode_constructed(&inner, &algorithm) == ASN1_ITERATOR_PRIMITIVE &&
	       algorithm.type == ASN1_IDENTIFIER &&
	       bytes_equal(bytes_of(algorithm.data, algorithm.length),
	                   bytes_of(rsa_encryption, sizeof(rsa_encryption))) &&
	       asn1_der_iterator_next(&inner) == ASN1_ITERATOR_PRIMITIVE &&
	       inner.type == ASN1_BITSTRING &&
	       asn1_der_decode_bitstring(&inner, der) == ASN1_ITERATOR_CONSTRUCTED &&
	       der->type == ASN1_SEQUENCE;
}

static bool read_rsa(struct bytes octets, struct dkim_key *key)
{
	struct asn1_der_iterator der;
	struct rsa_public_key rsa;
	bool is_key;

	if (!open_rsa(&der, octets))
		return false;
	rsa_public_key_init(&rsa);
	is_key = rsa_public_key_from_der_iterator(&rsa, DKIM_KEY_BITS_MAX, &der) == 1;
	key->bits = (uint32_t)mpz_sizeinbase(rsa.n, 2);
	is_key = is_key && key->bits >= DKIM_KEY_BITS_MIN && key->bits <= DKIM_KEY_BITS_MAX &&
	         mpz_sizeinbase(rsa.e, 2) <= EXPONENT_BITS_MAX;
	if (is_key) {
		key->exponent = (uint32_t)mpz_get_ui(rsa.e);
		nettle_mpz_get_str_256((key->bits + 7) / 8, key->octets, rsa.n);
	}
	rsa_public_key_clear(&rsa);
	return is_key;
}

static bool read_public(const struct dkim_tags *tags, struct dkim_key *key)
{
	const struct dkim_tag *kind = dkim_tags_find(tags, "k");
	const struct dkim_tag *octets = dkim_tags_find(tags, "p");
	uint8_t der[RSA_DER_BYTES_MAX];
	size_t len;

	if (kind != NULL && bytes_equal_nocase(kind->value, BYTES("ed25519"))) {
		key->kind = DKIM_KEY_ED25519;
		return dkim_base64(octets->value, key->octets, ED25519_KEY_SIZE) ==
		       ED25519_KEY_SIZE;
	}
	if (kind != NULL && !bytes_equal_nocase(kind->value, BYTES("rsa")))
		return false;
	key->kind = DKIM_KEY_RSA;
	len = dkim_base64(octets->value, der, sizeof(der));
	return len != DKIM_BASE64_WRONG && read_rsa(bytes_of(der, len), key);
}

/* False: this is no record of a key, but something else at its name. */
static bool read_record(struct bytes record, struct dkim_key *key)
{
	const struct dkim_tag *version;
	struct dkim_tags tags;

	memset(key, 0, sizeof(*key));
	if (dkim_tags_parse(record, &tags) != DKIM_TAGS_OK || dkim_tags_find(&tags, "p") == NULL)
		return false;
	version = dkim_tags_find(&tags, "v");
	if (version != NULL &&
	    (version != &tags.tag[0] || !bytes_equal(version->value, BYTES("DKIM1"))))
		return false;
	if (dkim_tags_find(&tags, "t") != NULL) {
		key->testing = allows(&tags, "t", BYTES("y"), BYTES("y"));
		key->strict = allows(&tags, "t", BYTES("s"), BYTES("s"));
	}
	if (!allows(&tags, "h", BYTES("sha256"), BYTES("sha256")) ||
	    !allows(&tags, "s", BYTES("*"), BYTES("email")) || !read_public(&tags, key))
		key->kind = DKIM_KEY_NONE;
	return true;
}

void dkim_key_read(struct bytes records, struct dkim_key *out_key)
{
	while (records.len > 0) {
		struct bytes record = bytes_slice(records, 0, bytes_find(records, '\0'));

		if (read_record(record, out_key))
			return;
		records = bytes_slice(records, record.len + 1, SIZE_MAX);
	}
	memset(out_key, 0, sizeof(*out_key));
}

static bool verify_rsa(const struct dkim_key *key, const struct dkim_question *question)
{
	struct rsa_public_key rsa;
	mpz_t signature;
	bool good;

	/* RFC 8017 8.2.2: a signature is as long as the modulus. */
	if (question->signature.len != (key->bits + 7) / 8)
		return false;
	rsa_public_key_init(&rsa);
	nettle_mpz_init_set_str_256_u(signature, question->signature.len, question->signature.data);
	nettle_mpz_set_str_256_u(rsa.n, (key->bits + 7) / 8, key->octets);
	mpz_set_ui(rsa.e, key->exponent);
	good = rsa_public_key_prepare(&rsa) == 1 &&
	       rsa_sha256_verify_digest(&rsa, question->digest.data, signature) == 1;
	mpz_clear(signature);
	rsa_public_key_clear(&rsa);
	return good;
}

/* RFC 8463 3: what is signed is the digest. */
static bool verify_ed25519(const struct dkim_key *key, const struct dkim_question *question)
{
	return question->signature.len == ED25519_SIGNATURE_SIZE &&
	       ed25519_sha512_verify(key->octets, question->digest.len, question->digest.data,
	                             question->signature.data) == 1;
}

uint32_t dkim_key_verify(const struct dkim_key *key, const struct dkim_question *question)
{
	enum dkim_key_kind wanted = question->algorithm == DKIM_RSA_SHA256 ? DKIM_KEY_RSA
	                                                                   : DKIM_KEY_ED25519;
	uint32_t value = (key->testing ? DKIM_VALUE_TESTING : 0) |
	                 (key->strict ? DKIM_VALUE_STRICT : 0) | key->bits << DKIM_VALUE_BITS_FROM;
	bool good;

	if (key->kind != wanted)
		return value | DKIM_VERDICT_PERMERROR;
	good = wanted == DKIM_KEY_RSA ? verify_rsa(key, question) : verify_ed25519(key, question);
	return value | (good ? DKIM_VERDICT_PASS : DKIM_VERDICT_FAIL);
}

char dkim_practice_read(struct bytes records)
{
	struct dkim_tags tags;

	while (records.len > 0) {
		struct bytes record = bytes_slice(records, 0, bytes_find(records, '\0'));

		records = bytes_slice(records, record.len + 1, SIZE_MAX);
		/* RFC 5617 4.2.1: dkim= comes first, else it is another record. */
		if (dkim_tags_parse(record, &tags) != DKIM_TAGS_OK || tags.count == 0 ||
		    !bytes_equal(tags.tag[0].name, BYTES("dkim")))
			continue;
		if (bytes_equal_nocase(tags.tag[0].value, BYTES("all")))
			return 'A';
		return bytes_equal_nocase(tags.tag[0].value, BYTES("discardable")) ? 'D' : 'U';
	}
	return 'U';
}
