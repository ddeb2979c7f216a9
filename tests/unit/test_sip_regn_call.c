/* Calls through a registration, both ways. */
#include "tests/unit/test_sip_regn.h"

static int setup(void **state)
{
	struct rfix *x = rfix_new(22345);

	rfix_start(x);
	(void)snprintf(x->f.call_id, sizeof(x->f.call_id), "%d.call",
		       (int)getpid());
	*state = x;
	return 0;
}

static void call_out(struct rfix *x, const char *who, bool privacy)
{
	struct gw_msg m = {
		.verb = GW_V_SETUP,
		.target = {"tel:+15552000", NULL   },
		.asserted = { who,            "Alice"},
		.privacy = privacy,
		.registration = "reg1",
		.desc = desc_of(GW_DESC_OFFER, OFFER)
	};

	assert_int_equal(gw_ims_leg_new(&x->f.leg, x->f.sip), 0);
	x->f.leg->handler = on_leg;
	x->f.leg->arg = x;
	assert_int_equal(gw_leg_send(x->f.leg, &m), 0);
}

static const char *icid_of(const struct packet *p)
{
	static char ring[4][80];
	static unsigned at;
	char *out = ring[at++ % 4];
	const char *v = header(p, "P-Charging-Vector");

	assert_int_equal(strncmp(v, "icid-value=\"", 12), 0);
	(void)snprintf(out, 80, "%.79s", v + 12);
	out[strcspn(out, "\"")] = '\0';
	return out;
}

static void a_call_goes_out_by_the_service_route(void **state)
{
	struct rfix *x = *state;
	struct packet reg, inv, p;
	char want[200], icid[80];

	register_trusted(x, &reg);
	call_out(x, "sip:al@ims.test", false);
	expect(&x->f, &inv, "INVITE tel:+15552000 SIP/2.0\r\n");
	assert_string_equal(header(&inv, "Route"),
			    "<sip:orig@127.0.0.1:22345;lr>");
	assert_string_equal(header(&inv, "P-Asserted-Identity"),
			    "\"Alice\" <sip:al@ims.test>");
	assert_string_equal(header(&inv, "P-Preferred-Identity"), "");
	assert_non_null(strstr(header(&inv, "P-Preferred-Service"), "mmtel"));
	assert_non_null(strstr(header(&inv, "P-Access-Network-Info"),
			       "\"203.0.113.9\";network-provided"));
	assert_string_equal(uri_of(header(&inv, "From")), "sip:al@ims.test");
	(void)snprintf(want, sizeof(want), "sip:%s@127.0.0.1:22344",
		       token_of(&reg));
	assert_string_equal(uri_of(header(&inv, "Contact")), want);
	(void)snprintf(icid, sizeof(icid), "%s", icid_of(&inv));
	assert_string_not_equal(icid, icid_of(&reg));
	assert_string_equal(x->f.leg->charging_id, icid);
	reply(&x->f, &inv, 200, "t", NULL, ANSWER);
	expect(&x->f, &p, "ACK ");
	assert_string_equal(header(&p, "P-Charging-Vector"), "");
	(void)expect_told(&x->f, GW_V_ANSWER);
	release(&x->f, 200);
	expect(&x->f, &p, "BYE ");
	assert_string_equal(icid_of(&p), icid);
	reply(&x->f, &p, 200, NULL, NULL, NULL);
}

static void a_name_that_is_not_of_the_set_is_not_asserted(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	register_trusted(x, &p);
	call_out(x, "sip:bob@ims.test", false);
	expect(&x->f, &p, "INVITE ");
	assert_string_equal(header(&p, "P-Asserted-Identity"), "<" IMPU ">");
	assert_string_equal(uri_of(header(&p, "From")), IMPU);
}

static void privacy_hides_from_but_not_from_the_core(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	register_trusted(x, &p);
	call_out(x, NULL, true);
	expect(&x->f, &p, "INVITE ");
	assert_string_equal(header(&p, "P-Asserted-Identity"), "<" IMPU ">");
	assert_string_equal(header(&p, "Privacy"), "id");
	assert_non_null(strstr(header(&p, "From"), "anonymous.invalid"));
}

static void who_is_not_registered_cannot_call(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p;

	call_out(x, IMPU, false);
	assert_int_equal(expect_told(&x->f, GW_V_RELEASE)->status, 403);
	/* Nor before the core has agreed. */
	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	call_out(x, IMPU, false);
	assert_int_equal(expect_told(&x->f, GW_V_RELEASE)->status, 403);
	expect_silence(&x->f, 50);
}

static void without_service_route_the_core_is_next(void **state)
{
	struct rfix *x = *state;
	struct gw_regn_request req = trusted_request();
	struct packet p;
	char line[160];

	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	(void)snprintf(line, sizeof(line), "Expires: 77\r\n");
	/* reply() has a contact of its own: ours must be there. */
	{
		char text[2048];

		(void)snprintf(text, sizeof(text),
			       "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\n"
			       "To: %s;tag=c\r\nCall-ID: %s\r\nCSeq: %s\r\n"
			       "%sContent-Length: 0\r\n\r\n",
			       header(&p, "Via"), header(&p, "From"),
			       header(&p, "To"), header(&p, "Call-ID"),
			       header(&p, "CSeq"), line);
		send_text(&x->f, text);
	}
	assert_int_equal(hear(x, GW_RE_REGISTERED)->expires_s, 77);
	call_out(x, IMPU, false);
	expect(&x->f, &p, "INVITE ");
	assert_string_equal(header(&p, "Route"), "");
}

