/* What every process of a worker host knows: filled in once by main, read by all. */
#ifndef PE_WORKER_CONFIG_H
#define PE_WORKER_CONFIG_H

#include "worker/vmm/vmm.h"

#include <stdint.h>

struct worker_config {
    const char *server;   /* the balancer, as link_open takes it */
    const char *token;    /* bearer token, or NULL */
    const char *store;    /* directory of the image store */
    const char *warm;     /* image the first warm VMs are made for, or NULL: the store's first */
    uint32_t slots;       /* VMs that run at once */
    uint32_t memory_mib;  /* that a job may use */
    char host[128];       /* this host's name, unique among hosts */
    char vmm_reason[256]; /* which VMM and accelerator, and why */
    struct vm_host vm;
};

#endif
