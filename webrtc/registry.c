#define HASH_NONFATAL_OOM 1
#include "webrtc/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/ids.h"
#include "webrtc/auth_check.h"

#define REG_MAGIC        0x52454731u
#define CREDENTIAL_CHARS 32 /* of 62: 190 bits */

struct gw_registry {
	struct gw_timers *timers;
	gw_reg_end_h *end_h;
	void *arg;
	struct gw_idmap *map;
	LIST_HEAD(gw_reg_list, gw_reg) regs;
	struct gw_reg *by_key;
	/* Counted along: a storm of log-ins asks for them each time. */
	unsigned n, nsuspended, nawaited;
	uint64_t serial;
};

int gw_registry_new(struct gw_registry **out, struct gw_timers *timers,
		    gw_reg_end_h *end_h, void *arg)
{
	struct gw_registry *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	if (gw_idmap_new(&r->map)) {
		free(r);
		return -ENOMEM;
	}
	r->timers = timers;
	r->end_h = end_h;
	r->arg = arg;
	LIST_INIT(&r->regs);
	*out = r;
	return 0;
}

void gw_registry_free(struct gw_registry *r)
{
	if (!r)
		return;
	assert(LIST_EMPTY(&r->regs));
	gw_idmap_free(r->map);
	free(r);
}

static void on_expiry(struct gw_timer *t, void *arg)
{
	struct gw_reg *reg = arg;

	(void)t;
	GW_CHECK(reg, REG_MAGIC);
	reg->registry->end_h(reg, GW_REG_EXPIRED, reg->registry->arg);
}

static void on_ttl(struct gw_timer *t, void *arg)
{
	struct gw_reg *reg = arg;

	(void)t;
	GW_CHECK(reg, REG_MAGIC);
	reg->registry->end_h(reg, GW_REG_LOST, reg->registry->arg);
}

static void add_identity(struct gw_reg *reg, const char *uri)
{
	if (reg->nidentity < GW_REG_MAX_IDENTITIES &&
	    !gw_reg_identity(reg, uri))
		(void)snprintf(reg->identity[reg->nidentity++],
			       GW_IDENTITY_SIZE, "%s", uri);
}

/* What the registration calls itself towards others: as the user is configured,
 * or else bare.  Not as the client spelled it, who could add parameters. */
static const char *spelling(const char *id, const char *norm,
			    const struct gw_set_user *user)
{
	if (user && gw_identity_equal(user->id, id))
		return user->id;
	for (size_t i = 0; user && i < user->nidentity; i++) {
		if (gw_identity_equal(user->identity[i], id))
			return user->identity[i];
	}
	return norm;
}

/* @key NULL: a new one. */
static int add(struct gw_registry *r, struct gw_reg **out, const char *key,
	       const char *id, const struct gw_set_user *user,
	       struct gw_rconn *conn)
{
	char norm[GW_IDENTITY_SIZE];
	struct gw_reg *reg;
	size_t i;
	int err = 0;

	if (!gw_identity_norm(norm, id))
		return -EINVAL;
	id = spelling(id, norm, user);
	reg = calloc(1, sizeof(*reg));
	if (!reg)
		return -ENOMEM;

	reg->magic = REG_MAGIC;
	reg->registry = r;
	reg->serial = ++r->serial;
	reg->conn = conn;
	if (key)
		(void)snprintf(reg->key, sizeof(reg->key), "%s", key);
	else
		gw_random_token(reg->key, sizeof(reg->key),
				sizeof(reg->key) - 1);
	HASH_ADD(of_key, r->by_key, key, strlen(reg->key), reg);
	if (!reg->of_key.tbl) {
		free(reg);
		return -ENOMEM;
	}
	LIST_INIT(&reg->legs);
	gw_timer_init(&reg->expiry, on_expiry, reg);
	gw_timer_init(&reg->ttl, on_ttl, reg);
	(void)snprintf(reg->id, sizeof(reg->id), "%s", id);
	add_identity(reg, id);
	if (user) {
		(void)snprintf(reg->name, sizeof(reg->name), "%s", user->name);
		add_identity(reg, user->id);
		for (i = 0; i < user->nidentity; i++)
			add_identity(reg, user->identity[i]);
	}
	LIST_INSERT_HEAD(&r->regs, reg, link);
	r->n++;
	for (i = 0; i < reg->nidentity && err != -ENOMEM; i++)
		err = gw_idmap_add(r->map, reg->identity[i], reg);
	if (err == -ENOMEM) {
		gw_registry_remove(reg);
		return -ENOMEM;
	}
	*out = reg;
	return 0;
}

