base_SRCS :=
base_TESTS :=
base_FUZZ :=
