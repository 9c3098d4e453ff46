/* eval_domain.c - globs, and the part of a host's name somebody registered. */
#include "classifier/eval.h"

#define LABELS_MAX 32u

bool eval_contains(struct bytes text, struct bytes part)
{
	return part.len <= text.len &&
	       (part.len == 0 || memmem(text.data, text.len, part.data, part.len) != NULL);
}

/* The first octet of `part` that has no case, else part.len: memchr finds it quickly. */
static size_t caseless_octet(struct bytes part)
{
	size_t at = 0;

	while (at < part.len && eval_lower(part.data[at]) >= 'a' &&
	       eval_lower(part.data[at]) <= 'z')
		at++;
	return at;
}

bool eval_contains_nocase(struct bytes text, struct bytes part, size_t *out_at)
{
	size_t pivot = caseless_octet(part);
	uint8_t first = part.len > 0 ? eval_lower(part.data[0]) : 0;

	for (size_t at = 0; at + part.len <= text.len; at++) {
		if (pivot < part.len) {
			at += bytes_find(bytes_slice(text, at + pivot, SIZE_MAX), part.data[pivot]);
			if (at + part.len > text.len)
				return false;
		}
		if ((part.len == 0 || eval_lower(text.data[at]) == first) &&
		    bytes_equal_nocase(bytes_slice(text, at, part.len), part)) {
			*out_at = at;
			return true;
		}
	}
	return false;
}

/* Whether the text ends as the glob does, from its last wild character on: most do not, so most
 * globs are done with here. */
static bool ends_as(struct bytes glob, struct bytes text)
{
	size_t g = glob.len, t = text.len;

	while (g > 0 && t > 0 && glob.data[g - 1] != '*' && glob.data[g - 1] != '?')
		if (glob.data[--g] != eval_lower(text.data[--t]))
			return false;
	return true;
}

/* Goes back to the last '*' only, so its work is at most the product of the lengths. */
bool eval_glob(struct bytes glob, struct bytes text, uint8_t stop)
{
	if (!ends_as(glob, text))
		return false;
	size_t g = 0, t = 0, star = SIZE_MAX, again = 0;

	while (t < text.len) {
		if (g < glob.len && glob.data[g] == '*') {
			star = ++g;
			again = t;
		} else if (g < glob.len &&
		           (glob.data[g] == '?' || glob.data[g] == eval_lower(text.data[t]))) {
			g++;
			t++;
		} else if (star != SIZE_MAX && (stop == 0 || text.data[again] != stop)) {
			g = star;
			t = ++again;
		} else {
			return false;
		}
	}
	while (g < glob.len && glob.data[g] == '*')
		g++;
	return g == glob.len;
}

bool eval_list_argument(const struct eval_call *call, uint32_t argument, uint32_t *out_list)
{
	double number = eval_number(call, argument);

	if (number < 0)
		return false;
	*out_list = (uint32_t)number;
	return true;
}

static bool is_us_state(struct bytes label)
{
	static const char
	    states[] = "akalarazcacoctdcdeflgaguhiiaidilinksky"
	               "lamamdmemimnmomsmtncndnenhnjnmnvnyohokorpaprriscsdtntxutvavivtwawiwvwy";

	for (size_t i = 0; label.len == 2 && i + 1 < sizeof(states); i += 2)
		if (eval_lower(label.data[0]) == (uint8_t)states[i] &&
		    eval_lower(label.data[1]) == (uint8_t)states[i + 1])
			return true;
	return false;
}

/* The labels of a host, as slices; without empty ones, as dots at the ends or in rows count for
 * nothing. */
static uint32_t split_labels(struct bytes host, struct bytes label[LABELS_MAX])
{
	uint32_t count = 0;

	while (host.len > 0) {
		size_t end = bytes_find(host, '.');

		if (end > 0) {
			if (count == LABELS_MAX) {
				memmove(label, label + 1, (LABELS_MAX - 1) * sizeof(*label));
				count--;
			}
			label[count++] = bytes_slice(host, 0, end);
		}
		host = bytes_slice(host, end + 1, SIZE_MAX);
	}
	return count;
}

/* Whether the last `count` labels, from `label` on, are a suffix under which names are sold. Those
 * of the United States follow RFC 1480. */
static bool is_suffix(const struct ruleset *ruleset, const struct bytes *label, uint32_t count,
                      struct bytes text)
{
	if (count == 2)
		return eval_list_find(ruleset, EVAL_LIST_RB_2TLD, text, false) != NULL;
	if (count == 3 && !bytes_equal_nocase(label[2], BYTES("us")))
		return eval_list_find(ruleset, EVAL_LIST_RB_3TLD, text, false) != NULL;
	if (count == 3)
		return is_us_state(label[1]);
	if (count != 4 || !bytes_equal_nocase(label[3], BYTES("us")) || !is_us_state(label[2]))
		return false;
	return (bytes_equal_nocase(label[0], BYTES("pvt")) &&
	        bytes_equal_nocase(label[1], BYTES("k12"))) ||
	       bytes_equal_nocase(label[0], BYTES("ci")) ||
	       bytes_equal_nocase(label[0], BYTES("co"));
}

struct bytes eval_registered_domain(const struct ruleset *ruleset, struct bytes host)
{
	struct bytes label[LABELS_MAX];
	uint32_t count = split_labels(host, label), suffix = 0;

	if (count == 0)
		return bytes_of("", 0);
	const uint8_t *end = label[count - 1].data + label[count - 1].len;
	/* From the longest on: the first suffix that is one decides. */
	for (suffix = 0; suffix + 1 < count; suffix++) {
		struct bytes text = bytes_of(label[suffix].data,
		                             (size_t)(end - label[suffix].data));

		if (count - suffix <= 4 && is_suffix(ruleset, &label[suffix], count - suffix, text))
			break;
	}
	if (suffix > 0)
		suffix--;
	return bytes_of(label[suffix].data, (size_t)(end - label[suffix].data));
}

bool eval_has_valid_tld(const struct ruleset *ruleset, struct bytes host)
{
	size_t at = host.len;

	while (at > 0 && host.data[at - 1] != '.')
		at--;
	return at > 0 && eval_list_find(ruleset, EVAL_LIST_RB_TLD, bytes_slice(host, at, SIZE_MAX),
	                                false) != NULL;
}
