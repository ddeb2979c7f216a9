/*
 * sdp/precondition.h - qos preconditions (RFC 3312, RFC 4032), both segments
 *
 * What a description says of the resources at its writer's end (local) and at
 * its reader's (remote), and those lines for a description of ours.  Until a
 * call is up there is one state for all m-lines, of those that must have it: the
 * gateway has resources for a call, or has not.
 *
 * Pure functions, any thread.
 */
#ifndef GW_SDP_PRECONDITION_H
#define GW_SDP_PRECONDITION_H

#include <stdbool.h>
#include <stddef.h>

#include "sdp/session.h"

struct gw_precondition {
	bool present;
	/* RFC 3312 3: per direction, as seen from who writes. */
	enum gw_dir have_local, have_remote; /* a=curr */
	enum gw_dir must_local, must_remote; /* a=des, mandatory */
	enum gw_dir confirm; /* a=conf: tell me when your end has these */
	/* A mandatory one that nobody here can meet: end-to-end status, another
	 * type than qos, or a failure that was told (RFC 3312 8, 11). */
	bool impossible;
};

/* What @text, a peer's description, says.  *@out is all zero where it says
 * nothing; lines that make no sense are as if not there. */
void gw_precondition_read(struct gw_precondition *out, const char *text,
			  size_t len);
/* The same of each m-line for itself, the first @n of them: how many that are,
 * 0 also where @text cannot be read. */
unsigned gw_precondition_read_each(struct gw_precondition *out, unsigned n,
				   const char *text, size_t len);

/*
 * Ours, after the peer's description said @theirs: its local end is our remote
 * one.  What it wants, we want too.
 */
void gw_precondition_learn(struct gw_precondition *ours,
			   const struct gw_precondition *theirs);

/* Has each end what is mandatory? */
bool gw_precondition_met(const struct gw_precondition *p);

/* @text, a description of ours, with the lines of @p in each living m-line.
 * The caller frees; NULL: no memory, or too long. */
char *gw_precondition_print(const char *text, const struct gw_precondition *p);
/* With those of @p[i] in the m-line i, of @n, where they are present. */
char *gw_precondition_print_each(const char *text,
				 const struct gw_precondition *p, unsigned n);

#endif
