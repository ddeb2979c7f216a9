/*
 * Authorization of a REGISTER: trusted node (TS 33.203 annex U), credentials
 * held here, or the client's own answer (TS 24.229 5.2.2).
 */
#include "sip/regn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sofia-sip/sip_header.h>

#include "gateway/base/buf.h"
#include "gateway/base/ids.h"
#include "gateway/base/loop.h"
#include "gateway/base/metrics.h"
#include "sip/milenage.h"

/* Challenges in one round: the first, one for stale or a resynchronisation,
 * one for bad luck. */
#define CHALLENGES_MAX 3
#define VALUE_MAX      2048
/* TS 24.229 table 7.8.1: reg-await-auth of the S-CSCF. */
#define AWAIT_MS 240000
#define RAND_LEN 16
#define AUTN_LEN 16

#define AKA      "isthmus_ims_aka_total"
#define AKA_HELP "AKA challenges to credentials held here, by verdict"

GW_COUNTER(m_aka_ok, AKA, AKA_HELP, "verdict=\"ok\"");
GW_COUNTER(m_aka_resync, AKA, AKA_HELP, "verdict=\"resync\"");
GW_COUNTER(m_aka_mac, AKA, AKA_HELP, "verdict=\"mac\"");

/* ---- what is sent ---- */

/* TS 24.229 5.2.2: how the way to the client is protected.  Ours is TLS with
 * it; a client with AKAv2 over it is "connected". */
static const char *protection(const struct gw_regn *r)
{
	if (r->how == GW_REGN_TRUSTED)
		return "auth-done";
	if (r->how == GW_REGN_HELD && r->secret->aka)
		return r->digest && r->digest->valid ? "yes" : "no";
	if (r->akav2)
		return "tls-connected";
	return gw_regn_is_bound(r) ? "tls-yes" : "tls-pending";
}

static int held_answer(struct gw_regn *r, char *buf, size_t size,
		       const char *uri)
{
	const struct gw_digest_who who = {
		.username = r->impi,
		/* RFC 3310 3.4: with AUTS the password is empty. */
		.password = r->secret->aka ? "" : r->secret->password,
		.secret = r->res_len ? r->res : NULL,
		.secret_len = r->res_len,
		.auts = r->auts,
	};

	return gw_digest_answer(r->digest, buf, size, &who, "REGISTER", uri,
				NULL);
}

int gw_regn_authorization(struct gw_regn *r, char *buf, size_t size,
			  const char *uri)
{
	const char *realm = gw_regn_set(r)->domain;
	size_t n;
	int err = 0;

	if (r->digest && r->digest->valid)
		err = held_answer(r, buf, size, uri);
	else if (r->answer)
		(void)snprintf(buf, size, "%s", r->answer);
	else
		(void)snprintf(buf, size,
			       "Digest username=\"%s\",realm=\"%s\",nonce=\"\","
			       "uri=\"%s\",response=\"\"",
			       r->impi, realm, uri);
	if (err)
		return err;
	n = strlen(buf);
	n += (size_t)snprintf(buf + n, size - n, ",integrity-protected=\"%s\"",
			      protection(r));
	return n < size ? 0 : -ENOSPC;
}

/* ---- AKA held here ---- */

static int take_nonce(const char *nonce, uint8_t rand[RAND_LEN],
		      uint8_t autn[AUTN_LEN])
{
	uint8_t raw[192];
	int n = gw_base64_decode(raw, sizeof(raw), nonce, strlen(nonce));

	if (n < RAND_LEN + AUTN_LEN)
		return -EINVAL;
	memcpy(rand, raw, RAND_LEN);
	memcpy(autn, raw + RAND_LEN, AUTN_LEN);
	return 0;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint8_t diff = 0;

	while (n--)
		diff |= (uint8_t)(a[n] ^ b[n]);
	return !diff;
}

/* TS 33.102 6.3.3: AUTS = SQN_MS ^ AK* || MAC-S, of our highest SQN. */
static int resynchronise(struct gw_regn *r, const uint8_t *opc,
			 const uint8_t *rand)
{
	static const uint8_t dummy_amf[2];
	const uint8_t *sqn = r->secret->sqn;
	struct gw_milenage m;
	uint8_t auts[14];

	if (gw_milenage(&m, r->secret->k, opc, rand, sqn, dummy_amf))
		return -EIO;
	for (unsigned i = 0; i < 6; i++)
		auts[i] = sqn[i] ^ m.ak_resync[i];
	memcpy(auts + 6, m.mac_s, 8);
	explicit_bzero(&m, sizeof(m));
	r->auts = malloc(4 * sizeof(auts));
	if (!r->auts)
		return -ENOMEM;
	gw_base64_encode(r->auts, auts, sizeof(auts));
	gw_metric_add(&m_aka_resync, 1);
	gw_info(&r->log, "AKA: the core's sequence number is behind ours, "
			 "resynchronising");
	return 0;
}

