/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of a worker: how its jobs ended, and a histogram for each step of a job. They lie in
 * memory that all processes of the worker share, so they survive the process of a slot. */
#ifndef PE_WORKER_METRICS_H
#define PE_WORKER_METRICS_H

#include "base/error.h"
#include "proto/result.h"

struct metrics;

/* Returns shared, zeroed memory for the counters. It lives as long as the calling process or one of
 * its children. Returns NULL with PE_ERR_INTERNAL if there is no memory. */
struct metrics *metrics_make(struct pe_error *err);

/* Count a finished job by the status and the step times of its result. Safe at any time in any
 * process of the worker. */
void metrics_count(struct metrics *metrics, const struct pe_result *result);

/* How many jobs got a result, and how many of these failed because of the VM. */
void metrics_jobs(const struct metrics *metrics, uint64_t *done, uint64_t *failed);

/* Write all metrics to the file `path` in Prometheus' text format, for node_exporter's textfile
 * collector: pe_worker_info{isolation=…}, pe_worker_jobs_total{status=…} and
 * pe_worker_step_seconds{step=…}. The file is written as `path`.new and then renamed, so a reader sees
 * either the old or the new one. PE_ERR_INTERNAL if it cannot be written, as on a full disk, or without
 * memory; then there is the old one, and no `path`.new. */
int metrics_write(const struct metrics *metrics, enum pe_isolation isolation, const char *path,
                  struct pe_error *err) PE_MUST_CHECK;

#endif
