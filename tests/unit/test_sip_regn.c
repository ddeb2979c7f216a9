/* Registrations in the core: what REGISTER says, and what its answers do. */
#include "tests/unit/test_sip_regn.h"

static int setup(void **state)
{
	struct rfix *x = rfix_new(22341);

	rfix_start(x);
	*state = x;
	return 0;
}

static void the_first_register_says_all_that_a_core_wants(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p;
	char want[256], token[64];

	begin(x, &req);
	nothing_heard(x);
	expect(&x->f, &p, "REGISTER sip:ims.test SIP/2.0\r\n");
	(void)snprintf(token, sizeof(token), "%s", token_of(&p));
	assert_int_equal(strlen(token), 32);
	assert_string_equal(uri_of(header(&p, "From")), IMPU);
	assert_string_equal(uri_of(header(&p, "To")), IMPU);
	assert_null(strstr(header(&p, "To"), ";tag="));
	(void)snprintf(want, sizeof(want), "<sip:%s@127.0.0.1:22340;lr>",
		       token);
	assert_string_equal(header(&p, "Path"), want);
	assert_string_equal(header(&p, "Require"), "path");
	assert_non_null(strstr(header(&p, "Supported"), "path"));
	assert_string_equal(header(&p, "P-Visited-Network-ID"), "\"ims.test\"");
	assert_int_equal(
		strncmp(header(&p, "P-Charging-Vector"), "icid-value=\"", 12),
		0);
	assert_non_null(strstr(header(&p, "P-Charging-Vector"),
			       ";icid-generated-at=127.0.0.1;"
			       "orig-ioi=\"Type 1ims.test\""));
	assert_non_null(strstr(header(&p, "P-Access-Network-Info"),
			       "UE-local-IP-address=\"203.0.113.9\";"
			       "network-provided"));
	assert_string_equal(
		header(&p, "Authorization"),
		"Digest username=\"alice@ims.test\", realm=\"ims.test\", "
		"nonce=\"\", uri=\"sip:ims.test\", response=\"\", "
		"integrity-protected=\"auth-done\"");
	(void)snprintf(want, sizeof(want),
		       "<sip:%s@127.0.0.1:22340>;expires=600;audio;"
		       "+sip.instance=\"<urn:uuid:%.8s-%.4s-%.4s-%.4s-%s>\";",
		       token, token, token + 8, token + 12, token + 16,
		       token + 20);
	assert_int_equal(strncmp(header(&p, "Contact"), want, strlen(want)), 0);
	assert_non_null(strstr(header(&p, "Contact"),
			       "+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service"
			       ".ims.icsi.mmtel\""));
	assert_string_equal(header(&p, "CSeq"), "1 REGISTER");
	assert_string_equal(header(&p, "P-Preferred-Identity"), "");
}

static void our_own_contact_says_how_long_it_holds(void **state)
{
	struct rfix *x = *state;
	int64_t ok = metric("isthmus_ims_registers_total{result=\"ok\"}");
	struct gw_regn_request req = trusted_request();
	struct gw_regn_state st;
	const struct heard *h;
	struct packet p;

	begin(x, &req);
	assert_ptr_equal(gw_regn_find(x->f.sip, "reg1"), x->r);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "\"540\"", NULL);
	h = hear(x, GW_RE_REGISTERED);
	assert_int_equal(h->expires_s, 540);
	assert_int_equal(h->nimpu, 3);
	assert_string_equal(h->impu[0], IMPU);
	assert_string_equal(h->impu[1], "tel:+15551000");
	assert_string_equal(h->impu[2], "sip:al@ims.test");
	gw_regn_describe(x->r, &st);
	assert_string_equal(st.contact, token_of(&p));
	assert_string_equal(st.call_id, header(&p, "Call-ID"));
	assert_int_equal(st.cseq, 1);
	assert_string_equal(st.service_route, "<sip:orig@127.0.0.1:22341;lr>");
	assert_true(st.core_expires_s >= gw_clock_wall_s() + 538);
	assert_int_equal(metric("isthmus_ims_registrations"), 1);
	assert_int_equal(metric("isthmus_ims_registers_total{result=\"ok\"}"),
			 ok + 1);
}

