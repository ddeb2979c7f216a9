/* Which payload type becomes which: codecs of both ends, met once. */
#include "media/flow.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static bool is_event(const struct gw_codec *c)
{
	return !strcasecmp(c->name, "telephone-event");
}

static bool is_main(const struct gw_codec *c)
{
	return !is_event(c) && strcasecmp(c->name, "cn") != 0;
}

static bool same_codec(const struct gw_codec *a, const struct gw_codec *b)
{
	unsigned ach = a->channels ? a->channels : 1;
	unsigned bch = b->channels ? b->channels : 1;

	return a->clock_hz == b->clock_hz && ach == bch &&
	       a->variant == b->variant &&
	       !strncasecmp(a->name, b->name, sizeof(a->name));
}

/* The to-end's codec for @c.  Several of one name may differ in parameters that
 * do not matter between codecs; then equal numbers are the best hint. */
static const struct gw_codec *find_codec(const struct gw_stream *to,
					 const struct gw_codec *c)
{
	const struct gw_codec *found = NULL;
	unsigned i;

	for (i = 0; i < to->ncodec; i++) {
		if (!same_codec(&to->codec[i], c))
			continue;
		if (to->codec[i].pt == c->pt)
			return &to->codec[i];
		if (!found)
			found = &to->codec[i];
	}
	return found;
}

static void add_row(struct gw_flow *f, const struct gw_codec *c,
		    const struct gw_stream *to)
{
	const struct gw_codec *out = NULL;
	struct gw_flow_row *row = &f->row[f->nrow];

	if (c->rx_pt > 127 || !c->clock_hz || f->row_of[c->rx_pt])
		return;
	/* An event is listened to even if the to-end does not take it. */
	if (!is_event(c)) {
		out = find_codec(to, c);
		if (!out)
			return;
	}
	*row = (struct gw_flow_row){
		.pt = out ? out->pt & 0x7f : 0,
		.event = is_event(c),
		.clock_hz = c->clock_hz,
	};
	f->row_of[c->rx_pt] = ++f->nrow;
}

/* A header extension goes on where both ends have it; the m-line's name is
 * each session's own. */
static void map_extensions(struct gw_flow *f, const struct gw_stream *from,
			   const struct gw_stream *to)
{
	unsigned e;

	memset(f->ext_of, 0, sizeof(f->ext_of));
	f->keeps_ext = false;
	for (e = 0; e < GW_NHDREXTS; e++) {
		if (e == GW_HDREXT_MID || !from->ext[e] || !to->ext[e] ||
		    from->ext[e] > GW_RTP_EXT_MAX_ID ||
		    to->ext[e] > GW_RTP_EXT_MAX_ID)
			continue;
		f->ext_of[from->ext[e]] = to->ext[e];
		f->keeps_ext = true;
	}
}

void gw_flow_configure(struct gw_flow *f, const struct gw_stream *from,
		       const struct gw_stream *to)
{
	const struct gw_codec *c;
	unsigned i;

	assert(from->ncodec <= GW_MAX_CODECS && to->ncodec <= GW_MAX_CODECS);
	memset(f->row_of, 0, sizeof(f->row_of));
	f->nrow = 0;
	f->nevent = 0;
	f->main_clock_hz = 0;
	f->audio = from->kind == GW_MEDIA_AUDIO;
	map_extensions(f, from, to);

	for (i = 0; i < from->ncodec; i++)
		add_row(f, &from->codec[i], to);
	for (i = 0; i < to->ncodec; i++) {
		c = &to->codec[i];
		if (is_event(c) && c->clock_hz) {
			f->event[f->nevent].pt = c->pt & 0x7f;
			f->event[f->nevent].clock_hz = c->clock_hz;
			f->nevent++;
		} else if (is_main(c) && !f->main_clock_hz) {
			f->main_clock_hz = c->clock_hz;
		}
	}
}
