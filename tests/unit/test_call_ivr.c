/* A service that listens before it answers: early media in both directions, and
 * digits. */
#include "gateway/base/dtmf_relay.h"
#include "tests/unit/call_fakes.h"

static const char early_sdp[] =
	"v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\n"
	"t=0 0\r\nm=audio 4001 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

struct early_says {
	uint32_t branch;
	const char *sdp;
	bool may, both, may_not, over;
};

static void progress(struct early_says e)
{
	struct gw_msg msg = {
		.verb = GW_V_PROGRESS,
		.branch = e.branch,
		.firm = e.sdp != NULL,
		.early_media = e.may || e.both,
		.early_both = e.both,
		.no_early_media = e.may_not,
		.alert = e.over ? GW_ALERT_ENDED : GW_ALERT_NO,
	};

	if (e.sdp)
		msg.desc = (struct gw_desc){ GW_DESC_EARLY_ANSWER, e.sdp,
					     strlen(e.sdp) };
	called->leg.handler(&called->leg, &msg, called->leg.arg);
	media_works();
}

static void gates_are(enum gw_gate a, enum gw_gate b)
{
	assert_int_equal(a, gate(GW_TERM_A));
	assert_int_equal(b, gate(GW_TERM_B));
}

static void who_may_be_heard_before_the_answer_is(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	progress((struct early_says){ 1, early_sdp, .may = true });
	gates_are(GW_GATE_OUT, GW_GATE_IN);
	progress((struct early_says){ 1, .both = true });
	gates_are(GW_GATE_BOTH, GW_GATE_BOTH);
	progress((struct early_says){ 1, .may = true });
	gates_are(GW_GATE_OUT, GW_GATE_IN);
	/* each dialog has its own */
	progress((struct early_says){ 2, early_sdp, .both = true });
	gates_are(GW_GATE_BOTH, GW_GATE_BOTH);
	progress((struct early_says){ 2, .over = true });
	gates_are(GW_GATE_OUT, GW_GATE_IN);
	progress((struct early_says){ 1, .may_not = true });
	gates_are(GW_GATE_CLOSED, GW_GATE_CLOSED);
}

static void policy_alone_lets_nobody_speak(void **s)
{
	(void)s;
	(void)snprintf(set.calls.early_media, 8, "always");
	call_from(&web_ops, "sip:phone@far", web_offer);
	progress((struct early_says){ .branch = 1, .sdp = early_sdp });
	gates_are(GW_GATE_OUT, GW_GATE_IN);
}

static void digit(struct fake_leg *f)
{
	static const char text[] = "Signal=5\r\nDuration=160\r\n";
	struct gw_msg msg = {
		.verb = GW_V_INFO,
		.content_type = GW_DTMF_RELAY_TYPE,
		.content = text,
		.content_len = sizeof(text) - 1,
	};

	f->leg.handler(&f->leg, &msg, f->leg.arg);
}

static void digits_reach_the_dialog_that_is_heard(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	digit(caller); /* nobody is there */
	assert_int_equal(0, times_told(called, GW_V_INFO));
	progress((struct early_says){ 1, early_sdp, .may = true });
	progress((struct early_says){ 2, early_sdp, .may = true });
	digit(caller);
	assert_true(told(called, GW_V_INFO));
	assert_int_equal(2, called->last.branch);
	/* who rings has no say yet */
	digit(called);
	assert_int_equal(0, times_told(caller, GW_V_INFO));
	progress((struct early_says){ 2, .may_not = true });
	digit(caller);
	assert_int_equal(1, called->last.branch);
	progress((struct early_says){ 1, .over = true });
	digit(caller);
	assert_int_equal(2, times_told(called, GW_V_INFO));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_may_be_heard_before_the_answer_is),
		T(policy_alone_lets_nobody_speak),
		T(digits_reach_the_dialog_that_is_heard),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
