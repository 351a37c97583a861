/* What is counted, and GET /metrics, which says it in Prometheus' text format. */
#ifndef PE_LB_CORE_METRICS_H
#define PE_LB_CORE_METRICS_H

#include "lb/edge/h2o.h"
#include "proto/result.h"

#include <stdint.h>

struct server;

enum { METRICS_BUCKETS = 14 }; /* upper bounds in metrics.c, and one without */

struct histogram {
    uint64_t buckets[METRICS_BUCKETS + 1];
    uint64_t count, sum_us;
};

/* Answers by their outcome: a result's status or a problem's type. */
enum { METRICS_STATUSES = 32 };

struct metrics {
    struct histogram phases[PE_PHASES]; /* of jobs that ran */
    struct histogram request;           /* of requests, from the complete body to the end */
    struct {
        char name[48];
        uint64_t count;
    } statuses[METRICS_STATUSES];
    uint64_t lost, retried, poisoned; /* slots lost with a job, jobs tried again, jobs held back */
    uint64_t shed;                    /* slow readers cut off to bound memory */
    uint64_t slow;                    /* connections closed for being slow or idle */
};

void metrics_result(struct metrics *metrics, const struct pe_result *result);
void metrics_request(struct metrics *metrics, const char *status, uint64_t took_us);

void api_metrics(struct server *server, h2o_req_t *req); /* GET /metrics */

#endif
