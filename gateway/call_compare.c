/*
 * What the kept descriptions of a call's two sides say when they are laid side
 * by side.  Nothing here changes anything.
 */
#include <stdio.h>

#include "gateway/call_priv.h"

const struct gw_sess_codec *gw_call_agreed(const struct gw_sess *local,
					   const struct gw_sess *remote,
					   unsigned i)
{
	for (unsigned r = 0; r < remote->stream[i].ncodec; r++) {
		const struct gw_sess_codec *c = &remote->stream[i].codec[r];

		if (gw_codec_is_event(c))
			continue;
		for (unsigned l = 0; l < local->stream[i].ncodec; l++) {
			if (gw_codec_same(c, &local->stream[i].codec[l]))
				return c;
		}
	}
	return NULL;
}

int gw_call_relay_offer(const struct side *to, struct gw_sess *out,
			const struct gw_sess *from,
			const struct gw_sess *previous)
{
	int err = gw_sess_relay_offer(out, from, previous);

	if (!err && to->profile == GW_PROFILE_WEB)
		err = gw_sess_for_web(out);
	return err;
}

void gw_call_note_codec(struct gw_call *call)
{
	const struct side *s = &call->a;
	struct gw_sess local, remote;
	const struct gw_sess_codec *noted = NULL;
	bool audio = false;

	/* An echo has what the other side has. */
	if (s->profile == GW_PROFILE_RESOURCE)
		s = &call->b;
	gw_call_reread(s, s->local, &local);
	gw_call_reread(s, s->remote, &remote);
	for (unsigned i = 0; i < remote.nstream; i++) {
		const struct gw_sess_codec *c;
		bool is_video = remote.stream[i].kind == GW_KIND_VIDEO;

		if (!call_live(&local, i) || !call_live(&remote, i))
			continue;
		c = gw_call_agreed(&local, &remote, i);
		if (c && is_video && i < GW_MAX_STREAMS)
			(void)snprintf(call->video[i], sizeof(call->video[i]),
				       "%.15s", c->name);
		if (!c || audio || (noted && is_video))
			continue;
		audio = !is_video;
		noted = c;
		call->audio = (uint8_t)i;
	}
	if (noted)
		(void)snprintf(call->codec, sizeof(call->codec), "%.15s",
			       noted->name);
}

bool gw_call_too_wide(struct gw_call *call, struct side *s)
{
	struct side *o = call_other(call, s);
	struct gw_sess local, remote, theirs;

	gw_call_reread(s, s->local, &local);
	gw_call_reread(s, s->remote, &remote);
	gw_call_reread(o, o->remote, &theirs);
	for (unsigned i = 0; i < remote.nstream; i++) {
		const struct gw_sess_codec *codec;
		bool found = false;

		if (!call_live(&local, i) || !call_live(&remote, i) ||
		    !call_live(&theirs, i))
			continue;
		codec = gw_call_agreed(&local, &remote, i);
		for (unsigned c = 0; codec && c < theirs.stream[i].ncodec; c++)
			found |= gw_codec_same(codec,
					       &theirs.stream[i].codec[c]);
		if (codec && !found)
			return true;
	}
	return false;
}

bool gw_call_is_misled(struct gw_call *call, struct side *s)
{
	struct side *o = call_other(call, s);
	struct gw_sess local, remote, theirs;

	if (o->profile == GW_PROFILE_RESOURCE || !s->local || !s->remote ||
	    !o->remote)
		return false;
	gw_call_reread(s, s->local, &local);
	gw_call_reread(s, s->remote, &remote);
	gw_call_reread(o, o->remote, &theirs);
	for (unsigned i = 0; i < remote.nstream; i++) {
		unsigned agreed = 0, has = 0;

		if (call_live(&local, i) && call_live(&remote, i))
			agreed = local.stream[i].dir &
				 gw_dir_reverse(remote.stream[i].dir);
		if (call_live(&theirs, i))
			has = theirs.stream[i].dir;
		if (agreed & ~has)
			return true;
	}
	return false;
}

void gw_call_wish(const struct side *s, struct gw_sess *out)
{
	struct gw_sess local;

	gw_call_reread(s, s->remote, out);
	if (!s->answered)
		return;
	gw_call_reread(s, s->local, &local);
	for (unsigned i = 0; i < out->nstream && i < local.nstream; i++)
		out->stream[i].dir |=
			GW_DIR_SENDRECV & ~gw_dir_reverse(local.stream[i].dir);
}
