#include "tests/unit/media_bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/metrics.h"
#include "tests/unit/metric.h"
#include "tests/unit/udp.h"

#ifdef __SANITIZE_THREAD__
/* GLib locks by futex, which the sanitizer does not see: two threads in its
 * type registry look like a race.  Only what these libraries do themselves is
 * let pass; ours is watched, also when they call it. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "called_from_lib:libglib-2.0.so.0\n"
	       "called_from_lib:libgobject-2.0.so.0\n"
	       "called_from_lib:libgio-2.0.so.0\n";
}
#endif

bool bench_lite;
bool bench_controls;

static void on_event(const struct gw_media_event *ev, void *arg)
{
	struct bench *b = arg;

	assert_true(b->nevent < BENCH_EVENTS);
	b->event[b->nevent++] = *ev;
}

void bench_config(struct gw_media_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->workers = 1;
	(void)snprintf(cfg->web_address[0], sizeof(cfg->web_address[0]),
		       "127.0.0.1");
	(void)snprintf(cfg->core_address, sizeof(cfg->core_address),
		       "127.0.0.1");
	(void)snprintf(cfg->core_address6, sizeof(cfg->core_address6), "::1");
	cfg->port_min = 21000;
	cfg->port_max = 21999;
	cfg->learn_ms = 200;
	if (bench_lite) {
		cfg->lite_port = 20990;
		(void)snprintf(cfg->web_address[1], sizeof(cfg->web_address[1]),
			       "::1");
	}
	cfg->prefer_x25519 = true;
}

void bench_start(struct bench *b, const struct gw_media_config *cfg)
{
	memset(b, 0, sizeof(*b));
	assert_int_equal(gw_loop_new(&b->loop, NULL, NULL), 0);
	assert_int_equal(gw_media_new(&b->media, b->loop, cfg, on_event, b), 0);
}

void bench_stop(struct bench *b)
{
	gw_media_free(b->media);
	gw_loop_free(b->loop);
	b->media = NULL;
}

void bench_step(struct bench *b)
{
	gw_loop_step(b->loop, 1);
	for (int i = 0; i < BENCH_PEERS; i++)
		if (b->peer[i])
			media_peer_step(b->peer[i]);
}

void bench_turn(struct bench *b, uint32_t ms)
{
	uint64_t end = gw_clock_monotonic_us(NULL) + (uint64_t)ms * 1000;

	while (gw_clock_monotonic_us(NULL) < end)
		bench_step(b);
}

uint32_t bench_post(struct bench *b, struct gw_media_cmd *cmd)
{
	cmd->serial = ++b->serial;
	while (gw_media_post(b->media, cmd))
		bench_step(b);
	return cmd->serial;
}

const struct gw_media_event *bench_do(struct bench *b, struct gw_media_cmd *cmd)
{
	size_t i = b->nevent;
	uint32_t serial = bench_post(b, cmd);
	uint64_t end = gw_clock_monotonic_us(NULL) + 10000000u;

	while (gw_clock_monotonic_us(NULL) < end) {
		for (; i < b->nevent; i++)
			if (b->event[i].serial == serial)
				return &b->event[i];
		bench_step(b);
	}
	fail_msg("verb %d is not answered", cmd->verb);
	return NULL;
}

const struct gw_media_event *bench_find(const struct bench *b, gw_ctx_id ctx,
					enum gw_media_event_type type,
					size_t from)
{
	for (size_t i = b->nevent; i-- > from;)
		if (b->event[i].ctx == ctx && b->event[i].type == type)
			return &b->event[i];
	return NULL;
}

unsigned bench_count(const struct bench *b, gw_ctx_id ctx,
		     enum gw_media_event_type type, int state)
{
	unsigned n = 0;

	for (size_t i = 0; i < b->nevent; i++)
		if (b->event[i].ctx == ctx && b->event[i].type == type &&
		    (state < 0 || b->event[i].state == state))
			n++;
	return n;
}

int64_t bench_metric(const char *line)
{
	return metric(line);
}

/* ---- commands ---- */

static void codec(struct gw_stream *s, const char *name, uint8_t pt,
		  uint32_t clock, uint8_t channels)
{
	struct gw_codec *c = &s->codec[s->ncodec++];

	c->pt = pt;
	c->rx_pt = pt;
	c->clock_hz = clock;
	c->channels = channels;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
}

