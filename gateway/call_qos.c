/*
 * Preconditions (RFC 3312, RFC 4032; TS 24.229 5.1.3, 5.1.4, 6), run for the
 * browser: neither that side nor its description knows of them.
 *
 * Our own end has its resources when media has reserved ports, which is before
 * anything is said; with sip.precondition_confirm that is said by an UPDATE
 * once the call has an answer, as a phone on a radio bearer does.
 *
 * A peer's have sip.precondition_timeout_s to come.  Until then a caller's call
 * rings nowhere, and what we send to a phone that is called is stopped at our
 * gate; that phone rings when it can, which tells that it has them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "gateway/call_priv.h"

#define AGAIN_MS  2100 /* RFC 3261 14.1, in the owner's interval */
#define TRIES_MAX 5

#define QOS "isthmus_calls_preconditions_total"
#define QOS_HELP                                                               \
	"Calls and early dialogs with preconditions, by what came of them"
GW_COUNTER(m_waited, QOS, QOS_HELP, "result=\"waited\"");
GW_COUNTER(m_met, QOS, QOS_HELP, "result=\"met\"");
GW_COUNTER(m_confirmed, QOS, QOS_HELP, "result=\"confirmed\"");
GW_COUNTER(m_failed, QOS, QOS_HELP, "result=\"failed\"");

static const struct gw_set_sip *settings(const struct gw_call *call)
{
	return &call->core->set->sip;
}

static uint64_t patience_ms(const struct gw_call *call)
{
	return 1000ull * settings(call)->precondition_timeout_s;
}

bool gw_call_qos_wanted(const struct gw_call *call)
{
	const char *choice = settings(call)->precondition;

	return *choice && strcmp(choice, "off") != 0;
}

/* ---- a call from the core ---- */

int gw_call_qos_setup(struct gw_call *call, const struct gw_msg *setup)
{
	struct side *a = &call->a;
	struct gw_precondition theirs;

	if (!gw_call_qos_wanted(call) || a->profile != GW_PROFILE_CORE ||
	    !setup->desc.text || !setup->reliable)
		return 0;
	gw_precondition_read(&theirs, setup->desc.text, setup->desc.len);
	a->qos.have_local = GW_DIR_SENDRECV;
	gw_precondition_learn(&a->qos, &theirs);
	if (a->qos.impossible) {
		gw_metric_add(&m_failed, 1);
		return gw_call_because(call, 580,
				       "a precondition that is not of ours");
	}
	if (!a->qos.present || gw_precondition_met(&a->qos))
		return 0;
	a->qos.confirm = GW_DIR_SENDRECV;
	call->prepare = true;
	return 0;
}

/* Nobody is called yet: what browsers have of the offer is what B may take. */
int gw_call_qos_guess(const struct gw_call *call, struct gw_sess *offer)
{
	if (call->b.profile == GW_PROFILE_WEB && gw_sess_for_web(offer))
		return -ENOENT;
	for (unsigned i = 0; i < offer->nstream; i++)
		offer->stream[i].dir = GW_DIR_SENDRECV;
	return 0;
}

int gw_call_prepare(struct gw_call *call)
{
	struct side *a = &call->a;
	struct gw_msg msg = { .verb = GW_V_PROGRESS, .conditions = true };
	struct gw_sess theirs;
	int err;

	gw_call_reread(a, a->pending, &theirs);
	if (gw_call_qos_guess(call, &theirs))
		return gw_call_because(call, 488, "no codec in common");
	err = gw_call_answer_a(call, &theirs, true);
	if (err)
		return err;
	call->a_early = true;
	gw_metric_add(&m_waited, 1);
	gw_info(&call->log, "waiting for the caller's resources");
	msg.desc = (struct gw_desc){ GW_DESC_EARLY_ANSWER, a->local,
				     strlen(a->local) };
	gw_timer_start_ms(gw_loop_timers(call->core->loop), &call->watch,
			  patience_ms(call));
	return gw_leg_send(a->leg, &msg);
}

void gw_call_qos_failed(struct gw_call *call)
{
	gw_metric_add(&m_failed, 1);
	gw_call_end(call, "gateway", 580, "the caller's resources never came");
}

void gw_call_qos_restrict(const struct gw_call *call, struct gw_sess *offer)
{
	struct gw_sess said;

	if (!call->a_early || !call->a.local)
		return;
	gw_call_reread(&call->a, call->a.local, &said);
	for (unsigned i = 0; i < offer->nstream && i < said.nstream; i++) {
		struct gw_sess_stream *st = &offer->stream[i];
		uint8_t n = 0;

		for (unsigned c = 0; c < st->ncodec; c++) {
			for (unsigned k = 0; k < said.stream[i].ncodec; k++) {
				if (!gw_codec_same(&st->codec[c],
						   &said.stream[i].codec[k]))
					continue;
				st->codec[n++] = st->codec[c];
				break;
			}
		}
		st->ncodec = n;
	}
}

