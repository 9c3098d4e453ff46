/* test_metrics.c - counters become Prometheus text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mgmt/metrics.h"

static void prints_each_worker(void **state)
{
	static const struct counter_info infos[] = {{"first", "First \\ help"},
	                                            {"odd-name", "Second"}};
	static const struct counter_group group = {"tcp", infos, 2};
	const struct counter_group *groups[] = {&group};
	struct telemetry telemetry;
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);

	(void)state;
	assert_int_equal(telemetry_create(&telemetry, groups, 1, 2, 16), OK);
	telemetry_counters(&telemetry, 0)[0] = 5;
	telemetry_counters(&telemetry, 1)[1] = UINT64_MAX;
	metrics_print_counters(&telemetry, stream);
	fclose(stream);
	assert_string_equal(text,
	                    "# HELP postern_tcp_first_total First \\\\ help\n"
	                    "# TYPE postern_tcp_first_total counter\n"
	                    "postern_tcp_first_total{worker=\"0\"} 5\n"
	                    "postern_tcp_first_total{worker=\"1\"} 0\n"
	                    "# HELP postern_tcp_odd_name_total Second\n"
	                    "# TYPE postern_tcp_odd_name_total counter\n"
	                    "postern_tcp_odd_name_total{worker=\"0\"} 0\n"
	                    "postern_tcp_odd_name_total{worker=\"1\"} 18446744073709551615\n");
	free(text);
	telemetry_close(&telemetry);
}

static void prints_what_the_asker_counts(void **state)
{
	static const struct asker asker = {.counts = {.questions = 7, .lookups_timed_out = 2},
	                                   .lookups_open = 3};
	char *text = NULL;
	size_t bytes;
	FILE *stream = open_memstream(&text, &bytes);

	(void)state;
	metrics_print_asker(&asker, stream);
	fclose(stream);
	assert_non_null(strstr(text, "# TYPE postern_asker_questions_total counter\n"
	                             "postern_asker_questions_total 7\n"));
	assert_non_null(strstr(text, "\npostern_asker_lookups_timed_out_total 2\n"));
	assert_non_null(strstr(text, "\npostern_asker_lookups_open 3\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(prints_each_worker),
	    cmocka_unit_test(prints_what_the_asker_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
