/*
 * What one leg said, said to the other leg: m-lines, codecs, payload types
 * and directions.  Who the other leg is, and how it is reached, is filled in
 * by the caller; docs/sdp.md has the rules with examples.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/check.h"
#include "sdp/codec.h"
#include "sdp/relay.h"

/* RFC 4733 2.4.1: what an absent fmtp means, and what every keypad has. */
#define DIGITS "0-15"

/* ---- pieces of a stream ---- */

static void copy_identity(struct gw_sess_stream *to,
			  const struct gw_sess_stream *from)
{
	to->kind = from->kind;
	memcpy(to->media, from->media, sizeof(to->media));
	memcpy(to->proto, from->proto, sizeof(to->proto));
	memcpy(to->formats, from->formats, sizeof(to->formats));
}

static void copy_tag(struct gw_sess_stream *to,
		     const struct gw_sess_stream *from)
{
	memcpy(to->mid, from->mid, sizeof(to->mid));
	to->bundled = from->bundled;
}

static void refuse(struct gw_sess_stream *s)
{
	s->refused = true;
	s->bundled = false;
	s->dir = GW_DIR_INACTIVE;
	s->ncodec = 0;
}

/*
 * In an offer of ours a refused m-line only keeps a place.  It shows nothing
 * of how the other leg is connected: not DTLS to a phone, nor a phone's RTP
 * to a browser (its printer adds TLS to RTP/AVP).  What is neither audio nor
 * video becomes audio, as RFC 3264 8.3.3 allows: Firefox refuses a whole
 * description for one m=image, even with port 0.
 */
static void make_placeholder(struct gw_sess_stream *s)
{
	refuse(s);
	if (s->kind != GW_KIND_AUDIO && s->kind != GW_KIND_VIDEO) {
		s->kind = GW_KIND_AUDIO;
		(void)snprintf(s->media, sizeof(s->media), "audio");
		s->formats[0] = '\0';
	}
	if (!strcasestr(s->proto, "RTP/"))
		s->formats[0] = '\0';
	if (s->formats[0] == '\0')
		(void)snprintf(s->formats, sizeof(s->formats), "0");
	(void)snprintf(s->proto, sizeof(s->proto), "RTP/AVP");
}

static const struct gw_sess_codec *first_event(const struct gw_sess_stream *s)
{
	unsigned i;

	for (i = 0; i < s->ncodec; i++) {
		if (gw_codec_is_event(&s->codec[i]))
			return &s->codec[i];
	}
	return NULL;
}

static const struct gw_sess_codec *event_at(const struct gw_sess_stream *s,
					    uint32_t clock_hz)
{
	unsigned i;

	for (i = 0; i < s->ncodec; i++) {
		if (gw_codec_is_event(&s->codec[i]) &&
		    s->codec[i].clock_hz == clock_hz)
			return &s->codec[i];
	}
	return NULL;
}

static bool has_clock(const struct gw_sess_stream *s, uint32_t clock_hz)
{
	unsigned i;

	for (i = 0; i < s->ncodec; i++) {
		if (s->codec[i].clock_hz == clock_hz)
			return true;
	}
	return false;
}

/* ---- payload types of an offer ---- */

/* May @c have @pt in stream @at of @out?  A number never changes its meaning
 * within a session (RFC 3264 8.3.2), nor within a bundle (RFC 9143 9.1). */
static bool pt_is_free(const struct gw_sess *out, unsigned at,
		       const struct gw_sess *previous,
		       const struct gw_sess_codec *c, uint8_t pt)
{
	const struct gw_sess *both[] = { out, previous };
	size_t n;

	for (n = 0; n < GW_ARRAY_LEN(both); n++) {
		unsigned i, j;

		for (i = 0; both[n] && i < both[n]->nstream; i++) {
			const struct gw_sess_stream *s = &both[n]->stream[i];

			for (j = 0; j < s->ncodec; j++) {
				if (s->codec[j].pt != pt)
					continue;
				if (n == 0 && i == at)
					return false;
				if (!gw_codec_same(&s->codec[j], c))
					return false;
			}
		}
	}
	return true;
}

static bool pt_is_wanted(const struct gw_sess *from, uint8_t pt)
{
	unsigned i, j;

	for (i = 0; i < from->nstream; i++) {
		for (j = 0; j < from->stream[i].ncodec; j++) {
			if (from->stream[i].codec[j].pt == pt)
				return true;
		}
	}
	return false;
}

