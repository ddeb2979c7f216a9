/*
 * Terminations of a call by its descriptions: the one place that knows both sdp
 * and media, and maps one to the other.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/call_priv.h"

uint32_t gw_call_video_bps(const struct gw_call *call, uint32_t asked_bps)
{
	uint32_t most = call->core->set->media.video_kbps * 1000;

	return asked_bps && asked_bps < most ? asked_bps : most;
}

bool gw_call_is_reserved(const struct side *s, unsigned i)
{
	if (!s->end || i >= s->end->nstream)
		return false;
	return s->profile != GW_PROFILE_CORE || s->end->stream[i].rtp.family;
}

static uint8_t media_kind(enum gw_kind kind)
{
	switch (kind) {
	case GW_KIND_VIDEO:
		return GW_MEDIA_VIDEO;
	case GW_KIND_DATA:
		return GW_MEDIA_DATA;
	default:
		return GW_MEDIA_AUDIO;
	}
}

static uint8_t dscp_of(const struct gw_call *call, uint8_t kind)
{
	const struct gw_set_media *set = &call->core->set->media;

	switch (kind) {
	case GW_MEDIA_AUDIO:
		return set->dscp_audio;
	case GW_MEDIA_VIDEO:
		return set->dscp_video;
	default:
		return set->dscp_other;
	}
}

static void lower(char *out, size_t size, const char *in)
{
	size_t i;

	for (i = 0; in[i] && i + 1 < size; i++)
		out[i] = (char)tolower((unsigned char)in[i]);
	out[i] = '\0';
}

/* What both descriptions have: the numbers of @remote are what we send. */
static void put_codecs(struct gw_stream *out,
		       const struct gw_sess_stream *local,
		       const struct gw_sess_stream *remote)
{
	for (unsigned i = 0; i < remote->ncodec; i++) {
		const struct gw_sess_codec *r = &remote->codec[i];
		struct gw_codec *c = &out->codec[out->ncodec];

		for (unsigned k = 0; k < local->ncodec; k++) {
			if (!gw_codec_same(r, &local->codec[k]))
				continue;
			c->pt = r->pt;
			c->rx_pt = local->codec[k].pt;
			c->channels = r->channels;
			c->clock_hz = r->clock_hz;
			c->variant = gw_codec_variant(r);
			lower(c->name, sizeof(c->name), r->name);
			out->feedback |= r->fb & local->codec[k].fb;
			out->ncodec++;
			break;
		}
	}
}

/* Two names for the same few things, because media does not know sdp. */
static_assert((int)GW_FB_NACK == (int)GW_MEDIA_FB_NACK &&
		      (int)GW_FB_PLI == (int)GW_MEDIA_FB_PLI &&
		      (int)GW_FB_FIR == (int)GW_MEDIA_FB_FIR &&
		      (int)GW_FB_REMB == (int)GW_MEDIA_FB_REMB,
	      "feedback");
static_assert((int)GW_SESS_EXT_MID == (int)GW_HDREXT_MID &&
		      (int)GW_SESS_EXT_LEVEL == (int)GW_HDREXT_LEVEL &&
		      (int)GW_SESS_EXT_CVO == (int)GW_HDREXT_CVO &&
		      (int)GW_SESS_NEXT == (int)GW_NHDREXTS,
	      "header extensions");

/* What tells the m-line's packets in a bundle, and what may stand in them. */
static void put_extensions(struct gw_stream *out,
			   const struct gw_sess_stream *local,
			   const struct gw_sess_stream *remote)
{
	for (unsigned e = 0; e < GW_SESS_NEXT; e++) {
		if (local->ext[e] == remote->ext[e])
			out->ext[e] = remote->ext[e];
	}
	(void)snprintf(out->mid, sizeof(out->mid), "%s", local->mid);
	out->ssrc = remote->ssrc;
}

static void put_candidates(struct gw_end *end, const struct gw_sess_stream *st)
{
	for (unsigned i = 0; i < st->ncandidate; i++) {
		const struct gw_sess_candidate *from = &st->candidate[i];
		struct gw_candidate *to = &end->candidate[end->ncandidate];

		if (from->component != 1)
			continue; /* rtcp-mux: one component */
		to->addr = from->addr;
		to->related = from->related;
		to->priority = from->priority;
		memcpy(to->foundation, from->foundation,
		       sizeof(to->foundation));
		to->type = (uint8_t)from->type;
		end->ncandidate++;
	}
}

static void put_web_end(struct side *s, struct gw_end *end,
			const struct gw_sess_stream *local,
			const struct gw_sess_stream *remote)
{
	memcpy(end->ufrag, remote->ufrag, sizeof(end->ufrag));
	memcpy(end->pwd, remote->pwd, sizeof(end->pwd));
	end->ice_lite = remote->ice_lite;
	put_candidates(end, remote);
	memcpy(end->sha256, remote->sha256, sizeof(end->sha256));
	s->peer_is_dtls_client = local->setup == GW_SETUP_PASSIVE ||
				 remote->setup == GW_SETUP_ACTIVE;
	end->setup = s->peer_is_dtls_client ? GW_DTLS_ACTIVE : GW_DTLS_PASSIVE;
}

