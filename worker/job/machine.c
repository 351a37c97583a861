/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a VM and its devices, and the lines on the serial port. What the devices contain is
 * written in worker/job/input.c and worker/job/bundle.c, and read in worker/job/output.c. */
#include "worker/job/machine.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "proto/limits.h"
#include "store/store.h"
#include "worker/job/bundle.h"
#include "worker/job/input.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What kernel, pe-init and page cache need in addition to the job's memory. With less, a job at its
 * limit makes the guest reclaim pages for a minute before the OOM killer of the job's cgroup acts.
 */
#define GUEST_RESERVE_MIB 192u

/* Timeout of a warm-up command. */
#define WARM_UP_MS 60000u

/* A guest is at rest when its VMM has used less than REST_CPU_US in each of REST_SPANS spans in a
 * row. */
#define REST_SPAN_MS 50u
#define REST_SPANS 4u
#define REST_CPU_US 1500u
#define REST_MOST_MS 3000u

uint32_t machine_memory_mib(uint32_t job_mib)
{
    return job_mib + GUEST_RESERVE_MIB;
}

static int start_vm(const struct machine_host *host, const struct vm_spec *spec,
                    const struct vm_snapshot *snapshot, struct vm *vm, struct pe_error *err)
{
    return host->starter.start(host->starter.context, spec, snapshot, vm, err);
}

static int open_devices(const struct machine_host *host, const struct pe_image *image,
                        struct machine *machine, struct vm_spec *spec, struct pe_error *err)
{
    struct stat status;
    int rootfs = pe_store_open_rootfs(host->store, image, err);
    if (rootfs < 0)
        return -1;
    spec->pmem[VM_PMEM_ROOTFS].fd = rootfs; /* the caller closes it */
    if (fstat(rootfs, &status) < 0)
        return pe_fail_errno(err, "cannot examine the rootfs of %s", image->name);
    if ((machine->input.fd < 0 &&
         memfile_create("pe-input", PE_INPUT_DEVICE_BYTES, &machine->input, err) < 0) ||
        memfile_create("pe-output", PE_OUTPUT_DEVICE_BYTES, &machine->output, err) < 0 ||
        memfile_create("pe-live", PE_LIVE_DEVICE_BYTES, &machine->live, err) < 0)
        return -1;
    spec->memory_mib = machine_memory_mib(host->memory_mib);
    spec->cpus = host->cpus;
    spec->guest_options = "";
    spec->pmem[VM_PMEM_ROOTFS].bytes = (uint64_t)status.st_size;
    spec->pmem[VM_PMEM_INPUT] = (struct vm_pmem){machine->input.fd, machine->input.size, true};
    spec->pmem[VM_PMEM_OUTPUT] = (struct vm_pmem){machine->output.fd, machine->output.size, true};
    spec->pmem[VM_PMEM_LIVE] = (struct vm_pmem){machine->live.fd, machine->live.size, true};
    return 0;
}

/* An image without a warm-up command gets `true`, which warms up everything but the program itself.
 */
static int warm_up_program(const struct pe_image *image, struct pe_buf *program, struct pe_error *err)
{
    static char *nothing[] = {(char *)"true"};
    static const struct pe_parts no_files;
    const struct pe_job_spec warm_up = {.cmd = image->warmup_count ? image->warmup : nothing,
                                        .cmd_count = image->warmup_count ? image->warmup_count : 1};
    return bundle_program(&warm_up, NULL, image, &no_files, program, err);
}

/* The preparation is on the output device, which the guest does not use before its job has ended.
 */
static int write_preparation(const struct machine_host *host, const struct pe_image *image,
                             enum machine_preparation preparation, struct machine *machine,
                             struct pe_error *err)
{
    static const struct pe_parts no_files;
    const struct pe_job_spec job = {.timeout_ms = WARM_UP_MS};
    autoinput struct input input = {0};
    autoinputtexts struct input_texts texts = {0};
    if (preparation == MACHINE_BARE)
        return 0;
    if (input_begin(&input, &machine->output, &no_files, NULL, err) < 0 ||
        bundle_config(BUNDLE_JOB, image, host->memory_mib, &texts.config, err) < 0 ||
        bundle_config(BUNDLE_PREWARM, image, host->memory_mib, &texts.prewarm, err) < 0 ||
        (preparation == MACHINE_WARM && warm_up_program(image, &texts.program, err) < 0) ||
        bundle_job(&job, NULL, host->prewarm ? "prewarm" : NULL, &texts.job, err) < 0)
        return -1;
    return input_finish(&input, &texts, err);
}

