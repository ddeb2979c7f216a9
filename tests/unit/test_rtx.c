/* Packets kept to be sent again: which are there, how often, and in how much
 * memory. */
#include "tests/unit/cm.h"

#include <string.h>

#include "media/rtx.h"

static struct gw_rtx *x;

static int start(void **state)
{
	(void)state;
	return gw_rtx_new(&x);
}

static int stop(void **state)
{
	(void)state;
	gw_rtx_free(x);
	return 0;
}

static void put(uint16_t seq, size_t len, uint64_t now_us)
{
	uint8_t pkt[1500];

	memset(pkt, (uint8_t)(seq * 7), sizeof(pkt));
	pkt[0] = 0x80;
	pkt[2] = (uint8_t)(seq >> 8);
	pkt[3] = (uint8_t)seq;
	gw_rtx_put(x, pkt, len, now_us);
}

/* The packet as it was put, or NULL. */
static const uint8_t *take(uint16_t seq, size_t len, uint64_t now_us)
{
	size_t got = 0;
	const uint8_t *p = gw_rtx_take(x, seq, now_us, &got);

	if (!p)
		return NULL;
	assert_int_equal(got, len);
	assert_int_equal(p[0], 0x80);
	assert_int_equal(p[2] << 8 | p[3], seq);
	for (size_t i = 4; i < len; i++)
		assert_int_equal(p[i], (uint8_t)(seq * 7));
	return p;
}

static void what_was_sent_lately_is_there_whole(void **state)
{
	(void)state;
	for (unsigned seq = 65500; seq < 65500 + 80; seq++)
		put((uint16_t)seq, 1000 + seq % 200, 1000000);
	for (unsigned seq = 65500; seq < 65500 + 80; seq++)
		assert_non_null(take((uint16_t)seq, 1000 + seq % 200, 2000000));
	assert_null(take((uint16_t)(65500 + 80), 0, 2000000));
	assert_null(take(65499, 0, 2000000));
}

static void what_is_older_than_the_room_is_gone(void **state)
{
	unsigned there = 0;

	(void)state;
	/* By bytes: 1,200 each, a hundred or so fit. */
	for (unsigned seq = 1; seq <= 1000; seq++)
		put((uint16_t)seq, 1200, 1000000);
	for (unsigned seq = 1; seq <= 1000; seq++)
		there += take((uint16_t)seq, 1200, 2000000) != NULL;
	assert_in_range(there, 90, GW_RTX_BYTES / 1200);
	assert_non_null(take(1000, 1200, 2100000));
	/* By number: small ones, of which no more are listed. */
	gw_rtx_reset(x);
	for (unsigned seq = 1; seq <= 1000; seq++)
		put((uint16_t)seq, 100, 1000000);
	there = 0;
	for (unsigned seq = 1; seq <= 1000; seq++)
		there += take((uint16_t)seq, 100, 2000000) != NULL;
	assert_int_equal(there, GW_RTX_PACKETS);
}

static void one_packet_is_repeated_seldom_and_not_for_ever(void **state)
{
	uint64_t now = 1000000;

	(void)state;
	put(5, 900, now);
	assert_null(take(5, 900, now + GW_RTX_GAP_US - 1));
	for (int i = 0; i < GW_RTX_TIMES; i++) {
		now += GW_RTX_GAP_US;
		assert_non_null(take(5, 900, now));
		assert_null(take(5, 900, now + 1));
	}
	assert_null(take(5, 900, now + 10 * GW_RTX_GAP_US));
}

static void new_keys_void_what_was_sent(void **state)
{
	(void)state;
	put(5, 900, 1);
	gw_rtx_reset(x);
	assert_null(take(5, 900, 1000000));
	put(6, 900, 1);
	assert_non_null(take(6, 900, 1000000));
}

static void what_is_no_packet_is_not_kept(void **state)
{
	uint8_t huge[70000] = { 0x80 };

	(void)state;
	put(9, 11, 1);
	assert_null(take(9, 11, 1000000));
	gw_rtx_put(x, huge, sizeof(huge), 1);
	assert_null(take(0, 0, 1000000));
	put(10, 1500, 1);
	assert_non_null(take(10, 1500, 1000000));
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_sent_lately_is_there_whole),
		T(what_is_older_than_the_room_is_gone),
		T(one_packet_is_repeated_seldom_and_not_for_ever),
		T(new_keys_void_what_was_sent),
		T(what_is_no_packet_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
