#include "media/context_priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "gateway/base/metrics.h"

GW_GAUGE(m_contexts, "isthmus_media_contexts", "Live media contexts", "");

static struct gw_term_side *new_term(struct gw_context *ctx, uint8_t side)
{
	struct gw_term_side *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ctx = ctx;
	t->side = side;
	gw_context_assoc_init(t);
	gw_context_report_init(t);
	return t;
}

int gw_context_new(struct gw_context **out, struct gw_media_env *env,
		   gw_ctx_id id, const char *call_id)
{
	struct gw_context *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return -ENOMEM;
	for (uint8_t side = 0; side < GW_NTERMS; side++)
		ctx->term[side] = new_term(ctx, side);
	if (!ctx->term[GW_TERM_A] || !ctx->term[GW_TERM_B]) {
		free(ctx->term[GW_TERM_A]);
		free(ctx->term[GW_TERM_B]);
		free(ctx);
		return -ENOMEM;
	}
	ctx->magic = GW_CTX_MAGIC;
	ctx->id = id;
	ctx->env = env;
	(void)snprintf(ctx->call_id, sizeof(ctx->call_id), "%.*s",
		       (int)sizeof(ctx->call_id) - 1, call_id);
	ctx->log = (struct gw_logctx){ .module = "media", .id = ctx->call_id };
	gw_random_token(ctx->cname, sizeof(ctx->cname), 16);
	gw_timer_init(&ctx->quality, gw_context_quality_due, ctx);
	gw_timer_init(&ctx->digit, gw_context_digit_due, ctx);
	if (env->cfg->quality_ms)
		(void)gw_timer_start_lazy_us(env->timers, &ctx->quality,
					     env->cfg->quality_ms * 1000ull);
	gw_metric_add(&m_contexts, 1);
	*out = ctx;
	return 0;
}

static void free_stream(struct gw_ctx_stream *st)
{
	if (!st)
		return;
	gw_context_feedback_fini(st);
	gw_rtpsock_free(st->sock);
	free(st->to_peer);
	free(st);
}

static void close_term(struct gw_term_side *t)
{
	gw_context_report_stop(t);
	gw_context_dtls_close(t);
	for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
		free_stream(t->stream[i]);
		t->stream[i] = NULL;
	}
	t->transport = GW_TP_NONE;
	t->nstream = 0;
	t->configured = false;
}

static void free_term(struct gw_term_side *t)
{
	if (!t)
		return;
	close_term(t);
	free(t);
}

void gw_context_free(struct gw_context *ctx)
{
	if (!ctx)
		return;
	gw_timer_stop(&ctx->quality);
	gw_timer_stop(&ctx->digit);
	for (unsigned i = 0; i < GW_NTERMS; i++)
		free_term(ctx->term[i]);
	free_term(ctx->spare);
	gw_dtls_ctx_unref(ctx->dtls);
	ctx->magic = 0;
	free(ctx);
	gw_metric_add(&m_contexts, -1);
}

void gw_context_release(struct gw_context *ctx, uint32_t serial)
{
	struct gw_media_env *env = ctx->env;
	struct gw_media_event ev;

	memset(&ev, 0, sizeof(ev));
	gw_context_stats(ctx, &ev);
	ev.type = GW_E_RELEASED;
	ev.serial = serial;
	ev.ctx = ctx->id;
	for (unsigned i = 0; i < GW_NTERMS; i++)
		gw_context_bye(ctx->term[i]);
	/* Said when it is true: the ports are free again by then. */
	gw_context_free(ctx);
	env->emit(&ev, env->arg);
}

gw_ctx_id gw_context_id(const struct gw_context *ctx)
{
	return ctx->id;
}

void gw_context_emit(struct gw_context *ctx, struct gw_media_event *ev)
{
	ev->ctx = ctx->id;
	ctx->env->emit(ev, ctx->env->arg);
}

/* ---- routes ---- */

struct gw_term_side *gw_context_dest(struct gw_term_side *t)
{
	struct gw_term_side *other;

	if (t->side == GW_TERM_SPARE)
		return t;
	other = t->ctx->term[!t->side];
	return other->transport == GW_TP_RESOURCE ? t : other;
}

