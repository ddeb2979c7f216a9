/* MESSAGE, sent and received, by a plain SIP peer and through a registration. */
#include "tests/unit/test_sip_regn.h"

struct got {
	uint64_t ask, id;
	unsigned n, ndone, status, retry_after_s;
	bool sip, privacy;
	unsigned answer_at_once; /* with this status */
	char from[256], display[128], to[256], text[256], registration[24];
	char why[160], type[64];
	size_t len;
};

static struct got got;

static void on_message(uint64_t ask, const struct gw_message *m, void *arg)
{
	struct fix *f = arg;
	struct gw_cause cause = { .status = (uint16_t)got.answer_at_once };

	got.n++;
	got.ask = ask;
	got.privacy = m->privacy;
	got.len = m->len;
	(void)snprintf(got.from, 256, "%s", m->from.uri ? m->from.uri : "");
	(void)snprintf(got.display, 128, "%s",
		       m->from.display ? m->from.display : "");
	(void)snprintf(got.to, 256, "%s", m->to ? m->to : "");
	(void)snprintf(got.text, 256, "%.*s", (int)m->len,
		       m->text ? m->text : "");
	(void)snprintf(got.type, sizeof(got.type), "%s", m->type);
	(void)snprintf(got.registration, 24, "%s",
		       m->registration ? m->registration : "");
	if (cause.status)
		gw_sip_message_answer(f->sip, ask, &cause);
}

static void on_done(uint64_t id, const struct gw_cause *cause, void *arg)
{
	(void)arg;
	got.ndone++;
	got.id = id;
	got.status = cause->status;
	got.sip = cause->sip;
	got.retry_after_s = cause->retry_after_s;
	(void)snprintf(got.why, sizeof(got.why), "%s",
		       cause->text ? cause->text : "");
}

static void serve(struct fix *f)
{
	memset(&got, 0, sizeof(got));
	f->set.messages.per_minute = 60;
	gw_sip_serve_messages(f->sip, on_message, on_done, f);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	f->port = 22421;
	fix_listen(f, NULL);
	fix_start(f);
	serve(f);
	(void)snprintf(f->call_id, sizeof(f->call_id), "%d.%p@message",
		       (int)getpid(), (void *)f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fix_stop(*state);
	free(*state);
	return 0;
}

static int send_message(struct fix *f, uint64_t id, const char *text,
			const char *registration)
{
	const struct gw_message m = {
		.from = {"sip:alice@ims.test", "Al\"ice"},
		.to = "sip:bob@ims.test",
		.text = text,
		.len = strlen(text),
		.registration = registration,
	};

	return gw_sip_message_send(f->sip, id, &m);
}

static void done_with(struct fix *f, unsigned n)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + WAIT_MS * 1000;

	while (got.ndone < n) {
		if (gw_clock_monotonic_us(NULL) > end)
			fail_msg("no answer was told");
		gw_loop_step(f->loop, 5);
	}
}

/* ---- sent ---- */

static void a_message_is_sent_and_its_answer_told(void **state)
{
	struct fix *f = *state;
	struct packet p;

	assert_int_equal(send_message(f, 7, "h\xc3\xa9llo", NULL), 0);
	assert_int_equal(got.ndone, 0);
	expect(f, &p, "MESSAGE sip:bob@ims.test SIP/2.0\r\n");
	assert_string_equal(header(&p, "P-Asserted-Identity"),
			    "\"Al\\\"ice\" <sip:alice@ims.test>");
	assert_non_null(
		strstr(header(&p, "From"), "<sip:alice@ims.test>;tag="));
	assert_string_equal(header(&p, "To"), "<sip:bob@ims.test>");
	assert_string_equal(header(&p, "Content-Type"),
			    "text/plain;charset=UTF-8");
	assert_string_equal(header(&p, "Contact"), ""); /* RFC 3428 4 */
	assert_string_equal(body(&p), "h\xc3\xa9llo");
	reply(f, &p, 200, "x", NULL, NULL);
	done_with(f, 1);
	assert_int_equal(got.id, 7);
	assert_int_equal(got.status, 200);
	assert_true(got.sip);
	/* Stored is as good. */
	assert_int_equal(send_message(f, 8, "again", NULL), 0);
	expect(f, &p, "MESSAGE ");
	reply(f, &p, 202, "x", NULL, NULL);
	done_with(f, 2);
	assert_int_equal(got.status, 200);
}

