/* SPDX-License-Identifier: Apache-2.0 */
/* Permits, which bound how many VMs are started at the same time (--refills), and how many jobs run at the
 * same time (--slots). The slots request and release them over connections of worker/template_channel.h, one
 * connection for each permit. */
#ifndef PE_WORKER_ADMISSION_H
#define PE_WORKER_ADMISSION_H

#include "proto/limits.h"
#include "worker/config.h"
#include "worker/template_cache.h"

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Two connections for each slot, of which a worker has at most 2048 (--slots and --ahead), and some
 * whose end has not been noticed yet. */
enum { ADMISSION_CLIENTS_MAX = 4200 };

enum permit_state {
    PERMIT_NONE,          /* neither requested nor granted */
    PERMIT_VM_REQUESTED,  /* waits for a permit to start a VM */
    PERMIT_VM_GRANTED,    /* is starting a VM */
    PERMIT_RUN_REQUESTED, /* waits for a permit to run its job */
    PERMIT_RUN_GRANTED,   /* is running its job */
};

/* Connections of one process: a slot's helper makes two for its slot, and the end of earlier ones may not
 * have been noticed yet. A slot that was taken over must not take those of the others. */
enum { ADMISSION_CLIENTS_OF_A_PROCESS = 4 };

struct admission_client {
    int fd;    /* owned */
    pid_t pid; /* of the process that connected */
    enum permit_state state;
    char image[PE_IMAGE_NAME_MAX + 1]; /* of the VM that was requested */
    uint64_t requested_us;             /* when; no two clients have the same */
};

struct admission {
    const struct worker_config *config; /* borrowed */
    struct template_cache *cache;       /* borrowed */
    struct admission_client clients[ADMISSION_CLIENTS_MAX];
    size_t count;
};

/* Prepare for requests. `config` and `cache` must outlive `admission`. */
void admission_init(struct admission *admission, const struct worker_config *config,
                    struct template_cache *cache);

/* Accept a connection that waits at config->templates.listener, or close it if there are too many. */
void admission_accept(struct admission *admission);

/* Write one pollfd for each connection to `fds`, which has room for ADMISSION_CLIENTS_MAX. Returns
 * how many. */
size_t admission_list_fds(const struct admission *admission, struct pollfd *fds);

/* Receive the messages of the slots, according to `fds` as admission_list_fds wrote them and
 * poll(2) completed them. Connections that ended are closed, and their permits released. */
void admission_dispatch(struct admission *admission, const struct pollfd *fds);

/* Grant as many permits as there are, in the order of the requests. A request whose template is
 * still being made does not hold up the requests behind it. */
void admission_grant(struct admission *admission);

#endif
