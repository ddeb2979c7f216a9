/*
 * The commands of the control socket.  What changes something is logged with
 * who did it; what the store is asked is answered when the store has.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "gateway/base/check.h"
#include "gateway/ctl_priv.h"
#include "gateway/settings_priv.h"

#define DEPTH 6
#define PAGE  64

typedef const char *(command_h)(struct gw_ctl_req *req, struct json_object *o,
				char why[GW_CTL_WHY]);

/* ---- responses ---- */

static struct json_object *success(void)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(true));
	return o;
}

void gw_ctl_fail(struct gw_ctl_req *req, const char *error, const char *fmt,
		 ...)
{
	struct json_object *o = json_object_new_object();
	char detail[320];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	json_object_object_add(o, "ok", json_object_new_boolean(false));
	json_object_object_add(o, "error", json_object_new_string(error));
	json_object_object_add(o, "detail", json_object_new_string(detail));
	gw_ctl_respond(req, o);
}

/* The store refused, or failed. */
static void fail_store(struct gw_ctl_req *req, int err)
{
	static const struct {
		int err;
		const char *error, *detail;
	} answers[] = {
		{-ENOENT,     "not_found",   "is not there"                },
		{ -EEXIST,    "exists",
                 "is there already, or shares an identity with another"    },
		{ -EBUSY,     "busy",        "is leased"                   },
		{ -EINVAL,    "bad_request",
                 "cannot be stored: something is missing or there twice"   },
		{ -ETIMEDOUT, "store",
                 "the store is locked by another process"                  },
		{ -EROFS,     "store",       "the store cannot be written" },
		{ -ENOSPC,    "store",       "the store's disk is full"    },
		{ -EAGAIN,    "store",       "the store has too much to do"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(answers); i++) {
		if (answers[i].err == err) {
			gw_ctl_fail(req, answers[i].error, "%s: %s",
				    req->subject, answers[i].detail);
			return;
		}
	}
	gw_ctl_fail(req, "store", "%s: the store fails: %s", req->subject,
		    strerror(-err));
}

/* ---- the store ---- */

static const char *ask(struct gw_ctl_req *req, struct gw_store_cmd *cmd,
		       gw_store_h *handler)
{
	int err =
		gw_store_do(&req->waiting, req->core->store, cmd, handler, req);

	explicit_bzero(cmd, sizeof(*cmd));
	if (err) {
		req->waiting = NULL;
		fail_store(req, err);
	}
	return NULL;
}

static bool answered(struct gw_ctl_req *req, const struct gw_store_answer *a)
{
	req->waiting = NULL;
	if (a->error)
		fail_store(req, a->error);
	return !a->error;
}

static void changed(struct gw_ctl_req *req, const char *what)
{
	gw_info(req->log, "%s: %s, by uid %u", req->subject, what,
		(unsigned)req->uid);
}

static void done(struct gw_ctl_req *req, const char *what)
{
	changed(req, what);
	gw_ctl_respond(req, success());
}

static void subject(struct gw_ctl_req *req, const char *text)
{
	(void)snprintf(req->subject, sizeof(req->subject), "%s", text);
}

static void on_forgotten(const struct gw_store_answer *a, void *arg)
{
	struct gw_ctl_req *req = arg;
	struct json_object *o = success();

	(void)a; /* a fault is the keeper's to make good (reg_keep.h) */
	req->waiting = NULL;
	json_object_object_add(o, "deregistered",
			       json_object_new_int64(req->deregistered));
	gw_ctl_respond(req, o);
}

/* They are out; who asked is told when no crash could put them back.  Commands
 * are performed in their order, so any one is answered after those that delete
 * their rows. */
static void respond_deregistered(struct gw_ctl_req *req, unsigned n)
{
	static const struct gw_store_answer none = { 0 };
	const struct gw_store_cmd cmd = { .verb = GW_ST_REG_LIST,
					  .key = "~" }; /* after all keys */

	req->deregistered = n;
	if (!req->core->store || gw_store_do(&req->waiting, req->core->store,
					     &cmd, on_forgotten, req))
		on_forgotten(&none, req);
}

/* ---- subscribers ---- */

/* The list of the configuration wins: who is there would never be asked for
 * here. */
static const char *is_configured(struct gw_ctl_req *req,
				 const struct gw_subscriber *s)
{
	const char *found = NULL;

	if (gw_web_is_user(req->core->web, s->id))
		found = s->id;
	for (uint8_t i = 0; !found && i < s->nimpu; i++) {
		if (gw_web_is_user(req->core->web, s->impu[i]))
			found = s->impu[i];
	}
	return found;
}

static void on_added(const struct gw_store_answer *a, void *arg)
{
	struct gw_ctl_req *req = arg;

	if (answered(req, a))
		done(req, "subscriber added");
}

static void on_replaced(const struct gw_store_answer *a, void *arg)
{
	struct gw_ctl_req *req = arg;

	if (answered(req, a))
		done(req, "subscriber added or replaced");
}

static const char *subscriber_add(struct gw_ctl_req *req, struct json_object *o,
				  char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "command", "subscriber", "replace",
					    NULL };
	struct gw_store_cmd cmd = { .verb = GW_ST_SUBSCRIBER_PUT };
	struct json_object *v;
	const char *bad = gw_ctl_only(o, keys, why), *found;

	if (bad)
		return bad;
	if (!json_object_object_get_ex(o, "subscriber", &v) ||
	    !json_object_is_type(v, json_type_object))
		return "subscriber: must be an object";
	bad = gw_ctl_subscriber(v, &cmd.subscriber, why);
	if (bad) {
		explicit_bzero(&cmd, sizeof(cmd));
		return bad;
	}
	subject(req, cmd.subscriber.id);
	found = is_configured(req, &cmd.subscriber);
	if (found) {
		gw_ctl_fail(req, "exists", "%s: is a user of the configuration",
			    found);
		explicit_bzero(&cmd, sizeof(cmd));
		return NULL;
	}
	cmd.flag = json_object_object_get_ex(o, "replace", &v) &&
		   json_object_get_boolean(v);
	return ask(req, &cmd, cmd.flag ? on_replaced : on_added);
}

