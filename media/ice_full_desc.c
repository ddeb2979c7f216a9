/* media/ice_full_desc.c - who we are to the peer, and who it is to libnice */
#include "media/ice_full.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <nice/agent.h>

/* ---- addresses ---- */

void gw_ice_from_nice(struct gw_addr *out, const NiceAddress *a)
{
	struct sockaddr_storage ss;

	memset(out, 0, sizeof(*out));
	memset(&ss, 0, sizeof(ss));
	nice_address_copy_to_sockaddr(a, (struct sockaddr *)&ss);
	if (gw_addr_from_sockaddr(out, (struct sockaddr *)&ss))
		memset(out, 0, sizeof(*out));
}

void gw_ice_to_nice(NiceAddress *out, const struct gw_addr *a)
{
	struct sockaddr_storage ss;

	(void)gw_addr_to_sockaddr(a, &ss);
	nice_address_init(out);
	nice_address_set_from_sockaddr(out, (struct sockaddr *)&ss);
}

/* ---- ours ---- */

static void copy_candidate(struct gw_candidate *out, const NiceCandidate *c)
{
	memset(out, 0, sizeof(*out));
	gw_ice_from_nice(&out->addr, &c->addr);
	if (c->type != NICE_CANDIDATE_TYPE_HOST)
		gw_ice_from_nice(&out->related, &c->base_addr);
	out->priority = c->priority;
	out->type = (uint8_t)c->type;
	memcpy(out->foundation, c->foundation, sizeof(out->foundation));
	out->foundation[sizeof(out->foundation) - 1] = '\0';
}

void gw_ice_full_local(struct gw_ice *base, struct gw_end *end)
{
	struct gw_ice_full *ice = (struct gw_ice_full *)base;
	gchar *ufrag = NULL;
	gchar *pwd = NULL;
	GSList *list;

	end->ice_lite = false;
	end->ncandidate = 0;
	memset(end->ufrag, 0, sizeof(end->ufrag));
	memset(end->pwd, 0, sizeof(end->pwd));
	if (nice_agent_get_local_credentials(ice->agent, ice->stream, &ufrag,
					     &pwd)) {
		(void)g_strlcpy(end->ufrag, ufrag, sizeof(end->ufrag));
		(void)g_strlcpy(end->pwd, pwd, sizeof(end->pwd));
		g_free(ufrag);
		g_free(pwd);
	}

	list = nice_agent_get_local_candidates(ice->agent, ice->stream,
					       GW_ICE_COMPONENT);
	for (GSList *l = list; l; l = l->next) {
		const NiceCandidate *c = l->data;

		if (c->transport == NICE_CANDIDATE_TRANSPORT_UDP &&
		    end->ncandidate < GW_MAX_CANDIDATES)
			copy_candidate(&end->candidate[end->ncandidate++], c);
	}
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
}

/* ---- the peer's ---- */

static NiceCandidate *make_candidate(const struct gw_ice_full *ice,
				     const struct gw_candidate *in)
{
	NiceCandidate *c;

	if (!in->addr.family || !in->addr.port ||
	    in->type > NICE_CANDIDATE_TYPE_RELAYED)
		return NULL;
	c = nice_candidate_new((NiceCandidateType)in->type);
	c->transport = NICE_CANDIDATE_TRANSPORT_UDP;
	gw_ice_to_nice(&c->addr, &in->addr);
	gw_ice_to_nice(&c->base_addr,
		       in->related.family ? &in->related : &in->addr);
	c->priority = in->priority;
	c->stream_id = ice->stream;
	c->component_id = GW_ICE_COMPONENT;
	(void)g_strlcpy(c->foundation, in->foundation, sizeof(c->foundation));
	return c;
}

/* Without memory for them they are told to libnice again another time. */
static void keep_candidates(struct gw_ice_full *ice,
			    const struct gw_candidate *from, uint8_t n)
{
	free(ice->candidate);
	ice->ncandidate = 0;
	ice->candidate = n ? calloc(n, sizeof(*from)) : NULL;
	if (!ice->candidate)
		return;
	memcpy(ice->candidate, from, n * sizeof(*from));
	ice->ncandidate = n;
}

static void set_candidates(struct gw_ice_full *ice, const struct gw_end *remote)
{
	GSList *list = NULL;
	uint8_t n = remote->ncandidate < GW_MAX_CANDIDATES ? remote->ncandidate
							   : GW_MAX_CANDIDATES;

	for (uint8_t i = 0; i < n; i++) {
		NiceCandidate *c = make_candidate(ice, &remote->candidate[i]);

		if (!c)
			continue;
		list = g_slist_append(list, c);
		if (c->priority > ice->top_priority)
			ice->top_priority = c->priority;
	}
	if (list)
		(void)nice_agent_set_remote_candidates(ice->agent, ice->stream,
						       GW_ICE_COMPONENT, list);
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
	ice->told = true;
	keep_candidates(ice, remote->candidate, n);
}

bool gw_ice_full_is_peer(const struct gw_ice *base, const struct gw_end *remote)
{
	const struct gw_ice_full *ice = (const struct gw_ice_full *)base;

	return !strcmp(ice->ufrag, remote->ufrag) &&
	       !strcmp(ice->pwd, remote->pwd);
}

int gw_ice_full_configure(struct gw_ice *base, const struct gw_end *remote)
{
	struct gw_ice_full *ice = (struct gw_ice_full *)base;
	bool creds = !gw_ice_full_is_peer(base, remote);
	bool cands = !ice->told || ice->ncandidate != remote->ncandidate ||
		     (ice->ncandidate &&
		      memcmp(ice->candidate, remote->candidate,
			     ice->ncandidate * sizeof(ice->candidate[0])) != 0);

	/* RFC 8839 5.4: at least 4 and 22 characters. */
	if (strlen(remote->ufrag) < 4 || strlen(remote->pwd) < 22)
		return -EINVAL;
	if (!creds && !cands)
		return 0;

	/* RFC 8445 6.1.1: a lite peer never controls. */
	if (remote->ice_lite)
		g_object_set(ice->agent, "controlling-mode", TRUE, NULL);
	if (creds) {
		if (!nice_agent_set_remote_credentials(ice->agent, ice->stream,
						       remote->ufrag,
						       remote->pwd))
			return -EINVAL;
		memcpy(ice->ufrag, remote->ufrag, sizeof(ice->ufrag));
		memcpy(ice->pwd, remote->pwd, sizeof(ice->pwd));
		if (!ice->probe)
			gw_ice_full_probe(ice);
	}
	set_candidates(ice, remote);
	/* After libnice, which now tells whose checks came before. */
	if (creds && ice->probe &&
	    gw_probe_set_remote(ice->probe, ice->ufrag, ice->pwd))
		gw_ice_full_stop_probe(ice);
	gw_ice_full_sync(ice);
	return 0;
}

int gw_ice_full_restart(struct gw_ice *base)
{
	struct gw_ice_full *ice = (struct gw_ice_full *)base;

	if (!nice_agent_restart(ice->agent))
		return -EIO;
	/* The peer must be told to libnice anew, even if it stays.  Until it
	 * is, it is heard from all its addresses. */
	memset(ice->ufrag, 0, sizeof(ice->ufrag));
	memset(ice->pwd, 0, sizeof(ice->pwd));
	ice->told = false;
	gw_ice_full_probe(ice);
	gw_ice_full_sync(ice);
	return 0;
}
