#include "webrtc/auth_check.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/ids.h"

/* yescrypt with the cost of Debian's own passwords.  It opens nothing,
 * because what it matches is not believed (gw_auth_job.known). */
#define DUMMY_HASH                                                             \
	"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC."        \
	"5i5rd.RhAtQ7"

int gw_auth_job_new(struct gw_auth_job **out, enum gw_auth_kind kind,
		    const char *secret, size_t len)
{
	struct gw_auth_job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->secret = malloc(len + 1);
	if (!job->secret) {
		free(job);
		return -ENOMEM;
	}
	memcpy(job->secret, secret, len);
	job->secret[len] = '\0';
	job->kind = kind;
	atomic_init(&job->abandoned, false);
	*out = job;
	return 0;
}

void gw_auth_job_free(struct gw_auth_job *job)
{
	if (!job)
		return;
	explicit_bzero(job->secret, strlen(job->secret));
	free(job->secret);
	gw_jwt_keys_free(job->keys);
	free(job->user);
	explicit_bzero(job->hash, sizeof(job->hash));
	free(job);
}

void gw_auth_job_work(void *arg)
{
	struct gw_auth_job *job = arg;

	if (atomic_load_explicit(&job->abandoned, memory_order_relaxed))
		return;
	if (job->kind == GW_AUTH_BASIC) {
		/* The hash first: unknown users take as long as known ones. */
		job->good = gw_auth_password_holds(job->hash, job->secret) &&
			    job->known;
		return;
	}
	job->fault = gw_jwt_verify(job->keys, job->secret, strlen(job->secret),
				   job->now_s, &job->claims);
	job->good = job->fault == GW_JWT_OK;
	gw_jwt_thread_done();
}

/* What follows @scheme and its spaces, or NULL (RFC 9110 11.4). */
static const char *after_scheme(const char *value, size_t len,
				const char *scheme, size_t *n)
{
	size_t at = strlen(scheme);

	if (len <= at || strncasecmp(value, scheme, at) != 0 ||
	    value[at] != ' ')
		return NULL;
	while (at < len && value[at] == ' ')
		at++;
	while (len > at && value[len - 1] == ' ')
		len--;
	*n = len - at;
	return *n ? value + at : NULL;
}

/* The part of "id:password" after @id and its colon, or NULL. */
static const char *password_after(const char *pair, const char *id)
{
	size_t n = strlen(id);

	return !strncasecmp(pair, id, n) && pair[n] == ':' ? pair + n + 1
							   : NULL;
}

int gw_auth_basic_parse(char out[GW_AUTH_MAX_PASSWORD + 1], const char *value,
			size_t len, const char *webrtc_id)
{
	char pair[GW_AUTH_MAX_PASSWORD + 160];
	const char *b64, *password, *bare;
	int n, ret = -EINVAL;
	size_t b64_len;

	b64 = after_scheme(value, len, "Basic", &b64_len);
	if (!b64)
		return -EINVAL;
	n = gw_base64_decode(pair, sizeof(pair) - 1, b64, b64_len);
	if (n < 0)
		return -EINVAL;
	pair[n] = '\0';
	bare = strchr(webrtc_id, ':');
	password = password_after(pair, webrtc_id);
	if (!password && bare)
		password = password_after(pair, bare + 1);
	if (strlen(pair) != (size_t)n || !strchr(pair, ':')) {
		ret = -EINVAL;
	} else if (!password) {
		ret = -EACCES;
	} else if (strlen(password) <= GW_AUTH_MAX_PASSWORD) {
		ret = (int)strlen(password);
		memcpy(out, password, (size_t)ret + 1);
	}
	explicit_bzero(pair, sizeof(pair));
	return ret;
}

const char *gw_auth_bearer_parse(const char *value, size_t len, size_t *n)
{
	return after_scheme(value, len, "Bearer", n);
}

bool gw_auth_password_holds(const char *hash, const char *password)
{
	struct crypt_data *data;
	const char *got;
	unsigned diff = 1;
	size_t n;

	data = calloc(1, sizeof(*data));
	if (!data)
		return false;
	got = crypt_r(password, hash, data);
	n = strlen(hash);
	if (got && got[0] != '*' && n && strlen(got) == n) {
		diff = 0;
		for (size_t i = 0; i < n; i++)
			diff |= (unsigned)(got[i] ^ hash[i]);
	}
	explicit_bzero(data, sizeof(*data));
	free(data);
	return !diff;
}

void gw_auth_dummy_hash(char out[GW_AUTH_HASH_SIZE],
			const struct gw_settings *set)
{
	const char *hash = DUMMY_HASH;

	for (size_t i = 0; i < set->nuser; i++) {
		if (set->user[i].password[0]) {
			hash = set->user[i].password;
			break;
		}
	}
	(void)snprintf(out, GW_AUTH_HASH_SIZE, "%s", hash);
}
