/*
 * media/context_assoc.c - which DTLS association is in force towards a browser
 *
 * A page that is reloaded may keep its certificate.  Its signalling then says
 * what an ICE restart says, new credentials and the old fingerprint, but its
 * DTLS begins anew, and nothing short of tls-id (RFC 8842 4), which browsers do
 * not send, tells the two apart.  So after new credentials a ClientHello is
 * heard (RFC 6347 4.2.8), and one is sent if we are the client and the old keys
 * have fallen silent: by a second association, the challenger.  The old one
 * stays in force until the challenger has proved the same certificate, so that
 * a forged ClientHello ends nothing.
 */
#include "media/context_priv.h"

#include <string.h>

#include "gateway/base/metrics.h"

/* A browser that is still there sends audio every 20 ms, on hold RTCP; a second
 * of neither, and we ask.  Asking in vain costs a dozen small datagrams. */
#define DOUBT_MS 1000

GW_COUNTER(m_taken, "isthmus_dtls_challenges_total",
	   "DTLS associations begun anew under one certificate, by outcome",
	   "result=\"taken\"");
GW_COUNTER(m_vain, "isthmus_dtls_challenges_total",
	   "DTLS associations begun anew under one certificate, by outcome",
	   "result=\"in_vain\"");

static struct gw_assoc *in_force(struct gw_term_side *t)
{
	return &t->assoc[t->in_force];
}

static struct gw_assoc *challenger(struct gw_term_side *t)
{
	return &t->assoc[!t->in_force];
}

static void drop_assoc(struct gw_assoc *a)
{
	gw_dtls_free(a->dtls);
	a->dtls = NULL;
}

static void dtls_send(const void *data, size_t len, void *arg)
{
	const struct gw_assoc *a = arg;
	struct gw_term_side *t = a->term;
	bool there = t->reply_to.family && gw_ice_accepts(t->ice, &t->reply_to);

	/* What cannot be sent is lost, and sent again by the timer. */
	(void)gw_ice_send(t->ice, there ? &t->reply_to : NULL, data, len);
}

/* Its handshake is not under way: that one would be the peer's too. */
static bool is_settled(const struct gw_dtls *dtls)
{
	return gw_dtls_is_up(dtls) || gw_dtls_is_over(dtls);
}

/* The challenger has proved to be the peer. */
static void take_over(struct gw_term_side *t)
{
	drop_assoc(in_force(t));
	t->in_force = !t->in_force;
	t->renewed = false;
	gw_timer_stop(&t->doubt);
	gw_metric_add(&m_taken, 1);
	gw_info(&t->ctx->log, "DTLS: the peer began anew with its certificate");
}

static void dtls_state(enum gw_dtls_state state,
		       const struct gw_srtp_keys *keys, void *arg)
{
	struct gw_assoc *a = arg;
	struct gw_term_side *t = a->term;
	struct gw_media_event ev;

	GW_CHECK(t->ctx, GW_CTX_MAGIC);
	if (a != in_force(t)) {
		if (state != GW_DTLS_UP) {
			/* What is in force stays so.  It cannot be freed from
			 * in here. */
			gw_metric_add(&m_vain, 1);
			(void)gw_timer_start_us(t->ctx->env->timers, &t->doubt,
						0);
			return;
		}
		take_over(t);
	}
	gw_srtp_free(t->srtp);
	t->srtp = NULL;
	if (state == GW_DTLS_UP && gw_srtp_new(&t->srtp, keys)) {
		gw_warn(&t->ctx->log, "SRTP: no memory");
		state = GW_DTLS_HANDSHAKE_FAILED;
	}
	memset(&ev, 0, sizeof(ev));
	ev.type = GW_E_DTLS;
	ev.term = t->side;
	ev.state = (uint8_t)state;
	gw_context_emit(t->ctx, &ev);
	t->unheard = state == GW_DTLS_UP;
	if (state == GW_DTLS_UP) {
		gw_context_report_start(t);
		gw_context_feedback_keys(t);
		gw_context_warm(t->ctx);
	}
}

static int make(struct gw_assoc *a, bool active, const uint8_t *sha256)
{
	struct gw_context *ctx = a->term->ctx;

	return gw_dtls_new(&a->dtls, ctx->dtls, ctx->env->timers, &ctx->log,
			   active, sha256, dtls_send, dtls_state, a);
}

/* One at a time: those who send ClientHellos must not make us hold many. */
static void challenge(struct gw_term_side *t, bool active)
{
	struct gw_assoc *a = challenger(t);

	if (a->dtls && !gw_dtls_is_over(a->dtls))
		return;
	drop_assoc(a);
	if (make(a, active, t->sha256))
		return; /* no memory: it will be asked for again */
	if (active)
		gw_dtls_start(a->dtls);
}

