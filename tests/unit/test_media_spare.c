/* Another termination in place of one, of whatever kind either is. */
#include "tests/unit/media_webrtc.h"

#include <errno.h>
#include <string.h>

static const struct gw_media_event *take(gw_ctx_id ctx, enum gw_term term)
{
	struct gw_media_cmd cmd = { .verb = GW_M_TAKE,
				    .term = (uint8_t)term,
				    .ctx = ctx };

	return bench_do(&b, &cmd);
}

static uint32_t ssrc_of(const struct media_peer_packet *p)
{
	return (uint32_t)p->data[8] << 24 | (uint32_t)p->data[9] << 16 |
	       (uint32_t)p->data[10] << 8 | p->data[11];
}

/* @p says @fill until @heard finds it. */
static void say(struct media_peer *p, uint16_t *seq, uint8_t fill)
{
	uint8_t pkt[172];

	++*seq;
	(void)bench_rtp(pkt, 96, *seq, *seq * 160u, 0x7777, fill);
	media_peer_send(p, pkt, sizeof(pkt));
}

static const struct media_peer_packet *hear(struct media_peer *p, uint8_t fill)
{
	const struct media_peer_packet *got;

	while ((got = media_peer_rtp(p)))
		if (got->data[171] == fill)
			return got;
	return NULL;
}

/* A second browser on the spare, ready but for its gate. */
static struct media_peer *second_browser(gw_ctx_id ctx)
{
	struct media_peer *p = media_peer_new(&(struct media_peer_options){
		.active = true, .controlling = true });
	const struct gw_media_event *ev;

	b.peer[1] = p;
	ev = bench_reserve(&b, ctx, GW_TERM_SPARE, GW_TP_DTLS, 0);
	assert_int_equal(ev->type, GW_E_RESERVED);
	assert_int_equal(ev->term, GW_TERM_SPARE);
	media_peer_set_remote(p, &ev->end);
	assert_int_equal(bench_configure_peer(&b, ctx, GW_TERM_SPARE, p)->type,
			 GW_E_CONFIGURED);
	return p;
}

static void a_browser_takes_the_place_of_a_phone(void **state)
{
	const struct media_peer_packet *got = NULL;
	const struct gw_media_event *ev;
	struct media_peer *other;
	struct bench_call c;
	uint16_t seq = 0;
	uint32_t ssrc;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	while ((got = media_peer_rtp(c.peer)))
		;
	ssrc = c.local.stream[0].ssrc;
	other = second_browser(c.ctx);
	bench_until(&b, media_peer_dtls_up(other) && media_peer_ice_up(other));
	/* Nobody hears the spare, and the old party is heard still. */
	for (int i = 0; i < 5; i++)
		say(other, &seq, 0x91);
	bench_turn(&b, 50);
	assert_null(media_peer_rtp(c.peer));
	bench_talk(&b, &c);

	ev = take(c.ctx, GW_TERM_B);
	assert_int_equal(ev->type, GW_E_TAKEN);
	assert_int_equal(ev->term, GW_TERM_B);
	/* What the old one got is to be added to what the new one gets. */
	assert_true(ev->stats[GW_TERM_B][0].tx.packets >= 10);
	assert_int_equal(ev->stats[GW_TERM_A][0].tx.packets, 0);
	bench_gate(&b, c.ctx, GW_TERM_B, GW_GATE_BOTH);
	for (int i = 0; i < 5; i++)
		say(other, &seq, 0x92);
	bench_until(&b, (got = hear(c.peer, 0x92)) != NULL);
	assert_int_equal(ssrc_of(got), ssrc);
	say(c.peer, &c.seq, 0x93);
	bench_until(&b, hear(other, 0x93));
	/* The phone is nobody's any more. */
	(void)phone_talk(&c.phone);
	bench_turn(&b, 50);
	assert_false(phone_hear(&c.phone));
	bench_hang_up(&b, &c);
	b.peer[1] = NULL;
	media_peer_free(other);
}

