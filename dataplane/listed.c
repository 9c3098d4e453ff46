/* listed.c - looks up what scored lists may know of a message. */
#include "dataplane/listed.h"

#include <string.h>

#include "base/facts.h"

#define ENDINGS_MAX    3
#define TYPE_BYTES_MAX 64

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

	struct bytes host = bytes_behind_last(rest, '@');
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

/* The name, and each of its endings from the last dots on: "a.tar.gz", ".gz", ".tar.gz". */
static void collect_name(const struct lists *lists, struct bytes name, struct list_set *set)
{
	uint32_t endings = 0;

	lists_collect_text(lists, LIST_KEY_ATTACHMENT_NAME, name, set);
	for (size_t at = name.len; at > 0 && endings < ENDINGS_MAX; at--)
		if (name.data[at - 1] == '.') {
			lists_collect_text(lists, LIST_KEY_ATTACHMENT_NAME,
			                   bytes_slice(name, at - 1, name.len), set);
			endings++;
		}
}

/* "application/zip", and its whole family: "application" with a star for what follows. */
static void collect_type(const struct lists *lists, struct bytes type, struct list_set *set)
{
	uint8_t memory[TYPE_BYTES_MAX + 2];
	size_t slash = bytes_find(type, '/');

	lists_collect_text(lists, LIST_KEY_ATTACHMENT_TYPE, type, set);
	if (slash >= TYPE_BYTES_MAX || slash == type.len)
		return;
	memcpy(memory, type.data, slash);
	memcpy(memory + slash, "/*", 2);
	lists_collect_text(lists, LIST_KEY_ATTACHMENT_TYPE, bytes_of(memory, slash + 2), set);
}

static bool wants_digests(const struct lists *lists)
{
	return lists != NULL && lists_scored_has(lists, LIST_KEY_ATTACHMENT_SHA256);
}

static void collect_digest(const struct listed_message *message, uint32_t part,
                           struct listed *listed)
{
	uint8_t digest[PART_DIGEST_BYTES];
	char hex[2 * PART_DIGEST_BYTES];

	if (!normaliser_part_digest(message->normaliser, part, digest))
		return;
	for (size_t i = 0; i < sizeof(digest); i++) {
		hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	for (int i = 0; i < 2; i++)
		if (wants_digests(listed->lists[i]))
			lists_collect_text(listed->lists[i], LIST_KEY_ATTACHMENT_SHA256,
			                   bytes_of(hex, sizeof(hex)), &listed->set[i]);
}

static void collect_digests(const struct listed_message *message, struct listed *listed)
{
	const struct facts *facts = message->texts->facts;
	uint32_t digests = 0;

	if (!wants_digests(listed->lists[0]) && !wants_digests(listed->lists[1]))
		return;
	for (uint32_t i = 0; i < facts->part_count && digests < LISTED_DIGESTS_MAX; i++)
		if (facts->part[i].is_leaf) {
			collect_digest(message, i, listed);
			digests++;
		}
}

static void collect_parts(const struct lists *lists, const struct facts *facts,
                          struct list_set *set)
{
	bool names = lists_scored_has(lists, LIST_KEY_ATTACHMENT_NAME);
	bool types = lists_scored_has(lists, LIST_KEY_ATTACHMENT_TYPE);

	for (uint32_t i = 0; (names || types) && i < facts->part_count; i++) {
		if (names && facts->part[i].name.len > 0)
			collect_name(lists, facts->part[i].name, set);
		if (types && facts->part[i].is_leaf)
			collect_type(lists, facts->part[i].declared_type, set);
	}
}

static void collect(const struct lists *lists, const struct listed_message *message,
                    struct list_set *set)
{
	const struct message_facts *session = message->session;

	lists_collect_addr(lists, &session->client.addr, set);
	lists_collect_domain(lists, LIST_KEY_HELO, session->helo, set);
	lists_collect_text(lists, LIST_KEY_SENDER, session->sender, set);
	lists_collect_domain(lists, LIST_KEY_SENDER, bytes_behind_last(session->sender, '@'), set);
	collect_uris(lists, &message->texts->kind[TEXT_URI], set);
	collect_parts(lists, message->texts->facts, set);
}

void listed_collect(const struct lists *lists, const struct lists *delta,
                    const struct listed_message *message, struct listed *out_listed)
{
	*out_listed = (struct listed){.lists = {lists, delta}};
	for (int i = 0; i < 2; i++)
		if (out_listed->lists[i] != NULL && lists_scored_count(out_listed->lists[i]) > 0)
			collect(out_listed->lists[i], message, &out_listed->set[i]);
	collect_digests(message, out_listed);
}
