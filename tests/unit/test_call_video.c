/* Calls of more than one m-line: set up with video, video that comes, goes and
 * comes back in mid-call, from either side; key frames asked for by INFO. */
#include "tests/unit/cm.h"

#include "gateway/base/media_control.h"
#include "tests/unit/call_fakes.h"
#include "tests/unit/metric.h"

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
		setup) "a=mid:0\r\n"                                           \
		       "a=sendrecv\r\n"                                        \
		       "a=rtpmap:0 PCMU/8000\r\n"
#define VIDEO(setup, dir)                                                      \
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" TRANSPORT(                        \
		setup) "a=mid:1\r\na=" dir "\r\na=rtpmap:96 VP8/90000\r\n"     \
		       "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"        \
		       "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
#define NO_VIDEO "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"

static const char web_audio[] = HEAD("1", "0") AUDIO("actpass");
static const char web_both[] =
	HEAD("2", "0 1") AUDIO("actpass") VIDEO("actpass", "sendrecv");
static const char web_both_answer[] =
	HEAD("2", "0 1") AUDIO("active") VIDEO("active", "sendrecv");
static const char web_video_paused[] =
	HEAD("3", "0 1") AUDIO("actpass") VIDEO("actpass", "recvonly");
static const char web_removed[] = HEAD("4", "0") AUDIO("actpass") NO_VIDEO;

#define SIP(v, more)                                                           \
	"v=0\r\no=- 7 " v " IN IP4 198.51.100.7\r\ns=-\r\n"                    \
	"c=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n" more
#define SIP_VIDEO(dir)                                                         \
	"m=video 4002 RTP/AVP 96\r\nb=AS:500\r\na=" dir                        \
	"\r\na=rtpmap:96 VP8/90000\r\n"

static const char sip_both[] = SIP("1", SIP_VIDEO("sendrecv"));
static const char sip_audio[] = SIP("1", "");
static const char sip_refused[] = SIP("1", "m=video 0 RTP/AVP 96\r\n");
static const char sip_both_again[] = SIP("2", SIP_VIDEO("sendrecv"));
static const char sip_paused[] = SIP("3", SIP_VIDEO("sendonly"));
static const char sip_gone[] = SIP("4", "m=video 0 RTP/AVP 96\r\n");

/* The latest gate of one m-line. */
static enum gw_gate gate_of(enum gw_term term, uint8_t stream)
{
	enum gw_gate g = GW_GATE_CLOSED;

	for (unsigned i = 0; i < ncmd; i++) {
		if (cmds[i].verb == GW_M_GATE && cmds[i].term == term &&
		    cmds[i].stream == stream)
			g = (enum gw_gate)cmds[i].gate;
	}
	return g;
}

static unsigned count_verb(enum gw_media_verb verb)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ncmd; i++)
		n += cmds[i].verb == verb;
	return n;
}

static void has(const struct fake_leg *f, const char *what)
{
	if (!strstr(f->text, what))
		fail_msg("no \"%s\" in\n%s", what, f->text);
}

static void a_call_with_video_has_two_m_lines_to_the_phone(void **s)
{
	const struct gw_media_cmd *cmd;

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_both);
	has(called, "m=audio 30100 RTP/AVP 0");
	has(called, "m=video 30102 RTP/AVP 96");
	has(called, "b=AS:2000"); /* the browser asked for no less */
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_both);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	has(caller, "a=group:BUNDLE 0 1");
	has(caller, "b=AS:500");
	has(caller, "a=rtcp-fb:96 nack pli");
	assert_int_equal(gate_of(GW_TERM_A, 1), GW_GATE_BOTH);
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_BOTH);
	assert_string_equal(core.calls->codec, "PCMU");

	cmd = configured(GW_TERM_A);
	assert_int_equal(cmd->end.stream[1].kind, GW_MEDIA_VIDEO);
	assert_int_equal(cmd->end.stream[1].feedback,
			 GW_MEDIA_FB_NACK | GW_MEDIA_FB_PLI);
	assert_int_equal(cmd->end.stream[1].ext[GW_HDREXT_MID], 4);
	assert_string_equal(cmd->end.stream[1].mid, "1");
	assert_int_equal(cmd->end.stream[1].bandwidth_bps, 2000000);
	cmd = configured(GW_TERM_B);
	assert_int_equal(cmd->end.stream[1].feedback, 0);
	assert_int_equal(cmd->end.stream[1].bandwidth_bps, 500000);
	assert_int_equal(cmd->end.stream[1].dscp, 34);
	assert_int_equal(cmd->end.stream[0].dscp, 46);
}

