/* What is sent to a browser and to a phone, word for word; and that neither
 * ever sees anything of the other, for every description of the corpus. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/session.h"

#define FOLDER "tests/unit/corpus-sdp/"

static const char *const audio_names[] = { "opus", "PCMU" };

static void set_web(struct gw_sess_stream *s)
{
	unsigned i;

	assert_int_equal(gw_addr_parse(&s->rtp, "198.51.100.40", 20014), 0);
	s->rtcp_mux = true;
	(void)snprintf(s->ufrag, sizeof(s->ufrag), "Qm3V");
	(void)snprintf(s->pwd, sizeof(s->pwd), "s8a1PzW0b9r2hYcX7nLk5t");
	s->has_fingerprint = true;
	for (i = 0; i < 32; i++)
		s->sha256[i] = (uint8_t)(0xa0 + i);
	s->setup = GW_SETUP_ACTPASS;
	s->ncandidate = 2;
	s->candidate[0] = (struct gw_sess_candidate){ .addr = s->rtp,
						      .foundation = "1",
						      .component = 1,
						      .priority = 2130706431,
						      .type = GW_CAND_HOST };
	s->candidate[1] = s->candidate[0];
	s->candidate[1].type = GW_CAND_SRFLX;
	s->candidate[1].priority = 1694498815;
	s->candidate[1].related = s->rtp;
	assert_int_equal(
		gw_addr_parse(&s->candidate[1].addr, "2001:db8::1", 4242), 0);
}

static struct gw_sess session(void)
{
	struct gw_sess s = { .id = 4611731400430051336,
			     .version = 2,
			     .nstream = 1,
			     .bundle = true };

	assert_int_equal(gw_sess_default_audio(&s.stream[0], audio_names, 2),
			 0);
	s.stream[0].bundled = true;
	(void)snprintf(s.stream[0].mid, sizeof(s.stream[0].mid), "0");
	return s;
}

static void refuse(struct gw_sess *s, enum gw_kind kind, const char *media,
		   const char *proto, const char *formats, const char *mid)
{
	struct gw_sess_stream *m = &s->stream[s->nstream++];

	m->kind = kind;
	m->refused = true;
	(void)snprintf(m->media, sizeof(m->media), "%s", media);
	(void)snprintf(m->proto, sizeof(m->proto), "%s", proto);
	(void)snprintf(m->formats, sizeof(m->formats), "%s", formats);
	(void)snprintf(m->mid, sizeof(m->mid), "%s", mid);
}

static void a_browser_is_sent_jsep(void **state)
{
	static struct gw_sess s;
	char *text;

	(void)state;
	s = session();
	set_web(&s.stream[0]);
	s.stream[0].ptime_ms = 20;
	(void)snprintf(s.stream[0].msid_stream, 65, "isthmus");
	(void)snprintf(s.stream[0].msid_track, 65, "audio0");
	s.stream[0].ssrc = 4026531841;
	(void)snprintf(s.stream[0].cname, 33, "n3w");
	refuse(&s, GW_KIND_VIDEO, "video", "UDP/TLS/RTP/SAVPF", "96 97", "1");
	refuse(&s, GW_KIND_DATA, "application", "UDP/DTLS/SCTP",
	       "webrtc-datachannel", "2");
	text = gw_sess_print_web(&s);
	assert_string_equal(
		text,
		"v=0\r\n"
		"o=- 4611731400430051336 2 IN IP4 0.0.0.0\r\n"
		"s=-\r\n"
		"t=0 0\r\n"
		"a=group:BUNDLE 0\r\n"
		"a=msid-semantic: WMS *\r\n"
		"m=audio 20014 UDP/TLS/RTP/SAVPF 111 0 110 101\r\n"
		"c=IN IP4 198.51.100.40\r\n"
		"a=mid:0\r\n"
		"a=sendrecv\r\n"
		"a=rtpmap:111 opus/48000/2\r\n"
		"a=fmtp:111 minptime=10;useinbandfec=1\r\n"
		"a=rtpmap:0 PCMU/8000\r\n"
		"a=rtpmap:110 telephone-event/48000\r\n"
		"a=fmtp:110 0-15\r\n"
		"a=rtpmap:101 telephone-event/8000\r\n"
		"a=fmtp:101 0-15\r\n"
		"a=ptime:20\r\n"
		"a=ice-ufrag:Qm3V\r\n"
		"a=ice-pwd:s8a1PzW0b9r2hYcX7nLk5t\r\n"
		"a=fingerprint:sha-256 A0:A1:A2:A3:A4:A5:A6:A7:A8:A9:AA:AB:AC:"
		"AD:AE:AF:B0:B1:B2:B3:B4:B5:B6:B7:B8:B9:BA:BB:BC:BD:BE:BF\r\n"
		"a=setup:actpass\r\n"
		"a=rtcp-mux\r\n"
		"a=candidate:1 1 udp 2130706431 198.51.100.40 20014 typ "
		"host\r\n"
		"a=candidate:1 1 udp 1694498815 2001:db8::1 4242 typ srflx "
		"raddr 198.51.100.40 rport 20014\r\n"
		"a=end-of-candidates\r\n"
		"a=msid:isthmus audio0\r\n"
		"a=ssrc:4026531841 cname:n3w\r\n"
		"m=video 0 UDP/TLS/RTP/SAVPF 96 97\r\n"
		"c=IN IP4 0.0.0.0\r\n"
		"a=mid:1\r\n"
		"a=inactive\r\n"
		"m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"
		"c=IN IP4 0.0.0.0\r\n"
		"a=mid:2\r\n"
		"a=inactive\r\n");
	free(text);
}

static void a_phone_is_sent_plain_rtp(void **state)
{
	static struct gw_sess s;
	char *text;

	(void)state;
	s = session();
	set_web(&s.stream[0]); /* must not show */
	assert_int_equal(gw_addr_parse(&s.stream[0].rtp, "192.0.2.1", 30000),
			 0);
	s.stream[0].rtcp = s.stream[0].rtp;
	s.stream[0].rtcp.port++;
	s.stream[0].dir = GW_DIR_SENDONLY;
	refuse(&s, GW_KIND_VIDEO, "video", "RTP/AVP", "96", "1");
	text = gw_sess_print_core(&s);
	assert_string_equal(text,
			    "v=0\r\n"
			    "o=- 4611731400430051336 2 IN IP4 192.0.2.1\r\n"
			    "s=-\r\n"
			    "c=IN IP4 192.0.2.1\r\n"
			    "t=0 0\r\n"
			    "m=audio 30000 RTP/AVP 111 0 110 101\r\n"
			    "b=AS:80\r\n"
			    "b=RS:600\r\n"
			    "b=RR:2000\r\n"
			    "a=rtpmap:111 opus/48000/2\r\n"
			    "a=fmtp:111 minptime=10;useinbandfec=1\r\n"
			    "a=rtpmap:0 PCMU/8000\r\n"
			    "a=rtpmap:110 telephone-event/48000\r\n"
			    "a=fmtp:110 0-15\r\n"
			    "a=rtpmap:101 telephone-event/8000\r\n"
			    "a=fmtp:101 0-15\r\n"
			    "a=sendonly\r\n"
			    "m=video 0 RTP/AVP 96\r\n");
	free(text);
}

