webrtc_SRCS :=
webrtc_TESTS :=
webrtc_FUZZ :=

webrtc_SRCS += \
	webrtc/h2_hello.c \
	webrtc/h2_http.c \
	webrtc/h2_session.c \
	webrtc/h2_sock.c \
	webrtc/h2_tls.c \
	webrtc/h2_ws.c \
	webrtc/selfsigned.c \
	webrtc/utf8.c \
	webrtc/ws_app.c \
	webrtc/ws_conn.c \
	webrtc/ws_http.c \
	webrtc/ws_limits.c \
	webrtc/ws_listen.c \
	webrtc/ws_lws_conn.c \
	webrtc/ws_lws_http.c \
	webrtc/ws_net.c \
	webrtc/ws_origin.c \
	webrtc/ws_pages.c \
	webrtc/ws_server.c \
	webrtc/ws_tls.c \
	webrtc/wsframe.c
webrtc_TESTS += test_utf8 test_ws_http test_ws_limits test_ws_server \
	test_wsframe test_h2 test_h2_ws

webrtc_SRCS += \
	webrtc/auth_check.c \
	webrtc/auth_hash.c \
	webrtc/auth_turn.c \
	webrtc/claims.c \
	webrtc/form.c \
	webrtc/http_fetch.c \
	webrtc/introspect.c \
	webrtc/jwk.c \
	webrtc/jwks.c \
	webrtc/jwt.c \
	webrtc/registry.c \
	webrtc/registry_map.c \
	webrtc/respect_app.c \
	webrtc/respect_auth.c webrtc/respect_auth_job.c webrtc/respect_enrol.c \
	webrtc/respect_build.c \
	webrtc/respect_call_info.c \
	webrtc/respect_conn.c \
	webrtc/respect_emergency.c \
	webrtc/respect_info.c \
	webrtc/respect_leg.c \
	webrtc/respect_leg_fsm.c \
	webrtc/respect_leg_in.c \
	webrtc/respect_keep.c \
	webrtc/respect_msg.c \
	webrtc/respect_outcome.c \
	webrtc/respect_report.c \
	webrtc/respect_target.c \
	webrtc/respect_token.c \
	webrtc/txn.c \
	webrtc/waf.c \
	webrtc/waf_grant.c \
	webrtc/waf_key.c \
	webrtc/waf_login.c \
	webrtc/waf_page.c \
	webrtc/waf_throttle.c \
	webrtc/waf_token.c \
	webrtc/web.c \
	webrtc/web_regs.c \
	webrtc/wire.c
webrtc_TESTS += test_respect_leg test_respect_resume test_respect_enrol test_auth test_auth_users test_txn \
	test_respect_msg test_jwt test_respect_keep test_registry test_jwk test_waf \
	test_respect_app test_respect_emergency test_respect_call_info
webrtc_FUZZ += fuzz_respect fuzz_jwt fuzz_jwk fuzz_waf fuzz_wsframe fuzz_h2
