/* Parameters of video codecs: what makes them the same, what is passed through,
 * and how answers of phones and browsers meet offers of several variants. */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "sdp/session.h"

#define TRANSPORT                                                              \
	"c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n"                             \
	"a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 "         \
	"8A:8B:8C:8D:8E:8F:90:91:92:93:94:95:96:97:98:99:9A:9B:9C:9D:9E:9F:"   \
	"A0:A1:A2:A3:A4:A5:A6:A7:A8:A9\r\na=setup:actpass\r\na=rtcp-mux\r\n"
#define HEAD "v=0\r\no=- 5 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define CORE HEAD "c=IN IP4 198.51.100.7\r\n"

static struct gw_sess offer, theirs, ours, answer;
static char *text;

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

static struct gw_sess_codec codec(const char *name, const char *fmtp)
{
	struct gw_sess_codec c = { .pt = 96, .channels = 1, .clock_hz = 90000 };

	(void)snprintf(c.name, sizeof(c.name), "%s", name);
	(void)snprintf(c.fmtp, sizeof(c.fmtp), "%s", fmtp);
	return c;
}

#define MODE0 "packetization-mode=0;"
#define MODE1 "packetization-mode=1;"
#define ASYM  "level-asymmetry-allowed=1;"

static void parameters_decide_what_is_the_same(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *a, *b;
		bool same;
	} row[] = {
		/* RFC 6184 8.2.2: profile and packetization-mode */
		{ "H264", "profile-level-id=42e01f", "profile-level-id=42E01F", true },
		{ "H264", MODE1 "profile-level-id=42e01f", ASYM MODE1 "profile-level-id=42e00a", true },
		{ "H264", MODE1 "profile-level-id=42e01f", MODE0 "profile-level-id=42e01f", false },
		{ "H264", MODE0 "profile-level-id=42e01f", "profile-level-id=42e01f", true },
		{ "H264", "", "profile-level-id=42000a", true },
		{ "H264", "", "profile-level-id=42e00a", false },
		{ "H264", MODE1 "profile-level-id=42c01f", MODE1 "profile-level-id=42e034", true },
		{ "H264", MODE1 "profile-level-id=42001f", MODE1 "profile-level-id=42e01f", false },
		{ "H264", MODE1 "profile-level-id=4d001f", MODE1 "profile-level-id=4d401f", true },
		{ "H264", MODE1 "profile-level-id=4d001f", MODE1 "profile-level-id=42e01f", false },
		{ "H264", MODE1 "profile-level-id=64001f", MODE1 "profile-level-id=640c1f", false },
		{ "H264", MODE1 "profile-level-id=f4001f", MODE1 "profile-level-id=f40028", true },
		{ "H264", MODE1 "profile-level-id=f4001f", MODE1 "profile-level-id=64001f", false },
		{ "H264", " packetization-mode=1 ; profile-level-id=42e01f", MODE1 "profile-level-id=42e01f", true },
		{ "H264", MODE1 "profile-level-id=42e01", MODE1 "profile-level-id=42e01f", false },
		{ "H264", MODE1 "profile-level-id=zzzzzz", MODE1 "profile-level-id=42e01f", false },
		{ "H264", MODE1 "profile-level-id=42e01f;sprop-parameter-sets=Z0,aM", MODE1 "max-mbps=1;profile-level-id=42e01f", true },
		/* RFC 7798 7.2.2: profile and tier, not the level */
		{ "H265", "profile-id=1;tier-flag=0;level-id=93", "profile-id=1;level-id=180;tier-flag=0;tx-mode=SRST", true },
		{ "H265", "", "profile-id=1;tier-flag=0;profile-space=0", true },
		{ "H265", "profile-id=1", "profile-id=2", false },
		{ "H265", "profile-id=1;tier-flag=1", "profile-id=1", false },
		{ "H265", "profile-id=1;tx-mode=MRST", "profile-id=1;tx-mode=SRST", false },
		{ "H265", "profile-space=1;profile-id=1", "profile-id=1", false },
		/* RFC 9628 6 */
		{ "VP9", "", "profile-id=0", true },
		{ "VP9", "profile-id=2", "profile-id=0", false },
		{ "VP9", "profile-id=0;max-fs=3600", "max-fr=30", true },
		{ "VP8", "max-fs=12288;max-fr=60", "", true },
		/* AV1 RTP payload 7.2.1 */
		{ "AV1", "level-idx=5;profile=0;tier=0", "", true },
		{ "AV1", "level-idx=5;profile=0;tier=0", "level-idx=13;profile=0", true },
		{ "AV1", "profile=1", "profile=0", false },
		{ "AV1", "tier=1", "tier=0", false },
	};
	/* clang-format on */

	(void)state;
	for (unsigned i = 0; i < GW_ARRAY_LEN(row); i++) {
		struct gw_sess_codec a = codec(row[i].name, row[i].a);
		struct gw_sess_codec b = codec(row[i].name, row[i].b);

		if (gw_codec_same(&a, &b) != row[i].same ||
		    gw_codec_same(&b, &a) != row[i].same)
			fail_msg("%s \"%s\" and \"%s\"", row[i].name, row[i].a,
				 row[i].b);
		/* What media goes by. */
		if ((gw_codec_variant(&a) == gw_codec_variant(&b)) !=
		    row[i].same)
			fail_msg("variants of %s \"%s\" and \"%s\"",
				 row[i].name, row[i].a, row[i].b);
	}
}

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
	if (strcasestr(text, what))
		fail_msg("\"%s\" in\n%s", what, text);
}

