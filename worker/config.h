/* What every process of a worker host knows: filled in once by main, read by all. */
#ifndef PE_WORKER_CONFIG_H
#define PE_WORKER_CONFIG_H

#include "worker/vmm/vmm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker_config {
    const char *server;       /* the balancer, as ws_client_open takes it */
    const char *token;        /* bearer token, or NULL */
    const char *store;        /* directory of the image store */
    const char **warm;        /* images the first warm VMs and templates are made for */
    size_t warm_count;        /* 0: the store's first */
    uint32_t slots;           /* jobs that run at once */
    uint32_t ahead;           /* more slots than that: a job there waits for its turn, ready to run */
    uint32_t memory_mib;      /* that a job may use */
    char host[128];           /* this host's name, unique among hosts */
    char engine_reason[1024]; /* which engine of the ladder, and why not those above */

    bool snapshots;           /* the engine makes clones of templates, else every VM boots */
    bool prewarm;             /* clones are prewarmed: guests are emulated */
    uint32_t prewarm_slots;   /* how many slots have theirs do so */
    bool new_containers;      /* make each job's container when the job comes, although one is prepared */
    const char *template_dir; /* where templates are kept across restarts */
    uint64_t template_mib;    /* how much of them to keep there, and as much in memory */
    int template_listener;    /* where slots reach the templates' process (template_listen) */
    uint32_t refills;         /* VMs that are made at the same time, those for waiting jobs not counted */

    const char *metrics_file; /* NULL: none */
    struct metrics *metrics;  /* shared by all processes of the host */
    uint32_t slot;            /* in a slot's process: its number, from 0 */
    bool own_users;           /* each slot's VMMs run as a user of their own: vm.uid plus the slot's number */
    struct vm_host vm;
};

#endif
