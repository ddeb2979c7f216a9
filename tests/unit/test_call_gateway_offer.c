/* Where nobody offers, the gateway does: audio, or as it is set audio and
 * video, of which either side may want less. */
#include "tests/unit/call_fakes.h"

#define TRANSPORT                                                              \
	"c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n"                             \
	"a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 "         \
	"8A:8B:8C:8D:8E:8F:90:91:92:93:94:95:96:97:98:99:9A:9B:9C:9D:9E:9F:"   \
	"A0:A1:A2:A3:A4:A5:A6:A7:A8:A9\r\na=setup:active\r\na=rtcp-mux\r\n"
#define WEB(v, mids, more)                                                     \
	"v=0\r\no=- 5 " v " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"              \
	"a=group:BUNDLE " mids                                                 \
	"\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" TRANSPORT                      \
	"a=mid:0\r\na=sendrecv\r\n" more

static const char web_both[] =
	WEB("1", "0 1",
	    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" TRANSPORT
	    "a=mid:1\r\na=sendrecv\r\na=rtpmap:96 VP8/90000\r\n");
static const char web_sound[] =
	WEB("1", "0", "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n");
static const char web_sound_again[] =
	WEB("2", "0", "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n");

#define SIP(v, dir, more)                                                      \
	"v=0\r\no=- 7 " v " IN IP4 198.51.100.7\r\ns=-\r\n"                    \
	"c=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=" dir   \
	"\r\n" more
#define PICTURES "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
#define NONE     "m=video 0 RTP/AVP 96\r\n"

static const char sip_both[] = SIP("1", "sendrecv", PICTURES);
static const char sip_sound[] = SIP("1", "sendrecv", NONE);
static const char sip_sound_again[] = SIP("2", "sendrecv", NONE);
static const char sip_held[] = SIP("1", "sendonly", PICTURES);

static void has(const struct fake_leg *f, const char *what)
{
	if (!strstr(f->text, what))
		fail_msg("no \"%s\" in\n%s", what, f->text);
}

static enum gw_gate picture_gate(enum gw_term term)
{
	enum gw_gate g = GW_GATE_CLOSED;

	for (unsigned i = 0; i < ncmd; i++) {
		if (cmds[i].verb == GW_M_GATE && cmds[i].term == term &&
		    cmds[i].stream == 1)
			g = (enum gw_gate)cmds[i].gate;
	}
	return g;
}

static void settle(void)
{
	for (int i = 0; i < 6; i++) {
		pass_ms(1);
		media_works();
	}
}

static void offers_video(void)
{
	(void)snprintf(set.calls.gateway_offer, 8, "video");
}

/* An INVITE without description to the browser; @may_ask: with 100rel. */
static void silent_invite(bool may_ask)
{
	const struct gw_msg setup = {
		.verb = GW_V_SETUP,
		.may_ask = may_ask,
		.asserted = {"sip:a@b",         NULL},
		.target = { "sip:alice@home", NULL}
	};

	caller = fake_leg(&core_ops);
	gw_core_incoming(&caller->leg, &setup, &core);
	media_works();
}

static void nobody_is_offered_anything(void)
{
	unsigned was =
		times_told(caller, GW_V_OFFER) + times_told(called, GW_V_OFFER);

	settle();
	pass_ms(5000);
	assert_int_equal(was, times_told(caller, GW_V_OFFER) +
				      times_told(called, GW_V_OFFER));
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

static void audio_unless_it_is_set_otherwise(void **s)
{
	(void)s;
	silent_invite(false);
	has(called, "m=audio ");
	assert_null(strstr(called->text, "m=video"));
}

static void no_video_where_there_is_none(void **s)
{
	(void)s;
	offers_video();
	set.media.video = false;
	silent_invite(false);
	has(called, "m=audio ");
	assert_null(strstr(called->text, "m=video"));
}

static void both_take_video(void **s)
{
	(void)s;
	offers_video();
	silent_invite(false);
	assert_true(told(called, GW_V_SETUP));
	has(called, "a=group:BUNDLE 0 1\r\n");
	has(called, " UDP/TLS/RTP/SAVPF 106 108 96 98\r\n");
	has(called, "b=AS:2000\r\n");
	has(called, "a=rtcp-fb:96 nack pli\r\n");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_both);
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_DESC_OFFER, caller->last.desc.role);
	has(caller, "m=video 30002 RTP/AVP 96\r\n");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_both);
	assert_int_equal(GW_GATE_BOTH, picture_gate(GW_TERM_A));
	assert_int_equal(GW_GATE_BOTH, picture_gate(GW_TERM_B));
	nobody_is_offered_anything();
}