static bool pt_search(struct gw_sess_codec *c, unsigned lo, unsigned hi,
		      const struct gw_sess *out, unsigned at,
		      const struct gw_sess *previous,
		      const struct gw_sess *from)
{
	unsigned pt;

	for (pt = lo; pt <= hi; pt++) {
		if (pt_is_wanted(from, (uint8_t)pt) ||
		    !pt_is_free(out, at, previous, c, (uint8_t)pt))
			continue;
		c->pt = (uint8_t)pt;
		return true;
	}
	return false;
}

/* Sets c->pt: the number it had on that leg, else the one it comes with, else
 * a free dynamic one, else one of the range that RFC 5761 4 leaves usable. */
static bool pt_assign(struct gw_sess_codec *c, const struct gw_sess *out,
		      unsigned at, const struct gw_sess *previous,
		      const struct gw_sess *from)
{
	const struct gw_sess_codec *old = NULL;

	if (previous && at < previous->nstream)
		old = gw_sess_find_same(&previous->stream[at], c);
	if (old && pt_is_free(out, at, previous, c, old->pt)) {
		c->pt = old->pt;
		return true;
	}
	if (pt_is_free(out, at, previous, c, c->pt))
		return true;
	return pt_search(c, 96, 127, out, at, previous, from) ||
	       pt_search(c, 35, 63, out, at, previous, from);
}

static bool append(struct gw_sess *out, unsigned at, struct gw_sess_codec c,
		   const struct gw_sess *previous, const struct gw_sess *from)
{
	struct gw_sess_stream *s = &out->stream[at];

	if (s->ncodec == GW_SESS_MAX_CODECS || gw_sess_find_same(s, &c) ||
	    !pt_assign(&c, out, at, previous, from))
		return false;
	s->codec[s->ncodec++] = c;
	return true;
}

/*
 * RFC 4733 2.6: an event has the clock of the audio beside it, and which
 * audio that will be is not known yet.  So both clocks are always on offer,
 * and media/ converts between them.
 */
static void add_events(struct gw_sess *out, unsigned at,
		       const struct gw_sess *previous,
		       const struct gw_sess *from)
{
	static const struct gw_sess_codec wanted[] = {
		{110,  1, 48000, "telephone-event", "", 0},
		{ 101, 1, 8000,  "telephone-event", "", 0},
	};
	struct gw_sess_stream *s = &out->stream[at];
	const struct gw_sess_codec *like = first_event(s);
	struct gw_sess_codec c;
	size_t i;

	if (!like)
		return;
	for (i = 0; i < GW_ARRAY_LEN(wanted); i++) {
		if (event_at(s, wanted[i].clock_hz))
			continue;
		c = wanted[i];
		memcpy(c.fmtp, like->fmtp, sizeof(c.fmtp));
		(void)append(out, at, c, previous, from);
	}
}

/* How many codecs of @s may be taken so that both events still fit. */
static unsigned room_for_audio(const struct gw_sess_stream *s)
{
	unsigned i, missing = 0;

	if (!first_event(s))
		return GW_SESS_MAX_CODECS;
	missing += event_at(s, 8000) ? 0 : 1;
	missing += event_at(s, 48000) ? 0 : 1;
	for (i = 0; i < s->ncodec; i++)
		missing += gw_codec_is_event(&s->codec[i]) ? 1 : 0;
	return missing < GW_SESS_MAX_CODECS ? GW_SESS_MAX_CODECS - missing : 1;
}

static void offer_codecs(struct gw_sess *out, unsigned at,
			 const struct gw_sess *from,
			 const struct gw_sess *previous)
{
	const struct gw_sess_stream *src = &from->stream[at];
	unsigned i, room = room_for_audio(src);

	for (i = 0; i < src->ncodec; i++) {
		const struct gw_sess_codec *c = &src->codec[i];
		bool event = gw_codec_is_event(c);

		if (!gw_codec_supported(c) || (!event && room == 0))
			continue;
		if (append(out, at, *c, previous, from) && !event)
			room--;
	}
	add_events(out, at, previous, from);
}

/* Feedback ends at each leg: what we offer is what we can do. */
static void offer_feedback(struct gw_sess_stream *s)
{
	unsigned i;

	for (i = 0; i < s->ncodec; i++)
		s->codec[i].fb = s->kind == GW_KIND_VIDEO ? GW_FB_ALL : 0;
}

/* ---- m-lines of an offer ---- */

/* The tag that m-line had on this leg, else its place.  One that comes alive
 * as another medium is a new m-line in an old place (RFC 8829 5.2.2). */
