/*
 * media/context_dtls.c - the termination towards a browser: ICE finds the way,
 * DTLS agrees the keys, SRTP uses them
 *
 * Nothing passes in clear, and nothing is taken from an address that ICE has
 * not validated.  DTLS that comes before it can be used is kept, a few
 * datagrams of it, because a browser's first ClientHello often overtakes its
 * answer.
 */
#include "media/context_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"

GW_COUNTER(m_early, "isthmus_dtls_early_total",
	   "DTLS datagrams that came before they could be used", "");

/* ---- early datagrams ---- */

static void forget_early(struct gw_early *e)
{
	free(e->data);
	memset(e, 0, sizeof(*e));
}

/* The newest replace the oldest: a client sends its flight again. */
static void keep(struct gw_term_side *t, const struct gw_addr *from,
		 const uint8_t *data, size_t len)
{
	struct gw_early *e = &t->early[t->early_at];

	forget_early(e);
	e->data = malloc(len);
	if (!e->data)
		return; /* lost, as packets are */
	memcpy(e->data, data, len);
	e->len = len;
	e->from = *from;
	t->early_at = (t->early_at + 1) % GW_CTX_EARLY_MAX;
}

static void leave_turns(struct gw_term_side *t)
{
	if (t->in_turns)
		TAILQ_REMOVE(&t->ctx->env->turns, t, turn);
	t->in_turns = false;
}

/* Begins the handshake if it has not begun, and hands it what was kept. */
static void take_turn(struct gw_term_side *t)
{
	leave_turns(t);
	gw_context_assoc_start(t);
	for (unsigned i = 0; i < GW_CTX_EARLY_MAX; i++) {
		struct gw_early *e =
			&t->early[(t->early_at + i) % GW_CTX_EARLY_MAX];

		if (!e->data)
			continue;
		if (gw_ice_accepts(t->ice, &e->from))
			gw_context_assoc_in(t, &e->from, e->data, e->len);
		else
			gw_context_drop(NULL, GW_DISCARD_SOURCE);
		forget_early(e);
	}
}

bool gw_context_turn(struct gw_media_env *env)
{
	struct gw_term_side *t = TAILQ_FIRST(&env->turns);

	if (!t)
		return false;
	take_turn(t);
	return true;
}

/* A pair is selected and the peer's fingerprint known: its turn will come. */
static void await_turn(struct gw_term_side *t)
{
	if (t->in_turns || !gw_context_assoc_exists(t) ||
	    !gw_ice_is_connected(t->ice))
		return;
	t->in_turns = true;
	TAILQ_INSERT_TAIL(&t->ctx->env->turns, t, turn);
}

static void dtls_in(struct gw_term_side *t, bool valid,
		    const struct gw_addr *from, const uint8_t *data, size_t len)
{
	if (!valid || !gw_context_assoc_exists(t)) {
		keep(t, from, data, len);
		gw_metric_add(&m_early, 1);
		return;
	}
	/* What is usable is not pushed out: a peer with more of it than there
	 * is room for gets its turn now. */
	if (t->in_turns && t->early[t->early_at].data)
		take_turn(t);
	keep(t, from, data, len);
	await_turn(t);
}

/* ---- packets ---- */

static int unprotect(struct gw_term_side *t, bool rtcp, uint8_t *data,
		     size_t *len)
{
	/* Whose m-line it is, only decryption would tell. */
	struct gw_ctx_stream *st = t->stream[0];
	int err;

	if (!t->srtp) {
		gw_context_drop(st, GW_DISCARD_NO_KEYS);
		return -ENOKEY;
	}
	err = rtcp ? gw_srtp_unprotect_rtcp(t->srtp, data, len)
		   : gw_srtp_unprotect(t->srtp, data, len);
	switch (err) {
	case 0:
		gw_context_assoc_heard(t);
		return 0;
	case -EBADMSG:
		gw_context_drop(st, GW_DISCARD_AUTH);
		break;
	case -EALREADY:
		gw_context_drop(st, GW_DISCARD_REPLAY);
		break;
	case -ENOSPC:
		gw_context_drop(st, GW_DISCARD_SSRCS);
		break;
	default:
		gw_context_drop(st, GW_DISCARD_MALFORMED);
	}
	return err;
}