int gw_registry_add(struct gw_registry *r, struct gw_reg **out, const char *id,
		    const struct gw_set_user *user, struct gw_rconn *conn)
{
	return add(r, out, NULL, id, user, conn);
}

static void count_suspended(struct gw_reg *reg, bool suspended)
{
	if (reg->suspended && !suspended)
		reg->registry->nsuspended--;
	else if (!reg->suspended && suspended)
		reg->registry->nsuspended++;
	reg->suspended = suspended;
}

static void count_awaited(struct gw_reg *reg, bool awaited)
{
	if (reg->awaited && !awaited)
		reg->registry->nawaited--;
	else if (!reg->awaited && awaited)
		reg->registry->nawaited++;
	reg->awaited = awaited;
}

int gw_registry_restore(struct gw_registry *r, struct gw_reg **out,
			const char *key, const char *id,
			const struct gw_set_user *user)
{
	struct gw_reg *reg;
	int err;

	if (!*key || strlen(key) >= sizeof(reg->key) ||
	    gw_registry_find_key(r, key))
		return -EINVAL;
	err = add(r, &reg, key, id, user, NULL);
	if (err)
		return err;
	count_suspended(reg, true);
	count_awaited(reg, true);
	*out = reg;
	return 0;
}

static bool is_among(const char *uri, size_t n,
		     const char (*list)[GW_IDENTITY_SIZE])
{
	for (size_t i = 0; i < n; i++) {
		if (gw_identity_equal(uri, list[i]))
			return true;
	}
	return false;
}

static void drop_identity(struct gw_reg *reg, size_t i)
{
	gw_idmap_del(reg->registry->map, reg->identity[i], reg);
	reg->nidentity--;
	memmove(reg->identity[i], reg->identity[i + 1],
		(reg->nidentity - i) * sizeof(reg->identity[0]));
}

void gw_registry_set_identities(struct gw_reg *reg, size_t n,
				const char (*uri)[GW_IDENTITY_SIZE])
{
	size_t i = 1;

	while (i < reg->nidentity) {
		if (is_among(reg->identity[i], n, uri))
			i++;
		else
			drop_identity(reg, i);
	}
	for (i = 0; i < n; i++) {
		size_t had = reg->nidentity;

		add_identity(reg, uri[i]);
		if (reg->nidentity > had &&
		    gw_idmap_add(reg->registry->map, reg->identity[had], reg))
			reg->nidentity = had;
	}
}

struct gw_reg *gw_registry_find_key(const struct gw_registry *r,
				    const char *key)
{
	struct gw_reg *reg;

	HASH_FIND(of_key, r->by_key, key, strlen(key), reg);
	return reg;
}

bool gw_reg_suits(const struct gw_reg *reg, const struct gw_jwt_claims *claims)
{
	if (!reg->impi)
		return true;
	if (claims->impi[0] && strcmp(claims->impi, reg->impi) != 0)
		return false;
	for (size_t i = 0; i < claims->nimpu; i++) {
		if (!gw_reg_identity(reg, claims->impu[i]))
			return false;
	}
	return true;
}

void gw_registry_hide(struct gw_reg *reg)
{
	for (size_t i = 0; i < reg->nidentity; i++)
		gw_idmap_del(reg->registry->map, reg->identity[i], reg);
}

