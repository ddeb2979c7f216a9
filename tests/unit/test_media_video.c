/* Video beside audio, between a browser and a phone, on loopback: the m-lines
 * of a bundle, feedback, key frames, header extensions. */
#include "tests/unit/media_webrtc.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/base/check.h"
#include "media/rtcp.h"

enum { WEB_VP8 = 98, PHONE_VP8 = 99, CVO_WEB = 13, CVO_PHONE = 5, MID = 4 };
#define CAMERA  0x43414d31u /* the browser's */
#define PHONE_V 0x50484f56u

static const char *codec_name = "vp8";

/* A call with two m-lines. */
struct video_call {
	struct bench_call c; /* its first m-line: audio */
	struct phone video;
	uint16_t seq;
};

static void put_video(struct gw_end *end, bool phone, uint8_t feedback)
{
	struct gw_stream *s = &end->stream[1];

	end->nstream = 2;
	*s = (struct gw_stream){
		.kind = GW_MEDIA_VIDEO,
		.ncodec = 1,
		.feedback = feedback,
		.bandwidth_bps = 1000000,
	};
	s->codec[0] = (struct gw_codec){
		.pt = phone ? PHONE_VP8 : WEB_VP8,
		.rx_pt = phone ? PHONE_VP8 : WEB_VP8,
		.channels = 1,
		.clock_hz = 90000,
	};
	(void)snprintf(s->codec[0].name, sizeof(s->codec[0].name), "%s",
		       codec_name);
	s->ext[GW_HDREXT_CVO] = phone ? CVO_PHONE : CVO_WEB;
}

static const struct gw_media_event *reserve(gw_ctx_id ctx, enum gw_term term,
					    enum gw_transport tp, uint8_t kind)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESERVE,
				    .term = term,
				    .ctx = ctx,
				    .call_id = "test" };
	const struct gw_media_event *ev;

	cmd.end.transport = tp;
	cmd.end.family = AF_INET;
	cmd.end.nstream = 2;
	for (unsigned i = 0; i < 2; i++)
		cmd.end.stream[i].ncodec = 1;
	cmd.end.stream[1].kind = kind;
	ev = bench_do(&b, &cmd);
	assert_int_equal(ev->type, GW_E_RESERVED);
	return ev;
}

static void configure(struct video_call *v, enum gw_term term, uint8_t feedback)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE,
				    .term = term,
				    .ctx = v->c.ctx };

	if (term == GW_TERM_A) {
		media_peer_describe(v->c.peer, &cmd.end);
		bench_audio(&cmd.end, false);
	} else {
		cmd.end.transport = GW_TP_RTP;
		cmd.end.family = AF_INET;
		bench_audio(&cmd.end, true);
		cmd.end.stream[0].rtp = v->c.phone.rtp_addr;
		cmd.end.stream[0].rtcp = v->c.phone.rtcp_addr;
	}
	put_video(&cmd.end, term == GW_TERM_B, feedback);
	if (term == GW_TERM_B) {
		cmd.end.stream[1].rtp = v->video.rtp_addr;
		cmd.end.stream[1].rtcp = v->video.rtcp_addr;
	}
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_CONFIGURED);
}

