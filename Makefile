# SPDX-License-Identifier: GPL-2.0-or-later
#
# tcpwatch: `make help` lists what can be made. Everything built goes below .output/, and a package beside this file too.

PREFIX ?= /usr/local
sbindir ?= $(PREFIX)/sbin
bindir ?= $(PREFIX)/bin
sysconfdir ?= /etc
unitdir ?= $(PREFIX)/lib/systemd/system
sysusersdir ?= $(PREFIX)/lib/sysusers.d
catalogdir ?= $(PREFIX)/lib/systemd/catalog
mandir ?= $(PREFIX)/share/man
bashdir ?= $(PREFIX)/share/bash-completion/completions
zshdir ?= $(PREFIX)/share/zsh/site-functions
fishdir ?= $(PREFIX)/share/fish/vendor_completions.d

CLANG ?= clang
PKG_CONFIG ?= pkg-config
# Ubuntu's /usr/sbin/bpftool asks for the package of the running kernel; any other one will do too.
BPFTOOL ?= $(firstword $(wildcard /usr/lib/linux-tools/*/bpftool /usr/sbin/bpftool /usr/bin/bpftool) \
	bpftool)
# Debian's, which has pytest, and not one that happens to come first in PATH.
PYTHON ?= /usr/bin/python3

# SAN=1 builds with the sanitizers, beside the ordinary build.
OUT := .output$(if $(SAN),/san)

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wformat=2 -Wvla -Wundef -Werror
HARDENING := -fstack-protector-strong -fPIE \
	$(if $(filter -O0,$(CFLAGS))$(findstring _FORTIFY_SOURCE,$(CFLAGS) $(CPPFLAGS)),,-U_FORTIFY_SOURCE \
	-D_FORTIFY_SOURCE=2)
# Wherever it is built, the same bytes come out.
paths := -ffile-prefix-map=$(CURDIR)=.
tw_cflags := -std=gnu11 -D_GNU_SOURCE -Iinclude -Idaemon -I$(OUT) $(WARNINGS) $(paths)
tw_ldflags := $(paths) -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ifdef SAN
tw_cflags += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
tw_ldflags += -fsanitize=address,undefined
else
tw_cflags += $(HARDENING)
# The programs are optimized as wholes: a transition goes through short functions of many files. The
# tests are not, and linked in a moment.
lto := -flto=auto -ffat-lto-objects
endif

daemon_packages := libbpf libelf zlib libsystemd libmicrohttpd json-c inih libcap-ng libseccomp
ctl_packages := json-c libcurl
test_packages := cmocka

# Asked for once, and only when something is compiled: `make help` works before the packages are there.
packages := $(daemon_packages) libcurl
package_cflags = $(eval package_cflags := $$(shell $(PKG_CONFIG) --cflags $(packages)))$(package_cflags)
libraries = $(shell $(PKG_CONFIG) --libs $(1))

ifeq ($(V),1)
say = @:
else
.SILENT:
say = @printf '  %-5s %s\n'
endif

base_sources := $(wildcard daemon/base/*.c)
daemon_sources := $(wildcard daemon/*.c daemon/source/*.c daemon/model/*.c daemon/alert/*.c \
	daemon/serve/*.c)
ctl_sources := $(wildcard daemon/ctl/*.c)
unit_sources := $(wildcard tests/unit/test_*.c)
bpf_sources := $(wildcard bpf/*.bpf.c)
all_c := $(wildcard bpf/*.[ch] include/*/*.h daemon/*.[ch] daemon/*/*.[ch] tests/*/*.[ch])

object = $(patsubst %.c,$(OUT)/%.o,$(1))
skeletons := $(patsubst bpf/%.bpf.c,$(OUT)/bpf/%.skel.h,$(bpf_sources))
programs := $(OUT)/tcpwatchd $(OUT)/tcpwatchctl
unit_programs := $(patsubst tests/unit/%.c,$(OUT)/tests/unit/%,$(unit_sources))

.PHONY: all help deps run check check-tree check-unit check-replay check-system check-packages check-vm \
	unit-programs bench format install deb rpm clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(programs) ## build both programs into .output/ (no root needed)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  V=1 shows each command, SAN=1 builds with ASan and UBSan, PREFIX and DESTDIR place an installation.'

deps: ## install the packages that building and testing take (root)
	packaging/install-deps build test

# Each object depends on this file, which changes when the flags do.
flags := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(lto) $(tw_cflags) $(tw_ldflags) $(CLANG) $(BPFTOOL)
not_mine = $(shell find .output -path .output/vm -prune -o ! -writable -print -quit 2>/dev/null)
$(OUT)/flags: FORCE
	$(if $(not_mine),echo "$(not_mine) was made by another user; to build as yourself: sudo make clean" >&2; exit 1)
	for tool in $(CC) $(CLANG) $(BPFTOOL) $(PKG_CONFIG); do \
		command -v "$$tool" >/dev/null || { \
			echo "$$tool is missing; sudo make deps installs what a build takes" >&2; exit 1; }; done
	$(PKG_CONFIG) --print-errors --exists $(packages) || { \
		echo "libraries are missing; sudo make deps installs what a build takes" >&2; exit 1; }
	mkdir -p $(@D)
	printf '%s\n' '$(subst ','\'',$(flags))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(flags))' > $@

# The kernel side: object, then skeleton. The flags know nothing of the build host's kernel.
bpf_arch := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/; s/ppc64le/powerpc/; s/riscv64/riscv/')
multiarch := $(shell $(CC) -print-multiarch 2>/dev/null)
bpf_cflags := -target bpf -mcpu=v3 -g -O2 -Wall -Wextra -Wno-unused-parameter -Werror -Iinclude -Ibpf \
	$(if $(multiarch),-I/usr/include/$(multiarch)) -D__TARGET_ARCH_$(bpf_arch) \
	$(paths)

$(OUT)/bpf/%.bpf.o: bpf/%.bpf.c $(OUT)/flags
	$(say) BPF $<
	mkdir -p $(@D)
	$(CLANG) $(bpf_cflags) -MMD -MP -c $< -o $@

$(OUT)/bpf/%.skel.h: $(OUT)/bpf/%.bpf.o
	$(say) SKEL $@
	$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# The user side. A first build cannot know who includes a skeleton; later ones read it in the .d files.
$(call object,$(daemon_sources)): | $(skeletons)

$(OUT)/%.o: %.c $(OUT)/flags
	$(say) CC $<
	mkdir -p $(@D)
	$(CC) $(tw_cflags) $(package_cflags) $(CPPFLAGS) $(CFLAGS) $(lto) -frandom-seed=$< -MMD -MP -c $< -o $@

# Archives, so that each program takes only what it uses; main() stays out of them.
base_objects := $(call object,$(base_sources))
daemon_objects := $(filter-out $(OUT)/daemon/main.o,$(call object,$(daemon_sources)))
ctl_objects := $(filter-out $(OUT)/daemon/ctl/main.o,$(call object,$(ctl_sources)))
$(OUT)/libbase.a: $(base_objects)
$(OUT)/libdaemon.a: $(daemon_objects)
$(OUT)/libctl.a: $(ctl_objects)
$(OUT)/%.a:
	$(say) AR $@
	rm -f $@
	$(AR) rcsD $@ $^

$(OUT)/tcpwatchd: $(OUT)/daemon/main.o $(OUT)/libdaemon.a $(OUT)/libbase.a
	$(say) LINK $@
	$(CC) $(tw_ldflags) $(lto) $(LDFLAGS) $^ $(call libraries,$(daemon_packages)) -o $@

$(OUT)/tcpwatchctl: $(OUT)/daemon/ctl/main.o $(OUT)/libctl.a $(OUT)/libbase.a
	$(say) LINK $@
	$(CC) $(tw_ldflags) $(lto) $(LDFLAGS) $^ $(call libraries,$(ctl_packages)) -o $@

# What to type in another window stands on the screen before the daemon's first line.
run: ## install what a build takes, build, and run the daemon in the foreground (root)
	[ "$$(id -u)" = 0 ] || { echo 'the daemon needs root: sudo make run' >&2; exit 1; }
	packaging/install-deps build
	+$(MAKE) --no-print-directory all
	printf '%s\n' '' 'Look from another window (as root, or as a member of group tcpwatch); Ctrl-C ends the daemon:' \
		'  $(CURDIR)/.output/tcpwatchctl status' \
		'  $(CURDIR)/.output/tcpwatchctl list --state established' \
		'  curl http://127.0.0.1:10924/metrics' ''
	exec .output/tcpwatchd --config packaging/tcpwatchd.conf

# The tests. Each suite ends with a line of its own that counts; nothing is written outside .output/ and /tmp.
run_pytest := PYTHONDONTWRITEBYTECODE=1 PATH="$$PATH:/usr/sbin:/sbin:$(CURDIR)/.output/tools/usr/bin" \
	$(PYTHON) -m pytest -q -rs -p no:cacheprovider
suites := tree unit replay system packages vm

check: ## install what testing takes, build, and run every suite (root)
	[ "$$(id -u)" = 0 ] || { echo 'the tests make network namespaces and load BPF: sudo make check' >&2; exit 1; }
	packaging/install-deps build test package vm
	+$(MAKE) --no-print-directory all
	+failed=; for suite in $(suites); do \
		echo "== check-$$suite"; \
		$(MAKE) --no-print-directory check-$$suite || failed="$$failed check-$$suite"; \
	done; \
	if [ -n "$$failed" ]; then echo "== failed:$$failed" >&2; exit 1; fi; \
	echo '== all passed'

check-tree: $(programs) ## layers, format, documents in step with the code
	tests/check/run tests/check/check_*.py

unit-programs: $(unit_programs)

$(OUT)/tests/unit/%: $(OUT)/tests/unit/%.o $(OUT)/libctl.a $(OUT)/libdaemon.a $(OUT)/libbase.a
	$(say) LINK $@
	$(CC) $(tw_ldflags) -fno-lto $(LDFLAGS) $^ $(call libraries,$(packages) $(test_packages)) -o $@

check-unit: ## each module by itself, once more with ASan and UBSan (no root needed)
	+$(MAKE) --no-print-directory unit-programs
	+$(MAKE) --no-print-directory SAN=1 unit-programs
	tests/check/run $(patsubst tests/unit/%.c,.output/tests/unit/%,$(unit_sources)) \
		$(patsubst tests/unit/%.c,.output/san/tests/unit/%,$(unit_sources))

check-replay: $(OUT)/tcpwatchd ## recorded streams in virtual time (no root needed)
	$(run_pytest) tests/replay

check-system: $(programs) $(OUT)/tests/bench/flood ## real sockets in network namespaces of the tests' own (root)
	$(run_pytest) tests/system

check-packages: ## build the packages twice and look at them: the same bytes, right files, lintian (Debian)
	packaging/install-deps build package
	$(PYTHON) -B tests/check/packages.py

check-vm: $(programs) $(OUT)/tests/bench/flood ## the same on other kernels, and the package under systemd, in virtual machines (root; KERNELS="6.1 service"; SELECTION=whole for all tests)
	packaging/install-deps package vm
	tests/vm/run $(if $(SELECTION),--selection $(SELECTION)) $(if $(TESTS),--tests "$(TESTS)") $(KERNELS)

# The bench's generators stand alone: what they cost must not depend on what is measured.
bench_programs := $(addprefix $(OUT)/tests/bench/,load hold flood listen)
$(bench_programs): $(OUT)/%: $(OUT)/%.o $(OUT)/tests/bench/loopback.o
	$(say) LINK $@
	$(CC) $(tw_ldflags) $(LDFLAGS) $^ -o $@

# These measure a part of the daemon by itself.
$(OUT)/tests/bench/attach.o: | $(skeletons)
part_programs := $(addprefix $(OUT)/tests/bench/,attach hook)
$(part_programs): $(OUT)/%: $(OUT)/%.o $(addprefix $(OUT)/,tests/bench/loopback.o tests/bench/rates.o libdaemon.a libbase.a)
	$(say) LINK $@
	$(CC) $(tw_ldflags) $(LDFLAGS) $^ $(call libraries,$(daemon_packages)) -o $@

$(OUT)/tests/bench/empty.bpf.o: tests/bench/empty.bpf.c
	$(say) BPF $<
	mkdir -p $(@D)
	$(CLANG) $(bpf_cflags) -MMD -MP -c $< -o $@

bench: $(programs) $(bench_programs) $(part_programs) $(OUT)/tests/bench/empty.bpf.o ## measure tcpwatch beside its peers (root; some 10 minutes, BENCH=--quick for 2)
	$(PYTHON) -B tests/bench/bench.py $(BENCH)

format: ## bring the C files into the house's format
	clang-format -i $(all_c)

# A configuration that is there stays as it is: somebody may have written it.
configuration := $(DESTDIR)$(sysconfdir)/tcpwatch/tcpwatchd.conf
install: $(programs) ## install the programs with units, manual pages and completions; the configuration where there is none
	install -D -m 755 $(OUT)/tcpwatchd $(DESTDIR)$(sbindir)/tcpwatchd
	install -D -m 755 $(OUT)/tcpwatchctl $(DESTDIR)$(bindir)/tcpwatchctl
	for page in packaging/man/*.[1-8]; do \
		install -D -m 644 -t $(DESTDIR)$(mandir)/man$${page##*.} $$page || exit; done
	install -D -m 644 packaging/completion/tcpwatchctl.bash $(DESTDIR)$(bashdir)/tcpwatchctl
	install -D -m 644 packaging/completion/tcpwatchctl.zsh $(DESTDIR)$(zshdir)/_tcpwatchctl
	install -D -m 644 packaging/completion/tcpwatchctl.fish $(DESTDIR)$(fishdir)/tcpwatchctl.fish
	install -D -m 644 packaging/systemd/tcpwatch.sysusers $(DESTDIR)$(sysusersdir)/tcpwatch.conf
	install -D -m 644 packaging/systemd/tcpwatch.catalog $(DESTDIR)$(catalogdir)/tcpwatch.catalog
	install -D -m 644 packaging/systemd/tcpwatchd.socket $(DESTDIR)$(unitdir)/tcpwatchd.socket
	install -D -m 644 packaging/systemd/tcpwatchd.service $(DESTDIR)$(unitdir)/tcpwatchd.service
	sed -i 's|^ExecStart=/usr/sbin/|ExecStart=$(sbindir)/|' $(DESTDIR)$(unitdir)/tcpwatchd.service
	[ -e $(configuration) ] || install -D -m 644 packaging/tcpwatchd.conf $(configuration)

deb: ## build the Debian package, here as ./tcpwatch_*.deb, with its sources in .output/deb
	packaging/install-deps build package
	packaging/make-deb .output/deb
	rm -f tcpwatch_*.deb
	cp .output/deb/tcpwatch_*.deb .
	ls tcpwatch_*.deb

rpm: ## build the RPM package, here as ./tcpwatch-*.rpm
	packaging/install-deps build package
	packaging/make-rpm .output/rpm
	rm -f tcpwatch-*.rpm
	cp .output/rpm/*/tcpwatch-[0-9]*.rpm .
	ls tcpwatch-*.rpm

clean: ## remove what was built
	rm -rf .output tcpwatch_*.deb tcpwatch-*.rpm

# Nothing of what packages and virtual machines were built in.
-include $(shell find $(OUT) \( -path $(OUT)/vm -o -path $(OUT)/deb -o -path $(OUT)/rpm \) -prune -o -name '*.d' -print \
	2>/dev/null)
