/* Counting without locks: every number is an atomic of its own. */
#include "worker/metrics.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Upper bounds in microseconds: a parse takes tens of them, a program up to a minute. */
static const uint64_t bounds_us[] = {50,      100,     250,      500,      1000,    2500,   5000,
                                     10000,   25000,   50000,    100000,   250000,  500000, 1000000,
                                     2500000, 5000000, 10000000, 30000000, 60000000};
enum { BUCKETS = sizeof bounds_us / sizeof *bounds_us, STATUSES = PE_STATUS_VM_ERROR + 1 };

struct histogram {
    atomic_ullong buckets[BUCKETS + 1]; /* the last: above every bound */
    atomic_ullong sum_us;
};

struct metrics {
    atomic_ullong jobs[STATUSES];
    struct histogram steps[PE_STEPS];
};

struct metrics *metrics_make(struct pe_error *err)
{
    void *memory =
        mmap(NULL, sizeof(struct metrics), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED)
        return memory;
    pe_fail_errno(err, "shared memory for metrics");
    return NULL;
}

void metrics_count(struct metrics *metrics, const struct pe_result *result)
{
    atomic_fetch_add(&metrics->jobs[result->status], 1);
    for (int step = 0; step < PE_STEPS; step++) {
        struct histogram *histogram = &metrics->steps[step];
        size_t bucket = 0;
        while (bucket < BUCKETS && result->step_us[step] > bounds_us[bucket])
            bucket++;
        atomic_fetch_add(&histogram->buckets[bucket], 1);
        atomic_fetch_add(&histogram->sum_us, result->step_us[step]);
    }
}

static int print_histogram(const struct histogram *histogram, const char *step, struct pe_buf *text,
                           struct pe_error *err)
{
    unsigned long long count = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        count += atomic_load(&histogram->buckets[i]);
        if (pe_buf_printf(text, err, "pe_worker_step_seconds_bucket{step=\"%s\",le=\"%g\"} %llu\n", step,
                          (double)bounds_us[i] / 1e6, count) < 0)
            return -1;
    }
    count += atomic_load(&histogram->buckets[BUCKETS]);
    return pe_buf_printf(text, err,
                         "pe_worker_step_seconds_bucket{step=\"%s\",le=\"+Inf\"} %llu\n"
                         "pe_worker_step_seconds_sum{step=\"%s\"} %.6f\n"
                         "pe_worker_step_seconds_count{step=\"%s\"} %llu\n",
                         step, count, step, (double)atomic_load(&histogram->sum_us) / 1e6, step, count);
}

int metrics_print(const struct metrics *metrics, struct pe_buf *text, struct pe_error *err)
{
    if (pe_buf_append_text(text,
                           "# HELP pe_worker_jobs_total Jobs that got a result, by its status.\n"
                           "# TYPE pe_worker_jobs_total counter\n",
                           err) < 0)
        return -1;
    for (int status = 0; status < STATUSES; status++)
        if (pe_buf_printf(text, err, "pe_worker_jobs_total{status=\"%s\"} %llu\n", pe_status_name(status),
                          atomic_load(&metrics->jobs[status])) < 0)
            return -1;
    if (pe_buf_append_text(text,
                           "# HELP pe_worker_step_seconds Time of each step of a job.\n"
                           "# TYPE pe_worker_step_seconds histogram\n",
                           err) < 0)
        return -1;
    for (int step = 0; step < PE_STEPS; step++)
        if (print_histogram(&metrics->steps[step], pe_step_names[step], text, err) < 0)
            return -1;
    return 0;
}

int metrics_write(const struct metrics *metrics, const char *path, struct pe_error *err)
{
    char aside[512];
    pe_autobuf struct pe_buf text = {0};
    snprintf(aside, sizeof aside, "%s.new", path);
    if (metrics_print(metrics, &text, err) < 0)
        return -1;
    pe_autoclose int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return pe_fail_errno(err, "writing %s", aside);
    if (pe_write_all(fd, (const char *)text.data, text.size, aside, err) < 0)
        return -1;
    return rename(aside, path) == 0 ? 0 : pe_fail_errno(err, "renaming %s", aside);
}
