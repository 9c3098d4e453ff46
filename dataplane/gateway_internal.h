/* gateway_internal.h - what the gateway's files share: sessions, mails, backends, and who calls
 * whom.
 *
 *   gateway.c   a turn: ready connections, timers, the judging queue
 *   leg_tls.c   either side inside TLS: plaintext in and out, handshakes in turns
 *   session.c   the client's side: sessions begin, read, and end
 *   session_event.c  events of smtp/server.h become replies and steps of a mail
 *   mail.c      a transaction on its way: MAIL and RCPT put to the backend, body held
 *   judge.c     body to texts to verdict
 *   await.c     what the network says: asked through management, waited for
 *   shadow.c    what it would have been under the rules that are tried
 *   results.c   Authentication-Results: ours written, forged ones taken out
 *   relay.c     commit: DATA, headers, held octets, the dot, the backend's reply
 *   login.c     AUTH relayed to a backend, on a connection of the session's own
 *   backend.c   pool of connections to backends and their replies
 *   report.c    events for management
 *   budget.c    how long a client may take, how much it may ask for without a message
 *   shed.c      who goes first when room runs out
 *
 * A session lives from accept to close; a mail from MAIL to its answer; a backend connection longer
 * than both. A mail may outlive its session: once the final dot is with the backend its answer is
 * awaited and recorded.
 */
#ifndef DATAPLANE_GATEWAY_INTERNAL_H
#define DATAPLANE_GATEWAY_INTERNAL_H

#include <assert.h>

#include "base/event.h"
#include "base/pool.h"
#include "base/timer.h"
#include "classifier/classifier.h"
#include "dataplane/gateway.h"
#include "dataplane/inquiry.h"
#include "dataplane/leg.h"
#include "dataplane/source_table.h"
#include "dataplane/tls_setup.h"
#include "smtp/client.h"
#include "smtp/normalise.h"
#include "smtp/server.h"
#include "smtp/transaction.h"
#include "tcpstack/tcp.h"

struct mail;
struct backend;
struct login;
struct login_source;

enum session_state {
	SESSION_OPEN,    /* greeted, commands are read */
	SESSION_REFUSED, /* greeted with 554: only QUIT is served */
	SESSION_CLOSING, /* last reply written; waiting for it to be acknowledged */
};

/* A million of them idle: what the connection or the mail knows is not kept here again. */
struct session {
	struct leg leg; /* first */
	uint32_t message_count : 20;
	uint32_t banner_bytes : 12;
	uint16_t junk_count;
	uint8_t state;     /* enum session_state */
	bool heard : 1;    /* the peer has sent something */
	bool stepping : 1; /* session_step() is on the stack: no second one on top */
	bool armed : 1;    /* the wheel holds a deadline of it, armed_ms */
	bool progress : 1; /* a whole command, or enough of a body, came in this step */
	/* When its patience ends, and when the wheel looks after it: not later. */
	uint32_t deadline_ms, armed_ms;
	uint32_t touched_ms; /* of its last progress, or when it was told to go */
	uint32_t phase_ms;   /* when its command phase began */
	struct smtp_server server;
	struct mail *mail;
	struct login *login; /* NULL: AUTH has not been said, or failed */
	char helo[56];       /* NUL-terminated, cut */
};
static_assert(sizeof(struct session) <= 192, "three cache lines");
static_assert(SMTP_REPLY_LINE_BYTES_MAX < 1 << 12, "banner_bytes holds a reply");

#define AWAITED_MAX 256 /* questions one message waits for */

#define MAIL_SIGNATURES_MAX 4 /* of a message, that our Authentication-Results tells of */

struct mail_signature {
	const char *result; /* as RFC 8601 2.7.1 has them */
	bool is_test;
	uint16_t domain_bytes, selector_bytes;
	char domain[QUESTION_NAME_BYTES], selector[QUESTION_NAME_BYTES];
};