static void early(uint32_t mute, uint32_t deaf, bool firm)
{
	struct gw_msg msg = {
		.verb = GW_V_PROGRESS,
		.branch = 1,
		.firm = firm,
		.early_media = true,
		.early_both = true,
		.early_mute = mute,
		.early_deaf = deaf,
	};

	if (firm)
		msg.desc = (struct gw_desc){ GW_DESC_EARLY_ANSWER, sip_both,
					     strlen(sip_both) };
	called->leg.handler(&called->leg, &msg, called->leg.arg);
	media_works();
}

static void each_m_line_is_early_media_for_itself(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_both);
	early(1u << 1, ~0u, true);
	assert_true(caller->last.early_media);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_IN);
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_CLOSED);
	/* the picture too, and now it may see who calls */
	early(0, 1u, false);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_IN);
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_BOTH);
	early(1u, ~0u, false);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_CLOSED);
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_IN);
	/* the answer ends all that */
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_both);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_BOTH);
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_BOTH);
}

static void who_hears_everything_hears_every_m_line(void **s)
{
	(void)s;
	(void)snprintf(set.calls.early_media, 8, "always");
	call_from(&web_ops, "sip:phone@far", web_both);
	early(~0u, ~0u, true);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_IN);
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_IN);
}

static void a_phone_that_refuses_video_gets_audio(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_both);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_refused);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	has(caller, "m=video 0 ");
	has(caller, "a=group:BUNDLE 0\r\n");
	assert_int_equal(gate_of(GW_TERM_A, 0), GW_GATE_BOTH);
	/* A refresh of the same is not the phone's business. */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_both);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(times_told(called, GW_V_OFFER), 0);
}

static void the_browser_adds_video_and_takes_it_away(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_audio);
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_both);
	assert_true(told(called, GW_V_OFFER));
	has(called, "m=audio 30100 RTP/AVP 0");
	has(called, "m=video 30102 RTP/AVP 96");
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_both_again);
	assert_true(told(caller, GW_V_ACCEPT));
	has(caller, "m=video ");
	assert_null(strstr(caller->text, "m=video 0 "));
	assert_int_equal(gate_of(GW_TERM_A, 1), GW_GATE_BOTH);
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_BOTH);

	/* The camera alone is put away: hold of one m-line. */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_video_paused);
	assert_true(told(called, GW_V_OFFER));
	has(called, "a=recvonly");
	assert_false(called->last.held);
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_paused);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(gate_of(GW_TERM_A, 0), GW_GATE_BOTH);
	assert_int_equal(gate_of(GW_TERM_A, 1), GW_GATE_OUT);

	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_removed);
	assert_true(told(called, GW_V_OFFER));
	has(called, "m=video 0 ");
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_gone);
	assert_true(told(caller, GW_V_ACCEPT));
	has(caller, "m=video 0 ");
	assert_int_equal(gate_of(GW_TERM_A, 1), GW_GATE_CLOSED);
	assert_int_equal(gate_of(GW_TERM_A, 0), GW_GATE_BOTH);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

static void the_phone_adds_video_to_a_call_of_the_browser(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_audio);
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_both_again);
	assert_true(told(caller, GW_V_OFFER));
	has(caller, "a=group:BUNDLE 0 1");
	has(caller, "m=video ");
	has(caller, "a=mid:1");
	has(caller, "a=rtcp-fb:96 nack\r\n");
	has(caller, "a=rtcp-fb:96 goog-remb");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_both_answer);
	assert_true(told(called, GW_V_ACCEPT));
	has(called, "m=video 30102 RTP/AVP 96");
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_BOTH);
	/* A browser that does not want it. */
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_gone);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER,
	     HEAD("5", "0") AUDIO("active") NO_VIDEO);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_CLOSED);
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_both_again);
	assert_true(told(caller, GW_V_OFFER));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER,
	     HEAD("6", "0") AUDIO("active") NO_VIDEO);
	assert_true(told(called, GW_V_ACCEPT));
	has(called, "m=video 0 ");
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
}

