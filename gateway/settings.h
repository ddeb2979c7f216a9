/*
 * gateway/settings.h - everything that can be configured, as plain values
 *
 * Read from one YAML file (conf/isthmus.yaml comments every key).  Immutable
 * once loaded; a reload makes a new one and swaps, all or nothing.  ${NAME} in
 * a value is taken from the environment.  Units are in the names.
 */
#ifndef GW_SETTINGS_H
#define GW_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/emergency.h"
#include "gateway/base/log.h"

#define GW_SET_LISTEN      8
#define GW_SET_ORIGINS     32
#define GW_SET_USERS       4096
#define GW_SET_IDENTITIES  8
#define GW_SET_KEYS        16
#define GW_SET_ROUTES      64
#define GW_SET_ICE_SERVERS 8
#define GW_SET_CODECS      8
#define GW_SET_MSG_TYPES   8
#define GW_SET_TLS_NAMES   8
#define GW_SET_CORES       4
#define GW_SET_WAF_CLIENTS 8
#define GW_SET_REDIRECTS   8
#define GW_SET_POOL_USERS  16
#define GW_SET_EMERGENCY   32

struct gw_set_log {
	char level[8];  /* error warn info debug */
	char format[8]; /* text json */
	char file[256]; /* "": stderr */
	size_t nlevel;
	struct {
		char module[24];
		char level[8];
	} levels[32];
};

struct gw_set_user {
	char id[128];       /* webrtcId: a SIP or tel URI */
	char password[160]; /* crypt(5) hash; "": no password log-in */
	char name[64];
	size_t nidentity;
	char identity[GW_SET_IDENTITIES][128]; /* further public identities */
	char subject[128]; /* what its provider's tokens call it; "": the id */
	/* Who it is in the core, with its identities as public ones; "": not
	 * to be told in tokens.  Of the store only. */
	char impi[128];
};

struct gw_set_key {     /* a key that bearer tokens are signed with */
	char kid[64];   /* "": the key is tried for tokens without kid */
	char alg[8];    /* RS256 ES256 EdDSA */
	char file[256]; /* PEM public key or certificate */
};

struct gw_set_web {
	size_t nlisten;
	/* wss://ADDR:PORT, ws://127.0.0.1:PORT */
	char listen[GW_SET_LISTEN][64];
	char certificate[256], key[256]; /* PEM; both "": self-signed, made at
					    start and kept in state_dir */
	char root[256];                  /* directory of the pages */
	char path[64];                   /* /3gpp-respect/v1 */
	size_t norigin;
	char origin[GW_SET_ORIGINS][128]; /* allow-list; "self" = own host */
	uint32_t auth_timeout_ms; /* a connection must authenticate in */
	uint32_t ping_ms;         /* keep-alive; dead after two misses */
	uint32_t max_connections;
	uint32_t max_connections_ip; /* network connections an address */
	uint32_t max_sessions;       /* media sessions an endpoint */
	uint32_t messages_per_s, messages_burst; /* token bucket a connection */
	uint32_t auth_failures; /* in 60 s an address, then a pause */
	uint32_t pause_ms;      /* how long it is refused after that */
	uint32_t queue_bytes;   /* send queue a connection */
	bool http2; /* HTTP/2 and RFC 8441: wss: by ALPN, ws: by its preface */
};

struct gw_set_claims {      /* of bearer tokens: what they are called */
	char webrtc_id[64]; /* absent in a token: sub */
	char impi[64], impus[64], name[64];
};

struct gw_set_auth {
	char realm[64];
	uint32_t expiration_s;  /* of a registration */
	uint32_t ttl_max_s;     /* disconnection time to live, upper bound */
	uint32_t max_endpoints; /* of one user */
	char issuer[128], audience[128]; /* bearer tokens; "": not checked is
				  refused: both must be set if keys are */
	uint32_t leeway_s;
	size_t nkey;
	struct gw_set_key key[GW_SET_KEYS];
	struct gw_set_claims claims;
	char jwks_url[256];          /* https:, "": none */
	uint32_t jwks_max_age_s;     /* asked for again at the latest */
	uint32_t jwks_refetch_s;     /* an unknown kid asks again, no sooner */
	char introspection_url[256]; /* https:, "": none */
	char introspection_client[128], introspection_secret[128];
	uint32_t introspection_cache_s;
	char ca_file[256];         /* of both servers; "": the system's */
	uint32_t fetch_timeout_ms; /* for an answer of theirs */
};

