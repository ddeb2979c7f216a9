#include "media/flow.h"

#include <assert.h>

#include "gateway/base/check.h"
#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"
#include "media/discard.h"

GW_COUNTER(m_switches, "isthmus_rtp_source_switches_total",
	   "Sources replaced by another SSRC or a new numbering", "");

static const struct {
	const char *name;
	enum gw_discard discard;
} verdicts[GW_FLOW_NVERDICTS] = {
	[GW_FLOW_SEND] = {"send",       GW_NDISCARDS         },
	[GW_FLOW_MALFORMED] = { "malformed", GW_DISCARD_MALFORMED },
	[GW_FLOW_GATED] = { "gate",      GW_DISCARD_GATED     },
	[GW_FLOW_NO_CODEC] = { "codec",     GW_DISCARD_NO_CODEC  },
	[GW_FLOW_EMPTY] = { "empty",     GW_DISCARD_EMPTY     },
	[GW_FLOW_DUPLICATE] = { "duplicate", GW_DISCARD_DUPLICATE },
	[GW_FLOW_TOO_OLD] = { "old",       GW_DISCARD_TOO_OLD   },
	[GW_FLOW_JUMP] = { "jump",      GW_DISCARD_JUMP      },
	[GW_FLOW_OLD_SOURCE] = { "source",    GW_DISCARD_OLD_SOURCE},
};

/* A packet on its way through. */
struct transit {
	struct gw_rtp h;               /* the source's, turned into ours */
	const struct gw_flow_row *row; /* NULL: unknown payload type */
	enum gw_rtp_order order;
	uint64_t ext; /* extended sequence number at the source */
	uint64_t now_us;
	uint8_t *data;
	struct gw_flow_result *res;
};

const char *gw_flow_verdict_name(enum gw_flow_verdict v)
{
	return verdicts[v].name;
}

/* ---- set-up ---- */

void gw_flow_init_with(struct gw_flow *f, uint32_t ssrc, uint16_t seq,
		       uint32_t timestamp)
{
	assert(seq < 0x8000);
	*f = (struct gw_flow){
		.ssrc = ssrc,
		.resync = true,
		.mark = true,
 /* One cycle up, and everything below counts as used. */
		.out_highest = GW_RTP_CYCLE + seq - 1,
		.window = {UINT64_MAX, UINT64_MAX},
		.anchor_ts = timestamp,
	};
}

void gw_flow_init(struct gw_flow *f)
{
	uint32_t ssrc;

	/* Zero is "not said" in descriptions and commands. */
	do
		ssrc = gw_random_u32();
	while (!ssrc);
	gw_flow_init_with(f, ssrc, gw_random_u32() & 0x7fff, gw_random_u32());
}

uint32_t gw_flow_ssrc(const struct gw_flow *f)
{
	return f->ssrc;
}

bool gw_flow_is_open(const struct gw_flow *f)
{
	return f->open;
}

bool gw_flow_source(const struct gw_flow *f, uint32_t *ssrc)
{
	*ssrc = f->src.ssrc;
	return f->src.started;
}

void gw_flow_gate(struct gw_flow *f, bool open)
{
	if (open == f->open)
		return;
	f->open = open;
	f->resync = true;
	f->mark = true;
	gw_dtmf_reset(&f->dtmf);
}

/* ---- output numbers ---- */

/* Where the output time line stands now, at @clock_hz. */
static uint32_t time_line(const struct gw_flow *f, uint32_t clock_hz,
			  uint64_t now_us)
{
	uint64_t us = now_us > f->anchor_us ? now_us - f->anchor_us : 0;

	if (!f->started)
		return f->anchor_ts;
	return f->anchor_ts + (uint32_t)(us * clock_hz / 1000000);
}

/* The same for a new packet: later than the last by a packet at least. */
static uint32_t next_on_time_line(const struct gw_flow *f, uint32_t clock_hz,
				  uint64_t now_us)
{
	uint32_t ts = time_line(f, clock_hz, now_us);
	uint32_t step = clock_hz / 50;

	if (!f->started)
		return ts;
	if (f->step && clock_hz == f->out_clock_hz)
		step = f->step;
	if (ts - f->anchor_ts < step)
		ts = f->anchor_ts + step;
	return ts;
}

