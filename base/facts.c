/* facts.c - looking things up in the facts of one message. */
#include "base/facts.h"

const char *fact_uri_type_text(enum fact_uri_type type)
{
	static const char *const texts[FACT_URI_TYPE_COUNT] = {
#define URI_TYPE(name) #name,
#include "base/uri_types.def"
	};

	return texts[type];
}

static bool is_named(const struct fact_field *field, struct bytes name, uint32_t hash)
{
	return field->name_hash == hash && bytes_equal_nocase(field->name, name);
}

uint32_t facts_field(const struct facts *facts, const struct fact_part *part, struct bytes name,
                     uint32_t from)
{
	uint32_t hash = fact_name_hash(name), end = part->field_first + part->field_count;

	for (uint32_t i = from; i < end; i++)
		if (is_named(&facts->field[i], name, hash))
			return i;
	return FACT_NONE;
}

uint32_t facts_last_field(const struct facts *facts, const struct fact_part *part,
                          struct bytes name)
{
	uint32_t hash = fact_name_hash(name);

	for (uint32_t i = part->field_first + part->field_count; i > part->field_first; i--)
		if (is_named(&facts->field[i - 1], name, hash))
			return i - 1;
	return FACT_NONE;
}

const struct fact_tag *facts_tag(const struct fact_html *html, struct bytes name)
{
	for (uint32_t i = 0; i < html->tags; i++)
		if (bytes_equal(html->tag[i].name, name))
			return &html->tag[i];
	return NULL;
}
