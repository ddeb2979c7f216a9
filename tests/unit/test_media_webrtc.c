/* What a browser may do to the media module, and what it must not get away
 * with: identities, restarts, reloads, losses. */
#include "tests/unit/media_bench.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "media/dtls.h"

static struct bench b;

#define DISCARDED(why) "isthmus_media_discarded_total{reason=\"" why "\"}"

static int start(void **state)
{
	struct gw_media_config cfg;

	(void)state;
	bench_config(&cfg);
	bench_start(&b, &cfg);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	bench_stop(&b);
	return 0;
}

static void restart_bench(const struct gw_media_config *cfg)
{
	bench_stop(&b);
	bench_start(&b, cfg);
}

/* A DTLS termination whose browser is told nothing wrong but the fingerprint,
 * which the gateway gets as @wrong. */
static void wrong_fingerprint(bool active)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE, .term = GW_TERM_A };
	gw_ctx_id ctx = gw_media_new_id(b.media);
	struct media_peer *p = media_peer_new(&(struct media_peer_options){
		.active = active, .controlling = true });
	const struct gw_media_event *ev;

	b.peer[0] = p;
	ev = bench_reserve(&b, ctx, GW_TERM_A, GW_TP_DTLS, 0);
	media_peer_set_remote(p, &ev->end);
	cmd.ctx = ctx;
	media_peer_describe(p, &cmd.end);
	bench_audio(&cmd.end, false);
	cmd.end.sha256[7] ^= 1;
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_CONFIGURED);
	bench_gate(&b, ctx, GW_TERM_A, GW_GATE_BOTH);
	bench_until(&b,
		    bench_count(&b, ctx, GW_E_DTLS, GW_DTLS_BAD_FINGERPRINT));
	assert_int_equal(bench_count(&b, ctx, GW_E_DTLS, GW_DTLS_UP), 0);
	/* The browser learns it by an alert, when it is still listening. */
	if (!active)
		bench_until(&b, media_peer_dtls_failed(p) ||
					media_peer_dtls_closed(p));
	assert_int_equal(bench_release(&b, ctx)->type, GW_E_RELEASED);
	b.peer[0] = NULL;
	media_peer_free(p);
}

static void wrong_certificate_of_a_client_is_refused(void **state)
{
	(void)state;
	wrong_fingerprint(true);
}

static void wrong_certificate_of_a_server_is_refused(void **state)
{
	(void)state;
	wrong_fingerprint(false);
}

static void media_before_dtls_is_not_relayed(void **state)
{
	int64_t before = bench_metric(DISCARDED("before_dtls"));
	struct media_peer_options opt = { .active = false,
					  .controlling = true };
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE, .term = GW_TERM_A };
	struct media_peer *p = media_peer_new(&opt);
	gw_ctx_id ctx = gw_media_new_id(b.media);
	struct phone phone;
	const struct gw_media_event *ev;
	uint8_t pkt[172];

	(void)state;
	b.peer[0] = p;
	phone_open(&phone, "127.0.0.1");
	ev = bench_reserve(&b, ctx, GW_TERM_A, GW_TP_DTLS, 0);
	media_peer_set_remote(p, &ev->end);
	ev = bench_reserve(&b, ctx, GW_TERM_B, GW_TP_RTP, AF_INET);
	phone.gw_rtp = ev->end.stream[0].rtp;
	phone.gw_rtcp = ev->end.stream[0].rtcp;
	/* Both wait for the other's ClientHello: ICE is up, DTLS never. */
	cmd.ctx = ctx;
	media_peer_describe(p, &cmd.end);
	bench_audio(&cmd.end, false);
	cmd.end.setup = GW_DTLS_ACTIVE;
	(void)bench_do(&b, &cmd);
	(void)bench_configure_phone(&b, ctx, GW_TERM_B, &phone);
	bench_gate(&b, ctx, GW_TERM_A, GW_GATE_BOTH);
	bench_gate(&b, ctx, GW_TERM_B, GW_GATE_BOTH);
	bench_until(&b, bench_count(&b, ctx, GW_E_ICE, GW_ICE_CONNECTED) &&
				media_peer_ice_up(p));

	for (uint16_t i = 0; i < 5; i++) {
		(void)bench_rtp(pkt, 96, i, i * 160u, 0x1111, 0x55);
		media_peer_send_raw(p, pkt, sizeof(pkt));
		(void)phone_talk(&phone);
	}
	bench_until(&b, bench_metric(DISCARDED("before_dtls")) >= before + 5);
	bench_turn(&b, 50);
	assert_false(phone_hear(&phone));
	/* And nothing left in clear towards the browser. */
	assert_int_equal(media_peer_rtp_count(p), 0);
	assert_int_equal(media_peer_bad(p), 0);
	assert_int_equal(bench_release(&b, ctx)->type, GW_E_RELEASED);
	b.peer[0] = NULL;
	media_peer_free(p);
	phone_close(&phone);
}

static void forged_and_replayed_srtp_is_counted_apart(void **state)
{
	int64_t auth = bench_metric(DISCARDED("srtp_auth"));
	int64_t replay = bench_metric(DISCARDED("srtp_replay"));
	struct bench_call c;
	uint8_t pkt[188];

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	media_peer_replay(c.peer);
	bench_until(&b, bench_metric(DISCARDED("srtp_replay")) == replay + 1);
	(void)bench_rtp(pkt, 96, 4000, 1, 0x42524f57, 9);
	memset(pkt + 172, 0, 16);
	media_peer_send_raw(c.peer, pkt, sizeof(pkt));
	bench_until(&b, bench_metric(DISCARDED("srtp_auth")) == auth + 1);
	assert_false(phone_hear(&c.phone));
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
}

