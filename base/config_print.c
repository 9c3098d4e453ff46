/* config_print.c - a configuration as a file that reads back the same, and the tables as a manual.
 */
#include <inttypes.h>

#include "base/config.h"
#include "base/config_internal.h"

/* Quoted, with the escapes that ucl.c resolves. Texts hold no control characters; see config.c. */
static void print_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void print_addr(FILE *out, const struct addr *addr)
{
	char text[ADDR_TEXT_MAX];

	print_text(out, addr_format(addr, text));
}

static void print_prefix(FILE *out, const struct prefix *prefix)
{
	char text[ADDR_TEXT_MAX];
	int bits = prefix->bits - (addr_is_ip4(&prefix->addr) ? 96 : 0);

	fprintf(out, "\"%s/%d\"", addr_format(&prefix->addr, text), bits);
}

static void print_option(FILE *out, const struct config *config, const struct option *option)
{
	const uint8_t *place = (const uint8_t *)config + option->offset;
	char text[VALUE_TEXT_BYTES];

	fprintf(out, "\t%s = ", option->key);
	if (option->type == OPTION_TYPE_text) {
		print_text(out, (const char *)place);
	} else if (option->type == OPTION_TYPE_texts) {
		const struct config_texts *texts = (const struct config_texts *)(const void *)place;
		fputc('[', out);
		for (uint32_t i = 0; i < texts->count; i++) {
			fputs(i > 0 ? ", " : "", out);
			print_text(out, texts->text[i]);
		}
		fputc(']', out);
	} else {
		fputs(value_format(option->type, option_load(config, option), text), out);
	}
	fputs(";\n", out);
}

/* Rows of a section need not stand together; a section is printed at its first row. */
static bool is_first_of_section(uint32_t row)
{
	for (uint32_t i = 0; i < row; i++)
		if (strcmp(option_table[i].section, option_table[row].section) == 0)
			return false;
	return true;
}

static void print_prefixes(FILE *out, const struct config_port *port)
{
	fputc('[', out);
	for (uint32_t i = 0; i < port->address_count; i++) {
		fputs(i > 0 ? ", " : "", out);
		print_prefix(out, &port->address[i]);
	}
	fputc(']', out);
}

static void print_words(FILE *out, const char *words)
{
	fputs("[\"", out);
	for (; *words != '\0'; words++)
		if (*words == ' ')
			fputs("\", \"", out);
		else
			fprintf(out, *words == '"' || *words == '\\' ? "\\%c" : "%c", *words);
	fputs("\"]", out);
}

/* What is not given (empty, unspecified) is left out: an empty text is no legal address. */
static void print_field(FILE *out, const struct field *field, const void *object)
{
	const void *place = (const uint8_t *)object + field->offset;
	bool is_text = field->kind == FIELD_TEXT || field->kind == FIELD_WORDS ||
	               field->kind == FIELD_HOSTNAME;
	bool is_addr = field->kind == FIELD_ADDR || field->kind == FIELD_ADDR4 ||
	               field->kind == FIELD_ADDR6;

	char number[VALUE_TEXT_BYTES];

	if ((is_text && *(const char *)place == '\0') || (is_addr && addr_is_unspecified(place)) ||
	    (field->kind == FIELD_POINTS && *(const int32_t *)place == CONFIG_POINTS_UNSET))
		return;
	fprintf(out, "\t\t%s = ", field->key);
	if (field->kind == FIELD_WORDS)
		print_words(out, place);
	else if (field->kind == FIELD_POINTS)
		fputs(value_format(OPTION_TYPE_points, *(const int32_t *)place, number), out);
	else if (is_text)
		print_text(out, place);
	else if (is_addr)
		print_addr(out, place);
	else if (field->kind == FIELD_U32)
		fprintf(out, "%" PRIu32, *(const uint32_t *)place);
	else if (field->kind == FIELD_PORT)
		fprintf(out, "%" PRIu16, *(const uint16_t *)place);
	else
		print_prefixes(out, object);
	fputs(";\n", out);
}

static void print_objects(FILE *out, const struct config *config, enum object_kind kind)
{
	fprintf(out, "%s {\n", object_table[kind].section);
	for (uint32_t i = 0; i < *object_count(config, kind); i++) {
		const char *name = object_at(config, kind, i); /* the first member of each */
		fprintf(out, "\t%s {\n", name);
		for (uint32_t f = 0; f < field_count; f++)
			if (field_table[f].object == kind)
				print_field(out, &field_table[f], name);
		fputs("\t}\n", out);
	}
	fputs("}\n", out);
}

void config_print(const struct config *config, FILE *out)
{
	for (enum object_kind kind = 0; kind < OBJECT_KIND_COUNT; kind++)
		print_objects(out, config, kind);
	for (uint32_t row = 0; row < OPTION_COUNT; row++) {
		if (!is_first_of_section(row))
			continue;
		fprintf(out, "%s {\n", option_table[row].section);
		for (uint32_t i = row; i < OPTION_COUNT; i++)
			if (strcmp(option_table[i].section, option_table[row].section) == 0)
				print_option(out, config, &option_table[i]);
		fputs("}\n", out);
	}
}