/* ---- preconditions in mid-call ---- */

#define QOS(local, remote)                                                     \
	"a=curr:qos local " local "\r\na=curr:qos remote " remote "\r\n"       \
	"a=des:qos mandatory local sendrecv\r\n"                               \
	"a=des:qos mandatory remote sendrecv\r\n"
#define READY QOS("sendrecv", "sendrecv")

static const char sip_qos[] = SIP("1", READY);
static const char sip_bearer_missing[] =
	SIP("2", READY SIP_VIDEO("sendrecv") QOS("none", "none"));
static const char sip_bearer_there[] =
	SIP("3", READY SIP_VIDEO("sendrecv") QOS("sendrecv", "sendrecv"));

/* The m-line of video and what belongs to it. */
static const char *picture(const struct fake_leg *f)
{
	const char *at = strstr(f->text, "m=video ");

	assert_non_null(at);
	return at;
}

#define METRIC(r) metric("isthmus_calls_preconditions_total{result=\"" r "\"}")

static void phone_adds_what_it_has_no_bearer_for(void)
{
	(void)snprintf(set.sip.precondition, 12, "supported");
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_qos);
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_bearer_missing);
}

static void a_picture_waits_for_its_bearer(void **s)
{
	(void)s;
	phone_adds_what_it_has_no_bearer_for();
	assert_int_equal(times_told(caller, GW_V_OFFER), 0);
	assert_true(told(called, GW_V_ACCEPT));
	assert_non_null(strstr(picture(called), "m=video 30102 RTP/AVP 96"));
	assert_non_null(strstr(picture(called), "a=curr:qos local sendrecv\r\n"
						"a=curr:qos remote none\r\n"));
	assert_non_null(
		strstr(picture(called), "a=conf:qos remote sendrecv\r\n"));
	/* what is said of the sound is of the sound */
	assert_true(strstr(called->text, "a=curr:qos remote sendrecv\r\n") <
		    picture(called));
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_BOTH);
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_CLOSED);

	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_bearer_there);
	assert_true(told(caller, GW_V_OFFER));
	has(caller, "a=group:BUNDLE 0 1");
	assert_null(strstr(caller->text, "qos"));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_both_answer);
	assert_int_equal(times_told(called, GW_V_ACCEPT), 2);
	assert_non_null(
		strstr(picture(called), "a=curr:qos remote sendrecv\r\n"));
	assert_null(strstr(called->text, "a=conf:"));
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_BOTH);
	assert_int_equal(gate_of(GW_TERM_A, 1), GW_GATE_BOTH);
}

static void who_is_on_hold_meanwhile_leaves_the_picture_waiting(void **s)
{
	(void)s;
	phone_adds_what_it_has_no_bearer_for();
	says(called, GW_V_OFFER, GW_DESC_OFFER,
	     SIP("3", "a=sendonly\r\n" READY SIP_VIDEO("sendrecv")
			      QOS("none", "none")));
	assert_true(told(caller, GW_V_OFFER));
	has(caller, "m=video 0 ");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER,
	     HEAD("3", "0") AUDIO("active") NO_VIDEO);
	assert_true(told(called, GW_V_ACCEPT));
	assert_non_null(strstr(picture(called), "m=video 30102 "));
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_CLOSED);
}

static void a_picture_nobody_wants_is_taken_back(void **s)
{
	struct gw_msg no = { .verb = GW_V_REFUSE, .cause = { .status = 488 } };

	(void)s;
	phone_adds_what_it_has_no_bearer_for();
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_bearer_there);
	assert_true(told(caller, GW_V_OFFER));
	caller->leg.handler(&caller->leg, &no, caller->leg.arg);
	media_works();
	assert_int_equal(times_told(called, GW_V_REFUSE), 1);
	pass_ms(0);
	assert_true(told(called, GW_V_OFFER));
	has(called, "m=video 0 ");
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER,
	     SIP("4", READY "m=video 0 RTP/AVP 96\r\n"));
	assert_int_equal(core.calls->b.shut_in, 0);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_BOTH);
}

