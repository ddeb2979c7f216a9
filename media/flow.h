/*
 * media/flow.h - one direction of one stream, from one termination to another
 *
 * Takes the RTP packets of the from-end and makes of them one unbroken stream
 * under our own SSRC: whatever the source does (another SSRC, a sequence or
 * timestamp that jumps, hold, codec change), the to-end sees consecutive
 * sequence numbers, a time line that only moves on, and so a roll-over counter
 * that never slips.  No output sequence number is ever used twice, which
 * SRTP's key stream depends on.
 *
 * Header extensions that both ends agreed to are carried on, under the to-end's
 * ids; all others, and CSRCs, are of the from-end's session only.
 *
 * What stays visible: packets lost before us are a gap of the same size,
 * reordering stays reordering (up to GW_RTP_MAX_MISORDER).  What is dropped on
 * purpose (no codec for it, empty) leaves no gap.
 *
 * Two clocks under one SSRC (codec change): the time line goes on in the new
 * clock from where it is, by the time that passed ("monotonic", RFC 7160
 * 3.2.1).  Events: see media/dtmf.h.
 *
 * Owner: one media worker.  Pure: no I/O, no allocation, no thread; time is an
 * argument.  Embedded in the stream; its fields are private to flow.c.
 *
 * A termination X sees two flows: the one it feeds ("from X") and the one that
 * feeds it ("to X").  RTCP with X is about both.
 */
#ifndef GW_MEDIA_FLOW_H
#define GW_MEDIA_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/dtmf.h"
#include "media/media.h"
#include "media/rtcp.h"
#include "media/rtp.h"
#include "media/rtp_ext.h"

enum gw_flow_verdict {
	GW_FLOW_SEND,
	GW_FLOW_MALFORMED,
	GW_FLOW_GATED,    /* gate closed: hold, or not answered yet */
	GW_FLOW_NO_CODEC, /* payload type unknown, or not taken over there */
	GW_FLOW_EMPTY,    /* nothing but padding: a keep-alive */
	GW_FLOW_DUPLICATE,
	GW_FLOW_TOO_OLD,    /* behind the window, a switch or a resume */
	GW_FLOW_JUMP,       /* sequence leapt; taken if it goes on there */
	GW_FLOW_OLD_SOURCE, /* SSRC that another one has replaced */
	GW_FLOW_NVERDICTS
};

/* A source that was replaced is not heard again until its successor has been
 * silent for this long: stragglers must not switch back. */
#define GW_FLOW_SOURCE_HOLD_US 500000
/* A timestamp further ahead of the clock, or further back, is a new time
 * line, not silence or a frame out of order. */
#define GW_FLOW_TS_AHEAD_US 2000000
#define GW_FLOW_TS_BACK_US  500000

struct gw_flow_row {
	uint8_t pt; /* at the to-end; of no use for events */
	bool event;
	uint32_t clock_hz; /* of the from-end; the same at the to-end, but
			      for events */
};

/* Where source numbers land in the output. */
struct gw_flow_segment {
	bool valid;
	uint64_t floor;    /* first extended sequence number it holds for */
	int64_t seq_delta; /* output = source + delta */
	uint32_t ts_delta; /* likewise, modulo 2^32 */
	uint32_t clock_hz; /* of both time lines; 0: not mapped yet */
};

/* What each packet reads or writes comes first, and together: with a thousand
 * calls nothing of it is in the cache when it comes. */
struct gw_flow {
	/* source */
	struct gw_rtp_source src;
	bool open;
	bool has_old_ssrc;

	/* output */
	bool started;
	bool resync; /* the next packet starts a new segment ... */
	bool mark;   /* ... and carries the marker bit */

	bool audio : 1;
	bool keeps_ext : 1; /* some header extension goes on */
	uint8_t nevent;     /* events of the to-end, by clock */
	uint8_t nrow;
	uint32_t old_ssrc;
	uint32_t src_clock_hz; /* of its last ordinary packet */
	uint64_t src_heard_us;
	uint32_t ssrc;
	uint32_t step;         /* timestamp from one packet to the next */
	uint32_t anchor_ts;    /* a point of the output time line ... */
	uint32_t out_clock_hz; /* of that time line; 0: nothing sent yet */
	uint64_t anchor_us;    /* ... and when it was */
	struct gw_flow_segment cur;
	uint64_t out_highest;
	uint64_t window[2]; /* bit n: out_highest - n was used */
	uint64_t sent_us;   /* last packet */
	uint64_t rx_packets, rx_bytes;
	uint64_t tx_packets, tx_bytes, tx_octets; /* octets: payload only */
	struct gw_dtmf_rx dtmf;

	/* the map between both ends */
	struct gw_flow_row row[GW_MAX_CODECS];
	uint8_t row_of[128]; /* index + 1; 0: unknown payload type */
	struct {
		uint8_t pt;
		uint32_t clock_hz;
	} event[GW_MAX_CODECS];
	uint32_t main_clock_hz; /* of the to-end's first audio codec */
	uint8_t ext_of[GW_RTP_EXT_MAX_ID + 1]; /* from-end's id -> to-end's */

