/* Whom a message is for, and that its answer finds the way back. */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/timers.h"
#include "gateway/core.h"
#include "gateway/pager.h"

struct gw_loop {
	struct gw_timers *timers;
};

static uint64_t now_us;
static struct gw_loop loop;
static struct gw_settings set;
static struct gw_core core;

struct end {
	unsigned nsent, nanswer;
	uint64_t id, ask;
	unsigned status;
	char to[128], registration[24];
	int error;
	unsigned copies; /* 0: one */
};
static struct end web, sip;

static uint64_t fake_clock(void *arg)
{
	(void)arg;
	return now_us;
}

struct gw_timers *gw_loop_timers(struct gw_loop *l)
{
	return l->timers;
}

static int note(struct end *e, uint64_t id, const struct gw_message *m)
{
	if (e->error)
		return e->error;
	e->nsent++;
	e->id = id;
	(void)snprintf(e->to, sizeof(e->to), "%s", m->to);
	(void)snprintf(e->registration, sizeof(e->registration), "%s",
		       m->registration ? m->registration : "");
	return e->copies ? (int)e->copies : e == &web;
}

static void note_answer(struct end *e, uint64_t ask,
			const struct gw_cause *cause)
{
	e->nanswer++;
	e->ask = ask;
	e->status = cause->status;
}

int gw_web_message_send(struct gw_web *w, uint64_t id,
			const struct gw_message *m)
{
	(void)w;
	return note(&web, id, m);
}

void gw_web_message_answer(struct gw_web *w, uint64_t ask,
			   const struct gw_cause *cause)
{
	(void)w;
	note_answer(&web, ask, cause);
}

int gw_sip_message_send(struct gw_sip *s, uint64_t id,
			const struct gw_message *m)
{
	(void)s;
	return note(&sip, id, m);
}

void gw_sip_message_answer(struct gw_sip *s, uint64_t ask,
			   const struct gw_cause *cause)
{
	(void)s;
	note_answer(&sip, ask, cause);
}

bool gw_web_is_registered(struct gw_web *w, const char *uri)
{
	(void)w;
	return !strcmp(uri, "sip:bob@home");
}

bool gw_web_is_user(struct gw_web *w, const char *uri)
{
	(void)w;
	return !strcmp(uri, "sip:bob@home") || !strcmp(uri, "sip:carol@home");
}

static int setup(void **state)
{
	(void)state;
	memset(&set, 0, sizeof(set));
	memset(&core, 0, sizeof(core));
	memset(&web, 0, sizeof(web));
	memset(&sip, 0, sizeof(sip));
	strcpy(set.sip.core, "sip:core");
	strcpy(set.route[0].match, "echo");
	strcpy(set.route[0].leg, "echo");
	strcpy(set.route[1].match, "tel:+1900*");
	strcpy(set.route[1].leg, "refuse");
	set.route[1].status = 603;
	set.nroute = 2;
	now_us = 1000000;
	assert_int_equal(0, gw_timers_new(&loop.timers, fake_clock, NULL));
	core.loop = &loop;
	core.set = &set;
	core.web = (struct gw_web *)&web; /* never looked into */
	core.sip = (struct gw_sip *)&sip;
	assert_int_equal(0, gw_pager_new(&core.pager, &core));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gw_pager_free(core.pager);
	assert_int_equal(0, gw_timers_count(loop.timers));
	gw_timers_free(loop.timers);
	return 0;
}

static void from_web(uint64_t ask, const char *to, const char *registration)
{
	const struct gw_message m = {
		.from = {"sip:alice@home", NULL},
		.to = to,
		.registration = registration,
		.text = "a",
		.len = 1
	};

	gw_pager_from_web(ask, &m, &core);
}

static void from_sip(uint64_t ask, const char *to, const char *registration)
{
	const struct gw_message m = {
		.from = {"sip:far@x", NULL},
		.to = to,
		.registration = registration,
		.text = "a",
		.len = 1
	};

	gw_pager_from_sip(ask, &m, &core);
}

static void answer(uint64_t id, uint16_t status)
{
	const struct gw_cause cause = { .status = status };

	gw_pager_done(id, &cause, &core);
}

static void messages_follow_the_routes_of_calls(void **state)
{
	(void)state;
	from_web(1, "sip:bob@home", NULL);
	assert_int_equal(1, web.nsent);
	from_web(2, "sip:far@x", NULL);
	assert_int_equal(1, sip.nsent);
	from_sip(3, "sip:bob@home", NULL);
	assert_int_equal(2, web.nsent);
	assert_int_equal(0, web.nanswer + sip.nanswer);

	from_web(4, "sip:carol@home", NULL);
	assert_int_equal(480, web.status);
	from_web(5, "tel:+19001", NULL);
	assert_int_equal(603, web.status);
	from_web(6, "echo", NULL);
	assert_int_equal(404, web.status);
	assert_int_equal(6, web.ask);
	/* What came from there does not go back there. */
	from_sip(7, "sip:far@x", NULL);
	assert_int_equal(404, sip.status);
	assert_int_equal(7, sip.ask);
	from_sip(8, NULL, NULL);
	assert_int_equal(404, sip.status);
}

