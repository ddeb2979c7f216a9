#include "webrtc/respect_json.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"

enum type { T_NONE, T_STRING, T_UINT, T_BOOL, T_LIST, T_OBJECT };

#define MAX_SDP   65536
#define MAX_NAME  256
#define MAX_TOKEN 8192

/* clang-format off */
/* Type and longest value of each member that we read. */
static const struct {
	enum type type;
	size_t max;
} members[GW_NKEYS] = {
	[GW_K_SUCCESS]      = { T_BOOL, 0 },
	[GW_K_PROBLEM]      = { T_OBJECT, 0 },
	[GW_K_RETRY_AFTER]  = { T_UINT, 0 },
	[GW_K_SUPPORTED]    = { T_LIST, MAX_NAME },
	[GW_K_REQUIRED]     = { T_LIST, MAX_NAME },
	[GW_K_UNSUPPORTED]  = { T_LIST, MAX_NAME },
	[GW_K_AUTH_TYPE]    = { T_STRING, 32 },
	[GW_K_WEBRTC_ID]    = { T_STRING, 127 },
	[GW_K_AUTHORIZATION] = { T_STRING, MAX_TOKEN },
	[GW_K_EXPIRATION]   = { T_UINT, 0 },
	[GW_K_TTL]          = { T_UINT, 0 },
	[GW_K_RESOURCE_ID]  = { T_STRING, MAX_NAME - 1 },
	[GW_K_SESSION_ID]   = { T_STRING, 64 },
	[GW_K_SDP_OFFER]    = { T_STRING, MAX_SDP },
	[GW_K_SDP_ANSWER]   = { T_STRING, MAX_SDP },
	[GW_K_PRE_OFFER]    = { T_STRING, MAX_SDP },
	[GW_K_SESSION_STATE] = { T_STRING, 32 },
	[GW_K_USER_DATA]    = { T_OBJECT, 0 },
	[GW_K_PREFERRED_ID] = { T_STRING, 127 },
	[GW_K_RESOURCES]    = { T_LIST, MAX_NAME },
	[GW_K_CONTENT_TYPE] = { T_STRING, 127 },
	[GW_K_CONTENT]      = { T_STRING, 65536 },
	[GW_K_REPORT]       = { T_OBJECT, 0 },
	[GW_K_CALL_INFO]    = { T_OBJECT, 0 },
	[GW_K_JOIN_ID]      = { T_STRING, 64 },
};

#define B(k) GW_KEY_BIT(GW_K_##k)
#define ANY (B(SUPPORTED) | B(REQUIRED))

/* What a request must and may have (TR 26.930 6.4.5.5.4; seed 6.3.2.6). */
static const struct {
	uint64_t must, may;
} requests[GW_NRMETHODS] = {
	[GW_RM_AUTH]    = { B(AUTH_TYPE) | B(WEBRTC_ID),
			    ANY | B(AUTHORIZATION) | B(TTL) | B(EXPIRATION) },
	[GW_RM_MSETUP]  = { B(RESOURCE_ID),
			    ANY | B(PRE_OFFER) | B(PREFERRED_ID) | B(USER_DATA) |
			    B(CALL_INFO) },
	[GW_RM_MUPDATE] = { B(SESSION_ID),
			    ANY | B(SDP_OFFER) | B(SDP_ANSWER) | B(RESOURCE_ID) |
			    B(PREFERRED_ID) | B(SESSION_STATE) | B(USER_DATA) |
			    B(PROBLEM) | B(RETRY_AFTER) },
	[GW_RM_MDISC]   = { B(SESSION_ID), ANY | B(USER_DATA) | B(PROBLEM) },
	[GW_RM_GETINFO] = { 0, ANY | B(RESOURCES) },
	[GW_RM_MESSAGE] = { B(RESOURCE_ID) | B(CONTENT),
			    ANY | B(CONTENT_TYPE) | B(PREFERRED_ID) },
	[GW_RM_QUALITY] = { B(SESSION_ID) | B(REPORT), ANY },
	[GW_RM_TRANSFER] = { B(SESSION_ID), ANY | B(RESOURCE_ID) | B(JOIN_ID) },
};