static void print_option_row(FILE *out, const struct option *option)
{
	char value[VALUE_TEXT_BYTES], min[VALUE_TEXT_BYTES], max[VALUE_TEXT_BYTES];

	fprintf(out, "| `%s` | ", option->key);
	if (option->type == OPTION_TYPE_text && *option->text != '\0')
		fprintf(out, "`%s` | text", option->text);
	else if (option->type == OPTION_TYPE_text)
		fputs("none | text", out);
	else if (option->type == OPTION_TYPE_texts)
		fputs("none | list of texts", out);
	else if (option->type == OPTION_TYPE_bool)
		fprintf(out, "%s | true, false", value_format(option->type, option->value, value));
	else
		fprintf(out, "%s | %s to %s", value_format(option->type, option->value, value),
		        value_format(option->type, option->min, min),
		        value_format(option->type, option->max, max));
	fprintf(out, " | %s | %s |\n", option->reload ? "reload" : "start", option->help);
}

static void print_field_row(FILE *out, const struct field *field)
{
	static const char *const kinds[] = {
	    [FIELD_TEXT] = "text",           [FIELD_HOSTNAME] = "host name",
	    [FIELD_WORDS] = "list of words", [FIELD_POINTS] = "points",
	    [FIELD_ADDR] = "address",        [FIELD_ADDR4] = "IPv4 address",
	    [FIELD_ADDR6] = "IPv6 address",  [FIELD_PREFIXES] = "list of addresses with lengths",
	};

	char value[VALUE_TEXT_BYTES], min[VALUE_TEXT_BYTES], max[VALUE_TEXT_BYTES];

	fprintf(out, "| `%s` | ", field->key);
	if (field->kind == FIELD_U32 || field->kind == FIELD_PORT)
		fprintf(out, "%" PRId64 " | %" PRId64 " to %" PRId64, field->value, field->min,
		        field->max);
	else if (field->kind == FIELD_POINTS && field->value != CONFIG_POINTS_UNSET)
		fprintf(out, "%s | %s to %s", value_format(OPTION_TYPE_points, field->value, value),
		        value_format(OPTION_TYPE_points, field->min, min),
		        value_format(OPTION_TYPE_points, field->max, max));
	else
		fprintf(out, "%s | %s", field->need ? "must be given" : "none", kinds[field->kind]);
	fprintf(out, " | %s |\n", field->help);
}

static void print_manual_objects(FILE *out)
{
	for (enum object_kind kind = 0; kind < OBJECT_KIND_COUNT; kind++) {
		const struct object *object = &object_table[kind];
		fprintf(out,
		        "\n## %s\n\n%s, each with a name: `%s { NAME { … } }`. At most %" PRIu32
		        ".\n",
		        object->section, object->help, object->section, object->count_max);
		fputs("\n| key | default | values | meaning |\n|---|---|---|---|\n", out);
		for (uint32_t i = 0; i < field_count; i++)
			if (field_table[i].object == kind)
				print_field_row(out, &field_table[i]);
	}
	fputs("\n### Kinds of scored lists\n\n| kind | keys |\n|---|---|\n", out);
#define LIST_KEY(name, word, base, source, help) fputs("| `" word "` | " help " |\n", out);
#include "base/list_keys.def"
	fputs("\n### Drivers of ports\n\n| driver | interface |\n|---|---|\n", out);
	for (uint32_t i = 0; i < driver_count; i++)
		fprintf(out, "| `%s` | %s |\n", driver_table[i].name, driver_table[i].help);
}

void config_print_manual(FILE *out)
{
	fputs("# Options of postern.conf\n\n"
	      "The file is written in UCL: `section { key = value }`, comments after `#`; JSON is "
	      "valid too.\n"
	      "Times need a unit (`20ms`, `300s`, `5min`, `1h`); sizes may have one (`64k`, `25M`, "
	      "`1G`,\n"
	      "powers of 1024); points are decimal. A key that is not known, a value of the wrong "
	      "form or out\n"
	      "of its range is an error that names file and line, and changes nothing. The last "
	      "column but\n"
	      "one says when a change takes effect: at `posternctl config reload` or at the next "
	      "start.\n",
	      out);
	print_manual_objects(out);
	for (uint32_t row = 0; row < OPTION_COUNT; row++) {
		if (!is_first_of_section(row))
			continue;
		fprintf(out, "\n## %s\n\n", option_table[row].section);
		fputs("| key | default | values | effect | meaning |\n|---|---|---|---|---|\n",
		      out);
		for (uint32_t i = row; i < OPTION_COUNT; i++)
			if (strcmp(option_table[i].section, option_table[row].section) == 0)
				print_option_row(out, &option_table[i]);
	}
}
