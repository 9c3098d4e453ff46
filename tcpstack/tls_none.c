/* tls_none.c - tls.h in a build without the library (-Dtls=disabled): no configuration can be made,
 * so that the functions behind it are never reached. */
#include <stdio.h>

#include "base/check.h"
#include "tcpstack/tls.h"
#include "tcpstack/tls_helper.h"

const char *tls_build(void)
{
	return "none";
}

size_t tls_engine_bytes(const struct tls_engine_options *options)
{
	(void)options;
	return 0;
}

struct tls_engine *tls_engine_new(struct arena *arena, const struct tls_engine_options *options,
                                  struct tls_counters *counters)
{
	(void)arena, (void)options, (void)counters;
	return NULL;
}

void tls_engine_free(struct tls_engine *engine)
{
	ASSERT(engine == NULL);
}

void tls_engine_set_time(struct tls_engine *engine, uint64_t unix_ms)
{
	(void)unix_ms;
	ASSERT(engine == NULL);
}

uint32_t tls_engine_connections(const struct tls_engine *engine)
{
	ASSERT(engine == NULL);
	return 0;
}

size_t tls_engine_used(const struct tls_engine *engine, size_t *out_high)
{
	ASSERT(engine == NULL);
	*out_high = 0;
	return 0;
}

void tls_engine_fail_after(struct tls_engine *engine, uint64_t requests)
{
	(void)requests;
	ASSERT(engine == NULL);
}

enum err tls_config_new(const struct tls_config_options *options, uint64_t unix_ms, char *reason,
                        size_t reason_bytes, struct tls_config **out_config)
{
	(void)options, (void)unix_ms, (void)out_config;
	(void)snprintf(reason, reason_bytes, "this program was built without TLS");
	return ERR_UNSUPPORTED;
}

uint32_t tls_config_users(const struct tls_config *config)
{
	ASSERT(config == NULL);
	return 0;
}

void tls_config_free(struct tls_config *config)
{
	ASSERT(config == NULL);
}

struct tls *tls_open(struct tls_engine *engine, struct tls_config *config, struct bytes server_name)
{
	(void)server_name;
	ASSERT(engine == NULL && config == NULL);
	return NULL;
}

void tls_feed(struct tls *tls, struct bytes octets, bool ended)
{
	(void)tls, (void)octets, (void)ended;
	UNREACHABLE();
}

void tls_next(struct tls *tls, struct tls_event *out_event)
{
	(void)tls, (void)out_event;
	UNREACHABLE();
}

void tls_consume(struct tls *tls, size_t bytes)
{
	(void)tls, (void)bytes;
	UNREACHABLE();
}

size_t tls_write(struct tls *tls, struct bytes plaintext)
{
	(void)tls, (void)plaintext;
	UNREACHABLE();
}

struct bytes tls_output(struct tls *tls, size_t sent)
{
	(void)tls, (void)sent;
	UNREACHABLE();
}

bool tls_close(struct tls *tls)
{
	(void)tls;
	UNREACHABLE();
}

void tls_describe(const struct tls *tls, struct tls_info *out_info)
{
	(void)tls, (void)out_info;
	UNREACHABLE();
}

size_t tls_session_save(struct tls *tls, uint8_t *out, size_t bytes_max)
{
	(void)tls, (void)out, (void)bytes_max;
	UNREACHABLE();
}

enum err tls_session_resume(struct tls *tls, struct bytes session)
{
	(void)tls, (void)session;
	UNREACHABLE();
}

void tls_free(struct tls *tls)
{
	ASSERT(tls == NULL);
}

void tls_set_user(struct tls *tls, void *user)
{
	(void)tls, (void)user;
	UNREACHABLE();
}

void *tls_user(const struct tls *tls)
{
	(void)tls;
	UNREACHABLE();
}

size_t tls_helpers_bytes(const struct tls_helpers_options *options)
{
	(void)options;
	return 0;
}

struct tls_helpers *tls_helpers_new(struct arena *arena, const struct tls_helpers_options *options)
{
	(void)arena, (void)options;
	return NULL;
}

bool tls_helper_enter(struct tls_helpers *helpers, uint32_t helper)
{
	(void)helper;
	ASSERT(helpers == NULL);
	return false;
}

uint32_t tls_helper_serve(struct tls_helpers *helpers, uint32_t helper)
{
	(void)helper;
	ASSERT(helpers == NULL);
	return 0;
}

bool tls_helper_waits(const struct tls_helpers *helpers, uint32_t helper)
{
	(void)helper;
	ASSERT(helpers == NULL);
	return false;
}

void tls_helper_leave(struct tls_helpers *helpers, uint32_t helper)
{
	(void)helper;
	ASSERT(helpers == NULL);
}

struct tls *tls_engine_answered(struct tls_engine *engine)
{
	ASSERT(engine == NULL);
	return NULL;
}

bool tls_engine_waits(const struct tls_engine *engine)
{
	ASSERT(engine == NULL);
	return false;
}
