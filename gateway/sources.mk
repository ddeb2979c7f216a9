gateway_SRCS := gateway/settings.c gateway/settings_check.c gateway/settings_emergency.c \
	gateway/settings_yaml.c gateway/admin.c gateway/call.c \
	gateway/call_compare.c gateway/call_desc.c gateway/call_early.c \
	gateway/call_fsm.c gateway/call_media.c gateway/call_qos.c gateway/call_qos_update.c \
	gateway/call_newcomer.c gateway/call_replace.c gateway/link_leg.c \
	gateway/call_route.c gateway/call_setup.c gateway/call_transfer.c gateway/call_update.c gateway/call_text.c \
	gateway/call_update_own.c gateway/call_video.c \
	gateway/cdr.c gateway/core.c gateway/ctl.c gateway/ctl_addr.c \
	gateway/ctl_cmd.c gateway/ctl_json.c gateway/echo_leg.c gateway/enrol.c \
	gateway/enrol_held.c gateway/enrol_pool.c gateway/enrol_resume.c gateway/enrol_share.c \
	gateway/enrol_who.c gateway/fork_leg.c gateway/oa.c \
	gateway/pager.c gateway/quality.c gateway/quality_video.c gateway/reg_keep.c \
	gateway/route.c gateway/store.c gateway/store_db.c gateway/store_file.c \
	gateway/store_pool.c gateway/store_reg.c gateway/store_schema.c \
	gateway/store_subscriber.c gateway/users.c
gateway_TESTS := test_settings test_call_fsm test_oa test_route test_call \
	test_call_more test_call_early test_call_ivr test_call_late test_call_gateway_offer test_call_offer test_call_transfer test_call_transfer_web test_call_transfer_edges test_call_video test_pager test_quality test_quality_video test_store test_call_cross test_call_early_all test_call_qos \
	test_store_faults test_enrol test_enrol_who test_fork_leg \
	test_reg_keep test_enrol_resume test_call_emergency \
	test_settings_emergency
gateway_FUZZ := fuzz_ctl
ctl_SRCS := gateway/isthmusctl.c gateway/isthmusctl_io.c \
	gateway/isthmusctl_print.c gateway/ctl_addr.c
