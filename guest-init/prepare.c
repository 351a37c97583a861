/* From a booted kernel to a container that waits for its program. */
#include "guest-init/prepare.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/cgroup.h"
#include "guest-init/freshness.h"
#include "guest-init/layout.h"
#include "guest-init/mounts.h"
#include "guest-init/run.h"

#include <fcntl.h>
#include <unistd.h>

#define JOB_TEXT_MAX (512u * 1024u) /* bytes of `job`: PE_GLOBS_MAX globs and some numbers fit well */

int prepare_input(const char *device, struct guest_job *job, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    *job = (struct guest_job){0};
    if (mounts_input(device, err) < 0 || pe_read_file(AT_FDCWD, GUEST_JOB "/job", JOB_TEXT_MAX, &text, err) < 0)
        return -1;
    return guest_job_parse(text.data, text.size, job, err);
}

/* How the program ends does not matter: that of an image whose warm-up fails is run all the same. */
static int warm_up(const struct guest_job *job, struct pe_error *err)
{
    struct container container = CONTAINER_NONE;
    struct outcome outcome __attribute__((cleanup(outcome_free))) = {.exit_code = -1};
    struct pe_error why;
    if (mounts_scratch(job->scratch_bytes, err) < 0 || container_start(&container, err) < 0)
        return -1;
    int ran = run_program(&container, job, pe_now_us(), &outcome, &why);
    (void)ran;
    if (container_discard(&container, err) < 0 || cgroup_renew(err) < 0)
        return -1;
    return mounts_scratch_drop(err);
}

static int make_container(struct container *container, struct pe_error *err)
{
    uint64_t start_us = pe_now_us();
    pe_autoguestjob struct guest_job job = {0};
    if (prepare_input(GUEST_OUTPUT_DEVICE, &job, err) < 0 || freshness_take(&job, start_us, err) < 0)
        return -1;
    if (access(GUEST_JOB "/program", F_OK) == 0 && warm_up(&job, err) < 0)
        return pe_fail_context(err, "warming up");
    if (mounts_scratch(job.scratch_bytes, err) < 0 || container_start(container, err) < 0)
        return -1;
    return mounts_input_drop(GUEST_OUTPUT_DEVICE, err);
}

int prepare(struct container *container, struct pe_error *err)
{
    *container = CONTAINER_NONE;
    if (mounts_image(err) < 0)
        return -1;
    int given = mounts_has_squashfs(GUEST_OUTPUT_DEVICE, err);
    if (given < 0)
        return -1;
    return given ? make_container(container, err) : mounts_scratch(0, err);
}