static void a_picture_whose_bearer_never_comes_is_taken_back(void **s)
{
	int64_t failed = METRIC("update_failed");

	(void)s;
	phone_adds_what_it_has_no_bearer_for();
	pass_ms(19999);
	/* what brings none does not prolong it */
	says(called, GW_V_OFFER, GW_DESC_OFFER,
	     SIP("3", READY SIP_VIDEO("sendrecv") QOS("none", "sendrecv")));
	assert_true(told(called, GW_V_ACCEPT));
	pass_ms(1);
	pass_ms(1);
	assert_int_equal(METRIC("update_failed"), failed + 1);
	assert_true(told(called, GW_V_OFFER));
	has(called, "m=video 0 ");
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER,
	     SIP("4", READY "m=video 0 RTP/AVP 96\r\n"));
	assert_int_equal(core.calls->b.shut_in, 0);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_BOTH);
	assert_int_equal(times_told(caller, GW_V_OFFER), 0);
	/* that was all */
	pass_ms(30000);
	assert_int_equal(times_told(called, GW_V_OFFER), 1);
}

/* The browser thinks of it when the time is up. */
static void a_picture_whose_bearer_is_there_is_not_taken_back(void **s)
{
	(void)s;
	phone_adds_what_it_has_no_bearer_for();
	says(called, GW_V_OFFER, GW_DESC_OFFER, sip_bearer_there);
	assert_true(told(caller, GW_V_OFFER));
	pass_ms(25000);
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_both_answer);
	assert_true(told(called, GW_V_ACCEPT));
	pass_ms(25000);
	assert_true(told(called, GW_V_ACCEPT));
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_BOTH);
}

static void what_flows_is_not_cut_off_by_a_condition(void **s)
{
	(void)s;
	(void)snprintf(set.sip.precondition, 12, "supported");
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_qos);
	says(called, GW_V_OFFER, GW_DESC_OFFER, SIP("2", QOS("none", "none")));
	assert_true(told(called, GW_V_ACCEPT));
	has(called, "a=conf:qos remote sendrecv");
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_BOTH);
	/* what is not ours to meet */
	says(called, GW_V_OFFER, GW_DESC_OFFER,
	     SIP("3", "a=curr:qos e2e none\r\n"
		      "a=des:qos mandatory e2e sendrecv\r\n"));
	assert_true(told(called, GW_V_REFUSE));
	assert_int_equal(called->last.cause.status, 580);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_BOTH);
}

/* ... by a re-INVITE that can be held back (RFC 3312 6). */
static void phone_offers(bool again, const char *text)
{
	const struct gw_msg m = {
		.verb = GW_V_OFFER,
		.reliable = true,
		.waits = again,
		.desc = {GW_DESC_OFFER, text, strlen(text)}
	};

	called->leg.handler(&called->leg, &m, called->leg.arg);
	media_works();
}

static void phone_would_add_a_picture(const char *offer)
{
	(void)snprintf(set.sip.precondition, 12, "supported");
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_qos);
	phone_offers(false, offer);
}

static void stays_as_it_was(unsigned configured_before)
{
	assert_int_equal(count_verb(GW_M_CONFIGURE), configured_before);
	assert_int_equal(times_told(caller, GW_V_OFFER), 0);
	assert_null(strstr(core.calls->b.local, "m=video"));
	assert_string_equal(core.calls->b.remote, sip_qos);
	assert_int_equal(GW_OA_STABLE, core.calls->b.oa.state);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_BOTH);
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_CLOSED);
}

