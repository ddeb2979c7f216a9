/* Peers that send anything, in any order: nothing may be left behind. */
#include "tests/unit/test_sip_call.h"

#define ALLOW "Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE\r\n"

static int setup(void **state)
{
	struct fix *f = fix_new(22145);

	f->set.sip.ring_timeout_s = 5;
	(void)snprintf(f->set.sip.reliable, 12, "supported");
	return fix_run(f, state);
}

static uint32_t seed;

static unsigned roll(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static void some_response(struct fix *f, const struct packet *inv)
{
	static const int status[] = { 180, 181, 183, 183, 183, 199, 200, 486 };
	static const char *const tags[] = { "one", "two", "three" };
	char headers[128] = "";

	if (roll(3))
		(void)snprintf(headers, sizeof(headers),
			       RELIABLE "%u\r\n" ALLOW, 1 + roll(4));
	reply(f, inv, status[roll(roll(4) ? 6 : 8)], tags[roll(3)],
	      *headers ? headers : NULL,
	      roll(2)   ? NULL
	      : roll(2) ? ANSWER
			: OTHER);
}

static void some_request(struct fix *f, const struct packet *inv)
{
	static const char *const methods[] = { "UPDATE", "PRACK", "INVITE",
					       "BYE",    "INFO",  "OPTIONS" };
	static const char *const tags[] = { "one", "two", "nobody" };
	bool sdp = roll(2);

	dialog_from_invite(f, inv, tags[roll(3)]);
	request(f, methods[roll(roll(3) ? 2 : 6)], "RAck: 1 1 INVITE\r\n",
		sdp ? "application/sdp" : NULL, sdp ? OTHER : NULL);
}

/* What the call may do at this moment; most of it is refused. */
static void some_verb(struct fix *f)
{
	static const enum gw_verb verbs[] = { GW_V_OFFER, GW_V_ACCEPT,
					      GW_V_REFUSE };
	struct gw_msg m = { .verb = verbs[roll(3)], .branch = roll(4) };

	m.cause.status = 488;
	m.desc = desc_of(m.verb == GW_V_OFFER ? GW_DESC_OFFER : GW_DESC_ANSWER,
			 OTHER);
	if (f->leg)
		(void)gw_leg_send(f->leg, &m);
}

static void answer_what_came(struct fix *f)
{
	struct packet p;

	while (poll_packet(f, &p)) {
		if (!strncmp(p.text, "SIP/2.0", 7) ||
		    !strncmp(p.text, "ACK ", 4) ||
		    !strncmp(p.text, "INVITE ", 7))
			continue;
		reply(f, &p, roll(4) ? 200 : 500, NULL, NULL,
		      roll(2) ? ANSWER : NULL);
	}
}

static void random_peers_leave_nothing_behind(void **state)
{
	struct fix *f = *state;
	struct packet inv;

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	for (unsigned run = 0; run < 200; run++) {
		seed = run;
		f->ntold = f->taken = 0;
		dial(f, &inv, roll(8) ? OFFER : NULL);
		for (unsigned i = 0; i < 12; i++) {
			switch (roll(5)) {
			case 0:
				some_request(f, &inv);
				break;
			case 1:
				some_verb(f);
				break;
			default:
				some_response(f, &inv);
			}
			gw_loop_step(f->loop, 1);
			answer_what_came(f);
		}
		if (f->leg)
			release(f, 200);
		answer_what_came(f);
	}
	/* CANCELs and BYEs that nobody answers end by themselves */
	wait_live(f, 0);
}

static void random_callers_leave_nothing_behind(void **state)
{
	struct fix *f = *state;
	struct packet p, last = { "" };
	bool sdp;

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	for (unsigned run = 0; run < 200; run++) {
		seed = run;
		f->ntold = f->taken = 0;
		new_dialog(f);
		(void)snprintf(f->call_id, sizeof(f->call_id), "any%u", run);
		sdp = roll(4);
		request(f, "INVITE",
			sdp && roll(2) ? "Supported: 100rel, timer\r\n"
				       : "Require: 100rel\r\n",
			sdp ? "application/sdp" : NULL, sdp ? OFFER : NULL);
		(void)expect_told(f, GW_V_SETUP);
		for (unsigned i = 0; i < 14; i++) {
			gw_loop_step(f->loop, 1);
			while (poll_packet(f, &p)) {
				if (*header(&p, "RSeq"))
					last = p;
				if (strstr(header(&p, "To"), ";tag=") &&
				    !strncmp(p.text, "SIP/2.0", 7))
					dialog_from_response(f, &p);
			}
			if (!f->leg)
				break;
			switch (roll(6)) {
			case 0:
				(void)progress(f, GW_ALERT_NO, ANSWER);
				break;
			case 1:
				(void)progress(f, GW_ALERT_RINGING, NULL);
				break;
			case 2:
				some_verb(f);
				break;
			case 3:
				prack(f, &last, roll(3) ? NULL : OTHER);
				break;
			case 4:
				request(f, roll(3) ? "UPDATE" : "CANCEL", NULL,
					"application/sdp", OTHER);
				break;
			default:
				if (!roll(3))
					(void)say(f, GW_V_ANSWER,
						  GW_DESC_ANSWER, ANSWER);
			}
		}
		if (f->leg)
			release(f, 486);
	}
	wait_live(f, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(random_peers_leave_nothing_behind),
		T(random_callers_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
