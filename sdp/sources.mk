sdp_SRCS := sdp/sdp.c sdp/scan.c sdp/read.c sdp/read_line.c sdp/codec.c \
	sdp/dir.c sdp/relay.c sdp/relay_ext.c sdp/compare.c sdp/print.c sdp/print_web.c \
	sdp/print_core.c sdp/precondition.c
sdp_TESTS := test_sdp test_sdp_corpus test_sdp_print test_sdp_relay test_sdp_video test_sdp_fmtp \
	test_session test_dir test_precondition
sdp_FUZZ := fuzz_sdp