/* Could @ts come now, as the time line goes?  Silence, jitter, lost packets
 * and video out of order could; a new random start could not. */
static bool plausible(const struct gw_flow *f, uint32_t ts, uint32_t clock_hz,
		      uint64_t now_us)
{
	int64_t ahead = (int32_t)(ts - f->anchor_ts);
	uint64_t wall_us = now_us > f->anchor_us ? now_us - f->anchor_us : 0;

	if (!f->started || !clock_hz)
		return false;
	ahead = ahead * 1000000 / (int64_t)clock_hz;
	if (ahead < 0)
		return ahead >= -GW_FLOW_TS_BACK_US;
	return (uint64_t)ahead <= wall_us + GW_FLOW_TS_AHEAD_US;
}

static void set_anchor(struct gw_flow *f, uint32_t ts, uint32_t clock_hz,
		       uint64_t now_us)
{
	int32_t d = (int32_t)(ts - f->anchor_ts);

	if (f->started && f->out_clock_hz == clock_hz) {
		if (d > 0 && (uint32_t)d <= clock_hz / 5)
			f->step = (uint32_t)d;
		/* A B-frame's time is no step back of the time line. */
		if (d < 0)
			return;
	} else {
		f->step = 0;
	}
	f->anchor_ts = ts;
	f->anchor_us = now_us;
	f->out_clock_hz = clock_hz;
	f->started = true;
}

/*
 * From this packet on, source numbers land elsewhere.  @clock_hz 0: where its
 * timestamp lands is not known, only its sequence number.
 */
static void open_segment(struct gw_flow *f, const struct transit *k,
			 uint32_t clock_hz)
{
	struct gw_flow_segment s = {
		.valid = true,
		.floor = k->ext,
		.clock_hz = clock_hz,
	};

	if (clock_hz)
		s.ts_delta = next_on_time_line(f, clock_hz, k->now_us) -
			     k->h.timestamp;
	if (f->resync || !f->cur.valid) {
		f->prev.valid = false;
		s.seq_delta = (int64_t)(f->out_highest + 1 - k->ext);
	} else {
		f->prev = f->cur;
		s.seq_delta = f->cur.seq_delta;
	}
	f->cur = s;
	f->resync = false;
	f->mark = true;
}

static const struct gw_flow_segment *late_segment(const struct gw_flow *f,
						  uint64_t ext)
{
	/* With a resync pending everything before belongs to the past. */
	if (f->resync || !f->cur.valid)
		return NULL;
	if (ext >= f->cur.floor)
		return &f->cur;
	if (f->prev.valid && ext >= f->prev.floor)
		return &f->prev;
	return NULL;
}

/* Takes an output sequence number, once.  The window is as deep as the source
 * may misorder, and not deeper than that of SRTP (RFC 3711 3.3.2). */
static enum gw_flow_verdict claim(struct gw_flow *f, uint64_t out)
{
	uint64_t n;

	if (out > f->out_highest) {
		n = out - f->out_highest;
		if (n >= 128) {
			f->window[0] = f->window[1] = 0;
		} else if (n >= 64) {
			f->window[1] = f->window[0] << (n - 64);
			f->window[0] = 0;
		} else {
			f->window[1] =
				f->window[1] << n | f->window[0] >> (64 - n);
			f->window[0] <<= n;
		}
		f->window[0] |= 1;
		f->out_highest = out;
		return GW_FLOW_SEND;
	}
	n = f->out_highest - out;
	if (n >= 128)
		return GW_FLOW_TOO_OLD;
	if (f->window[n / 64] >> (n % 64) & 1)
		return GW_FLOW_DUPLICATE;
	f->window[n / 64] |= (uint64_t)1 << (n % 64);
	return GW_FLOW_SEND;
}

