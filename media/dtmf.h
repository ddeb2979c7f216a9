/*
 * media/dtmf.h - telephone-events (RFC 4733): read, convert between clocks,
 * recognise digits
 *
 * Pure: no I/O, no allocation, no thread, time is an argument.
 *
 * One SSRC is one time line.  RFC 4733 2.1 puts events on the time base of the
 * audio that they interrupt, and RFC 7160 warns of two clocks under one SSRC.
 * So an event's RTP timestamp always counts in the clock of the audio, while
 * its duration field counts in the clock of the event's own payload type
 * (what Chrome expects when it has only telephone-event/8000 beside Opus: its
 * jitter buffer never changes scale for an event).  Where both clocks are
 * offered, media/flow.h picks the event payload type with the audio's clock,
 * and the two are the same.
 */
#ifndef GW_MEDIA_DTMF_H
#define GW_MEDIA_DTMF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_DTMF_PAYLOAD  4      /* bytes of one event block */
#define GW_DTMF_MAX_CODE 15     /* 0-9, *, #, A-D; above: other events */
#define GW_DTMF_SEGMENT  0xffff /* RFC 4733 2.5.1.3 */
#define GW_DTMF_LOST_US  300000 /* silence after which an event is over */

/* One event block, RFC 4733 2.3. */
struct gw_dtmf {
	uint8_t code;
	bool end;
	uint8_t volume; /* 0..63, minus dBm0 */
	uint16_t duration;
};

/* The first block of a payload; what may follow is not ours (no one sends
 * several).  0 or -EBADMSG. */
int gw_dtmf_parse(struct gw_dtmf *out, const uint8_t *payload, size_t len);
void gw_dtmf_write(uint8_t payload[GW_DTMF_PAYLOAD], const struct gw_dtmf *d);

/* An event packet with what the RTP header says of it. */
struct gw_dtmf_packet {
	struct gw_dtmf d;
	bool marker;
	bool late; /* behind the highest sequence number */
	uint32_t timestamp;
	uint32_t clock_hz;    /* of the event's payload type */
	uint32_t ts_clock_hz; /* of the audio beside it; 0: not known */
};

/*
 * One event of the source, over all its segments.  Zeroed: none.  Durations
 * are in the source's event clock, and 64 bits wide: a hostile endless event
 * cannot wrap them.
 */
struct gw_dtmf_track {
	bool known;
	bool ended;    /* an E bit was seen */
	bool reported; /* as a digit */
	uint8_t code;
	uint32_t segment_ts; /* RTP timestamp of its current segment */
	uint32_t clock_hz;
	uint64_t before;   /* duration of the segments before this one */
	uint64_t duration; /* longest total seen */
	uint64_t heard_us; /* arrival of its last packet */

	/* What we made of it; kept by gw_dtmf_convert(). */
	bool opened;         /* its first packet went out, with the M bit */
	bool closed_segment; /* 0xffff of out_segment was reported */
	uint32_t out_ts;
	uint64_t out_segment; /* number of the segment being reported */
};

/* The last two events of one source, newest first: a late packet of the one
 * before must not start a third. */
struct gw_dtmf_rx {
	struct gw_dtmf_track ev[2];
};

struct gw_dtmf_digit {
	uint8_t code;
	uint16_t duration_ms; /* 65535: that or longer */
};

/* The source changed or was not heard for a while: forget. */
void gw_dtmf_reset(struct gw_dtmf_rx *rx);

/*
 * Finds or starts the event that @p belongs to; a new one is not opened.
 * NULL: a late packet of an event no longer known; drop it.  Digits that
 * became certain are put in @digit: 0, 1 or 2 of them in *@ndigit.  An event
 * is reported exactly once: by its first end packet, or, when all of them were
 * lost, by the next event or by gw_dtmf_poll().
 */
struct gw_dtmf_track *
gw_dtmf_track(struct gw_dtmf_rx *rx, const struct gw_dtmf_packet *p,
	      uint64_t now_us, struct gw_dtmf_digit digit[2], unsigned *ndigit);

/* An event whose end never came is over after GW_DTMF_LOST_US of silence.
 * True: one digit is in *@digit. */
bool gw_dtmf_poll(struct gw_dtmf_rx *rx, uint64_t now_us,
		  struct gw_dtmf_digit *digit);

/* When gw_dtmf_poll() shall be asked; UINT64_MAX: no event is open. */
uint64_t gw_dtmf_due_us(const struct gw_dtmf_rx *rx);

/*
 * Rewrites one packet of @t for the other side: @out_clock_hz is that of its
 * event payload type, @out_ts_clock_hz that of its audio; t->out_ts holds the
 * time where the event starts there.  Gives duration, RTP timestamp and M bit.
 * One packet in, one packet out: at the end of a segment the packet that
 * crosses it reports 0xffff, and the next one opens the new segment; only an
 * end packet crosses at once, lest the E bit be lost.
 */
void gw_dtmf_convert(struct gw_dtmf_track *t, struct gw_dtmf *d,
		     uint32_t out_clock_hz, uint32_t out_ts_clock_hz,
		     uint32_t *ts, bool *marker);

#endif
