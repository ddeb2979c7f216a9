base_SRCS := \
	gateway/base/addr.c \
	gateway/base/buf.c \
	gateway/base/call_info.c \
	gateway/base/dtmf_relay.c \
	gateway/base/emergency.c \
	gateway/base/epoll_shim.c \
	gateway/base/ids.c \
	gateway/base/log.c \
	gateway/base/loop.c \
	gateway/base/mailbox.c \
	gateway/base/media_control.c \
	gateway/base/metrics.c \
	gateway/base/timers.c
base_TESTS := test_addr test_buf test_call_info test_dtmf_relay test_emergency test_ids test_log test_loop \
	test_mailbox test_media_control test_metrics test_timers
base_FUZZ := fuzz_emergency
