/* The reg event package: what the core tells of a registration. */
#include "tests/unit/test_sip_regn.h"

static int setup(void **state)
{
	struct rfix *x = rfix_new(22347);

	x->f.set.ims.reg_event = true;
	rfix_start(x);
	*state = x;
	return 0;
}

/* Registered, with a subscription of @p that is answered. */
static void subscribe(struct rfix *x, struct packet *reg, struct packet *sub)
{
	register_trusted(x, reg);
	expect(&x->f, sub, "SUBSCRIBE ");
	dialog_from_invite(&x->f, sub, "peer");
	reply(&x->f, sub, 200, "peer", "Expires: 1080\r\n", NULL);
	expect_silence(&x->f, 30);
}

static void notify_as(struct rfix *x, const char *headers, const char *type,
		      const char *text, const char *answer)
{
	struct packet p;

	request(&x->f, "NOTIFY", headers, type, text);
	do {
		get_packet(&x->f, &p);
	} while (strncmp(p.text, "SIP/2.0", 7) != 0);
	if (strncmp(p.text + 8, answer, 3) != 0)
		fail_msg("expected %s, got %s", answer, p.text);
}

/* A document of ours: @identity, and our contact with @contact, if any. */
static void notify(struct rfix *x, const struct packet *reg, unsigned version,
		   const char *identity, const char *contact)
{
	char text[2048], c[512] = "";

	if (contact)
		(void)snprintf(c, sizeof(c),
			       "<contact id=\"c\" %s><uri>sip:%s@127.0.0.1"
			       "</uri></contact>",
			       contact, token_of(reg));
	(void)snprintf(text, sizeof(text),
		       "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" "
		       "version=\"%u\" state=\"full\"><registration aor=\"%s\" "
		       "id=\"r\" state=\"%s\">%s</registration></reginfo>",
		       version, IMPU, identity, c);
	notify_as(x, "Event: reg\r\nSubscription-State: active\r\n",
		  "application/reginfo+xml", text, "200");
}

static void the_first_200_subscribes(void **state)
{
	struct rfix *x = *state;
	struct packet reg, sub, p;
	char want[200];

	register_trusted(x, &reg);
	expect(&x->f, &sub, "SUBSCRIBE " IMPU " SIP/2.0\r\n");
	assert_string_equal(uri_of(header(&sub, "To")), IMPU);
	assert_string_equal(uri_of(header(&sub, "From")),
			    "sip:127.0.0.1:22346");
	assert_string_equal(header(&sub, "P-Asserted-Identity"),
			    "<sip:127.0.0.1:22346>");
	assert_non_null(strstr(header(&reg, "Path"), "127.0.0.1:22346"));
	assert_string_equal(header(&sub, "Event"), "reg");
	assert_string_equal(header(&sub, "Accept"), "application/reginfo+xml");
	assert_string_equal(header(&sub, "Expires"), "1080");
	assert_non_null(strstr(header(&sub, "P-Charging-Vector"), "icid"));
	(void)snprintf(want, sizeof(want), "<sip:%s@127.0.0.1:22346>",
		       token_of(&reg));
	assert_string_equal(header(&sub, "Contact"), want);
	/* A document may overtake the 200. */
	dialog_from_invite(&x->f, &sub, "peer");
	notify(x, &reg, 1, "active", "state=\"active\" event=\"registered\"");
	reply(&x->f, &sub, 200, "peer", "Expires: 1080\r\n", NULL);
	expect_silence(&x->f, 50);
	/* A refresh of the registration is none of the subscription. */
	pass_ms(x, 270001);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "540", NULL);
	expect_silence(&x->f, 50);
	pass_ms(x, 269000);
	get_packet(&x->f, &p);
	if (!strncmp(p.text, "REGISTER", 8)) {
		grant(x, &p, "540", NULL);
		pass_ms(x, 1001);
		get_packet(&x->f, &p);
	}
	assert_int_equal(
		strncmp(p.text, "SUBSCRIBE sip:peer@127.0.0.1:22347", 34), 0);
	assert_string_equal(header(&p, "Call-ID"), header(&sub, "Call-ID"));
	assert_non_null(strstr(header(&p, "To"), ";tag=peer"));
	reply(&x->f, &p, 200, NULL, "Expires: 1080\r\n", NULL);
	expect_silence(&x->f, 30);
}

