/*
 * The whole gateway under load: browsers that speak RESPECT over plain
 * WebSockets (each carries many calls), and a SIP phone that answers at once.
 * Blocking where it is set up, never once calls are made.
 */
#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/bench/ng.h"

#define CALLS_A_SOCKET 32
#define BUFFER         (256 << 10)

struct browser {
	int fd;
	unsigned next_id; /* of our requests: 0, 2, 4 ... */
	size_t have;
	uint8_t buf[BUFFER];
};

static struct browser *browsers;
static unsigned nbrowser;
static int sip;

/* ---- WebSocket (RFC 6455), a mask of zero ---- */

static void ws_send(struct browser *b, const char *text)
{
	uint8_t head[8] = { 0x81 };
	size_t n = strlen(text), hn;
	struct iovec iov[2];

	if (n < 126) {
		head[1] = (uint8_t)(0x80 | n);
		hn = 6;
	} else {
		head[1] = 0x80 | 126;
		head[2] = (uint8_t)(n >> 8);
		head[3] = (uint8_t)n;
		hn = 8;
	}
	iov[0] = (struct iovec){ head, hn };
	iov[1] = (struct iovec){ (void *)(uintptr_t)text, n };
	assert(n < 65536);
	/* What is sent is small and read at once: it fits. */
	assert(writev(b->fd, iov, 2) == (ssize_t)(hn + n));
}

/* The next message, NUL-terminated, or NULL. */
static char *ws_next(struct browser *b, size_t *used)
{
	size_t n, hn = 2;

	if (b->have < 2)
		return NULL;
	n = b->buf[1] & 0x7f;
	if (n == 126) {
		hn = 4;
		if (b->have < 4)
			return NULL;
		n = (size_t)b->buf[2] << 8 | b->buf[3];
	}
	assert(n != 127);
	if (b->have < hn + n)
		return NULL;
	*used = hn + n;
	if ((b->buf[0] & 0x0f) == 9) { /* ping: the same as pong */
		uint8_t pong[6 + 125] = { 0x8a, (uint8_t)(0x80 | n) };

		memcpy(pong + 6, b->buf + hn, n < 125 ? n : 125);
		(void)send(b->fd, pong, 6 + n, 0);
		return "";
	}
	if ((b->buf[0] & 0x0f) == 8) {
		(void)fprintf(stderr, "the gateway closed a WebSocket: %.*s\n",
			      (int)(n > 2 ? n - 2 : 0), b->buf + hn + 2);
		exit(1);
	}
	{
		static char text[BUFFER];

		memcpy(text, b->buf + hn, n);
		text[n] = '\0';
		return text;
	}
}

static void ws_drop(struct browser *b, size_t used)
{
	b->have -= used;
	memmove(b->buf, b->buf + used, b->have);
}

static void read_more(struct browser *b)
{
	ssize_t n = recv(b->fd, b->buf + b->have, sizeof(b->buf) - b->have, 0);

	if (n > 0)
		b->have += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		(void)fprintf(stderr, "a WebSocket was lost\n");
		exit(1);
	}
}

static void log_in(struct browser *b, unsigned i, const struct sockaddr_in *to)
{
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
		"qrstuvwxyz0123456789+/";
	const int one = 1;
	char text[1024], plain[64], coded[96];
	size_t n, used, c = 0;
	char *got;

	b->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert(b->fd >= 0);
	if (connect(b->fd, (const struct sockaddr *)to, sizeof(*to))) {
		perror("the gateway");
		exit(1);
	}
	(void)setsockopt(b->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)snprintf(text, sizeof(text),
		       "GET /3gpp-respect/v1 HTTP/1.1\r\nHost: bench\r\n"
		       "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Origin: http://bench\r\n"
		       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		       "Sec-WebSocket-Version: 13\r\n"
		       "Sec-WebSocket-Protocol: 3gpp.RESPECT.v1\r\n\r\n");
	assert(send(b->fd, text, strlen(text), 0) == (ssize_t)strlen(text));
	do {
		read_more(b);
		b->buf[b->have] = '\0';
		got = strstr((char *)b->buf, "\r\n\r\n");
	} while (!got);
	if (strncmp((char *)b->buf, "HTTP/1.1 101", 12) != 0) {
		(void)fprintf(stderr, "no WebSocket: %.60s\n", b->buf);
		exit(1);
	}
	ws_drop(b, (size_t)(got + 4 - (char *)b->buf));

	n = (size_t)snprintf(plain, sizeof(plain), "u%u@bench.example:demo", i);
	for (size_t k = 0; k < n; k += 3) {
		unsigned v = (unsigned)plain[k] << 16 |
			     (k + 1 < n ? (unsigned)plain[k + 1] << 8 : 0) |
			     (k + 2 < n ? (unsigned)plain[k + 2] : 0);

		coded[c++] = base64[v >> 18];
		coded[c++] = base64[v >> 12 & 63];
		coded[c++] = k + 1 < n ? base64[v >> 6 & 63] : '=';
		coded[c++] = k + 2 < n ? base64[v & 63] : '=';
	}
	(void)snprintf(text, sizeof(text),
		       "{\"messageType\":\"request\",\"method\":\"auth\","
		       "\"transactionId\":0,\"authType\":\"basic\","
		       "\"webrtcId\":\"sip:u%u@bench.example\","
		       "\"authorization\":\"Basic %.*s\"}",
		       i, (int)c, coded);
	b->next_id = 2;
	ws_send(b, text);
	while (!(got = ws_next(b, &used)))
		read_more(b);
	if (!strstr(got, "\"success\":true")) {
		(void)fprintf(stderr, "log-in refused: %s\n", got);
		exit(1);
	}
	ws_drop(b, used);
	(void)fcntl(b->fd, F_SETFL, O_NONBLOCK);
}

