/*
 * One HTTP/2 connection on nghttp2: streams come and go here, and what frames
 * may cost us is kept account of.  Only h2_session.c and h2_http.c know the
 * library.  Signalling thread.
 *
 * The budget: a frame that only makes work (RFC 9113 10.5) costs some of it,
 * and so does each stream that we have to reset because of what its peer sent.
 * It fills again with time.  A peer that has used it up is told
 * ENHANCE_YOUR_CALM.  This stops floods of PING, SETTINGS, RST_STREAM (opening
 * and resetting streams), empty DATA and the like, whichever is next.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "gateway/base/metrics.h"
#include "webrtc/h2_priv.h"

#define BUDGET         1000
#define BUDGET_A_S     100
#define COST_FRAME     1
#define COST_SETTINGS  5
#define COST_RESET     10
#define COST_INVALID   10
#define WINDOW_CREDIT  100 /* WINDOW_UPDATEs before any DATA of ours ... */
#define WINDOW_A_FRAME 4   /* ... and for each frame of it */
#define WINDOW_MAX     4000
#define QUEUE_MAX      512 /* frames that the library wants to send */

GW_COUNTER(m_streams, "isthmus_ws_h2_streams_total", "Streams of HTTP/2 opened",
	   "");
GW_GAUGE(m_open, "isthmus_ws_h2_streams", "Streams of HTTP/2 open now", "");
#define BAD(sym, why)                                                          \
	GW_COUNTER(sym, "isthmus_ws_h2_bad_total",                             \
		   "What peers did wrong in HTTP/2, by kind",                  \
		   "kind=\"" why "\"")
BAD(m_flood, "flood");
BAD(m_protocol, "protocol");
BAD(m_invalid, "invalid_frame");
BAD(m_stuck, "stream_stuck");
BAD(m_memory, "no_memory");

void gw_h2_session_charge(struct gw_h2_sock *s, int64_t cost)
{
	uint64_t now = gw_timers_now_us(s->net->ws->timers);
	int64_t back;
	char peer[GW_ADDR_STRLEN];

	if (s->ending)
		return;
	back = (int64_t)((now - s->budget_us) * BUDGET_A_S / 1000000);
	if (back) {
		s->budget_us = now;
		s->budget =
			s->budget + back > BUDGET ? BUDGET : s->budget + back;
	}
	s->budget -= cost;
	if (s->budget >= 0)
		return;
	gw_metric_add(&m_flood, 1);
	gw_info(&s->log, "%s: a flood of HTTP/2 frames: closed",
		gw_addr_print(&s->net->peer, peer, sizeof(peer)));
	s->ending = true;
	(void)nghttp2_session_terminate_session(s->session,
						NGHTTP2_ENHANCE_YOUR_CALM);
}

static struct gw_h2_stream *find(struct gw_h2_sock *s, int32_t id)
{
	return nghttp2_session_get_stream_user_data(s->session, id);
}

/* ---- streams ---- */

static void on_stream_timer(struct gw_timer *t, void *arg)
{
	struct gw_h2_stream *st = arg;

	(void)t;
	gw_metric_add(&m_stuck, 1);
	gw_h2_stream_reset(st, NGHTTP2_CANCEL);
}

void gw_h2_stream_moved(struct gw_h2_stream *st)
{
	(void)gw_timer_start_ms(st->sock->net->ws->timers, &st->timer,
				GW_WS_IO_TIMEOUT_S * 1000u);
}

void gw_h2_stream_reset(struct gw_h2_stream *st, uint32_t error)
{
	(void)nghttp2_submit_rst_stream(st->sock->session, NGHTTP2_FLAG_NONE,
					st->id, error);
	gw_h2_kick(st->sock);
}

static void free_stream(struct gw_h2_stream *st)
{
	struct gw_h2_sock *s = st->sock;

	gw_timer_stop(&st->timer);
	gw_h2_ws_free(st);
	gw_ws_app_abandon(st->app);
	gw_ws_reply_fini(&st->reply);
	if (st->prev)
		st->prev->next = st->next;
	else
		s->streams = st->next;
	if (st->next)
		st->next->prev = st->prev;
	s->nstream--;
	gw_metric_add(&m_open, -1);
	free(st);
}

static struct gw_h2_stream *new_stream(struct gw_h2_sock *s, int32_t id)
{
	struct gw_h2_stream *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->sock = s;
	st->id = id;
	gw_timer_init(&st->timer, on_stream_timer, st);
	st->next = s->streams;
	if (st->next)
		st->next->prev = st;
	s->streams = st;
	s->nstream++;
	s->opened++;
	gw_metric_add(&m_open, 1);
	gw_metric_add(&m_streams, 1);
	gw_h2_stream_moved(st);
	return st;
}

