/* config_auth.c - the words of AUTH in a configuration, and whether they fit each other. */
#include <stdio.h>

#include "base/config.h"
#include "base/config_internal.h"

enum auth_listener_mode config_auth_listener_mode(const struct config_listener *listener)
{
	static const char *const words[AUTH_LISTENER_MODE_COUNT] = {"off", "optional", "required"};

	if (listener->auth[0] == '\0')
		return AUTH_LISTENER_OFF;
	return (enum auth_listener_mode)config_word_index(words, AUTH_LISTENER_MODE_COUNT,
	                                                  listener->auth);
}

enum auth_backend_mode config_auth_backend_mode(const struct config_backend *backend)
{
	static const char *const words[AUTH_BACKEND_MODE_COUNT] = {"off", "also", "only"};

	if (backend->auth[0] == '\0')
		return AUTH_BACKEND_OFF;
	return (enum auth_backend_mode)config_word_index(words, AUTH_BACKEND_MODE_COUNT,
	                                                 backend->auth);
}

static bool is_optional(const char *word)
{
	return strcmp(word, "optional") == 0;
}

bool config_auth_in_clear(const struct config_listener *listener)
{
	return is_optional(listener->auth_tls);
}

bool config_auth_told_in_clear(const struct config_backend *backend)
{
	return is_optional(backend->auth_tls) || addr_is_loopback(&backend->remote.addr);
}

bool config_auth_wanted(const struct config *config)
{
	for (uint32_t i = 0; i < config->listener_count; i++)
		if (config_auth_listener_mode(&config->listener[i]) != AUTH_LISTENER_OFF)
			return true;
	return false;
}

static bool is_tls_word(const char *word)
{
	return word[0] == '\0' || is_optional(word) || strcmp(word, "required") == 0;
}

static bool serves(const struct config *config, bool logins)
{
	for (uint32_t i = 0; i < config->backend_count; i++) {
		enum auth_backend_mode mode = config_auth_backend_mode(&config->backend[i]);

		if (mode != (logins ? AUTH_BACKEND_OFF : AUTH_BACKEND_ONLY))
			return true;
	}
	return false;
}

static bool check_listener(const struct config *config, const struct config_listener *listener,
                           char *reason)
{
	enum auth_listener_mode mode = config_auth_listener_mode(listener);
	bool tls = config_tls_listener_mode(config, listener) != TLS_LISTENER_OFF;

	if (mode == AUTH_LISTENER_MODE_COUNT)
		snprintf(reason, TLS_REASON_BYTES,
		         "listeners.%s: auth is \"%.32s\"; give off, optional or required",
		         listener->name, listener->auth);
	else if (!is_tls_word(listener->auth_tls))
		snprintf(reason, TLS_REASON_BYTES,
		         "listeners.%s: auth_tls is \"%.32s\"; give required or optional",
		         listener->name, listener->auth_tls);
	else if (mode != AUTH_LISTENER_OFF && !tls && !config_auth_in_clear(listener))
		snprintf(reason, TLS_REASON_BYTES,
		         "listeners.%s has auth and no TLS; give tls, or auth_tls = optional",
		         listener->name);
	else if (mode != AUTH_LISTENER_OFF && !serves(config, true))
		snprintf(reason, TLS_REASON_BYTES,
		         "listeners.%s has auth and no backend may be told passwords; give one "
		         "auth = also or auth = only",
		         listener->name);
	else if (mode != AUTH_LISTENER_REQUIRED && config->backend_count > 0 &&
	         !serves(config, false))
		snprintf(reason, TLS_REASON_BYTES,
		         "listeners.%s takes mail without a login and every backend has auth = "
		         "only; add one that has not, or give auth = required",
		         listener->name);
	else
		return true;
	return false;
}

static bool check_backend(const struct config_backend *backend, char *reason)
{
	enum auth_backend_mode mode = config_auth_backend_mode(backend);
	enum tls_backend_mode tls = config_tls_backend_mode(backend);

	if (mode == AUTH_BACKEND_MODE_COUNT)
		snprintf(reason, TLS_REASON_BYTES,
		         "backends.%s: auth is \"%.32s\"; give off, also or only", backend->name,
		         backend->auth);
	else if (!is_tls_word(backend->auth_tls))
		snprintf(reason, TLS_REASON_BYTES,
		         "backends.%s: auth_tls is \"%.32s\"; give required or optional",
		         backend->name, backend->auth_tls);
	else if (mode != AUTH_BACKEND_OFF && tls < TLS_BACKEND_REQUIRED &&
	         !config_auth_told_in_clear(backend))
		snprintf(reason, TLS_REASON_BYTES,
		         "backends.%s has auth, and may be spoken to in the clear; give tls = "
		         "required or verify, or auth_tls = optional",
		         backend->name);
	else
		return true;
	return false;
}

bool config_auth_check(const struct config *config, char out_reason[TLS_REASON_BYTES],
                       enum object_kind *out_kind, uint32_t *out_index)
{
	*out_kind = OBJECT_backends;
	for (*out_index = 0; *out_index < config->backend_count; (*out_index)++)
		if (!check_backend(&config->backend[*out_index], out_reason))
			return false;
	*out_kind = OBJECT_listeners;
	for (*out_index = 0; *out_index < config->listener_count; (*out_index)++)
		if (!check_listener(config, &config->listener[*out_index], out_reason))
			return false;
	return true;
}
