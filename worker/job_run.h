/* One job on a slot, from the balancer's `job` message to the last byte of its result. */
#ifndef PE_WORKER_JOB_RUN_H
#define PE_WORKER_JOB_RUN_H

#include "base/error.h"
#include "proto/slot.h"
#include "worker/config.h"
#include "worker/machine.h"
#include "worker/template_client.h"
#include "worker/ws_client.h"

struct job_run {
    const struct worker_config *config;
    struct ws_client *balancer;
    struct template_client *start_permit;
    struct template_client *run_permit; /* another, for the job's turn to run */
    struct machine *machine; /* the slot's VM: used up by the job, or replaced when it has another rootfs */
    const struct pe_message *message; /* the `job` message */
    char *warm_image;                 /* PE_IMAGE_NAME_MAX + 1 bytes: set to the job's image */
};

/* Run the job and answer it, with a result or an `error`. Whatever the guest does, the answer is sent and 0
 * returned, and the VM is gone before the result travels. Negative only when the
 * connection is lost (PE_ERR_LOST) or the balancer broke the protocol. */
int job_run(struct job_run *run, struct pe_error *err) PE_MUST_CHECK;

#endif
