/* How single lines are read, and what makes a description useless. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/session.h"

#define HEAD "v=0\r\no=- 7 9 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
#define CORE HEAD "c=IN IP4 192.0.2.1\r\n"
#define PRINT                                                                  \
	"4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:3A:"      \
	"4D:60:4E:82:1C:93:0F:6A:B2:77:C1"
#define ICE  "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
#define DTLS "a=fingerprint:sha-256 " PRINT "\r\na=setup:actpass\r\n"
#define WEB_M                                                                  \
	"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"     \
	"a=rtcp-mux\r\n"

static struct gw_sess sess;
static struct gw_sdp_error err;

static enum gw_sess_fault read_as(const char *text, bool web)
{
	return gw_sess_read(&sess, text, strlen(text), web, &err);
}

static const struct gw_sess_stream *core(const char *text)
{
	if (read_as(text, false) != GW_SESS_OK)
		fail_msg("line %u: %s", err.line, err.text);
	return &sess.stream[0];
}

static const struct gw_sess_stream *web(const char *text)
{
	if (read_as(text, true) != GW_SESS_OK)
		fail_msg("line %u: %s", err.line, err.text);
	return &sess.stream[0];
}

static void assert_fault(const char *text, bool as_web,
			 enum gw_sess_fault fault, unsigned line,
			 const char *why)
{
	assert_int_equal(read_as(text, as_web), fault);
	assert_string_equal(err.text, why);
	assert_int_equal(err.line, line);
	assert_int_equal(gw_sess_read(&sess, text, strlen(text), as_web, NULL),
			 fault);
}

static void the_origin_is_read(void **state)
{
	(void)state;
	core(CORE "m=audio 1 RTP/AVP 0\r\n");
	assert_int_equal(sess.id, 7);
	assert_int_equal(sess.version, 9);
	assert_int_equal(sess.origin.family, AF_INET);
	core("v=0\r\no=- 99999999999999999999999 18446744073709551615 IN IP4 "
	     "host.example\r\nc=IN IP4 192.0.2.1\r\nm=audio 1 RTP/AVP 0\r\n");
	assert_true(sess.version == UINT64_MAX);
	assert_int_equal(sess.origin.family, 0);
	assert_fault("v=0\r\no=- x 1 IN IP4 1.2.3.4\r\n", false, GW_SESS_BROKEN,
		     2, "o= is not of its six fields");
	assert_fault("v=0\r\no=- 1 1 IN IP4\r\n", false, GW_SESS_BROKEN, 2,
		     "o= is not of its six fields");
}

static void static_payload_types_need_no_rtpmap(void **state)
{
	static const struct {
		unsigned pt, clock_hz, channels;
		const char *name;
	} want[] = {
		{0,   8000,  1, "PCMU"},
                { 3,  8000,  1, "GSM" },
		{ 8,  8000,  1, "PCMA"},
                { 9,  8000,  1, "G722"},
		{ 10, 44100, 2, "L16" },
                { 18, 8000,  1, "G729"},
	};
	const struct gw_sess_stream *s;
	size_t i;

	(void)state;
	s = core(CORE "m=audio 1 RTP/AVP 0 3 8 9 10 18 96 77\r\n");
	assert_int_equal(s->ncodec, 6); /* dynamic ones mean nothing alone */
	for (i = 0; i < 6; i++) {
		assert_int_equal(s->codec[i].pt, want[i].pt);
		assert_int_equal(s->codec[i].clock_hz, want[i].clock_hz);
		assert_int_equal(s->codec[i].channels, want[i].channels);
		assert_string_equal(s->codec[i].name, want[i].name);
	}
}

static void codec_names_are_spelt_as_iana_does(void **state)
{
	const struct gw_sess_stream *s;

	(void)state;
	s = core(CORE "m=audio 1 RTP/AVP 96 97 98 0 9\r\n"
		      "a=rtpmap:96 OPUS/48000\r\n"
		      "a=rtpmap:97 Telephone-Event/8000/1\r\n"
		      "a=rtpmap:98 x-Own/32000/6\r\n"
		      "a=rtpmap:0 pcmu/8000\r\na=rtpmap:9 g722/16000\r\n");
	assert_string_equal(s->codec[0].name, "opus");
	assert_int_equal(s->codec[0].channels, 2);
	assert_string_equal(s->codec[1].name, "telephone-event");
	assert_int_equal(s->codec[1].channels, 1);
	assert_string_equal(s->codec[2].name, "x-Own");
	assert_int_equal(s->codec[2].channels, 6);
	assert_string_equal(s->codec[3].name, "PCMU");
	assert_int_equal(s->codec[4].clock_hz, 8000);
}