void bench_audio(struct gw_end *end, bool phone)
{
	struct gw_stream *s = &end->stream[0];

	end->nstream = 1;
	memset(s, 0, sizeof(*s));
	s->kind = GW_MEDIA_AUDIO;
	/* Both sides know PCMU under different payload types, so that a wrong
	 * map shows. */
	codec(s, "pcmu", phone ? 0 : 96, 8000, 1);
	codec(s, "telephone-event", phone ? 101 : 110, 8000, 1);
}

const struct gw_media_event *bench_reserve(struct bench *b, gw_ctx_id ctx,
					   enum gw_term term,
					   enum gw_transport tp, int family)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RESERVE,
				    .term = term,
				    .ctx = ctx,
				    .call_id = "test" };

	cmd.end.transport = tp;
	cmd.end.family = (uint8_t)family;
	cmd.end.controlling = bench_controls;
	cmd.end.nstream = 1;
	cmd.end.stream[0].dscp = 46;
	cmd.end.stream[0].ncodec = 1;
	return bench_do(b, &cmd);
}

void bench_gate(struct bench *b, gw_ctx_id ctx, enum gw_term term,
		enum gw_gate gate)
{
	struct gw_media_cmd cmd = { .verb = GW_M_GATE,
				    .term = term,
				    .stream = 0xff,
				    .gate = gate,
				    .ctx = ctx };

	(void)bench_post(b, &cmd);
}

const struct gw_media_event *bench_release(struct bench *b, gw_ctx_id ctx)
{
	struct gw_media_cmd cmd = { .verb = GW_M_RELEASE, .ctx = ctx };

	return bench_do(b, &cmd);
}

const struct gw_media_event *bench_configure_peer(struct bench *b,
						  gw_ctx_id ctx,
						  enum gw_term term,
						  struct media_peer *p)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE,
				    .term = term,
				    .ctx = ctx };

	media_peer_describe(p, &cmd.end);
	bench_audio(&cmd.end, false);
	return bench_do(b, &cmd);
}

/* ---- the phone ---- */

void phone_open(struct phone *ph, const char *address)
{
	memset(ph, 0, sizeof(*ph));
	ph->rtp = udp_open(address, &ph->rtp_addr);
	ph->rtcp = udp_open(address, &ph->rtcp_addr);
	ph->ssrc = 0x50484f4e;
	ph->seq = 7000;
}

void phone_close(struct phone *ph)
{
	(void)close(ph->rtp);
	(void)close(ph->rtcp);
}

size_t bench_rtp(uint8_t *pkt, uint8_t pt, uint16_t seq, uint32_t ts,
		 uint32_t ssrc, uint8_t fill)
{
	const uint8_t head[12] = {
		0x80,
		pt,
		(uint8_t)(seq >> 8),
		(uint8_t)seq,
		(uint8_t)(ts >> 24),
		(uint8_t)(ts >> 16),
		(uint8_t)(ts >> 8),
		(uint8_t)ts,
		(uint8_t)(ssrc >> 24),
		(uint8_t)(ssrc >> 16),
		(uint8_t)(ssrc >> 8),
		(uint8_t)ssrc,
	};

	memcpy(pkt, head, sizeof(head));
	memset(pkt + 12, fill, 160);
	return 172;
}

void phone_send(struct phone *ph, const void *pkt, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t slen = gw_addr_to_sockaddr(&ph->gw_rtp, &ss);

	assert_int_equal(
		sendto(ph->rtp, pkt, len, 0, (struct sockaddr *)&ss, slen),
		(ssize_t)len);
}

void phone_reports(struct phone *ph, const void *rtcp, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t slen = gw_addr_to_sockaddr(&ph->gw_rtcp, &ss);

	assert_int_equal(
		sendto(ph->rtcp, rtcp, len, 0, (struct sockaddr *)&ss, slen),
		len);
}

uint8_t phone_talk(struct phone *ph)
{
	uint8_t pkt[172];
	uint8_t fill = (uint8_t)(++ph->seq * 7);
	size_t len;

	ph->timestamp += 160;
	len = bench_rtp(pkt, 0, ph->seq, ph->timestamp, ph->ssrc, fill);
	phone_send(ph, pkt, len);
	return fill;
}

bool phone_take(struct phone *ph)
{
	ssize_t n = recv(ph->rtp, ph->last, sizeof(ph->last), 0);

	if (n <= 0)
		return false;
	ph->len = (size_t)n;
	ph->got++;
	return true;
}

bool phone_hear(struct phone *ph)
{
	unsigned before = ph->got;

	while (phone_take(ph))
		continue;
	return ph->got != before;
}

