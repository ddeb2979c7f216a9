/* Both flows of a termination as its peer's RTCP and our operator see them. */
#include "media/flow.h"

#include <string.h>

#include "gateway/base/metrics.h"

/* RFC 3550 6.4: who has sent since the report before the last one is a sender,
 * and is reported about; two of the longest intervals. */
#define RECENT_US 15000000u

GW_COUNTER(m_rtcp, "isthmus_rtcp_received_total", "RTCP compounds read", "");
GW_COUNTER(m_rejected, "isthmus_rtcp_rejected_total",
	   "RTCP compounds that do not parse", "");
GW_COUNTER(m_bye, "isthmus_rtcp_bye_total",
	   "RTCP BYE packets about a source in use", "");
GW_COUNTER(m_feedback, "isthmus_rtcp_feedback_total",
	   "RTCP transport and payload feedback packets", "");

static void read_sr(struct gw_flow *from_x, const struct gw_rtcp_info *info,
		    uint64_t now_us)
{
	if (!info->has_sr || !from_x || !from_x->src.started ||
	    info->sr.ssrc != from_x->src.ssrc)
		return;
	from_x->last_sr = (uint32_t)(info->sr.ntp >> 16);
	from_x->last_sr_us = now_us;
}

static void read_block(struct gw_flow *to_x, const struct gw_rtcp_block *b,
		       uint64_t ntp)
{
	uint32_t rtt_us = gw_rtcp_rtt_us(b, ntp);
	uint64_t jitter_us = 0;

	if (to_x->out_clock_hz)
		jitter_us = (uint64_t)b->jitter * 1000000 / to_x->out_clock_hz;
	to_x->remote_lost = b->lost > 0 ? (uint32_t)b->lost : 0;
	to_x->remote_jitter_us =
		jitter_us > UINT32_MAX ? UINT32_MAX : (uint32_t)jitter_us;
	if (rtt_us)
		to_x->rtt_us = rtt_us;
}

int gw_flow_rtcp_in(struct gw_flow *from_x, struct gw_flow *to_x,
		    const uint8_t *data, size_t len, uint64_t now_us,
		    uint64_t ntp, struct gw_rtcp_info *info)
{
	uint32_t peer = from_x && from_x->src.started ? from_x->src.ssrc : 0;
	struct gw_rtcp_info unused;
	int err;

	if (!info)
		info = &unused;
	err = gw_rtcp_parse(info, data, len, to_x ? to_x->ssrc : 0, peer);
	if (err) {
		gw_metric_add(&m_rejected, 1);
		return err;
	}
	gw_metric_add(&m_rtcp, 1);
	if (info->bye)
		gw_metric_add(&m_bye, 1);
	if (info->nrtpfb || info->npsfb)
		gw_metric_add(&m_feedback, info->nrtpfb + info->npsfb);

	read_sr(from_x, info, now_us);
	/* Nothing sent yet: then the block is about someone else's stream. */
	if (to_x && info->has_block && to_x->tx_packets)
		read_block(to_x, &info->block, ntp);
	return 0;
}

/* False: nothing to report of this source. */
static bool make_block(struct gw_flow *from_x, uint64_t now_us,
		       struct gw_rtcp_block *b)
{
	struct gw_rtp_source *src = &from_x->src;
	uint64_t jitter;

	if (!src->started || !src->received ||
	    now_us > from_x->src_heard_us + RECENT_US)
		return false;
	jitter = (uint64_t)gw_rtp_source_jitter_us(src) * src->last_clock_hz /
		 1000000;
	*b = (struct gw_rtcp_block){
		.ssrc = src->ssrc,
		.fraction = gw_rtp_source_fraction(src),
		.lost = gw_rtp_source_lost(src),
		.ext_seq = gw_rtp_source_ext_seq(src),
		.jitter = (uint32_t)jitter,
		.lsr = from_x->last_sr,
	};
	if (b->lsr)
		b->dlsr = (uint32_t)(((now_us - from_x->last_sr_us) << 16) /
				     1000000);
	return true;
}

static struct gw_rtcp_sender make_sender(const struct gw_flow *to_x,
					 uint64_t now_us, uint64_t ntp)
{
	uint64_t us = now_us > to_x->anchor_us ? now_us - to_x->anchor_us : 0;

	return (struct gw_rtcp_sender){
		.ssrc = to_x->ssrc,
		.active =
			to_x->tx_packets && now_us <= to_x->sent_us + RECENT_US,
		.ntp = ntp,
		.rtp_ts = to_x->anchor_ts +
			  (uint32_t)(us * to_x->out_clock_hz / 1000000),
		.packets = (uint32_t)to_x->tx_packets,
		.octets = (uint32_t)to_x->tx_octets,
	};
}

int gw_flow_rtcp_out(struct gw_flow *from_x, struct gw_flow *to_x, uint8_t *out,
		     size_t size, uint64_t now_us, uint64_t ntp,
		     const char *cname, bool bye)
{
	struct gw_rtcp_sender s = make_sender(to_x, now_us, ntp);
	struct gw_rtcp_block b;
	bool has_block = from_x && make_block(from_x, now_us, &b);

	return gw_rtcp_print(out, size, &s, has_block ? &b : NULL, cname, bye);
}

void gw_flow_stats(const struct gw_flow *from_x, const struct gw_flow *to_x,
		   struct gw_stream_stats *out)
{
	int64_t lost;

	*out = (struct gw_stream_stats){ 0 };
	if (from_x) {
		lost = from_x->rx_lost_before +
		       gw_rtp_source_lost_total(&from_x->src);
		if (lost > UINT32_MAX)
			lost = UINT32_MAX;
		out->rx.packets = from_x->rx_packets;
		out->rx.bytes = from_x->rx_bytes;
		memcpy(out->rx.discarded, from_x->rx_discarded,
		       sizeof(out->rx.discarded));
		out->rx.lost = lost > 0 ? (uint32_t)lost : 0;
		out->rx.jitter_us = gw_rtp_source_jitter_us(&from_x->src);
	}
	if (to_x) {
		out->tx.packets = to_x->tx_packets;
		out->tx.bytes = to_x->tx_bytes;
		out->remote_lost = to_x->remote_lost;
		out->remote_jitter_us = to_x->remote_jitter_us;
		out->rtt_us = to_x->rtt_us;
	}
}