static void a_refusal_is_told_with_its_reason(void **state)
{
	struct fix *f = *state;
	struct packet p;

	assert_int_equal(send_message(f, 1, "a", NULL), 0);
	expect(f, &p, "MESSAGE ");
	reply(f, &p, 480, "x", "Retry-After: 20\r\nWarning: 399 x \"away\"\r\n",
	      NULL);
	done_with(f, 1);
	assert_int_equal(got.status, 480);
	assert_int_equal(got.retry_after_s, 20);
	assert_string_equal(got.why, "away");
	assert_int_equal(send_message(f, 2, "a", NULL), 0);
	expect(f, &p, "MESSAGE ");
	done_with(f, 2); /* by timer F */
	assert_int_equal(got.id, 2);
	assert_int_equal(got.status, 408);
	assert_false(got.sip);
}

static void a_challenge_is_answered_once(void **state)
{
	static const char challenge[] =
		"Proxy-Authenticate: Digest realm=\"r\", nonce=\"n1\", "
		"algorithm=MD5, qop=\"auth\"\r\n";
	struct fix *f = *state;
	struct packet p;
	char call_id[128];
	unsigned cseq;

	strcpy(f->set.sip.username, "gw");
	strcpy(f->set.sip.password, "secret");
	assert_int_equal(send_message(f, 1, "a", NULL), 0);
	expect(f, &p, "MESSAGE ");
	(void)snprintf(call_id, sizeof(call_id), "%s", header(&p, "Call-ID"));
	cseq = (unsigned)atoi(header(&p, "CSeq"));
	reply(f, &p, 407, "x", challenge, NULL);
	expect(f, &p, "MESSAGE ");
	assert_non_null(strstr(header(&p, "Proxy-Authorization"), "\"n1\""));
	assert_string_equal(header(&p, "Call-ID"), call_id);
	assert_int_equal(atoi(header(&p, "CSeq")), cseq + 1);
	assert_string_equal(body(&p), "a");
	reply(f, &p, 407, "y", challenge, NULL);
	done_with(f, 1);
	assert_int_equal(got.status, 403);
}

static void what_cannot_be_sent_is_said_at_once(void **state)
{
	struct fix *f = *state;
	struct gw_message m = {
		.from = {"sip:a@ims.test", NULL},
		.to = "sips:bob@ims.test",
		.text = "a",
		.len = 1
	};

	assert_int_equal(gw_sip_message_send(f->sip, 1, &m), -ENOENT);
	m.to = "sip:bob@ims.test?Subject=x";
	assert_int_equal(gw_sip_message_send(f->sip, 1, &m), -ENOENT);
	m.to = "sip:bob@ims.test";
	m.registration = "nobody's";
	assert_int_equal(gw_sip_message_send(f->sip, 1, &m), -ENOENT);
	m.registration = NULL;
	m.from.uri = "sip:a@ims.test>\r\nX: y";
	assert_true(gw_sip_message_send(f->sip, 1, &m) < 0);
	f->set.sip.core[0] = '\0';
	m.from.uri = "sip:a@ims.test";
	assert_int_equal(gw_sip_message_send(f->sip, 1, &m), -ENOENT);
	expect_silence(f, 50);
	assert_int_equal(got.ndone, 0);
}

/* ---- received ---- */

