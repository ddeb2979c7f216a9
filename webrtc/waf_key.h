/*
 * webrtc/waf_key.h - what our own tokens are signed with
 *
 * One P-256 key in a file (0600) that is made at the first start; after
 * waf.key_days another takes its place, and the old one's public half is kept
 * in a file beside it (".old"), published and believed until its last tokens
 * have ended.  A key's name is its thumbprint (RFC 7638).
 * Signalling thread only.
 */
#ifndef GW_WAF_KEY_H
#define GW_WAF_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/settings.h"
#include "webrtc/jwt.h"

struct gw_waf_keys;

/* Reads, makes or replaces the key.  0, or -errno with @err filled in. */
int gw_waf_keys_new(struct gw_waf_keys **out, const struct gw_set_waf *set,
		    int64_t now_s, char *err, size_t err_size);
void gw_waf_keys_free(struct gw_waf_keys *k);

/* Is another key due, or an old one over: make them anew? */
bool gw_waf_keys_due(const struct gw_waf_keys *k, int64_t now_s);

/* Appends "header.claims.signature", ES256.  0 or -errno. */
int gw_waf_keys_sign(const struct gw_waf_keys *k, const char *claims,
		     struct gw_buf *out);
/* Appends the key set (RFC 7517). */
void gw_waf_keys_publish(const struct gw_waf_keys *k, struct gw_buf *out);
/* Those who check tokens believe these keys. */
void gw_waf_keys_trust(const struct gw_waf_keys *k, struct gw_jwt_keys *to);

#endif
