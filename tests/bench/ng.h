/*
 * tests/bench/ng.h - as much of rtpengine's "ng" control protocol as a bench
 * needs: a cookie, a blank, and a bencoded dictionary of strings and lists of
 * strings in one UDP datagram.
 */
#ifndef BENCH_NG_H
#define BENCH_NG_H

#include <stdbool.h>
#include <stddef.h>

#define NG_MAX 8192

struct ng_out {
	size_t len;
	char data[NG_MAX];
};

void ng_begin(struct ng_out *o, const char *cookie);
void ng_text(struct ng_out *o, const char *key, const char *value);
/* A list; @values end with NULL. */
void ng_list(struct ng_out *o, const char *key, const char *const *values);
void ng_end(struct ng_out *o);

/* The cookie of a datagram, which must end with NUL: its length; 0: none. */
size_t ng_cookie(const char *data, char *cookie, size_t size);
/* The string under @key on the first level, copied and NUL-terminated; false:
 * there is none. */
bool ng_get(const char *data, size_t len, const char *key, char *out,
	    size_t size);

/* ---- descriptions ---- */

/* The rest of the first line that begins with @prefix, from @sdp. */
bool sdp_line(const char *sdp, const char *prefix, char *out, size_t size);
/* "AB:CD:..." to bytes. */
bool sdp_hash(const char *text, unsigned char sha256[32]);
void sdp_print_hash(char out[96], const unsigned char sha256[32]);

#endif
