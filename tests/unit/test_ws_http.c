#include "tests/unit/ws_client.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "webrtc/selfsigned.h"

#define PAGE "<!doctype html><title>x</title>"

static struct rig rig;

static int setup(void **state)
{
	struct gw_set_web *web = &rig.set.web;
	char sub[300];

	rig_defaults(&rig);
	(void)strcpy(web->listen[1], "wss://127.0.0.1:23101");
	web->nlisten = 2;
	(void)strcpy(rig.set.admin_listen, "127.0.0.1:23102");
	put_file(web->root, "index.html", PAGE);
	put_file(web->root, "app.mjs", "export {};");
	put_file(web->root, "lib.d.ts", "export {};");
	put_file(web->root, "style.css", "a{}");
	put_file(web->root, "empty.json", "");
	put_file(web->root, "demo.sh", "#!/bin/sh");
	put_file(web->root, ".secret.html", "hidden");
	put_file(rig.dir, "outside.html", "outside");
	(void)snprintf(sub, sizeof(sub), "%s/link.html", web->root);
	assert_int_equal(0, symlink("../outside.html", sub));
	(void)snprintf(sub, sizeof(sub), "%s/img", web->root);
	assert_int_equal(0, mkdir(sub, 0700));
	put_file(sub, "a.svg", "<svg/>");
	rig_start(&rig);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	return 0;
}

static struct client *ask(struct rig *r, uint16_t port, const char *request)
{
	struct client *c = dial(r, port);

	put_str(c, request);
	return c;
}

