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
#define STEPS_MAX     100000
#define WIRE_BYTES    65536
#define NOW_MS        UINT64_C(1800000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_engine *engine;
static struct tls_counters counters;
static struct random numbers;
static struct tls_config *configs[2][2]; /* by role, by version */

static void draw(void *context, uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)random_u64(context);
}

static struct tls_config *configure(enum tls_role role, enum tls_version version)
{
	struct tls_identity identity = {BYTES(MX_ECDSA_PEM), BYTES(MX_ECDSA_KEY_PEM)};
	struct tls_ticket_key key = {"fuzz...", {7}};
	struct tls_config_options options;
	struct tls_config *config = NULL;
	char reason[128];

	tls_config_defaults(&options, role);
	options.version_min = options.version_max = version;
	options.verify = TLS_VERIFY_OPTIONAL;
	options.ca_pem = BYTES(TEST_ROOT_PEM);
	if (role == TLS_SERVER) {
		options.identities = &identity;
		options.identity_count = 1;
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
	for (int role = 0; role < 2; role++)
		for (int version = 0; version < 2; version++)
			tls_config_free(configs[role][version]);
	tls_engine_free(engine);
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
	for (int role = 0; role < 2; role++)
		for (int version = 0; version < 2; version++)
			configs[role][version] = configure((enum tls_role)role,
			                                   (enum tls_version)version);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct side a, b;
	size_t high;

	open_once();
	if (size < 1 || size > WIRE_BYTES)
		return 0;
	int role = (data[0] & CHOICE_CLIENT) == 0, version = (data[0] & CHOICE_1_2) == 0;
	size_t shown_max = data[0] & CHOICE_SMALL ? 7 : SIZE_MAX;
	size_t used = tls_engine_used(engine, &high);
	struct bytes name = role == TLS_CLIENT ? BYTES("mx.postern.test") : (struct bytes){0};

	random_seed(&numbers, 1);
	memset(&a, 0, sizeof(a));
	a.tls = tls_open(engine, configs[role][version], name);
	ASSERT(a.tls != NULL);
	if (data[0] & CHOICE_DAMAGE) {
		memset(&b, 0, sizeof(b));
		name = role == TLS_SERVER ? BYTES("mx.postern.test") : (struct bytes){0};
		b.tls = tls_open(engine, configs[!role][version], name);
		ASSERT(b.tls != NULL);
		run_pair(&a, &b, bytes_of(data + 1, size - 1), shown_max);
		tls_free(b.tls);
	} else {
		run_alone(&a, bytes_of(data + 1, size - 1), shown_max);
	}
	tls_free(a.tls);
	ASSERT(tls_engine_used(engine, &high) == used);
	return 0;
}
