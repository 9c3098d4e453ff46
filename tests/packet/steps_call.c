/* steps_call.c - what the user does, and is told. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

#define TRANSFER_BYTES_MAX (1 << 20)

static const struct {
	const char *name;
	int number;
} errors[] = {
#define NAME(error) \
	{ \
#error, error \
	}
    NAME(EAGAIN),        NAME(EPIPE),       NAME(ECONNRESET),  NAME(ECONNREFUSED), NAME(ETIMEDOUT),
    NAME(EBADF),         NAME(EINVAL),      NAME(ENOTCONN),    NAME(EHOSTUNREACH), NAME(EADDRINUSE),
    NAME(EADDRNOTAVAIL), NAME(ENETUNREACH), NAME(ENOPROTOOPT), NAME(EACCES),
};
#define ERRORS (sizeof(errors) / sizeof(errors[0]))

static const char *error_name(int64_t result)
{
	for (size_t i = 0; i < ERRORS; i++)
		if (errors[i].number == -result)
			return errors[i].name;
	return "";
}

/* Is `result` what stands behind "="? Without one it must not be an error. */
static bool check_result(struct script *script, int64_t result)
{
	const char *expected = NULL;

	for (int i = 1; i + 1 < script->count; i++)
		if (strcmp(script->words[i], "=") == 0)
			expected = script->words[i + 1];
	if (expected == NULL)
		return result >= 0 ||
		       script_fail(script, "fails with %s (%ld)", error_name(result), (long)result);
	if (*expected >= '0' && *expected <= '9')
		return result == strtol(expected, NULL, 10) ||
		       script_fail(script, "result is %ld %s", (long)result, error_name(result));
	return (result < 0 && strcmp(error_name(result), expected) == 0) ||
	       script_fail(script, "result is %ld %s", (long)result, error_name(result));
}

void script_address(const struct script *script, bool peer, uint16_t port,
                    struct sockaddr_storage *out_address)
{
	struct sockaddr_in ip4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(out_address, 0, sizeof(*out_address));
	inet_pton(AF_INET, peer ? PACKET_PEER4 : PACKET_LOCAL4, &ip4.sin_addr);
	inet_pton(AF_INET6, peer ? PACKET_PEER6 : PACKET_LOCAL6, &ip6.sin6_addr);
	if (script->ip6)
		memcpy(out_address, &ip6, sizeof(ip6));
	else
		memcpy(out_address, &ip4, sizeof(ip4));
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
	struct sockaddr_in ip4;

	memcpy(&ip4, address, sizeof(ip4)); /* both families have it in the same place */
	return ntohs(ip4.sin_port);
}

bool step_listen(struct script *script)
{
	struct sockaddr_storage local;
	int result;

	script_address(script, false, script->local_port, &local);
	result = pc_listen((const struct sockaddr *)&local, 16);
	if (result > 0)
		script->listener = result;
	return check_result(script, result);
}

bool step_accept(struct script *script)
{
	struct sockaddr_storage peer;
	int result = pc_accept(script->listener, &peer);

	if (result > 0) {
		if (port_of(&peer) != script->flow->peer_port)
			return script_fail(script, "it is port %u", port_of(&peer));
		script->flow->conn = result;
		script->flow->read_at = script->flow->write_at = 1;
	}
	return check_result(script, result);
}

/* Another host than the script's peer. */
static bool address_from(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in ip4 = {.sin_family = AF_INET, .sin_port = htons(25)};
	struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = htons(25)};

	if (inet_pton(AF_INET, text, &ip4.sin_addr) == 1)
		memcpy(address, &ip4, sizeof(ip4));
	else if (inet_pton(AF_INET6, text, &ip6.sin6_addr) == 1)
		memcpy(address, &ip6, sizeof(ip6));
	else
		return false;
	return true;
}

bool step_connect(struct script *script)
{
	struct sockaddr_storage local, remote;
	int64_t from;
	int result;

	if (!script_number(script, "from", 0, &from))
		return false;
	script_address(script, false, (uint16_t)from, &local);
	script_address(script, true, script->flow->peer_port, &remote);
	for (int i = 1; i + 1 < script->count; i++)
		if (strcmp(script->words[i], "to") == 0 &&
		    !address_from(script->words[i + 1], &remote))
			return script_fail(script, "no address: %s", script->words[i + 1]);
	result = pc_connect(from != 0 ? (const struct sockaddr *)&local : NULL,
	                    (const struct sockaddr *)&remote);
	if (result > 0) {
		script->flow->conn = result;
		script->flow->read_at = script->flow->write_at = 1;
		script->flow->know_isn = false;
		if (pc_local(result, &local) != 0)
			return script_fail(script, "it has no name");
		script->local_port = port_of(&local);
	}
	return check_result(script, result);
}

