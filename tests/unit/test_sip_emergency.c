/* Calls to emergency services: to the core, and what comes from it. */
#include "tests/unit/test_sip_call.h"

#define XML_TYPE "application/3gpp-ims+xml"
#define XML                                                                    \
	"<ims-3gpp version=\"1\"><alternative-service><type>emergency</type>"  \
	"<reason>x</reason></alternative-service></ims-3gpp>"

static int setup(void **state)
{
	struct fix *f = fix_new(22461);

	(void)snprintf(f->set.emergency.text, sizeof(f->set.emergency.text),
		       "Call by telephone.");
	return fix_run(f, state);
}

static void call(struct fix *f, const char *target, bool emergency)
{
	struct gw_msg m = {
		.verb = GW_V_SETUP,
		.asserted = {"sip:alice@ims.test", "Alice"},
		.target = { target,              NULL   },
		.emergency = emergency,
		.desc = desc_of(GW_DESC_OFFER, OFFER)
	};

	call_out(f, &m);
}

static void our_invite_names_the_service(void **state)
{
	struct fix *f = *state;
	struct packet p;

	(void)snprintf(f->set.emergency.resource_priority, 32, "esnet.1");
	(void)snprintf(f->set.ims.access_network_info, 64, "IEEE-802.11");
	call(f, "urn:service:sos.fire", true);
	expect(f, &p, "INVITE urn:service:sos.fire SIP/2.0\r\n");
	assert_string_equal("<urn:service:sos.fire>", header(&p, "To"));
	assert_string_equal("emergency", header(&p, "Priority"));
	assert_string_equal("esnet.1", header(&p, "Resource-Priority"));
	assert_string_equal("IEEE-802.11;network-provided",
			    header(&p, "P-Access-Network-Info"));
	assert_string_equal("\"Alice\" <sip:alice@ims.test>",
			    header(&p, "P-Asserted-Identity"));
	assert_string_equal("", header(&p, "Route"));
	reply(f, &p, 503, "x", NULL, NULL);
	expect(f, &p, "ACK urn:service:sos.fire");
	assert_int_equal(503, expect_told(f, GW_V_RELEASE)->status);
}

static void it_goes_to_the_e_cscf(void **state)
{
	struct fix *f = *state;
	struct packet p;
	char route[80];

	(void)snprintf(f->set.emergency.target, 128,
		       "sip:127.0.0.1:%u;transport=udp", f->port);
	(void)snprintf(f->set.sip.core, 128, "sip:127.0.0.1:1");
	(void)snprintf(route, sizeof(route),
		       "<sip:127.0.0.1:%u;transport=udp;lr>", f->port);
	call(f, "urn:service:sos", true);
	expect(f, &p, "INVITE urn:service:sos SIP/2.0\r\n");
	assert_string_equal(route, header(&p, "Route"));
	assert_string_equal("", header(&p, "Resource-Priority"));
	reply(f, &p, 486, "x", NULL, NULL);
	expect(f, &p, "ACK urn:service:sos");
	(void)expect_told(f, GW_V_RELEASE);
}

static void only_a_service_is_called_as_one(void **state)
{
	struct fix *f = *state;

	call(f, "sip:bob@ims.test", true);
	assert_int_equal(484, expect_told(f, GW_V_RELEASE)->status);
	call(f, "urn:service:sos", false);
	assert_int_equal(484, expect_told(f, GW_V_RELEASE)->status);
	expect_silence(f, 50);
}

static void what_the_network_recognises_is_told(void **state)
{
	struct fix *f = *state;
	struct packet p;
	char text[2048];
	size_t n;

	call(f, "sip:999@ims.test", false);
	expect(f, &p, "INVITE sip:999@ims.test");
	n = (size_t)snprintf(
		text, sizeof(text),
		"SIP/2.0 380 Alternative Service\r\nVia: %s\r\nFrom: %s\r\n"
		"To: %s;tag=x\r\nCall-ID: %s\r\nCSeq: %s\r\n"
		"Content-Type: " XML_TYPE "\r\nContent-Length: %zu\r\n\r\n" XML,
		header(&p, "Via"), header(&p, "From"), header(&p, "To"),
		header(&p, "Call-ID"), header(&p, "CSeq"), strlen(XML));
	assert_true(n < sizeof(text));
	send_text(f, text);
	expect(f, &p, "ACK ");
	assert_int_equal(380, expect_told(f, GW_V_RELEASE)->status);
	assert_true(f->told[f->ntold - 1].emergency);
}

static void a_redirection_is_no_emergency(void **state)
{
	struct fix *f = *state;
	struct packet p;

	call(f, "sip:998@ims.test", false);
	expect(f, &p, "INVITE sip:998@ims.test");
	reply(f, &p, 380, "x", NULL, NULL);
	expect(f, &p, "ACK ");
	assert_int_equal(480, expect_told(f, GW_V_RELEASE)->status);
	assert_false(f->told[f->ntold - 1].emergency);
}

static void comes(struct fix *f, const char *target, const char *more)
{
	char text[2048];

	f->cseq++;
	(void)snprintf(text, sizeof(text),
		       "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP "
		       "127.0.0.1:%u;branch=z9hG4bK%u\r\nFrom: "
		       "<sip:psap@ims.test>;tag=1\r\nTo: <%s>\r\nCall-ID: "
		       "%s.%u\r\nCSeq: 1 INVITE\r\nContact: "
		       "<sip:127.0.0.1:%u>\r\n%sContent-Length: 0\r\n\r\n",
		       target, f->port, f->cseq, target, f->call_id, f->cseq,
		       f->port, more);
	send_text(f, text);
}

static void what_comes_from_the_core_is_answered_clearly(void **state)
{
	static const char *const target[] = {
		"urn:service:sos",
		"urn:service:sos.police",
		"tel:112",
		"sip:911@127.0.0.1;user=phone",
	};
	struct fix *f = *state;
	struct packet p;
	int64_t before =
		metric("isthmus_emergency_calls_total{result=\"from_core\"}");

	gw_sip_set_draining(f->sip, 30);
	for (unsigned i = 0; i < 4; i++) {
		comes(f, target[i], "Require: nothing-we-know\r\n");
		expect(f, &p, "SIP/2.0 380 Alternative Service");
		assert_string_equal(XML_TYPE, header(&p, "Content-Type"));
		assert_non_null(strstr(body(&p), "<type>emergency</type>"
						 "<reason>Call by "
						 "telephone.</reason>"));
	}
	assert_int_equal(before + 4,
			 metric("isthmus_emergency_calls_total{result="
				"\"from_core\"}"));
	assert_int_equal(0, f->ntold);
	comes(f, "urn:service:counselling", "");
	expect(f, &p, "SIP/2.0 416");
	comes(f, "sip:bob@127.0.0.1", "");
	expect(f, &p, "SIP/2.0 503");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(our_invite_names_the_service),
		T(it_goes_to_the_e_cscf),
		T(only_a_service_is_called_as_one),
		T(what_the_network_recognises_is_told),
		T(a_redirection_is_no_emergency),
		T(what_comes_from_the_core_is_answered_clearly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
