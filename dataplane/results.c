/* results.c - what we say of a message's authentication, and what nobody else may say in our name
 * (RFC 8601).
 *
 * Whoever reads Authentication-Results behind us believes those that bear our name. So ours goes
 * above each message, and those that a client wrote in that name are taken out first (section 5):
 * out of the held packets, whose octets stay where they are. Fields of other names stay; who
 * believes those knows why.
 */
#include "base/check.h"
#include "base/dkim_question.h"
#include "base/facts.h"
#include "base/relay_trust.h"
#include "base/spf_question.h"
#include "dataplane/gateway_internal.h"
#include "smtp/auth_results.h"
#include "smtp/auth_results_find.h"
#include "smtp/data.h"

#define FIELDS_MAX 32 /* taken out of one message, those that touch being one */
#define NAMES_MAX  (LISTENERS_MAX + 1)

static_assert(6 + MAIL_SIGNATURES_MAX <= AUTH_RESULTS_ROWS_MAX,
              "AUTH, TLS, two of SPF, DMARC, ARC, and signatures");

static bool is_off(const struct gateway *g)
{
	return strcmp(g->config->authserv_id, "off") == 0;
}

/* All names that a field of ours may bear, on whatever listener it was written. */
static uint32_t our_names(const struct gateway *g, struct bytes out_names[NAMES_MAX])
{
	const struct config *config = g->config;
	uint32_t count = 0;

	if (config->authserv_id[0] != '\0') {
		out_names[0] = bytes_text(config->authserv_id);
		return 1;
	}
	out_names[count++] = bytes_text(g->its.hostname);
	for (uint32_t i = 0; i < config->listener_count; i++)
		if (config->listener[i].hostname[0] != '\0')
			out_names[count++] = bytes_text(config->listener[i].hostname);
	return count;
}

/* Its fields came from within the site: the rule files say whom it trusts not to forge any. */
static bool is_trusted(const struct mail *m)
{
	const struct ruleset *ruleset = m->rules->ruleset;
	const struct relay_trust *trust = ruleset != NULL ? ruleset_relay_trust(ruleset) : NULL;
	struct endpoint local, remote;

	if (trust == NULL || !trust->is_configured || m->session->server.authenticated)
		return false;
	tcp_endpoints(m->session->leg.conn, &local, &remote);
	return relay_networks_contain(&trust->trusted, &remote.addr);
}

struct fields {
	struct auth_results_field item[FIELDS_MAX];
	uint32_t count, forged, malformed;
	bool full;
};

static void add_field(struct fields *fields, const struct auth_results_field *field)
{
	struct auth_results_field *last = &fields->item[fields->count];

	fields->forged += !field->malformed;
	fields->malformed += field->malformed;
	if (fields->count > 0 && last[-1].end == field->start)
		last[-1].end = field->end;
	else if (fields->count < FIELDS_MAX)
		fields->item[fields->count++] = *field;
	else
		fields->full = true;
}

/* False: the header section does not end in what is held. */
static bool find_fields(const struct gateway *g, const struct mail *m, struct fields *out_fields)
{
	size_t left = m->held.bytes - (m->body_complete ? DATA_TERMINATOR_BYTES : 0);
	struct bytes names[NAMES_MAX];
	struct auth_results_find find;
	struct auth_results_field field;

	auth_results_find_init(&find, names, our_names(g, names));
	*out_fields = (struct fields){.count = 0};
	for (const struct pkt *pkt = m->held.head; pkt != NULL && left > 0 && !find.ended;
	     pkt = pkt->next) {
		struct bytes octets = bytes_of(pkt->data, pkt->len < left ? pkt->len : left);

		left -= octets.len;
		while (!out_fields->full && auth_results_find_next(&find, &octets, &field))
			add_field(out_fields, &field);
		if (out_fields->full)
			return true;
	}
	if (!find.ended && !m->body_complete)
		return false;
	if (auth_results_find_end(&find, &field))
		add_field(out_fields, &field);
	return true;
}

