/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a task: snapshot, VM, job, end. The process does one after the other, and reads what the guest
 * sends with the rights that it has. */
#include "vm/task.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "proto/limits.h"
#include "worker/job/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* What a guest may take beyond its job's timeout. */
#define GUEST_GRACE_MS 30000u

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

const volatile sig_atomic_t *task_catch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: waiting ends */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    return &interrupted;
}

/* ---- waiting ---- */

static int check_interrupted(struct pe_error *err)
{
    return interrupted ? pe_fail(err, PE_ERR_CANCELED, "interrupted by a signal") : 0;
}

/* Wait until one of the descriptors is readable, or the time has come. */
static int wait_until(struct pollfd *fds, nfds_t count, uint64_t deadline_us, struct pe_error *err)
{
    const uint64_t now = pe_now_us();
    const uint64_t left_ms = deadline_us > now ? (deadline_us - now) / 1000 + 1 : 0;
    if (check_interrupted(err) < 0)
        return -1;
    if (poll(fds, count, left_ms > INT_MAX ? INT_MAX : (int)left_ms) >= 0 || errno == EINTR)
        return check_interrupted(err);
    return pe_fail_errno(err, "cannot wait for a VM");
}

/* A job without live output has no use for its live device, so its doorbell means nothing. */
static int await_line(struct machine *machine, const char *expected, uint64_t deadline_us,
                      struct pe_error *err)
{
    for (;;) {
        const int received = machine_receive(machine, expected, err);
        if (received < 0)
            return -1;
        if (received == 1)
            return 0;
        if (pe_now_us() >= deadline_us)
            return pe_fail(err, PE_ERR_TIMEOUT, "the guest did not say '%s' in time", expected);
        struct pollfd serial = {.fd = machine->vm.serial_fd, .events = POLLIN};
        if (wait_until(&serial, 1, deadline_us, err) < 0)
            return -1;
    }
}

static int await_ready(struct machine *machine, struct pe_error *err)
{
    if (await_line(machine, "ready", machine->started_us + MACHINE_READY_MS * 1000ull, err) < 0)
        return -1;
    machine_is_ready(machine);
    return 0;
}

/* A guest that is ready sends nothing before its job. */
static int check_alive(struct machine *machine, struct pe_error *err)
{
    const int received = machine_receive(machine, "", err);
    return received <= 0 ? received : pe_fail(err, PE_ERR_INTERNAL, "the guest sent a line before its job");
}