/* Addresses as a call fills them in. */
static void place(struct gw_sess *s)
{
	for (unsigned i = 0; i < s->nstream; i++) {
		if (s->stream[i].refused)
			continue;
		(void)gw_addr_parse(&s->stream[i].rtp, "192.0.2.1",
				    (uint16_t)(30000 + 2 * i));
		s->stream[i].rtcp = s->stream[i].rtp;
		s->stream[i].rtcp.port++;
	}
}

static const char chromium[] = HEAD
	"a=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 98 100 102 104 106 "
	"39 45 49\r\n" TRANSPORT "a=mid:0\r\n"
	"a=rtpmap:96 VP8/90000\r\n"
	"a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\n"
	"a=rtpmap:100 VP9/90000\r\na=fmtp:100 profile-id=2\r\n"
	"a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;"
	"packetization-mode=1;profile-level-id=42001f\r\n"
	"a=rtpmap:104 H264/90000\r\na=fmtp:104 level-asymmetry-allowed=1;"
	"packetization-mode=0;profile-level-id=42e01f\r\n"
	"a=rtpmap:106 H264/90000\r\na=fmtp:106 level-asymmetry-allowed=1;"
	"packetization-mode=1;profile-level-id=42e01f\r\n"
	"a=rtpmap:39 AV1/90000\r\na=fmtp:39 level-idx=5;profile=0;tier=0\r\n"
	"a=rtpmap:45 AV1/90000\r\na=fmtp:45 level-idx=5;profile=1;tier=0\r\n"
	"a=rtpmap:49 H265/90000\r\na=fmtp:49 level-id=180;profile-id=1;"
	"tier-flag=0;tx-mode=SRST\r\n";

/* Which of the browser's numbers a phone's answer of one codec becomes, and
 * with whose parameters. */
