#include "webrtc/web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "webrtc/respect_priv.h"

#define WEB_MAGIC 0x57454231u

static const struct gw_logctx weblog = { .module = "web", .id = NULL };

/* ---- what the server tells ---- */

static void on_opened(struct gw_ws_conn *ws, void *arg)
{
	struct gw_web *web = arg;

	GW_CHECK(web, WEB_MAGIC);
	if (web->ending)
		gw_ws_close(ws, GW_WS_GOING_AWAY, "shutting down");
	else
		gw_rconn_opened(web, ws);
}

static void on_message(struct gw_ws_conn *ws, const char *text, size_t len,
		       void *arg)
{
	struct gw_rconn *c = gw_ws_user(ws);

	(void)arg;
	if (c)
		gw_rconn_message(c, text, len);
}

static void on_closed(struct gw_ws_conn *ws, uint16_t code, void *arg)
{
	struct gw_rconn *c = gw_ws_user(ws);

	(void)arg;
	if (c) /* NULL: there was no memory for it */
		gw_rconn_closed(c, code);
}

static unsigned on_admin(const char *path, struct gw_buf *body,
			 const char **content_type, void *arg)
{
	struct gw_web *web = arg;

	GW_CHECK(web, WEB_MAGIC);
	if (!web->h.admin || web->ending)
		return 404;
	return web->h.admin(path, body, content_type, web->h.arg);
}

/* ---- what the WAF asks ---- */

static bool on_app_has(const char *path, void *arg)
{
	struct gw_web *web = arg;

	GW_CHECK(web, WEB_MAGIC);
	return !web->ending && gw_waf_has(web->waf, path);
}

static enum gw_ws_app_result on_app(struct gw_ws_app *a, void *arg)
{
	struct gw_web *web = arg;

	GW_CHECK(web, WEB_MAGIC);
	return gw_waf_request(web->waf, a);
}

static const struct gw_set_user *on_waf_user(const char *uri, void *arg)
{
	struct gw_web *web = arg;

	GW_CHECK(web, WEB_MAGIC);
	return gw_rauth_user(web, uri);
}

static int on_waf_ask(uint64_t *ask, const char *uri, void *arg)
{
	struct gw_web *web = arg;
	char norm[GW_IDENTITY_SIZE];

	GW_CHECK(web, WEB_MAGIC);
	if (!web->h.user || !gw_identity_norm(norm, uri))
		return -ENOENT;
	*ask = ++web->last_ask;
	return web->h.user(*ask, norm, web->h.arg);
}

static void on_waf_punish(const struct gw_addr *peer, void *arg)
{
	struct gw_web *web = arg;

	GW_CHECK(web, WEB_MAGIC);
	(void)gw_ws_punish(web->ws, peer, false);
}

static void on_waf_keys(void *arg)
{
	struct gw_web *web = arg;

	GW_CHECK(web, WEB_MAGIC);
	gw_rtoken_keys_changed(web);
}

static void on_reg_end(struct gw_reg *reg, enum gw_reg_end why, void *arg)
{
	struct gw_web *web = arg;

	GW_CHECK(web, WEB_MAGIC);
	gw_rauth_end(web, reg, GW_WS_EXPIRED,
		     why == GW_REG_LOST ? "client lost"
					: "registration expired");
}

/* ---- settings ---- */

static int index_users(struct gw_idmap **out, const struct gw_settings *set)
{
	struct gw_idmap *m;
	int err = gw_idmap_new(&m);

	for (size_t i = 0; !err && i < set->nuser; i++) {
		struct gw_set_user *u = &set->user[i];

		err = gw_idmap_add(m, u->id, u);
		for (size_t k = 0; !err && k < u->nidentity; k++)
			err = gw_idmap_add(m, u->identity[k], u);
		if (err == -EINVAL) {
			gw_warn(&weblog,
				"user %s: an identity is no SIP or "
				"tel URI",
				u->id);
			err = 0;
		}
	}
	if (err) {
		gw_idmap_free(m);
		return err;
	}
	*out = m;
	return 0;
}

/* Keys of the configuration, which take the place of those before. */
static int load_keys(struct gw_web *web, const struct gw_settings *set)
{
	struct gw_jwt_keys *keys;
	char err[512] = "out of memory";
	int ret = gw_jwt_keys_new(&keys, &set->auth, err, sizeof(err));

	if (ret) {
		gw_error(&weblog, "auth.keys: %s", err);
		return ret;
	}
	gw_jwt_keys_free(web->set_keys);
	web->set_keys = keys;
	return 0;
}

static void on_jwks(void *arg)
{
	struct gw_web *web = arg;

	GW_CHECK(web, WEB_MAGIC);
	gw_rtoken_keys_changed(web);
}

/* Whom we ask about tokens.  Its thread is there even when nobody is asked
 * yet: a reload may change that. */
static int start_tokens(struct gw_web *web)
{
	const struct gw_waf_handlers h = { .user = on_waf_user,
					   .ask = on_waf_ask,
					   .punish = on_waf_punish,
					   .keys_changed = on_waf_keys,
					   .arg = web };
	int err = gw_fetch_new(&web->fetch, web->loop);

	if (!err)
		err = gw_waf_new(&web->waf, web->loop, &h);
	if (!err)
		err = gw_jwks_new(&web->jwks, web->timers, web->fetch, on_jwks,
				  web);
	if (!err)
		err = gw_introspect_new(&web->introspect, web->timers,
					web->fetch);
	if (!err)
		err = load_keys(web, web->set);
	if (err)
		return err;
	gw_introspect_use(web->introspect, &web->set->auth);
	gw_jwks_use(web->jwks, &web->set->auth);
	return gw_rtoken_gather_keys(web);
}

