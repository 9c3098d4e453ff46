/* test_config.c - postern.conf: what is read, what is refused and how it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/config.h"

static struct config config;
static struct config_error error;

static bool parse(const char *text)
{
	memset(&error, 0, sizeof(error));
	return config_parse("postern.conf", text, strlen(text), &config, &error);
}

static void accepts(const char *text)
{
	if (!parse(text))
		fail_msg("%s", error.text);
}

/* The error names file and line, what is wrong (`part`) and, behind a semicolon, what to do. */
static void refuses(const char *text, unsigned line, const char *part)
{
	char start[64];

	assert_false(parse(text));
	snprintf(start, sizeof(start), "postern.conf:%u: ", line);
	if (strncmp(error.text, start, strlen(start)) != 0 || strstr(error.text, part) == NULL)
		fail_msg("for line %u \"%s\": %s", line, part, error.text);
}

static void an_empty_file_means_all_defaults(void **state)
{
	struct config defaults;

	(void)state;
	accepts("");
	config_defaults(&defaults);
	assert_memory_equal(&config, &defaults, sizeof(config));
	assert_int_equal(config.workers, 1);
	assert_int_equal(config.message_bytes_max, 26214400);
	assert_int_equal(config.score_tag, 5000);
	assert_true(config.failure_accepts);
	assert_string_equal(config.dataplane_socket, "/run/postern/dataplane.sock");
	assert_int_equal(config.port_count, 0);
}

static void values_are_read_with_their_units(void **state)
{
	(void)state;
	accepts(
	    "limits { workers = 4; banner_timeout_ms = 20s; data_timeout_ms = 1500ms\n"
	    "  backend_idle_timeout_ms = 1h; drain_timeout_ms = 0; message_bytes_max = 50M\n"
	    "  hold_bytes_max = 128k; hold_bytes_worker_max = 2G; scan_bytes_max = 16384 }\n"
	    "policy { score_tag = -1.5; score_reject = 7.25; add_headers = no; listed_reset = on\n"
	    "  hostname = \"mx.example\" }");
	assert_int_equal(config.workers, 4);
	assert_int_equal(config.banner_timeout_ms, 20000);
	assert_int_equal(config.data_timeout_ms, 1500);
	assert_int_equal(config.backend_idle_timeout_ms, 3600000);
	assert_int_equal(config.drain_timeout_ms, 0);
	assert_int_equal(config.message_bytes_max, 50 << 20);
	assert_int_equal(config.hold_bytes_max, 128 << 10);
	assert_int_equal(config.hold_bytes_worker_max, (uint64_t)2 << 30);
	assert_int_equal(config.scan_bytes_max, 16384);
	assert_int_equal(config.score_tag, -1500);
	assert_int_equal(config.score_reject, 7250);
	assert_false(config.add_headers);
	assert_true(config.listed_reset);
	assert_string_equal(config.hostname, "mx.example");
}

static void scored_lists_and_domains_are_read(void **state)
{
	(void)state;
	accepts("scored_lists {\n"
	        "  BOTS { kind = address; file = /etc/postern/bots.txt; score = 2.5\n"
	        "         description = \"Seen in a botnet\" }\n"
	        "  FAR { kind = country; database = /var/lib/c.mmdb; values = [NZ, \"FJ\"] }\n"
	        "  LATER { kind = uri }\n"
	        "}\n"
	        "domains {\n"
	        "  example.org { score_reject = 6; scores = [\"FREEMAIL_FROM=0\", \"X=-1.5\"] }\n"
	        "  a-name-longer-than-any-object-elsewhere.example.net { score_tag = 2 }\n"
	        "}");
	assert_int_equal(config.scored_list_count, 3);
	assert_string_equal(config.scored_list[0].name, "BOTS");
	assert_string_equal(config.scored_list[0].kind, "address");
	assert_string_equal(config.scored_list[0].file, "/etc/postern/bots.txt");
	assert_int_equal(config.scored_list[0].score, 2500);
	assert_string_equal(config.scored_list[0].description, "Seen in a botnet");
	assert_string_equal(config.scored_list[1].values, "NZ FJ");
	assert_int_equal(config.scored_list[1].score, 1000);
	assert_int_equal(config.domain_count, 2);
	assert_string_equal(config.domain[0].name, "example.org");
	assert_int_equal(config.domain[0].score_tag, CONFIG_POINTS_UNSET);
	assert_int_equal(config.domain[0].score_reject, 6000);
	assert_string_equal(config.domain[0].scores, "FREEMAIL_FROM=0 X=-1.5");
	assert_int_equal(config.domain[1].score_tag, 2000);
}

