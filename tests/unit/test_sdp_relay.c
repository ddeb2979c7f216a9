/* Offer and answer between two legs: codecs, payload types, keypads, m-lines,
 * and what may be said of an answer or of a change. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/session.h"

static struct gw_sess web_offer, core_offer, web_answer, core_answer;

/* One audio m-line with the codecs of @list: "111=opus/48000/2;fmtp 0=..." is
 * read from text, so that the tests show what goes in and comes out alike. */
static void audio(struct gw_sess *s, const char *list)
{
	static char text[4096];
	struct gw_sdp_error err;
	char copy[1024], *save = NULL, *word;
	size_t n;

	n = (size_t)snprintf(text, sizeof(text),
			     "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"
			     "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP");
	(void)snprintf(copy, sizeof(copy), "%s", list);
	for (word = strtok_r(copy, " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %d",
				      atoi(word));
	n += (size_t)snprintf(text + n, sizeof(text) - n, "\r\n");
	(void)snprintf(copy, sizeof(copy), "%s", list);
	for (word = strtok_r(copy, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		char *codec = strchr(word, '='), *fmtp;

		if (!codec)
			continue;
		fmtp = strchr(codec, ';');
		if (fmtp)
			*fmtp++ = '\0';
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "a=rtpmap:%d %s\r\n", atoi(word),
				      codec + 1);
		if (fmtp)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
					      "a=fmtp:%d %s\r\n", atoi(word),
					      fmtp);
	}
	if (gw_sess_read(s, text, n, false, &err) == GW_SESS_BROKEN)
		fail_msg("%s: %s", list, err.text);
}

static const char *codecs(const struct gw_sess_stream *s)
{
	static char out[2048];
	size_t n = 0;
	unsigned i;

	out[0] = '\0';
	for (i = 0; i < s->ncodec; i++) {
		const struct gw_sess_codec *c = &s->codec[i];
		const char *name = gw_codec_is_event(c) ? "ev" : c->name;

		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%u=%s/%u",
				      i ? " " : "", c->pt, name, c->clock_hz);
		if (c->fmtp[0])
			n += (size_t)snprintf(out + n, sizeof(out) - n, ";%s",
					      c->fmtp);
	}
	return out;
}

#define EV8  "telephone-event/8000"
#define EV16 "telephone-event/16000"
#define EV48 "telephone-event/48000"
#define CHROME                                                                 \
	"111=opus/48000/2;minptime=10;useinbandfec=1 63=red/48000/2;111/111 "  \
	"9 0 8 13 110=" EV48 " 126=" EV8

struct offer_row {
	const char *from, *previous, *gives; /* gives NULL: -ENOENT */
};

/* clang-format off */
static const struct offer_row offers[] = {
	/* A browser's: red and CN go, both keypads are there already. */
	{ CHROME, NULL,
	  "111=opus/48000;minptime=10;useinbandfec=1 9=G722/8000 0=PCMU/8000 "
	  "8=PCMA/8000 110=ev/48000 126=ev/8000" },
	/* A phone's: the browser gets a keypad for Opus too, and vice versa. */
	{ "0 101=" EV8 ";0-16", NULL,
	  "0=PCMU/8000 101=ev/8000;0-16 110=ev/48000;0-16" },
	{ "96=opus/48000/2 97=" EV48, NULL,
	  "96=opus/48000 97=ev/48000 101=ev/8000" },
	{ "96=AMR-WB/16000 97=" EV16 ";0-15", NULL,
	  "96=AMR-WB/16000 97=ev/16000;0-15 110=ev/48000;0-15 101=ev/8000;0-15" },
	/* No keypad: none is invented. */
	{ "0 8", NULL, "0=PCMU/8000 8=PCMA/8000" },
	/* 101 and 110 are taken: the next free ones. */
	{ "101=opus/48000/2 110=speex/8000 96=" EV16, NULL,
	  "101=opus/48000 110=speex/8000 96=ev/16000 97=ev/48000 98=ev/8000" },
	/* A re-offer keeps the numbers of that leg, even where the same number
	 * means something else on the other. */
	{ "96=opus/48000/2 0 97=" EV8, "111=opus/48000/2 0 96=" EV8,
	  "111=opus/48000 0=PCMU/8000 96=ev/8000 110=ev/48000" },
	{ "111=AMR/8000 0", "111=opus/48000/2 0", "96=AMR/8000 0=PCMU/8000" },
	/* Same name, other framing: another encoding. */
	{ "96=AMR/8000;octet-align=1 97=AMR/8000", "96=AMR/8000",
	  "98=AMR/8000;octet-align=1 96=AMR/8000" },
	{ "96=rtx/8000 13 97=" EV8, NULL, NULL },
	{ "13", NULL, NULL },
};
/* clang-format on */

