/* SPDX-License-Identifier: Apache-2.0 */
/* pe-init: PID 1 of the guest. A VM has one job: pe-init gets ready, waits for the job, runs it,
 * writes the output and waits until the VM is killed. proto/guest-contract.md says what the host
 * relies on. pe-init never exits, because that would be a kernel panic. */
#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/archive.h"
#include "guest-init/capture.h"
#include "guest-init/cgroup.h"
#include "guest-init/container.h"
#include "guest-init/deliver.h"
#include "guest-init/devices.h"
#include "guest-init/exit_report.h"
#include "guest-init/foreign.h"
#include "guest-init/host_maps.h"
#include "guest-init/job.h"
#include "guest-init/job_mounts.h"
#include "guest-init/layout.h"
#include "guest-init/modules.h"
#include "guest-init/mounts.h"
#include "guest-init/precedence.h"
#include "guest-init/prepare.h"
#include "guest-init/reseed.h"
#include "guest-init/serial.h"
#include "guest-init/stack_guard.h"
#include "guest-init/supervise.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_to_be_killed(void) __attribute__((noreturn));
static void wait_to_be_killed(void)
{
    for (;;)
        pause();
}

/* If the serial port does not work either, the host notices that nothing arrives. */
static void fail(int serial, const struct pe_error *why) __attribute__((noreturn));
static void fail(int serial, const struct pe_error *why)
{
    char line[PE_ERROR_MESSAGE_MAX + 8];
    struct pe_error ignored;
    snprintf(line, sizeof line, "fail %s", why->message);
    int said = serial < 0 ? -1 : serial_send(serial, line, &ignored);
    (void)said;
    wait_to_be_killed();
}

/* The OOM killer must never choose PID 1. */
static int survive_oom(struct pe_error *err)
{
    pe_autoclose int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open /proc/self/oom_score_adj");
    return pe_write_all(fd, "-1000", 5, "/proc/self/oom_score_adj", err);
}

/* True if the host only tests whether guests run at all. The kernel puts pe_probe=1 of its command
 * line into the environment of PID 1. */
static int is_probe(void)
{
    return getenv("pe_probe") != NULL;
}

/* Do everything that does not depend on the job. */
static int get_ready(struct prepared *prepared, struct pe_error *err)
{
    if (is_probe())
        return 0;
    host_maps_prepare();
    if (survive_oom(err) < 0 || cgroup_prepare(GUEST_CGROUP_JOB, err) < 0 || modules_load(err) < 0 ||
        job_mounts_prepare(err) < 0 || foreign_register(err) < 0 || precedence_prepare(err) < 0 ||
        prepare(prepared, err) < 0)
        return -1;
    return cgroup_limit_memory(GUEST_CGROUP_JOB, err); /* last, when everything that stays is in memory */
}

/* Use the prepared container, or make one of the job's own config.json. */
static int have_container(struct container *container, const struct guest_job *job, struct pe_error *err)
{
    if (container->shim_fd >= 0 && !job->new_container)
        return 0;
    if (container->shim_fd >= 0 &&
        (container_discard(container, err) < 0 || cgroup_renew(GUEST_CGROUP_JOB, err) < 0 ||
         cgroup_limit_memory(GUEST_CGROUP_JOB, err) < 0))
        return -1;
    return container_start(container, &container_of_job, err);
}

/* From `go` on, the stack guard is not that of other clones. Neither this function nor its caller has one. */
STACK_GUARD_NONE static int perform(struct container *container, struct guest_job *job, int serial,
                                    uint64_t go_us, struct exit_report *report, struct pe_error *err)
{
    if (prepare_input(guest_devices()->input, job, err) < 0 || reseed_guest(job, go_us, err) < 0)
        return -1;
    stack_guard_renew();
    if (mounts_scratch_limit(job->scratch_bytes, err) < 0 || have_container(container, job, err) < 0)
        return -1;
    return supervise_program(container, job, go_us, -1, serial, report, err);
}

/* Write to the pages that every job needs, so that no job has to wait for them. This is done after the fork
 * for crun, which makes the kernel copy each page that is written next. Nothing changes: both are empty. */
static void touch_memory(struct guest_job *job, struct exit_report *report)
{
    archive_prepare();
    capture_prepare();
    *job = (struct guest_job){0};
    report->exit_code = -1;
    report->combined = (struct pe_buf){0};
    __asm__ volatile("" : : : "memory"); /* the compiler must not do that later */
}

/* Handle the host's commands until it sends `go`. Sets report->ready_us to the time since the boot when the
 * guest was ready first; a clone says `ready` again. */
static int wait_for_job(int serial, struct prepared *prepared, struct guest_job *job,
                        struct exit_report *report, struct pe_error *err)
{
    enum serial_command command = SERIAL_WAKE;
    report->ready_us = pe_now_us();
    while (command != SERIAL_GO) {
        if (command == SERIAL_WAKE && serial_send(serial, "ready", err) < 0)
            return -1;
        if (command == SERIAL_PREWARM && prepare_prewarm(prepared, serial, err) < 0)
            return pe_fail_context(err, "cannot prewarm the guest");
        touch_memory(job, report);
        if (serial_receive(serial, &command, err) < 0)
            return -1;
    }
    return 0;
}

STACK_GUARD_NONE static int serve(int serial, struct prepared *prepared, uint64_t init_us,
                                  struct pe_error *err)
{
    pe_autoguestjob struct guest_job job = {0};
    struct exit_report report
        __attribute__((cleanup(exit_report_free))) = {.exit_code = -1, .init_us = init_us};
    if (wait_for_job(serial, prepared, &job, &report, err) < 0)
        return -1;
    uint64_t go_us = pe_now_us();
    if (perform(&prepared->job, &job, serial, go_us, &report, err) < 0)
        exit_report_set_vm_error(&report, err);
    if (deliver(&job, &report, err) < 0)
        return -1;
    return serial_send(serial, "done", err);
}

int main(void)
{
    const uint64_t init_us = pe_now_us();
    struct pe_error err;
    struct prepared prepared = {.job = CONTAINER_NONE, .prewarm = CONTAINER_NONE};
    if (mounts_machine(&err) < 0)
        fail(-1, &err);
    int serial = serial_open(&err);
    if (serial < 0 || get_ready(&prepared, &err) < 0 || serve(serial, &prepared, init_us, &err) < 0)
        fail(serial, &err);
    wait_to_be_killed();
}
