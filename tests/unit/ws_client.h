/*
 * tests/unit/ws_client.h - a server and a raw client in one thread
 *
 * The client writes bytes that no library would write, and steps the loop
 * while it waits for the answer.  Every wait has a condition and an end.
 */
#ifndef GW_TEST_WS_CLIENT_H
#define GW_TEST_WS_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "webrtc/ws_server.h"
#include "tests/unit/metric.h"

#define WAIT_MS  10000
#define KEY      "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT   "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* RFC 6455 1.3 */
#define RESPECT  "Sec-WebSocket-Protocol: 3gpp.RESPECT.v1\r\n"
#define ECHO_ARG 1

struct rig {
	struct gw_loop *loop;
	struct gw_ws *ws;
	struct gw_settings set;
	char dir[64];
	unsigned opened, messages, closed, closed_while_busy;
	uint16_t code;
	bool echo, busy;
	struct gw_ws_conn *last; /* NULL once closed */
	char text[70000];
	size_t len;
};

struct client {
	struct rig *rig;
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	bool eof;
	char in[400000];
	size_t len;
};

static inline uint64_t test_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

#define until(rig, cond)                                                       \
	do {                                                                   \
		uint64_t end_ = test_ms() + WAIT_MS;                           \
		while (!(cond)) {                                              \
			if (test_ms() > end_)                                  \
				fail_msg("never: %s", #cond);                  \
			gw_loop_step((rig)->loop, 5);                          \
		}                                                              \
	} while (0)

static inline void run_for(struct rig *r, uint64_t ms)
{
	uint64_t end = test_ms() + ms;

	while (test_ms() < end)
		gw_loop_step(r->loop, 5);
}

static inline void on_opened(struct gw_ws_conn *c, void *arg)
{
	struct rig *r = arg;

	r->opened++;
	r->last = c;
}

static inline void on_message(struct gw_ws_conn *c, const char *text,
			      size_t len, void *arg)
{
	struct rig *r = arg;

	assert_true(len <= GW_WS_MAX_MESSAGE);
	r->messages++;
	memcpy(r->text, text, len);
	r->len = len;
	if (r->echo)
		assert_int_equal(0, gw_ws_send(c, text, len));
}

static inline void on_closed(struct gw_ws_conn *c, uint16_t code, void *arg)
{
	struct rig *r = arg;

	assert_non_null(gw_ws_name(c));
	r->closed++;
	r->closed_while_busy += r->busy;
	r->code = code;
	if (c == r->last)
		r->last = NULL;
}

static inline unsigned on_admin(const char *path, struct gw_buf *body,
				const char **type, void *arg)
{
	(void)arg;
	if (strcmp(path, "/metrics") != 0)
		return 404;
	*type = "text/plain; version=0.0.4";
	gw_metrics_print(body);
	return 200;
}

static inline void put_file(const char *dir, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(0, fclose(f));
}

static inline void rig_defaults(struct rig *r)
{
	struct gw_set_web *web = &r->set.web;

	memset(r, 0, sizeof(*r));
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/gw-ws-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	(void)snprintf(r->set.state_dir, sizeof(r->set.state_dir), "%s/state",
		       r->dir);
	(void)snprintf(web->root, sizeof(web->root), "%s/web", r->dir);
	assert_int_equal(0, mkdir(web->root, 0700));
	(void)strcpy(web->listen[0], "ws://127.0.0.1:23100");
	web->nlisten = 1;
	(void)strcpy(web->path, "/3gpp-respect/v1");
	(void)strcpy(web->origin[0], "self");
	(void)strcpy(web->origin[1], "https://ok.example");
	web->norigin = 2;
	web->ping_ms = 30000;
	web->max_connections = 5000;
	web->max_connections_ip = 5000;
	web->auth_failures = 3;
	web->pause_ms = 60000;
	web->queue_bytes = 262144;
	web->http2 = true;
}

static inline void rig_start(struct rig *r)
{
	struct gw_ws_handlers h = { .opened = on_opened,
				    .message = on_message,
				    .closed = on_closed,
				    .admin = on_admin,
				    .arg = r };

	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	assert_int_equal(0, gw_loop_new(&r->loop, NULL, NULL));
	assert_int_equal(0, gw_ws_new(&r->ws, r->loop, &r->set, &h));
}

/* However it ended: each that was opened has been closed, once. */
static inline void rig_stop(struct rig *r)
{
	char cmd[128];

	gw_ws_free(r->ws);
	gw_loop_free(r->loop);
	assert_int_equal(r->opened, r->closed);
	assert_int_equal(0, r->closed_while_busy);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", r->dir);
	assert_int_equal(0, system(cmd));
}

static inline int64_t counted(const char *name, const char *labels)
{
	char line[160];

	(void)snprintf(line, sizeof(line), labels ? "%s{%s}" : "%s", name,
		       labels);
	return metric(line);
}

static inline struct client *dial(struct rig *r, uint16_t port)
{
	struct client *c = calloc(1, sizeof(*c));
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_non_null(c);
	c->rig = r;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(c->fd >= 0);
	assert_int_equal(0,
			 connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)));
	assert_int_equal(0, fcntl(c->fd, F_SETFL, O_NONBLOCK));
	return c;
}

