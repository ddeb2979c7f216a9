/* Figures of pictures: intervals, what browsers report, records. */
#include "tests/unit/cm.h"

#include <json-c/json.h>
#include <string.h>

#include "gateway/cdr.h"
#include "gateway/quality.h"

#define S 1000000ull

static struct gw_quality q;
static struct gw_stream_stats a, b;
static const struct gw_stream_stats *const now[GW_NTERMS] = { &a, &b };
static struct gw_quality_line line;
static struct gw_buf text;

static int setup(void **state)
{
	(void)state;
	gw_quality_init(&q);
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	a.kind = b.kind = GW_MEDIA_VIDEO;
	line = (struct gw_quality_line){
		.codec = "VP8", .mid = {"1", ""}
	};
	gw_buf_init(&text, 16384);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_quality_fini(&q);
	gw_buf_fini(&text);
	return 0;
}

static const char *print(enum gw_term term)
{
	gw_buf_reset(&text);
	gw_quality_print(&q, term, &text);
	assert_int_equal(0, gw_buf_error(&text));
	return text.data;
}

static void has(const char *what)
{
	if (!strstr(text.data, what))
		fail_msg("no %s in %s", what, text.data);
}

static struct gw_leg_video report(uint32_t decoded, uint32_t frozen_ms)
{
	return (struct gw_leg_video){
		.mid = "1",
		.packets = {0, decoded * 3, 0, 5, 40, GW_LEG_UNKNOWN},
		.decoded = decoded,
		.dropped = decoded / 10,
		.key_frames = 1,
		.freezes = frozen_ms ? 1 : 0,
		.frozen_ms = frozen_ms,
		.width = 640,
		.height = 480,
		.fps = 15,
		.sent_width = GW_LEG_UNKNOWN,
		.sent_height = GW_LEG_UNKNOWN,
		.sent_fps = GW_LEG_UNKNOWN,
	};
}

static void sound_alone_has_no_pictures(void **state)
{
	(void)state;
	a.rx.packets = 100;
	a.kind = b.kind = GW_MEDIA_AUDIO;
	assert_false(gw_quality_is_video(&q, 0, now));
	a.kind = GW_MEDIA_VIDEO;
	assert_true(gw_quality_is_video(&q, 0, now));
	a.rx.packets = 0; /* agreed to, and nothing yet */
	assert_false(gw_quality_is_video(&q, 0, now));
	assert_null(strstr(print(GW_TERM_A), "video"));
}

static void loss_jitter_and_bit_rate_are_of_the_interval(void **state)
{
	const struct gw_quality_sight *s;

	(void)state;
	gw_quality_video_take(&q, 1, now, &line, 10 * S);
	a.rx = (struct gw_flow_stats){
		.packets = 90, .bytes = 625000, .lost = 10, .jitter_us = 8000
	};
	b.tx = (struct gw_flow_stats){ .packets = 90, .bytes = 500000 };
	b.remote_lost = 9;
	b.rtt_us = 30000;
	gw_quality_video_take(&q, 1, now, &line, 15 * S);
	s = &q.video[1]->at[GW_TERM_A];
	assert_int_equal(100000, s->side.to.loss_ppm);
	assert_int_equal(8000, s->side.to.jitter_us);
	assert_int_equal(1000000, s->to_bps);
	assert_false(s->side.from.known);
	assert_int_equal(0, s->side.to.mos_n);
	s = &q.video[1]->at[GW_TERM_B];
	assert_int_equal(100000, s->side.from.loss_ppm);
	assert_int_equal(800000, s->from_bps);
	/* The last word of media comes at once: no bit rate is made of it. */
	a.rx.bytes += 1000;
	gw_quality_video_take(&q, 1, now, &line, 15 * S + 1000);
	assert_int_equal(1000000, q.video[1]->at[GW_TERM_A].to_bps);
	/* Half as much, with nothing lost. */
	a.rx.packets += 100;
	a.rx.bytes = 625000 + 312500;
	gw_quality_video_take(&q, 1, now, &line, 20 * S);
	assert_int_equal(0, q.video[1]->at[GW_TERM_A].side.to.loss_ppm);
	assert_true(q.video[1]->at[GW_TERM_A].to_bps < 510000);
	assert_int_equal(1000000, q.video[1]->at[GW_TERM_A].to_bps_max);
}

