#include "sip/reginfo.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#define NS        "urn:ietf:params:xml:ns:reginfo "
#define BODY_MAX  65536
#define DEPTH_MAX 16
#define URI_SIZE  512

struct reader {
	struct gw_reginfo out;
	const struct gw_reginfo_who *who;
	XML_Parser xml;
	unsigned depth;
	int err;
	bool root;

	/* the <registration> that is open: of the set, and which one */
	bool in_registration, of_set, is_default;
	bool seen_default, others_live, others_dead;
	bool in_contact, in_uri;
	enum gw_reginfo_state contact_state;
	enum gw_reginfo_event contact_event;
	uint32_t contact_retry_s;
	bool live, dead; /* our contact, in some registration */
	char uri[URI_SIZE];
	size_t uri_len;
};

static const char *const event_names[GW_REGINFO_NEVENTS] = {
	[GW_REGINFO_OTHER] = "other",
	[GW_REGINFO_EXPIRED] = "expired",
	[GW_REGINFO_DEACTIVATED] = "deactivated",
	[GW_REGINFO_PROBATION] = "probation",
	[GW_REGINFO_UNREGISTERED] = "unregistered",
	[GW_REGINFO_REJECTED] = "rejected",
};

const char *gw_reginfo_event_name(enum gw_reginfo_event event)
{
	return event_names[event];
}

static void give_up(struct reader *r, int err)
{
	if (!r->err)
		r->err = err;
	(void)XML_StopParser(r->xml, XML_FALSE);
}

static const char *attribute(const XML_Char **atts, const char *name)
{
	for (; *atts; atts += 2)
		if (!strcmp(atts[0], name))
			return atts[1];
	return NULL;
}

