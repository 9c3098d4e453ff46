/* eval_uri.c - eval functions about the hosts of URIs. Several rules ask about the same hosts, so
 * they are found once a message. */
#include "classifier/eval.h"

#define LABELS_LOOKED_UP 11u
#define HOSTS_MAX        2304u /* hosts of later URIs are read again for every rule */
#define HOST_BYTES_MAX   253u
#define LABEL_BYTES_MAX  63u
#define HOSTS_COMPARED   8u /* a host that is one of the latest is not kept again */

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

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Behind the scheme and two slashes, if there is a scheme of letters. */
static struct bytes without_scheme(struct bytes uri)
{
	size_t letters = 0;

	while (letters < uri.len && is_letter(uri.data[letters]))
		letters++;
	if (letters == 0 || letters == uri.len || uri.data[letters] != ':')
		return uri;
	uri = bytes_slice(uri, letters + 1, SIZE_MAX);
	for (unsigned i = 0; i < 2 && uri.len > 0 && uri.data[0] == '/'; i++)
		uri = bytes_slice(uri, 1, SIZE_MAX);
	return uri;
}

/* What stands between the user and the port. */
static struct bytes host_slice(struct bytes uri)
{
	size_t start = 0, end = 0, digits;

	uri = without_scheme(uri);
	for (;
	     end < uri.len && uri.data[end] != '/' && uri.data[end] != '?' && uri.data[end] != '#';
	     end++)
		start = uri.data[end] == '@' ? end + 1 : start;
	for (digits = end; digits > start && is_digit(uri.data[digits - 1]);)
		digits--;
	if (digits > start && uri.data[digits - 1] == ':')
		end = digits - 1;
	return bytes_slice(uri, start, end - start);
}

/* Two labels or more; '_' in neither of the last two. Percent signs have no place in it: another
 * form of the URI is without them. */
static bool is_name(struct bytes host)
{
	size_t labels = 0, len = 0;

	while (host.len > 0 && host.data[host.len - 1] == '.')
		host.len--;
	if (host.len > HOST_BYTES_MAX)
		return false;
	for (size_t i = host.len + 1; i > 0; i--) {
		uint8_t c = i > 1 ? host.data[i - 2] : '.';

		if (c == '.') {
			if (len == 0 || len > LABEL_BYTES_MAX || host.data[i - 1] == '-')
				return false;
			labels++;
			len = 0;
		} else if (is_letter(c) || is_digit(c) || (c == '_' && labels > 1) ||
		           (c == '-' && len > 0)) {
			len++;
		} else {
			return false;
		}
	}
	return labels > 1;
}

bool eval_uri_host(const struct eval_call *call, struct bytes uri, struct bytes *out_host)
{
	static const char *const hostless[] = {"mailto:", "javascript:", "cid:", "file:"};

	for (unsigned i = 0; i < sizeof(hostless) / sizeof(hostless[0]); i++)
		if (bytes_starts_nocase(uri, bytes_text(hostless[i])))
			return false;
	*out_host = host_slice(uri);
	return eval_is_ip4(*out_host) ||
	       (is_name(*out_host) && eval_has_valid_tld(call->ruleset, *out_host));
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