struct gw_set_waf_client { /* a public OAuth 2.0 client */
	char id[64];
	size_t nredirect;
	char redirect[GW_SET_REDIRECTS][256]; /* compared as they are */
};

struct gw_set_waf {
	bool enabled;
	char issuer[256];   /* https://HOST[:PORT], as browsers reach us */
	char key_file[256]; /* PEM, made when it is not there */
	uint32_t key_days;  /* then another; 0: never */
	uint32_t access_token_s, refresh_token_s;
	uint32_t user_failures, user_pause_s; /* of one user name */
	size_t nclient;
	struct gw_set_waf_client client[GW_SET_WAF_CLIENTS];
};

struct gw_set_sip {
	size_t nlisten;
	char listen[GW_SET_LISTEN][96]; /* sip:ADDR:PORT;transport=udp|tcp,
					   sips:ADDR:PORT (TLS) */
	char core[128];    /* where calls go: sip:HOST:PORT;transport=.. */
	char domain[128];  /* host part of identities made here */
	char tls_dir[256]; /* agent.pem, cafile.pem */
	bool tls_verify;   /* peers' certificates; off only in a lab */
	size_t ntls_name;
	/* in certificates of peers; the host of core is one anyway */
	char tls_name[GW_SET_TLS_NAMES][128];
	char username[64], password[64]; /* digest towards the core, "" none */
	uint32_t ring_timeout_s;
	uint32_t t1_ms, t1x64_ms; /* RFC 3261 17.1.1.1; tests shorten them */
	/* RFC 3262: off, supported, required; of both sides of a call */
	char reliable[12];
	/* RFC 3312, in the same words; where not off, reliable is not either */
	char precondition[12];
	bool precondition_confirm; /* ours is met by an UPDATE, not at once */
	uint32_t precondition_timeout_s; /* patience with the peer's */
	uint32_t session_expires_s;      /* RFC 4028; 0: no timer */
	uint32_t min_se_s;
	char user_agent[64];    /* "" : no User-Agent/Server header */
	char allow_from[4][64]; /* IPs that may send us requests; none: any */
};

/* Registration in an IMS core on behalf of clients; sip.core is for a plain
 * SIP peer. */
struct gw_set_ims {
	bool enabled;
	char domain[128]; /* home network: realm, and where REGISTER goes */
	size_t ncore;
	char core[GW_SET_CORES][128]; /* I-CSCFs, the first that lives */
	char visited_network[128];    /* "": domain */
	char access_network_info[128];
	uint32_t expires_s;
	uint32_t register_rate; /* REGISTERs a second, of all together */
	uint8_t spread_percent; /* refreshes come earlier by up to this */
	uint32_t register_timeout_ms;
	uint32_t dead_s, probe_s; /* of a core; probe_s 0: no OPTIONS */
	bool reg_event;           /* subscribe to it (RFC 3680) */
	bool contact_shared; /* endpoints of an identity have one contact */
	bool pool_anonymous; /* lend to who does not say who it is */
	uint32_t pool_anonymous_ip; /* to so many of one address */
	size_t npool_user;
	/* Patterns (fnmatch) of those without an identity of their own that
	 * are lent one. */
	char pool_user[GW_SET_POOL_USERS][128];
	uint32_t pool_cool_s; /* what was given back rests */
};