/* @phone_fb: what the phone knows of feedback. */
static void call(struct video_call *v, uint8_t phone_fb)
{
	const struct media_peer_options opt = { .active = true,
						.controlling = true };
	const struct gw_media_event *ev;
	struct bench_call *c = &v->c;

	memset(v, 0, sizeof(*v));
	c->ctx = gw_media_new_id(b.media);
	c->peer = media_peer_new(&opt);
	b.peer[0] = c->peer;
	c->ssrc = 0x42524f57;
	phone_open(&c->phone, "127.0.0.1");
	phone_open(&v->video, "127.0.0.1");
	v->video.ssrc = PHONE_V;

	ev = reserve(c->ctx, GW_TERM_A, GW_TP_DTLS, GW_MEDIA_VIDEO);
	c->local = ev->end;
	media_peer_set_remote(c->peer, &ev->end);
	ev = reserve(c->ctx, GW_TERM_B, GW_TP_RTP, GW_MEDIA_VIDEO);
	c->phone.gw_rtp = ev->end.stream[0].rtp;
	c->phone.gw_rtcp = ev->end.stream[0].rtcp;
	v->video.gw_rtp = ev->end.stream[1].rtp;
	v->video.gw_rtcp = ev->end.stream[1].rtcp;
	assert_int_not_equal(v->video.gw_rtp.port, c->phone.gw_rtp.port);

	configure(v, GW_TERM_A,
		  GW_MEDIA_FB_NACK | GW_MEDIA_FB_PLI | GW_MEDIA_FB_FIR |
			  GW_MEDIA_FB_REMB);
	configure(v, GW_TERM_B, phone_fb);
	bench_gate(&b, c->ctx, GW_TERM_A, GW_GATE_BOTH);
	bench_gate(&b, c->ctx, GW_TERM_B, GW_GATE_BOTH);
	bench_until(&b, media_peer_dtls_up(c->peer) &&
				bench_count(&b, c->ctx, GW_E_DTLS, GW_DTLS_UP));
}

static void hang_up(struct video_call *v)
{
	phone_close(&v->video);
	bench_hang_up(&b, &v->c);
}

/* A frame of one packet: header extension CVO under @cvo, "up" rotated. */
static size_t picture(uint8_t *pkt, uint8_t pt, uint16_t seq, uint32_t ssrc,
		      uint8_t cvo, uint8_t fill)
{
	uint8_t bare[172];

	(void)bench_rtp(bare, pt, seq, seq * 3000u, ssrc, fill);
	memcpy(pkt, bare, 12);
	pkt[0] = 0x90;
	pkt[12] = 0xbe;
	pkt[13] = 0xde;
	pkt[14] = 0;
	pkt[15] = 1;
	pkt[16] = (uint8_t)(cvo << 4);
	pkt[17] = 1;
	pkt[18] = pkt[19] = 0;
	memcpy(pkt + 20, bare + 12, 160);
	return 180;
}

static void phone_shows(struct video_call *v, uint8_t fill)
{
	uint8_t pkt[180];
	size_t len = picture(pkt, PHONE_VP8, ++v->video.seq, PHONE_V, CVO_PHONE,
			     fill);

	phone_send(&v->video, pkt, len);
}

static void browser_shows(struct video_call *v, uint8_t fill)
{
	uint8_t pkt[180];
	size_t len = picture(pkt, WEB_VP8, ++v->seq, CAMERA, CVO_WEB, fill);

	media_peer_send(v->c.peer, pkt, len);
}

static uint32_t ssrc_of(const uint8_t *rtp)
{
	return (uint32_t)rtp[8] << 24 | (uint32_t)rtp[9] << 16 |
	       (uint32_t)rtp[10] << 8 | rtp[11];
}

static void video_passes_beside_audio_on_ports_of_its_own(void **state)
{
	const struct media_peer_packet *got = NULL;
	struct video_call v;

	(void)state;
	call(&v, 0);
	bench_talk(&b, &v.c);
	browser_shows(&v, 0x5a);
	bench_until(&b, phone_hear(&v.video));
	assert_int_equal(v.video.last[1] & 0x7f, PHONE_VP8);
	assert_int_equal(v.video.len, 180);
	/* How the camera is held, under the phone's number for it. */
	assert_int_equal(v.video.last[16], CVO_PHONE << 4);
	assert_int_equal(v.video.last[17], 1);
	assert_int_equal(v.video.last[20], 0x5a);

	phone_shows(&v, 0xa5);
	bench_until(&b, (got = media_peer_rtp(v.c.peer)) != NULL);
	assert_int_equal(got->data[1] & 0x7f, WEB_VP8);
	assert_int_equal(ssrc_of(got->data), v.c.local.stream[1].ssrc);
	assert_int_equal(got->data[16], CVO_WEB << 4);
	assert_int_equal(got->data[20], 0xa5);
	bench_talk(&b, &v.c);
	hang_up(&v);
}

