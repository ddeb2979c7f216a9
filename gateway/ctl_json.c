/*
 * Values of the control socket: what an operator may say about a subscriber,
 * checked, and what is shown.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/ctl_priv.h"
#include "gateway/settings_priv.h"

static const char *const enrol_names[GW_NENROL] = {
	[GW_ENROL_NONE] = "none", [GW_ENROL_CLIENT] = "client",
	[GW_ENROL_HELD] = "held", [GW_ENROL_WEB] = "web",
	[GW_ENROL_POOL] = "pool",
};

static const char *const pool_states[] = {
	[GW_POOL_FREE] = "free",
	[GW_POOL_LEASED] = "leased",
	[GW_POOL_COOLING] = "cooling",
};

/* ---- reading ---- */

static const char *wrong(char why[GW_CTL_WHY], const char *key,
			 const char *what)
{
	(void)snprintf(why, GW_CTL_WHY, "%.60s: %s", key, what);
	return why;
}

static const char *plain_text(struct json_object *v, const char *key, char *out,
			      size_t size, char why[GW_CTL_WHY])
{
	const char *text = json_object_get_string(v);
	size_t n = (size_t)json_object_get_string_len(v);

	if (!json_object_is_type(v, json_type_string))
		return wrong(why, key, "must be a text");
	if (n >= size)
		return wrong(why, key, "is too long");
	for (size_t i = 0; i < n; i++) {
		if (iscntrl((unsigned char)text[i]))
			return wrong(why, key, "holds a control character");
	}
	memcpy(out, text, n);
	out[n] = '\0';
	return NULL;
}

const char *gw_ctl_text(struct json_object *o, const char *key, char *out,
			size_t size, char why[GW_CTL_WHY])
{
	struct json_object *v;

	out[0] = '\0';
	if (!json_object_object_get_ex(o, key, &v))
		return NULL;
	return plain_text(v, key, out, size, why);
}

const char *gw_ctl_only(struct json_object *o, const char *const *keys,
			char why[GW_CTL_WHY])
{
	json_object_object_foreach(o, name, value)
	{
		size_t i = 0;

		(void)value;
		while (keys[i] && strcmp(keys[i], name) != 0)
			i++;
		if (!keys[i])
			return wrong(why, "request",
				     "holds a member that is not known");
	}
	return NULL;
}

static const char *identity(const char *text, const char *key, char out[128],
			    char why[GW_CTL_WHY])
{
	if (gw_web_identity(out, text))
		return NULL;
	return wrong(why, key, "must be a sip:, sips: or tel: URI");
}

const char *gw_ctl_identity(struct json_object *o, const char *key,
			    char out[128], char why[GW_CTL_WHY])
{
	char text[128];
	const char *bad = gw_ctl_text(o, key, text, sizeof(text), why);

	return bad ? bad : identity(text, key, out, why);
}

/* RFC 4282 2.1, as TS 23.003 13.3 has private identities: user@realm. */
bool gw_ctl_is_impi(const char *text)
{
	const char *at = strchr(text, '@');

	return at && at > text && at[1] && !strchr(at + 1, '@') &&
	       !strpbrk(text, " \t<>\"\\");
}

static const char *hex(struct json_object *o, const char *key, uint8_t *out,
		       size_t n, char why[GW_CTL_WHY])
{
	char text[40];
	const char *bad = gw_ctl_text(o, key, text, sizeof(text), why);

	if (bad || !text[0])
		return bad;
	if (strlen(text) != 2 * n ||
	    strspn(text, "0123456789abcdefABCDEF") != 2 * n) {
		explicit_bzero(text, sizeof(text));
		return wrong(why, key,
			     "has not as many hexadecimal digits as "
			     "it must");
	}
	for (size_t i = 0; i < n; i++) {
		unsigned byte = 0;

		(void)sscanf(text + 2 * i, "%2x", &byte);
		out[i] = (uint8_t)byte;
	}
	explicit_bzero(text, sizeof(text));
	return NULL;
}

static bool has(struct json_object *o, const char *key)
{
	return json_object_object_get_ex(o, key, NULL);
}

/* A password for SIP Digest, or K and OP or OPc for AKA. */
static const char *secret(struct json_object *o, struct gw_ims_secret *out,
			  char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "password", "k",   "op", "opc",
					    "amf",      "sqn", NULL };
	const char *bad;

	if (!json_object_is_type(o, json_type_object))
		return wrong(why, "secret", "must be an object");
	out->aka = has(o, "k");
	out->opc = has(o, "opc");
	if (out->aka ? has(o, "password") || has(o, "op") == has(o, "opc")
		     : !has(o, "password") || has(o, "op") || has(o, "opc"))
		return wrong(why, "secret",
			     "is a password, or k with either op or opc");
	out->amf[0] = 0x80; /* TS 33.102 annex H: the separation bit */
	bad = gw_ctl_only(o, keys, why);
	if (!bad)
		bad = gw_ctl_text(o, "password", out->password,
				  sizeof(out->password), why);
	if (!bad)
		bad = hex(o, "k", out->k, sizeof(out->k), why);
	if (!bad)
		bad = hex(o, out->opc ? "opc" : "op", out->op, sizeof(out->op),
			  why);
	if (!bad)
		bad = hex(o, "amf", out->amf, sizeof(out->amf), why);
	return bad ? bad : hex(o, "sqn", out->sqn, sizeof(out->sqn), why);
}

