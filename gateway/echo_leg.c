#include "gateway/echo_leg.h"

#include <errno.h>
#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/timers.h"

#define ECHO_MAGIC 0x4543484fu

struct echo_leg {
	struct gw_leg leg; /* first: the two pointers are one */
	uint32_t magic;
	struct gw_timers *timers;
	struct gw_timer reply;
	enum gw_verb verb; /* what reply says */
};

static struct echo_leg *echo_of(struct gw_leg *leg)
{
	struct echo_leg *e = (struct echo_leg *)leg;

	GW_CHECK(e, ECHO_MAGIC);
	return e;
}

/* A leg never replies from inside send(): its next pass does. */
static void on_reply(struct gw_timer *t, void *arg)
{
	struct echo_leg *e = arg;
	struct gw_msg msg = { .verb = e->verb };

	(void)t;
	e->leg.handler(&e->leg, &msg, e->leg.arg);
}

static int echo_send(struct gw_leg *leg, const struct gw_msg *msg)
{
	struct echo_leg *e = echo_of(leg);

	switch (msg->verb) {
	case GW_V_SETUP:
		e->verb = GW_V_ANSWER;
		break;
	case GW_V_OFFER:
		e->verb = GW_V_ACCEPT;
		break;
	case GW_V_RELEASE:
		gw_timer_stop(&e->reply);
		return 0;
	case GW_V_INFO:
	case GW_V_ACCEPT:
		return 0;
	default:
		return -EPROTO;
	}
	return gw_timer_start_us(e->timers, &e->reply, 0);
}

static void echo_free(struct gw_leg *leg)
{
	struct echo_leg *e = echo_of(leg);

	gw_timer_stop(&e->reply);
	e->magic = 0;
	free(e);
}

static const struct gw_leg_ops echo_ops = {
	.kind = "echo",
	.profile = GW_PROFILE_RESOURCE,
	.send = echo_send,
	.free = echo_free,
};

int gw_echo_leg_new(struct gw_leg **out, struct gw_loop *loop)
{
	struct echo_leg *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->magic = ECHO_MAGIC;
	e->leg.ops = &echo_ops;
	e->timers = gw_loop_timers(loop);
	gw_timer_init(&e->reply, on_reply, e);
	*out = &e->leg;
	return 0;
}
