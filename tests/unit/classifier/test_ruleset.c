/* test_ruleset.c - what a generation carries, what refuses to open, and the compile cache. */
#include <dirent.h>
#include <sys/stat.h>

#include "tests/unit/classifier/rules_fixture.h"

static const char
    rules[] = "body ONE /some literal text/\ndescribe ONE Says something\nscore ONE 1.2345\n"
              "header TWO Subject =~ /wordy/\nheader THREE From:addr =~ /wordy/\n"
              "header FOUR Subject =~ /other/\nmeta FIVE ONE && TWO\n";

static void carries_names_points_and_selectors(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(rules);
	uint32_t count;

	assert_int_equal(ruleset_rule_count(f->ruleset), 5);
	assert_string_equal(ruleset_rule_name(f->ruleset, 0), "ONE");
	assert_string_equal(ruleset_rule_description(f->ruleset, 0), "Says something");
	assert_string_equal(ruleset_rule_description(f->ruleset, 1), "");
	assert_int_equal(ruleset_rule_score_milli(f->ruleset, 0), 1235);
	assert_string_equal(ruleset_rule_name(f->ruleset, 99), "");
	struct bytes selectors = ruleset_selectors(f->ruleset, &count);
	assert_int_equal(count, 2);
	assert_int_equal(selectors.len, 2 * sizeof(struct selector));
	assert_int_equal(f->generation.kind, GENERATION_RULES);
	assert_int_equal(f->generation.number, 7);
	fixture_free(f);
}

/* A copy of the generation in writable memory. */
static struct generation copy_of(const struct fixture *f)
{
	struct generation copy = f->generation;
	uint8_t *memory = aligned_alloc(4096, (copy.bytes + 4095) & ~(size_t)4095);

	assert_non_null(memory);
	memcpy(memory, copy.memory, copy.bytes);
	copy.memory = memory;
	return copy;
}

static void *writable(const struct generation *copy, uint32_t section)
{
	return (uint8_t *)(uintptr_t)generation_section(copy, section).data;
}

static enum err open_copy(const struct generation *copy)
{
	struct ruleset *ruleset;
	char reason[200];
	enum err err = ruleset_open(copy, &ruleset, reason);

	if (err == OK)
		ruleset_close(ruleset);
	else
		assert_true(strlen(reason) > 10);
	return err;
}

static void refuses_what_was_made_for_others(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(rules);
	struct generation copy = copy_of(f);
	struct blob_head *head = writable(&copy, BLOB_HEAD), whole = *head;

	assert_int_equal(open_copy(&copy), OK);
	head->hyperscan[0] ^= 1;
	assert_int_equal(open_copy(&copy), ERR_PLATFORM);
	*head = whole;
	head->cpu_features ^= 1;
	assert_int_equal(open_copy(&copy), ERR_PLATFORM);
	*head = whole;
	head->version++;
	assert_int_equal(open_copy(&copy), ERR_VERSION);
	*head = whole;
	copy.kind = GENERATION_LISTS;
	assert_int_equal(open_copy(&copy), ERR_SYNTAX);
	copy.kind = GENERATION_RULES;
	assert_int_equal(open_copy(&copy), OK);
	free((void *)(uintptr_t)copy.memory);
	fixture_free(f);
}

static void refuses_offsets_out_of_range(void **state)
{
	(void)state;
	struct fixture *f = fixture_new(rules);
	struct generation copy = copy_of(f);
	struct blob_rule *rule = writable(&copy, BLOB_RULES), whole = rule[0], meta = rule[4];
	uint8_t *database = writable(&copy, BLOB_SECTION(TEXT_BODY, BLOB_LITERAL_DB));
	uint32_t *code = writable(&copy, BLOB_META_CODE);

	rule[0].name = UINT32_MAX;
	assert_int_equal(open_copy(&copy), ERR_SYNTAX);
	rule[0] = whole;
	rule[0].pattern_bytes++;
	assert_int_equal(open_copy(&copy), ERR_SYNTAX);
	rule[0] = whole;
	/* Placed under body, it cannot be a header rule. */
	rule[0].text_kind = TEXT_HEADER;
	assert_int_equal(open_copy(&copy), ERR_SYNTAX);
	rule[0] = whole;
	rule[4].code_count--;
	assert_int_equal(open_copy(&copy), ERR_SYNTAX);
	rule[4] = meta;
	code[0] = META_AND;
	assert_int_equal(open_copy(&copy), ERR_SYNTAX);
	code[0] = META_RULE | 5u << 8;
	assert_int_equal(open_copy(&copy), ERR_SYNTAX);
	code[0] = META_RULE;
	database[200] ^= 1;
	assert_int_equal(open_copy(&copy), ERR_SYNTAX);
	database[200] ^= 1;
	assert_int_equal(open_copy(&copy), OK);
	free((void *)(uintptr_t)copy.memory);
	fixture_free(f);
}

/* Writes over every file of the folder when `spoil`; their number. */
static int visit_cache(const char *folder, bool spoil, bool remove_all)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[512];

		if (entry->d_name[0] == '.')
			continue;
		count++;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (spoil) {
			FILE *file = fopen(path, "r+b");

			assert_non_null(file);
			fputs("not a database", file);
			fclose(file);
		}
		if (remove_all)
			unlink(path);
	}
	closedir(dir);
	return count;
}

static void the_cache_may_be_used_or_spoilt(void **state)
{
	(void)state;
	char folder[] = "/tmp/postern-XXXXXX";
	struct rule_compile_options options = {.cache_folder = folder};

	assert_non_null(mkdtemp(folder));
	for (int turn = 0; turn < 3; turn++) {
		struct fixture *f = malloc(sizeof(*f));

		fixture_open(f, rules, &options);
		fixture_add(f, TEXT_BODY, "some literal text");
		fixture_judge(f);
		assert_true(fixture_value(f, "ONE") == 1);
		fixture_free(f);
		/* One database for body, one for headers; fresh, used, then spoilt and made again.
		 */
		assert_int_equal(visit_cache(folder, turn == 1, turn == 2), 2);
	}
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(carries_names_points_and_selectors),
	    cmocka_unit_test(refuses_what_was_made_for_others),
	    cmocka_unit_test(refuses_offsets_out_of_range),
	    cmocka_unit_test(the_cache_may_be_used_or_spoilt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
