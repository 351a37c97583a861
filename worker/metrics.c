/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's counters: which there are, and the file for node_exporter. codec/prometheus.c counts
 * durations and writes the text format. */
#include "worker/metrics.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/prometheus.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Steps last from tens of microseconds (parsing the job) to a minute (running the program). */
static const struct pe_histogram_bounds step_bounds = {
    .count = 19,
    .upper_us = {50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
                 2500000, 5000000, 10000000, 30000000, 60000000},
};

enum { STATUSES = PE_STATUS_VM_ERROR + 1 };

struct metrics {
    atomic_ullong jobs[STATUSES];
    struct pe_histogram steps[PE_STEPS];
};

struct metrics *metrics_make(struct pe_error *err)
{
    void *memory =
        mmap(NULL, sizeof(struct metrics), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED)
        return memory;
    pe_fail_errno(err, "cannot allocate shared memory for the metrics");
    return NULL;
}

void metrics_count(struct metrics *metrics, const struct pe_result *result)
{
    atomic_fetch_add(&metrics->jobs[result->status], 1);
    for (int step = 0; step < PE_STEPS; step++)
        pe_histogram_observe(&metrics->steps[step], &step_bounds, result->step_us[step]);
}

void metrics_jobs(const struct metrics *metrics, uint64_t *done, uint64_t *failed)
{
    *done = 0;
    for (int status = 0; status < STATUSES; status++)
        *done += atomic_load(&metrics->jobs[status]);
    *failed = atomic_load(&metrics->jobs[PE_STATUS_VM_ERROR]);
}

static void append_metrics(const struct metrics *metrics, enum pe_isolation isolation,
                           struct pe_metrics_page *page)
{
    pe_metrics_append_head(page, "pe_worker_info", "gauge", "1, with what isolates the jobs.");
    pe_metrics_append_sample(page, "pe_worker_info", "isolation", pe_isolation_name(isolation), 1);
    pe_metrics_append_head(page, "pe_worker_jobs_total", "counter", "Jobs that got a result, by its status.");
    for (int status = 0; status < STATUSES; status++)
        pe_metrics_append_sample(page, "pe_worker_jobs_total", "status", pe_status_name(status),
                                 (double)atomic_load(&metrics->jobs[status]));
    pe_metrics_append_head(page, "pe_worker_step_seconds", "histogram", "Time of each step of a job.");
    for (int step = 0; step < PE_STEPS; step++)
        pe_metrics_append_histogram(page, "pe_worker_step_seconds", "step", pe_step_names[step],
                                    &metrics->steps[step], &step_bounds);
}

/* Write a new file and give it its name. On failure it may be left. */
static int write_and_rename(const char *unfinished, const char *path, int fd, const struct pe_buf *text,
                            struct pe_error *err)
{
    if (pe_write_all(fd, text->data, text->size, unfinished, err) < 0)
        return -1;
    return rename(unfinished, path) == 0 ? 0 : pe_fail_errno(err, "cannot rename %s to %s", unfinished, path);
}

int metrics_write(const struct metrics *metrics, enum pe_isolation isolation, const char *path,
                  struct pe_error *err)
{
    char unfinished[PATH_MAX];
    struct pe_metrics_page page = {0};
    append_metrics(metrics, isolation, &page);
    pe_autobuf struct pe_buf text = page.text;
    if (pe_metrics_page_finish(&page, err) < 0)
        return -1;
    if (snprintf(unfinished, sizeof unfinished, "%s.new", path) >= (int)sizeof unfinished)
        return pe_fail(err, PE_ERR_INTERNAL, "the path of %.60s... is too long", path);
    pe_autoclose int fd = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create %s", unfinished);
    if (write_and_rename(unfinished, path, fd, &text, err) == 0)
        return 0;
    unlink(unfinished);
    return -1;
}
