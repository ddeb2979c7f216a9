/* The getinfo method: what a client may ask about the gateway and itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "webrtc/respect_priv.h"

#define MAX_INFO 65536

static void add(struct gw_buf *b, const char *text)
{
	gw_json_string(b, text, strlen(text));
}

/* W3C RTCIceServer.  Credentials are for those who authenticated. */
static void ice_servers(const struct gw_rconn *c, struct gw_buf *b)
{
	const struct gw_settings *set = c->web->set;
	char username[160], credential[GW_AUTH_TURN_CREDENTIAL];

	if (!gw_rconn_reg(c)) {
		gw_buf_str(b, "null");
		return;
	}
	gw_buf_str(b, "[");
	for (size_t i = 0; i < set->nice_server; i++) {
		const struct gw_set_ice_server *s = &set->ice_server[i];

		gw_buf_str(b, i ? ",{\"urls\":[" : "{\"urls\":[");
		add(b, s->url);
		gw_buf_str(b, "]");
		if (s->secret[0]) {
			gw_auth_turn(username, sizeof(username), credential,
				     s->secret, c->reg->id,
				     gw_clock_wall_s() + s->ttl_s);
			gw_buf_str(b, ",\"username\":");
			add(b, username);
			gw_buf_str(b, ",\"credential\":");
			add(b, credential);
		}
		gw_buf_str(b, "}");
	}
	gw_buf_str(b, "]");
}

static bool served(const struct gw_web *web, enum gw_rmethod method)
{
	switch (method) {
	case GW_RM_MESSAGE:
		return web->h.message && web->set->messages.per_minute;
	default:
		return true;
	}
}

static void capabilities(const struct gw_rconn *c, struct gw_buf *b)
{
	const struct gw_settings *set = c->web->set;

	gw_buf_str(b, "{\"methods\":[");
	for (int i = 0; i < GW_RM_APP; i++) {
		if (!served(c->web, (enum gw_rmethod)i))
			continue;
		gw_buf_str(b, i ? "," : "");
		add(b, gw_wire_method((enum gw_rmethod)i));
	}
	gw_buf_str(b, "],\"extensions\":[");
	for (size_t i = 0; gw_rconn_extensions(c->web)[i]; i++) {
		gw_buf_str(b, i ? "," : "");
		add(b, gw_rconn_extensions(c->web)[i]);
	}
	gw_buf_str(b, "],\"codecs\":[");
	for (size_t i = 0; i < set->media.ncodec; i++) {
		gw_buf_str(b, i ? "," : "");
		add(b, set->media.codec[i]);
	}
	gw_buf_printf(b,
		      "],\"limits\":{\"messageBytes\":%d,\"depth\":%d,"
		      "\"mediaSessions\":%u,\"messagesPerSecond\":%u}}",
		      GW_WS_MAX_MESSAGE, GW_RESPECT_DEPTH,
		      set->web.max_sessions, set->web.messages_per_s);
}

static void registration(const struct gw_rconn *c, struct gw_buf *b)
{
	const struct gw_reg *reg = gw_rconn_reg(c);

	if (!reg) {
		gw_buf_str(b, "null");
		return;
	}
	gw_buf_str(b, "{\"state\":\"registered\",\"webrtcId\":");
	add(b, reg->id);
	gw_buf_str(b, ",\"identities\":[");
	for (size_t i = 0; i < reg->nidentity; i++) {
		gw_buf_str(b, i ? "," : "");
		add(b, reg->identity[i]);
	}
	gw_buf_printf(b, "],\"expiration\":%u,\"disconnectionTtl\":%u}",
		      gw_reg_remaining_s(reg), reg->ttl_s);
}

static void sessions(const struct gw_rconn *c, struct gw_buf *b)
{
	if (gw_rconn_reg(c))
		gw_rleg_info(c->reg, b);
	else
		gw_buf_str(b, "null");
}

static const struct {
	const char *name;
	void (*print)(const struct gw_rconn *c, struct gw_buf *b);
} infos[] = {
	{"iceServers",     ice_servers },
	{ "capabilities",  capabilities},
	{ "registration",  registration},
	{ "mediaSessions", sessions    },
};

static void print_one(const struct gw_rconn *c, struct gw_buf *b,
		      const char *name)
{
	gw_buf_str(b, b->len > 1 ? "," : "");
	add(b, name);
	gw_buf_str(b, ":");
	for (size_t i = 0; i < GW_ARRAY_LEN(infos); i++) {
		if (!strcmp(infos[i].name, name)) {
			infos[i].print(c, b);
			return;
		}
	}
	gw_buf_str(b, "null"); /* decision: an unknown name is not an error */
}

static bool asked_before(const struct gw_rlist *list, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (!strcmp(list->item[i], list->item[at]))
			return true;
	}
	return false;
}

void gw_rinfo_request(struct gw_rconn *c, const struct gw_rmsg *m)
{
	struct gw_rout o = { .supported = gw_rconn_extensions(c->web) };
	struct gw_buf b;

	gw_buf_init(&b, MAX_INFO);
	gw_buf_str(&b, "{");
	if (gw_rmsg_has(m, GW_K_RESOURCES)) {
		for (size_t i = 0; i < m->resources.n; i++) {
			if (!asked_before(&m->resources, i))
				print_one(c, &b, m->resources.item[i]);
		}
	} else {
		for (size_t i = 0; i < GW_ARRAY_LEN(infos); i++)
			print_one(c, &b, infos[i].name);
	}
	gw_buf_str(&b, "}");
	if (gw_buf_error(&b)) {
		gw_rconn_reject(c, m, GW_RJ_LIMIT, 500,
				"the answer is too long");
	} else {
		o.resources = b.data;
		gw_rconn_accept(c, m, &o);
	}
	gw_buf_fini(&b);
}
