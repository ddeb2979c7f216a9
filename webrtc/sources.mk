webrtc_SRCS :=
webrtc_TESTS :=
webrtc_FUZZ :=
