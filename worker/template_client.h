/* SPDX-License-Identifier: Apache-2.0 */
/* A slot's end of one connection to the template server: it requests a permit, receives the grant
 * and releases the permit. A slot has two of these, one for starting VMs and one for running jobs.
 */
#ifndef PE_WORKER_TEMPLATE_CLIENT_H
#define PE_WORKER_TEMPLATE_CLIENT_H

#include "base/error.h"
#include "proto/image.h"
#include "worker/config.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>

/* In this time the template server has answered. It never blocks, so a later answer means that it is stopped,
 * hangs or is dead. */
#define TEMPLATE_ANSWER_MS 5000u

struct template_client {
    int fd;                                /* -1 if it is not connected */
    bool requested;                        /* the grant is due: `fd` becomes readable */
    bool granted;                          /* this slot holds the permit */
    bool asked;                            /* the server has not answered yet that the request waits */
    uint64_t ask_us;                       /* when it is asked (pe_now_us), or has answered at the latest */
    char identity[PE_IMAGE_IDENTITY_SIZE]; /* identity of the image of the template received last */
};

#define TEMPLATE_CLIENT_NONE ((struct template_client){.fd = -1})

/* Request a permit to start a VM for `image`, connecting first if necessary. `now` means that a job
 * waits for the VM. The request replaces an earlier one. Fails with PE_ERR_LOST or PE_ERR_INTERNAL
 * if the template server cannot be reached. */
int template_client_request_vm(struct template_client *client, const struct worker_config *config,
                               const char *image, bool now, struct pe_error *err) PE_MUST_CHECK;

/* Request a permit to run a job whose VM and input are ready. Fails as template_client_request_vm
 * does. */
int template_client_request_run(struct template_client *client, const struct worker_config *config,
                                struct pe_error *err) PE_MUST_CHECK;

/* Go on waiting for the permit to run: for as long as other jobs have it, but not for a template server that
 * does not answer. It is asked every TEMPLATE_ANSWER_MS. `*again_us` is when this has to be called again
 * (pe_now_us), after template_client_receive. Fails with PE_ERR_TIMEOUT, at most two times TEMPLATE_ANSWER_MS
 * after the last sign of life, and with PE_ERR_INTERNAL if the server is gone; the client is then closed. */
int template_client_go_on_waiting(struct template_client *client, uint64_t *again_us,
                                  struct pe_error *err) PE_MUST_CHECK;

/* Receive the grant, waiting for it at most `wait_ms` milliseconds. Returns 1 if it arrived;
 * `*snapshot` is then the caller's, and VM_SNAPSHOT_NONE means that the VM has to boot. Returns 0
 * if it did not arrive yet. Fails with PE_ERR_LOST if the connection ended; the client is then
 * closed. */
int template_client_receive(struct template_client *client, int wait_ms, struct vm_snapshot *snapshot,
                            struct pe_error *err) PE_MUST_CHECK;

/* Returns whether the template received last was made from exactly this image. The name may have
 * been given to another image since. */
bool template_client_matches(const struct template_client *client, const struct pe_image *image);

/* Release the permit, or withdraw the request. Harmless if there is neither. */
void template_client_release(struct template_client *client);

/* Report that the template received last, for `image`, cannot be cloned. It will be made again. */
void template_client_report_broken(struct template_client *client, const char *image);

/* Close the connection, which releases the permit. Harmless on TEMPLATE_CLIENT_NONE, which it
 * leaves. */
void template_client_close(struct template_client *client);

#endif
