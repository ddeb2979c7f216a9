gateway_SRCS :=
gateway_TESTS :=
gateway_FUZZ :=