static void a_registration_is_of_the_side_that_named_it(void **state)
{
	(void)state;
	from_web(1, "sip:bob@home", "alices"); /* her services are there */
	assert_int_equal(1, sip.nsent);
	assert_string_equal("alices", sip.registration);
	from_sip(2, "sip:bob@home", "bobs");
	assert_string_equal("bobs", web.registration);
	from_web(3, "sip:bob@home", NULL);
	assert_string_equal("", web.registration);
}

static void answers_go_back_once_to_where_the_message_came_from(void **state)
{
	(void)state;
	from_web(11, "sip:far@x", NULL);
	answer(sip.id, 200);
	assert_int_equal(11, web.ask);
	assert_int_equal(200, web.status);
	answer(sip.id, 200);
	answer(99, 200);
	assert_int_equal(1, web.nanswer);
	from_sip(12, "sip:bob@home", NULL);
	answer(web.id, 603);
	assert_int_equal(12, sip.ask);
	assert_int_equal(603, sip.status);
}

/* RFC 3428 4, RFC 3261 16.7: it is forked as calls are. */
static void the_first_endpoint_that_takes_it_answers(void **state)
{
	(void)state;
	web.copies = 3;
	from_sip(1, "sip:bob@home", NULL);
	answer(web.id, 480);
	assert_int_equal(0, sip.nanswer);
	answer(web.id, 200);
	assert_int_equal(200, sip.status);
	answer(web.id, 200);
	answer(web.id, 603);
	assert_int_equal(1, sip.nanswer);
	/* If none does, the best reason counts. */
	from_sip(2, "sip:bob@home", NULL);
	answer(web.id, 408);
	answer(web.id, 486);
	assert_int_equal(1, sip.nanswer);
	answer(web.id, 480);
	assert_int_equal(2, sip.ask);
	assert_int_equal(486, sip.status);
	from_sip(3, "sip:bob@home", NULL);
	answer(web.id, 486);
	answer(web.id, 603);
	answer(web.id, 480);
	assert_int_equal(603, sip.status);
	/* One that went away without a word does not hold the others' up. */
	from_sip(4, "sip:bob@home", NULL);
	answer(web.id, 480);
	now_us += 35000000;
	(void)gw_timers_run(loop.timers);
	assert_int_equal(4, sip.ask);
	assert_int_equal(480, sip.status);
}

static void what_nobody_answers_times_out(void **state)
{
	(void)state;
	from_web(1, "sip:bob@home", NULL);
	now_us += 33000000;
	(void)gw_timers_run(loop.timers);
	assert_int_equal(0, web.nanswer);
	now_us += 2000000;
	(void)gw_timers_run(loop.timers);
	assert_int_equal(1, web.nanswer);
	assert_int_equal(408, web.status);
	answer(web.id, 200);
	assert_int_equal(1, web.nanswer);
}

static void who_cannot_take_it_now_is_said(void **state)
{
	(void)state;
	web.error = -ENOENT;
	from_sip(1, "sip:bob@home", NULL);
	assert_int_equal(480, sip.status);
	web.error = -ENOMEM;
	from_sip(2, "sip:bob@home", NULL);
	assert_int_equal(500, sip.status);
	web.error = 0;
	core.draining = true;
	from_sip(3, "sip:bob@home", NULL);
	assert_int_equal(503, sip.status);
	core.draining = false;
	core.web = NULL; /* shutting down */
	from_sip(4, "sip:bob@home", NULL);
	assert_int_equal(503, sip.status);
	assert_int_equal(0, web.nsent);
}

static void so_many_are_under_way_at_most(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8192; i++)
		from_web(i, "sip:bob@home", NULL);
	assert_int_equal(0, web.nanswer);
	from_web(9000, "sip:bob@home", NULL);
	assert_int_equal(503, web.status);
	answer(web.id, 200);
	from_web(9001, "sip:bob@home", NULL);
	assert_int_equal(2, web.nanswer);
}

static void the_emergency_services_read_none(void **state)
{
	(void)state;
	core.draining = true;
	from_web(1, "tel:112", NULL);
	assert_int_equal(403, web.status);
	from_web(2, "urn:service:sos", NULL);
	assert_int_equal(2, web.nanswer);
	assert_int_equal(403, web.status);
	assert_int_equal(0, sip.nsent);
	from_web(3, "tel:113", NULL);
	assert_int_equal(503, web.status);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(messages_follow_the_routes_of_calls),
		T(a_registration_is_of_the_side_that_named_it),
		T(answers_go_back_once_to_where_the_message_came_from),
		T(the_first_endpoint_that_takes_it_answers),
		T(what_nobody_answers_times_out),
		T(who_cannot_take_it_now_is_said),
		T(so_many_are_under_way_at_most),
		T(the_emergency_services_read_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