static const char *with_id(struct gw_ctl_req *req, struct json_object *o,
			   char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "command", "id", NULL };
	const char *bad = gw_ctl_only(o, keys, why);

	return bad ? bad : gw_ctl_identity(o, "id", req->subject, why);
}

static void key_of(struct gw_store_cmd *cmd, const struct gw_ctl_req *req)
{
	memcpy(cmd->key, req->subject, sizeof(cmd->key));
}

static void on_shown(const struct gw_store_answer *a, void *arg)
{
	struct gw_ctl_req *req = arg;
	struct json_object *o;

	if (!answered(req, a))
		return;
	o = success();
	json_object_object_add(o, "subscriber",
			       gw_ctl_show_subscriber(a->subscriber));
	gw_ctl_respond(req, o);
}

static const char *subscriber_show(struct gw_ctl_req *req,
				   struct json_object *o, char why[GW_CTL_WHY])
{
	struct gw_store_cmd cmd = { .verb = GW_ST_SUBSCRIBER_GET };
	const char *bad = with_id(req, o, why);

	key_of(&cmd, req);
	return bad ? bad : ask(req, &cmd, on_shown);
}

static void on_removed(const struct gw_store_answer *a, void *arg)
{
	struct gw_ctl_req *req = arg;
	unsigned n = 0;

	if (!answered(req, a))
		return;
	/* Who was added to the configuration meanwhile stays. */
	if (!gw_web_is_user(req->core->web, req->subject))
		n = gw_web_deregister(req->core->web, req->subject, 0,
				      "subscriber removed");
	changed(req, "subscriber removed");
	respond_deregistered(req, n);
}

static const char *subscriber_remove(struct gw_ctl_req *req,
				     struct json_object *o,
				     char why[GW_CTL_WHY])
{
	struct gw_store_cmd cmd = { .verb = GW_ST_SUBSCRIBER_DELETE };
	const char *bad = with_id(req, o, why);

	key_of(&cmd, req);
	return bad ? bad : ask(req, &cmd, on_removed);
}

static void on_passwd(const struct gw_store_answer *a, void *arg)
{
	struct gw_ctl_req *req = arg;

	if (answered(req, a))
		done(req, "password changed");
}

static const char *subscriber_passwd(struct gw_ctl_req *req,
				     struct json_object *o,
				     char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "command", "id", "password", NULL };
	struct gw_store_cmd cmd = { .verb = GW_ST_SUBSCRIBER_PASSWD };
	struct gw_subscriber *s = &cmd.subscriber;
	const char *bad = gw_ctl_only(o, keys, why);

	if (!bad)
		bad = gw_ctl_identity(o, "id", s->id, why);
	if (!bad && !json_object_object_get_ex(o, "password", NULL))
		bad = "password: is missing";
	if (!bad)
		bad = gw_ctl_text(o, "password", s->password,
				  sizeof(s->password), why);
	if (!bad && s->password[0])
		bad = gw_settings_check_hash(s->password);
	subject(req, s->id);
	return bad ? bad : ask(req, &cmd, on_passwd);
}

