/*
 * media/context_relay.c - the packet path, from one termination to the other
 *
 * What comes here has been accepted by its source and, from a browser,
 * authenticated.  No allocation, no log, no library lock: it counts.
 */
#include "media/context_priv.h"

#include <errno.h>
#include <string.h>

#include "gateway/base/metrics.h"

#define PACKETS      "isthmus_media_packets_total"
#define PACKETS_HELP "Media packets, by side and direction"
#define BYTES        "isthmus_media_bytes_total"
#define BYTES_HELP   "Media bytes, RTP headers included, by side and direction"

GW_COUNTER(m_web_in, PACKETS, PACKETS_HELP, "side=\"web\",direction=\"in\"");
GW_COUNTER(m_web_out, PACKETS, PACKETS_HELP, "side=\"web\",direction=\"out\"");
GW_COUNTER(m_core_in, PACKETS, PACKETS_HELP, "side=\"core\",direction=\"in\"");
GW_COUNTER(m_core_out, PACKETS, PACKETS_HELP,
	   "side=\"core\",direction=\"out\"");
GW_COUNTER(m_web_in_bytes, BYTES, BYTES_HELP, "side=\"web\",direction=\"in\"");
GW_COUNTER(m_web_out_bytes, BYTES, BYTES_HELP,
	   "side=\"web\",direction=\"out\"");
GW_COUNTER(m_core_in_bytes, BYTES, BYTES_HELP,
	   "side=\"core\",direction=\"in\"");
GW_COUNTER(m_core_out_bytes, BYTES, BYTES_HELP,
	   "side=\"core\",direction=\"out\"");
GW_COUNTER(m_dtmf, "isthmus_media_dtmf_total", "DTMF digits heard", "");

static void count(const struct gw_term_side *t, bool in, size_t len)
{
	static struct gw_metric *const packets[2][2] = {
		{&m_core_out, &m_core_in},
		{ &m_web_out, &m_web_in },
	};
	static struct gw_metric *const bytes[2][2] = {
		{&m_core_out_bytes, &m_core_in_bytes},
		{ &m_web_out_bytes, &m_web_in_bytes },
	};
	bool web = t->transport == GW_TP_DTLS;

	gw_metric_add(packets[web][in], 1);
	gw_metric_add(bytes[web][in], (int64_t)len);
}

void gw_context_drop(struct gw_ctx_stream *st, enum gw_discard why)
{
	gw_discard(st ? st->discarded : NULL, why);
}

/* ---- DTMF ---- */

static void tell_digit(struct gw_term_side *t, uint8_t stream,
		       const struct gw_dtmf_digit *d)
{
	struct gw_media_event ev;

	gw_metric_add(&m_dtmf, 1);
	memset(&ev, 0, sizeof(ev));
	ev.type = GW_E_DTMF;
	ev.term = t->side;
	ev.stream = stream;
	ev.dtmf.digit = d->code;
	ev.dtmf.duration_ms = d->duration_ms;
	gw_context_emit(t->ctx, &ev);
}

/* One timer a context: digits are rare, and lost ends rarer. */
static void await_digit(struct gw_context *ctx, const struct gw_flow *f,
			uint64_t now_us)
{
	uint64_t due = gw_flow_digit_due_us(f);

	if (due == UINT64_MAX)
		return;
	if (gw_timer_running(&ctx->digit) && ctx->digit.due_us <= due)
		return;
	(void)gw_timer_start_us(ctx->env->timers, &ctx->digit,
				due > now_us ? due - now_us : 0);
}

void gw_context_digit_due(struct gw_timer *timer, void *arg)
{
	struct gw_context *ctx = arg;
	struct gw_dtmf_digit digit;
	uint64_t now;

	(void)timer;
	GW_CHECK(ctx, GW_CTX_MAGIC);
	now = gw_timers_now_us(ctx->env->timers);
	for (unsigned side = 0; side < GW_NTERMS; side++) {
		struct gw_term_side *t = ctx->term[side];

		for (uint8_t i = 0; i < t->nstream; i++) {
			struct gw_flow *f = gw_context_from(t, i);

			if (!f)
				continue;
			while (gw_flow_poll_digit(f, now, &digit))
				tell_digit(t, i, &digit);
			await_digit(ctx, f, now);
		}
	}
}

/* ---- RTP ---- */

/*
 * What an end says it takes bounds what is sent to it.  There is room for a
 * burst: a key frame passes, a flood does not.
 */