enum mail_phase {
	MAIL_ENVELOPE, /* MAIL accepted, recipients coming */
	MAIL_BODY,     /* 354 sent, octets are held */
	MAIL_JUDGE,    /* queued for its verdict */
	MAIL_DATA,     /* DATA sent to the backend, its 354 awaited */
	MAIL_SEND,     /* headers and body on their way */
	MAIL_DOT,      /* the dot has been written, the backend's word awaited */
	MAIL_DISCARD,  /* answer known; the rest of the body is swallowed */
};

struct mail {
	struct session *session;                /* NULL: the client has gone */
	struct backend *backend;                /* leased; NULL before RCPT and after RSET */
	struct mail *queue_next;                /* judging queue or backend queue */
	struct mail *queue_before;              /* backend queue */
	struct rules_view *rules;               /* pinned from DATA on; NULL before */
	struct mail *await_next, *await_before; /* while it waits for answers; since await_us */
	uint64_t await_us;                      /* 0: it has not waited */
	uint16_t await_count;                   /* of awaited[] */
	enum mail_phase phase;
	bool body_complete; /* the final dot has come */
	bool streaming;     /* over hold_bytes_max: verdict on the beginning */
	bool judged;
	bool wait_backend; /* in the backend queue */
	bool client_asked; /* about, of the network */
	bool room_made;    /* somebody has been shed for it */
	bool backend_dead; /* lost, and recipients accepted on it are void: 451 for what comes */
	bool mail_sent, mail_refused;
	bool retried;
	bool trace_written;
	bool signatures_known; /* signature[] is what came of those of DKIM, or that there are none
	                        */
	uint8_t signature_count;
	uint8_t arc_sets;
	const char *arc_result, *dmarc_result; /* likewise; NULL: nobody knows */
	const char *dmarc_policy;              /* that of the domain; NULL: it has none */
	bool policy_known;            /* `policy` is that of the recipients put to the backend */
	uint32_t policy;              /* of their domains */
	struct verdict_policy limits; /* what the verdict was made by */
	uint16_t rcpt_sent, rcpt_answered;
	uint16_t mail_code;
	uint64_t id;
	uint64_t start_us, data_us, dot_us, commit_us;
	uint64_t budget_due_us;   /* when the credit of body octets is used up */
	uint64_t budget_heard_us; /* when the last of them came */
	uint32_t quantum_bytes;   /* of body since the last progress */
	bool awaits;              /* in the list of those that wait for answers */
	bool shut;                /* no body is let in now: its slowness is ours */
	struct pkt_chain held; /* raw octets, dot-stuffed; with the final ".CRLF" once complete */
	uint64_t body_bytes;
	enum verdict verdict;
	struct event event; /* once judged with its points and rules */
	char mail_text[160];
	struct transaction transaction; /* large, and little of it is used */
	/* Not touched by most: */
	struct mail_signature signature[MAIL_SIGNATURES_MAX];
	uint16_t author_bytes;
	char author[QUESTION_NAME_BYTES]; /* its domain, with dmarc_result */
	struct inquiry_ref awaited[AWAITED_MAX];
	char discard_text[SMTP_REPLY_LINE_BYTES_MAX]; /* the whole reply line that waits for the end
	                                                 of the body */
};

enum backend_state {
	BACKEND_CONNECTING,
	BACKEND_GREETING,
	BACKEND_EHLO,
	BACKEND_STARTTLS,  /* said, its answer awaited */
	BACKEND_HANDSHAKE, /* EHLO again behind it */
	BACKEND_IDLE,
	BACKEND_LEASED,
	BACKEND_RESET, /* RSET sent, back to IDLE when answered */
	BACKEND_AUTH,  /* of one login, whose exchange is under way */
	BACKEND_BOUND, /* of one login, between its mails */
	BACKEND_QUIT,
};

struct backend {
	struct leg leg; /* first */
	enum backend_state state;
	uint32_t target; /* index of struct config_backend */
	uint32_t message_count;
	struct mail *mail;
	struct login *login; /* whose it is alone; NULL: nobody's, or his session has ended */
	struct backend *idle_next, *idle_before; /* in its target's list, while idle */
	bool in_data;   /* DATA accepted and the dot not written: only closing aborts */
	bool pooled;    /* has been idle: it may be dead without our knowing */
	bool dedicated; /* AUTH has been said on it: nobody else ever gets it */
	bool failed;    /* the connection is gone; what came before its end is still read */
	bool offered;   /* a saved session of TLS, whose fault a failed handshake may be */
	struct smtp_client client;
};

