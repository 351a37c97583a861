/* SPDX-License-Identifier: Apache-2.0 */
/* The channel between the slots and the template server (worker/template_server.c): a UNIX socket
 * in the worker's run directory, with one SOCK_SEQPACKET connection for each permit.
 *
 * A slot sends a permit request and waits for the grant. It may then start a VM, or run a job,
 * until it sends the release. A slot that dies releases its permits, because its connections end.
 *
 * A grant to run may take long, because other jobs run for as long as they may. An answer does not, so a slot
 * whose job waits asks now and then whether it still does. If the server was stopped or hangs, there is no
 * answer, and the job runs as if there was no server.
 */
#ifndef PE_WORKER_TEMPLATE_CHANNEL_H
#define PE_WORKER_TEMPLATE_CHANNEL_H

#include "base/error.h"
#include "proto/image.h"
#include "proto/limits.h"
#include "worker/config.h"
#include "worker/vmm/vmm.h"

enum template_message_kind {
    /* From a slot. A request replaces an earlier one of the same connection. */
    TEMPLATE_REQUEST_VM,     /* request: start a VM for `image`, which is then kept warm */
    TEMPLATE_REQUEST_VM_NOW, /* request: the same, for a job that waits; it is granted at once */
    TEMPLATE_REQUEST_RUN,    /* request: run a job whose VM and input are ready */
    TEMPLATE_ASK_RUN,        /* whether that request still waits; without effect on its turn */
    TEMPLATE_RELEASE,        /* release: the VM is ready or lost, or the job has ended */
    TEMPLATE_REPORT_BROKEN,  /* the template of `image` could not be cloned */
    /* From the template server. */
    TEMPLATE_GRANT_CLONE, /* grant: clone this template, whose two files travel along */
    TEMPLATE_GRANT_BOOT,  /* grant: boot, because there is no template */
    TEMPLATE_GRANT_RUN,   /* grant: run the job */
    TEMPLATE_RUN_WAITS,   /* the answer to TEMPLATE_ASK_RUN, unless the permit has been granted */
};

struct template_message {
    enum template_message_kind kind;
    char image[PE_IMAGE_NAME_MAX + 1];
    char identity[PE_IMAGE_IDENTITY_SIZE]; /* TEMPLATE_GRANT_CLONE: that of the template's image */
};

/* Listen on the socket RUNDIR/templates. Returns the descriptor, which the caller owns. Called once
 * per worker, before there are slots: connections made while the template server restarts then wait
 * for it. Fails with PE_ERR_TOO_LARGE if the path is too long for a socket, else with
 * PE_ERR_INTERNAL. */
int template_channel_listen(const struct worker_config *config, struct pe_error *err) PE_MUST_CHECK;

/* Connect to the template server. Returns a nonblocking descriptor, which the caller owns. Fails
 * with PE_ERR_LOST if nobody listens. */
int template_channel_connect(const struct worker_config *config, struct pe_error *err) PE_MUST_CHECK;

/* Send a message, together with both files of `snapshot` unless that is NULL. Fails with
 * PE_ERR_INTERNAL if the other end is gone. */
int template_channel_send(int fd, const struct template_message *message, const struct vm_snapshot *snapshot,
                          struct pe_error *err) PE_MUST_CHECK;

/* Receive a message without blocking. Returns 1 if there was one and 0 if there was none.
 * `*snapshot` is VM_SNAPSHOT_NONE unless two files travelled along, which the caller then owns.
 * Fails with PE_ERR_LOST at the end of the connection. */
int template_channel_receive(int fd, struct template_message *message, struct vm_snapshot *snapshot,
                             struct pe_error *err) PE_MUST_CHECK;

#endif
