#include "sip/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/ids.h"

#define HEX_SIZE (2 * EVP_MAX_MD_SIZE + 1)

/* The value of "name=value" or "name=\"value\"", unescaped.  Bytes written,
 * -ENOENT when @param is another one, -EINVAL when it does not fit. */
static int param_value(char *out, size_t size, const char *param,
		       const char *name)
{
	size_t n = strlen(name), at = 0;
	bool quoted;

	if (strncasecmp(param, name, n) || param[n] != '=')
		return -ENOENT;
	param += n + 1;
	quoted = *param == '"';
	if (quoted)
		param++;
	for (; *param && !(quoted && *param == '"'); param++) {
		if (quoted && *param == '\\' && param[1])
			param++;
		/* The value is sent back: nothing that could break out. */
		if ((unsigned char)*param < ' ' || at + 1 >= size)
			return -EINVAL;
		out[at++] = *param;
	}
	out[at] = '\0';
	return (int)at;
}

/* Is "auth" in a list like "auth,auth-int"? */
static bool has_auth(const char *list)
{
	size_t n;

	for (; *list; list += n) {
		list += strspn(list, " \t,");
		n = strcspn(list, " \t,");
		if (n == 4 && !strncasecmp(list, "auth", 4))
			return true;
	}
	return false;
}

static int take_param(struct gw_digest *d, const char *param, bool *stale)
{
	char v[64];
	int r;

	r = param_value(d->realm, sizeof(d->realm), param, "realm");
	if (r != -ENOENT)
		return r;
	r = param_value(d->nonce, sizeof(d->nonce), param, "nonce");
	if (r != -ENOENT)
		return r;
	r = param_value(d->opaque, sizeof(d->opaque), param, "opaque");
	if (r != -ENOENT) {
		d->has_opaque = true;
		return r;
	}
	r = param_value(v, sizeof(v), param, "algorithm");
	if (r >= 0) {
		d->has_algorithm = true;
		d->sha256 = !strcasecmp(v, "SHA-256");
		d->aka = !strcasecmp(v, "AKAv1-MD5");
		return d->sha256 || d->aka || !strcasecmp(v, "MD5") ? 0
								    : -ENOTSUP;
	}
	if (r == -EINVAL)
		return -ENOTSUP;
	r = param_value(v, sizeof(v), param, "qop");
	if (r >= 0) {
		d->qop_auth = has_auth(v);
		return d->qop_auth || !*v ? 0 : -ENOTSUP;
	}
	if (r == -EINVAL)
		return -ENOTSUP;
	if (param_value(v, sizeof(v), param, "stale") >= 0)
		*stale = !strcasecmp(v, "true");
	return 0;
}

static int take_challenge(struct gw_digest *d, bool aka, bool proxy,
			  const char *scheme, const char *const *params,
			  bool *stale)
{
	struct gw_digest new = { .valid = true, .proxy = proxy };
	bool is_stale = false;
	int r;

	if (!scheme || strcasecmp(scheme, "Digest") != 0)
		return -ENOTSUP;
	for (; params && *params; params++) {
		r = take_param(&new, *params, &is_stale);
		if (r < 0)
			return r;
	}
	if (new.aka != aka)
		return -ENOTSUP;
	if (!*new.nonce || !*new.realm)
		return -EINVAL;
	*d = new;
	if (stale)
		*stale = is_stale;
	return 0;
}

int gw_digest_challenge(struct gw_digest *d, bool proxy, const char *scheme,
			const char *const *params, bool *stale)
{
	return take_challenge(d, false, proxy, scheme, params, stale);
}

int gw_digest_challenge_aka(struct gw_digest *d, const char *scheme,
			    const char *const *params, bool *stale)
{
	return take_challenge(d, true, false, scheme, params, stale);
}

struct part {
	const void *data;
	size_t len;
};

static struct part text(const char *s)
{
	return (struct part){ s, strlen(s) };
}

