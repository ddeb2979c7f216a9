/*
 * sip/interposed.h - do the libraries call the functions that we replace?
 *
 * dialog_orphan.c and stack.c define functions of names that Sofia-SIP has,
 * too, and rely on its calling them through the dynamic linker.  One that was
 * built with -Bsymbolic, or with calls inlined, calls its own.
 * Any thread.
 */
#ifndef GW_SIP_INTERPOSED_H
#define GW_SIP_INTERPOSED_H

#include <stdbool.h>

/* Has the library whose file name begins with @library calls of @name that the
 * dynamic linker directs?  To whom, it decides by the order of loading. */
bool gw_interposed_may(const char *library, const char *name);

/* The first function of ours that Sofia-SIP does not call; NULL: it calls them
 * all. */
const char *gw_interposed_not(void);

#endif