void gw_web_reload(struct gw_web *web, const struct gw_settings *set)
{
	struct gw_idmap *users = NULL;
	struct gw_reg *reg, *next;

	GW_CHECK(web, WEB_MAGIC);
	/* Users point into their settings, so the index must change with them;
	 * keys that cannot be read leave the old ones in force. */
	gw_idmap_free(web->users);
	web->users = NULL;
	web->set = set;
	if (index_users(&users, set) && gw_idmap_new(&users)) {
		gw_error(&weblog, "no memory for users: exiting");
		abort();
	}
	web->users = users;
	(void)load_keys(web, set);
	(void)gw_waf_use(web->waf, set);
	gw_introspect_use(web->introspect, &set->auth);
	gw_jwks_use(web->jwks, &set->auth);
	gw_rtoken_keys_changed(web);
	gw_auth_dummy_hash(web->dummy_hash, set);
	gw_ws_reload(web->ws, set);

	for (reg = gw_registry_first(web->registry); reg; reg = next) {
		next = LIST_NEXT(reg, link);
		if (reg->configured && !gw_rauth_user(web, reg->id)) {
			gw_rauth_end(web, reg, GW_WS_DEREGISTERED,
				     "subscriber removed");
			/* Its calls may have ended others' too. */
			next = gw_registry_first(web->registry);
		}
	}
}

/* ---- life ---- */

int gw_web_new(struct gw_web **out, struct gw_loop *loop,
	       const struct gw_settings *set,
	       const struct gw_web_handlers *handlers)
{
	struct gw_ws_handlers h = { .opened = on_opened,
				    .message = on_message,
				    .closed = on_closed,
				    .admin = on_admin,
				    .app_has = on_app_has,
				    .app = on_app };
	struct gw_web *web;
	int err;

	if (!out || !loop || !set || !handlers || !handlers->incoming)
		return -EINVAL;
	web = calloc(1, sizeof(*web));
	if (!web)
		return -ENOMEM;
	web->magic = WEB_MAGIC;
	web->loop = loop;
	web->timers = gw_loop_timers(loop);
	web->set = set;
	web->h = *handlers;
	LIST_INIT(&web->conns);
	LIST_INIT(&web->jobs);
	LIST_INIT(&web->waiting);
	gw_auth_dummy_hash(web->dummy_hash, set);
	h.arg = web;

	err = gw_registry_new(&web->registry, web->timers, on_reg_end, web);
	if (!err)
		err = index_users(&web->users, set);
	if (!err)
		err = start_tokens(web);
	if (!err)
		err = gw_ws_new(&web->ws, loop, set, &h);
	/* After the server, which makes the state directory. */
	if (!err)
		err = gw_waf_use(web->waf, set);
	if (!err)
		err = gw_rtoken_gather_keys(web);
	if (err) {
		gw_web_free(web);
		return err;
	}
	*out = web;
	return 0;
}

void gw_web_free(struct gw_web *web)
{
	struct gw_rconn *c = NULL;
	struct gw_reg *reg;

	if (!web)
		return;
	GW_CHECK(web, WEB_MAGIC);
	/* The server runs the loop a little while it closes: what clients say
	 * then finds nobody. */
	web->ending = true;
	LIST_FOREACH(c, &web->conns, link)
	{
		gw_rconn_close(
			c, web->draining_s ? GW_WS_RESTART : GW_WS_GOING_AWAY,
			"shutting down");
	}
	if (web->ws)
		gw_ws_free(web->ws);
	assert(LIST_EMPTY(&web->conns));
	while (web->registry && (reg = gw_registry_first(web->registry)))
		gw_rauth_end(web, reg, GW_WS_GOING_AWAY, "shutting down");
	gw_rauth_forget_jobs(web);
	gw_rapp_fini(web);
	gw_registry_free(web->registry);
	gw_idmap_free(web->users);
	gw_waf_free(web->waf);
	gw_fetch_free(web->fetch);
	gw_jwks_free(web->jwks);
	gw_introspect_free(web->introspect);
	assert(LIST_EMPTY(&web->waiting));
	gw_jwt_keys_free(web->set_keys);
	gw_jwt_keys_free(web->keys);
	web->magic = 0;
	free(web);
}

void gw_web_set_draining(struct gw_web *web, uint16_t retry_after_s)
{
	GW_CHECK(web, WEB_MAGIC);
	web->draining_s = retry_after_s;
	gw_ws_set_draining(web->ws, retry_after_s != 0);
}

bool gw_web_is_registered(struct gw_web *web, const char *uri)
{
	GW_CHECK(web, WEB_MAGIC);
	return gw_registry_find(web->registry, uri) != NULL;
}

bool gw_web_is_user(struct gw_web *web, const char *uri)
{
	GW_CHECK(web, WEB_MAGIC);
	return gw_rauth_user(web, uri) != NULL;
}

void gw_web_count(const struct gw_web *web, struct gw_web_counts *out)
{
	unsigned n = gw_registry_count(web->registry, &out->suspended);

	out->connections = gw_ws_connections(web->ws);
	out->registrations = n;
	out->sessions = web->nleg;
}