void gw_registry_remove(struct gw_reg *reg)
{
	GW_CHECK(reg, REG_MAGIC);
	assert(LIST_EMPTY(&reg->legs));
	gw_timer_stop(&reg->expiry);
	gw_timer_stop(&reg->ttl);
	gw_registry_hide(reg);
	LIST_REMOVE(reg, link);
	HASH_DELETE(of_key, reg->registry->by_key, reg);
	reg->registry->n--;
	count_suspended(reg, false);
	count_awaited(reg, false);
	explicit_bzero(reg->credential, sizeof(reg->credential));
	reg->magic = 0;
	free(reg->impi);
	free(reg->challenge);
	free(reg);
}

/* Its client has been told, or is about to be. */
static bool is_there(const struct gw_reg *reg)
{
	return !reg->pending && (!reg->keeping || reg->told);
}

static int nearness(const struct gw_reg *reg)
{
	return reg->conn ? 2 : reg->awaited ? 0 : 1;
}

struct gw_reg *gw_registry_find(const struct gw_registry *r, const char *uri)
{
	const struct gw_idmap_node *iter = NULL;
	struct gw_reg *reg, *best = NULL;

	while ((reg = gw_idmap_next(r->map, uri, &iter))) {
		if (!is_there(reg))
			continue;
		if (!best || nearness(reg) > nearness(best) ||
		    (nearness(reg) == nearness(best) &&
		     reg->serial > best->serial))
			best = reg;
	}
	return best;
}

/* Of those that are nearest; @near is how near the ones before were. */
static size_t keep(struct gw_reg **out, size_t n, size_t max,
		   struct gw_reg *reg, int *near)
{
	if (!is_there(reg) || (n && nearness(reg) < *near))
		return n;
	if (nearness(reg) > *near)
		n = 0;
	*near = nearness(reg);
	if (n < max)
		out[n++] = reg;
	return n;
}

size_t gw_registry_find_all(const struct gw_registry *r, const char *uri,
			    struct gw_reg **out, size_t max)
{
	const struct gw_idmap_node *iter = NULL;
	struct gw_reg *reg;
	int near = 0;
	size_t n = 0;

	while ((reg = gw_idmap_next(r->map, uri, &iter)))
		n = keep(out, n, max, reg, &near);
	return n;
}

size_t gw_registry_find_in_core(const struct gw_registry *r, const char *key,
				struct gw_reg **out, size_t max)
{
	struct gw_reg *reg = gw_registry_find_key(r, key);
	int near = 0;
	size_t n = 0;

	/* Its own, as a rule. */
	if (reg && !reg->core_key[0])
		return keep(out, 0, max, reg, &near);
	LIST_FOREACH(reg, &r->regs, link)
	{
		if (!strcmp(reg->core_key, key))
			n = keep(out, n, max, reg, &near);
	}
	return n;
}

/* Takes as long whatever the first differing byte is.  A hash of zeros is of
 * one that never had a credential. */
static bool same_hash(const uint8_t *a, const uint8_t *b)
{
	unsigned diff = 0, any = 0;

	for (size_t i = 0; i < GW_REG_HASH_SIZE; i++) {
		diff |= (unsigned)(a[i] ^ b[i]);
		any |= a[i];
	}
	return any && !diff;
}

struct gw_reg *gw_registry_find_credential(const struct gw_registry *r,
					   const char *id,
					   const char *credential)
{
	const struct gw_idmap_node *iter = NULL;
	uint8_t hash[GW_REG_HASH_SIZE];
	struct gw_reg *reg;

	if (gw_auth_hash(hash, credential))
		return NULL;
	while ((reg = gw_idmap_next(r->map, id, &iter))) {
		if (gw_identity_equal(reg->id, id) &&
		    same_hash(reg->credential_hash, hash))
			return reg;
	}
	return NULL;
}

struct gw_reg *gw_registry_surplus(const struct gw_reg *reg, unsigned max)
{
	const struct gw_idmap_node *iter = NULL;
	struct gw_reg *other, *worst = NULL;
	unsigned n = 1;

	while ((other = gw_idmap_next(reg->registry->map, reg->id, &iter))) {
		/* Whom the core does not know yet may not be who it says. */
		if (other == reg || other->pending ||
		    !gw_identity_equal(other->id, reg->id))
			continue;
		n++;
		if (!worst || (!other->conn > !worst->conn) ||
		    (!other->conn == !worst->conn &&
		     other->serial < worst->serial))
			worst = other;
	}
	return n > max ? worst : NULL;
}

