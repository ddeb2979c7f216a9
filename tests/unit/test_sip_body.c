/* What stands in bodies beside descriptions, or instead of them (RFC 5621). */
#include "tests/unit/test_sip_call.h"

#define MIXED "multipart/mixed;boundary=\"x y\""
#define PARTS(sdp)                                                             \
	"--x y\r\nContent-Type: application/pidf+xml\r\n"                      \
	"Content-ID: <p@q>\r\n\r\n<presence/>\r\n"                             \
	"--x y\r\nContent-Type: application/sdp\r\n\r\n" sdp "\r\n--x y--\r\n"

static int setup(void **state)
{
	return fix_run(fix_new(22491), state);
}

/* An answer to @rq with a body of any type. */
static void reply_with(struct fix *f, const struct packet *rq, int status,
		       const char *type, const char *content)
{
	const char *to = header(rq, "To");
	char text[4096];

	(void)snprintf(text, sizeof(text),
		       "SIP/2.0 %d Whatever\r\nVia: %s\r\nFrom: %s\r\n"
		       "To: %s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
		       "Contact: <sip:peer@127.0.0.1:%u>\r\n"
		       "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
		       status, header(rq, "Via"), header(rq, "From"), to,
		       strstr(to, ";tag=") ? "" : ";tag=b",
		       header(rq, "Call-ID"), header(rq, "CSeq"), f->port, type,
		       strlen(content), content);
	send_text(f, text);
}

static void a_caller_may_send_more_than_a_description(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet p;

	request(f, "INVITE", NULL, MIXED, PARTS(OFFER));
	expect(f, &p, "SIP/2.0 100");
	t = expect_told(f, GW_V_SETUP);
	assert_int_equal(t->role, GW_DESC_OFFER);
	assert_string_equal(t->sdp, OFFER);
	answer(f, &p, GW_DESC_ANSWER, ANSWER);
	ack(f);
	request(f, "UPDATE", NULL, MIXED, PARTS(ANSWER));
	t = expect_told(f, GW_V_OFFER);
	assert_string_equal(t->sdp, ANSWER);
	assert_int_equal(say(f, GW_V_ACCEPT, GW_DESC_ANSWER, OFFER), 0);
	expect(f, &p, "SIP/2.0 200");
	hang_up(f);
}

static void a_callee_may_answer_with_more_than_a_description(void **state)
{
	struct fix *f = *state;
	const struct told *t;
	struct packet inv, p;

	dial(f, &inv, OFFER);
	assert_string_equal(header(&inv, "Accept"),
			    "application/sdp, multipart/mixed");
	dialog_from_invite(f, &inv, "b");
	reply_with(f, &inv, 183, MIXED, PARTS(ANSWER));
	t = expect_told(f, GW_V_PROGRESS);
	assert_int_equal(t->role, GW_DESC_EARLY_ANSWER);
	assert_string_equal(t->sdp, ANSWER);
	reply_with(f, &inv, 200, MIXED, PARTS(ANSWER));
	expect(f, &p, "ACK ");
	t = expect_told(f, GW_V_ANSWER);
	assert_int_equal(t->role, GW_DESC_ANSWER);
	assert_string_equal(t->sdp, ANSWER);
	hang_up(f);
}

/* RFC 3261 20.11: what may be ignored is; what may not is refused. */
static void what_may_be_ignored_is(void **state)
{
	static const struct {
		const char *headers, *type, *content;
		bool taken;
	} row[] = {
		{"Content-Disposition: render;handling=optional\r\n",
                 "application/vnd.x",									"?",               true },
		{ NULL,								 MIXED,
                 "--x y\r\nContent-Type: application/pidf+xml\r\n\r\n?\r\n"
		  "--x y--\r\n",												true },
		{ NULL,								 "application/vnd.x", "?",               false},
		{ "Content-Disposition: render;handling=required\r\n",
                 "application/vnd.x",									"?",               false},
		{ "Content-Disposition: early-session\r\n",                             "application/sdp",
                 OFFER,													 false},
		{ NULL,								 MIXED,               "no parts at all", false},
 /* RFC 3261 20.12 */
		{ "Content-Encoding: gzip\r\n",                                         "application/sdp",   OFFER,
                 false													       },
		{ "Content-Encoding: gzip\r\n"
		  "Content-Disposition: render;handling=optional\r\n", "application/vnd.x", "?",               true },
		{ NULL,								 "multipart/mixed",   PARTS(OFFER),      false},
		{ NULL,								 MIXED,
                 "--x y\r\nContent-Type: application/vnd.x\r\n"
		  "Content-Disposition: x;handling=required\r\n\r\n?\r\n"
		  "--x y\r\nContent-Type: application/sdp\r\n\r\n" OFFER
		  "\r\n--x y--\r\n",											    false},
	};
	struct fix *f = *state;
	struct packet p;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		(void)snprintf(f->call_id, sizeof(f->call_id), "ignored%zu", i);
		request(f, "INVITE", row[i].headers, row[i].type,
			row[i].content);
		if (!row[i].taken) {
			expect(f, &p, "SIP/2.0 415");
			assert_string_equal(header(&p, "Accept"),
					    "application/sdp, multipart/mixed");
			assert_string_equal(header(&p, "Accept-Encoding"),
					    "identity");
			ack(f);
			nothing_told(f);
			continue;
		}
		expect(f, &p, "SIP/2.0 100");
		assert_int_equal(expect_told(f, GW_V_SETUP)->role,
				 GW_DESC_NONE);
		release(f, 486);
		expect(f, &p, "SIP/2.0 486");
		ack(f);
		wait_live(f, 0);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_caller_may_send_more_than_a_description),
		T(a_callee_may_answer_with_more_than_a_description),
		T(what_may_be_ignored_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
