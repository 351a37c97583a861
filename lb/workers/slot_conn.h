/* GET /v1/slot: a slot's connection, which runs one job at a time (proto/slot-protocol.md). */
#ifndef PE_LB_WORKERS_SLOT_CONN_H
#define PE_LB_WORKERS_SLOT_CONN_H

#include "lb/core/scheduler.h"
#include "lb/edge/h2o.h"

struct job;
struct server;

/* Handle the request: upgrade it, or answer with a problem. */
void slot_conn_accept(struct server *server, h2o_req_t *req);

/* Send a job to the slot it was matched with. From now on the slot calls task_on_… (lb/core/job.h), until it
 * has called one of those that end a job or slot_conn_cancel was called. */
void slot_conn_start(struct slot *slot, struct job *job);

/* Nobody wants the job any more; the task is forgotten at once, and its input is not touched again. */
void slot_conn_cancel(struct slot *slot);

/* Close the connection of a slot that runs nothing: its worker connects anew, to whoever listens then. */
void slot_conn_dismiss(struct slot *slot);

#endif
