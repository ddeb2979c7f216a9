/*
 * What real peers do to a call besides the usual: descriptions in other
 * orders, requests without SDP, answers that come late or not at all, media
 * that is overloaded.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/call_priv.h"
#include "gateway/cdr.h"
#include "tests/unit/cm.h"
#include "tests/unit/call_fakes.h"

/* ---- m-lines ---- */

#define WEB_TRANSPORT(setup)                                                   \
	"c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n"                             \
	"a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 "         \
	"8A:8B:8C:8D:8E:8F:90:91:92:93:94:95:96:97:98:99:9A:9B:9C:9D:9E:9F:"   \
	"A0:A1:A2:A3:A4:A5:A6:A7:A8:A9\r\na=setup:" setup "\r\na=rtcp-mux\r\n"

#define WEB_VIDEO(mid)                                                         \
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" WEB_TRANSPORT(                    \
		"actpass") "a=mid:" mid                                        \
			   "\r\na=sendrecv\r\na=rtpmap:96 VP8/90000\r\n"
#define WEB_AUDIO(mid, setup)                                                  \
	"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" WEB_TRANSPORT(                     \
		setup) "a=mid:" mid                                            \
		       "\r\na=sendrecv\r\na=rtpmap:0 PCMU/8000\r\n"

static const char web_video_first[] =
	"v=0\r\no=- 5 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	"a=group:BUNDLE 0 1\r\n" WEB_VIDEO("0") WEB_AUDIO("1", "actpass");
static const char web_one_audio[] =
	"v=0\r\no=- 5 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	"a=group:BUNDLE 0\r\n" WEB_AUDIO("0", "actpass");
static const char web_pcmu_answer[] =
	"v=0\r\no=- 5 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	"a=group:BUNDLE 0\r\n" WEB_AUDIO("0", "active");
static const char web_two_audio[] =
	"v=0\r\no=- 5 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	"a=group:BUNDLE 0 1\r\n" WEB_AUDIO("0", "actpass")
		WEB_AUDIO("1", "actpass");

static const char sip_video_first[] =
	"v=0\r\no=- 7 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7"
	"\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 0\r\n"
	"a=rtpmap:0 PCMU/8000\r\n";

static void video_before_audio_gives_the_phone_a_port_for_its_audio(void **s)
{
	(void)s;
	set.media.video = false;
	call_from(&web_ops, "sip:phone@far", web_video_first);
	assert_non_null(strstr(called->text, "m=video 0 "));
	assert_null(strstr(called->text, "m=audio 0 "));
	assert_non_null(strstr(called->text, "m=audio 30102 RTP/AVP"));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_video_first);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	assert_false(caller->last.held);
}

static void each_medium_has_its_dscp(void **s)
{
	unsigned seen[2] = { 0 };

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_video_first);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_video_first);
	for (unsigned i = 0; i < ncmd; i++) {
		const struct gw_end *end = &cmds[i].end;

		if (cmds[i].verb != GW_M_RESERVE &&
		    cmds[i].verb != GW_M_CONFIGURE)
			continue;
		for (unsigned k = 0; k < end->nstream; k++) {
			bool video = end->stream[k].kind == GW_MEDIA_VIDEO;

			assert_int_equal(end->stream[k].dscp, video ? 34 : 46);
			seen[video]++;
		}
	}
	assert_true(seen[0] >= 3 && seen[1] >= 3);
}

static void an_audio_line_added_later_gets_a_port(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_one_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_two_audio);
	/* Either the second line is refused here, or the phone is offered one
	 * that it can send to; never a live line with port 0. */
	if (told(called, GW_V_OFFER))
		assert_null(strstr(called->text, "m=audio 0 RTP/AVP 0\r\nb="));
	else
		assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

/* ---- requests without SDP ---- */

static void an_echo_survives_a_reinvite_without_sdp_that_holds(void **s)
{
	(void)s;
	call_from(&core_ops, "sip:echo@home", sip_sdp);
	pass_ms(0);
	media_works();
	assert_true(told(caller, GW_V_ANSWER));
	says(caller, GW_V_OFFER, GW_DESC_NONE, NULL);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(GW_DESC_OFFER, caller->last.desc.role);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_hold);
	pass_ms(1);
	media_works();
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

