/* client.c - a sending SMTP session towards a backend. */
#include "smtp/client.h"

#include "base/check.h"

void smtp_client_init(struct smtp_client *client, struct smtp_counters *counters)
{
	*client = (struct smtp_client){.counters = counters};
	client->pending[0] = SMTP_CLIENT_GREETING;
	client->pending_count = 1;
}

void smtp_client_restart(struct smtp_client *client)
{
	struct smtp_counters *counters = client->counters;

	ASSERT(client->pending_count == 0 && client->line_len == 0);
	*client = (struct smtp_client){.counters = counters};
}

static bool push_pending(struct smtp_client *client, enum smtp_client_command command)
{
	if (client->pending_count == SMTP_CLIENT_PENDING_MAX)
		return false;
	uint32_t tail = (client->pending_head + client->pending_count) % SMTP_CLIENT_PENDING_MAX;
	client->pending[tail] = (uint8_t)command;
	client->pending_count++;
	return true;
}

static enum smtp_client_command pop_pending(struct smtp_client *client)
{
	ASSERT(client->pending_count > 0);
	enum smtp_client_command command = (enum smtp_client_command)
	                                       client->pending[client->pending_head];
	client->pending_head = (uint8_t)((client->pending_head + 1) % SMTP_CLIENT_PENDING_MAX);
	client->pending_count--;
	return command;
}

static bool is_clean(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < ' ' || text.data[i] == 127)
			return false;
	}
	return true;
}

/* Ends the command line that began at `start`; all or nothing. */
static bool send_line(struct smtp_client *client, enum smtp_client_command command, size_t start,
                      struct buf *out)
{
	struct bytes line = bytes_of(out->data + start, out->len - start);

	if (out->overflow || !is_clean(line) || !buf_put(out, BYTES("\r\n")) ||
	    !push_pending(client, command)) {
		out->len = start;
		return false;
	}
	client->counters->client_commands++;
	return true;
}

bool smtp_client_send_ehlo(struct smtp_client *client, struct bytes hostname, bool helo,
                           struct buf *out)
{
	size_t start = out->len;

	buf_put(out, helo ? BYTES("HELO ") : BYTES("EHLO "));
	buf_put(out, hostname);
	return send_line(client, helo ? SMTP_CLIENT_HELO : SMTP_CLIENT_EHLO, start, out);
}

static bool send_path(struct smtp_client *client, enum smtp_client_command command,
                      struct bytes path, struct bytes parameters, struct buf *out)
{
	size_t start = out->len;

	buf_put(out, command == SMTP_CLIENT_MAIL ? BYTES("MAIL FROM:<") : BYTES("RCPT TO:<"));
	buf_put(out, path);
	buf_put_octet(out, '>');
	if (parameters.len > 0) {
		buf_put_octet(out, ' ');
		buf_put(out, parameters);
	}
	return send_line(client, command, start, out);
}

bool smtp_client_send_mail(struct smtp_client *client, struct bytes path, struct bytes parameters,
                           struct buf *out)
{
	return send_path(client, SMTP_CLIENT_MAIL, path, parameters, out);
}

bool smtp_client_send_rcpt(struct smtp_client *client, struct bytes path, struct bytes parameters,
                           struct buf *out)
{
	return send_path(client, SMTP_CLIENT_RCPT, path, parameters, out);
}

bool smtp_client_send_verb(struct smtp_client *client, enum smtp_client_command command,
                           struct buf *out)
{
	static const char *const verb[] = {
	    [SMTP_CLIENT_DATA] = "DATA",         [SMTP_CLIENT_RSET] = "RSET",
	    [SMTP_CLIENT_NOOP] = "NOOP",         [SMTP_CLIENT_QUIT] = "QUIT",
	    [SMTP_CLIENT_STARTTLS] = "STARTTLS",
	};
	size_t start = out->len;

	ASSERT(command < sizeof(verb) / sizeof(verb[0]) && verb[command] != NULL);
	buf_put_text(out, verb[command]);
	return send_line(client, command, start, out);
}

void smtp_client_widen(struct smtp_client *client, uint8_t *wide)
{
	/* What has come of a line goes with it; without room for it the connection is of no use. */
	if (wide != NULL && client->line_len > 0)
		memcpy(wide, client->line, client->line_len);
	else if (client->line_len > 0)
		client->broken = true;
	client->wide = wide;
}

bool smtp_client_send_auth(struct smtp_client *client, enum auth_mechanism mechanism,
                           struct bytes response, struct buf *out)
{
	size_t start = out->len;

	buf_put_text(out, "AUTH ");
	buf_put_text(out, auth_mechanism_text(mechanism));
	if (response.len > 0) {
		buf_put_octet(out, ' ');
		buf_put(out, response);
	}
	return send_line(client, SMTP_CLIENT_AUTH, start, out);
}

