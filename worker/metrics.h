/* Counters of a worker host: how jobs ended, and a histogram for each step of a job. They lie in memory that
 * all processes of the host share, and outlive a slot's process. */
#ifndef PE_WORKER_METRICS_H
#define PE_WORKER_METRICS_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/result.h"

struct metrics;

/* Shared, zeroed memory for the counters; lives as long as the process that made it and its children. NULL on
 * failure. */
struct metrics *metrics_make(struct pe_error *err);

/* Count a job's end and the times of its steps. Safe in any process at any time. */
void metrics_count(struct metrics *metrics, const struct pe_result *result);

/* Append everything in Prometheus' text format (version 0.0.4): pe_worker_jobs_total{status=…} and the
 * histograms pe_worker_step_seconds{step=…}. */
int metrics_print(const struct metrics *metrics, struct pe_buf *text, struct pe_error *err) PE_MUST_CHECK;

/* Write that to a file, aside and then renamed, as node_exporter's textfile collector wants it. */
int metrics_write(const struct metrics *metrics, const char *path, struct pe_error *err) PE_MUST_CHECK;

#endif
