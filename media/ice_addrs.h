/*
 * media/ice_addrs.h - what libnice takes for the addresses of this machine.
 *
 * libnice lists all of them for each candidate that it makes, to tell them
 * apart in its priorities (RFC 8445 5.1.2.1), and again for each socket, to
 * find its interface.  The kernel gives the list under a lock that is held for
 * half a second and more while containers come and go; a worker that waits for
 * it relays nothing meanwhile.  So ice_addrs.c defines two functions that
 * libnice has, too, and calls through the dynamic linker: one that goes by a
 * list of our own, and one that finds no interface (media/ice_split.h has no
 * use for it).  A libnice that calls its own works as well, only slower.
 *
 * A worker's own thread; each has a list of its own.
 */
#ifndef GW_MEDIA_ICE_ADDRS_H
#define GW_MEDIA_ICE_ADDRS_H

/* libnice will gather at @ip (text); those added first are preferred. */
void gw_ice_addrs_add(const char *ip);

#endif