static void scored_lists_and_domains_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	refuses("scored_lists { A { kind = adress } }", 1, "did you mean address?");
	refuses("scored_lists { A { } }", 1, "has no kind");
	refuses("scored_lists { A.B { kind = uri } }", 1, "cannot name a rule");
	refuses("scored_lists { 2A { kind = uri } }", 1, "cannot name a rule");
	refuses("scored_lists { A { kind = asn; values = [64500] } }", 1, "needs a database");
	refuses("scored_lists { A { kind = asn; database = /x; values = 1; file = /y } }", 1,
	        "has a file");
	refuses("scored_lists { A { kind = helo; values = [x] } }", 1, "only lists of a country");
	refuses("scored_lists { A { kind = uri; score = 2000 } }", 1, "give -100.0 to 1000.0");
	refuses("scored_lists { A { kind = uri; values = [\"a b\"] } }", 1, "without blanks");
	refuses("domains { a { scores = [X] } }", 1, "write RULE=POINTS");
	refuses("domains { a { scores = [\"X=1e9\"] } }", 1, "write RULE=POINTS");
	refuses("domains { a { score_tag = 11 } }", 1, "score_tag is above score_reject");
}

static void ports_listeners_and_backends_are_read_in_order(void **state)
{
	char text[ADDR_TEXT_MAX];

	(void)state;
	accepts("ports {\n"
	        "  wan { driver = af_xdp; interface = eth0; queues = 2; mtu = 1400; vlan = 7\n"
	        "        addresses = [\"10.25.0.2/24\", \"2001:db8::2/64\"]\n"
	        "        gateway4 = 10.25.0.1; gateway6 = \"2001:db8::1\" }\n"
	        "}\n"
	        "ports lan { vdev = \"net_tap0,iface=lan0\" }\n"
	        "listeners { public { address = 10.25.0.2; port = 2525; hostname = mx.example } "
	        "any { } }\n"
	        "backends { main { address = \"10.26.0.3\"; source = 10.26.0.2; connections_max = "
	        "7 } }\n");
	assert_int_equal(config.port_count, 2);
	assert_string_equal(config.port[0].name, "wan");
	assert_string_equal(config.port[0].driver, "af_xdp");
	assert_string_equal(config.port[0].interface, "eth0");
	assert_int_equal(config.port[0].queues, 2);
	assert_int_equal(config.port[0].mtu, 1400);
	assert_int_equal(config.port[0].vlan, 7);
	assert_int_equal(config.port[0].address_count, 2);
	assert_int_equal(config.port[0].address[0].bits, 96 + 24);
	assert_string_equal(addr_format(&config.port[0].address[0].addr, text), "10.25.0.2");
	assert_int_equal(config.port[0].address[1].bits, 64);
	assert_string_equal(addr_format(&config.port[0].gateway4, text), "10.25.0.1");
	assert_string_equal(addr_format(&config.port[0].gateway6, text), "2001:db8::1");
	assert_string_equal(config.port[1].name, "lan");
	assert_string_equal(config.port[1].driver, "vdev");
	assert_int_equal(config.port[1].mtu, 1500);
	assert_int_equal(config.listener_count, 2);
	assert_int_equal(config.listener[0].local.port, 2525);
	assert_string_equal(config.listener[0].hostname, "mx.example");
	assert_int_equal(config.listener[1].local.port, 25);
	assert_true(addr_is_unspecified(&config.listener[1].local.addr));
	assert_int_equal(config.backend_count, 1);
	assert_int_equal(config.backend[0].remote.port, 25);
	assert_int_equal(config.backend[0].connections_max, 7);
	assert_string_equal(addr_format(&config.backend[0].source, text), "10.26.0.2");
}

