/*
 * One leg to several endpoints: who rings, who answers, and what the others
 * and the caller are told.
 */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/fork_leg.h"

#define MOST 16

/* ---- endpoints, faked ---- */

static struct end {
	struct gw_leg leg;
	char key[GW_WEB_KEY];
	bool live;
	unsigned nsent;
	struct gw_msg last;
	char text[64];
	int error; /* of the next send */
} ends[MOST];
static unsigned nend, nlive;
static size_t nendpoint;
static int new_error[MOST];

static int end_send(struct gw_leg *leg, const struct gw_msg *msg)
{
	struct end *e = (struct end *)leg;

	assert_true(e->live);
	e->nsent++;
	e->last = *msg;
	e->text[0] = '\0';
	if (msg->desc.text)
		(void)snprintf(e->text, sizeof(e->text), "%.*s",
			       (int)msg->desc.len, msg->desc.text);
	return e->error;
}

static void end_free(struct gw_leg *leg)
{
	struct end *e = (struct end *)leg;

	assert_true(e->live);
	e->live = false;
	nlive--;
}

static const struct gw_leg_ops end_ops = { .kind = "respect",
					   .profile = GW_PROFILE_WEB,
					   .send = end_send,
					   .free = end_free };

size_t gw_respect_endpoints(const struct gw_web *web, const char *uri,
			    const char *key,
			    char out[GW_WEB_ENDPOINTS][GW_WEB_KEY])
{
	(void)web;
	(void)key;
	assert_string_equal("sip:a@x", uri);
	for (size_t i = 0; i < nendpoint; i++)
		(void)snprintf(out[i], GW_WEB_KEY, "k%zu", i);
	return nendpoint;
}

int gw_respect_leg_new(struct gw_leg **out, struct gw_web *web, const char *uri,
		       const char *key)
{
	struct end *e = &ends[nend];
	int err = new_error[atoi(key + 1)];

	(void)web;
	(void)uri;
	if (err)
		return err;
	nend++;
	nlive++;
	*e = (struct end){ .leg = { .ops = &end_ops }, .live = true };
	(void)snprintf(e->key, sizeof(e->key), "%s", key);
	*out = &e->leg;
	return 0;
}

/* ---- the call, faked ---- */

static struct gw_leg *leg;
static unsigned nheard;
static struct gw_msg heard;
static char heard_text[64];
static bool free_at_once;

static void on_leg(struct gw_leg *l, const struct gw_msg *msg, void *arg)
{
	assert_ptr_equal(leg, l);
	assert_ptr_equal(&heard, arg);
	nheard++;
	heard = *msg;
	heard_text[0] = '\0';
	if (msg->desc.text)
		(void)snprintf(heard_text, sizeof(heard_text), "%.*s",
			       (int)msg->desc.len, msg->desc.text);
	if (free_at_once) {
		gw_leg_free(leg);
		leg = NULL;
	}
}

static int setup(void **state)
{
	(void)state;
	nend = nlive = nheard = 0;
	nendpoint = 3;
	free_at_once = false;
	memset(ends, 0, sizeof(ends));
	memset(new_error, 0, sizeof(new_error));
	leg = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_leg_free(leg);
	assert_int_equal(0, nlive);
	return 0;
}

static void make(void)
{
	assert_int_equal(0, gw_fork_leg_new(&leg, NULL, "sip:a@x", NULL));
	leg->handler = on_leg;
	leg->arg = &heard;
	strcpy(leg->call_id, "call7");
}

static int say(enum gw_verb verb, enum gw_desc_role role, const char *text)
{
	struct gw_msg msg = { .verb = verb, .cause = { .status = 487 } };

	if (text)
		msg.desc = (struct gw_desc){ role, text, strlen(text) };
	return gw_leg_send(leg, &msg);
}

static void ring(void)
{
	make();
	assert_int_equal(0, say(GW_V_SETUP, GW_DESC_OFFER, "offer"));
	assert_int_equal(0, nheard);
}

