/* listed.c - looks up what scored lists may know of a message. */
#include "dataplane/listed.h"

#include <string.h>

/* Behind the last '@', or empty. */
static struct bytes domain_of(struct bytes address)
{
	size_t at = address.len;

	while (at > 0 && address.data[at - 1] != '@')
		at--;
	return at == 0 ? bytes_of(NULL, 0) : bytes_slice(address, at, address.len);
}

/* "scheme://user@host:port/path" or "mailto:user@host?x"; empty when there is none. */
static struct bytes host_of(struct bytes uri)
{
	size_t colon = bytes_find(uri, ':'), end = 0;
	bool mail = bytes_starts_nocase(uri, BYTES("mailto:"));
	struct bytes rest = bytes_slice(uri, colon + 1, uri.len);

	if (!mail) {
		if (rest.len < 2 || rest.data[0] != '/' || rest.data[1] != '/')
			return bytes_of(NULL, 0);
		rest = bytes_slice(rest, 2, rest.len);
	}
	while (end < rest.len && memchr("/?#", rest.data[end], 3) == NULL)
		end++;
	rest = bytes_slice(rest, 0, end);

	struct bytes host = domain_of(rest);
	if (host.len == 0)
		host = mail ? bytes_of(NULL, 0) : rest;
	return bytes_slice(host, 0, bytes_find(host, ':'));
}

static void collect_uris(const struct lists *lists, const struct text *uris, struct list_set *set)
{
	if (!lists_scored_has(lists, LIST_KEY_URI))
		return;
	for (uint32_t i = 0; i < uris->segment_count; i++)
		lists_collect_domain(lists, LIST_KEY_URI, host_of(text_segment(uris, i)), set);
}

static void collect(const struct lists *lists, const struct message_facts *facts,
                    const struct texts *texts, struct list_set *set)
{
	lists_collect_addr(lists, &facts->client.addr, set);
	lists_collect_domain(lists, LIST_KEY_HELO, facts->helo, set);
	lists_collect_text(lists, LIST_KEY_SENDER, facts->sender, set);
	lists_collect_domain(lists, LIST_KEY_SENDER, domain_of(facts->sender), set);
	collect_uris(lists, &texts->kind[TEXT_URI], set);
}

void listed_collect(const struct lists *lists, const struct lists *delta,
                    const struct message_facts *facts, const struct texts *texts,
                    struct listed *out_listed)
{
	*out_listed = (struct listed){.lists = {lists, delta}};
	for (int i = 0; i < 2; i++)
		if (out_listed->lists[i] != NULL && lists_scored_count(out_listed->lists[i]) > 0)
			collect(out_listed->lists[i], facts, texts, &out_listed->set[i]);
}
