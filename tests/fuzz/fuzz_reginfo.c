/* Documents of the reg event package. */
#include <assert.h>

#include "sip/reginfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char set[2][128] = { "sip:alice@ims.test",
					  "tel:+15551000" };
	const struct gw_reginfo_who who = {
		.contact_user = "0123456789abcdef0123456789abcdef",
		.impu = set,
		.nimpu = 2,
	};
	struct gw_reginfo info;

	if (gw_reginfo_read(&info, &who, data, size))
		return 0;
	assert(info.identity <= GW_REGINFO_TERMINATED);
	assert(info.event < GW_REGINFO_NEVENTS);
	/* What has no contact of ours has nothing to say of it. */
	assert(info.contact == GW_REGINFO_TERMINATED ||
	       (info.event == GW_REGINFO_OTHER && !info.retry_after_s));
	return 0;
}
