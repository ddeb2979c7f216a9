sdp_SRCS :=
sdp_TESTS :=
sdp_FUZZ :=
