/* Two descriptions side by side: is one a legal answer, what has changed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sdp/codec.h"
#include "sdp/scan.h"

static int fault(struct gw_sdp_error *err, unsigned stream, const char *what)
{
	if (err) {
		err->line = 0;
		(void)snprintf(err->text, sizeof(err->text), "m-line %u: %s",
			       stream + 1, what);
	}
	return -EINVAL;
}

/* Some codec of @a that carries media is one of @o. */
static bool has_common_codec(const struct gw_sess_stream *o,
			     const struct gw_sess_stream *a)
{
	unsigned i;

	for (i = 0; i < a->ncodec; i++) {
		if (gw_codec_carries_media(&a->codec[i]) &&
		    gw_sess_find_same(o, &a->codec[i]))
			return true;
	}
	return false;
}

static bool same_medium(const struct gw_sess_stream *o,
			const struct gw_sess_stream *a)
{
	/* A value of ours may not have a name, only a kind. */
	return o->kind == a->kind &&
	       (o->kind != GW_KIND_OTHER || o->media[0] == '\0' ||
		strcasecmp(o->media, a->media) == 0);
}

int gw_sess_check_answer(const struct gw_sess *offer,
			 const struct gw_sess *answer, struct gw_sdp_error *err)
{
	bool too_wide = false;
	unsigned i;

	gw_sdp_fail(err, 0, "");
	if (offer->nstream != answer->nstream) {
		gw_sdp_fail(err, 0,
			    "answer has not as many m-lines as the offer");
		return -EINVAL;
	}
	for (i = 0; i < offer->nstream; i++) {
		const struct gw_sess_stream *o = &offer->stream[i];
		const struct gw_sess_stream *a = &answer->stream[i];

		if (a->refused)
			continue;
		if (!same_medium(o, a))
			return fault(err, i, "is of another media type");
		if (o->refused)
			return fault(err, i, "was refused in the offer");
		if (o->ncodec > 0 && !has_common_codec(o, a))
			return fault(err, i, "has no codec of the offer");
		if (a->setup == GW_SETUP_ACTPASS)
			return fault(err, i, "answers setup with actpass");
		if (gw_dir_answer(o->dir, a->dir) != a->dir)
			too_wide = true;
	}
	if (too_wide)
		gw_sdp_fail(err, 0, "direction is wider than the offer's");
	return 0;
}

static bool same_codecs(const struct gw_sess_stream *a,
			const struct gw_sess_stream *b)
{
	unsigned i;

	if (a->ncodec != b->ncodec || a->ptime_ms != b->ptime_ms ||
	    a->maxptime_ms != b->maxptime_ms)
		return false;
	for (i = 0; i < a->ncodec; i++) {
		const struct gw_sess_codec *x = &a->codec[i];
		const struct gw_sess_codec *y = &b->codec[i];

		if (x->pt != y->pt || x->clock_hz != y->clock_hz ||
		    x->channels != y->channels ||
		    strcasecmp(x->name, y->name) != 0 ||
		    strcmp(x->fmtp, y->fmtp) != 0)
			return false;
	}
	return true;
}

/* RFC 8842 5.1 and 5.5: a new fingerprint or tls-id is a new association;
 * among the roles only a step to or from holdconn is. */
static bool same_dtls(const struct gw_sess_stream *a,
		      const struct gw_sess_stream *b)
{
	return a->has_fingerprint == b->has_fingerprint &&
	       memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0 &&
	       strcmp(a->tls_id, b->tls_id) == 0 &&
	       (a->setup == GW_SETUP_HOLDCONN) ==
		       (b->setup == GW_SETUP_HOLDCONN);
}

static unsigned stream_changes(const struct gw_sess_stream *a,
			       const struct gw_sess_stream *b)
{
	unsigned flags = GW_CHANGE_NONE;
	bool ice = a->ufrag[0] && b->ufrag[0];

	if (a->refused != b->refused || a->kind != b->kind)
		flags |= GW_CHANGE_STREAMS;
	if (a->refused || b->refused)
		return flags;
	if (!same_codecs(a, b))
		flags |= GW_CHANGE_CODECS;
	if (a->dir != b->dir)
		flags |= GW_CHANGE_DIR;
	if (strcmp(a->ufrag, b->ufrag) != 0 || strcmp(a->pwd, b->pwd) != 0)
		flags |= GW_CHANGE_ICE;
	if (!same_dtls(a, b))
		flags |= GW_CHANGE_DTLS;
	/* Under ICE c= and m= are only a hint of the pair in use, and change
	 * while nothing happens (RFC 8839 4.2.1.2). */
	if (!ice && (!gw_addr_equal(&a->rtp, &b->rtp) ||
		     !gw_addr_equal(&a->rtcp, &b->rtcp)))
		flags |= GW_CHANGE_ADDR;
	return flags;
}

unsigned gw_sess_changes(const struct gw_sess *before,
			 const struct gw_sess *after)
{
	unsigned i, flags = GW_CHANGE_NONE;

	if (before->nstream != after->nstream)
		flags |= GW_CHANGE_STREAMS;
	for (i = 0; i < before->nstream && i < after->nstream; i++)
		flags |= stream_changes(&before->stream[i], &after->stream[i]);
	return flags;
}

bool gw_sess_is_refresh(const struct gw_sess *before,
			const struct gw_sess *after)
{
	if (before->id == after->id && before->version == after->version)
		return true;
	return gw_sess_changes(before, after) == GW_CHANGE_NONE;
}
