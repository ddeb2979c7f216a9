media_SRCS :=
media_TESTS :=
media_FUZZ :=
