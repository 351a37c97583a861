/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: counters and gauges of the balancer in Prometheus' text format. */
#ifndef PE_LB_API_METRICS_PAGE_H
#define PE_LB_API_METRICS_PAGE_H

#include "lb/api/body_stream.h"
#include "lb/api/live_session.h"
#include "lb/core/audit.h"
#include "lb/core/job.h"
#include "lb/core/span_export.h"
#include "lb/edge/connection.h"
#include "lb/edge/h2o.h"

/* Where the values come from; nothing is owned. */
struct metrics_sources {
    const struct jobs *jobs;
    const struct audit *audit;
    const struct connections *connections;
    const size_t *exchanges; /* requests to run a job that are not answered completely */
    const struct live_sessions *sessions;
    const struct span_export *spans;
};

/* Handle GET /metrics. */
void api_metrics(const struct metrics_sources *sources, struct body_streams *streams, h2o_req_t *req);

#endif
