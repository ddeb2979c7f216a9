/*
 * What happens between SETUP and ANSWER: early media, and the early dialogs of
 * a call that the IMS side has forked.
 *
 * Each early dialog has its own descriptions and its own offer/answer state;
 * the called side as a whole is described by the one that is heard, and in the
 * end by the one that answers.  The caller, if it is a browser, sees one
 * description whatever happens here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/metrics.h"
#include "gateway/call_priv.h"

/* As many as sip/ keeps apart. */
#define EARLY_MAX 16

GW_COUNTER(m_unusable, "isthmus_calls_early_total",
	   "Descriptions in early dialogs, by what became of them",
	   "result=\"unusable\"");
GW_COUNTER(m_heard, "isthmus_calls_early_total",
	   "Descriptions in early dialogs, by what became of them",
	   "result=\"heard\"");
GW_COUNTER(m_kept, "isthmus_calls_early_total",
	   "Descriptions in early dialogs, by what became of them",
	   "result=\"kept\"");
GW_COUNTER(m_answered, "isthmus_calls_early_offers_total",
	   "Offers of a peer in early dialogs, by what became of them",
	   "result=\"answered\"");
GW_COUNTER(m_refused, "isthmus_calls_early_offers_total",
	   "Offers of a peer in early dialogs, by what became of them",
	   "result=\"refused\"");

static const struct gw_cause unmeetable = {
	.status = 580, /* RFC 3312 8 */
	.text = "a precondition that is not of ours",
};

void gw_call_early_fini(struct gw_call *call)
{
	for (unsigned i = 0; i < call->nearly; i++) {
		free(call->early[i].local);
		free(call->early[i].remote);
		free(call->early[i].pending);
	}
	gw_timer_stop(&call->qos_again);
	gw_timer_stop(&call->qos_patience);
	free(call->early);
	call->early = NULL;
	call->nearly = 0;
	call->heard = 0;
}

struct early *gw_call_early_find(struct gw_call *call, uint32_t branch)
{
	for (unsigned i = 0; i < call->nearly; i++) {
		if (call->early[i].branch == branch)
			return &call->early[i];
	}
	return NULL;
}

const struct early *gw_call_early_heard(const struct gw_call *call)
{
	return call->heard ? &call->early[call->heard - 1] : NULL;
}

static unsigned number(const struct gw_call *call, const struct early *e)
{
	return (unsigned)(e - call->early) + 1;
}

/* @offered: what we offered in it; NULL: it is the one that offers. */
static struct early *find_or_make(struct gw_call *call, uint32_t branch,
				  const char *offered)
{
	struct early *e = gw_call_early_find(call, branch), *grown;
	char *local = NULL;

	if (e || call->nearly == EARLY_MAX)
		return e;
	if (offered) {
		local = strdup(offered);
		if (!local)
			return NULL;
	}
	grown = realloc(call->early, (call->nearly + 1) * sizeof(*grown));
	if (grown)
		call->early = grown;
	if (!grown) {
		free(local);
		return NULL;
	}
	e = &call->early[call->nearly++];
	*e = (struct early){
		.branch = branch,
		.local = local,
		.version = call->invite_version,
		.oa = { offered ? GW_OA_LOCAL : GW_OA_IDLE },
		.qos = call->b.qos,
	};
	return e;
}

void gw_call_early_forgive(struct gw_call *call)
{
	call->cause = (struct gw_cause){ 0 };
	call->blamed = NULL;
}

/* ---- what an early dialog describes ---- */

/* 0; or -errno, and the call goes on: the 200 may be of another dialog. */
static int keep_answer(struct gw_call *call, struct early *e,
		       const struct gw_msg *said)
{
	struct gw_sess answer;
	char *text;
	int err = gw_call_fits(call, &call->b, e->local, &said->desc, &answer);

	if (!err)
		err = gw_oa_event(&e->oa, GW_OA_PEER_ANSWERS_EARLY);
	if (err) {
		gw_info(&call->log, "early answer not used: %s",
			call->cause.text ? call->cause.text : "out of place");
		gw_metric_add(&m_unusable, 1);
		gw_call_early_forgive(call);
		return err;
	}
	text = gw_call_dup(&said->desc);
	if (!text)
		return -ENOMEM;
	gw_call_keep(&e->remote, text);
	e->asked = false;
	return 0;
}