struct gw_flow *gw_context_from(struct gw_term_side *t, unsigned i)
{
	struct gw_term_side *to = gw_context_dest(t);

	return to->stream[i] ? to->stream[i]->to_peer : NULL;
}

/* Codecs and gate of the flow from stream @i of @t to where it goes. */
static void route(struct gw_term_side *t, unsigned i)
{
	struct gw_term_side *to = gw_context_dest(t);
	struct gw_ctx_stream *src = t->stream[i];
	struct gw_ctx_stream *dst = to->stream[i];
	bool was_open;

	if (!src || !dst || !dst->to_peer)
		return;
	if (t->configured && to->configured)
		gw_flow_configure(dst->to_peer, &src->remote, &dst->remote);
	was_open = gw_flow_is_open(dst->to_peer);
	gw_flow_gate(dst->to_peer,
		     (src->gate & GW_GATE_IN) && (dst->gate & GW_GATE_OUT));
	/* Its key frame was sent to a closed gate. */
	if (!was_open)
		gw_context_feedback_want(dst);
}

void gw_context_reroute(struct gw_context *ctx)
{
	for (unsigned side = 0; side < GW_NTERMS; side++) {
		struct gw_term_side *t = ctx->term[side];

		if (t->transport == GW_TP_NONE ||
		    t->transport == GW_TP_RESOURCE)
			continue;
		for (unsigned i = 0; i < t->nstream; i++)
			route(t, i);
	}
	gw_context_warm(ctx);
}

static void add_hot(const struct gw_term_side *t, struct gw_hot *hot)
{
	if (t->ice)
		gw_ice_add_hot(t->ice, hot);
	gw_srtp_add_hot(t->srtp, hot);
	if (t->nstream && t->stream[0]->sock)
		gw_rtpsock_add_hot(t->stream[0]->sock, hot);
}

/* Of its first stream: audio, as a rule the one with most packets. */
static void warm(struct gw_term_side *t)
{
	const struct gw_term_side *to = gw_context_dest(t);
	const struct gw_flow *f = gw_context_from(t, 0);
	const struct gw_ctx_stream *st = t->stream[0];

	t->hot.n = 0;
	if (!f || !to->nstream)
		return;
	gw_hot_add(&t->hot, t->ctx, offsetof(struct gw_context, spare));
	gw_hot_add(&t->hot, t, offsetof(struct gw_term_side, ice) + 1);
	gw_hot_add(&t->hot, t->heard_us, sizeof(t->heard_us));
	gw_hot_add(&t->hot, f, offsetof(struct gw_flow, row) + 1);
	gw_hot_add(&t->hot, &st->sock, sizeof(st->sock));
	gw_hot_add(&t->hot, &to->stream[0]->sock,
		   offsetof(struct gw_ctx_stream, discarded) -
			   offsetof(struct gw_ctx_stream, sock));
	add_hot(t, &t->hot);
	add_hot(to, &t->hot);
	if (t->ice)
		gw_ice_set_hot(t->ice, &t->hot);
	else if (st->sock)
		gw_rtpsock_set_hot(st->sock, &t->hot);
}

void gw_context_warm(struct gw_context *ctx)
{
	for (unsigned side = 0; side < GW_NTERMS; side++)
		if (ctx->term[side]->nstream)
			warm(ctx->term[side]);
}

/* ---- RESERVE ---- */

static int add_sock(struct gw_term_side *t, struct gw_ctx_stream *st,
		    const struct gw_end *end)
{
	struct gw_media_env *env = t->ctx->env;
	const struct gw_rtpsock_options opt = {
		.poller = env->poller,
		.timers = env->timers,
		.ports = env->ports,
		.address = end->family == AF_INET6 ? env->cfg->core_address6
						   : env->cfg->core_address,
		.dscp = st->dscp,
		.video = end->stream[st->index].kind == GW_MEDIA_VIDEO,
		.learn_ms = env->cfg->learn_ms,
		.discarded = st->discarded,
	};

	if (!env->ports || !opt.address[0])
		return -EAFNOSUPPORT;
	return gw_rtpsock_new(&st->sock, &opt, gw_context_sock_packet, st);
}