struct backend_target {
	struct backend *idle;
	uint32_t connection_count; /* in any state */
	uint32_t connecting_count;
	uint32_t failures;
	uint64_t down_until_us;
	uint64_t clear_until_us; /* a handshake failed, and in the clear will do */
	bool known, eightbitmime;
	bool takes_mail, takes_logins; /* of clients without a login; of those with one */
	uint16_t auth_mechanisms;
	uint64_t size_max;
	/* The last session of TLS that it gave us, used once; under which set-up. */
	const struct tls_setup *session_setup;
	size_t session_bytes;
	uint8_t session[TLS_SESSION_BYTES];
};

/* One message being judged by the shadow rules, which outlives its mail. */
struct shadow {
	struct rules_view *view; /* pinned; NULL: there is none */
	struct mail *mail;       /* NULL: it has ended */
	bool begun, rests;
	bool event_kept; /* `event` is that of the mail, which has ended */
	uint32_t policy;
	struct verdict_policy limits;
	enum verdict live_verdict;
	uint64_t took_ns;
	struct endpoint client;
	uint16_t helo_len, sender_len;
	char helo[56];
	char sender[SMTP_PATH_BYTES_MAX];
	struct judgement live, judgement;
	struct mime_counters mime_counters; /* not the mail's */
	struct event event;
};

#define TIMERS_AHEAD 16 /* whose memory is fetched before they are served */

struct gateway {
	struct gateway_config its;
	const struct config *config;
	struct gateway_counters *counters;
	struct smtp_server_limits limits;
	uint64_t now_us, wall_us;
	uint64_t id_count;
	struct pool sessions, mails, backends, lines, leg_tls, logins, exchanges;
	struct login *login_head, *login_tail; /* those that wait for a connection */
	struct login_source *login_sources;    /* NULL: no listener offers AUTH */
	const struct tls_setup *tls;           /* NULL: there is none */
	struct arena tls_arena;                /* the engine's, which its own thread makes */
	struct tls_engine *tls_engine;
	bool tls_tried;
	struct leg_tls *tls_run_head, *tls_run_tail; /* handshakes that have something to do */
	uint64_t tls_credit, tls_credit_us; /* millionths of a handshake; when it was reckoned */
	struct timer_wheel *timers;         /* handles: sessions, then backends */
	uint32_t ahead[TIMERS_AHEAD / 2];   /* those whose sessions were fetched last */
	uint32_t ahead_next;
	struct backend_target target[BACKENDS_MAX];
	uint32_t target_next;
	struct mail *wait_head, *wait_tail;         /* for a backend connection */
	struct mail *judge_head, *judge_tail;       /* for a verdict */
	struct inquiries *inquiries;                /* NULL: nothing is asked of the network */
	struct answers answers;                     /* of them, for rules */
	struct mail *await_head, *await_tail;       /* mails that wait for answers, longest first */
	struct mail *await_look;                    /* next to be looked at since answers came */
	bool await_again;                           /* more came while they are looked at */
	struct mail *judging;                       /* begun and not done; NULL: none */
	struct normalised normalised;               /* of it, */
	struct judgement judgement;                 /* and what was found in it so far */
	struct listed listed;                       /* it */
	uint32_t shed_session_next, shed_mail_next; /* where the next look for somebody begins */
	uint32_t shed_more_slots;    /* that may be looked at in this turn where nobody was found */
	struct source_table sources; /* when sessions are limited by source */
	bool sources_counted;
	uint32_t drain_next; /* while draining: sessions from this index on are still to be told */
	bool more;           /* the last turn left work over */
	uint64_t held_bytes;
	uint32_t held_pkts, held_pkts_max;
	bool draining;
	struct normaliser *normaliser;
	uint8_t
	    *scan_memory; /* scan_bytes_max: the message being judged, contiguous and unstuffed */
	size_t scan_bytes_max, scan_bytes; /* the second: of the message judged last */
	bool scan_cut;                     /* of which there was more */
	struct shadow shadow;
};

