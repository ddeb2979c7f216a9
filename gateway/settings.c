#include "gateway/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/settings_priv.h"

#define IN(type, m)    offsetof(struct type, m), sizeof(((struct type *)0)->m)
#define SET(m)         IN(gw_settings, m)
#define EACH(m)        .each = sizeof(((struct gw_settings *)0)->m[0])
#define COUNT(type, m) .count_offset = offsetof(struct type, m)
#define MOST           0xffffffffu
#define DAY_S          86400
#define HOUR_MS        3600000

/* Everything that can be configured: what is not a row here is refused. */
/* clang-format off */
const struct gw_set_row gw_settings_rows[] = {
	{ "state_dir", GW_SET_STRING, SET(state_dir), .def = "/var/lib/isthmus", .filled = true },

	{ "log.level", GW_SET_STRING, SET(log.level), .def = "info",
	  .choices = "error|warn|info|debug" },
	{ "log.format", GW_SET_STRING, SET(log.format), .def = "text",
	  .choices = "text|json" },
	{ "log.file", GW_SET_STRING, SET(log.file), .def = "" },
	{ "log.levels", GW_SET_LEVELS, SET(log.levels), EACH(log.levels),
	  COUNT(gw_settings, log.nlevel), .def = "",
	  .choices = "error|warn|info|debug" },

	{ "web.listen", GW_SET_STRINGS, SET(web.listen), EACH(web.listen),
	  COUNT(gw_settings, web.nlisten), .def = "wss://0.0.0.0:8443",
	  .check = gw_settings_check_web_listen },
	{ "web.certificate", GW_SET_STRING, SET(web.certificate), .def = "" },
	{ "web.key", GW_SET_STRING, SET(web.key), .def = "" },
	{ "web.root", GW_SET_STRING, SET(web.root),
	  .def = GW_DATADIR "/isthmus/web", .filled = true },
	{ "web.path", GW_SET_STRING, SET(web.path), .def = "/3gpp-respect/v1", .filled = true,
	  .check = gw_settings_check_path },
	{ "web.origins", GW_SET_STRINGS, SET(web.origin), EACH(web.origin),
	  COUNT(gw_settings, web.norigin), .def = "self",
	  .check = gw_settings_check_origin },
	{ "web.auth_timeout_ms", GW_SET_U32, SET(web.auth_timeout_ms),
	  .min = 100, .max = HOUR_MS, .def = "10000" },
	{ "web.ping_ms", GW_SET_U32, SET(web.ping_ms), .min = 100,
	  .max = HOUR_MS, .def = "30000" },
	{ "web.max_connections", GW_SET_U32, SET(web.max_connections),
	  .min = 1, .max = 1000000, .def = "10000" },
	{ "web.max_connections_ip", GW_SET_U32, SET(web.max_connections_ip),
	  .min = 1, .max = 1000000, .def = "256" },
	{ "web.max_sessions", GW_SET_U32, SET(web.max_sessions), .min = 1,
	  .max = 64, .def = "8" },
	{ "web.messages_per_s", GW_SET_U32, SET(web.messages_per_s),
	  .min = 1, .max = 100000, .def = "64" },
	{ "web.messages_burst", GW_SET_U32, SET(web.messages_burst),
	  .min = 1, .max = 100000, .def = "128" },
	{ "web.auth_failures", GW_SET_U32, SET(web.auth_failures), .min = 1,
	  .max = 100000, .def = "10" },
	{ "web.pause_ms", GW_SET_U32, SET(web.pause_ms), .min = 100,
	  .max = DAY_S * 1000, .def = "60000" },
	/* At least one message of the longest kind fits. */
	{ "web.queue_bytes", GW_SET_U32, SET(web.queue_bytes), .min = 65536,
	  .max = 64 << 20, .def = "262144" },
	{ "web.http2", GW_SET_BOOL, SET(web.http2), .def = "true" },

	{ "auth.realm", GW_SET_STRING, SET(auth.realm), .def = "isthmus", .filled = true },
	{ "auth.expiration_s", GW_SET_U32, SET(auth.expiration_s), .min = 30,
	  .max = 30 * DAY_S, .def = "3600" },
	{ "auth.ttl_max_s", GW_SET_U32, SET(auth.ttl_max_s), .min = 0,
	  .max = DAY_S, .def = "60" },
	{ "auth.max_endpoints", GW_SET_U32, SET(auth.max_endpoints),
	  .min = 1, .max = 16, .def = "16" },
	{ "auth.issuer", GW_SET_STRING, SET(auth.issuer), .def = "" },
	{ "auth.audience", GW_SET_STRING, SET(auth.audience), .def = "" },
	{ "auth.leeway_s", GW_SET_U32, SET(auth.leeway_s), .min = 0,
	  .max = 300, .def = "30" },
	{ "auth.keys", GW_SET_MAPS, SET(auth.key), EACH(auth.key),
	  COUNT(gw_settings, auth.nkey), .most = GW_SET_KEYS, .def = "" },
	{ "auth.keys[].kid", GW_SET_STRING, IN(gw_set_key, kid), .def = "" },
	{ "auth.keys[].alg", GW_SET_STRING, IN(gw_set_key, alg),
	  .choices = "RS256|ES256|EdDSA" },
	{ "auth.keys[].file", GW_SET_STRING, IN(gw_set_key, file),
	  .def = NULL },
	{ "auth.jwks_url", GW_SET_STRING, SET(auth.jwks_url), .def = "",
	  .check = gw_settings_check_https },
	{ "auth.jwks_max_age_s", GW_SET_U32, SET(auth.jwks_max_age_s),
	  .min = 1, .max = DAY_S, .def = "3600" },
	{ "auth.jwks_refetch_s", GW_SET_U32, SET(auth.jwks_refetch_s),
	  .min = 1, .max = 3600, .def = "30" },
	{ "auth.introspection_url", GW_SET_STRING,
	  SET(auth.introspection_url), .def = "",
	  .check = gw_settings_check_https },
	{ "auth.introspection_client", GW_SET_STRING,
	  SET(auth.introspection_client), .def = "" },
	{ "auth.introspection_secret", GW_SET_STRING,
	  SET(auth.introspection_secret), .def = "" },
	{ "auth.introspection_cache_s", GW_SET_U32,
	  SET(auth.introspection_cache_s), .min = 0, .max = 300,
	  .def = "30" },
	{ "auth.ca_file", GW_SET_STRING, SET(auth.ca_file), .def = "" },
	/* A client has web.auth_timeout_ms for all of its log-in. */
	{ "auth.fetch_timeout_ms", GW_SET_U32, SET(auth.fetch_timeout_ms),
	  .min = 100, .max = 60000, .def = "5000" },
	{ "auth.claims.webrtc_id", GW_SET_STRING,
	  SET(auth.claims.webrtc_id), .def = "webrtcId", .filled = true },
	{ "auth.claims.impi", GW_SET_STRING, SET(auth.claims.impi),
	  .def = "impi", .filled = true },
	{ "auth.claims.impus", GW_SET_STRING, SET(auth.claims.impus),
	  .def = "impus", .filled = true },
	{ "auth.claims.name", GW_SET_STRING, SET(auth.claims.name),
	  .def = "name", .filled = true },

	{ "waf.enabled", GW_SET_BOOL, SET(waf.enabled), .def = "false" },
	{ "waf.issuer", GW_SET_STRING, SET(waf.issuer), .def = "",
	  .check = gw_settings_check_issuer },
	{ "waf.key_file", GW_SET_STRING, SET(waf.key_file), .def = "" },
	{ "waf.key_days", GW_SET_U32, SET(waf.key_days), .min = 0,
	  .max = 3650, .def = "90" },
	{ "waf.access_token_s", GW_SET_U32, SET(waf.access_token_s),
	  .min = 30, .max = DAY_S, .def = "900" },
	{ "waf.refresh_token_s", GW_SET_U32, SET(waf.refresh_token_s),
	  .min = 60, .max = 30 * DAY_S, .def = "86400" },
	{ "waf.user_failures", GW_SET_U32, SET(waf.user_failures),
	  .min = 1, .max = 1000, .def = "10" },
	{ "waf.user_pause_s", GW_SET_U32, SET(waf.user_pause_s), .min = 1,
	  .max = DAY_S, .def = "60" },
	{ "waf.clients", GW_SET_MAPS, SET(waf.client), EACH(waf.client),
	  COUNT(gw_settings, waf.nclient), .most = GW_SET_WAF_CLIENTS,
	  .def = "" },
	{ "waf.clients[].id", GW_SET_STRING, IN(gw_set_waf_client, id),
	  .def = NULL, .check = gw_settings_check_client_id },
	{ "waf.clients[].redirect_uris", GW_SET_STRINGS,
	  IN(gw_set_waf_client, redirect),
	  .each = sizeof(((struct gw_set_waf_client *)0)->redirect[0]),
	  COUNT(gw_set_waf_client, nredirect), .def = NULL,
	  .check = gw_settings_check_redirect },

	{ "sip.listen", GW_SET_STRINGS, SET(sip.listen), EACH(sip.listen),
	  COUNT(gw_settings, sip.nlisten),
	  .def = "sip:127.0.0.1:5060;transport=udp,"
		 "sip:127.0.0.1:5060;transport=tcp",
	  .check = gw_settings_check_sip_listen },
	{ "sip.core", GW_SET_STRING, SET(sip.core), .def = "",
	  .check = gw_settings_check_sip_uri },
	{ "sip.domain", GW_SET_STRING, SET(sip.domain),
	  .def = "isthmus.invalid", .filled = true, .check = gw_settings_check_host },
	{ "sip.tls_dir", GW_SET_STRING, SET(sip.tls_dir), .def = "" },
	{ "sip.tls_verify", GW_SET_BOOL, SET(sip.tls_verify), .def = "true" },
	{ "sip.tls_names", GW_SET_STRINGS, SET(sip.tls_name),
	  EACH(sip.tls_name), COUNT(gw_settings, sip.ntls_name), .def = "",
	  .check = gw_settings_check_host },
	{ "sip.username", GW_SET_STRING, SET(sip.username), .def = "" },
	{ "sip.password", GW_SET_STRING, SET(sip.password), .def = "" },
	{ "sip.ring_timeout_s", GW_SET_U32, SET(sip.ring_timeout_s),
	  .min = 1, .max = 3600, .def = "120" },
	/* RFC 3261 17.1.1.1: T1 defaults to 500 ms, timers B, F, H to 64*T1 */
	{ "sip.t1_ms", GW_SET_U32, SET(sip.t1_ms), .min = 10, .max = 10000,
	  .def = "500" },
	{ "sip.t1x64_ms", GW_SET_U32, SET(sip.t1x64_ms), .min = 100,
	  .max = 640000, .def = "32000" },
	{ "sip.reliable", GW_SET_STRING, SET(sip.reliable),
	  .def = "supported", .choices = "off|supported|required" },
	{ "sip.precondition", GW_SET_STRING, SET(sip.precondition),
	  .def = "off", .choices = "off|supported|required" },
	{ "sip.precondition_confirm", GW_SET_BOOL,
	  SET(sip.precondition_confirm), .def = "false" },
	{ "sip.precondition_timeout_s", GW_SET_U32,
	  SET(sip.precondition_timeout_s), .min = 1, .max = 3600, .def = "32" },
	/* RFC 4028 4 and 5: 1800 s is its advice, 90 s the least */
	{ "sip.session_expires_s", GW_SET_U32, SET(sip.session_expires_s),
	  .min = 0, .max = DAY_S, .def = "1800" },
	{ "sip.min_se_s", GW_SET_U32, SET(sip.min_se_s), .min = 90,
	  .max = DAY_S, .def = "90" },
	{ "sip.user_agent", GW_SET_STRING, SET(sip.user_agent), .def = "" },
	{ "sip.allow_from", GW_SET_STRINGS, SET(sip.allow_from),
	  EACH(sip.allow_from), .count_offset = GW_SET_NO_COUNT, .def = "",
	  .check = gw_settings_check_ip },

	{ "ims.enabled", GW_SET_BOOL, SET(ims.enabled), .def = "false" },
	{ "ims.domain", GW_SET_STRING, SET(ims.domain), .def = "",
	  .check = gw_settings_check_host },
	{ "ims.cores", GW_SET_STRINGS, SET(ims.core), EACH(ims.core),
	  COUNT(gw_settings, ims.ncore), .def = "",
	  .check = gw_settings_check_sip_uri },
	{ "ims.visited_network", GW_SET_STRING, SET(ims.visited_network),
	  .def = "", .check = gw_settings_check_quotable },
	{ "ims.access_network_info", GW_SET_STRING,
	  SET(ims.access_network_info), .def = "" },
	{ "ims.expires_s", GW_SET_U32, SET(ims.expires_s), .min = 60,
	  .max = 30 * DAY_S, .def = "3600" },
	{ "ims.register_rate", GW_SET_U32, SET(ims.register_rate), .min = 1,
	  .max = 100000, .def = "100" },
	{ "ims.spread_percent", GW_SET_U8, SET(ims.spread_percent), .min = 0,
	  .max = 50, .def = "10" },
	{ "ims.register_timeout_ms", GW_SET_U32,
	  SET(ims.register_timeout_ms), .min = 100, .max = 64000,
	  .def = "10000" },
	{ "ims.dead_s", GW_SET_U32, SET(ims.dead_s), .min = 1, .max = 3600,
	  .def = "60" },
	{ "ims.probe_s", GW_SET_U32, SET(ims.probe_s), .min = 0, .max = 3600,
	  .def = "10" },
	{ "ims.reg_event", GW_SET_BOOL, SET(ims.reg_event), .def = "true" },
	{ "ims.contact_shared", GW_SET_BOOL, SET(ims.contact_shared),
	  .def = "false" },
	{ "ims.pool_anonymous", GW_SET_BOOL, SET(ims.pool_anonymous),
	  .def = "false" },
	{ "ims.pool_anonymous_ip", GW_SET_U32, SET(ims.pool_anonymous_ip),
	  .min = 1, .max = 100000, .def = "8" },
	{ "ims.pool_users", GW_SET_STRINGS, SET(ims.pool_user),
	  EACH(ims.pool_user), COUNT(gw_settings, ims.npool_user), .def = "",
	  .check = gw_settings_check_pattern },
	{ "ims.pool_cool_s", GW_SET_U32, SET(ims.pool_cool_s), .min = 0,
	  .max = 30 * DAY_S, .def = "60" },

	{ "media.workers", GW_SET_U32, SET(media.workers), .min = 0,
	  .max = 128, .def = "0" },
	{ "media.web_address", GW_SET_STRINGS, SET(media.web_address),
	  EACH(media.web_address), .count_offset = GW_SET_NO_COUNT,
	  .def = "", .check = gw_settings_check_own_ip },
	{ "media.ice", GW_SET_STRING, SET(media.ice), .def = "full",
	  .choices = "full|lite" },
	{ "media.lite_port", GW_SET_U16, SET(media.lite_port), .min = 1024,
	  .max = 65535, .def = "20000" },
	{ "media.core_address", GW_SET_STRING, SET(media.core_address),
	  .def = "127.0.0.1", .check = gw_settings_check_ip4 },
	{ "media.core_address6", GW_SET_STRING, SET(media.core_address6),
	  .def = "", .check = gw_settings_check_ip6 },
	{ "media.port_min", GW_SET_U16, SET(media.port_min), .min = 1024,
	  .max = 65534, .def = "30000" },
	{ "media.port_max", GW_SET_U16, SET(media.port_max), .min = 1025,
	  .max = 65535, .def = "49999" },
	{ "media.web_port_min", GW_SET_U16, SET(media.web_port_min),
	  .min = 0, .max = 65535, .def = "0" },
	{ "media.web_port_max", GW_SET_U16, SET(media.web_port_max),
	  .min = 0, .max = 65535, .def = "0" },
	{ "media.stun_server", GW_SET_STRING, SET(media.stun_server),
	  .def = "", .check = gw_settings_check_hostport },
	{ "media.consent_s", GW_SET_U32, SET(media.consent_s), .min = 6,
	  .max = 30, .def = "30" },
	{ "media.learn_ms", GW_SET_U32, SET(media.learn_ms), .min = 0,
	  .max = 60000, .def = "1000" },
	{ "media.inactivity_s", GW_SET_U32, SET(media.inactivity_s),
	  .min = 0, .max = 3600, .def = "20" },
	{ "media.inactivity_release", GW_SET_BOOL,
	  SET(media.inactivity_release), .def = "false" },
	{ "media.quality_ms", GW_SET_U32, SET(media.quality_ms), .min = 0,
	  .max = HOUR_MS, .def = "5000" },
	{ "media.certificate_days", GW_SET_U32,
	  SET(media.certificate_days), .min = 0, .max = 3650, .def = "30" },
	{ "media.tick_ms", GW_SET_U32, SET(media.tick_ms), .min = 0,
	  .max = 20, .def = "0" },
	/* RFC 4594: telephony is EF, 46 */
	{ "media.dscp_audio", GW_SET_U8, SET(media.dscp_audio), .min = 0,
	  .max = 63, .def = "46" },
	/* RFC 4594: video of a conference is AF41, 34; RFC 8837 takes the same
	 * for interactive video. */
	{ "media.dscp_video", GW_SET_U8, SET(media.dscp_video), .min = 0,
	  .max = 63, .def = "34" },
	{ "media.dscp_other", GW_SET_U8, SET(media.dscp_other), .min = 0,
	  .max = 63, .def = "0" },
	{ "media.video", GW_SET_BOOL, SET(media.video), .def = "true" },
	{ "media.video_kbps", GW_SET_U32, SET(media.video_kbps), .min = 64,
	  .max = 100000, .def = "2000" },
	{ "media.codecs", GW_SET_STRINGS, SET(media.codec),
	  EACH(media.codec), COUNT(gw_settings, media.ncodec),
	  .def = "opus,G722,PCMU,PCMA", .choices = "opus|G722|PCMU|PCMA" },

	{ "calls.max", GW_SET_U32, SET(calls.max), .min = 1, .max = 1000000,
	  .def = "10000" },
	{ "calls.early_media", GW_SET_STRING, SET(calls.early_media),
	  .def = "auto", .choices = "auto|always|never" },
	{ "calls.no_offer", GW_SET_STRING, SET(calls.no_offer),
	  .def = "gateway_offer", .choices = "gateway_offer|late_offer" },
	{ "calls.gateway_offer", GW_SET_STRING, SET(calls.gateway_offer),
	  .def = "audio", .choices = "audio|video" },
	{ "calls.no_path_s", GW_SET_U32, SET(calls.no_path_s), .min = 1,
	  .max = 600, .def = "60" },
	{ "calls.path_lost_s", GW_SET_U32, SET(calls.path_lost_s), .min = 0,
	  .max = 600, .def = "30" },
	{ "calls.drain_s", GW_SET_U32, SET(calls.drain_s), .min = 0,
	  .max = DAY_S, .def = "60" },
	{ "calls.refer", GW_SET_STRING, SET(calls.refer), .def = "accept",
	  .choices = "accept|refuse" },
	{ "calls.client_names", GW_SET_BOOL, SET(calls.client_names),
	  .def = "false" },
	{ "calls.cdr_file", GW_SET_STRING, SET(calls.cdr_file), .def = "" },

	/* RFC 3428 8: above 1300 bytes a MESSAGE needs congestion control */
	{ "messages.max_bytes", GW_SET_U32, SET(messages.max_bytes), .min = 1,
	  .max = 4096, .def = "1000" },
	{ "messages.per_minute", GW_SET_U32, SET(messages.per_minute), .min = 0,
	  .max = 6000, .def = "60" },
	{ "messages.types", GW_SET_STRINGS, SET(messages.type),
	  EACH(messages.type), COUNT(gw_settings, messages.ntype), .def = "",
	  .check = gw_settings_check_message_type },

	{ "emergency.policy", GW_SET_STRING, SET(emergency.policy),
	  .def = "refuse", .choices = "refuse|route" },
	{ "emergency.target", GW_SET_STRING, SET(emergency.target), .def = "",
	  .check = gw_settings_check_sip_uri },
	{ "emergency.text", GW_SET_STRING, SET(emergency.text), .filled = true,
	  .def = "Emergency calls cannot be made here. Call the emergency "
		 "services from a telephone.",
	  .check = gw_settings_check_xml_text },
	{ "emergency.anonymous", GW_SET_BOOL, SET(emergency.anonymous),
	  .def = "false" },
	{ "emergency.resource_priority", GW_SET_STRING,
	  SET(emergency.resource_priority), .def = "",
	  .check = gw_settings_check_priority },
	{ "emergency.numbers", GW_SET_MAPS, SET(emergency.number),
	  EACH(emergency.number), COUNT(gw_settings, emergency.nnumber),
	  .most = GW_SET_EMERGENCY, .def = "" },
	{ "emergency.numbers[].number", GW_SET_STRING,
	  IN(gw_emergency_number, number), .def = NULL,
	  .check = gw_settings_check_emergency_number },
	{ "emergency.numbers[].urn", GW_SET_STRING,
	  IN(gw_emergency_number, urn), .def = GW_EMERGENCY_SOS,
	  .filled = true, .check = gw_settings_check_emergency_urn },

	{ "store.file", GW_SET_STRING, SET(store.file), .def = "isthmus.db" },
	{ "store.lock_ms", GW_SET_U32, SET(store.lock_ms), .min = 0,
	  .max = 60000, .def = "2000" },
	{ "store.resume_s", GW_SET_U32, SET(store.resume_s), .min = 0,
	  .max = 3600, .def = "60" },

	{ "control.socket", GW_SET_STRING, SET(control_socket),
	  .def = "control.sock" },

	{ "admin.listen", GW_SET_STRING, SET(admin_listen),
	  .def = "127.0.0.1:9090", .check = gw_settings_check_hostport },

	{ "ice_servers", GW_SET_MAPS, SET(ice_server), EACH(ice_server),
	  COUNT(gw_settings, nice_server), .most = GW_SET_ICE_SERVERS,
	  .def = "", .check_map = gw_settings_check_ice_server },
	{ "ice_servers[].url", GW_SET_STRING, IN(gw_set_ice_server, url),
	  .check = gw_settings_check_ice_url },
	{ "ice_servers[].secret", GW_SET_STRING,
	  IN(gw_set_ice_server, secret), .def = "" },
	{ "ice_servers[].ttl_s", GW_SET_U32, IN(gw_set_ice_server, ttl_s),
	  .min = 60, .max = DAY_S, .def = "3600" },

	{ "routes", GW_SET_MAPS, SET(route), EACH(route),
	  COUNT(gw_settings, nroute), .most = GW_SET_ROUTES, .def = "" },
	{ "routes[].match", GW_SET_STRING, IN(gw_set_route, match),
	  .check = gw_settings_check_match },
	{ "routes[].leg", GW_SET_STRING, IN(gw_set_route, leg),
	  .choices = "echo|core|user|refuse" },
	{ "routes[].status", GW_SET_U16, IN(gw_set_route, status),
	  .min = 400, .max = 699, .def = "403" },

	{ "users", GW_SET_MAPS, SET(user), EACH(user),
	  COUNT(gw_settings, nuser), .most = GW_SET_USERS, .def = "",
	  .on_heap = true },
	{ "users[].id", GW_SET_STRING, IN(gw_set_user, id),
	  .check = gw_settings_check_identity },
	{ "users[].password", GW_SET_STRING, IN(gw_set_user, password),
	  .def = "", .check = gw_settings_check_hash },
	{ "users[].name", GW_SET_STRING, IN(gw_set_user, name), .def = "" },
	{ "users[].identities", GW_SET_STRINGS, IN(gw_set_user, identity),
	  .each = sizeof(((struct gw_set_user *)0)->identity[0]),
	  COUNT(gw_set_user, nidentity), .def = "",
	  .check = gw_settings_check_identity },
	{ "users[].subject", GW_SET_STRING, IN(gw_set_user, subject),
	  .def = "" },
};
/* clang-format on */
const size_t gw_settings_nrow = GW_ARRAY_LEN(gw_settings_rows);
_Static_assert(GW_ARRAY_LEN(gw_settings_rows) <= GW_SET_MAX_ROWS,
	       "a line is kept for each row");