static void begin(const struct machine_host *host, struct machine *machine, const struct pe_image *image)
{
    *machine = MACHINE_NONE;
    machine->starter = host->starter;
    machine->started_us = pe_now_us();
    snprintf(machine->image, sizeof machine->image, "%s", image->identity);
}

/* `begin` has been called for the machine. It may have an input device already. */
static int boot(const struct machine_host *host, const struct pe_image *image,
                enum machine_preparation preparation, bool savable, struct machine *machine,
                struct pe_error *err)
{
    struct vm_spec spec = {.pmem = {{.fd = -1}}, .savable = savable};
    int failed = open_devices(host, image, machine, &spec, err) < 0 ||
                 write_preparation(host, image, preparation, machine, err) < 0 ||
                 start_vm(host, &spec, NULL, &machine->vm, err) < 0;
    pe_cleanup_close(&spec.pmem[VM_PMEM_ROOTFS].fd);
    if (!failed)
        return 0;
    machine_discard(machine);
    return pe_fail_context(err, "cannot start a VM for %s", image->name);
}

int machine_boot(const struct machine_host *host, const struct pe_image *image,
                 enum machine_preparation preparation, bool savable, struct machine *machine,
                 struct pe_error *err)
{
    begin(host, machine, image);
    machine->cold = preparation == MACHINE_CONTAINER;
    return boot(host, image, preparation, savable, machine, err);
}

int machine_boot_again(const struct machine_host *host, const struct pe_image *image, struct machine *machine,
                       struct pe_error *err)
{
    struct memfile input = machine->input;
    machine->input = MEMFILE_NONE;
    machine_discard(machine);
    begin(host, machine, image);
    machine->input = input;
    return boot(host, image, MACHINE_BARE, false, machine, err);
}

int machine_clone(const struct machine_host *host, const struct pe_image *image,
                  const struct vm_snapshot *snapshot, struct machine *machine, struct pe_error *err)
{
    struct vm_spec spec = {.pmem = {{.fd = -1}}, .savable = true};
    begin(host, machine, image);
    int failed = open_devices(host, image, machine, &spec, err) < 0 ||
                 start_vm(host, &spec, snapshot, &machine->vm, err) < 0 ||
                 pe_write_all(machine->vm.serial_fd, "wake\n", 5, "the VM's serial port", err) < 0;
    machine->clone = true;
    pe_cleanup_close(&spec.pmem[VM_PMEM_ROOTFS].fd);
    if (!failed)
        return 0;
    machine_discard(machine);
    return pe_fail_context(err, "cannot clone a VM for %s", image->name);
}

int machine_prewarm(const struct machine_host *host, const struct pe_image *image, struct machine *machine,
                    struct pe_error *err)
{
    if (!(machine->clone ? host->prewarm_clones : machine->cold))
        return 0;
    machine->cold = false;
    if (write_preparation(host, image, MACHINE_WARM, machine, err) < 0)
        return -1;
    return pe_write_all(machine->vm.serial_fd, "prewarm\n", 8, "the VM's serial port", err);
}

static uint64_t cpu_time_us(clockid_t clock)
{
    struct timespec used = {0};
    (void)clock_gettime(clock, &used);
    return (uint64_t)used.tv_sec * 1000000u + (uint64_t)used.tv_nsec / 1000u;
}

/* After `ready` the kernel still has deferred work (releasing mounts and credentials of the
 * warm-up, timers). If the VM were saved before that is done, every clone would do it again before
 * it reads its first line. */
static void await_rest(const struct machine *machine)
{
    static const struct timespec span = {.tv_nsec = REST_SPAN_MS * 1000000};
    unsigned calm = 0;
    clockid_t clock;
    if (clock_getcpuclockid(machine->vm.pid, &clock) != 0)
        return;
    uint64_t before = cpu_time_us(clock);
    for (unsigned ms = 0; calm < REST_SPANS && ms < REST_MOST_MS; ms += REST_SPAN_MS) {
        nanosleep(&span, NULL);
        uint64_t now = cpu_time_us(clock);
        calm = now - before < REST_CPU_US ? calm + 1 : 0;
        before = now;
    }
}