/*
 * A packet that is dropped on purpose takes no output number: to the to-end a
 * gap would be a loss, which it would conceal and report.
 */
static enum gw_flow_verdict skip(struct gw_flow *f, const struct transit *k,
				 enum gw_flow_verdict why)
{
	if (k->order != GW_RTP_NEWEST || f->resync || !f->cur.valid)
		return why;
	/* Nothing went out since the last one: move that boundary on. */
	if (f->cur.floor != k->ext) {
		f->prev = f->cur;
		f->cur.floor = k->ext;
	}
	f->cur.floor++;
	f->cur.seq_delta--;
	return why;
}

static enum gw_flow_verdict emit(struct gw_flow *f, struct transit *k,
				 uint64_t out)
{
	k->h.seq = (uint16_t)out;
	k->h.ssrc = f->ssrc;
	k->h.marker |= f->audio && f->mark;
	f->mark = false;
	f->sent_us = k->now_us;

	/* An event is made anew behind the bare header. */
	if (f->keeps_ext && k->h.extension && !k->row->event) {
		k->res->len = gw_rtp_ext_map(k->data, &k->h, f->ext_of);
		k->res->ext_bytes = (uint16_t)(k->h.payload_at - GW_RTP_HEADER);
	} else {
		k->res->len = gw_rtp_strip(k->data, &k->h);
	}
	gw_rtp_rewrite(k->data, &k->h);
	f->tx_packets++;
	f->tx_bytes += k->res->len;
	f->tx_octets += k->h.payload_bytes;
	return GW_FLOW_SEND;
}

/* ---- ordinary media ---- */

static enum gw_flow_verdict take_media(struct gw_flow *f, struct transit *k)
{
	uint32_t clock_hz = k->row->clock_hz;
	const struct gw_flow_segment *s;
	enum gw_flow_verdict v;
	uint64_t out;

	if (k->order == GW_RTP_LATE) {
		s = late_segment(f, k->ext);
		if (!s || s->clock_hz != clock_hz)
			return GW_FLOW_TOO_OLD;
	} else {
		s = &f->cur;
		if (f->resync || !s->valid || s->clock_hz != clock_hz ||
		    !plausible(f, k->h.timestamp + s->ts_delta, clock_hz,
			       k->now_us))
			open_segment(f, k, clock_hz);
	}

	out = k->ext + (uint64_t)s->seq_delta;
	v = claim(f, out);
	if (v != GW_FLOW_SEND)
		return v;
	k->h.pt = k->row->pt;
	k->h.timestamp += s->ts_delta;
	if (k->order != GW_RTP_LATE)
		set_anchor(f, k->h.timestamp, clock_hz, k->now_us);
	return emit(f, k, out);
}

/* ---- telephone-events ---- */

static uint32_t time_line_clock(const struct gw_flow *f, uint32_t otherwise)
{
	if (f->out_clock_hz)
		return f->out_clock_hz;
	return f->main_clock_hz ? f->main_clock_hz : otherwise;
}

/* The to-end's event payload type with the clock of the time line; failing
 * that the first (see media/dtmf.h). */
static unsigned pick_event(const struct gw_flow *f, uint32_t clock_hz)
{
	unsigned i;

	for (i = 0; i < f->nevent; i++) {
		if (f->event[i].clock_hz == clock_hz)
			return i;
	}
	return 0;
}

/*
 * Where a new event starts on the output time line.  A timestamp that fits to
 * the audio before it is on the audio's clock, whatever the clock of the event
 * is said to be (RFC 4733 2.1); one that does not fit counts otherwise, and
 * then the event starts now.
 */
static uint32_t event_start(const struct gw_flow *f, const struct transit *k,
			    uint32_t line_hz)
{
	uint32_t ts = k->h.timestamp + f->cur.ts_delta;

	if (f->cur.clock_hz == line_hz &&
	    (!f->started || plausible(f, ts, line_hz, k->now_us)))
		return ts;
	return next_on_time_line(f, line_hz, k->now_us);
}

