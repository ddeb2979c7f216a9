/* Parts of bodies (RFC 2046, RFC 5621). */
#include <stdio.h>
#include <string.h>

#include "sip/multipart.h"
#include "tests/unit/cm.h"

#define SDP "Content-Type: application/sdp\r\n\r\nv=0\r\no=x\r\n"
#define PIDF                                                                   \
	"Content-Type: application/pidf+xml\r\n"                               \
	"Content-ID: <a@b>\r\n\r\n<presence/>"

static enum gw_multipart find(const char **part, size_t *len, const char *body,
			      const char *boundary)
{
	*part = NULL;
	*len = 99;
	return gw_multipart_find(part, len, body, strlen(body), boundary,
				 "application/sdp");
}

static void the_description_is_found_among_other_parts(void **s)
{
	static const struct {
		const char *boundary, *body;
	} row[] = {
		{"b",      "--b\r\n" SDP "\r\n--b\r\n" PIDF "\r\n--b--\r\n"      },
		{ "\"b\"", "--b\r\n" PIDF "\r\n--b\r\n" SDP "\r\n--b--"          },
		{ "b",     "preamble\r\n--b \r\n" SDP "\r\n--b--\r\nepilogue\r\n"},
		{ "b",     "--b\n" SDP "\n--b--\n"                               },
		{ "b",
                 "--b\r\ncontent-type : APPLICATION/SDP ; charset=utf-8\r\n"
		  "Content-Disposition: session;handling=required\r\n"
		  "Content-Transfer-Encoding: binary\r\n\r\n"
		  "v=0\r\no=x\r\n\r\n--b--\r\n"                                  },
 /* folded */
		{ "b",     "--b\r\nContent-Type: multipart/alternative;\r\n"
		       "\tboundary=\"c\"\r\n\r\n--c\r\n"
		       "Content-Type:\r\n application/sdp\r\n\r\n"
		       "v=0\r\no=x\r\n\r\n--c--\r\n--b--"  },
 /* RFC 3959: that is for another session */
		{ "b",     "--b\r\nContent-Disposition: early-session\r\n" SDP
		       "\r\n--b\r\n" SDP "\r\n--b--"       },
		{ "b",
                 "--b\r\nContent-Type: multipart/alternative;x=\"a;b\";"
		  "boundary=\"c d\"\r\n\r\n--c d\r\n" PIDF "\r\n--c d\r\n" SDP
		  "\r\n--c d--\r\n\r\n--b\r\n" PIDF "\r\n--b--"                  },
		{ "b",     "--b\r\nContent-Type: application/x\r\n"
		       "Content-Disposition: render;handling=optional\r\n\r\n"
		       "?\r\n--b\r\n" SDP "\r\n--b--"      },
	};
	const char *part;
	size_t len;

	(void)s;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(
			GW_MULTIPART_FOUND,
			find(&part, &len, row[i].body, row[i].boundary));
		assert_int_equal(len, strlen("v=0\r\no=x\r\n"));
		assert_memory_equal(part, "v=0\r\no=x\r\n", len);
	}
}

static void a_body_without_it_has_none(void **s)
{
	static const char *const row[] = {
		"--b\r\n" PIDF "\r\n--b--\r\n",
		"--b--\r\n" SDP "\r\n--b--",
		/* a part that nothing ends is none */
		"--b\r\n" SDP "\r\n",
		"--b\r\nContent-Transfer-Encoding: base64\r\n" SDP "\r\n--b--",
		"--b\r\n\r\nno type at all\r\n--b--",
		"--b\r\n\r\n--b--",
		"--b\r\n--b--",
	};
	const char *part;
	size_t len;

	(void)s;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		assert_int_equal(GW_MULTIPART_NONE,
				 find(&part, &len, row[i], "b"));
	assert_null(part);
	assert_int_equal(99, len);
}

static void what_must_be_understood_and_is_not_is_refused(void **s)
{
	const char *part;
	size_t len;

	(void)s;
	assert_int_equal(GW_MULTIPART_REFUSED,
			 find(&part, &len,
			      "--b\r\n" SDP
			      "\r\n--b\r\nContent-Disposition: x; "
			      "handling=required\r\n" PIDF "\r\n--b--",
			      "b"));
	assert_int_equal(GW_MULTIPART_REFUSED,
			 find(&part, &len, "--b\r\n" SDP "\r\n--b--", NULL));
	assert_int_equal(GW_MULTIPART_REFUSED,
			 find(&part, &len, "--b\r\n" SDP "\r\n--b--", ""));
	assert_int_equal(GW_MULTIPART_REFUSED,
			 find(&part, &len, "--b\r\n" SDP "\r\n--b--", "c"));
	assert_int_equal(GW_MULTIPART_REFUSED, find(&part, &len, "", "b"));
	assert_null(part);
}

/* @n bodies in one another, the description in the last. */
static void nest(char *body, size_t size, unsigned n)
{
	size_t at = 0;

	for (unsigned i = 0; i + 1 < n; i++)
		at += (size_t)snprintf(body + at, size - at,
				       "--b%u\r\nContent-Type: multipart/mixed;"
				       "boundary=b%u\r\n\r\n",
				       i, i + 1);
	at += (size_t)snprintf(body + at, size - at, "--b%u\r\n%s", n - 1, SDP);
	for (unsigned i = n; i-- > 0;)
		at += (size_t)snprintf(body + at, size - at, "\r\n--b%u--", i);
	assert_true(at < size);
}

static void parts_of_parts_have_an_end(void **s)
{
	char body[8192];
	const char *part;
	size_t len;

	(void)s;
	nest(body, sizeof(body), 3);
	assert_int_equal(GW_MULTIPART_FOUND, find(&part, &len, body, "b0"));
	assert_int_equal(len, strlen("v=0\r\no=x\r\n"));
	nest(body, sizeof(body), 4);
	assert_int_equal(GW_MULTIPART_REFUSED, find(&part, &len, body, "b0"));
	nest(body, sizeof(body), 60);
	assert_int_equal(GW_MULTIPART_REFUSED, find(&part, &len, body, "b0"));
	/* more of them than anybody sends */
	body[0] = '\0';
	for (unsigned i = 0; i < 40; i++)
		strcat(body, "--b\r\n" PIDF "\r\n");
	strcat(body, "--b\r\n" SDP "\r\n--b--\r\n");
	assert_int_equal(GW_MULTIPART_NONE, find(&part, &len, body, "b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_description_is_found_among_other_parts),
		cmocka_unit_test(a_body_without_it_has_none),
		cmocka_unit_test(what_must_be_understood_and_is_not_is_refused),
		cmocka_unit_test(parts_of_parts_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
