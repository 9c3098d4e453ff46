/* fuzz_dkim.c - signatures of a message, and the record of a key: any octets give facts that keep
 * to their bounds and questions management takes; a body tells the same digest however much of it a
 * signature speaks of.
 *
 * The input: an octet (1: the message was cut; 2: it is the record of a key), then the message.
 */
#include <string.h>

#include "base/check.h"
#include "base/dkim_question.h"
#include "mgmt/dkim_key.h"
#include "smtp/dkim.h"
#include "smtp/dkim_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_signature(const struct fact_signature *s)
{
	struct dkim_question dkim;
	struct question question;

	ASSERT(s->domain_bytes < QUESTION_NAME_BYTES && s->selector_bytes < QUESTION_NAME_BYTES &&
	       s->identity_bytes < QUESTION_NAME_BYTES);
	if (s->state != SIGNATURE_ASK)
		return;
	ASSERT(dkim_question_read(bytes_of(s->question, s->question_bytes), &dkim));
	question_write(&question, 1, QUESTION_DKIM, bytes_of(s->question, s->question_bytes));
	ASSERT(question_is_sound(&question));
	ASSERT(s->identity_bytes >= s->domain_bytes && s->domain_bytes > 0);
}

/* All digests at once are those of walks of their own. */
static void check_body(struct bytes body, bool crlf, enum dkim_canon canon)
{
	struct dkim_body_digest together[3] = {
	    {.length = body.len / 3}, {.length = body.len}, {.length = DKIM_WHOLE}};

	dkim_hash_body(body, crlf, false, canon, together, 3);
	for (int i = 0; i < 3; i++) {
		struct dkim_body_digest alone = {.length = together[i].length};

		dkim_hash_body(body, crlf, false, canon, &alone, 1);
		ASSERT(alone.known == together[i].known);
		ASSERT(!alone.known ||
		       memcmp(alone.digest, together[i].digest, DKIM_DIGEST_BYTES) == 0);
	}
	ASSERT(together[2].known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena arena;
	static struct dkim *dkim;
	struct dkim_signatures all;
	struct dkim_key key;
	struct bytes input;

	if (dkim == NULL) {
		if (arena_init(&arena, dkim_bytes() + 4096, false) != OK)
			return 0;
		dkim = dkim_new(&arena);
	}
	if (size == 0 || dkim == NULL)
		return 0;
	input = bytes_of(data + 1, size - 1);
	if ((data[0] & 2) != 0) {
		dkim_key_read(input, &key);
		ASSERT(key.kind != DKIM_KEY_RSA ||
		       (key.bits >= DKIM_KEY_BITS_MIN && key.bits <= DKIM_KEY_BITS_MAX));
		return 0;
	}
	all = dkim_read(dkim, input, (data[0] & 1) != 0, 1700000000);
	ASSERT(all.count <= FACT_SIGNATURES_MAX && all.count + all.left_out <= all.fields);
	for (uint32_t i = 0; i < all.count; i++)
		check_signature(&all.signature[i]);
	ASSERT(all.arc.count <= FACT_ARC_SETS_MAX + 1 && all.arc.state <= ARC_UNKNOWN);
	for (uint32_t i = 0; all.arc.state == ARC_ASK && i < all.arc.count; i++) {
		ASSERT(all.arc.signature[i]->state == SIGNATURE_ASK);
		ASSERT(all.arc.signature[i]->question_bytes > 0);
	}
	check_body(input, (data[0] & 4) != 0, (data[0] & 8) != 0 ? DKIM_RELAXED : DKIM_SIMPLE);
	return 0;
}
