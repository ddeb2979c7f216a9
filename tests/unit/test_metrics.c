#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "gateway/base/metrics.h"

GW_COUNTER(m_b, "isthmus_zz_test_total", "A test", "reason=\"b\"");
GW_GAUGE(m_gauge, "isthmus_zz_level", "A level", "");
GW_COUNTER(m_a, "isthmus_zz_test_total", "A test", "reason=\"a\"");

static void print(struct gw_buf *b)
{
	gw_buf_init(b, 1 << 20);
	gw_metrics_print(b);
	assert_int_equal(0, gw_buf_error(b));
}

static void names_are_grouped_with_one_help_and_type(void **state)
{
	struct gw_buf b;

	(void)state;
	gw_metric_add(&m_a, 3);
	gw_metric_add(&m_b, 1);
	gw_metric_set(&m_gauge, -5);
	print(&b);
	assert_non_null(strstr(b.data,
			       "# HELP isthmus_zz_level A level\n"
			       "# TYPE isthmus_zz_level gauge\n"
			       "isthmus_zz_level -5\n"
			       "# HELP isthmus_zz_test_total A test\n"
			       "# TYPE isthmus_zz_test_total counter\n"
			       "isthmus_zz_test_total{reason=\"a\"} 3\n"
			       "isthmus_zz_test_total{reason=\"b\"} 1\n"));
	gw_buf_fini(&b);
}

GW_COUNTER(m_here, "isthmus_zy_shared_total", "Shared", "in=\"two\"");
GW_COUNTER(m_there, "isthmus_zy_shared_total", "Shared", "in=\"two\"");
GW_COUNTER(m_alone, "isthmus_zy_shared_total", "Shared", "in=\"one\"");

static void what_two_files_count_is_one_sample(void **state)
{
	struct gw_buf b;

	(void)state;
	gw_metric_add(&m_here, 2);
	gw_metric_add(&m_there, 3);
	gw_metric_add(&m_alone, 7);
	print(&b);
	assert_non_null(strstr(b.data,
			       "# TYPE isthmus_zy_shared_total counter\n"
			       "isthmus_zy_shared_total{in=\"one\"} 7\n"
			       "isthmus_zy_shared_total{in=\"two\"} 5\n"
			       "# HELP isthmus_zz_lag_seconds"));
	gw_buf_fini(&b);
}

GW_HISTOGRAM(m_lag, "isthmus_zz_lag_seconds", "A lag", 1000, 20000);

static void a_histogram_is_cumulative(void **state)
{
	struct gw_buf b;

	(void)state;
	gw_histogram_add(&m_lag, 0);
	gw_histogram_add(&m_lag, 1000);
	gw_histogram_add(&m_lag, 1001);
	gw_histogram_add(&m_lag, 2000000);
	print(&b);
	assert_non_null(strstr(b.data,
			       "# HELP isthmus_zz_lag_seconds A lag\n"
			       "# TYPE isthmus_zz_lag_seconds histogram\n"
			       "isthmus_zz_lag_seconds_bucket{le=\"0.001\"} 2\n"
			       "isthmus_zz_lag_seconds_bucket{le=\"0.02\"} 3\n"
			       "isthmus_zz_lag_seconds_bucket{le=\"+Inf\"} 4\n"
			       "isthmus_zz_lag_seconds_sum 2.002001\n"
			       "isthmus_zz_lag_seconds_count 4\n"));
	gw_buf_fini(&b);
}

static void every_name_is_announced_once(void **state)
{
	struct gw_buf b;

	(void)state;
	print(&b);
	for (const char *p = strstr(b.data, "# TYPE "); p;
	     p = strstr(p + 1, "# TYPE ")) {
		char head[128];
		size_t n = strcspn(p + 7, " ") + 8;

		assert_true(n < sizeof(head));
		memcpy(head, p, n);
		head[n] = '\0';
		assert_null(strstr(p + 1, head));
	}
	gw_buf_fini(&b);
}

static void *add_many(void *arg)
{
	for (int i = 0; i < 50000; i++)
		gw_metric_add(arg, 1);
	return NULL;
}

static void adding_from_several_threads_loses_nothing(void **state)
{
	pthread_t t[4];
	int64_t before = gw_metric_get(&m_a);
	struct gw_buf b;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(0,
				 pthread_create(&t[i], NULL, add_many, &m_a));
	print(&b); /* while they add */
	gw_buf_fini(&b);
	for (int i = 0; i < 4; i++)
		assert_int_equal(0, pthread_join(t[i], NULL));
	assert_int_equal(before + 200000, gw_metric_get(&m_a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_grouped_with_one_help_and_type),
		cmocka_unit_test(a_histogram_is_cumulative),
		cmocka_unit_test(what_two_files_count_is_one_sample),
		cmocka_unit_test(every_name_is_announced_once),
		cmocka_unit_test(adding_from_several_threads_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
