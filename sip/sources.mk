sip_SRCS := sip/stack.c sip/dialog.c sip/session.c sip/session_fsm.c sip/session_uac.c \
	sip/session_uas.c sip/session_offer.c sip/ims_leg.c sip/ims_cause.c \
	sip/ident.c sip/digest.c sip/tls.c sip/tls_files.c
sip_TESTS := test_sip_session_fsm test_sip_uac test_sip_uas test_sip_stack test_digest test_cause
sip_FUZZ :=
