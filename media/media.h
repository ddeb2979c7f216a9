/*
 * media/media.h - the eIMS-AGW as the call sees it (TS 23.334 clause 8)
 *
 * A context has two terminations, A and B, each with up to GW_MAX_STREAMS
 * streams; stream i of A is relayed to stream i of B.  A third one, the spare,
 * is related to nobody until it takes the place of one of them.  Commands and events are
 * plain values: they cross to the worker thread by mailbox today, and could
 * cross to another process tomorrow.  Neither side holds a pointer of the
 * other; an unknown context id in a command is answered GONE, in an event it
 * is dropped.
 *
 * Calls: signalling thread.  Events: delivered there, never from inside a call.
 */
#ifndef GW_MEDIA_H
#define GW_MEDIA_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/loop.h"

#define GW_MAX_STREAMS    8
#define GW_MAX_CODECS     12
#define GW_MAX_CANDIDATES 16

typedef uint64_t gw_ctx_id; /* worker number in the top byte, never reused */

enum gw_term { GW_TERM_A, GW_TERM_B, GW_NTERMS, GW_TERM_SPARE = GW_NTERMS };

enum gw_transport {
	GW_TP_NONE,
	GW_TP_RTP,     /* RTP/AVP over UDP, RTCP on its own port (Mb) */
	GW_TP_DTLS,    /* DTLS-SRTP over one ICE transport (W3) */
	GW_TP_RESOURCE /* no network: the gateway is the end */
};

enum gw_resource { GW_RES_ECHO };

/* Bits: seen from the termination's peer. */
enum gw_gate {
	GW_GATE_CLOSED = 0,
	GW_GATE_IN = 1,  /* what the peer sends enters the context */
	GW_GATE_OUT = 2, /* what the other termination sent goes to the peer */
	GW_GATE_BOTH = 3
};

struct gw_codec {
	uint8_t pt;    /* in packets that we send to this end */
	uint8_t rx_pt; /* in packets that this end sends to us */
	uint8_t channels;
	uint32_t clock_hz;
	uint32_t variant; /* of parameters that make a codec another one */
	char name[16];    /* lower case: "opus", "pcmu", "telephone-event" */
};

enum gw_media_kind { GW_MEDIA_AUDIO, GW_MEDIA_VIDEO, GW_MEDIA_DATA };

/* RTCP feedback that both ends of an m-line know (RFC 4585, RFC 5104). */
enum {
	GW_MEDIA_FB_NACK = 1,
	GW_MEDIA_FB_PLI = 2,
	GW_MEDIA_FB_FIR = 4,
	GW_MEDIA_FB_REMB = 8
};

/* Header extensions that are carried on, or read (RFC 8285). */
enum gw_hdrext { GW_HDREXT_MID, GW_HDREXT_LEVEL, GW_HDREXT_CVO, GW_NHDREXTS };

/* What one end of one m-line is; filled from sdp by gateway/, never parsed
 * here.  ncodec 0: the m-line is refused, and carries nothing. */
struct gw_stream {
	uint8_t kind; /* enum gw_media_kind */
	uint8_t ncodec;
	uint8_t dscp;
	uint32_t bandwidth_bps; /* that this end takes: what is sent to it is
				   policed by it; 0 = none */
	struct gw_codec codec[GW_MAX_CODECS];
	struct gw_addr rtp, rtcp; /* GW_TP_RTP: this end's addresses */
	uint32_t ssrc; /* local end: what we send towards the peer; remote: what
			  the peer says it sends, 0 where it does not */
	uint8_t feedback;         /* GW_MEDIA_FB_, agreed with the peer */
	uint8_t ext[GW_NHDREXTS]; /* ids, agreed with the peer; 0: not used */
	char mid[33];             /* GW_TP_DTLS: what packets are marked with */
};

struct gw_candidate {
	struct gw_addr addr;
	struct gw_addr related; /* family 0: none */
	uint32_t priority;
	char foundation[33];
	uint8_t type; /* 0 host, 1 srflx, 2 prflx, 3 relay */
};

enum gw_dtls_setup { GW_DTLS_ACTPASS, GW_DTLS_ACTIVE, GW_DTLS_PASSIVE };

/* One end as it is, or shall be: "local" in events, "remote" in commands. */
struct gw_end {
	uint8_t transport; /* enum gw_transport */
	uint8_t resource;  /* enum gw_resource, for GW_TP_RESOURCE */
	uint8_t family;    /* GW_TP_RTP, RESERVE: AF_INET or AF_INET6 */
	bool newcomer;     /* GW_TP_RTP, CONFIGURE: another peer than before */
	uint8_t nstream;
	struct gw_stream stream[GW_MAX_STREAMS];