static void a_change_waits_for_its_bearer(void **s)
{
	int64_t waited = METRIC("update_waited"), met = METRIC("update_met");
	unsigned before;

	(void)s;
	phone_would_add_a_picture(sip_bearer_missing);
	before = count_verb(GW_M_CONFIGURE);
	assert_true(told(called, GW_V_ACCEPT));
	assert_true(called->last.waits && called->last.conditions);
	assert_non_null(strstr(picture(called), "m=video 30102 RTP/AVP 96"));
	assert_non_null(strstr(picture(called), "a=curr:qos local sendrecv\r\n"
						"a=curr:qos remote none\r\n"));
	assert_non_null(
		strstr(picture(called), "a=conf:qos remote sendrecv\r\n"));
	stays_as_it_was(before);
	/* one that brings nothing */
	phone_offers(true, SIP("3", READY SIP_VIDEO("sendrecv")
					    QOS("none", "sendrecv")));
	assert_true(called->last.waits);
	stays_as_it_was(before);
	assert_int_equal(METRIC("update_waited"), waited + 1);

	phone_offers(true, SIP("4", READY SIP_VIDEO("sendrecv")
					    QOS("sendrecv", "sendrecv")));
	assert_true(told(caller, GW_V_OFFER));
	assert_null(strstr(caller->text, "qos"));
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, web_both_answer);
	assert_int_equal(times_told(called, GW_V_ACCEPT), 3);
	assert_false(called->last.waits);
	assert_null(strstr(called->text, "a=conf:"));
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_BOTH);
	assert_int_equal(gate_of(GW_TERM_A, 1), GW_GATE_BOTH);
	assert_int_equal(METRIC("update_met"), met + 1);
}

/* Nothing is told where the bearer never comes, for nothing was changed. */
static void a_change_whose_bearer_never_came_leaves_nothing(void **s)
{
	unsigned version, later;

	(void)s;
	/* its hold is part of the change */
	phone_would_add_a_picture(
		SIP("2", "a=sendonly\r\n" READY SIP_VIDEO("sendrecv")
				 QOS("none", "none")));
	assert_true(called->last.waits);
	stays_as_it_was(count_verb(GW_M_CONFIGURE));
	assert_int_equal(1, sscanf(strstr(called->text, "o=- "), "o=- %*u %u",
				   &version));
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_both);
	assert_true(told(called, GW_V_OFFER));
	has(called, "m=video 30102 ");
	/* RFC 3264 8: it has seen that of the change */
	assert_int_equal(
		1, sscanf(strstr(called->text, "o=- "), "o=- %*u %u", &later));
	assert_true(later > version);
}

static void a_change_that_the_browser_does_not_want_is_refused(void **s)
{
	struct gw_msg no = { .verb = GW_V_REFUSE, .cause = { .status = 488 } };

	(void)s;
	phone_would_add_a_picture(sip_bearer_missing);
	phone_offers(true, sip_bearer_there);
	assert_true(told(caller, GW_V_OFFER));
	caller->leg.handler(&caller->leg, &no, caller->leg.arg);
	media_works();
	assert_true(told(called, GW_V_REFUSE));
	/* nothing is to be taken back */
	pass_ms(0);
	assert_true(told(called, GW_V_REFUSE));
	assert_string_equal(core.calls->b.remote, sip_qos);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_BOTH);
}

static void a_change_that_was_cancelled_meanwhile_is_none(void **s)
{
	(void)s;
	(void)snprintf(set.sip.precondition, 12, "supported");
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_qos);
	called->cancelled = true;
	phone_offers(false, sip_bearer_missing);
	called->cancelled = false;
	stays_as_it_was(count_verb(GW_M_CONFIGURE));
	phone_offers(false, sip_bearer_missing);
	assert_true(called->last.waits);
}

/* 580 to what the browser adds. */
static void a_phone_without_a_bearer_leaves_the_call_as_it_was(void **s)
{
	struct gw_msg no = { .verb = GW_V_REFUSE, .cause = { .status = 580 } };

	(void)s;
	(void)snprintf(set.sip.precondition, 12, "supported");
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_qos);
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_both);
	assert_true(told(called, GW_V_OFFER));
	called->leg.handler(&called->leg, &no, called->leg.arg);
	media_works();
	assert_true(told(caller, GW_V_REFUSE));
	assert_int_equal(caller->last.cause.status, 580);
	assert_int_equal(GW_OA_STABLE, core.calls->a.oa.state);
	assert_int_equal(GW_OA_STABLE, core.calls->b.oa.state);
	assert_null(strstr(core.calls->b.local, "m=video"));
	assert_int_equal(gate_of(GW_TERM_A, 0), GW_GATE_BOTH);
	assert_int_equal(gate_of(GW_TERM_B, 0), GW_GATE_BOTH);
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_CLOSED);
}

