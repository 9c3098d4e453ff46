/* fuzz_tls.c - octets of a peer, to a server or a client: no outcome but those of tls.h, no octet
 * taken twice, and all memory comes back.
 *
 * Input: one octet of choices, then what the peer sends; random numbers and time are always the
 * same, so that a recorded peer goes on as far as its octets were answers to ours. With
 * CHOICE_DAMAGE the peer is a real one of ours, and the input changes what passes between the two.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/random.h"
#include "tcpstack/tls.h"
#include "tests/tls_certificates.h"

#define CHOICE_CLIENT 1
#define CHOICE_1_2    2
#define CHOICE_DAMAGE 4
#define CHOICE_SMALL  8 /* fed in small pieces */
#define CHOICE_OTHER \
	16               /* a server with an RSA key that requires certificates, a client with one \
	                  */
#define CHOICE_RESUME 32 /* the client offers a session of a server like this one's */
#define STEPS_MAX     100000
#define WIRE_BYTES    65536
#define NOW_MS        UINT64_C(1800000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_engine *engine;
static struct tls_counters counters;
static struct random numbers;
static struct tls_config *configs[2][2][2];    /* by role, by version, the other ones */
static uint8_t sessions[2][TLS_SESSION_BYTES]; /* by version */
static size_t session_bytes[2];

static void draw(void *context, uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)random_u64(context);
}

static struct tls_config *configure(enum tls_role role, enum tls_version version, bool other)
{
	const struct tls_identity ecdsa = {BYTES(MX_ECDSA_PEM), BYTES(MX_ECDSA_KEY_PEM)},
	                          rsa = {BYTES(MX_RSA_PEM), BYTES(MX_RSA_KEY_PEM)},
	                          shown = {BYTES(CLIENT_ECDSA_PEM), BYTES(CLIENT_ECDSA_KEY_PEM)};
	struct tls_ticket_key key = {"fuzz...", {7}};
	struct tls_config_options options;
	struct tls_config *config = NULL;
	char reason[128];

	tls_config_defaults(&options, role);
	options.version_min = options.version_max = version;
	options.verify = other ? TLS_VERIFY_REQUIRED : TLS_VERIFY_OPTIONAL;
	options.ca_pem = BYTES(TEST_ROOT_PEM);
	options.identities = role == TLS_CLIENT ? &shown : other ? &rsa : &ecdsa;
	options.identity_count = role == TLS_SERVER || other;
	if (role == TLS_SERVER) {
		options.ticket_keys = &key;
		options.ticket_key_count = 1;
	}
	ASSERT(tls_config_new(&options, NOW_MS, reason, sizeof(reason), &config) == OK);
	return config;
}

/* Keys that libcrypto holds are known to the configurations' memory alone, where no leak checker
 * looks. */
static void close_all(void)
{
	for (int i = 0; i < 8; i++)
		tls_config_free(configs[i & 1][i >> 1 & 1][i >> 2]);
	tls_engine_free(engine);
}

struct side {
	struct tls *tls;
	uint8_t wire[WIRE_BYTES]; /* towards it */
	size_t wire_len;
	struct tls_event event;
	bool over;
};

static void put(struct side *to, struct bytes octets)
{
	size_t room = WIRE_BYTES - to->wire_len;

	octets = bytes_slice(octets, 0, room);
	memcpy(to->wire + to->wire_len, octets.data, octets.len);
	to->wire_len += octets.len;
}

/* One step of a side; what it sends goes to `other`, or nowhere. */
static void step(struct side *side, struct side *other, size_t shown_max, bool ended)
{
	size_t shown = side->wire_len < shown_max ? side->wire_len : shown_max;
	uint8_t *copy = malloc(shown > 0 ? shown
	                                 : 1); /* of its exact size: reading past it shows */

	ASSERT(copy != NULL);
	memcpy(copy, side->wire, shown);
	tls_feed(side->tls, bytes_of(copy, shown), ended && shown == side->wire_len);
	tls_next(side->tls, &side->event);
	ASSERT(side->event.taken_bytes <= shown);
	free(copy);
	memmove(side->wire, side->wire + side->event.taken_bytes,
	        side->wire_len - side->event.taken_bytes);
	side->wire_len -= side->event.taken_bytes;
	if (side->event.kind == TLS_DATA)
		tls_consume(side->tls, side->event.data.len / 2 + side->event.data.len % 2);
	if (side->event.kind == TLS_DATA && side->event.data.len <= 1)
		(void)tls_close(side->tls);
	if (side->event.kind == TLS_HANDSHAKE)
		(void)tls_write(side->tls, BYTES("220 ready\r\n"));
	for (struct bytes out = tls_output(side->tls, 0); out.len > 0;) {
		if (other != NULL)
			put(other, out);
		out = tls_output(side->tls, out.len);
	}
	side->over = side->event.kind >= TLS_CLOSED;
}

