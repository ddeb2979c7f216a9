/* tests/unit/h2_rig.h - the web server, on a clock that a test may put on */
#ifndef H2_RIG_H
#define H2_RIG_H

#include "tests/unit/h2_client.h"

#include <openssl/x509v3.h>

#include "webrtc/h2_hello.h"
#include "webrtc/selfsigned.h"

#define PAGE "<!doctype html><title>x</title>"
#define BIG  (1 << 20)

static struct rig rig;
static uint64_t skew_us; /* deadlines come when a test says so */

static inline uint64_t skewed_clock(void *unused)
{
	return gw_clock_monotonic_us(unused) + skew_us;
}

static inline int setup(void **state)
{
	struct gw_ws_handlers h = { .opened = on_opened,
				    .message = on_message,
				    .closed = on_closed,
				    .admin = on_admin,
				    .arg = &rig };
	struct gw_set_web *web = &rig.set.web;
	static char big[BIG + 1];

	rig_defaults(&rig);
	(void)snprintf(web->listen[0], sizeof(web->listen[0]),
		       "ws://127.0.0.1:%d", H2_PLAIN);
	(void)snprintf(web->listen[1], sizeof(web->listen[1]),
		       "wss://127.0.0.1:%d", H2_TLS);
	web->nlisten = 2;
	put_file(web->root, "index.html", PAGE);
	put_file(web->root, "empty.json", "");
	memset(big, 'b', BIG);
	put_file(web->root, "big.txt", big);
	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	skew_us = 0;
	assert_int_equal(0, gw_loop_new(&rig.loop, skewed_clock, NULL));
	assert_int_equal(0, gw_ws_new(&rig.ws, rig.loop, &rig.set, &h));
	*state = &rig;
	return 0;
}

static inline int teardown(void **state)
{
	rig_stop(*state);
	assert_int_equal(0, counted("isthmus_ws_sockets", NULL));
	assert_int_equal(0, counted("isthmus_ws_connections", NULL));
	assert_int_equal(0, counted("isthmus_ws_h2_sockets", NULL));
	assert_int_equal(0, counted("isthmus_ws_h2_streams", NULL));
	return 0;
}

static inline bool shake_with(struct client *c, const char *alpn, size_t len)
{
	uint64_t end = test_ms() + WAIT_MS;
	int n;

	c->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
	c->ssl = SSL_new(c->ctx);
	SSL_set_fd(c->ssl, c->fd);
	(void)SSL_set_alpn_protos(c->ssl, (const unsigned char *)alpn,
				  (unsigned)len);
	while ((n = SSL_connect(c->ssl)) != 1) {
		int e = SSL_get_error(c->ssl, n);

		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			return false;
		assert_true(test_ms() < end);
		gw_loop_step(c->rig->loop, 2);
	}
	return true;
}

static inline struct h2 *tls_dial(struct rig *r)
{
	struct client *c = dial(r, H2_TLS);
	struct h2 *h;

	assert_true(shake_with(c, "\2h2\x08http/1.1", 12));
	h = h2_over(c);
	h2_until(h, h->connect_protocol);
	return h;
}

#define with_rig(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

#endif