static void an_invite_without_sdp_reaches_the_echo(void **s)
{
	(void)s;
	call_from(&core_ops, "sip:echo@home", NULL);
	pass_ms(0);
	media_works();
	assert_true(told(caller, GW_V_ANSWER));
	assert_int_equal(GW_DESC_OFFER, caller->last.desc.role);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_sdp);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

/* RFC 3725, RFC 6337 5.3: what a side holds it resumes with our offer. */
static void a_hold_is_resumed_by_a_reinvite_without_sdp(void **s)
{
	static const char web_recvonly[] =
		WEB_HEAD("2", "abcd",
			 "8A") "a=setup:active\r\na=recvonly\r\n" WEB_CODECS;

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_hold);
	assert_true(told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_recvonly);
	assert_true(told(called, GW_V_ACCEPT));

	says(called, GW_V_OFFER, GW_DESC_NONE, NULL);
	assert_true(told(called, GW_V_ACCEPT));
	assert_non_null(strstr(called->text, "a=sendrecv"));
}

static int refuse_accept;

static int picky_send(struct gw_leg *leg, const struct gw_msg *msg)
{
	if (msg->verb == GW_V_ACCEPT && refuse_accept)
		return refuse_accept;
	return leg_send(leg, msg);
}

static void
a_late_offer_that_cannot_be_sent_leaves_the_call_changeable(void **s)
{
	static const struct gw_leg_ops picky = { "ims", GW_PROFILE_CORE,
						 picky_send, leg_free };

	(void)s;
	browser_calls_phone();
	called->leg.ops = &picky;
	refuse_accept = -ENOMEM;
	says(called, GW_V_OFFER, GW_DESC_NONE, NULL);
	refuse_accept = 0;
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	assert_true(told(called, GW_V_OFFER));
}

/* ---- waiting ---- */

static void a_browser_may_take_its_time_to_answer_our_offer(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", NULL);
	assert_true(told(caller, GW_V_OFFER));
	/* Somebody reads the question about the microphone. */
	pass_ms(15000);
	assert_int_equal(1, core.ncalls);
	assert_int_equal(GW_CALL_ASKING, core.calls->fsm.state);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	assert_true(told(called, GW_V_SETUP));
}

/* ---- changes that fail half way ---- */

/* The phone agreed to the hold, but by an answer nobody can use: it is on
 * hold, the browser is not.  One of them has to be told. */
static void a_side_that_changed_in_vain_is_offered_the_old_state_again(void **s)
{
	static const char broken[] =
		"v=0\r\no=- 7 2 IN IP4 198.51.100.7\r\ns=-\r\n"
		"c=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n"
		"a=recvonly\r\n";

	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, broken);
	assert_true(told(caller, GW_V_REFUSE));
	pass_ms(5000);
	media_works();
	assert_int_equal(2, times_told(called, GW_V_OFFER));
	assert_non_null(strstr(called->text, "a=sendrecv"));
}

/* CANCEL of a re-INVITE that the browser has just agreed to. */
static void a_change_given_up_by_its_maker_is_taken_back(void **s)
{
	static const struct gw_leg_ops picky = { "ims", GW_PROFILE_CORE,
						 picky_send, leg_free };
	static const char web_recvonly[] =
		WEB_HEAD("2", "abcd",
			 "8A") "a=setup:active\r\na=recvonly\r\n" WEB_CODECS;

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_one_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	called->leg.ops = &picky;
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_hold);
	refuse_accept = -EPROTO;
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_recvonly);
	refuse_accept = 0;
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
	assert_int_equal(GW_OA_STABLE, core.calls->b.oa.state);
	pass_ms(1);
	assert_int_equal(2, times_told(caller, GW_V_OFFER));
	assert_non_null(strstr(caller->text, "a=sendrecv"));
}

/* One early dialog's nonsense is not the call's (RFC 3261 13.2.2.4). */
static void an_unusable_early_answer_does_not_end_the_call(void **s)
{
	struct gw_msg msg = {
		.verb = GW_V_PROGRESS,
		.branch = 1,
		.early_media = true,
		.desc = {GW_DESC_EARLY_ANSWER, "garbage", 7},
	};

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_offer);
	called->leg.handler(&called->leg, &msg, called->leg.arg);
	media_works();
	assert_int_equal(1, core.ncalls);
	assert_int_equal(GW_CALL_RINGING, core.calls->fsm.state);
	assert_true(told(caller, GW_V_PROGRESS));
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

