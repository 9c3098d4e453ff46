/* tls_engine.c - what the TLS library asks of the world: memory, time, random numbers.
 *
 * The library's hooks are functions of the process without a context, so each thread notes here
 * which memory and which engine it is working with. Nothing is shared between threads. */
#include <pthread.h>

#include <mbedtls/aes.h>
#include <mbedtls/ecp.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <psa/crypto.h>
#include <psa_crypto_core.h>

#include "base/check.h"
#include "base/random.h"
#include "tcpstack/tls_accel.h"
#include "tcpstack/tls_internal.h"

/* Small next to the slabs: PSA's key store, the generator, what one thread needs once. */
#define ENGINE_BASE_BYTES (64 * 1024)

/* PSA's key store: slots in slices, each twice as long as the one before, kept until the end
 * (psa_crypto_slot_management.c). A connection has keys of its handshake and of its session, each
 * way, and one of its own; some more are needed for the moment of a calculation. */
#define KEY_SLICE_FIRST     16
#define KEYS_PER_CONNECTION 5
#define KEYS_BESIDE         64

static __thread struct tls_memory *memory_here;
static __thread struct tls_engine *engine_here;

/* ---- hooks of the library ---- */

static void *hook_calloc(size_t count, size_t size)
{
	size_t bytes;

	if (memory_here == NULL || __builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return tls_memory_take(memory_here, bytes);
}

mbedtls_ms_time_t mbedtls_ms_time(void)
{
	return engine_here == NULL ? 0 : (mbedtls_ms_time_t)engine_here->unix_ms;
}

time_t tls_unix_time(time_t *out_time)
{
	time_t now = (time_t)(mbedtls_ms_time() / 1000);

	if (out_time != NULL)
		*out_time = now;
	return now;
}

/* Days since 1970 to a date of the Gregorian calendar, counted in eras of 400 years that begin on a
 * first of March (Hinnant, 2013). libc's function takes a lock. */
struct tm *mbedtls_platform_gmtime_r(const time_t *time, struct tm *out_tm)
{
	int64_t seconds = *time % 86400;
	int64_t days = *time / 86400 + 719468;
	int64_t era = days / 146097, day = days % 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t of_year = day - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;

	if (*time < 0)
		return NULL;
	*out_tm = (struct tm){
	    .tm_year = (int)(year + era * 400 + (month >= 10) - 1900),
	    .tm_mon = (int)(month < 10 ? month + 2 : month - 10),
	    .tm_mday = (int)(of_year - (153 * month + 2) / 5 + 1),
	    .tm_hour = (int)(seconds / 3600),
	    .tm_min = (int)(seconds / 60 % 60),
	    .tm_sec = (int)(seconds % 60),
	};
	return out_tm;
}

int tls_random(void *context, unsigned char *out, size_t bytes)
{
	struct tls_engine *engine = engine_here;

	(void)context;
	if (engine == NULL) {
		random_os(out, bytes);
		return 0;
	}
	if (engine->random != NULL) {
		engine->random(engine->random_context, out, bytes);
		return 0;
	}
	while (bytes > 0) {
		size_t part = bytes < MBEDTLS_CTR_DRBG_MAX_REQUEST ? bytes
		                                                   : MBEDTLS_CTR_DRBG_MAX_REQUEST;
		int result = mbedtls_ctr_drbg_random(&engine->generator, out, part);
		if (result != 0)
			return result;
		out += part;
		bytes -= part;
	}
	return 0;
}

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context,
                                             uint8_t *out, size_t bytes, size_t *out_len)
{
	(void)context;
	if (tls_random(NULL, out, bytes) != 0)
		return PSA_ERROR_INSUFFICIENT_ENTROPY;
	*out_len = bytes;
	return PSA_SUCCESS;
}

static int seed(void *context, unsigned char *out, size_t bytes)
{
	(void)context;
	random_os(out, bytes);
	return 0;
}

/* ---- this thread's memory and engine ---- */

