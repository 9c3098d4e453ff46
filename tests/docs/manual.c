/* manual.c - prints a page of docs/reference from the tables: options, counters, replies, events,
 * evals. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/counter.h"
#include "base/event.h"
#include "classifier/eval_signature.h"
#include "dataplane/worker.h"
#include "smtp/reply.h"

struct page {
	const char *name;
	void (*print)(FILE *out);
};

static void print_group(FILE *out, const char *name, const struct counter_info *info,
                        uint32_t count)
{
	fprintf(out, "\n## %s\n\n| metric | counts |\n|---|---|\n", name);
	for (uint32_t i = 0; i < count; i++)
		fprintf(out, "| `postern_%s_%s_total` | %s |\n", name, info[i].name, info[i].help);
}

static void print_counters(FILE *out)
{
	static const struct counter_info steer[] = {
#define COUNTER(name, help) {#name, help},
#include "dataplane/xdp/steer_counters.def"
	};
	static const struct counter_info asker[] = {
#define COUNTER(name, help) {#name, help},
#include "mgmt/asker_counters.def"
	};
	uint32_t count;
	const struct counter_group *const *groups = worker_counter_groups(&count);

	fputs("# Counters\n\nEvery worker counts for itself; `posternctl counters` and the "
	      "Prometheus endpoint\n"
	      "show them. All of them only grow, and begin at 0 when the dataplane starts.\n",
	      out);
	for (uint32_t i = 0; i < count; i++)
		print_group(out, groups[i]->name, groups[i]->info, groups[i]->count);
	print_group(out, "steer", steer, sizeof(steer) / sizeof(steer[0]));
	print_group(out, "asker", asker, sizeof(asker) / sizeof(asker[0]));
	fputs("\n`asker` is counted by management, from its start on and once for all workers: "
	      "only the "
	      "Prometheus\nendpoint shows it, with `checks.dns_checks`, and the gauge "
	      "`postern_asker_lookups_open` beside it.\n",
	      out);
}

static void print_replies(FILE *out)
{
	fputs("# SMTP replies\n\nEvery reply that Postern gives of its own. What a backend says is "
	      "passed on as it "
	      "is.\n\n| code | enhanced | text | when |\n|---|---|---|---|\n",
	      out);
	for (uint32_t i = 0; i < REPLY_COUNT; i++) {
		const struct reply_info *reply = &reply_table[i];
		fprintf(out, "| %u | %s | %s | %s |\n", reply->code, reply->enhanced, reply->text,
		        reply->when);
	}
}

static void print_events(FILE *out)
{
	fputs("# Events\n\nOne JSON object each, in `posternctl events`, the history and the "
	      "events file.\n\n"
	      "## `kind`\n\n| kind | meaning |\n|---|---|\n",
	      out);
#define EVENT_KIND(name, text, help) fputs("| `" text "` | " help " |\n", out);
#define EVENT_STAGE(name, text)
#define EVENT_VERDICT(name, text)
#include "base/events.def"
	fputs("\n## `stage`\n\nHow far the dialogue had come: ", out);
	for (int i = 0; i < EVENT_STAGE_COUNT; i++)
		fprintf(out, "%s`%s`", i > 0 ? ", " : "", event_stage_text((enum event_stage)i));
	fputs(".\n\n## `verdict`\n\nMildest first: ", out);
	for (int i = 0; i < VERDICT_COUNT; i++)
		fprintf(out, "%s`%s`", i > 0 ? ", " : "", verdict_text((enum verdict)i));
	fputs(".\n", out);
}

/* The arguments of a function in words: "number, number or `undef`[, text]". */
static void print_arguments(FILE *out, const char *kinds)
{
	static const char *const words[128] = {['n'] = "number", ['u'] = "number or `undef`",
	                                       ['s'] = "text",   ['p'] = "pattern",
	                                       ['l'] = "list",   ['h'] = "header",
	                                       ['a'] = "header", ['w'] = "header"};
	const char *between = "";
	bool optional = false;

	for (; *kinds != '\0'; kinds++) {
		if (*kinds == '?') {
			optional = true;
			fputs(" [", out);
			continue;
		}
		fprintf(out, "%s%s", between, words[(unsigned char)*kinds & 127]);
		between = ", ";
	}
	fputs(optional ? "]" : "", out);
}

static void print_evals(FILE *out)
{
	static const struct {
		const char *name, *help;
	} tags[] = {
#define TAG(name, selector, help) {#name, help},
#include "classifier/eval_tags.def"
	};
	static const struct {
		const char *name, *asks;
	} absent[] = {
#define ABSENT(name, asks) {#name, asks},
#include "classifier/eval_absent.def"
	};
	static const char *const lists[] = {
#define LIST(directive, list, form)     directive,
#define NAMED(directive, form)          directive,
#define NAMED_AS(directive, name, form) directive,
#define DELIST(directive, list)         directive,
#define DELIST_SIGNERS(directive, list) directive,
#define NAMED_DELIST(directive)         directive,
#define CLEAR(directive, list)          directive,
#define CLEAR_BOUNDARIES(directive)     directive,
#include "classifier/eval_lists.def"
#define EVAL_SETTING(directive, name, standard) directive,
#include "classifier/eval_settings.def"
	};

	fputs(
	    "# Eval functions\n\nWhat `eval:` in a rule may call, by SpamAssassin's names. `a` and "
	    "`b` are the numbers among the arguments,\nin order; `(a, b]` is above a and up to b. "
	    "Old spellings with white and black are known too.\n\n"
	    "| function | arguments | the rule hits when |\n|---|---|---|\n",
	    out);
	for (int i = 0; i < EVAL_mimeheader; i++) {
		fprintf(out, "| `%s` | ", eval_signatures[i].name);
		print_arguments(out, eval_signatures[i].arguments);
		fprintf(out, " | %s |\n", eval_signatures[i].help);
	}
	fputs("\n## Tags in templates of askdns\n\n`_HEADER(selector)_` is the first line of a "
	      "header, `_NAME_` what a header or URI rule captured with `(?<NAME>...)`. Asked for "
	      "are A, AAAA, CNAME, MX, NS, PTR, SOA, SPF, TXT and ANY.\n\n| tag | what it is "
	      "|\n|---|---|\n",
	      out);
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		fprintf(out, "| `_%s_` | %s |\n", tags[i].name, tags[i].help);
	fputs("\n## Lists and settings they heed\n\n", out);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		fprintf(out, "- `%s`\n", lists[i]);
	fputs("- `hashbl_acl_NAME`: domains whose addresses check_hashbl_emails asks about; one "
	      "behind ! is excepted\n",
	      out);
	fputs("\nFunctions marked (checks) and askdns rules ask the DNS when checks.dns_checks is "
	      "on. Without checks their value\n"
	      "is 0; with them, that of what is not supported is unknown: neither they hit, nor "
	      "what they decide.\n\n"
	      "## Known and not as functions\n\n"
	      "| function | what it asks |\n|---|---|\n",
	      out);
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		fprintf(out, "| `%s` | %s |\n", absent[i].name, absent[i].asks);
}

int main(int argc, char **argv)
{
	static const struct page pages[] = {
	    {"options", config_print_manual}, {"counters", print_counters},
	    {"replies", print_replies},       {"events", print_events},
	    {"evals", print_evals},
	};

	for (size_t i = 0; argc == 2 && i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(argv[1], pages[i].name) != 0)
			continue;
		pages[i].print(stdout);
		return ferror(stdout) || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	fputs("usage: postern-manual options|counters|replies|events|evals\n", stderr);
	return 2;
}
