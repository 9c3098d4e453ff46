/* tcp_time_wait.c - TIME-WAIT in 64 octets a connection: RFC 9293 3.10.7.4, RFC 6191, RFC 1337.
 *
 * One delay for all, so a queue is in order of expiry. An entry whose 2 MSL starts over goes to the
 * queue's end when its first time is up; a reused one stays as a dead entry until then.
 */
#include "tcpstack/tcp_internal.h"

#define WORK_PER_TIMER 64
#define REUSE_AFTER_MS 1000 /* active opens: our next timestamp is then surely greater */

static uint32_t chain_count(uint32_t count)
{
	uint32_t chains = 1;

	while (chains < count)
		chains *= 2;
	return chains;
}

size_t time_wait_bytes(uint32_t count)
{
	return ((size_t)count + 2) * sizeof(struct tcp_time_wait) +
	       chain_count(count) * sizeof(uint32_t) + 128;
}

bool time_wait_init(struct tcp *tcp, struct arena *arena, uint32_t count)
{
	struct tcp_time_wait_table *table = &tcp->time_wait;

	ASSERT(count <= TCP_TIME_WAIT_MAX);
	table->count = count;
	table->mask = chain_count(count) - 1;
	table->entries = arena_take(arena, count + 1, sizeof(struct tcp_time_wait), 64);
	table->heads = ARENA_TAKE(arena, table->mask + 1, uint32_t);
	if (table->entries == NULL || table->heads == NULL)
		return false;
	for (uint32_t i = count; i > 0; i--) {
		table->entries[i].fifo_next = table->free_head;
		table->free_head = i;
	}
	return true;
}

static struct tcp_time_wait *find(const struct tcp_time_wait_table *table, uint64_t hash,
                                  const struct tcp_tuple *tuple)
{
	uint32_t at = table->heads[hash & table->mask];

	while (at != TCP_NONE && memcmp(&table->entries[at].tuple, tuple, sizeof(*tuple)) != 0)
		at = table->entries[at].hash_next;
	return at != TCP_NONE ? &table->entries[at] : NULL;
}

static void chain_push(struct tcp_time_wait_table *table, uint32_t chain, uint32_t index)
{
	struct tcp_time_wait *entry = &table->entries[index];

	entry->hash_next = table->heads[chain];
	entry->before = chain & (TCP_TIME_WAIT_MAX - 1);
	entry->is_first = true;
	if (entry->hash_next != TCP_NONE) {
		struct tcp_time_wait *next = &table->entries[entry->hash_next];

		next->before = index & (TCP_TIME_WAIT_MAX - 1);
		next->is_first = false;
	}
	table->heads[chain] = index;
}

/* Out of the hash chain, without a walk: nobody finds it any more; its slot comes back from the
 * queue. */
static void kill(struct tcp *tcp, struct tcp_time_wait *entry)
{
	struct tcp_time_wait_table *table = &tcp->time_wait;

	if (entry->dead)
		return;
	if (entry->is_first)
		table->heads[entry->before] = entry->hash_next;
	else
		table->entries[entry->before].hash_next = entry->hash_next;
	if (entry->hash_next != TCP_NONE) {
		struct tcp_time_wait *next = &table->entries[entry->hash_next];

		next->before = entry->before;
		next->is_first = entry->is_first;
	}
	entry->dead = true;
}

static void fifo_push(struct tcp_time_wait_table *table, uint32_t index)
{
	table->entries[index].fifo_next = TCP_NONE;
	if (table->fifo.tail != TCP_NONE)
		table->entries[table->fifo.tail].fifo_next = index;
	else
		table->fifo.head = index;
	table->fifo.tail = index;
}

static uint32_t fifo_pop(struct tcp_time_wait_table *table)
{
	uint32_t index = table->fifo.head;

	table->fifo.head = table->entries[index].fifo_next;
	if (table->fifo.head == TCP_NONE)
		table->fifo.tail = TCP_NONE;
	return index;
}

/* What is dropped next is cold by now. Each call fetches one step of what the coming three are
 * found by: an entry, then its neighbours in the chain. Entry 0 is none's. */
static void fetch_oldest(const struct tcp_time_wait_table *table)
{
	const struct tcp_time_wait *first = &table->entries[table->fifo.head];
	const struct tcp_time_wait *second = &table->entries[first->fifo_next];

	if (first->is_first)
		__builtin_prefetch(&table->heads[first->before]);
	else
		__builtin_prefetch(&table->entries[first->before]);
	__builtin_prefetch(&table->entries[first->hash_next]);
	__builtin_prefetch(&table->entries[second->fifo_next]);
}

static void drop_oldest(struct tcp *tcp)
{
	struct tcp_time_wait_table *table = &tcp->time_wait;
	uint32_t index = fifo_pop(table);

	kill(tcp, &table->entries[index]);
	table->entries[index].fifo_next = table->free_head;
	table->free_head = index;
	table->used--;
	fetch_oldest(table);
}