struct tls_memory *tls_enter(struct tls_memory *memory)
{
	struct tls_memory *before = memory_here;

	memory_here = memory;
	return before;
}

void tls_leave(struct tls_memory *before)
{
	memory_here = before;
}

struct tls_memory *tls_memory_here(void)
{
	return memory_here;
}

struct tls_engine *tls_engine_here(void)
{
	return engine_here;
}

/* The library makes some tables when they are first asked for, and two threads may ask at once:
 * they are asked for here. */
static void open_once(void)
{
	mbedtls_aes_context aes;
	const uint8_t key[16] = {0};

	(void)mbedtls_platform_set_calloc_free(hook_calloc, tls_memory_give);
	(void)mbedtls_ssl_list_ciphersuites();
	(void)mbedtls_ecp_grp_id_list();
	mbedtls_aes_init(&aes);
	(void)mbedtls_aes_setkey_enc(&aes, key, 128);
	mbedtls_aes_free(&aes);
	tls_accel_open_process();
}

void tls_library_open(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	ASSERT(pthread_once(&once, open_once) == 0);
}

/* ---- engines ---- */

const char *tls_build(void)
{
	return tls_accel_name;
}

static size_t keys_max(const struct tls_engine_options *options)
{
	return (size_t)options->connections_max * KEYS_PER_CONNECTION + KEYS_BESIDE;
}

/* Of the slices that are larger than what a connection may ask for. */
static size_t key_store_bytes(const struct tls_engine_options *options)
{
	size_t slots = 0, bytes = 0;

	for (size_t length = KEY_SLICE_FIRST; slots < keys_max(options); length *= 2) {
		size_t its = length * sizeof(psa_key_slot_t);
		bytes += its > TLS_OBJECT_MAX ? tls_memory_takes(its) : 0;
		slots += length;
	}
	return bytes;
}

static size_t memory_bytes(const struct tls_engine_options *options)
{
	if (options->memory_bytes > 0)
		return options->memory_bytes + key_store_bytes(options);
	return (size_t)options->connections_max * TLS_CONNECTION_BYTES + ENGINE_BASE_BYTES +
	       key_store_bytes(options) + TLS_SLAB_OVERHEAD_MAX * TLS_SLAB_BYTES;
}

size_t tls_engine_bytes(const struct tls_engine_options *options)
{
	return memory_bytes(options) + 2 * TLS_SLAB_BYTES + sizeof(struct tls_engine) +
	       options->connections_max * (sizeof(struct tls) + 64 + sizeof(uint32_t)) + 1024;
}

/* The key store takes memory when it is full, for a slice that may be larger than any object a
 * connection can have; so it is filled once, and emptied. A key holds the name of the one before.
 */
static bool open_key_store(size_t keys)
{
	psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
	psa_key_id_t last = 0;
	psa_status_t status = psa_crypto_init();

	psa_set_key_type(&attributes, PSA_KEY_TYPE_RAW_DATA);
	psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_EXPORT);
	for (size_t i = 0; i < keys && status == PSA_SUCCESS; i++) {
		psa_key_id_t before = last;
		status = psa_import_key(&attributes, (const uint8_t *)&before, sizeof(before),
		                        &last);
		if (status != PSA_SUCCESS)
			last = before;
	}
	bool filled = status == PSA_SUCCESS;
	while (last != 0) {
		psa_key_id_t its = last;
		size_t len;
		ASSERT(psa_export_key(its, (uint8_t *)&last, sizeof(last), &len) == PSA_SUCCESS);
		ASSERT(psa_destroy_key(its) == PSA_SUCCESS);
	}
	return filled;
}

/* One exchange with itself in each group that handshakes use: what is done, found and mapped for
 * the first time then took a step of the first handshakes more than a millisecond in all. */