static uint8_t transport_of(const struct side *s)
{
	switch (s->profile) {
	case GW_PROFILE_WEB:
		return GW_TP_DTLS;
	case GW_PROFILE_CORE:
		return GW_TP_RTP;
	default:
		return GW_TP_RESOURCE;
	}
}

static struct gw_media_cmd *command(struct gw_call *call, struct side *s,
				    enum gw_media_verb verb)
{
	/* Ten kilobytes that would otherwise sit in every frame. */
	static struct gw_media_cmd cmd;
	static uint32_t serial;

	memset(&cmd, 0, sizeof(cmd));
	cmd.verb = (uint8_t)verb;
	cmd.term = (uint8_t)s->term;
	cmd.ctx = call->ctx;
	if (!++serial)
		serial = 1;
	cmd.serial = serial;
	return &cmd;
}

static uint8_t family_of(struct gw_call *call, const struct gw_sess *like)
{
	const struct gw_set_media *set = &call->core->set->media;

	for (unsigned i = 0; like && i < like->nstream; i++) {
		if (!like->stream[i].refused && like->stream[i].rtp.family)
			return like->stream[i].rtp.family;
	}
	return set->core_address[0] || !set->core_address6[0] ? AF_INET
							      : AF_INET6;
}

bool gw_call_reachable(const struct side *s, const struct gw_sess *remote)
{
	if (call_is_web(s) || !s->end)
		return true;
	for (unsigned i = 0; i < remote->nstream; i++) {
		uint8_t family = remote->stream[i].rtp.family;

		if (!remote->stream[i].refused && family &&
		    i < s->end->nstream && s->end->stream[i].rtp.family &&
		    s->end->stream[i].rtp.family != family)
			return false;
	}
	return true;
}

bool gw_call_speaks(struct gw_call *call, const struct gw_sess *offer)
{
	const struct gw_set_media *set = &call->core->set->media;
	uint8_t family = family_of(call, offer);

	return family == AF_INET6 ? set->core_address6[0] != '\0'
				  : set->core_address[0] != '\0';
}

static bool needs_media(const struct gw_sess *sess, unsigned i)
{
	const struct gw_sess_stream *st = &sess->stream[i];

	if (st->refused)
		return false;
	return st->kind == GW_KIND_AUDIO ||
	       (st->kind == GW_KIND_VIDEO && gw_sess_main_codec(st));
}

bool gw_call_lacks_streams(const struct side *s, const struct gw_sess *offer)
{
	for (unsigned i = 0; i < offer->nstream; i++) {
		if (needs_media(offer, i) && !gw_call_is_reserved(s, i))
			return true;
	}
	return false;
}

int gw_call_reserve(struct gw_call *call, struct side *s,
		    const struct gw_sess *like, bool offerer)
{
	struct gw_media_cmd *cmd = command(call, s, GW_M_RESERVE);
	struct gw_sess ours;
	int err;

	if (!like) {
		if (gw_call_default_offer(call, &ours))
			ours.nstream = 1; /* told when it is to be offered */
		like = &ours;
	}
	(void)snprintf(cmd->call_id, sizeof(cmd->call_id), "%s", call->id);
	cmd->end.transport = transport_of(s);
	cmd->end.resource = GW_RES_ECHO;
	cmd->end.controlling = offerer; /* RFC 8445 6.1.1 */
	/* Only the peer's own description says which family it speaks. */
	cmd->end.family = s->end && s->end->family
				  ? s->end->family
				  : family_of(call, offerer ? NULL : like);
	cmd->end.nstream = like->nstream;
	if (s->end && s->end->nstream > cmd->end.nstream)
		cmd->end.nstream = s->end->nstream;
	s->no_video = !call->core->set->media.video;
	for (unsigned i = 0; i < cmd->end.nstream; i++) {
		struct gw_stream *st = &cmd->end.stream[i];

		if (i < like->nstream)
			st->kind = media_kind(like->stream[i].kind);
		if (i < like->nstream && needs_media(like, i))
			st->ncodec = 1; /* alive: which ones comes later */
		st->dscp = dscp_of(call, st->kind);
	}
	err = gw_media_post(call->core->media, cmd);
	if (!err)
		s->serial = cmd->serial;
	return err;
}

/* What needs no further word; *@serial is set when it was posted. */
static int post(struct gw_call *call, struct side *s, enum gw_media_verb verb,
		uint32_t *serial)
{
	struct gw_media_cmd *cmd = command(call, s, verb);
	int err = gw_media_post(call->core->media, cmd);

	if (!err && serial)
		*serial = cmd->serial;
	return err;
}

int gw_call_restart(struct gw_call *call, struct side *s)
{
	return post(call, s, GW_M_RESTART, &s->serial);
}