static void an_offer_carries_what_both_may_share(void **state)
{
	static struct gw_sess from, previous, out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		const struct offer_row *r = &offers[i];
		int rc;

		audio(&from, r->from);
		if (r->previous)
			audio(&previous, r->previous);
		rc = gw_sess_relay_offer(&out, &from,
					 r->previous ? &previous : NULL);
		assert_int_equal(rc, r->gives ? 0 : -ENOENT);
		if (r->gives)
			assert_string_equal(codecs(&out.stream[0]), r->gives);
		else
			assert_true(out.stream[0].refused);
	}
}

struct answer_row {
	const char *offer, *theirs, *gives;
};

/* clang-format off */
static const struct answer_row answers[] = {
	/* PCMU chosen: the keypad at its clock, under the browser's number. */
	{ CHROME, "0 101=" EV8 ";0-15", "0=PCMU/8000 126=ev/8000;0-15" },
	{ CHROME, "111=opus/48000/2;useinbandfec=1 110=" EV48,
	  "111=opus/48000;useinbandfec=1 110=ev/48000" },
	/* Opus with a keypad at 8000 only: both, media/ converts. */
	{ CHROME, "111=opus/48000/2 101=" EV8,
	  "111=opus/48000 110=ev/48000 126=ev/8000" },
	/* PCMU with a keypad at 48000 only: likewise. */
	{ CHROME, "0 110=" EV48, "0=PCMU/8000 126=ev/8000 110=ev/48000" },
	/* Without a keypad there: without one here. */
	{ CHROME, "8", "8=PCMA/8000" },
	/* Their order, our numbers. */
	{ CHROME, "8 0 96=opus/48000/2 97=" EV8,
	  "8=PCMA/8000 0=PCMU/8000 111=opus/48000 126=ev/8000 110=ev/48000" },
	/* A phone's only keypad fits no clock: it is taken all the same. */
	{ "96=opus/48000/2 101=" EV8 ";0-16", "111=opus/48000/2 110=" EV48,
	  "96=opus/48000 101=ev/8000;0-15" },
	{ "96=AMR-WB/16000;mode-set=2 97=" EV16, "96=AMR-WB/16000;mode-set=2 97=" EV16,
	  "96=AMR-WB/16000;mode-set=2 97=ev/16000" },
	/* What was not offered is not answered. */
	{ "0 101=" EV8, "13 18 0 101=" EV8, "0=PCMU/8000 101=ev/8000" },
	{ "0 101=" EV8, "8 101=" EV8, NULL },
	{ "96=AMR/8000;octet-align=1", "96=AMR/8000", NULL },
	{ CHROME, "63=red/48000/2 13", NULL },
};
/* clang-format on */

static void an_answer_keeps_what_the_other_leg_kept(void **state)
{
	static struct gw_sess offer, theirs, out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const struct answer_row *r = &answers[i];
		struct gw_sdp_error err;
		int rc;

		audio(&offer, r->offer);
		audio(&theirs, r->theirs);
		rc = gw_sess_relay_answer(&out, &offer, &theirs);
		assert_int_equal(rc, r->gives ? 0 : -ENOENT);
		assert_true(out.stream[0].refused == !r->gives);
		if (r->gives)
			assert_string_equal(codecs(&out.stream[0]), r->gives);
		assert_int_equal(gw_sess_check_answer(&offer, &out, &err), 0);
	}
}

/* Whatever the two ends choose, a digit pressed at one reaches the other when
 * both have a keypad: each end's description then has one at the main clock,
 * or the only ones it knows. */
