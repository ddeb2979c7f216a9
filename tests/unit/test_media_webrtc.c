/* What a browser may do to the media module, and what it must not get away
 * with: identities, restarts, reloads, losses. */
#include "tests/unit/media_webrtc.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
		T(wrong_certificate_of_a_client_is_refused),
		T(wrong_certificate_of_a_server_is_refused),
		T(media_before_dtls_is_not_relayed),
		T(forged_and_replayed_srtp_is_counted_apart),
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
		T(close_notify_ends_the_media),
		T(release_says_close_notify_and_bye),
	};

	/* All but what only full ICE can do: keep what comes from an address
	 * that no check came from, or ask for consent. */
	const struct CMUnitTest lite[] = {
		T(wrong_certificate_of_a_client_is_refused),
		T(wrong_certificate_of_a_server_is_refused),
		T(media_before_dtls_is_not_relayed),
		T(forged_and_replayed_srtp_is_counted_apart),
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
		T(close_notify_ends_the_media),
		T(release_says_close_notify_and_bye),
	};
	int failed = cmocka_run_group_tests_name("full", tests, NULL, NULL);

	bench_lite = true;
	return failed + cmocka_run_group_tests_name("lite", lite, NULL, NULL);
}
