#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/metrics.h"

static int fds[2];
static char text[65536];
static const struct gw_logctx call_ctx = { "call", "c0ffee" };
static const struct gw_logctx sip_ctx = { "sip", NULL };

static int set_up(void **state)
{
	(void)state;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return -1;
	gw_log_clear_levels();
	gw_log_setup(GW_LOG_TEXT, GW_INFO, fds[1]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	gw_log_clear_levels();
	gw_log_setup(GW_LOG_TEXT, GW_INFO, STDERR_FILENO);
	(void)close(fds[0]);
	return close(fds[1]);
}

/* What was written since the last time; one read takes a whole line. */
static const char *written(void)
{
	ssize_t n = read(fds[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void assert_ends(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	if (n < k || strcmp(s + n - k, end) != 0)
		fail_msg("\"%s\" does not end with \"%s\"", s, end);
}

static void a_line_says_when_who_and_which_call(void **state)
{
	int day, ms;

	(void)state;
	assert_int_equal(0, prctl(PR_SET_NAME, "signalling"));
	gw_warn(&call_ctx, "no answer after %d s", 120);
	assert_ends(
		written(),
		"Z warn  signalling call [c0ffee]: no answer after 120 s\n");
	assert_int_equal(2, sscanf(text, "20%*2d-%*2d-%2dT%*2d:%*2d:%*2d.%3dZ",
				   &day, &ms));
	gw_error(NULL, "bare");
	assert_ends(written(), "error signalling -: bare\n");
}

static void json_is_one_object_a_line(void **state)
{
	(void)state;
	assert_int_equal(0, prctl(PR_SET_NAME, "a\"b"));
	gw_log_setup(GW_LOG_JSON, GW_INFO, fds[1]);
	gw_info(&call_ctx, "say \"hi\" \\ \x01\n\xc3\xa4\xff\xc2\x85");
	assert_ends(written(),
		    "Z\",\"level\":\"info\",\"thread\":\"a\\\"b\","
		    "\"module\":\"call\",\"call\":\"c0ffee\",\"msg\":"
		    "\"say \\\"hi\\\" \\\\ \\u0001\\n\xc3\xa4\\ufffd\\u0085\""
		    "}\n");
	assert_memory_equal("{\"time\":\"20", text, 11);
	gw_info(&sip_ctx, "no call");
	assert_null(strstr(written(), "\"call\""));
}

static void a_peer_cannot_forge_a_line_or_drive_a_terminal(void **state)
{
	(void)state;
	gw_info(&sip_ctx, "from %s",
		"x\r\n2026 error\t\x1b[2J\x7f\xc2\x9b\xed\xa0\x80 "
		"\xf0\x9f\x98\x80");
	assert_ends(written(), "from x\\r\\n2026 error\\t\\x1b[2J\\x7f\\x9b"
			       "\\xed\\xa0\\x80 \xf0\x9f\x98\x80\n");
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void a_long_message_is_cut_and_says_so(void **state)
{
	static char big[20000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	gw_info(&call_ctx, "%s", big);
	assert_ends(written(), "x...\n");
	assert_true(strlen(text) < 8192);

	/* What grows by escaping too, and stays valid JSON. */
	gw_log_setup(GW_LOG_JSON, GW_INFO, fds[1]);
	memset(big, '\x01', sizeof(big) - 1);
	gw_info(&call_ctx, "%s", big);
	assert_ends(written(), "\\u0001...\"}\n");
	assert_true(strlen(text) <= 8192);
}

static void levels_can_differ_by_module(void **state)
{
	(void)state;
	gw_debug(&sip_ctx, "not this");
	assert_string_equal("", written());
	assert_true(gw_log_set_level("sip", GW_DEBUG));
	assert_true(gw_log_set_level("call", GW_ERROR));
	assert_true(gw_log_enabled(GW_DEBUG, &sip_ctx));
	gw_debug(&sip_ctx, "this");
	assert_ends(written(), "sip: this\n");
	assert_false(gw_log_enabled(GW_WARN, &call_ctx));
	gw_warn(&call_ctx, "not this");
	assert_string_equal("", written());
	assert_true(gw_log_enabled(GW_INFO, NULL));
	assert_false(gw_log_enabled(GW_DEBUG, NULL));

	gw_log_clear_levels();
	assert_false(gw_log_enabled(GW_DEBUG, &sip_ctx));
	assert_true(gw_log_enabled(GW_INFO, &call_ctx));
	assert_true(gw_log_set_level("sip", GW_WARN)); /* after a reload */
	assert_false(gw_log_enabled(GW_INFO, &sip_ctx));
}

static void names_of_levels_are_known(void **state)
{
	(void)state;
	assert_int_equal(GW_ERROR, gw_log_level_parse("error"));
	assert_int_equal(GW_WARN, gw_log_level_parse("warn"));
	assert_int_equal(GW_INFO, gw_log_level_parse("info"));
	assert_int_equal(GW_DEBUG, gw_log_level_parse("debug"));
	assert_int_equal(-EINVAL, gw_log_level_parse("Info"));
	assert_int_equal(-EINVAL, gw_log_level_parse(""));
}

static void logging_leaves_errno_alone(void **state)
{
	(void)state;
	gw_log_setup(GW_LOG_TEXT, GW_INFO, -1); /* write(2) fails */
	errno = ENOTTY;
	gw_error(NULL, "x");
	assert_int_equal(ENOTTY, errno);
}

static void a_collector_that_does_not_read_stops_nobody(void **state)
{
	struct gw_buf b;

	(void)state;
	for (int i = 0; i < 5000; i++)
		gw_info(&call_ctx, "line %d of many, to fill the pipe", i);
	gw_buf_init(&b, 1 << 20);
	gw_metrics_print(&b);
	assert_int_equal(0, gw_buf_error(&b));
	assert_non_null(strstr(b.data, "isthmus_log_lost_total "));
	assert_null(strstr(b.data, "isthmus_log_lost_total 0\n"));
	gw_buf_fini(&b);
}

static void *chatter(void *arg)
{
	for (int i = 0; i < 100; i++)
		gw_info(&call_ctx, "%s", (const char *)arg);
	return NULL;
}

static void *switcher(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		gw_log_clear_levels();
		(void)gw_log_set_level("call", GW_DEBUG);
		(void)gw_log_set_level("thread", GW_DEBUG);
	}
	return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
	static const char *const words[] = { "aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
					     "bbbbbbbbbbbbbbbbbbbbbbbbbbbb" };
	pthread_t t[3];
	char *line, *rest;
	size_t n = 0;
	ssize_t got;
	int lines = 0;

	(void)state;
	assert_int_equal(0, pthread_create(&t[0], NULL, chatter,
					   (void *)(intptr_t)words[0]));
	assert_int_equal(0, pthread_create(&t[1], NULL, chatter,
					   (void *)(intptr_t)words[1]));
	assert_int_equal(0, pthread_create(&t[2], NULL, switcher, NULL));
	for (int i = 0; i < 3; i++)
		assert_int_equal(0, pthread_join(t[i], NULL));
	while ((got = read(fds[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	for (line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		const char *word = strstr(line, "[c0ffee]: ");

		assert_non_null(word);
		word += 10;
		assert_true(!strcmp(word, words[0]) || !strcmp(word, words[1]));
		lines++;
	}
	assert_int_equal(200, lines);
}

/* Last: the table stays full for the life of the process. */
static void the_table_of_modules_is_bounded(void **state)
{
	char name[16];
	int taken = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "m%d", i);
		taken += gw_log_set_level(name, GW_DEBUG);
	}
	assert_in_range(taken, 20, 32);
	assert_true(gw_log_set_level("m0", GW_WARN));
	assert_false(gw_log_set_level("m39", GW_WARN));
	assert_false(gw_log_set_level(
		"a-name-that-no-module-of-ours-would-ever-have", GW_WARN));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_line_says_when_who_and_which_call),
		T(json_is_one_object_a_line),
		T(a_peer_cannot_forge_a_line_or_drive_a_terminal),
		T(a_long_message_is_cut_and_says_so),
		T(levels_can_differ_by_module),
		T(names_of_levels_are_known),
		T(logging_leaves_errno_alone),
		T(a_collector_that_does_not_read_stops_nobody),
		T(lines_of_several_threads_do_not_mix),
		T(the_table_of_modules_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