/* ---- what a peer's description says ---- */

int gw_call_qos_read(struct gw_precondition *ours, const struct gw_desc *desc)
{
	struct gw_precondition theirs;

	if (!ours->present)
		return 0;
	gw_precondition_read(&theirs, desc->text, desc->len);
	if (theirs.impossible)
		return -EINVAL;
	gw_precondition_learn(ours, &theirs);
	if (gw_precondition_met(ours))
		ours->confirm = GW_DIR_INACTIVE;
	return 0;
}

void gw_call_qos_offered(struct gw_call *call, struct side *s)
{
	if (s != &call->a || call->fsm.state != GW_CALL_PREPARING ||
	    !gw_precondition_met(&s->qos))
		return;
	gw_metric_add(&m_met, 1);
	gw_call_fsm_event(&call->fsm, GW_EV_PREPARED);
}

/* ---- a call to the core ---- */

void gw_call_qos_invite(struct gw_call *call)
{
	struct side *b = &call->b;

	if (!gw_call_qos_wanted(call) || b->profile != GW_PROFILE_CORE)
		return;
	b->qos = (struct gw_precondition){
		.present = true,
		.have_local = settings(call)->precondition_confirm
				      ? GW_DIR_INACTIVE
				      : GW_DIR_SENDRECV,
		.must_local = GW_DIR_SENDRECV,
	};
	if (!strcmp(settings(call)->precondition, "required"))
		b->qos.must_remote = GW_DIR_SENDRECV;
}

/* Every early dialog that lives waits for resources, and nobody rings. */
static bool all_wait(const struct gw_call *call)
{
	bool any = false;

	for (unsigned i = 0; i < call->nearly; i++) {
		const struct early *e = &call->early[i];

		if (!e->ended && !e->waits)
			return false;
		any |= !e->ended;
	}
	return any && !call->rings;
}

static void watch(struct gw_call *call)
{
	if (!all_wait(call))
		gw_timer_stop(&call->qos_patience);
	else if (!gw_timer_running(&call->qos_patience))
		gw_timer_start_ms(gw_loop_timers(call->core->loop),
				  &call->qos_patience, patience_ms(call));
}

static void set_waiting(struct gw_call *call, struct early *e, bool waits)
{
	if (e->waits == waits)
		return;
	e->waits = waits;
	gw_metric_add(waits ? &m_waited : &m_met, 1);
	gw_info(&call->log, "the called side %s",
		waits ? "waits for resources" : "has all resources");
}

void gw_call_qos_settle(struct gw_call *call, struct early *e)
{
	if (e->qos.present)
		set_waiting(call, e, !e->rang && !gw_precondition_met(&e->qos));
	watch(call);
}

static void learn_answer(struct gw_call *call, struct early *e,
			 const struct gw_desc *desc)
{
	struct gw_precondition theirs;

	if (!e->qos.present || e->rang)
		return;
	gw_precondition_read(&theirs, desc->text, desc->len);
	if (gw_call_qos_read(&e->qos, desc))
		set_waiting(call, e, true);
	else if (theirs.present)
		set_waiting(call, e, !gw_precondition_met(&e->qos));
}

bool gw_call_qos_progress(struct gw_call *call, struct early *e, bool fresh)
{
	const struct gw_msg *said = call->said;
	bool before = e && e->waits;

	if (e && fresh)
		learn_answer(call, e, &said->desc);
	if (said->alert == GW_ALERT_RINGING) {
		call->rings = true;
		if (e) {
			e->rang = true;
			set_waiting(call, e, false);
		}
	}
	/* Who is asked in its place has his own time. */
	if (said->alert == GW_ALERT_FORWARDED)
		gw_timer_stop(&call->qos_patience);
	watch(call);
	return e && e->waits != before;
}

int gw_call_qos_asked(struct gw_call *call, struct early *e,
		      const struct gw_desc *desc)
{
	struct gw_precondition theirs;

	if (!gw_call_qos_wanted(call))
		return 0;
	gw_precondition_read(&theirs, desc->text, desc->len);
	if (theirs.impossible)
		return -EINVAL;
	if (!theirs.present)
		return 0;
	e->qos = (struct gw_precondition){ .have_local = GW_DIR_SENDRECV };
	gw_precondition_learn(&e->qos, &theirs);
	if (!gw_precondition_met(&e->qos))
		e->qos.confirm = GW_DIR_SENDRECV;
	gw_call_qos_settle(call, e);
	return 0;
}