/* Media knows none of them from the other: what both ends have passes. */
static void pictures_of_every_codec_pass_both_ways(void **state)
{
	static const char *const names[] = { "h265", "av1", "vp9", "h264" };
	const struct media_peer_packet *got;
	struct video_call v;

	(void)state;
	for (unsigned i = 0; i < GW_ARRAY_LEN(names); i++) {
		codec_name = names[i];
		call(&v, 0);
		browser_shows(&v, 0x5a);
		bench_until(&b, phone_hear(&v.video));
		assert_int_equal(v.video.last[1] & 0x7f, PHONE_VP8);
		assert_int_equal(v.video.last[20], 0x5a);
		phone_shows(&v, 0xa5);
		bench_until(&b, (got = media_peer_rtp(v.c.peer)) != NULL);
		assert_int_equal(got->data[1] & 0x7f, WEB_VP8);
		assert_int_equal(got->data[20], 0xa5);
		hang_up(&v);
	}
	codec_name = "vp8";
}

/* A NACK of the browser about @seq of the video it gets. */
static void browser_misses(struct video_call *v, uint16_t seq, uint16_t behind)
{
	const struct gw_rtcp_missing missing = { seq, behind };
	uint8_t out[100] = { 0x80, 201, 0, 1, 0x43, 0x41, 0x4d, 0x31 };
	int n = gw_rtcp_add_nack(out, sizeof(out), 8, CAMERA,
				 v->c.local.stream[1].ssrc, &missing, 1);

	media_peer_send(v->c.peer, out, (size_t)n);
}

static void what_the_browser_misses_is_sent_again(void **state)
{
	static const char resent[] = "isthmus_rtp_retransmitted_total";
	int64_t before = bench_metric(resent);
	const struct media_peer_packet *got = NULL;
	struct video_call v;
	uint16_t seq;

	(void)state;
	call(&v, 0);
	phone_shows(&v, 1);
	bench_until(&b, (got = media_peer_rtp(v.c.peer)) != NULL);
	seq = (uint16_t)(got->data[2] << 8 | got->data[3]);
	media_peer_miss(v.c.peer, 2);
	phone_shows(&v, 2);
	phone_shows(&v, 3);
	phone_shows(&v, 4);
	bench_until(&b, (got = media_peer_rtp(v.c.peer)) != NULL);
	assert_int_equal(got->data[20], 4);
	bench_turn(&b, 20); /* sooner nothing is repeated */
	browser_misses(&v, (uint16_t)(seq + 1), 1);
	for (uint8_t fill = 2; fill <= 3; fill++) {
		bench_until(&b, (got = media_peer_rtp(v.c.peer)) != NULL);
		assert_int_equal(got->data[20], fill);
		assert_int_equal(got->data[2] << 8 | got->data[3],
				 (uint16_t)(seq + fill - 1));
	}
	assert_int_equal(bench_metric(resent), before + 2);
	assert_int_equal(media_peer_bad(v.c.peer), 0);
	/* Never sent, and long gone: nothing comes, nothing breaks. */
	browser_misses(&v, (uint16_t)(seq + 1000), 0xffff);
	bench_talk(&b, &v.c);
	assert_int_equal(bench_metric(resent), before + 2);
	hang_up(&v);
}

static void browser_wants_a_key_frame(struct video_call *v)
{
	uint8_t out[100] = { 0x80, 201, 0, 1, 0x43, 0x41, 0x4d, 0x31 };
	int n = gw_rtcp_add_pli(out, sizeof(out), 8, CAMERA,
				v->c.local.stream[1].ssrc);

	media_peer_send(v->c.peer, out, (size_t)n);
}

/* RTCP that came to the phone's video port and asks for a key frame. */
static bool phone_is_asked(struct video_call *v, bool fir)
{
	struct gw_rtcp_info info;
	uint8_t buf[600];
	ssize_t n;

	while ((n = recv(v->video.rtcp, buf, sizeof(buf), 0)) > 0) {
		assert_int_equal(
			gw_rtcp_parse(&info, buf, (size_t)n, PHONE_V, 0), 0);
		if (fir ? info.nfir : info.npli)
			return true;
	}
	return false;
}

