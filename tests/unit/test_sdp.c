#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "sdp/sdp.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"

static struct gw_sdp *parse(const char *text)
{
	struct gw_sdp_error err;
	struct gw_sdp *sdp = NULL;

	if (gw_sdp_parse(&sdp, text, strlen(text), &err))
		fail_msg("line %u: %s", err.line, err.text);
	return sdp;
}

/* @text is refused with @code, at @line. */
static void refused(const char *text, size_t len, int code, unsigned line)
{
	struct gw_sdp_error err = { 999, "" };
	struct gw_sdp *sdp = (void *)&err;

	assert_int_equal(gw_sdp_parse(&sdp, text, len, &err), code);
	assert_ptr_equal(sdp, &err); /* written only on success */
	assert_int_equal(err.line, line);
	assert_true(err.text[0] != '\0');
	assert_int_equal(gw_sdp_parse(&sdp, text, len, NULL), code);
}

static void broken(const char *text, unsigned line)
{
	refused(text, strlen(text), -EINVAL, line);
}

static void bare_line_feeds_become_crlf(void **state)
{
	struct gw_sdp *sdp = parse("v=0\no=- 1 1 IN IP4 192.0.2.1\r\ns=x\n");
	char *text = gw_sdp_print(sdp);

	(void)state;
	assert_string_equal(text, "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=x\r\n");
	free(text);
	gw_sdp_free(sdp);
}

static void a_last_line_without_end_and_empty_lines_after_it_are_fine(void **st)
{
	static const char *const tails[] = { "", "\n", "\r\n\r\n", "\n\n\n" };
	size_t i;

	(void)st;
	for (i = 0; i < 4; i++) {
		char text[128];
		struct gw_sdp *sdp;

		(void)snprintf(text, sizeof(text), HEAD "a=x%s", tails[i]);
		sdp = parse(text);
		assert_int_equal(sdp->nline, 5);
		gw_sdp_free(sdp);
	}
}

static void unknown_lines_and_attributes_stay_in_place(void **state)
{
	const char *text = HEAD "y=1\r\nX=\xc3\xa9 two\r\n"
				"a=x-odd:: a:b\r\nm=audio 1 RTP/AVP 0\r\n"
				"q=\r\na=\r\nz=3 4\r\n";
	struct gw_sdp *sdp = parse(text);
	char *out = gw_sdp_print(sdp);

	(void)state;
	assert_string_equal(out, text);
	assert_int_equal(sdp->line[9].number, 10);
	free(out);
	gw_sdp_free(sdp);
}

static void m_lines_are_taken_apart(void **state)
{
	struct gw_sdp *sdp =
		parse(HEAD "m=audio 49170/2 RTP/AVP 0  8 97\r\n"
			   "a=a1\r\na=a2\r\n"
			   "m=image 0 udptl\r\n"
			   "m=message 65535 TCP/MSRP *\r\na=b\r\n");

	(void)state;
	assert_int_equal(sdp->nmedia, 3);
	assert_true(gw_str_eq(sdp->media[0].media, "audio"));
	assert_int_equal(sdp->media[0].port, 49170);
	assert_int_equal(sdp->media[0].nports, 2);
	assert_true(gw_str_eq(sdp->media[0].proto, "RTP/AVP"));
	assert_true(gw_str_eq(sdp->media[0].formats, "0  8 97"));
	assert_int_equal(sdp->media[0].first, 4);
	assert_int_equal(sdp->media[0].count, 3);
	assert_int_equal(sdp->media[1].port, 0);
	assert_int_equal(sdp->media[1].nports, 1);
	assert_true(gw_str_eq(sdp->media[1].formats, ""));
	assert_int_equal(sdp->media[2].port, 65535);
	assert_true(gw_str_eq(sdp->media[2].formats, "*"));
	assert_int_equal(sdp->media[2].count, 2);
	gw_sdp_free(sdp);
}

static void attributes_are_found_by_section_in_order(void **state)
{
	struct gw_sdp *sdp =
		parse(HEAD "a=x:session\r\nm=audio 1 RTP/AVP 0\r\n"
			   "a=x:one\r\na=xy:no\r\na=x\r\na=X:no\r\n"
			   "a=x:\r\nm=video 1 RTP/AVP 31\r\n"
			   "a=x:two:three\r\n");
	struct gw_str v;
	unsigned line = 0;
	size_t it = 0;

	(void)state;
	assert_true(gw_sdp_attr(sdp, -1, "x", &it, &v, &line));
	assert_true(gw_str_eq(v, "session"));
	assert_int_equal(line, 5);
	assert_false(gw_sdp_attr(sdp, -1, "x", &it, &v, &line));

	it = 0;
	assert_true(gw_sdp_attr(sdp, 0, "x", &it, &v, &line));
	assert_true(gw_str_eq(v, "one"));
	assert_int_equal(line, 7);
	assert_true(gw_sdp_attr(sdp, 0, "x", &it, &v, NULL));
	assert_true(gw_str_eq(v, ""));
	assert_true(gw_sdp_attr(sdp, 0, "x", &it, &v, &line));
	assert_int_equal(line, 11);
	assert_false(gw_sdp_attr(sdp, 0, "x", &it, &v, NULL));
	assert_false(gw_sdp_attr(sdp, 0, "x", &it, &v, NULL));

	it = 0;
	assert_true(gw_sdp_attr(sdp, 1, "x", &it, &v, NULL));
	assert_true(gw_str_eq(v, "two:three"));
	it = 0;
	assert_false(gw_sdp_attr(sdp, 2, "x", &it, &v, NULL));
	gw_sdp_free(sdp);
}

