/* callInfo of a client's msetup. */
#include <json-c/json.h>

#include "gateway/base/check.h"
#include "webrtc/respect_json.h"

/* What a client may say of its call; the rest is the network's to say. */
enum gw_rfault gw_rmsg_call_info(struct gw_rmsg *m, struct json_object *v)
{
	const struct {
		const char *name;
		const char **to;
	} part[] = {
		{GW_WIRE_C_SUBJECT, &m->subject     },
		{ GW_WIRE_C_NAME,   &m->display_name},
	};
	struct json_object *value;
	size_t len;

	for (size_t i = 0; i < GW_ARRAY_LEN(part); i++) {
		if (!json_object_object_get_ex(v, part[i].name, &value))
			continue;
		*part[i].to = gw_rjson_text(value, GW_CALL_INFO_TEXT - 1, &len);
		if (!*part[i].to || !gw_call_info_text_ok(*part[i].to))
			return gw_rmsg_bad(
				m, 400,
				"callInfo.%s must be a string of at most "
				"%d bytes without control characters",
				part[i].name, GW_CALL_INFO_TEXT - 1);
	}
	return GW_RF_OK;
}
