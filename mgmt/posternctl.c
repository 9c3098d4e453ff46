/* posternctl.c - the operator's command line: finds the command and its options in
 * ctl_commands.def. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/ctl.h"

#define WORDS_MAX 2

struct command {
	const char *words, *arguments, *help;
	int min, max;
	enum ctl_exit (*run)(const struct ctl *ctl);
};

struct option {
	const char *words; /* of its command; "" for all */
	const char *name, *value, *help;
	size_t offset; /* in struct ctl */
};

static const struct command commands[] = {
#define CTL_COMMAND(function, words, arguments, min, max, help) \
	{words, arguments, help, min, max, ctl_##function},
#define CTL_FLAG(field, words, option, help)
#define CTL_VALUE(field, words, option, value, help)
#include "mgmt/ctl_commands.def"
};

static const struct option options[] = {
#define CTL_COMMAND(function, words, arguments, min, max, help)
#define CTL_FLAG(field, words, option, help) \
	{words, option, NULL, help, offsetof(struct ctl, field)},
#define CTL_VALUE(field, words, option, value, help) \
	{words, option, value, help, offsetof(struct ctl, field)},
#include "mgmt/ctl_commands.def"
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void print_option(const struct option *option)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%s%s", option->name, option->value != NULL ? " " : "",
	         option->value != NULL ? option->value : "");
	printf("  %-24s %s\n", left, option->help);
}

/* The option's words are "" or name the command. */
static bool goes_with(const struct option *option, const char *words)
{
	size_t len = strlen(words);

	if (len == 0 || option->words[0] == '\0')
		return len == 0 && option->words[0] == '\0';
	for (const char *at = option->words; at != NULL; at = strstr(at, ", ")) {
		if (at[0] == ',')
			at += 2;
		if (strncmp(at, words, len) == 0 && (at[len] == '\0' || at[len] == ','))
			return true;
	}
	return false;
}

static void print_options(const char *words)
{
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (goes_with(&options[i], words))
			print_option(&options[i]);
}

static void print_help(void)
{
	puts("Usage: posternctl [OPTION...] COMMAND [ARGUMENT...]\n\nCommands:");
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", commands[i].words, commands[i].arguments);
		printf("  %-34s %s\n", left, commands[i].help);
	}
	puts("\nOptions of every command:");
	print_options("");
	puts("\nExit status: 0 done, 1 refused or failed (the reason is on standard error),\n"
	     "2 wrong usage, 3 postern-mgmtd cannot be reached.");
}

static void print_command_help(const struct command *command)
{
	printf("Usage: posternctl %s %s\n%s.\n\nOptions:\n", command->words, command->arguments,
	       command->help);
	print_options(command->words);
	print_options("");
}

/* Completion by whole words: commands by their beginning, options by their command. */
enum ctl_exit ctl_completion_bash(const struct ctl *ctl)
{
	(void)ctl;
	puts("_posternctl()\n{\n"
	     "\tlocal word=\"${COMP_WORDS[COMP_CWORD]}\" line=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\"\n"
	     "\tlocal all=\"\"\n"
	     "\tcase \"$line\" in");
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		const char *space = strchr(commands[i].words, ' ');

		printf("\t\"%s\"*) all=\"", commands[i].words);
		for (size_t j = 0; j < COUNT_OF(options); j++)
			if (options[j].words[0] == '\0' ||
			    goes_with(&options[j], commands[i].words))
				printf("%s ", options[j].name);
		if (strncmp(commands[i].arguments, "deny|allow", 10) == 0)
			printf("deny allow");
		puts("\" ;;");
		/* After the last command of a group, the group's word alone offers its second
		 * words. */
		if (space == NULL)
			continue;
		if (i + 1 < COUNT_OF(commands) &&
		    strncmp(commands[i].words, commands[i + 1].words,
		            (size_t)(space - commands[i].words) + 1) == 0)
			continue;
		printf("\t\"%.*s\") all=\"", (int)(space - commands[i].words), commands[i].words);
		for (size_t j = 0; j < COUNT_OF(commands); j++)
			if (strncmp(commands[i].words, commands[j].words,
			            (size_t)(space - commands[i].words) + 1) == 0)
				printf("%s ", strchr(commands[j].words, ' ') + 1);
		puts("\" ;;");
	}
	printf("\t\"\") all=\"");
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		size_t len = strcspn(commands[i].words, " ");

		if (i == 0 || strncmp(commands[i].words, commands[i - 1].words, len + 1) != 0)
			printf("%.*s ", (int)len, commands[i].words);
	}
	puts("--help --version\" ;;\n\tesac\n"
	     "\tCOMPREPLY=($(compgen -W \"$all\" -- \"$word\"))\n"
	     "\tcase \"$line\" in\n"
	     "\t\"rules push\"*|\"rules shadow\"*|\"lists load\"*|\"lists del\"*|\"config "
	     "check\"*|*--config|*--socket)\n"
	     "\t\tCOMPREPLY+=($(compgen -f -- \"$word\")) ;;\n"
	     "\tesac\n}\n"
	     "complete -o filenames -F _posternctl posternctl");
	return CTL_OK;
}

