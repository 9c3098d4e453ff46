/* test_rules_cache.c - compiled rules kept on disk: taken when nothing they depend on has changed,
 * and only then. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/rules_cache.h"
#include "mgmt/rules_work.h"

struct place {
	char folder[32], rules[64], included[64], cache[64];
};

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void make_place(struct place *p)
{
	strcpy(p->folder, "/tmp/postern-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->rules, sizeof(p->rules), "%s/a.cf", p->folder);
	snprintf(p->included, sizeof(p->included), "%s/more.txt", p->folder);
	snprintf(p->cache, sizeof(p->cache), "%s/cache", p->folder);
	assert_int_equal(mkdir(p->cache, 0700), 0);
	write_text(p->rules, "body FIRST /alphabet/\nscore FIRST 1\nbody BAD /x(/\n"
	                     "include more.txt\n");
	write_text(p->included, "body SECOND /gammaray/\n");
}

/* How many files of the cache end so; they are taken away where `remove`. */
static unsigned cached(const struct place *p, const char *ending, bool take_away)
{
	DIR *dir = opendir(p->cache);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name), end = strlen(ending);

		if (entry->d_name[0] == '.' || len < end ||
		    strcmp(entry->d_name + len - end, ending) != 0)
			continue;
		count++;
		if (take_away)
			assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
	}
	closedir(dir);
	return count;
}

static void remove_place(const struct place *p)
{
	cached(p, "", true);
	rmdir(p->cache);
	unlink(p->included);
	unlink(p->rules);
	rmdir(p->folder);
}

struct made {
	struct generation generation;
	json_t *report;
	bool from_cache; /* no database was compiled for it */
};

static struct made make(const struct place *p, const struct config *config, uint64_t number)
{
	json_t *paths = json_pack("[s]", p->rules);
	struct rules_work work = {.paths = paths,
	                          .config = config,
	                          .number = number,
	                          .made_wall_us = 1000 + number,
	                          .label = "test",
	                          .cache_folder = p->cache};
	struct job_output output = {.fd = -1};
	struct made made;

	cached(p, ".hsdb", true);
	rules_work_compile(&work, &output);
	assert_int_equal(output.error, OK);
	assert_int_equal(generation_open(&made.generation, output.fd), OK);
	assert_int_equal(made.generation.number, number);
	assert_int_equal(made.generation.made_wall_us, 1000 + number);
	made.report = output.report;
	made.from_cache = cached(p, ".hsdb", false) == 0;
	json_decref(paths);
	return made;
}

static void forget(struct made *made)
{
	generation_close(&made->generation);
	json_decref(made->report);
}

static void same_input_is_taken_from_the_cache(void **state)
{
	static struct config config;
	struct place p;

	(void)state;
	make_place(&p);
	struct made first = make(&p, &config, 1), second = make(&p, &config, 2);
	assert_false(first.from_cache);
	assert_true(second.from_cache);
	for (uint32_t id = 0; id < 256; id++) {
		struct bytes a = generation_section(&first.generation, id),
		             b = generation_section(&second.generation, id);

		assert_true(bytes_equal(a, b));
	}
	/* Of the rule with a fault, of what was placed how, and the rules' names. */
	assert_true(json_array_size(json_object_get(second.report, "reports")) > 0);
	assert_true(json_equal(first.report, second.report));
	forget(&first);
	forget(&second);
	remove_place(&p);
}

static void what_it_depends_on_makes_it_compile(void **state)
{
	static struct config config, other;
	struct place p;

	(void)state;
	make_place(&p);
	struct made made = make(&p, &config, 1);
	forget(&made);
	/* A file that a rule file includes. */
	write_text(p.included, "body SECOND /gammarayz/\n");
	made = make(&p, &config, 2);
	assert_false(made.from_cache);
	forget(&made);
	other.domain_count = 1;
	strcpy(other.domain[0].name, "example.org");
	other.domain[0].score_tag = 3000;
	other.domain[0].score_reject = 9000;
	made = make(&p, &other, 3);
	assert_false(made.from_cache);
	forget(&made);
	made = make(&p, &config, 4);
	assert_true(made.from_cache);
	forget(&made);
	made = make(&p, &other, 5);
	assert_true(made.from_cache);
	forget(&made);
	remove_place(&p);
}

static void damage(const struct place *p, off_t at, bool cut)
{
	DIR *dir = opendir(p->cache);
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL) {
		if (strstr(entry->d_name, ".rules") == NULL)
			continue;
		int fd = openat(dirfd(dir), entry->d_name, O_RDWR);
		struct stat status;
		uint8_t octet;

		assert_int_equal(fstat(fd, &status), 0);
		at = at < 0 ? status.st_size + at : at;
		if (cut) {
			assert_int_equal(ftruncate(fd, at), 0);
		} else {
			assert_int_equal(pread(fd, &octet, 1, at), 1);
			octet ^= 1;
			assert_int_equal(pwrite(fd, &octet, 1, at), 1);
		}
		close(fd);
	}
	closedir(dir);
}

static void damaged_files_are_not_believed(void **state)
{
	/* In the image's head and sections, the report, the trailer; and files that end early. */
	static const struct {
		off_t at;
		bool cut;
	} cases[] = {{0, false},   {8, false},  {5000, false}, {-70, false}, {-40, false},
	             {-20, false}, {-1, false}, {100, true},   {-1, true},   {0, true}};
	static struct config config;
	struct place p;
	uint64_t number = 1;

	(void)state;
	make_place(&p);
	struct made made = make(&p, &config, number++);
	forget(&made);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		damage(&p, cases[i].at, cases[i].cut);
		made = make(&p, &config, number++);
		assert_false(made.from_cache);
		forget(&made);
		made = make(&p, &config, number++);
		assert_true(made.from_cache);
		forget(&made);
	}
	remove_place(&p);
}

static void few_files_stay(void **state)
{
	static struct config config;
	struct place p;
	char text[64];

	(void)state;
	make_place(&p);
	for (unsigned i = 0; i < RULES_CACHE_FILES_MAX + 3; i++) {
		snprintf(text, sizeof(text), "body SECOND /number%u/\n", i);
		write_text(p.included, text);
		struct made made = make(&p, &config, i + 1);
		assert_false(made.from_cache);
		forget(&made);
	}
	assert_int_equal(cached(&p, ".rules", false), RULES_CACHE_FILES_MAX);
	struct made made = make(&p, &config, 100);
	assert_true(made.from_cache);
	forget(&made);
	remove_place(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_input_is_taken_from_the_cache),
	    cmocka_unit_test(what_it_depends_on_makes_it_compile),
	    cmocka_unit_test(damaged_files_are_not_believed),
	    cmocka_unit_test(few_files_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