bool step_read(struct script *script)
{
	static uint8_t buf[TRANSFER_BYTES_MAX];
	struct flow *flow = script->flow;
	long bytes = script->count > 1 ? strtol(script->words[1], NULL, 10) : 0;
	int64_t result;

	if (bytes < 0 || bytes > TRANSFER_BYTES_MAX)
		return script_fail(script, "too many");
	result = pc_read(flow->conn, buf, (size_t)bytes);
	for (int64_t i = 0; i < result; i++)
		if (buf[i] != script_octet(flow->read_at + (uint32_t)i))
			return script_fail(script, "octet %ld is another", (long)i);
	if (result > 0)
		flow->read_at += (uint32_t)result;
	return check_result(script, result);
}

bool step_write(struct script *script)
{
	static uint8_t buf[TRANSFER_BYTES_MAX];
	struct flow *flow = script->flow;
	long bytes = script->count > 1 ? strtol(script->words[1], NULL, 10) : 0;
	int64_t result;

	if (bytes < 0 || bytes > TRANSFER_BYTES_MAX)
		return script_fail(script, "too many");
	for (long i = 0; i < bytes; i++)
		buf[i] = script_octet(flow->write_at + (uint32_t)i);
	result = pc_write(flow->conn, buf, (size_t)bytes, script_has(script, "more"));
	if (result > 0)
		flow->write_at += (uint32_t)result;
	return check_result(script, result);
}

bool step_shutdown(struct script *script)
{
	const char *how = script->count > 1 ? script->words[1] : "";

	return check_result(script,
	                    pc_shutdown(script->flow->conn, strcmp(how, "rd") == 0   ? SHUT_RD
	                                                    : strcmp(how, "wr") == 0 ? SHUT_WR
	                                                                             : SHUT_RDWR));
}

bool step_close(struct script *script)
{
	int *handle = script_has(script, "listener") ? &script->listener : &script->flow->conn;
	int result = pc_close(*handle);

	*handle = 0;
	return check_result(script, result);
}

bool step_abort(struct script *script)
{
	int result = pc_abort(script->flow->conn);

	script->flow->conn = 0;
	return check_result(script, result);
}

bool step_set(struct script *script)
{
	bool listener = script_has(script, "listener");

	if (script->count < 2)
		return script_fail(script, "set what?");
	return check_result(script, pc_set(listener ? script->listener : script->flow->conn,
	                                   script->words[listener ? 2 : 1]));
}

bool step_poll(struct script *script)
{
	unsigned expected = (script_has(script, "readable") ? PC_READABLE : 0) |
	                    (script_has(script, "writable") ? PC_WRITABLE : 0) |
	                    (script_has(script, "hangup") ? PC_HANGUP : 0) |
	                    (script_has(script, "error") ? PC_ERROR : 0);
	int handle = script_has(script, "listener") ? script->listener : script->flow->conn;
	unsigned bits = pc_poll(handle);

	return bits == expected ||
	       script_fail(script, "%s%s%s%s(%u)", bits & PC_READABLE ? "readable " : "",
	                   bits & PC_WRITABLE ? "writable " : "", bits & PC_HANGUP ? "hangup " : "",
	                   bits & PC_ERROR ? "error " : "", bits);
}

static bool info_field(const struct pc_info *info, const char *name, size_t len, int64_t *out_value)
{
#define FIELD(field) \
	if (strlen(#field) == len && strncmp(name, #field, len) == 0) { \
		*out_value = info->field; \
		return true; \
	}
	FIELD(state)
	FIELD(snd_cwnd)
	FIELD(snd_ssthresh)
	FIELD(snd_mss)
	FIELD(rcv_mss)
	FIELD(rcv_wnd)
	FIELD(snd_wnd)
	FIELD(rtt_us)
	FIELD(rttvar_us)
	FIELD(rto_us)
	FIELD(unacked)
	FIELD(sacked)
	FIELD(lost)
	FIELD(retrans)
	FIELD(reordering)
	FIELD(backoff)
	FIELD(probes)
	FIELD(ca_state)
	return false;
}

bool step_info(struct script *script)
{
	int handle = script_has(script, "listener") ? script->listener : script->flow->conn;
	struct pc_info info;
	int result = pc_info(handle, &info);

	if (result != 0)
		return check_result(script, result);
	for (int i = 1; i < script->count; i++) {
		const char *word = script->words[i];
		size_t len = strcspn(word, "=");
		int64_t value, low, high;
		char *end;

		if (word[len] == '\0')
			continue; /* "listener" */
		if (!info_field(&info, word, len, &value))
			return script_fail(script, "no such field: %s", word);
		low = high = strtol(word + len + 1, &end, 10);
		if (strncmp(end, "..", 2) == 0)
			high = strtol(end + 2, NULL, 10);
		if (value < low || value > high)
			return script_fail(script, "%s: it is %ld", word, (long)value);
	}
	return true;
}
