# SPDX-License-Identifier: Apache-2.0
# Program Explorer. `make run` and `make test` do everything from nothing; `make help` lists all
# targets: what stands behind ## in this file.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: deps test-deps bench-deps run all programs guest-programs guest debug-guest kernel uml-kernel images \
	images-all languages playground hostile-programs install uninstall nested systemd test unit test-lb \
	test-long fuzz model valgrind lint lint-layers compile_commands format bench bench-vm bench-lb soak clean help
.DEFAULT_GOAL := all

# As many recipes at a time as there are processors. -jN on the command line takes precedence, and
# a make that calls this one shares its own job slots. There is no --output-sync, because it would
# hold back the progress of long recipes; a compilation prints one line. `make run` has one more, whose
# kernel uses only what the others leave.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell expr $$(nproc) + $(words $(filter run,$(MAKECMDGOALS))))
endif

# ---- settings ----
# SAN=1 builds with ASan and UBSan, into a directory of its own.
B := $(if $(SAN),build-san,build)
BIN := $(B)/bin
export PE_BUILD := $(abspath $(B))

CC := gcc
comma := ,
WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wformat=2 -Wno-format-truncation -Wvla -Wimplicit-fallthrough -Werror
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong
# PACKAGE_CFLAGS and PACKAGE_LDFLAGS are what builders of packages add (debian/rules).
CFLAGS := -std=gnu11 -O2 -g -fno-omit-frame-pointer $(HARDENING) $(PACKAGE_CFLAGS)
SANITIZERS := -fsanitize=address$(comma)undefined -fno-sanitize-recover=all -U_FORTIFY_SOURCE
SANFLAGS := $(if $(SAN),$(SANITIZERS))
CPPFLAGS := -I. -D_GNU_SOURCE
# Position-independent, so that each template has its own addresses.
GUEST_CFLAGS := -std=gnu11 -Os -fPIE -static-pie -fno-asynchronous-unwind-tables $(HARDENING)
FUZZ_CFLAGS := -std=gnu11 -Wno-unknown-attributes -O1 -g -fno-omit-frame-pointer \
	-fno-sanitize-recover=all

# Everything compiled depends on these files. They hold the flags, and are written when the flags
# have changed (see the end of this file), so that everything is compiled again.
FLAGS := $(B)/flags
LIBRARIES := $(B)/libraries
GUEST_FLAGS := build/guest/flags

# ---- Debian packages, installed on first need ----
# To build and to run: what `make run` needs.
PACKAGES := gcc libc6-dev binutils make \
	libh2o-evloop-dev libwslay-dev libjansson-dev libarchive-dev libsquashfs-dev \
	libcurl4-openssl-dev libssl-dev liblmdb-dev libmemcached-dev libsystemd-dev libjemalloc-dev \
	zlib1g-dev libinih-dev qemu-system-x86 crun squashfs-tools-ng mmdebstrap debian-archive-keyring \
	zstd xz-utils cpio python3 \
	ca-certificates curl iproute2 skopeo
TEST_PACKAGES := libcmocka-dev python3-pytest python3-pytest-xdist python3-yaml python3-jsonschema openssl \
	haproxy memcached redis-server prometheus \
	docker-registry umoci gpg gpg-agent squashfs-tools kmod procps bsdutils systemd e2fsprogs \
	bash bash-completion zsh fish mandoc
# What only make test-long needs.
LONG_PACKAGES := buildah
# The browser that tests/playground drives.
BROWSER_PACKAGES := chromium fonts-dejavu-core
# Charts and statistics of pe-bench, and what it compares VMs with.
BENCH_PACKAGES := python3-matplotlib python3-scipy podman qemu-utils
# What sends the jobs of `pe-bench load`.
LOAD_TOOLS := bench/load-tools/node_modules/.package-lock.json
LINT_PACKAGES := clang-format clang-tidy cppcheck
KERNEL_PACKAGES := flex bison bc libelf-dev
NODE_PACKAGES := nodejs npm

##@ Build and run

deps: $(B)/.deps ## install the Debian packages that building and running need
$(B)/.deps: Makefile deploy/install-packages
	@mkdir -p $(@D)
	@deploy/add-libh2o-source
	@deploy/install-packages $(PACKAGES)
	@touch $@

test-deps: $(B)/.test-deps ## install the Debian packages that only tests need
$(B)/.test-deps: Makefile | $(B)/.deps
	@deploy/install-packages $(TEST_PACKAGES)
	@touch $@

bench-deps: $(B)/.bench-deps $(LOAD_TOOLS) ## install what pe-bench needs, from Debian and from npm
$(B)/.bench-deps: Makefile | $(B)/.test-deps
	@deploy/install-packages $(BENCH_PACKAGES)
	@touch $@