static void a_phones_answer_finds_its_variant(void **state)
{
	/* clang-format off */
	static const struct {
		const char *codec, *fmtp;
		uint8_t pt; /* 0: no video at all */
	} row[] = {
		{ "VP8", "", 96 },
		{ "VP9", "", 98 },
		{ "VP9", "profile-id=2", 100 },
		{ "VP9", "profile-id=1", 0 },
		{ "H264", MODE1 "profile-level-id=42e00d", 106 },
		{ "H264", "profile-level-id=42801f", 0 }, /* mode 0 has no baseline */
		{ "H264", "profile-level-id=42c00d", 104 },
		{ "H264", MODE1 "profile-level-id=42800d;max-br=500", 102 },
		{ "H264", MODE1 "profile-level-id=64001f", 0 },
		{ "AV1", "level-idx=8;profile=0;tier=0", 39 },
		{ "AV1", "profile=1", 45 },
		{ "AV1", "profile=2", 0 },
		{ "H265", "profile-id=1;level-id=93", 49 },
		{ "H265", "profile-id=2;level-id=93", 0 },
		{ "H263", "", 0 },
	};
	/* clang-format on */
	char sdp[512];

	(void)state;
	read_as(&offer, chromium, true);
	for (unsigned i = 0; i < GW_ARRAY_LEN(row); i++) {
		bool found;

		(void)snprintf(sdp, sizeof(sdp),
			       CORE "m=video 4000 RTP/AVP 110\r\na=rtpmap:110 "
				    "%s/90000\r\n%s%s%s",
			       row[i].codec,
			       row[i].fmtp[0] ? "a=fmtp:110 " : "", row[i].fmtp,
			       row[i].fmtp[0] ? "\r\n" : "");
		read_as(&theirs, sdp, false);
		found = gw_sess_relay_answer(&answer, &offer, &theirs) == 0;
		if (found != (row[i].pt != 0))
			fail_msg("%s %s: %d", row[i].codec, row[i].fmtp, found);
		if (!found)
			continue;
		assert_int_equal(1, answer.stream[0].ncodec);
		assert_int_equal(row[i].pt, answer.stream[0].codec[0].pt);
		/* What its writer wants to receive. */
		assert_string_equal(row[i].fmtp,
				    answer.stream[0].codec[0].fmtp);
	}
}

static void a_phones_offer_reaches_the_browser_as_it_is(void **state)
{
	(void)state;
	read_as(&offer,
		CORE "m=video 4000 RTP/AVP 97 98 99 100 101\r\n"
		     "a=rtpmap:97 H265/90000\r\na=fmtp:97 profile-id=1;"
		     "level-id=93;sprop-vps=QAEMAf//AWA\r\n"
		     "a=rtpmap:98 H264/90000\r\na=fmtp:98 profile-level-id="
		     "42e00d;packetization-mode=1\r\n"
		     "a=rtpmap:99 AV1/90000\r\na=fmtp:99 level-idx=9\r\n"
		     "a=rtpmap:100 VP9/90000\r\n"
		     "a=rtpmap:101 H263/90000\r\n",
		false);
	assert_int_equal(0, gw_sess_relay_offer(&ours, &offer, NULL));
	assert_int_equal(0, gw_sess_for_web(&ours));
	print(&ours, true);
	has("m=video 9 UDP/TLS/RTP/SAVPF 97 98 99 100\r\n");
	has("a=fmtp:97 profile-id=1;level-id=93;sprop-vps=QAEMAf//AWA\r\n");
	has("a=fmtp:98 profile-level-id=42e00d;packetization-mode=1\r\n");
	has("a=fmtp:99 level-idx=9\r\n");
	lacks("H263");
	/* The browser's own levels go back. */
	read_as(&theirs,
		HEAD
		"a=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 98 "
		"99\r\n" TRANSPORT
		"a=mid:0\r\na=rtpmap:98 H264/90000\r\na=fmtp:98 "
		"level-asymmetry-allowed=1;packetization-mode=1;profile-level-"
		"id=42e01f\r\na=rtpmap:99 AV1/90000\r\na=fmtp:99 level-idx=5;"
		"profile=0;tier=0\r\n",
		true);
	assert_int_equal(0, gw_sess_relay_answer(&answer, &offer, &theirs));
	place(&answer);
	print(&answer, false);
	has("m=video 30000 RTP/AVP 98 99\r\n");
	has("profile-level-id=42e01f\r\n");
	has("a=fmtp:99 level-idx=5;profile=0;tier=0\r\n");
}

