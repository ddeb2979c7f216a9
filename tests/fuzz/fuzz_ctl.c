/* Requests of the control socket: whatever line comes is answered once, and
 * what reaches the store is whole. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/ctl_priv.h"
#include "webrtc/registry_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned nresponse;
static struct gw_store_cmd asked;
static gw_store_h *asker;
static void *asker_arg;

/* ---- what the commands stand on ---- */

void gw_ctl_respond(struct gw_ctl_req *req, struct json_object *o)
{
	const char *text = json_object_to_json_string(o);

	(void)req;
	nresponse++;
	assert(text && !strchr(text, '\n'));
	json_object_put(o);
}

bool gw_web_identity(char out[GW_WEB_IDENTITY], const char *uri)
{
	return gw_identity_norm(out, uri);
}

bool gw_web_is_user(struct gw_web *web, const char *uri)
{
	(void)web;
	return !strcmp(uri, "sip:alice@demo.example");
}

size_t gw_web_registrations(const struct gw_web *web, uint64_t after,
			    struct gw_web_reg *out, size_t max)
{
	(void)web;
	memset(out, 0, max * sizeof(*out));
	out[0].serial = after + 1;
	return after ? max : 1;
}

unsigned gw_web_deregister(struct gw_web *web, const char *id, uint64_t serial,
			   const char *why)
{
	(void)web;
	(void)why;
	return strlen(id) % 2 + (serial != 0);
}

int gw_store_do(struct gw_store_req **out, struct gw_store *st,
		const struct gw_store_cmd *cmd, gw_store_h *handler, void *arg)
{
	(void)st;
	*out = NULL;
	asked = *cmd;
	asker = handler;
	asker_arg = arg;
	return strlen(cmd->key) == 7 ? -EAGAIN : 0;
}

/* ---- */

static void check_subscriber(const struct gw_subscriber *s)
{
	assert(s->id[0] && memchr(s->id, 0, sizeof(s->id)));
	assert(memchr(s->password, 0, sizeof(s->password)));
	if (asked.verb != GW_ST_SUBSCRIBER_PUT)
		return;
	assert(memchr(s->name, 0, sizeof(s->name)));
	assert(memchr(s->subject, 0, sizeof(s->subject)));
	assert(memchr(s->impi, 0, sizeof(s->impi)));
	assert(s->enrol < GW_NENROL && s->nimpu <= GW_STORE_IMPUS);
	for (uint8_t i = 0; i < s->nimpu; i++)
		assert(s->impu[i][0] &&
		       memchr(s->impu[i], 0, sizeof(s->impu[i])));
}

static void answer(size_t size)
{
	static const int errors[] = { 0, 0, 0, -ENOENT, -EEXIST, -EIO };
	static struct gw_subscriber sub;
	static struct gw_pool_entry pool;
	struct gw_store_answer a = { .error = errors[size % 6] };
	gw_store_h *handler = asker;

	asker = NULL;
	if (asked.verb == GW_ST_SUBSCRIBER_PUT ||
	    asked.verb == GW_ST_SUBSCRIBER_PASSWD)
		check_subscriber(&asked.subscriber);
	if (!a.error) {
		a.n = 1;
		if (asked.verb >= GW_ST_POOL_PUT)
			a.pool = &pool;
		else
			a.subscriber = &sub;
	}
	handler(&a, asker_arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gw_logctx log = { .module = "ctl" };
	static char some_store;
	struct gw_core core = { .store = (struct gw_store *)&some_store };
	struct gw_ctl_req req = { .core = &core, .log = &log };

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	nresponse = 0;
	asker = NULL;
	if (memchr(data, '\n', size))
		return 0;
	gw_ctl_perform(&req, (const char *)data, size);
	/* One thing may be asked after another. */
	while (asker && !nresponse)
		answer(size);
	assert(nresponse == 1);
	return 0;
}
