/* Documents of the reg event package, and what is no such document. */
#include "tests/unit/cm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "sip/reginfo.h"

#define US   "0123456789abcdef0123456789abcdef"
#define HEAD "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version="
#define FULL HEAD "\"7\" state=\"full\">"
#define PART HEAD "\"8\" state=\"partial\">"
#define REG(aor, state)                                                        \
	"<registration aor=\"" aor "\" id=\"r\" state=\"" state "\">"
#define CONTACT(user, state, more)                                             \
	"<contact id=\"c\" state=\"" state "\" " more "><uri>sip:" user        \
	"@127.0.0.1:5060</uri></contact>"
#define ALICE "sip:alice@ims.test"
#define AL    "sip:al@ims.test"
#define END   "</registration></reginfo>"

static int read_it(struct gw_reginfo *out, const char *text, size_t len)
{
	static const char set[2][128] = { ALICE, AL };
	const struct gw_reginfo_who who = { US, set, 2 };

	memset(out, 0xee, sizeof(*out));
	return gw_reginfo_read(out, &who, text, len);
}

static void what_it_says_of_us_is_read(void **state)
{
	static const struct {
		const char *text;
		bool full;
		enum gw_reginfo_state identity, contact;
		enum gw_reginfo_event event;
		uint32_t retry_after_s;
	} row[] = {
		{FULL REG(ALICE,             "active")
			  CONTACT(US, "active",                             "event=\"registered\"") END,
                 true,								  GW_REGINFO_ACTIVE,                                          GW_REGINFO_ACTIVE, GW_REGINFO_OTHER,
                 0 },
		{ FULL REG(ALICE,          "init") END,						   true,										      GW_REGINFO_ACTIVE,
                 GW_REGINFO_ABSENT,                            GW_REGINFO_OTHER,                                0 },
		{ FULL REG(ALICE,          "terminated") END,                 true,
                 GW_REGINFO_TERMINATED,																		GW_REGINFO_ABSENT,GW_REGINFO_OTHER,
                 0 },
		{ PART REG(ALICE,      "active")
			  CONTACT(US,            "terminated",                                "event=\"expired\"") END,
                 false,								  GW_REGINFO_ACTIVE,													      GW_REGINFO_TERMINATED,
                 GW_REGINFO_EXPIRED, 0 },
		{ PART REG(ALICE,              "terminated")
			  CONTACT(US,  "terminated",
                 "event=\"probation\" retry-after=\"36\"") END,
                 false,GW_REGINFO_TERMINATED,														GW_REGINFO_TERMINATED,
                 GW_REGINFO_PROBATION, 36 },
		{ PART REG(ALICE,                         "terminated")
			  CONTACT(US,                                  "terminated",                                   "event=\"rejected\"") END,
                 false,			 GW_REGINFO_TERMINATED,															     GW_REGINFO_TERMINATED,
                 GW_REGINFO_REJECTED, 0 },
		{ PART REG(ALICE,     "active") CONTACT(
			  US,				"terminated",								  "event=\"deactivated\"") END,
                 false,			   GW_REGINFO_ACTIVE,						  GW_REGINFO_TERMINATED,
                 GW_REGINFO_DEACTIVATED, 0 },
 /* another phone of the same user */
		{ PART REG(ALICE, "active") CONTACT("bob",                                               "terminated",
                 "event=\"rejected\"") END,
                 false,						   GW_REGINFO_ACTIVE,													    GW_REGINFO_ABSENT, GW_REGINFO_OTHER,
                 0 },
		{ PART REG(ALICE,            "active") CONTACT(US "0",        "terminated",
                 "event=\"rejected\"") END,
                 false,								 GW_REGINFO_ACTIVE,										GW_REGINFO_ABSENT, GW_REGINFO_OTHER,
                 0 },
 /* one of its identities is barred, we are not */
		{ FULL REG(AL,     "terminated") "</registration>" REG(ALICE,
                 "active")
			  CONTACT(US,							      "active",																	     "event=\"created\"") END,
                 true, GW_REGINFO_ACTIVE, GW_REGINFO_ACTIVE, GW_REGINFO_OTHER,
                 0 },
		{ PART REG(AL,                      "terminated") END,                            false,                                               GW_REGINFO_TERMINATED,
                 GW_REGINFO_ABSENT,								     GW_REGINFO_OTHER,															      0 },
 /* somebody else's, and what we do not know */
		{ FULL "<x xmlns=\"urn:y\"><contact/></x>" REG(
			  "sip:carol@ims.test","terminated") END,
                 true,								 GW_REGINFO_ABSENT,																						    GW_REGINFO_ABSENT,GW_REGINFO_OTHER,
                 0 },
		{ "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
		  "<r:reginfo xmlns:r=\"urn:ietf:params:xml:ns:reginfo\" "
		  "version=\"0\" state=\"full\"><r:registration aor=\"" ALICE
		  "\" id=\"a\" state=\"terminated\"/></r:reginfo>",			  true,						GW_REGINFO_TERMINATED,									 GW_REGINFO_ABSENT,
                 GW_REGINFO_OTHER,						   0				       },
	};
	struct gw_reginfo got;

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(row); i++) {
		if (read_it(&got, row[i].text, strlen(row[i].text)))
			fail_msg("not read: %s", row[i].text);
		if (got.full != row[i].full ||
		    got.identity != row[i].identity ||
		    got.contact != row[i].contact ||
		    got.event != row[i].event ||
		    got.retry_after_s != row[i].retry_after_s)
			fail_msg("identity %d contact %d event %d in %s",
				 got.identity, got.contact, got.event,
				 row[i].text);
	}
	assert_int_equal(read_it(&got, row[0].text, strlen(row[0].text)), 0);
	assert_int_equal(got.version, 7);
}