#define REPAIR_LINES                                                           \
	"a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"                        \
	"a=rtpmap:116 red/90000\r\na=rtpmap:117 ulpfec/90000\r\n"              \
	"a=rtpmap:118 flexfec-03/90000\r\na=fmtp:118 repair-window=10000000"   \
	"\r\na=rtpmap:119 flexfec/90000\r\n"                                   \
	"a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 goog-lntf\r\n"              \
	"a=rtcp-fb:96 ccm tmmbr\r\na=rtcp-fb:96 nack rpsi\r\n"                 \
	"a=extmap:2 urn:ietf:params:rtp-hdrext:toffset\r\n"                    \
	"a=extmap:3 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-"    \
	"time\r\na=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/"     \
	"playout-delay\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-"    \
	"stream-id\r\na=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-"   \
	"rtp-stream-id\r\na=extmap:9/sendrecv urn:example:unknown\r\n"         \
	"a=extmap-allow-mixed\r\na=rid:h send\r\na=rid:l send pt=96;max-"      \
	"width=320\r\na=simulcast:send h;l\r\na=ssrc-group:FID 1 2\r\n"        \
	"a=ssrc-group:SIM 1 3\r\na=ssrc:1 cname:x\r\na=x-google-flag:conf\r\n" \
	"a=unheard-of:7\r\n"

static const char *const traces[] = {
	"rtx",         "red/",    "ulpfec",    "flexfec",     "transport-cc",
	"lntf",        "tmmbr",   "rpsi",      "toffset",     "abs-send",
	"rid",         "playout", "stream-id", "simulcast",   "ssrc-group",
	"google-flag", "example", "unheard",   "allow-mixed", "apt=",
};

static void lacks_all(void)
{
	for (unsigned i = 0; i < GW_ARRAY_LEN(traces); i++)
		lacks(traces[i]);
}

static void no_trace_of_repair_gets_from_a_browser_to_a_phone(void **state)
{
	(void)state;
	read_as(&offer,
		HEAD "a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\nm=video 9 "
		     "UDP/TLS/RTP/SAVPF 96 97 116 117 118 119\r\n" TRANSPORT
		     "a=mid:0\r\na=rtpmap:96 VP8/90000\r\n" REPAIR_LINES,
		true);
	assert_int_equal(0, gw_sess_relay_offer(&ours, &offer, NULL));
	place(&ours);
	print(&ours, false);
	has("m=video 30000 RTP/AVP 96\r\n");
	lacks_all();
	read_as(&theirs,
		CORE "m=video 4000 RTP/AVP 96\r\na=rtpmap:96 "
		     "VP8/90000\r\n" REPAIR_LINES,
		false);
	assert_int_equal(0, gw_sess_relay_answer(&answer, &offer, &theirs));
	print(&answer, true);
	has("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n");
	lacks_all();
}

static void no_trace_of_repair_gets_from_a_phone_to_a_browser(void **state)
{
	(void)state;
	read_as(&offer,
		CORE "m=video 4000 RTP/AVPF 96 97 116 117 118 119\r\n"
		     "a=rtpmap:96 VP8/90000\r\n" REPAIR_LINES,
		false);
	assert_int_equal(0, gw_sess_relay_offer(&ours, &offer, NULL));
	assert_int_equal(0, gw_sess_for_web(&ours));
	print(&ours, true);
	has("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n");
	lacks_all();
	/* An answer that takes what was not offered. */
	read_as(&theirs,
		HEAD "a=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 "
		     "116\r\n" TRANSPORT
		     "a=mid:0\r\na=rtpmap:96 VP8/90000\r\n" REPAIR_LINES,
		true);
	assert_int_equal(0, gw_sess_relay_answer(&answer, &offer, &theirs));
	place(&answer);
	print(&answer, false);
	has("m=video 30000 RTP/AVPF 96\r\n");
	lacks_all();
}

static void repair_without_a_codec_is_no_m_line(void **state)
{
	(void)state;
	read_as(&offer,
		CORE "m=audio 4002 RTP/AVP 0\r\nm=video 4000 RTP/AVP 97 116\r\n"
		     "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
		     "a=rtpmap:116 red/90000\r\n",
		false);
	assert_int_equal(0, gw_sess_relay_offer(&ours, &offer, NULL));
	print(&ours, true);
	has("m=video 0 ");
	lacks_all();
}