static void take_out(struct gateway *g, struct mail *m, const struct fields *fields)
{
	size_t held_bytes = m->held.bytes;
	uint32_t held_count = m->held.count;

	for (uint32_t i = fields->count; i-- > 0;)
		pkt_chain_cut(&m->held, fields->item[i].start,
		              fields->item[i].end - fields->item[i].start);
	g->held_bytes -= held_bytes - m->held.bytes;
	g->held_pkts -= held_count - m->held.count;
	g->counters->results_forged += fields->forged;
	g->counters->results_malformed += fields->malformed;
}

bool results_clean(struct gateway *g, struct mail *m, enum smtp_reply *out_reply)
{
	struct fields fields;

	if (is_off(g) || is_trusted(m))
		return true;
	if (!find_fields(g, m, &fields)) {
		*out_reply = REPLY_HEADER_TOO_BIG;
	} else if (fields.full) {
		*out_reply = REPLY_FORGED_RESULTS;
	} else {
		take_out(g, m, &fields);
		return true;
	}
	g->counters->messages_results_refused++;
	return false;
}

/* ---- what is known, as rows ---- */

/* What management says of a signature that asks; 0: nothing, or not in time. */
static uint32_t value_of(const struct gateway *g, const struct fact_signature *signature)
{
	const struct answer *answer = NULL;

	if (g->inquiries != NULL)
		answer = inquiry_answer(g->inquiries, QUESTION_DKIM,
		                        bytes_of(signature->question, signature->question_bytes),
		                        g->now_us);
	return answer != NULL && answer->result == ANSWER_FOUND ? answer->value : 0;
}

/* Of the one signature, RFC 8601 2.7.1. */
static void note_signature(const struct gateway *g, const struct fact_signature *signature,
                           struct mail_signature *out)
{
	uint32_t value;

	*out = (struct mail_signature){.result = "neutral",
	                               .domain_bytes = signature->domain_bytes,
	                               .selector_bytes = signature->selector_bytes};
	memcpy(out->domain, signature->domain, signature->domain_bytes);
	memcpy(out->selector, signature->selector, signature->selector_bytes);
	if (signature->state == SIGNATURE_BODY)
		out->result = "fail";
	if (signature->state != SIGNATURE_ASK)
		return;
	value = value_of(g, signature);
	switch (value & DKIM_VALUE_VERDICT) {
	case DKIM_VERDICT_PASS:
		out->result = (value & DKIM_VALUE_STRICT) != 0 && signature->identity_below
		                  ? "permerror"
		                  : "pass";
		break;
	case DKIM_VERDICT_FAIL:
		out->result = "fail";
		break;
	case DKIM_VERDICT_PERMERROR:
		out->result = "permerror";
		break;
	default: /* the key's server did not answer, or not in time */
		out->result = "temperror";
		break;
	}
	out->is_test = (value & DKIM_VALUE_TESTING) != 0;
}

/* RFC 8617 5.2: the chain, by the newest message signature and all seals. NULL: some of them nobody
 * has told of. */
static const char *arc_result(const struct gateway *g, const struct fact_arc *arc)
{
	bool open = false;

	switch (arc->state) {
	case ARC_NONE:
		return "none";
	case ARC_INVALID:
		return "fail";
	case ARC_ASK:
		break;
	case ARC_UNKNOWN:
		return NULL;
	}
	for (uint32_t i = 0; i < arc->count; i++) {
		struct mail_signature one;

		note_signature(g, arc->signature[i], &one);
		if (strcmp(one.result, "temperror") == 0)
			open = true;
		else if (strcmp(one.result, "pass") != 0)
			return "fail";
	}
	return open ? NULL : "pass";
}