void gw_h2_session_bury(struct gw_h2_sock *s)
{
	struct gw_h2_stream *st, *next;

	for (st = s->streams; st; st = next) {
		next = st->next;
		if (st->w && st->w->dead)
			gw_h2_ws_bury(st);
	}
}

/* ---- what the library tells ---- */

/* Before a frame is looked at: whatever it is, it made us look.  Of types that
 * it does not know the library does not tell: it only steps over them. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd,
			  void *arg)
{
	struct gw_h2_sock *s = arg;

	(void)session;
	switch (hd->type) {
	case NGHTTP2_DATA:
		if (!hd->length && !(hd->flags & NGHTTP2_FLAG_END_STREAM))
			gw_h2_session_charge(s, COST_FRAME);
		break;
	case NGHTTP2_WINDOW_UPDATE:
		if (s->window_credit)
			s->window_credit--;
		else
			gw_h2_session_charge(s, COST_FRAME);
		break;
	case NGHTTP2_SETTINGS:
		gw_h2_session_charge(s, COST_SETTINGS);
		break;
	case NGHTTP2_RST_STREAM:
		gw_h2_session_charge(s, COST_RESET);
		break;
	default:
		gw_h2_session_charge(s, COST_FRAME);
		break;
	}
	return 0;
}

static int on_begin_headers(nghttp2_session *session,
			    const nghttp2_frame *frame, void *arg)
{
	struct gw_h2_sock *s = arg;
	struct gw_h2_stream *st;

	if (frame->hd.type != NGHTTP2_HEADERS ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	st = new_stream(s, frame->hd.stream_id);
	if (!st || gw_h2_fields_begin(s)) {
		gw_metric_add(&m_memory, 1);
		if (st)
			free_stream(st);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	(void)nghttp2_session_set_stream_user_data(session, st->id, st);
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
		     const uint8_t *name, size_t name_len, const uint8_t *value,
		     size_t value_len, uint8_t flags, void *arg)
{
	(void)session;
	(void)flags;
	if (frame->hd.type == NGHTTP2_HEADERS &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		gw_h2_fields_add(arg, (const char *)name, name_len,
				 (const char *)value, value_len);
	return 0;
}

static void on_request(struct gw_h2_sock *s, struct gw_h2_stream *st,
		       bool ended)
{
	int err = s->ending ? -ESHUTDOWN : gw_h2_http_request(st, ended);

	gw_h2_fields_end(s);
	if (err == -ENOMEM)
		gw_metric_add(&m_memory, 1);
	if (err)
		gw_h2_stream_reset(st, NGHTTP2_INTERNAL_ERROR);
	else if (st->kind == GW_H2_WEBSOCKET)
		gw_h2_ws_opened(st);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame,
			 void *arg)
{
	struct gw_h2_sock *s = arg;
	struct gw_h2_stream *st;
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	(void)session;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	st = find(s, frame->hd.stream_id);
	if (!st)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		on_request(s, st, ended);
	else if (ended && st->kind == GW_H2_WEBSOCKET)
		gw_h2_ws_eof(st);
	else if (ended && gw_h2_http_form_end(st))
		gw_h2_stream_reset(st, NGHTTP2_INTERNAL_ERROR);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id,
		   const uint8_t *data, size_t len, void *arg)
{
	struct gw_h2_sock *s = arg;
	struct gw_h2_stream *st = find(s, id);

	(void)session;
	(void)flags;
	/* The body of a request that is refused anyway is not kept. */
	if (st && st->kind == GW_H2_WEBSOCKET && !s->ending)
		gw_h2_ws_rx(st, data, len);
	else if (st && !s->ending && gw_h2_http_form(st, data, len))
		gw_h2_stream_reset(st, NGHTTP2_INTERNAL_ERROR);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error,
			   void *arg)
{
	struct gw_h2_stream *st = find(arg, id);

	(void)error;
	if (st) {
		(void)nghttp2_session_set_stream_user_data(session, id, NULL);
		free_stream(st);
	}
	return 0;
}

static int on_invalid_frame(nghttp2_session *session,
			    const nghttp2_frame *frame, int error, void *arg)
{
	struct gw_h2_sock *s = arg;

	(void)session;
	gw_metric_add(&m_invalid, 1);
	gw_debug(&s->log, "invalid frame of type %u on stream %d: %s",
		 frame->hd.type, frame->hd.stream_id, nghttp2_strerror(error));
	gw_h2_session_charge(s, COST_INVALID);
	return 0;
}