static void assert_has(const char *text, const char *piece, bool has)
{
	if ((strstr(text, piece) != NULL) != has)
		fail_msg("\"%s\" is %s in:\n%s", piece,
			 has ? "missing" : "present", text);
}

static void rtcp_is_named_only_when_it_is_not_the_next_port(void **state)
{
	static struct gw_sess s;
	char *text;

	(void)state;
	s = session();
	assert_int_equal(gw_addr_parse(&s.stream[0].rtp, "192.0.2.1", 30000),
			 0);
	s.stream[0].rtcp = s.stream[0].rtp;
	s.stream[0].rtcp.port = 30001;
	text = gw_sess_print_core(&s);
	assert_has(text, "a=rtcp", false);
	free(text);
	s.stream[0].rtcp.port = 30007;
	text = gw_sess_print_core(&s);
	assert_has(text, "a=rtcp:30007\r\n", true);
	free(text);
	assert_int_equal(gw_addr_parse(&s.stream[0].rtcp, "192.0.2.2", 30001),
			 0);
	text = gw_sess_print_core(&s);
	assert_has(text, "a=rtcp:30001 IN IP4 192.0.2.2\r\n", true);
	free(text);
}

static void ipv6_and_several_addresses_have_their_own_lines(void **state)
{
	static struct gw_sess s;
	char *text;

	(void)state;
	s = session();
	assert_int_equal(gw_addr_parse(&s.stream[0].rtp, "2001:db8::9", 30000),
			 0);
	s.nstream = 2;
	s.stream[1] = s.stream[0];
	assert_int_equal(gw_addr_parse(&s.stream[1].rtp, "192.0.2.9", 30004),
			 0);
	assert_int_equal(gw_addr_parse(&s.origin, "192.0.2.200", 0), 0);
	text = gw_sess_print_core(&s);
	assert_has(text,
		   " IN IP4 192.0.2.200\r\ns=-\r\nc=IN IP6 2001:db8::9\r\n",
		   true);
	assert_has(text, "m=audio 30000 RTP/AVP 111 0 110 101\r\nb=AS:88\r\n",
		   true);
	assert_has(text,
		   "m=audio 30004 RTP/AVP 111 0 110 101\r\n"
		   "c=IN IP4 192.0.2.9\r\nb=AS:80\r\n",
		   true);
	free(text);
}

