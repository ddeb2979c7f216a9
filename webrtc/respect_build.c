/*
 * Messages of ours as JSON text.  Written straight into a buffer: the shapes
 * are few and flat, and a tree would only be built to be thrown away.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "webrtc/respect_msg.h"

/* Length of the valid UTF-8 sequence at @s, or 0 (RFC 3629 4). */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || /* overlong */
	    (s[0] == 0xed && s[1] > 0x9f) || /* surrogates */
	    (s[0] == 0xf0 && s[1] < 0x90) || /* overlong */
	    (s[0] == 0xf4 && s[1] > 0x8f))   /* beyond U+10FFFF */
		return 0;
	return n;
}

static void escape(struct gw_buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		gw_buf_str(b, "\\\"");
		break;
	case '\\':
		gw_buf_str(b, "\\\\");
		break;
	case '\n':
		gw_buf_str(b, "\\n");
		break;
	case '\r':
		gw_buf_str(b, "\\r");
		break;
	case '\t':
		gw_buf_str(b, "\\t");
		break;
	default:
		gw_buf_printf(b, "\\u%04x", c);
		break;
	}
}

void gw_json_string(struct gw_buf *b, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t i = 0, from = 0, n;

	gw_buf_str(b, "\"");
	while (i < len) {
		n = utf8_len(s + i, len - i);
		if (n && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\' &&
		    s[i] != 0x7f) {
			i += n;
			continue;
		}
		gw_buf_add(b, text + from, i - from);
		if (n)
			escape(b, s[i]);
		else
			gw_buf_str(b, "\xef\xbf\xbd"); /* U+FFFD */
		from = ++i;
	}
	gw_buf_add(b, text + from, i - from);
	gw_buf_str(b, "\"");
}

static void add_key(struct gw_buf *b, const char *name)
{
	gw_buf_printf(b, "%s\"%s\":", b->len > 1 ? "," : "", name);
}

static void add_string(struct gw_buf *b, enum gw_key k, const char *value)
{
	if (!value)
		return;
	add_key(b, gw_wire_key(k));
	gw_json_string(b, value, strlen(value));
}

static void add_uint(struct gw_buf *b, enum gw_key k, bool has, uint32_t value)
{
	if (!has)
		return;
	add_key(b, gw_wire_key(k));
	gw_buf_printf(b, "%u", value);
}

static void add_list(struct gw_buf *b, enum gw_key k, const char *const *list)
{
	if (!list)
		return;
	add_key(b, gw_wire_key(k));
	gw_buf_str(b, "[");
	for (size_t i = 0; list[i]; i++) {
		gw_buf_str(b, i ? "," : "");
		gw_json_string(b, list[i], strlen(list[i]));
	}
	gw_buf_str(b, "]");
}

static void add_problem(struct gw_buf *b, const struct gw_rproblem *p)
{
	const char *title =
		p->emergency ? GW_WIRE_P_CALL_HELP : gw_wire_phrase(p->status);

	if (!p->status)
		return;
	add_key(b, gw_wire_key(GW_K_PROBLEM));
	gw_buf_str(b, "{\"" GW_WIRE_P_TYPE "\":");
	if (p->sip || p->status == 380)
		gw_buf_printf(b, "\"urn:ietf:params:sip:response:%u\"",
			      p->status);
	else
		gw_buf_str(b, "\"about:blank\"");
	gw_buf_str(b, ",\"" GW_WIRE_P_TITLE "\":");
	gw_json_string(b, title, strlen(title));
	gw_buf_printf(b, ",\"" GW_WIRE_P_STATUS "\":%u", p->status);
	if (p->detail) {
		gw_buf_str(b, ",\"" GW_WIRE_P_DETAIL "\":");
		gw_json_string(b, p->detail, strlen(p->detail));
	}
	if (p->emergency)
		gw_buf_str(b, ",\"" GW_WIRE_P_EMERGENCY "\":true");
	gw_buf_str(b, "}");
}

static void add_user_data(struct gw_buf *b, const struct gw_rout *o)
{
	if (o->user_data) {
		add_key(b, gw_wire_key(GW_K_USER_DATA));
		gw_buf_str(b, o->user_data);
		return;
	}
	if (!o->dtmf_signal)
		return;
	add_key(b, gw_wire_key(GW_K_USER_DATA));
	gw_buf_str(b, "{\"" GW_WIRE_DTMF "\":{\"" GW_WIRE_DTMF_SIGNAL "\":");
	gw_json_string(b, o->dtmf_signal, strlen(o->dtmf_signal));
	gw_buf_printf(b, ",\"" GW_WIRE_DTMF_DURATION "\":%u}}", o->dtmf_ms);
}

