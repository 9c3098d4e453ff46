/* config_tls.c - the words of TLS in a configuration, and whether they fit each other. */
#include <stdio.h>

#include "base/config.h"
#include "base/config_internal.h"

uint32_t config_word_index(const char *const *words, uint32_t count, const char *text)
{
	uint32_t i = 0;

	while (i < count && strcmp(words[i], text) != 0)
		i++;
	return i;
}

enum tls_listener_mode config_tls_listener_mode(const struct config *config,
                                                const struct config_listener *listener)
{
	static const char *const words[TLS_LISTENER_MODE_COUNT] = {"off", "starttls", "required",
	                                                           "implicit"};

	if (listener->tls[0] == '\0')
		return config->certificate_count > 0 ? TLS_LISTENER_STARTTLS : TLS_LISTENER_OFF;
	return (enum tls_listener_mode)config_word_index(words, TLS_LISTENER_MODE_COUNT,
	                                                 listener->tls);
}

enum tls_backend_mode config_tls_backend_mode(const struct config_backend *backend)
{
	static const char *const words[TLS_BACKEND_MODE_COUNT] = {"off", "opportunistic",
	                                                          "required", "verify", "implicit"};

	if (backend->tls[0] == '\0')
		return TLS_BACKEND_OFF;
	return (enum tls_backend_mode)config_word_index(words, TLS_BACKEND_MODE_COUNT,
	                                                backend->tls);
}

