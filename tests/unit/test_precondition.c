#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/precondition.h"
#include "tests/unit/cm.h"

#define HEAD                                                                   \
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"     \
	"t=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
/* TS 24.229's usual first offer: nothing reserved yet. */
#define NONE_YET                                                               \
	"a=curr:qos local none\r\na=curr:qos remote none\r\n"                  \
	"a=des:qos mandatory local sendrecv\r\n"                               \
	"a=des:qos none remote sendrecv\r\n"

static struct gw_precondition said(const char *text)
{
	struct gw_precondition p;

	gw_precondition_read(&p, text, strlen(text));
	return p;
}

static void a_description_without_lines_says_nothing(void **s)
{
	struct gw_precondition p = said(HEAD);

	(void)s;
	assert_false(p.present);
	assert_false(p.impossible);
	assert_true(gw_precondition_met(&p));
	p = said("nonsense");
	assert_false(p.present);
}

static void a_first_offer_waits_for_its_writer(void **s)
{
	struct gw_precondition p = said(HEAD NONE_YET), ours = { 0 };

	(void)s;
	assert_true(p.present);
	assert_int_equal(GW_DIR_INACTIVE, p.have_local);
	assert_int_equal(GW_DIR_SENDRECV, p.must_local);
	assert_int_equal(GW_DIR_INACTIVE, p.must_remote);
	assert_false(gw_precondition_met(&p));

	ours.have_local = GW_DIR_SENDRECV;
	gw_precondition_learn(&ours, &p);
	assert_true(ours.present);
	assert_int_equal(GW_DIR_SENDRECV, ours.must_remote);
	assert_false(gw_precondition_met(&ours));
	p = said(HEAD "a=curr:qos local sendrecv\r\n"
		      "a=curr:qos remote sendrecv\r\n"
		      "a=des:qos mandatory local sendrecv\r\n");
	gw_precondition_learn(&ours, &p);
	assert_true(gw_precondition_met(&ours));
}

static void directions_change_with_the_point_of_view(void **s)
{
	struct gw_precondition ours = { .have_local = GW_DIR_SENDRECV };
	struct gw_precondition p =
		said(HEAD "a=curr:qos local send\r\na=curr:qos remote none\r\n"
			  "a=des:qos mandatory local send\r\n");

	(void)s;
	gw_precondition_learn(&ours, &p);
	assert_int_equal(GW_DIR_RECVONLY, ours.have_remote);
	assert_int_equal(GW_DIR_RECVONLY, ours.must_remote);
	assert_true(gw_precondition_met(&ours));
}

static void what_all_streams_have_counts_and_refused_ones_do_not(void **s)
{
	struct gw_precondition p = said(
		HEAD "a=curr:qos local sendrecv\r\na=curr:qos remote none\r\n"
		     "m=video 4002 RTP/AVP 96\r\na=curr:qos local none\r\n"
		     "a=des:qos mandatory local sendrecv\r\n");

	(void)s;
	assert_int_equal(GW_DIR_INACTIVE, p.have_local);
	p = said(HEAD "a=curr:qos local sendrecv\r\n"
		      "m=video 0 RTP/AVP 96\r\na=curr:qos local none\r\n");
	assert_int_equal(GW_DIR_SENDRECV, p.have_local);
}

static void what_is_only_optional_is_not_waited_for(void **s)
{
	static const char audio[] =
		HEAD "a=curr:qos local sendrecv\r\na=curr:qos remote none\r\n"
		     "a=des:qos mandatory local sendrecv\r\n";
	static const char optional[] =
		"m=video 4002 RTP/AVP 96\r\na=curr:qos local none\r\n"
		"a=des:qos optional local sendrecv\r\n";
	static const char mandatory[] =
		"m=video 4004 RTP/AVP 96\r\na=curr:qos local none\r\n"
		"a=des:qos mandatory local send\r\n";
	char text[1024];
	struct gw_precondition p;

	(void)s;
	(void)snprintf(text, sizeof(text), "%s%s", audio, optional);
	p = said(text);
	assert_true(gw_precondition_met(&p));
	assert_int_equal(GW_DIR_SENDRECV, p.have_local);
	(void)snprintf(text, sizeof(text), "%s%s%s", audio, optional,
		       mandatory);
	p = said(text);
	assert_false(gw_precondition_met(&p));
	assert_int_equal(GW_DIR_SENDRECV, p.must_local);
	/* in whatever order they stand */
	(void)snprintf(text, sizeof(text),
		       HEAD "a=curr:qos local none\r\n"
			    "m=audio 4006 RTP/AVP 0\r\n"
			    "a=curr:qos local sendrecv\r\n"
			    "a=des:qos mandatory local sendrecv\r\n");
	p = said(text);
	assert_true(gw_precondition_met(&p));
	/* where nothing must be, what all have is what is said */
	(void)snprintf(text, sizeof(text), HEAD "%s", optional);
	assert_int_equal(GW_DIR_INACTIVE, said(text).have_local);
}

