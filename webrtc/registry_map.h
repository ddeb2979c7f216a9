/*
 * webrtc/registry_map.h - from a public identity to whoever has it
 *
 * A multimap: several endpoints may be registered under one identity.  Keys
 * are compared as RFC 3261 19.1.4 and RFC 3966 4 would, as far as identities
 * need it: scheme and host without case, no visual separators, no parameters but
 * the phone-context, without which a local number means nothing (RFC 3966 5.1.5).
 * Signalling thread only.
 */
#ifndef GW_REGISTRY_MAP_H
#define GW_REGISTRY_MAP_H

#include <stdbool.h>
#include <stddef.h>

#define GW_IDENTITY_SIZE 128

/* The comparable form of @uri.  False: not a sip:, sips: or tel: URI, or too
 * long, or with characters that no URI has; @out is empty then. */
bool gw_identity_norm(char out[GW_IDENTITY_SIZE], const char *uri);
bool gw_identity_equal(const char *a, const char *b);

struct gw_idmap;
struct gw_idmap_node;

int gw_idmap_new(struct gw_idmap **out); /* 0 or -ENOMEM */
void gw_idmap_free(struct gw_idmap *m);

/* 0, -EINVAL (not an identity), -ENOMEM.  The newest comes first. */
int gw_idmap_add(struct gw_idmap *m, const char *uri, void *value);
void gw_idmap_del(struct gw_idmap *m, const char *uri, const void *value);

/* All values of @uri, newest first: begin with *@iter NULL; NULL ends.  The
 * map must not change meanwhile. */
void *gw_idmap_next(const struct gw_idmap *m, const char *uri,
		    const struct gw_idmap_node **iter);

#endif