static void ssrcs_of_a_browser_are_bounded(void **state)
{
	int64_t before = bench_metric(DISCARDED("too_many_ssrcs"));
	struct bench_call c;
	uint8_t pkt[172];

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	for (uint32_t i = 0; i < 50; i++) {
		(void)bench_rtp(pkt, 96, 1, 160, 0xabcd0000 + i, 1);
		media_peer_send(c.peer, pkt, sizeof(pkt));
		bench_step(&b);
	}
	bench_until(&b, bench_metric(DISCARDED("too_many_ssrcs")) > before);
	bench_hang_up(&b, &c);
}

/* A handshake of which the browser loses @n datagrams after @skip.  True when
 * the gateway was done before it: what was lost was the last flight. */
static bool lossy_handshake(unsigned skip, unsigned n)
{
	struct media_peer_options opt = { .active = true, .controlling = true };
	gw_ctx_id ctx = gw_media_new_id(b.media);
	struct media_peer *p = media_peer_new(&opt);
	const struct gw_media_event *ev;
	bool last_flight;

	b.peer[0] = p;
	media_peer_lose(p, skip, n);
	ev = bench_reserve(&b, ctx, GW_TERM_A, GW_TP_DTLS, 0);
	media_peer_set_remote(p, &ev->end);
	(void)bench_configure_peer(&b, ctx, GW_TERM_A, p);
	bench_until(&b, bench_count(&b, ctx, GW_E_DTLS, GW_DTLS_UP));
	bench_turn(&b, 30); /* less than the browser's timer */
	last_flight = !media_peer_dtls_up(p);
	bench_until(&b, media_peer_dtls_up(p));
	assert_int_equal(bench_count(&b, ctx, GW_E_DTLS, -1), 1);
	(void)bench_release(&b, ctx);
	b.peer[0] = NULL;
	media_peer_free(p);
	return last_flight;
}

static void lost_handshake_datagrams_are_sent_again(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 3; n++)
		(void)lossy_handshake(0, n);
}

static void last_flight_that_was_lost_is_sent_again_when_asked(void **state)
{
	bool seen = false;

	(void)state;
	/* On a busy machine the browser may have asked before we looked. */
	for (unsigned skip = 0; skip < 20 && (skip < 4 || !seen); skip++)
		seen = lossy_handshake(skip % 4, 2) || seen;
	assert_true(seen);
}

static void client_hello_before_the_description_is_kept(void **state)
{
	struct media_peer_options opt = { .active = true, .controlling = true };
	gw_ctx_id ctx = gw_media_new_id(b.media);
	struct media_peer *p = media_peer_new(&opt);
	const struct gw_media_event *ev;
	uint8_t hello[13 + 100] = { 22, 0xfe, 0xfd };
	struct sockaddr_storage ss;
	struct phone stranger;
	int64_t early = bench_metric("isthmus_dtls_early_total");

	(void)state;
	b.peer[0] = p;
	ev = bench_reserve(&b, ctx, GW_TERM_A, GW_TP_DTLS, 0);
	/* Strangers fill the small buffer; the browser still gets in. */
	phone_open(&stranger, "127.0.0.1");
	for (int i = 0; i < 20; i++)
		(void)sendto(
			stranger.rtp, hello, sizeof(hello), 0,
			(struct sockaddr *)&ss,
			gw_addr_to_sockaddr(&ev->end.candidate[0].addr, &ss));
	bench_until(&b, bench_metric("isthmus_dtls_early_total") == early + 20);
	media_peer_set_remote(p, &ev->end);
	bench_turn(&b, 300);
	(void)bench_configure_peer(&b, ctx, GW_TERM_A, p);
	bench_until(&b, media_peer_dtls_up(p) &&
				bench_count(&b, ctx, GW_E_DTLS, GW_DTLS_UP));
	(void)bench_release(&b, ctx);
	b.peer[0] = NULL;
	media_peer_free(p);
	phone_close(&stranger);
}

/* Two endpoints of a user answered one offer: the one that lost has our
 * password, and ICE is done for it before the other is described. */
static void endpoint_that_lost_the_fork_gets_nothing(void **state)
{
	const struct media_peer_options opt = { .active = true,
						.controlling = true };
	struct media_peer *loser = media_peer_new(&opt);
	struct media_peer *p = media_peer_new(&opt);
	gw_ctx_id ctx = gw_media_new_id(b.media);
	const struct gw_media_event *ev;
	unsigned pairs;

	(void)state;
	b.peer[0] = loser;
	ev = bench_reserve(&b, ctx, GW_TERM_A, GW_TP_DTLS, 0);
	media_peer_set_remote(loser, &ev->end);
	bench_until(&b, media_peer_ice_up(loser));
	bench_turn(&b, 100); /* its ClientHello is there */
	b.peer[1] = p;
	media_peer_set_remote(p, &ev->end);
	(void)bench_configure_peer(&b, ctx, GW_TERM_A, p);
	bench_until(&b, media_peer_dtls_up(p) &&
				bench_count(&b, ctx, GW_E_DTLS, GW_DTLS_UP));
	/* Its ClientHello again, and its checks. */
	pairs = media_peer_pairs(loser);
	bench_turn(&b, 1200);
	assert_int_equal(media_peer_pairs(loser), pairs);
	assert_false(media_peer_dtls_up(loser) ||
		     media_peer_dtls_failed(loser));
	assert_int_equal(bench_count(&b, ctx, GW_E_DTLS, -1), 1);
	assert_int_equal(bench_count(&b, ctx, GW_E_ICE, -1), 1);
	(void)bench_release(&b, ctx);
	b.peer[0] = NULL;
	b.peer[1] = NULL;
	media_peer_free(loser);
	media_peer_free(p);
}