static int add_stream(struct gw_term_side *t, uint8_t i,
		      const struct gw_end *end)
{
	struct gw_ctx_stream *st = calloc(1, sizeof(*st));
	int err = 0;

	if (!st)
		return -ENOMEM;
	st->index = i;
	st->term = t;
	st->dscp = end->stream[i].dscp;
	st->to_peer = calloc(1, sizeof(*st->to_peer));
	if (!st->to_peer)
		err = -ENOMEM;
	else if (t->transport == GW_TP_RTP && end->stream[i].ncodec)
		err = add_sock(t, st, end); /* a refused one needs none */
	if (err) {
		free_stream(st);
		return err;
	}
	gw_flow_init(st->to_peer);
	t->stream[i] = st;
	return 0;
}

/* An m-line that was refused comes alive in a later offer. */
static int revive(struct gw_term_side *t, const struct gw_end *end)
{
	int err = 0;

	for (uint8_t i = 0; i < t->nstream && !err; i++)
		if (t->transport == GW_TP_RTP && end->stream[i].ncodec &&
		    !t->stream[i]->sock)
			err = add_sock(t, t->stream[i], end);
	return err;
}

/* Also those that a later offer adds.  On failure none of them stays. */
static int add_streams(struct gw_term_side *t, const struct gw_end *end)
{
	uint8_t before = t->nstream;
	int err;

	if (end->nstream > GW_MAX_STREAMS || end->nstream < before)
		return -EINVAL;
	err = revive(t, end);
	for (uint8_t i = before; i < end->nstream && !err; i++) {
		err = add_stream(t, i, end);
		if (!err)
			t->nstream = (uint8_t)(i + 1);
	}
	while (err && t->nstream > before) {
		t->nstream--;
		free_stream(t->stream[t->nstream]);
		t->stream[t->nstream] = NULL;
	}
	return err;
}

void gw_context_fill_streams(const struct gw_term_side *t, struct gw_end *end)
{
	for (unsigned i = 0; i < t->nstream; i++) {
		const struct gw_ctx_stream *st = t->stream[i];

		end->stream[i].ssrc = gw_flow_ssrc(st->to_peer);
		if (st->sock)
			gw_rtpsock_local(st->sock, &end->stream[i].rtp,
					 &end->stream[i].rtcp);
	}
}

static int reserve(struct gw_term_side *t, const struct gw_media_cmd *cmd)
{
	bool fresh = t->transport == GW_TP_NONE;
	struct gw_media_event ev;
	int err;

	if (cmd->end.transport == GW_TP_NONE ||
	    cmd->end.transport > GW_TP_RESOURCE ||
	    (!fresh && cmd->end.transport != t->transport))
		return -EINVAL;
	if (cmd->end.transport == GW_TP_RESOURCE &&
	    cmd->end.resource != GW_RES_ECHO)
		return -EOPNOTSUPP;

	t->transport = cmd->end.transport;
	t->resource = cmd->end.resource;
	err = add_streams(t, &cmd->end);
	if (!err && t->transport == GW_TP_DTLS)
		err = gw_context_dtls_reserve(t, cmd);
	if (err) {
		if (fresh)
			close_term(t);
		return err;
	}
	gw_context_reroute(t->ctx);
	if (t->transport == GW_TP_DTLS)
		return 0; /* answered when the candidates are known */

	memset(&ev, 0, sizeof(ev));
	ev.type = GW_E_RESERVED;
	ev.term = t->side;
	ev.serial = cmd->serial;
	ev.end = cmd->end;
	gw_context_fill_streams(t, &ev.end);
	gw_context_emit(t->ctx, &ev);
	return 0;
}

/* ---- CONFIGURE, GATE, RESTART ---- */

/* A quarter on top: phones announce 64 kbit/s for G.711 and mean its payload,
 * and policing is against floods, not against them. */