static void the_network_ends_it(void **state)
{
	static const char *const contact[] = {
		NULL, /* an RTR as some cores tell it */
		"state=\"terminated\" event=\"rejected\"",
		"state=\"terminated\" event=\"unregistered\"",
	};
	struct rfix *x = *state;
	const struct heard *h;
	struct packet reg, sub;

	for (size_t i = 0; i < GW_ARRAY_LEN(contact); i++) {
		subscribe(x, &reg, &sub);
		notify(x, &reg, 2, "terminated", contact[i]);
		h = hear(x, GW_RE_ENDED);
		assert_true(h->by_network);
		assert_int_equal(h->status, 200);
		assert_int_equal(metric("isthmus_ims_registrations"), 0);
		expect_silence(&x->f, 50);
		*x->f.target = *x->f.remote_tag = '\0';
	}
}

static void deactivated_and_expired_register_anew(void **state)
{
	static const char *const contact[] = {
		"state=\"terminated\" event=\"deactivated\"",
		"state=\"terminated\" event=\"expired\"",
	};
	struct rfix *x = *state;
	struct packet reg, sub, p;
	char call_id[128];

	for (size_t i = 0; i < GW_ARRAY_LEN(contact); i++) {
		subscribe(x, &reg, &sub);
		(void)snprintf(call_id, sizeof(call_id), "%s",
			       header(&reg, "Call-ID"));
		notify(x, &reg, 2, i ? "active" : "terminated", contact[i]);
		expect(&x->f, &p, "REGISTER ");
		assert_string_not_equal(header(&p, "Call-ID"), call_id);
		assert_string_equal(header(&p, "CSeq"), "1 REGISTER");
		assert_string_equal(token_of(&p), token_of(&reg));
		grant(x, &p, "540", NULL);
		(void)hear(x, GW_RE_REGISTERED);
		expect(&x->f, &p, "SUBSCRIBE " IMPU);
		dialog_from_invite(&x->f, &p, "peer");
		reply(&x->f, &p, 200, "peer", "Expires: 1080\r\n", NULL);
		/* Again at once is not at once. */
		notify(x, &reg, 1, "active", contact[i]);
		expect_silence(&x->f, 50);
		pass_ms(x, 30001);
		expect(&x->f, &p, "REGISTER ");
		grant(x, &p, "540", NULL);
		(void)hear(x, GW_RE_REGISTERED);
		expect(&x->f, &p, "SUBSCRIBE " IMPU);
		reply(&x->f, &p, 403, "peer", NULL, NULL);
		expect_silence(&x->f, 30);
		gw_regn_end(x->r);
		expect(&x->f, &p, "REGISTER ");
		grant(x, &p, "0", NULL);
		while (metric("isthmus_ims_registrations_known"))
			gw_loop_step(x->f.loop, 5);
		*x->f.target = *x->f.remote_tag = '\0';
	}
}

static void probation_waits_as_long_as_it_says(void **state)
{
	struct rfix *x = *state;
	struct packet reg, sub, p;

	subscribe(x, &reg, &sub);
	notify(x, &reg, 2, "terminated",
	       "state=\"terminated\" event=\"probation\" retry-after=\"36\"");
	assert_int_equal(metric("isthmus_ims_registrations"), 0);
	pass_ms(x, 35900);
	expect_silence(&x->f, 50);
	pass_ms(x, 101);
	expect(&x->f, &p, "REGISTER ");
	/* Its owner may leave meanwhile. */
	gw_regn_end(x->r);
	reply(&x->f, &p, 403, "t", NULL, NULL);
	while (metric("isthmus_ims_registrations_known"))
		gw_loop_step(x->f.loop, 5);
	nothing_heard(x);
}

static void old_and_foreign_documents_change_nothing(void **state)
{
	struct rfix *x = *state;
	int64_t old = metric("isthmus_ims_notifies_total{action=\"old\"}");
	struct packet reg, sub;

	subscribe(x, &reg, &sub);
	notify(x, &reg, 5, "active", "state=\"active\" event=\"registered\"");
	notify(x, &reg, 4, "terminated", NULL);
	assert_int_equal(metric("isthmus_ims_notifies_total{action=\"old\"}"),
			 old + 1);
	nothing_heard(x);
	expect_silence(&x->f, 50);
}

