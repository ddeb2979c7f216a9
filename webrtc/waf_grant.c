#include "webrtc/waf_grant.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "gateway/base/ids.h"

#define NBUCKET      1024
#define ID_CHARS     22
#define SECRET_CHARS 22 /* 131 bits */
#define BASE64URL                                                              \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

struct entry {
	TAILQ_ENTRY(entry) age; /* oldest first */
	LIST_ENTRY(entry) bucket;
	struct gw_waf_grant what;
	char id[ID_CHARS + 1];
	bool active; /* false: its code is out */
	int64_t until_s;
	unsigned char secret[SHA256_DIGEST_LENGTH]; /* of code or refresh */
};

LIST_HEAD(bucket, entry);

struct gw_waf_grants {
	size_t n;
	TAILQ_HEAD(entries, entry) all;
	struct bucket bucket[NBUCKET];
};

int gw_waf_grants_new(struct gw_waf_grants **out)
{
	struct gw_waf_grants *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	TAILQ_INIT(&g->all);
	for (size_t i = 0; i < NBUCKET; i++)
		LIST_INIT(&g->bucket[i]);
	*out = g;
	return 0;
}

static void drop(struct gw_waf_grants *g, struct entry *e)
{
	TAILQ_REMOVE(&g->all, e, age);
	LIST_REMOVE(e, bucket);
	g->n--;
	explicit_bzero(e, sizeof(*e));
	free(e);
}

void gw_waf_grants_free(struct gw_waf_grants *g)
{
	if (!g)
		return;
	while (!TAILQ_EMPTY(&g->all))
		drop(g, TAILQ_FIRST(&g->all));
	free(g);
}

size_t gw_waf_grants_count(const struct gw_waf_grants *g)
{
	return g->n;
}

/* Ids are random: their first characters are as good as a hash. */
static struct bucket *bucket_of(struct gw_waf_grants *g, const char *id)
{
	unsigned h = 0;

	for (int i = 0; i < 4; i++)
		h = h * 61 + (unsigned char)id[i];
	return &g->bucket[h % NBUCKET];
}

/* What is over, and what would be too many. */
static void make_room(struct gw_waf_grants *g, const char *user, int64_t now_s)
{
	struct entry *e, *next, *oldest = NULL;
	size_t own = 0;

	for (e = TAILQ_FIRST(&g->all); e; e = next) {
		next = TAILQ_NEXT(e, age);
		if (e->until_s <= now_s) {
			drop(g, e);
		} else if (!strcmp(e->what.user, user)) {
			own++;
			oldest = oldest ? oldest : e;
		}
	}
	if (own >= GW_WAF_USER_GRANTS)
		drop(g, oldest);
	else if (g->n >= GW_WAF_GRANTS)
		drop(g, TAILQ_FIRST(&g->all));
}

/* A new secret of @e: "id" and "secret" in one word. */
static void renew(struct entry *e, char token[GW_WAF_TOKEN_SIZE])
{
	memcpy(token, e->id, ID_CHARS);
	gw_random_token(token + ID_CHARS, SECRET_CHARS + 1, SECRET_CHARS);
	SHA256((const unsigned char *)token + ID_CHARS, SECRET_CHARS,
	       e->secret);
}

int gw_waf_grants_code(struct gw_waf_grants *g, const struct gw_waf_grant *what,
		       int64_t now_s, char code[GW_WAF_TOKEN_SIZE])
{
	struct entry *e;

	make_room(g, what->user, now_s);
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->what = *what;
	e->until_s = now_s + GW_WAF_CODE_S;
	gw_random_token(e->id, sizeof(e->id), ID_CHARS);
	renew(e, code);
	TAILQ_INSERT_TAIL(&g->all, e, age);
	LIST_INSERT_HEAD(bucket_of(g, e->id), e, bucket);
	g->n++;
	return 0;
}

static struct entry *find(struct gw_waf_grants *g, const char *token,
			  const char *client, int64_t now_s)
{
	struct entry *e;

	if (strlen(token) != ID_CHARS + SECRET_CHARS)
		return NULL;
	LIST_FOREACH(e, bucket_of(g, token), bucket)
	{
		if (memcmp(e->id, token, ID_CHARS) != 0)
			continue;
		if (e->until_s <= now_s || strcmp(e->what.client, client) != 0)
			return NULL;
		return e;
	}
	return NULL;
}

const char *gw_waf_grants_user(struct gw_waf_grants *g, const char *token,
			       const char *client, int64_t now_s)
{
	struct entry *e = find(g, token, client, now_s);

	return e ? e->what.user : NULL;
}

static bool secret_holds(const struct entry *e, const char *token)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)token + ID_CHARS, SECRET_CHARS, hash);
	return !CRYPTO_memcmp(hash, e->secret, sizeof(hash));
}

bool gw_waf_challenge_valid(const char *challenge)
{
	return strlen(challenge) == GW_WAF_CHALLENGE - 1 &&
	       strspn(challenge, BASE64URL) == GW_WAF_CHALLENGE - 1;
}

bool gw_waf_pkce_holds(const char *verifier, const char *challenge)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	char text[GW_WAF_CHALLENGE];
	size_t len = strlen(verifier);

	/* RFC 7636 4.1 */
	if (len < 43 || len > 128 || strspn(verifier, BASE64URL ".~") != len)
		return false;
	SHA256((const unsigned char *)verifier, len, hash);
	gw_base64url_encode(text, hash, sizeof(hash));
	return strlen(challenge) == sizeof(text) - 1 &&
	       !CRYPTO_memcmp(text, challenge, sizeof(text) - 1);
}

enum gw_waf_verdict
gw_waf_grants_redeem(struct gw_waf_grants *g, const char *code,
		     const char *client, const char *redirect,
		     const char *verifier, int64_t now_s, uint32_t refresh_s,
		     struct gw_waf_grant *out, char refresh[GW_WAF_TOKEN_SIZE])
{
	struct entry *e = find(g, code, client, now_s);

	if (!e)
		return GW_WAF_UNKNOWN;
	if (e->active) { /* RFC 6749 4.1.2: what came of it is revoked */
		drop(g, e);
		return GW_WAF_REPLAYED;
	}
	if (!secret_holds(e, code) || strcmp(e->what.redirect, redirect) != 0) {
		drop(g, e);
		return GW_WAF_UNKNOWN;
	}
	if (!gw_waf_pkce_holds(verifier, e->what.challenge)) {
		drop(g, e);
		return GW_WAF_VERIFIER;
	}
	e->active = true;
	e->until_s = now_s + refresh_s;
	renew(e, refresh);
	*out = e->what;
	return GW_WAF_GOOD;
}

enum gw_waf_verdict gw_waf_grants_refresh(struct gw_waf_grants *g,
					  const char *old, const char *client,
					  int64_t now_s, uint32_t refresh_s,
					  struct gw_waf_grant *out,
					  char fresh[GW_WAF_TOKEN_SIZE])
{
	struct entry *e = find(g, old, client, now_s);

	if (!e || !e->active)
		return GW_WAF_UNKNOWN;
	if (!secret_holds(e, old)) {
		drop(g, e);
		return GW_WAF_REPLAYED;
	}
	e->until_s = now_s + refresh_s;
	renew(e, fresh);
	TAILQ_REMOVE(&g->all, e, age);
	TAILQ_INSERT_TAIL(&g->all, e, age);
	*out = e->what;
	return GW_WAF_GOOD;
}