static void each_end_sees_its_own_side_as_near(void **state)
{
	(void)state;
	a.rx.packets = 100;
	a.feedback = (struct gw_feedback_stats){
		.nacks_in = 4, .plis_in = 2, .firs_in = 1, .resent = 6
	};
	gw_quality_video_take(&q, 1, now, &line, S);
	gw_quality_video_asked(&q, GW_TERM_B);
	print(GW_TERM_A);
	has("\"video\":[{\"mid\":\"1\",\"codec\":\"VP8\",\"near\":{\"toGateway"
	    "\":{\"lossPercent\":0.00,\"jitterMs\":0.00,\"kbps\":0},");
	has("\"nacks\":4,\"packetsResent\":6,\"keyFrameRequests\":3,"
	    "\"seen\":null},\"far\":");
	has("\"nacks\":0,\"packetsResent\":0,\"keyFrameRequests\":1,"
	    "\"seen\":null}}]}");
	print(GW_TERM_B);
	has("\"video\":[{\"mid\":\"\",\"codec\":\"VP8\",\"near\":{\"toGateway"
	    "\":{\"lossPercent\":null,");
}

static void what_a_browser_shows_is_told_to_both(void **state)
{
	struct gw_leg_video r = report(75, 0);

	(void)state;
	gw_quality_video_report(&q, GW_TERM_A, 1, &r, S); /* none there */
	assert_null(q.video[1]);
	gw_quality_video_report(&q, GW_TERM_A, 99, &r, S);
	a.tx.packets = 250;
	gw_quality_video_take(&q, 1, now, &line, S);
	gw_quality_video_report(&q, GW_TERM_A, 1, &r, 2 * S);
	gw_quality_video_take(&q, 1, now, &line, 5 * S);
	assert_true(q.video[1]->at[GW_TERM_A].side.from.known);
	assert_int_equal(40000, q.video[1]->at[GW_TERM_A].side.round_trip_us);
	print(GW_TERM_B);
	has("\"seen\":{\"width\":640,\"height\":480,\"framesPerSecond\":15,"
	    "\"framesDecoded\":75,\"framesDropped\":7,\"freezes\":0,"
	    "\"frozenMs\":0}}}]");
	r.width = r.height = GW_LEG_UNKNOWN;
	gw_quality_video_report(&q, GW_TERM_A, 1, &r, 3 * S);
	print(GW_TERM_A);
	has("\"seen\":{\"width\":null,\"height\":null,");
}

static void a_page_that_loads_again_begins_anew(void **state)
{
	const struct gw_quality_sight *s;
	struct gw_leg_video r = report(100, 500);

	(void)state;
	a.tx.packets = 250;
	gw_quality_video_take(&q, 0, now, &line, S);
	s = &q.video[0]->at[GW_TERM_A];
	gw_quality_video_report(&q, GW_TERM_A, 0, &r, 2 * S);
	r = report(175, 1000);
	gw_quality_video_report(&q, GW_TERM_A, 0, &r, 7 * S);
	assert_int_equal(175, s->decoded);
	assert_int_equal(500, s->frozen_ms);
	assert_int_equal(5000, s->watched_ms);
	r = report(20, 0);
	gw_quality_video_report(&q, GW_TERM_A, 0, &r, 12 * S);
	assert_int_equal(175, s->decoded);
	r = report(90, 4000000000u); /* no more than the time itself */
	gw_quality_video_report(&q, GW_TERM_A, 0, &r, 17 * S);
	assert_int_equal(245, s->decoded);
	assert_int_equal(10000, s->watched_ms);
	assert_int_equal(5500, s->frozen_ms);
	memset(&r, 0xff, sizeof(r)); /* nothing is known, or all is huge */
	r.mid[0] = '\0';
	gw_quality_video_report(&q, GW_TERM_A, 0, &r, 22 * S);
	assert_int_equal(245, s->decoded);
	gw_quality_video_take(&q, 0, now, &line, 25 * S);
}