int machine_save(struct machine *machine, struct vm_snapshot *snapshot, struct pe_error *err)
{
    await_rest(machine);
    *snapshot = VM_SNAPSHOT_NONE;
    int failed = machine->starter.save(machine->starter.context, &machine->vm, snapshot, err);
    machine_discard(machine);
    return failed;
}

void machine_begin_kill(struct machine *machine)
{
    if (machine->starter.begin_kill)
        machine->starter.begin_kill(machine->starter.context, &machine->vm);
    machine->ready = false;
}

void machine_kill(struct machine *machine)
{
    if (machine->starter.kill)
        machine->starter.kill(machine->starter.context, &machine->vm);
    machine->ready = false;
}

void machine_discard(struct machine *machine)
{
    machine_kill(machine);
    memfile_close(&machine->input);
    memfile_close(&machine->output);
    memfile_close(&machine->live);
    *machine = MACHINE_NONE;
}

bool machine_is_for(const struct machine *machine, const struct pe_image *image)
{
    return machine->vm.pid > 0 && !strcmp(machine->image, image->identity);
}

void machine_is_ready(struct machine *machine)
{
    machine->ready = true;
    machine->spawn_us = machine->vm.spawn_us;
    machine->restore_us = machine->vm.restore_us;
    machine->ready_us = pe_now_us() - machine->started_us - machine->spawn_us - machine->restore_us;
}

int machine_await_ready(struct machine *machine, struct pe_error *err)
{
    uint64_t deadline_us = machine->started_us + MACHINE_READY_MS * 1000ull;
    for (;;) {
        int received = machine_receive(machine, "ready", err);
        if (received > 0)
            machine_is_ready(machine);
        if (received)
            return received > 0 ? 0 : -1;
        uint64_t now = pe_now_us();
        struct pollfd wait = {.fd = machine->vm.serial_fd, .events = POLLIN};
        if (now >= deadline_us || poll(&wait, 1, (int)((deadline_us - now) / 1000) + 1) == 0)
            return pe_fail(err, PE_ERR_LOST, "the guest did not become ready within %u s",
                           MACHINE_READY_MS / 1000);
    }
}

static int vmm_ended(const struct machine *machine, struct pe_error *err)
{
    char words[VM_LAST_WORDS_MAX];
    vm_last_words(&machine->vm, words);
    return pe_fail(err, PE_ERR_LOST, "the VMM ended%s%s", words[0] ? ": " : "", words);
}

static int check_line(const struct machine *machine, const char *line, const char *expected,
                      struct pe_error *err)
{
    if (!strcmp(line, expected))
        return 1;
    if (machine->started && !strcmp(line, "live"))
        return MACHINE_LIVE;
    if (!strncmp(line, "fail ", 5))
        return pe_fail(err, PE_ERR_INTERNAL, "the guest failed: %s", line + 5);
    return pe_fail(err, PE_ERR_INTERNAL, "the guest sent '%s' instead of '%s'", line, expected);
}

int machine_receive(struct machine *machine, const char *expected, struct pe_error *err)
{
    char line[GUEST_LINE_MAX + 1];
    int received = guest_line_read(machine->vm.serial_fd, &machine->line, line, err);
    if (received > 0)
        return check_line(machine, line, expected, err);
    return received < 0 && err->kind == PE_ERR_LOST ? vmm_ended(machine, err) : received;
}

void machine_settle_steps(const struct machine *machine, uint64_t run_us, uint64_t step_us[PE_STEPS])
{
    static const enum pe_step of_guest[] = {PE_STEP_EXEC, PE_STEP_PROGRAM, PE_STEP_OUTPUT};
    uint64_t left_us = run_us;
    for (size_t i = 0; i < sizeof of_guest / sizeof *of_guest; i++) {
        uint64_t *us = &step_us[of_guest[i]];
        *us = *us < left_us ? *us : left_us;
        left_us -= *us;
    }
    step_us[PE_STEP_GO] = left_us;
    step_us[PE_STEP_SPAWN] = machine->spawn_us;
    step_us[PE_STEP_RESTORE] = machine->restore_us;
    step_us[PE_STEP_READY] = machine->ready_us;
}

int machine_go(struct machine *machine, struct pe_error *err)
{
    machine->started = true;
    if (pe_write_all(machine->vm.serial_fd, "go\n", 3, "the VM's serial port", err) == 0)
        return 0;
    err->kind = PE_ERR_LOST;
    return -1;
}