static inline void hang_up(struct client *c)
{
	if (c->ssl)
		SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
	free(c);
}

/* 1: shaken; 0: the other side refused. */
static inline int start_tls(struct client *c, int max_version)
{
	uint64_t end = test_ms() + WAIT_MS;
	int n;

	c->ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(c->ctx);
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_security_level(c->ctx, 0);
	if (max_version)
		SSL_CTX_set_max_proto_version(c->ctx, max_version);
	c->ssl = SSL_new(c->ctx);
	assert_non_null(c->ssl);
	SSL_set_fd(c->ssl, c->fd);
	while ((n = SSL_connect(c->ssl)) != 1) {
		int e = SSL_get_error(c->ssl, n);

		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			return 0;
		assert_true(test_ms() < end);
		gw_loop_step(c->rig->loop, 5);
	}
	return 1;
}

static inline ssize_t raw_write(struct client *c, const void *p, size_t n)
{
	int k;

	if (!c->ssl)
		return send(c->fd, p, n, MSG_NOSIGNAL);
	k = SSL_write(c->ssl, p, (int)n);
	if (k > 0)
		return k;
	errno = EAGAIN;
	return -1;
}

/* False: the other side does not want it. */
static inline bool put(struct client *c, const void *data, size_t len)
{
	uint64_t end = test_ms() + WAIT_MS;
	const char *p = data;

	while (len) {
		ssize_t n = raw_write(c, p, len);

		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN) {
			return false;
		}
		assert_true(test_ms() < end);
		gw_loop_step(c->rig->loop, 0);
	}
	return true;
}

static inline void put_str(struct client *c, const char *s)
{
	assert_true(put(c, s, strlen(s)));
}

static inline void take(struct client *c)
{
	for (;;) {
		size_t room = sizeof(c->in) - 1 - c->len;
		ssize_t n;

		if (!room)
			return;
		if (c->ssl) {
			n = SSL_read(c->ssl, c->in + c->len, (int)room);
			if (n <= 0) {
				int e = SSL_get_error(c->ssl, (int)n);

				c->eof |= e != SSL_ERROR_WANT_READ;
				return;
			}
		} else {
			n = recv(c->fd, c->in + c->len, room, 0);
			if (n < 0) {
				c->eof |= errno != EAGAIN;
				return;
			}
			if (n == 0) {
				c->eof = true;
				return;
			}
		}
		c->len += (size_t)n;
		c->in[c->len] = '\0';
	}
}

static inline bool has(struct client *c, size_t n)
{
	take(c);
	return c->len >= n;
}

static inline bool ended(struct client *c)
{
	take(c);
	return c->eof;
}

static inline void drop(struct client *c, size_t n)
{
	assert_true(n <= c->len);
	memmove(c->in, c->in + n, c->len - n);
	c->len -= n;
	c->in[c->len] = '\0';
}

/* Waits for a whole response; its status.  The text stays in c->in. */
static inline int response(struct client *c)
{
	char *body, *cl;
	size_t want;

	until(c->rig, (take(c), c->eof || strstr(c->in, "\r\n\r\n")));
	body = strstr(c->in, "\r\n\r\n");
	if (!body)
		return 0; /* hung up without a word */
	assert_memory_equal(c->in, "HTTP/1.1 ", 9);
	cl = strcasestr(c->in, "\r\ncontent-length: ");
	want = (size_t)(body + 4 - c->in) +
	       (cl && cl < body ? strtoul(cl + 18, NULL, 10) : 0);
	if (atoi(c->in + 9) != 304 && !c->eof && strncmp(c->in, "HEAD", 4))
		until(c->rig, has(c, want) || c->eof);
	return atoi(c->in + 9);
}

