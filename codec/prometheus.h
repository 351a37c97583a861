/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics in Prometheus' text exposition format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/): a histogram of durations, and a
 * writer for the page that a metrics endpoint or a textfile collector serves. What is counted, and
 * under which name, is decided by the program. */
#ifndef PE_CODEC_PROMETHEUS_H
#define PE_CODEC_PROMETHEUS_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum { PE_HISTOGRAM_MAX_BOUNDS = 20 };

/* The upper bounds of a histogram's buckets in microseconds, ascending. Histograms that are to be
 * compared share one constant object. */
struct pe_histogram_bounds {
    size_t count; /* at most PE_HISTOGRAM_MAX_BOUNDS */
    uint64_t upper_us[PE_HISTOGRAM_MAX_BOUNDS];
};

/* Durations counted by size. Zero-initialised it is empty. It contains no pointers, so it may lie
 * in memory that several processes share. */
struct pe_histogram {
    atomic_ullong buckets[PE_HISTOGRAM_MAX_BOUNDS + 1]; /* the last one used has no upper bound */
    atomic_ullong sum_us;
};

/* Count a duration of `us` microseconds. Safe at any time, in any process that shares the
 * histogram. */
void pe_histogram_observe(struct pe_histogram *histogram, const struct pe_histogram_bounds *bounds,
                          uint64_t us);

/* A metrics page under construction. Zero-initialised it is empty. The first failure is kept, later
 * calls do nothing, and pe_metrics_page_finish reports it: the functions between need no checks. */
struct pe_metrics_page {
    struct pe_buf text; /* owned: free it with pe_buf_free */
    bool failed;
    struct pe_error error; /* set if `failed` */
};

/* Append the HELP and TYPE lines of a metric. `type` is "counter", "gauge" or "histogram"; `help`
 * is one line without backslashes. The samples of the metric must follow. */
void pe_metrics_append_head(struct pe_metrics_page *page, const char *name, const char *type,
                            const char *help);

/* Append one sample. If `label` and `label_value` are NULL, the sample has no label. Otherwise
 * `label_value` is any UTF-8 text, which is escaped here. */
void pe_metrics_append_sample(struct pe_metrics_page *page, const char *name, const char *label,
                              const char *label_value, double value);

/* Append a metric that has one sample without a label: its head and its value. */
void pe_metrics_append_value(struct pe_metrics_page *page, const char *name, const char *type,
                             const char *help, double value);

/* Append the samples of a histogram, in seconds: NAME_bucket for each bound, NAME_sum and
 * NAME_count. `label` and `label_value` are as in pe_metrics_append_sample. */
void pe_metrics_append_histogram(struct pe_metrics_page *page, const char *name, const char *label,
                                 const char *label_value, const struct pe_histogram *histogram,
                                 const struct pe_histogram_bounds *bounds);

/* Returns 0 if everything was appended. Otherwise returns -1 with the first error, which is
 * PE_ERR_INTERNAL without memory and PE_ERR_TOO_LARGE past the limit of `page->text`. */
int pe_metrics_page_finish(const struct pe_metrics_page *page, struct pe_error *err) PE_MUST_CHECK;

#endif
