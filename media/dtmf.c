#include "media/dtmf.h"

#include <errno.h>
#include <stddef.h>

#include "gateway/base/bytes.h"

int gw_dtmf_parse(struct gw_dtmf *out, const uint8_t *payload, size_t len)
{
	if (len < GW_DTMF_PAYLOAD)
		return -EBADMSG;
	out->code = payload[0];
	out->end = payload[1] & 0x80;
	out->volume = payload[1] & 0x3f;
	out->duration = gw_get16(payload + 2);
	return 0;
}

void gw_dtmf_write(uint8_t payload[GW_DTMF_PAYLOAD], const struct gw_dtmf *d)
{
	payload[0] = d->code;
	payload[1] = (uint8_t)((d->end ? 0x80 : 0) | (d->volume & 0x3f));
	payload[2] = (uint8_t)(d->duration >> 8);
	payload[3] = (uint8_t)d->duration;
}

void gw_dtmf_reset(struct gw_dtmf_rx *rx)
{
	*rx = (struct gw_dtmf_rx){ 0 };
}

/* To the nearest; something never becomes nothing. */
static uint64_t scale(uint64_t n, uint32_t from_hz, uint32_t to_hz)
{
	uint64_t out;

	if (from_hz == to_hz || !from_hz)
		return n;
	out = (n * to_hz + from_hz / 2) / from_hz;
	return n && !out ? 1 : out;
}

/*
 * The same time, but another event: peers exist whose timestamp stands still
 * between two digits without audio.
 */
static bool is_repeat(const struct gw_dtmf_track *t,
		      const struct gw_dtmf_packet *p)
{
	if (p->late)
		return false;
	if (t->code != p->d.code)
		return true;
	return t->ended && p->marker && !p->d.end;
}

/* RFC 4733 2.5.1.3: a segment starts where the full one before it ended. */
static bool is_continuation(const struct gw_dtmf_track *t,
			    const struct gw_dtmf_packet *p)
{
	uint32_t step = p->timestamp - t->segment_ts;
	uint64_t scaled;

	if (!t->known || t->ended || p->late || p->marker ||
	    t->code != p->d.code || t->clock_hz != p->clock_hz)
		return false;
	if (step == GW_DTMF_SEGMENT)
		return true;
	scaled = scale(GW_DTMF_SEGMENT, p->clock_hz, p->ts_clock_hz);
	return p->ts_clock_hz && step + 1 >= scaled && step <= scaled + 1;
}

static void report(struct gw_dtmf_track *t, struct gw_dtmf_digit *digit,
		   unsigned *ndigit)
{
	uint64_t ms;

	if (!t->known || t->reported)
		return;
	t->reported = true;
	if (t->code > GW_DTMF_MAX_CODE)
		return;
	ms = t->clock_hz ? t->duration * 1000 / t->clock_hz : 0;
	digit[*ndigit].code = t->code;
	digit[*ndigit].duration_ms =
		ms > UINT16_MAX ? UINT16_MAX : (uint16_t)ms;
	(*ndigit)++;
}

static struct gw_dtmf_track *find(struct gw_dtmf_rx *rx,
				  const struct gw_dtmf_packet *p)
{
	struct gw_dtmf_track *t;
	unsigned i;

	for (i = 0; i < 2; i++) {
		t = &rx->ev[i];
		if (t->known && t->segment_ts == p->timestamp) {
			/* A late packet of another code fits nothing. */
			if (is_repeat(t, p) || t->code != p->d.code)
				return NULL;
			return t;
		}
	}
	t = &rx->ev[0];
	if (!is_continuation(t, p))
		return NULL;
	t->before += GW_DTMF_SEGMENT;
	t->segment_ts = p->timestamp;
	return t;
}

static struct gw_dtmf_track *start(struct gw_dtmf_rx *rx,
				   const struct gw_dtmf_packet *p)
{
	rx->ev[1] = rx->ev[0];
	rx->ev[0] = (struct gw_dtmf_track){
		.known = true,
		.code = p->d.code,
		.segment_ts = p->timestamp,
		.clock_hz = p->clock_hz,
	};
	return &rx->ev[0];
}

struct gw_dtmf_track *
gw_dtmf_track(struct gw_dtmf_rx *rx, const struct gw_dtmf_packet *p,
	      uint64_t now_us, struct gw_dtmf_digit digit[2], unsigned *ndigit)
{
	struct gw_dtmf_track *t = find(rx, p);
	uint64_t total;

	*ndigit = 0;
	if (!t) {
		if (p->late)
			return NULL;
		report(&rx->ev[0], digit, ndigit);
		t = start(rx, p);
	}

	total = t->before + p->d.duration;
	if (total > t->duration)
		t->duration = total;
	t->heard_us = now_us;
	if (p->d.end) {
		t->ended = true;
		report(t, digit, ndigit);
	}
	return t;
}

uint64_t gw_dtmf_due_us(const struct gw_dtmf_rx *rx)
{
	const struct gw_dtmf_track *t = &rx->ev[0];

	if (!t->known || t->reported)
		return UINT64_MAX;
	return t->heard_us + GW_DTMF_LOST_US;
}

bool gw_dtmf_poll(struct gw_dtmf_rx *rx, uint64_t now_us,
		  struct gw_dtmf_digit *digit)
{
	unsigned n = 0;

	if (now_us >= gw_dtmf_due_us(rx))
		report(&rx->ev[0], digit, &n);
	return n > 0;
}

void gw_dtmf_convert(struct gw_dtmf_track *t, struct gw_dtmf *d,
		     uint32_t out_clock_hz, uint32_t out_ts_clock_hz,
		     uint32_t *ts, bool *marker)
{
	uint64_t total =
		scale(t->before + d->duration, t->clock_hz, out_clock_hz);
	uint64_t segment = total ? (total - 1) / GW_DTMF_SEGMENT : 0;

	if (segment > t->out_segment && !d->end && !t->closed_segment) {
		/* What is over comes with the next packet. */
		segment = t->out_segment;
		total = (segment + 1) * GW_DTMF_SEGMENT;
	}
	if (segment > t->out_segment) {
		t->out_segment = segment;
		t->closed_segment = false;
	}
	d->duration = (uint16_t)(total - segment * GW_DTMF_SEGMENT);
	if (segment == t->out_segment && d->duration == GW_DTMF_SEGMENT)
		t->closed_segment = true;

	*ts = t->out_ts + (uint32_t)scale(segment * GW_DTMF_SEGMENT,
					  out_clock_hz, out_ts_clock_hz);
	*marker = !t->opened;
	t->opened = true;
}
