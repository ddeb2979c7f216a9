/*
 * sdp/session.h - what a description means to a call, and how one is built
 *
 * A struct gw_sess is a description as a plain value: m-lines in order, their
 * codecs, direction and transport, and nothing that a call does not use.  It
 * is read from SDP text, computed by the offer/answer functions, and printed
 * towards a browser (JSEP, RFC 8829) or towards IMS (TS 24.229 6.1).  What is
 * sent is always printed from such a value, never edited from peer text.
 *
 * Pure functions, no allocation but for the printed text, any thread.
 */
#ifndef GW_SDP_SESSION_H
#define GW_SDP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "sdp/sdp.h"

#define GW_SESS_MAX_STREAMS    8
#define GW_SESS_MAX_CODECS     12
#define GW_SESS_MAX_CANDIDATES 16

/* Bit 1: sends, bit 2: receives, seen from who wrote it. */
enum gw_dir {
	GW_DIR_INACTIVE = 0,
	GW_DIR_SENDONLY = 1,
	GW_DIR_RECVONLY = 2,
	GW_DIR_SENDRECV = 3
};

enum gw_kind { GW_KIND_AUDIO, GW_KIND_VIDEO, GW_KIND_DATA, GW_KIND_OTHER };

/* Feedback by RTCP that a video codec is used with (RFC 4585 4.2, RFC 5104). */
enum {
	GW_FB_NACK = 1, /* "nack": a lost packet is asked for */
	GW_FB_PLI = 2,  /* "nack pli": a key frame is */
	GW_FB_FIR = 4,  /* "ccm fir": likewise */
	GW_FB_REMB = 8, /* "goog-remb": a bound for the bit rate is told */
	GW_FB_ALL = 15
};

struct gw_sess_codec {
	uint8_t pt;
	uint8_t channels; /* 1 unless rtpmap says otherwise */
	uint32_t clock_hz;
	char name[24];  /* as IANA spells it: "opus", "PCMU" */
	char fmtp[192]; /* parameters only; "" when there is no fmtp line */
	uint8_t fb;     /* GW_FB_; video only */
};

/* Header extensions that are understood (RFC 8285); no others are agreed to. */
enum gw_sess_ext {
	GW_SESS_EXT_MID,   /* RFC 9143 15.2: which m-line; web profile */
	GW_SESS_EXT_LEVEL, /* RFC 6464: how loud; web profile */
	GW_SESS_EXT_CVO,   /* TS 26.114 7.4.5: how the camera is held */
	GW_SESS_NEXT
};
#define GW_SESS_EXT_MAX_ID 14 /* RFC 8285 4.2: of the one-byte form */
extern const char *const gw_sess_ext_uri[GW_SESS_NEXT];

struct gw_sess_candidate {
	struct gw_addr addr;
	char foundation[33];
	uint8_t component; /* 1 RTP, 2 RTCP */
	uint32_t priority;
	enum { GW_CAND_HOST, GW_CAND_SRFLX, GW_CAND_PRFLX, GW_CAND_RELAY } type;
	struct gw_addr related; /* raddr/rport; family 0: none */
};

/* RFC 4145, RFC 5763 */
enum gw_setup {
	GW_SETUP_NONE,
	GW_SETUP_ACTPASS,
	GW_SETUP_ACTIVE,
	GW_SETUP_PASSIVE,
	GW_SETUP_HOLDCONN
};

struct gw_sess_stream {
	enum gw_kind kind;
	char media[16]; /* "audio" ... as written: echoed on refused m-lines */
	char proto[32]; /* as written, likewise */
	char formats[64]; /* as written (cut), likewise */
	bool refused;     /* port 0 (not when only bundled, RFC 9143) */
	enum gw_dir dir;

	uint8_t ncodec;
	struct gw_sess_codec codec[GW_SESS_MAX_CODECS]; /* by preference */
	uint16_t ptime_ms, maxptime_ms;                 /* 0: not said */
	uint32_t bandwidth_bps;                         /* TIAS, or AS*1000 */
	uint8_t ext[GW_SESS_NEXT];                      /* ids; 0: not used */

