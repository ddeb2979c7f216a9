#include "tests/unit/cm.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "gateway/base/ids.h"
#include "media/srtp.h"

#define CAP 1700

static struct gw_srtp *here, *there;

static void make_pair(enum gw_srtp_profile profile)
{
	struct gw_srtp_keys a = { .profile = profile };
	struct gw_srtp_keys b = { .profile = profile };

	gw_random(a.local, sizeof(a.local));
	gw_random(a.remote, sizeof(a.remote));
	memcpy(b.local, a.remote, sizeof(b.local));
	memcpy(b.remote, a.local, sizeof(b.remote));
	assert_int_equal(gw_srtp_new(&here, &a), 0);
	assert_int_equal(gw_srtp_new(&there, &b), 0);
}

static void free_pair(void)
{
	gw_srtp_free(here);
	gw_srtp_free(there);
}

static int init(void **state)
{
	(void)state;
	return gw_srtp_init();
}

static size_t rtp(uint8_t *pkt, uint16_t seq, uint32_t ssrc)
{
	memset(pkt, 0x5a, 172);
	pkt[0] = 0x80;
	pkt[1] = 0;
	pkt[2] = (uint8_t)(seq >> 8);
	pkt[3] = (uint8_t)seq;
	pkt[8] = (uint8_t)(ssrc >> 24);
	pkt[9] = (uint8_t)(ssrc >> 16);
	pkt[10] = (uint8_t)(ssrc >> 8);
	pkt[11] = (uint8_t)ssrc;
	return 172;
}

static void round_trip(enum gw_srtp_profile profile, size_t tag)
{
	uint8_t plain[172];
	uint8_t pkt[CAP];
	uint8_t rr[8] = { 0x80, 201, 0, 1, 1, 2, 3, 4 };
	size_t len;

	make_pair(profile);
	/* Over the wrap of the sequence number: the roll-over counter. */
	for (unsigned i = 0; i < 300; i++) {
		(void)rtp(plain, (uint16_t)(65400 + i), 7);
		len = rtp(pkt, (uint16_t)(65400 + i), 7);
		assert_int_equal(gw_srtp_protect(here, pkt, &len, CAP), 0);
		assert_int_equal(len, 172 + tag);
		assert_memory_not_equal(pkt + 12, plain + 12, 160);
		assert_int_equal(gw_srtp_unprotect(there, pkt, &len), 0);
		assert_int_equal(len, 172);
		assert_memory_equal(pkt, plain, 172);
	}
	memcpy(pkt, rr, sizeof(rr));
	len = sizeof(rr);
	assert_int_equal(gw_srtp_protect_rtcp(here, pkt, &len, CAP), 0);
	assert_int_equal(len, 8 + 4 + tag);
	assert_int_equal(gw_srtp_unprotect_rtcp(there, pkt, &len), 0);
	assert_int_equal(len, 8);
	assert_memory_equal(pkt, rr, 8);
	free_pair();
}

static void aes_gcm_brings_packets_back(void **state)
{
	(void)state;
	round_trip(GW_SRTP_AEAD_AES_128_GCM, 16);
}

static void aes_cm_sha1_brings_packets_back(void **state)
{
	(void)state;
	round_trip(GW_SRTP_AES128_CM_SHA1_80, 10);
}

/* RFC 7714 16.1.1 and 16.1.2 need the session key itself; the key derivation
 * of RFC 3711 B.3 is what libsrtp2 tests.  Here: any changed bit is seen. */
static void every_changed_byte_is_refused(void **state)
{
	static const enum gw_srtp_profile profile[] = {
		GW_SRTP_AEAD_AES_128_GCM, GW_SRTP_AES128_CM_SHA1_80
	};
	uint8_t good[CAP];
	uint8_t bad[CAP];

	(void)state;
	for (size_t p = 0; p < 2; p++) {
		size_t len;

		make_pair(profile[p]);
		len = rtp(good, 9, 7);
		assert_int_equal(gw_srtp_protect(here, good, &len, CAP), 0);
		for (size_t i = 12; i < len; i++) {
			size_t n = len;

			memcpy(bad, good, len);
			bad[i] ^= 0x10;
			assert_int_equal(gw_srtp_unprotect(there, bad, &n),
					 -EBADMSG);
		}
		assert_int_equal(gw_srtp_unprotect(there, good, &len), 0);
		free_pair();
	}
}

static void replays_and_ancients_are_told_apart_from_forgeries(void **state)
{
	uint8_t first[CAP];
	uint8_t pkt[CAP];
	size_t first_len;
	size_t len;

	(void)state;
	make_pair(GW_SRTP_AEAD_AES_128_GCM);
	first_len = rtp(first, 100, 7);
	assert_int_equal(gw_srtp_protect(here, first, &first_len, CAP), 0);
	memcpy(pkt, first, first_len);
	len = first_len;
	assert_int_equal(gw_srtp_unprotect(there, pkt, &len), 0);
	memcpy(pkt, first, first_len);
	len = first_len;
	assert_int_equal(gw_srtp_unprotect(there, pkt, &len), -EALREADY);
	for (uint16_t s = 101; s < 700; s++) {
		len = rtp(pkt, s, 7);
		assert_int_equal(gw_srtp_protect(here, pkt, &len, CAP), 0);
		assert_int_equal(gw_srtp_unprotect(there, pkt, &len), 0);
	}
	memcpy(pkt, first, first_len);
	len = first_len;
	assert_int_equal(gw_srtp_unprotect(there, pkt, &len), -EALREADY);
	free_pair();
}

