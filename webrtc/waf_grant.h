/*
 * webrtc/waf_grant.h - codes and refresh tokens that are out
 *
 *	          new              redeem               refresh
 *	 (none) ------> CODE ------------------> ACTIVE --------+
 *	                 |   verifier wrong,      |  ^          |
 *	                 |   60 s over            |  +----------+ another token
 *	                 v                        v
 *	               (gone) <------------------ code or an old refresh token
 *	                                          comes again: it was stolen
 *
 * A code works once (RFC 6749 4.1.2, 10.5), a refresh token too (RFC 9700
 * 4.14.2).  Both are an id, which is looked up, and a secret, of which only
 * the SHA-256 is kept.  Bounded; the oldest go first.  Signalling thread only.
 */
#ifndef GW_WAF_GRANT_H
#define GW_WAF_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_WAF_GRANTS      16384
#define GW_WAF_USER_GRANTS 32 /* of one user */
#define GW_WAF_CODE_S      60
#define GW_WAF_TOKEN_SIZE  48
#define GW_WAF_CHALLENGE   44 /* base64url of a SHA-256, and the NUL */

struct gw_waf_grants;

/* What was granted, to whom. */
struct gw_waf_grant {
	char user[128];
	char client[64];
	char redirect[256];
	char challenge[GW_WAF_CHALLENGE]; /* S256 (RFC 7636 4.2) */
};

int gw_waf_grants_new(struct gw_waf_grants **out); /* 0 or -ENOMEM */
void gw_waf_grants_free(struct gw_waf_grants *g);
size_t gw_waf_grants_count(const struct gw_waf_grants *g);

/* 0 or -ENOMEM */
int gw_waf_grants_code(struct gw_waf_grants *g, const struct gw_waf_grant *what,
		       int64_t now_s, char code[GW_WAF_TOKEN_SIZE]);

/* Whose @token (a code, or a refresh token) is, which is not used up by this;
 * NULL: nobody's.  Valid until the next call. */
const char *gw_waf_grants_user(struct gw_waf_grants *g, const char *token,
			       const char *client, int64_t now_s);

enum gw_waf_verdict {
	GW_WAF_GOOD,
	GW_WAF_UNKNOWN, /* never was, over, or of another client */
	GW_WAF_VERIFIER,
	GW_WAF_REPLAYED /* the whole grant is revoked */
};

/* The grant of @code, which is used up whatever comes of it; @refresh: the
 * token for later. */
enum gw_waf_verdict
gw_waf_grants_redeem(struct gw_waf_grants *g, const char *code,
		     const char *client, const char *redirect,
		     const char *verifier, int64_t now_s, uint32_t refresh_s,
		     struct gw_waf_grant *out, char refresh[GW_WAF_TOKEN_SIZE]);

/* The grant of the refresh token @old; @fresh takes its place. */
enum gw_waf_verdict gw_waf_grants_refresh(struct gw_waf_grants *g,
					  const char *old, const char *client,
					  int64_t now_s, uint32_t refresh_s,
					  struct gw_waf_grant *out,
					  char fresh[GW_WAF_TOKEN_SIZE]);

/* Does @verifier make @challenge (RFC 7636 4.6)? */
bool gw_waf_pkce_holds(const char *verifier, const char *challenge);
/* Could @challenge be one? */
bool gw_waf_challenge_valid(const char *challenge);

#endif
