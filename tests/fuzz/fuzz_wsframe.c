/*
 * WebSocket frames: any bytes, whole and in pieces, come to the same, and what
 * is handed on never exceeds what came in.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "webrtc/wsframe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	size_t bytes, messages, controls;
	uint32_t hash;
};

static void mix(struct sum *s, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		s->hash = (s->hash ^ data[i]) * 16777619u;
	s->bytes += len;
}

static void on_data(const uint8_t *data, size_t len, bool last, bool binary,
		    uint64_t coming, void *arg)
{
	struct sum *s = arg;

	assert(!last || !coming);
	assert(len || last);
	(void)binary;
	mix(s, data, len);
	s->messages += last;
}

static void on_control(enum gw_wsframe_op op, const uint8_t *data, size_t len,
		       void *arg)
{
	struct sum *s = arg;
	uint16_t fail, code;

	assert(op == GW_WSF_CLOSE || op == GW_WSF_PING || op == GW_WSF_PONG);
	assert(len <= GW_WSFRAME_CTL_MAX);
	code = gw_wsframe_close_code(data, len, &fail);
	assert(fail || code >= 1000);
	mix(s, data, len);
	s->controls++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gw_wsframe_handlers h = { on_data, on_control };
	struct gw_wsframe_rx one, many;
	struct sum a = { .hash = 1 }, b = { .hash = 1 };
	int ra, rb = 0;

	gw_wsframe_rx_init(&one);
	gw_wsframe_rx_init(&many);
	ra = gw_wsframe_feed(&one, data, size, &h, &a);
	for (size_t i = 0; i < size;) {
		size_t n = 1 + data[i] % 7;

		if (n > size - i)
			n = size - i;
		rb = gw_wsframe_feed(&many, data + i, n, &h, &b);
		i += n;
	}
	assert(ra == rb || !size);
	assert(a.hash == b.hash && a.bytes == b.bytes);
	assert(a.messages == b.messages && a.controls == b.controls);
	assert(a.bytes <= size);
	return 0;
}