static void json_is_valid_too(void **state)
{
	(void)state;
	accepts("{\"limits\": {\"workers\": 2, \"banner_timeout_ms\": \"30s\"},\n"
	        " \"rules\": {\"rules_paths\": [\"/a\", \"/b \\\"c\\\"\"]},\n"
	        " \"ports\": {\"p\": {\"driver\": \"ring\", \"addresses\": []}}}\n");
	assert_int_equal(config.workers, 2);
	assert_int_equal(config.banner_timeout_ms, 30000);
	assert_int_equal(config.rules_paths.count, 2);
	assert_string_equal(config.rules_paths.text[1], "/b \"c\"");
	assert_int_equal(config.port_count, 1);
}

static void unknown_names_are_refused_with_their_line(void **state)
{
	(void)state;
	refuses("\n\nlimit { workers = 1 }", 3, "unknown section \"limit\"; did you mean limits?");
	refuses("limits {\n  workers = 1\n  # a comment\n  worker = 2\n}", 4,
	        "unknown option limits.worker; did you mean workers?");
	refuses("limits { score_tag = 1 }", 1,
	        "unknown option limits.score_tag; it belongs to section policy");
	refuses("ports {\n p {\n  driver = ring\n  speed = 1\n }\n}", 4,
	        "unknown key \"speed\" in ports.p; remove it");
	refuses("ports { p { mut = 1400 } }", 1, "did you mean mtu?");
	refuses("limits { "
	        "\"0123456789012345678901234567890123456789012345678901234567890123456789\" = 1 }",
	        1, "remove it");
	refuses("workers = 1", 1, "outside of a section; ");
	refuses("limits = 5", 1, "outside of a section; ");
	refuses("ports {\n p { driver = afxdp }\n}", 2,
	        "unknown driver \"afxdp\"; did you mean af_xdp?");
}

static void wrong_forms_are_refused_with_their_line(void **state)
{
	(void)state;
	refuses("limits {\n banner_timeout_ms = 300\n}", 2, "write a time with its unit");
	refuses("limits {\n banner_timeout_ms = 5m\n}", 2, "write a time with its unit");
	refuses("limits { workers = two }", 1, "limits.workers is \"two\"; write a whole number");
	refuses("limits { workers = 2k }", 1, "write a whole number");
	refuses("limits { workers = -1 }", 1, "write a whole number");
	refuses("limits { workers = [1] }", 1, "write a whole number");
	refuses("limits { workers {} }", 1, "write a whole number");
	refuses("limits { message_bytes_max = 1.5M }", 1, "write a size");
	refuses("policy { score_tag = 5.0001 }", 1, "write a decimal number");
	refuses("policy { score_tag = 5. }", 1, "write a decimal number");
	refuses("policy { add_headers = 1 }", 1, "write true or false");
	refuses("policy { hostname = [a] }", 1, "is no text; ");
	refuses("policy { hostname = \"mx\\r\\nX: y\" }", 1, "control character; ");
	refuses("policy { hostname = \"mx example\" }", 1, "not a host name; ");
	refuses("rules {\n rules_paths = [\n  \"/a\",\n  {}\n ]\n}", 4, "is no text; ");
	refuses("ports { p { driver = ring\n addresses = [10.0.0.1] } }", 2,
	        "length of its network");
	refuses("ports { p { driver = ring\n addresses = [10.0.0.1/33] } }", 2,
	        "length of its network");
	refuses("ports { p { driver = ring; addresses = \"::ffff:10.0.0.1/64\" } }", 1,
	        "length of its network");
	refuses("ports { p { driver = ring; gateway6 = 10.0.0.1 } }", 1, "not an IPv6 address; ");
	refuses("backends { b { address = mx.example } }", 1, "write an IP address");
	refuses("ports { p = 1 }", 1, "named objects; ");
	refuses("ports { \"a b\" { driver = ring } }", 1, "cannot name one of ports; ");
}

