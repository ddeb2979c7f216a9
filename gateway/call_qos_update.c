/*
 * Preconditions in a session that stands (RFC 3312 6, RFC 4032): of m-lines
 * that come in mid-call.
 *
 * A peer of the core may add one before it has the resources for it.  It gets
 * our answer at once, as ours are there, and is asked to confirm its own; until
 * an offer of its says so, the other side hears nothing of that m-line.  Where
 * the leg can hold the change back (a re-INVITE that takes reliable 1xx),
 * nothing of the session changes before; else the m-line is there, its gates
 * are shut, and an offer of ours takes it back when the time is up.  What flowed
 * before flows on, whatever is said of it.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "gateway/call_priv.h"
#include "gateway/call_update_priv.h"

#define BUSY_MS 1000 /* another change is under way: look again */

#define QOS "isthmus_calls_preconditions_total"
#define QOS_HELP                                                               \
	"Calls and early dialogs with preconditions, by what came of them"
GW_COUNTER(m_waited, QOS, QOS_HELP, "result=\"update_waited\"");
GW_COUNTER(m_met, QOS, QOS_HELP, "result=\"update_met\"");
GW_COUNTER(m_failed, QOS, QOS_HELP, "result=\"update_failed\"");

/* Ours, of each m-line, after @s' peer said @text.  How many. */
static unsigned learn(const struct gw_call *call, const struct side *s,
		      const char *text,
		      struct gw_precondition ours[GW_MAX_STREAMS])
{
	struct gw_precondition theirs[GW_MAX_STREAMS];
	unsigned n;

	if (s->profile != GW_PROFILE_CORE || !gw_call_qos_wanted(call))
		return 0;
	n = gw_precondition_read_each(theirs, GW_MAX_STREAMS, text,
				      strlen(text));
	for (unsigned i = 0; i < n; i++) {
		ours[i] = (struct gw_precondition){ .have_local =
							    GW_DIR_SENDRECV };
		gw_precondition_learn(&ours[i], &theirs[i]);
		if (!gw_precondition_met(&ours[i]))
			ours[i].confirm = GW_DIR_SENDRECV;
	}
	return n;
}

void gw_call_qos_up(struct side *s)
{
	s->qos = (struct gw_precondition){ 0 };
	s->shut_in = s->shut_out = 0;
}

static bool described(const struct side *s, unsigned i)
{
	struct gw_sess local, remote;

	if (!s->local || !s->remote)
		return false;
	gw_call_reread(s, s->local, &local);
	gw_call_reread(s, s->remote, &remote);
	return call_live(&local, i) && call_live(&remote, i);
}

int gw_call_qos_judge(struct gw_call *call, const struct gw_sess *offer)
{
	struct update *u = &call->upd;
	struct gw_precondition line[GW_MAX_STREAMS];
	unsigned n = learn(call, u->x, u->offer_x, line);

	u->waits = u->held = 0;
	for (unsigned i = 0; i < n; i++) {
		if (line[i].impossible) {
			gw_metric_add(&m_failed, 1);
			u->waits = u->x->shut_in; /* as it was */
			return -1;
		}
		if (!call_live(offer, i) || gw_precondition_met(&line[i]) ||
		    (described(u->x, i) && !(u->x->shut_in >> i & 1)))
			continue;
		u->waits |= 1u << i;
		if (u->y->profile != GW_PROFILE_RESOURCE && !described(u->y, i))
			u->held |= 1u << i;
	}
	return 0;
}

void gw_call_qos_hold_back(const struct update *u, struct gw_sess *fwd)
{
	for (unsigned i = 0; i < fwd->nstream; i++) {
		if (!(u->held >> i & 1))
			continue;
		fwd->stream[i].refused = true;
		fwd->stream[i].dir = GW_DIR_INACTIVE;
	}
}

void gw_call_qos_stand_in(const struct update *u, const struct gw_sess *offer,
			  struct gw_sess *theirs)
{
	struct gw_sess may;

	if (!u->held)
		return;
	may = *offer;
	if (call_is_web(u->y))
		(void)gw_sess_for_web(&may);
	for (unsigned i = 0; i < may.nstream; i++) {
		bool held = u->held >> i & 1;

		if (!held && i < theirs->nstream)
			continue;
		theirs->stream[i] = may.stream[i];
		theirs->stream[i].dir = GW_DIR_SENDRECV;
		theirs->stream[i].refused |= !held;
		if (i >= theirs->nstream)
			theirs->nstream = (uint8_t)(i + 1);
	}
}

char *gw_call_qos_answer(const struct gw_call *call, const struct side *x,
			 const char *offer, char *text)
{
	struct gw_precondition line[GW_MAX_STREAMS];
	unsigned n = text ? learn(call, x, offer, line) : 0;
	bool any = false;
	char *more;

	for (unsigned i = 0; i < n; i++)
		any |= line[i].present;
	if (!any)
		return text;
	more = gw_precondition_print_each(text, line, n);
	free(text);
	return more;
}

void gw_call_qos_suspended(struct gw_call *call)
{
	if (call->upd.waited)
		return;
	gw_metric_add(&m_waited, 1);
	gw_info(&call->log, "the change waits for resources of the %s leg",
		call->upd.x->kind);
}

void gw_call_qos_resumed(struct gw_call *call)
{
	if (!call->upd.waited)
		return;
	gw_metric_add(&m_met, 1);
	gw_info(&call->log, "the resources of the %s leg are there",
		call->upd.x->kind);
}

/* Those that the other side knows nothing of are not waited for for ever. */
static void be_patient(struct gw_call *call, bool anew)
{
	struct gw_timer *t = &call->qos_patience;

	if (!(call->a.shut_in | call->b.shut_in))
		gw_timer_stop(t);
	else if (anew)
		gw_timer_start_ms(
			gw_loop_timers(call->core->loop), t,
			1000ull * call->core->set->sip.precondition_timeout_s);
}

void gw_call_qos_overdue(struct gw_call *call)
{
	struct side *each[] = { &call->a, &call->b };

	if (call->upd.state != UPD_IDLE) {
		/* That may be what it waits for. */
		gw_timer_start_ms(gw_loop_timers(call->core->loop),
				  &call->qos_patience, BUSY_MS);
		return;
	}
	for (unsigned i = 0; i < GW_ARRAY_LEN(each); i++) {
		if (!each[i]->shut_in)
			continue;
		gw_metric_add(&m_failed, 1);
		gw_warn(&call->log, "the resources of the %s leg never came",
			each[i]->kind);
		gw_call_update_restore(call, each[i]);
	}
}

void gw_call_qos_shut(struct gw_call *call, struct side *x, uint32_t waits)
{
	bool anew = waits & ~x->shut_in;

	for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
		bool was = x->shut_in >> i & 1, is = waits >> i & 1;

		if (was == is || !described(x, i))
			continue;
		gw_metric_add(is ? &m_waited : &m_met, 1);
		gw_info(&call->log, "m-line %u: the resources of the %s leg %s",
			i, x->kind, is ? "are to come" : "are there");
	}
	x->shut_in = x->shut_out = waits;
	be_patient(call, anew);
}

void gw_call_qos_told(struct gw_call *call, struct side *s)
{
	struct gw_precondition line[GW_MAX_STREAMS];
	uint32_t still = 0;
	unsigned n;

	if (!s->shut_in)
		return;
	n = learn(call, s, s->remote, line);
	for (unsigned i = 0; i < n; i++) {
		if (!gw_precondition_met(&line[i]) && described(s, i))
			still |= 1u << i;
	}
	s->shut_in &= still;
	s->shut_out = s->shut_in;
	be_patient(call, false);
}
