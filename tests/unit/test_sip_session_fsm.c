/* The table of a SIP session: what it promises, and that the page shows it. */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <string.h>

#include "sip/session_fsm.h"

static void the_page_shows_the_table_and_nothing_else(void **state)
{
	static char doc[32768];
	FILE *fp = fopen("docs/sip.md", "r");
	unsigned rows = 0, shown = 0;
	const char *p, *end;
	size_t n;

	(void)state;
	assert_non_null(fp);
	n = fread(doc, 1, sizeof(doc) - 1, fp);
	doc[n] = '\0';
	(void)fclose(fp);
	for (int st = 0; st < GW_SES_NSTATES; st++) {
		for (int ev = 0; ev < GW_NSEV; ev++) {
			enum gw_ses_state next;
			char row[128];

			if (!gw_session_fsm_row(st, ev, &next))
				continue;
			rows++;
			(void)snprintf(row, sizeof(row), "| %s | %s | %s |",
				       gw_session_state_name(st),
				       gw_session_event_name(ev),
				       gw_session_state_name(next));
			if (!strstr(doc, row))
				fail_msg("docs/sip.md lacks %s", row);
		}
	}
	p = strstr(doc, "| state | event | next |");
	assert_non_null(p);
	end = strstr(p, "\n\n");
	assert_non_null(end);
	for (; p < end; p++)
		shown += *p == '\n';
	assert_int_equal(shown - 1, rows); /* the line under the head */
}

/* Every state that is not the end can be left by the peer, by us, or by time,
 * and DEAD is the end. */
static void every_state_has_a_way_to_dead(void **state)
{
	bool reaches[GW_SES_NSTATES] = { [GW_SES_DEAD] = true };
	enum gw_ses_state next;

	(void)state;
	for (int pass = 0; pass < GW_SES_NSTATES; pass++)
		for (int st = 0; st < GW_SES_NSTATES; st++)
			for (int ev = 0; ev < GW_NSEV; ev++)
				if (gw_session_fsm_row(st, ev, &next) &&
				    reaches[next])
					reaches[st] = true;
	for (int st = 0; st < GW_SES_NSTATES; st++)
		assert_true(reaches[st]);
	for (int ev = 0; ev < GW_NSEV; ev++)
		assert_false(gw_session_fsm_row(GW_SES_DEAD, ev, &next));
}

/* RELEASE ends a session that lives, at once or by what the peer says next;
 * where it is under way already, it has no row. */
static void release_is_known_wherever_the_call_may_end(void **state)
{
	static const enum gw_ses_state over[] = { GW_SES_CANCELLING,
						  GW_SES_BYE_WAIT,
						  GW_SES_ENDING, GW_SES_DEAD };
	enum gw_ses_state next;

	(void)state;
	for (int st = 0; st < GW_SES_NSTATES; st++) {
		bool ending = false;

		for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++)
			ending |= over[i] == (enum gw_ses_state)st;
		assert_int_equal(gw_session_fsm_row(st, GW_SEV_RELEASE, &next),
				 !ending);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_shows_the_table_and_nothing_else),
		cmocka_unit_test(every_state_has_a_way_to_dead),
		cmocka_unit_test(release_is_known_wherever_the_call_may_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