# deploy/run-example says what happens without KVM. No file has the names of the two parts. setpriv lets
# them end with this make, also when it is killed.
run: $(B)/run-example $(B)/kernel-beside ## build everything, and run examples/hello.c in a VM; KERNEL=no: compile no kernel
$(B)/run-example: deps all guest images
	@setpriv --pdeathsig TERM deploy/run-example $(BIN)
$(B)/kernel-beside: all
	@setpriv --pdeathsig TERM deploy/run-example --kernel-beside $(BIN)

all: programs guest-programs ## all programs, those of the guest, too; plain `make` does this

# ---- programs: sources by folder, in the layers of layers.txt ----
src = $(wildcard $(1)/*.c)
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
BASE := $(call obj,$(call src,base))
CODEC := $(call obj,$(call src,codec))
PROTO := $(call obj,$(call src,proto))
PROGRAMS := pe-lb pe-worker pe-run pe-image pe-vm

pe-lb_SRC := $(foreach folder,doctor lb/core lb/cases lb/edge lb/workers lb/api lb/mcp lb/piston lb,$(call src,$(folder)))
# jemalloc: the sizes of a job's buffers do not fit glibc's cache of free blocks
# (docs/performance.md).
pe-lb_LIBS := -lh2o-evloop -lwslay -ljansson -lssl -lcrypto -llmdb -lmemcached -lcurl -lsystemd -lz \
	$(if $(SAN),,-ljemalloc)
pe-worker_SRC := $(foreach folder,doctor worker worker/host worker/job worker/vmm store net,$(call src,$(folder)))
pe-worker_LIBS := -lcurl -lwslay -lsquashfs -larchive -ljansson -lcrypto -lresolv
pe-run_SRC := $(foreach folder,cli store net,$(call src,$(folder)))
pe-run_LIBS := -lcurl -lwslay -ljansson -linih -lcrypto
pe-image_SRC := $(call src,image) $(call src,store)
pe-image_LIBS := -larchive -lsquashfs -lcurl -lcrypto -ljansson
pe-vm_SRC := $(foreach folder,vm worker/host worker/job worker/vmm store,$(call src,$(folder)))
pe-vm_LIBS := -lcurl -lsquashfs -larchive -ljansson -lcrypto

programs: $(addprefix $(BIN)/,$(PROGRAMS)) ## only the programs of the host

# link TARGET,LIBRARIES: what links the objects among the prerequisites.
define link
	@mkdir -p $(@D)
	@echo "  link $@"
	@$(CC) $(CFLAGS) $(PACKAGE_LDFLAGS) $(SANFLAGS) -o $@ $(filter %.o,$^) $(1)
endef

define program
$(BIN)/$(1): $(call obj,$($(1)_SRC)) $(BASE) $(CODEC) $(PROTO) $(LIBRARIES)
	$$(call link,$$($(1)_LIBS))
endef
$(foreach name,$(PROGRAMS),$(eval $(call program,$(name))))

$(B)/obj/%.o: %.c $(FLAGS) | $(B)/.deps
	@mkdir -p $(@D)
	@echo "  cc $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS) $(WARN) -MMD -MP -c -o $@ $<
# It holds the text of that file (.incbin), which -MMD does not see.
$(B)/obj/lb/api/openapi.o: proto/openapi.json
$(B)/obj/worker/join.o: deploy/systemd/pe-worker.service
$(B)/obj/lb/mcp/catalog_tools.o: lb/mcp/tools.json

# ---- guest: static programs, kernel, initramfs; never sanitized, shared by both builds ----
GUEST := build/guest
guest_obj = $(patsubst %.c,$(GUEST)/obj/%.o,$(1))
GUEST_SHARED := base/error.c base/buffer.c base/control.c base/io.c base/fd_message.c base/utf8.c codec/flat.c codec/glob.c proto/combined.c proto/live_ring.c proto/path.c
pe-shim_OWN := $(addprefix guest-init/,shim.c program.c execute.c stages.c stage_plan.c stage_run.c run_report.c shim_answer.c cases.c)
pe-shim_SRC := $(pe-shim_OWN) guest-init/stack_guard.c codec/sha256_plain.c proto/expect.c proto/stages.c \
	proto/stage_plan.c proto/stage_plan_decode.c $(addprefix base/,buffer.c control.c error.c fd_message.c utf8.c)
pe-agent_SRC := $(call src,vm/guest) vm/agent_frame.c $(addprefix guest-init/,modules.c serial.c) $(GUEST_SHARED)
pe-init_SRC := $(filter-out $(pe-shim_OWN),$(call src,guest-init)) $(GUEST_SHARED)

guest-programs: $(GUEST)/pe-init $(GUEST)/pe-shim $(GUEST)/pe-agent ## only pe-init, pe-shim and pe-agent

define link_static
	@echo "  static $@"
	@$(CC) $(GUEST_CFLAGS) -s -o $@ $(filter %.o,$^)
endef
$(GUEST)/pe-init: $(call guest_obj,$(pe-init_SRC))
	$(link_static)
$(GUEST)/pe-shim: $(call guest_obj,$(pe-shim_SRC))
	$(link_static)
$(GUEST)/pe-agent: $(call guest_obj,$(pe-agent_SRC))
	$(link_static)
$(GUEST)/obj/%.o: %.c $(GUEST_FLAGS) | $(B)/.deps
	@mkdir -p $(@D)
	@echo "  cc for the guest $<"
	@$(CC) $(CPPFLAGS) $(GUEST_CFLAGS) $(WARN) -MMD -MP -c -o $@ $<

guest: $(GUEST)/initramfs.cpio $(GUEST)/vm/initramfs.cpio ## kernel and initramfs of the guest
INITRAMFS := initramfs/build initramfs/modules $(GUEST)/pe-init $(GUEST)/pe-shim
$(GUEST)/initramfs.cpio: $(INITRAMFS) initramfs/download initramfs/extract-vmlinux
	initramfs/build $(GUEST)

# The guest of pe-vm has the same kernel, which comes with the first initramfs.
$(GUEST)/vm/initramfs.cpio: initramfs/build initramfs/vm-modules $(GUEST)/pe-agent $(GUEST)/initramfs.cpio
	initramfs/build $(GUEST) vm

# build/kernel keeps the source and the object files.
SMALL := $(GUEST)/small
kernel: $(SMALL)/initramfs.cpio ## compile a small guest kernel (used by `make test PE_GUEST=small`)
$(SMALL)/vmlinux: initramfs/build-kernel initramfs/kernel.config | $(B)/.deps
	@deploy/install-packages $(KERNEL_PACKAGES)
	initramfs/build-kernel $(GUEST) build/kernel
$(SMALL)/initramfs.cpio: $(SMALL)/vmlinux $(INITRAMFS)
	initramfs/build $(GUEST) small

# build/uml-kernel keeps the source and the object files. The script itself finds out what has
# changed.
uml-kernel: | $(B)/.deps ## compile the User Mode Linux kernel, which the engine uml+boot needs
	@deploy/install-packages $(KERNEL_PACKAGES) patch
	nice initramfs/build-uml-kernel $(GUEST) build/uml-kernel

# ---- images, from Debian packages ----
# Tests and examples need the first ones.
IMAGES := gcc:14 busybox:1.35 python:3
OTHER_IMAGES := graphviz:2 gcc:13
LANGUAGES := $(filter-out $(IMAGES) $(OTHER_IMAGES),$(subst -,:,$(patsubst image/recipes/%.json,%, \
	$(wildcard image/recipes/*.json))))
stamps = $(foreach image,$(1),build/images/.made-$(subst :,-,$(image)))
images: $(call stamps,$(IMAGES)) ## the images that tests and examples use, from Debian packages
images-all: $(call stamps,$(IMAGES) $(OTHER_IMAGES) $(LANGUAGES)) ## every image that has a recipe
languages: $(call stamps,$(LANGUAGES)) ## images of all programming languages that have a recipe
# Several are built at a time, so each line says of which one it is. Into a pipe, pe-image draws no bar.
build/images/.made-%: image/recipes/% image/recipes/%.json image/build | $(BIN)/pe-image
	@mkdir -p $(@D)
	@set -o pipefail; setpriv --pdeathsig TERM image/build $* build/images $(BIN)/pe-image 2>&1 | sed -u 's/^ */  $*: /'
	@touch $@

IMAGE := busybox:1.35
debug-guest: ## a root shell and the kernel log of a guest; IMAGE=NAME: with that image
debug-guest: $(B)/.test-deps all guest $(call stamps,busybox:1.35)
	initramfs/debug-guest $(GUEST) build/images $(BIN)/pe-image $(IMAGE)

# ---- playground, bundled with npm's packages ----
NPM_CI = npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
PAGE := build/playground/index.html
playground: $(PAGE) ## the page that pe-lb serves to browsers
build/.node: | $(B)/.deps
	@mkdir -p $(@D)
	@command -v npm >/dev/null || deploy/install-packages $(NODE_PACKAGES)
	@touch $@
playground/node_modules/.package-lock.json: playground/package.json playground/package-lock.json \
		| build/.node
	$(NPM_CI) --prefix playground
	@touch $@
$(PAGE): playground/node_modules/.package-lock.json
$(PAGE): playground/build.mjs $(wildcard playground/src/*)
	node playground/build.mjs

# ---- install ----
# Programs go below PREFIX; guest and recipes have one place for all installations. The systemd
# units name the programs where they are installed. DESTDIR is for package builders.
PREFIX ?= /usr/local
install: all guest playground ## programs, manual pages, units and guest, below PREFIX=/usr/local
	@deploy/install-files "$(BIN)" "$(GUEST)" "$(PREFIX)" "$(DESTDIR)"

uninstall: ## remove what `make install` installed; images, state and tokens stay
	@deploy/install-files --remove "$(PREFIX)" "$(DESTDIR)"

##@ Test

# ---- unit tests ----
# A unit test is linked with base, codec, proto and the sources that its line names. A test that
# brings a stand-in for a source's neighbour leaves the neighbour out. No test is linked with
# libh2o: code that is tested here cannot depend on it.
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_PROGRAMS := $(addprefix $(B)/tests/,$(UNIT))
UNIT_LIBS := -lcmocka -ljansson -Wl,--as-needed -larchive -lsquashfs -lcrypto -llmdb -lmemcached -lcurl -lwslay \
	-lresolv
LB_CORE := $(call src,lb/core)
RIGHTS := $(addprefix worker/vmm/,rights.c landlock.c syscall_filter.c syscalls_common.c)
BALANCER_LINK := $(addprefix worker/,balancer_link.c balancer_relay.c balancer_upgrade.c token.c) \
	$(call src,net) $(RIGHTS)
test_balancer_discovery_SRC := $(addprefix worker/,balancer_discovery.c balancer_list.c stop_signal.c) \
	$(BALANCER_LINK)
test_admission_SRC := $(addprefix worker/,admission.c template_channel.c template_client.c)
test_agent_command_SRC := vm/guest/command.c
test_api_keys_SRC := $(LB_CORE)
test_catalog_tools_SRC := lb/mcp/catalog_tools.c $(LB_CORE)
test_client_SRC := lb/core/client.c
test_board_SRC := worker/board.c
test_bundle_SRC := worker/job/bundle.c worker/job/seccomp_profile.c
test_audit_verdict_SRC := $(LB_CORE)
test_cache_SRC := $(LB_CORE)
test_case_folder_SRC := cli/case_folder.c
test_case_report_SRC := $(addprefix cli/,case_compare.c case_expected.c case_report.c case_table.c files.c)
test_case_request_SRC := $(call src,lb/cases) $(LB_CORE)
test_cpu_seat_SRC := worker/host/cpu_seat.c
test_deadlines_SRC := lb/core/deadlines.c
test_dialog_SRC := worker/vmm/dialog.c $(RIGHTS)
test_doctor_SRC := $(call src,doctor) $(addprefix worker/,balancer_discovery.c balancer_list.c doctor_balancer.c doctor_kernel.c stop_signal.c) \
	$(addprefix worker/vmm/,known_holes.c kvm.c) $(BALANCER_LINK)
test_engine_selection_SRC := worker/vmm/engine_selection.c
test_guest_line_SRC := worker/job/guest_line.c
test_heap_SRC := worker/heap.c
test_event_encoder_SRC := $(addprefix lb/api/,event_encoder.c event_json.c result_encoder.c result_json.c) \
	$(addprefix lb/core/,byte_budget.c job_result.c live_output.c)
test_helper_SRC := lb/core/helper.c
test_host_tokens_SRC := lb/edge/host_tokens.c
test_image_reference_SRC := lb/core/catalog.c store/store.c
test_input_SRC := worker/job/input.c worker/job/squashfs_input.c worker/job/memfile.c
test_jail_root_SRC := worker/vmm/jail_root.c
test_job_SRC := $(LB_CORE)
test_job_input_SRC := $(LB_CORE)
test_live_job_SRC := $(addprefix cli/,case_compare.c case_expected.c case_report.c event.c files.c live_job.c \
	progress.c response.c http_reply.c)
test_job_news_SRC := $(LB_CORE)
test_job_key_SRC := cli/job_key.c cli/files.c
test_json_complete_SRC := worker/vmm/ch_config.c cli/mcp_message.c $(addprefix lb/mcp/,message.c run_tool.c) \
	$(addprefix lb/core/,submission.c submission_job.c submission_json.c)
test_json_list_SRC := lb/token_command.c lb/edge/host_tokens.c image/command.c image/command_ls.c store/store.c
test_last_words_SRC := worker/vmm/last_words.c
test_metrics_SRC := worker/metrics.c
test_output_SRC := worker/job/output.c
test_piston_SRC := $(addprefix lb/piston/,files.c request.c runtimes.c runtime_list.c) \
	$(addprefix lb/core/,submission.c submission_job.c submission_json.c scheduler.c workers.c catalog.c)
test_piston_reply_SRC := lb/piston/reply.c lb/core/job_result.c
test_qemu_control_SRC := $(addprefix worker/vmm/,control.c qemu_control.c qemu_state.c qmp.c sparse_copy.c)
test_root_files_SRC := guest-init/root_files.c
test_probe_findings_SRC := worker/vmm/probe_findings.c
test_run_dir_SRC := worker/vmm/run_dir.c
test_clone_kernel_SRC := worker/vmm/clone_kernel.c
test_owner_activity_SRC := worker/owner_activity.c
test_owner_hours_SRC := worker/owner_hours.c
test_owner_limits_SRC := worker/owner_limits.c
test_retry_SRC := worker/retry.c
test_response_SRC := cli/response.c cli/http_reply.c
test_result_encoder_SRC := lb/api/result_encoder.c lb/api/result_json.c lb/core/job_result.c
test_scheduler_SRC := $(LB_CORE)
test_side_channels_SRC := doctor/side_channels.c doctor/host_file.c
test_slot_helper_SRC := $(addprefix worker/,board.c slot_helper.c slot_helper_process.c job/memfile.c host/orphans.c) \
	$(BALANCER_LINK)
test_shim_answer_SRC := guest-init/shim_answer.c
test_stack_guard_SRC := guest-init/stack_guard.c
test_store_redis_SRC := lb/core/store_redis_reply.c
test_syscall_filter_SRC := worker/vmm/syscall_filter.c $(wildcard worker/vmm/syscalls_*.c)
test_template_cache_SRC := worker/template_cache.c worker/template_channel.c
test_template_disk_SRC := worker/template_disk.c worker/vmm/sparse_copy.c
test_template_key_SRC := worker/template_key.c worker/job/bundle.c worker/job/seccomp_profile.c
test_tree_directory_SRC := image/tree_directory.c
test_uml_kernel_age_SRC := worker/uml_kernel_age.c
test_vm_config_SRC := vm/config.c
test_vm_place_SRC := $(addprefix vm/,config.c name.c place.c)
test_vm_talk_SRC := $(addprefix vm/,config.c name.c place.c talk.c)
test_vmm_process_SRC := $(addprefix worker/vmm/,cgroup.c fd_list.c jail.c jail_files.c jail_report.c jail_root.c \
	landlock.c process.c syscall_filter.c) $(wildcard worker/vmm/syscalls_*.c)
test_vmm_users_SRC := worker/host/vmm_users.c worker/host/worker_dir.c
test_watch_SRC := cli/watch.c
test_ws_client_SRC := worker/ws_client.c worker/stop_signal.c $(BALANCER_LINK)
test_live_relay_SRC := worker/live_relay.c worker/job/live_port.c worker/job/memfile.c

define unit_test
$(B)/tests/$(1): $(call obj,tests/unit/$(1).c $($(1)_SRC)) $(BASE) $(CODEC) $(PROTO) $(LIBRARIES)
	$$(call link,$$(UNIT_LIBS))
endef
$(foreach test,$(UNIT),$(eval $(call unit_test,$(test))))
$(call obj,$(wildcard tests/unit/*.c)): | $(B)/.test-deps

# ---- fuzzers of code that reads untrusted bytes: libFuzzer, always with ASan and UBSan ----
# A fuzzer takes what it needs out of one archive. `coverage` has the same fuzzers without sanitizers:
# they count the lines that a corpus reaches (`make fuzz`).
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ := $(addprefix $(B)/fuzz/fuzz_,$(FUZZ_NAMES))
FUZZ_COVERAGE := $(addprefix $(B)/fuzz/coverage/fuzz_,$(FUZZ_NAMES))
FUZZ_SRC := $(foreach folder,base codec proto store net lb/core lb/cases lb/edge lb/mcp lb/piston,$(call src,$(folder))) \
	$(addprefix lb/api/,connect_message.c images.c playground.c static_files.c) \
	$(addprefix worker/,balancer_discovery.c balancer_list.c balancer_upgrade.c job/guest_line.c job/output.c stop_signal.c ws_client.c) \
	$(addprefix worker/vmm/,ch_api.c ch_config.c ch_state.c last_words.c probe_findings.c qmp.c run_dir.c \
		sparse_copy.c) \
	$(filter-out image/main.c,$(call src,image)) \
	$(addprefix cli/,case_compare.c case_expected.c case_report.c event.c event_stream.c files.c http_reply.c \
		http_server.c interrupt.c live_job.c outputs.c progress.c response.c sse_reader.c) \
	$(addprefix guest-init/,job.c program.c root_files.c stage_plan.c) vm/agent_frame.c
FUZZ_LIBS := -Wl,--as-needed -lh2o-evloop -lwslay -ljansson -larchive -lsquashfs -lcurl -lssl -lcrypto -lresolv -lz
# The key of an upgrade is random. With a known one, the input can answer it.
fuzz_ws_upgrade_LIBS := -Wl,--wrap=pe_random
# What it maps is never unmapped, except by the fuzzer.
fuzz_program_LIBS := -Wl,--wrap=mmap
# The package of the sanitizers' run time has clang's version in its name.
$(B)/fuzz/.deps: | $(B)/.deps
	@mkdir -p $(@D)
	@deploy/install-packages clang
	@deploy/install-packages libclang-rt-$$(clang -dumpversion | cut -d. -f1)-dev
	@touch $@
$(B)/fuzz/coverage/.deps: | $(B)/fuzz/.deps
	@mkdir -p $(@D)
	@deploy/install-packages llvm
	@touch $@

# fuzz_build FOLDER,FLAGS TO COMPILE,FLAGS TO LINK
define fuzz_build
$(1)/obj/%.o: %.c $(FLAGS) | $(1)/.deps
	@mkdir -p $$(@D)
	@clang $(CPPFLAGS) $(FUZZ_CFLAGS) $(2) -MMD -MP -c -o $$@ $$<
$(1)/shared.a: $(patsubst %.c,$(1)/obj/%.o,$(FUZZ_SRC))
	@rm -f $$@
	@ar rcs $$@ $$^
$(1)/fuzz_%: $(1)/obj/tests/fuzz/fuzz_%.o $(1)/shared.a $(LIBRARIES)
	@echo "  fuzzer $$@"
	@clang $(FUZZ_CFLAGS) $(3) -o $$@ $$(filter-out $(LIBRARIES),$$^) $(FUZZ_LIBS) $$(fuzz_$$*_LIBS)
endef
$(eval $(call fuzz_build,$(B)/fuzz,-fsanitize=fuzzer-no-link$(comma)address$(comma)undefined,-fsanitize=fuzzer$(comma)address$(comma)undefined))
$(eval $(call fuzz_build,$(B)/fuzz/coverage,-fprofile-instr-generate -fcoverage-mapping,-fsanitize=fuzzer -fprofile-instr-generate))

# ---- the balancer against a model (tests/model): a fuzzer, and a program that runs from seeds ----
# The linker puts stand-ins in the place of the clock, of random bytes and of the store's helper.
MODEL_SRC := $(foreach folder,base codec proto lb/cases lb/workers lb/piston lb/mcp,$(call src,$(folder))) $(wildcard lb/api/exchange*.c) \
	$(filter-out lb/core/store_keeper.c lb/core/store_disk.c lb/core/span_sender.c,$(LB_CORE)) lb/h2o_loop.c \
	$(addprefix lb/api/,access.c body_stream.c connect.c connect_message.c live_admission.c live_session.c event_encoder.c event_json.c job_status.c native_dialect.c refusals.c results.c \
	result_encoder.c result_json.c trace_header.c) \
	$(addprefix lb/edge/,cors.c host_membership.c host_tokens.c http_reply.c negotiate.c problems.c tokens.c) \
	$(filter-out tests/model/driver.c,$(call src,tests/model))
MODEL_LIBS := $(FUZZ_LIBS) $(foreach name,pe_now_us time pe_pooled_random_hex pe_log pe_log_about pe_log_traced \
	h2o_mem_alloc_shared event_encoder_set_problem socketpair fork shutdown waitpid,-Wl,--wrap=$(name))
# model_build FOLDER,FLAGS TO LINK A PROGRAM,FLAGS TO LINK A FUZZER
define model_build
$(1)/balancer_model: $(patsubst %.c,$(1)/obj/%.o,$(MODEL_SRC) tests/model/driver.c)
	@echo "  model $$@"
	@clang $(FUZZ_CFLAGS) $(2) -o $$@ $$^ $(MODEL_LIBS)
$(1)/fuzz_balancer: $(patsubst %.c,$(1)/obj/%.o,$(MODEL_SRC) tests/fuzz/fuzz_balancer.c)
	@echo "  fuzzer $$@"
	@clang $(FUZZ_CFLAGS) $(3) -o $$@ $$^ $(MODEL_LIBS)
endef
$(eval $(call model_build,$(B)/fuzz,-fsanitize=address$(comma)undefined,-fsanitize=fuzzer$(comma)address$(comma)undefined))
$(eval $(call model_build,$(B)/fuzz/coverage,-fprofile-instr-generate,-fsanitize=fuzzer -fprofile-instr-generate))
MODEL := $(B)/fuzz/balancer_model

# ---- stand-ins, helpers and outer VMs of the tests ----
# Slots and clients that measure and test the balancer.
LB_TOOLS := $(B)/bench/lb-slots $(B)/bench/lb-load
$(B)/bench/lb-%: bench/lb-tools/%.c bench/lb-tools/connection.h $(FLAGS) | $(B)/.deps
	@mkdir -p $(@D)
	@echo "  bench $@"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS) $(WARN) -o $@ $< -lwslay

$(LOAD_TOOLS): bench/load-tools/package.json bench/load-tools/package-lock.json | build/.node
	$(NPM_CI) --prefix bench/load-tools
	@touch $@

# The walk through the VMM drivers, and the guest that it walks with (tests/vmm).
VMM_TEST := $(B)/tests-vmm/walk $(B)/tests-vmm/calls $(B)/tests-vmm/confined $(GUEST)/vmm-test \
	$(GUEST)/reach $(GUEST)/like-docker $(GUEST)/older-landlock $(GUEST)/live-liar
VMM := $(call obj,$(call src,worker/vmm))
$(B)/tests-vmm/walk: $(B)/obj/tests/vmm/walk_jail.o
$(B)/tests-vmm/%: $(B)/obj/tests/vmm/%.o $(VMM) $(BASE) $(CODEC) $(PROTO)
	$(call link,-lcurl -ljansson -lcrypto)
# What `confined` starts in the place of a VMM, and what takes rights or Landlock away. They are static
# like the programs of the guest.
$(GUEST)/live-liar: $(call guest_obj,tests/guest/live_liar.c proto/live_ring.c base/error.c base/control.c)
	$(link_static)
$(GUEST)/reach: $(call guest_obj,tests/vmm/reach.c)
	$(link_static)
$(GUEST)/like-docker: $(call guest_obj,tests/vmm/like-docker.c)
	$(link_static)
$(GUEST)/older-landlock: $(call guest_obj,tests/vmm/older-landlock.c)
	$(link_static)
VMM_GUEST_SRC := tests/vmm/guest.c $(addprefix guest-init/,devices.c modules.c serial.c) $(GUEST_SHARED)
$(GUEST)/vmm-test: $(call guest_obj,$(VMM_GUEST_SRC))
	$(link_static)

# The programs that attack the service from their VM (tests/hostile). They run in any image.
HOSTILE := $(patsubst tests/hostile/programs/%.c,$(B)/hostile/%,$(wildcard tests/hostile/programs/*/*.c))
$(B)/hostile/%: tests/hostile/programs/%.c tests/hostile/attempt.h $(FLAGS)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) -std=gnu11 -O1 $(WARN) -static -pthread -s -o $@ $<
hostile-programs: $(HOSTILE) ## the programs of tests/hostile