static void rtp_from_an_address_without_ice_is_dropped(void **state)
{
	const char *metric = bench_lite ? DISCARDED("unknown_source")
					: DISCARDED("not_validated");
	int64_t before = bench_metric(metric);
	struct bench_call c;
	struct phone stranger;
	unsigned bad;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	phone_open(&stranger, "127.0.0.1");
	stranger.gw_rtp = c.local.candidate[0].addr;
	bad = c.phone.got;
	for (int i = 0; i < 5; i++)
		(void)phone_talk(&stranger);
	bench_until(&b, bench_metric(metric) == before + 5);
	assert_int_equal(c.phone.got, bad);
	bench_talk(&b, &c);
	phone_close(&stranger);
	bench_hang_up(&b, &c);
}

static void ice_restart_keeps_the_association_and_the_audio(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESTART, .term = GW_TERM_A };
	const struct gw_media_event *ev;
	struct bench_call c;
	unsigned pairs;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	pairs = media_peer_pairs(c.peer);
	cmd.ctx = c.ctx;
	ev = bench_do(&b, &cmd);
	assert_int_equal(ev->type, GW_E_RESERVED);
	assert_int_equal(ev->end.nstream, 1);
	assert_string_not_equal(ev->end.ufrag, c.local.ufrag);
	assert_string_not_equal(ev->end.pwd, c.local.pwd);
	assert_memory_equal(ev->end.sha256, c.local.sha256, 32);
	assert_int_equal(ev->end.stream[0].ssrc, c.local.stream[0].ssrc);
	bench_talk(&b, &c); /* on the old pair */

	media_peer_restart(c.peer);
	media_peer_set_remote(c.peer, &ev->end);
	assert_int_equal(
		bench_configure_peer(&b, c.ctx, GW_TERM_A, c.peer)->type,
		GW_E_CONFIGURED);
	bench_until(&b, media_peer_pairs(c.peer) > pairs &&
				media_peer_ice_up(c.peer));
	bench_talk(&b, &c);
	assert_int_equal(bench_count(&b, c.ctx, GW_E_DTLS, -1), 1);
	assert_int_equal(bench_count(&b, c.ctx, GW_E_ICE, GW_ICE_FAILED), 0);
	bench_hang_up(&b, &c);
}

/* RFC 8827 4.3: a fingerprint is not for ever; a call's is for its life. */
static void a_new_certificate_is_for_new_calls(void **state)
{
	const struct media_peer_options browser = { .active = true,
						    .controlling = true };
	struct gw_media_cmd cmd = { .verb = GW_M_RESTART, .term = GW_TERM_A };
	int64_t made;
	struct gw_media_config cfg;
	const struct gw_media_event *ev;
	struct bench_call before;
	struct bench_call after;

	(void)state;
	bench_config(&cfg);
	cfg.certificate_ms = 300;
	restart_bench(&cfg);
	bench_call(&b, &before, &browser);
	bench_talk(&b, &before);
	made = bench_metric("isthmus_dtls_certificates_made_total");
	bench_until(&b, bench_metric("isthmus_dtls_certificates_made_total") >=
				made + 2);
	b.peer[1] = before.peer;
	bench_call(&b, &after, &browser);
	bench_talk(&b, &after);
	bench_talk(&b, &before);
	assert_memory_not_equal(after.local.sha256, before.local.sha256, 32);

	cmd.ctx = before.ctx;
	ev = bench_do(&b, &cmd);
	assert_int_equal(ev->type, GW_E_RESERVED);
	assert_memory_equal(ev->end.sha256, before.local.sha256, 32);
	bench_hang_up(&b, &after);
	b.peer[1] = NULL;
	bench_hang_up(&b, &before);
}

/* From one network to another: new checks from a new address, and no new keys.
 * Its own restart, or ours; the address it had is gone. */
static void another_network_keeps_the_call_and_its_keys(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESTART, .term = GW_TERM_A };
	const struct gw_media_event *ev;
	struct bench_call c;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	for (int i = 0; i < 3; i++) {
		media_peer_move(c.peer, i & 1 ? "127.0.0.1" : "127.0.0.2");
		cmd.ctx = c.ctx;
		ev = bench_do(&b, &cmd);
		assert_int_equal(ev->type, GW_E_RESERVED);
		media_peer_set_remote(c.peer, &ev->end);
		assert_int_equal(
			bench_configure_peer(&b, c.ctx, GW_TERM_A, c.peer)
				->type,
			GW_E_CONFIGURED);
		bench_until(&b, media_peer_ice_up(c.peer) &&
					bench_count(&b, c.ctx, GW_E_ICE,
						    GW_ICE_PAIR_CHANGED) ==
						(unsigned)i + 1);
		bench_talk(&b, &c);
	}
	assert_int_equal(bench_count(&b, c.ctx, GW_E_DTLS, -1), 1);
	assert_int_equal(bench_count(&b, c.ctx, GW_E_ICE, GW_ICE_FAILED), 0);
	bench_hang_up(&b, &c);
}

/* The page is reloaded: another browser object, with its own certificate,
 * takes the session over. */
