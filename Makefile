# Program Explorer. `make run` and `make test` do everything from nothing; `make help` lists the rest.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: playground install uninstall bench-lb bench-vm nested all help deps run test lint lint-layers format bench clean guest kernel images compile_commands
.DEFAULT_GOAL := all

B := $(if $(SAN),build-san,build)
BIN := $(B)/bin
export PE_BUILD := $(abspath $(B))

CC := gcc
comma := ,
WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
	-Wformat=2 -Wno-format-truncation -Wvla -Wimplicit-fallthrough -Werror
CFLAGS := -std=gnu11 -O2 -g -fno-omit-frame-pointer -D_FORTIFY_SOURCE=2 -fstack-protector-strong
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all -U_FORTIFY_SOURCE)
CPPFLAGS := -I. -D_GNU_SOURCE

# ---- what Debian provides; installed on first need ----
PACKAGES := gcc libc6-dev make pkg-config libh2o-evloop-dev libwslay-dev libjansson-dev libarchive-dev libsquashfs-dev \
	libcurl4-openssl-dev libssl-dev liblmdb-dev libmemcached-dev libsystemd-dev libjemalloc-dev libinih-dev libcmocka-dev qemu-system-x86 crun \
	mmdebstrap debian-archive-keyring zstd cpio kmod python3 ca-certificates squashfs-tools squashfs-tools-ng procps \
	skopeo umoci docker-registry bsdutils python3-yaml python3-jsonschema memcached openssl curl systemd
LINT_PACKAGES := clang-format clang-tidy cppcheck

deps: $(B)/.deps
$(B)/.deps: Makefile
	@mkdir -p $(B)
	@deploy/install-packages $(PACKAGES)
	@touch $@

