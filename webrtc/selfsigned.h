/*
 * webrtc/selfsigned.h - a certificate of our own, for a start without one
 *
 * ECDSA P-256, made once and kept in the state directory (key mode 0600).
 * Browsers warn about it: it is for laboratories and for the first minute.
 */
#ifndef GW_SELFSIGNED_H
#define GW_SELFSIGNED_H

#include <stddef.h>

struct gw_selfsigned {
	char certificate[512], key[512]; /* files, PEM */
};

/*
 * Use @dir/web-cert.pem and web-key.pem if they belong together, are good for
 * 30 more days and cover every name; else make new ones.  @names are host
 * names and literal addresses.  0, or -errno with @err filled in.
 */
int gw_selfsigned_ensure(struct gw_selfsigned *out, const char *dir,
			 const char *const *names, size_t nnames, char *err,
			 size_t err_size);

#endif