#define HANDSHAKE                                                              \
	"Host: localhost\r\nUpgrade: websocket\r\n"                            \
	"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"     \
	"Sec-WebSocket-Key: " KEY "\r\n"

static inline int upgrade(struct client *c, const char *origin)
{
	char req[1024];

	(void)snprintf(req, sizeof(req),
		       "GET /3gpp-respect/v1 HTTP/1.1\r\n" HANDSHAKE RESPECT
		       "Origin: %s\r\n\r\n",
		       origin);
	put_str(c, req);
	return response(c);
}

static inline struct client *open_ws(struct rig *r)
{
	struct client *c = dial(r, 23100);
	unsigned opened = r->opened;

	assert_int_equal(101, upgrade(c, "https://ok.example"));
	until(r, r->opened == opened + 1);
	drop(c, (size_t)(strstr(c->in, "\r\n\r\n") + 4 - c->in));
	return c;
}

/* A masked frame; @announce: what its length says, when that is not so. */
static inline bool put_frame(struct client *c, unsigned first, const void *data,
			     size_t len, uint64_t announce)
{
	static const unsigned char mask[4] = { 0x5a, 0x01, 0xfe, 0x80 };
	unsigned char head[14], *body = malloc(len + 1);
	uint64_t n = announce ? announce : len;
	size_t h = 2;
	bool ok;

	assert_non_null(body);
	head[0] = (unsigned char)first;
	if (n < 126) {
		head[1] = (unsigned char)(0x80 | n);
	} else if (n < 65536) {
		head[1] = 0x80 | 126;
		head[h++] = (unsigned char)(n >> 8);
		head[h++] = (unsigned char)n;
	} else {
		head[1] = 0x80 | 127;
		for (int i = 56; i >= 0; i -= 8)
			head[h++] = (unsigned char)(n >> i);
	}
	memcpy(head + h, mask, 4);
	for (size_t i = 0; i < len; i++)
		body[i] = ((const unsigned char *)data)[i] ^ mask[i & 3];
	ok = put(c, head, h + 4) && put(c, body, len);
	free(body);
	return ok;
}

#define TEXT  0x81u
#define FIRST 0x01u
#define MORE  0x00u
#define LAST  0x80u
#define BIN   0x82u
#define CLOSE 0x88u
#define PING  0x89u
#define PONG  0x8au

static inline bool whole_frame(struct client *c, size_t *head, size_t *len)
{
	const unsigned char *p = (unsigned char *)c->in;

	take(c);
	if (c->len < 2)
		return false;
	assert_int_equal(0, p[1] & 0x80); /* RFC 6455 5.1 */
	*head = p[1] < 126 ? 2 : p[1] == 126 ? 4 : 10;
	if (c->len < *head)
		return false;
	*len = p[1];
	if (p[1] >= 126) {
		*len = 0;
		for (size_t i = 2; i < *head; i++)
			*len = *len << 8 | p[i];
	}
	return c->len >= *head + *len;
}

/* The next frame's first byte; its payload is moved to @out. */
static inline unsigned frame(struct client *c, char *out, size_t *len)
{
	size_t head = 0, n = 0;
	unsigned first;

	until(c->rig, whole_frame(c, &head, &n) || c->eof);
	if (c->eof && !c->len)
		return 0;
	first = (unsigned char)c->in[0];
	memcpy(out, c->in + head, n);
	*len = n;
	drop(c, head + n);
	return first;
}

/* Skips what comes before the close frame; its code, 0 when there is none. */
static inline unsigned close_code(struct client *c)
{
	static char buf[400000];
	unsigned first;
	size_t n = 0;

	while ((first = frame(c, buf, &n)) && first != CLOSE)
		;
	if (!first)
		return 0;
	assert_true(n >= 2);
	return (unsigned)((unsigned char)buf[0] << 8 | (unsigned char)buf[1]);
}

/* Answers the close frame as a browser does and sees the socket closed. */
static inline void finish_close(struct client *c, unsigned code)
{
	unsigned char p[2] = { (unsigned char)(code >> 8),
			       (unsigned char)code };

	(void)put_frame(c, CLOSE, p, 2, 0);
	until(c->rig, ended(c));
}

#endif
