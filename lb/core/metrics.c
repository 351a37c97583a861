/* Counting, and the text format (Prometheus, version 0.0.4). */
#include "lb/core/metrics.h"

#include "base/buffer.h"
#include "lb/core/job.h"
#include "lb/edge/http_reply.h"
#include "lb/server.h"

#include <stdio.h>
#include <string.h>

static const uint64_t bounds_us[METRICS_BUCKETS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000, 10000000, 60000000,
};

/* ---- counting ---- */

static void observe(struct histogram *histogram, uint64_t us)
{
    int i = 0;
    while (i < METRICS_BUCKETS && us > bounds_us[i])
        i++;
    histogram->buckets[i]++;
    histogram->count++;
    histogram->sum_us += us;
}

void metrics_result(struct metrics *metrics, const struct pe_result *result)
{
    for (int phase = 0; phase < PE_PHASES; phase++)
        observe(&metrics->phases[phase], result->phase_us[phase]);
}

/* Names of our own are few; a worker's own problem types beyond the table's room count as one. */
static uint64_t *status_count(struct metrics *metrics, const char *name)
{
    int i = 0;
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_")])
        name = "other"; /* a worker's word, and no label */
    while (i < METRICS_STATUSES - 1 && metrics->statuses[i].name[0] &&
           strcmp(metrics->statuses[i].name, name) != 0)
        i++;
    if (i == METRICS_STATUSES - 1)
        name = "other";
    if (!metrics->statuses[i].name[0])
        snprintf(metrics->statuses[i].name, sizeof metrics->statuses[i].name, "%s", name);
    return &metrics->statuses[i].count;
}

void metrics_request(struct metrics *metrics, const char *status, uint64_t took_us)
{
    ++*status_count(metrics, status);
    observe(&metrics->request, took_us);
}

/* ---- the text ---- */

/* A page under construction; `failed` once memory ran out. */
struct page {
    struct pe_buf text;
    bool failed;
};

static void __attribute__((format(printf, 2, 3))) append_line(struct page *page, const char *format, ...)
{
    struct pe_error ignored;
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    page->failed |= pe_buf_append_text(&page->text, line, &ignored) < 0;
}