static const char *impus(struct json_object *list, struct gw_subscriber *out,
			 char why[GW_CTL_WHY])
{
	size_t n;

	if (!json_object_is_type(list, json_type_array))
		return wrong(why, "impus", "must be a list");
	n = json_object_array_length(list);
	if (n > GW_STORE_IMPUS)
		return wrong(why, "impus", "are 8 at most");
	for (size_t i = 0; i < n; i++) {
		char text[128];
		const char *bad = plain_text(json_object_array_get_idx(list, i),
					     "impus", text, sizeof(text), why);

		if (!bad)
			bad = identity(text, "impus", out->impu[i], why);
		for (size_t k = 0; !bad && k < i; k++) {
			if (!strcmp(out->impu[k], out->impu[i]))
				bad = wrong(why, "impus", "one is there twice");
		}
		if (bad)
			return bad;
	}
	out->nimpu = (uint8_t)n;
	return NULL;
}

static const char *enrol(struct json_object *o, struct gw_subscriber *out,
			 char why[GW_CTL_WHY])
{
	char text[16];
	const char *bad = gw_ctl_text(o, "enrol", text, sizeof(text), why);

	if (bad || !text[0])
		return bad;
	for (uint8_t i = 0; i < GW_NENROL; i++) {
		if (!strcmp(text, enrol_names[i])) {
			out->enrol = i;
			return NULL;
		}
	}
	return wrong(why, "enrol", "must be none, client, held, web or pool");
}

/* What one member alone does not show. */
static const char *together(const struct gw_subscriber *s, bool has_secret,
			    char why[GW_CTL_WHY])
{
	bool own = s->enrol == GW_ENROL_CLIENT || s->enrol == GW_ENROL_HELD ||
		   s->enrol == GW_ENROL_WEB;

	if (s->impi[0] && !gw_ctl_is_impi(s->impi))
		return wrong(why, "impi", "must be USER@REALM");
	if (own && (!s->impi[0] || !s->nimpu))
		return wrong(why, "enrol",
			     "client, held and web need an impi and an impu");
	if ((s->enrol == GW_ENROL_HELD) != has_secret)
		return wrong(why, "secret",
			     "goes with enrol held, and only "
			     "with it");
	return s->password[0] ? gw_settings_check_hash(s->password) : NULL;
}

const char *gw_ctl_subscriber(struct json_object *o, struct gw_subscriber *out,
			      char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "id",    "subject", "password",
					    "name",  "enrol",   "impi",
					    "impus", "secret",  NULL };
	struct json_object *v;
	const char *bad;

	memset(out, 0, sizeof(*out));
	bad = gw_ctl_only(o, keys, why);
	if (!bad)
		bad = gw_ctl_identity(o, "id", out->id, why);
	if (!bad)
		bad = gw_ctl_text(o, "subject", out->subject,
				  sizeof(out->subject), why);
	if (!bad)
		bad = gw_ctl_text(o, "password", out->password,
				  sizeof(out->password), why);
	if (!bad)
		bad = gw_ctl_text(o, "name", out->name, sizeof(out->name), why);
	if (!bad)
		bad = enrol(o, out, why);
	if (!bad)
		bad = gw_ctl_text(o, "impi", out->impi, sizeof(out->impi), why);
	if (!bad && json_object_object_get_ex(o, "impus", &v))
		bad = impus(v, out, why);
	if (!bad && json_object_object_get_ex(o, "secret", &v))
		bad = secret(v, &out->secret, why);
	return bad ? bad : together(out, has(o, "secret"), why);
}

/* ---- showing ---- */

static void add(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_list(struct json_object *o, const char *key,
		     const char (*text)[128], size_t n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, json_object_new_string(text[i]));
	json_object_object_add(o, key, list);
}

struct json_object *gw_ctl_show_subscriber(const struct gw_subscriber *s)
{
	struct json_object *o = json_object_new_object();

	add(o, "id", s->id);
	if (s->name[0])
		add(o, "name", s->name);
	if (s->subject[0])
		add(o, "subject", s->subject);
	json_object_object_add(o, "password",
			       json_object_new_boolean(s->password[0] != '\0'));
	add(o, "enrol", s->enrol < GW_NENROL ? enrol_names[s->enrol] : "none");
	if (s->impi[0])
		add(o, "impi", s->impi);
	add_list(o, "impus", s->impu, s->nimpu);
	if (s->enrol == GW_ENROL_HELD)
		add(o, "credentials",
		    s->secret.aka ? (s->secret.opc ? "aka-opc" : "aka-op")
				  : "digest");
	return o;
}

struct json_object *gw_ctl_show_pool(const struct gw_pool_entry *e)
{
	struct json_object *o = json_object_new_object();

	assert(e->state < GW_ARRAY_LEN(pool_states));
	add(o, "impi", e->impi);
	add(o, "impu", e->impu);
	add(o, "state", pool_states[e->state]);
	if (e->state == GW_POOL_LEASED)
		add(o, "holder", e->holder);
	if (e->state == GW_POOL_COOLING)
		json_object_object_add(o, "until",
				       json_object_new_int64(e->until_s));
	return o;
}

struct json_object *gw_ctl_show_reg(const struct gw_web_reg *r)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "endpoint",
			       json_object_new_uint64(r->serial));
	add(o, "id", r->id);
	if (r->name[0])
		add(o, "name", r->name);
	add(o, "state",
	    r->connected ? "connected"
	    : r->awaited ? "awaited"
			 : "suspended");
	json_object_object_add(o, "expires_s",
			       json_object_new_int64(r->remaining_s));
	json_object_object_add(o, "sessions",
			       json_object_new_int64(r->sessions));
	add_list(o, "identities", r->identity, r->nidentity);
	return o;
}