void daemon_connect(struct load *l)
{
	struct sockaddr_in to = { .sin_family = AF_INET }, own;
	char host[40];
	unsigned ws_port, sip_port;

	if (sscanf(l->opt.daemon, "%39[^:]:%u:%u", host, &ws_port, &sip_port) !=
	    3) {
		(void)fprintf(stderr, "--daemon ADDR:WSPORT:SIPPORT\n");
		exit(2);
	}
	(void)inet_pton(AF_INET, host, &to.sin_addr);
	sip = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	own = to;
	own.sin_port = htons((uint16_t)sip_port);
	if (sip < 0 || bind(sip, (struct sockaddr *)&own, sizeof(own))) {
		perror("the SIP port");
		exit(1);
	}
	to.sin_port = htons((uint16_t)ws_port);
	nbrowser = (l->ncall + CALLS_A_SOCKET - 1) / CALLS_A_SOCKET;
	browsers = calloc(nbrowser, sizeof(*browsers));
	assert(browsers);
	for (unsigned i = 0; i < nbrowser; i++)
		log_in(&browsers[i], i, &to);
}

/* ---- RESPECT ---- */

static struct browser *browser_of(const struct call *c)
{
	return &browsers[c->index / CALLS_A_SOCKET];
}

void daemon_offer(struct load *l, struct call *c, const char *sdp)
{
	struct browser *b = browser_of(c);
	char text[4096], lines[3000];
	size_t n = 0;

	(void)l;
	for (; *sdp && n + 3 < sizeof(lines); sdp++) {
		if (*sdp == '\r' || *sdp == '\n') {
			lines[n++] = '\\';
			lines[n++] = *sdp == '\r' ? 'r' : 'n';
		} else {
			lines[n++] = *sdp;
		}
	}
	lines[n] = '\0';
	c->setup_id = b->next_id;
	b->next_id += 2;
	c->session[0] = '\0';
	(void)snprintf(text, sizeof(text),
		       "{\"messageType\":\"request\",\"method\":\"msetup\","
		       "\"transactionId\":%u,"
		       "\"resourceId\":\"sip:p%u-%u@phones.example\","
		       "\"preOffer\":\"%s\"}",
		       c->setup_id, c->index, c->round, lines);
	ws_send(b, text);
}

void daemon_delete(struct load *l, struct call *c)
{
	struct browser *b = browser_of(c);
	char text[256];

	if (!c->session[0]) {
		c->state = CALL_IDLE;
		l->deleted++;
		return;
	}
	c->disc_id = b->next_id;
	b->next_id += 2;
	(void)snprintf(text, sizeof(text),
		       "{\"messageType\":\"request\",\"method\":\"mdisc\","
		       "\"transactionId\":%u,\"mediaSessionId\":\"%s\"}",
		       c->disc_id, c->session);
	ws_send(b, text);
}

static const char *text_in(struct json_object *o, const char *key)
{
	struct json_object *v = json_object_object_get(o, key);

	return v ? json_object_get_string(v) : "";
}

static void on_response(struct load *l, struct browser *b,
			struct json_object *o)
{
	unsigned id = (unsigned)json_object_get_int64(
		json_object_object_get(o, "transactionId"));
	unsigned first = (unsigned)(b - browsers) * CALLS_A_SOCKET;

	for (unsigned i = first; i < first + CALLS_A_SOCKET && i < l->ncall;
	     i++) {
		struct call *c = &l->call[i];

		if (c->state == CALL_OFFERED && c->setup_id == id) {
			(void)snprintf(c->session, sizeof(c->session), "%s",
				       text_in(o, "mediaSessionId"));
			if (!json_object_get_boolean(
				    json_object_object_get(o, "success")))
				call_failed(l, c,
					    json_object_to_json_string(o));
		} else if (c->state == CALL_DELETED && c->disc_id == id) {
			c->state = CALL_IDLE;
			l->deleted++;
		}
	}
}

