/* RTCP compounds as hostile as they come; what parses is also fed to a pair
 * of flows, and what those answer must parse again, with feedback behind it. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "media/flow.h"

#define OURS 0x11223344u
#define PEER 0xaabbccddu

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a peer missed is asked for in turn: as many as were read come back. */
static void check_feedback(const struct gw_rtcp_info *in, const uint8_t *report,
			   size_t len)
{
	uint8_t out[GW_RTCP_REPORT_MAX + 4 * GW_RTCP_MAX_NACKS + 76];
	struct gw_rtcp_info back;
	int n = (int)len;

	assert(in->nmissing <= GW_RTCP_MAX_NACKS);
	memcpy(out, report, len);
	if (in->nmissing)
		n = gw_rtcp_add_nack(out, sizeof(out), (size_t)n, OURS, PEER,
				     in->missing, in->nmissing);
	assert(n > 0);
	n = gw_rtcp_add_pli(out, sizeof(out), (size_t)n, OURS, PEER);
	n = gw_rtcp_add_fir(out, sizeof(out), (size_t)n, OURS, PEER, in->nfir);
	n = gw_rtcp_add_remb(out, sizeof(out), (size_t)n, OURS, PEER,
			     in->sr.ntp);
	assert(n > 0 && !gw_rtcp_parse(&back, out, (size_t)n, PEER, OURS));
	assert(back.npli == 1 && back.nfir == 1);
	assert(back.nmissing == in->nmissing);
	for (unsigned i = 0; i < back.nmissing; i++)
		assert(back.missing[i].seq == in->missing[i].seq &&
		       back.missing[i].behind == in->missing[i].behind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t rtp[20] = { 0x80, 0, 0, 1, 0, 0, 0, 1, 0xaa, 0xbb, 0xcc, 0xdd };
	struct gw_stream end = {
		.ncodec = 1,
		.codec = { { .clock_hz = 8000, .name = "pcmu" } },
	};
	uint8_t out[GW_RTCP_REPORT_MAX];
	struct gw_flow_result res;
	struct gw_rtcp_info info, said = { 0 };
	struct gw_stream_stats st;
	struct gw_flow up, down;
	int n;

	gw_flow_init_with(&up, 1, 1, 1);
	gw_flow_init_with(&down, OURS, 1, 1);
	gw_flow_configure(&up, &end, &end);
	gw_flow_configure(&down, &end, &end);
	gw_flow_gate(&down, true);
	(void)gw_flow_packet(&up, rtp, sizeof(rtp), 1, &res);
	(void)gw_flow_packet(&down, rtp, sizeof(rtp), 1, &res);

	if (!gw_flow_rtcp_in(&up, &down, data, size, 1000, 1, &said)) {
		assert(size % 4 == 0 && size <= GW_RTCP_MAX_BYTES);
		assert(!said.has_block || said.block.ssrc == OURS);
		assert(!said.has_sr || said.sr.ssrc == PEER);
	}
	gw_flow_stats(&up, &down, &st);
	n = gw_flow_rtcp_out(&up, &down, out, sizeof(out), 5000000, 77, "c",
			     false);
	assert(n > 0);
	check_feedback(&said, out, (size_t)n);
	n = gw_flow_rtcp_out(&up, &down, out, sizeof(out), 5000000, 77, "c",
			     true);
	assert(n > 0);
	assert(!gw_rtcp_parse(&info, out, (size_t)n, PEER, OURS));
	assert(info.has_block && info.has_sr && info.bye);
	return 0;
}