static void srtp_in(struct gw_term_side *t, bool rtcp, uint8_t *data,
		    size_t len, size_t cap)
{
	uint8_t i;

	if (unprotect(t, rtcp, data, &len))
		return;
	if (rtcp) {
		gw_context_rtcp_in(t, NULL, data, len);
		return;
	}
	i = t->stream_of[data[1] & 0x7f];
	if (i == GW_CTX_ANY_STREAM)
		i = gw_context_bundle_find(t, data, len);
	if (i >= t->nstream)
		gw_context_drop(NULL, GW_DISCARD_NO_STREAM);
	else
		gw_context_rtp_in(t, t->stream[i], data, len, cap);
}

static void ice_packet(const struct gw_addr *from, uint8_t *data, size_t len,
		       size_t cap, void *arg)
{
	struct gw_term_side *t = arg;
	enum gw_pkt_class class = gw_pkt_classify(data, len);
	bool valid = gw_ice_accepts(t->ice, from);

	GW_CHECK(t->ctx, GW_CTX_MAGIC);
	switch (class) {
	case GW_PKT_DTLS:
		dtls_in(t, valid, from, data, len);
		break;
	case GW_PKT_RTP:
	case GW_PKT_RTCP:
		if (valid)
			srtp_in(t, class == GW_PKT_RTCP, data, len, cap);
		else
			gw_context_drop(NULL, GW_DISCARD_SOURCE);
		break;
	default:
		gw_context_drop(NULL, GW_DISCARD_CLASS);
	}
}

int gw_context_dtls_send(struct gw_ctx_stream *st, bool rtcp, uint8_t *data,
			 size_t len, size_t cap)
{
	struct gw_term_side *t = st->term;
	int err;

	if (!t->srtp)
		return -ENOKEY;
	err = rtcp ? gw_srtp_protect_rtcp(t->srtp, data, &len, cap)
		   : gw_srtp_protect(t->srtp, data, &len, cap);
	if (err)
		return err;
	if (st->video && st->video->rtx && !rtcp)
		gw_rtx_put(st->video->rtx, data, len,
			   gw_timers_now_us(t->ctx->env->timers));
	return gw_ice_send_marked(t->ice, st->dscp, data, len);
}

/* ---- ICE ---- */

static void emit_reserved(struct gw_term_side *t, const struct gw_end *asked,
			  uint32_t serial)
{
	const uint8_t *sha256 =
		gw_dtls_cert_sha256(gw_dtls_ctx_cert(t->ctx->dtls));
	struct gw_media_event ev;

	memset(&ev, 0, sizeof(ev));
	ev.type = GW_E_RESERVED;
	ev.term = t->side;
	ev.serial = serial;
	ev.end = *asked;
	ev.end.transport = GW_TP_DTLS;
	ev.end.nstream = t->nstream; /* RESTART does not repeat them */
	ev.end.setup = GW_DTLS_ACTPASS;
	memcpy(ev.end.sha256, sha256, sizeof(ev.end.sha256));
	gw_ice_local(t->ice, &ev.end);
	gw_context_fill_streams(t, &ev.end);
	gw_context_emit(t->ctx, &ev);
}

static void ice_gathered(void *arg)
{
	struct gw_term_side *t = arg;
	struct gw_end *asked = t->pending;

	t->pending = NULL;
	if (asked)
		emit_reserved(t, asked, t->serial);
	free(asked);
}

static void ice_state(enum gw_ice_state state, void *arg)
{
	static const char *const name[] = {
		[GW_ICE_CONNECTED] = "connected",
		[GW_ICE_PAIR_CHANGED] = "another pair selected",
		[GW_ICE_FAILED] = "failed",
	};
	struct gw_term_side *t = arg;
	struct gw_media_event ev;

	GW_CHECK(t->ctx, GW_CTX_MAGIC);
	if (state == GW_ICE_FAILED)
		gw_warn(&t->ctx->log, "ICE %s", name[state]);
	else
		gw_info(&t->ctx->log, "ICE %s", name[state]);
	memset(&ev, 0, sizeof(ev));
	ev.type = GW_E_ICE;
	ev.term = t->side;
	ev.state = (uint8_t)state;
	gw_context_emit(t->ctx, &ev);
	await_turn(t);
}