static void a_gap_asks_for_the_whole_state(void **state)
{
	static const char partial[] =
		"<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" "
		"version=\"9\" state=\"partial\"/>";
	struct rfix *x = *state;
	struct packet reg, sub, p;

	subscribe(x, &reg, &sub);
	notify(x, &reg, 5, "active", NULL);
	notify_as(x, "Event: reg\r\nSubscription-State: active\r\n",
		  "application/reginfo+xml", partial, "200");
	expect(&x->f, &p, "SUBSCRIBE sip:peer@");
	reply(&x->f, &p, 200, NULL, "Expires: 1080\r\n", NULL);
	expect_silence(&x->f, 30);
}

static void bad_notifies_are_answered(void **state)
{
#define REG    "Event: reg\r\n"
#define ACTIVE "Subscription-State: active\r\n"
#define XML    "application/reginfo+xml"
	static const struct {
		const char *headers, *type, *text, *answer;
	} row[] = {
		{"Event: presence\r\n" ACTIVE,    XML,          "<x/>",  "489"},
		{ REG,			    XML,          "<x/>",  "400"},
		{ REG ACTIVE,                     "text/plain", "hello", "415"},
		{ REG ACTIVE,                     XML,          "<x",    "400"},
		{ REG ACTIVE,                     XML,          "<x/>",  "400"},
		{ REG ACTIVE "Require: frob\r\n", XML,          "<x/>",  "420"},
		{ REG ACTIVE,                     NULL,         NULL,    "200"},
	};
	struct rfix *x = *state;
	struct packet reg, sub, p;

	subscribe(x, &reg, &sub);
	for (size_t i = 0; i < GW_ARRAY_LEN(row); i++)
		notify_as(x, row[i].headers, row[i].type, row[i].text,
			  row[i].answer);
	request(&x->f, "MESSAGE", NULL, NULL, NULL);
	expect(&x->f, &p, "SIP/2.0 405");
	/* Of a subscription that nobody has. */
	(void)snprintf(x->f.call_id, sizeof(x->f.call_id), "unknown");
	notify_as(x, REG ACTIVE, XML, "<x/>", "481");
	nothing_heard(x);
	assert_int_equal(metric("isthmus_ims_registrations"), 1);
}

static void a_subscription_that_ends_is_made_anew(void **state)
{
	struct rfix *x = *state;
	struct packet reg, sub, p;

	subscribe(x, &reg, &sub);
	notify_as(x,
		  REG "Subscription-State: terminated;reason=probation;"
		      "retry-after=20\r\n",
		  NULL, NULL, "200");
	pass_ms(x, 19000);
	expect_silence(&x->f, 50);
	pass_ms(x, 1001);
	expect(&x->f, &p, "SUBSCRIBE " IMPU);
	assert_string_not_equal(header(&p, "Call-ID"), header(&sub, "Call-ID"));
	dialog_from_invite(&x->f, &p, "peer");
	reply(&x->f, &p, 200, "peer", "Expires: 1080\r\n", NULL);
	expect_silence(&x->f, 30);
	notify_as(x, REG "Subscription-State: terminated;reason=rejected\r\n",
		  NULL, NULL, "200");
	pass_ms(x, 200000);
	expect_silence(&x->f, 50);
}

static void a_subscribe_that_fails_is_no_harm(void **state)
{
	struct rfix *x = *state;
	struct packet reg, p;

	register_trusted(x, &reg);
	expect(&x->f, &p, "SUBSCRIBE ");
	reply(&x->f, &p, 500, "peer", NULL, NULL);
	expect_silence(&x->f, 30);
	pass_ms(x, 60001);
	expect(&x->f, &p, "SUBSCRIBE ");
	reply(&x->f, &p, 423, "peer", "Min-Expires: 5000\r\n", NULL);
	expect(&x->f, &p, "SUBSCRIBE ");
	assert_string_equal(header(&p, "Expires"), "5000");
	reply(&x->f, &p, 489, "peer", NULL, NULL);
	expect_silence(&x->f, 30);
	pass_ms(x, 180000);
	expect_silence(&x->f, 50);
	nothing_heard(x);
	assert_int_equal(metric("isthmus_ims_registrations"), 1);
}

