/* RESPECT messages: whatever text comes, reading ends in a verdict, and what
 * was read can be written and read again to the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "webrtc/respect_msg.h"
#include "webrtc/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(const struct gw_rmsg *m)
{
	struct gw_rout o = { .response = true,
			     .method = m->method_name,
			     .txn = m->txn,
			     .success = m->success };
	struct gw_rmsg again;
	size_t len;
	char *text;

	o.session_id = m->str[GW_K_SESSION_ID];
	o.sdp = m->str[GW_K_SDP_ANSWER];
	o.sdp_len = m->len[GW_K_SDP_ANSWER];
	o.problem.status = m->problem_status;
	o.problem.detail = m->problem_detail;
	text = gw_respect_print(&o, &len);
	if (!text)
		return;
	assert(gw_respect_parse(&again, text, len) == GW_RF_OK);
	assert(again.txn == m->txn && again.success == m->success);
	assert(!strcmp(again.method_name, m->method_name));
	if (o.sdp)
		assert(again.len[GW_K_SDP_ANSWER] == o.sdp_len &&
		       !memcmp(again.str[GW_K_SDP_ANSWER], o.sdp, o.sdp_len));
	gw_respect_parse_end(&again);
	free(text);
}

/* What is not UTF-8 is closed with 1007 before it gets here: the parser must
 * survive it all the same, but it need not come back as it was. */
static bool is_utf8(const uint8_t *data, size_t size)
{
	struct gw_utf8 u;

	gw_utf8_init(&u);
	return gw_utf8_feed(&u, data, size) && gw_utf8_complete(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum gw_rfault fault;
	struct gw_rmsg m;

	fault = gw_respect_parse(&m, (const char *)data, size);
	if (fault >= GW_RF_DEPTH)
		assert(m.status >= 400 && m.detail[0]);
	if (fault == GW_RF_OK && is_utf8(data, size))
		write_and_read(&m);
	assert(m.ndtmf <= GW_RESPECT_MAX_DTMF);
	gw_respect_parse_end(&m);
	return 0;
}