static void values_out_of_range_are_refused_with_both_ends(void **state)
{
	(void)state;
	refuses("limits {\n\n workers = 65 }", 3, "limits.workers is 65; give 1 to 64");
	refuses("limits { workers = 0 }", 1, "give 1 to 64");
	refuses("limits { workers = 4294967297 }", 1, "give 1 to 64");
	refuses("limits { banner_timeout_ms = 2h }", 1, "give 1s to 1h");
	refuses("limits { hold_bytes_max = 1G }", 1, "give 64k to 64M");
	refuses("policy { score_tag = 1000.001 }", 1, "give -100.0 to 1000.0");
	refuses("listeners { l { port = 65536 } }", 1, "give 1 to 65535");
	refuses("limits { message_bytes_max = 99999999999999999999 }", 1, "write a size");
}

static void what_is_given_twice_is_refused(void **state)
{
	(void)state;
	refuses("limits {\n workers = 1\n workers = 2\n}", 3, "given twice, first in line 2; ");
	refuses("limits { workers = 1 }\nlimits {\n\n workers = 1 }", 4,
	        "given twice, first in line 1; ");
	refuses("ports a { driver = ring }\nports a { driver = ring }", 2,
	        "given twice, first in line 1; ");
	refuses("backends { b { address = 10.0.0.1\n address = 10.0.0.2 } }", 2, "given twice; ");
	refuses("ports { p { driver = ring\n addresses = [10.0.0.1/8,\n 10.0.0.1/24] } }", 3,
	        "twice; ");
	refuses("listeners { a { }\n b { } }", 2, "address and port of a; ");
}

static void options_that_contradict_each_other_are_refused_at_the_later_line(void **state)
{
	(void)state;
	refuses("policy {\n score_reject = 4.0\n}", 2,
	        "policy.score_tag (5.0) is above policy.score_reject (4.0); ");
	refuses("policy {\n score_reject = 4.0\n score_tag = 6\n}", 3, "is above");
	refuses("limits {\n hold_bytes_max = 2M\n message_bytes_max = 1M }", 3, "is above");
	refuses("tcp {\n tcp_rto_min_ms = 2s\n}", 2, "is above tcp.tcp_rto_initial_ms (1s); ");
	refuses("ports {\n p { interface = eth0 } }", 2, "has no driver; ");
	refuses("ports {\n p { driver = af_xdp } }", 2, "has no interface; ");
	refuses("ports {\n p { driver = tap; interface = t0; vdev = net_tap } }", 2,
	        "need each other; ");
	refuses("ports {\n p { driver = vdev } }", 2, "need each other; ");
	refuses("\nbackends {\n b { port = 25 } }", 3, "has no address; ");
}