static int accept_network(struct gw_regn *r, const struct gw_milenage *m,
			  const uint8_t *sqn)
{
	const struct gw_regn_event ev = { .type = GW_RE_SQN,
					  .sqn = r->secret->sqn };

	memcpy(r->secret->sqn, sqn, 6);
	memcpy(r->res, m->res, sizeof(m->res));
	r->res_len = sizeof(m->res);
	gw_metric_add(&m_aka_ok, 1);
	gw_regn_tell(r, &ev);
	return 0;
}

/* TS 33.102 6.3.3: the network proves itself first. */
static int answer_aka(struct gw_regn *r)
{
	const struct gw_regn_secret *sec = r->secret;
	uint8_t rand[RAND_LEN], autn[AUTN_LEN], opc[16], sqn[6];
	static const uint8_t no_sqn[6];
	struct gw_milenage m;
	int err;

	memcpy(opc, sec->op, sizeof(opc));
	err = take_nonce(r->digest->nonce, rand, autn);
	if (!err && !sec->opc)
		err = gw_milenage_opc(opc, sec->k, sec->op);
	/* AK needs no SQN, and hides it. */
	if (!err)
		err = gw_milenage(&m, sec->k, opc, rand, no_sqn, autn + 6);
	for (unsigned i = 0; !err && i < 6; i++)
		sqn[i] = autn[i] ^ m.ak[i];
	if (!err)
		err = gw_milenage(&m, sec->k, opc, rand, sqn, autn + 6);
	if (!err && !same(m.mac_a, autn + 8, 8)) {
		gw_metric_add(&m_aka_mac, 1);
		gw_warn(&r->log, "AKA: the challenge is not of our home "
				 "network (MAC)");
		err = -EACCES;
	}
	if (!err)
		err = memcmp(sqn, sec->sqn, 6) > 0
			      ? accept_network(r, &m, sqn)
			      : resynchronise(r, opc, rand);
	explicit_bzero(&m, sizeof(m));
	explicit_bzero(opc, sizeof(opc));
	return err;
}

/* ---- challenges ---- */

static void forget_aka(struct gw_regn *r)
{
	explicit_bzero(r->res, sizeof(r->res));
	r->res_len = 0;
	free(r->auts);
	r->auts = NULL;
}

static enum gw_regn_reply held(struct gw_regn *r, const sip_t *response)
{
	const msg_auth_t *a = response->sip_www_authenticate;
	bool stale = false, resync = r->auts != NULL;
	int err = -ENOENT;

	if (!r->digest)
		r->digest = calloc(1, sizeof(*r->digest));
	/* In the core's order of preference; what the credentials are for. */
	for (; r->digest && a && err; a = a->au_next) {
		const char *const *params = (const char *const *)a->au_params;

		err = r->secret->aka
			      ? gw_digest_challenge_aka(r->digest, a->au_scheme,
							params, &stale)
			      : gw_digest_challenge(r->digest, false,
						    a->au_scheme, params,
						    &stale);
	}
	if (err) {
		gw_warn(&r->log, "a challenge that our credentials do not fit");
		return GW_REGN_UNABLE;
	}
	/* Answered already, with this round's nonce: they are wrong. */
	if (r->challenges > 1 && !stale && !resync) {
		gw_warn(&r->log, "the core refuses the credentials held here");
		return GW_REGN_UNABLE;
	}
	forget_aka(r);
	if (r->secret->aka && answer_aka(r))
		return GW_REGN_UNABLE;
	return GW_REGN_REPLY;
}

/* "ck" and "ik" are the gateway's own (TS 24.229 5.2.2). */
static bool is_param(const char *param, const char *name)
{
	size_t n = strlen(name);

	return !strncasecmp(param, name, n) &&
	       (param[n] == '=' || param[n] == ' ');
}