/* An INVITE as an S-CSCF sends it. */
static void call_in(struct rfix *x, const char *target, const char *headers)
{
	(void)snprintf(x->f.target, sizeof(x->f.target), "%s", target);
	request(&x->f, "INVITE", headers, "application/sdp", OFFER);
}

static void a_call_comes_in_by_the_path_token(void **state)
{
	struct rfix *x = *state;
	const struct told *t;
	struct packet reg, p;
	char lines[512], want[200];

	register_trusted(x, &reg);
	(void)snprintf(lines, sizeof(lines),
		       "Route: <sip:%s@127.0.0.1:22344;lr>\r\n"
		       "P-Called-Party-ID: <sip:al@ims.test>\r\n"
		       "P-Asserted-Identity: <sip:bob@ims.test>\r\n"
		       "P-Charging-Vector: orig-ioi=x;icid-value=abc-17;"
		       "icid-generated-at=192.0.2.1\r\n",
		       token_of(&reg));
	call_in(x, "sip:anything@df7jal23ls0d.invalid;transport=ws", lines);
	t = expect_told(&x->f, GW_V_SETUP);
	assert_string_equal(t->registration, "reg1");
	assert_string_equal(t->target, "sip:al@ims.test");
	assert_string_equal(t->asserted, "sip:bob@ims.test");
	assert_string_equal(x->f.leg->charging_id, "abc-17");
	expect(&x->f, &p, "SIP/2.0 100");
	{
		struct gw_msg m = { .verb = GW_V_PROGRESS,
				    .alert = GW_ALERT_RINGING };

		assert_int_equal(gw_leg_send(x->f.leg, &m), 0);
	}
	expect(&x->f, &p, "SIP/2.0 180");
	assert_string_equal(header(&p, "P-Asserted-Identity"),
			    "<sip:al@ims.test>");
	assert_string_equal(icid_of(&p), "abc-17");
	(void)snprintf(want, sizeof(want), "sip:%s@127.0.0.1:22344",
		       token_of(&reg));
	assert_string_equal(uri_of(header(&p, "Contact")), want);
	release(&x->f, 486);
	expect(&x->f, &p, "SIP/2.0 486");
	assert_string_equal(icid_of(&p), "abc-17");
	request(&x->f, "ACK", NULL, NULL, NULL);
}

static void a_call_comes_in_by_the_contact(void **state)
{
	struct rfix *x = *state;
	const struct told *t;
	struct packet reg, p;
	char target[120];

	register_trusted(x, &reg);
	(void)snprintf(target, sizeof(target), "sip:%s@127.0.0.1:22344",
		       token_of(&reg));
	call_in(x, target, NULL);
	t = expect_told(&x->f, GW_V_SETUP);
	assert_string_equal(t->registration, "reg1");
	assert_string_equal(t->target, IMPU);
	expect(&x->f, &p, "SIP/2.0 100");
}

static void a_contact_that_is_gone_is_answered(void **state)
{
	static const char target[] =
		"sip:0123456789abcdef0123456789abcdef@127.0.0.1:22344";
	struct rfix *x = *state;
	struct packet reg, p;
	char lines[200];

	call_in(x, target, NULL);
	expect(&x->f, &p, "SIP/2.0 404");
	(void)snprintf(x->f.call_id, sizeof(x->f.call_id), "gone2");
	call_in(x, "sip:whatever@ims.test",
		"Route: <sip:0123456789abcdef0123456789abcdef@"
		"127.0.0.1:22344;lr>\r\n");
	expect(&x->f, &p, "SIP/2.0 404");
	/* Its owner has let go; the core may not know yet. */
	register_trusted(x, &reg);
	gw_regn_end(x->r);
	(void)snprintf(lines, sizeof(lines),
		       "Route: <sip:%s@127.0.0.1:22344;lr>\r\n",
		       token_of(&reg));
	(void)snprintf(x->f.call_id, sizeof(x->f.call_id), "gone3");
	expect(&x->f, &p, "REGISTER ");
	call_in(x, "sip:whatever@ims.test", lines);
	expect(&x->f, &p, "SIP/2.0 404");
	nothing_told(&x->f);
}

static void others_are_called_as_before(void **state)
{
	struct rfix *x = *state;
	const struct told *t;
	struct packet p;

	call_in(x, "sip:carol@127.0.0.1:22344", NULL);
	t = expect_told(&x->f, GW_V_SETUP);
	assert_string_equal(t->registration, "");
	assert_string_equal(t->target, "sip:carol@ims.test");
	assert_string_equal(x->f.leg->charging_id, "");
	expect(&x->f, &p, "SIP/2.0 100");
	release(&x->f, 486);
	expect(&x->f, &p, "SIP/2.0 486");
	assert_string_equal(header(&p, "P-Charging-Vector"), "");
	request(&x->f, "ACK", NULL, NULL, NULL);
}

