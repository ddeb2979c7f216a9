/*
 * media/context_priv.h - what the context_*.c files share
 *
 * A context is one worker's, and so is all of this.
 */
#ifndef GW_MEDIA_CONTEXT_PRIV_H
#define GW_MEDIA_CONTEXT_PRIV_H

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "media/context.h"
#include "media/discard.h"
#include "media/flow.h"
#include "media/ice.h"
#include "media/nack.h"
#include "media/rtx.h"
#include "media/srtp.h"

#define GW_CTX_MAGIC      0xc047e476
#define GW_CTX_EARLY_MAX  4 /* DTLS datagrams kept until they can be used */
#define GW_CTX_NO_STREAM  0xff
#define GW_CTX_ANY_STREAM 0xfe /* a payload type of several m-lines */
#define GW_CTX_SOURCES    16   /* of a bundle that are told apart */

/* Token bucket, in bits (TS 23.334 5.9). */
struct gw_police {
	uint32_t rate_bps; /* 0: none */
	int64_t burst;
	int64_t tokens;
	uint64_t last_us;
};

/* What is asked for about video (context_feedback.c). */
struct gw_ctx_video {
	struct gw_rtx *rtx;       /* what the peer may ask for; NULL: nothing */
	struct gw_nack *nack;     /* what it is asked for; NULL: nothing is */
	struct gw_timer missing;  /* that is to be asked for */
	uint64_t nack_us;         /* when it was asked for something last */
	struct gw_timer keyframe; /* one that is wanted, and was so just now */
	uint64_t keyframe_us;     /* when the peer was last asked; 0: never */
	uint8_t fir_seq;
	struct gw_feedback_stats stats;
};

/* One m-line at one termination. */
struct gw_ctx_stream {
	uint8_t index;
	uint8_t gate; /* enum gw_gate */
	uint8_t dscp;
	bool was_open; /* RTCP never speaks before the gate first opened */
	bool reserved;
	struct gw_term_side *term;
	struct gw_stream remote;    /* as CONFIGURE said */
	struct gw_ctx_video *video; /* NULL: none, or no memory for it */
	struct gw_rtpsock *sock;    /* GW_TP_RTP */
	struct gw_flow *to_peer; /* what the peer gets; NULL: m-line refused */
	struct gw_police police;
	uint32_t discarded[GW_NDISCARDS]; /* before a flow saw them */
	uint32_t unsent[GW_NDISCARDS];    /* made by to_peer, and not sent */
};
/* What only video has is not for each of thousands of calls. */
_Static_assert(sizeof(struct gw_ctx_stream) <= 704, "an audio call has two");

struct gw_early {
	struct gw_addr from;
	size_t len;
	uint8_t *data; /* NULL: free place */
};

/* A DTLS association of a termination (context_assoc.c). */
struct gw_assoc {
	struct gw_term_side *term;
	struct gw_dtls *dtls; /* NULL: none */
};

/* One termination. */
struct gw_term_side {
	struct gw_context *ctx;
	uint8_t side;      /* enum gw_term; GW_TERM_SPARE: of nobody yet */
	uint8_t transport; /* enum gw_transport; NONE: not reserved */
	uint8_t resource;
	bool configured;
	uint8_t nstream;
	struct gw_ctx_stream *stream[GW_MAX_STREAMS]; /* NULL: not there */

	/* GW_TP_DTLS */
	struct gw_ice *ice;
	struct gw_assoc assoc[2]; /* the one in force and its challenger */
	uint8_t in_force;         /* which */
	bool renewed;             /* new ICE credentials under its keys */
	bool unheard;             /* no packet under its keys yet */
	struct gw_timer doubt;    /* of the peer still having them */
	struct gw_srtp *srtp;     /* of the one in force */
	struct gw_end *pending;   /* RESERVED is owed: ICE gathers */
	uint32_t serial;          /* of that RESERVE */
	uint8_t sha256[32];
	struct gw_addr reply_to; /* where the last DTLS datagram came from */
	struct gw_early early[GW_CTX_EARLY_MAX];
	unsigned early_at;
	bool in_turns; /* what is in @early can be used */
	TAILQ_ENTRY(gw_term_side) turn;
	uint8_t stream_of[128]; /* payload type -> stream */
	struct {
		uint32_t ssrc;
		uint8_t stream;
	} source[GW_CTX_SOURCES]; /* where stream_of says ANY */
	uint8_t nsource, next_source;

	/* reports */
	struct gw_timer rtcp;
	bool rtcp_before;
	struct gw_timer inactive;
	uint8_t silent;       /* enum gw_silence, as INACTIVE said */
	uint64_t heard_us[2]; /* RTP, RTCP */

	struct gw_hot hot; /* of a packet that comes from here */
};

struct gw_context {
	uint32_t magic;
	gw_ctx_id id;
	char call_id[40];
	char cname[17]; /* RFC 7022: random, short-lived */
	struct gw_logctx log;
	struct gw_media_env *env;
	struct gw_dtls_ctx *dtls; /* the worker's when the call began */
	struct gw_term_side *term[GW_NTERMS];
	struct gw_term_side *spare; /* NULL: none */
	struct gw_timer quality;
	uint64_t told_news;    /* what the last QUALITY was made of */
	struct gw_timer digit; /* DTMF whose end was lost */
};

/* context.c */
void gw_context_emit(struct gw_context *ctx, struct gw_media_event *ev);
/* Our SSRCs and ports into the description of our end. */
void gw_context_fill_streams(const struct gw_term_side *t, struct gw_end *end);
/* A stream's gate, codecs or far end changed. */
void gw_context_reroute(struct gw_context *ctx);

