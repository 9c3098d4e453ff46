/* owner.c - whose a connection to a backend is, among the workers. */
#include "dataplane/owner.h"

#include <stdio.h>

#include "base/check.h"

void owners_init(struct owners *owners, const struct config *config)
{
	ASSERT(config->workers > 0 && config->workers <= WORKERS_MAX);
	owners->config = config;
}

bool owners_learn(struct owners *owners, uint32_t port, const struct rss *rss)
{
	const uint32_t workers = owners->config->workers;
	bool has[WORKERS_MAX] = {false};

	ASSERT(port < owners->config->port_count);
	for (uint32_t i = 0; i < rss->table_count; i++)
		has[rss->table[i] % workers] = true;
	for (uint32_t w = 0; w < workers; w++)
		if (!has[w])
			return false;
	owners->rss[port] = *rss;
	return true;
}

/* What is known of the port that `local` is an address of; NULL: nothing. */
static const struct rss *rss_of(const struct owners *owners, const struct addr *remote,
                                const struct addr *local)
{
	const struct config *config = owners->config;

	for (uint32_t p = 0; p < config->port_count; p++)
		for (uint32_t i = 0; i < config->port[p].address_count; i++)
			if (addr_equal(&config->port[p].address[i].addr, local))
				return rss_knows(&owners->rss[p], remote) ? &owners->rss[p] : NULL;
	return NULL;
}

uint32_t owner_of(const struct owners *owners, const struct endpoint *remote,
                  const struct endpoint *local)
{
	const struct rss *rss = rss_of(owners, &remote->addr, &local->addr);

	if (rss != NULL)
		return rss_queue(rss, remote, local) % owners->config->workers;
	return local->port % owners->config->workers;
}

bool owner_is_computed(const struct owners *owners, const struct addr *remote,
                       const struct addr *local)
{
	return rss_of(owners, remote, local) != NULL;
}

bool owners_compute(const struct owners *owners)
{
	for (uint32_t p = 0; p < owners->config->port_count; p++)
		if (owners->rss[p].table_count > 0 && (owners->rss[p].ip4 || owners->rss[p].ip6))
			return true;
	return false;
}

void owners_describe(const struct owners *owners, char *out, size_t bytes)
{
	const struct config *config = owners->config;
	size_t at = 0;

	ASSERT(bytes > 0);
	out[0] = '\0';
	for (uint32_t p = 0; p < config->port_count && at < bytes; p++) {
		const struct rss *rss = &owners->rss[p];
		const char *separator = p > 0 ? "; " : "";
		int len;

		if (config->workers == 1)
			len = snprintf(out + at, bytes - at, "%s%.32s: one worker", separator,
			               config->port[p].name);
		else if (rss->table_count == 0 || (!rss->ip4 && !rss->ip6))
			len = snprintf(out + at, bytes - at, "%s%.32s: handed over in software",
			               separator, config->port[p].name);
		else
			len = snprintf(out + at, bytes - at,
			               "%s%.32s: computed from the card's hash (%s%s%s, %u "
			               "entries)",
			               separator, config->port[p].name, rss->ip4 ? "IPv4" : "",
			               rss->ip4 && rss->ip6 ? ", " : "", rss->ip6 ? "IPv6" : "",
			               rss->table_count);
		at += len > 0 ? (size_t)len : 0;
	}
}
