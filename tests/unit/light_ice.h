/*
 * tests/unit/light_ice.h - ICE as browsers do it, on one socket
 *
 * A full agent with one host candidate that checks as often as Chromium does
 * (libnice waits 500 ms, and gives up after few), and that can move to another
 * address in mid-call without a restart.  Never blocks.
 */
#ifndef LIGHT_ICE_H
#define LIGHT_ICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/media.h"

struct light_ice;

typedef void(light_ice_recv_h)(const uint8_t *data, size_t len, void *arg);

struct light_ice *light_ice_new(const char *address, bool controlling,
				light_ice_recv_h *recv_h, void *arg);
void light_ice_free(struct light_ice *ice);

void light_ice_describe(const struct light_ice *ice, struct gw_end *end,
			bool no_candidates);
void light_ice_set_remote(struct light_ice *ice, const struct gw_end *end);
void light_ice_restart(struct light_ice *ice); /* new credentials */
/* A new socket on @address, nominated by the checks that go out from there.
 * A namespace is the calling thread's. */
void light_ice_move(struct light_ice *ice, const char *address);
/* No more checks: the other side's consent runs out. */
void light_ice_silence(struct light_ice *ice);

void light_ice_step(struct light_ice *ice);
bool light_ice_up(const struct light_ice *ice);
unsigned light_ice_pairs(const struct light_ice *ice);
void light_ice_send(struct light_ice *ice, const void *data, size_t len);

#endif
