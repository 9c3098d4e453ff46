/* html_elements.c - the elements of HTML that rendering knows something of. */
#include "smtp/html_elements.h"

#include "base/check.h"

#define NAME_BYTES_MAX 16

static const char names[HTML_ELEMENT_COUNT][NAME_BYTES_MAX] = {
#define ELEMENT(name, valid, space, style, uri, type) #name,
#include "smtp/html_elements.def"
};

static const struct html_traits traits[HTML_ELEMENT_COUNT] = {
#define ELEMENT(name, valid, space, style, uri, type) \
	{valid, HTML_SPACE_##space, HTML_STYLE_##style, HTML_URI_##uri, FACT_URI_##type},
#include "smtp/html_elements.def"
};

/* Binary search over numbers, with no branch on what was found: the way through a message's tags
 * cannot be guessed. */
enum html_element html_element_find(const struct html_token *token)
{
	unsigned first = 0, count = HTML_ELEMENT_COUNT;

	while (count > 1) {
		unsigned half = count / 2;

		first += html_name_key(names[first + half]) <= token->name_key ? half : 0;
		count -= half;
	}
	/* What a name has beyond its number is left to compare; one that holds a NUL ends there. */
	bool found = (html_name_key(names[first]) == token->name_key && token->name[7] == '\0') ||
	             strcmp(names[first], token->name) == 0;
	return found ? (enum html_element)first : HTML_ELEMENT_COUNT;
}

const struct html_traits *html_element_traits(enum html_element element)
{
	ASSERT(element < HTML_ELEMENT_COUNT);
	return &traits[element];
}
