/*
 * Offers within a call, from both sides and of our own: what is asked of whom,
 * and that every order of them ends in a session that both believe in.
 */
#include "tests/unit/call_fakes.h"

#define TRANSPORT(setup)                                                       \
	"c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n"                             \
	"a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 "         \
	"8A:8B:8C:8D:8E:8F:90:91:92:93:94:95:96:97:98:99:9A:9B:9C:9D:9E:9F:"   \
	"A0:A1:A2:A3:A4:A5:A6:A7:A8:A9\r\na=setup:" setup "\r\na=rtcp-mux\r\n"
#define HEAD(v, mids)                                                          \
	"v=0\r\no=- 5 " v " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"              \
	"a=group:BUNDLE " mids "\r\n"
#define AUDIO(setup)                                                           \
	"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" TRANSPORT(                         \
		setup) "a=mid:0\r\na=sendrecv\r\na=rtpmap:0 PCMU/8000\r\n"
#define VIDEO(setup)                                                           \
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" TRANSPORT(                        \
		setup) "a=mid:1\r\na=sendrecv\r\na=rtpmap:96 VP8/90000\r\n"
#define NO_VIDEO "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"

static const char web_audio[] = HEAD("1", "0") AUDIO("actpass");
static const char web_with_video[] =
	HEAD("2", "0 1") AUDIO("active") VIDEO("active");
static const char web_without_video[] = HEAD("2", "0") AUDIO("active") NO_VIDEO;

#define PHONE(v, addr, more)                                                   \
	"v=0\r\no=- 7 " v " IN IP4 " addr "\r\ns=-\r\nc=IN IP4 " addr          \
	"\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n" more
#define PICTURE "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"

static const char sip_audio[] = PHONE("1", "198.51.100.7", "");

static void has(const struct fake_leg *f, const char *what)
{
	if (!strstr(f->text, what))
		fail_msg("no \"%s\" in\n%s", what, f->text);
}

static void a_picture_that_was_refused_may_be_offered_again(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_audio);
	says(called, GW_V_OFFER, GW_DESC_OFFER,
	     PHONE("2", "198.51.100.7", PICTURE));
	assert_int_equal(1, times_told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_without_video);
	has(called, "m=video 0 ");
	/* a refresh asks nobody */
	says(called, GW_V_OFFER, GW_DESC_OFFER,
	     PHONE("2", "198.51.100.7", PICTURE));
	assert_int_equal(1, times_told(caller, GW_V_OFFER));
	has(called, "m=video 0 ");
	/* what is new does, though it was never at port 0 in between */
	says(called, GW_V_OFFER, GW_DESC_OFFER,
	     PHONE("3", "198.51.100.7", PICTURE));
	assert_int_equal(2, times_told(caller, GW_V_OFFER));
	has(caller, "m=video 40000 ");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_with_video);
	assert_true(told(called, GW_V_ACCEPT));
	has(called, "m=video 30102 RTP/AVP 96");
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

/* RFC 6337 5.3: all that is in the session, pictures too. */
static void who_asks_for_an_offer_gets_what_is_in_the_call(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_audio);
	says(called, GW_V_OFFER, GW_DESC_OFFER,
	     PHONE("2", "198.51.100.7", PICTURE));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_with_video);
	says(called, GW_V_OFFER, GW_DESC_NONE, NULL);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(GW_DESC_OFFER, called->last.desc.role);
	has(called, "m=audio 30100 RTP/AVP 0");
	has(called, "m=video 30102 RTP/AVP 96");
	/* its answer without the picture leaves the sound, and is told */
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER,
	     PHONE("3", "198.51.100.7", "m=video 0 RTP/AVP 96\r\n"));
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	assert_int_equal(GW_OA_STABLE, core.calls->b.oa.state);
	pass_ms(0);
	assert_int_equal(2, times_told(caller, GW_V_OFFER));
	has(caller, "m=video 0 ");
}

#define WAITS                                                                  \
	"a=curr:qos local none\r\na=curr:qos remote none\r\n"                  \
	"a=des:qos mandatory local sendrecv\r\n"                               \
	"a=des:qos none remote sendrecv\r\n"
#define READY                                                                  \
	"a=curr:qos local sendrecv\r\na=curr:qos remote sendrecv\r\n"          \
	"a=des:qos mandatory local sendrecv\r\n"                               \
	"a=des:qos mandatory remote sendrecv\r\n"
#define CODECS(v, more)                                                        \
	"v=0\r\no=- 7 " v " IN IP4 198.51.100.7\r\ns=-\r\n"                    \
	"c=IN IP4 198.51.100.7\r\nt=0 0\r\n"                                   \
	"m=audio 4000 RTP/AVP 9 8 0 18 101\r\na=rtpmap:18 G729/8000\r\n"       \
	"a=rtpmap:101 telephone-event/8000\r\n" more

/* Nobody has chosen yet: the browser will. */
static void an_update_before_anybody_rings_leaves_the_choice(void **s)
{
	(void)s;
	phone_waits(CODECS("1", WAITS));
	has(caller, "m=audio 30000 RTP/AVP 9 8 0 101\r\n");
	says(caller, GW_V_OFFER, GW_DESC_OFFER, CODECS("2", READY));
	assert_true(told(caller, GW_V_ACCEPT));
	has(caller, "m=audio 30000 RTP/AVP 9 8 0 101\r\n");
	assert_true(told(called, GW_V_SETUP));
	has(called, "PCMA/8000");
	has(called, "PCMU/8000");
	has(called, "G722/8000");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_picture_that_was_refused_may_be_offered_again),
		T(who_asks_for_an_offer_gets_what_is_in_the_call),
		T(an_update_before_anybody_rings_leaves_the_choice),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