# Both builders look themselves whether anything that goes in has changed.
nested: $(B)/.test-deps all guest images ## the outer VM with real KVM, in which tests/nested runs
	@tests/nested/build build $(B)
systemd: nested playground ## the outer VM with systemd (always without SAN)
	@$(if $(SAN),$(MAKE) --no-print-directory SAN= all)
	@tests/systemd/build build

BROWSER_TEST := tests/playground/node_modules/.package-lock.json
$(BROWSER_TEST): tests/playground/package.json tests/playground/package-lock.json $(PAGE)
	$(NPM_CI) --prefix tests/playground
	@touch $@
$(B)/.long-deps: Makefile | $(B)/.test-deps
	@deploy/install-packages $(LONG_PACKAGES)
	@touch $@
$(B)/.browser: | $(B)/.test-deps
	@deploy/install-packages $(BROWSER_PACKAGES)
	@touch $@

# Published clients of Piston's API, which tests/piston calls.
CLIENTS := $(B)/piston-clients/node_modules/.package-lock.json
$(CLIENTS): tests/piston/package.json tests/piston/package-lock.json | build/.node
	@mkdir -p $(B)/piston-clients
	@cp $^ $(B)/piston-clients
	$(NPM_CI) --prefix $(B)/piston-clients
	@touch $@