/* RFC 6177: who has one address of a /64 has them all. */
static bool same_network(const struct gw_addr *a, const struct gw_addr *b)
{
	return a->family == AF_INET6 && b->family == AF_INET6
		       ? !memcmp(a->ip, b->ip, 8)
		       : gw_addr_same_ip(a, b);
}

unsigned gw_registry_anonymous(const struct gw_registry *r,
			       const struct gw_addr *peer)
{
	const struct gw_reg *reg;
	unsigned n = 0;

	LIST_FOREACH(reg, &r->regs, link)
	n += reg->anonymous && same_network(&reg->peer, peer);
	return n;
}

struct gw_reg *gw_registry_first(const struct gw_registry *r)
{
	return LIST_FIRST(&r->regs);
}

static void expire_in(struct gw_reg *reg, uint32_t expiration_s)
{
	struct gw_timers *ts = reg->registry->timers;
	uint64_t ms = (uint64_t)expiration_s * 1000;

	reg->expires_us = gw_timers_now_us(ts) + ms * 1000;
	/* Without memory for the timer the registration still ends with its
	 * connection. */
	(void)gw_timer_start_ms(ts, &reg->expiry, ms);
}

void gw_reg_renew(struct gw_reg *reg, uint32_t expiration_s, uint32_t ttl_s)
{
	GW_CHECK(reg, REG_MAGIC);
	reg->ttl_s = ttl_s;
	gw_random_token(reg->credential, sizeof(reg->credential),
			CREDENTIAL_CHARS);
	if (gw_auth_hash(reg->credential_hash, reg->credential))
		memset(reg->credential_hash, 0, sizeof(reg->credential_hash));
	expire_in(reg, expiration_s);
}

void gw_reg_await(struct gw_reg *reg, uint32_t expiration_s, uint32_t ttl_s,
		  uint32_t wait_s)
{
	GW_CHECK(reg, REG_MAGIC);
	assert(reg->awaited);
	reg->ttl_s = ttl_s;
	expire_in(reg, expiration_s);
	(void)gw_timer_start_ms(reg->registry->timers, &reg->ttl,
				(uint64_t)wait_s * 1000);
}

void gw_reg_suspend(struct gw_reg *reg)
{
	GW_CHECK(reg, REG_MAGIC);
	reg->conn = NULL;
	reg->answering = false;
	count_suspended(reg, true);
	(void)gw_timer_start_ms(reg->registry->timers, &reg->ttl,
				(uint64_t)reg->ttl_s * 1000);
}

void gw_reg_resume(struct gw_reg *reg, struct gw_rconn *conn)
{
	GW_CHECK(reg, REG_MAGIC);
	gw_timer_stop(&reg->ttl);
	reg->conn = conn;
	reg->answering = reg->quitting = false;
	count_suspended(reg, false);
	count_awaited(reg, false);
	reg->serial = ++reg->registry->serial;
}

static uint32_t left_s(const struct gw_reg *reg, uint64_t until_us)
{
	uint64_t now = gw_timers_now_us(reg->registry->timers);

	return until_us > now ? (uint32_t)((until_us - now) / 1000000) : 0;
}

uint32_t gw_reg_remaining_s(const struct gw_reg *reg)
{
	return left_s(reg, reg->expires_us);
}

uint32_t gw_reg_ttl_left_s(const struct gw_reg *reg)
{
	return gw_timer_running(&reg->ttl) ? left_s(reg, reg->ttl.due_us) : 0;
}

const char *gw_reg_identity(const struct gw_reg *reg, const char *uri)
{
	for (size_t i = 0; i < reg->nidentity; i++) {
		if (gw_identity_equal(reg->identity[i], uri))
			return reg->identity[i];
	}
	return NULL;
}

unsigned gw_registry_count(const struct gw_registry *r, unsigned *suspended)
{
	*suspended = r->nsuspended;
	return r->n;
}

unsigned gw_registry_awaited(const struct gw_registry *r)
{
	return r->nawaited;
}
