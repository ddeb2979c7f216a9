/* Another party in place of one, asked for by each of the three. */
#include "tests/unit/call_fakes.h"
#include "tests/unit/metric.h"

#define REFUSED metric("isthmus_transfers_total{result=\"refused\"}")

static const char other_sdp[] = SIP_SDP("9", "198.51.100.99", "sendrecv");
static const char other_offer[] =
	"v=0\r\no=- 70 1 IN IP4 198.51.100.99\r\ns=-\r\n"
	"c=IN IP4 198.51.100.99\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n"
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

static struct fake_leg *old;

/* The browser and the phone talk; the phone is old. */
static void talk(void)
{
	browser_calls_phone();
	assert_true(told(caller, GW_V_ANSWER));
	/* PCMU is all the phone has: the browser is offered that. */
	if (told(caller, GW_V_OFFER))
		says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	old = called;
	called = NULL;
}

static void ask(struct fake_leg *f, bool stays, const char *target,
		const char *replaces)
{
	const struct gw_msg msg = {
		.verb = GW_V_TRANSFER,
		.target = {target, NULL},
		.stays = stays,
		.replaces = replaces
	};

	f->leg.handler(&f->leg, &msg, f->leg.arg);
	media_works();
}

/* The status that @f was told last by TRANSFER; 0: never. */
static unsigned outcome(const struct fake_leg *f)
{
	return told(f, GW_V_TRANSFER) ? f->last.cause.status : 0;
}

static int tidy(void **state)
{
	int r = teardown(state);

	free(old);
	old = NULL;
	return r;
}

static void a_phone_hands_the_browser_to_another(void **state)
{
	unsigned ncmd_before;

	(void)state;
	talk();
	ask(old, false, "sip:third@far", NULL);
	assert_int_equal(100, outcome(old));
	assert_non_null(called);
	assert_string_equal("sip:third@far", called->target);
	assert_true(told(called, GW_V_SETUP));
	assert_string_equal("sip:a@b", called->last.asserted.uri);
	assert_null(called->last.replaces);
	/* An offer of its own, at the same port. */
	assert_non_null(strstr(called->text, "m=audio 30100 RTP/AVP"));
	assert_null(strstr(called->text, "fingerprint"));
	ncmd_before = ncmd;
	says(called, GW_V_PROGRESS, GW_DESC_NONE, NULL);
	assert_int_equal(183, outcome(old));
	assert_int_equal(ncmd_before, ncmd); /* the old one is heard still */
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	/* NOTIFY first, then BYE. */
	assert_int_equal(1, times_told(old, GW_V_RELEASE));
	assert_int_equal(3, times_told(old, GW_V_TRANSFER));
	assert_int_equal(GW_V_TRANSFER, old->said[old->nsaid - 2]);
	assert_null(old->leg.ops); /* freed */
	/* Media goes to the new one. */
	assert_int_equal(0, memcmp(&configured(GW_TERM_B)->end.stream[0].rtp.ip,
				   &(struct in_addr){ htonl(0xc6336463) }, 4));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	/* The browser hears who is there, and is offered what it has. */
	assert_int_equal(1, times_told(caller, GW_V_TRANSFER));
	pass_ms(1);
	assert_true(told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_int_equal(1, core.ncalls);
	releases(called, 200);
	assert_true(told(caller, GW_V_RELEASE));
}

static void a_browser_moves_its_session_to_another(void **state)
{
	(void)state;
	talk();
	ask(caller, true, "sip:third@far", NULL);
	assert_int_equal(100, outcome(caller));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(0, times_told(old, GW_V_TRANSFER));
	assert_int_equal(2, times_told(caller, GW_V_TRANSFER));
	assert_string_equal("sip:third@far", called->target);
	/* And again, from there. */
	pass_ms(1);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	free(old);
	old = called;
	called = NULL;
	ask(caller, true, "sip:fourth@far", NULL);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(4, times_told(caller, GW_V_TRANSFER));
}

static void a_new_party_that_declines_changes_nothing(void **state)
{
	unsigned before;

	(void)state;
	talk();
	before = ncmd;
	ask(old, false, "sip:third@far", NULL);
	releases(called, 486);
	assert_int_equal(486, outcome(old));
	assert_int_equal(0, times_told(old, GW_V_RELEASE));
	assert_int_equal(0, times_told(caller, GW_V_TRANSFER));
	assert_int_equal(before, ncmd);
	free(called);
	called = NULL;
	/* It can be tried again, and the call can be changed again. */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(old, GW_V_OFFER));
	says(old, GW_V_ACCEPT, GW_DESC_ANSWER, sip_recvonly);
	ask(old, false, "sip:fourth@far", NULL);
	assert_int_equal(100, outcome(old));
}

