/*
 * webrtc/ws_pages.h - the pages of the WWSF, read once and served from memory
 *
 * The directory is read at start and on reload.  A request is then only a
 * look-up in a table: no disk access on the signalling thread, no directory
 * listing, and no path that could lead out of the directory.  Hidden files,
 * symbolic links and node_modules are left out.  Signalling thread only.
 */
#ifndef GW_WS_PAGES_H
#define GW_WS_PAGES_H

#include <stddef.h>

struct gw_ws_page {
	char *path; /* as in a URL: "/index.html" */
	const char *type;
	char *data;
	size_t len;
	char etag[24]; /* with its quotes */
};

struct gw_ws_pages;

/* @root "": no pages.  0, or -errno with @err filled in: "path: reason". */
int gw_ws_pages_load(struct gw_ws_pages **out, const char *root, char *err,
		     size_t err_size);

/* An answer under way keeps the set that its bytes are in.  The last put,
 * which is the owner's or that of the last answer, frees it. */
void gw_ws_pages_hold(struct gw_ws_pages *p);
void gw_ws_pages_put(struct gw_ws_pages *p);

/* "/" is "/index.html".  NULL: there is none. */
const struct gw_ws_page *gw_ws_pages_find(const struct gw_ws_pages *p,
					  const char *path);
size_t gw_ws_pages_count(const struct gw_ws_pages *p);

#endif