/* ---- digits ---- */

static void a_digit_the_phone_cannot_hear_in_media_becomes_info(void **s)
{
	static const char no_events[] =
		"v=0\r\no=- 7 1 IN IP4 198.51.100.7\r\ns=-\r\n"
		"c=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
	struct gw_media_event *ev = calloc(1, sizeof(*ev));

	(void)s;
	/* The browser has agreed to telephone-event before the phone's answer
	 * is known. */
	call_from(&web_ops, "sip:phone@far", NULL);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, no_events);
	ev->type = GW_E_DTMF;
	ev->ctx = core.calls->ctx;
	ev->term = GW_TERM_A;
	ev->dtmf.digit = 5;
	ev->dtmf.duration_ms = 100;
	gw_core_media_event(ev, &core);
	free(ev);
	assert_true(told(called, GW_V_INFO));
}

/* ---- identity ---- */

static void a_long_target_is_called_whole_or_not_at_all(void **s)
{
	char uri[241];

	(void)s;
	memset(uri, '5', sizeof(uri) - 1);
	uri[sizeof(uri) - 1] = '\0';
	memcpy(uri, "sip:", 4);
	memcpy(uri + sizeof(uri) - 5, "@far", 4);
	call_from(&web_ops, uri, web_offer);
	if (called)
		assert_string_equal(uri, called->target);
	else
		assert_true(told(caller, GW_V_RELEASE));
}

/* ---- the charging record ---- */

static void the_codec_on_record_is_the_one_that_was_agreed(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", NULL);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_answer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	assert_true(told(caller, GW_V_OFFER)); /* narrowed */
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_pcmu_answer);
	assert_int_equal(GW_OA_STABLE, core.calls->a.oa.state);
	assert_string_equal("PCMU", core.calls->codec);
}

/* ---- media ---- */

static void a_context_that_could_not_be_released_is_released_later(void **s)
{
	struct gw_media_event *ev = calloc(1, sizeof(*ev));
	unsigned before;

	(void)s;
	browser_calls_phone();
	ev->type = GW_E_QUALITY;
	ev->ctx = core.calls->ctx;
	overloaded = true;
	releases(caller, 200);
	pass_ms(1);
	overloaded = false;
	before = ncmd;
	pass_ms(5000);
	/* The worker still has it, and says so now and then. */
	gw_core_media_event(ev, &core);
	free(ev);
	assert_true(ncmd > before);
	assert_int_equal(GW_M_RELEASE, cmds[ncmd - 1].verb);
}

/* Each takes back its own hold only. */
static void both_hold_and_the_phone_resumes_first(void **s)
{
	static const char web_inactive[] =
		WEB_HEAD("3", "abcd",
			 "8A") "a=setup:active\r\na=inactive\r\n" WEB_CODECS;
	static const char web_sendonly[] =
		WEB_HEAD("4", "abcd",
			 "8A") "a=setup:active\r\na=sendonly\r\n" WEB_CODECS;
	static const char web_back[] =
		WEB_HEAD("5", "abcd",
			 "8A") "a=setup:actpass\r\na=sendrecv\r\n" WEB_CODECS;
	static const char sip_back[] = SIP_SDP("4", "198.51.100.7", "sendrecv");

	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_hold);
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_recvonly);
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_A));
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_hold);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_inactive);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_CLOSED, gate(GW_TERM_B));

	/* The phone first: still held by the browser. */
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_back);
	assert_true(told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_sendonly);
	assert_true(told(called, GW_V_ACCEPT));
	assert_non_null(strstr(called->text, "a=sendonly"));
	assert_int_equal(GW_GATE_OUT, gate(GW_TERM_B));
	/* Then the browser: everything flows. */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_back);
	assert_true(told(called, GW_V_OFFER));
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_back);
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_A));
	assert_int_equal(GW_GATE_BOTH, gate(GW_TERM_B));
}