static void our_new_m_line_has_all_it_needs(void **s)
{
	(void)s;
	(void)snprintf(set.sip.precondition, 12, "required");
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_qos);
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_both);
	assert_true(told(called, GW_V_OFFER));
	assert_false(called->last.conditions);
	assert_null(strstr(called->text, "qos"));
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_bearer_there);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(gate_of(GW_TERM_B, 1), GW_GATE_BOTH);
	/* not again, where nothing is added */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_video_paused);
	assert_true(told(called, GW_V_OFFER));
	assert_false(called->last.conditions);
	assert_null(strstr(called->text, "qos"));
}

static void a_phone_that_never_spoke_of_it_hears_nothing_of_it(void **s)
{
	(void)s;
	(void)snprintf(set.sip.precondition, 12, "supported");
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_audio);
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_both);
	assert_true(told(called, GW_V_OFFER));
	assert_false(called->last.conditions);
	assert_null(strstr(called->text, "qos"));
	says(called, GW_V_ACCEPT, GW_DESC_ANSWER, sip_both_again);
	assert_true(told(caller, GW_V_ACCEPT));
}

static void echo_gives_video_back(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:echo@home", web_both);
	pass_ms(0);
	media_works();
	assert_true(told(caller, GW_V_ANSWER));
	assert_null(strstr(caller->text, "m=video 0 "));
	assert_int_equal(gate_of(GW_TERM_A, 1), GW_GATE_BOTH);
	/* And where it comes later. */
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_removed);
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_both);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(gate_of(GW_TERM_A, 1), GW_GATE_BOTH);
}

static void an_operator_may_want_no_video(void **s)
{
	(void)s;
	set.media.video = false;
	call_from(&web_ops, "sip:phone@far", web_both);
	has(called, "m=video 0 ");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_refused);
	has(caller, "m=video 0 ");
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_both);
	assert_true(told(caller, GW_V_ACCEPT));
	assert_int_equal(times_told(called, GW_V_OFFER), 0);
}

static void video_alone_where_none_is_wanted_is_488(void **s)
{
	(void)s;
	set.media.video = false;
	call_from(&core_ops, "sip:alice@home",
		  "v=0\r\no=- 7 1 IN IP4 198.51.100.7\r\ns=-\r\n"
		  "c=IN IP4 198.51.100.7\r\nt=0 0\r\n" SIP_VIDEO("sendrecv"));
	assert_true(told(caller, GW_V_RELEASE));
	assert_int_equal(caller->last.cause.status, 488);
}

/* Media has no ports left: the offer fails, the call lives. */
static void video_that_finds_no_media_leaves_the_call_as_it_was(void **s)
{
	struct gw_media_event ev = { .type = GW_E_FAILED,
				     .term = GW_TERM_B,
				     .error = -EADDRINUSE };
	struct gw_msg msg = {
		.verb = GW_V_OFFER,
		.desc = {GW_DESC_OFFER, web_both, strlen(web_both)}
	};

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_audio);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_audio);
	caller->leg.handler(&caller->leg, &msg, caller->leg.arg);
	assert_int_equal(core.calls->upd.state, UPD_RESERVING);
	ev.ctx = core.calls->ctx;
	ev.serial = core.calls->b.serial;
	gw_core_media_event(&ev, &core);
	assert_true(told(caller, GW_V_REFUSE));
	assert_int_equal(caller->last.cause.status, 503);
	nserved = ncmd; /* the fake is not asked */
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	says(caller, GW_V_OFFER, GW_DESC_OFFER, web_both);
	assert_true(told(called, GW_V_OFFER));
}

static void asks(struct fake_leg *f, const char *body)
{
	struct gw_msg msg = {
		.verb = GW_V_INFO,
		.content_type = GW_MEDIA_CONTROL_TYPE,
		.content = body,
		.content_len = strlen(body),
	};

	f->leg.handler(&f->leg, &msg, f->leg.arg);
}

