/*
 * Requests that an application answers (struct gw_ws_app), between the carrier
 * that reads them and the application that may take its time.  Who of the two
 * is done last frees it.  Signalling thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "webrtc/ws_priv.h"

static bool copy(char **to, const char *text)
{
	*to = text ? strdup(text) : NULL;
	return !text || *to;
}

struct gw_ws_app *gw_ws_app_new(const struct gw_ws_net *net,
				const struct gw_ws_request *req,
				const char *path)
{
	struct gw_ws_app *a = calloc(1, sizeof(*a));
	const char *query = req->query;

	if (!a)
		return NULL;
	if (!query && strchr(req->path, '?'))
		query = strchr(req->path, '?') + 1;
	a->post = req->post;
	a->head = req->head;
	a->tls = net->listener->kind == GW_WS_TLS;
	a->peer = net->peer;
	gw_buf_init(&a->form, GW_WS_FORM_MAX);
	gw_buf_init(&a->body, GW_WS_PAGE_MAX);
	if (copy(&a->path, path) && copy(&a->query, query) &&
	    copy(&a->type, req->type) && copy(&a->origin, req->origin) &&
	    copy(&a->cookie, req->cookie))
		return a;
	gw_ws_app_free(a);
	return NULL;
}

/* Forms have passwords in them, and answers tokens. */
static void wipe(struct gw_buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->len);
	gw_buf_fini(b);
}

void gw_ws_app_free(struct gw_ws_app *a)
{
	if (!a)
		return;
	free(a->path);
	free(a->query);
	free(a->type);
	free(a->origin);
	free(a->cookie);
	wipe(&a->form);
	wipe(&a->body);
	explicit_bzero(a, sizeof(*a));
	free(a);
}

int gw_ws_app_form(struct gw_ws_app *a, const void *data, size_t len)
{
	gw_buf_add(&a->form, data, len);
	return gw_buf_error(&a->form) ? -EFBIG : 0;
}

int gw_ws_app_run(const struct gw_ws_net *net, struct gw_ws_app *a,
		  struct gw_ws_reply *r)
{
	const struct gw_ws_handlers *h = &net->ws->h;

	if (h->app(a, h->arg) == GW_WS_APP_LATER)
		return -EINPROGRESS;
	gw_ws_app_reply(a, r);
	return 0;
}

void gw_ws_app_reply(struct gw_ws_app *a, struct gw_ws_reply *r)
{
	bool failed = gw_buf_error(&a->body) != 0;

	*r = (struct gw_ws_reply){
		.status = failed ? 500 : a->status,
		.type = a->body.len ? a->content_type : NULL,
		.allow = a->allow,
		.retry_after_s = a->retry_after_s,
		.app = a,
	};
	if (failed || !a->body.len)
		return;
	r->full = a->body.len;
	if (!a->head) {
		r->body = a->body.data;
		r->len = a->body.len;
	}
}

void gw_ws_app_answer(struct gw_ws_app *a)
{
	if (a->io) {
		a->answered = true;
		a->ready(a);
	} else {
		gw_ws_app_free(a);
	}
}

void gw_ws_app_abandon(struct gw_ws_app *a)
{
	if (!a)
		return;
	/* The application has it, and has not answered yet. */
	if (a->io && a->ready && !a->answered) {
		a->io = NULL;
		return;
	}
	gw_ws_app_free(a);
}