static void bandwidth_is_computed_from_the_hungriest_codec(void **state)
{
	/* clang-format off */
	static const struct {
		struct gw_sess_codec codec;
		uint16_t ptime_ms;
		uint32_t given_bps;
		const char *line;
	} rows[] = {
		{ { 0, 1, 8000, "PCMU", "", 0 }, 0, 0, "b=AS:80\r\n" },
		{ { 0, 1, 8000, "PCMU", "", 0 }, 10, 0, "b=AS:96\r\n" },
		{ { 18, 1, 8000, "G729", "", 0 }, 20, 0, "b=AS:24\r\n" },
		{ { 96, 1, 8000, "AMR", "", 0 }, 20, 0, "b=AS:29\r\n" },
		{ { 96, 1, 16000, "AMR-WB", "", 0 }, 20, 0, "b=AS:40\r\n" },
		{ { 96, 2, 48000, "opus", "", 0 }, 20, 0, "b=AS:56\r\n" },
		{ { 96, 2, 48000, "opus", "maxaveragebitrate=20000", 0 }, 20, 0,
		  "b=AS:36\r\n" },
		{ { 96, 1, 8000, "x-new", "", 0 }, 20, 0, "b=AS:80\r\n" },
		{ { 0, 1, 8000, "PCMU", "", 0 }, 20, 63500, "b=AS:64\r\n" },
	};
	/* clang-format on */
	static struct gw_sess s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text;

		s = session();
		s.stream[0].ncodec = 1;
		s.stream[0].codec[0] = rows[i].codec;
		s.stream[0].ptime_ms = rows[i].ptime_ms;
		s.stream[0].bandwidth_bps = rows[i].given_bps;
		assert_int_equal(
			gw_addr_parse(&s.stream[0].rtp, "192.0.2.1", 30000), 0);
		text = gw_sess_print_core(&s);
		assert_has(text, rows[i].line, true);
		free(text);
	}
}

static void a_bundle_describes_its_transport_once(void **state)
{
	static struct gw_sess s, back;
	struct gw_sdp_error err;
	const char *at;
	char *text;
	unsigned n;

	(void)state;
	s = session();
	set_web(&s.stream[0]);
	s.stream[0].ice_lite = true;
	refuse(&s, GW_KIND_VIDEO, "video", "RTP/AVP", "96", "v");
	s.stream[2] = s.stream[0];
	s.nstream = 3;
	s.stream[2].rtp.family = 0; /* the first one's counts */
	s.stream[2].ncandidate = 0;
	(void)snprintf(s.stream[2].mid, sizeof(s.stream[2].mid), "a2");
	text = gw_sess_print_web(&s);
	assert_has(text, "a=group:BUNDLE 0 a2\r\n", true);
	assert_has(text, "a=ice-lite\r\n", true);
	for (n = 0, at = text; (at = strstr(at, "m=audio 20014 ")); n++)
		at++;
	assert_int_equal(n, 2);
	for (n = 0, at = text; (at = strstr(at, "a=end-of-cand")); n++)
		at++;
	assert_int_equal(n, 1);
	assert_has(text, "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n", true);

	assert_int_equal(gw_sess_read(&back, text, strlen(text), true, &err),
			 GW_SESS_OK);
	assert_true(back.stream[0].bundled && back.stream[2].bundled);
	assert_int_equal(back.stream[2].ncandidate, 2);
	assert_true(back.stream[0].ice_lite);
	free(text);
}

