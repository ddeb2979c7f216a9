#include "webrtc/claims.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define MAX_TIME INT64_C(253402300799) /* the end of the year 9999 */

struct json_object *gw_claims_parse(const char *text, size_t len, int depth)
{
	struct json_tokener *tok = json_tokener_new_ex(depth);
	struct json_object *obj;

	if (!tok || len > INT32_MAX) {
		if (tok)
			json_tokener_free(tok);
		return NULL;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT |
					    JSON_TOKENER_VALIDATE_UTF8);
	obj = json_tokener_parse_ex(tok, text, (int)len);
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    !json_object_is_type(obj, json_type_object)) {
		json_object_put(obj);
		obj = NULL;
	}
	json_tokener_free(tok);
	return obj;
}

static const char *text_of(struct json_object *v)
{
	const char *s;

	if (!json_object_is_type(v, json_type_string))
		return NULL;
	s = json_object_get_string(v);
	return strlen(s) == (size_t)json_object_get_string_len(v) ? s : NULL;
}

const char *gw_claims_string(struct json_object *obj, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(obj, name, &v) ? text_of(v) : NULL;
}

int64_t gw_claims_time(struct json_object *obj, const char *name)
{
	struct json_object *v;
	double d;

	if (!json_object_object_get_ex(obj, name, &v))
		return GW_CLAIMS_ABSENT;
	if (!json_object_is_type(v, json_type_int) &&
	    !json_object_is_type(v, json_type_double))
		return GW_CLAIMS_BROKEN;
	d = json_object_get_double(v);
	return d >= 0 && d <= (double)MAX_TIME ? (int64_t)d : GW_CLAIMS_BROKEN;
}

bool gw_claims_audience(struct json_object *obj, const char *wanted)
{
	struct json_object *aud, *one;
	const char *s = gw_claims_string(obj, "aud");

	if (s)
		return !strcmp(s, wanted);
	if (!json_object_object_get_ex(obj, "aud", &aud) ||
	    !json_object_is_type(aud, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(aud); i++) {
		one = json_object_array_get_idx(aud, i);
		s = text_of(one);
		if (s && !strcmp(s, wanted))
			return true;
	}
	return false;
}

/* An identity goes into SIP headers later: printable, no brackets or quotes. */
static bool is_clean(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f ||
		    strchr("<>\"\\", *s))
			return false;
	return true;
}

static bool is_uri(const char *s)
{
	return (!strncasecmp(s, "sip:", 4) || !strncasecmp(s, "tel:", 4) ||
		!strncasecmp(s, "sips:", 5)) &&
	       is_clean(s);
}

static bool put(char *to, size_t size, const char *s)
{
	if (!s || !*s || strlen(s) >= size)
		return false;
	(void)snprintf(to, size, "%s", s);
	return true;
}

static bool put_impu(struct gw_jwt_claims *out, struct json_object *v)
{
	const char *s = text_of(v);

	return out->nimpu < GW_CLAIMS_IMPUS && s && is_uri(s) &&
	       put(out->impu[out->nimpu++], sizeof(out->impu[0]), s);
}

/* One string, or an array of them. */
static bool read_impus(struct gw_jwt_claims *out, struct json_object *v)
{
	if (!json_object_is_type(v, json_type_array))
		return put_impu(out, v);
	for (size_t i = 0; i < json_object_array_length(v); i++)
		if (!put_impu(out, json_object_array_get_idx(v, i)))
			return false;
	return true;
}

bool gw_claims_identity(struct json_object *obj,
			const struct gw_set_claims *set,
			struct gw_jwt_claims *out)
{
	struct json_object *v;
	const char *s, *name;

	memset(out, 0, sizeof(*out));
	/* An own claim of the wrong type must not fall back to sub. */
	name = json_object_object_get_ex(obj, set->webrtc_id, &v)
		       ? set->webrtc_id
		       : "sub";
	if (!put(out->subject, sizeof(out->subject),
		 gw_claims_string(obj, name)))
		return false;
	if (json_object_object_get_ex(obj, set->impi, &v)) {
		s = text_of(v);
		if (!s || !is_clean(s) || !put(out->impi, sizeof(out->impi), s))
			return false;
	}
	if (json_object_object_get_ex(obj, set->impus, &v) &&
	    !read_impus(out, v))
		return false;
	/* Only for people to read: what does not fit is left out. */
	(void)put(out->name, sizeof(out->name),
		  gw_claims_string(obj, set->name));
	return true;
}
