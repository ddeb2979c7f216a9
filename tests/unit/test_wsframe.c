#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "gateway/base/check.h"
#include "webrtc/wsframe.h"

/* What came out, written down: "t:text!" a last piece, "b:.." binary,
 * "8:.." a control frame by its opcode. */
struct seen {
	char log[200000];
	size_t len;
	uint64_t coming;
};

static struct seen seen;

static void note(const char *kind, const void *data, size_t len, char end)
{
	int n = snprintf(seen.log + seen.len, 8, "%s:", kind);

	seen.len += (size_t)n;
	memcpy(seen.log + seen.len, data, len);
	seen.len += len;
	seen.log[seen.len++] = end;
	seen.log[seen.len] = '\0';
}

static void on_data(const uint8_t *data, size_t len, bool last, bool binary,
		    uint64_t coming, void *arg)
{
	assert_ptr_equal(&seen, arg);
	seen.coming = coming;
	note(binary ? "b" : "t", data, len, last ? '!' : '.');
}

static void on_control(enum gw_wsframe_op op, const uint8_t *data, size_t len,
		       void *arg)
{
	char kind[2] = { "0123456789abcdef"[op], 0 };

	assert_ptr_equal(&seen, arg);
	note(kind, data, len, '!');
}

static const struct gw_wsframe_handlers handlers = { .data = on_data,
						     .control = on_control };

static uint8_t wire[200000];
static size_t wire_len;

/* A frame as a client sends it. */
static void put(unsigned first, const void *data, size_t len)
{
	static const uint8_t mask[4] = { 0x11, 0x80, 0xff, 0x5a };
	uint8_t *p = wire + wire_len;
	size_t n = gw_wsframe_head(p, GW_WSF_TEXT, len);

	p[0] = (uint8_t)first;
	p[1] |= 0x80;
	memcpy(p + n, mask, 4);
	for (size_t i = 0; i < len; i++)
		p[n + 4 + i] = ((const uint8_t *)data)[i] ^ mask[i & 3];
	wire_len += n + 4 + len;
}

static void start(struct gw_wsframe_rx *rx)
{
	gw_wsframe_rx_init(rx);
	memset(&seen, 0, sizeof(seen));
}

static int feed(struct gw_wsframe_rx *rx, const void *data, size_t len)
{
	return gw_wsframe_feed(rx, data, len, &handlers, &seen);
}

static int setup(void **state)
{
	(void)state;
	wire_len = 0;
	return 0;
}

static void frames_come_out_unmasked(void **state)
{
	struct gw_wsframe_rx rx;

	(void)state;
	put(0x81, "hello", 5);
	put(0x82, "\1\2\3", 3);
	put(0x81, "", 0);
	put(0x89, "are you there", 13);
	put(0x8a, "", 0);
	start(&rx);
	assert_int_equal(0, feed(&rx, wire, wire_len));
	assert_string_equal("t:hello!b:\1\2\3!t:!9:are you there!a:!",
			    seen.log);
}

static void how_the_bytes_are_cut_makes_no_difference(void **state)
{
	struct gw_wsframe_rx rx;
	char whole[400];

	(void)state;
	put(0x01, "one ", 4);
	put(0x89, "p", 1);
	put(0x00, "", 0);
	put(0x80, "two", 3);
	put(0x88, "\x03\xe8 bye", 6);
	put(0x81, "never heard", 11);
	start(&rx);
	assert_int_equal(0, feed(&rx, wire, wire_len));
	assert_string_equal("t:one .9:p!t:two!8:\x03\xe8 bye!", seen.log);
	memcpy(whole, seen.log, sizeof(whole));
	for (size_t cut = 0; cut <= wire_len; cut++) {
		start(&rx);
		assert_int_equal(0, feed(&rx, wire, cut));
		assert_int_equal(0, feed(&rx, wire + cut, wire_len - cut));
		/* payloads may come in two pieces then */
		assert_true(rx.closed);
	}
	start(&rx);
	for (size_t i = 0; i < wire_len; i++)
		assert_int_equal(0, feed(&rx, wire + i, 1));
	assert_string_equal("t:o.t:n.t:e.t: .9:p!t:t.t:w.t:o!8:\x03\xe8 bye!",
			    seen.log);
}

static void every_length_is_read_and_written(void **state)
{
	static const size_t sizes[] = { 0,   1,     125,   126,   127,
					128, 65535, 65536, 65537, 100000 };
	static char text[100000];
	struct gw_wsframe_rx rx;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < GW_ARRAY_LEN(sizes); i++) {
		size_t got = 0;

		wire_len = 0;
		put(0x81, text, sizes[i]);
		start(&rx);
		assert_int_equal(0, feed(&rx, wire, wire_len));
		for (size_t k = 0; k < seen.len; k++)
			got += seen.log[k] == 'x';
		assert_int_equal(sizes[i], got);
		assert_int_equal('!', seen.log[seen.len - 1]);
		assert_int_equal(0, seen.coming);
	}
}

static void what_is_still_coming_is_told(void **state)
{
	static const uint8_t head[] = { 0x81, 0xff, 0, 0, 0, 0, 0,
					1,    0,    0, 9, 9, 9, 9 };
	struct gw_wsframe_rx rx;

	(void)state;
	start(&rx);
	assert_int_equal(0, feed(&rx, head, sizeof(head)));
	assert_int_equal(0, seen.len);
	assert_int_equal(0, feed(&rx, "abc", 3));
	assert_int_equal(65536 - 3, seen.coming);
}

