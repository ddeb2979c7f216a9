/* What a client counts of a session (quality.isthmus), and of each picture. */
#include "webrtc/respect_json.h"

#include <json-c/json.h>
#include <string.h>

#include "gateway/base/check.h"

struct count {
	const char *name;
	uint32_t *to;
};

/* Whole numbers of a report; absent: not known. */
static enum gw_rfault read_counts(struct gw_rmsg *m, struct json_object *v,
				  const struct count *part, size_t nparts)
{
	struct json_object *value;
	uint64_t n;

	for (size_t i = 0; i < nparts; i++) {
		*part[i].to = GW_LEG_UNKNOWN;
		if (!json_object_object_get_ex(v, part[i].name, &value))
			continue;
		if (!gw_rjson_uint64(value, &n))
			return gw_rmsg_bad(m, 400,
					   "report.%s must be a whole number",
					   part[i].name);
		*part[i].to =
			n < GW_LEG_UNKNOWN ? (uint32_t)n : GW_LEG_UNKNOWN - 1;
	}
	return GW_RF_OK;
}

static enum gw_rfault read_video(struct gw_rmsg *m, struct json_object *v)
{
	struct gw_leg_video *to = &m->video[m->nvideo];
	const struct count part[] = {
		{GW_WIRE_Q_SENT,         &to->packets.packets_sent    },
		{ GW_WIRE_Q_RECEIVED,    &to->packets.packets_received},
		{ GW_WIRE_Q_LOST,        &to->packets.packets_lost    },
		{ GW_WIRE_Q_JITTER,      &to->packets.jitter_ms       },
		{ GW_WIRE_Q_RTT,         &to->packets.round_trip_ms   },
		{ GW_WIRE_Q_BUFFER,      &to->packets.buffer_ms       },
		{ "framesDecoded",       &to->decoded                 },
		{ "framesDropped",       &to->dropped                 },
		{ "keyFramesDecoded",    &to->key_frames              },
		{ "freezes",             &to->freezes                 },
		{ "frozenMs",            &to->frozen_ms               },
		{ "width",               &to->width                   },
		{ "height",              &to->height                  },
		{ "framesPerSecond",     &to->fps                     },
		{ "sentWidth",           &to->sent_width              },
		{ "sentHeight",          &to->sent_height             },
		{ "sentFramesPerSecond", &to->sent_fps                },
	};
	struct json_object *mid;
	const char *text = NULL;
	size_t len = 0;

	if (json_object_object_get_ex(v, GW_WIRE_Q_MID, &mid))
		text = gw_rjson_text(mid, sizeof(to->mid) - 1, &len);
	if (!text || !len)
		return gw_rmsg_bad(m, 400,
				   "report.video: no mid of at most %zu bytes",
				   sizeof(to->mid) - 1);
	memcpy(to->mid, text, len + 1);
	m->nvideo++;
	return read_counts(m, v, part, GW_ARRAY_LEN(part));
}

static enum gw_rfault read_videos(struct gw_rmsg *m, struct json_object *all)
{
	size_t n = json_object_is_type(all, json_type_array)
			   ? json_object_array_length(all)
			   : SIZE_MAX;

	if (n > GW_WIRE_Q_VIDEOS)
		return gw_rmsg_bad(m, 400,
				   "report.video must be an array of at most "
				   "%d objects",
				   GW_WIRE_Q_VIDEOS);
	for (size_t i = 0; i < n; i++) {
		struct json_object *v = json_object_array_get_idx(all, i);
		enum gw_rfault fault;

		if (!json_object_is_type(v, json_type_object))
			return gw_rmsg_bad(m, 400,
					   "report.video must be of objects");
		fault = read_video(m, v);
		if (fault)
			return fault;
	}
	return GW_RF_OK;
}

enum gw_rfault gw_rmsg_report(struct gw_rmsg *m, struct json_object *v)
{
	const struct count part[] = {
		{GW_WIRE_Q_SENT,      &m->report.packets_sent    },
		{ GW_WIRE_Q_RECEIVED, &m->report.packets_received},
		{ GW_WIRE_Q_LOST,     &m->report.packets_lost    },
		{ GW_WIRE_Q_JITTER,   &m->report.jitter_ms       },
		{ GW_WIRE_Q_RTT,      &m->report.round_trip_ms   },
		{ GW_WIRE_Q_BUFFER,   &m->report.buffer_ms       },
	};
	struct json_object *video;

	if (json_object_object_get_ex(v, GW_WIRE_Q_VIDEO, &video)) {
		enum gw_rfault fault = read_videos(m, video);

		if (fault)
			return fault;
	}
	return read_counts(m, v, part, GW_ARRAY_LEN(part));
}