static void a_message_is_answered_when_its_user_took_it(void **state)
{
	struct fix *f = *state;
	struct gw_cause cause = { .status = 200 };
	struct packet p;

	request(f, "MESSAGE",
		"P-Asserted-Identity: \"Bob\" <sip:bob@ims.test>\r\n",
		"text/plain;charset=\"utf-8\"", "h\xc3\xa9llo");
	while (!got.n)
		gw_loop_step(f->loop, 5);
	assert_string_equal(got.from, "sip:bob@ims.test");
	assert_string_equal(got.display, "Bob");
	assert_string_equal(got.to, "sip:alice@ims.test");
	assert_string_equal(got.text, "h\xc3\xa9llo");
	expect_silence(f, 30);
	gw_sip_message_answer(f->sip, got.ask, &cause);
	expect(f, &p, "SIP/2.0 200");
	assert_non_null(strstr(header(&p, "To"), ";tag="));
	assert_string_equal(header(&p, "Contact"), "");
	gw_sip_message_answer(f->sip, got.ask, &cause); /* once */
	expect_silence(f, 30);
}

static void refusals_have_their_status_and_time(void **state)
{
	static const struct {
		unsigned told, sent;
	} row[] = {
		{404,  404},
                { 480, 480},
                { 603, 603},
		{ 408, 480},
                { 413, 413},
                { 200, 200}
	};
	struct fix *f = *state;
	struct packet p;

	for (unsigned i = 0; i < GW_ARRAY_LEN(row); i++) {
		got.answer_at_once = row[i].told;
		(void)snprintf(f->call_id, sizeof(f->call_id), "r%u", i);
		request(f, "MESSAGE", NULL, "text/plain", "a");
		get_packet(f, &p);
		assert_int_equal(atoi(p.text + 8), row[i].sent);
	}
	got.answer_at_once = 0;
	(void)snprintf(f->call_id, sizeof(f->call_id), "later");
	request(f, "MESSAGE", NULL, "text/plain", "a");
	while (got.n < 7)
		gw_loop_step(f->loop, 5);
	gw_sip_message_answer(
		f->sip, got.ask,
		&(struct gw_cause){ .status = 480, .retry_after_s = 9 });
	expect(f, &p, "SIP/2.0 480");
	assert_string_equal(header(&p, "Retry-After"), "9");
}

static void what_the_operator_lets_through_is_carried(void **state)
{
	struct fix *f = *state;
	struct gw_message m = {
		.from = {"sip:alice@ims.test", NULL},
		.to = "sip:bob@ims.test",
		.type = "message/imdn+xml",
		.text = "<imdn/>",
		.len = 7,
	};
	struct packet p;

	f->set.messages.ntype = 2;
	(void)snprintf(f->set.messages.type[0], 64, "message/cpim");
	(void)snprintf(f->set.messages.type[1], 64, "text/x-note");
	got.answer_at_once = 200;
	(void)snprintf(f->call_id, sizeof(f->call_id), "cpim");
	request(f, "MESSAGE", NULL, "Message/CPIM;charset=UTF-8",
		"To: <im:a@b>\r\n\r\nhello");
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(got.type, "message/cpim");
	assert_string_equal(got.text, "To: <im:a@b>\r\n\r\nhello");
	(void)snprintf(f->call_id, sizeof(f->call_id), "cpimx");
	request(f, "MESSAGE", NULL, "message/cpimx", "a");
	expect(f, &p, "SIP/2.0 415");
	assert_string_equal(header(&p, "Accept"),
			    "text/plain, message/cpim, text/x-note");
	(void)snprintf(f->call_id, sizeof(f->call_id), "plain");
	request(f, "MESSAGE", NULL, "text/plain", "a");
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(got.type, "text/plain");

	assert_int_equal(gw_sip_message_send(f->sip, 3, &m), 0);
	expect(f, &p, "MESSAGE ");
	assert_string_equal(header(&p, "Content-Type"), "message/imdn+xml");
	assert_string_equal(body(&p), "<imdn/>");
	reply(f, &p, 200, "x", NULL, NULL);
	done_with(f, 1);
	m.type = "text/x-note";
	assert_int_equal(gw_sip_message_send(f->sip, 4, &m), 0);
	expect(f, &p, "MESSAGE ");
	assert_string_equal(header(&p, "Content-Type"),
			    "text/x-note;charset=UTF-8");
	reply(f, &p, 200, "x", NULL, NULL);
	done_with(f, 2);
}