static void tls_that_makes_no_sense_is_refused(void **state)
{
	static const char certificate[] = "certificates { mx { chain = a; key = b } }\n";
	char text[512];

	(void)state;
	refuses("listeners {\n smtp { tls = starttls } }", 2, "there is no certificate; ");
	snprintf(text, sizeof(text), "%slisteners {\n smtp { tls = maybe } }", certificate);
	refuses(text, 3, "give off, starttls, required or implicit");
	snprintf(text, sizeof(text), "%slisteners { smtp { certificates = [mx, my] } }",
	         certificate);
	refuses(text, 2, "there is no certificate \"my\"; ");
	refuses("backends { b { address = 10.0.0.1; tls = yes } }", 1,
	        "give off, opportunistic, required, verify or implicit");
	refuses("backends { b { address = 10.0.0.1; tls = verify; tls_name = a.example } }", 1,
	        "verify needs tls_ca_file and tls_name, or tls_pin; ");
	refuses("backends { b { address = 10.0.0.1; tls = verify; tls_pin = abc } }", 1,
	        "64 hexadecimal digits");
	refuses("backends { b { address = 10.0.0.1; tls = required; tls_ca_file = a } }", 1,
	        "only tls = verify");
	refuses("backends { b { address = 10.0.0.1; tls = implicit; tls_ca_file = a } }", 1,
	        "verify needs tls_ca_file and tls_name, or tls_pin; ");
	accepts("backends { b { address = 10.0.0.1; tls = implicit } }");
	assert_false(config_tls_backend_verifies(&config.backend[0]));
	accepts("backends { b { address = 10.0.0.1; tls = implicit; tls_ca_file = a; tls_name = "
	        "b.c } }");
	assert_true(config_tls_backend_verifies(&config.backend[0]));
	refuses("backends { b { address = 10.0.0.1; tls = required; tls_certificate = mx } }", 1,
	        "there is no certificate \"mx\"");
	snprintf(text, sizeof(text), "%slisteners {\n s { client_certificates = required } }",
	         certificate);
	refuses(text, 3, "for_mail or required with tls.tls_client_ca_file");
	snprintf(text, sizeof(text), "%slisteners {\n s { client_certificates = off } }",
	         certificate);
	accepts(text);
	refuses("tls {\n tls_version_min = \"1.1\" }", 2, "give 1.2 or 1.3");
	refuses("tls {\n tls_client_certificates = perhaps }", 2,
	        "give optional, for_mail or required");
	accepts("tls {\n tls_client_certificates = for_mail }");

	snprintf(
	    text, sizeof(text),
	    "%slisteners { a { } b { port = 26; tls = off } c { port = 465; tls = implicit } }",
	    certificate);
	accepts(text);
	assert_int_equal(config_tls_listener_mode(&config, &config.listener[0]),
	                 TLS_LISTENER_STARTTLS);
	assert_int_equal(config_tls_listener_mode(&config, &config.listener[1]), TLS_LISTENER_OFF);
	assert_int_equal(config_tls_listener_mode(&config, &config.listener[2]),
	                 TLS_LISTENER_IMPLICIT);
	assert_true(config_tls_wanted(&config));
	accepts("listeners { smtp { } }");
	assert_false(config_tls_wanted(&config));
}

static void auth_that_makes_no_sense_is_refused(void **state)
{
	static const char certificate[] = "certificates { mx { chain = a; key = b } }\n";
	static const char
	    backend[] = "backends { b { address = 10.0.0.1; auth = also; tls = required } }\n";
	char text[512];

	(void)state;
	refuses("backends { b { address = 10.0.0.1; auth = yes } }", 1, "give off, also or only");
	refuses("backends { b { address = 10.0.0.1; auth = also } }", 1, "in the clear; ");
	refuses("backends { b { address = 10.0.0.1; auth = also; tls = opportunistic } }", 1,
	        "in the clear; ");
	refuses("backends { b { address = 10.0.0.1; auth = also; auth_tls = no } }", 1,
	        "give required or optional");
	accepts("backends { b { address = 10.0.0.1; auth = also; auth_tls = optional } }");
	accepts("backends { b { address = 127.0.0.1; auth = also } }");
	snprintf(text, sizeof(text), "%slisteners {\n s { auth = required } }", backend);
	refuses(text, 3, "give tls, or auth_tls = optional");
	snprintf(text, sizeof(text), "%s%slisteners {\n s { auth = maybe } }", certificate,
	         backend);
	refuses(text, 4, "give off, optional or required");
	snprintf(text, sizeof(text), "%slisteners {\n s { auth = required } }", certificate);
	refuses(text, 3, "no backend may be told passwords; ");
	refuses("backends { b { address = 10.0.0.1; auth = only; tls = required } }\n"
	        "listeners {\n s { } }",
	        3, "takes mail without a login");
	snprintf(
	    text, sizeof(text),
	    "%s%slisteners { a { } b { port = 587; auth = required } c { port = 26; tls = off; "
	    "auth = optional; auth_tls = optional } }",
	    certificate, backend);
	accepts(text);
	assert_int_equal(config_auth_listener_mode(&config.listener[0]), AUTH_LISTENER_OFF);
	assert_int_equal(config_auth_listener_mode(&config.listener[1]), AUTH_LISTENER_REQUIRED);
	assert_false(config_auth_in_clear(&config.listener[1]));
	assert_int_equal(config_auth_listener_mode(&config.listener[2]), AUTH_LISTENER_OPTIONAL);
	assert_true(config_auth_in_clear(&config.listener[2]));
	assert_true(config_auth_wanted(&config));
}