static void a_codec_that_cannot_be_repeated_in_full_is_left_out(void **state)
{
	char text[1024], fmtp[300];
	const struct gw_sess_stream *s;

	(void)state;
	memset(fmtp, 'x', sizeof(fmtp));
	fmtp[191] = '\0';
	(void)snprintf(text, sizeof(text),
		       CORE "m=audio 1 RTP/AVP 0 8\r\na=fmtp:8 %s\r\n", fmtp);
	s = core(text);
	assert_int_equal(s->ncodec, 2);
	assert_string_equal(s->codec[1].fmtp, fmtp);
	fmtp[191] = 'x';
	fmtp[192] = '\0';
	(void)snprintf(text, sizeof(text),
		       CORE "m=audio 1 RTP/AVP 0 8\r\na=fmtp:8 %s\r\n", fmtp);
	assert_int_equal(core(text)->ncodec, 1);
	s = core(CORE "m=audio 1 RTP/AVP 0 8 96 97 98\r\n"
		      "a=fmtp:8 \xff\r\n"
		      "a=rtpmap:96 a-name-longer-than-any-iana-has/8000\r\n"
		      "a=rtpmap:97 x/0\r\na=rtpmap:98 x\r\n");
	assert_int_equal(s->ncodec, 1);
}

static void a_payload_type_has_one_meaning(void **state)
{
	const struct gw_sess_stream *s;

	(void)state;
	s = core(CORE "m=audio 1 RTP/AVP 96 96 0\r\n"
		      "a=rtpmap:96 opus/48000/2\r\na=rtpmap:96 AMR/8000\r\n"
		      "a=fmtp:96 a=1\r\na=fmtp:96 b=2\r\n");
	assert_int_equal(s->ncodec, 2);
	assert_string_equal(s->codec[0].name, "opus");
	assert_string_equal(s->codec[0].fmtp, "a=1");
	assert_fault(CORE "m=audio 1 RTP/AVP 0 x\r\n", false, GW_SESS_BROKEN, 6,
		     "m= has a format that is no payload type");
	assert_fault(CORE "m=audio 1 RTP/AVP 128\r\n", false, GW_SESS_BROKEN, 6,
		     "m= has a format that is no payload type");
	assert_fault(CORE "m=audio 1 RTP/AVP 0\r\na=rtpmap:x y/1\r\n", false,
		     GW_SESS_BROKEN, 7, "a=rtpmap names no payload type");
}

static void directions_inherit_and_default_to_sendrecv(void **state)
{
	(void)state;
	assert_int_equal(core(CORE "m=audio 1 RTP/AVP 0\r\n")->dir,
			 GW_DIR_SENDRECV);
	core(CORE "a=sendonly\r\nm=audio 1 RTP/AVP 0\r\n"
		  "m=audio 3 RTP/AVP 0\r\na=inactive\r\n"
		  "m=audio 5 RTP/AVP 0\r\na=recvonly\r\n");
	assert_int_equal(sess.stream[0].dir, GW_DIR_SENDONLY);
	assert_int_equal(sess.stream[1].dir, GW_DIR_INACTIVE);
	assert_int_equal(sess.stream[2].dir, GW_DIR_RECVONLY);
}

static void the_old_hold_address_stops_what_its_writer_receives(void **state)
{
	static const struct {
		const char *line;
		enum gw_dir dir;
	} rows[] = {
		{"a=sendrecv",  GW_DIR_SENDONLY},
		{ "a=sendonly", GW_DIR_SENDONLY},
		{ "a=recvonly", GW_DIR_INACTIVE},
		{ "a=inactive", GW_DIR_INACTIVE},
	};
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		const struct gw_sess_stream *s;
		char text[256];

		(void)snprintf(text, sizeof(text),
			       HEAD "m=audio 5004 RTP/AVP 0\r\n"
				    "c=IN IP4 0.0.0.0\r\n%s\r\n",
			       rows[i].line);
		s = core(text);
		assert_int_equal(s->dir, rows[i].dir);
		assert_int_equal(s->rtp.family, 0);
		assert_int_equal(s->rtcp.family, 0);
		assert_false(s->refused);
	}
	assert_int_equal(
		core(HEAD "c=IN IP6 ::\r\nm=audio 1 RTP/AVP 0\r\n")->dir,
		GW_DIR_SENDONLY);
	/* Beside ICE it is a filler. */
	assert_int_equal(web(HEAD ICE DTLS WEB_M)->dir, GW_DIR_SENDRECV);
}

