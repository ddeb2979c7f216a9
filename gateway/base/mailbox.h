/*
 * gateway/base/mailbox.h - the only way between threads
 *
 * A bounded ring of fixed-size plain-data messages: many may post, one owner
 * takes.  Messages carry ids, never pointers to live objects; what they name
 * is looked up on arrival, and a name that no longer resolves is dropped.
 *
 * No locks: a poster only ever tries again because another one got ahead, the
 * owner never.  What is resident grows with the messages that are under way at
 * one time, not with the capacity.
 */
#ifndef GW_BASE_MAILBOX_H
#define GW_BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

struct gw_mailbox;

/* @capacity is rounded up to a power of two.  0, -EINVAL, -ENOMEM, or the
 * error of eventfd(2). */
int gw_mailbox_new(struct gw_mailbox **out, size_t msg_size, size_t capacity);
void gw_mailbox_free(struct gw_mailbox *mb); /* when nobody posts any more */

/* Any thread.  Copies @msg.  0, or -EAGAIN when full; never blocks. */
int gw_mailbox_post(struct gw_mailbox *mb, const void *msg);

/* Owner only.  Readable while there may be messages. */
int gw_mailbox_fd(const struct gw_mailbox *mb);
/* Owner, on wake-up: silence the fd first, then take until false. */
void gw_mailbox_quiet(struct gw_mailbox *mb);
bool gw_mailbox_take(struct gw_mailbox *mb, void *msg);

#endif
