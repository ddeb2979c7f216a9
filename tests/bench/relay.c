/*
 * relay.c ADDR:PORT PORT_MIN PORT_MAX [LITE_PORT] - our relay alone, under the
 * control protocol that rtpengine has, so that both do the same work: media.h
 * and nothing of SIP, JSON or WebSocket.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>

#include "gateway/base/log.h"
#include "gateway/base/loop.h"
#include "media/media.h"
#include "tests/bench/ng.h"

/* Descriptions are only wanted until the answer: they are no part of what a
 * live call costs. */
struct ends {
	struct gw_end web, core; /* ours */
	struct gw_end browser;   /* the browser's, from its offer */
};

struct one {
	char id[40];
	gw_ctx_id ctx;
	struct ends *ends;
	unsigned reserved;
	char cookie[64]; /* of what waits for its answer */
	struct sockaddr_in asker;
	UT_hash_handle by_id, by_ctx;
};

static struct one *by_id, *by_ctx;
static struct gw_media *media;
static struct gw_loop *loop;
static int control;

static void reply(const struct one *c, const char *sdp)
{
	struct ng_out o;

	ng_begin(&o, c->cookie);
	ng_text(&o, "result", "ok");
	if (sdp)
		ng_text(&o, "sdp", sdp);
	ng_end(&o);
	(void)sendto(control, o.data, o.len, 0,
		     (const struct sockaddr *)&c->asker, sizeof(c->asker));
}

/* While a mailbox is full nothing more is taken: on_control() leaves it. */
static bool posting;

static void post(const struct gw_media_cmd *cmd)
{
	posting = true;
	while (gw_media_post(media, cmd))
		gw_loop_step(loop, 1);
	posting = false;
}

static void pcmu(struct gw_end *end)
{
	struct gw_codec *c = &end->stream[0].codec[0];

	end->nstream = 1;
	end->stream[0].ncodec = 1;
	c->clock_hz = 8000;
	c->channels = 1;
	(void)snprintf(c->name, sizeof(c->name), "pcmu");
}

static void reserve(const struct one *c, enum gw_term term,
		    enum gw_transport tp)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESERVE,
				    .term = term,
				    .ctx = c->ctx };

	(void)snprintf(cmd.call_id, sizeof(cmd.call_id), "%s", c->id);
	cmd.end.transport = tp;
	cmd.end.family = AF_INET;
	pcmu(&cmd.end);
	cmd.end.stream[0].dscp = 46;
	post(&cmd);
}

static void on_offer(struct one *c, const char *sdp)
{
	struct gw_end *b = &c->ends->browser;
	char line[256], addr[64];
	unsigned port;

	b->transport = GW_TP_DTLS;
	pcmu(b);
	b->setup = GW_DTLS_ACTIVE;
	b->controlling = true;
	(void)sdp_line(sdp, "a=ice-ufrag:", b->ufrag, sizeof(b->ufrag));
	(void)sdp_line(sdp, "a=ice-pwd:", b->pwd, sizeof(b->pwd));
	if (sdp_line(sdp, "a=fingerprint:sha-256 ", line, sizeof(line)))
		(void)sdp_hash(line, b->sha256);
	if (sdp_line(sdp, "a=candidate:", line, sizeof(line)) &&
	    sscanf(line, "%*s %*s %*s %*s %63s %u", addr, &port) == 2) {
		b->ncandidate = 1;
		b->candidate[0].priority = 2130706431;
		(void)snprintf(b->candidate[0].foundation,
			       sizeof(b->candidate[0].foundation), "1");
		(void)gw_addr_parse(&b->candidate[0].addr, addr,
				    (uint16_t)port);
	}
	reserve(c, GW_TERM_A, GW_TP_DTLS);
	reserve(c, GW_TERM_B, GW_TP_RTP);
}

static void offer_done(struct one *c)
{
	char sdp[512];

	(void)snprintf(sdp, sizeof(sdp),
		       "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n"
		       "c=IN IP4 127.0.0.1\r\nt=0 0\r\n"
		       "m=audio %u RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
		       c->ends->core.stream[0].rtp.port);
	reply(c, sdp);
}

static void gate(const struct one *c, enum gw_term term)
{
	const struct gw_media_cmd cmd = { .verb = GW_M_GATE,
					  .term = term,
					  .stream = 0xff,
					  .gate = GW_GATE_BOTH,
					  .ctx = c->ctx };

	post(&cmd);
}

static void on_answer(struct one *c, const char *sdp)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE,
				    .term = GW_TERM_B,
				    .ctx = c->ctx };
	const struct gw_candidate *cand = &c->ends->web.candidate[0];
	char line[256], addr[64], hash[96], out[2048];
	unsigned port = 0, rtcp = 0;

	(void)sdp_line(sdp, "c=IN IP4 ", addr, sizeof(addr));
	if (sdp_line(sdp, "m=audio ", line, sizeof(line)))
		(void)sscanf(line, "%u", &port);
	rtcp = port + 1;
	if (sdp_line(sdp, "a=rtcp:", line, sizeof(line)))
		(void)sscanf(line, "%u", &rtcp);
	cmd.end.transport = GW_TP_RTP;
	cmd.end.family = AF_INET;
	pcmu(&cmd.end);
	(void)gw_addr_parse(&cmd.end.stream[0].rtp, addr, (uint16_t)port);
	(void)gw_addr_parse(&cmd.end.stream[0].rtcp, addr, (uint16_t)rtcp);
	post(&cmd);
	cmd.term = GW_TERM_A;
	cmd.end = c->ends->browser;
	post(&cmd);
	gate(c, GW_TERM_A);
	gate(c, GW_TERM_B);

	sdp_print_hash(hash, c->ends->web.sha256);
	(void)gw_addr_ip(&cand->addr, addr, sizeof(addr));
	(void)snprintf(
		out, sizeof(out),
		"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
		"m=audio %u UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 %s\r\n"
		"a=rtcp-mux\r\na=setup:passive\r\n"
		"a=fingerprint:sha-256 %s\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n"
		"a=candidate:1 1 UDP %u %s %u typ host\r\n",
		cand->addr.port, addr, hash, c->ends->web.ufrag,
		c->ends->web.pwd, cand->priority, addr, cand->addr.port);
	reply(c, out);
	free(c->ends);
	c->ends = NULL;
}