static bool heard_anyway(const struct gw_call *call)
{
	return !strcmp(call->core->set->calls.early_media, "always");
}

static bool audible(const struct gw_call *call, const struct early *e)
{
	const char *policy = call->core->set->calls.early_media;

	if (!e->remote || !e->local || e->ended || !strcmp(policy, "never"))
		return false;
	return e->authorised || heard_anyway(call);
}

int gw_call_early_adopt(struct gw_call *call, const struct early *e,
			struct gw_sess *answer)
{
	struct side *b = &call->b;
	struct gw_sess local;
	char *mine = strdup(e->local), *theirs = strdup(e->remote);

	if (!mine || !theirs) {
		free(mine);
		free(theirs);
		return gw_call_because(call, 500, "out of memory");
	}
	gw_call_keep(&b->local, mine);
	gw_call_keep(&b->remote, theirs);
	b->o_version = e->version;
	b->answered = !e->asked;
	gw_call_reread(b, b->local, &local);
	gw_call_reread(b, b->remote, answer);
	return gw_call_configure(call, b, &local, answer);
}

static void close_gates(struct gw_call *call)
{
	if (call->a.local && call->a.remote)
		gw_call_open_gates(call, GW_GATE_CLOSED, GW_GATE_CLOSED);
}

/* Who calls is heard before the answer only where the network wants it so
 * (RFC 5009 8, sendrecv): a service that asks before it answers. */
static void open_early(struct gw_call *call)
{
	const struct early *e = gw_call_early_heard(call);

	if (!e || !call->a.local || !call->a.remote)
		return;
	/* Each m-line for itself, unless the operator lets all be heard. */
	call->b.shut_in = heard_anyway(call) ? 0 : e->mute;
	/* RFC 3312 6: no media stream before all resources are there.  What
	 * it sends itself has been authorised, or is cut above. */
	call->b.shut_out = e->waits ? UINT32_MAX : e->deaf;
	if (e->both)
		gw_call_open_gates(call, GW_GATE_BOTH, GW_GATE_BOTH);
	else
		gw_call_open_gates(call, GW_GATE_OUT, GW_GATE_IN);
}

/* A hears what this early dialog sends. */
static int hear(struct gw_call *call, const struct early *e, struct gw_msg *out)
{
	struct side *a = &call->a;
	struct gw_sess answer;
	int err = gw_call_early_adopt(call, e, &answer);

	if (err)
		return err;
	(void)gw_oa_event(&call->b.oa, GW_OA_PEER_ANSWERS_EARLY);
	call->heard = number(call, e);
	gw_metric_add(&m_heard, 1);
	if (a->pending && !call->a_early) {
		err = gw_call_answer_a(call, &answer, true);
		if (err)
			return err;
		call->a_early = true;
		out->conditions = a->qos.present;
		out->desc = (struct gw_desc){ GW_DESC_EARLY_ANSWER, a->local,
					      strlen(a->local) };
	}
	open_early(call);
	return 0;
}

static void try_to_hear(struct gw_call *call, const struct early *e,
			struct gw_msg *out)
{
	if (!hear(call, e, out))
		return;
	gw_info(&call->log, "early media not used: %s",
		call->cause.text ? call->cause.text : "media");
	gw_call_early_forgive(call);
	call->heard = 0;
	out->desc = (struct gw_desc){ 0 };
}

/* The dialog that was heard is over, or may not be heard any more. */
static void fall_silent(struct gw_call *call, struct gw_msg *out)
{
	call->heard = 0;
	close_gates(call);
	for (unsigned i = call->nearly; i-- > 0;) {
		if (!audible(call, &call->early[i]))
			continue;
		try_to_hear(call, &call->early[i], out);
		return;
	}
}