bool config_tls_backend_verifies(const struct config_backend *backend)
{
	enum tls_backend_mode mode = config_tls_backend_mode(backend);

	return mode == TLS_BACKEND_VERIFY ||
	       (mode == TLS_BACKEND_IMPLICIT &&
	        (backend->tls_pin[0] != '\0' || backend->tls_ca_file[0] != '\0'));
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

bool config_tls_pin(const char *text, uint8_t out_pin[TLS_PIN_BYTES])
{
	uint8_t pin[TLS_PIN_BYTES];

	if (strlen(text) != 2 * TLS_PIN_BYTES)
		return false;
	for (size_t i = 0; i < TLS_PIN_BYTES; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		pin[i] = (uint8_t)(high * 16 + low);
	}
	memcpy(out_pin, pin, sizeof(pin));
	return true;
}

bool config_tls_wanted(const struct config *config)
{
	for (uint32_t i = 0; i < config->listener_count; i++)
		if (config_tls_listener_mode(config, &config->listener[i]) != TLS_LISTENER_OFF)
			return true;
	for (uint32_t i = 0; i < config->backend_count; i++)
		if (config_tls_backend_mode(&config->backend[i]) != TLS_BACKEND_OFF)
			return true;
	return false;
}

static bool is_certificate(const struct config *config, struct bytes name)
{
	for (uint32_t i = 0; i < config->certificate_count; i++)
		if (bytes_equal(bytes_text(config->certificate[i].name), name))
			return true;
	return false;
}

static bool is_client_word(const char *word)
{
	static const char *const words[] = {"", "off", "optional", "for_mail", "required"};

	return config_word_index(words, 5, word) < 5;
}

static bool check_listener(const struct config *config, const struct config_listener *listener,
                           char *reason)
{
	enum tls_listener_mode mode = config_tls_listener_mode(config, listener);
	struct bytes left = bytes_text(listener->certificates);

	if (mode == TLS_LISTENER_MODE_COUNT) {
		snprintf(reason, TLS_REASON_BYTES,
		         "listeners.%s: tls is \"%.32s\"; give off, starttls, required or implicit",
		         listener->name, listener->tls);
		return false;
	}
	if (mode != TLS_LISTENER_OFF && config->certificate_count == 0) {
		snprintf(reason, TLS_REASON_BYTES,
		         "listeners.%s wants TLS and there is no certificate; add one in section "
		         "certificates",
		         listener->name);
		return false;
	}
	if (!is_client_word(listener->client_certificates) ||
	    (listener->client_certificates[0] != '\0' &&
	     strcmp(listener->client_certificates, "off") != 0 &&
	     config->tls_client_ca_file[0] == '\0')) {
		snprintf(reason, TLS_REASON_BYTES,
		         "listeners.%s: client_certificates is \"%.32s\"; give off, or optional, "
		         "for_mail or required with tls.tls_client_ca_file",
		         listener->name, listener->client_certificates);
		return false;
	}
	while (left.len > 0) {
		struct bytes word = bytes_slice(left, 0, bytes_find(left, ' '));

		if (!is_certificate(config, word)) {
			snprintf(reason, TLS_REASON_BYTES,
			         "listeners.%s: there is no certificate \"%.*s\"; name one of "
			         "section certificates",
			         listener->name, (int)(word.len < 32 ? word.len : 32),
			         (const char *)word.data);
			return false;
		}
		left = bytes_slice(left, word.len + 1, left.len);
	}
	return true;
}

static bool check_backend(const struct config *config, const struct config_backend *backend,
                          char *reason)
{
	enum tls_backend_mode mode = config_tls_backend_mode(backend);
	uint8_t pin[TLS_PIN_BYTES];

	if (mode == TLS_BACKEND_MODE_COUNT)
		snprintf(reason, TLS_REASON_BYTES,
		         "backends.%s: tls is \"%.32s\"; give off, opportunistic, required, "
		         "verify or implicit",
		         backend->name, backend->tls);
	else if (backend->tls_pin[0] != '\0' && !config_tls_pin(backend->tls_pin, pin))
		snprintf(reason, TLS_REASON_BYTES,
		         "backends.%s: tls_pin is no SHA-256; give 64 hexadecimal digits",
		         backend->name);
	else if (mode != TLS_BACKEND_VERIFY && mode != TLS_BACKEND_IMPLICIT &&
	         (backend->tls_pin[0] != '\0' || backend->tls_ca_file[0] != '\0'))
		snprintf(reason, TLS_REASON_BYTES,
		         "backends.%s has a tls_pin or tls_ca_file, which only tls = verify "
		         "and implicit look at; give one of them",
		         backend->name);
	else if (config_tls_backend_verifies(backend) && backend->tls_pin[0] == '\0' &&
	         (backend->tls_ca_file[0] == '\0' || backend->tls_name[0] == '\0'))
		snprintf(
		    reason, TLS_REASON_BYTES,
		    "backends.%s: verify needs tls_ca_file and tls_name, or tls_pin; give them",
		    backend->name);
	else if (backend->tls_certificate[0] != '\0' &&
	         (mode == TLS_BACKEND_OFF ||
	          !is_certificate(config, bytes_text(backend->tls_certificate))))
		snprintf(reason, TLS_REASON_BYTES,
		         "backends.%s: there is no certificate \"%.32s\" or no TLS to show it in; "
		         "name one of section certificates, and give tls",
		         backend->name, backend->tls_certificate);
	else
		return true;
	return false;
}

static bool check_words(const struct config *config, char *reason, uint32_t *out_index)
{
	const char *version = config->tls_version_min, *wanted = config->tls_client_certificates;

	if (strcmp(version, "1.2") != 0 && strcmp(version, "1.3") != 0) {
		*out_index = OPTION_tls_version_min;
		snprintf(reason, TLS_REASON_BYTES,
		         "tls.tls_version_min is \"%.32s\"; give 1.2 or 1.3", version);
		return false;
	}
	if (strcmp(wanted, "optional") != 0 && strcmp(wanted, "for_mail") != 0 &&
	    strcmp(wanted, "required") != 0) {
		*out_index = OPTION_tls_client_certificates;
		snprintf(reason, TLS_REASON_BYTES,
		         "tls.tls_client_certificates is \"%.32s\"; give optional, for_mail or "
		         "required",
		         wanted);
		return false;
	}
	return true;
}

bool config_tls_check(const struct config *config, char out_reason[TLS_REASON_BYTES],
                      enum object_kind *out_kind, uint32_t *out_index)
{
	*out_kind = OBJECT_listeners;
	for (*out_index = 0; *out_index < config->listener_count; (*out_index)++)
		if (!check_listener(config, &config->listener[*out_index], out_reason))
			return false;
	*out_kind = OBJECT_backends;
	for (*out_index = 0; *out_index < config->backend_count; (*out_index)++)
		if (!check_backend(config, &config->backend[*out_index], out_reason))
			return false;
	*out_kind = OBJECT_KIND_COUNT;
	return check_words(config, out_reason, out_index);
}