static enum gw_flow_verdict relay_event(struct gw_flow *f, struct transit *k,
					struct gw_dtmf_track *t,
					struct gw_dtmf *d)
{
	uint32_t line_hz = time_line_clock(f, k->row->clock_hz);
	unsigned to = pick_event(f, line_hz);
	const struct gw_flow_segment *s = &f->cur;
	enum gw_flow_verdict v;
	uint64_t out;

	if (k->order == GW_RTP_LATE) {
		s = late_segment(f, k->ext);
		/* Only its first packet can say where an event starts. */
		if (!s || !t->opened)
			return GW_FLOW_TOO_OLD;
	} else if (f->resync || !s->valid) {
		open_segment(f, k, k->row->clock_hz == line_hz ? line_hz : 0);
	}

	out = k->ext + (uint64_t)s->seq_delta;
	v = claim(f, out);
	if (v != GW_FLOW_SEND)
		return v;
	if (!t->opened) {
		t->out_ts = event_start(f, k, line_hz);
		set_anchor(f, t->out_ts, line_hz, k->now_us);
	}
	gw_dtmf_convert(t, d, f->event[to].clock_hz, line_hz, &k->h.timestamp,
			&k->h.marker);
	f->mark = false; /* the M bit of an event says something else */
	k->h.pt = f->event[to].pt;
	k->h.payload_bytes = GW_DTMF_PAYLOAD;
	v = emit(f, k, out);
	gw_dtmf_write(k->data + GW_RTP_HEADER, d);
	return v;
}

static void add_digits(struct gw_flow_result *res,
		       const struct gw_dtmf_digit *digit, unsigned n)
{
	unsigned i;

	for (i = 0; i < n && res->ndigit < GW_ARRAY_LEN(res->digit); i++)
		res->digit[res->ndigit++] = digit[i];
}

static enum gw_flow_verdict take_event(struct gw_flow *f, struct transit *k)
{
	struct gw_dtmf_packet p = {
		.marker = k->h.marker,
		.late = k->order == GW_RTP_LATE,
		.timestamp = k->h.timestamp,
		.clock_hz = k->row->clock_hz,
		.ts_clock_hz = f->src_clock_hz,
	};
	struct gw_dtmf_digit digit[2];
	struct gw_dtmf_track *t;
	unsigned ndigit;

	k->res->event = true;
	if (gw_dtmf_parse(&p.d, k->data + k->h.payload_at, k->h.payload_bytes))
		return skip(f, k, GW_FLOW_MALFORMED);
	t = gw_dtmf_track(&f->dtmf, &p, k->now_us, digit, &ndigit);
	add_digits(k->res, digit, ndigit);
	if (!t)
		return GW_FLOW_TOO_OLD;
	if (!f->nevent)
		return skip(f, k, GW_FLOW_NO_CODEC);
	return relay_event(f, k, t, &p.d);
}

/* ---- the source ---- */

static void new_numbering(struct gw_flow *f, struct transit *k)
{
	struct gw_dtmf_digit digit;

	/* An event of the old one ends here at the latest. */
	if (gw_dtmf_poll(&f->dtmf, UINT64_MAX - 1, &digit))
		add_digits(k->res, &digit, 1);
	gw_dtmf_reset(&f->dtmf);
	f->resync = true;
	f->mark = true;
	f->switches++;
	gw_metric_add(&m_switches, 1);
}

void gw_flow_moved(struct gw_flow *f)
{
	f->has_old_ssrc = false;
}

static bool admit_source(struct gw_flow *f, struct transit *k)
{
	uint32_t ssrc = k->h.ssrc;

	if (f->src.started) {
		if (ssrc == f->src.ssrc)
			return true;
		if (f->has_old_ssrc && ssrc == f->old_ssrc &&
		    k->now_us < f->src_heard_us + GW_FLOW_SOURCE_HOLD_US)
			return false;
		f->rx_lost_before += gw_rtp_source_lost_total(&f->src);
		f->has_old_ssrc = true;
		f->old_ssrc = f->src.ssrc;
		f->last_sr = 0;
		f->src_clock_hz = 0;
		new_numbering(f, k);
	}
	gw_rtp_source_init(&f->src, ssrc, k->h.seq);
	return true;
}