static struct early *note(struct gw_call *call, const struct gw_msg *said,
			  bool *fresh)
{
	bool says =
		said->desc.text || said->early_media || said->no_early_media;
	struct early *e =
		says && call->b.pending
			? find_or_make(call, said->branch, call->b.pending)
			: gw_call_early_find(call, said->branch);

	*fresh = false;
	if (!e)
		return NULL;
	if (said->early_media)
		e->authorised = true;
	else if (said->no_early_media)
		e->authorised = false;
	if (said->early_media || said->no_early_media) {
		e->both = said->early_both;
		e->mute = said->early_mute;
		e->deaf = said->early_deaf;
	}
	e->ended |= said->alert == GW_ALERT_ENDED;
	if (said->desc.role == GW_DESC_EARLY_ANSWER && said->desc.text &&
	    !e->firm)
		*fresh = !keep_answer(call, e, said);
	e->firm |= said->firm && *fresh;
	return e;
}

/* ---- an INVITE without offer, whose 18x brings one ---- */

/* A has described itself: that answers what @e asks, in its PRACK. */
static int answer_question(struct gw_call *call, struct early *e)
{
	struct side *b = &call->b;
	struct gw_msg msg = { .verb = GW_V_ACCEPT, .branch = e->branch };
	struct gw_sess offer, theirs, content;
	char *text;

	gw_call_reread(b, e->remote, &offer);
	gw_call_reread(&call->a, call->a.remote, &theirs);
	if (gw_sess_relay_answer(&content, &offer, &theirs))
		return gw_call_because(call, 488, "no codec in common");
	text = gw_call_early_print(call, b, e, &content, &offer);
	if (!text)
		return gw_call_because(call, 500, "out of memory");
	gw_call_keep(&e->local, text);
	msg.desc = (struct gw_desc){ GW_DESC_ANSWER, text, strlen(text) };
	if (gw_leg_send(b->leg, &msg))
		return gw_call_because(call, 500, "answer out of place");
	(void)gw_oa_event(&e->oa, GW_OA_WE_ANSWER_EARLY);
	e->firm = true;
	if (audible(call, e)) {
		struct gw_msg out = { .verb = GW_V_PROGRESS,
				      .early_media = true };

		if (!hear(call, e, &out))
			gw_call_say(call, &call->a, &out);
	}
	return 0;
}

static void refuse_question(struct gw_call *call, const struct gw_msg *said,
			    const struct gw_cause *cause)
{
	const struct gw_msg msg = { .verb = GW_V_REFUSE,
				    .branch = said->branch,
				    .cause = *cause };

	gw_metric_add(&m_refused, 1);
	gw_info(&call->log, "offer in an early dialog refused, %u: %s",
		cause->status, cause->text);
	gw_call_say(call, &call->b, &msg);
}

/* A browser is asked once; further dialogs get what it answered. */
static void early_question(struct gw_call *call, const struct gw_msg *said)
{
	struct gw_cause cause = { .status = 500, .text = "out of memory" };
	struct side *a = &call->a, *b = &call->b;
	struct gw_sess theirs;
	struct early *e;

	e = b->pending ? NULL : find_or_make(call, said->branch, NULL);
	if (!e || gw_oa_event(&e->oa, GW_OA_PEER_OFFERS))
		return; /* it repeats itself */
	if (gw_call_read(call, b, &said->desc, &theirs, &cause)) {
		refuse_question(call, said, &cause);
		return;
	}
	if (gw_call_qos_asked(call, e, &said->desc)) {
		cause = unmeetable;
		refuse_question(call, said, &cause);
		return;
	}
	e->remote = gw_call_dup(&said->desc);
	e->asked = true;
	cause = (struct gw_cause){ .status = 488, .text = "no media" };
	if (!e->remote || !gw_call_reachable(b, &theirs) ||
	    (a->described && answer_question(call, e)) ||
	    (!a->described && !a->pending && gw_call_ask_for(call, &theirs)))
		refuse_question(call, said, &cause);
}

