#include "gateway/fork_leg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"

#define FORK_MAGIC 0x464f524bu

GW_COUNTER(m_forked, "isthmus_calls_forked_total",
	   "Calls that rang several endpoints of a user", "");

struct fork {
	struct gw_leg leg; /* first: the two pointers are one */
	uint32_t magic;
	struct gw_logctx log;
	size_t n;
	struct gw_leg *branch[GW_WEB_ENDPOINTS]; /* NULL: it has ended */
	struct gw_leg *up;                       /* the one that answered */
	bool alerted;
	uint16_t status; /* the best reason of those that have ended */
	char text[128];
};

static struct fork *fork_of(struct gw_leg *leg)
{
	struct fork *f = (struct fork *)(void *)leg;

	GW_CHECK(f, FORK_MAGIC);
	return f;
}

static unsigned ringing(const struct fork *f)
{
	unsigned n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->branch[i] != NULL;
	return n;
}

static void drop(struct fork *f, const struct gw_leg *leg)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->branch[i] == leg)
			f->branch[i] = NULL;
	}
}

/* All but @but: nothing more is heard of them. */
static void release(struct fork *f, const struct gw_leg *but,
		    const struct gw_cause *cause)
{
	const struct gw_msg msg = { .verb = GW_V_RELEASE, .cause = *cause };

	for (size_t i = 0; i < f->n; i++) {
		struct gw_leg *leg = f->branch[i];

		if (!leg || leg == but)
			continue;
		f->branch[i] = NULL;
		(void)gw_leg_send(leg, &msg);
		gw_leg_free(leg);
	}
}

/* ---- what an endpoint says ---- */

static void on_progress(struct fork *f, const struct gw_msg *msg)
{
	struct gw_msg out = { .verb = GW_V_PROGRESS, .alert = msg->alert };

	/* Once: that one of them rings is all that the caller is told.  What
	 * it describes binds only who answers. */
	if (f->alerted || msg->alert != GW_ALERT_RINGING)
		return;
	f->alerted = true;
	f->leg.handler(&f->leg, &out, f->leg.arg);
}

static void on_answer(struct fork *f, struct gw_leg *leg,
		      const struct gw_msg *msg)
{
	const struct gw_cause elsewhere = { .status = 200, .elsewhere = true };

	f->up = leg;
	release(f, leg, &elsewhere);
	gw_info(&f->log, "one endpoint has answered");
	f->leg.handler(&f->leg, msg, f->leg.arg);
}

/* RFC 3261 16.7: a 6xx first; a busy endpoint says more than one that is not
 * there. */
static unsigned rank(uint16_t status)
{
	if (status >= 600)
		return 0;
	return status == 408 || status == 480 ? 2 : 1;
}

static void keep_reason(struct fork *f, const struct gw_cause *cause)
{
	if (f->status && rank(cause->status) >= rank(f->status))
		return;
	f->status = cause->status;
	(void)snprintf(f->text, sizeof(f->text), "%s",
		       cause->text ? cause->text : "");
}

static void on_end(struct fork *f, struct gw_leg *leg,
		   const struct gw_cause *cause)
{
	struct gw_msg out = { .verb = GW_V_RELEASE, .cause = *cause };
	bool was_up = leg == f->up;

	keep_reason(f, cause);
	drop(f, leg);
	/* The cause may be told by what the leg has: it goes last. */
	if (was_up) {
		f->up = NULL;
	} else if (cause->status < 600 && ringing(f)) {
		gw_info(&f->log, "an endpoint gives up: %u", cause->status);
		gw_leg_free(leg);
		return;
	} else {
		out.cause.status = f->status;
		out.cause.text = f->text[0] ? f->text : NULL;
		/* A 6xx is for all of them (RFC 3261 16.7). */
		release(f, NULL, &out.cause);
	}
	f->leg.handler(&f->leg, &out, f->leg.arg);
	gw_leg_free(leg);
}

/* @f may be gone on return. */
static void on_branch(struct gw_leg *leg, const struct gw_msg *msg, void *arg)
{
	struct fork *f = arg;

	GW_CHECK(f, FORK_MAGIC);
	if (msg->verb == GW_V_RELEASE)
		on_end(f, leg, &msg->cause);
	else if (leg == f->up)
		f->leg.handler(&f->leg, msg, f->leg.arg);
	else if (msg->verb == GW_V_PROGRESS)
		on_progress(f, msg);
	else if (msg->verb == GW_V_ANSWER)
		on_answer(f, leg, msg);
	else
		gw_info(&f->log, "an endpoint that only rings says verb %d",
			(int)msg->verb);
}

/* ---- what the call says ---- */

static int set_up(struct fork *f, const struct gw_msg *msg)
{
	int err = -EPROTO;

	for (size_t i = 0; i < f->n; i++) {
		struct gw_leg *leg = f->branch[i];
		int rc;

		memcpy(leg->call_id, f->leg.call_id, sizeof(leg->call_id));
		rc = gw_leg_send(leg, msg);
		if (rc) {
			gw_leg_free(leg);
			f->branch[i] = NULL;
			err = rc;
		}
	}
	if (!ringing(f))
		return err;
	gw_metric_add(&m_forked, 1);
	gw_info(&f->log, "%u endpoints ring", ringing(f));
	return 0;
}

static int fork_send(struct gw_leg *leg, const struct gw_msg *msg)
{
	struct fork *f = fork_of(leg);

	if (msg->verb == GW_V_RELEASE) {
		f->up = NULL;
		release(f, NULL, &msg->cause);
		return 0;
	}
	if (msg->verb == GW_V_SETUP)
		return set_up(f, msg);
	return f->up ? gw_leg_send(f->up, msg) : -EPROTO;
}

static void fork_free(struct gw_leg *leg)
{
	struct fork *f = fork_of(leg);

	for (size_t i = 0; i < f->n; i++)
		gw_leg_free(f->branch[i]);
	f->magic = 0;
	free(f);
}

static const struct gw_leg_ops fork_ops = {
	.kind = "respect",
	.profile = GW_PROFILE_WEB,
	.send = fork_send,
	.free = fork_free,
};

bool gw_fork_leg_is_up(const struct gw_leg *fork, const struct gw_leg *leg)
{
	const struct fork *f = (const struct fork *)(const void *)fork;

	return fork->ops == &fork_ops && f->up == leg;
}

/* ---- life ---- */

static int add_branches(struct fork *f, struct gw_web *web, const char *uri,
			char (*key)[GW_WEB_KEY], size_t n)
{
	int err = -ENOENT;

	for (size_t i = 0; i < n; i++) {
		struct gw_leg *leg;
		int rc = gw_respect_leg_new(&leg, web, uri, key[i]);

		if (rc) {
			err = rc;
			continue;
		}
		leg->handler = on_branch;
		leg->arg = f;
		f->branch[f->n++] = leg;
	}
	return f->n ? 0 : err;
}

int gw_fork_leg_new(struct gw_leg **out, struct gw_web *web, const char *uri,
		    const char *key)
{
	char to[GW_WEB_ENDPOINTS][GW_WEB_KEY];
	size_t n = gw_respect_endpoints(web, uri, key, to);
	struct fork *f;
	int err;

	if (!n)
		return -ENOENT;
	if (n == 1)
		return gw_respect_leg_new(out, web, uri, to[0]);
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->magic = FORK_MAGIC;
	f->leg.ops = &fork_ops;
	f->log = (struct gw_logctx){ .module = "fork", .id = f->leg.call_id };
	err = add_branches(f, web, uri, to, n);
	if (err) {
		fork_free(&f->leg);
		return err;
	}
	*out = &f->leg;
	return 0;
}