static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);

	while (len) {
		size_t n = strcspn(choices, "|");

		if (n == len && !memcmp(choices, value, len))
			return true;
		if (!choices[n])
			return false;
		choices += n + 1;
	}
	return false;
}

static const char *put_number(const struct gw_set_row *row, char *at,
			      const char *value, char *why, size_t why_size)
{
	uint64_t v = 0;

	if (!value[0] || strspn(value, "0123456789") != strlen(value)) {
		(void)snprintf(why, why_size,
			       "must be a whole number, is \"%.40s\"", value);
		return why;
	}
	for (const char *p = value; *p && v <= MOST; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	if (v < row->min || v > row->max) {
		(void)snprintf(why, why_size, "must be %u to %u, is \"%.40s\"",
			       row->min, row->max, value);
		return why;
	}
	if (row->type == GW_SET_U8)
		*(uint8_t *)(void *)at = (uint8_t)v;
	else if (row->type == GW_SET_U16)
		*(uint16_t *)(void *)at = (uint16_t)v;
	else
		*(uint32_t *)(void *)at = (uint32_t)v;
	return NULL;
}

static const char *put_bool(char *at, const char *value, char *why,
			    size_t why_size)
{
	bool yes = !strcmp(value, "true");

	if (!yes && strcmp(value, "false") != 0) {
		(void)snprintf(why, why_size,
			       "must be true or false, is \"%.40s\"", value);
		return why;
	}
	*(bool *)(void *)at = yes;
	return NULL;
}

/* Where the next element of a list goes, or NULL when it is full. */
static char *next_element(const struct gw_set_row *row, char *base)
{
	size_t n = 0, most = row->size / row->each;

	if (row->count_offset != GW_SET_NO_COUNT) {
		n = *(size_t *)(void *)(base + row->count_offset);
	} else {
		while (n < most && base[row->offset + n * row->each])
			n++;
	}
	return n < most ? base + row->offset + n * row->each : NULL;
}

static const char *put_string(const struct gw_set_row *row, char *at,
			      size_t size, const char *value, char *why,
			      size_t why_size)
{
	const char *wrong;

	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "must not hold control characters";
	if (!value[0] && (!row->def || row->filled))
		return "must not be empty";
	if (strlen(value) >= size) {
		(void)snprintf(why, why_size, "is longer than %zu bytes",
			       size - 1);
		return why;
	}
	if (row->choices && !is_choice(row->choices, value)) {
		(void)snprintf(why, why_size, "must be one of %s, is \"%.40s\"",
			       row->choices, value);
		return why;
	}
	/* An empty text stands for "none". */
	wrong = row->check && value[0] ? row->check(value) : NULL;
	if (wrong)
		return wrong;
	memset(at, 0, size);
	memcpy(at, value, strlen(value));
	return NULL;
}

const char *gw_settings_put(const struct gw_set_row *row, void *base,
			    const char *value, char *why, size_t why_size)
{
	char *b = base, *at;
	const char *wrong;

	switch (row->type) {
	case GW_SET_STRING:
		return put_string(row, b + row->offset, row->size, value, why,
				  why_size);
	case GW_SET_BOOL:
		return put_bool(b + row->offset, value, why, why_size);
	case GW_SET_U8:
	case GW_SET_U16:
	case GW_SET_U32:
		return put_number(row, b + row->offset, value, why, why_size);
	case GW_SET_STRINGS:
		at = next_element(row, b);
		if (!at) {
			(void)snprintf(why, why_size,
				       "holds more than %zu elements",
				       row->size / row->each);
			return why;
		}
		if (!value[0])
			return "must not hold an empty element";
		wrong = put_string(row, at, row->each, value, why, why_size);
		if (!wrong && row->count_offset != GW_SET_NO_COUNT)
			++*(size_t *)(void *)(b + row->count_offset);
		return wrong;
	case GW_SET_LEVELS:
	case GW_SET_MAPS:
		break;
	}
	return "cannot be one value";
}

void gw_settings_clear(const struct gw_set_row *row, void *base)
{
	char *b = base;

	memset(b + row->offset, 0, row->size);
	if (row->type != GW_SET_STRINGS && row->type != GW_SET_MAPS &&
	    row->type != GW_SET_LEVELS)
		return;
	if (row->count_offset != GW_SET_NO_COUNT)
		*(size_t *)(void *)(b + row->count_offset) = 0;
}

static void put_default(const struct gw_set_row *row, void *base)
{
	char value[256], why[128];
	const char *p = row->def, *wrong;

	if (!p || row->type == GW_SET_MAPS || row->type == GW_SET_LEVELS)
		return;
	if (row->type != GW_SET_STRINGS) {
		wrong = gw_settings_put(row, base, p, why, sizeof(why));
		assert(!wrong);
		return;
	}
	while (*p) {
		size_t n = strcspn(p, ",");

		(void)snprintf(value, sizeof(value), "%.*s", (int)n, p);
		wrong = gw_settings_put(row, base, value, why, sizeof(why));
		assert(!wrong);
		p += n + (p[n] == ',');
	}
}

void gw_settings_defaults(void *base, const char *prefix)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < gw_settings_nrow; i++) {
		const struct gw_set_row *row = &gw_settings_rows[i];

		if (!strncmp(row->path, prefix, len) &&
		    !strstr(row->path + len, "[]"))
			put_default(row, base);
	}
}

int gw_settings_load(struct gw_settings **out, const char *path, char *err,
		     size_t err_size)
{
	struct gw_settings *set;
	int rc;

	if (strlen(path) >= sizeof(set->file)) {
		(void)snprintf(err, err_size, "%s: name too long", path);
		return -ENAMETOOLONG;
	}
	set = calloc(1, sizeof(*set));
	if (!set) {
		(void)snprintf(err, err_size, "%s: out of memory", path);
		return -ENOMEM;
	}
	memcpy(set->file, path, strlen(path));
	gw_settings_defaults(set, "");
	rc = gw_settings_read(set, err, err_size);
	if (rc) {
		gw_settings_free(set);
		return rc;
	}
	*out = set;
	return 0;
}

void gw_settings_free(struct gw_settings *s)
{
	if (!s)
		return;
	free(s->user);
	/* Shared secrets must not live on in freed memory. */
	explicit_bzero(s, sizeof(*s));
	free(s);
}

void gw_settings_path(char out[GW_SET_PATH], const struct gw_settings *set,
		      const char *name)
{
	if (name[0] == '/')
		(void)snprintf(out, GW_SET_PATH, "%s", name);
	else
		(void)snprintf(out, GW_SET_PATH, "%s/%s", set->state_dir, name);
}
