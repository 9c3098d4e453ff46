/* port_pcap.c - a port that reads frames from a capture file and writes what is sent to another. */
#include "dataplane/port_pcap.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"

#define LINK_TYPE_ETHERNET DLT_EN10MB
#define SNAP_BYTES         65535

struct port_pcap {
	struct port base;
	struct pkt_pool *pool;
	pcap_t *in;
	pcap_t *out_link;
	pcap_dumper_t *out;
	struct port_stats stats;
};

/* One frame of the file in a packet; NULL at the end, when no packet is free, or when it fits none.
 */
static struct pkt *read_frame(struct port_pcap *port)
{
	struct pcap_pkthdr *header;
	const u_char *data;
	struct pkt *pkt = pkt_get(port->pool);

	if (COUNT_IF(pkt == NULL, port->stats.rx_no_buffer))
		return NULL;
	if (pcap_next_ex(port->in, &header, &data) != 1) {
		pcap_close(port->in);
		port->in = NULL;
		pkt_put(pkt);
		return NULL;
	}
	if (COUNT_IF(header->caplen > pkt_tailroom(pkt) || header->caplen < header->len,
	             port->stats.rx_missed)) {
		pkt_put(pkt);
		return NULL;
	}
	memcpy(pkt->data, data, header->caplen);
	pkt->len = (uint16_t)header->caplen;
	pkt->port = port->base.index;
	port->stats.rx_pkts++;
	port->stats.rx_bytes += pkt->len;
	return pkt;
}

static size_t pcap_rx_burst(struct port *base, uint64_t now_us, struct pkt **out_pkts, size_t max)
{
	struct port_pcap *port = (struct port_pcap *)base;
	size_t count = 0;

	(void)now_us;
	for (size_t tries = 0; tries < max && port->in != NULL; tries++) {
		struct pkt *pkt = read_frame(port);

		if (pkt != NULL)
			out_pkts[count++] = pkt;
	}
	return count;
}

static size_t pcap_tx_burst(struct port *base, uint64_t now_us, struct pkt **pkts, size_t count)
{
	struct port_pcap *port = (struct port_pcap *)base;

	for (size_t i = 0; i < count; i++) {
		struct pcap_pkthdr header = {.caplen = pkts[i]->len, .len = pkts[i]->len};

		header.ts.tv_sec = (time_t)(now_us / 1000000);
		header.ts.tv_usec = (suseconds_t)(now_us % 1000000);
		if (port->out != NULL)
			pcap_dump((u_char *)port->out, &header, pkts[i]->data);
		port->stats.tx_pkts++;
		port->stats.tx_bytes += pkts[i]->len;
		pkt_put(pkts[i]);
	}
	return count;
}

static int pcap_sleep_fd(struct port *base)
{
	(void)base;
	return -1;
}

static void pcap_port_stats(struct port *base, struct port_stats *out_stats)
{
	*out_stats = ((struct port_pcap *)base)->stats;
}

static void pcap_port_close(struct port *base)
{
	struct port_pcap *port = (struct port_pcap *)base;

	if (port->in != NULL)
		pcap_close(port->in);
	if (port->out != NULL)
		pcap_dump_close(port->out);
	if (port->out_link != NULL)
		pcap_close(port->out_link);
}

static const struct port_ops pcap_ops = {
    .rx_burst = pcap_rx_burst,
    .tx_burst = pcap_tx_burst,
    .sleep_fd = pcap_sleep_fd,
    .stats = pcap_port_stats,
    .close = pcap_port_close,
};

/* On failure what is open already stays open: the caller closes the port. */
static enum err open_files(struct port_pcap *port, const char *files, char *reason)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	size_t split = strcspn(files, ":");
	config_text in;

	snprintf(in, sizeof(in), "%.*s", (int)split, files);
	if (in[0] != '\0') {
		port->in = pcap_open_offline(in, error);
		if (port->in == NULL || pcap_datalink(port->in) != LINK_TYPE_ETHERNET) {
			snprintf(reason, PORT_REASON_BYTES, "capture file %.100s: %.100s", in,
			         port->in == NULL ? error : "not a capture of Ethernet frames");
			return ERR_IO;
		}
	}
	if (files[split] == '\0')
		return OK;
	port->out_link = pcap_open_dead(LINK_TYPE_ETHERNET, SNAP_BYTES);
	port->out = port->out_link != NULL ? pcap_dump_open(port->out_link, files + split + 1)
	                                   : NULL;
	if (port->out != NULL)
		return OK;
	snprintf(reason, PORT_REASON_BYTES, "capture file %.100s cannot be written",
	         files + split + 1);
	return ERR_IO;
}

enum err port_pcap_open(struct arena *arena, const struct config *config, uint32_t index,
                        struct pkt_pool *const *pools, struct port **out_ports, char *reason)
{
	const struct config_port *c = &config->port[index];

	if (config->workers > 1 && strchr(c->interface, ':') != NULL) {
		snprintf(reason, PORT_REASON_BYTES,
		         "port %.100s: one worker only can write a capture", c->name);
		return ERR_UNSUPPORTED;
	}
	for (uint32_t w = 0; w < config->workers; w++) {
		struct port_pcap *port = ARENA_TAKE(arena, 1, struct port_pcap);

		if (port == NULL)
			return ERR_NO_MEMORY;
		port->base.ops = &pcap_ops;
		port->base.index = (uint8_t)index;
		port->base.mtu = (uint16_t)c->mtu;
		port->base.name = c->name;
		memcpy(port->base.mac, (const uint8_t[]){0x02, 0, 0, 0, 0, (uint8_t)(index + 1)},
		       6);
		port->pool = pools[w];
		out_ports[w] = &port->base;
	}
	enum err err = open_files((struct port_pcap *)out_ports[0], c->interface, reason);
	if (err != OK)
		pcap_port_close(out_ports[0]);
	return err;
}