static void a_phone_with_feedback_is_asked_by_rtcp(void **state)
{
	struct video_call v;

	(void)state;
	for (unsigned fir = 0; fir < 2; fir++) {
		call(&v, fir ? GW_MEDIA_FB_FIR : GW_MEDIA_FB_PLI);
		phone_shows(&v, 1);
		bench_until(&b, media_peer_rtp(v.c.peer) != NULL);
		browser_wants_a_key_frame(&v);
		bench_until(&b, phone_is_asked(&v, fir));
		assert_int_equal(bench_count(&b, v.c.ctx, GW_E_KEYFRAME, -1),
				 0);
		hang_up(&v);
	}
}

static void the_counters_tell_what_was_asked_for(void **state)
{
	const struct media_peer_packet *got = NULL;
	const struct gw_media_event *ev;
	const struct gw_feedback_stats *web, *phone;
	struct video_call v;

	(void)state;
	call(&v, GW_MEDIA_FB_PLI);
	phone_shows(&v, 1);
	bench_until(&b, (got = media_peer_rtp(v.c.peer)) != NULL);
	browser_misses(&v, (uint16_t)(got->data[2] << 8 | got->data[3]), 0);
	browser_wants_a_key_frame(&v);
	bench_until(&b, phone_is_asked(&v, false));
	ev = bench_release(&b, v.c.ctx);
	assert_int_equal(ev->type, GW_E_RELEASED);
	assert_int_equal(ev->stats[GW_TERM_A][0].kind, GW_MEDIA_AUDIO);
	assert_int_equal(ev->stats[GW_TERM_A][1].kind, GW_MEDIA_VIDEO);
	web = &ev->stats[GW_TERM_A][1].feedback;
	phone = &ev->stats[GW_TERM_B][1].feedback;
	assert_int_equal(web->nacks_in, 1);
	assert_int_equal(web->plis_in, 1);
	assert_int_equal(web->firs_in, 0);
	assert_int_equal(web->resent + web->missed, 1);
	assert_int_equal(web->plis_out, 0);
	assert_true(phone->plis_out >= 1);
	assert_int_equal(phone->firs_out, 0);
	assert_int_equal(phone->told_out, 0);
	assert_int_equal(phone->nacks_in, 0);
	b.peer[0] = NULL;
	media_peer_free(v.c.peer);
	phone_close(&v.video);
	phone_close(&v.c.phone);
}

static void a_phone_without_is_asked_by_the_call_and_not_in_a_rush(void **state)
{
	const struct gw_media_event *ev;
	struct video_call v;

	(void)state;
	call(&v, 0);
	phone_shows(&v, 1);
	bench_until(&b, media_peer_rtp(v.c.peer) != NULL);
	for (int i = 0; i < 10; i++)
		browser_wants_a_key_frame(&v);
	bench_until(&b, bench_count(&b, v.c.ctx, GW_E_KEYFRAME, -1));
	ev = bench_find(&b, v.c.ctx, GW_E_KEYFRAME, 0);
	assert_int_equal(ev->term, GW_TERM_B);
	assert_int_equal(ev->stream, 1);
	bench_turn(&b, 100);
	assert_int_equal(bench_count(&b, v.c.ctx, GW_E_KEYFRAME, -1), 1);
	/* What came too soon is not forgotten: once, when it may be. */
	bench_until(&b, bench_count(&b, v.c.ctx, GW_E_KEYFRAME, -1) == 2);
	hang_up(&v);
}

/* The bound that a compound tells, 0: none; *@pli: a key frame is wanted of
 * the camera. */
static uint64_t bound_in(const struct media_peer_packet *k, bool *pli)
{
	struct gw_rtcp_info info;

	assert_int_equal(gw_rtcp_parse(&info, k->data, k->len, CAMERA, 0), 0);
	*pli = info.npli;
	for (size_t at = 0; at + 24 <= k->len;
	     at += 4 + 4 * (size_t)(k->data[at + 2] << 8 | k->data[at + 3])) {
		const uint8_t *p = k->data + at;

		if (p[0] == 0x8f && p[1] == 206 && !memcmp(p + 12, "REMB", 4))
			return ((uint64_t)(p[17] & 3) << 16 |
				(uint64_t)p[18] << 8 | p[19])
			       << (p[17] >> 2);
	}
	return 0;
}

