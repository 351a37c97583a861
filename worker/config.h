/* SPDX-License-Identifier: Apache-2.0 */
/* What every process of a worker knows. main fills it in once; all others only read it. */
#ifndef PE_WORKER_CONFIG_H
#define PE_WORKER_CONFIG_H

#include "net/route.h"
#include "worker/balancer_list.h"
#include "worker/owner_activity.h"
#include "worker/owner_hours.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKER_NAME_MAX 127u /* bytes */

struct worker_config {
    const char *const *servers; /* what --server names */
    size_t server_count;
    struct balancer_list balancers;   /* what that stands for now */
    bool balancers_are_known;         /* names were looked up, as far as that is possible */
    struct balancer_list *discovered; /* what the last look has found (worker/balancer_discovery.h) */
    size_t balancer;                  /* in a registration and a link: the number of its balancer */
    struct pe_route route;            /* how balancers are reached */
    int token_fd;                     /* bearer token (worker/token.h); -1: there is none */
    const char *token_fault;          /* for the doctor: why --token-file cannot be used; NULL: it can */
    const char *store;                /* directory of the image store */
    uint32_t slots;                   /* jobs that run at the same time */
    uint32_t ahead;                   /* additional slots, in which a job waits ready to run */
    uint32_t memory_mib;              /* what a job may use */
    char name[WORKER_NAME_MAX + 1];   /* this worker's name, unique among the workers of a balancer */

    struct {
        const struct probe *probe; /* how it is chosen (worker/vmm/probe.h) */
        char reason[1024];         /* the chosen engine, and why none of the better ones was chosen */
        bool undecided;            /* a better engine did not answer in time, and is to be tried again */
        bool snapshots;            /* it clones templates; otherwise every VM boots */
        bool prewarm;              /* clones can be prewarmed: it emulates its guests */
    } engine;

    struct {                    /* VMs that wait for jobs */
        const char **images;    /* that the first of them, and templates, are made for */
        size_t count;           /* 0: the first image of the store */
        uint32_t refills;       /* VMs started at the same time, not counting those for waiting jobs */
        uint32_t prewarm_slots; /* how many slots prewarm their clones */
        bool new_containers;    /* create each job's container when the job arrives, not before */
        bool no_warm_up;        /* a VM that boots does not run the warm-up command of its image */
    } warm;

    struct {
        const char *dir; /* those that survive a restart */
        uint64_t mib;    /* bound on those there, and on those in memory */
        int listener;    /* where slots reach the template server (worker/template_channel.h) */
    } templates;

    struct {                       /* what the owner of the host wants */
        struct owner_hours hours;  /* when the worker may run jobs */
        uint32_t pause_grace_s;    /* how long running jobs may go on when it pauses */
        uint64_t memory_total;     /* MiB that all VMs may use; 0: no bound */
        bool idle_only;            /* it pauses while the owner works */
        uint32_t idle_after_s;     /* after that time without a sign of the owner, the owner does not work */
        uint32_t idle_cpu_percent; /* what other programs may use of all CPUs meanwhile */
        enum owner_sign sign;      /* what is known of the owner now */
    } owner;
    bool paused; /* it takes no jobs now */

    struct {
        int lock;    /* from vmm_users_lock, kept open; -1: the worker is not root */
        uid_t first; /* of the users that are locked */
        bool own;    /* each slot's VMMs run as a user of their own: vm.uid plus the number of the slot */
        uid_t slot;  /* in the process of a slot: its user, if the worker is root */
        uid_t link;  /* the user of its links to the balancer */
    } users;

    const char *metrics_file; /* NULL: metrics are not written */
    struct metrics *metrics;  /* shared by all processes of the worker */
    struct board *board;      /* what they tell about themselves (worker/board.h); NULL: nobody asks */
    int status_listener;      /* where `pe-worker status` asks (worker/status_server.h) */
    uint32_t slot;            /* the number of this child, from 0; the slots come first */
    const char *cpu_file;     /* for cpu_seat_take */
    struct slot_helper
        *helper; /* in the process of a slot: it starts VMs (worker/slot_helper.h); else NULL */
    struct vm_host vm;
};

#endif