void gw_call_early_answered(struct gw_call *call, const struct gw_msg *msg)
{
	if (!call->a.pending || call->a.described)
		return;
	if (gw_call_asked(call, msg)) {
		gw_call_fsm_event(&call->fsm, GW_EV_FAILED);
		return;
	}
	for (unsigned i = 0; i < call->nearly; i++) {
		if (call->early[i].oa.state == GW_OA_REMOTE &&
		    answer_question(call, &call->early[i])) {
			gw_call_fsm_event(&call->fsm, GW_EV_FAILED);
			return;
		}
	}
}

int gw_call_progress(struct gw_call *call)
{
	const struct gw_msg *said = call->said;
	struct gw_msg msg = {
		.verb = GW_V_PROGRESS,
		.asserted = said->asserted,
		.alert = said->alert,
		.call_info = said->call_info,
	};
	bool fresh, heard, changed;
	struct early *e;

	if (said->desc.role == GW_DESC_OFFER)
		early_question(call, said);
	e = note(call, said, &fresh);
	changed = gw_call_qos_progress(call, e, fresh);

	heard = e && call->heard == number(call, e);
	if (e && audible(call, e)) {
		if (fresh || !heard)
			try_to_hear(call, e, &msg);
		else if (said->early_media || changed)
			open_early(call);
	} else if (heard) {
		fall_silent(call, &msg);
	} else if (fresh) {
		gw_metric_add(&m_kept, 1);
	}
	/* That one of the dialogs ended is nothing for who calls, unless it
	 * falls silent: then it rings again. */
	if (said->alert == GW_ALERT_ENDED) {
		if (!heard)
			return 0;
		msg.alert = GW_ALERT_NO;
	}
	msg.early_media = call->heard != 0;
	gw_call_say(call, &call->a, &msg);
	if (fresh)
		gw_call_qos_answered(call,
				     gw_call_early_find(call, said->branch),
				     &said->desc);
	return 0;
}

/* ---- offers of a peer before the call is answered ---- */

/* What @s' new @offer gets: what the other side is known to take. */
static int compose(struct gw_call *call, struct side *s, struct gw_sess *out,
		   const struct gw_sess *offer)
{
	struct side *o = call_other(call, s);
	const char *text = o->remote ? o->remote : o->pending;
	struct gw_sess theirs, mine;

	if (o->profile != GW_PROFILE_RESOURCE && text) {
		gw_call_reread(o, text, &theirs);
		/* What was only offered to it has our direction. */
		for (unsigned i = 0;
		     !o->remote && s == &call->a && i < theirs.nstream; i++)
			theirs.stream[i].dir = GW_DIR_SENDRECV;
		return gw_sess_relay_answer(out, offer, &theirs);
	}
	if (call->fsm.state == GW_CALL_PREPARING &&
	    o->profile != GW_PROFILE_RESOURCE) {
		theirs = *offer;
		if (gw_call_qos_guess(call, &theirs))
			return -ENOENT;
		return gw_sess_relay_answer(out, offer, &theirs);
	}
	if (s->local)
		gw_call_reread(s, s->local, &mine);
	return gw_sess_local_answer(out, offer, GW_DIR_SENDRECV,
				    s->local ? &mine : NULL);
}

char *gw_call_early_print(struct gw_call *call, struct side *s, struct early *e,
			  struct gw_sess *content, const struct gw_sess *offer)
{
	const struct gw_precondition qos = s->qos;
	uint64_t before = s->o_version;
	char *text;

	if (!e)
		return gw_call_print(call, s, content, offer);
	s->o_version = e->version;
	s->qos = e->qos;
	text = gw_call_print(call, s, content, offer);
	e->version = s->o_version;
	s->o_version = before;
	s->qos = qos;
	return text;
}