static void dtmf_works_between_any_two_choices(void **state)
{
	static const char *const events[] = { "", " 101=" EV8, " 110=" EV48,
					      " 101=" EV8 " 110=" EV48 };
	static const char *const mains[] = { "0", "111=opus/48000/2",
					     "111=opus/48000/2 0",
					     "0 111=opus/48000/2" };
	char offer_text[128], answer_text[128];
	unsigned o, a, eo, ea, n = 0;

	(void)state;
	for (o = 0; o < 4; o++)
		for (a = 0; a < 2; a++)
			for (eo = 0; eo < 4; eo++)
				for (ea = 0; ea < 4; ea++) {
					const struct gw_sess_stream *s =
						&web_answer.stream[0];
					unsigned i, pads = 0;

					(void)snprintf(
						offer_text, sizeof(offer_text),
						"%s%s", mains[o], events[eo]);
					(void)snprintf(answer_text,
						       sizeof(answer_text),
						       "%s%s", mains[a],
						       events[ea]);
					audio(&web_offer, offer_text);
					audio(&core_answer, answer_text);
					if (gw_sess_relay_answer(&web_answer,
								 &web_offer,
								 &core_answer))
						continue;
					for (i = 0; i < s->ncodec; i++)
						pads += gw_codec_is_event(
								&s->codec[i])
								? 1
								: 0;
					if (eo == 0 || ea == 0)
						assert_int_equal(pads, 0);
					else
						assert_true(pads > 0);
					/* With both on offer, the main codec's clock is among them. */
					if (eo == 3 && ea > 0) {
						assert_true(gw_codec_is_event(
							&s->codec[1]));
						assert_int_equal(
							s->codec[1].clock_hz,
							s->codec[0].clock_hz);
					}
					n++;
				}
	assert_true(n > 40);
}

static void a_full_call_from_the_browser_keeps_every_number(void **state)
{
	static struct gw_sess again;

	(void)state;
	audio(&web_offer, CHROME);
	assert_int_equal(gw_sess_relay_offer(&core_offer, &web_offer, NULL), 0);
	audio(&core_answer, "0 126=" EV8);
	assert_int_equal(
		gw_sess_relay_answer(&web_answer, &web_offer, &core_answer), 0);
	assert_string_equal(codecs(&web_answer.stream[0]),
			    "0=PCMU/8000 126=ev/8000");

	/* The phone re-offers more: known numbers stay, 110 is Opus' keypad
	 * still, and nothing of the browser's changes its meaning. */
	audio(&core_answer, "0 8 101=" EV8 " 111=AMR/8000");
	assert_int_equal(gw_sess_relay_offer(&again, &core_answer, &web_offer),
			 0);
	assert_string_equal(codecs(&again.stream[0]),
			    "0=PCMU/8000 8=PCMA/8000 126=ev/8000 96=AMR/8000 "
			    "110=ev/48000");
}

static void add_stream(struct gw_sess *s, enum gw_kind kind, const char *media,
		       const char *proto, const char *formats, bool refused)
{
	struct gw_sess_stream *m = &s->stream[s->nstream++];

	m->kind = kind;
	m->refused = refused;
	m->dir = GW_DIR_SENDRECV;
	(void)snprintf(m->media, sizeof(m->media), "%s", media);
	(void)snprintf(m->proto, sizeof(m->proto), "%s", proto);
	(void)snprintf(m->formats, sizeof(m->formats), "%s", formats);
}

