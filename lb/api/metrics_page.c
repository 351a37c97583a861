/* SPDX-License-Identifier: Apache-2.0 */
/* The names and the order of the metrics. What is counted where stands in lb/core/metrics.h and
 * in the modules that the values are read from. */
#include "lb/api/metrics_page.h"

#include "lb/edge/http_reply.h"

static void append_requests(struct pe_metrics_page *page, const struct metrics *metrics)
{
    pe_metrics_append_head(page, "pe_requests_total", "counter",
                           "Requests to run a job, by the status of the result or the type of the problem");
    for (int i = 0; i < METRICS_STATUSES && metrics->statuses[i].name[0]; i++)
        pe_metrics_append_sample(page, "pe_requests_total", "status", metrics->statuses[i].name,
                                 (double)metrics->statuses[i].count);
    pe_metrics_append_head(page, "pe_request_seconds", "histogram",
                           "Time from a request's complete body to the end of its response");
    pe_metrics_append_histogram(page, "pe_request_seconds", NULL, NULL, &metrics->request, &metrics_bounds);
}

static void append_phases(struct pe_metrics_page *page, const struct metrics *metrics)
{
    pe_metrics_append_head(page, "pe_phase_seconds", "histogram", "Phases of jobs that ran");
    for (int phase = 0; phase < PE_PHASES; phase++)
        pe_metrics_append_histogram(page, "pe_phase_seconds", "phase", pe_phase_names[phase],
                                    &metrics->phases[phase], &metrics_bounds);
}

static void append_isolation(struct pe_metrics_page *page, const struct scheduler *scheduler)
{
    size_t workers[PE_ISOLATIONS] = {0};
    pe_list_for_each(node, &scheduler->workers)
    {
        const struct worker *worker = pe_list_entry(node, struct worker, in_workers);
        workers[worker->claim->isolation] += !scheduler_worker_is_away(worker);
    }
    pe_metrics_append_head(page, "pe_isolation_workers", "gauge",
                           "Workers connected, by what isolates their jobs");
    for (int i = PE_ISOLATION_HARDWARE; i < PE_ISOLATIONS; i++)
        pe_metrics_append_sample(page, "pe_isolation_workers", "isolation",
                                 pe_isolation_name((enum pe_isolation)i), (double)workers[i]);
}

static void append_queue(struct pe_metrics_page *page, const struct metrics_sources *sources)
{
    const struct scheduler *scheduler = sources->jobs->scheduler;
    pe_metrics_append_value(page, "pe_workers", "gauge", "Workers connected",
                            (double)scheduler->worker_count);
    append_isolation(page, scheduler);
    pe_metrics_append_value(page, "pe_slots", "gauge", "Slots connected", (double)scheduler->slot_count);
    pe_metrics_append_value(page, "pe_slots_ready", "gauge", "Slots that wait for a job",
                            (double)scheduler->ready_count);
    pe_metrics_append_value(page, "pe_slots_elsewhere", "gauge", "Slots that run jobs of other balancers",
                            (double)scheduler_slots_elsewhere(scheduler));
    pe_metrics_append_value(page, "pe_jobs_running", "gauge", "Jobs on slots",
                            (double)scheduler->running_count);
    pe_metrics_append_value(page, "pe_requests_open", "gauge",
                            "Requests to run a job that are not answered completely",
                            (double)*sources->exchanges);
    pe_metrics_append_value(page, "pe_queue_jobs", "gauge", "Jobs that wait for a slot",
                            (double)scheduler->queued_count);
    pe_metrics_append_value(page, "pe_queue_bytes", "gauge", "Bytes of the jobs that wait",
                            (double)scheduler->queued_bytes);
    pe_metrics_append_value(page, "pe_queue_position", "gauge",
                            "Jobs that would start before a job of a new client",
                            (double)scheduler_jobs_ahead(scheduler, NULL));
    pe_metrics_append_value(page, "pe_queue_expected_wait_seconds", "gauge",
                            "How long a job of a new client would wait",
                            (double)job_expected_wait_us(sources->jobs, NULL) / 1e6);
}

static void append_results(struct pe_metrics_page *page, const struct jobs *jobs)
{
    const struct cache *cache = jobs->cache;
    const struct result_store *store = jobs->store;
    pe_metrics_append_value(page, "pe_cache_bytes", "gauge", "Bytes of results in the memory cache",
                            (double)cache->bytes);
    pe_metrics_append_value(page, "pe_cache_results", "gauge", "Results in the memory cache",
                            (double)cache->count);
    pe_metrics_append_value(page, "pe_cache_hits_total", "counter", "Jobs answered from the memory cache",
                            (double)cache->hits);
    pe_metrics_append_value(page, "pe_cache_misses_total", "counter", "Jobs not found in the memory cache",
                            (double)cache->misses);
    pe_metrics_append_value(page, "pe_cache_evicted_total", "counter",
                            "Results evicted from the memory cache", (double)cache->evicted);
    pe_metrics_append_value(page, "pe_store_hits_total", "counter", "Jobs found on disk or in a shared store",
                            (double)store->hits);
    pe_metrics_append_value(page, "pe_store_misses_total", "counter",
                            "Jobs found neither on disk nor in a shared store", (double)store->misses);
    pe_metrics_append_value(page, "pe_store_timeouts_total", "counter",
                            "Lookups on disk and in a shared store that took too long",
                            (double)store->timeouts);
    pe_metrics_append_value(page, "pe_store_dropped_total", "counter",
                            "Results that were not stored because the store was too slow",
                            (double)store->dropped);
    pe_metrics_append_value(page, "pe_result_bytes", "gauge", "Bytes of all results, cached ones included",
                            (double)jobs->budget->used);
    pe_metrics_append_value(page, "pe_responses_shed_total", "counter",
                            "Slow readers that were cut off to bound memory", (double)jobs->budget->shed);
}