/* RFC 7489 11.2 */
static void note_dmarc(const struct gateway *g, struct mail *m)
{
	static const char *const findings[] = {[DMARC_FINDING_NONE] = "none",
	                                       [DMARC_FINDING_PASS] = "pass",
	                                       [DMARC_FINDING_FAIL] = "fail",
	                                       [DMARC_FINDING_OPEN] = "temperror",
	                                       [DMARC_FINDING_AUTHORS] = "permerror"};
	static const char *const policies[DMARC_POLICY_COUNT] = {
#define DMARC_POLICY(name, text, meaning) text,
#include "base/dmarc_policies.def"
	};
	struct dmarc_result result;

	m->dmarc_result = m->dmarc_policy = NULL;
	if (g->inquiries == NULL || m->rules->context == NULL ||
	    !classifier_dmarc(m->rules->context, &g->normalised.texts, &result))
		return;
	m->dmarc_result = findings[result.finding];
	if (result.finding == DMARC_FINDING_PASS || result.finding == DMARC_FINDING_FAIL)
		m->dmarc_policy = policies[result.policy];
	m->author_bytes = (uint16_t)(result.author.len <= sizeof(m->author) ? result.author.len
	                                                                    : 0);
	memcpy(m->author, result.author.data, m->author_bytes);
}

void results_note(const struct gateway *g, struct mail *m)
{
	const struct facts *facts = g->normalised.texts.facts;

	if (!is_off(g))
		note_dmarc(g, m);
	if (is_off(g) || facts == NULL || !facts->signatures_known)
		return;
	m->signatures_known = true;
	m->signature_count = 0;
	m->arc_result = arc_result(g, &facts->arc);
	m->arc_sets = (uint8_t)facts->arc.set_count;
	for (uint32_t i = 0; i < facts->signature_count && m->signature_count < MAIL_SIGNATURES_MAX;
	     i++)
		note_signature(g, &facts->signature[i], &m->signature[m->signature_count++]);
}

static uint32_t add_signatures(const struct mail *m, struct auth_results_row *rows)
{
	if (m->signatures_known && m->signature_count == 0) {
		rows[0] = (struct auth_results_row){.method = "dkim", .result = "none"};
		return 1;
	}
	for (uint32_t i = 0; i < m->signature_count; i++) {
		const struct mail_signature *its = &m->signature[i];

		rows[i] = (struct auth_results_row){.method = "dkim", .result = its->result};
		if (its->is_test)
			rows[i].comment = BYTES("test mode");
		rows[i].property[0] = (struct auth_results_property){
		    "header.d", bytes_of(its->domain, its->domain_bytes)};
		rows[i].property[1] = (struct auth_results_property){
		    "header.s", bytes_of(its->selector, its->selector_bytes)};
	}
	return m->signature_count;
}

/* RFC 8601 2.7.2, of the client we speak with: rules asked about it when its first recipient was
 * taken (await.c). False: nobody did, or there is no answer. */
static bool add_spf(const struct gateway *g, const struct spf_request *request,
                    struct auth_results_row *row)
{
	static const char *const texts[SPF_RESULT_COUNT] = {
#define SPF_RESULT(name, text, meaning) text,
#include "base/spf_results.def"
	};
	char text[QUESTION_BYTES];
	size_t len = g->inquiries != NULL ? spf_request_write(request, text, sizeof(text)) : 0;
	const struct answer *answer = len > 0 ? inquiry_answer(g->inquiries, QUESTION_SPF,
	                                                       bytes_of(text, len), g->now_us)
	                                      : NULL;

	if (answer == NULL || answer->result != ANSWER_FOUND || answer->value >= SPF_RESULT_COUNT)
		return false;
	*row = (struct auth_results_row){.method = "spf", .result = texts[answer->value]};
	row->property[0] = request->sender.len > 0
	                       ? (struct auth_results_property){"smtp.mailfrom", request->sender}
	                       : (struct auth_results_property){"smtp.helo", request->helo};
	return true;
}

static uint32_t add_sender(const struct gateway *g, const struct mail *m,
                           struct auth_results_row *rows)
{
	struct endpoint local, remote;
	struct spf_request request = {.helo = bytes_text(m->session->helo)};
	uint32_t count = 0;

	tcp_endpoints(m->session->leg.conn, &local, &remote);
	request.client = remote.addr;
	request.sender = transaction_path_text(&m->transaction, &m->transaction.sender);
	if (request.sender.len > 0)
		count += add_spf(g, &request, &rows[count]);
	request.sender = BYTES("");
	count += add_spf(g, &request, &rows[count]);
	return count;
}