static void an_offer_leaves_out_what_no_browser_has(void **state)
{
	static struct gw_sess s;
	struct gw_sess_stream *m = &s.stream[0];
	char *text;

	(void)state;
	s = session();
	set_web(m);
	m->codec[m->ncodec++] =
		(struct gw_sess_codec){ 96, 1, 16000, "AMR-WB", "", 0 };
	m->codec[m->ncodec++] = (struct gw_sess_codec){
		97, 1, 16000, "telephone-event", "", 0
	};
	assert_int_equal(gw_sess_for_web(&s), 0);
	text = gw_sess_print_web(&s);
	assert_has(text, "SAVPF 111 0 110 101\r\n", true);
	assert_has(text, "AMR", false);
	free(text);
	/* Where nothing is left there is nothing to offer. */
	m->codec[0] = (struct gw_sess_codec){ 96, 1, 16000, "AMR-WB", "", 0 };
	m->codec[1] = (struct gw_sess_codec){ 18, 1, 8000, "G729", "", 0 };
	m->ncodec = 2;
	assert_int_equal(gw_sess_for_web(&s), -ENOENT);
	assert_true(m->refused);
}

static void without_any_address_the_browser_gets_the_filler(void **state)
{
	static struct gw_sess s;
	char *text;

	(void)state;
	s = session();
	text = gw_sess_print_web(&s);
	assert_has(text,
		   "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 110 101\r\n"
		   "c=IN IP4 0.0.0.0\r\n",
		   true);
	assert_has(text, "candidate", false);
	free(text);
}

/* ---- nothing leaks ---- */

static const char *const of_webrtc[] = {
	"ice-",   "candidate", "fingerprint", "a=setup",       "tls-id",
	"a=mid",  "msid",      "ssrc",        "sdes:mid",      "rtcp-mux",
	"BUNDLE", "group",     "bundle-only", "goog-remb",     "rtcp-rsize",
	"rid",    "simulcast", "SAVP",        "TLS",           "webrtc",
	"rtx",    "red/",      "crypto",      "192.168.0.196", "198.51.100.7",
	"DTLS",   "sctp",      "audio-level", "transport-cc",
};
static const char *const of_ims[] = {
	"curr:",     "a=des:",     "conf:",  "3gOoBTC",       "b=RS",
	"b=RR",      "a=rtcp:",    "10.46.", "2001:db8:be01", "a=X-",
	"crypto",    "oldmediaip", "tool",   "SAMSUNG",       "Asterisk",
	"192.0.2.1", "label",
};

/* False: not a description of that side. */
static bool relay_and_grep(const char *name, bool from_web)
{
	static struct gw_sess from, to;
	static char text[GW_SDP_MAX_BYTES];
	struct gw_sdp_error err;
	char path[256], *out;
	size_t len, i;
	FILE *f;

	(void)snprintf(path, sizeof(path), FOLDER "%s", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	len = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	if (gw_sess_read(&from, text, len, from_web, &err) != GW_SESS_OK ||
	    gw_sess_relay_offer(&to, &from, NULL))
		return false;
	for (i = 0; i < to.nstream; i++) {
		set_web(&to.stream[i]);
		assert_int_equal(
			gw_addr_parse(&to.stream[i].rtp, "203.0.113.1", 30000),
			0);
		to.stream[i].ncandidate = 0;
	}
	out = from_web ? gw_sess_print_core(&to) : gw_sess_print_web(&to);
	assert_non_null(out);
	if (from_web) {
		for (i = 0; i < sizeof(of_webrtc) / sizeof(of_webrtc[0]); i++)
			assert_has(out, of_webrtc[i], false);
	} else {
		for (i = 0; i < sizeof(of_ims) / sizeof(of_ims[0]); i++)
			assert_has(out, of_ims[i], false);
	}
	free(out);
	return true;
}

static void nothing_of_one_side_is_seen_by_the_other(void **state)
{
	struct dirent *e;
	unsigned from_web = 0, from_core = 0;
	DIR *d;

	(void)state;
	d = opendir(FOLDER);
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (!strstr(e->d_name, ".sdp"))
			continue;
		from_web += relay_and_grep(e->d_name, true) ? 1 : 0;
		from_core += relay_and_grep(e->d_name, false) ? 1 : 0;
	}
	(void)closedir(d);
	assert_true(from_web >= 15);
	assert_true(from_core >= 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_browser_is_sent_jsep),
		cmocka_unit_test(a_phone_is_sent_plain_rtp),
		cmocka_unit_test(
			rtcp_is_named_only_when_it_is_not_the_next_port),
		cmocka_unit_test(
			ipv6_and_several_addresses_have_their_own_lines),
		cmocka_unit_test(
			bandwidth_is_computed_from_the_hungriest_codec),
		cmocka_unit_test(a_bundle_describes_its_transport_once),
		cmocka_unit_test(an_offer_leaves_out_what_no_browser_has),
		cmocka_unit_test(
			without_any_address_the_browser_gets_the_filler),
		cmocka_unit_test(nothing_of_one_side_is_seen_by_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
