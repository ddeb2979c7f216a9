/* Which targets are calls to the emergency services. */
#include "tests/unit/cm.h"

#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/emergency.h"

static const struct gw_emergency_number list[] = {
	{"112",     "urn:service:sos"         },
	{ "110",    "urn:service:sos.police"  },
	{ "*55",    "urn:service:sos.mountain"},
	{ "+49112", "urn:service:sos"         },
};

/* NULL: no emergency. */
static const char *found(const char *target)
{
	static char urn[GW_EMERGENCY_URN_SIZE];

	memset(urn, 'x', sizeof(urn));
	if (!gw_emergency_find(urn, list, GW_ARRAY_LEN(list), target))
		return NULL;
	assert_non_null(memchr(urn, '\0', sizeof(urn)));
	return urn;
}

static void every_way_to_write_a_number_is_known(void **state)
{
	static const char *const same[] = {
		"112",
		"1-1-2",
		" 1 (1) 2",
		"1.12",
		"tel:112",
		"TEL:112",
		"tel: 112",
		"tel:1-1-2",
		"tel://112",
		"tel:112;phone-context=+49",
		"tel:112;phone-context=home.example;isub=1",
		"tel:%31%312",
		"sip:112@home.example",
		"sip:112@home.example;user=phone",
		"sip:112@192.0.2.1:5060;transport=tcp",
		"sips:112@home.example",
		"SIP:112;phone-context=+49@home.example;user=phone",
		"sip:112:secret@home.example",
		"sip:%311%32@home.example",
		"sip:1-1-2@home.example;user=dialstring",
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(same); i++) {
		if (!found(same[i]))
			fail_msg("%s", same[i]);
		assert_string_equal("urn:service:sos", found(same[i]));
	}
	assert_string_equal("urn:service:sos.police", found("tel:110"));
	assert_string_equal("urn:service:sos.mountain", found("*55"));
	assert_string_equal("urn:service:sos.mountain", found("tel:%2A55"));
	assert_string_equal("urn:service:sos", found("tel:+49-112"));
}

static void what_is_no_emergency_is_left_alone(void **state)
{
	static const char *const other[] = {
		"",
		" ",
		"1",
		"11",
		"1122",
		"0112",
		"#112",
		"+112",
		"112a",
		"1+12",
		"tel:",
		"tel:1123",
		"tel:49112",
		"tel:;phone-context=112",
		"sip:112",
		"sip:home.example;x=112",
		"sip:alice@112",
		"sip:1120@home.example",
		"sip:al%3112@home.example",
		"sip:;112@home.example",
		"mailto:112@home.example",
		"echo",
		"%",
		"tel:%",
		"tel:%3",
		"tel:%zz112",
		"tel:112%00",
		"1121121121121121121121121121121121121",
		"911", /* a list replaces what is known without one */
		"urn:service:counselling",
		"urn:service:counselling.children",
		"urn:service:sosx",
		"urn:service:sos-x",
		"urn:service:so",
		"urn:nothing:sos",
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(other); i++) {
		if (found(other[i]))
			fail_msg("%s is %s", other[i], found(other[i]));
	}
}

static void services_are_known_by_their_urn(void **state)
{
	static const struct {
		const char *said, *is;
	} row[] = {
		{"urn:service:sos",                               "urn:service:sos"     },
		{ "URN:Service:SOS",                              "urn:service:sos"     },
		{ "urn:service:sos.fire",                         "urn:service:sos.fire"},
		{ "urn:service:sos.ecall.manual",
                 "urn:service:sos.ecall.manual"                                         },
		{ "urn:service:sos.animal-control",
                 "urn:service:sos.animal-control"                                       },
		{ "urn:service:sos.Country-Specific.xx.1",
                 "urn:service:sos.country-specific.xx.1"                                },
 /* What cannot be written is still somebody who needs help. */
		{ "urn:service:sos.",                             "urn:service:sos"     },
		{ "urn:service:sos..fire",                        "urn:service:sos"     },
		{ "urn:service:sos.-fire",                        "urn:service:sos"     },
		{ "urn:service:sos.fi re",                        "urn:service:sos"     },
		{ "urn:service:sos?x",                            "urn:service:sos"     },
		{ "urn:service:sos;x=1",                          "urn:service:sos"     },
		{ "urn:service:sos.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaa", "urn:service:sos"     },
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(row); i++) {
		assert_non_null(found(row[i].said));
		assert_string_equal(row[i].is, found(row[i].said));
	}
	assert_true(gw_emergency_is_urn("urn:service:sos"));
	assert_true(gw_emergency_is_urn("urn:service:sos.fire"));
	assert_false(gw_emergency_is_urn("urn:service:sos.fire;x"));
	assert_false(gw_emergency_is_urn("urn:service:sos.fire."));
	assert_false(gw_emergency_is_urn("urn:service:counselling"));
	assert_false(gw_emergency_is_urn("tel:112"));
}

static void without_a_list_two_numbers_are_known(void **state)
{
	char urn[GW_EMERGENCY_URN_SIZE];

	(void)state;
	assert_true(gw_emergency_find(urn, NULL, 0, "112"));
	assert_true(gw_emergency_find(urn, NULL, 0, "tel:9-1-1"));
	assert_string_equal("urn:service:sos", urn);
	assert_false(gw_emergency_find(urn, NULL, 0, "110"));
}

static bool said(const char *xml)
{
	return gw_emergency_said(xml, strlen(xml));
}

static void the_xml_of_a_380_is_read(void **state)
{
	static char long_one[10000];

	(void)state;
	assert_true(said("<ims-3gpp version=\"1\"><alternative-service>"
			 "<type>emergency</type><reason>x</reason>"
			 "</alternative-service></ims-3gpp>"));
	assert_true(said("<x:alternative-service>\r\n <type>\r\n  emergency\r\n"
			 "</type>"));
	assert_false(said("<alternative-service><type>restoration</type>"));
	assert_false(said("<type>emergency</type>"));
	assert_false(said("<alternative-service><type>"));
	assert_false(said("<alternative-service><type>emerg"));
	assert_false(said(""));
	assert_false(gw_emergency_said(NULL, 0));
	memset(long_one, ' ', sizeof(long_one));
	memcpy(long_one, "<alternative-service><type>emergency", 36);
	assert_false(gw_emergency_said(long_one, sizeof(long_one)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_to_write_a_number_is_known),
		cmocka_unit_test(what_is_no_emergency_is_left_alone),
		cmocka_unit_test(services_are_known_by_their_urn),
		cmocka_unit_test(without_a_list_two_numbers_are_known),
		cmocka_unit_test(the_xml_of_a_380_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
