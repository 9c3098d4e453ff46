/* signers.c - the threads behind tls_helper.h: where they run, how they sleep and are woken. */
#include "dataplane/signers.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "dataplane/port.h"
#include "tcpstack/tls_helper.h"

struct signer {
	struct signers *signers;
	struct worker_link link; /* stop, asleep and wake_fd, as a worker's */
	pthread_t thread;
	bool started;
};

struct signers {
	struct tls_helpers *helpers;
	struct worker_link *const *links; /* of the workers */
	uint32_t count;
	struct signer signer[TLS_HELPERS_MAX];
};

static uint32_t count_of(const struct config *config)
{
	return config_tls_wanted(config) ? config->tls_helpers : 0;
}

static struct tls_helpers_options options_of(const struct config *config)
{
	return (struct tls_helpers_options){.engine_count = config->workers,
	                                    .helper_count = count_of(config)};
}

size_t signers_bytes(const struct config *config)
{
	const struct tls_helpers_options options = options_of(config);

	return sizeof(struct signers) + 64 +
	       (options.helper_count > 0 ? tls_helpers_bytes(&options) : 0);
}

static void call_helper(void *context, uint32_t helper)
{
	struct signers *signers = context;

	worker_link_wake(&signers->signer[helper].link);
}

static void call_engine(void *context, uint32_t engine)
{
	const struct signers *signers = context;

	worker_link_wake(signers->links[engine]);
}

/* Who lays a job looks whether we sleep after it was laid; we look for jobs after we have said so.
 */
static void signer_sleep(struct signer *signer, uint32_t index)
{
	uint64_t calls;

	atomic_store(&signer->link.asleep, true);
	atomic_thread_fence(memory_order_seq_cst);
	if (!tls_helper_waits(signer->signers->helpers, index) &&
	    !atomic_load_explicit(&signer->link.stop, memory_order_acquire) &&
	    read(signer->link.wake_fd, &calls, sizeof(calls)) < 0)
		ASSERT(errno == EINTR);
	atomic_store_explicit(&signer->link.asleep, false, memory_order_relaxed);
}

static void *signer_main(void *argument)
{
	struct signer *signer = argument;
	uint32_t index = (uint32_t)(signer - signer->signers->signer);

	/* Its memory was set aside for exactly this. */
	if (!tls_helper_enter(signer->signers->helpers, index))
		check_failed(__FILE__, __LINE__, "no memory for a thread that signs");
	while (!atomic_load_explicit(&signer->link.stop, memory_order_acquire))
		if (tls_helper_serve(signer->signers->helpers, index) == 0)
			signer_sleep(signer, index);
	tls_helper_leave(signer->signers->helpers, index);
	return NULL;
}

/* All we may use but the workers'; all when there are no others. A worker that shares its core with
 * a signature stands still as if it had made it. */
static void signer_cores(const struct config *config, cpu_set_t *out_set)
{
	cpu_set_t allowed;

	CPU_ZERO(out_set);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return;
	*out_set = allowed;
	for (uint32_t w = 0; w < config->workers; w++)
		if (config->worker_core_first + w < CPU_SETSIZE)
			CPU_CLR(config->worker_core_first + w, out_set);
	if (CPU_COUNT(out_set) == 0)
		*out_set = allowed;
}

static enum err start_one(struct signers *signers, uint32_t index, const struct config *config,
                          char *reason)
{
	struct signer *signer = &signers->signer[index];
	pthread_attr_t attributes;
	char name[24]; /* of which 15 would be taken */
	cpu_set_t cores;

	signer->signers = signers;
	signer->link.wake_fd = eventfd(0, EFD_CLOEXEC);
	if (signer->link.wake_fd < 0 || pthread_attr_init(&attributes) != 0) {
		snprintf(reason, PORT_REASON_BYTES, "eventfd: %s", strerror(errno));
		return ERR_SYSTEM;
	}
	signer_cores(config, &cores);
	if (CPU_COUNT(&cores) > 0)
		(void)pthread_attr_setaffinity_np(&attributes, sizeof(cores), &cores);
	signer->started = pthread_create(&signer->thread, &attributes, signer_main, signer) == 0;
	(void)pthread_attr_destroy(&attributes);
	if (!signer->started) {
		snprintf(reason, PORT_REASON_BYTES, "cannot start a thread that signs");
		return ERR_SYSTEM;
	}
	snprintf(name, sizeof(name), "signer%u", index);
	(void)pthread_setname_np(signer->thread, name);
	return OK;
}

enum err signers_start(struct arena *arena, const struct config *config,
                       struct worker_link *const *links, struct signers **out_signers, char *reason)
{
	struct tls_helpers_options options = options_of(config);
	enum err err = OK;

	*out_signers = NULL;
	if (options.helper_count == 0)
		return OK;
	struct signers *signers = arena_take(arena, 1, sizeof(*signers), 64);
	if (signers == NULL)
		return ERR_NO_MEMORY;
	signers->links = links;
	options.call_helper = call_helper;
	options.call_engine = call_engine;
	options.context = signers;
	signers->helpers = tls_helpers_new(arena, &options);
	if (signers->helpers == NULL)
		return OK; /* built without TLS: nothing will be signed */
	*out_signers = signers;
	for (uint32_t i = 0; i < options.helper_count && err == OK; i++) {
		err = start_one(signers, i, config, reason);
		signers->count++;
	}
	return err;
}

struct tls_helpers *signers_helpers(struct signers *signers)
{
	return signers != NULL ? signers->helpers : NULL;
}

void signers_stop(struct signers *signers)
{
	if (signers == NULL)
		return;
	for (uint32_t i = 0; i < signers->count; i++) {
		struct signer *signer = &signers->signer[i];

		if (signer->started) {
			worker_link_order(&signer->link, &signer->link.stop, true);
			(void)pthread_join(signer->thread, NULL);
		}
		if (signer->link.wake_fd >= 0)
			(void)close(signer->link.wake_fd);
	}
}