/* What is neither audio nor video keeps its place at port 0, both ways. */
static void fax_messages_and_the_unknown_are_at_port_0(void **state)
{
	/* clang-format off */
	static const char *const line[] = {
		"m=image 4100 udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxRateManagement:transferredTCF\r\n",
		"m=message 4102 TCP/MSRP *\r\na=path:msrp://198.51.100.7:4102/x;tcp\r\na=accept-types:text/plain\r\n",
		"m=message 4104 TCP/TLS/MSRP *\r\na=path:msrps://198.51.100.7:4104/x;tcp\r\n",
		"m=application 4106 UDP/BFCP *\r\na=floorctrl:c-only\r\n",
		"m=text 4108 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n",
		"m=control 4110 TCP foo\r\n",
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:5000\r\n",
	};
	/* clang-format on */
	char sdp[1024], kind[64];

	(void)state;
	for (unsigned i = 0; i < GW_ARRAY_LEN(line); i++) {
		(void)snprintf(sdp, sizeof(sdp),
			       CORE "%sm=audio 4002 RTP/AVP 0\r\n", line[i]);
		read_as(&offer, sdp, false);
		assert_int_equal(0, gw_sess_relay_offer(&ours, &offer, NULL));
		print(&ours, true);
		has("m=audio 0 "); /* Firefox takes no m=image */
		has("a=group:BUNDLE 1\r\n");
		for (unsigned t = 0; t < 6; t++)
			lacks(((const char *const[]){ "t38", "msrp", "bfcp",
						      "t140", "udptl",
						      "sctp" })[t]);
		read_as(&theirs,
			HEAD "a=group:BUNDLE 1\r\nm=audio 0 UDP/TLS/RTP/SAVPF 0"
			     "\r\na=mid:0\r\nm=audio 9 UDP/TLS/RTP/SAVPF "
			     "0\r\n" TRANSPORT "a=mid:1\r\n",
			true);
		assert_int_equal(
			0, gw_sess_relay_answer(&answer, &offer, &theirs));
		place(&answer);
		print(&answer, false);
		/* As it was offered, but for the port. */
		(void)snprintf(kind, sizeof(kind), "%.*s 0 ",
			       (int)(strchr(line[i], ' ') - line[i]), line[i]);
		has(kind);
		has("m=audio 30002 RTP/AVP 0\r\n");
		lacks("4100");
		lacks("accept-types");
		lacks("floorctrl");
	}
}

/* The same from a browser, where they are not in the bundle. */
static void what_only_a_browser_has_is_refused_to_it(void **state)
{
	(void)state;
	read_as(&offer,
		HEAD
		"a=group:BUNDLE 0 1 2\r\nm=audio 9 UDP/TLS/RTP/SAVPF "
		"0\r\n" TRANSPORT "a=mid:0\r\nm=application 9 UDP/DTLS/SCTP "
		"webrtc-datachannel\r\n" TRANSPORT "a=mid:1\r\na=sctp-port:5000"
		"\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n" TRANSPORT
		"a=mid:2\r\na=rtpmap:96 VP8/90000\r\n",
		true);
	assert_int_equal(0, gw_sess_relay_offer(&ours, &offer, NULL));
	place(&ours);
	print(&ours, false);
	lacks("sctp");
	lacks("datachannel");
	has("m=audio 0 ");
	has("m=video 30004 ");
	read_as(&theirs,
		CORE "m=audio 4002 RTP/AVP 0\r\nm=audio 0 RTP/AVP 0\r\nm=video "
		     "4004 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
		false);
	assert_int_equal(0, gw_sess_relay_answer(&answer, &offer, &theirs));
	print(&answer, true);
	has("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n");
	has("a=group:BUNDLE 0 2\r\n");
	lacks("sctp-port");
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(parameters_decide_what_is_the_same),
		T(a_phones_answer_finds_its_variant),
		T(a_phones_offer_reaches_the_browser_as_it_is),
		T(no_trace_of_repair_gets_from_a_browser_to_a_phone),
		T(no_trace_of_repair_gets_from_a_phone_to_a_browser),
		T(repair_without_a_codec_is_no_m_line),
		T(fax_messages_and_the_unknown_are_at_port_0),
		T(what_only_a_browser_has_is_refused_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