/* ---- lists: a page a request, which ends with where the next begins ---- */

static const char *after_of(struct gw_store_cmd *cmd, struct json_object *o,
			    char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "command", "after", NULL };
	const char *bad = gw_ctl_only(o, keys, why);

	return bad ? bad
		   : gw_ctl_text(o, "after", cmd->key, sizeof(cmd->key), why);
}

static void respond_page(struct gw_ctl_req *req, const char *name,
			 struct json_object *list, const char *next)
{
	struct json_object *o = success();

	json_object_object_add(o, name, list);
	if (next)
		json_object_object_add(o, "next", json_object_new_string(next));
	gw_ctl_respond(req, o);
}

static void on_subscribers(const struct gw_store_answer *a, void *arg)
{
	struct gw_ctl_req *req = arg;
	struct json_object *list;

	if (!answered(req, a))
		return;
	list = json_object_new_array();
	for (size_t i = 0; i < a->n; i++)
		json_object_array_add(
			list, gw_ctl_show_subscriber(&a->subscriber[i]));
	respond_page(req, "subscribers", list,
		     a->n == GW_STORE_PAGE ? a->subscriber[a->n - 1].id : NULL);
}

static const char *subscriber_list(struct gw_ctl_req *req,
				   struct json_object *o, char why[GW_CTL_WHY])
{
	struct gw_store_cmd cmd = { .verb = GW_ST_SUBSCRIBER_LIST };
	const char *bad = after_of(&cmd, o, why);

	subject(req, "subscribers");
	return bad ? bad : ask(req, &cmd, on_subscribers);
}

static void on_pool(const struct gw_store_answer *a, void *arg)
{
	struct gw_ctl_req *req = arg;
	struct json_object *list;

	if (!answered(req, a))
		return;
	list = json_object_new_array();
	for (size_t i = 0; i < a->n; i++)
		json_object_array_add(list, gw_ctl_show_pool(&a->pool[i]));
	respond_page(req, "pool", list,
		     a->n == GW_STORE_PAGE ? a->pool[a->n - 1].impi : NULL);
}

static const char *pool_list(struct gw_ctl_req *req, struct json_object *o,
			     char why[GW_CTL_WHY])
{
	struct gw_store_cmd cmd = { .verb = GW_ST_POOL_LIST };
	const char *bad = after_of(&cmd, o, why);

	subject(req, "pool");
	return bad ? bad : ask(req, &cmd, on_pool);
}

/* ---- the pool ---- */

static void on_pool_added(const struct gw_store_answer *a, void *arg)
{
	struct gw_ctl_req *req = arg;

	if (answered(req, a))
		done(req, "added to the pool");
}

static void on_pool_removed(const struct gw_store_answer *a, void *arg)
{
	struct gw_ctl_req *req = arg;

	if (answered(req, a))
		done(req, "removed from the pool");
}

static const char *pool_add(struct gw_ctl_req *req, struct json_object *o,
			    char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "command", "impi", "impu", NULL };
	struct gw_store_cmd cmd = { .verb = GW_ST_POOL_PUT };
	const char *bad = gw_ctl_only(o, keys, why);

	if (!bad)
		bad = gw_ctl_text(o, "impi", cmd.pool.impi,
				  sizeof(cmd.pool.impi), why);
	if (!bad && !gw_ctl_is_impi(cmd.pool.impi))
		bad = "impi: must be USER@REALM";
	if (!bad)
		bad = gw_ctl_identity(o, "impu", cmd.pool.impu, why);
	subject(req, cmd.pool.impi);
	return bad ? bad : ask(req, &cmd, on_pool_added);
}

static const char *pool_remove(struct gw_ctl_req *req, struct json_object *o,
			       char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "command", "impi", NULL };
	struct gw_store_cmd cmd = { .verb = GW_ST_POOL_DELETE };
	const char *bad = gw_ctl_only(o, keys, why);

	if (!bad)
		bad = gw_ctl_text(o, "impi", cmd.key, sizeof(cmd.key), why);
	subject(req, cmd.key);
	return bad ? bad : ask(req, &cmd, on_pool_removed);
}

/* ---- registrations, which are in memory ---- */

static const char *number(struct json_object *o, const char *key, uint64_t *out)
{
	struct json_object *v;

	*out = 0;
	if (!json_object_object_get_ex(o, key, &v))
		return NULL;
	if (!json_object_is_type(v, json_type_int) ||
	    json_object_get_int64(v) < 0)
		return "after and endpoint are numbers";
	*out = json_object_get_uint64(v);
	return NULL;
}

