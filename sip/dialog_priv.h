/*
 * sip/dialog_priv.h - what dialog.c and dialog_uac.c share, and nobody else
 *
 * Signalling thread only.
 */
#ifndef GW_SIP_DIALOG_PRIV_H
#define GW_SIP_DIALOG_PRIV_H

#include "sip/dialog.h"

#define GW_DIALOG_RECV_INFO "Recv-Info: " GW_SIP_INFO_PACKAGE

/* NTA's handlers of what is a session's; @ref: gw_session_ref(). */
int gw_dialog_on_response(void *ref, nta_outgoing_t *orq,
			  const sip_t *response);
int gw_dialog_on_request(void *ref, nta_leg_t *leg, nta_incoming_t *irq,
			 const sip_t *request);

/* The body of @m, in @home; NULL: it has none. */
sip_payload_t *gw_dialog_payload(su_home_t *home,
				 const struct gw_dialog_msg *m);
/* A header line with our answer to the last challenge, in @home; NULL when
 * there was none. */
char *gw_dialog_credentials(struct gw_session *s, su_home_t *home,
			    const char *method, const char *uri);
/* Those of an INVITE, which its ACK repeats; @line NULL: it had none. */
void gw_dialog_keep_auth(struct gw_session *s, const char *line);
/* Which listeners reach the next hop of @leg. */
const char *gw_dialog_leg_ident(nta_leg_t *leg);

/* A re-INVITE outlives its session until it has its final response, which is
 * acknowledged, as is one that waits for its answer (dialog_orphan.c). */
void gw_dialog_leave_invite(struct gw_sip *sip, nta_outgoing_t **re_invite);
/* So does an early dialog that has no final response: what it answers, while the
 * INVITE is there, makes no call.  The leg stays. */
void gw_dialog_leave_fork(struct gw_sip *sip, struct gw_branch *b);
/* So does the BYE of a fork that lost, with what is asked for. */
void gw_dialog_leave_bye(struct gw_sip *sip, nta_outgoing_t **bye);

#endif