/* A response is understood by the request that it answers, so all methods
 * share one shape. */
static const uint64_t response_must = B(SUCCESS);
static const uint64_t response_may =
	ANY | B(PROBLEM) | B(RETRY_AFTER) | B(SESSION_ID) | B(SDP_ANSWER) |
	B(SESSION_STATE) | B(USER_DATA) | B(UNSUPPORTED);
/* clang-format on */

enum gw_rfault gw_rmsg_bad(struct gw_rmsg *m, unsigned status, const char *fmt,
			   ...)
{
	va_list ap;

	m->status = status;
	va_start(ap, fmt);
	(void)vsnprintf(m->detail, sizeof(m->detail), fmt, ap);
	va_end(ap);
	return GW_RF_MEMBER;
}

/* Text without an inner NUL, so that nothing is hidden behind one. */
const char *gw_rjson_text(struct json_object *v, size_t max, size_t *len)
{
	const char *s;

	if (!json_object_is_type(v, json_type_string))
		return NULL;
	s = json_object_get_string(v);
	*len = (size_t)json_object_get_string_len(v);
	return strlen(s) == *len && *len <= max ? s : NULL;
}

static bool decimal(const char *s, size_t len, uint64_t *out)
{
	uint64_t v = 0;

	if (!len || len > 20)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(s[i] - '0');

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

/* A number, or its decimal digits in a string: JavaScript's own numbers end
 * at 2^53. */
bool gw_rjson_uint64(struct json_object *v, uint64_t *out)
{
	const char *s;
	size_t len;

	if (json_object_is_type(v, json_type_int)) {
		if (json_object_get_int64(v) < 0)
			return false;
		*out = json_object_get_uint64(v);
	} else {
		s = gw_rjson_text(v, 20, &len);
		if (!s || !decimal(s, len, out))
			return false;
	}
	/* json-c stops at the largest number: what was beyond it looks like it,
	 * and must not be answered under another name. */
	return *out != UINT64_MAX;
}

static enum gw_rfault read_list(struct gw_rmsg *m, enum gw_key k,
				struct json_object *v, struct gw_rlist *out)
{
	size_t n, len;

	if (!json_object_is_type(v, json_type_array))
		return gw_rmsg_bad(m, 400, "%s must be an array of strings",
				   gw_wire_key(k));
	n = json_object_array_length(v);
	if (n > GW_RESPECT_MAX_LIST)
		return gw_rmsg_bad(m, 400, "%s has more than %d names",
				   gw_wire_key(k), GW_RESPECT_MAX_LIST);
	for (size_t i = 0; i < n; i++) {
		out->item[i] = gw_rjson_text(json_object_array_get_idx(v, i),
					     members[k].max, &len);
		if (!out->item[i])
			return gw_rmsg_bad(m, 400,
					   "%s must be an array of strings",
					   gw_wire_key(k));
	}
	out->n = n;
	return GW_RF_OK;
}

static enum gw_rfault read_digits(struct gw_rmsg *m, const char *s)
{
	size_t n = strlen(s);

	if (!n || n > GW_RESPECT_MAX_DTMF ||
	    strspn(s, "0123456789*#ABCDabcd") < n)
		return gw_rmsg_bad(m, 400,
				   "userData.dtmf: 1 to %d of 0-9 * # A-D",
				   GW_RESPECT_MAX_DTMF);
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		m->dtmf[i] = (char)(c >= 'a' ? c - 'a' + 'A' : c);
	}
	m->ndtmf = n;
	return GW_RF_OK;
}

