#include "gateway/enrol_who.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_among(const char *uri, size_t n, const char (*list)[128])
{
	char a[GW_WEB_IDENTITY], b[GW_WEB_IDENTITY];

	if (!gw_web_identity(a, uri))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (gw_web_identity(b, list[i]) && !strcmp(a, b))
			return true;
	}
	return false;
}

/* TS 23.003 13.3: USER@REALM, and nothing that could end it in a header. */
static bool is_impi(const char *text)
{
	const char *at = strchr(text, '@');

	if (!at || at == text || !at[1] || strchr(at + 1, '@'))
		return false;
	for (; *text; text++) {
		if ((unsigned char)*text <= ' ' ||
		    (unsigned char)*text >= 0x7f || strchr("<>\"\\,;", *text))
			return false;
	}
	return true;
}

static uint16_t refuse(const char **why, const char *text)
{
	*why = text;
	return 403;
}

/* ---- tokens that say who their bearer is ---- */

/* A tel: is registered with its sip: URI, never by itself (TS 24.229
 * 5.1.1.2.1). */
static bool is_registrable(const char *uri)
{
	return !strncasecmp(uri, "sip:", 4) || !strncasecmp(uri, "sips:", 5);
}

/* The identity that the client asked for where that is one of them, else the
 * first. */
static const char *chosen(const struct gw_enrol_wish *wish)
{
	if (is_registrable(wish->id) &&
	    is_among(wish->id, wish->nimpu, wish->impu))
		return wish->id;
	for (size_t i = 0; i < wish->nimpu; i++) {
		if (is_registrable(wish->impu[i]))
			return wish->impu[i];
	}
	return NULL;
}

/* Nobody but the token knows the bearer. */
static uint16_t by_token(struct gw_enrol_who *out,
			 const struct gw_enrol_wish *wish, const char **why)
{
	const char *impu = wish->nimpu ? chosen(wish) : NULL;

	if (wish->nimpu && !impu)
		return refuse(why, "no public identity that can be registered");
	out->how = GW_ENROL_WEB;
	if (impu && !gw_web_identity(out->impu, impu))
		return refuse(why, "a public identity is none");
	/* TS 23.003 13.4B: one is made of the other. */
	if (!impu && strlen(wish->impi) + 4 >= sizeof(out->impu))
		return refuse(why, "the private identity is too long");
	if (!impu)
		(void)snprintf(out->impu, sizeof(out->impu), "sip:%.123s",
			       wish->impi);
	(void)snprintf(out->impi, sizeof(out->impi), "%s",
		       wish->impi[0] ? wish->impi : strchr(out->impu, ':') + 1);
	if (!is_impi(out->impi))
		return refuse(why, "the private identity is none");
	return 0;
}

static bool names_any(const struct gw_enrol_wish *wish)
{
	return wish->impi[0] || wish->nimpu;
}

/* ---- users without a subscriber ---- */

static bool may_lodge(const struct gw_enrol_wish *wish,
		      const struct gw_set_ims *set)
{
	for (size_t i = 0; i < set->npool_user; i++) {
		if (!fnmatch(set->pool_user[i], wish->id,
			     FNM_CASEFOLD | FNM_NOESCAPE))
			return true;
	}
	return false;
}

static uint16_t unlisted(struct gw_enrol_who *out,
			 const struct gw_enrol_wish *wish,
			 const struct gw_set_ims *set, const char **why)
{
	switch (wish->proof) {
	case GW_WEB_DIGEST:
		return refuse(why, "not a subscriber of the core");
	case GW_WEB_ANONYMOUS:
		if (!set->pool_anonymous)
			return refuse(why, "anonymous users are not taken");
		out->how = GW_ENROL_POOL;
		return 0;
	case GW_WEB_TOKEN:
		if (names_any(wish))
			return by_token(out, wish, why);
		break;
	case GW_WEB_PASSWORD:
		break;
	}
	if (may_lodge(wish, set))
		out->how = GW_ENROL_POOL;
	return 0;
}

/* ---- subscribers ---- */

/* A token may say less than the subscriber has, not something else. */
static bool is_of(const struct gw_enrol_wish *wish,
		  const struct gw_subscriber *s)
{
	if (wish->impi[0] && strcmp(wish->impi, s->impi) != 0)
		return false;
	for (size_t i = 0; i < wish->nimpu; i++) {
		if (!is_among(wish->impu[i], s->nimpu, s->impu) &&
		    !is_among(wish->impu[i], 1, &s->id))
			return false;
	}
	return true;
}

static uint16_t listed(struct gw_enrol_who *out,
		       const struct gw_enrol_wish *wish,
		       const struct gw_subscriber *s, const char **why)
{
	const char *impu = wish->nimpu ? chosen(wish) : NULL;

	/* Who logs in by a password does not log in by the core's challenge,
	 * and the other way round: one of them was not asked for. */
	if ((s->enrol == GW_ENROL_CLIENT) != (wish->proof == GW_WEB_DIGEST))
		return refuse(why, s->enrol == GW_ENROL_NONE
					   ? "not a subscriber of the core"
					   : "logs in in another way");
	if (!is_of(wish, s))
		return refuse(why, "the token is of another identity");
	out->how = (enum gw_enrol)s->enrol;
	if (s->enrol == GW_ENROL_NONE || s->enrol == GW_ENROL_POOL)
		return 0;
	memcpy(out->impi, s->impi, sizeof(out->impi));
	if (!gw_web_identity(out->impu, impu ? impu : s->impu[0]))
		return refuse(why, "a public identity is none");
	return 0;
}

uint16_t gw_enrol_decide(struct gw_enrol_who *out,
			 const struct gw_enrol_wish *wish,
			 const struct gw_subscriber *s,
			 const struct gw_set_ims *set, const char **why)
{
	memset(out, 0, sizeof(*out));
	out->how = GW_ENROL_NONE;
	return s ? listed(out, wish, s, why) : unlisted(out, wish, set, why);
}

bool gw_enrol_is_granted(const struct gw_enrol_wish *wish, size_t n,
			 const char (*impu)[128])
{
	for (size_t i = 0; i < wish->nimpu; i++) {
		if (!is_among(wish->impu[i], n, impu))
			return false;
	}
	return true;
}
