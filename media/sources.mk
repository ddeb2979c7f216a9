media_SRCS :=
media_TESTS :=
media_FUZZ :=
media_SRCS += media/discard.c media/dtmf.c media/flow.c media/flow_map.c \
	media/flow_rtcp.c media/nack.c media/rtcp.c media/rtcp_fb.c media/rtp.c media/rtp_ext.c media/rtx.c
media_SRCS += media/media.c media/worker.c media/worker_poll.c media/context.c \
	media/context_assoc.c media/context_bundle.c media/context_dtls.c \
	media/context_feedback.c media/context_relay.c media/context_report.c \
	media/ice.c media/ice_full.c media/ice_full_desc.c media/ice_full_path.c \
	media/ice_addrs.c \
	media/ice_lite.c media/ice_loop.c media/ice_split.c media/probe.c \
	media/consent.c media/lag.c media/lite_port.c media/stun.c media/dtls.c media/dtls_bio.c \
	media/dtls_cert.c media/dtls_ctx.c media/dtls_flight.c media/srtp.c media/srtp_openssl.c \
	media/rtpsock.c media/rtpsock_ports.c media/tos.c
media_TESTS += test_dtmf test_flow test_flow_dtmf test_flow_rtcp test_nack test_rtcp test_rtp test_rtp_ext test_rtx
media_FUZZ += fuzz_consent fuzz_demux fuzz_ice_lite fuzz_rtcp fuzz_rtp
media_TESTS += test_srtp test_dtls test_consent test_probe test_ice_split test_ice test_ice_addrs test_ice_lite test_media_rtpsock test_media_relay test_ice_lite_pairs \
	test_media_video test_media_webrtc test_media_spare test_media_load test_media_stale test_media_long test_media_browser test_media_worker
# The tests' own browser.
$(BUILD)/tests/test_media_relay $(BUILD)/tests/test_media_video \
$(BUILD)/tests/test_media_webrtc $(BUILD)/tests/test_media_spare $(BUILD)/tests/test_media_browser \
$(BUILD)/tests/test_media_load: $(BUILD)/tests/unit/media_peer.o \
	$(BUILD)/tests/unit/media_bench.o $(BUILD)/tests/unit/light_ice.o
# Memory that runs out.
$(BUILD)/tests/test_media_worker: ALL_LDFLAGS += -Wl,--wrap=malloc