/* ---- commands ---- */

static int make_ice(struct gw_term_side *t, const struct gw_end *end)
{
	const struct gw_media_env *env = t->ctx->env;
	const struct gw_ice_options opt = {
		.poller = env->poller,
		.timers = env->timers,
		.log = &t->ctx->log,
		.address = env->cfg->web_address,
		.port_min = env->cfg->web_port_min,
		.port_max = env->cfg->web_port_max,
		.stun_server = env->cfg->stun_server,
		.controlling = end->controlling,
		.consent_ms = env->cfg->consent_ms,
		.lite = env->lite,
		.stun = env->stun,
		.no_split = env->cfg->no_split,
	};
	const struct gw_ice_handlers h = {
		.gathered = ice_gathered,
		.state = ice_state,
		.packet = ice_packet,
		.arg = t,
	};

	return gw_ice_new(&t->ice, &opt, &h);
}

int gw_context_dtls_reserve(struct gw_term_side *t,
			    const struct gw_media_cmd *cmd)
{
	int err;

	if (!t->ctx->dtls)
		t->ctx->dtls = gw_dtls_ctx_ref(t->ctx->env->dtls);
	if (t->pending)
		return -EBUSY; /* the first RESERVE is not answered yet */
	if (t->ice) {
		emit_reserved(t, &cmd->end, cmd->serial);
		return 0;
	}
	t->pending = malloc(sizeof(*t->pending));
	if (!t->pending)
		return -ENOMEM;
	*t->pending = cmd->end;
	t->serial = cmd->serial;
	memset(t->stream_of, GW_CTX_NO_STREAM, sizeof(t->stream_of));
	err = make_ice(t, &cmd->end);
	if (!err && cmd->end.nstream)
		gw_ice_set_dscp(t->ice, cmd->end.stream[0].dscp);
	return err;
}

int gw_context_dtls_configure(struct gw_term_side *t,
			      const struct gw_end *remote)
{
	bool new_ice = !gw_ice_is_peer(t->ice, remote);
	bool first = !gw_context_assoc_exists(t);
	bool fits = gw_context_assoc_fits(t, remote, new_ice);
	int err;

	if (t->pending)
		return -EBUSY;
	gw_context_bundle_configure(t, remote);
	/* All m-lines refused: no transport is described. */
	if (!remote->ufrag[0])
		return 0;
	/* Another browser behind the same session (page reload): nothing from
	 * or to the old one any more. */
	if (!fits && !first && new_ice)
		gw_ice_forget_peer(t->ice);
	err = gw_ice_configure(t->ice, remote);
	if (!err && !fits)
		err = gw_context_assoc_new(t, remote);
	if (err)
		return err;
	if (fits && new_ice)
		gw_context_assoc_renew(t);
	if (remote->nstream && remote->stream[0].dscp)
		gw_ice_set_dscp(t->ice, remote->stream[0].dscp);
	await_turn(t);
	return 0;
}

int gw_context_dtls_restart(struct gw_term_side *t,
			    const struct gw_media_cmd *cmd)
{
	int err;

	if (t->pending)
		return -EBUSY;
	err = gw_ice_restart(t->ice);
	if (!err)
		emit_reserved(t, &cmd->end, cmd->serial);
	return err;
}

void gw_context_dtls_close(struct gw_term_side *t)
{
	leave_turns(t);
	/* DTLS says goodbye by way of ICE: this order. */
	gw_context_assoc_close(t);
	gw_ice_free(t->ice);
	t->ice = NULL;
	for (unsigned i = 0; i < GW_CTX_EARLY_MAX; i++)
		forget_early(&t->early[i]);
	free(t->pending);
	t->pending = NULL;
}