static void refuse_call(struct rfix *x, int status)
{
	struct packet p;

	call_out(x, IMPU, false);
	expect(&x->f, &p, "INVITE ");
	reply(&x->f, &p, status, "t", NULL, NULL);
	expect(&x->f, &p, "ACK ");
	assert_int_equal(expect_told(&x->f, GW_V_RELEASE)->status, status);
}

static void a_refused_call_makes_us_ask_the_core_again(void **state)
{
	struct rfix *x = *state;
	struct packet p;

	register_trusted(x, &p);
	refuse_call(x, 486);
	expect_silence(&x->f, 50);
	refuse_call(x, 403);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "540", NULL);
	/* But not for each call. */
	refuse_call(x, 403);
	expect_silence(&x->f, 50);
	pass_ms(x, 61000);
	refuse_call(x, 404);
	expect(&x->f, &p, "REGISTER ");
}

static void malformed_charging_is_left_alone(void **state)
{
	static const char *const bad[] = {
		"P-Charging-Vector: icid-value=\r\n",
		"P-Charging-Vector: icid-value=\"\"\r\n",
		"P-Charging-Vector: nonsense\r\n",
		"P-Charging-Vector: icid-value=\"a\\<b\"\r\n",
		"P-Charging-Vector: icid-value=0123456789012345678901234567890"
		"12345678901234567890123456789012345678901234567890123456789\r"
		"\n",
	};
	struct rfix *x = *state;
	struct packet p;

	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++) {
		(void)snprintf(x->f.call_id, sizeof(x->f.call_id), "bad%zu", i);
		*x->f.remote_tag = '\0';
		call_in(x, "sip:carol@127.0.0.1:22344", bad[i]);
		(void)expect_told(&x->f, GW_V_SETUP);
		expect(&x->f, &p, "SIP/2.0 100");
		assert_string_equal(x->f.leg->charging_id, "");
		release(&x->f, 486);
		expect(&x->f, &p, "SIP/2.0 486");
		assert_string_equal(header(&p, "P-Charging-Vector"), "");
		dialog_from_response(&x->f, &p);
		(void)snprintf(x->f.target, sizeof(x->f.target),
			       "sip:carol@127.0.0.1:22344");
		request(&x->f, "ACK", NULL, NULL, NULL);
	}
}

/* TS 24.229 5.2.10: who calls for help is not asked whether he still is
 * registered; the first core that could be meant gets the call. */
static void help_is_called_without_a_registration(void **state)
{
	struct gw_msg m = {
		.verb = GW_V_SETUP,
		.target = {"urn:service:sos",  NULL   },
		.asserted = { "sip:al@ims.test", "Alice"},
		.registration = "reg1",
		.emergency = true,
		.desc = desc_of(GW_DESC_OFFER, OFFER)
	};
	struct rfix *x = *state;
	struct packet reg, inv, p;

	register_trusted(x, &reg);
	gw_regn_end(x->r);
	x->r = NULL;
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "0", NULL);
	(void)snprintf(x->f.set.ims.access_network_info, 64, "IEEE-802.11");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(gw_ims_leg_new(&x->f.leg, x->f.sip), 0);
		x->f.leg->handler = on_leg;
		x->f.leg->arg = x;
		assert_int_equal(gw_leg_send(x->f.leg, &m), 0);
		expect(&x->f, &inv, "INVITE urn:service:sos SIP/2.0\r\n");
		/* No Service-Route: it is gone with the registration. */
		assert_string_equal(header(&inv, "Route"), "");
		assert_string_equal(header(&inv, "P-Asserted-Identity"),
				    "\"Alice\" <sip:al@ims.test>");
		assert_string_equal(header(&inv, "P-Access-Network-Info"),
				    "IEEE-802.11;network-provided");
		reply(&x->f, &inv, 486, "t", NULL, NULL);
		expect(&x->f, &p, "ACK ");
		assert_int_equal(expect_told(&x->f, GW_V_RELEASE)->status, 486);
		/* And by sip.core, where there is one. */
		(void)snprintf(x->f.set.sip.core, 128, "sip:127.0.0.1:%u",
			       x->f.port);
		(void)snprintf(x->f.set.ims.core[0], 128, "sip:127.0.0.1:1");
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, rfix_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_call_goes_out_by_the_service_route),
		T(a_name_that_is_not_of_the_set_is_not_asserted),
		T(privacy_hides_from_but_not_from_the_core),
		T(who_is_not_registered_cannot_call),
		T(without_service_route_the_core_is_next),
		T(a_call_comes_in_by_the_path_token),
		T(a_call_comes_in_by_the_contact),
		T(a_contact_that_is_gone_is_answered),
		T(others_are_called_as_before),
		T(a_refused_call_makes_us_ask_the_core_again),
		T(malformed_charging_is_left_alone),
		T(help_is_called_without_a_registration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