static bool exchange_once(psa_ecc_family_t family, size_t bits)
{
	psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
	uint8_t public[PSA_EXPORT_PUBLIC_KEY_MAX_SIZE],
	    secret[PSA_RAW_KEY_AGREEMENT_OUTPUT_MAX_SIZE];
	psa_key_id_t key = 0;
	size_t public_len, secret_len;

	psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_KEY_PAIR(family));
	psa_set_key_bits(&attributes, bits);
	psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_DERIVE);
	psa_set_key_algorithm(&attributes, PSA_ALG_ECDH);
	psa_status_t status = psa_generate_key(&attributes, &key);
	if (status == PSA_SUCCESS)
		status = psa_export_public_key(key, public, sizeof(public), &public_len);
	if (status == PSA_SUCCESS)
		status = psa_raw_key_agreement(PSA_ALG_ECDH, key, public, public_len, secret,
		                               sizeof(secret), &secret_len);
	ASSERT(key == 0 || psa_destroy_key(key) == PSA_SUCCESS);
	mbedtls_platform_zeroize(secret, sizeof(secret));
	return status == PSA_SUCCESS;
}

bool tls_thread_open(size_t keys)
{
	if (open_key_store(keys) && tls_accel_open_thread() &&
	    exchange_once(PSA_ECC_FAMILY_MONTGOMERY, 255) &&
	    exchange_once(PSA_ECC_FAMILY_SECP_R1, 256))
		return true;
	mbedtls_psa_crypto_free();
	return false;
}

void tls_thread_close(void)
{
	tls_accel_close_thread();
	mbedtls_psa_crypto_free();
}

static bool start(struct tls_engine *engine, size_t keys)
{
	mbedtls_ctr_drbg_init(&engine->generator);
	if (mbedtls_ctr_drbg_seed(&engine->generator, seed, NULL, NULL, 0) != 0)
		return false;
	engine->memory.spans = true;
	bool opened = tls_thread_open(keys);
	engine->memory.spans = false;
	if (opened)
		return true;
	mbedtls_ctr_drbg_free(&engine->generator);
	return false;
}

struct tls_engine *tls_engine_new(struct arena *arena, const struct tls_engine_options *options,
                                  struct tls_counters *counters)
{
	ASSERT(engine_here == NULL);
	ASSERT(options->connections_max > 0);
	tls_library_open();

	struct tls_engine *engine = ARENA_TAKE(arena, 1, struct tls_engine);
	if (engine == NULL || pool_init(&engine->connections, arena, options->connections_max,
	                                sizeof(struct tls), 64) != OK)
		return NULL;
	if (tls_memory_init(&engine->memory, arena, memory_bytes(options)) != OK)
		return NULL;
	engine->counters = counters;
	engine->random = options->random;
	engine->random_context = options->random_context;
	engine->helpers = options->helpers;
	engine->helpers_engine = options->helpers_engine;

	engine_here = engine;
	struct tls_memory *before = tls_enter(&engine->memory);
	bool started = start(engine, keys_max(options));
	tls_leave(before);
	if (!started)
		engine_here = NULL;
	return started ? engine : NULL;
}

void tls_engine_free(struct tls_engine *engine)
{
	if (engine == NULL)
		return;
	ASSERT(engine == engine_here);
	ASSERT(engine->connections.used == 0);
	tls_helper_settle(engine);

	struct tls_memory *before = tls_enter(&engine->memory);
	tls_thread_close();
	mbedtls_ctr_drbg_free(&engine->generator);
	tls_leave(before);
	ASSERT(engine->memory.used == 0);
	engine_here = NULL;
}

void tls_engine_set_time(struct tls_engine *engine, uint64_t unix_ms)
{
	engine->unix_ms = unix_ms;
}

uint32_t tls_engine_connections(const struct tls_engine *engine)
{
	return engine->connections.used;
}

size_t tls_engine_used(const struct tls_engine *engine, size_t *out_high)
{
	*out_high = engine->memory.used_high;
	return engine->memory.used;
}

void tls_engine_fail_after(struct tls_engine *engine, uint64_t requests)
{
	engine->memory.fail_after = requests;
}