static void add_session(struct gw_buf *b, const struct gw_rout *o)
{
	add_string(b, GW_K_WEBRTC_ID, o->webrtc_id);
	add_string(b, GW_K_RESOURCE_ID, o->resource_id);
	add_string(b, GW_K_SESSION_ID, o->session_id);
	if (o->has_state)
		add_string(b, GW_K_SESSION_STATE, gw_wire_state(o->state));
	if (o->sdp) {
		add_key(b, gw_wire_key(o->sdp_is_offer ? GW_K_SDP_OFFER
						       : GW_K_SDP_ANSWER));
		gw_json_string(b, o->sdp, o->sdp_len);
	}
	add_string(b, GW_K_ASSERTED_ORIG_ID, o->asserted_orig);
	add_string(b, GW_K_ASSERTED_ORIG_NAME, o->asserted_orig_name);
	add_string(b, GW_K_ASSERTED_TERM_ID, o->asserted_term);
	add_string(b, GW_K_ASSERTED_TERM_NAME, o->asserted_term_name);
	if (o->call_info) {
		add_key(b, gw_wire_key(GW_K_CALL_INFO));
		gw_buf_str(b, o->call_info);
	}
	add_string(b, GW_K_TRANSFER_STATE, o->transfer_state);
	add_string(b, GW_K_CONTENT_TYPE, o->content_type);
	if (o->content) {
		add_key(b, gw_wire_key(GW_K_CONTENT));
		gw_json_string(b, o->content, o->content_len);
	}
	add_user_data(b, o);
}

/* ---- callInfo ---- */

static void add_text(struct gw_buf *b, const char *name, const char *text)
{
	if (!text[0])
		return;
	add_key(b, name);
	gw_json_string(b, text, strlen(text));
}

static void add_forwards(struct gw_buf *b, const struct gw_call_info *info)
{
	if (!info->nforward)
		return;
	add_key(b, GW_WIRE_C_FORWARDED_BY);
	gw_buf_str(b, "[");
	for (unsigned i = 0; i < info->nforward; i++) {
		const struct gw_call_forward *f = &info->forward[i];

		gw_buf_str(b, i ? ",{\"" GW_WIRE_C_URI "\":"
				: "{\"" GW_WIRE_C_URI "\":");
		if (f->uri[0])
			gw_json_string(b, f->uri, strlen(f->uri));
		else
			gw_buf_str(b, "null"); /* withheld */
		add_text(b, GW_WIRE_C_NAME, f->display);
		if (f->status)
			gw_buf_printf(b, ",\"" GW_WIRE_C_STATUS "\":%u",
				      f->status);
		gw_buf_str(b, "}");
	}
	gw_buf_str(b, "]");
}

static void add_flag(struct gw_buf *b, const char *name)
{
	add_key(b, name);
	gw_buf_str(b, "true");
}

char *gw_respect_call_info(const struct gw_call_info *info, enum gw_alert alert)
{
	struct gw_buf b;
	char *text = NULL;

	gw_buf_init(&b, 65536);
	gw_buf_str(&b, "{");
	if (info) {
		add_text(&b, GW_WIRE_C_SUBJECT, info->subject);
		add_text(&b, GW_WIRE_C_ALERT, info->alert);
		add_text(&b, GW_WIRE_C_ICON, info->icon);
		add_text(&b, GW_WIRE_C_PAGE, info->page);
		add_text(&b, GW_WIRE_C_CARD, info->card);
		add_forwards(&b, info);
		add_text(&b, GW_WIRE_C_FORWARDED_TO, info->forwarded_to);
	}
	if (alert == GW_ALERT_FORWARDED)
		add_flag(&b, GW_WIRE_C_FORWARDED);
	if (alert == GW_ALERT_QUEUED)
		add_flag(&b, GW_WIRE_C_QUEUED);
	if (b.len > 1) {
		gw_buf_str(&b, "}");
		text = gw_buf_error(&b) ? NULL : gw_buf_take(&b);
	}
	gw_buf_fini(&b);
	return text;
}

char *gw_respect_print(const struct gw_rout *o, size_t *len)
{
	struct gw_buf b;
	char *text;

	gw_buf_init(&b, GW_RESPECT_MAX_OUT);
	gw_buf_str(&b, "{");
	add_string(&b, GW_K_MESSAGE_TYPE,
		   o->response ? GW_WIRE_RESPONSE : GW_WIRE_REQUEST);
	add_string(&b, GW_K_METHOD, o->method);
	add_key(&b, gw_wire_key(GW_K_TRANSACTION_ID));
	gw_buf_printf(&b, "%llu", (unsigned long long)o->txn);
	if (o->response) {
		add_key(&b, gw_wire_key(GW_K_SUCCESS));
		gw_buf_str(&b, o->success ? "true" : "false");
	}
	add_string(&b, GW_K_AUTH_TYPE, o->auth_type);
	add_string(&b, GW_K_WWW_AUTHENTICATE, o->www_authenticate);
	add_uint(&b, GW_K_EXPIRATION, o->has_expiration, o->expiration_s);
	add_string(&b, GW_K_REAUTH_CREDENTIAL, o->reauth_credential);
	add_uint(&b, GW_K_TTL, o->has_ttl, o->ttl_s);
	add_session(&b, o);
	if (o->resources) {
		add_key(&b, gw_wire_key(GW_K_RESOURCES));
		gw_buf_str(&b, o->resources);
	}
	if (o->quality) {
		add_key(&b, gw_wire_key(GW_K_QUALITY));
		gw_buf_str(&b, o->quality);
	}
	add_problem(&b, &o->problem);
	add_uint(&b, GW_K_RETRY_AFTER, o->has_retry_after, o->retry_after_s);
	add_list(&b, GW_K_SUPPORTED, o->supported);
	add_list(&b, GW_K_UNSUPPORTED, o->unsupported);
	gw_buf_str(&b, "}");

	*len = b.len;
	text = gw_buf_error(&b) ? NULL : gw_buf_take(&b);
	gw_buf_fini(&b);
	return text;
}
