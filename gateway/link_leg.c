#include "gateway/link_leg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "gateway/base/check.h"
#include "gateway/base/timers.h"
#include "gateway/call.h"

#define LINK_MAGIC 0x4c494e4bu
#define QUEUE_MAX  32 /* said within one pass of the loop */

/* Who said it is what @to is not.  Texts are owned. */
struct said {
	STAILQ_ENTRY(said) next;
	unsigned to;
	struct gw_msg msg;
	char *text[7];
};

struct end {
	struct gw_leg leg; /* first: the two pointers are one */
	uint32_t magic;
	struct link *link;
	bool owned;    /* a call has it */
	bool released; /* hears nothing more */
};

struct link {
	struct end end[2];
	struct gw_core *core;
	gw_ctx_id ctx;
	enum gw_term term;
	struct gw_timer later;
	STAILQ_HEAD(, said) queue;
	unsigned nqueue;
	bool offering[2]; /* has an offer out */
	bool busy;        /* in deliver() */
};

static struct end *end_of(struct gw_leg *leg)
{
	struct end *e = (struct end *)(void *)leg;

	GW_CHECK(e, LINK_MAGIC);
	return e;
}

/* ---- what is on its way ---- */

static void free_said(struct said *s)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(s->text); i++)
		free(s->text[i]);
	free(s);
}

/* False: no memory. */
static bool copy(char **slot, const void *data, size_t len)
{
	*slot = NULL;
	if (!data)
		return true;
	*slot = malloc(len + 1);
	if (!*slot)
		return false;
	memcpy(*slot, data, len);
	(*slot)[len] = '\0';
	return true;
}

static bool copy_text(char **slot, const char *text)
{
	return copy(slot, text, text ? strlen(text) : 0);
}

/* Of @m what makes sense to another call: no keys, no legs, no branches. */
static struct said *note(const struct gw_msg *m, unsigned to)
{
	struct said *s = calloc(1, sizeof(*s));
	bool ok;

	if (!s)
		return NULL;
	s->to = to;
	ok = copy(&s->text[0], m->desc.text, m->desc.len) &&
	     copy_text(&s->text[1], m->asserted.uri) &&
	     copy_text(&s->text[2], m->asserted.display) &&
	     copy_text(&s->text[3], m->target.uri) &&
	     copy_text(&s->text[4], m->cause.text) &&
	     copy_text(&s->text[5], m->content_type) &&
	     copy(&s->text[6], m->content, m->content_len);
	if (!ok) {
		free_said(s);
		return NULL;
	}
	s->msg = (struct gw_msg){
		.verb = m->verb,
		.desc = {m->desc.role, s->text[0], m->desc.len },
		.asserted = { s->text[1],           s->text[2]          },
		.target = { s->text[3],           NULL },
		.privacy = m->privacy,
		.alert = m->alert,
		.held = m->held,
		.cause = m->cause,
		.content_type = s->text[5],
		.content = s->text[6],
		.content_len = m->content_len,
	};
	s->msg.cause.text = s->text[4];
	return s;
}

static void bury(struct link *l)
{
	struct said *s;

	gw_timer_stop(&l->later);
	while ((s = STAILQ_FIRST(&l->queue))) {
		STAILQ_REMOVE_HEAD(&l->queue, next);
		free_said(s);
	}
	l->end[0].magic = l->end[1].magic = 0;
	free(l);
}

static int queue(struct link *l, struct said *s)
{
	STAILQ_INSERT_TAIL(&l->queue, s, next);
	l->nqueue++;
	if (gw_timer_running(&l->later))
		return 0;
	return gw_timer_start_us(gw_loop_timers(l->core->loop), &l->later, 0);
}

/* ---- what is heard ---- */

static void set_up(struct link *l, const struct gw_msg *msg)
{
	static const struct gw_msg gone = {
		.verb = GW_V_RELEASE,
		.cause = {.status = 481, .text = "the other call has ended"},
	};

	l->end[1].owned = true;
	if (!gw_call_replace_at(l->core, l->ctx, l->term, &l->end[1].leg, msg))
		return;
	(void)gw_leg_send(&l->end[1].leg, &gone);
	gw_leg_free(&l->end[1].leg);
}

