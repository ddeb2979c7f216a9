sip_SRCS := sip/stack.c sip/stack_addr.c sip/stack_emergency.c sip/stack_log.c sip/stack_request.c \
	sip/dialog.c sip/dialog_uac.c sip/dialog_orphan.c sip/interposed.c sip/session.c sip/session_fsm.c sip/session_uac.c \
	sip/session_uas.c sip/session_offer.c sip/session_early.c sip/session_suspend.c sip/session_timer.c \
	sip/extension.c sip/ims_info.c sip/ims_leg.c sip/ims_read.c sip/ims_tell.c sip/ims_cause.c \
	sip/message.c sip/refer.c \
	sip/ident.c sip/multipart.c sip/credentials.c sip/digest.c sip/tls.c sip/tls_files.c \
	sip/regn.c sip/regn_fsm.c sip/regn_register.c sip/regn_auth.c sip/regn_event.c \
	sip/regn_core.c sip/regn_call.c sip/regn_nta.c sip/milenage.c sip/reginfo.c
sip_TESTS := test_sip_session_fsm test_sip_challenge test_sip_uac test_sip_uas test_sip_early test_sip_any test_sip_timer test_sip_refresh test_sip_body test_sip_conditions test_sip_suspend test_sip_early_media test_multipart test_sip_stack test_interposed test_digest test_cause test_sip_session_walk \
	test_sip_regn test_sip_regn_auth test_sip_regn_call test_sip_regn_fsm test_milenage \
	test_reginfo test_sip_regn_event test_sip_regn_core test_sip_message test_sip_refer test_sip_orphan test_sip_stream test_sip_refer_more \
	test_sip_emergency test_sip_info test_sip_left
sip_FUZZ := fuzz_reginfo fuzz_multipart fuzz_call_info