static const struct command *find_command(char **word, int count, int *out_words)
{
	char joined[128];

	for (int words = count < WORDS_MAX ? count : WORDS_MAX; words > 0; words--) {
		snprintf(joined, sizeof(joined), "%s%s%s", word[0], words > 1 ? " " : "",
		         words > 1 ? word[1] : "");
		for (size_t i = 0; i < COUNT_OF(commands); i++)
			if (strcmp(commands[i].words, joined) == 0) {
				*out_words = words;
				return &commands[i];
			}
	}
	return NULL;
}

static const struct option *find_option(const char *text, size_t len)
{
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (strlen(options[i].name) == len && strncmp(options[i].name, text, len) == 0)
			return &options[i];
	return NULL;
}

/* Sets one option; `*index` moves over its value. `used` remembers it for check_options. */
static bool take_option(struct ctl *ctl, char **argv, int argc, int *index, bool *used)
{
	const char *text = argv[*index];
	size_t len = strcspn(text, "=");
	const struct option *option = find_option(text, len);
	char *field;

	if (option == NULL || (option->value == NULL && text[len] == '=')) {
		ctl_complain("%s: no such option; see posternctl --help", text);
		return false;
	}
	used[option - options] = true;
	field = (char *)ctl + option->offset;
	if (option->value == NULL) {
		*(bool *)field = true;
		return true;
	}
	if (text[len] == '=') {
		*(const char **)field = text + len + 1;
		return true;
	}
	if (*index + 1 == argc) {
		ctl_complain("%s needs %s", option->name, option->value);
		return false;
	}
	*(const char **)field = argv[++*index];
	return true;
}

/* Options may stand anywhere; the other words are gathered at the front of `argv`. */
static bool parse(struct ctl *ctl, int argc, char **argv, bool *used, int *out_count)
{
	bool only_words = false;

	*out_count = 0;
	for (int i = 1; i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0)
			only_words = true;
		else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
			if (!take_option(ctl, argv, argc, &i, used))
				return false;
		} else
			argv[(*out_count)++] = argv[i];
	}
	return true;
}

static bool check_options(const struct command *command, const bool *used)
{
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (used[i] && options[i].words[0] != '\0' &&
		    !goes_with(&options[i], command->words)) {
			ctl_complain("%s goes with \"%s\", not with \"%s\"", options[i].name,
			             options[i].words, command->words);
			return false;
		}
	return true;
}

static enum ctl_exit run(struct ctl *ctl, char **words, int count, const bool *used)
{
	const struct command *command;
	int command_words = 0;

	if (ctl->version) {
		puts("posternctl " POSTERN_VERSION);
		return CTL_OK;
	}
	command = find_command(words, count, &command_words);
	if (ctl->help) {
		if (command != NULL)
			print_command_help(command);
		else
			print_help();
		return CTL_OK;
	}
	if (command == NULL) {
		if (count == 0)
			ctl_complain("a command is expected; see posternctl --help");
		else
			ctl_complain("%s%s%s: no such command; see posternctl --help", words[0],
			             count > 1 ? " " : "", count > 1 ? words[1] : "");
		return CTL_USAGE;
	}
	ctl->argument = words + command_words;
	ctl->argument_count = count - command_words;
	if (!check_options(command, used))
		return CTL_USAGE;
	if (ctl->argument_count < command->min || ctl->argument_count > command->max) {
		ctl_complain("usage: posternctl %s %s", command->words, command->arguments);
		return CTL_USAGE;
	}
	return command->run(ctl);
}

int main(int argc, char **argv)
{
	static struct ctl ctl;
	bool used[COUNT_OF(options)] = {false};
	int count;
	enum ctl_exit status;

	if (!parse(&ctl, argc, argv, used, &count))
		return CTL_USAGE;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = run(&ctl, argv, count, used);
	curl_global_cleanup();
	return status;
}