/* session.c */
void session_tls_news(struct gateway *g, struct session *s, enum leg_tls_news news);
/* False: there is no session for it, and `conn` has been let go. */
bool session_accept(struct gateway *g, struct tcp_conn *conn);
void session_news(struct gateway *g, struct session *s, uint32_t news);
void session_timeout(struct gateway *g, struct session *s);
/* Reads on: after something the session waited for has been answered. False: the session is over
 * and freed. */
bool session_step(struct gateway *g, struct session *s);
/* Our name on the session's listener: in the banner. */
const char *session_hostname(const struct gateway *g, const struct session *s);
/* The last reply, then the end. */
void session_dismiss(struct gateway *g, struct session *s, enum smtp_reply reply);
/* As above, without a word. */
void session_close(struct gateway *g, struct session *s);
void session_write(struct gateway *g, struct session *s, const struct buf *out);
void session_reply(struct gateway *g, struct session *s, enum smtp_reply reply);
void session_reply_detail(struct gateway *g, struct session *s, enum smtp_reply reply,
                          struct bytes detail);
/* A reply of the backend's, given on: "CODE text". 421 becomes 451: it closes their channel, not
 * ours. */
void session_reply_backend(struct gateway *g, struct session *s, uint16_t code, struct bytes text);
/* The transaction of the session has been answered: its mail is gone, commands are read again. The
 * session may be freed. */
void session_mail_done(struct gateway *g, struct session *s);
/* Room for the body in the client's window. */
void session_window(struct gateway *g, struct session *s);
/* Writes 421 and closes; ends a transaction that is not with the backend yet. */
void session_drain(struct gateway *g, struct session *s);

/* Gives the session up at once: 421, or a reset where what it holds must be free now. */
void session_evict(struct gateway *g, struct session *s, bool hard);

/* session_event.c */
void session_event(struct gateway *g, struct session *s, const struct smtp_event *event);

/* budget.c */
/* Sets the session's deadline for what it is to do next. */
void budget_arm(struct gateway *g, struct session *s);
/* The wheel has looked after the session; true when its deadline has come. */
bool budget_is_due(struct gateway *g, struct session *s);
/* A message's body begins. */
void budget_body_begin(struct gateway *g, struct session *s);
/* Octets of body have come: time is credited for them. */
void budget_body(struct gateway *g, struct session *s, size_t bytes);
/* Our side stops taking body octets, or takes them again: that time is not the client's. */
void budget_body_shut(struct gateway *g, struct session *s, bool shut);
/* A message has been answered: the next command phase begins. */
void budget_renew(struct gateway *g, struct session *s);
/* One command that brings no message nearer. False: it was one too many. */
bool budget_junk(struct gateway *g, struct session *s);
/* The session's time is up: is it its own fault? Then it is counted. */
bool budget_is_over(struct gateway *g, struct session *s);

/* shed.c */
/* Each makes room by giving up one session without progress for long; false when none is met that
 * could be spared. */
bool shed_for_session(struct gateway *g);
bool shed_for_transaction(struct gateway *g);
bool shed_for_line(struct gateway *g);
/* Once a turn: packets, held octets, TCP connections and backend connections. Bounded. */
void shed_run(struct gateway *g);
/* TCP connections or packets are nearly used up: what ends must end by a reset. */
bool shed_is_hard(const struct gateway *g);

/* mail.c */
/* Policy takes mail of its sender inside TLS only, and this is in the clear. */
bool mail_sender_needs_tls(const struct gateway *g, const struct mail *m);
struct mail *mail_begin(struct gateway *g, struct session *s);
/* Puts what is not yet with the backend (MAIL, RCPTs) to it; takes a connection when there is none.
 */