static void end_says(unsigned i, enum gw_verb verb, uint16_t status,
		     const char *text)
{
	struct gw_msg msg = { .verb = verb,
			      .alert = verb == GW_V_PROGRESS ? GW_ALERT_RINGING
							     : GW_ALERT_NO,
			      .cause = { .status = status } };

	if (text)
		msg.desc =
			(struct gw_desc){ GW_DESC_ANSWER, text, strlen(text) };
	assert_true(ends[i].live);
	ends[i].leg.handler(&ends[i].leg, &msg, ends[i].leg.arg);
}

/* ---- what holds ---- */

static void one_endpoint_needs_no_fork(void **state)
{
	(void)state;
	nendpoint = 1;
	make();
	assert_ptr_equal(&ends[0].leg, leg);
	gw_leg_free(leg);
	nendpoint = 0;
	assert_int_equal(-ENOENT, gw_fork_leg_new(&leg, NULL, "sip:a@x", NULL));
	leg = NULL;
}

static void all_ring_and_the_caller_hears_it_once(void **state)
{
	(void)state;
	ring();
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(GW_V_SETUP, ends[i].last.verb);
		assert_string_equal("offer", ends[i].text);
		assert_string_equal("call7", ends[i].leg.call_id);
		end_says(i, GW_V_PROGRESS, 0, "early");
	}
	assert_int_equal(1, nheard);
	assert_int_equal(GW_V_PROGRESS, heard.verb);
	assert_int_equal(GW_ALERT_RINGING, heard.alert);
	/* What one of them would say is not yet said. */
	assert_int_equal(GW_DESC_NONE, heard.desc.role);
}

static void the_first_answer_wins_and_the_others_hear_elsewhere(void **state)
{
	(void)state;
	ring();
	end_says(1, GW_V_ANSWER, 0, "mine");
	assert_int_equal(1, nheard);
	assert_int_equal(GW_V_ANSWER, heard.verb);
	assert_string_equal("mine", heard_text);
	assert_int_equal(1, nlive);
	for (unsigned i = 0; i < 3; i += 2) {
		assert_int_equal(GW_V_RELEASE, ends[i].last.verb);
		assert_true(ends[i].last.cause.elsewhere);
		assert_int_equal(200, ends[i].last.cause.status);
	}
	/* From now on it is the one. */
	assert_int_equal(0, say(GW_V_OFFER, GW_DESC_OFFER, "again"));
	assert_string_equal("again", ends[1].text);
	end_says(1, GW_V_ACCEPT, 0, "yes");
	assert_int_equal(GW_V_ACCEPT, heard.verb);
	assert_string_equal("yes", heard_text);
	end_says(1, GW_V_RELEASE, 200, NULL);
	assert_int_equal(GW_V_RELEASE, heard.verb);
	assert_int_equal(200, heard.cause.status);
	assert_int_equal(-EPROTO, say(GW_V_INFO, GW_DESC_NONE, NULL));
}

static void who_is_busy_leaves_the_others_ringing(void **state)
{
	(void)state;
	ring();
	end_says(0, GW_V_RELEASE, 480, NULL);
	end_says(1, GW_V_RELEASE, 486, NULL);
	assert_int_equal(0, nheard);
	assert_int_equal(1, nlive);
	end_says(2, GW_V_RELEASE, 480, NULL);
	/* The best reason of all (RFC 3261 16.7). */
	assert_int_equal(1, nheard);
	assert_int_equal(GW_V_RELEASE, heard.verb);
	assert_int_equal(486, heard.cause.status);
}

static void a_decline_is_for_all(void **state)
{
	(void)state;
	ring();
	end_says(0, GW_V_RELEASE, 486, NULL);
	end_says(2, GW_V_RELEASE, 603, NULL);
	assert_int_equal(1, nheard);
	assert_int_equal(603, heard.cause.status);
	assert_int_equal(0, nlive);
	assert_int_equal(GW_V_RELEASE, ends[1].last.verb);
	assert_int_equal(603, ends[1].last.cause.status);
	assert_false(ends[1].last.cause.elsewhere);
}

