/* tls_setup.c - set-ups of TLS from the configuration, and how workers move from one to the next.
 */
#include "dataplane/tls_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random.h"

#define FILE_BYTES_MAX (1u << 20)
#define RETRY_MS       10000

struct slot_worker {
	_Atomic(struct tls_setup *) next;    /* what the worker is to use */
	_Atomic(struct tls_setup *) running; /* what it has last picked up */
};

struct tls_slot {
	pthread_mutex_t mutex; /* of all but worker[] */
	uint32_t worker_count;
	struct config config; /* of the last load */
	struct tls_setup *leaving;
	struct tls_ticket_key key[TLS_TICKET_KEYS_MAX];
	uint32_t key_count;
	uint64_t rotate_ms; /* when the next key is due; 0: nothing is loaded */
	struct slot_worker worker[WORKERS_MAX];
};

/* What one load works with. */
struct loading {
	const struct config *config;
	const struct tls_slot *slot;
	uint64_t unix_ms;
	char *reason; /* the first that was found */
	size_t reason_bytes;
	bool failed; /* the listener or backend that is at hand */
	bool told;   /* any has */
};

static void fail(struct loading *loading, const char *what, const char *name, const char *why)
{
	if (!loading->told)
		snprintf(loading->reason, loading->reason_bytes, "%s %s: %s", what, name, why);
	loading->failed = loading->told = true;
}

static bool domain_fits(struct bytes pattern, struct bytes domain)
{
	if (pattern.len > 0 && pattern.data[0] == '.')
		return domain.len > pattern.len &&
		       bytes_equal_nocase(bytes_slice(domain, domain.len - pattern.len, domain.len),
		                          pattern);
	return bytes_equal_nocase(pattern, domain);
}

bool tls_setup_requires(const struct config_texts *domains, struct bytes domain)
{
	for (uint32_t i = 0; i < domains->count; i++)
		if (domain_fits(bytes_text(domains->text[i]), domain))
			return true;
	return false;
}

