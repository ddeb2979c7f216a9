/*
 * Key frames asked for by SIP INFO (RFC 5168): what phones understand that
 * have no RTCP feedback.  Media asks, and throttles; here it is only put into
 * words, and read.  And which m-line figures of video are about.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/media_control.h"
#include "gateway/base/metrics.h"
#include "gateway/call_priv.h"

#define INFO      "isthmus_video_fast_updates_total"
#define INFO_HELP "Key frames asked for by SIP INFO, by direction"
GW_COUNTER(m_out, INFO, INFO_HELP, "direction=\"out\"");
GW_COUNTER(m_in, INFO, INFO_HELP, "direction=\"in\"");

bool gw_call_video_info(struct gw_call *call, struct side *s,
			const struct gw_msg *msg)
{
	struct side *to = call_other(call, s);

	if (!msg->content_type ||
	    strcasecmp(msg->content_type, GW_MEDIA_CONTROL_TYPE) != 0)
		return false;
	if (!gw_media_control_asks(msg->content, msg->content_len)) {
		gw_info(&call->log,
			"%s leg: media control without a word that "
			"is known",
			s->kind);
		return true;
	}
	gw_metric_add(&m_in, 1);
	gw_debug(&call->log, "%s leg asks for a key frame", s->kind);
	gw_quality_video_asked(&call->quality, s->term);
	if (to->profile == GW_PROFILE_RESOURCE)
		to = s; /* its own pictures come back */
	if (call->fsm.state == GW_CALL_UP && gw_call_keyframe(call, to))
		gw_info(&call->log, "media worker overloaded: no key frame is "
				    "asked for");
	return true;
}

void gw_call_video_ask(struct gw_call *call, struct side *s)
{
	static const char ask[] = GW_MEDIA_CONTROL_ASK;
	const struct gw_msg msg = {
		.verb = GW_V_INFO,
		.content_type = GW_MEDIA_CONTROL_TYPE,
		.content = ask,
		.content_len = sizeof(ask) - 1,
	};

	/* A browser is asked by RTCP; without it there is no other way. */
	if (!s->leg || s->profile != GW_PROFILE_CORE ||
	    call->fsm.state != GW_CALL_UP)
		return;
	if (gw_leg_send(s->leg, &msg)) {
		gw_info(&call->log,
			"%s leg did not take a request for a key "
			"frame",
			s->kind);
		return;
	}
	gw_metric_add(&m_out, 1);
	gw_debug(&call->log, "%s leg is asked for a key frame", s->kind);
}

/* ---- figures ---- */

/* The line behind the one at @line; NULL: there is none. */
static const char *line_after(const char *line)
{
	line = strchr(line, '\n');
	return line ? line + 1 : NULL;
}

/* The tag of m-line @i in @sdp, which was read or printed before; "": it has
 * none, or @sdp is NULL. */
static void mid_of(const char *sdp, unsigned i, char mid[GW_LEG_MID_SIZE])
{
	unsigned n = 0; /* m-lines so far */

	mid[0] = '\0';
	for (; sdp && n <= i + 1; sdp = line_after(sdp)) {
		n += !strncmp(sdp, "m=", 2);
		if (n != i + 1 || strncmp(sdp, "a=mid:", 6) != 0)
			continue;
		(void)snprintf(mid, GW_LEG_MID_SIZE, "%.*s",
			       (int)strcspn(sdp + 6, "\r\n"), sdp + 6);
		return;
	}
}

void gw_call_video_take(
	struct gw_call *call,
	const struct gw_stream_stats now[GW_NTERMS][GW_MAX_STREAMS])
{
	uint64_t at = gw_timers_now_us(gw_loop_timers(call->core->loop));

	for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
		const struct gw_stream_stats *const stats[GW_NTERMS] = {
			&now[GW_TERM_A][i], &now[GW_TERM_B][i]
		};
		struct gw_quality_line line = { .codec = call->video[i] };

		if (!gw_quality_is_video(&call->quality, i, stats))
			continue;
		mid_of(call->a.remote, i, line.mid[GW_TERM_A]);
		mid_of(call->b.remote, i, line.mid[GW_TERM_B]);
		gw_quality_video_take(&call->quality, i, stats, &line, at);
	}
}

void gw_call_video_report(struct gw_call *call, struct side *s,
			  const struct gw_msg *msg)
{
	uint64_t now = gw_timers_now_us(gw_loop_timers(call->core->loop));
	char mid[GW_LEG_MID_SIZE];

	for (unsigned n = 0; n < msg->nvideo; n++) {
		for (unsigned i = 0; i < GW_MAX_STREAMS; i++) {
			mid_of(s->remote, i, mid);
			if (mid[0] && !strcmp(mid, msg->video[n].mid))
				gw_quality_video_report(&call->quality, s->term,
							i, &msg->video[n], now);
		}
	}
}