static void it_is_refreshed_at_half_of_that(void **state)
{
	struct rfix *x = *state;
	struct packet p, q;
	char icid[128];

	register_trusted(x, &p);
	(void)snprintf(icid, sizeof(icid), "%s",
		       header(&p, "P-Charging-Vector"));
	pass_ms(x, 269000);
	expect_silence(&x->f, 50);
	pass_ms(x, 1001);
	expect(&x->f, &q, "REGISTER ");
	assert_string_equal(header(&q, "Call-ID"), header(&p, "Call-ID"));
	assert_string_equal(header(&q, "From"), header(&p, "From"));
	assert_string_equal(header(&q, "CSeq"), "2 REGISTER");
	assert_string_equal(header(&q, "Contact"), header(&p, "Contact"));
	assert_string_not_equal(header(&q, "P-Charging-Vector"), icid);
	grant(x, &q, "540", NULL);
	/* Nothing that its owner would have to know. */
	expect_silence(&x->f, 50);
	nothing_heard(x);
	pass_ms(x, 270001);
	expect(&x->f, &q, "REGISTER ");
	grant(x, &q, "100", NULL);
	assert_int_equal(hear(x, GW_RE_REGISTERED)->expires_s, 100);
}

static void refreshes_are_spread(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	x->f.set.ims.spread_percent = 50;
	register_trusted(x, &p);
	/* At the latest at half, at the earliest at a quarter. */
	pass_ms(x, 134000);
	expect_silence(&x->f, 50);
	pass_ms(x, 136001);
	expect(&x->f, &p, "REGISTER ");
}

static void the_end_deregisters(void **state)
{
	struct rfix *x = *state;
	struct packet p, q;

	register_trusted(x, &p);
	gw_regn_end(x->r);
	assert_null(gw_regn_find(x->f.sip, "reg1"));
	expect(&x->f, &q, "REGISTER ");
	assert_string_equal(header(&q, "Call-ID"), header(&p, "Call-ID"));
	assert_non_null(strstr(header(&q, "Contact"), ";expires=0;"));
	assert_non_null(strstr(header(&q, "Authorization"), "auth-done"));
	assert_string_equal(token_of(&q), token_of(&p));
	assert_int_equal(metric("isthmus_ims_registrations"), 1);
	grant(x, &q, "0", NULL);
	while (metric("isthmus_ims_registrations_known"))
		gw_loop_step(x->f.loop, 5);
	nothing_heard(x);
	pass_ms(x, 600000);
	expect_silence(&x->f, 50);
}

static void an_end_in_the_middle_waits_for_the_answer(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p;

	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	gw_regn_end(x->r);
	expect_silence(&x->f, 50);
	grant(x, &p, "540", NULL);
	expect(&x->f, &p, "REGISTER ");
	assert_non_null(strstr(header(&p, "Contact"), ";expires=0;"));
	reply(&x->f, &p, 500, "t", NULL, NULL);
	while (metric("isthmus_ims_registrations_known"))
		gw_loop_step(x->f.loop, 5);
	nothing_heard(x);
}

static void an_end_before_the_first_sends_nothing(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();

	begin(x, &req);
	gw_regn_end(x->r);
	assert_int_equal(metric("isthmus_ims_registrations_known"), 0);
	expect_silence(&x->f, 50);
}

static void min_expires_is_followed_once(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p;

	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	reply(&x->f, &p, 423, "t", "Min-Expires: 1800\r\n", NULL);
	expect(&x->f, &p, "REGISTER ");
	assert_non_null(strstr(header(&p, "Contact"), ";expires=1800;"));
	assert_string_equal(header(&p, "CSeq"), "2 REGISTER");
	reply(&x->f, &p, 423, "t", "Min-Expires: 3600\r\n", NULL);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 423);
	expect_silence(&x->f, 50);
}

