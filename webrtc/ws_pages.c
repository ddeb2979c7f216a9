#include "webrtc/ws_pages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/check.h"

#define MAX_FILES 512
#define MAX_BYTES (64u << 20)
#define MAX_DEPTH 8
#define MAX_PATH  512

struct gw_ws_pages {
	unsigned users;
	size_t n, bytes;
	struct gw_ws_page page[MAX_FILES];
};

struct mime {
	const char *ext;
	const char *type;
};

/* Module scripts need a JavaScript type, or browsers refuse to run them. */
static const struct mime mimes[] = {
	{".html",         "text/html; charset=utf-8"      },
	{ ".js",          "text/javascript; charset=utf-8"},
	{ ".mjs",         "text/javascript; charset=utf-8"},
	{ ".css",         "text/css; charset=utf-8"       },
	{ ".json",        "application/json"              },
	{ ".map",         "application/json"              },
	{ ".webmanifest", "application/manifest+json"     },
	{ ".ts",          "text/plain; charset=utf-8"     },
	{ ".txt",         "text/plain; charset=utf-8"     },
	{ ".svg",         "image/svg+xml"                 },
	{ ".png",         "image/png"                     },
	{ ".jpg",         "image/jpeg"                    },
	{ ".ico",         "image/x-icon"                  },
	{ ".woff2",       "font/woff2"                    },
	{ ".wav",         "audio/wav"                     },
	{ ".ogg",         "audio/ogg"                     },
	{ ".mp3",         "audio/mpeg"                    },
	{ ".wasm",        "application/wasm"              },
};

/* NULL: not a kind of file that a page needs (scripts, Makefiles, sources):
 * it is not served. */
static const char *mime_type(const char *name)
{
	const char *ext = strrchr(name, '.');

	for (size_t i = 0; ext && i < GW_ARRAY_LEN(mimes); i++) {
		if (!strcasecmp(ext, mimes[i].ext))
			return mimes[i].type;
	}
	return NULL;
}

/* FNV-1a, 64 bit: tells one version of a file from the next, no more. */
static uint64_t hash(const char *data, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)data[i]) * 0x100000001b3u;
	return h;
}

static int read_all(int fd, char *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, data + got, len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO; /* it shrank under us */
		got += (size_t)n;
	}
	return 0;
}

static int load_file(struct gw_ws_pages *p, int fd, const char *path,
		     const char *type)
{
	struct gw_ws_page *pg = &p->page[p->n];
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (p->n == MAX_FILES || (uint64_t)st.st_size > MAX_BYTES - p->bytes)
		return -EFBIG;
	pg->len = (size_t)st.st_size;
	pg->type = type;
	pg->path = strdup(path);
	pg->data = malloc(pg->len + 1);
	err = pg->path && pg->data ? read_all(fd, pg->data, pg->len) : -ENOMEM;
	if (err) {
		free(pg->path);
		free(pg->data);
		return err;
	}
	(void)snprintf(pg->etag, sizeof(pg->etag), "\"%016llx\"",
		       (unsigned long long)hash(pg->data, pg->len));
	p->bytes += pg->len;
	p->n++;
	return 0;
}

static int load_dir(struct gw_ws_pages *p, int fd, const char *path,
		    unsigned depth, char *err, size_t err_size);

static int load_entry(struct gw_ws_pages *p, int dirfd, const char *dir,
		      const char *name, unsigned depth, char *err,
		      size_t err_size)
{
	const char *type = mime_type(name);
	char path[MAX_PATH];
	struct stat st;
	int fd, rc = 0;

	if (name[0] == '.' || !strcmp(name, "node_modules"))
		return 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    sizeof(path))
		return 0;
	fd = openat(dirfd, name,
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		if (errno == ELOOP)
			return 0; /* a symbolic link */
		rc = -errno;
	} else if (fstat(fd, &st) < 0) {
		rc = -errno;
	} else if (S_ISDIR(st.st_mode)) {
		/* load_dir() takes fd */
		return depth < MAX_DEPTH
			       ? load_dir(p, fd, path, depth + 1, err, err_size)
			       : (close(fd), 0);
	} else if (S_ISREG(st.st_mode) && type) {
		rc = load_file(p, fd, path, type);
	}
	if (fd >= 0)
		close(fd);
	if (rc)
		(void)snprintf(err, err_size, "%s: %s", path, strerror(-rc));
	return rc;
}

static int load_dir(struct gw_ws_pages *p, int fd, const char *path,
		    unsigned depth, char *err, size_t err_size)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (!d) {
		rc = -errno;
		close(fd);
		return rc;
	}
	while (!rc && (e = readdir(d)))
		rc = load_entry(p, fd, path, e->d_name, depth, err, err_size);
	closedir(d);
	return rc;
}

int gw_ws_pages_load(struct gw_ws_pages **out, const char *root, char *err,
		     size_t err_size)
{
	struct gw_ws_pages *p = calloc(1, sizeof(*p));
	int fd, rc = 0;

	if (!p) {
		(void)snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	p->users = 1;
	if (root && *root) {
		fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0) {
			rc = -errno;
			(void)snprintf(err, err_size, "%s: %s", root,
				       strerror(-rc));
		} else {
			rc = load_dir(p, fd, "", 0, err, err_size);
		}
	}
	if (rc) {
		gw_ws_pages_put(p);
		return rc;
	}
	*out = p;
	return 0;
}

void gw_ws_pages_hold(struct gw_ws_pages *p)
{
	p->users++;
}

void gw_ws_pages_put(struct gw_ws_pages *p)
{
	if (!p || --p->users)
		return;
	for (size_t i = 0; i < p->n; i++) {
		free(p->page[i].path);
		free(p->page[i].data);
	}
	free(p);
}

const struct gw_ws_page *gw_ws_pages_find(const struct gw_ws_pages *p,
					  const char *path)
{
	if (!strcmp(path, "/"))
		path = "/index.html";
	for (size_t i = 0; i < p->n; i++) {
		if (!strcmp(p->page[i].path, path))
			return &p->page[i];
	}
	return NULL;
}

size_t gw_ws_pages_count(const struct gw_ws_pages *p)
{
	return p->n;
}
