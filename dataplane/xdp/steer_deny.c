/* steer_deny.c - the deny maps: made from the lists in force, exchanged whole.
 *
 * A new pair of tries is filled while the old one serves, a slice a turn, and takes its place in
 * one step: there is no moment without an answer. The delta has a level of its own, asked first, so
 * that an address in it acts at once however long the lists are. Within a level allowed networks
 * stand beside denied ones, and the longest prefix counts, as in lists_find().
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/check.h"
#include "dataplane/xdp/steer_internal.h"

#define BATCH_NETWORKS 512

/* The kernel needs one at least. */
static int trie_new(uint32_t family, uint64_t networks)
{
	struct bpf_map_create_opts options = {.sz = sizeof(struct bpf_map_create_opts),
	                                      .map_flags = BPF_F_NO_PREALLOC};
	uint32_t key = family == 0 ? sizeof(struct steer_deny4) : sizeof(struct steer_deny6);

	return bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, family == 0 ? "postern_net4" : "postern_net6",
	                      key, sizeof(uint8_t), networks > 0 ? (uint32_t)networks : 1,
	                      &options);
}

static void build_stop(struct deny_build *build)
{
	for (uint32_t family = 0; family < STEER_FAMILIES && build->lists != NULL; family++)
		if (build->trie[family] >= 0)
			close(build->trie[family]);
	*build = (struct deny_build){0};
}

/* Nothing is denied then: the workers answer everybody. */
static void level_clear(struct steer *steer, uint32_t level)
{
	const int outer[STEER_FAMILIES] = {steer->deny4, steer->deny6};

	for (uint32_t family = 0; family < STEER_FAMILIES; family++)
		if (bpf_map_delete_elem(outer[family], &level) != 0 && errno != ENOENT)
			steer->deny_failures++;
	steer->deny_networks[level] = steer->deny_left_out[level] = 0;
}

static void build_fail(struct steer *steer, uint32_t level, const char *why)
{
	fprintf(stderr,
	        "postern: warning: no deny map for the interface (%s); the workers answer listed "
	        "addresses\n",
	        why);
	steer->deny_failures++;
	build_stop(&steer->build[level]);
	level_clear(steer, level);
}

/* Puts finished tries in the place of the level's. */
static bool level_replace(struct steer *steer, uint32_t level, const int trie[STEER_FAMILIES])
{
	return bpf_map_update_elem(steer->deny4, &level, &trie[0], BPF_ANY) == 0 &&
	       bpf_map_update_elem(steer->deny6, &level, &trie[1], BPF_ANY) == 0;
}

void steer_deny_set(struct steer *steer, enum steer_level level, const struct lists *lists)
{
	struct deny_build *build = &steer->build[level];
	uint64_t networks;

	build_stop(build);
	if (lists == NULL || lists_entry_count(lists) == 0) {
		level_clear(steer, level);
		return;
	}
	networks = lists_entry_count(lists);
	if (networks > steer->deny_networks_max)
		networks = steer->deny_networks_max;
	*build = (struct deny_build){.lists = lists, .action = LIST_ALLOW, .trie = {-1, -1}};
	for (uint32_t family = 0; family < STEER_FAMILIES; family++) {
		build->trie[family] = trie_new(family, networks);
		if (build->trie[family] < 0) {
			build_fail(steer, level, strerror(errno));
			return;
		}
	}
}

/* Networks of both families that wait for one system call each. */
struct batch {
	uint32_t count[STEER_FAMILIES];
	struct steer_deny4 key4[BATCH_NETWORKS];
	struct steer_deny6 key6[BATCH_NETWORKS];
};

static bool batch_put(struct deny_build *build, struct batch *batch)
{
	const void *const keys[STEER_FAMILIES] = {batch->key4, batch->key6};
	struct bpf_map_batch_opts options = {.sz = sizeof(struct bpf_map_batch_opts)};
	uint8_t verdict[BATCH_NETWORKS];

	memset(verdict, build->action == LIST_DENY ? STEER_DENY : STEER_ALLOW, sizeof(verdict));
	for (uint32_t family = 0; family < STEER_FAMILIES; family++) {
		uint32_t count = batch->count[family];

		if (count > 0 && bpf_map_update_batch(build->trie[family], keys[family], verdict,
		                                      &count, &options) != 0)
			return false;
		batch->count[family] = 0;
	}
	return true;
}