static void a_refusal_is_told_with_its_number(void **state)
{
	static const int row[] = { 403, 404, 420, 494, 400, 407, 302, 606 };
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	const struct heard *h;
	struct packet p;

	for (size_t i = 0; i < GW_ARRAY_LEN(row); i++) {
		begin(x, &req);
		expect(&x->f, &p, "REGISTER ");
		reply(&x->f, &p, row[i], "t",
		      row[i] == 420 ? "Unsupported: path\r\n" : NULL, NULL);
		h = hear(x, GW_RE_ENDED);
		assert_int_equal(h->status, row[i]);
		assert_false(h->by_network);
		assert_null(gw_regn_find(x->f.sip, "reg1"));
	}
	expect_silence(&x->f, 50);
}

static void a_challenge_to_a_trusted_node_is_a_refusal(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p;

	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	reply(&x->f, &p, 401, "t",
	      "WWW-Authenticate: Digest realm=\"ims.test\",nonce=\"n\"\r\n",
	      NULL);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 403);
}

static void a_200_that_keeps_nothing_is_a_failure(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p;

	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	/* Its Contact is another's. */
	reply(&x->f, &p, 200, "t", NULL, NULL);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 500);
	assert_int_equal(metric("isthmus_ims_registrations"), 0);
}

static void a_busy_core_is_left_alone_as_long_as_it_says(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	const struct heard *h;
	struct packet p;

	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	reply(&x->f, &p, 503, "t", "Retry-After: 40\r\n", NULL);
	h = hear(x, GW_RE_ENDED);
	assert_int_equal(h->status, 503);
	assert_in_range(h->retry_after_s, 40, 60);
	/* Until then nobody is sent there. */
	begin(x, &req);
	h = hear(x, GW_RE_ENDED);
	assert_int_equal(h->status, 503);
	assert_in_range(h->retry_after_s, 40, 61);
	expect_silence(&x->f, 50);
	assert_int_equal(metric("isthmus_ims_cores_dead"), 1);
	pass_ms(x, 40001);
	/* It is not passed over any more, though nobody has asked it yet. */
	assert_int_equal(metric("isthmus_ims_cores_dead"), 0);
	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
}

static void a_silent_core_is_remembered(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p;

	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	pass_ms(x, 5001);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 408);
	assert_int_equal(metric("isthmus_ims_cores_dead"), 1);
	begin(x, &req);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 503);
	/* An answer that comes too late harms nobody. */
	grant(x, &p, "540", NULL);
	expect_silence(&x->f, 50);
	nothing_heard(x);
	pass_ms(x, 60001);
	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	assert_int_equal(metric("isthmus_ims_cores_dead"), 0);
}

static void a_refresh_that_fails_is_tried_until_the_binding_is_over(void **s)
{
	struct rfix *x = *s;
	unsigned tries = 0;
	uint64_t until;
	struct packet p;

	register_trusted(x, &p);
	until = fake_us + 540 * 1000000ull;
	pass_ms(x, 270001);
	while (!x->ended && tries < 60) {
		if (!poll_packet(&x->f, &p)) {
			pass_ms(x, 500);
			gw_loop_step(x->f.loop, 2);
			continue;
		}
		tries++;
		reply(&x->f, &p, 500, "t", NULL, NULL);
		gw_loop_step(x->f.loop, 5);
	}
	/* 2, 4, 8 ... 60 s, by half at random, over 270 s */
	assert_in_range(tries, 5, 14);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 500);
	assert_true(fake_us <= until + 1000000);
	assert_int_equal(metric("isthmus_ims_registrations"), 0);
}

