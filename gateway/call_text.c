/*
 * Descriptions of a call as text: what a peer wrote is read, what it is told
 * is made of the content and of our own end of the transport.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"
#include "gateway/call_priv.h"

#define UNUSABLE      "isthmus_calls_descriptions_refused_total"
#define UNUSABLE_HELP "Descriptions that could not be used, by side and why"
GW_COUNTER(m_web_broken, UNUSABLE, UNUSABLE_HELP,
	   "side=\"web\",why=\"broken\"");
GW_COUNTER(m_web_unfit, UNUSABLE, UNUSABLE_HELP,
	   "side=\"web\",why=\"unusable\"");
GW_COUNTER(m_core_broken, UNUSABLE, UNUSABLE_HELP,
	   "side=\"core\",why=\"broken\"");
GW_COUNTER(m_core_unfit, UNUSABLE, UNUSABLE_HELP,
	   "side=\"core\",why=\"unusable\"");

void gw_call_keep(char **slot, char *text)
{
	if (*slot == text)
		return;
	free(*slot);
	*slot = text;
}

char *gw_call_dup(const struct gw_desc *desc)
{
	return desc->text ? strndup(desc->text, desc->len) : NULL;
}

/* m-lines of video as those that nobody can serve.  Is one of audio left? */
static bool drop_video(struct gw_sess *sess)
{
	bool left = false;

	for (unsigned i = 0; i < sess->nstream; i++) {
		struct gw_sess_stream *st = &sess->stream[i];

		if (st->kind == GW_KIND_VIDEO)
			st->ncodec = 0;
		left |= !st->refused && gw_sess_main_codec(st);
	}
	return left;
}

int gw_call_read(struct gw_call *call, struct side *s,
		 const struct gw_desc *desc, struct gw_sess *out,
		 struct gw_cause *cause)
{
	struct gw_sdp_error err = { 0 };
	enum gw_sess_fault fault;

	fault = gw_sess_read(out, desc->text, desc->len, call_is_web(s), &err);
	if (fault == GW_SESS_OK && !call->core->set->media.video &&
	    !drop_video(out)) {
		(void)snprintf(err.text, sizeof(err.text),
			       "no m-line with audio is alive");
		fault = GW_SESS_UNUSABLE;
	}
	if (fault == GW_SESS_OK)
		return 0;

	if (fault == GW_SESS_BROKEN)
		gw_metric_add(call_is_web(s) ? &m_web_broken : &m_core_broken,
			      1);
	else
		gw_metric_add(call_is_web(s) ? &m_web_unfit : &m_core_unfit, 1);
	if (err.line)
		(void)snprintf(call->cause_text, sizeof(call->cause_text),
			       "SDP line %u: %s", err.line, err.text);
	else
		(void)snprintf(call->cause_text, sizeof(call->cause_text),
			       "SDP: %s", err.text);
	*cause = (struct gw_cause){
		.status = fault == GW_SESS_BROKEN ? 400 : 488,
		.text = call->cause_text,
	};
	return -EINVAL;
}

void gw_call_reread(const struct side *s, const char *text, struct gw_sess *out)
{
	enum gw_sess_fault fault;

	fault = gw_sess_read(out, text, strlen(text), call_is_web(s), NULL);
	/* It was read, or printed by us, before: our own invariant. */
	assert(fault != GW_SESS_BROKEN);
	if (s->no_video)
		(void)drop_video(out);
}

int gw_call_default_offer(struct gw_call *call, struct gw_sess *out)
{
	const struct gw_set_media *set = &call->core->set->media;
	const char *names[GW_SET_CODECS];
	int err;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < set->ncodec; i++)
		names[i] = set->codec[i];
	err = gw_sess_default_audio(&out->stream[0], names,
				    (unsigned)set->ncodec);
	if (err)
		return err;
	out->nstream = 1;
	if (set->video &&
	    !strcmp(call->core->set->calls.gateway_offer, "video"))
		err = gw_sess_default_video(out);
	return err;
}

/* ---- our end of the transport, into a description ---- */