static void m_lines_keep_count_and_order(void **state)
{
	static struct gw_sess from, out, ans;
	unsigned i;

	(void)state;
	audio(&from, "0");
	from.stream[1] = from.stream[0];
	memset(&from.stream[0], 0, sizeof(from.stream[0]));
	from.nstream = 0;
	add_stream(&from, GW_KIND_VIDEO, "video", "UDP/TLS/RTP/SAVPF", "96 97",
		   false);
	from.nstream = 2;
	(void)snprintf(from.stream[1].mid, sizeof(from.stream[1].mid), "a1");
	from.stream[1].bundled = true;
	add_stream(&from, GW_KIND_DATA, "application", "UDP/DTLS/SCTP",
		   "webrtc-datachannel", false);
	add_stream(&from, GW_KIND_OTHER, "image", "udptl", "t38", false);
	add_stream(&from, GW_KIND_AUDIO, "audio", "RTP/AVP", "8", true);

	assert_int_equal(gw_sess_relay_offer(&out, &from, NULL), 0);
	assert_int_equal(out.nstream, 5);
	for (i = 0; i < 5; i++) {
		assert_true(out.stream[i].refused == (i != 1));
	}
	assert_string_equal(out.stream[1].proto, "");
	/* How the other leg is connected does not show, and what browsers do
	 * not parse is not sent to them. */
	assert_string_equal(out.stream[0].media, "video");
	assert_string_equal(out.stream[0].proto, "RTP/AVP");
	assert_string_equal(out.stream[0].formats, "96 97");
	for (i = 2; i < 4; i++) {
		assert_string_equal(out.stream[i].media, "audio");
		assert_string_equal(out.stream[i].proto, "RTP/AVP");
		assert_string_equal(out.stream[i].formats, "0");
	}

	/* The answer refuses in the offer's own words, and echoes its mid. */
	assert_int_equal(gw_sess_relay_answer(&ans, &from, &out), 0);
	assert_int_equal(ans.nstream, 5);
	assert_string_equal(ans.stream[0].proto, "UDP/TLS/RTP/SAVPF");
	assert_string_equal(ans.stream[0].formats, "96 97");
	assert_string_equal(ans.stream[2].media, "application");
	assert_string_equal(ans.stream[2].formats, "webrtc-datachannel");
	assert_string_equal(ans.stream[3].proto, "udptl");
	assert_string_equal(ans.stream[1].mid, "a1");
	assert_true(ans.stream[1].bundled);
	assert_false(ans.stream[1].refused);
}

static void an_m_line_once_used_is_never_dropped(void **state)
{
	static struct gw_sess from, previous, out;

	(void)state;
	audio(&from, "0");
	audio(&previous, "0");
	(void)snprintf(previous.stream[0].mid, 33, "audio");
	add_stream(&previous, GW_KIND_VIDEO, "video", "RTP/AVP", "31", false);
	(void)snprintf(previous.stream[1].mid, 33, "video");
	assert_int_equal(gw_sess_relay_offer(&out, &from, &previous), 0);
	assert_int_equal(out.nstream, 2);
	assert_string_equal(out.stream[0].mid, "audio");
	assert_true(out.stream[0].bundled);
	assert_true(out.stream[1].refused);
	assert_false(out.stream[1].bundled);
	assert_string_equal(out.stream[1].mid, "video");
}

/* The browser knows m-line 1 as its data channel, which we refused.  It stays
 * that in our re-offers, whatever the phone calls its own; only when it comes
 * alive as audio is it a new m-line, with a tag of its own. */
static void
a_re_offer_speaks_of_refused_m_lines_as_the_leg_knows_them(void **st)
{
	static struct gw_sess from, previous, out;

	(void)st;
	audio(&from, "0");
	add_stream(&from, GW_KIND_AUDIO, "audio", "RTP/AVP", "0", true);
	audio(&previous, "0");
	(void)snprintf(previous.stream[0].mid, 33, "0");
	add_stream(&previous, GW_KIND_DATA, "application", "UDP/DTLS/SCTP",
		   "webrtc-datachannel", true);
	(void)snprintf(previous.stream[1].mid, 33, "1");
	assert_int_equal(gw_sess_relay_offer(&out, &from, &previous), 0);
	assert_string_equal(out.stream[1].media, "application");
	assert_string_equal(out.stream[1].formats, "webrtc-datachannel");
	assert_string_equal(out.stream[1].mid, "1");
	assert_true(out.stream[1].refused);

	from.stream[1] = from.stream[0];
	assert_int_equal(gw_sess_relay_offer(&out, &from, &previous), 0);
	assert_false(out.stream[1].refused);
	assert_string_equal(out.stream[1].media, "audio");
	assert_string_equal(out.stream[1].mid, "again1");
	assert_string_equal(out.stream[0].mid, "0");
}