static void batch_add(struct batch *batch, uint32_t family, const struct prefix *prefix)
{
	uint32_t at = batch->count[family]++;

	ASSERT(at < BATCH_NETWORKS);
	if (family == 0) {
		batch->key4[at].bits = prefix->bits - 96u;
		memcpy(&batch->key4[at].addr, prefix->addr.octet + 12, 4);
	} else {
		batch->key6[at].bits = prefix->bits;
		memcpy(batch->key6[at].addr, prefix->addr.octet, 16);
	}
}

/* Up to a batch of entries of the lists; false at their end. */
static bool batch_fill(const struct steer *steer, struct deny_build *build, struct batch *batch,
                       bool *out_allowed_fit)
{
	struct prefix prefix;
	enum list_action action;

	*out_allowed_fit = true;
	for (uint32_t n = 0; n < BATCH_NETWORKS; n++) {
		if (!lists_next(build->lists, &build->cursor, &prefix, &action))
			return false;
		if (action != build->action)
			continue;
		uint32_t family = prefix.bits >= 96 && addr_is_ip4(&prefix.addr) ? 0 : 1;

		if (build->count[family] < steer->deny_networks_max) {
			build->count[family]++;
			batch_add(batch, family, &prefix);
		} else if (action == LIST_DENY) {
			build->left_out++;
		} else {
			*out_allowed_fit = false;
			return false;
		}
	}
	return true;
}

static void build_finish(struct steer *steer, uint32_t level)
{
	struct deny_build *build = &steer->build[level];

	if (!level_replace(steer, level, build->trie)) {
		build_fail(steer, level, strerror(errno));
		return;
	}
	steer->deny_networks[level] = (uint64_t)build->count[0] + build->count[1];
	steer->deny_left_out[level] = build->left_out;
	steer->deny_changes++;
	if (build->left_out > 0)
		fprintf(stderr,
		        "postern: warning: %llu listed networks find no room in the deny map; the "
		        "workers answer them (limits.xdp_deny_max = %u)\n",
		        (unsigned long long)build->left_out, steer->deny_networks_max);
	build_stop(build);
}

static void build_step(struct steer *steer, uint32_t level)
{
	static struct batch batch; /* the control thread's; filled and emptied within this call */
	struct deny_build *build = &steer->build[level];
	bool allowed_fit, more = batch_fill(steer, build, &batch, &allowed_fit);

	if (!allowed_fit) {
		batch = (struct batch){0};
		build_fail(steer, level, "the allowed networks alone are more than xdp_deny_max");
	} else if (!batch_put(build, &batch)) {
		batch = (struct batch){0};
		build_fail(steer, level, strerror(errno));
	} else if (!more && build->action == LIST_ALLOW) {
		build->action = LIST_DENY;
		build->cursor = (struct lists_cursor){0};
	} else if (!more) {
		build_finish(steer, level);
	}
}

bool steer_deny_turn(struct steer *steer, uint32_t batches_max)
{
	for (uint32_t n = 0; n < batches_max; n++) {
		if (steer->build[STEER_DELTA].lists != NULL)
			build_step(steer, STEER_DELTA);
		else if (steer->build[STEER_LISTS].lists != NULL)
			build_step(steer, STEER_LISTS);
		else
			return false;
	}
	return true;
}

void steer_deny_read(const struct steer *steer, struct steer_stats *out_stats)
{
	for (uint32_t level = 0; level < STEER_LEVELS; level++) {
		out_stats->deny_networks += steer->deny_networks[level];
		out_stats->deny_left_out += steer->deny_left_out[level];
	}
	out_stats->deny_changes = steer->deny_changes;
	out_stats->deny_failures = steer->deny_failures;
}

void steer_deny_close(struct steer *steer)
{
	for (uint32_t level = 0; level < STEER_LEVELS; level++)
		build_stop(&steer->build[level]);
}