	struct gw_addr rtp;  /* c= and m= port; family 0: none to send to (name,
				.local, group, or 0.0.0.0: hold of RFC 2543) */
	struct gw_addr rtcp; /* a=rtcp, else RTP's port + 1 */
	bool rtcp_mux;

	/* Core profile only: RTP/AVPF instead of RTP/AVP, as named, and as a
	 * possible configuration beside it (RFC 5939; TS 26.114 6.2.3): the
	 * numbers of a=pcfg and a=tcap, 0 where there is none. */
	bool avpf;
	uint8_t pcfg, tcap;

	/* Web profile only.  Session-level values are copied here. */
	char mid[33];
	bool bundled; /* in the BUNDLE group, the first of it included */
	char ufrag[257], pwd[257];
	bool ice_lite;
	uint8_t ncandidate;
	struct gw_sess_candidate candidate[GW_SESS_MAX_CANDIDATES];
	bool has_fingerprint; /* a sha-256 one; others are not usable */
	uint8_t sha256[32];
	enum gw_setup setup;
	char tls_id[256];
	char msid_stream[65], msid_track[65]; /* printed when set */
	uint32_t ssrc; /* printed with cname when not 0 */
	char cname[33];
};

struct gw_sess {
	uint64_t id, version;  /* o= */
	struct gw_addr origin; /* printed in o=; family 0: 0.0.0.0 */
	uint8_t nstream;
	struct gw_sess_stream stream[GW_SESS_MAX_STREAMS];
	bool bundle; /* a=group:BUNDLE present */
};

/* How gw_sess_read() judged a description. */
enum gw_sess_fault {
	GW_SESS_OK,
	GW_SESS_BROKEN,  /* does not parse, or contradicts itself: 400 */
	GW_SESS_UNUSABLE /* parses; no m-line that this profile can serve: 488 */
};

/*
 * Text -> value.  @web: browser rules (needs ICE, a sha-256 fingerprint and
 * rtcp-mux on each live m-line), else RTP/AVP(F) rules.  An m-line that the
 * gateway cannot serve (data, fax, unknown proto, unusable codecs) is kept in
 * place with kind, media, proto and formats; it is the answer's business to
 * refuse it.  Audio or video that this profile cannot serve has ncodec 0.
 * @err (may be NULL) is filled for anything but OK; *@out is zero when BROKEN
 * and complete, fit for an answer that refuses, when UNUSABLE.
 */
enum gw_sess_fault gw_sess_read(struct gw_sess *out, const char *text,
				size_t len, bool web, struct gw_sdp_error *err);

/* ---- direction algebra (RFC 3264 5.1, 6.1, 8.4) ---- */

enum gw_dir gw_dir_reverse(enum gw_dir d); /* as the other side sees it */
/* Legal answer to @offer by a side that wants @want. */
enum gw_dir gw_dir_answer(enum gw_dir offer, enum gw_dir want);
const char *gw_dir_name(enum gw_dir d);

/* ---- codecs ---- */

/* Same encoding: name (case-insensitive), clock and channels; for H.264 and
 * the like also the parameters that make streams incompatible. */
bool gw_codec_same(const struct gw_sess_codec *a,
		   const struct gw_sess_codec *b);
/* A number that is one for codecs that are the same: what tells those of one
 * name apart where parameters are not known. */
uint32_t gw_codec_variant(const struct gw_sess_codec *c);
bool gw_codec_is_event(const struct gw_sess_codec *c); /* telephone-event */
/* The first that carries sound or pictures (not telephone-event, CN); NULL:
 * none. */
const struct gw_sess_codec *gw_sess_main_codec(const struct gw_sess_stream *s);

/*
 * The audio codecs the gateway offers when nobody offered any, from names in
 * the configuration ("opus", "G722", "PCMU", "PCMA"): usual payload types, with
 * telephone-event at each clock in use.  Unknown names: -EINVAL.
 */
int gw_sess_default_audio(struct gw_sess_stream *out, const char *const *names,
			  unsigned count);
