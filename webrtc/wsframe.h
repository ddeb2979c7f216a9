/*
 * webrtc/wsframe.h - RFC 6455 framing, without a socket
 *
 * For WebSockets that are a stream of HTTP/2 (RFC 8441).  The reader takes
 * the bytes in whatever pieces they come, checks what section 5 fixes, and
 * hands payloads on unmasked; it keeps no more than one control frame.  What a
 * message may hold and how long it may be is its user's matter.
 * No allocation, no thread of its own.
 */
#ifndef GW_WSFRAME_H
#define GW_WSFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_WSFRAME_CTL_MAX  125 /* RFC 6455 5.5 */
#define GW_WSFRAME_HEAD_MAX 10  /* without a mask: what a server sends */

enum gw_wsframe_op { /* RFC 6455 11.8 */
		     GW_WSF_MORE = 0x0,
		     GW_WSF_TEXT = 0x1,
		     GW_WSF_BINARY = 0x2,
		     GW_WSF_CLOSE = 0x8,
		     GW_WSF_PING = 0x9,
		     GW_WSF_PONG = 0xa
};

struct gw_wsframe_handlers {
	/* A piece of a message.  @last: the message ends with it.  @coming:
	 * bytes that this frame still owes.  @len may be 0 when @last. */
	void (*data)(const uint8_t *data, size_t len, bool last, bool binary,
		     uint64_t coming, void *arg);
	/* A whole control frame: close, ping or pong. */
	void (*control)(enum gw_wsframe_op op, const uint8_t *data, size_t len,
			void *arg);
};

struct gw_wsframe_rx {
	uint8_t head[14], have, need; /* of the frame's header */
	uint8_t op;                   /* of the frame under way */
	bool fin, payload;            /* header complete: payload follows */
	bool in_message, binary;
	uint64_t left; /* payload bytes still owed */
	uint8_t mask[4], mask_at;
	uint8_t ctl[GW_WSFRAME_CTL_MAX], ctl_len;
	bool closed;       /* a close frame came: nothing counts after it */
	const char *fault; /* sticky; why it is 1002 */
};

void gw_wsframe_rx_init(struct gw_wsframe_rx *rx);

/* 0, or -EPROTO with rx->fault set: the WebSocket must be failed with 1002,
 * and nothing is read from then on.  Frames before the bad one have been
 * handed on. */
int gw_wsframe_feed(struct gw_wsframe_rx *rx, const void *data, size_t len,
		    const struct gw_wsframe_handlers *h, void *arg);

/* Header of a whole unmasked frame (FIN set); its length. */
size_t gw_wsframe_head(uint8_t out[GW_WSFRAME_HEAD_MAX], enum gw_wsframe_op op,
		       uint64_t len);

/*
 * The code in a close frame's payload, 1005 when there is none (RFC 6455
 * 7.1.5).  For a payload that is not allowed, what to fail the connection with
 * is in *@fail: 1002 or 1007; else 0.
 */
uint16_t gw_wsframe_close_code(const uint8_t *data, size_t len, uint16_t *fail);

#endif