# ---- rooms: sources by folder ----
src = $(wildcard $(1)/*.c)
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
BASE := $(call obj,$(call src,base))
CODEC := $(call obj,$(call src,codec))
PROTO := $(call obj,$(call src,proto))
STORE := $(call obj,$(call src,store))
PROGRAMS := pe-lb pe-worker pe-run pe-image
LB_FOLDERS := lb/core lb/edge lb/workers lb/api lb/piston lb
pe-lb_SRC := $(foreach folder,$(LB_FOLDERS),$(call src,$(folder)))
# jemalloc: a job's buffers are of sizes that glibc's cache of free blocks does not hold (docs/performance.md).
pe-lb_LIBS := -lh2o-evloop -lwslay -ljansson -lssl -lcrypto -llmdb -lmemcached -lsystemd $(if $(SAN),,-ljemalloc)
$(B)/obj/lb/api/openapi.o: proto/openapi.json
pe-worker_SRC := $(call src,worker) $(call src,worker/vmm) $(call src,store)
pe-worker_LIBS := -lcurl -lwslay -lsquashfs -larchive -ljansson -lcrypto
pe-run_SRC := $(call src,cli) $(call src,store)
pe-run_LIBS := -lcurl -ljansson -linih -lcrypto
pe-image_SRC := $(call src,image) $(call src,store)
pe-image_LIBS := -larchive -lsquashfs -lcurl -lcrypto -ljansson

all: $(addprefix $(BIN)/,$(PROGRAMS)) guest-programs

define program
$(BIN)/$(1): $(call obj,$($(1)_SRC)) $(BASE) $(CODEC) $(PROTO)
	@mkdir -p $$(@D)
	@echo "  link $$@"
	@$$(CC) $$(CFLAGS) $$(SANFLAGS) -o $$@ $$^ $$($(1)_LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

$(B)/obj/%.o: %.c | $(B)/.deps
	@mkdir -p $(@D)
	@echo "  cc $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS) $(WARN) -MMD -MP -c -o $@ $<

# ---- guest: static programs, kernel, initramfs; never sanitized, shared by both builds ----
GUEST := build/guest
GUEST_CFLAGS := -std=gnu11 -Os -static -fno-asynchronous-unwind-tables -D_FORTIFY_SOURCE=2 -fstack-protector-strong
GUEST_SHARED := base/error.c base/buffer.c base/io.c codec/flat.c codec/glob.c proto/path.c
.PHONY: guest-programs
guest-programs: $(GUEST)/pe-init $(GUEST)/pe-shim
SHIM_SRC := $(addprefix guest-init/,shim.c program.c stages.c stage-usage.c)
$(GUEST)/pe-init: $(filter-out $(SHIM_SRC),$(call src,guest-init)) $(GUEST_SHARED) $(wildcard guest-init/*.h base/*.h codec/*.h proto/*.h) | $(B)/.deps
	@mkdir -p $(@D)
	@echo "  static $@"
	@$(CC) $(CPPFLAGS) $(GUEST_CFLAGS) $(WARN) -s -o $@ $(filter %.c,$^)
$(GUEST)/pe-shim: $(SHIM_SRC) $(wildcard guest-init/*.h codec/*.h proto/*.h) | $(B)/.deps
	@mkdir -p $(@D)
	@echo "  static $@"
	@$(CC) $(CPPFLAGS) $(GUEST_CFLAGS) $(WARN) -s -o $@ $(filter %.c,$^)

guest: $(GUEST)/initramfs.cpio
$(GUEST)/initramfs.cpio: initramfs/build initramfs/modules initramfs/extract-vmlinux $(GUEST)/pe-init $(GUEST)/pe-shim
	initramfs/build $(GUEST)

# The small kernel is compiled when someone asks for it; build/kernel keeps the source and the object files.
KERNEL_PACKAGES := flex bison bc libelf-dev binutils xz-utils
SMALL := $(GUEST)/small
kernel: $(SMALL)/initramfs.cpio
$(SMALL)/vmlinux: initramfs/build-kernel initramfs/kernel.config | $(B)/.deps
	@deploy/install-packages $(KERNEL_PACKAGES)
	initramfs/build-kernel $(GUEST) build/kernel
$(SMALL)/initramfs.cpio: $(SMALL)/vmlinux initramfs/build initramfs/modules $(GUEST)/pe-init $(GUEST)/pe-shim
	initramfs/build $(GUEST) small

# ---- images, from Debian packages ----
# Tests and examples need the first ones; the others are for whoever wants them.
IMAGES := gcc:14 busybox:1.35 python:3
OTHER_IMAGES := clang:19 shell:13 sqlite:3 graphviz:2 gcc:13
stamps = $(foreach i,$(1),build/images/.made-$(subst :,-,$(i)))
.PHONY: images-all
images: $(call stamps,$(IMAGES))
images-all: $(call stamps,$(IMAGES) $(OTHER_IMAGES))
build/images/.made-%: image/recipes/% image/recipes/%.json image/build | $(BIN)/pe-image
	@mkdir -p $(@D)
	image/build $* build/images $(BIN)/pe-image
	@touch $@

# ---- run: everything from nothing to a program's output ----
run: deps all guest images
	$(BIN)/pe-run gcc:14 examples/hello.c

# ---- install: below PREFIX, and what all installations have in one place: guest and recipes ----
# The systemd units name the programs where they are installed. DESTDIR is for those who make packages.
PREFIX ?= /usr/local
install: all guest playground
	@deploy/install-files "$(BIN)" "$(GUEST)" "$(PREFIX)" "$(DESTDIR)"

# What is in /var/lib and /etc stays: images, state, tokens.
uninstall:
	@deploy/install-files --remove "$(PREFIX)" "$(DESTDIR)"

# ---- tests ----
# A unit test is linked with base, codec, proto and the sources that its line names: a test that brings
# a stand-in for a source's neighbour leaves the neighbour out. None is linked with libh2o, so what
# lb/core and lb/piston hold cannot depend on it.
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_PROGRAMS := $(addprefix $(B)/tests/,$(UNIT))
UNIT_LIBS := -lcmocka -ljansson -Wl,--as-needed -larchive -lsquashfs -lcrypto -llmdb -lmemcached
LB_CORE := $(call src,lb/core)
test_bundle_SRC := worker/bundle.c worker/seccomp_profile.c
test_engine_selection_SRC := worker/vmm/engine_selection.c
test_input_SRC := worker/input.c worker/squashfs_input.c worker/memfile.c
test_output_SRC := worker/output.c
test_piston_SRC := $(addprefix lb/piston/,files.c request.c runtimes.c) \
	$(addprefix lb/core/,submission.c scheduler.c catalog.c)
test_piston_reply_SRC := lb/piston/reply.c lb/core/job_result.c
test_scheduler_SRC := lb/core/scheduler.c lb/core/catalog.c

define unit_test
$(B)/tests/$(1): $(call obj,tests/unit/$(1).c $($(1)_SRC)) $(BASE) $(CODEC) $(PROTO)
	@mkdir -p $$(@D)
	@echo "  link $$@"
	@$$(CC) $$(CFLAGS) $$(SANFLAGS) -o $$@ $$^ $$(UNIT_LIBS)
endef
$(foreach test,$(UNIT),$(eval $(call unit_test,$(test))))

# Stand-ins and load for measuring and testing the balancer.
$(B)/bench/lb-%: bench/lb-tools/%.c | $(B)/.deps
	@mkdir -p $(@D)
	@echo "  bench $@"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS) $(WARN) -o $@ $< -lwslay
LB_TOOLS := $(B)/bench/lb-slots $(B)/bench/lb-load

# Fuzzers of what reads untrusted bytes: clang's libFuzzer, with ASan and UBSan whatever SAN says.
FUZZ_PACKAGES := clang libclang-rt-14-dev
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_ROOMS := $(patsubst %.c,$(B)/fuzz/obj/%.o,$(call src,base) $(call src,codec) $(call src,proto) lb/core/submission.c lb/core/job_result.c \
	worker/output.c)
FUZZ_CFLAGS := -std=gnu11 -Wno-unknown-attributes -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
$(B)/fuzz/.deps: | $(B)/.deps
	@mkdir -p $(@D)
	@deploy/install-packages $(FUZZ_PACKAGES)
	@touch $@
$(B)/fuzz/obj/%.o: %.c | $(B)/fuzz/.deps
	@mkdir -p $(@D)
	@clang $(CPPFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<
$(B)/fuzz/obj/rooms.a: $(FUZZ_ROOMS)
	@rm -f $@
	@ar rcs $@ $^
$(B)/fuzz/fuzz_%: $(B)/fuzz/obj/tests/fuzz/fuzz_%.o $(B)/fuzz/obj/rooms.a
	@echo "  fuzzer $@"
	@clang $(FUZZ_CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $^ -ljansson -larchive -lcrypto

# The walk through the VMM drivers, and the guest that it walks with (tests/vmm).
VMM_TEST := $(B)/tests-vmm/walk $(B)/tests-vmm/calls $(GUEST)/vmm-test
$(B)/tests-vmm/%: $(B)/obj/tests/vmm/%.o $(call obj,$(call src,worker/vmm)) $(BASE) $(CODEC) $(PROTO)
	@mkdir -p $(@D)
	@echo "  link $@"
	@$(CC) $(CFLAGS) $(SANFLAGS) -o $@ $^ -lcurl -ljansson
$(GUEST)/vmm-test: tests/vmm/guest.c guest-init/serial.c guest-init/modules.c $(GUEST_SHARED) | $(B)/.deps
	@mkdir -p $(@D)
	@echo "  static $@"
	@$(CC) $(CPPFLAGS) $(GUEST_CFLAGS) $(WARN) -s -o $@ $^

# The outer VM of tests/nested: it looks itself whether anything that is in there has changed.
nested: deps all guest images
	@tests/nested/build build $(B)

# The VM of tests/systemd, on the kernel of the other: with the plain programs in it, whatever SAN says.
.PHONY: systemd
systemd: nested playground
	@$(if $(SAN),$(MAKE) --no-print-directory SAN= all)
	@tests/systemd/build build

# Shells whose completions are tested, and what reads manual pages.
CLI_TEST_PACKAGES := bash bash-completion zsh fish mandoc

# ---- playground: bundled with npm's packages, on first need; `make run` does without ----
NODE_PACKAGES := nodejs npm
NPM_CI = npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
PAGE := build/playground/index.html
playground: $(PAGE)
playground/node_modules/.package-lock.json: playground/package.json playground/package-lock.json | $(B)/.deps
	@command -v npm >/dev/null || deploy/install-packages $(NODE_PACKAGES)
	$(NPM_CI) --prefix playground
	@touch $@
$(PAGE): playground/node_modules/.package-lock.json playground/build.mjs $(wildcard playground/src/*)
	node playground/build.mjs

# The browser that tests/playground drives, and what drives it.
BROWSER_PACKAGES := chromium fonts-dejavu-core
BROWSER_TEST := tests/playground/node_modules/.package-lock.json
$(BROWSER_TEST): tests/playground/package.json tests/playground/package-lock.json $(PAGE)
	$(NPM_CI) --prefix tests/playground
	@touch $@

# Published clients of Piston's API, which tests/piston calls.
CLIENTS := $(B)/piston-clients/node_modules/.package-lock.json
$(CLIENTS): tests/piston/package.json tests/piston/package-lock.json | $(B)/.deps
	@mkdir -p $(B)/piston-clients
	@cp $^ $(B)/piston-clients
	@command -v npm >/dev/null || deploy/install-packages $(NODE_PACKAGES)
	$(NPM_CI) --prefix $(B)/piston-clients
	@touch $@

# T=name runs the suites and tests whose name contains it; PE_GUEST=small does it on the small kernel.
test: deps all guest $(if $(PE_GUEST),kernel) images nested systemd $(UNIT_PROGRAMS) $(VMM_TEST) $(LB_TOOLS) $(CLIENTS) $(PAGE) $(BROWSER_TEST) $(FUZZ)
	@deploy/install-packages $(CLI_TEST_PACKAGES) $(BROWSER_PACKAGES)
	PE_HOME=$(abspath build) tests/run $(B) $(T)

# Each fuzzer for so long; the tests run them for some seconds.
.PHONY: fuzz
FUZZ_SECONDS := 60
fuzz: $(FUZZ)
	PE_BUILD=$(abspath $(B)) tests/fuzz/run.py --seconds $(FUZZ_SECONDS)

# ---- other ----
lint: $(B)/.deps compile_commands
	@deploy/install-packages $(LINT_PACKAGES)
	tests/lint/run

lint-layers:
	tests/lint/layers

compile_commands: $(B)/.deps
	@tests/compile-commands "$(CPPFLAGS) -std=gnu11 $(WARN) -Wno-unknown-warning-option" > compile_commands.json

format: $(B)/.deps
	@deploy/install-packages clang-format
	git ls-files '*.c' '*.h' | xargs clang-format -i

bench: deps all guest images
	bench/latency
	bench/image

bench-vm: deps all guest images
	bench/vm

bench-lb: $(B)/.deps $(BIN)/pe-lb $(LB_TOOLS)
	@deploy/install-packages nginx-light
	bench/lb

clean:
	rm -rf build build-san compile_commands.json

help:
	@echo "make run       install, build, prepare images, run examples/hello.c in a VM"
	@echo "make test      every test; T=name for those whose name contains it, SAN=1 under ASan and UBSan"
	@echo "make all       the programs only"
	@echo "make guest     kernel and initramfs of the guest; make images: $(IMAGES)"
	@echo "make images-all   also $(OTHER_IMAGES)"
	@echo "make playground   the page that pe-lb serves, bundled into build/playground"
	@echo "make install   programs, manual pages, completions, units, guest: below PREFIX=/usr/local; make uninstall"
	@echo "make kernel    the small guest kernel, compiled; make test PE_GUEST=small: every test on it"
	@echo "make fuzz      every fuzzer for a minute; FUZZ_SECONDS=N for longer"
	@echo "make bench     latency of jobs by phase, images beside tar2sqfs and sqfstar; make bench-vm: the VM engine"
	@echo "make bench-lb  the balancer beside nginx"
	@echo "make lint      clang-tidy, cppcheck, formatting; make format: reformat"
	@echo "make clean     remove everything that was built"

-include $(shell find $(B)/obj $(B)/fuzz -name '*.d' 2>/dev/null)
