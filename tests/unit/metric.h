/* tests/unit/metric.h - what a counter or gauge of the gateway says */
#ifndef TEST_METRIC_H
#define TEST_METRIC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/base/buf.h"
#include "gateway/base/metrics.h"

/* Of the line "name" or "name{labels}"; -1: there is none. */
static inline int64_t metric(const char *line)
{
	struct gw_buf out;
	char want[200];
	const char *at;
	int64_t value = -1;

	gw_buf_init(&out, 1 << 20);
	gw_buf_str(&out, "\n");
	gw_metrics_print(&out);
	assert_int_equal(gw_buf_error(&out), 0);
	assert_true((size_t)snprintf(want, sizeof(want), "\n%s ", line) <
		    sizeof(want));
	at = strstr(out.data, want);
	if (at)
		value = strtoll(at + strlen(want), NULL, 10);
	gw_buf_fini(&out);
	return value;
}

#endif
