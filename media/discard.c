#include "media/discard.h"

#include <assert.h>

#include "gateway/base/metrics.h"

#define NAME "isthmus_media_discarded_total"
#define HELP "Packets not relayed, by reason"

GW_COUNTER(m_class, NAME, HELP, "reason=\"unknown_protocol\"");
GW_COUNTER(m_source, NAME, HELP, "reason=\"not_validated\"");
GW_COUNTER(m_stranger, NAME, HELP, "reason=\"stranger\"");
GW_COUNTER(m_no_remote, NAME, HELP, "reason=\"no_remote\"");
GW_COUNTER(m_oversized, NAME, HELP, "reason=\"oversized\"");
GW_COUNTER(m_no_keys, NAME, HELP, "reason=\"before_dtls\"");
GW_COUNTER(m_auth, NAME, HELP, "reason=\"srtp_auth\"");
GW_COUNTER(m_replay, NAME, HELP, "reason=\"srtp_replay\"");
GW_COUNTER(m_ssrcs, NAME, HELP, "reason=\"too_many_ssrcs\"");
GW_COUNTER(m_no_stream, NAME, HELP, "reason=\"no_stream\"");
GW_COUNTER(m_no_route, NAME, HELP, "reason=\"no_route\"");
GW_COUNTER(m_policed, NAME, HELP, "reason=\"bandwidth\"");
GW_COUNTER(m_stale, NAME, HELP, "reason=\"stale\"");
GW_COUNTER(m_malformed, NAME, HELP, "reason=\"malformed\"");
GW_COUNTER(m_gated, NAME, HELP, "reason=\"gate\"");
GW_COUNTER(m_no_codec, NAME, HELP, "reason=\"codec\"");
GW_COUNTER(m_empty, NAME, HELP, "reason=\"empty\"");
GW_COUNTER(m_duplicate, NAME, HELP, "reason=\"duplicate\"");
GW_COUNTER(m_too_old, NAME, HELP, "reason=\"old\"");
GW_COUNTER(m_jump, NAME, HELP, "reason=\"jump\"");
GW_COUNTER(m_old_source, NAME, HELP, "reason=\"source\"");
GW_COUNTER(m_no_peer, NAME, HELP, "reason=\"no_address\"");
GW_COUNTER(m_send, NAME, HELP, "reason=\"send\"");

static const struct {
	struct gw_metric *metric;
	const char *name;
} reasons[GW_NDISCARDS] = {
	[GW_DISCARD_CLASS] = {&m_class,       "unknown_protocol"},
	[GW_DISCARD_SOURCE] = { &m_source,     "not_validated"   },
	[GW_DISCARD_STRANGER] = { &m_stranger,   "stranger"        },
	[GW_DISCARD_NO_REMOTE] = { &m_no_remote,  "no_remote"       },
	[GW_DISCARD_OVERSIZED] = { &m_oversized,  "oversized"       },
	[GW_DISCARD_NO_KEYS] = { &m_no_keys,    "before_dtls"     },
	[GW_DISCARD_AUTH] = { &m_auth,       "srtp_auth"       },
	[GW_DISCARD_REPLAY] = { &m_replay,     "srtp_replay"     },
	[GW_DISCARD_SSRCS] = { &m_ssrcs,      "too_many_ssrcs"  },
	[GW_DISCARD_NO_STREAM] = { &m_no_stream,  "no_stream"       },
	[GW_DISCARD_NO_ROUTE] = { &m_no_route,   "no_route"        },
	[GW_DISCARD_POLICED] = { &m_policed,    "bandwidth"       },
	[GW_DISCARD_STALE] = { &m_stale,      "stale"           },
	[GW_DISCARD_MALFORMED] = { &m_malformed,  "malformed"       },
	[GW_DISCARD_GATED] = { &m_gated,      "gate"            },
	[GW_DISCARD_NO_CODEC] = { &m_no_codec,   "codec"           },
	[GW_DISCARD_EMPTY] = { &m_empty,      "empty"           },
	[GW_DISCARD_DUPLICATE] = { &m_duplicate,  "duplicate"       },
	[GW_DISCARD_TOO_OLD] = { &m_too_old,    "old"             },
	[GW_DISCARD_JUMP] = { &m_jump,       "jump"            },
	[GW_DISCARD_OLD_SOURCE] = { &m_old_source, "source"          },
	[GW_DISCARD_NO_PEER] = { &m_no_peer,    "no_address"      },
	[GW_DISCARD_SEND] = { &m_send,       "send"            },
};

void gw_discard(uint32_t counts[GW_NDISCARDS], enum gw_discard why)
{
	assert(why < GW_NDISCARDS && reasons[why].metric);
	gw_metric_add(reasons[why].metric, 1);
	if (counts)
		counts[why]++;
}

const char *gw_discard_name(enum gw_discard why)
{
	return reasons[why].name;
}

uint64_t gw_discard_sum(const uint32_t counts[GW_NDISCARDS])
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < GW_NDISCARDS; i++)
		sum += counts[i];
	return sum;
}
