/*
 * gateway/ctl_priv.h - a request of the control socket, for its two halves
 *
 * ctl.c has the sockets, ctl_cmd.c the commands, ctl_json.c the values.
 * Signalling thread only.
 */
#ifndef GW_CTL_PRIV_H
#define GW_CTL_PRIV_H

#include <json-c/json.h>
#include <sys/types.h>

#include "gateway/base/log.h"
#include "gateway/ctl.h"
#include "gateway/store.h"

struct gw_ctl_req {
	struct gw_core *core;
	const struct gw_logctx *log;
	uid_t uid;                    /* of who asks */
	char subject[128];            /* what it is about, for the log */
	struct gw_store_req *waiting; /* for the store's answer */
	unsigned deregistered;        /* how many it has ended */
};

/* ---- ctl.c ---- */

/* The one response; @o is taken.  The request is gone after. */
void gw_ctl_respond(struct gw_ctl_req *req, struct json_object *o);

/* ---- ctl_cmd.c ---- */

/* Performs a line; responds now or later. */
void gw_ctl_perform(struct gw_ctl_req *req, const char *line, size_t len);
void gw_ctl_fail(struct gw_ctl_req *req, const char *error, const char *fmt,
		 ...) __attribute__((format(printf, 3, 4)));

/* ---- ctl_json.c: NULL, or what is wrong with it ---- */

#define GW_CTL_WHY 160
/* A text without control characters; one that is not there is "". */
const char *gw_ctl_text(struct json_object *o, const char *key, char *out,
			size_t size, char why[GW_CTL_WHY]);
/* No other members than @keys, a list that NULL ends. */
const char *gw_ctl_only(struct json_object *o, const char *const *keys,
			char why[GW_CTL_WHY]);
const char *gw_ctl_subscriber(struct json_object *o, struct gw_subscriber *out,
			      char why[GW_CTL_WHY]);
const char *gw_ctl_identity(struct json_object *o, const char *key,
			    char out[128], char why[GW_CTL_WHY]);
/* user@realm, as private identities are. */
bool gw_ctl_is_impi(const char *text);

/* Without hashes and keys. */
struct json_object *gw_ctl_show_subscriber(const struct gw_subscriber *s);
struct json_object *gw_ctl_show_pool(const struct gw_pool_entry *e);
struct json_object *gw_ctl_show_reg(const struct gw_web_reg *r);

#endif