static void what_nobody_here_can_meet_is_impossible(void **s)
{
	static const char *const bad[] = {
		HEAD "a=des:qos mandatory e2e sendrecv\r\n",
		HEAD "a=des:sec mandatory local sendrecv\r\n",
		HEAD "a=curr:qos local none\r\n"
		     "a=des:qos failure local sendrecv\r\n",
	};
	static const char *const good[] = {
		HEAD "a=des:qos optional e2e sendrecv\r\n",
		HEAD "a=des:sec optional local sendrecv\r\n",
		HEAD "a=des:qos mandatory e2e none\r\n",
	};

	(void)s;
	for (size_t i = 0; i < 3; i++) {
		assert_true(said(bad[i]).impossible);
		assert_false(said(good[i]).impossible);
	}
}

static void lines_without_sense_are_not_there(void **s)
{
	static const char *const bad[] = {
		"a=curr:qos local\r\n",
		"a=curr:qos local sideways\r\n",
		"a=curr:\r\n",
		"a=curr: qos  local\r\n",
		"a=des:qos mandatory local\r\n",
		"a=conf:qos remote sendrecv\r\n",
	};
	char text[512];

	(void)s;
	for (size_t i = 0; i < 6; i++) {
		(void)snprintf(text, sizeof(text), HEAD "%s", bad[i]);
		assert_false(said(text).present);
	}
}

static void what_is_printed_is_read_back(void **s)
{
	(void)s;
	for (unsigned i = 0; i < 4 * 4 * 4 * 2; i++) {
		const struct gw_precondition p = {
			.present = true,
			.have_local = i & 3,
			.have_remote = i >> 2 & 3,
			.confirm = i >> 4 & 3,
			.must_local = GW_DIR_SENDRECV,
			.must_remote =
				i >> 6 ? GW_DIR_SENDRECV : GW_DIR_INACTIVE,
		};
		char *text = gw_precondition_print(
			HEAD "a=sendrecv\r\nm=video 0 RTP/AVP 96\r\n", &p);
		struct gw_precondition back;

		assert_non_null(text);
		back = said(text);
		assert_int_equal(p.have_local, back.have_local);
		assert_int_equal(p.have_remote, back.have_remote);
		assert_int_equal(p.must_local, back.must_local);
		assert_int_equal(p.must_remote, back.must_remote);
		assert_int_equal(p.confirm, back.confirm);
		assert_true(back.present && !back.impossible);
		/* in the living m-line, behind its own attributes */
		assert_true(strstr(text, "a=curr") > strstr(text, "sendrecv"));
		assert_true(strstr(text, "a=des") < strstr(text, "m=video"));
		free(text);
	}
}

static void each_m_line_speaks_for_itself(void **s)
{
	const char *const text =
		HEAD "a=curr:qos local sendrecv\r\na=curr:qos remote none\r\n"
		     "a=des:qos mandatory local sendrecv\r\n"
		     "m=audio 0 RTP/AVP 0\r\na=curr:qos local none\r\n"
		     "a=des:qos mandatory local sendrecv\r\n"
		     "m=video 4002 RTP/AVP 96\r\na=curr:qos local none\r\n"
		     "a=curr:qos remote none\r\n"
		     "a=des:qos mandatory local sendrecv\r\n"
		     "m=video 4004 RTP/AVP 96\r\n";
	struct gw_precondition p[4];
	char *out;

	(void)s;
	assert_int_equal(4,
			 gw_precondition_read_each(p, 4, text, strlen(text)));
	assert_true(p[0].present && p[2].present);
	assert_false(p[1].present || p[3].present);
	assert_true(gw_precondition_met(&p[0]));
	assert_false(gw_precondition_met(&p[2]));
	assert_int_equal(2,
			 gw_precondition_read_each(p, 2, text, strlen(text)));
	assert_int_equal(0, gw_precondition_read_each(p, 4, "v=1", 3));

	memset(p, 0, sizeof(p));
	p[0].present = p[1].present = p[2].present = true;
	p[2].have_local = GW_DIR_SENDRECV;
	out = gw_precondition_print_each(HEAD "m=audio 0 RTP/AVP 0\r\n"
					      "m=video 4002 RTP/AVP 96\r\n"
					      "m=video 4004 RTP/AVP 96\r\n",
					 p, 3);
	assert_non_null(out);
	assert_int_equal(4, gw_precondition_read_each(p, 4, out, strlen(out)));
	free(out);
	assert_true(p[0].present && p[0].have_local == GW_DIR_INACTIVE);
	assert_true(p[2].present && p[2].have_local == GW_DIR_SENDRECV);
	assert_false(p[1].present || p[3].present);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_description_without_lines_says_nothing),
		cmocka_unit_test(a_first_offer_waits_for_its_writer),
		cmocka_unit_test(directions_change_with_the_point_of_view),
		cmocka_unit_test(
			what_all_streams_have_counts_and_refused_ones_do_not),
		cmocka_unit_test(what_is_only_optional_is_not_waited_for),
		cmocka_unit_test(what_nobody_here_can_meet_is_impossible),
		cmocka_unit_test(lines_without_sense_are_not_there),
		cmocka_unit_test(what_is_printed_is_read_back),
		cmocka_unit_test(each_m_line_speaks_for_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