static void a_core_that_forgot_is_registered_with_anew(void **state)
{
	struct rfix *x = *state;
	int64_t anew = metric("isthmus_ims_reregistrations_total");
	struct packet p, q;

	register_trusted(x, &p);
	pass_ms(x, 270001);
	expect(&x->f, &q, "REGISTER ");
	reply(&x->f, &q, 404, "t", NULL, NULL);
	expect(&x->f, &q, "REGISTER ");
	assert_string_not_equal(header(&q, "Call-ID"), header(&p, "Call-ID"));
	assert_string_equal(header(&q, "CSeq"), "1 REGISTER");
	assert_string_equal(token_of(&q), token_of(&p));
	grant(x, &q, "540", NULL);
	expect_silence(&x->f, 50);
	nothing_heard(x);
	assert_int_equal(metric("isthmus_ims_reregistrations_total"), anew + 1);
	/* It does not want it anew either. */
	pass_ms(x, 270001);
	expect(&x->f, &q, "REGISTER ");
	reply(&x->f, &q, 403, "t", NULL, NULL);
	expect(&x->f, &q, "REGISTER ");
	reply(&x->f, &q, 403, "t", NULL, NULL);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 403);
}

/* Twice the interval of ims.register_rate, 1000 a second here. */
#define RESUME_TURN_MS 2

static struct gw_regn_state state_of_before(uint16_t port)
{
	struct gw_regn_state st = {
		.contact = "0123456789abcdef0123456789abcdef",
		.call_id = "of-before",
		.cseq = 7,
		.core_expires_s = gw_clock_wall_s() + 300,
	};

	(void)snprintf(st.service_route, sizeof(st.service_route),
		       "<sip:orig@127.0.0.1:%u;lr>", port);
	return st;
}

static void a_binding_of_before_a_crash_is_taken_over(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct gw_regn_state st = state_of_before(x->f.port), now;
	struct packet p;

	req.resume = &st;
	begin(x, &req);
	/* It is there before the core has said so. */
	gw_regn_describe(x->r, &now);
	assert_string_equal(now.contact, st.contact);
	assert_string_equal(now.service_route, st.service_route);
	assert_true(llabs(now.core_expires_s - st.core_expires_s) <= 1);
	pass_ms(x, RESUME_TURN_MS);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(header(&p, "Call-ID"), "of-before");
	assert_true(atoi(header(&p, "CSeq")) > 7);
	assert_string_equal(token_of(&p), st.contact);
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	/* The same contact twice is a mistake. */
	(void)snprintf(req.key, sizeof(req.key), "reg2");
	assert_int_equal(gw_regn_start(&x->r, x->f.sip, &req, on_regn, x),
			 -EINVAL);
}

static void those_taken_over_leave_half_of_the_rate_to_others(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_state st = state_of_before(x->f.port);
	struct gw_regn_request req = trusted_request();
	struct gw_regn *r[4], *first = NULL;
	struct packet p;

	x->f.set.ims.register_rate = 10;
	for (unsigned i = 0; i < GW_ARRAY_LEN(r); i++) {
		(void)snprintf(req.key, sizeof(req.key), "old%u", i);
		st.contact[0] = (char)('a' + i);
		req.resume = &st;
		assert_int_equal(
			gw_regn_start(&r[i], x->f.sip, &req, on_regn, x), 0);
	}
	expect_silence(&x->f, 20);
	/* One that comes does not wait behind them. */
	req = trusted_request();
	begin(x, &req);
	first = x->r;
	expect(&x->f, &p, "REGISTER ");
	assert_true(atoi(header(&p, "CSeq")) == 1);
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	for (unsigned i = 0; i < GW_ARRAY_LEN(r); i++) {
		pass_ms(x, 200);
		expect(&x->f, &p, "REGISTER ");
		assert_int_equal(token_of(&p)[0], 'a' + i);
		grant(x, &p, "540", NULL);
		(void)hear(x, GW_RE_REGISTERED);
	}
	gw_regn_end(first);
	x->r = NULL;
}