static void a_phone_asks_the_browser_for_a_key_frame(void **s)
{
	(void)s;
	call_from(&web_ops, "sip:phone@far", web_both);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_both);
	asks(called, "<media_control/>");
	assert_int_equal(count_verb(GW_M_KEYFRAME), 0);
	asks(called, GW_MEDIA_CONTROL_ASK);
	assert_int_equal(count_verb(GW_M_KEYFRAME), 1);
	assert_int_equal(cmds[ncmd - 1].term, GW_TERM_A);
	/* None of it went to the browser as a message. */
	assert_int_equal(times_told(caller, GW_V_INFO), 0);
}

static void a_phone_is_asked_for_one_by_info(void **s)
{
	struct gw_media_event ev = { .type = GW_E_KEYFRAME,
				     .term = GW_TERM_B,
				     .stream = 1 };

	(void)s;
	call_from(&web_ops, "sip:phone@far", web_both);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, sip_both);
	ev.ctx = core.calls->ctx;
	gw_core_media_event(&ev, &core);
	assert_true(told(called, GW_V_INFO));
	assert_string_equal(called->last.content_type, GW_MEDIA_CONTROL_TYPE);
	ev.term = GW_TERM_A; /* never a browser */
	gw_core_media_event(&ev, &core);
	assert_int_equal(times_told(caller, GW_V_INFO), 0);
}

static void a_phone_calls_a_browser_with_video(void **s)
{
	(void)s;
	call_from(&core_ops, "sip:alice@home", sip_both);
	has(called, "a=group:BUNDLE 0 1");
	has(called, "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid");
	says(called, GW_V_ANSWER, GW_DESC_ANSWER, web_both_answer);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	has(caller, "m=video 30002 RTP/AVP 96");
	says(called, GW_V_OFFER, GW_DESC_OFFER, web_removed);
	assert_true(told(caller, GW_V_OFFER));
	has(caller, "m=video 0 ");
	says(caller, GW_V_ACCEPT, GW_DESC_ANSWER, sip_gone);
	assert_true(told(called, GW_V_ACCEPT));
}

static void an_answer_without_the_offered_video_is_audio(void **s)
{
	(void)s;
	call_from(&core_ops, "sip:alice@home", sip_both);
	says(called, GW_V_ANSWER, GW_DESC_ANSWER,
	     HEAD("1", "0") AUDIO("active") NO_VIDEO);
	assert_int_equal(GW_CALL_UP, core.calls->fsm.state);
	has(caller, "m=video 0 ");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_call_with_video_has_two_m_lines_to_the_phone),
		T(each_m_line_is_early_media_for_itself),
		T(a_picture_waits_for_its_bearer),
		T(who_is_on_hold_meanwhile_leaves_the_picture_waiting),
		T(a_picture_nobody_wants_is_taken_back),
		T(what_flows_is_not_cut_off_by_a_condition),
		T(a_picture_whose_bearer_never_comes_is_taken_back),
		T(a_picture_whose_bearer_is_there_is_not_taken_back),
		T(a_change_waits_for_its_bearer),
		T(a_change_whose_bearer_never_came_leaves_nothing),
		T(a_change_that_the_browser_does_not_want_is_refused),
		T(a_change_that_was_cancelled_meanwhile_is_none),
		T(a_phone_without_a_bearer_leaves_the_call_as_it_was),
		T(our_new_m_line_has_all_it_needs),
		T(a_phone_that_never_spoke_of_it_hears_nothing_of_it),
		T(who_hears_everything_hears_every_m_line),
		T(a_phone_that_refuses_video_gets_audio),
		T(the_browser_adds_video_and_takes_it_away),
		T(the_phone_adds_video_to_a_call_of_the_browser),
		T(echo_gives_video_back),
		T(an_operator_may_want_no_video),
		T(video_alone_where_none_is_wanted_is_488),
		T(video_that_finds_no_media_leaves_the_call_as_it_was),
		T(a_phone_asks_the_browser_for_a_key_frame),
		T(a_phone_is_asked_for_one_by_info),
		T(a_phone_calls_a_browser_with_video),
		T(an_answer_without_the_offered_video_is_audio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