	/* GW_TP_DTLS */
	char ufrag[257], pwd[257]; /* RFC 8839 5.4 */
	bool ice_lite;
	bool controlling; /* RESERVE: the role we begin with (RFC 8445 6.1.1) */
	uint8_t ncandidate;
	struct gw_candidate candidate[GW_MAX_CANDIDATES];
	uint8_t sha256[32]; /* certificate fingerprint (RFC 8122) */
	uint8_t setup;      /* enum gw_dtls_setup: what this end shall be */
};

enum gw_media_verb {
	GW_M_RESERVE,   /* make a termination: sockets, ICE agent, certificate.
			   Answered by RESERVED with the local end.  Again:
			   adds m-lines.  A stream without codecs is refused,
			   and gets no socket.                                */
	GW_M_CONFIGURE, /* the remote end is known or changed: route, codecs,
			   start ICE and DTLS.  A changed fingerprint means a
			   new DTLS association; the same one keeps it, unless
			   under new ICE credentials the DTLS role changes or
			   the peer begins anew: GW_E_DTLS UP comes again.    */
	GW_M_GATE,      /* gate of stream (0xff: all) of a termination        */
	GW_M_RESTART,   /* new local ICE credentials (RFC 8445 9): RESERVED
			   with them; packets flow on the old pair until then */
	GW_M_KEYFRAME,  /* the peer of a termination shall send a key frame of
			   its video: by RTCP, or KEYFRAME is the answer      */
	GW_M_TAKE,      /* the spare, described by CONFIGURE, takes the place
			   of a termination, which is closed: TAKEN          */
	GW_M_DROP,      /* the spare is closed, where there is one           */
	GW_M_RELEASE    /* last word: answered by RELEASED with the counters  */
};

struct gw_media_cmd {
	uint8_t verb; /* enum gw_media_verb */
	uint8_t term; /* enum gw_term */
	uint8_t stream;
	uint8_t gate;    /* enum gw_gate */
	uint32_t serial; /* comes back in the event that completes it */
	gw_ctx_id ctx;
	char call_id[40];  /* RESERVE: for the worker's log lines */
	struct gw_end end; /* RESERVE, CONFIGURE */
};

enum gw_media_event_type {
	GW_E_RESERVED, /* end: the local end is filled in               */
	GW_E_CONFIGURED,
	GW_E_FAILED,   /* serial says which command; error is -errno    */
	GW_E_ICE,      /* ice: connected, pair changed, lost            */
	GW_E_DTLS,     /* dtls: established, or failed with why         */
	GW_E_DTMF,     /* dtmf: RFC 4733 event ended, heard at term     */
	GW_E_KEYFRAME, /* the peer of term shall send a key frame of stream,
			  and has no RTCP feedback: to be asked by signalling */
	GW_E_INACTIVE, /* TS 23.334 5.10: gate open, nothing heard; of state */
	GW_E_QUALITY,  /* stats so far, every few seconds               */
	GW_E_TAKEN,    /* events of term are the new one's from now, and none
			  is the spare's; stats: what is to be added to all
			  later counters, for new ones begin at 0  */
	GW_E_RELEASED, /* stats: final                                  */
	GW_E_GONE      /* command for a context that is not there       */
};

enum gw_ice_state { GW_ICE_CONNECTED, GW_ICE_PAIR_CHANGED, GW_ICE_FAILED };
enum gw_dtls_state {
	GW_DTLS_UP,
	GW_DTLS_BAD_FINGERPRINT,
	GW_DTLS_HANDSHAKE_FAILED,
	GW_DTLS_TIMEOUT,
	GW_DTLS_CLOSED /* close_notify from the peer */
};

/* Why a packet went no further. */
enum gw_discard {
	/* at the door */
	GW_DISCARD_CLASS,     /* nothing that belongs here (RFC 7983) */
	GW_DISCARD_SOURCE,    /* not from the ICE-validated pair */
	GW_DISCARD_STRANGER,  /* not from the signalled or locked source */
	GW_DISCARD_NO_REMOTE, /* the peer has no address yet */
	GW_DISCARD_OVERSIZED,
	GW_DISCARD_NO_KEYS, /* media before DTLS, in either direction */
	GW_DISCARD_AUTH,
	GW_DISCARD_REPLAY,
	GW_DISCARD_SSRCS,     /* more sources than SRTP keeps */
	GW_DISCARD_NO_STREAM, /* belongs to no m-line */
	GW_DISCARD_NO_ROUTE,  /* the other termination has none */
	GW_DISCARD_POLICED,   /* above what the other end takes (b=) */
	GW_DISCARD_STALE,     /* waited here while the worker was held up */
	/* in the flow */
	GW_DISCARD_MALFORMED,
	GW_DISCARD_GATED,
	GW_DISCARD_NO_CODEC,
	GW_DISCARD_EMPTY, /* nothing but padding: a keep-alive */
	GW_DISCARD_DUPLICATE,
	GW_DISCARD_TOO_OLD,
	GW_DISCARD_JUMP,
	GW_DISCARD_OLD_SOURCE, /* SSRC that another one has replaced */
	/* made, and not sent */
	GW_DISCARD_NO_PEER, /* no address, or no pair, to send to */
	GW_DISCARD_SEND,
	GW_NDISCARDS
};
const char *gw_discard_name(enum gw_discard why); /* as in the metrics */
uint64_t gw_discard_sum(const uint32_t counts[GW_NDISCARDS]);

