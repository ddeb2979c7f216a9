#include "webrtc/registry_map.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/ids.h"

#define NBUCKET 4096 /* a power of two */

struct gw_idmap_node {
	struct gw_idmap_node *next;
	void *value;
	char key[];
};

struct gw_idmap {
	uint64_t seed; /* so that nobody can choose names that collide */
	struct gw_idmap_node *bucket[NBUCKET];
};

/* RFC 3986 2 without "%"-triplets being looked into: nothing that could end
 * the URI, a header or a line wherever it is written next. */
static bool uri_characters(const char *p)
{
	for (; *p; p++) {
		if (!isgraph((unsigned char)*p) || strchr("<>\"\\^`{|}", *p))
			return false;
	}
	return true;
}

static bool add_context(char *out, size_t n, const char *params)
{
	static const char name[] = ";phone-context=";
	const char *p = strcasestr(params, name);
	size_t len;

	if (!p)
		return true;
	len = sizeof(name) - 1 + strcspn(p + sizeof(name) - 1, ";");
	if (n + len >= GW_IDENTITY_SIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		out[n + i] = (char)tolower((unsigned char)p[i]);
	out[n + len] = '\0';
	return true;
}

/* tel: digits and a leading '+'; "-.()" are only for the eye (RFC 3966 3). */
static bool norm_tel(char *out, const char *p)
{
	size_t n = strlen(out);

	for (; *p && *p != ';'; p++) {
		if (strchr("-.() ", *p))
			continue;
		if (n + 1 >= GW_IDENTITY_SIZE || !isgraph((unsigned char)*p))
			return false;
		out[n++] = (char)tolower((unsigned char)*p);
	}
	out[n] = '\0';
	return n > 4 && (out[4] == '+' || add_context(out, n, p));
}

static bool norm_sip(char *out, const char *p)
{
	size_t n = strlen(out), end = strcspn(p, ";?");
	const char *at = memchr(p, '@', end);
	const char *host = at ? at + 1 : p;

	if (!end || host == p + end || n + end >= GW_IDENTITY_SIZE)
		return false;
	for (size_t i = 0; i < end; i++) {
		unsigned char c = (unsigned char)p[i];

		out[n++] = (char)(p + i < host ? c : tolower(c));
	}
	out[n] = '\0';
	return true;
}

bool gw_identity_norm(char out[GW_IDENTITY_SIZE], const char *uri)
{
	static const char *const schemes[] = { "sip:", "sips:", "tel:" };
	bool ok = false;

	out[0] = '\0';
	for (size_t i = 0; uri && i < 3; i++) {
		size_t n = strlen(schemes[i]);

		if (strncasecmp(uri, schemes[i], n) != 0)
			continue;
		if (!uri_characters(uri))
			break;
		strcpy(out, schemes[i]);
		ok = i == 2 ? norm_tel(out, uri + n) : norm_sip(out, uri + n);
	}
	if (!ok)
		out[0] = '\0';
	return ok;
}

bool gw_identity_equal(const char *a, const char *b)
{
	char na[GW_IDENTITY_SIZE], nb[GW_IDENTITY_SIZE];

	return gw_identity_norm(na, a) && gw_identity_norm(nb, b) &&
	       !strcmp(na, nb);
}

int gw_idmap_new(struct gw_idmap **out)
{
	struct gw_idmap *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->seed = gw_random_u64();
	*out = m;
	return 0;
}

void gw_idmap_free(struct gw_idmap *m)
{
	for (size_t i = 0; m && i < NBUCKET; i++) {
		while (m->bucket[i]) {
			struct gw_idmap_node *n = m->bucket[i];

			m->bucket[i] = n->next;
			free(n);
		}
	}
	free(m);
}

static size_t hash(const struct gw_idmap *m, const char *key)
{
	uint64_t h = m->seed ^ UINT64_C(14695981039346656037);

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
	return (size_t)((h ^ (h >> 32)) & (NBUCKET - 1));
}

int gw_idmap_add(struct gw_idmap *m, const char *uri, void *value)
{
	char key[GW_IDENTITY_SIZE];
	struct gw_idmap_node *n;
	size_t h;

	if (!gw_identity_norm(key, uri))
		return -EINVAL;
	n = calloc(1, sizeof(*n) + strlen(key) + 1);
	if (!n)
		return -ENOMEM;
	h = hash(m, key);
	strcpy(n->key, key);
	n->value = value;
	n->next = m->bucket[h];
	m->bucket[h] = n;
	return 0;
}

void gw_idmap_del(struct gw_idmap *m, const char *uri, const void *value)
{
	char key[GW_IDENTITY_SIZE];
	struct gw_idmap_node **np, *n;

	if (!gw_identity_norm(key, uri))
		return;
	np = &m->bucket[hash(m, key)];
	while ((n = *np)) {
		if (n->value == value && !strcmp(n->key, key)) {
			*np = n->next;
			free(n);
		} else {
			np = &n->next;
		}
	}
}

void *gw_idmap_next(const struct gw_idmap *m, const char *uri,
		    const struct gw_idmap_node **iter)
{
	char key[GW_IDENTITY_SIZE];
	const struct gw_idmap_node *n;

	if (!gw_identity_norm(key, uri))
		return NULL;
	n = *iter ? (*iter)->next : m->bucket[hash(m, key)];
	for (; n; n = n->next) {
		if (!strcmp(n->key, key)) {
			*iter = n;
			return n->value;
		}
	}
	return NULL;
}
