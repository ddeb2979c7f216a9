/* Video between a browser and IMS: codecs, feedback, header extensions,
 * RTP/AVPF as a choice, m-lines that come and go. */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/session.h"

#define TRANSPORT                                                              \
	"c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n"                             \
	"a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 "         \
	"8A:8B:8C:8D:8E:8F:90:91:92:93:94:95:96:97:98:99:9A:9B:9C:9D:9E:9F:"   \
	"A0:A1:A2:A3:A4:A5:A6:A7:A8:A9\r\na=setup:actpass\r\na=rtcp-mux\r\n"
#define HEAD "v=0\r\no=- 5 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"

static const char browser[] = HEAD
	"a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n" TRANSPORT
	"a=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
	"a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
	"a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc"
	"-extensions-01\r\n"
	"a=rtpmap:111 opus/48000/2\r\n"
	"m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 98 39 127 114\r\n" TRANSPORT
	"a=mid:1\r\na=sendrecv\r\n"
	"a=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\n"
	"a=extmap:13 urn:3gpp:video-orientation\r\n"
	"a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
	"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\n"
	"a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n"
	"a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
	"a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
	"a=rtpmap:102 H264/90000\r\na=rtcp-fb:102 nack pli\r\n"
	"a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;"
	"profile-level-id=42001f\r\n"
	"a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n"
	"a=rtpmap:98 H264/90000\r\n"
	"a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;"
	"profile-level-id=42e01f\r\n"
	"a=rtpmap:39 AV1/90000\r\na=rtpmap:127 red/90000\r\n"
	"a=rtpmap:114 ulpfec/90000\r\n"
	"a=rid:h send\r\na=simulcast:send h\r\n";

static struct gw_sess web, offer, phone, answer;
static char *text;

static void read_as(struct gw_sess *out, const char *what, bool is_web)
{
	struct gw_sdp_error err;

	if (gw_sess_read(out, what, strlen(what), is_web, &err) != GW_SESS_OK)
		fail_msg("line %u: %s", err.line, err.text);
}

static void print(const struct gw_sess *s, bool is_web)
{
	free(text);
	text = is_web ? gw_sess_print_web(s) : gw_sess_print_core(s);
	assert_non_null(text);
}

static void has(const char *what)
{
	if (!strstr(text, what))
		fail_msg("no \"%s\" in\n%s", what, text);
}

static void lacks(const char *what)
{
	if (strstr(text, what))
		fail_msg("\"%s\" in\n%s", what, text);
}