static void offer_tag(struct gw_sess *out, unsigned at,
		      const struct gw_sess *previous)
{
	struct gw_sess_stream *s = &out->stream[at];
	const struct gw_sess_stream *old = NULL;

	if (previous && at < previous->nstream && previous->stream[at].mid[0])
		old = &previous->stream[at];
	if (old && old->kind == s->kind)
		memcpy(s->mid, old->mid, sizeof(s->mid));
	else
		(void)snprintf(s->mid, sizeof(s->mid), old ? "again%u" : "%u",
			       at);
	s->bundled = !s->refused;
}

/* In the words that the leg knows it by, if it does. */
static void offer_refused(struct gw_sess *out, unsigned at,
			  const struct gw_sess_stream *src,
			  const struct gw_sess *previous)
{
	struct gw_sess_stream *s = &out->stream[at];

	if (previous && at < previous->nstream) {
		copy_identity(s, &previous->stream[at]);
		refuse(s);
	} else {
		copy_identity(s, src);
		make_placeholder(s);
	}
}

static bool offer_stream(struct gw_sess *out, unsigned at,
			 const struct gw_sess *from,
			 const struct gw_sess *previous)
{
	const struct gw_sess_stream *src = &from->stream[at];
	struct gw_sess_stream *s = &out->stream[at];

	if (!gw_sess_servable(src))
		return false;
	copy_identity(s, src);
	s->proto[0] =
		'\0'; /* of the other leg: this one's printer has its own */
	s->formats[0] = '\0';
	s->dir = src->dir;
	s->ptime_ms = src->ptime_ms;
	s->maxptime_ms = src->maxptime_ms;
	s->bandwidth_bps = src->bandwidth_bps;
	offer_codecs(out, at, from, previous);
	offer_feedback(s);
	gw_relay_offer_ext(out, at, src, previous);
	gw_relay_offer_profile(s, previous && at < previous->nstream
					  ? &previous->stream[at]
					  : NULL);
	return gw_sess_main_codec(s) != NULL;
}

int gw_sess_relay_offer(struct gw_sess *out, const struct gw_sess *from,
			const struct gw_sess *previous)
{
	unsigned i, alive = 0;

	memset(out, 0, sizeof(*out));
	out->bundle = true;
	for (i = 0; i < from->nstream; i++) {
		out->nstream++;
		if (offer_stream(out, i, from, previous))
			alive++;
		else
			offer_refused(out, i, &from->stream[i], previous);
		offer_tag(out, i, previous);
	}
	/* RFC 3264 8: what was once an m-line on that leg stays one. */
	for (; previous && i < previous->nstream; i++) {
		out->nstream++;
		offer_refused(out, i, &previous->stream[i], previous);
		offer_tag(out, i, previous);
	}
	return alive > 0 ? 0 : -ENOENT;
}

/* ---- answers ---- */

/* A codec of the answer: the offer's name and number, the answerer's own
 * parameters, because an fmtp says what its writer wants to receive. */
static void accept_codec(struct gw_sess_stream *s,
			 const struct gw_sess_codec *offered, const char *fmtp)
{
	struct gw_sess_codec *c;
	unsigned i;

	if (s->ncodec == GW_SESS_MAX_CODECS)
		return;
	for (i = 0; i < s->ncodec; i++) {
		if (s->codec[i].pt == offered->pt)
			return;
	}
	c = &s->codec[s->ncodec++];
	*c = *offered;
	(void)snprintf(c->fmtp, sizeof(c->fmtp), "%s", fmtp);
}

static const char *event_fmtp(const struct gw_sess_stream *theirs,
			      const struct gw_sess_codec *offered)
{
	const struct gw_sess_codec *e = event_at(theirs, offered->clock_hz);

	if (!e)
		e = first_event(theirs);
	if (e && e->fmtp[0])
		return e->fmtp;
	return offered->fmtp[0] ? DIGITS : "";
}

/*
 * Keypads of the answer: those of @offer whose clock is that of audio kept,
 * or of an event that @theirs has; the main codec's first.  None of these on
 * offer: any that is, since media/ converts.  None with @theirs: none here,
 * because digits would have nowhere to go.
 */
static void accept_events(struct gw_sess_stream *s,
			  const struct gw_sess_stream *offer,
			  const struct gw_sess_stream *theirs)
{
	uint32_t main_hz = s->codec[0].clock_hz;
	const struct gw_sess_codec *c = event_at(offer, main_hz);
	unsigned i;

	if (!first_event(theirs))
		return;
	if (c)
		accept_codec(s, c, event_fmtp(theirs, c));
	for (i = 0; i < offer->ncodec; i++) {
		c = &offer->codec[i];
		if (gw_codec_is_event(c) && (has_clock(s, c->clock_hz) ||
					     event_at(theirs, c->clock_hz)))
			accept_codec(s, c, event_fmtp(theirs, c));
	}
	c = first_event(offer);
	if (c && !first_event(s))
		accept_codec(s, c, event_fmtp(theirs, c));
}