struct gw_set_media {
	uint32_t workers;
	char web_address[4][46];
	char core_address[46], core_address6[46];
	uint16_t port_min, port_max;
	char ice[8]; /* full, lite */
	uint16_t web_port_min, web_port_max;
	uint16_t lite_port; /* worker i takes this + i */
	char stun_server[64];
	uint32_t consent_s; /* web side, RFC 7675 */
	uint32_t learn_ms, inactivity_s, quality_ms, tick_ms;
	uint32_t certificate_days;
	bool inactivity_release; /* end a call that carries nothing */
	uint8_t dscp_audio, dscp_video, dscp_other;
	bool video;          /* else m-lines of video are refused */
	uint32_t video_kbps; /* of one m-line at most */
	size_t ncodec;
	char codec[GW_SET_CODECS][16]; /* offered when the gateway offers */
};

struct gw_set_ice_server { /* told to clients by getinfo */
	char url[128];
	char secret[64]; /* TURN REST shared secret; "" for stun */
	uint32_t ttl_s;
};

struct gw_set_route {    /* first match wins; then own users; then the core */
	char match[128]; /* the whole URI, or a user part, '*' at its end */
	char leg[16];    /* echo, core, user, refuse */
	uint16_t status; /* for refuse */
};

struct gw_set_calls {
	uint32_t max;          /* live calls; above: 503 */
	char early_media[8];   /* auto: as P-Early-Media says; always; never */
	char no_offer[16];     /* msetup without preOffer: gateway_offer,
				late_offer */
	char gateway_offer[8]; /* what it offers by itself: audio; video, too */
	uint32_t no_path_s, path_lost_s; /* to a browser: patience with them */
	uint32_t drain_s;                /* SIGTERM: wait for calls at most */
	char refer[8];                   /* what a SIP party's REFER gets */
	bool client_names;               /* clients choose the name in From */
	char cdr_file[256];              /* "": the log */
};

struct gw_set_messages {     /* text outside of calls (RFC 3428) */
	uint32_t max_bytes;  /* that a client may send */
	uint32_t per_minute; /* of one client, and to one; 0: none */
	size_t ntype;        /* taken beside text/plain */
	char type[GW_SET_MSG_TYPES][64];
};

struct gw_set_emergency { /* calls to emergency services */
	char policy[8];   /* refuse, route */
	char target[128]; /* E-CSCF; "": as the caller's other calls */
	char text[256];   /* what callers are told who are refused */
	bool anonymous;   /* route those of who logged in as nobody */
	char resource_priority[64]; /* RFC 4412, RFC 7135; "": none */
	size_t nnumber;             /* 0: 112 and 911 */
	struct gw_emergency_number number[GW_SET_EMERGENCY];
};

struct gw_set_store {
	char file[256];    /* in state_dir, or absolute; "": none */
	uint32_t lock_ms;  /* how long another process's lock is waited for */
	uint32_t resume_s; /* clients come back after a crash; 0: they cannot */
};

struct gw_settings {
	char file[256];      /* where it came from */
	char state_dir[256]; /* self-made certificate, store, control socket */
	struct gw_set_log log;
	struct gw_set_web web;
	struct gw_set_auth auth;
	struct gw_set_waf waf;
	struct gw_set_sip sip;
	struct gw_set_ims ims;
	struct gw_set_media media;
	struct gw_set_calls calls;
	struct gw_set_messages messages;
	struct gw_set_emergency emergency;
	struct gw_set_store store;
	char control_socket[256]; /* in state_dir, or absolute; "": none */
	char admin_listen[64];    /* ADDR:PORT, "" none */
	size_t nice_server;
	struct gw_set_ice_server ice_server[GW_SET_ICE_SERVERS];
	size_t nroute;
	struct gw_set_route route[GW_SET_ROUTES];
	size_t nuser;
	struct gw_set_user *user; /* owned */
};

/*
 * Read and check @path.  0 with a new *@out; else -errno, and @err holds
 * "file:line: key: what is wrong".
 */
int gw_settings_load(struct gw_settings **out, const char *path, char *err,
		     size_t err_size);
void gw_settings_free(struct gw_settings *s);

/* Where the file @name is: as it is when absolute, else in state_dir. */
#define GW_SET_PATH 520
void gw_settings_path(char out[GW_SET_PATH], const struct gw_settings *set,
		      const char *name);

#endif
