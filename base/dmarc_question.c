/* dmarc_question.c - what is asked by QUESTION_DMARC: names with blanks between, '-' for none. */
#include "base/dmarc_question.h"

#include <assert.h>

#include "base/question.h"

static_assert(DMARC_VALUE_ALIGNED + DMARC_DOMAINS_MAX <= 32, "a bit for each");

struct text {
	char *data;
	size_t room, len;
};

static bool put(struct text *out, struct bytes name)
{
	if (name.len + 1 > out->room - out->len)
		return false;
	if (out->len > 0)
		out->data[out->len++] = ' ';
	for (size_t i = 0; i < name.len; i++)
		out->data[out->len++] = (char)bytes_lower(name.data[i]);
	return true;
}

/* Without a dot at its end. False: it is none. */
static bool lower_name(struct bytes name, char out[QUESTION_NAME_BYTES], struct bytes *out_name)
{
	if (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	if (name.len >= QUESTION_NAME_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++)
		out[i] = (char)bytes_lower(name.data[i]);
	*out_name = bytes_of(out, name.len);
	return question_name_is_sound(*out_name);
}

size_t dmarc_request_write(const struct dmarc_request *request, char *out_text, size_t text_bytes)
{
	struct text text = {.data = out_text, .room = text_bytes};
	char memory[QUESTION_NAME_BYTES];
	struct bytes name;

	if (!lower_name(request->author, memory, &name) || !put(&text, name))
		return 0;
	for (uint32_t i = 0; i < DMARC_DOMAINS_MAX; i++) {
		/* Room for the marks of those that follow. */
		text.room = text_bytes - 2u * (DMARC_DOMAINS_MAX - 1 - i);
		if ((!lower_name(request->domain[i], memory, &name) || !put(&text, name)) &&
		    !put(&text, BYTES("-")))
			return 0;
	}
	return text.len;
}

static struct bytes take_word(struct bytes *rest)
{
	size_t end = bytes_find(*rest, ' ');
	struct bytes word = bytes_slice(*rest, 0, end);

	*rest = bytes_slice(*rest, end + 1, SIZE_MAX);
	return word;
}

bool dmarc_request_read(struct bytes text, struct dmarc_request *out_request)
{
	struct dmarc_request request = {.author = take_word(&text)};

	if (!question_name_is_sound(request.author))
		return false;
	for (uint32_t i = 0; i < DMARC_DOMAINS_MAX; i++) {
		struct bytes word = take_word(&text);

		if (bytes_equal(word, BYTES("-")))
			continue;
		if (!question_name_is_sound(word))
			return false;
		request.domain[i] = word;
	}
	if (text.len > 0)
		return false;
	*out_request = request;
	return true;
}