	struct gw_flow_segment prev;
	uint32_t last_sr; /* middle 32 bits of NTP; 0: none */
	uint64_t last_sr_us;
	uint32_t rx_discarded[GW_NDISCARDS];
	int64_t rx_lost_before; /* of sources that are gone */
	uint32_t switches;
	uint32_t remote_lost, remote_jitter_us, rtt_us;
};

/* Random SSRC, sequence number and timestamp; gate closed, no codec. */
void gw_flow_init(struct gw_flow *f);
/* The same with given values, for tests.  @seq below 0x8000 (RFC 3711 3.3.1:
 * an early loss must not confuse the roll-over counter). */
void gw_flow_init_with(struct gw_flow *f, uint32_t ssrc, uint16_t seq,
		       uint32_t timestamp);

uint32_t gw_flow_ssrc(const struct gw_flow *f);
bool gw_flow_is_open(const struct gw_flow *f);
/* Who feeds it, by SSRC.  False: nothing was heard yet. */
bool gw_flow_source(const struct gw_flow *f, uint32_t *ssrc);

/*
 * @from: what the from-end sends (its codecs' rx_pt); @to: what the to-end
 * takes (its codecs' pt).  Codecs meet by name, clock and channels;
 * telephone-events by name alone.  Again at any time (re-INVITE): the output
 * stream goes on.  Nothing is kept of @from and @to.
 */
void gw_flow_configure(struct gw_flow *f, const struct gw_stream *from,
		       const struct gw_stream *to);

/* The from-end is elsewhere now, by its description: who is there has replaced
 * the source, though it was heard, and replaced, before. */
void gw_flow_moved(struct gw_flow *f);

/* Open when the from-end's gate lets in and the to-end's lets out.  The first
 * packet after opening follows the last one without a gap, at the time that
 * has passed, with the marker bit. */
void gw_flow_gate(struct gw_flow *f, bool open);

/* Later than this behind the packets before it, a packet is of no use to a
 * listener: his jitter buffer has gone on. */
#define GW_FLOW_STALE_US 200000

/*
 * Has this packet waited, against the source's last one, for longer than that?
 * Asked only when the worker knows that it was held up: what the network
 * delays is for the to-end to judge.  Changes nothing.
 */
bool gw_flow_is_stale(const struct gw_flow *f, const uint8_t *data, size_t len,
		      uint64_t now_us);

/* What a packet came to, beside the verdict. */
struct gw_flow_result {
	size_t len;         /* SEND: bytes to send, in place */
	uint16_t ext_bytes; /* SEND: of header extensions in it */
	bool event;     /* a telephone-event: gw_flow_digit_due_us() is new */
	uint8_t ndigit; /* DTMF digits that ended, whatever the verdict */
	struct gw_dtmf_digit digit[2];
};

/*
 * One packet of the from-end, decrypted, in @data of @len bytes; rewritten
 * there when the verdict is SEND (then never longer than before).  Drops are
 * counted, here and in the metrics.
 */
enum gw_flow_verdict gw_flow_packet(struct gw_flow *f, uint8_t *data,
				    size_t len, uint64_t now_us,
				    struct gw_flow_result *res);

/* The packet that was just made, and is told of in @res, did not get away: it
 * is not counted as sent.  Its number stays used. */
void gw_flow_unsent(struct gw_flow *f, const struct gw_flow_result *res);

/* Digits whose end was lost: see gw_dtmf_poll(). */
bool gw_flow_poll_digit(struct gw_flow *f, uint64_t now_us,
			struct gw_dtmf_digit *digit);
uint64_t gw_flow_digit_due_us(const struct gw_flow *f);

const char *gw_flow_verdict_name(enum gw_flow_verdict v);

/* ---- RTCP with termination X ---- */

/*
 * A compound from X.  @from_x or @to_x may be NULL (stream of one direction).
 * @ntp is now, from gw_rtcp_ntp().  0, or -EBADMSG: counted, ignored.  @info
 * may be NULL; feedback for an encoder is in it.
 */
int gw_flow_rtcp_in(struct gw_flow *from_x, struct gw_flow *to_x,
		    const uint8_t *data, size_t len, uint64_t now_us,
		    uint64_t ntp, struct gw_rtcp_info *info);

/* The report for X: SR or RR, SDES, with @bye a BYE.  Length or -ENOSPC.
 * @from_x may be NULL; @to_x gives the SSRC that speaks. */
int gw_flow_rtcp_out(struct gw_flow *from_x, struct gw_flow *to_x, uint8_t *out,
		     size_t size, uint64_t now_us, uint64_t ntp,
		     const char *cname, bool bye);

/* Counters of the stream at X; either flow may be NULL. */
void gw_flow_stats(const struct gw_flow *from_x, const struct gw_flow *to_x,
		   struct gw_stream_stats *out);

#endif