/* RFC 8601 2.7.4. That the backend took the login is why there is one. */
static void add_login(const struct gateway *g, const struct session *s,
                      struct auth_results_row *row)
{
	*row = (struct auth_results_row){
	    .method = "auth",
	    .result = "pass",
	    .comment = bytes_text(auth_mechanism_text(login_mechanism(s->login)))};
	if (g->config->auth_user_in_results)
		row->property[0] = (struct auth_results_property){"smtp.auth",
		                                                  bytes_text(login_user(s->login))};
}

/* No registered method says what a client's TLS was; this is the name that others use, too. */
static void add_tls(const struct tls_info *tls, struct auth_results_row *row)
{
	*row = (struct auth_results_row){.method = "x-tls", .result = "pass"};
	row->property[0] = (struct auth_results_property){"smtp.version", bytes_text(tls->version)};
	row->property[1] = (struct auth_results_property){"smtp.cipher", bytes_text(tls->suite)};
	if (tls->peer_certificate)
		row->property[2] = (struct auth_results_property){
		    "policy.certificate",
		    tls->peer_verified ? BYTES("verified") : BYTES("unverified")};
}

/* RFC 7489 11.2; the policy is told as others tell it. */
static void add_dmarc(const struct mail *m, struct buf *memory, struct auth_results_row *row)
{
	*row = (struct auth_results_row){.method = "dmarc", .result = m->dmarc_result};
	row->property[0] = (struct auth_results_property){"header.from",
	                                                  bytes_of(m->author, m->author_bytes)};
	if (m->dmarc_policy == NULL)
		return;
	buf_clear(memory);
	buf_put_text(memory, "p=");
	buf_put_text(memory, m->dmarc_policy);
	row->comment = buf_bytes(memory);
}

/* RFC 8617 10.1; how many hands it went through is told as others tell it. */
static void add_arc(const struct mail *m, struct buf *memory, struct auth_results_row *row)
{
	*row = (struct auth_results_row){.method = "arc", .result = m->arc_result};
	if (m->arc_sets == 0)
		return;
	buf_clear(memory);
	buf_put_text(memory, "i=");
	buf_put_u64(memory, m->arc_sets);
	row->comment = buf_bytes(memory);
}

/* What the comments of a field are made in. */
struct remarks {
	uint8_t dmarc[32], arc[16];
};

/* What is known of the message, the weightiest first: when there is no room the last ones go. */
static uint32_t gather(struct gateway *g, const struct mail *m, struct remarks *remarks,
                       struct auth_results_row rows[AUTH_RESULTS_ROWS_MAX])
{
	struct buf dmarc = buf_over(remarks->dmarc, sizeof(remarks->dmarc));
	struct buf arc = buf_over(remarks->arc, sizeof(remarks->arc));
	const struct session *s = m->session;
	struct tls_info tls;
	uint32_t count = 0;

	leg_describe(g, &s->leg, &tls);
	if (s->server.authenticated && s->login != NULL)
		add_login(g, s, &rows[count++]);
	if (tls.version[0] != '\0')
		add_tls(&tls, &rows[count++]);
	if (m->dmarc_result != NULL)
		add_dmarc(m, &dmarc, &rows[count++]);
	count += add_sender(g, m, &rows[count]);
	if (m->arc_result != NULL)
		add_arc(m, &arc, &rows[count++]);
	count += add_signatures(m, &rows[count]);
	ASSERT(count <= AUTH_RESULTS_ROWS_MAX);
	return count;
}

void results_write(struct gateway *g, const struct mail *m, struct buf *out)
{
	struct auth_results_row rows[AUTH_RESULTS_ROWS_MAX];
	struct bytes id = bytes_text(g->config->authserv_id);
	struct remarks remarks;
	struct buf field;
	uint32_t count;

	if (is_off(g))
		return;
	if (id.len == 0)
		id = bytes_text(session_hostname(g, m->session));
	ASSERT(out->bytes_max - out->len >= RESULTS_BYTES_MAX);
	field = buf_over(out->data + out->len, RESULTS_BYTES_MAX);
	count = gather(g, m, &remarks, rows);
	while (!auth_results_write(id, rows, count, &field)) {
		ASSERT(count > 0); /* a name fits */
		count--;
		buf_clear(&field);
	}
	out->len += field.len;
}
