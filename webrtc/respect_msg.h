/*
 * webrtc/respect_msg.h - a RESPECT message: JSON text <-> plain struct
 *
 * Reading is validation by table: each method says which members it must and
 * may have, each member says its type and limits.  Members that a message may
 * not have, or that nobody knows, are ignored.  Writing never fails on text:
 * what is not UTF-8 in it is replaced.  It knows no connection and no session.
 * Pure functions, any thread.
 */
#ifndef GW_RESPECT_MSG_H
#define GW_RESPECT_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/leg.h"
#include "webrtc/wire.h"

#define GW_RESPECT_DEPTH      16 /* nested objects and arrays */
#define GW_RESPECT_MAX_LIST   16 /* names in a list */
#define GW_RESPECT_MAX_DTMF   32 /* digits in one userData */
#define GW_RESPECT_MAX_METHOD 64 /* characters */

/* How reading went; what the connection must do about it. */
enum gw_rfault {
	GW_RF_OK,
	GW_RF_NOT_JSON,   /* close 1007 */
	GW_RF_NOT_OBJECT, /* close 1007 */
	GW_RF_NO_ID,      /* transactionId missing or unreadable: close 1007 */
	GW_RF_DEPTH,      /* answer 400 */
	GW_RF_MEMBER,     /* missing or mistyped member: answer 400 */
	GW_RF_METHOD,     /* answer 405 */
	GW_RF_APP_METHOD  /* answer 501 */
};

struct gw_rlist {
	size_t n;
	const char *item[GW_RESPECT_MAX_LIST];
};

struct gw_rmsg {
	bool response;
	enum gw_rmethod method;
	char method_name[GW_RESPECT_MAX_METHOD + 1]; /* "": unreadable */
	uint64_t txn;

	uint64_t present; /* GW_KEY_BIT()s of the valid members below */
	const char *str[GW_NKEYS]; /* NUL-terminated, without inner NUL */
	size_t len[GW_NKEYS];
	uint32_t num[GW_NKEYS]; /* clamped to 32 bits */
	struct gw_rlist supported, required, resources;
	bool success;
	unsigned problem_status; /* 0: none or unreadable */
	const char *problem_detail;

	size_t ndtmf; /* userData.dtmf */
	char dtmf[GW_RESPECT_MAX_DTMF];
	uint32_t dtmf_ms;
	const char *user_data; /* JSON text, if there is more than dtmf in it */
	struct gw_leg_report report;
	const char *subject, *display_name; /* of callInfo */
	size_t nvideo;                      /* report.video */
	struct gw_leg_video video[GW_WIRE_Q_VIDEOS];

	/* A response of success that we cannot take for one. */
	bool overruled;
	unsigned status;  /* of a fault that is answered: 400, 405, 501 */
	char detail[128]; /* one sentence naming the member */
	void *root;       /* what the pointers above point into */
};

/*
 * @m is filled as far as could be read, also on a fault: response, method_name
 * and txn are valid for faults that are answered.  gw_respect_parse_end()
 * follows in every case.
 */
enum gw_rfault gw_respect_parse(struct gw_rmsg *m, const char *text,
				size_t len);
void gw_respect_parse_end(struct gw_rmsg *m);

static inline bool gw_rmsg_has(const struct gw_rmsg *m, enum gw_key k)
{
	return m->present & GW_KEY_BIT(k);
}

/* ---- writing ---- */

struct gw_rproblem {        /* RFC 9457 */
	unsigned status;    /* 0: there is no problem */
	bool sip;           /* a SIP response caused it */
	const char *detail; /* may be NULL */
	bool emergency;     /* help has to be called another way */
};

/* A message of ours; what is NULL, 0 or false is left out. */
struct gw_rout {
	bool response;
	const char *method; /* NULL: the request's was unreadable */
	uint64_t txn;
	bool success; /* responses */
	struct gw_rproblem problem;
	bool has_retry_after;
	uint32_t retry_after_s;
	const char *const *supported;   /* NULL-terminated */
	const char *const *unsupported; /* NULL-terminated */
	const char *auth_type;          /* of an auth request of ours */
	const char *www_authenticate;
	bool has_expiration, has_ttl;
	uint32_t expiration_s, ttl_s;
	const char *reauth_credential;
	const char *webrtc_id;
	const char *resource_id;
	const char *session_id;
	bool has_state;
	enum gw_rstate state;
	const char *sdp; /* sdp_len bytes */
	size_t sdp_len;
	bool sdp_is_offer;
	const char *asserted_orig, *asserted_orig_name;
	const char *asserted_term, *asserted_term_name;
	const char *call_info;   /* ready JSON of the object */
	const char *dtmf_signal; /* userData.dtmf */
	uint32_t dtmf_ms;
	const char *user_data; /* ready JSON of the object, instead of dtmf */
	const char *resources; /* ready JSON of the object */
	const char *quality;   /* likewise */
	const char *content_type;
	const char *content; /* content_len bytes */
	size_t content_len;
	const char *transfer_state;
	bool user_data_taken; /* not on the wire: the request's went on */
};

#define GW_RESPECT_MAX_OUT (4 * 65536)

/* The text, the caller's to free(), and its length; NULL: no memory, or too
 * long. */
char *gw_respect_print(const struct gw_rout *o, size_t *len);

/* The application's userData in the body of an INFO, as JSON that can be sent;
 * the caller's to free().  NULL: it is none, or has dtmf in it. */
char *gw_respect_user_data(const char *text, size_t len);

struct gw_buf;

/* What is said of a call, as a JSON object; the caller's to free().  NULL:
 * nothing, or no memory.  @info may be NULL. */
char *gw_respect_call_info(const struct gw_call_info *info,
			   enum gw_alert alert);

/* "text" as a JSON string, quotes included.  Not UTF-8: U+FFFD. */
void gw_json_string(struct gw_buf *b, const char *text, size_t len);

#endif
