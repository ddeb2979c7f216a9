/*
 * Key frames asked for by SIP INFO (RFC 5168): what phones understand that
 * have no RTCP feedback.  Media asks, and throttles; here it is only put into
 * words, and read.
 */
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