static void the_browser_hears_that_the_phone_took_no_video(void **s)
{
	(void)s;
	offers_video();
	silent_invite(false);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_both);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sound);
	assert_int_equal(GW_GATE_CLOSED, picture_gate(GW_TERM_A));
	settle();
	assert_true(told(called, GW_V_OFFER));
	has(called, "m=video 0 ");
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, web_sound_again);
	assert_int_equal(GW_GATE_CLOSED, picture_gate(GW_TERM_B));
	nobody_is_offered_anything();
	assert_int_equal(1, times_told(called, GW_V_OFFER));
}

static void the_browser_hears_that_the_phone_holds(void **s)
{
	(void)s;
	offers_video();
	silent_invite(false);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_sound);
	has(caller, "m=video 0 ");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, SIP("1", "sendonly", NONE));
	settle();
	assert_true(told(called, GW_V_OFFER));
	has(called, "a=sendonly");
}

static void a_picture_that_nobody_sends_is_no_promise(void **s)
{
	(void)s;
	offers_video();
	silent_invite(false);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_both);
	/* Audio held, the picture as it was. */
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_held);
	settle();
	assert_int_equal(1, times_told(called, GW_V_OFFER));
	has(called, "m=video ");
	assert_null(strstr(called->text, "m=video 0 "));
}

static void a_browser_may_refuse_video(void **s)
{
	(void)s;
	offers_video();
	silent_invite(false);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_sound);
	has(caller, "m=audio 30000 ");
	has(caller, "m=video 0 ");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sound);
	assert_int_equal(GW_GATE_CLOSED, picture_gate(GW_TERM_A));
	nobody_is_offered_anything();
}

static void a_phone_asked_first_hears_what_the_browser_refused(void **s)
{
	(void)s;
	offers_video();
	silent_invite(true);
	assert_true(told(caller, GW_V_OFFER));
	has(caller, "m=video 30002 RTP/AVP 106 108 96 98\r\n");
	has(caller, "a=pcfg:1 t=1\r\n"); /* RTP/AVPF, if it likes */
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_both);
	assert_true(told(called, GW_V_SETUP));
	has(called, "a=group:BUNDLE 0 1\r\n");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_sound);
	assert_true(told(caller, GW_V_ANSWER));
	settle();
	assert_true(told(caller, GW_V_OFFER));
	has(caller, "m=video 0 ");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sound_again);
	assert_int_equal(GW_GATE_CLOSED, picture_gate(GW_TERM_A));
	nobody_is_offered_anything();
}

static void a_phone_asked_first_may_refuse_video(void **s)
{
	(void)s;
	offers_video();
	silent_invite(true);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sound);
	has(called, "m=video 0 ");
	has(called, "a=group:BUNDLE 0\r\n");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_sound);
	assert_true(told(caller, GW_V_ANSWER));
	nobody_is_offered_anything();
}

static void a_browser_without_pre_offer_is_offered_video(void **s)
{
	(void)s;
	offers_video();
	call_from(&web_ops, "sip:phone@far", NULL);
	assert_true(told(caller, GW_V_OFFER));
	has(caller, "a=group:BUNDLE 0 1\r\n");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_both);
	has(called, "m=video 30102 RTP/AVP 96\r\n");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sound);
	assert_true(told(caller, GW_V_ANSWER));
	settle();
	assert_true(told(caller, GW_V_OFFER));
	has(caller, "m=video 0 ");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_sound_again);
	nobody_is_offered_anything();
}

static void the_echo_takes_what_is_offered(void **s)
{
	const struct gw_msg setup = {
		.verb = GW_V_SETUP,
		.asserted = {"sip:a@b", NULL},
		.target = { "echo",   NULL}
	};

	(void)s;
	offers_video();
	caller = fake_leg(&core_ops);
	gw_core_incoming(&caller->leg, &setup, &core);
	media_works();
	settle();
	assert_int_equal(GW_DESC_OFFER, caller->last.desc.role);
	has(caller, "m=video 30002 RTP/AVP 106 108 96 98\r\n");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_both);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	assert_int_equal(GW_GATE_BOTH, picture_gate(GW_TERM_B));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(audio_unless_it_is_set_otherwise),
		T(no_video_where_there_is_none),
		T(both_take_video),
		T(the_browser_hears_that_the_phone_took_no_video),
		T(the_browser_hears_that_the_phone_holds),
		T(a_picture_that_nobody_sends_is_no_promise),
		T(a_browser_may_refuse_video),
		T(a_phone_asked_first_hears_what_the_browser_refused),
		T(a_phone_asked_first_may_refuse_video),
		T(a_browser_without_pre_offer_is_offered_video),
		T(the_echo_takes_what_is_offered),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