static void addresses_come_from_the_nearest_line(void **state)
{
	const struct gw_sess_stream *s;
	char ip[GW_ADDR_STRLEN];

	(void)state;
	s = core(CORE "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.2/127\r\n"
		      "c=IN IP4 192.0.2.3\r\na=rtcp:4500\r\n"
		      "m=audio 5000 RTP/AVP 0\r\n"
		      "a=rtcp:5500 IN IP4 192.0.2.9\r\n"
		      "m=audio 65535 RTP/AVP 0\r\n");
	assert_string_equal(gw_addr_print(&s->rtp, ip, sizeof(ip)),
			    "192.0.2.2:4000");
	assert_string_equal(gw_addr_print(&s->rtcp, ip, sizeof(ip)),
			    "192.0.2.2:4500");
	s++;
	assert_string_equal(gw_addr_print(&s->rtp, ip, sizeof(ip)),
			    "192.0.2.1:5000");
	assert_string_equal(gw_addr_print(&s->rtcp, ip, sizeof(ip)),
			    "192.0.2.9:5500");
	s++;
	assert_int_equal(s->rtcp.family, 0); /* there is no port 65536 */
}

static void names_and_groups_are_no_addresses(void **state)
{
	(void)state;
	assert_int_equal(core(HEAD "c=IN IP4 a.example\r\n"
				   "m=audio 1 RTP/AVP 0\r\n")
				 ->rtp.family,
			 0);
	assert_int_equal(core(HEAD "c=IN IP4 224.2.1.1/127\r\n"
				   "m=audio 1 RTP/AVP 0\r\n")
				 ->rtp.family,
			 0);
	assert_int_equal(core(HEAD "c=IN IP6 ff02::1\r\n"
				   "m=audio 1 RTP/AVP 0\r\n")
				 ->rtp.family,
			 0);
	assert_fault(HEAD "m=audio 1 RTP/AVP 0\r\n", false, GW_SESS_BROKEN, 5,
		     "m= has no c= line, nor has the session");
	assert_fault(HEAD "c=IN\r\nm=audio 1 RTP/AVP 0\r\n", false,
		     GW_SESS_BROKEN, 5,
		     "c= is not of the form network, type, address");
	assert_fault(CORE "m=audio 1 RTP/AVP 0\r\na=rtcp:x\r\n", false,
		     GW_SESS_BROKEN, 7, "a=rtcp has no valid port");
}

static void tias_is_preferred_to_as_and_the_session_total_is_not_ours(void **st)
{
	(void)st;
	core(CORE "b=AS:500\r\nm=audio 1 RTP/AVP 0\r\nb=TIAS:64000\r\n"
		  "b=AS:80\r\nm=audio 1 RTP/AVP 0\r\nb=AS:80\r\n"
		  "m=audio 1 RTP/AVP 0\r\nb=AS:x\r\nb=RS:600\r\n");
	assert_int_equal(sess.stream[0].bandwidth_bps, 64000);
	assert_int_equal(sess.stream[1].bandwidth_bps, 80000);
	assert_int_equal(sess.stream[2].bandwidth_bps, 0);
}

static void attributes_of_webrtc_mean_nothing_to_the_core_profile(void **state)
{
	const struct gw_sess_stream *s;

	(void)state;
	s = core(CORE
		 "a=setup:nonsense\r\na=ice-ufrag:x\r\n"
		 "m=audio 1 RTP/AVP 0\r\na=fingerprint:sha-256 00\r\n"
		 "a=mid:\r\na=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\n");
	assert_int_equal(s->ncandidate, 0);
	assert_int_equal(s->setup, GW_SETUP_NONE);
	assert_false(s->has_fingerprint);
}