bool smtp_client_send_response(struct smtp_client *client, struct bytes response, struct buf *out)
{
	size_t start = out->len;

	buf_put(out, response);
	return send_line(client, SMTP_CLIENT_AUTH, start, out);
}

void smtp_client_sent_dot(struct smtp_client *client)
{
	/* Nothing may be sent behind DATA before its 354, so nothing else can be pending. */
	bool pushed = push_pending(client, SMTP_CLIENT_DOT);
	ASSERT(pushed);
}

uint32_t smtp_client_pending(const struct smtp_client *client)
{
	return client->pending_count;
}

static bool emit_broken(struct smtp_client *client, uint64_t *counter,
                        struct smtp_client_event *out)
{
	(*counter)++;
	client->broken = true;
	*out = (struct smtp_client_event){.kind = SMTP_CLIENT_BROKEN};
	return true;
}

static void clear_extensions(struct smtp_client *client)
{
	client->pipelining = client->eightbitmime = client->size_known = client->enhanced = false;
	client->chunking = client->smtputf8 = client->dsn = client->starttls = false;
	client->size_max = 0;
	client->auth_mechanisms = 0;
}

/* One line of EHLO's reply behind the first: "SIZE 1000" (RFC 5321 4.1.1.1). */
static void note_extension(struct smtp_client *client, struct bytes text)
{
	struct bytes keyword = bytes_slice(text, 0, bytes_find(text, ' '));
	const struct {
		struct bytes keyword;
		bool *flag;
	} known[] = {
	    {BYTES("PIPELINING"), &client->pipelining},
	    {BYTES("8BITMIME"), &client->eightbitmime},
	    {BYTES("SIZE"), &client->size_known},
	    {BYTES("CHUNKING"), &client->chunking},
	    {BYTES("ENHANCEDSTATUSCODES"), &client->enhanced},
	    {BYTES("SMTPUTF8"), &client->smtputf8},
	    {BYTES("DSN"), &client->dsn},
	    {BYTES("STARTTLS"), &client->starttls},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (bytes_equal_nocase(keyword, known[i].keyword))
			*known[i].flag = true;
	}
	if (bytes_equal_nocase(keyword, BYTES("AUTH")))
		client->auth_mechanisms = (uint16_t)auth_mechanisms_of(
		    bytes_slice(text, keyword.len + 1, text.len));
	if (bytes_equal_nocase(keyword, BYTES("SIZE"))) {
		/* No value, and one that cannot be read, is no fixed bound. */
		struct bytes value = bytes_trim(bytes_slice(text, keyword.len, text.len));
		if (!bytes_to_u64(value, UINT64_MAX, &client->size_max))
			client->size_max = 0;
	}
}

/* The same text goes on each line of many a reply; an enhanced code is kept of the first line only.
 */
static void add_text(struct smtp_client *client, struct bytes text)
{
	struct buf joined = buf_over(client->text, sizeof(client->text));

	joined.len = client->text_len;
	if (joined.len > 0 && text.len > 0)
		buf_put_octet(&joined, ' ');
	buf_put(&joined, bytes_slice(text, 0, joined.bytes_max - joined.len));
	client->text_len = (uint16_t)joined.len;
}

static bool parse_code(struct bytes line, uint16_t *out_code)
{
	if (line.len < 3 || line.data[0] < '2' || line.data[0] > '5')
		return false;
	for (size_t i = 1; i < 3; i++) {
		if (line.data[i] < '0' || line.data[i] > '9')
			return false;
	}
	if (line.len > 3 && line.data[3] != ' ' && line.data[3] != '-')
		return false;
	*out_code = (uint16_t)((line.data[0] - '0') * 100 + (line.data[1] - '0') * 10 +
	                       (line.data[2] - '0'));
	return true;
}

static void count_reply(struct smtp_client *client)
{
	client->counters->client_replies++;
	client->counters->client_replies_deferred += client->reply_code / 100 == 4;
	client->counters->client_replies_refused += client->reply_code / 100 == 5;
}

/* RFC 5321 3.8 lets a server say 421 at any time before it closes. */
static bool emit_unasked(struct smtp_client *client, struct smtp_client_event *out)
{
	emit_broken(client, &client->counters->client_reply_unasked, out);
	if (client->reply_code == 421) {
		out->code = 421;
		out->text = bytes_of(client->text, client->text_len);
	}
	return true;
}

/* RFC 5321 4.3.2: 3xx asks for more, which only DATA and AUTH offer, and to DATA 2xx would say that
 * a message nobody has sent was taken. Who answers so is out of step: its next word may be believed
 * for another command than it was meant for. */