static int get(struct rig *r, uint16_t port, const char *path, char *out,
	       size_t size)
{
	char req[600];
	struct client *c;
	int status;

	(void)snprintf(req, sizeof(req),
		       "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
	c = ask(r, port, req);
	status = response(c);
	assert_true(c->len < size);
	memcpy(out, c->in, c->len + 1);
	hang_up(c);
	return status;
}

static void pages_have_their_type_and_policy(void **state)
{
	static const struct {
		const char *path, *type, *body;
	} pages[] = {
		{"/",            "text/html; charset=utf-8",       PAGE        },
		{ "/index.html", "text/html; charset=utf-8",       PAGE        },
		{ "/?q=1",       "text/html; charset=utf-8",       PAGE        },
		{ "/app.mjs",    "text/javascript; charset=utf-8", "export {};"},
		{ "/lib.d.ts",   "text/plain; charset=utf-8",      "export {};"},
		{ "/style.css",  "text/css; charset=utf-8",        "a{}"       },
		{ "/img/a.svg",  "image/svg+xml",                  "<svg/>"    },
		{ "/empty.json", "application/json",               ""          },
	};
	static char in[4096];
	char want[100];

	for (size_t i = 0; i < GW_ARRAY_LEN(pages); i++) {
		if (get(*state, 23100, pages[i].path, in, sizeof(in)) != 200)
			fail_msg("%s: %s", pages[i].path, in);
		(void)snprintf(want, sizeof(want), "content-type: %s\r\n",
			       pages[i].type);
		assert_non_null(strstr(in, want));
		assert_string_equal(pages[i].body, strstr(in, "\r\n\r\n") + 4);
		assert_non_null(strstr(in, "default-src 'self'"));
		assert_non_null(strstr(in, "nosniff"));
		assert_non_null(strstr(in, "referrer-policy: no-referrer"));
		assert_non_null(strstr(in, "microphone=(self)"));
		assert_non_null(strstr(in, "etag: \""));
		assert_null(strstr(in, "strict-transport"));
	}
}

static void nothing_else_is_served(void **state)
{
	static const char *const paths[] = {
		"/none.html",
		"/img",
		"/img/",
		"/demo.sh",
		"/.secret.html",
		"/link.html",
		"/../outside.html",
		"/img/../../outside.html",
		"/%2e%2e/outside.html",
		"/..%2foutside.html",
		"//etc/passwd",
		"/index.html%00.png",
		"/index.html/",
	};
	static char in[4096];

	for (size_t i = 0; i < GW_ARRAY_LEN(paths); i++) {
		int status = get(*state, 23100, paths[i], in, sizeof(in));

		/* hung up on, or normalised inside the root: never outside */
		if (status != 404 && status != 403 && status != 0)
			fail_msg("%s: %s", paths[i], in);
		assert_null(strstr(in, "outside"));
		if (status == 404)
			assert_non_null(strstr(in, "application/problem+json"));
	}
}

static void a_page_that_is_known_is_not_sent_again(void **state)
{
	struct rig *r = *state;
	char in[4096], req[400], etag[32];
	struct client *c;

	assert_int_equal(200, get(r, 23100, "/", in, sizeof(in)));
	assert_int_equal(1, sscanf(strstr(in, "etag: "), "etag: %31s", etag));
	(void)snprintf(req, sizeof(req),
		       "GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: %s\r\n\r\n",
		       etag);
	c = ask(r, 23100, req);
	assert_int_equal(304, response(c));
	assert_null(strstr(c->in, PAGE));
	hang_up(c);
	put_file(r->set.web.root, "index.html", "<p>new");
	gw_ws_reload(r->ws, &r->set);
	c = ask(r, 23100, req);
	assert_int_equal(200, response(c));
	assert_non_null(strstr(c->in, "<p>new"));
	hang_up(c);
}

static void only_get_and_head_are_answered(void **state)
{
	struct rig *r = *state;
	struct client *c;

	c = ask(r, 23100, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
	until(r, (take(c), strstr(c->in, "\r\n\r\n")));
	assert_memory_equal("HTTP/1.1 200 ", c->in, 13);
	/* the same connection goes on, with no body in between */
	drop(c, (size_t)(strstr(c->in, "\r\n\r\n") + 4 - c->in));
	put_str(c, "GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(200, response(c));
	assert_non_null(strstr(c->in, "a{}"));
	hang_up(c);
	for (int i = 0; i < 2; i++) {
		c = ask(r, i ? 23102 : 23100,
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
			"\r\nx");
		assert_int_equal(405, response(c));
		assert_non_null(strstr(c->in, "allow: GET, HEAD"));
		assert_non_null(strstr(c->in, "application/problem+json"));
		hang_up(c);
	}
}

static void a_page_being_sent_survives_a_reload(void **state)
{
	enum { SIZE = 4 << 20 };
	static char text[SIZE + 1];
	struct rig *r = *state;
	struct client *c;
	size_t got = 0;
	int small = 8192;

	memset(text, 't', SIZE);
	put_file(r->set.web.root, "big.txt", text);
	gw_ws_reload(r->ws, &r->set);
	c = dial(r, 23100);
	(void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	put_str(c, "GET /big.txt HTTP/1.1\r\nHost: x\r\n\r\n");
	until(r, (take(c), strstr(c->in, "\r\n\r\n")));
	drop(c, (size_t)(strstr(c->in, "\r\n\r\n") + 4 - c->in));
	gw_ws_reload(r->ws, &r->set);
	while (got < SIZE) {
		until(r, has(c, 1));
		for (size_t i = 0; i < c->len; i++)
			assert_int_equal('t', c->in[i]);
		got += c->len;
		c->len = 0;
	}
	assert_int_equal(SIZE, got);
	hang_up(c);
}

static void the_admin_listener_asks_its_handler(void **state)
{
	static char in[65536];
	struct rig *r = *state;
	struct client *c;

	assert_int_equal(200, get(r, 23102, "/metrics", in, sizeof(in)));
	assert_non_null(strstr(in, "text/plain; version=0.0.4"));
	assert_non_null(strstr(in, "isthmus_ws_sockets 1"));
	assert_int_equal(404, get(r, 23102, "/index.html", in, sizeof(in)));
	assert_non_null(strstr(in, "\"status\":404"));
	/* the public listeners do not know it, nor it a WebSocket */
	assert_int_equal(404, get(r, 23100, "/metrics", in, sizeof(in)));
	c = dial(r, 23102);
	assert_int_equal(404, upgrade(c, "https://ok.example"));
	hang_up(c);
}

static void a_client_finds_the_websocket_by_our_name(void **state)
{
	static char in[4096];
	struct rig *r = *state;
	struct client *c;

	assert_int_equal(200, get(r, 23100, "/.well-known/3gpp-respect", in,
				  sizeof(in)));
	assert_non_null(
		strstr(in, "{\"endpoint\":\"ws://localhost/3gpp-respect/v1\","
			   "\"protocol\":\"3gpp.RESPECT.v1\"}"));
	c = dial(r, 23101);
	assert_int_equal(1, start_tls(c, 0));
	put_str(c, "GET /.well-known/3gpp-respect HTTP/1.1\r\n"
		   "Host: gw.example:8443\r\n\r\n");
	assert_int_equal(200, response(c));
	assert_non_null(strstr(c->in, "\"wss://gw.example:8443/3gpp-"));
	hang_up(c);
	c = ask(r, 23100,
		"GET /.well-known/3gpp-respect HTTP/1.1\r\nHost: \"\r\n\r\n");
	assert_int_equal(400, response(c));
	hang_up(c);
}

static X509 *peer_certificate(struct client *c)
{
	X509 *x = SSL_get1_peer_certificate(c->ssl);

	assert_non_null(x);
	return x;
}

static void without_a_certificate_one_is_made_and_kept(void **state)
{
	struct rig *r = *state;
	struct client *c = dial(r, 23101);
	struct stat st;
	char path[300];
	X509 *x;

	assert_int_equal(1, start_tls(c, 0));
	x = peer_certificate(c);
	assert_int_equal(1, X509_check_host(x, "localhost", 0, 0, NULL));
	assert_int_equal(1, X509_check_ip_asc(x, "127.0.0.1", 0));
	assert_int_equal(1, X509_check_ip_asc(x, "::1", 0));
	assert_int_equal(EVP_PKEY_EC, EVP_PKEY_id(X509_get0_pubkey(x)));
	X509_free(x);
	hang_up(c);
	(void)snprintf(path, sizeof(path), "%s/web-key.pem", r->set.state_dir);
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0600, st.st_mode & 0777);
}

static void the_made_certificate_is_used_again_if_it_fits(void **state)
{
	static const char *const few[] = { "localhost", "::1" };
	static const char *const more[] = { "localhost", "::1", "192.0.2.7" };
	struct rig *r = *state;
	struct gw_selfsigned s;
	struct stat a, b;
	char err[200] = "", dir[128];

	(void)snprintf(dir, sizeof(dir), "%s/other", r->dir);
	assert_int_equal(
		0, gw_selfsigned_ensure(&s, dir, few, 2, err, sizeof(err)));
	assert_int_equal(0, stat(s.key, &a));
	assert_int_equal(
		0, gw_selfsigned_ensure(&s, dir, few, 2, err, sizeof(err)));
	assert_int_equal(0, stat(s.key, &b));
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(
		0, gw_selfsigned_ensure(&s, dir, more, 3, err, sizeof(err)));
	assert_int_equal(0, stat(s.key, &b));
	assert_int_not_equal(a.st_ino, b.st_ino);
	assert_int_equal(-EINVAL, gw_selfsigned_ensure(&s, "", few, 2, err,
						       sizeof(err)));
	assert_int_not_equal(0, gw_selfsigned_ensure(&s, "/proc/none", few, 2,
						     err, sizeof(err)));
	assert_non_null(strstr(err, "/proc/none"));
}

static void old_tls_is_refused(void **state)
{
	struct rig *r = *state;
	struct client *c = dial(r, 23101);

	assert_int_equal(0, start_tls(c, TLS1_1_VERSION));
	hang_up(c);
	c = dial(r, 23101);
	assert_int_equal(1, start_tls(c, TLS1_2_VERSION));
	hang_up(c);
	/* nor is plain HTTP taken for TLS */
	c = ask(r, 23101, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	until(r, ended(c));
	hang_up(c);
}

static void expect_name(struct rig *r, const char *name)
{
	struct client *c = dial(r, 23101);
	X509 *x;

	assert_int_equal(1, start_tls(c, 0));
	x = peer_certificate(c);
	assert_int_equal(1, X509_check_host(x, name, 0, 0, NULL));
	X509_free(x);
	hang_up(c);
}

static void a_new_certificate_leaves_connections_alone(void **state)
{
	static const char *const names[] = { "new.example" };
	struct rig *r = *state;
	struct client *c = dial(r, 23101);
	struct gw_selfsigned s;
	char err[200], dir[128];

	assert_int_equal(1, start_tls(c, 0));
	assert_int_equal(101, upgrade(c, "https://ok.example"));
	until(r, r->opened == 1);
	drop(c, (size_t)(strstr(c->in, "\r\n\r\n") + 4 - c->in));
	expect_name(r, "localhost");

	(void)snprintf(dir, sizeof(dir), "%s/other", r->dir);
	assert_int_equal(
		0, gw_selfsigned_ensure(&s, dir, names, 1, err, sizeof(err)));
	(void)strcpy(r->set.web.certificate, s.certificate);
	(void)strcpy(r->set.web.key, s.key);
	gw_ws_reload(r->ws, &r->set);
	expect_name(r, "new.example");
	assert_true(put_frame(c, TEXT, "still here", 10, 0));
	until(r, r->messages == 1);

	/* what cannot be used changes nothing */
	gw_log_setup(GW_LOG_TEXT, GW_ERROR, open("/dev/null", O_WRONLY));
	put_file(dir, "web-cert.pem", "not a certificate");
	gw_ws_reload(r->ws, &r->set);
	expect_name(r, "new.example");
	(void)strcpy(r->set.web.key, "/nowhere.pem");
	gw_ws_reload(r->ws, &r->set);
	expect_name(r, "new.example");
	hang_up(c);
}

static void a_real_certificate_brings_hsts(void **state)
{
	static const char *const names[] = { "localhost" };
	struct rig *r = *state;
	struct gw_selfsigned s;
	struct client *c;
	char err[200], dir[128];

	for (int i = 0; i < 2; i++) {
		c = dial(r, 23101);
		assert_int_equal(1, start_tls(c, 0));
		put_str(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_int_equal(200, response(c));
		assert_int_equal(i, strstr(c->in, "strict-transport") != NULL);
		hang_up(c);
		(void)snprintf(dir, sizeof(dir), "%s/other", r->dir);
		assert_int_equal(0, gw_selfsigned_ensure(&s, dir, names, 1, err,
							 sizeof(err)));
		(void)strcpy(r->set.web.certificate, s.certificate);
		(void)strcpy(r->set.web.key, s.key);
		gw_ws_reload(r->ws, &r->set);
	}
}

static void websockets_work_over_tls(void **state)
{
	static char text[65536], back[70000];
	struct rig *r = *state;
	struct client *c = dial(r, 23101);
	size_t n = 0;

	r->echo = true;
	memset(text, 't', sizeof(text));
	assert_int_equal(1, start_tls(c, 0));
	assert_int_equal(101, upgrade(c, "https://localhost"));
	drop(c, (size_t)(strstr(c->in, "\r\n\r\n") + 4 - c->in));
	for (int i = 0; i < 20; i++) {
		assert_true(put_frame(c, TEXT, text, sizeof(text), 0));
		assert_int_equal(TEXT, frame(c, back, &n));
		assert_int_equal(sizeof(text), n);
		assert_memory_equal(text, back, n);
	}
	gw_ws_close(r->last, GW_WS_NORMAL, NULL);
	assert_int_equal(1000, close_code(c));
	finish_close(c, 1000);
	until(r, r->closed == 1);
	assert_int_equal(1000, r->code);
	hang_up(c);
}

static int start_with(const char *listen, const char *root)
{
	static const struct gw_ws_handlers none;
	struct gw_settings *set = calloc(1, sizeof(*set));
	struct gw_loop *loop = NULL;
	struct gw_ws *ws = NULL;
	int err;

	assert_non_null(set);
	(void)strcpy(set->web.listen[0], listen);
	set->web.nlisten = 1;
	(void)strcpy(set->web.root, root);
	assert_int_equal(0, gw_loop_new(&loop, NULL, NULL));
	gw_log_setup(GW_LOG_TEXT, GW_ERROR, open("/dev/null", O_WRONLY));
	err = gw_ws_new(&ws, loop, set, &none);
	gw_ws_free(ws);
	gw_loop_free(loop);
	free(set);
	return err;
}

static void a_start_that_cannot_work_fails_cleanly(void **state)
{
	(void)state;
	assert_int_equal(-EADDRINUSE, start_with("ws://127.0.0.1:23100", ""));
	assert_int_equal(-EINVAL, start_with("ws://0.0.0.0:23110", ""));
	assert_int_equal(-EINVAL, start_with("http://127.0.0.1:23110", ""));
	assert_int_equal(-EINVAL, start_with("ws://localhost", ""));
	assert_int_equal(-EINVAL, start_with("wss://127.0.0.1:23110", ""));
	assert_int_equal(-ENOENT, start_with("ws://127.0.0.1:23110", "/none"));
	assert_int_equal(0, start_with("ws://127.0.0.1:23110", ""));
}

/* libwebsockets goes round for ever over the end of such a body. */
static void a_body_behind_another_request_holds_up_nobody(void **state)
{
	static const char *const first[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
	};
	static char in[4096];
	char both[256];

	for (size_t i = 0; i < GW_ARRAY_LEN(first); i++) {
		struct client *c;

		(void)snprintf(both, sizeof(both),
			       "%sPOST / HTTP/1.1\r\nHost: x\r\n"
			       "Content-Length: 1\r\n\r\nx",
			       first[i]);
		c = ask(*state, 23100, both);
		until(c->rig, ended(c));
		hang_up(c);
		assert_int_equal(200, get(*state, 23100, "/", in, sizeof(in)));
	}
}

#define with_rig(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_rig(pages_have_their_type_and_policy),
		with_rig(nothing_else_is_served),
		with_rig(a_page_that_is_known_is_not_sent_again),
		with_rig(only_get_and_head_are_answered),
		with_rig(a_page_being_sent_survives_a_reload),
		with_rig(a_body_behind_another_request_holds_up_nobody),
		with_rig(the_admin_listener_asks_its_handler),
		with_rig(a_client_finds_the_websocket_by_our_name),
		with_rig(without_a_certificate_one_is_made_and_kept),
		with_rig(the_made_certificate_is_used_again_if_it_fits),
		with_rig(old_tls_is_refused),
		with_rig(a_new_certificate_leaves_connections_alone),
		with_rig(a_real_certificate_brings_hsts),
		with_rig(websockets_work_over_tls),
		with_rig(a_start_that_cannot_work_fails_cleanly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
