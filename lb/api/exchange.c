/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an exchange: how it begins, leaves its job, is refused and ends. */
#include "lb/api/exchange.h"

#include "base/io.h"
#include "base/log.h"
#include "lb/api/exchange_ids.h"
#include "lb/api/refusals.h"
#include "lb/edge/problems.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SILENCE_MS = 10 * 1000 };

void exchanges_init(struct exchanges *exchanges, h2o_context_t *ctx)
{
    *exchanges = (struct exchanges){.ctx = ctx};
    pe_list_init(&exchanges->waiting_for_workers);
    h2o_timeout_init(ctx->loop, &exchanges->silence, SILENCE_MS);
}

void exchange_charge(struct exchange *exchange, const struct pe_result *result)
{
    uint64_t since_us = exchange->pays_since_us;
    if (since_us && exchange->client && !exchange->waiter.joined)
        client_charge(exchange->client, result
                                            ? job_result_cpu_us(result, exchange->submission.spec.timeout_ms)
                                            : pe_now_us() - since_us);
    exchange->pays_since_us = 0;
}

static void leave_cases(struct exchange *exchange)
{
    struct case_parts *parts = &exchange->cases->parts;
    case_parts_leave(parts);
    if (exchange->client)
        client_charge(exchange->client, parts->used_us);
    parts->used_us = 0;
}

void exchange_stop_gathering(struct exchange *exchange)
{
    if (!pe_list_linked(&exchange->in_waiting_for_workers))
        return;
    pe_list_remove(&exchange->in_waiting_for_workers);
    scheduler_joined_remove(exchange->exchanges->jobs->scheduler, exchange->waiter.bytes);
}

void exchange_leave(struct exchange *exchange)
{
    exchange_charge(exchange, NULL);
    connection_unwatch_hangup(exchange->connection);
    deadline_forget(&exchange->deadline);
    exchange_stop_gathering(exchange);
    job_leave(&exchange->waiter);
    if (exchange->cases)
        leave_cases(exchange);
    submission_drop_files(&exchange->submission); /* a client may take long to read the response */
}

void exchange_drop_result(struct exchange *exchange)
{
    exchange->has_result = false;
    h2o_timeout_unlink(&exchange->tick_entry);
    result_encoder_free(&exchange->encoder);
}

void exchange_send_problem(struct exchange *exchange, const struct pe_problem *problem)
{
    exchange_leave(exchange);
    snprintf(exchange->log_status, sizeof exchange->log_status, "%s", problem->type);
    if (exchange->events && exchange->started) {
        exchange_events_fail(exchange, problem);
        return;
    }
    exchange_drop_result(exchange); /* a piece of it may be about to be sent, as a second reply */
    exchange->dialect->send_problem(exchange, problem);
}

void exchange_send_forwarded(struct exchange *exchange, const struct pe_problem *problem)
{
    struct pe_problem forwarded = *problem;
    if (forwarded.status == 503 || forwarded.status == 429)
        forwarded.retry_after_s = 1;
    exchange_send_problem(exchange, &forwarded);
}

void exchange_refuse_for_capacity(struct exchange *exchange, const char *what)
{
    struct pe_problem problem = refusal_no_capacity(exchange->exchanges->jobs, exchange->waiter.client, what);
    exchange_send_problem(exchange, &problem);
}

void exchange_refuse_for_queue(struct exchange *exchange)
{
    exchange_refuse_for_capacity(exchange, "the queue is full");
}

void exchange_give_up(struct exchange *exchange, unsigned tries)
{
    struct pe_problem problem =
        problem_make("job-lost", "%u slots or VMs were lost while they ran the job", tries);
    exchange_send_problem(exchange, &problem);
}

static void report(const struct exchange *exchange)
{
    static const char *const sources[] = {"run", "joined", "cached", "stored"};
    const char *status = exchange->log_status[0] ? exchange->log_status : NULL;
    const char *image = exchange->submission.spec.image;
    uint64_t took_us = pe_now_us() - exchange->waiter.arrived_us;
    metrics_request(exchange->exchanges->jobs->metrics, status ? status : "connection-lost", took_us);
    const char *key = exchange->client ? exchange->client->key_name : "";
    pe_log_traced(PE_LOG_INFO, exchange->id, request_trace_id(&exchange->trace),
                  "job: image %s, %s, %s, %llu ms%s%s", image ? image : "?",
                  status ? status : "connection lost", sources[exchange->source],
                  (unsigned long long)took_us / 1000, *key ? ", key " : "", key);
    exchange_export_trace(exchange, sources[exchange->source]);
}

static void free_cases(struct exchange_cases *cases)
{
    if (!cases)
        return;
    case_parts_free(&cases->parts);
    case_request_free(&cases->request);
    free(cases);
}

/* The request of libh2o ends, for any reason. */
static void on_dispose(void *memory)
{
    struct exchange *exchange = memory;
    struct exchanges *exchanges = exchange->exchanges;
    exchange_leave(exchange);
    exchange_ids_leave(exchange);
    byte_budget_remove(exchanges->jobs->budget, &exchange->reader);
    h2o_timeout_unlink(&exchange->tick_entry);
    report(exchange);
    if (exchange->client)
        client_leave(exchanges->clients, exchange->client, pe_now_us());
    result_encoder_free(&exchange->encoder);
    exchange_events_close(exchange);
    pe_buf_free(&exchange->sending);
    free_cases(exchange->cases);
    submission_free(&exchange->submission);
    pe_buf_free(&exchange->salt);
    if (exchange->dialect->dispose)
        exchange->dialect->dispose(exchange);
    exchanges->count--;
    exchanges->on_ended(exchanges->data);
}

struct exchange *exchange_begin(struct exchanges *exchanges, const struct dialect *dialect, h2o_req_t *req)
{
    struct exchange *exchange = h2o_mem_alloc_shared(&req->pool, dialect->exchange_size, on_dispose);
    memset(exchange, 0, dialect->exchange_size);
    exchange->exchanges = exchanges;
    exchange->dialect = dialect;
    exchange->req = req;
    exchange->format = RESULT_JSON;
    exchange->waiter.arrived_us = pe_now_us();
    exchange->waiter.submission = &exchange->submission;
    exchange->connection = connection_of_request(req);
    exchanges->count++;
    return exchange;
}
