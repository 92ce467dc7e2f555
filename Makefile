# SPDX-License-Identifier: GPL-2.0-or-later
#
# tcpwatch: `make help` lists what can be made. Everything built goes below .output/.

PREFIX ?= /usr/local
sbindir ?= $(PREFIX)/sbin
bindir ?= $(PREFIX)/bin
sysconfdir ?= /etc

CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config

# SAN=1 builds with the sanitizers, beside the ordinary build.
OUT := .output$(if $(SAN),/san)

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wformat=2 -Wvla -Wundef -Werror
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
tw_cflags := -std=gnu11 -D_GNU_SOURCE -Iinclude -Idaemon -I$(OUT) $(WARNINGS)
tw_ldflags := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ifdef SAN
tw_cflags += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
tw_ldflags += -fsanitize=address,undefined
else
tw_cflags += $(HARDENING)
endif

daemon_packages := libbpf libelf zlib libsystemd libmicrohttpd json-c inih
ctl_packages := json-c libcurl
test_packages := cmocka

# Asked for only where something is compiled, so that `make help` works before the packages are there.
flags = $(shell $(PKG_CONFIG) --cflags $(1))
libraries = $(shell $(PKG_CONFIG) --libs $(1))

ifeq ($(V),1)
say = @:
else
.SILENT:
say = @printf '  %-5s %s\n'
endif

base_sources := $(wildcard daemon/base/*.c)
daemon_sources := $(base_sources) $(wildcard daemon/*.c daemon/source/*.c daemon/model/*.c daemon/serve/*.c)
ctl_sources := $(base_sources) $(wildcard daemon/ctl/*.c)
unit_sources := $(wildcard tests/unit/test_*.c)
bpf_sources := $(wildcard bpf/*.bpf.c)

object = $(patsubst %.c,$(OUT)/%.o,$(1))
skeletons := $(patsubst bpf/%.bpf.c,$(OUT)/bpf/%.skel.h,$(bpf_sources))
programs := $(OUT)/tcpwatchd $(OUT)/tcpwatchctl
unit_programs := $(patsubst tests/unit/%.c,$(OUT)/tests/unit/%,$(unit_sources))

.PHONY: all help deps run check check-unit check-replay check-system check-tree bench format install clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(programs) ## build both programs into .output/ (no root needed)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  V=1 shows each command, SAN=1 builds with ASan and UBSan, PREFIX and DESTDIR place an installation.'

# The kernel side: object, then skeleton. The flags know nothing of the build host's kernel.
bpf_arch := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/; s/ppc64le/powerpc/; s/riscv64/riscv/')
multiarch := $(shell $(CC) -print-multiarch 2>/dev/null)
bpf_cflags := -target bpf -mcpu=v3 -g -O2 -Wall -Wextra -Wno-unused-parameter -Werror -Iinclude -Ibpf \
	$(if $(multiarch),-I/usr/include/$(multiarch)) -D__TARGET_ARCH_$(bpf_arch)

$(OUT)/bpf/%.bpf.o: bpf/%.bpf.c | $(OUT)/bpf
	$(say) BPF $<
	$(CLANG) $(bpf_cflags) -MMD -MP -c $< -o $@

$(OUT)/bpf/%.skel.h: $(OUT)/bpf/%.bpf.o
	$(say) SKEL $@
	$(BPFTOOL) gen skeleton $< name $* > $@

$(OUT)/bpf:
	mkdir -p $@

# The user side.
$(call object,$(daemon_sources)): | $(skeletons)

$(OUT)/%.o: %.c
	$(say) CC $<
	mkdir -p $(@D)
	$(CC) $(tw_cflags) $(CFLAGS) $(call flags,$(daemon_packages) libcurl $(test_packages)) -MMD -MP -c $< -o $@

$(OUT)/tcpwatchd: $(call object,$(daemon_sources))
	$(say) LINK $@
	$(CC) $(tw_ldflags) $(LDFLAGS) $^ $(call libraries,$(daemon_packages)) -o $@

$(OUT)/tcpwatchctl: $(call object,$(ctl_sources))
	$(say) LINK $@
	$(CC) $(tw_ldflags) $(LDFLAGS) $^ $(call libraries,$(ctl_packages)) -o $@

# Each unit test is a program of its own, linked with all of the daemon but its main().
daemon_parts := $(filter-out $(OUT)/daemon/main.o,$(call object,$(daemon_sources)))
$(OUT)/tests/unit/%: $(OUT)/tests/unit/%.o $(daemon_parts)
	$(say) LINK $@
	$(CC) $(tw_ldflags) $(LDFLAGS) $^ $(call libraries,$(daemon_packages) $(test_packages)) -o $@

# The bench's generators stand alone: what they cost must not depend on what is measured.
bench_programs := $(OUT)/tests/bench/load $(OUT)/tests/bench/hold
$(bench_programs): $(OUT)/%: $(OUT)/%.o $(OUT)/tests/bench/loopback.o
	$(say) LINK $@
	$(CC) $(tw_ldflags) $(LDFLAGS) $^ -o $@

bench: $(programs) $(bench_programs) ## measure tcpwatch beside its peers (root; some 10 minutes, BENCH=--quick for 2)
	/usr/bin/python3 tests/bench/bench.py $(BENCH)

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)

clean: ## remove what was built
	rm -rf .output