static void on_request(struct load *l, struct browser *b, struct json_object *o)
{
	const char *session = text_in(o, "mediaSessionId");
	const char *method = text_in(o, "method");
	unsigned first = (unsigned)(b - browsers) * CALLS_A_SOCKET;
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "{\"messageType\":\"response\",\"method\":\"%s\","
		       "\"transactionId\":%lld,\"success\":true,"
		       "\"mediaSessionId\":\"%s\"}",
		       method,
		       (long long)json_object_get_int64(
			       json_object_object_get(o, "transactionId")),
		       session);
	ws_send(b, text);
	for (unsigned i = first; i < first + CALLS_A_SOCKET && i < l->ncall;
	     i++) {
		struct call *c = &l->call[i];
		const char *sdp = text_in(o, "sdpAnswer");

		if (!c->session[0] || strcmp(c->session, session) != 0)
			continue;
		if (!strcmp(method, "mdisc") && c->state != CALL_DELETED &&
		    c->state != CALL_IDLE) {
			c->session[0] = '\0';
			call_failed(l, c, json_object_to_json_string(o));
		} else if (c->state == CALL_OFFERED && *sdp) {
			call_answered(l, c, sdp);
		}
	}
}

static void read_browser(struct load *l, struct browser *b)
{
	size_t used;
	char *text;

	read_more(b);
	while ((text = ws_next(b, &used))) {
		struct json_object *o = *text ? json_tokener_parse(text) : NULL;

		if (o && !strcmp(text_in(o, "messageType"), "response"))
			on_response(l, b, o);
		else if (o)
			on_request(l, b, o);
		json_object_put(o);
		ws_drop(b, used);
	}
}

/* ---- the phone ---- */

static bool header(const char *msg, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	for (const char *p = strstr(msg, "\r\n"); p; p = strstr(p, "\r\n")) {
		size_t len;

		p += 2;
		if (strncasecmp(p, name, n) != 0 || p[n] != ':')
			continue;
		p += n + 1;
		p += strspn(p, " ");
		len = strcspn(p, "\r\n");
		if (len >= size)
			return false;
		memcpy(out, p, len);
		out[len] = '\0';
		return true;
	}
	return false;
}

static void on_sip(struct load *l, const char *msg,
		   const struct sockaddr_in *from)
{
	char via[512], f[256], t[256], id[256], cseq[64], out[4096], sdp[1024];
	char rr[512] = "", addr[32];
	bool invite = !strncmp(msg, "INVITE ", 7);
	unsigned index, round;
	const char *body = strstr(msg, "\r\n\r\n");

	if (!strncmp(msg, "ACK ", 4) || !strncmp(msg, "SIP/2.0", 7))
		return;
	if (!header(msg, "Via", via, sizeof(via)) ||
	    !header(msg, "From", f, sizeof(f)) ||
	    !header(msg, "To", t, sizeof(t)) ||
	    !header(msg, "Call-ID", id, sizeof(id)) ||
	    !header(msg, "CSeq", cseq, sizeof(cseq)))
		return;
	if (header(msg, "Record-Route", addr, sizeof(addr)))
		(void)header(msg, "Record-Route", rr, sizeof(rr));
	(void)inet_ntop(AF_INET, &l->phone_addr.sin_addr, addr, sizeof(addr));
	sdp[0] = '\0';
	if (invite) {
		(void)snprintf(
			sdp, sizeof(sdp),
			"v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\n"
			"t=0 0\r\nm=audio %u RTP/AVP 0\r\n"
			"a=rtpmap:0 PCMU/8000\r\na=rtcp:%u\r\n",
			addr, addr, ntohs(l->phone_addr.sin_port),
			ntohs(l->phone_addr.sin_port));
		if (sscanf(msg, "INVITE sip:p%u-%u@", &index, &round) == 2 &&
		    index < l->ncall && l->call[index].round == round && body)
			call_phone(l, &l->call[index], body + 4);
	}
	(void)snprintf(out, sizeof(out),
		       "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s\r\n"
		       "Call-ID: %s\r\nCSeq: %s\r\n"
		       "Contact: <sip:phone@127.0.0.1:%s>\r\n%s"
		       "Content-Length: %zu\r\n\r\n%s",
		       via, f, t, strstr(t, ";tag=") ? "" : ";tag=bench", id,
		       cseq, strrchr(l->opt.daemon, ':') + 1,
		       invite ? "Content-Type: application/sdp\r\n" : "",
		       strlen(sdp), sdp);
	(void)sendto(sip, out, strlen(out), 0, (const struct sockaddr *)from,
		     sizeof(*from));
}

int daemon_fds(struct pollfd *fds)
{
	fds[0] = (struct pollfd){ .fd = sip, .events = POLLIN };
	for (unsigned i = 0; i < nbrowser; i++)
		fds[i + 1] = (struct pollfd){ .fd = browsers[i].fd,
					      .events = POLLIN };
	return (int)nbrowser + 1;
}

void daemon_turn(struct load *l, const struct pollfd *fds)
{
	static char msg[16384];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;

	for (unsigned i = 0; i < nbrowser; i++)
		if (fds[i + 1].revents)
			read_browser(l, &browsers[i]);
	while ((n = recvfrom(sip, msg, sizeof(msg) - 1, 0,
			     (struct sockaddr *)&from, &len)) > 0) {
		msg[n] = '\0';
		on_sip(l, msg, &from);
	}
}