static void too_many_objects_are_refused(void **state)
{
	char text[4096] = "";

	(void)state;
	for (int i = 0; i < BACKENDS_MAX + 1; i++) {
		size_t len = strlen(text);
		snprintf(text + len, sizeof(text) - len, "backends b%d { address = 10.0.0.%d }\n",
		         i, i + 1);
	}
	refuses(text, BACKENDS_MAX + 1, "too many backends; ");
}

/* `count` elements from `format`, which takes a number, between `head` and `tail`. */
static const char *list_of(const char *head, const char *format, int count, const char *tail)
{
	static char text[8192];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s", head);

	for (int i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, format, i + 1);
	snprintf(text + len, sizeof(text) - len, "%s", tail);
	return text;
}

static void too_many_elements_are_refused(void **state)
{
	(void)state;
	accepts(list_of("rules { rules_paths = [", "\"/p%d\"\n", PATHS_MAX, "] }"));
	assert_int_equal(config.rules_paths.count, PATHS_MAX);
	refuses(list_of("rules { rules_paths = [", "\"/p%d\"\n", PATHS_MAX + 1, "] }"),
	        PATHS_MAX + 1, "too many texts; ");
	accepts(list_of("ports p { driver = ring; addresses = [", "\"10.0.0.%d/8\"\n",
	                PORT_ADDRESSES_MAX, "] }"));
	assert_int_equal(config.port[0].address_count, PORT_ADDRESSES_MAX);
	refuses(list_of("ports p { driver = ring; addresses = [", "\"10.0.0.%d/8\"\n",
	                PORT_ADDRESSES_MAX + 1, "] }"),
	        PORT_ADDRESSES_MAX + 1, "too many addresses; ");
}

static void a_text_has_a_longest_length(void **state)
{
	char text[CONFIG_TEXT_BYTES + 64];
	char value[CONFIG_TEXT_BYTES + 1];

	(void)state;
	memset(value, 'v', sizeof(value));
	value[CONFIG_TEXT_BYTES] = '\0';
	snprintf(text, sizeof(text), "mgmt { events_file = %s }", value + 1);
	accepts(text);
	assert_string_equal(config.events_file, value + 1);
	snprintf(text, sizeof(text), "mgmt { events_file = %s }", value);
	refuses(text, 1, "longer than 255 octets");
}

static void a_file_that_is_too_large_is_refused(void **state)
{
	char path[] = "postern-test-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	assert_false(config_load(path, &config, &error));
	assert_non_null(strstr(error.text, ":1: larger than "));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(write(fd, "limits { workers = 5 }\n", 23), 23);
	assert_true(config_load(path, &config, &error));
	assert_int_equal(config.workers, 5);
	close(fd);
	unlink(path);
}

static void broken_syntax_is_refused_with_its_line(void **state)
{
	(void)state;
	refuses("limits {\n workers = 1\n", 1, "not closed");
	refuses("limits {\n workers = }", 2, "a value is missing");
	refuses("limits {\n workers = 1 2 }", 2, "something follows the value; ");
	refuses("limits {\n workers\n}", 3, "no value");
	refuses("policy {\n hostname = \"mx\n}", 2, "quote is not closed");
	refuses("}\n", 1, "closes nothing");
	refuses("limits { ]", 1, "closes something else");
	refuses("\n.include \"/etc/other.conf\"", 2, "not supported; ");
	refuses("policy { hostname = <<EOD\nx\nEOD\n}", 1, "not supported; ");
	refuses("# c\n/* a\n /* b */\n", 4, "comment is not closed");
	refuses("{ limits { } } x", 1, "follows the last }");
}

static void an_error_leaves_the_configuration_untouched(void **state)
{
	(void)state;
	accepts("limits { workers = 9 }");
	refuses("limits { workers = 10; sessions_max = 1 }", 1, "give");
	assert_int_equal(config.workers, 9);
}