static void reload(bool active)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESTART, .term = GW_TERM_A };
	const struct gw_media_event *ev;
	struct media_peer *old;
	struct bench_call c;

	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	cmd.ctx = c.ctx;
	ev = bench_do(&b, &cmd);
	assert_int_equal(ev->type, GW_E_RESERVED);
	assert_int_equal(ev->end.nstream, 1);

	old = c.peer; /* still there, and still talking */
	b.peer[1] = old;
	c.peer = media_peer_new(&(struct media_peer_options){
		.active = active, .controlling = true });
	b.peer[0] = c.peer;
	media_peer_set_remote(c.peer, &ev->end);
	(void)bench_configure_peer(&b, c.ctx, GW_TERM_A, c.peer);
	bench_until(&b,
		    media_peer_dtls_up(c.peer) &&
			    bench_count(&b, c.ctx, GW_E_DTLS, GW_DTLS_UP) == 2);
	c.seq = 0; /* the new page begins anew */
	c.ssrc = 0x4e455721;
	bench_talk(&b, &c);
	b.peer[1] = NULL;
	media_peer_free(old);
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
}

static void reloaded_page_that_begins_dtls_takes_over(void **state)
{
	(void)state;
	reload(true);
}

static void reloaded_page_that_waits_for_dtls_takes_over(void **state)
{
	(void)state;
	reload(false);
}

#define CHALLENGES(how) "isthmus_dtls_challenges_total{result=\"" how "\"}"

/* The page is reloaded and kept its certificate: by its description alone it
 * could be the old one after an ICE restart. */
static void reload_with_certificate(bool was_active, bool active, bool goodbye)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESTART, .term = GW_TERM_A };
	const struct gw_media_event *ev;
	struct media_peer *old;
	struct bench_call c;

	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = was_active,
						 .controlling = true });
	bench_talk(&b, &c);
	old = c.peer;
	if (goodbye) {
		media_peer_close_notify(old);
		bench_until(&b,
			    bench_count(&b, c.ctx, GW_E_DTLS, GW_DTLS_CLOSED));
	}
	cmd.ctx = c.ctx;
	ev = bench_do(&b, &cmd);
	assert_int_equal(ev->type, GW_E_RESERVED);
	c.peer = media_peer_new(&(struct media_peer_options){
		.active = active, .controlling = true, .certificate_of = old });
	b.peer[0] = c.peer; /* the old one is gone */
	media_peer_free(old);
	media_peer_set_remote(c.peer, &ev->end);
	assert_int_equal(
		bench_configure_peer(&b, c.ctx, GW_TERM_A, c.peer)->type,
		GW_E_CONFIGURED);
	bench_until(&b,
		    media_peer_dtls_up(c.peer) &&
			    bench_count(&b, c.ctx, GW_E_DTLS, GW_DTLS_UP) == 2);
	c.seq = 0;
	c.ssrc = 0x4e455721;
	bench_talk(&b, &c);
	assert_int_equal(bench_count(&b, c.ctx, GW_E_DTLS, -1), 2 + goodbye);
	bench_hang_up(&b, &c);
}

static void page_that_kept_its_certificate_begins_dtls_anew(void **state)
{
	int64_t before = bench_metric(CHALLENGES("taken"));

	(void)state;
	reload_with_certificate(true, true, false);
	assert_int_equal(bench_metric(CHALLENGES("taken")), before + 1);
}

static void page_that_kept_its_certificate_and_waits_is_asked(void **state)
{
	int64_t before = bench_metric(CHALLENGES("taken"));

	(void)state;
	reload_with_certificate(false, false, false);
	assert_int_equal(bench_metric(CHALLENGES("taken")), before + 1);
}

static void page_that_said_goodbye_comes_back_with_its_certificate(void **state)
{
	(void)state;
	reload_with_certificate(true, true, true);
	reload_with_certificate(false, false, true);
}

static void another_dtls_role_is_another_association(void **state)
{
	int64_t before = bench_metric(CHALLENGES("taken"));

	(void)state;
	reload_with_certificate(true, false, false);
	reload_with_certificate(false, true, false);
	assert_int_equal(bench_metric(CHALLENGES("taken")), before);
}

static void dtls_role_that_changes_alone_changes_nothing(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE, .term = GW_TERM_A };
	struct bench_call c;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	cmd.ctx = c.ctx;
	media_peer_describe(c.peer, &cmd.end);
	bench_audio(&cmd.end, false);
	cmd.end.setup = GW_DTLS_PASSIVE;
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_CONFIGURED);
	bench_talk(&b, &c);
	assert_int_equal(bench_count(&b, c.ctx, GW_E_DTLS, -1), 1);
	bench_hang_up(&b, &c);
}

static void forged_client_hello_ends_nothing(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESTART, .term = GW_TERM_A };
	const struct gw_media_event *ev;
	struct bench_call c;
	uint8_t hello[1500];
	size_t len = media_peer_forge_hello(hello, sizeof(hello));
	unsigned pairs;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	media_peer_send_raw(c.peer, hello, len);
	bench_talk(&b, &c);
	cmd.ctx = c.ctx;
	pairs = media_peer_pairs(c.peer);
	ev = bench_do(&b, &cmd);
	media_peer_restart(c.peer);
	media_peer_set_remote(c.peer, &ev->end);
	(void)bench_configure_peer(&b, c.ctx, GW_TERM_A, c.peer);
	bench_until(&b, media_peer_pairs(c.peer) > pairs &&
				media_peer_ice_up(c.peer));
	/* Now it is heard, and answered; it proves nothing. */
	for (int i = 0; i < 3; i++) {
		media_peer_send_raw(c.peer, hello, len);
		bench_talk(&b, &c);
	}
	assert_int_equal(bench_count(&b, c.ctx, GW_E_DTLS, -1), 1);
	/* What is in force still has the last word. */
	media_peer_close_notify(c.peer);
	bench_until(&b, bench_count(&b, c.ctx, GW_E_DTLS, GW_DTLS_CLOSED));
	bench_hang_up(&b, &c);
}