static void only_short_text_is_taken(void **state)
{
	static const struct {
		const char *headers, *type, *start;
	} row[] = {
		{NULL,			  "text/html",                 "SIP/2.0 415"},
		{ NULL,			 "message/cpim",              "SIP/2.0 415"},
		{ NULL,			 "text/plain;charset=utf-16", "SIP/2.0 415"},
		{ "Content-Encoding: gzip\r\n", "text/plain",                "SIP/2.0 415"},
		{ "Require: foo\r\n",           "text/plain",                "SIP/2.0 420"},
	};
	struct fix *f = *state;
	static char longer[GW_MESSAGE_MAX + 2];
	struct packet p;

	for (unsigned i = 0; i < GW_ARRAY_LEN(row); i++) {
		(void)snprintf(f->call_id, sizeof(f->call_id), "t%u", i);
		request(f, "MESSAGE", row[i].headers, row[i].type, "abc");
		expect(f, &p, row[i].start);
		if (!strcmp(row[i].start, "SIP/2.0 415"))
			assert_string_equal(header(&p, "Accept"), "text/plain");
	}
	memset(longer, 'a', GW_MESSAGE_MAX + 1);
	(void)snprintf(f->call_id, sizeof(f->call_id), "longer");
	request(f, "MESSAGE", NULL, "text/plain", longer);
	expect(f, &p, "SIP/2.0 413");
	assert_int_equal(got.n, 0);
	got.answer_at_once = 200;
	longer[GW_MESSAGE_MAX] = '\0';
	(void)snprintf(f->call_id, sizeof(f->call_id), "longest");
	request(f, "MESSAGE", NULL, "text/plain", longer);
	expect(f, &p, "SIP/2.0 200");
	assert_int_equal(got.len, GW_MESSAGE_MAX);
}

static void the_identity_of_a_private_sender_is_marked(void **state)
{
	struct fix *f = *state;
	struct packet p;

	got.answer_at_once = 200;
	request(f, "MESSAGE",
		"P-Asserted-Identity: <sip:bob@ims.test>\r\nPrivacy: id\r\n",
		"text/plain", "a");
	expect(f, &p, "SIP/2.0 200");
	assert_true(got.privacy);
}

static void a_flood_is_held_at_the_door(void **state)
{
	struct fix *f = *state;
	struct packet p;
	unsigned refused = 0;

	for (unsigned i = 0; i < 1030; i++) {
		(void)snprintf(f->call_id, sizeof(f->call_id), "f%u", i);
		request(f, "MESSAGE", NULL, "text/plain", "a");
		gw_loop_step(f->loop, 0);
		while (poll_packet(f, &p))
			refused += !strncmp(p.text, "SIP/2.0 503", 11);
	}
	for (unsigned i = 0; i < 200 && refused < 6; i++) {
		gw_loop_step(f->loop, 5);
		while (poll_packet(f, &p))
			refused += !strncmp(p.text, "SIP/2.0 503", 11);
	}
	assert_int_equal(got.n, 1024);
	assert_int_equal(refused, 6);
}

static void inside_a_dialog_it_is_taken_too(void **state)
{
	struct fix *f = *state;
	struct packet p;

	got.answer_at_once = 200;
	request(f, "INVITE", NULL, "application/sdp", OFFER);
	expect(f, &p, "SIP/2.0 100");
	(void)expect_told(f, GW_V_SETUP);
	assert_int_equal(say(f, GW_V_ANSWER, GW_DESC_ANSWER, ANSWER), 0);
	expect(f, &p, "SIP/2.0 200");
	assert_non_null(strstr(header(&p, "Allow"), "MESSAGE"));
	dialog_from_response(f, &p);
	request(f, "ACK", NULL, NULL, NULL);
	request(f, "MESSAGE", NULL, "text/plain", "during");
	expect(f, &p, "SIP/2.0 200");
	assert_string_equal(got.text, "during");
	request(f, "MESSAGE", NULL, "text/html", "during");
	expect(f, &p, "SIP/2.0 415");
	release(f, 200);
	expect(f, &p, "BYE ");
	reply(f, &p, 200, NULL, NULL, NULL);
}