static const char *plain_text(struct json_object *v)
{
	return json_object_to_json_string_ext(
		v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* "5", "12#", or { "signal": "5", "duration": 160 }. */
static enum gw_rfault read_user_data(struct gw_rmsg *m, struct json_object *v)
{
	struct json_object *dtmf, *part;
	const char *s;
	uint64_t ms;
	size_t len;

	dtmf = json_object_object_get(v, GW_WIRE_DTMF);
	if (json_object_object_length(v) > (dtmf ? 1 : 0))
		m->user_data = plain_text(v); /* of an application: opaque */
	if (!json_object_object_get_ex(v, GW_WIRE_DTMF, NULL))
		return GW_RF_OK;
	m->dtmf_ms = 160;
	if (json_object_is_type(dtmf, json_type_object)) {
		if (json_object_object_get_ex(dtmf, GW_WIRE_DTMF_DURATION,
					      &part)) {
			if (!gw_rjson_uint64(part, &ms) || ms < 20 ||
			    ms > 10000)
				return gw_rmsg_bad(
					m, 400,
					"userData.dtmf.duration must be 20 "
					"to 10000");
			m->dtmf_ms = (uint32_t)ms;
		}
		if (!json_object_object_get_ex(dtmf, GW_WIRE_DTMF_SIGNAL,
					       &dtmf))
			return gw_rmsg_bad(m, 400,
					   "userData.dtmf.signal is missing");
	}
	s = gw_rjson_text(dtmf, 64, &len);
	if (!s)
		return gw_rmsg_bad(m, 400,
				   "userData.dtmf must be a string of digits");
	return read_digits(m, s);
}

static void read_problem(struct gw_rmsg *m, struct json_object *v)
{
	struct json_object *part;
	uint64_t status;
	size_t len;

	/* RFC 9457 3.1: a member of the wrong type is as if it were absent. */
	if (json_object_object_get_ex(v, GW_WIRE_P_STATUS, &part) &&
	    gw_rjson_uint64(part, &status) && status >= 100 && status <= 699)
		m->problem_status = (unsigned)status;
	if (json_object_object_get_ex(v, GW_WIRE_P_DETAIL, &part))
		m->problem_detail = gw_rjson_text(part, MAX_NAME, &len);
}

static enum gw_rfault read_object(struct gw_rmsg *m, enum gw_key k,
				  struct json_object *v)
{
	if (!json_object_is_type(v, json_type_object))
		return gw_rmsg_bad(m, 400, "%s must be an object",
				   gw_wire_key(k));
	if (k == GW_K_USER_DATA)
		return read_user_data(m, v);
	if (k == GW_K_REPORT)
		return gw_rmsg_report(m, v);
	if (k == GW_K_CALL_INFO)
		return gw_rmsg_call_info(m, v);
	read_problem(m, v);
	return GW_RF_OK;
}

static enum gw_rfault read_string(struct gw_rmsg *m, enum gw_key k,
				  struct json_object *v)
{
	m->str[k] = gw_rjson_text(v, members[k].max, &m->len[k]);
	if (!m->str[k])
		return gw_rmsg_bad(m, 400,
				   "%s must be a string of at most %zu bytes",
				   gw_wire_key(k), members[k].max);
	return GW_RF_OK;
}

static enum gw_rfault read_member(struct gw_rmsg *m, enum gw_key k,
				  struct json_object *v)
{
	struct gw_rlist unused;
	uint64_t n;

	switch (members[k].type) {
	case T_STRING:
		return read_string(m, k, v);
	case T_UINT:
		if (!gw_rjson_uint64(v, &n))
			return gw_rmsg_bad(m, 400,
					   "%s must be a whole number >= 0",
					   gw_wire_key(k));
		m->num[k] = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
		return GW_RF_OK;
	case T_BOOL:
		if (!json_object_is_type(v, json_type_boolean))
			return gw_rmsg_bad(m, 400, "%s must be true or false",
					   gw_wire_key(k));
		m->success = json_object_get_boolean(v);
		return GW_RF_OK;
	case T_LIST:
		return read_list(m, k, v,
				 k == GW_K_SUPPORTED   ? &m->supported
				 : k == GW_K_REQUIRED  ? &m->required
				 : k == GW_K_RESOURCES ? &m->resources
						       : &unused);
	case T_OBJECT:
		return read_object(m, k, v);
	case T_NONE:
		break;
	}
	return GW_RF_OK;
}

static enum gw_rfault read_members(struct gw_rmsg *m,
				   struct json_object *const v[GW_NKEYS],
				   uint64_t given)
{
	uint64_t must = m->response ? response_must : requests[m->method].must;
	uint64_t may = m->response ? response_may : requests[m->method].may;
	enum gw_rfault fault;

	for (int k = 0; k < GW_NKEYS; k++) {
		if ((must & GW_KEY_BIT(k)) && !(given & GW_KEY_BIT(k)))
			return gw_rmsg_bad(m, 400, "%s is missing",
					   gw_wire_key((enum gw_key)k));
		if (!((must | may) & given & GW_KEY_BIT(k)))
			continue;
		fault = read_member(m, (enum gw_key)k, v[k]);
		if (fault)
			return fault;
		m->present |= GW_KEY_BIT(k);
	}
	return GW_RF_OK;
}

static enum gw_rfault read_method(struct gw_rmsg *m, struct json_object *v)
{
	const char *s;
	size_t len;

	s = v ? gw_rjson_text(v, GW_RESPECT_MAX_METHOD, &len) : NULL;
	if (!s || !*s)
		return gw_rmsg_bad(
			m, 400, "%s must be a string of 1 to %d bytes",
			gw_wire_key(GW_K_METHOD), GW_RESPECT_MAX_METHOD);
	memcpy(m->method_name, s, len + 1);
	m->method = gw_wire_method_find(s);
	return GW_RF_OK;
}

static enum gw_rfault read_type(struct gw_rmsg *m, struct json_object *v)
{
	const char *s;
	size_t len;

	s = v ? gw_rjson_text(v, 16, &len) : NULL;
	if (s && !strcmp(s, GW_WIRE_RESPONSE))
		m->response = true;
	else if (!s || strcmp(s, GW_WIRE_REQUEST) != 0)
		return gw_rmsg_bad(m, 400,
				   "%s must be \"" GW_WIRE_REQUEST
				   "\" or \"" GW_WIRE_RESPONSE "\"",
				   gw_wire_key(GW_K_MESSAGE_TYPE));
	return GW_RF_OK;
}

/* The known members, by key; the right name wins over an alias. */
static uint64_t sort_members(struct json_object *root,
			     struct json_object *v[GW_NKEYS])
{
	uint64_t given = 0, spelled = 0;

	json_object_object_foreach(root, name, value)
	{
		int alias, k = gw_wire_key_find(name, &alias);

		if (k < 0 || (alias && (spelled & GW_KEY_BIT(k))))
			continue;
		v[k] = value;
		given |= GW_KEY_BIT(k);
		if (!alias)
			spelled |= GW_KEY_BIT(k);
	}
	return given;
}

static enum gw_rfault read_root(struct gw_rmsg *m, struct json_object *root)
{
	struct json_object *v[GW_NKEYS] = { NULL };
	enum gw_rfault type_fault, fault;
	uint64_t given;

	if (!json_object_is_type(root, json_type_object))
		return GW_RF_NOT_OBJECT;
	given = sort_members(root, v);
	if (!v[GW_K_TRANSACTION_ID] ||
	    !gw_rjson_uint64(v[GW_K_TRANSACTION_ID], &m->txn))
		return GW_RF_NO_ID;

	/* Both are read before either is judged: the answer names the method
	 * wherever that is possible. */
	type_fault = read_type(m, v[GW_K_MESSAGE_TYPE]);
	fault = read_method(m, v[GW_K_METHOD]);
	if (type_fault)
		return gw_rmsg_bad(m, 400,
				   "%s must be \"" GW_WIRE_REQUEST
				   "\" or \"" GW_WIRE_RESPONSE "\"",
				   gw_wire_key(GW_K_MESSAGE_TYPE));
	if (fault)
		return fault;
	if (!m->response && m->method == GW_RM_UNKNOWN) {
		(void)gw_rmsg_bad(m, 405, "there is no such method");
		return GW_RF_METHOD;
	}
	if (!m->response && m->method == GW_RM_APP) {
		(void)gw_rmsg_bad(m, 501,
				  "no application here has this method");
		return GW_RF_APP_METHOD;
	}
	return read_members(m, v, given);
}

/*
 * Too deep to be parsed, but the transaction may still be answered: finds
 * "transactionId" among the outermost members of text that need not even be
 * valid JSON beyond them.
 */
static bool scan_id(const char *p, const char *end, uint64_t *id)
{
	const char *key = NULL;
	size_t depth = 0, key_len = 0;

	for (; p < end; p++) {
		if (*p == '{' || *p == '[') {
			depth++;
		} else if (*p == '}' || *p == ']') {
			depth--;
			if (!depth)
				return false;
		} else if (*p == '"') {
			key = ++p;
			while (p < end && *p != '"')
				p += *p == '\\' ? 2 : 1;
			if (p >= end)
				return false;
			key_len = (size_t)(p - key);
		} else if (*p == ':' && depth == 1 && key) {
			const char *name = gw_wire_key(GW_K_TRANSACTION_ID);
			size_t n;

			if (key_len != strlen(name) ||
			    memcmp(key, name, key_len))
				continue;
			do
				p++;
			while (p < end && (*p == ' ' || *p == '"'));
			for (n = 0; p + n < end && p[n] >= '0' && p[n] <= '9';)
				n++;
			return decimal(p, n, id);
		}
	}
	return false;
}

/*
 * json-c forgives more than RFC 8259 does, strict or not: names in single
 * quotes, NaN, raw control characters.  A message must mean the same to every
 * reader, so characters that have no place end it here.
 */
static bool strict_characters(const char *text, size_t len)
{
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (quoted) {
			if (c < 0x20)
				return false;
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (!c ||
			   !strchr("{}[]:,+-.0123456789eEtrufalsn \t\r\n", c)) {
			return false;
		}
	}
	return !quoted;
}

/* json-c does not count an innermost container that is empty. */
static bool too_deep(const char *text, size_t len, int limit)
{
	bool quoted = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!quoted && (text[i] == '}' || text[i] == ']'))
			depth--;
		if (depth > limit)
			return true;
	}
	return false;
}