static bool relay_stream(struct gw_sess_stream *s,
			 const struct gw_sess_stream *offer,
			 const struct gw_sess_stream *theirs)
{
	unsigned i;

	if (!gw_sess_servable(offer) || !gw_sess_servable(theirs))
		return false;
	for (i = 0; i < theirs->ncodec; i++) {
		const struct gw_sess_codec *t = &theirs->codec[i];
		const struct gw_sess_codec *o = gw_sess_find_same(offer, t);

		if (o && gw_codec_carries_media(t))
			accept_codec(s, o, t->fmtp);
	}
	if (s->ncodec == 0)
		return false;
	accept_events(s, offer, theirs);
	s->dir = gw_dir_answer(offer->dir, theirs->dir);
	s->ptime_ms = theirs->ptime_ms;
	s->maxptime_ms = theirs->maxptime_ms;
	s->bandwidth_bps = theirs->bandwidth_bps;
	gw_relay_accept_ext(s, offer, theirs);
	gw_relay_accept_profile(s, offer);
	return true;
}

int gw_sess_relay_answer(struct gw_sess *out, const struct gw_sess *offer,
			 const struct gw_sess *theirs)
{
	unsigned i, alive = 0;

	memset(out, 0, sizeof(*out));
	out->bundle = offer->bundle;
	out->nstream = offer->nstream;
	for (i = 0; i < offer->nstream; i++) {
		struct gw_sess_stream *s = &out->stream[i];

		copy_identity(s, &offer->stream[i]);
		copy_tag(s, &offer->stream[i]);
		if (i < theirs->nstream &&
		    relay_stream(s, &offer->stream[i], &theirs->stream[i]))
			alive++;
		else
			refuse(s);
	}
	return alive > 0 ? 0 : -ENOENT;
}

int gw_sess_for_web(struct gw_sess *s)
{
	unsigned alive = 0;

	for (unsigned i = 0; i < s->nstream; i++) {
		struct gw_sess_stream *st = &s->stream[i];
		uint8_t n = 0;

		if (st->refused)
			continue;
		for (unsigned c = 0; c < st->ncodec; c++) {
			if (gw_codec_in_browsers(&st->codec[c]))
				st->codec[n++] = st->codec[c];
		}
		st->ncodec = n;
		if (gw_sess_main_codec(st))
			alive++;
		else
			refuse(st);
	}
	return alive ? 0 : -ENOENT;
}

/* The codec spoken so far if it is still on offer, else the first. */
static const struct gw_sess_codec *
local_codec(const struct gw_sess_stream *o, const struct gw_sess_stream *keep)
{
	const struct gw_sess_codec *kept = NULL, *c = NULL;

	if (keep && !keep->refused)
		kept = gw_sess_main_codec(keep);
	if (kept)
		c = gw_sess_find_same(o, kept);
	return c ? c : gw_sess_main_codec(o);
}

static void local_stream(struct gw_sess_stream *s,
			 const struct gw_sess_stream *offer, enum gw_dir want,
			 const struct gw_sess_stream *keep)
{
	const struct gw_sess_codec *c = local_codec(offer, keep);

	accept_codec(s, c, c->fmtp);
	c = event_at(offer, c->clock_hz);
	if (!c)
		c = first_event(offer);
	if (c)
		accept_codec(s, c, c->fmtp);
	s->dir = gw_dir_answer(offer->dir, want);
	s->ptime_ms = offer->ptime_ms;
	s->maxptime_ms = offer->maxptime_ms;
	gw_relay_accept_ext(s, offer, offer);
	gw_relay_accept_profile(s, offer);
}

int gw_sess_local_answer(struct gw_sess *out, const struct gw_sess *offer,
			 enum gw_dir want, const struct gw_sess *keep)
{
	unsigned i, alive = 0;

	memset(out, 0, sizeof(*out));
	out->bundle = offer->bundle;
	out->nstream = offer->nstream;
	for (i = 0; i < offer->nstream; i++) {
		const struct gw_sess_stream *o = &offer->stream[i];
		struct gw_sess_stream *s = &out->stream[i];

		copy_identity(s, o);
		copy_tag(s, o);
		if (!gw_sess_servable(o)) {
			refuse(s);
			continue;
		}
		local_stream(s, o, want,
			     keep && i < keep->nstream ? &keep->stream[i]
						       : NULL);
		alive++;
	}
	return alive > 0 ? 0 : -ENOENT;
}