static void a_hold_with_an_ice_restart_does_both(void **s)
{
	static const char both[] =
		WEB_HEAD("2", "wxyz",
			 "8A") "a=setup:actpass\r\na=sendonly\r\n" WEB_CODECS;

	(void)s;
	browser_calls_phone();
	says(caller, GW_V_OFFER, GW_DESC_OFFER, both);
	assert_true(told(called, GW_V_OFFER));
	assert_int_equal(0, restarts);
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_recvonly);
	assert_int_equal(1, restarts);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_non_null(strstr(caller->text, "a=ice-ufrag:uf01"));
	assert_non_null(strstr(caller->text, "a=recvonly"));
	assert_int_equal(GW_GATE_IN, gate(GW_TERM_A));
}

/* ---- descriptions nobody can use ---- */

static void the_one_who_describes_badly_is_told_what(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_one_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, "junk");
	assert_true(told(called, GW_V_RELEASE));
	assert_int_equal(400, called->last.cause.status);
	assert_non_null(strstr(called->cause_text, "line 1"));
	assert_int_equal(502, caller->last.cause.status);
	assert_null(strstr(caller->cause_text, "line 1"));
}

static void a_browser_is_not_rung_for_codecs_that_it_cannot_have(void **s)
{
	(void)s;
	call_from(&core_ops, "sip:alice@home",
		  "v=0\r\no=- 7 1 IN IP4 198.51.100.7\r\ns=-\r\n"
		  "c=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP "
		  "18\r\na=rtpmap:18 G729/8000\r\n");
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(488, caller->last.cause.status);
	assert_true(!called || !times_told(called, GW_V_SETUP));
}

static void an_ip_version_that_we_lack_is_488(void **s)
{
	(void)s;
	call_from(&core_ops, "sip:alice@home",
		  "v=0\r\no=- 7 1 IN IP6 2001:db8::7\r\ns=-\r\n"
		  "c=IN IP6 2001:db8::7\r\nt=0 0\r\nm=audio 4000 RTP/AVP "
		  "0\r\n");
	assert_int_equal(488, caller->last.cause.status);
	assert_null(called);
}

static void an_answer_of_another_ip_version_ends_the_call(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_one_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER,
	     "v=0\r\no=- 7 1 IN IP6 2001:db8::7\r\ns=-\r\n"
	     "c=IN IP6 2001:db8::7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n");
	assert_int_equal(488, called->last.cause.status);
}

/* ---- what media tells ---- */

static void media_tells(enum gw_media_event_type type, enum gw_term term,
			uint8_t state)
{
	struct gw_media_event *ev = calloc(1, sizeof(*ev));

	ev->type = type;
	ev->term = term;
	ev->state = state;
	ev->ctx = core.calls->ctx;
	gw_core_media_event(ev, &core);
	free(ev);
	media_works();
}

static void media_that_cannot_be_secured_ends_the_call(void **s)
{
	static const struct {
		uint8_t state;
		uint16_t status;
	} row[] = {
		{GW_DTLS_BAD_FINGERPRINT,   488},
		{ GW_DTLS_HANDSHAKE_FAILED, 488},
		{ GW_DTLS_TIMEOUT,          408},
	};

	(void)s;
	for (size_t i = 0; i < 3; i++) {
		free(caller);
		free(called);
		browser_calls_phone();
		media_tells(GW_E_DTLS, GW_TERM_A, row[i].state);
		assert_int_equal(row[i].status, caller->last.cause.status);
		assert_true(told(called, GW_V_RELEASE));
		assert_int_equal(0, core.ncalls);
	}
}

