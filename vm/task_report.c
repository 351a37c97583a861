/* SPDX-License-Identifier: Apache-2.0 */
/* The report of a task. A phase that cannot be measured with an engine is null, with the reason. */
#include "vm/task_report.h"

#include "base/io.h"
#include "codec/json_writer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct phase {
    const char *name;
    uint64_t us;
    const char *missing; /* why it is not known; NULL: it is */
};

#define PHASES_MAX 16

/* ---- the phases that the host sees ---- */

/* A boot in three parts. The guest has measured two of them, and is not trusted: they are cut to the time
 * that was measured here. */
static size_t list_boot(const struct task *task, struct phase *phases)
{
    static const char no_restore[] = "the VM boots and restores no snapshot";
    const struct machine *machine = &task->machine;
    const struct pe_result *result = &task->output.result;
    const uint64_t whole_us = machine->spawn_us + machine->restore_us + machine->ready_us;
    const uint64_t guest_us = result->ready_us < whole_us ? result->ready_us : whole_us;
    const uint64_t kernel_us = result->init_us < guest_us ? result->init_us : guest_us;
    size_t n = 0;
    phases[n++] = (struct phase){"vmm_start", whole_us - guest_us, NULL};
    phases[n++] = (struct phase){"restore", 0, no_restore};
    phases[n++] = (struct phase){"kernel", kernel_us, NULL};
    phases[n++] = (struct phase){"init", guest_us - kernel_us, NULL};
    phases[n++] = (struct phase){"wake", 0, no_restore};
    phases[n++] = (struct phase){"ready", whole_us, NULL};
    return n;
}

static size_t list_clone(const struct task *task, struct phase *phases)
{
    static const char no_boot[] = "a clone does not boot";
    const struct machine *machine = &task->machine;
    size_t n = 0;
    phases[n++] = (struct phase){"vmm_start", machine->spawn_us, NULL};
    phases[n++] = (struct phase){"restore", machine->restore_us, NULL};
    phases[n++] = (struct phase){"kernel", 0, no_boot};
    phases[n++] = (struct phase){"init", 0, no_boot};
    phases[n++] = (struct phase){"wake", machine->ready_us, NULL};
    phases[n++] = (struct phase){"ready", machine->spawn_us + machine->restore_us + machine->ready_us, NULL};
    return n;
}

static size_t list_host_phases(const struct task *task, struct phase phases[PHASES_MAX])
{
    const struct task_times *times = &task->times;
    const uint64_t job_us = times->input_us + times->run_us + times->exit_us + times->parse_us;
    size_t n = 0;
    phases[n++] =
        (struct phase){"template", times->template_us, times->template_us ? NULL : "no snapshot was made"};
    n += task->machine.clone ? list_clone(task, phases + n) : list_boot(task, phases + n);
    phases[n++] = (struct phase){"input", times->input_us, NULL};
    phases[n++] = (struct phase){"go", task->output.result.step_us[PE_STEP_GO], NULL};
    phases[n++] = (struct phase){"done", times->run_us, NULL};
    phases[n++] = (struct phase){"exit", times->exit_us, NULL};
    phases[n++] = (struct phase){"parse", times->parse_us, NULL};
    phases[n++] = (struct phase){"job", job_us, NULL};
    phases[n] = phases[n - 1];
    phases[n].name = "total";
    for (size_t i = 0; i < n; i++)
        if (!strcmp(phases[i].name, "ready"))
            phases[n].us += phases[i].us;
    return n + 1;
}

static size_t list_guest_phases(const struct task *task, struct phase phases[PHASES_MAX])
{
    const struct pe_result *result = &task->output.result;
    size_t n = 0;
    phases[n++] = (struct phase){"exec", result->step_us[PE_STEP_EXEC], NULL};
    phases[n++] = (struct phase){"program", result->step_us[PE_STEP_PROGRAM], NULL};
    phases[n++] = (struct phase){"output", result->step_us[PE_STEP_OUTPUT], NULL};
    phases[n++] = (struct phase){"user", result->user_us, NULL};
    phases[n++] = (struct phase){"system", result->system_us, NULL};
    return n;
}

/* ---- JSON ---- */

static int print(struct pe_buf *text, const struct pe_json_writer *writer, struct pe_error *err)
{
    if (pe_json_finish(writer) < 0 || pe_buf_append(text, "\n", 1, err) < 0)
        return -1;
    return pe_write_all(STDOUT_FILENO, text->data, text->size, "standard output", err);
}

static void append_phases(struct pe_json_writer *writer, const char *name, const struct phase *phases,
                          size_t count)
{
    pe_json_open(writer, name, '{');
    for (size_t i = 0; i < count; i++)
        if (phases[i].missing)
            pe_json_append_null(writer, phases[i].name);
        else
            pe_json_append_number(writer, phases[i].name, phases[i].us);
    pe_json_close(writer, '}');
}

static void append_missing(struct pe_json_writer *writer, const struct phase *phases, size_t count)
{
    pe_json_open(writer, "missing", '{');
    for (size_t i = 0; i < count; i++)
        if (phases[i].missing)
            pe_json_append_text(writer, phases[i].name, phases[i].missing);
    pe_json_close(writer, '}');
}

static void append_vm(struct pe_json_writer *writer, const struct task *task)
{
    const struct task_host *host = task->host;
    const enum pe_isolation isolation = vm_isolation(host->vm.accel);
    pe_json_append_text(writer, "engine", host->engine.name);
    pe_json_append_text(writer, "isolation", pe_isolation_name(isolation));
    pe_json_append_text(writer, "vmm", host->vm.driver->name);
    pe_json_append_text(writer, "vmm_version", host->version);
    pe_json_append_text(writer, "kernel",
                        host->vm.accel == VM_ACCEL_NONE ? host->vm.uml_kernel : host->vm.kernel);
    pe_json_append_text(writer, "image", task->image->name);
    pe_json_append_number(writer, "memory_mib", machine_memory_mib(task->settings->memory_mib));
    pe_json_append_number(writer, "cpus", task->settings->cpus);
    pe_json_append_bool(writer, "clone", task->machine.clone);
    pe_json_append_bool(writer, "cold", task->settings->cold);
}

