#include "webrtc/wsframe.h"

#include <errno.h>
#include <string.h>

#include "webrtc/utf8.h"

#define PIECE 4096 /* unmasked on the stack, and handed on */

void gw_wsframe_rx_init(struct gw_wsframe_rx *rx)
{
	memset(rx, 0, sizeof(*rx));
	rx->need = 2;
}

static bool is_control(uint8_t op)
{
	return op & 0x8;
}

/* The first two bytes, as soon as they are there.  NULL: fine. */
static const char *check_start(const struct gw_wsframe_rx *rx)
{
	uint8_t op = rx->head[0] & 0x0f, len = rx->head[1] & 0x7f;
	bool fin = rx->head[0] & 0x80;

	if (rx->head[0] & 0x70)
		return "reserved bit set"; /* 5.2: no extension agreed on */
	if (!(rx->head[1] & 0x80))
		return "frame not masked"; /* 5.1 */
	if (is_control(op)) {
		if (op > GW_WSF_PONG)
			return "unknown opcode";
		if (!fin)
			return "control frame in fragments"; /* 5.5 */
		if (len > GW_WSFRAME_CTL_MAX)
			return "control frame too long";
		return NULL;
	}
	if (op > GW_WSF_BINARY)
		return "unknown opcode";
	if ((op == GW_WSF_MORE) != rx->in_message) /* 5.4 */
		return rx->in_message ? "message inside a message"
				      : "continues no message";
	return NULL;
}

/* Called with the header complete. */
static const char *begin_payload(struct gw_wsframe_rx *rx)
{
	uint8_t len = rx->head[1] & 0x7f;
	size_t ext = len == 127 ? 8 : len == 126 ? 2 : 0;
	uint64_t n = ext ? 0 : len;

	for (size_t i = 0; i < ext; i++)
		n = n << 8 | rx->head[2 + i];
	/* 5.2: the shortest form, and the highest bit is 0. */
	if ((ext == 2 && n < 126) || (ext == 8 && n < 65536))
		return "length not in its shortest form";
	if (n >> 63)
		return "length out of range";
	memcpy(rx->mask, rx->head + 2 + ext, 4);
	rx->mask_at = 0;
	rx->left = n;
	rx->op = rx->head[0] & 0x0f;
	rx->fin = rx->head[0] & 0x80;
	rx->ctl_len = 0;
	rx->payload = true;
	if (rx->op == GW_WSF_TEXT || rx->op == GW_WSF_BINARY) {
		rx->in_message = true;
		rx->binary = rx->op == GW_WSF_BINARY;
	}
	return NULL;
}

/* Takes one byte of the header. */
static const char *head_byte(struct gw_wsframe_rx *rx, uint8_t byte)
{
	const char *fault;
	uint8_t len;

	rx->head[rx->have++] = byte;
	if (rx->have < rx->need)
		return NULL;
	if (rx->need == 2) {
		fault = check_start(rx);
		if (fault)
			return fault;
		len = rx->head[1] & 0x7f;
		rx->need = len == 127 ? 14 : len == 126 ? 8 : 6;
		return NULL;
	}
	return begin_payload(rx);
}

static void unmask(struct gw_wsframe_rx *rx, uint8_t *out, const uint8_t *in,
		   size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = in[i] ^ rx->mask[(rx->mask_at + i) & 3];
	rx->mask_at = (uint8_t)((rx->mask_at + n) & 3);
	rx->left -= n;
}

static void end_frame(struct gw_wsframe_rx *rx)
{
	rx->payload = false;
	rx->have = 0;
	rx->need = 2;
}

/* Takes up to @len bytes of payload; how many.  Also when none are owed. */
static size_t take_payload(struct gw_wsframe_rx *rx, const uint8_t *in,
			   size_t len, const struct gw_wsframe_handlers *h,
			   void *arg)
{
	uint8_t piece[PIECE];
	size_t n = len < rx->left ? len : (size_t)rx->left;
	bool last;

	if (is_control(rx->op)) {
		unmask(rx, rx->ctl + rx->ctl_len, in, n);
		rx->ctl_len = (uint8_t)(rx->ctl_len + n);
		if (rx->left)
			return n;
		end_frame(rx);
		rx->closed = rx->op == GW_WSF_CLOSE;
		h->control((enum gw_wsframe_op)rx->op, rx->ctl, rx->ctl_len,
			   arg);
		return n;
	}
	if (n > sizeof(piece))
		n = sizeof(piece);
	unmask(rx, piece, in, n);
	last = !rx->left && rx->fin;
	if (!rx->left)
		end_frame(rx);
	if (last)
		rx->in_message = false;
	if (n || last)
		h->data(piece, n, last, rx->binary, rx->left, arg);
	return n;
}

int gw_wsframe_feed(struct gw_wsframe_rx *rx, const void *data, size_t len,
		    const struct gw_wsframe_handlers *h, void *arg)
{
	const uint8_t *p = data;

	while (!rx->fault && !rx->closed) {
		if (rx->payload && (len || !rx->left)) {
			size_t n = take_payload(rx, p, len, h, arg);

			p += n;
			len -= n;
		} else if (len) {
			rx->fault = head_byte(rx, *p++);
			len--;
		} else {
			return 0;
		}
	}
	return rx->fault ? -EPROTO : 0;
}

size_t gw_wsframe_head(uint8_t out[GW_WSFRAME_HEAD_MAX], enum gw_wsframe_op op,
		       uint64_t len)
{
	size_t ext = len < 126 ? 0 : len < 65536 ? 2 : 8;

	out[0] = (uint8_t)(0x80 | op);
	out[1] = ext == 0 ? (uint8_t)len : ext == 2 ? 126 : 127;
	for (size_t i = 0; i < ext; i++)
		out[2 + i] = (uint8_t)(len >> (8 * (ext - 1 - i)));
	return 2 + ext;
}

/* RFC 6455 7.4: may a peer send it?  1012 to 1014 came by registration. */
static bool may_be_sent(unsigned code)
{
	return (code >= 1000 && code <= 1003) ||
	       (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

uint16_t gw_wsframe_close_code(const uint8_t *data, size_t len, uint16_t *fail)
{
	struct gw_utf8 u;
	unsigned code;

	*fail = 0;
	if (!len)
		return 1005;
	code = len >= 2 ? data[0] * 256u + data[1] : 0;
	gw_utf8_init(&u);
	if (!may_be_sent(code))
		*fail = 1002;
	else if (!gw_utf8_feed(&u, data + 2, len - 2) || !gw_utf8_complete(&u))
		*fail = 1007;
	return (uint16_t)code;
}