static void a_page_that_says_goodbye_keeps_its_call(void **s)
{
	(void)s;
	browser_calls_phone();
	media_tells(GW_E_ICE, GW_TERM_A, GW_ICE_CONNECTED);
	media_tells(GW_E_DTLS, GW_TERM_A, GW_DTLS_UP);
	media_tells(GW_E_DTLS, GW_TERM_A, GW_DTLS_CLOSED);
	pass_ms(120000);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	media_tells(GW_E_ICE, GW_TERM_A, GW_ICE_FAILED);
	pass_ms(29000);
	media_tells(GW_E_ICE, GW_TERM_A, GW_ICE_PAIR_CHANGED); /* and is back */
	pass_ms(120000);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

static void a_browser_that_disappears_is_released_with_a_reason(void **s)
{
	(void)s;
	browser_calls_phone();
	media_tells(GW_E_ICE, GW_TERM_A, GW_ICE_CONNECTED);
	media_tells(GW_E_DTLS, GW_TERM_A, GW_DTLS_UP);
	media_tells(GW_E_ICE, GW_TERM_A, GW_ICE_FAILED);
	pass_ms(20000);
	/* A restart that finds nothing either gives no more time. */
	media_tells(GW_E_ICE, GW_TERM_A, GW_ICE_FAILED);
	pass_ms(9000);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	pass_ms(2000);
	assert_int_equal(408, caller->last.cause.status);
	assert_true(told(called, GW_V_RELEASE));
}

static void a_browser_that_never_finds_a_path_is_released(void **s)
{
	(void)s;
	browser_calls_phone();
	pass_ms(59000);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	pass_ms(2000);
	assert_int_equal(408, caller->last.cause.status);
	assert_true(told(called, GW_V_RELEASE));
}

static void silence_ends_a_call_where_it_is_told_to(void **s)
{
	(void)s;
	browser_calls_phone();
	media_tells(GW_E_INACTIVE, GW_TERM_B, GW_SILENCE_ALL);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	set.media.inactivity_release = true;
	media_tells(GW_E_INACTIVE, GW_TERM_B, GW_SILENCE_ALL);
	assert_int_equal(408, called->last.cause.status);
}

static void a_lost_media_context_ends_the_call(void **s)
{
	(void)s;
	browser_calls_phone();
	media_tells(GW_E_GONE, GW_TERM_A, 0);
	assert_int_equal(500, caller->last.cause.status);
	pass_ms(1);
	assert_int_equal(0, core.ncalls);
}

static void who_names_its_association_is_answered_with_a_name(void **s)
{
	char offer[2048];
	const char *name;

	(void)s;
	(void)snprintf(offer, sizeof(offer), "%sa=tls-id:%s\r\n", web_one_audio,
		       "abcdefghijklmnopqrstuv");
	call_from(&web_ops, "sip:phone@far", offer);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_sdp);
	name = strstr(caller->text, "a=tls-id:");
	assert_non_null(name);
	assert_true(strcspn(name + 9, "\r") >= 20); /* RFC 8842 4 */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(video_before_audio_gives_the_phone_a_port_for_its_audio),
		T(each_medium_has_its_dscp),
		T(an_audio_line_added_later_gets_a_port),
		T(an_invite_without_sdp_reaches_the_echo),
		T(a_hold_is_resumed_by_a_reinvite_without_sdp),
		T(a_late_offer_that_cannot_be_sent_leaves_the_call_changeable),
		T(a_browser_may_take_its_time_to_answer_our_offer),
		T(a_side_that_changed_in_vain_is_offered_the_old_state_again),
		T(a_change_given_up_by_its_maker_is_taken_back),
		T(an_unusable_early_answer_does_not_end_the_call),
		T(a_digit_the_phone_cannot_hear_in_media_becomes_info),
		T(a_long_target_is_called_whole_or_not_at_all),
		T(the_codec_on_record_is_the_one_that_was_agreed),
		T(a_context_that_could_not_be_released_is_released_later),
		T(both_hold_and_the_phone_resumes_first),
		T(a_hold_with_an_ice_restart_does_both),
		T(an_echo_survives_a_reinvite_without_sdp_that_holds),
		T(the_one_who_describes_badly_is_told_what),
		T(a_browser_is_not_rung_for_codecs_that_it_cannot_have),
		T(an_ip_version_that_we_lack_is_488),
		T(an_answer_of_another_ip_version_ends_the_call),
		T(media_that_cannot_be_secured_ends_the_call),
		T(a_page_that_says_goodbye_keeps_its_call),
		T(a_browser_that_disappears_is_released_with_a_reason),
		T(a_browser_that_never_finds_a_path_is_released),
		T(silence_ends_a_call_where_it_is_told_to),
		T(a_lost_media_context_ends_the_call),
		T(who_names_its_association_is_answered_with_a_name),
	};

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