int gw_call_keyframe(struct gw_call *call, struct side *s)
{
	return post(call, s, GW_M_KEYFRAME, NULL);
}

int gw_call_take_spare(struct gw_call *call, struct side *out, uint32_t *serial)
{
	return post(call, out, GW_M_TAKE, serial);
}

int gw_call_drop_spare(struct gw_call *call)
{
	struct side spare = { .term = GW_TERM_SPARE };

	return post(call, &spare, GW_M_DROP, NULL);
}

int gw_call_configure(struct gw_call *call, struct side *s,
		      const struct gw_sess *local, const struct gw_sess *remote)
{
	struct gw_media_cmd *cmd = command(call, s, GW_M_CONFIGURE);
	struct gw_end *end = &cmd->end;
	bool transport_done = false;

	end->transport = transport_of(s);
	end->newcomer = s->newcomer;
	end->nstream = remote->nstream < local->nstream ? remote->nstream
							: local->nstream;
	for (unsigned i = 0; i < end->nstream; i++) {
		const struct gw_sess_stream *l = &local->stream[i];
		const struct gw_sess_stream *r = &remote->stream[i];
		struct gw_stream *st = &end->stream[i];

		st->kind = media_kind(r->kind);
		st->dscp = dscp_of(call, st->kind);
		if (l->refused || r->refused)
			continue;
		put_codecs(st, l, r);
		put_extensions(st, l, r);
		if (!call_is_web(s))
			st->feedback &= GW_MEDIA_FB_PLI | GW_MEDIA_FB_FIR;
		st->rtp = r->rtp;
		st->rtcp = r->rtcp;
		st->bandwidth_bps = r->bandwidth_bps;
		if (r->kind == GW_KIND_VIDEO)
			st->bandwidth_bps =
				gw_call_video_bps(call, r->bandwidth_bps);
		if (call_is_web(s) && !transport_done)
			put_web_end(s, end, l, r);
		transport_done = true;
	}
	return gw_media_post(call->core->media, cmd);
}

int gw_call_configure_resource(struct gw_call *call, struct side *s,
			       const struct gw_sess *other_local,
			       const struct gw_sess *other_remote)
{
	struct gw_media_cmd *cmd = command(call, s, GW_M_CONFIGURE);
	struct gw_end *end = &cmd->end;

	end->transport = GW_TP_RESOURCE;
	end->resource = GW_RES_ECHO;
	end->nstream = other_remote->nstream;
	for (unsigned i = 0; i < end->nstream; i++) {
		if (!other_local->stream[i].refused &&
		    !other_remote->stream[i].refused)
			put_codecs(&end->stream[i], &other_local->stream[i],
				   &other_remote->stream[i]);
	}
	return gw_media_post(call->core->media, cmd);
}

enum gw_gate gw_call_gate_of(const struct gw_sess *local,
			     const struct gw_sess *remote, unsigned i)
{
	enum gw_dir l = local->stream[i].dir, r = remote->stream[i].dir;
	unsigned gate = GW_GATE_CLOSED;

	if (local->stream[i].refused || remote->stream[i].refused)
		return GW_GATE_CLOSED;
	if ((r & GW_DIR_SENDONLY) && (l & GW_DIR_RECVONLY))
		gate |= GW_GATE_IN;
	if ((l & GW_DIR_SENDONLY) && (r & GW_DIR_RECVONLY))
		gate |= GW_GATE_OUT;
	return (enum gw_gate)gate;
}

bool gw_call_holds(const struct gw_sess *said)
{
	const struct gw_sess_stream *tells = NULL;

	for (unsigned i = 0; i < said->nstream; i++) {
		const struct gw_sess_stream *st = &said->stream[i];

		if (st->refused || !st->ncodec)
			continue;
		/* Pictures that stop do not put a party on hold. */
		if (!tells ||
		    (tells->kind != GW_KIND_AUDIO && st->kind == GW_KIND_AUDIO))
			tells = st;
	}
	return tells && !(tells->dir & GW_DIR_RECVONLY);
}

void gw_call_set_gates(struct gw_call *call, struct side *s,
		       const struct gw_sess *local,
		       const struct gw_sess *remote, enum gw_gate mask)
{
	unsigned n = remote->nstream < local->nstream ? remote->nstream
						      : local->nstream;

	for (unsigned i = 0; i < n; i++) {
		struct gw_media_cmd *cmd = command(call, s, GW_M_GATE);
		unsigned gate = gw_call_gate_of(local, remote, i) & mask;

		if (s->shut_in >> i & 1)
			gate &= ~(unsigned)GW_GATE_IN;
		if (s->shut_out >> i & 1)
			gate &= ~(unsigned)GW_GATE_OUT;
		cmd->stream = (uint8_t)i;
		cmd->gate = (uint8_t)gate;
		if (gw_media_post(call->core->media, cmd))
			gw_warn(&call->log, "media worker overloaded: a gate "
					    "was not changed");
	}
	s->held = gw_call_holds(remote);
}