static void packet_times_and_bandwidth_pass_through(void **state)
{
	static struct gw_sess from, out, theirs;

	(void)state;
	audio(&from, "0");
	from.stream[0].ptime_ms = 30;
	from.stream[0].maxptime_ms = 60;
	from.stream[0].bandwidth_bps = 80000;
	assert_int_equal(gw_sess_relay_offer(&out, &from, NULL), 0);
	assert_int_equal(out.stream[0].ptime_ms, 30);
	assert_int_equal(out.stream[0].maxptime_ms, 60);
	assert_int_equal(out.stream[0].bandwidth_bps, 80000);
	audio(&theirs, "0");
	theirs.stream[0].ptime_ms = 20;
	assert_int_equal(gw_sess_relay_answer(&out, &from, &theirs), 0);
	assert_int_equal(out.stream[0].ptime_ms, 20);
}

static void more_codecs_than_fit_leave_room_for_the_keypads(void **state)
{
	static struct gw_sess from, out;
	unsigned i, pads = 0;

	(void)state;
	audio(&from, "0 3 4 5 6 7 8 9 15 18 96=opus/48000/2 97=" EV16);
	assert_int_equal(from.stream[0].ncodec, GW_SESS_MAX_CODECS);
	assert_int_equal(gw_sess_relay_offer(&out, &from, NULL), 0);
	assert_int_equal(out.stream[0].ncodec, GW_SESS_MAX_CODECS);
	for (i = 0; i < out.stream[0].ncodec; i++)
		pads += gw_codec_is_event(&out.stream[0].codec[i]) ? 1 : 0;
	assert_int_equal(pads, 3);
}

static void our_own_answer_takes_one_codec_and_its_keypad(void **state)
{
	static struct gw_sess offer, out, again;

	(void)state;
	audio(&offer, CHROME);
	assert_int_equal(
		gw_sess_local_answer(&out, &offer, GW_DIR_SENDRECV, NULL), 0);
	assert_string_equal(codecs(&out.stream[0]),
			    "111=opus/48000;minptime=10;useinbandfec=1 "
			    "110=ev/48000");
	/* The codec spoken so far is kept when the order changes. */
	audio(&offer, "0 96=opus/48000/2 97=" EV8);
	assert_int_equal(
		gw_sess_local_answer(&again, &offer, GW_DIR_SENDRECV, &out), 0);
	assert_string_equal(codecs(&again.stream[0]),
			    "96=opus/48000 97=ev/8000");
	audio(&offer, "8 0");
	assert_int_equal(
		gw_sess_local_answer(&again, &offer, GW_DIR_RECVONLY, &out), 0);
	assert_string_equal(codecs(&again.stream[0]), "8=PCMA/8000");
	assert_int_equal(again.stream[0].dir, GW_DIR_RECVONLY);
	audio(&offer, "13");
	assert_int_equal(
		gw_sess_local_answer(&again, &offer, GW_DIR_SENDRECV, NULL),
		-ENOENT);
	assert_true(again.stream[0].refused);
}

static void default_audio_has_a_keypad_at_each_clock_in_use(void **state)
{
	static const char *const all[] = { "opus", "G722", "PCMU", "pcma" };
	static const char *const two[] = { "PCMA", "PCMA" };
	static const char *const bad[] = { "opus", "MP3" };
	static const char *const fec[] = { "red" };
	static struct gw_sess_stream s;

	(void)state;
	assert_int_equal(gw_sess_default_audio(&s, all, 4), 0);
	assert_string_equal(codecs(&s),
			    "111=opus/48000;minptime=10;useinbandfec=1 "
			    "9=G722/8000 0=PCMU/8000 8=PCMA/8000 "
			    "110=ev/48000;0-15 101=ev/8000;0-15");
	assert_int_equal(s.kind, GW_KIND_AUDIO);
	assert_int_equal(s.dir, GW_DIR_SENDRECV);
	assert_int_equal(gw_sess_default_audio(&s, all, 1), 0);
	assert_string_equal(codecs(&s),
			    "111=opus/48000;minptime=10;useinbandfec=1 "
			    "110=ev/48000;0-15");
	assert_int_equal(gw_sess_default_audio(&s, two, 2), 0);
	assert_string_equal(codecs(&s), "8=PCMA/8000 101=ev/8000;0-15");
	assert_int_equal(gw_sess_default_audio(&s, bad, 2), -EINVAL);
	assert_int_equal(gw_sess_default_audio(&s, fec, 1), -EINVAL);
	assert_int_equal(gw_sess_default_audio(&s, all, 0), -EINVAL);
	assert_string_equal(codecs(&s), "8=PCMA/8000 101=ev/8000;0-15");
}