static void without_messages_it_is_no_method_here(void **state)
{
	struct fix *f = *state;
	struct packet p;

	f->set.messages.per_minute = 0;
	request(f, "MESSAGE", NULL, "text/plain", "a");
	expect(f, &p, "SIP/2.0 405");
	assert_int_equal(got.n, 0);
}

/* ---- through a registration ---- */

static int regn_setup(void **state)
{
	struct rfix *x = rfix_new(22431);

	rfix_start(x);
	serve(&x->f);
	(void)snprintf(x->f.call_id, sizeof(x->f.call_id), "%d.message",
		       (int)getpid());
	*state = x;
	return 0;
}

static void it_goes_by_the_service_route(void **state)
{
	struct rfix *x = *state;
	struct packet reg, p;

	register_trusted(x, &reg);
	assert_int_equal(send_message(&x->f, 5, "a", "reg1"), 0);
	expect(&x->f, &p, "MESSAGE sip:bob@ims.test SIP/2.0\r\n");
	assert_string_equal(header(&p, "Route"),
			    "<sip:orig@127.0.0.1:22431;lr>");
	assert_non_null(strstr(header(&p, "P-Asserted-Identity"), IMPU));
	assert_non_null(strstr(header(&p, "P-Charging-Vector"), "icid-value"));
	assert_non_null(strstr(header(&p, "P-Access-Network-Info"),
			       "network-provided"));
	reply(&x->f, &p, 200, "x", NULL, NULL);
	done_with(&x->f, 1);
	assert_int_equal(got.status, 200);
}

static void it_comes_for_the_registration_that_is_named(void **state)
{
	struct rfix *x = *state;
	struct packet reg, p;

	register_trusted(x, &reg);
	got.answer_at_once = 200;
	(void)snprintf(x->f.target, sizeof(x->f.target),
		       "sip:%s@127.0.0.1:22430", token_of(&reg));
	request(&x->f, "MESSAGE",
		"P-Called-Party-ID: <sip:al@ims.test>\r\n"
		"P-Asserted-Identity: <sip:bob@ims.test>\r\n",
		"text/plain", "hi");
	expect(&x->f, &p, "SIP/2.0 200");
	assert_string_equal(got.registration, "reg1");
	assert_string_equal(got.to, "sip:al@ims.test");
	request(&x->f, "MESSAGE", NULL, "text/plain", "hi");
	expect(&x->f, &p, "SIP/2.0 200");
	assert_string_equal(got.to, IMPU); /* the token is nobody's name */
	(void)snprintf(x->f.target, sizeof(x->f.target),
		       "sip:%032d@127.0.0.1:22430", 7);
	request(&x->f, "MESSAGE", NULL, "text/plain", "hi");
	expect(&x->f, &p, "SIP/2.0 404");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define R(name) cmocka_unit_test_setup_teardown(name, regn_setup, rfix_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_message_is_sent_and_its_answer_told),
		T(a_refusal_is_told_with_its_reason),
		T(a_challenge_is_answered_once),
		T(what_cannot_be_sent_is_said_at_once),
		T(a_message_is_answered_when_its_user_took_it),
		T(refusals_have_their_status_and_time),
		T(what_the_operator_lets_through_is_carried),
		T(only_short_text_is_taken),
		T(the_identity_of_a_private_sender_is_marked),
		T(a_flood_is_held_at_the_door),
		T(inside_a_dialog_it_is_taken_too),
		T(without_messages_it_is_no_method_here),
		R(it_goes_by_the_service_route),
		R(it_comes_for_the_registration_that_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