void gw_call_early_commit(struct gw_call *call, struct side *s, struct early *e,
			  char *local, char *remote)
{
	struct gw_sess mine, theirs;
	char *again;

	if (e) {
		gw_call_keep(&e->local, local);
		gw_call_keep(&e->remote, remote);
		e->asked = true;
		if (call->heard != number(call, e))
			return;
		if (gw_call_early_adopt(call, e, &theirs))
			gw_warn(&call->log, "media worker overloaded: a change "
					    "is not in force");
	} else {
		gw_call_keep(&s->local, local);
		gw_call_keep(&s->remote, remote);
		/* Of who offered at first: the 200 answers that, too. */
		again = s->pending ? strdup(remote) : NULL;
		if (again)
			gw_call_keep(&s->pending, again);
		gw_call_reread(s, local, &mine);
		gw_call_reread(s, remote, &theirs);
		if (gw_call_configure(call, s, &mine, &theirs))
			gw_warn(&call->log, "media worker overloaded: a change "
					    "is not in force");
	}
	open_early(call);
}

static void refuse(struct gw_call *call, struct side *s, uint32_t branch,
		   const struct gw_cause *cause)
{
	struct gw_msg msg = { .verb = GW_V_REFUSE,
			      .branch = branch,
			      .cause = *cause };

	gw_metric_add(&m_refused, 1);
	gw_info(&call->log, "early offer of the %s leg refused, %u%s%s",
		s->kind, cause->status, cause->text ? ": " : "",
		cause->text ? cause->text : "");
	gw_call_say(call, s, &msg);
}

/* 0 and the texts, or -EINVAL and the cause. */
static int answer_offer(struct gw_call *call, struct side *s, struct early *e,
			const struct gw_msg *msg, char **local, char **remote,
			struct gw_cause *cause)
{
	struct gw_sess offer, content;

	if (gw_call_read(call, s, &msg->desc, &offer, cause))
		return -EINVAL;
	*cause = (struct gw_cause){ .status = 488,
				    .text = "no codec in common" };
	if (!gw_call_reachable(s, &offer) || compose(call, s, &content, &offer))
		return -EINVAL;
	if (gw_call_qos_read(e ? &e->qos : &s->qos, &msg->desc)) {
		*cause = unmeetable;
		return -EINVAL;
	}
	*local = gw_call_early_print(call, s, e, &content, &offer);
	*remote = gw_call_dup(&msg->desc);
	if (*local && *remote)
		return 0;
	free(*local);
	free(*remote);
	*cause = (struct gw_cause){ .status = 500, .text = "out of memory" };
	return -EINVAL;
}

void gw_call_early_offer(struct gw_call *call, struct side *s,
			 const struct gw_msg *msg)
{
	struct gw_cause cause = { .status = 491,
				  .text = "the call is not answered yet" };
	struct early *e =
		s == &call->b ? gw_call_early_find(call, msg->branch) : NULL;
	struct gw_oa *oa = e ? &e->oa : &s->oa;
	struct gw_msg reply = { .verb = GW_V_ACCEPT, .branch = msg->branch };
	char *local, *remote;

	if (s->profile != GW_PROFILE_CORE || (s == &call->b && !e) ||
	    !msg->desc.text || gw_oa_event(oa, GW_OA_PEER_OFFERS)) {
		refuse(call, s, msg->branch, &cause);
		return;
	}
	if (answer_offer(call, s, e, msg, &local, &remote, &cause)) {
		(void)gw_oa_event(oa, GW_OA_WE_REFUSE);
		refuse(call, s, msg->branch, &cause);
		return;
	}
	reply.desc = (struct gw_desc){ GW_DESC_ANSWER, local, strlen(local) };
	if (gw_leg_send(s->leg, &reply)) {
		(void)gw_oa_event(oa, GW_OA_WE_REFUSE);
		free(local);
		free(remote);
		return;
	}
	(void)gw_oa_event(oa, GW_OA_WE_ANSWER);
	gw_metric_add(&m_answered, 1);
	if (e)
		gw_call_qos_settle(call, e);
	gw_call_early_commit(call, s, e, local, remote);
	gw_call_qos_offered(call, s); /* the call may be gone */
}