static void window_takes_a_packet_128_late(void **state)
{
	uint8_t late[CAP];
	uint8_t pkt[CAP];
	size_t late_len;
	size_t len;

	(void)state;
	make_pair(GW_SRTP_AES128_CM_SHA1_80);
	late_len = rtp(late, 100, 7);
	assert_int_equal(gw_srtp_protect(here, late, &late_len, CAP), 0);
	for (uint16_t s = 101; s <= 228; s++) {
		len = rtp(pkt, s, 7);
		assert_int_equal(gw_srtp_protect(here, pkt, &len, CAP), 0);
		assert_int_equal(gw_srtp_unprotect(there, pkt, &len), 0);
	}
	assert_int_equal(gw_srtp_unprotect(there, late, &late_len), 0);
	free_pair();
}

static void a_sequence_number_is_never_protected_twice(void **state)
{
	uint8_t pkt[CAP];
	size_t len;

	(void)state;
	make_pair(GW_SRTP_AEAD_AES_128_GCM);
	len = rtp(pkt, 5, 7);
	assert_int_equal(gw_srtp_protect(here, pkt, &len, CAP), 0);
	len = rtp(pkt, 5, 7);
	assert_int_equal(gw_srtp_protect(here, pkt, &len, CAP), -EALREADY);
	free_pair();
}

static void sources_of_a_peer_are_bounded(void **state)
{
	uint8_t pkt[CAP];
	unsigned taken = 0;
	size_t len;
	int err;

	(void)state;
	make_pair(GW_SRTP_AEAD_AES_128_GCM);
	for (uint32_t ssrc = 1; ssrc <= 100; ssrc++) {
		len = rtp(pkt, 1, ssrc);
		assert_int_equal(gw_srtp_protect(here, pkt, &len, CAP), 0);
		err = gw_srtp_unprotect(there, pkt, &len);
		if (!err)
			taken++;
		else
			assert_int_equal(err, -ENOSPC);
	}
	assert_int_equal(taken, 32);
	/* Those that were there go on. */
	len = rtp(pkt, 2, 1);
	assert_int_equal(gw_srtp_protect(here, pkt, &len, CAP), 0);
	assert_int_equal(gw_srtp_unprotect(there, pkt, &len), 0);
	free_pair();
}

static void forged_sources_take_no_place(void **state)
{
	uint8_t pkt[CAP];
	size_t len;

	(void)state;
	make_pair(GW_SRTP_AEAD_AES_128_GCM);
	for (uint32_t ssrc = 1; ssrc <= 100; ssrc++) {
		len = rtp(pkt, 1, ssrc);
		assert_int_equal(gw_srtp_unprotect(there, pkt, &len), -EBADMSG);
	}
	len = rtp(pkt, 1, 555);
	assert_int_equal(gw_srtp_protect(here, pkt, &len, CAP), 0);
	assert_int_equal(gw_srtp_unprotect(there, pkt, &len), 0);
	free_pair();
}

static void truncated_packets_are_malformed(void **state)
{
	uint8_t pkt[CAP];

	(void)state;
	make_pair(GW_SRTP_AEAD_AES_128_GCM);
	for (size_t n = 0; n < 40; n++) {
		size_t len = n;
		int err;

		(void)rtp(pkt, 1, 7);
		pkt[0] = 0x9f; /* extension and 15 CSRCs that are not there */
		err = gw_srtp_unprotect(there, pkt, &len);
		assert_true(err == -EINVAL || err == -EBADMSG);
		len = n;
		err = gw_srtp_unprotect_rtcp(there, pkt, &len);
		assert_true(err == -EINVAL || err == -EBADMSG);
	}
	free_pair();
}

static void no_room_is_refused_before_anything_is_written(void **state)
{
	uint8_t pkt[CAP];
	size_t len;

	(void)state;
	make_pair(GW_SRTP_AEAD_AES_128_GCM);
	len = rtp(pkt, 1, 7);
	assert_int_equal(gw_srtp_protect(here, pkt, &len, 172), -EINVAL);
	assert_int_equal(len, 172);
	assert_int_equal(pkt[12], 0x5a);
	free_pair();
}

static void unknown_profile_is_refused(void **state)
{
	struct gw_srtp_keys k = { .profile = (enum gw_srtp_profile)2 };

	(void)state;
	assert_int_equal(gw_srtp_new(&here, &k), -EINVAL);
	gw_srtp_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aes_gcm_brings_packets_back),
		cmocka_unit_test(aes_cm_sha1_brings_packets_back),
		cmocka_unit_test(every_changed_byte_is_refused),
		cmocka_unit_test(
			replays_and_ancients_are_told_apart_from_forgeries),
		cmocka_unit_test(window_takes_a_packet_128_late),
		cmocka_unit_test(a_sequence_number_is_never_protected_twice),
		cmocka_unit_test(sources_of_a_peer_are_bounded),
		cmocka_unit_test(forged_sources_take_no_place),
		cmocka_unit_test(truncated_packets_are_malformed),
		cmocka_unit_test(no_room_is_refused_before_anything_is_written),
		cmocka_unit_test(unknown_profile_is_refused),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