static void doubt_due(struct gw_timer *timer, void *arg)
{
	struct gw_term_side *t = arg;
	struct gw_dtls *dtls;

	(void)timer;
	GW_CHECK(t->ctx, GW_CTX_MAGIC);
	dtls = challenger(t)->dtls;
	if (dtls && gw_dtls_is_over(dtls)) {
		drop_assoc(challenger(t));
		return;
	}
	dtls = in_force(t)->dtls;
	if (t->renewed && dtls && gw_dtls_is_active(dtls) && is_settled(dtls))
		challenge(t, true);
}

/* ---- for context_dtls.c ---- */

void gw_context_assoc_init(struct gw_term_side *t)
{
	t->assoc[0].term = t;
	t->assoc[1].term = t;
	gw_timer_init(&t->doubt, doubt_due, t);
}

bool gw_context_assoc_exists(const struct gw_term_side *t)
{
	return t->assoc[t->in_force].dtls != NULL;
}

bool gw_context_assoc_fits(const struct gw_term_side *t,
			   const struct gw_end *remote, bool new_ice)
{
	const struct gw_dtls *dtls = t->assoc[t->in_force].dtls;

	if (!dtls || memcmp(t->sha256, remote->sha256, sizeof(t->sha256)) != 0)
		return false;
	/* RFC 8842 4: over UDP a new association takes new ICE credentials;
	 * without them a role that changed is a slip of the pen. */
	if (!new_ice)
		return true;
	/* Two clients, or two servers: one of them is new. */
	if (remote->setup == GW_DTLS_ACTIVE && gw_dtls_is_active(dtls))
		return false;
	if (remote->setup == GW_DTLS_PASSIVE && !gw_dtls_is_active(dtls))
		return false;
	return !gw_dtls_is_over(dtls); /* said goodbye, and is back */
}

/* RFC 5763 5: who is actpass leaves the choice to us, and then we begin, as
 * RFC 8842 5.3 asks. */
int gw_context_assoc_new(struct gw_term_side *t, const struct gw_end *remote)
{
	bool active = remote->setup != GW_DTLS_ACTIVE;
	struct gw_assoc *a = challenger(t);
	int err;

	drop_assoc(a);
	err = make(a, active, remote->sha256);
	if (err)
		return err;
	drop_assoc(in_force(t));
	gw_srtp_free(t->srtp);
	t->srtp = NULL;
	memset(&t->reply_to, 0, sizeof(t->reply_to));
	memcpy(t->sha256, remote->sha256, sizeof(t->sha256));
	gw_timer_stop(&t->doubt);
	t->renewed = false;
	t->in_force = !t->in_force;
	return 0;
}

void gw_context_assoc_renew(struct gw_term_side *t)
{
	t->renewed = true;
	/* The way back may be another one now. */
	memset(&t->reply_to, 0, sizeof(t->reply_to));
	(void)gw_timer_start_ms(t->ctx->env->timers, &t->doubt, DOUBT_MS);
}

void gw_context_assoc_start(struct gw_term_side *t)
{
	gw_dtls_start(in_force(t)->dtls);
}

void gw_context_assoc_in(struct gw_term_side *t, const struct gw_addr *from,
			 const uint8_t *data, size_t len)
{
	struct gw_assoc *other = challenger(t);

	/* The answer takes the way the question came. */
	t->reply_to = *from;
	if (t->renewed && gw_dtls_is_client_hello(data, len) &&
	    !gw_dtls_is_active(in_force(t)->dtls) &&
	    is_settled(in_force(t)->dtls))
		challenge(t, false);
	/* Both may look: neither takes what the other's keys protect. */
	if (other->dtls)
		gw_dtls_receive(other->dtls, data, len);
	if (other != in_force(t))
		gw_dtls_receive(in_force(t)->dtls, data, len);
}

void gw_context_assoc_heard(struct gw_term_side *t)
{
	if (t->unheard) {
		t->unheard = false;
		gw_dtls_heard(in_force(t)->dtls);
	}
	/* With a challenger there, the timer is for its burial. */
	if (gw_timer_running(&t->doubt) && !challenger(t)->dtls)
		gw_timer_stop(&t->doubt);
}

void gw_context_assoc_close(struct gw_term_side *t)
{
	gw_timer_stop(&t->doubt);
	drop_assoc(challenger(t));
	drop_assoc(in_force(t));
	gw_srtp_free(t->srtp);
	t->srtp = NULL;
	memset(&t->reply_to, 0, sizeof(t->reply_to));
	t->renewed = false;
}
