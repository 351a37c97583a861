/* Which job goes to which slot: the hosts and their images, the slots that are ready, the jobs that wait. A
 * pure data structure: no sockets, no HTTP, no clock. Hosts are its own; slots and jobs are embedded in their
 * owners' structs, which take them out before they end. */
#ifndef PE_LB_SCHEDULER_H
#define PE_LB_SCHEDULER_H

#include "base/error.h"
#include "lb/catalog.h"
#include "lb/list.h"
#include "proto/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A host whose control connection is open. */
struct sched_host {
    struct list in_hosts;
    char name[256];
    struct catalog catalog;
    const void *owner; /* the control connection that spoke last for this name */
    uint64_t used_at;  /* on the scheduler's own count of jobs started, 0 never */
};

struct sched_slot {
    struct list in_slots;
    struct list in_ready;    /* while it is ready */
    char host_name[256];     /* as its last `ready` said */
    char warm[256];          /* image its VM is warm for, or empty */
    struct sched_host *host; /* NULL while no control connection of that name is open */
    struct sched_job *job;   /* what runs on it */
};

struct sched_job {
    struct list in_queue;    /* while it waits */
    const char *image;       /* reference, borrowed */
    struct sched_slot *slot; /* where it runs */
};

struct scheduler {
    struct list hosts, slots, ready, queue;
    size_t host_count, slot_count, ready_count, queued_count, running_count;
    size_t queue_max; /* jobs that may wait */
    uint64_t started; /* jobs ever started */
};

void scheduler_init(struct scheduler *scheduler, size_t queue_max);

/* What a host's control connection `owner` says it is and has. A name that another connection spoke for
 * passes to this one: its host came back before the old connection was found dead. */
int scheduler_host_hello(struct scheduler *scheduler, const void *owner, const struct pe_hello *hello,
                         struct pe_error *err) PE_MUST_CHECK;
void scheduler_host_gone(struct scheduler *scheduler, const void *owner);

void scheduler_slot_add(struct scheduler *scheduler, struct sched_slot *slot);
void scheduler_slot_ready(struct scheduler *scheduler, struct sched_slot *slot, const char *host,
                          const char *warm);
/* Also when it runs a job: the two are then separated, and the job is its owner's to submit again. */
void scheduler_slot_remove(struct scheduler *scheduler, struct sched_slot *slot);

/* Whether a job with this image has a chance. */
enum sched_chance { SCHED_IMAGE_KNOWN, SCHED_IMAGE_UNKNOWN, SCHED_NO_HOST };
enum sched_chance scheduler_chance(const struct scheduler *scheduler, const char *image);

/* Put a job at the end of the queue, or at its front when it has waited its turn before and lost its slot.
 * PE_ERR_BUSY when too many wait and no ready slot
 * could take this one; one that goes to the front always finds room. */
int scheduler_submit(struct scheduler *scheduler, struct sched_job *job, bool front,
                     struct pe_error *err) PE_MUST_CHECK;

/* Out of the queue and off its slot, wherever it is. */
void scheduler_job_remove(struct scheduler *scheduler, struct sched_job *job);

/* Take the next job that a ready slot can run, oldest first, and that slot: one warm for the image before one
 * that is not, then one of the host that was used last. The two belong together afterwards. False when there
 * is no such pair. */
bool scheduler_match(struct scheduler *scheduler, struct sched_slot **slot, struct sched_job **job);

#endif
