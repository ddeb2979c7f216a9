/*
 * Registrations outlive the process: what is needed for a client to come back
 * to its own is remembered elsewhere (h.keep) before the client is told of it,
 * and put back by gw_web_restore().
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "webrtc/respect_priv.h"

_Static_assert(GW_WEB_KEY >= sizeof(((struct gw_reg *)0)->key), "keys fit");
_Static_assert(GW_WEB_HASH == GW_REG_HASH_SIZE, "hashes fit");
_Static_assert(GW_REG_MAX_IDENTITIES == GW_SET_IDENTITIES + 1,
	       "identities beside the id fit");

#define BACK "isthmus_registrations_returned_total"
#define BACK_HELP                                                              \
	"Registrations of before a crash, by whether their client came"

/* clang-format off */
GW_COUNTER(m_back, BACK, BACK_HELP, "result=\"resumed\"");
GW_COUNTER(m_lost, BACK, BACK_HELP, "result=\"lost\"");
/* clang-format on */

static const struct gw_logctx klog = { .module = "respect" };

static void describe(struct gw_web_kept *out, const struct gw_reg *reg)
{
	int64_t now = gw_clock_wall_s();

	memset(out, 0, sizeof(*out));
	memcpy(out->key, reg->key, sizeof(reg->key));
	memcpy(out->id, reg->id, sizeof(out->id));
	memcpy(out->name, reg->name, sizeof(out->name));
	memcpy(out->credential_hash, reg->credential_hash,
	       sizeof(out->credential_hash));
	out->configured = reg->configured;
	out->enrolled = reg->enrolled;
	out->expires_s = now + gw_reg_remaining_s(reg);
	out->ttl_s = reg->ttl_s;
	if (!reg->conn)
		out->lost_s = now + gw_reg_ttl_left_s(reg);
	for (size_t i = 1; i < reg->nidentity; i++)
		memcpy(out->identity[out->nidentity++], reg->identity[i],
		       sizeof(out->identity[0]));
}

bool gw_web_describe(const struct gw_web *web, const char *key,
		     struct gw_web_kept *out)
{
	const struct gw_reg *reg = gw_registry_find_key(web->registry, key);

	/* One that nobody has been told of is nothing to come back to. */
	if (!reg || !reg->kept)
		return false;
	describe(out, reg);
	return true;
}

bool gw_rkeep_ask(struct gw_web *web, struct gw_reg *reg)
{
	struct gw_web_kept kept;

	if (!web->h.keep)
		return false;
	reg->kept = true;
	describe(&kept, reg);
	reg->keeping = !web->h.keep(&kept, web->h.arg);
	return reg->keeping;
}

void gw_rkeep_log_out(struct gw_web *web, struct gw_reg *reg)
{
	/* Not to be called, nor come back to, while that lasts. */
	gw_registry_hide(reg);
	reg->leaving = reg->kept && !web->h.forget(reg->key, web->h.arg);
	reg->kept = false;
	if (!reg->leaving)
		gw_rauth_left(web, reg);
}

void gw_rkeep_forget(struct gw_web *web, struct gw_reg *reg)
{
	if (reg->awaited && !web->ending)
		gw_metric_add(&m_lost, 1);
	if (reg->kept)
		(void)web->h.forget(reg->key, web->h.arg);
	reg->kept = false;
	reg->keeping = false;
}

void gw_rkeep_returned(const struct gw_reg *reg)
{
	if (reg->awaited)
		gw_metric_add(&m_back, 1);
}

void gw_web_kept(struct gw_web *web, const char *key)
{
	struct gw_reg *reg = gw_registry_find_key(web->registry, key);

	if (reg && reg->leaving) {
		gw_rauth_left(web, reg);
		return;
	}
	if (!reg || !reg->keeping)
		return;
	reg->keeping = false;
	/* Its client has left meanwhile: it will never know its credential. */
	if (reg->conn)
		gw_rauth_answer(reg->conn);
}

/* Known by an id that was made up here. */
static bool is_anonymous(const struct gw_web_kept *kept)
{
	const char *host = strrchr(kept->id, '@');

	return kept->enrolled && !kept->configured && host &&
	       !strcmp(host + 1, GW_RESPECT_NOBODY);
}

int gw_web_restore(struct gw_web *web, const struct gw_web_kept *kept,
		   uint32_t wait_s)
{
	struct gw_set_user *user = gw_rauth_user(web, kept->id);
	int64_t left_s = kept->expires_s - gw_clock_wall_s();
	struct gw_reg *reg;
	int err;

	if (left_s <= 0)
		return -ETIME;
	/* Whom a user of the configuration is now, or was, may be another. */
	if (kept->configured != (user != NULL))
		return -ESRCH;
	err = gw_registry_restore(web->registry, &reg, kept->key, kept->id,
				  user);
	if (err)
		return err;
	/* The configuration decides about its users' identities, but where the
	 * core does. */
	if (!kept->configured || kept->enrolled)
		gw_registry_set_identities(reg, kept->nidentity,
					   kept->identity);
	if (!reg->name[0])
		(void)snprintf(reg->name, sizeof(reg->name), "%s", kept->name);
	memcpy(reg->credential_hash, kept->credential_hash,
	       sizeof(reg->credential_hash));
	reg->configured = kept->configured;
	reg->enrolled = kept->enrolled && web->h.leave;
	reg->client = kept->client;
	/* Without memory a token of its is not compared with it. */
	reg->impi = kept->impi[0] ? strdup(kept->impi) : NULL;
	reg->kept = web->h.keep != NULL;
	if (is_anonymous(kept) && !gw_addr_parse(&reg->peer, kept->peer, 0))
		reg->anonymous = true;
	gw_reg_await(reg, left_s < UINT32_MAX ? (uint32_t)left_s : UINT32_MAX,
		     kept->ttl_s, wait_s);
	gw_rauth_gauge(web);
	gw_debug(&klog, "%s is awaited for %u s", reg->id, wait_s);
	return 0;
}