/*
 * An m-line of video behind what @out has, likewise: the codecs that browsers
 * share with each other and with phones.  -ENOSPC: too many m-lines.
 */
int gw_sess_default_video(struct gw_sess *out);
bool gw_codec_supported(const struct gw_sess_codec *c); /* relayed at all? */

/* ---- offer/answer between two legs, transport left blank ---- */

/*
 * The offer towards one leg that carries what @from, the other leg's offer,
 * asks for: same m-lines in the same order, supported codecs only, with
 * telephone-event/8000 added beside /48000 (and the reverse), same payload
 * types where they do not clash, direction as seen through us.  m-lines we do
 * not serve come out refused, as placeholders of audio or video.  @previous is
 * what was last offered or answered on that leg (NULL: none): its numbers of
 * payload types and header extensions are kept (RFC 3264 8.3.2, RFC 8285 6).
 * 0, or -ENOENT when no m-line is left alive.
 */
int gw_sess_relay_offer(struct gw_sess *out, const struct gw_sess *from,
			const struct gw_sess *previous);

/*
 * Before @s is offered to a browser: leaves out the codecs that no browser has
 * (AMR, EVS, G.729 ...), and refuses an m-line that has no codec left.
 * 0, or -ENOENT when no m-line is left alive.
 */
int gw_sess_for_web(struct gw_sess *s);

/*
 * The answer to @offer (of leg X), given @theirs: the other leg's answer to
 * what gw_sess_relay_offer() made of it.  Codecs: those of @offer that @theirs
 * kept, in @theirs' order of preference, with @offer's payload types (RFC 3264
 * 6.1); direction through us; one m-line each.  0, or -ENOENT when nothing is
 * left alive.
 */
int gw_sess_relay_answer(struct gw_sess *out, const struct gw_sess *offer,
			 const struct gw_sess *theirs);

/*
 * The answer to @offer that the gateway gives by itself, wanting for each
 * stream direction @want: first supported codec and its telephone-event.
 * For resource legs.  @keep (NULL: none) is the answer given last time, whose
 * codecs are kept where still offered.
 */
int gw_sess_local_answer(struct gw_sess *out, const struct gw_sess *offer,
			 enum gw_dir want, const struct gw_sess *keep);

/* Is @answer legal for @offer: m-line count and order, payload types known to
 * the offer, directions, nothing revived?  0 or -EINVAL with @err filled.  A
 * direction wider than the offer's is a slip of many phones and harmless, as
 * gw_sess_relay_answer() cuts it: 0, with @err.text saying so (else ""). */
int gw_sess_check_answer(const struct gw_sess *offer,
			 const struct gw_sess *answer,
			 struct gw_sdp_error *err);

/* What changed between two descriptions of one side, as flags. */
enum {
	GW_CHANGE_NONE = 0,
	GW_CHANGE_STREAMS = 1, /* m-line added, refused or revived */
	GW_CHANGE_CODECS = 2,
	GW_CHANGE_DIR = 4,
	GW_CHANGE_ICE = 8,   /* ufrag or pwd: a restart (RFC 8839 4.4.1.1.1) */
	GW_CHANGE_DTLS = 16, /* fingerprint, setup to/from holdconn, tls-id */
	GW_CHANGE_ADDR = 32  /* RTP or RTCP address */
};
unsigned gw_sess_changes(const struct gw_sess *before,
			 const struct gw_sess *after);
/* A refresh: same o= id and version, or no change at all (RFC 3264 8). */
bool gw_sess_is_refresh(const struct gw_sess *before,
			const struct gw_sess *after);

/* ---- printing ---- */

/* Towards a browser: UDP/TLS/RTP/SAVPF, BUNDLE, rtcp-mux, ICE, DTLS.  Nothing
 * of IMS is in it.  The caller frees; NULL: no memory or over a limit. */
char *gw_sess_print_web(const struct gw_sess *s);

/* Towards IMS: RTP/AVP, or RTP/AVPF where the peer began with it; one port
 * pair an m-line, b=AS with RS and RR.  Nothing of WebRTC is in it. */
char *gw_sess_print_core(const struct gw_sess *s);

#endif