# The official clients of the Model Context Protocol, and its conformance tests (tests/agents).
AGENTS := $(B)/agent-clients/node_modules/.package-lock.json
$(AGENTS): tests/agents/package.json tests/agents/package-lock.json | build/.node
	@mkdir -p $(B)/agent-clients
	@cp $^ $(B)/agent-clients
	$(NPM_CI) --prefix $(B)/agent-clients
	@touch $@

# What checks the files below deploy/ (tests/deploy): schemas of Kubernetes and a reader of HCL from npm,
# and Debian's kubectl, which is not installed.
SCHEMAS := $(B)/deploy-schemas/node_modules/.package-lock.json
$(SCHEMAS): tests/deploy/package.json tests/deploy/package-lock.json | build/.node
	@mkdir -p $(B)/deploy-schemas
	@cp $^ $(B)/deploy-schemas
	$(NPM_CI) --prefix $(B)/deploy-schemas
	@touch $@
KUBECTL := build/kubectl/usr/bin/kubectl
$(KUBECTL): | $(B)/.deps
	@mkdir -p build/kubectl
	initramfs/download build/kubectl kubernetes-client
	@dpkg-deb -x build/kubectl/kubernetes-client_*.deb build/kubectl && rm build/kubectl/*.deb
	@touch $@

# ---- running them ----
TEST_TOOLS := $(UNIT_PROGRAMS) $(VMM_TEST) $(HOSTILE) $(LB_TOOLS) $(B)/.bench-deps $(LOAD_TOOLS) $(FUZZ) $(MODEL) $(CLIENTS) $(AGENTS) \
	$(SCHEMAS) $(KUBECTL) $(BROWSER_TEST) $(B)/.browser
# ENGINE=NAME: with VMs of this engine. Without it, both engines that need no hardware virtualization
# are covered (tests/README.md). The small kernel is QEMU's.
ENGINE := $(if $(PE_GUEST),qemu)
ENGINES := PE_HOME=$(abspath build) PE_ENGINE=$(ENGINE)
test: ## every test; T=NAME: only some, ENGINE=uml|qemu, SAN=1: sanitized, PE_GUEST=small: that kernel
test: all guest uml-kernel images nested systemd playground $(TEST_TOOLS) $(if $(PE_GUEST),kernel)
	$(ENGINES) tests/run $(B) "$$T"

unit: $(UNIT_PROGRAMS) ## only the unit tests, which need no VM
	PE_HOME=$(abspath build) tests/run $(B) unit/

test-lb: all $(LB_TOOLS) $(B)/.test-deps ## only the tests of the balancer, which need no VM
	PE_TEST="$(T)" tests/run $(B) lb

test-long: ## what takes too long for `make test`: every suite with QEMU, a build on Debian 13
test-long: all guest uml-kernel images languages playground $(TEST_TOOLS) $(B)/.long-deps
	$(ENGINES) tests/run --long $(B) "$$T"

FUZZ_SECONDS := 60
fuzz: $(FUZZ) $(FUZZ_COVERAGE) ## run each fuzzer for FUZZ_SECONDS (60); T=NAME: only some
	tests/fuzz/run $(B) $(FUZZ_SECONDS) "$(T)"

valgrind: all $(UNIT_PROGRAMS) $(LB_TOOLS) $(B)/.test-deps ## suites (T=unit/) with their programs under valgrind
	@deploy/install-packages valgrind
	tests/under-valgrind $(B) "$(or $(T),unit/)"

SEED := 1
STEPS := 1000
RUNS := 1000
model: $(MODEL) ## the balancer against a model: RUNS (1000) random runs of STEPS (1000), from SEED (1) on
	$(MODEL) --seed $(SEED) --steps $(STEPS) --runs $(RUNS)

##@ Check and format

lint: programs compile_commands ## layers, texts, formatting, clang-tidy, cppcheck; findings fail
	@deploy/install-packages $(LINT_PACKAGES)
	tests/lint/run $(B)

lint-layers: programs ## only the layers: includes against layers.txt, and circles of calls
	tests/lint/layers
	tests/lint/circles $(B)/obj

compile_commands: $(B)/.deps ## compile_commands.json, for clangd and other tools that read C
	@tests/compile-commands "$(CPPFLAGS) -std=gnu11 $(WARN) -Wno-unknown-warning-option" \
		>compile_commands.json

format: ## let clang-format rewrite every C file
	@deploy/install-packages clang-format
	git ls-files '*.c' '*.h' | xargs clang-format -i

##@ Measure

bench: $(B)/.bench-deps all guest uml-kernel images ## jobs through a service, by step; making images
	bench/pe-bench service
	bench/image

bench-vm: $(B)/.bench-deps all guest uml-kernel images ## boots, VMs of both engines, and how many fit
	bench/pe-bench boot
	bench/pe-bench task --engine uml+boot --engine qemu+tcg+snapshot
	bench/pe-bench density

bench-lb: $(B)/.test-deps $(BIN)/pe-lb $(LB_TOOLS) ## the balancer beside nginx
	@deploy/install-packages nginx-light
	bench/lb

SOAK_JOBS := 20000
soak: $(B)/.test-deps all guest uml-kernel images ## SOAK_JOBS (20000) jobs while everything fails
	bench/soak --jobs $(SOAK_JOBS)

##@ Other

clean: ## remove everything that was built
	rm -rf build build-san compile_commands.json

help: ## this list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z_-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

# remember FILE,FLAGS: writes FLAGS to FILE, unless it holds them already.
remember = $(shell mkdir -p $(dir $(1)); echo '$(2)' | cmp -s - $(1) || echo '$(2)' >$(1))
ifneq ($(filter-out help clean,$(or $(MAKECMDGOALS),all)),)
$(call remember,$(FLAGS),$(CC) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS) $(WARN) $(FUZZ_CFLAGS))
$(call remember,$(LIBRARIES),$(foreach program,$(PROGRAMS),$($(program)_LIBS)) $(UNIT_LIBS) $(FUZZ_LIBS))
$(call remember,$(GUEST_FLAGS),$(CC) $(CPPFLAGS) $(GUEST_CFLAGS) $(WARN))
endif

-include $(shell find $(B)/obj $(B)/fuzz $(GUEST)/obj -name '*.d' 2>/dev/null)