static int settle(struct task *task, struct pe_error *err)
{
    const uint64_t deadline_us = pe_now_us() + task->settings->settle_ms * 1000ull;
    while (pe_now_us() < deadline_us) {
        struct pollfd serial = {.fd = task->machine.vm.serial_fd, .events = POLLIN};
        if (wait_until(&serial, 1, deadline_us, err) < 0 || check_alive(&task->machine, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the snapshot ---- */

static int open_snapshot(const char *files, struct vm_snapshot *snapshot, struct pe_error *err)
{
    char memory[PATH_MAX];
    const char *comma = strchr(files, ',');
    if (!comma || (size_t)(comma - files) >= sizeof memory)
        return pe_fail(err, PE_ERR_INVALID, "--template needs two files, as in --template MEMORY,STATE");
    snprintf(memory, sizeof memory, "%.*s", (int)(comma - files), files);
    snapshot->memory_fd = open(memory, O_RDWR | O_CLOEXEC);
    snapshot->state_fd = snapshot->memory_fd < 0 ? -1 : open(comma + 1, O_RDWR | O_CLOEXEC);
    if (snapshot->state_fd >= 0)
        return 0;
    pe_fail_errno(err, "cannot open the snapshot of --template %s", files);
    err->kind = PE_ERR_INVALID;
    return -1;
}

static int make_snapshot(struct task *task, struct pe_error *err)
{
    const uint64_t began_us = pe_now_us();
    if (machine_boot(&task->machines, task->image, MACHINE_WARM, true, &task->machine, err) < 0 ||
        await_ready(&task->machine, err) < 0 || machine_save(&task->machine, &task->snapshot, err) < 0)
        return -1;
    task->times.template_us = pe_now_us() - began_us;
    return 0;
}

int task_open(struct task *task, const struct task_settings *settings, struct task_host *host,
              struct pe_error *err)
{
    const bool emulated = host->vm.accel == VM_ACCEL_TCG;
    *task = (struct task){.settings = settings,
                          .host = host,
                          .machines = {.starter = vm_starter_of_host(&host->vm),
                                       .store = settings->store,
                                       .memory_mib = settings->memory_mib,
                                       .cpus = settings->cpus,
                                       .prewarm = host->engine.snapshot && emulated,
                                       .prewarm_clones = emulated && !settings->cold},
                          .snapshot = VM_SNAPSHOT_NONE,
                          .machine = MACHINE_NONE};
    if (pe_store_list(settings->store, &task->images, err) < 0)
        return -1;
    task->image = pe_store_find(&task->images, settings->image, err);
    if (!task->image)
        return -1;
    if (!host->engine.snapshot)
        return settings->template_files
                   ? pe_fail(err, PE_ERR_INVALID, "the engine %s has no snapshots, which --template needs",
                             host->engine.name)
                   : 0;
    return settings->template_files ? open_snapshot(settings->template_files, &task->snapshot, err)
                                    : make_snapshot(task, err);
}

/* ---- the VM ---- */

static int start_vm(struct task *task, struct pe_error *err)
{
    /* As in a slot, the image's warm-up command runs after `ready` (machine_prewarm). */
    const enum machine_preparation preparation = task->settings->cold ? MACHINE_BARE : MACHINE_CONTAINER;
    if (task->snapshot.memory_fd >= 0)
        return machine_clone(&task->machines, task->image, &task->snapshot, &task->machine, err);
    return machine_boot(&task->machines, task->image, preparation, false, &task->machine, err);
}

int task_make_vm(struct task *task, struct pe_error *err)
{
    if (start_vm(task, err) < 0 || await_ready(&task->machine, err) < 0 ||
        machine_prewarm(&task->machines, task->image, &task->machine, err) < 0)
        return -1;
    return settle(task, err);
}

int task_hold(struct task *task, struct pe_error *err)
{
    for (;;) {
        char bytes[64];
        struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = task->machine.vm.serial_fd, .events = POLLIN}};
        if (wait_until(fds, 2, UINT64_MAX, err) < 0 ||
            (fds[1].revents && check_alive(&task->machine, err) < 0))
            return -1;
        const ssize_t n = fds[0].revents ? read(STDIN_FILENO, bytes, sizeof bytes) : 0;
        if (fds[0].revents && n <= 0)
            return pe_fail(err, PE_ERR_CANCELED, "standard input ended while the VM was held");
        if (n > 0 && memchr(bytes, '\n', (size_t)n))
            return 0;
    }
}

/* ---- the job ---- */

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Read a file and add it to the job's files. */
static int add_file(struct task *task, const char *path, struct pe_buf *bytes, struct pe_error *err)
{
    struct pe_path name;
    const size_t before = bytes->size;
    if (pe_path_parse(last_name(path), strlen(last_name(path)), 0, &name, err) < 0)
        return pe_fail_context(err, "the file %s", path);
    if (pe_read_file(AT_FDCWD, path, PE_INPUT_BYTES_MAX, bytes, err) < 0)
        return -1;
    return pe_parts_add(&task->parts, PE_PART_FILE, &name, bytes->size - before, 0, err);
}

static int read_files(struct task *task, struct pe_buf *bytes, struct pe_error *err)
{
    for (size_t i = 0; i < task->settings->file_count; i++)
        if (add_file(task, task->settings->files[i], bytes, err) < 0)
            return -1;
    return task->settings->stdin_path ? add_file(task, task->settings->stdin_path, bytes, err) : 0;
}

/* The time of the guest's clock is in it, so it is written as late as possible. */
static int write_input(struct task *task, const struct pe_job_spec *job, const struct pe_buf *bytes,
                       struct pe_error *err)
{
    autoinputtexts struct input_texts texts = {0};
    if (input_begin(&task->input, &task->machine.input, &task->parts, job->stdin_name, err) < 0 ||
        (bytes->size && input_append(&task->input, bytes->data, bytes->size, err) < 0) ||
        bundle_texts(job, NULL, task->image, &task->parts, task->settings->memory_mib, false, &texts, err) <
            0)
        return -1;
    return input_finish(&task->input, &texts, err);
}

static int run_guest(struct task *task, struct pe_error *err)
{
    const uint64_t go_us = pe_now_us();
    const uint64_t limit_ms = (uint64_t)task->settings->timeout_ms + GUEST_GRACE_MS;
    if (machine_go(&task->machine, err) < 0 ||
        await_line(&task->machine, "done", go_us + limit_ms * 1000, err) < 0)
        return -1;
    task->times.run_us = pe_now_us() - go_us;
    return 0;
}

/* The VM is dead when its output is read. */
static int end_and_read(struct task *task, struct pe_error *err)
{
    static const struct output_limits limits = {PE_STDOUT_BYTES_MAX, PE_STDERR_BYTES_MAX};
    const uint64_t done_us = pe_now_us();
    machine_kill(&task->machine);
    const uint64_t dead_us = pe_now_us();
    task->times.exit_us = dead_us - done_us;
    if (output_read(task->machine.output.bytes, task->machine.output.size, &limits, &task->output, err) < 0)
        return -1;
    task->times.parse_us = pe_now_us() - dead_us;
    machine_settle_steps(&task->machine, task->times.run_us, task->output.result.step_us);
    return 0;
}

int task_run(struct task *task, struct pe_error *err)
{
    const struct task_settings *settings = task->settings;
    const struct pe_job_spec job = {.cmd = (char **)settings->cmd,
                                    .cmd_count = settings->cmd_count,
                                    .stdin_name =
                                        settings->stdin_path ? (char *)last_name(settings->stdin_path) : NULL,
                                    .timeout_ms = settings->timeout_ms};
    pe_autobuf struct pe_buf bytes = {0};
    if (read_files(task, &bytes, err) < 0)
        return -1;
    const uint64_t began_us = pe_now_us();
    if (write_input(task, &job, &bytes, err) < 0)
        return -1;
    task->times.input_us = pe_now_us() - began_us;
    return run_guest(task, err) < 0 ? -1 : end_and_read(task, err);
}

void task_free(struct task *task)
{
    machine_discard(&task->machine);
    input_free(&task->input);
    output_free(&task->output);
    pe_parts_free(&task->parts);
    vm_snapshot_close(&task->snapshot);
    pe_store_images_free(&task->images);
}
