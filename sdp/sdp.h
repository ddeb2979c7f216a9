/*
 * sdp/sdp.h - session descriptions as text: parse and print (RFC 8866)
 *
 * Lossless: what is parsed prints back byte for byte but for line ends, which
 * become CRLF; lines of unknown type or attribute are kept in place.  Bounded
 * in every dimension.  Pure functions: no I/O, no thread, no globals.
 * What the lines mean to a call is sdp/session.h.
 */
#ifndef GW_SDP_H
#define GW_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_SDP_MAX_BYTES 65536
#define GW_SDP_MAX_LINES 2048
#define GW_SDP_MAX_LINE  8192
#define GW_SDP_MAX_MEDIA 32

/* A piece of the text that the description owns; not NUL-terminated. */
struct gw_str {
	const char *p;
	size_t len;
};

struct gw_sdp_line {
	char type;           /* 'v', 'o', 'a' ... */
	struct gw_str value; /* after "x=" */
	uint16_t number;     /* in the text, from 1 */
};

struct gw_sdp_media {
	struct gw_str media;   /* "audio" */
	uint16_t port;         /* 0: refused */
	uint16_t nports;       /* "/n", else 1 */
	struct gw_str proto;   /* "UDP/TLS/RTP/SAVPF" */
	struct gw_str formats; /* "111 0 8", as written */
	size_t first, count;   /* its lines in gw_sdp.line, m= included */
};

struct gw_sdp {
	char *text; /* owned copy that every gw_str points into */
	size_t nline;
	struct gw_sdp_line *line;
	size_t nmedia;
	struct gw_sdp_media media[GW_SDP_MAX_MEDIA];
};

/* Where and why a description was refused; for problemDetails and Warning. */
struct gw_sdp_error {
	unsigned line; /* from 1; 0: the whole */
	char text[96]; /* one sentence, safe to show to a peer */
};

/*
 * @text of @len bytes -> a new description in *@out.  0, -EINVAL (broken, @err
 * says where), -EMSGSIZE (over a limit above) or -ENOMEM.  @err may be NULL.
 */
int gw_sdp_parse(struct gw_sdp **out, const char *text, size_t len,
		 struct gw_sdp_error *err);
void gw_sdp_free(struct gw_sdp *sdp);

/* The caller frees.  NULL: no memory. */
char *gw_sdp_print(const struct gw_sdp *sdp);

/*
 * The value of the next "a=name" or "a=name:value" line of section @media
 * (-1: the session part), from line index *@iter on; 0 to begin.  False at the
 * end.  A flag attribute has an empty value.
 */
bool gw_sdp_attr(const struct gw_sdp *sdp, int media, const char *name,
		 size_t *iter, struct gw_str *value, unsigned *line);

bool gw_str_eq(struct gw_str s, const char *text);
bool gw_str_ieq(struct gw_str s, const char *text);

#endif