static void on_patience(struct gw_timer *t, void *arg)
{
	struct gw_call *call = arg;

	(void)t;
	GW_CHECK(call, CALL_MAGIC);
	if (call->fsm.state == GW_CALL_UP) {
		gw_call_qos_overdue(call);
		return;
	}
	gw_metric_add(&m_failed, 1);
	gw_call_end(call, "gateway", 580,
		    "the called side's resources never came");
}

static void again(struct gw_call *call)
{
	if (!gw_timer_running(&call->qos_again))
		gw_timer_start_ms(gw_loop_timers(call->core->loop),
				  &call->qos_again, AGAIN_MS);
}

/* Our resources are there: the same description, with that. */
static void confirm(struct gw_call *call, struct early *e)
{
	struct side *b = &call->b;
	struct gw_msg msg = { .verb = GW_V_OFFER,
			      .branch = e->branch,
			      .conditions = true };
	struct gw_sess content;
	char *text;
	int err;

	if (e->tries++ >= TRIES_MAX)
		return;
	gw_call_reread(b, e->local, &content);
	e->qos.have_local = GW_DIR_SENDRECV;
	text = gw_call_early_print(call, b, e, &content, NULL);
	err = !text                                 ? -ENOMEM
	      : gw_oa_event(&e->oa, GW_OA_WE_OFFER) ? -EAGAIN
						    : 0;
	if (!err) {
		msg.desc =
			(struct gw_desc){ GW_DESC_OFFER, text, strlen(text) };
		err = gw_leg_send(b->leg, &msg);
		if (err)
			(void)gw_oa_event(&e->oa, GW_OA_PEER_REFUSES);
	}
	e->owes = err == -EAGAIN;
	if (!err) {
		gw_call_keep(&e->pending, text);
		return;
	}
	free(text);
	if (e->owes)
		again(call);
	else
		gw_info(&call->log, "our resources could not be confirmed: %s",
			strerror(-err));
}

void gw_call_qos_answered(struct gw_call *call, struct early *e,
			  const struct gw_desc *desc)
{
	struct gw_precondition theirs;

	if (!e->qos.present)
		return;
	gw_precondition_read(&theirs, desc->text, desc->len);
	if (!theirs.present)
		return; /* a peer that knows nothing of it, and does not wait */
	if (e->firm && e->qos.have_local != GW_DIR_SENDRECV)
		confirm(call, e);
}

void gw_call_qos_accepted(struct gw_call *call, const struct gw_msg *msg)
{
	struct early *e = gw_call_early_find(call, msg->branch);
	struct gw_sess answer;
	char *text;

	if (!e || !e->pending)
		return;
	if (gw_call_fits(call, &call->b, e->pending, &msg->desc, &answer)) {
		/* Its 200 may be of another dialog, and this one goes on. */
		gw_call_early_forgive(call);
		(void)gw_oa_event(&e->oa, GW_OA_PEER_REFUSES);
		gw_call_keep(&e->pending, NULL);
		return;
	}
	(void)gw_oa_event(&e->oa, GW_OA_PEER_ANSWERS);
	gw_metric_add(&m_confirmed, 1);
	text = gw_call_dup(&msg->desc);
	if (!text)
		return;
	(void)gw_call_qos_read(&e->qos, &msg->desc);
	gw_call_qos_settle(call, e);
	gw_call_early_commit(call, &call->b, e, e->pending, text);
	e->pending = NULL;
	e->asked = false;
}

void gw_call_qos_refused(struct gw_call *call, const struct gw_msg *msg)
{
	struct early *e = gw_call_early_find(call, msg->branch);

	if (!e || !e->pending)
		return;
	(void)gw_oa_event(&e->oa, GW_OA_PEER_REFUSES);
	gw_call_keep(&e->pending, NULL);
	e->owes = msg->cause.status == 491 || msg->cause.status == 500;
	if (e->owes)
		again(call);
	else
		gw_info(&call->log, "our resources were not wanted: %u",
			msg->cause.status);
}

static void on_again(struct gw_timer *t, void *arg)
{
	struct gw_call *call = arg;

	(void)t;
	GW_CHECK(call, CALL_MAGIC);
	for (unsigned i = 0; i < call->nearly; i++) {
		if (call->early[i].owes && call->b.leg)
			confirm(call, &call->early[i]);
	}
}

void gw_call_qos_init(struct gw_call *call)
{
	gw_timer_init(&call->qos_again, on_again, call);
	gw_timer_init(&call->qos_patience, on_patience, call);
}