static void set_rate(struct gw_police *p, uint32_t bandwidth_bps, bool video)
{
	uint64_t rate = (uint64_t)bandwidth_bps * 5 / 4;
	int64_t burst;

	if (rate > UINT32_MAX)
		rate = UINT32_MAX;
	/* Half a second.  An encoder keeps its rate over seconds only, and a
	 * key frame alone may be 60 KB. */
	burst = video ? (int64_t)rate * 2 + 480000 : (int64_t)rate / 2 + 12000;
	*p = (struct gw_police){ .rate_bps = (uint32_t)rate, .burst = burst };
}

/* A forked call goes from one phone to another, and may come back. */
static void note_move(struct gw_term_side *t, unsigned i,
		      const struct gw_stream *remote)
{
	struct gw_flow *f = gw_context_from(t, i);

	if (f && !gw_addr_equal(&t->stream[i]->remote.rtp, &remote->rtp))
		gw_flow_moved(f);
}

static void configure_stream(struct gw_ctx_stream *st,
			     const struct gw_stream *remote, bool newcomer)
{
	if (st->remote.bandwidth_bps != remote->bandwidth_bps)
		set_rate(&st->police, remote->bandwidth_bps,
			 remote->kind == GW_MEDIA_VIDEO);
	st->remote = *remote;
	if (st->remote.ncodec > GW_MAX_CODECS)
		st->remote.ncodec = GW_MAX_CODECS;
	if (remote->dscp) /* else RESERVE's stays */
		st->dscp = remote->dscp;
	gw_context_feedback_configure(st);
	if (!st->sock)
		return;
	if (newcomer)
		gw_rtpsock_forsake(st->sock);
	gw_rtpsock_remote(st->sock, &remote->rtp, &remote->rtcp);
	gw_rtpsock_set_dscp(st->sock, st->dscp);
}

static int configure(struct gw_term_side *t, const struct gw_media_cmd *cmd)
{
	struct gw_media_event ev;
	int err;

	if (t->transport == GW_TP_NONE || t->transport != cmd->end.transport)
		return -EINVAL;
	if (t->transport == GW_TP_DTLS) {
		err = gw_context_dtls_configure(t, &cmd->end);
		if (err)
			return err;
	}
	for (unsigned i = 0; i < t->nstream && i < cmd->end.nstream; i++) {
		note_move(t, i, &cmd->end.stream[i]);
		configure_stream(t->stream[i], &cmd->end.stream[i],
				 cmd->end.newcomer);
	}
	t->configured = true;
	gw_context_reroute(t->ctx);
	gw_context_report_start(t);

	memset(&ev, 0, sizeof(ev));
	ev.type = GW_E_CONFIGURED;
	ev.term = t->side;
	ev.serial = cmd->serial;
	gw_context_emit(t->ctx, &ev);
	return 0;
}

static int keyframe(struct gw_term_side *t)
{
	if (t->transport == GW_TP_NONE)
		return -EINVAL;
	for (unsigned i = 0; i < t->nstream; i++)
		gw_context_feedback_ask(t->stream[i]);
	return 0;
}

static int gate(struct gw_term_side *t, const struct gw_media_cmd *cmd)
{
	bool all = cmd->stream == 0xff;

	if (t->transport == GW_TP_NONE)
		return -EINVAL;
	/* An m-line that we never had is closed already. */
	if (!all && cmd->stream >= t->nstream)
		return cmd->gate & GW_GATE_BOTH ? -EINVAL : 0;
	for (unsigned i = 0; i < t->nstream; i++) {
		struct gw_ctx_stream *st = t->stream[i];

		if (!all && i != cmd->stream)
			continue;
		st->gate = cmd->gate & GW_GATE_BOTH;
		if (st->gate)
			st->was_open = true;
	}
	gw_context_reroute(t->ctx);
	gw_context_watch_inactivity(t);
	return 0;
}

/* ---- TAKE, DROP ---- */

static void drop_spare(struct gw_context *ctx)
{
	free_term(ctx->spare);
	ctx->spare = NULL;
}

static void subtract(struct gw_flow_stats *a, const struct gw_flow_stats *b)
{
	a->packets -= b->packets;
	a->bytes -= b->bytes;
	for (unsigned why = 0; why < GW_NDISCARDS; why++)
		a->discarded[why] -= b->discarded[why];
	a->lost -= b->lost;
}