static void put_web_transport(struct gw_call *call, struct side *s,
			      struct gw_sess_stream *st, unsigned i,
			      const struct gw_sess_stream *offer)
{
	const struct own_end *end = s->end;

	memcpy(st->ufrag, end->ufrag, sizeof(st->ufrag));
	memcpy(st->pwd, end->pwd, sizeof(st->pwd));
	st->ice_lite = end->ice_lite;
	st->rtcp_mux = true;
	st->has_fingerprint = true;
	memcpy(st->sha256, end->sha256, sizeof(st->sha256));

	/* RFC 5763 5: an offer is actpass.  An answer keeps the roles of a
	 * living association (RFC 8842 5.3); of a new one the browser, who is
	 * behind the NAT, begins. */
	if (!offer)
		st->setup = GW_SETUP_ACTPASS;
	else if (offer->setup == GW_SETUP_PASSIVE)
		st->setup = GW_SETUP_ACTIVE;
	else if (offer->setup == GW_SETUP_ACTIVE)
		st->setup = GW_SETUP_PASSIVE;
	else
		st->setup = s->peer_is_dtls_client ? GW_SETUP_PASSIVE
						   : GW_SETUP_ACTIVE;

	/* RFC 8842 5.3: who names an association is answered with a name. */
	if (offer && offer->tls_id[0]) {
		if (!s->tls_id[0])
			gw_random_token(s->tls_id, sizeof(s->tls_id), 24);
		(void)snprintf(st->tls_id, sizeof(st->tls_id), "%s", s->tls_id);
	} else {
		st->tls_id[0] = '\0';
	}

	st->ncandidate = 0;
	for (unsigned c = 0; c < end->ncandidate; c++) {
		struct gw_sess_candidate *to = &st->candidate[c];
		const struct gw_candidate *from = &end->candidate[c];

		*to = (struct gw_sess_candidate){
			.addr = from->addr,
			.related = from->related,
			.component = 1,
			.priority = from->priority,
		};
		memcpy(to->foundation, from->foundation,
		       sizeof(to->foundation));
		to->type = from->type;
		st->ncandidate++;
	}
	if (end->ncandidate)
		st->rtp = end->candidate[0].addr;

	st->ssrc = end->stream[i].ssrc;
	(void)snprintf(st->cname, sizeof(st->cname), "%s", call->id);
	(void)snprintf(st->msid_stream, sizeof(st->msid_stream), "isthmus");
	(void)snprintf(st->msid_track, sizeof(st->msid_track), "%s-%u",
		       call->id, i);
}

/* An offer names its m-lines as the session always did (RFC 8829 5.2.2). */
static void put_mid(struct gw_sess_stream *st, unsigned i,
		    const struct gw_sess_stream *offer,
		    const struct gw_sess *before)
{
	if (!offer && st->mid[0])
		return; /* a new tag for a revived m-line (RFC 8829 5.2.2) */
	if (offer)
		(void)snprintf(st->mid, sizeof(st->mid), "%s", offer->mid);
	else if (before && i < before->nstream && before->stream[i].mid[0])
		(void)snprintf(st->mid, sizeof(st->mid), "%s",
			       before->stream[i].mid);
	else
		(void)snprintf(st->mid, sizeof(st->mid), "%u", i);
}

static char *with_preconditions(const struct side *s, char *text)
{
	char *more;

	if (!text || !s->qos.present)
		return text;
	more = gw_precondition_print(text, &s->qos);
	free(text);
	return more;
}

char *gw_call_print(struct gw_call *call, struct side *s,
		    struct gw_sess *content, const struct gw_sess *offer)
{
	struct gw_sess before;
	unsigned alive = 0;

	if (s->local)
		gw_call_reread(s, s->local, &before);
	if (!s->o_id)
		s->o_id = gw_random_u64() >> 2; /* RFC 8829 5.2.1: 63 bits */
	content->id = s->o_id;
	content->version = ++s->o_version;
	content->bundle = call_is_web(s) && (!offer || offer->bundle);

	for (unsigned i = 0; i < content->nstream; i++) {
		struct gw_sess_stream *st = &content->stream[i];
		const struct gw_sess_stream *o =
			offer && i < offer->nstream ? &offer->stream[i] : NULL;

		if (call_is_web(s))
			put_mid(st, i, o, s->local ? &before : NULL);
		/* An m-line that came later than the reservation. */
		if (!st->refused && !gw_call_is_reserved(s, i)) {
			st->refused = true;
			st->dir = GW_DIR_INACTIVE;
		}
		if (st->refused)
			continue;
		alive++;
		if (st->kind == GW_KIND_VIDEO)
			st->bandwidth_bps =
				gw_call_video_bps(call, st->bandwidth_bps);
		if (call_is_web(s)) {
			put_web_transport(call, s, st, i, o);
			st->bundled = content->bundle && (!o || o->bundled);
		} else {
			st->rtp = s->end->stream[i].rtp;
			st->rtcp = s->end->stream[i].rtcp;
			content->origin = st->rtp;
		}
	}
	if (!alive)
		return NULL;
	return call_is_web(s)
		       ? gw_sess_print_web(content)
		       : with_preconditions(s, gw_sess_print_core(content));
}
