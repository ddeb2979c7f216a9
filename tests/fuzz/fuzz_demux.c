/* What one datagram of a multiplexed socket is (RFC 7983), and that each class
 * is only handed what its first bytes allow. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "media/rtcp.h"
#include "media/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum gw_pkt_class c = gw_pkt_classify(data, size);
	struct gw_rtcp_info info;
	struct gw_rtp h;

	switch (c) {
	case GW_PKT_UNKNOWN:
		assert(size < 2 || (data[0] > 3 && data[0] < 16) ||
		       (data[0] > 79 && data[0] < 128) || data[0] > 191);
		break;
	case GW_PKT_STUN:
		assert(data[0] <= 3);
		break;
	case GW_PKT_ZRTP:
		assert(data[0] >= 16 && data[0] <= 19);
		break;
	case GW_PKT_DTLS:
		assert(data[0] >= 20 && data[0] <= 63);
		break;
	case GW_PKT_TURN:
		assert(data[0] >= 64 && data[0] <= 79);
		break;
	case GW_PKT_RTP:
		if (!gw_rtp_parse(&h, data, size)) {
			assert(h.payload_at + h.payload_bytes +
				       h.padding_bytes ==
			       size);
			/* RFC 5761 4: types that would look like RTCP. */
			assert(!h.marker || h.pt < 64 || h.pt > 95);
		}
		break;
	case GW_PKT_RTCP:
		(void)gw_rtcp_parse(&info, data, size, 1, 2);
		break;
	}
	/* Whatever is not version 2 is neither. */
	if (c != GW_PKT_RTP && c != GW_PKT_RTCP)
		assert(gw_rtp_parse(&h, data, size));
	return 0;
}