static void default_video_comes_behind_what_is_there(void **state)
{
	static const char *const all[] = { "opus", "G722", "PCMU", "PCMA" };
	static struct gw_sess s;
	uint8_t mid;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.nstream = 1;
	assert_int_equal(gw_sess_default_audio(&s.stream[0], all, 4), 0);
	assert_int_equal(gw_sess_default_video(&s), 0);
	assert_int_equal(s.nstream, 2);
	assert_int_equal(s.stream[1].kind, GW_KIND_VIDEO);
	assert_int_equal(s.stream[1].dir, GW_DIR_SENDRECV);
	assert_true(gw_sess_main_codec(&s.stream[1]) == &s.stream[1].codec[0]);
	/* One bundle: a number is one codec's, and each line has its name. */
	for (unsigned v = 0; v < s.stream[1].ncodec; v++) {
		assert_int_equal(s.stream[1].codec[v].fb, GW_FB_ALL);
		for (unsigned a = 0; a < s.stream[0].ncodec; a++)
			assert_int_not_equal(s.stream[1].codec[v].pt,
					     s.stream[0].codec[a].pt);
	}
	mid = s.stream[0].ext[GW_SESS_EXT_MID];
	assert_int_not_equal(mid, 0);
	assert_int_equal(s.stream[1].ext[GW_SESS_EXT_MID], mid);
	assert_int_not_equal(s.stream[1].ext[GW_SESS_EXT_CVO], 0);
	assert_int_equal(s.stream[0].ext[GW_SESS_EXT_CVO], 0);
	/* Browsers have them all. */
	assert_int_equal(gw_sess_for_web(&s), 0);
	assert_int_equal(s.stream[1].ncodec, 4);
	while (s.nstream < GW_SESS_MAX_STREAMS)
		assert_int_equal(gw_sess_default_video(&s), 0);
	assert_int_equal(gw_sess_default_video(&s), -ENOSPC);
	assert_int_equal(s.nstream, GW_SESS_MAX_STREAMS);
}

static struct gw_sess_codec codec(const char *name, uint32_t clock_hz,
				  uint8_t channels, const char *fmtp)
{
	struct gw_sess_codec c = { 96, channels, clock_hz, "", "", 0 };

	(void)snprintf(c.name, sizeof(c.name), "%s", name);
	(void)snprintf(c.fmtp, sizeof(c.fmtp), "%s", fmtp);
	return c;
}

static void
the_same_codec_has_the_same_name_clock_channels_and_framing(void **st)
{
	/* clang-format off */
	static const struct {
		const char *name_a, *fmtp_a, *name_b, *fmtp_b;
		bool same;
	} rows[] = {
		{ "opus", "", "OPUS", "useinbandfec=1", true },
		{ "opus", "", "G722", "", false },
		{ "AMR", "", "AMR", "octet-align=0; mode-set=1", true },
		{ "AMR", "octet-align=1", "AMR", "mode-set=7;octet-align=1", true },
		{ "AMR", "octet-align=1", "AMR", "", false },
		{ "AMR-WB", "crc=1;octet-align=1", "AMR-WB", "octet-align=1", false },
		{ "G7221", "bitrate=24000", "G7221", "bitrate=32000", false },
		{ "H264", "profile-level-id=42e01f;packetization-mode=1",
		  "H264", "packetization-mode=1; PROFILE-LEVEL-ID=42E034", true },
		{ "H264", "profile-level-id=42e01f", "H264",
		  "profile-level-id=42e01f;packetization-mode=1", false },
		{ "H264", "profile-level-id=42e01f", "H264",
		  "profile-level-id=4d001f", false },
		{ "VP9", "profile-id=0", "VP9", "", true },
		{ "VP9", "profile-id=2", "VP9", "", false },
	};
	/* clang-format on */
	struct gw_sess_codec a, b;
	size_t i;

	(void)st;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a = codec(rows[i].name_a, 8000, 1, rows[i].fmtp_a);
		b = codec(rows[i].name_b, 8000, 1, rows[i].fmtp_b);
		assert_true(gw_codec_same(&a, &b) == rows[i].same);
		assert_true(gw_codec_same(&b, &a) == rows[i].same);
	}
	a = codec("L16", 44100, 1, "");
	b = codec("L16", 44100, 2, "");
	assert_false(gw_codec_same(&a, &b));
	b = codec("L16", 16000, 1, "");
	assert_false(gw_codec_same(&a, &b));
}

