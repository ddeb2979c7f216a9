/*
 * tests/unit/media_bench.h - the media module between a browser and a phone
 *
 * One gw_media on a real loop, events kept, browsers (media_peer) stepped, a
 * phone that is two UDP sockets.  bench_until() turns the loop until a
 * condition holds; ten seconds without it fail the test.
 */
#ifndef MEDIA_BENCH_H
#define MEDIA_BENCH_H

#include "tests/unit/cm.h"

#include "gateway/base/loop.h"
#include "media/media.h"
#include "tests/unit/media_peer.h"

#define BENCH_EVENTS 4096
#define BENCH_PEERS  32

struct bench {
	struct gw_loop *loop;
	struct gw_media *media;
	struct media_peer *peer[BENCH_PEERS]; /* stepped; not owned */
	uint32_t serial;
	size_t nevent;
	struct gw_media_event event[BENCH_EVENTS];
};

/* What bench_config() asks for: full ICE, or lite. */
extern bool bench_lite;
/* What bench_reserve() asks for: ICE's controlling role. */
extern bool bench_controls;

void bench_config(struct gw_media_config *cfg);
void bench_start(struct bench *b, const struct gw_media_config *cfg);
void bench_stop(struct bench *b);

/* One turn of everything. */
void bench_step(struct bench *b);

#define bench_until(b, cond)                                                   \
	do {                                                                   \
		uint64_t until_ = gw_clock_monotonic_us(NULL) + 10000000u;     \
		while (!(cond)) {                                              \
			bench_step(b);                                         \
			if (gw_clock_monotonic_us(NULL) > until_)              \
				fail_msg("never: %s", #cond);                  \
		}                                                              \
	} while (0)

/* Turns for @ms, for what must not happen. */
void bench_turn(struct bench *b, uint32_t ms);

/* The serial of the command posted. */
uint32_t bench_post(struct bench *b, struct gw_media_cmd *cmd);
/* Posts, and waits for the event that carries its serial. */
const struct gw_media_event *bench_do(struct bench *b,
				      struct gw_media_cmd *cmd);
/* The latest event of @type for @ctx since event number @from; NULL. */
const struct gw_media_event *bench_find(const struct bench *b, gw_ctx_id ctx,
					enum gw_media_event_type type,
					size_t from);
unsigned bench_count(const struct bench *b, gw_ctx_id ctx,
		     enum gw_media_event_type type, int state);

/* Value of a metric line that begins with @line ("name{labels}"). */
int64_t bench_metric(const char *line);

/* ---- commands ---- */

/* One audio stream of PCMU and telephone-event: payload types 0 and 101 at the
 * phone, 96 and 110 at the browser. */
void bench_audio(struct gw_end *end, bool phone);
/* RESERVE of @term; the local end is in the event returned. */
const struct gw_media_event *bench_reserve(struct bench *b, gw_ctx_id ctx,
					   enum gw_term term,
					   enum gw_transport tp, int family);
void bench_gate(struct bench *b, gw_ctx_id ctx, enum gw_term term,
		enum gw_gate gate);
const struct gw_media_event *bench_release(struct bench *b, gw_ctx_id ctx);
/* CONFIGURE @term with what @p says of itself. */
const struct gw_media_event *bench_configure_peer(struct bench *b,
						  gw_ctx_id ctx,
						  enum gw_term term,
						  struct media_peer *p);

/* ---- the phone ---- */

struct phone {
	int rtp, rtcp;
	struct gw_addr rtp_addr, rtcp_addr; /* its own */
	struct gw_addr gw_rtp, gw_rtcp;     /* the gateway's */
	uint16_t seq;
	uint32_t timestamp, ssrc;
	unsigned got;
	size_t len;
	uint8_t last[2048];
};

void phone_open(struct phone *ph, const char *address);
void phone_close(struct phone *ph);
void phone_send(struct phone *ph, const void *pkt, size_t len);
/* 20 ms of PCMU; returns the payload's first byte, which differs each time. */
uint8_t phone_talk(struct phone *ph);
void phone_reports(struct phone *ph, const void *rtcp, size_t len);
/* Takes the next that has come, into @last; false: there is none. */
bool phone_take(struct phone *ph);
/* Takes what has come; true when a packet was among it. */
bool phone_hear(struct phone *ph);
const struct gw_media_event *bench_configure_phone(struct bench *b,
						   gw_ctx_id ctx,
						   enum gw_term term,
						   const struct phone *ph);

/* A call, ready and with open gates: browser at A, phone at B. */
struct bench_call {
	gw_ctx_id ctx;
	struct media_peer *peer;
	struct phone phone;
	struct gw_end local; /* the gateway towards the browser */
	uint16_t seq;        /* of the browser */
	uint32_t timestamp, ssrc;
};

void bench_call(struct bench *b, struct bench_call *c,
		const struct media_peer_options *opt);
void bench_hang_up(struct bench *b, struct bench_call *c);
/* 20 ms of audio from the browser, as plain RTP in @pkt (172 bytes). */
size_t bench_rtp(uint8_t *pkt, uint8_t pt, uint16_t seq, uint32_t ts,
		 uint32_t ssrc, uint8_t fill);
/* Audio both ways: asserts that what each says is what the other hears. */
void bench_talk(struct bench *b, struct bench_call *c);

int bench_open_fds(void);

#endif