/* What a packet needs is elsewhere now. */
void gw_context_warm(struct gw_context *ctx);

/* The termination that gets what @t sends: the other one, or @t itself when
 * the other is the echo.  The spare's is itself, behind its closed gate. */
struct gw_term_side *gw_context_dest(struct gw_term_side *t);
/* The flow that @t feeds on stream @i; NULL: it goes nowhere. */
struct gw_flow *gw_context_from(struct gw_term_side *t, unsigned i);

/* context_dtls.c: a termination towards a browser */
int gw_context_dtls_reserve(struct gw_term_side *t,
			    const struct gw_media_cmd *cmd);
int gw_context_dtls_configure(struct gw_term_side *t,
			      const struct gw_end *remote);
int gw_context_dtls_restart(struct gw_term_side *t,
			    const struct gw_media_cmd *cmd);
void gw_context_dtls_close(struct gw_term_side *t);
/* Protects in place and sends; 0 or -errno. */
int gw_context_dtls_send(struct gw_ctx_stream *st, bool rtcp, uint8_t *data,
			 size_t len, size_t cap);

/* context_bundle.c: whose packet is it? (RFC 9143 9.2) */
void gw_context_bundle_configure(struct gw_term_side *t,
				 const struct gw_end *remote);
/* Stream of a decrypted RTP packet whose payload type is of several;
 * GW_CTX_NO_STREAM. */
uint8_t gw_context_bundle_find(struct gw_term_side *t, const uint8_t *data,
			       size_t len);

/* context_assoc.c: who holds the keys */
void gw_context_assoc_init(struct gw_term_side *t);
bool gw_context_assoc_exists(const struct gw_term_side *t);
/* Does what is in force serve the peer that @remote describes?  @new_ice: its
 * ICE credentials are new.  Not with another fingerprint, or then another role
 * (RFC 8842 4). */
bool gw_context_assoc_fits(const struct gw_term_side *t,
			   const struct gw_end *remote, bool new_ice);
/* One for @remote, in place of what is there, which stays on failure. */
int gw_context_assoc_new(struct gw_term_side *t, const struct gw_end *remote);
/* It fits, under new ICE credentials. */
void gw_context_assoc_renew(struct gw_term_side *t);
/* The rest needs one that exists, but for close. */
void gw_context_assoc_start(struct gw_term_side *t);
void gw_context_assoc_in(struct gw_term_side *t, const struct gw_addr *from,
			 const uint8_t *data, size_t len);
/* A packet under the keys in force. */
void gw_context_assoc_heard(struct gw_term_side *t);
void gw_context_assoc_close(struct gw_term_side *t);

/* context_relay.c: the packet path */
void gw_context_rtp_in(struct gw_term_side *t, struct gw_ctx_stream *st,
		       uint8_t *data, size_t len, size_t cap);
/* @st NULL: a bundle's, for each of its streams. */
void gw_context_rtcp_in(struct gw_term_side *t, struct gw_ctx_stream *st,
			const uint8_t *data, size_t len);
/* A plain RTP socket's packet; the arg is the stream. */
gw_rtpsock_h gw_context_sock_packet;
void gw_context_digit_due(struct gw_timer *timer, void *arg);
int gw_context_send(struct gw_term_side *t, struct gw_ctx_stream *st, bool rtcp,
		    uint8_t *data, size_t len, size_t cap);

/* @st may be NULL. */
void gw_context_drop(struct gw_ctx_stream *st, enum gw_discard why);

/* context_feedback.c: what is asked for about video */
void gw_context_feedback_configure(struct gw_ctx_stream *st);
void gw_context_feedback_fini(struct gw_ctx_stream *st);
/* New keys at @t: what was sent is void, and its pictures begin anew. */
void gw_context_feedback_keys(struct gw_term_side *t);
/* What @st's peer asks of us. */
void gw_context_feedback_in(struct gw_ctx_stream *st,
			    const struct gw_rtcp_info *info, uint64_t now_us);
/* A packet of @st's peer, which has a nack, came. */
void gw_context_feedback_heard(struct gw_ctx_stream *st, const uint8_t *data,
			       size_t len, uint64_t now_us);
/* @st's peer would be shown a key frame. */
void gw_context_feedback_want(struct gw_ctx_stream *st);
/* @st's peer shall send one; not more often than it can. */
void gw_context_feedback_ask(struct gw_ctx_stream *st);
/* What goes with each report to @st's peer, behind @len bytes; the new
 * length. */
int gw_context_feedback_add(struct gw_ctx_stream *st, uint8_t *out, size_t size,
			    int len);

/* What an earlier report asks for, of source @media. */
struct gw_ask {
	uint32_t media;
	bool pli, fir;
	unsigned nmissing;
	struct gw_rtcp_missing missing[GW_RTCP_MAX_NACKS];
};
#define GW_CTX_FEEDBACK_MAX (48 + GW_RTCP_MAX_NACKS * 4 + 12)

/* context_report.c: RTCP, statistics, inactivity */
uint64_t gw_context_ntp(void);
void gw_context_report_init(struct gw_term_side *t);
void gw_context_report_start(struct gw_term_side *t);
void gw_context_report_stop(struct gw_term_side *t);
void gw_context_bye(struct gw_term_side *t);
/* A report at once, for the sake of @ask. */
void gw_context_report_asking(struct gw_ctx_stream *st,
			      const struct gw_ask *ask);
void gw_context_heard(struct gw_term_side *t, bool rtcp, uint64_t now_us);
void gw_context_watch_inactivity(struct gw_term_side *t);
void gw_context_quality_due(struct gw_timer *timer, void *arg);
void gw_context_stats(struct gw_context *ctx, struct gw_media_event *ev);

#endif
