/* config.h - postern.conf (UCL) turned into one struct by the option table.
 *
 * Scalars are rows of options.def: each becomes a field of struct config, a default, a range check
 * and a line of the manual. Ports, listeners, backends, scored lists and domains are repeated
 * objects with rows in objects.def. Unknown keys, wrong units and values out of range are errors
 * that name file and line and change nothing.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/limits.h"

#define CONFIG_TEXT_BYTES 256

typedef char config_text[CONFIG_TEXT_BYTES];

struct config_texts { /* a list of texts: files, folders */
	uint32_t count;
	config_text text[PATHS_MAX];
};

/* The C type of each option type. Durations are given with a unit in the file (300s, 5min, 20ms),
 * sizes with k, M, G; points are decimal numbers kept as thousandths. */
typedef uint32_t config_u32;
typedef uint64_t config_size;
typedef uint32_t config_ms;
typedef int32_t config_points;
typedef bool config_bool;

struct config_port {
	config_text name;
	config_text driver;    /* af_xdp, af_packet, tap, ring, memif, pci, pcap: see objects.def */
	config_text interface; /* Linux interface, PCI address or file */
	config_text vdev;      /* a complete DPDK vdev line, instead of driver and interface */
	uint32_t queues;
	uint32_t mtu;
	uint32_t vlan; /* 0: untagged */
	uint32_t address_count;
	struct prefix address[PORT_ADDRESSES_MAX]; /* our address with the length of its network */
	struct addr gateway4, gateway6;            /* unspecified: none */
};

struct config_listener {
	config_text name;
	struct endpoint local; /* unspecified address: every address of ours */
	config_text hostname;  /* in the banner and EHLO; empty: policy's */
	config_text tls;       /* see config_tls_listener_mode */
	config_text
	    client_certificates;  /* off, optional, for_mail, required; empty: as in section tls */
	config_text certificates; /* names, separated by one space; empty: all */
	config_text auth, auth_tls; /* see config_auth_listener_mode */
};

struct config_backend {
	config_text name;
	struct endpoint remote;
	struct addr source; /* unspecified: the port's own address */
	uint32_t connections_max;
	config_text tls; /* see config_tls_backend_mode */
	config_text tls_name, tls_ca_file, tls_pin;
	config_text tls_certificate; /* name of the one shown to it; empty: none */
	config_text auth, auth_tls;  /* see config_auth_backend_mode */
};

struct config_certificate {
	config_text name;
	config_text chain, key; /* PEM files */
};

struct config_scored_list { /* a list that rules give points for; see base/list_keys.def */
	config_text name;   /* also that of its rule */
	config_text kind;   /* a word of list_keys.def */
	config_text file;   /* one key a line; or ... */
	config_text database, values; /* ... a MaxMind database and what to look for in it */
	int32_t score;                /* points, 1/1000 */
	config_text description;
};

#define CONFIG_POINTS_UNSET INT32_MIN

struct config_domain { /* what recipients of one domain want otherwise than `policy` says */
	config_text name;
	int32_t score_tag, score_reject; /* CONFIG_POINTS_UNSET: as in `policy` */
	config_text scores;              /* "RULE=1.5 OTHER=0": in place of the rules' own */
};

struct config {
#define OPTION(section, key, type, def, min, max, unit, reload, help) config_##type key;
#define OPTION_TEXT(section, key, def, reload, help)                  config_text key;
#define OPTION_TEXTS(section, key, reload, help)                      struct config_texts key;
#include "base/options.def"
	uint32_t port_count, listener_count, backend_count, certificate_count, scored_list_count,
	    domain_count;
	struct config_port port[PORTS_MAX];
	struct config_listener listener[LISTENERS_MAX];
	struct config_backend backend[BACKENDS_MAX];
	struct config_certificate certificate[CERTIFICATES_MAX];
	struct config_scored_list scored_list[CONFIG_SCORED_LISTS_MAX];
	struct config_domain domain[DOMAINS_MAX];
};

#define CONFIG_ERROR_BYTES 512

/* "FILE:LINE: what is wrong; what to do". */
struct config_error {
	char text[CONFIG_ERROR_BYTES];
};

/* What the words of listeners.*.tls and backends.*.tls say; COUNT: no such word. */
enum tls_listener_mode {
	TLS_LISTENER_OFF,
	TLS_LISTENER_STARTTLS,
	TLS_LISTENER_REQUIRED,
	TLS_LISTENER_IMPLICIT,
	TLS_LISTENER_MODE_COUNT
};
enum tls_backend_mode {
	TLS_BACKEND_OFF,
	TLS_BACKEND_OPPORTUNISTIC,
	TLS_BACKEND_REQUIRED,
	TLS_BACKEND_VERIFY,
	TLS_BACKEND_IMPLICIT, /* from the first octet */
	TLS_BACKEND_MODE_COUNT
};
enum tls_listener_mode config_tls_listener_mode(const struct config *config,
                                                const struct config_listener *listener);
enum tls_backend_mode config_tls_backend_mode(const struct config_backend *backend);
/* Must its certificate be the right one? */
bool config_tls_backend_verifies(const struct config_backend *backend);
#define TLS_PIN_BYTES 32
/* The pin of a backend. False: it is no such number. */
bool config_tls_pin(const char *text, uint8_t out_pin[TLS_PIN_BYTES]);
/* Is anything of TLS configured, so that memory is wanted for it? */
bool config_tls_wanted(const struct config *config);

/* What the words of listeners.*.auth and backends.*.auth say; COUNT: no such word. */
enum auth_listener_mode {
	AUTH_LISTENER_OFF,
	AUTH_LISTENER_OPTIONAL,
	AUTH_LISTENER_REQUIRED, /* nothing of a mail before a login */
	AUTH_LISTENER_MODE_COUNT
};
enum auth_backend_mode {
	AUTH_BACKEND_OFF,
	AUTH_BACKEND_ALSO, /* it is told passwords, and takes mail of others */
	AUTH_BACKEND_ONLY, /* it takes mail of those that have logged in and no other */
	AUTH_BACKEND_MODE_COUNT
};
enum auth_listener_mode config_auth_listener_mode(const struct config_listener *listener);
enum auth_backend_mode config_auth_backend_mode(const struct config_backend *backend);
/* Do clients say passwords outside TLS, too? */
bool config_auth_in_clear(const struct config_listener *listener);
/* Is the backend told passwords outside TLS, too? */
bool config_auth_told_in_clear(const struct config_backend *backend);
/* Does any listener offer AUTH? */
bool config_auth_wanted(const struct config *config);

void config_defaults(struct config *config);
/* Reads and validates; on failure returns false, fills `out_error`, and leaves *out_config
 * untouched. */
bool config_load(const char *path, struct config *out_config, struct config_error *out_error);
/* The same over text in memory; `name` stands for the file in errors. */
bool config_parse(const char *name, const char *text, size_t len, struct config *out_config,
                  struct config_error *out_error);
/* The configuration in force as UCL, defaults included. */
void config_print(const struct config *config, FILE *out);
/* docs/reference/options.md */
void config_print_manual(FILE *out);

#endif