static bool within_rate(struct gw_police *p, size_t len, uint64_t now_us)
{
	int64_t bits = (int64_t)len * 8;
	uint64_t gap;

	if (!p->rate_bps)
		return true;
	if (!p->last_us) {
		p->tokens = p->burst;
	} else {
		gap = now_us - p->last_us;
		if (gap > 1000000)
			gap = 1000000;
		p->tokens += (int64_t)(gap * p->rate_bps / 1000000);
		if (p->tokens > p->burst)
			p->tokens = p->burst;
	}
	p->last_us = now_us;
	if (p->tokens < bits)
		return false;
	p->tokens -= bits;
	return true;
}

int gw_context_send(struct gw_term_side *t, struct gw_ctx_stream *st, bool rtcp,
		    uint8_t *data, size_t len, size_t cap)
{
	int err;

	if (t->transport == GW_TP_DTLS)
		err = gw_context_dtls_send(st, rtcp, data, len, cap);
	else if (st->sock)
		err = gw_rtpsock_send(st->sock, rtcp, data, len);
	else
		err = -ENOTCONN;
	if (!err && !rtcp)
		count(t, false, len);
	return err;
}

/* What a flow made, and takes back if it does not get away. */
static void send_made(struct gw_term_side *to, struct gw_ctx_stream *st,
		      struct gw_flow *f, uint8_t *data,
		      const struct gw_flow_result *res, size_t cap)
{
	int err = gw_context_send(to, st, false, data, res->len, cap);

	if (!err)
		return;
	gw_flow_unsent(f, res);
	gw_discard(st->unsent, err == -ENOKEY     ? GW_DISCARD_NO_KEYS
			       : err == -ENOTCONN ? GW_DISCARD_NO_PEER
						  : GW_DISCARD_SEND);
}

void gw_context_rtp_in(struct gw_term_side *t, struct gw_ctx_stream *st,
		       uint8_t *data, size_t len, size_t cap)
{
	struct gw_term_side *to = gw_context_dest(t);
	struct gw_flow *f = gw_context_from(t, st->index);
	uint64_t now = gw_timers_now_us(t->ctx->env->timers);
	struct gw_flow_result res = { 0 };

	count(t, true, len);
	gw_context_heard(t, false, now);
	if (!f) {
		gw_context_drop(st, GW_DISCARD_NO_ROUTE);
		return;
	}
	if (now < t->ctx->env->catching_up_until_us &&
	    gw_flow_is_stale(f, data, len, now)) {
		gw_context_drop(st, GW_DISCARD_STALE);
		return;
	}
	if (!within_rate(&to->stream[st->index]->police, len, now)) {
		gw_context_drop(st, GW_DISCARD_POLICED);
		return;
	}
	if (st->video && st->video->nack)
		gw_context_feedback_heard(st, data, len, now);
	/* The gate is in the flow, which also counts what it drops. */
	if (gw_flow_packet(f, data, len, now, &res) == GW_FLOW_SEND)
		send_made(to, to->stream[st->index], f, data, &res, cap);
	for (unsigned i = 0; i < res.ndigit; i++)
		tell_digit(t, st->index, &res.digit[i]);
	if (res.event)
		await_digit(t->ctx, f, now);
}

/* ---- RTCP ends here; reports of our own go out (context_report.c) ---- */

void gw_context_rtcp_in(struct gw_term_side *t, struct gw_ctx_stream *st,
			const uint8_t *data, size_t len)
{
	uint64_t now = gw_timers_now_us(t->ctx->env->timers);
	uint64_t ntp = gw_context_ntp();
	struct gw_rtcp_info info;
	bool ok = false;

	for (unsigned i = 0; i < t->nstream; i++) {
		struct gw_ctx_stream *s = t->stream[i];

		if (st && st != s)
			continue;
		if (gw_flow_rtcp_in(gw_context_from(t, i), s->to_peer, data,
				    len, now, ntp, &info))
			continue;
		ok = true;
		if (info.nnack || info.npli || info.nfir)
			gw_context_feedback_in(s, &info, now);
	}
	if (ok)
		gw_context_heard(t, true, now);
}

void gw_context_sock_packet(bool rtcp, uint8_t *data, size_t len, size_t cap,
			    void *arg)
{
	struct gw_ctx_stream *st = arg;
	enum gw_pkt_class class = gw_pkt_classify(data, len);

	GW_CHECK(st->term->ctx, GW_CTX_MAGIC);
	/* Some peers multiplex without having agreed to (RFC 5761). */
	if (class == GW_PKT_RTCP)
		gw_context_rtcp_in(st->term, st, data, len);
	else if (class == GW_PKT_RTP && !rtcp)
		gw_context_rtp_in(st->term, st, data, len, cap);
	else
		gw_context_drop(st, GW_DISCARD_CLASS);
}