static void a_phone_takes_the_place_of_a_browser(void **state)
{
	const struct gw_media_event *ev;
	struct bench_call c;
	struct phone other = { .ssrc = 0x4444 };

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	phone_open(&other, "127.0.0.1");
	ev = bench_reserve(&b, c.ctx, GW_TERM_SPARE, GW_TP_RTP, AF_INET);
	assert_int_equal(ev->type, GW_E_RESERVED);
	other.gw_rtp = ev->end.stream[0].rtp;
	other.gw_rtcp = ev->end.stream[0].rtcp;
	(void)bench_configure_phone(&b, c.ctx, GW_TERM_SPARE, &other);
	assert_int_equal(take(c.ctx, GW_TERM_A)->type, GW_E_TAKEN);
	bench_gate(&b, c.ctx, GW_TERM_A, GW_GATE_BOTH);
	/* Its browser was told goodbye. */
	bench_until(&b, media_peer_dtls_closed(c.peer));
	while (phone_hear(&c.phone))
		;
	while (phone_hear(&other))
		;
	bench_until(&b, ((void)phone_talk(&other), bench_turn(&b, 5),
			 phone_hear(&c.phone)));
	bench_until(&b, ((void)phone_talk(&c.phone), bench_turn(&b, 5),
			 phone_hear(&other)));
	assert_int_equal(bench_release(&b, c.ctx)->type, GW_E_RELEASED);
	b.peer[0] = NULL;
	media_peer_free(c.peer);
	phone_close(&c.phone);
	phone_close(&other);
}

/* Who was sent away plays on for a while, as it has not heard of it yet. */
static void an_old_phone_is_not_learned_again(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE, .term = GW_TERM_B };
	struct phone other = { .ssrc = 0x4444 };
	struct gw_media_config cfg;
	struct bench_call c;

	(void)state;
	bench_config(&cfg);
	cfg.learn_ms = 2000;
	bench_stop(&b);
	bench_start(&b, &cfg);
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	phone_open(&other, "127.0.0.1");
	other.gw_rtp = c.phone.gw_rtp;
	other.gw_rtcp = c.phone.gw_rtcp;
	bench_audio(&cmd.end, true);
	cmd.ctx = c.ctx;
	cmd.end.transport = GW_TP_RTP;
	cmd.end.newcomer = true;
	cmd.end.stream[0].rtp = other.rtp_addr;
	cmd.end.stream[0].rtcp = other.rtcp_addr;
	assert_int_equal(bench_do(&b, &cmd)->type, GW_E_CONFIGURED);
	while (media_peer_rtp(c.peer))
		;
	for (int i = 0; i < 5; i++)
		(void)phone_talk(&c.phone);
	bench_turn(&b, 50);
	assert_null(media_peer_rtp(c.peer));
	bench_until(&b, ((void)phone_talk(&other), bench_turn(&b, 5),
			 media_peer_rtp(c.peer)));
	bench_until(&b, (say(c.peer, &c.seq, 0x94), bench_turn(&b, 5),
			 phone_hear(&other)));
	bench_hang_up(&b, &c);
	phone_close(&other);
}

static void a_spare_that_is_dropped_leaves_nothing(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_DROP };
	struct media_peer *other;
	struct bench_call c;
	int fds;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	fds = bench_open_fds();
	other = second_browser(c.ctx);
	bench_until(&b, media_peer_dtls_up(other));
	b.peer[1] = NULL;
	cmd.ctx = c.ctx;
	bench_post(&b, &cmd);
	bench_talk(&b, &c);
	media_peer_free(other);
	assert_int_equal(bench_open_fds(), fds);
	bench_post(&b, &cmd); /* there is none: nothing to do */
	bench_talk(&b, &c);
	assert_int_equal(take(c.ctx, GW_TERM_B)->error, -EINVAL);
	bench_hang_up(&b, &c);
}

static void a_spare_ends_with_its_call(void **state)
{
	struct media_peer *other;
	struct bench_call c;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	other = second_browser(c.ctx);
	bench_until(&b, media_peer_dtls_up(other));
	bench_hang_up(&b, &c);
	bench_until(&b, media_peer_dtls_closed(other));
	b.peer[1] = NULL;
	media_peer_free(other);
}