/* A whole file; NULL with errno. The caller wipes and frees it. */
static uint8_t *read_file(const char *path, size_t *out_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *text = malloc(FILE_BYTES_MAX);
	size_t len = 0;
	ssize_t got = -1;

	while (fd >= 0 && text != NULL && len < FILE_BYTES_MAX) {
		got = read(fd, text + len, FILE_BYTES_MAX - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	int reason = got > 0 ? EFBIG : errno;
	if (fd >= 0)
		close(fd);
	*out_len = len;
	if (got == 0)
		return text;
	if (text != NULL)
		explicit_bzero(text, len);
	free(text);
	errno = reason;
	return NULL;
}

static void forget_text(struct bytes text)
{
	if (text.data == NULL)
		return;
	explicit_bzero((void *)(uintptr_t)text.data, text.len);
	free((void *)(uintptr_t)text.data);
}

static bool load_text(struct loading *loading, const char *name, const char *path,
                      struct bytes *out_text)
{
	char why[CONFIG_TEXT_BYTES + 64];
	size_t len;
	uint8_t *text = read_file(path, &len);

	*out_text = bytes_of(text, text != NULL ? len : 0);
	if (text != NULL)
		return true;
	snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
	fail(loading, "certificate or authority", name, why);
	return false;
}

static bool names_it(const char *words, const char *name)
{
	struct bytes left = bytes_text(words);

	if (left.len == 0)
		return true;
	while (left.len > 0) {
		struct bytes word = bytes_slice(left, 0, bytes_find(left, ' '));

		if (bytes_equal(word, bytes_text(name)))
			return true;
		left = bytes_slice(left, word.len + 1, left.len);
	}
	return false;
}

/* Those of the listener, in the order of the section; the one its words name first goes first. */
static uint32_t load_identities(struct loading *loading, const struct config_listener *listener,
                                struct tls_identity *out_identities)
{
	const struct config *config = loading->config;
	struct bytes words = bytes_text(listener->certificates);
	struct bytes first = bytes_slice(words, 0, bytes_find(words, ' '));
	uint32_t count = 0;

	for (uint32_t i = 0; i < config->certificate_count && count < TLS_IDENTITIES_MAX; i++) {
		const struct config_certificate *its = &config->certificate[i];
		struct tls_identity *identity = &out_identities[count];

		if (!names_it(listener->certificates, its->name))
			continue;
		*identity = (struct tls_identity){{NULL, 0}, {NULL, 0}};
		count++;
		if (!load_text(loading, its->name, its->chain, &identity->chain_pem) ||
		    !load_text(loading, its->name, its->key, &identity->key_pem))
			break;
		if (count > 1 && bytes_equal(first, bytes_text(its->name))) {
			struct tls_identity moved = *identity;

			memmove(out_identities + 1, out_identities, (count - 1) * sizeof(moved));
			out_identities[0] = moved;
		}
	}
	return count;
}

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void fill_options(const struct loading *loading, enum tls_role role,
                         struct tls_config_options *out_options)
{
	const struct config *config = loading->config;

	tls_config_defaults(out_options, role);
	if (strcmp(config->tls_version_min, "1.3") == 0)
		out_options->version_min = TLS_1_3;
	out_options->suites = or_null(config->tls_suites);
	out_options->groups = or_null(config->tls_groups);
}

static void load_config(struct loading *loading, const struct tls_config_options *options,
                        const char *what, const char *name, struct tls_config **out_config)
{
	char why[256] = "";
	enum err err = tls_config_new(options, loading->unix_ms, why, sizeof(why), out_config);

	if (err != OK) {
		*out_config = NULL;
		fail(loading, what, name, why[0] != '\0' ? why : err_text(err));
	}
}

static void load_listener(struct loading *loading, const struct config_listener *its,
                          struct tls_setup_listener *out)
{
	const struct config *config = loading->config;
	struct tls_identity identities[TLS_IDENTITIES_MAX];
	struct tls_config_options options;
	struct bytes ca = {NULL, 0};
	const char *asked = its->client_certificates[0] != '\0' ? its->client_certificates
	                                                        : config->tls_client_certificates;
	uint32_t count;

	out->mode = config_tls_listener_mode(config, its);
	out->config = NULL;
	if (out->mode == TLS_LISTENER_OFF)
		return;
	loading->failed = false;
	/* Also when the files cannot be had: mail in the clear is not let in by that. */
	out->certificate_for_mail = config->tls_client_ca_file[0] != '\0' &&
	                            strcmp(asked, "for_mail") == 0;
	fill_options(loading, TLS_SERVER, &options);
	count = load_identities(loading, its, identities);
	options.identities = identities;
	options.identity_count = count;
	options.alpn = config->tls_alpn ? "smtp" : NULL;
	if (config->tls_client_ca_file[0] != '\0' && strcmp(asked, "off") != 0 &&
	    load_text(loading, "tls_client_ca_file", config->tls_client_ca_file, &ca)) {
		options.ca_pem = ca;
		options.verify = strcmp(asked, "required") == 0 ? TLS_VERIFY_REQUIRED
		                                                : TLS_VERIFY_OPTIONAL;
	}
	/* A resumed session shows no certificate again: who insists on one would not know whose. */
	if (config->tls_tickets && !out->certificate_for_mail &&
	    options.verify != TLS_VERIFY_REQUIRED) {
		options.ticket_keys = loading->slot->key;
		options.ticket_key_count = loading->slot->key_count;
		options.ticket_lifetime_s = config->tls_ticket_lifetime_ms / 1000;
	}
	if (!loading->failed)
		load_config(loading, &options, "listener", its->name, &out->config);
	for (uint32_t i = 0; i < count; i++) {
		forget_text(identities[i].chain_pem);
		forget_text(identities[i].key_pem);
	}
	forget_text(ca);
}

/* The certificate that is shown to a backend. False: none is named, or it cannot be had. */
static bool load_shown(struct loading *loading, const struct config_backend *backend,
                       struct tls_identity *out_shown)
{
	const struct config *config = loading->config;

	for (uint32_t i = 0; i < config->certificate_count; i++) {
		const struct config_certificate *its = &config->certificate[i];

		if (strcmp(its->name, backend->tls_certificate) == 0)
			return load_text(loading, its->name, its->chain, &out_shown->chain_pem) &&
			       load_text(loading, its->name, its->key, &out_shown->key_pem);
	}
	return false;
}

static void load_backend(struct loading *loading, const struct config_backend *its,
                         struct tls_setup_backend *out)
{
	struct tls_identity shown = {{NULL, 0}, {NULL, 0}};
	struct tls_config_options options;
	struct bytes ca = {NULL, 0};

	*out = (struct tls_setup_backend){.mode = config_tls_backend_mode(its)};
	if (out->mode == TLS_BACKEND_OFF)
		return;
	loading->failed = false;
	snprintf(out->name, sizeof(out->name), "%.255s", its->tls_name);
	fill_options(loading, TLS_CLIENT, &options);
	out->pinned = config_tls_backend_verifies(its) && its->tls_pin[0] != '\0';
	if (out->pinned && !config_tls_pin(its->tls_pin, out->pin))
		fail(loading, "backend", its->name, "tls_pin is no SHA-256");
	if (config_tls_backend_verifies(its) && its->tls_ca_file[0] != '\0' &&
	    load_text(loading, its->name, its->tls_ca_file, &ca)) {
		options.ca_pem = ca;
		options.verify = TLS_VERIFY_REQUIRED;
	}
	if (load_shown(loading, its, &shown)) {
		options.identities = &shown;
		options.identity_count = 1;
	}
	if (!loading->failed)
		load_config(loading, &options, "backend", its->name, &out->config);
	forget_text(shown.chain_pem);
	forget_text(shown.key_pem);
	forget_text(ca);
}

static void setup_free(struct tls_setup *setup)
{
	if (setup == NULL)
		return;
	for (uint32_t i = 0; i < LISTENERS_MAX; i++)
		tls_config_free(setup->listener[i].config);
	for (uint32_t i = 0; i < BACKENDS_MAX; i++)
		tls_config_free(setup->backend[i].config);
	free(setup);
}

static bool setup_is_used(const struct tls_setup *setup)
{
	for (uint32_t i = 0; i < LISTENERS_MAX; i++)
		if (setup->listener[i].config != NULL &&
		    tls_config_users(setup->listener[i].config) > 0)
			return true;
	for (uint32_t i = 0; i < BACKENDS_MAX; i++)
		if (setup->backend[i].config != NULL &&
		    tls_config_users(setup->backend[i].config) > 0)
			return true;
	return false;
}

static struct tls_setup *setup_new(struct loading *loading, uint32_t worker)
{
	const struct config *config = loading->config;
	struct tls_setup *setup = calloc(1, sizeof(*setup));

	if (setup == NULL) {
		fail(loading, "TLS", "set-up", "out of memory");
		return NULL;
	}
	setup->worker = worker;
	for (uint32_t i = 0; i < config->listener_count; i++)
		load_listener(loading, &config->listener[i], &setup->listener[i]);
	for (uint32_t i = 0; i < config->backend_count; i++)
		load_backend(loading, &config->backend[i], &setup->backend[i]);
	setup->required_senders = config->tls_required_senders;
	setup->required_recipients = config->tls_required_recipients;
	return setup;
}

static void retire(struct tls_slot *slot)
{
	struct tls_setup **at = &slot->leaving;

	while (*at != NULL) {
		struct tls_setup *setup = *at;

		if (atomic_load(&slot->worker[setup->worker].running) == setup ||
		    setup_is_used(setup)) {
			at = &setup->next;
			continue;
		}
		*at = setup->next;
		setup_free(setup);
	}
}

static void publish(struct tls_slot *slot, struct tls_setup *setup)
{
	struct slot_worker *worker = &slot->worker[setup->worker];
	struct tls_setup *old = atomic_exchange(&worker->next, setup);

	if (old == NULL)
		return;
	old->next = slot->leaving;
	slot->leaving = old;
}

/* With the mutex. */
static enum err load(struct tls_slot *slot, const struct config *config, bool keeps,
                     uint64_t unix_ms, char *reason, size_t reason_bytes)
{
	struct loading loading = {.config = config,
	                          .slot = slot,
	                          .unix_ms = unix_ms,
	                          .reason = reason,
	                          .reason_bytes = reason_bytes};
	struct tls_setup *setup[WORKERS_MAX];
	bool whole = true;

	for (uint32_t w = 0; w < slot->worker_count; w++) {
		setup[w] = setup_new(&loading, w);
		whole = whole && setup[w] != NULL;
	}
	if (!whole || (loading.told && keeps)) {
		for (uint32_t w = 0; w < slot->worker_count; w++)
			setup_free(setup[w]);
		return ERR_SYNTAX;
	}
	for (uint32_t w = 0; w < slot->worker_count; w++)
		publish(slot, setup[w]);
	if (config != &slot->config)
		slot->config = *config;
	return loading.told ? ERR_SYNTAX : OK;
}

static void add_key(struct tls_slot *slot, uint64_t unix_ms)
{
	memmove(slot->key + 1, slot->key, sizeof(slot->key[0]) * (TLS_TICKET_KEYS_MAX - 1));
	random_os(&slot->key[0], sizeof(slot->key[0]));
	if (slot->key_count < TLS_TICKET_KEYS_MAX)
		slot->key_count++;
	slot->rotate_ms = unix_ms + slot->config.tls_ticket_rotation_ms;
}

struct tls_slot *tls_slot_new(uint32_t worker_count)
{
	struct tls_slot *slot = calloc(1, sizeof(*slot));

	ASSERT(worker_count <= WORKERS_MAX);
	if (slot == NULL)
		return NULL;
	slot->worker_count = worker_count;
	if (pthread_mutex_init(&slot->mutex, NULL) == 0)
		return slot;
	free(slot);
	return NULL;
}

enum err tls_slot_load(struct tls_slot *slot, const struct config *config, bool keeps,
                       uint64_t unix_ms, char *reason, size_t reason_bytes)
{
	enum err err;

	reason[0] = '\0';
	pthread_mutex_lock(&slot->mutex);
	if (slot->key_count == 0)
		add_key(slot, unix_ms);
	err = load(slot, config, keeps, unix_ms, reason, reason_bytes);
	slot->rotate_ms = unix_ms + config->tls_ticket_rotation_ms;
	pthread_mutex_unlock(&slot->mutex);
	return err;
}

static bool rotate(struct tls_slot *slot, uint64_t unix_ms, char *reason, size_t reason_bytes)
{
	struct tls_ticket_key before[TLS_TICKET_KEYS_MAX];
	uint32_t count = slot->key_count;
	bool fine;

	memcpy(before, slot->key, sizeof(before));
	add_key(slot, unix_ms);
	fine = load(slot, &slot->config, true, unix_ms, reason, reason_bytes) == OK;
	if (!fine) {
		memcpy(slot->key, before, sizeof(before));
		slot->key_count = count;
		slot->rotate_ms = unix_ms + RETRY_MS;
	}
	explicit_bzero(before, sizeof(before));
	return fine;
}

bool tls_slot_turn(struct tls_slot *slot, uint64_t unix_ms, char *reason, size_t reason_bytes)
{
	bool fine = true;

	pthread_mutex_lock(&slot->mutex);
	retire(slot);
	if (slot->rotate_ms != 0 && unix_ms >= slot->rotate_ms)
		fine = rotate(slot, unix_ms, reason, reason_bytes);
	pthread_mutex_unlock(&slot->mutex);
	return fine;
}

const struct tls_setup *tls_slot_current(struct tls_slot *slot, uint32_t worker)
{
	struct slot_worker *its = &slot->worker[worker];
	struct tls_setup *next = atomic_load_explicit(&its->next, memory_order_acquire);

	if (atomic_load_explicit(&its->running, memory_order_relaxed) == next)
		return next;
	/* Said first and looked at again: what was replaced in between may be gone already. */
	for (;;) {
		struct tls_setup *again;

		atomic_store(&its->running, next);
		again = atomic_load(&its->next);
		if (again == next)
			return next;
		next = again;
	}
}

void tls_slot_free(struct tls_slot *slot)
{
	if (slot == NULL)
		return;
	for (uint32_t w = 0; w < slot->worker_count; w++) {
		setup_free(atomic_load(&slot->worker[w].next));
		atomic_store(&slot->worker[w].running, NULL);
	}
	retire(slot);
	explicit_bzero(slot->key, sizeof(slot->key));
	pthread_mutex_destroy(&slot->mutex);
	free(slot);
}