static void repair_and_comfort_noise_are_not_relayed(void **state)
{
	static const char *const no[] = { "CN",     "red",        "RTX",
					  "ulpfec", "flexfec-03", "parityfec",
					  "" };
	static const char *const yes[] = { "opus", "EVS", "x-private",
					   "telephone-event", "G729" };
	struct gw_sess_codec c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		c = codec(no[i], 8000, 1, "");
		assert_false(gw_codec_supported(&c));
	}
	for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		c = codec(yes[i], 8000, 1, "");
		assert_true(gw_codec_supported(&c));
	}
}

static void an_illegal_answer_is_told_from_a_sloppy_one(void **state)
{
	static struct gw_sess offer, answer;
	struct gw_sdp_error err;

	(void)state;
	audio(&offer, "0 8 101=" EV8);
	audio(&answer, "8 13");
	assert_int_equal(gw_sess_check_answer(&offer, &answer, &err), 0);
	assert_string_equal(err.text, "");

	audio(&answer, "18 101=" EV8);
	assert_int_equal(gw_sess_check_answer(&offer, &answer, &err), -EINVAL);
	assert_string_equal(err.text, "m-line 1: has no codec of the offer");
	assert_int_equal(gw_sess_check_answer(&offer, &answer, NULL), -EINVAL);

	audio(&answer, "0");
	answer.nstream = 2;
	assert_int_equal(gw_sess_check_answer(&offer, &answer, &err), -EINVAL);
	assert_string_equal(err.text,
			    "answer has not as many m-lines as the offer");

	audio(&answer, "0");
	answer.stream[0].kind = GW_KIND_VIDEO;
	assert_int_equal(gw_sess_check_answer(&offer, &answer, &err), -EINVAL);
	assert_string_equal(err.text, "m-line 1: is of another media type");

	audio(&answer, "0");
	offer.stream[0].refused = true;
	assert_int_equal(gw_sess_check_answer(&offer, &answer, &err), -EINVAL);
	assert_string_equal(err.text, "m-line 1: was refused in the offer");
	offer.stream[0].refused = false;
	answer.stream[0].setup = GW_SETUP_ACTPASS;
	assert_int_equal(gw_sess_check_answer(&offer, &answer, &err), -EINVAL);
	assert_string_equal(err.text, "m-line 1: answers setup with actpass");
	answer.stream[0].refused = true;
	assert_int_equal(gw_sess_check_answer(&offer, &answer, &err), 0);
}

/* Phones that forget a=recvonly when they are put on hold are many. */
static void a_direction_wider_than_the_offer_is_noted_and_cut(void **state)
{
	static struct gw_sess offer, answer, out;
	struct gw_sdp_error err;
	int o, a;

	(void)state;
	for (o = 0; o < 4; o++)
		for (a = 0; a < 4; a++) {
			bool legal =
				gw_dir_answer((enum gw_dir)o, (enum gw_dir)a) ==
				(enum gw_dir)a;

			audio(&offer, "0");
			audio(&answer, "0");
			offer.stream[0].dir = (enum gw_dir)o;
			answer.stream[0].dir = (enum gw_dir)a;
			assert_int_equal(
				gw_sess_check_answer(&offer, &answer, &err), 0);
			assert_string_equal(
				err.text,
				legal ? ""
				      : "direction is wider than the offer's");
			assert_int_equal(
				gw_sess_relay_answer(&out, &offer, &answer), 0);
			assert_int_equal(
				gw_sess_check_answer(&offer, &out, &err), 0);
			assert_string_equal(err.text, "");
		}
}

