/* SPDX-License-Identifier: Apache-2.0 */
/* Preparing containers, and running the preparation in them. */
#include "guest-init/prepare.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/cgroup.h"
#include "guest-init/deliver.h"
#include "guest-init/devices.h"
#include "guest-init/layout.h"
#include "guest-init/mounts.h"
#include "guest-init/reseed.h"
#include "guest-init/supervise.h"

#include <fcntl.h>
#include <unistd.h>

#define JOB_TEXT_MAX \
    (512u * 1024u) /* bytes of the file `job`, enough for PE_GLOBS_MAX globs and the numbers */

int prepare_input(const char *device, struct guest_job *job, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    *job = (struct guest_job){0};
    if (mounts_input(device, err) < 0 ||
        pe_read_file(AT_FDCWD, GUEST_JOB "/job", JOB_TEXT_MAX, &text, err) < 0)
        return -1;
    return guest_job_parse(text.data, text.size, job, err);
}

/* It does not matter how the program ends: an image whose warm-up fails is used as well. */
static int run_and_discard(struct container *container, const struct guest_job *job, int interrupt_fd,
                           struct exit_report *report, struct pe_error *err)
{
    struct pe_error why;
    int ran = supervise_program(container, job, pe_now_us(), interrupt_fd, -1, report, &why);
    (void)ran;
    return container_discard(container, err);
}

static int warm_up(const struct guest_job *job, struct pe_error *err)
{
    struct container container = CONTAINER_NONE;
    struct exit_report report __attribute__((cleanup(exit_report_free))) = {.exit_code = -1};
    if (mounts_scratch(job->scratch_bytes, err) < 0 ||
        container_start(&container, &container_of_prewarm, err) < 0 ||
        run_and_discard(&container, job, -1, &report, err) < 0)
        return -1;
    return mounts_scratch_drop(err);
}

static int make_prewarm(struct container *container, const struct guest_job *job, struct pe_error *err)
{
    if (mounts_scratch(job->scratch_bytes, err) < 0 ||
        container_start(container, &container_of_prewarm, err) < 0)
        return -1;
    return mounts_scratch_drop(err);
}

static int make_containers(struct prepared *prepared, struct pe_error *err)
{
    uint64_t start_us = pe_now_us();
    pe_autoguestjob struct guest_job job = {0};
    if (prepare_input(guest_devices()->output, &job, err) < 0 || reseed_guest(&job, start_us, err) < 0 ||
        cgroup_prepare(GUEST_CGROUP_PREWARM, err) < 0)
        return -1;
    if (access(GUEST_JOB "/program", F_OK) == 0 && warm_up(&job, err) < 0)
        return pe_fail_context(err, "cannot warm up the guest");
    if (job.prewarm && make_prewarm(&prepared->prewarm, &job, err) < 0)
        return -1;
    if (mounts_scratch(job.scratch_bytes, err) < 0 ||
        container_start(&prepared->job, &container_of_job, err) < 0)
        return -1;
    return mounts_input_drop(guest_devices()->output, err);
}

int prepare(struct prepared *prepared, struct pe_error *err)
{
    *prepared = (struct prepared){.job = CONTAINER_NONE, .prewarm = CONTAINER_NONE};
    if (mounts_image(err) < 0)
        return -1;
    int given = mounts_has_squashfs(guest_devices()->output, err);
    if (given < 0)
        return -1;
    return given ? make_containers(prepared, err) : mounts_scratch(0, err);
}

/* Scratch for the run, above that of the job; and the container, unless the preparation at the boot made it.
 */
static int begin_prewarm(struct container *container, const struct guest_job *job, struct pe_error *err)
{
    if (container->shim_fd >= 0)
        return mounts_scratch_cover(job->scratch_bytes, err);
    if (mounts_scratch(job->scratch_bytes, err) < 0 ||
        container_start(container, &container_of_prewarm, err) < 0)
        return -1;
    return mounts_rootfs_drop(err);
}

int prepare_prewarm(struct prepared *prepared, int interrupt_fd, struct pe_error *err)
{
    uint64_t start_us = pe_now_us();
    pe_autoguestjob struct guest_job job = {0};
    struct exit_report report __attribute__((cleanup(exit_report_free))) = {.exit_code = -1};
    if (prepare_input(guest_devices()->output, &job, err) < 0 || reseed_guest(&job, start_us, err) < 0 ||
        begin_prewarm(&prepared->prewarm, &job, err) < 0 ||
        run_and_discard(&prepared->prewarm, &job, interrupt_fd, &report, err) < 0 ||
        mounts_input_drop(guest_devices()->output, err) < 0)
        return -1;
    if (report.status != EXIT_REPORT_TIMEOUT && deliver(&job, &report, err) < 0)
        return -1;
    return mounts_scratch_uncover(err);
}
