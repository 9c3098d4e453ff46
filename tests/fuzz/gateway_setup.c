/* gateway_setup.c - what the gateway of fuzz_gateway.c is set up with. */
#include "tests/fuzz/gateway_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "classifier/rule_compile.h"
#include "tests/tls_peer.h"

static struct classifier_counters classifier_counters;

static void make_rules(struct gateway_setup *setup)
{
	static const char text[] = "body MARK /buy-the-marked-thing/\nscore MARK 20\n"
	                           "header HEAD Subject =~ /tagged/\nscore HEAD 6\n"
	                           "body COUNT /x/\ntflags COUNT multiple maxhits=5\n";
	struct rule_compile_options options = {.cache_folder = NULL};
	struct rule_compiler *compiler = rule_compiler_new(&options);
	struct classifier_counters *counters = &classifier_counters;
	char path[] = "/tmp/postern-XXXXXX.cf", reason[RULES_REASON_BYTES];
	enum generation_kind kind;
	uint64_t number;
	int fd = mkstemps(path, 3), sealed;

	ASSERT(compiler != NULL && fd >= 0);
	ASSERT(write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
	/* More and longer names than fit above a message. */
	for (unsigned int i = 0; i < 70; i++)
		ASSERT(dprintf(fd, "body R%097u /many-names/\nscore R%097u 0.001\n", i, i) > 0);
	close(fd);
	ASSERT(rule_compiler_load(compiler, path) == OK);
	unlink(path);
	ASSERT(rule_compiler_finish(compiler, 1, 1, "fuzz", &sealed) == OK);
	rule_compiler_free(compiler);
	setup->rules = rules_slot_new(1, &counters);
	ASSERT(setup->rules != NULL);
	ASSERT(rules_publish(setup->rules, sealed, &kind, &number, reason) == OK);
	(void)rules_refresh(setup->rules, 0);
}

/* Each message is judged by these, too: rules that are gone, new, and worth something else. */
static void make_shadow(struct gateway_setup *setup)
{
	static const char text[] = "body MARK /buy-the-marked-thing/\nscore MARK 3\n"
	                           "header NEW Subject =~ /a/\nscore NEW 30\n"
	                           "body COUNT /x/\ntflags COUNT multiple maxhits=7\n";
	struct rule_compile_options options = {.kind = GENERATION_SHADOW};
	struct rule_compiler *compiler = rule_compiler_new(&options);
	char reason[RULES_REASON_BYTES];
	enum generation_kind kind;
	uint64_t number;
	int sealed;

	ASSERT(compiler != NULL);
	rule_compiler_add_text(compiler, "shadow", text);
	ASSERT(rule_compiler_finish(compiler, 2, 1, "fuzz", &sealed) == OK);
	rule_compiler_free(compiler);
	ASSERT(rules_publish(setup->rules, sealed, &kind, &number, reason) == OK);
	ASSERT(kind == GENERATION_SHADOW);
	(void)rules_refresh(setup->rules, 0);
}

static void make_config(struct config *config)
{
	static const char text[] =
	    "ports { a { driver = memif; interface = a; addresses = [\"10.25.0.2/24\"]; } }\n"
	    "listeners { smtp { port = 25; } }\n"
	    "backends { sink { address = \"10.25.0.1\"; port = 2525; connections_max = 3; } }\n"
	    "limits { packets = 1024; connections_max = 32; sessions_max = 8; transactions_max = "
	    "8; "
	    "hold_bytes_max = 64k; scan_bytes_max = 16k; errors_max = 5; junk_commands_max = 10; "
	    "messages_per_session_max = 4; message_bytes_max = 100k; sessions_per_source_max = 8; "
	    "backend_messages_max = 3; recipients_max = 100; }\n"
	    "policy { hostname = \"gateway.example\"; }\n";
	struct config_error error;

	config_defaults(config);
	ASSERT(config_parse("fuzz", text, sizeof(text) - 1, config, &error));
}

static void make_tls(struct gateway_setup *setup)
{
	struct config *config = &setup->config;
	struct config_listener *listener = &config->listener[config->listener_count];
	struct config_certificate *its = &config->certificate[0];
	char folder[TLS_PEER_FOLDER_BYTES], reason[256];

	if (!tls_peer_open(0))
		return;
	tls_peer_close();
	tls_peer_files(folder);
	*listener = config->listener[0];
	listener->local.port = 465;
	snprintf(listener->tls, sizeof(listener->tls), "implicit");
	snprintf(its->chain, sizeof(its->chain), "%s/ec.pem", folder);
	snprintf(its->key, sizeof(its->key), "%s/ec.key", folder);
	config->listener_count++;
	config->certificate_count = 1;
	config->tls_connections_max = 16;
	snprintf(config->backend[0].tls, sizeof(config->backend[0].tls), "opportunistic");
	setup->tls = tls_slot_new(1);
	ASSERT(setup->tls != NULL);
	ASSERT(tls_slot_load(setup->tls, config, true, 0, reason, sizeof(reason)) == OK);
	tls_peer_files_remove(folder);
}

void gateway_setup_make(struct gateway_setup *setup)
{
	make_config(&setup->config);
	make_tls(setup);
	make_rules(setup);
	make_shadow(setup);
}

void gateway_setup_free(struct gateway_setup *setup)
{
	rules_slot_free(setup->rules);
	tls_slot_free(setup->tls);
}