static void deliver(struct link *l, const struct said *s)
{
	struct end *e = &l->end[s->to];

	if (s->msg.verb == GW_V_SETUP) {
		if (l->end[0].owned)
			set_up(l, &s->msg);
		return;
	}
	if (!e->owned || e->released)
		return;
	if (s->msg.verb == GW_V_RELEASE)
		e->released = true;
	e->leg.handler(&e->leg, &s->msg, e->leg.arg);
}

/* A leg never replies from inside send(): its next pass does. */
static void on_later(struct gw_timer *t, void *arg)
{
	struct link *l = arg;
	struct said *s;

	(void)t;
	l->busy = true;
	while ((s = STAILQ_FIRST(&l->queue))) {
		STAILQ_REMOVE_HEAD(&l->queue, next);
		l->nqueue--;
		deliver(l, s);
		free_said(s);
	}
	l->busy = false;
	if (!l->end[0].owned && !l->end[1].owned)
		bury(l);
}

/* ---- what is said ---- */

/* RFC 3264 4: one offer at a time, of either. */
static int check_offers(struct link *l, unsigned from, enum gw_verb verb)
{
	switch (verb) {
	case GW_V_OFFER:
		if (l->offering[0] || l->offering[1])
			return -EAGAIN;
		l->offering[from] = true;
		return 0;
	case GW_V_ACCEPT:
	case GW_V_REFUSE:
		if (!l->offering[!from])
			return -EPROTO;
		l->offering[!from] = false;
		return 0;
	default:
		return 0;
	}
}

static int link_send(struct gw_leg *leg, const struct gw_msg *msg)
{
	struct end *e = end_of(leg);
	struct link *l = e->link;
	unsigned from = e == &l->end[1];
	struct said *s;
	int err;

	/* Who is there now is told to people: the party of the other call. */
	if (msg->verb == GW_V_TRANSFER && msg->cause.status != 200)
		return 0;
	if (msg->verb == GW_V_RELEASE)
		e->released = true;
	else if (l->nqueue >= QUEUE_MAX)
		return -EAGAIN;
	s = note(msg, !from);
	if (!s)
		return -ENOMEM;
	err = check_offers(l, from, msg->verb);
	if (err) {
		free_said(s);
		return err;
	}
	return queue(l, s);
}

static void link_free(struct gw_leg *leg)
{
	struct end *e = end_of(leg);
	struct link *l = e->link;
	struct end *other = &l->end[e == &l->end[0]];
	const struct gw_msg bye = { .verb = GW_V_RELEASE,
				    .cause = { .status = 200 } };

	/* Whether it said so, or is gone without a word. */
	if (other->owned && !other->released && !e->released)
		(void)link_send(leg, &bye);
	e->owned = false;
	e->released = true;
	if (!other->owned && !l->busy)
		bury(l);
}

static const struct gw_leg_ops link_ops = {
	.kind = "link",
	.profile = GW_PROFILE_CORE,
	.send = link_send,
	.free = link_free,
};

int gw_link_leg_new(struct gw_leg **out, struct gw_core *core, gw_ctx_id ctx,
		    enum gw_term term)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	for (unsigned i = 0; i < 2; i++) {
		l->end[i].leg.ops = &link_ops;
		l->end[i].magic = LINK_MAGIC;
		l->end[i].link = l;
	}
	l->end[0].owned = true;
	l->core = core;
	l->ctx = ctx;
	l->term = term;
	STAILQ_INIT(&l->queue);
	gw_timer_init(&l->later, on_later, l);
	*out = &l->end[0].leg;
	return 0;
}

struct gw_leg *gw_link_leg_other(struct gw_leg *leg)
{
	struct end *e, *other;

	if (leg->ops != &link_ops)
		return NULL;
	e = end_of(leg);
	other = &e->link->end[e == &e->link->end[0]];
	return other->owned ? &other->leg : NULL;
}
