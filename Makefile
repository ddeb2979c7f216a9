# Isthmus.  Hand-written, non-recursive: each folder's sources.mk lists its own
# objects, unit tests and fuzz targets; everything built lands under build/.
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules
# V=1 shows whole commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))

# These come before the libraries, and start a make of their own behind them.
ifneq ($(filter-out deps demo demo-ims check format clean lab lab-stop lab-check,$(or $(MAKECMDGOALS),all)),)
ifeq ($(wildcard configure)$(shell (command -v autoreconf && \
	pkg-config --exists sofia-sip-ua libwebsockets libuv json-c openssl \
	libsrtp2 libnghttp2 nice yaml-0.1 expat libcrypt sqlite3 libcurl) >/dev/null 2>&1 && echo there),)
$(error libraries are missing; 'make deps' installs them)
endif
-include config.mk
endif

BUILD ?= build
# Set by asan and tsan, which rebuild everything in their own folders.
SANITIZE ?=
WERROR ?=
FUZZ_S ?= 60

include gateway/base/sources.mk
include sdp/sources.mk
include media/sources.mk
include sip/sources.mk
include webrtc/sources.mk
include gateway/sources.mk

# What every binary shares; main.c alone stays out, so that tests can link it.
LIB_SRCS := $(base_SRCS) $(sdp_SRCS) $(media_SRCS) $(sip_SRCS) \
	$(webrtc_SRCS) $(gateway_SRCS)
TESTS := $(base_TESTS) $(sdp_TESTS) $(media_TESTS) $(sip_TESTS) \
	$(webrtc_TESTS) $(gateway_TESTS)
FUZZERS := $(base_FUZZ) $(sdp_FUZZ) $(media_FUZZ) $(sip_FUZZ) \
	$(webrtc_FUZZ) $(gateway_FUZZ)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes \
	-Wstrict-prototypes -Wvla -Wpointer-arith -Wno-sign-conversion
HARDEN := -fstack-protector-strong -fPIE $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
# Libraries' headers are system headers: their warnings are not ours.
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. $(subst -I/,-isystem /,$(DEPS_CFLAGS)) \
	$(WARN) $(WERROR) $(HARDEN) $(OPT_CFLAGS) $(SANITIZE) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS) $(SANITIZE)
LIBS = $(DEPS_LIBS) -lm -lpthread

LIB := $(BUILD)/libisthmus.a
LIB_OBJS := $(LIB_SRCS:%.c=$(BUILD)/%.o)
TEST_BINS := $(TESTS:%=$(BUILD)/tests/%)
# Through a bad network, in namespaces of their own.
NET_TESTS := test_net_loss test_net_setup test_net_path test_net_inject \
	test_net_random test_net_consent
NET_BINS := $(NET_TESTS:%=$(BUILD)/net/%)
NET_OBJS := $(addprefix $(BUILD)/tests/,net/wire.o net/net_call.o \
	unit/media_bench.o unit/media_peer.o unit/light_ice.o)

# The operator's tool: a few files, and none of the daemon's libraries.
CTL_OBJS := $(ctl_SRCS:%.c=$(BUILD)/%.o)

all: $(BUILD)/isthmus $(BUILD)/isthmusctl

config.mk config.h &: config.mk.in config.h.in configure
	$(call say,GEN,config.mk)
	$(Q)./configure $(if $(V),,--quiet) $(CONFIGURE_FLAGS)
	@touch config.mk config.h
configure config.h.in &: configure.ac
	$(call say,GEN,configure)
	$(Q)autoreconf -fi
	@touch configure config.h.in

# The archive is made anew: an object that left a list must leave it too.
$(LIB): $(LIB_OBJS)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/isthmus: $(BUILD)/gateway/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/isthmusctl: $(CTL_OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CTL_LIBS)

$(BUILD)/%.o: %.c config.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Where 'isthmus' without -c looks, and where the pages are by default.
$(BUILD)/gateway/main.o $(BUILD)/gateway/settings.o: OPT_CFLAGS += \
	-DGW_SYSCONFDIR='"$(sysconfdir)"' -DGW_DATADIR='"$(datadir)"'

$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CMOCKA_LIBS) $(LIBS)

$(BUILD)/net/%: $(BUILD)/tests/net/%.o $(NET_OBJS) $(LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CMOCKA_LIBS) $(LIBS)