static void a_core_in_trouble_does_not_lose_a_binding_taken_over(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_state st = state_of_before(x->f.port);
	struct gw_regn_request req = trusted_request();
	struct packet p;

	req.resume = &st;
	begin(x, &req);
	pass_ms(x, RESUME_TURN_MS);
	expect(&x->f, &p, "REGISTER ");
	reply(&x->f, &p, 500, "t", NULL, NULL);
	expect_silence(&x->f, 20);
	nothing_heard(x);
	pass_ms(x, 2001);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(header(&p, "Call-ID"), "of-before");
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
}

static void a_binding_that_nobody_wants_back_is_ended(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_state st = state_of_before(x->f.port);
	struct gw_regn_request req = trusted_request();
	struct packet p;

	req.resume = &st;
	begin(x, &req);
	gw_regn_end(x->r);
	x->r = NULL;
	pass_ms(x, 1);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(header(&p, "Call-ID"), "of-before");
	assert_string_equal(token_of(&p), st.contact);
	assert_non_null(strstr(header(&p, "Contact"), ";expires=0;"));
	reply(&x->f, &p, 200, "t", NULL, NULL);
	expect_silence(&x->f, 20);
	assert_int_equal(gw_regn_count(x->f.sip), 0);
}

static void only_the_client_can_refresh_its_own_binding(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_state st = state_of_before(x->f.port);
	struct gw_regn_request req = trusted_request();
	struct packet p;

	req.resume = &st;
	req.how = GW_REGN_CLIENT;
	begin(x, &req);
	pass_ms(x, 140000);
	expect_silence(&x->f, 20);
	/* Half of what is left of it. */
	pass_ms(x, 11000);
	expect(&x->f, &p, "REGISTER ");
	assert_string_equal(header(&p, "Call-ID"), "of-before");
	assert_non_null(strstr(header(&p, "Authorization"), "tls-yes"));
	reply(&x->f, &p, 403, "t", NULL, NULL);
	/* Anew, as it may only have been forgotten. */
	expect(&x->f, &p, "REGISTER ");
	assert_string_not_equal(header(&p, "Call-ID"), "of-before");
	reply(&x->f, &p, 403, "t", NULL, NULL);
	assert_int_equal(hear(x, GW_RE_ENDED)->status, 403);
}

static void a_refresh_tells_that_the_binding_lasts_longer(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_state before, after;
	struct packet p;

	register_trusted(x, &p);
	assert_int_equal(x->nrefreshed, 0);
	gw_regn_describe(x->r, &before);
	pass_ms(x, 270001);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "540", NULL);
	for (unsigned i = 0; i < 200 && !x->nrefreshed; i++)
		gw_loop_step(x->f.loop, 5);
	assert_int_equal(x->nrefreshed, 1);
	nothing_heard(x);
	gw_regn_describe(x->r, &after);
	assert_true(after.cseq > before.cseq);
	assert_string_equal(after.call_id, before.call_id);
}

static void bad_requests_are_refused(void **state)
{
	static const char *const bad[] = { "", "a b", "a\"b", "a\r\nb", "a>" };
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request(), good = req;
	struct gw_regn *r;

	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++) {
		req = good;
		req.impi = bad[i];
		assert_int_equal(gw_regn_start(&r, x->f.sip, &req, on_regn, x),
				 -EINVAL);
		req = good;
		req.impu = bad[i];
		assert_int_equal(gw_regn_start(&r, x->f.sip, &req, on_regn, x),
				 -EINVAL);
	}
	req = good;
	req.how = GW_REGN_HELD;
	assert_int_equal(gw_regn_start(&r, x->f.sip, &req, on_regn, x),
			 -EINVAL);
	begin(x, &good);
	assert_int_equal(gw_regn_start(&r, x->f.sip, &good, on_regn, x),
			 -EINVAL);
	x->f.set.ims.enabled = false;
	assert_int_equal(gw_regn_start(&r, x->f.sip, &good, on_regn, x),
			 -ENOTCONN);
}