/* NULL with *@err success: text behind the value. */
static struct json_object *read_json(const char *text, size_t len, int depth,
				     enum json_tokener_error *err)
{
	struct json_object *root = NULL;
	struct json_tokener *tok;

	*err = json_tokener_error_depth;
	if (too_deep(text, len, depth))
		return NULL;
	*err = json_tokener_continue;
	/* The scalar inside the innermost container is a level of its own. */
	tok = json_tokener_new_ex(depth + 1);
	if (tok) {
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT |
						    JSON_TOKENER_VALIDATE_UTF8);
		root = json_tokener_parse_ex(tok, text, (int)len);
		*err = json_tokener_get_error(tok);
		if (*err != json_tokener_success ||
		    json_tokener_get_parse_end(tok) != len) {
			json_object_put(root);
			root = NULL;
		}
		json_tokener_free(tok);
	}
	return root;
}

char *gw_respect_user_data(const char *text, size_t len)
{
	enum json_tokener_error err;
	struct json_object *root;
	char *copy = NULL;

	if (len > GW_WIRE_USER_DATA_MAX || !strict_characters(text, len))
		return NULL;
	/* It will be one level down in a message. */
	root = read_json(text, len, GW_RESPECT_DEPTH - 1, &err);
	if (json_object_is_type(root, json_type_object) &&
	    !json_object_object_get_ex(root, GW_WIRE_DTMF, NULL))
		copy = strdup(plain_text(root));
	json_object_put(root);
	return copy;
}

enum gw_rfault gw_respect_parse(struct gw_rmsg *m, const char *text, size_t len)
{
	enum json_tokener_error err;

	memset(m, 0, sizeof(*m));
	m->method = GW_RM_UNKNOWN;
	if (len > INT_MAX || !strict_characters(text, len))
		return GW_RF_NOT_JSON;
	m->root = read_json(text, len, GW_RESPECT_DEPTH, &err);
	if (err == json_tokener_error_depth) {
		if (!scan_id(text, text + len, &m->txn))
			return GW_RF_NO_ID;
		(void)gw_rmsg_bad(m, 400, "more than %d levels of nesting",
				  GW_RESPECT_DEPTH);
		return GW_RF_DEPTH;
	}
	if (!m->root)
		return GW_RF_NOT_JSON;
	return read_root(m, m->root);
}

void gw_respect_parse_end(struct gw_rmsg *m)
{
	json_object_put(m->root);
	m->root = NULL;
}