static void a_peers_words_do_not_break_the_json(void **state)
{
	struct json_object *o;

	(void)state;
	a.rx.packets = 100;
	line.codec = "x\"},\\\n";
	strcpy(line.mid[GW_TERM_A], "a\"b\\\x01");
	gw_quality_video_take(&q, 0, now, &line, S);
	o = json_tokener_parse(print(GW_TERM_A));
	assert_non_null(o);
	json_object_put(o);
	has("\"mid\":\"a_b__\",\"codec\":\"x_},__\"");
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(o, name, &v))
		fail_msg("no %s in %s", name, json_object_to_json_string(o));
	return v;
}

static int64_t number(struct json_object *o, const char *name)
{
	return json_object_get_int64(member(o, name));
}

static void the_record_has_each_picture_of_each_side(void **state)
{
	struct gw_leg_video r = report(300, 250);
	struct json_object *side, *v;

	(void)state;
	side = gw_cdr_side("respect", &a);
	gw_cdr_add_video(side, &q, GW_TERM_A);
	assert_false(json_object_object_get_ex(side, "video", &v));
	gw_quality_video_take(&q, 2, now, &line, S);
	gw_quality_video_report(&q, GW_TERM_A, 2, &r, 2 * S);
	a.rx = (struct gw_flow_stats){ .packets = 980, .lost = 20 };
	a.feedback.nacks_out = 5;
	a.feedback.plis_in = 2;
	b.feedback.told_out = 3;
	gw_quality_video_take(&q, 2, now, &line, 6 * S);
	gw_quality_video_asked(&q, GW_TERM_B);
	gw_cdr_add_video(side, &q, GW_TERM_A);
	v = member(side, "video");
	assert_int_equal(1, json_object_array_length(v));
	v = json_object_array_get_idx(v, 0);
	assert_int_equal(2, number(v, "line"));
	assert_string_equal("1", json_object_get_string(member(v, "mid")));
	assert_string_equal("VP8", json_object_get_string(member(v, "codec")));
	assert_int_equal(980, number(v, "packets_received"));
	assert_int_equal(5, number(v, "nacks_sent"));
	assert_int_equal(2, number(v, "plis_received"));
	assert_string_equal("2.00",
			    json_object_get_string(member(
				    member(member(v, "quality"), "to_gateway"),
				    "loss_percent")));
	assert_int_equal(300, number(member(v, "seen"), "frames_decoded"));
	assert_int_equal(640, number(member(v, "seen"), "width"));
	assert_int_equal(1, number(member(v, "seen"), "freezes"));
	json_object_put(side);
	side = gw_cdr_side("ims", &b);
	gw_cdr_add_video(side, &q, GW_TERM_B);
	v = json_object_array_get_idx(member(side, "video"), 0);
	assert_int_equal(3, number(v, "infos_sent"));
	assert_int_equal(1, number(v, "infos_received"));
	assert_false(json_object_object_get_ex(v, "seen", &v));
	json_object_put(side);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(sound_alone_has_no_pictures),
		T(loss_jitter_and_bit_rate_are_of_the_interval),
		T(each_end_sees_its_own_side_as_near),
		T(what_a_browser_shows_is_told_to_both),
		T(a_page_that_loads_again_begins_anew),
		T(a_peers_words_do_not_break_the_json),
		T(the_record_has_each_picture_of_each_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