static void session_level_transport_is_inherited_and_overridden(void **state)
{
	const struct gw_sess_stream *s;

	(void)state;
	s = web(HEAD ICE DTLS
		"a=ice-lite\r\na=tls-id:12345678901234567890\r\n" WEB_M);
	assert_string_equal(s->ufrag, "abcd");
	assert_true(s->has_fingerprint);
	assert_int_equal(s->sha256[0], 0x4a);
	assert_int_equal(s->sha256[31], 0xc1);
	assert_int_equal(s->setup, GW_SETUP_ACTPASS);
	assert_true(s->ice_lite);
	assert_string_equal(s->tls_id, "12345678901234567890");

	s = web(HEAD ICE DTLS WEB_M "a=ice-ufrag:wxyz\r\na=setup:active\r\n"
				    "a=fingerprint:sha-1 00:11\r\n"
				    "a=fingerprint:SHA-256 ff"
				    ":AD:B9:B1:3F:82"
				    ":18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB"
				    ":3A:4D:60:4E:82:1C:93:0F:6A:B2:77:c2\r\n"
				    "a=fingerprint:sha-256 " PRINT "\r\n");
	assert_string_equal(s->ufrag, "wxyz");
	assert_int_equal(s->setup, GW_SETUP_ACTIVE);
	assert_int_equal(s->sha256[0], 0xff);
	assert_int_equal(s->sha256[31], 0xc2);
}

static void only_candidates_that_can_be_checked_are_kept(void **state)
{
	const struct gw_sess_stream *s;

	(void)state;
	s = web(HEAD ICE DTLS WEB_M
		"a=candidate:1 1 udp 100 192.0.2.5 4000 typ host\r\n"
		"a=candidate:2 1 UDP 99 2001:db8::5 4001 typ srflx raddr "
		"10.0.0.1 rport 4002 generation 0\r\n"
		"a=candidate:3 1 tcp 98 192.0.2.5 9 typ host tcptype active\r\n"
		"a=candidate:4 1 udp 97 abc.local 4003 typ host\r\n"
		"a=candidate:5 1 udp 96 192.0.2.5 0 typ host\r\n"
		"a=candidate:6 1 udp 95 0.0.0.0 4004 typ host\r\n"
		"a=candidate:7 2 udp 94 192.0.2.5 4005 typ host\r\n"
		"a=candidate:8 1 udp 93 192.0.2.5 4006 typ odd\r\n"
		"a=candidate:9 1 udp 4294967296 192.0.2.5 4007 typ host\r\n"
		"a=candidate:10 1 udp 92 239.0.0.1 4008 typ host\r\n"
		"a=candidate:\r\na=candidate\r\na=candidate:1 1 udp\r\n"
		"a=candidate:12345678901234567890123456789012x 1 udp 1 "
		"192.0.2.5 4009 typ host\r\n"
		"a=candidate:11 1 udp 91 192.0.2.6 4010 typ relay raddr "
		"0.0.0.0 rport 0\r\na=end-of-candidates\r\n");
	assert_int_equal(s->ncandidate, 3);
	assert_string_equal(s->candidate[0].foundation, "1");
	assert_int_equal(s->candidate[0].priority, 100);
	assert_int_equal(s->candidate[1].type, GW_CAND_SRFLX);
	assert_int_equal(s->candidate[1].addr.family, AF_INET6);
	assert_int_equal(s->candidate[1].related.port, 4002);
	assert_int_equal(s->candidate[2].type, GW_CAND_RELAY);
}

static void of_too_many_candidates_the_best_are_kept(void **state)
{
	static char text[8192];
	const struct gw_sess_stream *s;
	size_t n;
	int i;

	(void)state;
	n = (size_t)snprintf(text, sizeof(text), HEAD ICE DTLS WEB_M);
	for (i = 0; i < 40; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "a=candidate:1 1 udp %d 192.0.2.5 4000 "
				      "typ host\r\n",
				      i + 1);
	s = web(text);
	assert_int_equal(s->ncandidate, GW_SESS_MAX_CANDIDATES);
	for (i = 0; i < GW_SESS_MAX_CANDIDATES; i++)
		assert_true(s->candidate[i].priority > 24);
}

