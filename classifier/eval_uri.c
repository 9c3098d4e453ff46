/* eval_uri.c - eval functions about the hosts of URIs. Several rules ask about the same hosts, so
 * they are found once a message. */
#include "classifier/eval.h"

#define LABELS_LOOKED_UP 11u
#define HOSTS_MAX        2304u /* hosts of later URIs are read again for every rule */
#define HOSTS_COMPARED   8u    /* a host that is one of the latest is not kept again */

struct eval_uris {
	bool known;
	uint32_t uris_read; /* their hosts are kept */
	uint32_t count;
	struct bytes host[HOSTS_MAX];
};

size_t eval_uris_bytes(void)
{
	return sizeof(struct eval_uris);
}

void eval_uris_forget(struct eval_uris *uris)
{
	uris->known = false;
}

bool eval_uri_host(const struct eval_call *call, struct bytes uri, struct bytes *out_host)
{
	struct eval_match match;

	if (!eval_find(call, EVAL_PATTERN_URI_HOST, uri, 0, &match))
		return false;
	*out_host = bytes_slice(uri, match.group, match.group_len);
	return eval_is_ip4(*out_host) || eval_has_valid_tld(call->ruleset, *out_host);
}

/* 1: the host or a domain above it is listed; -1: it is excepted; 0: neither. The closest word
 * counts. */
static int host_listed(const struct eval_call *call, uint32_t list, struct bytes host)
{
	bool ip = eval_is_ip4(host);
	uint32_t labels = 1;

	for (size_t i = 0; i < host.len; i++)
		labels += host.data[i] == '.';
	for (;; labels--) {
		const struct blob_list_entry *entry = labels <= LABELS_LOOKED_UP
		                                          ? eval_list_find(call->ruleset, list,
		                                                           host, false)
		                                          : NULL;
		size_t dot = bytes_find(host, '.');

		if (entry != NULL)
			return entry->second_bytes > 0 ? -1 : 1;
		if (dot == host.len || ip)
			return 0;
		host = bytes_slice(host, dot + 1, SIZE_MAX);
	}
}

/* Lists of URI hosts have an '@' before their name. */
static bool find_list(const struct eval_call *call, struct bytes name, uint32_t *out_list)
{
	const struct ruleset_evals *e = &call->ruleset->evals;

	for (uint32_t i = EVAL_LIST_FIXED; i < e->list_count; i++) {
		struct bytes text = bytes_of(e->texts + e->list[i].name, e->list[i].name_bytes);

		if (text.len == name.len + 1 && text.data[0] == '@' &&
		    bytes_equal(bytes_slice(text, 1, SIZE_MAX), name)) {
			*out_list = i;
			return true;
		}
	}
	return false;
}

/* The domains that signed the message are looked up as hosts are. */
static bool any_signer_listed(const struct eval_call *call, uint32_t list)
{
	for (uint32_t header = 0; header < 2; header++) {
		struct bytes rest = eval_header(call, header), line;

		while (eval_next_line(&rest, &line)) {
			struct eval_match match;

			if (!eval_find(call, EVAL_PATTERN_SIGNING_DOMAIN, line, 0, &match))
				continue;
			struct bytes domain = bytes_slice(line, match.group, match.group_len);
			if (eval_has_valid_tld(call->ruleset, domain) &&
			    host_listed(call, list, domain) > 0)
				return true;
		}
	}
	return false;
}

static void keep_host(struct eval_uris *uris, struct bytes host)
{
	for (uint32_t i = uris->count; i > 0 && uris->count - i < HOSTS_COMPARED; i--)
		if (bytes_equal(uris->host[i - 1], host))
			return;
	uris->host[uris->count++] = host;
}

static const struct eval_uris *know_hosts(const struct eval_call *call)
{
	const struct text *text = &call->texts->kind[TEXT_URI];
	struct eval_uris *uris = call->state->uris;
	struct bytes host;

	if (uris->known)
		return uris;
	uris->known = true;
	uris->uris_read = uris->count = 0;
	while (uris->uris_read < text->segment_count && uris->count < HOSTS_MAX)
		if (eval_uri_host(call, text_segment(text, uris->uris_read++), &host))
			keep_host(uris, host);
	return uris;
}

static bool any_host_listed(const struct eval_call *call, struct bytes name)
{
	const struct text *uris = &call->texts->kind[TEXT_URI];
	uint32_t list;

	if (!find_list(call, name, &list))
		return false;
	const struct eval_uris *known = know_hosts(call);
	for (uint32_t i = 0; i < known->count; i++)
		if (host_listed(call, list, known->host[i]) > 0)
			return true;
	for (uint32_t i = known->uris_read; i < uris->segment_count; i++) {
		struct bytes host;

		if (eval_uri_host(call, text_segment(uris, i), &host) &&
		    host_listed(call, list, host) > 0)
			return true;
	}
	return any_signer_listed(call, list);
}

int32_t eval_check_uri_host_listed(const struct eval_call *call)
{
	return any_host_listed(call, eval_text(call, 0));
}

int32_t eval_check_uri_host_in_blocklist(const struct eval_call *call)
{
	return any_host_listed(call, BYTES("BLOCK"));
}

int32_t eval_check_uri_host_in_welcomelist(const struct eval_call *call)
{
	return any_host_listed(call, BYTES("WELCOME"));
}