static void what_is_no_document_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"<",
		"hello",
		"<reginfo version=\"1\" state=\"full\"/>", /* no namespace */
		"<x xmlns=\"urn:ietf:params:xml:ns:reginfo\"/>",
		HEAD "\"-1\" state=\"full\"/>",
		HEAD "\"99999999999\" state=\"full\"/>",
		HEAD "\"1\"/>",
		HEAD "\"1\" state=\"half\"/>",
		FULL,
		FULL "</reginfo><reginfo/>",
		"<!DOCTYPE reginfo [<!ENTITY a \"b\">]>" FULL "&a;</reginfo>",
		FULL "&nbsp;</reginfo>",
	};
	struct gw_reginfo got;

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++)
		if (read_it(&got, bad[i], strlen(bad[i])) != -EINVAL)
			fail_msg("read: %s", bad[i]);
}

static void depth_and_length_are_bounded(void **state)
{
	struct gw_reginfo got;
	size_t len = 70000, at;
	char *text = malloc(len);

	(void)state;
	at = (size_t)snprintf(text, len, FULL);
	for (int i = 0; i < 1000; i++)
		at += (size_t)snprintf(text + at, len - at, "<a>");
	assert_int_equal(read_it(&got, text, at), -EMSGSIZE);
	memset(text, ' ', len);
	assert_int_equal(read_it(&got, text, len), -EMSGSIZE);
	/* A URI longer than any is cut, and so is not ours. */
	at = (size_t)snprintf(text, len,
			      PART REG(ALICE, "active") "<contact id=\"c\" "
							"state=\"terminated\""
							"><uri>sip:");
	memset(text + at, 'a', 2000);
	at += 2000;
	at += (size_t)snprintf(text + at, len - at, "</uri></contact>" END);
	assert_int_equal(read_it(&got, text, at), 0);
	assert_int_equal(got.contact, GW_REGINFO_ABSENT);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_says_of_us_is_read),
		cmocka_unit_test(what_is_no_document_is_refused),
		cmocka_unit_test(depth_and_length_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
