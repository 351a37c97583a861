/* SPDX-License-Identifier: Apache-2.0 */
/* The messages between a slot and its helper (worker/slot_helper.h), over a SOCK_SEQPACKET socket. Both ends
 * are the same program, so a message is a plain struct. The slot sends a request, and waits for the reply. */
#ifndef PE_WORKER_SLOT_REQUEST_H
#define PE_WORKER_SLOT_REQUEST_H

#include "base/error.h"

#include <stdint.h>

enum slot_request_kind {
    SLOT_REQUEST_BOOT = 1, /* with the descriptors of slot_request_fd, up to SLOT_FDS_BOOT */
    SLOT_REQUEST_CLONE,    /* with all of them */
    SLOT_REQUEST_KILL,
    SLOT_REQUEST_SAVE,      /* only from the maker of a template; its helper keeps the snapshot */
    SLOT_REQUEST_BALANCER,  /* the reply has the socket for balancer_link_receive */
    SLOT_REQUEST_TEMPLATES, /* the reply has a connection */
};

enum slot_request_fd {
    SLOT_FD_ROOTFS, /* open for reading only */
    SLOT_FD_INPUT,  /* a memfd of PE_INPUT_DEVICE_BYTES */
    SLOT_FD_OUTPUT, /* a memfd of PE_OUTPUT_DEVICE_BYTES */
    SLOT_FD_LIVE,   /* a memfd of PE_LIVE_DEVICE_BYTES */
    SLOT_FDS_BOOT,
    SLOT_FD_MEMORY = SLOT_FDS_BOOT, /* sealed memfds */
    SLOT_FD_STATE,
    SLOT_FDS_CLONE,
};

struct slot_request {
    uint32_t kind;
    uint32_t balancer; /* BALANCER: its number */
};

/* Descriptors of a reply to BOOT and CLONE: the serial port and the log. */
enum { SLOT_REPLY_SERIAL, SLOT_REPLY_LOG, SLOT_REPLY_VM_FDS };

struct slot_reply {
    uint32_t failed; /* then `error` says why, and there are no descriptors */
    int32_t pid;     /* of the VMM */
    uint64_t spawn_us, restore_us;
    struct pe_error error;
};

#endif