static void a_lost_subscription_is_made_anew_once(void **state)
{
	struct rfix *x = *state;
	unsigned registers = 0, subscribes = 0;
	struct packet reg, sub, p;

	subscribe(x, &reg, &sub);
	pass_ms(x, 269000);
	expect_silence(&x->f, 30);
	fake_us += 271000000; /* both are due */
	for (int i = 0; i < 2; i++) {
		get_packet(&x->f, &p);
		if (!strncmp(p.text, "REGISTER", 8))
			grant(x, &p, "540", NULL);
		else
			break;
	}
	assert_int_equal(strncmp(p.text, "SUBSCRIBE sip:peer@", 19), 0);
	reply(&x->f, &p, 481, NULL, NULL, NULL);
	/* The registration is asked about too. */
	for (int i = 0; i < 100; i++) {
		gw_loop_step(x->f.loop, 2);
		if (!poll_packet(&x->f, &p))
			continue;
		if (!strncmp(p.text, "REGISTER", 8)) {
			grant(x, &p, "540", NULL);
			registers++;
		} else {
			assert_int_equal(strncmp(p.text, "SUBSCRIBE " IMPU, 28),
					 0);
			reply(&x->f, &p, 481, "peer", NULL, NULL);
			subscribes++;
		}
	}
	assert_in_range(registers, 1, 2);
	/* At once, and after a REGISTER that found the core in order. */
	assert_in_range(subscribes, 1, 2);
}

/* Its calls are refused, its subscription is gone: it has restarted. */
static void a_core_that_forgot_one_has_forgotten_all(void **state)
{
	struct rfix *x = *state;
	int64_t found = metric("isthmus_ims_core_restarts_total");
	struct gw_regn_request req = trusted_request();
	struct packet reg, sub, p;
	unsigned registers = 0;

	(void)snprintf(req.key, sizeof(req.key), "other");
	begin(x, &req);
	expect(&x->f, &p, "REGISTER ");
	grant(x, &p, "540", NULL);
	(void)hear(x, GW_RE_REGISTERED);
	expect(&x->f, &p, "SUBSCRIBE ");
	reply(&x->f, &p, 200, "other", "Expires: 1080\r\n", NULL);
	subscribe(x, &reg, &sub);
	{
		struct gw_msg m = {
			.verb = GW_V_SETUP,
			.target = {"sip:bob@ims.test", NULL},
			.registration = "reg1",
			.desc = desc_of(GW_DESC_OFFER, OFFER)
		};

		assert_int_equal(gw_ims_leg_new(&x->f.leg, x->f.sip), 0);
		x->f.leg->handler = on_leg;
		x->f.leg->arg = x;
		assert_int_equal(gw_leg_send(x->f.leg, &m), 0);
	}
	expect(&x->f, &p, "INVITE ");
	reply(&x->f, &p, 403, "t", NULL, NULL);
	(void)expect_told(&x->f, GW_V_RELEASE);
	/* ACK, one REGISTER, one SUBSCRIBE; then the other one's REGISTER. */
	for (int i = 0; i < 400 && registers < 2; i++) {
		pass_ms(x, 10);
		if (!poll_packet(&x->f, &p))
			continue;
		if (!strncmp(p.text, "REGISTER ", 9)) {
			registers++;
			grant(x, &p, "540", NULL);
		} else if (!strncmp(p.text, "SUBSCRIBE sip:peer@", 19)) {
			assert_int_equal(registers, 1);
			/* as a real one says it */
			reply(&x->f, &p, 500, NULL, NULL, NULL);
		}
	}
	assert_int_equal(registers, 2);
	assert_int_equal(metric("isthmus_ims_core_restarts_total"), found + 1);
	assert_int_equal(metric("isthmus_ims_registrations"), 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, rfix_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_200_subscribes),
		T(the_network_ends_it),
		T(deactivated_and_expired_register_anew),
		T(probation_waits_as_long_as_it_says),
		T(old_and_foreign_documents_change_nothing),
		T(a_gap_asks_for_the_whole_state),
		T(bad_notifies_are_answered),
		T(a_subscription_that_ends_is_made_anew),
		T(a_subscribe_that_fails_is_no_harm),
		T(a_lost_subscription_is_made_anew_once),
		T(a_core_that_forgot_one_has_forgotten_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
