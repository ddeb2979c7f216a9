/* Requests to the account page and its token endpoint: queries, forms, cookies
 * and origins, one of each a line. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "webrtc/waf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gw_waf *waf;
static struct gw_settings set;

static const struct gw_set_user *on_user(const char *uri, void *arg)
{
	(void)uri;
	(void)arg;
	return NULL;
}

static void on_punish(const struct gw_addr *peer, void *arg)
{
	(void)peer;
	(void)arg;
}

static void on_keys(void *arg)
{
	(void)arg;
}

static void start(void)
{
	const struct gw_waf_handlers h = { .user = on_user,
					   .punish = on_punish,
					   .keys_changed = on_keys };
	struct gw_set_waf *w = &set.waf;
	struct gw_loop *loop;

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	w->enabled = true;
	w->access_token_s = 60;
	w->refresh_token_s = 60;
	w->user_failures = 10;
	strcpy(w->issuer, "https://w");
	(void)snprintf(w->key_file, sizeof(w->key_file),
		       "/tmp/isthmus-fuzz-waf-%ld.pem", (long)getpid());
	w->nclient = 1;
	strcpy(w->client[0].id, "c");
	w->client[0].nredirect = 1;
	strcpy(w->client[0].redirect[0], "https://x/");
	assert(gw_loop_new(&loop, NULL, NULL) == 0);
	assert(gw_waf_new(&waf, loop, &h) == 0);
	assert(gw_waf_use(waf, &set) == 0);
	(void)unlink(w->key_file);
}

/* The next line, or NULL where it is empty. */
static char *line(char **text)
{
	char *at = strsep(text, "\n");

	return at && *at ? at : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *const paths[] = {
		"/oauth/authorize", "/oauth/token", "/oauth/jwks.json",
		"/.well-known/oauth-authorization-server"
	};
	struct gw_ws_app a = { .tls = true };
	char *text, *rest, *form;

	if (!waf)
		start();
	if (size < 1 || size > GW_WS_FORM_MAX)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	rest = text;
	a.path = paths[data[0] & 3];
	a.post = data[0] & 4;
	a.head = data[0] & 8;
	if (data[0] & 16)
		a.type = "application/x-www-form-urlencoded";
	a.query = line(&rest);
	a.cookie = line(&rest);
	a.origin = line(&rest);
	form = line(&rest);
	gw_buf_init(&a.form, GW_WS_FORM_MAX);
	gw_buf_init(&a.body, GW_WS_PAGE_MAX);
	if (form)
		gw_buf_str(&a.form, form);
	/* LATER would need a form that is signed with our secret. */
	assert(gw_waf_request(waf, &a) == GW_WS_APP_ANSWERED);
	assert(a.status >= 200 && a.status < 500);
	assert(!strpbrk(a.location, "\r\n") && !strpbrk(a.set_cookie, "\r\n"));
	assert(!a.location[0] || !strncmp(a.location, "https://x/?", 11));
	assert(!gw_buf_error(&a.body));
	gw_buf_fini(&a.form);
	gw_buf_fini(&a.body);
	free(text);
	return 0;
}