static void a_bundle_shares_what_its_first_m_line_says(void **state)
{
	const struct gw_sess_stream *s;

	(void)state;
	s = web(HEAD
		"a=group:LS x\r\na=group:BUNDLE 0 b nowhere\r\n" WEB_M ICE DTLS
		"a=candidate:1 1 udp 9 192.0.2.5 4000 typ host\r\n"
		"m=video 0 UDP/TLS/RTP/SAVPF 31\r\na=mid:b\r\n"
		"a=bundle-only\r\n"
		"m=video 0 UDP/TLS/RTP/SAVPF 31\r\na=mid:c\r\n");
	assert_true(sess.bundle);
	assert_true(s[0].bundled);
	assert_true(s[1].bundled);
	assert_false(s[1].refused); /* port 0, but only bundled */
	assert_string_equal(s[1].ufrag, "abcd");
	assert_true(s[1].has_fingerprint);
	assert_int_equal(s[1].setup, GW_SETUP_ACTPASS);
	assert_int_equal(s[1].ncandidate, 1);
	assert_true(s[2].refused);
	assert_false(s[2].bundled);
}

static void a_second_transport_is_not_served(void **state)
{
	(void)state;
	web(HEAD ICE DTLS WEB_M "m=audio 9 UDP/TLS/RTP/SAVPF 8\r\na=mid:1\r\n"
				"a=rtcp-mux\r\n");
	assert_int_equal(sess.stream[0].ncodec, 1);
	assert_int_equal(sess.stream[1].ncodec, 0);
	web(HEAD "a=group:BUNDLE 0 1\r\n" ICE DTLS WEB_M
		 "m=audio 9 UDP/TLS/RTP/SAVPF 8\r\na=mid:1\r\na=rtcp-mux\r\n");
	assert_int_equal(sess.stream[1].ncodec, 1);
}

static void what_a_browser_must_say_is_named_when_it_is_missing(void **state)
{
	(void)state;
	assert_fault(HEAD DTLS WEB_M, true, GW_SESS_UNUSABLE, 7,
		     "audio has no ICE credentials");
	assert_fault(HEAD ICE WEB_M, true, GW_SESS_UNUSABLE, 7,
		     "audio has no sha-256 fingerprint");
	assert_fault(HEAD ICE "a=fingerprint:sha-1 00:11\r\n" WEB_M, true,
		     GW_SESS_UNUSABLE, 8, "audio has no sha-256 fingerprint");
	assert_fault(HEAD ICE DTLS "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", true,
		     GW_SESS_UNUSABLE, 9, "audio has no rtcp-mux");
	assert_fault(CORE "m=audio 9 RTP/AVP 0\r\n", true, GW_SESS_UNUSABLE, 6,
		     "audio is not of RTP/SAVPF over DTLS");
	assert_fault(CORE "m=audio 9 RTP/SAVP 0\r\n", false, GW_SESS_UNUSABLE,
		     6, "audio is not of RTP/AVP");
	assert_fault(CORE "m=audio 9 RTP/AVP 13 101\r\n"
			  "a=rtpmap:101 telephone-event/8000\r\n",
		     false, GW_SESS_UNUSABLE, 6,
		     "audio has no codec that can be relayed");
	assert_fault(CORE "m=audio 0 RTP/AVP 0\r\n", false, GW_SESS_UNUSABLE, 0,
		     "no m-line with audio or video is alive");
	assert_fault(CORE, false, GW_SESS_UNUSABLE, 0,
		     "no m-line with audio or video is alive");
}

static void contradictions_of_the_web_profile_are_broken(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{"a=ice-ufrag:abc",
                 "a=ice-ufrag is not of 4 to 256 characters"										},
		{ "a=ice-ufrag:ab cd",
                 "a=ice-ufrag is not of 4 to 256 characters"										},
		{ "a=ice-pwd:short",
                 "a=ice-pwd is not of 22 to 256 characters"										 },
		{ "a=fingerprint:sha-256 4A:AD",
                 "a=fingerprint is no sha-256 value"											},
		{ "a=fingerprint:sha-256 GG:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E"
		  ":5D:49:6B:19:E5:7C:AB:3A:4D:60:4E:82:1C:93:0F:6A:B2:77:C1", "a=fingerprint is no sha-256 value"         },
		{ "a=setup:both",							       "a=setup has an unknown value"              },
		{ "a=tls-id:short",							     "a=tls-id is not of 20 to 255 characters"   },
		{ "a=mid:0123456789012345678901234567890123",
                 "a=mid is no token of at most 32 characters"									       },
		{ "a=mid:a b",								  "a=mid is no token of at most 32 characters"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[1024];

		(void)snprintf(text, sizeof(text), HEAD WEB_M "%s\r\n",
			       rows[i].line);
		assert_fault(text, true, GW_SESS_BROKEN, 9, rows[i].why);
	}
	assert_fault(HEAD ICE DTLS WEB_M "m=video 9 UDP/TLS/RTP/SAVPF 31\r\n"
					 "a=mid:0\r\n",
		     true, GW_SESS_BROKEN, 13, "two m-lines have one mid");
}

