/* dkim_question.c - what a worker asks management about a signature. */
#include "base/dkim_question.h"

#include <assert.h>
#include <string.h>

#include "base/check.h"

#define FIXED_BYTES (2 + DKIM_QUESTION_DIGEST_BYTES) /* algorithm, length of the name, digest */

static_assert(FIXED_BYTES + QUESTION_NAME_BYTES + DKIM_SIGNATURE_BYTES_MAX < QUESTION_BYTES,
              "the longest question fits");

size_t dkim_question_write(const struct dkim_question *question, uint8_t out_text[QUESTION_BYTES])
{
	uint8_t *at = out_text + 2;

	ASSERT(question->digest.len == DKIM_QUESTION_DIGEST_BYTES);
	if (!question_name_is_sound(question->key_name) || question->signature.len == 0 ||
	    question->signature.len > DKIM_SIGNATURE_BYTES_MAX)
		return 0;
	out_text[0] = (uint8_t)question->algorithm;
	out_text[1] = (uint8_t)question->key_name.len;
	memcpy(at, question->key_name.data, question->key_name.len);
	at += question->key_name.len;
	memcpy(at, question->digest.data, DKIM_QUESTION_DIGEST_BYTES);
	at += DKIM_QUESTION_DIGEST_BYTES;
	memcpy(at, question->signature.data, question->signature.len);
	return (size_t)(at - out_text) + question->signature.len;
}

bool dkim_question_read(struct bytes text, struct dkim_question *out_question)
{
	struct dkim_question q;

	if (text.len < FIXED_BYTES ||
	    (text.data[0] != DKIM_RSA_SHA256 && text.data[0] != DKIM_ED25519_SHA256))
		return false;
	q.algorithm = (enum dkim_algorithm)text.data[0];
	q.key_name = bytes_slice(text, 2, text.data[1]);
	q.digest = bytes_slice(text, 2 + q.key_name.len, DKIM_QUESTION_DIGEST_BYTES);
	q.signature = bytes_slice(text, FIXED_BYTES + q.key_name.len, SIZE_MAX);
	if (!question_name_is_sound(q.key_name) || q.digest.len != DKIM_QUESTION_DIGEST_BYTES ||
	    q.signature.len == 0 || q.signature.len > DKIM_SIGNATURE_BYTES_MAX)
		return false;
	*out_question = q;
	return true;
}