static const char *registrations(struct gw_ctl_req *req, struct json_object *o,
				 char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "command", "after", NULL };
	static struct gw_web_reg page[PAGE]; /* too large for the stack */
	const char *bad = gw_ctl_only(o, keys, why);
	struct json_object *list, *r;
	uint64_t after;
	size_t n;

	if (!bad)
		bad = number(o, "after", &after);
	if (bad)
		return bad;
	n = gw_web_registrations(req->core->web, after, page, PAGE);
	list = json_object_new_array();
	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, gw_ctl_show_reg(&page[i]));
	r = success();
	json_object_object_add(r, "registrations", list);
	if (n == PAGE)
		json_object_object_add(
			r, "next", json_object_new_uint64(page[n - 1].serial));
	gw_ctl_respond(req, r);
	return NULL;
}

static const char *deregister(struct gw_ctl_req *req, struct json_object *o,
			      char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "command", "id", "endpoint", NULL };
	const char *bad = gw_ctl_only(o, keys, why);
	uint64_t serial;
	unsigned n;

	if (!bad)
		bad = gw_ctl_identity(o, "id", req->subject, why);
	if (!bad)
		bad = number(o, "endpoint", &serial);
	if (bad)
		return bad;
	n = gw_web_deregister(req->core->web, req->subject, serial,
			      "deregistered by the operator");
	if (!n) {
		gw_ctl_fail(req, "not_found", "%s: is not registered",
			    req->subject);
		return NULL;
	}
	changed(req, "deregistered");
	respond_deregistered(req, n);
	return NULL;
}

static const char *version(struct gw_ctl_req *req, struct json_object *o,
			   char why[GW_CTL_WHY])
{
	static const char *const keys[] = { "command", NULL };
	const char *bad = gw_ctl_only(o, keys, why);
	struct json_object *r;

	if (bad)
		return bad;
	r = success();
	json_object_object_add(r, "version",
			       json_object_new_string(PACKAGE_VERSION));
	json_object_object_add(
		r, "store", json_object_new_boolean(req->core->store != NULL));
	gw_ctl_respond(req, r);
	return NULL;
}

/* ---- a request ---- */

static const struct {
	const char *name;
	bool store; /* needs one */
	command_h *perform;
} commands[] = {
	{"subscriber.add",     true,  subscriber_add   },
	{ "subscriber.list",   true,  subscriber_list  },
	{ "subscriber.show",   true,  subscriber_show  },
	{ "subscriber.remove", true,  subscriber_remove},
	{ "subscriber.passwd", true,  subscriber_passwd},
	{ "pool.add",          true,  pool_add         },
	{ "pool.list",         true,  pool_list        },
	{ "pool.remove",       true,  pool_remove      },
	{ "registrations",     false, registrations    },
	{ "deregister",        false, deregister       },
	{ "version",           false, version          },
};

static const char *perform(struct gw_ctl_req *req, struct json_object *o,
			   char why[GW_CTL_WHY])
{
	char name[32];
	const char *bad = gw_ctl_text(o, "command", name, sizeof(name), why);

	for (size_t i = 0; !bad && i < GW_ARRAY_LEN(commands); i++) {
		if (strcmp(name, commands[i].name) != 0)
			continue;
		if (!commands[i].store || req->core->store)
			return commands[i].perform(req, o, why);
		gw_ctl_fail(req, "no_store", "store.file is not configured");
		return NULL;
	}
	return bad ? bad : "command: is not known";
}

void gw_ctl_perform(struct gw_ctl_req *req, const char *line, size_t len)
{
	struct json_tokener *tok = json_tokener_new_ex(DEPTH);
	struct json_object *o = NULL;
	const char *bad = "must be an object in a line of JSON";
	char why[GW_CTL_WHY];

	if (tok) {
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT |
						    JSON_TOKENER_VALIDATE_UTF8);
		o = json_tokener_parse_ex(tok, line, (int)len);
		if (json_tokener_get_error(tok) != json_tokener_success ||
		    json_tokener_get_parse_end(tok) != len) {
			json_object_put(o);
			o = NULL;
		}
		json_tokener_free(tok);
	}
	/* The request may be gone when a command returns. */
	if (json_object_is_type(o, json_type_object))
		bad = perform(req, o, why);
	if (bad)
		gw_ctl_fail(req, "bad_request", "%s", bad);
	json_object_put(o);
}
