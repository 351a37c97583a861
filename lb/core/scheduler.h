/* Which job goes to which slot: the hosts and their images, the slots that are ready, the jobs that wait. A
 * pure data structure: no sockets, no HTTP, no clock. Hosts are its own; slots, jobs and clients are embedded
 * in their owners' structs, which take them out before they end.
 *
 * Clients take turns: each has a queue of its own, and the next job comes from the client whose turn is
 * longest ago. Within a client it is first come, first served, but for two things: a job that no ready slot
 * can run blocks none behind it, and a job for which a warm VM waits may overtake one that would need a new
 * VM, a bounded number of times. */
#ifndef PE_LB_CORE_SCHEDULER_H
#define PE_LB_CORE_SCHEDULER_H

#include "base/error.h"
#include "base/list.h"
#include "lb/core/catalog.h"
#include "proto/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A host whose control connection is open. */
struct worker {
    struct list in_workers; /* the one used last comes first */
    struct list ready;      /* its ready slots, the one used last first */
    char name[256];
    struct catalog catalog;
    const void *owner; /* the control connection that spoke last for this name */
    uint64_t serial;   /* never given twice */
    size_t vms;        /* jobs that it runs at a time; its slots may be more (N + k) */
    size_t slots, running;
    bool draining; /* it asked for no more jobs */
    bool drained;  /* an operator wants it to get none */
};

struct slot {
    struct list in_slots;
    struct list in_ready;      /* of its host, or of those without a host, while it is ready */
    char worker_name[256];     /* as its last `ready` said */
    char warm[256];            /* image its VM is warm for, or empty */
    struct worker *worker;     /* NULL while no control connection of that name is open */
    struct queue_entry *entry; /* what runs on it */
};

/* Whose jobs they are. Zeroed before its first job; ends when no job of it is queued. */
struct client_queue {
    struct list in_turns; /* while it has jobs in the queue */
    struct list queue;
    size_t queued;
    unsigned overtaken; /* times in a row that its first job had to stand back for a warm VM */
};

struct queue_entry {
    struct list in_queue; /* of its client, while it waits */
    struct client_queue *client;
    const char *image; /* reference, borrowed */
    size_t bytes;      /* memory it needs while it waits */
    struct slot *slot; /* where it runs */
};

struct queue_limits {
    size_t jobs;  /* that may wait */
    size_t bytes; /* that they may need together */
};

struct scheduler {
    struct list workers, slots;
    struct list unassigned; /* ready slots without a host */
    struct list drained;    /* names of hosts that an operator took out of service */
    struct list turns;      /* clients with jobs in the queue, the next one first */
    size_t drained_count;
    size_t worker_count, slot_count, ready_count, queued_count, running_count;
    size_t queued_bytes;
    struct queue_limits limits;
    uint64_t serials;
};

void scheduler_init(struct scheduler *scheduler, const struct queue_limits *limits);

/* What a host's control connection `owner` says it is and has. A name that another connection spoke for
 * passes to this one: its host came back before the old connection was found dead. */
int scheduler_worker_hello(struct scheduler *scheduler, const void *owner, const struct pe_hello *hello,
                           struct pe_error *err) PE_MUST_CHECK;
void scheduler_worker_gone(struct scheduler *scheduler, const void *owner);

/* Give a host no more jobs, or jobs again; those that run there go on. That holds while it is away, too.
 * PE_ERR_NOT_FOUND when no host of this name is connected, nor was drained before. */
int scheduler_drain(struct scheduler *scheduler, const char *name, bool drained,
                    struct pe_error *err) PE_MUST_CHECK;

/* Whether the host that had this serial number is still connected. */
bool scheduler_worker_lives(const struct scheduler *scheduler, uint64_t serial);

void scheduler_slot_add(struct scheduler *scheduler, struct slot *slot);
void scheduler_slot_ready(struct scheduler *scheduler, struct slot *slot, const char *worker,
                          const char *warm);
/* Also when it runs a job: the two are then separated, and the job is its owner's to submit again. */
void scheduler_slot_remove(struct scheduler *scheduler, struct slot *slot);

/* The first host's entry for an image; NULL when no host has it. */
const struct catalog_entry *scheduler_find_image(const struct scheduler *scheduler, const char *image);

/* Put a job at the end of its client's queue, or, when it has waited its turn before and lost its slot, first
 * of all. PE_ERR_BUSY when the queue is full and no ready slot could take this one; one that goes to the
 * front always finds room. */
int scheduler_submit(struct scheduler *scheduler, struct queue_entry *entry, bool front,
                     struct pe_error *err) PE_MUST_CHECK;

/* Out of the queue and off its slot, wherever it is. */
void scheduler_entry_remove(struct scheduler *scheduler, struct queue_entry *entry);

/* How many jobs would start before one more of this client: its own, and as many of every other's, at most.
 */
size_t scheduler_jobs_ahead(const struct scheduler *scheduler, const struct client_queue *client);

/* How many jobs would start before this one, which waits: a snapshot, since jobs of clients whose turn comes
 * first may still arrive, and warm VMs let some overtake. */
size_t scheduler_jobs_before(const struct scheduler *scheduler, const struct queue_entry *entry);

/* How many jobs the connected hosts run at a time. */
size_t scheduler_capacity(const struct scheduler *scheduler);

/* Take the next job that a ready slot can run, and that slot: of a host with a VM free before one whose VMs
 * are all busy, one that is warm for the image before one that is not, then of the host used last. The two
 * belong together afterwards. False when there is no such pair. */
bool scheduler_match(struct scheduler *scheduler, struct slot **slot, struct queue_entry **entry);

#endif
