#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "gateway/base/buf.h"

static void text_is_put_together(void **state)
{
	struct gw_buf b;
	char *text;

	(void)state;
	gw_buf_init(&b, 1000);
	gw_buf_str(&b, "a=");
	gw_buf_printf(&b, "%d,%s", 7, "x");
	gw_buf_add(&b, "\0z", 2);
	assert_int_equal(0, gw_buf_error(&b));
	assert_int_equal(7, b.len);
	assert_memory_equal("a=7,x\0z", b.data, 8);
	text = gw_buf_take(&b);
	assert_string_equal("a=7,x", text);
	assert_int_equal(0, b.len);
	assert_null(b.data);
	free(text);
}

static void the_limit_counts_bytes_of_text(void **state)
{
	struct gw_buf b;

	(void)state;
	gw_buf_init(&b, 5);
	gw_buf_str(&b, "12345");
	assert_int_equal(0, gw_buf_error(&b));
	gw_buf_str(&b, "");
	assert_int_equal(0, gw_buf_error(&b));
	gw_buf_printf(&b, "%c", '6');
	assert_int_equal(-EMSGSIZE, gw_buf_error(&b));
	assert_string_equal("12345", b.data);
	gw_buf_fini(&b);
}

static void a_failure_sticks_until_the_reset(void **state)
{
	struct gw_buf b;

	(void)state;
	gw_buf_init(&b, 3);
	gw_buf_str(&b, "too long");
	gw_buf_str(&b, "ok");
	assert_int_equal(-EMSGSIZE, gw_buf_error(&b));
	assert_int_equal(0, b.len);
	gw_buf_reset(&b);
	gw_buf_str(&b, "ok");
	assert_int_equal(0, gw_buf_error(&b));
	assert_string_equal("ok", b.data);
	gw_buf_str(&b, "no");
	assert_null(gw_buf_take(&b));
	gw_buf_fini(&b);
}

static void an_empty_text_can_be_taken(void **state)
{
	struct gw_buf b;
	char *text;

	(void)state;
	gw_buf_init(&b, 0);
	text = gw_buf_take(&b);
	assert_string_equal("", text);
	free(text);
	gw_buf_add(&b, NULL, 0);
	assert_string_equal("", b.data);
	gw_buf_fini(&b);
}

static void it_grows_as_far_as_needed(void **state)
{
	struct gw_buf b;

	(void)state;
	gw_buf_init(&b, SIZE_MAX);
	for (int i = 0; i < 100000; i++)
		gw_buf_printf(&b, "%05d", i);
	assert_int_equal(0, gw_buf_error(&b));
	assert_int_equal(500000, b.len);
	assert_int_equal(500000, strlen(b.data));
	assert_memory_equal("99999", b.data + 499995, 6);
	gw_buf_add(&b, "x", SIZE_MAX - 500000); /* would wrap */
	assert_int_equal(-EMSGSIZE, gw_buf_error(&b));
	gw_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_put_together),
		cmocka_unit_test(the_limit_counts_bytes_of_text),
		cmocka_unit_test(a_failure_sticks_until_the_reset),
		cmocka_unit_test(an_empty_text_can_be_taken),
		cmocka_unit_test(it_grows_as_far_as_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