static enum gw_flow_verdict take(struct gw_flow *f, struct transit *k,
				 size_t len)
{
	uint8_t row;

	if (gw_rtp_parse(&k->h, k->data, len))
		return GW_FLOW_MALFORMED;
	row = f->row_of[k->h.pt];
	k->row = row ? &f->row[row - 1] : NULL;
	/* What nobody negotiated does not make a new source. */
	if (!k->row && (!f->src.started || k->h.ssrc != f->src.ssrc))
		return GW_FLOW_NO_CODEC;
	if (!admit_source(f, k))
		return GW_FLOW_OLD_SOURCE;

	k->order = gw_rtp_source_seq(&f->src, k->h.seq, &k->ext);
	f->src_heard_us = k->now_us;
	if (k->order == GW_RTP_JUMP)
		return GW_FLOW_JUMP;
	if (k->order == GW_RTP_RESTART)
		new_numbering(f, k);
	if (k->row && !k->row->event && k->h.payload_bytes) {
		f->src_clock_hz = k->row->clock_hz;
		gw_rtp_source_time(&f->src, k->h.timestamp, k->row->clock_hz,
				   k->now_us);
	}

	if (!f->open)
		return GW_FLOW_GATED;
	if (!k->row)
		return skip(f, k, GW_FLOW_NO_CODEC);
	if (!k->h.payload_bytes)
		return skip(f, k, GW_FLOW_EMPTY);
	return k->row->event ? take_event(f, k) : take_media(f, k);
}

bool gw_flow_is_stale(const struct gw_flow *f, const uint8_t *data, size_t len,
		      uint64_t now_us)
{
	const struct gw_rtp_source *src = &f->src;
	const struct gw_flow_row *row;
	struct gw_rtp h;
	int64_t late_us;

	if (!src->started || !src->has_transit || gw_rtp_parse(&h, data, len) ||
	    h.ssrc != src->ssrc || !f->row_of[h.pt])
		return false;
	/* All packets of an event carry the time of its start. */
	row = &f->row[f->row_of[h.pt] - 1];
	if (row->event || row->clock_hz != src->last_clock_hz)
		return false;
	late_us = (int64_t)(now_us - src->last_us) -
		  (int64_t)(int32_t)(h.timestamp - src->last_ts) * 1000000 /
			  (int64_t)row->clock_hz;
	return late_us > GW_FLOW_STALE_US;
}

enum gw_flow_verdict gw_flow_packet(struct gw_flow *f, uint8_t *data,
				    size_t len, uint64_t now_us,
				    struct gw_flow_result *res)
{
	struct transit k = { .now_us = now_us, .data = data, .res = res };
	enum gw_flow_verdict v;

	res->len = 0;
	res->ext_bytes = 0;
	res->event = false;
	res->ndigit = 0;
	f->rx_packets++;
	f->rx_bytes += len;
	v = take(f, &k, len);
	if (v != GW_FLOW_SEND)
		gw_discard(f->rx_discarded, verdicts[v].discard);
	return v;
}

void gw_flow_unsent(struct gw_flow *f, const struct gw_flow_result *res)
{
	assert(f->tx_packets &&
	       res->len >= (size_t)GW_RTP_HEADER + res->ext_bytes);
	f->tx_packets--;
	f->tx_bytes -= res->len;
	f->tx_octets -= res->len - GW_RTP_HEADER - res->ext_bytes;
}

bool gw_flow_poll_digit(struct gw_flow *f, uint64_t now_us,
			struct gw_dtmf_digit *digit)
{
	return gw_dtmf_poll(&f->dtmf, now_us, digit);
}

uint64_t gw_flow_digit_due_us(const struct gw_flow *f)
{
	return gw_dtmf_due_us(&f->dtmf);
}