static void an_answer_that_does_not_fit_is_no_party(void **state)
{
	(void)state;
	talk();
	ask(old, false, "sip:third@far", NULL);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_answer);
	assert_true(told(called, GW_V_RELEASE));
	assert_int_equal(488, called->last.cause.status);
	assert_int_equal(488, outcome(old));
	assert_int_equal(0, times_told(old, GW_V_RELEASE));
	free(called);
	called = NULL;
	ask(old, false, "sip:third@far", NULL);
	says(called, GW_V_ANSWER, GW_DESC_NONE, NULL);
	assert_int_equal(488, outcome(old));
}

static void a_reliable_early_answer_is_the_answer(void **state)
{
	struct gw_msg early = {
		.verb = GW_V_PROGRESS,
		.branch = 2,
		.firm = true,
		.desc = {GW_DESC_EARLY_ANSWER, other_sdp,
                         sizeof(other_sdp) - 1},
	};
	struct gw_msg ok = { .verb = GW_V_ANSWER, .branch = 2 };
	unsigned before;

	(void)state;
	talk();
	ask(old, false, "sip:third@far", NULL);
	before = ncmd;
	called->leg.handler(&called->leg, &early, called->leg.arg);
	assert_int_equal(before, ncmd); /* the old one is heard still */
	/* An offer of it meanwhile cannot be passed on. */
	says(called, GW_V_OFFER, GW_DESC_OFFER, other_sdp);
	assert_true(told(called, GW_V_REFUSE));
	assert_int_equal(491, called->last.cause.status);
	called->leg.handler(&called->leg, &ok, called->leg.arg);
	media_works();
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(0, memcmp(&configured(GW_TERM_B)->end.stream[0].rtp.ip,
				   &(struct in_addr){ htonl(0xc6336463) }, 4));
}

static void who_hangs_up_meanwhile_is_not_waited_for(void **state)
{
	(void)state;
	/* The one that hands over need not stay (RFC 5589 6.1). */
	talk();
	ask(old, false, "sip:third@far", NULL);
	releases(old, 200);
	assert_int_equal(0, times_told(caller, GW_V_RELEASE));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, other_sdp);
	assert_int_equal(1, times_told(caller, GW_V_TRANSFER));
	assert_int_equal(0, times_told(caller, GW_V_RELEASE));
}

static void when_nobody_is_left_the_call_ends(void **state)
{
	(void)state;
	talk();
	ask(old, false, "sip:third@far", NULL);
	releases(old, 200);
	releases(called, 404);
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(404, caller->last.cause.status);
	assert_int_equal(0, core.ncalls);
}

static void the_end_of_the_call_ends_the_transfer(void **state)
{
	(void)state;
	talk();
	ask(old, false, "sip:third@far", NULL);
	releases(caller, 200);
	assert_null(called->leg.ops);
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(0, core.ncalls);
}

