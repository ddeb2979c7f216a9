#include "gateway/cdr.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/metrics.h"

struct gw_cdr {
	int fd; /* -1: the log */
};

GW_COUNTER(m_lost, "isthmus_cdr_lost_total",
	   "Charging records that could not be written to their file", "");

static int open_file(const char *file)
{
	int fd;

	if (!file[0])
		return -1;
	fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	return fd;
}

int gw_cdr_new(struct gw_cdr **out, const char *file)
{
	struct gw_cdr *cdr = calloc(1, sizeof(*cdr));

	if (!cdr)
		return -ENOMEM;
	cdr->fd = open_file(file);
	if (file[0] && cdr->fd < 0) {
		int err = cdr->fd;

		free(cdr);
		return err;
	}
	*out = cdr;
	return 0;
}

void gw_cdr_free(struct gw_cdr *cdr)
{
	if (!cdr)
		return;
	if (cdr->fd >= 0)
		(void)close(cdr->fd);
	free(cdr);
}

int gw_cdr_reopen(struct gw_cdr *cdr, const char *file)
{
	int fd = open_file(file);

	if (file[0] && fd < 0)
		return fd;
	if (cdr->fd >= 0)
		(void)close(cdr->fd);
	cdr->fd = file[0] ? fd : -1;
	return 0;
}

static void add_time(struct json_object *o, const char *key, int64_t wall_s)
{
	char text[32];
	time_t t = (time_t)wall_s;
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_object_object_add(o, key, json_object_new_string(text));
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	if (text && text[0])
		json_object_object_add(o, key, json_object_new_string(text));
}

static void add_number(struct json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

/* By reason; what never happened is left out. */
static void add_discards(struct json_object *o, const char *key,
			 const uint32_t counts[GW_NDISCARDS])
{
	struct json_object *why = NULL;

	for (unsigned i = 0; i < GW_NDISCARDS; i++) {
		if (!counts[i])
			continue;
		if (!why)
			why = json_object_new_object();
		add_number(why, gw_discard_name(i), counts[i]);
	}
	if (why)
		json_object_object_add(o, key, why);
}

static void add_counters(struct json_object *o,
			 const struct gw_stream_stats *st)
{
	add_number(o, "packets_received", st->rx.packets);
	add_number(o, "bytes_received", st->rx.bytes);
	add_number(o, "packets_lost", st->rx.lost);
	add_number(o, "jitter_us", st->rx.jitter_us);
	add_number(o, "packets_sent", st->tx.packets);
	add_number(o, "bytes_sent", st->tx.bytes);
	add_number(o, "packets_discarded", gw_discard_sum(st->rx.discarded));
	add_discards(o, "discarded", st->rx.discarded);
	add_number(o, "packets_unsent", gw_discard_sum(st->tx.discarded));
	add_discards(o, "unsent", st->tx.discarded);
	add_number(o, "remote_lost", st->remote_lost);
	add_number(o, "remote_jitter_us", st->remote_jitter_us);
	add_number(o, "round_trip_us", st->rtt_us);
}

struct json_object *gw_cdr_side(const char *kind,
				const struct gw_stream_stats *st)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "leg", kind);
	add_counters(o, st);
	return o;
}

static void add_fixed(struct json_object *o, const char *key, double value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%.2f", value);
	json_object_object_add(o, key, json_object_new_double_s(value, text));
}

/* Of the whole call; nothing where nothing was heard. */
static void add_path(struct json_object *o, const char *key,
		     const struct gw_quality_path *p)
{
	struct json_object *path;

	if (!p->mos_n)
		return;
	path = json_object_new_object();
	add_fixed(path, "loss_percent",
		  100.0 * (double)p->lost / (double)p->expected);
	add_fixed(path, "jitter_max_ms", p->jitter_max_us / 1e3);
	add_fixed(path, "mos", (double)(p->mos_sum_m / p->mos_n) / 1e3);
	add_fixed(path, "mos_min", p->mos_min_m / 1e3);
	json_object_object_add(o, key, path);
}

static void add_quality(struct json_object *side,
			const struct gw_quality_side *q)
{
	struct json_object *o;

	if (!q->to.mos_n && !q->from.mos_n && !q->heard_n)
		return;
	o = json_object_new_object();
	add_path(o, "to_gateway", &q->to);
	add_path(o, "from_gateway", &q->from);
	if (q->round_trip_us)
		add_fixed(o, "round_trip_ms", q->round_trip_us / 1e3);
	if (q->heard_n)
		add_fixed(o, "mos_heard",
			  (double)(q->heard_sum_m / q->heard_n) / 1e3);
	json_object_object_add(side, "quality", o);
}

/* ---- pictures ---- */

static void add_video_path(struct json_object *o, const char *key,
			   const struct gw_quality_path *p)
{
	struct json_object *path;

	if (!p->expected)
		return;
	path = json_object_new_object();
	add_fixed(path, "loss_percent",
		  100.0 * (double)p->lost / (double)p->expected);
	add_fixed(path, "jitter_max_ms", p->jitter_max_us / 1e3);
	json_object_object_add(o, key, path);
}