/* Hex of the hash over the parts joined by ':' (RFC 7616 3.4). */
static int hash_joined(char *hex, bool sha256, const struct part *part,
		       size_t n)
{
	const EVP_MD *md = sha256 ? EVP_sha256() : EVP_md5();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0, i;
	int ok = ctx && EVP_DigestInit_ex(ctx, md, NULL);

	for (i = 0; ok && i < n; i++) {
		ok = EVP_DigestUpdate(ctx, part[i].data, part[i].len);
		if (ok && i + 1 < n)
			ok = EVP_DigestUpdate(ctx, ":", 1);
	}
	ok = ok && EVP_DigestFinal_ex(ctx, sum, &len);
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return -EIO;
	for (i = 0; i < len; i++)
		(void)snprintf(hex + 2 * (size_t)i, 3, "%02x", sum[i]);
	return 0;
}

static int response(const struct gw_digest *d, char *hex,
		    const struct gw_digest_who *who, const char *method,
		    const char *uri, const char *nc, const char *cnonce)
{
	char ha1[HEX_SIZE], ha2[HEX_SIZE];
	const struct part a1[] = {
		text(who->username), text(d->realm),
		who->secret ? (struct part){who->secret, who->secret_len}
			    : text(who->password)
	};
	const struct part a2[] = { text(method), text(uri) };
	int r;

	r = hash_joined(ha1, d->sha256, a1, 3);
	if (!r)
		r = hash_joined(ha2, d->sha256, a2, 2);
	if (!r && d->qop_auth) {
		const struct part with[] = { text(ha1),    text(d->nonce),
					     text(nc),     text(cnonce),
					     text("auth"), text(ha2) };

		r = hash_joined(hex, d->sha256, with, 6);
	} else if (!r) { /* RFC 2069 */
		const struct part without[] = { text(ha1), text(d->nonce),
						text(ha2) };

		r = hash_joined(hex, d->sha256, without, 3);
	}
	explicit_bzero(ha1, sizeof(ha1));
	return r;
}

/* name="value", with what needs it escaped. */
static size_t add_quoted(char *buf, size_t size, size_t at, const char *name,
			 const char *value)
{
	int n = at < size ? snprintf(buf + at, size - at, "%s=\"", name) : -1;

	if (n < 0)
		return size;
	at += (size_t)n;
	for (; *value && at + 3 < size; value++) {
		if (*value == '"' || *value == '\\')
			buf[at++] = '\\';
		buf[at++] = *value;
	}
	if (*value || at + 2 >= size)
		return size;
	buf[at++] = '"';
	buf[at] = '\0';
	return at;
}

int gw_digest_answer(struct gw_digest *d, char *buf, size_t size,
		     const struct gw_digest_who *who, const char *method,
		     const char *uri, const char *cnonce)
{
	char hex[HEX_SIZE], nc[9], random[23];
	size_t at;
	int r;

	if (!cnonce) {
		gw_random_token(random, sizeof(random), sizeof(random) - 1);
		cnonce = random;
	}
	d->nc++;
	(void)snprintf(nc, sizeof(nc), "%08x", d->nc);
	r = response(d, hex, who, method, uri, nc, cnonce);
	if (r)
		return r;

	at = add_quoted(buf, size, 0, "Digest username", who->username);
	at = add_quoted(buf, size, at, ", realm", d->realm);
	at = add_quoted(buf, size, at, ", nonce", d->nonce);
	at = add_quoted(buf, size, at, ", uri", uri);
	at = add_quoted(buf, size, at, ", response", hex);
	if (d->has_opaque)
		at = add_quoted(buf, size, at, ", opaque", d->opaque);
	if (d->has_algorithm && at < size)
		at += (size_t)snprintf(buf + at, size - at, ", algorithm=%s",
				       d->sha256 ? "SHA-256"
				       : d->aka  ? "AKAv1-MD5"
						 : "MD5");
	if (who->auts)
		at = add_quoted(buf, size, at, ", auts", who->auts);
	if (d->qop_auth && at < size) {
		at += (size_t)snprintf(buf + at, size - at, ", qop=auth, nc=%s",
				       nc);
		at = add_quoted(buf, size, at, ", cnonce", cnonce);
	}
	return at < size ? 0 : -ENOSPC;
}