/* Our side of @id has ended. */
static void on_end_sent(struct gw_h2_sock *s, int32_t id)
{
	struct gw_h2_stream *st = find(s, id);

	if (!st)
		return;
	if (st->kind == GW_H2_WEBSOCKET)
		gw_h2_ws_ended(st);
	/* RFC 9113 8.1: complete, and nothing more is wanted of the request;
	 * of a WebSocket, its TCP connection is closed (RFC 8441 5). */
	if (nghttp2_session_get_stream_remote_close(s->session, id) == 0)
		gw_h2_stream_reset(st, NGHTTP2_NO_ERROR);
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame,
			 void *arg)
{
	struct gw_h2_sock *s = arg;
	uint32_t error;

	(void)session;
	switch (frame->hd.type) {
	case NGHTTP2_DATA:
		s->window_credit += WINDOW_A_FRAME;
		if (s->window_credit > WINDOW_MAX)
			s->window_credit = WINDOW_MAX;
		/* fall through */
	case NGHTTP2_HEADERS:
		if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			on_end_sent(s, frame->hd.stream_id);
		break;
	case NGHTTP2_RST_STREAM:
		/* A peer can make us reset streams, too (CVE-2025-8671). */
		error = frame->rst_stream.error_code;
		if (error != NGHTTP2_NO_ERROR && error != NGHTTP2_CANCEL)
			gw_h2_session_charge(s, COST_RESET);
		break;
	case NGHTTP2_GOAWAY:
		error = frame->goaway.error_code;
		if (error == NGHTTP2_NO_ERROR ||
		    error == NGHTTP2_ENHANCE_YOUR_CALM)
			break;
		gw_metric_add(&m_protocol, 1);
		gw_info(&s->log, "HTTP/2 ended: %s",
			nghttp2_http2_strerror(error));
		break;
	default:
		break;
	}
	return 0;
}

/* ---- life ---- */

static int set_callbacks(nghttp2_session_callbacks **out)
{
	nghttp2_session_callbacks *cb;

	if (nghttp2_session_callbacks_new(out))
		return -ENOMEM;
	cb = *out;
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb,
							      on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(
		cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb,
							       on_stream_close);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
		cb, on_invalid_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
	return 0;
}

static int set_options(nghttp2_option **out)
{
	if (nghttp2_option_new(out))
		return -ENOMEM;
	/* The library's own guards, behind ours. */
	nghttp2_option_set_max_outbound_ack(*out, QUEUE_MAX);
	nghttp2_option_set_stream_reset_rate_limit(*out, BUDGET, BUDGET_A_S);
	nghttp2_option_set_max_settings(*out, 32);
	nghttp2_option_set_max_continuations(*out, 8);
	nghttp2_option_set_no_closed_streams(*out, 1);
	return 0;
}

int gw_h2_session_new(struct gw_h2_sock *s)
{
	static const nghttp2_settings_entry mine[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,   GW_H2_STREAMS},
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,    GW_H2_FIELDS },
		{ NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1            },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES,   1            },
	};
	nghttp2_session_callbacks *cb = NULL;
	nghttp2_option *opt = NULL;
	int err = set_callbacks(&cb);

	if (!err)
		err = set_options(&opt);
	if (!err && nghttp2_session_server_new2(&s->session, cb, s, opt))
		err = -ENOMEM;
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	if (!err && nghttp2_submit_settings(s->session, NGHTTP2_FLAG_NONE, mine,
					    GW_ARRAY_LEN(mine))) {
		nghttp2_session_del(s->session);
		s->session = NULL;
		err = -ENOMEM;
	}
	s->budget = BUDGET;
	s->budget_us = gw_timers_now_us(s->net->ws->timers);
	s->window_credit = WINDOW_CREDIT;
	return err;
}

void gw_h2_session_free(struct gw_h2_sock *s)
{
	while (s->streams)
		free_stream(s->streams);
	gw_h2_fields_end(s);
	nghttp2_session_del(s->session);
	s->session = NULL;
}

int gw_h2_session_recv(struct gw_h2_sock *s, const uint8_t *data, size_t len)
{
	ssize_t n = nghttp2_session_mem_recv(s->session, data, len);
	bool flood = n == NGHTTP2_ERR_FLOODED;

	if (n >= 0 &&
	    nghttp2_session_get_outbound_queue_size(s->session) > QUEUE_MAX)
		flood = true;
	if (flood)
		gw_h2_session_charge(s, 2 * BUDGET);
	else if (n < 0)
		gw_debug(&s->log, "HTTP/2: %s", nghttp2_strerror((int)n));
	if (n < 0 && !flood)
		gw_metric_add(n == NGHTTP2_ERR_NOMEM ? &m_memory : &m_protocol,
			      1);
	return n < 0 || s->ending ? -EPROTO : 0;
}

ssize_t gw_h2_session_pull(struct gw_h2_sock *s, const uint8_t **data)
{
	return nghttp2_session_mem_send(s->session, data);
}

bool gw_h2_session_over(struct gw_h2_sock *s)
{
	return !nghttp2_session_want_read(s->session) &&
	       !nghttp2_session_want_write(s->session);
}

void gw_h2_session_goaway(struct gw_h2_sock *s)
{
	(void)nghttp2_session_terminate_session(s->session, NGHTTP2_NO_ERROR);
}