static void append_head(struct page *page, const char *name, const char *type, const char *help)
{
    append_line(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void append_value(struct page *page, const char *name, const char *type, const char *help,
                         double value)
{
    append_head(page, name, type, help);
    append_line(page, "%s %.15g\n", name, value);
}

static void append_histogram(struct page *page, const char *name, const char *label,
                             const struct histogram *histogram)
{
    uint64_t below = 0;
    const char *comma = label[0] ? "," : "";
    for (int i = 0; i < METRICS_BUCKETS; i++) {
        below += histogram->buckets[i];
        append_line(page, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, label, comma, (double)bounds_us[i] / 1e6,
                    (unsigned long long)below);
    }
    const char *open = label[0] ? "{" : "", *close = label[0] ? "}" : "";
    append_line(page, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, label, comma,
                (unsigned long long)histogram->count);
    append_line(page, "%s_sum%s%s%s %.6f\n", name, open, label, close, (double)histogram->sum_us / 1e6);
    append_line(page, "%s_count%s%s%s %llu\n", name, open, label, close,
                (unsigned long long)histogram->count);
}

static void append_histograms(struct page *page, const struct metrics *metrics)
{
    append_head(page, "pe_phase_seconds", "histogram", "Phases of jobs that ran");
    for (int phase = 0; phase < PE_PHASES; phase++) {
        char label[48];
        snprintf(label, sizeof label, "phase=\"%s\"", pe_phase_names[phase]);
        append_histogram(page, "pe_phase_seconds", label, &metrics->phases[phase]);
    }
    append_head(page, "pe_request_seconds", "histogram",
                "Requests to run a job, from body to end of response");
    append_histogram(page, "pe_request_seconds", "", &metrics->request);
}

static void append_statuses(struct page *page, const struct metrics *metrics)
{
    append_head(page, "pe_requests_total", "counter", "Requests to run a job, by outcome");
    for (int i = 0; i < METRICS_STATUSES && metrics->statuses[i].name[0]; i++)
        append_line(page, "pe_requests_total{outcome=\"%.40s\"} %llu\n", metrics->statuses[i].name,
                    (unsigned long long)metrics->statuses[i].count);
}

static void append_queue(struct page *page, const struct server *server)
{
    const struct scheduler *scheduler = &server->scheduler;
    append_value(page, "pe_hosts", "gauge", "Worker hosts connected", (double)scheduler->worker_count);
    append_value(page, "pe_slots", "gauge", "Slots connected", (double)scheduler->slot_count);
    append_value(page, "pe_slots_ready", "gauge", "Slots that ask for a job", (double)scheduler->ready_count);
    append_value(page, "pe_jobs_running", "gauge", "Jobs on slots", (double)scheduler->running_count);
    append_value(page, "pe_requests_open", "gauge", "Requests to run a job that are not answered completely",
                 (double)server->exchanges);
    append_value(page, "pe_queue_jobs", "gauge", "Jobs that wait", (double)scheduler->queued_count);
    append_value(page, "pe_queue_bytes", "gauge", "Bytes of the jobs that wait",
                 (double)scheduler->queued_bytes);
    append_value(page, "pe_queue_position", "gauge", "Jobs that would start before one of a new client",
                 (double)scheduler_jobs_ahead(scheduler, NULL));
    append_value(page, "pe_queue_expected_wait_seconds", "gauge", "What a new client's job would wait",
                 (double)job_expected_wait_us(server, NULL) / 1e6);
}

static void append_store(struct page *page, const struct server *server)
{
    const struct cache *cache = &server->cache;
    const struct result_store *store = &server->store;
    append_value(page, "pe_cache_bytes", "gauge", "Bytes of results in memory", (double)cache->bytes);
    append_value(page, "pe_cache_results", "gauge", "Results in memory", (double)cache->count);
    append_value(page, "pe_cache_hits_total", "counter", "Jobs answered from memory", (double)cache->hits);
    append_value(page, "pe_cache_misses_total", "counter", "Jobs not found in memory", (double)cache->misses);
    append_value(page, "pe_cache_evicted_total", "counter", "Results pushed out of memory",
                 (double)cache->evicted);
    append_value(page, "pe_store_hits_total", "counter", "Jobs found on disk or in memcached",
                 (double)store->hits);
    append_value(page, "pe_store_misses_total", "counter", "Jobs not found there", (double)store->misses);
    append_value(page, "pe_store_timeouts_total", "counter", "Lookups that took too long",
                 (double)store->timeouts);
    append_value(page, "pe_store_dropped_total", "counter", "Results not stored for want of room",
                 (double)store->dropped);
}

static void append_rest(struct page *page, const struct server *server)
{
    const struct metrics *metrics = &server->metrics;
    append_value(page, "pe_jobs_lost_total", "counter", "Slots lost with a job", (double)metrics->lost);
    append_value(page, "pe_jobs_retried_total", "counter", "Jobs given to another slot",
                 (double)metrics->retried);
    append_value(page, "pe_jobs_poisoned_total", "counter", "Jobs that killed slots",
                 (double)metrics->poisoned);
    append_value(page, "pe_responses_shed_total", "counter", "Slow readers cut off to bound memory",
                 (double)metrics->shed);
    append_value(page, "pe_connections_slow_total", "counter", "Connections closed as slow or idle",
                 (double)metrics->slow);
    append_value(page, "pe_connections", "gauge", "Connections open", (double)server->connections);
    append_value(page, "pe_result_bytes", "gauge", "Bytes of results held, the cache's included",
                 (double)server->result_bytes);
}

void api_metrics(struct server *server, h2o_req_t *req)
{
    struct page page = {0};
    append_statuses(&page, &server->metrics);
    append_histograms(&page, &server->metrics);
    append_queue(&page, server);
    append_store(&page, server);
    append_rest(&page, server);
    if (page.failed) {
        const struct pe_error err = {.kind = PE_ERR_INTERNAL, .message = "out of memory"};
        http_reply_error(req, &err);
    } else {
        http_reply_bytes(req, "text/plain; version=0.0.4; charset=utf-8", page.text.data, page.text.size);
    }
    pe_buf_free(&page.text);
}