static int setup(void **state)
{
	(void)state;
	read_as(&web, browser, true);
	assert_int_equal(gw_sess_relay_offer(&offer, &web, NULL), 0);
	for (unsigned i = 0; i < offer.nstream; i++) {
		(void)gw_addr_parse(&offer.stream[i].rtp, "192.0.2.1",
				    (uint16_t)(30000 + 2 * i));
		offer.stream[i].rtcp = offer.stream[i].rtp;
		offer.stream[i].rtcp.port++;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static void ims_is_offered_what_the_browser_has_and_nothing_of_webrtc(void **st)
{
	(void)st;
	print(&offer, false);
	has("m=audio 30000 RTP/AVP 111 0\r\n");
	has("m=video 30002 RTP/AVP 96 102 98 39\r\n");
	has("a=tcap:1 RTP/AVPF\r\na=pcfg:1 t=1\r\n");
	has("a=rtpmap:96 VP8/90000\r\n");
	has("a=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\n");
	has("a=extmap:13 urn:3gpp:video-orientation\r\n");
	has("profile-level-id=42e01f");
	has("b=RR:6000");
	lacks("rtx");
	lacks("ulpfec");
	lacks("goog-remb");
	lacks("transport-cc");
	lacks("rtcp-fb:96 nack\r\n");
	lacks("sdes:mid");
	lacks("audio-level");
	lacks("simulcast");
	lacks("a=mid");
	lacks("BUNDLE");
}

#define PHONE_HEAD                                                             \
	"v=0\r\no=- 7 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7"   \
	"\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"

static void the_browser_is_answered_what_the_phone_took(void **state)
{
	(void)state;
	read_as(&phone,
		PHONE_HEAD "m=video 4002 RTP/AVPF 98\r\nb=AS:900\r\n"
			   "a=acfg:1 t=1\r\na=rtpmap:98 H264/90000\r\n"
			   "a=fmtp:98 profile-level-id=42c015;"
			   "packetization-mode=1\r\n"
			   "a=rtcp-fb:* nack pli\r\n"
			   "a=extmap:13 urn:3gpp:video-orientation\r\n",
		false);
	assert_int_equal(gw_sess_check_answer(&offer, &phone, NULL), 0);
	assert_true(phone.stream[1].avpf);
	assert_int_equal(phone.stream[1].codec[0].fb, GW_FB_PLI);
	assert_int_equal(gw_sess_relay_answer(&answer, &web, &phone), 0);
	answer.stream[0].bundled = answer.stream[1].bundled = true;
	print(&answer, true);
	/* Levels may differ (42c015 is constrained baseline as 42e01f is), and
	 * each says its own; feedback is the browser's, cut to ours. */
	has("m=video 9 UDP/TLS/RTP/SAVPF 98\r\n");
	has("profile-level-id=42c015");
	has("b=AS:900\r\n");
	has("a=extmap:13 urn:3gpp:video-orientation\r\n");
	has("a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n");
	lacks("audio-level"); /* the phone has none */
	lacks("rtcp-fb");     /* the browser had none with that one */
	lacks("transport-cc");

	read_as(&phone,
		PHONE_HEAD "m=video 4002 RTP/AVP 96\r\n"
			   "a=rtpmap:96 VP8/90000\r\n",
		false);
	assert_int_equal(gw_sess_relay_answer(&answer, &web, &phone), 0);
	print(&answer, true);
	has("a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
	    "a=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 goog-remb\r\n");
	lacks("video-orientation");
}

static void a_phone_is_answered_in_the_profile_it_offers(void **state)
{
	static const struct {
		const char *m, *more, *line, *acfg;
	} rows[] = {
		{"RTP/AVPF", "",						"m=video 0 RTP/AVPF 96\r\n", NULL              },
		{ "RTP/AVP", "",						"m=video 0 RTP/AVP 96\r\n",  NULL              },
		{ "RTP/AVP", "a=tcap:1 RTP/AVPF\r\na=pcfg:1 t=1\r\n",
                 "m=video 0 RTP/AVPF 96\r\n",								"a=acfg:1 t=1\r\n"},
		{ "RTP/AVP", "a=tcap:4 RTP/SAVPF RTP/AVPF\r\na=pcfg:3 t=5\r\n",
                 "m=video 0 RTP/AVPF 96\r\n",								"a=acfg:3 t=5\r\n"},
 /* Another protocol, and one with attributes that come along. */
		{ "RTP/AVP", "a=tcap:1 RTP/SAVPF\r\na=pcfg:1 t=1\r\n",
                 "m=video 0 RTP/AVP 96\r\n",								 NULL              },
		{ "RTP/AVP", "a=tcap:1 RTP/AVPF\r\na=pcfg:1 t=1 a=1\r\n",
                 "m=video 0 RTP/AVP 96\r\n",								 NULL              },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char sdp[600];

		(void)snprintf(sdp, sizeof(sdp),
			       PHONE_HEAD "m=video 4002 %s 96\r\n"
					  "a=rtpmap:96 VP8/90000\r\n%s",
			       rows[i].m, rows[i].more);
		read_as(&phone, sdp, false);
		assert_int_equal(gw_sess_local_answer(&answer, &phone,
						      GW_DIR_SENDRECV, NULL),
				 0);
		print(&answer, false);
		has(rows[i].line);
		if (rows[i].acfg)
			has(rows[i].acfg);
		else
			lacks("acfg");
		lacks("pcfg:");
	}
}

static void h264_is_matched_by_profile_and_packetization(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{"profile-level-id=42e01f",  "profile-level-id=42c00a", true },
		{ "profile-level-id=42e01f", "profile-level-id=4d801f", true },
		{ "profile-level-id=42001f", "profile-level-id=58a01f", true },
		{ "profile-level-id=42e01f", "profile-level-id=42001f", false},
		{ "profile-level-id=4d001f", "profile-level-id=64001f", false},
		{ "profile-level-id=64001f", "profile-level-id=640c1f", false},
		{ "profile-level-id=640c1f", "profile-level-id=640C28", true },
		{ "packetization-mode=1",    "",                        false},
		{ "packetization-mode=0",    "",                        true },
		{ "",			"profile-level-id=42000b", true },
		{ "profile-level-id=6e0010", "profile-level-id=6e0028", true },
	};
	struct gw_sess_codec a = { .clock_hz = 90000,
				   .channels = 1,
				   .name = "H264" };
	struct gw_sess_codec b = a;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(a.fmtp, sizeof(a.fmtp), "%s", rows[i].a);
		(void)snprintf(b.fmtp, sizeof(b.fmtp), "%s", rows[i].b);
		if (gw_codec_same(&a, &b) != rows[i].same ||
		    (gw_codec_variant(&a) == gw_codec_variant(&b)) !=
			    rows[i].same)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
}

static void long_parameter_sets_do_not_cost_the_codec(void **state)
{
	static char sdp[2000];
	char sets[400];

	(void)state;
	memset(sets, 'A', sizeof(sets));
	sets[sizeof(sets) - 1] = '\0';
	(void)snprintf(sdp, sizeof(sdp),
		       PHONE_HEAD "m=video 4002 RTP/AVP 97\r\n"
				  "a=rtpmap:97 H264/90000\r\n"
				  "a=fmtp:97 packetization-mode=1; "
				  "sprop-parameter-sets=%s; "
				  "profile-level-id=42e01f\r\n",
		       sets);
	read_as(&phone, sdp, false);
	assert_int_equal(phone.stream[1].ncodec, 1);
	assert_string_equal(phone.stream[1].codec[0].fmtp,
			    "packetization-mode=1;profile-level-id=42e01f");
}

/* The offer to a browser: a number taken in this session stays taken. */
static void numbers_of_extensions_are_kept_and_never_shared(void **state)
{
	static struct gw_sess previous, out;

	(void)state;
	read_as(&phone,
		PHONE_HEAD "m=video 4002 RTP/AVP 96\r\n"
			   "a=rtpmap:96 VP8/90000\r\n"
			   "a=extmap:9 urn:3gpp:video-orientation\r\n",
		false);
	assert_int_equal(gw_sess_relay_offer(&out, &phone, NULL), 0);
	assert_int_equal(out.stream[0].ext[GW_SESS_EXT_MID], 4);
	assert_int_equal(out.stream[1].ext[GW_SESS_EXT_MID], 4);
	assert_int_equal(out.stream[1].ext[GW_SESS_EXT_CVO], 13);
	assert_int_equal(out.stream[0].ext[GW_SESS_EXT_CVO], 0);

	previous = out;
	previous.stream[0].ext[GW_SESS_EXT_MID] = 13;
	previous.stream[1].ext[GW_SESS_EXT_MID] = 13;
	previous.stream[1].ext[GW_SESS_EXT_CVO] = 0;
	assert_int_equal(gw_sess_relay_offer(&out, &phone, &previous), 0);
	assert_int_equal(out.stream[1].ext[GW_SESS_EXT_MID], 13);
	assert_int_not_equal(out.stream[1].ext[GW_SESS_EXT_CVO], 13);
	assert_int_not_equal(out.stream[1].ext[GW_SESS_EXT_CVO], 0);
}

static void video_may_be_refused_and_audio_lives(void **state)
{
	(void)state;
	read_as(&phone, PHONE_HEAD "m=video 0 RTP/AVP 96\r\n", false);
	assert_int_equal(gw_sess_relay_answer(&answer, &web, &phone), 0);
	assert_false(answer.stream[0].refused);
	assert_true(answer.stream[1].refused);
	/* No codec in common is as good as refused. */
	read_as(&phone,
		PHONE_HEAD "m=video 4002 RTP/AVP 34\r\n"
			   "a=rtpmap:34 H263/90000\r\n",
		false);
	assert_int_equal(gw_sess_relay_answer(&answer, &web, &phone), 0);
	assert_true(answer.stream[1].refused);
	/* A browser is not even offered it. */
	assert_int_equal(gw_sess_relay_offer(&offer, &phone, NULL), 0);
	assert_int_equal(gw_sess_for_web(&offer), 0);
	assert_true(offer.stream[1].refused);
}

static void a_session_of_video_alone_is_one(void **state)
{
	(void)state;
	read_as(&phone,
		"v=0\r\no=- 7 1 IN IP4 198.51.100.7\r\ns=-\r\n"
		"c=IN IP4 198.51.100.7\r\nt=0 0\r\n"
		"m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
		false);
	assert_int_equal(gw_sess_relay_offer(&offer, &phone, NULL), 0);
	assert_int_equal(gw_sess_for_web(&offer), 0);
	assert_false(offer.stream[0].refused);
}

static void extensions_that_go_one_way_or_too_high_are_left(void **state)
{
	(void)state;
	read_as(&phone,
		PHONE_HEAD "m=video 4002 RTP/AVP 96\r\n"
			   "a=rtpmap:96 VP8/90000\r\n"
			   "a=extmap:3/sendonly urn:3gpp:video-orientation\r\n"
			   "a=extmap:15 urn:3gpp:video-orientation\r\n"
			   "a=extmap:0 urn:3gpp:video-orientation\r\n"
			   "a=extmap:x urn:3gpp:video-orientation\r\n"
			   "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n",
		false);
	for (unsigned e = 0; e < GW_SESS_NEXT; e++)
		assert_int_equal(phone.stream[1].ext[e], 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ims_is_offered_what_the_browser_has_and_nothing_of_webrtc),
		T(the_browser_is_answered_what_the_phone_took),
		T(a_phone_is_answered_in_the_profile_it_offers),
		T(h264_is_matched_by_profile_and_packetization),
		T(long_parameter_sets_do_not_cost_the_codec),
		T(numbers_of_extensions_are_kept_and_never_shared),
		T(video_may_be_refused_and_audio_lives),
		T(a_session_of_video_alone_is_one),
		T(extensions_that_go_one_way_or_too_high_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