void mail_advance(struct gateway *g, struct mail *m);
void mail_backend_reply(struct gateway *g, struct mail *m, const struct smtp_client_event *event);
/* The backend's connection is gone; `m` no longer has it. */
void mail_backend_lost(struct gateway *g, struct mail *m, bool stale);
/* No backend can be had: every waiting recipient is answered 451. */
void mail_no_backend(struct gateway *g, struct mail *m);
/* The client sends no more of this mail (RSET, EHLO, QUIT, gone). */
void mail_abandon(struct gateway *g, struct mail *m);
/* Gives everything back. */
void mail_end(struct gateway *g, struct mail *m);
void mail_hold(struct gateway *g, struct mail *m, size_t bytes);
void mail_drop_held(struct gateway *g, struct mail *m);
void mail_body_complete(struct gateway *g, struct mail *m);
/* The policy of its recipients' domain under `ruleset` (NULL: none), which may be newer than those
 * its recipients were taken by: the first that was accepted decides. */
uint32_t mail_policy(const struct mail *m, const struct ruleset *ruleset);
/* The answer is known before the body has ended, or at its end: backend gets RSET, client the
 * reply. */
void mail_refuse(struct gateway *g, struct mail *m, enum smtp_reply reply, struct bytes detail);
/* The backend's last word, given on to the client; `backend` has been released or is gone. */
void mail_answer(struct gateway *g, struct mail *m, uint16_t code, struct bytes text);

/* judge.c */
void judge_queue(struct gateway *g, struct mail *m);
/* For what time a message's signatures are read (struct message_facts); 0: nobody asks for them. */
int64_t judge_signatures_at_s(const struct gateway *g, const struct ruleset *ruleset);
/* Judges at most `count_max` mails; true when more wait. */
bool judge_run(struct gateway *g, uint32_t count_max);
void judge_forget(struct gateway *g, struct mail *m);

/* await.c */
bool await_open(struct gateway *g, struct arena *arena);
/* Asks what can be asked when only the client is known; once a mail. */
void await_client(struct gateway *g, struct mail *m);
/* Asks what the rules want to know about the texts. True: answers are waited for, and the mail is
 * queued for its verdict again when they are there, or when their time is over; it does not wait
 * twice. */
bool await_begin(struct gateway *g, struct mail *m, const struct texts *texts);
void await_forget(struct gateway *g, struct mail *m);
/* Takes answers, and queues mails that have them or have waited long enough. */
void await_run(struct gateway *g);
/* When a turn is over: management is told. */
void await_tell(struct gateway *g);
/* Answers may come without a frame. UINT64_MAX: none is waited for. */
uint64_t await_next_us(const struct gateway *g);

/* shadow.c */
/* The mail has been judged: it is to be judged by the shadow rules too, if there are any and it is
 * chosen. What that takes is copied; the octets in g->scan_memory must stay. */
void shadow_begin(struct gateway *g, struct mail *m);
bool shadow_is_busy(const struct gateway *g);
/* It is time for a slice: the mail has ended, or the next one waits for its verdict. */
bool shadow_is_due(const struct gateway *g);
/* The mail has ended in this turn: its answer leaves before a slice begins. Says so once. */
bool shadow_rests(struct gateway *g);
/* One slice. False when it needs another. */
bool shadow_slice(struct gateway *g);
/* The mail's event is complete. True: it is kept until the shadow rules are through, and recorded
 * then. */
bool shadow_keeps_event(struct gateway *g, const struct mail *m);
void shadow_mail_ended(struct gateway *g, const struct mail *m);
/* Records what is kept. */
void shadow_close(struct gateway *g);

/* login.c */
size_t logins_bytes(const struct config *config);
enum err logins_open(struct gateway *g, struct arena *arena);
/* AUTH was said: what it takes is copied. Its octets are consumed before login_go(). */
void login_begin(struct gateway *g, struct session *s, struct bytes response);
/* The client has answered a challenge. */
void login_respond(struct gateway *g, struct session *s, struct bytes response);
/* The line of `kind` (AUTH, AUTH_RESPONSE, AUTH_CANCEL with its `reply`) has been consumed. */
void login_go(struct gateway *g, struct session *s, enum smtp_event_kind kind,
              enum smtp_reply reply);