static bool browser_is_asked(struct video_call *v, uint64_t *bps)
{
	const struct media_peer_packet *k;
	bool pli = false;

	while (!pli && (k = media_peer_rtcp(v->c.peer)))
		*bps = bound_in(k, &pli);
	return pli;
}

static void a_browser_is_asked_by_rtcp_and_told_its_bound(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_KEYFRAME, .term = GW_TERM_A };
	struct video_call v;
	uint64_t bps = 0;

	(void)state;
	call(&v, 0);
	/* Who has sent nothing will begin with one. */
	cmd.ctx = v.c.ctx;
	(void)bench_post(&b, &cmd);
	configure(&v, GW_TERM_B, 0); /* it has been heard by now */
	browser_shows(&v, 1);
	bench_until(&b, phone_hear(&v.video));
	assert_false(browser_is_asked(&v, &bps));
	(void)bench_post(&b, &cmd);
	bench_until(&b, browser_is_asked(&v, &bps));
	/* b=AS of the phone, and the sound on top. */
	assert_in_range(bps, 1064000 - 10, 1064000);

	/* A gate that opens, as after hold: pictures begin anew. */
	bench_gate(&b, v.c.ctx, GW_TERM_B, GW_GATE_CLOSED);
	bench_gate(&b, v.c.ctx, GW_TERM_B, GW_GATE_BOTH);
	bench_until(&b, browser_is_asked(&v, &bps));
	hang_up(&v);
}

/* What is lost on the way here is asked for, comes late, and goes on in its
 * place; what never comes costs a key frame. */
static void what_the_browser_lost_is_asked_for(void **state)
{
	const struct media_peer_packet *k;
	struct gw_rtcp_info info = { 0 };
	uint8_t lost[180];
	struct video_call v;
	uint64_t bps;
	size_t len;
	uint16_t seq;

	(void)state;
	call(&v, 0);
	browser_shows(&v, 1);
	bench_until(&b, phone_hear(&v.video));
	seq = (uint16_t)(v.video.last[2] << 8 | v.video.last[3]);
	len = picture(lost, WEB_VP8, ++v.seq, CAMERA, CVO_WEB, 2);
	browser_shows(&v, 3);
	bench_until(&b, phone_hear(&v.video));
	assert_int_equal(v.video.last[20], 3);
	do {
		bench_until(&b, (k = media_peer_rtcp(v.c.peer)) != NULL);
		assert_int_equal(
			gw_rtcp_parse(&info, k->data, k->len, CAMERA, 0), 0);
	} while (!info.nnack);
	assert_int_equal(info.nmissing, 1);
	assert_int_equal(info.missing[0].seq, v.seq - 1);
	assert_int_equal(info.missing[0].behind, 0);
	media_peer_send(v.c.peer, lost, len);
	bench_until(&b, phone_hear(&v.video));
	assert_int_equal(v.video.last[20], 2);
	assert_int_equal(v.video.last[2] << 8 | v.video.last[3],
			 (uint16_t)(seq + 1));

	v.seq++; /* never sent */
	browser_shows(&v, 5);
	bench_until(&b, phone_hear(&v.video));
	bench_until(&b, browser_is_asked(&v, &bps));
	hang_up(&v);
}

/* Whatever gaps a browser makes: it is asked for them, in few words. */
static void many_gaps_are_asked_for_in_few_words(void **state)
{
	static const char asked[] = "isthmus_rtcp_nacks_sent_total";
	int64_t before = bench_metric(asked);
	const struct media_peer_packet *k;
	struct gw_rtcp_info info = { 0 };
	struct video_call v;
	uint64_t began, took_us;
	unsigned missing = 0;

	(void)state;
	call(&v, 0);
	browser_shows(&v, 1);
	bench_until(&b, phone_hear(&v.video));
	began = gw_clock_monotonic_us(NULL);
	for (int i = 0; i < 30; i++) {
		v.seq++;
		browser_shows(&v, 2);
	}
	while (missing < 30) {
		bench_until(&b, (k = media_peer_rtcp(v.c.peer)) != NULL);
		assert_int_equal(
			gw_rtcp_parse(&info, k->data, k->len, CAMERA, 0), 0);
		for (unsigned i = 0; i < info.nmissing; i++)
			missing += 1u + (unsigned)__builtin_popcount(
						info.missing[i].behind);
	}
	took_us = gw_clock_monotonic_us(NULL) - began;
	/* One in 10 ms, and what is asked for again. */
	assert_in_range(bench_metric(asked) - before, 1, 2 + took_us / 10000);
	hang_up(&v);
}