static bool number(const char *text, uint32_t *out)
{
	char *end;
	unsigned long v;

	if (!text || *text < '0' || *text > '9')
		return false;
	v = strtoul(text, &end, 10);
	if (*end || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

static enum gw_reginfo_state state_of(const char *text)
{
	return text && !strcmp(text, "terminated") ? GW_REGINFO_TERMINATED
						   : GW_REGINFO_ACTIVE;
}

static void on_reginfo(struct reader *r, const XML_Char **atts)
{
	const char *state = attribute(atts, "state");

	if (!number(attribute(atts, "version"), &r->out.version) || !state ||
	    (strcmp(state, "full") != 0 && strcmp(state, "partial") != 0)) {
		give_up(r, -EINVAL);
		return;
	}
	r->root = true;
	r->out.full = !strcmp(state, "full");
}

static void on_registration(struct reader *r, const XML_Char **atts)
{
	const char *aor = attribute(atts, "aor");
	bool dead = state_of(attribute(atts, "state")) == GW_REGINFO_TERMINATED;

	r->in_registration = true;
	r->of_set = r->is_default = false;
	for (size_t i = 0; aor && i < r->who->nimpu && !r->of_set; i++) {
		r->of_set = !strcasecmp(aor, r->who->impu[i]);
		r->is_default = r->of_set && !i;
	}
	if (r->is_default) {
		r->seen_default = true;
		r->out.identity =
			dead ? GW_REGINFO_TERMINATED : GW_REGINFO_ACTIVE;
	} else if (r->of_set) {
		r->others_dead |= dead;
		r->others_live |= !dead;
	}
}

static void on_contact(struct reader *r, const XML_Char **atts)
{
	const char *event = attribute(atts, "event");

	r->in_contact = true;
	r->uri_len = 0;
	r->contact_state = state_of(attribute(atts, "state"));
	r->contact_event = GW_REGINFO_OTHER;
	r->contact_retry_s = 0;
	for (int i = 1; event && i < GW_REGINFO_NEVENTS; i++)
		if (!strcmp(event, event_names[i]))
			r->contact_event = (enum gw_reginfo_event)i;
	(void)number(attribute(atts, "retry-after"), &r->contact_retry_s);
}

static void XMLCALL on_start(void *arg, const XML_Char *name,
			     const XML_Char **atts)
{
	struct reader *r = arg;
	const char *local =
		strncmp(name, NS, strlen(NS)) ? NULL : name + strlen(NS);

	if (++r->depth > DEPTH_MAX) {
		give_up(r, -EMSGSIZE);
		return;
	}
	if (r->depth == 1 && (!local || strcmp(local, "reginfo") != 0))
		give_up(r, -EINVAL);
	else if (r->depth == 1)
		on_reginfo(r, atts);
	else if (local && r->depth == 2 && !strcmp(local, "registration"))
		on_registration(r, atts);
	else if (local && r->depth == 3 && r->in_registration &&
		 !strcmp(local, "contact"))
		on_contact(r, atts);
	else if (local && r->depth == 4 && r->in_contact &&
		 !strcmp(local, "uri"))
		r->in_uri = true;
}

/* "sip:USER@..." */
static bool has_user(const char *uri, const char *user)
{
	size_t n = strlen(user);

	uri += strspn(uri, " \t\r\n");
	if (!strncasecmp(uri, "sip:", 4))
		uri += 4;
	else if (!strncasecmp(uri, "sips:", 5))
		uri += 5;
	else
		return false;
	return !strncmp(uri, user, n) && uri[n] == '@';
}

static void end_contact(struct reader *r)
{
	r->in_contact = false;
	r->uri[r->uri_len] = '\0';
	if (!has_user(r->uri, r->who->contact_user))
		return;
	if (r->contact_state == GW_REGINFO_ACTIVE) {
		r->live = true;
		return;
	}
	r->dead = true;
	r->out.event = r->contact_event;
	r->out.retry_after_s = r->contact_retry_s;
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
	struct reader *r = arg;

	(void)name;
	if (r->depth == 4)
		r->in_uri = false;
	else if (r->depth == 3 && r->in_contact)
		end_contact(r);
	else if (r->depth == 2)
		r->in_registration = r->of_set = false;
	r->depth--;
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int len)
{
	struct reader *r = arg;
	size_t room = URI_SIZE - 1 - r->uri_len;

	if (!r->in_uri || r->depth != 4)
		return;
	if ((size_t)len > room)
		len = (int)room;
	memcpy(r->uri + r->uri_len, text, (size_t)len);
	r->uri_len += (size_t)len;
}

/* RFC 3680 has no need of one, and an entity is how a small document becomes a
 * large one. */
static void XMLCALL on_doctype(void *arg, const XML_Char *name,
			       const XML_Char *sysid, const XML_Char *pubid,
			       int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	give_up(arg, -EINVAL);
}

static void conclude(struct reader *r)
{
	if (!r->seen_default && (r->others_live || r->others_dead))
		r->out.identity = r->others_live ? GW_REGINFO_ACTIVE
						 : GW_REGINFO_TERMINATED;
	if (r->live)
		r->out.contact = GW_REGINFO_ACTIVE;
	else if (r->dead)
		r->out.contact = GW_REGINFO_TERMINATED;
	if (r->live || !r->dead) {
		r->out.event = GW_REGINFO_OTHER;
		r->out.retry_after_s = 0;
	}
}

int gw_reginfo_read(struct gw_reginfo *out, const struct gw_reginfo_who *who,
		    const void *body, size_t len)
{
	struct reader r = { .who = who };

	if (len > BODY_MAX)
		return -EMSGSIZE;
	r.xml = XML_ParserCreateNS(NULL, ' ');
	if (!r.xml)
		return -ENOMEM;
	XML_SetUserData(r.xml, &r);
	XML_SetElementHandler(r.xml, on_start, on_end);
	XML_SetCharacterDataHandler(r.xml, on_text);
	XML_SetStartDoctypeDeclHandler(r.xml, on_doctype);
	if (XML_Parse(r.xml, body, (int)len, XML_TRUE) != XML_STATUS_OK &&
	    !r.err)
		r.err = XML_GetErrorCode(r.xml) == XML_ERROR_NO_MEMORY
				? -ENOMEM
				: -EINVAL;
	XML_ParserFree(r.xml);
	if (!r.err && !r.root)
		r.err = -EINVAL;
	if (r.err)
		return r.err;
	conclude(&r);
	*out = r.out;
	return 0;
}