static void what_is_printed_reads_back_the_same(void **state)
{
	struct config first;
	char *text = NULL;
	size_t len = 0;

	(void)state;
	accepts("limits { workers = 3; drain_timeout_ms = 1s; message_bytes_max = 26214401 }\n"
	        "policy { score_tag = -0.001; score_reject = 10.5; failure_accepts = false }\n"
	        "mgmt { events_file = \"/a \\\\ \\\"b\\\" \xc3\xa9\" }\n"
	        "rules { rules_paths = [/x, \"/y z\"] }\n"
	        "ports { p { driver = pcap; interface = \"a b.pcap\"; addresses = [192.0.2.1/24, "
	        "\"::1/0\"]\n"
	        "  gateway6 = \"fe80::1\" } q { vdev = \"net_ring0,a=[1]\" } }\n"
	        "listeners { l { address = \"2001:db8::1\"; port = 26 } }\n"
	        "scored_lists { A { kind = asn; database = /x; values = [1, 2]; score = -1.5 } }\n"
	        "domains { example.org { score_tag = 1; scores = [\"A=2\", \"B=0.5\"] } }\n"
	        "backends { b { address = 192.0.2.9; source = 192.0.2.1 } }\n");
	first = config;
	FILE *out = open_memstream(&text, &len);
	config_print(&first, out);
	fclose(out);
	accepts(text);
	assert_memory_equal(&first, &config, sizeof(config));
	free(text);
}

static void the_manual_has_a_row_for_every_option(void **state)
{
	static const char *const keys[] = {
#define OPTION(section, key, type, def, min, max, unit, reload, help) "| `" #key "` |",
#define OPTION_TEXT(section, key, def, reload, help)                  "| `" #key "` |",
#define OPTION_TEXTS(section, key, reload, help)                      "| `" #key "` |",
#include "base/options.def"
	};
	char *text = NULL;
	size_t len = 0;

	(void)state;
	FILE *out = open_memstream(&text, &len);
	config_print_manual(out);
	fclose(out);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_non_null(strstr(text, keys[i]));
	free(text);
}

static void a_file_that_cannot_be_read_says_so(void **state)
{
	(void)state;
	assert_false(config_load("no/such/file.conf", &config, &error));
	assert_string_equal(error.text,
	                    "no/such/file.conf:1: cannot be read: No such file or directory; "
	                    "check the path and its permissions");
	assert_false(config_load("/", &config, &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_file_means_all_defaults),
	    cmocka_unit_test(values_are_read_with_their_units),
	    cmocka_unit_test(scored_lists_and_domains_are_read),
	    cmocka_unit_test(scored_lists_and_domains_that_make_no_sense_are_refused),
	    cmocka_unit_test(ports_listeners_and_backends_are_read_in_order),
	    cmocka_unit_test(json_is_valid_too),
	    cmocka_unit_test(unknown_names_are_refused_with_their_line),
	    cmocka_unit_test(wrong_forms_are_refused_with_their_line),
	    cmocka_unit_test(values_out_of_range_are_refused_with_both_ends),
	    cmocka_unit_test(what_is_given_twice_is_refused),
	    cmocka_unit_test(options_that_contradict_each_other_are_refused_at_the_later_line),
	    cmocka_unit_test(tls_that_makes_no_sense_is_refused),
	    cmocka_unit_test(auth_that_makes_no_sense_is_refused),
	    cmocka_unit_test(too_many_objects_are_refused),
	    cmocka_unit_test(too_many_elements_are_refused),
	    cmocka_unit_test(a_text_has_a_longest_length),
	    cmocka_unit_test(a_file_that_is_too_large_is_refused),
	    cmocka_unit_test(broken_syntax_is_refused_with_its_line),
	    cmocka_unit_test(an_error_leaves_the_configuration_untouched),
	    cmocka_unit_test(what_is_printed_reads_back_the_same),
	    cmocka_unit_test(the_manual_has_a_row_for_every_option),
	    cmocka_unit_test(a_file_that_cannot_be_read_says_so),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