static void on_delete(struct one *c)
{
	const struct gw_media_cmd cmd = { .verb = GW_M_RELEASE, .ctx = c->ctx };

	reply(c, NULL);
	HASH_DELETE(by_id, by_id, c);
	post(&cmd);
}

static void on_event(const struct gw_media_event *ev, void *arg)
{
	struct one *c;

	(void)arg;
	HASH_FIND(by_ctx, by_ctx, &ev->ctx, sizeof(ev->ctx), c);
	if (!c)
		return;
	switch (ev->type) {
	case GW_E_RESERVED:
		if (!c->ends)
			break;
		*(ev->term == GW_TERM_A ? &c->ends->web : &c->ends->core) =
			ev->end;
		if (++c->reserved == 2)
			offer_done(c);
		break;
	case GW_E_RELEASED:
	case GW_E_GONE:
		HASH_DELETE(by_ctx, by_ctx, c);
		free(c->ends);
		free(c);
		break;
	default:
		break;
	}
}

static void on_request(char *data, size_t len, const struct sockaddr_in *from)
{
	char command[16], id[40], cookie[64], sdp[4096] = "";
	struct one *c;

	if (!ng_cookie(data, cookie, sizeof(cookie)) ||
	    !ng_get(data, len, "command", command, sizeof(command)))
		return;
	if (!strcmp(command, "ping")) {
		struct one nobody = { .asker = *from };

		(void)snprintf(nobody.cookie, sizeof(nobody.cookie), "%s",
			       cookie);
		reply(&nobody, NULL);
		return;
	}
	if (!ng_get(data, len, "call-id", id, sizeof(id)))
		return;
	(void)ng_get(data, len, "sdp", sdp, sizeof(sdp));
	HASH_FIND(by_id, by_id, id, strlen(id), c);
	if (!c && !strcmp(command, "offer")) {
		c = calloc(1, sizeof(*c));
		assert(c);
		c->ends = calloc(1, sizeof(*c->ends));
		assert(c->ends);
		(void)snprintf(c->id, sizeof(c->id), "%s", id);
		c->ctx = gw_media_new_id(media);
		HASH_ADD(by_id, by_id, id, strlen(c->id), c);
		HASH_ADD(by_ctx, by_ctx, ctx, sizeof(c->ctx), c);
	} else if (!c || !strcmp(command, "offer")) {
		return; /* asked again: the answer is on its way */
	}
	(void)snprintf(c->cookie, sizeof(c->cookie), "%s", cookie);
	c->asker = *from;
	if (!strcmp(command, "offer"))
		on_offer(c, sdp);
	else if (!strcmp(command, "answer") && c->ends)
		on_answer(c, sdp);
	else if (!strcmp(command, "delete"))
		on_delete(c);
}

static void on_control(int fd, void *arg)
{
	static char data[NG_MAX + 1];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;

	(void)arg;
	while (!posting && (n = recvfrom(fd, data, NG_MAX, MSG_DONTWAIT,
					 (struct sockaddr *)&from, &len)) > 0) {
		data[n] = '\0';
		on_request(data, (size_t)n, &from);
	}
}

static void on_signal(int sig)
{
	(void)sig;
	_exit(0);
}

int main(int argc, char **argv)
{
	struct gw_media_config cfg = { .workers = 1,
				       .learn_ms = 1000,
				       .quality_ms = 5000,
				       .inactivity_ms = 60000,
				       .prefer_x25519 = true };
	struct sockaddr_in at = { .sin_family = AF_INET };
	char host[40];
	unsigned port;

	gw_media_begin(argv);
	if (argc < 4 || sscanf(argv[1], "%39[^:]:%u", host, &port) != 2) {
		(void)fprintf(stderr, "relay ADDR:PORT PORT_MIN PORT_MAX "
				      "[LITE_PORT]\n");
		return 2;
	}
	(void)signal(SIGTERM, on_signal);
	gw_log_setup(GW_LOG_TEXT, GW_WARN, STDERR_FILENO);
	(void)snprintf(cfg.web_address[0], sizeof(cfg.web_address[0]), "%s",
		       host);
	(void)snprintf(cfg.core_address, sizeof(cfg.core_address), "%s", host);
	cfg.port_min = (uint16_t)atoi(argv[2]);
	cfg.port_max = (uint16_t)atoi(argv[3]);
	cfg.lite_port = argc > 4 ? (uint16_t)atoi(argv[4]) : 0;
	assert(!gw_loop_new(&loop, NULL, NULL));
	assert(!gw_media_new(&media, loop, &cfg, on_event, NULL));
	control = socket(AF_INET, SOCK_DGRAM, 0);
	at.sin_port = htons((uint16_t)port);
	(void)inet_pton(AF_INET, host, &at.sin_addr);
	if (bind(control, (struct sockaddr *)&at, sizeof(at))) {
		perror("bind");
		return 1;
	}
	assert(!gw_loop_add_fd(loop, control, on_control, NULL));
	gw_loop_run(loop);
	return 0;
}