static void append_sessions(struct pe_metrics_page *page, const struct live_sessions *sessions)
{
    pe_metrics_append_value(page, "pe_interactive_connections", "gauge", "Connections for interactive jobs",
                            (double)sessions->open);
    pe_metrics_append_value(page, "pe_interactive_jobs", "gauge", "Interactive jobs that wait or run",
                            (double)sessions->jobs);
    pe_metrics_append_value(page, "pe_interactive_jobs_total", "counter",
                            "Interactive jobs that were admitted", (double)sessions->started);
    pe_metrics_append_value(page, "pe_interactive_refused_total", "counter",
                            "Interactive jobs that were refused because there were as many as may be",
                            (double)sessions->refused);
}

static void append_faults(struct pe_metrics_page *page, const struct metrics *metrics)
{
    pe_metrics_append_value(page, "pe_jobs_lost_total", "counter", "Slots that were lost with a job",
                            (double)metrics->lost);
    pe_metrics_append_value(page, "pe_jobs_retried_total", "counter", "Jobs that were given to another slot",
                            (double)metrics->retried);
    pe_metrics_append_value(page, "pe_jobs_returned_total", "counter",
                            "Jobs that a worker gave back, because another balancer had its slot",
                            (double)metrics->returned);
    pe_metrics_append_value(page, "pe_jobs_poisoned_total", "counter",
                            "Jobs that were held back because they killed slots", (double)metrics->poisoned);
}

static void append_audits(struct pe_metrics_page *page, const struct audit *audit)
{
    pe_metrics_append_head(page, "pe_audits_total", "counter",
                           "Jobs that were run again on other hosts, by what was found (--audit)");
    for (int i = 0; i < AUDIT_OUTCOMES; i++)
        pe_metrics_append_sample(page, "pe_audits_total", "outcome", audit_outcome_names[i],
                                 (double)audit->outcomes[i]);
    pe_metrics_append_value(page, "pe_audits_waiting", "gauge", "Jobs whose audits are under way",
                            (double)audit->count);
    pe_metrics_append_value(page, "pe_audit_bytes", "gauge", "Bytes of these jobs", (double)audit->bytes);
    pe_metrics_append_value(page, "pe_audit_suspects", "gauge",
                            "Hosts whose results differed from those of others",
                            (double)audit->suspect_count);
}

static void append_connections(struct pe_metrics_page *page, const struct connections *connections)
{
    pe_metrics_append_value(page, "pe_connections", "gauge", "Open connections", (double)connections->count);
    pe_metrics_append_value(page, "pe_connections_slow_total", "counter",
                            "Connections that were closed because they were slow or idle",
                            (double)connections->slow);
    pe_metrics_append_value(page, "pe_connections_evicted_total", "counter",
                            "Idle connections that were closed to make room for others",
                            (double)connections->evicted);
    pe_metrics_append_head(page, "pe_connections_refused_total", "counter",
                           "Connections that were refused, by the bound that was reached");
    pe_metrics_append_sample(page, "pe_connections_refused_total", "bound", "address",
                             (double)connections->refused_by_address);
    pe_metrics_append_sample(page, "pe_connections_refused_total", "bound", "total",
                             (double)connections->refused_by_total);
}

static void append_spans(struct pe_metrics_page *page, const struct span_export *spans)
{
    pe_metrics_append_head(page, "pe_trace_spans_total", "counter",
                           "Spans of traces, by what became of them (--otlp-endpoint)");
    pe_metrics_append_sample(page, "pe_trace_spans_total", "outcome", "exported", (double)spans->exported);
    pe_metrics_append_sample(page, "pe_trace_spans_total", "outcome", "failed", (double)spans->failed);
    pe_metrics_append_sample(page, "pe_trace_spans_total", "outcome", "dropped", (double)spans->dropped);
}

/* The page is made at once, because its size does not depend on what is counted. */
static int append_page(void *state, struct pe_buf *out, size_t room, bool *ended, struct pe_error *err)
{
    const struct metrics_sources *sources = *(const struct metrics_sources **)state;
    struct pe_metrics_page page = {0};
    (void)room;
    append_requests(&page, sources->jobs->metrics);
    append_phases(&page, sources->jobs->metrics);
    append_queue(&page, sources);
    append_results(&page, sources->jobs);
    append_sessions(&page, sources->sessions);
    append_faults(&page, sources->jobs->metrics);
    append_audits(&page, sources->audit);
    append_connections(&page, sources->connections);
    append_spans(&page, sources->spans);
    pe_buf_free(out);
    *out = page.text;
    *ended = true;
    return pe_metrics_page_finish(&page, err);
}

void api_metrics(const struct metrics_sources *sources, struct body_streams *streams, h2o_req_t *req)
{
    static const struct body_source source = {.append = append_page};
    http_reply_header(req, "cache-control", "no-store");
    body_stream_send(streams, req, PE_PROMETHEUS_CONTENT_TYPE, &source, (const void *)&sources,
                     sizeof sources);
}
