/* Header extensions: found, carried on under other numbers, and hostile. */
#include "tests/unit/cm.h"

#include <string.h>

#include "media/rtp_ext.h"

/* Header, @n words of extension in form @profile, then "picture". */
static size_t pack(uint8_t *pkt, unsigned profile, const uint8_t *ext,
		   size_t words)
{
	static const uint8_t head[] = {
		0x90, 96, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4
	};

	memcpy(pkt, head, sizeof(head));
	pkt[12] = (uint8_t)(profile >> 8);
	pkt[13] = (uint8_t)profile;
	pkt[14] = 0;
	pkt[15] = (uint8_t)words;
	memcpy(pkt + 16, ext, 4 * words);
	memcpy(pkt + 16 + 4 * words, "picture", 7);
	return 16 + 4 * words + 7;
}

static void both_forms_are_read(void **state)
{
	/* id 4 "v0", padding, id 13: 2 */
	static const uint8_t one[] = { 0x41, 'v', '0', 0, 0xd0, 2, 0, 0 };
	/* id 4 "v0", id 20 empty, id 13: 2 */
	static const uint8_t two[] = {
		4, 2, 'v', '0', 20, 0, 13, 1, 2, 0, 0, 0
	};
	uint8_t pkt[64];
	struct gw_rtp_ext e;
	struct gw_rtp h;
	size_t len;

	(void)state;
	len = pack(pkt, 0xbede, one, 2);
	assert_int_equal(gw_rtp_parse(&h, pkt, len), 0);
	assert_true(gw_rtp_ext_find(pkt, &h, 4, &e));
	assert_int_equal(e.len, 2);
	assert_memory_equal(e.data, "v0", 2);
	assert_true(gw_rtp_ext_find(pkt, &h, 13, &e));
	assert_int_equal(e.data[0], 2);
	assert_false(gw_rtp_ext_find(pkt, &h, 5, &e));

	len = pack(pkt, 0x1000, two, 3);
	assert_int_equal(gw_rtp_parse(&h, pkt, len), 0);
	assert_true(gw_rtp_ext_find(pkt, &h, 4, &e));
	assert_memory_equal(e.data, "v0", 2);
	assert_true(gw_rtp_ext_find(pkt, &h, 20, &e));
	assert_int_equal(e.len, 0);
	assert_true(gw_rtp_ext_find(pkt, &h, 13, &e));
	assert_int_equal(e.data[0], 2);

	len = pack(pkt, 0x4242, one, 2); /* somebody's own */
	assert_int_equal(gw_rtp_parse(&h, pkt, len), 0);
	assert_false(gw_rtp_ext_find(pkt, &h, 4, &e));
	pkt[0] = 0x80;
	assert_int_equal(gw_rtp_parse(&h, pkt, len), 0);
	assert_false(gw_rtp_ext_find(pkt, &h, 4, &e));
}

static void what_is_agreed_goes_on_under_its_number_there(void **state)
{
	static const uint8_t ext[12] = { 0x41, 'v', '0', 0xd0, 2, 0x10, 0x85 };
	static const uint8_t map[GW_RTP_EXT_MAX_ID + 1] = {
		[13] = 3, [1] = 14
	};
	static const uint8_t want[] = { 0xbe, 0xde, 0, 1, 0x30, 2, 0xe0, 0x85 };
	uint8_t pkt[64];
	struct gw_rtp h;
	size_t len;

	(void)state;
	len = pack(pkt, 0xbede, ext, 3);
	assert_int_equal(gw_rtp_parse(&h, pkt, len), 0);
	len = gw_rtp_ext_map(pkt, &h, map);
	assert_int_equal(len, 12 + 8 + 7);
	assert_int_equal(pkt[0], 0x90);
	assert_memory_equal(pkt + 12, want, sizeof(want));
	assert_memory_equal(pkt + 20, "picture", 7);
	/* What was made is read again. */
	assert_int_equal(gw_rtp_parse(&h, pkt, len), 0);
	assert_int_equal(h.payload_bytes, 7);
}

static void without_any_of_them_the_header_is_bare(void **state)
{
	static const uint8_t ext[] = { 0x41, 'v', '0', 0 };
	static const uint8_t map[GW_RTP_EXT_MAX_ID + 1] = { [13] = 3 };
	uint8_t pkt[64];
	struct gw_rtp h;
	size_t len;

	(void)state;
	len = pack(pkt, 0xbede, ext, 1);
	assert_int_equal(gw_rtp_parse(&h, pkt, len), 0);
	len = gw_rtp_ext_map(pkt, &h, map);
	assert_int_equal(len, 12 + 7);
	assert_int_equal(pkt[0], 0x80);
	assert_memory_equal(pkt + 12, "picture", 7);
}

/* An element that says it is longer than the extension, one of the reserved
 * id, one repeated, one too long to be what it claims. */
static void hostile_elements_end_the_list_and_make_nothing_longer(void **state)
{
	static const struct {
		uint8_t ext[8];
		size_t kept; /* bytes of extension, its head included */
	} rows[] = {
		{{ 0xd7, 1, 2, 3, 4, 5, 6, 7 },        0},
		{ { 0xf0, 9, 0xd0, 2, 0, 0, 0, 0 },    0},
		{ { 0xd0, 1, 0xd0, 2, 0xd0, 3, 0, 0 }, 8},
		{ { 0xd4, 1, 2, 3, 4, 5, 0, 0 },       0},
		{ { 0xd0, 2, 0xdf, 0, 0, 0, 0, 0 },    8},
		{ { 0, 0, 0, 0, 0, 0, 0, 0xd0 },       0},
	};
	static const uint8_t map[GW_RTP_EXT_MAX_ID + 1] = { [13] = 13 };
	uint8_t pkt[64];
	struct gw_rtp h;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		len = pack(pkt, 0xbede, rows[i].ext, 2);
		assert_int_equal(gw_rtp_parse(&h, pkt, len), 0);
		len = gw_rtp_ext_map(pkt, &h, map);
		assert_int_equal(len, 12 + rows[i].kept + 7);
		assert_memory_equal(pkt + len - 7, "picture", 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms_are_read),
		cmocka_unit_test(what_is_agreed_goes_on_under_its_number_there),
		cmocka_unit_test(without_any_of_them_the_header_is_bare),
		cmocka_unit_test(
			hostile_elements_end_the_list_and_make_nothing_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
