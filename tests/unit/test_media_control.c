/* Is a key frame asked for?  Bodies as phones write them. */
#include "tests/unit/cm.h"

#include <string.h>

#include "gateway/base/media_control.h"

static void a_request_is_recognised_however_it_is_written(void **state)
{
	static const char *const yes[] = {
		GW_MEDIA_CONTROL_ASK,
		"<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<media_control>\n"
		" <vc_primitive>\n  <to_encoder>\n   <picture_fast_update>\n"
		"   </picture_fast_update>\n  </to_encoder>\n </vc_primitive>\n"
		"</media_control>",
		"<m:media_control xmlns:m=\"x\"><m:vc_primitive><m:to_encoder>"
		"<m:picture_fast_update /></m:to_encoder></m:vc_primitive>"
		"</m:media_control>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_true(gw_media_control_asks(yes[i], strlen(yes[i])));
}

static void anything_else_is_none(void **state)
{
	static const char *const no[] = {
		"",
		"<",
		"picture_fast_update",
		"<picture_fast_update", /* cut */
		"<picture_fast_updates/>",
		"</picture_fast_update>",
		"<!-- no picture_fast_update here -->",
		"<media_control><vc_primitive><general_error>unknown"
		"</general_error></vc_primitive></media_control>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(gw_media_control_asks(no[i], strlen(no[i])));
}

static void nothing_is_read_beyond_the_end(void **state)
{
	static const char text[] = GW_MEDIA_CONTROL_ASK;
	char copy[sizeof(text)];

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		memcpy(copy, text, len);
		memset(copy + len, '>', sizeof(copy) - len);
		(void)gw_media_control_asks(copy, len);
	}
	assert_false(gw_media_control_asks(
		text, (size_t)(strstr(text, "update/") - text) + 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_recognised_however_it_is_written),
		cmocka_unit_test(anything_else_is_none),
		cmocka_unit_test(nothing_is_read_beyond_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