/* One direction of one stream at one termination. */
struct gw_flow_stats {
	uint64_t packets, bytes;
	uint32_t discarded[GW_NDISCARDS]; /* what a transport discards before
					     it knows the stream is its first
					     stream's */
	uint32_t lost;                    /* RFC 3550 A.3; received side */
	uint32_t jitter_us;
};

/* What was asked for about one stream of video: by the termination's peer of
 * us, and by us of it. */
struct gw_feedback_stats {
	uint32_t nacks_in, plis_in, firs_in; /* packets of RTCP */
	uint32_t nacks_out, plis_out, firs_out;
	uint32_t told_out;       /* key frames, by GW_E_KEYFRAME */
	uint32_t resent, missed; /* packets that it asked for again; not there
				    any more */
};

struct gw_stream_stats {
	struct gw_flow_stats rx, tx; /* from and to the termination's peer */
	uint32_t remote_lost; /* what the peer's RTCP says of our stream */
	uint32_t remote_jitter_us;
	uint32_t rtt_us;                   /* 0: not known */
	uint8_t kind;                      /* enum gw_media_kind */
	struct gw_feedback_stats feedback; /* video only */
};

/* What a peer is not heard by, since a while.  Told when it changes. */
enum gw_silence {
	GW_SILENCE_RTP = 1,  /* RTCP is: on hold, or muted */
	GW_SILENCE_RTCP = 2, /* RTP is: it may have none, or stand still */
	GW_SILENCE_ALL = 3
};

struct gw_media_event {
	uint8_t type; /* enum gw_media_event_type */
	uint8_t term;
	uint8_t stream;
	uint8_t state; /* enum gw_ice_state, gw_dtls_state or gw_silence */
	uint32_t serial;
	int error;
	gw_ctx_id ctx;
	union {
		struct gw_end end;
		struct {
			uint8_t digit; /* RFC 4733 code: 0-9, 10 *, 11 #, 12-15 A-D */
			uint16_t duration_ms;
		} dtmf;
		struct gw_stream_stats stats[GW_NTERMS][GW_MAX_STREAMS];
	};
};

struct gw_media_config {
	unsigned workers;        /* 0: one a core */
	char web_address[4][46]; /* ICE host addresses; "" ends.  None: all of
				    the machine's but loopback */
	char core_address[46];   /* where IMS-side RTP sockets bind */
	char core_address6[46];  /* "" : no IPv6 on that side */
	uint16_t port_min, port_max; /* IMS-side RTP: even ports from here */
	uint16_t web_port_min, web_port_max; /* full ICE; 0: any */
	uint16_t lite_port;     /* ICE-lite: worker i takes this + i, on each of
			       web_address, one a family.  0: full ICE */
	char stun_server[64];   /* "host:port" literal, "" none */
	uint32_t learn_ms;      /* SIP side: window to learn the real source */
	uint32_t inactivity_ms; /* 0: no event */
	uint32_t consent_ms;    /* web side: what consent lasts; 0: 30 s */
	uint32_t quality_ms;    /* period of GW_E_QUALITY; 0: none */
	uint32_t tick_ms;       /* packets are taken once in so long; 0: at
				   once */
	uint64_t certificate_ms; /* new calls get a new DTLS certificate when
				    the last is so old; 0: never */
	bool prefer_x25519;      /* DTLS group order */
	bool no_split; /* ICE transports: all packets through libnice */
};

typedef void(gw_media_event_h)(const struct gw_media_event *ev, void *arg);

struct gw_media;

/*
 * First thing in main(): libnice's memory is to go back to the system when
 * calls end.  GLib's slices would keep it, and ask the environment before
 * main() whether they may: the process begins once more with that said.
 */
void gw_media_begin(char *const argv[]);

/* Starts the workers.  0 or -errno. */
int gw_media_new(struct gw_media **out, struct gw_loop *loop,
		 const struct gw_media_config *cfg, gw_media_event_h *handler,
		 void *arg);
/* Releases every context, joins the threads; no event after. */
void gw_media_free(struct gw_media *m);

/* A context id on the least loaded worker; no memory is held until RESERVE. */
gw_ctx_id gw_media_new_id(struct gw_media *m);

/* Post @cmd to the worker that owns cmd->ctx.  0, or -EAGAIN when its mailbox
 * is full (overload: refuse the call).  Never blocks.
 * What was posted, and has an answer, gets it, or FAILED or GONE, until
 * gw_media_free(): gathering has a time limit, and an answer waits for room in
 * our mailbox, so no timer is needed for it. */
int gw_media_post(struct gw_media *m, const struct gw_media_cmd *cmd);

#endif