static bool reply_fits(const struct smtp_client *client)
{
	enum smtp_client_command command = client->pending[client->pending_head];
	uint16_t wanted = command == SMTP_CLIENT_DATA ? 3 : 2, class = client->reply_code / 100;

	if (command == SMTP_CLIENT_AUTH)
		return client->reply_code == 235 || class >= 4; /* 334: see emit_challenge */
	return class == wanted || class >= 4;
}

static bool emit_reply(struct smtp_client *client, struct smtp_client_event *out)
{
	client->reply_lines = 0;
	if (client->pending_count == 0)
		return emit_unasked(client, out);
	if (!reply_fits(client))
		return emit_broken(client, &client->counters->client_reply_unfitting, out);
	count_reply(client);
	*out = (struct smtp_client_event){.kind = SMTP_CLIENT_REPLY,
	                                  .command = pop_pending(client),
	                                  .code = client->reply_code,
	                                  .text = bytes_of(client->text, client->text_len)};
	return true;
}

static bool answers(const struct smtp_client *client, enum smtp_client_command command)
{
	return client->pending_count > 0 && client->pending[client->pending_head] == command;
}

/* One line, and nothing but base64 in it: what is relayed to a client can be nothing else. */
static bool emit_challenge(struct smtp_client *client, struct bytes text,
                           struct smtp_client_event *out)
{
	client->reply_lines = 0;
	if (!auth_is_base64(text))
		return emit_broken(client, &client->counters->client_challenge_malformed, out);
	count_reply(client);
	*out = (struct smtp_client_event){.kind = SMTP_CLIENT_REPLY,
	                                  .command = pop_pending(client),
	                                  .code = client->reply_code,
	                                  .text = text};
	return true;
}

/* One line of a reply, without its CRLF. True when *out is an event. */
static bool take_line(struct smtp_client *client, struct bytes line, struct smtp_client_event *out)
{
	uint16_t code = 0;

	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] == '\r' || line.data[i] == '\n' || line.data[i] == '\0')
			return emit_broken(client, &client->counters->client_reply_malformed, out);
	}
	if (!parse_code(line, &code))
		return emit_broken(client, &client->counters->client_reply_malformed, out);
	if (client->reply_lines == 0) {
		client->text_len = 0;
		if (answers(client, SMTP_CLIENT_EHLO))
			clear_extensions(client);
	}
	if (++client->reply_lines > SMTP_REPLY_LINES_MAX)
		return emit_broken(client, &client->counters->client_reply_too_long, out);

	struct bytes text = bytes_slice(line, 4, line.len);
	client->reply_code = code; /* lines should agree; the last one decides */
	if (code == 334 && client->reply_lines == 1 && answers(client, SMTP_CLIENT_AUTH) &&
	    (line.len == 3 || line.data[3] == ' '))
		return emit_challenge(client, text, out);
	add_text(client, text);
	if (answers(client, SMTP_CLIENT_EHLO) && client->reply_lines > 1 && code == 250)
		note_extension(client, text);
	if (line.len > 3 && line.data[3] == '-')
		return false;
	return emit_reply(client, out);
}

/* What stands behind the 220 in the clear would be taken for replies given inside TLS. */
static bool is_injected(const struct smtp_client_event *event, struct bytes input)
{
	return event->kind == SMTP_CLIENT_REPLY && event->command == SMTP_CLIENT_STARTTLS &&
	       event->code / 100 == 2 && input.len > 0;
}

static size_t line_room(const struct smtp_client *client)
{
	return client->wide != NULL ? SMTP_AUTH_LINE_BYTES_MAX : sizeof(client->line);
}

bool smtp_client_next(struct smtp_client *client, struct bytes *input,
                      struct smtp_client_event *out_event)
{
	*out_event = (struct smtp_client_event){.kind = SMTP_CLIENT_NONE};
	while (input->len > 0 && !client->broken) {
		uint8_t *store = client->wide != NULL ? client->wide : client->line;
		uint8_t octet = input->data[0];
		bool ends = octet == '\n' && client->line_len > 0 &&
		            store[client->line_len - 1] == '\r';
		*input = bytes_slice(*input, 1, input->len);
		if (!ends && client->line_len == line_room(client))
			return emit_broken(client, &client->counters->client_reply_too_long,
			                   out_event);
		if (!ends) {
			store[client->line_len++] = octet;
			continue;
		}
		struct bytes line = bytes_of(store, client->line_len - 1u);
		client->line_len = 0;
		if (!take_line(client, line, out_event))
			continue;
		if (is_injected(out_event, *input))
			return emit_broken(client, &client->counters->client_starttls_injected,
			                   out_event);
		return true;
	}
	if (client->broken)
		*input = bytes_slice(*input, input->len, 0);
	return false;
}
