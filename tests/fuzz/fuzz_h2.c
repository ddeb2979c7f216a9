/*
 * A whole HTTP/2 connection: the bytes of a client, as they are, on a socket
 * pair to the server, WebSockets and all.  Every WebSocket that is opened is
 * closed once, and nothing of a connection stays.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/loop.h"
#include "webrtc/h2_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gw_loop *loop;
static struct gw_ws *ws;
static struct gw_ws_listener listener;
static unsigned opened, closed;

static void on_opened(struct gw_ws_conn *c, void *arg)
{
	(void)arg;
	opened++;
	(void)gw_ws_send(c, "welcome", 7);
}

static void on_message(struct gw_ws_conn *c, const char *text, size_t len,
		       void *arg)
{
	(void)arg;
	if (len && text[0] == 'x')
		gw_ws_close(c, GW_WS_NORMAL, "x");
	else
		(void)gw_ws_send(c, text, len);
}

static void on_closed(struct gw_ws_conn *c, uint16_t code, void *arg)
{
	(void)c;
	(void)code;
	(void)arg;
	closed++;
}

static void start(void)
{
	static const struct gw_ws_handlers h = { .opened = on_opened,
						 .message = on_message,
						 .closed = on_closed };
	static struct gw_settings set;
	static char dir[] = "/tmp/isthmus-fuzz-h2-XXXXXX";
	char page[64];
	FILE *f;

	assert(mkdtemp(dir));
	(void)snprintf(page, sizeof(page), "%s/index.html", dir);
	f = fopen(page, "we");
	assert(f && fputs("<!doctype html><p>", f) >= 0);
	(void)fclose(f);
	(void)strcpy(set.web.root, dir);
	(void)strcpy(set.web.path, "/3gpp-respect/v1");
	(void)strcpy(set.web.origin[0], "*");
	set.web.norigin = 1;
	set.web.queue_bytes = 65536;
	set.web.http2 = true;
	gw_log_setup(GW_LOG_TEXT, GW_ERROR, 2);
	assert(!gw_loop_new(&loop, NULL, NULL));
	assert(!gw_ws_new(&ws, loop, &set, &h));
	(void)unlink(page);
	(void)rmdir(dir);
	listener = (struct gw_ws_listener){ .ws = ws, .kind = GW_WS_PLAIN };
}

static void drain(int fd)
{
	char buf[65536];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct gw_addr peer;
	struct gw_ws_ip *ip;
	struct gw_ws_net *net;
	int fd[2];

	if (!loop)
		start();
	if (size > 60000)
		return 0;
	assert(!gw_addr_parse(&peer, "127.0.0.1", 9));
	assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
	ip = gw_ws_limits_open(ws->limits, &peer);
	net = gw_ws_net_new(ws, &listener, &peer, ip);
	gw_h2_accept(ws->h2, net, fd[0]);
	(void)!write(fd[1], preface, sizeof(preface) - 1);
	/* Some in pieces, as the last byte has it. */
	for (size_t i = 0; i < size;) {
		size_t n = size % 4 ? size : 8u + data[size - 1];

		if (n > size - i)
			n = size - i;
		if (send(fd[1], data + i, n, MSG_NOSIGNAL) != (ssize_t)n)
			break;
		i += n;
		gw_loop_step(loop, 0);
		drain(fd[1]);
	}
	close(fd[1]);
	for (int k = 0; k < 50 && ws->nsocket; k++)
		gw_loop_step(loop, 1);
	assert(ws->nsocket == 0);
	assert(ws->nconn == 0 && opened == closed);
	return 0;
}