/* What @ev counts, less what is counted now. */
static void take_off(struct gw_context *ctx, struct gw_media_event *ev)
{
	struct gw_media_event now;

	memset(&now, 0, sizeof(now));
	gw_context_stats(ctx, &now);
	for (unsigned side = 0; side < GW_NTERMS; side++)
		for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
			subtract(&ev->stats[side][i].rx,
				 &now.stats[side][i].rx);
			subtract(&ev->stats[side][i].tx,
				 &now.stats[side][i].tx);
		}
}

/* What flows to the other termination goes on under its SSRC, from another
 * source; what flows to the new one begins. */
static int take(struct gw_context *ctx, const struct gw_media_cmd *cmd)
{
	struct gw_term_side *t = ctx->spare, *old;
	struct gw_media_event ev;

	if (cmd->term >= GW_NTERMS || !t || !t->configured)
		return -EINVAL;
	memset(&ev, 0, sizeof(ev));
	gw_context_stats(ctx, &ev);
	old = ctx->term[cmd->term];
	gw_context_bye(old);
	free_term(old);
	t->side = cmd->term;
	ctx->term[cmd->term] = t;
	ctx->spare = NULL;
	take_off(ctx, &ev);
	/* A phone that comes back may be the source that was replaced. */
	for (unsigned i = 0; i < t->nstream; i++) {
		struct gw_flow *f = gw_context_from(t, i);

		if (f)
			gw_flow_moved(f);
	}
	gw_context_reroute(ctx);
	ev.type = GW_E_TAKEN;
	ev.term = cmd->term;
	ev.serial = cmd->serial;
	gw_context_emit(ctx, &ev);
	return 0;
}

static int reserve_spare(struct gw_context *ctx, const struct gw_media_cmd *cmd)
{
	int err;

	/* One whose DROP found the mailbox full may be there still. */
	drop_spare(ctx);
	ctx->spare = new_term(ctx, GW_TERM_SPARE);
	if (!ctx->spare)
		return -ENOMEM;
	err = reserve(ctx->spare, cmd);
	if (err && ctx->spare->transport == GW_TP_NONE)
		drop_spare(ctx);
	return err;
}

static int command(struct gw_context *ctx, const struct gw_media_cmd *cmd)
{
	struct gw_term_side *t;

	if (cmd->verb == GW_M_TAKE)
		return take(ctx, cmd);
	if (cmd->verb == GW_M_DROP) {
		drop_spare(ctx);
		return 0;
	}
	if (cmd->term > GW_TERM_SPARE)
		return -EINVAL;
	if (cmd->term == GW_TERM_SPARE && cmd->verb == GW_M_RESERVE)
		return reserve_spare(ctx, cmd);
	t = cmd->term == GW_TERM_SPARE ? ctx->spare : ctx->term[cmd->term];
	if (!t)
		return -EINVAL;
	switch (cmd->verb) {
	case GW_M_RESERVE:
		return reserve(t, cmd);
	case GW_M_CONFIGURE:
		return configure(t, cmd);
	case GW_M_GATE:
		return gate(t, cmd);
	case GW_M_KEYFRAME:
		return keyframe(t);
	case GW_M_RESTART:
		return t->transport == GW_TP_DTLS
			       ? gw_context_dtls_restart(t, cmd)
			       : -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

bool gw_context_command(struct gw_context *ctx, const struct gw_media_cmd *cmd)
{
	struct gw_media_event ev;
	int err;

	GW_CHECK(ctx, GW_CTX_MAGIC);
	err = command(ctx, cmd);
	if (err) {
		memset(&ev, 0, sizeof(ev));
		ev.type = GW_E_FAILED;
		ev.term = cmd->term;
		ev.serial = cmd->serial;
		ev.error = err;
		gw_context_emit(ctx, &ev);
	}
	return ctx->term[GW_TERM_A]->transport != GW_TP_NONE ||
	       ctx->term[GW_TERM_B]->transport != GW_TP_NONE;
}