static void renegotiation_yields_no_new_keys(void **state)
{
	(void)state;
	for (int active = 0; active < 2; active++) {
		struct bench_call c;

		bench_call(&b, &c,
			   &(struct media_peer_options){ .active = active,
							 .controlling = true });
		bench_talk(&b, &c);
		media_peer_renegotiate(c.peer);
		/* OpenSSL gives the association up when it is refused. */
		bench_until(&b,
			    bench_count(&b, c.ctx, GW_E_DTLS, GW_DTLS_CLOSED));
		assert_int_equal(bench_count(&b, c.ctx, GW_E_DTLS, -1), 2);
		assert_int_equal(bench_count(&b, c.ctx, GW_E_DTLS, GW_DTLS_UP),
				 1);
		bench_hang_up(&b, &c);
	}
}

/* RFC 7675: who may not send any more, does not, until ICE begins anew. */
static void without_consent_nothing_is_sent(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESTART, .term = GW_TERM_A };
	int64_t unsent = bench_metric(DISCARDED("no_address"));
	const struct gw_media_event *ev;
	struct bench_call c;
	unsigned heard;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	media_peer_revoke_consent(c.peer);
	bench_until(&b, bench_count(&b, c.ctx, GW_E_ICE, GW_ICE_FAILED));
	bench_turn(&b, 20);
	heard = media_peer_rtp_count(c.peer);
	for (int i = 0; i < 5; i++)
		(void)phone_talk(&c.phone);
	bench_until(&b, bench_metric(DISCARDED("no_address")) == unsent + 5);
	bench_turn(&b, 20);
	assert_int_equal(media_peer_rtp_count(c.peer), heard);

	cmd.ctx = c.ctx;
	ev = bench_do(&b, &cmd);
	assert_int_equal(ev->type, GW_E_RESERVED);
	media_peer_restart(c.peer);
	media_peer_set_remote(c.peer, &ev->end);
	(void)bench_configure_peer(&b, c.ctx, GW_TERM_A, c.peer);
	bench_until(&b, bench_count(&b, c.ctx, GW_E_ICE, GW_ICE_PAIR_CHANGED));
	bench_talk(&b, &c);
	ev = bench_release(&b, c.ctx);
	/* Sent is what got away. */
	assert_int_equal(ev->stats[GW_TERM_A][0].tx.packets, 10);
	assert_int_equal(ev->stats[GW_TERM_A][0].tx.bytes, 10 * 172);
	assert_int_equal(
		ev->stats[GW_TERM_A][0].tx.discarded[GW_DISCARD_NO_PEER], 5);
	assert_int_equal(gw_discard_sum(ev->stats[GW_TERM_A][0].tx.discarded),
			 5);
	assert_int_equal(gw_discard_sum(ev->stats[GW_TERM_A][0].rx.discarded),
			 0);
	b.peer[0] = NULL;
	media_peer_free(c.peer);
	phone_close(&c.phone);
}

static void say_bandwidth(struct bench_call *c, bool phone, uint32_t bps)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE,
				    .term = phone ? GW_TERM_B : GW_TERM_A,
				    .ctx = c->ctx };

	if (phone) {
		cmd.end.transport = GW_TP_RTP;
		cmd.end.family = AF_INET;
	} else {
		media_peer_describe(c->peer, &cmd.end);
	}
	bench_audio(&cmd.end, phone);
	if (phone) {
		cmd.end.stream[0].rtp = c->phone.rtp_addr;
		cmd.end.stream[0].rtcp = c->phone.rtcp_addr;
	}
	cmd.end.stream[0].bandwidth_bps = bps;
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_CONFIGURED);
}

/* Of a flood of 100 packets since @began_us at 64 kbit/s: a quarter more than
 * announced goes through, half a second of it at once, and what has become of
 * it since.  A packet has 1376 bits. */
static void assert_policed(unsigned dropped, uint64_t began_us)
{
	uint64_t us = gw_clock_monotonic_us(NULL) - began_us;
	unsigned since = (unsigned)(us * 80000 / 1376 / 1000000) + 1;

	assert_true(dropped <= 63 && dropped + since >= 62);
}

static void flood_is_cut_to_what_the_other_end_takes(void **state)
{
	int64_t before = bench_metric(DISCARDED("bandwidth"));
	struct bench_call c;
	uint64_t began;
	unsigned dropped;
	unsigned got;
	uint8_t pkt[172];

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	/* What the browser takes says nothing of what it sends. */
	say_bandwidth(&c, false, 8000);
	for (int i = 0; i < 100; i++) {
		(void)bench_rtp(pkt, 96, ++c.seq, c.timestamp += 160, c.ssrc,
				1);
		media_peer_send(c.peer, pkt, sizeof(pkt));
		bench_until(&b, phone_hear(&c.phone));
	}
	assert_int_equal(bench_metric(DISCARDED("bandwidth")), before);

	say_bandwidth(&c, true, 64000);
	bench_turn(&b, 20);
	got = c.phone.got;
	began = gw_clock_monotonic_us(NULL);
	for (int i = 0; i < 100; i++) {
		(void)bench_rtp(pkt, 96, ++c.seq, c.timestamp += 160, c.ssrc,
				1);
		media_peer_send(c.peer, pkt, sizeof(pkt));
		(void)phone_hear(&c.phone);
	}
	bench_until(&b, (phone_hear(&c.phone), c.phone.got - got) +
					bench_metric(DISCARDED("bandwidth")) -
					before ==
				100);
	dropped = (unsigned)(bench_metric(DISCARDED("bandwidth")) - before);
	assert_policed(dropped, began);
	bench_hang_up(&b, &c);
}

