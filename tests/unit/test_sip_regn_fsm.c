/* The table of a registration: what it promises, and that the page shows it. */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <string.h>

#include "sip/regn_fsm.h"

static void the_page_shows_the_table_and_nothing_else(void **state)
{
	static char doc[32768];
	FILE *fp = fopen("docs/registration.md", "r");
	unsigned rows = 0, shown = 0;
	const char *p, *end;
	size_t n;

	(void)state;
	assert_non_null(fp);
	n = fread(doc, 1, sizeof(doc) - 1, fp);
	doc[n] = '\0';
	(void)fclose(fp);
	for (int st = 0; st < GW_RST_NSTATES; st++) {
		for (int ev = 0; ev < GW_NREV; ev++) {
			enum gw_regn_st next;
			char row[128];

			if (!gw_regn_fsm_row(st, ev, &next))
				continue;
			rows++;
			(void)snprintf(row, sizeof(row), "| %s | %s | %s |",
				       gw_regn_state_name(st),
				       gw_regn_event_name(ev),
				       gw_regn_state_name(next));
			if (!strstr(doc, row))
				fail_msg("docs/registration.md lacks %s", row);
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

static void every_state_can_fail_and_be_ended(void **state)
{
	enum gw_regn_st next;

	(void)state;
	for (int st = 0; st < GW_RST_NSTATES; st++) {
		bool dead = st == GW_RST_DEAD;

		assert_int_equal(gw_regn_fsm_row(st, GW_REV_FAIL, &next),
				 !dead);
		assert_true(dead || next == GW_RST_DEAD);
		if (st != GW_RST_ENDING)
			assert_int_equal(gw_regn_fsm_row(st, GW_REV_END, &next),
					 !dead);
	}
	for (int ev = 0; ev < GW_NREV; ev++)
		assert_false(gw_regn_fsm_row(GW_RST_DEAD, ev, &next));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_shows_the_table_and_nothing_else),
		cmocka_unit_test(every_state_can_fail_and_be_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
