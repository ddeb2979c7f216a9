sip_SRCS :=
sip_TESTS :=
sip_FUZZ :=