static void flood_of_a_phone_is_cut_to_what_the_browser_takes(void **state)
{
	int64_t before = bench_metric(DISCARDED("bandwidth"));
	uint64_t began;
	unsigned dropped;
	struct bench_call c;
	unsigned heard;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	say_bandwidth(&c, false, 64000);
	bench_turn(&b, 20);
	heard = media_peer_rtp_count(c.peer);
	began = gw_clock_monotonic_us(NULL);
	/* In pairs: the queue of a socket has room for no flood. */
	for (int i = 0; i < 50; i++) {
		(void)phone_talk(&c.phone);
		(void)phone_talk(&c.phone);
		bench_until(&b, media_peer_rtp_count(c.peer) - heard +
						bench_metric(DISCARDED(
							"bandwidth")) -
						before >=
					2 * (unsigned)i + 2);
	}
	dropped = (unsigned)(bench_metric(DISCARDED("bandwidth")) - before);
	assert_int_equal(media_peer_rtp_count(c.peer) - heard + dropped, 100);
	assert_policed(dropped, began);
	bench_hang_up(&b, &c);
}

/* RTCP ends at the gateway: however much of it comes, what leaves is paced by
 * RFC 3550 6.2, and the audio goes on. */
static void rtcp_floods_stay_outside(void **state)
{
	uint8_t sr[28] = { 0x80, 200, 0, 6, 0x42, 0x52, 0x4f, 0x57 };
	uint8_t junk[40] = { 0x9f, 201, 0xff, 0xff };
	unsigned reports = 0;
	struct bench_call c;
	uint8_t buf[1500];
	uint64_t began;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	began = gw_clock_monotonic_us(NULL);
	for (int i = 0; i < 1000; i++) {
		sr[19] = (uint8_t)i;
		media_peer_send(c.peer, sr, sizeof(sr));
		media_peer_send(c.peer, junk, sizeof(junk));
		phone_reports(&c.phone, sr, sizeof(sr));
		phone_reports(&c.phone, junk, sizeof(junk));
		if (i % 50 == 0) {
			bench_step(&b);
			bench_talk(&b, &c);
		}
		while (recv(c.phone.rtcp, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			reports++;
	}
	/* Not more than one in two seconds, after the first. */
	assert_in_range(reports, 0,
			3 + (gw_clock_monotonic_us(NULL) - began) / 2000000);
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
}

static void close_notify_ends_the_media(void **state)
{
	struct bench_call c;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	media_peer_close_notify(c.peer);
	bench_until(&b, bench_count(&b, c.ctx, GW_E_DTLS, GW_DTLS_CLOSED));
	c.phone.got = 0;
	(void)phone_talk(&c.phone);
	bench_turn(&b, 50);
	assert_int_equal(media_peer_bad(c.peer), 0);
	bench_hang_up(&b, &c);
}

static void release_says_close_notify_and_bye(void **state)
{
	struct bench_call c;
	const struct media_peer_packet *pkt;
	bool bye = false;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	assert_int_equal(bench_release(&b, c.ctx)->type, GW_E_RELEASED);
	bench_until(&b, media_peer_dtls_closed(c.peer));
	while ((pkt = media_peer_rtcp(c.peer)) != NULL)
		for (size_t at = 0; at + 4 <= pkt->len;
		     at += 4 + 4 * ((size_t)pkt->data[at + 2] << 8 |
				    pkt->data[at + 3]))
			bye = bye || pkt->data[at + 1] == 203;
	assert_true(bye);
	b.peer[0] = NULL;
	media_peer_free(c.peer);
	phone_close(&c.phone);
}

static void reports_reach_both_sides_and_theirs_are_read(void **state)
{
	struct gw_media_config cfg;
	struct bench_call c;
	const struct gw_media_event *ev;
	const struct media_peer_packet *sr = NULL;
	uint8_t report[1500];
	/* RR of the browser about our stream: 10 % lost, jitter 80 (10 ms). */
	uint8_t rr[32] = { 0x81, 201, 0, 7, 0x42, 0x52, 0x4f, 0x57 };
	ssize_t n = -1;

	(void)state;
	bench_config(&cfg);
	cfg.quality_ms = 300;
	restart_bench(&cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	bench_until(&b, (sr = media_peer_rtcp(c.peer)) != NULL);
	assert_int_equal(sr->data[1], 200);
	assert_memory_equal(
		sr->data + 4,
		((uint8_t[]){ (uint8_t)(c.local.stream[0].ssrc >> 24),
			      (uint8_t)(c.local.stream[0].ssrc >> 16),
			      (uint8_t)(c.local.stream[0].ssrc >> 8),
			      (uint8_t)c.local.stream[0].ssrc }),
		4);
	bench_until(&b,
		    (n = recv(c.phone.rtcp, report, sizeof(report), 0)) > 0);
	assert_int_equal(report[1], 200);

	memcpy(rr + 8, sr->data + 4, 4); /* about us */
	rr[12] = 25;
	rr[15] = 3;
	rr[27] = 80 - 56;
	rr[23] = 80;
	rr[27] = 0;
	media_peer_send(c.peer, rr, sizeof(rr));
	bench_until(&b, (ev = bench_find(&b, c.ctx, GW_E_QUALITY, 0)) != NULL &&
				ev->stats[GW_TERM_A][0].remote_lost == 3);
	assert_int_equal(ev->stats[GW_TERM_A][0].remote_jitter_us, 10000);
	assert_int_equal(ev->stats[GW_TERM_A][0].rx.packets, 5);
	assert_int_equal(ev->stats[GW_TERM_A][0].tx.packets, 5);
	assert_int_equal(ev->stats[GW_TERM_B][0].rx.packets, 5);
	bench_hang_up(&b, &c);
}

static void silence_is_told_once_until_it_is_broken(void **state)
{
	struct gw_media_config cfg;
	struct bench_call c;
	unsigned both;

	(void)state;
	bench_config(&cfg);
	cfg.inactivity_ms = 200;
	restart_bench(&cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_until(&b, bench_count(&b, c.ctx, GW_E_INACTIVE, -1) == 2);
	bench_turn(&b, 500);
	both = bench_count(&b, c.ctx, GW_E_INACTIVE, -1);
	assert_int_equal(both, 2);
	(void)phone_talk(&c.phone);
	bench_until(&b, bench_count(&b, c.ctx, GW_E_INACTIVE, -1) == 3);
	assert_int_equal(bench_find(&b, c.ctx, GW_E_INACTIVE, 0)->term,
			 GW_TERM_B);
	/* With a closed gate nobody is waited for. */
	bench_gate(&b, c.ctx, GW_TERM_B, GW_GATE_OUT);
	say_bandwidth(&c, false, 64000); /* answered when that is done */
	both = bench_count(&b, c.ctx, GW_E_INACTIVE, -1);
	(void)phone_talk(&c.phone);
	bench_turn(&b, 400);
	assert_int_equal(bench_count(&b, c.ctx, GW_E_INACTIVE, -1), both);
	bench_hang_up(&b, &c);
}

/* Of the last INACTIVE of the phone's side; 0: none. */
static unsigned silence_of_phone(gw_ctx_id ctx)
{
	for (size_t i = b.nevent; i-- > 0;)
		if (b.event[i].ctx == ctx && b.event[i].type == GW_E_INACTIVE &&
		    b.event[i].term == GW_TERM_B)
			return b.event[i].state;
	return 0;
}

/* TS 23.334 5.10: muted is not gone. */
static void rtp_and_rtcp_are_missed_apart(void **state)
{
	static const uint8_t rr[] = { 0x80, 201, 0, 1, 0x50, 0x48, 0x4f, 0x4e };
	struct gw_media_config cfg;
	struct bench_call c;

	(void)state;
	bench_config(&cfg);
	cfg.inactivity_ms = 300;
	restart_bench(&cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	/* The phone speaks, and has no RTCP.  Where we are held up it is missed
	 * altogether, until it speaks again. */
	bench_until(&b, ((void)phone_talk(&c.phone), bench_turn(&b, 20),
			 silence_of_phone(c.ctx) == GW_SILENCE_RTCP));
	/* It is muted, and reports. */
	bench_until(&b, (phone_reports(&c.phone, rr, sizeof(rr)),
			 bench_turn(&b, 20),
			 silence_of_phone(c.ctx) == GW_SILENCE_RTP));
	/* It is gone. */
	bench_until(&b, silence_of_phone(c.ctx) == GW_SILENCE_ALL);
	bench_hang_up(&b, &c);
}

static void digit_of_the_browser_is_told_and_relayed(void **state)
{
	struct bench_call c;
	uint8_t pkt[16];
	uint8_t full[172];
	const struct gw_media_event *ev;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	for (unsigned i = 0; i < 6; i++) {
		bool end = i >= 3;
		unsigned dur = end ? 1280 : 320 * (i + 1);

		(void)bench_rtp(full, (uint8_t)(110 | (i ? 0 : 0x80)), ++c.seq,
				c.timestamp + 160, 0x42524f57, 0);
		memcpy(pkt, full, 12);
		pkt[12] = 11; /* # */
		pkt[13] = (uint8_t)(10 | (end ? 0x80 : 0));
		pkt[14] = (uint8_t)(dur >> 8);
		pkt[15] = (uint8_t)dur;
		media_peer_send(c.peer, pkt, sizeof(pkt));
		bench_until(&b, phone_hear(&c.phone));
		assert_int_equal(c.phone.len, 16);
		assert_int_equal(c.phone.last[1] & 0x7f, 101);
		assert_int_equal(c.phone.last[12], 11);
	}
	bench_until(&b, bench_count(&b, c.ctx, GW_E_DTMF, -1));
	ev = bench_find(&b, c.ctx, GW_E_DTMF, 0);
	assert_int_equal(ev->term, GW_TERM_A);
	assert_int_equal(ev->dtmf.digit, 11);
	assert_int_equal(ev->dtmf.duration_ms, 160);
	bench_turn(&b, 400);
	assert_int_equal(bench_count(&b, c.ctx, GW_E_DTMF, -1), 1);
	bench_hang_up(&b, &c);
}

static void answer_and_immediate_hang_up_leave_nothing(void **state)
{
	int64_t agents = bench_metric("isthmus_media_agents");
	int fds = bench_open_fds();

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct media_peer_options opt = { .active = i & 1,
						  .controlling = true };
		gw_ctx_id ctx = gw_media_new_id(b.media);
		struct media_peer *p = media_peer_new(&opt);
		const struct gw_media_event *ev;

		b.peer[0] = p;
		ev = bench_reserve(&b, ctx, GW_TERM_A, GW_TP_DTLS, 0);
		media_peer_set_remote(p, &ev->end);
		(void)bench_configure_peer(&b, ctx, GW_TERM_A, p);
		/* In the middle of ICE, or of DTLS, or after. */
		bench_turn(&b, (uint32_t)i * 3);
		assert_int_equal(bench_release(&b, ctx)->type, GW_E_RELEASED);
		b.peer[0] = NULL;
		media_peer_free(p);
	}
	assert_int_equal(bench_metric("isthmus_media_agents"), agents);
	assert_int_equal(bench_metric("isthmus_media_contexts"), 0);
	assert_int_equal(bench_open_fds(), fds);
}

static void *flood(void *arg)
{
	const struct bench_call *c = arg;
	uint8_t junk[3][172] = {
		{0x80, 0   },
                { 22,  0xfe, 0xfd },
                { 0x80,   96  }
	};
	struct sockaddr_storage ss;
	struct phone source;

	phone_open(&source, "127.0.0.1");
	for (int i = 0; i < 3000; i++) {
		const struct gw_addr *to =
			i % 3 ? &c->local.candidate[0].addr : &c->phone.gw_rtp;

		(void)sendto(i % 3 ? source.rtp : c->phone.rtp, junk[i % 3],
			     sizeof(junk[0]), 0, (struct sockaddr *)&ss,
			     gw_addr_to_sockaddr(to, &ss));
	}
	phone_close(&source);
	return NULL;
}

static void end_of_the_process_while_packets_flow_is_clean(void **state)
{
	struct gw_media_config cfg;
	struct bench_call c;
	pthread_t thread;
	int fds;

	(void)state;
	bench_config(&cfg);
	bench_stop(&b);
	fds = bench_open_fds();
	bench_start(&b, &cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	assert_int_equal(pthread_create(&thread, NULL, flood, &c), 0);
	bench_turn(&b, 5);
	bench_stop(&b);
	assert_int_equal(pthread_join(thread, NULL), 0);
	media_peer_free(c.peer);
	phone_close(&c.phone);
	assert_int_equal(bench_open_fds(), fds);
	assert_int_equal(bench_metric("isthmus_media_contexts"), 0);
	assert_int_equal(bench_metric("isthmus_media_agents"), 0);
	bench_start(&b, &cfg); /* for the teardown */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
		T(wrong_certificate_of_a_client_is_refused),
		T(wrong_certificate_of_a_server_is_refused),
		T(media_before_dtls_is_not_relayed),
		T(forged_and_replayed_srtp_is_counted_apart),
		T(ssrcs_of_a_browser_are_bounded),
		T(lost_handshake_datagrams_are_sent_again),
		T(last_flight_that_was_lost_is_sent_again_when_asked),
		T(client_hello_before_the_description_is_kept),
		T(endpoint_that_lost_the_fork_gets_nothing),
		T(rtp_from_an_address_without_ice_is_dropped),
		T(ice_restart_keeps_the_association_and_the_audio),
		T(a_new_certificate_is_for_new_calls),
		T(another_network_keeps_the_call_and_its_keys),
		T(reloaded_page_that_begins_dtls_takes_over),
		T(reloaded_page_that_waits_for_dtls_takes_over),
		T(page_that_kept_its_certificate_begins_dtls_anew),
		T(page_that_kept_its_certificate_and_waits_is_asked),
		T(page_that_said_goodbye_comes_back_with_its_certificate),
		T(another_dtls_role_is_another_association),
		T(dtls_role_that_changes_alone_changes_nothing),
		T(forged_client_hello_ends_nothing),
		T(renegotiation_yields_no_new_keys),
		T(without_consent_nothing_is_sent),
		T(flood_is_cut_to_what_the_other_end_takes),
		T(flood_of_a_phone_is_cut_to_what_the_browser_takes),
		T(rtcp_floods_stay_outside),
		T(close_notify_ends_the_media),
		T(release_says_close_notify_and_bye),
		T(reports_reach_both_sides_and_theirs_are_read),
		T(silence_is_told_once_until_it_is_broken),
		T(rtp_and_rtcp_are_missed_apart),
		T(digit_of_the_browser_is_told_and_relayed),
		T(answer_and_immediate_hang_up_leave_nothing),
		T(end_of_the_process_while_packets_flow_is_clean),
	};

	/* All but what only full ICE can do: keep what comes from an address
	 * that no check came from, or ask for consent. */
	const struct CMUnitTest lite[] = {
		T(wrong_certificate_of_a_client_is_refused),
		T(wrong_certificate_of_a_server_is_refused),
		T(media_before_dtls_is_not_relayed),
		T(forged_and_replayed_srtp_is_counted_apart),
		T(ssrcs_of_a_browser_are_bounded),
		T(lost_handshake_datagrams_are_sent_again),
		T(last_flight_that_was_lost_is_sent_again_when_asked),
		T(endpoint_that_lost_the_fork_gets_nothing),
		T(rtp_from_an_address_without_ice_is_dropped),
		T(ice_restart_keeps_the_association_and_the_audio),
		T(another_network_keeps_the_call_and_its_keys),
		T(reloaded_page_that_begins_dtls_takes_over),
		T(reloaded_page_that_waits_for_dtls_takes_over),
		T(page_that_kept_its_certificate_begins_dtls_anew),
		T(page_that_kept_its_certificate_and_waits_is_asked),
		T(page_that_said_goodbye_comes_back_with_its_certificate),
		T(another_dtls_role_is_another_association),
		T(dtls_role_that_changes_alone_changes_nothing),
		T(forged_client_hello_ends_nothing),
		T(renegotiation_yields_no_new_keys),
		T(flood_is_cut_to_what_the_other_end_takes),
		T(close_notify_ends_the_media),
		T(release_says_close_notify_and_bye),
		T(reports_reach_both_sides_and_theirs_are_read),
		T(silence_is_told_once_until_it_is_broken),
		T(rtp_and_rtcp_are_missed_apart),
		T(digit_of_the_browser_is_told_and_relayed),
		T(answer_and_immediate_hang_up_leave_nothing),
		T(end_of_the_process_while_packets_flow_is_clean),
	};
	int failed = cmocka_run_group_tests_name("full", tests, NULL, NULL);

	bench_lite = true;
	return failed + cmocka_run_group_tests_name("lite", lite, NULL, NULL);
}