static void add_asked(struct json_object *o, const struct gw_quality_sight *s)
{
	const struct gw_feedback_stats *fb = &s->side.before.feedback;

	add_number(o, "nacks_received", fb->nacks_in);
	add_number(o, "plis_received", fb->plis_in);
	add_number(o, "firs_received", fb->firs_in);
	add_number(o, "infos_received", s->asked);
	add_number(o, "nacks_sent", fb->nacks_out);
	add_number(o, "plis_sent", fb->plis_out);
	add_number(o, "firs_sent", fb->firs_out);
	add_number(o, "infos_sent", fb->told_out);
	add_number(o, "packets_resent", fb->resent);
	add_number(o, "packets_not_resent", fb->missed);
}

static void add_known(struct json_object *o, const char *key, uint32_t n)
{
	if (n != GW_LEG_UNKNOWN)
		add_number(o, key, n);
}

static struct json_object *seen(const struct gw_quality_sight *s)
{
	struct json_object *o = json_object_new_object();

	add_known(o, "width", s->seen.width);
	add_known(o, "height", s->seen.height);
	add_known(o, "frames_per_second", s->seen.fps);
	add_number(o, "frames_decoded", s->decoded);
	add_number(o, "frames_dropped", s->dropped);
	add_number(o, "key_frames", s->key_frames);
	add_number(o, "freezes", s->freezes);
	add_number(o, "frozen_ms", s->frozen_ms);
	add_known(o, "sent_width", s->seen.sent_width);
	add_known(o, "sent_height", s->seen.sent_height);
	add_known(o, "sent_frames_per_second", s->seen.sent_fps);
	return o;
}

static struct json_object *sight(const struct gw_quality_video *v,
				 unsigned line, enum gw_term term)
{
	const struct gw_quality_sight *s = &v->at[term];
	struct json_object *o = json_object_new_object(), *q;

	add_number(o, "line", line);
	add_text(o, "mid", v->mid[term]);
	add_text(o, "codec", v->codec);
	add_counters(o, &s->side.before);
	add_asked(o, s);
	q = json_object_new_object();
	add_video_path(q, "to_gateway", &s->side.to);
	add_video_path(q, "from_gateway", &s->side.from);
	if (s->side.round_trip_us)
		add_fixed(q, "round_trip_ms", s->side.round_trip_us / 1e3);
	add_number(q, "kbps_max_to_gateway", s->to_bps_max / 1000);
	add_number(q, "kbps_max_from_gateway", s->from_bps_max / 1000);
	json_object_object_add(o, "quality", q);
	if (s->seen_us)
		json_object_object_add(o, "seen", seen(s));
	return o;
}

void gw_cdr_add_video(struct json_object *side, const struct gw_quality *q,
		      enum gw_term term)
{
	struct json_object *all = NULL;

	for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
		if (!q->video[i])
			continue;
		if (!all)
			all = json_object_new_array();
		json_object_array_add(all, sight(q->video[i], i, term));
	}
	if (all)
		json_object_object_add(side, "video", all);
}

static struct json_object *record(const struct gw_cdr_record *rec)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "call", rec->id);
	add_text(o, "from", rec->from);
	add_text(o, "to", rec->to);
	add_time(o, "began", rec->began_wall_s);
	add_number(o, "setup_ms",
		   ((rec->answered_us ? rec->answered_us : rec->ended_us) -
		    rec->began_us) /
			   1000);
	add_number(o, "duration_ms",
		   rec->answered_us ? (rec->ended_us - rec->answered_us) / 1000
				    : 0);
	json_object_object_add(o, "answered",
			       json_object_new_boolean(rec->answered_us != 0));
	add_number(o, "status", rec->status);
	add_text(o, "reason", rec->text);
	add_text(o, "released_by", rec->released_by);
	add_text(o, "codec", rec->codec);
	add_text(o, "charging_id", rec->charging_id);
	add_text(o, "transferred_to", rec->transferred_to);
	if (rec->emergency)
		json_object_object_add(o, "emergency",
				       json_object_new_boolean(true));
	for (unsigned t = 0; t < GW_NTERMS; t++) {
		struct json_object *side =
			gw_cdr_side(rec->kind[t], &rec->stats[t]);

		if (rec->quality) {
			add_quality(side, &rec->quality->side[t]);
			gw_cdr_add_video(side, rec->quality, (enum gw_term)t);
		}
		json_object_object_add(o, t ? "b" : "a", side);
	}
	return o;
}

void gw_cdr_write(struct gw_cdr *cdr, const struct gw_cdr_record *rec)
{
	static const struct gw_logctx none = { .module = "cdr" };
	struct gw_logctx log = { .module = "cdr", .id = rec->id };
	struct json_object *o = record(rec);
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t len = strlen(text);

	if (cdr->fd < 0) {
		gw_info(&log, "%s", text);
	} else {
		char *line = malloc(len + 1);

		if (line) {
			memcpy(line, text, len);
			line[len] = '\n';
		}
		/* One write a line: O_APPEND keeps lines whole. */
		if (!line ||
		    write(cdr->fd, line, len + 1) != (ssize_t)(len + 1)) {
			gw_metric_add(&m_lost, 1);
			gw_error(&none, "charging record not written (%s): %s",
				 strerror(errno), text);
		}
		free(line);
	}
	json_object_put(o);
}