# What make bench runs: the load, our relay alone, and the floor.
BENCH_BINS := $(addprefix $(BUILD)/bench/,load relay forwarder)
bench-bins: $(BENCH_BINS)
$(BUILD)/bench/load: $(addprefix $(BUILD)/tests/bench/load_,call.o daemon.o \
	find.o stat.o wire.o)
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/tests/bench/ng.o $(LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

-include $(wildcard $(BUILD)/tests/bench/*.d)
-include $(wildcard $(BUILD)/tests/net/*.d)
-include $(LIB_OBJS:.o=.d) $(BUILD)/gateway/main.d $(CTL_OBJS:.o=.d) \
	$(wildcard $(BUILD)/tests/unit/*.d)
.SECONDARY:

# Everything that unit and net run, for who runs them beside something else.
unit-bins: $(TEST_BINS)
net-bins: $(NET_BINS)
test-bins: unit-bins net-bins

deps:
	@tests/deps.sh

# Ours beside the peers, in one run; BENCH=quick: two minutes; ONLY="a b".
bench: all bench-bins
	tests/bench/run.sh

unit: $(TEST_BINS)
	tests/run-unit.sh $(TEST_BINS)

net: $(NET_BINS)
	tests/net/run.sh $(NET_BINS)

sipp: all
	sipp-scenarios/run.sh $(BUILD)/isthmus

e2e: all
	tests/e2e/run.sh $(BUILD)/isthmus

# The gateway in front of a real IMS core: the lab's, started for it.
ims: all
	tests/ims/run.sh $(BUILD)/isthmus

# Registrations through it, 2,000 at 100 a second (LOAD_CLIENTS, LOAD_RATE).
bench-registrations: all
	@ulimit -n $$(ulimit -Hn); LAB_PHONES_OFF=1 \
		LOAD_CLIENTS=$${LOAD_CLIENTS:-2000} \
		tests/ims/run.sh $(BUILD)/isthmus tests/ims/load.test.mjs

# Not 'check: all': on a fresh machine the libraries come first.
check:
	@tests/check.sh

# Under make -jN, in its slots.
demo: deps
	@$(MAKE) -s $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$$(nproc)) all
	@web/demo.sh $(BUILD)/isthmus

# The same with an IMS core between them: the lab's.
demo-ims: deps
	@lab/deps.sh
	@$(MAKE) -s $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$$(nproc)) all
	@web/demo.sh $(BUILD)/isthmus ims

# An IMS core and two phones on loopback; see docs/lab.md.
lab:
	@lab/deps.sh && lab/start.sh
lab-stop:
	@lab/stop.sh
lab-check:
	@lab/deps.sh && lab/check.sh

# Every parser, FUZZ_S seconds each, from the committed corpora.
fuzz:
	tests/fuzz/run.sh $(FUZZ_S) $(FUZZERS)
$(BUILD)/fuzz/%: tests/fuzz/%.c $(LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer -o $@ $< $(LIB) $(LDFLAGS) $(LIBS)

asan:
	tests/sanitize.sh asan
tsan:
	tests/sanitize.sh tsan

lint: all
	tests/lint/run.sh $(BUILD)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

install: all
	install -D -m755 $(BUILD)/isthmus $(DESTDIR)$(bindir)/isthmus
	install -D -m755 $(BUILD)/isthmusctl $(DESTDIR)$(bindir)/isthmusctl
	install -D -m640 conf/isthmus.yaml $(DESTDIR)$(sysconfdir)/isthmus/isthmus.yaml
	install -D -m644 conf/isthmus.service $(DESTDIR)$(prefix)/lib/systemd/system/isthmus.service
	sed -i 's#/usr/local/etc#$(sysconfdir)#g; s#/usr/local#$(prefix)#g' \
		$(DESTDIR)$(sysconfdir)/isthmus/isthmus.yaml \
		$(DESTDIR)$(prefix)/lib/systemd/system/isthmus.service
	for f in $$(cd web && find . -type f \( -name '*.js' -o -name '*.html' -o -name '*.css' -o -name '*.svg' -o -name '*.d.ts' \) ! -path './node_modules/*'); do \
		install -D -m644 web/$$f $(DESTDIR)$(datadir)/isthmus/web/$$f; done

clean:
	rm -rf build

.PHONY: all deps bench bench-registrations bench-bins unit-bins net-bins test-bins unit net sipp e2e ims check demo demo-ims lab lab-stop lab-check fuzz asan tsan lint format install clean
