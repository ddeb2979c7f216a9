/*
 * sip/stack.h - the agent, private to sip/
 *
 * What the files of this folder know of struct gw_sip.
 * Signalling thread only.
 */
#ifndef GW_SIP_STACK_H
#define GW_SIP_STACK_H

#include "gateway/base/log.h"
#include "gateway/base/timers.h"
#include "sip/sip.h"

/* NTA carries ids, never pointers: what they name is looked up on arrival. */
#define NTA_AGENT_MAGIC_T    void
#define NTA_LEG_MAGIC_T      void
#define NTA_OUTGOING_MAGIC_T void
#define NTA_INCOMING_MAGIC_T void
#define NTA_RELIABLE_MAGIC_T void
#include <sofia-sip/nta.h>
#include <sofia-sip/sip.h>

struct gw_metric;
struct gw_session;
struct gw_regns;
struct gw_messages;

#define GW_SIP_ALLOW                                                           \
	"INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, INFO, OPTIONS, MESSAGE, "    \
	"REFER"
/* Bodies of what makes or changes a session (RFC 5621). */
#define GW_SIP_ACCEPT "application/sdp, multipart/mixed"
/* Of a 415 (RFC 3261 8.2.3). */
#define GW_SIP_ACCEPTED                                                        \
	"Accept: " GW_SIP_ACCEPT "\r\nAccept-Encoding: identity\r\n"
/* RFC 3312 11, TS 24.229 5.1.3.1: with a description that has mandatory ones. */
#define GW_SIP_CONDITIONS "Require: precondition\r\n"
/* Of DTMF; the one that we take (RFC 6086). */
#define GW_SIP_INFO_PACKAGE "infoDtmf"

#define GW_SIP_MAGIC 0x4e544131 /* "NTA1" */

struct gw_sip {
	uint32_t magic;
	struct gw_loop *loop;
	const struct gw_settings *set;
	nta_agent_t *agent;
	struct gw_tls *tls; /* NULL: no TLS listener */
	nta_leg_t *default_leg;
	gw_leg_incoming_h *incoming;
	void *arg;
	uint16_t draining_s; /* Retry-After; 0: serving */
	struct gw_session *sessions;
	unsigned nsession;
	unsigned orphans;             /* BYEs of no session (dialog_orphan.c) */
	struct gw_left *left;         /* INVITEs of none (the same) */
	struct gw_regns *regns;       /* registrations in the core */
	struct gw_messages *messages; /* NULL: none are served */
	struct gw_timer stats;        /* carries NTA's counters over to ours */
	struct gw_stack_stats {
		usize_t sent_request, sent_response, received, bad, timeout;
	} stats_seen;
	struct gw_logctx log;
};

/* ---- stack.c ---- */

/* Once each: requests and responses by direction and kind. */
void gw_stack_count_request(bool sent, sip_method_t method);
void gw_stack_count_response(bool sent, int status);

/* ---- stack_addr.c ---- */

/*
 * Our Contact for a peer reached through @uri (the next hop), or that sent us
 * @irq (wins when not NULL).  "<sip:ADDR:PORT;transport=..>".  0 or -ENOENT
 * when no listener speaks that transport.
 */
int gw_stack_contact(struct gw_sip *sip, char *buf, size_t size,
		     const char *uri, nta_incoming_t *irq, bool sips);

/*
 * The family of listeners that must be used towards this next hop, as the
 * TPTAG_IDENT they carry: Sofia takes the first of the right protocol, and
 * fails where it has the wrong family.  NULL: a name, or none; no matter.
 */
const char *gw_stack_ident(const char *host);

/* Is @host an address that we listen on? */
bool gw_stack_is_ours(const struct gw_sip *sip, const char *host);

/* Is the core reached over TLS? */
bool gw_stack_core_is_tls(const struct gw_sip *sip);

/* ---- stack_request.c ---- */

/* A final response to @irq, which has no session; @why is counted and logged,
 * NULL: neither.  Returns @status for NTA, which then forgets the transaction. */
int gw_stack_refuse(struct gw_sip *sip, nta_incoming_t *irq, int status,
		    const char *headers, struct gw_metric *why);
/* A final response to a method that nobody here serves, counted: 489 for an
 * event package (RFC 6665 4.2.1.1, RFC 3903 6), 481 for a NOTIFY that nobody
 * subscribed to, else 405.  Returns it. */
int gw_stack_refuse_method(struct gw_sip *sip, nta_incoming_t *irq,
			   const sip_t *request);

/* Is @request for an emergency service?  Then it is refused: 380, returned. */
bool gw_stack_is_emergency(const struct gw_sip *sip, const sip_t *request);
int gw_stack_refuse_emergency(struct gw_sip *sip, nta_incoming_t *irq);

/* What every request must pass, in a dialog or not: Require.  0, or the final
 * status that has been sent. */
int gw_stack_check(struct gw_sip *sip, nta_incoming_t *irq,
		   const sip_t *request);

/* What belongs to no dialogue: NTA's handler of requests; @arg is the agent. */
int gw_stack_on_request(void *arg, nta_leg_t *leg, nta_incoming_t *irq,
			const sip_t *request);

/* ---- stack_log.c ---- */

/* Sofia's lines come to us, and those of malformed messages are counted from
 * 0. */
void gw_stack_log_start(void);
/* Our own level has changed. */
void gw_stack_log_redirect(void);
/* A second has passed: @log says how many such lines it did not. */
void gw_stack_log_second(const struct gw_logctx *log);

/* ---- message.c ---- */

/* A MESSAGE, in a dialog or not.  The final status that has been sent, for NTA;
 * 0: it is sent later. */
int gw_message_incoming(struct gw_sip *sip, nta_incoming_t *irq,
			const sip_t *request);
void gw_messages_free(struct gw_messages *all);

#endif