static void run_alone(struct side *side, struct bytes octets, size_t shown_max)
{
	put(side, octets);
	for (int i = 0; i < STEPS_MAX && !side->over; i++)
		step(side, NULL, shown_max, true);
	ASSERT(side->over); /* after the end something final comes, whatever came before */
}

/* Three octets of input change one of what passes. */
static void run_pair(struct side *a, struct side *b, struct bytes changes, size_t shown_max)
{
	size_t passed = 0;

	for (int i = 0; i < 200 && !(a->over && b->over); i++) {
		struct side *side = i & 1 ? b : a, *other = i & 1 ? a : b;
		if (changes.len >= 3 && side->wire_len > 0) {
			size_t at = (changes.data[0] | (size_t)changes.data[1] << 8) % 1024;
			if (at >= passed && at < passed + side->wire_len) {
				side->wire[at - passed] ^= changes.data[2];
				changes = bytes_slice(changes, 3, changes.len);
			}
			passed += side->wire_len;
		}
		for (int n = 0; n < 64 && !side->over; n++) {
			step(side, other, shown_max, false);
			if (side->event.kind == TLS_MORE && side->wire_len == 0)
				break;
		}
	}
}

/* What a client keeps of a handshake that nobody disturbed. */
static void make_session(enum tls_version version)
{
	static struct side client, server;

	memset(&client, 0, sizeof(client));
	memset(&server, 0, sizeof(server));
	client.tls = tls_open(engine, configs[TLS_CLIENT][version][0], BYTES("mx.postern.test"));
	server.tls = tls_open(engine, configs[TLS_SERVER][version][0], (struct bytes){0});
	ASSERT(client.tls != NULL && server.tls != NULL);
	run_pair(&client, &server, (struct bytes){0}, SIZE_MAX);
	session_bytes[version] = tls_session_save(client.tls, sessions[version],
	                                          sizeof(sessions[version]));
	ASSERT(session_bytes[version] > 0);
	tls_free(client.tls);
	tls_free(server.tls);
}

static void open_once(void)
{
	static struct arena arena;
	struct tls_engine_options options = {
	    .connections_max = 4, .random = draw, .random_context = &numbers};

	if (engine != NULL)
		return;
	random_seed(&numbers, 1);
	ASSERT(arena_init(&arena, tls_engine_bytes(&options), false) == OK);
	engine = tls_engine_new(&arena, &options, &counters);
	ASSERT(engine != NULL);
	tls_engine_set_time(engine, NOW_MS);
	ASSERT(atexit(close_all) == 0);
	for (int i = 0; i < 8; i++)
		configs[i & 1][i >> 1 & 1][i >> 2] = configure(
		    (enum tls_role)(i & 1), (enum tls_version)(i >> 1 & 1), i >> 2);
	make_session(TLS_1_2);
	make_session(TLS_1_3);
}

static struct tls *open_side(int role, uint8_t choices)
{
	int version = (choices & CHOICE_1_2) == 0;
	struct bytes name = role == TLS_CLIENT ? BYTES("mx.postern.test") : (struct bytes){0};
	struct tls *tls = tls_open(engine, configs[role][version][(choices & CHOICE_OTHER) != 0],
	                           name);

	ASSERT(tls != NULL);
	if (role == TLS_CLIENT && (choices & CHOICE_RESUME))
		ASSERT(tls_session_resume(
		           tls, bytes_of(sessions[version], session_bytes[version])) == OK);
	return tls;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct side a, b;
	size_t high;

	open_once();
	if (size < 1 || size > WIRE_BYTES)
		return 0;
	int role = (data[0] & CHOICE_CLIENT) == 0;
	size_t shown_max = data[0] & CHOICE_SMALL ? 7 : SIZE_MAX;
	size_t used = tls_engine_used(engine, &high);

	random_seed(&numbers, 1);
	memset(&a, 0, sizeof(a));
	a.tls = open_side(role, data[0]);
	if (data[0] & CHOICE_DAMAGE) {
		memset(&b, 0, sizeof(b));
		b.tls = open_side(!role, data[0]);
		run_pair(&a, &b, bytes_of(data + 1, size - 1), shown_max);
		tls_free(b.tls);
	} else {
		run_alone(&a, bytes_of(data + 1, size - 1), shown_max);
	}
	tls_free(a.tls);
	ASSERT(tls_engine_used(engine, &high) == used);
	return 0;
}