static void each_change_has_its_flag(void **state)
{
	static struct gw_sess a, b;
	struct gw_sess_stream *s = &b.stream[0];

	(void)state;
	audio(&a, "0 8");
	a.stream[0].has_fingerprint = true;
	a.stream[0].setup = GW_SETUP_ACTPASS;
#define CHANGED(statement, flags)                                              \
	do {                                                                   \
		b = a;                                                         \
		b.version++;                                                   \
		statement;                                                     \
		assert_int_equal(gw_sess_changes(&a, &b), (flags));            \
		assert_int_equal(gw_sess_changes(&b, &a), (flags));            \
		assert_true(gw_sess_is_refresh(&a, &b) == !(flags));           \
	} while (0)
	CHANGED((void)0, GW_CHANGE_NONE);
	CHANGED(b.nstream = 2, GW_CHANGE_STREAMS);
	CHANGED(s->refused = true, GW_CHANGE_STREAMS);
	CHANGED(s->ncodec = 1, GW_CHANGE_CODECS);
	CHANGED(s->codec[0].pt = 96, GW_CHANGE_CODECS);
	CHANGED(strcpy(s->codec[1].fmtp, "x=1"), GW_CHANGE_CODECS);
	CHANGED(s->ptime_ms = 30, GW_CHANGE_CODECS);
	CHANGED(s->dir = GW_DIR_SENDONLY, GW_CHANGE_DIR);
	CHANGED(strcpy(s->ufrag, "new1"), GW_CHANGE_ICE);
	CHANGED(strcpy(s->pwd, "new"), GW_CHANGE_ICE);
	CHANGED(s->sha256[31] ^= 1, GW_CHANGE_DTLS);
	CHANGED(s->setup = GW_SETUP_ACTIVE, GW_CHANGE_NONE);
	CHANGED(s->setup = GW_SETUP_HOLDCONN, GW_CHANGE_DTLS);
	CHANGED(strcpy(s->tls_id, "t"), GW_CHANGE_DTLS);
	CHANGED(s->rtp.port++, GW_CHANGE_ADDR);
	CHANGED(s->rtcp.port++, GW_CHANGE_ADDR);
	CHANGED((s->rtp.port++, s->dir = GW_DIR_INACTIVE),
		GW_CHANGE_ADDR | GW_CHANGE_DIR);
	strcpy(a.stream[0].ufrag, "abcd");
	CHANGED(s->rtp.port++, GW_CHANGE_NONE); /* ICE decides */
#undef CHANGED
	b = a;
	b.stream[0].dir = GW_DIR_INACTIVE;
	assert_true(gw_sess_is_refresh(&a, &b)); /* same o= version */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_carries_what_both_may_share),
		cmocka_unit_test(an_answer_keeps_what_the_other_leg_kept),
		cmocka_unit_test(dtmf_works_between_any_two_choices),
		cmocka_unit_test(
			a_full_call_from_the_browser_keeps_every_number),
		cmocka_unit_test(m_lines_keep_count_and_order),
		cmocka_unit_test(an_m_line_once_used_is_never_dropped),
		cmocka_unit_test(
			a_re_offer_speaks_of_refused_m_lines_as_the_leg_knows_them),
		cmocka_unit_test(packet_times_and_bandwidth_pass_through),
		cmocka_unit_test(
			more_codecs_than_fit_leave_room_for_the_keypads),
		cmocka_unit_test(our_own_answer_takes_one_codec_and_its_keypad),
		cmocka_unit_test(
			default_audio_has_a_keypad_at_each_clock_in_use),
		cmocka_unit_test(default_video_comes_behind_what_is_there),
		cmocka_unit_test(
			the_same_codec_has_the_same_name_clock_channels_and_framing),
		cmocka_unit_test(repair_and_comfort_noise_are_not_relayed),
		cmocka_unit_test(an_illegal_answer_is_told_from_a_sloppy_one),
		cmocka_unit_test(
			a_direction_wider_than_the_offer_is_noted_and_cut),
		cmocka_unit_test(each_change_has_its_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