static void one_at_a_time_and_no_offers_meanwhile(void **state)
{
	(void)state;
	talk();
	ask(old, false, "sip:third@far", NULL);
	ask(caller, true, "sip:fourth@far", NULL);
	assert_int_equal(491, outcome(caller));
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(caller, GW_V_REFUSE));
	assert_int_equal(491, caller->last.cause.status);
	/* Nor a transfer while an offer is under way. */
	releases(called, 486);
	free(called);
	called = NULL;
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	ask(old, false, "sip:third@far", NULL);
	assert_int_equal(491, outcome(old));
	assert_null(called);
}

static void what_cannot_be_is_refused_with_its_status(void **state)
{
	int64_t before = REFUSED;
	char longest[300];

	(void)state;
	talk();
	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest, "sip:", 4);
	longest[299] = '\0';
	ask(old, false, longest, NULL);
	assert_int_equal(414, outcome(old));
	core.draining = true;
	ask(old, false, "sip:third@far", NULL);
	assert_int_equal(503, outcome(old));
	core.draining = false;
	assert_int_equal(before + 2, REFUSED);
	assert_null(called);
	assert_int_equal(1, core.ncalls);
}

static void a_dialog_to_be_replaced_goes_with_the_call(void **state)
{
	(void)state;
	talk();
	/* A browser's would be one of ours. */
	ask(old, false, "sip:alice@home", "abc@x;to-tag=1;from-tag=2");
	assert_int_equal(481, outcome(old));
	assert_null(called);
	ask(old, false, "sip:third@far", "abc@x;to-tag=1;from-tag=2");
	assert_string_equal("abc@x;to-tag=1;from-tag=2", called->last.replaces);
}

/* ---- INVITE with Replaces ---- */

static struct fake_leg *newcomer;

static void come(struct fake_leg *place, const char *offer)
{
	struct gw_msg msg = {
		.verb = GW_V_SETUP,
		.asserted = {"sip:boss@far", "Boss"},
		.target = { "sip:a@b",     NULL  },
		.instead_of = &place->leg
	};

	if (offer)
		msg.desc =
			(struct gw_desc){ GW_DESC_OFFER, offer, strlen(offer) };
	newcomer = fake_leg(&core_ops);
	gw_core_incoming(&newcomer->leg, &msg, &core);
	media_works();
}

static void a_caller_takes_the_place_that_it_names(void **state)
{
	(void)state;
	talk();
	come(old, other_offer);
	assert_true(told(newcomer, GW_V_ANSWER));
	assert_non_null(strstr(newcomer->text, "m=audio 30100 RTP/AVP 0"));
	assert_true(told(old, GW_V_RELEASE));
	assert_int_equal(1, times_told(caller, GW_V_TRANSFER));
	pass_ms(1);
	assert_true(told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_int_equal(1, core.ncalls);
	called = newcomer;
}

static void a_caller_that_cannot_take_the_place_is_refused(void **state)
{
	int64_t before = REFUSED;

	(void)state;
	talk();
	come(old, NULL);
	assert_int_equal(488, newcomer->last.cause.status);
	free(newcomer);
	come(old, "v=0\r\n");
	assert_true(newcomer->last.cause.status == 400 ||
		    newcomer->last.cause.status == 488);
	free(newcomer);
	assert_int_equal(before + 2, REFUSED);
	assert_int_equal(0, times_told(old, GW_V_RELEASE));
	/* Offers go on between those who were there. */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(old, GW_V_OFFER));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, tidy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_phone_hands_the_browser_to_another),
		T(a_browser_moves_its_session_to_another),
		T(a_new_party_that_declines_changes_nothing),
		T(an_answer_that_does_not_fit_is_no_party),
		T(a_reliable_early_answer_is_the_answer),
		T(who_hangs_up_meanwhile_is_not_waited_for),
		T(when_nobody_is_left_the_call_ends),
		T(the_end_of_the_call_ends_the_transfer),
		T(one_at_a_time_and_no_offers_meanwhile),
		T(what_cannot_be_is_refused_with_its_status),
		T(a_dialog_to_be_replaced_goes_with_the_call),
		T(a_caller_takes_the_place_that_it_names),
		T(a_caller_that_cannot_take_the_place_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