static void what_is_not_audio_keeps_its_place_and_words(void **state)
{
	const struct gw_sess_stream *s;

	(void)state;
	s = core(CORE "m=video 1 RTP/AVPF 31 34\r\n"
		      "m=application 2 UDP/DTLS/SCTP webrtc-datachannel\r\n"
		      "m=message 3 TCP/MSRP *\r\nm=audio 4 RTP/AVP 0\r\n"
		      "m=audio 0 RTP/AVP\r\n");
	assert_int_equal(sess.nstream, 5);
	assert_int_equal(s[0].kind, GW_KIND_VIDEO);
	assert_string_equal(s[0].proto, "RTP/AVPF");
	assert_string_equal(s[0].formats, "31 34");
	assert_int_equal(s[1].kind, GW_KIND_DATA);
	assert_string_equal(s[1].formats, "webrtc-datachannel");
	assert_int_equal(s[2].kind, GW_KIND_OTHER);
	assert_string_equal(s[2].media, "message");
	assert_string_equal(s[2].formats, "*");
	assert_int_equal(s[3].kind, GW_KIND_AUDIO);
	assert_true(s[4].refused);
}

static void long_format_lists_are_cut_between_formats(void **state)
{
	(void)state;
	core(CORE
	     "m=audio 1 RTP/AVP 0\r\nm=video 0 RTP/AVP 100 101 102 103 "
	     "104 105 106 107 108 109 110 111 112 113 114 115 116 117\r\n");
	assert_string_equal(sess.stream[1].formats,
			    "100 101 102 103 104 105 106 107 108 109 110 111 "
			    "112 113 114 115");
}

static void more_m_lines_than_a_call_may_have_are_refused(void **state)
{
	static char text[4096];
	size_t n;
	int i;

	(void)state;
	n = (size_t)snprintf(text, sizeof(text), CORE);
	for (i = 0; i < GW_SESS_MAX_STREAMS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "m=audio %d RTP/AVP 0\r\n", 4000 + 2 * i);
	core(text);
	assert_int_equal(sess.nstream, GW_SESS_MAX_STREAMS);
	(void)snprintf(text + n, sizeof(text) - n, "m=audio 1 RTP/AVP 0\r\n");
	assert_fault(text, false, GW_SESS_UNUSABLE, 6 + GW_SESS_MAX_STREAMS,
		     "more m= lines than a call may have");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_origin_is_read),
		cmocka_unit_test(static_payload_types_need_no_rtpmap),
		cmocka_unit_test(codec_names_are_spelt_as_iana_does),
		cmocka_unit_test(
			a_codec_that_cannot_be_repeated_in_full_is_left_out),
		cmocka_unit_test(a_payload_type_has_one_meaning),
		cmocka_unit_test(directions_inherit_and_default_to_sendrecv),
		cmocka_unit_test(
			the_old_hold_address_stops_what_its_writer_receives),
		cmocka_unit_test(addresses_come_from_the_nearest_line),
		cmocka_unit_test(names_and_groups_are_no_addresses),
		cmocka_unit_test(
			tias_is_preferred_to_as_and_the_session_total_is_not_ours),
		cmocka_unit_test(
			attributes_of_webrtc_mean_nothing_to_the_core_profile),
		cmocka_unit_test(
			session_level_transport_is_inherited_and_overridden),
		cmocka_unit_test(only_candidates_that_can_be_checked_are_kept),
		cmocka_unit_test(of_too_many_candidates_the_best_are_kept),
		cmocka_unit_test(a_bundle_shares_what_its_first_m_line_says),
		cmocka_unit_test(a_second_transport_is_not_served),
		cmocka_unit_test(
			what_a_browser_must_say_is_named_when_it_is_missing),
		cmocka_unit_test(contradictions_of_the_web_profile_are_broken),
		cmocka_unit_test(what_is_not_audio_keeps_its_place_and_words),
		cmocka_unit_test(long_format_lists_are_cut_between_formats),
		cmocka_unit_test(more_m_lines_than_a_call_may_have_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