/* The session ends, or its AUTH has failed: the connection is given up. */
void login_end(struct gateway *g, struct session *s);
/* No backend can be had, or not in time: 454. The session may be freed. */
void login_no_backend(struct gateway *g, struct session *s);
bool login_waits(const struct session *s);    /* for a connection */
bool login_is_lost(const struct session *s);  /* its connection is gone */
bool login_is_asked(const struct session *s); /* it is the client's turn in its exchange */
/* Where a response is collected; NULL: no exchange is under way. */
uint8_t *login_line_store(const struct session *s);
struct backend *login_backend(const struct session *s);
struct session *login_session(const struct login *login);
enum auth_mechanism login_mechanism(const struct login *login);
const char *login_user(const struct login *login);
/* The first that waits for a backend with one of `mechanisms`, and what it gets. */
struct login *login_next(struct gateway *g, uint32_t mechanisms);
void login_take(struct gateway *g, struct login *login, struct backend *b);
void login_backend_reply(struct gateway *g, struct login *login,
                         const struct smtp_client_event *event);
/* `stale`: a connection of the pool that may have been dead before. The session may be freed. */
void login_backend_lost(struct gateway *g, struct login *login, bool stale);

/* results.c */
#define RESULTS_BYTES_MAX 2048 /* of our Authentication-Results */
/* Before commit: takes out of the held octets what others wrote in our name. False: it must be
 * refused with *out_reply. */
bool results_clean(struct gateway *g, struct mail *m, enum smtp_reply *out_reply);
/* At commit, while the texts are the mail's: keeps what is told of its signatures. */
void results_note(const struct gateway *g, struct mail *m);
/* Our Authentication-Results, if there is to be one; `out` has RESULTS_BYTES_MAX left. */
void results_write(struct gateway *g, const struct mail *m, struct buf *out);

/* relay.c */
void relay_commit(struct gateway *g, struct mail *m);
void relay_backend_reply(struct gateway *g, struct mail *m, const struct smtp_client_event *event);
void relay_send(struct gateway *g, struct mail *m);

/* backend.c */
void backend_tls_news(struct gateway *g, struct backend *b, enum leg_tls_news news);
/* Clients are offered what every backend known so far can do. */
void backends_offer(struct gateway *g);
/* No backend is known to take logins: those that might are asked, if nobody is yet. */
void backends_probe(struct gateway *g);
void backends_start(struct gateway *g);
void backend_news(struct gateway *g, struct backend *b, uint32_t news);
void backend_timeout(struct gateway *g, struct backend *b);
/* A ready connection for `m`: now (true), or later, when mail_advance() is called, or
 * mail_no_backend(). */
bool backend_lease(struct gateway *g, struct mail *m);
/* Mails wait, and every connection that could be had is leased. */
bool backends_exhausted(const struct gateway *g);
void backend_forget_waiting(struct gateway *g, struct mail *m);
/* The transaction on it is over and the backend knows it, or gets RSET when `reset`. */
void backend_release(struct gateway *g, struct backend *b, bool reset);
/* Closes without a word: the only way out of DATA. */
void backend_abort(struct gateway *g, struct backend *b);
/* A connection for a login that has joined the queue: now, or later by login_take(). False: none
 * can be had. */
bool backend_seek(struct gateway *g, struct login *login);
/* Its login has ended: it takes its leave, after the mail that may still be on it. */
void backend_unbind(struct gateway *g, struct backend *b);
void backend_arm(struct gateway *g, struct backend *b, uint32_t timeout_ms);
bool backend_write(struct gateway *g, struct backend *b, const struct buf *commands);

/* report.c */
uint64_t report_id(struct gateway *g);
void report_push(struct gateway *g, const struct event *event);
void report_mail(struct gateway *g, struct mail *m, enum event_kind kind, enum event_stage stage);
void report_note_backend(struct gateway *g, struct mail *m);
void report_refused(struct gateway *g, const struct session *s, enum smtp_reply reply, uint64_t id,
                    const char *detail);

/* Of deadlines in sessions: differences are good for three weeks. */
static inline uint32_t gateway_now_ms(const struct gateway *g)
{
	return (uint32_t)(g->now_us / 1000);
}

static inline uint32_t gateway_since_us(const struct gateway *g, uint64_t from_us)
{
	return from_us == 0 ? 0 : (uint32_t)(g->now_us - from_us);
}

#endif
