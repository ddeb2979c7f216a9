#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/call_fsm.h"
#include "tests/unit/cm.h"

static int seen[GW_NEFFECTS];
static int failing;

static int effect(enum gw_call_effect fx, void *arg)
{
	(void)arg;
	seen[fx]++;
	return fx == GW_FX_RELEASE || fx == GW_FX_BURY ? 0 : failing;
}

static struct gw_call_fsm fresh(void)
{
	struct gw_call_fsm fsm;

	memset(seen, 0, sizeof(seen));
	failing = 0;
	gw_call_fsm_init(&fsm, "c1", effect, NULL);
	return fsm;
}

static void a_call_goes_up_and_ends_once(void **s)
{
	struct gw_call_fsm f = fresh();

	(void)s;
	gw_call_fsm_event(&f, GW_EV_READY);
	gw_call_fsm_event(&f, GW_EV_PROGRESS);
	gw_call_fsm_event(&f, GW_EV_PROGRESS);
	gw_call_fsm_event(&f, GW_EV_ANSWER);
	assert_int_equal(GW_CALL_UP, f.state);
	gw_call_fsm_event(&f, GW_EV_HANGUP);
	gw_call_fsm_event(&f, GW_EV_HANGUP);
	gw_call_fsm_event(&f, GW_EV_CLEARED);
	assert_int_equal(GW_CALL_DEAD, f.state);
	assert_int_equal(2, seen[GW_FX_PROGRESS]);
	assert_int_equal(1, seen[GW_FX_CONNECT]);
	assert_int_equal(1, seen[GW_FX_RELEASE]);
	assert_int_equal(1, seen[GW_FX_BURY]);
}

static void an_answer_after_the_end_is_ignored(void **s)
{
	struct gw_call_fsm f = fresh();

	(void)s;
	gw_call_fsm_event(&f, GW_EV_READY);
	gw_call_fsm_event(&f, GW_EV_HANGUP);
	assert_int_equal(-EPROTO, gw_call_fsm_event(&f, GW_EV_ANSWER));
	assert_int_equal(GW_CALL_ENDING, f.state);
	assert_int_equal(0, seen[GW_FX_CONNECT]);
}

static void a_failing_effect_releases(void **s)
{
	struct gw_call_fsm f = fresh();

	(void)s;
	failing = -EIO;
	gw_call_fsm_event(&f, GW_EV_READY);
	assert_int_equal(GW_CALL_ENDING, f.state);
	assert_int_equal(1, seen[GW_FX_RELEASE]);
}

/* Whatever happens in whatever order: released at most once, buried at most
 * once and only after, and every living state can end. */
static void every_walk_of_six_is_buried_once(void **s)
{
	(void)s;
	for (unsigned walk = 0; walk < 1000000; walk++) { /* 10^6 */
		struct gw_call_fsm f = fresh();
		unsigned w = walk;

		for (int i = 0; i < 6; i++, w /= GW_NEVENTS)
			gw_call_fsm_event(&f, w % GW_NEVENTS);
		gw_call_fsm_event(&f, GW_EV_HANGUP);
		gw_call_fsm_event(&f, GW_EV_CLEARED);
		if (f.state != GW_CALL_DEAD || seen[GW_FX_RELEASE] != 1 ||
		    seen[GW_FX_BURY] != 1)
			fail_msg("walk %u", walk);
	}
}

static void the_diagram_shows_the_table(void **s)
{
	static char doc[16384];
	FILE *fp = fopen("docs/call-fsm.md", "r");
	size_t n;

	(void)s;
	assert_non_null(fp);
	n = fread(doc, 1, sizeof(doc) - 1, fp);
	doc[n] = '\0';
	(void)fclose(fp);
	for (int st = 0; st < GW_CALL_NSTATES; st++) {
		for (int ev = 0; ev < GW_NEVENTS; ev++) {
			enum gw_call_state next;
			enum gw_call_effect fx;
			char row[128];

			if (gw_call_fsm_row(st, ev, &next, &fx))
				continue;
			(void)snprintf(
				row, sizeof(row), "| %s | %s | %s | %s |",
				gw_call_state_name(st), gw_call_event_name(ev),
				gw_call_state_name(next),
				gw_call_effect_name(fx));
			if (!strstr(doc, row))
				fail_msg("docs/call-fsm.md lacks %s", row);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_goes_up_and_ends_once),
		cmocka_unit_test(an_answer_after_the_end_is_ignored),
		cmocka_unit_test(a_failing_effect_releases),
		cmocka_unit_test(every_walk_of_six_is_buried_once),
		cmocka_unit_test(the_diagram_shows_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
