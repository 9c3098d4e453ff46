/* spf_question.c - what is asked by QUESTION_SPF. */
#include "base/spf_question.h"

#include <stdio.h>

/* No blanks and nothing that cannot be seen: such a HELO is no name, and would end too early. */
static bool is_word(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] == 0x7f)
			return false;
	return true;
}

size_t spf_request_write(const struct spf_request *request, char *out_text, size_t text_bytes)
{
	struct bytes helo = is_word(request->helo) ? request->helo : bytes_of(NULL, 0);
	char address[ADDR_TEXT_MAX];
	int len;

	if (helo.len + request->sender.len == 0 ||
	    helo.len + request->sender.len + sizeof(address) + 2 > text_bytes)
		return 0;
	len = snprintf(out_text, text_bytes, "%s %.*s %.*s", addr_format(&request->client, address),
	               (int)helo.len, helo.len > 0 ? (const char *)helo.data : "",
	               (int)request->sender.len,
	               request->sender.len > 0 ? (const char *)request->sender.data : "");
	for (int i = 0; i < len; i++)
		out_text[i] = (char)bytes_lower((uint8_t)out_text[i]);
	return (size_t)len;
}

struct bytes spf_sender_domain(struct bytes sender)
{
	struct bytes domain = bytes_find(sender, '@') < sender.len ? bytes_behind_last(sender, '@')
	                                                           : sender;

	if (domain.len > 0 && domain.data[domain.len - 1] == '.')
		domain.len--;
	return domain;
}

bool spf_request_read(struct bytes text, struct spf_request *out_request)
{
	size_t first = bytes_find(text, ' ');
	struct bytes rest = bytes_slice(text, first + 1, SIZE_MAX);
	size_t second = bytes_find(rest, ' ');
	struct spf_request request = {.helo = bytes_slice(rest, 0, second),
	                              .sender = bytes_slice(rest, second + 1, SIZE_MAX)};

	if (first == text.len || second == rest.len ||
	    addr_parse(bytes_slice(text, 0, first), &request.client) != OK ||
	    request.helo.len + request.sender.len == 0)
		return false;
	*out_request = request;
	return true;
}
