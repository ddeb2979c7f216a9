#include "gateway/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/store.h"

/* The web side has no more log-ins under way: 256 by WebSocket, 64 at the
 * account page, and 64 tokens of that. */
#define MAX_ASKS (256 + 64 + 64)

_Static_assert(GW_STORE_IMPUS <= GW_SET_IDENTITIES, "all of them fit");

/* A place, not an allocation: the store forgets what waits when it closes. */
struct ask {
	struct gw_users *users;
	uint64_t ask; /* 0: free */
};

struct gw_users {
	struct gw_core *core;
	struct ask asks[MAX_ASKS];
};

int gw_users_new(struct gw_users **out, struct gw_core *core)
{
	struct gw_users *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->core = core;
	for (size_t i = 0; i < MAX_ASKS; i++)
		u->asks[i].users = u;
	*out = u;
	return 0;
}

void gw_users_free(struct gw_users *users)
{
	free(users);
}

/* An identity that is of a user of the configuration now, and was not when the
 * subscriber was added, is that user's. */
static void convert(struct gw_web *web, struct gw_set_user *out,
		    const struct gw_subscriber *s)
{
	memset(out, 0, sizeof(*out));
	(void)snprintf(out->id, sizeof(out->id), "%s", s->id);
	(void)snprintf(out->password, sizeof(out->password), "%s", s->password);
	(void)snprintf(out->name, sizeof(out->name), "%s", s->name);
	(void)snprintf(out->subject, sizeof(out->subject), "%s", s->subject);
	if (s->enrol == GW_ENROL_WEB || s->enrol == GW_ENROL_HELD)
		(void)snprintf(out->impi, sizeof(out->impi), "%s", s->impi);
	for (uint8_t i = 0; i < s->nimpu; i++) {
		if (!gw_web_is_user(web, s->impu[i]))
			(void)snprintf(out->identity[out->nidentity++],
				       sizeof(out->identity[0]), "%s",
				       s->impu[i]);
	}
}

static void on_answer(const struct gw_store_answer *a, void *arg)
{
	struct ask *place = arg;
	struct gw_web *web = place->users->core->web;
	uint64_t ask = place->ask;
	struct gw_set_user user;

	place->ask = 0;
	if (a->error) {
		gw_web_user_found(web, ask, a->error, NULL);
		return;
	}
	assert(a->n == 1);
	convert(web, &user, a->subscriber);
	gw_web_user_found(web, ask, 0, &user);
	explicit_bzero(&user, sizeof(user));
}

int gw_users_ask(uint64_t ask, const char *id, void *arg)
{
	struct gw_core *core = arg;
	struct gw_users *u = core->users;
	struct gw_store_cmd cmd = { .verb = GW_ST_SUBSCRIBER_GET };
	struct ask *place = NULL;
	int err;

	for (size_t i = 0; !place && i < MAX_ASKS; i++) {
		if (!u->asks[i].ask)
			place = &u->asks[i];
	}
	if (!place)
		return -EAGAIN;
	(void)snprintf(cmd.key, sizeof(cmd.key), "%s", id);
	place->ask = ask;
	err = gw_store_do(NULL, core->store, &cmd, on_answer, place);
	if (err)
		place->ask = 0;
	return err;
}
