/* SPDX-License-Identifier: Apache-2.0 */
/* One job on a slot, from the balancer's `job` message to the last byte of its result. */
#ifndef PE_WORKER_JOB_RUN_H
#define PE_WORKER_JOB_RUN_H

#include "base/error.h"
#include "proto/slot.h"
#include "worker/config.h"
#include "worker/job/machine.h"
#include "worker/template_client.h"
#include "worker/ws_client.h"

/* What a job runs with. Everything is borrowed from the slot. */
struct job_run {
    const struct worker_config *config;
    struct ws_client *balancer;
    struct template_client *start_permit; /* for starting a VM */
    struct template_client *run_permit;   /* for running the job */
    struct machine *machine; /* the slot's VM: used up, or replaced if the job needs another rootfs */
    const struct pe_message *message; /* the `job` message */
    char *warm_image;                 /* PE_IMAGE_NAME_MAX + 1 bytes: set to the job's image */
};

/* Run the job and send the balancer a result or an `error`. Returns 0 once that is sent, also if
 * the guest failed; the VM has ended then. Fails with PE_ERR_LOST if the connection to the balancer is lost,
 * and with PE_ERR_MALFORMED if the balancer breaks the protocol. The caller then discards `run->machine`. */
int job_run(struct job_run *run, struct pe_error *err) PE_MUST_CHECK;

#endif