static bool clean(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static char *join_params(const msg_auth_t *a, const char *const *without)
{
	const msg_param_t *p = a->au_params;
	struct gw_buf b;
	char *text = NULL;
	bool first = true;

	gw_buf_init(&b, VALUE_MAX - 64);
	gw_buf_str(&b, "Digest ");
	for (; p && *p; p++) {
		size_t i = 0;

		while (without[i] && !is_param(*p, without[i]))
			i++;
		if (without[i])
			continue;
		if (!clean(*p))
			goto out;
		gw_buf_printf(&b, "%s%s", first ? "" : ",", *p);
		first = false;
	}
	if (!first)
		text = gw_buf_take(&b);
out:
	gw_buf_fini(&b);
	return text;
}

static enum gw_regn_reply ask_client(struct gw_regn *r, const sip_t *response)
{
	static const char *const secret[] = { "ck", "ik", NULL };
	const msg_auth_t *a = response->sip_www_authenticate;
	struct gw_regn_event ev = { .type = GW_RE_CHALLENGE };

	while (a && (!a->au_scheme || strcasecmp(a->au_scheme, "Digest") != 0))
		a = a->au_next;
	free(r->asked);
	r->asked = a ? join_params(a, secret) : NULL;
	if (!r->asked) {
		gw_warn(&r->log, "401 without a challenge that can be shown");
		return GW_REGN_UNABLE;
	}
	r->akav2 = strcasestr(r->asked, "AKAv2-") != NULL;
	free(r->answer);
	r->answer = NULL;
	if (!gw_regn_move(r, GW_REV_CHALLENGE))
		return GW_REGN_UNABLE;
	(void)gw_timer_start_ms(gw_loop_timers(r->all->sip->loop), &r->limit,
				AWAIT_MS);
	ev.challenge = r->asked;
	gw_info(&r->log, "the core's challenge goes to the client");
	gw_regn_tell(r, &ev);
	return GW_REGN_ASK;
}

enum gw_regn_reply gw_regn_challenged(struct gw_regn *r, const sip_t *response)
{
	if (r->challenges++ == CHALLENGES_MAX) {
		gw_warn(&r->log, "the core challenges again and again");
		return GW_REGN_UNABLE;
	}
	switch (r->how) {
	case GW_REGN_HELD:
		return held(r, response);
	case GW_REGN_CLIENT:
		return r->ended ? GW_REGN_UNABLE : ask_client(r, response);
	case GW_REGN_TRUSTED:
		break;
	}
	gw_error(&r->log, "the core challenges a trusted node: it does not "
			  "know this gateway as one");
	return GW_REGN_UNABLE;
}

/* ---- the client's answer ---- */

/* The value of parameter @name in @text, as it stands there; false: none. */
static bool param_of(const msg_auth_t *a, const char *name, char *out,
		     size_t size)
{
	const msg_param_t *p = a->au_params;
	const char *v = NULL;
	size_t n = strlen(name);

	for (; p && *p; p++)
		if (!strncasecmp(*p, name, n) && (*p)[n] == '=')
			v = *p + n + 1;
	if (!v)
		return false;
	if (*v == '"')
		v++;
	n = strcspn(v, "\"");
	if (n >= size)
		return false;
	memcpy(out, v, n);
	out[n] = '\0';
	return true;
}

/* Is it an answer to what was asked, by who it was asked? */
static bool answers(const struct gw_regn *r, su_home_t *home,
		    const msg_auth_t *a)
{
	const msg_auth_t *q = sip_www_authenticate_make(home, r->asked);
	char mine[512], theirs[512];

	if (!param_of(a, "username", mine, sizeof(mine)) ||
	    strcmp(mine, r->impi) != 0 ||
	    !param_of(a, "response", mine, sizeof(mine)) ||
	    !param_of(a, "uri", mine, sizeof(mine)) || !q)
		return false;
	if (!param_of(q, "nonce", theirs, sizeof(theirs)) ||
	    !param_of(a, "nonce", mine, sizeof(mine)) ||
	    strcmp(mine, theirs) != 0)
		return false;
	return param_of(q, "realm", theirs, sizeof(theirs)) &&
	       param_of(a, "realm", mine, sizeof(mine)) &&
	       !strcmp(mine, theirs);
}

int gw_regn_take_answer(struct gw_regn *r, const char *authorization)
{
	static const char *const ours[] = { "integrity-protected", "ck", "ik",
					    NULL };
	su_home_t home[1] = { SU_HOME_INIT(home) };
	const msg_auth_t *a;
	char *answer = NULL;

	if (strlen(authorization) >= VALUE_MAX - 64 || !clean(authorization))
		return -EINVAL;
	su_home_init(home);
	a = sip_authorization_make(home, authorization);
	if (a && a->au_scheme && !strcasecmp(a->au_scheme, "Digest") &&
	    answers(r, home, a))
		answer = join_params(a, ours);
	su_home_deinit(home);
	if (!answer)
		return -EINVAL;
	free(r->answer);
	r->answer = answer;
	free(r->asked);
	r->asked = NULL;
	return 0;
}

/* ---- ends ---- */

void gw_regn_auth_done(struct gw_regn *r, bool well)
{
	forget_aka(r);
	free(r->answer);
	r->answer = NULL;
	free(r->asked);
	r->asked = NULL;
	/* A nonce that was taken serves the next time too (RFC 7616 3.4); an
	 * AKA vector serves once. */
	if (r->digest && (!well || r->digest->aka))
		r->digest->valid = false;
}

void gw_regn_auth_free(struct gw_regn *r)
{
	gw_regn_auth_done(r, false);
	free(r->digest);
	r->digest = NULL;
	if (r->secret)
		explicit_bzero(r->secret, sizeof(*r->secret));
	free(r->secret);
	r->secret = NULL;
}