/* What a registrar may write and we have no use for. */
static void odd_200s_are_survived(void **state)
{
	static const struct {
		const char *contact, *more;
		uint32_t expires_s; /* 0: a failure */
		size_t nimpu;
	} row[] = {
		{"<sip:%s@h>;expires=abc",               "Expires: 90\r\n",        90,      1},
		{ "<sip:%s@h>;expires=\"-1\"",           "Expires: 90\r\n",        90,      1},
		{ "<sip:%s@h>;expires=99999999999",      "",                       2592000, 1},
		{ "<sip:%s@h>;expires=0",                "",                       0,       0},
		{ "<sip:%sx@h>;expires=90",              "",                       0,       0},
		{ "<sip:%s@h>;expires=90",
                 "P-Associated-URI: rubbish, <http://x>\r\n",                      90,      1},
		{ "<sip:%s@h>;expires=90",
                 "P-Associated-URI: <sip:a@b>, \"A\" <tel:+1>;p=1\r\n",            90,
                 2									   },
		{ "<sip:%s@h>;expires=90",               "P-Associated-URI: \r\n", 90,      1},
		{ "<tel:+1>, <sip:%s@h>;expires=\"90\"", "",                       90,      1},
	};
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p;

	for (size_t i = 0; i < GW_ARRAY_LEN(row); i++) {
		char text[2048], contact[256];
		const struct heard *h;

		x->nheard = x->htaken = 0;
		begin(x, &req);
		expect(&x->f, &p, "REGISTER ");
		(void)snprintf(contact, sizeof(contact), row[i].contact,
			       token_of(&p));
		(void)snprintf(text, sizeof(text),
			       "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\n"
			       "To: %s;tag=c\r\nCall-ID: %s\r\nCSeq: %s\r\n"
			       "Contact: %s\r\n%sContent-Length: 0\r\n\r\n",
			       header(&p, "Via"), header(&p, "From"),
			       header(&p, "To"), header(&p, "Call-ID"),
			       header(&p, "CSeq"), contact, row[i].more);
		send_text(&x->f, text);
		if (!row[i].expires_s) {
			assert_int_equal(hear(x, GW_RE_ENDED)->status, 500);
			continue;
		}
		h = hear(x, GW_RE_REGISTERED);
		assert_int_equal(h->expires_s, row[i].expires_s);
		assert_int_equal(h->nimpu, row[i].nimpu);
		gw_regn_end(x->r);
		expect(&x->f, &p, "REGISTER ");
		grant(x, &p, "0", NULL);
		while (metric("isthmus_ims_registrations_known"))
			gw_loop_step(x->f.loop, 5);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, rfix_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_register_says_all_that_a_core_wants),
		T(our_own_contact_says_how_long_it_holds),
		T(it_is_refreshed_at_half_of_that),
		T(refreshes_are_spread),
		T(the_end_deregisters),
		T(an_end_in_the_middle_waits_for_the_answer),
		T(an_end_before_the_first_sends_nothing),
		T(min_expires_is_followed_once),
		T(a_refusal_is_told_with_its_number),
		T(a_challenge_to_a_trusted_node_is_a_refusal),
		T(a_200_that_keeps_nothing_is_a_failure),
		T(a_busy_core_is_left_alone_as_long_as_it_says),
		T(a_silent_core_is_remembered),
		T(a_refresh_that_fails_is_tried_until_the_binding_is_over),
		T(a_core_that_forgot_is_registered_with_anew),
		T(a_binding_of_before_a_crash_is_taken_over),
		T(those_taken_over_leave_half_of_the_rate_to_others),
		T(a_core_in_trouble_does_not_lose_a_binding_taken_over),
		T(a_binding_that_nobody_wants_back_is_ended),
		T(only_the_client_can_refresh_its_own_binding),
		T(a_refresh_tells_that_the_binding_lasts_longer),
		T(bad_requests_are_refused),
		T(odd_200s_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
