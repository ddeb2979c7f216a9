/*
 * Registrations as an operator sees and ends them.
 */
#include <stdio.h>
#include <string.h>

#include "webrtc/respect_priv.h"
#include "webrtc/web.h"

_Static_assert(GW_WEB_IDENTITY == GW_IDENTITY_SIZE, "identities fit");

bool gw_web_identity(char out[GW_WEB_IDENTITY], const char *uri)
{
	return gw_identity_norm(out, uri);
}

static void describe(struct gw_web_reg *out, const struct gw_reg *reg)
{
	memset(out, 0, sizeof(*out));
	out->serial = reg->serial;
	memcpy(out->id, reg->id, sizeof(out->id));
	memcpy(out->name, reg->name, sizeof(out->name));
	out->connected = reg->conn != NULL;
	out->awaited = reg->awaited;
	out->remaining_s = gw_reg_remaining_s(reg);
	out->sessions = reg->nleg;
	for (size_t i = 1; i < reg->nidentity; i++)
		memcpy(out->identity[out->nidentity++], reg->identity[i],
		       GW_WEB_IDENTITY);
}

/* The lowest serial above @after. */
static const struct gw_reg *next_after(const struct gw_web *web, uint64_t after)
{
	const struct gw_reg *reg, *best = NULL;

	for (reg = gw_registry_first(web->registry); reg;
	     reg = LIST_NEXT(reg, link)) {
		if (reg->serial > after &&
		    (!best || reg->serial < best->serial))
			best = reg;
	}
	return best;
}

size_t gw_web_registrations(const struct gw_web *web, uint64_t after,
			    struct gw_web_reg *out, size_t max)
{
	const struct gw_reg *reg;
	size_t n = 0;

	while (n < max && (reg = next_after(web, after))) {
		describe(&out[n++], reg);
		after = reg->serial;
	}
	return n;
}

size_t gw_respect_endpoints(const struct gw_web *web, const char *uri,
			    const char *key,
			    char out[GW_WEB_ENDPOINTS][GW_WEB_KEY])
{
	struct gw_reg *reg[GW_WEB_ENDPOINTS];
	size_t n = key ? gw_registry_find_in_core(web->registry, key, reg,
						  GW_WEB_ENDPOINTS)
		       : gw_registry_find_all(web->registry, uri, reg,
					      GW_WEB_ENDPOINTS);

	for (size_t i = 0; i < n; i++)
		(void)snprintf(out[i], GW_WEB_KEY, "%s", reg[i]->key);
	return n;
}

static struct gw_reg *one_of(const struct gw_web *web, const char *id,
			     uint64_t serial)
{
	struct gw_reg *reg;

	for (reg = gw_registry_first(web->registry); reg;
	     reg = LIST_NEXT(reg, link)) {
		if ((!serial || reg->serial == serial) &&
		    gw_identity_equal(reg->id, id))
			return reg;
	}
	return NULL;
}

unsigned gw_web_deregister(struct gw_web *web, const char *id, uint64_t serial,
			   const char *why)
{
	struct gw_reg *reg;
	unsigned n = 0;

	if (!serial)
		gw_rauth_revoke(web, id);
	/* From the beginning each time: its calls may have ended others'. */
	while ((reg = one_of(web, id, serial))) {
		gw_rauth_end(web, reg, GW_WS_DEREGISTERED, why);
		n++;
	}
	return n;
}