static void append_result(struct pe_json_writer *writer, const struct pe_result *result)
{
    pe_json_append_text(writer, "status", pe_status_name(result->status));
    if (result->exit_code >= 0)
        pe_json_append_number(writer, "exit_code", (uint64_t)result->exit_code);
    else
        pe_json_append_null(writer, "exit_code");
    if (result->signal)
        pe_json_append_number(writer, "signal", (uint64_t)result->signal);
    else
        pe_json_append_null(writer, "signal");
    if (result->reason[0])
        pe_json_append_text(writer, "reason", result->reason);
    pe_json_append_number(writer, "max_rss_kib", result->max_rss_kib);
    pe_json_append_bool(writer, "stdout_truncated", result->stdout_truncated);
    pe_json_append_bool(writer, "stderr_truncated", result->stderr_truncated);
    pe_json_append_number(writer, "outputs_dropped", result->outputs_dropped);
}

static void append_stream(struct pe_json_writer *writer, const char *name, const struct task *task,
                          enum pe_part_kind kind)
{
    const struct output *output = &task->output;
    size_t at = 0;
    for (size_t i = 0; i < output->parts.count; i++) {
        const struct pe_part *part = &output->parts.items[i];
        if (part->kind == kind)
            pe_json_append_bytes(writer, name, output->bytes.data + at, (size_t)part->size);
        at += (size_t)part->size;
    }
}

int task_report_ready(const struct task *task, struct pe_error *err)
{
    const struct machine *machine = &task->machine;
    pe_autobuf struct pe_buf text = {0};
    struct pe_json_writer writer = pe_json_write(&text, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "state", "ready");
    pe_json_append_number(&writer, "vmm_pid", (uint64_t)machine->vm.pid);
    append_vm(&writer, task);
    pe_json_append_number(&writer, "ready_us", machine->spawn_us + machine->restore_us + machine->ready_us);
    pe_json_close(&writer, '}');
    return print(&text, &writer, err);
}

int task_report_json(const struct task *task, struct pe_error *err)
{
    struct phase host[PHASES_MAX], guest[PHASES_MAX];
    const size_t host_count = list_host_phases(task, host), guest_count = list_guest_phases(task, guest);
    pe_autobuf struct pe_buf text = {0};
    struct pe_json_writer writer = pe_json_write(&text, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "state", "ended");
    append_vm(&writer, task);
    append_result(&writer, &task->output.result);
    append_phases(&writer, "host_us", host, host_count);
    append_phases(&writer, "guest_us", guest, guest_count);
    append_missing(&writer, host, host_count);
    append_stream(&writer, "stdout", task, PE_PART_STDOUT);
    append_stream(&writer, "stderr", task, PE_PART_STDERR);
    pe_json_close(&writer, '}');
    return print(&text, &writer, err);
}

int task_report_template(const struct task *task, struct pe_error *err)
{
    char files[128];
    pe_autobuf struct pe_buf text = {0};
    struct pe_json_writer writer = pe_json_write(&text, err);
    snprintf(files, sizeof files, "/proc/%d/fd/%d,/proc/%d/fd/%d", (int)getpid(), task->snapshot.memory_fd,
             (int)getpid(), task->snapshot.state_fd);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "state", "template");
    append_vm(&writer, task);
    pe_json_append_text(&writer, "template", files);
    pe_json_append_number(&writer, "template_us", task->times.template_us);
    pe_json_close(&writer, '}');
    return print(&text, &writer, err);
}

/* ---- text ---- */

static int copy_streams(const struct output *output, struct pe_error *err)
{
    size_t at = 0;
    for (size_t i = 0; i < output->parts.count; i++) {
        const struct pe_part *part = &output->parts.items[i];
        const int fd = part->kind == PE_PART_STDOUT   ? STDOUT_FILENO
                       : part->kind == PE_PART_STDERR ? STDERR_FILENO
                                                      : -1;
        if (fd >= 0 && pe_write_all(fd, output->bytes.data + at, (size_t)part->size, "a stream", err) < 0)
            return -1;
        at += (size_t)part->size;
    }
    return 0;
}

static void print_phases(const char *who, const struct phase *phases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (phases[i].missing)
            fprintf(stderr, "%-6s %-10s %14s  %s\n", who, phases[i].name, "-", phases[i].missing);
        else
            fprintf(stderr, "%-6s %-10s %11.3f ms\n", who, phases[i].name, (double)phases[i].us / 1000);
}

int task_report_text(const struct task *task, struct pe_error *err)
{
    struct phase phases[PHASES_MAX];
    const struct task_host *host = task->host;
    if (copy_streams(&task->output, err) < 0)
        return -1;
    fprintf(stderr, "%s in a VM of %s (%s %s): %s\n", task->image->name, host->engine.name,
            host->vm.driver->name, host->version, pe_status_name(task->output.result.status));
    print_phases("host", phases, list_host_phases(task, phases));
    print_phases("guest", phases, list_guest_phases(task, phases));
    return 0;
}

int task_report_status(const struct pe_result *result)
{
    if (result->status == PE_STATUS_EXITED && result->exit_code >= 0)
        return result->exit_code;
    return result->status == PE_STATUS_SIGNALED ? 128 + result->signal : 125;
}