static void what_is_not_described_takes_no_place(void **state)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE,
				    .term = GW_TERM_SPARE };
	struct bench_call c;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	/* Of a context that is not there. */
	assert_int_equal(take(gw_media_new_id(b.media), GW_TERM_B)->type,
			 GW_E_GONE);
	cmd.ctx = c.ctx;
	assert_int_equal(bench_do(&b, &cmd)->error, -EINVAL);
	assert_int_equal(take(c.ctx, GW_TERM_B)->error, -EINVAL);
	cmd.verb = GW_M_RESERVE; /* of no transport */
	assert_int_equal(bench_do(&b, &cmd)->error, -EINVAL);
	(void)bench_reserve(&b, c.ctx, GW_TERM_SPARE, GW_TP_RTP, AF_INET);
	assert_int_equal(take(c.ctx, GW_TERM_B)->error, -EINVAL);
	assert_int_equal(take(c.ctx, GW_TERM_SPARE)->error, -EINVAL);
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
}

/* As when its DROP found the mailbox full. */
static void a_spare_makes_room_for_the_next(void **state)
{
	struct bench_call c;
	int fds;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	fds = bench_open_fds();
	assert_int_equal(
		bench_reserve(&b, c.ctx, GW_TERM_SPARE, GW_TP_DTLS, 0)->type,
		GW_E_RESERVED);
	assert_int_equal(
		bench_reserve(&b, c.ctx, GW_TERM_SPARE, GW_TP_RTP, AF_INET)
			->type,
		GW_E_RESERVED);
	assert_int_equal(bench_open_fds(), fds + 2);
	bench_talk(&b, &c);
	bench_hang_up(&b, &c);
}

/* @ph, on a new pair of ports, is the party at B from now. */
static void phone_takes_place(gw_ctx_id ctx, struct phone *ph)
{
	const struct gw_media_event *ev =
		bench_reserve(&b, ctx, GW_TERM_SPARE, GW_TP_RTP, AF_INET);

	assert_int_equal(ev->type, GW_E_RESERVED);
	ph->gw_rtp = ev->end.stream[0].rtp;
	ph->gw_rtcp = ev->end.stream[0].rtcp;
	(void)bench_configure_phone(&b, ctx, GW_TERM_SPARE, ph);
	assert_int_equal(take(ctx, GW_TERM_B)->type, GW_E_TAKEN);
	bench_gate(&b, ctx, GW_TERM_B, GW_GATE_BOTH);
}

/* Handed on and back at once, under the SSRC that it had. */
static void a_phone_that_comes_back_is_heard_at_once(void **state)
{
	struct phone other;
	struct bench_call c;

	(void)state;
	bench_call(&b, &c,
		   &(struct media_peer_options){ .active = true,
						 .controlling = true });
	bench_talk(&b, &c);
	phone_open(&other, "127.0.0.1");
	other.ssrc = 0x4444;
	phone_takes_place(c.ctx, &other);
	while (media_peer_rtp(c.peer))
		;
	bench_until(&b, ((void)phone_talk(&other), bench_turn(&b, 5),
			 media_peer_rtp(c.peer)));
	phone_takes_place(c.ctx, &c.phone);
	bench_turn(&b, 20);
	while (media_peer_rtp(c.peer))
		;
	/* The other one's last was heard within the half second in which a
	 * source that was replaced may not come back by itself. */
	(void)phone_talk(&c.phone);
	bench_turn(&b, 100);
	assert_non_null(media_peer_rtp(c.peer));
	bench_hang_up(&b, &c);
	phone_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
		T(a_browser_takes_the_place_of_a_phone),
		T(a_phone_takes_the_place_of_a_browser),
		T(an_old_phone_is_not_learned_again),
		T(a_spare_that_is_dropped_leaves_nothing),
		T(a_spare_ends_with_its_call),
		T(a_spare_makes_room_for_the_next),
		T(a_phone_that_comes_back_is_heard_at_once),
		T(what_is_not_described_takes_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