static void what_rfc_6455_forbids_is_a_fault(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *fault;
	} bad[] = {
		{"\x81\x05hello",                         7,  "frame not masked"          },
		{ "\xc1\x85",                             2,  "reserved bit set"          },
		{ "\xa1\x85",                             2,  "reserved bit set"          },
		{ "\x91\x85",                             2,  "reserved bit set"          },
		{ "\x83\x85",                             2,  "unknown opcode"            },
		{ "\x87\x80",                             2,  "unknown opcode"            },
		{ "\x8b\x80",                             2,  "unknown opcode"            },
		{ "\x8f\x80",                             2,  "unknown opcode"            },
		{ "\x09\x80",                             2,  "control frame in fragments"},
		{ "\x08\x80",                             2,  "control frame in fragments"},
		{ "\x89\xfe",                             2,  "control frame too long"    },
		{ "\x88\xff",                             2,  "control frame too long"    },
		{ "\x80\x80",                             2,  "continues no message"      },
		{ "\x00\x80",                             2,  "continues no message"      },
		{ "\x01\x80\0\0\0\0\x81\x80",             8,  "message inside a message"  },
		{ "\x81\xfe\0\x7d\0\0\0\0",               8,
                 "length not in its shortest form"                                        },
		{ "\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14,
                 "length not in its shortest form"                                        },
		{ "\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0",   14,
                 "length out of range"						    },
	};
	struct gw_wsframe_rx rx;

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(bad); i++) {
		start(&rx);
		if (feed(&rx, bad[i].bytes, bad[i].len) != -EPROTO)
			fail_msg("%zu: taken", i);
		assert_string_equal(bad[i].fault, rx.fault);
		/* sticky, and nothing is handed on */
		seen.len = 0;
		assert_int_equal(-EPROTO, feed(&rx, wire, wire_len));
		assert_int_equal(0, seen.len);
		/* byte by byte too */
		start(&rx);
		for (size_t k = 0; k < bad[i].len; k++)
			(void)feed(&rx, bad[i].bytes + k, 1);
		assert_string_equal(bad[i].fault, rx.fault);
	}
}

static void frames_before_the_bad_one_are_handed_on(void **state)
{
	struct gw_wsframe_rx rx;

	(void)state;
	put(0x81, "good", 4);
	put(0x83, "bad", 3);
	start(&rx);
	assert_int_equal(-EPROTO, feed(&rx, wire, wire_len));
	assert_string_equal("t:good!", seen.log);
}

static void close_codes_are_checked(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		uint16_t code, fail;
	} cases[] = {
		{"",                  0, 1005, 0   },
		{ "\x03\xe8",         2, 1000, 0   },
		{ "\x03\xe9 away",    7, 1001, 0   },
		{ "\x0b\xb8",         2, 3000, 0   },
		{ "\x13\x87",         2, 4999, 0   },
		{ "\x03",             1, 0,    1002},
		{ "\x03\xe7",         2, 999,  1002},
		{ "\x03\xec",         2, 1004, 1002},
		{ "\x03\xed",         2, 1005, 1002},
		{ "\x03\xee",         2, 1006, 1002},
		{ "\x03\xf7",         2, 1015, 1002},
		{ "\x07\xd0",         2, 2000, 1002},
		{ "\x13\x88",         2, 5000, 1002},
		{ "\x03\xe8\xff",     3, 1000, 1007},
		{ "\x03\xe8\xe2\x82", 4, 1000, 1007},
	};

	(void)state;
	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		uint16_t fail = 9;
		uint16_t code = gw_wsframe_close_code(
			(const uint8_t *)cases[i].data, cases[i].len, &fail);

		assert_int_equal(cases[i].fail, fail);
		assert_int_equal(cases[i].code, code);
	}
}

static void heads_are_the_shortest_and_not_masked(void **state)
{
	uint8_t h[GW_WSFRAME_HEAD_MAX];

	(void)state;
	assert_int_equal(2, gw_wsframe_head(h, GW_WSF_TEXT, 125));
	assert_memory_equal("\x81\x7d", h, 2);
	assert_int_equal(4, gw_wsframe_head(h, GW_WSF_CLOSE, 126));
	assert_memory_equal("\x88\x7e\x00\x7e", h, 4);
	assert_int_equal(4, gw_wsframe_head(h, GW_WSF_PONG, 65535));
	assert_memory_equal("\x8a\x7e\xff\xff", h, 4);
	assert_int_equal(10, gw_wsframe_head(h, GW_WSF_TEXT, 65536));
	assert_memory_equal("\x81\x7f\0\0\0\0\0\1\0\0", h, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(frames_come_out_unmasked, setup),
		cmocka_unit_test_setup(
			how_the_bytes_are_cut_makes_no_difference, setup),
		cmocka_unit_test_setup(every_length_is_read_and_written, setup),
		cmocka_unit_test_setup(what_is_still_coming_is_told, setup),
		cmocka_unit_test_setup(what_rfc_6455_forbids_is_a_fault, setup),
		cmocka_unit_test_setup(frames_before_the_bad_one_are_handed_on,
				       setup),
		cmocka_unit_test_setup(close_codes_are_checked, setup),
		cmocka_unit_test_setup(heads_are_the_shortest_and_not_masked,
				       setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