void time_wait_prefetch(const struct tcp *tcp, uint64_t hash)
{
	if (tcp->time_wait.count > 0)
		__builtin_prefetch(&tcp->time_wait.heads[hash & tcp->time_wait.mask]);
}

void time_wait_prefetch_chain(const struct tcp *tcp, uint64_t hash)
{
	const struct tcp_time_wait_table *table = &tcp->time_wait;

	if (table->count > 0)
		__builtin_prefetch(&table->entries[table->heads[hash & table->mask]]);
}

void time_wait_add(struct tcp *tcp, const struct tcp_conn *conn, uint64_t hash)
{
	struct tcp_time_wait_table *table = &tcp->time_wait;
	const struct tcp_tuple *tuple = &tcp->colds[conn->index].tuple;
	struct tcp_time_wait *entry;
	uint32_t index;

	if (table->count == 0)
		return;
	if (table->free_head == TCP_NONE) {
		tcp->net->tcp_counters->time_wait_evicted++;
		drop_oldest(tcp);
	}
	index = table->free_head;
	entry = &table->entries[index];
	table->free_head = entry->fifo_next;
	table->used++;
	*entry = (struct tcp_time_wait){
	    .tuple = *tuple,
	    .rcv_nxt = conn->rcv_nxt,
	    .snd_nxt = conn->snd_nxt,
	    .ts_recent = conn->ts_recent,
	    .expires_ms = tcp_deadline_ms(tcp, tcp->net->config.time_wait_us),
	    .timestamps = (conn->options & OPTION_TIMESTAMPS) != 0};
	chain_push(table, (uint32_t)(hash & table->mask), index);
	fifo_push(table, index);
	tcp->net->tcp_counters->time_wait_begun++;
	if (!timer_is_set(tcp->timers, tcp->conns_max + 1))
		tcp_arm_handle(tcp, tcp->conns_max + 1, entry->expires_ms);
}

static bool is_newer_syn(const struct tcp_time_wait *entry, const struct tcp_segment *segment)
{
	/* RFC 6191 2: by timestamp when there is one on both sides, else by sequence number. */
	if (entry->timestamps && segment->options.has_timestamps &&
	    segment->options.ts_val != entry->ts_recent)
		return (int32_t)(segment->options.ts_val - entry->ts_recent) > 0;
	return seq_after(segment->seq, entry->rcv_nxt);
}

bool time_wait_input(struct tcp *tcp, struct tcp_segment *segment)
{
	struct tcp_time_wait *entry = find(&tcp->time_wait, segment->hash, &segment->tuple);

	if (entry == NULL)
		return false;
	if (segment->flags & TCP_FLAG_RST)
		return true; /* RFC 1337 */
	if ((segment->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN &&
	    is_newer_syn(entry, segment)) {
		tcp->net->tcp_counters->time_wait_reused++;
		segment->after_time_wait = true;
		segment->sent_before = entry->snd_nxt;
		kill(tcp, entry);
		return false;
	}
	if (segment_span(segment) == 0 && segment->seq == entry->rcv_nxt)
		return true; /* in place, and says nothing */
	if (segment->flags & TCP_FLAG_FIN) {
		entry->expires_ms = tcp_deadline_ms(tcp, tcp->net->config.time_wait_us);
		entry->restarted = true;
	}
	struct tcp_header_fields fields = {
	    .seq = entry->snd_nxt, .ack = entry->rcv_nxt, .flags = TCP_FLAG_ACK};
	segment_ack(tcp->net, &entry->tuple, &fields, entry->timestamps, entry->ts_recent);
	return true;
}

bool time_wait_blocks(struct tcp *tcp, const struct tcp_tuple *tuple, uint64_t hash)
{
	struct tcp_time_wait *entry = find(&tcp->time_wait, hash, tuple);
	uint32_t age_ms;

	if (entry == NULL)
		return false;
	age_ms = tcp_now_ms(tcp) + tcp->net->config.time_wait_us / 1000 - entry->expires_ms;
	if (!entry->timestamps || (int32_t)age_ms < REUSE_AFTER_MS)
		return true;
	tcp->net->tcp_counters->time_wait_reused++;
	kill(tcp, entry);
	return false;
}

void time_wait_timer(struct tcp *tcp)
{
	struct tcp_time_wait_table *table = &tcp->time_wait;
	uint32_t now_ms = tcp_now_ms(tcp);

	for (uint32_t work = 0; work < WORK_PER_TIMER && table->fifo.head != TCP_NONE; work++) {
		uint32_t index = table->fifo.head;
		struct tcp_time_wait *entry = &table->entries[index];

		if ((int32_t)(entry->expires_ms - now_ms) <= 0) {
			drop_oldest(tcp);
			continue;
		}
		/* Restarted since it was queued? Then it goes behind the others, else the queue is
		 * not due. */
		if (!entry->restarted)
			break;
		entry->restarted = false;
		fifo_push(table, fifo_pop(table));
	}
	if (table->fifo.head != TCP_NONE)
		tcp_arm_handle(tcp, tcp->conns_max + 1,
		               table->entries[table->fifo.head].expires_ms);
}