static void a_frame_that_is_not_of_rfc_8866_is_refused(void **state)
{
	(void)state;
	refused("", 0, -EINVAL, 0);
	refused(NULL, 0, -EINVAL, 0);
	refused("\r\n\r\n", 4, -EINVAL, 0);
	broken("o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n", 1);
	broken("v=1\r\no=- 1 1 IN IP4 192.0.2.1\r\n", 1);
	broken("v=0\r\ns=-\r\n", 0);
	broken(HEAD "v=0\r\n", 5);
	broken(HEAD "o=- 1 1 IN IP4 192.0.2.1\r\n", 5);
	broken("v=0\r\nm=audio 1 RTP/AVP 0\r\no=- 1 1 IN IP4 192.0.2.1\r\n", 3);
}

static void a_line_that_is_not_x_equals_value_is_refused(void **state)
{
	(void)state;
	broken(HEAD "a\r\n", 5);
	broken(HEAD "\r\na=x\r\n", 5);
	broken(HEAD " a=x\r\n", 5);
	broken(HEAD "a =x\r\n", 5);
	broken(HEAD "1=x\r\n", 5);
	broken(HEAD "{\"sdp\": 1}\r\n", 5);
	broken("INVITE sip:a SIP/2.0\r\n", 1);
}

static void control_characters_that_split_lines_are_refused(void **state)
{
	static const char nul[] = HEAD "a=a\0b\r\n";

	(void)state;
	refused(nul, sizeof(nul) - 1, -EINVAL, 5);
	broken(HEAD "a=one\ra=two\r\n", 5);
}

static void a_malformed_m_line_is_refused_with_its_number(void **state)
{
	static const char *const lines[] = {
		"m=",
		"m=audio",
		"m=audio 1",
		"m=audio 1 RTP/AVP",
		"m=audio 65536 RTP/AVP 0",
		"m=audio -1 RTP/AVP 0",
		"m=audio x RTP/AVP 0",
		"m=audio 1/0 RTP/AVP 0",
		"m=audio 1/x RTP/AVP 0",
		"m=audio 99999999999 RTP/AVP 0",
		"m=aud\xc3\xa9o 1 RTP/AVP 0",
		"m=au:dio 1 RTP/AVP 0",
		"m=audio 1 RTP/AVP 0\t8",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[160];

		(void)snprintf(text, sizeof(text), HEAD "%s\r\na=x\r\n",
			       lines[i]);
		broken(text, 5);
	}
}

/* A description of @head, then @n times @line. */
static char *repeated(const char *head, const char *line, size_t n)
{
	char *text = malloc(strlen(head) + n * strlen(line) + 1);
	size_t i, len = strlen(head);

	assert_non_null(text);
	memcpy(text, head, len);
	for (i = 0; i < n; i++, len += strlen(line))
		memcpy(text + len, line, strlen(line));
	text[len] = '\0';
	return text;
}

static void each_limit_holds_exactly(void **state)
{
	char *text;

	(void)state;
	text = repeated(HEAD, "a=x\r\n", GW_SDP_MAX_LINES - 4);
	gw_sdp_free(parse(text));
	free(text);
	text = repeated(HEAD, "a=x\r\n", GW_SDP_MAX_LINES - 3);
	refused(text, strlen(text), -EMSGSIZE, GW_SDP_MAX_LINES);
	free(text);

	text = repeated(HEAD, "m=audio 1 RTP/AVP 0\r\n", GW_SDP_MAX_MEDIA);
	gw_sdp_free(parse(text));
	free(text);
	text = repeated(HEAD, "m=audio 1 RTP/AVP 0\r\n", GW_SDP_MAX_MEDIA + 1);
	refused(text, strlen(text), -EMSGSIZE, 5 + GW_SDP_MAX_MEDIA);
	free(text);

	text = repeated(HEAD "a=", "x", GW_SDP_MAX_LINE - 2);
	gw_sdp_free(parse(text));
	free(text);
	text = repeated(HEAD "a=", "x", GW_SDP_MAX_LINE - 1);
	refused(text, strlen(text), -EMSGSIZE, 5);
	free(text);

	text = repeated(HEAD, "a=0123456789abcdefghijklmnopqrstuvwxyz\r\n",
			GW_SDP_MAX_BYTES / 40 + 1);
	refused(text, strlen(text), -EMSGSIZE, 0);
	refused(text, GW_SDP_MAX_BYTES + 1, -EMSGSIZE, 0);
	free(text);
}

static void nothing_to_free_is_fine(void **state)
{
	(void)state;
	gw_sdp_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bare_line_feeds_become_crlf),
		cmocka_unit_test(
			a_last_line_without_end_and_empty_lines_after_it_are_fine),
		cmocka_unit_test(unknown_lines_and_attributes_stay_in_place),
		cmocka_unit_test(m_lines_are_taken_apart),
		cmocka_unit_test(attributes_are_found_by_section_in_order),
		cmocka_unit_test(a_frame_that_is_not_of_rfc_8866_is_refused),
		cmocka_unit_test(a_line_that_is_not_x_equals_value_is_refused),
		cmocka_unit_test(
			control_characters_that_split_lines_are_refused),
		cmocka_unit_test(a_malformed_m_line_is_refused_with_its_number),
		cmocka_unit_test(each_limit_holds_exactly),
		cmocka_unit_test(nothing_to_free_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
