/*
 * media/worker.h - one media thread: an epoll loop, its timers, its contexts
 *
 * Everything of a context happens here and nowhere else.  The signalling
 * thread owns the struct gw_worker; the thread inside shares nothing with it
 * but two mailboxes and an atomic number.
 */
#ifndef GW_MEDIA_WORKER_H
#define GW_MEDIA_WORKER_H

#include "gateway/base/mailbox.h"
#include "media/media.h"

struct gw_worker;

/* Starts the thread.  @cfg and @events outlive it; @index of @count share the
 * port range.  0 or -errno. */
int gw_worker_new(struct gw_worker **out, const struct gw_media_config *cfg,
		  struct gw_mailbox *events, unsigned index, unsigned count);
/* Releases every context, joins the thread. */
void gw_worker_free(struct gw_worker *w);

/* 0 or -EAGAIN: its mailbox is full. */
int gw_worker_post(struct gw_worker *w, const struct gw_media_cmd *cmd);

/* Contexts alive, and commands not handled yet.  Signalling thread. */
unsigned gw_worker_load(const struct gw_worker *w);

#endif