static void a_cancel_reaches_all_that_ring(void **state)
{
	(void)state;
	ring();
	end_says(1, GW_V_RELEASE, 480, NULL);
	assert_int_equal(0, say(GW_V_RELEASE, GW_DESC_NONE, NULL));
	assert_int_equal(0, nlive);
	assert_int_equal(487, ends[0].last.cause.status);
	assert_int_equal(487, ends[2].last.cause.status);
	assert_int_equal(0, nheard);
	/* And again does no harm. */
	assert_int_equal(0, say(GW_V_RELEASE, GW_DESC_NONE, NULL));
}

static void the_call_may_free_it_from_inside(void **state)
{
	static const struct {
		enum gw_verb verb;
		uint16_t status;
	} row[] = {
		{GW_V_PROGRESS, 0  },
                { GW_V_ANSWER,  0  },
                { GW_V_RELEASE, 603}
	};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		setup(NULL);
		ring();
		free_at_once = true;
		end_says(0, row[i].verb, row[i].status, NULL);
		assert_null(leg);
		assert_int_equal(0, nlive);
	}
}

static void endpoints_that_cannot_ring_are_left_out(void **state)
{
	(void)state;
	new_error[1] = -EBUSY;
	make();
	assert_int_equal(2, nlive);
	ends[0].error = -EPROTO;
	assert_int_equal(0, say(GW_V_SETUP, GW_DESC_OFFER, "offer"));
	assert_int_equal(1, nlive);
	assert_string_equal("k2", ends[1].key);
	gw_leg_free(leg);

	setup(NULL);
	make();
	for (unsigned i = 0; i < 3; i++)
		ends[i].error = -ENOMEM;
	assert_int_equal(-ENOMEM, say(GW_V_SETUP, GW_DESC_OFFER, "offer"));
	gw_leg_free(leg);

	setup(NULL);
	for (unsigned i = 0; i < 3; i++)
		new_error[i] = -EBUSY;
	assert_int_equal(-EBUSY, gw_fork_leg_new(&leg, NULL, "sip:a@x", NULL));
	leg = NULL;
}

/* A client may say it at any time, and its leg's arg is no call. */
static void a_report_of_the_one_that_answered_goes_to_the_call(void **state)
{
	const struct gw_leg_report report = { .packets_received = 7 };
	struct gw_buf answer;
	const struct gw_msg msg = { .verb = GW_V_REPORT,
				    .report = &report,
				    .quality = &answer };

	(void)state;
	gw_buf_init(&answer, 100);
	ring();
	ends[1].leg.handler(&ends[1].leg, &msg, ends[1].leg.arg);
	assert_int_equal(0, nheard); /* it only rings */
	end_says(1, GW_V_ANSWER, 0, NULL);
	ends[1].leg.handler(&ends[1].leg, &msg, ends[1].leg.arg);
	assert_int_equal(GW_V_REPORT, heard.verb);
	assert_ptr_equal(&report, heard.report);
	assert_ptr_equal(&answer, heard.quality);
	gw_buf_fini(&answer);
}

static void nothing_but_a_release_is_said_to_those_that_ring(void **state)
{
	(void)state;
	ring();
	assert_int_equal(-EPROTO, say(GW_V_OFFER, GW_DESC_OFFER, "o"));
	assert_int_equal(-EPROTO, say(GW_V_INFO, GW_DESC_NONE, NULL));
	end_says(0, GW_V_OFFER, 0, "early offer");
	end_says(0, GW_V_INFO, 0, NULL);
	assert_int_equal(0, nheard);
	assert_int_equal(1, ends[0].nsent);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_endpoint_needs_no_fork),
		T(all_ring_and_the_caller_hears_it_once),
		T(the_first_answer_wins_and_the_others_hear_elsewhere),
		T(who_is_busy_leaves_the_others_ringing),
		T(a_decline_is_for_all),
		T(a_cancel_reaches_all_that_ring),
		T(the_call_may_free_it_from_inside),
		T(endpoints_that_cannot_ring_are_left_out),
		T(a_report_of_the_one_that_answered_goes_to_the_call),
		T(nothing_but_a_release_is_said_to_those_that_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
