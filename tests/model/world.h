/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the state-machine test share: the sizes of the small world that is simulated, the
 * things in it, and how a fault is reported.
 *
 * The balancer is the real one: lb/core, lb/workers and lb/api. Around it stand
 *   choices      where random numbers come from
 *   clock        the time, which only the test moves
 *   http_edge    requests and responses, in the place of libh2o
 *   ws_edge      connections of workers, in the place of lb/edge/ws_server.c
 *   keeper       the helper process of the result store
 *   balancer     the objects of lb/server.c, and the event loop
 *   clients      actors that send requests, read, and hang up
 *   sessions     actors that type while their program runs
 *   connects     the same with Piston's WebSocket
 *   questions    actors that ask for jobs by their ids, and cancel them
 *   deletions    actors that have stored results deleted
 *   dialects     what clients of Piston and of the Model Context Protocol send, and get
 *   chats        what agents say besides
 *   hosts        actors that register workers and run jobs, properly or not
 * and the model, which knows from the messages alone what must happen:
 *   known        which workers count as known, and with which images
 *   book         which jobs there are, where each runs, and what it lost
 *   judge        whether an answer is right at this moment
 *   output       what programs print, byte by byte
 *   report       what is reported about stages and cases
 *   cases        what clients must be told about them
 *   input        what programs must be sent while they run
 *   events       what clients that asked for events must be told
 *   at_rest      what must hold whenever nothing is left to do at this moment
 *   states       how many different states there were
 */
#ifndef PE_TESTS_MODEL_WORLD_H
#define PE_TESTS_MODEL_WORLD_H

#include "proto/isolation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAMES = 3,         /* of workers; a registration may use any of them */
    REGISTRATIONS = 5, /* open at a time */
    SLOTS = 8,
    IMAGES = 3,
    VARIANTS = 4, /* of an image: 0 is none; 1 and 2 share a digest; 3 has another one */
    PAYLOADS = 8, /* different commands */
    SALTS = 2,
    CLIENTS = 3,
    REQUESTS = 14, /* open at a time */
    TRIES = 3,
    LOSS_RETRY_US = 100000,
    PRECISION_US = 101000, /* deadlines are looked at every 100 ms */
    LOOKUP_US = 401000,
};

/* What a run of the test decides once, at its beginning. */
struct options {
    uint64_t queue_jobs, queue_bytes;
    uint64_t queue_wait_us, gather_us, away_us, poison_us;
    uint64_t cache_bytes, results_bytes;
    uint64_t client_jobs, client_rate, client_burst;
    bool has_store;
    unsigned slot_deaths, vm_deaths; /* in percent of what slots do */
    unsigned rush;                   /* how often, in percent, events come in one iteration of the loop */
    unsigned slots;                  /* how many of them there are */
    unsigned sessions;               /* how many of the new requests, in percent, are interactive */
    uint64_t session_jobs;           /* how many of them may have a job; 0: half as many as there are slots */
    uint64_t idle_us;                /* how long an interactive job may be without input and output */
    unsigned cases;                  /* how many of them, in percent, have stages */
    unsigned dialects;               /* how many of them, in percent, come by another API */
    unsigned http2;                  /* how many of them, in percent, come over HTTP/2 */
    unsigned watchers;               /* how many requests, in percent, ask for events */
    bool audits;                     /* jobs are run again on other hosts, and the results compared */
    bool is_chatty;                  /* programs print much, and most clients watch them */
    bool is_calm;                    /* few jobs come, and all workers are alike: slots are idle */
    bool is_patient;                 /* clients seldom hang up */
    bool is_busy;                    /* many jobs of one client and one image wait for a slot that is warm */
};

extern struct options options;
extern uint64_t steps_done;
extern bool is_tracing; /* print every step */

/* Report a fault of the balancer, with the source line of the expectation, and abort. */
#define EXPECT(condition, ...)                            \
    do {                                                  \
        if (!(condition)) {                               \
            report_fault(__FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                 \
            fputc('\n', stderr);                          \
            abort();                                      \
        }                                                 \
    } while (0)

#define TRACE(...)                        \
    do {                                  \
        if (is_tracing) {                 \
            print_time();                 \
            fprintf(stderr, __VA_ARGS__); \
            fputc('\n', stderr);          \
        }                                 \
    } while (0)

/* Print where the run stands. For EXPECT. */
void report_fault(const char *file, int line, const char *condition);

/* Print the number of the step and the time. For TRACE. */
void print_time(void);

/* The APIs by which requests come. */
enum api { API_NATIVE, API_PISTON, API_MCP, APIS };

/* What a request wants to be done. */
struct work {
    unsigned image, payload, salt;
    unsigned language; /* of a request of Piston, whose program is told it: some images have two */
    unsigned plan;     /* which stages and cases it has; 0: none (report.h) */
    unsigned part;     /* of the cases, if they are spread over several jobs; of a request 0 */
    enum api api;
};

/* Whether two requests may share a result, if their image is the same. */
static inline bool is_same_work(struct work a, struct work b)
{
    return a.image == b.image && a.payload == b.payload && a.salt == b.salt && a.plan == b.plan &&
           a.part == b.part && a.api == b.api && a.language == b.language;
}

/* What one job of a request has to do. */
static inline struct work part_of_work(struct work work, unsigned part)
{
    work.part = part;
    return work;
}

/* What a worker offers. */
struct offer {
    unsigned variants[IMAGES]; /* 0: it does not have the image */
    enum pe_isolation isolation;
    unsigned slots, vms; /* vms 0: as many as slots */
    bool draining, is_live;
};

/* The names of things in messages. */
const char *name_of_host(unsigned name);
const char *name_of_image(unsigned image);
const char *digest_of(unsigned image, unsigned variant);

#endif
