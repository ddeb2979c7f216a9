/* The section emergency: of the configuration. */
#include "tests/unit/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/settings.h"

static char err[512];

static struct gw_settings *load(const char *text)
{
	char path[] = "/tmp/isthmus-emergency-XXXXXX";
	struct gw_settings *set = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(strlen(text), write(fd, text, strlen(text)));
	(void)close(fd);
	err[0] = '\0';
	if (gw_settings_load(&set, path, err, sizeof(err)))
		set = NULL;
	(void)unlink(path);
	return set;
}

static void without_a_section_calls_are_refused(void **state)
{
	struct gw_settings *set = load("{}\n");

	(void)state;
	assert_non_null(set);
	assert_string_equal("refuse", set->emergency.policy);
	assert_int_equal(0, set->emergency.nnumber);
	assert_true(set->emergency.text[0]);
	assert_false(set->emergency.anonymous);
	gw_settings_free(set);
}

static void all_keys_are_taken(void **state)
{
	struct gw_settings *set =
		load("emergency:\n  policy: route\n"
		     "  target: sip:e-cscf.ims.example:5060;transport=tcp\n"
		     "  anonymous: true\n  resource_priority: esnet.1\n"
		     "  text: Call 112 on your telephone!\n  numbers:\n"
		     "    - number: \"112\"\n"
		     "    - number: \"+49*110#\"\n"
		     "      urn: urn:service:sos.police\n");

	(void)state;
	if (!set)
		fail_msg("%s", err);
	assert_string_equal("route", set->emergency.policy);
	assert_int_equal(2, set->emergency.nnumber);
	assert_string_equal("urn:service:sos", set->emergency.number[0].urn);
	assert_string_equal("+49*110#", set->emergency.number[1].number);
	assert_string_equal("urn:service:sos.police",
			    set->emergency.number[1].urn);
	assert_string_equal("esnet.1", set->emergency.resource_priority);
	gw_settings_free(set);
}

static void what_makes_no_sense_is_told_with_its_line_and_key(void **state)
{
	/* clang-format off */
	static const char *const row[][2] = {
		{ "emergency:\n  policy: maybe\n",
		  ":2: emergency.policy: must be one of" },
		{ "emergency:\n  policy: route\n",
		  ":2: emergency.policy: route needs somewhere" },
		{ "emergency:\n  target: e-cscf\n",
		  ":2: emergency.target: must be sip:" },
		{ "emergency:\n  policy: route\n  target: sips:e.example\n",
		  ":3: emergency.target: is reached by TLS" },
		{ "emergency:\n  text: a <b> c\n",
		  ":2: emergency.text: must not hold" },
		{ "emergency:\n  text: \"\"\n",
		  ":2: emergency.text: must not be empty" },
		{ "emergency:\n  resource_priority: esnet\n",
		  ":2: emergency.resource_priority: must be" },
		{ "emergency:\n  resource_priority: es.net.1\n",
		  ":2: emergency.resource_priority: must be" },
		{ "emergency:\n  numbers:\n    - number: \"11 2\"\n",
		  ":3: emergency.numbers[1].number: must be digits" },
		{ "emergency:\n  numbers:\n    - number: \"\"\n",
		  ":3: emergency.numbers[1].number: must not be empty" },
		{ "emergency:\n  numbers:\n    - number: \"1234567890123456\"\n",
		  ":3: emergency.numbers[1].number: is longer" },
		{ "emergency:\n  numbers:\n    - urn: urn:service:sos\n",
		  "number" },
		{ "emergency:\n  numbers:\n    - number: \"1\"\n      urn: urn:service:counselling\n",
		  ":4: emergency.numbers[1].urn: must be urn:service:sos" },
		{ "emergency:\n  numbers:\n    - number: \"1\"\n      urn: urn:service:sos.Fire\n",
		  ":4: emergency.numbers[1].urn: must be urn:service:sos" },
		{ "emergency:\n  numbers:\n    - number: \"1\"\n    - number: \"1\"\n",
		  "emergency.numbers: a number is given twice" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(row); i++) {
		assert_null(load(row[i][0]));
		if (!strstr(err, row[i][1]))
			fail_msg("\"%s\" is not in \"%s\"", row[i][1], err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_section_calls_are_refused),
		cmocka_unit_test(all_keys_are_taken),
		cmocka_unit_test(
			what_makes_no_sense_is_told_with_its_line_and_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