/* Two m-lines of audio, both with payload type 96, as browsers offer them. */
static void m_lines_that_share_a_payload_type_are_told_by_mid(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE, .term = GW_TERM_A };
	uint8_t pkt[180], bare[172];
	struct video_call v;

	(void)state;
	call(&v, 0);
	cmd.ctx = v.c.ctx;
	media_peer_describe(v.c.peer, &cmd.end);
	bench_audio(&cmd.end, false);
	cmd.end.nstream = 2;
	cmd.end.stream[1] = cmd.end.stream[0];
	for (unsigned i = 0; i < 2; i++) {
		cmd.end.stream[i].ext[GW_HDREXT_MID] = MID;
		(void)snprintf(cmd.end.stream[i].mid, 33, "m%u", i);
	}
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_CONFIGURED);
	cmd.term = GW_TERM_B;
	cmd.end.transport = GW_TP_RTP;
	cmd.end.family = AF_INET;
	bench_audio(&cmd.end, true);
	cmd.end.nstream = 2;
	cmd.end.stream[1] = cmd.end.stream[0];
	cmd.end.stream[0].rtp = v.c.phone.rtp_addr;
	cmd.end.stream[0].rtcp = v.c.phone.rtcp_addr;
	cmd.end.stream[1].rtp = v.video.rtp_addr;
	cmd.end.stream[1].rtcp = v.video.rtcp_addr;
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_CONFIGURED);

	/* "m1", then the same source without a name. */
	(void)bench_rtp(bare, 96, 1, 160, 77, 0x11);
	memcpy(pkt, bare, 12);
	pkt[0] = 0x90;
	memcpy(pkt + 12, "\xbe\xde\0\1", 4);
	pkt[16] = MID << 4 | 1;
	memcpy(pkt + 17, "m1", 3);
	memcpy(pkt + 20, bare + 12, 160);
	media_peer_send(v.c.peer, pkt, 180);
	bench_until(&b, phone_hear(&v.video));
	assert_int_equal(v.video.last[12], 0x11);
	(void)bench_rtp(bare, 96, 2, 320, 77, 0x12);
	media_peer_send(v.c.peer, bare, 172);
	bench_until(&b, phone_hear(&v.video));
	assert_int_equal(v.video.last[12], 0x12);
	/* A name that is nobody's, and a source never named: to nobody. */
	pkt[18] = '9';
	pkt[11] = 78;
	media_peer_send(v.c.peer, pkt, 180);
	(void)bench_rtp(bare, 96, 2, 320, 79, 0x13);
	media_peer_send(v.c.peer, bare, 172);
	/* "m0" */
	pkt[18] = '0';
	pkt[3] = 2;
	media_peer_send(v.c.peer, pkt, 180);
	bench_until(&b, phone_hear(&v.c.phone));
	assert_int_equal(v.c.phone.got, 1);
	assert_int_equal(v.video.got, 2);
	hang_up(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
		T(video_passes_beside_audio_on_ports_of_its_own),
		T(pictures_of_every_codec_pass_both_ways),
		T(what_the_browser_misses_is_sent_again),
		T(the_counters_tell_what_was_asked_for),
		T(a_phone_with_feedback_is_asked_by_rtcp),
		T(a_phone_without_is_asked_by_the_call_and_not_in_a_rush),
		T(a_browser_is_asked_by_rtcp_and_told_its_bound),
		T(what_the_browser_lost_is_asked_for),
		T(many_gaps_are_asked_for_in_few_words),
		T(m_lines_that_share_a_payload_type_are_told_by_mid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