const struct gw_media_event *bench_configure_phone(struct bench *b,
						   gw_ctx_id ctx,
						   enum gw_term term,
						   const struct phone *ph)
{
	struct gw_media_cmd cmd = { .verb = GW_M_CONFIGURE,
				    .term = term,
				    .ctx = ctx };

	cmd.end.transport = GW_TP_RTP;
	cmd.end.family = ph->rtp_addr.family;
	bench_audio(&cmd.end, true);
	cmd.end.stream[0].rtp = ph->rtp_addr;
	cmd.end.stream[0].rtcp = ph->rtcp_addr;
	return bench_do(b, &cmd);
}

/* ---- a whole call ---- */

void bench_call(struct bench *b, struct bench_call *c,
		const struct media_peer_options *opt)
{
	bool v6 = opt->address && strchr(opt->address, ':');
	const struct gw_media_event *ev;

	memset(c, 0, sizeof(*c));
	c->ctx = gw_media_new_id(b->media);
	c->peer = media_peer_new(opt);
	b->peer[0] = c->peer;
	c->ssrc = 0x42524f57;
	phone_open(&c->phone, v6 ? "::1" : "127.0.0.1");

	ev = bench_reserve(b, c->ctx, GW_TERM_A, GW_TP_DTLS, 0);
	assert_int_equal(ev->type, GW_E_RESERVED);
	c->local = ev->end;
	media_peer_set_remote(c->peer, &ev->end);
	ev = bench_reserve(b, c->ctx, GW_TERM_B, GW_TP_RTP,
			   v6 ? AF_INET6 : AF_INET);
	assert_int_equal(ev->type, GW_E_RESERVED);
	c->phone.gw_rtp = ev->end.stream[0].rtp;
	c->phone.gw_rtcp = ev->end.stream[0].rtcp;

	ev = bench_configure_peer(b, c->ctx, GW_TERM_A, c->peer);
	assert_int_equal(ev->type, GW_E_CONFIGURED);
	ev = bench_configure_phone(b, c->ctx, GW_TERM_B, &c->phone);
	assert_int_equal(ev->type, GW_E_CONFIGURED);
	bench_gate(b, c->ctx, GW_TERM_A, GW_GATE_BOTH);
	bench_gate(b, c->ctx, GW_TERM_B, GW_GATE_BOTH);
	bench_until(b, media_peer_dtls_up(c->peer) &&
			       bench_count(b, c->ctx, GW_E_DTLS, GW_DTLS_UP));
}

void bench_hang_up(struct bench *b, struct bench_call *c)
{
	assert_int_equal(bench_release(b, c->ctx)->type, GW_E_RELEASED);
	b->peer[0] = NULL;
	media_peer_free(c->peer);
	phone_close(&c->phone);
}

static void browser_says(struct bench *b, struct bench_call *c)
{
	uint8_t pkt[172];
	uint8_t fill = (uint8_t)(++c->seq * 3);
	size_t len;

	c->timestamp += 160;
	len = bench_rtp(pkt, 96, c->seq, c->timestamp, c->ssrc, fill);
	media_peer_send(c->peer, pkt, len);
	bench_until(b, phone_hear(&c->phone));
	assert_int_equal(c->phone.len, 172);
	assert_int_equal(c->phone.last[1] & 0x7f, 0);
	assert_int_equal(c->phone.last[12], fill);
	assert_int_equal(c->phone.last[171], fill);
}

static void phone_says(struct bench *b, struct bench_call *c)
{
	uint8_t fill = phone_talk(&c->phone);
	const struct media_peer_packet *got = NULL;

	bench_until(b, (got = media_peer_rtp(c->peer)) != NULL);
	assert_int_equal(got->len, 172);
	assert_int_equal(got->data[1] & 0x7f, 96);
	assert_int_equal(got->data[12], fill);
	assert_int_equal(got->data[171], fill);
	/* Under our own SSRC, as signalled. */
	assert_int_equal((uint32_t)got->data[8] << 24 |
				 (uint32_t)got->data[9] << 16 |
				 (uint32_t)got->data[10] << 8 | got->data[11],
			 c->local.stream[0].ssrc);
}

void bench_talk(struct bench *b, struct bench_call *c)
{
	for (int i = 0; i < 5; i++) {
		browser_says(b, c);
		phone_says(b, c);
	}
	assert_int_equal(media_peer_bad(c->peer), 0);
}

int bench_open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}
